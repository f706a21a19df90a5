/* SPDX-License-Identifier: MIT */
#ifndef TESTS_NOTES_NOTE_KIT_H
#define TESTS_NOTES_NOTE_KIT_H

/* What the tests of libkettle-notes share. */

#include <errno.h>
#include <kettle/kettle.h>
#include <kettle/notes.h>
#include <kettle/test.h>
#include <kettle/test_disk.h>
#include <stdio.h>

/* A literal as a slice, also with NUL in it. */
#define S(literal) ((kt_slice){(literal), sizeof(literal) - 1})

/* A note with up to three tags, in static storage of the expression. */
#define NOTE(a_title, a_body, ...) \
    ((kt_note){.title = S(a_title), \
               .body = S(a_body), \
               .tags = (const kt_slice[]){__VA_ARGS__}, \
               .tags_count = sizeof((const kt_slice[]){__VA_ARGS__}) / sizeof(kt_slice)})
#define NOTE_UNTAGGED(a_title, a_body) ((kt_note){.title = S(a_title), .body = S(a_body)})

static inline void sure(int rc)
{
    CHECK_OK(rc);
}

static inline void check_same(const kt_note *a, const kt_note *b)
{
    CHECK_MEM(a->title.data, b->title.data, a->title.size == b->title.size ? a->title.size : 0);
    CHECK_EQ(a->title.size, b->title.size);
    CHECK_EQ(a->body.size, b->body.size);
    CHECK_MEM(a->body.data, b->body.data, a->body.size);
    CHECK_EQ(a->tags_count, b->tags_count);
    for (size_t i = 0; i < a->tags_count; i++)
        CHECK(kt_slice_equal(a->tags[i], b->tags[i]));
    CHECK(kt_note_equal(a, b));
}

/* ---- A disk for a test -------------------------------------------------------------------- */

static inline kt_test_disk *disk_open(const kt_test_disk_options *o)
{
    kt_test_disk *d = kt_test_disk_open(o);
    kt_test_disk_use(d);
    return d;
}

static inline void put(kt_test_disk *d, const char *path, const char *text)
{
    sure(kt_test_disk_put(d, path, kt_slice_from(text)));
}

/* All that is on it but for "/tmp", a line each: "/a/" a folder, "/a/b" a file. */
static inline void check_disk(kt_test_disk *d, const char *expected)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    kt_auto(kt_buffer) names = KT_BUFFER_INIT;
    sure(kt_test_disk_list(d, &found));
    for (size_t i = 0; i < found.size; i++) {
        if (found.data[i] == ' ') /* then the size */
            while (found.data[i] != '\n')
                i++;
        sure(kt_buffer_append(&names, found.data + i, 1));
    }
    CHECK_STR(kt_buffer_string(&names), expected);
}

static inline void check_file(kt_test_disk *d, const char *path, const char *expected)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    sure(kt_test_disk_get(d, path, &found));
    CHECK_STR(kt_buffer_string(&found), expected);
}

/* How many files are there below a folder, or how many temporary ones anywhere. */
static inline int count_files(kt_test_disk *d, const char *part)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    int count = 0;
    sure(kt_test_disk_list(d, &found));
    const char *text = kt_buffer_string(&found);
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : "") {
        size_t size = strcspn(line, "\n");
        bool folder = size > 0 && line[size - 1] == '/';
        count += !folder && memmem(line, size, part, strlen(part)) != NULL;
    }
    return count;
}

#endif
