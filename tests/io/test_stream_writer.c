/* SPDX-License-Identifier: MIT */
#include <kettle/stream_backend.h>

#include "stream_pair.h"

static pair small(size_t capacity)
{
    kt_stream *ends[2];
    CHECK_OK(kt_stream_memory_pair(capacity, ends));
    return (pair){ends[0], ends[1]};
}

static int put(kt_stream_writer *w, const char *text)
{
    return kt_stream_writer_write(w, text, strlen(text));
}

KT_FN(puts_text, a, struct {
    kt_stream_writer *w;
    const char *text;
    int *rc;
})
{
    int rc = put(a->w, a->text);
    if (a->rc)
        *a->rc = rc;
    return rc;
}

static int flushes(void *w)
{
    return kt_stream_writer_flush(w);
}

static int closes(void *w)
{
    return kt_stream_writer_close(w);
}

/* Virtual time stands still while the system is at work for somebody. */
static void passes(int n)
{
    for (int i = 0; i < n; i++)
        CHECK_OK(kt_sleep(0));
}

static void check_read(kt_stream *s, const char *expected)
{
    char bytes[256] = "";
    CHECK_OK(kt_stream_read_exactly(s, bytes, strlen(expected)));
    CHECK_STR(bytes, expected);
}

/* ---- Order, and the bytes -------------------------------------------------------------------- */

TEST_STREAMS(bytes_arrive_in_the_order_of_the_calls, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(p.near);
    char text[] = "one";
    CHECK_OK(put(&w, text));
    memset(text, 'x', 3); /* they were copied */
    CHECK_OK(kt_stream_writer_write_nowait(&w, "two", 3));
    CHECK_OK(put(&w, ""));
    CHECK_OK(put(&w, "three"));
    CHECK_EQ(kt_stream_writer_buffered(&w), 11);
    check_read(p.far, "onetwothree");
    CHECK_OK(kt_stream_writer_flush(&w));
    CHECK_EQ(kt_stream_writer_buffered(&w), 0);
    CHECK_EQ(w.taken, 11);
}

KT_FN(puts_frames, a, struct {
    kt_stream_writer *w;
    int number;
})
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < 200; i++) {
        unsigned char frame[256];
        size_t size = (size_t)(i * 7 + a->number) % 200 + 3;
        memset(frame, a->number, size);
        frame[0] = (unsigned char)size;
        frame[2] = (unsigned char)i;
        rc = kt_stream_writer_write(a->w, frame, size);
    }
    return rc;
}

/* Each one whole, and those of a producer in its order. */
static void check_frames(kt_stream *s, int producers)
{
    int seen[8] = {0};
    for (int n = producers * 200; n > 0; n--) {
        unsigned char frame[256];
        CHECK_OK(kt_stream_read_exactly(s, frame, 3));
        CHECK_OK(kt_stream_read_exactly(s, frame + 3, frame[0] - 3u));
        int number = frame[1];
        CHECK(number >= 0 && number < producers);
        CHECK_EQ(frame[2], seen[number]++);
        for (int i = 3; i < frame[0]; i++)
            CHECK_EQ(frame[i], number);
    }
}

static void many_producers(pair *p, size_t high)
{
    kt_stream_writer w = {.stream = p->near, .high = high};
    kt_task *tasks[8];
    for (int i = 0; i < 8; i++)
        tasks[i] = spawn(KT_WITH(puts_frames, &w, i));
    check_frames(p->far, 8);
    for (int i = 0; i < 8; i++)
        CHECK_OK(kt_task_join(tasks[i]));
    CHECK_OK(kt_stream_writer_close(&w));
}

TEST_STREAMS(many_producers_get_their_frames_through_whole, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    many_producers(&p, 0);
    many_producers(&p, 1000);
}

static int many_producers_once(void *arg)
{
    kt_auto(pair) p = small(100);
    many_producers(&p, 500);
    return arg ? -EINVAL : 0;
}

TEST_WITH(frames_stay_whole_in_any_order_of_the_tasks, KT_TEST_NO_LOOP)
{
    kt_test_seeds(20, many_producers_once, NULL);
}

/* ---- A stream that one can see into ---------------------------------------------------------- */

typedef struct sink {
    kt_event go;      /* a write waits for it */
    int writes, fails_with;
    kt_buffer bytes;
} sink;

static ssize_t sink_writev(void *object, const struct iovec *pieces, size_t count)
{
    sink *k = object;
    int rc = kt_event_wait(&k->go);
    if (rc == 0 && k->fails_with)
        rc = kt_error_set(k->fails_with, "the sink is blocked");
    ssize_t n = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = kt_buffer_append(&k->bytes, pieces[i].iov_base, pieces[i].iov_len);
        n += (ssize_t)pieces[i].iov_len;
    }
    k->writes++;
    return rc < 0 ? rc : n;
}

static void sink_close(void *object)
{
    (void)object;
}

static void sink_free(void *object)
{
    sink *k = object;
    kt_buffer_release(&k->bytes);
}

static const kt_stream_backend sink_backend = {
    .name = "a sink",
    .writev = sink_writev,
    .close = sink_close,
    .free = sink_free,
};

static kt_stream *sink_open(sink *k)
{
    kt_stream *s = NULL;
    *k = (sink){.go = KT_EVENT_INIT, .bytes = KT_BUFFER_INIT};
    CHECK_OK(kt_stream_new(&sink_backend, k, &s));
    return s;
}

TEST(what_comes_during_a_write_goes_in_the_next_one)
{
    sink k;
    kt_auto(kt_stream) *s = sink_open(&k);
    kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(s);
    CHECK_OK(put(&w, "a"));
    turns(2);
    for (int i = 0; i < 100; i++)
        CHECK_OK(put(&w, "b"));
    kt_event_set(&k.go);
    CHECK_OK(kt_stream_writer_flush(&w));
    CHECK_EQ(k.writes, 2);
    CHECK_EQ(k.bytes.size, 101);
    CHECK_OK(put(&w, "c"));
    CHECK_OK(kt_stream_writer_close(&w));
    CHECK_EQ(k.writes, 3);
}

TEST(memory_of_a_burst_is_given_back)
{
    static const char much[1 << 20];
    sink k;
    kt_auto(kt_stream) *s = sink_open(&k);
    kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(s);
    kt_event_set(&k.go);
    CHECK_OK(kt_stream_writer_write(&w, much, sizeof much));
    CHECK_OK(kt_stream_writer_flush(&w));
    CHECK_OK(kt_stream_writer_write(&w, much, 100));
    CHECK_OK(kt_stream_writer_flush(&w));
    turns(2);
    CHECK_LE(w.writing.capacity + w.filling.capacity, 4 * 65536);
    CHECK_EQ(k.bytes.size, sizeof much + 100);
}

/* ---- Marks ----------------------------------------------------------------------------------- */

TEST(a_write_waits_above_the_high_mark_and_goes_on_at_the_low_one)
{
    kt_auto(pair) p = small(1);
    char bytes[64];
    kt_auto(kt_stream_writer) w = {.stream = p.near, .high = 10, .low = 4};
    CHECK_OK(put(&w, "0123456789"));
    CHECK_OK(put(&w, "a")); /* at the mark is not above it */
    CHECK_ERR(kt_stream_writer_write_nowait(&w, "x", 1), KT_EFULL);
    kt_task *waits = spawn(KT_WITH(puts_text, &w, "bcd", NULL));
    turns(4);
    CHECK_EQ(kt_stream_writer_buffered(&w), 10); /* one is in the pair */
    CHECK_OK(kt_stream_read_exactly(p.far, bytes, 5));
    turns(4);
    CHECK_EQ(kt_stream_writer_buffered(&w), 5);
    CHECK(!kt_task_done(waits));
    CHECK_ERR(kt_stream_writer_write_nowait(&w, "x", 1), KT_EFULL); /* below the high one, too */
    CHECK_OK(kt_stream_read_exactly(p.far, bytes, 1));
    turns(4);
    CHECK_OK(kt_task_join(waits));
    CHECK_EQ(kt_stream_writer_buffered(&w), 7);
    CHECK_OK(kt_stream_writer_write_nowait(&w, "e", 1));
    check_read(p.far, "6789abcde");
}

static size_t room(size_t high, size_t low)
{
    sink k;
    kt_auto(kt_stream) *s = sink_open(&k);
    kt_auto(kt_stream_writer) w = {.stream = s, .high = high, .low = low};
    size_t n = 0;
    while (kt_stream_writer_write_nowait(&w, "x", 1) == 0)
        n++;
    return n;
}

TEST(marks_have_defaults)
{
    CHECK_EQ(room(0, 0), 65536 + 1);
    CHECK_EQ(room(100, 0), 101);
    CHECK_EQ(room(0, 1000), 4001);
    CHECK_EQ(room(7, 7), 8);
}

TEST(writers_that_wait_are_served_in_order)
{
    kt_auto(pair) p = small(4);
    kt_auto(kt_stream_writer) w = {.stream = p.near, .high = 4, .low = 1};
    kt_task *tasks[3];
    CHECK_OK(put(&w, "0123456789"));
    tasks[0] = spawn(KT_WITH(puts_text, &w, "<first one>", NULL));
    tasks[1] = spawn(KT_WITH(puts_text, &w, "<second>", NULL));
    turns(2);
    tasks[2] = spawn(KT_WITH(puts_text, &w, "<third>", NULL));
    turns(2);
    check_read(p.far, "0123456789<first one><second><third>");
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_task_join(tasks[i]));
}

static int tries(void *w)
{
    int rc;
    while ((rc = kt_stream_writer_write_nowait(w, "<nobody waits>", 14)) == KT_EFULL && (rc = kt_sleep(0)) == 0)
        ;
    return rc;
}

TEST(who_does_not_wait_does_not_overtake_those_who_do)
{
    kt_auto(pair) p = small(4);
    kt_auto(kt_stream_writer) w = {.stream = p.near, .high = 64, .low = 1};
    char much[72] = "";
    CHECK_OK(kt_stream_writer_write(&w, much, sizeof much));
    kt_task *tasks[4];
    for (int i = 0; i < 3; i++)
        tasks[i] = spawn(KT_WITH(puts_text, &w, "<waits>", NULL));
    tasks[3] = spawn(tries, &w, 0);
    passes(4);
    CHECK_OK(kt_stream_read_exactly(p.far, much, sizeof much));
    check_read(p.far, "<waits><waits><waits><nobody waits>");
    for (int i = 0; i < 4; i++)
        CHECK_OK(kt_task_join(tasks[i]));
}

/* ---- Cancellation ---------------------------------------------------------------------------- */

TEST(a_cancelled_write_has_taken_nothing_and_lets_the_next_one_pass)
{
    kt_auto(pair) p = small(4);
    kt_auto(kt_stream_writer) w = {.stream = p.near, .high = 4, .low = 1};
    int first_rc = 0, second_rc = 0;
    CHECK_OK(put(&w, "0123456789"));
    kt_task *first = spawn(KT_WITH(puts_text, &w, "<first>", &first_rc));
    kt_task *second = spawn(KT_WITH(puts_text, &w, "<second>", &second_rc));
    kt_task *third = spawn(KT_WITH(puts_text, &w, "<third>", NULL));
    turns(2);
    kt_task_cancel(second); /* in the line, and at its head */
    kt_task_cancel(first);
    turns(4);
    CHECK_ERR(first_rc, KT_ECANCELED);
    CHECK_ERR(second_rc, KT_ECANCELED);
    CHECK_ERR(kt_task_join(first), KT_ECANCELED);
    CHECK_ERR(kt_task_join(second), KT_ECANCELED);
    check_read(p.far, "0123456789<third>");
    CHECK_OK(kt_task_join(third));
    CHECK_EQ(w.taken, 17);
}

TEST(after_a_cancelled_flush_the_bytes_are_written_all_the_same)
{
    kt_auto(pair) p = small(4);
    kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(p.near);
    CHECK_OK(put(&w, "0123456789"));
    kt_timeout limit;
    kt_timeout_start(&limit, KT_S(1));
    int rc = kt_timeout_end(&limit, kt_stream_writer_flush(&w));
    CHECK_ERR(rc, KT_ETIMEDOUT);
    check_read(p.far, "0123456789");
    CHECK_OK(kt_stream_writer_flush(&w));
}

/* ---- Flush ----------------------------------------------------------------------------------- */

TEST(flush_does_not_wait_for_what_is_taken_after_it_began)
{
    kt_auto(pair) p = small(4);
    kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(p.near);
    CHECK_OK(kt_stream_writer_flush(&w)); /* nothing to do */
    CHECK_OK(put(&w, "01234567"));
    kt_task *flush = spawn(flushes, &w, 0);
    turns(2);
    CHECK_OK(put(&w, "and much more"));
    CHECK(!kt_task_done(flush));
    check_read(p.far, "0123");
    turns(6);
    CHECK(kt_task_done(flush));
    CHECK_OK(kt_task_join(flush));
    CHECK_GT(kt_stream_writer_buffered(&w), 0);
}

/* ---- Failure --------------------------------------------------------------------------------- */

TEST(the_streams_error_is_everybodys_from_then_on_with_its_words)
{
    sink k;
    kt_auto(kt_stream) *s = sink_open(&k);
    kt_auto(kt_stream_writer) w = {.stream = s, .high = 4};
    k.fails_with = -EIO;
    CHECK_OK(put(&w, "0123456789"));
    kt_task *waits = spawn(KT_WITH(puts_text, &w, "x", NULL));
    kt_task *queues = spawn(KT_WITH(puts_text, &w, "y", NULL)), *flush = spawn(flushes, &w, 0);
    turns(4);
    kt_event_set(&k.go);
    CHECK_ERR(kt_task_join(waits), -EIO);
    CHECK_STR(kt_error_detail(), "the sink is blocked");
    CHECK_ERR(kt_task_join(queues), -EIO);
    CHECK_ERR(kt_task_join(flush), -EIO);
    for (int i = 0; i < 2; i++) {
        kt_error_set(-EINVAL, "something else");
        CHECK_ERR(kt_stream_writer_write_nowait(&w, "z", 1), -EIO);
        CHECK_STR(kt_error_detail(), "the sink is blocked");
        CHECK_ERR(put(&w, "z"), -EIO);
        CHECK_ERR(kt_stream_writer_flush(&w), -EIO);
    }
    CHECK_EQ(kt_stream_writer_buffered(&w), 10);
    CHECK_ERR(kt_stream_writer_close(&w), -EIO);
    CHECK_ERR(put(&w, "z"), KT_ESHUTDOWN);
}

TEST_STREAMS(a_peer_that_has_gone_shows_at_a_later_call, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(p.near);
    kt_stream_close(kt_steal(p.far));
    CHECK_OK(put(&w, "is anybody there?"));
    CHECK_ERR(kt_stream_writer_flush(&w), -EPIPE);
    CHECK_ERR(put(&w, "x"), -EPIPE);
}

TEST(a_stream_that_is_closed_meanwhile_ends_the_writer)
{
    kt_auto(pair) p = small(4);
    kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(p.near);
    CHECK_OK(put(&w, "0123456789"));
    turns(2);
    kt_stream_close(kt_steal(p.near));
    CHECK_ERR(put(&w, "x"), KT_ECLOSED);
    CHECK_ERR(kt_stream_writer_close(&w), KT_ECLOSED);
}

/* Debug mode can do without some of its own. */
TEST(without_memory_a_write_takes_nothing)
{
    bool failed = true;
    int refused = 0;
    for (uint64_t nth = 1; failed; nth++) {
        kt_auto(pair) p = small(64);
        kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(p.near);
        kt_test_fail_allocation(nth);
        int rc = put(&w, "tea");
        failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK_ERR(rc, failed && rc < 0 ? -ENOMEM : 0);
        refused += rc < 0;
        CHECK_EQ(w.taken, rc < 0 ? 0 : 3);
        CHECK_OK(put(&w, "pot"));
        check_read(p.far, rc < 0 ? "pot" : "teapot");
    }
    CHECK_GE(refused, 2); /* the task, the buffer */
}

/* ---- The end --------------------------------------------------------------------------------- */

TEST_STREAMS(close_waits_for_the_bytes_and_leaves_the_stream_open, KT_TEST_REAL_IO)
{
    static char much[3 << 20];
    kt_auto(pair) p = pair_of(in_memory);
    kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(p.near);
    CHECK_OK(kt_stream_writer_write(&w, much, sizeof much));
    kt_task *closer = spawn(closes, &w, 0);
    passes(10);
    CHECK(!kt_task_done(closer));
    CHECK_ERR(put(&w, "x"), KT_ESHUTDOWN);
    CHECK_ERR(kt_stream_writer_write_nowait(&w, "x", 1), KT_ESHUTDOWN);
    CHECK_OK(kt_stream_read_exactly(p.far, much, sizeof much));
    CHECK_OK(kt_task_join(closer));
    CHECK_ERR(put(&w, "x"), KT_ESHUTDOWN);
    CHECK_ERR(kt_stream_writer_flush(&w), KT_ESHUTDOWN);
    CHECK_OK(kt_stream_writer_close(&w));
    say(p.near, "still here");
    check_read(p.far, "still here");
}

TEST(close_sends_writes_that_wait_away)
{
    kt_auto(pair) p = small(4);
    kt_auto(kt_stream_writer) w = {.stream = p.near, .high = 4};
    CHECK_OK(put(&w, "0123456789"));
    kt_task *first = spawn(KT_WITH(puts_text, &w, "x", NULL));
    kt_task *second = spawn(KT_WITH(puts_text, &w, "y", NULL)), *flush = spawn(flushes, &w, 0);
    turns(2);
    kt_task *closer = spawn(closes, &w, 0);
    turns(4);
    CHECK_ERR(kt_task_join(first), KT_ESHUTDOWN);
    CHECK_ERR(kt_task_join(second), KT_ESHUTDOWN);
    CHECK(!kt_task_done(flush) && !kt_task_done(closer));
    check_read(p.far, "0123456789");
    CHECK_OK(kt_task_join(flush));
    CHECK_OK(kt_task_join(closer));
}

TEST(a_close_whose_time_is_up_drops_the_bytes_and_the_stream_takes_no_more)
{
    kt_auto(pair) p = small(4);
    kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(p.near);
    CHECK_OK(put(&w, "0123456789"));
    kt_timeout limit;
    kt_time start = kt_now();
    kt_timeout_start(&limit, KT_S(3));
    int rc = kt_timeout_end(&limit, kt_stream_writer_close(&w));
    CHECK_ERR(rc, KT_ETIMEDOUT);
    CHECK_EQ(kt_now() - start, KT_S(3));
    CHECK_EQ(kt_stream_writer_buffered(&w), 0);
    CHECK_ERR(put(&w, "x"), KT_ESHUTDOWN);
    CHECK_ERR(kt_stream_write(p.near, "x", 1), KT_EINVALIDSTATE);
    check_read(p.far, "0123");
}

/* The scope is left, and the tasks that are inside the writer learn of it before it is gone. */
static void leave_scope(kt_stream *s, kt_task *tasks[3], const char *text)
{
    kt_auto(kt_stream_writer) w = {.stream = s, .high = 4};
    CHECK_OK(put(&w, text));
    tasks[0] = spawn(KT_WITH(puts_text, &w, "x", NULL));
    tasks[1] = spawn(KT_WITH(puts_text, &w, "y", NULL));
    tasks[2] = spawn(flushes, &w, 0);
    passes(10);
}

TEST_STREAMS(clean_up_does_not_wait_for_a_peer_that_reads_nothing, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_task *tasks[3];
    char *much = kt_alloc(2 << 20);
    memset(much, 'x', (2 << 20) - 1);
    much[(2 << 20) - 1] = '\0';
    leave_scope(p.near, tasks, much);
    kt_free(much);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(kt_task_join(tasks[i]), KT_ESHUTDOWN);
    CHECK_ERR(kt_stream_write(p.near, "x", 1), KT_EINVALIDSTATE);
}

TEST(clean_up_of_one_that_has_written_all_leaves_the_stream_as_it_was)
{
    kt_auto(pair) p = small(64);
    for (int i = 0; i < 3; i++) {
        kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(p.near);
        if (i > 0)
            CHECK_OK(put(&w, "tea"));
        if (i > 1)
            CHECK_OK(kt_stream_writer_flush(&w));
        else
            turns(i * 4);
    }
    say(p.near, "pot");
    check_read(p.far, "teateapot");
}

TEST(clean_up_drops_what_its_task_has_not_begun_with)
{
    kt_auto(pair) p = small(64);
    {
        kt_auto(kt_stream_writer) w = KT_STREAM_WRITER_INIT(p.near);
        CHECK_OK(put(&w, "tea"));
    }
    CHECK_ERR(kt_stream_write(p.near, "x", 1), KT_EINVALIDSTATE);
}

static int writes_and_waits(void *arg)
{
    kt_stream *s = arg;
    kt_auto(kt_stream_writer) w = {.stream = s, .high = 4};
    int rc = put(&w, "0123456789");
    return rc < 0 ? rc : put(&w, "x");
}

TEST(a_cancelled_owner_cleans_up)
{
    kt_auto(pair) p = small(4);
    kt_task *t = spawn(writes_and_waits, p.near, 0);
    turns(4);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
}

static int owns_a_pair(void *arg)
{
    kt_auto(pair) p = small(4);
    kt_event_set(arg);
    return writes_and_waits(p.near);
}

static int ends_meanwhile(void *arg)
{
    kt_event begun = KT_EVENT_INIT;
    kt_task *t = spawn(owns_a_pair, &begun, 0);
    CHECK_OK(kt_event_wait(&begun));
    turns(4);
    kt_task_detach(t);
    return arg ? -EINVAL : 0;
}

/* The loop cancels both tasks, the owner's and the writer's own. */
TEST_WITH(the_loops_end_is_the_writers, KT_TEST_NO_LOOP)
{
    CHECK_OK(kt_run(ends_meanwhile, NULL, 0));
}

TEST_DIES(a_low_mark_above_the_high_one_is_misuse, 0, "a low mark that is not above the high one")
{
    kt_auto(pair) p = small(4);
    kt_stream_writer w = {.stream = p.near, .high = 10, .low = 11};
    (void)put(&w, "x");
}

TEST_DIES(closing_one_that_another_task_closes_is_misuse, 0, "another task is closing it")
{
    kt_auto(pair) p = small(4);
    kt_stream_writer w = KT_STREAM_WRITER_INIT(p.near);
    CHECK_OK(put(&w, "0123456789"));
    kt_task *closer = spawn(closes, &w, 0);
    turns(2);
    (void)closer;
    kt_stream_writer_cleanup(&w);
}
