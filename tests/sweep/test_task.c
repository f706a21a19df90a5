/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <fcntl.h>

static int second[] = {1000};

/* ---- Making -------------------------------------------------------------------------------- */

static int spawns(void *arg)
{
    kt_task *t = NULL;
    int rc = SWEPT(kt_spawn, (nothing, arg, 0, &t));
    if (rc < 0)
        CHECK(!t);
    return rc < 0 ? rc : kt_task_join(t);
}

SWEEP(kt_spawn, ALLOCATES)
{
    (void)sweep_subject(spawns, NULL);
}

static int spawns_with(void *arg)
{
    const kt_spawn_options options = {.name = "named", .eager = true, .stack_bytes = 1 << 20};
    kt_task *t = NULL;
    int rc = SWEPT(kt_spawn_with, (&options, nothing, arg, 0, &t));
    if (rc < 0)
        CHECK(!t);
    return rc < 0 ? rc : kt_task_join(t);
}

/* Eager, so it needs its stack within the call: where that is missing, the task ends without memory. */
SWEEP(kt_spawn_with, ALLOCATES)
{
    (void)sweep_subject(spawns_with, NULL);
}

/* ---- Waiting for it ------------------------------------------------------------------------ */

static int joins(void *arg)
{
    return SWEPT(kt_task_join, (arg));
}

SWEEP(kt_task_join, SUSPENDS)
{
    sweep_begin(joins, spawn(naps, second, sizeof second));
    (void)sweep_end();
}

static int awaits(void *arg)
{
    return SWEPT(kt_task_await, (arg));
}

SWEEP(kt_task_await, SUSPENDS)
{
    kt_task *t = spawn(naps, second, sizeof second);
    sweep_begin(awaits, t);
    int rc = sweep_end();
    int joined = kt_task_join(t); /* a cancellation was passed on to it, unless it had ended */
    CHECK(joined == 0 || (rc < 0 && joined == KT_ECANCELED));
}

static int shields(void *arg)
{
    return SWEPT(kt_shield, (arg));
}

SWEEP(kt_shield, SUSPENDS)
{
    kt_task *t = spawn(naps, second, sizeof second);
    sweep_begin(shields, t);
    (void)sweep_end();
    sure(kt_task_join(t)); /* not touched */
}

static int goes_on(void *arg)
{
    int rc = kt_sleep(KT_S(5));
    if (kt_cancel_catch() < 0)
        rc = kt_sleep(KT_S(1));
    *(bool *)arg = true;
    return rc;
}

static int joins_stubborn(void *arg)
{
    return SWEPT(kt_task_join, (arg));
}

/* What the task makes of the cancellation is the result. */
SWEEP_AS(kt_task_join, swallowed, SUSPENDS | TELLS)
{
    bool over = false;
    kt_task *t = spawn(goes_on, &over, 0);
    settle();
    sweep_begin(joins_stubborn, t);
    CHECK_EQ(sweep_end(), 0);
    CHECK(over);
}

SWEEP(kt_task_detach, PLAIN)
{
    kt_task *t = spawn(nothing, NULL, 0);
    SWEPT(kt_task_detach, (t));
    SWEPT(kt_task_detach, (NULL));
    settle();
}

SWEEP(kt_task_cancel, PLAIN)
{
    kt_task *t = spawn(naps, second, sizeof second);
    settle();
    CHECK(SWEPT(kt_task_cancel, (t)));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

static int cancels_with_words(void *arg)
{
    CHECK(SWEPT(kt_task_cancel_with, (arg, "the water is cold")));
    CHECK_STR(kt_task_cancel_message(arg), sweep_struck() ? "" : "the water is cold");
    return 0;
}

static int naps_undisturbed(void *arg)
{
    kt_cancel_hold();
    int rc = naps(arg);
    kt_cancel_unhold();
    return rc < 0 ? rc : kt_sleep(0);
}

/* It is cancelled in any case, and the words of an earlier request, which no call has returned, are gone. */
SWEEP(kt_task_cancel_with, ALLOCATES | SPARES)
{
    kt_task *t = spawn(naps_undisturbed, second, sizeof second);
    settle();
    CHECK(kt_task_cancel_with(t, "earlier"));
    (void)sweep_subject(cancels_with_words, t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_STR(kt_error_detail(), sweep_struck() ? "" : "the water is cold");
}

SWEEP(kt_task_cancel_message, PLAIN)
{
    kt_task *t = spawn(naps, second, sizeof second);
    settle();
    CHECK_STR(SWEPT(kt_task_cancel_message, (t)), "");
    CHECK(kt_task_cancel_with(t, "enough"));
    CHECK_STR(SWEPT(kt_task_cancel_message, (t)), "enough");
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

/* ---- Looking at it ------------------------------------------------------------------------- */

SWEEP(kt_task_done, PLAIN)
{
    CHECK(!SWEPT(kt_task_done, (kt_task_current())));
}

SWEEP(kt_task_cancelled, PLAIN)
{
    CHECK(!SWEPT(kt_task_cancelled, (kt_task_current())));
}

SWEEP(kt_task_result, PLAIN)
{
    CHECK_ERR(SWEPT(kt_task_result, (kt_task_current())), KT_EINVALIDSTATE);
}

SWEEP(kt_task_trim, PLAIN)
{
    char above[64] = "stays";
    SWEPT(kt_task_trim, ());
    CHECK_STR(above, "stays");
}

SWEEP(kt_task_current, PLAIN)
{
    CHECK(SWEPT(kt_task_current, ()) != NULL);
}

SWEEP(kt_task_name, PLAIN)
{
    kt_task *t = spawn(nothing, NULL, 0);
    CHECK_STR(SWEPT(kt_task_name, (kt_task_current())), "main");
    CHECK(strncmp(SWEPT(kt_task_name, (t)), "Task-", 5) == 0);
    sure(kt_task_join(t));
}

static int renames(void *arg)
{
    int rc = SWEPT(kt_task_name_set, (arg, "new name"));
    CHECK_STR(kt_task_name(arg), rc < 0 ? "old name" : "new name");
    return rc;
}

SWEEP(kt_task_name_set, ALLOCATES)
{
    kt_task *t = spawn(nothing, NULL, 0);
    sure(kt_task_name_set(t, "old name"));
    (void)sweep_subject(renames, t);
    sure(kt_task_join(t));
}

static void count_task(kt_task *t, void *arg)
{
    CHECK(!kt_task_done(t));
    ++*(int *)arg;
}

SWEEP(kt_task_hook_set, PLAIN)
{
    int seen = 0;
    SWEPT(kt_task_hook_set, (count_task, &seen));
    sure(kt_task_join(spawn(nothing, NULL, 0)));
    CHECK_EQ(seen, 1);
    SWEPT(kt_task_hook_set, (NULL, NULL));
    sure(kt_task_join(spawn(nothing, NULL, 0)));
    CHECK_EQ(seen, 1);
}

SWEEP(kt_task_each, PLAIN)
{
    CHECK_EQ(SWEPT(kt_task_each, (NULL, NULL)), 1);
}

SWEEP(kt_task_dump, ALLOCATES | SPARES)
{
    kt_task *t = spawn(naps, second, sizeof second);
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    settle();
    SWEPT(kt_task_dump, (fd));
    close(fd);
    sure(kt_task_join(t));
}

static void note(void *arg)
{
    ++*(int *)arg;
}

SWEEP(kt_task_on_done, PLAIN)
{
    kt_callback over = KT_CALLBACK_INIT;
    int called = 0;
    kt_task *t = spawn(nothing, NULL, 0);
    SWEPT(kt_task_on_done, (t, &over, note, &called));
    sure(kt_task_join(t));
    settle();
    CHECK_EQ(called, 1);
}

/* ---- Cancellation from inside --------------------------------------------------------------- */

static int catches(void *arg)
{
    (void)arg;
    CHECK_ERR(kt_sleep(KT_S(1)), KT_ECANCELED);
    CHECK_ERR(SWEPT(kt_cancel_catch, ()), KT_ECANCELED);
    return kt_sleep(0);
}

SWEEP(kt_cancel_catch, PLAIN)
{
    kt_task *t = spawn(catches, NULL, 0);
    settle();
    kt_task_cancel(t);
    sure(kt_task_join(t));
}

SWEEP(kt_cancel_hold, PLAIN)
{
    SWEPT(kt_cancel_hold, ());
    kt_task_cancel(kt_task_current());
    settle();
    kt_cancel_unhold();
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
}

SWEEP(kt_cancel_unhold, PLAIN)
{
    kt_cancel_hold();
    kt_task_cancel(kt_task_current());
    SWEPT(kt_cancel_unhold, ());
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
}

SWEEP(kt_task_cancelling, PLAIN)
{
    CHECK_EQ(SWEPT(kt_task_cancelling, (kt_task_current())), 0);
}

SWEEP(kt_task_uncancel, PLAIN)
{
    kt_task_cancel(kt_task_current());
    CHECK_EQ(SWEPT(kt_task_uncancel, (kt_task_current())), 0);
    settle();
}

/* ---- Time ---------------------------------------------------------------------------------- */

static int sleeps(void *arg)
{
    return SWEPT(kt_sleep, (KT_MS(*(int *)arg)));
}

SWEEP(kt_sleep, SUSPENDS)
{
    sweep_begin(sleeps, second);
    (void)sweep_end();
}

SWEEP_AS(kt_sleep, yielding, SUSPENDS)
{
    sweep_begin(sleeps, &(int){0});
    (void)sweep_end();
}

SWEEP(kt_now, PLAIN)
{
    CHECK_GE(SWEPT(kt_now, ()), 0);
}

/* ---- Callbacks ----------------------------------------------------------------------------- */

SWEEP(kt_call_soon, PLAIN)
{
    kt_callback c = KT_CALLBACK_INIT;
    int called = 0;
    SWEPT(kt_call_soon, (&c, note, &called));
    settle();
    CHECK_EQ(called, 1);
}

SWEEP(kt_call_later, PLAIN)
{
    kt_callback c = KT_CALLBACK_INIT;
    int called = 0;
    SWEPT(kt_call_later, (&c, KT_S(1), note, &called));
    sure(kt_sleep(KT_S(2)));
    CHECK_EQ(called, 1);
}

SWEEP(kt_call_at, PLAIN)
{
    kt_callback c = KT_CALLBACK_INIT;
    int called = 0;
    SWEPT(kt_call_at, (&c, kt_now() + KT_S(1), note, &called));
    sure(kt_sleep(KT_S(2)));
    CHECK_EQ(called, 1);
}

SWEEP(kt_callback_cancel, PLAIN)
{
    kt_callback c = KT_CALLBACK_INIT;
    int called = 0;
    kt_call_later(&c, KT_S(1), note, &called);
    CHECK(SWEPT(kt_callback_cancel, (&c)));
    sure(kt_sleep(KT_S(2)));
    CHECK_EQ(called, 0);
}

SWEEP(kt_callback_pending, PLAIN)
{
    kt_callback c = KT_CALLBACK_INIT;
    CHECK(!SWEPT(kt_callback_pending, (&c)));
}

SWEEP(kt_callback_when, PLAIN)
{
    kt_auto(kt_callback) c = KT_CALLBACK_INIT;
    kt_time when = kt_now() + KT_S(1);
    int called = 0;
    CHECK_EQ(SWEPT(kt_callback_when, (&c)), 0);
    kt_call_at(&c, when, note, &called);
    CHECK_EQ(SWEPT(kt_callback_when, (&c)), when);
    CHECK(kt_callback_cancel(&c));
    CHECK_EQ(SWEPT(kt_callback_when, (&c)), 0);
}

/* ---- Futures ------------------------------------------------------------------------------- */

static int awaits_future(void *arg)
{
    intptr_t result = 1;
    int rc = SWEPT(kt_future_await, (arg, &result));
    CHECK_EQ(result, rc < 0 ? 1 : 42);
    return rc;
}

SWEEP(kt_future_await, SUSPENDS)
{
    kt_future f = KT_FUTURE_INIT;
    sweep_begin(awaits_future, &f);
    sure(kt_sleep(KT_S(1)));
    int set = kt_future_set_result(&f, 42);
    int rc = sweep_end();
    if (set < 0)
        CHECK(kt_future_cancelled(&f)); /* by the subject's cancellation */
    if (rc >= 0)
        CHECK_OK(set);
    CHECK(!f.waiters.first);
}

SWEEP(kt_future_set_result, PLAIN)
{
    kt_future f = KT_FUTURE_INIT;
    sure(SWEPT(kt_future_set_result, (&f, 1)));
    CHECK_ERR(SWEPT(kt_future_set_result, (&f, 2)), KT_EINVALIDSTATE);
}

SWEEP(kt_future_set_error, PLAIN)
{
    kt_future f = KT_FUTURE_INIT;
    sure(SWEPT(kt_future_set_error, (&f, -EIO)));
}

SWEEP(kt_future_cancel, PLAIN)
{
    kt_future f = KT_FUTURE_INIT;
    CHECK(SWEPT(kt_future_cancel, (&f)));
}

SWEEP(kt_future_done, PLAIN)
{
    kt_future f = KT_FUTURE_INIT;
    CHECK(!SWEPT(kt_future_done, (&f)));
}

SWEEP(kt_future_cancelled, PLAIN)
{
    kt_future f = KT_FUTURE_INIT;
    CHECK(!SWEPT(kt_future_cancelled, (&f)));
}

SWEEP(kt_future_result, PLAIN)
{
    kt_future f = KT_FUTURE_INIT;
    CHECK_ERR(SWEPT(kt_future_result, (&f, NULL)), KT_EINVALIDSTATE);
}

SWEEP(kt_future_on_done, PLAIN)
{
    kt_future f = KT_FUTURE_INIT;
    kt_callback c = KT_CALLBACK_INIT;
    int called = 0;
    SWEPT(kt_future_on_done, (&f, &c, note, &called));
    sure(kt_future_set_result(&f, 1));
    settle();
    CHECK_EQ(called, 1);
}
