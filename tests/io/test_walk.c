/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree.h"

/* Says every entry: "d path" for a directory, f, l, o for others; and "error CODE" where a directory failed. */
static void say_walk(const tree *t, const kt_walk_options *o)
{
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    int rc;
    CHECK_OK(kt_walk_open(t->root, o, &w));
    while ((rc = kt_walk_next(w, &e)) != 0) {
        if (rc < 0) {
            kt_test_say("error %s", kt_error_name(rc));
            continue;
        }
        kt_test_say("%c %s", "fdlo"[e.type], e.path);
        const char *slash = strrchr(e.path, '/');
        CHECK_STR(e.name, slash ? slash + 1 : e.path);
        unsigned depth = 1;
        for (const char *p = e.path; *p; p++)
            depth += *p == '/';
        CHECK_EQ(e.depth, depth);
    }
}

static const kt_walk_options sorted = {.sorted = true};

static tree small_tree(void)
{
    tree t = tree_new();
    put(&t, "b", "");
    put_dir(&t, "a");
    put(&t, "a/y", "");
    put_dir(&t, "a/x");
    put(&t, "a/x/1", "");
    put_dir(&t, "c");
    put(&t, ".h", "");
    put_link(&t, "l", "a");
    return t;
}

TEST(a_walk_tells_directories_before_what_is_in_them)
{
    kt_auto(tree) t = small_tree();
    say_walk(&t, &sorted);
    CHECK_TRACE("f .h\nd a\nd a/x\nf a/x/1\nf a/y\nf b\nd c\nl l");
}

TEST(an_unsorted_walk_tells_the_same)
{
    kt_auto(tree) t = small_tree();
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    int count = 0, rc;
    CHECK_OK(kt_walk_open(t.root, NULL, &w));
    for (; (rc = kt_walk_next(w, &e)) == 1; count++)
        CHECK(has(&t, e.path));
    CHECK_OK(rc);
    CHECK_EQ(count, 8);
    CHECK_EQ(kt_walk_next(w, &e), 0);
}

TEST(a_walk_may_leave_things_out)
{
    kt_auto(tree) t = small_tree();
    say_walk(&t, &(kt_walk_options){.sorted = true, .files_only = true});
    CHECK_TRACE("f .h\nf a/x/1\nf a/y\nf b");
    say_walk(&t, &(kt_walk_options){.sorted = true, .depth_max = 1, .skip_hidden = true});
    CHECK_TRACE("d a\nf b\nd c\nl l");
    say_walk(&t, &(kt_walk_options){.sorted = true, .depth_max = 2, .skip_hidden = true});
    CHECK_TRACE("d a\nd a/x\nf a/y\nf b\nd c\nl l");
}

TEST(a_walk_follows_links_when_asked_to)
{
    kt_auto(tree) t = small_tree();
    put_link(&t, "dead", "nowhere");
    put_link(&t, "file", "b");
    say_walk(&t, &(kt_walk_options){.sorted = true, .follow_links = true, .skip_hidden = true});
    CHECK_TRACE("d a\nd a/x\nf a/x/1\nf a/y\nf b\nd c\nl dead\nf file\nd l\nd l/x\nf l/x/1\nf l/y");
}

TEST(a_directory_within_itself_is_an_error_and_the_walk_goes_on)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "a");
    put_dir(&t, "a/b");
    put_link(&t, "a/b/up", "../..");
    put_link(&t, "a/b/self", "self");
    put(&t, "z", "");
    say_walk(&t, &(kt_walk_options){.sorted = true, .follow_links = true});
    CHECK_TRACE("d a\nd a/b\nl a/b/self\nd a/b/up\nerror ELOOP\nf z");
    say_walk(&t, &(kt_walk_options){.sorted = true, .follow_links = true, .skip_errors = true});
    CHECK_TRACE("d a\nd a/b\nl a/b/self\nd a/b/up\nf z");
    say_walk(&t, &sorted);
    CHECK_TRACE("d a\nd a/b\nl a/b/self\nl a/b/up\nf z");
}

/* ---- Skipping ------------------------------------------------------------------------------ */

static int walk_skipping_with(const tree *t, const char *skipped, const kt_walk_options *o)
{
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    int count = 0, rc;
    CHECK_OK(kt_walk_open(t->root, o, &w));
    while ((rc = kt_walk_next(w, &e)) == 1) {
        count++;
        if (strcmp(e.path, skipped) == 0)
            kt_walk_skip(w);
        else
            CHECK(strncmp(e.path, skipped, strlen(skipped)) != 0);
    }
    CHECK_OK(rc);
    return count;
}

static int walk_skipping(const tree *t, const char *skipped)
{
    return walk_skipping_with(t, skipped, &sorted);
}

TEST(a_skipped_directory_is_not_gone_into)
{
    kt_auto(tree) t = small_tree();
    CHECK_EQ(walk_skipping(&t, "a"), 5);
    CHECK_EQ(walk_skipping(&t, "a/x"), 7);
    CHECK_EQ(walk_skipping(&t, "c"), 8);
    CHECK_EQ(walk_skipping(&t, "l"), 8); /* a link is no directory */
}

/* More than is fetched at once, before, in and behind what is skipped. */
TEST(what_was_fetched_ahead_is_skipped_too)
{
    kt_auto(tree) t = tree_new();
    const char *const dirs[] = {"a", "m", "m/n", "z"};
    for (int d = 0; d < 4; d++) {
        put_dir(&t, dirs[d]);
        for (int i = 0; i < 700; i++) {
            char name[32];
            snprintf(name, sizeof name, "%s/%d", dirs[d], i);
            put(&t, name, "");
        }
    }
    CHECK_EQ(walk_skipping(&t, "m"), 1403);
    CHECK_EQ(walk_skipping(&t, "m/n"), 2104);
    CHECK_EQ(walk_skipping(&t, "z"), 2104);
    CHECK_EQ(walk_skipping(&t, "nothing"), 2804);
}

TEST(a_skipped_directory_that_fails_is_not_told)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    put_dir(&t, "a");
    put_link(&t, "a/up", "..");
    put(&t, "z", "");
    CHECK_OK(kt_walk_open(t.root, &(kt_walk_options){.sorted = true, .follow_links = true}, &w));
    CHECK_EQ(kt_walk_next(w, &e), 1);
    CHECK_EQ(kt_walk_next(w, &e), 1);
    CHECK_STR(e.path, "a/up");
    kt_walk_skip(w);
    CHECK_EQ(kt_walk_next(w, &e), 1);
    CHECK_STR(e.path, "z");
    CHECK_EQ(kt_walk_next(w, &e), 0);
}

/* ---- Hostile trees ------------------------------------------------------------------------- */

TEST(names_of_any_bytes_are_told)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "\n");
    put(&t, "\n/\xff\xfe", "");
    put(&t, "\x01 \t", "");
    say_walk(&t, &sorted);
    CHECK_TRACE("f \x01 \t\nd \n\nf \n/\xff\xfe");
}

static int walk_deep(const tree *t, const kt_walk_options *o)
{
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    unsigned count = 0, rc_last = 0;
    CHECK_OK(kt_walk_open(t->root, o, &w));
    for (int rc; (rc = kt_walk_next(w, &e)) != 0; count++) {
        CHECK_OK(rc);
        rc_last = e.depth;
    }
    CHECK_GT(rc_last, 0);
    return (int)count;
}

/* 200,000 bytes of path; most levels have something behind the way down, so that they are read again. */
TEST(a_thousand_levels_are_walked)
{
    kt_auto(tree) t = tree_new();
    char name[201];
    memset(name, 'n', 200);
    name[200] = '\0';
    put_deep(&t, name, 1000);
    CHECK_EQ(walk_deep(&t, NULL), 1001);
    CHECK_EQ(walk_deep(&t, &sorted), 1001);
    CHECK_OK(kt_dir_remove_all(in(&t, name)));
}

static void put_bushy(const tree *t, int levels)
{
    char path[1024] = "m";
    for (int i = 0; i < levels; i++) {
        char name[1100];
        put_dir(t, path);
        snprintf(name, sizeof name, "%s/a", path);
        put(t, name, "");
        snprintf(name, sizeof name, "%s/z", path);
        put_dir(t, name);
        snprintf(name, sizeof name, "%s/z/f", path);
        put(t, name, "");
        snprintf(path + strlen(path), sizeof path - strlen(path), "/m");
    }
}

/* Each once, whichever way leads back to the levels that were closed. */
TEST(levels_that_were_closed_are_found_again)
{
    kt_auto(tree) t = tree_new();
    put_bushy(&t, 60);
    put_dir(&t, "links");
    put_link(&t, "links/m", "../m");
    CHECK_EQ(walk_deep(&t, NULL), 242);
    CHECK_EQ(walk_deep(&t, &sorted), 242);
    CHECK_EQ(walk_deep(&t, &(kt_walk_options){.follow_links = true}), 481);
    CHECK_EQ(walk_deep(&t, &(kt_walk_options){.follow_links = true, .sorted = true}), 481);
}

/* The walk is far down already, and what is above closed. */
TEST(a_skipped_directory_leads_back_to_one_that_was_closed)
{
    kt_auto(tree) t = tree_new();
    char path[2 * 40];
    put_bushy(&t, 40);
    for (size_t i = 0; i < sizeof path; i++)
        path[i] = i % 2 ? '/' : 'm';
    path[sizeof path - 1] = '\0';
    for (int i = 0; i < 700; i++) {
        char name[300];
        snprintf(name, sizeof name, "%s/%d", path, i);
        put(&t, name, "");
    }
    CHECK_EQ(walk_skipping(&t, "m/m"), 5);
    CHECK_EQ(walk_skipping_with(&t, "m/m", NULL), 5);
    CHECK_EQ(walk_skipping(&t, "m/m/m/m/m"), 17);
    CHECK_EQ(walk_skipping_with(&t, "m/m/m/m/m", NULL), 17);
}

TEST(a_walk_keeps_few_descriptors)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    int deepest = 0, open_at_most = 0;
    put_bushy(&t, 60);
    CHECK_OK(kt_walk_open(t.root, &sorted, &w));
    while (kt_walk_next(w, &e) == 1) {
        deepest = e.depth > (unsigned)deepest ? (int)e.depth : deepest;
        tree self = {"/proc/self"};
        int now = count_in(&self, "fd");
        open_at_most = now > open_at_most ? now : open_at_most;
    }
    CHECK_EQ(deepest, 62);
    CHECK_LT(open_at_most, 40);
}

TEST(a_directory_that_vanishes_is_an_error_and_the_walk_goes_on)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    int rc, files = 0, errors = 0;
    for (int d = 0; d < 2000; d++) {
        char name[32];
        snprintf(name, sizeof name, "d%04d", d);
        put_dir(&t, name);
    }
    put(&t, "z", "");
    CHECK_OK(kt_walk_open(t.root, &sorted, &w)); /* some are fetched, the others known by name */
    CHECK_EQ(rmdir(in(&t, "d1999")), 0);
    while ((rc = kt_walk_next(w, &e)) != 0) {
        errors += rc == -ENOENT;
        CHECK(rc == 1 || strstr(kt_error_detail(), "/d1999: No such file or directory"));
        files += rc == 1 && e.type == KT_PATH_FILE;
    }
    CHECK_EQ(errors, 1);
    CHECK_EQ(files, 1);
}

TEST(a_directory_that_may_not_be_read_is_an_error_and_the_walk_goes_on)
{
    if (geteuid() == 0)
        kt_test_skip("root may read anything");
    kt_auto(tree) t = small_tree();
    CHECK_EQ(chmod(in(&t, "a"), 0), 0);
    say_walk(&t, &sorted);
    CHECK_TRACE("f .h\nd a\nerror EACCES\nf b\nd c\nl l");
    CHECK_EQ(chmod(in(&t, "a"), 0700), 0);
}

TEST(other_file_systems_may_be_left_out)
{
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    struct stat root, shm;
    int rc;
    if (stat("/dev", &root) < 0 || stat("/dev/shm", &shm) < 0 || root.st_dev == shm.st_dev)
        kt_test_skip("/dev/shm is no file system of its own");
    char name[] = "/dev/shm/kettle-walk-XXXXXX";
    int fd = mkstemp(name);
    bool told = false, inside = false;
    CHECK_OK(kt_walk_open("/dev", &(kt_walk_options){.one_file_system = true}, &w));
    while ((rc = kt_walk_next(w, &e)) == 1) {
        told |= strcmp(e.path, "shm") == 0;
        inside |= strncmp(e.path, "shm/", 4) == 0;
    }
    close(fd);
    unlink(name);
    CHECK_OK(rc);
    CHECK(told && !inside);
}

/* ---- Failures, cancellation, memory ---------------------------------------------------------- */

TEST(a_walk_through_nothing_is_refused)
{
    kt_auto(tree) t = tree_new();
    kt_walk *w = NULL;
    put(&t, "f", "");
    CHECK_ERR(kt_walk_open(in(&t, "gone"), NULL, &w), -ENOENT);
    CHECK_ERR(kt_walk_open(in(&t, "f"), NULL, &w), -ENOTDIR);
    CHECK(w == NULL);
    kt_walk_close(NULL);
}

static int walks(void *arg)
{
    kt_walk_entry e;
    int *count = arg, rc;
    kt_auto(kt_walk) *w = NULL;
    rc = kt_walk_open("/usr/share", &(kt_walk_options){.skip_errors = true}, &w);
    while (rc >= 0 && (rc = kt_walk_next(w, &e)) == 1)
        ++*count;
    return rc;
}

TEST(a_cancelled_walk_ends_and_leaves_nothing)
{
    kt_task *task = NULL;
    int count = 0;
    CHECK_OK(kt_spawn(walks, &count, 0, &task));
    for (int i = 0; i < 5; i++)
        CHECK_OK(kt_sleep(0));
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
}

/* Whichever allocation fails: the walk is where it was, and tells all. */
static int walk_failing(const tree *t, const kt_walk_options *o, uint64_t nth)
{
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    int count = 0, rc;
    kt_test_fail_allocation(nth);
    rc = kt_walk_open(t->root, o, &w);
    if (rc == -ENOMEM)
        rc = kt_walk_open(t->root, o, &w);
    CHECK_OK(rc);
    while ((rc = kt_walk_next(w, &e)) != 0) {
        CHECK(rc == 1 || rc == -ENOMEM);
        count += rc == 1;
    }
    bool failed = kt_test_allocation_failed();
    kt_test_fail_allocation(0);
    CHECK_EQ(count, 122);
    return failed;
}

TEST(a_walk_that_lacked_memory_goes_on_where_it_was)
{
    kt_auto(tree) t = tree_new();
    uint64_t nth = 1;
    put_bushy(&t, 30);
    put(&t, "a", "");
    put(&t, "z", "");
    while (walk_failing(&t, NULL, nth))
        nth++;
    CHECK_GT(nth, 5);
    for (nth = 1; walk_failing(&t, &sorted, nth);)
        nth++;
    CHECK_GT(nth, 60);
}

static int reads_on(void *arg)
{
    kt_walk_entry e;
    while (kt_walk_next(arg, &e) == 1)
        continue;
    return 0;
}

TEST_DIES(one_walk_in_two_tasks_is_misuse, 0, "two tasks read /usr through the same object")
{
    kt_walk *w = NULL;
    kt_task *other = NULL;
    CHECK_OK(kt_walk_open("/usr", &(kt_walk_options){.skip_errors = true}, &w));
    CHECK_OK(kt_spawn(reads_on, w, 0, &other));
    (void)reads_on(w);
}
