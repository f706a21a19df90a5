/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Functions in worker processes, and what becomes of both when something dies. */

KT_PROCESS_FN(upper, input, ret_output)
{
    for (size_t i = 0; i < input.size; i++) {
        char c = input.data[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        int rc = kt_buffer_append(ret_output, &c, 1);
        if (rc < 0)
            return rc;
    }
    return (int)input.size;
}

KT_PROCESS_FN(fails, input, ret_output)
{
    (void)ret_output;
    return kt_error_set(-EDOM, "no tea in '%.*s'", (int)input.size, input.data);
}

KT_PROCESS_FN(crashes, input, ret_output)
{
    (void)input, (void)ret_output;
    signal(SIGSEGV, SIG_DFL); /* also where a sanitizer has its own handler */
    return raise(SIGSEGV);
}

KT_PROCESS_FN(exits, input, ret_output)
{
    (void)input, (void)ret_output;
    _exit(7);
}

KT_PROCESS_FN(own_pid, input, ret_output)
{
    (void)input, (void)ret_output;
    return (int)getpid();
}

/* Writes its pid to the descriptor's path in the input, then hangs. */
KT_PROCESS_FN(hangs, input, ret_output)
{
    (void)ret_output;
    char path[128];
    snprintf(path, sizeof(path), "%.*s", (int)input.size, input.data);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    pid_t pid = getpid();
    if (fd < 0 || write(fd, &pid, sizeof(pid)) != sizeof(pid))
        return -errno;
    close(fd);
    for (;;)
        pause();
}

/* Which descriptors there are: 0, 1, 2 and the line, whatever the program has open. */
KT_PROCESS_FN(open_descriptors, input, ret_output)
{
    (void)input, (void)ret_output;
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int prepared;

KT_PROCESS_FN(prepares, input, ret_output)
{
    (void)ret_output;
    prepared = (int)input.size;
    return 0;
}

KT_PROCESS_FN(was_prepared, input, ret_output)
{
    (void)input, (void)ret_output;
    return prepared;
}

static kt_process_pool *open_pool(kt_process_pool_options o)
{
    kt_process_pool *p = NULL;
    CHECK_OK(kt_process_pool_open(&o, &p));
    return p;
}

static int call(kt_process_pool *p, kt_process_fn fn, const char *input)
{
    return kt_process_pool_run(p, fn, kt_slice_from(input), NULL);
}

TEST_WITH(an_output_travels_back_with_the_result, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){0});
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&out, "before"));
    CHECK_EQ(kt_process_pool_run(p, upper, kt_slice_from("kettle"), &out), 6);
    CHECK_SLICE(kt_buffer_slice(&out), "KETTLE");
}

TEST_WITH(a_failure_brings_its_words_and_leaves_the_output, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){.workers = 1});
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&out, "before"));
    int first = call(p, own_pid, "");
    CHECK_EQ(kt_process_pool_run(p, fails, kt_slice_from("pot"), &out), -EDOM);
    CHECK_STR(kt_error_detail(), "no tea in 'pot'");
    CHECK_SLICE(kt_buffer_slice(&out), "before");
    CHECK_EQ(call(p, own_pid, ""), first); /* a failure harms no worker */
}

TEST_WITH(a_megabyte_goes_both_ways, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){.workers = 1});
    kt_auto(kt_buffer) in = KT_BUFFER_INIT, out = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_reserve(&in, 1000000));
    for (int i = 0; i < 1000000; i++)
        in.data[i] = (char)('a' + i % 23);
    in.size = 1000000;
    CHECK_EQ(kt_process_pool_run(p, upper, kt_buffer_slice(&in), &out), 1000000);
    CHECK_EQ(out.size, 1000000);
    for (int i = 0; i < 1000000; i++)
        if (out.data[i] != 'A' + i % 23)
            CHECK_EQ(out.data[i], 'A' + i % 23);
}

TEST_WITH(a_worker_that_dies_is_reported_and_replaced, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){.workers = 1});
    int first = call(p, own_pid, "");
    CHECK(first > 0 && first != getpid());
    CHECK_EQ(call(p, crashes, ""), KT_EWORKER);
    CHECK(strstr(kt_error_detail(), "was killed by SIGSEGV while it ran 'crashes'"));
    CHECK_EQ(kill(first, 0), -1);
    CHECK_EQ(errno, ESRCH); /* reaped */
    CHECK_EQ(call(p, exits, ""), KT_EWORKER);
    CHECK(strstr(kt_error_detail(), "exited with status 7 while it ran 'exits'"));
    int second = call(p, own_pid, "");
    CHECK(second > 0 && second != first);
}

static int runs_upper(void *arg)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    return kt_process_pool_run(arg, upper, kt_slice_from("tea"), &out);
}

TEST_WITH(a_death_harms_no_other_caller, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){.workers = 2});
    kt_task *others[50];
    for (int i = 0; i < 50; i++)
        CHECK_OK(kt_spawn(runs_upper, p, 0, &others[i]));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(call(p, crashes, ""), KT_EWORKER);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(kt_task_join(others[i]), 3);
}

TEST_WITH(thousands_of_jobs_share_two_workers, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){.workers = 2});
    static kt_task *tasks[2000];
    for (int i = 0; i < 2000; i++)
        CHECK_OK(kt_spawn(runs_upper, p, 0, &tasks[i]));
    for (int i = 0; i < 2000; i++)
        CHECK_EQ(kt_task_join(tasks[i]), 3);
}

/* A pipe's read end, and the path by which a worker of this machine opens the other. */
static kt_stream *pid_line(char path[64], int *ret_writer)
{
    int ends[2];
    kt_stream *s = NULL;
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_OK(kt_stream_from_fd(ends[0], &s));
    snprintf(path, 64, "/proc/%d/fd/%d", (int)getpid(), ends[1]);
    *ret_writer = ends[1];
    return s;
}

TEST_WITH(a_timeout_kills_the_worker_under_its_job, KT_TEST_REAL_TIME)
{
    char path[64];
    int writer;
    pid_t pid = 0;
    kt_auto(kt_stream) *line = pid_line(path, &writer);
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){.workers = 1});
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(500));
    CHECK_EQ(kt_timeout_end(&limit, call(p, hangs, path)), KT_ETIMEDOUT);
    CHECK_OK(kt_stream_read_exactly(line, &pid, sizeof(pid)));
    CHECK_EQ(kill(pid, 0), -1); /* dead, and reaped, before the call returned */
    CHECK_EQ(errno, ESRCH);
    CHECK_EQ(call(p, upper, "on"), 2);
    close(writer);
}

static int runs_hangs(void *arg)
{
    void *const *both = arg;
    return call(both[0], hangs, both[1]);
}

TEST_WITH(closing_tells_the_callers_under_way_and_in_line, KT_TEST_REAL_TIME)
{
    char path[64];
    int writer;
    pid_t pid = 0;
    kt_auto(kt_stream) *line = pid_line(path, &writer);
    kt_process_pool *p = open_pool((kt_process_pool_options){.workers = 1});
    void *both[] = {p, path};
    kt_task *running = NULL, *waiting = NULL;
    CHECK_OK(kt_spawn(runs_hangs, both, 0, &running));
    CHECK_OK(kt_stream_read_exactly(line, &pid, sizeof(pid)));
    CHECK_OK(kt_spawn(runs_upper, p, 0, &waiting));
    CHECK_OK(kt_sleep(0));
    kt_process_pool_close(p);
    CHECK_EQ(kt_task_join(running), KT_ESHUTDOWN);
    CHECK_EQ(kt_task_join(waiting), KT_ESHUTDOWN);
    CHECK_EQ(kill(pid, 0), -1);
    CHECK_EQ(errno, ESRCH);
    close(writer);
}

TEST_WITH(a_cancelled_caller_in_line_takes_its_job_back, KT_TEST_REAL_TIME)
{
    char path[64];
    int writer;
    pid_t pid = 0;
    kt_auto(kt_stream) *line = pid_line(path, &writer);
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){.workers = 1});
    void *both[] = {p, path};
    kt_task *running = NULL, *waiting = NULL;
    CHECK_OK(kt_spawn(runs_hangs, both, 0, &running));
    CHECK_OK(kt_stream_read_exactly(line, &pid, sizeof(pid)));
    CHECK_OK(kt_spawn(runs_upper, p, 0, &waiting));
    CHECK_OK(kt_sleep(0));
    kt_task_cancel(waiting);
    CHECK_EQ(kt_task_join(waiting), KT_ECANCELED);
    CHECK_EQ(kill(pid, 0), 0); /* the other runs on */
    kt_task_cancel(running);
    CHECK_EQ(kt_task_join(running), KT_ECANCELED);
    CHECK_EQ(kill(pid, 0), -1);
    close(writer);
}

TEST_WITH(limits_are_kept_and_named, KT_TEST_REAL_TIME)
{
    const kt_process_pool_options o = {.workers = 1, .input_bytes_max = 8, .output_bytes_max = 4};
    kt_auto(kt_process_pool) *p = open_pool(o);
    CHECK_EQ(call(p, upper, "123456789"), KT_ELIMIT);
    CHECK(strstr(kt_error_detail(), "9 bytes of input for 'upper', 8 are allowed"));
    CHECK_EQ(call(p, upper, "12345"), KT_ELIMIT);
    CHECK_EQ(call(p, upper, "1234"), 4);
    kt_process_pool *none = NULL;
    CHECK_EQ(kt_process_pool_open(&(kt_process_pool_options){.workers = 1025}, &none), -EINVAL);
    CHECK(!none);
}

TEST_WITH(a_worker_is_replaced_after_its_number_of_jobs, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){.workers = 1, .jobs_per_worker = 2});
    int first = call(p, own_pid, "");
    CHECK_EQ(call(p, own_pid, ""), first);
    CHECK_NE(call(p, own_pid, ""), first);
}

TEST_WITH(every_worker_is_prepared_once, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){
        .workers = 1, .prepare = prepares, .prepare_input = {"12345", 5}});
    CHECK_EQ(call(p, was_prepared, ""), 5);
    CHECK_EQ(call(p, crashes, ""), KT_EWORKER);
    CHECK_EQ(call(p, was_prepared, ""), 5);
    CHECK_EQ(prepared, 0); /* not here */
}

TEST_WITH(a_worker_has_four_descriptors, KT_TEST_REAL_TIME)
{
    int mine = open("/dev/null", O_RDONLY); /* inherited by whatever is merely forked and executed */
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){.workers = 2});
    CHECK_EQ(call(p, open_descriptors, ""), 4);
    close(mine);
}

TEST_WITH(a_killed_server_takes_its_workers_along, KT_TEST_REAL_TIME)
{
    char path[64];
    int writer;
    pid_t pid = 0;
    kt_auto(kt_stream) *line = pid_line(path, &writer);
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){.workers = 1});
    void *both[] = {p, path};
    kt_task *running = NULL;
    CHECK_OK(kt_spawn(runs_hangs, both, 0, &running));
    CHECK_OK(kt_stream_read_exactly(line, &pid, sizeof(pid)));
    char stat[64];
    int server = 0;
    snprintf(stat, sizeof(stat), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(stat, "re");
    CHECK(f);
    int fields = fscanf(f, "%*d %*s %*c %d", &server);
    fclose(f);
    CHECK_EQ(fields, 1);
    CHECK_EQ(kill(server, SIGKILL), 0);
    CHECK_EQ(kt_task_join(running), KT_EWORKER);
    CHECK_EQ(call(p, upper, ""), KT_EWORKER);
    close(writer);
}

TEST(under_sim_there_are_no_processes)
{
    kt_process_pool *p = NULL;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("sim only");
    CHECK_EQ(kt_process_pool_open(NULL, &p), KT_ENOTSIM);
    CHECK(!p);
}

static int not_a_process_fn(kt_slice input, kt_buffer *ret_output)
{
    (void)input, (void)ret_output;
    return 0;
}

TEST_DIES(a_function_that_is_not_registered_is_misuse, KT_TEST_REAL_TIME, "not a KT_PROCESS_FN")
{
    kt_auto(kt_process_pool) *p = open_pool((kt_process_pool_options){0});
    CHECK_OK(call(p, not_a_process_fn, ""));
}
