/* SPDX-License-Identifier: MIT */

/* An engine takes no more memory for all the jobs that it has done, nor its API for all that was asked. */

#include "../growth.h"

#include <errno.h>
#include <kettle/group.h>
#include <kettle/http.h>
#include <kettle/http_client.h>
#include <kettle/jobs.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { JOBS = 20 };

typedef struct works {
    kt_jobs *j;
    kt_listener *l;
    kt_http_session *web;
    int done, expected;
} works;

static works w; /* each test is a process of its own */

KT_JOB(pour, .attempts = 1, .measure = true, .log = true)
{
    w.done++;
    if (kt_jobs_id(job) % 3 == 0)
        return kt_error_set(-EIO, "the cup has a hole");
    return kt_jobs_result_set(job, kt_slice_from("{\"cups\": 1}"));
}

KT_JOB(wait, .attempts = 1)
{
    (void)job;
    return kt_sleep(KT_S(60));
}

static void say_nothing(const char *line, void *arg)
{
    (void)line;
    (void)arg;
}

static int work(void *arg)
{
    (void)arg;
    return kt_jobs_run(w.j);
}

static int serve(void *arg)
{
    (void)arg;
    return kt_http_serve(w.l, &(kt_http_options){.grace = -1}, kt_jobs_http, w.j);
}

static void check_answer(const kt_http_request *q, int status)
{
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_send(w.web, q, &r));
    CHECK_OK(kt_http_response_read_all(r, 1024 * 1024, &body));
    CHECK_EQ(kt_http_response_status(r), status);
}

static void do_jobs(void *arg)
{
    kt_jobs_new news[JOBS + 1];
    int64_t ids[JOBS + 1];
    (void)arg;
    for (int i = 0; i < JOBS; i++)
        news[i] = (kt_jobs_new){.type = "pour", .args = kt_slice_from("{\"cup\": 1}")};
    news[JOBS] = (kt_jobs_new){.type = "wait"};
    CHECK_OK(kt_jobs_submit(w.j, news, JOBS + 1, ids, NULL));
    w.expected += JOBS;
    while (w.done < w.expected)
        CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_OK(kt_jobs_cancel(w.j, ids[JOBS]));
}

static void ask(void *arg)
{
    static const char one[] = "{\"type\": \"pour\", \"args\": {}}", wrong[] = "{\"type\": \"none\"}";
    const char *const json[] = {"Content-Type", "application/json", NULL};
    const kt_http_request list = {.url = "/v1/jobs"}, types = {.url = "/v1/types"}, none = {.url = "/v1/jobs/0"};
    const kt_http_request submit = {.url = "/v1/jobs", .headers = json, .body = one, .body_size = sizeof one - 1};
    const kt_http_request refused = {.url = "/v1/jobs", .headers = json, .body = wrong, .body_size = sizeof wrong - 1};
    (void)arg;
    check_answer(&list, 200);
    check_answer(&types, 200);
    check_answer(&none, 404);
    check_answer(&submit, 201);
    check_answer(&refused, 422);
}

/* Over HTTP/2, where the server learns at once who has heard enough. */
static void listen_to_events(void *arg)
{
    kt_auto(kt_http_response) *events = NULL;
    char byte;
    CHECK_OK(kt_http_get(arg, "/v1/events", &events));
    CHECK_EQ(kt_http_response_read(events, &byte, 1), 1);
}

static int use_engine(void *arg)
{
    char base[64];
    kt_auto(kt_group) g = KT_GROUP_INIT;
    (void)arg;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &w.l));
    snprintf(base, sizeof base, "http://127.0.0.1:%u/", kt_listener_port(w.l));
    CHECK_OK(kt_http_session_open(&(kt_http_session_options){.base_url = base}, &w.web));
    CHECK_OK(kt_group_spawn(&g, work, NULL, 0));
    CHECK_OK(kt_group_spawn(&g, serve, NULL, 0));
    CHECK_OK(kt_sleep(KT_MS(10)));
    check_no_growth(20, do_jobs, NULL);
    check_no_growth(20, ask, NULL);
    kt_http_session_close(w.web);
    CHECK_OK(kt_http_session_open(&(kt_http_session_options){.base_url = base, .version = KT_HTTP_2}, &w.web));
    check_no_growth(25, ask, NULL); /* nghttp2 remembers 100 streams */
    check_no_growth(10, listen_to_events, w.web);
    kt_http_session_close(w.web);
    int rc = kt_group_join(&g, KT_ECANCELED);
    kt_listener_close(w.l);
    return kt_is_cancel(rc) ? 0 : -1;
}

TEST_WITH(jobs_that_are_done_take_no_memory_of_the_engine, KT_TEST_NO_LOOP)
{
    char folder[] = "/tmp/kettle-growth-XXXXXX", path[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/jobs.db", folder);
    const kt_jobs_type *types[] = {&pour, &wait, NULL};
    const kt_jobs_options o = {.path = path, .types = types, .keep = KT_MS(50), .log = say_nothing};
    CHECK_OK(kt_jobs_open(&o, &w.j));
    CHECK_OK(kt_run(use_engine, NULL, 0));
    kt_jobs_close(w.j);
    CHECK_EQ(unlink(path), 0);
    snprintf(path, sizeof path, "%s/jobs.db.lock", folder);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rmdir(folder), 0);
}
