/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_NOTES_PRIVATE_H
#define KETTLE_NOTES_PRIVATE_H

/* What the files of libkettle-notes share.
 *
 *     note.c                 a note: checked, copied
 *     text.c time.c chars.c  UTF-8, blanks, lists of tags; times; single characters
 *     slug.c                 names of files, and who has which
 *     format.c               the table of formats
 *     markdown.c json.c csv.c html.c    one format each
 *     files.c                whole files, read and written
 *     notebook.c reader.c    a folder of notes; all of them in order
 *     writer.c export.c import.c watch.c    many files at once
 *     search.c stats.c       what is in them */

#include <kettle/notes.h>

/* ---- text.c ------------------------------------------------------------------------------- */

/* Is all of it UTF-8 without NUL? 0, or KT_EVALIDATION with line and byte as the detail. */
int kt__text_check(kt_slice text) KT_CHECKED;

/* Without blanks (space, tab, CR) at its ends. */
kt_slice kt__text_trim(kt_slice text);

/* Takes the next line off the front: without its LF and the CR before it. False at the end. */
bool kt__text_line(kt_slice *rest, kt_slice *ret_line);

/* Does it begin so? */
bool kt__text_begins(kt_slice text, const char *with);

/* Appends text of any origin as UTF-8: a question mark for each byte that is none, and for NUL. */
int kt__text_mend(kt_buffer *out, kt_slice text) KT_CHECKED;

/* One character of UTF-8 that was checked: its code, and how many bytes it takes. */
uint32_t kt__text_char(kt_slice text, size_t at, size_t *ret_size);

/* ---- Tags as they are read: slices into the text, in a growing list ----------------------- */

typedef struct kt__tags {
    kt_slice *items;
    size_t count, capacity;
} kt__tags;

#define KT__TAGS_INIT {NULL, 0, 0}

/* Trims it, and takes it in unless nothing is left. 0, -ENOMEM. */
int kt__tags_add(kt__tags *t, kt_slice tag) KT_CHECKED;

/* Each part between commas. */
int kt__tags_split(kt__tags *t, kt_slice list) KT_CHECKED;

void kt__tags_cleanup(kt__tags *t);

/* ---- Formats ------------------------------------------------------------------------------ */

/* Gets each note that was read, as slices into the text or into what the format's reader holds
 * during the call. */
typedef struct kt__note_sink {
    int (*take)(const kt_note *n, void *arg);
    void *arg;
    size_t count;
} kt__note_sink;

int kt__note_sink_take(kt__note_sink *s, const kt_note *n) KT_CHECKED;

/* A format's two ways. `write` gets a note that was checked, `read` text that is UTF-8, without
 * its byte order mark. */
typedef struct kt__note_codec {
    const char *name;
    int (*write)(const kt_note *n, kt_buffer *out);
    int (*read)(kt_slice text, kt__note_sink *sink);
} kt__note_codec;

int kt__markdown_write(const kt_note *n, kt_buffer *out) KT_CHECKED;
int kt__markdown_read(kt_slice text, kt__note_sink *sink) KT_CHECKED;
int kt__note_json_write(const kt_note *n, kt_buffer *out) KT_CHECKED;
int kt__note_json_read(kt_slice text, kt__note_sink *sink) KT_CHECKED;
int kt__csv_write(const kt_note *n, kt_buffer *out) KT_CHECKED;
int kt__csv_read(kt_slice text, kt__note_sink *sink) KT_CHECKED;
int kt__html_write(const kt_note *n, kt_buffer *out) KT_CHECKED;
int kt__html_read(kt_slice text, kt__note_sink *sink) KT_CHECKED;

/* ---- chars.c ------------------------------------------------------------------------------ */

/* Is it beyond ASCII, and blank, invisible, or turns the reading order around? */
bool kt__char_is_unseen(uint32_t c);

/* Lower case of the alphabets that have it and whose two cases lie at a fixed distance or
 * alternate; others stay. */
uint32_t kt__char_lower(uint32_t c);

/* As UTF-8; returns the number of bytes, at most 4. */
size_t kt__char_encode(uint32_t c, char *to);

/* ---- slug.c ------------------------------------------------------------------------------- */

/* What is compared of a name at most; file systems hold 255. */
#define KT__NAME_BYTES 256

typedef struct kt__name {
    struct kt__name *next;
    uint64_t hash;
    char *value;   /* what belongs to it, in memory of kt_alloc's, or NULL; goes with it */
    size_t number; /* 1 at first; the last one tried behind it, so that a thousand of one title need no million tries */
    char text[];
} kt__name;

/* A set of names. All zero is an empty one, in which the case of letters does not count;
 * `exact`: it does. */
typedef struct kt__names {
    kt__name **buckets;
    size_t capacity, count;
    bool exact;
} kt__names;

/* Puts a name in: 1; 0 if it was there already; -ENOMEM. With 0 and 1 the entry, which stays
 * where it is. */
int kt__names_enter(kt__names *s, kt_slice name, kt__name **ret_entry) KT_CHECKED;
kt__name *kt__names_find(const kt__names *s, kt_slice name);

/* Puts in the first of "slug", "slug-2", "slug-3", ... that is not there. 0, -ENOMEM. */
int kt__names_claim(kt__names *s, const char *slug, char ret_name[KT_NOTE_NAME_BYTES]) KT_CHECKED;

void kt__names_drop(kt__names *s, kt_slice name);

/* Every entry: start with *cursor = 0 and NULL; NULL at the end. */
kt__name *kt__names_each(const kt__names *s, size_t *cursor, const kt__name *before);

void kt__names_release(kt__names *s);

static inline void kt__names_cleanup(kt__names *s)
{
    kt__names_release(s);
}

/* ---- files.c ------------------------------------------------------------------------------ */

/* A file to be read as a whole. */
typedef struct kt__load {
    const char *path;
    kt_buffer text;
    kt_time changed; /* the file's time */
    int rc;          /* 0, -ENOENT, KT_ELIMIT, ... */
} kt__load;

/* Reads the files, in one job; each has its result. 0, or what prevented all: -ENOMEM, the
 * cancellation's code. */
int kt__files_load(kt__load *loads, size_t count) KT_CHECKED;

enum {
    KT__SAVE_NEW = 1,     /* -EEXIST if there is one of that name */
    KT__SAVE_DURABLE = 2, /* it is on the disk when the call returns */
    KT__SAVE_SPARSE = 4,  /* of a writer: Markdown does not say when a note was made where the file's time does */
};

/* Writes a file as a whole and in one step, with the given time of change (0: now). */
int kt__file_save(const char *path, kt_slice text, kt_time changed, unsigned flags) KT_CHECKED;

/* FOLDER/NAMEending. The caller frees it with kt_free. */
int kt__path_of(const char *folder, const char *name, const char *ending, char **ret_path) KT_CHECKED;

/* The wall clock, in whole milliseconds: people read them. */
kt_time kt__wall_now(void);

/* "path: what went wrong" of the last failure, for a progress. */
void kt__why(int rc, const char *path, char *ret_why, size_t size);
#define KT__WHY_BYTES 600

/* ---- notebook.c, reader.c ----------------------------------------------------------------- */

/* Can it be the name of a note in a folder? */
bool kt__note_name_is_possible(const char *name);

/* Completes a note that was read of a file: times, and a title where it has none. `title` must
 * outlive it. */
void kt__note_complete(kt_note *n, const char *title, kt_time file_changed);

/* Replaces a note, and gives it a name that fits its title if it has another title now.
 * Otherwise as kt_notebook_put. */
int kt__notebook_replace(kt_notebook *b, const char *name, const kt_note *n, kt_time seen,
                         char ret_name[KT_NOTE_NAME_BYTES]) KT_CHECKED;

/* As kt_note_reader_open; `ahead` false reads nothing ahead. */
int kt__note_reader_open(const char *folder, const kt_note_filter *filter, bool ahead,
                         kt_note_reader **ret_reader) KT_CHECKED;

/* ---- writer.c ----------------------------------------------------------------------------- */

typedef struct kt__writer kt__writer;

/* A note that several files are written of. */
typedef struct kt__shared_note {
    kt_note note;
    unsigned users;
} kt__shared_note;

/* Copies a note, with one user: the caller. NULL without memory. */
kt__shared_note *kt__shared_note_new(const kt_note *n);
void kt__shared_note_unref(kt__shared_note *n);

/* Writers of files: `in_flight` tasks. Options may be NULL. The caller calls kt__writer_end in
 * any case. */
int kt__writer_start(const kt_notes_options *o, unsigned save_flags, kt__writer **ret_writer) KT_CHECKED;

/* Has a note written; takes over the path, in any case. Waits while all writers are busy. */
int kt__writer_put(kt__writer *w, kt__shared_note *n, kt_note_format f, char *path) KT_CHECKED;

/* Tells of a file that was not to be written: rc 1 it was there already, < 0 why it could not be
 * read. */
void kt__writer_tell(kt__writer *w, const char *path, int rc, const char *why);

/* How many files there will be, as far as is known. */
void kt__writer_expect(kt__writer *w, uint64_t total);

/* One more note was taken in hand. */
void kt__writer_count_note(kt__writer *w);

/* Waits for the rest (rc < 0: cancels it), frees the writers, and fills in the summary (may be
 * NULL). Returns the number of files written, or what prevented the whole. */
ssize_t kt__writer_end(kt__writer *w, int rc, kt_notes_summary *ret_summary) KT_CHECKED;

#endif
