/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ending programs and what they started, and the announcements of both. */

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static kt_process *spawn_script(const char *script, int announce_fd)
{
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("sh", "-c", script),
                            .output = KT_PROCESS_PIPE,
                            .announce_fd = announce_fd};
    CHECK_OK(kt_process_spawn(&o, &p));
    return p;
}

static pid_t read_pid(kt_process *p)
{
    kt_slice line;
    char digits[24] = "";
    CHECK_EQ(kt_stream_read_line(kt_process_stdout(p), sizeof(digits) - 1, &line), 1);
    memcpy(digits, line.data, line.size);
    return (pid_t)strtol(digits, NULL, 10);
}

/* Neither gone nor a zombie that its new parent has not reaped yet. */
static bool runs(pid_t pid)
{
    char path[64], state = 'X';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    int fields = fscanf(f, "%*d %*s %c", &state);
    fclose(f);
    return fields == 1 && state != 'Z' && state != 'X';
}

static void check_no_children(void)
{
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
}

TEST_WITH(close_kills_and_reaps, KT_TEST_REAL_TIME)
{
    kt_process *p = spawn_script("trap '' TERM INT HUP; echo $$; while :; do sleep 1000; done", 0);
    pid_t pid = read_pid(p);
    CHECK_EQ(pid, kt_process_pid(p));
    CHECK(runs(pid));
    kt_process_close(p);
    CHECK_EQ(kill(pid, 0), -1);
    check_no_children();
}

TEST_WITH(a_scope_that_is_left_ends_the_program, KT_TEST_REAL_TIME)
{
    pid_t pid;
    {
        kt_auto(kt_process) *p = spawn_script("exec sleep 1000", 0);
        pid = kt_process_pid(p);
        CHECK(runs(pid));
    }
    CHECK(!runs(pid));
    check_no_children();
    kt_process_close(NULL);
}

TEST_WITH(close_ends_grandchildren_before_it_returns, KT_TEST_REAL_TIME)
{
    kt_process *p = spawn_script("sh -c 'sleep 1000 & echo $!; wait' & wait", 0);
    pid_t grandchild = read_pid(p);
    CHECK(runs(grandchild));
    CHECK_EQ(getpgid(grandchild), kt_process_pid(p));
    kt_process_close(p);
    CHECK(!runs(grandchild));
    check_no_children();
}

TEST_WITH(a_grandchild_that_outlived_the_program_ends_too, KT_TEST_REAL_TIME)
{
    kt_process *p = spawn_script("sleep 1000 & echo $!", 0);
    pid_t grandchild = read_pid(p);
    CHECK_OK(kt_process_wait(p, NULL));
    CHECK(runs(grandchild));
    kt_process_close(p);
    CHECK(!runs(grandchild));
}

TEST_WITH(a_signal_reaches_the_whole_group, KT_TEST_REAL_TIME)
{
    const char *script = "sh -c 'trap \"echo got; exit\" USR1; echo $$; while :; do sleep 0.01; done' &"
                         " trap '' USR1; wait; wait";
    kt_auto(kt_process) *p = spawn_script(script, 0);
    kt_slice line;
    CHECK_GT(read_pid(p), 1);
    CHECK_OK(kt_process_signal(p, SIGUSR1));
    CHECK_EQ(kt_stream_read_line(kt_process_stdout(p), 100, &line), 1);
    CHECK_SLICE(line, "got");
    CHECK_ERR(kt_process_signal(p, 1000), -EINVAL);
}

TEST_WITH(a_program_that_has_ended_can_be_signalled_and_waited_for_again, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = spawn_script("exit 3", 0);
    kt_process_status status;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(kt_process_wait(p, &status));
        CHECK_EQ(status.exit_code, 3);
        CHECK_OK(kt_process_signal(p, SIGTERM));
    }
}

/* ---- Waiting ------------------------------------------------------------------------------ */

KT_FN(wait_for_end, a, struct { kt_process *process; int *ended; })
{
    kt_process_status status;
    int rc = kt_process_wait(a->process, &status);
    if (rc == 0 && status.exit_code == 4)
        ++*a->ended;
    return rc;
}

TEST_WITH(several_tasks_may_wait_at_once, KT_TEST_REAL_TIME)
{
    int ended = 0;
    kt_auto(kt_process) *p = spawn_script("sleep 0.05; exit 4", 0);
    kt_auto(kt_group) waiters = KT_GROUP_INIT;
    for (int i = 0; i < 5; i++)
        CHECK_OK(kt_group_spawn(&waiters, KT_WITH(wait_for_end, .process = p, .ended = &ended)));
    CHECK_OK(kt_group_join(&waiters, 0));
    CHECK_EQ(ended, 5);
}

static int wait_only(void *p)
{
    return kt_process_wait(p, NULL);
}

TEST_WITH(a_cancelled_wait_leaves_the_program_alone, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = spawn_script("exec sleep 1000", 0);
    CHECK_ERR(kt_wait_for(KT_MS(20), wait_only, p, 0), KT_ETIMEDOUT);
    CHECK(runs(kt_process_pid(p)));
    CHECK_OK(kt_process_signal(p, SIGKILL));
    kt_process_status status;
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_EQ(status.signal, SIGKILL);
}

KT_FN(close_it, a, struct { kt_process *process; })
{
    int rc = kt_sleep(0);
    kt_process_close(a->process);
    return rc;
}

KT_FN(wait_for_kill, a, struct { kt_process *process; int *signal; })
{
    kt_process_status status;
    int rc = kt_process_wait(a->process, &status);
    if (rc == 0)
        *a->signal = status.signal;
    return rc;
}

TEST_WITH(tasks_that_wait_learn_of_a_close, KT_TEST_REAL_TIME)
{
    int signals[2] = {0, 0};
    kt_process *p = spawn_script("exec sleep 1000", 0);
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&tasks, KT_WITH(wait_for_kill, .process = p, .signal = &signals[0])));
    CHECK_OK(kt_group_spawn(&tasks, KT_WITH(wait_for_kill, .process = p, .signal = &signals[1])));
    CHECK_OK(kt_group_spawn(&tasks, KT_WITH(close_it, .process = p)));
    CHECK_OK(kt_group_join(&tasks, 0));
    CHECK_EQ(signals[0], SIGKILL);
    CHECK_EQ(signals[1], SIGKILL);
}

KT_FN(own_one, a, struct { pid_t *pid; })
{
    kt_auto(kt_process) *p = spawn_script("exec sleep 1000", 0);
    *a->pid = kt_process_pid(p);
    return kt_process_wait(p, NULL);
}

TEST_WITH(a_cancelled_owner_takes_its_program_along, KT_TEST_REAL_TIME)
{
    pid_t pid = 0;
    kt_task *owner;
    CHECK_OK(kt_spawn(KT_WITH(own_one, .pid = &pid), &owner));
    CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK(runs(pid));
    CHECK(kt_task_cancel(owner));
    CHECK_ERR(kt_task_join(owner), KT_ECANCELED);
    CHECK(!runs(pid));
    check_no_children();
}

static int leave_one_behind(void *arg)
{
    kt_task *owner;
    int rc = kt_spawn(KT_WITH(own_one, .pid = arg), &owner);
    if (rc == 0)
        kt_task_detach(owner);
    return rc < 0 ? rc : kt_sleep(KT_MS(10));
}

TEST_WITH(the_end_of_the_loop_takes_programs_along, KT_TEST_NO_LOOP)
{
    pid_t pid = 0;
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors");
    CHECK_OK(kt_run(leave_one_behind, &pid, 0));
    CHECK_GT(pid, 1);
    CHECK(!runs(pid));
    check_no_children();
}

TEST_WITH(a_program_reaped_by_somebody_else_is_told_and_never_signalled, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = spawn_script("exit 0", 0);
    CHECK_EQ(waitpid(kt_process_pid(p), NULL, 0), kt_process_pid(p));
    CHECK_ERR(kt_process_wait(p, NULL), -ECHILD);
    CHECK_ERR(kt_process_signal(p, SIGKILL), -ESRCH);
}

/* ---- Outside tasks ------------------------------------------------------------------------- */

typedef struct outsider {
    kt_process *process;
    kt_event done;
} outsider;

static void spawn_outside(void *arg)
{
    outsider *o = arg;
    const kt_process_options options = {.argv = ARGV("sh", "-c", "echo tea; exec sleep 1000"),
                                        .input = KT_PROCESS_PIPE,
                                        .output = KT_PROCESS_PIPE,
                                        .error = KT_PROCESS_PIPE};
    CHECK_OK(kt_process_spawn(&options, &o->process));
    kt_event_set(&o->done);
}

static void close_outside(void *arg)
{
    outsider *o = arg;
    kt_process_close(kt_steal(o->process));
    kt_event_set(&o->done);
}

static void call_outside(outsider *o, void (*fn)(void *arg))
{
    kt_auto(kt_callback) call = KT_CALLBACK_INIT;
    kt_event_clear(&o->done);
    kt_call_soon(&call, fn, o);
    CHECK_OK(kt_event_wait(&o->done));
}

TEST_WITH(a_callback_spawns_and_closes, KT_TEST_REAL_TIME)
{
    outsider o = {NULL, KT_EVENT_INIT};
    kt_slice line;
    call_outside(&o, spawn_outside);
    CHECK_EQ(kt_stream_read_line(kt_process_stdout(o.process), 100, &line), 1);
    CHECK_SLICE(line, "tea");
    pid_t pid = kt_process_pid(o.process);
    call_outside(&o, close_outside);
    CHECK(!runs(pid));
    check_no_children();
}

static int give_away(void *arg)
{
    outsider *o = arg;
    kt_slice line;
    spawn_outside(o);
    return kt_stream_read_line(kt_process_stdout(o->process), 100, &line) == 1 ? 0 : -EPIPE;
}

TEST_WITH(a_program_that_outlived_the_loop_can_be_closed, KT_TEST_NO_LOOP)
{
    outsider o = {NULL, KT_EVENT_INIT};
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors");
    CHECK_OK(kt_run(give_away, &o, 0));
    pid_t pid = kt_process_pid(o.process);
    CHECK(runs(pid));
    kt_process_close(o.process);
    CHECK(!runs(pid));
    check_no_children();
}

static char logged[1024];

static void keep_message(const char *message)
{
    size_t size = strlen(logged);
    snprintf(logged + size, sizeof(logged) - size, "%s\n", message);
}

/* Once: not its streams, too. */
TEST_WITH(debug_mode_names_a_program_that_outlived_the_loop, KT_TEST_NO_LOOP)
{
    outsider o = {NULL, KT_EVENT_INIT};
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors");
    kt_log_hook_set(keep_message);
    int rc = kt_run_with(&(kt_options){.debug = KT_DEBUG_ON, .slow_step = KT_S(10)}, give_away, &o, 0);
    kt_log_hook_set(NULL);
    kt_process_close(o.process);
    CHECK_OK(rc);
    const char *report = strstr(logged, "a process, made at "), *words = "was never closed";
    report = report ? strstr(report, words) : NULL;
    CHECK(report && strstr(logged, words) == report && !strstr(report + 1, words));
}

static void check_dies_outside(kt_fn user)
{
    outsider o = {NULL, KT_EVENT_INIT};
    kt_task *task;
    call_outside(&o, spawn_outside);
    CHECK_OK(kt_spawn(user, o.process, 0, &task));
    CHECK_OK(kt_sleep(KT_MS(10)));
    call_outside(&o, close_outside);
}

TEST_DIES(a_callback_cannot_close_what_a_task_waits_for, KT_TEST_REAL_TIME,
          "kt_process_close: outside a task, while tasks wait for the process")
{
    check_dies_outside(wait_only);
}

static int read_errors(void *p)
{
    char byte;
    return (int)kt_stream_read(kt_process_stderr(p), &byte, 1);
}

TEST_DIES(nor_what_a_task_reads_from, KT_TEST_REAL_TIME, "closing a descriptor that a task uses")
{
    check_dies_outside(read_errors);
}

TEST_DIES(two_cannot_close_one_process, KT_TEST_REAL_TIME, "another task closes this process already")
{
    kt_process *p = spawn_script("exec sleep 1000", 0);
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&tasks, wait_only, p, 0)); /* for which the first one waits */
    CHECK_OK(kt_group_spawn(&tasks, KT_WITH(close_it, .process = p)));
    CHECK_OK(kt_group_spawn(&tasks, KT_WITH(close_it, .process = p)));
    CHECK_OK(kt_group_join(&tasks, 0));
}

/* ---- Many ---------------------------------------------------------------------------------- */

#define MANY 200
#define AT_ONCE 20

typedef struct tally {
    kt_semaphore places;
    int running, running_max, right;
} tally;

KT_FN(run_numbered, a, struct { tally *tally; int number; })
{
    char script[64];
    tally *t = a->tally;
    snprintf(script, sizeof(script), "echo %d; exit %d", a->number, a->number);
    int rc = kt_semaphore_acquire(&t->places);
    if (rc < 0)
        return rc;
    if (++t->running > t->running_max)
        t->running_max = t->running;
    kt_auto(kt_process) *p = spawn_script(script, 0);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_process_status status = {0, 0};
    rc = kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, NULL);
    if (rc == 0)
        rc = kt_process_wait(p, &status);
    if (rc == 0 && status.exit_code == a->number &&
        strtol(kt_buffer_string(&out), NULL, 10) == a->number)
        t->right++;
    kt_process_close(kt_steal(p));
    t->running--;
    kt_semaphore_release(&t->places);
    return rc;
}

TEST_WITH(two_hundred_programs_twenty_at_a_time, KT_TEST_REAL_TIME)
{
    tally t = {.places = KT_SEMAPHORE_INIT(AT_ONCE)};
    kt_auto(kt_group) all = KT_GROUP_INIT;
    for (int i = 0; i < MANY; i++)
        CHECK_OK(kt_group_spawn(&all, KT_WITH(run_numbered, .tally = &t, .number = i)));
    CHECK_OK(kt_group_join(&all, 0));
    CHECK_EQ(t.right, MANY);
    CHECK_EQ(t.running_max, AT_ONCE);
    check_no_children();
}

/* ---- Announcements ------------------------------------------------------------------------- */

static int next_message(int fd)
{
    int message = 0;
    ssize_t size = read(fd, &message, sizeof(message));
    if (size < 0)
        CHECK_EQ(errno, EAGAIN);
    else
        CHECK_EQ(size, sizeof(message));
    return message; /* 0: none */
}

TEST_WITH(a_program_is_announced_before_it_starts_and_taken_back_at_close, KT_TEST_REAL_TIME)
{
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    CHECK_OK(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    kt_process *p = spawn_script("exit 0", ends[1]);
    pid_t pid = kt_process_pid(p);
    CHECK_EQ(next_message(ends[0]), pid);
    CHECK_OK(kt_process_wait(p, NULL));
    CHECK_EQ(next_message(ends[0]), 0);
    kt_process_close(p);
    CHECK_EQ(next_message(ends[0]), -pid);
    CHECK_EQ(next_message(ends[0]), 0);
    close(ends[0]);
    close(ends[1]);
}

TEST_WITH(a_program_that_cannot_start_takes_its_announcement_back, KT_TEST_REAL_TIME)
{
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    CHECK_OK(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("/no/such/program"), .announce_fd = ends[1]};
    CHECK_ERR(kt_process_spawn(&o, &p), -ENOENT);
    int pid = next_message(ends[0]);
    CHECK_GT(pid, 1);
    CHECK_EQ(next_message(ends[0]), -pid);
    CHECK_EQ(next_message(ends[0]), 0);
    check_no_children();
    close(ends[0]);
    close(ends[1]);
}

/* Without a listener the promise behind the announcement cannot be kept, so nothing is started. */
TEST_WITH(nothing_starts_when_nobody_listens, KT_TEST_REAL_TIME)
{
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    kt_process *running = spawn_script("echo $$; exec sleep 1000", ends[1]);
    CHECK_EQ(read_pid(running), kt_process_pid(running)); /* so it has let go of ends[0] */
    close(ends[0]);
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("true"), .announce_fd = ends[1]};
    CHECK_ERR(kt_process_spawn(&o, &p), -EPIPE);
    kt_process_close(running); /* whose -pid meets the broken pipe: no SIGPIPE */
    sigset_t pending;
    sigpending(&pending);
    CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
    o.announce_fd = 2;
    CHECK_ERR(kt_process_spawn(&o, &p), -EINVAL);
    check_no_children();
    close(ends[1]);
}

/* ---- Old kernels ---------------------------------------------------------------------------- */

/* Makes close_range fail as before Linux 5.11, from here on and for every child. */
static void forbid_close_range(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    CHECK_EQ(close_range(1000, 1000, 0), -1);
}

TEST_WITH(descriptors_stay_ours_without_close_range, KT_TEST_REAL_TIME)
{
    int plain[200];
    for (int i = 0; i < 200; i++) /* more than one getdents64 block */
        plain[i] = open("/dev/null", O_RDONLY);
    CHECK_GT(plain[199], 199);
    forbid_close_range();
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_process) *p = spawn_script("exec ls /proc/self/fd", 0);
    CHECK_EQ(kt_process_communicate(p, (kt_slice){NULL, 0}, 1000, &out, NULL), 0);
    CHECK_SLICE(kt_buffer_slice(&out), "0\n1\n2\n3\n");
    for (int i = 0; i < 200; i++)
        close(plain[i]);
}
