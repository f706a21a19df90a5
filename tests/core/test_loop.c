/* SPDX-License-Identifier: MIT */
#include "sure.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/core.h"

/* ---- Calls from other threads ------------------------------------------------------------ */

static void say_outside(void *arg)
{
    CHECK(kt_task_current() == NULL);
    CHECK(kt_loop_current() != NULL);
    kt_test_say("%s", (const char *)arg);
}

TEST(a_call_runs_outside_any_task_after_what_is_ready)
{
    CHECK_OK(kt_call_threadsafe(kt_loop_current(), say_outside, "first"));
    CHECK_OK(kt_call_threadsafe(kt_loop_current(), say_outside, "second"));
    kt_test_say("main");
    CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_TRACE("main\nfirst\nsecond");
}

typedef struct caller {
    kt_loop *loop;
    int number;
    int *next; /* what each of its calls expects */
} caller;

typedef struct numbered {
    int *next, number;
} numbered;

static void in_order(void *arg)
{
    numbered *n = arg;
    CHECK_EQ(*n->next, n->number);
    ++*n->next;
    kt_free(n);
}

static void *calls_a_thousand_times(void *arg)
{
    caller *c = arg;
    for (int i = 0; i < 1000; i++) {
        numbered *n = kt_alloc(sizeof *n);
        CHECK(n != NULL);
        *n = (numbered){c->next, i};
        sure(kt_call_threadsafe(c->loop, in_order, n));
    }
    return NULL;
}

TEST_WITH(calls_of_each_thread_arrive_in_their_order, KT_TEST_REAL_TIME)
{
    pthread_t threads[4];
    caller callers[4];
    int next[4] = {0};
    for (int i = 0; i < 4; i++) {
        callers[i] = (caller){kt_loop_current(), i, &next[i]};
        CHECK_EQ(pthread_create(&threads[i], NULL, calls_a_thousand_times, &callers[i]), 0);
    }
    while (next[0] + next[1] + next[2] + next[3] < 4000)
        sure(kt_sleep(KT_MS(1)));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(next[3], 1000);
}

typedef struct ender {
    kt_loop *_Atomic loop;
    kt_event over;
    pthread_t thread;
} ender;

static void set_event(void *arg)
{
    kt_event_set(arg);
}

static void *ends_the_loop(void *arg)
{
    ender *e = arg;
    int rc = kt_call_threadsafe(e->loop, set_event, &e->over);
    return rc < 0 ? e : NULL;
}

static int waits_for_the_end(void *arg)
{
    ender *e = arg;
    e->loop = kt_loop_current();
    e->over = (kt_event)KT_EVENT_INIT;
    if (pthread_create(&e->thread, NULL, ends_the_loop, e) != 0)
        return -EAGAIN;
    return kt_event_wait(&e->over);
}

/* The loop may be gone before the call that ended it has returned in its thread. */
TEST_WITH(a_call_may_be_what_ends_the_loop, KT_TEST_NO_LOOP)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("the simulated loop knows nothing of other threads");
    for (int i = 0; i < 500; i++) {
        ender e;
        void *failed = NULL;
        CHECK_OK(kt_run(waits_for_the_end, &e, 0));
        pthread_join(e.thread, &failed);
        CHECK(failed == NULL);
    }
}

/* ---- The loop itself --------------------------------------------------------------------- */

TEST(the_loop_knows_itself)
{
    const char *driver = kt_loop_driver(kt_loop_current()), *forced = getenv("KETTLE_DRIVER");
    CHECK(kt_loop_current() != NULL);
    CHECK_STR(driver, forced ? forced : "sim");
}

static int reads_the_clock(void *arg)
{
    *(kt_time *)arg = kt_now();
    return 0;
}

TEST_WITH(the_clock_is_monotonic_outside_and_inside, KT_TEST_NO_LOOP)
{
    kt_time before = kt_now(), inside = 0;
    const kt_options real = {.driver = KT_DRIVER_EPOLL};
    const char *driver = getenv("KETTLE_DRIVER");
    CHECK_OK(kt_run_with(&real, reads_the_clock, &inside, 0));
    if (!driver || strcmp(driver, "sim") != 0)
        CHECK_GE(inside, before);
    CHECK_GE(kt_now(), before);
}

/* ---- Descriptors ------------------------------------------------------------------------- */

TEST_WITH(a_descriptor_can_be_waited_for, KT_TEST_REAL_IO)
{
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(kt_fd_wait(fds[1], KT_WRITABLE), KT_WRITABLE);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(kt_fd_wait(fds[0], KT_READABLE), KT_READABLE);
    char x;
    CHECK_EQ(read(fds[0], &x, 1), 1);
    close(fds[1]);
    CHECK(kt_fd_wait(fds[0], KT_READABLE) & KT_READABLE); /* the end of file */
    close(fds[0]);
    CHECK_ERR(kt_fd_wait(fds[0], KT_READABLE), -EBADF);
}

TEST_WITH(a_regular_file_is_always_ready, KT_TEST_REAL_IO)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK_GE(fd, 0);
    CHECK_EQ(kt_fd_wait(fd, KT_READABLE), KT_READABLE);
    close(fd);
}

KT_FN(waits_for, a, struct { int fd, events; })
{
    return kt_fd_wait(a->fd, a->events);
}

TEST_WITH(a_task_that_waits_for_a_descriptor_is_woken_or_cancelled, KT_TEST_REAL_IO)
{
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    kt_task *t = spawn(KT_WITH(waits_for, fds[0], KT_READABLE));
    yield_times(3);
    CHECK(!kt_task_done(t));
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(kt_task_join(t), KT_READABLE);
    char x;
    CHECK_EQ(read(fds[0], &x, 1), 1);
    t = spawn(KT_WITH(waits_for, fds[0], KT_READABLE));
    yield_times(3);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    close(fds[0]);
    close(fds[1]);
}

TEST(the_simulated_driver_refuses_descriptors_by_name)
{
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("for sim only");
    CHECK_ERR(kt_fd_wait(0, KT_WRITABLE), KT_ENOTSIM);
    CHECK(strstr(kt_error_detail(), "descriptor 0"));
}

/* ---- How often a busy loop looks outside ------------------------------------------------------------ */

static void raise_flag(void *flag)
{
    atomic_store((atomic_bool *)flag, true);
}

static int passes_until_called(kt_time busy_for)
{
    atomic_bool called = false;
    int passes = 0;
    yield_times(1);
    CHECK_OK(kt_call_threadsafe(kt_loop_current(), raise_flag, &called));
    for (; !atomic_load(&called); passes++) {
        for (kt_time start = kt_now(); kt_now() - start < busy_for;)
            ;
        sure(kt_sleep(0));
    }
    return passes;
}

/* In virtual time no time passes, so only the passes count. */
TEST_WITH(a_busy_loop_looks_outside_every_64_passes, KT_TEST_REAL_IO)
{
    passes_until_called(0);
    int passes = passes_until_called(0);
    CHECK_GE(passes, 60);
    CHECK_LE(passes, 66);
}

TEST_WITH(and_after_50_us_at_the_latest_every_8, KT_TEST_REAL_TIME)
{
    passes_until_called(KT_US(100));
    CHECK_LE(passes_until_called(KT_US(100)), 18);
}

static void ignore_message(kt__message *m)
{
    (void)m;
}

/* Nothing is ready then, and nothing will ring. */
TEST_WITH(a_message_that_makes_nobody_ready_does_not_stop_virtual_time, KT_TEST_REAL_IO)
{
    kt__message m = {.run = ignore_message, .drop = ignore_message};
    kt__inbox_post(kt__loop->inbox, &m);
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_EQ(kt_now(), KT_S(1));
}

static atomic_int reports;

static void count_report(const char *message)
{
    (void)message;
    atomic_fetch_add(&reports, 1);
}

static int sleeps_for_100_ms(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_MS(50));
    return rc < 0 ? rc : kt_sleep(KT_MS(50));
}

TEST_WITH(a_loop_that_waits_is_not_blocked, KT_TEST_NO_LOOP)
{
    const kt_options options = {.debug = KT_DEBUG_ON, .slow_step = KT_MS(40)};
    int before = 100;
    for (int i = 0; i < 5 && before > 0; i++) { /* the machine may have stopped us in a step */
        atomic_store(&reports, 0);
        kt_log_hook_set(count_report);
        CHECK_OK(kt_run_with(&options, sleeps_for_100_ms, NULL, 0));
        kt_log_hook_set(NULL);
        before = atomic_load(&reports);
    }
    CHECK_EQ(before, 0);
}

static int does_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int runs_in_thread(void *arg)
{
    return kt_thread_run(does_nothing, arg, 0);
}

TEST(without_a_seed_a_simulated_job_runs_when_nothing_else_does)
{
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("for sim only");
    kt_task *t = spawn(runs_in_thread, NULL, 0);
    yield_times(30);
    CHECK(!kt_task_done(t));
    CHECK_OK(kt_task_join(t));
}

/* ---- What nobody has closed ------------------------------------------------------------------ */

static kt__left_open things[4];

static void close_thing(kt__left_open *o)
{
    sure(kt_sleep(KT_MS(1))); /* it may take its time */
    kt_test_say("%d", (int)(o - things));
    kt__left_open_remove(kt_loop_current(), o);
}

static int leaves_things_open(void *arg)
{
    memset(things, 0xff, sizeof things); /* nobody asks for zeroes */
    for (int i = 0; i < 4; i++) {
        things[i].close = close_thing;
        kt__left_open_add(kt_loop_current(), &things[i]);
    }
    kt__left_open_remove(kt_loop_current(), &things[2]);
    kt__left_open_remove(kt_loop_current(), &things[0]);
    kt__left_open_remove(kt_loop_current(), &things[3]);
    kt__left_open_add(kt_loop_current(), &things[3]);
    kt__left_open_add(kt_loop_current(), &things[0]);
    if (arg)
        kt_test_fail_allocation(1);
    return 0;
}

TEST_WITH(what_nobody_has_closed_is_closed_at_the_end_the_newest_first, KT_TEST_NO_LOOP)
{
    const kt_options options = {.virtual_time = true};
    CHECK_OK(kt_run_with(&options, leaves_things_open, NULL, 0));
    CHECK_TRACE("0\n3\n1");
}

TEST_WITH(without_memory_it_is_lost, KT_TEST_NO_LOOP)
{
    const kt_options options = {.virtual_time = true};
    CHECK_OK(kt_run_with(&options, leaves_things_open, things, 0));
    CHECK_TRACE("");
}
