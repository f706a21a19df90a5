/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_NOTES_EXPORT_H
#define KETTLE_NOTES_EXPORT_H

/* An export under way: what export.c shares with watch.c. */

#include "notes/notes.h"

/* Where the notes come from, and where they go. */
typedef struct kt__export {
    const kt_note *notes; /* either these */
    size_t count, at;
    kt_note_reader *reader; /* or this one's */
    const char *from;       /* the reader's folder */
    const kt_note_filter *filter;
    const char *folder;
    bool flat; /* files lie in the folder itself */
    bool folders_made;
    unsigned formats;
    unsigned formats_count;
    size_t taken, unreadable;
    kt__names names;    /* that files have; the caller releases them */
    kt__names *written; /* NULL, or by a note's name what its files are called */
    kt__writer *writer;
} kt__export;

/* The formats that options ask for. */
unsigned kt__export_formats(const kt_notes_options *o);

/* Makes the folders, once. */
int kt__export_make_folders(kt__export *x, const kt_notes_options *o) KT_CHECKED;

/* The path of a file. The caller frees it. */
int kt__export_path(const kt__export *x, const char *name, kt_note_format f, char **ret_path) KT_CHECKED;

/* Has a note written in all formats, under a name that it is given if `written_as` is NULL. */
int kt__export_put(kt__export *x, const char *name, const kt_note *note, const char *written_as) KT_CHECKED;

/* All notes; of a folder. */
ssize_t kt__export_run(kt__export *x, const kt_notes_options *o, kt_notes_summary *ret_summary) KT_CHECKED;
ssize_t kt__export_run_folder(const char *from, kt__export *x, const kt_notes_options *o,
                              kt_notes_summary *ret_summary) KT_CHECKED;

#endif
