/* SPDX-License-Identifier: MIT */
/* Clean-up that must wait. A cancelled task's waits fail until it says that it has caught the
 * cancellation; then they work again. It still returns the error, so its end is a cancellation. */
#include <kettle/kettle.h>
#include <stdio.h>

static int say_goodbye(void)
{
    printf("clean-up begins\n");
    int rc = kt_sleep(KT_S(1)); /* to the peer, which answers */
    printf("clean-up ends: %s\n", rc == 0 ? "it could wait" : kt_strerror(rc));
    return rc;
}

static int talk(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_S(10));
    if (kt_is_cancel(rc)) {
        kt_cancel_catch();
        int goodbye = say_goodbye();
        return goodbye < 0 ? goodbye : rc; /* a second cancellation may have cut it short */
    }
    return rc < 0 ? rc : say_goodbye();
}

static int run(void *arg)
{
    (void)arg;
    kt_task *task;
    kt_time start = kt_now();
    int rc = kt_spawn(talk, NULL, 0, &task);
    if (rc < 0)
        return rc;
    rc = kt_sleep(KT_S(1));
    kt_task_cancel(task);
    printf("the task was %s\n", kt_strerror(kt_task_join(task)));
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return rc;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "cleanup_waits: %s\n", kt_strerror(rc));
    return rc < 0;
}
