/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(numbers, a, struct {
    const char *name;
    bool fails;
})
{
    int rc = 0;
    for (int i = 1; i < 4 && rc == 0; i++) {
        rc = kt_sleep(0);
        if (rc < 0)
            say("%s cancelled inside", a->name);
        else if (a->fails && i == 2)
            rc = raise_error(a->name);
        else
            rc = kt_yield(&i);
    }
    say("%s cleanup", a->name);
    return rc;
}

KT_FN(even, a, struct {
    kt_generator *from;
    const char *name;
})
{
    int rc, n;
    while ((rc = kt_next(a->from, &n)) == 1)
        if (n % 2 == 0 && (rc = kt_yield(&n)) < 0)
            break;
    say("%s cleanup", a->name);
    return rc;
}

static int slow(void *arg)
{
    (void)arg;
    int rc = kt_yield(&(int){1});
    if (rc == 0)
        rc = kt_sleep(50 * U);
    if (kt_is_cancel(rc))
        say("slow cancelled inside");
    if (rc == 0)
        rc = kt_yield(&(int){2});
    say("slow cleanup");
    return rc;
}

static int consume_slow(const char *who)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    int n, rc = kt_generator_start(&g, slow, NULL, 0);
    while (rc >= 0 && (rc = kt_next(&g, &n)) == 1)
        say("%sgot %d", who, n);
    return rc;
}

static int consumer(void *arg)
{
    (void)arg;
    int rc = consume_slow("consumer ");
    if (rc == KT_ECANCELED)
        say("consumer cancelled");
    return rc;
}

static void chain(void)
{
    kt_auto(kt_generator) a = KT_GENERATOR_INIT(int), b = KT_GENERATOR_INIT(int);
    int n;
    sure(kt_generator_start(&a, KT_WITH(numbers, "A", false)));
    sure(kt_generator_start(&b, KT_WITH(even, &a, "B")));
    while (sure(kt_next(&b, &n)) == 1)
        say("got %d", n);
}

static void failing(void)
{
    kt_auto(kt_generator) c = KT_GENERATOR_INIT(int), d = KT_GENERATOR_INIT(int);
    int n;
    sure(kt_generator_start(&c, KT_WITH(numbers, "C", true)));
    int rc;
    while ((rc = kt_next(&c, &n)) == 1)
        say("got %d", n);
    if (rc == -EIO)
        say("caught %s", kt_error_detail());
    sure(kt_generator_start(&d, KT_WITH(numbers, "D", true)));
    if (sure(kt_next(&d, &n)) == 1)
        say("got %d", n);
    if (kt_next(&d, &n) == -EIO)
        say("caught %s", kt_error_detail());
    if (kt_next(&d, &n) == 0)
        say("ended");
}

static int body(void *arg)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    (void)arg;
    chain();
    failing();
    kt_task *t = spawn(consumer, NULL, 0);
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    kt_timeout_start(&limit, U);
    if (kt_timeout_end(&limit, consume_slow("")) == KT_ETIMEDOUT)
        say("timeout");
    return 0;
}

int main(void)
{
    return run(body);
}
