/* SPDX-License-Identifier: MIT */
/* A small client: one request in a session of its own, the whole answer in memory. */
#include "http/client.h"
#include "http/parser_internal.h"
#include "http/server.h"

#define BODY_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define HOST_BYTES_MAX 300

struct kt__http_reply_parts {
    char *head; /* what `headers` and the reply's reason point into */
    kt__http_header *headers;
    size_t header_count;
    kt_buffer body;
};

static void parts_free(struct kt__http_reply_parts *parts)
{
    if (!parts)
        return;
    kt_free(parts->head);
    kt_free(parts->headers);
    kt_buffer_release(&parts->body);
    kt_free(parts);
}

/* ---- The request ----------------------------------------------------------------------------- */

static const char *method_of(const kt_http_call *call)
{
    if (call->method)
        return call->method;
    return call->body_size > 0 ? "POST" : "GET";
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

/* Of nothing but the host: the target is said as it is. */
static int make_url(const kt_http_call *call, char url[HOST_BYTES_MAX])
{
    bool v6 = strchr(call->host, ':') != NULL;
    unsigned port = call->port ? call->port : 80;
    size_t scheme = strlen("http://");
    int n = snprintf(url, HOST_BYTES_MAX, v6 ? "http://[%s]:%u" : "http://%s:%u", call->host, port);
    if (n >= HOST_BYTES_MAX || !kt__http_host_valid((kt_slice){url + scheme, (size_t)n - scheme}, KT__PORT_REQUIRED))
        return kt_error_set(-EINVAL, "'%.200s' is no host", call->host);
    return 0;
}

/* The caller's, behind a type that is said with a body and without. The caller frees *ret_headers. */
static int make_headers(const kt_http_call *call, const char ***ret_headers)
{
    size_t count = 0, n = 0;
    while (call->headers && call->headers[count])
        count++;
    const char **headers = kt_calloc(count + 3, sizeof *headers);
    if (!headers)
        return -ENOMEM;
    if (call->content_type) {
        headers[n++] = "Content-Type";
        headers[n++] = call->content_type;
    }
    for (size_t i = 0; i < count; i++)
        headers[n++] = call->headers[i];
    *ret_headers = headers;
    return 0;
}

/* ---- The answer ------------------------------------------------------------------------------ */

/* Moves head and body out of the response. */
static int take(kt_http_response *r, kt_http_reply *ret_reply)
{
    struct kt__http_reply_parts *parts = kt_calloc(1, sizeof *parts);
    if (!parts)
        return -ENOMEM;
    parts->head = kt_steal(r->head);
    parts->headers = kt_steal(r->headers);
    parts->header_count = r->header_count;
    parts->body = r->whole;
    r->whole = (kt_buffer)KT_BUFFER_INIT;
    r->header_count = 0;
    *ret_reply = (kt_http_reply){.status = r->status, .reason = r->reason, .body = kt_buffer_slice(&parts->body),
                                 .parts = parts};
    return 0;
}

static int ask(kt_http_session *s, const kt_http_call *call, const char *const *headers, kt_http_reply *ret_reply)
{
    char url[HOST_BYTES_MAX];
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    int rc = make_url(call, url);
    if (rc < 0)
        return rc;
    const kt_http_request q = {.method = method_of(call), .url = url, .headers = headers, .body = call->body,
                               .body_size = call->body_size};
    rc = kt__client_send_to(s, &q, call->target ? call->target : "/", &r);
    if (rc == 0)
        rc = kt_http_response_read_all(r, call->body_bytes_max ? call->body_bytes_max : BODY_BYTES_MAX, &body);
    return rc < 0 ? rc : take(r, ret_reply);
}

/* ---- Public ---------------------------------------------------------------------------------- */

int kt_http_fetch(const kt_http_call *call, kt_http_reply *ret_reply)
{
    const kt_http_timeouts none = {KT_FOREVER, KT_FOREVER, KT_FOREVER, KT_FOREVER, KT_FOREVER, KT_FOREVER, KT_FOREVER};
    const kt_http_session_options o = {.user_agent = "", .timeouts = none, .version = KT_HTTP_1, .no_redirects = true,
                                       .no_decompression = true};
    kt_auto(kt_http_session) *s = NULL;
    const char **headers = NULL;
    int rc = check_line(method_of(call), call->target ? call->target : "/");
    if (rc == 0)
        rc = make_headers(call, &headers);
    if (rc == 0)
        rc = kt_http_session_open(&o, &s);
    if (rc == 0) {
        s->once = true;
        rc = ask(s, call, headers, ret_reply);
    }
    kt_free(headers);
    return rc;
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
