/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_JSON_TEXT_H
#define KETTLE_FETCH_JSON_TEXT_H

/* JSON as text, with our errors. */

#include <jansson.h>
#include <kettle/base.h>
#include <kettle/buffer.h>

#include "base/json_depth.h"

/* Appends a value in the form that jansson's flags say. 0, -ENOMEM. Any thread. */
int json_text_append(json_t *value, size_t flags, kt_buffer *out) KT_CHECKED;

/* Levels of a body; and of a record, in which there may be what was taken out of one. */
enum { BODY_DEPTH_MAX = KT__JSON_DEPTH_MAX, RECORD_DEPTH_MAX = BODY_DEPTH_MAX + 4 };

/* Reads a text with jansson's flags; integers beyond 64 bits become reals. 0; KT_EVALIDATION, with the line and what is
 * wrong there in words, or for one that is nested deeper; -ENOMEM. Any thread. */
int json_text_parse(kt_slice text, size_t flags, int depth_max, json_t **ret_value) KT_CHECKED;

#endif
