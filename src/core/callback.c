/* SPDX-License-Identifier: MIT */

/* Callbacks of the user's: soon, later, and when something is done. */

#include <kettle/callback.h>

#include "core/core.h"

static void run(kt__ready *r)
{
    kt__timer *timer = KT__OWNER(r, kt__timer, ready);
    kt_callback *c = KT__OWNER(timer, kt_callback, timer);
    kt__timer_ran(timer);
    c->loop = NULL; /* free again, also for its own function */
    kt__setting *context = kt_steal(c->context);
    kt__loop->calling = c->fn;
    kt__context_call(context, c->fn, c->arg);
    kt__context_unref(context);
}

static kt_loop *begin(kt_callback *c, void (*fn)(void *arg), void *arg, const char *what)
{
    kt_loop *l = kt__loop;
    if (!l)
        kt__misuse("%s outside a loop", what);
    if (c->loop)
        kt__misuse("%s: this callback is pending already", what);
    c->loop = l;
    c->fn = fn;
    c->arg = arg;
    c->context = kt__context_ref(kt__context_here());
    c->timer.deadline = 0;
    return l;
}

static void make_due(kt_callback *c)
{
    kt__timer_start_due(c->loop, &c->timer, run);
    c->timer.ready.kind = KT__READY_CALLBACK;
}

void kt_call_soon(kt_callback *c, void (*fn)(void *arg), void *arg)
{
    begin(c, fn, arg, "kt_call_soon");
    make_due(c);
}

static void list_add(kt__callbacks *list, kt_callback *c)
{
    c->list = list;
    c->next = NULL;
    c->prev = list->last;
    if (list->last)
        list->last->next = c;
    else
        list->first = c;
    list->last = c;
}

/* One whose time has come is called in the next pass, after what is ready and the events. One whose time never
 * comes is on no timer, but the loop's end must find it. */
static void call_at(kt_callback *c, kt_time when, kt_time now)
{
    if (when == KT_FOREVER) {
        c->timer.deadline = when;
        list_add(&c->loop->never, c);
        return;
    }
    kt__timer_start(c->loop, &c->timer, when, run);
    if (when <= now)
        kt__poll_soon(c->loop);
    c->timer.ready.kind = KT__READY_CALLBACK;
}

void kt_call_later(kt_callback *c, kt_time d, void (*fn)(void *arg), void *arg)
{
    kt_loop *l = begin(c, fn, arg, "kt_call_later");
    kt_time now = kt__clock_now(l);
    call_at(c, kt__deadline(now, d), now);
}

void kt_call_at(kt_callback *c, kt_time when, void (*fn)(void *arg), void *arg)
{
    kt_loop *l = begin(c, fn, arg, "kt_call_at");
    call_at(c, when, kt__clock_now(l));
}

bool kt_callback_pending(const kt_callback *c)
{
    return c->loop != NULL;
}

kt_time kt_callback_when(const kt_callback *c)
{
    return c->loop ? c->timer.deadline : 0;
}

bool kt_callback_cancel(kt_callback *c)
{
    if (!c->loop)
        return false;
    kt__check_thread(c->loop, "kt_callback_cancel");
    if (c->list)
        kt__callbacks_remove(c);
    else
        kt__timer_stop(c->loop, &c->timer);
    c->loop = NULL;
    kt__context_unref(kt_steal(c->context));
    return true;
}

/* No task is left, so no timer is but those of callbacks. */
void kt__callbacks_end(kt_loop *l)
{
    while (l->timers.root)
        kt_callback_cancel(KT__OWNER(l->timers.root, kt_callback, timer));
    while (l->never.first)
        kt_callback_cancel(l->never.first);
}

/* ---- When something is done ---------------------------------------------------------------- */

void kt__callbacks_add(kt__callbacks *list, kt_callback *c, void (*fn)(void *arg), void *arg,
                       const char *what)
{
    c->timer.sequence = kt__turn(begin(c, fn, arg, what));
    list_add(list, c);
}

void kt__callbacks_remove(kt_callback *c)
{
    kt__callbacks *list = c->list;
    if (c->prev)
        c->prev->next = c->next;
    else
        list->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        list->last = c->prev;
    c->list = NULL;
}

void kt__callbacks_due(kt__callbacks *list, uint64_t before)
{
    kt_callback *c;
    while ((c = list->first) && c->timer.sequence < before) {
        kt__callbacks_remove(c);
        make_due(c);
    }
}

void kt_task_on_done(kt_task *t, kt_callback *c, void (*fn)(void *arg), void *arg)
{
    kt__check_thread(t->loop, "kt_task_on_done");
    if (t->state == KT__TASK_DONE)
        kt_call_soon(c, fn, arg);
    else
        kt__callbacks_add(&t->callbacks, c, fn, arg, "kt_task_on_done");
}
