/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree.h"

/* ---- What is there ------------------------------------------------------------------------- */

TEST(stat_follows_links_and_lstat_does_not)
{
    kt_auto(tree) t = tree_new();
    struct stat st;
    put(&t, "tea", "green");
    put_link(&t, "link", "tea");
    CHECK_OK(kt_path_stat(in(&t, "link"), &st));
    CHECK(S_ISREG(st.st_mode));
    CHECK_EQ(st.st_size, 5);
    CHECK_OK(kt_path_lstat(in(&t, "link"), &st));
    CHECK(S_ISLNK(st.st_mode));
}

TEST(a_failure_names_call_and_path_and_leaves_the_output)
{
    struct stat st = {.st_size = 77};
    CHECK_ERR(kt_path_stat("/no/such/file", &st), -ENOENT);
    CHECK_STR(kt_error_detail(), "stat /no/such/file: No such file or directory");
    CHECK_EQ(st.st_size, 77);
    CHECK_ERR(kt_path_rename("/no/a", "/no/b", 0), -ENOENT);
    CHECK_STR(kt_error_detail(), "rename /no/a to /no/b: No such file or directory");
}

TEST(what_a_path_leads_to_is_told)
{
    kt_auto(tree) t = tree_new();
    put(&t, "tea", "green");
    put_link(&t, "to-tea", "tea");
    put_link(&t, "to-nothing", "gone");
    CHECK_EQ(kt_path_exists(in(&t, "tea")), 1);
    CHECK_EQ(kt_path_exists(in(&t, "to-nothing")), 0);
    CHECK_EQ(kt_path_exists(in(&t, "tea/pot")), 0);
    CHECK_EQ(kt_path_is_file(in(&t, "to-tea")), 1);
    CHECK_EQ(kt_path_is_file(t.root), 0);
    CHECK_EQ(kt_path_is_dir(t.root), 1);
    CHECK_EQ(kt_path_is_dir(in(&t, "tea")), 0);
    CHECK_EQ(kt_path_is_link(in(&t, "to-nothing")), 1);
    CHECK_EQ(kt_path_is_link(in(&t, "tea")), 0);
    CHECK_EQ(kt_path_size(in(&t, "to-tea")), 5);
    CHECK_ERR(kt_path_size(in(&t, "to-nothing")), -ENOENT);
}

TEST(what_cannot_be_told_is_an_error)
{
    kt_auto(tree) t = tree_new();
    put_link(&t, "a", "b");
    put_link(&t, "b", "a");
    CHECK_ERR(kt_path_exists(in(&t, "a")), -ELOOP);
    CHECK_ERR(kt_path_is_file(in(&t, "a")), -ELOOP);
}

TEST(access_tells_what_is_allowed)
{
    kt_auto(tree) t = tree_new();
    put(&t, "tea", "green");
    CHECK_OK(kt_path_access(in(&t, "tea"), R_OK | W_OK));
    CHECK_ERR(kt_path_access(in(&t, "tea"), X_OK), -EACCES);
    CHECK_ERR(kt_path_access(in(&t, "gone"), F_OK), -ENOENT);
}

TEST(one_file_under_two_names_is_the_same)
{
    kt_auto(tree) t = tree_new();
    put(&t, "tea", "green");
    put(&t, "pot", "green");
    CHECK_OK(kt_path_link(in(&t, "tea"), in(&t, "tee")));
    CHECK_EQ(kt_path_same_file(in(&t, "tea"), in(&t, "tee")), 1);
    CHECK_EQ(kt_path_same_file(in(&t, "tea"), in(&t, "pot")), 0);
    CHECK_ERR(kt_path_same_file(in(&t, "tea"), in(&t, "gone")), -ENOENT);
}

TEST(a_link_says_where_it_leads)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_path) target = NULL;
    CHECK_OK(kt_path_symlink("some where", in(&t, "link")));
    CHECK_OK(kt_path_readlink(in(&t, "link"), &target));
    CHECK_STR(target, "some where");
    CHECK_ERR(kt_path_symlink("x", in(&t, "link")), -EEXIST);
    put(&t, "tea", "");
    kt_auto(kt_path) none = NULL;
    CHECK_ERR(kt_path_readlink(in(&t, "tea"), &none), -EINVAL);
    CHECK(none == NULL);
}

/* As the C library resolves them. */
TEST(realpath_agrees_with_the_c_library)
{
    kt_auto(tree) t = tree_new();
    static const char *const paths[] = {"d/e/f", "d/./e//f", "d/../d/e/../e/f", "l/f", "l/../e/f", "abs/f",
                                        "self/d/e", "d/e/", "d/e/f/", "d/e/f/..", "gone", "gone/x", "loop/x",
                                        "dead", "l/", "d/e/f/."};
    put_dir(&t, "d");
    put_dir(&t, "d/e");
    put(&t, "d/e/f", "");
    put_link(&t, "l", "d/e");
    put_link(&t, "abs", in(&t, "l"));
    put_link(&t, "self", ".");
    put_link(&t, "loop", "loop");
    put_link(&t, "dead", "nowhere/at/all");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char expected[4096];
        kt_auto(kt_path) real = NULL;
        int expected_rc = realpath(in(&t, paths[i]), expected) ? 0 : -errno;
        CHECK_ERR(kt_path_realpath(in(&t, paths[i]), &real), expected_rc);
        CHECK_STR(real, expected_rc == 0 ? expected : NULL);
    }
}

TEST(realpath_of_short_paths)
{
    kt_auto(kt_path) root = NULL, here = NULL, none = NULL;
    char expected[4096];
    CHECK(getcwd(expected, sizeof expected) != NULL);
    CHECK_OK(kt_path_realpath("//..//", &root));
    CHECK_STR(root, "/");
    CHECK_OK(kt_path_realpath(".", &here));
    CHECK_STR(here, expected);
    CHECK_ERR(kt_path_realpath("", &none), -ENOENT);
}

TEST(statvfs_tells_the_room_on_the_disk)
{
    struct statvfs s = {.f_bsize = 0};
    CHECK_OK(kt_path_statvfs("/", &s));
    CHECK_GT(s.f_blocks, 0);
    CHECK_ERR(kt_path_statvfs("/no/such", &s), -ENOENT);
}

/* ---- Changes ------------------------------------------------------------------------------- */

TEST(rename_replaces_unless_told_otherwise)
{
    kt_auto(tree) t = tree_new();
    put(&t, "new", "new");
    put(&t, "old", "old");
    CHECK_ERR(kt_path_rename(in(&t, "new"), in(&t, "old"), KT_PATH_NO_REPLACE), -EEXIST);
    check_text(&t, "old", "old");
    CHECK_OK(kt_path_rename(in(&t, "new"), in(&t, "old"), 0));
    check_text(&t, "old", "new");
    CHECK(!has(&t, "new"));
    CHECK_OK(kt_path_rename(in(&t, "old"), in(&t, "free"), KT_PATH_NO_REPLACE));
    check_text(&t, "free", "new");
}

TEST(a_durable_rename_moves_between_directories)
{
    kt_auto(tree) t = tree_new();
    put(&t, "a", "tea");
    put_dir(&t, "d");
    CHECK_OK(kt_path_rename(in(&t, "a"), in(&t, "d/b"), KT_PATH_DURABLE | KT_PATH_NO_REPLACE));
    check_text(&t, "d/b", "tea");
    CHECK_OK(kt_path_rename(in(&t, "d/b"), in(&t, "d/c"), KT_PATH_DURABLE));
    check_text(&t, "d/c", "tea");
}

TEST(remove_takes_files_and_links_but_no_directories)
{
    kt_auto(tree) t = tree_new();
    put(&t, "tea", "green");
    put_link(&t, "link", "tea");
    CHECK_OK(kt_path_remove(in(&t, "link")));
    CHECK(has(&t, "tea"));
    CHECK_OK(kt_path_remove(in(&t, "tea")));
    CHECK_ERR(kt_path_remove(in(&t, "tea")), -ENOENT);
    CHECK_ERR(kt_path_remove(t.root), -EISDIR);
}

TEST(permissions_and_times_are_set)
{
    kt_auto(tree) t = tree_new();
    struct stat st;
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000000, .tv_nsec = 7}};
    put(&t, "tea", "green");
    CHECK_OK(kt_path_chmod(in(&t, "tea"), 0600));
    CHECK_OK(kt_path_utimes(in(&t, "tea"), times));
    CHECK_OK(kt_path_stat(in(&t, "tea"), &st));
    CHECK_EQ(st.st_mode & 07777, 0600);
    CHECK_EQ(st.st_mtim.tv_sec, 1000000000);
    CHECK_EQ(st.st_mtim.tv_nsec, 7);
    CHECK_OK(kt_path_utimes(in(&t, "tea"), NULL));
    CHECK_OK(kt_path_stat(in(&t, "tea"), &st));
    CHECK_GT(st.st_mtim.tv_sec, 1000000000);
    CHECK_ERR(kt_path_chmod(in(&t, "gone"), 0600), -ENOENT);
    CHECK_ERR(kt_path_utimes(in(&t, "gone"), NULL), -ENOENT);
}

TEST(names_of_a_directory_reach_the_disk)
{
    kt_auto(tree) t = tree_new();
    put(&t, "tea", "");
    CHECK_OK(kt_path_sync_dir(t.root));
    CHECK_ERR(kt_path_sync_dir(in(&t, "tea")), -ENOTDIR);
}

/* ---- Cancellation and memory ---------------------------------------------------------------- */

/* Where the job has begun it wins, and the cancellation comes next. */
static int renames(void *arg)
{
    const tree *t = arg;
    int rc = kt_path_rename(in(t, "a"), in(t, "b"), 0);
    CHECK_EQ(has(t, "b"), rc == 0);
    return rc < 0 ? rc : kt_sleep(KT_S(1000));
}

TEST(a_cancelled_rename_is_done_or_not_begun)
{
    kt_auto(tree) t = tree_new();
    kt_task *task = NULL;
    put(&t, "a", "tea");
    CHECK_OK(kt_spawn(renames, &t, 0, &task));
    CHECK_OK(kt_sleep(0));
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    CHECK(has(&t, "a") != has(&t, "b"));
}

TEST(without_memory_a_path_is_not_read)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_path) target = NULL;
    put_link(&t, "link", "tea");
    CHECK_OK(kt_path_access(t.root, F_OK)); /* the pool is there */
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_path_readlink(in(&t, "link"), &target), -ENOMEM);
    CHECK(target == NULL);
    CHECK_OK(kt_path_readlink(in(&t, "link"), &target));
}
