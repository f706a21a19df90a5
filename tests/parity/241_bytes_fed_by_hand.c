/* SPDX-License-Identifier: MIT */
#include "say.h"

typedef struct ends {
    kt_stream *s, *feeder;
} ends;

static ends memory(void)
{
    kt_stream *pair[2];
    sure(kt_stream_memory_pair(0, pair));
    return (ends){pair[0], pair[1]};
}

static void close_both(ends e)
{
    kt_stream_close(e.s);
    kt_stream_close(e.feeder);
}

static void feed(kt_stream *s, const char *text)
{
    sure(kt_stream_feed(s, text, strlen(text)));
}

static int line(void *s)
{
    kt_slice got;
    int rc = kt_stream_read_line(s, 100, &got);
    if (rc == 1)
        say("line %.*s\\n", (int)got.size, got.data);
    return rc;
}

static int exactly_six(void *arg)
{
    void **of = arg;
    return kt_stream_read_exactly(of[0], of[1], 6);
}

static void pieces(void)
{
    static const char *const parts[] = {"on", "e", "\ntwo\nthr"};
    ends e = memory();
    char six[6], rest[10];
    kt_task *t = spawn(line, e.s, 0);
    for (int i = 0; i < 3; i++) {
        sure(kt_sleep(0));
        say("done %s", yes(kt_task_done(t)));
        feed(e.s, parts[i]);
    }
    sure(kt_task_join(t));
    sure(line(e.s));
    feed(e.s, "ee\n");
    sure(line(e.s));
    t = spawn(exactly_six, (void *[]){e.s, six}, 2 * sizeof(void *));
    feed(e.s, "abc");
    sure(kt_sleep(0));
    say("done %s at end %s", yes(kt_task_done(t)), yes(kt_stream_at_eof(e.s)));
    feed(e.s, "defg");
    sure(kt_task_join(t));
    ssize_t n = kt_stream_read(e.s, rest, sizeof rest);
    say("exactly %.6s then %.*s", six, (int)n, rest);
    kt_stream_feed_end(e.s);
    n = kt_stream_read(e.s, rest, sizeof rest);
    say("end %s at end %s", n == 0 ? "(empty)" : "?", yes(kt_stream_at_eof(e.s)));
    close_both(e);
}

static void separators(void)
{
    static const kt_slice marks[] = {{"=", 1}, {";", 1}, {"\n", 1}};
    ends e = memory();
    kt_slice got;
    char rest[8];
    feed(e.s, "a=1;b=2\nc");
    for (int i = 0; i < 4; i++) {
        int which = sure(kt_stream_read_until_any(e.s, marks, 3, 100, &got));
        if (which == 3)
            say("until %.*s\\n", (int)got.size - 1, got.data);
        else
            say("until %.*s", (int)got.size, got.data);
    }
    kt_stream_feed_end(e.s);
    if (kt_stream_read_until_any(e.s, marks, 2, 100, &got) == KT_EINCOMPLETE) {
        ssize_t n = kt_stream_read(e.s, rest, sizeof rest);
        say("incomplete %.*s", (int)n, rest);
    }
    close_both(e);
}

static int until_line_end(void *s)
{
    kt_slice got;
    return kt_stream_read_until(s, (kt_slice){"\n", 1}, 8, &got);
}

static void limits(void)
{
    ends e = memory();
    kt_slice got;
    char ten[10];
    feed(e.s, "short\n0123456789abc");
    sure(line(e.s));
    if (kt_stream_read_until(e.s, (kt_slice){"\n", 1}, 8, &got) == KT_ELIMIT)
        say("too long");
    sure(kt_stream_read_exactly(e.s, ten, sizeof ten));
    say("still there %.10s", ten);
    kt_task *t = spawn(until_line_end, e.s, 0);
    sure(kt_sleep(0));
    kt_task_cancel(t);
    wait_end(t);
    kt_task_detach(t);
    feed(e.s, "d\n");
    sure(kt_stream_read_until(e.s, (kt_slice){"\n", 1}, 8, &got));
    say("nothing lost %.*s\\n", (int)got.size - 1, got.data);
    close_both(e);
}

static int reads(void *s)
{
    char bytes[10];
    return (int)kt_stream_read(s, bytes, sizeof bytes);
}

static void broken(void)
{
    ends e = memory();
    kt_task *t = spawn(reads, e.s, 0);
    sure(kt_sleep(0));
    kt_stream_feed_error(e.s, -ECONNRESET);
    if (kt_task_join(t) == -ECONNRESET)
        say("reset");
    if (reads(e.s) == -ECONNRESET)
        say("reset again");
    close_both(e);
}

static int body(void *arg)
{
    (void)arg;
    pieces();
    separators();
    limits();
    broken();
    return 0;
}

int main(void)
{
    return run(body);
}
