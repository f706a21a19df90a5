/* SPDX-License-Identifier: MIT */

/* The last lines of a process that dies, and the library's own messages, which may be its last. In a signal
 * handler: nothing here locks or allocates. */

#include <errno.h>
#include <kettle/task.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "io/log_private.h"

static const int deaths[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define DEATHS (sizeof deaths / sizeof deaths[0])

static struct sigaction before[DEATHS];
static _Atomic(int) dying; /* the thread that writes the last lines */

/* ---- Waiting for the log's thread ------------------------------------------------------------------------ */

/* True once all before `end` is written; false when that takes longer than `limit`. */
static bool wait_written(kt__logbook *log, uint64_t end, kt_time limit)
{
    const struct timespec moment = {0, 50000};
    kt_time until = kt__log_clock() + limit;
    if (gettid() == atomic_load(&log->thread_id))
        return false;
    while (atomic_load(&log->ring.tail) < end) {
        if (kt__log_clock() >= until)
            return false;
        nanosleep(&moment, NULL);
    }
    return true;
}

/* The log's thread is stuck or is the one that died: what it has not finished is written here, so that a line
 * may be there twice but not never. */
static void write_rest(kt__logbook *log)
{
    uint64_t tail = atomic_load(&log->ring.tail), head = atomic_load(&log->ring.head);
    atomic_store(&log->crash, true);
    for (size_t i = 0; i < log->sinks_count; i++)
        kt__log_sink_put(&log->sinks[i], &log->crash_out, tail, head, true);
}

/* Another thread that dies gives the one that writes the time for it. */
static void wait_dying(const kt__logbook *log)
{
    const struct timespec moment = {0, 50000};
    kt_time until = kt__log_clock() + log->flush_limit;
    while (atomic_load(&dying) != 0 && kt__log_clock() < until)
        nanosleep(&moment, NULL);
}

static void flush_in_crash(void)
{
    int who = 0;
    kt__logbook *log = kt__log_enter();
    if (!log)
        return;
    if (atomic_compare_exchange_strong(&dying, &who, gettid())) {
        kt__log_wake(log);
        if (!wait_written(log, atomic_load(&log->ring.head), log->flush_limit))
            write_rest(log);
        atomic_store(&dying, 0);
    } else if (who != gettid()) { /* otherwise it is a fault in what is above */
        wait_dying(log);
    }
    kt__log_leave();
}

/* ---- Signals --------------------------------------------------------------------------------------------------- */

static void pass_on(size_t i, siginfo_t *info, void *context)
{
    const struct sigaction *old = &before[i];
    if (old->sa_flags & SA_SIGINFO) {
        old->sa_sigaction(deaths[i], info, context);
    } else if (old->sa_handler == SIG_IGN && info->si_code <= 0) {
        return; /* sent by kill(2), say, and nobody minds */
    } else if (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN) {
        signal(deaths[i], SIG_DFL); /* the instruction faults again, and abort(3) raises again */
        if (info->si_code <= 0)
            raise(deaths[i]);
    } else {
        old->sa_handler(deaths[i]);
    }
}

static void on_death(int number, siginfo_t *info, void *context)
{
    int error = errno;
    flush_in_crash();
    errno = error;
    for (size_t i = 0; i < DEATHS; i++)
        if (deaths[i] == number)
            pass_on(i, info, context);
}

void kt__log_crash_take(void)
{
    struct sigaction action = {.sa_sigaction = on_death, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    struct sigaction now;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < DEATHS; i++) {
        bool ours = sigaction(deaths[i], NULL, &now) == 0 && now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_death;
        if (!ours) /* after a fork they are there already */
            sigaction(deaths[i], &action, &before[i]);
    }
}

/* A handler that the program has set since stays. */
void kt__log_crash_give_back(void)
{
    struct sigaction now;
    for (size_t i = 0; i < DEATHS; i++)
        if (sigaction(deaths[i], NULL, &now) == 0 && now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_death)
            sigaction(deaths[i], &before[i], NULL);
}

/* ---- The library's messages ------------------------------------------------------------------------------------- */

/* After these the process aborts. */
static bool is_last(const char *message)
{
    static const char *const last[] = {"kettle: misuse", "kettle: stack overflow"};
    for (size_t i = 0; i < sizeof last / sizeof last[0]; i++)
        if (strncmp(message, last[i], strlen(last[i])) == 0)
            return true;
    return false;
}

static bool bridge(kt__logbook *log, const char *message, int level)
{
    const kt_task *t = kt_task_current();
    const char *task = t ? kt_task_name(t) : "";
    kt__log_draft d = {.name = kt_slice_from(kt__log_of_library.name), .level = level};
    uint64_t end;
    d.task = (kt_slice){task, strnlen(task, KT__LOG_WORD_MAX)};
    d.message_size = strnlen(message, log->message_bytes_max);
    kt__log_record *r = kt__log_begin(log, &d, &end);
    if (!r)
        return false;
    memcpy(r->words + d.name.size + d.task.size, message, d.message_size);
    kt__log_commit(log, r);
    (void)wait_written(log, end, log->flush_limit);
    return true;
}

void kt_log_hook_bridge(const char *message)
{
    int level = is_last(message) ? KT_LOG_CRITICAL : KT_LOG_WARNING;
    kt__logbook *log = kt__log_enter();
    if (!log) {
        kt__log_to_stderr(message);
        return;
    }
    if (kt_log_enabled(&kt__log_of_library, level) && !bridge(log, message, level))
        kt__log_to_stderr(message); /* no room: better there than lost */
    kt__log_leave();
}
