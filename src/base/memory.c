/* SPDX-License-Identifier: MIT */
#include <kettle/memory.h>

#include <stdlib.h>

static const kt_allocator malloc_allocator = {malloc, realloc, free};
static kt_allocator allocator = {malloc, realloc, free};

void kt_allocator_set(const kt_allocator *a)
{
    allocator = a ? *a : malloc_allocator;
}

void *kt_alloc(size_t size)
{
    return allocator.alloc(size ? size : 1);
}

void *kt_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *block = kt_alloc(bytes);
    if (block)
        memset(block, 0, bytes);
    return block;
}

void *kt_realloc(void *block, size_t size)
{
    return allocator.realloc(block, size ? size : 1);
}

void kt_free(void *block)
{
    if (block)
        allocator.free(block);
}

char *kt_strndup(const char *bytes, size_t size)
{
    char *copy = kt_alloc(size + 1);
    if (!copy)
        return NULL;
    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}
