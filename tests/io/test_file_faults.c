/* SPDX-License-Identifier: MIT */
/* Every system call that files make fails with each errno that its manual page lists, moves fewer bytes than asked,
 * or does not come to its end: the caller is told, and nothing is left behind. */
#include "faulty_disk.h"

#define MUCH ((size_t)200 * 1000)

static void fill_with(char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + i % 23);
}

/* ---- Whole files ----------------------------------------------------------------------------- */

static int reads_whole(void *arg)
{
    (void)arg;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = kt_file_read_whole("a", 0, &b);
    CHECK_EQ(b.size, rc == 0 ? 4 : 0);
    return rc;
}

/* The bytes are there: what close says then changes nothing. */
static bool at_the_end_of_reading(fault_kind kind, int nth, int error, int rc)
{
    (void)nth, (void)error;
    return kind == ON_CLOSE && rc == 0;
}

TEST(reading_a_whole_file_tells_every_failure)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    put("a", "text");
    CHECK_EQ(faulty_each(disk, reads_whole, NULL, at_the_end_of_reading), 4);
}

static int writes_whole(void *arg)
{
    (void)arg;
    return kt_file_write_whole("a", "text", 4, NULL);
}

TEST(writing_a_whole_file_tells_every_failure)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    CHECK_EQ(faulty_each(disk, writes_whole, NULL, NULL), 3);
}

/* All or nothing, and no neighbour. */
static int replaces(void *arg)
{
    const faulty *disk = arg;
    bool at_the_end = disk->kind == ON_SYNC && disk->nth == 2;
    put("a", "old");
    CHECK_EQ(chmod("a", 0606), 0);
    int rc = kt_file_replace("a", "brand new", 9, NULL);
    CHECK_STR(got("a"), rc == 0 || at_the_end ? "brand new" : "old");
    return rc;
}

/* A name that is not there, or taken: it makes or seeks another. Some file systems cannot sync a directory. The last
 * close is of a directory. */
static bool of_replacing(fault_kind kind, int nth, int error, int rc)
{
    if (kind == ON_STAT && nth == 1 && error == ENOENT)
        return rc == 0;
    if (kind == ON_OPEN && nth == 2 && error == EEXIST)
        return rc == 0;
    if (kind == ON_SYNC && nth == 2 && error == EINVAL)
        return rc == 0;
    return kind == ON_CLOSE && nth == 2 && rc == 0;
}

TEST(a_replacement_that_fails_leaves_the_old_file_alone)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    /* open: 2, close: 2, write, sync: 2, stat: 2, chmod, rename; unlink only after a failure */
    CHECK_EQ(faulty_each(disk, replaces, disk, of_replacing), 11);
    CHECK_EQ(scratch_count(&here), 1);
}

static int makes(void *arg)
{
    const faulty *disk = arg;
    bool at_the_end = disk->kind == ON_SYNC && disk->nth == 2;
    int rc = kt_file_replace("b", "new", 3, &(kt_file_write_options){.exclusive = true});
    CHECK_STR(got("b"), rc == 0 || at_the_end ? "new" : NULL);
    (void)unlink("b");
    return rc;
}

/* renameat2(2): "EINVAL: the file system does not support one of the flags in flags". */
static bool of_making(fault_kind kind, int nth, int error, int rc)
{
    return (kind == ON_RENAME && error == EINVAL && rc == 0) || of_replacing(kind, nth, error, rc);
}

TEST(a_file_that_cannot_be_made_is_not_there)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    /* open: 2, close: 2, write, sync: 2, stat, rename */
    CHECK_EQ(faulty_each(disk, makes, disk, of_making), 9);
    CHECK_EQ(scratch_count(&here), 0);
}

TEST(where_no_exclusive_rename_is_a_second_name_is_made)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    disk->kind = ON_RENAME, disk->nth = 1, disk->error = EINVAL;
    CHECK_OK(makes(disk));
    CHECK(disk->struck);
    put("b", "old");
    disk->nth = 1;
    CHECK_ERR(kt_file_replace("b", "new", 3, &(kt_file_write_options){.exclusive = true}), -EEXIST);
    CHECK_STR(got("b"), "old");
    CHECK_EQ(scratch_count(&here), 1);
}

/* ---- Handles --------------------------------------------------------------------------------- */

static int uses_a_handle(void *arg)
{
    (void)arg;
    char bytes[8];
    struct stat st;
    kt_auto(kt_file) *f = NULL;
    int rc = kt_file_open("a", O_RDWR | O_CREAT | O_TRUNC, 0600, &f);
    if (rc == 0)
        rc = kt_file_write(f, "0123456789", 10);
    if (rc == 0)
        rc = kt_file_flush(f);
    if (rc == 0)
        rc = (int)kt_file_seek(f, 2, SEEK_SET);
    if (rc >= 0)
        rc = (int)kt_file_read(f, bytes, 3);
    if (rc >= 0)
        rc = kt_file_write(f, "x", 1); /* what was read ahead is sought back */
    if (rc >= 0)
        rc = kt_file_truncate(f, 20);
    if (rc >= 0)
        rc = (int)kt_file_pread(f, bytes, 4, 1);
    if (rc >= 0)
        rc = kt_file_pwrite(f, "y", 1, 15);
    if (rc >= 0)
        rc = kt_file_stat(f, &st);
    if (rc >= 0)
        rc = (int)kt_file_seek(f, -1, SEEK_END);
    if (rc >= 0)
        rc = kt_file_datasync(f);
    int closed = kt_file_close(kt_steal(f));
    return rc < 0 ? rc : closed;
}

/* What would wait on the loop is done on the pool. */
static bool of_a_handle(fault_kind kind, int nth, int error, int rc)
{
    (void)nth;
    return kind == ON_READ && error == EAGAIN && rc == 0;
}

TEST(every_failure_of_a_handle_reaches_its_caller)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    CHECK_OK(uses_a_handle(NULL));
    CHECK_GE(faulty_each(disk, uses_a_handle, NULL, of_a_handle), 14);
}

static void check_all(kt_file *f, const char *expected)
{
    char bytes[64] = "";
    CHECK_EQ(kt_file_seek(f, 0, SEEK_SET), 0);
    CHECK_EQ(kt_file_read(f, bytes, sizeof bytes - 1), (ssize_t)strlen(expected));
    CHECK_STR(bytes, expected);
}

TEST(bytes_that_the_disk_did_not_take_stay_buffered)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    kt_auto(kt_file) *f = NULL;
    CHECK_OK(kt_file_open("a", O_RDWR | O_CREAT, 0600, &f));
    CHECK_OK(kt_file_write(f, "0123456789", 10));
    disk->most = 4;
    disk->kind = ON_WRITE, disk->nth = 2, disk->error = ENOSPC;
    CHECK_ERR(kt_file_flush(f), -ENOSPC);
    CHECK_STR(got("a"), "0123");
    CHECK_EQ(kt_file_tell(f), 10);
    CHECK_OK(kt_file_write(f, "abc", 3));
    CHECK_OK(kt_file_flush(f));
    CHECK_STR(got("a"), "0123456789abc");
    check_all(f, "0123456789abc");
}

TEST(a_write_that_does_not_fit_takes_all_or_nothing)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    kt_auto(kt_file) *f = NULL;
    static char bytes[80 * 1000], back[3 * sizeof bytes];
    fill_with(bytes, sizeof bytes);
    CHECK_OK(kt_file_open("a", O_RDWR | O_CREAT, 0600, &f));
    CHECK_OK(kt_file_write(f, bytes, sizeof bytes));
    disk->kind = ON_WRITE, disk->nth = 1, disk->error = ENOSPC;
    CHECK_ERR(kt_file_write(f, bytes, sizeof bytes), -ENOSPC);
    CHECK_EQ(kt_file_tell(f), sizeof bytes);
    CHECK_OK(kt_file_write(f, bytes, sizeof bytes));
    CHECK_EQ(kt_file_seek(f, 0, SEEK_SET), 0);
    CHECK_EQ(kt_file_read(f, back, sizeof back), 2 * sizeof bytes);
    CHECK_MEM(back + sizeof bytes, bytes, sizeof bytes);
}

TEST(a_failed_sync_is_never_forgotten)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    kt_auto(kt_file) *f = NULL;
    CHECK_OK(kt_file_open("a", O_RDWR | O_CREAT, 0600, &f));
    disk->kind = ON_SYNC, disk->nth = 1, disk->error = EIO;
    CHECK_ERR(kt_file_datasync(f), -EIO);
    CHECK_STR(kt_error_detail(), "sync a: Input/output error");
    CHECK_ERR(kt_file_sync(f), -EIO);
    CHECK_EQ(disk->calls[ON_SYNC], 1);
}

TEST(a_failed_read_takes_nothing)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    kt_auto(kt_file) *f = NULL;
    char bytes[16] = "";
    put("a", "0123456789");
    disk->most = 4;
    CHECK_OK(kt_file_open("a", O_RDONLY, 0, &f));
    CHECK_EQ(kt_file_read(f, bytes, 1), 1);
    disk->kind = ON_READ, disk->nth = 2, disk->error = EIO, disk->for_good = true;
    CHECK_ERR(kt_file_read(f, bytes, 9), -EIO);
    CHECK_STR(kt_error_detail(), "read a: Input/output error");
    CHECK_EQ(kt_file_tell(f), 1);
    faulty_calm(disk);
    CHECK_EQ(kt_file_read(f, bytes, 9), 9);
    CHECK_MEM(bytes, "123456789", 9);
}

/* ---- Short counts ---------------------------------------------------------------------------- */

static void write_in_all_ways(kt_file *f, const char *bytes)
{
    CHECK_OK(kt_file_write(f, bytes, 100));
    CHECK_OK(kt_file_write(f, bytes + 100, MUCH - 100));
    CHECK_OK(kt_file_pwrite(f, bytes, MUCH / 2, 0));
}

TEST(short_counts_are_gone_on_with)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    kt_auto(kt_buffer) whole = KT_BUFFER_INIT;
    kt_auto(kt_file) *f = NULL;
    static char bytes[MUCH], back[MUCH];
    fill_with(bytes, MUCH);
    disk->most = 37;
    CHECK_OK(kt_file_open("a", O_RDWR | O_CREAT, 0600, &f));
    write_in_all_ways(f, bytes);
    CHECK_EQ(kt_file_pread(f, back, MUCH, 0), MUCH);
    CHECK_MEM(back, bytes, MUCH);
    CHECK_EQ(kt_file_seek(f, 0, SEEK_SET), 0);
    CHECK_EQ(kt_file_read(f, back, MUCH), MUCH);
    CHECK_MEM(back, bytes, MUCH);
    CHECK_OK(kt_file_replace("b", bytes, MUCH, NULL));
    CHECK_OK(kt_file_write_whole("a", bytes, MUCH, NULL));
    CHECK_OK(kt_file_read_whole("b", 0, &whole));
    CHECK_EQ(whole.size, MUCH);
    CHECK_MEM(whole.data, bytes, MUCH);
}
