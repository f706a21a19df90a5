/* SPDX-License-Identifier: MIT */

/* Jobs as JSON. */

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "jobs/api.h"

#define ERROR_BYTES_MAX 4096

json_t *kt__api_time(kt_time wall)
{
    char text[64];
    struct tm tm;
    time_t seconds = (time_t)(wall / KT_S(1));
    if (wall == 0 || !gmtime_r(&seconds, &tm))
        return json_null();
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03dZ", (int)(wall % KT_S(1) / KT_MS(1)));
    return json_string(text);
}

json_t *kt__api_text(kt_slice text, size_t bytes_max)
{
    if (!text.data)
        return json_null();
    size_t size = text.size < bytes_max ? text.size : bytes_max;
    while (size > 0 && size < text.size && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--; /* not in the middle of a character */
    return kt__json_text((kt_slice){text.data, size});
}

/* What was stored as JSON; null for nothing. NULL without memory. */
static json_t *stored(kt_slice text)
{
    json_error_t error;
    json_t *json = NULL;
    int rc = text.data ? kt__json_load(text, JSON_DECODE_ANY, &json, &error) : KT_EVALIDATION;
    return rc == KT_EVALIDATION ? json_null() : json;
}

static json_t *attempts_json(const kt__store_attempts *attempts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < attempts->count; i++) {
        const kt__store_attempt *a = &attempts->items[i];
        list = kt__api_add(
            list, json_pack("{s:i, s:o, s:o, s:s, s:o}", "number", a->number, "started_at",
                            kt__api_time(a->started_at), "finished_at", kt__api_time(a->finished_at),
                            "outcome", kt__attempt_outcome_name(a->outcome), "error",
                            kt__api_text(a->error, ERROR_BYTES_MAX)));
    }
    return list;
}

json_t *kt__api_label(kt_jobs *j, const kt__store_job *job)
{
    kt_auto(kt_buffer) label = KT_BUFFER_INIT;
    int rc = kt__engine_label(j, job, &label);
    if (rc == -ENOMEM)
        return NULL;
    if (rc < 0)
        return kt__api_text(job->type, SIZE_MAX);
    return kt__api_text(kt_buffer_slice(&label), SIZE_MAX);
}

json_t *kt__api_job(kt_jobs *j, const kt__store_job *job, const kt__store_attempts *attempts)
{
    json_t *json = json_pack(
        "{s:I, s:o, s:o, s:o, s:i, s:s, s:o, s:o, s:o, s:o, s:f, s:i, s:i, s:i, s:f, s:b, s:o}", "id",
        (json_int_t)job->id, "type", kt__api_text(job->type, KT__STORE_NAME_MAX), "queue",
        kt__api_text(job->queue, KT__STORE_NAME_MAX), "label", kt__api_label(j, job), "priority",
        job->priority, "state", kt__job_state_name(job->state), "run_at", kt__api_time(job->run_at),
        "created_at", kt__api_time(job->created_at), "started_at", kt__api_time(job->started_at),
        "finished_at", kt__api_time(job->finished_at), "timeout", (double)job->timeout / 1e9,
        "attempts_made", job->attempts, "attempts_max", job->attempts_max, "crashes", job->crashes,
        "backoff", job->backoff_factor, "cancel_requested", job->cancel_requested, "error",
        kt__api_text(job->error, ERROR_BYTES_MAX));
    if (!json || !attempts)
        return json;
    json = kt__api_set(json, "args", stored(job->args));
    json = kt__api_set(json, "result", stored(job->result));
    return kt__api_set(json, "attempts", attempts_json(attempts));
}
