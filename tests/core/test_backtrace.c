/* SPDX-License-Identifier: MIT */
/* Debuggers and profilers see whole call chains: of a running task at any instruction, also inside the
 * switch, and of one that is parked. */
#include "sure.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <sys/time.h>

#include "core/core.h"

typedef struct chain {
    void *frames[64];
    int count;
} chain;

/* The outermost frame is the first instruction of all coroutines, which nobody called. */
static bool ends_at_entry(const chain *c)
{
    uintptr_t entry = (uintptr_t)kt__switch_entry;
    uintptr_t last = c->count > 0 ? (uintptr_t)c->frames[c->count - 1] : 0;
    return last >= entry && last < entry + 32;
}

/* How many frames are this function's. */
static int frames_of(const chain *c, const char *function)
{
    Dl_info info;
    int count = 0;
    for (int i = 0; i < c->count; i++)
        if (dladdr(c->frames[i], &info) && info.dli_sname)
            count += strcmp(info.dli_sname, function) == 0;
    return count;
}

static void take(void *arg)
{
    chain *c = arg;
    c->count = backtrace(c->frames, 64);
}

/* Not static, so that the program's table has its name. */
int waits_deep(void *arg);

int waits_deep(void *arg)
{
    int depth = *(int *)arg - 1;
    int rc = depth > 0 ? waits_deep(&depth) : kt_sleep(KT_S(5));
    CHECK_GE(depth, 0); /* something to do after the call, so that its frame is there */
    return rc;
}

/* ---- Parked ------------------------------------------------------------------------------ */

TEST(a_parked_tasks_chain_is_whole)
{
    chain c = {.count = 0};
    kt_task *t = spawn(waits_deep, &(int){10}, sizeof(int));
    yield_times(2);
    kt__probe(t, take, &c);
    CHECK(ends_at_entry(&c));
    CHECK_EQ(frames_of(&c, "waits_deep"), 10);
    CHECK_EQ(kt_task_join(t), 0); /* and it was not disturbed */
}

TEST(a_task_that_was_woken_can_be_looked_at_too)
{
    chain c = {.count = 0};
    kt_task *t = spawn(waits_deep, &(int){3}, sizeof(int));
    yield_times(2);
    kt_task_cancel(t);
    kt__probe(t, take, &c);
    CHECK(ends_at_entry(&c));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

/* ---- Running ----------------------------------------------------------------------------- */

static void take_outermost(void *arg)
{
    chain c;
    take(&c);
    *(void **)arg = c.frames[c.count - 1];
}

TEST(a_running_tasks_chain_is_whole)
{
    chain c;
    take(&c);
    CHECK(ends_at_entry(&c));
    CHECK_LT(c.count, 12);
}

/* What the thread's own stack ends with, where the scheduler runs. */
static void *threads_end;
static volatile sig_atomic_t samples, broken;

static void on_signal(int number)
{
    chain c;
    (void)number;
    take(&c);
    samples++;
    if (!ends_at_entry(&c) && (c.count == 0 || c.frames[c.count - 1] != threads_end))
        broken++;
}

static int switches_for_ever(void *arg)
{
    (void)arg;
    int rc;
    while ((rc = kt_sleep(0)) == 0)
        ;
    return rc;
}

static int runs_threads_end(void *arg)
{
    int rc = kt_call_threadsafe(kt_loop_current(), take_outermost, arg);
    return rc < 0 ? rc : kt_sleep(KT_MS(1));
}

static void sample_for(kt_time span)
{
    const struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    kt_time start = kt_now();
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    while (kt_now() - start < span)
        sure(kt_sleep(0));
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
}

/* The signal comes at any instruction, those between two stacks included. */
TEST_WITH(a_signals_backtrace_is_whole_at_any_instruction, KT_TEST_REAL_TIME)
{
    kt_task *tasks[3];
    sure(runs_threads_end(&threads_end));
    CHECK(threads_end != NULL);
    for (int i = 0; i < 3; i++)
        tasks[i] = spawn(switches_for_ever, NULL, 0);
    signal(SIGALRM, on_signal);
    sample_for(KT_MS(300));
    signal(SIGALRM, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        kt_task_cancel(tasks[i]);
        CHECK_ERR(kt_task_join(tasks[i]), KT_ECANCELED);
    }
    CHECK_GT(samples, 20);
    CHECK_EQ(broken, 0);
}
