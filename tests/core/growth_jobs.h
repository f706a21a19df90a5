/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_GROWTH_JOBS_H
#define TESTS_CORE_GROWTH_JOBS_H

/* What tasks do in the tests for growth. */

#include <errno.h>
#include <kettle/kettle.h>

static inline int succeeds(void *arg)
{
    (void)arg;
    return 0;
}

static inline int yields(void *arg)
{
    (void)arg;
    return kt_sleep(0);
}

static inline int fails(void *arg)
{
    (void)arg;
    return kt_error_set(-EIO, "the kettle leaks");
}

#endif
