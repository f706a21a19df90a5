/* SPDX-License-Identifier: MIT */

/* A stream: one request and its task. Its head is put together as HTTP/1.1 writes it and read by that parser, so that
 * both versions have the same rules, limits and slices; RFC 9113 section 8.3 says how one maps to the other. */
#include <errno.h>
#include <kettle/memory.h>
#include <kettle/timeout.h>

#include "http/h2.h"
#include "http/parser_internal.h"

/* Behind an answer that has come before the end of its request. */
#define LINGER KT_MS(100)

/* What is over is kept for the next request, so many of a server's, with so much in each buffer. */
#define SPARE_MAX 1000u
#define KEEP_BYTES ((size_t)1024)
/* Room in a head for what is beside method, target and authority. */
#define HEAD_BYTES 256

/* ---- Life ------------------------------------------------------------------------------------ */

/* All zero, but for the memory of its buffers. */
static void blank(kt__h2_stream *s)
{
    const kt_buffer pseudo = s->pseudo, head = s->head, fields = s->m.fields;
    memset(s, 0, offsetof(kt__h2_stream, arena));
    s->pseudo = pseudo;
    s->head = head;
    s->m.fields = fields;
}

static kt__h2_stream *take(kt__http_server *server)
{
    kt__h2_stream *s = server->spare_streams;
    if (!s) {
        s = kt_alloc(sizeof *s);
        if (s)
            memset(s, 0, offsetof(kt__h2_stream, arena));
        return s;
    }
    server->spare_streams = s->next;
    server->spare_stream_count--;
    blank(s);
    return s;
}

static void free_stream(kt__h2_stream *s)
{
    kt_buffer_release(&s->pseudo);
    kt_buffer_release(&s->head);
    kt_buffer_release(&s->m.fields);
    kt_free(s);
}

static void give(kt__http_server *server, kt__h2_stream *s)
{
    if (server->spare_stream_count >= SPARE_MAX) {
        free_stream(s);
        return;
    }
    kt__http_shrink(&s->pseudo, KEEP_BYTES);
    kt__http_shrink(&s->head, KEEP_BYTES);
    kt__http_shrink(&s->m.fields, KEEP_BYTES);
    s->next = server->spare_streams;
    server->spare_streams = s;
    server->spare_stream_count++;
}

void kt__h2_spare_streams_free(kt__http_server *server)
{
    while (server->spare_streams) {
        kt__h2_stream *s = server->spare_streams;
        server->spare_streams = s->next;
        free_stream(s);
    }
    server->spare_stream_count = 0;
}

kt__h2_stream *kt__h2_stream_new(kt__h2 *h, int32_t id)
{
    kt__h2_stream *s = take(h->c->server);
    if (!s)
        return NULL;
    s->h = h;
    s->id = id;
    s->m.arena.small = s->arena;
    s->m.arena.size = KT__HTTP_ARENA_BYTES / sizeof(max_align_t);
    s->m.fields.size_max = s->m.trailers.size_max = KT__HTTP_HOLD_BYTES;
    s->readable = s->writable = (kt_event)KT_EVENT_INIT;
    s->next = h->streams;
    s->link = &h->streams;
    if (s->next)
        s->next->link = &s->next;
    h->streams = s;
    return s;
}

void kt__h2_stream_free(kt__h2_stream *s)
{
    if (!s)
        return;
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    if (s->h->begun == s)
        s->h->begun = NULL;
    kt__h2_session_forget(s);
    const kt_buffer fields = s->m.fields;
    s->m.fields = (kt_buffer)KT_BUFFER_INIT;
    kt__http_memory_release(&s->m);
    s->m.fields = fields;
    kt_buffer_release(&s->cookies);
    kt_buffer_release(&s->in);
    give(s->h->c->server, s);
}

/* ---- The head -------------------------------------------------------------------------------- */

static kt_slice field(const kt__h2_stream *s, unsigned which)
{
    kt__h2_span at = s->fields[which];
    return at.size > 0 ? (kt_slice){s->pseudo.data + at.at, at.size} : (kt_slice){NULL, 0};
}

static int put_pseudo(kt__h2_stream *s, kt_slice name, kt_slice value)
{
    static const char *const names[KT__H2_PSEUDO] = {":method", ":scheme", ":authority", ":path", ":protocol"};
    s->field_bytes += value.size;
    for (size_t i = 0; i < KT__H2_PSEUDO; i++)
        if (kt_slice_is(name, names[i])) {
            s->fields[i] = (kt__h2_span){(uint32_t)s->pseudo.size, (uint32_t)value.size};
            return kt_buffer_append(&s->pseudo, value.data, value.size);
        }
    return 0;
}

/* Behind room that was made. */
static void put(kt_buffer *b, kt_slice text)
{
    if (text.size > 0)
        memcpy(b->data + b->size, text.data, text.size);
    b->size += text.size;
}

static int put_line(kt_buffer *b, kt_slice name, kt_slice value)
{
    int rc = kt_buffer_reserve(b, name.size + value.size + 4);
    if (rc < 0)
        return rc;
    put(b, name);
    put(b, kt_slice_from(": "));
    put(b, value);
    put(b, kt_slice_from("\r\n"));
    return 0;
}

/* The request line, and Host from :authority where that is there. Once the pseudo fields have come, which are in front
 * (RFC 9113 section 8.3). */
static int begin_head(kt__h2_stream *s)
{
    s->extended = s->fields[KT__H2_PROTOCOL].size > 0;
    kt_slice method = s->extended ? kt_slice_from("GET") : field(s, KT__H2_METHOD);
    kt_slice target = field(s, s->fields[KT__H2_PATH].size ? KT__H2_PATH : KT__H2_AUTHORITY);
    kt_slice authority = field(s, KT__H2_AUTHORITY);
    kt_buffer *b = &s->head;
    int rc = kt_buffer_reserve(b, method.size + target.size + authority.size + HEAD_BYTES);
    if (rc < 0)
        return rc;
    put(b, method);
    put(b, kt_slice_from(" "));
    put(b, target);
    put(b, kt_slice_from(" HTTP/1.1\r\n"));
    return authority.size > 0 ? put_line(b, kt_slice_from("host"), authority) : 0;
}

/* A Host that says the same as :authority is the one that is there already; two that differ are refused as two Hosts
 * are (RFC 9113 section 8.3.1). */
static bool is_repeated_host(const kt__h2_stream *s, kt_slice name, kt_slice value)
{
    kt_slice authority = field(s, KT__H2_AUTHORITY);
    return kt_slice_is(name, "host") && authority.size > 0 && authority.size == value.size &&
           memcmp(authority.data, value.data, value.size) == 0;
}

/* Cookies may come in several fields, which are one (RFC 9113 section 8.2.3). */
static int put_cookie(kt__h2_stream *s, kt_slice value)
{
    int rc = s->cookies.size > 0 ? kt_buffer_append(&s->cookies, "; ", 2) : 0;
    return rc < 0 ? rc : kt_buffer_append(&s->cookies, value.data, value.size);
}

static int note_too_large(kt__h2_stream *s)
{
    s->too_large = true;
    return 0;
}

int kt__h2_stream_field(kt__h2_stream *s, kt_slice name, kt_slice value)
{
    const kt_http_options *o = &s->h->c->server->o;
    if (s->too_large || s->task) /* trailers of a request have their own place */
        return s->task ? kt__http_trailer_take(&s->m, name, value) : 0;
    if (name.size + value.size + 4 > o->header_bytes_max + (size_t)o->request_line_bytes_max - s->field_bytes)
        return note_too_large(s);
    if (name.size > 0 && name.data[0] == ':')
        return put_pseudo(s, name, value);
    if (++s->line_count > o->headers_max)
        return note_too_large(s);
    s->field_bytes += name.size + value.size + 4;
    if (kt_slice_is(name, "cookie"))
        return put_cookie(s, value);
    int rc = s->head.size == 0 ? begin_head(s) : 0;
    return rc < 0 || is_repeated_host(s, name, value) ? rc : put_line(&s->head, name, value);
}

static int end_head(kt__h2_stream *s)
{
    int rc = s->head.size == 0 ? begin_head(s) : 0;
    if (rc == 0 && s->cookies.size > 0)
        rc = put_line(&s->head, kt_slice_from("cookie"), kt_buffer_slice(&s->cookies));
    return rc < 0 ? rc : kt_buffer_append(&s->head, "\r\n", 2);
}

static int take_headers(kt__h2_stream *s, const kt__http_head *head)
{
    size_t size = head->header_count * sizeof head->headers[0];
    s->x.head = *head;
    if (size == 0)
        return 0;
    kt__http_header *headers = kt_http_alloc(&s->x, size);
    if (!headers)
        return -ENOMEM;
    s->x.head.headers = memcpy(headers, head->headers, size);
    return 0;
}

/* Reads the head. 0, with the fault noted if there is one; -ENOMEM. */
static int read_head(kt__h2_stream *s)
{
    kt__http_parser *p = &s->h->c->work->parser;
    kt__http_event e;
    kt__http_parser_reset(p);
    ssize_t n = kt__http_parser_feed(p, s->head.data, s->head.size, &e);
    if (n < 0) {
        kt__http_fault(&s->x, p->error.status, p->error.reason);
        s->x.body_rc = (int)n;
        return 0;
    }
    if (e.type != KT__HTTP_HEAD || (size_t)n != s->head.size) { /* a line end in a value, say */
        kt__http_fault(&s->x, 400, "bad request head");
        s->x.body_rc = KT_EPROTOCOL;
        return 0;
    }
    int rc = take_headers(s, e.head);
    s->x.head.expect_continue = p->says_expect && !s->ended; /* here a body need not be announced by a header */
    if (s->extended)
        s->x.head.method = kt_slice_from("CONNECT");
    return rc;
}

static int make_head(kt__h2_stream *s)
{
    kt_http_exchange *x = &s->x;
    x->back = &kt__h2_backend;
    x->c = s->h->c;
    x->m = &s->m;
    x->arena = &s->m.arena;
    x->continued = true;
    if (x->c->server->o.log)
        x->started = kt_now();
    if (s->too_large) {
        kt__http_fault(x, 431, "request head too large");
        return 0;
    }
    int rc = end_head(s);
    if (rc == 0)
        rc = read_head(s);
    x->continued = !x->head.expect_continue;
    kt_buffer_release(&s->cookies);
    return rc;
}

/* ---- The task -------------------------------------------------------------------------------- */

static int refused(kt__h2_stream *s)
{
    kt_http_exchange *x = &s->x;
    if (x->fail_status)
        return x->body_rc < 0 ? x->body_rc : KT_EPROTOCOL;
    if (kt_slice_is(x->head.method, "CONNECT") && !s->extended) {
        kt__http_fault(x, 501, "this is no proxy");
        return -EOPNOTSUPP;
    }
    return 0;
}

static void drop_unread(kt__h2_stream *s)
{
    size_t unread = s->in.size - s->in_at;
    s->x.body_rc = s->x.body_rc < 0 ? s->x.body_rc : KT_ECLOSED; /* what comes is dropped as well */
    s->in_at = s->in.size;
    kt__h2_session_consumed(s, unread);
    kt__h2_pump(s->h);
}

/* A client that has its answer may end by itself; and some (curl 7.88) take a reset that comes close behind the answer
 * for a failure, and lose it. So it gets a moment until it is asked to stop, in which mistakes in its body are told. */
static void let_end(kt__h2_stream *s)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    int rc = 0;
    drop_unread(s);
    kt_timeout_start(&limit, LINGER);
    while (rc == 0 && !s->ended && !s->gone && s->h->failed == 0 && s->h->c->write_rc == 0) {
        kt_event_clear(&s->readable);
        rc = kt_event_wait(&s->readable);
    }
    (void)!kt_timeout_end(&limit, rc); /* however it ended, so does the stream */
}

static int stream_task(void *arg)
{
    kt__h2_stream *s = *(kt__h2_stream **)arg;
    s->task = kt_task_current();
    kt__http_handle(&s->x, refused(s));
    kt_stream_close(kt_steal(s->stream));
    if (!s->gone && s->x.state == KT__HTTP_DONE)
        (void)!kt__h2_wait_composed(s); /* a failure shows in end_sent */
    if (s->end_sent && !s->ended && !s->extended)
        let_end(s);
    return kt__http_over();
}

/* Behind the task, or in its stead. */
static void stream_over(void *arg)
{
    kt__h2_stream *s = *(kt__h2_stream **)arg;
    kt__h2 *h = s->h;
    bool is_cut = !s->gone && !s->end_sent, is_early = !s->gone && !s->ended;
    bool says = is_cut || is_early || s->in_at < s->in.size; /* of its unread bytes the connection hears */
    if (is_cut)
        kt__h2_session_reset(s, KT__H2_INTERNAL_ERROR); /* a cut answer must not look whole */
    else if (is_early)
        kt__h2_session_reset(s, KT__H2_NO_ERROR); /* RFC 9113 section 8.1 */
    kt__h2_stream_free(s);
    if (says)
        kt__h2_pump(h);
    if (--h->tasks > 0)
        return;
    h->idle_since = kt_now();
    if (h->out.capacity > 0 || h->sending.capacity > 0 || h->giving_up)
        kt_event_set(&h->out_ready); /* the writer gives them away, or ends */
    if (kt__h2_is_leaving(h))
        kt__h2_wake_reader(h);
}

int kt__h2_stream_begin(kt__h2_stream *s)
{
    int rc = make_head(s);
    s->h->begun = rc == 0 ? s : NULL;
    return rc;
}

void kt__h2_stream_run(kt__h2_stream *s)
{
    kt__h2 *h = s->h;
    bool at_once = s->ended;
    kt_task *task = NULL;
    kt_spawn_options o = {.name = "http2 stream", .stack_bytes = h->c->server->o.stack_bytes, .eager = at_once,
                          .stack_now = true, .drop = stream_over};
    h->tasks++;
    h->last_id = s->id;
    int rc = kt_group_spawn_with(h->group, &o, stream_task, &s, sizeof s, &task);
    if (rc < 0) {
        h->tasks--;
        kt__h2_session_reset(s, KT__H2_REFUSED_STREAM);
        return;
    }
    if (!at_once) /* else it has said so itself, and may be over with its stream */
        s->task = task;
    kt_task_detach(task); /* it is good as long as the stream */
    h->c->requests++;
}

/* ---- What comes afterwards ------------------------------------------------------------------- */

int kt__h2_stream_data(kt__h2_stream *s, const void *bytes, size_t size)
{
    uint64_t max = s->h->c->server->o.body_bytes_max;
    s->x.body_bytes += size;
    s->x.continued |= size > 0; /* who sends does not wait */
    if (!s->extended && s->x.body_bytes > max && s->x.body_rc == 0) {
        kt__http_fault(&s->x, 413, "body too large");
        s->x.body_rc = KT_ELIMIT;
    }
    kt_event_set(&s->readable);
    if (s->x.body_rc < 0 || !s->task) {
        kt__h2_session_consumed(s, size);
        return 0;
    }
    if (s->in_at > 0 && s->in_at == s->in.size) {
        kt_buffer_clear(&s->in);
        s->in_at = 0;
    }
    return kt_buffer_append(&s->in, bytes, size);
}

void kt__h2_stream_end(kt__h2_stream *s)
{
    s->ended = true;
    kt_event_set(&s->readable);
}

void kt__h2_stream_closed(kt__h2_stream *s)
{
    s->gone = true;
    if (!s->task) {
        kt__h2_stream_free(s);
        return;
    }
    kt_event_set(&s->readable);
    kt_event_set(&s->writable);
    if (!s->end_sent && !s->x.outlives)
        kt_task_cancel(s->task);
}
