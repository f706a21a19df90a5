/* SPDX-License-Identifier: MIT */

/* A page for each note: whole in itself, without scripts, everything escaped. The note's own
 * text is found again between marks that no escaped text can hold. */

#include <errno.h>

#include "notes/notes.h"

#define HEAD \
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" \
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" \
    "<meta name=\"generator\" content=\"kettle-notes\">\n<style>\n" \
    ":root { color-scheme: light dark; }\n" \
    "body { max-width: 42rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.6 system-ui, " \
    "sans-serif; }\n" \
    "h1 { line-height: 1.2; overflow-wrap: anywhere; }\n" \
    ".body { white-space: pre-wrap; overflow-wrap: anywhere; }\n" \
    ".tags { padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .5rem; }\n" \
    ".tags li { border: 1px solid; border-radius: 1rem; padding: 0 .75rem; font-size: .875rem; " \
    "}\n" \
    "footer { margin-top: 2rem; font-size: .875rem; opacity: .75; }\n" \
    "</style>\n<title>"

/* What stands before each part, and behind it. */
#define H1_BEGIN "<h1>"
#define H1_END "</h1>\n"
#define BODY_BEGIN "<div class=\"body\">"
#define BODY_END "</div>\n"
#define TAGS_BEGIN "<ul class=\"tags\">"
#define TAGS_END "</ul>\n"
#define TAG_BEGIN "<li>"
#define TAG_END "</li>"
#define CREATED_BEGIN "<time class=\"created\" datetime=\""
#define CHANGED_BEGIN "<time class=\"changed\" datetime=\""
#define TIME_END "\""

static const struct {
    char c;
    const char *escaped;
} escapes[] = {
    {'&', "&amp;"},  {'<', "&lt;"},   {'>', "&gt;"}, {'"', "&quot;"},
    {'\'', "&#39;"}, {'\r', "&#13;"}, /* a parser would make LF of it (HTML standard, section 13.2.3.5) */
};

#define ESCAPES (sizeof escapes / sizeof escapes[0])

/* ---- Writing ------------------------------------------------------------------------------ */

static int escape(kt_buffer *out, kt_slice text)
{
    size_t start = 0;
    for (size_t i = 0; i < text.size; i++) {
        size_t e = 0;
        while (e < ESCAPES && escapes[e].c != text.data[i])
            e++;
        if (e == ESCAPES)
            continue;
        int rc = kt_buffer_append(out, text.data + start, i - start);
        if (rc == 0)
            rc = kt_buffer_append_string(out, escapes[e].escaped);
        if (rc < 0)
            return rc;
        start = i + 1;
    }
    return kt_buffer_append(out, text.data + start, text.size - start);
}

static int part(kt_buffer *out, const char *before, kt_slice text, const char *behind)
{
    int rc = kt_buffer_append_string(out, before);
    if (rc == 0 && text.size > 0)
        rc = escape(out, text);
    return rc < 0 ? rc : kt_buffer_append_string(out, behind);
}

static int write_time(kt_buffer *out, const char *begin, const char *words, kt_time wall)
{
    char text[KT_NOTE_TIME_BYTES];
    if (kt_note_time_format(wall, text) == 0)
        return 0;
    return kt_buffer_printf(out, "<span>%s%s%s" TIME_END ">%.10s</time></span>\n", words, begin,
                            text, text);
}

int kt__html_write(const kt_note *n, kt_buffer *out)
{
    int rc = part(out, HEAD, n->title, "</title>\n</head>\n<body>\n<article>\n");
    if (rc == 0)
        rc = part(out, H1_BEGIN, n->title, H1_END);
    if (rc == 0)
        rc = part(out, BODY_BEGIN, n->body, BODY_END);
    if (rc == 0)
        rc = kt_buffer_append_string(out, TAGS_BEGIN);
    for (size_t i = 0; rc == 0 && i < n->tags_count; i++)
        rc = part(out, TAG_BEGIN, n->tags[i], TAG_END);
    if (rc == 0)
        rc = kt_buffer_append_string(out, TAGS_END "</article>\n<footer>\n");
    if (rc == 0)
        rc = write_time(out, CREATED_BEGIN, "Created ", n->created);
    if (rc == 0)
        rc = write_time(out, CHANGED_BEGIN, "Changed ", n->changed);
    return rc < 0 ? rc : kt_buffer_append_string(out, "</footer>\n</body>\n</html>\n");
}

/* ---- Reading ------------------------------------------------------------------------------ */

static int unescape(kt_buffer *out, kt_slice text, kt_slice *ret_text)
{
    size_t start = out->size;
    while (text.size > 0) {
        const char *amp = memchr(text.data, '&', text.size);
        size_t plain = amp ? (size_t)(amp - text.data) : text.size;
        int rc = kt_buffer_append(out, text.data, plain);
        if (rc < 0)
            return rc;
        text = (kt_slice){text.data + plain, text.size - plain};
        if (text.size == 0)
            break;
        size_t e = 0;
        while (e < ESCAPES && !kt__text_begins(text, escapes[e].escaped))
            e++;
        if (e == ESCAPES)
            return kt_error_set(KT_EVALIDATION, "'%.*s' is no escape of a page of kettle-notes",
                                (int)(text.size < 8 ? text.size : 8), text.data);
        rc = kt_buffer_append(out, &escapes[e].c, 1);
        if (rc < 0)
            return rc;
        size_t used = strlen(escapes[e].escaped);
        text = (kt_slice){text.data + used, text.size - used};
    }
    *ret_text = (kt_slice){out->data + start, out->size - start};
    return 0;
}

/* Takes everything up to behind `end`, which stands behind `begin`; the text between is
 * unescaped. 1; 0 if it is not there, and then nothing is taken. */
static int take_part(kt_slice *rest, const char *begin, const char *end, kt_buffer *out,
                     kt_slice *ret_text)
{
    size_t begin_size = strlen(begin), end_size = strlen(end);
    const char *from = rest->size > 0 ? memmem(rest->data, rest->size, begin, begin_size) : NULL;
    if (!from)
        return 0;
    from += begin_size;
    size_t left = (size_t)(rest->data + rest->size - from);
    const char *to = memmem(from, left, end, end_size);
    if (!to)
        return kt_error_set(KT_EVALIDATION, "'%s' without '%.*s'", begin, (int)strcspn(end, "\n"),
                            end);
    *rest = (kt_slice){to + end_size, left - (size_t)(to - from) - end_size};
    int rc = unescape(out, (kt_slice){from, (size_t)(to - from)}, ret_text);
    return rc < 0 ? rc : 1;
}

static int take_tags(kt_slice list, kt_buffer *out, kt__tags *tags)
{
    kt_slice tag = {NULL, 0};
    int rc;
    while ((rc = take_part(&list, TAG_BEGIN, TAG_END, out, &tag)) == 1) {
        rc = kt__tags_add(tags, tag);
        if (rc < 0)
            break;
    }
    return rc;
}

/* The list of tags as it stands, escapes and all: its items are taken apart first. */
static kt_slice tag_list(kt_slice *rest)
{
    kt_slice list = {NULL, 0};
    const char *from =
        rest->size > 0 ? memmem(rest->data, rest->size, TAGS_BEGIN, strlen(TAGS_BEGIN)) : NULL;
    const char *to =
        from ? memmem(from, (size_t)(rest->data + rest->size - from), TAGS_END, strlen(TAGS_END))
             : NULL;
    if (to) {
        list = (kt_slice){from, (size_t)(to - from)};
        *rest = (kt_slice){to, (size_t)(rest->data + rest->size - to)};
    }
    return list;
}

static int take_time(kt_slice *rest, const char *begin, kt_buffer *out, kt_time *ret_time)
{
    kt_slice text = {NULL, 0};
    int rc = take_part(rest, begin, TIME_END, out, &text);
    return rc <= 0 ? rc : kt_note_time_parse(text, ret_time);
}

int kt__html_read(kt_slice text, kt__note_sink *sink)
{
    kt_auto(kt__tags) tags = KT__TAGS_INIT;
    kt_auto(kt_buffer) plain =
        KT_BUFFER_INIT; /* all parts; unescaped text is no longer, so it never moves */
    kt_note n = KT_NOTE_INIT;
    int rc = kt_buffer_reserve(&plain, text.size);
    if (rc == 0)
        rc = take_part(&text, H1_BEGIN, H1_END, &plain, &n.title);
    if (rc == 1)
        rc = take_part(&text, BODY_BEGIN, BODY_END, &plain, &n.body);
    if (rc == 0)
        return kt_error_set(KT_EVALIDATION, "no page that kettle-notes wrote");
    if (rc == 1)
        rc = take_tags(tag_list(&text), &plain, &tags);
    if (rc == 0)
        rc = take_time(&text, CREATED_BEGIN, &plain, &n.created);
    if (rc >= 0)
        rc = take_time(&text, CHANGED_BEGIN, &plain, &n.changed);
    n.tags = tags.items;
    n.tags_count = tags.count;
    return rc < 0 ? rc : kt__note_sink_take(sink, &n);
}
