/* SPDX-License-Identifier: MIT */
#include "core/stack.h"

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/switch.h"

#ifdef KT_VALGRIND
#include <valgrind/valgrind.h>
#endif
#if KT__ASAN
#include <sanitizer/lsan_interface.h>
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define USABLE_DEFAULT ((size_t)128 << 10)
#define USABLE_MIN ((size_t)16 << 10)
#define USABLE_MAX ((size_t)1 << 30) /* more would overflow the size of a slab */
/* Compilers step over one page: libc has frames of 33 KB. */
#define GUARD ((size_t)64 << 10)
#define SLAB_SLOTS_MIN 16u
#define SLAB_SLOTS_MAX 1024u
/* Stacks whose memory is kept for the next tasks; more than these are trimmed. */
#define HOT_MAX 512u
/* What a function may use below the frame that blanks its own stack. */
#define BLANK_MARGIN 4096
/* Tops of equal alignment would all fight for the same sets of the first-level cache. All colours together leave most
 * of a page to the frames of a task that waits: that page is all that such a stack needs. */
#define COLOURS 12u
#define COLOUR_STEP 128u

struct kt__slab {
    kt__slab *next;
    char *memory;
    size_t slot_bytes;
    unsigned slots, used; /* used: have been handed out once, and have their guard */
    kt__stack stacks[];
};

/* Whole pages, as guards must be, and not too few. */
static size_t round_usable(size_t usable)
{
    if (usable > USABLE_MAX)
        return USABLE_MAX;
    return usable < USABLE_MIN ? USABLE_MIN : (usable + 4095) & ~(size_t)4095;
}

void kt__stacks_open(kt__stacks *s, size_t usable)
{
    *s = (kt__stacks){.standard = {.usable = round_usable(usable ? usable : USABLE_DEFAULT)}};
    const char *guard = getenv("KETTLE_GUARD"); /* "map": as on kernels before 6.13 */
    s->guard_by_map = guard && strcmp(guard, "map") == 0;
}

static void slabs_release(kt__slab *slab)
{
    while (slab) {
        kt__slab *next = slab->next;
#if KT__TSAN
        for (unsigned i = 0; i < slab->used; i++)
            __tsan_destroy_fiber(slab->stacks[i].fiber);
#endif
#ifdef KT_VALGRIND
        for (unsigned i = 0; i < slab->used; i++)
            VALGRIND_STACK_DEREGISTER(slab->stacks[i].valgrind_id);
#endif
#if KT__ASAN
        for (unsigned i = 0; i < slab->used; i++)
            __lsan_unregister_root_region(slab->stacks[i].limit,
                                          kt__stack_usable(&slab->stacks[i]));
        __asan_unpoison_memory_region(slab->memory, slab->slot_bytes * slab->slots);
#endif
        munmap(slab->memory, slab->slot_bytes * slab->slots);
        kt_free(slab);
        slab = next;
    }
}

void kt__stacks_close(kt__stacks *s)
{
    slabs_release(s->standard.slabs);
    while (s->others) {
        kt__stack_class *c = s->others;
        s->others = c->next;
        slabs_release(c->slabs);
        kt_free(c);
    }
}

static int no_stack(const kt__stacks *s, const char *what)
{
    if (errno != ENOMEM)
        return kt_error_set(-errno, "stack: %s failed", what);
    return kt_error_set(KT_ENOSTACK,
                        "%zu stacks in use, %s gave ENOMEM: raise vm.max_map_count%s or lower the "
                        "number of tasks",
                        s->in_use, what, s->guard_by_map ? " (or run Linux 6.13 or later)" : "");
}

static int slab_new(kt__stacks *s, kt__stack_class *c)
{
    unsigned slots = c->slabs ? c->slabs->slots * 2 : SLAB_SLOTS_MIN;
    if (slots > SLAB_SLOTS_MAX)
        slots = SLAB_SLOTS_MAX;
    kt__slab *slab = kt_alloc(sizeof *slab + slots * sizeof slab->stacks[0]);
    if (!slab)
        return -ENOMEM;
    slab->slots = slots;
    slab->used = 0;
    slab->slot_bytes = GUARD + c->usable;
    slab->memory = mmap(NULL, slab->slot_bytes * slots, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slab->memory == MAP_FAILED) {
        kt_free(slab);
        return no_stack(s, "mmap");
    }
    /* A huge page would commit a dozen stacks at the first touch of one. A kernel without huge
     * pages answers EINVAL, which is as good. */
    (void)madvise(slab->memory, slab->slot_bytes * slots, MADV_NOHUGEPAGE);
    slab->next = c->slabs;
    c->slabs = slab;
    return 0;
}

static int guard_install(kt__stacks *s, char *low)
{
    if (!s->guard_by_map) {
        if (madvise(low, GUARD, MADV_GUARD_INSTALL) == 0)
            return 0;
        if (errno != EINVAL)
            return no_stack(s, "madvise");
        s->guard_by_map = true;
    }
    return mprotect(low, GUARD, PROT_NONE) < 0 ? no_stack(s, "mprotect") : 0;
}

static int slot_new(kt__stacks *s, kt__stack_class *c, kt__stack **ret_stack)
{
    if (!c->slabs || c->slabs->used == c->slabs->slots) {
        int rc = slab_new(s, c);
        if (rc < 0)
            return rc;
    }
    kt__slab *slab = c->slabs;
    char *low = slab->memory + slab->slot_bytes * slab->used;
    int rc = guard_install(s, low);
    if (rc < 0)
        return rc;
    kt__stack *stack = &slab->stacks[slab->used];
    *stack = (kt__stack){.low = low, .limit = low + GUARD};
    stack->top = low + slab->slot_bytes - slab->used % COLOURS * COLOUR_STEP;
#if KT__ASAN
    /* Without the guard, which LSan would read: the process's map does not tell it apart. */
    __lsan_register_root_region(stack->limit, kt__stack_usable(stack));
#endif
#if KT__TSAN
    stack->fiber = __tsan_create_fiber(0);
#endif
#ifdef KT_VALGRIND
    stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->limit, low + slab->slot_bytes);
#endif
    slab->used++;
    *ret_stack = stack;
    return 0;
}

static kt__stack_class *class_of(kt__stacks *s, size_t usable)
{
    if (usable == s->standard.usable)
        return &s->standard;
    for (kt__stack_class *c = s->others; c; c = c->next)
        if (c->usable == usable)
            return c;
    kt__stack_class *c = kt_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->usable = usable;
    c->next = s->others;
    s->others = c;
    return c;
}

static kt__stack *pop(kt__stack **list)
{
    kt__stack *stack = *list;
    *list = stack->next;
    return stack;
}

int kt__stack_take(kt__stacks *s, size_t usable, kt__stack **ret_stack)
{
    kt__stack_class *c = &s->standard;
    if (usable != 0 && usable != c->usable) {
        c = class_of(s, round_usable(usable));
        if (!c)
            return -ENOMEM;
    }
    int rc = 0;
    kt__stack *stack = NULL;
    if (c->hot) {
        stack = pop(&c->hot);
        c->hot_count--;
    } else if (c->cold) {
        stack = pop(&c->cold);
    } else {
        rc = slot_new(s, c, &stack);
    }
    if (rc < 0)
        return rc;
#if KT__ASAN
    __asan_unpoison_memory_region(stack->limit, kt__stack_usable(stack));
#endif
    s->in_use++;
    *ret_stack = stack;
    return 0;
}

/* The end of the slot: the top before it was coloured. */
static char *slot_end(const kt__stack *stack)
{
    return (char *)(((uintptr_t)stack->top + 4095) & ~(uintptr_t)4095);
}

size_t kt__stack_usable(const kt__stack *stack)
{
    return (size_t)(slot_end(stack) - stack->limit);
}

void kt__stack_give(kt__stacks *s, kt__stack *stack)
{
    kt__stack_class *c = class_of(s, kt__stack_usable(stack)); /* exists: it was taken from it */
    stack->next = c->hot;
    c->hot = stack;
    c->hot_count++;
    s->in_use--;
}

static void class_trim(kt__stack_class *c)
{
    for (; c->hot_count > HOT_MAX; c->hot_count--) {
        kt__stack *stack = pop(&c->hot);
        (void)madvise(stack->limit, kt__stack_usable(stack), MADV_DONTNEED);
        stack->next = c->cold;
        c->cold = stack;
    }
}

void kt__stacks_trim(kt__stacks *s)
{
    class_trim(&s->standard);
    for (kt__stack_class *c = s->others; c; c = c->next)
        class_trim(c);
}

static const kt__stack *slot_of(const kt__slab *slab, const char *address)
{
    for (; slab; slab = slab->next) {
        if (address < slab->memory || address >= slab->memory + slab->slot_bytes * slab->slots)
            continue;
        size_t slot = (size_t)(address - slab->memory) / slab->slot_bytes;
        return slot < slab->used ? &slab->stacks[slot] : NULL;
    }
    return NULL;
}

const kt__stack *kt__stacks_holding(const kt__stacks *s, const void *address)
{
    const kt__stack *stack = slot_of(s->standard.slabs, address);
    for (const kt__stack_class *c = s->others; c && !stack; c = c->next)
        stack = slot_of(c->slabs, address);
    return stack;
}

const kt__stack *kt__stacks_guarding(const kt__stacks *s, const void *address)
{
    const kt__stack *stack = kt__stacks_holding(s, address);
    return stack && (const char *)address < stack->limit ? stack : NULL;
}

/* The whole pages of a stack below `ceiling`. */
static size_t pages_below(const kt__stack *stack, const char *ceiling)
{
    return ceiling > stack->limit ? (size_t)(ceiling - stack->limit) >> 12 : 0;
}

static char *page_of(const char *address)
{
    return (char *)((uintptr_t)address & ~(uintptr_t)4095);
}

char *kt__stack_blank(kt__stack *stack)
{
    const char *here = __builtin_frame_address(0);
    bool ours = here >= stack->limit && here < slot_end(stack);
    char *ceiling = page_of(ours ? here - BLANK_MARGIN : stack->top);
    size_t pages = pages_below(stack, ceiling);
    if (pages == 0 || madvise(stack->limit, pages << 12, MADV_DONTNEED) < 0)
        return stack->limit; /* nothing is blank: all counts as touched */
    return ceiling;
}

void kt__stack_trim(const kt__stack *stack, const void *sp)
{
    size_t pages = pages_below(stack, page_of(sp));
    if (pages > 0)
        (void)madvise(stack->limit, pages << 12, MADV_DONTNEED); /* otherwise they stay: no harm */
}

size_t kt__stack_touched(const kt__stack *stack, const char *ceiling)
{
    unsigned char resident[256];
    const size_t all = pages_below(stack, ceiling);
    for (size_t done = 0; done < all;) {
        size_t n = all - done < sizeof resident ? all - done : sizeof resident;
        if (mincore(stack->limit + (done << 12), n << 12, resident) < 0)
            break;
        for (size_t i = 0; i < n; i++)
            if (resident[i] & 1)
                return (size_t)(slot_end(stack) - stack->limit) - ((done + i) << 12);
        done += n;
    }
    return (size_t)(slot_end(stack) - ceiling);
}
