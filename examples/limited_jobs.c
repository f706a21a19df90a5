/* SPDX-License-Identifier: MIT */
/* Six jobs of a second under a semaphore: their time is the number of rounds. With a call that blocks
 * the thread in place of kt_sleep, no permit helps: nothing else runs, and debug mode says who did it.
 *
 * usage: limited_jobs [PERMITS [blocking]] */
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { JOBS = 6 };

typedef struct setting {
    unsigned permits;
    bool blocking;
} setting;

KT_FN(job, a, struct {
    kt_semaphore *permits;
    bool blocking;
    int number;
})
{
    int rc = kt_semaphore_acquire(a->permits);
    if (rc < 0)
        return rc;
    printf("start %d\n", a->number);
    if (a->blocking)
        sleep(1); /* wrong, in a task: holds up the whole loop */
    else
        rc = kt_sleep(KT_S(1));
    printf("end %d\n", a->number);
    kt_semaphore_release(a->permits);
    return rc < 0 ? rc : a->number;
}

static int run(void *arg)
{
    const setting *s = arg;
    kt_semaphore permits = KT_SEMAPHORE_INIT(s->permits);
    kt_auto(kt_group) jobs = KT_GROUP_INIT;
    kt_task *tasks[JOBS];
    int rc = 0, results[JOBS];
    kt_time start = kt_now();
    for (int i = 0; rc == 0 && i < JOBS; i++) {
        char name[16];
        snprintf(name, sizeof name, "job %d", i);
        const kt_spawn_options options = {.name = name};
        rc = kt_group_spawn_with(&jobs, &options, KT_WITH(job, &permits, s->blocking, i), &tasks[i]);
    }
    for (int i = 0; rc >= 0 && i < JOBS; i++)
        rc = results[i] = kt_task_await(tasks[i]);
    rc = kt_group_join(&jobs, rc);
    if (rc < 0)
        return rc;
    for (int i = 0; i < JOBS; i++)
        printf("%s%d%s", i == 0 ? "results [" : ", ", results[i], i == JOBS - 1 ? "]\n" : "");
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(int argc, char **argv)
{
    setting s = {argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2, argc > 2};
    int rc = kt_run(run, &s, 0);
    if (rc < 0)
        fprintf(stderr, "limited_jobs: %s\n", kt_strerror(rc));
    return rc < 0;
}
