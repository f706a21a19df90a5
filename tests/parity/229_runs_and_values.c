/* SPDX-License-Identifier: MIT */
#include "say.h"

static const kt_context_var var = {"var"}, other = {"other"};

static const char *value(void)
{
    return kt_context_get(&var, "none");
}

static void say_seen(void *arg)
{
    (void)arg;
    say("callback sees %s", value());
}

static int first(void *arg)
{
    static kt_callback c = KT_CALLBACK_INIT;
    (void)arg;
    sure(kt_context_set(&var, "first run"));
    kt_call_soon(&c, say_seen, NULL);
    return kt_sleep(0);
}

/* What it has seen goes where the second field says. */
KT_FN(setter, a, struct {
    const char *value;
    const char **ret_seen;
})
{
    if (a->ret_seen)
        *a->ret_seen = value();
    sure(kt_context_set(&var, a->value));
    return kt_sleep(0);
}

static int numbers(void *arg)
{
    int rc = 0;
    (void)arg;
    for (int i = 0; i < 2 && rc == 0; i++) {
        say("generator sees %s", value());
        sure(kt_context_set(&var, "generator"));
        rc = kt_yield(&i);
    }
    return rc;
}

static int in_thread(void *ret_seen)
{
    *(const char **)ret_seen = value();
    return 0;
}

static void generator(void)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    int n;
    sure(kt_generator_start(&g, numbers, NULL, 0));
    while (sure(kt_next(&g, &n)) == 1) {
        say("between items %s", value());
        sure(kt_context_set(&var, "consumer"));
    }
    say("after a generator %s", value());
}

static int second(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    const char *seen[2];
    (void)arg;
    say("second run sees %s", value());
    sure(kt_context_set(&var, "second run"));
    sure(kt_task_join(spawn(KT_WITH(setter, "task", NULL))));
    say("after a task %s", value());
    sure(kt_group_spawn(&g, KT_WITH(setter, "child", NULL)));
    sure(kt_context_set(&var, "body"));
    sure(kt_group_spawn(&g, KT_WITH(setter, "child 2", NULL)));
    sure(kt_group_join(&g, 0));
    say("after a group %s", value());
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(setter, "x", &seen[0])), KT_JOB_OF(KT_WITH(setter, "y", &seen[1]))};
    sure(kt_gather(jobs, 2, NULL));
    say("gathered [%s %s] %s", seen[0], seen[1], value());
    sure(kt_wait_for(5 * U, KT_WITH(setter, "limited", NULL)));
    say("after a limit %s", value());
    generator();
    sure(kt_thread_run(in_thread, &seen[0], 0));
    say("thread saw %s then %s", seen[0], value());
    return 0;
}

static const char *other_value(void)
{
    return kt_context_get(&other, "unset");
}

static int tokens(void *arg)
{
    kt_context_token token, inner;
    (void)arg;
    say("other %s", other_value());
    sure(kt_context_set_token(&other, "one", &token));
    sure(kt_context_set_token(&other, "two", &inner));
    sure(kt_context_reset(&inner));
    say("other %s", other_value());
    sure(kt_context_reset(&token));
    say("other %s", other_value());
    return 0;
}

static int sets(void *text)
{
    return kt_context_set(&var, text);
}

static int calls_soon(void *c)
{
    kt_call_soon(c, say_seen, NULL);
    return 0;
}

static int contexts(void *arg)
{
    kt_auto(kt_callback) c = KT_CALLBACK_INIT;
    kt_auto(kt_context) *context = NULL;
    const char *seen;
    kt_task *t;
    (void)arg;
    sure(kt_context_copy(&context));
    sure(kt_context_run(context, sets, "in a context", 0));
    say("here %s there %s", value(), (const char *)kt_context_lookup(context, &var, "none"));
    sure(kt_spawn_with(&(kt_spawn_options){.context = context}, KT_WITH(setter, "by a task", &seen), &t));
    sure(kt_task_join(t));
    say("task saw %s there %s", seen, (const char *)kt_context_lookup(context, &var, "none"));
    sure(kt_context_run(context, calls_soon, &c, 0));
    return kt_sleep(0);
}

int main(void)
{
    static const kt_fn mains[] = {first, second, tokens, contexts};
    kt_runner *runner = NULL;
    sure(kt_runner_open(&(kt_options){.virtual_time = virtual_clock()}, &runner));
    for (int i = 0; i < 4; i++)
        sure(kt_runner_run(runner, mains[i], NULL, 0));
    kt_runner_close(runner);
    say("outside %s", value());
    return 0;
}
