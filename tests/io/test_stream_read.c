/* SPDX-License-Identifier: MIT */
#include "stream_pair.h"

#include <fcntl.h>

/* ---- Some, exactly ----------------------------------------------------------------------- */

TEST_STREAMS(read_takes_what_is_there, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    char bytes[16];
    say(p.far, "tea");
    CHECK_EQ(kt_stream_read(p.near, bytes, sizeof bytes), 3);
    CHECK_MEM(bytes, "tea", 3);
    say(p.far, "coffee");
    CHECK_EQ(kt_stream_read(p.near, bytes, 2), 2);
    CHECK_EQ(kt_stream_read(p.near, bytes + 2, sizeof bytes - 2), 4);
    CHECK_MEM(bytes, "coffee", 6);
    CHECK_EQ(kt_stream_read(p.near, bytes, 0), -EINVAL);
}

TEST_STREAMS(the_end_of_file_is_0_again_and_again, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    char bytes[16];
    say(p.far, "last");
    CHECK_OK(kt_stream_shutdown_write(p.far));
    CHECK_EQ(kt_stream_read(p.near, bytes, sizeof bytes), 4);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(kt_stream_read(p.near, bytes, sizeof bytes), 0);
    say(p.near, "still there"); /* the other direction goes on */
    CHECK_EQ(kt_stream_read(p.far, bytes, sizeof bytes), 11);
}

KT_FN(writes_later, a, struct {
    kt_stream *s;
    const char *text;
    bool then_ends;
})
{
    int rc = kt_sleep(0);
    if (rc == 0)
        rc = kt_sleep(0);
    if (rc == 0)
        rc = kt_stream_write(a->s, a->text, strlen(a->text));
    if (rc == 0 && a->then_ends)
        rc = kt_stream_shutdown_write(a->s);
    return rc;
}

/* Bytes and end arrive together, after the reader began to wait: no second event tells of the end. */
TEST_STREAMS(an_end_right_behind_the_bytes_is_seen, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    char bytes[64];
    kt_task *writer = spawn(KT_WITH(writes_later, p.far, "all of it", true));
    CHECK_EQ(kt_stream_read(p.near, bytes, sizeof bytes), 9);
    CHECK_EQ(kt_stream_read(p.near, bytes, sizeof bytes), 0);
    CHECK_OK(kt_task_join(writer));
}

TEST_STREAMS(read_exactly_waits_for_all, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    char bytes[9];
    say(p.far, "012");
    kt_task *writer = spawn(KT_WITH(writes_later, p.far, "345678", false));
    CHECK_OK(kt_stream_read_exactly(p.near, bytes, 9));
    CHECK_MEM(bytes, "012345678", 9);
    CHECK_OK(kt_task_join(writer));
    CHECK_OK(kt_stream_read_exactly(p.near, bytes, 0));
}

TEST_STREAMS(an_incomplete_unit_stays_readable, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    char bytes[16] = "untouched";
    say(p.far, "half");
    CHECK_OK(kt_stream_shutdown_write(p.far));
    CHECK_ERR(kt_stream_read_exactly(p.near, bytes, 9), KT_EINCOMPLETE);
    CHECK_STR(bytes, "untouched");
    CHECK_STR(kt_error_detail(), "end of file after 4 of 9 bytes");
    CHECK_OK(kt_stream_read_exactly(p.near, bytes, 4));
    CHECK_MEM(bytes, "half", 4);
    CHECK_ERR(kt_stream_read_exactly(p.near, bytes, 1), KT_EINCOMPLETE);
}

/* ---- Until, lines ------------------------------------------------------------------------ */

TEST_STREAMS(lines_come_without_their_ends, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    static const char *const lines[] = {"one", "two", "", "a\rb", "last"};
    kt_slice line;
    say(p.far, "one\ntwo\r\n\r\na\rb\nlast");
    CHECK_OK(kt_stream_shutdown_write(p.far));
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(kt_stream_read_line(p.near, 100, &line), 1);
        CHECK_SLICE(line, lines[i]);
    }
    line = kt_slice_from("untouched");
    CHECK_EQ(kt_stream_read_line(p.near, 100, &line), 0);
    CHECK_SLICE(line, "untouched");
}

TEST_WITH(a_line_arrives_in_pieces_of_a_byte, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_open();
    kt_slice line;
    static const char text[] = "abc\r\nd\n";
    for (int i = 0; text[i]; i++)
        CHECK_EQ(write(kt_stream_fd(p.far), &text[i], 1), 1);
    CHECK_EQ(kt_stream_read_line(p.near, 10, &line), 1);
    CHECK_SLICE(line, "abc");
    CHECK_EQ(kt_stream_read_line(p.near, 10, &line), 1);
    CHECK_SLICE(line, "d");
}

TEST_STREAMS(a_line_at_its_limit_passes_and_one_byte_more_does_not, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_slice line;
    char rest[8];
    say(p.far, "1234\n12345\n");
    CHECK_EQ(kt_stream_read_line(p.near, 5, &line), 1);
    CHECK_SLICE(line, "1234");
    CHECK_ERR(kt_stream_read_line(p.near, 5, &line), KT_ELIMIT);
    CHECK_ERR(kt_stream_read_line(p.near, 5, &line), KT_ELIMIT);
    CHECK_OK(kt_stream_read_exactly(p.near, rest, 6)); /* it is all still there */
    CHECK_MEM(rest, "12345\n", 6);
}

TEST_STREAMS(a_line_that_never_ends_stops_at_its_limit, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_slice line;
    static char much[100000];
    memset(much, 'x', sizeof much);
    CHECK_OK(kt_stream_write(p.far, much, sizeof much));
    CHECK_ERR(kt_stream_read_line(p.near, 65536, &line), KT_ELIMIT);
}

/* A separator that is torn between two reads, at each of its places. */
TEST_STREAMS(a_separator_may_be_torn_anywhere, KT_TEST_REAL_IO)
{
    for (size_t cut = 1; cut < 9; cut++) {
        kt_auto(pair) p = pair_of(in_memory);
        static const char text[] = "ab--END--rest";
        kt_slice found;
        char head[16] = "";
        memcpy(head, text, cut + 2);
        say(p.far, head);
        kt_task *writer = spawn(KT_WITH(writes_later, p.far, text + cut + 2, false));
        CHECK_EQ(kt_stream_read_until(p.near, kt_slice_from("--END--"), 64, &found), 1);
        CHECK_SLICE(found, "ab--END--");
        CHECK_OK(kt_task_join(writer));
        CHECK_OK(kt_stream_read_exactly(p.near, head, 4));
        CHECK_MEM(head, "rest", 4);
    }
}

TEST_STREAMS(a_separator_that_never_comes_leaves_the_bytes, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_slice found;
    char bytes[4];
    say(p.far, "tea");
    CHECK_OK(kt_stream_shutdown_write(p.far));
    CHECK_ERR(kt_stream_read_until(p.near, kt_slice_from(";"), 64, &found), KT_EINCOMPLETE);
    CHECK_EQ(kt_stream_read(p.near, bytes, 4), 3);
    CHECK_EQ(kt_stream_read_until(p.near, kt_slice_from(";"), 64, &found), 0);
}

TEST_STREAMS(separators_have_1_to_16_bytes, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_slice found;
    say(p.far, "x0123456789abcdef");
    CHECK_ERR(kt_stream_read_until(p.near, kt_slice_from(""), 64, &found), -EINVAL);
    CHECK_ERR(kt_stream_read_until(p.near, kt_slice_from("0123456789abcdefg"), 64, &found), -EINVAL);
    CHECK_EQ(kt_stream_read_until(p.near, kt_slice_from("0123456789abcdef"), 64, &found), 1);
    CHECK_SLICE(found, "x0123456789abcdef");
}

static void check_until_any(bool in_memory, const char *text, const char *expected, int which)
{
    static const kt_slice separators[] = {{"\r\n\r\n", 4}, {"\n", 1}, {"END", 3}, {"ND", 2}};
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        kt_auto(pair) p = pair_of(in_memory);
        kt_slice found = {NULL, 0};
        CHECK_OK(kt_stream_write(p.far, text, cut));
        kt_task *writer = spawn(KT_WITH(writes_later, p.far, text + cut, true));
        CHECK_EQ(kt_stream_read_until_any(p.near, separators, 4, 64, &found), which);
        if (which > 0)
            CHECK_SLICE(found, expected);
        CHECK_OK(kt_task_join(writer));
    }
}

/* As CPython 3.13 does: the earliest end wins, and the shorter one where two end together; however the bytes
 * arrive. */
TEST_STREAMS(of_several_separators_the_one_that_ends_first_wins, KT_TEST_REAL_IO)
{
    check_until_any(in_memory, "head\r\n\r\nbody", "head\r\n", 2);
    check_until_any(in_memory, "an END\nline", "an END", 4);
    check_until_any(in_memory, "aND then END", "aND", 4);
    check_until_any(in_memory, "a\n", "a\n", 2);
    check_until_any(in_memory, "none of them", "", KT_EINCOMPLETE);
    check_until_any(in_memory, "", "", 0);
}

TEST_STREAMS(a_separator_that_begins_later_may_end_first, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    const kt_slice separators[] = {{"bcde", 4}, {"c", 1}};
    kt_slice found;
    say(p.far, "abcdef");
    CHECK_EQ(kt_stream_read_until_any(p.near, separators, 2, 64, &found), 2);
    CHECK_SLICE(found, "abc");
    CHECK_ERR(kt_stream_read_until_any(p.near, separators, 2, 3, &found), KT_ELIMIT);
    CHECK_ERR(kt_stream_read_until_any(p.near, separators, 0, 64, &found), -EINVAL);
    CHECK_SLICE(kt_stream_buffered(p.near), "def"); /* it is all still there */
}

TEST_STREAMS(the_end_is_known_once_a_read_has_met_it, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    char byte;
    CHECK_SLICE(kt_stream_buffered(p.near), "");
    say(p.far, "a\nb");
    CHECK_OK(kt_stream_shutdown_write(p.far));
    kt_slice line;
    CHECK_EQ(kt_stream_read_line(p.near, 64, &line), 1);
    CHECK(!kt_stream_at_eof(p.near));
    CHECK_SLICE(kt_stream_buffered(p.near), "b");
    CHECK_EQ(kt_stream_read_line(p.near, 64, &line), 1);
    CHECK(kt_stream_at_eof(p.near));
    CHECK_EQ(kt_stream_read(p.near, &byte, 1), 0);
}

/* ---- The layer below --------------------------------------------------------------------- */

TEST_STREAMS(fill_shows_more_than_was_there_or_the_end, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = pair_of(in_memory);
    kt_slice bytes;
    say(p.far, "abc");
    CHECK_EQ(kt_stream_fill(p.near, 0, 100, &bytes), 3);
    CHECK_SLICE(bytes, "abc");
    CHECK_EQ(kt_stream_fill(p.near, 1, 100, &bytes), 3); /* no need to read */
    say(p.far, "de");
    CHECK_EQ(kt_stream_fill(p.near, 3, 100, &bytes), 5);
    CHECK_SLICE(bytes, "abcde");
    kt_stream_consume(p.near, 2);
    CHECK_ERR(kt_stream_fill(p.near, 3, 3, &bytes), KT_ELIMIT);
    CHECK_OK(kt_stream_shutdown_write(p.far));
    CHECK_EQ(kt_stream_fill(p.near, 3, 100, &bytes), 3);
    CHECK_SLICE(bytes, "cde");
    kt_stream_consume(p.near, 100);
    CHECK_EQ(kt_stream_fill(p.near, 0, 100, &bytes), 0);
}

/* ---- Cancelled --------------------------------------------------------------------------- */

KT_FN(reads_exactly, a, struct {
    kt_stream *s;
    char *bytes;
    size_t size;
})
{
    return kt_stream_read_exactly(a->s, a->bytes, a->size);
}

TEST_STREAMS(a_cancelled_read_keeps_what_it_has_received, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_of(in_memory);
    char bytes[10] = "", all[10];
    kt_task *reader = spawn(KT_WITH(reads_exactly, p.near, bytes, 10));
    turns(2);
    say(p.far, "0123");
    turns(4);
    kt_task_cancel(reader);
    CHECK_ERR(kt_task_join(reader), KT_ECANCELED);
    say(p.far, "456789");
    CHECK_OK(kt_stream_read_exactly(p.near, all, 10));
    CHECK_MEM(all, "0123456789", 10);
}

KT_FN(reads_and_tells, a, struct {
    kt_stream *s;
    char *bytes;
    int *rc;
})
{
    return *a->rc = kt_stream_read_exactly(a->s, a->bytes, 4);
}

/* Cancelled in the very pass in which bytes arrive: either the read has them, or the next one. */
TEST_WITH(a_read_that_races_with_its_cancellation_loses_nothing, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_open();
    for (int i = 0; i < 200; i++) {
        char bytes[8] = "", rest[8] = "";
        int rc = KT_ECANCELED;
        kt_task *reader = spawn(KT_WITH(reads_and_tells, p.near, bytes, &rc));
        turns(i % 3);
        CHECK_EQ(write(kt_stream_fd(p.far), "0123", 4), 4);
        turns(i % 2);
        kt_task_cancel(reader);
        int end = kt_task_join(reader);
        CHECK(end == 0 || end == KT_ECANCELED);
        CHECK(rc == 0 || rc == KT_ECANCELED);
        if (rc < 0)
            CHECK_OK(kt_stream_read_exactly(p.near, rest, 4));
        CHECK_MEM(rc < 0 ? rest : bytes, "0123", 4);
    }
}

TEST_STREAMS(a_read_has_the_deadline_of_its_scope, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_of(in_memory);
    char byte;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(10));
    CHECK_ERR(kt_timeout_end(&limit, (int)kt_stream_read(p.near, &byte, 1)), KT_ETIMEDOUT);
    say(p.far, "x");
    CHECK_EQ(kt_stream_read(p.near, &byte, 1), 1);
}

/* ---- Pipes ------------------------------------------------------------------------------- */

TEST_WITH(the_ends_of_a_pipe_are_streams, KT_TEST_REAL_IO)
{
    int fds[2];
    kt_auto(kt_stream) *in = NULL;
    kt_auto(kt_stream) *out = NULL;
    kt_slice line;
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    CHECK_OK(kt_stream_from_fd(fds[0], &in));
    CHECK_OK(kt_stream_from_fd(fds[1], &out));
    CHECK_EQ(kt_stream_fd(in), fds[0]);
    kt_task *writer = spawn(KT_WITH(writes_later, out, "through the pipe\n", false));
    CHECK_EQ(kt_stream_read_line(in, 100, &line), 1);
    CHECK_SLICE(line, "through the pipe");
    CHECK_OK(kt_task_join(writer));
    kt_stream_close(kt_steal(out));
    CHECK_EQ(kt_stream_read_line(in, 100, &line), 0);
}

TEST_WITH(a_pipe_that_nobody_reads_is_an_error_not_a_signal, KT_TEST_REAL_IO)
{
    int fds[2];
    kt_auto(kt_stream) *out = NULL;
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    CHECK_OK(kt_stream_from_fd(fds[1], &out));
    close(fds[0]);
    CHECK_ERR(kt_stream_write(out, "x", 1), -EPIPE);
}

TEST_WITH(what_is_no_stream_is_refused_and_stays_the_callers, KT_TEST_REAL_IO)
{
    kt_stream *s = NULL;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), folder = open("/", O_RDONLY | O_CLOEXEC);
    CHECK_ERR(kt_stream_from_fd(file, &s), -EINVAL);
    CHECK_ERR(kt_stream_from_fd(folder, &s), -EINVAL);
    CHECK_EQ(close(file), 0);
    CHECK_EQ(close(folder), 0);
    CHECK_ERR(kt_stream_from_fd(file, &s), -EBADF);
    CHECK(s == NULL);
}

TEST_WITH(a_socket_of_messages_is_no_stream, KT_TEST_REAL_IO)
{
    kt_stream *s = NULL;
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_ERR(kt_stream_from_fd(fds[0], &s), -EINVAL);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(close(fds[1]), 0);
    CHECK(s == NULL);
}
