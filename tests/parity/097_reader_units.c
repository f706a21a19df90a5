/* SPDX-License-Identifier: MIT */
#include "say.h"

static kt_stream *fed(const char *data, bool eof, kt_stream **ret_peer)
{
    kt_stream *ends[2];
    sure(kt_stream_memory_pair(0, ends));
    sure(kt_stream_feed(ends[0], data, strlen(data)));
    if (eof)
        kt_stream_feed_end(ends[0]);
    *ret_peer = ends[1];
    return ends[0];
}

static int read_exactly(kt_stream *r, size_t size, char *text)
{
    int rc = kt_stream_read_exactly(r, text, size);
    text[rc < 0 ? 0 : size] = 0;
    return rc;
}

/* What an incomplete read has left. */
static const char *rest(kt_stream *r, char text[16])
{
    ssize_t n = kt_stream_read(r, text, 15);
    sure((int)n);
    text[n] = 0;
    return text;
}

static void lines(void)
{
    kt_auto(kt_stream) *w = NULL;
    kt_auto(kt_stream) *r = fed("one\ntw", true, &w);
    static const char *const ends[] = {"\\n", "", ""};
    say("eof %s", yes(kt_stream_at_eof(r)));
    for (int i = 0; i < 3; i++) {
        kt_slice line = {"(empty)", 7}; /* comes without its end */
        sure(kt_stream_read_line(r, 100, &line));
        say("line %.*s%s", (int)line.size, line.data, ends[i]);
    }
    say("eof %s", yes(kt_stream_at_eof(r)));
}

static void exact_sizes(void)
{
    kt_auto(kt_stream) *w = NULL;
    kt_auto(kt_stream) *r = fed("abcdefg", true, &w);
    char text[16];
    sure(read_exactly(r, 4, text));
    say("exact %s", text);
    if (read_exactly(r, 5, text) == KT_EINCOMPLETE)
        say("incomplete %s wanted 5", rest(r, text));
    say("eof %s", yes(kt_stream_at_eof(r)));
    sure(read_exactly(r, 0, text));
    say("exact zero %s", *text ? text : "(empty)");
}

static void separators(void)
{
    kt_auto(kt_stream) *w = NULL;
    kt_auto(kt_stream) *r = fed("k=v;;rest", true, &w);
    const kt_slice separator = {";;", 2};
    kt_slice bytes;
    char text[16];
    sure(kt_stream_read_until(r, separator, 100, &bytes));
    say("until %.*s", (int)bytes.size, bytes.data);
    if (kt_stream_read_until(r, separator, 100, &bytes) == KT_EINCOMPLETE)
        say("incomplete %s", rest(r, text));
}

static int read_all(void *r)
{
    kt_slice bytes;
    ssize_t n = 0, more;
    while ((more = kt_stream_fill(r, (size_t)n, 1024, &bytes)) > n)
        n = more;
    if (more < 0)
        return (int)more;
    say("read all %.*s", (int)bytes.size, bytes.data);
    return 0;
}

static void what_is_there(void)
{
    kt_auto(kt_stream) *w = NULL;
    kt_auto(kt_stream) *r = fed("abcdef", false, &w);
    char text[101];
    ssize_t n = kt_stream_read(r, text, 4);
    say("read %.*s", sure((int)n), text);
    n = kt_stream_read(r, text, 100);
    say("read %.*s", sure((int)n), text);
    sure(read_exactly(r, 0, text)); /* kt_stream_read refuses: its 0 is the end of file */
    say("read zero %s", *text ? text : "(empty)");
    kt_task *t = spawn(read_all, r, 0);
    sure(kt_sleep(0));
    sure(kt_stream_feed(r, "more", 4));
    sure(kt_sleep(0));
    say("read all done %s", yes(kt_task_done(t)));
    kt_stream_feed_end(r);
    sure(kt_task_join(t));
}

static int body(void *arg)
{
    (void)arg;
    lines();
    exact_sizes();
    separators();
    what_is_there();
    return 0;
}

int main(void)
{
    return run(body);
}
