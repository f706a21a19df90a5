/* SPDX-License-Identifier: MIT */

/* JSON without memory. */

#include <errno.h>
#include <kettle/test.h>
#include <stdlib.h>

#include "jobs/api.h"

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

static int allowed; /* allocations of jansson's before one fails */

static void *some_memory(size_t size)
{
    return allowed-- > 0 ? malloc(size) : NULL; /* tidy: malloc: jansson's */
}

TEST(a_text_without_memory_is_none_and_not_another)
{
    const char text[] = "gr\xc3\xbcn \xe2\x82\xac";
    json_t *json = NULL;
    json_set_alloc_funcs(some_memory, free); /* tidy: free: jansson's */
    for (int n = 0; !json; n++) {
        allowed = n;
        json = kt__json_text(kt_slice_from(text));
    }
    json_set_alloc_funcs(malloc, free); /* tidy: malloc, free: jansson's */
    CHECK_STR(json_string_value(json), text);
    json_decref(json);
}

/* jansson's judgement is the measure, at both sides of every boundary. */
TEST(a_text_is_kept_if_and_only_if_it_is_utf_8)
{
    static const unsigned char edges[] = {0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2,
                                          0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
    enum { N = sizeof edges };
    for (unsigned i = 0; i < N * N * N * N; i++) {
        const char b[] = {(char)edges[i % N], (char)edges[i / N % N], (char)edges[i / N / N % N],
                          (char)edges[i / N / N / N]};
        json_t *kept = kt__json_text((kt_slice){b, sizeof b});
        json_t *valid = json_stringn(b, sizeof b);
        kt_slice text = {json_string_value(kept), json_string_length(kept)};
        if (kt_slice_equal(text, (kt_slice){b, sizeof b}) != (valid != NULL))
            kt_test_fail("%02x %02x %02x %02x", b[0] & 0xffu, b[1] & 0xffu, b[2] & 0xffu, b[3] & 0xffu);
        json_decref(valid);
        json_decref(kept);
    }
    CHECK_OK(0);
}

TEST(what_lacks_a_member_for_want_of_memory_is_not_made)
{
    CHECK(!kt__api_add(json_array(), NULL));
    CHECK(!kt__api_add(NULL, json_integer(1)));
    CHECK(!kt__api_set(json_object(), "a", NULL));
    CHECK(!kt__api_set(NULL, "a", json_integer(1)));
    json_t *list = kt__api_add(json_array(), json_integer(1));
    CHECK_EQ(json_array_size(list), 1);
    json_decref(list);
}
