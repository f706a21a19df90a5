/* SPDX-License-Identifier: MIT */
#include "json_text.h"

#include <errno.h>
#include <kettle/error.h>
#include <stdlib.h>
#include <string.h>

int json_text_append(json_t *value, size_t flags, kt_buffer *out)
{
    flags |= JSON_ENCODE_ANY;
    size_t size = json_dumpb(value, NULL, 0, flags);
    int rc = size > 0 ? kt_buffer_reserve(out, size) : -ENOMEM;
    if (rc == 0 && json_dumpb(value, out->data + out->size, size, flags) != size)
        rc = -ENOMEM;
    if (rc == 0)
        out->size += size;
    return rc;
}

static size_t string_size(const char *at, const char *end)
{
    const char *from = at++;
    while (at < end && *at != '"')
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    return (size_t)(at < end ? at + 1 - from : at - from);
}

static size_t number_size(const char *at, const char *end)
{
    const char *from = at;
    while (at < end && *at && strchr("+-.0123456789Ee", *at))
        at++;
    return (size_t)(at - from);
}

/* An integer beyond 64 bits? */
static bool is_beyond(const char *at, size_t size)
{
    char digits[24] = "";
    if (memchr(at, '.', size) || memchr(at, 'e', size) || memchr(at, 'E', size))
        return false;
    if (size >= sizeof digits)
        return true;
    errno = 0;
    (void)strtoll(memcpy(digits, at, size), NULL, 10);
    return errno == ERANGE;
}

/* The text with integers beyond 64 bits written as reals: 2 becomes 2.0. */
static int write_reals(kt_slice text, kt_buffer *out)
{
    const char *from = text.data, *end = from + text.size;
    int rc = 0;
    for (const char *at = from; rc == 0 && at < end;) {
        size_t number = number_size(at, end);
        bool beyond = number > 0 && is_beyond(at, number);
        at += number > 0 ? number : *at == '"' ? string_size(at, end) : 1;
        if (!beyond)
            continue;
        rc = kt_buffer_append(out, from, (size_t)(at - from));
        if (rc == 0)
            rc = kt_buffer_append_string(out, ".0");
        from = at;
    }
    return rc == 0 ? kt_buffer_append(out, from, (size_t)(end - from)) : rc;
}

/* RFC 8259 section 6 bounds no integer, but jansson does, and reads nothing of a text in which one is larger. Its flag
 * JSON_DECODE_INT_AS_REAL would make reals of the others, too. */
static json_t *load(kt_slice text, size_t flags, json_error_t *error)
{
    kt_auto(kt_buffer) reals = KT_BUFFER_INIT;
    json_t *value = json_loadb(text.data ? text.data : "", text.size, flags, error);
    if (value || json_error_code(error) != json_error_numeric_overflow)
        return value;
    if (write_reals(text, &reals) < 0) {
        *error->text = '\0';
        return NULL;
    }
    return json_loadb(reals.data, reals.size, flags, error);
}

int json_text_parse(kt_slice text, size_t flags, int depth_max, json_t **ret_value)
{
    json_error_t error;
    if (kt__json_depth(text) > depth_max)
        return kt_error_set(KT_EVALIDATION, "nested deeper than %d levels", depth_max);
    json_t *value = load(text, flags, &error);
    if (!value && (!*error.text || json_error_code(&error) == json_error_out_of_memory))
        return -ENOMEM; /* it has no words where not even the first allocation succeeds */
    if (!value)
        return kt_error_set(KT_EVALIDATION, "line %d: %s", error.line, error.text);
    *ret_value = value;
    return 0;
}
