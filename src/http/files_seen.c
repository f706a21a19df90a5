/* SPDX-License-Identifier: MIT */
/* Requests that come together ask for the same files: what was found for one of them serves the others, until the
 * loop's next pass. So nothing need be asked whether it has changed, and an answer is older than its request by the
 * work of one pass at most. */
#include "http/files.h"

#include <kettle/callback.h>

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same(const kt__file_query *a, const kt__file_query *b)
{
    return a->dir == b->dir && a->path.size == b->path.size && memcmp(a->path.data, b->path.data, a->path.size) == 0 &&
           is_same_text(a->index, b->index) && a->compressed == b->compressed && a->slash == b->slash &&
           a->want_br == b->want_br && a->want_gzip == b->want_gzip;
}

/* Where what is found for it has its place, alone: of two that meet the later one stays. */
static kt__found **place(kt__http_server *s, const kt__file_query *q)
{
    uint32_t hash = (uint32_t)q->dir;
    for (size_t i = 0; i < q->path.size; i++)
        hash = hash * 31 + (unsigned char)q->path.data[i];
    return &s->seen[hash % KT__HTTP_SEEN];
}

kt__found *kt__seen(kt__http_server *s, const kt__file_query *q)
{
    kt__found *f = *place(s, q);
    if (!f || !is_same(&f->query, q))
        return NULL;
    f->uses++;
    return f;
}

static void forget(void *arg)
{
    kt__seen_forget(arg);
}

void kt__seen_forget(kt__http_server *s)
{
    for (size_t i = 0; i < KT__HTTP_SEEN; i++)
        if (s->seen[i])
            kt__found_release(kt_steal(s->seen[i]));
    kt_callback_cancel(&s->seen_ends);
}

void kt__seen_add(kt__http_server *s, kt__found *f)
{
    kt__found **p = place(s, &f->query);
    if (*p)
        kt__found_release(*p);
    f->uses++;
    *p = f;
    if (!kt_callback_pending(&s->seen_ends))
        kt_call_soon(&s->seen_ends, forget, s);
}
