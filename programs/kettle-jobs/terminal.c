/* SPDX-License-Identifier: MIT */

/* What is printed: text from strangers, columns, colours. */

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

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

/* One character: its bytes, at least one, and what it takes. -1: a terminal might obey it, or the bytes are no
 * character. */
static size_t next_character(const char *text, int *ret_width)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t size = mbrtowc(&wide, text, MB_CUR_MAX, &state);
    if (size == 0 || size > MB_CUR_MAX) {
        *ret_width = -1;
        return 1;
    }
    *ret_width = wcwidth(wide);
    return size;
}

void print_safe(FILE *to, const char *text, bool lines)
{
    while (*text) {
        int width;
        size_t size = next_character(text, &width);
        if (width >= 0 || (lines && (*text == '\n' || *text == '\t')))
            fwrite(text, 1, size, to);
        else
            fputc('?', to);
        text += size;
    }
}

size_t text_fit(const char *text, size_t width)
{
    size_t used = 0, columns = 0;
    while (text[used]) {
        int w;
        size_t size = next_character(text + used, &w);
        columns += w < 0 ? 1 : (size_t)w;
        if (columns > width)
            break;
        used += size;
    }
    return used;
}

size_t text_width(const char *text)
{
    size_t columns = 0;
    while (*text) {
        int w;
        text += next_character(text, &w);
        columns += w < 0 ? 1 : (size_t)w;
    }
    return columns;
}

size_t terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return SIZE_MAX;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* NO_COLOR: https://no-color.org. */
static bool wants_colours(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

const char *state_colour(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {
        {"scheduled", "\033[36m"}, {"ready", "\033[34m"},  {"running", "\033[1;33m"},
        {"succeeded", "\033[32m"}, {"dead", "\033[1;31m"}, {"cancelled", "\033[2m"},
    };
    for (size_t i = 0; i < sizeof colours / sizeof colours[0] && wants_colours(); i++)
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    return "";
}

const char *colour_end(void)
{
    return wants_colours() ? "\033[0m" : "";
}
