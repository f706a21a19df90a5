/* SPDX-License-Identifier: MIT */
#ifndef TESTS_IO_TREE_H
#define TESTS_IO_TREE_H

/* A scratch directory on the system's disk, made and looked at by plain system calls, and removed when its scope is
 * left: in TMPDIR if that is set, else in memory where that is possible, which is quicker. Functions that return a path
 * return one of a few that take turns. */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct tree {
    char root[64];
} tree;

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    return type == FTW_DP ? rmdir(path) : unlink(path);
}

static inline void tree_cleanup(tree *t)
{
    if (access(t->root, F_OK) == 0)
        nftw(t->root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline tree tree_new(void)
{
    const char *dir = getenv("TMPDIR");
    if (!dir)
        dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    tree t;
    snprintf(t.root, sizeof t.root, "%s/kettle-tree-XXXXXX", dir);
    CHECK(mkdtemp(t.root) != NULL);
    return t;
}

static inline const char *in(const tree *t, const char *name)
{
    static char paths[8][4200];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", t->root, name);
    return path;
}

static inline void put(const tree *t, const char *name, const char *text)
{
    int fd = open(in(t, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static inline void put_dir(const tree *t, const char *name)
{
    CHECK_EQ(mkdir(in(t, name), 0755), 0);
}

static inline void put_link(const tree *t, const char *name, const char *target)
{
    CHECK_EQ(symlink(target, in(t, name)), 0);
}

static inline bool has(const tree *t, const char *name)
{
    struct stat st;
    return lstat(in(t, name), &st) == 0;
}

static inline void check_text(const tree *t, const char *name, const char *expected)
{
    char text[256] = "";
    int fd = open(in(t, name), O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_GE(read(fd, text, sizeof text - 1), 0);
    close(fd);
    CHECK_STR(text, expected);
}

/* How many entries a directory has. */
static inline int count_in(const tree *t, const char *name)
{
    int count = 0;
    DIR *d = opendir(in(t, name));
    CHECK(d != NULL);
    for (const struct dirent *e; (e = readdir(d));)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

/* Directories within each other, each with this name, `levels` deep; from descriptor to descriptor, since their path
 * may be longer than the system takes. In the last one lies a file "bottom". */
static inline void put_deep(const tree *t, const char *name, int levels)
{
    int fd = open(t->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < levels; i++) {
        CHECK_EQ(mkdirat(fd, name, 0755), 0);
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(next >= 0);
        close(fd);
        fd = next;
    }
    int file = openat(fd, "bottom", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(file >= 0);
    close(file);
    close(fd);
}

#endif
