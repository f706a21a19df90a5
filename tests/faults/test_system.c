/* SPDX-License-Identifier: MIT */

/* Processes, threads, signals, the log, the loop itself. */
#include "faults.h"

#include <signal.h>

/* ---- Processes --------------------------------------------------------------------------------- */

#define OF_PROCESSES \
    {"syscall close_range", 0, 0, "an older kernel: sealed one by one"}, \
        {"getpgid", 0, 0, "what a group has left is killed as far as it is known"}, \
        {"kill", 0, 0, "what a group has left is killed as far as it may be"}, \
        {"getsockopt", 0, 0, "a pipe, then"}, \
        {"epoll_ctl", EEXIST, 0, "another waits for the same process: a copy of the descriptor"}, \
        {"openat64", 0, 0, LOOKS}, \
        {"opendir", 0, 0, LOOKS}, \
        {"readdir64", 0, 0, LOOKS}, \
        {"closedir", 0, 0, LOOKS}, \
        {"read", 0, 0, LOOKS}, \
        {"syscall waitid", EINVAL, -ECHILD, "another has waited for it"}
#define LOOKS "a look into /proc for what is left of a group"
static const spared of_processes[] = {
    OF_PROCESSES,
    {"writev", EPIPE, 0, "it reads no more: asyncio's communicate"},
    {"completion of a write", EPIPE, 0, "it reads no more: asyncio's communicate"},
    {"completion of a write", ECONNRESET, 0, "it reads no more: asyncio's communicate"},
    {NULL, 0, 0, NULL},
};

static const char *const cat[] = {"/bin/cat", NULL};

static void communicates(void)
{
    kt_auto(kt_process) *p = NULL;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT, err = KT_BUFFER_INIT;
    kt_process_status status;
    const kt_process_options options = {
        .argv = cat, .input = KT_PROCESS_PIPE, .output = KT_PROCESS_PIPE, .error = KT_PROCESS_PIPE, .directory = "/"};
    if (!ok(kt_process_spawn(&options, &p)))
        return;
    if (!ok(kt_process_communicate(p, kt_slice_from("what it says"), 1000, &out, &err)))
        return;
    MUST(strncmp("what it says", kt_buffer_string(&out), kt_buffer_slice(&out).size) == 0);
    if (ok(kt_process_wait(p, &status)))
        MUST(status.exit_code == 0);
}

SCENARIO(a_process_that_is_talked_to, NULL, communicates, of_processes)

static void stops(void)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_status status;
    const mode_t mask = 022;
    const kt_process_limit limit = {.resource = 7 /* RLIMIT_NOFILE */, .soft = 64, .hard = 64};
    const kt_process_options options = {.argv = cat, .input = KT_PROCESS_PIPE, .new_session = true, .umask = &mask,
                                        .limits = &limit, .limits_count = 1, .pipe_bytes = 4096};
    if (!ok(kt_process_spawn(&options, &p)))
        return;
    ok(kt_process_signal(p, SIGCONT));
    ok(kt_process_stop(p, KT_S(1), &status));
}

SCENARIO(a_process_that_is_stopped, NULL, stops, of_processes)

/* ---- The pool ---------------------------------------------------------------------------------- */

static int returns_seven(void *arg)
{
    (void)arg;
    return 7;
}

static void works(void)
{
    kt_auto(kt_thread_pool) *p = NULL;
    kt_task *t = NULL;
    const kt_thread_pool_options options = {.threads_max = 1};
    int rc = kt_thread_run(returns_seven, NULL, 0);
    if (ok(rc))
        MUST(rc == 7);
    if (!ok(kt_thread_pool_open(&options, &p)))
        return;
    if (ok(kt_thread_pool_submit(p, returns_seven, NULL, 0, &t)))
        ok(kt_task_join(t));
}

SCENARIO(jobs_on_threads, NULL, works, NULL)

/* ---- Signals ----------------------------------------------------------------------------------- */

static void on_user(void *arg)
{
    kt_event_set(arg);
}

static void handles(void)
{
    kt_event came = KT_EVENT_INIT;
    kt_auto(kt_signal) s = KT_SIGNAL_INIT;
    if (!ok(kt_signal_handle(&s, SIGUSR1, on_user, &came)))
        return;
    raise(SIGUSR1);
    ok(kt_event_wait(&came));
}

static const spared of_signals[] = {
    {"sigaction", 0, -EINVAL, "a signal that cannot be handled"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_signal_that_is_handled, NULL, handles, of_signals)

/* ---- Descriptors that are watched ------------------------------------------------------------- */

static void waits(void)
{
    kt_stream *both[2];
    if (!ok(kt_stream_pair(both)))
        return;
    ok(kt_fd_wait(kt_stream_fd(both[0]), KT_WRITABLE));
    kt_stream_close(both[0]);
    kt_stream_close(both[1]);
}

SCENARIO(a_descriptor_that_is_waited_for, NULL, waits, NULL)

static void sleeps(void)
{
    ok(kt_sleep(KT_MS(2)));
}

SCENARIO(a_loop_that_sleeps, NULL, sleeps, NULL)

/* ---- The log ------------------------------------------------------------------------------------ */

static void logs(void)
{
    static kt_logger logger = KT_LOGGER("faults");
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    const kt_log_sink sink = {.kind = KT_LOG_FILE, .path = "log"};
    const kt_log_options options = {.sinks = &sink, .sinks_count = 1};
    if (!ok(kt_log_open(&options)))
        return;
    kt_log_warning(&logger, "one line");
    bool flushed = ok(kt_log_flush(KT_S(1)));
    kt_log_counts counts;
    kt_log_counts_get(&counts);
    kt_log_close();
    if (flushed && counts.lost > 0)
        ok(KT_EINCOMPLETE);
    else if (ok(kt_file_read_whole("log", 0, &b)))
        MUST(strstr(kt_buffer_string(&b), "one line") != NULL);
}

static const spared of_logs[] = {
    {"poll", 0, 0, "the log's thread asks again"},
    {"write", 0, KT_EINCOMPLETE, "counted as lost"},
    {"close of a file", 0, 0, "a log that closes has nobody to tell"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_log_in_a_file, NULL, logs, of_logs)
