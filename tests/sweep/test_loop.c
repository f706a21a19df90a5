/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>

/* Loops, and what comes to them from outside: descriptors, threads, signals. */

/* ---- Running a loop ------------------------------------------------------------------------ */

static int runs(void *arg)
{
    return SWEPT(kt_run, (nothing, arg, 0));
}

SWEEP(kt_run, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(runs, NULL);
}

static int uses_everything(void *arg)
{
    kt_task *t = NULL;
    int rc = kt_thread_run(nothing, arg, 0);
    if (rc == 0)
        rc = kt_spawn(nothing, arg, 0, &t);
    return rc < 0 ? rc : kt_task_join(t);
}

static int runs_with(void *arg)
{
    const kt_options options = {.virtual_time = true, .stack_bytes = 1 << 18};
    return SWEPT(kt_run_with, (&options, uses_everything, arg, 0));
}

SWEEP(kt_run_with, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(runs_with, NULL);
}

static int opens_runner(void *arg)
{
    kt_runner *r = NULL;
    int rc = SWEPT(kt_runner_open, (NULL, &r));
    (void)arg;
    CHECK((rc < 0) == !r);
    kt_runner_close(r);
    return rc;
}

SWEEP(kt_runner_open, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(opens_runner, NULL);
}

static int runs_runner(void *arg)
{
    return SWEPT(kt_runner_run, (arg, nothing, NULL, 0));
}

SWEEP(kt_runner_run, ALLOCATES | NO_LOOP)
{
    kt_runner *r = NULL;
    if (kt_runner_open(NULL, &r) < 0)
        kt_test_skip("this driver is not to be had");
    (void)sweep_subject(runs_runner, r);
    kt_runner_close(r);
}

static int stops_runner(void *arg)
{
    SWEPT(kt_runner_stop, (arg));
    return kt_runner_run(arg, NULL, NULL, 0);
}

SWEEP(kt_runner_stop, NO_LOOP)
{
    kt_runner *r = NULL;
    if (kt_runner_open(NULL, &r) < 0)
        kt_test_skip("this driver is not to be had");
    (void)sweep_subject(stops_runner, r);
    kt_runner_close(r);
}

static int is_cancelled(void *arg)
{
    *(int *)arg = kt_sleep(KT_S(1000));
    return 0;
}

static int leaves_a_task(void *arg)
{
    kt_task_detach(spawn(is_cancelled, arg, 0));
    return kt_sleep(0);
}

SWEEP(kt_runner_close, PLAIN | NO_LOOP)
{
    kt_runner *r = NULL;
    int rc = 0;
    if (kt_runner_open(NULL, &r) < 0)
        kt_test_skip("this driver is not to be had");
    sure(kt_runner_run(r, leaves_a_task, &rc, 0));
    SWEPT(kt_runner_close, (r));
    CHECK_ERR(rc, KT_ECANCELED);
}

SWEEP(kt_loop_current, PLAIN)
{
    CHECK(SWEPT(kt_loop_current, ()) != NULL);
}

SWEEP(kt_loop_driver, PLAIN)
{
    CHECK(SWEPT(kt_loop_driver, (kt_loop_current())) != NULL);
}

/* ---- Descriptors --------------------------------------------------------------------------- */

static int waits_for_bytes(void *arg)
{
    int rc = SWEPT(kt_fd_wait, (*(int *)arg, KT_READABLE));
    CHECK(rc < 0 || rc == KT_READABLE);
    return rc;
}

SWEEP(kt_fd_wait, SUSPENDS | REAL)
{
    int ends[2];
    char byte;
    CHECK_OK(pipe(ends));
    sweep_begin(waits_for_bytes, &ends[0]);
    sure(kt_sleep(0));
    CHECK_EQ(write(ends[1], "x", 1), 1);
    (void)sweep_end();
    CHECK_EQ(kt_fd_wait(ends[0], KT_READABLE), KT_READABLE);
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
}

/* The table of watches has room for so many descriptors to begin with. */
enum { BEYOND_TABLE = 64 };

/* A pipe, and how often the function that watches it was called. */
typedef struct watched {
    int ends[2];
    int called;
} watched;

static void take_byte(void *arg)
{
    watched *w = arg;
    char byte;
    CHECK_EQ(read(w->ends[0], &byte, 1), 1);
    w->called++;
}

static void open_watched(watched *w, int fd_min)
{
    int ends[2];
    CHECK_OK(pipe(ends));
    *w = (watched){.ends = {fcntl(ends[0], F_DUPFD_CLOEXEC, fd_min), ends[1]}};
    CHECK_GE(w->ends[0], fd_min);
    close(ends[0]);
}

static void close_watched(const watched *w)
{
    close(w->ends[0]);
    close(w->ends[1]);
}

static void check_called(watched *w, int times)
{
    CHECK_EQ(write(w->ends[1], "x", 1), 1);
    for (int i = 0; i < 200; i++) /* more than a busy loop's passes between two looks at the kernel */
        sure(kt_sleep(0));
    CHECK_EQ(w->called, times);
}

static int watches(void *arg)
{
    watched *w = arg;
    int rc = SWEPT(kt_fd_watch, (w->ends[0], KT_READABLE, take_byte, w));
    if (rc < 0)
        CHECK(!kt_fd_unwatch(w->ends[0], KT_READABLE));
    return rc;
}

/* The table grows and must not lose who stands in it already. */
SWEEP(kt_fd_watch, ALLOCATES | REAL)
{
    watched w, other;
    open_watched(&w, BEYOND_TABLE);
    open_watched(&other, 0);
    sure(kt_fd_watch(other.ends[0], KT_READABLE, take_byte, &other));
    (void)sweep_subject(watches, &w);
    check_called(&w, 1);
    check_called(&other, 1);
    CHECK(kt_fd_unwatch(w.ends[0], KT_READABLE));
    CHECK(kt_fd_unwatch(other.ends[0], KT_READABLE));
    close_watched(&w);
    close_watched(&other);
}

SWEEP(kt_fd_unwatch, PLAIN | REAL)
{
    watched w, other;
    open_watched(&w, 0);
    open_watched(&other, 0);
    sure(kt_fd_watch(w.ends[0], KT_READABLE, take_byte, &w));
    sure(kt_fd_watch(other.ends[0], KT_READABLE, take_byte, &other));
    check_called(&w, 1);
    CHECK(SWEPT(kt_fd_unwatch, (w.ends[0], KT_READABLE)));
    CHECK(!SWEPT(kt_fd_unwatch, (w.ends[0], KT_READABLE)));
    check_called(&w, 1);
    check_called(&other, 1);
    CHECK(kt_fd_unwatch(other.ends[0], KT_READABLE));
    close_watched(&w);
    close_watched(&other);
}

/* ---- Threads ------------------------------------------------------------------------------- */

static void note(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static int job(void *arg)
{
    usleep(1000);
    atomic_fetch_add((atomic_int *)arg, 1);
    return 5;
}

static int runs_in_thread(void *arg)
{
    int before = atomic_load((atomic_int *)arg), rc = SWEPT(kt_thread_run, (job, arg, 0));
    CHECK_EQ(atomic_load((atomic_int *)arg) - before, rc < 0 ? 0 : 1); /* all of it, or nothing */
    CHECK(rc < 0 || rc == 5);
    return rc;
}

static int runs_another(void *arg)
{
    return kt_thread_run(job, arg, 0);
}

/* The first job makes the pool. */
SWEEP(kt_thread_run, SUSPENDS | ALLOCATES | WINS)
{
    atomic_int done = 0, others = 0;
    sweep_begin(runs_in_thread, &done);
    kt_task *other = spawn(runs_another, &others, 0);
    (void)sweep_end();
    CHECK_EQ(kt_task_join(other), 5);
    CHECK_EQ(kt_thread_run(job, &others, 0), 5);
    CHECK_EQ(atomic_load(&others), 2);
}

static int abandons(void *arg)
{
    return SWEPT(kt_thread_abandon, (nothing, arg, 0, note));
}

SWEEP(kt_thread_abandon, ALLOCATES)
{
    static atomic_int dropped;
    atomic_store(&dropped, 0);
    (void)sweep_subject(abandons, &dropped);
    for (int i = 0; i < 100000 && atomic_load(&dropped) == 0; i++)
        sure(kt_thread_run(nothing, NULL, 0));
    CHECK_EQ(atomic_load(&dropped), 1); /* once, and not for the call that failed */
}

static int calls_threadsafe(void *arg)
{
    return SWEPT(kt_call_threadsafe, (kt_loop_current(), note, arg));
}

SWEEP(kt_call_threadsafe, ALLOCATES)
{
    atomic_int called = 0;
    (void)sweep_subject(calls_threadsafe, &called);
    sure(kt_sleep(KT_S(1)));
    CHECK_EQ(atomic_load(&called), 1);
}

/* ---- Signals ------------------------------------------------------------------------------- */

SWEEP(kt_signal_handle, PLAIN | REAL)
{
    atomic_int called = 0;
    kt_signal s = KT_SIGNAL_INIT;
    sure(SWEPT(kt_signal_handle, (&s, SIGUSR1, note, &called)));
    CHECK_OK(kill(getpid(), SIGUSR1));
    sure(kt_sleep(KT_S(1)));
    CHECK_EQ(atomic_load(&called), 1);
    kt_signal_release(&s);
}

SWEEP(kt_signal_release, PLAIN | REAL)
{
    atomic_int called = 0;
    kt_signal s = KT_SIGNAL_INIT;
    sure(kt_signal_handle(&s, SIGUSR1, note, &called));
    SWEPT(kt_signal_release, (&s));
    CHECK(signal(SIGUSR1, SIG_DFL) == SIG_DFL); /* as it was */
}
