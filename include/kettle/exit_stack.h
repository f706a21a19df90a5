/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_EXIT_STACK_H
#define KETTLE_EXIT_STACK_H

/* Clean-ups whose number is known only at run time, run in reverse on every way out of a scope.
 *
 *     kt_auto(kt_exit_stack) stack = KT_EXIT_STACK_INIT;
 *     for (size_t i = 0; i < n; i++) {
 *         kt_stream *s;
 *         int rc = kt_stream_connect(hosts[i], port, &s);
 *         if (rc == 0)
 *             rc = kt_exit_stack_push(&stack, close_stream, s);
 *         if (rc < 0)
 *             return rc;                  // those that were opened are closed, the last one first
 *     }
 *
 * Where the number is known, kt_auto alone does. Closers may wait: cancellations are held back meanwhile, as
 * in any destructor. Like contextlib.AsyncExitStack. */

#include <kettle/task.h>

KT_BEGIN

/* In the caller's storage; must not move while it is being closed. */
typedef struct kt_exit_stack {
    struct kt__exit *exits;
    size_t count, capacity;
    uintptr_t reserved[1];
} kt_exit_stack;

#define KT_EXIT_STACK_INIT {NULL, 0, 0, {0}}

/* Pushes a closer: fn(arg) will be called once. 0; or -ENOMEM, and then it has been called already, so that
 * in either case `arg` is no longer the caller's concern. Does not suspend, except as fn does in that last
 * case. Like AsyncExitStack.push_async_callback. */
KT_API int kt_exit_stack_push(kt_exit_stack *s, void (*fn)(void *arg), void *arg) KT_CHECKED;

/* Pushes one that is told how the scope ends: fn(arg, rc) gets what those after it have made of the rc, and
 * returns what is left of it: rc itself, 0 if the failure is dealt with, another one in its place.
 * Without memory it is called with -ENOMEM, whatever it answers. Else as above. Like
 * AsyncExitStack.push_async_exit. */
KT_API int kt_exit_stack_push_exit(kt_exit_stack *s, int (*fn)(void *arg, int rc), void *arg) KT_CHECKED;

/* Runs all closers, the last one first, also those that are pushed meanwhile, and leaves the stack empty,
 * ready to be used again. `rc` is how the body ended; returns what they have left of it. If that was a
 * cancellation and none is left, it is over as after kt_cancel_catch, unless another came meanwhile. Suspends as
 * the closers do; a cancellation is held back and shows at the next call. Like AsyncExitStack.aclose
 * and __aexit__. */
KT_API int kt_exit_stack_close(kt_exit_stack *s, int rc) KT_CHECKED;

/* Takes all closers out, so that what they close outlives the scope: the caller has them in a new stack. Does
 * not suspend. Like AsyncExitStack.pop_all. */
KT_API kt_exit_stack kt_exit_stack_pop_all(kt_exit_stack *s) KT_CHECKED;

/* Closes it; closers are told KT_ECANCELED, since an early return does not say why, and whatever they answer, a
 * cancellation goes on. Suspends as they do; it is held back meanwhile. For kt_auto. */
KT_API void kt_exit_stack_cleanup(kt_exit_stack *s);

KT_END

#endif
