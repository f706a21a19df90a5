/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "jobs/reaper.h"

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A file to lock, gone at the end of the scope. */
typedef struct lock_file {
    char path[64];
} lock_file;

static void lock_file_cleanup(lock_file *f)
{
    unlink(f->path);
}

static lock_file lock_file_make(void)
{
    lock_file f = {"/tmp/kettle-reaper-XXXXXX"};
    int fd = mkstemp(f.path);
    CHECK_GE(fd, 0);
    close(fd);
    return f;
}

static int open_lock(const lock_file *f)
{
    return open(f->path, O_RDWR | O_CLOEXEC);
}

static bool is_locked(const lock_file *f)
{
    int fd = open_lock(f);
    int rc = flock(fd, LOCK_EX | LOCK_NB);
    close(fd);
    return rc < 0;
}

static void read_state(pid_t pid, char *ret_name, char *ret_state)
{
    char path[64];
    *ret_name = 0;
    *ret_state = 'X';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    if (fscanf(f, "%*d (%31[^)]) %c", ret_name, ret_state) != 2)
        *ret_state = 'X';
    fclose(f);
}

static bool runs(pid_t pid)
{
    char name[32], state;
    read_state(pid, name, &state);
    return state != 'Z' && state != 'X';
}

/* A process that leads a group of its own and waits to be killed. To be made before the reaper: it
 * would hold the reaper's pipe, since there is no exec. */
static pid_t fork_group(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    CHECK_OK(setpgid(pid, pid));
    return pid;
}

static void tell(int fd, int message)
{
    CHECK_EQ(write(fd, &message, sizeof(message)), (int64_t)sizeof(message));
}

static void kill_and_reap(pid_t pid)
{
    CHECK_OK(kill(pid, SIGKILL));
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

/* Its name is the last thing that it sets up. */
static void await_ready(pid_t reaper)
{
    char name[32] = "", state;
    for (int i = 0; i < 100000 && strcmp(name, "kettle-reaper") != 0; i++) {
        sched_yield();
        read_state(reaper, name, &state);
    }
    CHECK_STR(name, "kettle-reaper");
}

TEST_WITH(it_holds_the_lock_until_it_has_stopped, KT_TEST_NO_LOOP)
{
    kt_auto(lock_file) f = lock_file_make();
    kt__reaper *r;
    int lock_fd = open_lock(&f);
    CHECK_OK(flock(lock_fd, LOCK_EX));
    CHECK_OK(kt__reaper_start(lock_fd, &r));
    close(lock_fd);
    CHECK(is_locked(&f));
    kt__reaper_stop(r);
    CHECK(!is_locked(&f));
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    kt__reaper_stop(NULL);
}

TEST_WITH(what_is_still_announced_is_killed_and_nothing_else, KT_TEST_NO_LOOP)
{
    enum { COUNT = 70 };
    kt_auto(lock_file) f = lock_file_make();
    kt__reaper *r;
    pid_t announced[COUNT], forgotten = fork_group(), stranger = fork_group();
    for (int i = 0; i < COUNT; i++)
        announced[i] = fork_group();
    int lock_fd = open_lock(&f);
    CHECK_OK(kt__reaper_start(lock_fd, &r));
    tell(kt__reaper_fd(r), forgotten);
    for (int i = 0; i < COUNT; i++)
        tell(kt__reaper_fd(r), announced[i]);
    tell(kt__reaper_fd(r), -forgotten);
    tell(kt__reaper_fd(r), -stranger); /* was never announced */
    kt__reaper_stop(r);
    for (int i = 0; i < COUNT; i++) {
        int status = 0;
        CHECK(!runs(announced[i]));
        CHECK_EQ(waitpid(announced[i], &status, 0), announced[i]);
        CHECK_EQ(WTERMSIG(status), SIGKILL);
    }
    CHECK(runs(forgotten));
    CHECK(runs(stranger));
    kill_and_reap(forgotten);
    kill_and_reap(stranger);
    close(lock_fd);
}

TEST_WITH(numbers_that_are_no_group_are_ignored, KT_TEST_NO_LOOP)
{
    const int odd[] = {0, INT_MAX, INT_MIN, 4 * 1024 * 1024, -4 * 1024 * 1024};
    kt_auto(lock_file) f = lock_file_make();
    kt__reaper *r;
    pid_t last = fork_group();
    int lock_fd = open_lock(&f);
    CHECK_OK(kt__reaper_start(lock_fd, &r));
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        tell(kt__reaper_fd(r), odd[i]);
    tell(kt__reaper_fd(r), last);
    kt__reaper_stop(r); /* had it killed group 0, its own, `last` would have been left */
    CHECK(!runs(last));
    CHECK_EQ(waitpid(last, NULL, 0), last);
    close(lock_fd);
}

TEST_WITH(signals_that_stop_a_server_do_not_stop_it, KT_TEST_NO_LOOP)
{
    const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGPIPE};
    kt_auto(lock_file) f = lock_file_make();
    kt__reaper *r;
    pid_t group = fork_group();
    int lock_fd = open_lock(&f);
    CHECK_OK(kt__reaper_start(lock_fd, &r));
    pid_t pid = kt__reaper_pid(r);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        CHECK_OK(kill(pid, signals[i]));
    tell(kt__reaper_fd(r), group);
    await_ready(pid);
    CHECK_EQ(getsid(pid), pid); /* nor does the terminal */
    kt__reaper_stop(r);
    CHECK(!runs(group));
    CHECK_EQ(waitpid(group, NULL, 0), group);
    close(lock_fd);
}

static int count_descriptors(pid_t pid)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char path[64], target[64];
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
        ssize_t size = readlink(path, target, sizeof(target) - 1);
        if (size < 0)
            continue;
        target[size] = 0;
        if (fd < 3)
            CHECK_STR(target, "/dev/null");
        count++;
    }
    return count;
}

TEST_WITH(it_keeps_nothing_of_the_server_open, KT_TEST_NO_LOOP)
{
    kt_auto(lock_file) f = lock_file_make();
    kt__reaper *r;
    int low = open("/dev/zero", O_RDONLY), lock_fd = open_lock(&f);
    int high = fcntl(low, F_DUPFD, 300);
    CHECK_GE(high, 300);
    CHECK_OK(kt__reaper_start(lock_fd, &r));
    await_ready(kt__reaper_pid(r));
    CHECK_EQ(count_descriptors(kt__reaper_pid(r)), 5); /* the standard three, pipe, lock */
    CHECK_GT(kt__reaper_fd(r), 2);
    CHECK_EQ(fcntl(kt__reaper_fd(r), F_GETFD), FD_CLOEXEC);
    kt__reaper_stop(r);
    close(low);
    close(high);
    close(lock_fd);
}

TEST_WITH(it_is_not_started_on_a_descriptor_that_is_none, KT_TEST_NO_LOOP)
{
    kt__reaper *r = NULL;
    CHECK_ERR(kt__reaper_start(1000, &r), -EBADF);
    kt_test_fail_allocation(1);
    int rc = kt__reaper_start(1000, &r);
    kt_test_fail_allocation(0);
    CHECK_ERR(rc, -ENOMEM);
    CHECK(r == NULL);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- A server that is killed ---------------------------------------------------------------- */

/* What the server tells the test before it is killed. */
typedef struct news {
    pid_t reaper, leader, grandchild, great_grandchild;
} news;

typedef struct server {
    kt__reaper *reaper;
    int news_fd;
} server;

static int serve(void *arg)
{
    const server *s = arg;
    const char *script = "sh -c 'sleep 1000 & echo $! $$; wait' & wait";
    kt_auto(kt_process) *gone = NULL;
    kt_auto(kt_process) *job = NULL;
    kt_process_options o = {.argv = ARGV("sh", "-c", "exit 0"),
                            .output = KT_PROCESS_PIPE,
                            .announce_fd = kt__reaper_fd(s->reaper)};
    int rc = kt_process_spawn(&o, &gone);
    kt_process_close(kt_steal(gone));
    o.argv = ARGV("sh", "-c", script);
    if (rc == 0)
        rc = kt_process_spawn(&o, &job);
    kt_slice line;
    if (rc == 0)
        rc = kt_stream_read_line(kt_process_stdout(job), 100, &line);
    if (rc <= 0)
        return -EIO;
    char numbers[128] = "", *rest;
    memcpy(numbers, line.data, line.size);
    news n = {.reaper = kt__reaper_pid(s->reaper), .leader = kt_process_pid(job)};
    n.great_grandchild = (pid_t)strtol(numbers, &rest, 10);
    n.grandchild = (pid_t)strtol(rest, NULL, 10);
    if (write(s->news_fd, &n, sizeof(n)) != sizeof(n))
        return -EIO;
    return kt_sleep(KT_FOREVER);
}

KT_NORETURN static void run_server(const lock_file *f, int news_fd)
{
    server s = {NULL, news_fd};
    int lock_fd = open_lock(f);
    if (flock(lock_fd, LOCK_EX) < 0 || kt__reaper_start(lock_fd, &s.reaper) < 0)
        _exit(2);
    _exit(kt_run(serve, &s, 0) < 0 ? 3 : 0);
}

/* Forks a server, and returns when its job and the job's children run. */
static pid_t start_server(const lock_file *f, news *ret_news)
{
    int ends[2];
    /* What the server leaves behind becomes ours and, until we reap it, stays a zombie: as in a
     * container whose process 1 does not reap. */
    CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_server(f, ends[1]);
    }
    close(ends[1]);
    CHECK_EQ(read(ends[0], ret_news, sizeof(*ret_news)), (int64_t)sizeof(*ret_news));
    close(ends[0]);
    return pid;
}

static void need_real_driver(void)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors");
}

static void reap_all(void)
{
    while (wait(NULL) > 0)
        continue;
    CHECK_EQ(errno, ECHILD);
}

TEST_WITH(when_a_server_is_killed_its_jobs_end_before_its_lock_is_free, KT_TEST_NO_LOOP)
{
    kt_auto(lock_file) f = lock_file_make();
    news n;
    need_real_driver();
    pid_t pid = start_server(&f, &n);
    CHECK(runs(n.leader) && runs(n.grandchild) && runs(n.great_grandchild));
    CHECK(is_locked(&f));
    CHECK_OK(kill(pid, SIGKILL));

    int lock_fd = open_lock(&f); /* as the next server does */
    CHECK_OK(flock(lock_fd, LOCK_EX));
    CHECK(!runs(n.leader));
    CHECK(!runs(n.grandchild));
    CHECK(!runs(n.great_grandchild));
    close(lock_fd);
    reap_all();
}

/* Shows that it is the reaper who does it, and that the lock waits for that. */
TEST_WITH(without_the_reapers_work_the_lock_stays, KT_TEST_NO_LOOP)
{
    kt_auto(lock_file) f = lock_file_make();
    news n;
    siginfo_t info;
    need_real_driver();
    pid_t pid = start_server(&f, &n);
    CHECK_OK(kill(n.reaper, SIGSTOP));
    kill_and_reap(pid);
    /* The leader dies with the server. */
    CHECK_OK(waitid(P_PID, (id_t)n.leader, &info, WEXITED | WNOWAIT));
    CHECK(runs(n.grandchild) && runs(n.great_grandchild));
    CHECK(is_locked(&f));

    CHECK_OK(kill(n.reaper, SIGCONT));
    int lock_fd = open_lock(&f);
    CHECK_OK(flock(lock_fd, LOCK_EX));
    CHECK(!runs(n.grandchild) && !runs(n.great_grandchild));
    close(lock_fd);
    reap_all();
}

TEST_WITH(a_server_that_stops_by_itself_frees_the_lock, KT_TEST_NO_LOOP)
{
    kt_auto(lock_file) f = lock_file_make();
    news n;
    int status = 0;
    need_real_driver();
    pid_t pid = start_server(&f, &n);
    CHECK_OK(kill(pid, SIGTERM));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 3 << 8); /* the loop was cancelled and has cleaned up */
    int lock_fd = open_lock(&f);
    CHECK_OK(flock(lock_fd, LOCK_EX));
    CHECK(!runs(n.leader) && !runs(n.grandchild) && !runs(n.great_grandchild));
    close(lock_fd);
    reap_all();
}
