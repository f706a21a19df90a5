/* SPDX-License-Identifier: MIT */
#include "say.h"

/* What asyncio refuses with an error that is the program's mistake stops the program here; what may depend on the
 * moment is a result. */

static int releases_free_lock(void *arg)
{
    kt_lock lock = KT_LOCK_INIT;
    (void)arg;
    kt_lock_release(&lock);
    return 0;
}

static int releases_twice(void *arg)
{
    kt_semaphore permits = KT_BOUNDED_SEMAPHORE_INIT(1);
    (void)arg;
    sure(kt_semaphore_acquire(&permits));
    kt_semaphore_release(&permits);
    kt_semaphore_release(&permits);
    return 0;
}

static int reports_twice(void *arg)
{
    kt_queue q = KT_QUEUE_INIT(int, 0);
    (void)arg;
    sure(kt_queue_put_nowait(&q, &(int){1}));
    kt_queue_task_done(&q);
    kt_queue_task_done(&q);
    return 0;
}

static int waits_without_lock(void *arg)
{
    kt_condition c = KT_CONDITION_INIT;
    (void)arg;
    return kt_condition_wait(&c);
}

static int notifies_without_lock(void *arg)
{
    kt_condition c = KT_CONDITION_INIT;
    (void)arg;
    kt_condition_notify(&c, 1);
    return 0;
}

static int idle(void *arg)
{
    (void)arg;
    return kt_sleep(0);
}

static int nested(void *arg)
{
    return kt_run(idle, arg, 0);
}

static int moves_what_is_over(void *arg)
{
    kt_timeout limit = KT_TIMEOUT_INIT;
    (void)arg;
    kt_timeout_start(&limit, KT_FOREVER);
    sure(kt_timeout_end(&limit, 0));
    kt_timeout_reschedule(&limit, KT_S(1));
    return 0;
}

static int waits_for_nobody(void *arg)
{
    kt_barrier b = KT_BARRIER_INIT(0);
    (void)arg;
    return kt_barrier_wait(&b);
}

static void stops(const char *label, kt_fn mistake, const char *rule)
{
    const char *said = misuse_of(mistake);
    say("%s %s", label, *said && strstr(said, rule) ? "refused" : "allowed");
}

static void result(const char *label, int rc)
{
    say("%s %s", label, rc == KT_EINVALIDSTATE ? "refused" : "allowed");
}

static int plain_release(void *arg)
{
    kt_semaphore plain = KT_SEMAPHORE_INIT(1);
    (void)arg;
    kt_semaphore_release(&plain);
    return 0;
}

static int results(void *arg)
{
    kt_future f = KT_FUTURE_INIT;
    (void)arg;
    result("a result too early", kt_future_result(&f, NULL));
    sure(kt_future_set_result(&f, 1));
    result("a second result", kt_future_set_result(&f, 2));
    kt_task *t = spawn(idle, NULL, 0);
    result("a running task's result", kt_task_result(t));
    sure(kt_task_await(t));
    result("its result afterwards", kt_task_result(t));
    kt_task_detach(t);
    return 0;
}

int main(void)
{
    stops("release of a free lock", releases_free_lock, "nobody holds this lock");
    stops("one release too many", releases_twice, "released too often");
    stops("one of a plain semaphore", plain_release, "");
    stops("one report too many", reports_twice, "more often than items were put");
    stops("wait without the lock", waits_without_lock, "does not hold the condition's lock");
    stops("notify without the lock", notifies_without_lock, "does not hold the condition's lock");
    if (run(results))
        return 1;
    stops("a loop in a loop", nested, "a loop runs on this thread already");
    stops("a limit that is over", moves_what_is_over, "has not started this timeout");
    stops("nobody at a barrier", waits_for_nobody, "for one task at least");
    return 0;
}
