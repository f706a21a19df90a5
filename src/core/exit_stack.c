/* SPDX-License-Identifier: MIT */

/* Clean-ups that are pushed at run time. */

#include <errno.h>
#include <kettle/exit_stack.h>
#include <kettle/memory.h>

#include "core/core.h"

#define CAPACITY_MIN 8

struct kt__exit {
    void (*fn)(void *arg); /* or, if NULL: */
    int (*told)(void *arg, int rc);
    void *arg;
};

static int grow(kt_exit_stack *s)
{
    size_t capacity = s->capacity ? s->capacity * 2 : CAPACITY_MIN, bytes;
    if (__builtin_mul_overflow(capacity, sizeof *s->exits, &bytes))
        return -ENOMEM;
    struct kt__exit *exits = kt_realloc(s->exits, bytes);
    if (!exits)
        return -ENOMEM;
    s->exits = exits;
    s->capacity = capacity;
    return 0;
}

static int run_exit(const struct kt__exit *e, int rc)
{
    if (!e->fn)
        return e->told(e->arg, rc);
    e->fn(e->arg);
    return rc;
}

/* Around closers: outside a task they cannot wait, and there is nothing to hold back. */
static void hold(const kt_task *self)
{
    if (self)
        kt_cancel_hold();
}

static void unhold(const kt_task *self)
{
    if (self)
        kt_cancel_unhold();
}

static int push(kt_exit_stack *s, struct kt__exit e)
{
    if (s->count == s->capacity && grow(s) < 0) {
        const kt_task *self = kt_task_current();
        hold(self);
        (void)run_exit(&e, -ENOMEM); /* what it makes of it is not what the push has failed with */
        unhold(self);
        return -ENOMEM;
    }
    s->exits[s->count++] = e;
    return 0;
}

int kt_exit_stack_push(kt_exit_stack *s, void (*fn)(void *arg), void *arg)
{
    return push(s, (struct kt__exit){.fn = fn, .arg = arg});
}

int kt_exit_stack_push_exit(kt_exit_stack *s, int (*fn)(void *arg, int rc), void *arg)
{
    return push(s, (struct kt__exit){.told = fn, .arg = arg});
}

static int run_all(const kt_task *self, kt_exit_stack *s, int rc)
{
    hold(self);
    while (s->count > 0) {
        struct kt__exit e = s->exits[--s->count]; /* a copy: it may push */
        rc = run_exit(&e, rc);
    }
    unhold(self);
    kt_free(kt_steal(s->exits));
    s->capacity = 0;
    return rc;
}

int kt_exit_stack_close(kt_exit_stack *s, int rc)
{
    const kt_task *self = kt_task_current();
    if (s->count == 0 && !s->exits)
        return rc;
    int requests = self ? kt_task_cancelling(self) : 0;
    int left = run_all(self, s, rc);
    if (self && kt_is_cancel(rc) && !kt_is_cancel(left) && kt_task_cancelling(self) == requests)
        (void)kt_cancel_catch(); /* what it tells is rc, or what was swallowed with it */
    return left;
}

/* The scope is being left with an error of its own, which nobody can swallow. */
void kt_exit_stack_cleanup(kt_exit_stack *s)
{
    if (s->count > 0 || s->exits)
        (void)run_all(kt_task_current(), s, KT_ECANCELED);
}

kt_exit_stack kt_exit_stack_pop_all(kt_exit_stack *s)
{
    kt_exit_stack all = *s;
    *s = (kt_exit_stack)KT_EXIT_STACK_INIT;
    return all;
}
