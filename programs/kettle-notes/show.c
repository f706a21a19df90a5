/* SPDX-License-Identifier: MIT */

/* kettle-notes show: whole notes. */

#include "program.h"

static const kt_setting table[] = {{.name = NULL}};

static const kt_settings_spec spec = {
    .program = "kettle-notes show",
    .about = "Prints notes. NOTE is a note's name, as 'kettle-notes list' shows it, or its title.",
    .arguments = "NOTE...",
    .table = table,
};

typedef struct job {
    char **notes;
    int count;
} job;

static json_t *json_of(const char *name, const kt_note *n)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", name, "title",
                     json_of_text(n->title), "body", json_of_text(n->body), "tags", json_of_tags(n),
                     "created", json_of_time(n->created), "changed", json_of_time(n->changed));
}

static void print_note(const char *name, const kt_note *n)
{
    fputs(bold(), stdout);
    print_safe(stdout, n->title, false);
    printf("%s\n%s", plain(), dim());
    print_safe(stdout, kt_slice_from(name), false);
    fputs(" · created ", stdout);
    print_time(stdout, n->created);
    fputs(" · changed ", stdout);
    print_time(stdout, n->changed);
    printf("%s\n\n", plain());
    print_safe(stdout, n->body, true);
    if (n->body.size > 0)
        fputs(n->body.data[n->body.size - 1] == '\n' ? "\n" : "\n\n", stdout);
    fputs("Tags:", stdout);
    for (size_t i = 0; i < n->tags_count; i++) {
        fputs(i > 0 ? ", " : " ", stdout);
        print_safe(stdout, n->tags[i], false);
    }
    putchar('\n');
}

static int show(kt_notebook *b, void *arg)
{
    const job *j = arg;
    int failed = 0;
    for (int i = 0; i < j->count; i++) {
        char name[KT_NOTE_NAME_BYTES];
        kt_auto(kt_note) n = KT_NOTE_INIT;
        int rc = kt_notebook_find(b, j->notes[i], name);
        if (rc == 0)
            rc = kt_notebook_get(b, name, &n);
        if (kt_is_cancel(rc))
            return rc;
        if (rc == 0 && common.json)
            rc = print_json(json_of(name, &n));
        else if (rc == 0) {
            fputs(i > 0 ? "\n" : "", stdout);
            print_note(name, &n);
        }
        if (rc < 0)
            complain(rc);
        failed = rc < 0 ? 1 : failed;
    }
    return failed;
}

int command_show(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    job j;
    int status = options_load(&spec, NULL, argc, argv, &s);
    if (status >= 0)
        return status;
    j.notes = kt_settings_rest(s, &j.count);
    if (j.count == 0)
        return usage_error(&spec, "which note? Give its name, as 'kettle-notes list' shows it");
    return with_notebook(0, show, &j);
}
