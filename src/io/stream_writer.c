/* SPDX-License-Identifier: MIT */

/* Buffered writing. One buffer is written while the other fills, so that bytes never move and each write
 * to the stream takes all that has come during the one before.
 *
 * Callers wait before their bytes are taken, not after: so the bound does not grow with their number, and one
 * that is cancelled in its wait may try again. The task's result is the stream's error, which keeps. */

#include <errno.h>
#include <kettle/stream_writer.h>

#include "core/core.h"
#include "io/stream_private.h"

#define HIGH ((size_t)64 * 1024)

enum { OPEN, CLOSING, CLOSED };

static size_t high_of(const kt_stream_writer *w)
{
    size_t four = w->low > SIZE_MAX / 4 ? SIZE_MAX : w->low * 4;
    return w->high ? w->high : w->low ? four : HIGH;
}

static size_t low_of(const kt_stream_writer *w)
{
    return w->low ? w->low : high_of(w) / 4;
}

size_t kt_stream_writer_buffered(const kt_stream_writer *w)
{
    return w->filling.size + w->writing.size - w->sent;
}

/* ---- The task ------------------------------------------------------------------------------ */

/* The memory of a burst is not kept. */
static void end_batch(kt_stream_writer *w)
{
    kt_buffer_clear(&w->writing);
    w->sent = 0;
    if (w->writing.capacity / 2 > high_of(w))
        kt_buffer_release(&w->writing);
}

static void next_batch(kt_stream_writer *w)
{
    kt_buffer empty = w->writing;
    w->writing = w->filling;
    w->filling = empty;
}

/* In parts, since the low mark is to be seen when it is reached, and not when all has been written. */
static int write_batch(kt_stream_writer *w)
{
    next_batch(w);
    while (w->sent < w->writing.size) {
        ssize_t n = kt_stream_write_some(w->stream, w->writing.data + w->sent, w->writing.size - w->sent);
        if (n < 0)
            return (int)n;
        w->sent += (size_t)n;
        if (kt_stream_writer_buffered(w) <= low_of(w))
            w->paused = false;
        kt_event_set(&w->moved);
    }
    end_batch(w);
    return 0;
}

static int write_batches(void *arg)
{
    kt_stream_writer *w = arg;
    int rc = 0;
    while (rc == 0) {
        kt_event_clear(&w->work);
        rc = w->filling.size > 0 ? write_batch(w) : kt_event_wait(&w->work);
    }
    return rc;
}

/* Also of a task that never began. */
static void task_over(void *arg)
{
    kt_stream_writer *w = arg;
    kt_event_set(&w->moved);
}

static int start(kt_stream_writer *w)
{
    if (w->task)
        return 0;
    if (!w->stream || low_of(w) > high_of(w))
        kt__misuse("kt_stream_writer: it needs a stream, and a low mark that is not above the high one");
    const kt_spawn_options options = {.name = "stream writer", .drop = task_over};
    return kt_spawn_with(&options, write_batches, w, 0, &w->task);
}

/* 0 while it writes. */
static int task_error(kt_stream_writer *w)
{
    if (!w->task || !kt_task_done(w->task))
        return 0;
    int rc = kt_task_result(w->task);
    return kt_is_cancel(rc) ? KT_ESHUTDOWN : rc; /* not of whoever asks */
}

/* ---- Writing ------------------------------------------------------------------------------- */

static int wait_for_move(kt_stream_writer *w)
{
    kt_event_clear(&w->moved);
    return kt_event_wait(&w->moved);
}

static int refusal(kt_stream_writer *w)
{
    return w->state == OPEN ? task_error(w) : KT_ESHUTDOWN;
}

static int wait_for_room(kt_stream_writer *w)
{
    int rc = refusal(w);
    while (rc == 0 && w->paused) {
        rc = wait_for_move(w);
        if (rc == 0)
            rc = refusal(w);
    }
    return rc;
}

static int take(kt_stream_writer *w, const void *bytes, size_t size)
{
    int rc = start(w);
    if (rc == 0)
        rc = kt_buffer_append(&w->filling, bytes, size);
    if (rc < 0)
        return rc;
    w->taken += size;
    w->paused = w->paused || kt_stream_writer_buffered(w) > high_of(w);
    kt_event_set(&w->work);
    return 0;
}

static int write_in_turn(kt_stream_writer *w, const void *bytes, size_t size)
{
    int rc = kt_lock_acquire(&w->door);
    if (rc < 0)
        return rc;
    rc = wait_for_room(w);
    if (rc == 0)
        rc = take(w, bytes, size);
    kt_lock_release(&w->door);
    return rc;
}

static int leave(kt_stream_writer *w, int rc)
{
    if (--w->inside == 0)
        kt_event_set(&w->moved);
    return rc;
}

int kt_stream_writer_write(kt_stream_writer *w, const void *bytes, size_t size)
{
    w->inside++;
    return leave(w, write_in_turn(w, bytes, size));
}

int kt_stream_writer_write_nowait(kt_stream_writer *w, const void *bytes, size_t size)
{
    int rc = refusal(w);
    if (rc == 0 && (w->paused || w->door.holder))
        rc = KT_EFULL;
    return rc < 0 ? rc : take(w, bytes, size);
}

/* ---- Flushing and closing ------------------------------------------------------------------ */

/* Bytes that are taken meanwhile do not count, or who flushes could wait for ever. */
static int wait_until_written(kt_stream_writer *w)
{
    const uint64_t end = w->taken;
    int rc = 0;
    while (rc == 0 && w->taken - kt_stream_writer_buffered(w) < end) {
        rc = task_error(w);
        if (rc == 0)
            rc = wait_for_move(w);
    }
    return rc;
}

int kt_stream_writer_flush(kt_stream_writer *w)
{
    if (w->state == CLOSED)
        return KT_ESHUTDOWN;
    w->inside++;
    return leave(w, wait_until_written(w));
}

/* False if it is closed. */
static bool begin_to_close(kt_stream_writer *w)
{
    if (w->state == CLOSING)
        kt__misuse("kt_stream_writer_close: another task is closing it");
    if (w->state == CLOSED)
        return false;
    w->state = CLOSING;
    kt_event_set(&w->moved);
    return true;
}

/* The task is joined last: those who leave still ask how it has ended. */
static void end_task(kt_stream_writer *w)
{
    kt_cancel_hold();
    if (w->task)
        kt_task_cancel(w->task);
    while (w->inside > 0) {
        int rc = wait_for_move(w);
        (void)rc; /* held back */
    }
    int rc = w->task ? kt_task_join(kt_steal(w->task)) : 0;
    if (rc == KT_ECANCELED && kt_stream_writer_buffered(w) > 0)
        w->stream->torn = true;
    kt_cancel_unhold();
}

static void end(kt_stream_writer *w)
{
    end_task(w);
    kt_buffer_release(&w->filling);
    kt_buffer_release(&w->writing);
    w->sent = 0;
    w->paused = false;
    w->state = CLOSED;
}

int kt_stream_writer_close(kt_stream_writer *w)
{
    if (!begin_to_close(w))
        return 0;
    int rc = wait_until_written(w);
    end(w);
    return rc;
}

void kt_stream_writer_cleanup(kt_stream_writer *w)
{
    if (begin_to_close(w))
        end(w);
}
