/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_CROWD_H
#define TESTS_CORE_CROWD_H

/* Several tasks that use one thing in an order that the seed gives, some of them cancelled at moments that
 * it gives too. What is checked afterwards holds in every order. */

#include "core/core.h"
#include "sure.h"

enum { SEEDS = 1000, CROWD = 8 };

typedef struct member {
    void *thing;
    int number; /* 0 to CROWD - 1 */
} member;

typedef struct crowd {
    kt_task *tasks[CROWD];
    int rcs[CROWD]; /* of those joined */
    int ended, cancelled;
} crowd;

static inline void crowd_start(crowd *c, kt_fn fn, void *thing)
{
    *c = (crowd){.ended = 0};
    for (int i = 0; i < CROWD; i++)
        c->tasks[i] = spawn(fn, &(member){thing, i}, sizeof(member));
}

/* From the seed, as the order of the tasks: 0 to sides - 1. */
static inline int chance(int sides)
{
    return (int)(kt__random(kt_loop_current()) % (unsigned)sides);
}

/* Cancels the members of these numbers, one after another, some turns apart, which the seed gives. */
static inline void crowd_cancel(crowd *c, const int *numbers, int count)
{
    for (int i = 0; i < count; i++) {
        yield_times(chance(6));
        kt_task_cancel(c->tasks[numbers[i]]);
    }
}

/* Joins members from..to-1, each of which ended well or by its cancellation. */
static inline void crowd_join(crowd *c, int from, int to)
{
    for (int i = from; i < to; i++) {
        int rc = c->rcs[i] = kt_task_join(c->tasks[i]);
        kt_test_say("%d: %d", i, rc);
        CHECK(rc >= 0 || rc == KT_ECANCELED);
        c->ended += rc >= 0;
        c->cancelled += rc < 0;
    }
}

#endif
