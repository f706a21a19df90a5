/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "process_pool_kit.h"

#include <pthread.h>

/* Jobs: what travels, in which order, within which limits; and workers' lives without accidents. */

/* ---- Results ------------------------------------------------------------------------------- */

TEST_WITH(the_output_comes_back_with_the_result, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&out, "what it held"));
    CHECK_EQ(kt_process_pool_run(p, echo, "tea", 3, &out), 0);
    CHECK_SLICE(kt_buffer_slice(&out), "tea");
    CHECK_EQ(kt_process_pool_run(p, echo, NULL, 0, &out), 0);
    CHECK_EQ(out.size, 0);
    CHECK_OK(kt_process_pool_run(p, echo, "unwanted", 8, NULL));
}

KT_PROCESS_FN(add, input, size, ret_output)
{
    const int *numbers = input;
    int sum = 0;
    for (size_t i = 0; i < size / sizeof(int); i++)
        sum += numbers[i];
    (void)ret_output;
    return sum;
}

TEST_WITH(a_result_above_zero_is_handed_through, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    const int numbers[] = {20, 20, 2};
    CHECK_EQ(kt_process_pool_run(p, add, numbers, sizeof(numbers), NULL), 42);
}

KT_PROCESS_FN(fail, input, size, ret_output)
{
    int rc = kt_buffer_append_string(ret_output, "dropped");
    if (rc < 0)
        return rc;
    return size > 0 ? kt_error_set(KT_EVALIDATION, "no such %.*s", (int)size, (const char *)input)
                    : -ENOENT;
}

TEST_WITH(a_failure_travels_with_its_words, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&out, "before"));
    CHECK_ERR(kt_process_pool_run(p, fail, "kettle", 6, &out), KT_EVALIDATION);
    CHECK_STR(kt_error_detail(), "no such kettle");
    CHECK_SLICE(kt_buffer_slice(&out), "before");
    CHECK_ERR(kt_process_pool_run(p, fail, NULL, 0, &out), -ENOENT);
    CHECK_STR(kt_error_detail(), ""); /* not the words of the last job */
}

TEST_WITH(words_beyond_the_limit_are_cut, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    char long_name[400];
    memset(long_name, 'x', sizeof(long_name));
    CHECK_ERR(kt_process_pool_run(p, fail, long_name, sizeof(long_name), NULL), KT_EVALIDATION);
    CHECK_EQ(strlen(kt_error_detail()), 255);
}

TEST_WITH(megabytes_travel_both_ways, KT_TEST_REAL_TIME)
{
    const size_t size = 5000001;
    kt_auto(kt_process_pool) *p = open_pool(1);
    kt_auto(kt_buffer) in = KT_BUFFER_INIT, out = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_reserve(&in, size));
    for (in.size = 0; in.size < size; in.size++)
        in.data[in.size] = (char)(in.size * 7 + in.size / 1000);
    CHECK_OK(kt_process_pool_run(p, echo, in.data, in.size, &out));
    CHECK_EQ(out.size, size);
    CHECK(memcmp(in.data, out.data, size) == 0);
    for (size_t around = 4000; around < 4200; around += 3) { /* about the size of one read */
        CHECK_OK(kt_process_pool_run(p, echo, in.data, around, &out));
        CHECK_EQ(out.size, around);
        CHECK(memcmp(in.data, out.data, around) == 0);
    }
}

static int brew(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_MS(1));
    return rc < 0 ? rc : 7;
}

KT_PROCESS_FN(run_a_loop, input, size, ret_output)
{
    (void)input;
    (void)size;
    (void)ret_output;
    return kt_run(brew, NULL, 0);
}

TEST_WITH(a_function_may_run_a_loop_of_its_own, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    CHECK_EQ(kt_process_pool_run(p, run_a_loop, NULL, 0, NULL), 7);
    CHECK_EQ(kt_process_pool_run(p, run_a_loop, NULL, 0, NULL), 7);
}

/* ---- Order and number ---------------------------------------------------------------------- */

KT_FN(note_turn, a, struct { kt_process_pool *pool; int number; })
{
    int rc = kt_process_pool_run(a->pool, add, &a->number, sizeof(a->number), NULL);
    if (rc >= 0)
        kt_test_say("%d", rc);
    return rc < 0 ? rc : 0;
}

TEST_WITH(callers_are_served_in_the_order_of_their_calls, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    kt_auto(kt_group) all = KT_GROUP_INIT;
    for (int i = 1; i <= 6; i++)
        CHECK_OK(kt_group_spawn(&all, KT_WITH(note_turn, .pool = p, .number = i)));
    CHECK_OK(kt_group_join(&all, 0));
    CHECK_TRACE("1\n2\n3\n4\n5\n6");
}

KT_FN(run_one, a, struct { kt_process_pool *pool; int *right; int number; })
{
    int rc = kt_process_pool_run(a->pool, add, &a->number, sizeof(a->number), NULL);
    if (rc == a->number)
        ++*a->right;
    return rc < 0 ? rc : 0;
}

TEST_WITH(ten_thousand_jobs_at_once, KT_TEST_REAL_TIME)
{
    enum { JOBS = 10000 };
    int right = 0;
    kt_auto(kt_process_pool) *p = open_pool(3);
    kt_auto(kt_group) all = KT_GROUP_INIT;
    for (int i = 0; i < JOBS; i++)
        CHECK_OK(kt_group_spawn(&all, KT_WITH(run_one, .pool = p, .right = &right, .number = i)));
    CHECK_OK(kt_group_join(&all, 0));
    CHECK_EQ(right, JOBS);
}

KT_PROCESS_FN(nap, input, size, ret_output)
{
    usleep(*(const unsigned *)input);
    (void)size;
    return tell_family(NULL, 0, ret_output);
}

KT_FN(nap_and_tell, a, struct { kt_process_pool *pool; pid_t *ret_pid; })
{
    const unsigned us = 200000;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = kt_process_pool_run(a->pool, nap, &us, sizeof(us), &out);
    if (rc == 0)
        *a->ret_pid = ((const family *)(const void *)out.data)->worker;
    return rc;
}

TEST_WITH(workers_work_at_the_same_time, KT_TEST_REAL_TIME)
{
    enum { WORKERS = 8 };
    pid_t pids[WORKERS];
    kt_auto(kt_process_pool) *p = open_pool(WORKERS);
    kt_auto(kt_group) all = KT_GROUP_INIT;
    for (int i = 0; i < WORKERS; i++)
        CHECK_OK(kt_group_spawn(&all, KT_WITH(nap_and_tell, .pool = p, .ret_pid = &pids[i])));
    CHECK_OK(kt_group_join(&all, 0));
    for (int i = 0; i < WORKERS; i++)
        for (int k = 0; k < i; k++)
            CHECK_NE(pids[i], pids[k]);
}

TEST_WITH(a_worker_is_used_again, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool(4);
    const family f = family_of(p);
    CHECK_NE(f.worker, getpid());
    CHECK_NE(f.server, getpid());
    for (int i = 0; i < 5; i++)
        CHECK_EQ(family_of(p).worker, f.worker);
}

TEST_WITH(pools_stand_side_by_side, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *a = open_pool(1);
    kt_auto(kt_process_pool) *b = open_pool(1);
    CHECK_NE(family_of(a).server, family_of(b).server);
}

/* ---- Limits -------------------------------------------------------------------------------- */

TEST_WITH(input_beyond_the_limit_is_refused, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = NULL;
    CHECK_OK(kt_process_pool_open(&(kt_process_pool_options){.input_bytes_max = 5}, &p));
    CHECK_OK(kt_process_pool_run(p, echo, "12345", 5, NULL));
    CHECK_ERR(kt_process_pool_run(p, echo, "123456", 6, NULL), KT_ELIMIT);
    CHECK_STR(kt_error_detail(), "6 bytes of input for 'echo', 5 are allowed");
}

/* Past the functions of buffers, which would have refused. */
KT_PROCESS_FN(swell, input, size, ret_output)
{
    (void)input;
    (void)size;
    ret_output->size_max = 0;
    return kt_buffer_append_string(ret_output, "0123456789");
}

TEST_WITH(output_beyond_the_limit_is_an_error_and_the_worker_goes_on, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = NULL;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT_MAX(3);
    CHECK_OK(kt_process_pool_open(&(kt_process_pool_options){.workers = 1, .output_bytes_max = 8}, &p));
    pid_t worker = family_of(p).worker;
    CHECK_OK(kt_process_pool_run(p, echo, "12345678", 8, NULL));
    CHECK_ERR(kt_process_pool_run(p, echo, "123456789", 9, NULL), KT_ELIMIT);
    CHECK_ERR(kt_process_pool_run(p, echo, "1234", 4, &out), KT_ELIMIT); /* this caller's own */
    CHECK_ERR(kt_process_pool_run(p, swell, NULL, 0, &out), KT_ELIMIT);
    CHECK_STR(kt_error_detail(), "'swell' gave 10 bytes, 3 are allowed");
    CHECK_OK(kt_process_pool_run(p, echo, "123", 3, &out));
    CHECK_SLICE(kt_buffer_slice(&out), "123");
    CHECK_EQ(out.size_max, 3);
    CHECK_EQ(family_of(p).worker, worker);
}

TEST_WITH(a_full_line_turns_callers_away, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = NULL;
    teller t = teller_open();
    CHECK_OK(kt_process_pool_open(&(kt_process_pool_options){.workers = 1, .waiting_max = 1}, &p));
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&tasks, KT_WITH(run_told, .pool = p, .fn = run_for_ever, .teller = &t)));
    (void)await_teller(&t);
    CHECK_OK(kt_group_spawn(&tasks, KT_WITH(note_turn, .pool = p, .number = 1)));
    CHECK_OK(kt_sleep(0));
    CHECK_ERR(kt_process_pool_run(p, echo, NULL, 0, NULL), KT_EFULL);
    CHECK_ERR(kt_group_join(&tasks, KT_EFULL), KT_EFULL);
    teller_close(&t);
}

TEST_WITH(options_beyond_reason_are_refused, KT_TEST_REAL_TIME)
{
    const size_t too_much = ((size_t)1 << 30) + 1;
    const kt_process_pool_options wrong[] = {
        {.workers = 1025},
        {.input_bytes_max = too_much},
        {.output_bytes_max = too_much},
        {.prepare = echo, .input_bytes_max = 3, .prepare_input = "1234", .prepare_size = 4},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        kt_process_pool *p = NULL;
        CHECK_ERR(kt_process_pool_open(&wrong[i], &p), -EINVAL);
        CHECK(!p);
    }
}

/* ---- Lives of workers ---------------------------------------------------------------------- */

TEST_WITH(a_worker_is_replaced_after_its_share_of_jobs, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = NULL;
    CHECK_OK(kt_process_pool_open(&(kt_process_pool_options){.workers = 1, .jobs_per_worker = 2}, &p));
    pid_t first = family_of(p).worker;
    CHECK_EQ(family_of(p).worker, first);
    CHECK(!runs(first));
    pid_t second = family_of(p).worker;
    CHECK_NE(second, first);
    CHECK(runs(second));
}

TEST_WITH(a_worker_without_work_is_ended, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = NULL;
    CHECK_OK(kt_process_pool_open(&(kt_process_pool_options){.workers = 1, .idle_max = KT_MS(20)}, &p));
    pid_t worker = family_of(p).worker;
    for (int i = 0; i < 2000 && runs(worker); i++)
        CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK(!runs(worker));
    CHECK_NE(family_of(p).worker, worker);
}

/* ---- What a worker finds ------------------------------------------------------------------- */

/* The open descriptors, what is ignored, blocked, and who leads. */
KT_PROCESS_FN(look_around, input, size, ret_output)
{
    (void)input;
    (void)size;
    char target[64];
    int rc = 0;
    for (int fd = 0; fd < 1000 && rc == 0; fd++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
            continue;
        target[n] = 0;
        bool is_line = strncmp(target, "socket:", 7) == 0;
        rc = fd == 0 ? kt_buffer_printf(ret_output, "%s", target)
                     : kt_buffer_printf(ret_output, " %s", fd < 3 ? "out" : is_line ? "line" : target);
    }
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int s = 1; s < 32 && rc == 0; s++) {
        struct sigaction a;
        if (s != SIGKILL && s != SIGSTOP && sigaction(s, NULL, &a) == 0 && a.sa_handler == SIG_IGN)
            rc = kt_buffer_printf(ret_output, " ignored %d", s);
        if (rc == 0 && sigismember(&mask, s))
            rc = kt_buffer_printf(ret_output, " blocked %d", s);
    }
    return rc < 0 ? rc : kt_buffer_printf(ret_output, "%s", getpgrp() == getpid() ? "" : " led");
}

TEST_WITH(a_worker_finds_a_tidy_place, KT_TEST_REAL_TIME)
{
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &some, NULL);
    signal(SIGHUP, SIG_IGN);
    int stray = dup(1); /* without close-on-exec */
    kt_auto(kt_process_pool) *p = open_pool(2);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    (void)family_of(p);
    CHECK_OK(kt_process_pool_run(p, look_around, NULL, 0, &out));
    CHECK_SLICE(kt_buffer_slice(&out), "/dev/null out out line");
    close(stray);
}

KT_PROCESS_FN(say_hello, input, size, ret_output)
{
    (void)input;
    (void)size;
    (void)ret_output;
    return printf("hello from a worker");
}

TEST_WITH(what_a_function_prints_is_out_when_it_ends, KT_TEST_REAL_TIME)
{
    int ends[2], out = dup(1);
    char text[64] = "";
    CHECK_OK(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    CHECK_OK(dup2(ends[1], 1));
    kt_process_pool *p = open_pool(1);
    CHECK_OK(dup2(out, 1));
    close(out);
    CHECK_GT(kt_process_pool_run(p, say_hello, NULL, 0, NULL), 0);
    CHECK_EQ(read(ends[0], text, sizeof(text) - 1), 19);
    CHECK_STR(text, "hello from a worker");
    kt_process_pool_close(p);
    close(ends[0]);
    close(ends[1]);
}

/* ---- Opening ------------------------------------------------------------------------------- */

TEST(there_are_no_processes_in_simulation)
{
    kt_process_pool *p = NULL;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("the driver is real");
    CHECK_ERR(kt_process_pool_open(NULL, &p), KT_ENOTSIM);
    CHECK(!p);
    kt_process_pool_close(NULL);
}

TEST_WITH(a_pool_needs_a_loop, KT_TEST_NO_LOOP)
{
    kt_process_pool *p = NULL;
    CHECK_ERR(kt_process_pool_open(NULL, &p), KT_ENOTRUNNING);
}

static int unregistered(const void *input, size_t size, kt_buffer *ret_output)
{
    return echo(input, size, ret_output);
}

TEST_DIES(a_function_must_be_registered, KT_TEST_REAL_TIME, "is not a KT_PROCESS_FN")
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    CHECK_OK(kt_process_pool_run(p, unregistered, NULL, 0, NULL));
}

TEST_DIES(so_must_prepare, KT_TEST_REAL_TIME, "prepare is not a KT_PROCESS_FN")
{
    kt_process_pool *p = NULL;
    CHECK_OK(kt_process_pool_open(&(kt_process_pool_options){.prepare = unregistered}, &p));
}

TEST_DIES(a_name_belongs_to_one_function, KT_TEST_NO_LOOP, "there are two functions 'echo'")
{
    static kt__process_function second = {"echo", unregistered, NULL};
    kt__process_function_register(&second);
    CHECK(false);
}

static int use_pool(void *p)
{
    return kt_process_pool_run(p, echo, NULL, 0, NULL);
}

static int use_pool_elsewhere(void *p)
{
    return kt_run(use_pool, p, 0);
}

TEST_DIES(a_pool_belongs_to_its_loop, KT_TEST_REAL_TIME, "a process pool: on a thread that is not the loop's")
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    CHECK_OK(kt_thread_run(use_pool_elsewhere, p, 0));
}
