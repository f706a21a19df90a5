/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_STREAM_WATCH_H
#define KETTLE_STREAM_WATCH_H

/* Waiting for bytes without a task, for programs that hold many streams on which little happens: where a task and its
 * stack cost five kilobytes, a watch costs a few hundred bytes.
 *
 *     static void readable(void *arg)             // no task: it must not suspend
 *     {
 *         conn *c = arg;
 *         ... kt_spawn(serve, &c, sizeof c, &c->task) ...   // which reads, and then watches again
 *     }
 *
 *     rc = kt_stream_watch(c->stream, readable, c);
 *
 * Thread rule: on the loop's thread. */

#include <kettle/stream.h>

KT_BEGIN

/* Calls fn(arg) once, outside tasks and with the context of the caller, as soon as a read from s need not wait:
 * bytes are there, or the end, or an error, which that read will tell. Until then nobody may read from s, nor start
 * TLS on it; that, or a second watch, is misuse. Whoever wants to end the watch earlier hangs up
 * (kt_stream_hang_up), which makes it call fn, or closes the stream: then fn is not called. 0; -EOPNOTSUPP for a
 * stream that is no descriptor's: under TLS (where a write may have to read), in memory, simulated, within HTTP/2;
 * KT_ECLOSED; -ENOMEM. Does not suspend. Like loop.add_reader, for one time. */
KT_API int kt_stream_watch(kt_stream *s, void (*fn)(void *arg), void *arg) KT_CHECKED;

KT_END

#endif
