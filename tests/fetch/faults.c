/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include "core/core.h"

const kt_context_var fault_reaches = {"the program's, not a server's"};

struct fault fault;

static void strike(void)
{
    if (fault.way == CANCELLED)
        fault.struck = kt_task_cancel(fault.program);
    else if (fault.whole) {
        fault.struck = true;
        kt__scope_fire(&fault.whole->scope); /* what its timer does */
    }
}

void __real_kt__signal_handlers_look(kt_loop *l);
void __wrap_kt__signal_handlers_look(kt_loop *l);

void __wrap_kt__signal_handlers_look(kt_loop *l)
{
    __real_kt__signal_handlers_look(l);
    bool aims = (fault.way == CANCELLED && fault.program) || (fault.way == DEADLINE && fault.whole);
    if (!aims || fault.struck)
        return;
    l->passes_left = 0; /* to look again after the next pass */
    if (++fault.moments == fault.nth)
        strike();
}

void __real_kt_timeout_start(kt_timeout *t, kt_time after);
void __wrap_kt_timeout_start(kt_timeout *t, kt_time after);
int __real_kt_timeout_end(kt_timeout *t, int rc);
int __wrap_kt_timeout_end(kt_timeout *t, int rc);

void __wrap_kt_timeout_start(kt_timeout *t, kt_time after)
{
    __real_kt_timeout_start(t, after);
    if (after == DEADLINE_OF_ALL)
        fault.whole = t;
}

int __wrap_kt_timeout_end(kt_timeout *t, int rc)
{
    if (t == fault.whole)
        fault.whole = NULL;
    return __real_kt_timeout_end(t, rc);
}

/* Is this the allocation that fails? */
static bool starves(void)
{
    if (fault.way != NO_MEMORY || !kt_context_get(&fault_reaches, NULL))
        return false;
    if (__atomic_add_fetch(&fault.allocations, 1, __ATOMIC_RELAXED) != fault.nth)
        return false;
    fault.struck = true;
    return true;
}

#define WRAP(type, f, parameters, arguments) \
    type __real_##f parameters; \
    type __wrap_##f parameters; \
    type __wrap_##f parameters \
    { \
        return starves() ? NULL : __real_##f arguments; \
    }

WRAP(void *, kt_alloc, (size_t size), (size))
WRAP(void *, kt_calloc, (size_t count, size_t size), (count, size))
WRAP(void *, kt_realloc, (void *block, size_t size), (block, size))
WRAP(char *, kt_strndup, (const char *bytes, size_t size), (bytes, size))
