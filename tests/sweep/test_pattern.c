/* SPDX-License-Identifier: MIT */
#include "sweep.h"

/* Rates, retries, breakers, periodic work, broadcasts. */

/* ---- Rates --------------------------------------------------------------------------------- */

static int acquires_start(void *arg)
{
    return SWEPT(kt_rate_acquire, (arg));
}

SWEEP(kt_rate_acquire, SUSPENDS)
{
    kt_rate r = KT_RATE_INIT(1, KT_S(10));
    kt_time start = kt_now();
    sure(kt_rate_acquire(&r));
    sweep_begin(acquires_start, &r);
    int rc = sweep_end();
    sure(kt_rate_acquire(&r)); /* the next start; one that was cancelled does not count */
    CHECK_EQ(kt_now() - start, KT_S(rc < 0 ? 10 : 20));
    kt_rate_release(&r);
}

static int stands_in_line(void *arg)
{
    return kt_rate_acquire(arg);
}

SWEEP_AS(kt_rate_acquire, in_line, SUSPENDS)
{
    kt_rate r = KT_RATE_INIT(1, KT_S(10));
    sure(kt_rate_acquire(&r));
    kt_task *first = spawn(stands_in_line, &r, 0);
    settle();
    sweep_begin(acquires_start, &r);
    kt_task *last = spawn(stands_in_line, &r, 0);
    (void)sweep_end();
    sure(kt_task_join(first));
    sure(kt_task_join(last));
    kt_rate_release(&r);
}

SWEEP_AS(kt_rate_acquire, first_use, ALLOCATES)
{
    kt_rate r = KT_RATE_INIT(1, KT_S(10));
    (void)sweep_subject(acquires_start, &r);
    CHECK(!kt_lock_locked(&r.door));
    kt_rate_release(&r);
}

static int acquires_at_once(void *arg)
{
    return SWEPT(kt_rate_acquire_nowait, (arg));
}

SWEEP(kt_rate_acquire_nowait, ALLOCATES)
{
    kt_rate r = KT_RATE_INIT(1, KT_S(10));
    (void)sweep_subject(acquires_at_once, &r);
    CHECK_ERR(SWEPT(kt_rate_acquire_nowait, (&r)), -EBUSY);
    kt_rate_release(&r);
}

SWEEP(kt_rate_delay, PLAIN)
{
    kt_rate r = KT_RATE_INIT(1, KT_S(10));
    CHECK_EQ(SWEPT(kt_rate_delay, (&r)), 0);
}

SWEEP(kt_rate_release, PLAIN)
{
    kt_rate r = KT_RATE_INIT(1, KT_S(10));
    sure(kt_rate_acquire(&r));
    SWEPT(kt_rate_release, (&r));
}

static int takes_tokens(void *arg)
{
    return SWEPT(kt_bucket_take, (arg, 2));
}

static int takes_a_token(void *arg)
{
    return kt_bucket_take(arg, 1);
}

SWEEP(kt_bucket_take, SUSPENDS)
{
    kt_bucket b = KT_BUCKET_INIT(1, KT_S(1), 2);
    kt_time start = kt_now();
    sure(kt_bucket_take(&b, 2));
    sweep_begin(takes_tokens, &b);
    kt_task *next = spawn(takes_a_token, &b, 0);
    int rc = sweep_end();
    sure(kt_task_join(next));
    CHECK_LE(kt_now() - start, KT_S(rc < 0 ? 2 : 3));
}

SWEEP(kt_bucket_take_nowait, PLAIN)
{
    kt_bucket b = KT_BUCKET_INIT(1, KT_S(1), 1);
    sure(SWEPT(kt_bucket_take_nowait, (&b, 1)));
    CHECK_ERR(SWEPT(kt_bucket_take_nowait, (&b, 1)), -EBUSY);
}

SWEEP(kt_bucket_tokens, PLAIN)
{
    kt_bucket b = KT_BUCKET_INIT(1, KT_S(1), 3);
    CHECK_EQ(SWEPT(kt_bucket_tokens, (&b)), 3);
}

SWEEP(kt_throttle_pass, PLAIN)
{
    kt_throttle t = KT_THROTTLE_INIT(KT_S(1));
    CHECK(SWEPT(kt_throttle_pass, (&t)));
    CHECK(!SWEPT(kt_throttle_pass, (&t)));
}

/* ---- Debouncer ----------------------------------------------------------------------------- */

static int counts(void *arg)
{
    ++**(int **)arg;
    return 3;
}

static int counts_slowly(void *arg)
{
    int rc = kt_sleep(KT_S(1));
    ++*(int *)arg;
    return rc;
}

typedef struct bounced {
    kt_debouncer d;
    int runs, *counter;
} bounced;

static int calls_debounced(void *arg)
{
    bounced *b = arg;
    return SWEPT(kt_debouncer_call, (&b->d, counts, &b->counter, sizeof b->counter));
}

SWEEP(kt_debouncer_call, ALLOCATES)
{
    bounced b = {.d = KT_DEBOUNCER_INIT(KT_S(1))};
    b.counter = &b.runs;
    (void)sweep_subject(calls_debounced, &b);
    sure(kt_sleep(KT_S(2)));
    CHECK_EQ(b.runs, 1);
    kt_debouncer_cleanup(&b.d);
}

SWEEP_AS(kt_debouncer_call, another_waits, ALLOCATES)
{
    bounced b = {.d = KT_DEBOUNCER_INIT(KT_S(1))};
    b.counter = &b.runs;
    sure(kt_debouncer_call(&b.d, counts, &b.counter, sizeof b.counter));
    (void)sweep_subject(calls_debounced, &b);
    sure(kt_sleep(KT_S(2)));
    CHECK_EQ(b.runs, 1);
    kt_debouncer_cleanup(&b.d);
}

static int flushes(void *arg)
{
    return SWEPT(kt_debouncer_flush, (arg));
}

SWEEP(kt_debouncer_flush, SUSPENDS)
{
    bounced b = {.d = KT_DEBOUNCER_INIT(KT_S(1))};
    sure(kt_debouncer_call(&b.d, counts_slowly, &b.runs, 0));
    sweep_begin(flushes, &b.d);
    (void)sweep_end();
    CHECK_OK(kt_debouncer_flush(&b.d)); /* the run went on */
    CHECK_EQ(b.runs, 1);
    kt_debouncer_cleanup(&b.d);
}

SWEEP(kt_debouncer_drop, PLAIN)
{
    bounced b = {.d = KT_DEBOUNCER_INIT(KT_S(1))};
    sure(kt_debouncer_call(&b.d, counts_slowly, &b.runs, 0));
    SWEPT(kt_debouncer_drop, (&b.d));
    sure(kt_sleep(KT_S(5)));
    CHECK_EQ(b.runs, 0);
    kt_debouncer_cleanup(&b.d);
}

static int cleans_debouncer(void *arg)
{
    bounced *b = arg;
    sure(kt_debouncer_call(&b->d, counts_slowly, &b->runs, 0));
    sure(kt_sleep(KT_MS(1500)));
    SWEPT(kt_debouncer_cleanup, (&b->d));
    CHECK_EQ(b->runs, 1);
    return 0;
}

SWEEP(kt_debouncer_cleanup, SUSPENDS | HOLDS)
{
    bounced b = {.d = KT_DEBOUNCER_INIT(KT_S(1))};
    sweep_begin(cleans_debouncer, &b);
    (void)sweep_end();
}

/* ---- Retries and breakers ------------------------------------------------------------------- */

static int retries(void *arg)
{
    kt_retry r = {.attempts = 3};
    int rc, tries = 0;
    (void)arg;
    do
        rc = ++tries < 3 ? -EIO : 0;
    while (SWEPT(kt_retry_wait, (&r, &rc)));
    return rc;
}

SWEEP(kt_retry_wait, SUSPENDS)
{
    sweep_begin(retries, NULL);
    (void)sweep_end();
}

static int fails_once(void *arg)
{
    return ++*(int *)arg < 2 ? -EIO : 0;
}

static int retries_a_function(void *arg)
{
    int tries = 0;
    (void)arg;
    return SWEPT(kt_retry_run, (NULL, fails_once, &tries, 0));
}

SWEEP(kt_retry_run, SUSPENDS)
{
    sweep_begin(retries_a_function, NULL);
    (void)sweep_end();
}

static int runs_through_breaker(void *arg)
{
    return SWEPT(kt_breaker_run, (arg, naps, &(int){1000}, 0));
}

SWEEP(kt_breaker_run, SUSPENDS)
{
    kt_breaker b = {.failures_max = 1, .open_for = KT_S(1)};
    kt_breaker_leave(&b, kt_breaker_enter(&b), -EIO); /* open: the subject's is the one trial */
    sure(kt_sleep(KT_S(2)));
    sweep_begin(runs_through_breaker, &b);
    int rc = sweep_end();
    if (rc == KT_ETIMEDOUT)
        CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_OPEN); /* that is a failure */
    else
        CHECK_OK(kt_breaker_run(&b, naps, &(int){1}, 0)); /* one that was cancelled made room */
}

SWEEP(kt_breaker_enter, PLAIN)
{
    kt_breaker b = {.failures_max = 1};
    int ticket = SWEPT(kt_breaker_enter, (&b));
    CHECK_OK(ticket);
    kt_breaker_leave(&b, ticket, 0);
}

static int is_refused(void *arg)
{
    CHECK_ERR(SWEPT(kt_breaker_enter, (arg)), -EAGAIN);
    return 0;
}

SWEEP_AS(kt_breaker_enter, refused, ALLOCATES | SPARES)
{
    kt_breaker b = {.failures_max = 1};
    kt_breaker_leave(&b, kt_breaker_enter(&b), -EIO);
    (void)sweep_subject(is_refused, &b); /* without memory without the words */
}

SWEEP(kt_breaker_leave, PLAIN)
{
    kt_breaker b = {.failures_max = 1};
    int ticket = kt_breaker_enter(&b);
    SWEPT(kt_breaker_leave, (&b, ticket, -EIO));
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_OPEN);
}

SWEEP(kt_breaker_state_now, PLAIN)
{
    kt_breaker b = {.failures_max = 1};
    CHECK_EQ(SWEPT(kt_breaker_state_now, (&b)), KT_BREAKER_CLOSED);
}

SWEEP(kt_breaker_reset, PLAIN)
{
    kt_breaker b = {.failures_max = 1};
    kt_breaker_leave(&b, kt_breaker_enter(&b), -EIO);
    SWEPT(kt_breaker_reset, (&b));
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_CLOSED);
}

/* ---- Periodic ------------------------------------------------------------------------------ */

static int starts_periodic(void *arg)
{
    bounced b = {.runs = 0};
    kt_periodic p = {.interval = KT_S(1), .runs_max = 2};
    (void)arg;
    b.counter = &b.runs;
    int rc = SWEPT(kt_periodic_start, (&p, counts, &b.counter, sizeof b.counter));
    CHECK_EQ(p.task != NULL, rc >= 0);
    if (rc < 0)
        return rc;
    sure(kt_sleep(KT_S(5)));
    CHECK_EQ(b.runs, 2);
    return kt_periodic_stop(&p);
}

SWEEP(kt_periodic_start, ALLOCATES)
{
    (void)sweep_subject(starts_periodic, NULL);
}

static int stops_periodic(void *arg)
{
    kt_periodic p = {.interval = KT_S(1)};
    sure(kt_periodic_start(&p, counts_slowly, arg, 0));
    sure(kt_sleep(KT_MS(1500)));
    sure(SWEPT(kt_periodic_stop, (&p)));
    CHECK_EQ(*(int *)arg, 1); /* cancelled in the middle, and awaited */
    return 0;
}

SWEEP(kt_periodic_stop, SUSPENDS | HOLDS)
{
    int runs = 0;
    sweep_begin(stops_periodic, &runs);
    (void)sweep_end();
}

static int runs_periodic(void *arg)
{
    kt_periodic p = {.interval = KT_S(1), .runs_max = 2};
    return SWEPT(kt_periodic_run, (&p, counts_slowly, arg, 0));
}

SWEEP(kt_periodic_run, SUSPENDS)
{
    int runs = 0;
    sweep_begin(runs_periodic, &runs);
    int rc = sweep_end();
    CHECK(rc < 0 || runs == 2);
}

/* ---- Broadcast ----------------------------------------------------------------------------- */

static int sends(void *arg)
{
    return SWEPT(kt_broadcast_send, (arg, &(int){2}));
}

/* Whoever takes part in a broadcast of one place each: a subscriber that is full. */
typedef struct news {
    kt_broadcast b;
    kt_subscriber s;
} news;

static void news_open(news *n)
{
    *n = (news){.b = KT_BROADCAST_INIT(int), .s = {.max = 1}};
    sure(kt_subscriber_open(&n->s, &n->b));
}

static void news_close(news *n)
{
    kt_subscriber_close(&n->s);
    kt_broadcast_cleanup(&n->b);
}

static int sends_three(void *arg)
{
    return kt_broadcast_send(arg, &(int){3});
}

SWEEP(kt_broadcast_send, SUSPENDS)
{
    news n;
    int item = 0, sum = 0;
    news_open(&n);
    CHECK_EQ(kt_broadcast_send(&n.b, &(int){1}), 1);
    sweep_begin(sends, &n.b);
    kt_task *next = spawn(sends_three, &n.b, 0);
    for (int i = 0; i < 2; i++) {
        sure(kt_sleep(KT_S(1)));
        sure(kt_subscriber_get(&n.s, &item));
        sum += item;
    }
    if (sweep_end() >= 0) {
        sure(kt_subscriber_get(&n.s, &item));
        sum += item - 2;
    }
    CHECK_EQ(kt_task_join(next), 1);
    CHECK_EQ(sum, 4); /* nobody got what was cancelled, everybody the rest */
    news_close(&n);
}

SWEEP(kt_broadcast_send_nowait, PLAIN)
{
    news n;
    news_open(&n);
    CHECK_EQ(SWEPT(kt_broadcast_send_nowait, (&n.b, &(int){1})), 1);
    CHECK_ERR(SWEPT(kt_broadcast_send_nowait, (&n.b, &(int){1})), KT_EFULL);
    news_close(&n);
}

SWEEP(kt_broadcast_shutdown, PLAIN)
{
    news n;
    int item;
    news_open(&n);
    SWEPT(kt_broadcast_shutdown, (&n.b));
    CHECK_ERR(kt_subscriber_get(&n.s, &item), KT_ESHUTDOWN);
    news_close(&n);
}

static int ends_broadcast(void *arg)
{
    news *n = arg;
    SWEPT(kt_broadcast_cleanup, (&n->b));
    return 0;
}

SWEEP(kt_broadcast_cleanup, SUSPENDS | HOLDS)
{
    news n;
    news_open(&n);
    CHECK_EQ(kt_broadcast_send(&n.b, &(int){1}), 1);
    kt_task *sender = spawn(sends_three, &n.b, 0);
    settle();
    sweep_begin(ends_broadcast, &n);
    CHECK_ERR(kt_task_join(sender), KT_ESHUTDOWN);
    (void)sweep_end();
    kt_subscriber_close(&n.s);
}

static int opens_subscriber(void *arg)
{
    kt_subscriber s = {.max = 4};
    int rc = SWEPT(kt_subscriber_open, (&s, arg));
    CHECK_EQ(((kt_broadcast *)arg)->subscribers, rc < 0 ? 0 : 1);
    kt_subscriber_close(&s);
    return rc;
}

SWEEP(kt_subscriber_open, ALLOCATES)
{
    kt_broadcast b = KT_BROADCAST_INIT(int);
    (void)sweep_subject(opens_subscriber, &b);
    kt_broadcast_cleanup(&b);
}

static int gets_item(void *arg)
{
    news *n = arg;
    int item = -1, rc = SWEPT(kt_subscriber_get, (&n->s, &item));
    CHECK_EQ(item, rc < 0 ? -1 : 1);
    return rc;
}

SWEEP(kt_subscriber_get, SUSPENDS)
{
    news n;
    int item = -1;
    news_open(&n);
    sweep_begin(gets_item, &n);
    sure(kt_sleep(KT_S(1)));
    CHECK_EQ(kt_broadcast_send(&n.b, &(int){1}), 1);
    if (sweep_end() < 0)
        sure(kt_subscriber_get(&n.s, &item)); /* it was not taken */
    CHECK_ERR(kt_subscriber_get_nowait(&n.s, &item), KT_EEMPTY);
    news_close(&n);
}

SWEEP(kt_subscriber_get_nowait, PLAIN)
{
    news n;
    int item = -1;
    news_open(&n);
    CHECK_ERR(SWEPT(kt_subscriber_get_nowait, (&n.s, &item)), KT_EEMPTY);
    CHECK_EQ(item, -1);
    news_close(&n);
}

SWEEP(kt_subscriber_close, PLAIN)
{
    news n;
    news_open(&n);
    SWEPT(kt_subscriber_close, (&n.s));
    CHECK_EQ(n.b.subscribers, 0);
    news_close(&n);
}
