/* SPDX-License-Identifier: MIT */

/* Debug mode's list of what was made and not unmade yet: streams, locks that are held, errors that nobody has read.
 * Entries hold copies only: the object itself may be gone. */

#include <kettle/memory.h>
#include "core/eyes.h"

typedef struct opened {
    kt__map_node node; /* keyed by the object */
    const char *kind;
    const void *site;
    const kt_task *owner;
} opened;

static opened *find(kt_loop *l, const void *object, const char *kind)
{
    kt__map_node *n = kt__map_find(&l->opened, object);
    while (n && strcmp(((opened *)(void *)n)->kind, kind) != 0)
        n = kt__map_find_next(n);
    return (opened *)(void *)n;
}

static void report(const opened *o, const char *what)
{
    char place[256];
    kt_site_format(o->site, place, sizeof place);
    kt__say("kettle: %s, made at %s, was never %s", o->kind, place, what);
}

static void forget(kt_loop *l, opened *o)
{
    kt__map_remove(&l->opened, &o->node);
    kt_free(o);
}

static bool is_error(const opened *o)
{
    return strcmp(o->kind, "a future's error") == 0;
}

/* A second future's error in the same storage: the first one's can never be read now. */
void kt__opened_note(kt_loop *l, const void *object, const char *kind, const void *site, const kt_task *owner)
{
    opened *o = find(l, object, kind);
    if (o) {
        if (is_error(o))
            report(o, "read");
        forget(l, o);
    }
    o = kt_alloc(sizeof *o);
    if (!o)
        return;
    *o = (opened){.kind = kind, .site = site, .owner = owner};
    if (kt__map_add(&l->opened, &o->node, object) < 0)
        kt_free(o);
}

void kt__opened_forget(kt_loop *l, const void *object, const char *kind)
{
    opened *o = find(l, object, kind);
    if (o)
        forget(l, o);
}

void kt__opened_never(kt_loop *l, const void *object, const char *kind, const char *what)
{
    opened *o = find(l, object, kind);
    if (!o)
        return;
    report(o, what);
    forget(l, o);
}

void kt__opened_by(kt_loop *l, const kt_task *owner)
{
    char place[256];
    size_t cursor = 0;
    kt__map_node *n = kt__map_each(&l->opened, &cursor, NULL);
    while (n) {
        opened *o = (opened *)(void *)n;
        n = kt__map_each(&l->opened, &cursor, n);
        if (o->owner != owner)
            continue;
        kt_site_format(o->site, place, sizeof place);
        kt__say("kettle: task '%s' ended and still holds %s, taken at %s", kt_task_name(owner), o->kind, place);
        forget(l, o);
    }
}

void kt__opened_end(kt_loop *l)
{
    size_t cursor = 0;
    for (kt__map_node *n; (n = kt__map_each(&l->opened, &cursor, NULL)); cursor = 0) {
        opened *o = (opened *)(void *)n;
        report(o, is_error(o) ? "read" : o->owner ? "released" : "closed");
        forget(l, o);
    }
    kt__map_release(&l->opened);
}

void kt_debug_opened(const void *object, const char *kind)
{
    kt__opened(object, kind, KT__SITE, NULL);
}

void kt_debug_closed(const void *object, const char *kind)
{
    kt__closed(object, kind);
}
