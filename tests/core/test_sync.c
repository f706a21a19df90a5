/* SPDX-License-Identifier: MIT */
#include "sure.h"

/* ---- Lock -------------------------------------------------------------------------------- */

TEST(zeroed_storage_is_an_open_lock_a_clear_event_and_no_permit)
{
    static kt_lock lock;
    static kt_event event;
    static kt_semaphore permits;
    CHECK(!kt_lock_locked(&lock));
    CHECK_OK(kt_lock_acquire(&lock));
    kt_lock_release(&lock);
    CHECK(!kt_event_is_set(&event));
    CHECK(kt_semaphore_locked(&permits));
    kt_semaphore_release(&permits);
    CHECK_OK(kt_semaphore_acquire(&permits));
}

KT_FN(locks, a, struct {
    kt_lock *lock;
    int number;
})
{
    sure(kt_lock_acquire(a->lock));
    kt_test_say("in %d", a->number);
    sure(kt_sleep(KT_S(1)));
    kt_test_say("out %d", a->number);
    kt_lock_release(a->lock);
    return 0;
}

TEST(a_lock_admits_one_after_the_other)
{
    kt_lock lock = KT_LOCK_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 3; i++)
        sure(kt_group_spawn(&g, KT_WITH(locks, &lock, i)));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_TRACE("in 0\nout 0\nin 1\nout 1\nin 2\nout 2");
}

TEST(a_lock_can_be_tried)
{
    kt_lock lock = KT_LOCK_INIT;
    CHECK_OK(kt_lock_acquire_nowait(&lock));
    CHECK_ERR(kt_lock_acquire_nowait(&lock), -EBUSY);
    kt_task *t = spawn(KT_WITH(locks, &lock, 0));
    yield_times(1);
    kt_lock_release(&lock);
    CHECK_ERR(kt_lock_acquire_nowait(&lock), -EBUSY); /* it has been handed over */
    CHECK_EQ(kt_task_join(t), 0);
    CHECK_OK(kt_lock_acquire_nowait(&lock));
    kt_lock_release(&lock);
}

KT_FN(tries_to_lock, a, struct {
    kt_lock *lock;
    int number;
})
{
    int rc = kt_lock_acquire(a->lock);
    if (rc < 0)
        return rc;
    kt_test_say("%d", a->number);
    kt_lock_release(a->lock);
    return 0;
}

TEST(cancelled_waiters_at_front_middle_and_end_leave_the_rest_in_order)
{
    kt_lock lock = KT_LOCK_INIT;
    kt_task *tasks[7];
    sure(kt_lock_acquire(&lock));
    for (int i = 0; i < 7; i++)
        tasks[i] = spawn(KT_WITH(tries_to_lock, &lock, i));
    yield_times(1);
    kt_task_cancel(tasks[0]);
    kt_task_cancel(tasks[3]);
    kt_task_cancel(tasks[6]);
    yield_times(1);
    kt_lock_release(&lock);
    for (int i = 0; i < 7; i++)
        CHECK_EQ(kt_task_join(tasks[i]), i % 3 == 0 ? KT_ECANCELED : 0);
    CHECK_TRACE("1\n2\n4\n5");
}

/* ---- Event ------------------------------------------------------------------------------- */

KT_FN(waits, a, struct {
    kt_event *event;
    int number;
})
{
    int rc = kt_event_wait(a->event);
    kt_test_say("%d: %d", a->number, rc);
    return rc;
}

TEST(an_event_wakes_all_in_the_order_of_asking)
{
    kt_event event = KT_EVENT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 4; i++)
        sure(kt_group_spawn(&g, KT_WITH(waits, &event, i)));
    sure(kt_sleep(KT_S(1)));
    CHECK_TRACE("");
    kt_event_set(&event);
    kt_event_set(&event);
    CHECK(kt_event_is_set(&event));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_TRACE("0: 0\n1: 0\n2: 0\n3: 0");
    kt_event_clear(&event);
    CHECK(!kt_event_is_set(&event));
}

static void set_event(void *arg)
{
    kt_event_set(arg);
}

TEST(an_event_may_be_set_outside_any_task)
{
    kt_event event = KT_EVENT_INIT;
    kt_task *t = spawn(KT_WITH(waits, &event, 0));
    yield_times(1);
    CHECK_OK(kt_call_threadsafe(kt_loop_current(), set_event, &event));
    CHECK_EQ(kt_task_join(t), 0);
    CHECK_TRACE("0: 0");
}

/* ---- Semaphore --------------------------------------------------------------------------- */

KT_FN(visits, a, struct {
    kt_semaphore *permits;
    int *inside, *most;
})
{
    int rc = kt_semaphore_acquire(a->permits);
    if (rc < 0)
        return rc;
    if (++*a->inside > *a->most)
        *a->most = *a->inside;
    rc = kt_sleep(KT_S(1));
    --*a->inside;
    kt_semaphore_release(a->permits);
    return rc;
}

TEST(a_semaphore_admits_as_many_as_it_has_permits)
{
    kt_semaphore permits = KT_SEMAPHORE_INIT(3);
    int inside = 0, most = 0;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 30; i++)
        sure(kt_group_spawn(&g, KT_WITH(visits, &permits, &inside, &most)));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_EQ(most, 3);
    CHECK_EQ(kt_now(), KT_S(10));
}

TEST(a_semaphore_keeps_its_permits_when_visitors_are_cancelled)
{
    kt_semaphore permits = KT_SEMAPHORE_INIT(2);
    int inside = 0, most = 0;
    for (int round = 0; round < 5; round++) {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        for (int i = 0; i < 6; i++)
            sure(kt_group_spawn(&g, KT_WITH(visits, &permits, &inside, &most)));
        sure(kt_sleep(KT_MS(500 + 300 * round)));
        kt_group_cancel(&g);
        CHECK_OK(kt_group_join(&g, 0));
    }
    CHECK_EQ(inside, 0);
    CHECK_OK(kt_semaphore_acquire_nowait(&permits));
    CHECK_OK(kt_semaphore_acquire_nowait(&permits));
    CHECK_ERR(kt_semaphore_acquire_nowait(&permits), -EBUSY);
}

TEST(a_permit_may_be_given_by_somebody_else)
{
    kt_semaphore permits = KT_SEMAPHORE_INIT(0);
    int inside = 0, most = 0;
    kt_task *t = spawn(KT_WITH(visits, &permits, &inside, &most));
    sure(kt_sleep(KT_S(1)));
    CHECK_EQ(inside, 0);
    kt_semaphore_release(&permits);
    CHECK_ERR(kt_semaphore_acquire_nowait(&permits), -EBUSY); /* it is the visitor's */
    CHECK_EQ(kt_task_join(t), 0);
    CHECK_OK(kt_semaphore_acquire_nowait(&permits));
}

/* ---- Turns that are passed on -------------------------------------------------------------- */

KT_FN(enters, a, struct {
    kt_lock *lock;
    kt_semaphore *permits;
    char name;
})
{
    int rc = a->lock ? kt_lock_acquire(a->lock) : kt_semaphore_acquire(a->permits);
    kt_test_say("%c %s", a->name, rc < 0 ? "cancelled" : "in");
    if (rc == 0 && a->lock)
        kt_lock_release(a->lock);
    return rc;
}

/* Not when the request comes: whoever asks in between must not find the lock free. */
TEST(a_cancelled_task_passes_its_turn_on_when_it_runs)
{
    kt_lock lock = KT_LOCK_INIT;
    sure(kt_lock_acquire(&lock));
    kt_task *a = spawn(KT_WITH(enters, &lock, NULL, 'a'));
    yield_times(1);
    kt_lock_release(&lock);
    kt_task_cancel(a);
    sure(kt_lock_acquire(&lock));
    kt_test_say("main in");
    kt_lock_release(&lock);
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    CHECK_TRACE("a cancelled\nmain in");
}

TEST(a_newcomer_waits_behind_those_who_were_given_a_permit)
{
    kt_semaphore permits = KT_SEMAPHORE_INIT(0);
    kt_task *a = spawn(KT_WITH(enters, NULL, &permits, 'a'));
    yield_times(1);
    kt_semaphore_release(&permits);
    kt_semaphore_release(&permits);
    CHECK(kt_semaphore_locked(&permits));
    CHECK_ERR(kt_semaphore_acquire_nowait(&permits), -EBUSY);
    sure(kt_semaphore_acquire(&permits));
    kt_test_say("main in");
    sure(kt_task_join(a));
    CHECK_TRACE("a in\nmain in");
}

TEST(a_permit_of_a_cancelled_task_goes_to_the_next)
{
    kt_semaphore permits = KT_SEMAPHORE_INIT(0);
    kt_task *a = spawn(KT_WITH(enters, NULL, &permits, 'a'));
    kt_task *b = spawn(KT_WITH(enters, NULL, &permits, 'b'));
    yield_times(1);
    kt_semaphore_release(&permits);
    kt_task_cancel(a);
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    sure(kt_task_join(b));
    CHECK(kt_semaphore_locked(&permits));
    kt_semaphore_release(&permits);
    CHECK(!kt_semaphore_locked(&permits));
    CHECK_TRACE("a cancelled\nb in");
}

/* ---- The lock again ------------------------------------------------------------------------ */

KT_FN(waits_by_name, a, struct {
    kt_condition *c;
    const char *name;
    bool for_notice;
})
{
    sure(kt_condition_acquire(a->c));
    int rc = a->for_notice ? kt_condition_wait(a->c) : 0;
    kt_test_say("%s %s", a->name, rc < 0 ? "cancelled" : "in");
    kt_condition_release(a->c);
    return rc;
}

TEST(who_is_cancelled_on_the_way_back_to_the_lock_begins_anew_at_its_end)
{
    kt_condition c = KT_CONDITION_INIT;
    kt_task *a = spawn(KT_WITH(waits_by_name, &c, "a", true));
    yield_times(1);
    sure(kt_condition_acquire(&c));
    kt_condition_notify(&c, 1);
    yield_times(1);
    kt_task *b = spawn(KT_WITH(waits_by_name, &c, "b", false));
    yield_times(1);
    kt_task_cancel(a);
    yield_times(1);
    kt_condition_release(&c);
    sure(kt_task_join(b));
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    CHECK_TRACE("b in\na cancelled");
}
