/* SPDX-License-Identifier: MIT */
#include "say.h"

/* A resource whose opening and closing wait. A scope attribute is not told the reason, so whoever leaves
 * says it. */
typedef struct resource {
    const char *name;
    int reason;
} resource;

static int resource_open(resource *r, const char *name, bool fails)
{
    sure(kt_sleep(0));
    if (fails) {
        say("%s open fails", name);
        return raise_error(name);
    }
    say("%s opened", name);
    r->name = name;
    return 0;
}

static void resource_cleanup(resource *r)
{
    if (!r->name)
        return;
    say("%s closing, reason %s", r->name,
        kt_is_cancel(r->reason) ? "cancelled" : r->reason < 0 ? "error" : "normal");
    kt_cancel_hold();
    sure(kt_sleep(0));
    kt_cancel_unhold();
    say("%s closed", r->name);
}

static int work(void *arg)
{
    kt_auto(resource) r1 = {NULL, 0};
    kt_auto(resource) r2 = {NULL, 0};
    (void)arg;
    sure(resource_open(&r1, "R1", false));
    sure(resource_open(&r2, "R2", false));
    say("work waits");
    return r1.reason = r2.reason = kt_sleep(50 * U);
}

static int second_fails(void)
{
    kt_auto(resource) r3 = {NULL, 0};
    kt_auto(resource) r4 = {NULL, 0};
    sure(resource_open(&r3, "R3", false));
    return r3.reason = resource_open(&r4, "R4", true);
}

static void error_ends_here(void)
{
    kt_auto(resource) r5 = {NULL, 0};
    sure(resource_open(&r5, "R5", false));
    r5.reason = raise_error("hidden");
}

static int body(void *arg)
{
    (void)arg;
    kt_task *t = spawn(work, NULL, 0);
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    say("work cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    if (second_fails() == -EIO)
        say("main caught %s", kt_error_detail());
    error_ends_here();
    say("main end");
    return 0;
}

int main(void)
{
    return run(body);
}
