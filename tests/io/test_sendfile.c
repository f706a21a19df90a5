/* SPDX-License-Identifier: MIT */
#include "stream_pair.h"

#include <fcntl.h>
#include <sys/stat.h>

#define LARGE ((size_t)12 * 1024 * 1024) /* more than a trip, and than a socket's buffer */

static char byte_at(size_t i)
{
    return (char)(i * 7 + i / 251 + i / 65536);
}

/* A nameless file with `size` bytes. */
static int file_of(size_t size)
{
    static char block[65536];
    char path[] = "/tmp/kettle-test-sendfile-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    CHECK_GE(fd, 0);
    CHECK_EQ(unlink(path), 0);
    for (size_t at = 0; at < size;) {
        size_t n = size - at < sizeof block ? size - at : sizeof block;
        for (size_t i = 0; i < n; i++)
            block[i] = byte_at(at + i);
        CHECK_EQ(write(fd, block, n), (ssize_t)n);
        at += n;
    }
    return fd;
}

KT_FN(reads, a, struct {
    kt_stream *s;
    size_t from, size; /* which bytes of the file must come */
})
{
    static char block[65536];
    size_t have = 0;
    ssize_t n;
    while ((n = kt_stream_read(a->s, block, sizeof block)) > 0) {
        for (size_t i = 0; i < (size_t)n; i++)
            if (block[i] != byte_at(a->from + have + i))
                return -EBADMSG;
        have += (size_t)n;
    }
    return n < 0 ? (int)n : have == a->size ? 0 : -ENODATA;
}

/* Sends, and checks what arrives. */
static void send_and_check(int file, int64_t offset, int64_t count, size_t expected, bool by_copies)
{
    kt_auto(pair) p = pair_open();
    if (by_copies) /* the system refuses that: sendfile(2), EINVAL */
        CHECK_EQ(fcntl(kt_stream_fd(p.near), F_SETFL, fcntl(kt_stream_fd(p.near), F_GETFL) | O_APPEND), 0);
    kt_task *reader = spawn(KT_WITH(reads, p.far, (size_t)offset, expected));
    unsigned flags = by_copies ? 0 : KT_SENDFILE_NO_FALLBACK;
    CHECK_EQ(kt_stream_sendfile(p.near, file, offset, count, flags), (ssize_t)expected);
    CHECK_OK(kt_stream_shutdown_write(p.near));
    CHECK_OK(kt_task_join(reader));
}

static void in_all_ways(bool by_copies)
{
    int file = file_of(LARGE);
    send_and_check(file, 0, -1, LARGE, by_copies);
    send_and_check(file, 1000, 5, 5, by_copies);
    send_and_check(file, 12345, -1, LARGE - 12345, by_copies);
    send_and_check(file, 0, 300000, 300000, by_copies);
    send_and_check(file, (int64_t)LARGE - 5, 100, 5, by_copies);
    send_and_check(file, (int64_t)LARGE + 5, -1, 0, by_copies);
    send_and_check(file, 0, 0, 0, by_copies);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), (off_t)LARGE); /* its position is as it was */
    close(file);
}

TEST_WITH(a_file_or_a_part_of_it_is_sent, KT_TEST_REAL_TIME)
{
    in_all_ways(false);
}

TEST_WITH(where_the_system_cannot_the_bytes_are_copied, KT_TEST_REAL_TIME)
{
    in_all_ways(true);
}

TEST_WITH(without_the_copy_that_is_an_error_and_nothing_is_sent, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_open();
    int file = file_of(10), fd = kt_stream_fd(p.near);
    char byte;
    CHECK_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND), 0);
    CHECK_ERR(kt_stream_sendfile(p.near, file, 0, -1, KT_SENDFILE_NO_FALLBACK), -EOPNOTSUPP);
    say(p.near, "y");
    CHECK_EQ(kt_stream_read(p.far, &byte, 1), 1);
    CHECK_EQ(byte, 'y');
    close(file);
}

/* The file by as many calls as it takes, of which the first finds nobody who reads. */
static void send_some_at_a_time(bool by_copies)
{
    kt_auto(pair) p = pair_open();
    int file = file_of(LARGE);
    if (by_copies)
        CHECK_EQ(fcntl(kt_stream_fd(p.near), F_SETFL, fcntl(kt_stream_fd(p.near), F_GETFL) | O_APPEND), 0);
    ssize_t n = kt_stream_sendfile(p.near, file, 0, -1, KT_SENDFILE_SOME);
    CHECK_GT(n, 0);
    CHECK_LT(n, (ssize_t)LARGE);
    kt_task *reader = spawn(KT_WITH(reads, p.far, 0, LARGE));
    for (int64_t at = n; n > 0; at += n) {
        n = kt_stream_sendfile(p.near, file, at, -1, KT_SENDFILE_SOME);
        CHECK_GE(n, 0);
        CHECK_EQ(n == 0, at == (int64_t)LARGE);
    }
    CHECK_OK(kt_stream_shutdown_write(p.near));
    CHECK_OK(kt_task_join(reader));
    close(file);
}

TEST_WITH(some_of_a_file_is_what_fits, KT_TEST_REAL_TIME)
{
    send_some_at_a_time(false);
    send_some_at_a_time(true);
}

TEST_WITH(some_that_does_not_fit_at_all_may_be_cancelled_and_tears_nothing, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_open();
    int file = file_of(LARGE);
    int rc;
    do {
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_timeout_start(&limit, KT_MS(50));
        ssize_t n = kt_stream_sendfile(p.near, file, 0, -1, KT_SENDFILE_SOME);
        rc = kt_timeout_end(&limit, n < 0 ? (int)n : 0);
    } while (rc == 0);
    CHECK_EQ(rc, KT_ETIMEDOUT);
    CHECK_EQ(kt_stream_write_nowait(p.near, "x", 1), 0);
    close(file);
}

TEST_WITH(a_descriptors_mode_is_as_before, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_open();
    int file = file_of(10), before = fcntl(kt_stream_fd(p.near), F_GETFL);
    CHECK_EQ(kt_stream_sendfile(p.near, file, 0, -1, 0), 10);
    CHECK_EQ(fcntl(kt_stream_fd(p.near), F_GETFL), before);
    close(file);
}

KT_FN(reads_a_byte, a, struct { kt_stream *s; })
{
    char byte;
    ssize_t n = kt_stream_read(a->s, &byte, 1);
    return n < 0 ? (int)n : byte;
}

/* The descriptor changes its mode under a reader, who must not notice. */
TEST_WITH(the_other_direction_goes_on_meanwhile, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_open();
    int file = file_of(LARGE);
    kt_task *first = spawn(KT_WITH(reads_a_byte, p.near));
    CHECK_OK(kt_sleep(KT_MS(1)));
    kt_task *reader = spawn(KT_WITH(reads, p.far, 0, LARGE));
    say(p.far, "a");
    CHECK_EQ(kt_stream_sendfile(p.near, file, 0, -1, 0), (ssize_t)LARGE);
    CHECK_EQ(kt_task_join(first), 'a');
    CHECK_OK(kt_stream_shutdown_write(p.near));
    CHECK_OK(kt_task_join(reader));
    close(file);
}

TEST_WITH(what_is_no_file_is_told_and_the_stream_is_still_good, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_open();
    int pipes[2], folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), file = file_of(1);
    CHECK_EQ(pipe2(pipes, O_CLOEXEC), 0);
    CHECK_ERR(kt_stream_sendfile(p.near, -1, 0, -1, 0), -EBADF);
    CHECK_ERR(kt_stream_sendfile(p.near, folder, 0, -1, 0), -EISDIR);
    CHECK_ERR(kt_stream_sendfile(p.near, pipes[0], 0, -1, 0), -ESPIPE);
    CHECK_ERR(kt_stream_sendfile(p.near, file, -1, -1, 0), -EINVAL);
    say(p.near, "still good");
    for (int i = 0; i < 2; i++)
        close(pipes[i]);
    close(folder);
    close(file);
}

TEST_WITH(a_peer_that_is_gone_is_a_broken_pipe, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_open();
    int file = file_of(1000);
    kt_stream_close(kt_steal(p.far));
    CHECK_ERR(kt_stream_sendfile(p.near, file, 0, -1, 0), -EPIPE);
    close(file);
}

/* ---- Cancelled, closed, without memory --------------------------------------------------- */

KT_FN(sends, a, struct {
    kt_stream *s;
    int file;
})
{
    ssize_t n = kt_stream_sendfile(a->s, a->file, 0, -1, 0);
    return n < 0 ? (int)n : 0;
}

TEST_WITH(a_transfer_cancelled_in_the_middle_tears_the_stream, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_open();
    int file = file_of(LARGE);
    kt_task *t = spawn(KT_WITH(sends, p.near, file));
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK(!kt_task_done(t)); /* nobody reads */
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_ERR(kt_stream_write(p.near, "x", 1), KT_EINVALIDSTATE);
    CHECK_ERR(kt_stream_sendfile(p.near, file, 0, -1, 0), KT_EINVALIDSTATE);
    close(file);
}

TEST_WITH(a_transfer_may_be_cancelled_or_closed_at_any_moment, KT_TEST_REAL_TIME)
{
    int file = file_of(LARGE);
    for (int i = 0; i < 24; i++) {
        kt_auto(pair) p = pair_open();
        if (i % 3 == 0)
            CHECK_EQ(fcntl(kt_stream_fd(p.near), F_SETFL, fcntl(kt_stream_fd(p.near), F_GETFL) | O_APPEND), 0);
        kt_task *t = spawn(KT_WITH(sends, p.near, file));
        for (int j = 0; j < (i + 1) / 2; j++) /* begun, where it is closed */
            CHECK_OK(kt_sleep(j % 4 == 3 ? KT_US(200) : 0));
        if (i % 2) {
            kt_stream_close(kt_steal(p.near));
            CHECK_ERR(kt_task_join(t), KT_ECLOSED);
        } else {
            kt_task_cancel(t);
            CHECK_ERR(kt_task_join(t), KT_ECANCELED);
        }
    }
    close(file);
}

static int waits_for_a_byte(void *fd)
{
    char byte;
    return (int)read(*(int *)fd, &byte, 1); /* on a thread */
}

KT_FN(occupies_the_thread, a, struct { int *fd; })
{
    return kt_thread_run(waits_for_a_byte, a->fd, 0);
}

KT_FN(closes, a, struct { kt_stream *s; })
{
    kt_stream_close(a->s);
    return 0;
}

static int closes_behind_a_thread(void *arg)
{
    kt_auto(pair) p = pair_open();
    int file = file_of(10), fd = kt_stream_fd(p.near), pipes[2];
    (void)arg;
    CHECK_EQ(pipe2(pipes, O_CLOEXEC), 0);
    kt_task *blocker = spawn(KT_WITH(occupies_the_thread, &pipes[0]));
    turns(2);
    kt_task *sender = spawn(KT_WITH(sends, p.near, file));
    turns(2); /* it waits for the only thread */
    kt_task *closer = spawn(KT_WITH(closes, kt_steal(p.near)));
    turns(4);
    CHECK(!kt_task_done(closer));
    CHECK_GE(fcntl(fd, F_GETFD), 0);
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    CHECK_ERR(kt_task_join(sender), KT_ECLOSED);
    CHECK_OK(kt_task_join(closer));
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
    CHECK_EQ(kt_task_join(blocker), 1);
    for (int i = 0; i < 2; i++)
        close(pipes[i]);
    close(file);
    return 0;
}

TEST_WITH(a_descriptor_stays_open_as_long_as_a_thread_may_use_it, KT_TEST_NO_LOOP)
{
    const kt_options one_thread = {.driver = KT_DRIVER_AUTO, .threads_max = 1};
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors, and KETTLE_DRIVER is sim");
    CHECK_OK(kt_run_with(&one_thread, closes_behind_a_thread, NULL, 0));
}

TEST_DIES(a_second_writer_meanwhile_is_misuse, KT_TEST_REAL_TIME, "writes to it already")
{
    pair p = pair_open();
    int file = file_of(LARGE);
    spawn(KT_WITH(sends, p.near, file));
    CHECK_OK(kt_sleep(KT_MS(20)));
    say(p.near, "x");
}

TEST_WITH(every_allocation_of_a_transfer_may_fail, KT_TEST_REAL_TIME)
{
    int file = file_of(1000);
    for (int by_copies = 0; by_copies < 2; by_copies++) {
        for (uint64_t nth = 1;; nth++) {
            kt_auto(pair) p = pair_open();
            int fd = kt_stream_fd(p.near);
            if (by_copies)
                CHECK_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND), 0);
            kt_test_fail_allocation(nth);
            ssize_t n = kt_stream_sendfile(p.near, file, 0, -1, 0);
            bool failed = kt_test_allocation_failed();
            kt_test_fail_allocation(0);
            CHECK(n == 1000 || (failed && n == -ENOMEM));
            if (!failed)
                break;
            CHECK_LT(nth, 20);
        }
    }
    close(file);
}

/* ---- Streams that have no descriptor ------------------------------------------------------------ */

TEST_WITH(a_file_is_copied_into_a_stream_in_memory, KT_TEST_REAL_TIME)
{
    kt_stream *ends[2] = {NULL, NULL};
    int file = file_of(300000);
    CHECK_OK(kt_stream_memory_pair(0, ends));
    kt_task *reader = spawn(KT_WITH(reads, ends[1], 1000, 299000));
    CHECK_ERR(kt_stream_sendfile(ends[0], file, 1000, -1, KT_SENDFILE_NO_FALLBACK), -EOPNOTSUPP);
    CHECK_EQ(kt_stream_sendfile(ends[0], file, 1000, -1, 0), 299000);
    CHECK_OK(kt_stream_shutdown_write(ends[0]));
    CHECK_OK(kt_task_join(reader));
    kt_stream_close(ends[0]);
    kt_stream_close(ends[1]);
    CHECK_EQ(close(file), 0);
}
