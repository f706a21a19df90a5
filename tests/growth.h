/* SPDX-License-Identifier: MIT */
#ifndef TESTS_GROWTH_H
#define TESTS_GROWTH_H

/* What lives long must not grow with the work that it has done. The tests for leaks look at what is left at the end,
 * when everything has been given back, and cannot see that. */

#include "test/kit.h"

#include <malloc.h>

/* What may be on its way out at the moment of looking: a connection that is ending has a buffer or two. */
enum {
    GROWTH_BLOCKS = 40,
    GROWTH_BYTES = 64 * 1024,
    GROWTH_HEAP_BYTES = 256 * 1024,
    GROWTH_DESCRIPTORS = 10,
    GROWTH_TASKS = 10,
};

/* The libraries' memory, too. malloc counts what a thread keeps for its next calls as used. */
static inline size_t heap_bytes(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

static inline size_t open_descriptors(void)
{
    kt__descriptors d;
    kt__test_files_read(&d);
    size_t count = d.count;
    kt__test_files_release(&d);
    return count;
}

typedef struct held {
    size_t blocks, bytes, heap, descriptors, tasks;
} held;

static inline held held_now(void)
{
    size_t descriptors = open_descriptors(), tasks = kt_task_each(NULL, NULL);
    return (held){kt_test_blocks(), kt__test_memory_bytes(), heap_bytes(), descriptors, tasks};
}

/* The first rounds fill what is kept for later: stacks, idle connections, histories. Five times as many follow. */
static inline void check_growth_below(size_t blocks, int rounds, void (*round)(void *arg), void *arg)
{
    for (int i = 0; i < rounds; i++)
        round(arg);
    held before = held_now();
    for (int i = 0; i < 5 * rounds; i++)
        round(arg);
    held after = held_now();
    CHECK_LT(after.blocks, before.blocks + blocks);
    CHECK_LT(after.bytes, before.bytes + GROWTH_BYTES);
    CHECK_LT(after.heap, before.heap + GROWTH_HEAP_BYTES);
    CHECK_LT(after.descriptors, before.descriptors + GROWTH_DESCRIPTORS);
    CHECK_LT(after.tasks, before.tasks + GROWTH_TASKS);
}

static inline void check_no_growth(int rounds, void (*round)(void *arg), void *arg)
{
    check_growth_below(GROWTH_BLOCKS, rounds, round, arg);
}

/* Of rounds behind which nothing is under way any more, and which may leave something at one of many points. */
static inline void check_no_growth_at_all(int rounds, void (*round)(void *arg), void *arg)
{
    check_growth_below(3 * (size_t)rounds, rounds, round, arg);
}

#endif
