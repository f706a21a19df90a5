/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_NOTES_JSON_H
#define KETTLE_NOTES_JSON_H

/* What json.c shares with the HTTP API. NULL stands for no memory. */

#include <jansson.h>

#include "notes/notes.h"

/* All of a note, its tags, and a time (null if it is not known). */
json_t *kt__note_json(const kt_note *n);
json_t *kt__note_json_tags(const kt_note *n);
json_t *kt__note_json_time(kt_time wall);

/* Appends a value as text; NULL is -ENOMEM. */
int kt__json_append(const json_t *json, size_t flags, kt_buffer *out) KT_CHECKED;

/* Parses text from strangers. The caller calls json_decref. 0, KT_EVALIDATION, -ENOMEM. */
int kt__note_json_parse(kt_slice text, json_t **ret_json) KT_CHECKED;

/* Takes the fields that an object has into a note; they live as long as object and tags. 0,
 * KT_EVALIDATION, -ENOMEM. */
int kt__note_of_json(const json_t *object, kt_note *n, kt__tags *tags) KT_CHECKED;

#endif
