/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <kettle/pipeline.h>

static int adds_ten(kt_stage *s, void *item, void *arg)
{
    int n = *(int *)item + 10;
    (void)arg;
    int rc = kt_sleep(KT_S(1));
    return rc < 0 ? rc : kt_stage_emit(s, &n);
}

static int sums(kt_stage *s, void *item, void *arg)
{
    (void)s;
    *(int *)arg += *(int *)item;
    return 0;
}

static int slow_sum(kt_stage *s, void *item, void *arg)
{
    int rc = kt_sleep(KT_S(3));
    return rc < 0 ? rc : sums(s, item, arg);
}

static int feed(kt_pipeline *p, int from, int to)
{
    int rc = 0;
    for (int i = from; rc == 0 && i <= to; i++)
        rc = kt_pipeline_put(p, &i);
    return rc;
}

TEST(items_run_through_and_it_ends_by_itself)
{
    int sum = 0;
    kt_stage stages[] = {
        {.run = adds_ten, .item_bytes = sizeof(int), .workers = 4},
        {.run = sums, .arg = &sum, .item_bytes = sizeof(int)},
    };
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 2));
    CHECK_OK(kt_pipeline_join(&p, feed(&p, 1, 20)));
    CHECK_EQ(sum, 410);
    CHECK_EQ(kt_now(), KT_S(5)); /* 20 items, 4 workers */
    CHECK_EQ(stages[0].taken, 20);
    CHECK_EQ(stages[0].emitted, 20);
    CHECK_EQ(stages[0].busy, KT_S(20));
    CHECK_EQ(stages[1].taken, 20);
    CHECK_EQ(stages[1].failed, 0);
}

TEST(a_slow_stage_slows_those_before_it)
{
    int sum = 0;
    kt_stage stages[] = {
        {.run = adds_ten, .item_bytes = sizeof(int), .waiting_max = 2},
        {.run = slow_sum, .arg = &sum, .item_bytes = sizeof(int), .waiting_max = 1},
    };
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 2));
    int rc = feed(&p, 1, 10);
    CHECK_GE(kt_now(), KT_S(10)); /* the source waited, too */
    CHECK_OK(kt_pipeline_join(&p, rc));
    CHECK_EQ(kt_now(), KT_S(31));
    CHECK_EQ(sum, 155);
    CHECK_EQ(stages[0].waiting_peak, 2);
    CHECK_EQ(stages[1].waiting_peak, 1);
    CHECK_EQ(stages[0].busy, KT_S(10)); /* without waiting for the second */
    CHECK_EQ(stages[1].busy, KT_S(30));
}

static int odd_only(kt_stage *s, void *item, void *arg)
{
    (void)arg;
    int n = *(int *)item;
    return n % 2 ? kt_stage_emit(s, &n) : -EDOM;
}

TEST(failures_are_counted_at_their_stage_and_the_rest_goes_on)
{
    int sum = 0;
    kt_stage stages[] = {
        {.run = odd_only, .item_bytes = sizeof(int), .workers = 3},
        {.run = sums, .arg = &sum, .item_bytes = sizeof(int)},
    };
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 2));
    CHECK_OK(kt_pipeline_join(&p, feed(&p, 1, 9)));
    CHECK_EQ(sum, 25);
    CHECK_EQ(stages[0].taken, 9);
    CHECK_EQ(stages[0].failed, 4);
    CHECK_ERR(stages[0].first_error, -EDOM);
}

static int repeats(kt_stage *s, void *item, void *arg)
{
    (void)arg;
    int rc = 0;
    for (int i = *(int *)item; rc == 0 && i > 0; i--)
        rc = kt_stage_emit(s, &(char){'x'});
    return rc;
}

static int counts(kt_stage *s, void *item, void *arg)
{
    (void)s;
    CHECK_EQ(*(char *)item, 'x');
    ++*(int *)arg;
    return 0;
}

TEST(a_stage_may_make_many_items_of_one_and_of_another_type)
{
    int n = 0;
    kt_stage stages[] = {
        {.run = repeats, .item_bytes = sizeof(int)},
        {.run = counts, .arg = &n, .item_bytes = 1, .waiting_max = 1},
    };
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 2));
    CHECK_OK(kt_pipeline_join(&p, feed(&p, 0, 10)));
    CHECK_EQ(n, 55);
    sure(kt_pipeline_start(&p, stages, 2)); /* again */
    CHECK_OK(kt_pipeline_join(&p, feed(&p, 1, 3)));
    CHECK_EQ(n, 61);
    CHECK_EQ(stages[1].taken, 6);
}

KT_FN(feeds, a, struct { kt_pipeline *p; })
{
    return feed(a->p, 1, 100);
}

TEST(a_fatal_failure_ends_it_and_frees_whoever_puts)
{
    int sum = 0;
    kt_stage stages[] = {
        {.run = adds_ten, .item_bytes = sizeof(int), .waiting_max = 1},
        {.run = odd_only, .item_bytes = sizeof(int), .fatal = true},
        {.run = sums, .arg = &sum, .item_bytes = sizeof(int)},
    };
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 3));
    kt_task *other = spawn(KT_WITH(feeds, &p));
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ESIBLING);
    CHECK_ERR(kt_cancel_catch(), KT_ESIBLING);
    yield_times(2);
    CHECK(kt_task_done(other)); /* not only at the join */
    CHECK_ERR(kt_pipeline_join(&p, KT_ESIBLING), -EDOM);
    CHECK_ERR(kt_task_join(other), KT_ESHUTDOWN);
    CHECK_EQ(kt_now(), KT_S(2));
    CHECK_EQ(sum, 11);
    CHECK_ERR(kt_pipeline_put(&p, &sum), KT_ESHUTDOWN);
}

/* Items that own memory: dropped or used up, whatever happens. */
static int keeps_a_while(kt_stage *s, void *item, void *arg)
{
    (void)s;
    (void)arg;
    int rc = kt_sleep(KT_S(1));
    kt_free(*(void **)item);
    return rc;
}

static void drop_block(void *item, void *arg)
{
    (void)arg;
    kt_free(*(void **)item);
}

static int pass_blocks(void *arg)
{
    (void)arg;
    kt_stage stages[] = {{.run = keeps_a_while, .drop = drop_block, .item_bytes = sizeof(void *),
                          .workers = 2, .waiting_max = 3}};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    int rc = kt_pipeline_start(&p, stages, 1);
    for (int i = 0; rc == 0 && i < 8; i++) {
        void *block = kt_alloc(10);
        rc = block ? kt_pipeline_put(&p, &block) : -ENOMEM;
        if (rc < 0)
            kt_free(block);
    }
    return kt_pipeline_join(&p, rc);
}

static int fails_in_words_of_its_own(kt_stage *s, void *item, void *arg)
{
    (void)s;
    (void)item;
    (void)arg;
    return kt_sleep(KT_S(1)) < 0 ? -EIO : 0;
}

static void count_drop(void *item, void *arg)
{
    (void)item;
    ++*(int *)arg;
}

TEST(a_cancelled_worker_leaves_what_is_in_line)
{
    int drops = 0;
    kt_stage stages[] = {
        {.run = fails_in_words_of_its_own, .drop = count_drop, .arg = &drops, .item_bytes = sizeof(int)}};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 1));
    sure(feed(&p, 1, 5));
    sure(kt_sleep(KT_MS(1500)));
    CHECK_ERR(kt_pipeline_join(&p, -EDOM), -EDOM);
    CHECK_EQ(stages[0].taken, 2);
    CHECK_EQ(stages[0].failed, 1);
    CHECK_EQ(drops, 3);
    CHECK_EQ(kt_now(), KT_MS(1500));
}

static void nobody_left(void *arg)
{
    (void)arg;
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
}

TEST(a_pipeline_survives_missing_memory)
{
    each_allocation_fails(pass_blocks, NULL);
}

TEST(a_pipeline_may_be_cancelled_at_every_moment)
{
    each_moment_cancelled(pass_blocks, NULL, KT_MS(250), nobody_left);
}

TEST(leaving_the_scope_ends_it)
{
    {
        int sum = 0;
        kt_stage stages[] = {{.run = slow_sum, .arg = &sum, .item_bytes = sizeof(int)}};
        kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
        sure(kt_pipeline_start(&p, stages, 1));
        sure(feed(&p, 1, 10));
        sure(kt_sleep(KT_S(1)));
    }
    CHECK_EQ(kt_now(), KT_S(1));
    nobody_left(NULL);
}

static int is_cancelled_beside_a_failure(void)
{
    int sum = 0, even = 2;
    kt_stage stages[] = {{.run = odd_only, .item_bytes = sizeof(int), .fatal = true},
                         {.run = sums, .arg = &sum, .item_bytes = sizeof(int)}};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 2));
    sure(kt_pipeline_put(&p, &even));
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ESIBLING);
    kt_task_cancel(kt_task_current());
    return kt_sleep(KT_S(60));
}

TEST(a_cancellation_by_which_its_scope_is_left_can_be_caught)
{
    CHECK_ERR(is_cancelled_beside_a_failure(), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_OK(kt_sleep(KT_S(1)));
}

static void cancel_named(kt_task *t, void *name)
{
    if (strcmp(kt_task_name(t), name) == 0)
        kt_task_cancel(t);
}

TEST(a_worker_that_is_cancelled_before_it_begins_leaves_nobody_waiting)
{
    int sum = 0;
    kt_stage stages[] = {{.run = adds_ten, .item_bytes = sizeof(int)},
                         {.name = "sum", .run = sums, .arg = &sum, .item_bytes = sizeof(int), .waiting_max = 1}};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 2));
    kt_task_each(cancel_named, "sum");
    CHECK_OK(kt_pipeline_join(&p, feed(&p, 1, 3)));
    CHECK_EQ(stages[0].taken, 3);
    CHECK_EQ(stages[0].first_error, KT_ESHUTDOWN);
    CHECK_EQ(sum, 0);
}

TEST_DIES(emitting_from_the_last_stage_is_misuse, 0, "no stage behind this one")
{
    kt_stage stages[] = {{.run = adds_ten, .item_bytes = sizeof(int)}};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 1));
    CHECK_OK(kt_pipeline_join(&p, feed(&p, 1, 1)));
}

static int may_time_out(kt_stage *s, void *item, void *arg)
{
    int seconds = *(int *)item;
    (void)s;
    int rc = kt_wait_for(KT_S(5), sleep_seconds, &seconds, 0);
    *(int *)arg += rc == 0;
    return rc;
}

TEST(an_item_that_takes_too_long_has_failed_and_the_rest_goes_on)
{
    int good = 0;
    kt_stage stages[] = {{.run = may_time_out, .arg = &good, .item_bytes = sizeof(int)}};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 1));
    CHECK_OK(kt_pipeline_join(&p, feed(&p, 4, 7)));
    CHECK_EQ(good, 1);
    CHECK_EQ(stages[0].taken, 4);
    CHECK_EQ(stages[0].failed, 3); /* five seconds are too many, too */
    CHECK_ERR(stages[0].first_error, KT_ETIMEDOUT);
}

TEST(an_item_whose_worker_was_cancelled_has_not_failed)
{
    int good = 0;
    kt_stage stages[] = {{.run = may_time_out, .arg = &good, .item_bytes = sizeof(int)}};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 1));
    sure(feed(&p, 4, 5));
    sure(kt_sleep(KT_S(1)));
    CHECK_ERR(kt_pipeline_join(&p, -EIO), -EIO);
    CHECK_EQ(kt_now(), KT_S(1));
    CHECK_EQ(stages[0].taken, 1);
    CHECK_EQ(stages[0].failed, 0);
}

static int fails_as_told(kt_stage *s, void *item, void *arg)
{
    (void)s;
    snprintf(arg, 16, "%s", kt_task_name(kt_task_current()));
    return *(int *)item;
}

TEST(the_first_failure_of_a_stage_is_kept_and_its_workers_have_its_name)
{
    char name[16];
    kt_stage stages[] = {{.run = fails_as_told, .arg = name, .item_bytes = sizeof(int)}};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 1));
    CHECK_OK(kt_pipeline_join(&p, feed(&p, -5, -3)));
    CHECK_ERR(stages[0].first_error, -5);
    CHECK_STR(name, "stage");
    stages[0].name = "fetch";
    sure(kt_pipeline_start(&p, stages, 1));
    CHECK_ERR(kt_pipeline_join(&p, feed(&p, -5, -3) < 0 ? -EIO : KT_ESHUTDOWN), KT_ESHUTDOWN);
    sure(kt_pipeline_start(&p, stages, 1));
    CHECK_OK(kt_pipeline_join(&p, feed(&p, -5, -3)));
    CHECK_STR(name, "fetch");
}

TEST(a_join_waits_for_those_who_are_still_putting)
{
    int sum = 0;
    kt_stage stages[] = {{.run = slow_sum, .arg = &sum, .item_bytes = sizeof(int), .waiting_max = 1}};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 1));
    kt_task *one = spawn(KT_WITH(feeds, &p)), *other = spawn(KT_WITH(feeds, &p));
    sure(kt_sleep(KT_S(1)));
    CHECK_ERR(kt_pipeline_join(&p, -EIO), -EIO);
    CHECK_ERR(kt_task_join(one), KT_ESHUTDOWN);
    CHECK_ERR(kt_task_join(other), KT_ESHUTDOWN);
}

static void cancel_worker(kt_task *t, void *arg)
{
    (void)arg;
    if (strcmp(kt_task_name(t), "stage") == 0)
        kt_task_cancel(t);
}

TEST(whoever_puts_is_told_that_the_last_worker_was_cancelled)
{
    int sum = 0;
    kt_stage stages[] = {{.run = sums, .arg = &sum, .item_bytes = sizeof(int)}};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    sure(kt_pipeline_start(&p, stages, 1));
    yield_times(2);
    kt_task_each(cancel_worker, NULL);
    yield_times(2);
    CHECK_ERR(kt_pipeline_put(&p, &sum), KT_ESHUTDOWN);
    CHECK_ERR(kt_pipeline_join(&p, KT_ESHUTDOWN), KT_ESHUTDOWN);
}
