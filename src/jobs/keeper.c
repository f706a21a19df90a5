/* SPDX-License-Identifier: MIT */

/* The keeper: tasks hand it what they want of the store; it takes all that wait, runs them on a pool
 * thread in one transaction, and answers when that is on the disk. So the price of an fdatasync is
 * shared by everybody who waited for it, and the longer the disk takes, the more share the next. */

#include <errno.h>
#include <kettle/task.h>
#include <kettle/thread.h>
#include <stdio.h>

#include "jobs/engine.h"

/* Requests in one transaction: bounds how long the first of them waits for the last. */
#define BATCH_MAX 1024
/* After a commit that failed (a full disk), before the next try. */
#define PAUSE_AFTER_FAILURE KT_MS(200)

KT_FN(run_batch, batch, struct { kt__store *store; kt__request *first; })
{
    int rc = kt__store_begin(batch->store);
    bool begun = rc == 0;
    for (kt__request *r = batch->first; r && begun; r = r->next) {
        r->rc = r->work(batch->store, r->arg);
        if (r->rc < 0)
            snprintf(r->detail, sizeof r->detail, "%s", kt_error_detail());
        if (r->rc == KT_ESTORE)
            break;
    }
    if (begun)
        rc = kt__store_commit(batch->store);
    if (rc == 0)
        return 0;
    for (kt__request *r = batch->first; r; r = r->next) {
        r->rc = rc;
        snprintf(r->detail, sizeof r->detail, "%s", kt_error_detail());
    }
    return rc;
}

static kt__request *take_batch(kt__keeper *k)
{
    kt__request *first = k->first, *last = first;
    for (int n = 1; n < BATCH_MAX && last->next; n++)
        last = last->next;
    k->first = last->next;
    if (!k->first)
        k->last = NULL;
    last->next = NULL;
    return first;
}

static void answer(kt__request *first)
{
    for (kt__request *r = first, *next; r; r = next) {
        next = r->next; /* r is gone once its task runs */
        kt_event_set(&r->done);
    }
}

static void fail_batch(kt__request *first, int rc)
{
    for (kt__request *r = first; r; r = r->next) {
        r->rc = rc;
        snprintf(r->detail, sizeof r->detail, "%s", kt_error_detail());
    }
}

static void work_off(kt__keeper *k)
{
    while (k->first) {
        kt__request *batch = take_batch(k);
        kt_cancel_hold(); /* what has been taken is answered */
        int rc = kt_thread_run(KT_WITH(run_batch, .store = k->store, .first = batch));
        if (rc == -EAGAIN || rc == -ENOMEM)
            fail_batch(batch, rc); /* no thread: nothing has run */
        answer(batch);
        if (rc < 0 && kt_sleep(PAUSE_AFTER_FAILURE) < 0)
            kt_cancel_catch(); /* cannot be: cancellations are held back */
        kt_cancel_unhold();
    }
}

int kt__keeper_run(void *keeper)
{
    kt__keeper *k = keeper;
    int rc;
    do {
        work_off(k);
        kt_event_clear(&k->work);
        rc = kt_event_wait(&k->work);
    } while (rc == 0);
    work_off(k);
    k->open = false;
    return rc;
}

void kt__keeper_close(kt__keeper *k)
{
    k->open = false;
    while (k->first) {
        kt__request *batch = take_batch(k);
        fail_batch(batch, kt_error_set(KT_ESHUTDOWN, "the job system is not at work"));
        answer(batch);
    }
}

int kt__keeper_do(kt__keeper *k, int (*work)(kt__store *store, void *arg), void *arg)
{
    if (!k->open)
        return kt_error_set(KT_ESHUTDOWN, "the job system is not at work");
    kt__request r = {.work = work, .arg = arg, .rc = KT_ESTORE, .done = KT_EVENT_INIT}; /* until it has run */
    if (k->last)
        k->last->next = &r;
    else
        k->first = &r;
    k->last = &r;
    kt_event_set(&k->work);
    kt_cancel_hold();
    int rc = kt_event_wait(&r.done);
    kt_cancel_unhold();
    if (rc == 0)
        rc = r.rc;
    return rc < 0 ? kt_error_set(rc, "%s", r.detail) : rc;
}
