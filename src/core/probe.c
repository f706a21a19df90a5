/* SPDX-License-Identifier: MIT */

/* Calls on stacks that are parked: to look at a task from inside, and to have room. */

#include "core/core.h"

typedef struct kt__probe {
    void (*fn)(void *arg);
    void *arg;
    kt__context back;
    struct kt__probe *outer;
} kt__probe_call;

/* Runs where the parked call would return to; never returns. */
static void probe_body(void)
{
    kt__switch_arrived();
    kt_loop *l = kt__loop;
    kt__probe_call *p = l->probe;
    p->fn(p->arg);
    kt__switch_last(&l->nowhere, &p->back, 0);
    __builtin_unreachable();
}

/* The stack on which this runs; NULL: the thread's own, where the scheduler is. */
static const kt__stack *running(const kt_loop *l)
{
    return kt__stacks_holding(&l->stacks, __builtin_frame_address(0));
}

static void call_on(kt_loop *l, const kt__context *parked, void (*fn)(void *arg), void *arg)
{
    kt__context look = *parked;
    void **return_address = (void **)look.sp - 1; /* as a call leaves it */
    *return_address = look.ip;
    look.sp = return_address;
    look.ip = (void *)(uintptr_t)probe_body;
    kt__probe_call p = {.fn = fn, .arg = arg, .outer = l->probe};
#if KT__ASAN
    const kt__stack *here = running(l);
    p.back.stack_bottom = here ? here->limit : l->scheduler.stack_bottom;
    p.back.stack_size = here ? kt__stack_usable(here) : l->scheduler.stack_size;
#endif
#if KT__TSAN
    p.back.fiber = __tsan_get_current_fiber();
#endif
    l->probe = &p;
    kt__switch(&p.back, &look, 0);
    l->probe = p.outer;
}

void kt__probe(kt_task *t, void (*fn)(void *arg), void *arg)
{
    const kt_loop *l = t->loop;
    bool runs = t == l->current && l->probe; /* then it is parked where it asked for this */
    call_on(t->loop, runs ? &l->probe->back : &t->context, fn, arg);
}

/* Whenever a task's stack runs, the scheduler is parked. */
void kt__on_scheduler(kt_loop *l, void (*fn)(void *arg), void *arg)
{
    if (l && running(l))
        call_on(l, &l->scheduler, fn, arg);
    else
        fn(arg);
}

/* On the scheduler's stack: the task's is parked in the call that brought us here. */
static void trim(void *arg)
{
    const kt_loop *l = arg;
    const void *sp = l->probe->back.sp;
    const kt__stack *stack = kt__stacks_holding(&l->stacks, sp);
    if (stack)
        kt__stack_trim(stack, sp);
}

void kt_task_trim(void)
{
    kt_loop *l = kt__loop;
    if (l && running(l))
        call_on(l, &l->scheduler, trim, l);
}
