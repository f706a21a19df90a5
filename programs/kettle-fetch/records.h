/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_RECORDS_H
#define KETTLE_FETCH_RECORDS_H

/* Records of results in a file: lines of JSON, CSV, one JSON list, an SQLite table; or a folder with a file of JSON
 * each. An interrupted run leaves whole records only. With `resume` those of what went well are kept, and what failed
 * is forgotten, to be done again. */

#include "engine.h"

enum records_kind { RECORDS_JSONL, RECORDS_CSV, RECORDS_JSON, RECORDS_SQLITE, RECORDS_FOLDER };

/* By the end of the path: .jsonl or .ndjson, .csv, .json, .sqlite or .db; "/" is a folder. 0, -EINVAL with a detail. */
int records_kind_of(const char *path, enum records_kind *ret_kind) KT_CHECKED;

/* Opens them; `names` are the fields that are extracted, which must outlive the records. Errors of files, of SQLite
 * (KT_ESTORE), KT_EVALIDATION for a file that holds something else, -ENOMEM. Suspends. */
int records_open(const char *path, bool resume, const extract *names, size_t count, records **ret_records) KT_CHECKED;

/* Adds one, which is in the file when this returns. Of a URL that an earlier run has done it takes the place of that
 * record, at the latest at the end, if it went well again; if not, that one stays alone. Suspends. */
int records_add(records *r, const item *it) KT_CHECKED;

/* Of an earlier run: was this URL done; where did redirects lead to, and its links, and what was the next page ("":
 * there was none)? They are the records'; NULL: nobody looked. */
bool records_has(const records *r, kt_slice url);
const char *records_final(const records *r, kt_slice url);
json_t *records_found(const records *r, kt_slice url);
const char *records_next(const records *r, kt_slice url);

/* Ends the file. 0 or the first error. Suspends; a cancellation is held back. NULL is allowed. */
int records_close(records *r) KT_CHECKED;

/* A result as one object: url, final_url, status, ok, cause, error, bytes, seconds, attempts, ..., and the fields. */
json_t *record_of(const item *it) KT_CHECKED;

#endif
