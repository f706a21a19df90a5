/* SPDX-License-Identifier: MIT */

/* kettle-jobs submit: hands jobs in. */

#include <getopt.h>

#include "program.h"

static const char help[] =
    "usage: kettle-jobs submit [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "       kettle-jobs submit [OPTION]... --shell COMMAND\n"
    "       kettle-jobs submit [OPTION]... [--type TYPE] --args JSON\n"
    "       kettle-jobs submit [--wait] --batch FILE\n"
    "Hands a job in and prints its id, once it is on the server's disk.\n\n"
    "  --type TYPE          the job's type: command (the default), sleep\n"
    "  --shell COMMAND      run this by /bin/sh -c\n"
    "  --args JSON          the type's arguments, an object, as '{\"seconds\": 2}'\n"
    "  --queue NAME         the queue (default)\n"
    "  --priority N         the smallest goes first (5)\n"
    "  --attempts N         how often to try in all (3)\n"
    "  --backoff FACTOR     waits between attempts: 1 s, FACTOR, FACTOR^2 ... (2)\n"
    "  --timeout SECONDS    of one attempt; 0: none (none)\n"
    "  --delay SECONDS      not before this long from now\n"
    "  --run-at TIME        not before then, as 2026-11-21T02:41:31Z\n"
    "  --batch FILE         jobs as JSON, one a line or one list; -: standard input\n"
    "  --wait               wait until it has ended; exit status 0 if it succeeded, else "
    "1\n\n" CLIENT_HELP
    "\nExit status: 0 done; 1 the server said no, or with --wait a job did not succeed;\n"
    "2 wrong usage; 3 the server cannot be reached.\n";

enum {
    TYPE = OPTION_OWN,
    SHELL,
    ARGS,
    QUEUE,
    PRIORITY,
    ATTEMPTS,
    BACKOFF,
    TIMEOUT,
    DELAY,
    RUN_AT,
    BATCH,
    WAIT,
};

static const struct option options[] = {
    {"type", required_argument, NULL, TYPE},
    {"shell", required_argument, NULL, SHELL},
    {"args", required_argument, NULL, ARGS},
    {"queue", required_argument, NULL, QUEUE},
    {"priority", required_argument, NULL, PRIORITY},
    {"attempts", required_argument, NULL, ATTEMPTS},
    {"backoff", required_argument, NULL, BACKOFF},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"delay", required_argument, NULL, DELAY},
    {"run-at", required_argument, NULL, RUN_AT},
    {"batch", required_argument, NULL, BATCH},
    {"wait", no_argument, NULL, WAIT},
    CLIENT_OPTIONS,
    {NULL, 0, NULL, 0},
};

typedef struct submission {
    client_options client;
    json_t *job; /* what the options said */
    const char *shell; /* NULL if not given, as the next two */
    const char *args;
    const char *batch;
    bool wait;
} submission;

/* ---- The job --------------------------------------------------------------------------------- */

static int set(json_t *object, const char *name, json_t *value, const char *given)
{
    if (value && json_object_set_new(object, name, value) == 0)
        return EXIT_DONE;
    return usage_error("kettle-jobs submit", "'%s' is not UTF-8, which jobs must be", given);
}

static int set_whole(submission *s, const char *name, const char *text)
{
    int64_t n;
    if (!parse_integer(text, INT32_MIN, INT32_MAX, &n))
        return usage_error("kettle-jobs submit", "--%s must be a whole number", name);
    return set(s->job, name, json_integer(n), text);
}

/* What numbers are allowed is the server's to say. */
static int set_number(submission *s, const char *name, const char *text)
{
    double n;
    if (!parse_number(text, -1e300, 1e300, &n))
        return usage_error("kettle-jobs submit", "--%s must be a number", name);
    return set(s->job, name, json_real(n), text);
}

static int take_option(submission *s, int option, const char *value)
{
    switch (option) {
    case TYPE:
        return set(s->job, "type", json_string(value), value);
    case QUEUE:
        return set(s->job, "queue", json_string(value), value);
    case RUN_AT:
        return set(s->job, "run_at", json_string(value), value);
    case PRIORITY:
        return set_whole(s, "priority", value);
    case ATTEMPTS:
        return set_whole(s, "attempts", value);
    case BACKOFF:
        return set_number(s, "backoff", value);
    case TIMEOUT:
        return set_number(s, "timeout", value);
    case DELAY:
        return set_number(s, "delay", value);
    case SHELL:
        s->shell = value;
        return EXIT_DONE;
    case ARGS:
        s->args = value;
        return EXIT_DONE;
    case BATCH:
        s->batch = value;
        return EXIT_DONE;
    case WAIT:
        s->wait = true;
        return EXIT_DONE;
    default:
        return client_option(&s->client, option, value) < 0
                   ? usage_error("kettle-jobs submit", NULL)
                   : EXIT_DONE;
    }
}

static int set_json_args(submission *s)
{
    json_error_t error;
    json_t *args = json_loads(s->args, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(args))
        return set(s->job, "args", args, s->args);
    json_decref(args);
    return usage_error("kettle-jobs submit", "--args must be a JSON object%s%s", args ? "" : ": ",
                       args ? "" : error.text);
}

static int set_command_args(submission *s, char **words)
{
    json_t *args = json_object();
    int status = s->shell ? set(args, "shell", json_string(s->shell), s->shell) : EXIT_DONE;
    json_t *argv = *words ? json_array() : NULL;
    for (; *words && status == EXIT_DONE; words++) {
        json_t *word = json_string(*words);
        if (!word || json_array_append_new(argv, word) < 0)
            status =
                usage_error("kettle-jobs submit", "'%s' is not UTF-8, which jobs must be", *words);
    }
    if (argv)
        json_object_set_new(args, "argv", argv);
    if (status == EXIT_DONE)
        return set(s->job, "args", args, "");
    json_decref(args);
    return status;
}

/* What to run comes from one place only. */
static int set_args(submission *s, char **words)
{
    const char *type = json_text(s->job, "type");
    bool command = !*type || strcmp(type, "command") == 0;
    int places = (s->shell != NULL) + (s->args != NULL) + (*words != NULL);
    if (places > 1)
        return usage_error("kettle-jobs submit", "give one of PROGRAM, --shell and --args");
    if (!command && (s->shell || *words))
        return usage_error("kettle-jobs submit", "a job of type '%s' has --args, no program", type);
    if (command && places == 0)
        return usage_error("kettle-jobs submit",
                           "what shall run? As in: kettle-jobs submit -- echo hi");
    if (!*type && set(s->job, "type", json_string("command"), "command") != EXIT_DONE)
        return EXIT_FAILED;
    if (s->args)
        return set_json_args(s);
    return command ? set_command_args(s, words) : EXIT_DONE;
}

/* ---- Handing in ------------------------------------------------------------------------------ */

static int submit_one(const submission *s, json_t **ret_ids)
{
    answer a;
    int status = client_ask(&s->client, "/v1/jobs", s->job, &a);
    if (status != EXIT_DONE)
        return status;
    if (s->client.json)
        print_json(a.json);
    else
        printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(a.json, "id")));
    fflush(stdout);
    *ret_ids = json_pack("[O]", json_object_get(a.json, "id"));
    json_decref(a.json);
    return EXIT_DONE;
}

static int submit_batch(const submission *s, json_t **ret_ids)
{
    json_t *jobs = batch_read(s->batch);
    int status = jobs ? batch_submit(&s->client, jobs, ret_ids) : EXIT_USAGE;
    json_decref(jobs);
    return status;
}

static int submit(submission *s, char **words)
{
    json_t *ids = NULL;
    int status;
    if (!s->batch)
        status = set_args(s, words);
    else if (*words || s->shell || s->args || json_object_size(s->job) > 0)
        status = usage_error("kettle-jobs submit",
                             "with --batch everything about the jobs is in the file");
    else
        status = EXIT_DONE;
    if (status == EXIT_DONE)
        status = s->batch ? submit_batch(s, &ids) : submit_one(s, &ids);
    if (status == EXIT_DONE && s->wait)
        status = wait_for_jobs(&s->client, ids);
    json_decref(ids);
    return status;
}

int command_submit(int argc, char **argv)
{
    submission s = {.client = client_options_start(), .job = json_object()};
    int status = EXIT_DONE;
    for (int option;
         status == EXIT_DONE && (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (option == OPTION_HELP) {
            json_decref(s.job);
            return fputs(help, stdout) < 0;
        }
        status = option == '?' ? usage_error(argv[0], NULL) : take_option(&s, option, optarg);
    }
    if (status == EXIT_DONE)
        status = submit(&s, argv + optind);
    json_decref(s.job);
    return status;
}
