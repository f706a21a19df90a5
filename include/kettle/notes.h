/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_NOTES_H
#define KETTLE_NOTES_H

/* Notes in a folder of Markdown files, and their way into other formats and back.
 *
 *     kt_slice tags[] = {kt_slice_from("python"), kt_slice_from("async")};
 *     kt_note notes[] = {
 *         {.title = kt_slice_from("Async Intro"), .body = kt_slice_from("Coroutines and await."),
 *          .tags = tags, .tags_count = 2},
 *     };
 *     ssize_t files = kt_notes_export(notes, 1, "out", NULL, NULL);  // 3: out/md/async-intro.md, ...
 *
 *     kt_auto(kt_notebook) *book = NULL;
 *     int rc = kt_notebook_open("notes", KT_NOTEBOOK_MAKE, &book);
 *     if (rc == 0)
 *         rc = kt_notes_import("out/json", book, NULL, NULL) < 0;    // back to the same notes
 *
 * A note is a title, a body, tags, and the times of its making and last change. All text is
 * UTF-8. Note and notebook functions are for one task at a time per object; what suspends is
 * called in a task of a loop. A library of its own: libkettle-notes. */

#include <kettle/http.h>

KT_BEGIN

/* ---- A note ------------------------------------------------------------------------------- */

/* Either the caller's own, filled by hand with slices that he owns; or read or copied, then its
 * memory belongs to the note, and kt_note_release gives it back. */
typedef struct kt_note {
    kt_slice title;       /* one line, without blanks at its ends; may be empty */
    kt_slice body;        /* any text, but for NUL */
    const kt_slice *tags; /* each one line, not empty, without commas and without blanks at its ends */
    size_t tags_count;
    kt_time created;      /* on the wall clock: since 1970-01-01T00:00:00Z; 0: not known */
    kt_time changed;
    void *storage;        /* private */
    uintptr_t reserved[1];
} kt_note;

#define KT_NOTE_INIT {{NULL, 0}, {NULL, 0}, NULL, 0, 0, 0, NULL, {0}}

/* A file larger than this is not read as a note, and a note larger than this not written. */
#define KT_NOTE_BYTES_MAX ((size_t)16 << 20)

/* Is it a note that every format can hold? 0, or KT_EVALIDATION, and kt_error_detail() names the
 * field and what is wrong with it ("tag 2 holds a comma"). For text that is not UTF-8 it names
 * line and byte. KT_ELIMIT beyond KT_NOTE_BYTES_MAX. Does not suspend. */
KT_API int kt_note_check(const kt_note *n) KT_CHECKED;

/* Makes a copy that owns its memory. The caller releases *ret_note. 0, -ENOMEM. Does not suspend. */
KT_API int kt_note_copy(const kt_note *n, kt_note *ret_note) KT_CHECKED;

/* Gives back what a note that was read or copied owns; it is KT_NOTE_INIT afterwards. Does not
 * suspend. */
KT_API void kt_note_release(kt_note *n);

/* Are title, body and tags the same? Times do not count. */
KT_API bool kt_note_equal(const kt_note *a, const kt_note *b);

/* Has it this tag? */
KT_API bool kt_note_has_tag(const kt_note *n, const char *tag);

static inline void kt_note_cleanup(kt_note *n)
{
    kt_note_release(n);
}

/* Longest name that kt_note_slug makes, with its terminator. */
#define KT_NOTE_SLUG_BYTES 112

/* Makes a file's name of a title, without its ending: "Python Basics" -> "python-basics". Lower
 * case; every run of blanks, ASCII punctuation and invisible characters becomes one "-"; at most
 * 100 bytes, cut between characters. It never is empty ("untitled"), never begins with a dot,
 * never holds a slash, and is no name that Windows keeps for a device ("con" -> "con-note"). Two
 * titles may have one slug: whoever writes files numbers them, see kt_notebook_add. Returns its
 * length. Does not suspend; any thread. */
KT_API size_t kt_note_slug(kt_slice title, char ret_slug[KT_NOTE_SLUG_BYTES]);

/* ---- Formats ------------------------------------------------------------------------------ */

/* How a note stands in a file. A note that is written and read again is the same in every one of
 * them. (In Markdown the time of the last change is the file's own, see kt_notebook.)
 *
 *     KT_NOTE_MD    # Title, blank line, body, blank line, "Tags: a, b", and "Created: 2026-11-21T02:41:31Z"
 *                   where that is known. Read as well: YAML front matter between two "---" with title, tags,
 *                   created; CR LF; a byte order mark.
 *     KT_NOTE_JSON  {"title", "body", "tags": [], "created", "changed"} (RFC 8259); a list of these is read, too
 *     KT_NOTE_CSV   a line of names, title,body,tags,created,changed, and a line for each note; CR LF, quoted as
 *                   RFC 4180 says; the tags are joined by ",". Read with columns in any order, others ignored.
 *     KT_NOTE_HTML  a page that stands by itself, with everything escaped. Only such pages are read. */
typedef enum kt_note_format {
    KT_NOTE_MD,
    KT_NOTE_JSON,
    KT_NOTE_CSV,
    KT_NOTE_HTML,
    KT_NOTE_FORMATS, /* how many there are */
} kt_note_format;

/* "md", "json", "csv", "html": the format's name, which is its files' ending and its folder's
 * name; "?" for what is no format. Static. */
KT_API const char *kt_note_format_name(kt_note_format f);

/* The format of that name. 0, or KT_ENOTFOUND. */
KT_API int kt_note_format_parse(kt_slice name, kt_note_format *ret_format) KT_CHECKED;

/* Appends the note in a format. 0; kt_note_check's errors; -EINVAL for what is no format; -ENOMEM;
 * KT_ELIMIT. After a failure
 * `out` may hold a part of it. Does not suspend; any thread. */
KT_API int kt_note_write(const kt_note *n, kt_note_format f, kt_buffer *out) KT_CHECKED;

/* Reads the one note of a text. The caller releases *ret_note. 0; KT_EVALIDATION if it is not
 * UTF-8, holds NUL, is not of that format, or does not hold exactly one note: kt_error_detail()
 * tells line, byte and reason; -EINVAL for what is no format; -ENOMEM. Of Markdown without a
 * heading title.data is NULL. Does not suspend; any thread. */
KT_API int kt_note_read(kt_slice text, kt_note_format f, kt_note *ret_note) KT_CHECKED;

/* Calls fn for each note of a text, in order; the note is released after the call, unless fn
 * takes it over and leaves KT_NOTE_INIT. Returns how many there were; fn's first negative
 * result, at which it stops; otherwise as kt_note_read. */
KT_API ssize_t kt_note_read_each(kt_slice text, kt_note_format f, int (*fn)(kt_note *n, void *arg),
                                 void *arg) KT_CHECKED;

#define KT_NOTE_TIME_BYTES 40

/* Writes a time as RFC 3339 in UTC, "2026-11-21T02:41:31.5Z", with the digits that it has; ""
 * for 0. Returns the length. Any thread. */
KT_API size_t kt_note_time_format(kt_time wall, char ret_text[KT_NOTE_TIME_BYTES]);

/* Reads one: "2026-11-21", "2026-11-21T02:41", with seconds, a fraction, "Z" or "+01:00" (none:
 * UTC), a blank for the T. 0; KT_EVALIDATION. Empty is 0. */
KT_API int kt_note_time_parse(kt_slice text, kt_time *ret_wall) KT_CHECKED;

/* ---- Choosing notes ----------------------------------------------------------------------- */

/* All zero lets every note pass. Strings are borrowed. */
typedef struct kt_note_filter {
    const char *const *tags; /* NULL-ended: it has all of them */
    kt_time since, until;    /* changed at or after, and before; 0: no matter when */
    const char *text;        /* title or body holds it, whatever the case of ASCII letters */
    uintptr_t reserved[2];
} kt_note_filter;

/* Does it pass? A NULL filter lets every note pass. Does not suspend; any thread. */
KT_API bool kt_note_passes(const kt_note *n, const kt_note_filter *filter);

/* ---- Notebooks ---------------------------------------------------------------------------- */

/* A folder of Markdown files, one a note: every file whose name ends in ".md" and does not begin
 * with a dot. The note's name is the file's without that ending. Any editor may work on them.
 * The time of a note's last change is its file's; a note that says nothing of its making was
 * made then, too; one without a title is called as its file is.
 *
 * Each function that reads or writes works on what is on the disk now: nothing is kept in
 * memory. A change is on the disk, and whole, when its call returns: a note is replaced in one
 * step, so that no crash and no cancellation leaves half of one. Errors are those of files and
 * paths (file.h, path.h), with the name of the file in kt_error_detail(). All suspend, in jobs
 * on pool threads; a job that has begun is finished, and a cancellation then shows at the next
 * call. */
typedef struct kt_notebook kt_notebook;

/* Bytes of a note's name with its terminator. */
#define KT_NOTE_NAME_BYTES 256

enum {
    KT_NOTEBOOK_MAKE = 1, /* makes the folder, and those above it, if they are missing */
};

/* Opens a folder. The caller owns *ret_book. -ENOENT, -ENOTDIR, -EACCES, -ENOMEM. Suspends. */
KT_API int kt_notebook_open(const char *folder, unsigned flags, kt_notebook **ret_book) KT_CHECKED;

/* Forgets it; NULL is allowed. Nobody may be at work on it. Does not suspend. */
KT_API void kt_notebook_close(kt_notebook *b);

static inline void kt_notebook_cleanup(kt_notebook **b)
{
    kt_notebook_close(*b);
}

/* The folder as it was given. */
KT_API const char *kt_notebook_folder(const kt_notebook *b);

/* Adds a note under a name made of its title, with a number behind it where that is taken, also
 * by a name that differs in case alone. Where its times are 0, they are now. 0 and its name;
 * kt_note_check's errors; -ENOSPC, ... Suspends. */
KT_API int kt_notebook_add(kt_notebook *b, const kt_note *n, char ret_name[KT_NOTE_NAME_BYTES]) KT_CHECKED;

/* Reads a note. The caller releases *ret_note. KT_ENOTFOUND if there is none, also for what can
 * be no name; KT_EVALIDATION with line and byte if it is not UTF-8; KT_ELIMIT. Suspends. */
KT_API int kt_notebook_get(kt_notebook *b, const char *name, kt_note *ret_note) KT_CHECKED;

/* Replaces a note that is there, in one step. Where `changed` is 0 it is now. `seen`, if not 0,
 * is the time of the change that the caller knows: KT_ECONFLICT if the note was changed since.
 * KT_ENOTFOUND; kt_note_check's errors. Suspends. */
KT_API int kt_notebook_put(kt_notebook *b, const char *name, const kt_note *n, kt_time seen) KT_CHECKED;

/* Gives a note another title, and a name that fits it. 0 and its name from now on. Errors as
 * kt_notebook_put. Suspends. */
KT_API int kt_notebook_rename(kt_notebook *b, const char *name, kt_slice title,
                              char ret_name[KT_NOTE_NAME_BYTES]) KT_CHECKED;

/* Removes a note for good. KT_ENOTFOUND. Suspends. */
KT_API int kt_notebook_remove(kt_notebook *b, const char *name) KT_CHECKED;

/* Finds the note that a person means: by its name, its file's name, or its title if only one has
 * it. 0 and its name; KT_ENOTFOUND, KT_ECONFLICT when several have that title. Suspends. */
KT_API int kt_notebook_find(kt_notebook *b, const char *words, char ret_name[KT_NOTE_NAME_BYTES]) KT_CHECKED;

/* ---- Reading all notes -------------------------------------------------------------------- */

/* A walk through the notes in the order of their names' bytes (strcmp(3)); some are read ahead
 * while the caller is busy with one. Bodies of a few files are in memory at a time, however many
 * there are; names of all. */
typedef struct kt_note_reader kt_note_reader;

typedef struct kt_note_entry {
    const char *name;
    kt_note note;    /* the reader's; to keep it, copy it */
    int rc;          /* 0, or why it could not be read; then there is only the name */
    const char *why; /* the same in words, with the file's name in front; "" */
} kt_note_entry;

/* Begins. The notebook must outlive it, and so must what the filter (may be NULL) points to. The
 * caller owns *ret_reader. -ENOENT, -EACCES, -ENOMEM. Suspends. */
KT_API int kt_note_reader_open(kt_notebook *b, const kt_note_filter *filter, kt_note_reader **ret_reader) KT_CHECKED;

/* The next note that passes the filter, or could not be read: 1, and an entry that is valid
 * until the next call; 0 at the end. (One that has vanished since the beginning could not be
 * read: -ENOENT.) -ENOMEM, the cancellation's code: then the next call goes on at the same place.
 * Suspends. */
KT_API int kt_note_reader_next(kt_note_reader *r, kt_note_entry *ret_entry) KT_CHECKED;

/* How many files there are in all, and how many of them have been passed. */
KT_API size_t kt_note_reader_total(const kt_note_reader *r);
KT_API size_t kt_note_reader_passed(const kt_note_reader *r);

/* Ends it; NULL is allowed. Suspends; a cancellation is held back. */
KT_API void kt_note_reader_close(kt_note_reader *r);

static inline void kt_note_reader_cleanup(kt_note_reader **r)
{
    kt_note_reader_close(*r);
}

/* ---- Export, import, pipeline ------------------------------------------------------------- */

/* A file that is finished, well or not. */
typedef struct kt_notes_progress {
    uint64_t done;    /* files that are finished, this one included: it rises by one from call to call */
    uint64_t total;   /* as far as is known; it falls when notes do not pass the filter; at the end done == total */
    const char *path; /* of the file */
    int rc;           /* 0; 1: it was there already, and the same (import); < 0: failed */
    const char *why;  /* the failure in words, with the file's name; "" */
} kt_notes_progress;

/* All zero means the defaults. Strings and what the pointers lead to are borrowed during the call. */
typedef struct kt_notes_options {
    unsigned formats;   /* a set: 1u << KT_NOTE_MD | ...; 0: of an export md, json, csv; of an import all four */
    unsigned in_flight; /* files that are written at once; 0 = 16; 1: one after the other, nothing read ahead */
    const kt_note_filter *filter;
    bool durable;       /* wait until every file is on the disk (fsync(2)), so that a power cut leaves none empty */

    /* Called once for each file, when it is finished. It must not suspend. */
    void (*progress)(const kt_notes_progress *p, void *arg);
    void *progress_arg;

    /* Writes a file in place of the file system: into an archive, over the network. By several
     * tasks at once; may suspend. No folders are made then. 0, or a negative error. */
    int (*write)(const char *path, kt_slice bytes, void *arg);
    void *write_arg;
    uintptr_t reserved[4];
} kt_notes_options;

typedef struct kt_notes_summary {
    uint64_t notes;     /* that were taken in hand: read, and passed the filter */
    uint64_t files;     /* written */
    uint64_t unchanged; /* of an import: notes that were there already */
    uint64_t failed;    /* files that could not be read or written */
    uint64_t bytes;     /* of the files written */
    int rc;             /* of the first failure; 0: none */
    kt_time duration;
    uintptr_t reserved[2];
} kt_notes_summary;

/* Exports notes: writes each in each format, all at once but for `in_flight`, each in one step
 * and as FOLDER/md/NAME.md, FOLDER/json/NAME.json, and so on; folders that are missing are made,
 * files that are there are replaced. The name is kt_note_slug's of the title, and a second note
 * with the same gets "-2" behind it.
 *
 * Returns how many files were written. A file that fails does not keep the others: *ret_summary
 * (may be NULL) counts it, and `progress` tells its name and why. Only what prevents the whole
 * is the result: a folder that cannot be made, -ENOMEM, the cancellation's code; then files that
 * are finished stay, and none is half-written. Suspends. */
KT_API ssize_t kt_notes_export(const kt_note *notes, size_t count, const char *folder,
                               const kt_notes_options *options, kt_notes_summary *ret_summary) KT_CHECKED;

/* The same with all notes of a notebook, in the order of their names; they are read while others
 * are written, and only those that are under way are in memory. */
KT_API ssize_t kt_notebook_export(kt_notebook *b, const char *folder, const kt_notes_options *options,
                                  kt_notes_summary *ret_summary) KT_CHECKED;

/* Adds the notes of a file, or of all files in a folder, to a notebook: those whose names end as
 * one of the formats says, in the order of the names. A folder without such files that an export
 * has made is read in its richest format: json, csv, html, md. A note that is there already
 * under its name, the same but for times, is left as it is; otherwise it is added as
 * kt_notebook_add does, and never replaces another. Counts and errors as kt_notes_export; a file
 * that cannot be read is one failure. */
KT_API ssize_t kt_notes_import(const char *source, kt_notebook *b, const kt_notes_options *options,
                               kt_notes_summary *ret_summary) KT_CHECKED;

/* Streams the notes of one folder that pass the filter into another, as Markdown in one folder:
 * FOLDER/NAME.md. Returns how many. KT_ECONFLICT if both folders are one. Otherwise as
 * kt_notebook_export. */
KT_API ssize_t kt_notes_pipeline(const char *from, const char *to, const kt_notes_options *options,
                                 kt_notes_summary *ret_summary) KT_CHECKED;

/* Exports a notebook as kt_notebook_export does, and goes on: whatever changes in its folder is
 * exported again, a fifth of a second after the last change; the files of a note that is gone,
 * or has another title, are removed. After the first export and each later run ran(summary, arg)
 * is called if not NULL; it must not suspend. `progress` begins anew with each run. Until it is
 * cancelled: returns the cancellation's code; -ENOENT when the notebook's folder is gone; the
 * errors of kt_notebook_export and kt_dir_watch_open (dir_watch.h), KT_ENOTSIM under the
 * simulated driver. Suspends. */
KT_API int kt_notebook_watch(kt_notebook *b, const char *folder, const kt_notes_options *options,
                             void (*ran)(const kt_notes_summary *s, void *arg), void *arg) KT_CHECKED;

/* ---- Search and figures ------------------------------------------------------------------- */

/* One note that was found. */
typedef struct kt_note_hit {
    const char *name;
    const char *title;
    double score;
    kt_time changed;
} kt_note_hit;

/* The best first. */
typedef struct kt_note_hits {
    size_t count;       /* of items */
    size_t found;       /* notes that match, also beyond the limit */
    size_t unreadable;  /* notes that could not be read, and are not among them */
    kt_note_hit items[];
} kt_note_hits;

/* Finds notes by words: those that hold at least one, ranked by BM25F (Robertson and Zaragoza,
 * "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, sections 3.4 and 3.6) with k1
 * = 1.2. A word in the title counts four times, in a tag three times, in the body once; a
 * field's length weighs with b = 0.75. A word of the query is found in any case of its letters,
 * and at the beginning of a longer word, which counts half. Equals are in the order of their
 * names.
 *
 * At most `limit` hits (0 = 20); the words beyond the 16th of the query are ignored. No index is
 * kept: the notes are read, one after the other, and for each that matches a few dozen bytes are
 * remembered. The caller frees *ret_hits. KT_EVALIDATION for a query without a word; -ENOMEM;
 * the reader's errors. Suspends. */
KT_API int kt_notebook_search(kt_notebook *b, const char *query, size_t limit, const kt_note_filter *filter,
                              kt_note_hits **ret_hits) KT_CHECKED;

/* Frees them; NULL is allowed. */
KT_API void kt_note_hits_free(kt_note_hits *h);

static inline void kt_note_hits_cleanup(kt_note_hits **h)
{
    kt_note_hits_free(*h);
}

typedef struct kt_note_tag_count {
    const char *tag;
    size_t notes;
} kt_note_tag_count;

/* Figures of a notebook. Zero it, or KT_NOTEBOOK_STATS_INIT, before use. */
typedef struct kt_notebook_stats {
    size_t notes, unreadable;
    uint64_t words, bytes;          /* of titles and bodies */
    kt_time oldest, newest;         /* changes */
    const kt_note_tag_count *tags;  /* the most used first, equals in the order of their bytes */
    size_t tags_count;
    size_t untagged;                /* notes */
    void *storage;                  /* private */
    uintptr_t reserved[2];
} kt_notebook_stats;

#define KT_NOTEBOOK_STATS_INIT {0, 0, 0, 0, 0, 0, NULL, 0, 0, NULL, {0, 0}}

/* Reads all notes and counts. The caller releases *ret_stats. Errors as kt_note_reader_next.
 * Suspends. */
KT_API int kt_notebook_stats_get(kt_notebook *b, const kt_note_filter *filter,
                                 kt_notebook_stats *ret_stats) KT_CHECKED;
KT_API void kt_notebook_stats_release(kt_notebook_stats *s);

static inline void kt_notebook_stats_cleanup(kt_notebook_stats *s)
{
    kt_notebook_stats_release(s);
}

/* ---- Over HTTP ---------------------------------------------------------------------------- */

/* What kt_notes_http serves. In the caller's storage, as long as the server runs. */
typedef struct kt_notes_site {
    kt_notebook *book;
    const kt_http_asset *assets; /* a page beside the API; NULL: none */
    size_t assets_count;
    const char *const *hosts;    /* as of kt_http_guard */
    uintptr_t reserved[2];
} kt_notes_site;

/* A handler for kt_http_serve, whose argument is a kt_notes_site: a JSON API to read and write
 * the notes under /api, and the page. It trusts whoever passes kt_http_guard. See
 * docs/kettle-notes.md. */
KT_API int kt_notes_http(kt_http_exchange *x, void *site);

KT_END

#endif
