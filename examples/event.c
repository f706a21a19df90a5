/* SPDX-License-Identifier: MIT */
/* An event wakes everybody who waits for it, in the order in which they came. */
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(waiter, a, struct {
    kt_event *event;
    int number;
})
{
    printf("Waiter-%d: waiting for event\n", a->number);
    int rc = kt_event_wait(a->event);
    if (rc < 0)
        return rc;
    printf("Waiter-%d: event received!\n", a->number);
    return 0;
}

static int setter(void *arg)
{
    int rc = kt_sleep(KT_S(2));
    if (rc < 0)
        return rc;
    printf("Setter: setting event\n");
    kt_event_set(arg);
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    kt_event event = KT_EVENT_INIT; /* before the group whose children use it */
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    kt_time start = kt_now();
    int rc = 0;
    for (int i = 1; rc == 0 && i <= 3; i++)
        rc = kt_group_spawn(&tasks, KT_WITH(waiter, &event, i));
    if (rc == 0)
        rc = kt_group_spawn(&tasks, setter, &event, 0);
    rc = kt_group_join(&tasks, rc);
    if (rc < 0)
        return rc;
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "event: %s\n", kt_strerror(rc));
    return rc < 0;
}
