/* SPDX-License-Identifier: MIT */
/* Five workers take thirty addresses from a queue, three at once at the server, which counts. When all jobs are
 * reported done, the workers, who wait for more, are cancelled. */
#include "lab_site.h"

#include <kettle/http_client.h>

enum { WORKERS = 5, PERMITS = 3, JOBS = 30 };

typedef struct office {
    kt_http_session *web;
    kt_queue jobs;
    kt_semaphore permits;
    int good[WORKERS], failed[WORKERS];
} office;

/* Whether the address number `job` has answered well; every tenth is missing. Negative: cancelled. */
static int fetch(office *o, int job)
{
    kt_auto(kt_http_response) *r = NULL;
    char url[64];
    snprintf(url, sizeof url, job % 10 == 9 ? LAB_GOOD "/missing" : LAB_GOOD "/page/%d", job);
    int rc = kt_semaphore_acquire(&o->permits);
    if (rc < 0)
        return rc;
    rc = kt_http_get(o->web, url, &r);
    kt_semaphore_release(&o->permits);
    return kt_is_cancel(rc) ? rc : rc == 0 && kt_http_response_status(r) == 200;
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
            rc = fetch(a->office, job);
        if (rc < 0)
            return rc;
        (rc ? a->office->good : a->office->failed)[a->number]++;
        kt_queue_task_done(&a->office->jobs);
    }
}

static int work(office *o)
{
    kt_auto(kt_group) workers = KT_GROUP_INIT;
    int rc = 0;
    for (int i = 0; rc == 0 && i < JOBS; i++)
        rc = kt_queue_put(&o->jobs, &i);
    for (int i = 0; rc == 0 && i < WORKERS; i++)
        rc = kt_group_spawn(&workers, KT_WITH(worker, o, i));
    if (rc == 0)
        rc = kt_queue_join(&o->jobs); /* until every job is reported done */
    kt_group_cancel(&workers);
    return kt_group_join(&workers, rc);
}

static void report(const office *o, const lab_site *site)
{
    int total = 0;
    for (int i = 0; i < WORKERS; i++) {
        printf("worker %d: %d good, %d failed\n", i + 1, o->good[i], o->failed[i]);
        total += o->good[i] + o->failed[i];
    }
    printf("%d jobs, never more than %d at the server\n", total, site->most_inside);
}

static int lab(void *arg)
{
    (void)arg;
    lab_site site = LAB_SITE_INIT;
    office o = {.jobs = KT_QUEUE_INIT(int, 0), .permits = KT_SEMAPHORE_INIT(PERMITS)};
    int rc = lab_site_open(&site);
    if (rc == 0)
        rc = kt_http_session_open(NULL, &o.web);
    kt_time start = kt_now();
    if (rc == 0)
        rc = work(&o);
    if (rc == 0)
        printf("%.1f s\n", lab_seconds(start));
    kt_http_session_close(o.web);
    rc = lab_site_close(&site, rc);
    kt_queue_release(&o.jobs);
    if (rc == 0)
        report(&o, &site);
    if (rc == 0)
        printf("%zu task left\n", kt_task_each(NULL, NULL)); /* this one */
    return rc;
}

int main(void)
{
    int rc = kt_run(lab, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "lab_workers: %s\n", kt_strerror(rc));
    return rc < 0;
}
