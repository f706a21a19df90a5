/* SPDX-License-Identifier: MIT */

/* A job server whose jobs do nothing, behind a gate: jobs that hold all workers until the gate is
 * opened let a client measure taking in and working off one after the other.
 *
 * usage: jobs_server PORT STORE CONCURRENCY
 *
 * The API of kettle-jobs, and POST /bench/open. It listens once the workers are held. */

#include <errno.h>
#include <kettle/jobs.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>

#define CONCURRENCY_MAX 1000

static kt_event gate_open = KT_EVENT_INIT;
static kt_semaphore held = KT_SEMAPHORE_INIT(0);

KT_JOB(noop, .measure = true)
{
    (void)job;
    return 0;
}

KT_JOB(gate)
{
    (void)job;
    kt_semaphore_release(&held);
    return kt_event_wait(&gate_open);
}

static int answer(kt_http_exchange *x, void *jobs)
{
    if (!kt_slice_is(kt_http_path(x), "/bench/open"))
        return kt_jobs_http(x, jobs);
    kt_event_set(&gate_open);
    return kt_http_respond(x, 200, "text/plain", "open\n", 5);
}

static int work(void *jobs)
{
    return kt_jobs_run(jobs);
}

static int hold_workers(kt_jobs *jobs, unsigned count)
{
    static kt_jobs_new gates[CONCURRENCY_MAX];
    static int64_t ids[CONCURRENCY_MAX];
    for (unsigned i = 0; i < count; i++)
        gates[i].type = "gate";
    int rc = kt_jobs_submit(jobs, gates, count, ids, NULL);
    for (unsigned i = 0; i < count && rc == 0; i++)
        rc = kt_semaphore_acquire(&held);
    return rc;
}

KT_FN(serve, a, struct { kt_jobs *jobs; uint16_t port; unsigned concurrency; })
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = kt_group_spawn(&g, work, a->jobs, 0);
    if (rc == 0)
        rc = kt_sleep(0); /* to work, before anything is submitted */
    if (rc == 0)
        rc = hold_workers(a->jobs, a->concurrency);
    if (rc == 0)
        rc = kt_listen("127.0.0.1", a->port, NULL, &l);
    if (rc == 0)
        rc = kt_http_serve(l, NULL, answer, a->jobs);
    return kt_group_join(&g, rc);
}

int main(int argc, char **argv)
{
    static const kt_jobs_type *const types[] = {&noop, &gate, NULL};
    unsigned concurrency = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    if (concurrency < 1 || concurrency > CONCURRENCY_MAX) {
        fprintf(stderr, "usage: jobs_server PORT STORE CONCURRENCY\n");
        return 2;
    }
    kt_jobs *jobs = NULL;
    const kt_jobs_options options = {
        .path = argv[2], .types = types, .concurrency = concurrency, .grace = -1};
    int rc = kt_jobs_open(&options, &jobs);
    if (rc == 0)
        rc = kt_run(KT_WITH(serve, .jobs = jobs, .port = (uint16_t)strtoul(argv[1], NULL, 10),
                            .concurrency = concurrency));
    if (rc < 0 && rc != -EINTR)
        fprintf(stderr, "jobs_server: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    kt_jobs_close(jobs);
    return rc < 0 && rc != -EINTR;
}
