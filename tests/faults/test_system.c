/* SPDX-License-Identifier: MIT */

/* Processes, threads, signals, the log, the loop itself. */
#include "faults.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- Processes --------------------------------------------------------------------------------- */

static const spared of_processes[] = {
    OF_PROCESSES,
    {"getpwnam_r", ERANGE, 0, "more room is given"},
    {"getgrnam_r", ERANGE, 0, "more room is given"},
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

static const char *const nothing[] = {"/bin/true", NULL};

/* Who is not root may not. */
static void becomes(void)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_status status;
    static const char *const groups[] = {"root", NULL};
    const kt_process_options options = {
        .argv = nothing, .user = "root", .group = "root", .extra_groups = groups};
    if (geteuid() == 0 && ok(kt_process_spawn(&options, &p)) && ok(kt_process_wait(p, &status)))
        MUST(status.exit_code == 0);
}

SCENARIO(a_process_of_another_user, NULL, becomes, of_processes)

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
    const kt_thread_pool_options options = {.threads_max = 1}, as_ever = {0};
    int rc = kt_thread_run(returns_seven, NULL, 0);
    if (ok(rc))
        MUST(rc == 7);
    if (!ok(kt_thread_pool_open(&options, &p)))
        return;
    if (ok(kt_thread_pool_submit(p, returns_seven, NULL, 0, &t)))
        ok(kt_task_join(t));
    kt_auto(kt_thread_pool) *q = NULL;
    if (ok(kt_thread_pool_open(&as_ever, &q)))
        ok(kt_thread_pool_run(q, returns_seven, NULL, 0));
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

/* More at once than a ring takes in one go. */
enum { MANY = 600 };

static int waits_for(void *arg)
{
    return kt_fd_wait(*(int *)arg, KT_READABLE);
}

static void waits_for_many(void)
{
    const uint64_t one = 1;
    int fds[MANY], rc = 0;
    kt_group g = KT_GROUP_INIT;
    fds[0] = eventfd(0, EFD_CLOEXEC);
    if (!ok(fds[0] < 0 ? -errno : 0))
        return;
    for (int i = 1; i < MANY; i++)
        fds[i] = dup(fds[0]);
    for (int i = 0; i < MANY && rc == 0; i++)
        rc = kt_group_spawn(&g, waits_for, &fds[i], sizeof fds[i]);
    if (rc == 0)
        rc = kt_sleep(0);
    while (rc == 0 && write(fds[0], &one, sizeof one) < 0)
        rc = errno == EINTR ? 0 : -errno;
    ok(kt_group_join(&g, rc));
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
}

SCENARIO(many_descriptors_at_once, NULL, waits_for_many, NULL)

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

/* Is the text in one of the files? */
static bool is_kept(const char *text)
{
    static const char *const names[] = {"log", "log.1", "log.2", "log.3"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char bytes[4096] = "";
        FILE *f = fopen(names[i], "r");
        size_t n = f ? fread(bytes, 1, sizeof bytes - 1, f) : 0;
        bytes[n] = '\0';
        if (f)
            fclose(f);
        if (strstr(bytes, text))
            return true;
    }
    return false;
}

static void rotates(void)
{
    static kt_logger logger = KT_LOGGER("faults");
    static const char *const lines[] = {"line one", "line two", "line three", "line four"};
    const kt_log_sink sink = {.kind = KT_LOG_FILE, .path = "log", .rotate_bytes = 40, .keep = 3};
    const kt_log_options options = {.sinks = &sink, .sinks_count = 1};
    if (!ok(kt_log_open(&options)))
        return;
    for (int i = 0; i < 4; i++) {
        kt_log_warning(&logger, "%s", lines[i]);
        ok(kt_log_flush(KT_S(1)));
    }
    kt_log_counts counts;
    kt_log_counts_get(&counts);
    kt_log_close();
    for (int i = 0; i < 4; i++)
        if (counts.lost == 0 && !is_kept(lines[i]))
            ok(KT_EPROTOCOL); /* gone, and nobody told */
    if (counts.lost > 0)
        ok(KT_EINCOMPLETE);
}

static const spared of_rotations[] = {
    {"poll", 0, 0, "the log's thread asks again"},
    {"write", 0, KT_EINCOMPLETE, "counted as lost"},
    {"close of a file", 0, 0, "a log that closes has nobody to tell"},
    {"access", ENOENT, ANYHOW, "it said that an old one was not there: the next takes its name"},
    {"access", 0, 0, "an old one counts as being there"},
    {"rename", ENOENT, ANYHOW, "it said that it was not there: the next takes its name"},
    {"rename", 0, 0, "what is open goes on"},
    {"open64", 0, 0, "what is open goes on"},
    {"fstat64", 0, 0, "what is open goes on"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_log_whose_files_rotate, NULL, rotates, of_rotations)

/* What syslog has heard. */
static void to_syslog(void)
{
    static kt_logger logger = KT_LOGGER("faults");
    kt_auto(kt_udp) *heard = NULL;
    char bytes[200] = "";
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "syslog"};
    const kt_log_sink sink = {.kind = KT_LOG_SYSLOG, .path = "syslog"};
    const kt_log_options options = {.sinks = &sink, .sinks_count = 1};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool bound = ok(fd < 0 ? -errno : bind(fd, (const struct sockaddr *)&name, sizeof name) < 0 ? -errno : 0);
    bound = bound && ok(kt_udp_from_fd(fd, &heard));
    if (!bound && fd >= 0)
        close(fd);
    if (!bound || !ok(kt_log_open(&options)))
        return;
    kt_log_warning(&logger, "one line");
    ok(kt_log_flush(KT_S(1)));
    kt_log_counts counts;
    kt_log_counts_get(&counts);
    kt_log_close();
    if (counts.lost > 0)
        ok(KT_EINCOMPLETE);
    else if (ok(kt_udp_receive(heard, bytes, sizeof bytes - 1, NULL, NULL)))
        MUST(strstr(bytes, "one line") != NULL);
}

static const spared of_syslog[] = {
    {"poll", 0, 0, "the log's thread asks again"},
    {"getsockopt", 0, 0, "no socket, then: read in another way"},
    {"socket", 0, KT_EINCOMPLETE, "counted as lost"},
    {"connect", 0, KT_EINCOMPLETE, "counted as lost"},
    {"send", 0, KT_EINCOMPLETE, "counted as lost"},
    {"send", 0, 0, "whoever listens may have started over: sent again"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_log_to_syslog, NULL, to_syslog, of_syslog)

/* The journal if it is there. */
static void to_the_system(void)
{
    const kt_log_sink sink = {.kind = KT_LOG_SYSTEM};
    const kt_log_options options = {.sinks = &sink, .sinks_count = 1};
    if (ok(kt_log_open(&options)))
        kt_log_close();
}

static const spared of_system_logs[] = {
    {"poll", 0, 0, "the log's thread asks again"},
    {"access", 0, 0, "no journal: to syslog"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_log_to_the_system, NULL, to_the_system, of_system_logs)
