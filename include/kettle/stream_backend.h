/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_STREAM_BACKEND_H
#define KETTLE_STREAM_BACKEND_H

/* What stands behind a kt_stream, for those who make a kind of stream of their own, as TLS does: a table
 * of functions and the object that they work on.
 *
 *     static const kt_stream_backend backend = {.name = "loud", .read = loud_read, ...};
 *     int rc = kt_stream_new(&backend, object, &s);
 *
 * The stream in front has the read buffer, keeps two readers and two writers apart, and frees the
 * object only when no task is inside any of these functions; so they need not check for any of it. */

#include <kettle/stream.h>

KT_BEGIN

typedef struct kt_stream_backend {
    const char *name; /* for people */

    /* Reads at least one byte and at most size: the number, 0 at the end of file, an error, KT_ECLOSED
     * once `close` was called, or the cancellation's code, and then nothing was taken. */
    ssize_t (*read)(void *object, void *bytes, size_t size);

    /* Takes at least one of the bytes in up to 64 pieces, none of which is empty. The number, or as above; a
     * cancellation has taken nothing. What was taken may wait until `flush`. */
    ssize_t (*writev)(void *object, const struct iovec *pieces, size_t count);

    /* The same without waiting: 0 when there is no room. NULL: never any room. */
    ssize_t (*write_nowait)(void *object, const void *bytes, size_t size);

    /* Sends what `writev` and `shutdown_write` have kept; 0 or an error. NULL: they keep nothing. */
    int (*flush)(void *object);

    /* No more bytes come. Does not suspend: `flush` follows. */
    int (*shutdown_write)(void *object);

    /* No more calls come, `free` excepted. Those that others wait in end with KT_ECLOSED, within
     * this call or soon. May suspend. */
    void (*close)(void *object);

    /* Nobody is inside any more. Does not suspend. NULL: nothing to free. */
    void (*free)(void *object);

    /* The descriptor beneath, or -1. NULL: -1. */
    int (*fd)(const void *object);

    /* As kt_stream_peer. Does not suspend. NULL: that of the descriptor. */
    int (*peer)(const void *object, struct sockaddr_storage *ret_address, socklen_t *ret_size);

    /* As kt_stream_hang_up. NULL: it cannot be done, and nothing happens. */
    void (*hang_up)(void *object, bool reset);

    uintptr_t reserved[2];
} kt_stream_backend;

/* Makes a stream of an object. The table must outlive the stream, which owns the object on success only.
 * -ENOMEM. Does not suspend. */
KT_API int kt_stream_new(const kt_stream_backend *backend, void *object, kt_stream **ret_stream) KT_CHECKED;

/* The object of a stream that has this back end, NULL of any other. Does not suspend. */
KT_API void *kt_stream_object(const kt_stream *s, const kt_stream_backend *backend);

/* Puts a back end in front of what s is: s from now on is a stream of `object`, which it owns, and *ret_below is
 * what it was, with the bytes that it had buffered. That one is the back end's, which closes it in `close`. Whoever
 * else has a pointer to s need not know. A task inside s is misuse. -ENOMEM, and then s is as it was. Does not
 * suspend. Like StreamWriter.start_tls. */
KT_API int kt_stream_wrap(kt_stream *s, const kt_stream_backend *backend, void *object,
                          kt_stream **ret_below) KT_CHECKED;

/* Puts bytes back that were read from s, or from beneath it: they are read first, before what it has buffered. For a
 * protocol that has read more than was its own. A task inside s is misuse. -ENOMEM, and then s is as it was. Does not
 * suspend. Like asyncio's StreamReader.feed_data, at the front. */
KT_API int kt_stream_unread(kt_stream *s, const void *bytes, size_t size) KT_CHECKED;

/* Ends the connection beneath those who use the stream, who are not told otherwise: in order, as shutdown(2) both ways,
 * or with a reset, as SO_LINGER of socket(7) does. The stream stays open. Does not suspend. Like Transport.abort. */
KT_API void kt_stream_hang_up(kt_stream *s, bool reset);

/* For `read` and `writev` that may end without input or output beneath: a cancellation point, which lets others
 * run now and then. 0, or the cancellation's code. In a task. */
KT_API int kt_stream_turn(void) KT_CHECKED;

KT_END

#endif
