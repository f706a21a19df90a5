/* SPDX-License-Identifier: MIT */
#include "sweep.h"

/* Gathers, waits, races: several tasks at once. */

static int counts(void *arg)
{
    int rc = kt_sleep(KT_S(1));
    ++*(int *)arg;
    return rc;
}

/* ---- Gather -------------------------------------------------------------------------------- */

static int gathers_results(void *arg)
{
    const kt_job jobs[] = {{counts, arg, 0}, {counts, arg, 0}};
    int rcs[2] = {7, 7};
    int rc = SWEPT(kt_gather, (jobs, 2, rcs));
    if (rc == -ENOMEM)
        CHECK_EQ(rcs[0] + rcs[1], 14);
    else if (rc == 0)
        CHECK_EQ(rcs[0] + rcs[1], 0);
    return rc;
}

SWEEP(kt_gather, SUSPENDS | ALLOCATES)
{
    int ended = 0;
    sweep_begin(gathers_results, &ended);
    int rc = sweep_end();
    sure(kt_sleep(KT_S(2)));
    CHECK(rc < 0 || ended == 2);
}

static int gathers(void *arg)
{
    const kt_job jobs[] = {{counts, arg, 0}, {counts, arg, 0}};
    return SWEPT(kt_gather, (jobs, 2, NULL));
}

SWEEP_AS(kt_gather, without_results, SUSPENDS | ALLOCATES)
{
    int ended = 0;
    sweep_begin(gathers, &ended);
    int rc = sweep_end();
    sure(kt_sleep(KT_S(2)));
    CHECK(rc < 0 || ended == 2);
}

/* ---- Wait and as_completed ------------------------------------------------------------------ */

typedef struct two {
    kt_task *tasks[2];
} two;

static two two_tasks(void)
{
    return (two){{spawn(naps, &(int){1000}, sizeof(int)), spawn(naps, &(int){2000}, sizeof(int))}};
}

static void join_two(two t)
{
    sure(kt_task_join(t.tasks[0])); /* not cancelled */
    sure(kt_task_join(t.tasks[1]));
}

static int waits_for_all(void *arg)
{
    two *t = arg;
    return SWEPT(kt_wait, (t->tasks, 2, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
}

SWEEP(kt_wait, SUSPENDS | ALLOCATES)
{
    two t = two_tasks();
    sweep_begin(waits_for_all, &t);
    int rc = sweep_end();
    CHECK(rc < 0 || rc == 2);
    join_two(t);
}

static int waits_for_first(void *arg)
{
    two *t = arg;
    return SWEPT(kt_wait, (t->tasks, 2, KT_WAIT_FIRST_COMPLETED, KT_S(5)));
}

SWEEP_AS(kt_wait, first_with_limit, SUSPENDS | ALLOCATES)
{
    two t = two_tasks();
    sweep_begin(waits_for_first, &t);
    int rc = sweep_end();
    CHECK(rc < 0 || rc == 1);
    join_two(t);
}

static int waits_too_long(void *arg)
{
    two *t = arg;
    return SWEPT(kt_wait, (t->tasks, 2, KT_WAIT_FIRST_FAILED, KT_MS(10)));
}

SWEEP_AS(kt_wait, limit_passes, SUSPENDS | ALLOCATES)
{
    two t = two_tasks();
    sweep_begin(waits_too_long, &t);
    int rc = sweep_end();
    CHECK(rc <= 0);
    join_two(t);
}

static int starts_watch(void *arg)
{
    two *t = arg;
    kt_auto(kt_as_completed) a = KT_AS_COMPLETED_INIT;
    int rc = SWEPT(kt_as_completed_start, (&a, t->tasks, 2));
    CHECK((rc < 0) == !a.completions);
    return rc;
}

SWEEP(kt_as_completed_start, ALLOCATES)
{
    two t = two_tasks();
    (void)sweep_subject(starts_watch, &t);
    join_two(t);
}

static int takes_as_completed(void *arg)
{
    two *t = arg;
    kt_auto(kt_as_completed) a = KT_AS_COMPLETED_INIT;
    kt_task *first = NULL;
    sure(kt_as_completed_start(&a, t->tasks, 2));
    for (int i = 0; i < 2; i++) {
        kt_task *got = NULL;
        int rc = SWEPT(kt_as_completed_next, (&a, &got));
        CHECK((rc < 0) == !got);
        if (rc < 0)
            return rc;
        CHECK(kt_task_done(got) && got != first);
        first = got;
    }
    return SWEPT(kt_as_completed_next, (&a, &first));
}

SWEEP(kt_as_completed_next, SUSPENDS)
{
    two t = two_tasks();
    sweep_begin(takes_as_completed, &t);
    (void)sweep_end();
    join_two(t);
}

SWEEP(kt_as_completed_cleanup, PLAIN)
{
    two t = two_tasks();
    kt_as_completed a = KT_AS_COMPLETED_INIT;
    sure(kt_as_completed_start(&a, t.tasks, 2));
    SWEPT(kt_as_completed_cleanup, (&a));
    join_two(t);
}

/* ---- Gather over tasks ----------------------------------------------------------------------- */

static int shields(void *arg)
{
    return kt_shield(arg);
}

/* The tasks stay the caller's. A cancellation that ends the call is passed on to those that run; who else waits for
 * one of them learns of its end. */
static void sweep_gather_tasks(kt_fn fn)
{
    two t = two_tasks();
    kt_time start = kt_now();
    kt_task *other = spawn(shields, t.tasks[1], 0);
    sweep_begin(fn, &t);
    int rc = sweep_end();
    bool early = kt_now() - start < KT_S(2);
    CHECK(rc < 0 || !early);
    CHECK_ERR(kt_task_join(other), early ? KT_ECANCELED : 0);
    for (int i = 0; i < 2; i++)
        CHECK_ERR(kt_task_join(t.tasks[i]), early ? KT_ECANCELED : 0);
}

/* One of them stands there twice. */
static int gathers_tasks(void *arg)
{
    two *t = arg;
    kt_task *tasks[] = {t->tasks[0], t->tasks[1], t->tasks[0]};
    int rcs[3] = {7, 7, 7};
    int rc = SWEPT(kt_gather_tasks, (tasks, 3, rcs));
    CHECK_EQ(rcs[0], rcs[2]);
    if (rc == -ENOMEM) {
        CHECK(rcs[0] == 7 && rcs[1] == 7);
        return rc;
    }
    for (int i = 0; i < 3 && rcs[i] != 7; i++)
        CHECK_EQ(rcs[i], kt_task_result(tasks[i]));
    CHECK(rc < 0 || (rcs[0] == 0 && rcs[1] == 0));
    return rc;
}

SWEEP(kt_gather_tasks, SUSPENDS | ALLOCATES)
{
    sweep_gather_tasks(gathers_tasks);
}

static int gathers_tasks_without_results(void *arg)
{
    two *t = arg;
    return SWEPT(kt_gather_tasks, (t->tasks, 2, NULL));
}

SWEEP_AS(kt_gather_tasks, without_results, SUSPENDS | ALLOCATES)
{
    sweep_gather_tasks(gathers_tasks_without_results);
}

static int fails_after(void *arg)
{
    int rc = naps(arg);
    return rc < 0 ? rc : kt_error_set(-EIO, "after %d ms", *(int *)arg);
}

static int gathers_failing(void *arg)
{
    two *t = arg;
    int rc = SWEPT(kt_gather_tasks, (t->tasks, 2, NULL));
    if (rc != -EIO)
        return rc;
    CHECK(!kt_task_done(t->tasks[1])); /* it goes on */
    if (!sweep_struck())
        CHECK_STR(kt_error_detail(), "after 1000 ms");
    return 0;
}

SWEEP_AS(kt_gather_tasks, failure, SUSPENDS | ALLOCATES | SPARES)
{
    int first = 1000, second = 2000;
    two t = {{spawn(fails_after, &first, 0), spawn(naps, &second, 0)}};
    sweep_begin(gathers_failing, &t);
    int rc = sweep_end();
    int failed = kt_task_join(t.tasks[0]), other = kt_task_join(t.tasks[1]);
    CHECK(failed == -EIO || (rc < 0 && failed == KT_ECANCELED));
    CHECK(other == (failed == -EIO ? 0 : KT_ECANCELED));
}

/* ---- Races ----------------------------------------------------------------------------------- */

typedef struct track {
    int running;
    int rcs[3];
    size_t winner;
} track;

KT_FN(runner, a, struct {
    track *track;
    int ms;
    int rc;
})
{
    a->track->running++;
    int rc = kt_sleep(KT_MS(a->ms));
    a->track->running--;
    if (rc < 0)
        return rc;
    return a->rc < 0 ? kt_error_set(a->rc, "after %d ms", a->ms) : a->rc;
}

/* The first fails, the second wins while the third is under way. */
static int races(void *arg)
{
    track *t = arg;
    *t = (track){.rcs = {7, 7, 7}, .winner = 9};
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(runner, t, 100, -EIO)), KT_JOB_OF(KT_WITH(runner, t, 1000, 5)),
                           KT_JOB_OF(KT_WITH(runner, t, 9000, 6))};
    int rc = SWEPT(kt_staggered_race, (jobs, 3, KT_MS(250), t->rcs, &t->winner));
    CHECK_EQ(t->running, 0); /* however it ends */
    CHECK_EQ(t->winner, rc < 0 ? 9 : 1);
    CHECK(rc < 0 || rc == 5);
    CHECK(t->rcs[0] == -EIO || (rc < 0 && t->rcs[0] == KT_ECANCELED));
    CHECK(t->rcs[1] == 5 || (rc < 0 && t->rcs[1] == KT_ECANCELED));
    CHECK_ERR(t->rcs[2], KT_ECANCELED);
    return rc;
}

SWEEP(kt_staggered_race, SUSPENDS | ALLOCATES | WHOLE | SPARES)
{
    track t;
    sweep_begin(races, &t);
    (void)sweep_end();
}

static int races_in_vain(void *arg)
{
    track *t = arg;
    *t = (track){.winner = 9};
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(runner, t, 900, -EPERM)), KT_JOB_OF(KT_WITH(runner, t, 100, -EIO))};
    int rc = SWEPT(kt_staggered_race, (jobs, 2, KT_MS(250), NULL, &t->winner));
    CHECK_EQ(t->running, 0);
    CHECK_EQ(t->winner, 9);
    if (rc == -EPERM && !sweep_struck())
        CHECK_STR(kt_error_detail(), "after 900 ms");
    return rc == -EPERM ? 0 : rc;
}

SWEEP_AS(kt_staggered_race, in_vain, SUSPENDS | ALLOCATES | WHOLE | SPARES)
{
    track t;
    sweep_begin(races_in_vain, &t);
    (void)sweep_end();
}
