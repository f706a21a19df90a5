/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Programs that are asked to end, what they may use, and what they have used. */

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs a script that says something once it is ready. */
static kt_process *script(const char *text)
{
    kt_process *p = NULL;
    kt_slice line;
    kt_process_options o = {.argv = ARGV("sh", "-c", text), .output = KT_PROCESS_PIPE};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_EQ(kt_stream_read_line(kt_process_stdout(p), 100, &line), 1);
    return p;
}

/* What it says to its end. */
static void check_says(kt_process *p, const char *expected)
{
    char bytes[256];
    size_t size = 0;
    ssize_t n;
    while ((n = kt_stream_read(kt_process_stdout(p), bytes + size, sizeof bytes - 1 - size)) > 0)
        size += (size_t)n;
    CHECK_OK(n);
    bytes[size] = '\0';
    CHECK_STR(bytes, expected);
}

/* ---- Stopping ------------------------------------------------------------------------------- */

TEST_WITH(a_program_that_listens_ends_in_its_own_way, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = script("trap 'echo bye; exit 3' TERM; echo; while :; do sleep 0.01; done");
    kt_process_status status;
    CHECK_EQ(kt_process_stop(p, KT_S(30), &status), 0);
    CHECK_EQ(status.exit_code, 3);
    check_says(p, "bye\n");
    CHECK_EQ(kt_process_stop(p, KT_S(30), NULL), 0);
}

TEST_WITH(one_that_does_not_is_killed_after_the_grace, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = script("trap 'echo no' TERM; echo; while :; do sleep 0.01; done");
    kt_process_status status;
    kt_time start = kt_now();
    CHECK_EQ(kt_process_stop(p, KT_MS(200), &status), 1);
    CHECK_GE(kt_now() - start, KT_MS(200));
    CHECK_EQ(status.exit_code, -1);
    CHECK_EQ(status.signal, SIGKILL);
    check_says(p, "no\n");
}

TEST_WITH(without_grace_it_is_killed_at_once, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = script("trap 'echo no' TERM; echo; while :; do sleep 0.01; done");
    kt_process_status status;
    CHECK_EQ(kt_process_stop(p, 0, &status), 1);
    CHECK_EQ(status.signal, SIGKILL);
    check_says(p, "");
}

TEST_WITH(one_that_is_stopped_hears_it_too, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = script("trap 'exit 4' TERM; echo; while :; do sleep 0.01; done");
    kt_process_status status;
    CHECK_OK(kt_process_signal(p, SIGSTOP));
    CHECK_EQ(kt_process_stop(p, KT_S(30), &status), 0);
    CHECK_EQ(status.exit_code, 4);
}

TEST_WITH(what_it_has_started_has_the_same_grace, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p =
        script("(trap 'sleep 0.2; echo late; exit' TERM; echo; while :; do sleep 0.01; done) & wait");
    kt_process_status status;
    CHECK_EQ(kt_process_stop(p, KT_S(30), &status), 0);
    CHECK_EQ(status.signal, SIGTERM);
    check_says(p, "late\n");
}

/* As a shell does that is asked just before it starts a program. */
TEST_WITH(what_was_forked_while_the_request_was_held_back_is_asked_too, KT_TEST_REAL_TIME)
{
    static const char holds[] = "exec python3 -c 'import os, signal, time\n"
                                "term = {signal.SIGTERM}\n"
                                "signal.pthread_sigmask(signal.SIG_BLOCK, term)\n"
                                "print(flush=True)\n"
                                "while not signal.sigpending():\n"
                                "    time.sleep(0.01)\n"
                                "child = os.fork()\n"
                                "signal.pthread_sigmask(signal.SIG_UNBLOCK, term)\n"
                                "time.sleep(600)'";
    kt_auto(kt_process) *p = script(holds);
    kt_process_status status;
    CHECK_EQ(kt_process_stop(p, KT_S(30), &status), 0);
    CHECK_EQ(status.signal, SIGTERM);
}

TEST_WITH(and_is_killed_if_it_does_not_end, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = script("(trap '' TERM; echo; while :; do sleep 0.01; done) & wait");
    kt_process_status status;
    CHECK_EQ(kt_process_stop(p, KT_MS(200), &status), 1);
    CHECK_EQ(status.signal, SIGTERM);
    check_says(p, ""); /* the end of file: nobody has the pipe any more */
}

static int stops(void *p)
{
    return kt_process_stop(p, KT_S(600), NULL);
}

TEST_WITH(a_cancellation_cuts_the_grace_short, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = script("trap '' TERM; echo; while :; do sleep 0.01; done");
    kt_process_status status;
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(stops, p, 0, &t));
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK(kt_task_cancel(t));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_EQ(status.signal, SIGKILL);
}

TEST_WITH(so_does_a_limit_from_outside, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = script("trap '' TERM; echo; while :; do sleep 0.01; done");
    CHECK_ERR(kt_wait_for(KT_MS(20), stops, p, 0), KT_ETIMEDOUT);
}

TEST_WITH(who_was_reaped_by_another_cannot_be_stopped, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = script("echo");
    kt_process_status status = {-7, -7};
    kt_process_usage usage;
    CHECK_EQ(waitpid(kt_process_pid(p), NULL, 0), kt_process_pid(p));
    CHECK_ERR(kt_process_stop(p, KT_S(1), &status), -ECHILD);
    CHECK_ERR(kt_process_usage_get(p, &usage), -ECHILD);
    CHECK_EQ(status.exit_code, -7);
}

/* ---- Limits --------------------------------------------------------------------------------- */

static void check_limited(const kt_process_limit *limits, size_t count, const char *text, const char *expected)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_options o = {.argv = ARGV("sh", "-c", text), .output = KT_PROCESS_PIPE,
                            .limits = limits, .limits_count = count};
    CHECK_OK(kt_process_spawn(&o, &p));
    check_says(p, expected);
}

TEST_WITH(a_child_has_the_limits_that_it_was_given, KT_TEST_REAL_TIME)
{
    struct rlimit before, now;
    const kt_process_limit limits[] = {{RLIMIT_NOFILE, 20, 30}, {RLIMIT_CORE, 0, 0}};
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    check_limited(limits, 2, "ulimit -Sn; ulimit -Hn; ulimit -c; sh -c 'ulimit -Sn'", "20\n30\n0\n20\n");
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &now), 0);
    CHECK_EQ(now.rlim_cur, before.rlim_cur); /* ours are as they were */
    CHECK_EQ(now.rlim_max, before.rlim_max);
}

TEST_WITH(a_child_that_uses_more_time_is_ended, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_status status;
    kt_process_usage usage;
    const kt_process_limit limit = {RLIMIT_CPU, 1, 2};
    kt_process_options o = {.argv = ARGV("sh", "-c", "while :; do :; done"), .limits = &limit, .limits_count = 1};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_EQ(status.signal, SIGXCPU);
    CHECK_OK(kt_process_usage_get(p, &usage));
    CHECK_GE(usage.user + usage.system, KT_MS(100));
}

TEST_WITH(a_descriptor_above_the_limit_is_set_before_it, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = NULL;
    const kt_process_limit limit = {RLIMIT_NOFILE, 10, 10};
    const kt_process_fd fd = {2, 50};
    kt_process_status status;
    kt_process_options o = {.argv = ARGV("true"), .fds = &fd, .fds_count = 1,
                            .limits = &limit, .limits_count = 1};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_EQ(status.exit_code, 0);
}

static void check_refused(kt_process_limit limit, int error, const char *words)
{
    kt_process *p = NULL;
    const kt_process_options o = {.argv = ARGV("true"), .limits = &limit, .limits_count = 1};
    CHECK_ERR(kt_process_spawn(&o, &p), error);
    CHECK(strstr(kt_error_detail(), words) != NULL);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

TEST_WITH(a_limit_that_cannot_be_names_itself, KT_TEST_REAL_TIME)
{
    check_refused((kt_process_limit){9999, 1, 1}, -EINVAL, "setting limit 9999");
    check_refused((kt_process_limit){RLIMIT_NOFILE, 2, 1}, -EINVAL, "setting limit 7");
    if (geteuid() == 0)
        CHECK_EQ(setresuid(65534, 65534, 65534), 0);
    struct rlimit ours = {64, 64};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &ours), 0);
    check_refused((kt_process_limit){RLIMIT_NOFILE, 5, 65}, -EPERM, "setting limit 7");
}

/* ---- Usage ---------------------------------------------------------------------------------- */

TEST_WITH(a_child_tells_what_it_has_used_once_it_has_ended, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = script("echo; sleep 30; :");
    kt_process_usage usage = {.user = -7};
    CHECK_ERR(kt_process_usage_get(p, &usage), KT_EINVALIDSTATE);
    CHECK_EQ(usage.user, -7);
    CHECK_EQ(kt_process_stop(p, KT_S(30), NULL), 0);
    CHECK_OK(kt_process_usage_get(p, &usage));
    CHECK_GE(usage.user, 0);
    CHECK_GT(usage.user + usage.system, 0);
    CHECK_LT(usage.user + usage.system, KT_S(5));
    CHECK_GT(usage.memory_bytes_max, 100 * 1000);
    CHECK_LT(usage.memory_bytes_max, INT64_C(64) << 30);
}

TEST_WITH(what_its_children_have_used_counts_if_it_waited, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = script("echo; sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; :");
    kt_process_usage usage;
    CHECK_OK(kt_process_wait(p, NULL));
    CHECK_OK(kt_process_usage_get(p, &usage));
    CHECK_GT(usage.user, KT_MS(10));
}
