/* SPDX-License-Identifier: MIT */

/* Debouncer. One worker task for a whole crowd of calls: a call only moves the moment for which the
 * worker waits. It ends when nothing is left to run, and the next call makes another. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/rate.h>

#include "core/core.h"
#include "core/wait_until.h"

typedef struct call {
    kt_fn fn;
    void *arg;
    size_t arg_bytes;
} call;

static call take_call(kt_debouncer *d)
{
    call c = {d->fn, d->arg, d->arg_bytes};
    d->fn = NULL;
    d->arg = NULL;
    d->arg_bytes = 0;
    return c;
}

static void free_call(call c)
{
    if (c.arg_bytes > 0)
        kt_free(c.arg);
}

void kt_debouncer_drop(kt_debouncer *d)
{
    free_call(take_call(d));
    kt_event_set(&d->hurry); /* the worker has nothing to wait for any more */
}

/* Waits until the call is due, whose moment may move meanwhile; then runs it. */
static int run_one(kt_debouncer *d)
{
    while (d->fn && d->due > kt_now()) {
        int rc = kt__event_wait_until(&d->hurry, d->due);
        if (rc < 0)
            return rc;
        if (rc > 0)
            kt_event_clear(&d->hurry);
    }
    if (!d->fn)
        return 0;
    call c = take_call(d);
    d->rc = c.fn(c.arg);
    d->runs++;
    free_call(c);
    return 0;
}

static int work(void *arg)
{
    kt_debouncer *d = arg;
    int rc = 0;
    while (d->fn && rc == 0)
        rc = run_one(d);
    return rc;
}

/* Also of a worker that was cancelled before it began. */
static void work_over(void *arg)
{
    kt_debouncer *d = arg;
    d->working = false;
    kt_event_set(&d->idle);
}

/* Joins a worker that has ended, which does not suspend. */
static void forget_worker(kt_debouncer *d)
{
    if (d->worker) {
        int rc = kt_task_join(kt_steal(d->worker));
        (void)rc; /* is in d->rc */
    }
}

static int make_worker(kt_debouncer *d)
{
    kt_task *t = NULL;
    int rc = kt_spawn_with(&(kt_spawn_options){.name = "debouncer", .drop = work_over}, work, d, 0, &t);
    if (rc < 0)
        return rc;
    forget_worker(d);
    d->worker = t;
    d->working = true;
    kt_event_clear(&d->idle);
    return 0;
}

/* When a call that comes now is due. Nobody is to wait for ever because others go on calling. */
static void set_due(kt_debouncer *d, bool first, kt_time now)
{
    if (first)
        d->latest = d->delay_max > 0 ? kt__deadline(now, d->delay_max) : KT_FOREVER;
    d->due = kt__deadline(now, d->quiet);
    if (d->due > d->latest)
        d->due = d->latest;
    kt_event_clear(&d->hurry);
}

int kt_debouncer_call(kt_debouncer *d, KT__JOB)
{
    call c = {fn, (void *)(uintptr_t)arg, size};
    if (size > 0) {
        c.arg = kt_alloc(size);
        if (!c.arg)
            return -ENOMEM;
        memcpy(c.arg, arg, size);
    }
    int rc = d->working ? 0 : make_worker(d);
    if (rc < 0) {
        free_call(c);
        return rc;
    }
    bool first = !d->fn;
    free_call(take_call(d));
    d->fn = c.fn;
    d->arg = c.arg;
    d->arg_bytes = c.arg_bytes;
    set_due(d, first, kt_now());
    return 0;
}

static void not_from_within(const kt_debouncer *d, const char *what)
{
    if (d->worker && d->worker == kt_task_current())
        kt__misuse("%s: called by the very call that it would wait for", what);
}

int kt_debouncer_flush(kt_debouncer *d)
{
    not_from_within(d, "kt_debouncer_flush");
    if (d->working) {
        if (d->fn)
            d->due = kt_now();
        kt_event_set(&d->hurry);
        int rc = kt_event_wait(&d->idle);
        if (rc < 0)
            return rc;
    }
    return d->rc;
}

void kt_debouncer_cleanup(kt_debouncer *d)
{
    not_from_within(d, "kt_debouncer_cleanup");
    kt_debouncer_drop(d);
    if (!d->worker)
        return;
    kt_cancel_hold();
    kt_task_cancel(d->worker);
    forget_worker(d);
    kt_cancel_unhold();
}
