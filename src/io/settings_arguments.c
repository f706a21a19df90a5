/* SPDX-License-Identifier: MIT */

/* The command line, as getopt_long(3) has it with options and arguments in any order, and the environment. */

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <stdio.h>
#include <unistd.h>

#include "io/settings_private.h"

/* ---- What options there are ------------------------------------------------------------------------ */

typedef enum meaning {
    OF_A_ROW,
    HELP,
    VERSION,
    SHOW,
    CONFIG,
} meaning;

typedef struct option {
    meaning meaning;
    kt_settings *settings; /* of the row */
    size_t row;
    bool no;       /* --no-NAME */
    char letter;
    char name[KT__SETTING_NAME_SIZE]; /* without the dashes */
} option;

static const struct {
    meaning meaning;
    char letter;
    const char *name;
} built_in[] = {
    {HELP, 'h', "help"}, {VERSION, 'V', "version"}, {SHOW, 0, "show-settings"}, {CONFIG, 0, "config"},
};
#define BUILT_IN (sizeof built_in / sizeof built_in[0])

static bool is_there(const kt_settings *s, meaning m)
{
    if (m == VERSION)
        return s->spec->version != NULL;
    return m != CONFIG || s->spec->file != NULL;
}

static bool row_at(kt_settings *s, size_t row, bool no, option *ret_o)
{
    const kt_setting *r = &s->spec->table[row];
    char name[KT__SETTING_NAME_SIZE];
    if (r->flags & KT_SETTING_NO_OPTION || (no && r->type != KT_SETTING_IS_BOOL))
        return false;
    *ret_o = (option){.settings = s, .row = row, .no = no, .letter = no ? '\0' : r->letter};
    kt__setting_option(r, name);
    snprintf(ret_o->name, sizeof ret_o->name, "%s%.250s", no ? "no-" : "", name);
    return true;
}

/* The next option from *cursor on, which starts at 0: those of the settings, those of its parent, and the built-in
 * ones, which come last and so give way to rows of their names. False: there are no more. */
static bool next_option(kt_settings *s, size_t *cursor, option *ret_o)
{
    size_t parent_count = s->parent ? s->parent->count : 0, rows = 2 * (s->count + parent_count);
    while (*cursor < rows + BUILT_IN) {
        size_t i = (*cursor)++;
        kt_settings *of = i / 2 < s->count ? s : s->parent;
        if (i < rows && row_at(of, i / 2 - (of == s ? 0 : s->count), i % 2, ret_o))
            return true;
        if (i >= rows && is_there(s, built_in[i - rows].meaning)) {
            *ret_o = (option){.meaning = built_in[i - rows].meaning, .settings = s, .letter = built_in[i - rows].letter};
            snprintf(ret_o->name, sizeof ret_o->name, "%s", built_in[i - rows].name);
            return true;
        }
    }
    return false;
}

static bool takes_value(const option *o)
{
    if (o->meaning != OF_A_ROW)
        return o->meaning == CONFIG;
    return o->settings->spec->table[o->row].type != KT_SETTING_IS_BOOL;
}

typedef enum match { NONE, ONE, SEVERAL } match;

/* By its whole name, or by the beginning of one. */
static match find_long(kt_settings *s, const char *name, size_t size, option *ret_o)
{
    option o;
    match found = NONE;
    for (size_t cursor = 0; next_option(s, &cursor, &o);) {
        if (strncmp(o.name, name, size) != 0)
            continue;
        if (o.name[size] == '\0') {
            *ret_o = o;
            return ONE;
        }
        if (found == NONE)
            *ret_o = o;
        if (found == NONE || strcmp(o.name, ret_o->name) != 0)
            found = found == NONE ? ONE : SEVERAL;
    }
    return size > 0 ? found : NONE;
}

static bool find_letter(kt_settings *s, char letter, option *ret_o)
{
    for (size_t cursor = 0; next_option(s, &cursor, ret_o);)
        if (ret_o->letter == letter)
            return true;
    return false;
}

/* ---- What is wrong with them ------------------------------------------------------------------------------ */

static int tell_unknown(kt_settings *s, const char *name, size_t size, match found)
{
    option o, near;
    size_t best = SIZE_MAX;
    kt_auto(kt_buffer) word = KT_BUFFER_INIT, quoted = KT_BUFFER_INIT;
    int rc = kt_buffer_append(&word, name, size);
    const char *text = rc == 0 ? kt_buffer_string(&word) : NULL;
    if (!text || kt__settings_quote(&quoted, text) < 0)
        return -ENOMEM;
    for (size_t cursor = 0; found == NONE && next_option(s, &cursor, &o);)
        if (kt__word_near(name, size, o.name, &best))
            near = o;
    bool is_near = best != SIZE_MAX;
    return kt__settings_wrong(s, "--%.*s: %s%s%s%s", (int)quoted.size, quoted.size ? quoted.data : "",
                              found == SEVERAL ? "several options begin so" : "no such option",
                              is_near ? "; did you mean --" : "", is_near ? near.name : "", is_near ? "?" : "");
}

/* ---- Taking them ---------------------------------------------------------------------------------------------- */

/* The arguments while they are read. */
typedef struct arguments {
    int count, at;
    char **words;
} arguments;

static int keep_config(kt_settings *s, const char *path)
{
    char *copy = kt_strndup(path, strlen(path));
    if (!copy)
        return -ENOMEM;
    kt_free(s->config);
    s->config = copy;
    return 0;
}

static int give(kt_settings *s, const option *o, const char *shown, const char *value)
{
    const kt__setting_given g = {
        .settings = o->settings,
        .row = o->row,
        .weight = KT__SETTING_FROM_ARGUMENTS,
        .shown = shown,
    };
    char *copy = kt_strndup(value, strlen(value));
    int rc = copy ? kt__settings_give(s, &g, copy) : -ENOMEM;
    kt_free(copy);
    return rc;
}

static int take(kt_settings *s, const option *o, const char *shown, const char *value)
{
    switch (o->meaning) {
    case HELP:
        return kt__settings_answer_help(s);
    case VERSION:
        return kt__settings_answer_version(s);
    case SHOW:
        s->show = true;
        return 0;
    case CONFIG:
        return keep_config(s, value);
    default:
        return give(s, o, shown, value ? value : o->no ? "no" : "yes");
    }
}

/* Takes an option with what stands with it (after =, or a letter), or else the next word as its value. */
static int take_with(kt_settings *s, arguments *a, const option *o, const char *shown, const char *value)
{
    bool wants = takes_value(o);
    if (!wants && value && (o->no || o->meaning != OF_A_ROW))
        return kt__settings_wrong(s, "%s: it has no value", shown);
    if (wants && !value) {
        if (a->at == a->count)
            return kt__settings_wrong(s, "%s: a value must follow", shown);
        value = a->words[a->at++];
    }
    return take(s, o, shown, value);
}

static int take_long(kt_settings *s, arguments *a, const char *word)
{
    char shown[KT__SETTING_NAME_SIZE + 4];
    option o;
    size_t size = strcspn(word, "=");
    match found = find_long(s, word, size, &o);
    if (found != ONE)
        return tell_unknown(s, word, size, found);
    snprintf(shown, sizeof shown, "--%s", o.name);
    return take_with(s, a, &o, shown, word[size] ? word + size + 1 : NULL);
}

/* -v, -vp80, -p 80. */
static int take_letters(kt_settings *s, arguments *a, const char *letters)
{
    int rc = 0;
    while (*letters && rc == 0) {
        char shown[] = {'-', *letters++, '\0'};
        option o;
        if (!find_letter(s, shown[1], &o)) {
            kt_auto(kt_buffer) quoted = KT_BUFFER_INIT;
            rc = kt__settings_quote(&quoted, shown);
            return rc < 0 ? rc : kt__settings_wrong(s, "%.*s: no such option", (int)quoted.size, quoted.data);
        }
        bool rest = takes_value(&o) && *letters;
        rc = take_with(s, a, &o, shown, rest ? letters : NULL);
        if (rest)
            break;
    }
    return rc;
}

static int take_words(kt_settings *s, arguments *a)
{
    bool ended = false;
    while (a->at < a->count) {
        char *word = a->words[a->at++];
        int rc = 0;
        if (ended || word[0] != '-' || word[1] == '\0') {
            s->rest[s->rest_count++] = word;
            ended = ended || s->spec->options_first || s->spec->commands;
        } else if (strcmp(word, "--") == 0) {
            ended = true;
        } else {
            rc = word[1] == '-' ? take_long(s, a, word + 2) : take_letters(s, a, word + 1);
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int tell_rest(kt_settings *s, const char *before, const char *word, const char *behind, const char *near)
{
    kt_auto(kt_buffer) quoted = KT_BUFFER_INIT;
    int rc = kt__settings_quote(&quoted, word);
    return rc < 0 ? rc
                  : kt__settings_wrong(s, "%s'%.*s' %s%s%s%s", before, (int)quoted.size, quoted.size ? quoted.data : "",
                                       behind, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int take_command(kt_settings *s)
{
    const char *near = NULL;
    size_t best = SIZE_MAX;
    if (s->rest_count == 0)
        return kt__settings_wrong(s, "a command must be given");
    for (int i = 0; s->spec->commands[i].name; i++) {
        const char *name = s->spec->commands[i].name;
        if (strcmp(name, s->rest[0]) == 0) {
            s->command = i;
            return 0;
        }
        if (kt__word_near(s->rest[0], strlen(s->rest[0]), name, &best))
            near = name;
    }
    return tell_rest(s, "", s->rest[0], "is no command", near);
}

int kt_settings_arguments(kt_settings *s, int argc, char **argv)
{
    arguments a = {.count = argc > 0 ? argc - 1 : 0, .words = argc > 0 ? argv + 1 : argv};
    kt_free(s->rest);
    s->rest_count = 0;
    s->rest = kt_calloc((size_t)a.count + 1, sizeof *s->rest);
    int rc = s->rest ? take_words(s, &a) : -ENOMEM;
    if (rc != 0)
        return rc;
    if (s->spec->commands)
        return take_command(s);
    if (s->rest_count > 0 && !s->spec->arguments)
        return tell_rest(s, "", s->rest[0], "is one argument too many", NULL);
    return 0;
}

/* ---- The environment ---------------------------------------------------------------------------------------------- */

static const char *value_of(char *const *variables, const char *name)
{
    size_t size = strlen(name);
    for (; *variables; variables++)
        if (strncmp(*variables, name, size) == 0 && (*variables)[size] == '=')
            return *variables + size + 1;
    return NULL;
}

static int take_variable(kt_settings *s, size_t row, char *const *variables)
{
    char name[KT__SETTING_NAME_SIZE];
    if (s->spec->table[row].flags & KT_SETTING_NO_ENVIRONMENT)
        return 0;
    kt__setting_variable(s->spec->environment, s->spec->table[row].name, name);
    const char *value = value_of(variables, name);
    if (!value)
        return 0;
    const kt__setting_given g = {
        .settings = s,
        .row = row,
        .weight = KT__SETTING_FROM_ENVIRONMENT,
        .shown = name,
    };
    char *copy = kt_strndup(value, strlen(value));
    int rc = copy ? kt__settings_give(s, &g, copy) : -ENOMEM;
    kt_free(copy);
    return rc;
}

int kt_settings_environment(kt_settings *s, char *const *variables)
{
    char name[KT__SETTING_NAME_SIZE];
    int rc = 0;
    if (!s->spec->environment)
        return 0;
    variables = variables ? variables : environ;
    for (size_t i = 0; i < s->count && rc == 0; i++)
        rc = take_variable(s, i, variables);
    if (rc < 0 || s->config || !s->spec->file)
        return rc;
    kt__setting_variable(s->spec->environment, "config", name);
    const char *path = value_of(variables, name);
    return path && *path ? keep_config(s, path) : 0;
}
