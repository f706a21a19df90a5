/* SPDX-License-Identifier: MIT */

/* The ring between those who log and the thread that writes. Who logs takes room by moving the head, fills
 * it in, and hands it over by storing the record's size; so a record becomes readable at once and whole, and
 * nobody waits for anybody. What was read is cleared before its room is given back: where a next record will have
 * its size there is 0 until that is whole. */

#include "io/log_private.h"

static kt__log_record *at(const kt__log_ring *r, uint64_t position)
{
    return (kt__log_record *)(void *)(r->bytes + (position & (r->size - 1)));
}

static size_t rounded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

kt__log_record *kt__log_ring_reserve(kt__log_ring *r, size_t bytes, uint64_t *ret_end)
{
    size_t size = rounded(bytes), padding;
    uint64_t head;
    do {
        uint64_t tail = atomic_load(&r->tail); /* before the head, which so is not behind it */
        head = atomic_load(&r->head);
        size_t left = r->size - (size_t)(head & (r->size - 1)); /* before the ring's end */
        padding = left < size ? left : 0;
        if (head + padding + size - tail > r->size)
            return NULL;
    } while (!atomic_compare_exchange_weak(&r->head, &head, head + padding + size));
    if (padding) {
        kt__log_record *rest = at(r, head);
        rest->level = KT__LOG_PADDING;
        atomic_store(&rest->size, (uint32_t)padding);
    }
    *ret_end = head + padding + size;
    return at(r, head + padding);
}

void kt__log_ring_commit(kt__log_record *record, size_t bytes)
{
    atomic_store(&record->size, (uint32_t)rounded(bytes));
}

const kt__log_record *kt__log_ring_next(const kt__log_ring *r, uint64_t *position, uint64_t end)
{
    while (*position < end) {
        kt__log_record *record = at(r, *position);
        uint32_t size = atomic_load(&record->size);
        if (size == 0)
            return NULL;
        *position += size;
        if (record->level != KT__LOG_PADDING)
            return record;
    }
    return NULL;
}

uint64_t kt__log_ring_whole(const kt__log_ring *r, size_t bytes_max)
{
    uint64_t tail = atomic_load(&r->tail), head = atomic_load(&r->head), position = tail;
    while (position < head && position - tail < bytes_max) {
        uint32_t size = atomic_load(&at(r, position)->size);
        if (size == 0)
            break;
        position += size;
    }
    return position;
}

void kt__log_ring_consume(kt__log_ring *r, uint64_t end)
{
    uint64_t tail = atomic_load(&r->tail);
    size_t from = (size_t)(tail & (r->size - 1)), size = (size_t)(end - tail);
    size_t first = size < r->size - from ? size : r->size - from;
    memset(r->bytes + from, 0, first);
    memset(r->bytes, 0, size - first);
    atomic_store(&r->tail, end);
}
