/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_JOBS_PROGRAM_H
#define KETTLE_JOBS_PROGRAM_H

/* The program kettle-jobs: what its commands share.
 *
 *     main.c      picks the command
 *     serve.c     the server
 *     submit.c, batch.c, wait.c, list.c, show.c, cancel.c    its clients
 *     client.c    one request to a server, with its errors
 *     options.c   what commands share of their settings
 *     terminal.c  text from strangers, tables, colours */

#include <jansson.h>
#include <kettle/base.h>
#include <kettle/error.h>
#include <kettle/settings.h>
#include <stdio.h>

/* Exit statuses, as the manual lists them. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* the server said no, or a job failed that was waited for */
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 3,
    EXIT_INTERRUPTED = 130,
};

/* ---- options.c -------------------------------------------------------------------------------- */

/* What every client command takes, before the command or behind it. */
typedef struct client_options {
    const char *server; /* URL */
    kt_time time_limit; /* of one request */
    bool json;
} client_options;

/* The program while a command runs. */
typedef struct program {
    client_options client;
    kt_settings *settings; /* of these; they own the strings */
} program;

extern const kt_setting client_table[];

/* Reads a command's settings. GO_ON, or the exit status, after the answer or what is wrong was printed. */
enum { GO_ON = -1 };
int settings_read(const kt_settings_spec *spec, void *values, kt_settings *parent, int argc, char **argv,
                  kt_settings **ret_settings);

/* Was the setting given? */
bool settings_given(const kt_settings *s, const char *name);

/* ---- Commands: argv[0] is the command; they return the exit status ------------------------------ */

int command_serve(program *p, int argc, char **argv);
int command_submit(program *p, int argc, char **argv);
int command_list(program *p, int argc, char **argv);
int command_show(program *p, int argc, char **argv);
int command_cancel(program *p, int argc, char **argv);

/* ---- Values ------------------------------------------------------------------------------------- */

/* Says "kettle-jobs submit: ..." and where help is; returns EXIT_USAGE. */
int usage_error(const char *command, const char *format, ...) KT_PRINTF(2, 3);

/* False if the text is no such number or out of range. */
bool parse_integer(const char *text, int64_t min, int64_t max, int64_t *ret_n);

/* "HOST:PORT" or "PORT"; an IPv6 address stands in brackets. */
bool parse_address(const char *text, char *ret_host, size_t host_size, uint16_t *ret_port);

/* ---- client.c --------------------------------------------------------------------------------- */

/* A server's answer; release with json_decref(json). */
typedef struct answer {
    int status;
    json_t *json; /* an object or array, else NULL */
} answer;

/* Makes a request in a loop of its own (body NULL: GET). EXIT_DONE for any status below 400; otherwise
 * the exit status, the reason said on standard error, and nothing to release. */
int client_ask(const client_options *o, const char *target, const json_t *body, answer *ret_answer);

/* The same, without saying why when the server cannot be reached. */
int client_ask_quietly(const client_options *o, const char *target, const json_t *body,
                       answer *ret_answer);

/* Added to the number in "jobs[N]" where an answer names a field: for batches that go in pieces. */
extern int64_t client_batch_offset;

/* ---- batch.c, wait.c, show.c ------------------------------------------------------------------ */

/* Reads jobs from a file ("-": standard input): JSON lines, or one array. NULL after saying what is wrong. */
json_t *batch_read(const char *path);

/* Submits them in as many requests as they need. ret_ids: a list, to be released. */
int batch_submit(const client_options *o, json_t *jobs, json_t **ret_ids);

/* Follows the jobs to their ends and tells each. EXIT_DONE if all succeeded. */
int wait_for_jobs(const client_options *o, const json_t *ids);

/* The id on a command line; false after saying that it is none. */
bool parse_id(const char *command, const char *text, int64_t *ret_id);

/* ---- terminal.c ------------------------------------------------------------------------------- */

/* A member that is a string, else "". */
const char *json_text(const json_t *object, const char *name);

/* Prints one JSON document on a line of its own. */
void print_json(const json_t *json);

/* Prints text that a stranger chose: control characters become "?", or, where lines are
 * wanted, line ends and tabs stay. */
void print_safe(FILE *to, const char *text, bool lines);

/* Columns that text takes on a terminal, as print_safe prints it. */
size_t text_width(const char *text);

/* Bytes of text that fit into `width` columns. */
size_t text_fit(const char *text, size_t width);

/* The columns of standard output; SIZE_MAX if it is no terminal. */
size_t terminal_width(void);

/* The colour of a state and the end of it; "" unless standard output is a terminal that wants them. */
const char *state_colour(const char *state);
const char *colour_end(void);

#endif
