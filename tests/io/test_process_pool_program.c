/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "process_pool_kit.h"

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
    static kt_process_pool *p; /* not to be called a leak */
    static teller t;
    kt_task *task;
    p = open_pool(2);
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
    static kt_process_pool *open;
    (void)arg;
    kt_auto(kt_process_pool) *closed = open_pool(1);
    (void)closed;
    open = open_pool(1);
    return family_of(open).worker > 0 ? 0 : -ECHILD;
}

/* Once: not the streams and what else it is made of. In a process of its own, for it leaves memory. */
TEST_WITH(debug_mode_names_a_pool_that_was_never_closed, KT_TEST_NO_LOOP)
{
    int status;
    need_real_driver();
    pid_t program = fork();
    if (program == 0) {
        kt_log_hook_set(keep_message);
        int rc = kt_run_with(&(kt_options){.debug = KT_DEBUG_ON, .slow_step = KT_S(10)}, leave_pool_open, NULL, 0);
        const char *report = strstr(logged, "a process pool, made at "), *words = "was never closed";
        report = report ? strstr(report, words) : NULL;
        if (rc == 0 && report && strstr(logged, words) == report && !strstr(report + 1, words) &&
            !strstr(logged, "swallowed"))
            _exit(0);
        fprintf(stderr, "%s", logged);
        _exit(1);
    }
    CHECK_EQ(waitpid(program, &status, 0), program);
    CHECK_EQ(status, 0);
}
