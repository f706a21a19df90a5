/* SPDX-License-Identifier: MIT */
/* Many notes into many files: all at once but no more than is allowed, each whole or not there. */
#include "note_kit.h"

#include <stdlib.h>

static const kt_note *three(void)
{
    static kt_slice tags[3][2];
    static kt_note notes[5];
    tags[0][0] = S("python");
    tags[1][0] = S("python");
    tags[1][1] = S("async");
    tags[2][0] = S("python");
    tags[2][1] = S("cli");
    notes[0] = (kt_note){.title = S("Python Basics"),
                         .body = S("Variables and types."),
                         .tags = tags[0],
                         .tags_count = 1};
    notes[1] = (kt_note){.title = S("Async Intro"),
                         .body = S("Coroutines and await."),
                         .tags = tags[1],
                         .tags_count = 2};
    notes[2] = (kt_note){.title = S("CLI Tools"),
                         .body = S("Building with argparse."),
                         .tags = tags[2],
                         .tags_count = 2};
    notes[3] = NOTE_UNTAGGED("Extra One", "Extra body.");
    notes[4] = NOTE_UNTAGGED("Extra Two", "More body.");
    return notes;
}

/* ---- What is written ---------------------------------------------------------------------- */

TEST(three_notes_in_all_formats_are_nine_files_in_three_folders)
{
    kt_test_disk *d = disk_open(NULL);
    kt_notes_summary s;
    CHECK_EQ(kt_notes_export(three(), 3, "out", NULL, &s), 9);
    check_disk(d, "/out/\n/out/csv/\n/out/csv/async-intro.csv\n/out/csv/cli-tools.csv\n"
                  "/out/csv/python-basics.csv\n/out/json/\n/out/json/async-intro.json\n"
                  "/out/json/cli-tools.json\n/out/json/python-basics.json\n/out/md/\n"
                  "/out/md/async-intro.md\n/out/md/cli-tools.md\n/out/md/python-basics.md\n");
    check_file(d, "/out/md/python-basics.md",
               "# Python Basics\n\nVariables and types.\n\nTags: python\n");
    CHECK_EQ(s.notes, 3);
    CHECK_EQ(s.files, 9);
    CHECK_EQ(s.failed, 0);
    CHECK_GT(s.bytes, 9 * 50);
    kt_test_disk_close(d);
}

TEST(one_format_is_one_file_a_note)
{
    kt_test_disk *d = disk_open(NULL);
    CHECK_EQ(
        kt_notes_export(three(), 3, "out", &(kt_notes_options){.formats = 1u << KT_NOTE_MD}, NULL),
        3);
    CHECK_EQ(count_files(d, "/out/md/"), 3);
    CHECK_EQ(count_files(d, "/"), 3);
    kt_test_disk_close(d);
}

TEST(no_notes_are_no_files_and_no_folders)
{
    kt_test_disk *d = disk_open(NULL);
    CHECK_EQ(kt_notes_export(NULL, 0, "out", NULL, NULL), 0);
    const char *nobody[] = {"nobody", NULL};
    const kt_note_filter filter = {.tags = nobody};
    CHECK_EQ(kt_notes_export(three(), 3, "out", &(kt_notes_options){.filter = &filter}, NULL), 0);
    check_disk(d, "");
    kt_test_disk_close(d);
}

TEST(missing_folders_are_made_and_a_second_export_succeeds)
{
    kt_test_disk *d = disk_open(NULL);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(kt_notes_export(three(), 3, "a/b/c", NULL, NULL), 9);
    CHECK_EQ(count_files(d, "/a/b/c/"), 9);
    CHECK_EQ(count_files(d, ".kettle"), 0);
    kt_test_disk_close(d);
}

TEST(notes_of_one_title_get_files_of_their_own)
{
    kt_test_disk *d = disk_open(NULL);
    const kt_note notes[] = {NOTE_UNTAGGED("Tea", "1"), NOTE_UNTAGGED("TEA", "2"),
                             NOTE_UNTAGGED("../tea", "3"), NOTE_UNTAGGED("", "4"),
                             NOTE_UNTAGGED("tea 2", "5")};
    CHECK_EQ(
        kt_notes_export(notes, 5, "o", &(kt_notes_options){.formats = 1u << KT_NOTE_CSV}, NULL), 5);
    check_disk(d, "/o/\n/o/csv/\n/o/csv/tea-2-2.csv\n/o/csv/tea-2.csv\n/o/csv/tea-3.csv\n"
                  "/o/csv/tea.csv\n/o/csv/untitled.csv\n");
    kt_test_disk_close(d);
}

/* ---- At once ------------------------------------------------------------------------------ */

typedef struct elsewhere {
    int now, peak, files;
    kt_time takes;
} elsewhere;

static int write_elsewhere(const char *path, kt_slice bytes, void *arg)
{
    elsewhere *e = arg;
    CHECK(bytes.size > 0 && strncmp(path, "out/", 4) == 0);
    e->peak = ++e->now > e->peak ? e->now : e->peak;
    int rc = kt_sleep(e->takes);
    e->now--;
    e->files += rc == 0;
    return rc;
}

TEST(five_notes_in_three_formats_take_the_time_of_one_write)
{
    elsewhere e = {.takes = KT_MS(200)};
    kt_time start = kt_now();
    kt_notes_summary s;
    const kt_notes_options o = {.write = write_elsewhere, .write_arg = &e};
    CHECK_EQ(kt_notes_export(three(), 5, "out", &o, &s), 15);
    CHECK_EQ(kt_now() - start, KT_MS(200));
    CHECK_EQ(s.duration, KT_MS(200));
    CHECK_EQ(e.peak, 15);
}

TEST(one_after_the_other_they_take_fifteen_times_as_long)
{
    elsewhere e = {.takes = KT_MS(200)};
    kt_time start = kt_now();
    const kt_notes_options o = {.write = write_elsewhere, .write_arg = &e, .in_flight = 1};
    CHECK_EQ(kt_notes_export(three(), 5, "out", &o, NULL), 15);
    CHECK_EQ(kt_now() - start, 15 * KT_MS(200));
    CHECK_EQ(e.peak, 1);
}

TEST(never_more_are_in_flight_than_allowed)
{
    elsewhere e = {.takes = KT_MS(200)};
    kt_time start = kt_now();
    const kt_notes_options o = {.write = write_elsewhere, .write_arg = &e, .in_flight = 4};
    CHECK_EQ(kt_notes_export(three(), 5, "out", &o, NULL), 15);
    CHECK_EQ(e.peak, 4);
    CHECK_EQ(kt_now() - start, 4 * KT_MS(200)); /* 4 + 4 + 4 + 3 */
}

/* On a disk as well: each call takes a millisecond, and one file some of them. */
TEST(files_on_a_slow_disk_are_written_at_the_same_time)
{
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("the simulated disk is slow under the simulated driver alone");
    kt_time took[2];
    for (int i = 0; i < 2; i++) {
        kt_test_disk *d = disk_open(&(kt_test_disk_options){.latency = KT_MS(1), .whole = true});
        kt_notes_summary s;
        CHECK_EQ(kt_notes_export(three(), 5, "out",
                                 &(kt_notes_options){.in_flight = i == 0 ? 1 : 16}, &s),
                 15);
        took[i] = s.duration;
        CHECK_EQ(count_files(d, "/out/"), 15);
        kt_test_disk_close(d);
    }
    CHECK_LT(took[1] * 4, took[0]);
}

/* ---- Progress ----------------------------------------------------------------------------- */

typedef struct told {
    uint64_t last, total, failed, unchanged;
    char why[400];
} told;

static void tell(const kt_notes_progress *p, void *arg)
{
    told *t = arg;
    CHECK_EQ(p->done, t->last + 1);
    CHECK_LE(p->done, p->total);
    CHECK(*p->path);
    t->last = p->done;
    t->total = p->total;
    t->failed += p->rc < 0;
    t->unchanged += p->rc == 1;
    CHECK((p->rc < 0) == (*p->why != '\0'));
    if (p->rc < 0)
        snprintf(t->why, sizeof t->why, "%s", p->why);
}

static kt_note *many(size_t count)
{
    kt_note *notes = kt_calloc(count, sizeof *notes);
    for (size_t i = 0; i < count; i++) {
        char title[32], body[64];
        int title_size = snprintf(title, sizeof title, "Note %zu", i);
        int body_size = snprintf(body, sizeof body, "Body for note %zu", i);
        const kt_note n = {.title = {title, (size_t)title_size}, .body = {body, (size_t)body_size}};
        sure(kt_note_copy(&n, &notes[i]));
    }
    return notes;
}

static void many_free(kt_note *notes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kt_note_release(&notes[i]);
    kt_free(notes);
}

TEST(a_hundred_notes_in_three_formats_are_told_of_three_hundred_times)
{
    kt_test_disk *d = disk_open(NULL);
    kt_note *notes = many(100);
    told t = {0};
    CHECK_EQ(kt_notes_export(notes, 100, "out",
                             &(kt_notes_options){.progress = tell, .progress_arg = &t}, NULL),
             300);
    CHECK_EQ(t.last, 300);
    CHECK_EQ(t.total, 300);
    CHECK_EQ(t.failed, 0);
    many_free(notes, 100);
    kt_test_disk_close(d);
}

/* ---- What goes wrong ---------------------------------------------------------------------- */

TEST(a_note_that_no_format_holds_is_named_and_the_rest_goes_on)
{
    kt_test_disk *d = disk_open(NULL);
    const kt_note notes[] = {NOTE_UNTAGGED("Good", "1"), NOTE_UNTAGGED("Bad", "\xff"),
                             NOTE_UNTAGGED("Also good", "2")};
    told t = {0};
    kt_notes_summary s;
    const kt_notes_options o = {.progress = tell, .progress_arg = &t};
    CHECK_EQ(kt_notes_export(notes, 3, "out", &o, &s), 6);
    CHECK_EQ(s.failed, 3);
    CHECK_EQ(s.rc, KT_EVALIDATION);
    CHECK_EQ(t.failed, 3);
    CHECK_EQ(t.last, 9);
    CHECK(strncmp(t.why, "out/", 4) == 0 && strstr(t.why, "/bad.") &&
          strstr(t.why, "line 1, byte 1: not UTF-8"));
    CHECK_EQ(count_files(d, "bad"), 0);
    kt_test_disk_close(d);
}

TEST(a_full_disk_fails_each_file_by_its_name_and_leaves_no_half)
{
    kt_test_disk *d = disk_open(NULL);
    kt_note *notes = many(20);
    told t = {0};
    kt_notes_summary s;
    kt_test_disk_fail_after(d, 400, -ENOSPC);
    const kt_notes_options o = {.formats = 1u << KT_NOTE_MD, .progress = tell, .progress_arg = &t};
    ssize_t files = kt_notes_export(notes, 20, "out", &o, &s);
    CHECK(files > 0 && files < 20);
    CHECK_EQ(s.failed, 20 - files);
    CHECK_EQ(s.rc, -ENOSPC);
    CHECK(strncmp(t.why, "out/md/note-", 12) == 0 && strstr(t.why, "No space left on device"));
    CHECK_EQ(count_files(d, "/out/md/note-"), files);
    CHECK_EQ(count_files(d, ".kettle"), 0);
    many_free(notes, 20);
    kt_test_disk_close(d);
}

TEST(a_read_only_folder_fails_its_files_and_the_rest_goes_on)
{
    kt_test_disk *d = disk_open(NULL);
    told t = {0};
    kt_notes_summary s;
    sure(kt_dir_make_all("out/json", 0));
    sure(kt_path_chmod("out/json", 0555));
    const kt_notes_options o = {.progress = tell, .progress_arg = &t};
    CHECK_EQ(kt_notes_export(three(), 3, "out", &o, &s), 6);
    CHECK_EQ(s.failed, 3);
    CHECK_EQ(s.rc, -EACCES);
    CHECK(strncmp(t.why, "out/json/", 9) == 0 && strstr(t.why, "Permission denied"));
    CHECK_EQ(count_files(d, "/out/"), 6);
    kt_test_disk_close(d);
}

TEST(each_call_that_fails_fails_one_file_at_most)
{
    for (int call = KT_TEST_DISK_OPEN; call < KT_TEST_DISK_CALLS; call++) {
        kt_test_disk *d = disk_open(&(kt_test_disk_options){.whole = true});
        kt_notes_summary s;
        CHECK_EQ(kt_notes_export(three(), 3, "out", NULL, NULL),
                 9); /* the folders, and files to be replaced */
        kt_test_disk_fail(d, (kt_test_disk_call)call, call == KT_TEST_DISK_STAT ? 5 : 4,
                          -EIO); /* behind the folders' */
        ssize_t files = kt_notes_export(three(), 3, "out", NULL, &s);
        kt_test_say("call %d: %zd files, %d", call, files, s.rc);
        CHECK(files == 9 || (files == 8 && s.failed == 1 && s.rc == -EIO));
        CHECK_EQ(count_files(d, "/out/"), 9); /* the old one is still whole */
        CHECK_EQ(count_files(d, ".kettle"), 0);
        check_file(d, "/out/md/cli-tools.md",
                   "# CLI Tools\n\nBuilding with argparse.\n\nTags: python, cli\n");
        kt_test_disk_close(d);
    }
}

/* The power fails at each call in turn, while old files are replaced for good. */
TEST(a_crash_leaves_each_file_old_or_new)
{
    static const char *const names[] = {"async-intro", "cli-tools", "python-basics"};
    const kt_notes_options o = {.formats = 1u << KT_NOTE_MD, .durable = true, .in_flight = 2};
    int old_ones = 0, new_ones = 0;
    for (uint64_t at = 1; at < 60; at++) {
        kt_test_disk *d = disk_open(&(kt_test_disk_options){.seed = at});
        kt_note changed[3];
        CHECK_EQ(kt_notes_export(three(), 3, "out", &o, NULL), 3);
        kt_test_disk_sync(d);
        for (int i = 0; i < 3; i++) {
            changed[i] = three()[i];
            changed[i].body = S("new");
        }
        kt_test_disk_crash_at(d, at);
        ssize_t files = kt_notes_export(changed, 3, "out", &o, NULL);
        kt_test_disk_crash(d);
        int now_new = 0;
        for (int i = 0; i < 3; i++) {
            char path[64];
            kt_auto(kt_buffer) text = KT_BUFFER_INIT;
            kt_auto(kt_note) n = KT_NOTE_INIT;
            snprintf(path, sizeof path, "/out/md/%s.md", names[i]);
            sure(kt_test_disk_get(d, path, &text));
            sure(kt_note_read(kt_buffer_slice(&text), KT_NOTE_MD, &n));
            now_new += kt_slice_is(n.body, "new");
            CHECK(kt_slice_is(n.body, "new") || n.body.size > 15);
        }
        CHECK(files < 0 || now_new >= files); /* what was told as written is there */
        new_ones += now_new;
        old_ones += 3 - now_new;
        kt_test_disk_close(d);
    }
    CHECK(old_ones > 0 && new_ones > 0);
}

TEST(a_folder_that_cannot_be_made_is_the_result)
{
    kt_test_disk *d = disk_open(NULL);
    put(d, "/out", "a file");
    ssize_t rc = kt_notes_export(three(), 3, "out", NULL, NULL);
    CHECK(rc == -EEXIST || rc == -ENOTDIR);
    CHECK(strstr(kt_error_detail(), "out"));
    check_disk(d, "/out\n");
    kt_test_disk_close(d);
}

/* ---- Cancelled ---------------------------------------------------------------------------- */

typedef struct run {
    const kt_note *notes;
    size_t count;
    const kt_notes_options *options;
} run;

static int export_notes(void *arg)
{
    const run *r = arg;
    ssize_t rc = kt_notes_export(r->notes, r->count, "out", r->options, NULL);
    return rc < 0 ? (int)rc : 0;
}

TEST(a_cancellation_leaves_no_half_written_file)
{
    kt_note *notes = many(50);
    for (int turns = 0; turns < 60; turns++) {
        kt_test_disk *d = disk_open(NULL);
        const run r = {notes, 50, NULL};
        kt_task *t = NULL;
        sure(kt_spawn(export_notes, &r, sizeof r, &t));
        for (int i = 0; i < turns; i++)
            sure(kt_sleep(0));
        kt_task_cancel(t);
        int rc = kt_task_join(t);
        CHECK(rc == KT_ECANCELED || rc == 0);
        CHECK_EQ(count_files(d, ".kettle"), 0);
        CHECK_EQ(kt_test_disk_descriptors(d), 0);
        kt_test_disk_close(d);
    }
    many_free(notes, 50);
}

TEST(a_cancellation_ends_writers_that_wait)
{
    elsewhere e = {.takes = KT_S(100)};
    const kt_notes_options o = {.write = write_elsewhere, .write_arg = &e};
    const run r = {three(), 5, &o};
    kt_task *t = NULL;
    sure(kt_spawn(export_notes, &r, sizeof r, &t));
    sure(kt_sleep(KT_S(1)));
    CHECK_EQ(e.now, 15);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(e.now, 0);
    CHECK_EQ(e.files, 0);
}

TEST(without_memory_nothing_is_left_behind)
{
    int failures = 0;
    for (uint64_t nth = 1;; nth++) {
        kt_test_disk *d = disk_open(NULL);
        kt_notes_summary s = {0};
        kt_test_fail_allocation(nth);
        ssize_t files = kt_notes_export(three(), 2, "out", NULL, &s);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK(files == -ENOMEM || files >= 0);
        CHECK(files < 0 || files + (ssize_t)s.failed == 6);
        CHECK_EQ(count_files(d, ".kettle"), 0);
        kt_test_disk_close(d);
        if (!failed)
            break;
        failures += files < 0 || s.failed > 0;
    }
    CHECK_GT(failures, 10);
}
