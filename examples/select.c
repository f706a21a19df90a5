/* SPDX-License-Identifier: MIT */
/* A waiter at two counters: takes whatever comes first, complains when nothing does, and leaves when
 * the kitchen closes. */

#include <kettle/kettle.h>

#include <stdio.h>

KT_FN(cook, c, struct { kt_queue *counter; int first, every; })
{
    for (int order = c->first; order < c->first + 3; order++) {
        int rc = kt_sleep(KT_S(c->every));
        if (rc == 0)
            rc = kt_queue_put(c->counter, &order);
        if (rc < 0)
            return rc;
    }
    return 0;
}

KT_FN(closing_time, c, struct { kt_event *closed; })
{
    int rc = kt_sleep(KT_S(20));
    if (rc == 0)
        kt_event_set(c->closed);
    return rc;
}

static int wait_at(kt_queue *drinks, kt_queue *dishes, kt_event *closed)
{
    int drink, dish;
    kt_select_case cases[] = {
        kt_select_event(closed), /* first: it counts even if there is still something to carry */
        kt_select_get(drinks, &drink),
        kt_select_get(dishes, &dish),
        kt_select_after(KT_S(5)), /* since the last one */
    };
    for (;;) {
        int which = kt_select(cases, 4);
        if (which < 0)
            return which; /* cancelled: nothing was taken from a counter */
        if (which == 0)
            return printf("closed\n"), 0;
        if (which == 3)
            printf("nothing for five seconds\n");
        else
            printf("%s %d\n", which == 1 ? "drink" : "dish", which == 1 ? drink : dish);
    }
}

static int restaurant(void *arg)
{
    (void)arg;
    kt_auto(kt_queue) drinks = KT_QUEUE_INIT(int, 2), dishes = KT_QUEUE_INIT(int, 2);
    kt_event closed = KT_EVENT_INIT;
    kt_auto(kt_group) staff = KT_GROUP_INIT;
    int rc = kt_group_spawn(&staff, KT_WITH(cook, .counter = &drinks, .first = 1, .every = 2));
    if (rc == 0)
        rc = kt_group_spawn(&staff, KT_WITH(cook, .counter = &dishes, .first = 11, .every = 3));
    if (rc == 0)
        rc = kt_group_spawn(&staff, KT_WITH(closing_time, .closed = &closed));
    if (rc == 0)
        rc = wait_at(&drinks, &dishes, &closed);
    return kt_group_join(&staff, rc);
}

int main(void)
{
    return kt_run(restaurant, NULL, 0) < 0;
}
