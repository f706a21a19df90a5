/* SPDX-License-Identifier: MIT */

/* kettle-jobs submit: hands jobs in. */

#include "program.h"

typedef struct submission {
    client_options client;
    const char *type, *queue, *run_at; /* of the job; NULL if not given, as all text here */
    int priority, attempts;
    double backoff, timeout, delay;
    const char *shell, *args, *batch;
    bool wait;
    json_t *job; /* what the options said */
} submission;

/* What numbers are allowed is the server's to say. */
static const kt_setting table[] = {
    {KT_SETTING_TEXT(submission, type), "type", .meta = "TYPE",
     .help = "the job's type: command (the default), sleep", .group = "The job"},
    {KT_SETTING_TEXT(submission, shell), "shell", .meta = "COMMAND",
     .help = "run this by /bin/sh -c"},
    {KT_SETTING_TEXT(submission, args), "args", .meta = "JSON",
     .help = "the type's arguments, an object, as '{\"seconds\": 2}'"},
    {KT_SETTING_TEXT(submission, queue), "queue", .meta = "NAME", .help = "the queue (default)"},
    {KT_SETTING_INTEGER(submission, priority, INT32_MIN, INT32_MAX), "priority",
     .help = "the smallest goes first (5)"},
    {KT_SETTING_INTEGER(submission, attempts, INT32_MIN, INT32_MAX), "attempts",
     .help = "how often to try in all (3)"},
    {KT_SETTING_REAL(submission, backoff, 0, 0), "backoff", .meta = "FACTOR",
     .help = "waits between attempts: 1 s, FACTOR, FACTOR^2 ... (2)"},
    {KT_SETTING_REAL(submission, timeout, 0, 0), "timeout", .meta = "SECONDS",
     .help = "of one attempt; 0: none (none)"},
    {KT_SETTING_REAL(submission, delay, 0, 0), "delay", .meta = "SECONDS",
     .help = "not before this long from now"},
    {KT_SETTING_TEXT(submission, run_at), "run-at", .meta = "TIME",
     .help = "not before then, as 2026-11-21T02:41:31Z"},
    {KT_SETTING_TEXT(submission, batch), "batch", .meta = "FILE",
     .help = "jobs as JSON, one a line or one list; -: standard input"},
    {KT_SETTING_BOOL(submission, wait), "wait",
     .help = "wait until it has ended; exit status 0 if it succeeded, else 1"},
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "kettle-jobs submit",
    .about = "       kettle-jobs submit [OPTION]... --shell COMMAND\n"
             "       kettle-jobs submit [OPTION]... [--type TYPE] --args JSON\n"
             "       kettle-jobs submit [--wait] --batch FILE\n"
             "Hands a job in and prints its id, once it is on the server's disk.",
    .arguments = "[--] PROGRAM [ARGUMENT]...",
    .more = "Exit status: 0 done; 1 the server said no, or with --wait a job did not succeed; 2 "
            "wrong usage; 3 the "
            "server cannot be reached.",
    .table = table,
    .options_first = true,
};

/* ---- The job --------------------------------------------------------------------------------- */

static int set(json_t *object, const char *name, json_t *value, const char *given)
{
    if (value && json_object_set_new(object, name, value) == 0)
        return EXIT_DONE;
    return usage_error("kettle-jobs submit", "'%s' is not UTF-8, which jobs must be", given);
}

static int set_text(submission *s, const char *name, const char *text)
{
    return text ? set(s->job, name, json_string(text), text) : EXIT_DONE;
}

static void set_whole(submission *s, const kt_settings *settings, const char *name, int n)
{
    if (settings_given(settings, name))
        json_object_set_new(s->job, name, json_integer(n));
}

static void set_number(submission *s, const kt_settings *settings, const char *name, double n)
{
    if (settings_given(settings, name))
        json_object_set_new(s->job, name, json_real(n));
}

/* What the options say of the job, and no more: the rest is the server's defaults. */
static int set_options(submission *s, const kt_settings *settings)
{
    int status = set_text(s, "type", s->type);
    if (status == EXIT_DONE)
        status = set_text(s, "queue", s->queue);
    if (status == EXIT_DONE)
        status = set_text(s, "run_at", s->run_at);
    set_whole(s, settings, "priority", s->priority);
    set_whole(s, settings, "attempts", s->attempts);
    set_number(s, settings, "backoff", s->backoff);
    set_number(s, settings, "timeout", s->timeout);
    set_number(s, settings, "delay", s->delay);
    return status;
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

int command_submit(program *p, int argc, char **argv)
{
    submission s;
    kt_auto(kt_settings) *settings = NULL;
    int status = settings_read(&spec, &s, p->settings, argc, argv, &settings), count;
    if (status != GO_ON)
        return status;
    s.client = p->client;
    s.job = json_object();
    status = set_options(&s, settings);
    if (status == EXIT_DONE)
        status = submit(&s, kt_settings_rest(settings, &count));
    json_decref(s.job);
    return status;
}
