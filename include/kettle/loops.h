/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_LOOPS_H
#define KETTLE_LOOPS_H

/* Several loops in one process: one for each CPU, or one that is kept apart.
 *
 *     static int serve(void *arg)                  // in every loop, each on a thread of its own
 *     {
 *         kt_balancer *shared = arg;
 *         kt_auto(kt_listener) *l = NULL;
 *         int rc = kt_balancer_listen(shared, &l); // this loop's share of the connections (balancer.h)
 *         return rc < 0 ? rc : kt_http_serve(l, NULL, answer, NULL);
 *     }
 *
 *     rc = kt_loops_run(0, serve, shared, 0);   // in a task: until all of them have ended
 *
 * Loops share nothing: a task stays on the loop on which it began, and what it uses (streams, locks, queues)
 * belongs to that loop. What has to cross takes a channel (channel.h) or a call (loop.h, remote.h).
 *
 * The loops are children of the task that runs them, as in a group: they have ended when the call returns, a
 * failure of one cancels the others, and a cancellation of the caller, by Ctrl-C for one, is passed on to all. */

#include <kettle/task.h>

KT_BEGIN

/* Runs fn as the main task of a loop of its own, on a thread of its own, while the caller's loop goes on, and
 * waits for its end. The new loop has the given options, NULL means those of the caller's loop; signals
 * are the affair of the caller's in any case. `size` bytes of arg are copied; fn sees the caller's context.
 *
 * Returns fn's result, whose words become the caller's. A cancellation is passed on to fn's task and its end
 * awaited: if it ends by that, the cancellation's code is returned; if not, its result, and the cancellation
 * shows at the next suspending call. -ENOMEM, -EAGAIN: there was no thread; errors as kt_run; KT_ENOTSIM.
 * Suspends. Like asyncio.run in asyncio.to_thread. */
KT_API int kt_loop_run(const kt_options *options, KT__JOB) KT_CHECKED;

#define KT_LOOPS_MAX 1024

/* Runs fn once in each of `count` loops and waits until all have ended: as a task of the caller's own loop, and
 * as the main task of the others, which have the same options. 0 means one loop for each CPU that the process may
 * use. Each fn gets its own copy of the argument (size 0: the pointer itself, which all of them share). The
 * system places the threads; to bind them, fn calls pthread_setaffinity_np(3), which threads and
 * processes made there inherit.
 *
 * The first that fails cancels the others; its error is returned, kt_group_failures has all of them. A
 * cancellation of the caller is passed on to all. 0 if all went well; -EINVAL for more than KT_LOOPS_MAX;
 * -ENOMEM, -EAGAIN and errors as kt_run, when one of the loops could not be made. Suspends. In
 * virtual time, which stands still while another thread is waited for, they are tasks of the one loop. */
KT_API int kt_loops_run(unsigned count, KT__JOB) KT_CHECKED;

/* Which of the loops of kt_loops_run this is, from 0, the caller's; and how many there are. A value of the context
 * (context.h), so tasks, callbacks and jobs on pool threads see it too. Elsewhere 0, and 1. Any thread. */
KT_API unsigned kt_loops_index(void);
KT_API unsigned kt_loops_count(void);

KT_END

#endif
