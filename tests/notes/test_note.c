/* SPDX-License-Identifier: MIT */
/* A note by itself: what may be one, copies, times; and that every format gives it back as it was. */
#include "note_kit.h"

#define FORMS_TEST(name) TEST_WITH(name, KT_TEST_NO_LOOP)

/* A program that was compiled against an older header must go on working with a newer library. */
FORMS_TEST(objects_in_the_callers_storage_keep_their_sizes)
{
    CHECK_EQ(sizeof(kt_note), 10 * sizeof(void *));
    CHECK_EQ(sizeof(kt_note_filter), 6 * sizeof(void *));
    CHECK_EQ(sizeof(kt_note_entry), 13 * sizeof(void *));
    CHECK_EQ(sizeof(kt_notes_progress), 5 * sizeof(void *));
    CHECK_EQ(sizeof(kt_notes_options), 11 * sizeof(void *));
    CHECK_EQ(sizeof(kt_notes_summary), 9 * sizeof(void *));
    CHECK_EQ(sizeof(kt_notebook_stats), 12 * sizeof(void *));
    CHECK_EQ(sizeof(kt_notes_site), 6 * sizeof(void *));
}

FORMS_TEST(what_is_no_format_is_refused)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_note n = KT_NOTE_INIT;
    CHECK_STR(kt_note_format_name(KT_NOTE_FORMATS), "?");
    CHECK_ERR(kt_note_write(&n, KT_NOTE_FORMATS, &out), -EINVAL);
    CHECK_ERR(kt_note_read(S("# A\n"), (kt_note_format)-1, &n), -EINVAL);
}

/* ---- There and back ----------------------------------------------------------------------- */

static const kt_note *tricky(size_t *ret_count)
{
    static kt_note notes[24];
    const kt_note all[] = {
        NOTE("Python Basics", "Variables and types.", S("python")),
        NOTE("Async Intro", "Coroutines and await.", S("python"), S("async")),
        NOTE_UNTAGGED("No tags", "Body."),
        NOTE("Tags inside", "Tags: not, mine\n\nTags: nor, these", S("mine")),
        NOTE_UNTAGGED("Tags at the end", "text\n\nTags: fake\nCreated: 2020-01-01T00:00:00Z"),
        NOTE("#hash", "# not the title\n#hash", S("#tag")),
        NOTE("# two", "## part", S("a")),
        NOTE("Empty body", "", S("x")),
        NOTE_UNTAGGED("", ""),
        NOTE_UNTAGGED("", "no title, but a body"),
        NOTE("Commas, \"quotes\", 'single'; <b>&amp;</b>", "a,b\n\"c\"\r\nd", S("it's"),
             S("\"q\"")),
        NOTE("Windows lines", "one\r\ntwo\r\n", S("w")),
        NOTE("A body that ends in CR", "one\r", S("w")),
        NOTE("A body that ends in CR LF CR", "one\r\n\r", S("w")),
        NOTE("Blank lines", "\n\nin front and behind\n\n\n", S("b")),
        NOTE_UNTAGGED("Only line ends", "\n"),
        NOTE_UNTAGGED("Only a CR", "\r"),
        NOTE("\xef\xbb\xbf"
             "a mark first",
             "\xef\xbb\xbf"
             "and in the body",
             S("\xef\xbb\xbf")),
        NOTE("\xf0\x9f\x8e\x89 Party", "\xe2\x80\xa8 \xc3\xa9 \x7f \x01\x1b[31m",
             S("\xf0\x9f\x8e\x89")),
        NOTE("---", "---\ntitle: other\n---\n", S("---")),
        NOTE("&#13; &lt;", "</div>\n</article><h1>no</h1>", S("</ul>"), S("</li><li>")),
        NOTE("Tags: a", "Created: 2020-01-01", S("Tags: b")),
        NOTE("title,body", "=1+1\n@x", S("body")),
        NOTE("tab\tand \\back", "\\n \\\" ''\t", S("a b"), S("a b")),
    };
    memcpy(
        notes, all,
        sizeof all); /* their strings and tags have static storage only in this function's call */
    *ret_count = sizeof all / sizeof all[0];
    for (size_t i = 0; i < *ret_count; i++) {
        sure(kt_note_copy(&all[i], &notes[i]));
        notes[i].created =
            i % 3 == 0 ? 0 : KT_S(1700000000 + (int64_t)i) + (i % 3 == 2 ? 123456789 : 0);
        notes[i].changed = i % 2 == 0 ? 0 : KT_S(1800000000) + KT_MS(i);
    }
    return notes;
}

static void give_back(const kt_note *notes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kt_note_release((kt_note *)&notes[i]);
}

FORMS_TEST(every_format_gives_the_same_note_back)
{
    size_t count;
    const kt_note *notes = tricky(&count);
    for (size_t i = 0; i < count; i++)
        for (int f = 0; f < KT_NOTE_FORMATS; f++) {
            kt_auto(kt_buffer) text = KT_BUFFER_INIT;
            kt_auto(kt_note) back = KT_NOTE_INIT;
            kt_test_say("note %zu as %s", i, kt_note_format_name((kt_note_format)f));
            sure(kt_note_write(&notes[i], (kt_note_format)f, &text));
            sure(kt_note_read(kt_buffer_slice(&text), (kt_note_format)f, &back));
            check_same(&notes[i], &back);
            CHECK_EQ(back.created, notes[i].created);
            if (f != KT_NOTE_MD)
                CHECK_EQ(back.changed, notes[i].changed);
        }
    give_back(notes, count);
}

/* What is written of what was read is the same text, byte by byte. */
FORMS_TEST(writing_twice_gives_the_same_text)
{
    size_t count;
    const kt_note *notes = tricky(&count);
    for (size_t i = 0; i < count; i++)
        for (int f = 0; f < KT_NOTE_FORMATS; f++) {
            kt_auto(kt_buffer) text = KT_BUFFER_INIT;
            kt_auto(kt_buffer) again = KT_BUFFER_INIT;
            kt_auto(kt_note) back = KT_NOTE_INIT;
            sure(kt_note_write(&notes[i], (kt_note_format)f, &text));
            sure(kt_note_read(kt_buffer_slice(&text), (kt_note_format)f, &back));
            back.changed = notes[i].changed;
            sure(kt_note_write(&back, (kt_note_format)f, &again));
            CHECK_EQ(text.size, again.size);
            CHECK_MEM(text.data, again.data, text.size);
        }
    give_back(notes, count);
}

/* Any text at all: bodies made of the bytes that mean something somewhere. */
FORMS_TEST(bodies_made_of_special_characters_come_back)
{
    static const char *const pieces[] = {"\n",
                                         "\r",
                                         "\r\n",
                                         "Tags:",
                                         "Tags: a\n",
                                         "#",
                                         " ",
                                         "\"",
                                         ",",
                                         "<",
                                         "&amp;",
                                         "---\n",
                                         "Created: 2020-01-01T00:00:00Z",
                                         "x",
                                         "\n\n",
                                         "</div>\n"};
    const size_t n = sizeof pieces / sizeof pieces[0];
    for (size_t seed = 0; seed < n * n * n; seed++) {
        char body[128];
        int size = snprintf(body, sizeof body, "%s%s%s", pieces[seed % n], pieces[seed / n % n],
                            pieces[seed / n / n]);
        const kt_note note = {.title = S("t"), .body = {body, (size_t)size}};
        for (int f = 0; f < KT_NOTE_FORMATS; f++) {
            kt_auto(kt_buffer) text = KT_BUFFER_INIT;
            kt_auto(kt_note) back = KT_NOTE_INIT;
            sure(kt_note_write(&note, (kt_note_format)f, &text));
            sure(kt_note_read(kt_buffer_slice(&text), (kt_note_format)f, &back));
            check_same(&note, &back);
        }
    }
}

/* ---- What may be a note ------------------------------------------------------------------- */

static void check_refused(kt_note note, const char *why)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_ERR(kt_note_check(&note), KT_EVALIDATION);
    CHECK_STR(kt_error_detail(), why);
    for (int f = 0; f < KT_NOTE_FORMATS; f++)
        CHECK_ERR(kt_note_write(&note, (kt_note_format)f, &out), KT_EVALIDATION);
    CHECK_EQ(out.size, 0);
}

FORMS_TEST(what_a_format_could_not_hold_is_refused)
{
    check_refused(NOTE_UNTAGGED("two\nlines", ""), "the title holds a line end");
    check_refused(NOTE_UNTAGGED(" blank", ""), "the title has blanks at its ends");
    check_refused(NOTE_UNTAGGED("blank\r", ""), "the title has blanks at its ends");
    kt_note late = NOTE_UNTAGGED("t", "");
    late.changed = KT_FOREVER;
    check_refused(late, "a time is not within the years 1678 to 2261");
    late.changed = KT_S(9214646400) - 1;
    sure(kt_note_check(&late));
    check_refused(NOTE_UNTAGGED("\xff", ""), "the title is not UTF-8");
    check_refused(NOTE_UNTAGGED("a\0b", ""), "the title is not UTF-8");
    check_refused(NOTE("t", "", S("a"), S("")), "tag 2 is empty");
    check_refused(NOTE("t", "", S("a,b")), "tag 1 holds a comma");
    check_refused(NOTE("t", "", S("a"), S("b"), S(" c")), "tag 3 has blanks at its ends");
    check_refused(NOTE("t", "", S("a\nb")), "tag 1 holds a line end");
    check_refused(NOTE("t", "", S("\xc0\x80")), "tag 1: not UTF-8");
    check_refused(NOTE_UNTAGGED("t", "one\ntwo \xe2\x82 three"), "line 2, byte 5: not UTF-8");
    check_refused(NOTE_UNTAGGED("t", "one\n\0"), "line 2, byte 1: NUL is not text");
}

FORMS_TEST(a_note_of_more_than_its_limit_is_refused)
{
    char *body = kt_alloc(KT_NOTE_BYTES_MAX + 1);
    memset(body, 'x', KT_NOTE_BYTES_MAX + 1);
    kt_note note = {.body = {body, KT_NOTE_BYTES_MAX}};
    CHECK_OK(kt_note_check(&note));
    note.body.size++;
    CHECK_ERR(kt_note_check(&note), KT_ELIMIT);
    kt_free(body);
}

FORMS_TEST(text_that_is_not_utf8_is_refused_with_line_and_byte)
{
    static const struct {
        kt_slice text;
        const char *why;
    } cases[] = {
        {S("# T\n\nok \xff\n"), "line 3, byte 4: not UTF-8"},
        {S("\x80"), "line 1, byte 1: not UTF-8"},
        {S("# \xc3"), "line 1, byte 3: not UTF-8"}, /* cut off */
        {S("# \xc0\xaf"), "line 1, byte 3: not UTF-8"}, /* overlong */
        {S("\n\xe0\x80\xaf"), "line 2, byte 1: not UTF-8"},
        {S("\xed\xa0\x80"), "line 1, byte 1: not UTF-8"}, /* a surrogate */
        {S("\xf4\x90\x80\x80"), "line 1, byte 1: not UTF-8"}, /* beyond the last */
        {S("\xf0\x8f\xbf\xbf"), "line 1, byte 1: not UTF-8"},
        {S("a\r\nb\0c"), "line 2, byte 2: NUL is not text"},
        {S("\xff\xfe#\0"), "line 1, byte 1: not UTF-8"}, /* UTF-16 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int f = 0; f < KT_NOTE_FORMATS; f++) {
            kt_note note = KT_NOTE_INIT;
            CHECK_ERR(kt_note_read(cases[i].text, (kt_note_format)f, &note), KT_EVALIDATION);
            CHECK_STR(kt_error_detail(), cases[i].why);
        }
}

FORMS_TEST(a_copy_lives_by_itself)
{
    char title[] = "Title", tag[] = "tag";
    kt_slice tags[] = {kt_slice_from(tag)};
    kt_note note = {
        .title = kt_slice_from(title), .tags = tags, .tags_count = 1, .created = 5, .changed = 7};
    kt_auto(kt_note) copy = KT_NOTE_INIT;
    sure(kt_note_copy(&note, &copy));
    title[0] = tag[0] = '?';
    CHECK_STR(copy.title.data, "Title");
    CHECK_SLICE(copy.tags[0], "tag");
    CHECK_EQ(copy.created, 5);
    CHECK_EQ(copy.changed, 7);
    CHECK(kt_note_has_tag(&copy, "tag"));
    CHECK(!kt_note_has_tag(&copy, "ta"));
    CHECK(!kt_note_equal(&note, &copy));
}

FORMS_TEST(without_memory_nothing_is_left)
{
    const kt_note note = NOTE("Title", "Body \r\n, \"x\"", S("a"), S("b"));
    for (int f = 0; f < KT_NOTE_FORMATS; f++) {
        kt_auto(kt_buffer) text = KT_BUFFER_INIT;
        sure(kt_note_write(&note, (kt_note_format)f, &text));
        int failures = 0;
        for (uint64_t nth = 1;; nth++) {
            kt_note back = KT_NOTE_INIT;
            kt_test_fail_allocation(nth);
            int rc = kt_note_read(kt_buffer_slice(&text), (kt_note_format)f, &back);
            if (!kt_test_allocation_failed()) {
                kt_note_release(&back);
                break;
            }
            CHECK_ERR(rc, -ENOMEM);
            CHECK(!back.storage);
            failures++;
        }
        kt_test_fail_allocation(0);
        CHECK_GT(failures, 0);
    }
}

/* ---- Times -------------------------------------------------------------------------------- */

FORMS_TEST(times_are_written_with_the_digits_that_they_have)
{
    char text[KT_NOTE_TIME_BYTES];
    CHECK_EQ(kt_note_time_format(0, text), 0);
    CHECK_EQ(kt_note_time_format(KT_S(1763692891), text), 20);
    CHECK_STR(text, "2025-11-21T02:41:31Z");
    kt_note_time_format(KT_S(1763692891) + KT_MS(500), text);
    CHECK_STR(text, "2025-11-21T02:41:31.5Z");
    kt_note_time_format(1, text);
    CHECK_STR(text, "1970-01-01T00:00:00.000000001Z");
    kt_note_time_format(-KT_MS(250), text);
    CHECK_STR(text, "1969-12-31T23:59:59.75Z");
}

FORMS_TEST(times_are_read_in_the_ways_that_people_write_them)
{
    static const struct {
        const char *text;
        kt_time wall;
    } cases[] = {
        {"2025-11-21T02:41:31Z", KT_S(1763692891)},
        {"2025-11-21 02:41:31", KT_S(1763692891)},
        {" 2025-11-21T02:41:31.25z ", KT_S(1763692891) + KT_MS(250)},
        {"2025-11-21T03:41:31+01:00", KT_S(1763692891)},
        {"2025-11-20T22:11:31-0430", KT_S(1763692891)},
        {"2025-11-21", KT_S(1763683200)},
        {"2025-11-21T02:41", KT_S(1763692860)},
        {"2024-02-29", KT_S(1709164800)},
        {"1969-12-31T23:59:59.75Z", -KT_MS(250)},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kt_time wall = -1;
        sure(kt_note_time_parse(kt_slice_from(cases[i].text), &wall));
        CHECK_EQ(wall, cases[i].wall);
    }
}

FORMS_TEST(what_is_no_time_is_refused)
{
    static const char *const cases[] = {"yesterday",
                                        "2025-13-01",
                                        "2025-02-29",
                                        "2025-11-31",
                                        "2025-11-21T25:00",
                                        "2025-11-21T02",
                                        "2025-11-21T02:41:31.Z",
                                        "2025-11-21Z2",
                                        "25-11-21",
                                        "9999-01-01",
                                        "2025-11-21T02:41:31+1",
                                        "2025-11-21x"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kt_time wall = 5;
        CHECK_ERR(kt_note_time_parse(kt_slice_from(cases[i]), &wall), KT_EVALIDATION);
        CHECK_EQ(wall, 5);
    }
}
