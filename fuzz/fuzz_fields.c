/* SPDX-License-Identifier: MIT */
/* Values of header fields that strangers send, under libFuzzer. The oracles:
 *
 *   - ranges lie in the thing, are not empty, no more than allowed, and at most two pairs overlap (Range);
 *   - a date, written down by strftime and read again, is the same second (If-Modified-Since and its like);
 *   - a list in one field means what it means in two (Cache-Control), and no life or age is below zero;
 *   - what is unescaped is no longer than it was, holds no zero byte, and is the same where there was no escape;
 *   - a parameter is no longer than the value that it stands in (Content-Disposition, Forwarded).
 *
 * Input: one byte that says which, one that says where to cut or how long the thing is, then the value. */
#include "http/cache_private.h"
#include "http/files.h"
#include "http/multipart.h"
#include "http/parser_internal.h"

#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- What the same files need of an exchange, which none of this has --------------------------- */

#define UNUSED __attribute__((weak))

UNUSED void *kt_http_alloc(kt_http_exchange *x, size_t size)
{
    (void)x;
    (void)size;
    abort();
}

UNUSED bool kt_http_method_is(const kt_http_exchange *x, const char *method)
{
    (void)x;
    (void)method;
    abort();
}

UNUSED kt_slice kt_http_request_header(const kt_http_exchange *x, const char *name)
{
    (void)x;
    (void)name;
    abort();
}

UNUSED bool kt_http_request_header_at(const kt_http_exchange *x, size_t index, kt_slice *ret_name, kt_slice *ret_value)
{
    (void)x;
    (void)index;
    (void)ret_name;
    (void)ret_value;
    abort();
}

UNUSED void kt__http_fault(kt_http_exchange *x, int status, const char *why)
{
    (void)x;
    (void)status;
    (void)why;
    abort();
}

UNUSED void kt__http_date_make(kt__http_date *d, time_t second)
{
    (void)d;
    (void)second;
    abort();
}

/* ---- One each ---------------------------------------------------------------------------------- */

static void require(bool holds, const char *rule)
{
    if (holds)
        return;
    fprintf(stderr, "whole: %s\n=\n", rule);
    abort();
}

static void try_ranges(kt_slice value, uint8_t how)
{
    kt__range r[KT__RANGES_MAX];
    int64_t size = how & 1 ? INT64_MAX : how;
    unsigned max = 1 + (how >> 4);
    int count = kt__ranges_parse(value, size, max, r), overlaps = 0;
    require(count == -EINVAL || (count >= 0 && count <= (int)max), "so many ranges as allowed");
    for (int i = 0; i < count; i++) {
        require(r[i].first >= 0 && r[i].size > 0 && r[i].first <= size - r[i].size, "a range lies in the thing");
        for (int j = 0; j < i; j++)
            overlaps += r[i].first < r[j].first + r[j].size && r[j].first < r[i].first + r[i].size;
    }
    require(overlaps <= 2, "ranges that overlap are a burden");
}

static void try_date(kt_slice value)
{
    time_t second, again;
    struct tm parts;
    char text[64];
    if (kt__http_date_parse(value, &second) < 0)
        return;
    require(gmtime_r(&second, &parts) != NULL, "a date is one of the calendar");
    if (parts.tm_year + 1900 > 9999)
        return; /* the last leap second of four digits */
    size_t size = strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    require(kt__http_date_parse((kt_slice){text, size}, &again) == 0 && again == second, "a date is read as written");
}

static bool same_control(const kt__cache_control *a, const kt__cache_control *b)
{
    return a->no_store == b->no_store && a->no_cache == b->no_cache && a->must_revalidate == b->must_revalidate &&
           a->proxy_revalidate == b->proxy_revalidate && a->is_public == b->is_public &&
           a->is_private == b->is_private && a->only_if_cached == b->only_if_cached && a->max_age == b->max_age &&
           a->s_maxage == b->s_maxage && a->min_fresh == b->min_fresh && a->max_stale == b->max_stale &&
           a->stale_if_error == b->stale_if_error && a->stale_while_revalidate == b->stale_while_revalidate;
}

static void try_cache_control(kt_slice value, uint8_t how)
{
    static const kt_http_cache_options options = {.shared = true};
    kt__cache_control one, two;
    kt__cache_facts facts;
    const char *comma = value.size > 0 ? memchr(value.data, ',', value.size) : NULL;
    kt_slice name = kt_slice_from("cache-control"), age = {value.data, value.size < how ? value.size : how};
    kt_http_field fields[] = {{name, value}, {kt_slice_from("Age"), age}, {kt_slice_from("Expires"), value}};
    kt__cache_control_read(fields, 1, &one);
    if (comma && !memchr(value.data, '"', value.size)) {
        size_t first = (size_t)(comma - value.data);
        kt_http_field halves[] = {{name, {value.data, first}}, {name, {comma + 1, value.size - first - 1}}};
        kt__cache_control_read(halves, 2, &two);
        require(same_control(&one, &two), "a list means the same in two fields");
    }
    require(one.max_age >= -1 && one.s_maxage >= -1 && one.max_stale >= -1, "no seconds below zero");
    kt__cache_judge(&options, 200, fields, 3, 0, KT_S(1), KT_S(how), &facts);
    require(facts.age >= 0 && facts.lifetime >= 0, "no life or age below zero");
    int verdict = kt__cache_verdict(&options, &one, &facts);
    require(verdict == KT_HTTP_CACHE_FRESH || verdict == KT_HTTP_CACHE_STALE || verdict == KT_HTTP_CACHE_STALE_GOOD,
            "a verdict is one of three");
}

static void try_unescape(kt_slice value, uint8_t how)
{
    char *out = malloc(value.size + 1);
    if (!out)
        abort();
    bool zero = value.size > 0 && memchr(value.data, '\0', value.size);
    ssize_t n = kt__http_unescape(value, how & (KT__HTTP_PLUS | KT__HTTP_KEEP_SLASH), out);
    require(n <= (ssize_t)value.size, "what is unescaped is no longer");
    require(n <= 0 || zero || !memchr(out, '\0', (size_t)n), "what is unescaped holds no zero byte");
    bool plain = value.size > 0 && !memchr(value.data, '%', value.size) && !(how & KT__HTTP_PLUS);
    require(!plain || (n == (ssize_t)value.size && memcmp(out, value.data, value.size) == 0), "the rest stays");
    free(out);
}

static void try_parameter(kt_slice value)
{
    kt_slice parameter = {NULL, 0}, main = kt__parameter_main(value);
    char *out = malloc(2 * value.size + 1);
    if (!out)
        abort();
    int rc = kt__parameter(value, "filename", out, &parameter);
    require(rc != 1 || parameter.size <= value.size, "a parameter is no longer than its value");
    require(main.size <= value.size, "nor is what stands before it");
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 8192)
        return -1;
    char *copy = malloc(size - 2 + (size == 2)); /* of its own size, so that a byte read outside is a report */
    if (!copy)
        abort();
    if (size > 2)
        memcpy(copy, data + 2, size - 2);
    kt_slice value = {copy, size - 2};
    switch (data[0] % 5) {
    case 0:
        try_ranges(value, data[1]);
        break;
    case 1:
        try_date(value);
        break;
    case 2:
        try_cache_control(value, data[1]);
        break;
    case 3:
        try_unescape(value, data[1]);
        break;
    case 4:
        try_parameter(value);
        break;
    }
    free(copy);
    return 0;
}
