/* SPDX-License-Identifier: MIT */
/* A URL's parts, in one pass: what is read is appended in its canonical form (WHATWG URL section 4.4, for the schemes
 * that it calls special, but file). */
#include "http/url_private.h"

#include <errno.h>
#include <kettle/memory.h>
#include <strings.h>

#include "http/parser_internal.h"

/* Where the parts end in what has been written; each begins behind the one before, and its mark. */
typedef struct places {
    size_t scheme_end, user, user_end, password, password_end, host, host_end, path, path_end, query_end;
    bool has_query, has_fragment;
} places;

typedef struct parsing {
    kt_slice given;
    kt_slice in;       /* what is given, without the spaces around and the tabs and line ends within */
    kt_buffer cleaned; /* `in` is here if it differs */
    size_t trimmed;    /* of `given`, in front */
    size_t at;         /* in `in` */
    const kt_url *base;
    kt_buffer out;
    places end;
    uint16_t port;
} parsing;

static const struct scheme {
    const char *name;
    uint16_t port;
} schemes[] = {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}};

static void parsing_cleanup(parsing *p)
{
    kt_buffer_release(&p->cleaned);
    kt_buffer_release(&p->out);
}

static bool dropped(char c)
{
    return c == '\t' || c == '\n' || c == '\r';
}

/* The byte of `given` that stands at `at` in `in`. */
static size_t position(const parsing *p, size_t at)
{
    size_t i = p->trimmed;
    for (; i < p->given.size; i++) {
        if (dropped(p->given.data[i]))
            continue;
        if (at-- == 0)
            break;
    }
    return i;
}

static int fail(const parsing *p, int rc, size_t at, const char *why)
{
    return kt_error_set(rc, "URL, byte %zu: %s", position(p, at), why);
}

static int clean(parsing *p)
{
    kt_slice s = p->given.data ? p->given : kt_slice_from("");
    while (s.size > 0 && (unsigned char)s.data[0] <= ' ') {
        s.data++;
        s.size--;
        p->trimmed++;
    }
    while (s.size > 0 && (unsigned char)s.data[s.size - 1] <= ' ')
        s.size--;
    p->in = s;
    size_t i = 0;
    while (i < s.size && !dropped(s.data[i]))
        i++;
    if (i == s.size)
        return 0;
    int rc = kt_buffer_append(&p->cleaned, s.data, s.size);
    if (rc < 0)
        return rc;
    size_t to = 0;
    for (i = 0; i < s.size; i++)
        if (!dropped(s.data[i]))
            p->cleaned.data[to++] = s.data[i];
    p->cleaned.size = to;
    p->in = kt_buffer_slice(&p->cleaned);
    return 0;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* The byte that is `ahead` of the next; '\0' behind the end, which is no part's mark. */
static char peek(const parsing *p, size_t ahead)
{
    return ahead < p->in.size - p->at ? p->in.data[p->at + ahead] : '\0';
}

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

static bool ends_path(char c)
{
    return c == '?' || c == '#';
}

/* [from, end) of what is read. */
static kt_slice piece(const parsing *p, size_t from, size_t end)
{
    return (kt_slice){p->in.data + from, end - from};
}

/* ---- Scheme ---------------------------------------------------------------------------------- */

/* The size of a scheme in front (RFC 3986 section 3.1); 0 if none is there. */
static size_t scheme_size(kt_slice in)
{
    char first = in.size > 0 ? (char)(in.data[0] | 0x20) : '\0';
    size_t n = 0;
    if (first < 'a' || first > 'z')
        return 0;
    while (n < in.size && kt__is(in.data[n], KT__C_SCHEME))
        n++;
    return n < in.size && in.data[n] == ':' ? n : 0;
}

static const struct scheme *find_scheme(kt_slice name)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (kt__http_same(name.data, name.size, schemes[i].name))
            return &schemes[i];
    return NULL;
}

static int put_scheme(parsing *p, const struct scheme *scheme)
{
    int rc = kt_buffer_append_string(&p->out, scheme->name);
    p->end.scheme_end = p->out.size;
    p->port = scheme->port;
    return rc < 0 ? rc : kt_buffer_append(&p->out, "://", 3);
}

/* ---- Authority ------------------------------------------------------------------------------- */

static int put_user(parsing *p, kt_slice both)
{
    const char *colon = both.size ? memchr(both.data, ':', both.size) : NULL;
    kt_slice user = {both.data, colon ? (size_t)(colon - both.data) : both.size};
    kt_slice password = {NULL, 0};
    if (colon)
        password = (kt_slice){colon + 1, both.size - user.size - 1};
    int rc = kt__url_encode(user, KT__U_USER, &p->out);
    p->end.user_end = p->end.password = p->end.password_end = p->out.size;
    if (rc == 0 && password.size > 0) {
        rc = kt_buffer_append(&p->out, ":", 1);
        p->end.password = p->out.size;
        if (rc == 0)
            rc = kt__url_encode(password, KT__U_USER, &p->out);
        p->end.password_end = p->out.size;
    }
    return rc < 0 || p->out.size == p->end.user ? rc : kt_buffer_append(&p->out, "@", 1);
}

static int put_port(parsing *p, size_t from, size_t end)
{
    unsigned port = 0;
    for (size_t i = from; i < end; i++) {
        if (!kt__is(p->in.data[i], KT__C_DIGIT))
            return fail(p, -EINVAL, i, "the port is no number");
        port = port * 10 + (unsigned)(p->in.data[i] - '0');
        if (port > UINT16_MAX)
            return fail(p, -EINVAL, from, "the port is above 65535");
    }
    if (from == end || port == p->port)
        return 0;
    p->port = (uint16_t)port;
    return kt_buffer_printf(&p->out, ":%u", port);
}

/* Where the port's colon is in [from, end): the first one outside brackets. */
static size_t find_port(const parsing *p, size_t from, size_t end)
{
    bool inside = false;
    for (size_t i = from; i < end; i++) {
        char c = p->in.data[i];
        if (c == ':' && !inside)
            return i;
        inside = c == '[' || (inside && c != ']');
    }
    return end;
}

static int put_host(parsing *p, size_t from, size_t end)
{
    const char *why = NULL;
    size_t at = 0;
    p->end.host = p->out.size;
    if (from == end)
        return fail(p, -EINVAL, from, "no host");
    int rc = kt__url_host(piece(p, from, end), &p->out, &why, &at);
    p->end.host_end = p->out.size;
    return rc == -EINVAL ? fail(p, rc, from + at, why) : rc;
}

static int put_authority(parsing *p)
{
    while (is_slash(peek(p, 0)))
        p->at++;
    size_t from = p->at, end = from;
    while (end < p->in.size && !is_slash(p->in.data[end]) && !ends_path(p->in.data[end]))
        end++;
    p->end.user = p->end.user_end = p->end.password = p->end.password_end = p->out.size;
    const char *sign = from < end ? memrchr(p->in.data + from, '@', end - from) : NULL;
    if (sign) {
        size_t signs_at = (size_t)(sign - p->in.data);
        int rc = put_user(p, piece(p, from, signs_at));
        if (rc < 0)
            return rc;
        from = signs_at + 1;
    }
    size_t colon = find_port(p, from, end);
    int rc = put_host(p, from, colon);
    if (rc == 0 && colon < end)
        rc = put_port(p, colon + 1, end);
    p->at = end;
    p->end.path = p->out.size;
    return rc;
}

/* ---- Path, query, fragment ------------------------------------------------------------------- */

/* Drops `dot` or its escape off the front. */
static bool take_dot(kt_slice *s)
{
    size_t n = 0;
    if (s->size >= 1 && s->data[0] == '.')
        n = 1;
    else if (s->size >= 3 && strncasecmp(s->data, "%2e", 3) == 0)
        n = 3;
    *s = n ? (kt_slice){s->data + n, s->size - n} : *s;
    return n > 0;
}

/* 1 for ".", 2 for "..", else 0. */
static int dots(kt_slice segment)
{
    if (!take_dot(&segment))
        return 0;
    if (segment.size == 0)
        return 1;
    return take_dot(&segment) && segment.size == 0 ? 2 : 0;
}

/* Drops the last segment of the path, if there is one. */
static void shorten(parsing *p)
{
    size_t size = p->out.size - p->end.path;
    const char *slash = size ? memrchr(p->out.data + p->end.path, '/', size) : NULL;
#ifdef KT_FUZZ_PLANTED_BUG
    if (!slash) /* the host goes, too */
        p->out.size = p->end.host;
#endif
    if (slash)
        p->out.size = (size_t)(slash - p->out.data);
}

/* Appends segments to what of the path is there already, which is "" or begins with '/' and does not end in it. */
static int put_path(parsing *p)
{
    int rc = 0;
    if (is_slash(peek(p, 0)))
        p->at++;
    for (bool last = false; !last && rc == 0; p->at += !last) {
        size_t from = p->at;
        while (p->at < p->in.size && !is_slash(p->in.data[p->at]) && !ends_path(p->in.data[p->at]))
            p->at++;
        last = !is_slash(peek(p, 0));
        kt_slice segment = piece(p, from, p->at);
        int n = dots(segment);
        if (n == 2)
            shorten(p);
        if (n == 0 || last)
            rc = kt_buffer_append(&p->out, "/", 1);
        if (n == 0 && rc == 0)
            rc = kt__url_encode(segment, KT__U_PATH, &p->out);
    }
    return rc;
}

static int put_query(parsing *p)
{
    if (peek(p, 0) != '?')
        return 0;
    size_t from = ++p->at;
    while (p->at < p->in.size && p->in.data[p->at] != '#')
        p->at++;
    p->end.has_query = true;
    int rc = kt_buffer_append(&p->out, "?", 1);
    return rc < 0 ? rc : kt__url_encode(piece(p, from, p->at), KT__U_QUERY, &p->out);
}

static int put_fragment(parsing *p)
{
    if (peek(p, 0) != '#')
        return 0;
    p->end.has_fragment = true;
    int rc = kt_buffer_append(&p->out, "#", 1);
    return rc < 0 ? rc : kt__url_encode(piece(p, p->at + 1, p->in.size), KT__U_FRAGMENT, &p->out);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static size_t offset(const kt_url *url, const char *at)
{
    return (size_t)(at - url->text.data);
}

/* Begins with the base's text up to `size` bytes, and its parts. */
static int take_base(parsing *p, size_t size)
{
    const kt_url *b = p->base;
    p->port = b->port;
    p->end.scheme_end = b->scheme.size;
    p->end.user = offset(b, b->user.data);
    p->end.user_end = p->end.user + b->user.size;
    p->end.password = offset(b, b->password.data);
    p->end.password_end = p->end.password + b->password.size;
    p->end.host = offset(b, b->host.data);
    p->end.host_end = p->end.host + b->host.size;
    p->end.path = offset(b, b->path.data);
    return kt_buffer_append(&p->out, b->text.data, size);
}

/* RFC 3986 section 5.2.2: a reference without a scheme of its own. */
static int put_relative(parsing *p)
{
    const kt_url *b = p->base;
    char first = peek(p, 0);
    size_t path = offset(b, b->path.data), path_end = path + b->path.size;
    if (is_slash(first) && is_slash(peek(p, 1))) {
        int rc = put_scheme(p, find_scheme(b->scheme));
        if (rc == 0)
            rc = put_authority(p);
        return rc < 0 ? rc : put_path(p);
    }
    if (is_slash(first)) {
        int rc = take_base(p, path);
        return rc < 0 ? rc : put_path(p);
    }
    if (p->at == p->in.size || first == '#') {
        p->end.has_query = b->query.data != NULL;
        p->end.path_end = path_end;
        return take_base(p, path + b->target.size);
    }
    int rc = take_base(p, path_end);
    if (rc < 0 || first == '?')
        return rc;
    shorten(p);
    return put_path(p);
}

static int put_absolute(parsing *p, size_t size)
{
    const struct scheme *scheme = find_scheme(piece(p, 0, size));
    if (!scheme)
        return fail(p, -EPROTONOSUPPORT, 0, "the scheme is not http, https, ws or wss");
    p->at = size + 1;
    bool hierarchical = peek(p, 0) == '/' && peek(p, 1) == '/';
    if (p->base && kt_slice_is(p->base->scheme, scheme->name) && !hierarchical)
        return put_relative(p); /* "http:path": browsers take it for relative */
    int rc = put_scheme(p, scheme);
    if (rc == 0)
        rc = put_authority(p);
    return rc < 0 ? rc : put_path(p);
}

static int put_all(parsing *p)
{
    size_t size = scheme_size(p->in);
    int rc = 0;
    if (size > 0)
        rc = put_absolute(p, size);
    else if (p->base)
        rc = put_relative(p);
    else
        rc = fail(p, -EINVAL, 0, "no scheme, and no base to which it could be relative");
    if (rc == 0 && !p->end.has_query) {
        p->end.path_end = p->out.size;
        rc = put_query(p);
    }
    p->end.query_end = p->out.size;
    return rc < 0 ? rc : put_fragment(p);
}

static kt_slice part(const char *text, size_t from, size_t end)
{
    return (kt_slice){text + from, end - from};
}

/* The text is the URL's from here on. */
static void give(parsing *p, kt_url *url)
{
    const places *e = &p->end;
    size_t size = p->out.size;
    const char *text = kt_steal(p->out.data);
    *url = (kt_url){
        .text = {text, size},
        .scheme = part(text, 0, e->scheme_end),
        .user = part(text, e->user, e->user_end),
        .password = part(text, e->password, e->password_end),
        .host = part(text, e->host, e->host_end),
        .authority = part(text, e->host, e->path),
        .path = part(text, e->path, e->path_end),
        .target = part(text, e->path, e->query_end),
        .port = p->port,
    };
    if (e->has_query)
        url->query = part(text, e->path_end + 1, e->query_end);
    if (e->has_fragment)
        url->fragment = part(text, e->query_end + 1, size);
    p->out = (kt_buffer)KT_BUFFER_INIT;
}

int kt_url_parse_slice(kt_slice text, const kt_url *base, kt_url *ret_url)
{
    kt_auto(parsing) p = {.given = text, .out = KT_BUFFER_INIT_MAX(KT_URL_BYTES_MAX + 1)};
    if (text.size > KT_URL_BYTES_MAX)
        return kt_error_set(KT_ELIMIT, "URL of %zu bytes; %zu are allowed", text.size, KT_URL_BYTES_MAX);
    p.base = base && base->text.data ? base : NULL;
    int rc = clean(&p);
    if (rc == 0)
        rc = put_all(&p);
    if (rc == 0)
        rc = kt_buffer_append(&p.out, "", 1); /* the terminator, within the limit and counted off below */
    if (rc == KT_ELIMIT)
        return kt_error_set(rc, "URL of more than %zu bytes in its canonical form", KT_URL_BYTES_MAX);
    if (rc < 0)
        return rc;
    p.out.size--;
    give(&p, ret_url);
    return 0;
}

int kt_url_parse(const char *text, const kt_url *base, kt_url *ret_url)
{
    return kt_url_parse_slice(kt_slice_from(text), base, ret_url);
}

static void move(kt_slice *s, const char *from, const char *to)
{
    if (s->data)
        s->data = to + (s->data - from);
}

int kt_url_copy(const kt_url *url, kt_url *ret_url)
{
    kt_url copy = *url;
    if (url->text.data) {
        const char *from = url->text.data, *to = kt_strndup(from, url->text.size);
        if (!to)
            return -ENOMEM;
        kt_slice *slices[] = {&copy.text, &copy.scheme, &copy.user, &copy.password, &copy.host,
                              &copy.authority, &copy.path, &copy.query, &copy.fragment, &copy.target};
        for (size_t i = 0; i < sizeof slices / sizeof *slices; i++)
            move(slices[i], from, to);
    }
    *ret_url = copy;
    return 0;
}

void kt_url_release(kt_url *url)
{
    kt_free((void *)(uintptr_t)url->text.data);
    *url = (kt_url)KT_URL_INIT;
}

bool kt_url_same_origin(const kt_url *a, const kt_url *b)
{
    return kt_slice_equal(a->scheme, b->scheme) && kt_slice_equal(a->host, b->host) && a->port == b->port;
}
