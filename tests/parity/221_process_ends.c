/* SPDX-License-Identifier: MIT */
#include "say.h"

/* One number for both ways to end, as Popen.returncode has it. */
static int code(const kt_process_status *status)
{
    return status->signal ? -status->signal : status->exit_code;
}

static int wait_code(kt_process *p)
{
    kt_process_status status = {0, 0};
    sure(kt_process_wait(p, &status));
    return code(&status);
}

KT_FN(waiter, a, struct {
    const char *name;
    kt_process *p;
})
{
    kt_process_status status = {0, 0};
    int rc = kt_process_wait(a->p, &status);
    if (rc == 0)
        say("%s code %d", a->name, code(&status));
    return rc;
}

static int wait_for_it(void *p)
{
    return kt_process_wait(p, NULL);
}

/* Is the child still running? */
static const char *code_now(kt_process *p)
{
    kt_auto(kt_timeout) at_once = KT_TIMEOUT_INIT;
    kt_timeout_start(&at_once, 0);
    return kt_timeout_end(&at_once, kt_process_wait(p, NULL)) == KT_ETIMEDOUT ? "none" : "?";
}

static void many_wait(void)
{
    kt_auto(kt_process) *p = NULL;
    const char *argv[] = {"sleep", "60", NULL};
    sure(kt_process_spawn(&(kt_process_options){.argv = argv}, &p));
    kt_task *a = spawn(KT_WITH(waiter, "A", p)), *b = spawn(KT_WITH(waiter, "B", p));
    units(1);
    kt_task_cancel(a);
    wait_end(a);
    say("A cancelled %s code %s", yes(kt_task_cancelled(a)), code_now(p));
    kt_task_detach(a);
    if (kt_wait_for(U, wait_for_it, p, 0) == KT_ETIMEDOUT)
        say("timeout, code %s", code_now(p));
    sure(kt_process_signal(p, SIGTERM));
    sure(kt_task_join(b));
    say("code %d", wait_code(p));
    say("again %d", wait_code(p));
}

static void killed(void)
{
    kt_auto(kt_process) *p = NULL;
    const char *argv[] = {"cat", NULL};
    char rest;
    sure(kt_process_spawn(
        &(kt_process_options){.argv = argv, .input = KT_PROCESS_PIPE, .output = KT_PROCESS_PIPE}, &p));
    sure(kt_process_signal(p, SIGKILL));
    int ended = wait_code(p);
    ssize_t n = kt_stream_read(kt_process_stdout(p), &rest, 1);
    say("killed %d rest %s", ended, n == 0 ? "(empty)" : "?");
}

static void say_line(kt_process *p)
{
    kt_slice line = {"(empty)", 7};
    sure(kt_stream_read_line(kt_process_stdout(p), 100, &line));
    say("line %.*s", (int)line.size, line.data);
}

static void trapped(void)
{
    kt_auto(kt_process) *p = NULL;
    const char *argv[] = {"sh", "-c",
                          "trap 'echo got; exit 7' USR1; echo ready; while :; do sleep 0.01; done", NULL};
    sure(kt_process_spawn(&(kt_process_options){.argv = argv, .output = KT_PROCESS_PIPE}, &p));
    say_line(p);
    kill(kt_process_pid(p), SIGUSR1); /* the shell alone, not its group */
    say_line(p);
    say("code %d", wait_code(p));
}

static void input_unread(void)
{
    kt_auto(kt_process) *p = NULL;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    const char *argv[] = {"true", NULL};
    static char input[1000000];
    memset(input, 'x', sizeof input);
    sure(kt_process_spawn(
        &(kt_process_options){.argv = argv, .input = KT_PROCESS_PIPE, .output = KT_PROCESS_PIPE}, &p));
    sure(kt_process_communicate(p, (kt_slice){input, sizeof input}, 100, &out, NULL));
    say("out %s code %d", out.size ? "?" : "(empty)", wait_code(p));
}

static void into_one(void)
{
    kt_auto(kt_process) *p = NULL;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT, err = KT_BUFFER_INIT;
    const char *argv[] = {"sh", "-c", "echo a; echo b >&2", NULL};
    sure(kt_process_spawn(
        &(kt_process_options){.argv = argv, .output = KT_PROCESS_PIPE, .error = KT_PROCESS_STDOUT}, &p));
    sure(kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, &err));
    bool same = kt_slice_is(kt_buffer_slice(&out), "a\nb\n");
    say("out %s err %s", same ? "a\\nb\\n" : "?", err.size ? "?" : "none");
}

static int body(void *arg)
{
    (void)arg;
    many_wait();
    killed();
    trapped();
    input_unread();
    into_one();
    return 0;
}

int main(void)
{
    needs_reality("real processes");
    return run(body);
}
