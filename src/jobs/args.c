/* SPDX-License-Identifier: MIT */

/* JSON from strangers, and a job's arguments and result. */

#include <errno.h>
#include <kettle/memory.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/json_depth.h"
#include "jobs/engine.h"
#include "jobs/type.h"

#define RESULT_BYTES_MAX ((size_t)1 << 20)

int kt__json_load(kt_slice text, size_t flags, json_t **ret_json, json_error_t *ret_error)
{
    json_error_t error = {.line = 0}; /* where jansson has no memory to begin with, it gives no reason */
    json_t *json = json_loadb(text.data, text.size, flags, &error);
    if (json) {
        *ret_json = json;
        return 0;
    }
    *ret_error = error;
    enum json_error_code code = json_error_code(&error);
    return code == json_error_unknown || code == json_error_out_of_memory ? -ENOMEM : KT_EVALIDATION;
}

int kt__json_parse(kt_slice text, json_t **ret_json)
{
    json_error_t error;
    const char *zero = text.size > 0 ? memchr(text.data, '\0', text.size) : NULL;
    if (zero) /* which jansson reads over where white space may stand */
        return kt_error_set(KT_EVALIDATION, "not valid JSON: a zero byte at byte %zu", (size_t)(zero - text.data));
    if (kt__json_depth(text) > KT__JSON_DEPTH_MAX)
        return kt_error_set(KT_EVALIDATION, "JSON is nested deeper than %d levels", KT__JSON_DEPTH_MAX);
    int rc = kt__json_load(text, JSON_REJECT_DUPLICATES, ret_json, &error);
    if (rc == KT_EVALIDATION)
        return kt_error_set(rc, "not valid JSON: line %d, column %d: %s", error.line, error.column, error.text);
    return rc;
}

typedef struct sink {
    kt_buffer *text;
    int rc;
} sink;

static int pour(const char *bytes, size_t size, void *arg)
{
    sink *s = arg;
    if (s->rc == 0)
        s->rc = kt_buffer_append(s->text, bytes, size);
    return s->rc;
}

/* Not json_dumps: without memory for a key, jansson (2.14) goes on without the key. */
int kt__json_dump(const json_t *json, kt_buffer *text)
{
    sink s = {text, 0};
    if (!json || json_dump_callback(json, pour, &s, JSON_COMPACT) < 0)
        return -ENOMEM;
    return s.rc;
}

/* The size of the character of several bytes that begins here, 0 if that is none (RFC 3629, 4). */
static size_t utf8_size(kt_slice text)
{
    const unsigned char *b = (const unsigned char *)text.data;
    size_t size = b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
    if (size == 0 || size > text.size)
        return 0;
    unsigned char low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;  /* no longer than need be, */
    unsigned char high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf; /* no surrogate, none too large */
    if (b[1] < low || b[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

/* Programs write what they like; JSON holds UTF-8 (RFC 8259, 8.1), and jansson keeps no NUL. */
json_t *kt__json_text(kt_slice bytes)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    for (size_t i = 0; i < bytes.size;) {
        size_t run = 0;
        while (i + run < bytes.size && bytes.data[i + run] && (unsigned char)bytes.data[i + run] < 0x80)
            run++;
        if (run == 0)
            run = utf8_size((kt_slice){bytes.data + i, bytes.size - i});
        int rc = run > 0 ? kt_buffer_append(&text, bytes.data + i, run)
                         : kt_buffer_append_string(&text, "\xef\xbf\xbd");
        if (rc < 0)
            return NULL;
        i += run > 0 ? run : 1;
    }
    return json_stringn(text.data ? text.data : "", text.size);
}

/* ---- Arguments ----------------------------------------------------------------------------- */

static int wrong_kind(const char *name, const char *kind)
{
    return kt_error_set(KT_EVALIDATION, "args.%s must be %s", name, kind);
}

static kt_slice string_of(const json_t *value)
{
    return (kt_slice){json_string_value(value), json_string_length(value)};
}

int kt_jobs_arg_string(const kt_jobs_args *a, const char *name, kt_slice *ret_value)
{
    const json_t *value = json_object_get(a->json, name);
    if (!value)
        return 0;
    if (!json_is_string(value))
        return wrong_kind(name, "a string");
    *ret_value = string_of(value);
    return 1;
}

int kt_jobs_arg_integer(const kt_jobs_args *a, const char *name, int64_t *ret_value)
{
    const json_t *value = json_object_get(a->json, name);
    if (!value)
        return 0;
    if (!json_is_integer(value))
        return wrong_kind(name, "a whole number");
    *ret_value = json_integer_value(value);
    return 1;
}

int kt_jobs_arg_number(const kt_jobs_args *a, const char *name, double *ret_value)
{
    const json_t *value = json_object_get(a->json, name);
    if (!value)
        return 0;
    if (!json_is_number(value))
        return wrong_kind(name, "a number");
    *ret_value = json_number_value(value);
    return 1;
}

int kt_jobs_arg_bool(const kt_jobs_args *a, const char *name, bool *ret_value)
{
    const json_t *value = json_object_get(a->json, name);
    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return wrong_kind(name, "true or false");
    *ret_value = json_is_true(value);
    return 1;
}

ssize_t kt_jobs_arg_strings(const kt_jobs_args *a, const char *name)
{
    const json_t *list = json_object_get(a->json, name);
    if (!list)
        return 0;
    if (!json_is_array(list))
        return wrong_kind(name, "a list of strings");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return kt_error_set(KT_EVALIDATION, "args.%s[%zu] must be a string", name, i);
    return (ssize_t)json_array_size(list);
}

kt_slice kt_jobs_arg_strings_at(const kt_jobs_args *a, const char *name, size_t index)
{
    return string_of(json_array_get(json_object_get(a->json, name), index));
}

int kt_jobs_arg_each(const kt_jobs_args *a, const char *name,
                     int (*fn)(kt_slice key, kt_slice value, void *arg), void *arg)
{
    json_t *object = json_object_get(a->json, name);
    const char *key;
    json_t *value;
    if (object && !json_is_object(object))
        return wrong_kind(name, "an object");
    json_object_foreach (object, key, value) {
        int rc = fn(kt_slice_from(key), string_of(value), arg);
        if (rc < 0)
            return rc;
    }
    return 0;
}

const char *kt_jobs_arg_unknown(const kt_jobs_args *a, const char *const *names, size_t count)
{
    const char *key;
    json_t *value;
    json_object_foreach (a->json, key, value) {
        size_t i = 0;
        while (i < count && strcmp(key, names[i]) != 0)
            i++;
        if (i == count)
            return key;
    }
    return NULL;
}

int kt__type_fault(kt_jobs_fault *fault, const char *field, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault->message, sizeof fault->message, format, args);
    va_end(args);
    snprintf(fault->field, sizeof fault->field, "%s", field);
    return KT_EVALIDATION;
}

/* ---- The attempt --------------------------------------------------------------------------- */

int64_t kt_jobs_id(const kt_jobs_attempt *job)
{
    return job->job.id;
}

int kt_jobs_attempt_number(const kt_jobs_attempt *job)
{
    return job->job.attempts + 1;
}

const kt_jobs_args *kt_jobs_args_of(const kt_jobs_attempt *job)
{
    return &job->args;
}

int kt_jobs_result_set(kt_jobs_attempt *job, kt_slice json)
{
    if (json.size > RESULT_BYTES_MAX)
        return kt_error_set(KT_ELIMIT, "a result has at most %zu bytes", RESULT_BYTES_MAX);
    json_error_t error;
    if (kt__json_depth(json) > KT__JSON_DEPTH_MAX)
        return kt_error_set(KT_EVALIDATION, "a result is nested at most %d levels deep", KT__JSON_DEPTH_MAX);
    json_t *parsed;
    int rc = kt__json_load(json, JSON_DECODE_ANY, &parsed, &error);
    if (rc == KT_EVALIDATION)
        return kt_error_set(rc, "result: not valid JSON: %s", error.text);
    if (rc < 0)
        return rc;
    json_decref(parsed);
    rc = kt_buffer_reserve(&job->result, json.size);
    if (rc < 0)
        return rc; /* the one before stays */
    kt_buffer_clear(&job->result);
    return kt_buffer_append(&job->result, json.data, json.size);
}

int kt_jobs_announce_fd(const kt_jobs_attempt *job)
{
    return kt__reaper_fd(job->jobs->reaper);
}
