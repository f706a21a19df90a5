/* SPDX-License-Identifier: MIT */
#include "sure.h"

KT_FN(ends, a, struct {
    int seconds;
    int rc;
})
{
    int rc = kt_sleep(KT_S(a->seconds));
    if (rc < 0)
        return rc;
    return a->rc < 0 ? kt_error_set(a->rc, "at %d", a->seconds) : a->rc;
}

TEST(nothing_to_gather_is_done_at_once)
{
    kt_task *other = spawn_sleeper(0);
    CHECK_EQ(kt_gather(NULL, 0, NULL), 0);
    CHECK(!kt_task_done(other));
    CHECK_EQ(kt_task_join(other), 0);
}

TEST(results_stand_at_their_positions_failures_too)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(ends, 3, 30)), KT_JOB_OF(KT_WITH(ends, 1, -EIO)),
                           KT_JOB_OF(KT_WITH(ends, 2, 20)), KT_JOB_OF(KT_WITH(ends, 2, 0))};
    int rcs[4] = {1, 1, 1, 1};
    CHECK_EQ(kt_gather(jobs, 4, rcs), 0);
    CHECK_EQ(rcs[0], 30);
    CHECK_ERR(rcs[1], -EIO);
    CHECK_EQ(rcs[2], 20);
    CHECK_EQ(rcs[3], 0);
    CHECK_EQ(kt_now(), KT_S(3));
}

TEST(without_results_the_first_failure_counts_and_brings_its_words)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(ends, 3, -3)), KT_JOB_OF(KT_WITH(ends, 1, -1)),
                           KT_JOB_OF(KT_WITH(ends, 2, -2))};
    CHECK_ERR(kt_gather(jobs, 3, NULL), -1);
    CHECK_STR(kt_error_detail(), "at 1");
    CHECK_EQ(kt_task_each(NULL, NULL), 3); /* two go on */
    sure(kt_sleep(KT_S(5)));
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
}

TEST(without_results_success_is_0)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(ends, 1, 7)), KT_JOB_OF(KT_WITH(ends, 2, 8))};
    CHECK_EQ(kt_gather(jobs, 2, NULL), 0);
    CHECK_EQ(kt_now(), KT_S(2));
}

static int swallows(void *arg)
{
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ECANCELED);
    kt_cancel_catch();
    return *(int *)arg;
}

static int gathers_swallowers(void *arg)
{
    int n = 5;
    const kt_job jobs[] = {{swallows, &n, sizeof n}, {swallows, &n, sizeof n}};
    return kt_gather(jobs, 2, arg);
}

TEST(a_cancelled_gather_is_cancelled_although_its_children_swallow)
{
    int rcs[2] = {0, 0};
    kt_task *t = spawn(gathers_swallowers, rcs, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(rcs[0], 5);
    CHECK_EQ(rcs[1], 5);
}

static int gathers_two_sleepers(void *arg)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(ends, 60, 0)), KT_JOB_OF(KT_WITH(ends, 60, 0))};
    return kt_gather(jobs, 2, arg);
}

TEST(a_timeout_reaches_the_gathered)
{
    int rcs[2] = {0, 0};
    CHECK_ERR(kt_wait_for(KT_S(1), gathers_two_sleepers, rcs, 0), KT_ETIMEDOUT);
    CHECK_ERR(rcs[0], KT_ECANCELED);
    CHECK_ERR(rcs[1], KT_ECANCELED);
    CHECK_EQ(kt_now(), KT_S(1));
}

TEST(a_gather_while_cancellations_are_held_waits_for_all)
{
    int rcs[2] = {1, 1};
    kt_task *self = kt_task_current();
    kt_cancel_hold();
    kt_task_cancel(self);
    CHECK_EQ(gathers_two_sleepers(rcs), 0);
    CHECK_EQ(rcs[0], 0);
    kt_cancel_unhold();
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
}

TEST(a_cancelled_task_gathers_nothing)
{
    kt_task_cancel(kt_task_current());
    CHECK_ERR(gathers_two_sleepers(NULL), KT_ECANCELED);
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
    kt_cancel_catch();
}

TEST(ten_thousand_jobs_are_gathered)
{
    enum { MANY = 10000 };
    static kt_job jobs[MANY];
    static ends_args args[MANY];
    static int rcs[MANY];
    for (int i = 0; i < MANY; i++) {
        args[i] = (ends_args){i % 7, i};
        jobs[i] = (kt_job){ends, &args[i], sizeof args[i]};
    }
    CHECK_EQ(kt_gather(jobs, MANY, rcs), 0);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(rcs[i], i);
    CHECK_EQ(kt_now(), KT_S(6));
}

static int says_turns(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 4; i++) {
        kt_test_say("turn %d", i);
        sure(kt_sleep(0));
    }
    return 0;
}

/* A request from before is the children's: their ends come first, as asyncio's do. */
TEST(a_cancelled_task_waits_for_the_end_of_what_it_gathers)
{
    kt_task_cancel(kt_task_current());
    kt_task *t = spawn(says_turns, NULL, 0);
    CHECK_ERR(gathers_two_sleepers(NULL), KT_ECANCELED);
    kt_test_say("over");
    kt_cancel_catch();
    sure(kt_task_join(t));
    CHECK_TRACE("turn 1\nturn 2\nturn 3\nover\nturn 4");
}

TEST(nothing_is_gathered_at_once)
{
    kt_task_cancel(kt_task_current());
    CHECK_OK(kt_gather(NULL, 0, NULL));
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    kt_cancel_catch();
}

/* ---- Tasks that exist already --------------------------------------------------------------- */

KT_FN(gathers_task, a, struct {
    kt_task *t;
    int *rcs;
})
{
    return kt_gather_tasks(&a->t, 1, a->rcs);
}

KT_FN(gathers_job, a, struct { int *rcs; })
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(ends, 0, -EIO))};
    return kt_gather(jobs, 1, a->rcs);
}

static void cancel_when_over(kt_task *gatherer, int passes)
{
    for (int i = 0; i < passes; i++)
        sure(kt_sleep(0));
    CHECK(kt_task_cancel(gatherer));
    CHECK_ERR(kt_task_join(gatherer), KT_ECANCELED);
}

/* As asyncio has it: nobody is left to take the request, so it is the gatherer's, whatever the tasks have done. */
TEST(a_request_between_the_last_end_and_the_gatherers_turn_is_not_lost)
{
    int rcs[1];
    for (int i = 0; i < 4; i++) {
        int *to = i % 2 ? rcs : NULL;
        if (i < 2) {
            kt_task *t = spawn(KT_WITH(ends, 0, -EIO)), *g = spawn(KT_WITH(gathers_task, t, to));
            cancel_when_over(g, 2);
            CHECK_ERR(kt_task_join(t), -EIO);
        } else {
            cancel_when_over(spawn(KT_WITH(gathers_job, to)), 3);
        }
    }
}

/* Of the task, or else of a job of its own. */
KT_FN(gathers_one, a, struct { kt_task *t; })
{
    const kt_job job = KT_JOB_OF(KT_WITH(ends, 1, 0));
    int rc = a->t ? kt_gather_tasks(&a->t, 1, NULL) : kt_gather(&job, 1, NULL);
    kt_test_say("gathered");
    return rc;
}

/* Whose one has ended, a turn before it is told so. */
static kt_task *gatherer_about_to_be_told(kt_task *one)
{
    kt_task *g = spawn(KT_WITH(gathers_one, one));
    sure(kt_sleep(KT_S(1)));
    yield_times(1);
    CHECK(!one || kt_task_done(one));
    CHECK(!kt_task_done(g));
    return g;
}

TEST(a_request_that_comes_in_between_and_is_taken_back_leaves_a_success)
{
    kt_task *const ones[] = {spawn(KT_WITH(ends, 1, 0)), NULL};
    for (int i = 0; i < 2; i++) {
        kt_task *g = gatherer_about_to_be_told(ones[i]);
        CHECK(kt_task_cancel(g));
        CHECK_EQ(kt_task_uncancel(g), 0);
        CHECK_OK(kt_task_join(g));
    }
    CHECK_OK(kt_task_join(ones[0]));
}

static void join_each(kt_task *const tasks[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)!kt_task_join(tasks[i]);
}

TEST(results_of_tasks_stand_at_their_positions_twice_for_one_that_is_there_twice)
{
    kt_task *a = spawn(KT_WITH(ends, 3, 30)), *b = spawn(KT_WITH(ends, 1, -EIO)), *c = spawn(KT_WITH(ends, 2, 20));
    int rcs[5] = {1, 1, 1, 1, 1};
    CHECK_EQ(kt_gather_tasks((kt_task *[]){a, b, a, c, b}, 5, rcs), 0);
    CHECK_EQ(kt_now(), KT_S(3));
    CHECK_EQ(rcs[0], 30);
    CHECK_ERR(rcs[1], -EIO);
    CHECK_EQ(rcs[2], 30);
    CHECK_EQ(rcs[3], 20);
    CHECK_ERR(rcs[4], -EIO);
    CHECK_EQ(kt_gather_tasks(NULL, 0, NULL), 0);
    join_each((kt_task *[]){a, b, c}, 3);
}

static int awaits_task(void *arg)
{
    return kt_task_await(arg);
}

static int says_turn(void *arg)
{
    (void)arg;
    kt_test_say("turn");
    return 0;
}

TEST(tasks_that_are_done_are_gathered_at_once)
{
    kt_task *a = spawn(KT_WITH(ends, 0, 30)), *b = spawn(KT_WITH(ends, 0, -EIO)), *later;
    int rcs[3] = {1, 1, 1};
    sure(kt_sleep(KT_S(1)));
    later = spawn(says_turn, NULL, 0);
    CHECK_EQ(kt_gather_tasks((kt_task *[]){a, b, a}, 3, rcs), 0);
    CHECK_EQ(rcs[0] + rcs[2], 60);
    CHECK_ERR(rcs[1], -EIO);
    CHECK_ERR(kt_gather_tasks((kt_task *[]){a, later, b}, 3, NULL), -EIO); /* known already */
    kt_test_say("gathered");
    CHECK_EQ(kt_gather_tasks((kt_task *[]){a, later}, 2, rcs), 0);
    CHECK_TRACE("gathered\nturn");
    join_each((kt_task *[]){a, b, later}, 3);
}

TEST(of_tasks_that_are_done_only_a_failure_ends_the_gathering_and_the_first_in_line_counts)
{
    kt_task *good = spawn(KT_WITH(ends, 0, 0)), *bad = spawn(KT_WITH(ends, 0, -EIO));
    kt_task *worse = spawn(KT_WITH(ends, 0, -EPERM)), *later = spawn(KT_WITH(ends, 2, 0));
    sure(kt_sleep(KT_S(1)));
    CHECK_ERR(kt_gather_tasks((kt_task *[]){good, bad, worse, later}, 4, NULL), -EIO);
    CHECK_OK(kt_gather_tasks((kt_task *[]){good, later}, 2, NULL));
    CHECK_EQ(kt_now(), KT_S(2));
    join_each((kt_task *[]){good, bad, worse, later}, 4);
}

TEST(the_first_task_that_fails_ends_the_gathering_and_the_others_go_on)
{
    kt_task *tasks[] = {spawn(KT_WITH(ends, 3, 3)), spawn(KT_WITH(ends, 1, -1)), spawn(KT_WITH(ends, 2, -2))};
    CHECK_ERR(kt_gather_tasks(tasks, 3, NULL), -1);
    CHECK_STR(kt_error_detail(), "at 1");
    CHECK_EQ(kt_now(), KT_S(1));
    CHECK_EQ(kt_task_join(tasks[0]), 3);
    CHECK_ERR(kt_task_join(tasks[2]), -2);
    CHECK_ERR(kt_task_join(tasks[1]), -1);
}

typedef struct gathering {
    kt_task **tasks;
    size_t n;
    int *rcs;
} gathering;

static int gathers_tasks(void *arg)
{
    const gathering *g = arg;
    return kt_gather_tasks(g->tasks, g->n, g->rcs);
}

static int counts_requests(void *arg)
{
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ECANCELED);
    *(int *)arg = kt_task_cancelling(kt_task_current());
    return KT_ECANCELED;
}

TEST(a_cancellation_goes_to_each_task_once_and_they_stay_the_callers)
{
    int requests = 0, rcs[3] = {1, 1, 1};
    kt_task *a = spawn(counts_requests, &requests, 0), *b = spawn_sleeper(60);
    gathering g = {(kt_task *[]){a, b, a}, 3, rcs};
    kt_task *t = spawn(gathers_tasks, &g, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(requests, 1);
    CHECK_ERR(rcs[0], KT_ECANCELED);
    CHECK_ERR(rcs[2], KT_ECANCELED);
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    CHECK_ERR(kt_task_join(b), KT_ECANCELED);
}

TEST(a_gatherer_that_is_cancelled_although_the_tasks_swallow_it_is_cancelled)
{
    int n = 5, rcs[1] = {0};
    gathering g = {(kt_task *[]){spawn(swallows, &n, 0)}, 1, rcs};
    kt_task *t = spawn(gathers_tasks, &g, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(rcs[0], 5);
    CHECK_EQ(kt_task_join(g.tasks[0]), 5);
}

/* It has nobody to go to, and the gatherer is about to be woken. */
TEST(a_request_to_who_gathers_what_has_ended_brings_its_turn_no_nearer)
{
    kt_task *one = spawn(KT_WITH(ends, 1, 0)), *g = gatherer_about_to_be_told(one);
    kt_task_cancel(g);
    CHECK_OK(kt_task_join(spawn(says_turn, NULL, 0)));
    CHECK_ERR(kt_task_join(g), KT_ECANCELED);
    CHECK_OK(kt_task_join(one));
    CHECK_TRACE("turn\ngathered");
}

KT_FN(awaits_its_gatherer, a, struct { kt_task **gatherer; })
{
    return kt_task_await(*a->gatherer);
}

TEST(a_request_that_comes_back_to_the_gatherer_ends_the_gathering)
{
    kt_task *t = NULL, *tasks[] = {spawn(KT_WITH(ends, 0, 0)), spawn(KT_WITH(awaits_its_gatherer, &t))};
    gathering g = {tasks, 2, NULL};
    t = spawn(gathers_tasks, &g, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_wait_for(KT_S(1), awaits_task, t, 0), KT_ECANCELED);
    CHECK_EQ(kt_now(), KT_S(1));
    CHECK_ERR(kt_task_join(tasks[1]), KT_ECANCELED);
    join_each((kt_task *[]){tasks[0], t}, 2);
}

static int gathers_after_a_request(void *arg)
{
    kt_task_cancel(kt_task_current());
    return gathers_tasks(arg);
}

TEST(a_request_that_was_not_seen_yet_is_passed_on)
{
    gathering g = {(kt_task *[]){spawn_sleeper(60)}, 1, NULL};
    sure(kt_sleep(0));
    CHECK_ERR(kt_task_join(spawn(gathers_after_a_request, &g, 0)), KT_ECANCELED);
    CHECK_ERR(kt_task_join(g.tasks[0]), KT_ECANCELED);
    CHECK_EQ(kt_now(), 0);
}

TEST(tasks_are_not_gathered_without_memory)
{
    kt_task *t = spawn_sleeper(1);
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_gather_tasks(&t, 1, NULL), -ENOMEM);
    CHECK_EQ(kt_task_join(t), 0);
}

static int gathers_itself(void *arg)
{
    (void)arg;
    kt_task *self = kt_task_current();
    return kt_gather_tasks(&self, 1, NULL);
}

TEST_DIES(gathering_oneself_is_misuse, 0, "must not wait for itself")
{
    CHECK_OK(gathers_itself(NULL));
}

/* ---- Words, and calls that come too late ------------------------------------------------------ */

TEST(failures_that_are_results_leave_the_callers_words_alone)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(ends, 1, -EIO))};
    int rcs[1];
    CHECK_ERR(kt_error_set(-EINVAL, "from before"), -EINVAL);
    CHECK_OK(kt_gather(jobs, 1, rcs));
    CHECK_ERR(rcs[0], -EIO);
    CHECK_STR(kt_error_detail(), "from before");
}

static int recovers(void *arg)
{
    (void)arg;
    CHECK_ERR(kt_error_set(-EINVAL, "of no account"), -EINVAL);
    return 0;
}

TEST(the_words_are_those_of_the_one_that_failed)
{
    const kt_job jobs[] = {{recovers, NULL, 0}, KT_JOB_OF(KT_WITH(ends, 1, -EIO))};
    CHECK_ERR(kt_gather(jobs, 2, NULL), -EIO);
    CHECK_STR(kt_error_detail(), "at 1");
}

TEST(a_task_that_was_told_of_its_cancellation_gathers_nothing)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(ends, 1, 0)), KT_JOB_OF(KT_WITH(ends, 1, 0))};
    int rcs[2] = {7, 7};
    kt_task *other = spawn_sleeper(1);
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_gather(jobs, 2, rcs), KT_ECANCELED);
    CHECK_ERR(kt_gather_tasks(&other, 1, rcs), KT_ECANCELED);
    CHECK_EQ(rcs[0] + rcs[1], 14);
    CHECK_EQ(kt_task_cancelling(other), 0);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_OK(kt_task_join(other));
}

static void count_one(kt_task *awaiter, void *arg)
{
    CHECK(awaiter != NULL);
    ++*(int *)arg;
}

KT_FN(looks_at_its_gatherer, a, struct { int seconds; })
{
    int seen = 0;
    kt_task *self = kt_task_current();
    CHECK_EQ(kt_task_each_awaiter(self, count_one, &seen), 1);
    CHECK_EQ(seen, 1);
    CHECK_OK(kt_sleep(KT_S(a->seconds)));
    CHECK_EQ(kt_task_each_awaiter(self, NULL, NULL), 1);
    return 0;
}

TEST(a_gatherer_waits_for_each_of_its_tasks)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(looks_at_its_gatherer, 1)),
                           KT_JOB_OF(KT_WITH(looks_at_its_gatherer, 2))};
    kt_task *other = spawn_sleeper(1);
    CHECK_OK(kt_gather(jobs, 2, NULL));
    CHECK_EQ(kt_task_each_awaiter(other, NULL, NULL), 0);
    CHECK_OK(kt_task_join(other));
}
