/* SPDX-License-Identifier: MIT */

/* Files: rotation, and what happens when one cannot be written. */

#include "log_kit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static kt_logger shop = KT_LOGGER("shop");

/* path.1 and so on; NULL: there is none. */
static const char *old(const scratch *s, unsigned n)
{
    static char path[128];
    snprintf(path, sizeof path, "%s.%u", s->file, n);
    return access(path, F_OK) == 0 ? contents(path) : NULL;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;
    for (; text && (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

TEST_WITH(a_file_rotates_before_the_line_that_is_too_much, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    kt_log_counts counts;
    open_one(&(kt_log_sink){.kind = KT_LOG_FILE, .path = s.file, .rotate_bytes = 100, .keep = 2});
    for (int i = 1; i <= 7; i++)
        kt_log_info(&shop, "line %d", i); /* of 46 bytes: two fit */
    CHECK_OK(kt_log_flush(KT_S(60)));
    kt_log_counts_get(&counts);
    CHECK_EQ(counts.rotated, 3);
    kt_log_close();
    CHECK_STR(behind_time(contents(s.file)), "shop - INFO - line 7\n");
    CHECK_EQ(lines_of(old(&s, 1)), 2);
    CHECK(strstr(old(&s, 1), "line 5\n") && strstr(old(&s, 1), "line 6\n"));
    CHECK(strstr(old(&s, 2), "line 3\n") && strstr(old(&s, 2), "line 4\n"));
    CHECK(old(&s, 3) == NULL);
    scratch_remove(&s);
}

TEST_WITH(a_line_larger_than_a_file_has_one_for_itself, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    open_one(&(kt_log_sink){.kind = KT_LOG_FILE, .path = s.file, .rotate_bytes = 100});
    kt_log_info(&shop, "a");
    kt_log_info(&shop, "%0500d", 1);
    kt_log_info(&shop, "b");
    kt_log_close();
    CHECK_EQ(lines_of(old(&s, 1)), 1);
    CHECK_GT(strlen(old(&s, 1)), 500);
    CHECK_EQ(lines_of(old(&s, 2)), 1);
    CHECK(old(&s, 3) == NULL);
    scratch_remove(&s);
}

TEST_WITH(the_size_of_a_file_that_was_there_counts, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    const kt_log_sink sink = {.kind = KT_LOG_FILE, .path = s.file, .rotate_bytes = 100};
    for (int i = 1; i <= 3; i++) {
        open_one(&sink);
        kt_log_info(&shop, "line %d", i);
        kt_log_close();
    }
    CHECK_EQ(lines_of(contents(s.file)), 1);
    CHECK_EQ(lines_of(old(&s, 1)), 2);
    scratch_remove(&s);
}

/* Of an age that the file's time says, which is easier to turn back than the clock. */
TEST_WITH(a_file_of_a_period_that_is_over_rotates, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    const kt_log_sink sink = {.kind = KT_LOG_FILE, .path = s.file, .rotate_every = KT_S(86400)};
    open_one(&sink);
    kt_log_info(&shop, "yesterday's");
    kt_log_close();
    const struct timespec times[2] = {{.tv_sec = time(NULL) - 86400},
                                      {.tv_sec = time(NULL) - 86400}};
    CHECK_EQ(utimensat(AT_FDCWD, s.file, times, 0), 0);
    open_one(&sink);
    kt_log_info(&shop, "today's");
    kt_log_info(&shop, "also today's");
    kt_log_close();
    CHECK_STR(behind_time(old(&s, 1)), "shop - INFO - yesterday's\n");
    CHECK_EQ(lines_of(contents(s.file)), 2);
    scratch_remove(&s);
}

TEST_WITH(a_file_rotates_with_the_seconds, KT_TEST_NO_LOOP | KT_TEST_REAL_TIME)
{
    scratch s = scratch_make();
    open_one(&(kt_log_sink){.kind = KT_LOG_FILE, .path = s.file, .rotate_every = KT_S(1)});
    for (int i = 0; i < 3; i++) {
        kt_log_info(&shop, "a");
        usleep(1100000);
    }
    kt_log_close();
    CHECK_EQ(lines_of(contents(s.file)), 1);
    CHECK_EQ(lines_of(old(&s, 1)), 1);
    CHECK_EQ(lines_of(old(&s, 2)), 1);
    scratch_remove(&s);
}

/* ---- Many threads ---------------------------------------------------------------------------- */

enum { THREADS = 8, LINES = 2000 };

static void *writes(void *arg)
{
    int who = *(int *)arg;
    for (int i = 0; i < LINES; i++) {
        kt_log_info(&shop, "thread %d line %05d %*s", who, i, i % 700, "x");
        if (i % 100 == 0)
            CHECK_OK(kt_log_flush(KT_S(60))); /* so that there is always room */
    }
    return NULL;
}

/* Every line is there once, whole, and each thread's are in its order. */
static void check_lines(const char *text, int next[THREADS])
{
    for (; *text; text = strchr(text, '\n') + 1) {
        int who, i;
        CHECK_EQ(sscanf(behind_time(text), "shop - INFO - thread %d line %05d ", &who, &i), 2);
        CHECK(who >= 0 && who < THREADS);
        CHECK_EQ(i, next[who]);
        next[who]++;
        CHECK_EQ(strchr(text, '\n')[-1], 'x');
    }
}

TEST_WITH(no_line_is_lost_or_torn_when_many_threads_write_and_files_rotate, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    pthread_t threads[THREADS];
    int numbers[THREADS], next[THREADS] = {0};
    kt_log_counts counts;
    open_one(
        &(kt_log_sink){.kind = KT_LOG_FILE, .path = s.file, .rotate_bytes = 100000, .keep = 999});
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK_EQ(pthread_create(&threads[i], NULL, writes, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_OK(kt_log_flush(KT_S(60)));
    kt_log_counts_get(&counts);
    CHECK_EQ(counts.dropped, 0);
    kt_log_close();
    CHECK_GT(counts.rotated, 10);
    for (unsigned n = (unsigned)counts.rotated; n > 0; n--)
        if (old(&s, n))
            check_lines(old(&s, n), next);
    check_lines(contents(s.file), next);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(next[i], LINES);
    scratch_remove(&s);
}

/* ---- When it cannot be written --------------------------------------------------------------- */

TEST_WITH(a_reopened_log_goes_on_in_a_new_file, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    char moved[128];
    snprintf(moved, sizeof moved, "%s.moved", s.file);
    open_file(s.file);
    kt_log_info(&shop, "one");
    CHECK_OK(kt_log_flush(KT_S(60)));
    CHECK_EQ(rename(s.file, moved), 0);
    kt_log_info(&shop, "two");
    CHECK_OK(kt_log_flush(KT_S(60)));
    kt_log_reopen();
    kt_log_info(&shop, "three");
    kt_log_close();
    CHECK_EQ(lines_of(contents(moved)), 2);
    CHECK_STR(behind_time(contents(s.file)), "shop - INFO - three\n");
    scratch_remove(&s);
}

TEST_WITH(a_file_that_cannot_be_reopened_or_rotated_goes_on, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    char moved[128], there[192];
    snprintf(moved, sizeof moved, "%s-moved", s.path);
    snprintf(there, sizeof there, "%s/log", moved);
    open_one(&(kt_log_sink){.kind = KT_LOG_FILE, .path = s.file, .rotate_bytes = 100});
    kt_log_info(&shop, "one");
    CHECK_OK(kt_log_flush(KT_S(60)));
    CHECK_EQ(rename(s.path, moved), 0);
    kt_log_reopen();
    for (int i = 0; i < 10; i++)
        kt_log_info(&shop, "more");
    kt_log_close();
    CHECK_EQ(lines_of(contents(there)), 11);
    CHECK_EQ(rename(moved, s.path), 0);
    scratch_remove(&s);
}

/* Many attempts, for want of a descriptor: lines go on into the file that is open, and the old files stay, but for one
 * that the first attempt has made room for. */
TEST_WITH(attempts_to_rotate_that_fail_use_up_no_old_files, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    kt_log_counts counts;
    struct rlimit before;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    open_one(&(kt_log_sink){.kind = KT_LOG_FILE, .path = s.file, .rotate_bytes = 100, .keep = 3});
    for (int i = 1; i <= 8; i++)
        kt_log_info(&shop, "line %d", i); /* two in each file */
    CHECK_OK(kt_log_flush(KT_S(60)));
    const struct rlimit none = {3, before.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 9; i <= 18; i++)
        kt_log_info(&shop, "line %d", i);
    CHECK_OK(kt_log_flush(KT_S(60)));
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    kt_log_counts_get(&counts);
    CHECK_EQ(counts.rotated, 3);
    CHECK_EQ(lines_of(contents(s.file)), 12);
    CHECK(old(&s, 1) == NULL);
    CHECK(strstr(old(&s, 2), "line 5\n") && strstr(old(&s, 3), "line 3\n"));
    kt_log_info(&shop, "line 19");
    kt_log_close();
    CHECK_EQ(lines_of(old(&s, 1)), 12);
    CHECK_STR(behind_time(contents(s.file)), "shop - INFO - line 19\n");
    CHECK(strstr(old(&s, 2), "line 5\n") && strstr(old(&s, 3), "line 3\n"));
    scratch_remove(&s);
}

/* Opening one waits for a reader, unless told not to. */
TEST_WITH(a_fifo_that_nobody_reads_is_not_waited_for, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    const kt_log_sink sink = {.kind = KT_LOG_FILE, .path = s.file};
    const kt_log_options options = {.sinks = &sink, .sinks_count = 1};
    CHECK_EQ(mkfifo(s.file, 0600), 0);
    CHECK_ERR(kt_log_open(&options), -ENXIO);
    int reader = open(s.file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK_GE(reader, 0);
    CHECK_OK(kt_log_open(&options));
    close(reader);
    kt_log_reopen();
    kt_log_close();
    scratch_remove(&s);
}

/* A file that may not grow is a full disk that root meets as well. */
TEST_WITH(lines_that_a_full_disk_took_are_told, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    kt_log_counts counts;
    struct rlimit before;
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    open_file(s.file);
    kt_log_info(&shop, "one");
    CHECK_OK(kt_log_flush(KT_S(60)));
    const struct rlimit tight = {strlen(contents(s.file)) + 10, before.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
    kt_log_info(&shop, "two");
    CHECK_OK(kt_log_flush(KT_S(60)));
    kt_log_info(&shop, "three");
    CHECK_OK(kt_log_flush(KT_S(60)));
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    kt_log_info(&shop, "four");
    CHECK_OK(kt_log_flush(KT_S(60)));
    kt_log_counts_get(&counts);
    CHECK_EQ(counts.lost, 2);
    kt_log_close();
    const char *text = contents(s.file);
    CHECK_EQ(lines_of(text), 4); /* one, a piece of two, four, and how many were lost */
    CHECK(!strstr(text, "three") && strstr(text, "shop - INFO - four\n"));
    CHECK(
        strstr(text, " - log - WARNING - 2 lines could not be written: File too large (EFBIG)\n") !=
        NULL);
    scratch_remove(&s);
}

/* ---- When nobody reads ----------------------------------------------------------------------- */

TEST_WITH(a_pipe_that_nobody_reads_stops_no_one_and_drops_are_counted, KT_TEST_NO_LOOP)
{
    int ends[2];
    kt_log_counts counts;
    char text[64];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    const kt_log_sink sink = {.kind = KT_LOG_DESCRIPTOR, .descriptor = ends[1]};
    CHECK_OK(
        kt_log_open(&(kt_log_options){.sinks = &sink, .sinks_count = 1, .buffer_bytes = 16384}));
    uint64_t lines = 0;
    do
        kt_log_info(&shop, "%0100d", (int)++lines);
    while (kt_log_flush(KT_MS(50)) == 0); /* the pipe is full */
    for (int i = 0; i < 1000; i++, lines++)
        kt_log_info(&shop, "%0100d", i);
    kt_log_counts_get(&counts);
    CHECK_GT(counts.dropped, 0);
    CHECK_EQ(counts.logged + counts.dropped, lines);
    CHECK_ERR(kt_log_flush(KT_MS(10)), KT_ETIMEDOUT);
    snprintf(text, sizeof text,
             " - log - WARNING - %llu lines dropped: the log's buffer was full\n",
             (unsigned long long)counts.dropped);
    static char read_here[1 << 20];
    size_t size = 0;
    while (!memmem(read_here, size, text, strlen(text))) {
        ssize_t n = read(ends[0], read_here + size, sizeof read_here - size);
        CHECK_GT(n, 0);
        size += (size_t)n;
    }
    read_here[size] = '\0';
    CHECK_EQ(lines_of(read_here), counts.logged + 1);
    kt_log_close();
    close(ends[0]);
    close(ends[1]);
}

TEST_WITH(the_end_of_a_stuck_log_comes_within_its_limit, KT_TEST_NO_LOOP)
{
    int ends[2];
    scratch s = scratch_make();
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    const kt_log_sink sinks[] = {{.kind = KT_LOG_DESCRIPTOR, .descriptor = ends[1]},
                                 {.kind = KT_LOG_FILE, .path = s.file}};
    CHECK_OK(
        kt_log_open(&(kt_log_options){.sinks = sinks, .sinks_count = 2, .flush_limit = KT_MS(50)}));
    for (int i = 0; i < 2000; i++)
        kt_log_info(&shop, "%0100d", i);
    kt_log_close();
    CHECK_GT(lines_of(contents(s.file)), 300); /* what the pipe did not take the file has */
    close(ends[0]);
    close(ends[1]);
    scratch_remove(&s);
}
