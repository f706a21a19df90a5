/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TEST_DISK_CALLS_H
#define TESTS_TEST_DISK_CALLS_H

/* Calls to a simulated disk, as the library makes them; and looks at it. */

#include <kettle/kettle.h>
#include <kettle/test.h>
#include <kettle/test_disk.h>

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>

#include "io/disk.h"

static kt_test_disk *disk; /* each test runs in a process of its own */
static kt__disk *calls;

static inline void begin(const kt_test_disk_options *options)
{
    disk = kt_test_disk_open(options);
    kt_test_disk_use(disk);
    calls = kt__disk_here();
}

static inline void begin_with_seed(uint64_t seed)
{
    const kt_test_disk_options options = {.seed = seed, .whole = true};
    begin(&options);
}

static inline int open_at(const char *path, int flags)
{
    return calls->open(calls, AT_FDCWD, path, flags, 0644, 0);
}

static inline ssize_t write_at(int fd, const void *bytes, size_t size, int64_t offset)
{
    return calls->write(calls, fd, &(struct iovec){(void *)(uintptr_t)bytes, size}, 1, offset, 0);
}

static inline ssize_t read_at(int fd, void *bytes, size_t size, int64_t offset)
{
    return calls->read(calls, fd, &(struct iovec){bytes, size}, 1, offset, 0);
}

static inline int sync_path(const char *path)
{
    int fd = open_at(path, O_RDONLY);
    CHECK_OK(fd);
    int rc = calls->sync(calls, fd, false);
    CHECK_OK(calls->close(calls, fd));
    return rc;
}

static inline void check_file(const char *path, const char *expected)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    CHECK_OK(kt_test_disk_get(disk, path, &found));
    CHECK_SLICE(kt_buffer_slice(&found), expected);
}

static inline void check_list(const char *expected)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    CHECK_OK(kt_test_disk_list(disk, &found));
    CHECK_SLICE(kt_buffer_slice(&found), expected);
}

#endif
