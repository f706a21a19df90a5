/* SPDX-License-Identifier: MIT */

/* --help, as wide as the terminal; --version; --show-settings. */

#include <errno.h>
#include <kettle/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io/settings_private.h"

enum {
    COLUMNS_DEFAULT = 80,
    COLUMNS_MIN = 40,
    COLUMNS_MAX = 120, /* longer lines are hard to read */
    LEFT_MAX = 28,     /* a longer option has a line of its own */
};

static unsigned columns_here(void)
{
    struct winsize size;
    const char *told = getenv("COLUMNS");
    unsigned n = told ? (unsigned)strtoul(told, NULL, 10) : 0;
    if (n == 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        n = size.ws_col;
    if (n == 0)
        n = COLUMNS_DEFAULT;
    return n < COLUMNS_MIN ? COLUMNS_MIN : n > COLUMNS_MAX ? COLUMNS_MAX : n;
}

/* Columns of UTF-8 text, counted in code points. */
static size_t width_of(const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

static int spaces(kt_buffer *b, size_t n)
{
    return kt_buffer_printf(b, "%*s", (int)n, "");
}

/* Appends words from column `at` on, in lines that begin at column `left`; line ends in the text stay. */
static int wrap(kt_buffer *b, const char *text, size_t at, size_t left, size_t columns)
{
    int rc = 0;
    for (bool first = true; *text && rc == 0; first = false) {
        size_t blanks = strspn(text, " "), size = strcspn(text + blanks, " \n");
        size_t width = width_of(text + blanks, size);
        bool next = !first && at + blanks + width > columns;
        if (next) {
            rc = kt_buffer_append(b, "\n", 1);
            rc = rc < 0 ? rc : spaces(b, left);
            at = left;
            blanks = 0;
            text += strspn(text, " ");
        }
        if (rc == 0)
            rc = kt_buffer_append(b, text, blanks + size);
        at += blanks + width;
        text += blanks + size;
        if (*text == '\n' && rc == 0) {
            rc = kt_buffer_append(b, "\n", 1);
            rc = rc < 0 || !text[1] ? rc : spaces(b, left);
            at = left;
            text++;
            first = true;
        }
    }
    return rc;
}

static int paragraph(kt_buffer *b, const char *text, size_t columns)
{
    int rc = wrap(b, text, 0, 0, columns);
    return rc < 0 || (b->size && b->data[b->size - 1] == '\n') ? rc : kt_buffer_append(b, "\n", 1);
}

/* "  left", and `right` beside it from its column on, or below. */
static int two_columns(kt_buffer *b, const char *left, const char *right, size_t at, size_t columns)
{
    size_t width = 2 + width_of(left, strlen(left));
    int rc = kt_buffer_printf(b, "  %s", left);
    if (rc == 0 && width + 2 > at) {
        rc = kt_buffer_append(b, "\n", 1);
        width = 0;
    }
    if (rc == 0)
        rc = spaces(b, at - width);
    if (rc == 0)
        rc = wrap(b, right, at, at, columns);
    return rc < 0 ? rc : kt_buffer_append(b, "\n", 1);
}

/* ---- Options ---------------------------------------------------------------------------------------------- */

static const char *meta_of(const kt_setting *row)
{
    static const char *const by_type[] = {
        [KT_SETTING_IS_TEXT] = "TEXT",      [KT_SETTING_IS_PATH] = "PATH",     [KT_SETTING_IS_BOOL] = "",
        [KT_SETTING_IS_INTEGER] = "N",      [KT_SETTING_IS_REAL] = "NUMBER",   [KT_SETTING_IS_SIZE] = "SIZE",
        [KT_SETTING_IS_DURATION] = "TIME",  [KT_SETTING_IS_CHOICE] = "WORD",   [KT_SETTING_IS_LIST] = "TEXT,...",
    };
    return row->meta ? row->meta : by_type[row->type];
}

static bool is_on(const kt_settings *s, size_t row)
{
    return s->spec->table[row].type == KT_SETTING_IS_BOOL && s->spec->table[row].standard &&
           s->slots[row].weight == KT__SETTING_STANDARD && s->slots[row].value.integer;
}

/* "-p, --port N": of a bool that is on without being asked for, the option that switches it off. */
static int left_of(const kt_settings *s, size_t row, kt_buffer *b)
{
    const kt_setting *r = &s->spec->table[row];
    char name[KT__SETTING_NAME_SIZE];
    kt__setting_option(r, name);
    int rc = r->letter ? kt_buffer_printf(b, "-%c, ", r->letter) : kt_buffer_append_string(b, "    ");
    if (r->type == KT_SETTING_IS_BOOL)
        return rc < 0 ? rc : kt_buffer_printf(b, "--%s%s", is_on(s, row) ? "no-" : "", name);
    return rc < 0 ? rc : kt_buffer_printf(b, "--%s %s", name, meta_of(r));
}

static int choices_of(const kt_setting *r, kt_buffer *b)
{
    int rc = kt_buffer_append_string(b, *r->help ? ": " : "");
    for (size_t i = 0; r->choices[i] && rc == 0; i++)
        rc = kt_buffer_printf(b, "%s%s", i ? ", " : "", r->choices[i]);
    return rc;
}

/* "its port (8000; SHOP_PORT)". */
static int right_of(const kt_settings *s, size_t row, kt_buffer *b)
{
    const kt_setting *r = &s->spec->table[row];
    char variable[KT__SETTING_NAME_SIZE] = "";
    bool shown = r->standard && *r->standard && r->type != KT_SETTING_IS_BOOL && !(r->flags & KT_SETTING_SECRET);
    if (s->spec->environment && !(r->flags & KT_SETTING_NO_ENVIRONMENT))
        kt__setting_variable(s->spec->environment, r->name, variable);
    int rc = kt_buffer_append_string(b, r->help);
    if (rc == 0 && r->type == KT_SETTING_IS_CHOICE)
        rc = choices_of(r, b);
    if (rc == 0 && (shown || *variable))
        rc = kt_buffer_printf(b, "%s(%s%s%s)", b->size ? " " : "", shown ? r->standard : "",
                              shown && *variable ? "; " : "", variable);
    return rc;
}

static int add_row(const kt_settings *s, size_t row, size_t at, size_t columns, kt_buffer *b)
{
    kt_auto(kt_buffer) left = KT_BUFFER_INIT, right = KT_BUFFER_INIT;
    int rc = left_of(s, row, &left);
    if (rc == 0)
        rc = right_of(s, row, &right);
    const char *texts[2] = {rc == 0 ? kt_buffer_string(&left) : NULL, rc == 0 ? kt_buffer_string(&right) : NULL};
    if (!texts[0] || !texts[1])
        return -ENOMEM;
    return two_columns(b, texts[0], texts[1], at, columns);
}

static bool is_listed(const kt_setting *r)
{
    return r->help && !(r->flags & KT_SETTING_NO_OPTION);
}

/* Where the right column begins: behind the widest option that is not too wide. */
static int right_begin(const kt_settings *s, size_t *ret_at)
{
    size_t most = strlen("    --show-settings");
    for (size_t i = 0; i < s->count; i++) {
        kt_auto(kt_buffer) left = KT_BUFFER_INIT;
        int rc = is_listed(&s->spec->table[i]) ? left_of(s, i, &left) : 0;
        if (rc < 0)
            return rc;
        size_t width = width_of(left.data, left.size);
        most = width > most && width <= LEFT_MAX ? width : most;
    }
    *ret_at = 2 + most + 2;
    return 0;
}

/* The rows under their headings. */
static int add_rows(const kt_settings *s, size_t at, size_t columns, kt_buffer *b)
{
    const char *group = NULL;
    int rc = 0;
    for (size_t i = 0; i < s->count && rc == 0; i++) {
        const kt_setting *r = &s->spec->table[i];
        bool heading = r->group ? !group || strcmp(r->group, group) != 0 : i == 0;
        group = r->group ? r->group : group;
        if (heading)
            rc = kt_buffer_printf(b, "\n%s:\n", group ? group : "Options");
        if (rc == 0 && is_listed(r))
            rc = add_row(s, i, at, columns, b);
    }
    return rc;
}

static int add_built_in(const kt_settings *s, size_t at, size_t columns, kt_buffer *b)
{
    char config[KT__SETTING_NAME_SIZE * 2] = "";
    char variable[KT__SETTING_NAME_SIZE] = "";
    int rc = kt_buffer_append_string(b, "\n");
    if (s->spec->environment)
        kt__setting_variable(s->spec->environment, "config", variable);
    if (s->spec->file)
        snprintf(config, sizeof config, "read settings from there (%s%s%s)", s->spec->file, *variable ? "; " : "", variable);
    if (rc == 0 && s->spec->file)
        rc = two_columns(b, "    --config FILE", config, at, columns);
    if (rc == 0)
        rc = two_columns(b, "    --show-settings", "print each setting and where it comes from", at, columns);
    if (rc == 0)
        rc = two_columns(b, "-h, --help", "print this text", at, columns);
    if (rc == 0 && s->spec->version)
        rc = two_columns(b, "-V, --version", "print the version", at, columns);
    return rc;
}

/* ---- The whole ------------------------------------------------------------------------------------------------ */

static int add_head(const kt_settings *s, size_t columns, kt_buffer *b)
{
    const char *arguments = s->spec->commands ? "COMMAND ..." : s->spec->arguments;
    int rc = kt_buffer_printf(b, "usage: %s [OPTION]...%s%s\n", s->spec->program, arguments ? " " : "",
                              arguments ? arguments : "");
    if (rc == 0 && s->spec->about)
        rc = paragraph(b, s->spec->about, columns);
    if (rc < 0 || !s->spec->commands)
        return rc;
    size_t most = 0;
    for (size_t i = 0; s->spec->commands[i].name; i++)
        most = strlen(s->spec->commands[i].name) > most ? strlen(s->spec->commands[i].name) : most;
    rc = kt_buffer_append_string(b, "\nCommands:\n");
    for (size_t i = 0; s->spec->commands[i].name && rc == 0; i++)
        rc = two_columns(b, s->spec->commands[i].name, s->spec->commands[i].help, most + 4, columns);
    return rc;
}

int kt_settings_help(const kt_settings *s, unsigned columns, kt_buffer *b)
{
    size_t at = 0, wide = columns ? columns : columns_here();
    int rc = add_head(s, wide, b);
    if (rc == 0)
        rc = right_begin(s, &at);
    if (rc == 0)
        rc = add_rows(s, at, wide, b);
    if (rc == 0 && s->parent)
        rc = add_rows(s->parent, at, wide, b);
    if (rc == 0)
        rc = add_built_in(s, at, wide, b);
    if (rc == 0 && s->spec->more)
        rc = kt_buffer_append(b, "\n", 1);
    if (rc == 0 && s->spec->more)
        rc = paragraph(b, s->spec->more, wide);
    return rc;
}

static int answer(kt_settings *s, int rc)
{
    return rc < 0 || !kt_buffer_string(&s->text) ? -ENOMEM : 1;
}

int kt__settings_answer_help(kt_settings *s)
{
    kt_buffer_clear(&s->text);
    return answer(s, kt_settings_help(s, 0, &s->text));
}

int kt__settings_answer_version(kt_settings *s)
{
    kt_buffer_clear(&s->text);
    return answer(s, kt_buffer_printf(&s->text, "%s %s\n", s->spec->program, s->spec->version));
}

/* ---- What is in force ------------------------------------------------------------------------------------------- */

/* A comment where there is nothing that a file could say. */
static int show_row(const kt_settings *s, size_t row, kt_buffer *b)
{
    const kt_setting *r = &s->spec->table[row];
    const kt__setting_slot *slot = &s->slots[row];
    bool text = r->type == KT_SETTING_IS_TEXT || r->type == KT_SETTING_IS_PATH;
    bool hidden = r->flags & KT_SETTING_SECRET, none = text && !slot->value.text;
    int rc = kt_buffer_printf(b, "%s%s = ", hidden || none ? "# " : "", r->name);
    if (rc == 0 && hidden)
        rc = kt_buffer_append_string(b, none ? "" : "***");
    else if (rc == 0 && !none)
        rc = kt__setting_format(r, &slot->value, b);
    return rc < 0 ? rc : kt_buffer_printf(b, "  # %s\n", slot->source ? slot->source : "default");
}

int kt_settings_show(const kt_settings *s, kt_buffer *b)
{
    int rc = 0;
    for (size_t i = 0; i < s->count && rc == 0; i++)
        rc = show_row(s, i, b);
    return rc < 0 || !s->parent ? rc : kt_settings_show(s->parent, b);
}
