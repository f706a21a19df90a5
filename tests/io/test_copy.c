/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree.h"

/* ---- One file ------------------------------------------------------------------------------ */

/* Bytes that no shift or swap leaves alike. */
static void put_pattern(const tree *t, const char *name, size_t size)
{
    char *bytes = malloc(size);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 251 + i / 65521);
    int fd = open(in(t, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, bytes, size), size);
    close(fd);
    free(bytes);
}

static void check_same(const tree *t, const char *a, const char *b)
{
    static char x[65536], y[65536];
    int f = open(in(t, a), O_RDONLY | O_CLOEXEC), g = open(in(t, b), O_RDONLY | O_CLOEXEC);
    CHECK(f >= 0 && g >= 0);
    for (ssize_t n = 1; n > 0;) {
        n = read(f, x, sizeof x);
        CHECK_EQ(read(g, y, sizeof y), n);
        CHECK(n <= 0 || memcmp(x, y, (size_t)n) == 0);
    }
    close(f);
    close(g);
}

TEST(a_copy_has_the_bytes_and_permissions)
{
    kt_auto(tree) t = tree_new();
    struct stat st;
    umask(077);
    put(&t, "a", "tea");
    CHECK_EQ(chmod(in(&t, "a"), 04654), 0);
    CHECK_OK(kt_path_copy(in(&t, "a"), in(&t, "b"), NULL));
    check_text(&t, "b", "tea");
    CHECK_EQ(stat(in(&t, "b"), &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0654); /* but nobody's rights */
    CHECK_EQ(count_in(&t, "."), 2);
}

TEST(sizes_around_the_steps_are_copied_whole)
{
    kt_auto(tree) t = tree_new();
    const size_t mib = 1 << 20, sizes[] = {0, 1, 4095, 4096, 4097, 4 * mib - 1, 4 * mib, 4 * mib + 1, 9 * mib + 5};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put_pattern(&t, "a", sizes[i]);
        CHECK_OK(kt_path_copy(in(&t, "a"), in(&t, "b"), NULL));
        check_same(&t, "a", "b");
    }
}

TEST(what_was_at_the_target_is_replaced_unless_told_otherwise)
{
    kt_auto(tree) t = tree_new();
    put(&t, "a", "new");
    put(&t, "b", "old");
    put(&t, "c", "old");
    put_link(&t, "l", "c");
    CHECK_ERR(kt_path_copy(in(&t, "a"), in(&t, "b"), &(kt_path_copy_options){.flags = KT_PATH_NO_REPLACE}), -EEXIST);
    check_text(&t, "b", "old");
    CHECK_OK(kt_path_copy(in(&t, "a"), in(&t, "b"), NULL));
    check_text(&t, "b", "new");
    CHECK_OK(kt_path_copy(in(&t, "l"), in(&t, "d"), &(kt_path_copy_options){.flags = KT_PATH_NO_REPLACE}));
    check_text(&t, "d", "old");
    CHECK_OK(kt_path_copy(in(&t, "a"), in(&t, "l"), NULL));
    check_text(&t, "c", "old");
    check_text(&t, "l", "new");
    CHECK_OK(kt_path_copy(in(&t, "a"), in(&t, "a"), &(kt_path_copy_options){.flags = KT_PATH_DURABLE}));
    check_text(&t, "a", "new");
    CHECK_EQ(count_in(&t, "."), 5);
}

TEST(only_files_are_copied_and_replaced)
{
    kt_auto(tree) t = tree_new();
    put(&t, "a", "tea");
    put_dir(&t, "d");
    CHECK_EQ(mkfifo(in(&t, "pipe"), 0600), 0);
    CHECK_ERR(kt_path_copy(in(&t, "d"), in(&t, "b"), NULL), -EISDIR);
    CHECK_ERR(kt_path_copy(in(&t, "pipe"), in(&t, "b"), NULL), -EINVAL);
    CHECK_ERR(kt_path_copy(in(&t, "a"), in(&t, "d"), NULL), -EISDIR);
    CHECK_ERR(kt_path_copy(in(&t, "a"), in(&t, "pipe"), NULL), -EINVAL);
    CHECK_ERR(kt_path_copy(in(&t, "gone"), in(&t, "b"), NULL), -ENOENT);
    CHECK(strstr(kt_error_detail(), "/gone to "));
    CHECK_ERR(kt_path_copy(in(&t, "a"), in(&t, "no/b"), NULL), -ENOENT);
    CHECK_EQ(count_in(&t, "."), 3);
}

/* 64 MiB with two islands, which take no room between them. */
TEST(holes_stay_holes)
{
    kt_auto(tree) t = tree_new();
    struct stat a, b;
    int fd = open(in(&t, "a"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK_EQ(pwrite(fd, "tea", 3, 20 << 20), 3);
    CHECK_EQ(pwrite(fd, "pot", 3, 40 << 20), 3);
    CHECK_EQ(ftruncate(fd, 64 << 20), 0);
    close(fd);
    CHECK_OK(kt_path_copy(in(&t, "a"), in(&t, "b"), NULL));
    check_same(&t, "a", "b");
    CHECK_EQ(stat(in(&t, "a"), &a), 0);
    CHECK_EQ(stat(in(&t, "b"), &b), 0);
    CHECK_EQ(b.st_size, 64 << 20);
    CHECK_LE(b.st_blocks, a.st_blocks + 64);
}

TEST(a_file_that_does_not_know_its_size_is_copied)
{
    kt_auto(tree) t = tree_new();
    char text[256] = "";
    CHECK_OK(kt_path_copy("/proc/self/comm", in(&t, "b"), NULL));
    int fd = open(in(&t, "b"), O_RDONLY | O_CLOEXEC);
    CHECK_GT(read(fd, text, sizeof text - 1), 0);
    close(fd);
    CHECK(text[0] != '\0');
}

TEST(times_are_kept_when_asked_for)
{
    kt_auto(tree) t = tree_new();
    struct stat st;
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1000000000, .tv_nsec = 7}};
    put(&t, "a", "tea");
    CHECK_EQ(utimensat(AT_FDCWD, in(&t, "a"), times, 0), 0);
    CHECK_OK(kt_path_copy(in(&t, "a"), in(&t, "b"), &(kt_path_copy_options){.flags = KT_PATH_KEEP_TIMES}));
    CHECK_EQ(stat(in(&t, "b"), &st), 0);
    CHECK_EQ(st.st_mtim.tv_sec, 1000000000);
    CHECK_EQ(st.st_mtim.tv_nsec, 7);
    CHECK_OK(kt_path_copy(in(&t, "a"), in(&t, "b"), NULL));
    CHECK_EQ(stat(in(&t, "b"), &st), 0);
    CHECK_GT(st.st_mtim.tv_sec, 1000000000);
}

/* ---- Progress and cancellation ---------------------------------------------------------------- */

typedef struct watcher {
    int calls, stop_at;
    int64_t done, total;
} watcher;

static int watch(int64_t done, int64_t total, void *arg)
{
    watcher *w = arg;
    CHECK_GE(done, w->done);
    CHECK_GE(total, done);
    w->done = done;
    w->total = total;
    return ++w->calls == w->stop_at ? -ECANCELED : 0;
}

/* On tmpfs a clone is refused, so the bytes are moved in steps; one that is cloned is done at once. */
TEST(progress_is_told_to_the_end)
{
    kt_auto(tree) t = tree_new();
    watcher w = {.done = 0};
    put_pattern(&t, "a", 9 << 20);
    CHECK_OK(kt_path_copy(in(&t, "a"), in(&t, "b"), &(kt_path_copy_options){.progress = watch, .progress_arg = &w}));
    CHECK_GE(w.calls, 1);
    CHECK_EQ(w.done, 9 << 20);
    CHECK_EQ(w.total, 9 << 20);
}

static void put_sparse(const tree *t, const char *name, int runs)
{
    int fd = open(in(t, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    for (int i = 0; i < runs; i++)
        CHECK_EQ(pwrite(fd, "x", 1, (off_t)i << 20), 1);
    close(fd);
}

TEST(progress_may_stop_a_copy_which_leaves_nothing)
{
    kt_auto(tree) t = tree_new();
    watcher w = {.stop_at = 1};
    const kt_path_copy_options o = {.progress = watch, .progress_arg = &w};
    put_pattern(&t, "a", 9 << 20);
    put(&t, "b", "old");
    int rc = kt_path_copy(in(&t, "a"), in(&t, "b"), &o);
    if (rc == 0)
        kt_test_skip("this file system clones files at once");
    CHECK_ERR(rc, -ECANCELED);
    check_text(&t, "b", "old");
    CHECK_EQ(count_in(&t, "."), 2);
    put_sparse(&t, "holes", 300);
    w = (watcher){.stop_at = 2};
    CHECK_ERR(kt_path_copy(in(&t, "holes"), in(&t, "b"), &o), -ECANCELED);
    w = (watcher){.stop_at = 1};
    put(&t, "small", "tea");
    CHECK_OK(kt_path_copy(in(&t, "small"), in(&t, "b"), &o)); /* too late: it was done */
    CHECK_EQ(count_in(&t, "."), 4);
}

typedef struct copying {
    const char *from, *to;
} copying;

static int copies(void *arg)
{
    const copying *c = arg;
    return kt_path_copy(c->from, c->to, NULL);
}

TEST(a_cancelled_copy_leaves_nothing)
{
    kt_auto(tree) t = tree_new();
    kt_task *task = NULL;
    put_sparse(&t, "a", 2000); /* many trips, few bytes */
    put(&t, "b", "old");
    copying c = {in(&t, "a"), in(&t, "b")};
    CHECK_OK(kt_spawn(copies, &c, 0, &task));
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_sleep(0));
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    check_text(&t, "b", "old");
    CHECK_EQ(count_in(&t, "."), 2);
}

/* ---- Trees --------------------------------------------------------------------------------- */

static tree orchard(void)
{
    tree t = tree_new();
    put_dir(&t, "a");
    put_dir(&t, "a/d");
    put_dir(&t, "a/d/empty");
    put(&t, "a/f", "tea");
    put(&t, "a/d/g", "pot");
    put(&t, "a/d/\xff\n", "x");
    put_link(&t, "a/d/link", "../f");
    put_link(&t, "a/dead", "nowhere");
    CHECK_EQ(chmod(in(&t, "a/d"), 0500), 0);
    return t;
}

static void check_orchard(const tree *t, const char *name)
{
    char path[64], target[16] = "";
    struct stat st;
    tree copy = *t;
    snprintf(copy.root, sizeof copy.root, "%s", in(t, name));
    check_text(&copy, "f", "tea");
    check_text(&copy, "d/g", "pot");
    check_text(&copy, "d/\xff\n", "x");
    CHECK_EQ(readlink(in(&copy, "d/link"), target, sizeof target - 1), 4);
    CHECK_STR(target, "../f");
    CHECK_EQ(count_in(&copy, "d"), 4);
    CHECK_EQ(count_in(&copy, "d/empty"), 0);
    snprintf(path, sizeof path, "%s/d", name);
    CHECK_EQ(stat(in(t, path), &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0500);
}

TEST(a_tree_is_copied_with_links_and_permissions)
{
    kt_auto(tree) t = orchard();
    watcher w = {.done = 0};
    const kt_path_copy_options o = {.flags = KT_PATH_DURABLE | KT_PATH_KEEP_TIMES,
                                    .progress = watch,
                                    .progress_arg = &w};
    CHECK_OK(kt_dir_copy_all(in(&t, "a"), in(&t, "b"), &o));
    check_orchard(&t, "b");
    check_orchard(&t, "a");
    CHECK_EQ(w.done, 7);
    CHECK_EQ(count_in(&t, "."), 2);
}

TEST(a_tree_is_not_copied_over_anything)
{
    kt_auto(tree) t = orchard();
    put_dir(&t, "b");
    put(&t, "f", "");
    put_link(&t, "l", "nowhere");
    CHECK_ERR(kt_dir_copy_all(in(&t, "a"), in(&t, "b"), NULL), -EEXIST);
    CHECK_ERR(kt_dir_copy_all(in(&t, "a"), in(&t, "f"), NULL), -EEXIST);
    CHECK_ERR(kt_dir_copy_all(in(&t, "a"), in(&t, "l"), NULL), -EEXIST);
    CHECK_ERR(kt_dir_copy_all(in(&t, "f"), in(&t, "c"), NULL), -ENOTDIR);
    CHECK_ERR(kt_dir_copy_all(in(&t, "gone"), in(&t, "c"), NULL), -ENOENT);
    CHECK_ERR(kt_dir_copy_all(in(&t, "a"), in(&t, "no/c"), NULL), -ENOENT);
    CHECK_EQ(count_in(&t, "."), 4);
}

TEST(a_tree_is_not_copied_into_itself)
{
    kt_auto(tree) t = orchard();
    CHECK_ERR(kt_dir_copy_all(in(&t, "a"), in(&t, "a/copy"), NULL), -EINVAL);
    CHECK_ERR(kt_dir_copy_all(in(&t, "a"), in(&t, "a/d/empty/copy"), NULL), -EINVAL);
    CHECK_EQ(count_in(&t, "a"), 3);
    CHECK_EQ(count_in(&t, "a/d/empty"), 0);
}

TEST(a_tree_with_a_pipe_is_not_copied)
{
    kt_auto(tree) t = orchard();
    CHECK_EQ(mkfifo(in(&t, "a/z"), 0600), 0);
    CHECK_ERR(kt_dir_copy_all(in(&t, "a"), in(&t, "b"), NULL), -EINVAL);
    CHECK(strstr(kt_error_detail(), "/a/z to "));
    CHECK_EQ(count_in(&t, "."), 1);
}

static int copies_all(void *arg)
{
    const copying *c = arg;
    return kt_dir_copy_all(c->from, c->to, NULL);
}

TEST(a_cancelled_copy_of_a_tree_leaves_nothing)
{
    kt_auto(tree) t = tree_new();
    kt_task *task = NULL;
    put_dir(&t, "a");
    for (int i = 0; i < 1500; i++) {
        char name[32];
        snprintf(name, sizeof name, "a/%d", i);
        put(&t, name, "x");
    }
    copying c = {in(&t, "a"), in(&t, "b")};
    CHECK_OK(kt_spawn(copies_all, &c, 0, &task));
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_sleep(0));
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    CHECK_EQ(count_in(&t, "."), 1);
    CHECK_OK(copies_all(&c));
    CHECK_EQ(count_in(&t, "b"), 1500);
}

/* ---- Moves --------------------------------------------------------------------------------- */

TEST(a_move_on_one_file_system_is_a_rename)
{
    kt_auto(tree) t = orchard();
    put(&t, "f", "tea");
    put(&t, "g", "old");
    CHECK_ERR(kt_path_move(in(&t, "f"), in(&t, "g"), &(kt_path_copy_options){.flags = KT_PATH_NO_REPLACE}), -EEXIST);
    CHECK_OK(kt_path_move(in(&t, "f"), in(&t, "g"), NULL));
    check_text(&t, "g", "tea");
    CHECK_OK(kt_path_move(in(&t, "a"), in(&t, "b"), NULL));
    check_orchard(&t, "b");
    CHECK_ERR(kt_path_move(in(&t, "a"), in(&t, "c"), NULL), -ENOENT);
    CHECK_EQ(count_in(&t, "."), 2);
}

/* A scratch directory on another file system than the usual one's. */
static tree far_tree(const tree *t)
{
    struct stat near, far;
    const char *dir = strncmp(t->root, "/dev/shm", 8) == 0 ? "/tmp" : "/dev/shm";
    if (stat(t->root, &near) < 0 || stat(dir, &far) < 0 || near.st_dev == far.st_dev)
        kt_test_skip("there is only one file system");
    tree other;
    snprintf(other.root, sizeof other.root, "%s/kettle-far-XXXXXX", dir);
    CHECK(mkdtemp(other.root) != NULL);
    return other;
}

TEST(a_move_across_file_systems_copies_and_removes)
{
    kt_auto(tree) t = orchard();
    kt_auto(tree) far = far_tree(&t);
    struct stat st;
    char target[16] = "";
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1000000000, .tv_nsec = 0}};
    put(&t, "f", "tea");
    put(&far, "f", "old");
    put_link(&t, "l", "f");
    CHECK_EQ(utimensat(AT_FDCWD, in(&t, "f"), times, 0), 0);
    CHECK_ERR(kt_path_move(in(&t, "f"), in(&far, "f"), &(kt_path_copy_options){.flags = KT_PATH_NO_REPLACE}), -EEXIST);
    CHECK_OK(kt_path_move(in(&t, "f"), in(&far, "f"), NULL));
    check_text(&far, "f", "tea");
    CHECK_EQ(stat(in(&far, "f"), &st), 0);
    CHECK_EQ(st.st_mtim.tv_sec, 1000000000);
    CHECK_OK(kt_path_move(in(&t, "l"), in(&far, "l"), &(kt_path_copy_options){.flags = KT_PATH_DURABLE}));
    CHECK_EQ(readlink(in(&far, "l"), target, sizeof target - 1), 1);
    CHECK_OK(kt_path_move(in(&t, "a"), in(&far, "b"), NULL));
    check_orchard(&far, "b");
    CHECK_EQ(count_in(&t, "."), 0);
    CHECK_EQ(count_in(&far, "."), 3);
}
