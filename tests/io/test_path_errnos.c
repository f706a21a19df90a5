/* SPDX-License-Identifier: MIT */

/* Paths and directories on a disk on which each call fails in each way. */
#include "errnos.h"

static int look_at_names(void)
{
    struct stat st;
    struct statvfs vfs;
    int rc = kt_path_stat("/dir/file", &st);
    if (rc == 0)
        rc = kt_path_lstat("/dir/file", &st);
    if (rc == 0)
        rc = (int)kt_path_size("/dir/file");
    if (rc >= 0)
        rc = kt_path_access("/dir/file", 0);
    if (rc == 0)
        rc = kt_path_same_file("/dir/file", "/dir/other");
    return rc < 0 ? rc : kt_path_statvfs("/dir", &vfs);
}

static int change_names(void)
{
    const struct timespec times[2] = {{1, 2}, {3, 4}};
    kt_auto(kt_path) target = NULL;
    int rc = kt_path_link("/dir/file", "/dir/second");
    if (rc == 0)
        rc = kt_path_symlink("file", "/dir/link");
    if (rc == 0)
        rc = kt_path_readlink("/dir/link", &target);
    if (rc == 0)
        rc = kt_path_chmod("/dir/second", 0600);
    if (rc == 0)
        rc = kt_path_utimes("/dir/second", times);
    if (rc == 0)
        rc = kt_path_rename("/dir/second", "/dir/third", 0);
    if (rc == 0)
        rc = kt_path_sync_dir("/dir");
    return rc < 0 ? rc : kt_path_remove("/dir/third");
}

static int ask_for_names(void)
{
    int rc = kt_path_exists("/dir/file");
    if (rc >= 0)
        rc = kt_path_is_dir("/dir");
    if (rc >= 0)
        rc = kt_path_is_file("/dir");
    return rc < 0 ? rc : kt_path_is_link("/dir");
}

static int make_and_remove(void)
{
    int rc = kt_dir_make("/new", 0, 0);
    return rc < 0 ? rc : kt_dir_remove("/new");
}

static int make_all(void)
{
    return kt_dir_make_all("/new/and/deep", 0);
}

static int remove_all(void)
{
    return kt_dir_remove_all("/dir");
}

static int list_entries(void)
{
    kt_auto(kt_dir) *d = NULL;
    kt_dir_entry e;
    int rc = kt_dir_open("/dir", &d);
    while (rc >= 0 && (rc = kt_dir_next(d, &e)) > 0)
        continue;
    return rc;
}

static int list_names(void)
{
    kt_auto(kt_path_list) *names = NULL;
    int rc = kt_dir_list("/dir", 0, &names);
    if (rc == 0)
        CHECK_EQ(names->count, 2);
    return rc;
}

static int walk(void)
{
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    int rc = kt_walk_open("/", NULL, &w);
    while (rc >= 0 && (rc = kt_walk_next(w, &e)) > 0)
        continue;
    return rc;
}

static int glob(void)
{
    kt_auto(kt_path_list) *paths = NULL;
    return kt_glob("/", "**/f*", NULL, &paths);
}

static int copy(void)
{
    const kt_path_copy_options options = {.flags = KT_PATH_DURABLE | KT_PATH_KEEP_TIMES};
    return kt_path_copy("/dir/file", "/dir/other", &options);
}

static int copy_to_new(void)
{
    const kt_path_copy_options options = {.flags = KT_PATH_NO_REPLACE};
    return kt_path_copy("/dir/file", "/dir/new", &options);
}

static int move(void)
{
    return kt_path_move("/dir/file", "/moved", NULL);
}

/* The entries are here whatever closing says. */
static const spared in_listing[] = {{KT_TEST_DISK_CLOSE, 0}, {0}};

TEST(looking_at_names_fails_as_its_calls_do)
{
    sweep(look_at_names, NULL);
}

TEST(changing_names_fails_as_its_calls_do)
{
    static const spared list[] = {{KT_TEST_DISK_CLOSE, 0}, {0}};
    sweep(change_names, list);
}

TEST(asking_for_names_fails_but_for_what_is_not_there)
{
    static const spared list[] = {{KT_TEST_DISK_STAT, ENOENT}, {KT_TEST_DISK_STAT, ENOTDIR}, {0}};
    sweep(ask_for_names, list);
}

TEST(directories_are_made_as_their_calls_succeed)
{
    static const spared list[] = {{KT_TEST_DISK_MKDIR, EEXIST}, {KT_TEST_DISK_MKDIR, ENOENT}, {0}};
    sweep(make_and_remove, NULL);
    sweep(make_all, list);
}

TEST(trees_are_removed_as_their_calls_succeed)
{
    /* What vanishes meanwhile is no error, and what others put there is removed too. */
    static const spared list[] = {
        {KT_TEST_DISK_CLOSE, 0},
        {KT_TEST_DISK_UNLINK, ENOENT},
        {KT_TEST_DISK_UNLINK, ENOTEMPTY},
        {KT_TEST_DISK_ENTRIES, ENOENT},
        {0},
    };
    sweep(remove_all, list);
}

TEST(listing_fails_as_its_calls_do)
{
    sweep(list_entries, in_listing);
    sweep(list_names, in_listing);
    sweep(walk, in_listing);
    sweep(glob, in_listing);
}

/* Ways to copy that a file system does not have are gone round; a file without data or holes to be told is all data. */
static const spared in_copying[] = {
    {KT_TEST_DISK_CLOSE, 0},
    {KT_TEST_DISK_CLONE, 0},
    {KT_TEST_DISK_SEEK, 0},
    {KT_TEST_DISK_OPEN, EEXIST},
    {KT_TEST_DISK_STAT, ENOENT},
    {KT_TEST_DISK_COPY_RANGE, EINVAL},
    {KT_TEST_DISK_COPY_RANGE, EXDEV},
    {KT_TEST_DISK_COPY_RANGE, EOPNOTSUPP},
    {KT_TEST_DISK_COPY_RANGE, ENOSYS},
    {KT_TEST_DISK_COPY_RANGE, EPERM},
    {KT_TEST_DISK_RENAME, EINVAL},
    {KT_TEST_DISK_RENAME, EXDEV},
    {0},
};

TEST(copying_fails_as_its_calls_do)
{
    sweep(copy, in_copying);
    sweep(copy_to_new, in_copying);
    sweep(move, in_copying);
}
