/* SPDX-License-Identifier: MIT */

/* Files on a disk that reads and writes less than it was asked for, in calls that take their time, under many seeds. */
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <kettle/test_disk.h>

#include <errno.h>
#include <stdio.h>

#define FILES 12
#define LINES 400

static kt_test_disk *begin(void)
{
    const kt_test_disk_options options = {.latency = KT_US(10), .jitter = KT_MS(1)};
    kt_test_disk *d = kt_test_disk_open(&options);
    kt_test_disk_use(d);
    return d;
}

/* Lines of many lengths, the last without an end: the text of a file. */
static void make_text(kt_buffer *b, size_t lines)
{
    for (size_t i = 0; i < lines; i++) {
        CHECK_OK(kt_buffer_printf(b, "%zu:", i));
        for (size_t j = 0; j < i * 37 % 211; j++)
            CHECK_OK(kt_buffer_append_string(b, j % 5 ? "x" : "\xc3\xa9"));
        CHECK_OK(kt_buffer_append_string(b, i + 1 == lines ? "" : i % 3 ? "\n" : "\r\n"));
    }
}

static int whole_files(void *arg)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT, found = KT_BUFFER_INIT;
    kt_test_disk *d = begin();
    (void)arg;
    make_text(&text, LINES);
    CHECK_OK(kt_file_write_whole("/written", text.data, text.size, NULL));
    CHECK_OK(kt_file_replace("/replaced", text.data, text.size, NULL));
    CHECK_OK(kt_file_read_text("/written", 0, &found));
    CHECK(kt_slice_equal(kt_buffer_slice(&found), kt_buffer_slice(&text)));
    kt_buffer_clear(&found);
    CHECK_OK(kt_file_read_whole("/replaced", text.size, &found));
    CHECK(kt_slice_equal(kt_buffer_slice(&found), kt_buffer_slice(&text)));
    kt_buffer_clear(&found);
    CHECK_ERR(kt_file_read_whole("/replaced", text.size - 1, &found), KT_ELIMIT);
    kt_test_disk_close(d);
    return 0;
}

TEST_WITH(whole_files_are_whole, KT_TEST_NO_LOOP)
{
    kt_test_seeds(60, whole_files, NULL);
}

static int lines_and_chunks(void *arg)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT, lines = KT_BUFFER_INIT, chunks = KT_BUFFER_INIT;
    kt_auto(kt_file) *f = NULL;
    kt_slice piece;
    kt_test_disk *d = begin();
    int rc, count = 0;
    (void)arg;
    make_text(&text, LINES);
    CHECK_OK(kt_test_disk_put(d, "/file", kt_buffer_slice(&text)));
    CHECK_OK(kt_file_open("/file", O_RDONLY, 0, &f));
    while ((rc = kt_file_read_line(f, 4096, &piece)) > 0) {
        CHECK_OK(kt_buffer_append(&lines, piece.data, piece.size));
        CHECK_OK(kt_buffer_append_string(&lines, count + 1 == LINES ? "" : count % 3 ? "\n" : "\r\n"));
        count++;
    }
    CHECK_OK(rc);
    CHECK_EQ(count, LINES);
    CHECK(kt_slice_equal(kt_buffer_slice(&lines), kt_buffer_slice(&text)));
    CHECK_EQ(kt_file_seek(f, 100, SEEK_SET), 100);
    while ((rc = kt_file_read_chunk(f, 777, &piece)) > 0)
        CHECK_OK(kt_buffer_append(&chunks, piece.data, piece.size));
    CHECK_OK(rc);
    CHECK(kt_slice_equal(kt_buffer_slice(&chunks), (kt_slice){text.data + 100, text.size - 100}));
    CHECK_OK(kt_file_close(kt_steal(f)));
    kt_test_disk_close(d);
    return 0;
}

TEST_WITH(lines_and_chunks_are_read_to_the_end, KT_TEST_NO_LOOP)
{
    kt_test_seeds(60, lines_and_chunks, NULL);
}

/* Writes through the handle's buffer, past it, and at offsets, beside a plain copy of what must come of it. */
static int pieces(void *arg)
{
    static char model[1000000], bytes[100000];
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    kt_auto(kt_file) *f = NULL;
    kt_test_disk *d = begin();
    size_t at = 0;
    (void)arg;
    memset(model, 0, sizeof model);
    CHECK_OK(kt_file_open("/file", O_RDWR | O_CREAT, 0644, &f));
    for (size_t i = 0; i < 12; i++) {
        size_t size = i * i * 617 % sizeof bytes, offset = i * 4099;
        memset(bytes, (int)('a' + i), size);
        CHECK_OK(kt_file_write(f, bytes, size));
        memcpy(model + at, bytes, size);
        at += size;
        CHECK_OK(kt_file_pwrite(f, bytes, size / 3, (int64_t)offset));
        memcpy(model + offset, bytes, size / 3);
        ssize_t n = kt_file_pread(f, bytes, 5000, (int64_t)offset);
        int64_t left = kt_file_size(f) - (int64_t)offset;
        CHECK_EQ(n, left < 0 ? 0 : left < 5000 ? left : 5000);
        CHECK_MEM(bytes, model + offset, n);
    }
    CHECK_OK(kt_file_close(kt_steal(f)));
    CHECK_OK(kt_test_disk_get(d, "/file", &found));
    CHECK_GE(found.size, at);
    CHECK(kt_slice_equal(kt_buffer_slice(&found), (kt_slice){model, found.size}));
    kt_test_disk_close(d);
    return 0;
}

TEST_WITH(what_is_written_in_pieces_is_there_in_order, KT_TEST_NO_LOOP)
{
    kt_test_seeds(40, pieces, NULL);
}

static void count_item(size_t index, void *arg)
{
    *(unsigned *)arg += (unsigned)index;
}

static int batches(void *arg)
{
    static char paths[FILES][32];
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    kt_file_write_item writes[FILES] = {{0}};
    kt_file_read_item reads[FILES] = {{0}};
    unsigned ended = 0;
    const kt_file_batch_options options = {.replace = true, .on_item = count_item, .arg = &ended};
    kt_test_disk *d = begin();
    (void)arg;
    make_text(&text, LINES / 4);
    for (size_t i = 0; i < FILES; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/%zu", i);
        writes[i].path = reads[i].path = paths[i];
        writes[i].content = (kt_slice){text.data, text.size * i / FILES};
    }
    CHECK_OK(kt_file_write_batch(writes, FILES, &options));
    CHECK_EQ(ended, FILES * (FILES - 1) / 2);
    CHECK_OK(kt_file_read_batch(reads, FILES, NULL));
    for (size_t i = 0; i < FILES; i++) {
        CHECK(kt_slice_equal(kt_buffer_slice(&reads[i].content), writes[i].content));
        kt_buffer_release(&reads[i].content);
    }
    kt_test_disk_crash(d); /* what was replaced stays */
    kt_file_read_item again = {.path = paths[FILES - 1]};
    CHECK_OK(kt_file_read_batch(&again, 1, NULL));
    CHECK_EQ(again.content.size, text.size * (FILES - 1) / FILES);
    kt_buffer_release(&again.content);
    kt_test_disk_close(d);
    return 0;
}

TEST_WITH(batches_are_complete, KT_TEST_NO_LOOP)
{
    kt_test_seeds(60, batches, NULL);
}

static int copies(void *arg)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT, found = KT_BUFFER_INIT;
    kt_auto(kt_file) *f = NULL;
    kt_test_disk *d = begin();
    (void)arg;
    make_text(&text, LINES);
    CHECK_OK(kt_file_open("/holes", O_RDWR | O_CREAT, 0644, &f));
    CHECK_OK(kt_file_pwrite(f, text.data, text.size, 50000));
    CHECK_OK(kt_file_pwrite(f, text.data, text.size, 250001));
    CHECK_OK(kt_file_truncate(f, 400000));
    CHECK_OK(kt_path_copy("/holes", "/copy", NULL));
    CHECK_OK(kt_file_close(kt_steal(f)));
    CHECK_OK(kt_test_disk_get(d, "/copy", &found));
    CHECK_EQ(found.size, 400000);
    CHECK_MEM(found.data + 50000, text.data, text.size);
    CHECK_MEM(found.data + 250001, text.data, text.size);
    for (size_t i = 0; i < 50000; i++)
        found.size -= found.data[i] == '\0';
    CHECK_EQ(found.size, 350000);
    kt_test_disk_close(d);
    return 0;
}

TEST_WITH(copies_are_whole, KT_TEST_NO_LOOP)
{
    kt_test_seeds(40, copies, NULL);
}
