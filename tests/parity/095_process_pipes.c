/* SPDX-License-Identifier: MIT */
#include "say.h"

/* "line" and the next line of s, which is "(empty)" at the end of file; true then. */
static bool say_line(kt_stream *s, const char *suffix)
{
    kt_slice line = {"(empty)", 7};
    int rc = sure(kt_stream_read_line(s, 1024, &line));
    say("line %.*s%s", (int)line.size, line.data, rc == 0 ? suffix : "");
    return rc == 0;
}

static void feed_cat(void)
{
    kt_auto(kt_process) *p = NULL;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT, err = KT_BUFFER_INIT;
    kt_process_status status = {0, 0};
    const char *argv[] = {"cat", NULL};
    const kt_process_options o = {.argv = argv, .input = KT_PROCESS_PIPE, .output = KT_PROCESS_PIPE,
                                  .error = KT_PROCESS_INHERIT};
    kt_auto(kt_timeout) at_once = KT_TIMEOUT_INIT;
    sure(kt_process_spawn(&o, &p));
    kt_timeout_start(&at_once, 0);
    int rc = kt_timeout_end(&at_once, kt_process_wait(p, &status));
    say("running code %s", rc == KT_ETIMEDOUT ? "none" : "?");
    sure(kt_process_communicate(p, kt_slice_from("hello\nworld\n"), 1024, &out, &err));
    sure(kt_process_wait(p, &status));
    for (size_t i = 0; i < out.size; i++)
        if (out.data[i] == '\n')
            out.data[i] = i + 1 < out.size ? ' ' : ']';
    say("out [%.*s err %s code %d", (int)out.size, out.data, kt_process_stderr(p) ? "?" : "none",
        status.exit_code);
}

static void read_shell(void)
{
    kt_auto(kt_process) *p = NULL;
    kt_auto(kt_callback) timer = KT_CALLBACK_INIT;
    kt_process_status status = {0, 0};
    const char *argv[] = {"sh", "-c", "echo one; sleep 0.2; echo two; echo oops >&2; exit 3", NULL};
    const kt_process_options o = {.argv = argv, .output = KT_PROCESS_PIPE, .error = KT_PROCESS_PIPE};
    kt_slice text;
    sure(kt_process_spawn(&o, &p));
    say_line(kt_process_stdout(p), "");
    kt_call_later(&timer, 2 * U, say_text, "tick");
    say_line(kt_process_stdout(p), "");
    say_line(kt_process_stdout(p), " eof yes");
    sure(kt_stream_read_line(kt_process_stderr(p), 1024, &text));
    say("stderr %.*s", (int)text.size, text.data);
    sure(kt_process_wait(p, &status));
    int gave = status.exit_code;
    sure(kt_process_wait(p, &status));
    say("wait gave %d code %d", gave, status.exit_code);
}

static int body(void *arg)
{
    kt_auto(kt_process) *p = NULL;
    const char *argv[] = {"no-such-program-here", NULL};
    (void)arg;
    feed_cat();
    read_shell();
    if (kt_process_spawn(&(kt_process_options){.argv = argv}, &p) == -ENOENT)
        say("not found");
    return 0;
}

int main(void)
{
    needs_reality("real processes");
    return run(body);
}
