/* SPDX-License-Identifier: MIT */

/* Attributes of what is on the simulated disk. */
#include "test/disk.h"

#include <errno.h>
#include <limits.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEVICE_MAJOR 240 /* of those for local use, in Linux's list of devices */
#define BLOCKS_WITHOUT_END (UINT64_C(1) << 28)
#define NANOSECONDS 1000000000
#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT)

int kt__sim_stat(kt_test_disk *d, int dir, const char *path, int flags, struct stat *ret_stat)
{
    kt__node *n;
    if (flags & ~STAT_FLAGS)
        return -EINVAL;
    int rc = kt__sim_find(d, dir, path, flags, !(flags & AT_SYMLINK_NOFOLLOW), &n);
    if (rc < 0)
        return rc;
    bool is_dir = S_ISDIR(n->now.mode);
    *ret_stat = (struct stat){
        .st_dev = makedev(DEVICE_MAJOR, 0),
        .st_ino = n->number,
        .st_mode = n->now.mode,
        .st_nlink = n->links,
        .st_uid = d->user,
        .st_gid = d->group,
        .st_size = (off_t)(is_dir ? KT__PAGE : n->size),
        .st_blksize = KT__PAGE,
        .st_blocks = (blkcnt_t)((is_dir ? 1 : kt__sim_data_pages(n)) * KT__SECTORS),
        .st_atim = n->now.accessed,
        .st_mtim = n->now.modified,
        .st_ctim = n->now.changed,
    };
    return 0;
}

int kt__sim_statvfs(kt_test_disk *d, const char *path, struct statvfs *ret_stat)
{
    kt__node *n;
    int rc = kt__sim_find(d, AT_FDCWD, path, 0, true, &n);
    if (rc < 0)
        return rc;
    uint64_t blocks = d->options.capacity ? d->options.capacity / KT__PAGE : BLOCKS_WITHOUT_END;
    uint64_t left = blocks > d->used_pages ? blocks - d->used_pages : 0;
    *ret_stat = (struct statvfs){
        .f_bsize = KT__PAGE,
        .f_frsize = KT__PAGE,
        .f_blocks = blocks,
        .f_bfree = left,
        .f_bavail = left,
        .f_files = blocks,
        .f_ffree = left,
        .f_favail = left,
        .f_fsid = makedev(DEVICE_MAJOR, 0),
        .f_namemax = NAME_MAX,
    };
    return 0;
}

int kt__sim_access(kt_test_disk *d, int dir, const char *path, int mode, int flags)
{
    kt__node *n;
    if (mode & ~(R_OK | W_OK | X_OK) || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    int rc = kt__sim_find(d, dir, path, flags, !(flags & AT_SYMLINK_NOFOLLOW), &n);
    return rc < 0 ? rc : kt__sim_may(d, n, mode);
}

int kt__sim_chmod(kt_test_disk *d, int dir, const char *path, mode_t mode)
{
    kt__node *n;
    int rc = kt__sim_find(d, dir, path, 0, true, &n);
    if (rc < 0)
        return rc;
    n->now.mode = (n->now.mode & S_IFMT) | (mode & 07777);
    kt__sim_node_touch(n, KT__CHANGED);
    return 0;
}

static bool is_valid(const struct timespec *t)
{
    return t->tv_nsec == UTIME_NOW || t->tv_nsec == UTIME_OMIT || (t->tv_nsec >= 0 && t->tv_nsec < NANOSECONDS);
}

static void set(struct timespec *time, const struct timespec *to)
{
    if (to->tv_nsec == UTIME_NOW)
        *time = kt__sim_now();
    else if (to->tv_nsec != UTIME_OMIT)
        *time = *to;
}

/* Times of the caller's choice need no permission but that of the owner, who is the one user. */
int kt__sim_utimens(kt_test_disk *d, int dir, const char *path, const struct timespec times[2], int flags)
{
    static const struct timespec both_now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    kt__node *n;
    if (!times)
        times = both_now;
    if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
        return 0; /* whatever the path, utimensat(2) */
    if (!path || flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    int rc = kt__sim_find(d, dir, path, flags, !(flags & AT_SYMLINK_NOFOLLOW), &n);
    if (rc == 0 && (!is_valid(&times[0]) || !is_valid(&times[1])))
        rc = -EINVAL;
    if (rc < 0)
        return rc;
    kt__sim_node_touch(n, KT__CHANGED);
    set(&n->now.accessed, &times[0]);
    set(&n->now.modified, &times[1]);
    return 0;
}
