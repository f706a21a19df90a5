/* SPDX-License-Identifier: MIT */

/* kettle-notes add, edit, rename, remove. */

#include <errno.h>
#include <unistd.h>

#include "program.h"

/* ---- add ---------------------------------------------------------------------------------- */

typedef struct add_options {
    const char *body;
    kt_settings_list tags;
    bool edit;
    const char *title;
    char name[KT_NOTE_NAME_BYTES]; /* the note's, once it is there */
} add_options;

#define HERE (KT_SETTING_NO_FILE | KT_SETTING_NO_ENVIRONMENT)

static const kt_setting add_table[] = {
    {KT_SETTING_TEXT(add_options, body), "body", .letter = 'b', .flags = HERE, .meta = "TEXT",
     .help = "its body; - reads it from standard input"},
    {KT_SETTING_LIST(add_options, tags, 0), "tag", .letter = 't', .flags = HERE, .meta = "TAG",
     .help = "a tag of it; may be repeated"},
    {KT_SETTING_BOOL(add_options, edit), "edit", .letter = 'e', .flags = HERE,
     .help = "open it in the editor"},
    {.name = NULL},
};

static const kt_settings_spec add_spec = {
    .program = "kettle-notes add",
    .about = "Writes a new note and prints its name.",
    .arguments = "TITLE",
    .table = add_table,
};

/* All of standard input, which is no more than a note may hold. */
static int read_input(kt_buffer *text)
{
    char piece[65536];
    ssize_t n;
    text->size_max = KT_NOTE_BYTES_MAX;
    while ((n = read(STDIN_FILENO, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            return -EINTR;
        int rc = n < 0 ? -errno : kt_buffer_append(text, piece, (size_t)n);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A body as an option gave it; one that is read from a file of text loses the end of its last
 * line, which stands there for the file's sake. */
static int take_body(const char *option, kt_buffer *input, kt_slice *ret_body)
{
    if (strcmp(option, "-") != 0) {
        *ret_body = kt_slice_from(option);
        return 0;
    }
    int rc = read_input(input);
    if (rc < 0)
        return rc;
    if (input->size > 0 && input->data[input->size - 1] == '\n')
        input->size--;
    *ret_body = kt_buffer_slice(input);
    return 0;
}

static kt_slice trimmed(const char *text)
{
    kt_slice s = kt_slice_from(text + strspn(text, " \t\r\n"));
    while (s.size > 0 && strchr(" \t\r\n", s.data[s.size - 1]))
        s.size--;
    return s;
}

/* The tags of an option, in memory of kt_alloc's. */
static int take_tags(const kt_settings_list *list, kt_slice **ret_tags)
{
    kt_slice *tags = kt_alloc((list->count + 1) * sizeof *tags);
    if (!tags)
        return -ENOMEM;
    for (size_t i = 0; i < list->count; i++)
        tags[i] = trimmed(list->items[i]);
    *ret_tags = tags;
    return 0;
}

static int say_name(const char *what, const kt_notebook *b, const char *name)
{
    if (common.json)
        return print_json(json_pack("{s:s, s:o}", "name", name, "path",
                                    json_sprintf("%s/%s.md", kt_notebook_folder(b), name)));
    printf("%s ", what);
    print_safe(stdout, kt_slice_from(name), false);
    putchar('\n');
    return 0;
}

static int add(kt_notebook *b, void *arg)
{
    add_options *o = arg;
    kt_auto(kt_buffer) input = KT_BUFFER_INIT;
    kt_slice *tags = NULL;
    kt_note n = {.title = trimmed(o->title), .tags_count = o->tags.count};
    int rc = o->body ? take_body(o->body, &input, &n.body) : 0;
    if (rc == 0)
        rc = take_tags(&o->tags, &tags);
    n.tags = tags;
    if (rc == 0)
        rc = kt_notebook_add(b, &n, o->name);
    kt_free(tags);
    return rc < 0 ? rc : say_name("Added", b, o->name);
}

static int edit_file(const char *name)
{
    kt_auto(kt_buffer) path = KT_BUFFER_INIT;
    int rc = kt_buffer_printf(&path, "%s/%s.md", common.notebook, name);
    const char *text = rc == 0 ? kt_buffer_string(&path) : NULL;
    if (text)
        return run_editor(text);
    complain(-ENOMEM);
    return EXIT_FAILED;
}

/* After the editor: is what it left still a note? */
static int look_again(kt_notebook *b, void *arg)
{
    kt_auto(kt_note) n = KT_NOTE_INIT;
    int rc = kt_notebook_get(b, arg, &n);
    return rc < 0 ? rc : say_name("Edited", b, arg);
}

int command_add(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    add_options o = {0};
    int count, status = options_load(&add_spec, &o, argc, argv, &s);
    if (status >= 0)
        return status;
    char **rest = kt_settings_rest(s, &count);
    if (count != 1)
        return usage_error(&add_spec,
                           count == 0 ? "give the note a title" : "one title, in quotes");
    o.title = rest[0];
    status = with_notebook(KT_NOTEBOOK_MAKE, add, &o);
    if (status == EXIT_DONE && o.edit)
        status = edit_file(o.name);
    return status;
}

/* ---- edit --------------------------------------------------------------------------------- */

typedef struct edit_options {
    const char *body, *append;
    kt_settings_list tags, untags;
    const char *note;
    char name[KT_NOTE_NAME_BYTES];
} edit_options;

static const kt_setting edit_table[] = {
    {KT_SETTING_TEXT(edit_options, body), "body", .letter = 'b', .flags = HERE, .meta = "TEXT",
     .help = "another body; - reads it from standard input"},
    {KT_SETTING_TEXT(edit_options, append), "append", .letter = 'a', .flags = HERE, .meta = "TEXT",
     .help = "one more line at the end; - reads it from standard input"},
    {KT_SETTING_LIST(edit_options, tags, 0), "tag", .letter = 't', .flags = HERE, .meta = "TAG",
     .help = "one more tag; may be repeated"},
    {KT_SETTING_LIST(edit_options, untags, 0), "untag", .letter = 'u', .flags = HERE, .meta = "TAG",
     .help = "without this tag; may be repeated"},
    {.name = NULL},
};

static const kt_settings_spec edit_spec = {
    .program = "kettle-notes edit",
    .about = "Opens a note in $VISUAL or $EDITOR; or, with any of the options, changes it without "
             "asking.",
    .arguments = "NOTE",
    .table = edit_table,
};

static bool among(const kt_settings_list *list, kt_slice tag)
{
    for (size_t i = 0; i < list->count; i++)
        if (kt_slice_equal(trimmed(list->items[i]), tag))
            return true;
    return false;
}

/* The old tags but for those taken away, and the new ones that are not there. */
static int change_tags(const edit_options *o, kt_note *n, kt_slice **ret_tags)
{
    kt_slice *tags = kt_alloc((n->tags_count + o->tags.count + 1) * sizeof *tags);
    size_t count = 0;
    if (!tags)
        return -ENOMEM;
    for (size_t i = 0; i < n->tags_count; i++)
        if (!among(&o->untags, n->tags[i]))
            tags[count++] = n->tags[i];
    for (size_t i = 0; i < o->tags.count; i++) {
        kt_slice tag = trimmed(o->tags.items[i]);
        bool there = false;
        for (size_t j = 0; j < count; j++)
            there = there || kt_slice_equal(tags[j], tag);
        if (!there)
            tags[count++] = tag;
    }
    n->tags = tags;
    n->tags_count = count;
    *ret_tags = tags;
    return 0;
}

static int change_body(const edit_options *o, kt_note *n, kt_buffer *input, kt_buffer *body)
{
    kt_slice more;
    int rc = o->body ? take_body(o->body, input, &n->body) : 0;
    if (rc < 0 || !o->append)
        return rc;
    rc = take_body(o->append, input, &more);
    if (rc == 0)
        rc = kt_buffer_append(body, n->body.data, n->body.size);
    if (rc == 0 && n->body.size > 0)
        rc = kt_buffer_append_string(body, "\n");
    if (rc == 0)
        rc = kt_buffer_append(body, more.data, more.size);
    n->body = kt_buffer_slice(body);
    return rc;
}

static int change(kt_notebook *b, void *arg)
{
    edit_options *o = arg;
    kt_auto(kt_note) old = KT_NOTE_INIT;
    kt_auto(kt_buffer) input = KT_BUFFER_INIT;
    kt_auto(kt_buffer) body = KT_BUFFER_INIT;
    kt_slice *tags = NULL;
    int rc = kt_notebook_find(b, o->note, o->name);
    if (rc < 0 || (!o->body && !o->append && o->tags.count + o->untags.count == 0))
        return rc; /* for the editor, outside the loop */
    rc = kt_notebook_get(b, o->name, &old);
    if (rc < 0)
        return rc;
    kt_note n = old; /* without what it owns */
    n.changed = 0;
    rc = change_body(o, &n, &input, &body);
    if (rc == 0)
        rc = change_tags(o, &n, &tags);
    if (rc == 0)
        rc = kt_notebook_put(b, o->name, &n, old.changed);
    kt_free(tags);
    return rc < 0 ? rc : say_name("Edited", b, o->name);
}

int command_edit(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    edit_options o = {0};
    int count, status = options_load(&edit_spec, &o, argc, argv, &s);
    if (status >= 0)
        return status;
    char **rest = kt_settings_rest(s, &count);
    if (count != 1)
        return usage_error(&edit_spec,
                           "which note? Give its name, as 'kettle-notes list' shows it");
    o.note = rest[0];
    status = with_notebook(0, change, &o);
    if (status != EXIT_DONE || o.body || o.append || o.tags.count + o.untags.count > 0)
        return status;
    status = edit_file(o.name);
    return status == EXIT_DONE ? with_notebook(0, look_again, o.name) : status;
}

/* ---- rename, remove ----------------------------------------------------------------------- */

static const kt_setting no_options[] = {{.name = NULL}};

static const kt_settings_spec rename_spec = {
    .program = "kettle-notes rename",
    .about = "Gives a note another title, and a name that fits it, which is printed.",
    .arguments = "NOTE TITLE",
    .table = no_options,
};

static const kt_settings_spec remove_spec = {
    .program = "kettle-notes remove",
    .about = "Removes notes, for good.",
    .arguments = "NOTE...",
    .table = no_options,
};

static int rename_note(kt_notebook *b, void *arg)
{
    char **words = arg, name[KT_NOTE_NAME_BYTES], new_name[KT_NOTE_NAME_BYTES];
    int rc = kt_notebook_find(b, words[0], name);
    if (rc == 0)
        rc = kt_notebook_rename(b, name, trimmed(words[1]), new_name);
    return rc < 0 ? rc : say_name("Renamed to", b, new_name);
}

static int remove_notes(kt_notebook *b, void *arg)
{
    int failed = 0;
    for (char **words = arg; *words; words++) {
        char name[KT_NOTE_NAME_BYTES];
        int rc = kt_notebook_find(b, *words, name);
        if (rc == 0)
            rc = kt_notebook_remove(b, name);
        if (kt_is_cancel(rc))
            return rc;
        if (rc == 0)
            rc = say_name("Removed", b, name);
        else
            complain(rc);
        failed = rc < 0 ? 1 : failed;
    }
    return failed;
}

int command_rename(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    int count, status = options_load(&rename_spec, NULL, argc, argv, &s);
    if (status >= 0)
        return status;
    char **rest = kt_settings_rest(s, &count);
    return count == 2 ? with_notebook(0, rename_note, rest)
                      : usage_error(&rename_spec, "give a note and its new title");
}

int command_remove(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    int count, status = options_load(&remove_spec, NULL, argc, argv, &s);
    if (status >= 0)
        return status;
    char **rest = kt_settings_rest(s, &count);
    return count > 0 ? with_notebook(0, remove_notes, rest)
                     : usage_error(&remove_spec, "which notes?");
}
