/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_JOBS_API_H
#define KETTLE_JOBS_API_H

/* The HTTP API: what its parts share. Handlers return what kt_http_respond returned. */

#include "jobs/engine.h"

/* Answers with a JSON value, which it takes over; NULL means without memory. */
int kt__api_json(kt_http_exchange *x, int status, json_t *json);

/* Answers {"error": {"code", "message", "field"}}; field may be NULL. */
int kt__api_error(kt_http_exchange *x, int status, const char *code, const char *field,
                  const char *format, ...) KT_PRINTF(5, 6);

/* Answers with what an error code means to a client; the detail is the message. */
int kt__api_failure(kt_http_exchange *x, int rc);

/* Puts a value into a list, an object, and takes it over. Returns the list or object; NULL, which both may be
 * already, without memory: then both are gone. So what was made is whole. */
json_t *kt__api_add(json_t *list, json_t *value) KT_CHECKED;
json_t *kt__api_set(json_t *object, const char *key, json_t *value) KT_CHECKED;

/* One job as JSON: `attempts` NULL leaves the details out. NULL without memory. */
json_t *kt__api_job(kt_jobs *j, const kt__store_job *job, const kt__store_attempts *attempts);

/* "2026-11-21T02:41:31.123Z", or null for 0. */
json_t *kt__api_time(kt_time wall);

/* A text that need not be whole, cut at a character; null for none. */
json_t *kt__api_text(kt_slice text, size_t bytes_max);

/* A few words for people about a job, from kt__engine_label. */
json_t *kt__api_label(kt_jobs *j, const kt__store_job *job);

/* POST /v1/jobs, GET /v1/events. */
int kt__api_submit(kt_http_exchange *x, kt_jobs *j);
int kt__api_events(kt_http_exchange *x, kt_jobs *j);

/* Frees the events' snapshot. */
void kt__snapshot_release(struct kt__snapshot *s);

#endif
