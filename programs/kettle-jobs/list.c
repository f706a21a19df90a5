/* SPDX-License-Identifier: MIT */

/* kettle-jobs list: jobs, newest first. */

#include <inttypes.h>
#include <kettle/buffer.h>

#include "program.h"

#define PAGE_MAX 1000

typedef struct listing {
    client_options client;
    const char *state, *type, *queue; /* NULL: any */
    int64_t limit, after;
} listing;

static const kt_setting table[] = {
    {KT_SETTING_TEXT(listing, state), "state", .meta = "STATE",
     .help = "scheduled, ready, running, succeeded, dead or cancelled", .group = "Which"},
    {KT_SETTING_TEXT(listing, type), "type", .meta = "TYPE", .help = "jobs of this type"},
    {KT_SETTING_TEXT(listing, queue), "queue", .meta = "NAME", .help = "jobs of this queue"},
    {KT_SETTING_INTEGER(listing, limit, 1, 1000000), "limit", .standard = "50",
     .help = "at most so many"},
    {KT_SETTING_INTEGER(listing, after, 0, 0), "after", .meta = "ID",
     .help = "older ones than this"},
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "kettle-jobs list",
    .about = "Lists jobs, newest first. Times are UTC.",
    .more =
        "Exit status: 0 done; 1 the server said no; 2 wrong usage; 3 the server cannot be reached.",
    .table = table,
};

/* ---- Asking ---------------------------------------------------------------------------------- */

static int append_parameter(kt_buffer *target, const char *name, const char *value)
{
    if (!value)
        return 0;
    int rc = kt_buffer_printf(target, "&%s=", name);
    for (; *value && rc == 0; value++)
        rc = strchr("-._~", *value) || (*value >= '0' && *value <= '9') ||
                     ((*value | 32) >= 'a' && (*value | 32) <= 'z')
                 ? kt_buffer_append(target, value, 1)
                 : kt_buffer_printf(target, "%%%02X", (unsigned char)*value);
    return rc;
}

/* One page into `jobs`. The server looks at a bounded number of jobs a page, so that one may be short, or
 * empty, and yet not the last. */
static int read_page(listing *l, json_t *jobs, int64_t *ret_next)
{
    kt_auto(kt_buffer) target = KT_BUFFER_INIT;
    int64_t wanted = l->limit - (int64_t)json_array_size(jobs);
    answer a;
    if (kt_buffer_printf(&target, "/v1/jobs?limit=%" PRId64 "&after=%" PRId64,
                         wanted < PAGE_MAX ? wanted : PAGE_MAX, l->after) < 0 ||
        append_parameter(&target, "state", l->state) < 0 ||
        append_parameter(&target, "type", l->type) < 0 ||
        append_parameter(&target, "queue", l->queue) < 0 || !kt_buffer_string(&target)) {
        fprintf(stderr, "kettle-jobs list: out of memory\n");
        return EXIT_FAILED;
    }
    int status = client_ask(&l->client, kt_buffer_string(&target), NULL, &a);
    if (status != EXIT_DONE)
        return status;
    json_array_extend(jobs, json_object_get(a.json, "jobs"));
    *ret_next = json_integer_value(json_object_get(a.json, "next"));
    json_decref(a.json);
    return EXIT_DONE;
}

/* ---- The table ------------------------------------------------------------------------------- */

enum { ID, STATE_OF, TYPE_OF, QUEUE_OF, PRIORITY, TRIES, CREATED, LABEL, COLUMNS };

static const char *const heads[COLUMNS] = {"ID",  "STATE", "TYPE",    "QUEUE",
                                           "PRI", "TRIES", "CREATED", "JOB"};

typedef struct row {
    char numbers[3][32];
    char created[24];
    const char *cells[COLUMNS];
} row;

static void fill_row(const json_t *job, row *r)
{
    snprintf(r->numbers[0], 32, "%" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(job, "id")));
    snprintf(r->numbers[1], 32, "%" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(job, "priority")));
    snprintf(r->numbers[2], 32, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(job, "attempts_made")),
             json_integer_value(json_object_get(job, "attempts_max")));
    snprintf(r->created, 20, "%s", json_text(job, "created_at")); /* to the second */
    char *letter = strchr(r->created, 'T');
    if (letter)
        *letter = ' ';
    r->cells[ID] = r->numbers[0];
    r->cells[STATE_OF] = json_text(job, "state");
    r->cells[TYPE_OF] = json_text(job, "type");
    r->cells[QUEUE_OF] = json_text(job, "queue");
    r->cells[PRIORITY] = r->numbers[1];
    r->cells[TRIES] = r->numbers[2];
    r->cells[CREATED] = r->created;
    r->cells[LABEL] = json_text(job, "label");
}

static void print_cell(const char *text, size_t width, bool right)
{
    size_t own = text_width(text);
    for (; right && own < width; own++)
        putchar(' ');
    print_safe(stdout, text, false);
    for (; own < width; own++)
        putchar(' ');
}

/* The last column gets what is left of the terminal's line. */
static void print_row(const row *r, const size_t widths[COLUMNS], size_t line, bool head)
{
    size_t used = 0;
    for (int c = 0; c < LABEL; c++) {
        const char *colour = c == STATE_OF && !head ? state_colour(r->cells[c]) : "";
        fputs(colour, stdout);
        print_cell(r->cells[c], widths[c], c == ID || c == PRIORITY);
        fputs(*colour ? colour_end() : "", stdout);
        fputs("  ", stdout);
        used += widths[c] + 2;
    }
    char label[2048];
    size_t room = line > used + 10 ? line - used : 10;
    snprintf(label, sizeof label, "%.*s", (int)text_fit(r->cells[LABEL], room), r->cells[LABEL]);
    print_safe(stdout, label, false);
    putchar('\n');
}

static void print_table(const json_t *jobs)
{
    row head, r;
    size_t widths[COLUMNS], line = terminal_width(), i;
    json_t *job;
    for (int c = 0; c < COLUMNS; c++) {
        head.cells[c] = heads[c];
        widths[c] = strlen(heads[c]);
    }
    json_array_foreach(jobs, i, job)
    {
        fill_row(job, &r);
        for (int c = 0; c < LABEL; c++)
            widths[c] = text_width(r.cells[c]) > widths[c] ? text_width(r.cells[c]) : widths[c];
    }
    print_row(&head, widths, line, true);
    json_array_foreach(jobs, i, job)
    {
        fill_row(job, &r);
        print_row(&r, widths, line, false);
    }
}

/* ---- The command ----------------------------------------------------------------------------- */

static int list(listing *l)
{
    json_t *jobs = json_array();
    int64_t next = 0;
    int status;
    do {
        status = read_page(l, jobs, &next);
        l->after = next;
    } while (status == EXIT_DONE && next && (int64_t)json_array_size(jobs) < l->limit);
    if (status == EXIT_DONE && l->client.json) {
        json_t *all =
            json_pack("{s:O, s:o}", "jobs", jobs, "next", next ? json_integer(next) : json_null());
        print_json(all);
        json_decref(all);
    } else if (status == EXIT_DONE && json_array_size(jobs) == 0) {
        fprintf(stderr, "No such jobs. Submit one: kettle-jobs submit -- echo hi\n");
    } else if (status == EXIT_DONE) {
        print_table(jobs);
        if (next)
            fprintf(stderr, "There are more: --after %" PRId64 "\n", next);
    }
    json_decref(jobs);
    return status;
}

int command_list(program *p, int argc, char **argv)
{
    listing l;
    kt_auto(kt_settings) *settings = NULL;
    int status = settings_read(&spec, &l, p->settings, argc, argv, &settings);
    l.client = p->client;
    return status == GO_ON ? list(&l) : status;
}
