/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_LOOP_H
#define KETTLE_LOOP_H

/* The loop itself: calls into it from other threads, readiness of foreign descriptors, and what it
 * runs on. Most programs need only kt_run (task.h). */

#include <kettle/task.h>

KT_BEGIN

/* The loop that runs on this thread, NULL if none. Any thread. Like get_running_loop. */
KT_API kt_loop *kt_loop_current(void);

/* "epoll", "uring" or "sim". */
KT_API const char *kt_loop_driver(const kt_loop *loop);

/* Runs fn(arg) on the loop's thread, outside any task, after what is ready already, with the context values of the
 * caller. It must not suspend. The loop must still be running when this is called; a call that has not begun when the
 * loop ends is dropped. 0 or -ENOMEM. Any thread, not from a signal handler. Does not suspend.
 * Like loop.call_soon_threadsafe. */
KT_API int kt_call_threadsafe(kt_loop *loop, void (*fn)(void *arg), void *arg) KT_CHECKED;

enum {
    KT_READABLE = 1, /* bytes, a connection, or the end of file can be read */
    KT_WRITABLE = 4,
};

/* Waits until descriptor fd is ready and returns what it is ready for (errors and hang-ups count as
 * both; a regular file is always ready). One waiter a descriptor, which must stay open meanwhile:
 * another may get -EEXIST (epoll tells, uring does not). -EBADF, -ENOMEM, KT_ENOTSIM, or the
 * cancellation's code. Suspends. For foreign libraries; Kettle's own streams need it not. Like
 * loop.add_reader, see poll(2). */
KT_API int kt_fd_wait(int fd, int events) KT_CHECKED;

/* Calls fn(arg) for as long as descriptor fd is ready for `event`, KT_READABLE or KT_WRITABLE (errors and
 * hang-ups count as both), in a callback of its own for each turn of the loop: level-triggered, so fn need not
 * take all that is there. It may find nothing: another callback of the same turn can have been quicker. A
 * descriptor has one function for each direction; watching again replaces it at once. fn runs outside any
 * task, with the context values of whoever set it, must not suspend, and may watch, unwatch and close.
 *
 * The descriptor stays the caller's, is not changed (O_NONBLOCK is the caller's affair), and is unwatched
 * before it is closed. Nobody else may wait on it: -EEXIST, or misuse once that is noticed later. What is
 * still watched when the loop ends is unwatched. 0; -EBADF, -ENOMEM, KT_ENOTSIM, or KT_ENOTRUNNING outside a
 * loop; a watch that is to be replaced then stays. Does not suspend. For foreign libraries (libcurl,
 * libpq). Like loop.add_reader and add_writer. */
KT_API int kt_fd_watch(int fd, int event, void (*fn)(void *arg), void *arg) KT_CHECKED;

/* Ends the watch for one `event`: from now on its function is not called. False if there was none. Does not
 * suspend. Like loop.remove_reader and remove_writer. */
KT_API bool kt_fd_unwatch(int fd, int event);

KT_END

#endif
