/* SPDX-License-Identifier: MIT */
/* The memory of busy connections. It is taken when a request begins and given back when the
 * connection is idle again, last in first out: so memory follows the requests at work, not the open
 * connections, and in a steady state nothing is allocated. */
#include <errno.h>
#include <kettle/memory.h>

#include "http/coding.h"
#include "http/server.h"

#define SPARE_MAX 64u
/* Buffers that grew beyond this are freed rather than kept. */
#define KEEP_BYTES ((size_t)64 * 1024)

static void free_work(kt__http_work *w)
{
    kt_buffer_release(&w->out);
    kt__http_memory_release(&w->m);
    kt_free(w->in);
    kt_free(w);
}

kt__http_work *kt__http_work_take(kt__http_server *s)
{
    kt__http_work *w = s->spare;
    if (w) {
        s->spare = w->next;
        s->spare_count--;
    } else {
        w = kt_alloc(sizeof *w + s->o.headers_max * sizeof w->headers[0]);
        if (!w)
            return NULL;
        memset(w, 0, sizeof *w);
        w->m.fields.size_max = w->m.trailers.size_max = KT__HTTP_HOLD_BYTES;
        w->m.arena.small = w->arena;
        w->m.arena.size = KT__HTTP_ARENA_BYTES / sizeof(max_align_t);
        w->in_capacity = KT__HTTP_IN_BYTES;
        w->in = kt_alloc(w->in_capacity);
        if (!w->in) {
            kt_free(w);
            return NULL;
        }
    }
    w->next = NULL;
    w->head_at = w->body_at = w->at = w->end = 0;
    kt__http_parser_init(&w->parser, KT__HTTP_REQUEST, w->headers, s->o.headers_max, &s->limits);
    return w;
}

void kt__http_shrink(kt_buffer *b, size_t keep)
{
    kt_buffer_clear(b);
    if (b->capacity > keep)
        kt_buffer_release(b);
}

static void shrink(kt_buffer *b)
{
    kt__http_shrink(b, KEEP_BYTES);
}

void kt__http_arena_clear(kt__http_arena *a)
{
    while (a->blocks) {
        kt__http_block *b = a->blocks;
        a->blocks = b->next;
        kt_free(b);
    }
    a->used = 0;
}

void kt__http_memory_clear(kt__http_memory *m)
{
    kt__http_arena_clear(&m->arena);
    kt__encoder_free(m->encoder);
    kt__decoder_free(m->decoder);
    m->encoder = NULL;
    m->decoder = NULL;
    m->filter = NULL;
    shrink(&m->body);
    shrink(&m->event);
    shrink(&m->coded);
    shrink(&m->trailers);
    shrink(&m->received);
    kt_buffer_clear(&m->fields);
}

void kt__http_memory_release(kt__http_memory *m)
{
    kt__http_memory_clear(m);
    kt_buffer_release(&m->body);
    kt_buffer_release(&m->event);
    kt_buffer_release(&m->coded);
    kt_buffer_release(&m->trailers);
    kt_buffer_release(&m->received);
    kt_buffer_release(&m->fields);
}

void kt__http_work_give(kt__http_server *s, kt__http_work *w)
{
    kt__http_memory_clear(&w->m);
    shrink(&w->out);
    if (s->spare_count >= SPARE_MAX || w->in_capacity > KT__HTTP_IN_BYTES) {
        free_work(w);
        return;
    }
    w->next = s->spare;
    s->spare = w;
    s->spare_count++;
}

void kt__http_works_free(kt__http_server *s)
{
    while (s->spare) {
        kt__http_work *w = s->spare;
        s->spare = w->next;
        free_work(w);
    }
    s->spare_count = 0;
}

int kt__http_buffer_take(kt__http_server *s, kt_buffer *b)
{
    if (b->capacity == 0 && s->spare_buffer_count > 0)
        *b = s->spare_buffers[--s->spare_buffer_count];
    return kt_buffer_reserve(b, KT__HTTP_BUFFER_BYTES);
}

void kt__http_buffer_give(kt__http_server *s, kt_buffer *b)
{
    kt_buffer_clear(b);
    if (b->capacity < KT__HTTP_BUFFER_BYTES || s->spare_buffer_count >= KT__HTTP_SPARE_BUFFERS) {
        kt_buffer_release(b);
        return;
    }
    s->spare_buffers[s->spare_buffer_count++] = *b;
    *b = (kt_buffer)KT_BUFFER_INIT;
}

void kt__http_buffers_free(kt__http_server *s)
{
    while (s->spare_buffer_count > 0)
        kt_buffer_release(&s->spare_buffers[--s->spare_buffer_count]);
}

static int grow(kt__http_work *w, size_t capacity)
{
    char *in = kt_realloc(w->in, capacity);
    if (!in)
        return -ENOMEM;
    w->in = in;
    w->in_capacity = capacity;
    return 0;
}

int kt__http_work_room(kt__http_work *w, size_t bytes_max)
{
    if (w->at > 0) {
        memmove(w->in, w->in + w->at, w->end - w->at);
        w->end -= w->at;
        w->at = 0;
    }
    if (w->end < w->in_capacity)
        return 0;
    if (w->in_capacity >= bytes_max)
        return KT_ELIMIT;
    size_t capacity = 2 * w->in_capacity;
    return grow(w, capacity < bytes_max ? capacity : bytes_max);
}

static void move_slice(kt_slice *s, uintptr_t from, size_t head_bytes, char *to)
{
    uintptr_t offset = (uintptr_t)s->data - from;
    if (s->data && offset <= head_bytes) /* others are static, or in the arena */
        s->data = to + offset;
}

void kt__http_head_move(kt__http_head *h, kt__http_header *headers, uintptr_t from, size_t head_bytes, char *to)
{
    kt_slice *slices[] = {&h->method, &h->target, &h->path, &h->query, &h->host};
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++)
        move_slice(slices[i], from, head_bytes, to);
    for (size_t i = 0; i < h->header_count; i++) {
        move_slice(&headers[i].name, from, head_bytes, to);
        move_slice(&headers[i].value, from, head_bytes, to);
    }
}

int kt__http_work_body_room(kt__http_work *w, kt_http_exchange *x)
{
    if (w->in_capacity - w->body_at >= KT__HTTP_BODY_ROOM)
        return 0;
    uintptr_t from = (uintptr_t)(w->in + w->head_at);
    size_t head_bytes = w->body_at - w->head_at, shift = w->head_at;
    if (shift > 0) {
        memmove(w->in, w->in + shift, w->end - shift);
        w->head_at = 0;
        w->body_at -= shift;
        w->at -= shift;
        w->end -= shift;
    }
    int rc = 0;
    if (w->in_capacity - w->body_at < KT__HTTP_BODY_ROOM)
        rc = grow(w, w->body_at + KT__HTTP_BODY_ROOM);
    /* Also when it did not grow: the bytes may have moved. The parser's own slices are not used any more. */
    kt__http_head_move(&x->head, w->headers, from, head_bytes, w->in);
    return rc;
}
