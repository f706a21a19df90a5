/* SPDX-License-Identifier: MIT */
/* A small client: one request, one connection, the whole answer in memory. */
#include <errno.h>
#include <kettle/memory.h>
#include <stdio.h>

#include "http/parser_internal.h"
#include "http/server.h"

#define READ_BYTES ((size_t)16 * 1024)
#define BODY_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define HOST_BYTES_MAX 300

struct kt__http_reply_parts {
    char *head; /* a copy: what `headers` and the reply's reason point into */
    kt_buffer body;
    size_t header_count;
    kt__http_header headers[KT__HTTP_HEADERS_DEFAULT];
};

/* Everything that one fetch holds. */
typedef struct fetch {
    kt_buffer request;
    kt_stream *stream;
    kt_buffer in; /* received and not consumed */
    kt__http_parser parser;
    struct kt__http_reply_parts *parts;
    kt_http_reply reply;
    bool has_head;
    bool complete;
} fetch;

static void parts_free(struct kt__http_reply_parts *parts)
{
    if (!parts)
        return;
    kt_free(parts->head);
    kt_buffer_release(&parts->body);
    kt_free(parts);
}

static void fetch_cleanup(fetch *f)
{
    kt_buffer_release(&f->request);
    kt_buffer_release(&f->in);
    kt_stream_close(f->stream);
    parts_free(f->parts);
}

/* ---- The request ----------------------------------------------------------------------------- */

static const char *method_of(const kt_http_call *call)
{
    if (call->method)
        return call->method;
    return call->body_size > 0 ? "POST" : "GET";
}

static uint16_t port_of(const kt_http_call *call)
{
    return call->port ? call->port : 80;
}

/* Origin form, or the asterisk (RFC 9112 section 3.2). */
static int check_line(const char *method, const char *target)
{
    bool good = *method && (*target == '/' || strcmp(target, "*") == 0);
    for (const char *c = method; *c; c++)
        good = good && kt__is(*c, KT__C_TOKEN);
    for (const char *c = target; *c; c++)
        good = good && kt__is(*c, KT__C_QUERY);
    return good ? 0 : kt_error_set(-EINVAL, "'%.40s %.150s' is no request", method, target);
}

static int put_host(kt_buffer *b, const kt_http_call *call)
{
    char text[HOST_BYTES_MAX];
    bool v6 = strchr(call->host, ':') != NULL;
    int n = snprintf(text, sizeof text, v6 ? "[%s]:%u" : "%s:%u", call->host, port_of(call));
    kt_slice host = {text, (size_t)n};
    if (n >= HOST_BYTES_MAX || !kt__http_host_valid(host, KT__PORT_REQUIRED))
        return kt_error_set(-EINVAL, "'%.200s' is no host", call->host);
    return kt_buffer_printf(b, "Host: %s\r\nConnection: close\r\n", text);
}

static int put_headers(kt_buffer *b, const kt_http_call *call)
{
    int rc = 0;
    if (call->content_type)
        rc = kt__http_header_put(b, "Content-Type", call->content_type);
    for (const char *const *h = call->headers; h && h[0] && rc == 0; h += 2)
        rc = kt__http_header_put(b, h[0], h[1]);
    return rc;
}

static int compose(fetch *f, const kt_http_call *call)
{
    kt_buffer *b = &f->request;
    const char *method = method_of(call), *target = call->target ? call->target : "/";
    int rc = check_line(method, target);
    if (rc == 0)
        rc = kt_buffer_printf(b, "%s %s HTTP/1.1\r\n", method, target);
    if (rc == 0)
        rc = put_host(b, call);
    if (rc == 0)
        rc = put_headers(b, call);
    /* RFC 9110 section 8.6: methods that expect content say so even if there is none. */
    bool expects = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0;
    if (rc == 0 && (expects || call->body_size > 0))
        rc = kt_buffer_printf(b, "Content-Length: %zu\r\n", call->body_size);
    return rc < 0 ? rc : kt_buffer_append(b, "\r\n", 2);
}

static int send_request(fetch *f, const kt_http_call *call)
{
    struct iovec pieces[] = {
        {f->request.data, f->request.size},
        {(void *)(uintptr_t)call->body, call->body_size},
    };
    return kt_stream_writev(f->stream, pieces, call->body_size > 0 ? 2 : 1);
}

/* ---- The answer ------------------------------------------------------------------------------ */

static void await_answer(fetch *f, const char *method)
{
    kt__http_parser_answers(&f->parser, strcmp(method, "HEAD") == 0 ? KT__HTTP_TO_HEAD
                                                                     : KT__HTTP_TO_OTHER);
    f->has_head = f->complete = false;
}

static void move_slice(kt_slice *s, uintptr_t from, char *to)
{
    if (s->data)
        s->data = to + ((uintptr_t)s->data - from);
}

/* Copies the head out of the input, which moves on. */
static int keep_head(fetch *f, const kt__http_head *head, size_t size)
{
    struct kt__http_reply_parts *parts = f->parts;
    kt_free(parts->head);
    parts->head = kt_strndup(f->in.data, size);
    if (!parts->head)
        return -ENOMEM;
    uintptr_t from = (uintptr_t)f->in.data;
    f->reply.status = head->status;
    f->reply.reason = head->reason;
    move_slice(&f->reply.reason, from, parts->head);
    parts->header_count = head->header_count;
    for (size_t i = 0; i < head->header_count; i++) {
        move_slice(&parts->headers[i].name, from, parts->head);
        move_slice(&parts->headers[i].value, from, parts->head);
    }
    f->has_head = true;
    return 0;
}

static int protocol_error(const fetch *f, int rc)
{
    const kt__http_error *e = &f->parser.error;
    return kt_error_set(rc, "answer: %s at byte %llu", e->reason, (unsigned long long)e->offset);
}

/* One event out of what was received. 1, 0 if more is needed, or an error. */
static int step(fetch *f, const char *method)
{
    kt__http_event e;
    ssize_t n = kt__http_parser_feed(&f->parser, f->in.data, f->in.size, &e);
    if (n < 0)
        return protocol_error(f, (int)n);
    int rc = 1;
    if (e.type == KT__HTTP_HEAD && e.head->status == 101)
        return kt_error_set(KT_EPROTOCOL, "the server switched protocols unasked");
    if (e.type == KT__HTTP_HEAD)
        rc = keep_head(f, e.head, (size_t)n);
    else if (e.type == KT__HTTP_BODY)
        rc = kt_buffer_append(&f->parts->body, e.body.data, e.body.size);
    else if (e.type == KT__HTTP_NEED_MORE)
        rc = 0;
    kt_buffer_consume(&f->in, (size_t)n);
    if (rc < 0 || e.type == KT__HTTP_NEED_MORE)
        return rc;
    if (e.type == KT__HTTP_END && f->reply.status < 200) {
        kt__http_parser_reset(&f->parser); /* RFC 9110 section 15.2: interim */
        await_answer(f, method);
    } else if (e.type == KT__HTTP_END) {
        f->complete = true;
    }
    return 1;
}

/* The connection has ended. */
static int at_end(fetch *f)
{
    kt__http_event e;
    int rc = kt__http_parser_eof(&f->parser, &e);
    if (rc == 0 || rc == KT_EINCOMPLETE)
        return kt_error_set(KT_EINCOMPLETE, "the server closed before the end of its answer");
    f->complete = rc > 0;
    return rc < 0 ? rc : 0;
}

static int receive(fetch *f)
{
    int rc = kt_buffer_reserve(&f->in, READ_BYTES);
    if (rc < 0)
        return rc;
    ssize_t n = kt_stream_read(f->stream, f->in.data + f->in.size, READ_BYTES);
    if (n < 0)
        return (int)n;
    if (n == 0)
        return at_end(f);
    f->in.size += (size_t)n;
    return 0;
}

static int read_answer(fetch *f, const kt_http_call *call)
{
    size_t body_max = call->body_bytes_max ? call->body_bytes_max : BODY_BYTES_MAX;
    kt__http_limits limits = {.body_bytes_max = body_max};
    const char *method = method_of(call);
    f->parts = kt_calloc(1, sizeof *f->parts);
    if (!f->parts)
        return -ENOMEM;
    f->parts->body.size_max = body_max;
    kt__http_parser_init(&f->parser, KT__HTTP_RESPONSE, f->parts->headers,
                         KT__HTTP_HEADERS_DEFAULT, &limits);
    await_answer(f, method);
    int rc = 0;
    while (!f->complete && rc >= 0) {
        rc = step(f, method);
        if (rc == 0)
            rc = receive(f);
    }
    return rc < 0 ? rc : 0;
}

/* ---- Public ---------------------------------------------------------------------------------- */

int kt_http_fetch(const kt_http_call *call, kt_http_reply *ret_reply)
{
    kt_auto(fetch) f = {.reply = KT_HTTP_REPLY_INIT};
    int rc = compose(&f, call);
    if (rc == 0)
        rc = kt_stream_connect(call->host, port_of(call), &f.stream);
    if (rc < 0)
        return rc;
    int sent = send_request(&f, call);
    /* A server may answer before it has read everything, and then stop reading. */
    if (sent < 0 && sent != -EPIPE && sent != -ECONNRESET)
        return sent;
    rc = read_answer(&f, call);
    if (rc < 0)
        return sent < 0 && !f.has_head && !kt_is_cancel(rc) ? sent : rc;
    f.reply.body = kt_buffer_slice(&f.parts->body);
    f.reply.parts = kt_steal(f.parts);
    *ret_reply = f.reply;
    return 0;
}

kt_slice kt_http_reply_header(const kt_http_reply *reply, const char *name)
{
    const struct kt__http_reply_parts *parts = reply->parts;
    const kt__http_header *h = NULL;
    if (parts)
        h = kt__http_header_find(parts->headers, parts->header_count, name);
    if (!h)
        return (kt_slice){NULL, 0};
    return h->value;
}

void kt_http_reply_release(kt_http_reply *reply)
{
    parts_free(reply->parts);
    memset(reply, 0, sizeof *reply);
}
