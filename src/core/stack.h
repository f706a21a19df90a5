/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CORE_STACK_H
#define KETTLE_CORE_STACK_H

/* Stacks for coroutines: slabs of address space, cut into equal slots.
 *
 *     low                                                            high
 *     | guard, 64 KiB or a page | usable, committed as it is touched | colour |
 *
 * Guards are installed when a slot is first used, and stay. With MADV_GUARD_INSTALL (Linux
 * 6.13) they cost no memory map, so a million tasks are possible; elsewhere each is an mprotect that
 * splits a map, and vm.max_map_count allows about 30,000. */

#include <kettle/base.h>

typedef struct kt__slab kt__slab;

typedef struct kt__stack {
    char *low;   /* of the guard */
    char *limit; /* of what may be used; the guard's end */
    char *top;   /* where the first frame begins, coloured */
    struct kt__stack *next;
#ifdef KT_VALGRIND
    unsigned valgrind_id;
#endif
    void *fiber; /* TSan's */
} kt__stack;

/* Stacks of one size. */
typedef struct kt__stack_class {
    size_t usable;
    kt__slab *slabs;
    kt__stack *hot;  /* given back lately, most recent first */
    kt__stack *cold; /* memory given back to the system */
    unsigned hot_count;
    struct kt__stack_class *next;
} kt__stack_class;

typedef struct kt__stacks {
    kt__stack_class standard;
    kt__stack_class *others;
    size_t in_use;
    bool guard_by_map; /* mprotect instead of MADV_GUARD_INSTALL */
} kt__stacks;

/* `usable`: of an ordinary stack, 0 = 128 KiB. */
void kt__stacks_open(kt__stacks *s, size_t usable);
void kt__stacks_close(kt__stacks *s);

/* A stack of the given usable size (0: the ordinary). 0, -ENOMEM, or KT_ENOSTACK when the
 * system's limit of memory maps is reached. */
int kt__stack_take(kt__stacks *s, size_t usable, kt__stack **ret_stack);

/* Gives a stack back. It may still be the running one: its memory is touched only by trim. */
void kt__stack_give(kt__stacks *s, kt__stack *stack);

/* Gives memory of stacks that were not used again back to the system. From the scheduler. */
void kt__stacks_trim(kt__stacks *s);

/* The stack whose guard holds `address`, or NULL. Async-signal-safe. */
const kt__stack *kt__stacks_guarding(const kt__stacks *s, const void *address);

/* The stack in whose slot `address` lies, or NULL. Async-signal-safe. */
const kt__stack *kt__stacks_holding(const kt__stacks *s, const void *address);

/* Gives the pages back that a new task has not touched yet, so that kt__stack_touched can tell which it touches:
 * returns the end of what is blank. It may be the running stack. */
char *kt__stack_blank(kt__stack *stack);

/* Bytes from the stack's end to the last page touched below that. */
size_t kt__stack_touched(const kt__stack *stack, const char *ceiling);

/* Gives the whole pages below `sp` back, where the stack is parked. */
void kt__stack_trim(const kt__stack *stack, const void *sp);

size_t kt__stack_usable(const kt__stack *stack);

#endif
