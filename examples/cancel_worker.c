/* SPDX-License-Identifier: MIT */
/* What stands in `except CancelledError` goes into the branch of the error; what stands in `finally`,
 * behind the label at which every way out of the function ends.
 *
 * usage: cancel_worker [finally] */
#include <kettle/kettle.h>
#include <stdio.h>

static int worker(void *arg)
{
    const bool *finally = arg;
    printf("worker start\n");
    int rc = kt_sleep(KT_S(5));
    if (rc < 0) {
        printf("worker received cancel, cleaning up\n");
        goto done;
    }
    printf("worker done\n");
done:
    if (*finally)
        printf("worker finally\n");
    return rc;
}

static int run(void *arg)
{
    kt_task *task;
    int rc = kt_spawn(worker, arg, 0, &task);
    if (rc < 0)
        return rc;
    rc = kt_sleep(KT_MS(100));
    kt_task_cancel(task);
    if (kt_task_join(task) == KT_ECANCELED)
        printf("confirm cancel\n");
    return rc;
}

int main(int argc, char **argv)
{
    (void)argv;
    bool finally = argc > 1;
    int rc = kt_run(run, &finally, 0);
    if (rc < 0)
        fprintf(stderr, "cancel_worker: %s\n", kt_strerror(rc));
    return rc < 0;
}
