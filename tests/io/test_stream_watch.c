/* SPDX-License-Identifier: MIT */
/* Streams that are watched without a task. */
#include "stream_pair.h"

#include <kettle/stream_backend.h>
#include <kettle/stream_watch.h>

typedef struct seen {
    int calls;
    bool in_task;
    kt_stream *close; /* within the call; or NULL */
} seen;

static void note(void *arg)
{
    seen *s = arg;
    s->calls++;
    s->in_task = s->in_task || kt_task_current();
    kt_stream_close(kt_steal(s->close));
}

/* Lets what is under way happen; nothing is waited for in virtual time meanwhile. */
static void settle(void)
{
    for (int i = 0; i < 20; i++)
        CHECK_OK(kt_sleep(KT_MS(1)));
}

TEST_WITH(a_watch_calls_once_when_bytes_come, KT_TEST_REAL_TIME)
{
    pair p = pair_of(false);
    seen s = {0, false, NULL};
    char bytes[16];
    CHECK_OK(kt_stream_watch(p.near, note, &s));
    settle();
    CHECK_EQ(s.calls, 0);
    say(p.far, "a");
    settle();
    say(p.far, "b");
    settle();
    CHECK_EQ(s.calls, 1);
    CHECK(!s.in_task);
    CHECK_EQ(kt_stream_read(p.near, bytes, sizeof bytes), 2);
    kt_stream_close(p.near);
    kt_stream_close(p.far);
}

/* A short read has told the driver that nothing is left: the watch must tell it otherwise. */
TEST_WITH(after_each_call_the_bytes_can_be_read_and_it_is_watched_anew, KT_TEST_REAL_TIME)
{
    pair p = pair_of(false);
    seen s = {0, false, NULL};
    char bytes[16];
    for (int i = 1; i <= 5; i++) {
        CHECK_OK(kt_stream_watch(p.near, note, &s));
        settle();
        CHECK_EQ(s.calls, i - 1);
        say(p.far, "word");
        settle();
        CHECK_EQ(s.calls, i);
        CHECK_EQ(kt_stream_read(p.near, bytes, sizeof bytes), 4);
    }
    kt_stream_close(p.near);
    kt_stream_close(p.far);
}

TEST_WITH(what_is_there_already_counts, KT_TEST_REAL_TIME)
{
    pair p = pair_of(false);
    seen s = {0, false, NULL};
    say(p.far, "in the socket");
    settle();
    CHECK_OK(kt_stream_watch(p.near, note, &s));
    CHECK_EQ(s.calls, 0); /* not before this returns */
    settle();
    CHECK_EQ(s.calls, 1);
    CHECK_OK(kt_stream_unread(p.near, "buffered", 8));
    CHECK_OK(kt_stream_watch(p.near, note, &s));
    settle();
    CHECK_EQ(s.calls, 2);
    kt_stream_close(p.near);
    kt_stream_close(p.far);
}

TEST_WITH(the_end_and_a_reset_are_told_like_bytes, KT_TEST_REAL_TIME)
{
    for (int how = 0; how < 3; how++) {
        pair p = pair_of(false);
        seen s = {0, false, NULL};
        char byte;
        CHECK_OK(kt_stream_watch(p.near, note, &s));
        if (how == 0)
            kt_stream_close(kt_steal(p.far));
        else
            kt_stream_hang_up(how == 1 ? p.far : p.near, how == 1);
        settle();
        CHECK_EQ(s.calls, 1);
        CHECK(kt_stream_read(p.near, &byte, 1) <= 0);
        if (kt_stream_at_eof(p.near)) {
            CHECK_OK(kt_stream_watch(p.near, note, &s));
            settle();
            CHECK_EQ(s.calls, 2);
        }
        kt_stream_close(p.near);
        kt_stream_close(p.far);
    }
}

TEST_WITH(a_stream_that_is_closed_calls_nobody, KT_TEST_REAL_TIME)
{
    for (int late = 0; late < 2; late++) {
        pair p = pair_of(false);
        seen s = {0, false, NULL};
        if (late)
            say(p.far, "due already");
        CHECK_OK(kt_stream_watch(p.near, note, &s));
        kt_stream_close(p.near);
        settle();
        CHECK_EQ(s.calls, 0);
        kt_stream_close(p.far);
    }
}

TEST_WITH(the_function_may_close_the_stream, KT_TEST_REAL_TIME)
{
    pair p = pair_of(false);
    seen s = {0, false, p.near};
    CHECK_OK(kt_stream_watch(p.near, note, &s));
    say(p.far, "a");
    settle();
    CHECK_EQ(s.calls, 1);
    kt_stream_close(p.far);
}

TEST_WITH(it_is_written_to_while_it_is_watched, KT_TEST_REAL_TIME)
{
    pair p = pair_of(false);
    seen s = {0, false, NULL};
    char bytes[8];
    CHECK_OK(kt_stream_watch(p.near, note, &s));
    say(p.near, "out");
    CHECK_EQ(kt_stream_write_nowait(p.near, "more", 4), 4);
    CHECK_EQ(kt_stream_read(p.far, bytes, 3), 3);
    CHECK_EQ(s.calls, 0);
    kt_stream_close(p.near);
    kt_stream_close(p.far);
}

TEST(a_stream_in_memory_cannot_be_watched)
{
    pair p = pair_of(true);
    seen s = {0, false, NULL};
    CHECK_ERR(kt_stream_watch(p.near, note, &s), -EOPNOTSUPP);
    CHECK(strstr(kt_error_detail(), "in memory"));
    kt_stream_close(p.near);
    kt_stream_close(p.far);
}

TEST_DIES(a_read_while_it_is_watched_is_misuse, KT_TEST_REAL_IO, "a read while it is watched")
{
    pair p = pair_of(false);
    seen s = {0, false, NULL};
    char byte;
    CHECK_OK(kt_stream_watch(p.near, note, &s));
    (void)!kt_stream_read(p.near, &byte, 1);
}

TEST_DIES(two_watches_are_misuse, KT_TEST_REAL_IO, "the stream is watched already")
{
    pair p = pair_of(false);
    seen s = {0, false, NULL};
    CHECK_OK(kt_stream_watch(p.near, note, &s));
    (void)!kt_stream_watch(p.near, note, &s);
}
