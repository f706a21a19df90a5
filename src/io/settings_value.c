/* SPDX-License-Identifier: MIT */

/* One value of each type: from text, into the program's struct, and to text again. */

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "io/settings_private.h"

#define ITEMS_DEFAULT 1000

void kt__setting_value_release(kt__setting_value *v)
{
    for (size_t i = 0; i < v->count; i++)
        kt_free(v->items[i]);
    kt_free(v->items);
    kt_free(v->text);
    *v = (kt__setting_value){0};
}

/* What is wrong, said; KT_EVALIDATION, or -ENOMEM. */
static int wrong(kt_buffer *problem, const char *text)
{
    int rc = kt_buffer_append_string(problem, text);
    return rc < 0 ? rc : KT_EVALIDATION;
}

/* ---- Words ----------------------------------------------------------------------------------- */

static int parse_bool(const char *text, kt__setting_value *v, kt_buffer *problem)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            v->integer = i % 2;
            return 0;
        }
    }
    return wrong(problem, "neither yes nor no");
}

static int parse_choice(const kt_setting *row, const char *text, kt__setting_value *v,
                        kt_buffer *problem)
{
    const char *near = NULL;
    size_t best = SIZE_MAX;
    int rc = kt_buffer_append_string(problem, "none of ");
    for (int i = 0; row->choices[i] && rc == 0; i++) {
        if (strcmp(text, row->choices[i]) == 0) {
            kt_buffer_clear(problem);
            v->integer = i;
            return 0;
        }
        if (kt__word_near(text, strlen(text), row->choices[i], &best))
            near = row->choices[i];
        rc = kt_buffer_printf(problem, "%s%s", i ? ", " : "", row->choices[i]);
    }
    if (rc == 0 && near)
        rc = kt_buffer_printf(problem, "; did you mean %s?", near);
    return rc < 0 ? rc : KT_EVALIDATION;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

/* Appends " (1 to 10000)", where the row says so. */
static int say_range(const kt_setting *row, kt_buffer *b, int rc)
{
    int64_t min, max;
    kt_setting_type type = row->type == KT_SETTING_IS_REAL ? KT_SETTING_IS_INTEGER : row->type;
    if (rc < 0 || !kt__setting_has_range(row))
        return rc;
    kt__setting_range(row, &min, &max);
    rc = kt_buffer_append_string(b, " (");
    if (rc == 0)
        rc = kt__setting_number_format(type, min, b);
    if (rc == 0)
        rc = kt_buffer_append_string(b, " to ");
    if (rc == 0)
        rc = kt__setting_number_format(type, max, b);
    return rc < 0 ? rc : kt_buffer_append_string(b, ")");
}

static int no_number(const kt_setting *row, kt_buffer *problem)
{
    static const char *const what[] = {
        [KT_SETTING_IS_INTEGER] = "not a number",
        [KT_SETTING_IS_REAL] = "not a number",
        [KT_SETTING_IS_SIZE] = "not a size such as 512, 64K or 1.5G",
        [KT_SETTING_IS_DURATION] = "not a duration such as 500ms, 10s or 1h30m",
    };
    int rc = say_range(row, problem, kt_buffer_append_string(problem, what[row->type]));
    return rc < 0 ? rc : KT_EVALIDATION;
}

static int out_of_range(const kt_setting *row, bool low, int64_t min, int64_t max,
                        kt_buffer *problem)
{
    kt_setting_type type = row->type == KT_SETTING_IS_REAL ? KT_SETTING_IS_INTEGER : row->type;
    int rc = kt_buffer_append_string(problem, low ? "less than " : "more than ");
    if (rc == 0)
        rc = kt__setting_number_format(type, low ? min : max, problem);
    rc = say_range(row, problem, rc);
    return rc < 0 ? rc : KT_EVALIDATION;
}

static int parse_number(const kt_setting *row, const char *text, kt__setting_value *v,
                        kt_buffer *problem)
{
    int64_t n, min, max;
    bool far;
    if (!kt__setting_number(row->type, text, &n, &far))
        return no_number(row, problem);
    kt__setting_range(row, &min, &max);
    if (n < min || (far && n < 0))
        return out_of_range(row, true, min, max, problem);
    if (n > max || far)
        return out_of_range(row, false, min, max, problem);
    v->integer = n;
    return 0;
}

/* strtod(3) in whatever locale, so that a comma is never a point: the text has digits, points, exponents only. */
static int parse_real(const kt_setting *row, const char *text, kt__setting_value *v,
                      kt_buffer *problem)
{
    char *end, copy[64];
    size_t size = strlen(text);
    if (size == 0 || size >= sizeof copy || strspn(text, "0123456789+-.eE") != size)
        return no_number(row, problem);
    memcpy(copy, text, size + 1);
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return -ENOMEM;
    double real = strtod_l(copy, &end, c);
    freelocale(c);
    if (*end || end == copy)
        return no_number(row, problem);
    if (kt__setting_has_range(row) && (real < (double)row->min || real > (double)row->max))
        return out_of_range(row, real < (double)row->min, row->min, row->max, problem);
    if (!isfinite(real))
        return wrong(problem, "too large");
    v->real = real;
    return 0;
}

/* ---- Text ------------------------------------------------------------------------------------ */

static int checked(const kt_setting *row, const char *text, kt_buffer *problem)
{
    const char *why = row->check ? row->check(text) : NULL;
    return why ? wrong(problem, why) : 0;
}

static int parse_text(const kt_setting *row, const char *text, kt__setting_value *v,
                      kt_buffer *problem)
{
    int rc = checked(row, text, problem);
    if (rc < 0)
        return rc;
    v->text = kt_strndup(text, strlen(text));
    return v->text ? 0 : -ENOMEM;
}

/* ~/x lies in the home folder, x where the file lies that says so. */
static int parse_path(const kt_setting *row, const char *text, const kt__setting_place *place,
                      kt__setting_value *v, kt_buffer *problem)
{
    const char *home = getenv("HOME");
    kt_auto(kt_buffer) path = KT_BUFFER_INIT;
    int rc = checked(row, text, problem);
    if (rc == 0 && text[0] == '~' && text[1] == '/' && home) {
        rc = kt_buffer_append_string(&path, home);
        text++;
    } else if (rc == 0 && place->folder && *text && *text != '/') {
        rc = kt_buffer_append(&path, place->folder, place->folder_size);
    }
    if (rc == 0)
        rc = kt_buffer_append_string(&path, text);
    if (rc < 0)
        return rc;
    v->text = kt_strndup(path.data ? path.data : "", path.size);
    return v->text ? 0 : -ENOMEM;
}

static int parse_item(const kt_setting *row, const char *text, kt__setting_value *v,
                      kt_buffer *problem)
{
    size_t max = row->max > 0 ? (size_t)row->max : ITEMS_DEFAULT;
    int rc = checked(row, text, problem);
    if (rc < 0)
        return rc;
    if (v->count == max) {
        rc = kt_buffer_printf(problem, "more than %zu values", max);
        return rc < 0 ? rc : KT_EVALIDATION;
    }
    char *copy = kt_strndup(text, strlen(text));
    char **grown = copy ? kt_realloc(v->items, (v->count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        kt_free(copy);
        return -ENOMEM;
    }
    v->items = grown;
    v->items[v->count++] = copy;
    return 0;
}

int kt__setting_parse(const kt_setting *row, const char *text, const kt__setting_place *place,
                      kt__setting_value *v, kt_buffer *problem)
{
    switch (row->type) {
    case KT_SETTING_IS_TEXT:
        return parse_text(row, text, v, problem);
    case KT_SETTING_IS_PATH:
        return parse_path(row, text, place, v, problem);
    case KT_SETTING_IS_BOOL:
        return parse_bool(text, v, problem);
    case KT_SETTING_IS_REAL:
        return parse_real(row, text, v, problem);
    case KT_SETTING_IS_CHOICE:
        return parse_choice(row, text, v, problem);
    case KT_SETTING_IS_LIST:
        return parse_item(row, text, v, problem);
    default:
        return parse_number(row, text, v, problem);
    }
}

/* ---- Into the struct ------------------------------------------------------------------------- */

static void store_integer(void *member, size_t size, int64_t n)
{
    int8_t one = (int8_t)n;
    int16_t two = (int16_t)n;
    int32_t four = (int32_t)n;
    memcpy(member,
           size == 1   ? (void *)&one
           : size == 2 ? (void *)&two
           : size == 4 ? (void *)&four
                       : (void *)&n,
           size);
}

void kt__setting_store(const kt_setting *row, const kt__setting_value *v, void *values)
{
    void *member = (char *)values + row->offset;
    const char *text = v->text;
    const kt_settings_list list = {(const char *const *)v->items, v->count};
    bool yes = v->integer != 0;
    switch (row->type) {
    case KT_SETTING_IS_TEXT:
    case KT_SETTING_IS_PATH:
        memcpy(member, &text, sizeof text);
        break;
    case KT_SETTING_IS_BOOL:
        memcpy(member, &yes, sizeof yes);
        break;
    case KT_SETTING_IS_REAL:
        memcpy(member, &v->real, sizeof v->real);
        break;
    case KT_SETTING_IS_LIST:
        memcpy(member, &list, sizeof list);
        break;
    default:
        store_integer(member, row->size, v->integer);
        break;
    }
}

/* ---- To text --------------------------------------------------------------------------------- */

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Does it read back the same without quotes? Control characters would, but may reach a terminal first. */
static bool is_plain(const char *text, bool item)
{
    size_t size = strlen(text);
    if (size == 0 || text[0] == ' ' || text[size - 1] == ' ' || *text == '"')
        return false;
    for (const char *c = text; *c; c++)
        if (is_control(*c))
            return false;
    return !strpbrk(text, "#\\") && !(item && strchr(text, ','));
}

static int format_text(const char *text, bool item, kt_buffer *b)
{
    static const char special[] = "\"\\\n\r\t", written[] = "\"\\nrt";
    if (is_plain(text, item))
        return kt_buffer_append_string(b, text);
    int rc = kt_buffer_append(b, "\"", 1);
    for (; *text && rc == 0; text++) {
        const char *s = strchr(special, *text);
        if (s)
            rc = kt_buffer_printf(b, "\\%c", written[s - special]);
        else
            rc = is_control(*text) ? kt_buffer_printf(b, "\\x%02x", *text) : kt_buffer_append(b, text, 1);
    }
    return rc < 0 ? rc : kt_buffer_append(b, "\"", 1);
}

static int format_list(const kt__setting_value *v, kt_buffer *b)
{
    int rc = 0;
    for (size_t i = 0; i < v->count && rc == 0; i++) {
        rc = i ? kt_buffer_append_string(b, ", ") : 0;
        if (rc == 0)
            rc = format_text(v->items[i], true, b);
    }
    return rc;
}

/* The shortest of two forms that reads back the same; with a point, whatever the locale has. */
static int format_real(double real, kt_buffer *b)
{
    char number[32];
    size_t from = b->size;
    snprintf(number, sizeof number, "%.15g", real);
    int rc = kt_buffer_printf(b, strtod(number, NULL) == real ? "%.15g" : "%.17g", real);
    for (size_t i = from; i < b->size; i++)
        if (!strchr("0123456789+-e", b->data[i]))
            b->data[i] = '.';
    return rc;
}

int kt__setting_format(const kt_setting *row, const kt__setting_value *v, kt_buffer *b)
{
    switch (row->type) {
    case KT_SETTING_IS_TEXT:
    case KT_SETTING_IS_PATH:
        return format_text(v->text ? v->text : "", false, b);
    case KT_SETTING_IS_BOOL:
        return kt_buffer_append_string(b, v->integer ? "yes" : "no");
    case KT_SETTING_IS_REAL:
        return format_real(v->real, b);
    case KT_SETTING_IS_CHOICE:
        return kt_buffer_append_string(b, row->choices[v->integer]);
    case KT_SETTING_IS_LIST:
        return format_list(v, b);
    default:
        return kt__setting_number_format(row->type, v->integer, b);
    }
}
