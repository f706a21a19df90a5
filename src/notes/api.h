/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_NOTES_API_H
#define KETTLE_NOTES_API_H

/* The HTTP API: what its parts share. Handlers return what kt_http_respond returned. */

#include "notes/json.h"

/* Answers with a JSON value, which it takes over; NULL means without memory. */
int kt__notes_answer(kt_http_exchange *x, int status, json_t *json) KT_CHECKED;

/* Answers {"error": {"code", "message"}}. */
int kt__notes_error(kt_http_exchange *x, int status, const char *code, const char *format, ...) KT_PRINTF(4, 5)
    KT_CHECKED;

/* Answers with what an error code means to a client; the detail is the message. */
int kt__notes_failure(kt_http_exchange *x, int rc) KT_CHECKED;

int kt__notes_not_allowed(kt_http_exchange *x, const char *allow) KT_CHECKED;

/* A note without its body. */
json_t *kt__notes_head(const char *name, const kt_note *n);

/* api_note.c: POST /api/notes; GET, PUT, DELETE /api/notes/NAME. */
int kt__notes_add(kt_http_exchange *x, const kt_notes_site *s) KT_CHECKED;
int kt__notes_one(kt_http_exchange *x, const kt_notes_site *s, kt_slice name) KT_CHECKED;

#endif
