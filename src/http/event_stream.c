/* SPDX-License-Identifier: MIT */
/* A stream of events over one connection after the other. */
#include <kettle/http_event_stream.h>
#include <kettle/retry.h>
#include <limits.h>
#include <strings.h>

#include "http/client.h"
#include "http/event_parser.h"

#define LINE_BYTES_MAX ((size_t)64 * 1024)
#define EVENT_BYTES_MAX ((size_t)1024 * 1024)
#define FIRST_WAIT KT_S(3)
#define WAIT_MIN KT_MS(100)
#define WAIT_MAX KT_S(60)
#define IDLE KT_S(60)
#define PIECE_BYTES 4096
#define OWN_HEADERS 8

struct kt_http_event_stream {
    kt_http_session *s;
    kt_http_event_stream_options o; /* headers: NULL, see below */
    char *url;
    char **copies;        /* the caller's headers, NULL at the end */
    const char **headers; /* ours, then the copies */
    kt__event_parser parser;
    kt_http_response *r;  /* NULL: not connected */
    kt_slice in;          /* not parsed yet, in `piece` */
    kt_retry tries;
    kt_time silence;      /* in which calls have waited, since a byte came */
    kt_time due;          /* of the next attempt, where a wait for it was cancelled */
    int rc;               /* for good, or 0 */
    bool over;            /* 204 */
    char piece[PIECE_BYTES];
};

/* ---- Making one ------------------------------------------------------------------------------ */

static int check(const kt_http_event_stream_options *o)
{
    const char *const id[] = {"Last-Event-ID", o->last_event_id ? o->last_event_id : "", NULL};
    if (o->first_wait < 0 || o->wait_max < 0 || o->idle < 0)
        return kt_error_set(-EINVAL, "a time limit below 0");
    for (const char *const *h = o->headers; h && h[0]; h += 2)
        if (strcasecmp(h[0], "Last-Event-ID") == 0)
            return kt_error_set(-EINVAL, "Last-Event-ID is for the stream to say");
    int rc = kt__client_headers_check(o->headers);
    return rc < 0 ? rc : kt__client_headers_check(id);
}

static int copy_headers(kt_http_event_stream *es, const char *const *headers)
{
    size_t n = 0;
    while (headers && headers[n])
        n++;
    es->copies = kt_calloc(n + 1, sizeof *es->copies);
    es->headers = kt_calloc(OWN_HEADERS + n + 1, sizeof *es->headers);
    if (!es->copies || !es->headers)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        es->copies[i] = kt_strndup(headers[i], strlen(headers[i]));
        if (!es->copies[i])
            return -ENOMEM;
    }
    return 0;
}

static void fill_defaults(kt_http_event_stream_options *o)
{
    o->line_bytes_max = o->line_bytes_max ? o->line_bytes_max : LINE_BYTES_MAX;
    o->event_bytes_max = o->event_bytes_max ? o->event_bytes_max : EVENT_BYTES_MAX;
    o->first_wait = o->first_wait ? o->first_wait : FIRST_WAIT;
    o->wait_max = o->wait_max ? o->wait_max : WAIT_MAX;
    o->timeouts.between = o->idle ? o->idle : IDLE;
    o->timeouts.total = o->timeouts.total ? o->timeouts.total : KT_FOREVER;
    o->attempts = o->attempts ? o->attempts : UINT_MAX;
}

/* The waits begin again at the shortest. */
static void calm_down(kt_http_event_stream *es)
{
    kt_time wait = es->o.first_wait;
    if (es->parser.retry_ms >= 0)
        wait = KT_MS(es->parser.retry_ms);
    wait = wait < WAIT_MIN ? WAIT_MIN : wait;
    es->tries = (kt_retry){.attempts = es->o.attempts, .wait_max = es->o.wait_max, .jitter = 0.5,
                           .first_wait = wait < es->o.wait_max ? wait : es->o.wait_max};
}

static int set_up(kt_http_event_stream *es, const char *url)
{
    const char *id = es->o.last_event_id;
    int rc = check(&es->o);
    if (rc < 0)
        return rc;
    fill_defaults(&es->o);
    kt__event_parser_init(&es->parser, es->o.line_bytes_max, es->o.event_bytes_max);
    calm_down(es);
    es->url = kt_strndup(url, strlen(url));
    rc = es->url ? copy_headers(es, es->o.headers) : -ENOMEM;
    es->o.headers = NULL; /* the caller's */
    es->o.last_event_id = NULL;
    return rc == 0 && id ? kt_buffer_append(&es->parser.id, id, strlen(id)) : rc;
}

int kt_http_event_stream_open(kt_http_session *s, const char *url, const kt_http_event_stream_options *options,
                              kt_http_event_stream **ret_stream)
{
    kt_auto(kt_http_event_stream) *es = kt_calloc(1, sizeof *es);
    if (!es)
        return -ENOMEM;
    es->s = s;
    if (options)
        es->o = *options;
    int rc = set_up(es, url);
    if (rc == 0)
        *ret_stream = kt_steal(es);
    return rc;
}

void kt_http_event_stream_close(kt_http_event_stream *es)
{
    if (!es)
        return;
    kt_http_response_close(es->r);
    kt__event_parser_release(&es->parser);
    for (size_t i = 0; es->copies && es->copies[i]; i++)
        kt_free(es->copies[i]);
    kt_free(es->copies);
    kt_free(es->headers);
    kt_free(es->url);
    kt_free(es);
}

/* ---- Connecting ------------------------------------------------------------------------------ */

/* Parameters of the type do not matter: it is UTF-8 whatever they say. */
static bool is_event_stream(kt_slice type)
{
    static const char name[] = "text/event-stream";
    size_t n = sizeof name - 1;
    return type.size >= n && strncasecmp(type.data, name, n) == 0 &&
           (type.size == n || type.data[n] == ';' || type.data[n] == ' ' || type.data[n] == '\t');
}

static bool is_busy(int status)
{
    return status == 408 || status == 429 || (status >= 502 && status <= 504);
}

/* 0: events follow, or es->over; -EAGAIN: a status that may pass. */
static int judge(kt_http_event_stream *es, const kt_http_response *r)
{
    int status = kt_http_response_status(r);
    kt_slice type = kt_http_response_header(r, "Content-Type");
    es->over = status == 204;
    if (es->over || (status == 200 && is_event_stream(type)))
        return 0;
    if (status == 200)
        return es->rc = kt_error_set(KT_EPROTOCOL, "%s answered with '%.*s', which is no event stream", es->url,
                                     (int)type.size, type.data ? type.data : "");
    int rc = kt_error_set(-EREMOTEIO, "%s answered %d", es->url, status);
    es->rc = is_busy(status) ? 0 : rc;
    return rc;
}

/* The rest of a wait that was cancelled. */
static int wait_on(kt_http_event_stream *es)
{
    kt_time left = es->due - kt_now();
    int rc = left > 0 ? kt_sleep(left) : 0;
    if (rc == 0)
        es->due = 0;
    return rc;
}

static int connect_now(kt_http_event_stream *es)
{
    kt_auto(kt_http_response) *r = NULL;
    kt_buffer *id = &es->parser.id;
    int rc = wait_on(es);
    if (rc == 0)
        rc = kt_buffer_reserve(id, 1);
    if (rc < 0)
        return rc;
    id->data[id->size] = '\0';
    const char *const own[] = {"Accept",        "text/event-stream", "Accept-Encoding", "identity",
                               "Cache-Control", "no-store",          "Last-Event-ID",   id->data};
    const char *const said[] = {"Last-Event-ID", id->data, NULL};
    /* What is no header's value cannot be said. */
    size_t n = id->size > 0 && kt__client_headers_check(said) == 0 ? OWN_HEADERS : OWN_HEADERS - 2;
    memcpy(es->headers, own, n * sizeof *own);
    for (size_t i = 0; es->copies[i]; i++)
        es->headers[n++] = es->copies[i];
    es->headers[n] = NULL;
    const kt_http_request q = {.url = es->url, .headers = es->headers, .timeouts = es->o.timeouts};
    rc = kt_http_send(es->s, &q, &r);
    if (rc == 0)
        rc = judge(es, r);
    if (rc == 0 && !es->over) {
        kt__event_parser_restart(&es->parser);
        es->in = (kt_slice){es->piece, 0};
        es->silence = 0;
        es->r = kt_steal(r);
    }
    return rc;
}

/* ---- Events ---------------------------------------------------------------------------------- */

/* Calls that were cancelled count, too: each would wait anew otherwise, and none as long as `idle`. */
static ssize_t read_within(kt_http_event_stream *es)
{
    kt_time since = kt_now() - es->silence;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, es->o.timeouts.between - es->silence);
    ssize_t n = kt_http_response_read(es->r, es->piece, sizeof es->piece);
    int rc = kt_timeout_end(&limit, n < 0 ? (int)n : 0);
    es->silence = n > 0 ? 0 : kt_now() - since;
    if (n > 0)
        return n;
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        return kt_error_set(-ETIMEDOUT, "%s says nothing", es->url);
    return rc;
}

/* 1: more is in es->in; else why the connection is of no more use. */
static int receive(kt_http_event_stream *es)
{
    ssize_t n = read_within(es);
    if (n == 0)
        return kt_error_set(KT_EINCOMPLETE, "%s ended its stream of events", es->url);
    if (n < 0)
        return (int)n;
    es->in = (kt_slice){es->piece, (size_t)n};
    return 1;
}

static int parse(kt_http_event_stream *es)
{
    int rc = kt__event_parser_feed(&es->parser, &es->in);
    if (rc == KT_ELIMIT)
        es->rc = rc;
    return rc;
}

/* As far as this connection goes: 1, an event; 0, no more for ever; or a failure. */
static int next_here(kt_http_event_stream *es)
{
    int rc = es->r ? 0 : connect_now(es);
    while (rc == 0 && !es->over) {
        rc = parse(es);
        if (rc == 0) {
            int more = receive(es);
            rc = more < 0 ? more : 0;
        }
    }
    return rc;
}

/* Is it worth another connection, or a matter of ours? */
static bool is_lasting(kt_http_event_stream *es, int rc)
{
    static const int ours[] = {-ENOMEM, -EINVAL, KT_ECLOSED, KT_EGUARD, -EPROTONOSUPPORT};
    if (rc == KT_ELIMIT || rc == -ELOOP)
        es->rc = rc;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (rc == ours[i])
            return true;
    return es->rc < 0;
}

/* The connection is kept by a cancellation, so that the next call goes on with it. */
static bool wait_to_connect(kt_http_event_stream *es, int *rc)
{
    if (kt_is_cancel(*rc))
        return false;
    kt_http_response_close(kt_steal(es->r));
    if (is_lasting(es, *rc))
        return false;
    kt_time start = kt_now();
    if (kt_retry_wait(&es->tries, rc))
        return true;
    if (kt_is_cancel(*rc))
        es->due = start + es->tries.waited;
    else
        calm_down(es); /* the caller may go on */
    return false;
}

int kt_http_event_stream_next(kt_http_event_stream *es, kt_http_stream_event *ret_event)
{
    if (es->rc < 0)
        return kt_error_set(es->rc, "the stream of events from %s is over: %s", es->url, kt_strerror(es->rc));
    if (es->over)
        return 0;
    int rc;
    do
        rc = next_here(es);
    while (rc < 0 && wait_to_connect(es, &rc));
    if (rc <= 0)
        return rc;
    calm_down(es);
    const kt__event_parser *p = &es->parser;
    *ret_event = (kt_http_stream_event){.type = p->type.size > 0 ? kt_buffer_slice(&p->type) : kt_slice_from("message"),
                                 .data = kt_buffer_slice(&p->data), .id = kt_buffer_slice(&p->id)};
    return 1;
}
