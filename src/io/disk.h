/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_DISK_H
#define KETTLE_IO_DISK_H

/* The system's calls on files and names, as a table, so that another disk can stand in for the
 * system's: the simulated one of the test kit, or one that injects failures. All files and paths of
 * the library go through it.
 *
 * These calls block. They are made by jobs on pool threads, never on the loop (under the simulated
 * driver jobs run on the loop's thread), and so may be made by several threads at once. Each returns
 * what its manual page says, or a negated errno; EINTR never. `dir` is a descriptor of the same disk
 * or AT_FDCWD; with an empty path and AT_EMPTY_PATH, where flags are taken, the descriptor itself. */

#include <fcntl.h>
#include <kettle/simulated.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>

typedef struct kt__disk kt__disk;

struct kt__disk {
    bool is_system; /* its descriptors are the system's, so that a driver may work on them too */

    /* openat2(2): O_CLOEXEC is added; `resolve` are its RESOLVE_ flags, 0 = none. With O_NONBLOCK it waits
     * for no peer of a FIFO. */
    int (*open)(kt__disk *d, int dir, const char *path, int flags, mode_t mode, uint64_t resolve);
    int (*close)(kt__disk *d, int fd);

    /* preadv2(2), pwritev2(2); offset -1: at the descriptor's position. May be short. With RWF_NOWAIT, which is
     * never used under the simulated driver, reading is allowed on the loop. */
    ssize_t (*read)(kt__disk *d, int fd, const struct iovec *pieces, int count, int64_t offset, int flags);
    ssize_t (*write)(kt__disk *d, int fd, const struct iovec *pieces, int count, int64_t offset, int flags);

    /* lseek(2). SEEK_SET and SEEK_CUR look at nothing but the descriptor, and so are allowed on the loop. */
    int64_t (*seek)(kt__disk *d, int fd, int64_t offset, int whence);

    int (*truncate)(kt__disk *d, int fd, int64_t size);
    int (*sync)(kt__disk *d, int fd, bool data_only);
    int (*stat)(kt__disk *d, int dir, const char *path, int flags, struct stat *ret_stat);
    int (*statvfs)(kt__disk *d, const char *path, struct statvfs *ret_stat);
    int (*access)(kt__disk *d, int dir, const char *path, int mode, int flags);
    int (*chmod)(kt__disk *d, int dir, const char *path, mode_t mode);
    int (*utimens)(kt__disk *d, int dir, const char *path, const struct timespec times[2], int flags);

    /* flock(2). With LOCK_NB it does not wait: -EWOULDBLOCK. */
    int (*lock)(kt__disk *d, int fd, int operation);

    /* renameat2(2), linkat(2), symlinkat(2), readlinkat(2), unlinkat(2), mkdirat(2) */
    int (*rename)(kt__disk *d, int dir, const char *path, int new_dir, const char *new_path, unsigned flags);
    int (*link)(kt__disk *d, int dir, const char *path, int new_dir, const char *new_path, int flags);
    int (*symlink)(kt__disk *d, const char *target, int dir, const char *path);
    ssize_t (*readlink)(kt__disk *d, int dir, const char *path, char *buffer, size_t size);
    int (*unlink)(kt__disk *d, int dir, const char *path, int flags);
    int (*mkdir)(kt__disk *d, int dir, const char *path, mode_t mode);

    /* getdents64(2): whole entries, as struct kt__dirent; 0 at the end. */
    ssize_t (*entries)(kt__disk *d, int fd, void *buffer, size_t size);

    /* ioctl_ficlonerange(2) of a whole file; copy_file_range(2) and sendfile(2) at the descriptors' positions. */
    int (*clone)(kt__disk *d, int from, int to);
    ssize_t (*copy_range)(kt__disk *d, int from, int to, size_t size);
    ssize_t (*send_range)(kt__disk *d, int from, int to, size_t size);
};

/* struct linux_dirent64, which no header of the C library declares under this name. */
typedef struct kt__dirent {
    uint64_t inode;
    int64_t offset;
    uint16_t size; /* of the entry */
    uint8_t type;  /* DT_REG, DT_DIR, ...; DT_UNKNOWN where the file system does not tell */
    char name[];
} kt__dirent;

extern kt__disk kt__disk_system;

/* The running loop's: the system's, unless a test has put another in its place (kt__disk_set). */
kt__disk *kt__disk_here(void);

/* On the task's side, after a job: a failure's detail, "open notes/x.md: No such file or directory". Returns rc. Leaves
 * a cancellation as it is. */
int kt__disk_failed(int rc, const char *what, const char *path);

/* Runs fn(arg), which gives back what a job has left open, on a pool thread, or on this one where the pool cannot;
 * no cancellation cuts it short: it shows at the next call. fn's result. */
int kt__disk_release(int (*fn)(void *arg), void *arg);

#endif
