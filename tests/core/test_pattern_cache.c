/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <kettle/cache.h>

typedef struct origin {
    int fetches, drops, rc;
    kt_time takes;
} origin;

/* The value is the number of the fetch. */
static int fetch(kt_slice key, void *ret_value, void *arg)
{
    origin *o = arg;
    int number = ++o->fetches;
    (void)key;
    int rc = o->takes ? kt_sleep(o->takes) : 0;
    if (rc < 0)
        return rc;
    if (o->rc < 0)
        return kt_error_set(o->rc, "fetch %d failed", number);
    *(int *)ret_value = number;
    return 0;
}

static void drop(void *value, void *arg)
{
    (void)value;
    ((origin *)arg)->drops++;
}

#define CACHE(o) {.value_bytes = sizeof(int), .fetch = fetch, .drop = drop, .arg = (o)}

static int get(kt_cache *c, const char *key)
{
    kt_auto(kt_cached) hit = KT_CACHED_INIT;
    int rc = kt_cache_get(c, kt_slice_from(key), &hit);
    return rc < 0 ? rc : *(const int *)hit.value;
}

KT_FN(asks, a, struct { kt_cache *cache; })
{
    return get(a->cache, "key");
}

TEST(a_value_is_good_for_its_time)
{
    origin o = {0};
    kt_auto(kt_cache) c = CACHE(&o);
    c.ttl = KT_S(10);
    CHECK_EQ(get(&c, "a"), 1);
    CHECK_EQ(get(&c, "b"), 2);
    sure(kt_sleep(KT_S(10) - 1));
    CHECK_EQ(get(&c, "a"), 1);
    sure(kt_sleep(1));
    CHECK_EQ(get(&c, "a"), 3);
    CHECK_EQ(o.drops, 1);
    CHECK_EQ(c.hits, 1);
    CHECK_EQ(c.misses, 3);
}

TEST(a_hundred_callers_one_fetch)
{
    origin o = {.takes = KT_S(1)};
    kt_auto(kt_cache) c = CACHE(&o);
    kt_task *t[100];
    for (int i = 0; i < 100; i++)
        t[i] = spawn(KT_WITH(asks, &c));
    for (int i = 0; i < 100; i++)
        CHECK_EQ(kt_task_join(t[i]), 1);
    CHECK_EQ(o.fetches, 1);
    CHECK_EQ(c.shared, 99);
    CHECK_EQ(kt_now(), KT_S(1));
}

TEST(a_first_caller_that_is_cancelled_does_not_break_the_others)
{
    origin o = {.takes = KT_S(1)};
    kt_auto(kt_cache) c = CACHE(&o);
    kt_task *first = spawn(KT_WITH(asks, &c)), *second = spawn(KT_WITH(asks, &c));
    sure(kt_sleep(KT_MS(500)));
    kt_task_cancel(first);
    CHECK_ERR(kt_task_join(first), KT_ECANCELED);
    CHECK_EQ(kt_task_join(second), 1);
    CHECK_EQ(kt_now(), KT_S(1));
}

TEST(when_the_last_caller_leaves_the_fetch_is_cancelled_and_the_next_begins_afresh)
{
    origin o = {.takes = KT_S(1)};
    kt_auto(kt_cache) c = CACHE(&o);
    kt_task *t = spawn(KT_WITH(asks, &c));
    sure(kt_sleep(KT_MS(500)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(get(&c, "key"), 2);
    CHECK_EQ(kt_now(), KT_MS(1500));
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
}

/* As a job on a thread does, it ends well although it was cancelled meanwhile, and has not been told. */
static int fetch_to_the_end(kt_slice key, void *ret_value, void *arg)
{
    kt_cancel_hold();
    int rc = fetch(key, ret_value, arg);
    kt_cancel_unhold();
    return rc;
}

TEST(a_value_that_is_made_when_nobody_wants_it_any_more_is_dropped)
{
    origin o = {.takes = KT_S(1)};
    kt_auto(kt_cache) c = CACHE(&o);
    c.fetch = fetch_to_the_end;
    CHECK_ERR(kt_wait_for(KT_MS(500), asks, &(asks_args){&c}, 0), KT_ETIMEDOUT);
    sure(kt_sleep(KT_S(1)));
    CHECK_EQ(o.drops, 1);
    kt_task *t = spawn(KT_WITH(asks, &c));
    yield_times(2);
    kt_cache_close(&c);
    CHECK_ERR(kt_task_join(t), KT_ESHUTDOWN);
    CHECK_EQ(o.fetches, 2);
    CHECK_EQ(o.drops, 2);
}

TEST(errors_reach_all_callers_and_are_kept_only_if_asked)
{
    origin o = {.takes = KT_S(1), .rc = -EIO};
    kt_auto(kt_cache) c = CACHE(&o);
    kt_task *other = spawn(KT_WITH(asks, &c));
    CHECK_ERR(get(&c, "key"), -EIO);
    CHECK_STR(kt_error_detail(), "fetch 1 failed");
    CHECK_ERR(kt_task_join(other), -EIO);
    CHECK_ERR(get(&c, "key"), -EIO);
    CHECK_EQ(o.fetches, 2);
    c.error_ttl = KT_S(5);
    CHECK_ERR(get(&c, "key"), -EIO);
    CHECK_ERR(get(&c, "key"), -EIO);
    CHECK_EQ(o.fetches, 3);
    CHECK_STR(kt_error_detail(), "fetch 3 failed");
    sure(kt_sleep(KT_S(5)));
    o.rc = 0;
    CHECK_EQ(get(&c, "key"), 4);
    CHECK_EQ(o.drops, 0);
}

TEST(the_least_recently_used_goes)
{
    origin o = {0};
    kt_auto(kt_cache) c = CACHE(&o);
    c.entries_max = 2;
    CHECK_EQ(get(&c, "a"), 1);
    CHECK_EQ(get(&c, "b"), 2);
    CHECK_EQ(get(&c, "a"), 1);
    CHECK_EQ(get(&c, "c"), 3);
    CHECK_EQ(get(&c, "a"), 1);
    CHECK_EQ(get(&c, "b"), 4);
    CHECK_EQ(c.evicted, 2);
    CHECK_EQ(c.count, 2);
    CHECK_EQ(o.drops, 2);
}

TEST(a_value_in_use_outlives_its_place_and_the_cache)
{
    origin o = {0};
    kt_auto(kt_cached) hit = KT_CACHED_INIT;
    {
        kt_auto(kt_cache) c = CACHE(&o);
        sure(kt_cache_get(&c, kt_slice_from("a"), &hit));
        CHECK(kt_cache_forget(&c, kt_slice_from("a")));
        CHECK(!kt_cache_forget(&c, kt_slice_from("a")));
        CHECK_EQ(get(&c, "a"), 2);
    }
    CHECK_EQ(o.drops, 1);
    CHECK_EQ(*(const int *)hit.value, 1);
    kt_cached_release(&hit);
    CHECK(hit.value == NULL);
    CHECK_EQ(o.drops, 2);
}

TEST(put_replaces_and_nowait_does_not_fetch)
{
    origin o = {.takes = KT_S(1)};
    kt_auto(kt_cache) c = CACHE(&o);
    kt_auto(kt_cached) hit = KT_CACHED_INIT;
    kt_slice key = kt_slice_from("key");
    CHECK_ERR(kt_cache_get_nowait(&c, key, &hit), KT_ENOTFOUND);
    kt_task *t = spawn(KT_WITH(asks, &c));
    yield_times(3);
    sure(kt_cache_put(&c, key, &(int){70}));
    CHECK_EQ(kt_task_join(t), 1); /* what it waited for; but the put one stays */
    CHECK_OK(kt_cache_get_nowait(&c, key, &hit));
    CHECK_EQ(*(const int *)hit.value, 70);
    kt_cached_release(&hit);
    kt_cache_clear(&c);
    CHECK_EQ(o.drops, 2);
}

TEST(long_keys_are_refused)
{
    origin o = {0};
    kt_auto(kt_cache) c = CACHE(&o);
    c.key_bytes_max = 3;
    CHECK_ERR(get(&c, "four"), KT_ELIMIT);
    CHECK_EQ(get(&c, "two"), 1);
}

TEST(closing_sends_callers_away)
{
    origin o = {.takes = KT_S(60)};
    kt_cache c = CACHE(&o);
    kt_task *t = spawn(KT_WITH(asks, &c));
    sure(kt_sleep(KT_S(1)));
    kt_cache_close(&c);
    CHECK_ERR(kt_task_join(t), KT_ESHUTDOWN);
    t = spawn(KT_WITH(asks, &c));
    yield_times(1); /* its fetch has not even begun */
    kt_cache_close(&c);
    CHECK_ERR(kt_task_join(t), KT_ESHUTDOWN);
    CHECK_EQ(o.fetches, 1);
}

static int use_cache(void *arg)
{
    kt_auto(kt_cache) c = CACHE(arg);
    int rc = get(&c, "key");
    if (rc >= 0)
        rc = kt_cache_put(&c, kt_slice_from("other"), &(int){1});
    return rc;
}

static void balanced(void *arg)
{
    const origin *o = arg;
    CHECK_GE(o->fetches, o->drops / 2);
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
}

TEST(a_cache_survives_missing_memory)
{
    origin o = {0};
    each_allocation_fails(use_cache, &o);
}

TEST(a_caches_user_may_be_cancelled_at_every_moment)
{
    origin o = {.takes = KT_S(1)};
    each_moment_cancelled(use_cache, &o, KT_MS(250), balanced);
}

TEST(a_cache_keeps_a_thousand_and_twenty_four_unless_told_otherwise)
{
    origin o = {0};
    kt_auto(kt_cache) c = CACHE(&o);
    char key[16];
    for (int i = 0; i < 1025; i++) {
        snprintf(key, sizeof key, "key %d", i);
        CHECK_EQ(get(&c, key), i + 1);
    }
    CHECK_EQ(c.count, 1024);
    CHECK_EQ(c.evicted, 1);
    CHECK_EQ(c.buckets_count, 1024);
    CHECK_EQ(get(&c, "key 1"), 2);
    CHECK_EQ(c.hits, 1);
}

TEST(keys_are_spread_over_the_buckets)
{
    origin o = {0};
    kt_auto(kt_cache) c = CACHE(&o);
    char key[16];
    size_t used = 0;
    c.entries_max = 64;
    for (int i = 0; i < 64; i++) {
        snprintf(key, sizeof key, "key %d", i);
        CHECK_EQ(get(&c, key), i + 1);
    }
    CHECK_EQ(c.buckets_count, 64);
    for (size_t i = 0; i < c.buckets_count; i++)
        used += c.buckets[i] != NULL;
    CHECK_GE(used, 24); /* 41 are to be expected */
}

TEST(what_was_used_grows_old_again)
{
    origin o = {0};
    kt_auto(kt_cache) c = CACHE(&o);
    c.entries_max = 2;
    CHECK_EQ(get(&c, "a"), 1);
    CHECK_EQ(get(&c, "b"), 2);
    CHECK_EQ(get(&c, "a"), 1);
    CHECK_EQ(get(&c, "c"), 3); /* b goes */
    CHECK_EQ(get(&c, "d"), 4); /* a goes */
    CHECK_EQ(get(&c, "c"), 3);
    CHECK_EQ(get(&c, "a"), 5);
}

TEST(a_key_ends_where_it_ends)
{
    origin o = {0};
    kt_auto(kt_cache) c = CACHE(&o);
    kt_auto(kt_cached) one = KT_CACHED_INIT, other = KT_CACHED_INIT;
    CHECK_OK(kt_cache_get(&c, (kt_slice){"abc", 2}, &one));
    CHECK_OK(kt_cache_get(&c, (kt_slice){"abd", 2}, &other));
    CHECK_EQ(o.fetches, 1);
}

TEST(buckets_have_a_limit)
{
    origin o = {0};
    kt_auto(kt_cache) c = CACHE(&o);
    c.entries_max = 100000;
    CHECK_EQ(get(&c, "a"), 1);
    CHECK_EQ(c.buckets_count, 65536);
}

TEST(a_failure_that_is_not_kept_takes_nobodys_place)
{
    origin o = {0};
    kt_auto(kt_cache) c = CACHE(&o);
    c.entries_max = 1;
    CHECK_EQ(get(&c, "good"), 1);
    o.rc = -EIO;
    CHECK_ERR(get(&c, "bad"), -EIO);
    CHECK_EQ(get(&c, "good"), 1);
    CHECK_EQ(c.evicted, 0);
}
