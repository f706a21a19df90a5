/* SPDX-License-Identifier: MIT */
#ifndef TESTS_GROWTH_H
#define TESTS_GROWTH_H

/* What lives long must not grow with the work that it has done. The tests for leaks look at what is left at the end,
 * when everything has been given back, and cannot see that. */

#include "test/kit.h"

#include <malloc.h>

/* What may be on its way out at the moment of looking: a connection that is ending has a buffer or two. */
enum { GROWTH_BLOCKS = 40, GROWTH_BYTES = 64 * 1024, GROWTH_HEAP_BYTES = 256 * 1024 };

/* The libraries' memory, too. malloc counts what a thread keeps for its next calls as used. */
static inline size_t heap_bytes(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

/* The first rounds fill what is kept for later: stacks, idle connections, histories. Five times as many follow. */
static inline void check_no_growth(int rounds, void (*round)(void *arg), void *arg)
{
    for (int i = 0; i < rounds; i++)
        round(arg);
    size_t blocks = kt_test_blocks(), bytes = kt__test_memory_bytes(), heap = heap_bytes();
    for (int i = 0; i < 5 * rounds; i++)
        round(arg);
    CHECK_LT(kt_test_blocks(), blocks + GROWTH_BLOCKS);
    CHECK_LT(kt__test_memory_bytes(), bytes + GROWTH_BYTES);
    CHECK_LT(heap_bytes(), heap + GROWTH_HEAP_BYTES);
}

#endif
