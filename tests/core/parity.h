/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_PARITY_H
#define TESTS_CORE_PARITY_H

/* Twins of asyncio scenarios. The number in a test's name is the scenario's; what it expects was
 * printed by CPython. kt_cancel_catch stands where Python has `except CancelledError` or `finally`. */

#include "sure.h"

#define U KT_MS(20)

static inline const char *yes(bool value)
{
    return value ? "yes" : "no";
}

/* Scenarios that sleep without a look at the outcome. */
static inline void units(int n)
{
    sure(kt_sleep(n * U));
}

#endif
