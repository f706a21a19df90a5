/* SPDX-License-Identifier: MIT */
/* Lists of challenges (RFC 9110 section 11.6.1), in which a comma separates both challenges and their parameters: a
 * name that no '=' follows begins the next challenge. */
#include "http/auth_private.h"

#include <kettle/memory.h>

#include "http/parser_internal.h"

static void skip(kt_slice *s, size_t n)
{
    *s = (kt_slice){s->data + n, s->size - n};
}

static void skip_space(kt_slice *s)
{
    while (s->size > 0 && (s->data[0] == ' ' || s->data[0] == '\t'))
        skip(s, 1);
}

static void skip_marks(kt_slice *s)
{
    while (s->size > 0 && (s->data[0] == ' ' || s->data[0] == '\t' || s->data[0] == ','))
        skip(s, 1);
}

static kt_slice take_token(kt_slice *s)
{
    size_t n = 0;
    while (n < s->size && kt__is(s->data[n], KT__C_TOKEN))
        n++;
    kt_slice token = {s->data, n};
    skip(s, n);
    return token;
}

/* Whatever stands there up to the next comma is no parameter and no scheme. */
static void skip_to_comma(kt_slice *s)
{
    while (s->size > 0 && s->data[0] != ',')
        skip(s, 1);
}

/* "= value" of a parameter; false: the quotes are not closed, or there is no value. */
static bool take_value(kt_slice *s, kt__auth_text *ret)
{
    skip(s, 1);
    skip_space(s);
    if (s->size == 0 || s->data[0] != '"') {
        *ret = (kt__auth_text){take_token(s), false};
        return ret->raw.size > 0;
    }
    size_t n = 1;
    while (n < s->size && s->data[n] != '"')
        n += s->data[n] == '\\' ? 2 : 1;
#ifdef KT_FUZZ_PLANTED_BUG
    if (n > s->size) /* the end itself is none */
        return false;
#else
    if (n >= s->size)
        return false;
#endif
    *ret = (kt__auth_text){{s->data + 1, n - 1}, true};
    skip(s, n + 1);
    return true;
}

/* The first of each name counts. */
static void keep(kt__challenge *c, kt_slice name, kt__auth_text value)
{
    struct {
        const char *name;
        kt__auth_text *to;
    } const places[] = {
        {"realm", &c->realm}, {"nonce", &c->nonce}, {"opaque", &c->opaque},     {"algorithm", &c->algorithm},
        {"qop", &c->qop},     {"stale", &c->stale}, {"userhash", &c->userhash},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (kt__http_same(name.data, name.size, places[i].name) && !places[i].to->raw.data)
            *places[i].to = value;
}

/* A token68 behind the scheme, such as Negotiate has: up to the comma, and none of it is a parameter. */
static void skip_token68(kt_slice *s)
{
    size_t n = 0;
    while (n < s->size && (kt__is(s->data[n], KT__C_TOKEN) || s->data[n] == '/'))
        n++;
    size_t from = n;
    while (n < s->size && s->data[n] == '=')
        n++;
    kt_slice rest = {s->data + n, s->size - n};
    skip_space(&rest);
    if (from > 0 && (rest.size == 0 || rest.data[0] == ','))
        *s = rest;
}

bool kt__challenge_next(kt_slice *rest, kt__challenge *ret_challenge)
{
    kt__challenge c = {.scheme = {NULL, 0}};
    skip_marks(rest);
    while (rest->size > 0 && !kt__is(rest->data[0], KT__C_TOKEN)) {
        skip_to_comma(rest);
        skip_marks(rest);
    }
    if (rest->size == 0)
        return false;
    c.scheme = take_token(rest);
    skip_space(rest);
    skip_token68(rest);
    for (;;) {
        kt_slice before, name;
        kt__auth_text value;
        skip_marks(rest);
        before = *rest;
        name = take_token(rest);
        skip_space(rest);
        if (name.size > 0 && (rest->size == 0 || rest->data[0] != '=')) {
            *rest = before; /* the next scheme */
            break;
        }
        if (before.size == 0)
            break;
        if (name.size > 0 && take_value(rest, &value))
            keep(&c, name, value);
        else
            skip_to_comma(rest);
    }
    *ret_challenge = c;
    return true;
}

char *kt__auth_text_copy(kt__auth_text text)
{
    char *copy = kt_strndup(text.raw.data, text.raw.size);
    if (!copy || !text.quoted)
        return copy;
    size_t to = 0;
    for (size_t i = 0; i < text.raw.size; i++) {
        i += copy[i] == '\\' && i + 1 < text.raw.size;
        copy[to++] = copy[i];
    }
    copy[to] = '\0';
    return copy;
}

bool kt__auth_text_is(kt__auth_text text, const char *lower)
{
    return kt__http_same(text.raw.data, text.raw.size, lower);
}

bool kt__auth_text_has(kt__auth_text text, const char *lower)
{
    return kt__http_list_has(text.raw, lower);
}
