/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CORE_WAIT_UNTIL_H
#define KETTLE_CORE_WAIT_UNTIL_H

/* Waiting for an event, but not beyond a moment. */

#include <kettle/sync.h>
#include <kettle/timeout.h>

/* Waits until the event is set (1) or it is `when` (0), or returns the cancellation's code. Should an outer
 * scope's deadline pass at the same time, the next suspending call tells. */
static inline int kt__event_wait_until(kt_event *e, kt_time when)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start_at(&limit, when);
    int rc = kt_timeout_end(&limit, kt_event_wait(e));
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        return 0;
    return rc < 0 ? rc : 1;
}

#endif
