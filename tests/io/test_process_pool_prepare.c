/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "process_pool_kit.h"

/* What is run in a worker before its first job, and pools in which that fails. */

static char prepared[16];

KT_PROCESS_FN(keep, input, size, ret_output)
{
    (void)ret_output;
    memcpy(prepared, input, size);
    return kt_buffer_append_string(ret_output, "nobody reads this");
}

KT_PROCESS_FN(show, input, size, ret_output)
{
    (void)input;
    (void)size;
    return kt_buffer_append_string(ret_output, prepared);
}

TEST_WITH(each_worker_is_prepared_once, KT_TEST_REAL_TIME)
{
    const kt_process_pool_options o = {.workers = 1, .jobs_per_worker = 1, .prepare = keep,
                                       .prepare_input = "ready", .prepare_size = 5};
    kt_auto(kt_process_pool) *p = NULL;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_process_pool_open(&o, &p));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(kt_process_pool_run(p, show, NULL, 0, &out));
        CHECK_SLICE(kt_buffer_slice(&out), "ready");
    }
}

/* Fails while the descriptor of a teller is empty. */
KT_PROCESS_FN(prepare_later, input, size, ret_output)
{
    char byte;
    int fd = open(input, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = read(fd, &byte, 1);
    close(fd);
    (void)size;
    (void)ret_output;
    return n == 1 ? 0 : kt_error_set(-EAGAIN, "not yet");
}

TEST_WITH(a_worker_that_cannot_be_prepared_is_not_used, KT_TEST_REAL_TIME)
{
    teller t = teller_open();
    char path[64] = "";
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), t.ends[0]);
    const kt_process_pool_options o = {.workers = 1, .prepare = prepare_later,
                                       .prepare_input = path, .prepare_size = sizeof(path)};
    kt_auto(kt_process_pool) *p = NULL;
    CHECK_OK(kt_process_pool_open(&o, &p));
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(kt_process_pool_run(p, echo, NULL, 0, NULL), -EAGAIN);
        CHECK_STR(kt_error_detail(), "not yet");
    }
    CHECK_EQ(write(t.ends[1], "1", 1), 1);
    CHECK_OK(kt_process_pool_run(p, echo, NULL, 0, NULL));
    teller_close(&t);
}

/* Tells of each worker. */
KT_PROCESS_FN(prepare_never, input, size, ret_output)
{
    int fd = open(input, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    bool told = write(fd, "x", 1) == 1;
    close(fd);
    (void)size;
    (void)ret_output;
    return told ? kt_error_set(-EACCES, "no key") : -EPIPE;
}

KT_FN(fail_in_task, a, struct { kt_process_pool *pool; int error; const char *words; int *broken; })
{
    CHECK_ERR(kt_process_pool_run(a->pool, echo, NULL, 0, NULL), a->error);
    CHECK(strstr(kt_error_detail(), a->words) != NULL);
    *a->broken += strstr(kt_error_detail(), "the pool is broken: ") == kt_error_detail();
    return 0;
}

static int run_in_vain(kt_process_pool *p, int jobs, int error, const char *words)
{
    int broken = 0;
    kt_time start = kt_now();
    kt_auto(kt_group) all = KT_GROUP_INIT;
    for (int i = 0; i < jobs; i++)
        CHECK_OK(kt_group_spawn(&all, KT_WITH(fail_in_task, .pool = p, .error = error, .words = words,
                                              .broken = &broken)));
    CHECK_OK(kt_group_join(&all, 0));
    CHECK_LT(kt_now() - start, KT_S(30)); /* 500 s, if each one waited */
    return broken;
}

TEST_WITH(a_prepare_that_always_fails_costs_few_workers, KT_TEST_REAL_TIME)
{
    teller t = teller_open();
    char bytes[512];
    const kt_process_pool_options o = {.workers = 2, .prepare = prepare_never,
                                       .prepare_input = t.path, .prepare_size = sizeof(t.path)};
    kt_auto(kt_process_pool) *p = NULL;
    CHECK_OK(kt_process_pool_open(&o, &p));
    int broken = run_in_vain(p, 500, -EACCES, "no key");
    ssize_t workers = read(t.ends[0], bytes, sizeof(bytes));
    CHECK_EQ(broken, 500 - workers);
    CHECK_GE(workers, 4);
    CHECK_LT(workers, 40); /* two or three more than four, but for a machine that is asleep */
    CHECK_ERR(kt_process_pool_run(p, echo, NULL, 0, NULL), -EACCES);
    teller_close(&t);
}

KT_PROCESS_FN(prepare_to_die, input, size, ret_output)
{
    (void)input;
    (void)size;
    (void)ret_output;
    return raise(SIGKILL);
}

TEST_WITH(so_does_one_that_kills_its_workers, KT_TEST_REAL_TIME)
{
    const kt_process_pool_options o = {.workers = 1, .prepare = prepare_to_die};
    kt_auto(kt_process_pool) *p = NULL;
    CHECK_OK(kt_process_pool_open(&o, &p));
    CHECK_GT(run_in_vain(p, 500, KT_EWORKER, "was killed by SIGKILL while it ran 'prepare_to_die'"), 400);
}

TEST_WITH(a_broken_pool_mends, KT_TEST_REAL_TIME)
{
    teller t = teller_open();
    char path[64] = "";
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), t.ends[0]);
    const kt_process_pool_options o = {.workers = 1, .prepare = prepare_later, .jobs_per_worker = 1,
                                       .prepare_input = path, .prepare_size = sizeof(path)};
    kt_auto(kt_process_pool) *p = NULL;
    CHECK_OK(kt_process_pool_open(&o, &p));
    CHECK_GT(run_in_vain(p, 100, -EAGAIN, "not yet"), 0);
    CHECK_EQ(write(t.ends[1], "12", 2), 2);
    kt_time start = kt_now();
    while (kt_process_pool_run(p, echo, NULL, 0, NULL) == -EAGAIN && kt_now() - start < KT_S(10))
        CHECK_OK(kt_sleep(KT_MS(1)));
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_process_pool_run(p, echo, "tea", 3, &out)); /* in a second worker */
    for (int i = 0; i < 3; i++) {
        CHECK_ERR(kt_process_pool_run(p, echo, "tea", 3, &out), -EAGAIN);
        CHECK_STR(kt_error_detail(), "not yet"); /* the first failures again */
    }
    teller_close(&t);
}

/* Does what the next byte says: fail, hang, or come back. */
KT_PROCESS_FN(prepare_as_told, input, size, ret_output)
{
    char byte = 0;
    int fd = open(input, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, &byte, 1);
    close(fd);
    (void)size;
    (void)ret_output;
    while (n == 1 && byte == 'h')
        pause();
    return n == 1 && byte == 'f' ? kt_error_set(-EACCES, "no key") : 0;
}

static int echo_nothing(void *p)
{
    return kt_process_pool_run(p, echo, NULL, 0, NULL);
}

TEST_WITH(one_caller_at_a_time_tries_to_mend_a_broken_pool, KT_TEST_REAL_TIME)
{
    teller t = teller_open();
    kt_task *first;
    char path[64] = "";
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), t.ends[0]);
    const kt_process_pool_options o = {.workers = 2, .prepare = prepare_as_told,
                                       .prepare_input = path, .prepare_size = sizeof(path)};
    kt_auto(kt_process_pool) *p = NULL;
    CHECK_OK(kt_process_pool_open(&o, &p));
    CHECK_EQ(write(t.ends[1], "ffffhb", 6), 6);
    for (int i = 0; i < 4; i++)
        CHECK_ERR(kt_process_pool_run(p, echo, NULL, 0, NULL), -EACCES);
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = echo, .teller = &t), &first)); /* hangs */
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_ERR(kt_process_pool_run(p, echo, NULL, 0, NULL), -EACCES);
    CHECK_STR(kt_error_detail(), "the pool is broken: 'prepare_as_told' failed 4 times in a row: no key");
    CHECK(kt_task_cancel(first));
    CHECK_ERR(kt_task_join(first), KT_ECANCELED);
    CHECK_OK(kt_process_pool_run(p, echo, NULL, 0, NULL)); /* and then it is the next one's turn */
    teller_close(&t);
}

/* Nor do those who were cancelled keep others from trying. */
TEST_WITH(a_cancelled_prepare_has_not_failed, KT_TEST_REAL_TIME)
{
    const kt_process_pool_options o = {.workers = 1, .prepare = run_for_ever};
    kt_auto(kt_process_pool) *p = NULL;
    CHECK_OK(kt_process_pool_open(&o, &p));
    for (int i = 0; i < 8; i++) {
        kt_time start = kt_now();
        CHECK_ERR(kt_wait_for(KT_MS(20), echo_nothing, p, 0), KT_ETIMEDOUT);
        CHECK_GE(kt_now() - start, KT_MS(20));
    }
}
