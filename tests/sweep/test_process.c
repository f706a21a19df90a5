/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <signal.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static kt_process *start(const char *const *argv, kt_process_io io)
{
    const kt_process_options o = {.argv = argv, .input = io, .output = io, .error = KT_PROCESS_STDOUT};
    kt_process *p = NULL;
    sure(kt_process_spawn(&o, &p));
    return p;
}

static int spawns(void *arg)
{
    const kt_process_options o = {.argv = arg, .input = KT_PROCESS_PIPE, .output = KT_PROCESS_PIPE,
                                  .error = KT_PROCESS_PIPE};
    kt_auto(kt_process) *p = NULL;
    int rc = SWEPT(kt_process_spawn, (&o, &p));
    CHECK((rc < 0) == !p);
    return rc;
}

SWEEP(kt_process_spawn, ALLOCATES | REAL_TIME)
{
    (void)sweep_subject(spawns, (void *)(uintptr_t)ARGV("true"));
}

static int spawns_with_more(void *arg)
{
    const kt_process_fd fds[] = {{1, 9}, {2, 1}};
    const kt_process_options o = {.argv = arg, .input = KT_PROCESS_PIPE, .error = KT_PROCESS_PIPE,
                                  .fds = fds, .fds_count = 2, .pipe_bytes = 4096,
                                  .new_session = true};
    kt_auto(kt_process) *p = NULL;
    int rc = SWEPT(kt_process_spawn, (&o, &p));
    CHECK((rc < 0) == !p);
    return rc;
}

SWEEP_AS(kt_process_spawn, with_more, ALLOCATES | REAL_TIME)
{
    (void)sweep_subject(spawns_with_more, (void *)(uintptr_t)ARGV("true"));
}

static int waits(void *arg)
{
    kt_process_status status = {-7, -7};
    int rc = SWEPT(kt_process_wait, (arg, &status));
    CHECK_EQ(status.exit_code, rc < 0 ? -7 : 0);
    return rc;
}

/* A cancelled wait leaves the child alone: it reads its input to the end. */
SWEEP(kt_process_wait, SUSPENDS | REAL_TIME | LASTING)
{
    kt_auto(kt_process) *p = start(ARGV("cat"), KT_PROCESS_PIPE);
    kt_process_status status;
    sweep_begin(waits, p);
    for (int i = 0; i < 4; i++)
        sure(kt_sleep(0));
    kt_process_close_stdin(p);
    (void)sweep_end();
    if (sweep_refused() == ECHILD) {
        CHECK_ERR(kt_process_wait(p, &status), -ECHILD);
        return;
    }
    sure(kt_process_wait(p, &status));
    CHECK_EQ(status.exit_code, 0);
}

static int communicates(void *arg)
{
    kt_auto(kt_process) *p = start(arg, KT_PROCESS_PIPE);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    sure(kt_buffer_append_string(&out, "before"));
    int rc = SWEPT(kt_process_communicate, (p, kt_slice_from("tea"), 100, &out, NULL));
    bool unfed = rc >= 0 && (sweep_refused() == EPIPE || sweep_refused() == ECONNRESET); /* so the child wants none */
    if (!unfed)
        CHECK_SLICE(kt_buffer_slice(&out), rc < 0 ? "before" : "tea");
    if (rc == -ENOMEM)
        CHECK(sweep_struck());
    return rc;
}

SWEEP(kt_process_communicate, SUSPENDS | ALLOCATES | WHOLE | REAL_TIME)
{
    sweep_begin(communicates, (void *)(uintptr_t)ARGV("cat"));
    (void)sweep_end();
}

static int closes(void *arg)
{
    kt_process *p = start(arg, KT_PROCESS_PIPE);
    pid_t pid = kt_process_pid(p);
    SWEPT(kt_process_close, (p));
    CHECK_EQ(kill(pid, 0), sweep_refused() == ECHILD ? 0 : -1); /* then it is not ours to reap */
    return 0;
}

SWEEP(kt_process_close, SUSPENDS | HOLDS | REAL_TIME)
{
    sweep_begin(closes, (void *)(uintptr_t)ARGV("cat"));
    (void)sweep_end();
}

SWEEP(kt_process_close_stdin, PLAIN | REAL_TIME)
{
    kt_auto(kt_process) *p = start(ARGV("cat"), KT_PROCESS_PIPE);
    SWEPT(kt_process_close_stdin, (p));
    CHECK(!kt_process_stdin(p));
    sure(kt_process_wait(p, NULL));
}

SWEEP(kt_process_signal, PLAIN | REAL_TIME)
{
    kt_auto(kt_process) *p = start(ARGV("cat"), KT_PROCESS_PIPE);
    kt_process_status status;
    sure(SWEPT(kt_process_signal, (p, SIGTERM)));
    sure(kt_process_wait(p, &status));
    CHECK_EQ(status.signal, SIGTERM);
}

SWEEP(kt_process_pid, PLAIN | REAL_TIME)
{
    kt_auto(kt_process) *p = start(ARGV("true"), KT_PROCESS_NULL);
    CHECK_GT(SWEPT(kt_process_pid, (p)), 0);
}

SWEEP(kt_process_stdin, PLAIN | REAL_TIME)
{
    kt_auto(kt_process) *p = start(ARGV("true"), KT_PROCESS_NULL);
    CHECK(!SWEPT(kt_process_stdin, (p)));
}

SWEEP(kt_process_stdout, PLAIN | REAL_TIME)
{
    kt_auto(kt_process) *p = start(ARGV("true"), KT_PROCESS_NULL);
    CHECK(!SWEPT(kt_process_stdout, (p)));
}

SWEEP(kt_process_stderr, PLAIN | REAL_TIME)
{
    kt_auto(kt_process) *p = start(ARGV("true"), KT_PROCESS_NULL);
    CHECK(!SWEPT(kt_process_stderr, (p)));
}

/* ---- Pools of processes ------------------------------------------------------------------------ */

KT_PROCESS_FN(pours, input, size, ret_output)
{
    return kt_buffer_append(ret_output, input, size);
}

static kt_process_pool *open_pool(void)
{
    kt_process_pool *p = NULL;
    sure(kt_process_pool_open(&(kt_process_pool_options){.workers = 1}, &p));
    return p;
}

/* After whatever was done to it or its caller, a job runs. */
static void pool_works(kt_process_pool *p)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    sure(kt_process_pool_run(p, pours, "tea", 3, &out));
    CHECK_SLICE(kt_buffer_slice(&out), "tea");
}

SWEEP(kt_process_pool_main, PLAIN)
{
    char name[] = "sweep", *argv[] = {name, NULL};
    SWEPT(kt_process_pool_main, (1, argv));
    CHECK(true); /* it came back */
}

static int opens_pool(void *arg)
{
    (void)arg;
    kt_auto(kt_process_pool) *p = NULL;
    int rc = SWEPT(kt_process_pool_open, (NULL, &p));
    CHECK((rc < 0) == !p);
    return rc;
}

SWEEP(kt_process_pool_open, SUSPENDS | ALLOCATES | WINS | REAL_TIME)
{
    (void)sweep_subject(opens_pool, NULL);
}

/* Slow enough that a cancellation finds it at work: an answer that comes in the same breath wins. */
KT_PROCESS_FN(brews, input, size, ret_output)
{
    usleep(3000);
    return kt_buffer_append(ret_output, input, size);
}

static int runs_in_pool(void *arg)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    sure(kt_buffer_append_string(&out, "before"));
    int rc = SWEPT(kt_process_pool_run, (arg, brews, "tea", 3, &out));
    CHECK_SLICE(kt_buffer_slice(&out), rc < 0 ? "before" : "tea");
    bool lost = rc == KT_EWORKER || rc == KT_EPROTOCOL; /* whoever the bytes were for */
    return lost && sweep_refused() ? -sweep_refused() : rc;
}

SWEEP(kt_process_pool_run, SUSPENDS | ALLOCATES | WINS | REAL_TIME)
{
    kt_auto(kt_process_pool) *p = open_pool();
    sweep_begin(runs_in_pool, p);
    (void)sweep_end();
    pool_works(p);
}

static int closes_pool(void *arg)
{
    SWEPT(kt_process_pool_close, (arg));
    return 0;
}

/* A shutdown that did nothing would leave the server without the news, for ever. */
SWEEP(kt_process_pool_close, SUSPENDS | HOLDS | REAL_TIME | UNREFUSED)
{
    kt_process_pool *p = open_pool();
    pool_works(p);
    (void)sweep_subject(closes_pool, p);
}

static int stops(void *arg)
{
    return SWEPT(kt_process_stop, (arg, KT_S(30), NULL));
}

/* Whatever happens, it has ended. A thread looks for the rest of its group. */
SWEEP(kt_process_stop, SUSPENDS | ALLOCATES | REAL_TIME)
{
    kt_auto(kt_process) *p = start(ARGV("sleep", "600"), KT_PROCESS_NULL);
    kt_process_usage usage;
    (void)sweep_subject(stops, p);
    sure(kt_process_usage_get(p, &usage));
}

SWEEP(kt_process_usage_get, PLAIN | REAL_TIME)
{
    kt_auto(kt_process) *p = start(ARGV("true"), KT_PROCESS_NULL);
    kt_process_usage usage = {.memory_bytes_max = 0};
    sure(kt_process_wait(p, NULL));
    sure(SWEPT(kt_process_usage_get, (p, &usage)));
    CHECK_GT(usage.memory_bytes_max, 0);
}
