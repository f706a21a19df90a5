/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Talking to programs through pipes. */

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static kt_process *spawn_script(const char *script)
{
    kt_process *p = NULL;
    kt_process_options o = {.argv = ARGV("sh", "-c", script),
                            .input = KT_PROCESS_PIPE,
                            .output = KT_PROCESS_PIPE,
                            .error = KT_PROCESS_PIPE};
    CHECK_OK(kt_process_spawn(&o, &p));
    return p;
}

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

/* Bytes that no shift or swap leaves alike. */
static kt_buffer pattern(size_t size)
{
    kt_buffer b = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_reserve(&b, size));
    for (size_t i = 0; i < size; i++)
        b.data[i] = (char)(i * 7 + i / 251 + i / 65521);
    b.size = size;
    return b;
}

TEST_WITH(a_conversation_goes_line_by_line, KT_TEST_REAL_TIME)
{
    const char *script = "while read word; do echo \"<$word>\"; done; echo end >&2";
    kt_auto(kt_process) *p = spawn_script(script);
    const char *words[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++) {
        char expected[32];
        kt_slice line;
        CHECK_OK(kt_stream_write(kt_process_stdin(p), words[i], strlen(words[i])));
        CHECK_OK(kt_stream_write(kt_process_stdin(p), "\n", 1));
        CHECK_EQ(kt_stream_read_line(kt_process_stdout(p), 100, &line), 1);
        snprintf(expected, sizeof(expected), "<%s>", words[i]);
        CHECK_SLICE(line, expected);
    }
    kt_process_close_stdin(p);
    CHECK(kt_process_stdin(p) == NULL);
    kt_slice line;
    CHECK_EQ(kt_stream_read_line(kt_process_stdout(p), 100, &line), 0);
    CHECK_EQ(kt_stream_read_line(kt_process_stderr(p), 100, &line), 1);
    CHECK_SLICE(line, "end");
}

TEST_WITH(only_the_pipes_asked_for_exist, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_options o = {.argv = ARGV("true"), .output = KT_PROCESS_PIPE};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK(kt_process_stdin(p) == NULL);
    CHECK(kt_process_stdout(p) != NULL);
    CHECK(kt_process_stderr(p) == NULL);
}

/* Far more than the pipes hold, in both directions at once: whoever did one after the other
 * would wait for ever. */
TEST_WITH(megabytes_go_through_both_ways_at_once, KT_TEST_REAL_TIME)
{
    kt_auto(kt_buffer) input = pattern(4 * 1024 * 1024);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_buffer) err = KT_BUFFER_INIT;
    kt_auto(kt_process) *p = spawn_script("tee /dev/stderr");
    CHECK_EQ(kt_process_communicate(p, kt_buffer_slice(&input), 8 << 20, &out, &err), 0);
    CHECK_EQ(out.size, input.size);
    CHECK(memcmp(out.data, input.data, input.size) == 0);
    CHECK_EQ(err.size, input.size);
    CHECK(memcmp(err.data, input.data, input.size) == 0);
}

TEST_WITH(output_beyond_the_cap_is_read_and_counted, KT_TEST_REAL_TIME)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_buffer) err = KT_BUFFER_INIT;
    kt_auto(kt_process) *p = spawn_script("head -c 300000 /dev/zero; printf abcdefgh >&2; exit 5");
    CHECK_EQ(kt_process_communicate(p, (kt_slice){NULL, 0}, 6, &out, &err), 300000 - 6 + 2);
    CHECK_EQ(out.size, 6);
    CHECK_SLICE(kt_buffer_slice(&err), "abcdef");
    kt_process_status status;
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_EQ(status.exit_code, 5); /* it could write everything: no SIGPIPE */
}

TEST_WITH(output_of_exactly_the_cap_is_whole, KT_TEST_REAL_TIME)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_process) *p = spawn_script("printf 123456; echo lost >&2");
    CHECK_EQ(kt_process_communicate(p, (kt_slice){NULL, 0}, 6, &out, NULL), 5); /* "lost\n" */
    CHECK_SLICE(kt_buffer_slice(&out), "123456");
}

TEST_WITH(old_content_of_the_outputs_is_replaced, KT_TEST_REAL_TIME)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT_MAX(1000);
    kt_auto(kt_buffer) err = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&out, "old"));
    CHECK_OK(kt_buffer_append_string(&err, "old"));
    kt_auto(kt_process) *p = NULL;
    kt_process_options o = {.argv = ARGV("echo", "new"), .output = KT_PROCESS_PIPE};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_EQ(kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, &err), 0);
    CHECK_SLICE(kt_buffer_slice(&out), "new\n");
    CHECK_EQ(out.size_max, 1000);
    CHECK_EQ(err.size, 0);
}

TEST_WITH(input_that_nobody_reads_is_no_error, KT_TEST_REAL_TIME)
{
    kt_auto(kt_buffer) input = pattern(1024 * 1024);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_process) *p = spawn_script("exec <&-; echo done");
    CHECK_EQ(kt_process_communicate(p, kt_buffer_slice(&input), 100, &out, NULL), 0);
    CHECK_SLICE(kt_buffer_slice(&out), "done\n");
}

TEST_WITH(input_without_a_pipe_is_refused, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_options o = {.argv = ARGV("cat")};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_ERR(kt_process_communicate(p, kt_slice_from("x"), 100, NULL, NULL), -EINVAL);
}

/* The shell is gone at once; its child holds the pipes, and writes a little later. */
TEST_WITH(a_grandchild_may_finish_its_output, KT_TEST_REAL_TIME)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_process) *p = spawn_script("{ sleep 0.05; echo late; } & echo early");
    CHECK_EQ(kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, NULL), 0);
    CHECK_SLICE(kt_buffer_slice(&out), "early\nlate\n");
}

TEST_WITH(a_grandchild_that_holds_the_pipes_is_killed, KT_TEST_REAL_TIME)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_process) *p = spawn_script("sleep 1000 & echo $!");
    CHECK_EQ(kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, NULL), 0);
    pid_t grandchild = (pid_t)strtol(kt_buffer_string(&out), NULL, 10);
    CHECK_GT(grandchild, 1);
    /* A process closes its files a little before it is a zombie. */
    bool alive = true;
    for (int i = 0; alive && i < 1000; i++) {
        CHECK_OK(kt_sleep(KT_MS(1)));
        alive = runs(grandchild);
    }
    CHECK(!alive);
}

/* Nothing can be done about it but to stop reading. */
TEST_WITH(one_that_left_the_group_does_not_hold_us_up, KT_TEST_REAL_TIME)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_process) *p = spawn_script("setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.2");
    CHECK_EQ(kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, NULL), 0);
    pid_t stray = (pid_t)strtol(kt_buffer_string(&out), NULL, 10);
    CHECK_GT(stray, 1);
    CHECK_OK(kill(stray, SIGKILL)); /* it was alive */
}

TEST_WITH(a_cancelled_exchange_leaves_the_program_alone, KT_TEST_REAL_TIME)
{
    kt_auto(kt_buffer) input = pattern(1024 * 1024);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&out, "untouched"));
    kt_auto(kt_process) *p = spawn_script("echo some; exec sleep 1000");
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(50));
    int rc = kt_process_communicate(p, kt_buffer_slice(&input), 100, &out, NULL);
    CHECK_ERR(kt_timeout_end(&limit, rc), KT_ETIMEDOUT);
    CHECK_SLICE(kt_buffer_slice(&out), "untouched");
    CHECK(kt_process_stdin(p) == NULL);
    siginfo_t info = {.si_pid = 0};
    CHECK_OK(waitid(P_PID, (id_t)kt_process_pid(p), &info, WEXITED | WNOHANG | WNOWAIT));
    CHECK_EQ(info.si_pid, 0); /* still runs */
}

KT_FN(signal_soon, a, struct { kt_process *process; })
{
    int rc = kt_sleep(KT_MS(50));
    return rc < 0 ? rc : kt_process_signal(a->process, SIGTERM);
}

TEST_WITH(a_program_that_is_signalled_keeps_its_output, KT_TEST_REAL_TIME)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_process) *p = spawn_script("echo before; sleep 1000; echo never");
    kt_auto(kt_group) others = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&others, KT_WITH(signal_soon, .process = p)));
    int rc = kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, NULL);
    CHECK_OK(kt_group_join(&others, rc));
    CHECK_SLICE(kt_buffer_slice(&out), "before\n");
    kt_process_status status;
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_EQ(status.signal, SIGTERM);
}

TEST_WITH(no_memory_for_the_output_is_told, KT_TEST_REAL_TIME)
{
    bool told = false;
    for (uint64_t nth = 1; nth < 40; nth++) {
        kt_auto(kt_buffer) out = KT_BUFFER_INIT;
        kt_auto(kt_process) *p = spawn_script("cat");
        kt_test_fail_allocation(nth);
        int rc = kt_process_communicate(p, kt_slice_from("text"), 100, &out, NULL);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        told = told || rc == -ENOMEM;
        if (rc < 0)
            CHECK_ERR(rc, -ENOMEM);
        else
            CHECK_SLICE(kt_buffer_slice(&out), "text");
        if (!failed)
            break;
    }
    CHECK(told);
}

/* ---- Many ---------------------------------------------------------------------------------- */

enum { PROGRAMS = 1000, AT_ONCE = 50 };

/* Runs the programs with every AT_ONCE-th number, each of which says its own and ends with a code that tells it. */
KT_FN(runs_programs, a, struct { int first; uint64_t *sum; })
{
    for (int i = a->first; i < PROGRAMS; i += AT_ONCE) {
        char script[64], expected[16];
        kt_auto(kt_buffer) out = KT_BUFFER_INIT;
        kt_process_status status;
        snprintf(script, sizeof script, "echo %d; exit %d", i, i % 250);
        snprintf(expected, sizeof expected, "%d\n", i);
        kt_auto(kt_process) *p = spawn_script(script);
        CHECK_EQ(kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, NULL), 0);
        CHECK_OK(kt_process_wait(p, &status));
        CHECK_SLICE(kt_buffer_slice(&out), expected);
        CHECK_EQ(status.exit_code, i % 250);
        *a->sum += (uint64_t)i;
    }
    return 0;
}

TEST_WITH(a_thousand_programs_fifty_at_a_time, KT_TEST_REAL_TIME)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    uint64_t sum = 0;
    for (int i = 0; i < AT_ONCE; i++)
        CHECK_OK(kt_group_spawn(&g, KT_WITH(runs_programs, i, &sum)));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_EQ(sum, PROGRAMS * (PROGRAMS - 1) / 2); /* none was lost */
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}
