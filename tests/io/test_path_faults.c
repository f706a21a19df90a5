/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "faulty_disk.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Each call on the disk fails with each errno that its manual page lists: whoever asked is told, or the call had
 * another way, and what is left of it are at most the names that could not be removed. Every subject works in the
 * current directory, which it leaves as it was. */

static faulty *disk;

/* Did something fail that the removal of a tree needs? One failure may come after the copy, so all do but stat. */
static bool removal_may_fail(const char *target)
{
    return disk->kind == ON_UNLINK || disk->kind == ON_ENTRIES || disk->kind == ON_OPEN ||
           (disk->kind == ON_STAT && (disk->for_good || !*target));
}

/* The names that a subject left behind, the target ("": none) and those of temporary files, are removed; where no
 * removal has failed there must be no temporary one. */
static void tidy_up(int rc, const char *target)
{
    DIR *d = opendir(".");
    CHECK(d != NULL);
    for (const struct dirent *e; (e = readdir(d));) {
        bool temporary = strncmp(e->d_name, ".kettle-", 8) == 0 || strncmp(e->d_name, "tmp-", 4) == 0;
        CHECK(!temporary || removal_may_fail(target));
        if (!temporary && strcmp(e->d_name, target) != 0)
            continue;
        CHECK(temporary || rc == 0 || disk->struck);
        nftw(e->d_name, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
    }
    closedir(d);
}

/* What has another way than failing. */
static bool does_without(fault_kind kind, int nth, int error, int rc)
{
    (void)nth;
    if (rc < 0)
        return false;
    switch (kind) {
    case ON_CLOSE: /* of what was only read */
    case ON_CLONE:
        return true;
    case ON_COPY_RANGE:
    case ON_SEND_RANGE:
        return error == EINVAL || error == EOPNOTSUPP || error == EPERM || error == EXDEV;
    case ON_OPEN:
    case ON_MKDIR:
    case ON_SYMLINK: /* another name is tried */
        return error == EEXIST || (kind == ON_OPEN && (error == EOPNOTSUPP || error == EISDIR || error == EINVAL));
    case ON_STAT:
    case ON_UNLINK: /* somebody else has removed it */
        return error == ENOENT || (kind == ON_UNLINK && error == ENOTEMPTY);
    case ON_SEEK: /* it knows no holes */
        return error == EINVAL || error == ENXIO || error == EBADF || error == EOVERFLOW || error == ESPIPE;
    case ON_RENAME:
        return error == EINVAL; /* RENAME_NOREPLACE */
    default:
        return false;
    }
}

static scratch garden(void)
{
    scratch s = scratch_open();
    put("f", "tea");
    CHECK_EQ(symlink("f", "l"), 0);
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(mkdir("d/e", 0755), 0);
    put("d/e/g", "pot");
    CHECK_EQ(symlink("g", "d/e/l"), 0);
    CHECK_OK(kt_path_access(".", F_OK)); /* the pool is there */
    disk = faulty_install();
    return s;
}

#define FAULTS_OF(name, subject, excuse) \
    TEST(name) \
    { \
        kt_auto(scratch) s = garden(); \
        int names = scratch_count(&s); \
        CHECK_GT(faulty_each(disk, subject, NULL, excuse), 0); \
        CHECK_EQ(scratch_count(&s), names); \
        faulty_cleanup(&disk); \
    }

/* ---- Names --------------------------------------------------------------------------------- */

static int looks(void *arg)
{
    struct stat st;
    struct statvfs fs;
    kt_auto(kt_path) target = NULL, real = NULL;
    (void)arg;
    int rc = kt_path_stat("l", &st);
    if (rc == 0)
        rc = kt_path_access("f", R_OK);
    if (rc == 0)
        rc = kt_path_statvfs(".", &fs);
    if (rc == 0)
        rc = kt_path_readlink("l", &target);
    if (rc == 0)
        rc = kt_path_same_file("f", "l");
    if (rc >= 0)
        rc = kt_path_realpath("/tmp/../tmp", &real);
    return rc;
}

/* For realpath, EINVAL of readlink means that something is no link. */
static bool is_no_link(fault_kind kind, int nth, int error, int rc)
{
    (void)nth;
    return rc >= 0 && kind == ON_READLINK && error == EINVAL;
}

FAULTS_OF(looks_at_names_tell_their_failures, looks, is_no_link)

static int changes(void *arg)
{
    (void)arg;
    int rc = kt_path_rename("f", "x", KT_PATH_DURABLE);
    (void)!rename("x", "f");
    if (rc == 0)
        rc = kt_path_link("f", "x");
    if (rc == 0)
        rc = kt_path_remove("x");
    if (rc == 0)
        rc = kt_path_symlink("f", "x");
    if (rc == 0)
        rc = kt_path_chmod("f", 0600);
    if (rc == 0)
        rc = kt_path_utimes("f", NULL);
    if (rc == 0)
        rc = kt_path_sync_dir("d");
    unlink("x");
    return rc;
}

FAULTS_OF(changes_of_names_tell_their_failures, changes, NULL)

static int makes(void *arg)
{
    (void)arg;
    int rc = kt_dir_make_all("x/y/z", 0);
    if (rc == 0)
        rc = kt_dir_remove("x/y/z");
    rmdir("x/y/z");
    rmdir("x/y");
    rmdir("x");
    return rc;
}

/* One that is missing is made, one that exists is looked at. */
static bool makes_it_after_all(fault_kind kind, int nth, int error, int rc)
{
    (void)nth;
    if (kind != ON_MKDIR)
        return false;
    return rc >= 0 ? error == ENOENT || error == EEXIST : rc == -ENOENT && error == EEXIST;
}

FAULTS_OF(makers_of_directories_tell_their_failures, makes, makes_it_after_all)

/* ---- Trees --------------------------------------------------------------------------------- */

static int walks(void *arg)
{
    kt_auto(kt_walk) *w = NULL;
    kt_auto(kt_path_list) *names = NULL, *found = NULL;
    kt_walk_entry e;
    (void)arg;
    int rc = kt_walk_open(".", NULL, &w);
    while (rc >= 0 && (rc = kt_walk_next(w, &e)) == 1)
        continue;
    if (rc == 0)
        rc = kt_dir_list(".", 0, &names);
    if (rc == 0)
        rc = kt_glob(".", "**", NULL, &found);
    return rc;
}

FAULTS_OF(walks_tell_their_failures, walks, does_without)

static int removes_all(void *arg)
{
    (void)arg;
    CHECK_EQ(mkdir("x", 0755), 0);
    CHECK_EQ(mkdir("x/y", 0755), 0);
    put("x/y/f", "");
    int rc = kt_dir_remove_all("x");
    CHECK(rc < 0 || access("x", F_OK) < 0 || (disk->kind == ON_UNLINK && disk->error == ENOENT));
    nftw("x", scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
    return rc;
}

/* The directory within that cannot be removed is found by its parent's being not empty; for good, it is the root's. */
static bool removes_after_all(fault_kind kind, int nth, int error, int rc)
{
    bool within = rc == -ENOTEMPTY && (error == ENOENT || error == ENOTEMPTY);
    bool told = kind == ON_UNLINK || kind == ON_OPEN || kind == ON_ENTRIES || kind == ON_STAT;
    return does_without(kind, nth, error, rc) || (within && told) || (error == ENOENT && rc >= 0);
}

FAULTS_OF(removals_tell_their_failures, removes_all, removes_after_all)

/* ---- Copies -------------------------------------------------------------------------------- */

static const kt_path_copy_options durable = {.flags = KT_PATH_DURABLE | KT_PATH_KEEP_TIMES | KT_PATH_NO_REPLACE};

static int copies(void *arg)
{
    (void)arg;
    int rc = kt_path_copy("f", "x", &durable);
    CHECK(rc < 0 || strcmp(got("x"), "tea") == 0);
    tidy_up(rc, "x");
    return rc;
}

FAULTS_OF(copies_tell_their_failures, copies, does_without)

static int refuse(kt__disk *d, int from, int to)
{
    (void)d, (void)from, (void)to;
    return -EOPNOTSUPP;
}

static ssize_t refuse_range(kt__disk *d, int from, int to, size_t size)
{
    (void)d, (void)from, (void)to, (void)size;
    return -EXDEV;
}

TEST(copies_by_sendfile_tell_their_failures)
{
    kt_auto(scratch) s = garden();
    disk->disk.clone = refuse;
    disk->disk.copy_range = refuse_range;
    CHECK_GT(faulty_each(disk, copies, NULL, does_without), 0);
    faulty_cleanup(&disk);
}

TEST(copies_by_read_and_write_tell_their_failures)
{
    kt_auto(scratch) s = garden();
    disk->disk.clone = refuse;
    disk->disk.copy_range = disk->disk.send_range = refuse_range;
    CHECK_GT(faulty_each(disk, copies, NULL, does_without), 0);
    faulty_cleanup(&disk);
}

static int copies_holes(void *arg)
{
    (void)arg;
    int fd = open("holes", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(pwrite(fd, "tea", 3, 1 << 20), 3);
    CHECK_EQ(ftruncate(fd, 2 << 20), 0);
    close(fd);
    int rc = kt_path_copy("holes", "x", NULL);
    struct stat st;
    CHECK(rc < 0 || (stat("x", &st) == 0 && (st.st_size == 2 << 20 || disk->struck)));
    unlink("holes");
    tidy_up(rc, "x");
    return rc;
}

TEST(copies_with_holes_tell_their_failures)
{
    kt_auto(scratch) s = garden();
    disk->disk.clone = refuse;
    CHECK_GT(faulty_each(disk, copies_holes, NULL, does_without), 0);
    faulty_cleanup(&disk);
}

/* Whatever way the bytes take, and however few of them go at once. */
TEST(short_counts_copy_the_whole)
{
    kt_auto(scratch) s = garden();
    disk->disk.clone = refuse;
    disk->most = 1;
    for (int way = 0; way < 3; way++) {
        CHECK_OK(kt_path_copy("f", "x", NULL));
        CHECK_STR(got("x"), "tea");
        if (way == 0)
            disk->disk.copy_range = refuse_range;
        else
            disk->disk.send_range = refuse_range;
    }
    CHECK_GT(disk->calls[ON_COPY_RANGE], 2);
    CHECK_GT(disk->calls[ON_SEND_RANGE], 2);
    CHECK_GT(disk->calls[ON_WRITE], 2);
    faulty_cleanup(&disk);
}

static int copies_tree(void *arg)
{
    (void)arg;
    int rc = kt_dir_copy_all("d", "x", &durable);
    CHECK(rc < 0 || strcmp(got("x/e/g"), "pot") == 0);
    tidy_up(rc, "x");
    return rc;
}

FAULTS_OF(copies_of_trees_tell_their_failures, copies_tree, does_without)

static int across(kt__disk *d, int dir, const char *path, int new_dir, const char *new_path, unsigned flags)
{
    if (strncmp(path, ".kettle-", 8) != 0 && strncmp(path, "./.kettle-", 10) != 0)
        return -EXDEV;
    return faulty_rename(d, dir, path, new_dir, new_path, flags);
}

static int moves_link(void *arg)
{
    (void)arg;
    (void)!symlink("f", "y");
    int rc = kt_path_move("y", "x", &durable);
    unlink("y");
    tidy_up(rc, "x");
    return rc;
}

/* Its original, too, may have been removed by somebody else meanwhile, which is told. */
TEST(moves_of_links_tell_their_failures)
{
    kt_auto(scratch) s = garden();
    disk->disk.rename = across;
    CHECK_GT(faulty_each(disk, moves_link, NULL, does_without), 0);
    faulty_cleanup(&disk);
}

/* ---- Temporary ----------------------------------------------------------------------------- */

static int makes_temporary(void *arg)
{
    kt_auto(kt_path) path = NULL;
    kt_temp_dir *d = NULL;
    int nameless = -1, named = -1;
    (void)arg;
    int rc = kt_temp_file(".", &nameless);
    if (rc == 0)
        rc = kt_temp_named(".", NULL, &path, &named);
    if (rc == 0)
        rc = kt_temp_dir_make(".", NULL, &d);
    kt_temp_dir_remove(d);
    if (nameless >= 0)
        disk->disk.close(&disk->disk, nameless);
    if (named >= 0)
        disk->disk.close(&disk->disk, named);
    if (path)
        unlink(path);
    tidy_up(rc, "");
    return rc;
}

static bool removes_what_it_can(fault_kind kind, int nth, int error, int rc)
{
    bool removal = kind == ON_UNLINK || kind == ON_ENTRIES || kind == ON_STAT || kind == ON_OPEN;
    return does_without(kind, nth, error, rc) || (rc >= 0 && removal);
}

FAULTS_OF(temporary_files_tell_their_failures, makes_temporary, removes_what_it_can)

/* Where there are no files without a name, one is removed at once. */
static int knows_no_nameless(kt__disk *d, int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return -EOPNOTSUPP;
    return faulty_open(d, dir, path, flags, mode, resolve);
}

TEST(a_name_is_removed_where_files_must_have_one)
{
    kt_auto(scratch) s = garden();
    int names = scratch_count(&s), fd = -1;
    disk->disk.open = knows_no_nameless;
    CHECK_OK(kt_temp_file(".", &fd));
    CHECK_EQ(scratch_count(&s), names);
    CHECK_EQ(write(fd, "tea", 3), 3);
    disk->disk.close(&disk->disk, fd);
    disk->kind = ON_UNLINK, disk->nth = 1, disk->error = EIO;
    CHECK_ERR(kt_temp_file(".", &fd), -EIO);
    CHECK_EQ(disk->open, 0);
    faulty_cleanup(&disk);
}
