/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CORE_SWITCH_H
#define KETTLE_CORE_SWITCH_H

/* The context switch, and what sanitizers must be told about it. */

#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define KT__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KT__ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define KT__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KT__TSAN 1
#endif
#endif
#ifndef KT__ASAN
#define KT__ASAN 0
#endif
#ifndef KT__TSAN
#define KT__TSAN 0
#endif

/* Where a coroutine, or the scheduler itself, is parked. The assembly knows the first eight words.
 *
 * The floating-point control words are not among them, though the ABI counts them as callee-saved:
 * they belong to the loop. A task that changes the rounding mode changes it back before it suspends. */
typedef struct kt__context {
    void *sp, *ip;
    void *bx, *bp, *r12, *r13, *r14, *r15;
#if KT__ASAN
    void *fake_stack;
    const void *stack_bottom;
    size_t stack_size;
#endif
#if KT__TSAN
    void *fiber;
#endif
} kt__context;

/* Parks the caller in `from` and goes on in `to`, whose own call of this returns `value`.
 *
 * It pops its return address and leaves by a jump, so that a function which ends in
 * `return kt__switch(...)` costs its caller one predicted return: a switch that ends in `ret` is
 * mispredicted each time, which costs more than all the saving of registers. */
int kt__switch_raw(kt__context *from, const kt__context *to, int value);

/* The first instruction of every coroutine: calls r13(r12) at the end of a call chain. */
void kt__switch_entry(void);

#if KT__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

static inline int kt__switch(kt__context *from, const kt__context *to, int value)
{
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_bottom, to->stack_size);
    value = kt__switch_raw(from, to, value);
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
    return value;
}

/* The same from a coroutine that ends: its stack may be used again at once. */
static inline void kt__switch_last(kt__context *from, const kt__context *to, int value)
{
    __sanitizer_start_switch_fiber(NULL, to->stack_bottom, to->stack_size);
    kt__switch_raw(from, to, value);
}

/* The first thing that a coroutine does. */
static inline void kt__switch_arrived(void)
{
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}

#elif KT__TSAN
#include <sanitizer/tsan_interface.h>

static inline int kt__switch(kt__context *from, const kt__context *to, int value)
{
    __tsan_switch_to_fiber(to->fiber, 0);
    return kt__switch_raw(from, to, value);
}

static inline void kt__switch_last(kt__context *from, const kt__context *to, int value)
{
    kt__switch(from, to, value);
}

static inline void kt__switch_arrived(void)
{
}

#else

#define kt__switch kt__switch_raw

static inline void kt__switch_last(kt__context *from, const kt__context *to, int value)
{
    kt__switch_raw(from, to, value);
}

static inline void kt__switch_arrived(void)
{
}

#endif
#endif
