/* SPDX-License-Identifier: MIT */
#include "parity.h"

#include <stdatomic.h>
#include <time.h>

/* ---- Starting ---------------------------------------------------------------------------- */

KT_FN(work_001, a, struct {
    const char *name;
    int length;
})
{
    kt_test_say("%s start", a->name);
    int rc = kt_sleep(a->length * U);
    kt_test_say("%s done", a->name);
    return rc < 0 ? rc : a->name[0];
}

TEST(parity_001_task_start_order)
{
    kt_task *tasks[3];
    sure(kt_spawn(KT_WITH(work_001, "A", 3), &tasks[0]));
    sure(kt_spawn(KT_WITH(work_001, "B", 1), &tasks[1]));
    sure(kt_spawn(KT_WITH(work_001, "C", 2), &tasks[2]));
    kt_test_say("main created");
    for (int i = 0; i < 3; i++)
        kt_test_say("main result %c", kt_task_join(tasks[i]));
    CHECK_TRACE("main created\nA start\nB start\nC start\nB done\nC done\nA done\n"
                "main result A\nmain result B\nmain result C");
}

KT_FN(work_003, a, struct {
    const char *name;
    kt_task **spawned;
})
{
    for (int i = 0; i < 3; i++) {
        kt_test_say("%s step %d", a->name, i);
        if (a->spawned && i == 0)
            sure(kt_spawn(KT_WITH(work_003, "X", NULL), a->spawned));
        sure(kt_sleep(0));
    }
    return 0;
}

TEST(parity_003_spawn_from_task)
{
    kt_task *a, *b, *x = NULL;
    sure(kt_spawn(KT_WITH(work_003, "A", &x), &a));
    sure(kt_spawn(KT_WITH(work_003, "B", NULL), &b));
    sure(kt_task_join(a));
    sure(kt_task_join(b));
    sure(kt_task_join(x));
    CHECK_TRACE("A step 0\nB step 0\nX step 0\nA step 1\nB step 1\nX step 1\n"
                "A step 2\nB step 2\nX step 2");
}

static int say_runs(void *arg)
{
    kt_test_say("%s", (const char *)arg);
    return 1;
}

/* A task that is done stands where Python has a future with a result. */
TEST(parity_004_await_inline)
{
    kt_task *done, *other;
    sure(kt_spawn(say_runs, "done before", 0, &done));
    sure(kt_sleep(0));
    CHECK_TRACE("done before");
    sure(kt_spawn(say_runs, "other start", 0, &other));
    kt_test_say("main awaits child");
    kt_test_say("main result %d", say_runs("child runs"));
    kt_test_say("main result %d", kt_task_await(done));
    kt_test_say("main result %d", kt_task_await(done));
    kt_test_say("main yields");
    sure(kt_sleep(0));
    kt_test_say("main resumed");
    sure(kt_task_join(other));
    sure(kt_task_join(done));
    CHECK_TRACE("main awaits child\nchild runs\nmain result 1\nmain result 1\nmain result 1\n"
                "main yields\nother start\nmain resumed");
}

/* ---- Ending ------------------------------------------------------------------------------ */

static int call_soon_and_return_5(void *arg)
{
    kt_task *callback;
    (void)arg;
    kt_test_say("T running");
    sure(kt_spawn(say_runs, "callback from T", 0, &callback));
    kt_task_detach(callback);
    kt_test_say("T returning");
    return 5;
}

/* A task stands where Python has call_soon. */
TEST(parity_005_await_resumes_next_pass)
{
    kt_task *t, *t2, *o;
    sure(kt_spawn(call_soon_and_return_5, NULL, 0, &t));
    kt_test_say("main result %d", kt_task_join(t));
    sure(kt_spawn(say_runs, "T2 running", 0, &t2));
    sure(kt_spawn(say_runs, "O running", 0, &o));
    sure(kt_task_join(t2));
    kt_test_say("main resumed after T2");
    sure(kt_task_join(o));
    CHECK_TRACE("T running\nT returning\ncallback from T\nmain result 5\n"
                "T2 running\nO running\nmain resumed after T2");
}

/* ---- Timers ------------------------------------------------------------------------------ */

KT_FN(say_after, a, struct {
    kt_time after;
    const char *word;
})
{
    sure(kt_sleep(a->after));
    kt_test_say("%s", a->word);
    return 0;
}

static void spawn_detached(KT__JOB)
{
    kt_task *t;
    sure(kt_spawn(fn, arg, size, &t));
    kt_task_detach(t);
}

TEST(parity_013_sleeps_end_in_order_of_their_deadlines)
{
    spawn_detached(KT_WITH(say_after, 3 * U, "c"));
    spawn_detached(KT_WITH(say_after, 1 * U, "a"));
    spawn_detached(KT_WITH(say_after, 2 * U, "b"));
    spawn_detached(KT_WITH(say_after, 0, "z"));
    spawn_detached(say_runs, "y", 0);
    units(4);
    kt_test_say("main after timers");
    spawn_detached(say_runs, "n1", 0);
    sure(kt_sleep(0));
    kt_test_say("main yielded once");
    spawn_detached(say_runs, "n2", 0);
    sure(kt_sleep(-1));
    kt_test_say("main yielded again");
    spawn_detached(KT_WITH(say_after, U, "p"));
    spawn_detached(KT_WITH(say_after, U, "q"));
    units(3);
    CHECK_TRACE("y\nz\na\nb\nc\nmain after timers\nn1\nmain yielded once\nn2\n"
                "main yielded again\np\nq");
}

/* ---- Threads ----------------------------------------------------------------------------- */

static atomic_int ticks, ran;

/* Ends when both ticks have been seen, so that no clock decides. */
static int block(void *arg)
{
    (void)arg;
    while (atomic_load(&ticks) < 2)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return 40;
}

static int boom(void *arg)
{
    (void)arg;
    return kt_error_set(-EIO, "boom");
}

static int job(void *arg)
{
    int n = *(int *)arg;
    atomic_store(&ran, atomic_load(&ran) * 10 + n);
    return n;
}

KT_FN(in_thread, a, struct { int n; })
{
    return kt_thread_run(a->n ? job : block, &a->n, 0);
}

KT_FN(tick, a, struct { int n; })
{
    units(a->n);
    kt_test_say("tick %d", a->n);
    atomic_fetch_add(&ticks, 1);
    return 0;
}

static int scenario_085(void *arg)
{
    kt_task *f, *ticking[2];
    (void)arg;
    for (int i = 0; i < 2; i++)
        sure(kt_spawn(KT_WITH(tick, i + 1), &ticking[i]));
    sure(kt_spawn(KT_WITH(in_thread, 0), &f));
    kt_test_say("main submitted, done %s", yes(kt_task_done(f)));
    kt_test_say("main got %d", kt_task_join(f));
    for (int i = 0; i < 2; i++)
        sure(kt_task_join(ticking[i]));
    CHECK_ERR(kt_thread_run(boom, NULL, 0), -EIO);
    kt_test_say("main caught %s", kt_error_detail());
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(in_thread, 1)), KT_JOB_OF(KT_WITH(in_thread, 2)),
                           KT_JOB_OF(KT_WITH(in_thread, 3))};
    int rcs[3];
    sure(kt_gather(jobs, 3, rcs));
    kt_test_say("results [%d %d %d]", rcs[0], rcs[1], rcs[2]);
    kt_test_say("ran %d", atomic_load(&ran));
    return 0;
}

/* A pool of one thread, as its third part has it. */
TEST_WITH(parity_085_executor, KT_TEST_NO_LOOP)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("jobs of the simulated driver do not run beside the loop");
    const kt_options one_thread = {.threads_max = 1};
    CHECK_OK(kt_run_with(&one_thread, scenario_085, NULL, 0));
    CHECK_TRACE("main submitted, done no\ntick 1\ntick 2\nmain got 40\nmain caught boom\n"
                "results [1 2 3]\nran 123");
}

/* ---- Scopes and the loop's end ------------------------------------------------------------ */

typedef struct resource {
    const char *name;
    int reason; /* with which it is left */
} resource;

static int resource_open(resource *r, const char *name, int fails)
{
    sure(kt_sleep(0));
    kt_test_say("%s %s", name, fails ? "open fails" : "opened");
    if (fails == 0)
        r->name = name;
    return fails;
}

/* A destructor that waits holds a cancellation back. */
static void resource_cleanup(resource *r)
{
    if (!r->name)
        return;
    kt_test_say("%s closing, reason %s", r->name, kt_is_cancel(r->reason) ? "cancelled" : "error");
    kt_cancel_hold();
    sure(kt_sleep(0));
    kt_cancel_unhold();
    kt_test_say("%s closed", r->name);
}

static int work_089(void *arg)
{
    kt_auto(resource) r1 = {NULL, 0}, r2 = {NULL, 0};
    (void)arg;
    sure(resource_open(&r1, "R1", 0));
    sure(resource_open(&r2, "R2", 0));
    kt_test_say("work waits");
    return r1.reason = r2.reason = kt_sleep(50 * U);
}

static int half_opened(void)
{
    kt_auto(resource) r3 = {NULL, 0}, r4 = {NULL, 0};
    sure(resource_open(&r3, "R3", 0));
    return r3.reason = resource_open(&r4, "R4", -EIO);
}

TEST(parity_089_scope_exit_on_cancel)
{
    kt_task *t;
    sure(kt_spawn(work_089, NULL, 0, &t));
    units(1);
    kt_task_cancel(t);
    int rc = kt_shield(t);
    kt_test_say("work cancelled %s", yes(rc == KT_ECANCELED && kt_task_cancelled(t)));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    if (half_opened() == -EIO)
        kt_test_say("main caught R4");
    CHECK_TRACE("R1 opened\nR2 opened\nwork waits\nR2 closing, reason cancelled\nR2 closed\n"
                "R1 closing, reason cancelled\nR1 closed\nwork cancelled yes\nR3 opened\n"
                "R4 open fails\nR3 closing, reason error\nR3 closed\nmain caught R4");
}

KT_FN(left_over, a, struct {
    const char *name;
    int cleanup;
    int fails;
})
{
    int rc = kt_sleep(50 * U);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    units(a->cleanup);
    kt_test_say("%s cleaned up", a->name);
    return a->fails ? a->fails : rc;
}

static int main_090(void *arg)
{
    kt_task **keep = arg;
    sure(kt_spawn(KT_WITH(left_over, "A", 1, 0), &keep[0]));
    sure(kt_spawn(KT_WITH(left_over, "B", 3, 0), &keep[1]));
    sure(kt_spawn(KT_WITH(left_over, "C", 5, -EIO), &keep[2]));
    units(1);
    spawn_detached(say_runs, "D runs", 0);
    kt_test_say("main returns");
    return 7;
}

/* Nobody is told of C's failure outside debug mode. */
TEST_WITH(parity_090_run_cancels_leftover, KT_TEST_NO_LOOP)
{
    kt_task *keep[3] = {NULL, NULL, NULL};
    const kt_options virtual = {.driver = KT_DRIVER_SIM, .virtual_time = true};
    kt_test_say("run gave %d", kt_run_with(&virtual, main_090, keep, 0));
    CHECK_TRACE("main returns\nD runs\nA cleaned up\nB cleaned up\nC cleaned up\nrun gave 7");
}
