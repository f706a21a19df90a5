/* SPDX-License-Identifier: MIT */
/* Names of files: they stay in their folder, and no two are one. */
#include "note_kit.h"

#include "notes/notes.h"

#define SLUG_TEST(name) TEST_WITH(name, KT_TEST_NO_LOOP)

static void check_slug(kt_slice title, const char *expected)
{
    char slug[KT_NOTE_SLUG_BYTES];
    CHECK_EQ(kt_note_slug(title, slug), strlen(expected));
    CHECK_STR(slug, expected);
}

SLUG_TEST(slugs_are_lower_case_with_dashes)
{
    check_slug(S("Python Basics"), "python-basics");
    check_slug(S("  C++ & C#:  a (short)   guide! "), "c-c-a-short-guide");
    check_slug(S("snake_case 2.0"), "snake_case-2-0");
    check_slug(S("\xc3\x84pfel \xc3\xbc\x62\x65r \xc3\x89t\xc3\xa9"),
               "\xc3\xa4pfel-\xc3\xbc\x62\x65r-\xc3\xa9t\xc3\xa9");
    check_slug(S("\xd0\x9c\xd0\x98\xd0\xa0 \xce\xa9"), "\xd0\xbc\xd0\xb8\xd1\x80-\xcf\x89");
    check_slug(S("\xe6\x97\xa5\xe6\x9c\xac\xe3\x80\x80\xe8\xaa\x9e"),
               "\xe6\x97\xa5\xe6\x9c\xac-\xe8\xaa\x9e");
}

SLUG_TEST(slugs_cannot_leave_their_folder)
{
    check_slug(S("../../etc/passwd"), "etc-passwd");
    check_slug(S(".."), "untitled");
    check_slug(S("."), "untitled");
    check_slug(S("/"), "untitled");
    check_slug(S(".hidden"), "hidden");
    check_slug(S("-rf"), "rf");
    check_slug(S("a/../b\\c"), "a-b-c");
    check_slug(S("a\0/b"), "a-b");
    check_slug(S("\xff/\xc0\xaf"), "untitled");
}

SLUG_TEST(slugs_are_never_empty_nor_names_of_devices)
{
    check_slug(S(""), "untitled");
    check_slug(S("???"), "untitled");
    check_slug(S("\xe2\x80\xae\xe2\x80\x8b\xc2\xa0"),
               "untitled"); /* turned around, invisible, blank */
    check_slug(S("\xf0\x9f\x8e\x89"), "\xf0\x9f\x8e\x89");
    check_slug(S("\xf0\x9f\x8e\x89 Party \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb"),
               "\xf0\x9f\x8e\x89-party-\xf0\x9f\x91\xa9-\xf0\x9f\x92\xbb");
    check_slug(S("CON"), "con-note");
    check_slug(S("lpt1"), "lpt1-note");
    check_slug(S("com10"), "com10");
    check_slug(S("console"), "console");
}

SLUG_TEST(long_titles_are_cut_between_characters)
{
    char title[1200], slug[KT_NOTE_SLUG_BYTES];
    memset(title, 'x', sizeof title);
    CHECK_EQ(kt_note_slug((kt_slice){title, 300}, slug), 100);
    for (size_t i = 0; i < sizeof title; i += 4)
        memcpy(title + i, "\xf0\x9f\x8e\x89", 4);
    CHECK_EQ(kt_note_slug((kt_slice){title, 1200}, slug), 100);
    title[0] = 'x';
    memmove(title + 1, title + 4, 1196);
    CHECK_EQ(kt_note_slug((kt_slice){title, 1197}, slug), 97);
}

static int take(kt__names *names, kt_slice name)
{
    kt__name *entry;
    return kt__names_enter(names, name, &entry);
}

static void check_claim(kt__names *names, const char *slug, const char *expected)
{
    char name[KT_NOTE_NAME_BYTES];
    sure(kt__names_claim(names, slug, name));
    CHECK_STR(name, expected);
}

SLUG_TEST(names_that_are_taken_get_numbers)
{
    kt__names names = {NULL, 0, 0, false};
    check_claim(&names, "tea", "tea");
    check_claim(&names, "tea", "tea-2");
    check_claim(&names, "tea-2", "tea-2-2");
    CHECK_EQ(take(&names, S("tea-3")), 1);
    check_claim(&names, "tea", "tea-4");
    kt__names_release(&names);
}

SLUG_TEST(names_that_differ_in_case_alone_are_one)
{
    kt__names names = {NULL, 0, 0, false};
    CHECK_EQ(take(&names, S("TEA \xc3\x84")), 1);
    CHECK_EQ(take(&names, S("Tea \xc3\xa4")), 0);
    check_claim(&names, "tea \xc3\xa4", "tea \xc3\xa4-2");
    kt__names_drop(&names, S("Tea \xc3\x84"));
    check_claim(&names, "tea \xc3\xa4", "tea \xc3\xa4");
    kt__names_release(&names);
}

SLUG_TEST(a_hundred_thousand_notes_of_one_title_all_get_names)
{
    kt__names names = {NULL, 0, 0, false};
    char name[KT_NOTE_NAME_BYTES];
    for (int i = 0; i < 100000; i++)
        sure(kt__names_claim(&names, "untitled", name));
    CHECK_STR(name, "untitled-100000");
    CHECK_EQ(names.count, 100000);
    kt__names_release(&names);
}

SLUG_TEST(names_without_memory_leave_nothing)
{
    int failures = 0;
    for (uint64_t nth = 1;; nth++) {
        kt__names names = {NULL, 0, 0, false};
        char name[KT_NOTE_NAME_BYTES];
        kt_test_fail_allocation(nth);
        int rc = kt__names_claim(&names, "a", name);
        rc = rc < 0 ? rc : kt__names_claim(&names, "a", name);
        bool failed = kt_test_allocation_failed();
        kt__names_release(&names);
        if (!failed)
            break;
        CHECK_ERR(rc, -ENOMEM);
        failures++;
    }
    kt_test_fail_allocation(0);
    CHECK_EQ(failures, 3);
}
