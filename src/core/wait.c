/* SPDX-License-Identifier: MIT */

/* Waiting for several tasks. */

#include <errno.h>
#include <kettle/callback.h>
#include <kettle/memory.h>
#include <kettle/wait.h>

#include "core/core.h"

/* A watch on one task: a callback at its end that runs inline, since it is ours. */
typedef struct watch {
    kt_callback callback;
    kt_task *task;
    struct kt__completions *owner;
    struct watch *next; /* among those that have ended */
} watch;

/* The watches of one wait or iteration. */
typedef struct kt__completions {
    kt__waiters waiter;
    kt_wait_mode mode;
    size_t count, missing; /* tasks; how many have not been seen to end */
    bool fulfilled;
    watch *first, *last; /* ended, and not handed out */
    watch watches[];
} kt__completions;

static bool failed(const kt_task *t)
{
    return t->rc < 0 && t->rc != KT_ECANCELED;
}

static void task_ended(void *arg)
{
    watch *w = arg;
    kt__completions *c = w->owner;
    c->missing--;
    w->next = NULL;
    if (c->last)
        c->last->next = w;
    else
        c->first = w;
    c->last = w;
    if (c->missing == 0 || c->mode == KT_WAIT_FIRST_COMPLETED ||
        (c->mode == KT_WAIT_FIRST_FAILED && failed(w->task)))
        c->fulfilled = true;
    if (c->fulfilled)
        kt__line_wake(&c->waiter, 0);
}

static int watch_all(kt_task *const tasks[], size_t n, kt_wait_mode mode, kt__completions **ret)
{
    if (n > (SIZE_MAX - sizeof(kt__completions)) / sizeof(watch))
        return -ENOMEM;
    kt__completions *c = kt_calloc(1, sizeof *c + n * sizeof(watch));
    if (!c)
        return -ENOMEM;
    c->mode = mode;
    c->count = c->missing = n;
    for (size_t i = 0; i < n; i++) {
        if (tasks[i]->loop != kt__loop)
            kt__misuse("a task of another loop cannot be waited for");
        c->watches[i] = (watch){.callback = KT_CALLBACK_INIT, .task = tasks[i], .owner = c};
        kt_task_on_done(tasks[i], &c->watches[i].callback, task_ended, &c->watches[i]);
    }
    *ret = c;
    return 0;
}

static void unwatch(kt__completions *c)
{
    for (size_t i = 0; i < c->count; i++)
        kt_callback_cancel(&c->watches[i].callback);
    kt_free(c);
}

/* ---- kt_wait ------------------------------------------------------------------------------- */

static void awaits_watched(const kt_task *t, kt__each each, void *arg)
{
    const kt__completions *c = t->wait_object;
    for (size_t i = 0; i < c->count; i++)
        if (kt_callback_pending(&c->watches[i].callback) && c->watches[i].task->state != KT__TASK_DONE)
            each(c->watches[i].task, arg);
}

static const kt__wait wait_all = {
    .what = "several tasks",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_plain,
    .awaits = awaits_watched,
};
static const kt__wait wait_any = {
    .what = "one of several tasks",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_plain,
    .awaits = awaits_watched,
    .any = true,
};

static int count_done(kt_task *const tasks[], size_t n)
{
    int done = 0;
    for (size_t i = 0; i < n; i++)
        done += tasks[i]->state == KT__TASK_DONE;
    return done;
}

static void limit_over(kt__ready *r)
{
    kt__timer *timer = KT__OWNER(r, kt__timer, ready);
    kt__completions *c = KT__OWNER(timer, kt_task, timer)->wait_object;
    kt__timer_ran(timer);
    kt__line_wake(&c->waiter, 0);
}

int kt_wait(kt_task *const tasks[], size_t n, kt_wait_mode mode, kt_time limit)
{
    kt_task *self = kt__self("kt_wait");
    if (n == 0)
        return 0;
    if (self->code)
        return kt__yield(self);
    kt__completions *c;
    int rc = watch_all(tasks, n, mode, &c);
    if (rc < 0)
        return rc;
    kt__timer_start(self->loop, &self->timer, kt__deadline(kt_now(), limit), limit_over);
    if (limit <= 0)
        kt__poll_soon(self->loop);
    rc = kt__line_up(self, &c->waiter, mode == KT_WAIT_ALL_COMPLETED ? &wait_all : &wait_any, c);
    kt__timer_stop(self->loop, &self->timer);
    unwatch(c);
    return rc < 0 ? rc : count_done(tasks, n);
}

/* ---- kt_as_completed ------------------------------------------------------------------------ */

int kt_as_completed_start(kt_as_completed *a, kt_task *const tasks[], size_t n)
{
    if (a->completions)
        kt__misuse("kt_as_completed_start: started already");
    return watch_all(tasks, n, KT_WAIT_FIRST_COMPLETED, &a->completions);
}

int kt_as_completed_next(kt_as_completed *a, kt_task **ret_task)
{
    kt_task *self = kt__self("kt_as_completed_next");
    kt__completions *c = a->completions;
    if (!c)
        return 0;
    while (!c->first) {
        if (c->missing == 0)
            return 0;
        int rc = (self->code ? kt__yield(self) : kt__line_up(self, &c->waiter, &wait_any, c));
        if (rc < 0)
            return rc;
    }
    watch *w = c->first;
    c->first = w->next;
    if (!c->first)
        c->last = NULL;
    *ret_task = w->task;
    return 1;
}

void kt_as_completed_cleanup(kt_as_completed *a)
{
    if (a->completions)
        unwatch(kt_steal(a->completions));
}
