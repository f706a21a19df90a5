/* SPDX-License-Identifier: MIT */

/* Lists of failures: what a group collects while it runs, and hands to its owner at the join. From then on a
 * list is never changed, so a task that passes a failure on shares it, and an entry of one list refers to
 * another: the list that the child itself had been given by a group of its own. */

#include <kettle/memory.h>

#include "core/core.h"

#define CAPACITY_MIN 4

struct kt__failures {
    size_t references;
    size_t count, capacity, total;
    int rc; /* which failure it is the list of */
    kt_failure items[];
};

static kt__failures *owner_of(kt_failures view)
{
    return KT__OWNER(view.items, kt__failures, items);
}

static kt_failures view_of(const kt__failures *f)
{
    kt_failures none = {NULL, 0, 0}, view = {f ? f->items : NULL, f ? f->count : 0, f ? f->total : 0};
    return f ? view : none;
}

void kt__failures_unref(kt__failures *f)
{
    if (!f || --f->references > 0)
        return;
    for (size_t i = 0; i < f->count; i++) {
        kt_free((void *)(uintptr_t)f->items[i].name);
        kt_free((void *)(uintptr_t)f->items[i].detail);
        if (f->items[i].inner.items)
            kt__failures_unref(owner_of(f->items[i].inner));
    }
    kt_free(f);
}

/* Room for one more, or NULL without memory or beyond the bound; then it is only counted. */
static kt_failure *next_item(kt__failures **list)
{
    kt__failures *f = *list;
    size_t capacity = f ? f->capacity : 0;
    if (!f || f->count == capacity) {
        size_t wanted = capacity ? capacity * 2 : CAPACITY_MIN;
        if (wanted > KT_GROUP_FAILURES_MAX)
            return NULL;
        kt__failures *more = kt_realloc(f, sizeof *f + wanted * sizeof f->items[0]);
        if (!more)
            return NULL;
        if (!f)
            *more = (kt__failures){.references = 1};
        more->capacity = wanted;
        *list = f = more;
    }
    return &f->items[f->count];
}

static bool same_words(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Is the list that of the failure with which t ends? One that came later may have the same code, but has words of
 * its own. */
static bool is_latest(const kt__failures *f, const kt_task *t, int rc)
{
    if (!f || f->rc != rc)
        return false;
    bool found = f->count < f->total;
    for (size_t i = 0; i < f->count && !found; i++)
        found = f->items[i].rc == rc && same_words(f->items[i].detail, t->detail);
    return found;
}

void kt__failures_add(kt__failures **list, const kt_task *t, int rc, size_t total)
{
    const char *name = kt_task_name(t);
    kt_failure *item = next_item(list);
    if (*list)
        (*list)->total = total; /* those that came before there was memory for a list included */
    if (!item)
        return;
    *item = (kt_failure){.rc = rc,
                         .name = kt_strndup(name, strlen(name)),
                         .detail = t->detail ? kt_strndup(t->detail, strlen(t->detail)) : NULL};
    if (is_latest(t->failures, t, rc)) {
        t->failures->references++;
        item->inner = view_of(t->failures);
    }
    (*list)->count++;
}

void kt__failures_give(kt_task *self, kt__failures *f, int rc)
{
    if (f)
        f->rc = rc;
    kt__failures_unref(self->failures);
    self->failures = f;
}

void kt__failures_share(kt_task *self, const kt_task *t)
{
    kt__failures *f = t->failures;
    if (!is_latest(f, t, t->rc))
        return;
    f->references++;
    kt__failures_unref(self->failures);
    self->failures = f;
}

/* ---- Public -------------------------------------------------------------------------------- */

kt_failures kt_group_failures(void)
{
    const kt_task *self = kt_task_current();
    return view_of(self ? self->failures : NULL);
}

size_t kt_failures_each(kt_failures f, int rc, void (*fn)(const kt_failure *failure, void *arg), void *arg)
{
    size_t n = 0;
    for (size_t i = 0; i < f.count; i++) {
        const kt_failure *item = &f.items[i];
        if (item->inner.count > 0) {
            n += kt_failures_each(item->inner, rc, fn, arg);
        } else if (rc == 0 || item->rc == rc) {
            if (fn)
                fn(item, arg);
            n++;
        }
    }
    return n;
}
