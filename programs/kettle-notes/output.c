/* SPDX-License-Identifier: MIT */

/* What is printed: text from strangers, times, JSON. */

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

void complain(int rc)
{
    fputs("kettle-notes: ", stderr);
    print_safe(stderr, kt_slice_from(*kt_error_detail() ? kt_error_detail() : kt_strerror(rc)),
               false);
    fputc('\n', stderr);
}

void print_safe(FILE *to, kt_slice text, bool lines)
{
    while (text.size > 0) {
        kt_auto(kt_buffer) safe = KT_BUFFER_INIT;
        size_t part = 0;
        while (part < text.size && !(lines && (text.data[part] == '\n' || text.data[part] == '\t')))
            part++;
        if (kt_terminal_safe(&safe, (kt_slice){text.data, part}) == 0 && safe.size > 0)
            fwrite(safe.data, 1, safe.size, to);
        if (part < text.size)
            fputc(text.data[part++], to);
        text = (kt_slice){text.data + part, text.size - part};
    }
}

void print_time(FILE *to, kt_time wall)
{
    char text[40];
    struct tm tm;
    time_t seconds = (time_t)(wall / KT_S(1));
    if (wall == 0 || !localtime_r(&seconds, &tm) ||
        strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm) == 0)
        snprintf(text, sizeof text, "-");
    fprintf(to, "%s", text);
}

int print_json(json_t *json)
{
    if (!json)
        return -ENOMEM;
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
    return 0;
}

json_t *json_of_text(kt_slice text)
{
    return json_stringn(text.data ? text.data : "", text.size);
}

json_t *json_of_words(const char *words)
{
    kt_auto(kt_buffer) safe = KT_BUFFER_INIT;
    int rc = kt_terminal_safe(&safe, kt_slice_from(words));
    return rc < 0 ? NULL : json_of_text(kt_buffer_slice(&safe));
}

json_t *json_of_time(kt_time wall)
{
    char text[KT_NOTE_TIME_BYTES];
    size_t size = kt_note_time_format(wall, text);
    return size > 0 ? json_stringn(text, size) : json_null();
}

json_t *json_of_tags(const kt_note *n)
{
    json_t *tags = json_array();
    for (size_t i = 0; i < n->tags_count; i++)
        json_array_append_new(tags, json_of_text(n->tags[i]));
    return tags;
}

size_t terminal_width(void)
{
    unsigned columns;
    return kt_terminal_size(STDOUT_FILENO, &columns, NULL) < 0 ? SIZE_MAX : columns;
}

const char *bold(void)
{
    return kt_terminal_colours(STDOUT_FILENO) ? "\033[1m" : "";
}

const char *dim(void)
{
    return kt_terminal_colours(STDOUT_FILENO) ? "\033[2m" : "";
}

const char *plain(void)
{
    return kt_terminal_colours(STDOUT_FILENO) ? "\033[0m" : "";
}
