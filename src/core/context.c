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
    bool unset; /* as though there were none, whatever older ones say */
};

struct kt_context {
    size_t references; /* the owner's, and of tasks and calls that are in it */
    kt__setting *values;
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

/* In which kt_context_run runs something outside tasks. */
static __thread kt_context *entered;

/* Where the values of whoever asks are; NULL where none can be set. */
static kt__setting **place(void)
{
    kt_task *t = kt_task_current();
    if (t)
        return t->values_in ? &t->values_in->values : &t->context_values;
    return entered ? &entered->values : NULL;
}

kt__setting *kt__context_here(void)
{
    kt__setting **values = place();
    return values ? *values : kt__context_outside;
}

void kt__context_begin(kt_task *t, kt_context *context)
{
    t->values_in = context;
    if (context)
        context->references++;
    else
        t->context_values = kt__context_ref(kt__context_here());
}

void kt__context_end(kt_task *t)
{
    if (KT_UNLIKELY(t->values_in))
        kt_context_free(t->values_in);
    kt__context_unref(t->context_values);
}

void kt__context_call(kt__setting *values, void (*fn)(void *arg), void *arg)
{
    kt__setting *outside = kt__context_outside;
    kt_context *entered_before = kt_steal(entered);
    kt__context_outside = values;
    fn(arg);
    kt__context_outside = outside;
    entered = entered_before;
}

/* ---- Variables ----------------------------------------------------------------------------- */

static const kt__setting *find(const kt__setting *s, const kt_context_var *var)
{
    while (s && s->var != var)
        s = s->older;
    return s && !s->unset ? s : NULL;
}

static void *value_of(const kt__setting *values, const kt_context_var *var, const void *otherwise)
{
    const kt__setting *s = find(values, var);
    return (void *)(uintptr_t)(s ? s->value : otherwise);
}

void *kt_context_get(const kt_context_var *var, const void *otherwise)
{
    return value_of(kt__context_here(), var, otherwise);
}

static int store(kt__setting **values, const kt_context_var *var, const void *value, bool unset)
{
    kt__setting *newest = *values;
    for (kt__setting *s = newest; s && atomic_load(&s->references) == 1; s = s->older) {
        if (s->var != var)
            continue;
        s->value = value; /* nobody shares it: setting again and again takes no memory */
        s->unset = unset;
        return 0;
    }
    kt__setting *s = kt_alloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    *s = (kt__setting){.references = 1, .older = newest, .var = var, .value = value, .unset = unset};
    *values = s;
    return 0;
}

int kt_context_set(const kt_context_var *var, const void *value)
{
    kt__setting **values = place();
    if (!values)
        return kt_error_set(KT_ENOTRUNNING, "kt_context_set outside a task");
    return store(values, var, value, false);
}

int kt_context_set_token(const kt_context_var *var, const void *value, kt_context_token *ret_token)
{
    kt__setting **values = place();
    const kt__setting *s = values ? find(*values, var) : NULL;
    kt_context_token token = {
        .var = var, .value = s ? s->value : NULL, .where = values, .was_set = s != NULL};
    int rc = kt_context_set(var, value);
    if (rc == 0)
        *ret_token = token;
    return rc;
}

int kt_context_reset(kt_context_token *token)
{
    if (!token->where)
        kt__misuse("kt_context_reset: the token has been used");
    if (token->where != place())
        kt__misuse("kt_context_reset: the variable was set in another task or context");
    int rc = store(token->where, token->var, token->value, !token->was_set);
    if (rc == 0)
        token->where = NULL;
    return rc;
}

/* ---- Contexts ------------------------------------------------------------------------------ */

int kt_context_copy(kt_context **ret_context)
{
    kt_context *c = kt_alloc(sizeof *c);
    if (!c)
        return -ENOMEM;
    *c = (kt_context){.references = 1, .values = kt__context_ref(kt__context_here())};
    *ret_context = c;
    return 0;
}

void kt_context_free(kt_context *context)
{
    if (!context || --context->references > 0)
        return;
    kt__context_unref(context->values);
    kt_free(context);
}

int kt_context_run(kt_context *context, KT__JOB)
{
    kt_task *self = kt_task_current();
    kt_context **where = self ? &self->values_in : &entered, *before = *where;
    (void)size; /* the caller waits, so nothing need be copied */
    context->references++;
    *where = context;
    int rc = fn((void *)(uintptr_t)arg);
    *where = before;
    kt_context_free(context);
    return rc;
}

void *kt_context_lookup(const kt_context *context, const kt_context_var *var, const void *otherwise)
{
    return value_of(context->values, var, otherwise);
}
