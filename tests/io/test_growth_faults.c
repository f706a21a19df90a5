/* SPDX-License-Identifier: MIT */
/* What fails for want of memory, or is given up at whatever moment, leaves nothing in servers, watches and pools. */
#define _GNU_SOURCE
#include "../growth.h"
#include "tree.h"

#include <kettle/test_network.h>

/* More than any of these makes of allocations, or of steps. */
enum { POINTS = 30 };

typedef struct deed {
    int (*fn)(void *arg);
    void (*after)(void *arg); /* with memory again, and nobody gives up; may be NULL */
    void *arg;
    int well;
} deed;

static void do_without_memory(void *arg)
{
    deed *d = arg;
    for (unsigned n = 1; n <= POINTS; n++) {
        kt_test_fail_allocation(n);
        d->well += d->fn(d->arg) >= 0;
        kt_test_fail_allocation(0);
        if (d->after)
            d->after(d->arg);
    }
}

static void do_and_give_up(void *arg)
{
    deed *d = arg;
    for (int n = 0; n < POINTS; n++) {
        kt_task *t = NULL;
        CHECK_OK(kt_spawn(d->fn, d->arg, 0, &t));
        for (int i = 0; i < n; i++)
            CHECK_OK(kt_sleep(0));
        kt_task_cancel(t);
        d->well += kt_task_join(t) >= 0;
        if (d->after)
            d->after(d->arg);
    }
}

static void check_deed(int (*fn)(void *arg), void (*after)(void *arg), void *arg)
{
    deed d = {fn, after, arg, 0};
    check_no_growth(10, do_without_memory, &d);
    CHECK_GT(d.well, 0);
    check_no_growth(10, do_and_give_up, &d);
    CHECK_OK(fn(arg));
}

/* ---- Connections ----------------------------------------------------------------------------------- */

static int repeats(kt_stream *s, void *arg)
{
    kt_slice line;
    int rc;
    (void)arg;
    while ((rc = kt_stream_read_line(s, 1000, &line)) > 0)
        if ((rc = kt_stream_write(s, line.data, line.size)) < 0)
            return rc;
    return rc;
}

static int calls(void *server)
{
    kt_auto(kt_stream) *s = NULL;
    kt_slice line;
    int rc = kt_stream_connect("127.0.0.1", kt_listener_port(kt_server_listener(server)), &s);
    if (rc < 0)
        return rc;
    kt_auto(kt_stream_writer) w = {.stream = s};
    rc = kt_stream_writer_write(&w, "tea\n", 4);
    if (rc == 0)
        rc = kt_stream_writer_flush(&w);
    return rc < 0 ? rc : kt_stream_read_until(s, kt_slice_from("tea"), 100, &line);
}

static void settle(void *arg)
{
    (void)arg;
    CHECK_OK(kt_sleep(KT_S(1)));
}

TEST(calls_that_fail_leave_nothing_in_their_server)
{
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("time passes only in the simulator");
    kt_test_network *n = kt_test_network_open(NULL);
    kt_test_network_use(n);
    kt_server *server = NULL;
    kt_listener *l = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_server_start(l, NULL, repeats, NULL, &server));
    check_deed(calls, settle, server);
    kt_server_free(server);
    kt_test_network_close(n);
}

/* ---- Directories -------------------------------------------------------------------------------------- */

typedef struct watched {
    tree t;
    kt_dir_watch *w;
} watched;

static int hears_changes(void *arg)
{
    watched *d = arg;
    kt_dir_event e;
    put_dir(&d->t, "a");
    put_dir(&d->t, "a/b");
    put(&d->t, "a/b/file", "x");
    CHECK_EQ(rename(in(&d->t, "a"), in(&d->t, "c")), 0);
    int rc = 0;
    for (int i = 0; i < 3 && rc >= 0; i++)
        rc = kt_dir_watch_next(d->w, &e);
    return rc;
}

static void hear_the_rest(void *arg)
{
    watched *d = arg;
    kt_dir_event e = {.path = ""};
    unlink(in(&d->t, "c/b/file")); /* if they were made */
    rmdir(in(&d->t, "c/b"));
    rmdir(in(&d->t, "c"));
    put(&d->t, "settled", "");
    CHECK_EQ(unlink(in(&d->t, "settled")), 0);
    while (kt_dir_watch_next(d->w, &e) < 0 || e.change != KT_DIR_REMOVED || strcmp(e.path, "settled") != 0)
        continue;
}

TEST_WITH(changes_that_could_not_be_told_leave_nothing_in_the_watch, KT_TEST_REAL_TIME)
{
    const kt_dir_watch_options recursive = {.recursive = true};
    watched d = {.t = tree_new()};
    CHECK_OK(kt_dir_watch_open(d.t.root, &recursive, &d.w));
    check_deed(hears_changes, hear_the_rest, &d);
    hear_the_rest(&d);
    kt_dir_watch_close(d.w);
    tree_cleanup(&d.t);
}

/* ---- Processes ------------------------------------------------------------------------------------------ */

KT_PROCESS_FN(sends_back, input, size, ret_output)
{
    return kt_buffer_append(ret_output, input, size);
}

static int runs_in_worker(void *pool)
{
    static const char much[20000];
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    return kt_process_pool_run(pool, sends_back, much, sizeof much, &out);
}

TEST_WITH(jobs_that_fail_leave_nothing_in_their_pool_of_processes, KT_TEST_REAL_TIME)
{
    kt_process_pool *p = NULL;
    CHECK_OK(kt_process_pool_open(&(kt_process_pool_options){.workers = 2}, &p));
    check_deed(runs_in_worker, NULL, p);
    kt_process_pool_close(p);
}

static int runs_program(void *arg)
{
    const char *const argv[] = {"cat", NULL};
    const kt_process_options o = {.argv = argv, .input = KT_PROCESS_PIPE, .output = KT_PROCESS_PIPE};
    kt_auto(kt_process) *p = NULL;
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    (void)arg;
    int rc = kt_process_spawn(&o, &p);
    return rc < 0 ? rc : kt_process_communicate(p, kt_slice_from("tea"), 100, &text, NULL);
}

TEST_WITH(programs_that_fail_leave_nothing_behind, KT_TEST_REAL_TIME)
{
    deed d = {runs_program, NULL, NULL, 0};
    check_no_growth(3, do_without_memory, &d);
    check_no_growth(3, do_and_give_up, &d);
    CHECK_GT(d.well, 0);
}
