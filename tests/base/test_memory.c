/* SPDX-License-Identifier: MIT */
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <stdlib.h>

TEST_WITH(size_0_gives_a_block_that_can_be_freed, KT_TEST_NO_LOOP)
{
    void *a = kt_alloc(0), *b = kt_calloc(0, 8), *c = kt_realloc(NULL, 0);
    CHECK(a && b && c);
    kt_free(a);
    kt_free(b);
    c = kt_realloc(c, 0);
    CHECK(c != NULL);
    kt_free(c);
    kt_free(NULL);
}

TEST_WITH(products_that_overflow_give_null, KT_TEST_NO_LOOP)
{
    size_t half = SIZE_MAX / 2 + 1;
    __asm__("" : "+r"(half)); /* or the compiler sees and warns */
    CHECK(kt_calloc(half, 2) == NULL);
    CHECK(kt_calloc(2, half) == NULL);
}

TEST_WITH(calloc_clears_what_was_used_before, KT_TEST_NO_LOOP)
{
    for (int i = 0; i < 10; i++) {
        char *block = kt_alloc(1000);
        CHECK(block != NULL);
        memset(block, 'x', 1000);
        kt_free(block);
        block = kt_calloc(10, 100);
        CHECK(block != NULL);
        for (int j = 0; j < 1000; j++)
            CHECK_EQ(block[j], 0);
        kt_free(block);
    }
}

TEST_WITH(strndup_copies_that_many_bytes_and_terminates, KT_TEST_NO_LOOP)
{
    char *a = kt_strndup("teapot", 3), *b = kt_strndup(NULL, 0), *c = kt_strndup("a\0b", 3);
    CHECK_STR(a, "tea");
    CHECK_STR(b, "");
    CHECK_MEM(c, "a\0b\0", 4);
    kt_free(a);
    kt_free(b);
    kt_free(c);
}

/* ---- Another allocator ------------------------------------------------------------------- */

static size_t live;

static void *my_alloc(size_t size)
{
    live++;
    return malloc(size); /* tidy: malloc: this is an allocator */
}

static void *my_realloc(void *block, size_t size)
{
    live += block == NULL;
    return realloc(block, size); /* tidy: realloc: this is an allocator */
}

static void my_free(void *block)
{
    live--;
    free(block); /* tidy: free: this is an allocator */
}

static int uses_memory(void *arg)
{
    kt_task *t;
    int rc = kt_spawn((kt_fn)arg, NULL, 0, &t);
    return rc < 0 ? rc : kt_task_join(t);
}

static int sees_live(void *arg)
{
    (void)arg;
    return live > 3;
}

TEST_WITH(all_memory_of_a_loop_comes_from_the_allocator_and_goes_back, KT_TEST_NO_LOOP)
{
    const kt_allocator mine = {my_alloc, my_realloc, my_free};
    kt_allocator_set(&mine);
    int rc = kt_run(uses_memory, (void *)(uintptr_t)sees_live, 0);
    kt_allocator_set(NULL);
    CHECK_EQ(rc, 1);
    CHECK_EQ(live, 0);
}
