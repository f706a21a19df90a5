/* SPDX-License-Identifier: MIT */

/* Names of files: made of titles, and kept apart. */

#include <errno.h>
#include <kettle/memory.h>
#include <stdio.h>

#include "notes/notes.h"

/* So that a name with a number and the ending of a temporary file stays below the 255 bytes of
 * most file systems. */
#define SLUG_BYTES_MAX 100

/* ---- From a title to a slug --------------------------------------------------------------- */

static bool is_kept(uint32_t c)
{
    if (c >= 0x80)
        return !kt__char_is_unseen(c);
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* https://learn.microsoft.com/windows/win32/fileio/naming-a-file */
static bool is_device(const char *slug)
{
    static const char *const devices[] = {"con", "prn", "aux", "nul"};
    for (size_t i = 0; i < 4; i++)
        if (strcmp(slug, devices[i]) == 0)
            return true;
    return (strncmp(slug, "com", 3) == 0 || strncmp(slug, "lpt", 3) == 0) && slug[3] >= '0' &&
           slug[3] <= '9' && slug[4] == '\0';
}

size_t kt_note_slug(kt_slice title, char ret_slug[KT_NOTE_SLUG_BYTES])
{
    size_t used = 0, step;
    bool gap = false;
    for (size_t i = 0; i < title.size; i += step) {
        uint32_t c = kt__text_char(title, i, &step);
        if (!is_kept(c) || (step == 1 && c >= 0x80)) { /* or bytes that are no character */
            gap = used > 0;
            continue;
        }
        char bytes[4];
        size_t size = kt__char_encode(kt__char_lower(c), bytes);
        if (used + gap + size > SLUG_BYTES_MAX)
            break;
        if (gap)
            ret_slug[used++] = '-';
        gap = false;
        memcpy(ret_slug + used, bytes, size);
        used += size;
    }
    ret_slug[used] = '\0';
    if (used == 0 || is_device(ret_slug))
        used += (size_t)snprintf(ret_slug + used, KT_NOTE_SLUG_BYTES - used, "%s",
                                 used == 0 ? "untitled" : "-note");
    return used;
}

/* ---- Names that are taken ----------------------------------------------------------------- */

/* As names are compared: in lower case, so that a folder may be copied to where case does not
 * count; or as they are. */
static size_t fold(const kt__names *s, kt_slice name, char folded[KT__NAME_BYTES])
{
    size_t used = 0, step;
    for (size_t i = 0; i < name.size && used + 4 < KT__NAME_BYTES; i += step) {
        uint32_t c = kt__text_char(name, i, &step);
        if (s->exact || (step == 1 && c >= 0x80)) {
            memcpy(folded + used, name.data + i, step);
            used += step;
        } else {
            used += kt__char_encode(kt__char_lower(c), folded + used);
        }
    }
    folded[used] = '\0';
    return used;
}

static uint64_t hash_of(const char *text, size_t size)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

static kt__name **find(const kt__names *s, const char *folded, uint64_t hash)
{
    kt__name **at = &s->buckets[hash & (s->capacity - 1)];
    while (*at && ((*at)->hash != hash || strcmp((*at)->text, folded) != 0))
        at = &(*at)->next;
    return at;
}

static int grow(kt__names *s)
{
    if (s->count < s->capacity)
        return 0;
    size_t capacity = s->capacity ? 2 * s->capacity : 64;
    kt__name **buckets = kt_calloc(capacity, sizeof *buckets);
    if (!buckets)
        return -ENOMEM;
    for (size_t i = 0; i < s->capacity; i++)
        for (kt__name *n = s->buckets[i], *next; n; n = next) {
            kt__name **to = &buckets[n->hash & (capacity - 1)];
            next = n->next;
            n->next = *to;
            *to = n;
        }
    kt_free(s->buckets);
    s->buckets = buckets;
    s->capacity = capacity;
    return 0;
}

int kt__names_enter(kt__names *s, kt_slice name, kt__name **ret_entry)
{
    char folded[KT__NAME_BYTES];
    size_t size = fold(s, name, folded);
    uint64_t hash = hash_of(folded, size);
    if (grow(s) < 0)
        return -ENOMEM;
    kt__name **at = find(s, folded, hash);
    *ret_entry = *at;
    if (*at)
        return 0;
    kt__name *n = kt_alloc(sizeof *n + size + 1);
    if (!n)
        return -ENOMEM;
    *n = (kt__name){.hash = hash, .number = 1};
    memcpy(n->text, folded, size + 1);
    *at = n;
    s->count++;
    *ret_entry = n;
    return 1;
}

kt__name *kt__names_find(const kt__names *s, kt_slice name)
{
    char folded[KT__NAME_BYTES];
    size_t size = fold(s, name, folded);
    return s->capacity > 0 ? *find(s, folded, hash_of(folded, size)) : NULL;
}

int kt__names_claim(kt__names *s, const char *slug, char ret_name[KT_NOTE_NAME_BYTES])
{
    kt__name *first, *entry;
    char name[KT_NOTE_SLUG_BYTES];
    snprintf(name, sizeof name, "%s", slug);
    int rc = kt__names_enter(s, kt_slice_from(name), &first);
    while (rc == 0) {
        snprintf(name, sizeof name, "%.100s-%zu", slug, ++first->number);
        rc = kt__names_enter(s, kt_slice_from(name), &entry);
    }
    if (rc < 0)
        return rc;
    memcpy(ret_name, name, sizeof name);
    return 0;
}

void kt__names_drop(kt__names *s, kt_slice name)
{
    kt__name *gone = kt__names_find(s, name);
    if (!gone)
        return;
    *find(s, gone->text, gone->hash) = gone->next;
    kt_free(gone->value);
    kt_free(gone);
    s->count--;
}

kt__name *kt__names_each(const kt__names *s, size_t *cursor, const kt__name *before)
{
    kt__name *next = before ? before->next : NULL;
    while (!next && *cursor < s->capacity)
        next = s->buckets[(*cursor)++];
    return next;
}

void kt__names_release(kt__names *s)
{
    for (size_t i = 0; i < s->capacity; i++)
        for (kt__name *n = s->buckets[i], *next; n; n = next) {
            next = n->next;
            kt_free(n->value);
            kt_free(n);
        }
    kt_free(s->buckets);
    *s = (kt__names){NULL, 0, 0, s->exact};
}
