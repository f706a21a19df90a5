/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/context.h>

static const kt_context_var var = {"a variable"};

static const char *value_here(void)
{
    return kt_context_get(&var, "none");
}

/* ---- Variables ----------------------------------------------------------------------------- */

static int sets_value(void *arg)
{
    int rc = SWEPT(kt_context_set, (&var, arg));
    CHECK_STR(value_here(), rc < 0 ? "none" : arg);
    return rc;
}

SWEEP(kt_context_set, ALLOCATES)
{
    (void)sweep_subject(sets_value, "value");
}

SWEEP(kt_context_get, PLAIN)
{
    CHECK_STR(SWEPT(kt_context_get, (&var, "none")), "none");
}

static int sets_with_token(void *arg)
{
    kt_context_token token = {.var = NULL};
    int rc = SWEPT(kt_context_set_token, (&var, arg, &token));
    CHECK_STR(value_here(), rc < 0 ? "none" : arg);
    CHECK((rc < 0) == !token.var);
    if (rc == 0)
        sure(kt_context_reset(&token));
    CHECK_STR(value_here(), "none");
    return rc;
}

SWEEP(kt_context_set_token, ALLOCATES)
{
    (void)sweep_subject(sets_with_token, "value");
}

static int resets(void *arg)
{
    int rc = SWEPT(kt_context_reset, (arg));
    CHECK_STR(value_here(), rc < 0 ? "set" : "none");
    return rc;
}

/* It needs memory since the values have been copied meanwhile; the copy keeps them. */
SWEEP(kt_context_reset, ALLOCATES)
{
    kt_auto(kt_context) *copy = NULL;
    kt_context_token token;
    sure(kt_context_set_token(&var, "set", &token));
    sure(kt_context_copy(&copy));
    (void)sweep_subject(resets, &token);
    CHECK_STR(kt_context_lookup(copy, &var, "none"), "set");
}

/* ---- Contexts ------------------------------------------------------------------------------ */

static int copies_context(void *arg)
{
    kt_auto(kt_context) *copy = NULL;
    int rc = SWEPT(kt_context_copy, (&copy));
    CHECK((rc < 0) == !copy);
    if (rc < 0)
        return rc;
    sure(kt_context_set(&var, "later"));
    CHECK_STR(kt_context_lookup(copy, &var, "none"), arg);
    return 0;
}

SWEEP(kt_context_copy, ALLOCATES)
{
    sure(kt_context_set(&var, "value"));
    (void)sweep_subject(copies_context, "value");
}

SWEEP(kt_context_lookup, PLAIN)
{
    kt_auto(kt_context) *copy = NULL;
    sure(kt_context_copy(&copy));
    sure(kt_context_set(&var, "value"));
    CHECK_STR(SWEPT(kt_context_lookup, (copy, &var, "none")), "none");
}

static int sees_value_later(void *arg)
{
    int rc = kt_sleep(KT_S(1));
    CHECK_STR(value_here(), arg);
    return rc;
}

static kt_task *spawn_in(kt_context *c, kt_fn fn, void *arg)
{
    const kt_spawn_options options = {.context = c};
    kt_task *t = NULL;
    sure(kt_spawn_with(&options, fn, arg, 0, &t));
    return t;
}

/* A task that runs in it keeps it. */
SWEEP(kt_context_free, PLAIN)
{
    kt_context *copy = NULL;
    sure(kt_context_set(&var, "value"));
    sure(kt_context_copy(&copy));
    kt_task *t = spawn_in(copy, sees_value_later, "value");
    sure(kt_context_set(&var, "other"));
    SWEPT(kt_context_free, (copy));
    SWEPT(kt_context_free, (NULL));
    sure(kt_task_join(t));
}

static int sets_and_waits(void *arg)
{
    CHECK_STR(value_here(), "inside");
    int rc = kt_context_set(&var, arg);
    return rc < 0 ? rc : kt_sleep(KT_S(1));
}

static int runs_in_context(void *arg)
{
    int rc = SWEPT(kt_context_run, (arg, sets_and_waits, "set inside", 0));
    CHECK_STR(value_here(), "outside");
    CHECK_STR(kt_context_lookup(arg, &var, "none"), rc == -ENOMEM ? "inside" : "set inside");
    return rc;
}

/* However the function ends, the caller has its own values again, and a task that runs in the same context stays
 * in it. The copy is what makes the set take memory. */
SWEEP(kt_context_run, SUSPENDS | ALLOCATES)
{
    kt_auto(kt_context) *context = NULL, *copy = NULL;
    sure(kt_context_set(&var, "inside"));
    sure(kt_context_copy(&context));
    sure(kt_context_copy(&copy));
    sure(kt_context_set(&var, "outside"));
    kt_task *other = spawn_in(context, sees_value_later, "set inside");
    sweep_begin(runs_in_context, context);
    (void)sweep_end();
    sure(kt_task_join(other));
    CHECK_STR(kt_context_lookup(copy, &var, "none"), "inside");
    CHECK_STR(value_here(), "outside");
}
