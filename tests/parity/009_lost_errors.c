/* SPDX-License-Identifier: MIT */
#include "say.h"

/* The last reference is the handle: it is dropped by kt_task_detach, or by the join. */

static int fail(void *name)
{
    return raise_error(name);
}

static void handler(const kt_unhandled *u, void *arg)
{
    (void)arg;
    say("handler: %s %s", u->message, u->detail);
}

static int never_awaited;

static void count_never_awaited(const char *message)
{
    never_awaited += strstr(message, "a coroutine") && strstr(message, "was never run");
}

/* A function that was called is under way: what can be made and forgotten is a coroutine, of which debug
 * mode tells. */
static void forget_coroutine(void)
{
    kt_coroutine *c;
    kt_log_hook_set(count_never_awaited);
    kt_debug_set(true);
    sure(kt_coroutine_new(fail, "D", 0, &c));
    kt_coroutine_close(c);
    kt_debug_set(false);
    kt_log_hook_set(NULL);
}

static int body(void *arg)
{
    (void)arg;
    kt_error_handler_set(handler, NULL);

    kt_task *t = spawn(fail, "A", 0);
    units(1);
    kt_task_detach(t);
    say("A dropped");

    t = spawn(fail, "B", 0);
    units(1);
    if (kt_task_result(t) == -EIO)
        say("read error %s", kt_error_detail());
    kt_task_detach(t);
    say("B dropped");

    t = spawn(fail, "C", 0);
    if (kt_task_join(t) == -EIO)
        say("await raised %s", kt_error_detail());
    say("C dropped");

    forget_coroutine();
    say("never awaited warnings %d", never_awaited);
    return 0;
}

int main(void)
{
    return run(body);
}
