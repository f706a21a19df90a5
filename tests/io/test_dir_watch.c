/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree.h"

static kt_dir_watch *watch(const tree *t, const char *name, const kt_dir_watch_options *o)
{
    kt_dir_watch *w = NULL;
    CHECK_OK(kt_dir_watch_open(*name ? in(t, name) : t->root, o, &w));
    return w;
}

static const kt_dir_watch_options recursive = {.recursive = true};

/* Says the next event: "created d path" for a directory. */
static void say_next(kt_dir_watch *w)
{
    static const char *const words[] = {"created", "written", "modified", "attributes", "removed", "moved", "rescan",
                                        "gone"};
    kt_dir_event e;
    CHECK_EQ(kt_dir_watch_next(w, &e), 1);
    const char *old = e.old_path ? e.old_path : "";
    kt_test_say("%s%s %s%s%s", words[e.change], e.is_dir ? " d" : "", old, *old ? " > " : "", e.path);
}

static void say_events(kt_dir_watch *w, int count)
{
    for (int i = 0; i < count; i++)
        say_next(w);
}

static void move(const tree *t, const char *from, const char *to)
{
    CHECK_EQ(rename(in(t, from), in(t, to)), 0);
}

/* What was told is taken in, too. */
static void settle(const tree *t, kt_dir_watch *w)
{
    kt_dir_event e;
    put(t, "settled", "");
    CHECK_EQ(unlink(in(t, "settled")), 0);
    do
        CHECK_EQ(kt_dir_watch_next(w, &e), 1);
    while (strcmp(e.path, "settled") != 0 || e.change != KT_DIR_REMOVED);
}

/* Nothing else is to be told: a file in the watched directory itself comes next. */
static void check_no_more(const tree *t, const char *dir, kt_dir_watch *w)
{
    char name[64];
    snprintf(name, sizeof name, "%s%slast", dir, *dir ? "/" : "");
    kt_test_say("-");
    put(t, name, "");
    say_events(w, 2);
    CHECK_TRACE("-\ncreated last\nwritten last");
    CHECK_EQ(unlink(in(t, name)), 0);
    say_next(w);
    CHECK_TRACE("removed last");
}

TEST_WITH(changes_in_a_directory_are_told, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_dir_watch) *w = watch(&t, "", NULL);
    put(&t, "a", "tea");
    say_events(w, 2);
    CHECK_TRACE("created a\nwritten a");
    put(&t, "a", "pot");
    move(&t, "a", "b");
    CHECK_EQ(unlink(in(&t, "b")), 0);
    put_dir(&t, "d");
    put(&t, "d/f", "");
    put_link(&t, "l", "d");
    CHECK_EQ(rmdir(in(&t, "gone")), -1);
    say_events(w, 5);
    CHECK_TRACE("written a\nmoved a > b\nremoved b\ncreated d d\ncreated l");
    check_no_more(&t, "", w);
}

TEST_WITH(writes_and_attributes_are_told_when_asked_for, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    put(&t, "a", "tea");
    kt_auto(kt_dir_watch) *w = watch(&t, "", &(kt_dir_watch_options){.every_write = true, .attributes = true});
    int fd = open(in(&t, "a"), O_WRONLY | O_CLOEXEC);
    CHECK_EQ(write(fd, "x", 1), 1);
    say_next(w);
    CHECK_EQ(fchmod(fd, 0600), 0);
    close(fd);
    say_events(w, 2);
    CHECK_TRACE("modified a\nattributes a\nwritten a");
}

/* ---- Trees --------------------------------------------------------------------------------- */

TEST_WITH(a_tree_is_watched_as_a_whole, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "d");
    put_dir(&t, "d/e");
    put(&t, "d/e/old", "");
    kt_auto(kt_dir_watch) *w = watch(&t, "", &recursive);
    put(&t, "d/e/f", "");
    move(&t, "d/e/f", "g");
    CHECK_EQ(unlink(in(&t, "d/e/old")), 0);
    CHECK_EQ(rmdir(in(&t, "d/e")), 0);
    say_events(w, 5);
    CHECK_TRACE("created d/e/f\nwritten d/e/f\nmoved d/e/f > g\nremoved d/e/old\nremoved d d/e");
    check_no_more(&t, "", w);
}

/* What was put there before anybody could watch it is told, and what comes then as well. */
TEST_WITH(new_directories_are_taken_in_with_what_is_in_them, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_dir_watch) *w = watch(&t, "", &recursive);
    put_dir(&t, "x");
    put_dir(&t, "x/y");
    put_dir(&t, "x/y/z");
    put(&t, "x/y/z/f", "");
    say_events(w, 4);
    CHECK_TRACE("created d x\ncreated d x/y\ncreated d x/y/z\ncreated x/y/z/f");
    put(&t, "x/y/z/f", "tea");
    put_dir(&t, "x/y/z/w");
    say_events(w, 2);
    CHECK_TRACE("written x/y/z/f\ncreated d x/y/z/w");
    put(&t, "x/y/z/w/g", "");
    say_next(w);
    CHECK_TRACE("created x/y/z/w/g");
}

TEST_WITH(a_directory_that_moves_within_a_tree_stays_watched, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "a");
    put_dir(&t, "a/b");
    put_dir(&t, "c");
    kt_auto(kt_dir_watch) *w = watch(&t, "", &recursive);
    move(&t, "a", "c/a");
    put(&t, "c/a/b/f", "");
    move(&t, "c/a", "z");
    put(&t, "z/b/f", "");
    say_events(w, 5);
    CHECK_TRACE("moved d a > c/a\ncreated c/a/b/f\nwritten c/a/b/f\nmoved d c/a > z\nwritten z/b/f");
    put_dir(&t, "empty");
    say_next(w);
    settle(&t, w);
    move(&t, "z", "empty"); /* replaces it */
    put(&t, "empty/b/g", "");
    say_events(w, 3);
    CHECK_TRACE("created d empty\nmoved d z > empty\ncreated empty/b/g\nwritten empty/b/g");
    check_no_more(&t, "", w);
}

TEST_WITH(directories_come_from_elsewhere_and_leave, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "in");
    put_dir(&t, "in/d");
    put_dir(&t, "in/d/e");
    put_dir(&t, "new");
    put(&t, "new/f", "");
    kt_auto(kt_dir_watch) *w = watch(&t, "in", &recursive);
    move(&t, "in/d", "out");
    put(&t, "out/e/f", "");
    move(&t, "new", "in/new");
    say_events(w, 3);
    CHECK_TRACE("removed d d\ncreated d new\ncreated new/f");
    put(&t, "out/e/g", "");
    put(&t, "in/new/f", "x");
    say_next(w);
    CHECK_TRACE("written new/f");
    move(&t, "in/new", "in/again"); /* the mate is last in the queue */
    move(&t, "in/again", "back");
    say_events(w, 2);
    CHECK_TRACE("moved d new > again\nremoved d again");
    check_no_more(&t, "in", w);
}

/* Onto an empty directory that was watched: not mistaken for it. */
TEST_WITH(a_directory_from_elsewhere_may_replace_one, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "in");
    put_dir(&t, "in/d");
    put_dir(&t, "new");
    put(&t, "new/f", "");
    kt_auto(kt_dir_watch) *w = watch(&t, "in", &recursive);
    move(&t, "new", "in/d");
    say_events(w, 2);
    CHECK_TRACE("created d d\ncreated d/f");
    put(&t, "in/d/g", "");
    say_events(w, 2);
    CHECK_TRACE("created d/g\nwritten d/g");
    check_no_more(&t, "in", w);
}

/* More than one trip takes in, and links are not followed. */
TEST_WITH(a_large_new_directory_is_told_whole, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    static bool told[3000];
    int count = 0;
    kt_dir_event e;
    put_dir(&t, "in");
    put_dir(&t, "new");
    put_link(&t, "new/up", "..");
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "new/%d", i);
        put(&t, name, "");
    }
    kt_auto(kt_dir_watch) *w = watch(&t, "in", &recursive);
    move(&t, "new", "in/new");
    while (count < 3002) {
        CHECK_EQ(kt_dir_watch_next(w, &e), 1);
        CHECK_EQ(e.change, KT_DIR_CREATED);
        bool numbered = strncmp(e.path, "new/", 4) == 0 && strcmp(e.path, "new/up") != 0;
        int i = numbered ? (int)strtol(e.path + 4, NULL, 10) : -1;
        CHECK(i < 0 || !told[i]);
        if (i >= 0)
            told[i] = true;
        count++;
    }
    check_no_more(&t, "in", w);
}

TEST_WITH(a_watched_directory_that_goes_ends_the_watch, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    kt_dir_event e;
    for (int i = 0; i < 2; i++) {
        put_dir(&t, "in");
        put(&t, "in/f", "");
        kt_auto(kt_dir_watch) *w = watch(&t, "in", &recursive);
        CHECK_EQ(unlink(in(&t, "in/f")), 0);
        if (i == 0)
            CHECK_EQ(rmdir(in(&t, "in")), 0);
        else
            move(&t, "in", "out");
        say_events(w, 2);
        CHECK_TRACE("removed f\ngone d ");
        CHECK_EQ(kt_dir_watch_next(w, &e), 0);
        CHECK_EQ(kt_dir_watch_next(w, &e), 0);
    }
}

/* ---- Too much ------------------------------------------------------------------------------ */

static long events_max(void)
{
    char text[32] = "";
    int fd = open("/proc/sys/fs/inotify/max_queued_events", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return 0;
    close(fd);
    return strtol(text, NULL, 10);
}

TEST_WITH(lost_events_are_told_and_the_tree_is_taken_in_again, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    long max = events_max();
    if (max <= 0 || max > 50000)
        kt_test_skip("the system keeps %ld events", max);
    put_dir(&t, "stale");
    kt_auto(kt_dir_watch) *w = watch(&t, "", &recursive);
    for (long i = 0; i < max / 2 + 10; i++) {
        put(&t, "a", "");
        CHECK_EQ(unlink(in(&t, "a")), 0);
    }
    CHECK_EQ(rmdir(in(&t, "stale")), 0);
    put_dir(&t, "late");
    put_dir(&t, "late/d");
    kt_dir_event e;
    do
        CHECK_EQ(kt_dir_watch_next(w, &e), 1);
    while (e.change != KT_DIR_RESCAN);
    put(&t, "late/d/f", "");
    say_events(w, 2);
    CHECK_TRACE("created late/d/f\nwritten late/d/f");
    put_dir(&t, "stale"); /* its end was lost: it is another one */
    put(&t, "stale/f", "");
    say_events(w, 2);
    CHECK_TRACE("created d stale\ncreated stale/f");
    check_no_more(&t, "", w);
}

/* ---- Refusals, cancellation, memory ----------------------------------------------------------- */

TEST_WITH(only_directories_are_watched, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    kt_dir_watch *w = NULL;
    put(&t, "f", "");
    CHECK_ERR(kt_dir_watch_open(in(&t, "f"), NULL, &w), -ENOTDIR);
    CHECK_ERR(kt_dir_watch_open(in(&t, "gone"), &recursive, &w), -ENOENT);
    CHECK(strstr(kt_error_detail(), "/gone: No such file or directory"));
    CHECK(w == NULL);
    kt_dir_watch_close(NULL);
}

TEST(the_simulated_driver_watches_nothing)
{
    kt_dir_watch *w = NULL;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("this is about the simulated driver");
    CHECK_ERR(kt_dir_watch_open("/tmp", NULL, &w), KT_ENOTSIM);
    CHECK(w == NULL);
}

static int told; /* events, by the task below */

static int waits(void *arg)
{
    kt_dir_event e;
    int rc = kt_dir_watch_next(arg, &e);
    told += rc == 1;
    return rc < 0 ? rc : kt_sleep(0);
}

TEST_WITH(a_cancelled_wait_loses_nothing, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_dir_watch) *w = watch(&t, "", &recursive);
    kt_task *task = NULL;
    CHECK_OK(kt_spawn(waits, w, 0, &task));
    CHECK_OK(kt_sleep(0));
    put_dir(&t, "d");
    put(&t, "d/f", "");
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    if (told > 0) /* it was quicker */
        kt_test_say("created d d");
    say_events(w, 2 - told);
    CHECK_TRACE("created d d\ncreated d/f");
    CHECK_OK(kt_spawn(waits, w, 0, &task));
    CHECK_OK(kt_sleep(0));
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    put(&t, "d/f", "");
    say_next(w);
    CHECK_TRACE("written d/f");
}

/* Each allocation in turn: what is told is the same, and in the same order. */
static bool watch_failing(uint64_t nth)
{
    kt_auto(tree) t = tree_new();
    kt_dir_event e;
    int lacking = 0, moved = 0;
    put_dir(&t, "a");
    put_dir(&t, "d");
    put_dir(&t, "out");
    put_dir(&t, "out/a-long-name-so-that-more-memory-is-asked-for-than-there-was-at-first");
    put(&t, "out/f", "");
    kt_auto(kt_dir_watch) *w = watch(&t, "d", &recursive);
    move(&t, "out", "d/b");
    move(&t, "d/b", "d/and-another-long-name-so-that-the-first-buffers-are-too-small-for-it");
    kt_test_fail_allocation(nth);
    for (int told_here = 0; told_here < 4;) { /* created, moved, and what is in it */
        int rc = kt_dir_watch_next(w, &e);
        CHECK(rc == 1 || rc == -ENOMEM);
        lacking += rc == -ENOMEM;
        told_here += rc == 1;
        moved += rc == 1 && e.change == KT_DIR_MOVED && strcmp(e.old_path, "b") == 0;
    }
    bool failed = kt_test_allocation_failed();
    kt_test_fail_allocation(0);
    CHECK_LE(lacking, 1);
    CHECK_EQ(moved, 1);
    check_no_more(&t, "d", w);
    return failed;
}

TEST_WITH(without_memory_no_event_is_lost, KT_TEST_REAL_IO)
{
    uint64_t nth = 1;
    while (watch_failing(nth))
        nth++;
    CHECK_GT(nth, 3);
}

/* ---- What was found is ahead of what is told ------------------------------------------------- */

TEST_WITH(a_directory_that_is_made_again_is_told_again, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_dir_watch) *w = watch(&t, "", &recursive);
    put_dir(&t, "x");
    CHECK_EQ(rmdir(in(&t, "x")), 0);
    put_dir(&t, "x");
    put(&t, "x/f", "");
    say_events(w, 5);
    CHECK_TRACE("created d x\ncreated x/f\nremoved d x\ncreated d x\ncreated x/f");
    check_no_more(&t, "", w);
}

TEST_WITH(a_directory_whose_old_name_has_a_new_one_is_watched, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_dir_watch) *w = watch(&t, "", &recursive);
    put_dir(&t, "x");
    move(&t, "x", "y");
    put_dir(&t, "x");
    say_events(w, 3);
    CHECK_TRACE("created d x\nmoved d x > y\ncreated d x");
    settle(&t, w);
    put_dir(&t, "y/in");
    put_dir(&t, "x/in");
    say_events(w, 2);
    CHECK_TRACE("created d y/in\ncreated d x/in");
}

TEST_WITH(a_new_directory_whose_parent_has_moved_is_watched, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "old");
    kt_auto(kt_dir_watch) *w = watch(&t, "", &recursive);
    put_dir(&t, "old/x");
    move(&t, "old", "new");
    say_events(w, 3);
    CHECK_TRACE("created d old/x\nmoved d old > new\ncreated d new/x");
    put(&t, "new/x/f", "");
    say_events(w, 2);
    CHECK_TRACE("created new/x/f\nwritten new/x/f");
    check_no_more(&t, "", w);
}

/* The first x is in d, and d in the second x, when the first event is told. */
TEST_WITH(places_never_lie_within_themselves, KT_TEST_REAL_IO)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "d");
    kt_auto(kt_dir_watch) *w = watch(&t, "", &recursive);
    put_dir(&t, "x");
    move(&t, "x", "d/y");
    put_dir(&t, "d/z");
    put_dir(&t, "x");
    move(&t, "d", "x/d");
    settle(&t, w);
    put_dir(&t, "x/d/y/in");
    put_dir(&t, "x/d/z/in");
    say_events(w, 2);
    CHECK_TRACE("created d x/d/y/in\ncreated d x/d/z/in");
}

TEST_DIES(two_tasks_in_one_watch_are_misuse, KT_TEST_REAL_IO, "kt_dir_watch_next: another task waits in the watch of /")
{
    kt_dir_watch *w = NULL;
    kt_task *task = NULL;
    CHECK_OK(kt_dir_watch_open("/", NULL, &w));
    CHECK_OK(kt_spawn(waits, w, 0, &task));
    CHECK_OK(kt_sleep(0));
    (void)waits(w);
}

TEST_DIES(a_watch_in_use_is_not_closed, KT_TEST_REAL_IO, "kt_dir_watch_close: a task waits in the watch of /")
{
    kt_dir_watch *w = NULL;
    kt_task *task = NULL;
    CHECK_OK(kt_dir_watch_open("/", NULL, &w));
    CHECK_OK(kt_spawn(waits, w, 0, &task));
    CHECK_OK(kt_sleep(0));
    kt_dir_watch_close(w);
}
