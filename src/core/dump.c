/* SPDX-License-Identifier: MIT */

/* What every task waits for, with its C stack; and the deadlock report made of it. */

#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "core/core.h"

#define FRAMES_MAX 64

typedef void (*line_fn)(const char *line, void *arg);

/* ---- A look from inside a parked task ------------------------------------------------------ */

/* Runs on the parked task's stack, where its suspended call would return to; never returns. */
static void probe_body(void)
{
    kt__switch_arrived();
    kt_loop *l = kt__loop;
    l->probe(l->probe_arg);
    kt__switch_last(&l->nowhere, &l->probe_return, 0);
    __builtin_unreachable();
}

void kt__probe(kt_task *t, void (*fn)(void *arg), void *arg)
{
    kt_loop *l = t->loop;
    kt__context look = t->context;
    void **return_address = (void **)look.sp - 1; /* as a call leaves it */
    *return_address = look.ip;
    look.sp = return_address;
    look.ip = (void *)(uintptr_t)probe_body;
    l->probe = fn;
    l->probe_arg = arg;
#if KT__ASAN
    kt_task *running = l->current;
    l->probe_return.stack_bottom = running ? running->context.stack_bottom : l->scheduler.stack_bottom;
    l->probe_return.stack_size = running ? running->context.stack_size : l->scheduler.stack_size;
#endif
#if KT__TSAN
    l->probe_return.fiber = __tsan_get_current_fiber();
#endif
    kt__switch(&l->probe_return, &look, 0);
}

typedef struct trace {
    void *frames[FRAMES_MAX];
    int count;
} trace;

static void take_trace(void *arg)
{
    trace *t = arg;
    t->count = backtrace(t->frames, FRAMES_MAX);
}

/* ---- Writing it down ----------------------------------------------------------------------- */

static void write_frame(int number, void *address, line_fn line, void *arg)
{
    char text[512];
    Dl_info info;
    const void *before = (char *)address - 1; /* the call, not what follows it */
    if (!dladdr(before, &info))
        snprintf(text, sizeof text, "    #%-2d %p", number, address);
    else if (info.dli_sname)
        snprintf(text, sizeof text, "    #%-2d %s+%#tx (%s)", number, info.dli_sname,
                 (char *)address - (char *)info.dli_saddr, info.dli_fname);
    else
        snprintf(text, sizeof text, "    #%-2d %s+%#tx", number, info.dli_fname,
                 (char *)address - (char *)info.dli_fbase);
    line(text, arg);
}

static void write_stack(kt_task *t, line_fn line, void *arg)
{
    trace stack;
    int skip = 2; /* take_trace and probe_body */
    if (t->state == KT__TASK_RUNNING)
        take_trace(&stack);
    else
        kt__probe(t, take_trace, &stack);
    for (int i = skip; i < stack.count; i++)
        write_frame(i - skip, stack.frames[i], line, arg);
}

static const char *state_name(const kt_task *t)
{
    switch (t->state) {
    case KT__TASK_FRESH:
        return "has not started";
    case KT__TASK_READY:
        return "is ready";
    case KT__TASK_RUNNING:
        return "runs";
    default:
        return "waits for ";
    }
}

static void write_task(kt_task *t, line_fn line, void *arg)
{
    char text[512];
    bool waits = t->state == KT__TASK_WAITING;
    const kt_task *other = waits && t->wait->forward && t->place.line ? t->wait_object : NULL;
    snprintf(text, sizeof text, "  task '%s' %s%s%s%s%s", kt_task_name(t), state_name(t),
             waits ? t->wait->what : "", other ? " '" : "", other ? kt_task_name(other) : "",
             other ? "'" : "");
    line(text, arg);
    if (t->state != KT__TASK_FRESH)
        write_stack(t, line, arg);
}

static void to_descriptor(const char *line, void *arg)
{
    dprintf(*(int *)arg, "%s\n", line);
}

void kt_task_dump(int fd)
{
    kt_loop *l = kt__loop;
    for (kt_task *t = l ? l->tasks_first : NULL; t; t = t->all_next)
        write_task(t, to_descriptor, &fd);
}

static void to_log(const char *line, void *unused)
{
    (void)unused;
    kt__log(line);
}

void kt__deadlock(kt_loop *l)
{
    char text[128];
    snprintf(text, sizeof text, "kettle: deadlock: nothing can ever run again; %zu task%s", l->tasks,
             l->tasks == 1 ? " is left" : "s are left");
    kt__log(text);
    for (kt_task *t = l->tasks_first; t; t = t->all_next)
        write_task(t, to_log, NULL);
    abort();
}
