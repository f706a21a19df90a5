/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include <errno.h>
#include <kettle/memory.h>

#define CAPACITY_MIN 16u

static size_t bucket_of(const kt__map *m, const void *key)
{
    uint64_t x = (uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing: the high bits are mixed */
    return (size_t)(x >> 32) & (m->capacity - 1);
}

static int grow(kt__map *m)
{
    kt__map bigger = {.capacity = m->capacity ? m->capacity * 2 : CAPACITY_MIN, .count = m->count};
    bigger.buckets = kt_calloc(bigger.capacity, sizeof *bigger.buckets);
    if (!bigger.buckets)
        return -ENOMEM;
    for (size_t i = 0; i < m->capacity; i++) {
        for (kt__map_node *n = m->buckets[i], *next; n; n = next) {
            kt__map_node **bucket = &bigger.buckets[bucket_of(&bigger, n->key)];
            next = n->next;
            n->next = *bucket;
            *bucket = n;
        }
    }
    kt_free(m->buckets);
    *m = bigger;
    return 0;
}

int kt__map_add(kt__map *m, kt__map_node *node, const void *key)
{
    if (m->count >= m->capacity) {
        int rc = grow(m);
        if (rc < 0)
            return rc;
    }
    node->key = key;
    kt__map_node **bucket = &m->buckets[bucket_of(m, key)];
    node->next = *bucket;
    *bucket = node;
    m->count++;
    return 0;
}

kt__map_node *kt__map_find_next(const kt__map_node *node)
{
    const void *key = node->key;
    kt__map_node *n = node->next;
    while (n && n->key != key)
        n = n->next;
    return n;
}

kt__map_node *kt__map_find(const kt__map *m, const void *key)
{
    if (m->count == 0)
        return NULL;
    kt__map_node *n = m->buckets[bucket_of(m, key)];
    while (n && n->key != key)
        n = n->next;
    return n;
}

void kt__map_remove(kt__map *m, kt__map_node *node)
{
    kt__map_node **link = &m->buckets[bucket_of(m, node->key)];
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    m->count--;
}

kt__map_node *kt__map_each(const kt__map *m, size_t *cursor, const kt__map_node *before)
{
    if (before && before->next)
        return before->next;
    while (*cursor < m->capacity) {
        kt__map_node *n = m->buckets[(*cursor)++];
        if (n)
            return n;
    }
    return NULL;
}

void kt__map_release(kt__map *m)
{
    kt_free(m->buckets);
    *m = (kt__map){NULL, 0, 0};
}
