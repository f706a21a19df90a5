/* SPDX-License-Identifier: MIT */

/* kettle-jobs cancel: stops jobs, or keeps them from starting. */

#include <inttypes.h>

#include "program.h"

static const kt_setting table[] = {{.name = NULL}};
static const kt_settings_spec spec = {
    .program = "kettle-jobs cancel",
    .about = "Cancels jobs: one that waits never starts, one that runs is stopped with all its "
             "processes.",
    .arguments = "ID...",
    .more = "Exit status: 0 done; 1 the server said no, as for a job that has ended; 2 wrong "
            "usage; 3 the server "
            "cannot be reached.",
    .table = table,
};

static int cancel_one(const client_options *o, int64_t id)
{
    char target[64];
    answer a;
    json_t *nothing = json_object();
    snprintf(target, sizeof target, "/v1/jobs/%" PRId64 "/cancel", id);
    int status = client_ask(o, target, nothing, &a);
    json_decref(nothing);
    if (status != EXIT_DONE)
        return status;
    if (o->json)
        print_json(a.json);
    else if (strcmp(json_text(a.json, "state"), "running") == 0)
        printf("job %" PRId64 " is being stopped\n", id);
    else
        printf("job %" PRId64 " %s\n", id, json_text(a.json, "state"));
    json_decref(a.json);
    return EXIT_DONE;
}

static int cancel(const client_options *o, char **ids)
{
    int status = EXIT_DONE;
    int64_t id;
    if (!*ids)
        return usage_error(spec.program, "which job? Give its id, as 'kettle-jobs list' shows it");
    for (char **i = ids; *i; i++)
        if (!parse_id(spec.program, *i, &id))
            return EXIT_USAGE; /* before any is cancelled */
    for (char **i = ids; *i; i++) {
        if (!parse_id(spec.program, *i, &id))
            return EXIT_USAGE;
        int of_this = cancel_one(o, id);
        if (of_this > EXIT_FAILED)
            return of_this;
        status = of_this ? of_this : status;
    }
    return status;
}

int command_cancel(program *p, int argc, char **argv)
{
    kt_auto(kt_settings) *settings = NULL;
    int status = settings_read(&spec, NULL, p->settings, argc, argv, &settings), count;
    return status == GO_ON ? cancel(&p->client, kt_settings_rest(settings, &count)) : status;
}
