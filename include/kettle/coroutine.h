/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_COROUTINE_H
#define KETTLE_COROUTINE_H

/* The layer below tasks: functions that stop in the middle and go on later, by hand; and generators, which
 * are made of them.
 *
 *     KT_FN(numbers, a, struct { int from, to; })
 *     {
 *         for (int i = a->from; i < a->to; i++) {
 *             int rc = kt_yield(&i);           // hands one item to the consumer
 *             if (rc < 0)
 *                 return rc;                   // the consumer has left: clean up, and end
 *         }
 *         return 0;
 *     }
 *
 *     kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
 *     int rc = kt_generator_start(&g, KT_WITH(numbers, .from = 1, .to = 4));
 *     for (int n; rc >= 0 && (rc = kt_next(&g, &n)) == 1;)
 *         printf("%d\n", n);
 *
 * A coroutine is a stack and a place in it. It is no task: it runs inside the task that resumes it, and when
 * it suspends (kt_sleep, a read), that task does. Cancellations and timeouts are that task's, too.
 * Yielding while a timeout, group or hold (kt_cancel_hold) that the body opened is still open is misuse: it would be
 * the consumer's for a while. Used by tasks of one loop. */

#include <kettle/task.h>

KT_BEGIN

typedef struct kt_coroutine kt_coroutine;

typedef enum kt_coroutine_state {
    KT_COROUTINE_FRESH,
    KT_COROUTINE_SUSPENDED, /* in kt_coroutine_yield */
    KT_COROUTINE_RUNNING,   /* also while its body waits for something */
    KT_COROUTINE_ENDED,
} kt_coroutine_state;

/* Makes a coroutine; fn runs at the first resume. For the argument see kt_spawn. The caller owns
 * *ret_coroutine. -ENOMEM, KT_ENOSTACK, KT_ENOTRUNNING. Does not suspend. */
KT_API int kt_coroutine_new(KT__JOB, kt_coroutine **ret_coroutine) KT_CHECKED;

/* Goes on with the body until its next yield or its end. `value` is what its yield gives (the first resume has
 * none to give it to). 1, and what was yielded in *ret_value (which may be NULL); at the end 0, or the
 * body's failure; KT_EINVALIDSTATE when it has ended before. Resuming one that runs is misuse.
 * Suspends as the body does. Like generator.send. */
KT_API int kt_coroutine_resume(kt_coroutine *c, void *value, void **ret_value) KT_CHECKED;

/* In a body: hands `value` to whoever resumed it, and waits to be resumed. 0 and what the resume sent
 * in *ret_sent (which may be NULL); KT_ECLOSED when the coroutine is being closed, then and ever
 * after: clean up and return. Misuse outside a coroutine. Like `yield`. */
KT_API int kt_coroutine_yield(void *value, void **ret_sent) KT_CHECKED;

/* Ends and frees it; NULL is allowed. One that is suspended goes on with KT_ECLOSED until it ends; its
 * clean-up may wait, a cancellation is held back meanwhile. One that never began has nothing to
 * clean up. Closing one that runs is misuse. Like generator.aclose. */
KT_API void kt_coroutine_close(kt_coroutine *c);

/* Where it stands. */
KT_API kt_coroutine_state kt_coroutine_state_of(const kt_coroutine *c);

static inline void kt_coroutine_cleanup(kt_coroutine **c)
{
    kt_coroutine_close(*c);
}

/* ---- Generators (async generators, `async for`) ------------------------------------------ */

typedef struct kt_generator {
    kt_coroutine *coroutine; /* NULL before the start and after the end */
    size_t item_bytes;
    uintptr_t reserved[1];
} kt_generator;

#define KT_GENERATOR_INIT(T) {NULL, sizeof(T), {0}}

/* Prepares fn to run as the producer; nothing of it runs before the first kt_next. Errors as
 * kt_coroutine_new. */
KT_API int kt_generator_start(kt_generator *g, KT__JOB) KT_CHECKED;

/* In a producer: hands a copy of one item to the consumer and waits until it wants the next. 0, or
 * KT_ECLOSED when the consumer has left. */
KT_API int kt_yield(const void *item) KT_CHECKED;

/* Fetches the next item. 1 and the item; 0 at the end, also ever after; the producer's failure, once. Suspends
 * as the producer does. */
KT_API int kt_next(kt_generator *g, void *ret_item) KT_CHECKED;

/* Closes it (see kt_coroutine_close); it is as before the start. For kt_auto. */
KT_API void kt_generator_close(kt_generator *g);

static inline void kt_generator_cleanup(kt_generator *g)
{
    kt_generator_close(g);
}

KT_END

#endif
