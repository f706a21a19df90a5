/* SPDX-License-Identifier: MIT */

/* Submits jobs to jobs_server over HTTP on many connections, each waiting for every answer, or
 * opens the gate and waits until they are worked off.
 *
 * usage: jobs_client PORT CONNECTIONS submit SECONDS
 *        jobs_client PORT JOBS drain SECONDS
 *
 * submit goes on for that long; drain until the store holds all as succeeded, at most that long.
 * Prints one JSON object with the number of jobs and jobs per second. */

#include <errno.h>
#include <kettle/http.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_PAUSE KT_MS(5)

static uint16_t port;
static kt_time end;

/* ---- Submit -------------------------------------------------------------------------------- */

/* Reads an answer, which must be 201. */
static int created(kt_stream *s)
{
    static const char length[] = "\r\nContent-Length: ";
    kt_slice head;
    char text[1024], body[1024];
    int rc = kt_stream_read_until(s, kt_slice_from("\r\n\r\n"), sizeof text - 1, &head);
    if (rc <= 0)
        return rc < 0 ? rc : KT_ECLOSED;
    snprintf(text, sizeof text, "%.*s", (int)head.size, head.data);
    const char *size = strstr(text, length);
    if (strncmp(text, "HTTP/1.1 201", 12) != 0 || !size)
        return kt_error_set(KT_EPROTOCOL, "submit: %s", text);
    size_t bytes = strtoul(size + sizeof length - 1, NULL, 10);
    if (bytes > sizeof body)
        return kt_error_set(KT_ELIMIT, "submit: an answer of %zu bytes", bytes);
    return kt_stream_read_exactly(s, body, bytes);
}

static int submit(void *arg)
{
    static const char request[] = "POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                  "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n"
                                  "{\"type\":\"noop\"}";
    long *jobs = arg;
    kt_auto(kt_stream) *s = NULL;
    int rc = kt_stream_connect("127.0.0.1", port, &s);
    while (rc == 0 && kt_now() < end) {
        rc = kt_stream_write(s, request, sizeof request - 1);
        if (rc == 0)
            rc = created(s);
        if (rc == 0)
            ++*jobs;
    }
    return rc;
}

static int submit_all(long connections, long *ret_jobs)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    for (long i = 0; i < connections && rc == 0; i++)
        rc = kt_group_spawn(&g, submit, ret_jobs, 0);
    return kt_group_join(&g, rc);
}

/* ---- Drain --------------------------------------------------------------------------------- */

static int ask(const char *method, const char *target, kt_http_reply *ret_reply)
{
    const kt_http_call call = {
        .host = "127.0.0.1", .port = port, .method = method, .target = target};
    int rc = kt_http_fetch(&call, ret_reply);
    if (rc == 0 && ret_reply->status != 200)
        rc = kt_error_set(KT_EPROTOCOL, "%s %s: status %d", method, target, ret_reply->status);
    return rc;
}

/* The jobs whose function has returned. */
static int count_ran(long *ret_count)
{
    static const char key[] = "\"succeeded\":";
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    int rc = ask("GET", "/v1/types", &reply);
    if (rc < 0)
        return rc;
    const char *hit = memmem(reply.body.data, reply.body.size, key, sizeof key - 1);
    if (!hit)
        return kt_error_set(KT_EPROTOCOL, "no figures in /v1/types");
    *ret_count = strtol(hit + sizeof key - 1, NULL, 10);
    return 0;
}

/* 1 if the store has no such job. */
static int none_in(const char *state)
{
    char target[64];
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    snprintf(target, sizeof target, "/v1/jobs?type=noop&limit=1&state=%s", state);
    int rc = ask("GET", target, &reply);
    return rc < 0 ? rc : memmem(reply.body.data, reply.body.size, "\"jobs\":[]", 9) != NULL;
}

/* The store is asked only at the end, so that asking does not slow it down. */
static int is_drained(long jobs)
{
    long ran = 0;
    int rc = count_ran(&ran);
    if (rc < 0 || ran < jobs)
        return rc;
    rc = none_in("ready");
    return rc == 1 ? none_in("running") : rc;
}

static int drain(long jobs)
{
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    int rc = ask("POST", "/bench/open", &reply);
    if (rc < 0)
        return rc;
    while ((rc = is_drained(jobs)) == 0) {
        if (kt_now() > end)
            return kt_error_set(KT_ETIMEDOUT, "not drained in time");
        rc = kt_sleep(POLL_PAUSE);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : 0;
}

KT_FN(client, a, struct { const char *what; long count; long *jobs; })
{
    if (strcmp(a->what, "submit") == 0)
        return submit_all(a->count, a->jobs);
    *a->jobs = a->count;
    return drain(a->count);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: jobs_client PORT CONNECTIONS|JOBS submit|drain SECONDS\n");
        return 2;
    }
    kt_time from = kt_now();
    long jobs = 0;
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    end = from + (kt_time)(strtod(argv[4], NULL) * 1e9);
    int rc = kt_run(KT_WITH(client, .what = argv[3], .count = strtol(argv[2], NULL, 10),
                            .jobs = &jobs));
    if (rc < 0) {
        fprintf(stderr, "jobs_client: %s (%s)\n", kt_strerror(rc), kt_error_detail());
        return 1;
    }
    printf("{\"jobs\": %ld, \"rate\": %.1f}\n", jobs,
           (double)jobs / ((double)(kt_now() - from) / 1e9));
    return 0;
}
