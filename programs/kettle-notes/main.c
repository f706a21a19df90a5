/* SPDX-License-Identifier: MIT */

/* kettle-notes: notes in a folder of Markdown. This file picks the command. */

#include "program.h"

static const kt_setting table[] = {
    {KT_SETTING_PATH(common_options, notebook), "notebook", .letter = 'n', .standard = "notes",
     .meta = "FOLDER", .help = "the folder of the notes"},
    {KT_SETTING_BOOL(common_options, json), "json",
     .flags = KT_SETTING_NO_FILE | KT_SETTING_NO_ENVIRONMENT,
     .help = "print JSON, for other programs"},
    {.name = NULL},
};

static const kt_settings_command names[] = {
    {"add", "write a new note: kettle-notes add 'Green tea' --tag tea --body 'At 80 degrees.'"},
    {"edit", "open a note in $EDITOR, or change its body and tags"},
    {"show", "print notes"},
    {"list", "list notes, by tag, time or text"},
    {"search", "find notes by words, the best first"},
    {"tags", "all tags, and how many notes have each"},
    {"rename", "give a note another title"},
    {"remove", "remove notes"},
    {"export", "write all notes as md, json, csv, html into folders"},
    {"import", "read notes back from any of these"},
    {"pipeline", "stream notes from one folder into another"},
    {"watch", "export, and export again whatever changes"},
    {"stats", "figures of the notebook"},
    {"serve", "a page to read and write the notes, on http://127.0.0.1:8001"},
    {NULL, NULL},
};

static int (*const commands[])(int argc, char **argv) = {
    command_add,      command_edit,   command_show,   command_list,   command_search,
    command_tags,     command_rename, command_remove, command_export, command_import,
    command_pipeline, command_watch,  command_stats,  command_serve,
};

static const kt_settings_spec spec = {
    .program = "kettle-notes",
    .about = "Notes in a folder of Markdown files, which any editor may work on.",
    .arguments = "COMMAND [ARGUMENT]...",
    .more = "'kettle-notes COMMAND --help' tells more about a command.\n"
            "Exit status: 0 done; 1 not done, or not all of it; 2 wrong usage; 130 interrupted.",
    .table = table,
    .environment = "KETTLE_NOTES",
    .file = "/etc/kettle-notes.conf",
    .commands = names,
};

int main(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    kt_settings_spec versioned = spec;
    versioned.version = kt_version();
    int rc = kt_settings_new(&versioned, &common, NULL, &s);
    if (rc == 0)
        rc = kt_settings_load(s, argc, argv);
    if (rc != 0) {
        fputs(kt_settings_text(s), rc < 0 ? stderr : stdout);
        return rc < 0 ? EXIT_USAGE : EXIT_DONE;
    }
    common_settings = s;
    int rest_count, index = kt_settings_command_index(s);
    char **rest = kt_settings_rest(s, &rest_count);
    int status = index < 0 ? EXIT_USAGE : commands[index](rest_count, rest);
    if (fflush(stdout) < 0 || ferror(stdout)) {
        fprintf(stderr, "kettle-notes: cannot write to standard output\n");
        status = status ? status : EXIT_FAILED;
    }
    return status;
}
