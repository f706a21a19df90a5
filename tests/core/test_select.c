/* SPDX-License-Identifier: MIT */
/* The first of several different things. */
#include "sure.h"

KT_FN(put_later, a, struct { kt_queue *q; int seconds; int item; })
{
    sure(kt_sleep(KT_S(a->seconds)));
    return kt_queue_put(a->q, &a->item);
}

KT_FN(get_one, a, struct { kt_queue *q; int *ret; })
{
    return kt_queue_get(a->q, a->ret);
}

KT_FN(select_all, a, struct { kt_select_case *cases; size_t n; })
{
    return kt_select(a->cases, a->n);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static kt_task *selecting(kt_select_case *cases, size_t n)
{
    kt_task *t = spawn(KT_WITH(select_all, .cases = cases, .n = n));
    sure(kt_sleep(0));
    return t;
}

/* ---- Each kind ------------------------------------------------------------------------------ */

TEST(the_first_that_comes_is_taken_and_the_others_are_left)
{
    kt_auto(kt_queue) early = KT_QUEUE_INIT(int, 0), late = KT_QUEUE_INIT(int, 0);
    kt_task *a = spawn(KT_WITH(put_later, &early, 1, 11)), *b = spawn(KT_WITH(put_later, &late, 2, 22));
    int x = 0, y = 0;
    kt_select_case cases[] = {kt_select_get(&late, &y), kt_select_get(&early, &x)};
    CHECK_EQ(kt_select(cases, 2), 1);
    CHECK_OK(cases[1].rc);
    CHECK_EQ(x, 11);
    sure(kt_task_join(a));
    sure(kt_task_join(b));
    CHECK_EQ(y, 0);
    CHECK_EQ(kt_queue_size(&late), 1);
    CHECK_EQ(kt_queue_size(&early), 0);
}

TEST(of_several_that_are_ready_the_first_of_the_array_wins)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    kt_event e = KT_EVENT_INIT;
    int n;
    sure(kt_queue_put(&q, &(int){7}));
    kt_event_set(&e);
    kt_select_case cases[] = {kt_select_event(&e), kt_select_get(&q, &n)};
    CHECK_EQ(kt_select(cases, 2), 0);
    CHECK_EQ(kt_queue_size(&q), 1);
    kt_event_clear(&e);
    CHECK_EQ(kt_select(cases, 2), 1);
    CHECK_EQ(n, 7);
}

TEST(a_full_queue_takes_the_item_once_there_is_room)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 1);
    kt_event never = KT_EVENT_INIT;
    int n = 0, second = 2;
    sure(kt_queue_put(&q, &(int){1}));
    kt_select_case cases[] = {kt_select_event(&never), kt_select_put(&q, &second)};
    kt_task *t = selecting(cases, 2);
    sure(kt_queue_get(&q, &n));
    CHECK_EQ(kt_task_join(t), 1);
    sure(kt_queue_get(&q, &n));
    CHECK_EQ(n, 2);
}

static void set_event(void *e)
{
    kt_event_set(e);
    kt_event_clear(e);
}

TEST(an_event_that_is_cleared_again_at_once_was_set_all_the_same)
{
    kt_event e = KT_EVENT_INIT;
    kt_auto(kt_callback) later = KT_CALLBACK_INIT;
    kt_call_later(&later, KT_S(1), set_event, &e);
    kt_select_case cases[] = {kt_select_after(KT_S(9)), kt_select_event(&e)};
    CHECK_EQ(kt_select(cases, 2), 1);
    CHECK_OK(cases[1].rc);
}

TEST(a_future_gives_its_code)
{
    kt_future a = KT_FUTURE_INIT, b = KT_FUTURE_INIT;
    kt_select_case cases[] = {kt_select_future(&a), kt_select_future(&b)};
    kt_task *t = selecting(cases, 2);
    sure(kt_future_set_error(&b, -EIO));
    CHECK_EQ(kt_task_join(t), 1);
    CHECK_ERR(cases[1].rc, -EIO);
    CHECK(!kt_future_done(&a));
    CHECK(kt_future_cancel(&a));
    CHECK_EQ(kt_select(cases, 2), 0);
    CHECK_ERR(cases[0].rc, KT_ECANCELED);
}

KT_FN(ends_with, a, struct { int seconds; int rc; })
{
    sure(kt_sleep(KT_S(a->seconds)));
    return kt_error_set(a->rc, "ended with %d", a->rc);
}

TEST(a_task_gives_its_result_and_its_words_and_is_still_to_be_joined)
{
    kt_task *slow = spawn(KT_WITH(ends_with, 2, 3)), *quick = spawn(KT_WITH(ends_with, 1, -5));
    kt_select_case cases[] = {kt_select_task(slow), kt_select_task(quick)};
    CHECK_EQ(kt_select(cases, 2), 1);
    CHECK_ERR(cases[1].rc, -5);
    CHECK_STR(kt_error_detail(), "ended with -5");
    CHECK_ERR(kt_task_join(quick), -5);
    CHECK_EQ(kt_select(cases, 1), 0);
    CHECK_EQ(cases[0].rc, 3);
    CHECK_EQ(kt_task_join(slow), 3);
}

TEST(a_lock_is_handed_over)
{
    kt_lock l = KT_LOCK_INIT;
    sure(kt_lock_acquire(&l));
    kt_select_case cases[] = {kt_select_lock(&l), kt_select_after(KT_S(5))};
    CHECK_EQ(kt_select(cases, 2), 1);
    kt_task *t = selecting(cases, 2);
    kt_lock_release(&l);
    CHECK(!kt_lock_locked(&l)); /* handed over, but not yet taken */
    CHECK_EQ(kt_task_join(t), 0);
    CHECK(kt_lock_locked(&l));
    kt_lock_release(&l);
}

TEST(a_permit_is_handed_over)
{
    kt_semaphore s = KT_SEMAPHORE_INIT(1);
    kt_select_case cases[] = {kt_select_semaphore(&s)};
    CHECK_EQ(kt_select(cases, 1), 0);
    kt_task *t = selecting(cases, 1);
    kt_semaphore_release(&s);
    CHECK_EQ(kt_task_join(t), 0);
    CHECK(kt_semaphore_locked(&s));
}

/* ---- Time ----------------------------------------------------------------------------------- */

TEST(the_earliest_deadline_counts)
{
    kt_event never = KT_EVENT_INIT;
    kt_time start = kt_now();
    kt_select_case cases[] = {kt_select_after(KT_S(9)), kt_select_event(&never),
                              kt_select_at(start + KT_S(3)), kt_select_after(KT_FOREVER)};
    CHECK_EQ(kt_select(cases, COUNT(cases)), 2);
    CHECK_EQ(kt_now() - start, KT_S(3));
    CHECK_EQ(kt_select(cases, COUNT(cases)), 2); /* has passed */
    CHECK_EQ(kt_select(cases, 2), 0);            /* counts anew */
    CHECK_EQ(kt_now() - start, KT_S(12));
}

static int takes_what_comes(void *arg)
{
    kt_queue *q = arg;
    int n, rc;
    while ((rc = kt_sleep(KT_S(1))) == 0) {
        rc = kt_queue_put(q, &(int){1});
        if (rc == 0)
            rc = kt_queue_get_nowait(q, &n); /* quicker than whom it woke */
        if (rc < 0)
            break;
    }
    return rc;
}

TEST(a_turn_that_was_lost_does_not_prolong_the_limit)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    kt_task *thief = spawn(takes_what_comes, &q, 0);
    int n;
    kt_time start = kt_now();
    kt_select_case cases[] = {kt_select_get(&q, &n), kt_select_after(KT_MS(3500))};
    CHECK_EQ(kt_select(cases, 2), 1);
    CHECK_EQ(kt_now() - start, KT_MS(3500));
    kt_task_cancel(thief);
    CHECK_ERR(kt_task_join(thief), KT_ECANCELED);
}

TEST(without_waiting_there_is_a_case_or_EAGAIN)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 1);
    int in = 4, out = 0;
    kt_select_case cases[] = {kt_select_get(&q, &out), kt_select_after(KT_S(1))};
    CHECK_ERR(kt_select_nowait(cases, 2), -EAGAIN);
    CHECK_ERR(kt_select_nowait(cases, 0), -EAGAIN);
    cases[1] = kt_select_put(&q, &in);
    CHECK_EQ(kt_select_nowait(cases, 2), 1);
    CHECK_EQ(kt_select_nowait(cases, 2), 0);
    CHECK_EQ(out, 4);
    cases[1] = kt_select_after(0);
    CHECK_EQ(kt_select(cases, 2), 1);
}

/* ---- The end of a queue, memory, cases that are off ------------------------------------------ */

TEST(a_queue_that_is_shut_down_is_a_case_that_comes_true)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int n;
    kt_select_case cases[] = {kt_select_get(&q, &n)};
    kt_task *t = selecting(cases, 1);
    kt_queue_shutdown(&q, false);
    CHECK_EQ(kt_task_join(t), 0);
    CHECK_ERR(cases[0].rc, KT_ESHUTDOWN);
}

TEST(a_put_without_memory_says_so)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 1);
    int n = 1;
    kt_select_case cases[] = {kt_select_put(&q, &n)};
    kt_test_fail_allocation(1);
    CHECK_EQ(kt_select(cases, 1), 0);
    CHECK_ERR(cases[0].rc, -ENOMEM);
    CHECK_EQ(kt_select(cases, 1), 0);
    CHECK_OK(cases[0].rc);
}

TEST(a_case_without_an_object_is_off)
{
    int n = 0, item = 0;
    kt_event e = KT_EVENT_INIT;
    kt_select_case cases[] = {kt_select_get(NULL, &n),   kt_select_put(NULL, &item),
                              kt_select_event(NULL),     kt_select_future(NULL),
                              kt_select_task(NULL),      kt_select_lock(NULL),
                              kt_select_semaphore(NULL), kt_select_event(&e)};
    kt_task *t = selecting(cases, COUNT(cases));
    kt_event_set(&e);
    CHECK_EQ(kt_task_join(t), 7);
}

/* ---- Turns ---------------------------------------------------------------------------------- */

TEST(a_selecting_task_keeps_its_place_among_ordinary_waiters)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int first = 0, second = 0, third = 0;
    kt_task *a = spawn(KT_WITH(get_one, &q, &first));
    kt_event never = KT_EVENT_INIT;
    kt_select_case cases[] = {kt_select_event(&never), kt_select_get(&q, &second)};
    kt_task *b = selecting(cases, 2), *c = spawn(KT_WITH(get_one, &q, &third));
    sure(kt_sleep(0));
    for (int i = 1; i <= 3; i++)
        sure(kt_queue_put(&q, &i));
    sure(kt_task_join(c));
    CHECK_EQ(kt_task_join(b), 1);
    sure(kt_task_join(a));
    CHECK_EQ(first * 100 + second * 10 + third, 123);
}

TEST(of_two_that_come_in_one_pass_the_second_stays_where_it_is)
{
    kt_auto(kt_queue) p = KT_QUEUE_INIT(int, 0), q = KT_QUEUE_INIT(int, 0);
    int x = 0, y = 0, z = 0;
    kt_select_case cases[] = {kt_select_get(&p, &x), kt_select_get(&q, &y)};
    kt_task *t = selecting(cases, 2), *other = spawn(KT_WITH(get_one, &p, &z));
    sure(kt_sleep(0));
    sure(kt_queue_put(&q, &(int){2}));
    sure(kt_queue_put(&p, &(int){1}));
    CHECK_EQ(kt_task_join(t), 1); /* whose turn came first, though p stands before q */
    CHECK_EQ(y, 2);
    sure(kt_task_join(other));
    CHECK_EQ(z, 1);
}

TEST(the_same_thing_twice_is_taken_once)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int x = 0, y = 0;
    kt_select_case cases[] = {kt_select_get(&q, &x), kt_select_get(&q, &y)};
    kt_task *t = selecting(cases, 2);
    sure(kt_queue_put(&q, &(int){1}));
    sure(kt_queue_put(&q, &(int){2}));
    CHECK_EQ(kt_task_join(t), 0);
    CHECK_EQ(kt_queue_size(&q), 1);
    CHECK_EQ(y, 0);
}

/* ---- Cancellation --------------------------------------------------------------------------- */

TEST(a_cancelled_select_takes_nothing_and_stands_nowhere)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    kt_event e = KT_EVENT_INIT;
    kt_task *other = spawn_sleeper(5);
    int n = 0;
    kt_select_case cases[] = {kt_select_get(&q, &n), kt_select_event(&e), kt_select_task(other),
                              kt_select_after(KT_S(3))};
    kt_task *t = selecting(cases, COUNT(cases));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    kt_event_set(&e);
    sure(kt_queue_put(&q, &(int){1}));
    CHECK_EQ(n, 0);
    CHECK_OK(kt_task_join(other)); /* was not cancelled */
}

TEST(an_item_whose_turn_was_cancelled_goes_to_the_next)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int mine = 0, others = 0;
    kt_select_case cases[] = {kt_select_get(&q, &mine)};
    kt_task *t = selecting(cases, 1), *next = spawn(KT_WITH(get_one, &q, &others));
    sure(kt_sleep(0));
    sure(kt_queue_put(&q, &(int){5}));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_OK(kt_task_join(next));
    CHECK_EQ(mine, 0);
    CHECK_EQ(others, 5);
}

KT_FN(put_one, a, struct { kt_queue *q; int item; })
{
    return kt_queue_put(a->q, &a->item);
}

TEST(room_whose_turn_was_cancelled_goes_to_the_next)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 1);
    int n, item = 8;
    sure(kt_queue_put(&q, &(int){1}));
    kt_select_case cases[] = {kt_select_put(&q, &item)};
    kt_task *t = selecting(cases, 1), *next = spawn(KT_WITH(put_one, &q, 9));
    sure(kt_sleep(0));
    sure(kt_queue_get(&q, &n));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_OK(kt_task_join(next));
    sure(kt_queue_get(&q, &n));
    CHECK_EQ(n, 9);
}

KT_FN(lock_once, a, struct { kt_lock *l; })
{
    return kt_lock_acquire(a->l);
}

TEST(a_lock_and_a_permit_whose_turn_was_cancelled_go_to_the_next)
{
    kt_lock l = KT_LOCK_INIT;
    kt_semaphore s = KT_SEMAPHORE_INIT(0);
    sure(kt_lock_acquire(&l));
    kt_select_case locks[] = {kt_select_lock(&l)}, permits[] = {kt_select_semaphore(&s)};
    kt_task *t = selecting(locks, 1), *u = selecting(permits, 1);
    kt_task *next = spawn(KT_WITH(lock_once, &l));
    sure(kt_sleep(0));
    kt_lock_release(&l);
    kt_semaphore_release(&s);
    kt_task_cancel(t);
    kt_task_cancel(u);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_ERR(kt_task_join(u), KT_ECANCELED);
    CHECK_OK(kt_task_join(next));
    CHECK(!kt_semaphore_locked(&s));
}

TEST(a_timeout_scope_around_it_ends_it)
{
    kt_event never = KT_EVENT_INIT;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_select_case cases[] = {kt_select_event(&never), kt_select_after(KT_S(9))};
    kt_timeout_start(&limit, KT_S(1));
    int rc = kt_select(cases, 2);
    CHECK_ERR(rc, KT_ETIMEDOUT);
    CHECK_ERR(kt_select(cases, 2), KT_ETIMEDOUT);
    kt_event_set(&never);
    CHECK_EQ(kt_select(cases, 2), 0); /* need not wait */
    CHECK_OK(kt_timeout_end(&limit, 0));
}

TEST_DIES(waiting_for_oneself_is_misuse, 0, "must not wait for itself")
{
    kt_select_case cases[] = {kt_select_task(kt_task_current())};
    CHECK_OK(kt_select(cases, 1));
}

/* ---- Whatever the order ---------------------------------------------------------------------- */

enum { ITEMS = 40, TAKERS = 4 };

typedef struct market {
    kt_queue a, b;
    int taken[2 * ITEMS];
    int sum;
} market;

KT_FN(bring, a, struct { kt_queue *q; int first; })
{
    for (int i = 0; i < ITEMS; i++) {
        int item = a->first + i, rc = kt_queue_put(a->q, &item);
        if (rc < 0)
            return rc;
    }
    kt_queue_shutdown(a->q, false);
    return 0;
}

static int take(void *arg)
{
    market *m = arg;
    int x, y;
    kt_select_case cases[] = {kt_select_get(&m->a, &x), kt_select_get(&m->b, &y)};
    while (cases[0].object || cases[1].object) {
        int which = kt_select(cases, 2);
        if (which < 0)
            return which;
        if (cases[which].rc == KT_ESHUTDOWN)
            cases[which].object = NULL;
        else
            m->taken[which == 0 ? x : y]++;
    }
    return 0;
}

/* One of the takers is cancelled at some moment. */
static int all_items_once(void *arg)
{
    market m = {.a = KT_QUEUE_INIT(int, 2), .b = KT_QUEUE_INIT(int, 3)};
    (void)arg;
    kt_task *victim;
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        sure(kt_group_spawn_with(&g, NULL, take, &m, 0, &victim));
        for (int i = 1; i < TAKERS; i++)
            sure(kt_group_spawn(&g, take, &m, 0));
        sure(kt_group_spawn(&g, KT_WITH(bring, &m.a, 0)));
        sure(kt_group_spawn(&g, KT_WITH(bring, &m.b, ITEMS)));
        yield_times(9);
        kt_task_cancel(victim);
        sure(kt_group_join(&g, 0));
    }
    for (int i = 0; i < 2 * ITEMS; i++)
        CHECK_EQ(m.taken[i], 1);
    kt_queue_release(&m.a);
    kt_queue_release(&m.b);
    return 0;
}

TEST_WITH(no_item_is_lost_or_taken_twice_in_any_order, KT_TEST_NO_LOOP)
{
    kt_test_seeds(300, all_items_once, NULL);
    CHECK(true);
}

/* ---- Small print -------------------------------------------------------------------------------- */

static int raises(void *flag)
{
    *(bool *)flag = true;
    return 0;
}

TEST(a_time_that_has_come_needs_no_turn)
{
    bool ran = false;
    kt_event never = KT_EVENT_INIT;
    kt_task *t = spawn(raises, &ran, 0);
    kt_select_case after[] = {kt_select_event(&never), kt_select_after(0)};
    CHECK_EQ(kt_select(after, 2), 1);
    kt_select_case at[] = {kt_select_event(&never), kt_select_at(kt_now())};
    CHECK_EQ(kt_select(at, 2), 1);
    CHECK(!ran);
    sure(kt_task_join(t));
}

TEST(of_two_times_that_come_together_the_first_wins)
{
    kt_select_case cases[] = {kt_select_after(KT_S(2)), kt_select_after(KT_S(1)), kt_select_after(KT_S(1))};
    CHECK_EQ(kt_select(cases, 3), 1);
    CHECK_EQ(kt_now(), KT_S(1));
}

TEST(a_semaphore_that_a_select_waited_for_lets_newcomers_in)
{
    kt_semaphore s = KT_SEMAPHORE_INIT(0);
    kt_select_case cases[] = {kt_select_semaphore(&s)};
    kt_task *t = selecting(cases, 1);
    kt_semaphore_release(&s);
    CHECK_EQ(kt_task_join(t), 0);
    kt_semaphore_release(&s);
    CHECK_OK(kt_semaphore_acquire_nowait(&s));
}
