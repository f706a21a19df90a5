/* SPDX-License-Identifier: MIT */

/* The job type "command": runs a program, without a shell unless asked, and keeps what it wrote. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/process.h>
#include <stdio.h>
#include <unistd.h>

#include "jobs/engine.h"
#include "jobs/type.h"

/* Of each output. As JSON a byte takes six at the worst, so that both fit into a result. */
#define OUTPUT_BYTES_MAX ((size_t)64 << 10)
#define ARGV_MAX 4096
/* Together with what judge() puts before it, it fits into an error of 256 bytes. */
#define LAST_LINE_BYTES 200

/* ---- Arguments ----------------------------------------------------------------------------- */

static int check_argv(const kt_jobs_args *args, kt_jobs_fault *fault)
{
    char field[64];
    kt_slice shell;
    ssize_t argc = kt_jobs_arg_strings(args, "argv");
    if (argc < 0) {
        const char *detail = kt_error_detail(); /* "args.argv[2] must be a string" */
        size_t length = strcspn(detail, " ");
        snprintf(field, sizeof field, "%.*s", (int)(length > 5 ? length - 5 : 0), detail + 5);
        return kt__type_fault(fault, field, "must be %s",
                              strchr(field, '[') ? "a string" : "a list of strings");
    }
    int rc = kt_jobs_arg_string(args, "shell", &shell);
    if (rc < 0)
        return kt__type_fault(fault, "shell", "must be a string");
    if (rc == 1 && argc > 0)
        return kt__type_fault(fault, "shell", "cannot be given together with argv");
    if (rc == 1)
        return shell.size > 0 ? 0 : kt__type_fault(fault, "shell", "is empty");
    if (argc == 0)
        return kt__type_fault(fault, "argv", "is missing: give [\"program\", \"argument\", ...]");
    if (argc > ARGV_MAX)
        return kt__type_fault(fault, "argv", "has %zd items; at most %d are allowed", argc, ARGV_MAX);
    return kt_jobs_arg_strings_at(args, "argv", 0).size > 0
               ? 0
               : kt__type_fault(fault, "argv[0]", "is empty: it names the program");
}

static int check_variable(kt_slice key, kt_slice value, void *arg)
{
    kt_jobs_fault *fault = arg;
    char field[64];
    snprintf(field, sizeof field, "env.%.*s", (int)(key.size < 40 ? key.size : 40), key.data);
    if (key.size == 0 || memchr(key.data, '=', key.size))
        return kt__type_fault(fault, field, "is no name of a variable");
    return value.data ? 0 : kt__type_fault(fault, field, "must be a string");
}

static int check(const kt_jobs_args *args, kt_jobs_fault *fault)
{
    static const char *const names[] = {"argv", "shell", "directory", "env"};
    kt_slice directory = {NULL, 0};
    const char *unknown = kt_jobs_arg_unknown(args, names, sizeof names / sizeof names[0]);
    if (unknown)
        return kt__type_fault(fault, unknown, "is no argument of a command");
    int rc = check_argv(args, fault);
    if (rc < 0)
        return rc;
    rc = kt_jobs_arg_string(args, "directory", &directory);
    if (rc < 0 || (rc == 1 && directory.size == 0))
        return kt__type_fault(fault, "directory", "must be a string that is not empty");
    rc = kt_jobs_arg_each(args, "env", check_variable, fault);
    if (rc < 0 && !*fault->field)
        return kt__type_fault(fault, "env", "must be an object of strings");
    return rc;
}

static int label(const kt_jobs_args *args, kt_buffer *text)
{
    kt_slice shell;
    if (kt_jobs_arg_string(args, "shell", &shell) == 1)
        return kt_buffer_append(text, shell.data, shell.size);
    ssize_t argc = kt_jobs_arg_strings(args, "argv");
    int rc = argc < 0 ? (int)argc : 0;
    for (ssize_t i = 0; i < argc && rc == 0; i++) {
        kt_slice word = kt_jobs_arg_strings_at(args, "argv", (size_t)i);
        rc = kt_buffer_printf(text, "%s%.*s", i ? " " : "", (int)word.size, word.data);
    }
    return rc;
}

/* ---- What the program is given ------------------------------------------------------------- */

/* A NULL-ended list of strings that others own, but for those made here. */
typedef struct strings {
    const char **items;
    size_t count;
    size_t made_from; /* items from here on are ours */
} strings;

static void strings_cleanup(strings *s)
{
    for (size_t i = s->made_from; i < s->count; i++)
        kt_free((char *)(uintptr_t)s->items[i]);
    kt_free(s->items);
}

static int make_argv(const kt_jobs_args *args, strings *ret_argv)
{
    kt_slice shell;
    bool by_shell = kt_jobs_arg_string(args, "shell", &shell) == 1;
    ssize_t argc = by_shell ? 3 : kt_jobs_arg_strings(args, "argv");
    if (argc <= 0)
        return KT_EVALIDATION;
    const char **items = kt_calloc((size_t)argc + 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    for (ssize_t i = 0; i < argc && !by_shell; i++)
        items[i] = kt_jobs_arg_strings_at(args, "argv", (size_t)i).data;
    if (by_shell) {
        items[0] = "/bin/sh";
        items[1] = "-c";
        items[2] = shell.data;
    }
    *ret_argv = (strings){items, (size_t)argc, (size_t)argc};
    return 0;
}

static int count_variable(kt_slice key, kt_slice value, void *arg)
{
    (void)key;
    (void)value;
    ++*(size_t *)arg;
    return 0;
}

/* Replaces the variable of that name, or adds it. */
static int set_variable(kt_slice key, kt_slice value, void *arg)
{
    strings *env = arg;
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt_buffer_printf(&text, "%.*s=%.*s", (int)key.size, key.data, (int)value.size, value.data);
    char *variable = rc == 0 ? kt_strndup(text.data, text.size) : NULL;
    if (!variable)
        return -ENOMEM;
    for (size_t i = 0; i < env->made_from; i++) {
        if (strncmp(env->items[i], variable, key.size + 1) != 0)
            continue;
        env->items[i] = env->items[--env->made_from]; /* ours begin one earlier, */
        env->items[env->made_from] = variable;        /* in the place that is free now */
        return 0;
    }
    env->items[env->count++] = variable;
    return 0;
}

/* Ours and what the job adds; no items when it adds nothing. */
static int make_env(const kt_jobs_args *args, strings *ret_env)
{
    size_t added = 0, ours = 0;
    int rc = kt_jobs_arg_each(args, "env", count_variable, &added);
    if (rc < 0 || added == 0)
        return rc;
    while (environ[ours])
        ours++;
    strings env = {kt_calloc(ours + added + 1, sizeof *env.items), ours, ours};
    if (!env.items)
        return -ENOMEM;
    memcpy(env.items, environ, ours * sizeof *env.items);
    rc = kt_jobs_arg_each(args, "env", set_variable, &env);
    if (rc < 0) {
        strings_cleanup(&env);
        return rc;
    }
    *ret_env = env;
    return 0;
}

/* ---- What it leaves ------------------------------------------------------------------------ */

static int keep_result(kt_jobs_attempt *job, const kt_process_status *status, const kt_buffer *out,
                       const kt_buffer *err, int dropped)
{
    json_t *json = json_pack("{s:i, s:i, s:o, s:o, s:i}", "exit_code", status->exit_code, "signal",
                             status->signal, "stdout", kt__json_text(kt_buffer_slice(out)), "stderr",
                             kt__json_text(kt_buffer_slice(err)), "dropped_bytes", dropped);
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt__json_dump(json, &text);
    json_decref(json);
    return rc < 0 ? rc : kt_jobs_result_set(job, kt_buffer_slice(&text));
}

/* The last line that says something, for the operator's list of failures. */
static kt_slice last_line(const kt_buffer *output)
{
    size_t end = output->size;
    while (end > 0 && (output->data[end - 1] == '\n' || output->data[end - 1] == '\r'))
        end--;
    size_t start = end;
    while (start > 0 && output->data[start - 1] != '\n')
        start--;
    size_t size = end - start < LAST_LINE_BYTES ? end - start : LAST_LINE_BYTES;
    while (size > 0 && size < end - start && ((unsigned char)output->data[start + size] & 0xc0) == 0x80)
        size--; /* not in the middle of a character */
    return (kt_slice){output->data ? output->data + start : "", size};
}

static int judge(const kt_process_status *status, const kt_buffer *err)
{
    kt_slice line = last_line(err);
    const char *colon = line.size > 0 ? ": " : "";
    if (status->signal)
        return kt_error_set(KT_ESIGNAL, "ended by signal %d (%s)%s%.*s", status->signal,
                            sigdescr_np(status->signal) ? sigdescr_np(status->signal) : "?", colon,
                            (int)line.size, line.data);
    if (status->exit_code)
        return kt_error_set(KT_EEXIT, "exit status %d%s%.*s", status->exit_code, colon, (int)line.size,
                            line.data);
    return 0;
}

static int run(kt_jobs_attempt *job)
{
    const kt_jobs_args *args = kt_jobs_args_of(job);
    kt_auto(strings) argv = {NULL, 0, 0};
    kt_auto(strings) env = {NULL, 0, 0};
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_buffer) err = KT_BUFFER_INIT;
    kt_auto(kt_process) *p = NULL;
    kt_slice directory = {NULL, 0};
    int rc = kt_jobs_arg_string(args, "directory", &directory);
    if (rc >= 0)
        rc = make_argv(args, &argv);
    if (rc >= 0)
        rc = make_env(args, &env);
    if (rc < 0)
        return rc;
    const kt_process_options options = {
        .argv = argv.items,
        .env = env.items,
        .directory = directory.data,
        .output = KT_PROCESS_PIPE,
        .error = KT_PROCESS_PIPE,
        .announce_fd = kt_jobs_announce_fd(job),
    };
    rc = kt_process_spawn(&options, &p);
    if (rc < 0)
        return rc;
    int dropped = kt_process_communicate(p, (kt_slice){NULL, 0}, OUTPUT_BYTES_MAX, &out, &err);
    if (dropped < 0)
        return dropped;
    kt_process_status status;
    rc = kt_process_wait(p, &status);
    if (rc == 0)
        rc = keep_result(job, &status, &out, &err, dropped);
    return rc < 0 ? rc : judge(&status, &err);
}

const kt_jobs_type kt_jobs_command = {
    .name = "command",
    .run = run,
    .check = check,
    .label = label,
    .log = true,
    .measure = true,
};
