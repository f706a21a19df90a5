/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SWEEP_SWEEP_H
#define TESTS_SWEEP_SWEEP_H

/* A table of the whole public face of libkettle, one entry a function, and what is done to each:
 *
 *     static int acquires(void *arg)
 *     {
 *         return SWEPT(kt_lock_acquire, (arg));
 *     }
 *
 *     SWEEP(kt_lock_acquire, SUSPENDS)
 *     {
 *         kt_lock lock = KT_LOCK_INIT;
 *         sure(kt_lock_acquire(&lock));
 *         sweep_begin(acquires, &lock);        // the subject, in a task of its own
 *         sure(kt_sleep(KT_S(1)));
 *         kt_lock_release(&lock);
 *         if (sweep_end() >= 0)                // its result, already judged
 *             kt_lock_release(&lock);
 *         sure(kt_lock_acquire(&lock));        // nobody else was harmed
 *         kt_lock_release(&lock);
 *     }
 *
 * The body is the scenario. It runs again and again, each time in a loop of its own which must leave no
 * task, memory or descriptor behind. First nothing is done to it, to see whether the swept call does
 * what the flags say. Then, for every N until a run has no Nth point any more:
 *
 *   SUSPENDS   the call is cancelled when it suspends for the Nth time: before anything else happens; in
 *              the very pass in which it is woken; by a timeout scope; by a failing sibling in a
 *              group. And once before it begins. Wherever it was cancelled at once or before, it is cancelled
 *              a second time: in the same moment, or at each of the next suspensions, where it cleans up.
 *   ALLOCATES  its Nth allocation fails; then the same call is made again, and must work.
 *
 * And of an entry with a subject, unless it is UNREFUSED, the Nth of the system's calls that the swept one makes
 * fails, with each error in turn that calls.c lists for that call: the usual ones of its manual page, and not every
 * call. The swept one succeeds all the same, or fails with that error; then it is made again, and must work.
 *
 * A call that suspends or allocates without the flag fails its entry, and so does a flag without cause.
 * tests/sweep/entries.py compares the entries with what the library exports. */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    PLAIN = 0,        /* neither suspends nor allocates */
    SUSPENDS = 1,
    ALLOCATES = 2,
    HOLDS = 4,        /* a cancellation is held back: it shows at the next call */
    WINS = 8,         /* the result may win over a cancellation, which then shows at the next call */
    TELLS = 16,       /* what a cancellation gives is the scenario's to judge */
    SPARES = 32,      /* can do without some of its allocations */
    WHOLE = 64,       /* what others allocate while it waits counts too: tasks of its own */
    REAL = 128,       /* needs a driver with descriptors; in virtual time */
    REAL_TIME = 256,  /* and the real clock */
    NO_LOOP = 512,    /* the scenario runs outside any loop */
    LASTING = 1024,   /* after a system call that failed, what it works on is of no more use */
    UNREFUSED = 2048, /* no system call fails: the entry says why */
};

typedef struct sweep_entry {
    const char *symbol;
    void (*scenario)(void);
    unsigned flags;
} sweep_entry;

void sweep_run(const sweep_entry *e);

#define SWEEP__TEST(symbol, name, flags) \
    static void sweep_of_##name(void); \
    TEST_WITH(name, KT_TEST_NO_LOOP | ((flags) & REAL ? KT_TEST_REAL_IO : 0) | \
                        ((flags) & REAL_TIME ? KT_TEST_REAL_TIME : 0)) \
    { \
        const sweep_entry e = {#symbol, sweep_of_##name, (flags)}; \
        sweep_run(&e); \
    } \
    static void sweep_of_##name(void)

/* The entry of a function; and one more, for another way of calling it. */
#define SWEEP(symbol, flags) SWEEP__TEST(symbol, symbol, flags)
#define SWEEP_AS(symbol, variant, flags) SWEEP__TEST(symbol, symbol##__##variant, flags)

/* Calls the function that the entry is about: SWEPT(kt_sleep, (KT_S(1))). What suspends is called in the
 * subject; all else may be called anywhere in the scenario. */
#define SWEPT(f, args) \
    __extension__({ \
        __attribute__((cleanup(sweep_leave))) const int sweep_span = sweep_enter(#f); \
        (void)sweep_span; \
        f args; \
    })
int sweep_enter(const char *symbol);
void sweep_leave(const int *span);

/* Runs fn(arg) as the subject: in a task of its own (begin, and end, which joins it); or in the
 * calling one. Returns what fn returned, which was judged by the flags; fn is called a second time
 * after an allocation has failed. A result >= 0 is a success. */
void sweep_begin(kt_fn fn, void *arg);
int sweep_end(void);
int sweep_subject(kt_fn fn, void *arg);

/* For scenarios with NO_LOOP: a loop after all, for what must be prepared outside any. */
void sweep_loop(void (*fn)(void *arg), void *arg);

/* Has the subject been cancelled, or an allocation failed, in this run so far? */
bool sweep_struck(void);

/* The errno with which a system call of the swept one has failed in this run; 0: none has. */
int sweep_refused(void);

/* Will it be cancelled after this pass? */
bool sweep_aims(void);

/* Is the run one in which an allocation fails? */
bool sweep_starved(void);

/* Is nothing done to this run? */
bool sweep_calm(void);

/* Are there real descriptors, threads, time? */
static inline bool sweep_simulated(void)
{
    return strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0;
}

/* A listener on 127.0.0.1, for a scenario. Of its port the runs to come make use again. */
void sweep_listen(kt_listener **ret_listener);

/* For what cannot fail in a scenario. */
static inline void sure(int rc)
{
    CHECK_OK(rc);
}

/* In virtual time, and whatever the order of the tasks: all come to where they wait for something. */
static inline void settle(void)
{
    sure(kt_sleep(KT_MS(1)));
}

/* Virtual time stands still while an operation is under way, so who waits for the subject counts turns. */
static inline void turns(int n)
{
    for (int i = 0; i < n; i++)
        sure(kt_sleep(0));
}

static inline kt_task *spawn(KT__JOB)
{
    kt_task *t = NULL;
    sure(kt_spawn(fn, arg, size, &t));
    return t;
}

static inline int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Sleeps for as many milliseconds as the int at arg says. */
static inline int naps(void *arg)
{
    return kt_sleep(KT_MS(*(int *)arg));
}

#endif
