/* SPDX-License-Identifier: MIT */
#include "say.h"

static const char *kind(int rc)
{
    return rc == KT_ECANCELED ? "cancelled" : rc < 0 ? kt_error_detail() : "none";
}

static int told(void *name, int rc)
{
    say("%s told %s", (const char *)name, kind(rc));
    sure(kt_sleep(0));
    say("%s left", (const char *)name);
    return rc;
}

static int swallows(void *name, int rc)
{
    (void)told(name, rc);
    return 0;
}

static void left(void *name)
{
    (void)told(name, 0);
}

static void push(kt_exit_stack *s, const char *name)
{
    sure(kt_exit_stack_push_exit(s, told, (void *)(uintptr_t)name));
}

static void plain(void)
{
    kt_auto(kt_exit_stack) stack = KT_EXIT_STACK_INIT;
    push(&stack, "A");
    sure(kt_exit_stack_push(&stack, left, "B"));
    say("body");
    sure(kt_exit_stack_close(&stack, 0));
    say("after");
}

static void failing(bool swallow)
{
    kt_auto(kt_exit_stack) stack = KT_EXIT_STACK_INIT;
    push(&stack, "C");
    sure(kt_exit_stack_push_exit(&stack, swallow ? swallows : told, "D"));
    push(&stack, "E");
    int rc = kt_exit_stack_close(&stack, raise_error("boom"));
    if (rc == -EIO)
        say("raised %s", kt_error_detail());
    else if (rc == 0)
        say("swallowed");
}

static void handed_on(void)
{
    kt_auto(kt_exit_stack) stack = KT_EXIT_STACK_INIT;
    push(&stack, "F");
    kt_auto(kt_exit_stack) kept = kt_exit_stack_pop_all(&stack);
    push(&stack, "G");
    sure(kt_exit_stack_close(&stack, 0));
    say("F is kept");
    sure(kt_exit_stack_close(&kept, 0));
}

static int cancelled(void *arg)
{
    kt_auto(kt_exit_stack) stack = KT_EXIT_STACK_INIT;
    (void)arg;
    push(&stack, "H");
    push(&stack, "I");
    return kt_exit_stack_close(&stack, kt_sleep(50 * U));
}

static int release(void *name, int rc)
{
    if (rc == -EIO)
        say("%s sees %s", (const char *)name, kt_error_detail());
    sure(kt_sleep(0));
    say("%s released", (const char *)name);
    return rc;
}

static const char *acquire(kt_exit_stack *s, const char *name)
{
    say("%s acquired", name);
    sure(kt_exit_stack_push_exit(s, release, (void *)(uintptr_t)name));
    return name;
}

static void managers(void)
{
    kt_auto(kt_exit_stack) stack = KT_EXIT_STACK_INIT;
    const char *j = acquire(&stack, "J"), *k = acquire(&stack, "K");
    say("using %s %s", j, k);
    if (kt_exit_stack_close(&stack, raise_error("broken")) == -EIO)
        say("caught %s", kt_error_detail());
}

static int items(void *arg)
{
    int rc = 0;
    (void)arg;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = kt_yield(&i);
    sure(kt_sleep(0));
    say("items closed");
    return rc;
}

static void take_two(void)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    sure(kt_generator_start(&g, items, NULL, 0));
    for (int i = 0; i != 1 && sure(kt_next(&g, &i)) == 1;)
        say("item %d", i);
}

static int body(void *arg)
{
    (void)arg;
    plain();
    failing(false);
    failing(true);
    handed_on();
    kt_task *t = spawn(cancelled, NULL, 0);
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    managers();
    take_two();
    say("after the loop");
    return 0;
}

int main(void)
{
    return run(body);
}
