/* SPDX-License-Identifier: MIT */
/* A folder of notes: added, read, changed, renamed, removed, found; and read as a whole. */
#include "note_kit.h"

static kt_notebook *book_open(const char *folder)
{
    kt_notebook *b = NULL;
    sure(kt_notebook_open(folder, KT_NOTEBOOK_MAKE, &b));
    return b;
}

static void add(kt_notebook *b, kt_note n, const char *expected)
{
    char name[KT_NOTE_NAME_BYTES];
    sure(kt_notebook_add(b, &n, name));
    CHECK_STR(name, expected);
}

TEST(a_notebook_is_a_folder_of_markdown)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("my/notes");
    kt_note n = NOTE("Green Tea", "At 80 degrees.", S("tea"));
    n.created = n.changed = KT_S(1763692891);
    add(b, n, "green-tea");
    check_disk(d, "/my/\n/my/notes/\n/my/notes/green-tea.md\n");
    check_file(d, "/my/notes/green-tea.md",
               "# Green Tea\n\nAt 80 degrees.\n\nTags: tea\nCreated: 2025-11-21T02:41:31Z\n");
    kt_auto(kt_note) back = KT_NOTE_INIT;
    sure(kt_notebook_get(b, "green-tea", &back));
    check_same(&n, &back);
    CHECK_EQ(back.created, n.created);
    CHECK_EQ(back.changed, n.changed);
    CHECK_STR(kt_notebook_folder(b), "my/notes");
    kt_test_disk_close(d);
}

TEST(a_folder_that_is_not_there_is_made_only_if_asked)
{
    kt_test_disk *d = disk_open(NULL);
    kt_notebook *b = NULL;
    CHECK_ERR(kt_notebook_open("notes", 0, &b), -ENOENT);
    CHECK_STR(kt_error_detail(), "there is no folder 'notes'");
    put(d, "/notes", "a file");
    CHECK_ERR(kt_notebook_open("notes", 0, &b), -ENOTDIR);
    CHECK(kt_notebook_open("notes", KT_NOTEBOOK_MAKE, &b) < 0);
    CHECK(!b);
    kt_test_disk_close(d);
}

TEST(names_never_collide_nor_leave_the_folder)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    put(d, "/n/Coffee.md", "by hand");
    add(b, NOTE_UNTAGGED("Tea", ""), "tea");
    add(b, NOTE_UNTAGGED("tea", ""), "tea-2");
    add(b, NOTE_UNTAGGED("../tea", ""), "tea-3");
    add(b, NOTE_UNTAGGED("coffee", ""),
        "coffee-2"); /* where case does not count, they would be one */
    add(b, NOTE_UNTAGGED("", ""), "untitled");
    add(b, NOTE_UNTAGGED("\xf0\x9f\x8e\x89", ""), "\xf0\x9f\x8e\x89");
    CHECK_EQ(count_files(d, "/n/"), 7);
    CHECK_EQ(count_files(d, "/"), 7);
    check_file(d, "/n/Coffee.md", "by hand");
    kt_test_disk_close(d);
}

static int adds(void *arg)
{
    char name[KT_NOTE_NAME_BYTES];
    const kt_note n = NOTE_UNTAGGED("Tea", "mine");
    return kt_notebook_add(arg, &n, name);
}

TEST(notes_added_at_once_get_names_of_their_own)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    kt_task *tasks[10];
    for (int i = 0; i < 10; i++)
        sure(kt_spawn(adds, b, 0, &tasks[i]));
    for (int i = 0; i < 10; i++)
        sure(kt_task_join(tasks[i]));
    CHECK_EQ(count_files(d, "/n/tea"), 10);
    kt_test_disk_close(d);
}

TEST(what_can_be_no_name_is_not_found)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    kt_auto(kt_note) n = KT_NOTE_INIT;
    char name[KT_NOTE_NAME_BYTES], long_name[400];
    put(d, "/secret.md", "# Secret");
    put(d, "/n/.hidden.md", "# Hidden");
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = {"",        "none", "../secret", "/secret",
                                 ".hidden", "..",   "a/b",       long_name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        CHECK_ERR(kt_notebook_get(b, names[i], &n), KT_ENOTFOUND);
        CHECK_ERR(kt_notebook_put(b, names[i], &(kt_note)KT_NOTE_INIT, 0), KT_ENOTFOUND);
        CHECK_ERR(kt_notebook_remove(b, names[i]), KT_ENOTFOUND);
        CHECK_ERR(kt_notebook_find(b, names[i], name), KT_ENOTFOUND);
        CHECK_ERR(kt_notebook_rename(b, names[i], S("x"), name), KT_ENOTFOUND);
    }
    kt_test_disk_close(d);
}

TEST(a_note_by_hand_has_its_files_name_and_time)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    kt_auto(kt_note) n = KT_NOTE_INIT;
    put(d, "/n/Shopping list.md", "milk\n");
    sure(kt_notebook_get(b, "Shopping list", &n));
    CHECK_SLICE(n.title, "Shopping list");
    CHECK_SLICE(n.body, "milk");
    CHECK_EQ(n.created, n.changed);
    kt_test_disk_close(d);
}

TEST(a_note_that_is_not_utf8_is_named_with_line_and_byte)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    kt_note n = KT_NOTE_INIT;
    put(d, "/n/bad.md", "# Bad\n\nab\xff\n");
    CHECK_ERR(kt_notebook_get(b, "bad", &n), KT_EVALIDATION);
    CHECK_STR(kt_error_detail(), "n/bad.md: line 3, byte 3: not UTF-8");
    kt_test_disk_close(d);
}

TEST(a_change_is_refused_if_somebody_was_quicker)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    kt_auto(kt_note) n = KT_NOTE_INIT;
    kt_note first = NOTE_UNTAGGED("A", "one");
    first.changed = KT_S(1763692891);
    add(b, first, "a");
    kt_note second = NOTE_UNTAGGED("A", "two"), third = NOTE_UNTAGGED("A", "three");
    second.changed = KT_S(1763692892);
    sure(kt_notebook_put(b, "a", &second, first.changed));
    CHECK_ERR(kt_notebook_put(b, "a", &third, first.changed), KT_ECONFLICT);
    sure(kt_notebook_get(b, "a", &n));
    CHECK_SLICE(n.body, "two");
    sure(kt_notebook_put(b, "a", &third, 0));
    check_file(d, "/n/a.md", "# A\n\nthree\n\nTags:\n");
    kt_test_disk_close(d);
}

TEST(renaming_gives_a_title_and_a_name_that_fits)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    char name[KT_NOTE_NAME_BYTES];
    put(d, "/n/Old.md", "# Old\n\nbody\n\nTags: t\n");
    put(d, "/n/tea.md", "# Tea\n\nTags:\n");
    sure(kt_notebook_rename(b, "Old", S("Tea"), name));
    CHECK_STR(name, "tea-2");
    check_disk(d, "/n/\n/n/tea-2.md\n/n/tea.md\n");
    sure(kt_notebook_rename(b, "tea-2", S("TEA 2"), name));
    CHECK_STR(name, "tea-2");
    kt_auto(kt_note) n = KT_NOTE_INIT;
    sure(kt_notebook_get(b, "tea-2", &n));
    CHECK_SLICE(n.title, "TEA 2");
    CHECK_SLICE(n.body, "body");
    CHECK(kt_note_has_tag(&n, "t"));
    CHECK_ERR(kt_notebook_rename(b, "tea-2", S("two\nlines"), name), KT_EVALIDATION);
    sure(kt_notebook_remove(b, "tea-2"));
    check_disk(d, "/n/\n/n/tea.md\n");
    kt_test_disk_close(d);
}

TEST(a_note_is_found_by_name_file_or_title)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    char name[KT_NOTE_NAME_BYTES];
    put(d, "/n/a.md", "# Alpha\n");
    put(d, "/n/b.md", "# Both\n");
    put(d, "/n/c.md", "# Both\n");
    sure(kt_notebook_find(b, "a", name));
    CHECK_STR(name, "a");
    sure(kt_notebook_find(b, "a.md", name));
    CHECK_STR(name, "a");
    sure(kt_notebook_find(b, "Alpha", name));
    CHECK_STR(name, "a");
    CHECK_ERR(kt_notebook_find(b, "Both", name), KT_ECONFLICT);
    CHECK_ERR(kt_notebook_find(b, "alpha", name), KT_ENOTFOUND);
    kt_test_disk_close(d);
}

/* The power fails at each call in turn: a note that was there is there, in the old words or the
 * new. */
TEST(a_crash_while_a_note_is_written_leaves_the_old_or_the_new)
{
    for (uint64_t at = 1; at < 40; at++) {
        kt_test_disk *d = disk_open(&(kt_test_disk_options){.seed = at});
        kt_auto(kt_notebook) *b = book_open("n");
        kt_auto(kt_note) n = KT_NOTE_INIT;
        put(d, "/n/a.md", "# A\n\nold\n\nTags:\n");
        kt_test_disk_crash_at(d, at);
        kt_note changed = NOTE_UNTAGGED("A", "new");
        (void)(kt_notebook_put(b, "a", &changed, 0) < 0);
        kt_test_disk_crash(d);
        sure(kt_notebook_get(b, "a", &n));
        CHECK(kt_slice_is(n.body, "old") || kt_slice_is(n.body, "new"));
        kt_test_disk_close(d);
    }
}

TEST(a_crash_while_a_note_is_renamed_never_loses_it)
{
    for (uint64_t at = 1; at < 60; at++) {
        kt_test_disk *d = disk_open(&(kt_test_disk_options){.seed = at});
        kt_auto(kt_notebook) *b = book_open("n");
        kt_auto(kt_note_reader) *r = NULL;
        kt_note_entry e;
        char name[KT_NOTE_NAME_BYTES];
        int notes = 0, rc;
        put(d, "/n/a.md", "# A\n\nbody\n\nTags:\n");
        kt_test_disk_crash_at(d, at);
        (void)(kt_notebook_rename(b, "a", S("B"), name) < 0);
        kt_test_disk_crash(d);
        sure(kt_note_reader_open(b, NULL, &r));
        while ((rc = kt_note_reader_next(r, &e)) == 1) {
            CHECK_EQ(e.rc, 0);
            CHECK_SLICE(e.note.body, "body");
            notes++;
        }
        sure(rc);
        CHECK(notes == 1 || notes == 2);
        kt_note_reader_close(kt_steal(r));
        kt_test_disk_close(d);
    }
}

/* ---- Reading all -------------------------------------------------------------------------- */

TEST(all_notes_are_read_in_the_order_of_their_names)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("notes");
    kt_auto(kt_note_reader) *r = NULL;
    kt_note_entry e;
    put(d, "/notes/python-basics.md", "# Python Basics\n");
    put(d, "/notes/cli-tools.md", "# CLI Tools\n");
    put(d, "/notes/async-intro.md", "# Async Intro\n");
    put(d, "/notes/readme.txt", "no note");
    put(d, "/notes/.draft.md", "nor this");
    put(d, "/notes/folder.md/x", "nor this");
    sure(kt_note_reader_open(b, NULL, &r));
    while (kt_note_reader_next(r, &e) == 1)
        kt_test_say("%s.md: # %.*s", e.name, (int)e.note.title.size, e.note.title.data);
    CHECK_TRACE("async-intro.md: # Async Intro\ncli-tools.md: # CLI Tools\npython-basics.md: # "
                "Python Basics");
    CHECK_EQ(kt_note_reader_next(r, &e), 0);
    CHECK_EQ(kt_note_reader_passed(r), kt_note_reader_total(r));
    kt_note_reader_close(kt_steal(r));
    kt_test_disk_close(d);
}

static void put_many(kt_test_disk *d, int count)
{
    for (int i = 0; i < count; i++) {
        char path[32], text[64];
        snprintf(path, sizeof path, "/n/%04d.md", i);
        snprintf(text, sizeof text, "# Note %d\n\nbody\n\nTags: %s\n", i,
                 i % 3 == 0 ? "three" : "other");
        put(d, path, text);
    }
}

TEST(hundreds_are_read_whole_and_filtered)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    kt_auto(kt_note_reader) *r = NULL;
    kt_note_entry e;
    const char *tags[] = {"three", NULL};
    const kt_note_filter filter = {.tags = tags};
    int count = 0;
    put_many(d, 300);
    put(d, "/n/0100.md", "\xff");
    sure(kt_note_reader_open(b, &filter, &r));
    while (kt_note_reader_next(r, &e) == 1) {
        CHECK((e.rc == KT_EVALIDATION) == (strcmp(e.name, "0100") == 0));
        count++;
    }
    CHECK_EQ(count, 100 + 1);
    kt_note_reader_close(kt_steal(r));
    kt_test_disk_close(d);
}

TEST(a_file_that_vanishes_meanwhile_is_named_and_the_rest_is_read)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    kt_auto(kt_note_reader) *r = NULL;
    kt_note_entry e;
    int count = 0, gone = 0;
    put_many(d, 300);
    sure(kt_note_reader_open(b, NULL, &r));
    CHECK_EQ(kt_note_reader_next(r, &e), 1);
    sure(kt_path_remove("n/0299.md")); /* listed, and not read yet */
    while (kt_note_reader_next(r, &e) == 1) {
        count += e.rc == 0;
        gone += e.rc == -ENOENT;
        if (e.rc < 0)
            CHECK_STR(e.why, "0299.md: No such file or directory");
    }
    CHECK_EQ(count, 298);
    CHECK_EQ(gone, 1);
    kt_note_reader_close(kt_steal(r));
    kt_test_disk_close(d);
}

typedef struct reading {
    kt_note_reader *reader;
    int count;
} reading;

static int read_all(void *arg)
{
    reading *g = arg;
    kt_note_entry e;
    int rc;
    while ((rc = kt_note_reader_next(g->reader, &e)) == 1) {
        char expected[16];
        snprintf(expected, sizeof expected, "%04d", g->count++);
        CHECK_STR(e.name, expected);
    }
    return rc;
}

TEST(a_reader_that_is_cancelled_goes_on_where_it_was)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    reading g = {NULL, 0};
    put_many(d, 200);
    sure(kt_note_reader_open(b, NULL, &g.reader));
    int cancelled = 0;
    for (int turns = 0; g.count < 200; turns = (turns + 1) % 7) {
        kt_task *t = NULL;
        sure(kt_spawn(read_all, &g, 0, &t));
        for (int i = 0; i < turns; i++)
            sure(kt_sleep(i == 5 ? KT_MS(1) : 0));
        kt_task_cancel(t);
        int rc = kt_task_join(t);
        CHECK(rc == 0 || rc == KT_ECANCELED);
        cancelled += rc < 0;
    }
    CHECK_EQ(g.count, 200);
    CHECK_GT(cancelled, 0);
    kt_note_reader_close(g.reader);
    kt_test_disk_close(d);
}

TEST(a_reader_may_be_closed_at_any_time)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    put_many(d, 100);
    for (int after = 0; after < 100; after += 9) {
        kt_auto(kt_note_reader) *r = NULL;
        kt_note_entry e;
        sure(kt_note_reader_open(b, NULL, &r));
        for (int i = 0; i < after; i++)
            CHECK_EQ(kt_note_reader_next(r, &e), 1);
    }
    kt_test_disk_close(d);
}

TEST(reading_without_memory_leaves_nothing_and_can_go_on)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = book_open("n");
    int failures = 0;
    put_many(d, 20);
    for (uint64_t nth = 1;; nth++) {
        kt_auto(kt_note_reader) *r = NULL;
        kt_note_entry e;
        int count = 0;
        kt_test_fail_allocation(nth);
        int rc = kt_note_reader_open(b, NULL, &r);
        while (r && ((rc = kt_note_reader_next(r, &e)) == 1 || rc == -ENOMEM))
            count += rc == 1 && e.rc == 0;
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        if (!failed)
            break;
        CHECK(r || rc == -ENOMEM);
        CHECK(!r || count >= 19); /* a file whose own memory failed says so */
        failures++;
    }
    CHECK_GT(failures, 20);
    kt_test_disk_close(d);
}

/* ---- Filters ------------------------------------------------------------------------------ */

TEST_WITH(filters_ask_for_tags_times_and_text, KT_TEST_NO_LOOP)
{
    kt_note n = NOTE("Green Tea", "At 80 Degrees", S("hot"), S("drink"));
    n.changed = KT_S(100);
    const char *both[] = {"hot", "drink", NULL}, *one[] = {"hot", "cold", NULL};
    CHECK(kt_note_passes(&n, NULL));
    CHECK(kt_note_passes(&n, &(kt_note_filter){.tags = both}));
    CHECK(!kt_note_passes(&n, &(kt_note_filter){.tags = one}));
    CHECK(kt_note_passes(&n, &(kt_note_filter){.since = KT_S(100), .until = KT_S(101)}));
    CHECK(!kt_note_passes(&n, &(kt_note_filter){.since = KT_S(101)}));
    CHECK(!kt_note_passes(&n, &(kt_note_filter){.until = KT_S(100)}));
    CHECK(kt_note_passes(&n, &(kt_note_filter){.text = "80 dEG"}));
    CHECK(kt_note_passes(&n, &(kt_note_filter){.text = "green"}));
    CHECK(!kt_note_passes(&n, &(kt_note_filter){.text = "black"}));
    CHECK(kt_note_passes(&n, &(kt_note_filter){.text = ""}));
}
