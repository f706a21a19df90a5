/* SPDX-License-Identifier: MIT */
#ifndef TESTS_IO_LOG_KIT_H
#define TESTS_IO_LOG_KIT_H

/* A folder of a test's own, and what its files say. */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct scratch {
    char path[64];
    char file[96]; /* "log" in it */
} scratch;

static inline scratch scratch_make(void)
{
    scratch s;
    snprintf(s.path, sizeof s.path, "/tmp/kettle-log-XXXXXX");
    CHECK(mkdtemp(s.path) != NULL);
    snprintf(s.file, sizeof s.file, "%s/log", s.path);
    return s;
}

static inline void scratch_remove(const scratch *s)
{
    char path[512];
    DIR *folder = opendir(s->path);
    CHECK(folder != NULL);
    for (const struct dirent *e; (e = readdir(folder));) {
        snprintf(path, sizeof path, "%s/%s", s->path, e->d_name);
        if (*e->d_name != '.')
            CHECK_EQ(unlink(path), 0);
    }
    closedir(folder);
    CHECK_EQ(rmdir(s->path), 0);
}

/* A file's bytes, terminated; at most what the static room holds. */
static inline const char *contents(const char *path)
{
    static char bytes[1 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK_GE(fd, 0);
    size_t size = 0;
    for (ssize_t n; (n = read(fd, bytes + size, sizeof bytes - 1 - size)) > 0;)
        size += (size_t)n;
    close(fd);
    bytes[size] = '\0';
    return bytes;
}

/* What stands behind the time of a line "2026-11-25 17:14:48,123 - ...", which is checked for its form. */
static inline const char *behind_time(const char *line)
{
    static const char form[] = "dddd-dd-dd dd:dd:dd,ddd - ";
    for (size_t i = 0; i < sizeof form - 1; i++)
        CHECK(form[i] == 'd' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]);
    return line + sizeof form - 1;
}

/* Opens a log of one sink. */
static inline void open_one(const kt_log_sink *sink)
{
    CHECK_OK(kt_log_open(&(kt_log_options){.sinks = sink, .sinks_count = 1}));
}

static inline void open_file(const char *path)
{
    open_one(&(kt_log_sink){.kind = KT_LOG_FILE, .path = path});
}

#endif
