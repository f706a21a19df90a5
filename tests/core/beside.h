/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_BESIDE_H
#define TESTS_CORE_BESIDE_H

/* Threads beside the test's loop. */

#include "sure.h"

#include <pthread.h>

static inline void *beside_run(void *job)
{
    const kt_job *j = job;
    CHECK_OK(j->fn((void *)(uintptr_t)j->arg));
    return NULL;
}

/* A thread that calls the job's function, which must not fail; the job stays where it is. */
static inline pthread_t start(kt_job *job)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, beside_run, job), 0);
    return thread;
}

static inline void end(pthread_t thread)
{
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* A thread calls fn(arg) while the loop stands still. */
static inline void elsewhere(kt_fn fn, void *arg)
{
    end(start(&(kt_job){.fn = fn, .arg = arg}));
}

static inline int sends_five(void *channel)
{
    return kt_channel_send_nowait(channel, &(int){5});
}

#endif
