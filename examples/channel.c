/* SPDX-License-Identifier: MIT */
/* A mill: threads bring grain, a loop of millers grinds it, and a second loop of bakers takes the flour until
 * there is no more. One channel lies between each two. */

#include <kettle/kettle.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

enum { FARMERS = 2, MILLERS = 3, BAKERS = 2, SACKS = 1000 };

static kt_channel grain = KT_CHANNEL_INIT(int, 10); /* pounds; at most ten sacks lie at the door */
static kt_channel flour = KT_CHANNEL_INIT(int, 10);

static atomic_int farmers = FARMERS;

/* A plain thread without a loop: it blocks while the door is full. */
static void *farmer(void *arg)
{
    (void)arg;
    int rc = 0;
    for (int pounds = 1; pounds <= SACKS && rc == 0; pounds++)
        rc = kt_channel_send(&grain, &pounds);
    if (atomic_fetch_sub(&farmers, 1) == 1)
        kt_channel_shutdown(&grain, false); /* the millers work off what is there */
    return (void *)(intptr_t)rc;
}

/* In a task: it suspends, and the others go on. */
static int miller(void *arg)
{
    (void)arg;
    int pounds, rc;
    while ((rc = kt_channel_receive(&grain, &pounds)) == 0) {
        rc = kt_channel_send(&flour, &pounds);
        if (rc < 0)
            return rc;
    }
    return rc == KT_ESHUTDOWN ? 0 : rc; /* no more will come */
}

static int mill(void *arg)
{
    (void)arg;
    kt_auto(kt_group) millers = KT_GROUP_INIT;
    int rc = 0;
    for (int i = 0; i < MILLERS && rc == 0; i++)
        rc = kt_group_spawn(&millers, miller, NULL, 0);
    rc = kt_group_join(&millers, rc);
    kt_channel_shutdown(&flour, false);
    return rc;
}

static void *mill_thread(void *arg)
{
    return (void *)(intptr_t)kt_run(mill, arg, 0);
}

KT_FN(baker, b, struct { long *sacks, *pounds; })
{
    int pounds, rc;
    while ((rc = kt_channel_receive(&flour, &pounds)) == 0) {
        *b->sacks += 1; /* both bakers are in this loop, so this needs no lock */
        *b->pounds += pounds;
    }
    return rc == KT_ESHUTDOWN ? 0 : rc;
}

static int bakery(void *arg)
{
    (void)arg;
    long sacks = 0, pounds = 0;
    kt_auto(kt_group) bakers = KT_GROUP_INIT;
    int rc = 0;
    for (int i = 0; i < BAKERS && rc == 0; i++)
        rc = kt_group_spawn(&bakers, KT_WITH(baker, .sacks = &sacks, .pounds = &pounds));
    rc = kt_group_join(&bakers, rc);
    kt_channel_shutdown(&grain, true); /* cancelled? Then nobody need work for us */
    kt_channel_shutdown(&flour, true);
    printf("%ld sacks, %ld pounds\n", sacks, pounds);
    return rc;
}

int main(void)
{
    pthread_t threads[FARMERS + 1];
    for (int i = 0; i <= FARMERS; i++)
        if (pthread_create(&threads[i], NULL, i < FARMERS ? farmer : mill_thread, NULL) != 0)
            return 1;
    int rc = kt_run(bakery, NULL, 0);
    for (int i = 0; i <= FARMERS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        rc = rc < 0 ? rc : (int)(intptr_t)result;
    }
    kt_channel_release(&grain);
    kt_channel_release(&flour);
    if (rc < 0)
        fprintf(stderr, "channel: %s\n", kt_strerror(rc));
    return rc < 0;
}
