/* SPDX-License-Identifier: MIT */

/* Coroutines by hand, and generators. */

#include <kettle/coroutine.h>

#include <errno.h>
#include <kettle/memory.h>

#include "core/eyes.h"

/* What debug mode calls one that was made and not resumed so far; asyncio warns of it as never awaited. */
#define NEVER_RUN "a coroutine"

struct kt_coroutine {
    kt__context context; /* where the body is */
    kt__context caller;  /* where whoever resumed it is */
    kt__stack *stack;
    kt_loop *loop;
    kt_coroutine *outer; /* that runs in the same task, around it */
    kt__scope *scopes;   /* of the task when it was resumed */
    kt_context *values_in; /* of the task, then */
    uint8_t held;          /* of the task, then */
    uint8_t state;
    bool closing;
    int rc;
    void *value; /* on its way, in or out */
    kt_fn fn;
    void *arg;
    _Alignas(max_align_t) char arg_copy[];
};

/* Sanitizers must know on which stack a task parks: at the moment on this one. */
static void on_stack(kt__context *context, const kt__stack *stack)
{
#if KT__ASAN
    context->stack_bottom = stack->limit;
    context->stack_size = kt__stack_usable(stack);
#endif
#if KT__TSAN
    context->fiber = stack->fiber;
#endif
    (void)context;
    (void)stack;
}

static const kt__stack *running_stack(const kt_task *t)
{
    return t->coroutine ? t->coroutine->stack : t->stack;
}

/* The body's own stack begins here. */
static void body(kt_coroutine *c)
{
    kt__switch_arrived();
    c->rc = c->fn(c->arg);
    c->state = KT_COROUTINE_ENDED;
    const kt_task *self = kt__self("a coroutine");
    if (self->scopes != c->scopes)
        kt__misuse("a coroutine must not end inside a timeout or group that it opened");
    if (self->held != c->held)
        kt__misuse("a coroutine must not end between kt_cancel_hold and kt_cancel_unhold");
    kt__stack_give(&c->loop->stacks, c->stack);
    kt__switch_last(&c->loop->nowhere, &c->caller, 0);
    __builtin_unreachable();
}

static int coroutine_new(KT__JOB, kt_coroutine **ret_coroutine)
{
    kt_loop *l = kt__loop;
    if (!l)
        return kt_error_set(KT_ENOTRUNNING, "kt_coroutine_new outside kt_run");
    if (size > SIZE_MAX - sizeof(kt_coroutine))
        return -ENOMEM;
    kt_coroutine *c = kt_alloc(sizeof *c + size);
    if (!c)
        return -ENOMEM;
    *c = (kt_coroutine){.loop = l, .fn = fn, .arg = (void *)(uintptr_t)arg};
    int rc = kt__stack_take(&l->stacks, 0, &c->stack);
    if (rc < 0) {
        kt_free(c);
        return rc;
    }
    if (size > 0)
        c->arg = memcpy(c->arg_copy, arg, size);
    c->context.sp = c->stack->top;
    c->context.ip = (void *)(uintptr_t)kt__switch_entry;
    c->context.r12 = c;
    c->context.r13 = (void *)(uintptr_t)body;
    on_stack(&c->context, c->stack);
    *ret_coroutine = c;
    return 0;
}

int kt_coroutine_new(KT__JOB, kt_coroutine **ret_coroutine)
{
    int rc = coroutine_new(fn, arg, size, ret_coroutine);
    if (rc == 0)
        kt__opened(*ret_coroutine, NEVER_RUN, KT__SITE, NULL);
    return rc;
}

/* Runs the body until it yields or ends. */
static void enter(kt_task *self, kt_coroutine *c)
{
    if (c->state == KT_COROUTINE_RUNNING)
        kt__misuse("a coroutine that runs cannot be resumed or closed");
    if (c->loop != self->loop)
        kt__misuse("a coroutine of another loop cannot be resumed or closed");
    if (c->state == KT_COROUTINE_FRESH)
        kt__closed(c, NEVER_RUN);
    c->state = KT_COROUTINE_RUNNING;
    c->scopes = self->scopes;
    c->held = self->held;
    c->values_in = self->values_in;
    c->outer = self->coroutine;
    on_stack(&c->caller, running_stack(self));
    self->coroutine = c;
    on_stack(&self->context, c->stack);
    kt__switch(&c->caller, &c->context, 0);
    self->coroutine = c->outer;
    on_stack(&self->context, running_stack(self));
}

int kt_coroutine_resume(kt_coroutine *c, void *value, void **ret_value)
{
    if (c->state == KT_COROUTINE_ENDED)
        return KT_EINVALIDSTATE;
    c->value = value;
    enter(kt__self("kt_coroutine_resume"), c);
    if (c->state == KT_COROUTINE_ENDED)
        return c->rc < 0 ? c->rc : 0;
    if (ret_value)
        *ret_value = c->value;
    return 1;
}

int kt_coroutine_yield(void *value, void **ret_sent)
{
    const kt_task *self = kt__self("kt_coroutine_yield");
    kt_coroutine *c = self->coroutine;
    if (!c)
        kt__misuse("kt_coroutine_yield (or kt_yield) outside a coroutine");
    if (self->scopes != c->scopes)
        kt__misuse("a coroutine must not yield inside a timeout or group that it opened");
    if (self->held != c->held)
        kt__misuse("a coroutine must not yield between kt_cancel_hold and kt_cancel_unhold");
    if (self->values_in != c->values_in)
        kt__misuse("a coroutine must not yield inside a kt_context_run of its own");
    if (c->closing)
        return KT_ECLOSED;
    c->value = value;
    c->state = KT_COROUTINE_SUSPENDED;
    kt__switch(&c->context, &c->caller, 0);
    if (c->closing)
        return KT_ECLOSED;
    if (ret_sent)
        *ret_sent = c->value;
    return 0;
}

void kt_coroutine_close(kt_coroutine *c)
{
    if (!c)
        return;
    if (c->state == KT_COROUTINE_FRESH) {
        kt__never(c, NEVER_RUN, "run");
        kt__stack_give(&c->loop->stacks, c->stack);
    } else if (c->state != KT_COROUTINE_ENDED) {
        kt_task *self = kt__self("kt_coroutine_close");
        c->closing = true;
        kt_cancel_hold();
        enter(self, c); /* to its end: from now on no yield stops it */
        kt_cancel_unhold();
    }
    kt_free(c);
}

kt_coroutine_state kt_coroutine_state_of(const kt_coroutine *c)
{
    return (kt_coroutine_state)c->state;
}

/* ---- Generators ---------------------------------------------------------------------------- */

int kt_generator_start(kt_generator *g, KT__JOB)
{
    if (g->coroutine)
        kt__misuse("kt_generator_start: the generator has been started already");
    return coroutine_new(fn, arg, size, &g->coroutine);
}

int kt_yield(const void *item)
{
    return kt_coroutine_yield((void *)(uintptr_t)item, NULL);
}

int kt_next(kt_generator *g, void *ret_item)
{
    void *item;
    if (!g->coroutine)
        return 0;
    int rc = kt_coroutine_resume(g->coroutine, NULL, &item);
    if (rc == 1)
        memcpy(ret_item, item, g->item_bytes);
    else
        kt_generator_close(g);
    return rc;
}

void kt_generator_close(kt_generator *g)
{
    kt_coroutine_close(kt_steal(g->coroutine));
}
