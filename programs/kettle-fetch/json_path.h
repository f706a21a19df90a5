/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_JSON_PATH_H
#define KETTLE_FETCH_JSON_PATH_H

/* Values out of a JSON document: "user.name", "items[0].id", "items[*].price", "a.*.b", "['odd name'].x", "[-1]" for
 * the last; and figures over what was found: count(...), sum(...), min(...), max(...), mean(...).
 *
 * A path without * gives the value, or null if it is not there; with * it gives the list of what is there, in order. */

#include <jansson.h>
#include <kettle/base.h>

#define JSON_PATH_BYTES_MAX ((size_t)1000)
#define JSON_PATH_FOUND_MAX 100000

/* Is it a path? 0, or -EINVAL, and kt_error_detail says at which byte not. */
int json_path_check(const char *path) KT_CHECKED;

/* What the path finds; the caller owns *ret_value. sum and its like look at numbers only; of none, count and sum are 0,
 * the others null. 0; -EINVAL as above; KT_ELIMIT: more than JSON_PATH_FOUND_MAX; -ENOMEM. */
int json_path_find(const char *path, json_t *document, json_t **ret_value) KT_CHECKED;

#endif
