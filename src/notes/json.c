/* SPDX-License-Identifier: MIT */

/* JSON (RFC 8259): an object a note, or a list of them. */

#include <errno.h>
#include <jansson.h>

#include "notes/json.h"

/* jansson recurses once a level, and at its own limit of 2048 that is 169 KB of stack. */
#define DEPTH_MAX 16

/* ---- Writing ------------------------------------------------------------------------------ */

static json_t *text_json(kt_slice text)
{
    return json_stringn(text.data ? text.data : "", text.size);
}

json_t *kt__note_json_time(kt_time wall)
{
    char text[KT_NOTE_TIME_BYTES];
    size_t size = kt_note_time_format(wall, text);
    return size > 0 ? json_stringn(text, size) : json_null();
}

json_t *kt__note_json_tags(const kt_note *n)
{
    json_t *tags = json_array();
    for (size_t i = 0; tags && i < n->tags_count; i++)
        if (json_array_append_new(tags, text_json(n->tags[i])) < 0) {
            json_decref(tags);
            return NULL;
        }
    return tags;
}

json_t *kt__note_json(const kt_note *n)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "title", text_json(n->title), "body",
                     text_json(n->body), "tags", kt__note_json_tags(n), "created",
                     kt__note_json_time(n->created), "changed", kt__note_json_time(n->changed));
}

static int append(const char *bytes, size_t size, void *out)
{
    return kt_buffer_append(out, bytes, size);
}

int kt__json_append(const json_t *json, size_t flags, kt_buffer *out)
{
    if (!json)
        return -ENOMEM;
    return json_dump_callback(json, append, out, flags) < 0 ? -ENOMEM : 0;
}

int kt__note_json_write(const kt_note *n, kt_buffer *out)
{
    json_t *json = kt__note_json(n);
    int rc = kt__json_append(json, JSON_INDENT(2), out);
    json_decref(json);
    return rc < 0 ? rc : kt_buffer_append_string(out, "\n");
}

/* ---- Reading ------------------------------------------------------------------------------ */

static bool too_deep(kt_slice text)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size && depth <= DEPTH_MAX; i++) {
        char c = text.data[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string)
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
    return depth > DEPTH_MAX;
}

int kt__note_json_parse(kt_slice text, json_t **ret_json)
{
    json_error_t error;
    const char *zero = text.size > 0 ? memchr(text.data, '\0', text.size) : NULL;
    if (zero) /* which jansson reads over where white space may stand */
        return kt_error_set(KT_EVALIDATION, "not valid JSON: a zero byte at byte %zu", (size_t)(zero - text.data));
    if (too_deep(text))
        return kt_error_set(KT_EVALIDATION, "JSON is nested deeper than %d levels", DEPTH_MAX);
    json_t *json =
        json_loadb(text.data ? text.data : "", text.size, JSON_REJECT_DUPLICATES, &error);
    if (!json && json_error_code(&error) == json_error_out_of_memory)
        return -ENOMEM;
    if (!json)
        return kt_error_set(KT_EVALIDATION, "line %d, column %d: not valid JSON: %s", error.line,
                            error.column, error.text);
    *ret_json = json;
    return 0;
}

static int text_field(const json_t *object, const char *name, kt_slice *ret_text)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return kt_error_set(KT_EVALIDATION, "%s must be a string", name);
    *ret_text = (kt_slice){json_string_value(value), json_string_length(value)};
    return 1;
}

static int time_field(const json_t *object, const char *name, kt_time *ret_time)
{
    kt_slice text = {NULL, 0};
    int rc = text_field(object, name, &text);
    return rc <= 0 ? rc : kt_note_time_parse(text, ret_time);
}

static int tags_field(const json_t *object, kt__tags *tags)
{
    const json_t *list = json_object_get(object, "tags"), *tag;
    size_t i;
    if (list && !json_is_null(list) && !json_is_array(list))
        return kt_error_set(KT_EVALIDATION, "tags must be a list of strings");
    json_array_foreach(list, i, tag)
    {
        if (!json_is_string(tag))
            return kt_error_set(KT_EVALIDATION, "tags[%zu] must be a string", i);
        int rc = kt__tags_add(tags, (kt_slice){json_string_value(tag), json_string_length(tag)});
        if (rc < 0)
            return rc;
    }
    return 0;
}

int kt__note_of_json(const json_t *object, kt_note *n, kt__tags *tags)
{
    if (!json_is_object(object))
        return kt_error_set(KT_EVALIDATION, "a note must be an object");
    int rc = text_field(object, "title", &n->title);
    n->title = kt__text_trim(n->title);
    if (rc >= 0)
        rc = text_field(object, "body", &n->body);
    if (rc >= 0)
        rc = time_field(object, "created", &n->created);
    if (rc >= 0)
        rc = time_field(object, "changed", &n->changed);
    if (rc >= 0)
        rc = tags_field(object, tags);
    n->tags = tags->items;
    n->tags_count = tags->count;
    return rc < 0 ? rc : 0;
}

static int take(const json_t *object, kt__note_sink *sink)
{
    kt_auto(kt__tags) tags = KT__TAGS_INIT;
    kt_note n = KT_NOTE_INIT;
    int rc = kt__note_of_json(object, &n, &tags);
    if (rc == 0 && !json_object_get(object, "title") && !json_object_get(object, "body"))
        return kt_error_set(KT_EVALIDATION, "no note: it has neither title nor body");
    return rc < 0 ? rc : kt__note_sink_take(sink, &n);
}

int kt__note_json_read(kt_slice text, kt__note_sink *sink)
{
    json_t *json, *item;
    size_t i;
    int rc = kt__note_json_parse(text, &json);
    if (rc < 0)
        return rc;
    if (!json_is_array(json))
        rc = take(json, sink);
    json_array_foreach(json, i, item)
    {
        rc = take(item, sink);
        if (rc < 0)
            break;
    }
    json_decref(json);
    return rc;
}
