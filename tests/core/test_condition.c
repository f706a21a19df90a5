/* SPDX-License-Identifier: MIT */

/* Conditions, barriers, bounded semaphores; last-in-first-out and priority queues. */

#include <kettle/group.h>
#include <kettle/queue.h>
#include <kettle/sync.h>
#include <kettle/test.h>

/* ---- Condition ----------------------------------------------------------------------------- */

typedef struct shared {
    kt_condition changed;
    int count;
} shared;

KT_FN(wait_for_count, a, struct { const char *name; shared *s; int need; })
{
    int rc = kt_condition_acquire(&a->s->changed);
    if (rc < 0)
        return rc;
    while (rc == 0 && a->s->count < a->need)
        rc = kt_condition_wait(&a->s->changed);
    CHECK(kt_condition_locked(&a->s->changed));
    kt_test_say("%s %s at %d", a->name, rc < 0 ? "cancelled" : "passed", a->s->count);
    kt_condition_release(&a->s->changed);
    return rc;
}

static void count_up(shared *s)
{
    CHECK_OK(kt_condition_acquire(&s->changed));
    s->count++;
    kt_condition_notify_all(&s->changed);
    kt_condition_release(&s->changed);
    CHECK_OK(kt_sleep(KT_MS(1)));
}

TEST(waiters_pass_when_their_predicate_holds)
{
    shared s = {KT_CONDITION_INIT, 0};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&g, KT_WITH(wait_for_count, .name = "A", .s = &s, .need = 2)));
    CHECK_OK(kt_group_spawn(&g, KT_WITH(wait_for_count, .name = "B", .s = &s, .need = 1)));
    CHECK_OK(kt_sleep(KT_MS(1)));
    count_up(&s);
    count_up(&s);
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_TRACE("B passed at 1\nA passed at 2");
}

TEST(a_notified_waiter_that_is_cancelled_passes_it_on)
{
    shared s = {KT_CONDITION_INIT, 0};
    kt_task *a, *b;
    CHECK_OK(kt_spawn(KT_WITH(wait_for_count, .name = "A", .s = &s, .need = 1), &a));
    CHECK_OK(kt_spawn(KT_WITH(wait_for_count, .name = "B", .s = &s, .need = 1), &b));
    CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_OK(kt_condition_acquire(&s.changed));
    s.count = 1;
    kt_condition_notify(&s.changed, 1);
    kt_task_cancel(a);
    kt_condition_release(&s.changed);
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    CHECK_OK(kt_task_join(b));
    CHECK_TRACE("A cancelled at 1\nB passed at 1");
}

static int survives_its_cancellation(void *arg)
{
    kt_condition *c = arg;
    CHECK_OK(kt_condition_acquire(c));
    CHECK_ERR(kt_condition_wait(c), KT_ECANCELED);
    kt_condition_release(c);
    return 0;
}

TEST(a_cancellation_while_the_lock_is_awaited_has_been_delivered)
{
    kt_condition c = KT_CONDITION_INIT;
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(survives_its_cancellation, &c, 0, &t));
    CHECK_OK(kt_sleep(0));
    CHECK_OK(kt_condition_acquire(&c));
    kt_condition_notify(&c, 1);
    CHECK_OK(kt_sleep(0));
    kt_task_cancel(t); /* notified, and waiting for the lock */
    CHECK_OK(kt_sleep(0));
    kt_condition_release(&c);
    CHECK_EQ(kt_task_join(t), 0); /* its result counts, as it learned of the request */
}

TEST_DIES(waiting_without_the_lock_is_misuse, 0, "does not hold the condition's lock")
{
    kt_condition c = KT_CONDITION_INIT;
    CHECK_OK(kt_condition_wait(&c));
}

static int reached(void *arg)
{
    const shared *s = arg;
    return s->count >= 2 ? s->count : 0;
}

KT_FN(wait_predicate, a, struct { shared *s; })
{
    int rc = kt_condition_acquire(&a->s->changed);
    if (rc == 0) {
        rc = kt_condition_wait_for(&a->s->changed, reached, a->s);
        kt_condition_release(&a->s->changed);
    }
    return rc;
}

TEST(wait_for_returns_what_the_predicate_said)
{
    shared s = {KT_CONDITION_INIT, 0};
    kt_task *t;
    CHECK_OK(kt_spawn(KT_WITH(wait_predicate, .s = &s), &t));
    count_up(&s);
    count_up(&s);
    CHECK_EQ(kt_task_join(t), 2);
}

typedef struct place {
    kt_lock lock;
    kt_condition full, empty;
    bool taken;
} place;

static int fills_twice(void *arg)
{
    place *p = arg;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(kt_condition_acquire(&p->empty));
        while (p->taken)
            CHECK_OK(kt_condition_wait(&p->empty));
        p->taken = true;
        kt_test_say("filled");
        kt_condition_notify_all(&p->full);
        kt_condition_release(&p->empty);
    }
    return 0;
}

/* Each side is woken by the other one only: two fillers do not wake each other. */
TEST(one_lock_may_have_two_conditions)
{
    place p = {KT_LOCK_INIT, KT_CONDITION_INIT_ON(&p.lock), KT_CONDITION_INIT_ON(&p.lock), false};
    kt_task *t;
    CHECK_OK(kt_spawn(fills_twice, &p, 0, &t));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(kt_lock_acquire(&p.lock));
        CHECK(kt_condition_locked(&p.full) && kt_condition_locked(&p.empty));
        while (!p.taken)
            CHECK_OK(kt_condition_wait(&p.full));
        kt_test_say("emptied");
        p.taken = false;
        kt_condition_notify(&p.empty, 1);
        kt_lock_release(&p.lock);
    }
    CHECK_OK(kt_task_join(t));
    CHECK(!kt_lock_locked(&p.lock));
    CHECK_TRACE("filled\nemptied\nfilled\nemptied");
}

/* ---- Barrier ------------------------------------------------------------------------------- */

KT_FN(arrive_twice, a, struct { const char *name; kt_barrier *b; int first, second; })
{
    const int times[] = {a->first, a->second};
    for (int i = 0; i < 2; i++) {
        int rc = kt_sleep(KT_S(times[i]));
        if (rc == 0)
            rc = kt_barrier_wait(a->b);
        if (rc < 0)
            return rc;
        kt_test_say("%s passed as %d", a->name, rc);
    }
    return 0;
}

TEST(a_barrier_lets_three_go_at_a_time)
{
    kt_barrier b = KT_BARRIER_INIT(3);
    kt_auto(kt_group) g = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&g, KT_WITH(arrive_twice, .name = "A", .b = &b, .first = 1, .second = 6)));
    CHECK_OK(kt_group_spawn(&g, KT_WITH(arrive_twice, .name = "B", .b = &b, .first = 2, .second = 2)));
    CHECK_OK(kt_group_spawn(&g, KT_WITH(arrive_twice, .name = "C", .b = &b, .first = 3, .second = 4)));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_EQ(kt_barrier_waiting(&b), 0);
    CHECK_TRACE("C passed as 2\nA passed as 0\nB passed as 1\nA passed as 2\nB passed as 0\nC passed as 1");
}

KT_FN(arrive, a, struct { kt_barrier *b; })
{
    return kt_barrier_wait(a->b);
}

TEST(one_that_is_cancelled_has_not_arrived)
{
    kt_barrier b = KT_BARRIER_INIT(2);
    kt_task *gone, *other;
    CHECK_OK(kt_spawn(KT_WITH(arrive, .b = &b), &gone));
    CHECK_OK(kt_sleep(0));
    kt_task_cancel(gone);
    CHECK_ERR(kt_task_join(gone), KT_ECANCELED);
    CHECK_EQ(kt_barrier_waiting(&b), 0);
    CHECK_OK(kt_spawn(KT_WITH(arrive, .b = &b), &other));
    CHECK_OK(kt_sleep(0));
    CHECK_EQ(kt_barrier_wait(&b), 1);
    CHECK_EQ(kt_task_join(other), 0);
}

KT_FN(arrives_and_says, a, struct { kt_barrier *b; const char *name; })
{
    int rc = kt_barrier_wait(a->b);
    kt_test_say("%s", a->name);
    return rc;
}

KT_FN(says, a, struct { const char *word; })
{
    kt_test_say("%s", a->word);
    return 0;
}

/* As asyncio's condition passes a notification on since 3.13: the first in line gets a turn, and uses it. */
TEST(a_cancelled_waiter_of_a_barrier_gives_another_a_turn)
{
    kt_barrier b = KT_BARRIER_INIT(3);
    kt_task *a, *cancelled, *other, *second;
    CHECK_OK(kt_spawn(KT_WITH(arrives_and_says, &b, "first"), &a));
    CHECK_OK(kt_spawn(KT_WITH(arrive, &b), &cancelled));
    CHECK_OK(kt_sleep(0));
    kt_task_cancel(cancelled);
    CHECK_OK(kt_sleep(0));
    CHECK_OK(kt_spawn(KT_WITH(says, "other"), &other));
    CHECK_OK(kt_spawn_with(&(kt_spawn_options){.eager = true}, KT_WITH(arrives_and_says, &b, "second"), &second));
    CHECK_EQ(kt_barrier_wait(&b), 2);
    CHECK_EQ(kt_task_join(a), 0);
    CHECK_ERR(kt_task_join(cancelled), KT_ECANCELED);
    CHECK_OK(kt_task_join(other));
    CHECK_EQ(kt_task_join(second), 1);
    CHECK_TRACE("first\nother\nsecond");
}

TEST(abort_breaks_a_barrier_until_its_reset)
{
    kt_barrier b = KT_BARRIER_INIT(3);
    kt_task *t;
    CHECK_OK(kt_spawn(KT_WITH(arrive, .b = &b), &t));
    CHECK_OK(kt_sleep(0));
    kt_barrier_abort(&b);
    CHECK_ERR(kt_task_join(t), KT_EBROKEN);
    CHECK_ERR(kt_barrier_wait(&b), KT_EBROKEN);
    kt_barrier_reset(&b);
    CHECK(!kt_barrier_broken(&b));
}

TEST(who_comes_while_a_round_is_left_waits_for_room_in_a_later_one)
{
    kt_barrier b = KT_BARRIER_INIT(2);
    kt_task *t[5];
    for (int i = 0; i < 5; i++)
        CHECK_OK(kt_spawn(KT_WITH(arrive, .b = &b), &t[i]));
    CHECK_OK(kt_sleep(KT_S(1))); /* two round, two round, and one that is alone */
    for (int i = 0; i < 4; i++)
        CHECK_EQ(kt_task_join(t[i]), i % 2);
    CHECK(!kt_task_done(t[4]));
    CHECK_EQ(kt_barrier_waiting(&b), 1);
    CHECK_EQ(kt_barrier_wait(&b), 1);
    CHECK_EQ(kt_task_join(t[4]), 0);
}

/* ---- Bounded semaphore --------------------------------------------------------------------- */

TEST_DIES(releasing_a_bounded_semaphore_too_often_is_misuse, 0, "released too often")
{
    kt_semaphore s = KT_BOUNDED_SEMAPHORE_INIT(1);
    CHECK_OK(kt_semaphore_acquire(&s));
    kt_semaphore_release(&s);
    kt_semaphore_release(&s);
}

/* ---- Queues -------------------------------------------------------------------------------- */

TEST(a_lifo_queue_gives_the_last_first)
{
    kt_auto(kt_queue) q = KT_LIFO_QUEUE_INIT(int, 3);
    int n;
    for (int i = 1; i <= 3; i++)
        CHECK_OK(kt_queue_put(&q, &i));
    CHECK_ERR(kt_queue_put_nowait(&q, &(int){4}), KT_EFULL);
    for (int i = 3; i >= 1; i--) {
        CHECK_OK(kt_queue_get(&q, &n));
        CHECK_EQ(n, i);
    }
    CHECK_ERR(kt_queue_get_nowait(&q, &n), KT_EEMPTY);
}

static int by_tens(const void *a, const void *b)
{
    return *(const int *)a / 10 - *(const int *)b / 10;
}

TEST(a_priority_queue_gives_the_smallest_and_equals_in_order)
{
    kt_auto(kt_queue) q = KT_PRIORITY_QUEUE_INIT(int, 0, by_tens);
    const int in[] = {52, 11, 33, 51, 10, 30, 19}, out[] = {11, 10, 19, 33, 30, 52, 51};
    int n;
    for (size_t i = 0; i < 7; i++)
        CHECK_OK(kt_queue_put(&q, &in[i]));
    for (size_t i = 0; i < 7; i++) {
        CHECK_OK(kt_queue_get(&q, &n));
        CHECK_EQ(n, out[i]);
    }
}

TEST(a_priority_queue_sorts_a_thousand)
{
    kt_auto(kt_queue) q = KT_PRIORITY_QUEUE_INIT(int, 0, by_tens);
    unsigned seed = 1;
    int last = 0, n;
    for (int i = 0; i < 1000; i++) {
        seed = seed * 1103515245u + 12345u;
        CHECK_OK(kt_queue_put(&q, &(int){(int)(seed >> 16 & 0x3fff)}));
    }
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(kt_queue_get(&q, &n));
        CHECK_GE(n / 10, last / 10);
        last = n;
    }
}
