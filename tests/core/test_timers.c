/* SPDX-License-Identifier: MIT */
#include "sure.h"

#include "core/timer_heap.h"

/* ---- The heap beside a model ------------------------------------------------------------- */

enum { TIMERS = 2000, STEPS = 10000 };

typedef struct model {
    kt__heap heap;
    kt__timer timers[TIMERS];
    bool inside[TIMERS];
    size_t count;
    uint64_t random;
} model;

static uint64_t next_random(model *m)
{
    m->random ^= m->random << 13; /* Marsaglia 2003, xorshift64 */
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random;
}

static bool earlier(const kt__timer *a, const kt__timer *b)
{
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->sequence < b->sequence);
}

static const kt__timer *earliest(const model *m)
{
    const kt__timer *first = NULL;
    for (size_t i = 0; i < TIMERS; i++)
        if (m->inside[i] && (!first || earlier(&m->timers[i], first)))
            first = &m->timers[i];
    return first;
}

/* Deadlines from few values, so that many are equal. */
static void step(model *m)
{
    size_t i = next_random(m) % TIMERS;
    if (m->inside[i]) {
        kt__heap_remove(&m->heap, &m->timers[i]);
        m->count--;
    } else {
        m->timers[i].deadline = (kt_time)(next_random(m) % 300);
        kt__heap_insert(&m->heap, &m->timers[i]);
        m->count++;
    }
    m->inside[i] = !m->inside[i];
}

TEST(the_heaps_root_is_always_the_earliest_of_a_model)
{
    static model m = {.random = 88172645463325252};
    for (int i = 0; i < STEPS; i++) {
        step(&m);
        CHECK(m.heap.root == earliest(&m));
    }
    const kt__timer *last = NULL;
    for (; m.heap.root; m.count--) {
        kt__timer *root = m.heap.root;
        CHECK(!last || earlier(last, root));
        CHECK(m.inside[root - m.timers]);
        kt__heap_remove(&m.heap, root);
        last = root;
    }
    CHECK_EQ(m.count, 0);
}

TEST(equal_deadlines_come_out_in_the_order_of_insertion)
{
    static kt__timer timers[1000];
    kt__heap heap = {NULL, 0};
    for (int i = 0; i < 1000; i++) {
        timers[i].deadline = 5;
        kt__heap_insert(&heap, &timers[i]);
    }
    for (int i = 0; i < 1000; i += 3)
        kt__heap_remove(&heap, &timers[i]);
    for (int i = 0; i < 1000; i++) {
        if (i % 3 == 0)
            continue;
        CHECK(heap.root == &timers[i]);
        kt__heap_remove(&heap, heap.root);
    }
    CHECK(heap.root == NULL);
}

/* ---- Sleep ------------------------------------------------------------------------------- */

KT_FN(says_after, a, struct {
    kt_time after;
    int number;
})
{
    sure(kt_sleep(a->after));
    CHECK_EQ(kt_now(), a->after);
    kt_test_say("%d", a->number);
    return 0;
}

TEST(sleepers_of_one_deadline_wake_in_the_order_of_falling_asleep)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 6; i++)
        sure(kt_group_spawn(&g, KT_WITH(says_after, i % 2 ? KT_S(1) : KT_S(2), i)));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_TRACE("1\n3\n5\n0\n2\n4");
}

TEST(ten_thousand_sleepers_wake_at_their_times)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 10000; i++) {
        kt_time after = KT_MS(i * INT64_C(7919) % 10007);
        sure(kt_group_spawn(&g, KT_WITH(says_after, after ? after : 1, i)));
    }
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_EQ(kt_now(), KT_MS(10006));
}

static int sleeps_for_ever(void *arg)
{
    (void)arg;
    return kt_sleep(KT_FOREVER);
}

TEST(nobody_wakes_from_a_sleep_for_ever)
{
    sure(kt_sleep(KT_S(1)));
    kt_task *t = spawn(sleeps_for_ever, NULL, 0);
    CHECK_OK(kt_sleep(KT_S(INT64_C(3600) * 24 * 365 * 100)));
    CHECK(!kt_task_done(t));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

TEST_WITH(real_sleeps_are_never_short, KT_TEST_REAL_TIME)
{
    for (int i = 0; i < 20; i++) {
        kt_time start = kt_now(), span = KT_US(100 + 77 * i);
        CHECK_OK(kt_sleep(span));
        CHECK_GE(kt_now() - start, span);
    }
}

static void nothing(void *arg)
{
    (void)arg;
}

TEST(a_callback_tells_when_it_will_be_called)
{
    kt_callback later = KT_CALLBACK_INIT, at = KT_CALLBACK_INIT, soon = KT_CALLBACK_INIT;
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_call_later(&later, KT_S(2), nothing, NULL);
    kt_call_at(&at, KT_S(7), nothing, NULL);
    kt_call_soon(&soon, nothing, NULL);
    CHECK_EQ(kt_callback_when(&later), KT_S(3));
    CHECK_EQ(kt_callback_when(&at), KT_S(7));
    CHECK_EQ(kt_callback_when(&soon), 0);
    kt_callback_cancel(&later);
    CHECK_EQ(kt_callback_when(&later), 0);
    kt_callback_cancel(&at);
    CHECK_OK(kt_sleep(0));
}

TEST(a_callback_whose_time_never_comes_is_pending_until_it_is_cancelled)
{
    kt_callback never[3] = {KT_CALLBACK_INIT, KT_CALLBACK_INIT, KT_CALLBACK_INIT};
    for (int i = 0; i < 3; i++)
        kt_call_later(&never[i], KT_FOREVER, nothing, NULL);
    CHECK_OK(kt_sleep(KT_S(1000)));
    CHECK_EQ(kt_callback_when(&never[0]), KT_FOREVER);
    CHECK(kt_callback_cancel(&never[1]));
    CHECK(kt_callback_cancel(&never[0]));
    CHECK(!kt_callback_pending(&never[0]) && kt_callback_pending(&never[2]));
    kt_call_soon(&never[0], nothing, NULL);
    CHECK(kt_callback_cancel(&never[2]));
    CHECK_OK(kt_sleep(0));
    CHECK(!kt_callback_pending(&never[0]));
}
