/* SPDX-License-Identifier: MIT */

/* kettle-jobs cancel: stops jobs, or keeps them from starting. */

#include <getopt.h>
#include <inttypes.h>

#include "program.h"

static const char help[] =
    "usage: kettle-jobs cancel [OPTION]... ID...\n"
    "Cancels jobs: one that waits never starts, one that runs is stopped with all its "
    "processes.\n\n" CLIENT_HELP
    "\nExit status: 0 done; 1 the server said no, as for a job that has ended; 2 wrong usage;\n"
    "3 the server cannot be reached.\n";

static const struct option options[] = {CLIENT_OPTIONS, {NULL, 0, NULL, 0}};

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

int command_cancel(int argc, char **argv)
{
    client_options o = client_options_start();
    int status = EXIT_DONE;
    int64_t id;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == OPTION_HELP)
            return fputs(help, stdout) < 0;
        if (option == '?' || client_option(&o, option, optarg) < 0)
            return usage_error(argv[0], NULL);
    }
    if (optind == argc)
        return usage_error(argv[0], "which job? Give its id, as 'kettle-jobs list' shows it");
    for (int i = optind; i < argc; i++)
        if (!parse_id(argv[0], argv[i], &id))
            return EXIT_USAGE; /* before any is cancelled */
    for (int i = optind; i < argc; i++) {
        if (!parse_id(argv[0], argv[i], &id))
            return EXIT_USAGE;
        int of_this = cancel_one(&o, id);
        if (of_this > EXIT_FAILED)
            return of_this;
        status = of_this ? of_this : status;
    }
    return status;
}
