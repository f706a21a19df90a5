/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_STREAM_PRIVATE_H
#define KETTLE_IO_STREAM_PRIVATE_H

#include <kettle/stream_backend.h>

#include "core/driver.h"

/* The buffer's bytes are buffer[start..end). They move to its front only when a read needs room, so that
 * slices handed out stay valid until then. */
struct kt_stream {
    const kt_stream_backend *backend;
    void *object; /* of the back end; for descriptors it is &fd */
    struct kt_task *reader, *writer; /* inside the back end */
    char *buffer;
    size_t start, end, capacity;
    bool at_end;  /* of file */
    bool torn;    /* a write ended in the middle */
    bool closing; /* by another task; operations fail with KT_ECLOSED */
    bool watched; /* the watch's function has not been called */
    bool restores; /* at its close: `flags` of the open file that `flags_of` is, too */
    int flags_of, flags;
    kt__fd fd;    /* of streams over descriptors */
    struct kt__stream_watch *watch; /* NULL: never was one */
    struct kt__share *share; /* of a balancer's connections, or NULL */
};

/* Marks the running task as the stream's reader or writer; two at once are misuse. 0, or KT_ECLOSED. */
int kt__stream_enter(kt_stream *s, struct kt_task **place);

/* Clears the mark, without a suspension after the back end's last call: the closer waits for that. `n` is what that has
 * returned: if somebody closes the stream, KT_ECLOSED takes its place, or nobody would be told. */
ssize_t kt__stream_leave(const kt_stream *s, struct kt_task **place, ssize_t n);

/* Makes a stream of a socket that is in the driver's mode already. Owns it in every case. */
int kt__stream_new(int fd, kt_stream **ret_stream);

/* Is it a descriptor's, whose kt__fd is its object? */
bool kt__stream_has_fd(const kt_stream *s);

/* The stream is closed, and no operation of the watch is in flight any more: frees it. */
void kt__stream_watch_end(kt_stream *s);

/* The flags with which a socket of the running loop is made. */
int kt__socket_flags(void);

#endif
