/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CORE_BLOCKED_H
#define KETTLE_CORE_BLOCKED_H

/* A thread without a loop that waits on a condition variable, within a limit of the real clock. */

#include <pthread.h>
#include <time.h>

#include "core/core.h"

/* The clock is one that nobody can set. */
static inline void kt__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* When a limit that begins now is over, for kt__cond_wait. */
static inline kt_time kt__limit_end(kt_time limit)
{
    struct timespec now;
    if (limit == KT_FOREVER)
        return KT_FOREVER;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return kt__deadline(KT_S(now.tv_sec) + now.tv_nsec, limit > 0 ? limit : 0);
}

/* 0 (woken, or for nothing), or ETIMEDOUT. */
static inline int kt__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, kt_time end)
{
    const struct timespec when = {.tv_sec = end / KT_S(1), .tv_nsec = end % KT_S(1)};
    return end == KT_FOREVER ? pthread_cond_wait(cond, mutex) : pthread_cond_timedwait(cond, mutex, &when);
}

#endif
