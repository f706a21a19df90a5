/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_NOTES_PROGRAM_H
#define KETTLE_NOTES_PROGRAM_H

/* The program kettle-notes: what its commands share.
 *
 *     main.c      picks the command
 *     change.c editor.c    add, edit, rename, remove
 *     show.c list.c search.c stats.c    show; list; search; tags and stats
 *     transfer.c watch.c    export, import, pipeline; watch
 *     serve.c     the page and the API
 *     options.c   values on the command line
 *     output.c    text from strangers, times, JSON */

#include <jansson.h>
#include <kettle/kettle.h>
#include <kettle/memory.h>
#include <kettle/notes.h>
#include <kettle/settings.h>
#include <kettle/terminal.h>
#include <stdio.h>

/* Exit statuses, as the manual lists them. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* not done, or not all of it */
    EXIT_USAGE = 2,
    EXIT_INTERRUPTED = 130,
};

/* ---- Commands: argv[0] is the command's name; they return the exit status ----------------- */

int command_add(int argc, char **argv);
int command_edit(int argc, char **argv);
int command_rename(int argc, char **argv);
int command_remove(int argc, char **argv);
int command_show(int argc, char **argv);
int command_list(int argc, char **argv);
int command_search(int argc, char **argv);
int command_tags(int argc, char **argv);
int command_stats(int argc, char **argv);
int command_export(int argc, char **argv);
int command_import(int argc, char **argv);
int command_pipeline(int argc, char **argv);
int command_watch(int argc, char **argv);
int command_serve(int argc, char **argv);

/* ---- options.c ---------------------------------------------------------------------------- */

/* What every command takes; its settings are the parent of the command's own. */
typedef struct common_options {
    const char *notebook;
    bool json;
} common_options;

extern common_options common;
extern kt_settings *common_settings;

/* Reads a command's options. -1: the command may go on; otherwise the exit status, all being said. */
int options_load(const kt_settings_spec *spec, void *values, int argc, char **argv, kt_settings **ret_settings);

/* Says what is wrong with the usage, and where help is; returns EXIT_USAGE. */
int usage_error(const kt_settings_spec *spec, const char *format, ...) KT_PRINTF(2, 3);

/* Which notes: part of the options of many commands. */
typedef struct filter_options {
    kt_settings_list tags;
    const char *since, *until, *text;
} filter_options;

const char *check_time(const char *value);

/* clang-format off */
#define FILTER_TAGS(T) \
    {KT_SETTING_LIST(T, filter.tags, 0), "tag", .letter = 't', \
     .flags = KT_SETTING_NO_FILE | KT_SETTING_NO_ENVIRONMENT, \
     .meta = "TAG", .help = "only notes with this tag; may be repeated"}
#define FILTER_ROWS(T) \
    FILTER_TAGS(T), \
    {KT_SETTING_TEXT(T, filter.since), "since", .flags = KT_SETTING_NO_FILE | KT_SETTING_NO_ENVIRONMENT, \
     .check = check_time, .meta = "TIME", .help = "changed then or later: 2026-11-21, or with 'T02:41'"}, \
    {KT_SETTING_TEXT(T, filter.until), "until", .flags = KT_SETTING_NO_FILE | KT_SETTING_NO_ENVIRONMENT, \
     .check = check_time, .meta = "TIME", .help = "changed before"}, \
    {KT_SETTING_TEXT(T, filter.text), "text", .flags = KT_SETTING_NO_FILE | KT_SETTING_NO_ENVIRONMENT, \
     .meta = "WORDS", .help = "whose title or body holds this"}
/* clang-format on */

/* The filter that they describe. The caller calls filter_release. 0, -ENOMEM. */
int filter_make(const filter_options *o, kt_note_filter *ret_filter) KT_CHECKED;
void filter_release(kt_note_filter *f);

/* Opens the notebook in a loop of its own, calls fn, says what went wrong. fn returns 0; 1 when
 * a part failed, which it has said itself; or an error. Returns the exit status. */
int with_notebook(unsigned flags, int (*fn)(kt_notebook *b, void *arg), void *arg);

/* The same without a notebook: fn gets NULL. */
int with_loop(int (*fn)(kt_notebook *b, void *arg), void *arg);

/* ---- output.c ----------------------------------------------------------------------------- */

/* Says "kettle-notes: ..." of the last failure. */
void complain(int rc);

/* Prints text that a stranger wrote: control characters become "?"; where lines are wanted, line
 * ends and tabs stay. */
void print_safe(FILE *to, kt_slice text, bool lines);

/* "2026-11-21 02:41" in local time; "-" for 0. */
void print_time(FILE *to, kt_time wall);

/* Prints one JSON value on a line of its own, and gives it up; NULL is no memory. 0, -ENOMEM. */
int print_json(json_t *json) KT_CHECKED;

json_t *json_of_time(kt_time wall);
json_t *json_of_tags(const kt_note *n);
json_t *json_of_text(kt_slice text);

/* Of a path or a message, which may be no UTF-8: a question mark for each byte that is none. */
json_t *json_of_words(const char *words);

/* Columns of standard output; SIZE_MAX if it is no terminal. */
size_t terminal_width(void);

/* A colour's beginning, and its end; "" unless standard output wants them. */
const char *bold(void);
const char *dim(void);
const char *plain(void);

/* ---- editor.c ----------------------------------------------------------------------------- */

/* Opens the file in the user's editor, outside any loop, and waits. An exit status. */
int run_editor(const char *path);

#endif
