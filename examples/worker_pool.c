/* SPDX-License-Identifier: MIT */
/* Five workers and thirty jobs in a queue, three at once at the service that they ask. When all jobs
 * are reported done, the workers, who wait for more, are cancelled. */
#include <kettle/kettle.h>
#include <stdio.h>

enum { WORKERS = 5, PERMITS = 3, JOBS = 30 };

typedef struct office {
    kt_queue jobs;
    kt_semaphore service;
    int asking, most;
    int done[WORKERS];
} office;

static int ask_service(office *o, int job)
{
    int rc = kt_semaphore_acquire(&o->service);
    if (rc < 0)
        return rc;
    if (++o->asking > o->most)
        o->most = o->asking;
    rc = kt_sleep(KT_MS(100 + job % 3));
    o->asking--;
    kt_semaphore_release(&o->service);
    return rc;
}

KT_FN(worker, a, struct {
    office *office;
    int number;
})
{
    for (;;) {
        int job;
        int rc = kt_queue_get(&a->office->jobs, &job);
        if (rc == 0)
            rc = ask_service(a->office, job);
        if (rc < 0)
            return rc;
        a->office->done[a->number]++;
        kt_queue_task_done(&a->office->jobs);
    }
}

static int run(void *arg)
{
    (void)arg;
    office o = {.jobs = KT_QUEUE_INIT(int, 0), .service = KT_SEMAPHORE_INIT(PERMITS)};
    kt_auto(kt_group) workers = KT_GROUP_INIT;
    int rc = 0, total = 0;
    for (int i = 0; rc == 0 && i < JOBS; i++)
        rc = kt_queue_put(&o.jobs, &i);
    for (int i = 0; rc == 0 && i < WORKERS; i++)
        rc = kt_group_spawn(&workers, KT_WITH(worker, &o, i));
    if (rc == 0)
        rc = kt_queue_join(&o.jobs); /* until every job is reported done */
    kt_group_cancel(&workers);
    rc = kt_group_join(&workers, rc);
    kt_queue_release(&o.jobs);
    for (int i = 0; i < WORKERS; i++)
        total += o.done[i];
    printf("%d jobs done, never more than %d at once, %zu task left\n", total, o.most,
           kt_task_each(NULL, NULL));
    return rc;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "worker_pool: %s\n", kt_strerror(rc));
    return rc < 0;
}
