/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

#include <kettle/loop.h>

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LIMIT_S = 60,             /* KETTLE_TEST_TIMEOUT overrules */
    GRACE_MS = 2000,          /* for a report of what a test that is over time waits for */
    TICK_MS = 20,             /* between looks at the child while it is silent */
    OUTPUT_MAX = 1024 * 1024, /* kept of a test's output */
};

/* ---- The child ------------------------------------------------------------------------- */

/* SIGQUIT: the time is over. The process is lost, so what is not async-signal-safe is worth the
 * try; the runner kills it if this hangs. */
static void on_quit(int signal)
{
    (void)signal;
    void *frames[40];
    int count = backtrace(frames, 40);
    kt__test_fail_begin();
    kt__test_say_failure("where it was:\n");
    kt__test_symbols_report(frames, (size_t)count);
    kt__test_fail_flush();
    if (kt_loop_current()) {
        kt__test_say_failure("the tasks of its loop:\n");
        kt__test_fail_flush();
        kt_task_dump(STDERR_FILENO);
    }
    kt__test_fail_end();
}

#ifdef KT_COVERAGE
extern void __gcov_dump(void);

/* SIGABRT: a test that must die would leave no record of what it ran. */
static void on_abort(int signal)
{
    (void)signal;
    __gcov_dump();
}
#endif

static void KT_NORETURN child(const kt__test *t, pid_t runner, int output)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != runner)
        _exit(1);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close(output);
    setvbuf(stdout, NULL, _IONBF, 0); /* a dying process flushes nothing */
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    struct sigaction quit = {.sa_handler = on_quit};
    sigaction(SIGQUIT, &quit, NULL);
#ifdef KT_COVERAGE
    struct sigaction record = {.sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGABRT, &record, NULL);
#endif
    kt__test_perform(t);
    exit(0); /* with exit handlers: sanitizers make their last report there */
}

/* ---- The runner ------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static int64_t limit_ms(void)
{
    const char *text = getenv("KETTLE_TEST_TIMEOUT");
    char *end = NULL;
    double seconds = text ? strtod(text, &end) : 0;
    if (!text || end == text || *end || !(seconds > 0 && seconds < 1e6))
        seconds = LIMIT_S;
    return (int64_t)(seconds * 1000);
}

/* Takes what is in the pipe. False at its end. */
static bool take_output(int fd, kt__outcome *o)
{
    char bytes[16384];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        size_t size = (size_t)n, room = OUTPUT_MAX - o->output_size;
        size_t kept = size < room ? size : room;
        o->output = kt__test_own(o->output, o->output_size + kept);
        memcpy(o->output + o->output_size, bytes, kept);
        o->output_size += kept;
        o->output_dropped += size - kept;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Collects the child's output until it is dead; a grandchild may hold the pipe for longer. Returns
 * its wait status, and whether it had to be stopped. */
static int await_child(pid_t pid, int fd, kt__outcome *o, bool *ret_late)
{
    int64_t deadline = now_ms() + limit_ms();
    struct pollfd pipe_end = {fd, POLLIN, 0};
    int status = 0;
    *ret_late = false;
    for (;;) {
        poll(&pipe_end, 1, pipe_end.fd < 0 ? 1 : TICK_MS);
        if (pipe_end.fd >= 0 && pipe_end.revents && !take_output(fd, o))
            pipe_end.fd = -1;
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR))
            break;
        if (now_ms() < deadline)
            continue;
        kill(pid, *ret_late ? SIGKILL : SIGQUIT);
        *ret_late = true;
        deadline = now_ms() + GRACE_MS;
    }
    take_output(fd, o);
    return status;
}

static void KT_PRINTF(3, 4) conclude(kt__outcome *o, kt__verdict verdict, const char *reason, ...)
{
    va_list args;
    o->verdict = verdict;
    va_start(args, reason);
    vsnprintf(o->reason, sizeof o->reason, reason, args);
    va_end(args);
}

static void describe_end(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "was ended by SIG%s (%s)", sigabbrev_np(WTERMSIG(status)),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "exited with status %d", WEXITSTATUS(status));
}

static void judge_death(const kt__test *t, int status, kt__outcome *o)
{
    char end[120];
    describe_end(status, end, sizeof end);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        conclude(o, KT__FAILED, "should have aborted with \"%s\", but %s", t->dies_with, end);
    else if (!memmem(o->output, o->output_size, t->dies_with, strlen(t->dies_with)))
        conclude(o, KT__FAILED, "aborted without saying \"%s\"", t->dies_with);
    else
        conclude(o, KT__PASSED, "%s", "");
}

static void judge(const kt__test *t, int status, bool late, kt__outcome *o)
{
    int verdict = atomic_load(&kt__test_status->verdict);
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    char end[120];
    describe_end(status, end, sizeof end);
    if (late)
        conclude(o, KT__FAILED, "still running after %g s; stopped", (double)limit_ms() / 1000);
    else if (verdict == KT__FAILED)
        conclude(o, KT__FAILED, "%s", "");
    else if (verdict == KT__SKIPPED && clean)
        conclude(o, KT__SKIPPED, "%s", kt__test_status->reason);
    else if (t->dies_with)
        judge_death(t, status, o);
    else if (verdict == KT__PASSED && clean)
        conclude(o, KT__PASSED, "%s", "");
    else
        conclude(o, KT__FAILED, "%s%s", end,
                 verdict == KT__RUNNING ? " before its end" : " after its end");
}

void kt__test_run_forked(const kt__test *t, kt__outcome *ret_outcome)
{
    kt__outcome o = {.verdict = KT__FAILED};
    int ends[2];
    bool late = false;
    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) < 0) {
        conclude(&o, KT__FAILED, "did not start: pipe: %s", strerror(errno));
        *ret_outcome = o;
        return;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t runner = getpid(), pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(t, runner, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        conclude(&o, KT__FAILED, "did not start: fork: %s", strerror(errno));
    } else {
        int status = await_child(pid, ends[0], &o, &late);
        judge(t, status, late, &o);
    }
    close(ends[0]);
    *ret_outcome = o;
}
