/* SPDX-License-Identifier: MIT */

/* The tree of tasks for people: what every task waits for, with its C stack; and the deadlock report made of it. */

#include <execinfo.h>
#include <kettle/memory.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "core/eyes.h"
#include "core/symbol.h"

#define FRAMES_MAX 64
#define NAMES_MAX 3 /* of those that a task waits for */
#define INDENT_MAX 20

typedef void (*line_fn)(const char *line, void *arg);

/* What is written, and where to. */
typedef struct dump {
    kt_loop *loop;
    line_fn line;
    void *arg;
    struct kt__symbols *symbols;
} dump;

/* ---- Stacks ---------------------------------------------------------------------------------- */

typedef struct trace {
    void *frames[FRAMES_MAX];
    int count;
} trace;

static void take_trace(void *arg)
{
    trace *t = arg;
    t->count = backtrace(t->frames, FRAMES_MAX);
}

/* The task that asks for the dump is parked on the way to the scheduler's stack, where this runs. */
static void write_stack(const dump *d, kt_task *t, int indent)
{
    trace stack = {.count = 0};
    char text[400], line[480];
    const int skip = 2; /* take_trace and what called it */
    kt__probe(t, take_trace, &stack);
    for (int i = skip; i < stack.count; i++) {
        kt__symbols_describe(d->symbols, stack.frames[i], text, sizeof text);
        snprintf(line, sizeof line, "%*s    #%-2d %s", indent, "", i - skip, text);
        d->line(line, d->arg);
    }
}

/* ---- One task -------------------------------------------------------------------------------- */

/* Text that is made piece by piece, and cut where it is full. */
typedef struct words {
    char text[640];
    size_t size;
} words;

static void add(words *w, const char *format, ...) KT_PRINTF(2, 3);

static void add(words *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->text + w->size, sizeof w->text - w->size, format, args);
    va_end(args);
    if (n > 0)
        w->size += (size_t)n < sizeof w->text - w->size ? (size_t)n : sizeof w->text - w->size - 1;
}

static void add_time_left(words *w, const kt_loop *l, kt_time deadline)
{
    if (deadline == KT_FOREVER)
        add(w, "for ever");
    else
        add(w, "%.3f s left", (double)(deadline - kt__clock_now(l)) / 1e9);
}

typedef struct names {
    words *words;
    unsigned count;
    bool brackets;
} names;

static void add_name(kt_task *t, void *arg)
{
    names *n = arg;
    if (n->count < NAMES_MAX)
        add(n->words, "%s'%s'", n->count > 0 ? ", " : n->brackets ? " (" : " ", kt_task_name(t));
    else if (n->count == NAMES_MAX)
        add(n->words, ", ...");
    n->count++;
}

static void add_wait(words *w, const kt_task *t)
{
    names n = {.words = w, .brackets = t->wait->forward != kt__forward_to_task};
    add(w, "waits for %s", t->wait->what);
    kt__awaits(t, add_name, &n);
    if (n.count > 0 && n.brackets)
        add(w, ")");
    if (t->wait == &kt__wait_sleep)
        add(w, ", "), add_time_left(w, t->loop, t->timer.deadline);
}

static void add_scopes(words *w, const kt_task *t)
{
    for (const kt__scope *s = t->scopes; s; s = s->outer) {
        if (s->code != KT_ETIMEDOUT)
            continue;
        add(w, "; timeout, ");
        if (s->state == KT__SCOPE_QUIET)
            add_time_left(w, t->loop, kt_timeout_when(KT__OWNER(s, kt_timeout, scope)));
        else
            add(w, "fired");
    }
    if (kt_task_cancelling(t) > 0)
        add(w, "; being cancelled");
}

static void add_state(words *w, const kt_task *t)
{
    switch (t->state) {
    case KT__TASK_FRESH:
        add(w, "has not started");
        break;
    case KT__TASK_READY:
        add(w, "is ready");
        break;
    case KT__TASK_RUNNING:
        add(w, "runs");
        break;
    default:
        add_wait(w, t);
        break;
    }
}

static void add_costs(words *w, const dump *d, const kt_task *t)
{
    char place[300];
    add(w, "; %.3f s old", (double)(kt__clock_now(t->loop) - t->born) / 1e9);
    if (!t->eyes || !t->loop->debug)
        return;
    kt_task_stats stats;
    kt_task_stats_get(t, &stats);
    add(w, ", %llu steps, %.3f s of CPU, %zu KiB of stack", (unsigned long long)stats.steps, (double)stats.cpu / 1e9,
        stats.stack_bytes >> 10);
    if (!t->eyes->address)
        return;
    kt__symbols_describe(d->symbols, t->eyes->address, place, sizeof place);
    add(w, "; spawned at %s", place);
}

static void write_task(const dump *d, kt_task *t, unsigned depth)
{
    words w = {.size = 0};
    const int indent = 2 * (int)(depth < INDENT_MAX ? depth : INDENT_MAX);
    add(&w, "%*s  task '%s' ", indent, "", kt_task_name(t));
    add_state(&w, t);
    add_scopes(&w, t);
    add_costs(&w, d, t);
    d->line(w.text, d->arg);
    if (t->state != KT__TASK_FRESH)
        write_stack(d, t, indent);
}

/* ---- The tree -------------------------------------------------------------------------------- */

/* The tasks in order of creation, which is that of their numbers. Links are indices plus one, 0 = none. */
typedef struct branch {
    kt_task *task;
    size_t child, last_child, sibling, parent;
} branch;

static size_t find(const branch *all, size_t count, uint64_t id)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all[middle].task->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && all[low].task->id == id ? low + 1 : 0;
}

/* Branch 0 is the root: of those whose spawner has ended. */
static void link_all(branch *all, size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        size_t up = find(all + 1, count, all[i].task->parent);
        branch *parent = &all[up];
        all[i].parent = up;
        if (parent->last_child)
            all[parent->last_child].sibling = i;
        else
            parent->child = i;
        parent->last_child = i;
    }
}

static void write_tree(const dump *d, const branch *all)
{
    unsigned depth = 0;
    for (size_t i = all[0].child; i != 0;) {
        write_task(d, all[i].task, depth);
        if (all[i].child) {
            i = all[i].child;
            depth++;
            continue;
        }
        while (i != 0 && !all[i].sibling) {
            i = all[i].parent;
            depth--;
        }
        i = all[i].sibling; /* the root has none */
    }
}

/* Without memory for the tree it is a list. */
static void write_all(void *arg)
{
    dump *d = arg;
    kt_loop *l = d->loop;
    size_t count = 0;
    d->symbols = kt__symbols_open();
    branch *all = kt_calloc(l->tasks + 1, sizeof *all);
    for (kt_task *t = l->tasks_first; t; t = t->all_next) {
        if (all)
            all[++count].task = t;
        else
            write_task(d, t, 0);
    }
    if (all) {
        link_all(all, count);
        write_tree(d, all);
    }
    kt_free(all);
    kt__symbols_close(d->symbols);
}

/* ---- Who wants it ---------------------------------------------------------------------------- */

static void to_descriptor(const char *line, void *arg)
{
    dprintf(*(int *)arg, "%s\n", line);
}

void kt_task_dump(int fd)
{
    kt_loop *l = kt__loop;
    dump d = {.loop = l, .line = to_descriptor, .arg = &fd};
    if (l)
        kt__on_scheduler(l, write_all, &d);
}

static void to_log(const char *line, void *unused)
{
    (void)unused;
    kt__log(line);
}

/* Loops of several threads that are asked together (kt__loops_dump) speak one after the other. */
static pthread_mutex_t speaking = PTHREAD_MUTEX_INITIALIZER;

void kt__dump_to_log(kt_loop *l)
{
    dump d = {.loop = l, .line = to_log};
    pthread_mutex_lock(&speaking);
    kt__on_scheduler(l, write_all, &d);
    pthread_mutex_unlock(&speaking);
}

void kt__deadlock(kt_loop *l)
{
    char text[900];
    kt__say("kettle: deadlock: nothing can ever run again; %zu task%s left", l->tasks,
            l->tasks == 1 ? " is" : "s are");
    if (kt__cycle_find(l, NULL, text, sizeof text))
        kt__say("kettle: deadlock: %s", text);
    kt__dump_to_log(l);
    abort();
}

typedef struct place {
    const void *address;
    char *text;
    size_t size;
} place;

static void format_place(void *arg)
{
    place *p = arg;
    struct kt__symbols *symbols = kt__symbols_open();
    kt__symbols_describe(symbols, p->address, p->text, p->size);
    kt__symbols_close(symbols);
}

void kt_site_format(const void *address, char *text, size_t size)
{
    place p = {.address = address, .text = text, .size = size};
    kt__on_scheduler(kt__loop, format_place, &p);
}
