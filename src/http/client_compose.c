/* SPDX-License-Identifier: MIT */
/* What an attempt's head says. */
#include "http/client.h"
#include "http/parser_internal.h"

void *kt__client_alloc(kt__http_call *c, size_t size)
{
    kt__client_block *b = kt_alloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->next = c->blocks;
    c->blocks = b;
    return b->bytes;
}

/* ---- What may be said ------------------------------------------------------------------------ */

static bool is_of(kt_slice s, unsigned classes)
{
    for (size_t i = 0; i < s.size; i++)
        if (!kt__is(s.data[i], classes))
            return false;
    return true;
}

static bool same(kt_slice a, kt_slice b)
{
    return a.size == b.size && strncasecmp(a.data, b.data, a.size) == 0;
}

/* These decide where a message or a connection ends. */
static bool is_reserved(kt_slice name)
{
    static const char *const reserved[] = {"connection", "content-length", "expect", "keep-alive", "proxy-connection",
                                           "te", "trailer", "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (same(name, kt_slice_from(reserved[i])))
            return true;
    return false;
}

static int check_field(kt_slice name, kt_slice value)
{
    if (name.size == 0 || !is_of(name, KT__C_TOKEN) || is_reserved(name))
        return kt_error_set(-EINVAL, "header '%.*s' cannot be set", (int)(name.size < 100 ? name.size : 100),
                            name.data);
    if (!is_of(value, KT__C_VALUE))
        return kt_error_set(-EINVAL, "control character in header '%.*s'", (int)(name.size < 100 ? name.size : 100),
                            name.data);
    return 0;
}

int kt__client_headers_check(const char *const *headers)
{
    int rc = 0;
    for (; rc == 0 && headers && headers[0]; headers += 2) {
        if (!headers[1])
            return kt_error_set(-EINVAL, "header '%.100s' has no value", headers[0]);
        rc = check_field(kt_slice_from(headers[0]), kt_slice_from(headers[1]));
    }
    return rc;
}

int kt__client_method_check(const char *method)
{
    if (!*method || !is_of(kt_slice_from(method), KT__C_TOKEN) || strcmp(method, "CONNECT") == 0)
        return kt_error_set(-EINVAL, "'%.40s' is no method for a request", method);
    return 0;
}

/* ---- The list -------------------------------------------------------------------------------- */

/* Without the blanks at the value's ends, which are no part of a field (RFC 9110 section 5.5) and malformed in HTTP/2
 * (RFC 9113 section 8.2.1). */
static int add(kt__http_call *c, kt_slice name, kt_slice value)
{
    if (c->field_count == c->field_capacity) {
        size_t capacity = c->field_capacity ? c->field_capacity * 2 : 16;
        kt__client_field *fields = kt_realloc(c->fields, capacity * sizeof *fields);
        if (!fields)
            return -ENOMEM;
        c->fields = fields;
        c->field_capacity = capacity;
    }
    c->fields[c->field_count++] = (kt__client_field){name, kt__http_trim(value)};
    return 0;
}

static void take_out(kt__http_call *c, kt_slice name)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->field_count; i++)
        if (!same(c->fields[i].name, name))
            c->fields[kept++] = c->fields[i];
    c->field_count = kept;
}

const kt__client_field *kt__client_field_find(const kt__http_call *c, const char *name)
{
    for (size_t i = 0; i < c->field_count; i++)
        if (same(c->fields[i].name, kt_slice_from(name)))
            return &c->fields[i];
    return NULL;
}

static int copy(kt__http_call *c, kt_slice *s)
{
    char *bytes = kt__client_alloc(c, s->size + 1);
    if (!bytes)
        return -ENOMEM;
    if (s->size > 0)
        memcpy(bytes, s->data, s->size);
    s->data = bytes;
    return 0;
}

int kt__client_field_set(kt__http_call *c, const char *name, kt_slice value)
{
    kt_slice n = kt_slice_from(name);
    int rc = check_field(n, value);
    if (rc == 0)
        rc = copy(c, &n);
    if (rc == 0)
        rc = copy(c, &value);
    if (rc < 0)
        return rc;
    take_out(c, n);
    return add(c, n, value);
}

/* What tells who the user is stays with the origin that it was meant for (RFC 9110 section 15.4). */
static bool is_secret(kt_slice name)
{
    return same(name, kt_slice_from("Authorization")) || same(name, kt_slice_from("Cookie")) ||
           same(name, kt_slice_from("Proxy-Authorization"));
}

static bool is_first(const char *const *headers, const char *const *at)
{
    for (; headers != at; headers += 2)
        if (strcasecmp(headers[0], at[0]) == 0)
            return false;
    return true;
}

/* A list of the session's or of the request's: its fields take the place of those before. */
static int add_all(kt__http_call *c, const char *const *headers)
{
    int rc = 0;
    for (const char *const *h = headers; rc == 0 && h && h[0]; h += 2) {
        kt_slice name = kt_slice_from(h[0]), value = kt_slice_from(h[1]);
        if (c->foreign && (is_secret(name) || same(name, kt_slice_from("Host"))))
            continue;
        if (is_first(headers, h))
            take_out(c, name);
        if (value.size > 0)
            rc = add(c, name, value);
    }
    return rc;
}

/* A part of what is compressed is of little use. */
static bool asks_for_part(const kt__http_call *c)
{
    for (const char *const *h = c->request->headers; h && h[0]; h += 2)
        if (strcasecmp(h[0], "Range") == 0)
            return true;
    return false;
}

static int add_own(kt__http_call *c)
{
    const kt_http_session *s = c->session;
    int rc = add(c, kt_slice_from("Host"), c->url.authority);
    if (rc == 0 && s->o.user_agent[0])
        rc = add(c, kt_slice_from("User-Agent"), kt_slice_from(s->o.user_agent));
    if (rc == 0)
        rc = add(c, kt_slice_from("Accept"), kt_slice_from("*/*"));
    if (rc == 0 && !s->o.no_decompression && !asks_for_part(c))
        rc = add(c, kt_slice_from("Accept-Encoding"), kt_slice_from("gzip, deflate, br"));
    return rc;
}

int kt__client_fields_make(kt__http_call *c)
{
    const kt_http_request *q = c->request;
    c->field_count = 0;
    int rc = add_own(c);
    if (rc == 0)
        rc = add_all(c, c->session->o.headers);
    if (rc == 0 && c->body.is_there && q->content_type)
        rc = add(c, kt_slice_from("Content-Type"), kt_slice_from(q->content_type));
    if (rc == 0)
        rc = add_all(c, q->headers);
    if (rc == 0)
        rc = kt__client_cookies_put(c);
    if (rc == 0)
        rc = kt__client_auth_put(c);
    for (size_t i = 0; rc == 0 && i < c->condition_count; i++)
        rc = add(c, c->conditions[i].name, c->conditions[i].value);
    if (rc == 0 && !kt__client_field_find(c, "Host"))
        rc = kt_error_set(-EINVAL, "a request without Host");
    return rc;
}

/* ---- HTTP/1.1 -------------------------------------------------------------------------------- */

static int put_field(kt_buffer *out, kt_slice name, kt_slice value)
{
    int rc = kt_buffer_reserve(out, name.size + value.size + 4);
    if (rc < 0)
        return rc;
    char *p = out->data + out->size;
    memcpy(p, name.data, name.size);
    memcpy(p + name.size, ": ", 2);
    if (value.size > 0)
        memcpy(p + name.size + 2, value.data, value.size);
    memcpy(p + name.size + 2 + value.size, "\r\n", 2);
    out->size += name.size + value.size + 4;
    return 0;
}

/* RFC 9110 section 8.6: methods that expect content say so even if there is none. */
static bool says_length(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

static int put_framing(const kt__http_call *c, kt_buffer *out)
{
    const char *expect = kt__client_expects(c) ? "Expect: 100-continue\r\n" : "";
    if (c->request->upgrade)
        return kt_buffer_printf(out, "Connection: Upgrade\r\nUpgrade: %s\r\n", c->request->upgrade);
    if (c->body.is_there && c->body.size == KT__HTTP_UNLIMITED)
        return kt_buffer_printf(out, "Transfer-Encoding: chunked\r\n%s", expect);
    if (c->body.is_there || says_length(c->method))
        return kt_buffer_printf(out, "Content-Length: %llu\r\n%s",
                                (unsigned long long)(c->body.is_there ? c->body.size : 0), expect);
    return 0;
}

/* A proxy that forwards wants to know whereto (RFC 9112 section 3.2.2). */
static int put_line(const kt__http_call *c, kt_buffer *out)
{
    const kt__client_proxy *p = NULL;
    int rc = kt__client_proxy_forwarder(c, &p);
    if (rc == 0)
        rc = kt_buffer_printf(out, "%s ", c->method);
    if (rc == 0)
        rc = p ? kt__client_proxy_target(c, out) : kt_buffer_append(out, c->url.target.data, c->url.target.size);
    return rc < 0 ? rc : kt_buffer_append_string(out, " HTTP/1.1\r\n");
}

int kt__client_head_put(const kt__http_call *c, kt_buffer *out)
{
    int rc = put_line(c, out);
    for (size_t i = 0; i < c->field_count && rc == 0; i++)
        rc = put_field(out, c->fields[i].name, c->fields[i].value);
    if (rc == 0)
        rc = put_framing(c, out);
    return rc < 0 ? rc : kt_buffer_append(out, "\r\n", 2);
}
