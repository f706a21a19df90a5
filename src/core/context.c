/* SPDX-License-Identifier: MIT */

/* Task-local values: a list of settings, one a variable. Each entry counts who begins with it; the entries that a task
 * shares with nobody, at the front, are changed in place, the others never: so a task that is spawned shares its
 * parent's list. */

#include <errno.h>
#include <kettle/context.h>
#include <kettle/memory.h>

#include "core/core.h"

struct kt__setting {
    atomic_size_t references; /* lists and entries that go on here */
    struct kt__setting *next;
    const kt_context_var *var;
    const void *value;
    bool unset; /* as though there were none */
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
        kt__setting *next = s->next;
        kt_free(s);
        s = next;
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
        s = s->next;
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

/* Adds an entry at the end of a list. */
static int append(kt__setting ***end, const kt_context_var *var, const void *value, bool unset)
{
    kt__setting *s = kt_alloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    *s = (kt__setting){.references = 1, .var = var, .value = value, .unset = unset};
    **end = s;
    *end = &s->next;
    return 0;
}

/* A setting of our own in place of what the shared list has for the variable. What stands before that is copied, so
 * that no list is longer than there are variables, however often it is shared and set. */
static int store_shared(kt__setting **list, const kt_context_var *var, const void *value, bool unset)
{
    kt__setting *shared = *list, *rest = shared, *own = NULL, **end = &own;
    while (rest && rest->var != var)
        rest = rest->next;
    int rc = append(&end, var, value, unset);
    for (const kt__setting *s = shared; rest && s != rest && rc == 0; s = s->next)
        rc = append(&end, s->var, s->value, s->unset);
    if (rc < 0) {
        kt__context_unref(own);
        return rc;
    }
    *end = kt__context_ref(rest ? rest->next : shared);
    *list = own;
    kt__context_unref(shared);
    return 0;
}

static int store(kt__setting **values, const kt_context_var *var, const void *value, bool unset)
{
    kt__setting **list = values;
    for (kt__setting *s; (s = *list) && atomic_load(&s->references) == 1; list = &s->next) {
        if (s->var != var)
            continue;
        s->value = value; /* nobody shares it: setting again and again takes no memory */
        s->unset = unset;
        return 0;
    }
    return store_shared(list, var, value, unset);
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
