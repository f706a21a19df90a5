/* SPDX-License-Identifier: MIT */

/* What is printed: text from strangers, columns, colours. */

#include <kettle/terminal.h>
#include <unistd.h>

#include "program.h"

const char *json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

void print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
}

void print_safe(FILE *to, const char *text, bool lines)
{
    while (*text) {
        kt_auto(kt_buffer) safe = KT_BUFFER_INIT;
        size_t part = lines ? strcspn(text, "\n\t") : strlen(text);
        if (kt_terminal_safe(&safe, (kt_slice){text, part}) == 0)
            fwrite(safe.data, 1, safe.size, to);
        text += part;
        for (; lines && (*text == '\n' || *text == '\t'); text++)
            fputc(*text, to);
    }
}

size_t text_fit(const char *text, size_t width)
{
    return kt_terminal_fit(kt_slice_from(text), width);
}

size_t text_width(const char *text)
{
    return kt_terminal_columns(kt_slice_from(text));
}

size_t terminal_width(void)
{
    unsigned columns;
    return kt_terminal_size(STDOUT_FILENO, &columns, NULL) < 0 ? SIZE_MAX : columns;
}

const char *state_colour(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {
        {"scheduled", "\033[36m"}, {"ready", "\033[34m"},  {"running", "\033[1;33m"},
        {"succeeded", "\033[32m"}, {"dead", "\033[1;31m"}, {"cancelled", "\033[2m"},
    };
    for (size_t i = 0; i < sizeof colours / sizeof colours[0] && kt_terminal_colours(STDOUT_FILENO); i++)
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    return "";
}

const char *colour_end(void)
{
    return kt_terminal_colours(STDOUT_FILENO) ? "\033[0m" : "";
}
