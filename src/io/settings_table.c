/* SPDX-License-Identifier: MIT */

/* Names: how a row is called in a file, on the command line and in the environment, and which one a user who
 * mistyped may have meant. And what a table must be. */

#include <kettle/error.h>
#include <stdio.h>

#include "core/core.h"
#include "io/log_private.h"
#include "io/settings_private.h"

size_t kt__settings_find(const kt_settings *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->spec->table[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

void kt__setting_option(const kt_setting *row, char *name)
{
    snprintf(name, KT__SETTING_NAME_SIZE, "%s", row->name);
    for (; *name; name++)
        *name = *name == '.' ? '-' : *name;
}

void kt__setting_variable(const char *prefix, const char *row, char *name)
{
    snprintf(name, KT__SETTING_NAME_SIZE, "%s_%s", prefix, row);
    for (; *name; name++)
        *name = *name == '.' || *name == '-' ? '_' : upper(*name);
}

/* ---- Words that are near --------------------------------------------------------------------------- */

#define WORD_MAX 64 /* longer ones are near nothing */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau and Levenshtein's, of neighbours that are swapped at most once; three rows of the matrix. */
size_t kt__word_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][WORD_MAX + 1], *before = rows[0], *above = rows[1], *now = rows[2];
    if (a_size > WORD_MAX || b_size > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_size; j++)
        above[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            now[j] = least(least(above[j], now[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = above;
        above = now;
        now = free_row;
    }
    return above[b_size];
}

bool kt__word_near(const char *word, size_t size, const char *name, size_t *best)
{
    size_t distance = kt__word_distance(word, size, name, strlen(name));
    size_t allowed = size < 4 ? 1 : size < 8 ? 2 : 3;
    if (distance > allowed || distance >= size || distance >= *best)
        return false;
    *best = distance;
    return true;
}

/* ---- Text from outside ------------------------------------------------------------------------------ */

int kt__settings_quote(kt_buffer *b, const char *text)
{
    char bytes[256];
    size_t size = strlen(text), shown = size < 60 ? size : 57;
    while (shown < size && shown > 0 && ((unsigned char)text[shown] & 0xC0) == 0x80)
        shown--; /* whole characters */
    kt__log_out o = {bytes, 0, sizeof bytes};
    kt__log_add_safe(&o, text, shown, false);
    if (shown < size)
        kt__log_add_string(&o, "...");
    return kt_buffer_append(b, bytes, o.size);
}

/* ---- What a table must be ------------------------------------------------------------------------------ */

static void check_name(const kt_setting *row)
{
    bool good = *row->name >= 'a' && *row->name <= 'z';
    for (const char *c = row->name; *c && good; c++)
        good = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-' || *c == '.';
    if (!good || strlen(row->name) > KT__CONF_NAME_MAX)
        kt__misuse("kt_setting '%s': a name is of a-z, 0-9, - and ., and begins with a letter", row->name);
}

static bool size_fits(const kt_setting *row)
{
    switch (row->type) {
    case KT_SETTING_IS_TEXT:
    case KT_SETTING_IS_PATH:
        return row->size == sizeof(char *);
    case KT_SETTING_IS_BOOL:
        return row->size == sizeof(bool);
    case KT_SETTING_IS_REAL:
        return row->size == sizeof(double);
    case KT_SETTING_IS_LIST:
        return row->size == sizeof(kt_settings_list);
    case KT_SETTING_IS_DURATION:
        return row->size == sizeof(kt_time);
    default:
        return row->size == 1 || row->size == 2 || row->size == 4 || row->size == 8;
    }
}

static void check_row(const kt_setting *row)
{
    check_name(row);
    if (!size_fits(row))
        kt__misuse("kt_setting '%s': the member does not have that type", row->name);
    if (row->type == KT_SETTING_IS_CHOICE && (!row->choices || !row->choices[0]))
        kt__misuse("kt_setting '%s': no choices", row->name);
    if (row->min > row->max)
        kt__misuse("kt_setting '%s': min is more than max", row->name);
    if (row->size < 8 && row->type != KT_SETTING_IS_LIST && row->type != KT_SETTING_IS_BOOL &&
        (row->max >= INT64_C(1) << (row->size * 8) || row->min < -(INT64_C(1) << (row->size * 8 - 1))))
        kt__misuse("kt_setting '%s': the range does not fit into the member", row->name);
}

/* The names of options are compared: "a.b" and "a-b" are one there, and --no-x may be x's or that of a row no-x. */
static void check_pair(const kt_setting *a, const kt_setting *b)
{
    char name[KT__SETTING_NAME_SIZE], other[KT__SETTING_NAME_SIZE];
    kt__setting_option(a, name);
    kt__setting_option(b, other);
    if (strcmp(name, other) == 0)
        kt__misuse("kt_setting '%s': there are two of that name", a->name);
    if (a->letter && a->letter == b->letter)
        kt__misuse("kt_setting '%s': -%c is another one's", b->name, b->letter);
}

void kt__settings_check_table(const kt_settings_spec *spec)
{
    if (!spec->program || !spec->table)
        kt__misuse("kt_settings_spec: a program and a table must be given");
    for (const kt_setting *row = spec->table; row->name; row++) {
        check_row(row);
        for (const kt_setting *other = spec->table; other != row; other++)
            check_pair(other, row);
    }
}
