/* SPDX-License-Identifier: MIT */

/* A note: is it one, are two the same, a copy. */

#include <errno.h>
#include <kettle/memory.h>

#include "notes/notes.h"

/* A line of text that `what` names: what is wrong with it, or NULL. */
static const char *line_fault(kt_slice line)
{
    kt_slice trimmed = kt__text_trim(line);
    if (line.size > 0 && memchr(line.data, '\n', line.size))
        return "holds a line end";
    if (trimmed.size != line.size)
        return "has blanks at its ends";
    return NULL;
}

static int check_tags(const kt_note *n)
{
    for (size_t i = 0; i < n->tags_count; i++) {
        kt_slice tag = n->tags[i];
        const char *fault = tag.size == 0                     ? "is empty"
                            : memchr(tag.data, ',', tag.size) ? "holds a comma"
                                                              : line_fault(tag);
        if (fault)
            return kt_error_set(KT_EVALIDATION, "tag %zu %s", i + 1, fault);
        int rc = kt__text_check(tag);
        if (rc < 0)
            return kt_error_set(rc, "tag %zu: not UTF-8", i + 1);
    }
    return 0;
}

static size_t note_bytes(const kt_note *n)
{
    size_t bytes = n->title.size + n->body.size;
    for (size_t i = 0; i < n->tags_count; i++)
        bytes += n->tags[i].size + 2;
    return bytes;
}

/* Years 1678 to 2261: those before and behind do not fit as wholes. */
static bool is_time(kt_time wall)
{
    return wall >= -KT_S(9214560000) && wall < KT_S(9214646400);
}

int kt_note_check(const kt_note *n)
{
    const char *fault = line_fault(n->title);
    if (!is_time(n->created) || !is_time(n->changed))
        return kt_error_set(KT_EVALIDATION, "a time is not within the years 1678 to 2261");
    if (fault)
        return kt_error_set(KT_EVALIDATION, "the title %s", fault);
    if (note_bytes(n) > KT_NOTE_BYTES_MAX)
        return kt_error_set(KT_ELIMIT, "a note holds at most %zu MiB", KT_NOTE_BYTES_MAX >> 20);
    if (kt__text_check(n->title) < 0)
        return kt_error_set(KT_EVALIDATION, "the title is not UTF-8");
    int rc = kt__text_check(n->body);
    return rc < 0 ? rc : check_tags(n);
}

/* ---- Copies ------------------------------------------------------------------------------- */

static kt_slice put(char **at, kt_slice text)
{
    kt_slice copy = {*at, text.size};
    if (text.size > 0)
        memcpy(*at, text.data, text.size);
    (*at)[text.size] = '\0'; /* for debuggers, and for who prints it as a string */
    *at += text.size + 1;
    return copy;
}

int kt_note_copy(const kt_note *n, kt_note *ret_note)
{
    size_t bytes = n->tags_count * sizeof(kt_slice) + n->title.size + 1 + n->body.size + 1;
    for (size_t i = 0; i < n->tags_count; i++)
        bytes += n->tags[i].size + 1;
    kt_slice *tags = kt_alloc(bytes);
    if (!tags)
        return -ENOMEM;
    char *at = (char *)(tags + n->tags_count);
    kt_note copy = {.tags = tags,
                    .tags_count = n->tags_count,
                    .created = n->created,
                    .changed = n->changed,
                    .storage = tags};
    copy.title = put(&at, n->title);
    if (!n->title.data)
        copy.title.data = NULL; /* there was none; see kt_note_read */
    for (size_t i = 0; i < n->tags_count; i++)
        tags[i] = put(&at, n->tags[i]);
    copy.body = put(&at, n->body);
    *ret_note = copy;
    return 0;
}

void kt_note_release(kt_note *n)
{
    kt_free(n->storage);
    *n = (kt_note)KT_NOTE_INIT;
}

/* ---- Questions ---------------------------------------------------------------------------- */

bool kt_note_equal(const kt_note *a, const kt_note *b)
{
    if (!kt_slice_equal(a->title, b->title) || !kt_slice_equal(a->body, b->body) ||
        a->tags_count != b->tags_count)
        return false;
    for (size_t i = 0; i < a->tags_count; i++)
        if (!kt_slice_equal(a->tags[i], b->tags[i]))
            return false;
    return true;
}

bool kt_note_has_tag(const kt_note *n, const char *tag)
{
    for (size_t i = 0; i < n->tags_count; i++)
        if (kt_slice_is(n->tags[i], tag))
            return true;
    return false;
}
