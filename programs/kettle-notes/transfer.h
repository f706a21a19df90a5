/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_NOTES_TRANSFER_H
#define KETTLE_NOTES_TRANSFER_H

/* What the commands share that write many files. */

#include "program.h"

#define HERE (KT_SETTING_NO_FILE | KT_SETTING_NO_ENVIRONMENT)

typedef struct transfer_options {
    bool sequential, durable;
    unsigned in_flight;
} transfer_options;

/* clang-format off */
#define TRANSFER_ROWS(T) \
    {KT_SETTING_BOOL(T, transfer.sequential), "sequential", .flags = HERE, \
     .help = "one file after the other"}, \
    {KT_SETTING_INTEGER(T, transfer.in_flight, 1, 1024), "in-flight", .standard = "16", .meta = "N", \
     .help = "files that are written at once"}, \
    {KT_SETTING_BOOL(T, transfer.durable), "durable", \
     .help = "wait until every file is on the disk; slow"}
#define FORMAT_ROW(T, words) \
    {KT_SETTING_LIST(T, formats, 0), "format", .letter = 'f', .flags = HERE, .check = check_format, .meta = "FORMAT", \
     .help = words}
/* clang-format on */

/* One run, with its bar and its failures. It must not move. */
typedef struct transfer {
    kt_progress bar;
    kt_note_filter filter;
    kt_notes_options options;
    kt_notes_summary summary;
    json_t *failures; /* a list, where JSON is wanted */
} transfer;

/* Begins: shows the bar; options are filled in but for formats and filter. */
void transfer_begin(transfer *t, const char *label, const transfer_options *o);

/* A kt_notes_options.progress, whose argument is the transfer. */
void transfer_tell(const kt_notes_progress *p, void *arg);

/* Ends: prints the summary where JSON is wanted. 0; 1 when files failed; rc below 0. */
int transfer_end(transfer *t, ssize_t rc);

/* The summary and the failures so far as JSON. */
json_t *transfer_summary(transfer *t);

int transfer_formats(const kt_settings_list *list, unsigned *ret_formats);
const char *check_format(const char *value);

#endif
