/* SPDX-License-Identifier: MIT */
#ifndef TESTS_IO_SCRATCH_H
#define TESTS_IO_SCRATCH_H

/* A directory of the test's own in which it works, removed with all that is in it; and plain looks at it, by the
 * system's calls.
 *
 *     IN_SCRATCH;
 *     CHECK_OK(kt_file_write_whole("a", "x", 1, NULL));
 *     CHECK_STR(got("a"), "x");
 */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/disk.h"

typedef struct scratch {
    char path[64];
} scratch;

static inline scratch scratch_open(void)
{
    scratch s = {.path = "/tmp/kettle-test-XXXXXX"};
    CHECK(mkdtemp(s.path) != NULL);
    CHECK_EQ(chdir(s.path), 0);
    return s;
}

#define IN_SCRATCH \
    kt_auto(scratch) here = scratch_open(); \
    (void)here

static inline int scratch_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static inline void scratch_cleanup(scratch *s)
{
    kt__disk_set(NULL);
    CHECK_EQ(chdir("/"), 0);
    (void)nftw(s->path, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* How many names there are in it. */
static inline int scratch_count(const scratch *s)
{
    DIR *d = opendir(s->path);
    int n = -2; /* "." and ".." */
    CHECK(d != NULL);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static inline void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    CHECK(f != NULL);
    CHECK_EQ(fwrite(text, 1, strlen(text), f), strlen(text));
    CHECK_EQ(fclose(f), 0);
}

/* The first 255 bytes, in memory that the next call overwrites; NULL: there is no such file. */
static inline const char *got(const char *path)
{
    static char text[256];
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static inline unsigned mode_of(const char *path)
{
    struct stat st;
    CHECK_EQ(stat(path, &st), 0);
    return st.st_mode & 07777;
}

#endif
