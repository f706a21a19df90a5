/* SPDX-License-Identifier: MIT */

#include "json_path.h"

#include <errno.h>
#include <kettle/error.h>
#include <math.h>
#include <string.h>

enum figure { NO_FIGURE, COUNT, SUM, MIN, MAX, MEAN };

enum { STEPS_MAX = 64 };

typedef struct step {
    kt_slice key; /* data NULL: an index, or all */
    bool all;
    long index;
} step;

typedef struct path {
    step steps[STEPS_MAX];
    int count;
    bool many;
    enum figure figure;
} path;

static int wrong(const char *text, const char *at, const char *what)
{
    return kt_error_set(-EINVAL, "JSON path: %s at byte %zu", what, (size_t)(at - text));
}

/* [3] [-1] [*] ['key'] ["key"] */
static const char *take_bracket(const char *at, step *s)
{
    const char *end;
    if (*at == '\'' || *at == '"') {
        end = strchr(at + 1, *at);
        if (!end)
            return NULL;
        s->key = (kt_slice){at + 1, (size_t)(end - at - 1)};
        at = end + 1;
    } else if (*at == '*') {
        s->all = true;
        at++;
    } else {
        int sign = *at == '-' ? -1 : 1;
        at += *at == '-';
        if (*at < '0' || *at > '9')
            return NULL;
        for (; *at >= '0' && *at <= '9'; at++)
            if ((s->index = 10 * s->index + (*at - '0')) > 100000000)
                return NULL;
        s->index *= sign;
    }
    return *at == ']' ? at + 1 : NULL;
}

/* name or * */
static const char *take_key(const char *at, const char *end, step *s)
{
    size_t size = 0;
    while (at + size < end && at[size] != '.' && at[size] != '[')
        size++;
    if (size == 0)
        return NULL;
    s->all = size == 1 && *at == '*';
    s->key = s->all ? s->key : (kt_slice){at, size};
    return at + size;
}

static int parse_steps(const char *text, const char *at, const char *end, path *p)
{
    bool first_key = at < end && !strchr("$[.", *at); /* needs no dot */
    if (at < end && *at == '$')
        at++;
    for (; at < end; p->count++, first_key = false) {
        step *s = &p->steps[p->count];
        bool bracket = *at == '[';
        if (p->count == STEPS_MAX)
            return wrong(text, at, "too many steps");
        if (!bracket && !first_key && *at++ != '.')
            return wrong(text, at - 1, ". or [ is missing");
        const char *next = bracket ? take_bracket(at + 1, s) : take_key(at, end, s);
        if (!next || next > end)
            return wrong(text, at, bracket ? "neither [number], [*] nor ['key']" : "a key is missing");
        p->many = p->many || s->all;
        at = next;
    }
    return 0;
}

static int parse(const char *text, path *p)
{
    static const char *const figures[] = {"", "count(", "sum(", "min(", "max(", "mean("};
    size_t size = strlen(text), skip = 0;
    if (size > JSON_PATH_BYTES_MAX)
        return kt_error_set(-EINVAL, "JSON path: longer than %zu bytes", JSON_PATH_BYTES_MAX);
    for (int f = COUNT; f <= MEAN && size > 0 && text[size - 1] == ')'; f++)
        if (strncmp(text, figures[f], strlen(figures[f])) == 0) {
            p->figure = (enum figure)f;
            skip = strlen(figures[f]);
        }
    return parse_steps(text, text + skip, text + size - (skip > 0), p);
}

int json_path_check(const char *text)
{
    path p = {.count = 0};
    return parse(text, &p);
}

/* ---- Finding -------------------------------------------------------------------------------- */

static int visit(const path *p, int number, json_t *value, json_t *found);

static int visit_all(const path *p, int number, json_t *value, json_t *found)
{
    int rc = 0;
    const char *key;
    json_t *item;
    size_t index;
    if (json_is_array(value)) {
        json_array_foreach(value, index, item)
            if ((rc = visit(p, number, item, found)) < 0)
                break;
    } else if (json_is_object(value)) {
        json_object_foreach(value, key, item)
            if ((rc = visit(p, number, item, found)) < 0)
                break;
    }
    return rc;
}

/* As deep as the path has steps. */
static int visit(const path *p, int number, json_t *value, json_t *found)
{
    if (number == p->count) {
        if (json_array_size(found) == JSON_PATH_FOUND_MAX)
            return kt_error_set(KT_ELIMIT, "JSON path: finds more than %d values", JSON_PATH_FOUND_MAX);
        return json_array_append(found, value) < 0 ? -ENOMEM : 0;
    }
    const step *s = &p->steps[number];
    if (s->all)
        return visit_all(p, number + 1, value, found);
    json_t *next = NULL;
    if (s->key.data) {
        next = json_object_getn(value, s->key.data, s->key.size);
    } else if (json_is_array(value)) {
        long index = s->index < 0 ? (long)json_array_size(value) + s->index : s->index;
        next = index < 0 ? NULL : json_array_get(value, (size_t)index);
    }
    return next ? visit(p, number + 1, next, found) : 0;
}

/* What is beyond the numbers of JSON is none. */
static json_t *number(double x, bool whole)
{
    if (!isfinite(x))
        return json_null();
    return whole && x < 9007199254740992.0 && x > -9007199254740992.0 ? json_integer((json_int_t)x) : json_real(x);
}

static json_t *figure_of(enum figure f, json_t *found)
{
    double sum = 0, min = 0, max = 0;
    size_t index, count = 0;
    bool whole = true;
    json_t *item;
    json_array_foreach(found, index, item) {
        if (!json_is_number(item))
            continue;
        double x = json_number_value(item);
        whole = whole && json_is_integer(item);
        min = count == 0 || x < min ? x : min;
        max = count == 0 || x > max ? x : max;
        sum += x;
        count++;
    }
    if (f == COUNT)
        return json_integer((json_int_t)json_array_size(found));
    if (f == SUM)
        return number(sum, whole);
    if (count == 0)
        return json_null();
    return f == MEAN ? number(sum / (double)count, false) : number(f == MIN ? min : max, whole);
}

int json_path_find(const char *text, json_t *document, json_t **ret_value)
{
    path p = {.count = 0};
    int rc = parse(text, &p);
    if (rc < 0)
        return rc;
    json_t *found = json_array(), *value = NULL;
    if (!found)
        return -ENOMEM;
    rc = visit(&p, 0, document, found);
    /* A figure over one list is one over what is in it. */
    if (rc == 0 && p.figure && !p.many && json_is_array(json_array_get(found, 0))) {
        json_t *inner = json_incref(json_array_get(found, 0));
        json_decref(found);
        found = inner;
    }
    if (rc == 0 && p.figure)
        value = figure_of(p.figure, found);
    else if (rc == 0 && p.many)
        value = json_incref(found);
    else if (rc == 0)
        value = json_array_size(found) > 0 ? json_incref(json_array_get(found, 0)) : json_null();
    json_decref(found);
    if (rc == 0 && !value)
        rc = -ENOMEM;
    if (rc == 0)
        *ret_value = value;
    return rc;
}
