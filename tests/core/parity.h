/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_PARITY_H
#define TESTS_CORE_PARITY_H

/* Twins of asyncio scenarios. The number in a test's name is the scenario's; what it expects was
 * printed by CPython. kt_cancel_catch stands where Python has `except CancelledError` or `finally`. */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define U KT_MS(20)

static inline const char *yes(bool value)
{
    return value ? "yes" : "no";
}

/* For what a scenario cannot fail at. */
static inline void sure(int rc)
{
    CHECK_OK(rc);
}

/* Scenarios that sleep without a look at the outcome. */
static inline void units(int n)
{
    sure(kt_sleep(n * U));
}

#endif
