/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

#include <execinfo.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>

#ifdef KT_VALGRIND
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_UNDEFINED(address, size) ((void)0)
#endif

enum {
    SITE_DEPTH = 8,
    SITES_MAX = 100000, /* allocations of a test whose call sites are kept: each costs 3 us */
    FILL_MAX = 4096,    /* bytes of a block that are spoilt; the rest may stay uncommitted */
    SHOWN_MAX = 5,
};

static const uint64_t alive = 0x6b6574746c652121, dead = 0x6465616421212121;

/* Before each block. All live ones are in a ring, in the order of their allocation. */
typedef struct block {
    alignas(16) struct block *next;
    struct block *previous;
    size_t size;
    uint64_t sequence; /* which allocation of the test it was, from 1 */
    void *site[SITE_DEPTH];
    uint64_t depth; /* of site */
    uint64_t mark;  /* `alive`; next to the first byte, so a write before that spoils it */
} block;

_Static_assert(sizeof(block) % 16 == 0, "blocks must be aligned as malloc's");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of ring, live, live_bytes, made */
static block ring = {.next = &ring, .previous = &ring};
static size_t live, live_bytes;
static uint64_t made;

static _Atomic uint64_t fail_in; /* allocations until one fails, that one included; 0 = off */
static atomic_bool failed;

/* Counts one allocation down. True when it is the one that must fail. */
static bool must_fail(void)
{
    uint64_t left = atomic_load_explicit(&fail_in, memory_order_relaxed);
    while (left > 0 && !atomic_compare_exchange_weak(&fail_in, &left, left - 1))
        ;
    if (left == 1)
        atomic_store(&failed, true);
    return left == 1;
}

static void link_block(block *b)
{
    pthread_mutex_lock(&lock);
    b->sequence = ++made;
    b->next = &ring;
    b->previous = ring.previous;
    b->previous->next = b;
    ring.previous = b;
    live++;
    live_bytes += b->size;
    pthread_mutex_unlock(&lock);
}

static void unlink_block(block *b)
{
    pthread_mutex_lock(&lock);
    b->previous->next = b->next;
    b->next->previous = b->previous;
    live--;
    live_bytes -= b->size;
    pthread_mutex_unlock(&lock);
}

/* Fills in the header of a new or moved block and returns what the caller gets. */
static void *track(block *b, size_t size)
{
    b->size = size;
    b->mark = alive;
    link_block(b);
    b->depth = 0;
    if (b->sequence <= SITES_MAX)
        b->depth = (uint64_t)backtrace(b->site, SITE_DEPTH);
    return b + 1;
}

/* The header of a block that is given back, which must be one of ours and whole. */
static block *header_of(void *bytes)
{
    block *b = (block *)bytes - 1;
    if (b->mark == alive)
        return b;
    kt__test_fail_begin();
    kt__test_say_failure("kt_free or kt_realloc of %p: %s\n", bytes,
                         b->mark == dead ? "freed already"
                                         : "not a block of kt_alloc, or written to before its "
                                           "start");
    void *site[SITE_DEPTH];
    int depth = backtrace(site, SITE_DEPTH);
    kt__test_symbols_report(site, (size_t)depth);
    kt__test_fail_end();
}

/* Makes use of bytes that are not the user's (not yet, no more) show early. */
static void spoil(void *bytes, size_t from, size_t size, int value)
{
    size_t last = size < FILL_MAX ? size : FILL_MAX;
    if (from >= last)
        return;
    memset((char *)bytes + from, value, last - from);
    VALGRIND_MAKE_MEM_UNDEFINED((char *)bytes + from, last - from);
    __asm__ volatile("" : : "r"(bytes) : "memory"); /* or the compiler drops stores before free() */
}

static void *counted_alloc(size_t size)
{
    size_t whole;
    if (must_fail() || __builtin_add_overflow(size, sizeof(block), &whole))
        return NULL;
    block *b = malloc(whole); /* tidy: malloc: this is the allocator */
    if (!b)
        return NULL;
    spoil(b + 1, 0, size, 0xa5);
    return track(b, size);
}

static void counted_free(void *bytes)
{
    if (!bytes)
        return;
    block *b = header_of(bytes);
    unlink_block(b);
    spoil(bytes, 0, b->size, 0xdb);
    b->mark = dead;
    __asm__ volatile("" : : "r"(b) : "memory");
    free(b); /* tidy: free: this is the allocator */
}

static void *counted_realloc(void *bytes, size_t size)
{
    if (!bytes)
        return counted_alloc(size);
    block *b = header_of(bytes);
    size_t whole, old = b->size;
    if (must_fail() || __builtin_add_overflow(size, sizeof(block), &whole))
        return NULL;
    unlink_block(b);
    block *moved = realloc(b, whole); /* tidy: realloc: this is the allocator */
    if (!moved) {
        link_block(b);
        return NULL;
    }
    spoil(moved + 1, old, size, 0xa5);
    return track(moved, size);
}

void kt__test_memory_prepare(void)
{
    void *site[1];
    backtrace(site, 1);
}

void kt__test_memory_start(void)
{
    static const kt_allocator counting = {counted_alloc, counted_realloc, counted_free};
    ring.next = ring.previous = &ring;
    live = live_bytes = 0;
    made = 0;
    atomic_store(&fail_in, 0);
    atomic_store(&failed, false);
    kt_allocator_set(&counting);
}

void kt__test_memory_stop(void)
{
    kt_allocator_set(NULL);
}

size_t kt__test_memory_bytes(void)
{
    pthread_mutex_lock(&lock);
    size_t bytes = live_bytes;
    pthread_mutex_unlock(&lock);
    return bytes;
}

void kt__test_memory_report(void)
{
    size_t count = 0;
    pthread_mutex_lock(&lock);
    kt__test_say_failure("    %zu block%s, %zu bytes:\n", live, live == 1 ? "" : "s", live_bytes);
    for (block *b = ring.next; b != &ring && count < SHOWN_MAX; b = b->next, count++) {
        kt__test_say_failure("    %zu bytes, allocation %" PRIu64 "%s\n", b->size, b->sequence,
                             b->depth > 0 ? "" : ": too late in the test for its call site");
        kt__test_symbols_report(b->site, b->depth);
    }
    if (live > count)
        kt__test_say_failure("    and %zu more\n", live - count);
    pthread_mutex_unlock(&lock);
}

void kt_test_fail_allocation(uint64_t nth)
{
    if (nth > 0)
        atomic_store(&failed, false);
    atomic_store(&fail_in, nth);
}

bool kt_test_allocation_failed(void)
{
    return atomic_load(&failed);
}

uint64_t kt_test_allocations(void)
{
    pthread_mutex_lock(&lock);
    uint64_t count = made;
    pthread_mutex_unlock(&lock);
    return count;
}

size_t kt_test_blocks(void)
{
    pthread_mutex_lock(&lock);
    size_t count = live;
    pthread_mutex_unlock(&lock);
    return count;
}
