/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CORE_EYES_H
#define KETTLE_CORE_EYES_H

/* Debug mode, seen from the rest of the core. Outside debug mode all of this costs one look at a flag, and nothing
 * where tasks switch: the tasks of debug mode have a ready kind of their own (KT__READY_WATCHED), which keeps
 * them off the fast path. */

#include <kettle/debug.h>

#include "core/core.h"

/* One place in the source that spawns. */
typedef struct kt__site {
    kt__map_node node;
    kt_spawn_site sum;
} kt__site;

/* What debug mode knows about a task. Without memory a task has none, and is not counted. */
typedef struct kt__eyes {
    const void *address; /* where it was spawned, or NULL */
    kt__site *site;      /* the same, or NULL */
    uint64_t steps;
    kt_time cpu;
    char *ceiling; /* below it, its stack was blank when it began; NULL before */

    /* Of a search for circles; cycle.c. */
    uint64_t search;
    kt_task *from, *queued;
} kt__eyes;

/* ---- Tasks (eyes.c) ------------------------------------------------------------------------ */

/* Gives a task its eyes; and its life from there on. Only in debug mode. */
void kt__eyes_open(kt_task *t, const void *site);
void kt__eyes_begin(kt_task *t);
void kt__eyes_end(kt_task *t);
void kt__eyes_parks(kt_task *t);

/* It was neither joined nor detached. */
void kt__eyes_unclaimed(const kt_task *t);

/* ---- Things that are made and must be unmade (opened.c) ------------------------------------- */

/* `owner`: the task that must unmake it before it ends, or NULL: anybody, before the loop's end. */
void kt__opened_note(kt_loop *l, const void *object, const char *kind, const void *site, const kt_task *owner);
void kt__opened_forget(kt_loop *l, const void *object, const char *kind);

static inline void kt__opened(const void *object, const char *kind, const void *site, const kt_task *owner)
{
    if (KT_UNLIKELY(kt__loop && kt__loop->debug))
        kt__opened_note(kt__loop, object, kind, site, owner);
}

/* Also after debug mode was switched off. */
static inline void kt__closed(const void *object, const char *kind)
{
    if (KT_UNLIKELY(kt__loop && kt__loop->opened.count > 0))
        kt__opened_forget(kt__loop, object, kind);
}

/* Reports, and forgets, something that will never be what it was made for. */
void kt__opened_never(kt_loop *l, const void *object, const char *kind, const char *what);

static inline void kt__never(const void *object, const char *kind, const char *what)
{
    if (KT_UNLIKELY(kt__loop && kt__loop->opened.count > 0))
        kt__opened_never(kt__loop, object, kind, what);
}

/* Reports, and forgets, what the task still owns; what is open at the loop's end. */
void kt__opened_by(kt_loop *l, const kt_task *owner);
void kt__opened_end(kt_loop *l);

/* ---- Errors that nobody can receive (unhandled.c) ------------------------------------------- */

void kt__unhandled(kt_loop *l, const char *message, int rc, const char *detail, kt_task *t);

/* ---- Steps (watch.c) ------------------------------------------------------------------------ */

void kt__watch_open(kt_loop *l);
void kt__watch_close(kt_loop *l);

/* From now on t runs (NULL: a callback); nobody does. Only in debug mode. */
void kt__step_begin(kt_loop *l, kt_task *t);
void kt__step_end(kt_loop *l);

/* Nothing of this loop can wake anybody: says so, once. */
void kt__stalled(kt_loop *l);

/* Switches debug mode for all that exists already. */
void kt__debug_switch(kt_loop *l, bool on);

/* ---- Words (dump.c) -------------------------------------------------------------------------- */

/* A message to the log hook; a place in it is written as by kt_site_format. */
void kt__say(const char *format, ...) KT_PRINTF(1, 2);

#endif
