/* SPDX-License-Identifier: MIT */

/* Periodic work on a fixed grid of times. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/periodic.h>
#include <stdio.h>

#include "base/log.h"
#include "core/core.h"

static const char *name_of(const kt_periodic *p)
{
    return p->name ? p->name : "periodic";
}

static int report(const kt_periodic *p, int rc)
{
    char text[512];
    if (p->failed)
        return p->failed(rc, p->failed_arg);
    const char *detail = kt_error_detail();
    snprintf(text, sizeof text, "kettle: %s failed, and goes on: %s%s%s", name_of(p),
             kt_error_name(rc), detail[0] ? ": " : "", detail);
    kt__log(text);
    return 0;
}

static kt_time first_time(const kt_periodic *p)
{
    if (p->first_after < 0)
        return kt_now();
    return kt__deadline(kt_now(), p->first_after > 0 ? p->first_after : p->interval);
}

/* The first time of the grid that has not passed; those between are missed. The moment itself
 * has not passed: a run that takes just its interval misses nothing. */
static kt_time next_time(kt_periodic *p, kt_time last)
{
    kt_time now = kt_now(), next = kt__deadline(last, p->interval);
    if (next < now) {
        kt_time behind = (now - next + p->interval - 1) / p->interval;
        p->missed += (uint64_t)behind;
        next += behind * p->interval;
    }
    return next;
}

static int run_once(kt_periodic *p, kt_fn fn, void *arg)
{
    kt_task *self = kt__self("kt_periodic_run");
    kt_free(kt_steal(self->detail)); /* words of an earlier failure are not this one's */
    int rc = fn(arg);
    p->runs++;
    if (self->code && kt_is_cancel(rc))
        return self->code;
    if (rc >= 0)
        return 0;
    p->failures++;
    rc = report(p, rc);
    return rc < 0 ? rc : 0;
}

int kt_periodic_run(kt_periodic *p, KT__JOB)
{
    (void)size; /* the caller waits, so nothing need be copied */
    if (p->interval <= 0)
        kt__misuse("kt_periodic: the interval must be more than 0");
    uint64_t left = p->runs_max;
    int rc = 0;
    for (kt_time next = first_time(p); rc == 0; next = next_time(p, next)) {
        rc = kt_sleep(next - kt_now());
        if (rc == 0)
            rc = run_once(p, fn, (void *)(uintptr_t)arg);
        if (p->runs_max > 0 && --left == 0)
            break;
    }
    return rc;
}

static int run_in_task(void *arg)
{
    kt_periodic *p = arg;
    return kt_periodic_run(p, p->fn, p->arg, 0);
}

static void free_arg(kt_periodic *p)
{
    if (p->arg_bytes > 0)
        kt_free(p->arg);
    p->arg = NULL;
    p->arg_bytes = 0;
}

int kt_periodic_start(kt_periodic *p, KT__JOB)
{
    if (p->task && !kt_task_done(p->task))
        kt__misuse("kt_periodic_start: %s is running", name_of(p));
    if (p->interval <= 0)
        kt__misuse("kt_periodic: the interval must be more than 0");
    void *copy = (void *)(uintptr_t)arg;
    if (size > 0) {
        copy = kt_alloc(size);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, arg, size);
    }
    kt_task *t = NULL;
    int rc = kt_spawn_with(&(kt_spawn_options){.name = name_of(p)}, run_in_task, p, 0, &t);
    if (rc < 0) {
        if (size > 0)
            kt_free(copy);
        return rc;
    }
    (void)kt_periodic_stop(p); /* one that has ended by itself: only its remains are cleared */
    p->task = t;
    p->fn = fn;
    p->arg = copy;
    p->arg_bytes = size;
    return 0;
}

int kt_periodic_stop(kt_periodic *p)
{
    if (!p->task)
        return 0;
    if (p->task == kt_task_current())
        kt__misuse("kt_periodic_stop: called from within the run; return an error instead");
    kt_cancel_hold();
    kt_task_cancel(p->task);
    int rc = kt_task_join(p->task); /* ours until it has ended: nobody may start or stop it meanwhile */
    p->task = NULL;
    kt_cancel_unhold();
    free_arg(p);
    return rc == KT_ECANCELED ? 0 : rc;
}
