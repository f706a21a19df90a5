/* SPDX-License-Identifier: MIT */
#include "jobs_shop.h"

/* ---- Arguments ------------------------------------------------------------------------------- */

static kt_jobs_args parsed(const char *text)
{
    kt_jobs_args a = {NULL};
    jansson_counts();
    sure(kt__json_parse(kt_slice_from(text), &a.json));
    return a;
}

SWEEP(kt_jobs_arg_string, PLAIN | NO_LOOP)
{
    kt_jobs_args a = parsed("{\"name\": \"tea\", \"n\": 1}");
    kt_slice value = {"before", 6};
    CHECK_EQ(SWEPT(kt_jobs_arg_string, (&a, "n", &value)), KT_EVALIDATION);
    CHECK_EQ(SWEPT(kt_jobs_arg_string, (&a, "none", &value)), 0);
    CHECK_SLICE(value, "before");
    CHECK_EQ(SWEPT(kt_jobs_arg_string, (&a, "name", &value)), 1);
    CHECK_SLICE(value, "tea");
    json_decref(a.json);
}

SWEEP(kt_jobs_arg_integer, PLAIN | NO_LOOP)
{
    kt_jobs_args a = parsed("{\"n\": 7, \"x\": 1.5}");
    int64_t value = -1;
    CHECK_EQ(SWEPT(kt_jobs_arg_integer, (&a, "x", &value)), KT_EVALIDATION);
    CHECK_EQ(SWEPT(kt_jobs_arg_integer, (&a, "none", &value)), 0);
    CHECK_EQ(value, -1);
    CHECK_EQ(SWEPT(kt_jobs_arg_integer, (&a, "n", &value)), 1);
    CHECK_EQ(value, 7);
    json_decref(a.json);
}

SWEEP(kt_jobs_arg_number, PLAIN | NO_LOOP)
{
    kt_jobs_args a = parsed("{\"x\": 1.5, \"s\": \"1.5\"}");
    double value = -1;
    CHECK_EQ(SWEPT(kt_jobs_arg_number, (&a, "s", &value)), KT_EVALIDATION);
    CHECK_EQ(SWEPT(kt_jobs_arg_number, (&a, "none", &value)), 0);
    CHECK(value < 0);
    CHECK_EQ(SWEPT(kt_jobs_arg_number, (&a, "x", &value)), 1);
    CHECK(value > 1.4 && value < 1.6);
    json_decref(a.json);
}

SWEEP(kt_jobs_arg_bool, PLAIN | NO_LOOP)
{
    kt_jobs_args a = parsed("{\"yes\": true, \"n\": 1}");
    bool value = false;
    CHECK_EQ(SWEPT(kt_jobs_arg_bool, (&a, "n", &value)), KT_EVALIDATION);
    CHECK_EQ(SWEPT(kt_jobs_arg_bool, (&a, "none", &value)), 0);
    CHECK(!value);
    CHECK_EQ(SWEPT(kt_jobs_arg_bool, (&a, "yes", &value)), 1);
    CHECK(value);
    json_decref(a.json);
}

SWEEP(kt_jobs_arg_strings, PLAIN | NO_LOOP)
{
    kt_jobs_args a = parsed("{\"argv\": [\"a\", \"b\"], \"mixed\": [\"a\", 1], \"n\": 1}");
    CHECK_EQ(SWEPT(kt_jobs_arg_strings, (&a, "argv")), 2);
    CHECK_EQ(SWEPT(kt_jobs_arg_strings, (&a, "none")), 0);
    CHECK_EQ(SWEPT(kt_jobs_arg_strings, (&a, "mixed")), KT_EVALIDATION);
    CHECK_EQ(SWEPT(kt_jobs_arg_strings, (&a, "n")), KT_EVALIDATION);
    json_decref(a.json);
}

SWEEP(kt_jobs_arg_strings_at, PLAIN | NO_LOOP)
{
    kt_jobs_args a = parsed("{\"argv\": [\"a\", \"tea\"]}");
    CHECK_SLICE(SWEPT(kt_jobs_arg_strings_at, (&a, "argv", 1)), "tea");
    CHECK(!SWEPT(kt_jobs_arg_strings_at, (&a, "argv", 2)).data);
    json_decref(a.json);
}

static int visits(kt_slice key, kt_slice value, void *arg)
{
    CHECK_SLICE(key, value.data ? "name" : "n");
    return ++*(int *)arg < 2 ? 0 : -EIO;
}

SWEEP(kt_jobs_arg_each, PLAIN | NO_LOOP)
{
    kt_jobs_args a = parsed("{\"env\": {\"name\": \"tea\", \"n\": 1}, \"s\": \"\"}");
    int count = 0;
    CHECK_EQ(SWEPT(kt_jobs_arg_each, (&a, "env", visits, &count)), -EIO);
    CHECK_EQ(SWEPT(kt_jobs_arg_each, (&a, "none", visits, &count)), 0);
    CHECK_EQ(SWEPT(kt_jobs_arg_each, (&a, "s", visits, &count)), KT_EVALIDATION);
    CHECK_EQ(count, 2);
    json_decref(a.json);
}

SWEEP(kt_jobs_arg_unknown, PLAIN | NO_LOOP)
{
    const char *const names[] = {"a", "b"};
    kt_jobs_args a = parsed("{\"a\": 1, \"c\": 2}");
    CHECK_STR(SWEPT(kt_jobs_arg_unknown, (&a, names, 2)), "c");
    json_object_del(a.json, "c");
    CHECK(!SWEPT(kt_jobs_arg_unknown, (&a, names, 2)));
    json_decref(a.json);
}

/* ---- Inside a job ---------------------------------------------------------------------------- */

static int asks_id(void *arg)
{
    CHECK_EQ(SWEPT(kt_jobs_id, (arg)), 1);
    return 0;
}

SWEEP(kt_jobs_id, PLAIN | SHOP)
{
    shop_job(asks_id);
}

static int asks_number(void *arg)
{
    CHECK_EQ(SWEPT(kt_jobs_attempt_number, (arg)), 1);
    return 0;
}

SWEEP(kt_jobs_attempt_number, PLAIN | SHOP)
{
    shop_job(asks_number);
}

static int asks_args(void *arg)
{
    const kt_jobs_args *args = SWEPT(kt_jobs_args_of, (arg));
    CHECK_EQ(kt_jobs_arg_strings(args, "argv"), 2);
    return 0;
}

SWEEP(kt_jobs_args_of, PLAIN | SHOP)
{
    shop_job(asks_args);
}

static int asks_announce_fd(void *arg)
{
    CHECK_GT(SWEPT(kt_jobs_announce_fd, (arg)), 2);
    return 0;
}

SWEEP(kt_jobs_announce_fd, PLAIN | SHOP)
{
    shop_job(asks_announce_fd);
}

static const char tea[] = "[\"a text for which the memory of the one before is not enough, so that there is\", "
                          "\"something that may fail\"]";

/* One that cannot be kept leaves the one before. */
static int sets_result(void *arg)
{
    kt_jobs_attempt *a = arg;
    if (a->result.size == 0)
        sure(kt_jobs_result_set(a, kt_slice_from("1")));
    int rc = SWEPT(kt_jobs_result_set, (a, kt_slice_from(tea)));
    kt_slice kept = kt_buffer_slice(&a->result);
    CHECK_SLICE(kept, rc < 0 ? "1" : tea);
    return rc;
}

SWEEP(kt_jobs_result_set, ALLOCATES | SHOP)
{
    shop_job(sets_result);
}

static int sleeps(void *arg)
{
    return SWEPT(kt_jobs_sleep, .run(arg));
}

SWEEP(kt_jobs_sleep, SUSPENDS | SHOP)
{
    shop_job(sleeps);
}

static int runs_command(void *arg)
{
    kt_jobs_attempt *a = arg;
    int rc = SWEPT(kt_jobs_command, .run(a));
    if (rc >= 0)
        CHECK(memmem(a->result.data, a->result.size, "\"tea\\n\"", 7));
    return rc;
}

SWEEP(kt_jobs_command, SUSPENDS | ALLOCATES | WHOLE | SHOP)
{
    shop_job(runs_command);
}

/* ---- Jobs from outside ----------------------------------------------------------------------- */

static int submits(void *arg)
{
    shop *s = arg;
    const kt_jobs_new news[] = {
        {.type = "sleep", .args = kt_slice_from("{\"seconds\": 0}")},
        {.type = "sleep", .args = kt_slice_from("{\"seconds\": 0}"), .delay = KT_S(3600)},
    };
    s->ids[0] = s->ids[1] = 0;
    int rc = SWEPT(kt_jobs_submit, (s->j, news, 2, s->ids, NULL));
    CHECK(rc < 0 || (s->ids[0] > 0 && s->ids[1] == s->ids[0] + 1));
    return rc;
}

static void from_outside(shop *s)
{
    shop_begin(s);
    sweep_begin(s->act, s);
    (void)sweep_end();
}

/* All or none: one job is done, the other waits for its time; or neither is there. */
static void submitting(shop *s)
{
    int64_t counts[KT__JOB_STATES];
    from_outside(s);
    shop_end(s);
    kt__store_counts(s->j->store, counts);
    CHECK_EQ(counts[KT__JOB_SUCCEEDED], s->ids[1] > 0);
    CHECK_EQ(counts[KT__JOB_SCHEDULED], s->ids[1] > 0);
}

SWEEP(kt_jobs_submit, SUSPENDS | ALLOCATES | WHOLE | HOLDS | SHOP)
{
    shop s = {.scenario = submitting, .act = submits};
    shop_run(&s);
}

static int cancels(void *arg)
{
    const shop *s = arg;
    return SWEPT(kt_jobs_cancel, (s->j, s->ids[0]));
}

static void cancelling(shop *s)
{
    s->work = spawn(shop__works, s, 0);
    while (!s->j->keeper.open)
        turns(1);
    s->ids[0] = shop_submit(s, "sleep", "{\"seconds\": 1000}");
    while (s->j->running_count == 0)
        settle();
    sweep_begin(cancels, s);
    (void)sweep_end();
    shop_until_idle(s);
    CHECK_EQ(shop_state(s, s->ids[0]), KT__JOB_CANCELLED);
    shop_end(s);
}

SWEEP(kt_jobs_cancel, SUSPENDS | HOLDS | SHOP)
{
    shop s = {.scenario = cancelling};
    shop_run(&s);
}

/* ---- The system ------------------------------------------------------------------------------ */

static int opens(void *arg)
{
    shop *s = arg;
    const kt_jobs_options options = shop_options(s);
    s->j = NULL;
    int rc = SWEPT(kt_jobs_open, (&options, &s->j));
    CHECK((rc < 0) == !s->j);
    return rc;
}

SWEEP(kt_jobs_open, ALLOCATES | SHOP)
{
    shop s = {0};
    shop_folder(&s);
    sure(sweep_subject(opens, &s));
    kt_jobs_close(s.j);
    shop_folder_remove(&s);
}

SWEEP(kt_jobs_close, PLAIN | SHOP)
{
    shop s = {0};
    shop_folder(&s);
    const kt_jobs_options options = shop_options(&s);
    sure(kt_jobs_open(&options, &s.j));
    SWEPT(kt_jobs_close, (s.j));
    shop_folder_remove(&s);
}

/* Works until it is cancelled. Where the scenario did that, it is no failure. */
static int works(void *arg)
{
    shop *s = arg;
    s->subject = kt_task_current();
    s->stopped = false;
    int rc = SWEPT(kt_jobs_run, (s->j));
    s->subject = NULL;
    CHECK(kt_is_cancel(rc) || (rc == -ENOMEM && sweep_struck()) || (sweep_refused() && rc == -sweep_refused()));
    CHECK(!s->j->at_work && !s->j->running && !s->j->keeper.open && !s->j->keeper.first);
    return s->stopped && kt_is_cancel(rc) ? 0 : rc;
}

/* Gives it a job that ends and one that would last, and stops it while that runs. */
static void disturb(shop *s)
{
    kt_jobs *j = s->j;
    const kt_jobs_new news[] = {
        {.type = "sleep", .args = kt_slice_from("{\"seconds\": 0}")},
        {.type = "sleep", .args = kt_slice_from("{\"seconds\": 1000}")},
    };
    if (j->keeper.open && !j->stopping && !s->ids[1])
        (void)!kt_jobs_submit(j, news, 2, s->ids, NULL); /* it may be stopped meanwhile */
    if (!j->running || j->running->job.id != s->ids[1])
        return;
    if (!j->stopping || s->grace) {
        s->stopped = s->stopped || !j->stopping;
        kt_task_cancel(s->subject);
    }
}

/* Nothing runs afterwards, and nothing is lost. */
static void working(shop *s)
{
    int64_t counts[KT__JOB_STATES];
    sweep_begin(works, s);
    for (; s->subject; settle())
        disturb(s);
    (void)sweep_end();
    kt__store_counts(s->j->store, counts);
    int64_t left = counts[KT__JOB_READY] + counts[KT__JOB_SCHEDULED]; /* to be tried again, without memory */
    CHECK_EQ(left + counts[KT__JOB_SUCCEEDED], s->ids[1] ? 2 : 0);
}

SWEEP(kt_jobs_run, SUSPENDS | ALLOCATES | TELLS | SHOP)
{
    shop s = {.scenario = working};
    shop_run(&s);
}

/* What its workers need counts, too. */
SWEEP_AS(kt_jobs_run, whole, SUSPENDS | ALLOCATES | SPARES | WHOLE | TELLS | SHOP)
{
    shop s = {.scenario = working};
    shop_run(&s);
}

/* The grace period would never end; a second cancellation ends it. */
SWEEP_AS(kt_jobs_run, grace, SUSPENDS | ALLOCATES | TELLS | SHOP)
{
    shop s = {.scenario = working, .grace = KT_S(1000)};
    shop_run(&s);
}
