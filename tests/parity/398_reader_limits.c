/* SPDX-License-Identifier: MIT */
#include "say.h"

enum { LIMIT = 8 };

static int read_line(kt_stream *s, kt_slice *ret_line)
{
    return kt_stream_read_until(s, (kt_slice){"\n", 1}, LIMIT, ret_line);
}

KT_FN(line, a, struct {
    kt_stream *s;
    const char *name;
})
{
    kt_slice bytes;
    int rc = read_line(a->s, &bytes);
    if (rc == KT_ECANCELED)
        say("%s cancelled", a->name);
    if (rc == 1)
        say("%s got %.*s\\n", a->name, (int)bytes.size - 1, bytes.data);
    return rc;
}

static int within_a_unit(kt_stream *s)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_slice bytes;
    kt_timeout_start(&limit, U);
    return kt_timeout_end(&limit, read_line(s, &bytes));
}

static void too_long(kt_stream *feeder, kt_stream *s)
{
    char text[11];
    kt_slice bytes;
    sure(kt_stream_write(feeder, "0123456789\n", 11));
    if (read_line(s, &bytes) == KT_ELIMIT)
        say("too long");
    sure(kt_stream_read_exactly(s, text, sizeof text));
    say("read %.10s%s", text, text[10] == '\n' ? "\\n" : "?");
}

static void incomplete(kt_stream *feeder, kt_stream *s)
{
    char text[5];
    kt_slice bytes;
    sure(kt_stream_write(feeder, "rest", 4));
    sure(kt_stream_shutdown_write(feeder));
    int rc = read_line(s, &bytes);
    ssize_t n = kt_stream_read(s, text, sizeof text);
    if (rc == KT_EINCOMPLETE)
        say("incomplete %.*s", sure((int)n), text);
    n = kt_stream_read(s, text, sizeof text);
    say("at the end %s", n == 0 ? "(empty)" : "?");
}

static int body(void *arg)
{
    kt_stream *ends[2];
    (void)arg;
    sure(kt_stream_pair(ends));
    kt_auto(kt_stream) *feeder = ends[0], *s = ends[1];
    sure(kt_stream_write(feeder, "ab", 2));
    kt_task *t = spawn(KT_WITH(line, s, "A"));
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    kt_task_detach(t);
    if (within_a_unit(s) == KT_ETIMEDOUT)
        say("timeout");
    sure(kt_stream_write(feeder, "c\nd", 3));
    sure(line(&(line_args){s, "main"}));
    t = spawn(KT_WITH(line, s, "B"));
    units(1);
    sure(kt_stream_write(feeder, "e\n", 2));
    sure(kt_task_join(t));
    too_long(feeder, s);
    incomplete(feeder, s);
    return 0;
}

int main(void)
{
    needs_reality("real descriptors");
    return run(body);
}
