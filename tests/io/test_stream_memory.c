/* SPDX-License-Identifier: MIT */
/* What only pairs in memory have: a capacity, and feeding by hand. */
#include "stream_pair.h"

static pair small(size_t capacity)
{
    kt_stream *ends[2];
    CHECK_OK(kt_stream_memory_pair(capacity, ends));
    return (pair){ends[0], ends[1]};
}

KT_FN(writes, a, struct {
    kt_stream *s;
    const char *text;
})
{
    return kt_stream_write(a->s, a->text, strlen(a->text));
}

KT_FN(reads, a, struct { kt_stream *s; })
{
    char bytes[4];
    return (int)kt_stream_read(a->s, bytes, sizeof bytes);
}

TEST(a_writer_waits_at_the_capacity_until_half_is_free)
{
    kt_auto(pair) p = small(8);
    char bytes[16];
    kt_task *writer = spawn(KT_WITH(writes, p.near, "0123456789abcdef"));
    turns(1);
    CHECK_EQ(kt_stream_read(p.far, bytes, 3), 3);
    turns(1);
    CHECK_EQ(kt_stream_write_nowait(p.far, "the other way is free", 21), 8);
    CHECK_EQ(kt_stream_read(p.far, bytes + 3, 1), 1);
    turns(1);
    CHECK_OK(kt_stream_read_exactly(p.far, bytes + 4, 12));
    CHECK_MEM(bytes, "0123456789abcdef", 16);
    CHECK_OK(kt_task_join(writer));
}

/* Every size against every place in the ring. */
TEST(bytes_stay_in_order_around_the_ring)
{
    for (size_t capacity = 1; capacity < 8; capacity++) {
        kt_auto(pair) p = small(capacity);
        size_t written = 0, taken = 0;
        for (int i = 0; i < 500; i++) {
            char out[8], in[8];
            for (size_t j = 0; j < 8; j++)
                out[j] = (char)(written + j);
            ssize_t n = kt_stream_write_nowait(p.near, out, (size_t)i % 7 + 1);
            CHECK_LE(n, capacity);
            written += (size_t)n;
            n = written > taken ? kt_stream_read(p.far, in, (size_t)i % 5 + 1) : 0;
            for (ssize_t j = 0; j < n; j++)
                CHECK_EQ(in[j], (char)(taken + (size_t)j));
            taken += (size_t)n;
        }
        CHECK_GT(taken, 400);
    }
}

TEST(a_reader_is_fed_by_hand)
{
    kt_auto(pair) p = small(8);
    char bytes[8];
    kt_task *reader = spawn(KT_WITH(reads, p.near));
    turns(1);
    CHECK_OK(kt_stream_feed(p.near, "abc", 3));
    CHECK_EQ(kt_task_join(reader), 3);
    CHECK_OK(kt_stream_feed(p.near, "0123", 4));
    CHECK_ERR(kt_stream_feed(p.near, "45678", 5), KT_EFULL); /* all or nothing */
    CHECK_OK(kt_stream_feed(p.near, "4567", 4));
    kt_stream_feed_end(p.near);
    kt_stream_feed_end(p.near);
    CHECK_ERR(kt_stream_feed(p.near, "8", 1), KT_EINVALIDSTATE);
    CHECK_OK(kt_stream_read_exactly(p.near, bytes, 8));
    CHECK_MEM(bytes, "01234567", 8);
    CHECK_EQ(kt_stream_read(p.near, bytes, 8), 0);
    CHECK_ERR(kt_stream_write(p.far, "x", 1), -EPIPE);
}

static void feed_end_of(void *s)
{
    kt_stream_feed_end(s);
}

TEST(a_callback_may_feed)
{
    kt_auto(pair) p = small(8);
    char byte;
    kt_callback soon = KT_CALLBACK_INIT;
    kt_call_later(&soon, KT_S(3), feed_end_of, p.near);
    kt_time start = kt_now();
    CHECK_EQ(kt_stream_read(p.near, &byte, 1), 0);
    CHECK_EQ(kt_now() - start, KT_S(3));
}

TEST(an_error_stands_behind_the_bytes_and_stays)
{
    kt_auto(pair) p = small(8);
    char bytes[8];
    CHECK_OK(kt_stream_feed(p.near, "last", 4));
    kt_stream_feed_error(p.near, -ECONNRESET);
    kt_stream_feed_error(p.near, -EIO);
    CHECK_EQ(kt_stream_read(p.near, bytes, 8), 4);
    CHECK_ERR(kt_stream_read(p.near, bytes, 8), -ECONNRESET);
    CHECK_ERR(kt_stream_read_exactly(p.near, bytes, 1), -ECONNRESET);
    CHECK(!kt_stream_at_eof(p.near));
    CHECK_ERR(kt_stream_write(p.near, "x", 1), -ECONNRESET);
    CHECK_ERR(kt_stream_write(p.far, "x", 1), -EPIPE);
}

TEST(an_error_wakes_those_who_wait)
{
    kt_auto(pair) p = small(4);
    kt_task *reader = spawn(KT_WITH(reads, p.near));
    kt_task *writer = spawn(KT_WITH(writes, p.near, "more than there is room for"));
    turns(1);
    kt_stream_feed_error(p.near, -ETIMEDOUT);
    CHECK_ERR(kt_task_join(reader), -ETIMEDOUT);
    CHECK_ERR(kt_task_join(writer), -ETIMEDOUT);
}

/* Bytes and a cancellation in one pass: the reader has nothing, and the bytes are there. */
TEST(a_cancelled_read_has_taken_nothing)
{
    kt_auto(pair) p = small(8);
    char bytes[8];
    kt_task *reader = spawn(KT_WITH(reads, p.near));
    turns(1);
    CHECK_OK(kt_stream_feed(p.near, "abc", 3));
    kt_task_cancel(reader);
    CHECK_ERR(kt_task_join(reader), KT_ECANCELED);
    CHECK_EQ(kt_stream_read(p.near, bytes, 8), 3);
}

TEST(a_stream_in_memory_is_a_cancellation_point_and_gives_turns)
{
    kt_auto(pair) p = small(0);
    unsigned others = 0;
    kt_task *other = spawn(KT_WITH(reads, p.near));
    for (int i = 0; i < 1000 && !kt_task_done(other); i++, others++)
        CHECK_OK(kt_stream_write(p.far, "x", 1));
    CHECK_LT(others, 100);
    CHECK_GT(kt_task_join(other), 0);
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_stream_write(p.far, "x", 1), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_OK(kt_stream_write(p.far, "x", 1));
}

KT_FN(reads_one_by_one, a, struct { kt_stream *s; })
{
    char byte;
    ssize_t n;
    while ((n = kt_stream_read(a->s, &byte, 1)) > 0)
        ;
    return (int)n;
}

KT_FN(writes_one_by_one, a, struct { kt_stream *s; })
{
    int rc;
    do {
        rc = kt_stream_write(a->s, "x", 1);
    } while (rc == 0);
    return rc;
}

/* Who gives others a turn is inside, too, whether there are bytes, or room, or not. */
TEST(a_close_ends_those_who_wait_for_their_turn)
{
    static char bytes[100];
    for (size_t n = 1; n < sizeof bytes; n++) {
        kt_auto(pair) p = small(sizeof bytes);
        CHECK_OK(kt_stream_write(p.far, bytes, n));
        CHECK_OK(kt_stream_write(p.near, bytes, n));
        kt_task *reader = spawn(KT_WITH(reads_one_by_one, p.near));
        kt_task *writer = spawn(KT_WITH(writes_one_by_one, p.near));
        turns(1 + (int)n % 3);
        kt_stream_close(kt_steal(p.near));
        CHECK_ERR(kt_task_join(reader), KT_ECLOSED);
        CHECK_ERR(kt_task_join(writer), KT_ECLOSED);
    }
}

TEST(streams_in_memory_have_no_descriptor)
{
    kt_auto(pair) p = small(8);
    struct sockaddr_storage address;
    socklen_t size;
    CHECK_EQ(kt_stream_fd(p.near), -1);
    CHECK_ERR(kt_stream_peer(p.near, &address, &size), -EBADF);
}

TEST(no_memory_for_a_pair_leaves_nothing)
{
    kt_stream *ends[2] = {NULL, NULL};
    for (uint64_t nth = 1; nth <= 3; nth++) {
        kt_test_fail_allocation(nth);
        CHECK_ERR(kt_stream_memory_pair(8, ends), -ENOMEM);
        CHECK(ends[0] == NULL && ends[1] == NULL);
    }
    CHECK_ERR(kt_stream_memory_pair(SIZE_MAX / 2, ends), -ENOMEM);
}

TEST_DIES(feeding_a_socket, KT_TEST_REAL_IO, "kt_stream_feed: the stream is no end of a memory pair")
{
    kt_auto(pair) p = pair_open();
    CHECK_OK(kt_stream_feed(p.near, "x", 1));
}

TEST_DIES(two_readers_in_memory, 0, "reads from it already")
{
    kt_auto(pair) p = small(8);
    kt_task *reader = spawn(KT_WITH(reads, p.near));
    turns(1);
    char byte;
    CHECK_OK(kt_stream_read(p.near, &byte, 1));
    CHECK_OK(kt_task_join(reader));
}
