/* SPDX-License-Identifier: MIT */
/* What stands in the files, and what is read of files that others wrote. */
#include "note_kit.h"

#define FORMAT_TEST(name) TEST_WITH(name, KT_TEST_NO_LOOP)

static void check_written(const kt_note *n, kt_note_format f, const char *expected)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    sure(kt_note_write(n, f, &text));
    CHECK_STR(kt_buffer_string(&text), expected);
}

static void check_read(kt_slice text, kt_note_format f, kt_note expected)
{
    kt_auto(kt_note) note = KT_NOTE_INIT;
    sure(kt_note_read(text, f, &note));
    check_same(&expected, &note);
}

static void check_unreadable(kt_slice text, kt_note_format f, const char *why)
{
    kt_note note = KT_NOTE_INIT;
    CHECK_ERR(kt_note_read(text, f, &note), KT_EVALIDATION);
    CHECK_STR(kt_error_detail(), why);
}

/* ---- Markdown ----------------------------------------------------------------------------- */

FORMAT_TEST(markdown_is_title_body_and_tags)
{
    const kt_note note = NOTE("Python Basics", "Variables and types.", S("python"));
    check_written(&note, KT_NOTE_MD, "# Python Basics\n\nVariables and types.\n\nTags: python\n");
    const kt_note two = NOTE("A", "b", S("c"), S("d e"));
    check_written(&two, KT_NOTE_MD, "# A\n\nb\n\nTags: c, d e\n");
    const kt_note bare = NOTE_UNTAGGED("", "");
    check_written(&bare, KT_NOTE_MD, "#\n\nTags:\n");
    kt_note dated = NOTE_UNTAGGED("A", "b");
    dated.created = KT_S(1763692891);
    check_written(&dated, KT_NOTE_MD, "# A\n\nb\n\nTags:\nCreated: 2025-11-21T02:41:31Z\n");
}

FORMAT_TEST(markdown_of_other_hands_is_read)
{
    check_read(S("# Title\nbody at once\nTags: a,b ,, c \n\n \n"), KT_NOTE_MD,
               NOTE("Title", "body at once", S("a"), S("b"), S("c")));
    check_read(S("\n\n#   Title  \n\nbody\n\n\n"), KT_NOTE_MD, NOTE_UNTAGGED("Title", "body"));
    check_read(S("\xef\xbb\xbf# Title\r\n\r\none\r\n\r\ntwo\r\n\r\nTags: a\r\n"), KT_NOTE_MD,
               NOTE("Title", "one\r\n\r\ntwo", S("a")));
    check_read(S("# Title\n\nTags: early\n\nthe rest\n"), KT_NOTE_MD,
               NOTE_UNTAGGED("Title", "Tags: early\n\nthe rest"));
    check_read(S("# Title"), KT_NOTE_MD, NOTE_UNTAGGED("Title", ""));
    check_read(S("# Title\n\nTags: "), KT_NOTE_MD, NOTE_UNTAGGED("Title", ""));
    check_read(S("# Title\n\nb\n\nTags: a\nCreated: yesterday\n"), KT_NOTE_MD,
               NOTE_UNTAGGED("Title", "b\n\nTags: a\nCreated: yesterday"));
    check_read(S("# Title\n\nTags: a\n\nCreated: 2025-11-21\n"), KT_NOTE_MD,
               NOTE_UNTAGGED("Title", "Tags: a\n\nCreated: 2025-11-21"));
}

/* Whoever reads a folder names such a note after its file. */
FORMAT_TEST(markdown_without_a_heading_has_no_title)
{
    static const kt_slice texts[] = {S("just text\n"), S("## part\n"), S("#tag first\n"), S("")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        kt_auto(kt_note) note = KT_NOTE_INIT;
        sure(kt_note_read(texts[i], KT_NOTE_MD, &note));
        CHECK(!note.title.data);
        CHECK_EQ(note.body.size, texts[i].size ? texts[i].size - 1 : 0);
    }
    kt_auto(kt_note) empty = KT_NOTE_INIT;
    sure(kt_note_read(S("#\n\nbody\n"), KT_NOTE_MD, &empty));
    CHECK(empty.title.data && empty.title.size == 0);
}

FORMAT_TEST(front_matter_is_read)
{
    kt_auto(kt_note) dated = KT_NOTE_INIT;
    check_read(S("---\ntitle: Tea\ntags: [green, 'black, sort of', \"hot\"]\n---\n\nBoil.\n"),
               KT_NOTE_MD, NOTE("Tea", "Boil.", S("green"), S("black"), S("sort of"), S("hot")));
    check_read(
        S("---\r\ntags:\r\n  - a\r\n- \"b c\"\r\ntitle: \"say \\\"hi\\\"\"\r\n...\r\nText\r\n"),
        KT_NOTE_MD, NOTE("say \"hi\"", "Text", S("a"), S("b c")));
    check_read(
        S("---\ntitle: 'it''s'\ntags: one, two\nlayout: post\n# a comment\n---\n# it's\n\nText"),
        KT_NOTE_MD, NOTE("it's", "Text", S("one"), S("two")));
    check_read(S("---\ntitle: A\n---\n# B\n\nText\n"), KT_NOTE_MD,
               NOTE_UNTAGGED("A", "# B\n\nText"));
    check_read(S("---\ntags: x\n---\n# B\n\nText\n\nTags: y\n"), KT_NOTE_MD,
               NOTE("B", "Text", S("x"), S("y")));
    check_read(S("---\nnever closed\n"), KT_NOTE_MD, NOTE_UNTAGGED("", "---\nnever closed"));
    sure(kt_note_read(S("---\ntitle: A\ndate: 2025-11-21T02:41:31Z\n---\n"), KT_NOTE_MD, &dated));
    CHECK_EQ(dated.created, KT_S(1763692891));
}

/* ---- JSON --------------------------------------------------------------------------------- */

FORMAT_TEST(json_is_an_object_of_five_fields)
{
    kt_note note = NOTE("A \"b\"", "c\nd", S("e"));
    note.changed = KT_S(1763692891);
    check_written(
        &note, KT_NOTE_JSON,
        "{\n  \"title\": \"A \\\"b\\\"\",\n  \"body\": \"c\\nd\",\n  \"tags\": [\n    \"e\"\n  ],\n"
        "  \"created\": null,\n  \"changed\": \"2025-11-21T02:41:31Z\"\n}\n");
}

FORMAT_TEST(json_of_other_hands_is_read)
{
    check_read(S("{\"title\": \" A \", \"tags\": [\" b \", \"\"], \"more\": {\"x\": [1]}}"),
               KT_NOTE_JSON, NOTE("A", "", S("b")));
    check_read(S("{\"body\": \"x\", \"tags\": null, \"created\": null}"), KT_NOTE_JSON,
               NOTE_UNTAGGED("", "x"));
    check_unreadable(S("{"), KT_NOTE_JSON,
                     "line 1, column 1: not valid JSON: string or '}' expected near end of file");
    check_unreadable(S("7"), KT_NOTE_JSON,
                     "line 1, column 1: not valid JSON: '[' or '{' expected near '7'");
    check_unreadable(S("[7]"), KT_NOTE_JSON, "a note must be an object");
    check_unreadable(S("{\"x\": 1}"), KT_NOTE_JSON, "no note: it has neither title nor body");
    check_unreadable(S("{\"title\": 1}"), KT_NOTE_JSON, "title must be a string");
    check_unreadable(S("{\"title\": \"a\", \"tags\": [1]}"), KT_NOTE_JSON,
                     "tags[0] must be a string");
    check_unreadable(S("{\"title\": \"a\", \"tags\": \"b\"}"), KT_NOTE_JSON,
                     "tags must be a list of strings");
    check_unreadable(S("{\"title\": \"a\", \"created\": \"b\"}"), KT_NOTE_JSON,
                     "'b' is no time as 2026-11-21T02:41:31Z");
    check_unreadable(S("{\"title\": \"a\\nb\"}"), KT_NOTE_JSON, "the title holds a line end");
    check_unreadable(S("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"), KT_NOTE_JSON,
                     "JSON is nested deeper than 16 levels");
}

static int count_note(kt_note *n, void *arg)
{
    int *count = arg;
    CHECK_EQ(n->title.data[0], 'A' + *count);
    return ++*count == 3 ? -EINTR : 0;
}

FORMAT_TEST(many_notes_of_a_list_are_read_in_order)
{
    int count = 0;
    CHECK_EQ(kt_note_read_each(S("[{\"title\": \"A\"}, {\"title\": \"B\"}]"), KT_NOTE_JSON,
                               count_note, &count),
             2);
    CHECK_EQ(count, 2);
    count = 0;
    CHECK_EQ(kt_note_read_each(S("[]"), KT_NOTE_JSON, count_note, &count), 0);
    CHECK_ERR(kt_note_read_each(S("title\nA\nB\nC\nD\n"), KT_NOTE_CSV, count_note, &count), -EINTR);
    CHECK_EQ(count, 3);
    check_unreadable(S("title\nA\nB\n"), KT_NOTE_CSV, "row of line 3: more than one note");
    check_unreadable(S("[]"), KT_NOTE_JSON, "no note in it");
}

/* ---- CSV ---------------------------------------------------------------------------------- */

FORMAT_TEST(csv_is_quoted_where_it_must_be)
{
    const kt_note note = NOTE("A, \"b\"", "c\nd", S("e"), S("f"));
    check_written(&note, KT_NOTE_CSV,
                  "title,body,tags,created,changed\r\n\"A, \"\"b\"\"\",\"c\nd\",\"e,f\",,\r\n");
    const kt_note plain = NOTE("A 'b'", " c ", S("d"));
    check_written(&plain, KT_NOTE_CSV, "title,body,tags,created,changed\r\nA 'b', c ,d,,\r\n");
}

FORMAT_TEST(csv_of_other_hands_is_read)
{
    check_read(S("\xef\xbb\xbfTags,other, TITLE ,body\nx,1,A,b\n\n"), KT_NOTE_CSV,
               NOTE("A", "b", S("x")));
    check_read(S("title,body\r\"A\",\"b\r\nc\""), KT_NOTE_CSV, NOTE_UNTAGGED("A", "b\r\nc"));
    check_read(S("title,body\nA\n"), KT_NOTE_CSV, NOTE_UNTAGGED("A", ""));
    check_unreadable(S("name,text\nA,b\n"), KT_NOTE_CSV,
                     "line 1: names neither title nor body as a column");
    check_unreadable(S("title\n\"A\n"), KT_NOTE_CSV, "line 2: a quoted field that does not end");
    check_unreadable(S("title\nA\"b\n"), KT_NOTE_CSV,
                     "line 2: a quote inside a field that is not quoted");
    check_unreadable(S("title,body\n\"A\"x,b\n"), KT_NOTE_CSV,
                     "line 2: text behind a quoted field");
    check_unreadable(S("title\n\"A\nB\"\n\"C\nD\"\n"), KT_NOTE_CSV,
                     "row of line 2: the title holds a line end");
    check_unreadable(S(""), KT_NOTE_CSV, "no note in it");
}

/* ---- HTML --------------------------------------------------------------------------------- */

FORMAT_TEST(html_holds_nothing_of_a_note_unescaped)
{
    const kt_note note = NOTE("<script>alert(1)</script>", "\"><img src=x onerror='y'>&", S("<i>"));
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    sure(kt_note_write(&note, KT_NOTE_HTML, &text));
    const char *page = kt_buffer_string(&text);
    CHECK(!strstr(page, "<script") && !strstr(page, "<img") && !strstr(page, "<i>"));
    CHECK(strstr(page, "<h1>&lt;script&gt;alert(1)&lt;/script&gt;</h1>"));
    CHECK(strstr(page, "&quot;&gt;&lt;img src=x onerror=&#39;y&#39;&gt;&amp;"));
    CHECK(!strstr(page, "http:") && !strstr(page, "https:") && !strstr(page, "src=\"") &&
          !strstr(page, "href"));
}

/* A browser makes LF of CR, unless it is escaped. */
FORMAT_TEST(html_keeps_line_ends_from_browsers)
{
    const kt_note note = NOTE_UNTAGGED("t", "a\r\nb");
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    sure(kt_note_write(&note, KT_NOTE_HTML, &text));
    CHECK(strstr(kt_buffer_string(&text), ">a&#13;\nb<"));
}

FORMAT_TEST(pages_of_others_are_no_notes)
{
    check_unreadable(S("<!doctype html><title>x</title><h2>x</h2>"), KT_NOTE_HTML,
                     "no page that kettle-notes wrote");
    check_unreadable(S("<h1>x</h1>\n<div class=\"body\">x"), KT_NOTE_HTML,
                     "'<div class=\"body\">' without '</div>'");
    check_unreadable(S("<h1>&eacute;</h1>\n"), KT_NOTE_HTML,
                     "'&eacute;' is no escape of a page of kettle-notes");
}

FORMAT_TEST(formats_have_names)
{
    kt_note_format f = KT_NOTE_FORMATS;
    CHECK_STR(kt_note_format_name(KT_NOTE_HTML), "html");
    sure(kt_note_format_parse(S("csv"), &f));
    CHECK_EQ(f, KT_NOTE_CSV);
    CHECK_ERR(kt_note_format_parse(S("pdf"), &f), KT_ENOTFOUND);
    CHECK_STR(kt_error_detail(), "no format 'pdf'; there are md, json, csv, html");
}
