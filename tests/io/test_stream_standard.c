/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Standard input and output as streams. */

/* What stood at a number, to be put back. */
typedef struct replaced {
    int number, before;
} replaced;

static replaced replace(int number, int fd)
{
    replaced r = {number, fcntl(number, F_DUPFD_CLOEXEC, 100)};
    CHECK_GE(r.before, 100);
    if (fd >= 0)
        CHECK_EQ(dup2(fd, number), number);
    else
        close(number);
    return r;
}

static void replaced_cleanup(const replaced *r)
{
    dup2(r->before, r->number);
    close(r->before);
}

static kt_stream *standard(int number)
{
    kt_stream *s = NULL;
    CHECK_OK(kt_stream_standard(number, &s));
    return s;
}

static bool blocks(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

static void check_line(kt_stream *s, const char *expected)
{
    kt_slice line;
    CHECK_EQ(kt_stream_read_line(s, 1000, &line), 1);
    CHECK_SLICE(line, expected);
}

TEST_WITH(lines_come_from_a_pipe_that_stays_as_it_was, KT_TEST_REAL_IO)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    kt_auto(replaced) r = replace(0, ends[0]);
    (void)r;
    close(ends[0]);
    CHECK_EQ(write(ends[1], "one\ntwo\n", 8), 8);
    kt_stream *s = standard(0);
    check_line(s, "one");
    check_line(s, "two");
    CHECK(blocks(0)); /* for whoever else has it */
    CHECK_EQ(write(ends[1], "three", 5), 5);
    close(ends[1]);
    check_line(s, "three");
    char byte;
    CHECK_EQ(kt_stream_read(s, &byte, 1), 0);
    kt_stream_close(s);
    CHECK_EQ(read(0, &byte, 1), 0); /* it is open still */
}

TEST_WITH(lines_come_from_a_file, KT_TEST_REAL_IO)
{
    int fd = memfd_create("lines", MFD_CLOEXEC);
    CHECK_EQ(write(fd, "no\none\ntwo", 10), 10);
    CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
    kt_auto(replaced) r = replace(0, fd);
    (void)r;
    kt_auto(kt_stream) *s = standard(0);
    check_line(s, "one");
    check_line(s, "two");
    char byte;
    CHECK_EQ(kt_stream_read(s, &byte, 1), 0);
    CHECK(kt_stream_at_eof(s));
    CHECK_ERR(kt_stream_shutdown_write(s), -ENOTSOCK);
    close(fd);
}

TEST_WITH(a_file_is_written_behind_what_is_there, KT_TEST_REAL_IO)
{
    enum { MUCH = 3000000 };
    static char much[MUCH], back[MUCH + 10];
    for (size_t i = 0; i < MUCH; i++)
        much[i] = (char)(i * 7 + i / 251);
    int fd = memfd_create("output", MFD_CLOEXEC);
    CHECK_EQ(write(fd, "before ", 7), 7);
    {
        kt_auto(replaced) r = replace(1, fd);
        (void)r;
        kt_auto(kt_stream) *s = standard(1);
        const struct iovec pieces[] = {{much, 1000}, {much + 1000, MUCH - 1000}};
        CHECK_OK(kt_stream_writev(s, pieces, 2));
        CHECK_EQ(kt_stream_write_nowait(s, "x", 1), 0);
    }
    CHECK_EQ(pread(fd, back, sizeof back, 0), MUCH + 7);
    CHECK_MEM(back, "before ", 7);
    CHECK(memcmp(back + 7, much, MUCH) == 0);
    close(fd);
}

static void check_device(const char *path, int error)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char byte;
    CHECK_GE(fd, 0);
    kt_auto(replaced) in = replace(0, fd);
    (void)in;
    kt_auto(replaced) out = replace(1, fd);
    (void)out;
    kt_auto(kt_stream) *reader = standard(0);
    kt_auto(kt_stream) *writer = standard(1);
    CHECK_EQ(kt_stream_read(reader, &byte, 1), error == 0 ? 0 : 1);
    CHECK_ERR(kt_stream_write(writer, "tea", 3), error);
    close(fd);
}

TEST_WITH(devices_that_no_driver_waits_for_work, KT_TEST_REAL_IO)
{
    check_device("/dev/null", 0);
    check_device("/dev/full", -ENOSPC);
}

static int reads_line(void *arg)
{
    kt_slice line;
    return kt_stream_read_line(arg, 100, &line);
}

TEST_WITH(a_terminal_is_waited_for_and_stays_as_it_was, KT_TEST_REAL_TIME)
{
    int user, fd;
    CHECK_EQ(openpty(&user, &fd, NULL, NULL, NULL), 0);
    {
        kt_auto(replaced) in = replace(0, fd);
        (void)in;
        kt_auto(replaced) out = replace(1, fd);
        (void)out;
        kt_auto(kt_stream) *reader = standard(0);
        kt_auto(kt_stream) *writer = standard(1);
        CHECK_ERR(kt_wait_for(KT_MS(5), reads_line, reader, 0), KT_ETIMEDOUT);
        CHECK_EQ(write(user, "tea\n", 4), 4);
        check_line(reader, "tea");
        CHECK_OK(kt_stream_write(writer, "hot", 3));
        CHECK(blocks(0));
        CHECK(blocks(1));
    }
    close(fd);
    close(user);
}

TEST_WITH(a_socket_blocks_again_after_the_close, KT_TEST_REAL_IO)
{
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    kt_auto(replaced) r = replace(0, ends[0]);
    (void)r;
    kt_stream *s = standard(0);
    CHECK_EQ(write(ends[1], "tea\n", 4), 4);
    check_line(s, "tea");
    kt_stream_close(s);
    CHECK(blocks(0));
    CHECK(blocks(ends[0]));
    close(ends[0]);
    close(ends[1]);
}

TEST_WITH(one_that_did_not_block_goes_on_not_to, KT_TEST_REAL_IO)
{
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    kt_auto(replaced) r = replace(0, ends[0]);
    (void)r;
    kt_stream_close(standard(0));
    CHECK(!blocks(0));
    close(ends[0]);
    close(ends[1]);
}

TEST_WITH(nobody_reads_any_more, KT_TEST_REAL_IO)
{
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    kt_auto(replaced) r = replace(1, ends[1]);
    (void)r;
    close(ends[1]);
    kt_auto(kt_stream) *s = standard(1);
    CHECK_OK(kt_stream_write(s, "tea", 3));
    close(ends[0]);
    CHECK_ERR(kt_stream_write(s, "tea", 3), -EPIPE);
}

TEST_WITH(nobody_has_read_at_all, KT_TEST_REAL_IO)
{
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    kt_auto(replaced) r = replace(1, ends[1]);
    (void)r;
    close(ends[1]);
    close(ends[0]);
    kt_auto(kt_stream) *s = standard(1); /* which cannot be opened again */
    CHECK_ERR(kt_stream_write(s, "tea", 3), -EPIPE);
}

TEST_WITH(what_is_no_stream_is_refused, KT_TEST_REAL_IO)
{
    kt_stream *s = NULL;
    CHECK_ERR(kt_stream_standard(3, &s), -EINVAL);
    CHECK_ERR(kt_stream_standard(-1, &s), -EINVAL);
    {
        kt_auto(replaced) r = replace(0, -1);
        (void)r;
        CHECK_ERR(kt_stream_standard(0, &s), -EBADF);
    }
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    kt_auto(replaced) r = replace(0, fd);
    (void)r;
    CHECK_ERR(kt_stream_standard(0, &s), -EISDIR);
    CHECK(!s);
    close(fd);
}

TEST(there_are_none_under_the_simulated_driver)
{
    kt_stream *s = NULL;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("a real driver");
    CHECK_ERR(kt_stream_standard(0, &s), KT_ENOTSIM);
}

static int copies(kt_stream *from, kt_stream *to)
{
    static char bytes[256 * 1024];
    for (;;) {
        ssize_t n = kt_stream_read(from, bytes, sizeof bytes);
        if (n <= 0)
            return (int)n;
        int rc = kt_stream_write(to, bytes, (size_t)n);
        if (rc < 0)
            return rc;
    }
}

/* As in: dd | program | wc */
TEST_WITH(a_quarter_of_a_gigabyte_goes_through, KT_TEST_REAL_TIME)
{
    const char *const dd[] = {"dd", "if=/dev/zero", "bs=1M", "count=256", "status=none", NULL};
    const char *const wc[] = {"wc", "-c", NULL};
    int in[2], out[2];
    CHECK_EQ(pipe2(in, O_CLOEXEC) + pipe2(out, O_CLOEXEC), 0);
    const kt_process_fd to_dd = {in[1], 1}, to_wc = {out[0], 0};
    const kt_process_options first = {.argv = dd, .fds = &to_dd, .fds_count = 1},
                             last = {.argv = wc, .output = KT_PROCESS_PIPE, .fds = &to_wc, .fds_count = 1};
    kt_auto(kt_process) *a = NULL;
    kt_auto(kt_process) *b = NULL;
    CHECK_OK(kt_process_spawn(&first, &a));
    CHECK_OK(kt_process_spawn(&last, &b));
    close(in[1]);
    close(out[0]);
    {
        kt_auto(replaced) reads = replace(0, in[0]);
        (void)reads;
        kt_auto(replaced) writes = replace(1, out[1]);
        (void)writes;
        kt_auto(kt_stream) *from = standard(0);
        kt_auto(kt_stream) *to = standard(1);
        close(in[0]);
        close(out[1]);
        CHECK_OK(copies(from, to));
    }
    check_line(kt_process_stdout(b), "268435456");
}
