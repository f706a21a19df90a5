/* SPDX-License-Identifier: MIT */
#include "sure.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/switch.h"
#include "under_valgrind.h"

/* Each test runs a loop in a process of its own, since a signal concerns all of one. The child says when
 * it is ready by a byte in a pipe. */
static int ready_fd;
static volatile sig_atomic_t seen;

static void needs_real_driver(void)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("the simulated driver takes no signals");
    if (KT__TSAN && driver && strcmp(driver, "uring") == 0)
        kt_test_skip("TSan keeps signals back until a call that it knows, and io_uring_enter is none");
}

static pid_t start(int (*body)(void))
{
    int fds[2];
    char byte;
    needs_real_driver();
    CHECK_EQ(pipe(fds), 0);
    pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        ready_fd = fds[1];
        _exit(body());
    }
    close(fds[1]);
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    close(fds[0]);
    return pid;
}

static void say_ready(void)
{
    CHECK_EQ(write(ready_fd, "r", 1), 1);
}

static int status_of(pid_t pid)
{
    int status = 0;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

/* ---- The first one ----------------------------------------------------------------------- */

static int sleeps_long(void *arg)
{
    (void)arg;
    say_ready();
    int rc = kt_sleep(KT_S(600));
    kt_cancel_catch();
    sure(kt_sleep(KT_MS(1))); /* clean-up may wait */
    return rc;
}

static sighandler_t handler_of(int number)
{
    struct sigaction action;
    CHECK_EQ(sigaction(number, NULL, &action), 0);
    return action.sa_handler;
}

static bool is_default(int number)
{
    return handler_of(number) == SIG_DFL;
}

static int runs_and_looks(void)
{
    sighandler_t before = handler_of(SIGSEGV); /* a sanitizer's */
    int rc = kt_run(sleeps_long, NULL, 0);
    bool given_back = is_default(SIGINT) && is_default(SIGTERM) && handler_of(SIGSEGV) == before;
    return rc == -EINTR && given_back ? 42 : 1;
}

TEST_WITH(sigint_cancels_main_and_handlers_are_given_back, KT_TEST_NO_LOOP)
{
    pid_t pid = start(runs_and_looks);
    CHECK_EQ(kill(pid, SIGINT), 0);
    int status = status_of(pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
}

TEST_WITH(sigterm_cancels_main_too, KT_TEST_NO_LOOP)
{
    pid_t pid = start(runs_and_looks);
    CHECK_EQ(kill(pid, SIGTERM), 0);
    int status = status_of(pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
}

static int ends_well_all_the_same(void *arg)
{
    (void)arg;
    say_ready();
    int rc = kt_sleep(KT_S(600));
    return rc == KT_ECANCELED && kt_cancel_catch() == KT_ECANCELED ? 17 : 1;
}

static int runs_and_tells(void)
{
    return kt_run(ends_well_all_the_same, NULL, 0);
}

TEST_WITH(a_main_that_catches_the_signal_has_its_own_result, KT_TEST_NO_LOOP)
{
    pid_t pid = start(runs_and_tells);
    CHECK_EQ(kill(pid, SIGINT), 0);
    CHECK_EQ(WEXITSTATUS(status_of(pid)), 17);
}

static int is_busy(void *arg)
{
    (void)arg;
    say_ready();
    int rc;
    while ((rc = kt_sleep(0)) == 0)
        ;
    return rc;
}

static int runs_busily(void)
{
    return kt_run(is_busy, NULL, 0) == -EINTR ? 42 : 1;
}

TEST_WITH(a_loop_that_never_idles_sees_the_signal, KT_TEST_NO_LOOP)
{
    pid_t pid = start(runs_busily);
    CHECK_EQ(kill(pid, SIGINT), 0);
    CHECK_EQ(WEXITSTATUS(status_of(pid)), 42);
}

/* ---- The second one ---------------------------------------------------------------------- */

static int hangs_in_clean_up(void *arg)
{
    (void)arg;
    say_ready();
    int rc = kt_sleep(KT_S(600));
    kt_cancel_catch();
    say_ready();
    sure(kt_sleep(KT_S(600)));
    return rc;
}

static int runs_and_hangs(void)
{
    return kt_run(hangs_in_clean_up, NULL, 0) == -EINTR ? 42 : 1;
}

TEST_WITH(a_second_signal_ends_the_process, KT_TEST_NO_LOOP)
{
    pid_t pid = start(runs_and_hangs);
    CHECK_EQ(kill(pid, SIGINT), 0);
    usleep(20000);
    CHECK_EQ(kill(pid, SIGTERM), 0);
    int status = status_of(pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGTERM);
}

static int never_yields(void *arg)
{
    (void)arg;
    say_ready();
    while (!seen)
        pause();
    return 0;
}

static int runs_and_blocks(void)
{
    return kt_run(never_yields, NULL, 0) < 0;
}

TEST_WITH(a_second_signal_ends_a_loop_that_is_blocked, KT_TEST_NO_LOOP)
{
    pid_t pid = start(runs_and_blocks);
    CHECK_EQ(kill(pid, SIGINT), 0);
    usleep(20000);
    CHECK_EQ(kill(pid, SIGINT), 0);
    int status = status_of(pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGINT);
}

/* ---- Others' signals --------------------------------------------------------------------- */

static void on_signal(int number)
{
    seen = number;
}

static int waits_until_seen(void *arg)
{
    (void)arg;
    say_ready();
    while (!seen)
        sure(kt_sleep(KT_MS(1)));
    return seen;
}

static int runs_with_a_handler(void)
{
    signal(SIGINT, on_signal);
    int rc = kt_run(waits_until_seen, NULL, 0);
    return rc == SIGINT && handler_of(SIGINT) == on_signal ? 42 : 1;
}

TEST_WITH(a_program_with_a_handler_of_its_own_keeps_it, KT_TEST_NO_LOOP)
{
    pid_t pid = start(runs_with_a_handler);
    CHECK_EQ(kill(pid, SIGINT), 0);
    CHECK_EQ(WEXITSTATUS(status_of(pid)), 42);
}

static int runs_without_signals(void)
{
    const kt_options none = {.no_signals = true};
    return kt_run_with(&none, sleeps_long, NULL, 0) < 0;
}

TEST_WITH(a_loop_may_leave_signals_alone, KT_TEST_NO_LOOP)
{
    pid_t pid = start(runs_without_signals);
    CHECK_EQ(kill(pid, SIGTERM), 0);
    int status = status_of(pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGTERM);
}

static int defaults(void *arg)
{
    (void)arg;
    return is_default(SIGINT) | is_default(SIGTERM) << 1 | is_default(SIGQUIT) << 2;
}

TEST_WITH(each_is_taken_by_whoever_asks_for_it_only, KT_TEST_NO_LOOP)
{
    const kt_options none = {.no_signals = true, .debug = KT_DEBUG_OFF},
                     quit = {.dump_on_quit = true, .debug = KT_DEBUG_OFF},
                     quit_only = {.no_signals = true, .dump_on_quit = true, .debug = KT_DEBUG_OFF},
                     debug = {.debug = KT_DEBUG_ON}, usual = {.debug = KT_DEBUG_OFF};
    needs_real_driver();
    signal(SIGINT, SIG_DFL); /* a shell may ignore it for what it runs in the background */
    signal(SIGTERM, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    CHECK_EQ(kt_run_with(&usual, defaults, NULL, 0), 4);
    CHECK_EQ(kt_run_with(&debug, defaults, NULL, 0), 0);
    CHECK_EQ(kt_run_with(&quit, defaults, NULL, 0), 0);
    CHECK_EQ(kt_run_with(&quit_only, defaults, NULL, 0), 3);
    CHECK_EQ(kt_run_with(&none, defaults, NULL, 0), 7);
}

static int looks_at_mask(void *arg)
{
    sigset_t *set = arg;
    return pthread_sigmask(SIG_BLOCK, NULL, set) == 0 ? sigismember(set, SIGPIPE) : -EINVAL;
}

TEST_WITH(sigpipe_is_blocked_in_the_loop_and_given_back, KT_TEST_NO_LOOP)
{
    sigset_t set;
    sigemptyset(&set);
    CHECK_EQ(kt_run(looks_at_mask, &set, 0), 1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    CHECK(!sigismember(&set, SIGPIPE));
}

/* Between runs too: a close enters the loop once more. */
TEST_WITH(sigpipe_that_the_program_has_blocked_stays_so, KT_TEST_NO_LOOP)
{
    sigset_t pipe, set;
    kt_runner *r = NULL;
    sigemptyset(&pipe);
    sigemptyset(&set);
    sigaddset(&pipe, SIGPIPE);
    CHECK_OK(kt_runner_open(NULL, &r));
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &pipe, NULL), 0);
    CHECK_EQ(kt_runner_run(r, looks_at_mask, &set, 0), 1);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &pipe, &set), 0);
    CHECK(sigismember(&set, SIGPIPE));
    CHECK_EQ(kt_runner_run(r, looks_at_mask, &set, 0), 1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    CHECK(!sigismember(&set, SIGPIPE));
    kt_runner_close(r);
}

static int blocks_usr1(void *arg)
{
    return pthread_sigmask(SIG_BLOCK, arg, NULL);
}

TEST_WITH(other_signals_stay_as_the_program_has_set_them, KT_TEST_NO_LOOP)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(kt_run(blocks_usr1, &set, 0), 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    CHECK(sigismember(&set, SIGUSR1) && !sigismember(&set, SIGPIPE));
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
}

static int segv_default(void *arg)
{
    (void)arg;
    return is_default(SIGSEGV);
}

static int takes_segv(void *arg)
{
    (void)arg;
    return signal(SIGSEGV, on_signal) == SIG_ERR;
}

TEST_WITH(a_handler_of_faults_that_the_program_sets_meanwhile_stays, KT_TEST_NO_LOOP)
{
    CHECK_EQ(kt_run(takes_segv, NULL, 0), 0);
    CHECK(handler_of(SIGSEGV) == on_signal);
    signal(SIGSEGV, SIG_DFL);
}

TEST_WITH(faults_may_be_left_alone, KT_TEST_NO_LOOP)
{
    const kt_options none = {.no_overflow_report = true};
    struct sigaction before, action = {.sa_handler = SIG_DFL};
    CHECK_EQ(sigaction(SIGSEGV, &action, &before), 0);
    CHECK_EQ(kt_run_with(&none, segv_default, NULL, 0), 1);
    CHECK_EQ(kt_run(segv_default, NULL, 0), 0);
    CHECK(is_default(SIGSEGV));
    sigaction(SIGSEGV, &before, NULL);
}

/* ---- Runs one after the other, and what is left at the end ----------------------------------- */

static int cancels_itself(void *arg)
{
    (void)arg;
    kt_task_cancel(kt_task_current());
    return kt_sleep(KT_S(60));
}

static int is_signalled_once(void)
{
    kt_runner *r = NULL;
    CHECK_OK(kt_runner_open(NULL, &r));
    CHECK_ERR(kt_runner_run(r, sleeps_long, NULL, 0), -EINTR);
    CHECK_ERR(kt_runner_run(r, cancels_itself, NULL, 0), KT_ECANCELED);
    kt_runner_stop(r);
    CHECK_OK(kt_runner_run(r, NULL, NULL, 0));
    kt_runner_close(r);
    return 5;
}

TEST_WITH(a_signal_is_forgotten_by_the_next_run, KT_TEST_NO_LOOP)
{
    pid_t pid = start(is_signalled_once);
    CHECK_EQ(kill(pid, SIGINT), 0);
    int status = status_of(pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 5);
}

static int says_ready_soon(void *arg)
{
    (void)arg;
    sure(kt_sleep(KT_MS(10)));
    say_ready();
    return 0;
}

static int leaves_one_that_says(void *arg)
{
    (void)arg;
    kt_task *t = NULL;
    sure(kt_spawn(says_ready_soon, NULL, 0, &t));
    kt_task_detach(t);
    return 0;
}

static int is_signalled_without_main(void)
{
    kt_runner *r = NULL;
    CHECK_OK(kt_runner_open(NULL, &r));
    CHECK_OK(kt_runner_run(r, leaves_one_that_says, NULL, 0));
    CHECK_ERR(kt_runner_run(r, NULL, NULL, 0), -EINTR);
    kt_runner_close(r);
    return 5;
}

TEST_WITH(a_signal_stops_a_run_without_a_main_task, KT_TEST_NO_LOOP)
{
    pid_t pid = start(is_signalled_without_main);
    CHECK_EQ(kill(pid, SIGINT), 0);
    int status = status_of(pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 5);
}

static void never(void *arg)
{
    (void)arg;
}

static int keeps_a_handler(void *arg)
{
    return kt_signal_handle(arg, SIGUSR1, never, NULL);
}

static int leaves_a_handler(void)
{
    static kt_signal usr1 = KT_SIGNAL_INIT;
    struct sigaction now;
    CHECK_OK(kt_run(keeps_a_handler, &usr1, 0));
    CHECK_OK(sigaction(SIGUSR1, NULL, &now));
    say_ready();
    return now.sa_handler == SIG_DFL ? 5 : 6;
}

TEST_WITH(a_handler_that_was_left_goes_with_the_loop, KT_TEST_NO_LOOP)
{
    int status = status_of(start(leaves_a_handler));
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 5);
}

static int waits_for_a_fault(void)
{
    signal(SIGSEGV, SIG_DFL); /* a sanitizer may have it */
    return kt_run(sleeps_long, NULL, 0) < 0 ? 6 : 7;
}

TEST_WITH(a_fault_that_somebody_sends_ends_the_program, KT_TEST_NO_LOOP)
{
    /* It queues a SIGSEGV that kill(2) sent, and looks into that queue after the next system call
     * only, which here is the wait that the signal should end (see --trace-signals=yes). */
    if (UNDER_VALGRIND)
        kt_test_skip("Valgrind delivers faults that were sent too late");
    pid_t pid = start(waits_for_a_fault);
    CHECK_EQ(kill(pid, SIGSEGV), 0);
    int status = status_of(pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

/* ---- Faults that are not ours go to whoever handled them before -------------------------------- */

static volatile sig_atomic_t told_of, told_by;

static void on_fault(int number, siginfo_t *info, void *context)
{
    told_of = info->si_signo == number && context ? number : -1;
    told_by = info->si_pid;
}

static int faults_are_sent(void *arg)
{
    (void)arg;
    CHECK_EQ(kill(getpid(), SIGSEGV), 0);
    CHECK_EQ(kill(getpid(), SIGBUS), 0);
    return kt_sleep(0);
}

TEST_WITH(a_fault_handler_of_the_programs_gets_all_that_the_system_tells, KT_TEST_NO_LOOP)
{
    const int numbers[] = {SIGSEGV, SIGBUS};
    needs_real_driver();
    for (int i = 0; i < 2; i++) {
        struct sigaction before, action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
        signal(numbers[1 - i], SIG_IGN);
        CHECK_EQ(sigaction(numbers[i], &action, &before), 0);
        told_of = told_by = 0;
        CHECK_OK(kt_run(faults_are_sent, NULL, 0));
        CHECK_EQ(told_of, numbers[i]);
        CHECK_EQ(told_by, getpid());
        sigaction(numbers[i], &before, NULL);
    }
}

TEST_WITH(so_does_one_of_the_older_kind, KT_TEST_NO_LOOP)
{
    needs_real_driver();
    signal(SIGSEGV, on_signal);
    signal(SIGBUS, SIG_IGN);
    CHECK_OK(kt_run(faults_are_sent, NULL, 0));
    CHECK_EQ(seen, SIGSEGV);
    CHECK(handler_of(SIGSEGV) == on_signal);
    CHECK(handler_of(SIGBUS) == SIG_IGN);
}

static int runs_another_loop(void *arg)
{
    (void)arg;
    return kt_run(segv_default, NULL, 0);
}

static int runs_two_loops(void *arg)
{
    CHECK_EQ(kt_thread_run(runs_another_loop, arg, 0), 0);
    return segv_default(NULL); /* the other loop's end has not given them back */
}

TEST_WITH(the_last_loop_gives_faults_back, KT_TEST_NO_LOOP)
{
    needs_real_driver();
    signal(SIGSEGV, SIG_DFL);
    CHECK_EQ(kt_run(runs_two_loops, NULL, 0), 0);
    CHECK(is_default(SIGSEGV));
}

TEST_WITH(a_loops_alternate_stack_goes_with_it_and_the_programs_own_stays, KT_TEST_NO_LOOP)
{
    static char memory[64 << 10];
    stack_t now, own = {.ss_sp = memory, .ss_size = sizeof memory};
    CHECK_EQ(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL), 0); /* a sanitizer's */
    CHECK_EQ(kt_run(segv_default, NULL, 0), 0);
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    CHECK(now.ss_flags & SS_DISABLE);
    CHECK_EQ(sigaltstack(&own, NULL), 0);
    CHECK_EQ(kt_run(segv_default, NULL, 0), 0);
    CHECK_EQ(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, &now), 0);
    CHECK(now.ss_sp == memory);
    CHECK(!(now.ss_flags & SS_DISABLE));
}
