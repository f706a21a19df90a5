/* SPDX-License-Identifier: MIT */

/* kettle-jobs show: all about a job. */

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "program.h"

static const kt_setting table[] = {{.name = NULL}};
static const kt_settings_spec spec = {
    .program = "kettle-jobs show",
    .about = "Shows all about a job: what it is, what became of it, each attempt with its error.",
    .arguments = "ID...",
    .more =
        "Exit status: 0 done; 1 the server said no; 2 wrong usage; 3 the server cannot be reached.",
    .table = table,
};

bool parse_id(const char *command, const char *text, int64_t *ret_id)
{
    if (parse_integer(text, 1, INT64_MAX, ret_id))
        return true;
    usage_error(command, "'%s' is no job's id", text);
    return false;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static void print_line(const char *name, const char *text)
{
    printf("  %-10s ", name);
    print_safe(stdout, text, false);
    putchar('\n');
}

static json_int_t number(const json_t *job, const char *name)
{
    return json_integer_value(json_object_get(job, name));
}

/* Seconds since 1970; 0 if it is not there. */
static double time_of(const json_t *object, const char *name)
{
    struct tm tm = {.tm_isdst = 0};
    const char *end = strptime(json_text(object, name), "%Y-%m-%dT%H:%M:%S", &tm);
    return end ? (double)timegm(&tm) + (*end == '.' ? strtod(end, NULL) : 0) : 0;
}

static void print_span(const json_t *object)
{
    double start = time_of(object, "started_at"), end = time_of(object, "finished_at");
    if (start > 0 && end >= start)
        printf("%.3f s", end - start);
}

static void print_times(const json_t *job)
{
    static const char *const names[][2] = {{"created", "created_at"},
                                           {"run at", "run_at"},
                                           {"started", "started_at"},
                                           {"finished", "finished_at"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (*json_text(job, names[i][1]))
            print_line(names[i][0], json_text(job, names[i][1]));
}

static void print_attempts(const json_t *attempts)
{
    size_t i;
    json_t *attempt;
    if (json_array_size(attempts) > 0)
        puts("\nAttempts");
    json_array_foreach(attempts, i, attempt)
    {
        printf("  %3" JSON_INTEGER_FORMAT "  %-10s %s  ", number(attempt, "number"),
               json_text(attempt, "outcome"), json_text(attempt, "started_at"));
        print_span(attempt);
        if (*json_text(attempt, "error")) {
            fputs("  ", stdout);
            print_safe(stdout, json_text(attempt, "error"), false);
        }
        putchar('\n');
    }
}

/* Output of programs as the lines that it is; the rest as JSON. */
static void print_result(json_t *result)
{
    const char *name;
    json_t *value;
    if (!json_is_object(result)) {
        if (result && !json_is_null(result)) {
            puts("\nResult");
            print_json(result);
        }
        return;
    }
    puts("\nResult");
    json_object_foreach(result, name, value)
    {
        const char *text = json_string_value(value);
        char *json = text ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        printf("  %-13s ", name);
        if (text && strchr(text, '\n'))
            putchar('\n');
        print_safe(stdout, text ? text : json ? json : "", true);
        if (!text || !*text || text[strlen(text) - 1] != '\n')
            putchar('\n');
        free(json); /* tidy: free: jansson's */
    }
}

static void print_job(const json_t *job)
{
    const char *state = json_text(job, "state");
    double timeout = json_number_value(json_object_get(job, "timeout"));
    char *args = json_dumps(json_object_get(job, "args"), JSON_COMPACT | JSON_ENCODE_ANY);
    printf("Job %" JSON_INTEGER_FORMAT " %s%s%s%s\n", number(job, "id"), state_colour(state), state,
           colour_end(),
           json_is_true(json_object_get(job, "cancel_requested")) && strcmp(state, "running") == 0
               ? ", being cancelled"
               : "");
    print_line("job", json_text(job, "label"));
    print_line("type", json_text(job, "type"));
    print_line("queue", json_text(job, "queue"));
    printf("  %-10s %" JSON_INTEGER_FORMAT "\n", "priority", number(job, "priority"));
    printf("  %-10s %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT ", backoff %g\n", "attempts",
           number(job, "attempts_made"), number(job, "attempts_max"),
           json_number_value(json_object_get(job, "backoff")));
    if (number(job, "crashes") > 0)
        printf("  %-10s %" JSON_INTEGER_FORMAT "\n", "crashes", number(job, "crashes"));
    if (timeout > 0)
        printf("  %-10s %g s\n", "timeout", timeout);
    print_times(job);
    print_line("args", args ? args : "");
    if (*json_text(job, "error"))
        print_line("error", json_text(job, "error"));
    print_attempts(json_object_get(job, "attempts"));
    print_result(json_object_get(job, "result"));
    free(args); /* tidy: free: jansson's */
}

/* ---- The command ----------------------------------------------------------------------------- */

static int show(const client_options *o, char **ids)
{
    int status = EXIT_DONE;
    if (!*ids)
        return usage_error(spec.program, "which job? Give its id, as 'kettle-jobs list' shows it");
    for (char **i = ids; *i; i++) {
        char target[64];
        int64_t id;
        answer a;
        if (!parse_id(spec.program, *i, &id))
            return EXIT_USAGE;
        snprintf(target, sizeof target, "/v1/jobs/%" PRId64, id);
        int of_this = client_ask(o, target, NULL, &a);
        status = of_this ? of_this : status;
        if (of_this > EXIT_FAILED)
            return of_this;
        if (of_this != EXIT_DONE)
            continue;
        if (i > ids && !o->json)
            putchar('\n');
        (o->json ? print_json : print_job)(a.json);
        json_decref(a.json);
    }
    return status;
}

int command_show(program *p, int argc, char **argv)
{
    kt_auto(kt_settings) *settings = NULL;
    int status = settings_read(&spec, NULL, p->settings, argc, argv, &settings), count;
    return status == GO_ON ? show(&p->client, kt_settings_rest(settings, &count)) : status;
}
