/* SPDX-License-Identifier: MIT */

/* kettle-jobs: durable jobs behind HTTP. This file picks the command. */

#include <unistd.h>

#include "program.h"

static const kt_settings_command commands[] = {
    {"serve", "run the server, with its page on http://127.0.0.1:8000"},
    {"submit", "hand in a job: kettle-jobs submit -- echo hi"},
    {"list", "list jobs"},
    {"show", "all about jobs, by their ids"},
    {"cancel", "stop jobs, or keep them from starting"},
    {NULL, NULL},
};

static int (*const runs[])(program *p, int argc, char **argv) = {
    command_serve, command_submit, command_list, command_show, command_cancel,
};

static kt_settings_spec spec = {
    .program = "kettle-jobs",
    .about =
        "Durable jobs: what was acknowledged is done, whatever happens to the server meanwhile.",
    .more = "The options may also stand behind the command, but not behind serve. 'kettle-jobs "
            "COMMAND --help' "
            "tells more about a command.\n"
            "Exit status: 0 done; 1 the server said no, or a job failed that was waited for; 2 "
            "wrong usage; 3 the "
            "server cannot be reached.",
    .table = client_table,
    .commands = commands,
    .environment = "KETTLE_JOBS",
};

static int run(int argc, char **argv)
{
    program p;
    kt_auto(kt_settings) *settings = NULL;
    int status = settings_read(&spec, &p.client, NULL, argc, argv, &settings), count;
    if (status != GO_ON)
        return status;
    if (!*p.client.server) /* as KETTLE_JOBS_SERVER= says */
        p.client.server = client_table[0].standard;
    p.settings = settings;
    char **rest = kt_settings_rest(settings, &count);
    return runs[kt_settings_command_index(settings)](&p, count, rest);
}

int main(int argc, char **argv)
{
    static char name[] = "kettle-jobs", help_option[] = "--help";
    char *help[] = {name, help_option, NULL};
    spec.version = kt_version();
    int status = argc > 1 ? run(argc, argv) : EXIT_USAGE;
    if (argc <= 1 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
        run(2, help);
    if (fflush(stdout) < 0 || ferror(stdout)) {
        fprintf(stderr, "kettle-jobs: cannot write to standard output\n");
        status = status ? status : EXIT_FAILED;
    }
    return status;
}
