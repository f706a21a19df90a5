/* SPDX-License-Identifier: MIT */

/* Following jobs to their ends, for submit --wait. */

#include <inttypes.h>
#include <kettle/task.h>
#include <time.h>

#include "program.h"

#define PAUSE_FIRST KT_MS(20)
#define PAUSE_MAX KT_MS(500)

static void pause_for(kt_time span)
{
    const struct timespec time = {span / KT_S(1), span % KT_S(1)};
    (void)nanosleep(&time, NULL);
}

static bool is_terminal(const char *state)
{
    return strcmp(state, "succeeded") == 0 || strcmp(state, "dead") == 0 ||
           strcmp(state, "cancelled") == 0;
}

static void tell(const client_options *o, int64_t id, const json_t *job)
{
    const char *error = json_text(job, "error"), *state = json_text(job, "state");
    if (o->json) {
        print_json(job);
        fflush(stdout);
        return;
    }
    fprintf(stderr, "job %" PRId64 " %s", id, state);
    if (*error && strcmp(state, "succeeded") != 0) {
        fputs(": ", stderr);
        print_safe(stderr, error, false);
    }
    fputc('\n', stderr);
}

/* A server that is started anew meanwhile is waited for, as long as a request may take. */
static int wait_for_job(const client_options *o, int64_t id)
{
    char target[64];
    kt_time pause = PAUSE_FIRST, heard = kt_now();
    snprintf(target, sizeof target, "/v1/jobs/%" PRId64, id);
    for (;; pause_for(pause), pause = pause * 3 / 2 < PAUSE_MAX ? pause * 3 / 2 : PAUSE_MAX) {
        answer a;
        int status = client_ask_quietly(o, target, NULL, &a);
        if (status == EXIT_UNREACHABLE && kt_now() - heard < o->time_limit)
            continue;
        if (status == EXIT_UNREACHABLE)
            status = client_ask(o, target, NULL, &a); /* tells why */
        if (status != EXIT_DONE)
            return status;
        heard = kt_now();
        bool over = is_terminal(json_text(a.json, "state"));
        bool well = strcmp(json_text(a.json, "state"), "succeeded") == 0;
        if (over)
            tell(o, id, a.json);
        json_decref(a.json);
        if (over)
            return well ? EXIT_DONE : EXIT_FAILED;
    }
}

int wait_for_jobs(const client_options *o, const json_t *ids)
{
    int status = EXIT_DONE;
    size_t i;
    json_t *id;
    json_array_foreach(ids, i, id)
    {
        int of_this = wait_for_job(o, json_integer_value(id));
        if (of_this > EXIT_FAILED)
            return of_this;
        status = of_this ? of_this : status;
    }
    return status;
}
