/* SPDX-License-Identifier: MIT */

/* Task-local values: a list of settings, newest first, that is never changed, only prefixed; so a task that is
 * spawned shares its parent's. Each entry counts who begins with it. */

#include <errno.h>
#include <kettle/context.h>
#include <kettle/memory.h>

#include "core/core.h"

struct kt__setting {
    atomic_size_t references; /* lists and entries that go on here */
    struct kt__setting *older;
    const kt_context_var *var;
    const void *value;
};

kt__setting *kt__context_ref(kt__setting *s)
{
    if (s)
        atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

void kt__context_unref(kt__setting *s)
{
    while (s && atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) == 1) {
        kt__setting *older = s->older;
        kt_free(s);
        s = older;
    }
}

__thread kt__setting *kt__context_outside;

kt__setting *kt__context_here(void)
{
    const kt_task *t = kt_task_current();
    return t ? t->context_values : kt__context_outside;
}

void kt__context_call(kt__setting *values, void (*fn)(void *arg), void *arg)
{
    kt__setting *outside = kt__context_outside;
    kt__context_outside = values;
    fn(arg);
    kt__context_outside = outside;
}

static const kt__setting *find(const kt__setting *s, const kt_context_var *var)
{
    while (s && s->var != var)
        s = s->older;
    return s;
}

void *kt_context_get(const kt_context_var *var, const void *otherwise)
{
    const kt__setting *s = find(kt__context_here(), var);
    return (void *)(uintptr_t)(s ? s->value : otherwise);
}

int kt_context_set(const kt_context_var *var, const void *value)
{
    kt_task *t = kt_task_current();
    if (!t)
        return kt_error_set(KT_ENOTRUNNING, "kt_context_set outside a task");
    kt__setting *newest = t->context_values;
    for (kt__setting *s = newest; s && atomic_load(&s->references) == 1; s = s->older) {
        if (s->var != var)
            continue;
        s->value = value; /* nobody shares it: setting again and again takes no memory */
        return 0;
    }
    kt__setting *s = kt_alloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    *s = (kt__setting){.references = 1, .older = newest, .var = var, .value = value};
    t->context_values = s;
    return 0;
}
