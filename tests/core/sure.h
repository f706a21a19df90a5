/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_SURE_H
#define TESTS_CORE_SURE_H

/* What the tests of the core have in common. */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* For what cannot fail in a test. */
static inline void sure(int rc)
{
    CHECK_OK(rc);
}

/* As kt_spawn, and gives the task back. */
static inline kt_task *spawn(KT__JOB)
{
    kt_task *t = NULL;
    sure(kt_spawn(fn, arg, size, &t));
    return t;
}

/* Lets everybody who is ready run, so often. */
static inline void yield_times(int n)
{
    for (int i = 0; i < n; i++)
        sure(kt_sleep(0));
}

/* Sleeps for as many seconds as the int at arg says. */
static inline int sleep_seconds(void *arg)
{
    return kt_sleep(KT_S(*(int *)arg));
}

static inline kt_task *spawn_sleeper(int seconds)
{
    return spawn(sleep_seconds, &seconds, sizeof seconds);
}

#endif
