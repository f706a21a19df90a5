/* SPDX-License-Identifier: MIT */
/* Tasks run one at a time, so a lock is needed only where a task waits between reading and writing.
 * Without it, all three read the same count. */
#include <kettle/kettle.h>
#include <stdio.h>

typedef struct tally {
    kt_lock lock;
    int count;
} tally;

KT_FN(increment_without_lock, a, struct {
    tally *tally;
    int number;
})
{
    int current = a->tally->count;
    int rc = kt_sleep(KT_MS(100)); /* the others read meanwhile */
    if (rc < 0)
        return rc;
    a->tally->count = current + 1;
    printf("Task-%d: counter=%d\n", a->number, a->tally->count);
    return 0;
}

KT_FN(increment_with_lock, a, struct {
    tally *tally;
    int number;
})
{
    int rc = kt_lock_acquire(&a->tally->lock);
    if (rc < 0)
        return rc; /* cancelled while waiting: the lock is not ours */
    printf("Task-%d: acquired lock\n", a->number);
    int current = a->tally->count;
    rc = kt_sleep(KT_MS(100));
    if (rc == 0) {
        a->tally->count = current + 1;
        printf("Task-%d: released lock, counter=%d\n", a->number, a->tally->count);
    }
    kt_lock_release(&a->tally->lock);
    return rc;
}

static int run(void *arg)
{
    (void)arg;
    tally without = {KT_LOCK_INIT, 0}, with = {KT_LOCK_INIT, 0};
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    int rc = 0;
    for (int i = 1; rc == 0 && i <= 3; i++)
        rc = kt_group_spawn(&tasks, KT_WITH(increment_without_lock, &without, i));
    rc = kt_group_join(&tasks, rc);
    if (rc < 0)
        return rc;
    printf("Without lock: %d\n", without.count);
    for (int i = 1; rc == 0 && i <= 3; i++)
        rc = kt_group_spawn(&tasks, KT_WITH(increment_with_lock, &with, i));
    rc = kt_group_join(&tasks, rc);
    if (rc < 0)
        return rc;
    printf("With lock: %d\n", with.count);
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "lock: %s\n", kt_strerror(rc));
    return rc < 0;
}
