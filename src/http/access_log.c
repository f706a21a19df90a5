/* SPDX-License-Identifier: MIT */
/* Lines for an access log. */
#include <errno.h>
#include <inttypes.h>
#include <kettle/utf8.h>
#include <time.h>

#include "http/server.h"

#include <kettle/http_metrics.h>

/* How many bytes from the front may stand as they are. */
static size_t plain_run(kt_slice s, bool json)
{
    size_t n = 0;
    while (n < s.size && s.data[n] >= ' ' && s.data[n] < 0x7f && s.data[n] != '"' && s.data[n] != '\\')
        n++;
    if (n > 0 || !json || s.size == 0 || !(s.data[0] & 0x80))
        return n;
    size_t size = 1; /* of one character of UTF-8 */
    while (size < s.size && size < 4 && (s.data[size] & 0xc0) == 0x80)
        size++;
    bool control = (unsigned char)s.data[0] == 0xc2 && size > 1 && (unsigned char)s.data[1] < 0xa0; /* C1 */
    return !control && kt_utf8_check((kt_slice){s.data, size}) == size ? size : 0;
}

static int put_escaped(kt_buffer *b, kt_slice s, bool json)
{
    int rc = 0;
    while (rc == 0 && s.size > 0) {
        size_t n = plain_run(s, json);
        if (n > 0)
            rc = kt_buffer_append(b, s.data, n);
        else
            rc = kt_buffer_printf(b, json ? "\\u00%02x" : "\\x%02X", (unsigned char)s.data[0]);
        n += n == 0;
        s = (kt_slice){s.data + n, s.size - n};
    }
    return rc;
}

static int put_quoted(kt_buffer *b, const char *before, kt_slice s, bool json)
{
    int rc = kt_buffer_append_string(b, before);
    if (rc == 0)
        rc = kt_buffer_append(b, "\"", 1);
    if (rc == 0)
        rc = s.data ? put_escaped(b, s, json) : kt_buffer_append(b, "-", json ? 0 : 1);
    return rc < 0 ? rc : kt_buffer_append(b, "\"", 1);
}

/* The peer's address without its port. */
static kt_slice host_of(const char *peer)
{
    kt_slice s = kt_slice_from(peer);
    const char *colon = strrchr(peer, ':');
    if (s.size >= 5 && memcmp(peer, "unix:", 5) == 0)
        return s;
    if (peer[0] == '[' && colon > peer + 1)
        return (kt_slice){peer + 1, (size_t)(colon - peer) - 2};
    return colon ? (kt_slice){peer, (size_t)(colon - peer)} : s;
}

typedef struct entry {
    const kt_http_record *r;
    const kt_http_log_extra *e;
    kt_slice host, referer, user_agent;
    const char *version;
    time_t second;
    unsigned millisecond;
} entry;

static int put_request(kt_buffer *b, const entry *n)
{
    if (n->r->method.size == 0)
        return kt_buffer_append_string(b, " \"-\"");
    int rc = kt_buffer_append(b, " \"", 2);
    if (rc == 0)
        rc = put_escaped(b, n->r->method, false);
    if (rc == 0)
        rc = kt_buffer_append(b, " ", 1);
    if (rc == 0)
        rc = put_escaped(b, n->r->target, false);
    return rc < 0 ? rc : kt_buffer_printf(b, " %s\"", n->version);
}

static int put_text(kt_buffer *b, const entry *n, bool combined)
{
    kt__http_date d;
    kt__http_date_make(&d, n->second); /* "Date: Sun, 06 Nov 1994 08:49:37 GMT" */
    const char *t = d.line + 11;
    int rc = put_escaped(b, n->host, false);
    if (rc == 0)
        rc = kt_buffer_printf(b, " - - [%.2s/%.3s/%.4s:%.8s +0000]", t, t + 3, t + 7, t + 12);
    if (rc == 0)
        rc = put_request(b, n);
    if (rc == 0)
        rc = kt_buffer_printf(b, " %d %" PRIu64, n->r->status, n->r->bytes_sent);
    if (rc == 0 && combined)
        rc = put_quoted(b, " ", n->referer, false);
    if (rc == 0 && combined)
        rc = put_quoted(b, " ", n->user_agent, false);
    return rc < 0 ? rc : kt_buffer_append(b, "\n", 1);
}

static int put_json(kt_buffer *b, const entry *n)
{
    struct tm t;
    char time[32];
    gmtime_r(&n->second, &t);
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &t);
    int rc = kt_buffer_printf(b, "{\"time\":\"%s.%03uZ\"", time, n->millisecond);
    if (rc == 0)
        rc = put_quoted(b, ",\"client\":", n->host, true);
    if (rc == 0)
        rc = put_quoted(b, ",\"method\":", n->r->method, true);
    if (rc == 0)
        rc = put_quoted(b, ",\"target\":", n->r->target, true);
    if (rc == 0)
        rc = kt_buffer_printf(b, ",\"version\":\"%s\",\"status\":%d,\"bytes\":%" PRIu64 ",\"seconds\":%.6f", n->version,
                              n->r->status, n->r->bytes_sent, (double)n->r->duration / 1e9);
    if (rc == 0 && n->referer.data)
        rc = put_quoted(b, ",\"referer\":", n->referer, true);
    if (rc == 0 && n->user_agent.data)
        rc = put_quoted(b, ",\"user_agent\":", n->user_agent, true);
    if (rc == 0 && n->e->request_id)
        rc = put_quoted(b, ",\"request_id\":", kt_slice_from(n->e->request_id), true);
    if (rc == 0 && n->r->rc < 0)
        rc = put_quoted(b, ",\"error\":", kt_slice_from(n->r->reason ? n->r->reason : kt_strerror(n->r->rc)), true);
    return rc < 0 ? rc : kt_buffer_append(b, "}\n", 2);
}

int kt_http_log_line(const kt_http_record *record, kt_http_log_style style, const kt_http_log_extra *extra,
                     kt_buffer *out)
{
    static const kt_http_log_extra nothing;
    const kt_http_log_extra *e = extra ? extra : &nothing;
    struct timespec now = {(time_t)(e->now / KT_S(1)), (long)(e->now % KT_S(1))};
    size_t before = out->size;
    if (e->now == 0)
        clock_gettime(CLOCK_REALTIME, &now);
    entry n = {
        .r = record,
        .e = e,
        .host = e->client ? kt_slice_from(e->client) : host_of(record->peer),
        .version = "HTTP/1.1",
        .second = now.tv_sec,
        .millisecond = (unsigned)(now.tv_nsec / 1000000),
    };
    if (record->exchange) {
        n.version = kt_http_version(record->exchange);
        n.referer = kt_http_request_header(record->exchange, "Referer");
        n.user_agent = kt_http_request_header(record->exchange, "User-Agent");
    }
    int rc = style == KT_HTTP_LOG_JSON ? put_json(out, &n) : put_text(out, &n, style == KT_HTTP_LOG_COMBINED);
    if (rc < 0)
        out->size = before;
    return rc;
}
