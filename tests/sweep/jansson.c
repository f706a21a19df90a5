/* SPDX-License-Identifier: MIT */
/* Lets jansson's allocations fail with those of kt_alloc. Not all of them: its parser (2.14) takes memory that it
 * cannot have in the middle of a string for a syntax error, or goes on without some of the string. So of each
 * parse only the first allocation may fail. The linker puts the parser behind ours (--wrap). */
#include "jansson_faults.h"

#include <kettle/memory.h>
#include <stdlib.h>

static size_t alive; /* blocks; on any thread */

static __thread unsigned parsing; /* 0: no; 1: nothing allocated so far; 2: since */

static void *allocate(size_t size)
{
    if (parsing < 2) {
        void *probe = kt_alloc(1); /* fails when it is told to */
        if (!probe)
            return NULL;
        kt_free(probe);
    }
    parsing += parsing == 1;
    void *block = malloc(size); /* tidy: malloc: jansson's own */
    __atomic_add_fetch(&alive, block != NULL, __ATOMIC_RELAXED);
    return block;
}

static void release(void *block)
{
    __atomic_sub_fetch(&alive, block != NULL, __ATOMIC_RELAXED);
    free(block); /* tidy: free: jansson's own */
}

json_t *__real_json_loadb(const char *text, size_t size, size_t flags, json_error_t *error);
json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags, json_error_t *error);

json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags, json_error_t *error)
{
    parsing = 1;
    json_t *json = __real_json_loadb(text, size, flags, error);
    parsing = 0;
    return json;
}

void jansson_counts(void)
{
    json_set_alloc_funcs(allocate, release);
}

size_t jansson_alive(void)
{
    return __atomic_load_n(&alive, __ATOMIC_RELAXED);
}
