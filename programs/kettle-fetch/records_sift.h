/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_RECORDS_SIFT_H
#define KETTLE_FETCH_RECORDS_SIFT_H

/* What an earlier run has left in a file of text. It is read by lines, and what counts of it is copied to a neighbour,
 * which takes its name: so memory is needed for what has to be remembered, and not for what was extracted. */

#include "records.h"

typedef struct sift {
    enum records_kind kind; /* of text */
    const char *path;
    kt_slice empty;         /* what a file without records has: CSV's heading, a list's brackets */
    bool all;               /* what failed is kept, too */
    json_t *done;           /* what went well is added: URL -> where it led to */
} sift;

/* Leaves, of each URL, the last record that went well. The last row may be cut, and is none then. 1; 0: there is no
 * such file, or nothing in it; KT_EVALIDATION: it holds something else, and is as it was; errors of files; -ENOMEM.
 * Suspends. */
int sift_file(const sift *s) KT_CHECKED;

/* A list has a line for each record, with a comma in front, or a blank; and one for each bracket. A record takes the
 * place of the last bracket, which it brings along: so there is a whole list at any time, unless a crash comes in the
 * middle of that. */
#define LIST_EMPTY "[\n]\n"
enum { LIST_BEGIN = 2, LIST_END = 2 }; /* bytes of a line with a bracket */

/* Appends the line of a record. */
int list_put(json_t *record, bool first, kt_buffer *out) KT_CHECKED;

#endif
