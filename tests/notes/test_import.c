/* SPDX-License-Identifier: MIT */
/* Notes back from files, and from one folder into another. */
#include "note_kit.h"

static kt_notebook *book_open(const char *folder)
{
    kt_notebook *b = NULL;
    sure(kt_notebook_open(folder, KT_NOTEBOOK_MAKE, &b));
    return b;
}

static ssize_t import(const char *source, const char *folder, const kt_notes_options *o,
                      kt_notes_summary *s)
{
    kt_auto(kt_notebook) *b = book_open(folder);
    return kt_notes_import(source, b, o, s);
}

static const kt_note notes[] = {
    {.title = {"Commas, \"quotes\"", 16},
     .body = {"Tags: x\r\n\ny", 11},
     .created = KT_S(1700000000),
     .changed = KT_S(1700000001)},
    {.title = {"#hash", 5},
     .body = {"", 0},
     .created = KT_S(1700000002),
     .changed = KT_S(1700000002)},
};

/* There and back in each format, through a folder that holds all of them, or one. */
TEST(notes_come_back_identical_from_every_format)
{
    for (int f = 0; f < KT_NOTE_FORMATS; f++) {
        kt_test_disk *d = disk_open(NULL);
        const kt_notes_options o = {.formats = 1u << f};
        CHECK_EQ(kt_notes_export(notes, 2, "out", &o, NULL), 2);
        CHECK_EQ(import("out", "back", NULL, NULL), 2);
        kt_auto(kt_notebook) *b = book_open("back");
        static const char *const names[] = {"commas-quotes", "hash"};
        for (size_t i = 0; i < 2; i++) {
            kt_auto(kt_note) n = KT_NOTE_INIT;
            sure(kt_notebook_get(b, names[i], &n));
            check_same(&notes[i], &n);
            CHECK_EQ(n.created, notes[i].created);
            CHECK_EQ(n.changed, notes[i].changed);
        }
        kt_test_disk_close(d);
    }
}

TEST(an_export_of_all_formats_is_imported_once)
{
    kt_test_disk *d = disk_open(NULL);
    kt_notes_summary s;
    CHECK_EQ(kt_notes_export(notes, 2, "out", &(kt_notes_options){.formats = 15}, NULL), 8);
    CHECK_EQ(import("out", "n", NULL, &s), 2);
    CHECK_EQ(s.notes, 2);
    CHECK_EQ(import("out/csv", "n", NULL, &s), 0);
    CHECK_EQ(s.unchanged, 2);
    CHECK_EQ(import("out/html/hash.html", "n", NULL, &s), 0);
    CHECK_EQ(s.unchanged, 1);
    check_disk(
        d, "/n/\n/n/commas-quotes.md\n/n/hash.md\n/out/\n/out/csv/\n/out/csv/commas-quotes.csv\n"
           "/out/csv/hash.csv\n/out/html/\n/out/html/commas-quotes.html\n/out/html/hash.html\n/out/"
           "json/\n"
           "/out/json/commas-quotes.json\n/out/json/hash.json\n/out/md/\n/out/md/commas-quotes.md\n"
           "/out/md/hash.md\n");
    kt_test_disk_close(d);
}

TEST(an_import_never_replaces_a_note)
{
    kt_test_disk *d = disk_open(NULL);
    kt_notes_summary s;
    put(d, "/n/tea.md", "# Tea\n\nmine\n\nTags:\n");
    put(d, "/in/a.csv", "title,body\r\nTea,theirs\r\nTea,mine\r\nTea,another\r\nTea,theirs\r\n");
    CHECK_EQ(import("in", "n", NULL, &s), 3);
    CHECK_EQ(s.notes, 4);
    CHECK_EQ(s.unchanged, 1);
    check_disk(d, "/in/\n/in/a.csv\n/n/\n/n/tea-2.md\n/n/tea-3.md\n/n/tea-4.md\n/n/tea.md\n");
    check_file(d, "/n/tea.md", "# Tea\n\nmine\n\nTags:\n");
    CHECK_EQ(import("in", "n", NULL, &s), 0); /* each finds its own */
    CHECK_EQ(s.unchanged, 4);
    kt_test_disk_close(d);
}

static int import_one(void *arg)
{
    return (int)import(arg, "n", NULL, NULL);
}

/* Two that both found the name free: one of them is refused, and nobody's note is lost. */
TEST(two_imports_at_once_do_not_replace_each_others_notes)
{
    kt_test_disk *d = disk_open(NULL);
    kt_task *tasks[2] = {NULL, NULL};
    char *sources[] = {"a.csv", "b.csv"};
    int written = 0;
    put(d, "/a.csv", "title,body\r\nTea,from a\r\n");
    put(d, "/b.csv", "title,body\r\nTea,from b\r\n");
    put(d, "/n/x.md", "# X\n");
    for (int i = 0; i < 2; i++)
        sure(kt_spawn(import_one, sources[i], 0, &tasks[i]));
    for (int i = 0; i < 2; i++) {
        int rc = kt_task_join(tasks[i]);
        sure(rc);
        written += rc;
    }
    CHECK_GE(written, 1);
    CHECK_EQ(count_files(d, "/n/tea"), written);
    for (int i = 0; i < 2; i++) /* who was refused comes now */
        CHECK_OK(import(sources[i], "n", NULL, NULL));
    CHECK_EQ(count_files(d, "/n/tea"), 2);
    kt_test_disk_close(d);
}

TEST(an_empty_folder_has_no_notes)
{
    kt_test_disk *d = disk_open(NULL);
    put(d, "/in/readme.txt", "no note");
    CHECK_EQ(import("in", "n", NULL, NULL), 0);
    check_disk(d, "/in/\n/in/readme.txt\n/n/\n");
    CHECK_ERR(import("nowhere", "n", NULL, NULL), -ENOENT);
    CHECK_STR(kt_error_detail(), "there is no file or folder 'nowhere'");
    CHECK_ERR(import("in/readme.txt", "n", NULL, NULL), -EINVAL);
    kt_test_disk_close(d);
}

typedef struct told {
    uint64_t last, total;
    char why[400];
} told;

static void tell(const kt_notes_progress *p, void *arg)
{
    told *t = arg;
    CHECK_EQ(p->done, t->last + 1);
    CHECK_LE(p->done, p->total);
    t->last = p->done;
    t->total = p->total;
    if (p->rc < 0)
        snprintf(t->why, sizeof t->why, "%s", p->why);
}

TEST(a_file_that_cannot_be_read_is_named_and_the_rest_goes_on)
{
    kt_test_disk *d = disk_open(NULL);
    kt_notes_summary s;
    told t = {0};
    put(d, "/in/a.json", "[{\"title\": \"A\"}, {\"title\": \"B\"}]");
    put(d, "/in/b.md", "# C\n\n\xff\n");
    put(d, "/in/c.md", "# D\n");
    CHECK_EQ(import("in", "n", &(kt_notes_options){.progress = tell, .progress_arg = &t}, &s), 3);
    CHECK_EQ(s.failed, 1);
    CHECK_STR(t.why, "in/b.md: line 3, byte 1: not UTF-8");
    CHECK_EQ(t.last, 4);
    CHECK_EQ(t.total, 4);
    kt_test_disk_close(d);
}

/* ---- Pipeline ----------------------------------------------------------------------------- */

static void put_five(kt_test_disk *d)
{
    for (int i = 0; i < 5; i++) {
        char path[32], text[64];
        snprintf(path, sizeof path, "/notes/%d.md", i);
        snprintf(text, sizeof text, "# Note %d\n\nbody\n\nTags: %s\n", i,
                 i < 2 ? "python" : "other");
        put(d, path, text);
    }
}

TEST(a_pipeline_streams_a_folder_into_another)
{
    kt_test_disk *d = disk_open(NULL);
    put_five(d);
    CHECK_EQ(kt_notes_pipeline("notes", "a/b", NULL, NULL), 5);
    CHECK_EQ(count_files(d, "/a/b/note-"), 5);
    check_file(d, "/a/b/note-3.md", "# Note 3\n\nbody\n\nTags: other\n");
    kt_test_disk_close(d);
}

TEST(a_pipeline_lets_only_notes_with_the_tag_pass)
{
    kt_test_disk *d = disk_open(NULL);
    const char *tags[] = {"python", NULL};
    const kt_note_filter filter = {.tags = tags};
    told t = {0};
    put_five(d);
    const kt_notes_options o = {.filter = &filter, .progress = tell, .progress_arg = &t};
    CHECK_EQ(kt_notes_pipeline("notes", "out", &o, NULL), 2);
    CHECK_EQ(t.total, 2);
    CHECK_EQ(count_files(d, "/out/"), 2);
    kt_test_disk_close(d);
}

TEST(a_pipeline_into_its_own_source_is_refused)
{
    kt_test_disk *d = disk_open(NULL);
    put_five(d);
    CHECK_ERR(kt_notes_pipeline("notes", "./notes/", NULL, NULL), KT_ECONFLICT);
    CHECK_EQ(count_files(d, "/notes/"), 5);
    kt_test_disk_close(d);
}

TEST(an_export_of_a_notebook_tells_of_notes_that_cannot_be_read)
{
    kt_test_disk *d = disk_open(NULL);
    kt_notes_summary s;
    told t = {0};
    put_five(d);
    put(d, "/notes/2.md", "\xff");
    kt_auto(kt_notebook) *b = book_open("notes");
    CHECK_EQ(
        kt_notebook_export(b, "out", &(kt_notes_options){.progress = tell, .progress_arg = &t}, &s),
        12);
    CHECK_EQ(s.failed, 1);
    CHECK_EQ(s.notes, 4);
    CHECK_EQ(t.last, 13);
    CHECK_EQ(t.total, 13);
    CHECK_STR(t.why, "2.md: line 1, byte 1: not UTF-8");
    kt_test_disk_close(d);
}
