/* SPDX-License-Identifier: MIT */
#include "say.h"

static const kt_context_var var = {"var"};

static const char *value(void)
{
    return kt_context_get(&var, "none");
}

static int task_body(void *arg)
{
    (void)arg;
    say("task sees %s", value());
    sure(kt_context_set(&var, "task"));
    sure(kt_sleep(0));
    say("task sees %s", value());
    return 0;
}

static void callback_sees(void *arg)
{
    (void)arg;
    say("callback sees %s", value());
}

static int set(void *text)
{
    return kt_context_set(&var, text);
}

static int look(void *ret)
{
    *(const char **)ret = value();
    return 0;
}

static int body(void *arg)
{
    kt_callback one = KT_CALLBACK_INIT, two = KT_CALLBACK_INIT;
    kt_auto(kt_context) *ctx = NULL;
    const char *seen;
    kt_task *t;
    (void)arg;
    sure(kt_context_set(&var, "one"));
    t = spawn(task_body, NULL, 0);
    kt_call_soon(&one, callback_sees, NULL);
    sure(kt_context_set(&var, "two"));
    kt_call_soon(&two, callback_sees, NULL);
    sure(kt_task_join(t));
    say("main sees %s", value());
    sure(set((void *)"direct"));
    say("main sees %s", value());
    sure(kt_thread_run(look, &seen, 0));
    say("thread sees %s", seen);
    sure(kt_context_copy(&ctx));
    sure(kt_spawn_with(&(kt_spawn_options){.context = ctx}, set, "own", 0, &t));
    sure(kt_task_join(t));
    say("main sees %s context has %s", value(), (char *)kt_context_lookup(ctx, &var, "none"));
    return 0;
}

int main(void)
{
    return run(body);
}
