/* SPDX-License-Identifier: MIT */

/* Lines of tasks that wait for the same thing. */

#include "core/core.h"

void kt__line_up_begin(kt_task *self, kt__waiters *line, const kt__wait *wait, void *object)
{
    self->wait_list = line;
    self->wait_next = NULL;
    self->wait_prev = line->last;
    if (line->last)
        line->last->wait_next = self;
    else
        line->first = self;
    line->last = self;
    kt__wait_begin(self, wait, object);
}

int kt__line_up(kt_task *self, kt__waiters *line, const kt__wait *wait, void *object)
{
    kt__line_up_begin(self, line, wait, object);
    return kt__park(self);
}

void kt__line_remove(kt_task *t)
{
    kt__waiters *line = t->wait_list;
    if (t->wait_prev)
        t->wait_prev->wait_next = t->wait_next;
    else
        line->first = t->wait_next;
    if (t->wait_next)
        t->wait_next->wait_prev = t->wait_prev;
    else
        line->last = t->wait_prev;
    t->wait_list = NULL;
}

kt_task *kt__line_wake(kt__waiters *line, int value)
{
    kt_task *t = line->first;
    if (t) {
        kt__line_remove(t);
        kt__wake(t, value);
    }
    return t;
}

void kt__cancel_leave(kt_task *t)
{
    kt__line_remove(t);
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
