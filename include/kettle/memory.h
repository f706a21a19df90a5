/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_MEMORY_H
#define KETTLE_MEMORY_H

/* All memory of the library comes from here, so that a test can count it and make the Nth
 * allocation fail (kettle/test.h does both). The default is malloc. */

#include <kettle/base.h>

KT_BEGIN

/* `size` bytes, not cleared; NULL without memory. Size 0 gives a pointer that may be freed. */
KT_API void *kt_alloc(size_t size) __attribute__((malloc, alloc_size(1))) KT_CHECKED;

/* `count * size` bytes, cleared; NULL without memory or when the product overflows. */
KT_API void *kt_calloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2))) KT_CHECKED;

/* Grows or shrinks; on NULL the old block is untouched and still owned by the caller. */
KT_API void *kt_realloc(void *block, size_t size) __attribute__((alloc_size(2))) KT_CHECKED;

/* Gives a block back; NULL is allowed. */
KT_API void kt_free(void *block);

/* A copy of `size` bytes with a terminator behind; NULL without memory. The caller frees it. */
KT_API char *kt_strndup(const char *bytes, size_t size) __attribute__((malloc)) KT_CHECKED;

/* Where memory comes from. All three functions may be called from any thread. */
typedef struct kt_allocator {
    void *(*alloc)(size_t size);
    void *(*realloc)(void *block, size_t size);
    void (*free)(void *block);
} kt_allocator;

/* Replaces the allocator (copied); NULL restores malloc. Call while no Kettle memory is held. */
KT_API void kt_allocator_set(const kt_allocator *allocator);

KT_END

#endif
