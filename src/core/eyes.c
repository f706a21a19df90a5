/* SPDX-License-Identifier: MIT */

/* Debug mode: what it knows about tasks, and its switch. */

#include <kettle/memory.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "core/eyes.h"

void kt__say(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    kt__log(text);
}

/* ---- Places that spawn ----------------------------------------------------------------------- */

static kt__site *site_of(kt_loop *l, const void *address)
{
    kt__map_node *n = kt__map_find(&l->sites, address);
    if (n)
        return (kt__site *)(void *)n;
    kt__site *s = kt_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->sum.address = address;
    if (kt__map_add(&l->sites, &s->node, address) == 0)
        return s;
    kt_free(s);
    return NULL;
}

static void sites_free(kt_loop *l)
{
    size_t cursor = 0;
    for (kt__map_node *n; (n = kt__map_each(&l->sites, &cursor, NULL)); cursor = 0) {
        kt__map_remove(&l->sites, n);
        kt_free(n);
    }
    kt__map_release(&l->sites);
}

size_t kt_spawn_site_each(void (*fn)(const kt_spawn_site *s, void *arg), void *arg)
{
    size_t cursor = 0;
    if (!kt__loop)
        return 0;
    for (kt__map_node *n = NULL; fn && (n = kt__map_each(&kt__loop->sites, &cursor, n));)
        fn(&((kt__site *)(void *)n)->sum, arg);
    return kt__loop->sites.count;
}

/* ---- The life of a task ---------------------------------------------------------------------- */

void kt__eyes_open(kt_task *t, const void *site)
{
    t->eyes = kt_calloc(1, sizeof *t->eyes);
    if (!t->eyes || !site)
        return;
    t->eyes->address = site;
    t->eyes->site = site_of(t->loop, site);
    if (t->eyes->site)
        t->eyes->site->sum.spawned++;
}

void kt__eyes_begin(kt_task *t)
{
    if (t->eyes)
        t->eyes->ceiling = kt__stack_blank(t->stack);
}

static size_t stack_touched(const kt_task *t)
{
    return t->eyes && t->eyes->ceiling && t->stack ? kt__stack_touched(t->stack, t->eyes->ceiling) : 0;
}

/* Where a task was spawned, in words. */
static const char *origin(const kt_task *t, char *text, size_t size)
{
    if (t->eyes && t->eyes->address)
        kt_site_format(t->eyes->address, text, size);
    else
        snprintf(text, size, "an unknown place");
    return text;
}

/* It took the request as done with, but never said so: whoever asked believes that it stopped. */
static void look_for_swallowed(const kt_task *t)
{
    char place[256];
    if (t->rc >= 0 && t->requests > 0)
        kt__say("kettle: task '%s', spawned at %s, swallowed a cancellation: it ended with %d; return the code, or "
                "take the request back with kt_task_uncancel",
                kt_task_name(t), origin(t, place, sizeof place), t->rc);
}

void kt__eyes_end(kt_task *t)
{
    kt_loop *l = t->loop;
    if (l->current == t)
        kt__step_end(l);
    if (t->eyes && t->eyes->site) {
        kt_spawn_site *sum = &t->eyes->site->sum;
        size_t touched = stack_touched(t);
        sum->ended++;
        if (touched > sum->stack_bytes_max)
            sum->stack_bytes_max = touched;
    }
    look_for_swallowed(t);
    kt__opened_by(l, t);
}

void kt__eyes_unclaimed(const kt_task *t)
{
    char place[256];
    kt__say("kettle: task '%s' was neither joined nor detached; it was spawned at %s", kt_task_name(t),
            origin(t, place, sizeof place));
}

/* The moment at which a circle closes is when its last task begins to wait. */
void kt__eyes_parks(kt_task *t)
{
    char text[900];
    if (t->state == KT__TASK_WAITING && t->wait->awaits && kt__cycle_find(t->loop, t, text, sizeof text))
        kt__say("kettle: deadlock: %s", text);
}

void kt_task_stats_get(const kt_task *t, kt_task_stats *ret_stats)
{
    const kt__eyes *e = t->eyes;
    *ret_stats = (kt_task_stats){
        .steps = e ? e->steps : 0,
        .cpu = e ? e->cpu : 0,
        .age = e ? kt__clock_now(t->loop) - t->born : 0,
        .stack_bytes = stack_touched(t),
    };
}

/* ---- The switch -------------------------------------------------------------------------------- */

static void mark(kt_task *t, bool on)
{
    if (t->ready.kind == KT__READY_STARTED || t->ready.kind == KT__READY_WATCHED)
        t->ready.kind = on ? KT__READY_WATCHED : KT__READY_STARTED;
}

void kt__debug_switch(kt_loop *l, bool on)
{
    if (l->debug == on)
        return;
    for (kt_task *t = l->tasks_first; t; t = t->all_next) {
        mark(t, on);
        if (on && !t->eyes)
            kt__eyes_open(t, NULL);
    }
    l->debug = on;
    if (on) {
        kt__watch_open(l);
        if (l->current)
            kt__step_begin(l, l->current);
    } else {
        kt__watch_close(l);
    }
}

void kt_debug_set(bool on)
{
    if (!kt__loop)
        kt__misuse("kt_debug_set outside a loop");
    kt__debug_switch(kt__loop, on);
}

bool kt_debug(void)
{
    return kt__loop && kt__loop->debug;
}

void kt__debug_end(kt_loop *l)
{
    kt__opened_end(l);
    sites_free(l);
}
