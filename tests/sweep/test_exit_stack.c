/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/exit_stack.h>

enum { FULL = 8 }; /* the first push makes room for so many */

static void counts(void *arg)
{
    ++*(int *)arg;
}

static void waits_and_counts(void *arg)
{
    sure(kt_sleep(KT_S(1))); /* a cancellation is held back */
    sure(kt_sleep(KT_S(1)));
    counts(arg);
}

/* ---- Pushes -------------------------------------------------------------------------------- */

/* A stack that is full, and how often its closers and the swept one were called. */
typedef struct pile {
    kt_exit_stack stack;
    int of_others, of_swept;
} pile;

static void fill(pile *p)
{
    *p = (pile){.stack = KT_EXIT_STACK_INIT};
    for (int i = 0; i < FULL; i++)
        sure(kt_exit_stack_push(&p->stack, counts, &p->of_others));
}

/* Without memory the closer was called within the push. What was there before stays, and is called at the end. */
static void sweep_push(kt_fn pushes)
{
    pile p;
    fill(&p);
    (void)sweep_subject(pushes, &p);
    int failures = sweep_struck();
    CHECK_EQ(p.of_swept, failures);
    CHECK_EQ(p.of_others, 0);
    CHECK_EQ(kt_exit_stack_close(&p.stack, 3), 3);
    CHECK_EQ(p.of_swept, failures + 1);
    CHECK_EQ(p.of_others, FULL);
}

static int pushes(void *arg)
{
    pile *p = arg;
    int before = p->of_swept, rc = SWEPT(kt_exit_stack_push, (&p->stack, counts, &p->of_swept));
    CHECK_EQ(p->of_swept - before, rc < 0 ? 1 : 0);
    return rc;
}

SWEEP(kt_exit_stack_push, ALLOCATES)
{
    sweep_push(pushes);
}

/* What it answers is not what the push answers. */
static int counts_and_swallows(void *arg, int rc)
{
    counts(arg);
    CHECK(rc == 3 || rc == -ENOMEM);
    return rc == 3 ? 3 : 0;
}

static int pushes_exit(void *arg)
{
    pile *p = arg;
    int before = p->of_swept,
        rc = SWEPT(kt_exit_stack_push_exit, (&p->stack, counts_and_swallows, &p->of_swept));
    CHECK_EQ(p->of_swept - before, rc < 0 ? 1 : 0);
    return rc;
}

SWEEP(kt_exit_stack_push_exit, ALLOCATES)
{
    sweep_push(pushes_exit);
}

static int pushes_without_memory(void *arg)
{
    pile *p = arg;
    kt_test_fail_allocation(1);
    CHECK_ERR(SWEPT(kt_exit_stack_push, (&p->stack, waits_and_counts, &p->of_swept)), -ENOMEM);
    return 0;
}

/* The closer that is called within the push waits: it is not disturbed. */
SWEEP_AS(kt_exit_stack_push, without_memory, SUSPENDS | HOLDS)
{
    pile p;
    fill(&p);
    sweep_begin(pushes_without_memory, &p);
    (void)sweep_end();
    CHECK_EQ(p.of_swept, 1);
    CHECK_EQ(kt_exit_stack_close(&p.stack, 0), 0);
    CHECK_EQ(p.of_others, FULL);
}

/* ---- Their end ----------------------------------------------------------------------------- */

static int counts_wait(void *arg, int rc)
{
    waits_and_counts(arg);
    return rc + 1;
}

static int closes(void *arg)
{
    pile *p = arg;
    int rc = SWEPT(kt_exit_stack_close, (&p->stack, 3));
    CHECK_EQ(rc, 4); /* what the closers made of it */
    CHECK_EQ(p->of_swept, 2);
    CHECK_EQ(p->of_others, FULL);
    CHECK_EQ(p->stack.count, 0);
    return rc;
}

/* Every closer runs, once and to its end; the stack can be used again. */
SWEEP(kt_exit_stack_close, SUSPENDS | HOLDS)
{
    pile p;
    fill(&p);
    sure(kt_exit_stack_push_exit(&p.stack, counts_wait, &p.of_swept));
    sure(kt_exit_stack_push(&p.stack, waits_and_counts, &p.of_swept));
    sweep_begin(closes, &p);
    (void)sweep_end();
    sure(kt_exit_stack_push(&p.stack, counts, &p.of_swept));
    CHECK_EQ(kt_exit_stack_close(&p.stack, 0), 0);
    CHECK_EQ(p.of_swept, 3);
}

SWEEP(kt_exit_stack_pop_all, PLAIN)
{
    pile p;
    fill(&p);
    kt_exit_stack all = SWEPT(kt_exit_stack_pop_all, (&p.stack));
    CHECK_EQ(kt_exit_stack_close(&p.stack, 0), 0);
    CHECK_EQ(p.of_others, 0);
    CHECK_EQ(kt_exit_stack_close(&all, 0), 0);
    CHECK_EQ(p.of_others, FULL);
}
