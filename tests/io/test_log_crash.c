/* SPDX-License-Identifier: MIT */

/* The log of a process that ends: by exit, by a fault, by a fork; and the library's own messages. Each in a
 * child, which reports by its status and its file. */

#include "log_kit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/switch.h"

static kt_logger shop = KT_LOGGER("shop");

enum { LINES = 100, FORKS = 5 };

static void log_lines(void)
{
    for (int i = 0; i < LINES; i++)
        kt_log_info(&shop, "line %d", i);
}

static bool has_lines(const char *path)
{
    const char *text = contents(path);
    char last[32];
    snprintf(last, sizeof last, "INFO - line %d\n", LINES - 1);
    return strstr(text, "INFO - line 0\n") && strstr(text, last);
}

/* The status with which a child ends that runs fn. */
static int status_of(void (*fn)(const scratch *s), const scratch *s)
{
    int status;
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        fn(s);
        _exit(77);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void open_for_crash(const scratch *s)
{
    const kt_log_sink sink = {.kind = KT_LOG_FILE, .path = s->file};
    CHECK_OK(kt_log_open(&(kt_log_options){.sinks = &sink, .sinks_count = 1, .crash_flush = true}));
}

static void exits(const scratch *s)
{
    open_file(s->file);
    log_lines();
    exit(3);
}

TEST_WITH(exit_writes_what_is_left, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    int status = status_of(exits, &s);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    CHECK(has_lines(s.file));
    scratch_remove(&s);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static int *volatile nowhere; /* so that no compiler sees it */

static void faults(const scratch *s)
{
    signal(SIGSEGV, SIG_DFL); /* not a sanitizer's */
    open_for_crash(s);
    log_lines();
    *nowhere = 1;
}

static void aborts(const scratch *s)
{
    signal(SIGABRT, SIG_DFL);
    open_for_crash(s);
    log_lines();
    abort();
}

static int faults_in_a_task(void *arg)
{
    (void)arg;
    log_lines();
    *nowhere = 1;
    return 0;
}

static void faults_in_a_loop(const scratch *s)
{
    signal(SIGSEGV, SIG_DFL);
    open_for_crash(s);
    int rc = kt_run(faults_in_a_task, NULL, 0);
    _exit(rc != 0);
}

static void check_dies(void (*fn)(const scratch *s), int number)
{
    scratch s = scratch_make();
    int status = status_of(fn, &s);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), number);
    CHECK(has_lines(s.file));
    scratch_remove(&s);
}

TEST_WITH(a_fault_writes_what_is_left_and_kills_as_ever, KT_TEST_NO_LOOP)
{
    check_dies(faults, SIGSEGV);
}

TEST_WITH(abort_writes_what_is_left, KT_TEST_NO_LOOP)
{
    check_dies(aborts, SIGABRT);
}

TEST_WITH(a_fault_in_a_task_writes_what_is_left, KT_TEST_NO_LOOP)
{
    check_dies(faults_in_a_loop, SIGSEGV);
}

/* The pair that draws on a terminal runs on the log's thread: a way to let it die. */
static void dies_drawing(void *arg)
{
    (void)arg;
    *nowhere = 1;
}

static void faults_in_the_logs_thread(const scratch *s)
{
    char name[64];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
        ptsname_r(master, name, sizeof name) != 0)
        _exit(75);
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    const kt_log_sink sinks[] = {{.kind = KT_LOG_DESCRIPTOR, .descriptor = slave},
                                 {.kind = KT_LOG_FILE, .path = s->file}};
    signal(SIGSEGV, SIG_DFL);
    kt_log_around(dies_drawing, NULL, NULL);
    CHECK_OK(kt_log_open(&(kt_log_options){.sinks = sinks, .sinks_count = 2, .crash_flush = true}));
    log_lines();
    pause();
}

TEST_WITH(a_fault_of_the_logs_own_thread_writes_what_is_left, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    int status = status_of(faults_in_the_logs_thread, &s);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 75)
        kt_test_skip("no terminals here");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK(strstr(contents(s.file), "INFO - line 0\n") != NULL);
    scratch_remove(&s);
}

static void faults_before_a_full_pipe(const scratch *s)
{
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    const kt_log_sink sinks[] = {{.kind = KT_LOG_DESCRIPTOR, .descriptor = ends[1]},
                                 {.kind = KT_LOG_FILE, .path = s->file}};
    signal(SIGSEGV, SIG_DFL);
    CHECK_OK(kt_log_open(&(kt_log_options){
        .sinks = sinks, .sinks_count = 2, .crash_flush = true, .flush_limit = KT_MS(100)}));
    for (int i = 0; i < 1000; i++)
        kt_log_info(&shop, "%0200d", i);
    log_lines();
    *nowhere = 1;
}

TEST_WITH(a_stuck_log_holds_no_crash_up_and_the_rest_is_written, KT_TEST_NO_LOOP)
{
    if (KT__TSAN)
        kt_test_skip("what dies takes the log's lines from a thread that is stuck with them, without its lock");
    check_dies(faults_before_a_full_pipe, SIGSEGV);
}

static void tells_and_leaves(int number)
{
    (void)number;
    _exit(42);
}

static void faults_with_a_handler(const scratch *s)
{
    signal(SIGSEGV, tells_and_leaves);
    open_for_crash(s);
    log_lines();
    *nowhere = 1;
}

TEST_WITH(whoever_had_the_signal_before_gets_it, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    int status = status_of(faults_with_a_handler, &s);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK(has_lines(s.file));
    scratch_remove(&s);
}

TEST_WITH(the_end_of_the_log_gives_the_signals_back, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    struct sigaction before, now;
    CHECK_EQ(sigaction(SIGBUS, NULL, &before), 0);
    open_for_crash(&s);
    CHECK_EQ(sigaction(SIGBUS, NULL, &now), 0);
    CHECK(now.sa_handler != before.sa_handler);
    kt_log_close();
    CHECK_EQ(sigaction(SIGBUS, NULL, &now), 0);
    CHECK(now.sa_handler == before.sa_handler);
    scratch_remove(&s);
}

/* ---- Fork ------------------------------------------------------------------------------------ */

static void logs_and_exits(const scratch *s)
{
    (void)s;
    kt_log_info(&shop, "child"); /* the log is the parent's */
    exit(0);
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

TEST_WITH(a_childs_end_writes_nothing_of_its_parents_buffer, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    open_for_crash(&s);
    for (int i = 0; i < FORKS; i++) {
        kt_log_info(&shop, "parent");
        CHECK_EQ(status_of(logs_and_exits, &s), 0);
    }
    kt_log_close();
    CHECK_EQ(count(contents(s.file), "parent"), FORKS);
    CHECK_EQ(count(contents(s.file), "child"), 0);
    scratch_remove(&s);
}

static void opens_its_own(const scratch *s)
{
    char path[128];
    snprintf(path, sizeof path, "%s.child", s->file);
    open_file(path);
    log_lines();
    exit(0);
}

#ifndef __has_feature
#define __has_feature(f) 0
#endif

TEST_WITH(a_child_may_open_a_log_of_its_own, KT_TEST_NO_LOOP)
{
    if (__has_feature(thread_sanitizer))
        kt_test_skip("ThreadSanitizer has no threads in the child of a process with threads");
    scratch s = scratch_make();
    char path[128];
    snprintf(path, sizeof path, "%s.child", s.file);
    open_file(s.file);
    CHECK_EQ(status_of(opens_its_own, &s), 0);
    kt_log_close();
    CHECK(has_lines(path));
    CHECK_STR(contents(s.file), "");
    scratch_remove(&s);
}

/* ---- The library's messages ------------------------------------------------------------------ */

static int stops(void *arg)
{
    (void)arg;
    kt_lock lock = KT_LOCK_INIT;
    kt_lock_release(&lock);
    return 0;
}

static void is_misused(const scratch *s)
{
    signal(SIGABRT, SIG_DFL);
    open_file(s->file);
    kt_log_hook_set(kt_log_hook_bridge);
    int rc = kt_run(stops, NULL, 0);
    _exit(rc != 0);
}

TEST_WITH(a_misuse_is_a_line_before_the_process_is_gone, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    int status = status_of(is_misused, &s);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_MEM(behind_time(contents(s.file)),
              "kettle - CRITICAL - kettle: misuse in task 'main': ", 50);
    scratch_remove(&s);
}

TEST_WITH(the_bridge_obeys_levels_and_works_without_a_log, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    int ends[2];
    char text[64] = "";
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    int error = dup(STDERR_FILENO);
    CHECK_EQ(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    kt_log_hook_bridge("kettle: nobody listens");
    CHECK_EQ(dup2(error, STDERR_FILENO), STDERR_FILENO);
    CHECK_GT(read(ends[0], text, sizeof text - 1), 0);
    CHECK_STR(text, "kettle: nobody listens\n");
    open_file(s.file);
    CHECK_OK(kt_log_level_set("kettle", KT_LOG_ERROR));
    kt_log_hook_bridge("kettle: a report");
    CHECK_OK(kt_log_level_set("kettle", KT_LOG_DEFAULT));
    CHECK_STR(contents(s.file), "");
    kt_log_hook_bridge("kettle: another report");
    CHECK_STR(behind_time(contents(s.file)), "kettle - WARNING - kettle: another report\n");
    kt_log_close();
    close(error);
    close(ends[0]);
    close(ends[1]);
    scratch_remove(&s);
}
