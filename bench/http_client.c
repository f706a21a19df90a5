/* SPDX-License-Identifier: MIT */

/* GETs of one URL, so many at a time, on connections that are kept. KETTLE_DRIVER picks the driver.
 *
 * usage: http_client URL REQUESTS AT_ONCE
 *
 * Prints one JSON object: answers with 200 and a body, seconds, and CPU seconds of all threads. */

#include <errno.h>
#include <kettle/http_client.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BODY_MAX 65536

typedef struct work {
    kt_http_session *session;
    const char *url;
    long left, good;
} work;

static double seconds_of(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int get(work *w)
{
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    int rc = kt_http_get(w->session, w->url, &r);
    if (rc == 0)
        rc = kt_http_response_read_all(r, BODY_MAX, &body);
    if (rc == 0 && kt_http_response_status(r) == 200 && body.size > 0)
        w->good++;
    return rc;
}

KT_FN(get_many, a, struct { work *w; })
{
    int rc = 0;
    while (rc >= 0 && a->w->left > 0) {
        a->w->left--;
        rc = get(a->w);
    }
    return rc;
}

static int get_all(work *w, long at_once)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    for (long i = 0; i < at_once && rc == 0; i++)
        rc = kt_group_spawn(&g, KT_WITH(get_many, .w = w));
    return kt_group_join(&g, rc);
}

KT_FN(measure, a, struct { work *w; long at_once; })
{
    const kt_http_session_options options = {.connections_max = (uint32_t)a->at_once,
                                             .connections_per_host_max = (uint32_t)a->at_once};
    kt_auto(kt_http_session) *session = NULL;
    int rc = kt_http_session_open(&options, &session);
    if (rc < 0)
        return rc;
    a->w->session = session;
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), from = seconds_of(CLOCK_MONOTONIC);
    rc = get_all(a->w, a->at_once);
    printf("{\"good\": %ld, \"seconds\": %.6f, \"cpu\": %.6f}\n", a->w->good, seconds_of(CLOCK_MONOTONIC) - from,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: http_client URL REQUESTS AT_ONCE\n");
        return 2;
    }
    work w = {.url = argv[1], .left = strtol(argv[2], NULL, 10)};
    int rc = kt_run(KT_WITH(measure, .w = &w, .at_once = strtol(argv[3], NULL, 10)));
    if (rc < 0)
        fprintf(stderr, "http_client: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
