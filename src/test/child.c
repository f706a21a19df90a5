/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

#include <kettle/error.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Present in builds with a leak sanitizer. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

typedef struct run {
    const kt__test *test;
    bool started;
} run;

static const char *forced_driver(void)
{
    const char *driver = getenv("KETTLE_DRIVER");
    return driver && *driver ? driver : NULL;
}

const char *kt__test_unfit(const kt__test *t)
{
    const char *driver = forced_driver();
    if (!driver || strcmp(driver, "sim") != 0)
        return "";
    if (t->flags & KT_TEST_REAL_TIME)
        return "needs real time, and KETTLE_DRIVER is sim";
    if (t->flags & KT_TEST_REAL_IO)
        return "needs real descriptors, and KETTLE_DRIVER is sim";
    return "";
}

static kt_options options_for(const kt__test *t)
{
    bool real = t->flags & (KT_TEST_REAL_TIME | KT_TEST_REAL_IO);
    kt_options options = {0};
    options.driver = real || forced_driver() ? KT_DRIVER_AUTO : KT_DRIVER_SIM;
    options.virtual_time = !(t->flags & KT_TEST_REAL_TIME);
    return options;
}

/* ---- What must be clean ---------------------------------------------------------------- */

static void report_task(kt_task *t, void *arg)
{
    (void)arg;
    if (t != kt_task_current())
        kt__test_say_failure("    %s\n", kt_task_name(t));
}

void kt__test_check_tasks(void)
{
    size_t others = kt_task_each(NULL, NULL) - 1;
    if (others == 0)
        return;
    kt_task_dump(STDERR_FILENO);
    kt__test_fail_begin();
    kt__test_say_failure("left %zu task%s alive:\n", others, others == 1 ? "" : "s");
    kt_task_each(report_task, NULL);
    kt__test_fail_end();
}

static void check_behind(const kt__descriptors *before, const kt__descriptors *after)
{
    size_t files = kt__test_files_new(before, after, false), blocks = kt_test_blocks();
    if (files == 0 && blocks == 0)
        return;
    kt__test_fail_begin();
    if (files > 0) {
        kt__test_say_failure("left %zu descriptor%s open:\n", files, files == 1 ? "" : "s");
        kt__test_files_new(before, after, true);
    }
    if (blocks > 0) {
        kt__test_say_failure("left memory of kt_alloc:\n");
        kt__test_memory_report();
    }
    kt__test_fail_end();
}

/* A forced uring does not fall back; a machine without it fails no test. */
static void check_result(int rc, bool started)
{
    if (started && rc == 0)
        return;
    const char *driver = forced_driver(), *name = kt_error_name(rc);
    if (!started && driver && strcmp(driver, "uring") == 0 &&
        (rc == -ENOSYS || rc == -EPERM || rc == -EACCES))
        kt_test_skip("this machine forbids io_uring (%s)", name);
    kt_test_fail(started ? "the loop ended with %d (%s): %s" : "no loop: %d (%s): %s", rc, name,
                 kt_error_detail());
}

/* ---- The run --------------------------------------------------------------------------- */

/* The names of these two are where a printed call chain ends; see symbols.c. */
static int kt__test_in_loop(void *arg)
{
    run *r = arg;
    r->started = true;
    r->test->body();
    kt_test_fail_allocation(0);
    /* Now, since the loop's end would cancel and join them. */
    if (!r->test->dies_with)
        kt__test_check_tasks();
    return 0;
}

static void kt__test_outside(const kt__test *t)
{
    run r = {t, false};
    if (t->flags & KT_TEST_NO_LOOP) {
        t->body();
        kt_test_fail_allocation(0);
        return;
    }
    kt_options options = options_for(t);
    int rc = kt_run_with(&options, kt__test_in_loop, &r, 0);
    check_result(rc, r.started);
}

void kt__test_perform(const kt__test *t)
{
    /* Static: a body that ends the process parks this stack, where leak sanitizers do not look. */
    static kt__descriptors before, after;
    kt__test_trace_clear();
    kt__test_files_read(&before);
    kt__test_memory_start();
    kt__test_outside(t);
    if (t->dies_with)
        kt_test_fail("came to its end, and should have died with \"%s\"", t->dies_with);
    kt__test_files_read(&after);
    check_behind(&before, &after);
    kt__test_memory_stop();
    kt__test_files_release(&before);
    kt__test_files_release(&after);
    if (atomic_load(&kt__test_status->checks) == 0)
        kt_test_fail("made no check");
    if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
        kt_test_fail("left memory that nothing points to");
    int running = KT__RUNNING;
    atomic_compare_exchange_strong(&kt__test_status->verdict, &running, KT__PASSED);
}
