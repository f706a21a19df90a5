/* SPDX-License-Identifier: MIT */

/* Text: UTF-8, lines, blanks, lists of tags. */

#include <errno.h>
#include <kettle/memory.h>

#include "notes/notes.h"

/* ---- UTF-8 (RFC 3629) --------------------------------------------------------------------- */

/* The bytes of the character at `p`; 0 if there is none. */
static size_t char_size(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    size_t size = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* Longer than need be, a surrogate, beyond the last. */
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return size;
}

/* Names the place of a byte as editors do: lines and bytes count from 1. */
static int refuse_byte(kt_slice text, size_t at, const char *why)
{
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at; i++)
        if (text.data[i] == '\n') {
            line++;
            start = i + 1;
        }
    return kt_error_set(KT_EVALIDATION, "line %zu, byte %zu: %s", line, at - start + 1, why);
}

int kt__text_check(kt_slice text)
{
    const unsigned char *p = (const unsigned char *)text.data;
    for (size_t i = 0; i < text.size;) {
        if (p[i] == 0)
            return refuse_byte(text, i, "NUL is not text");
        size_t size = char_size(p + i, text.size - i);
        if (size == 0)
            return refuse_byte(text, i, "not UTF-8");
        i += size;
    }
    return 0;
}

int kt__text_mend(kt_buffer *out, kt_slice text)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < text.size;) {
        size_t size = char_size((const unsigned char *)text.data + i, text.size - i);
        bool good = size > 0 && text.data[i];
        rc = kt_buffer_append(out, good ? text.data + i : "?", good ? size : 1);
        i += good ? size : 1;
    }
    return rc;
}

uint32_t kt__text_char(kt_slice text, size_t at, size_t *ret_size)
{
    const unsigned char *p = (const unsigned char *)text.data + at;
    size_t size = char_size(p, text.size - at);
    uint32_t code = size < 2 ? p[0] : p[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        code = code << 6 | (p[i] & 0x3f);
    *ret_size = size ? size : 1;
    return code;
}

/* ---- Lines and blanks --------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

kt_slice kt__text_trim(kt_slice text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

bool kt__text_line(kt_slice *rest, kt_slice *ret_line)
{
    if (rest->size == 0)
        return false;
    const char *end = memchr(rest->data, '\n', rest->size);
    size_t size = end ? (size_t)(end - rest->data) : rest->size;
    *ret_line = (kt_slice){rest->data, size};
    size_t used = end ? size + 1 : size;
    rest->data += used;
    rest->size -= used;
    if (ret_line->size > 0 && ret_line->data[ret_line->size - 1] == '\r')
        ret_line->size--;
    return true;
}

bool kt__text_begins(kt_slice text, const char *with)
{
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.data, with, size) == 0;
}

/* ---- Tags --------------------------------------------------------------------------------- */

int kt__tags_add(kt__tags *t, kt_slice tag)
{
    tag = kt__text_trim(tag);
    if (tag.size == 0)
        return 0;
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 8;
        kt_slice *items = kt_realloc(t->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        t->items = items;
        t->capacity = capacity;
    }
    t->items[t->count++] = tag;
    return 0;
}

int kt__tags_split(kt__tags *t, kt_slice list)
{
    int rc = 0;
    while (rc == 0 && list.size > 0) {
        const char *comma = memchr(list.data, ',', list.size);
        size_t size = comma ? (size_t)(comma - list.data) : list.size;
        rc = kt__tags_add(t, (kt_slice){list.data, size});
        size += comma ? 1 : 0;
        list.data += size;
        list.size -= size;
    }
    return rc;
}

void kt__tags_cleanup(kt__tags *t)
{
    kt_free(t->items);
    *t = (kt__tags)KT__TAGS_INIT;
}
