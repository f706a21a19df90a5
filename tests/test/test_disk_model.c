/* SPDX-License-Identifier: MIT */

/* The simulated disk against the system's: the same calls, chosen at random, have the same results on both, and
 * leave the same. The system's is a directory in memory, which is made the root meanwhile. */
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <ftw.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "test/disk.h"
#include "test/kit.h"

#define SLOTS 6
#define STEPS 120
#define SEEDS 1500
#define NOBODY 65534
#define BYTES_MAX 12000

typedef struct both {
    kt_test_disk *sim;
    kt__disk *disks[2];
    int fds[2][SLOTS + 1]; /* -1: none; the last is always AT_FDCWD */
    uint64_t random;
    bool superuser;
} both;

static uint64_t chance(both *b, uint64_t n)
{
    b->random = b->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (b->random >> 33) % n;
}

static const char *pick(both *b, const char *const *from, size_t count)
{
    return from[chance(b, count)];
}

static int pick_int(both *b, const int *from, size_t count)
{
    return from[chance(b, count)];
}

#define COUNT(type, ...) (sizeof((type[]){__VA_ARGS__}) / sizeof(type))
#define PICK(b, ...) pick(b, (const char *const[]){__VA_ARGS__}, COUNT(const char *const, __VA_ARGS__))
#define PICK_INT(b, ...) pick_int(b, (const int[]){__VA_ARGS__}, COUNT(int, __VA_ARGS__))

static void random_path(both *b, char path[PATH_MAX + 100])
{
    size_t size = 0, parts = chance(b, 3) ? 1 : 2 + chance(b, 2);
    path[0] = '\0';
    if (chance(b, 100) == 0)
        return;
    if (chance(b, 100) == 0) {
        memset(path, 'x', PATH_MAX + 50);
        path[PATH_MAX - (chance(b, 2) ? 0 : 50)] = '\0';
        return;
    }
    if (chance(b, 6) == 0)
        path[size++] = '/';
    for (size_t i = 0; i < parts; i++) {
        const char *part = chance(b, 8) ? PICK(b, "a", "b", "c", "d") : PICK(b, ".", "..", "e", "...");
        if (i > 0)
            size += (size_t)snprintf(path + size, 3, "%s", chance(b, 10) ? "/" : "//");
        if (chance(b, 60) == 0) {
            memset(path + size, 'n', 256);
            size += 255 + chance(b, 2);
        } else {
            size += (size_t)snprintf(path + size, 4, "%s", part);
        }
    }
    if (chance(b, 10) == 0)
        path[size++] = '/';
    path[size] = '\0';
}

/* Something that both must agree about; the trace of the calls is shown when they do not. */
static int64_t agree(int64_t sim, int64_t real)
{
    kt_test_say("    %lld, and the system %lld", (long long)sim, (long long)real);
    CHECK_EQ(sim, real);
    return sim;
}

/* The same call on both. */
#define ON_BOTH(b, i, call) \
    __extension__({ \
        int64_t results_[2]; \
        for (int i = 0; i < 2; i++) \
            results_[i] = (call); \
        agree(results_[0], results_[1]); \
    })

/* ---- The calls ----------------------------------------------------------------------------- */

/* Mostly one that is open. */
static size_t slot(both *b)
{
    size_t s = chance(b, SLOTS);
    for (size_t i = 0; i < SLOTS && b->fds[1][s] < 0 && chance(b, 20); i++)
        s = (s + 1) % SLOTS;
    return s;
}

static size_t dir_slot(both *b)
{
    return chance(b, 6) ? SLOTS : slot(b);
}

static void do_open(both *b)
{
    char path[PATH_MAX + 100];
    size_t dir = dir_slot(b), to = chance(b, SLOTS);
    int flags = PICK_INT(b, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR);
    static const int more[] = {
        O_CREAT, O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_TMPFILE, O_PATH,
    };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        flags |= chance(b, i < 3 ? 2 : 16) == 0 ? more[i] : 0;
    mode_t mode = (mode_t)PICK_INT(b, 0644, 0666, 0755, 0600, 0444, 0200, 0);
    uint64_t resolve = chance(b, 5) ? 0 : (uint64_t)PICK_INT(b, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS,
                                                             RESOLVE_NO_XDEV, RESOLVE_BENEATH | RESOLVE_IN_ROOT);
    random_path(b, path);
    kt_test_say("open(%zu, \"%.300s\", %o, %o, %llx) to %zu", dir, path, flags, mode, (unsigned long long)resolve, to);
    int fd[2];
    for (int i = 0; i < 2; i++)
        fd[i] = b->disks[i]->open(b->disks[i], b->fds[i][dir], path, flags, mode, resolve);
    agree(fd[0] < 0 ? fd[0] : 0, fd[1] < 0 ? fd[1] : 0);
    for (int i = 0; i < 2; i++) {
        if (fd[i] >= 0 && b->fds[i][to] >= 0)
            CHECK_OK(b->disks[i]->close(b->disks[i], b->fds[i][to]));
        if (fd[i] >= 0)
            b->fds[i][to] = fd[i];
    }
}

static void do_close(both *b)
{
    size_t s = slot(b);
    kt_test_say("close(%zu)", s);
    ON_BOTH(b, i, b->disks[i]->close(b->disks[i], b->fds[i][s]));
    b->fds[0][s] = b->fds[1][s] = -1;
}

static int64_t random_offset(both *b)
{
    if (chance(b, 40) == 0)
        return PICK_INT(b, -1, -2, INT32_MAX);
    return chance(b, 3) ? (int64_t)chance(b, 300) : (int64_t)chance(b, 30000);
}

static size_t random_size(both *b)
{
    return chance(b, 4) ? (size_t)chance(b, 100) : (size_t)chance(b, BYTES_MAX);
}

static void do_read(both *b)
{
    static char bytes[2][BYTES_MAX];
    size_t s = slot(b), size = random_size(b), first = size > 0 ? (size_t)chance(b, size) : 0;
    int64_t offset = chance(b, 2) ? -1 : random_offset(b);
    kt_test_say("read(%zu, %zu + %zu, %lld)", s, first, size - first, (long long)offset);
    memset(bytes, 1, sizeof bytes);
    const struct iovec pieces[2][2] = {{{bytes[0], first}, {bytes[0] + first, size - first}},
                                       {{bytes[1], first}, {bytes[1] + first, size - first}}};
    ON_BOTH(b, i, b->disks[i]->read(b->disks[i], b->fds[i][s], pieces[i], 2, offset, 0));
    CHECK_MEM(bytes[0], bytes[1], size);
}

static void do_write(both *b)
{
    static char bytes[BYTES_MAX];
    size_t s = slot(b), size = random_size(b), first = size > 0 ? (size_t)chance(b, size) : 0;
    int64_t offset = chance(b, 2) ? -1 : random_offset(b);
    int flags = chance(b, 8) ? 0 : PICK_INT(b, RWF_APPEND, RWF_DSYNC);
    kt_test_say("write(%zu, %zu + %zu, %lld, %d)", s, first, size - first, (long long)offset, flags);
    memset(bytes, (int)chance(b, 256), size);
    if (size > 0)
        bytes[chance(b, size)] = (char)chance(b, 256);
    const struct iovec pieces[2] = {{bytes, first}, {bytes + first, size - first}};
    ON_BOTH(b, i, b->disks[i]->write(b->disks[i], b->fds[i][s], pieces, 2, offset, flags));
}

static bool is_directory(const both *b, size_t s)
{
    struct stat st;
    return b->fds[1][s] >= 0 && fstat(b->fds[1][s], &st) == 0 && S_ISDIR(st.st_mode);
}

static void do_seek(both *b)
{
    size_t s = slot(b);
    int64_t offset = random_offset(b);
    int whence = PICK_INT(b, SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 77);
    if (is_directory(b, s)) { /* whose positions are each file system's own */
        offset = 0;
        whence = SEEK_SET;
    }
    kt_test_say("seek(%zu, %lld, %d)", s, (long long)offset, whence);
    ON_BOTH(b, i, b->disks[i]->seek(b->disks[i], b->fds[i][s], offset, whence));
}

static void do_truncate(both *b)
{
    size_t s = slot(b);
    int64_t size = random_offset(b);
    kt_test_say("truncate(%zu, %lld)", s, (long long)size);
    ON_BOTH(b, i, b->disks[i]->truncate(b->disks[i], b->fds[i][s], size));
}

static void do_sync(both *b)
{
    size_t s = slot(b);
    kt_test_say("sync(%zu)", s);
    ON_BOTH(b, i, b->disks[i]->sync(b->disks[i], b->fds[i][s], s % 2));
}

static void do_lock(both *b)
{
    size_t s = slot(b);
    int operation = PICK_INT(b, LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN, 16);
    kt_test_say("lock(%zu, %d)", s, operation);
    ON_BOTH(b, i, b->disks[i]->lock(b->disks[i], b->fds[i][s], operation));
}

static void do_stat(both *b)
{
    char path[PATH_MAX + 100];
    struct stat st[2];
    size_t dir = dir_slot(b);
    int flags = PICK_INT(b, 0, 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
                         AT_REMOVEDIR);
    random_path(b, path);
    if (flags & AT_EMPTY_PATH && chance(b, 2))
        *path = '\0';
    kt_test_say("stat(%zu, \"%.300s\", %x)", dir, path, flags);
    memset(st, 0, sizeof st);
    ON_BOTH(b, i, b->disks[i]->stat(b->disks[i], b->fds[i][dir], path, flags, &st[i]));
    CHECK_EQ(st[0].st_mode, st[1].st_mode);
    CHECK_EQ(st[0].st_nlink, st[1].st_nlink);
    if (!S_ISDIR(st[0].st_mode))
        CHECK_EQ(st[0].st_size, st[1].st_size);
    if (S_ISREG(st[0].st_mode))
        CHECK_EQ(st[0].st_blocks, st[1].st_blocks);
}

static void do_access(both *b)
{
    char path[PATH_MAX + 100];
    size_t dir = dir_slot(b);
    int flags = AT_EACCESS | (chance(b, 3) ? 0 : AT_SYMLINK_NOFOLLOW), mode = (int)chance(b, 9);
    random_path(b, path);
    kt_test_say("access(%zu, \"%.300s\", %d, %x)", dir, path, mode, flags);
    ON_BOTH(b, i, b->disks[i]->access(b->disks[i], b->fds[i][dir], path, mode, flags));
}

static void do_chmod(both *b)
{
    char path[PATH_MAX + 100];
    size_t dir = dir_slot(b);
    mode_t mode = (mode_t)PICK_INT(b, 0755, 0644, 0700, 0700, 0777, 0500, 0400, 0300, 0100, 0);
    random_path(b, path);
    kt_test_say("chmod(%zu, \"%.300s\", %o)", dir, path, mode);
    ON_BOTH(b, i, b->disks[i]->chmod(b->disks[i], b->fds[i][dir], path, mode));
}

static void do_utimens(both *b)
{
    char path[PATH_MAX + 100];
    struct stat st[2];
    size_t dir = dir_slot(b);
    int flags = chance(b, 2) ? 0 : AT_SYMLINK_NOFOLLOW;
    struct timespec times[2] = {
        {.tv_sec = (time_t)chance(b, 1000), .tv_nsec = PICK_INT(b, 0, 5, UTIME_OMIT, 1000000000)},
        {.tv_sec = (time_t)chance(b, 1000), .tv_nsec = PICK_INT(b, 7, 999999999, UTIME_OMIT)},
    };
    random_path(b, path);
    kt_test_say("utimens(%zu, \"%.300s\", %ld, %ld, %x)", dir, path, times[0].tv_nsec, times[1].tv_nsec, flags);
    int64_t rc = ON_BOTH(b, i, b->disks[i]->utimens(b->disks[i], b->fds[i][dir], path, times, flags));
    if (rc < 0 || times[1].tv_nsec == UTIME_OMIT)
        return;
    ON_BOTH(b, i, b->disks[i]->stat(b->disks[i], b->fds[i][dir], path, flags, &st[i]));
    CHECK_EQ(st[0].st_mtim.tv_sec, st[1].st_mtim.tv_sec);
    CHECK_EQ(st[0].st_mtim.tv_nsec, st[1].st_mtim.tv_nsec);
}

/* ---- Names --------------------------------------------------------------------------------- */

static void do_rename(both *b)
{
    char path[PATH_MAX + 100], new_path[PATH_MAX + 100];
    size_t dir = dir_slot(b), new_dir = dir_slot(b);
    int flags = PICK_INT(b, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE | RENAME_NOREPLACE);
    random_path(b, path);
    random_path(b, new_path);
    kt_test_say("rename(%zu, \"%.300s\", %zu, \"%.300s\", %d)", dir, path, new_dir, new_path, flags);
    ON_BOTH(b, i, b->disks[i]->rename(b->disks[i], b->fds[i][dir], path, b->fds[i][new_dir], new_path,
                                      (unsigned)flags));
}

static void do_link(both *b)
{
    char path[PATH_MAX + 100], new_path[PATH_MAX + 100];
    size_t dir = dir_slot(b), new_dir = dir_slot(b);
    int flags = PICK_INT(b, 0, 0, AT_SYMLINK_FOLLOW, AT_REMOVEDIR, b->superuser ? AT_EMPTY_PATH : 0);
    random_path(b, path);
    if (flags == AT_EMPTY_PATH && chance(b, 4)) {
        *path = '\0';
        dir = slot(b);
    }
    random_path(b, new_path);
    kt_test_say("link(%zu, \"%.300s\", %zu, \"%.300s\", %x)", dir, path, new_dir, new_path, flags);
    ON_BOTH(b, i, b->disks[i]->link(b->disks[i], b->fds[i][dir], path, b->fds[i][new_dir], new_path, flags));
}

static void do_symlink(both *b)
{
    char target[PATH_MAX + 100], path[PATH_MAX + 100];
    size_t dir = dir_slot(b);
    random_path(b, target);
    random_path(b, path);
    kt_test_say("symlink(\"%.300s\", %zu, \"%.300s\")", target, dir, path);
    ON_BOTH(b, i, b->disks[i]->symlink(b->disks[i], target, b->fds[i][dir], path));
}

static void do_readlink(both *b)
{
    char path[PATH_MAX + 100], target[2][64] = {{0}, {0}};
    size_t dir = dir_slot(b), size = (size_t)PICK_INT(b, 64, 64, 3, 0);
    random_path(b, path);
    kt_test_say("readlink(%zu, \"%.300s\", %zu)", dir, path, size);
    ON_BOTH(b, i, b->disks[i]->readlink(b->disks[i], b->fds[i][dir], path, target[i], size));
    CHECK_MEM(target[0], target[1], sizeof target[0]);
}

static void do_unlink(both *b)
{
    char path[PATH_MAX + 100];
    size_t dir = dir_slot(b);
    int flags = PICK_INT(b, 0, 0, AT_REMOVEDIR, AT_SYMLINK_FOLLOW);
    random_path(b, path);
    kt_test_say("unlink(%zu, \"%.300s\", %x)", dir, path, flags);
    ON_BOTH(b, i, b->disks[i]->unlink(b->disks[i], b->fds[i][dir], path, flags));
}

static void do_mkdir(both *b)
{
    char path[PATH_MAX + 100];
    size_t dir = dir_slot(b);
    mode_t mode = (mode_t)PICK_INT(b, 0777, 0755, 0700, 0500, 01777);
    random_path(b, path);
    kt_test_say("mkdir(%zu, \"%.300s\", %o)", dir, path, mode);
    ON_BOTH(b, i, b->disks[i]->mkdir(b->disks[i], b->fds[i][dir], path, mode));
}

/* ---- From file to file --------------------------------------------------------------------- */

static bool are_same(const both *b, size_t one, size_t two)
{
    struct stat st[2];
    return b->fds[1][one] >= 0 && b->fds[1][two] >= 0 && fstat(b->fds[1][one], &st[0]) == 0 &&
           fstat(b->fds[1][two], &st[1]) == 0 && st[0].st_ino == st[1].st_ino;
}

static void do_copy(both *b)
{
    size_t from = slot(b), to = slot(b), size = random_size(b);
    int how = (int)chance(b, are_same(b, from, to) ? 2 : 3); /* what sendfile(2) does within a file, nobody says */
    kt_test_say("%s(%zu, %zu, %zu)", how == 0 ? "clone" : how == 1 ? "copy_range" : "send_range", from, to, size);
    if (how == 0)
        ON_BOTH(b, i, b->disks[i]->clone(b->disks[i], b->fds[i][from], b->fds[i][to]));
    else if (how == 1)
        ON_BOTH(b, i, b->disks[i]->copy_range(b->disks[i], b->fds[i][from], b->fds[i][to], size));
    else
        ON_BOTH(b, i, b->disks[i]->send_range(b->disks[i], b->fds[i][from], b->fds[i][to], size));
}

/* ---- What is there ------------------------------------------------------------------------- */

typedef struct tree {
    kt__disk *disk;
    kt_buffer text;
    uint64_t inodes[1000]; /* in the order in which they were met */
    size_t inodes_count;
} tree;

static size_t alias(tree *t, uint64_t inode)
{
    size_t i = 0;
    while (i < t->inodes_count && t->inodes[i] != inode)
        i++;
    CHECK_LT(i, sizeof t->inodes / sizeof *t->inodes);
    t->inodes[i] = inode;
    t->inodes_count += i == t->inodes_count;
    return i;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(kt__dirent *const *)a)->name, (*(kt__dirent *const *)b)->name);
}

static void tell_file(tree *t, int fd)
{
    char bytes[4096];
    uint64_t hash = 0, at = 0;
    ssize_t n;
    const struct iovec piece = {bytes, sizeof bytes};
    while ((n = t->disk->read(t->disk, fd, &piece, 1, (int64_t)at, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
        at += (uint64_t)n;
        if (at > 100000)
            break; /* of what is beyond, the size tells enough */
    }
    CHECK_OK(kt_buffer_printf(&t->text, " %llx", (unsigned long long)hash));
}

static void tell(tree *t, int dir, const char *path, const char *name);

static void tell_dir(tree *t, int fd, const char *path)
{
    char bytes[8192];
    kt__dirent *entries[200];
    size_t count = 0;
    ssize_t n = t->disk->entries(t->disk, fd, bytes, sizeof bytes);
    for (ssize_t at = 0; at < n; at += entries[count - 1]->size) {
        CHECK_LT(count, 200);
        entries[count++] = (kt__dirent *)(void *)(bytes + at);
    }
    if (n > 0)
        CHECK_EQ(t->disk->entries(t->disk, fd, (char[8192]){0}, 8192), 0);
    qsort(entries, count, sizeof *entries, by_name);
    CHECK_OK(kt_buffer_printf(&t->text, " %zu entries\n", count));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i]->name, ".") == 0 || strcmp(entries[i]->name, "..") == 0)
            continue;
        CHECK_OK(kt_buffer_printf(&t->text, "%u ", entries[i]->type));
        tell(t, fd, path, entries[i]->name);
    }
}

static void tell(tree *t, int dir, const char *path, const char *name)
{
    char below[PATH_MAX], target[PATH_MAX + 1] = {0};
    struct stat st;
    snprintf(below, sizeof below, "%s/%s", path, name);
    CHECK_OK(kt_buffer_printf(&t->text, "%s", below));
    int rc = t->disk->stat(t->disk, dir, name, AT_SYMLINK_NOFOLLOW, &st);
    if (rc < 0) {
        CHECK_OK(kt_buffer_printf(&t->text, " %s\n", kt_error_name(rc)));
        return;
    }
    CHECK_OK(kt_buffer_printf(&t->text, " %o #%zu x%zu", st.st_mode, alias(t, st.st_ino), (size_t)st.st_nlink));
    if (S_ISLNK(st.st_mode)) {
        CHECK_OK(t->disk->readlink(t->disk, dir, name, target, sizeof target - 1));
        CHECK_OK(kt_buffer_printf(&t->text, " -> %s\n", target));
        return;
    }
    if (S_ISREG(st.st_mode))
        CHECK_OK(kt_buffer_printf(&t->text, " %zu/%zu", (size_t)st.st_size, (size_t)st.st_blocks));
    int fd = t->disk->open(t->disk, dir, name, O_RDONLY | O_NOFOLLOW, 0, 0);
    if (fd < 0)
        CHECK_OK(kt_buffer_printf(&t->text, " %s", kt_error_name(fd)));
    else if (S_ISREG(st.st_mode))
        tell_file(t, fd);
    else
        tell_dir(t, fd, below);
    if (fd >= 0)
        CHECK_OK(t->disk->close(t->disk, fd));
    CHECK_OK(kt_buffer_printf(&t->text, "\n"));
}

static void compare(both *b)
{
    static tree trees[2];
    for (int i = 0; i < 2; i++) {
        trees[i] = (tree){.disk = b->disks[i]};
        tell(&trees[i], AT_FDCWD, "", ".");
    }
    CHECK_STR(kt_buffer_string(&trees[0].text), kt_buffer_string(&trees[1].text));
    kt_buffer_release(&trees[0].text);
    kt_buffer_release(&trees[1].text);
}

/* ---- A run --------------------------------------------------------------------------------- */

static void one_run(uint64_t seed, bool superuser)
{
    static void (*const calls[])(both *b) = {
        do_open,   do_open,    do_open,  do_open,   do_open,     do_open,   do_close,  do_read,
        do_read,   do_write,   do_write, do_write,  do_seek,     do_sync,   do_lock,   do_truncate,
        do_stat,   do_stat,    do_chmod, do_access, do_utimens,  do_rename, do_rename, do_link,
        do_unlink, do_symlink, do_mkdir, do_mkdir,  do_readlink, do_unlink, do_copy,   do_copy,
    };
    const kt_test_disk_options options = {.seed = seed, .whole = true, .superuser = superuser};
    both b = {.sim = kt_test_disk_open(&options), .random = seed, .superuser = superuser};
    b.disks[0] = &b.sim->calls;
    b.disks[1] = &kt__disk_system;
    CHECK_OK(b.disks[0]->unlink(b.disks[0], AT_FDCWD, "/tmp", AT_REMOVEDIR));
    for (int i = 0; i < 2 * (SLOTS + 1); i++)
        b.fds[i % 2][i / 2] = i / 2 == SLOTS ? AT_FDCWD : -1;
    for (int step = 0; step < STEPS; step++) {
        calls[chance(&b, sizeof calls / sizeof *calls)](&b);
        if (step % 20 == 19)
            compare(&b);
    }
    for (size_t s = 0; s < SLOTS; s++) {
        if (b.fds[0][s] >= 0)
            ON_BOTH(&b, i, b.disks[i]->close(b.disks[i], b.fds[i][s]));
    }
    kt_test_disk_close(b.sim);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

/* Runs in a fresh root, of nobody's or of the superuser's. */
static void run_in_new_root(uint64_t seed, bool superuser, int root)
{
    char path[] = "/dev/shm/kettle-disk-XXXXXX";
    CHECK(mkdtemp(path));
    CHECK_OK(chmod(path, 0755));
    CHECK_OK(chown(path, superuser ? 0 : NOBODY, superuser ? 0 : NOBODY));
    CHECK_OK(chroot(path));
    CHECK_OK(chdir("/"));
    if (!superuser) {
        setfsgid(NOBODY);
        setfsuid(NOBODY);
    }
    one_run(seed, superuser);
    setfsuid(0);
    setfsgid(0);
    CHECK_OK(fchdir(root));
    CHECK_OK(chroot("."));
    CHECK_OK(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS));
}

static void run_many(bool superuser)
{
    const char *seeds = getenv("KETTLE_TEST_SEEDS");
    uint64_t last = seeds ? strtoull(seeds, NULL, 10) : SEEDS;
    if (geteuid() != 0 || access("/dev/shm", W_OK) < 0)
        kt_test_skip("needs chroot, and a file system in memory at /dev/shm");
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK_GE(root, 0);
    umask(022);
    for (uint64_t seed = 1; seed <= last; seed++) {
        kt_test_say("seed %llu", (unsigned long long)seed);
        run_in_new_root(seed, superuser, root);
        kt__test_trace_clear();
    }
    close(root);
}

TEST_WITH(answers_as_the_system_does_to_anybody, KT_TEST_NO_LOOP)
{
    run_many(false);
}

TEST_WITH(answers_as_the_system_does_to_the_superuser, KT_TEST_NO_LOOP)
{
    run_many(true);
}
