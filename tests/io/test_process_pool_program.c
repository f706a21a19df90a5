/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "process_pool_kit.h"

#include <sys/mman.h>

/* Programs that end without a close of their pool, each in a process of its own. */

static void need_real_driver(void)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors");
}

typedef struct forgetful {
    int tell_fd;
    enum { EXITS, IS_KILLED, RETURNS } way;
    bool busy;
} forgetful;

/* Opens a pool, tells of it, and ends in its way, without a close. */
static int forget_pool(void *arg)
{
    const forgetful *f = arg;
    static teller t; /* outlives this function */
    kt_task *task;
    kt_process_pool *p = open_pool(2);
    family people = family_of(p);
    if (f->busy) {
        t = teller_open();
        CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = have_child, .teller = &t), &task));
        people = await_teller(&t); /* the function and what it has started */
    }
    CHECK_EQ(write(f->tell_fd, &people, sizeof(people)), sizeof(people));
    if (f->way == EXITS)
        _exit(0);
    if (f->way == IS_KILLED)
        return kt_sleep(KT_FOREVER);
    if (f->busy)
        kt_task_detach(task);
    return 0;
}

static void check_forgetful(int way, bool busy)
{
    int ends[2], status;
    family people;
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    forgetful f = {ends[1], way, busy};
    pid_t program = fork();
    if (program == 0) {
        int rc = kt_run(forget_pool, &f, 0);
        if (way == RETURNS && rc == 0)
            pause(); /* the loop is gone, the program is not */
        _exit(1);
    }
    CHECK_EQ(read(ends[0], &people, sizeof(people)), sizeof(people));
    if (way == RETURNS)
        CHECK(ends_soon(people.worker) && ends_soon(people.server));
    if (way != EXITS)
        CHECK_OK(kill(program, SIGKILL));
    CHECK_EQ(waitpid(program, &status, 0), program);
    CHECK_EQ(WIFSIGNALED(status), way != EXITS);
    CHECK(ends_soon(people.worker));
    CHECK(ends_soon(people.server));
    close(ends[0]);
    close(ends[1]);
}

TEST_WITH(no_process_outlives_a_program_that_exits, KT_TEST_NO_LOOP)
{
    need_real_driver();
    check_forgetful(EXITS, false);
    check_forgetful(EXITS, true);
}

TEST_WITH(no_process_outlives_a_program_that_is_killed, KT_TEST_NO_LOOP)
{
    need_real_driver();
    check_forgetful(IS_KILLED, false);
    check_forgetful(IS_KILLED, true);
}

TEST_WITH(no_process_outlives_the_loop, KT_TEST_NO_LOOP)
{
    need_real_driver();
    check_forgetful(RETURNS, false);
    check_forgetful(RETURNS, true);
}

static char logged[4096];

static void keep_message(const char *message)
{
    size_t size = strlen(logged);
    snprintf(logged + size, sizeof(logged) - size, "%s\n", message);
}

static int leave_pool_open(void *arg)
{
    (void)arg;
    kt_auto(kt_process_pool) *closed = open_pool(1);
    (void)closed;
    return family_of(open_pool(1)).worker > 0 ? 0 : -ECHILD;
}

/* Once: not the streams and what else it is made of. */
TEST_WITH(debug_mode_names_a_pool_that_was_never_closed, KT_TEST_NO_LOOP)
{
    need_real_driver();
    kt_log_hook_set(keep_message);
    int rc = kt_run_with(&(kt_options){.debug = KT_DEBUG_ON, .slow_step = KT_S(10)}, leave_pool_open, NULL, 0);
    kt_log_hook_set(NULL);
    const char *report = strstr(logged, "a process pool, made at "), *words = "was never closed";
    CHECK_OK(rc);
    report = report ? strstr(report, words) : NULL;
    CHECK(report && strstr(logged, words) == report && !strstr(report + 1, words));
    CHECK(!strstr(logged, "swallowed"));
    check_no_children();
}

/* ---- Loops that end ------------------------------------------------------------------------ */

/* Starts a program that takes a while to end: its memory must be given back. */
KT_PROCESS_FN(have_large_child, input, size, ret_output)
{
    size_t bytes = (size_t)128 << 20;
    (void)size;
    (void)ret_output;
    if (fork() == 0) {
        const family f = {getppid(), getpid()};
        int fd = open(input, O_WRONLY | O_CLOEXEC);
        void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED || write(fd, &f, sizeof(f)) != sizeof(f))
            _exit(1);
    }
    for (;;)
        pause();
}

typedef struct leaver {
    unsigned pools;
    bool busy; /* leaves a job, too */
    teller teller;
    family people[3];
} leaver;

static int leave_pools(void *arg)
{
    leaver *l = arg;
    kt_task *task;
    for (unsigned i = 0; i < l->pools; i++) {
        kt_process_pool *p = open_pool(2);
        l->people[i] = family_of(p);
        if (!l->busy)
            continue;
        CHECK_OK(kt_spawn(KT_WITH(run_told, .pool = p, .fn = have_large_child, .teller = &l->teller), &task));
        kt_task_detach(task);
        l->people[i].worker = await_teller(&l->teller).server; /* which the function has started */
    }
    return 0;
}

static void check_nothing_is_left(leaver *l)
{
    for (unsigned i = 0; i < l->pools; i++)
        CHECK(!runs(l->people[i].worker) && !runs(l->people[i].server));
    check_no_children();
}

/* The test's own check finds memory and descriptors. */
TEST_WITH(a_pool_left_open_ends_with_the_loop, KT_TEST_NO_LOOP)
{
    need_real_driver();
    for (int busy = 0; busy < 2; busy++) {
        leaver l = {.pools = 3, .busy = busy, .teller = teller_open()};
        CHECK_OK(kt_run(leave_pools, &l, 0));
        check_nothing_is_left(&l);
        teller_close(&l.teller);
    }
}

static kt_process_pool *kept;

static int open_and_keep(void *arg)
{
    (void)arg;
    kept = open_pool(1);
    return 0;
}

static int use_kept(void *arg)
{
    (void)arg;
    return kt_process_pool_run(kept, echo, "tea", 3, NULL);
}

TEST_WITH(a_pool_lives_as_long_as_its_runner, KT_TEST_NO_LOOP)
{
    kt_runner *r = NULL;
    need_real_driver();
    CHECK_OK(kt_runner_open(NULL, &r));
    CHECK_OK(kt_runner_run(r, open_and_keep, NULL, 0));
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_runner_run(r, use_kept, NULL, 0));
    kt_runner_close(r);
    check_no_children();
}

static int close_at_the_end(void *used)
{
    kt_auto(kt_process_pool) *p = open_pool(1);
    int rc = kt_process_pool_run(p, echo, "tea", 3, NULL);
    kt_event_set(used);
    return rc < 0 ? rc : kt_sleep(KT_FOREVER);
}

static int leave_a_closer(void *arg)
{
    kt_event used = KT_EVENT_INIT;
    kt_task *task;
    (void)arg;
    CHECK_OK(kt_spawn(close_at_the_end, &used, 0, &task));
    kt_task_detach(task);
    return kt_event_wait(&used);
}

TEST_WITH(a_task_that_the_loop_ends_closes_its_own_pool, KT_TEST_NO_LOOP)
{
    need_real_driver();
    CHECK_OK(kt_run(leave_a_closer, NULL, 0));
    check_no_children();
}
