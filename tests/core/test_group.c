/* SPDX-License-Identifier: MIT */
#include "sure.h"

KT_FN(fails_after, a, struct {
    int seconds;
    int rc;
})
{
    int rc = kt_sleep(KT_S(a->seconds));
    return rc < 0 ? rc : kt_error_set(a->rc, "after %d s", a->seconds);
}

/* Needs two seconds after a cancellation, and counts that it had them. */
static int slow_to_stop(void *arg)
{
    int rc = kt_sleep(KT_S(60));
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_EQ(kt_sleep(KT_S(2)), 0);
    ++*(int *)arg;
    return rc;
}

static int fails_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

/* ---- Ways out of the scope --------------------------------------------------------------- */

static int returns_early(int *stopped)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, slow_to_stop, stopped, 0));
    sure(kt_group_spawn(&g, slow_to_stop, stopped, 0));
    sure(kt_sleep(KT_S(1)));
    return -EIO;
}

TEST(an_early_return_cancels_and_joins)
{
    int stopped = 0;
    CHECK_ERR(returns_early(&stopped), -EIO);
    CHECK_EQ(stopped, 2);
    CHECK_EQ(kt_now(), KT_S(3));
}

TEST(a_group_without_a_failure_leaves_the_words_of_earlier_ones)
{
    int stopped = 0;
    CHECK_ERR(kt_error_set(-EIO, "cold water"), -EIO);
    kt_auto(kt_group) g = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&g, slow_to_stop, &stopped, 0));
    CHECK_OK(kt_sleep(0));
    kt_group_cancel(&g);
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_STR(kt_error_detail(), "cold water");
}

TEST(break_and_goto_join_too)
{
    int stopped = 0, rounds = 0;
again:
    for (;;) {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        sure(kt_group_spawn(&g, slow_to_stop, &stopped, 0));
        sure(kt_sleep(0));
        sure(kt_sleep(0));
        if (++rounds < 3)
            goto again;
        break;
    }
    CHECK_EQ(stopped, 3);
}

static int cancelled_with_a_group(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, slow_to_stop, arg, 0));
    return kt_sleep(KT_S(60));
}

TEST(clean_up_waits_for_children_although_the_owner_is_cancelled)
{
    int stopped = 0;
    kt_task *t = spawn(cancelled_with_a_group, &stopped, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    sure(kt_sleep(KT_S(1)));
    CHECK(!kt_task_done(t));
    kt_task_cancel(t); /* still waits, and the child is not disturbed */
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(stopped, 1);
    CHECK_EQ(kt_now(), KT_S(3));
}

static int is_cancelled_beside_a_failure(void)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, fails_at_once, NULL, 0));
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ESIBLING);
    kt_task_cancel(kt_task_current());
    return kt_sleep(KT_S(60));
}

TEST(a_cancellation_by_which_a_scope_is_left_can_be_caught)
{
    CHECK_ERR(is_cancelled_beside_a_failure(), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_OK(kt_sleep(KT_S(1)));
}

TEST(a_group_that_never_had_a_child_joins_at_once)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    CHECK_EQ(kt_group_join(&g, 5), 5);
    CHECK_ERR(kt_group_join(&g, -EIO), -EIO);
    kt_group_cancel(&g);
}

/* ---- One request a child ----------------------------------------------------------------- */

TEST(a_body_that_fails_after_its_child_does_not_disturb_the_clean_up_of_others)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int stopped = 0;
    sure(kt_group_spawn(&g, slow_to_stop, &stopped, 0));
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
    int rc = kt_sleep(KT_S(60));
    CHECK_ERR(rc, KT_ESIBLING);
    CHECK_ERR(kt_group_join(&g, rc), -EIO);
    CHECK_EQ(stopped, 1);
    CHECK_EQ(kt_now(), KT_S(3));
}

static int joins_a_slow_child(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, slow_to_stop, arg, 0));
    return kt_group_join(&g, 0);
}

TEST(two_cancellations_of_a_joining_owner_are_one_for_its_children)
{
    int stopped = 0;
    kt_task *t = spawn(joins_a_slow_child, &stopped, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(stopped, 1);
}

/* ---- Results ----------------------------------------------------------------------------- */

TEST(the_bodys_own_failure_outranks_a_childs)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
    CHECK_ERR(kt_sleep(KT_S(5)), KT_ESIBLING);
    CHECK_ERR(kt_group_join(&g, -ENOENT), -ENOENT);
}

TEST(the_first_failure_counts_and_brings_its_words)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 5; i > 0; i--)
        sure(kt_group_spawn(&g, KT_WITH(fails_after, i, -i)));
    CHECK_ERR(kt_group_join(&g, 0), -1);
    CHECK_STR(kt_error_detail(), "after 1 s");
    CHECK_EQ(kt_now(), KT_S(1));
}

TEST(a_cancelled_child_is_no_failure)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_task *child;
    sure(kt_group_spawn_with(&g, NULL, sleep_seconds, &(int){60}, sizeof(int), &child));
    sure(kt_group_spawn(&g, sleep_seconds, &(int){5}, sizeof(int)));
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(child);
    CHECK_EQ(kt_group_join(&g, 4), 4);
    CHECK_EQ(kt_now(), KT_S(5));
}

TEST(a_group_may_be_used_again_after_a_failure)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 3; i++) {
        sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
        CHECK_ERR(kt_group_join(&g, 0), -EIO);
        sure(kt_group_spawn(&g, sleep_seconds, &(int){1}, sizeof(int)));
        CHECK_EQ(kt_group_join(&g, 0), 0);
    }
    CHECK_EQ(kt_task_cancelling(kt_task_current()), 0);
}

TEST(nobody_joins_a_group_that_is_ending)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
    CHECK_ERR(kt_sleep(KT_S(5)), KT_ESIBLING);
    CHECK_ERR(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)), KT_ESIBLING);
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    sure(kt_group_spawn(&g, sleep_seconds, &(int){1}, sizeof(int)));
    CHECK_EQ(kt_group_join(&g, 0), 0);
}

TEST(group_cancel_stops_all_without_an_error)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int stopped = 0;
    for (int i = 0; i < 3; i++)
        sure(kt_group_spawn(&g, slow_to_stop, &stopped, 0));
    sure(kt_sleep(KT_S(1)));
    kt_group_cancel(&g);
    CHECK_EQ(kt_group_join(&g, 0), 0);
    CHECK_EQ(stopped, 3);
}

/* ---- Cancelled early --------------------------------------------------------------------- */

TEST(group_cancel_ends_the_body_as_well_once_and_without_an_error)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int stopped = 0;
    sure(kt_group_spawn(&g, slow_to_stop, &stopped, 0));
    sure(kt_sleep(KT_S(1)));
    kt_group_cancel(&g);
    kt_group_cancel(&g);
    int rc = kt_sleep(KT_S(60));
    CHECK_ERR(rc, KT_ESIBLING);
    CHECK_ERR(kt_group_spawn(&g, slow_to_stop, &stopped, 0), KT_ESIBLING);
    CHECK_EQ(kt_group_join(&g, rc), 0);
    CHECK_EQ(stopped, 1);
    CHECK_EQ(kt_task_cancelling(kt_task_current()), 0);
    CHECK_EQ(kt_sleep(KT_S(1)), 0);
}

static int cancels_its_group(void *arg)
{
    int rc = kt_sleep(KT_S(1));
    kt_group_cancel(*(kt_group **)arg);
    return rc < 0 ? rc : kt_sleep(KT_S(60));
}

TEST(a_child_may_cancel_its_group)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_group *address = &g;
    sure(kt_group_spawn(&g, cancels_its_group, &address, sizeof address));
    int rc = kt_sleep(KT_S(60));
    CHECK_ERR(rc, KT_ESIBLING);
    CHECK_EQ(kt_group_join(&g, rc), 0);
    sure(kt_group_spawn(&g, cancels_its_group, &address, sizeof address));
    CHECK_EQ(kt_group_join(&g, 7), 7); /* while the owner joins */
    CHECK_EQ(kt_now(), KT_S(2));
}

TEST(a_group_that_is_cancelled_before_its_first_child_gets_none)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int stopped = 0;
    kt_group_cancel(&g);
    int rc = kt_group_spawn(&g, slow_to_stop, &stopped, 0);
    CHECK_ERR(rc, KT_ESIBLING);
    CHECK_ERR(kt_sleep(KT_S(1)), KT_ESIBLING);
    CHECK_EQ(kt_group_join(&g, rc), 0);
    kt_group_cancel(&g);
    CHECK_EQ(kt_group_join(&g, 0), 0); /* forgets it */
    sure(kt_group_spawn(&g, sleep_seconds, &(int){1}, sizeof(int)));
    CHECK_EQ(kt_group_join(&g, 0), 0);
}

TEST(a_failure_in_a_cancelled_group_is_a_failure)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 0, -EIO)));
    kt_group_cancel(&g);
    CHECK_EQ(kt_group_join(&g, 0), 0); /* it never ran */
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 0, -EIO)));
    CHECK_ERR(kt_sleep(KT_S(1)), KT_ESIBLING);
    kt_group_cancel(&g);
    CHECK_ERR(kt_group_join(&g, KT_ESIBLING), -EIO);
}

static int cancels_and_sleeps(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, slow_to_stop, arg, 0));
    sure(kt_sleep(KT_S(1)));
    kt_group_cancel(&g);
    return kt_group_join(&g, kt_sleep(KT_S(60)));
}

TEST(a_cancellation_from_outside_passes_through_a_cancelled_group)
{
    int stopped = 0;
    kt_task *t = spawn(cancels_and_sleeps, &stopped, 0);
    sure(kt_sleep(KT_S(2)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(stopped, 1);
}

/* ---- Handles ----------------------------------------------------------------------------- */

TEST(a_handle_is_good_until_the_join)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_task *child;
    sure(kt_group_spawn_with(&g, NULL, KT_WITH(fails_after, 0, 3), &child));
    sure(kt_sleep(KT_S(1)));
    CHECK(kt_task_done(child));
    CHECK_EQ(kt_task_result(child), 3);
    CHECK(!kt_task_cancel(child));
    CHECK_EQ(kt_task_await(child), 3);
    CHECK_EQ(kt_group_join(&g, 0), 0);
}

TEST(a_child_may_be_awaited_through_its_handle)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    const kt_spawn_options named = {.name = "child"};
    kt_task *child;
    sure(kt_group_spawn_with(&g, &named, KT_WITH(fails_after, 2, 3), &child));
    CHECK_STR(kt_task_name(child), "child");
    CHECK_EQ(kt_task_await(child), 3);
    CHECK_EQ(kt_task_result(child), 3);
    CHECK_EQ(kt_group_join(&g, 0), 0);
}

/* Of many children, some of which wait or are ready when they are given back, and some have ended. */
static void spawn_and_give_back(kt_group *g)
{
    enum { MANY = 53 };
    kt_task *child[MANY];
    for (int i = 0; i < MANY; i++) {
        const kt_spawn_options options = {.eager = i % 2 == 1};
        sure(kt_group_spawn_with(g, &options, KT_WITH(fails_after, i % 4, 0), &child[i]));
        if (i % 3 == 0)
            kt_task_detach(child[i]);
    }
    sure(kt_sleep(0));
    for (int i = 1; i < MANY; i += 3)
        kt_task_detach(child[i]);
    size_t kept = kt_test_blocks();
    sure(kt_sleep(KT_S(5)));
    CHECK_LT(kt_test_blocks(), kept);
    kt_task_detach(child[MANY / 2]); /* of those that have ended: from the middle, then from both ends */
    for (int i = 2; i < MANY; i += 3)
        if (i != MANY / 2)
            kt_task_detach(child[i]);
}

TEST(a_group_does_not_keep_children_whose_handles_were_given_back)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 60, 0)));
    spawn_and_give_back(&g); /* there are stacks afterwards */
    size_t before = kt_test_blocks();
    spawn_and_give_back(&g);
    CHECK_EQ(kt_test_blocks(), before);
    CHECK_EQ(kt_group_join(&g, 0), 0);
}

TEST(a_child_that_was_given_back_may_be_cancelled_and_fails_its_group)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_task *sleeper, *failing;
    int stopped = 0;
    sure(kt_group_spawn_with(&g, NULL, slow_to_stop, &stopped, 0, &sleeper));
    sure(kt_group_spawn_with(&g, NULL, KT_WITH(fails_after, 5, -EIO), &failing));
    kt_task_detach(sleeper);
    kt_task_detach(failing);
    sure(kt_sleep(KT_S(1)));
    CHECK(kt_task_cancel(sleeper));
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    CHECK_EQ(stopped, 1);
}

/* ---- With timeouts, and inside each other ------------------------------------------------ */

TEST(a_timeout_around_a_group_stops_its_children)
{
    int stopped = 0;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_timeout_start(&limit, KT_S(1));
    sure(kt_group_spawn(&g, slow_to_stop, &stopped, 0));
    int rc = kt_group_join(&g, 0);
    CHECK_ERR(rc, KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&limit, rc), KT_ETIMEDOUT);
    CHECK_EQ(stopped, 1);
    CHECK_EQ(kt_sleep(KT_S(1)), 0);
}

TEST(a_timeout_may_cover_the_join_alone)
{
    int stopped = 0;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    sure(kt_group_spawn(&g, slow_to_stop, &stopped, 0));
    kt_timeout_start(&limit, KT_S(1));
    int rc = kt_group_join(&g, 0);
    CHECK_ERR(kt_timeout_end(&limit, rc), KT_ETIMEDOUT);
    CHECK_EQ(stopped, 1);
    CHECK_EQ(kt_now(), KT_S(3));
}

static int nests(void *arg)
{
    int depth = *(int *)arg - 1;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    if (depth == 0)
        return kt_error_set(-EIO, "at the bottom");
    sure(kt_group_spawn(&g, nests, &depth, sizeof depth));
    sure(kt_group_spawn(&g, sleep_seconds, &(int){60}, sizeof(int)));
    return kt_group_join(&g, kt_sleep(KT_S(60)));
}

TEST(a_failure_rises_through_nested_groups)
{
    int depth = 50;
    CHECK_ERR(kt_task_join(spawn(nests, &depth, sizeof depth)), -EIO);
    CHECK_STR(kt_error_detail(), "at the bottom");
    CHECK_EQ(kt_now(), 0);
}

KT_FN(spawns_more, a, struct {
    kt_group *g;
    int depth;
    int *ran;
})
{
    ++*a->ran;
    for (int i = 0; a->depth > 0 && i < 3; i++)
        sure(kt_group_spawn(a->g, KT_WITH(spawns_more, a->g, a->depth - 1, a->ran)));
    return kt_sleep(KT_S(1));
}

TEST(children_add_children_while_the_owner_joins)
{
    int ran = 0;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, KT_WITH(spawns_more, &g, 7, &ran)));
    CHECK_EQ(kt_group_join(&g, 0), 0);
    CHECK_EQ(ran, 3280);
}

TEST(ten_thousand_children_end_with_one_failure)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 10000; i++)
        sure(kt_group_spawn(&g, sleep_seconds, &(int){60}, sizeof(int)));
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    CHECK_EQ(kt_now(), KT_S(1));
}

/* ---- Those who come late ------------------------------------------------------------------ */

typedef struct late {
    kt_group *group;
    kt_task *child;
    int *stopped;
} late;

static int adds_when_the_child_has_ended(void *arg)
{
    const late *l = arg;
    sure(kt_task_await(l->child));
    return kt_group_spawn(l->group, slow_to_stop, l->stopped, 0);
}

static void add_late(int *stopped)
{
    int one = 1;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    late l = {.group = &g, .stopped = stopped};
    sure(kt_group_spawn_with(&g, NULL, sleep_seconds, &one, 0, &l.child));
    kt_task *adder = spawn(adds_when_the_child_has_ended, &l, 0);
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(5));
    CHECK_ERR(kt_timeout_end(&limit, kt_group_join(&g, 0)), KT_ETIMEDOUT);
    sure(kt_task_join(adder));
}

TEST(a_join_also_waits_for_a_child_that_was_added_after_the_last_end)
{
    int stopped = 0;
    add_late(&stopped);
    CHECK_EQ(stopped, 1);
    CHECK_EQ(kt_now(), KT_S(7));
}

static int says_and_sleeps(void *word)
{
    kt_test_say("%s", (const char *)word);
    return kt_sleep(KT_S(1));
}

TEST(an_eager_child_runs_within_the_spawn)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    const kt_spawn_options eager = {.eager = true};
    sure(kt_group_spawn_with(&g, &eager, says_and_sleeps, "child", 0, NULL));
    kt_test_say("owner");
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_TRACE("child\nowner");
}

/* Even one that was caught before, and not taken back. */
TEST(a_failure_does_not_hide_that_the_owner_was_cancelled)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    sure(kt_group_spawn(&g, fails_at_once, NULL, 0));
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    kt_cancel_catch();
    CHECK_ERR(kt_group_join(&g, -EINVAL), -EINVAL); /* an empty one */
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    kt_cancel_catch();
    CHECK_EQ(kt_task_uncancel(kt_task_current()), 0);
    CHECK_ERR(kt_group_join(&g, -EINVAL), -EINVAL);
    CHECK_OK(kt_sleep(0));
}

KT_FN(says, a, struct { const char *words; })
{
    kt_test_say("%s", a->words);
    return 0;
}

static int joins_one_that_says(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    (void)arg;
    sure(kt_group_spawn(&g, KT_WITH(says, "child")));
    return kt_group_join(&g, 0);
}

static void cancels(void *task)
{
    kt_task_cancel(*(kt_task **)task);
}

/* The owner hands the request on when it runs: a child that is ready before starts. */
TEST(a_cancelled_owner_cancels_its_children_when_it_runs)
{
    kt_task *t = NULL;
    kt_callback c = KT_CALLBACK_INIT;
    kt_call_soon(&c, cancels, &t);
    sure(kt_spawn_with(&(kt_spawn_options){.eager = true}, joins_one_that_says, NULL, 0, &t));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_TRACE("child");
}

static int cancels_itself_and_joins(void *arg)
{
    kt_task_cancel(kt_task_current());
    return joins_one_that_says(arg);
}

TEST(what_the_owner_was_asked_before_the_join_takes_a_turn)
{
    CHECK_ERR(kt_task_join(spawn(cancels_itself_and_joins, NULL, 0)), KT_ECANCELED);
    CHECK_TRACE("child");
}

TEST(an_eager_child_that_is_done_is_not_waited_for)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_task *t = spawn(KT_WITH(says, "another")), *child;
    const kt_spawn_options eager = {.eager = true};
    sure(kt_group_spawn_with(&g, &eager, KT_WITH(says, "child"), &child));
    sure(kt_group_spawn_with(&g, &eager, KT_WITH(says, "unseen"), NULL));
    CHECK(kt_task_done(child));
    CHECK_OK(kt_group_join(&g, 0));
    kt_test_say("joined");
    sure(kt_task_join(t));
    CHECK_TRACE("child\nunseen\njoined\nanother");
}

TEST(a_join_without_failures_leaves_the_bodys_words_alone)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, sleep_seconds, &(int){60}, sizeof(int)));
    CHECK_ERR(kt_group_join(&g, kt_error_set(-EIO, "the body's")), -EIO);
    CHECK_STR(kt_error_detail(), "the body's");
}
