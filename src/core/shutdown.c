/* SPDX-License-Identifier: MIT */

/* Graceful shutdown: a group's join under a deadline, after the cancellation has been caught. */

#include <kettle/shutdown.h>

#include "core/core.h"

int kt_shutdown_drain(kt_group *g, kt_time grace, int rc)
{
    if (rc < 0 && !kt_is_cancel(rc))
        return kt_group_join(g, rc);
    int caught = kt_cancel_catch();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, grace);
    int joined = kt_timeout_end(&limit, kt_group_join(g, 0));
    if (joined < 0)
        return joined;
    return caught < 0 ? caught : rc;
}
