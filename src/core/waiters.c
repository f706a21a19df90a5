/* SPDX-License-Identifier: MIT */

/* Lines of tasks that wait for the same thing. */

#include "core/core.h"

void kt__line_add(kt__waiters *line, kt__waiter *w)
{
    w->line = line;
    w->next = NULL;
    w->prev = line->last;
    if (line->last)
        line->last->next = w;
    else
        line->first = w;
    line->last = w;
}

void kt__line_up_begin(kt_task *self, kt__waiters *line, const kt__wait *wait, void *object)
{
    kt__line_add(line, &self->place);
    kt__wait_begin(self, wait, object);
}

int kt__line_up(kt_task *self, kt__waiters *line, const kt__wait *wait, void *object)
{
    kt__line_up_begin(self, line, wait, object);
    return kt__park(self);
}

void kt__line_remove(kt__waiter *w)
{
    kt__waiters *line = w->line;
    if (w->prev)
        w->prev->next = w->next;
    else
        line->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        line->last = w->prev;
    w->line = NULL;
}

kt_task *kt__line_wake(kt__waiters *line, int value)
{
    kt__waiter *w = line->first;
    if (!w)
        return NULL;
    kt_task *t = w->task;
    kt__check_thread(t->loop, "what a task waits for");
    if (KT_UNLIKELY(w != &t->place)) {
        kt__select_chose(w, value);
        return t;
    }
    kt__line_remove(w);
    kt__wake(t, value);
    return t;
}

void kt__cancel_leave(kt_task *t)
{
    kt__line_remove(&t->place);
    kt__wake(t, t->code);
}

bool kt__raced_plain(kt_task *t)
{
    (void)t;
    return true;
}

bool kt__raced_turn(kt_task *t)
{
    t->wait_object = NULL;
    return true;
}
