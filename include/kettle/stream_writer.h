/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_STREAM_WRITER_H
#define KETTLE_STREAM_WRITER_H

/* Writing to a stream without waiting for its peer, up to a bound.
 *
 *     kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(stream);
 *     int rc = kt_stream_writer_write(&w, "tea\n", 4);        // by any task, any number of times
 *     ...
 *     if (rc == 0)
 *         rc = kt_stream_writer_close(&w);                    // waits until all is with the stream
 *
 * kt_stream_write returns when all is written, and copies nothing. A writer copies the bytes and returns; a
 * task of its own hands them to the stream, as many at once as have come meanwhile. For many producers to
 * one peer, and for handlers that a slow reader must not hold up. Like asyncio's StreamWriter.
 *
 * The bound is two marks. Once more than `high` bytes are buffered, writes wait; when no more than `low` are,
 * they go on. So at most `high` bytes and one write are buffered, however many tasks write. Each
 * write's bytes stay together, in the order of the calls.
 *
 * A call that fails, or is cancelled, has taken none of its bytes; one that returns 0 has taken them all. When
 * the stream fails, what is buffered cannot be written any more: every call from then on returns the stream's
 * error, with its words.
 *
 * In the caller's storage; must not move once written to. For the tasks of one loop. While it has bytes nobody else
 * writes to the stream, and it must be closed before the stream is: declare it after the stream. */

#include <kettle/buffer.h>
#include <kettle/stream.h>
#include <kettle/sync.h>

KT_BEGIN

typedef struct kt_stream_writer {
    /* Settings. */
    kt_stream *stream; /* stays the caller's */
    size_t high;       /* 0 = 64 KiB, or four times `low` */
    size_t low;        /* at most `high`; 0 = a quarter of it */

    /* Statistics. */
    uint64_t taken;    /* bytes */

    /* State. */
    kt_task *task;     /* hands them to the stream; from the first write on */
    kt_buffer filling, writing; /* the next bytes; and those of which `sent` are with the stream */
    size_t sent;
    kt_lock door;      /* who holds it writes next */
    kt_event work;     /* something is in `filling` */
    kt_event moved;    /* bytes went to the stream, the task or the writer is at its end, or a caller has left */
    unsigned inside;   /* calls that wait */
    bool paused;       /* from the high mark down to the low one */
    uint8_t state;
    uintptr_t reserved[4];
} kt_stream_writer;

/* With the default marks; {.stream = s, .high = ..., .low = ...} does as well. */
#define KT_STREAM_WRITER_INIT(stream) \
    {(stream), 0, 0, 0, NULL, KT_BUFFER_INIT, KT_BUFFER_INIT, 0, KT_LOCK_INIT, KT_EVENT_INIT, KT_EVENT_INIT, \
     0, false, 0, {0}}

/* Takes all the bytes, first waiting for the low mark if the high one was passed; the others that wait go
 * before. 0; the stream's error; KT_ESHUTDOWN once it is being closed, or when the loop ends; -ENOMEM; KT_ELIMIT where
 * more than 1 GiB would be buffered; or the cancellation's code. Suspends only to wait. Like StreamWriter.drain and
 * write. */
KT_API int kt_stream_writer_write(kt_stream_writer *w, const void *bytes, size_t size) KT_CHECKED;

/* The same without waiting: KT_EFULL where a write would wait. In a task. Does not suspend. Like
 * StreamWriter.write, which takes them all the same. */
KT_API int kt_stream_writer_write_nowait(kt_stream_writer *w, const void *bytes, size_t size) KT_CHECKED;

/* Waits until all that was taken before the call is with the stream. 0; the stream's error; KT_ESHUTDOWN when they
 * will not be written, see kt_stream_writer_cleanup, and for one that is closed; or the cancellation's code: they
 * will be written all the same. Suspends. */
KT_API int kt_stream_writer_flush(kt_stream_writer *w) KT_CHECKED;

/* Bytes that were taken and are not with the stream. Does not suspend. Like get_write_buffer_size. */
KT_API size_t kt_stream_writer_buffered(const kt_stream_writer *w);

/* Takes no more, waits until all is with the stream, and ends the task; writes that wait get KT_ESHUTDOWN. The
 * stream stays open. Returns as flush does, but -- also for a failure or a cancellation, a time limit's, say --
 * the writer is closed then, as by kt_stream_writer_cleanup. A cancellation that comes when all is with the stream
 * shows at the next call. 0 for one that is closed already; misuse while another task closes it. Suspends. */
KT_API int kt_stream_writer_close(kt_stream_writer *w) KT_CHECKED;

/* Takes no more, ends the task and waits for that, and for the other calls to leave: with KT_ESHUTDOWN. What is
 * buffered is dropped; if there was any, the stream takes no more either (KT_EINVALIDSTATE), as after
 * any write that ended in the middle. So it never waits for the peer; to have all written, close. Nothing for one
 * that is closed. Suspends if it was written to; a cancellation is held back. For kt_auto. */
KT_API void kt_stream_writer_cleanup(kt_stream_writer *w);

KT_END

#endif
