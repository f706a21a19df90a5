/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PARITY_SAY_H
#define TESTS_PARITY_SAY_H

/* Twins of asyncio programs: each prints what CPython printed, line by line. Of Kettle they know the
 * public headers only.
 *
 * A failure that Python raises as an error with a text is -EIO here, its text kt_error_detail().
 * kt_cancel_catch stands where Python has `except` or `finally` around a wait. */

#include <kettle/kettle.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* One line of the trace. */
static inline void KT_PRINTF(1, 2) say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

/* For what cannot fail in a twin. Gives the result back. */
static inline int sure(int rc)
{
    if (rc >= 0)
        return rc;
    fprintf(stderr, "%s: %s (%s)\n", kt_error_name(rc), kt_strerror(rc), kt_error_detail());
    exit(1);
}

/* The unit of all sleeps: 20 ms, or ORACLE_UNIT_MS where a machine is too busy for that. */
static inline kt_time unit(void)
{
    const char *text = getenv("ORACLE_UNIT_MS");
    return text && *text ? (kt_time)(strtod(text, NULL) * 1e6) : KT_MS(20);
}

#define U unit()

static inline void units(int n)
{
    sure(kt_sleep(n * U));
}

static inline const char *yes(bool value)
{
    return value ? "yes" : "no";
}

static inline int raise_error(const char *text)
{
    return kt_error_set(-EIO, "%s", text);
}

static inline kt_task *spawn(KT__JOB)
{
    kt_task *t = NULL;
    sure(kt_spawn(fn, arg, size, &t));
    return t;
}

static inline kt_task *spawn_named(const char *name, KT__JOB)
{
    kt_task *t = NULL;
    sure(kt_spawn_with(&(kt_spawn_options){.name = name}, fn, arg, size, &t));
    return t;
}

/* The words of a group's failures, inner groups in brackets of their own. Static; for short lists. */
static inline const char *listed(kt_failures f)
{
    static char text[256];
    static size_t used, depth;
    used = depth++ == 0 ? 0 : used;
    used += (size_t)snprintf(text + used, sizeof text - used, "[");
    for (size_t i = 0; i < f.count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", i > 0 ? ", " : "");
        if (f.items[i].inner.count > 0)
            listed(f.items[i].inner);
        else
            used += (size_t)snprintf(text + used, sizeof text - used, "%s", f.items[i].detail);
    }
    used += (size_t)snprintf(text + used, sizeof text - used, "]");
    depth--;
    return text;
}

/* Waits for a task's end, whatever it is (asyncio.wait([t])). */
static inline void wait_end(kt_task *t)
{
    sure(kt_wait(&t, 1, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
}

/* For call_later(..., task.cancel) and the like. */
static inline void say_text(void *text)
{
    say("%s", (const char *)text);
}

static inline void cancel_task(void *task)
{
    kt_task_cancel(task);
}

/* Does the clock jump? Under sim always; with the other drivers where KETTLE_PARITY_CLOCK=virtual. */
static inline bool virtual_clock(void)
{
    const char *driver = getenv("KETTLE_DRIVER"), *clock = getenv("KETTLE_PARITY_CLOCK");
    return (driver && strcmp(driver, "sim") == 0) || (clock && strcmp(clock, "virtual") == 0);
}

/* For twins that need something from the real world. */
static inline void needs_reality(const char *reason)
{
    if (!virtual_clock())
        return;
    fprintf(stderr, "skipped: %s\n", reason);
    exit(77);
}

/* ---- Misuse --------------------------------------------------------------------------------- */

static int misuse_pipe = -1;

static inline void log_to_parent(const char *message)
{
    if (write(misuse_pipe, message, strlen(message)) < 0)
        _exit(1);
}

/* What asyncio refuses with an error that is the program's own mistake is misuse here and stops the
 * program: so it is tried in a child process. What that said when it was stopped, "" if it was not. To be
 * asked before the loop runs. */
static inline const char *misuse_of(kt_fn main_task)
{
    static char said[1024];
    int ends[2], status = 0;
    size_t size = 0;
    if (pipe(ends) < 0)
        return "";
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        misuse_pipe = ends[1];
        kt_log_hook_set(log_to_parent);
        _exit(kt_run(main_task, NULL, 0) < 0);
    }
    close(ends[1]);
    for (ssize_t n; size < sizeof said - 1 && (n = read(ends[0], said + size, sizeof said - 1 - size)) > 0;)
        size += (size_t)n;
    close(ends[0]);
    bool stopped = pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
                   WTERMSIG(status) == SIGABRT;
    said[stopped ? size : 0] = 0;
    return said;
}

/* ---- How a task ended, also one that its group frees -------------------------------------------- */

typedef struct task_end {
    kt_callback callback;
    kt_task *task;
    int rc;
    bool cancelled;
} task_end;

static inline void note_end(void *arg)
{
    task_end *e = arg;
    e->rc = kt_task_result(e->task);
    e->cancelled = kt_task_cancelled(e->task);
}

static inline void watch_end(task_end *e, kt_task *t)
{
    *e = (task_end){.callback = KT_CALLBACK_INIT, .task = t};
    kt_task_on_done(t, &e->callback, note_end, e);
}

/* The body of main(). */
static inline int run(kt_fn main_task)
{
    int rc = kt_run_with(&(kt_options){.virtual_time = virtual_clock()}, main_task, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "main: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}

#endif
