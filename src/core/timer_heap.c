/* SPDX-License-Identifier: MIT */
#include "core/timer_heap.h"

#include <stddef.h>

/* Links: `child` is the first child, `sibling` the next child of the same parent, and `back` the
 * previous sibling, or the parent for a first child, or NULL for the root. */

static bool before(const kt__timer *a, const kt__timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->sequence < b->sequence;
}

static kt__timer *meld(kt__timer *a, kt__timer *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (before(b, a)) {
        kt__timer *earlier = b;
        b = a;
        a = earlier;
    }
    b->back = a;
    b->sibling = a->child;
    if (a->child)
        a->child->back = b;
    a->child = b;
    return a;
}

/* Melds a list of siblings into one tree: in pairs from the left, then the pairs from the right.
 * The two passes are what bounds the amortised cost. */
static kt__timer *meld_siblings(kt__timer *first)
{
    kt__timer *pairs = NULL; /* linked through `sibling`, last pair first */
    while (first) {
        kt__timer *a = first, *b = a->sibling;
        first = b ? b->sibling : NULL;
        a->sibling = a->back = NULL;
        if (b)
            b->sibling = b->back = NULL;
        kt__timer *pair = meld(a, b);
        pair->sibling = pairs;
        pairs = pair;
    }
    kt__timer *tree = NULL;
    while (pairs) {
        kt__timer *pair = pairs;
        pairs = pair->sibling;
        pair->sibling = NULL;
        tree = meld(tree, pair);
    }
    return tree;
}

void kt__heap_insert(kt__heap *h, kt__timer *t)
{
    t->child = t->sibling = t->back = NULL;
    t->sequence = ++h->sequence;
    h->root = meld(h->root, t);
}

void kt__heap_remove(kt__heap *h, kt__timer *t)
{
    kt__timer *below = t->child ? meld_siblings(t->child) : NULL;
    if (t == h->root) {
        h->root = below;
    } else {
        if (t->back->child == t)
            t->back->child = t->sibling;
        else
            t->back->sibling = t->sibling;
        if (t->sibling)
            t->sibling->back = t->back;
        if (below) {
            below->back = NULL;
            h->root = meld(h->root, below);
        }
    }
    t->child = t->sibling = t->back = NULL;
}
