/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_FILE_PRIVATE_H
#define KETTLE_IO_FILE_PRIVATE_H

#include <kettle/file.h>
#include <kettle/sync.h>

#include "core/core.h"
#include "io/disk.h"

/* A cancellation waits for the end of one trip to the pool. */
#define KT__FILE_TRIP ((size_t)4 * 1024 * 1024)

/* The buffer's bytes are buffer[start..end): unread ones, of which the system's position is ahead; or, `dirty`,
 * unwritten ones, which it is behind. */
struct kt_file {
    kt__disk *disk;
    int fd;
    bool append;
    bool nowait; /* what the system has in memory can be read on the loop */
    bool dirty;
    bool filled; /* the last read into the buffer found more than it has room for */
    bool closing;
    int sync_error; /* the first; for good */
    unsigned users; /* tasks that are inside a call */
    kt__waiters closers;
    kt_lock turn; /* who has it has the buffer and the position */
    char *buffer;
    size_t start, end, capacity;
    char name[]; /* for errors: the path it was opened with */
};

/* A call begins and ends; between, nobody frees the file. 0, or KT_ECLOSED. */
int kt__file_enter(kt_file *f, const char *what);
void kt__file_leave(kt_file *f);

/* The same with buffer and position. 0, KT_ECLOSED, or a cancellation's code. */
int kt__file_take(kt_file *f, const char *what, const void *site);
void kt__file_give(kt_file *f);

/* A file that is used little has a small buffer, one that is used much a large one: fewer trips. */
enum { KT__FILE_BUFFER_MIN = 8 * 1024, KT__FILE_BUFFER_MAX = 128 * 1024 };

/* A buffer of at least this capacity, with all the room behind the bytes that are in it. 0; -ENOMEM, and then it has
 * the old capacity. */
int kt__file_buffer(kt_file *f, size_t capacity);

/* Puts the system's position back to the file's, and forgets what was read ahead. On the loop. 0 or an error. */
int kt__file_unread(kt_file *f);

/* Writes what is to be written; what could not be is in the buffer still. */
int kt__file_write_out(kt_file *f);

/* The buffer is empty when this returns 0: written, or what was read ahead forgotten. */
int kt__file_settle(kt_file *f);

static inline size_t kt__file_buffered(const kt_file *f)
{
    return f->end - f->start;
}

/* One system call, wherever it is done: at least one byte, or 0 at the end of the file; -1: at the position. */
ssize_t kt__file_read_some(kt_file *f, const struct iovec *pieces, int count, int64_t offset);
ssize_t kt__file_write_some(kt_file *f, const struct iovec *pieces, int count, int64_t offset);

/* A call at an offset begins: nothing is buffered. It ends with kt__file_leave. 0 or an error. */
int kt__file_begin_at(kt_file *f, const char *what, size_t count, int64_t offset, const void *site);

/* A trip's worth of the pieces' bytes behind the first `skip`, in `window`: how many pieces; 0 when nothing is
 * left. */
enum { KT__FILE_WINDOW = 64 };
int kt__file_window(const struct iovec *pieces, size_t count, size_t skip, struct iovec *window);

#endif
