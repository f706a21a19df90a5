/* SPDX-License-Identifier: MIT */
#include <kettle/group.h>
#include <kettle/process.h>
#include <kettle/sync.h>
#include <kettle/timeout.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>

/* How long a pipe may stay open after the child's end, first before and then after the group is
 * killed. A grandchild that flushes its last lines needs milliseconds. */
#define GRACE KT_MS(500)
#define CHUNK_BYTES (64 * 1024)

/* Counts the readers that have not come to an end. */
typedef struct drain {
    unsigned readers;
    kt_event done;
} drain;

typedef struct capture {
    kt_stream *stream; /* NULL: no pipe */
    kt_buffer bytes;
    size_t bytes_max;
    uint64_t dropped;
    drain *drain;
} capture;

static int keep(capture *c, kt_slice bytes)
{
    size_t room = c->bytes_max - c->bytes.size;
    size_t kept = bytes.size < room ? bytes.size : room;
    int rc = kt_buffer_append(&c->bytes, bytes.data, kept);
    if (rc == 0)
        c->dropped += bytes.size - kept;
    return rc;
}

static int read_all(capture *c)
{
    for (;;) {
        kt_slice bytes;
        ssize_t size = kt_stream_fill(c->stream, 0, CHUNK_BYTES, &bytes);
        if (size <= 0)
            return (int)size;
        int rc = keep(c, bytes);
        if (rc < 0)
            return rc;
        kt_stream_consume(c->stream, bytes.size);
    }
}

KT_FN(read_output, a, struct { capture *capture; })
{
    int rc = read_all(a->capture);
    if (--a->capture->drain->readers == 0)
        kt_event_set(&a->capture->drain->done);
    return rc;
}

KT_FN(feed_input, a, struct { kt_process *process; kt_slice input; })
{
    int rc = kt_stream_write(kt_process_stdin(a->process), a->input.data, a->input.size);
    kt_process_close_stdin(a->process);
    /* A program may end, or close its stdin, before it has read everything. */
    return rc == -EPIPE || rc == -ECONNRESET ? 0 : rc;
}

/* 1 when every reader is done, 0 when GRACE was over first, or the cancellation's code. */
static int await_drain(drain *d)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, GRACE);
    int rc = kt_timeout_end(&limit, kt_event_wait(&d->done));
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        return 0;
    return rc < 0 ? rc : 1;
}

static int await_all(kt_process *p, drain *d)
{
    int rc = kt_process_wait(p, NULL);
    if (rc < 0)
        return rc;
    rc = await_drain(d);
    if (rc != 0)
        return rc;
    /* What may not be killed is treated as what has left the group, only sooner. */
    return kt_process_signal(p, SIGKILL) < 0 ? 0 : await_drain(d);
}

static int exchange(kt_process *p, kt_slice input, capture captures[2], drain *d)
{
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 2; i++) {
        if (!captures[i].stream)
            continue;
        rc = kt_group_spawn(&tasks, KT_WITH(read_output, .capture = &captures[i]));
        if (rc == 0)
            d->readers++;
    }
    if (d->readers == 0)
        kt_event_set(&d->done);
    if (rc == 0 && input.size > 0)
        rc = kt_group_spawn(&tasks, KT_WITH(feed_input, .process = p, .input = input));
    else
        kt_process_close_stdin(p);
    if (rc == 0)
        rc = await_all(p, d);
    if (rc >= 0)
        kt_group_cancel(&tasks); /* what waits for a pipe that somebody out of reach holds open */
    rc = kt_group_join(&tasks, rc);
    return rc < 0 ? rc : 0;
}

/* The buffer's own cap stays the caller's. */
static void deliver(capture *c, kt_buffer *ret_bytes)
{
    if (!ret_bytes)
        return;
    size_t size_max = ret_bytes->size_max;
    kt_buffer_release(ret_bytes);
    *ret_bytes = c->bytes;
    ret_bytes->size_max = size_max;
    c->bytes = (kt_buffer)KT_BUFFER_INIT;
}

int kt_process_communicate(kt_process *p, kt_slice input, size_t output_max, kt_buffer *ret_out,
                           kt_buffer *ret_err)
{
    if (input.size > 0 && !kt_process_stdin(p))
        return kt_error_set(-EINVAL, "input for a program without a pipe to its stdin");
    drain d = {0, KT_EVENT_INIT};
    capture captures[2] = {
        {.stream = kt_process_stdout(p), .bytes_max = ret_out ? output_max : 0, .drain = &d},
        {.stream = kt_process_stderr(p), .bytes_max = ret_err ? output_max : 0, .drain = &d},
    };
    for (int i = 0; i < 2; i++)
        captures[i].bytes = (kt_buffer)KT_BUFFER_INIT_MAX(captures[i].bytes_max);
    int rc = exchange(p, input, captures, &d);
    if (rc == 0) {
        uint64_t dropped = captures[0].dropped + captures[1].dropped;
        deliver(&captures[0], ret_out);
        deliver(&captures[1], ret_err);
        rc = dropped < INT_MAX ? (int)dropped : INT_MAX;
    }
    kt_buffer_release(&captures[0].bytes);
    kt_buffer_release(&captures[1].bytes);
    return rc;
}
