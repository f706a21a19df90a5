/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TEST_DISK_PRIVATE_H
#define KETTLE_TEST_DISK_PRIVATE_H

/* The inside of the simulated disk. Everything on it is there twice: as it is now, in the memory of the simulated
 * machine (`now`), and as it is on the platter (`was`). What differs and is marked dirty is still on its way, and a
 * crash decides about it; what differs and is not dirty was lost by a sync that failed.
 *
 *     disk.c        the kit's functions;        disk_table.c  the table of calls, with faults and delays
 *     disk_data.c   pages of files;             disk_node.c   nodes, and cells of directories
 *     disk_walk.c   paths;                      disk_open.c   descriptors
 *     disk_io.c     reads, writes, copies;      disk_name.c   links and renames
 *     disk_stat.c   attributes;                 disk_crash.c  what survives
 *
 * Of libkettle it needs kettle/simulated.h and the declarations in io/disk.h, but none of its private functions. */

#include <kettle/test_disk.h>

#include <pthread.h>

#include "io/disk.h"

#define KT__PAGE 4096u
#define KT__SECTOR 512u
#define KT__SECTORS (KT__PAGE / KT__SECTOR)
#define KT__ALL_SECTORS ((1u << KT__SECTORS) - 1)

typedef struct kt__page {
    uint64_t index;    /* in the file */
    char *now, *was;   /* NULL: a hole */
    uint8_t dirty;     /* a bit for each sector */
} kt__page;

typedef struct kt__attributes {
    mode_t mode;
    struct timespec accessed, modified, changed;
} kt__attributes;

typedef struct kt__node kt__node;

/* A name in a directory, and whose it is. */
typedef struct kt__cell {
    uint64_t hash; /* of the name, the seed in it: the order of listings. At least 3 */
    kt__node *now, *was;
    bool dirty;
    char name[];
} kt__cell;

/* A file, a directory or a symbolic link. */
struct kt__node {
    kt__node *next, *prev; /* all of the disk */
    uint64_t number;
    size_t uses;    /* cells, `now` and `was` apart, and descriptors; at 0 it is freed */
    unsigned links; /* cells' `now`; of a directory one more, and one for each directory in it */
    unsigned opens; /* descriptors */
    bool linkable;  /* by its descriptor, though it has no links */
    bool gone;      /* its room is free again */
    bool reached;   /* while what survived a crash is looked for */
    kt__attributes now, was;
    bool dirty; /* of the attributes */

    kt__page *pages; /* of a file, by index */
    size_t pages_count, pages_room;
    uint64_t size, size_was;
    bool size_dirty;

    kt__cell **cells; /* of a directory, by hash */
    size_t cells_count, cells_room, cells_alive;
    kt__node *parent; /* of a directory; of one that was removed, it is used too */

    char *target; /* of a symbolic link */

    int lock_holders; /* -1: one, exclusively */
};

/* An open file. */
typedef struct kt__open {
    kt__node *node; /* NULL: this slot is free */
    int flags;      /* of open(2) */
    int64_t at;     /* of a directory: the hash after which to go on */
    int lock;       /* LOCK_SH, LOCK_EX or 0 */
    bool dead;      /* from before a crash */
} kt__open;

typedef struct kt__fault {
    uint64_t in; /* calls until it happens, that one included; 0 = off */
    int code;
} kt__fault;

struct kt_test_disk {
    kt__disk calls; /* first: what the library sees */
    pthread_mutex_t mutex;
    pthread_cond_t unlocked; /* a lock of a file was given back */
    kt_test_disk_options options;
    uint64_t random, salt;
    uid_t user;
    gid_t group;

    kt__node *root, *nodes;
    uint64_t numbers, used_pages;
    kt__open *opens;
    size_t opens_count;

    uint64_t counts[KT_TEST_DISK_CALLS];
    kt__fault faults[KT_TEST_DISK_CALLS];
    uint64_t bytes_left; /* until writes fail with bytes_code, if that is set */
    int bytes_code;
    bool failed;
    uint64_t power_in; /* calls until the power fails */
    bool off;
};

/* ---- disk_table.c -------------------------------------------------------------------------- */

extern const kt__disk kt__sim_table;

/* ---- disk.c -------------------------------------------------------------------------------- */

/* A random number below n; true in one of n cases. */
uint64_t kt__sim_below(kt_test_disk *d, uint64_t n);
bool kt__sim_one_in(kt_test_disk *d, uint64_t n);

/* What the clock shows. */
struct timespec kt__sim_now(void);

/* ---- disk_data.c --------------------------------------------------------------------------- */

/* Reads up to the end of the file; the number. */
size_t kt__sim_data_read(const kt__node *n, uint64_t offset, void *bytes, size_t size);

/* Writes as much as there is room for; the number. */
size_t kt__sim_data_write(kt_test_disk *d, kt__node *n, uint64_t offset, const void *bytes, size_t size);
void kt__sim_data_resize(kt_test_disk *d, kt__node *n, uint64_t size);

/* Of lseek(2): where from `offset` on the next data or hole is; of data maybe the end of the file. */
uint64_t kt__sim_data_next(const kt__node *n, uint64_t offset, bool hole);
size_t kt__sim_data_pages(const kt__node *n);

/* Is there room for a page more? */
bool kt__sim_has_room(const kt_test_disk *d);

/* Puts sectors of a page, of those that are dirty, on the platter. */
void kt__sim_page_write_back(kt__page *p, uint8_t sectors);

/* Nothing of it is left, but on the platter; and not even there. */
void kt__sim_data_forget(kt_test_disk *d, kt__node *n);
void kt__sim_data_free(kt__node *n);

/* ---- disk_node.c --------------------------------------------------------------------------- */

/* A new node without a name; one of a directory has no parent yet. */
kt__node *kt__sim_node_new(kt_test_disk *d, mode_t mode);
void kt__sim_node_use(kt__node *n);
void kt__sim_node_unuse(kt_test_disk *d, kt__node *n);
void kt__sim_node_free(kt_test_disk *d, kt__node *n); /* whoever uses it */

/* Its contents, its attributes, or both changed now. */
enum { KT__MODIFIED = 1, KT__CHANGED = 2 };
void kt__sim_node_touch(kt__node *n, int what);

/* The cell of a name; NULL: there never was one. And whose name it is now. */
kt__cell *kt__sim_cell(const kt_test_disk *d, const kt__node *dir, kt_slice name);
kt__node *kt__sim_lookup(const kt_test_disk *d, const kt__node *dir, kt_slice name);

/* Gives a name to a node, or to nobody (NULL). Keeps the counts of links. */
void kt__sim_name_set(kt_test_disk *d, kt__node *dir, kt_slice name, kt__node *n);

/* Drops cells that say nothing any more. */
void kt__sim_cells_tidy(kt__node *dir);

/* Puts a cell on the platter. */
void kt__sim_cell_write_back(kt_test_disk *d, kt__cell *c);

/* It lost a name or a descriptor: gives its room back if that was the last. */
void kt__sim_node_left(kt_test_disk *d, kt__node *n);

/* ---- disk_walk.c --------------------------------------------------------------------------- */

typedef enum kt__last {
    KT__LAST_NAME,
    KT__LAST_DOT,
    KT__LAST_DOTDOT,
    KT__LAST_ROOT,
} kt__last;

/* Where a path leads to, but for its last component. */
typedef struct kt__place {
    kt__node *dir;
    kt_slice name; /* in the path, or in the target of a link */
    kt__last last;
    bool slash; /* one follows the name */
} kt__place;

typedef struct kt__walk {
    kt_test_disk *d;
    kt__node *top;    /* for RESOLVE_BENEATH and RESOLVE_IN_ROOT */
    uint64_t resolve; /* RESOLVE_ of openat2(2) */
    unsigned links;   /* followed so far */
    bool rooted;      /* the root was looked up */
} kt__walk;

/* Two names change their nodes. */
void kt__sim_names_swap(kt_test_disk *d, const kt__place *one, const kt__place *two);

/* Begins at a descriptor. 0, -EBADF, -ENOTDIR, and of the path -ENOENT if it is empty, -ENAMETOOLONG. */
int kt__sim_walk_start(kt_test_disk *d, int dir, const char *path, uint64_t resolve, kt__walk *ret_walk,
                       kt__node **ret_start);

/* 0 and the place; it may be that nothing is there. */
int kt__sim_walk_parent(kt__walk *w, kt__node *start, const char *path, kt__place *ret_place);

/* What is at a place, not followed: 0 and NULL if the name is nobody's. */
int kt__sim_walk_last(kt__walk *w, const kt__place *p, kt__node **ret_node);

/* One link more was met: 0 or -ELOOP. */
int kt__sim_walk_link(kt__walk *w);

/* From a descriptor to the node. */
int kt__sim_find(kt_test_disk *d, int dir, const char *path, int at_flags, bool follow, kt__node **ret_node);

/* From there to the node; links on the way and, if `follow`, at the end are followed. */
int kt__sim_walk(kt__walk *w, kt__node *start, const char *path, bool follow, kt__node **ret_node);

/* The descriptor that /proc/self/fd/N names, or -1. */
int kt__sim_magic(const char *path);

/* From a descriptor to the place. */
int kt__sim_place(kt_test_disk *d, int dir, const char *path, kt__place *ret_place);

enum { KT__MAY_EXECUTE = 1, KT__MAY_WRITE = 2, KT__MAY_READ = 4 };

/* 0 or -EACCES. */
int kt__sim_may(const kt_test_disk *d, const kt__node *n, int mask);

/* May a name be made in dir? 0, -ENOENT if it was removed, -EACCES. */
int kt__sim_may_create(const kt_test_disk *d, const kt__node *dir);

/* ---- disk_open.c --------------------------------------------------------------------------- */

/* The open file of a descriptor: 0, -EBADF, or -EIO if a crash was in between. */
int kt__sim_descriptor(kt_test_disk *d, int fd, kt__open **ret_open);

int kt__sim_open(kt_test_disk *d, int dir, const char *path, int flags, mode_t mode, uint64_t resolve);
int kt__sim_close(kt_test_disk *d, int fd);
int64_t kt__sim_seek(kt_test_disk *d, int fd, int64_t offset, int whence);
int kt__sim_truncate(kt_test_disk *d, int fd, int64_t size);
int kt__sim_sync(kt_test_disk *d, int fd, bool data_only);
int kt__sim_lock(kt_test_disk *d, int fd, int operation);
ssize_t kt__sim_entries(kt_test_disk *d, int fd, void *buffer, size_t size);

/* ---- disk_io.c ----------------------------------------------------------------------------- */

ssize_t kt__sim_read(kt_test_disk *d, int fd, const struct iovec *pieces, int count, int64_t offset, int flags);
ssize_t kt__sim_write(kt_test_disk *d, int fd, const struct iovec *pieces, int count, int64_t offset, int flags);
int kt__sim_clone(kt_test_disk *d, int from, int to);
ssize_t kt__sim_copy_range(kt_test_disk *d, int from, int to, size_t size);
ssize_t kt__sim_send_range(kt_test_disk *d, int from, int to, size_t size);

/* ---- disk_name.c --------------------------------------------------------------------------- */

int kt__sim_rename(kt_test_disk *d, int dir, const char *path, int new_dir, const char *new_path, unsigned flags);
int kt__sim_link(kt_test_disk *d, int dir, const char *path, int new_dir, const char *new_path, int flags);
int kt__sim_symlink(kt_test_disk *d, const char *target, int dir, const char *path);
ssize_t kt__sim_readlink(kt_test_disk *d, int dir, const char *path, char *buffer, size_t size);
int kt__sim_unlink(kt_test_disk *d, int dir, const char *path, int flags);
int kt__sim_mkdir(kt_test_disk *d, int dir, const char *path, mode_t mode);

/* ---- disk_stat.c --------------------------------------------------------------------------- */

int kt__sim_stat(kt_test_disk *d, int dir, const char *path, int flags, struct stat *ret_stat);
int kt__sim_statvfs(kt_test_disk *d, const char *path, struct statvfs *ret_stat);
int kt__sim_access(kt_test_disk *d, int dir, const char *path, int mode, int flags);
int kt__sim_chmod(kt_test_disk *d, int dir, const char *path, mode_t mode);
int kt__sim_utimens(kt_test_disk *d, int dir, const char *path, const struct timespec times[2], int flags);

/* ---- disk_crash.c -------------------------------------------------------------------------- */

/* Everything of the node is on the platter; or only what it contains. */
void kt__sim_node_sync(kt_test_disk *d, kt__node *n, bool data_only);

/* A sync that failed: some of it is on the platter, and the rest is taken for it. */
void kt__sim_node_lose(kt_test_disk *d, kt__node *n);

/* The node is about to change: now and then some of it gets to the platter before. */
void kt__sim_node_ahead(kt_test_disk *d, kt__node *n);

/* What survives. Descriptors are the caller's business. */
void kt__sim_crash(kt_test_disk *d);

#endif
