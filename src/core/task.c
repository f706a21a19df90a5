/* SPDX-License-Identifier: MIT */

/* The life of a task: made, joined, ended. */

#include "core/eyes.h"

#include <errno.h>
#include <kettle/memory.h>
#include <stdio.h>


void kt__no_task(const char *what)
{
    kt__check_forked(what);
    kt__misuse("%s suspends, so it may be called in a task only", what);
}

/* ---- Making -------------------------------------------------------------------------------- */

static void list_add(kt_loop *l, kt_task *t)
{
    t->all_prev = l->tasks_last;
    if (l->tasks_last)
        l->tasks_last->all_next = t;
    else
        l->tasks_first = t;
    l->tasks_last = t;
    l->tasks++;
}

static void list_remove(kt_loop *l, kt_task *t)
{
    if (t->all_prev)
        t->all_prev->all_next = t->all_next;
    else
        l->tasks_first = t->all_next;
    if (t->all_next)
        t->all_next->all_prev = t->all_prev;
    else
        l->tasks_last = t->all_prev;
    l->tasks--;
}

int kt__task_new(kt_loop *l, const void *site, const kt_spawn_options *options, KT__JOB, kt_task **ret_task)
{
    size_t name_bytes = options && options->name ? strlen(options->name) + 1 : 0;
    if (size > SIZE_MAX - sizeof(kt_task) - name_bytes)
        return -ENOMEM;
    kt_task *t = kt_alloc(sizeof *t + size + name_bytes);
    if (!t)
        return -ENOMEM;
    memset(t, 0, sizeof *t + size); /* a size known to the compiler becomes a slow `rep stos` */
    if (name_bytes > 0)
        t->name = memcpy(t->arg_copy + size, options->name, name_bytes);
    t->stack_bytes = options ? options->stack_bytes : 0;
    if (options && options->stack_now) {
        int rc = kt__stack_take(&l->stacks, t->stack_bytes, &t->stack);
        if (rc < 0) {
            kt_free(t);
            return rc;
        }
    }
    t->ready.kind = KT__READY_FRESH;
    t->state = KT__TASK_FRESH;
    t->loop = l;
    t->place.task = t;
    t->drop = options ? options->drop : NULL;
    t->fn = fn;
    t->arg = (void *)(uintptr_t)arg;
    if (size > 0)
        t->arg = memcpy(t->arg_copy, arg, size);
    t->id = ++l->ids;
    t->parent = l->current ? l->current->id : 0;
    t->born = l->virtual_time ? l->virtual_now : l->polled;
    kt__context_begin(t, options ? options->context : NULL);
    list_add(l, t);
    kt__ready_push(l, &t->ready);
    if (KT_UNLIKELY(l->debug))
        kt__eyes_open(t, site);
    if (l->on_spawn)
        l->on_spawn(t, l->on_spawn_arg);
    *ret_task = t;
    return 0;
}

static int spawn(const void *site, const kt_spawn_options *options, KT__JOB, kt_task **ret_task)
{
    kt_loop *l = kt__loop;
    if (!l)
        return kt_error_set(KT_ENOTRUNNING, "kt_spawn outside kt_run");
    int rc = kt__task_new(l, site, options, fn, arg, size, ret_task);
    if (rc == 0 && options && options->eager && l->current)
        kt__run_now(l->current, *ret_task);
    return rc;
}

int kt_spawn_with(const kt_spawn_options *options, KT__JOB, kt_task **ret_task)
{
    return spawn(KT__SITE, options, fn, arg, size, ret_task);
}

int kt_spawn(KT__JOB, kt_task **ret_task)
{
    return spawn(KT__SITE, NULL, fn, arg, size, ret_task);
}

void kt_task_hook_set(void (*fn)(kt_task *t, void *arg), void *arg)
{
    if (!kt__loop)
        kt__misuse("kt_task_hook_set outside a loop");
    kt__loop->on_spawn = fn;
    kt__loop->on_spawn_arg = arg;
}

/* ---- Ending -------------------------------------------------------------------------------- */

/* Tasks that have ended and that somebody may still join: what is left of them goes with the loop. */
static void unclaimed_add(kt_task *t)
{
    kt_loop *l = t->loop;
    t->unclaimed = true;
    t->all_prev = NULL;
    t->all_next = l->unclaimed;
    if (l->unclaimed)
        l->unclaimed->all_prev = t;
    l->unclaimed = t;
}

static void unclaimed_remove(kt_task *t)
{
    if (t->all_prev)
        t->all_prev->all_next = t->all_next;
    else
        t->loop->unclaimed = t->all_next;
    if (t->all_next)
        t->all_next->all_prev = t->all_prev;
    t->unclaimed = false;
}

static void left_failed_remove(kt_task *t)
{
    kt_task **link = &t->loop->left_failed;
    while (*link && *link != t)
        link = &(*link)->sibling_next;
    if (*link)
        *link = t->sibling_next;
}

void kt__task_free(kt_task *t)
{
    if (t->unclaimed)
        unclaimed_remove(t);
    if (KT_UNLIKELY(t->loop->left_failed))
        left_failed_remove(t);
    kt_free(t->name_set);
    kt_free(t->detail);
    kt_free(t->cancel_words);
    kt_free(t->eyes);
    if (KT_UNLIKELY(t->failures))
        kt__failures_unref(t->failures);
    kt__context_end(t);
    kt_free(t);
}

/* Its error has not been read, and cannot be any more. */
static bool is_lost(const kt_task *t)
{
    return t->rc < 0 && t->rc != KT_ECANCELED && !t->told;
}

static void report_lost(kt_task *t, const char *message)
{
    t->told = true;
    kt__unhandled(t->loop, message, t->rc, t->detail, t);
}

void kt__tasks_free_unclaimed(kt_loop *l)
{
    while (l->unclaimed) {
        kt_task *t = l->unclaimed;
        if (is_lost(t))
            report_lost(t, "Task exception was never retrieved");
        if (l->debug)
            kt__eyes_unclaimed(t);
        kt__task_free(t);
    }
}

/* Tasks that were left over and failed are told of together, once all are over, as asyncio.run does. */
static void keep_left_failed(kt_task *t)
{
    kt_task **link = &t->loop->left_failed;
    while (*link && (*link)->id < t->id)
        link = &(*link)->sibling_next;
    t->sibling_next = *link;
    *link = t;
}

void kt__tasks_report_left(kt_loop *l)
{
    while (l->left_failed) {
        kt_task *t = l->left_failed;
        l->left_failed = t->sibling_next;
        if (is_lost(t))
            report_lost(t, "unhandled exception during asyncio.run() shutdown");
        if (t->detached)
            kt__task_free(t);
    }
}

/* The words of a failed task become those of the task that waits for it. */
static void copy_detail(kt_task *self, const kt_task *t)
{
    if (t->rc >= 0)
        return;
    kt__failures_share(self, t);
    if (!t->detail)
        return;
    char *detail = kt_strndup(t->detail, strlen(t->detail));
    if (detail) {
        kt_free(self->detail);
        self->detail = detail;
    }
}

/* The task has ended and nobody will ask. */
static void drop(kt_task *t)
{
    if (is_lost(t))
        report_lost(t, "Task exception was never retrieved");
    kt__task_free(t);
}

/* Nobody owns it as it ends: it goes now, or waits for who may still come. */
static void leave_ownerless(kt_task *t)
{
    bool left_failed = t->loop->ending && is_lost(t);
    if (left_failed)
        keep_left_failed(t);
    if (!t->detached)
        unclaimed_add(t);
    else if (!left_failed)
        drop(t);
}

static void run_on_done(kt__ready *r)
{
    kt_task *t = (kt_task *)(void *)r;
    t->on_done(t);
}

/* A shield passes the end on one pass later, since asyncio's is a future of its own. */
static void shield_over(kt__ready *r)
{
    kt__timer *timer = KT__OWNER(r, kt__timer, ready);
    kt_task *waiter = KT__OWNER(timer, kt_task, timer);
    kt__timer_ran(timer);
    kt__wake(waiter, waiter->wake);
}

static void shield_cancel(kt_task *waiter)
{
    if (waiter->place.line)
        kt__line_remove(&waiter->place);
    else
        kt__timer_stop(waiter->loop, &waiter->timer);
    kt__wake(waiter, waiter->code);
}

/* Out of the line it waits for its turn only, as a shield does: the task may be gone. */
static void awaits_task(const kt_task *t, kt__each each, void *arg)
{
    if (t->place.line)
        each(t->wait_object, arg);
}

static const kt__wait wait_shield = {
    .what = "shielded task",
    .cancel = shield_cancel,
    .raced = kt__raced_plain,
    .awaits = awaits_task,
};

static void end_wait(kt__waiters *line, kt_task *awaiter, int rc)
{
    if (awaiter->wait != &wait_shield) {
        kt__line_wake(line, rc);
        return;
    }
    kt__line_remove(&awaiter->place);
    awaiter->wake = rc;
    kt__timer_start_due(awaiter->loop, &awaiter->timer, shield_over);
}

void kt__task_finish(kt_task *t, int rc)
{
    kt_loop *l = t->loop;
    if (t->scopes)
        kt__misuse("a task must not end inside an open timeout or group: declare it with kt_auto");
    if (t->held)
        kt__misuse("a task must not end between kt_cancel_hold and kt_cancel_unhold");
    if (rc >= 0 && t->outside && !t->delivered)
        rc = KT_ECANCELED; /* it never learned of the request, as Task.__step has it */
    if (rc == KT_ECANCELED && t->cancel_words) {
        kt_free(t->detail); /* what its awaiters are told */
        t->detail = kt_steal(t->cancel_words);
    }
    t->rc = rc;
    t->state = KT__TASK_DONE;
    if (KT_UNLIKELY(l->debug))
        kt__eyes_end(t);
    list_remove(l, t);
    if (t->on_done) {
        t->ready.kind = KT__READY_INLINE;
        t->ready.run = run_on_done;
        kt__ready_push(l, &t->ready);
    }
    kt_task *awaiter; /* gets all that it needs now: t may be gone when it runs */
    while ((awaiter = kt__line_first(&t->awaiters))) {
        kt__callbacks_due(&t->callbacks, awaiter->timer.sequence);
        end_wait(&t->awaiters, awaiter, rc);
        copy_detail(awaiter, t);
        t->told = true;
    }
    kt__callbacks_due(&t->callbacks, UINT64_MAX);
    if (!t->on_done && (t->detached || !t->owner))
        leave_ownerless(t);
}

/* ---- Waiting for it ------------------------------------------------------------------------ */

bool kt__forward_to_task(kt_task *waiter)
{
    return kt_task_cancel_with(waiter->wait_object, waiter->cancel_words);
}

static const kt__wait wait_task = {
    .what = "task",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_plain,
    .forward = kt__forward_to_task,
    .awaits = awaits_task,
};
/* Joining frees the task, so a result cannot stay in it: it wins over a late cancellation. */
static const kt__wait wait_join = {
    .what = "task",
    .cancel = kt__cancel_leave,
    .forward = kt__forward_to_task,
    .awaits = awaits_task,
};

static int wait_for_end(kt_task *self, kt_task *t, const kt__wait *wait)
{
    if (t == self)
        kt__misuse("a task must not wait for itself");
    if (t->loop != self->loop)
        kt__misuse("a task of another loop cannot be waited for");
    if (t->state == KT__TASK_DONE) {
        copy_detail(self, t);
        t->told = true;
        return t->rc;
    }
    if (self->code && wait == &wait_shield)
        return kt__yield(self);
    if (self->code && wait == &wait_task && self->delivered)
        return kt__yield(self);
    if (self->code) {
        kt__forward_active(self);
        kt_task_cancel_with(t, self->cancel_words);
    }
    self->timer.sequence = kt__turn(self->loop);
    int rc = kt__line_up(self, &t->awaiters, wait, t);
    return kt__forwarded_end(self, rc);
}

int kt_task_await(kt_task *t)
{
    return wait_for_end(kt__self("kt_task_await"), t, &wait_task);
}

int kt_shield(kt_task *t)
{
    return wait_for_end(kt__self("kt_shield"), t, &wait_shield);
}

static void check_owned(const kt_task *t, const char *what)
{
    if (t->detached)
        kt__misuse("%s: task '%s' was joined or detached before", what, kt_task_name(t));
    if (t->owner)
        kt__misuse("%s: task '%s' is being joined already, or belongs to a group or the loop", what, kt_task_name(t));
}

int kt_task_join(kt_task *t)
{
    kt_task *self = kt__self("kt_task_join");
    check_owned(t, "kt_task_join");
    t->owner = self; /* a second join is misuse */
    int rc = wait_for_end(self, t, &wait_join);
    if (t->state == KT__TASK_DONE)
        kt__task_free(t);
    else
        t->detached = true; /* they wait for each other, and a cancellation ended that here */
    return rc;
}

void kt_task_detach(kt_task *t)
{
    if (!t)
        return;
    if (t->owner_keeps) {
        kt__group_detach(t);
        return;
    }
    check_owned(t, "kt_task_detach");
    if (t->state == KT__TASK_DONE)
        drop(t);
    else
        t->detached = true;
}

/* ---- Looking at it ------------------------------------------------------------------------- */

bool kt_task_done(const kt_task *t)
{
    return t->state == KT__TASK_DONE;
}

bool kt_task_cancelled(const kt_task *t)
{
    return t->state == KT__TASK_DONE && t->rc == KT_ECANCELED;
}

int kt_task_result(kt_task *t)
{
    if (t->state != KT__TASK_DONE)
        return KT_EINVALIDSTATE;
    t->told = true;
    if (kt__loop && kt__loop->current)
        copy_detail(kt__loop->current, t);
    return t->rc;
}

kt_task *kt_task_current(void)
{
    return kt__loop ? kt__loop->current : NULL;
}

const char *kt_task_name(const kt_task *t)
{
    if (t->name)
        return t->name;
    kt_loop *l = t->loop;
    char *name = l->names[l->names_next++ % 4];
    snprintf(name, sizeof l->names[0], "Task-%llu", (unsigned long long)t->id);
    return name;
}

int kt_task_name_set(kt_task *t, const char *name)
{
    char *copy = kt_strndup(name, strlen(name));
    if (!copy)
        return -ENOMEM;
    t->name = copy; /* first: a signal may look at it */
    kt_free(t->name_set);
    t->name_set = copy;
    return 0;
}

size_t kt_task_each(void (*fn)(kt_task *t, void *arg), void *arg)
{
    if (!kt__loop)
        return 0;
    for (kt_task *t = kt__loop->tasks_first; fn && t; t = t->all_next)
        fn(t, arg);
    return kt__loop->tasks;
}
