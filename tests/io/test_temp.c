/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree.h"

TEST(a_temporary_file_has_no_name)
{
    kt_auto(tree) t = tree_new();
    int fd = -1;
    struct stat st;
    CHECK_OK(kt_temp_file(t.root, &fd));
    CHECK_EQ(count_in(&t, "."), 0);
    CHECK_EQ(write(fd, "tea", 3), 3);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_nlink, 0);
    CHECK_EQ(st.st_mode & 07777, 0600);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

TEST(a_temporary_file_is_where_the_environment_says)
{
    kt_auto(tree) t = tree_new();
    int fd = -1;
    char link[64], target[256] = "";
    CHECK_EQ(setenv("TMPDIR", t.root, 1), 0);
    CHECK_OK(kt_temp_file(NULL, &fd));
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    CHECK_GT(readlink(link, target, sizeof target - 1), 0);
    CHECK(strncmp(target, t.root, strlen(t.root)) == 0);
    close(fd);
    CHECK_EQ(setenv("TMPDIR", "/no/such", 1), 0);
    CHECK_ERR(kt_temp_file(NULL, &fd), -ENOENT);
    CHECK_STR(kt_error_detail(), "make a temporary file in /no/such: No such file or directory");
    CHECK_EQ(unsetenv("TMPDIR"), 0);
    CHECK_OK(kt_temp_file(NULL, &fd));
    close(fd);
}

TEST(named_files_are_new_and_stay)
{
    kt_auto(tree) t = tree_new();
    for (int i = 0; i < 20; i++) {
        kt_auto(kt_path) path = NULL;
        int fd = -1;
        CHECK_OK(kt_temp_named(t.root, "log-", &path, &fd));
        close(fd);
        CHECK(strncmp(path + strlen(t.root), "/log-", 5) == 0);
        CHECK_EQ(kt_path_is_file(path), 1);
    }
    CHECK_EQ(count_in(&t, "."), 20);
}

TEST(a_named_file_without_memory_is_not_left)
{
    kt_auto(tree) t = tree_new();
    kt_path path = NULL;
    int fd = -7;
    CHECK_OK(kt_path_access(t.root, F_OK)); /* the pool is there */
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_temp_named(t.root, NULL, &path, &fd), -ENOMEM);
    CHECK(path == NULL);
    CHECK_EQ(fd, -7);
    CHECK_EQ(count_in(&t, "."), 0);
}

TEST(a_temporary_directory_goes_with_all_that_is_in_it)
{
    kt_auto(tree) t = tree_new();
    {
        kt_auto(kt_temp_dir) *d = NULL;
        CHECK_OK(kt_temp_dir_make(t.root, "sort-", &d));
        tree inside = {""};
        snprintf(inside.root, sizeof inside.root, "%s", kt_temp_dir_path(d));
        struct stat st;
        CHECK_EQ(stat(inside.root, &st), 0);
        CHECK_EQ(st.st_mode & 07777, 0700);
        put(&inside, "f", "tea");
        put_deep(&inside, "deep", 100);
        put_link(&inside, "out", t.root);
        CHECK_EQ(count_in(&t, "."), 1);
    }
    CHECK_EQ(count_in(&t, "."), 0);
    kt_temp_dir *none = NULL;
    CHECK_ERR(kt_temp_dir_make("/no/such", NULL, &none), -ENOENT);
    CHECK(none == NULL);
    kt_temp_dir_remove(NULL);
}

static int works_in_scratch(void *arg)
{
    kt_auto(kt_temp_dir) *d = NULL;
    int rc = kt_temp_dir_make(arg, NULL, &d);
    if (rc < 0)
        return rc;
    return kt_sleep(KT_S(1000));
}

TEST(a_cancelled_task_leaves_no_temporary_directory)
{
    kt_auto(tree) t = tree_new();
    kt_task *task = NULL;
    CHECK_OK(kt_spawn(works_in_scratch, t.root, 0, &task));
    while (count_in(&t, ".") == 0)
        CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    CHECK_EQ(count_in(&t, "."), 0);
}
