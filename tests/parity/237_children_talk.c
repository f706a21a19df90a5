/* SPDX-License-Identifier: MIT */
#include "say.h"

static int wait_code(kt_process *p)
{
    kt_process_status status = {0, 0};
    sure(kt_process_wait(p, &status));
    return status.signal ? -status.signal : status.exit_code;
}

static kt_process *start(const kt_process_options *options)
{
    kt_process *p = NULL;
    sure(kt_process_spawn(options, &p));
    return p;
}

static void talk(void)
{
    static const char *const argv[] = {"cat", NULL}, *const words[] = {"one\n", "two\n"};
    kt_auto(kt_process) *p =
        start(&(kt_process_options){.argv = argv, .input = KT_PROCESS_PIPE, .output = KT_PROCESS_PIPE});
    kt_slice line = {NULL, 0};
    char byte;
    for (int i = 0; i < 2; i++) {
        sure(kt_stream_write(kt_process_stdin(p), words[i], 4));
        sure(kt_stream_read_line(kt_process_stdout(p), 100, &line));
        say("cat says %.*s", (int)line.size, line.data);
    }
    kt_process_close_stdin(p);
    ssize_t rest = kt_stream_read(kt_process_stdout(p), &byte, 1);
    say("rest %s code %d", rest == 0 ? "(empty)" : "?", wait_code(p));
}

static void fed(void)
{
    static const char *const argv[] = {"tr", "a-z", "A-Z", NULL};
    static char input[300000];
    kt_auto(kt_process) *p =
        start(&(kt_process_options){.argv = argv, .input = KT_PROCESS_PIPE, .output = KT_PROCESS_PIPE});
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    memset(input, 'x', sizeof input);
    sure(kt_process_communicate(p, (kt_slice){input, sizeof input}, 1 << 20, &out, NULL));
    memset(input, 'X', sizeof input);
    kt_slice got = kt_buffer_slice(&out);
    say("size %zu all %s code %d", got.size, yes(kt_slice_equal(got, (kt_slice){input, sizeof input})), wait_code(p));
}

static void both_outputs(void)
{
    static const char *const argv[] = {"sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    kt_auto(kt_process) *p =
        start(&(kt_process_options){.argv = argv, .output = KT_PROCESS_PIPE, .error = KT_PROCESS_PIPE});
    kt_auto(kt_buffer) out = KT_BUFFER_INIT, err = KT_BUFFER_INIT;
    sure(kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, &err));
    kt_slice o = kt_buffer_slice(&out), e = kt_buffer_slice(&err);
    say("out %.*s err %.*s code %d", (int)o.size - 1, o.data, (int)e.size - 1, e.data, wait_code(p));
}

static void surroundings(void)
{
    static const char *const argv[] = {"sh", "-c", "pwd; echo $WORD; cat", NULL}, *const env[] = {"WORD=spoken", NULL};
    kt_auto(kt_process) *p =
        start(&(kt_process_options){.argv = argv, .env = env, .directory = "/", .output = KT_PROCESS_PIPE});
    kt_slice line = {NULL, 0};
    char text[64] = "";
    while (sure(kt_stream_read_line(kt_process_stdout(p), 50, &line)) == 1)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %.*s", (int)line.size, line.data);
    say("lines [%s]", text + 1);
    sure(kt_process_wait(p, NULL));
}

static void no_such(void)
{
    static const char *const names[] = {"/nowhere/program", "/etc"};
    for (int i = 0; i < 2; i++) {
        kt_auto(kt_process) *p = NULL;
        const char *argv[] = {names[i], NULL};
        int rc = kt_process_spawn(&(kt_process_options){.argv = argv}, &p);
        if (rc == -ENOENT)
            say("not found");
        else if (rc == -EACCES)
            say("not allowed");
    }
}

/* "none" while it runs. */
static const char *code_now(kt_process *p)
{
    kt_auto(kt_timeout) at_once = KT_TIMEOUT_INIT;
    kt_timeout_start(&at_once, 0);
    return kt_timeout_end(&at_once, kt_process_wait(p, NULL)) == KT_ETIMEDOUT ? "none" : "?";
}

static int communicates(void *p)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    return kt_process_communicate(p, (kt_slice){NULL, 0}, 100, &out, NULL);
}

static void cut_off(void)
{
    static const char *const argv[] = {"sleep", "60", NULL};
    kt_auto(kt_process) *p = start(&(kt_process_options){.argv = argv, .output = KT_PROCESS_PIPE});
    if (kt_wait_for(U, communicates, p, 0) == KT_ETIMEDOUT)
        say("timeout, code %s", code_now(p));
    sure(kt_process_signal(p, SIGKILL));
    say("code %d", wait_code(p));
}

static int code(void *n)
{
    char command[16];
    const char *argv[] = {"sh", "-c", command, NULL};
    snprintf(command, sizeof command, "exit %d", *(int *)n);
    kt_auto(kt_process) *p = start(&(kt_process_options){.argv = argv});
    return wait_code(p);
}

static void many(void)
{
    kt_job jobs[5];
    static const int numbers[] = {0, 1, 2, 3, 4};
    int codes[5];
    for (int i = 0; i < 5; i++)
        jobs[i] = (kt_job){code, &numbers[i], sizeof(int)};
    sure(kt_gather(jobs, 5, codes));
    say("codes [%d %d %d %d %d]", codes[0], codes[1], codes[2], codes[3], codes[4]);
}

static int body(void *arg)
{
    (void)arg;
    talk();
    fed();
    both_outputs();
    surroundings();
    no_such();
    cut_off();
    many();
    return 0;
}

int main(void)
{
    needs_reality("real processes");
    return run(body);
}
