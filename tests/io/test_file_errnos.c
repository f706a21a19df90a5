/* SPDX-License-Identifier: MIT */

/* Every call that files make to the disk fails with every code of its manual page: the caller gets it, and nothing
 * is left open, nor a temporary file. */
#include "errnos.h"

/* ---- What programs do -------------------------------------------------------------------------- */

static int read_whole(void)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = kt_file_read_whole("/dir/file", 0, &b);
    CHECK_SLICE(kt_buffer_slice(&b), rc < 0 ? "" : TEXT);
    return rc;
}

static int read_text(void)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    return kt_file_read_text("/dir/file", 1000, &b);
}

static int write_whole(void)
{
    return kt_file_write_whole("/dir/file", TEXT, SIZE, NULL);
}

static int replace(void)
{
    return kt_file_replace("/dir/file", "new", 3, NULL);
}

static int replace_unsynced(void)
{
    const kt_file_write_options options = {.mode = 0666, .no_sync = true};
    return kt_file_replace("/dir/file", "new", 3, &options);
}

static int make_new(void)
{
    const kt_file_write_options options = {.exclusive = true};
    return kt_file_replace("/dir/new", "new", 3, &options);
}

static int read_many(void)
{
    kt_file_read_item items[3] = {{.path = "/dir/file"}, {.path = "/dir/other"}, {.path = "/dir/file"}};
    const kt_file_batch_options options = {.workers = 1};
    int rc = kt_file_read_batch(items, 3, &options), first = 0;
    for (int i = 2; i >= 0; i--) {
        first = items[i].rc < 0 ? items[i].rc : first;
        CHECK_EQ(items[i].failed_at != NULL, items[i].rc < 0);
        kt_buffer_release(&items[i].content);
    }
    CHECK_EQ(rc, first);
    return rc;
}

static int write_many(bool replace)
{
    kt_file_write_item items[3] = {{.path = "/dir/file", .content = kt_slice_from("a")},
                                   {.path = "/dir/other", .content = kt_slice_from("b")},
                                   {.path = "/dir/third", .content = kt_slice_from("c")}};
    const kt_file_batch_options options = {.workers = 1, .replace = replace};
    int failed = 0, rc = kt_file_write_batch(items, 3, &options);
    for (int i = 0; i < 3; i++)
        failed += items[i].rc < 0;
    CHECK_EQ(failed, rc < 0); /* one failure is one file's */
    return rc;
}

static int write_whole_many(void)
{
    return write_many(false);
}

static int replace_many(void)
{
    return write_many(true);
}

static int read_lines_of(kt_file *f)
{
    kt_slice line;
    int rc = kt_file_read_line(f, 100, &line);
    if (rc > 0)
        CHECK_SLICE(line, "first line");
    if (rc > 0)
        rc = kt_file_read_line(f, 100, &line);
    if (rc > 0)
        rc = kt_file_read_line(f, 100, &line);
    return rc;
}

static int read_lines(void)
{
    kt_auto(kt_file) *f = NULL;
    int rc = kt_file_open("/dir/file", O_RDONLY, 0, &f);
    if (rc == 0)
        rc = read_lines_of(f);
    int closed = kt_file_close(kt_steal(f));
    return rc < 0 ? rc : closed;
}

static int work_with(kt_file *f)
{
    char bytes[8];
    struct stat st;
    int rc = kt_file_lock(f, KT_FILE_EXCLUSIVE);
    if (rc == 0)
        rc = kt_file_write(f, "0123456789", 10);
    if (rc == 0)
        rc = kt_file_sync(f);
    if (rc == 0)
        rc = kt_file_pwrite(f, "x", 1, 3);
    if (rc == 0)
        rc = (int)kt_file_seek(f, -4, SEEK_END);
    if (rc >= 0)
        rc = (int)kt_file_read(f, bytes, sizeof bytes);
    if (rc >= 0)
        rc = (int)kt_file_pread(f, bytes, 4, 0);
    if (rc >= 0)
        rc = kt_file_truncate(f, 5);
    if (rc == 0)
        rc = kt_file_stat(f, &st);
    if (rc == 0)
        rc = kt_file_datasync(f);
    return rc == 0 ? kt_file_unlock(f) : rc;
}

static int use_handle(void)
{
    kt_auto(kt_file) *f = NULL;
    int rc = kt_file_open("/dir/new", O_RDWR | O_CREAT | O_TRUNC, 0644, &f);
    if (rc == 0)
        rc = work_with(f);
    int closed = kt_file_close(kt_steal(f));
    return rc < 0 ? rc : closed;
}

static int open_beneath(void)
{
    kt_auto(kt_file) *root = NULL, *f = NULL;
    int rc = kt_file_open("/dir", O_RDONLY | O_DIRECTORY, 0, &root);
    if (rc == 0)
        rc = kt_file_open_beneath(root, "file", O_RDONLY, 0, &f);
    int closed = kt_file_close(kt_steal(f));
    if (rc == 0)
        rc = closed;
    closed = kt_file_close(kt_steal(root));
    return rc < 0 ? rc : closed;
}

/* ---- What may fail unnoticed ---------------------------------------------------------------------- */

/* The bytes are here whatever closing says. */
static const spared in_reading[] = {{KT_TEST_DISK_CLOSE, 0}, {0}};

/* Nothing was written through the directory that is closed at the end; a temporary name that is taken makes room for
 * another; no old file to keep the mode of; a file system that cannot sync directories, or rename exclusively. */
static const spared in_replacing[] = {
    {KT_TEST_DISK_CLOSE, 0},       {KT_TEST_DISK_OPEN, EEXIST},   {KT_TEST_DISK_STAT, ENOENT},
    {KT_TEST_DISK_SYNC, EINVAL},   {KT_TEST_DISK_RENAME, EINVAL}, {0},
};

TEST(reading_a_whole_file_fails_as_its_calls_do)
{
    sweep(read_whole, in_reading);
    sweep(read_text, in_reading);
}

TEST(writing_a_whole_file_fails_as_its_calls_do)
{
    sweep(write_whole, NULL);
}

TEST(replacing_fails_as_its_calls_do_and_leaves_no_temporary)
{
    sweep(replace, in_replacing);
    sweep(replace_unsynced, in_replacing);
    sweep(make_new, in_replacing);
}

TEST(batches_fail_as_the_calls_for_each_file_do)
{
    sweep(read_many, in_reading);
    sweep(write_whole_many, NULL);
    sweep(replace_many, in_replacing);
}

/* A read without waiting that fails, for whatever reason, is made again by a thread. */
static const spared in_reading_at_once[] = {{KT_TEST_DISK_READ, 0}, {0}};

TEST(handles_fail_as_their_calls_do)
{
    bool is_sim = strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0;
    sweep(read_lines, is_sim ? NULL : in_reading_at_once);
    sweep(use_handle, is_sim ? NULL : in_reading_at_once);
    sweep(open_beneath, NULL);
}
