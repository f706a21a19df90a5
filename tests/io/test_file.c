/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <sys/resource.h>

#define LARGE ((size_t)9 * 1024 * 1024 + 5) /* three trips */

static kt_file *opened(const char *path, int flags)
{
    kt_file *f = NULL;
    CHECK_OK(kt_file_open(path, flags, 0666, &f));
    return f;
}

static void check_read(kt_file *f, size_t size, const char *expected)
{
    char bytes[64] = "";
    CHECK_EQ(kt_file_read(f, bytes, size), (ssize_t)strlen(expected));
    CHECK_STR(bytes, expected);
}

static char *pattern_of(size_t size)
{
    char *bytes = kt_alloc(size);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    return bytes;
}

/* ---- Opening and closing --------------------------------------------------------------------- */

TEST(what_is_written_is_there_after_the_close)
{
    IN_SCRATCH;
    kt_file *f = opened("a", O_WRONLY | O_CREAT | O_TRUNC);
    CHECK_OK(kt_file_write(f, "hello ", 6));
    CHECK_OK(kt_file_write(f, "world", 5));
    CHECK_STR(got("a"), ""); /* it is in the buffer */
    CHECK_OK(kt_file_close(f));
    CHECK_STR(got("a"), "hello world");
}

TEST(a_failed_open_names_the_path)
{
    IN_SCRATCH;
    kt_auto(kt_file) *f = NULL;
    CHECK_ERR(kt_file_open("none", O_RDONLY, 0, &f), -ENOENT);
    CHECK_STR(kt_error_detail(), "open none: No such file or directory");
    CHECK_ERR(kt_file_open(".", O_WRONLY, 0, &f), -EISDIR);
    put("a", "");
    CHECK_ERR(kt_file_open("a", O_WRONLY | O_CREAT | O_EXCL, 0600, &f), -EEXIST);
    CHECK_EQ(mkfifo("fifo", 0600), 0);
    CHECK_ERR(kt_file_open("fifo", O_RDONLY, 0, &f), -ESPIPE);
    CHECK(f == NULL);
}

TEST(a_descriptor_is_close_on_exec_and_as_it_was_asked_for)
{
    IN_SCRATCH;
    kt_auto(kt_file) *f = opened("a", O_RDWR | O_CREAT | O_APPEND);
    CHECK_EQ(fcntl(kt_file_fd(f), F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(kt_file_fd(f), F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND);
}

TEST(a_descriptor_is_adopted)
{
    IN_SCRATCH;
    kt_auto(kt_file) *f = NULL;
    put("a", "0123456789");
    int fd = open("a", O_RDWR | O_CLOEXEC);
    CHECK_EQ(lseek(fd, 4, SEEK_SET), 4);
    CHECK_OK(kt_file_adopt(fd, &f));
    check_read(f, 2, "45");
    CHECK_EQ(kt_file_tell(f), 6);
    CHECK_EQ(kt_file_fd(f), fd);
    CHECK_OK(kt_file_close(kt_steal(f)));
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
    CHECK_ERR(kt_file_adopt(fd, &f), -EBADF);
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_ERR(kt_file_adopt(ends[0], &f), -ESPIPE);
    close(ends[0]);
    close(ends[1]);
}

TEST(a_path_stays_beneath_its_root)
{
    IN_SCRATCH;
    CHECK_EQ(mkdir("root", 0700), 0);
    CHECK_EQ(mkdir("root/d", 0700), 0);
    put("root/d/in", "in");
    put("out", "out");
    CHECK_EQ(symlink("../out", "root/link"), 0);
    CHECK_EQ(symlink("d/in", "root/good"), 0);
    CHECK_EQ(symlink("/proc/self/fd/0", "root/magic"), 0);
    kt_auto(kt_file) *root = opened("root", O_RDONLY | O_DIRECTORY);
    kt_auto(kt_file) *f = NULL;
    int rc = kt_file_open_beneath(root, "d/in", O_RDONLY, 0, &f);
    if (rc == -ENOSYS)
        kt_test_skip("this system has no openat2");
    CHECK_OK(rc);
    check_read(f, 9, "in");
    CHECK_OK(kt_file_close(kt_steal(f)));
    CHECK_OK(kt_file_open_beneath(root, "d/../good", O_RDONLY, 0, &f));
    CHECK_OK(kt_file_close(kt_steal(f)));
    CHECK_OK(kt_file_open_beneath(root, "d/new", O_WRONLY | O_CREAT | O_EXCL, 0600, &f));
    CHECK_EQ(mode_of("root/d/new"), 0600);
    const char *bad[] = {"../out", "d/../../out", "/etc/passwd", "link", "..", "magic", "/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        kt_auto(kt_file) *out = NULL;
        CHECK_ERR(kt_file_open_beneath(root, bad[i], O_RDONLY, 0, &out), -EXDEV);
    }
}

/* ---- Reading and writing --------------------------------------------------------------------- */

TEST(reading_is_whole_up_to_the_end)
{
    IN_SCRATCH;
    put("a", "0123456789");
    kt_auto(kt_file) *f = opened("a", O_RDONLY);
    check_read(f, 3, "012");
    check_read(f, 5, "34567");
    CHECK_EQ(kt_file_tell(f), 8);
    check_read(f, 0, "");
    check_read(f, 5, "89");
    check_read(f, 5, "");
    put("a", "0123456789abc"); /* another writer goes on */
    check_read(f, 5, "abc");
}

TEST(large_reads_and_writes_pass_the_buffer_by)
{
    IN_SCRATCH;
    char *bytes = pattern_of(LARGE), *back = kt_alloc(LARGE);
    kt_auto(kt_file) *f = opened("a", O_RDWR | O_CREAT);
    CHECK_OK(kt_file_write(f, bytes, 10));
    CHECK_OK(kt_file_write(f, bytes + 10, LARGE - 20));
    CHECK_OK(kt_file_write(f, bytes + LARGE - 10, 10));
    CHECK_EQ(kt_file_tell(f), LARGE);
    CHECK_EQ(kt_file_seek(f, 0, SEEK_SET), 0);
    CHECK_EQ(kt_file_read(f, back, 7), 7);
    CHECK_EQ(kt_file_read(f, back + 7, LARGE), LARGE - 7);
    CHECK_MEM(back, bytes, LARGE);
    CHECK_EQ(kt_file_size(f), LARGE);
    kt_free(bytes);
    kt_free(back);
}

TEST(one_buffer_serves_reading_and_writing_in_turns)
{
    IN_SCRATCH;
    put("a", "0123456789");
    kt_auto(kt_file) *f = opened("a", O_RDWR);
    check_read(f, 2, "01");
    CHECK_OK(kt_file_write(f, "XY", 2));
    CHECK_EQ(kt_file_tell(f), 4);
    check_read(f, 2, "45");
    CHECK_STR(got("a"), "01XY456789");
    CHECK_OK(kt_file_write(f, "Z", 1));
    CHECK_OK(kt_file_flush(f));
    CHECK_STR(got("a"), "01XY45Z789");
    CHECK_EQ(kt_file_seek(f, -1, SEEK_CUR), 6);
    check_read(f, 9, "Z789");
}

TEST(appending_knows_its_place_afterwards)
{
    IN_SCRATCH;
    put("a", "0123");
    kt_auto(kt_file) *f = opened("a", O_RDWR | O_APPEND);
    check_read(f, 1, "0");
    CHECK_OK(kt_file_write(f, "45", 2));
    CHECK_EQ(kt_file_tell(f), 6);
    CHECK_STR(got("a"), "012345");
    CHECK_EQ(kt_file_seek(f, -2, SEEK_END), 4);
    check_read(f, 9, "45");
}

TEST(a_position_can_be_anywhere)
{
    IN_SCRATCH;
    put("a", "0123456789");
    kt_auto(kt_file) *f = opened("a", O_RDWR);
    CHECK_EQ(kt_file_seek(f, 4, SEEK_SET), 4);
    check_read(f, 2, "45");
    CHECK_EQ(kt_file_seek(f, 1, SEEK_CUR), 7);
    CHECK_EQ(kt_file_seek(f, -1, SEEK_END), 9);
    check_read(f, 2, "9");
    CHECK_EQ(kt_file_seek(f, 2, SEEK_DATA), 2);
    CHECK_EQ(kt_file_seek(f, 2, SEEK_HOLE), 10);
    CHECK_ERR(kt_file_seek(f, -1, SEEK_SET), -EINVAL);
    CHECK_STR(kt_error_detail(), "seek a: Invalid argument");
    CHECK_ERR(kt_file_seek(f, 0, 77), -EINVAL);
    CHECK_EQ(kt_file_seek(f, 12, SEEK_SET), 12);
    CHECK_OK(kt_file_write(f, "!", 1));
    CHECK_EQ(kt_file_size(f), 13);
}

TEST(offsets_leave_the_position_alone)
{
    IN_SCRATCH;
    char bytes[16] = "", tail[16] = "";
    put("a", "0123456789");
    kt_auto(kt_file) *f = opened("a", O_RDWR);
    check_read(f, 1, "0");
    CHECK_OK(kt_file_pwrite(f, "XY", 2, 3));
    CHECK_EQ(kt_file_pread(f, bytes, 4, 2), 4);
    CHECK_STR(bytes, "2XY5");
    CHECK_EQ(kt_file_pread(f, bytes, 9, 8), 2);
    CHECK_EQ(kt_file_pread(f, bytes, 9, 20), 0);
    check_read(f, 4, "12XY"); /* nothing stale */
    CHECK_OK(kt_file_write(f, "Z", 1));
    const struct iovec in[] = {{bytes, 4}, {NULL, 0}, {tail, 15}};
    CHECK_EQ(kt_file_preadv(f, in, 3, 0), 10); /* after what was buffered */
    CHECK_MEM(bytes, "012X", 4);
    CHECK_STR(tail, "YZ6789");
    const struct iovec out[] = {{(char *)"ab", 2}, {(char *)"cd", 2}};
    CHECK_OK(kt_file_pwritev(f, out, 2, 8));
    CHECK_STR(got("a"), "012XYZ67abcd");
    CHECK_EQ(kt_file_tell(f), 6);
    CHECK_ERR(kt_file_pread(f, bytes, 1, -1), -EINVAL);
    CHECK_ERR(kt_file_pwritev(f, out, 1025, 0), -EINVAL);
}

TEST(many_pieces_are_read_and_written_in_trips)
{
    enum { PIECES = 1000, BYTES = 10007 }; /* more than a window, and than a trip */
    IN_SCRATCH;
    char *bytes = pattern_of(PIECES * BYTES), *back = kt_alloc(PIECES * BYTES);
    struct iovec out[PIECES], in[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        out[i] = (struct iovec){bytes + i * BYTES, BYTES};
        in[i] = (struct iovec){back + i * BYTES, BYTES};
    }
    kt_auto(kt_file) *f = opened("a", O_RDWR | O_CREAT);
    CHECK_OK(kt_file_pwritev(f, out, PIECES, 3));
    CHECK_EQ(kt_file_preadv(f, in, PIECES, 3), (ssize_t)PIECES * BYTES);
    CHECK_MEM(back, bytes, (size_t)PIECES * BYTES);
    kt_free(bytes);
    kt_free(back);
}

TEST(pieces_are_filled_and_written_in_their_order)
{
    IN_SCRATCH;
    char a[4] = "", b[16] = "";
    const struct iovec out[] = {{(char *)"one ", 4}, {NULL, 0}, {(char *)"two", 3}};
    const struct iovec in[] = {{NULL, 0}, {a, 3}, {b, 15}};
    kt_auto(kt_file) *f = opened("a", O_RDWR | O_CREAT);
    CHECK_OK(kt_file_writev(f, out, 3));
    CHECK_OK(kt_file_writev(f, NULL, 0));
    CHECK_EQ(kt_file_seek(f, 0, SEEK_SET), 0);
    CHECK_EQ(kt_file_readv(f, in, 3), 7);
    CHECK_STR(a, "one");
    CHECK_STR(b, " two");
    CHECK_EQ(kt_file_readv(f, in, 3), 0);
}

TEST(the_rest_is_read_to_the_end)
{
    IN_SCRATCH;
    char *bytes = pattern_of(LARGE);
    kt_auto(kt_buffer) rest = KT_BUFFER_INIT;
    CHECK_OK(kt_file_write_whole("a", bytes, LARGE, NULL));
    CHECK_OK(kt_buffer_append_string(&rest, "="));
    kt_auto(kt_file) *f = opened("a", O_RDONLY);
    CHECK_EQ(kt_file_seek(f, 5, SEEK_SET), 5);
    CHECK_ERR(kt_file_read_rest(f, LARGE - 6, &rest), KT_ELIMIT);
    CHECK_SLICE(kt_buffer_slice(&rest), "=");
    CHECK_EQ(kt_file_tell(f), 5);
    CHECK_OK(kt_file_read_rest(f, LARGE - 5, &rest));
    CHECK_EQ(rest.size, LARGE - 4);
    CHECK_MEM(rest.data + 1, bytes + 5, LARGE - 5);
    CHECK_OK(kt_file_read_rest(f, 1, &rest));
    CHECK_EQ(rest.size, LARGE - 4);
    kt_free(bytes);
}

TEST(peeking_takes_nothing)
{
    IN_SCRATCH;
    kt_slice next;
    put("a", "0123");
    kt_auto(kt_file) *f = opened("a", O_RDONLY);
    CHECK_EQ(kt_file_peek(f, &next), 1);
    CHECK_SLICE(next, "0123");
    check_read(f, 3, "012");
    CHECK_EQ(kt_file_peek(f, &next), 1);
    CHECK_SLICE(next, "3");
    check_read(f, 3, "3");
    CHECK_EQ(kt_file_peek(f, &next), 0);
}

TEST(a_detached_descriptor_is_where_the_file_was)
{
    IN_SCRATCH;
    int fd = -1;
    char byte = 0;
    put("a", "0123456789");
    kt_file *f = opened("a", O_RDWR);
    CHECK_STR(kt_file_name(f), "a");
    check_read(f, 2, "01");
    CHECK_OK(kt_file_write(f, "X", 1));
    CHECK_OK(kt_file_detach(f, &fd));
    CHECK_EQ(read(fd, &byte, 1), 1);
    CHECK_EQ(byte, '3');
    CHECK_STR(got("a"), "01X3456789");
    close(fd);
}

TEST(a_device_has_no_position)
{
    kt_auto(kt_file) *f = NULL;
    char byte = 1;
    CHECK_OK(kt_file_open("/dev/zero", O_RDONLY, 0, &f));
    CHECK_EQ(kt_file_read(f, &byte, 1), 1);
    CHECK_ERR(kt_file_tell(f), -ESPIPE);
}

static int detaches(void *arg)
{
    int fd = -1;
    int rc = kt_file_detach(arg, &fd);
    CHECK_EQ(fd, -1);
    return rc;
}

/* While what is buffered is written. */
TEST(a_file_that_is_closed_meanwhile_is_not_detached)
{
    IN_SCRATCH;
    const kt_spawn_options eager = {.eager = true};
    kt_file *f = opened("a", O_WRONLY | O_CREAT);
    kt_task *t;
    CHECK_OK(kt_file_write(f, "X", 1));
    CHECK_OK(kt_spawn_with(&eager, detaches, f, 0, &t));
    CHECK_OK(kt_file_close(f));
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
    CHECK_STR(got("a"), "X");
}

TEST_DIES(a_file_in_use_is_not_detached, 0, "kt_file_detach: other tasks are at a")
{
    IN_SCRATCH;
    const kt_spawn_options eager = {.eager = true};
    kt_file *f = opened("a", O_WRONLY | O_CREAT);
    kt_task *t;
    CHECK_OK(kt_file_write(f, "X", 1));
    CHECK_OK(kt_spawn_with(&eager, detaches, f, 0, &t));
    CHECK_OK(kt_file_flush(f));
    CHECK_OK(kt_task_join(t));
}

TEST(truncating_cuts_and_extends)
{
    IN_SCRATCH;
    put("a", "0123456789");
    kt_auto(kt_file) *f = opened("a", O_RDWR);
    check_read(f, 2, "01");
    CHECK_OK(kt_file_truncate(f, 5));
    check_read(f, 9, "234");
    CHECK_OK(kt_file_write(f, "x", 1));
    CHECK_OK(kt_file_truncate(f, 8));
    CHECK_EQ(kt_file_size(f), 8);
    CHECK_EQ(kt_file_tell(f), 6);
    CHECK_OK(kt_file_sync(f));
    CHECK_OK(kt_file_datasync(f));
    struct stat st;
    CHECK_OK(kt_file_stat(f, &st));
    CHECK_EQ(st.st_size, 8);
    CHECK_ERR(kt_file_truncate(f, -1), -EINVAL);
}

TEST(a_file_opened_for_reading_is_not_written)
{
    IN_SCRATCH;
    put("a", "0123");
    kt_file *f = opened("a", O_RDONLY);
    CHECK_OK(kt_file_write(f, "x", 1)); /* the buffer takes it */
    CHECK_ERR(kt_file_flush(f), -EBADF);
    CHECK_STR(kt_error_detail(), "write a: Bad file descriptor");
    CHECK_ERR(kt_file_close(f), -EBADF);
    CHECK_STR(kt_error_detail(), "close a: Bad file descriptor");
}

TEST(a_full_disk_is_told)
{
    kt_auto(kt_file) *f = opened("/dev/full", O_WRONLY);
    CHECK_OK(kt_file_write(f, "x", 1));
    CHECK_ERR(kt_file_flush(f), -ENOSPC);
    CHECK_STR(kt_error_detail(), "write /dev/full: No space left on device");
    CHECK_ERR(kt_file_pwrite(f, "x", 1, 0), -ENOSPC); /* what is buffered first */
    CHECK_ERR(kt_file_close(kt_steal(f)), -ENOSPC);
    CHECK_ERR(kt_file_write_whole("/dev/full", "x", 1, NULL), -ENOSPC);
}

TEST(a_limit_on_the_size_of_files_is_an_error)
{
    IN_SCRATCH;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0)
        kt_test_skip("there nobody blocks SIGXFSZ");
    struct rlimit before;
    char bytes[2000] = "";
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit limit = {1000, before.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    kt_auto(kt_file) *f = opened("a", O_WRONLY | O_CREAT);
    CHECK_ERR(kt_file_pwrite(f, bytes, sizeof bytes, 0), -EFBIG);
    CHECK_OK(kt_file_write(f, bytes, sizeof bytes));
    CHECK_ERR(kt_file_close(kt_steal(f)), -EFBIG);
    CHECK_ERR(kt_file_replace("b", bytes, sizeof bytes, NULL), -EFBIG);
    CHECK_EQ(scratch_count(&here), 1);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &before), 0); /* what counts coverage writes at the end */
}

/* ---- Lines and chunks ------------------------------------------------------------------------ */

static void check_line(kt_file *f, const char *expected)
{
    kt_slice line;
    CHECK_EQ(kt_file_read_line(f, 64, &line), 1);
    CHECK_SLICE(line, expected);
}

TEST(lines_come_without_their_ends)
{
    IN_SCRATCH;
    kt_slice line = {NULL, 7};
    put("a", "one\n\ntwo\r\n\r\nthree");
    kt_auto(kt_file) *f = opened("a", O_RDONLY);
    check_line(f, "one");
    check_line(f, "");
    CHECK_EQ(kt_file_tell(f), 5);
    check_line(f, "two");
    check_line(f, "");
    check_line(f, "three");
    CHECK_EQ(kt_file_read_line(f, 64, &line), 0);
    CHECK_EQ(line.size, 7);
}

TEST(a_line_over_its_limit_stays_readable)
{
    IN_SCRATCH;
    kt_slice line;
    put("a", "123456789\nx\n");
    kt_auto(kt_file) *f = opened("a", O_RDONLY);
    CHECK_ERR(kt_file_read_line(f, 9, &line), KT_ELIMIT);
    CHECK_EQ(kt_file_read_line(f, 10, &line), 1);
    CHECK_SLICE(line, "123456789");
    CHECK_ERR(kt_file_read_line(f, 1, &line), KT_ELIMIT);
    check_read(f, 9, "x\n");
}

TEST(lines_longer_than_the_buffer_are_read)
{
    enum { BYTES = 300 * 1000 };
    IN_SCRATCH;
    char *bytes = kt_alloc(BYTES);
    memset(bytes, 'x', BYTES);
    bytes[0] = bytes[BYTES - 2] = '\n';
    CHECK_OK(kt_file_write_whole("a", bytes, BYTES, NULL));
    kt_free(bytes);
    kt_auto(kt_file) *f = opened("a", O_RDONLY);
    kt_slice line;
    check_line(f, "");
    CHECK_ERR(kt_file_read_line(f, 200 * 1000, &line), KT_ELIMIT);
    CHECK_EQ(kt_file_read_line(f, BYTES - 2, &line), 1);
    CHECK_EQ(line.size, BYTES - 3);
    check_line(f, "x");
    CHECK_EQ(kt_file_read_line(f, 1, &line), 0);
}

TEST(lines_across_the_buffers_end_are_whole)
{
    IN_SCRATCH;
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    for (int i = 0; i < 30000; i++)
        CHECK_OK(kt_buffer_printf(&text, "%d\n", i));
    CHECK_OK(kt_file_write_whole("a", text.data, text.size, NULL));
    kt_auto(kt_file) *f = opened("a", O_RDONLY);
    kt_slice line;
    int n = 0, rc;
    for (; (rc = kt_file_read_line(f, 6, &line)) > 0; n++) {
        char expected[16];
        snprintf(expected, sizeof expected, "%d", n);
        CHECK_SLICE(line, expected);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(n, 30000);
}

TEST(chunks_are_what_is_at_hand)
{
    IN_SCRATCH;
    kt_slice chunk;
    put("a", "0123456789");
    kt_auto(kt_file) *f = opened("a", O_RDONLY);
    CHECK_EQ(kt_file_read_chunk(f, 4, &chunk), 1);
    CHECK_SLICE(chunk, "0123");
    CHECK_EQ(kt_file_read_chunk(f, SIZE_MAX, &chunk), 1);
    CHECK_SLICE(chunk, "456789");
    CHECK_EQ(kt_file_read_chunk(f, 1, &chunk), 0);
    CHECK_ERR(kt_file_read_chunk(f, 0, &chunk), -EINVAL);
}

TEST(chunks_of_a_large_file_are_bounded)
{
    IN_SCRATCH;
    char *bytes = pattern_of(LARGE);
    CHECK_OK(kt_file_write_whole("a", bytes, LARGE, NULL));
    kt_auto(kt_file) *f = opened("a", O_RDONLY);
    kt_slice chunk;
    size_t sum = 0;
    int rc;
    while ((rc = kt_file_read_chunk(f, SIZE_MAX, &chunk)) > 0) {
        CHECK_LE(chunk.size, 128 * 1024);
        CHECK_MEM(chunk.data, bytes + sum, chunk.size);
        sum += chunk.size;
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(sum, LARGE);
    kt_free(bytes);
}

static int counts(void *arg)
{
    int rc;
    while ((rc = kt_sleep(0)) == 0)
        ++*(int *)arg;
    return rc;
}

TEST(who_reads_what_is_in_memory_lets_others_run)
{
    IN_SCRATCH;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0)
        kt_test_skip("there nothing is read on the loop");
    int turns = 0;
    kt_slice chunk;
    char *bytes = pattern_of(LARGE);
    CHECK_OK(kt_file_write_whole("a", bytes, LARGE, NULL));
    kt_free(bytes);
    kt_auto(kt_file) *f = opened("a", O_RDONLY);
    kt_auto(kt_group) g = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&g, counts, &turns, 0));
    while (kt_file_read_chunk(f, SIZE_MAX, &chunk) > 0)
        ;
    CHECK_GE(turns, 10); /* not more than 1 MiB without one */
    CHECK_ERR(kt_group_join(&g, KT_ECANCELED), KT_ECANCELED);
}
