/* SPDX-License-Identifier: MIT */

/* Programs on kernels, and in containers, that refuse what newer ones offer: what is done in its place meets its
 * errors, too. And what only a program in debug mode does. */
#include "faults.h"

#include <signal.h>

/* ---- The loop ---------------------------------------------------------------------------------- */

static int naps(void *arg)
{
    (void)arg;
    return kt_sleep(KT_MS(1));
}

static void sleeps(void)
{
    kt_task *t = NULL;
    if (!ok(kt_spawn(naps, NULL, 0, &t)))
        return;
    ok(kt_sleep(KT_MS(2)));
    ok(kt_task_join(t));
}

/* Linux 5.11; 6.13. */
static const lacking before_5_11[] = {{"epoll_pwait2", ENOSYS}, {"madvise", EINVAL}, {NULL, 0}};

SCENARIO(a_loop_on_linux_5_10, NULL, sleeps, NULL, .lacking = before_5_11)

static void turn_debug_on(void)
{
    if (setenv("KETTLE_DEBUG", "1", 1) < 0)
        kt_test_fail("setenv: %s", strerror(errno));
}

static const spared of_debugging[] = {
    {"mincore", 0, 0, "a stack that nobody can measure counts as used in full"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_loop_in_debug_mode, turn_debug_on, sleeps, of_debugging)

/* ---- Processes --------------------------------------------------------------------------------- */

static const char *const nothing[] = {"/bin/true", NULL};

static void runs(void)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_status status;
    const kt_process_options options = {.argv = nothing};
    if (ok(kt_process_spawn(&options, &p)) && ok(kt_process_wait(p, &status)))
        MUST(status.exit_code == 0);
}

static const spared of_processes[] = {
    OF_PROCESSES,
    {"syscall fcntl", 0, 0, "one that was closed meanwhile"},
    {"nanosleep", 0, 0, "looked at again at once"},
    {NULL, 0, 0, NULL},
};

/* Linux 5.11, and what containers refuse. */
static const lacking no_close_range[] = {{"syscall close_range", ENOSYS}, {NULL, 0}};

SCENARIO(a_process_without_close_range, NULL, runs, of_processes, .lacking = no_close_range)

/* What its shell has started is killed with it, and outlasted. */
static const char *const shell[] = {"/bin/sh", "-c", "sleep 100 & sleep 100 & sleep 100", NULL};

static void stops_a_group(void)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_status status;
    const kt_process_options options = {.argv = shell};
    if (!ok(kt_process_spawn(&options, &p)))
        return;
    ok(kt_sleep(KT_MS(5))); /* time to start them */
    ok(kt_process_stop(p, 0, &status));
}

SCENARIO(a_group_of_processes_that_is_stopped, NULL, stops_a_group, of_processes)

/* ---- The pool of processes ---------------------------------------------------------------------- */

static void opens(void)
{
    kt_auto(kt_process_pool) *p = NULL;
    const kt_process_pool_options options = {.workers = 1};
    ok(kt_process_pool_open(&options, &p));
}

static const spared of_pools[] = {
    OF_PROCESSES,
    {"*", 0, KT_EWORKER, "the server that meets it ends"},
    {"*", 0, 0, "at the end, where nobody is told any more"},
    {NULL, 0, 0, NULL},
};

/* The server of a pool whose line cannot be shut down is killed. */
static const lacking no_shutdown[] = {{"shutdown", ENOTCONN}, {NULL, 0}};

SCENARIO(a_server_that_is_killed, NULL, opens, of_pools, .lacking = no_shutdown)
