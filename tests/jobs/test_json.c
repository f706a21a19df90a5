/* SPDX-License-Identifier: MIT */

/* JSON without memory. */

#include <errno.h>
#include <kettle/test.h>
#include <stdlib.h>

#include "jobs/engine.h"

#define TEXT "{\"a key that is longer than what a buffer begins with\":[1,2,{\"x\":\"y\"}],\"tea\":\"green\"}"

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

TEST(a_dump_without_memory_fails_and_leaves_nothing_out)
{
    json_t *json = NULL;
    CHECK_OK(kt__json_parse(kt_slice_from(TEXT), &json));
    int rc = -ENOMEM;
    for (uint64_t nth = 1; rc < 0; nth++) {
        kt_auto(kt_buffer) text = KT_BUFFER_INIT;
        kt_test_fail_allocation(nth);
        rc = kt__json_dump(json, &text);
        CHECK_EQ(rc < 0, kt_test_allocation_failed());
        kt_test_fail_allocation(0);
        if (rc == 0)
            CHECK_SLICE(kt_buffer_slice(&text), TEXT);
        else
            CHECK_ERR(rc, -ENOMEM);
    }
    json_decref(json);
}

TEST(no_memory_to_dump_what_was_not_made)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    CHECK_ERR(kt__json_dump(NULL, &text), -ENOMEM);
}

TEST(a_parse_that_has_no_memory_to_begin_with_finds_no_fault)
{
    json_t *json = NULL;
    kt_jobs_attempt a = {.jobs = NULL};
    json_set_alloc_funcs(no_memory, free); /* tidy: free: jansson's */
    CHECK_ERR(kt__json_parse(kt_slice_from(TEXT), &json), -ENOMEM);
    CHECK_ERR(kt_jobs_result_set(&a, kt_slice_from(TEXT)), -ENOMEM);
    json_set_alloc_funcs(malloc, free); /* tidy: malloc, free: jansson's */
    CHECK_ERR(kt__json_parse(kt_slice_from("{\"a\":"), &json), KT_EVALIDATION);
    CHECK(!json);
}

TEST(a_result_for_which_there_is_no_memory_leaves_the_one_before)
{
    kt_jobs_attempt a = {.jobs = NULL};
    CHECK_OK(kt_jobs_result_set(&a, kt_slice_from("1")));
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_jobs_result_set(&a, kt_slice_from(TEXT)), -ENOMEM);
    CHECK_SLICE(kt_buffer_slice(&a.result), "1");
    kt_test_fail_allocation(0);
    CHECK_OK(kt_jobs_result_set(&a, kt_slice_from(TEXT)));
    CHECK_SLICE(kt_buffer_slice(&a.result), TEXT);
    kt_buffer_release(&a.result);
}
