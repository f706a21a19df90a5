/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_SERVER_H
#define KETTLE_SERVER_H

/* A server: accepts connections, runs a task for each, and stops in good order.
 *
 *     static int greet(kt_stream *s, void *arg)
 *     {
 *         (void)arg;
 *         return kt_stream_write(s, "hello\n", 6);
 *     }
 *
 *     kt_auto(kt_server) *server = NULL;
 *     kt_listener *l = NULL;
 *     int rc = kt_listen("127.0.0.1", 8000, NULL, &l);
 *     if (rc == 0)
 *         rc = kt_server_start(l, NULL, greet, NULL, &server);
 *     if (rc == 0)
 *         rc = kt_server_serve_forever(server);    // until it is cancelled, by Ctrl-C for one
 *     else
 *         kt_listener_close(l);
 *
 * The handler's task sees the context of who started the server. What it returns concerns its own
 * connection only: a failure other than KT_ECANCELED goes to the error handler (debug.h), and the server goes on.
 * Calls that wait for the connections' end are misuse in a handler, which would wait for itself. Like
 * asyncio.start_server and asyncio.Server. */

#include <kettle/stream.h>

KT_BEGIN

typedef struct kt_server kt_server;

/* All zero means the defaults. */
typedef struct kt_server_options {
    unsigned connections_max; /* at once; 0 = 10000. Others wait in the system's backlog */
    size_t stack_bytes;       /* of a connection's task; 0 = the loop's */
    const char *name;         /* of these tasks; must outlive the server; NULL = "connection" */
} kt_server_options;

/* Begins to accept on `l`, and to call handler(stream, arg) in a task of its own for each connection. The
 * stream is the server's, which closes it when the handler returns. NULL options mean the defaults. On
 * success the server owns `l`, otherwise it stays the caller's. Without memory, stacks or descriptors it
 * pauses and tries again. The caller owns *ret_server. 0, -ENOMEM, KT_ENOSTACK. In a task; the first
 * connections may be accepted within the call. Like asyncio.start_server. */
KT_API int kt_server_start(kt_listener *l, const kt_server_options *options,
                           int (*handler)(kt_stream *s, void *arg), void *arg,
                           kt_server **ret_server) KT_CHECKED;

/* Stops accepting: new clients are refused from now on; connections go on. The second time nothing
 * happens. Suspends at most to end the accept under way; a cancellation is held back. Like
 * Server.close. */
KT_API void kt_server_close(kt_server *s);

/* Waits until the server is closed and the last connection has ended. 0, or the cancellation's code, which
 * ends only the wait. Any number of tasks may wait. Suspends. Like Server.wait_closed. */
KT_API int kt_server_wait_closed(kt_server *s) KT_CHECKED;

/* Waits like kt_server_wait_closed, but a cancellation stops the server: it is closed and its connections'
 * tasks are cancelled and awaited, then the cancellation's code returned. Suspends. Like
 * Server.serve_forever. */
KT_API int kt_server_serve_forever(kt_server *s) KT_CHECKED;

/* Stops in good order: closes, waits for the connections for `grace` at most (0 = not at all), then
 * cancels the tasks of those left and waits for their end. How many had to be cancelled; or the
 * cancellation's code, which cuts the grace short: the server has stopped all the same. Suspends. */
KT_API int kt_server_stop(kt_server *s, kt_time grace) KT_CHECKED;

/* Hangs up on every client: clients, and the handlers when they read, see the end of file; handlers that
 * write get -EPIPE. The tasks go on until their handlers return. Does not suspend. Like
 * Server.close_clients, shutdown(2). */
KT_API void kt_server_close_clients(kt_server *s);

/* The same by a reset: what is on its way is lost, both sides get -ECONNRESET (on Unix sockets it is
 * kt_server_close_clients). Does not suspend. Like Server.abort_clients. */
KT_API void kt_server_abort_clients(kt_server *s);

/* Does it accept connections? Like Server.is_serving. */
KT_API bool kt_server_is_serving(const kt_server *s);

/* Its listener, still the server's, NULL once it is closed. Like Server.sockets. */
KT_API kt_listener *kt_server_listener(const kt_server *s);

/* Connections whose task has not ended. */
KT_API size_t kt_server_connections(const kt_server *s);

/* Stops it without grace, and frees it; NULL is allowed. Suspends; a cancellation is held back. */
KT_API void kt_server_free(kt_server *s);

static inline void kt_server_cleanup(kt_server **s)
{
    kt_server_free(*s);
}

KT_END

#endif
