/* SPDX-License-Identifier: MIT */

/* The user's editor, which has the terminal to itself. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "program.h"

static const char *editor_of_user(void)
{
    static const char *const variables[] = {"VISUAL", "EDITOR"};
    for (size_t i = 0; i < 2; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value)
            return value;
    }
    return "vi";
}

/* $EDITOR may have arguments of its own ("code --wait"), which only a shell takes apart as its
 * user meant; the file's name is handed over beside it and never read by the shell. */
static int edit(void *arg)
{
    kt_auto(kt_process) *p = NULL;
    kt_auto(kt_buffer) command = KT_BUFFER_INIT;
    kt_process_status status;
    int rc = kt_buffer_printf(&command, "%s \"$@\"", editor_of_user());
    if (rc < 0)
        return rc;
    const char *text = kt_buffer_string(&command);
    const char *const argv[] = {"sh", "-c", text, "sh", arg, NULL};
    const kt_process_options o = {
        .argv = argv,
        .input = KT_PROCESS_INHERIT,
        .output = KT_PROCESS_INHERIT,
        .error = KT_PROCESS_INHERIT,
        .process_group = KT_PROCESS_GROUP_OURS, /* it is to have the terminal */
    };
    rc = text ? kt_process_spawn(&o, &p) : -ENOMEM;
    if (rc == 0)
        rc = kt_process_wait(p, &status);
    if (rc == 0 && status.exit_code != 0)
        rc = kt_error_set(KT_EEXIT, "the editor '%.100s' ended with status %d", editor_of_user(),
                          status.exit_code);
    if (rc < 0 && !kt_is_cancel(rc))
        complain(rc);
    return rc;
}

int run_editor(const char *path)
{
    /* Ctrl-C is the editor's. */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGINT, &ignore, &before);
    int rc = kt_run(edit, path, 0);
    sigaction(SIGINT, &before, NULL);
    return rc == 0 ? EXIT_DONE : EXIT_FAILED;
}
