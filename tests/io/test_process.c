/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Starting programs, and how they end. */

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs a program to its end and gives what it wrote to stdout and stderr together. */
static int run(kt_process_options o, kt_buffer *ret_text, kt_process_status *ret_status)
{
    kt_auto(kt_process) *p = NULL;
    o.output = KT_PROCESS_PIPE;
    o.error = KT_PROCESS_STDOUT;
    int rc = kt_process_spawn(&o, &p);
    if (rc == 0)
        rc = kt_process_communicate(p, (kt_slice){NULL, 0}, 64 * 1024, ret_text, NULL);
    return rc == 0 ? kt_process_wait(p, ret_status) : rc;
}

static void check_prints(kt_process_options o, const char *expected)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    kt_process_status status;
    CHECK_OK(run(o, &text, &status));
    CHECK_SLICE(kt_buffer_slice(&text), expected);
    CHECK_EQ(status.exit_code, 0);
}

static kt_process_status status_of(const char *script)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_options o = {.argv = ARGV("sh", "-c", script)};
    kt_process_status status = {-2, -2};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_OK(kt_process_wait(p, &status));
    return status;
}

static bool detail_has(const char *part)
{
    return strstr(kt_error_detail(), part) != NULL;
}

TEST_WITH(a_program_gets_its_arguments, KT_TEST_REAL_TIME)
{
    check_prints((kt_process_options){.argv = ARGV("printf", "%s|%s", "a b", "")}, "a b|");
}

TEST_WITH(a_program_is_started_by_its_path_too, KT_TEST_REAL_TIME)
{
    check_prints((kt_process_options){.argv = ARGV("/bin/echo", "hello")}, "hello\n");
}

TEST_WITH(the_exit_code_arrives, KT_TEST_REAL_TIME)
{
    CHECK_EQ(status_of("exit 0").exit_code, 0);
    CHECK_EQ(status_of("exit 7").exit_code, 7);
    CHECK_EQ(status_of("exit 255").exit_code, 255);
    CHECK_EQ(status_of("exit 255").signal, 0);
}

TEST_WITH(a_signal_that_ended_it_arrives, KT_TEST_REAL_TIME)
{
    kt_process_status status = status_of("kill -SEGV $$");
    CHECK_EQ(status.exit_code, -1);
    CHECK_EQ(status.signal, SIGSEGV);
}

TEST_WITH(an_unknown_program_is_named_with_the_path_searched, KT_TEST_REAL_TIME)
{
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("no-such-program-here")};
    setenv("PATH", "/bin:/usr/bin", 1);
    CHECK_ERR(kt_process_spawn(&o, &p), -ENOENT);
    CHECK(p == NULL);
    CHECK(detail_has("no-such-program-here"));
    CHECK(detail_has("/bin:/usr/bin"));
    o.argv = ARGV("/no/such/program");
    CHECK_ERR(kt_process_spawn(&o, &p), -ENOENT);
    CHECK(detail_has("/no/such/program"));
    o.argv = ARGV("");
    CHECK_ERR(kt_process_spawn(&o, &p), -ENOENT);
}

TEST_WITH(nothing_to_run_is_an_error, KT_TEST_REAL_TIME)
{
    kt_process *p = NULL;
    kt_process_options o = {.argv = NULL};
    CHECK_ERR(kt_process_spawn(&o, &p), -EINVAL);
    const char *const none[] = {NULL};
    o.argv = none;
    CHECK_ERR(kt_process_spawn(&o, &p), -EINVAL);
    o = (kt_process_options){.argv = ARGV("true"), .input = KT_PROCESS_STDOUT};
    CHECK_ERR(kt_process_spawn(&o, &p), -EINVAL);
}

TEST(there_are_no_processes_in_simulated_time)
{
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("true")};
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("another driver is forced");
    CHECK_ERR(kt_process_spawn(&o, &p), KT_ENOTSIM);
    CHECK(detail_has("true"));
}

TEST_WITH(processes_need_a_loop, KT_TEST_NO_LOOP)
{
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("true")};
    CHECK_ERR(kt_process_spawn(&o, &p), KT_ENOTRUNNING);
}

/* ---- Looking programs up ------------------------------------------------------------------- */

/* A scratch folder, gone with its files at the end of the scope. */
typedef struct folder {
    char path[64];
} folder;

static void folder_cleanup(folder *f)
{
    char command[128];
    snprintf(command, sizeof(command), "exec rm -rf %s", f->path);
    (void)status_of(command);
}

static folder folder_make(void)
{
    folder f = {"/tmp/kettle-process-XXXXXX"};
    CHECK(mkdtemp(f.path) != NULL);
    return f;
}

static void put(const folder *f, const char *name, const char *text, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", f->path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    CHECK_GE(fd, 0);
    CHECK_EQ(write(fd, text, strlen(text)), (int64_t)strlen(text));
    close(fd);
}

TEST_WITH(a_file_that_may_not_be_executed_is_refused, KT_TEST_REAL_TIME)
{
    kt_auto(folder) f = folder_make();
    kt_process *p = NULL;
    put(&f, "tool", "#!/bin/sh\necho tool\n", 0644);
    setenv("PATH", f.path, 1);
    kt_process_options o = {.argv = ARGV("tool")};
    int by_name = kt_process_spawn(&o, &p);
    bool named = detail_has(f.path);
    o.argv = ARGV("./tool");
    o.directory = f.path;
    int by_path = kt_process_spawn(&o, &p);
    setenv("PATH", "/bin:/usr/bin", 1);
    CHECK_ERR(by_name, -EACCES);
    CHECK(named);
    CHECK_ERR(by_path, -EACCES);
}

TEST_WITH(the_search_passes_over_what_cannot_be_executed, KT_TEST_REAL_TIME)
{
    kt_auto(folder) first = folder_make();
    kt_auto(folder) second = folder_make();
    char path[256];
    put(&first, "tool", "not a program", 0644);
    put(&second, "tool", "#!/bin/sh\necho second\n", 0755);
    snprintf(path, sizeof(path), "/nowhere:%s:%s:/bin:/usr/bin", first.path, second.path);
    setenv("PATH", path, 1);
    check_prints((kt_process_options){.argv = ARGV("tool")}, "second\n");
}

TEST_WITH(relative_names_count_from_the_directory, KT_TEST_REAL_TIME)
{
    kt_auto(folder) f = folder_make();
    put(&f, "tool", "#!/bin/sh\necho relative\n", 0755);
    setenv("PATH", ":/bin:/usr/bin", 1); /* an empty part is the working directory */
    check_prints((kt_process_options){.argv = ARGV("./tool"), .directory = f.path}, "relative\n");
    check_prints((kt_process_options){.argv = ARGV("tool"), .directory = f.path}, "relative\n");
}

TEST_WITH(a_script_without_an_interpreter_is_not_given_to_a_shell, KT_TEST_REAL_TIME)
{
    kt_auto(folder) f = folder_make();
    kt_process *p = NULL;
    put(&f, "plain", "echo plain\n", 0755);
    put(&f, "lost", "#!/no/such/interpreter\n", 0755);
    kt_process_options o = {.argv = ARGV("./plain"), .directory = f.path};
    CHECK_ERR(kt_process_spawn(&o, &p), -ENOEXEC);
    o.argv = ARGV("./lost");
    CHECK_ERR(kt_process_spawn(&o, &p), -ENOENT);
    CHECK(detail_has("interpreter"));
}

TEST_WITH(it_starts_in_the_directory_asked_for, KT_TEST_REAL_TIME)
{
    check_prints((kt_process_options){.argv = ARGV("pwd"), .directory = "/usr"}, "/usr\n");
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("pwd"), .directory = "/no/such/folder"};
    CHECK_ERR(kt_process_spawn(&o, &p), -ENOENT);
    CHECK(detail_has("/no/such/folder"));
    o.directory = "/etc/passwd";
    CHECK_ERR(kt_process_spawn(&o, &p), -ENOTDIR);
}

/* ---- What it inherits ---------------------------------------------------------------------- */

TEST_WITH(the_environment_is_ours_or_the_one_given, KT_TEST_REAL_TIME)
{
    setenv("KETTLE_TEST_WORD", "ours", 1);
    const char *const *script = ARGV("sh", "-c", "echo $KETTLE_TEST_WORD$OTHER");
    check_prints((kt_process_options){.argv = script}, "ours\n");
    check_prints((kt_process_options){.argv = script, .env = ARGV("OTHER=given")}, "given\n");
}

TEST_WITH(no_descriptor_but_the_first_three_reaches_it, KT_TEST_REAL_TIME)
{
    int plain = open("/dev/null", O_RDONLY); /* not closed on exec */
    int high = fcntl(plain, F_DUPFD, 700);
    CHECK_GE(high, 700);
    /* 3 is the folder that ls itself reads. */
    check_prints((kt_process_options){.argv = ARGV("ls", "/proc/self/fd")}, "0\n1\n2\n3\n");
    close(plain);
    close(high);
}

TEST_WITH(no_mask_and_no_ignored_signal_reaches_it, KT_TEST_REAL_TIME)
{
    sigset_t some, before;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGRTMAX);
    sigprocmask(SIG_BLOCK, &some, &before);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    const char *const *masks = ARGV("sed", "-n", "/^Sig[BI]/p", "/proc/self/status");
    check_prints((kt_process_options){.argv = masks},
                 "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    sigset_t after;
    sigprocmask(SIG_SETMASK, &before, &after);
    CHECK_EQ(sigismember(&after, SIGUSR1), 1); /* and ours is what it was */
    CHECK_EQ(sigismember(&after, SIGHUP), 0);
}

TEST_WITH(it_leads_a_process_group_of_its_own, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_options o = {.argv = ARGV("sleep", "1000")};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_GT(kt_process_pid(p), 1);
    CHECK_EQ(getpgid(kt_process_pid(p)), kt_process_pid(p));
}

/* With 0, 1 and 2 closed, what is opened for the child lands on those numbers at first. */
TEST_WITH(a_program_starts_while_our_own_standard_descriptors_are_closed, KT_TEST_REAL_TIME)
{
    int kept[3];
    for (int fd = 0; fd < 3; fd++) {
        kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
        close(fd);
    }
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_buffer) err = KT_BUFFER_INIT;
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("sh", "-c", "cat; echo error >&2"),
                            .input = KT_PROCESS_PIPE,
                            .output = KT_PROCESS_PIPE,
                            .error = KT_PROCESS_PIPE};
    int rc = kt_process_spawn(&o, &p);
    if (rc == 0)
        rc = kt_process_communicate(p, kt_slice_from("input\n"), 100, &out, &err);
    kt_process_close(p);
    for (int fd = 0; fd < 3; fd++) {
        if (kept[fd] >= 0) {
            dup2(kept[fd], fd);
            close(kept[fd]);
        }
    }
    CHECK_OK(rc);
    CHECK_SLICE(kt_buffer_slice(&out), "input\n");
    CHECK_SLICE(kt_buffer_slice(&err), "error\n");
}

/* Our end of the pipe for stderr would be number 1 here, and be inherited as stdout. */
TEST_WITH(a_descriptor_that_we_have_closed_is_closed_in_the_program, KT_TEST_REAL_TIME)
{
    int kept = fcntl(1, F_DUPFD_CLOEXEC, 3);
    kt_auto(kt_buffer) err = KT_BUFFER_INIT;
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("sh", "-c", "[ -e /proc/self/fd/1 ] || echo closed >&2"),
                            .output = KT_PROCESS_INHERIT,
                            .error = KT_PROCESS_PIPE};
    close(1);
    int rc = kt_process_spawn(&o, &p);
    if (rc == 0)
        rc = kt_process_communicate(p, (kt_slice){NULL, 0}, 100, NULL, &err);
    kt_process_close(p);
    dup2(kept, 1);
    close(kept);
    CHECK_OK(rc);
    CHECK_SLICE(kt_buffer_slice(&err), "closed\n");
}

TEST_WITH(inherited_output_goes_where_ours_goes, KT_TEST_REAL_TIME)
{
    int ends[2], kept = fcntl(1, F_DUPFD_CLOEXEC, 3);
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    dup2(ends[1], 1);
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("sh", "-c", "echo one; echo two >&2"),
                            .output = KT_PROCESS_INHERIT,
                            .error = KT_PROCESS_STDOUT};
    int rc = kt_process_spawn(&o, &p);
    if (rc == 0)
        rc = kt_process_wait(p, NULL);
    kt_process_close(p);
    dup2(kept, 1);
    close(kept);
    close(ends[1]);
    CHECK_OK(rc);
    char text[16];
    CHECK_EQ(read(ends[0], text, sizeof(text)), 8);
    CHECK_MEM(text, "one\ntwo\n", 8);
    close(ends[0]);
}

/* ---- Faults -------------------------------------------------------------------------------- */

TEST_WITH(no_memory_leaves_nothing_behind, KT_TEST_REAL_TIME)
{
    kt_process_options o = {.argv = ARGV("true"),
                            .input = KT_PROCESS_PIPE,
                            .output = KT_PROCESS_PIPE,
                            .error = KT_PROCESS_PIPE};
    unsigned failures = 0;
    for (uint64_t nth = 1; nth < 100; nth++) {
        kt_process *p = NULL;
        kt_test_fail_allocation(nth);
        int rc = kt_process_spawn(&o, &p);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        if (!failed) {
            CHECK_OK(rc);
            kt_process_close(p);
            break;
        }
        if (rc == 0)
            kt_process_close(p);
        else
            CHECK_ERR(rc, -ENOMEM);
        failures++;
    }
    CHECK_GE(failures, 4); /* the process and its three streams */
    CHECK_LT(failures, 99);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

TEST_WITH(no_descriptors_leave_nothing_behind, KT_TEST_REAL_TIME)
{
    kt_process_options o = {.argv = ARGV("true"),
                            .input = KT_PROCESS_PIPE,
                            .output = KT_PROCESS_PIPE,
                            .directory = "/"};
    kt_process *p = NULL;
    int taken[256], count = 0;
    struct rlimit few = {64, 64}, before;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
    few.rlim_max = before.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
    while ((taken[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    unsigned failures = 0;
    int rc;
    while ((rc = kt_process_spawn(&o, &p)) == -EMFILE && count > 0) {
        close(taken[--count]);
        failures++;
    }
    while (count > 0)
        close(taken[--count]);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &before));
    CHECK_OK(rc);
    CHECK_GE(failures, 6);
    kt_process_close(p);
}
