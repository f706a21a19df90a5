/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CORE_TIMER_HEAP_H
#define KETTLE_CORE_TIMER_HEAP_H

/* The timers: a pairing heap that never allocates (Fredman, Sedgewick, Sleator, Tarjan 1986).
 *
 * Insert is O(1), the earliest is the root, and removing any entry costs O(log n) amortised, O(1)
 * for one without children. That is what a timeout that does not fire nearly always is, since a
 * later deadline becomes a child of an earlier one: so arm and cancel touch a handful of words.
 *
 * Order: by deadline, equal ones by the order of insertion. */

#include <kettle/timeout.h>

typedef struct kt__heap {
    kt__timer *root;
    uint64_t sequence; /* of the last insertion */
} kt__heap;

/* `t->deadline` is set; t is in no heap. */
void kt__heap_insert(kt__heap *h, kt__timer *t);

/* t is in this heap. */
void kt__heap_remove(kt__heap *h, kt__timer *t);

#endif
