/* SPDX-License-Identifier: MIT */
#include "stream_pair.h"

#include <fcntl.h>
#include <sys/socket.h>

enum { MUCH = 8 << 20 };

static char much[MUCH];

static void fill(void)
{
    for (size_t i = 0; i < sizeof much; i++)
        much[i] = (char)(i * 2654435761u >> 13);
}

KT_FN(writes, a, struct {
    kt_stream *s;
    const char *bytes;
    size_t size;
    int *rc;
})
{
    int rc = kt_stream_write(a->s, a->bytes, a->size);
    if (a->rc)
        *a->rc = rc;
    return rc;
}

/* ---- All of it --------------------------------------------------------------------------- */

TEST_STREAMS(a_writer_waits_for_its_reader_and_nothing_is_lost, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    fill();
    kt_task *writer = spawn(KT_WITH(writes, p.near, much, MUCH, NULL));
    for (int i = 0; i < 100; i++)
        CHECK_OK(kt_sleep(0));
    CHECK(!kt_task_done(writer)); /* the back-pressure */
    char *all = kt_alloc(MUCH);
    CHECK_OK(kt_stream_read_exactly(p.far, all, MUCH));
    CHECK_MEM(all, much, MUCH);
    kt_free(all);
    CHECK_OK(kt_task_join(writer));
}

static void check_pieces(bool in_memory, size_t count)
{
    kt_auto(pair) p = pair_of(in_memory);
    struct iovec pieces[1024], before[1024];
    char all[2048];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        pieces[i] = (struct iovec){much + size, i % 3};
        size += i % 3;
    }
    memcpy(before, pieces, sizeof before);
    CHECK_OK(kt_stream_writev(p.near, pieces, count));
    CHECK_MEM(pieces, before, count * sizeof pieces[0]);
    CHECK_OK(kt_stream_read_exactly(p.far, all, size));
    CHECK_MEM(all, much, size);
}

TEST_STREAMS(pieces_arrive_in_order_empty_ones_too, KT_TEST_REAL_IO)
{
    static const size_t counts[] = {0, 1, 2, 3, 63, 64, 65, 128, 129, 1023, 1024};
    fill();
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        check_pieces(in_memory, counts[i]);
}

TEST_STREAMS(more_pieces_than_1024_are_refused, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    static struct iovec pieces[1025];
    CHECK_ERR(kt_stream_writev(p.near, pieces, 1025), -EINVAL);
    say(p.near, "and nothing was harmed");
}

KT_FN(writes_pieces, a, struct { kt_stream *s; })
{
    struct iovec pieces[3] = {{much, MUCH / 2}, {much + MUCH / 2, 1}, {much + MUCH / 2 + 1, MUCH / 2 - 1}};
    return kt_stream_writev(a->s, pieces, 3);
}

TEST_STREAMS(large_pieces_are_torn_and_mended, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    fill();
    kt_task *writer = spawn(KT_WITH(writes_pieces, p.near));
    char *all = kt_alloc(MUCH);
    CHECK_OK(kt_stream_read_exactly(p.far, all, MUCH));
    CHECK_MEM(all, much, MUCH);
    kt_free(all);
    CHECK_OK(kt_task_join(writer));
}

/* ---- Some of it -------------------------------------------------------------------------- */

TEST_STREAMS(some_are_written_and_then_there_is_no_room, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    fill();
    ssize_t n = kt_stream_write_some(p.near, much, MUCH);
    CHECK_GT(n, 0);
    CHECK_LT(n, MUCH);
    ssize_t more;
    while ((more = kt_stream_write_nowait(p.near, much + n, (size_t)(MUCH - n))) > 0)
        n += more;
    CHECK_EQ(more, 0);
    CHECK_LT(n, MUCH);
    char *all = kt_alloc((size_t)n);
    CHECK_OK(kt_stream_read_exactly(p.far, all, (size_t)n));
    CHECK_MEM(all, much, n);
    kt_free(all);
    CHECK_ERR(kt_stream_write_some(p.near, much, 0), -EINVAL);
    CHECK_ERR(kt_stream_write_nowait(p.near, much, 0), -EINVAL);
}

KT_FN(writes_some, a, struct { kt_stream *s; })
{
    ssize_t n;
    while ((n = kt_stream_write_some(a->s, much, MUCH)) > 0)
        ;
    return (int)n;
}

TEST_STREAMS(a_cancelled_write_of_some_leaves_the_stream_as_it_was, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_of(in_memory);
    char bytes[4096];
    kt_task *writer = spawn(KT_WITH(writes_some, p.near));
    turns(6);
    kt_task_cancel(writer);
    CHECK_ERR(kt_task_join(writer), KT_ECANCELED);
    for (int i = 0; i < 256; i++)
        CHECK_OK(kt_stream_read_exactly(p.far, bytes, in_memory ? 1024 : 256));
    CHECK_OK(kt_stream_write(p.near, "x", 1));
    kt_stream_close(kt_steal(p.far));
    ssize_t n = kt_stream_write_nowait(p.near, "x", 1);
    CHECK(n == -EPIPE || n == -ECONNRESET);
    CHECK_ERR(kt_stream_write_some(p.near, "x", 1), KT_EINVALIDSTATE);
}

TEST_WITH(a_full_pipe_has_no_room_and_nobody_waits, KT_TEST_REAL_IO)
{
    int fds[2];
    kt_auto(kt_stream) *out = NULL;
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    CHECK_OK(kt_stream_from_fd(fds[1], &out));
    ssize_t n;
    while ((n = kt_stream_write_nowait(out, much, 65536)) > 0)
        ;
    CHECK_EQ(n, 0);
    close(fds[0]);
}

/* ---- Torn -------------------------------------------------------------------------------- */

static int writes_nothing(void *arg)
{
    kt_stream *s = arg;
    CHECK_OK(kt_stream_write(s, "", 0));
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_stream_write(s, "", 0), KT_ECANCELED);
    CHECK_ERR(kt_stream_writev(s, NULL, 0), KT_ECANCELED);
    CHECK_ERR(kt_stream_sendfile(s, -1, 0, 0, 0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    return kt_stream_write(s, "x", 1);
}

TEST_STREAMS(to_write_nothing_is_a_cancellation_point, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    CHECK_OK(kt_task_join(spawn(writes_nothing, p.near, 0)));
    char x;
    CHECK_OK(kt_stream_read_exactly(p.far, &x, 1));
    CHECK_EQ(x, 'x');
}

static int writes_nothing_for_ever(void *arg)
{
    int rc = 0;
    while (rc == 0)
        rc = kt_stream_write(arg, "", 0);
    return rc;
}

TEST_STREAMS(who_writes_nothing_again_and_again_lets_others_run, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_task *t = spawn(writes_nothing_for_ever, p.near, 0);
    for (int i = 0; i < 5; i++)
        CHECK_OK(kt_sleep(0));
    kt_stream_close(kt_steal(p.near));
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
}

TEST_STREAMS(after_a_write_cancelled_in_the_middle_no_write_is_possible, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_task *writer = spawn(KT_WITH(writes, p.near, much, MUCH, NULL));
    turns(6);
    kt_task_cancel(writer);
    CHECK_ERR(kt_task_join(writer), KT_ECANCELED);
    CHECK_ERR(kt_stream_write(p.near, "x", 1), KT_EINVALIDSTATE);
    char bytes[100];
    CHECK_EQ(kt_stream_read(p.far, bytes, sizeof bytes), 100); /* what was written is there */
}

TEST_STREAMS(a_peer_that_is_gone_is_an_error, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_stream_close(kt_steal(p.far));
    CHECK_ERR(kt_stream_write(p.near, "x", 1), -EPIPE);
    CHECK_ERR(kt_stream_write(p.near, "x", 1), KT_EINVALIDSTATE);
}

TEST_STREAMS(a_peer_that_goes_away_ends_a_write_that_waits, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_task *writer = spawn(KT_WITH(writes, p.near, much, MUCH, NULL));
    turns(6);
    kt_stream_close(kt_steal(p.far));
    int rc = kt_task_join(writer);
    CHECK(rc == -EPIPE || rc == -ECONNRESET);
}

TEST_STREAMS(writing_after_shutdown_write_fails, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    CHECK_OK(kt_stream_shutdown_write(p.near));
    CHECK_ERR(kt_stream_write(p.near, "x", 1), -EPIPE);
}

/* ---- Closed under somebody's hands ------------------------------------------------------- */

KT_FN(reads, a, struct {
    kt_stream *s;
    char *bytes;
})
{
    return (int)kt_stream_read(a->s, a->bytes, 4);
}

TEST_STREAMS(a_close_ends_reader_and_writer, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_of(in_memory);
    char bytes[4];
    kt_task *reader = spawn(KT_WITH(reads, p.near, bytes));
    kt_task *writer = spawn(KT_WITH(writes, p.near, much, MUCH, NULL));
    turns(6);
    kt_stream_close(kt_steal(p.near));
    CHECK(!kt_task_done(reader) || kt_task_result(reader) == KT_ECLOSED);
    CHECK_ERR(kt_task_join(reader), KT_ECLOSED);
    CHECK_ERR(kt_task_join(writer), KT_ECLOSED);
}

KT_FN(fills_for_ever, a, struct { kt_stream *s; })
{
    kt_slice bytes;
    ssize_t n;
    while ((n = kt_stream_fill(a->s, 0, 4096, &bytes)) > 0)
        kt_stream_consume(a->s, (size_t)n);
    return (int)n;
}

KT_FN(closes_after_reading, a, struct {
    kt_stream *signal;
    kt_stream *victim;
})
{
    char byte;
    ssize_t n = kt_stream_read(a->signal, &byte, 1);
    kt_stream_close(a->victim);
    return (int)n;
}

/* Closer and reader are woken by the same look at the kernel, the closer first: the reader must not
 * look at a stream that is gone, and one that reads only once must be told. */
TEST_WITH(a_close_between_a_readers_wake_up_and_its_turn_is_safe, KT_TEST_REAL_TIME)
{
    for (int i = 0; i < 20; i++) {
        kt_auto(pair) signal = pair_open(), p = pair_open();
        kt_task *closer = spawn(KT_WITH(closes_after_reading, signal.near, p.near));
        char bytes[4];
        kt_task *reader = i % 2 ? spawn(KT_WITH(reads, p.near, bytes)) : spawn(KT_WITH(fills_for_ever, p.near));
        p.near = NULL;
        turns(3);
        CHECK_EQ(write(kt_stream_fd(signal.far), "x", 1), 1);
        CHECK_EQ(write(kt_stream_fd(p.far), "data", 4), 4);
        CHECK_EQ(kt_task_join(closer), 1);
        CHECK_ERR(kt_task_join(reader), KT_ECLOSED);
    }
}

TEST(a_close_outranks_what_has_just_come_or_gone)
{
    char bytes[4];
    kt_auto(pair) p = pair_of(true), q = pair_of(true);
    kt_task *reader = spawn(KT_WITH(reads, p.near, bytes));
    turns(3);
    say(p.far, "data");
    kt_stream_close(kt_steal(p.near));
    CHECK_ERR(kt_task_join(reader), KT_ECLOSED);
    kt_task *writer = spawn(KT_WITH(writes, q.near, much, 256 * 1024 + 4, NULL));
    turns(3);
    CHECK_EQ(kt_stream_read(q.far, much, 200 * 1024), 200 * 1024);
    kt_stream_close(kt_steal(q.near));
    CHECK_ERR(kt_task_join(writer), KT_ECLOSED);
}

KT_FN(writes_for_ever, a, struct { kt_stream *s; })
{
    int rc;
    while ((rc = kt_stream_write(a->s, much, 4096)) == 0)
        ;
    return rc;
}

/* Neither ever has to wait, so the close comes in the pause that a busy stream gives to others. */
TEST_WITH(a_busy_reader_and_writer_can_be_closed_from_outside, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_open();
    kt_task *reader = spawn(KT_WITH(fills_for_ever, p.near));
    kt_task *writer = spawn(KT_WITH(writes_for_ever, p.far));
    CHECK_OK(kt_sleep(KT_MS(20)));
    kt_stream_close(kt_steal(p.near));
    CHECK_ERR(kt_task_join(reader), KT_ECLOSED);
    int rc = kt_task_join(writer);
    CHECK(rc == -EPIPE || rc == -ECONNRESET);
}

TEST_STREAMS(a_cancelled_writer_may_be_closed_before_it_runs, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_task *writer = spawn(KT_WITH(writes, p.near, much, MUCH, NULL));
    turns(4);
    kt_task_cancel(writer);
    kt_stream_close(kt_steal(p.near));
    CHECK_ERR(kt_task_join(writer), KT_ECANCELED);
}

static int closes_cancelled(void *arg)
{
    kt_task_cancel(kt_task_current());
    kt_stream_close(arg);
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    return 0;
}

TEST_STREAMS(a_cancelled_task_can_close, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_of(in_memory);
    char bytes[4];
    kt_task *reader = spawn(KT_WITH(reads, p.near, bytes));
    turns(3);
    CHECK_OK(kt_task_join(spawn(closes_cancelled, kt_steal(p.near), 0)));
    CHECK_ERR(kt_task_join(reader), KT_ECLOSED);
}

TEST_WITH(closing_nothing_is_allowed, KT_TEST_REAL_IO)
{
    kt_auto(kt_stream) *none = NULL;
    kt_stream_close(NULL);
    kt_listener_close(NULL);
    CHECK(none == NULL);
}

/* ---- Sim --------------------------------------------------------------------------------- */

TEST(the_simulated_driver_refuses_streams)
{
    kt_stream *s = NULL, *both[2] = {NULL, NULL};
    kt_listener *l = NULL;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("for sim only");
    CHECK_ERR(kt_stream_pair(both), KT_ENOTSIM);
    CHECK_ERR(kt_stream_from_fd(0, &s), KT_ENOTSIM);
    CHECK_ERR(kt_stream_connect("127.0.0.1", 1, &s), KT_ENOTSIM);
    CHECK_STR(kt_error_detail(), "connect to 127.0.0.1");
    CHECK_ERR(kt_stream_connect_unix("/x", &s), KT_ENOTSIM);
    CHECK_ERR(kt_listen("127.0.0.1", 0, NULL, &l), KT_ENOTSIM);
    CHECK_ERR(kt_listen_unix("/x", NULL, &l), KT_ENOTSIM);
    CHECK(!s && !l && !both[0] && !both[1]);
}
