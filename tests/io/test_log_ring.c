/* SPDX-License-Identifier: MIT */

/* The ring between those who log and the thread that writes. */

#include "io/log_private.h"

#include <kettle/memory.h>
#include <kettle/test.h>

enum { RING = 1024, RECORD = 200 };

static kt__log_ring ring_make(void)
{
    kt__log_ring r = {.bytes = kt_calloc(1, RING), .size = RING};
    CHECK(r.bytes != NULL);
    return r;
}

static kt__log_record *reserve(kt__log_ring *r, uint64_t *ret_end)
{
    kt__log_record *record = kt__log_ring_reserve(r, RECORD, ret_end);
    if (record)
        memset(record->words, 'x', RECORD - sizeof *record); /* as if it were full of sizes */
    return record;
}

TEST_WITH(a_record_can_be_read_once_it_is_whole, KT_TEST_NO_LOOP)
{
    kt__log_ring r = ring_make();
    uint64_t first, second, at = 0;
    kt__log_record *a = reserve(&r, &first), *b = reserve(&r, &second);
    kt__log_ring_commit(b, RECORD);
    CHECK(kt__log_ring_next(&r, &at, second) == NULL); /* a is before it */
    CHECK_EQ(kt__log_ring_whole(&r, RING), 0);
    kt__log_ring_commit(a, RECORD);
    CHECK_EQ(kt__log_ring_whole(&r, RING), second);
    CHECK_EQ(kt__log_ring_whole(&r, 1), first); /* not more than is asked for */
    CHECK(kt__log_ring_next(&r, &at, second) == a && kt__log_ring_next(&r, &at, second) == b);
    CHECK(kt__log_ring_next(&r, &at, second) == NULL);
    kt_free(r.bytes);
}

TEST_WITH(a_full_ring_gives_no_room_until_some_is_given_back, KT_TEST_NO_LOOP)
{
    kt__log_ring r = ring_make();
    uint64_t end, first = 0;
    for (int i = 0; i < 5; i++) {
        kt__log_record *record = reserve(&r, &end);
        CHECK(record != NULL);
        kt__log_ring_commit(record, RECORD);
        first = first ? first : end;
    }
    CHECK(reserve(&r, &end) == NULL);
    kt__log_ring_consume(&r, first);
    CHECK(reserve(&r, &end) != NULL); /* at the ring's start, behind what was left at its end */
    CHECK_EQ(end, RING + RECORD);
    CHECK(reserve(&r, &end) == NULL);
    kt_free(r.bytes);
}

TEST_WITH(what_was_read_never_poses_as_a_record_that_is_not_whole, KT_TEST_NO_LOOP)
{
    kt__log_ring r = ring_make();
    uint64_t end;
    for (int i = 0; i < 100; i++) {
        kt__log_record *record = reserve(&r, &end);
        uint64_t at = atomic_load(&r.tail);
        CHECK(kt__log_ring_next(&r, &at, end) == NULL);
        kt__log_ring_commit(record, RECORD);
        at = atomic_load(&r.tail);
        CHECK(kt__log_ring_next(&r, &at, end) == record);
        CHECK_EQ(at, end);
        kt__log_ring_consume(&r, end);
    }
    kt_free(r.bytes);
}
