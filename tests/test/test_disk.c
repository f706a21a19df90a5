/* SPDX-License-Identifier: MIT */

/* What the simulated disk does to programs. That it is a disk otherwise, test_disk_model.c shows. */
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <kettle/test_disk.h>

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>

#include "io/disk.h"

#define SEEDS 200

static kt_test_disk *disk; /* each test runs in a process of its own */
static kt__disk *calls;

static void begin(const kt_test_disk_options *options)
{
    disk = kt_test_disk_open(options);
    kt_test_disk_use(disk);
    calls = kt__disk_here();
}

static void begin_with_seed(uint64_t seed)
{
    const kt_test_disk_options options = {.seed = seed, .whole = true};
    begin(&options);
}

static int open_at(const char *path, int flags)
{
    return calls->open(calls, AT_FDCWD, path, flags, 0644, 0);
}

static ssize_t write_at(int fd, const void *bytes, size_t size, int64_t offset)
{
    return calls->write(calls, fd, &(struct iovec){(void *)(uintptr_t)bytes, size}, 1, offset, 0);
}

static ssize_t read_at(int fd, void *bytes, size_t size, int64_t offset)
{
    return calls->read(calls, fd, &(struct iovec){bytes, size}, 1, offset, 0);
}

static int sync_path(const char *path)
{
    int fd = open_at(path, O_RDONLY);
    CHECK_OK(fd);
    int rc = calls->sync(calls, fd, false);
    CHECK_OK(calls->close(calls, fd));
    return rc;
}

static void check_file(const char *path, const char *expected)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    CHECK_OK(kt_test_disk_get(disk, path, &found));
    CHECK_SLICE(kt_buffer_slice(&found), expected);
}

static void check_list(const char *expected)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    CHECK_OK(kt_test_disk_list(disk, &found));
    CHECK_SLICE(kt_buffer_slice(&found), expected);
}

/* ---- The test's own view --------------------------------------------------------------------- */

TEST(what_is_put_there_is_listed_and_read_back)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    begin(NULL);
    CHECK_OK(kt_test_disk_put(disk, "/a/b/one", kt_slice_from("first")));
    CHECK_OK(kt_test_disk_put(disk, "two", kt_slice_from("")));
    CHECK_OK(calls->symlink(calls, "a/b", AT_FDCWD, "/tmp/link"));
    check_list("/a/\n/a/b/\n/a/b/one 5\n/tmp/link -> a/b\n/two 0\n");
    check_file("a/../a/b/one", "first");
    CHECK_ERR(kt_test_disk_get(disk, "/three", &found), -ENOENT);
    CHECK_ERR(kt_test_disk_get(disk, "/a", &found), -EISDIR);
    CHECK_ERR(kt_test_disk_put(disk, "/two/three", kt_slice_from("")), -ENOTDIR);
    CHECK_EQ(found.size, 0);
    kt_test_disk_close(disk);
}

TEST(a_disk_is_the_running_loops_until_it_is_closed)
{
    CHECK(kt__disk_here() == &kt__disk_system);
    begin(NULL);
    kt_test_disk *other = kt_test_disk_open(NULL);
    CHECK(calls != &kt__disk_system);
    kt_test_disk_close(other);
    CHECK(kt__disk_here() == calls);
    kt_test_disk_use(NULL);
    CHECK(kt__disk_here() == &kt__disk_system);
    kt_test_disk_use(disk);
    kt_test_disk_close(disk);
    CHECK(kt__disk_here() == &kt__disk_system);
}

TEST(permissions_count_even_for_the_superuser_of_the_machine)
{
    begin(NULL);
    CHECK_OK(kt_test_disk_put(disk, "/closed/file", kt_slice_from("x")));
    CHECK_OK(calls->chmod(calls, AT_FDCWD, "/closed", 0500));
    CHECK_ERR(open_at("/closed/new", O_WRONLY | O_CREAT), -EACCES);
    CHECK_ERR(calls->unlink(calls, AT_FDCWD, "/closed/file", 0), -EACCES);
    CHECK_OK(kt_test_disk_put(disk, "/closed/file", kt_slice_from("the test's hand is free")));
    kt_test_disk_close(disk);
}

TEST(a_file_without_a_name_can_be_given_one)
{
    char path[64];
    begin(NULL);
    int fd = calls->open(calls, AT_FDCWD, "/tmp", O_TMPFILE | O_RDWR, 0600, 0);
    CHECK_OK(fd);
    CHECK_EQ(write_at(fd, "x", 1, 0), 1);
    check_list("");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_OK(calls->link(calls, AT_FDCWD, path, AT_FDCWD, "/named", AT_SYMLINK_FOLLOW));
    check_list("/named 1\n");
    CHECK_OK(calls->close(calls, fd));
    kt_test_disk_close(disk);
}

TEST(a_listing_goes_on_while_what_it_lists_is_removed)
{
    char bytes[64], path[64];
    size_t count = 0;
    begin(NULL);
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/many/%d", i);
        CHECK_OK(kt_test_disk_put(disk, path, kt_slice_from("")));
    }
    int fd = open_at("/many", O_RDONLY | O_DIRECTORY);
    CHECK_OK(fd);
    CHECK_ERR(calls->entries(calls, fd, bytes, 8), -EINVAL);
    for (ssize_t n; (n = calls->entries(calls, fd, bytes, sizeof bytes)) != 0;) {
        CHECK_OK(n);
        for (ssize_t at = 0; at < n;) {
            const kt__dirent *e = (const kt__dirent *)(const void *)(bytes + at);
            at += e->size;
            if (e->name[0] != '.')
                CHECK_OK(calls->unlink(calls, fd, e->name, 0));
            count += e->name[0] != '.';
        }
    }
    CHECK_EQ(count, 100);
    CHECK_OK(calls->close(calls, fd));
    check_list("/many/\n");
    kt_test_disk_close(disk);
}

TEST(files_are_cloned_where_that_is_asked_for)
{
    const kt_test_disk_options options = {.reflinks = true};
    begin(&options);
    CHECK_OK(kt_test_disk_put(disk, "/from", kt_slice_from("some words")));
    CHECK_OK(kt_test_disk_put(disk, "/to", kt_slice_from("")));
    int from = open_at("/from", O_RDONLY), to = open_at("/to", O_WRONLY);
    CHECK_OK(calls->clone(calls, from, to));
    CHECK_OK(calls->close(calls, from));
    CHECK_OK(calls->close(calls, to));
    check_file("/to", "some words");
    kt_test_disk_close(disk);
}

/* ---- Counts, room, faults ---------------------------------------------------------------------- */

TEST(reads_and_writes_are_short_now_and_then)
{
    char bytes[1000] = {0};
    size_t shorts = 0;
    begin(NULL);
    int fd = open_at("/file", O_RDWR | O_CREAT);
    for (int i = 0; i < 100; i++) {
        ssize_t n = write_at(fd, bytes, sizeof bytes, 0);
        CHECK_GT(n, 0);
        shorts += n < (ssize_t)sizeof bytes;
        CHECK_GT(read_at(fd, bytes, 1, 0), 0);
    }
    CHECK_GT(shorts, 10);
    CHECK_LT(shorts, 60);
    CHECK_OK(calls->close(calls, fd));
    kt_test_disk_close(disk);
}

TEST(a_full_disk_takes_what_fits_and_then_nothing)
{
    static char bytes[20000];
    const kt_test_disk_options options = {.whole = true, .capacity = 5 * 4096}; /* two directories, three blocks */
    struct statvfs st;
    begin(&options);
    int fd = open_at("/file", O_RDWR | O_CREAT);
    CHECK_EQ(write_at(fd, bytes, sizeof bytes, 0), 3 * 4096);
    CHECK_ERR(write_at(fd, bytes, 1, 3 * 4096), -ENOSPC);
    CHECK_EQ(write_at(fd, bytes, 100, 4000), 100);
    CHECK_ERR(calls->mkdir(calls, AT_FDCWD, "/dir", 0755), -ENOSPC);
    CHECK_OK(calls->unlink(calls, AT_FDCWD, "/file", 0));
    CHECK_OK(calls->statvfs(calls, "/", &st));
    CHECK_EQ(st.f_bavail, 0); /* the file is open still */
    CHECK_OK(calls->close(calls, fd));
    CHECK_OK(calls->statvfs(calls, "/", &st));
    CHECK_EQ(st.f_bavail, 3);
    CHECK_EQ(st.f_blocks, 5);
    kt_test_disk_close(disk);
}

TEST(writes_fail_after_so_many_bytes)
{
    begin_with_seed(1);
    kt_test_disk_fail_after(disk, 5, -EDQUOT);
    int fd = open_at("/file", O_RDWR | O_CREAT);
    CHECK_EQ(write_at(fd, "abc", 3, 0), 3);
    CHECK(!kt_test_disk_failed(disk));
    CHECK_EQ(write_at(fd, "def", 3, 3), 2);
    CHECK_ERR(write_at(fd, "f", 1, 5), -EDQUOT);
    CHECK(kt_test_disk_failed(disk));
    kt_test_disk_fail_after(disk, 0, 0);
    CHECK_EQ(write_at(fd, "f", 1, 5), 1);
    CHECK_OK(calls->close(calls, fd));
    check_file("/file", "abcdef");
    kt_test_disk_close(disk);
}

TEST(the_nth_call_of_a_kind_fails_once)
{
    char byte;
    begin(NULL);
    CHECK_OK(kt_test_disk_put(disk, "/file", kt_slice_from("x")));
    int fd = open_at("/file", O_RDONLY);
    kt_test_disk_fail(disk, KT_TEST_DISK_READ, 2, -EIO);
    CHECK_EQ(read_at(fd, &byte, 1, 0), 1);
    CHECK_OK(calls->seek(calls, fd, 0, SEEK_SET));
    CHECK_ERR(read_at(fd, &byte, 1, 0), -EIO);
    CHECK_EQ(read_at(fd, &byte, 1, 0), 1);
    kt_test_disk_fail(disk, KT_TEST_DISK_ANY, 1, -EMFILE);
    CHECK_ERR(open_at("/file", O_RDONLY), -EMFILE);
    kt_test_disk_fail(disk, KT_TEST_DISK_CLOSE, 1, -ENOSPC);
    CHECK_ERR(calls->close(calls, fd), -ENOSPC);
    CHECK_ERR(calls->close(calls, fd), -EBADF);
    CHECK_EQ(kt_test_disk_calls(disk, KT_TEST_DISK_READ), 3);
    CHECK_EQ(kt_test_disk_calls(disk, KT_TEST_DISK_ANY), 8);
    kt_test_disk_close(disk);
}

/* ---- Crashes ----------------------------------------------------------------------------------- */

TEST(what_was_synced_survives_every_crash)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin_with_seed(seed);
        CHECK_OK(calls->mkdir(calls, AT_FDCWD, "/dir", 0755));
        int fd = open_at("/dir/file", O_RDWR | O_CREAT);
        CHECK_EQ(write_at(fd, "first", 5, 0), 5);
        CHECK_OK(calls->truncate(calls, fd, 3));
        CHECK_OK(calls->sync(calls, fd, true));
        CHECK_OK(sync_path("/dir"));
        CHECK_OK(sync_path("/"));
        CHECK_OK(calls->unlink(calls, AT_FDCWD, "/dir/file", 0));
        int again = open_at("/dir/file", O_RDWR | O_CREAT);
        CHECK_OK(sync_path("/dir"));
        CHECK_OK(calls->close(calls, again));
        CHECK_OK(calls->close(calls, fd));
        kt_test_disk_crash(disk);
        check_list("/dir/\n/dir/file 0\n");
        kt_test_disk_close(disk);
    }
}

TEST(without_a_sync_a_new_file_may_be_whole_or_empty_or_nowhere)
{
    unsigned whole = 0, empty = 0, nowhere = 0, other = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        begin_with_seed(seed);
        int fd = open_at("/file", O_RDWR | O_CREAT);
        CHECK_EQ(write_at(fd, "bytes", 5, 0), 5);
        CHECK_OK(calls->close(calls, fd));
        kt_test_disk_crash(disk);
        int rc = kt_test_disk_get(disk, "/file", &found);
        nowhere += rc == -ENOENT;
        empty += rc == 0 && found.size == 0;
        whole += kt_slice_is(kt_buffer_slice(&found), "bytes");
        other += found.size == 5 && !kt_slice_is(kt_buffer_slice(&found), "bytes");
        kt_test_disk_close(disk);
    }
    CHECK_EQ(whole + empty + nowhere + other, SEEDS);
    CHECK_GT(whole, 10);
    CHECK_GT(empty, 10);
    CHECK_GT(nowhere, 10);
    CHECK_GT(other, 2); /* zeros, or rubbish */
}

TEST(a_write_is_torn_between_sectors_and_not_within)
{
    unsigned torn = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        static char old[8192], new[8192];
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        size_t news = 0;
        begin_with_seed(seed);
        memset(old, 'o', sizeof old);
        memset(new, 'n', sizeof new);
        CHECK_OK(kt_test_disk_put(disk, "/file", (kt_slice){old, sizeof old}));
        int fd = open_at("/file", O_WRONLY);
        CHECK_EQ(write_at(fd, new, sizeof new, 0), sizeof new);
        CHECK_OK(calls->close(calls, fd));
        kt_test_disk_crash(disk);
        CHECK_OK(kt_test_disk_get(disk, "/file", &found));
        CHECK_EQ(found.size, sizeof old);
        for (size_t at = 0; at < sizeof old; at += 512) {
            bool is_new = found.data[at] == 'n';
            news += is_new;
            CHECK_MEM(found.data + at, is_new ? new : old, 512);
        }
        torn += news > 0 && news < sizeof old / 512;
        kt_test_disk_close(disk);
    }
    CHECK_GT(torn, SEEDS / 4);
}

TEST(the_halves_of_a_rename_survive_each_by_itself)
{
    unsigned seen[2][2] = {{0}};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        begin_with_seed(seed);
        CHECK_OK(kt_test_disk_put(disk, "/from", kt_slice_from("it")));
        CHECK_OK(calls->rename(calls, AT_FDCWD, "/from", AT_FDCWD, "/to", 0));
        kt_test_disk_crash(disk);
        seen[kt_test_disk_get(disk, "/from", &found) == 0][kt_test_disk_get(disk, "/to", &found) == 0]++;
        kt_test_disk_close(disk);
    }
    for (int i = 0; i < 4; i++)
        CHECK_GT(seen[i / 2][i % 2], 10);
}

TEST(a_sync_that_fails_has_lost_and_the_next_one_succeeds)
{
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        char byte = 0;
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        begin_with_seed(seed);
        CHECK_OK(kt_test_disk_put(disk, "/file", kt_slice_from("o")));
        int fd = open_at("/file", O_RDWR);
        CHECK_EQ(write_at(fd, "n", 1, 0), 1);
        kt_test_disk_fail(disk, KT_TEST_DISK_SYNC, 1, -EIO);
        CHECK_ERR(calls->sync(calls, fd, false), -EIO);
        CHECK_OK(calls->sync(calls, fd, false));
        CHECK_EQ(read_at(fd, &byte, 1, 0), 1);
        CHECK_EQ(byte, 'n'); /* from memory */
        CHECK_OK(calls->close(calls, fd));
        kt_test_disk_crash(disk);
        CHECK_OK(kt_test_disk_get(disk, "/file", &found));
        lost += kt_slice_is(kt_buffer_slice(&found), "o");
        kt_test_disk_close(disk);
    }
    CHECK_GT(lost, SEEDS / 4);
    CHECK_LT(lost, SEEDS);
}

TEST(after_the_power_failed_nothing_works_until_it_is_back)
{
    char byte;
    begin(NULL);
    CHECK_OK(kt_test_disk_put(disk, "/file", kt_slice_from("x")));
    kt_test_disk_crash_at(disk, 2);
    int fd = open_at("/file", O_RDWR), other = 0;
    CHECK_OK(fd);
    CHECK(!kt_test_disk_crashed(disk));
    CHECK_ERR(calls->unlink(calls, AT_FDCWD, "/file", 0), -EIO);
    CHECK(kt_test_disk_crashed(disk));
    CHECK_ERR(open_at("/file", O_RDWR), -EIO);
    kt_test_disk_crash(disk);
    CHECK_ERR(read_at(fd, &byte, 1, 0), -EIO); /* the machine that had it open is gone */
    CHECK_EQ(kt_test_disk_descriptors(disk), 1);
    other = open_at("/file", O_RDWR);
    CHECK_NE(other, fd);
    CHECK_OK(calls->close(calls, fd));
    CHECK_EQ(read_at(other, &byte, 1, 0), 1);
    CHECK_OK(calls->close(calls, other));
    check_file("/file", "x");
    kt_test_disk_close(disk);
}

TEST(a_directory_that_a_crash_finds_under_two_names_keeps_one)
{
    unsigned moved = 0, kept = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        begin_with_seed(seed);
        CHECK_OK(kt_test_disk_put(disk, "/a/b/file", kt_slice_from("x")));
        CHECK_OK(kt_test_disk_put(disk, "/c/file", kt_slice_from("y")));
        CHECK_OK(calls->rename(calls, AT_FDCWD, "/a/b", AT_FDCWD, "/b", 0));
        CHECK_OK(calls->rename(calls, AT_FDCWD, "/a", AT_FDCWD, "/b/a", 0));
        kt_test_disk_crash(disk);
        CHECK_OK(kt_test_disk_list(disk, &found));
        bool here = strstr(kt_buffer_string(&found), "/b/file 1\n");
        bool there = strstr(kt_buffer_string(&found), "/a/b/\n");
        moved += here && !there;
        kept += there;
        CHECK(strstr(kt_buffer_string(&found), "/c/file 1\n"));
        kt_test_disk_sync(disk);
        kt_test_disk_close(disk);
    }
    CHECK_GT(moved, 0);
    CHECK_GT(kept, 0);
}

/* ---- Time, threads, seeds ---------------------------------------------------------------------- */

static int stat_thrice(void *arg)
{
    struct stat st;
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_OK(calls->stat(calls, AT_FDCWD, "/", 0, &st));
    return 0;
}

static int in_job(void *arg)
{
    (void)arg;
    return kt_thread_run(stat_thrice, NULL, 0);
}

TEST(each_call_takes_its_time_and_jobs_take_it_side_by_side)
{
    const kt_test_disk_options options = {.latency = KT_MS(5)};
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("under sim alone calls take virtual time");
    begin(&options);
    kt_time start = kt_now();
    kt_auto(kt_group) jobs = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&jobs, in_job, NULL, 0));
    CHECK_OK(kt_group_spawn(&jobs, in_job, NULL, 0));
    CHECK_OK(kt_group_join(&jobs, 0));
    CHECK_EQ(kt_now() - start, KT_MS(15));
    kt_test_disk_close(disk);
}

TEST(a_job_that_lasts_is_awaited_by_who_is_cancelled)
{
    const kt_test_disk_options options = {.latency = KT_S(5)};
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("under sim alone calls take virtual time");
    begin(&options);
    kt_time start = kt_now();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    int rc = kt_thread_run(stat_thrice, NULL, 0);
    CHECK_OK(rc); /* what has been done is told */
    CHECK_EQ(kt_now() - start, KT_S(15));
    CHECK_OK(kt_timeout_end(&limit, rc));
    CHECK_OK(kt_thread_abandon(stat_thrice, NULL, 0, NULL));
    CHECK_OK(kt_sleep(KT_S(20)));
    kt_test_disk_close(disk);
}

static int write_and_say(void *arg)
{
    const char *path = arg;
    char bytes[3000] = {0};
    int fd = open_at(path, O_RDWR | O_CREAT);
    CHECK_OK(fd);
    for (int i = 0; i < 5; i++)
        kt_test_say("%s %zd", path, write_at(fd, bytes, sizeof bytes, -1));
    CHECK_OK(calls->close(calls, fd));
    return 0;
}

static int write_in_job(void *arg)
{
    return kt_thread_run(write_and_say, arg, 0);
}

static int write_side_by_side(void *arg)
{
    const kt_test_disk_options options = {.latency = KT_MS(1), .jitter = KT_MS(3)};
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    (void)arg;
    begin(&options);
    kt_auto(kt_group) jobs = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&jobs, write_in_job, "/a", 0));
    CHECK_OK(kt_group_spawn(&jobs, write_in_job, "/b", 0));
    CHECK_OK(kt_group_join(&jobs, 0));
    kt_test_disk_crash(disk);
    CHECK_OK(kt_test_disk_list(disk, &found));
    kt_test_say("%s", kt_buffer_string(&found));
    kt_test_disk_close(disk);
    return 0;
}

TEST_WITH(a_seed_decides_everything, KT_TEST_NO_LOOP)
{
    kt_test_seeds(50, write_side_by_side, NULL);
}

static int write_own(void *arg)
{
    char bytes[500] = {0};
    int fd = open_at(arg, O_RDWR | O_CREAT | O_APPEND);
    CHECK_OK(fd);
    for (size_t done = 0; done < 100 * sizeof bytes;) {
        ssize_t n = write_at(fd, bytes, sizeof bytes, -1);
        CHECK_GT(n, 0);
        done += (size_t)n;
    }
    CHECK_OK(calls->sync(calls, fd, false));
    CHECK_OK(calls->close(calls, fd));
    return 0;
}

static int write_own_in_job(void *arg)
{
    return kt_thread_run(write_own, arg, 0);
}

TEST(many_threads_use_a_disk_at_once)
{
    char *paths[] = {"/a", "/b", "/c", "/d"};
    begin(NULL);
    kt_auto(kt_group) jobs = KT_GROUP_INIT;
    for (int i = 0; i < 4; i++)
        CHECK_OK(kt_group_spawn(&jobs, write_own_in_job, paths[i], 0));
    CHECK_OK(kt_group_join(&jobs, 0));
    CHECK_EQ(kt_test_disk_descriptors(disk), 0);
    kt_test_disk_close(disk);
}

static int lock_in_job(void *arg)
{
    int fd = *(int *)arg;
    int rc = calls->lock(calls, fd, LOCK_EX);
    return rc;
}

static int lock_waiting(void *arg)
{
    return kt_thread_run(lock_in_job, arg, 0);
}

TEST_WITH(a_lock_is_waited_for_by_a_thread, KT_TEST_REAL_IO)
{
    begin(NULL);
    int one = open_at("/file", O_RDWR | O_CREAT), two = open_at("/file", O_RDWR);
    kt_task *t;
    CHECK_OK(calls->lock(calls, one, LOCK_EX));
    CHECK_ERR(calls->lock(calls, two, LOCK_SH | LOCK_NB), -EWOULDBLOCK);
    CHECK_OK(kt_spawn(lock_waiting, &two, 0, &t));
    CHECK_OK(kt_sleep(0));
    CHECK_OK(calls->close(calls, one));
    CHECK_OK(kt_task_join(t));
    CHECK_OK(calls->close(calls, two));
    kt_test_disk_close(disk);
}

TEST(a_lock_that_nobody_could_give_back_is_refused_under_sim)
{
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("elsewhere threads wait");
    begin(NULL);
    int one = open_at("/file", O_RDWR | O_CREAT), two = open_at("/file", O_RDWR);
    CHECK_OK(calls->lock(calls, one, LOCK_SH));
    CHECK_OK(calls->lock(calls, two, LOCK_SH));
    CHECK_ERR(calls->lock(calls, two, LOCK_EX), -EDEADLK);
    CHECK_OK(calls->close(calls, two));
    CHECK_OK(calls->lock(calls, one, LOCK_EX));
    CHECK_OK(calls->close(calls, one));
    kt_test_disk_close(disk);
}
