/* SPDX-License-Identifier: MIT */

/* The log from its opening to its end, and the thread that writes. One log a process: like standard error and the
 * handlers of signals it belongs to the process and not to a loop. */

#include <errno.h>
#include <kettle/memory.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "io/log_private.h"

#define BUFFER_DEFAULT ((size_t)1 << 20)
#define BUFFER_MIN ((size_t)16 << 10)
#define BUFFER_MAX ((size_t)1 << 30)
#define MESSAGE_DEFAULT ((size_t)8 << 10)
#define MESSAGE_MAX ((size_t)64 << 10)
#define FLUSH_DEFAULT KT_S(2)

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER; /* held to open and close */
static _Atomic(kt__logbook *) current;
static _Atomic(unsigned) users; /* between enter and leave */
static bool takes_crashes; /* with `life` */

/* A user counts itself before it looks, and who closes takes the log away before it looks at the count. */
kt__logbook *kt__log_enter(void)
{
    atomic_fetch_add(&users, 1);
    kt__logbook *log = atomic_load(&current);
    if (!log)
        kt__log_leave();
    return log;
}

void kt__log_leave(void)
{
    atomic_fetch_sub(&users, 1);
}

kt_time kt__log_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * KT_S(1) + now.tv_nsec;
}

void kt__log_wake(kt__logbook *log)
{
    const uint64_t one = 1;
    int error = errno;
    ssize_t written = TEMP_FAILURE_RETRY(write(log->wake_fd, &one, sizeof one)); /* EAGAIN: it is awake already */
    (void)written;
    errno = error;
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void tell_dropped(kt__logbook *log)
{
    kt__log_notice n;
    struct timespec now;
    uint64_t dropped = atomic_load(&log->dropped);
    if (dropped == log->dropped_told)
        return;
    if (log->dropped_at ==
        0) /* they came behind what is in the ring now, and so does the line that tells of them */
        log->dropped_at = atomic_load(&log->ring.head);
    if (atomic_load(&log->ring.tail) < log->dropped_at)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    kt__log_notice_make(&n, now.tv_sec * KT_S(1) + now.tv_nsec, dropped - log->dropped_told,
                        "dropped: the log's buffer was full", 0);
    for (size_t i = 0; i < log->sinks_count; i++)
        kt__log_sink_put_one(&log->sinks[i], &log->out, &n.record, false);
    log->dropped_told = dropped;
    log->dropped_at = 0;
}

static void reopen(kt__logbook *log)
{
    for (size_t i = 0; i < log->sinks_count; i++)
        kt__log_file_reopen(&log->sinks[i]);
}

/* Files first: what cannot block is not kept waiting by what can. */
static void put_batch(kt__logbook *log, uint64_t from, uint64_t to)
{
    for (int waits = 0; waits <= 1; waits++)
        for (size_t i = 0; i < log->sinks_count; i++)
            if ((log->sinks[i].options.kind != KT_LOG_FILE) == waits)
                kt__log_sink_put(&log->sinks[i], &log->out, from, to, false);
}

static void tell_progress(kt__logbook *log, bool ended)
{
    pthread_mutex_lock(&log->mutex);
    log->ended = ended;
    pthread_cond_broadcast(&log->progress);
    pthread_mutex_unlock(&log->mutex);
}

/* Writes what there is. False: there was nothing. */
static bool write_some(kt__logbook *log)
{
    uint64_t from = atomic_load(&log->ring.tail),
             to = kt__log_ring_whole(&log->ring, KT__LOG_BATCH);
    if (atomic_exchange(&log->reopen, false))
        reopen(log);
    if (from == to)
        return false;
    put_batch(log, from, to);
    if (atomic_load(&log->crash))
        return true;
    kt__log_ring_consume(&log->ring, to);
    tell_dropped(log);
    tell_progress(log, false);
    return true;
}

/* Sleeps until a line comes, or somebody wants something. Whoever hands a line over looks whether the thread sleeps,
 * and the thread, having said that it does, looks again for lines. */
static void sleep_until_wanted(kt__logbook *log)
{
    uint64_t count;
    struct pollfd p = {.fd = log->wake_fd, .events = POLLIN};
    atomic_store(&log->sleeping, true);
    if (kt__log_ring_whole(&log->ring, 1) == atomic_load(&log->ring.tail) &&
        !atomic_load(&log->reopen) && atomic_load(&log->stop_at) == INT64_MAX)
        (void)poll(&p, 1, -1);
    atomic_store(&log->sleeping, false);
    ssize_t taken = read(log->wake_fd, &count, sizeof count);
    (void)taken;
}

static bool over(kt__logbook *log)
{
    int64_t stop_at = atomic_load(&log->stop_at);
    if (atomic_load(&log->crash))
        return true; /* somebody else writes the rest */
    if (stop_at == INT64_MAX)
        return false;
    bool nobody =
        atomic_load(&users) == 0; /* before the look at the ring, into which no more come then */
    return kt__log_clock() >= stop_at ||
           (nobody && atomic_load(&log->ring.head) == atomic_load(&log->ring.tail));
}

static void *run(void *arg)
{
    kt__logbook *log = arg;
    atomic_store(&log->thread_id, gettid());
    pthread_setname_np(pthread_self(), "kettle-log");
    while (!over(log)) {
        if (write_some(log))
            continue;
        if (atomic_load(&log->stop_at) == INT64_MAX)
            sleep_until_wanted(log);
        else
            sched_yield();
    }
    if (!atomic_load(&log->crash))
        tell_dropped(log);
    tell_progress(log, true);
    return NULL;
}

/* Signals are the program's other threads' affair. */
static int start_thread(kt__logbook *log)
{
    sigset_t all, before;
    sigfillset(&all);
    const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = -pthread_create(&log->thread, NULL, run, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void free_log(kt__logbook *log)
{
    for (size_t i = 0; i < log->sinks_count; i++)
        kt__log_sink_release(&log->sinks[i]);
    if (log->wake_fd >= 0)
        close(log->wake_fd);
    pthread_cond_destroy(&log->progress);
    pthread_mutex_destroy(&log->mutex);
    kt_free(log->ring.bytes);
    kt_free(log->out.bytes);
    kt_free(log->crash_out.bytes);
    kt_free(log);
}

static int check(const kt_log_options *o)
{
    if (o->level < 0)
        return kt_error_set(-EINVAL, "kt_log_options.level: negative");
    if (o->sinks_count > KT__LOG_SINKS_MAX || (o->sinks_count && !o->sinks))
        return kt_error_set(-EINVAL, "kt_log_options.sinks: %zu, %d allowed", o->sinks_count,
                            KT__LOG_SINKS_MAX);
    if (o->buffer_bytes && (o->buffer_bytes < BUFFER_MIN || o->buffer_bytes > BUFFER_MAX))
        return kt_error_set(-EINVAL, "kt_log_options.buffer_bytes: 16 KiB to 1 GiB");
    size_t buffer = o->buffer_bytes ? o->buffer_bytes : BUFFER_DEFAULT;
    if (o->message_bytes_max > MESSAGE_MAX || o->message_bytes_max > buffer / 8)
        return kt_error_set(
            -EINVAL, "kt_log_options.message_bytes_max: at most 64 KiB and 1/8 of the buffer");
    if (o->flush_limit < 0)
        return kt_error_set(-EINVAL, "kt_log_options.flush_limit: negative");
    return 0;
}

/* Room for a batch and, behind it, the longest line that may follow: each byte of it six in JSON. */
static int make_out(kt__log_out *o, size_t message_bytes_max)
{
    size_t line = sizeof(kt__log_record) + 3 * KT__LOG_WORD_MAX + 2 * message_bytes_max;
    o->capacity = KT__LOG_BATCH + 6 * line + 1024;
    o->bytes = kt_alloc(o->capacity);
    return o->bytes ? 0 : -ENOMEM;
}

static int make_buffers(kt__logbook *log, const kt_log_options *o)
{
    size_t buffer = o->buffer_bytes ? o->buffer_bytes : BUFFER_DEFAULT;
    log->ring.size = BUFFER_MIN;
    while (log->ring.size < buffer)
        log->ring.size *= 2;
    log->message_bytes_max =
        MESSAGE_DEFAULT < log->ring.size / 8 ? MESSAGE_DEFAULT : log->ring.size / 8;
    if (o->message_bytes_max)
        log->message_bytes_max = o->message_bytes_max;
    log->ring.bytes = kt_calloc(1, log->ring.size);
    if (!log->ring.bytes || make_out(&log->out, log->message_bytes_max) < 0)
        return -ENOMEM;
    return o->crash_flush ? make_out(&log->crash_out, log->message_bytes_max) : 0;
}

static int open_sinks(kt__logbook *log, const kt_log_options *o)
{
    static const kt_log_sink standard_error = {.kind = KT_LOG_STDERR};
    size_t count = o->sinks_count ? o->sinks_count : 1;
    for (size_t i = 0; i < count; i++) {
        int rc =
            kt__log_sink_open(&log->sinks[i], o->sinks_count ? &o->sinks[i] : &standard_error, log);
        log->sinks_count = i + 1; /* a half-open one is released as well */
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void init(kt__logbook *log, const kt_log_options *o)
{
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&log->progress, &clock);
    pthread_condattr_destroy(&clock);
    pthread_mutex_init(&log->mutex, NULL);
    atomic_store(&log->stop_at, INT64_MAX);
    log->flush_limit = o->flush_limit ? o->flush_limit : FLUSH_DEFAULT;
    log->wake_fd = -1;
    snprintf(log->ident, sizeof log->ident, "%s",
             o->ident ? o->ident : program_invocation_short_name);
}

static int make_log(const kt_log_options *o, kt__logbook **ret_log)
{
    kt__logbook *log = kt_calloc(1, sizeof *log);
    if (!log)
        return -ENOMEM;
    init(log, o);
    log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = log->wake_fd < 0 ? -errno : make_buffers(log, o);
    if (rc == 0)
        rc = open_sinks(log, o);
    if (rc == 0)
        rc = start_thread(log);
    if (rc < 0)
        free_log(log);
    else
        *ret_log = log;
    return rc;
}

/* ---- What the process does: end, and fork ---------------------------------------------------- */

static void before_fork(void)
{
    pthread_mutex_lock(&life);
    kt__log_levels_lock();
}

static void in_parent(void)
{
    kt__log_levels_unlock();
    pthread_mutex_unlock(&life);
}

/* The thread, and with it what is in the buffer, stays with the parent. The memory is left as it is, since other
 * threads were at work in it; the descriptors go. */
static void in_child(void)
{
    kt__logbook *log = atomic_exchange(&current, NULL);
    atomic_store(&users, 0);
    kt__log_levels_forked();
    kt__log_around_forked();
    for (size_t i = 0; log && i < log->sinks_count; i++)
        if (!log->sinks[i].borrowed && log->sinks[i].descriptor >= 0)
            close(log->sinks[i].descriptor);
    if (log)
        close(log->wake_fd);
    takes_crashes = false; /* the handlers are still there and pass on */
    kt__log_levels_unlock();
    pthread_mutex_unlock(&life);
}

static void watch_process(void)
{
    (void)atexit(kt_log_close); /* ENOMEM: whoever closes the log needs neither */
    (void)pthread_atfork(before_fork, in_parent, in_child);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static int open_locked(const kt_log_options *o)
{
    kt__logbook *log;
    if (atomic_load(&current))
        return kt_error_set(KT_EINVALIDSTATE, "the log is open");
    int rc = make_log(o, &log);
    if (rc < 0)
        return rc;
    if (o->crash_flush)
        kt__log_crash_take();
    takes_crashes = o->crash_flush;
    (void)kt__log_utc_offset(time(NULL), true);
    atomic_store(&current, log);
    kt__log_levels_open(true, o->level);
    return 0;
}

int kt_log_open(const kt_log_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const kt_log_options defaults;
    const kt_log_options *o = options ? options : &defaults;
    int rc = check(o);
    if (rc < 0)
        return rc;
    pthread_once(&once, watch_process);
    pthread_mutex_lock(&life);
    rc = open_locked(o);
    pthread_mutex_unlock(&life);
    return rc;
}

static void close_locked(kt__logbook *log)
{
    const struct timespec moment = {0, 50000};
    kt__log_levels_open(false, 0);
    atomic_store(&current, NULL);
    if (takes_crashes)
        kt__log_crash_give_back();
    takes_crashes = false;
    atomic_store(&log->stop_at, kt__log_clock() + log->flush_limit);
    kt__log_wake(log);
    pthread_join(log->thread, NULL);
    while (atomic_load(&users) > 0) /* each is about to leave */
        nanosleep(&moment, NULL);
    free_log(log);
}

void kt_log_close(void)
{
    pthread_mutex_lock(&life);
    kt__logbook *log = atomic_load(&current);
    if (log)
        close_locked(log);
    pthread_mutex_unlock(&life);
}

/* ---- Calls on an open log -------------------------------------------------------------------- */

static int wait_for_progress(kt__logbook *log, kt_time limit)
{
    uint64_t end = atomic_load(&log->ring.head);
    kt_time now = kt__log_clock(), until = limit < KT_FOREVER - now ? now + limit : KT_FOREVER;
    struct timespec at = {.tv_sec = until / KT_S(1), .tv_nsec = until % KT_S(1)};
    int rc = 0;
    pthread_mutex_lock(&log->mutex);
    while (rc == 0 && !log->ended && atomic_load(&log->ring.tail) < end)
        rc = pthread_cond_timedwait(&log->progress, &log->mutex, &at);
    pthread_mutex_unlock(&log->mutex);
    return atomic_load(&log->ring.tail) >= end ? 0 : KT_ETIMEDOUT;
}

int kt_log_flush(kt_time limit)
{
    kt__logbook *log = kt__log_enter();
    if (!log)
        return KT_ENOTRUNNING;
    int rc = wait_for_progress(log, limit > 0 ? limit : 0);
    kt__log_leave();
    return rc;
}

void kt_log_reopen(void)
{
    kt__logbook *log = kt__log_enter();
    if (!log)
        return;
    atomic_store(&log->reopen, true);
    kt__log_wake(log);
    kt__log_leave();
}

void kt_log_counts_get(kt_log_counts *ret_counts)
{
    memset(ret_counts, 0, sizeof *ret_counts);
    kt__logbook *log = kt__log_enter();
    if (!log)
        return;
    ret_counts->logged = atomic_load(&log->logged);
    ret_counts->dropped = atomic_load(&log->dropped);
    ret_counts->lost = atomic_load(&log->lost);
    ret_counts->rotated = atomic_load(&log->rotated);
    kt__log_leave();
}
