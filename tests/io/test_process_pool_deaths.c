/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "process_pool_kit.h"

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

#include "io/process_pool_wire.h"

/* Ends: of workers, servers, jobs, pools, programs; and what is left of them, which is nothing. */

/* ---- Workers that die ---------------------------------------------------------------------- */

KT_PROCESS_FN(die_by, input, size, ret_output)
{
    (void)size;
    (void)ret_output;
    int number = *(const int *)input;
    signal(number, SIG_DFL); /* a sanitizer may have other plans */
    raise(number);
    return 0;
}

TEST_WITH(a_death_by_signal_is_told_to_its_caller, KT_TEST_REAL_TIME)
{
    const struct { int number; const char *name; } signals[] = {
        {SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGKILL, "SIGKILL"}};
    kt_auto(kt_process_pool) *p = open_pool(1);
    for (int i = 0; i < 3; i++) {
        char words[128];
        kt_auto(kt_buffer) out = KT_BUFFER_INIT;
        CHECK_OK(kt_buffer_append_string(&out, "before"));
        pid_t worker = family_of(p).worker;
        CHECK_ERR(kt_process_pool_run(p, die_by, &signals[i].number, sizeof(int), &out), KT_EWORKER);
        snprintf(words, sizeof(words), "worker %d was killed by %s while it ran 'die_by'", (int)worker,
                 signals[i].name);
        CHECK_STR(kt_error_detail(), words);
        CHECK_SLICE(kt_buffer_slice(&out), "before");
        CHECK(!runs(worker));
        CHECK_NE(family_of(p).worker, worker);
    }
}

KT_PROCESS_FN(leave_by_exit, input, size, ret_output)
{
    (void)size;
    if (ret_output)
        exit(*(const int *)input);
    return 0;
}

TEST_WITH(a_death_by_exit_is_told_to_its_caller, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    const int status = 3;
    char words[128];
    pid_t worker = family_of(p).worker;
    CHECK_ERR(kt_process_pool_run(p, leave_by_exit, &status, sizeof(status), NULL), KT_EWORKER);
    snprintf(words, sizeof(words), "worker %d exited with status 3 while it ran 'leave_by_exit'",
             (int)worker);
    CHECK_STR(kt_error_detail(), words);
    CHECK_OK(kt_process_pool_run(p, echo, NULL, 0, NULL));
}

/* More than a limit on memory allows: malloc fails and nobody looked. */
KT_PROCESS_FN(eat_memory, input, size, ret_output)
{
    (void)input;
    (void)size;
    (void)ret_output;
    const struct rlimit little = {1 << 20, 1 << 20};
    signal(SIGSEGV, SIG_DFL);
    if (setrlimit(RLIMIT_AS, &little) < 0)
        return -errno;
    char *bytes = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        abort();
    return bytes[1 << 20];
}

TEST_WITH(a_function_that_runs_out_of_memory_harms_itself_alone, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    CHECK_ERR(kt_process_pool_run(p, eat_memory, NULL, 0, NULL), KT_EWORKER);
    CHECK_OK(kt_process_pool_run(p, echo, NULL, 0, NULL));
}

KT_FN(die_in_task, a, struct { kt_process_pool *pool; })
{
    const int number = SIGKILL;
    CHECK_ERR(kt_process_pool_run(a->pool, die_by, &number, sizeof(number), NULL), KT_EWORKER);
    return 0;
}

KT_FN(echo_in_task, a, struct { kt_process_pool *pool; int *right; })
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = kt_process_pool_run(a->pool, echo, "tea", 3, &out);
    if (rc == 0 && kt_slice_is(kt_buffer_slice(&out), "tea"))
        ++*a->right;
    return rc;
}

TEST_WITH(deaths_harm_nobody_else, KT_TEST_REAL_TIME)
{
    int right = 0;
    kt_auto(kt_process_pool) *p = open_pool(3);
    kt_auto(kt_group) all = KT_GROUP_INIT;
    for (int i = 0; i < 200; i++) {
        if (i % 10 == 0)
            CHECK_OK(kt_group_spawn(&all, KT_WITH(die_in_task, .pool = p)));
        else
            CHECK_OK(kt_group_spawn(&all, KT_WITH(echo_in_task, .pool = p, .right = &right)));
    }
    CHECK_OK(kt_group_join(&all, 0));
    CHECK_EQ(right, 180);
}

TEST_WITH(a_worker_that_dies_at_rest_is_noticed_before_the_next_job, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    pid_t worker = family_of(p).worker;
    CHECK_OK(kill(worker, SIGKILL));
    CHECK(ends_soon(worker));
    CHECK_NE(family_of(p).worker, worker);
}

TEST_WITH(deaths_in_a_row_slow_the_replacement_down, KT_TEST_REAL_TIME)
{
    const int number = SIGKILL;
    kt_auto(kt_process_pool) *p = open_pool(1);
    kt_time start = kt_now();
    for (int i = 0; i < 6; i++) /* 10, 20 ms before the fifth and sixth */
        CHECK_ERR(kt_process_pool_run(p, die_by, &number, sizeof(number), NULL), KT_EWORKER);
    CHECK_GE(kt_now() - start, KT_MS(30));
    CHECK_OK(kt_process_pool_run(p, echo, NULL, 0, NULL));
}

/* ---- Workers that talk out of turn --------------------------------------------------------- */

static int line_of_worker(void)
{
    for (int fd = 3; fd < 1000; fd++) {
        int type;
        socklen_t size = sizeof(type);
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
            return fd;
    }
    return -1;
}

KT_PROCESS_FN(babble, input, size, ret_output)
{
    char bytes[5000];
    (void)ret_output;
    memset(bytes, 'x', sizeof(bytes));
    (void)input;
    return write(line_of_worker(), bytes, size) == (ssize_t)size ? 0 : -EIO;
}

TEST_WITH(a_function_that_writes_to_the_line_is_found_out, KT_TEST_REAL_TIME)
{
    const char zeros[5000] = {0};
    kt_auto(kt_process_pool) *p = open_pool(1);
    for (size_t size = 1; size < 5000; size = size * 3 + 37) {
        pid_t worker = family_of(p).worker;
        CHECK_ERR(kt_process_pool_run(p, babble, zeros, size, NULL), KT_EPROTOCOL);
        CHECK(!runs(worker));
    }
    CHECK_OK(kt_process_pool_run(p, echo, NULL, 0, NULL));
}

KT_PROCESS_FN(hang_up, input, size, ret_output)
{
    (void)input;
    (void)size;
    (void)ret_output;
    close(line_of_worker());
    return pause();
}

TEST_WITH(a_function_that_closes_the_line_is_ended, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    pid_t worker = family_of(p).worker;
    CHECK_ERR(kt_process_pool_run(p, hang_up, NULL, 0, NULL), KT_EPROTOCOL);
    CHECK(!runs(worker));
}

/* Two processes return from it, the second one later: so there are two answers. */
KT_PROCESS_FN(return_twice, input, size, ret_output)
{
    (void)input;
    (void)size;
    pid_t pid = fork();
    if (pid == 0)
        usleep(50000);
    return kt_buffer_append_string(ret_output, pid == 0 ? "child" : "parent");
}

KT_PROCESS_FN(nap, input, size, ret_output)
{
    usleep(500000);
    return kt_buffer_append(ret_output, input, size);
}

TEST_WITH(an_answer_to_another_job_is_never_taken, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_process_pool_run(p, return_twice, NULL, 0, &out));
    CHECK_SLICE(kt_buffer_slice(&out), "parent");
    CHECK_ERR(kt_process_pool_run(p, nap, "tea", 3, &out), KT_EPROTOCOL);
    CHECK_SLICE(kt_buffer_slice(&out), "parent");

    CHECK_OK(kt_process_pool_run(p, return_twice, NULL, 0, &out));
    CHECK_OK(kt_sleep(KT_MS(200))); /* it came while nobody asked */
    CHECK_OK(kt_process_pool_run(p, echo, "tea", 3, &out));
    CHECK_SLICE(kt_buffer_slice(&out), "tea");
}

/* Begins to answer the worker's first job, and dies. */
KT_PROCESS_FN(die_in_answer, input, size, ret_output)
{
    const kt__answer a = {.magic = KT__ANSWER_MAGIC, .serial = 1, .output_size = 1 << 20};
    char bytes[sizeof(a) + 100] = "";
    size_t part = *(const size_t *)input;
    (void)size;
    (void)ret_output;
    memcpy(bytes, &a, sizeof(a));
    if (write(line_of_worker(), bytes, part) != (ssize_t)part)
        return -EIO;
    return raise(SIGKILL);
}

TEST_WITH(a_death_in_the_middle_of_an_answer_is_one, KT_TEST_REAL_TIME)
{
    for (size_t part = 1; part <= sizeof(kt__answer) + 100; part += part < sizeof(kt__answer) ? 1 : 33) {
        kt_auto(kt_process_pool) *p = open_pool(1);
        kt_auto(kt_buffer) out = KT_BUFFER_INIT;
        CHECK_OK(kt_buffer_append_string(&out, "before"));
        CHECK_ERR(kt_process_pool_run(p, die_in_answer, &part, sizeof(part), &out), KT_EWORKER);
        CHECK(strstr(kt_error_detail(), "was killed by SIGKILL while it ran 'die_in_answer'") != NULL);
        CHECK_SLICE(kt_buffer_slice(&out), "before");
    }
}

/* ---- Cancellation -------------------------------------------------------------------------- */

TEST_WITH(a_running_job_is_ended_by_its_cancellation, KT_TEST_REAL_TIME)
{
    kt_task *task;
    teller t = teller_open();
    kt_auto(kt_process_pool) *p = open_pool(1);
    CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = run_for_ever, .teller = &t), &task));
    const family f = await_teller(&t);
    CHECK(runs(f.worker));
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    CHECK(!runs(f.worker));
    CHECK_EQ(kill(f.worker, 0), -1); /* no zombie either */
    const family next = family_of(p);
    CHECK_EQ(next.server, f.server);
    CHECK_NE(next.worker, f.worker);
    teller_close(&t);
}

TEST_WITH(a_waiting_job_is_taken_back, KT_TEST_REAL_TIME)
{
    kt_task *first, *second;
    teller t = teller_open(), unheard = teller_open();
    kt_auto(kt_process_pool) *p = open_pool(1);
    CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = run_for_ever, .teller = &t), &first));
    const family f = await_teller(&t);
    CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = run_for_ever, .teller = &unheard), &second));
    CHECK_OK(kt_sleep(KT_MS(5)));
    CHECK(kt_task_cancel(second));
    CHECK_ERR(kt_task_join(second), KT_ECANCELED);
    CHECK(runs(f.worker)); /* which the other one has */
    CHECK(kt_task_cancel(first));
    CHECK_ERR(kt_task_join(first), KT_ECANCELED);
    char byte;
    CHECK_EQ(read(unheard.ends[0], &byte, 1), -1); /* it has never run */
    CHECK_EQ(errno, EAGAIN);
    teller_close(&t);
    teller_close(&unheard);
}

TEST_WITH(a_timeout_scope_limits_a_job, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    pid_t worker = family_of(p).worker;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(30));
    CHECK_ERR(kt_timeout_end(&limit, kt_process_pool_run(p, run_for_ever, NULL, 0, NULL)), KT_ETIMEDOUT);
    CHECK(!runs(worker));
    CHECK_NE(family_of(p).worker, worker);
}

KT_FN(cancel_early, a, struct { kt_process_pool *pool; })
{
    CHECK(kt_task_cancel(kt_task_current()));
    return kt_process_pool_run(a->pool, echo, NULL, 0, NULL);
}

TEST_WITH(a_call_under_cancellation_costs_no_worker, KT_TEST_REAL_TIME)
{
    kt_task *task;
    kt_auto(kt_process_pool) *p = open_pool(1);
    pid_t worker = family_of(p).worker;
    CHECK_OK(kt_spawn(KT_WITH(cancel_early, .pool = p), &task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    CHECK_EQ(family_of(p).worker, worker);
}

TEST_WITH(what_a_function_has_started_ends_with_it, KT_TEST_REAL_TIME)
{
    kt_task *task;
    teller t = teller_open();
    kt_auto(kt_process_pool) *p = open_pool(1);
    CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = have_child, .teller = &t), &task));
    const family f = await_teller(&t);
    CHECK(runs(f.worker) && runs(f.server));
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    CHECK(!runs(f.worker) && !runs(f.server));
    teller_close(&t);
}

/* A process that we trace stops on its way out, killed or not, until we let it go (ptrace(2)). */
static void hold_at_exit(pid_t pid)
{
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACEEXIT) < 0)
        kt_test_skip("may not trace processes");
}

static void let_go(pid_t pid)
{
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
    CHECK_OK(ptrace(PTRACE_CONT, pid, NULL, NULL));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
}

/* The other job needs a worker of its own, which the server has to make meanwhile. */
TEST_WITH(a_group_that_takes_its_time_delays_its_own_caller_alone, KT_TEST_REAL_TIME)
{
    kt_task *task;
    teller t = teller_open();
    kt_auto(kt_process_pool) *p = open_pool(2);
    CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = have_child, .teller = &t), &task));
    const family f = await_teller(&t);
    hold_at_exit(f.server); /* which the function has started */
    CHECK(kt_task_cancel(task));
    while (runs(f.worker))
        CHECK_OK(kt_sleep(KT_MS(1)));
    kt_time start = kt_now();
    CHECK_OK(kt_process_pool_run(p, echo, NULL, 0, NULL));
    CHECK(!kt_task_done(task));
    CHECK_LT(kt_now() - start, KT_MS(1500)); /* the group would be given up after 2 s */
    let_go(f.server);
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    teller_close(&t);
}

TEST_WITH(a_group_that_hangs_is_given_up, KT_TEST_REAL_TIME)
{
    kt_task *task;
    teller t = teller_open();
    kt_process_pool *p = open_pool(1);
    CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = have_child, .teller = &t), &task));
    const family f = await_teller(&t);
    hold_at_exit(f.server);
    kt_time start = kt_now();
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    CHECK_GE(kt_now() - start, KT_MS(1900)); /* and the server was not given up, which takes 5 s */
    CHECK_OK(kt_process_pool_run(p, echo, NULL, 0, NULL));
    let_go(f.server);
    kt_process_pool_close(p);
    teller_close(&t);
}

/* What it starts leaves the group, and has the line, too. */
KT_PROCESS_FN(let_go_and_die, input, size, ret_output)
{
    (void)size;
    (void)ret_output;
    pid_t pid = fork();
    if (pid == 0) {
        family f = {setsid(), 0};
        int fd = open(input, O_WRONLY | O_CLOEXEC);
        if (write(fd, &f, sizeof(f)) == sizeof(f))
            pause();
        _exit(1);
    }
    usleep(50000);
    return raise(SIGKILL);
}

TEST_WITH(what_has_left_the_group_does_not_keep_a_caller_waiting, KT_TEST_REAL_TIME)
{
    teller t = teller_open();
    kt_auto(kt_process_pool) *p = open_pool(1);
    kt_time start = kt_now();
    CHECK_ERR(kt_process_pool_run(p, let_go_and_die, t.path, sizeof(t.path), NULL), KT_EWORKER);
    CHECK_LT(kt_now() - start, KT_S(10));
    CHECK_OK(kill(await_teller(&t).worker, SIGKILL));
    CHECK_OK(kt_process_pool_run(p, echo, NULL, 0, NULL));
    teller_close(&t);
}

TEST_WITH(cancelling_at_any_moment_leaves_nothing, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(2);
    for (int us = 0; us < 3000; us += 97) {
        int right = 0;
        kt_task *task;
        CHECK_OK(kt_spawn(KT_WITH(echo_in_task, .pool = p, .right = &right), &task));
        CHECK_OK(kt_sleep(KT_US(us)));
        kt_task_cancel(task);
        int rc = kt_task_join(task);
        CHECK(rc == KT_ECANCELED || right == 1);
        CHECK_OK(kt_process_pool_run(p, echo, NULL, 0, NULL));
    }
}

/* ---- The server ---------------------------------------------------------------------------- */

TEST_WITH(a_server_that_is_killed_takes_the_pool_along, KT_TEST_REAL_TIME)
{
    kt_task *task;
    teller t = teller_open();
    kt_process_pool *p = open_pool(1);
    CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = run_for_ever, .teller = &t), &task));
    const family f = await_teller(&t);
    CHECK_OK(kill(f.server, SIGKILL));
    CHECK_ERR(kt_task_join(task), KT_EWORKER);
    CHECK(strstr(kt_error_detail(), "server") && strstr(kt_error_detail(), "'run_for_ever'"));
    CHECK(ends_soon(f.worker));
    CHECK_ERR(kt_process_pool_run(p, echo, NULL, 0, NULL), KT_EWORKER);
    CHECK(strstr(kt_error_detail(), "server"));
    kt_process_pool_close(p);
    check_no_children();
    teller_close(&t);
}

TEST_WITH(a_server_that_is_stopped_is_given_up, KT_TEST_REAL_TIME)
{
    kt_process_pool *p = open_pool(1);
    const family f = family_of(p);
    CHECK_OK(kill(f.server, SIGSTOP));
    kt_process_pool_close(p);
    check_no_children();
    CHECK(ends_soon(f.worker));
}

/* ---- Closing ------------------------------------------------------------------------------- */

TEST_WITH(close_leaves_no_process, KT_TEST_REAL_TIME)
{
    kt_process_pool *p = open_pool(3);
    const family f = family_of(p);
    CHECK(runs(f.worker) && runs(f.server));
    kt_process_pool_close(p);
    CHECK(!runs(f.worker) && !runs(f.server));
    check_no_children();
}

TEST_WITH(close_sends_callers_away, KT_TEST_REAL_TIME)
{
    kt_task *running, *waiting;
    int right = 0;
    teller t = teller_open();
    kt_process_pool *p = open_pool(1);
    CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = run_for_ever, .teller = &t), &running));
    const family f = await_teller(&t);
    CHECK_OK(kt_spawn(KT_WITH(echo_in_task, .pool = p, .right = &right), &waiting));
    CHECK_OK(kt_sleep(0));
    kt_process_pool_close(p);
    CHECK(!runs(f.worker) && !runs(f.server));
    CHECK_ERR(kt_task_join(running), KT_ESHUTDOWN);
    CHECK_ERR(kt_task_join(waiting), KT_ESHUTDOWN);
    CHECK_EQ(right, 0);
    check_no_children();
    teller_close(&t);
}

KT_FN(close_in_task, a, struct { kt_process_pool *pool; })
{
    CHECK(kt_task_cancel(kt_task_current()));
    kt_process_pool_close(a->pool);
    return kt_sleep(0);
}

TEST_WITH(a_cancellation_does_not_hurry_close, KT_TEST_REAL_TIME)
{
    kt_task *task;
    kt_process_pool *p = open_pool(1);
    const family f = family_of(p);
    CHECK_OK(kt_spawn(KT_WITH(close_in_task, .pool = p), &task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    CHECK(!runs(f.worker) && !runs(f.server));
    check_no_children();
}

TEST_WITH(close_while_workers_are_being_made, KT_TEST_REAL_TIME)
{
    for (int passes = 0; passes < 12; passes++) {
        int right = 0;
        kt_process_pool *p = open_pool(4);
        kt_task *tasks[8];
        for (int i = 0; i < 8; i++)
            CHECK_OK(kt_spawn(KT_WITH(echo_in_task, .pool = p, .right = &right), &tasks[i]));
        for (int i = 0; i < passes; i++)
            CHECK_OK(kt_sleep(0));
        kt_process_pool_close(p);
        for (int i = 0; i < 8; i++) {
            int rc = kt_task_join(tasks[i]);
            CHECK(rc == 0 || rc == KT_ESHUTDOWN);
        }
        check_no_children();
    }
}

/* ---- Want of memory and descriptors -------------------------------------------------------- */

TEST_WITH(every_allocation_may_fail, KT_TEST_REAL_TIME)
{
    for (uint64_t nth = 1;; nth++) {
        kt_process_pool *p = NULL;
        kt_auto(kt_buffer) out = KT_BUFFER_INIT;
        kt_test_fail_allocation(nth);
        int rc = kt_process_pool_open(NULL, &p);
        if (rc == 0)
            rc = kt_process_pool_run(p, echo, "tea", 3, &out);
        kt_process_pool_close(p);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK(rc == 0 || (failed && rc == -ENOMEM));
        check_no_children();
        if (!failed)
            break;
    }
}

TEST_WITH(without_descriptors_nothing_is_left, KT_TEST_REAL_TIME)
{
    int spare = dup(1);
    struct rlimit before, tight;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
    close(spare);
    int failures = 0, rc = -1;
    for (rlim_t more = 0; rc < 0; more++) {
        kt_process_pool *p = NULL;
        tight = (struct rlimit){(rlim_t)spare + more, before.rlim_max};
        CHECK_OK(setrlimit(RLIMIT_NOFILE, &tight));
        rc = kt_process_pool_open(NULL, &p);
        if (rc == 0)
            rc = kt_process_pool_run(p, echo, NULL, 0, NULL);
        kt_process_pool_close(p);
        CHECK_OK(setrlimit(RLIMIT_NOFILE, &before));
        check_no_children();
        failures += rc < 0;
    }
    CHECK_GT(failures, 2);
}
