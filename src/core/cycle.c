/* SPDX-License-Identifier: MIT */

/* Who waits for whom, and circles in that. */

#include <stdio.h>

#include "core/eyes.h"

void kt__awaits(const kt_task *t, kt__each each, void *arg)
{
    if (t->state == KT__TASK_WAITING && t->wait->awaits)
        t->wait->awaits(t, each, arg);
}

/* ---- Awaiters -------------------------------------------------------------------------------- */

typedef struct awaiters {
    const kt_task *of;
    kt_task *waiter;
    bool found;
} awaiters;

static void compare(kt_task *t, void *arg)
{
    awaiters *a = arg;
    a->found = a->found || t == a->of;
}

size_t kt_task_each_awaiter(const kt_task *t, void (*fn)(kt_task *awaiter, void *arg), void *arg)
{
    size_t count = 0;
    for (kt_task *w = t->loop->tasks_first; w; w = w->all_next) {
        awaiters a = {.of = t, .waiter = w};
        kt__awaits(w, compare, &a);
        count += a.found;
        if (a.found && fn)
            fn(w, arg);
    }
    return count;
}

/* ---- Circles --------------------------------------------------------------------------------- */

/* A breadth-first search along "must act before": from a task back to itself. */
typedef struct search {
    kt_task *from; /* where it began */
    kt_task *at;   /* whose edges are being followed */
    kt_task *last; /* of the queue */
    kt_task *closes; /* the task that waits for `from` */
} search;

/* Numbers searches, so that the marks of those before need no clearing. */
static uint64_t next_search(kt_loop *l)
{
    return kt__turn(l);
}

static void follow(kt_task *on, void *arg)
{
    search *s = arg;
    if (on == s->from && !s->closes)
        s->closes = s->at;
    if (!on->eyes || on->eyes->search == s->from->eyes->search)
        return;
    on->eyes->search = s->from->eyes->search;
    on->eyes->from = s->at;
    on->eyes->queued = NULL;
    s->last->eyes->queued = on;
    s->last = on;
}

static size_t write_edge(const kt_task *t, const kt_task *on, bool first, char *text, size_t size)
{
    bool one = t->wait->forward == kt__forward_to_task;
    char begin[128] = "which";
    if (first)
        snprintf(begin, sizeof begin, "task '%s'", kt_task_name(t));
    return (size_t)snprintf(text, size, "%s%s waits for %s %s'%s'%s", first ? "" : ", ", begin, t->wait->what,
                            one ? "" : "(", kt_task_name(on), one ? "" : ")");
}

/* The search has left a chain of who was reached from whom, which leads back from the circle's last task. */
static void write_circle(kt_task *from, kt_task *closes, char *text, size_t size)
{
    size_t used = 0;
    kt_task *next = from; /* turns the chain around, in place */
    for (kt_task *t = closes, *before; t != from; t = before) {
        before = t->eyes->from;
        t->eyes->from = next;
        next = t;
    }
    for (kt_task *t = from; used < size; t = next, next = next->eyes->from) {
        used += write_edge(t, next, t == from, text + used, size - used);
        if (next == from)
            return;
    }
}

static bool find_through(kt_loop *l, kt_task *t, char *text, size_t size)
{
    if (!t->eyes)
        return false;
    search s = {.from = t, .last = t};
    t->eyes->search = next_search(l);
    t->eyes->queued = NULL;
    for (s.at = t; s.at && !s.closes; s.at = s.at->eyes->queued)
        if (s.at->state == KT__TASK_WAITING && !s.at->wait->any)
            kt__awaits(s.at, follow, &s);
    if (!s.closes)
        return false;
    write_circle(t, s.closes, text, size);
    return true;
}

/* A search from each: so of very many only the first. */
#define SEARCHES_MAX 10000u

bool kt__cycle_find(kt_loop *l, kt_task *t, char *text, size_t size)
{
    if (t)
        return find_through(l, t, text, size);
    for (t = l->tasks_first; t; t = t->all_next)
        if (!t->eyes)
            kt__eyes_open(t, NULL);
    unsigned searches = SEARCHES_MAX;
    for (t = l->tasks_first; t && searches > 0; t = t->all_next, searches--)
        if (find_through(l, t, text, size))
            return true;
    return false;
}
