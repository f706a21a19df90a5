/* SPDX-License-Identifier: MIT */
#include "sure.h"

/* ---- Until it is caught ------------------------------------------------------------------ */

static int counts_turns(void *arg)
{
    for (int *turns = arg; ++*turns < 100;)
        sure(kt_sleep(0));
    return 0;
}

static int ignores_three_times(void *arg)
{
    int turns = 0, *seen = arg;
    kt_task *other = spawn(counts_turns, &turns, 0);
    for (int i = 0; i < 3; i++) {
        int before = turns;
        CHECK_ERR(kt_sleep(KT_S(60)), KT_ECANCELED);
        CHECK_GT(turns, before); /* a failed call still gives others their turn */
        ++*seen;
    }
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_EQ(kt_cancel_catch(), 0);
    CHECK_EQ(kt_sleep(KT_S(1)), 0);
    return kt_task_join(other);
}

TEST(every_call_fails_until_the_cancellation_is_caught)
{
    int seen = 0;
    kt_task *t = spawn(ignores_three_times, &seen, 0);
    yield_times(1);
    kt_task_cancel(t);
    CHECK_EQ(kt_task_await(t), 0);
    CHECK_EQ(seen, 3);
    CHECK(!kt_task_cancelled(t));
    CHECK_EQ(kt_task_join(t), 0);
}

TEST(catch_without_a_cancellation_gives_0)
{
    CHECK_EQ(kt_cancel_catch(), 0);
    CHECK_EQ(kt_sleep(KT_S(1)), 0);
}

/* What need not wait succeeds, as in asyncio. */
TEST(calls_that_need_not_wait_succeed_in_a_cancelled_task)
{
    kt_lock lock = KT_LOCK_INIT;
    kt_event event = KT_EVENT_INIT;
    kt_semaphore permits = KT_SEMAPHORE_INIT(1);
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int item = 5;
    kt_event_set(&event);
    kt_task_cancel(kt_task_current());
    CHECK_OK(kt_lock_acquire(&lock));
    CHECK_OK(kt_event_wait(&event));
    CHECK_OK(kt_semaphore_acquire(&permits));
    CHECK_OK(kt_queue_put(&q, &item));
    CHECK_OK(kt_queue_get(&q, &item));
    kt_queue_task_done(&q);
    CHECK_OK(kt_queue_join(&q));
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    kt_lock_release(&lock);
}

TEST(a_done_task_takes_no_request)
{
    int seconds = 0;
    kt_task *t = spawn(sleep_seconds, &seconds, sizeof seconds);
    yield_times(2);
    CHECK(kt_task_done(t));
    CHECK(!kt_task_cancel(t));
    CHECK_EQ(kt_task_join(t), 0);
}

/* ---- Races with what was waited for ------------------------------------------------------ */

KT_FN(takes_lock, a, struct {
    kt_lock *lock;
    int *inside;
})
{
    int rc = kt_lock_acquire(a->lock);
    if (rc < 0)
        return rc;
    CHECK_EQ(++*a->inside, 1);
    rc = kt_sleep(KT_S(1));
    --*a->inside;
    kt_lock_release(a->lock);
    return rc;
}

TEST(a_lock_handed_to_a_cancelled_task_goes_to_the_next)
{
    kt_lock lock = KT_LOCK_INIT;
    int inside = 0;
    sure(kt_lock_acquire(&lock));
    kt_task *t = spawn(KT_WITH(takes_lock, &lock, &inside));
    kt_task *next = spawn(KT_WITH(takes_lock, &lock, &inside));
    yield_times(1);
    kt_lock_release(&lock); /* to t */
    kt_task_cancel(t);      /* before it ran */
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_task_join(next), 0);
}

TEST(two_requests_do_not_give_a_lock_to_two_tasks)
{
    kt_lock lock = KT_LOCK_INIT;
    int inside = 0;
    kt_task *tasks[4];
    sure(kt_lock_acquire(&lock));
    for (int i = 0; i < 4; i++)
        tasks[i] = spawn(KT_WITH(takes_lock, &lock, &inside));
    yield_times(1);
    kt_lock_release(&lock);
    for (int i = 0; i < 3; i++)
        kt_task_cancel(tasks[0]);
    CHECK_ERR(kt_task_join(tasks[0]), KT_ECANCELED);
    for (int i = 1; i < 4; i++)
        CHECK_EQ(kt_task_join(tasks[i]), 0);
    CHECK(!kt_lock_locked(&lock));
}

TEST(two_requests_for_a_waiter_do_not_take_the_lock_from_its_holder)
{
    kt_lock lock = KT_LOCK_INIT;
    int inside = 0;
    kt_task *holder = spawn(KT_WITH(takes_lock, &lock, &inside));
    kt_task *waiter = spawn(KT_WITH(takes_lock, &lock, &inside));
    kt_task *next = spawn(KT_WITH(takes_lock, &lock, &inside));
    yield_times(1);
    kt_task_cancel(waiter);
    kt_task_cancel(waiter);
    CHECK_ERR(kt_task_join(waiter), KT_ECANCELED);
    CHECK_EQ(kt_task_join(holder), 0);
    CHECK_EQ(kt_task_join(next), 0);
}

static int takes_permit(void *arg)
{
    return kt_semaphore_acquire(arg);
}

TEST(two_requests_do_not_make_permits)
{
    kt_semaphore permits = KT_SEMAPHORE_INIT(0);
    kt_task *t = spawn(takes_permit, &permits, 0);
    yield_times(1);
    kt_task_cancel(t);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_ERR(kt_semaphore_acquire_nowait(&permits), -EBUSY);
    t = spawn(takes_permit, &permits, 0);
    yield_times(1);
    kt_semaphore_release(&permits);
    kt_task_cancel(t);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_OK(kt_semaphore_acquire_nowait(&permits));
    CHECK_ERR(kt_semaphore_acquire_nowait(&permits), -EBUSY);
}

KT_FN(takes, a, struct {
    kt_queue *q;
    int *item;
})
{
    return kt_queue_get(a->q, a->item);
}

TEST(an_item_that_woke_a_cancelled_getter_wakes_the_next)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int first = 0, second = 0;
    kt_task *t = spawn(KT_WITH(takes, &q, &first)), *next = spawn(KT_WITH(takes, &q, &second));
    yield_times(1);
    sure(kt_queue_put(&q, &(int){5}));
    kt_task_cancel(t);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_task_join(next), 0);
    CHECK_EQ(first, 0);
    CHECK_EQ(second, 5);
}

KT_FN(puts_in, a, struct {
    kt_queue *q;
    int item;
})
{
    return kt_queue_put(a->q, &a->item);
}

TEST(room_that_woke_a_cancelled_putter_wakes_the_next)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 1);
    int item = 1;
    sure(kt_queue_put(&q, &item));
    kt_task *t = spawn(KT_WITH(puts_in, &q, 2)), *next = spawn(KT_WITH(puts_in, &q, 3));
    yield_times(1);
    sure(kt_queue_get_nowait(&q, &item));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_task_join(next), 0);
    sure(kt_queue_get_nowait(&q, &item));
    CHECK_EQ(item, 3);
}

/* ---- Who asked --------------------------------------------------------------------------- */

static int in_a_timeout(void *arg)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    int rc = kt_timeout_end(&limit, kt_sleep(KT_S(60)));
    *(bool *)arg = kt_timeout_expired(&limit);
    return rc;
}

TEST(the_outside_outranks_a_timeout_that_fired_too)
{
    bool expired = false;
    kt_task *t = spawn(in_a_timeout, &expired, 0);
    CHECK_OK(kt_sleep(KT_S(1))); /* wakes in the pass in which the timeout fires */
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK(expired);
}

static int takes_requests_back(void *arg)
{
    kt_task *me = kt_task_current();
    (void)arg;
    kt_task_cancel(me);
    CHECK_EQ(kt_task_cancelling(me), 1);
    CHECK_EQ(kt_task_uncancel(me), 0);
    return kt_sleep(KT_S(1));
}

TEST(a_request_taken_back_before_a_call_saw_it_is_dropped)
{
    CHECK_EQ(kt_task_join(spawn(takes_requests_back, NULL, 0)), 0);
}

/* ---- Passing on -------------------------------------------------------------------------- */

static int joins(void *arg)
{
    return kt_task_join(arg);
}

static int awaits(void *arg)
{
    return kt_task_await(arg);
}

static int swallows(void *arg)
{
    (void)arg;
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ECANCELED);
    kt_cancel_catch();
    return 7;
}

TEST(a_joiners_cancellation_goes_to_the_joined)
{
    kt_task *t = spawn(joins, spawn_sleeper(60), 0);
    kt_time start = kt_now();
    yield_times(2);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_now(), start);
}

TEST(what_the_joined_swallows_the_joiner_does_not_see)
{
    kt_task *t = spawn(joins, spawn(swallows, NULL, 0), 0);
    yield_times(2);
    kt_task_cancel(t);
    CHECK_EQ(kt_task_join(t), 7);
}

TEST(a_timeouts_cancellation_goes_to_the_awaited_and_comes_back_as_a_timeout)
{
    kt_task *t = spawn_sleeper(60);
    CHECK_ERR(kt_wait_for(KT_S(1), awaits, t, 0), KT_ETIMEDOUT);
    CHECK(kt_task_cancelled(t));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    t = spawn(swallows, NULL, 0);
    CHECK_EQ(kt_wait_for(KT_S(1), awaits, t, 0), 7);
    CHECK_EQ(kt_task_join(t), 7);
}

TEST(a_request_runs_through_a_chain_of_joins)
{
    kt_task *t = spawn_sleeper(60);
    for (int i = 0; i < 300; i++)
        t = spawn(joins, t, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_now(), KT_S(1));
}

KT_FN(waits_for_the_other, a, struct {
    kt_task **other;
    bool by_join;
})
{
    return a->by_join ? kt_task_join(*a->other) : kt_task_await(*a->other);
}

TEST(tasks_that_await_each_other_can_be_cancelled)
{
    kt_task *a = NULL, *b = NULL;
    a = spawn(KT_WITH(waits_for_the_other, &b, false));
    b = spawn(KT_WITH(waits_for_the_other, &a, false));
    CHECK_ERR(kt_wait_for(KT_S(5), awaits, a, 0), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(5));
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    CHECK_ERR(kt_task_join(b), KT_ECANCELED);
}

TEST(tasks_that_join_each_other_can_be_cancelled)
{
    kt_task *a = NULL, *b = NULL;
    a = spawn(KT_WITH(waits_for_the_other, &b, true));
    b = spawn(KT_WITH(waits_for_the_other, &a, true));
    yield_times(2);
    kt_task_cancel(a);
    yield_times(4);
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
}

KT_FN(gathers_one, a, struct { kt_task **gatherer; })
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(waits_for_the_other, a->gatherer, false))};
    return kt_gather(jobs, 1, NULL);
}

TEST(a_task_and_what_it_gathers_may_wait_for_each_other_and_be_cancelled)
{
    kt_task *t = NULL;
    t = spawn(KT_WITH(gathers_one, &t));
    yield_times(3);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    yield_times(2);
}

/* Otherwise clean-up after a success would swallow a request that nobody has seen. */
TEST(what_no_call_has_returned_is_not_caught)
{
    kt_task_cancel(kt_task_current());
    CHECK_EQ(kt_cancel_catch(), 0);
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_OK(kt_sleep(0));
}

/* ---- Words, and long chains --------------------------------------------------------------- */

static int tells_why(void *arg)
{
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ECANCELED);
    snprintf(arg, 32, "%s", kt_task_cancel_message(kt_task_current()));
    return KT_ECANCELED;
}

TEST(a_request_may_say_why)
{
    char inside[32] = "";
    kt_task *t = spawn(tells_why, inside, 0);
    yield_times(1);
    CHECK(kt_task_cancel_with(t, "the shop closes"));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_STR(inside, "the shop closes");
    CHECK_STR(kt_error_detail(), "the shop closes");
}

TEST(words_that_are_on_their_way_arrive)
{
    char inside[32] = "";
    kt_task *t = spawn(tells_why, inside, 0);
    yield_times(1);
    kt_task_cancel_with(t, "too old");
    kt_task_cancel_with(t, "the shop closes");
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_STR(inside, "too old");
}

TEST(of_requests_that_are_not_on_their_way_the_latest_one_speaks)
{
    kt_task *t = spawn_sleeper(1);
    kt_task_cancel_with(t, "too old");
    kt_task_cancel_with(t, "the shop closes");
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_STR(kt_error_detail(), "the shop closes");
    t = spawn_sleeper(1);
    kt_task_cancel_with(t, "too old");
    kt_task_cancel(t);
    CHECK_STR(kt_task_cancel_message(t), "");
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

static int outlives_a_request(void *arg)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(2));
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_EQ(kt_task_uncancel(kt_task_current()), 0);
    int rc = kt_sleep(KT_S(60));
    snprintf(arg, 32, "%s", kt_task_cancel_message(kt_task_current()));
    return kt_timeout_end(&limit, rc);
}

TEST(a_timeout_does_not_speak_with_the_words_of_a_request_before)
{
    char inside[32] = "none";
    kt_task *t = spawn(outlives_a_request, inside, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel_with(t, "the shop closes");
    CHECK_ERR(kt_task_join(t), KT_ETIMEDOUT);
    CHECK_STR(inside, "");
}

static void cancel_with_words(void *task)
{
    kt_task_cancel_with(task, "the shop closes");
}

static int sleeps_until_told_why(void *arg)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_callback request = KT_CALLBACK_INIT;
    kt_call_later(&request, KT_S(1), cancel_with_words, kt_task_current());
    kt_timeout_start(&limit, KT_S(1));
    return kt_timeout_end(&limit, tells_why(arg));
}

TEST(nor_does_it_silence_words_that_are_on_their_way)
{
    char inside[32] = "none";
    CHECK_ERR(kt_task_join(spawn(sleeps_until_told_why, inside, 0)), KT_ECANCELED);
    CHECK_STR(inside, "the shop closes");
}

static int awaits_task(void *arg)
{
    return kt_task_await(arg);
}

TEST(words_go_with_the_request_to_what_the_task_waits_for)
{
    char inside[32] = "";
    kt_task *inner = spawn(tells_why, inside, 0);
    kt_task *outer = spawn(awaits_task, inner, 0);
    yield_times(1);
    kt_task_cancel_with(outer, "enough");
    CHECK_ERR(kt_task_join(outer), KT_ECANCELED);
    CHECK_STR(inside, "enough");
    CHECK_STR(kt_error_detail(), "enough");
    CHECK_ERR(kt_task_join(inner), KT_ECANCELED);
}

TEST(of_two_requests_through_a_chain_the_words_of_the_first_arrive)
{
    char inside[32] = "";
    kt_task *inner = spawn(tells_why, inside, 0);
    kt_task *outer = spawn(awaits_task, inner, 0);
    yield_times(1);
    kt_task_cancel_with(outer, "enough");
    kt_task_cancel_with(outer, "too late");
    CHECK_STR(kt_task_cancel_message(outer), "enough");
    CHECK_ERR(kt_task_join(outer), KT_ECANCELED);
    CHECK_STR(kt_error_detail(), "enough");
    CHECK_ERR(kt_task_join(inner), KT_ECANCELED);
    CHECK_STR(inside, "enough");
}

static int awaits_twice(void *arg)
{
    CHECK_ERR(kt_task_await(((kt_task **)arg)[0]), KT_ECANCELED);
    kt_cancel_catch();
    return kt_task_await(((kt_task **)arg)[1]);
}

TEST(a_task_s_own_words_can_be_said_again)
{
    char inside[2][32] = {"", ""};
    kt_task *inner[] = {spawn(tells_why, inside[0], 0), spawn(tells_why, inside[1], 0)};
    kt_task *mid = spawn(awaits_twice, inner, 0), *outer = spawn(awaits_task, mid, 0);
    yield_times(1);
    kt_task_cancel_with(outer, "enough");
    yield_times(4);
    kt_task_cancel_with(outer, kt_task_cancel_message(outer));
    CHECK_ERR(kt_task_join(outer), KT_ECANCELED);
    CHECK_ERR(kt_task_join(mid), KT_ECANCELED);
    CHECK_STR(inside[0], "enough");
    CHECK_STR(inside[1], "enough");
    CHECK_ERR(kt_task_join(inner[0]), KT_ECANCELED);
    CHECK_ERR(kt_task_join(inner[1]), KT_ECANCELED);
}

static int is_cancelled_and_awaits(void *arg)
{
    kt_task_cancel_with(kt_task_current(), "enough");
    return kt_task_await(arg);
}

TEST(words_go_with_a_request_that_no_call_has_returned_too)
{
    char inside[32] = "";
    kt_task *inner = spawn(tells_why, inside, 0);
    yield_times(1);
    CHECK_ERR(kt_task_join(spawn(is_cancelled_and_awaits, inner, 0)), KT_ECANCELED);
    CHECK_STR(inside, "enough");
    CHECK_ERR(kt_task_join(inner), KT_ECANCELED);
}

TEST(a_task_that_never_started_passes_the_words_on_too)
{
    kt_task *t = spawn_sleeper(1);
    kt_task_cancel_with(t, "not today");
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_STR(kt_error_detail(), "not today");
}

/* Each link would be a frame or two of the caller's stack, which ends at 16 KiB here. */
static int cancels(void *arg)
{
    kt_task_cancel(arg);
    return 0;
}

TEST(a_chain_of_ten_thousand_tasks_is_cancelled_from_a_small_stack)
{
    enum { LINKS = 10000 };
    kt_task **links = kt_calloc(LINKS, sizeof *links);
    CHECK(links != NULL);
    const kt_spawn_options small = {.stack_bytes = 16 << 10};
    kt_task *canceller;
    links[0] = spawn_sleeper(60);
    for (int i = 1; i < LINKS; i++)
        sure(kt_spawn_with(&small, awaits_task, links[i - 1], 0, &links[i]));
    yield_times(2);
    sure(kt_spawn_with(&small, cancels, links[LINKS - 1], 0, &canceller));
    sure(kt_task_join(canceller));
    for (int i = LINKS - 1; i >= 0; i--) {
        CHECK_ERR(kt_task_join(links[i]), KT_ECANCELED);
    }
    CHECK_EQ(kt_now(), 0);
    kt_free(links);
}
