/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/proc_scan.h"

/* What a program gets beyond arguments, environment and three descriptors. */

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FDS(...) .fds = (const kt_process_fd[]){__VA_ARGS__}, \
    .fds_count = sizeof((const kt_process_fd[]){__VA_ARGS__}) / sizeof(kt_process_fd)

static void check_prints(kt_process_options o, const char *expected)
{
    kt_auto(kt_process) *p = NULL;
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    kt_process_status status;
    o.output = KT_PROCESS_PIPE;
    o.error = KT_PROCESS_STDOUT;
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_OK(kt_process_communicate(p, (kt_slice){NULL, 0}, 64 * 1024, &text, NULL));
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_SLICE(kt_buffer_slice(&text), expected);
    CHECK_EQ(status.exit_code, 0);
}

static void check_fails(kt_process_options o, int error, const char *words)
{
    kt_process *p = NULL;
    CHECK_ERR(kt_process_spawn(&o, &p), error);
    CHECK(!p);
    CHECK(strstr(kt_error_detail(), words) != NULL);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

static void need_root(void)
{
    if (geteuid() != 0)
        kt_test_skip("only root may become another user");
}

/* The test has a process of its own, which never becomes root again. */
static void give_root_up(void)
{
    if (geteuid() != 0)
        return;
    CHECK_OK(setgroups(0, NULL));
    CHECK_OK(setresgid(65534, 65534, 65534));
    CHECK_OK(setresuid(65534, 65534, 65534));
}

/* ---- Descriptors --------------------------------------------------------------------------- */

/* A descriptor to read `text` from, closed on exec as all of ours. */
static int holding(const char *text)
{
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    CHECK_EQ(write(ends[1], text, strlen(text)), strlen(text));
    close(ends[1]);
    return ends[0];
}

static int holding_at(int number, const char *text)
{
    int fd = holding(text);
    CHECK_EQ(dup3(fd, number, O_CLOEXEC), number);
    close(fd);
    return number;
}

TEST_WITH(a_descriptor_reaches_it_under_another_number, KT_TEST_REAL_TIME)
{
    int tea = holding("tea");
    check_prints((kt_process_options){.argv = ARGV("sh", "-c", "cat <&9"), FDS({tea, 9})}, "tea");
    CHECK_EQ(fcntl(tea, F_GETFD), FD_CLOEXEC); /* ours is what it was */
    close(tea);
}

TEST_WITH(a_descriptor_may_keep_its_number, KT_TEST_REAL_TIME)
{
    int tea = holding_at(9, "tea");
    check_prints((kt_process_options){.argv = ARGV("sh", "-c", "cat <&9"), FDS({tea, tea})}, "tea");
    CHECK_EQ(fcntl(tea, F_GETFD), FD_CLOEXEC);
    close(tea);
}

TEST_WITH(descriptors_may_change_places, KT_TEST_REAL_TIME)
{
    int tea = holding_at(6, "tea"), milk = holding_at(7, "milk"), sugar = holding_at(8, "sugar");
    check_prints((kt_process_options){.argv = ARGV("sh", "-c", "cat <&6; cat <&7; cat <&8; cat <&9"),
                                      FDS({tea, 7}, {milk, 8}, {sugar, 6}, {8, 9})},
                 "sugarteamilk");
    close(tea);
    close(milk);
    close(sugar);
}

TEST_WITH(no_other_descriptor_reaches_it, KT_TEST_REAL_TIME)
{
    int plain = open("/dev/null", O_RDONLY); /* not closed on exec */
    int high = fcntl(plain, F_DUPFD, 700);
    CHECK_GE(high, 700);
    check_prints((kt_process_options){.argv = ARGV("ls", "-x", "/proc/self/fd"),
                                      FDS({plain, 9}, {plain, 8})},
                 "0  1  2  3  8  9\n");
    close(plain);
    close(high);
}

TEST_WITH(the_first_three_can_be_given_too, KT_TEST_REAL_TIME)
{
    int ends[2];
    char text[16] = "";
    int tea = holding("tea");
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    kt_auto(kt_process) *p = NULL;
    const kt_process_options o = {.argv = ARGV("sh", "-c", "cat; echo milk >&2"),
                                  .error = KT_PROCESS_STDOUT,
                                  FDS({tea, 0}, {ends[1], 1})};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_OK(kt_process_wait(p, NULL));
    CHECK(!kt_process_stdin(p) && !kt_process_stdout(p));
    CHECK_EQ(read(ends[0], text, sizeof(text)), 8);
    CHECK_MEM(text, "teamilk\n", 8);
    close(tea);
    close(ends[0]);
    close(ends[1]);
}

/* Our 1 goes elsewhere, and something else becomes its 1. */
TEST_WITH(one_of_our_first_three_can_get_another_number, KT_TEST_REAL_TIME)
{
    int kept = fcntl(1, F_DUPFD_CLOEXEC, 3), ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    CHECK_EQ(dup2(ends[1], 1), 1);
    kt_auto(kt_process) *p = NULL;
    const kt_process_options o = {.argv = ARGV("sh", "-c", "echo aside >&5; echo out"),
                                  .output = KT_PROCESS_PIPE, FDS({1, 5})};
    int rc = kt_process_spawn(&o, &p);
    dup2(kept, 1);
    close(kept);
    close(ends[1]);
    CHECK_OK(rc);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    char text[16];
    CHECK_OK(kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, NULL));
    CHECK_SLICE(kt_buffer_slice(&out), "out\n");
    CHECK_EQ(read(ends[0], text, sizeof(text)), 6);
    CHECK_MEM(text, "aside\n", 6);
    close(ends[0]);
}

/* All the low numbers are taken in it, also those that its pipes, its directory and the announcement have
 * with us. */
TEST_WITH(no_number_is_forbidden, KT_TEST_REAL_TIME)
{
    kt_process_fd fds[60];
    int ends[2], pid;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    CHECK_OK(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    for (int i = 0; i < 60; i++)
        fds[i] = (kt_process_fd){null, i + 3};
    check_prints((kt_process_options){.argv = ARGV("sh", "-c", "pwd; ls /proc/self/fd | wc -l"),
                                      .directory = "/usr", .announce_fd = ends[1],
                                      .fds = fds, .fds_count = 60},
                 "/usr\n64\n");
    CHECK_EQ(read(ends[0], &pid, sizeof(pid)), sizeof(pid));
    CHECK_GT(pid, 1);

    kt_process *p = NULL;
    const kt_process_options o = {.argv = ARGV("/no/such/program"), .announce_fd = ends[1],
                                  .fds = fds, .fds_count = 60};
    int taken[4] = {0, 0, 0, 0}; /* back what was announced, through a number that was reused by then */
    CHECK_ERR(kt_process_spawn(&o, &p), -ENOENT);
    CHECK_EQ(read(ends[0], taken, sizeof(taken)), 3 * sizeof(int));
    CHECK_EQ(taken[0], -pid);
    CHECK_EQ(taken[1], -taken[2]);
    close(null);
    close(ends[0]);
    close(ends[1]);
}

TEST_WITH(descriptors_that_cannot_be_are_named, KT_TEST_REAL_TIME)
{
    const char *const *argv = ARGV("true");
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    check_fails((kt_process_options){.argv = argv, FDS({900, 5})}, -EBADF,
                "descriptor 900, to be 5 of a program, is not open");
    check_fails((kt_process_options){.argv = argv, FDS({null, 5}, {null, 5})}, -EINVAL,
                "descriptor 5 of a program is given twice");
    check_fails((kt_process_options){.argv = argv, .output = KT_PROCESS_PIPE, FDS({null, 1})}, -EINVAL,
                "descriptor 1 of a program is given twice");
    check_fails((kt_process_options){.argv = argv, .error = KT_PROCESS_STDOUT, FDS({null, 2})}, -EINVAL,
                "descriptor 2 of a program is given twice");
    check_fails((kt_process_options){.argv = argv, FDS({null, -1})}, -EINVAL, "-1");
    check_fails((kt_process_options){.argv = ARGV("/bin/true"), FDS({null, 2000000000})}, -EBADF,
                "cannot start /bin/true: setting descriptor 2000000000");
    close(null);
}

TEST_WITH(a_pipe_holds_what_it_is_told_to, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_options o = {.argv = ARGV("true"), .input = KT_PROCESS_PIPE, .output = KT_PROCESS_PIPE,
                            .pipe_bytes = 4096};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_EQ(fcntl(kt_stream_fd(kt_process_stdin(p)), F_GETPIPE_SZ), 4096);
    CHECK_EQ(fcntl(kt_stream_fd(kt_process_stdout(p)), F_GETPIPE_SZ), 4096);
    CHECK_OK(kt_process_wait(p, NULL));
    kt_process_close(kt_steal(p));
    o.pipe_bytes = -1;
    check_fails(o, -EINVAL, "no pipe of -1 bytes");
    give_root_up();
    o.pipe_bytes = 1 << 30;
    check_fails(o, -EPERM, "no pipe of 1073741824 bytes");
}

/* ---- Names and masks ----------------------------------------------------------------------- */

TEST_WITH(a_program_may_go_by_another_name, KT_TEST_REAL_TIME)
{
    const char *const *argv = ARGV("pretender", "-c", "echo $0");
    setenv("PATH", "/bin:/usr/bin", 1);
    check_prints((kt_process_options){.argv = argv, .program = "sh"}, "pretender\n");
    check_prints((kt_process_options){.argv = argv, .program = "/bin/sh"}, "pretender\n");
    check_fails((kt_process_options){.argv = ARGV("true"), .program = "no-such-program"}, -ENOENT,
                "no-such-program");
}

TEST_WITH(the_mask_of_new_files_is_ours_or_the_one_given, KT_TEST_REAL_TIME)
{
    const mode_t none = 0, some = 0027;
    umask(0123);
    check_prints((kt_process_options){.argv = ARGV("sh", "-c", "umask")}, "0123\n");
    check_prints((kt_process_options){.argv = ARGV("sh", "-c", "umask"), .umask = &none}, "0000\n");
    check_prints((kt_process_options){.argv = ARGV("sh", "-c", "umask"), .umask = &some}, "0027\n");
    CHECK_EQ(umask(0), 0123);
}

static uint64_t ignored_in_program(bool keep)
{
    kt_auto(kt_process) *p = NULL;
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    const kt_process_options o = {.argv = ARGV("sed", "-n", "s/^SigIgn:\t//p", "/proc/self/status"),
                                  .output = KT_PROCESS_PIPE, .keep_ignored = keep};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_OK(kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &text, NULL));
    CHECK_EQ(text.size, 17);
    return strtoull(kt_buffer_string(&text), NULL, 16);
}

TEST_WITH(ignored_signals_stay_ignored_if_asked, KT_TEST_REAL_TIME)
{
    uint64_t ours = (1u << (SIGUSR2 - 1)) | (1u << (SIGHUP - 1));
    for (int number = 1; number < 32; number++)
        signal(number, SIG_DFL); /* whoever started us may have ignored some */
    signal(SIGUSR2, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    CHECK_EQ(ignored_in_program(false), 0);
    CHECK_EQ(ignored_in_program(true) & 0x7fffffff, ours); /* the others are out of libc's reach */
}

/* ---- Groups and sessions ------------------------------------------------------------------- */

static kt_process *start(kt_process_options o)
{
    kt_process *p = NULL;
    CHECK_OK(kt_process_spawn(&o, &p));
    return p;
}

static bool is_group(pid_t group, void *arg)
{
    return group == *(const pid_t *)arg;
}

TEST_WITH(it_leads_a_session_if_asked, KT_TEST_REAL_TIME)
{
    const char *const *argv = ARGV("sh", "-c", "sleep 1000 & wait");
    kt_process *p = start((kt_process_options){.argv = argv, .new_session = true});
    pid_t pid = kt_process_pid(p);
    CHECK_EQ(getsid(pid), pid);
    CHECK_EQ(getpgid(pid), pid);
    kt_process_close(p);
    CHECK_EQ(kt__proc_scan(is_group, &pid), 0); /* the group went with it */
}

TEST_WITH(a_program_in_our_group_is_ended_alone, KT_TEST_REAL_TIME)
{
    const char *const *argv = ARGV("sleep", "1000");
    kt_process_status status;
    kt_process *p = start((kt_process_options){.argv = argv, .process_group = KT_PROCESS_GROUP_OURS});
    CHECK_EQ(getpgid(kt_process_pid(p)), getpgrp());
    CHECK_OK(kt_process_signal(p, SIGUSR1)); /* we live */
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_EQ(status.signal, SIGUSR1);
    kt_process_close(p);
    p = start((kt_process_options){.argv = argv, .process_group = KT_PROCESS_GROUP_OURS});
    pid_t pid = kt_process_pid(p);
    kt_process_close(p);
    CHECK_EQ(kill(pid, 0), -1);
}

/* Also when it leads a group after all, as shells do that control jobs. */
TEST_WITH(a_program_in_our_group_keeps_what_it_has_started, KT_TEST_REAL_TIME)
{
    const char *const *argv = ARGV("perl", "-e", "setpgrp(0, 0); $| = 1; my $c = fork; sleep 1000 if !$c;"
                                                 "print qq($c\n); sleep 1000");
    kt_process_status status;
    kt_slice line;
    char digits[24] = "";
    kt_process *p = start((kt_process_options){.argv = argv, .output = KT_PROCESS_PIPE,
                                               .process_group = KT_PROCESS_GROUP_OURS});
    CHECK_EQ(kt_stream_read_line(kt_process_stdout(p), sizeof(digits) - 1, &line), 1);
    memcpy(digits, line.data, line.size);
    pid_t group = kt_process_pid(p), started = (pid_t)strtol(digits, NULL, 10);
    CHECK_EQ(getpgid(started), group);
    CHECK_OK(kt_process_signal(p, SIGTERM));
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_EQ(status.signal, SIGTERM);
    kt_time before = kt_now();
    kt_process_close(p);
    CHECK_LT(kt_now() - before, KT_S(1)); /* and does not wait for it */
    CHECK_EQ(kt__proc_scan(is_group, &group), 1);
    CHECK_OK(kill(started, SIGKILL));
}

TEST_WITH(a_program_joins_a_group, KT_TEST_REAL_TIME)
{
    const char *const *argv = ARGV("sleep", "1000");
    kt_process_status status;
    kt_auto(kt_process) *first = start((kt_process_options){.argv = argv});
    pid_t group = kt_process_pid(first);
    kt_auto(kt_process) *second = start((kt_process_options){.argv = argv, .process_group = group});
    kt_process *third = start((kt_process_options){.argv = argv, .process_group = group});
    CHECK_EQ(getpgid(kt_process_pid(second)), group);
    kt_process_close(third);
    CHECK_OK(kill(group, 0));
    CHECK_OK(kt_process_signal(first, SIGTERM)); /* the group is its own */
    CHECK_OK(kt_process_wait(second, &status));
    CHECK_EQ(status.signal, SIGTERM);
}

TEST_WITH(groups_that_cannot_be_are_named, KT_TEST_REAL_TIME)
{
    const char *const *argv = ARGV("/bin/true");
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    kt_auto(kt_process) *p = start((kt_process_options){.argv = ARGV("sleep", "1000"), .new_session = true});
    kt_process *none = NULL;
    char words[64];
    snprintf(words, sizeof(words), "cannot start /bin/true: process group %d: ", (int)kt_process_pid(p));
    CHECK_ERR(kt_process_spawn(&(kt_process_options){.argv = argv, .process_group = kt_process_pid(p)}, &none),
              -EPERM);
    CHECK(strstr(kt_error_detail(), words) != NULL);
    kt_process_close(kt_steal(p));
    check_fails((kt_process_options){.argv = argv, .process_group = -2}, -EINVAL, "process group -2");
    check_fails((kt_process_options){.argv = argv, .process_group = 5, .new_session = true}, -EINVAL, "session");
    check_fails((kt_process_options){.argv = argv, .process_group = -1, .announce_fd = ends[1]}, -EINVAL,
                "announced");
    close(ends[0]);
    close(ends[1]);
}

/* Which a session's leader cannot do, but any other leader can. */
TEST_WITH(a_program_that_leaves_its_own_group_is_reached, KT_TEST_REAL_TIME)
{
    const char *const *argv = ARGV("perl", "-e", "setpgrp(0, getpgrp(getppid)) or die; $| = 1; print qq(left\n);"
                                                 "sleep 1000");
    kt_process_status status;
    kt_slice line;
    for (int i = 0; i < 2; i++) {
        kt_auto(kt_process) *p = start((kt_process_options){.argv = argv, .output = KT_PROCESS_PIPE});
        CHECK_EQ(kt_stream_read_line(kt_process_stdout(p), 100, &line), 1);
        CHECK_SLICE(line, "left");
        if (i > 0)
            break;
        CHECK_OK(kt_process_signal(p, SIGTERM));
        CHECK_OK(kt_process_wait(p, &status));
        CHECK_EQ(status.signal, SIGTERM);
    }
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- Users --------------------------------------------------------------------------------- */

static const char *const *id = ARGV("sed", "-nE", "s/\t| +$/ /g; /^(Uid|Gid|Groups)/p", "/proc/self/status");

TEST_WITH(it_runs_as_whoever_is_named, KT_TEST_REAL_TIME)
{
    need_root();
    check_prints((kt_process_options){.argv = id, .user = "1234", .group = "5678",
                                      .extra_groups = ARGV("91", "92")},
                 "Uid: 1234 1234 1234 1234\nGid: 5678 5678 5678 5678\nGroups: 91 92 \n");
    check_prints((kt_process_options){.argv = id, .user = "daemon", .group = "daemon",
                                      .extra_groups = (const char *const[]){NULL}},
                 "Uid: 1 1 1 1\nGid: 1 1 1 1\nGroups:  \n");
    CHECK_EQ(geteuid(), 0);
}

TEST_WITH(each_part_of_an_identity_stands_alone, KT_TEST_REAL_TIME)
{
    const gid_t ours[] = {71, 72};
    need_root();
    CHECK_OK(setgroups(2, ours));
    CHECK_OK(setresgid(3, 3, 3));
    check_prints((kt_process_options){.argv = id, .user = "1234"},
                 "Uid: 1234 1234 1234 1234\nGid: 3 3 3 3\nGroups: 71 72 \n");
    check_prints((kt_process_options){.argv = id, .group = "5678"},
                 "Uid: 0 0 0 0\nGid: 5678 5678 5678 5678\nGroups: 71 72 \n");
    check_prints((kt_process_options){.argv = id, .extra_groups = ARGV("tty")},
                 "Uid: 0 0 0 0\nGid: 3 3 3 3\nGroups: 5 \n");
}

/* The kernel does this to whoever's memory it is. */
TEST_WITH(another_user_does_not_share_our_memory, KT_TEST_REAL_TIME)
{
    need_root();
    CHECK_OK(prctl(PR_SET_DUMPABLE, 1));
    check_prints((kt_process_options){.argv = ARGV("echo", "tea"), .user = "1234"}, "tea\n");
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
}

static int spawn_and_be_killed(void *arg)
{
    kt_auto(kt_process) *p = start((kt_process_options){.argv = ARGV("sleep", "1000"), .user = "1234"});
    pid_t pid = kt_process_pid(p);
    CHECK_EQ(write(*(int *)arg, &pid, sizeof(pid)), sizeof(pid));
    raise(SIGKILL);
    return 0;
}

TEST_WITH(another_user_ends_with_us, KT_TEST_NO_LOOP)
{
    int ends[2];
    pid_t pid;
    const char *driver = getenv("KETTLE_DRIVER");
    need_root();
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors");
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t program = fork();
    if (program == 0)
        _exit(kt_run(spawn_and_be_killed, &ends[1], 0) < 0);
    CHECK_EQ(read(ends[0], &pid, sizeof(pid)), sizeof(pid));
    CHECK_EQ(waitpid(program, NULL, 0), program);
    int status = 0, reaped = 0;
    for (int i = 0; i < 5000 && (reaped = waitpid(pid, &status, WNOHANG)) == 0; i++)
        usleep(1000);
    kill(pid, SIGKILL);
    CHECK_EQ(reaped, pid);
    CHECK_EQ(WTERMSIG(status), SIGKILL);
    close(ends[0]);
    close(ends[1]);
}

TEST_WITH(what_is_not_allowed_is_named, KT_TEST_REAL_TIME)
{
    const char *const *argv = ARGV("/bin/true");
    give_root_up();
    check_fails((kt_process_options){.argv = argv, .group = "1234"}, -EPERM,
                "cannot start /bin/true: setting group 1234: ");
    check_fails((kt_process_options){.argv = argv, .user = "1234"}, -EPERM,
                "cannot start /bin/true: setting user 1234: ");
    check_fails((kt_process_options){.argv = argv, .extra_groups = ARGV("1234")}, -EPERM,
                "cannot start /bin/true: setting its extra groups: ");
}

TEST_WITH(whom_nobody_knows_is_named, KT_TEST_REAL_TIME)
{
    const char *const *argv = ARGV("true");
    check_fails((kt_process_options){.argv = argv, .user = "no-such-user"}, KT_ENOTFOUND,
                "there is no user 'no-such-user'");
    check_fails((kt_process_options){.argv = argv, .group = "no-such-group"}, KT_ENOTFOUND,
                "there is no group 'no-such-group'");
    check_fails((kt_process_options){.argv = argv, .extra_groups = ARGV("0", "")}, KT_ENOTFOUND, "no group ''");
    check_fails((kt_process_options){.argv = argv, .user = "-1"}, KT_ENOTFOUND, "no user '-1'");
    check_fails((kt_process_options){.argv = argv, .user = "4294967295"}, -EINVAL,
                "4294967295 is no number of a user");
    check_fails((kt_process_options){.argv = argv, .group = "99999999999999999999"}, -EINVAL, "of a group");
}

/* ---- Faults -------------------------------------------------------------------------------- */

TEST_WITH(no_memory_leaves_nothing_behind, KT_TEST_REAL_TIME)
{
    unsigned failures = 0;
    int tea = holding_at(6, "tea"), milk = holding_at(7, "milk");
    kt_process_options o = {.argv = ARGV("true"), .output = KT_PROCESS_PIPE,
                            .group = "root", .extra_groups = ARGV("root", "tty"),
                            FDS({tea, 7}, {milk, 6})};
    if (geteuid() != 0)
        o.group = NULL, o.extra_groups = NULL;
    for (uint64_t nth = 1;; nth++) {
        kt_auto(kt_process) *p = NULL;
        kt_test_fail_allocation(nth);
        int rc = kt_process_spawn(&o, &p);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK(rc == (failed ? -ENOMEM : 0));
        if (!failed)
            break;
        failures++;
    }
    CHECK_GE(failures, geteuid() == 0 ? 7 : 3); /* root: three look-ups and the groups */
    close(tea);
    close(milk);
}
