/* SPDX-License-Identifier: MIT */

/* A job type of one's own: declared in one piece, submitted from C, run by workers in this process, and
 * tried again when it fails. The store is a file: what was acknowledged would survive kill -9. */

#include <errno.h>
#include <kettle/jobs.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static kt_event greeted = KT_EVENT_INIT;

/* Fails the first time; the second attempt, a second later, succeeds. */
KT_JOB(greet, .attempts = 3, .backoff = 2, .timeout = KT_S(30), .priority = 5, .log = true)
{
    kt_slice name;
    int rc = kt_jobs_arg_string(kt_jobs_args_of(job), "name", &name);
    if (rc <= 0)
        return rc < 0 ? rc : kt_error_set(KT_EVALIDATION, "args.name is missing");
    printf("attempt %d\n", kt_jobs_attempt_number(job));
    if (kt_jobs_attempt_number(job) == 1)
        return kt_error_set(-EAGAIN, "nobody has woken up yet");
    printf("Hello, %.*s!\n", (int)name.size, name.data);
    kt_event_set(&greeted);
    return kt_jobs_result_set(job, kt_slice_from("{\"greeted\":true}"));
}

static int run_jobs(void *jobs)
{
    return kt_jobs_run(jobs);
}

static int submit(void *arg)
{
    kt_jobs *jobs = arg;
    kt_auto(kt_group) workers = KT_GROUP_INIT;
    int64_t id;
    kt_jobs_fault fault;
    const kt_jobs_new bad = {.type = "greet", .args = kt_slice_from("[1]")};
    const kt_jobs_new good = {.type = "greet", .args = kt_slice_from("{\"name\": \"world\"}")};
    int rc = kt_group_spawn(&workers, run_jobs, jobs, 0);
    if (rc == 0)
        rc = kt_sleep(0); /* the workers begin */
    if (rc == 0 && kt_jobs_submit(jobs, &bad, 1, &id, &fault) == KT_EVALIDATION)
        printf("refused: %s %s\n", fault.field, fault.message);
    if (rc == 0)
        rc = kt_jobs_submit(jobs, &good, 1, &id, NULL);
    if (rc == 0)
        rc = kt_event_wait(&greeted);
    kt_group_cancel(&workers); /* the job at work gets its grace period */
    return kt_group_join(&workers, rc);
}

int main(void)
{
    char folder[] = "/tmp/kettle-example-XXXXXX", path[64], lock[64];
    const kt_jobs_type *types[] = {&greet, NULL};
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/jobs.db", folder);
    snprintf(lock, sizeof lock, "%s/jobs.db.lock", folder);
    kt_jobs *jobs = NULL;
    int rc = kt_jobs_open(&(kt_jobs_options){.path = path, .types = types}, &jobs);
    if (rc == 0)
        rc = kt_run(submit, jobs, 0);
    if (rc < 0)
        fprintf(stderr, "job_type: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    kt_jobs_close(jobs);
    unlink(path);
    unlink(lock);
    rmdir(folder);
    return rc < 0;
}
