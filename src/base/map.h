/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_BASE_MAP_H
#define KETTLE_BASE_MAP_H

/* A hash map from pointers to entries that embed a kt__map_node; chained, it grows, it never shrinks. All zero is
 * an empty one. Several entries may have the same key. */

#include <kettle/base.h>

typedef struct kt__map_node {
    struct kt__map_node *next;
    const void *key;
} kt__map_node;

typedef struct kt__map {
    kt__map_node **buckets;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
} kt__map;

/* 0 or -ENOMEM: then the map is as it was. */
int kt__map_add(kt__map *m, kt__map_node *node, const void *key) KT_CHECKED;

/* The first entry with that key; the next one with the same; NULL. */
kt__map_node *kt__map_find(const kt__map *m, const void *key);
kt__map_node *kt__map_find_next(const kt__map_node *node);

void kt__map_remove(kt__map *m, kt__map_node *node);

/* Any entry, NULL when it is empty: to empty a map. And every entry: start with *cursor = 0; NULL at the end. */
kt__map_node *kt__map_each(const kt__map *m, size_t *cursor, const kt__map_node *before);

/* Frees the buckets, not the entries. */
void kt__map_release(kt__map *m);

#endif
