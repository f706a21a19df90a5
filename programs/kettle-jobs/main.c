/* SPDX-License-Identifier: MIT */

/* kettle-jobs: durable jobs behind HTTP. This file picks the command. */

#include <getopt.h>

#include "program.h"

static const char help[] =
    "usage: kettle-jobs [OPTION]... COMMAND [ARGUMENT]...\n"
    "Durable jobs: what was acknowledged is done, whatever happens to the server meanwhile.\n\n"
    "  serve       run the server, with its page on http://127.0.0.1:8000\n"
    "  submit      hand in a job: kettle-jobs submit -- echo hi\n"
    "  list        list jobs\n"
    "  show ID     all about a job\n"
    "  cancel ID   stop a job, or keep it from starting\n\n"
    "Options, here or behind the command (but not for serve):\n" CLIENT_HELP
    "  --version            the version\n\n"
    "'kettle-jobs COMMAND --help' tells more about a command.\n"
    "Exit status: 0 done; 1 the server said no, or a job failed that was waited for;\n"
    "2 wrong usage; 3 the server cannot be reached.\n";

enum { VERSION = OPTION_OWN };

static const struct option options[] = {
    CLIENT_OPTIONS,
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0},
};

static const struct {
    const char *name;
    char *full_name; /* argv[0] of the command, for getopt's messages */
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", (char[]){"kettle-jobs serve"}, command_serve},
    {"submit", (char[]){"kettle-jobs submit"}, command_submit},
    {"list", (char[]){"kettle-jobs list"}, command_list},
    {"show", (char[]){"kettle-jobs show"}, command_show},
    {"cancel", (char[]){"kettle-jobs cancel"}, command_cancel},
};

static int run_command(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[0], commands[i].name) != 0)
            continue;
        argv[0] = commands[i].full_name;
        optind = 0; /* glibc: start over */
        return commands[i].run(argc, argv);
    }
    return usage_error("kettle-jobs", "'%s' is no command", argv[0]);
}

int main(int argc, char **argv)
{
    static char name[] = "kettle-jobs";
    client_options o = {NULL, 0, false};
    if (argc > 0)
        argv[0] = name;
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (option == '?' || client_option(&o, option, optarg) < 0)
            return usage_error(name, NULL);
        if (option == OPTION_HELP)
            return fputs(help, stdout) < 0;
        if (option == VERSION)
            return printf("kettle-jobs %s\n", kt_version()) < 0;
    }
    if (optind >= argc) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    client_options_keep(&o);
    int status = run_command(argc - optind, argv + optind);
    if (fflush(stdout) < 0 || ferror(stdout)) {
        fprintf(stderr, "kettle-jobs: cannot write to standard output\n");
        status = status ? status : EXIT_FAILED;
    }
    return status;
}
