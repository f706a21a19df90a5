/* SPDX-License-Identifier: MIT */

/* Which notes are meant. */

#include "notes/notes.h"

static char lower_ascii(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool holds(kt_slice text, const char *words)
{
    size_t size = strlen(words);
    for (size_t i = 0; i + size <= text.size; i++) {
        size_t same = 0;
        while (same < size && lower_ascii(text.data[i + same]) == lower_ascii(words[same]))
            same++;
        if (same == size)
            return true;
    }
    return false;
}

bool kt_note_passes(const kt_note *n, const kt_note_filter *filter)
{
    if (!filter)
        return true;
    for (const char *const *tag = filter->tags; tag && *tag; tag++)
        if (!kt_note_has_tag(n, *tag))
            return false;
    if ((filter->since && n->changed < filter->since) ||
        (filter->until && n->changed >= filter->until))
        return false;
    return !filter->text || holds(n->title, filter->text) || holds(n->body, filter->text);
}
