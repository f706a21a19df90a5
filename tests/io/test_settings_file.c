/* SPDX-License-Identifier: MIT */

/* The file's syntax. */

#include <kettle/error.h>
#include <kettle/settings.h>
#include <kettle/test.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct config {
    const char *text, *deep;
    kt_settings_list list;
    int n;
} config;

static const kt_setting table[] = {
    {KT_SETTING_TEXT(config, text), "text"},
    {KT_SETTING_TEXT(config, deep), "a-b.c.deep"},
    {KT_SETTING_LIST(config, list, 0), "list"},
    {KT_SETTING_INTEGER(config, n, -5, 5), "n"},
    {KT_SETTING_INTEGER(config, n, -5, 5), "hidden", .flags = KT_SETTING_NO_FILE},
    {.name = NULL},
};
static const kt_settings_spec spec = {.program = "x", .table = table};

typedef struct read {
    config c;
    kt_settings *s;
    int rc;
} read_result;

static read_result parse(kt_slice bytes)
{
    read_result r = {.s = NULL};
    CHECK_OK(kt_settings_new(&spec, &r.c, NULL, &r.s));
    CHECK_OK(kt_settings_bytes(r.s, "f", bytes));
    r.rc = kt_settings_apply(r.s);
    return r;
}

static void check_text(const char *file, const char *expected)
{
    read_result r = parse(kt_slice_from(file));
    CHECK_OK(r.rc);
    CHECK_STR(r.c.text, expected);
    kt_settings_free(r.s);
}

static void check_wrong_bytes(kt_slice file, const char *expected)
{
    char text[512];
    read_result r = parse(file);
    CHECK_ERR(r.rc, KT_EVALIDATION);
    snprintf(text, sizeof text, "x: f:%s\nTry 'x --help'.\n", expected);
    CHECK_STR(kt_settings_text(r.s), text);
    kt_settings_free(r.s);
}

static void check_wrong(const char *file, const char *expected)
{
    check_wrong_bytes(kt_slice_from(file), expected);
}

TEST_WITH(a_value_is_what_stands_between_blanks_and_a_comment, KT_TEST_NO_LOOP)
{
    check_text("text = a b ", "a b");
    check_text("\t text=a=b\r\n", "a=b");
    check_text("text = a # b", "a");
    check_text("text = a#b", "a#b");
    check_text("text =", "");
    check_text("text = # none", "");
    check_text("text = it's \"so\"", "it's \"so\"");
    check_text("# c\n; c\n\n  # c\ntext = a", "a");
    check_text("\xef\xbb\xbftext = \xe2\x82\xac", "\xe2\x82\xac");
    check_text("[a]\n[]\ntext = top", "top");
    check_text("[ a-b.c ] # here\ndeep = x\n[]\ntext = y", "y");
}

TEST_WITH(quotes_keep_what_is_in_them, KT_TEST_NO_LOOP)
{
    static const char no_escape[] =
        "1: text: in quotes \\ stands before \" \\ n r t or a control character's xHH only";
    check_text("text = \" a # \" # c", " a # ");
    check_text("text = \"\\\"\\\\\\n\\r\\t\"", "\"\\\n\r\t");
    check_text("text = \"\\x1b[m\\x7F\\x0A0\"", "\x1b[m\x7f\n0");
    check_text("text = \"\"", "");
    check_wrong("text = \"a", "1: text: the quotes do not end");
    check_wrong("text = \"a\\", no_escape);
    check_wrong("text = \"a\\x\"", no_escape);
    check_wrong("text = \"\\x00\"", no_escape);
    check_wrong("text = \"\\x41\"", no_escape);
    check_wrong("text = \"\\x1\"", no_escape);
    check_wrong("text = \"a\" b", "1: text: nothing may follow the quotes");
}

TEST_WITH(a_section_goes_before_names_and_dashes_are_underscores, KT_TEST_NO_LOOP)
{
    read_result r = parse(kt_slice_from("[a_b]\nc.deep = x\n"));
    CHECK_OK(r.rc);
    CHECK_STR(r.c.deep, "x");
    kt_settings_free(r.s);
    check_wrong("[a]\ntext = x", "2: a.text: no such setting; did you mean text?");
    check_wrong("Text = x", "1: Text: no such setting; did you mean text?");
    check_wrong("hidden = 1", "1: hidden: no such setting");
}

static void check_list(const char *file, size_t count, const char *last)
{
    read_result r = parse(kt_slice_from(file));
    CHECK_OK(r.rc);
    CHECK_EQ(r.c.list.count, count);
    if (count)
        CHECK_STR(r.c.list.items[count - 1], last);
    kt_settings_free(r.s);
}

TEST_WITH(a_list_is_split_at_commas_outside_quotes, KT_TEST_NO_LOOP)
{
    check_list("list = a, b c ,\"d, #e\" # f", 3, "d, #e");
    check_list("list = a\nlist = b, c", 3, "c");
    check_list("list =", 0, NULL);
    check_list("list = a,", 1, "a");
    check_list("list = ,a", 2, "a"); /* an empty one before it */
    check_list("list = # none", 0, NULL);
    check_wrong("list = \"a\" b", "1: list: a comma must follow the quotes");
    check_wrong("list = a, \"b", "1: list: the quotes do not end");
}

TEST_WITH(wrong_lines_are_told_with_their_numbers, KT_TEST_NO_LOOP)
{
    check_wrong("\n\nnonsense\n", "3: a line is: name = value");
    check_wrong("= x", "1: a line is: name = value");
    check_wrong("na me = x", "1: a line is: name = value");
    check_wrong("[a", "1: a section is [name]");
    check_wrong("[a] b", "1: nothing may follow a section");
    check_wrong("[a b]", "1: a section is [name]");
    check_wrong("n = 1\ntext = a\nn = 2", "3: n: given on line 1 already");
    check_wrong("text = \xff", "1: no UTF-8");
    check_wrong("text = \xed\xa0\x80", "1: no UTF-8");
    check_wrong("# \xc3", "1: no UTF-8");
    check_wrong("text = a\rb", "1: a control character");
    check_wrong("text = \x1b", "1: a control character");
    check_wrong_bytes((kt_slice){"n = 1\ntext = a\0b", 16}, "2: a control character");
}

TEST_WITH(names_and_files_have_their_limits, KT_TEST_NO_LOOP)
{
    static char file[(1 << 20) + 2];
    memset(file, 'a', 201);
    memcpy(file + 201, " = x", 5);
    check_wrong(file, "1: the name is too long");
    memset(file, '#', sizeof file - 1);
    read_result r = parse((kt_slice){file, 1 << 20});
    CHECK_OK(r.rc);
    kt_settings_free(r.s);
    r = parse((kt_slice){file, (1 << 20) + 1});
    CHECK_STR(kt_settings_text(r.s), "x: f: more than 1 MiB\nTry 'x --help'.\n");
    kt_settings_free(r.s);
}

TEST_WITH(a_wrong_line_does_not_hide_the_next, KT_TEST_NO_LOOP)
{
    check_wrong("[\nn = 6\ntext = \"\n",
                "1: a section is [name]\nx: f:2: n = \"6\": more than 5 (-5 to 5)\n"
                "x: f:3: text: the quotes do not end");
}
