/* SPDX-License-Identifier: MIT */

/* nghttp2, and all that Kettle's server knows of it. Its functions never suspend; they are not called from within its
 * callbacks, but for those that submit. */
#include <errno.h>
#include <kettle/memory.h>
#include <nghttp2/nghttp2.h>

#include "http/h2.h"
#include "http/h2_continuations.h"

#define STREAMS_MAX 100u
/* What of a body is received and not yet read: of a stream, and of all streams of a connection. */
#define STREAM_WINDOW (256u * 1024)
#define CONNECTION_WINDOW (1024 * 1024)
#define FIELDS_ON_STACK 32u

/* ---- Memory ---------------------------------------------------------------------------------- */

static void *take_memory(size_t size, void *user)
{
    (void)user;
    return kt_alloc(size);
}

static void free_memory(void *p, void *user)
{
    (void)user;
    kt_free(p);
}

static void *take_zeroed(size_t n, size_t size, void *user)
{
    (void)user;
    return kt_calloc(n, size);
}

static void *move_memory(void *p, size_t size, void *user)
{
    (void)user;
    return kt_realloc(p, size);
}

/* The session is of no more use. */
static int fail(kt__h2 *h, int rc)
{
    int code = rc == NGHTTP2_ERR_NOMEM ? -ENOMEM : KT_EPROTOCOL;
    if (h->failed == 0)
        h->failed = kt_error_set(code, "HTTP/2: %s", nghttp2_strerror(rc));
    return h->failed;
}

static kt__h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- What comes ------------------------------------------------------------------------------ */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    kt__h2 *h = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (h->said_goaway) /* what was not counted is not begun; where that waits for room, the session closes it then */
        return 0;
    int32_t id = frame->hd.stream_id;
    /* Tasks of streams that were reset may still be ending: they count, the session's streams would not. */
    kt__h2_stream *s = h->tasks < STREAMS_MAX ? kt__h2_stream_new(h, id) : NULL;
    if (s && nghttp2_session_set_stream_user_data(session, id, s) == 0)
        return 0;
    kt__h2_stream_free(s);
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    (void)flags;
    (void)user;
    kt__h2_stream *s = stream_of(session, frame->hd.stream_id);
    if (!s)
        return 0;
    int rc = kt__h2_stream_field(s, (kt_slice){(const char *)name, name_size},
                                 (kt_slice){(const char *)value, value_size});
    return rc < 0 ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    kt__h2 *h = user;
    if (frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK)
        h->noticed = true; /* there is no other PING of ours */
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    int32_t id = frame->hd.stream_id;
    kt__h2_stream *s = stream_of(session, id);
    if (!s)
        return 0;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        kt__h2_stream_end(s);
    if (frame->hd.type == NGHTTP2_DATA || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (kt__h2_stream_begin(s) == 0)
        return 0;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t size, void *user)
{
    (void)flags;
    (void)user;
    kt__h2_stream *s = stream_of(session, id);
    if (!s)
        return nghttp2_session_consume_connection(session, size) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    if (kt__h2_stream_data(s, bytes, size) == 0)
        return 0;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    kt__h2_stream *s = stream_of(session, frame->hd.stream_id);
    (void)error;
    (void)user;
    if (s && frame->hd.type == NGHTTP2_WINDOW_UPDATE)
        s->overflowed = true;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    (void)error;
    (void)user;
    kt__h2_stream *s = stream_of(session, id);
    if (s)
        kt__h2_stream_closed(s);
    return 0;
}

/* ---- What goes ------------------------------------------------------------------------------- */

/* nghttp2 resets the streams whose windows overflow with SETTINGS; that is an error of the connection (RFC 9113 section
 * 6.9.2). Theirs alone is what their own WINDOW_UPDATEs do. */
static int on_sending(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    if (frame->hd.type != NGHTTP2_RST_STREAM || frame->rst_stream.error_code != NGHTTP2_FLOW_CONTROL_ERROR)
        return 0;
    const kt__h2_stream *s = stream_of(session, frame->hd.stream_id);
    if (!s || s->overflowed)
        return 0;
    return nghttp2_session_terminate_session(session, NGHTTP2_FLOW_CONTROL_ERROR) == 0 ? NGHTTP2_ERR_CANCEL
                                                                                       : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* A PING goes ahead of all that waits, so it is submitted behind the notice. */
static int on_notice_sent(nghttp2_session *session)
{
    return nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, NULL) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    kt__h2 *h = user;
    if (frame->hd.type == NGHTTP2_GOAWAY && h->leave_by > 0 && !h->said_goaway)
        return on_notice_sent(session);
    if (frame->hd.type == NGHTTP2_RST_STREAM &&
        !kt__h2_watch_reset(&h->watch, (uint32_t)frame->hd.stream_id, frame->rst_stream.error_code, kt_now()))
        return nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM) == 0
                   ? 0
                   : NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type == NGHTTP2_DATA)
        kt__h2_watch_sent(&h->watch);
    bool can_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!can_end || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    kt__h2_stream *s = stream_of(session, frame->hd.stream_id);
    if (s) {
        s->end_sent = true;
        kt_event_set(&s->writable);
    }
    return 0;
}

/* How much of the stream's piece may go with the next frame. */
static ssize_t next_data(nghttp2_session *session, int32_t id, uint8_t *unused, size_t size, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    (void)unused;
    (void)user;
    (void)source;
    kt__h2_stream *s = stream_of(session, id);
    if (!s)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t n = s->piece_size < size ? s->piece_size : size;
    s->deferred = n == 0 && !s->last;
    if (s->deferred)
        return NGHTTP2_ERR_DEFERRED;
    s->promised = n;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n < s->piece_size || !s->last)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s->m.trailers.size > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (kt__h2_send_trailers(s) < 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)n;
}

static int put_out(kt__h2 *h, const void *bytes, size_t size)
{
    int rc = h->out.capacity == 0 ? kt__http_buffer_take(h->c->server, &h->out) : 0;
    return rc < 0 ? rc : kt_buffer_append(&h->out, bytes, size);
}

/* Appends a DATA frame to `out`. */
static int put_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t size,
                    nghttp2_data_source *source, void *user)
{
    kt__h2 *h = user;
    (void)source;
    kt__h2_stream *s = stream_of(session, frame->hd.stream_id);
    if (!s || size > s->piece_size)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (h->out.size >= KT__H2_OUT_BYTES)
        return NGHTTP2_ERR_WOULDBLOCK;
    if (put_out(h, head, KT__H2_FRAME_HEAD_BYTES) < 0 || put_out(h, s->piece, size) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (size > 0) {
        s->piece += size;
        s->piece_size -= size;
        s->promised = 0;
    }
    if (s->piece_size == 0)
        kt_event_set(&s->writable);
    return h->out.size >= KT__H2_OUT_BYTES ? NGHTTP2_ERR_PAUSE : 0;
}

int kt__h2_session_take(kt__h2 *h)
{
    while (h->failed == 0 && h->out.size < KT__H2_OUT_BYTES) {
        const uint8_t *bytes = NULL;
        ssize_t n = nghttp2_session_mem_send(h->session, &bytes);
        if (n < 0)
            return fail(h, (int)n);
        if (n == 0)
            break;
        if (put_out(h, bytes, (size_t)n) < 0)
            return fail(h, NGHTTP2_ERR_NOMEM);
    }
    return h->failed;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static int callbacks_new(nghttp2_session_callbacks **ret_callbacks)
{
    nghttp2_session_callbacks *cb;
    if (nghttp2_session_callbacks_new(&cb) != 0)
        return -ENOMEM;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(cb, on_sending);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    nghttp2_session_callbacks_set_send_data_callback(cb, put_data);
    *ret_callbacks = cb;
    return 0;
}

static int session_new(kt__h2 *h, const nghttp2_session_callbacks *cb)
{
    nghttp2_mem memory = {NULL, take_memory, free_memory, take_zeroed, move_memory};
    nghttp2_option *o;
    if (nghttp2_option_new(&o) != 0)
        return -ENOMEM;
    nghttp2_option_set_no_auto_window_update(o, 1);
    kt__h2_continuations_limit(o); /* the watch is stricter, here too */
    nghttp2_option_set_max_outbound_ack(o, 2000); /* the watch is stricter, and says good-bye */
    int rc = nghttp2_session_server_new3(&h->session, cb, h, o, &memory);
    nghttp2_option_del(o);
    return rc == 0 ? 0 : -ENOMEM;
}

int kt__h2_session_open(kt__h2 *h)
{
    nghttp2_session_callbacks *cb = NULL;
    int rc = callbacks_new(&cb);
    if (rc < 0)
        return rc;
    rc = session_new(h, cb);
    nghttp2_session_callbacks_del(cb);
    if (rc < 0)
        return rc;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, h->c->server->o.header_bytes_max},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    rc = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]);
    if (rc == 0)
        rc = nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
    return rc == 0 ? 0 : fail(h, rc);
}

void kt__h2_session_close(kt__h2 *h)
{
    nghttp2_session_del(h->session);
    h->session = NULL;
}

int kt__h2_session_feed(kt__h2 *h, const void *bytes, size_t size)
{
    if (h->failed < 0)
        return h->failed;
    ssize_t n = nghttp2_session_mem_recv(h->session, bytes, size);
    return n < 0 ? fail(h, (int)n) : 0;
}

bool kt__h2_session_wants(const kt__h2 *h)
{
    return h->failed == 0 && nghttp2_session_want_read(h->session);
}

bool kt__h2_session_has(void *h, uint32_t id)
{
    return nghttp2_session_get_stream_remote_close(((kt__h2 *)h)->session, (int32_t)id) >= 0;
}

void kt__h2_session_goaway(kt__h2 *h, int error)
{
    int rc;
    if (h->failed < 0)
        return;
    if (error == KT__H2_NO_ERROR)
        rc = nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, h->last_id, NGHTTP2_NO_ERROR, NULL, 0);
    else
        rc = nghttp2_session_terminate_session2(h->session, h->last_id, (uint32_t)error);
    if (rc != 0)
        (void)!fail(h, rc);
}

void kt__h2_session_give_notice(kt__h2 *h)
{
    int rc = h->failed == 0 ? nghttp2_submit_shutdown_notice(h->session) : 0;
    if (rc != 0)
        (void)!fail(h, rc);
}

/* ---- Streams --------------------------------------------------------------------------------- */

void kt__h2_session_reset(const kt__h2_stream *s, int error)
{
    int rc = nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, (uint32_t)error);
    if (rc != 0)
        (void)!fail(s->h, rc);
}

void kt__h2_session_forget(const kt__h2_stream *s)
{
    size_t unread = s->in.size - s->in_at;
    if (!s->gone) /* it can only say that it knows no such stream, which is as well */
        (void)!nghttp2_session_set_stream_user_data(s->h->session, s->id, NULL);
    int rc = unread > 0 ? nghttp2_session_consume_connection(s->h->session, unread) : 0;
    if (rc != 0)
        (void)!fail(s->h, rc);
}

void kt__h2_session_consumed(const kt__h2_stream *s, size_t size)
{
    int rc = s->gone ? nghttp2_session_consume_connection(s->h->session, size)
                     : nghttp2_session_consume(s->h->session, s->id, size);
    if (rc != 0)
        (void)!fail(s->h, rc);
}

void kt__h2_session_resume(kt__h2_stream *s)
{
    if (!s->deferred) /* the piece before has just been taken, or this is the first: it goes on by itself */
        return;
    s->deferred = false;
    int rc = nghttp2_session_resume_data(s->h->session, s->id);
    if (rc == NGHTTP2_ERR_NOMEM)
        (void)!fail(s->h, rc);
}

static nghttp2_nv *make_fields(nghttp2_nv *few, const kt__h2_field *fields, size_t count)
{
    nghttp2_nv *nv = few;
    if (count > FIELDS_ON_STACK)
        nv = kt_alloc(count * sizeof *nv);
    if (!nv)
        return NULL;
    for (size_t i = 0; i < count; i++)
        nv[i] = (nghttp2_nv){
            .name = (uint8_t *)(uintptr_t)fields[i].name.data,
            .value = (uint8_t *)(uintptr_t)fields[i].value.data,
            .namelen = fields[i].name.size,
            .valuelen = fields[i].value.size,
        };
    return nv;
}

static int submit(const kt__h2_stream *s, const nghttp2_nv *nv, size_t count, int kind)
{
    nghttp2_data_provider data = {.read_callback = next_data};
    nghttp2_session *session = s->h->session;
    if (kind == KT__H2_INTERIM)
        return nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, s->id, NULL, nv, count, NULL);
    return nghttp2_submit_response(session, s->id, nv, count, kind == KT__H2_WHOLE ? NULL : &data);
}

int kt__h2_session_answer(const kt__h2_stream *s, const kt__h2_field *fields, size_t count, int kind)
{
    nghttp2_nv few[FIELDS_ON_STACK];
    nghttp2_nv *nv = make_fields(few, fields, count);
    if (!nv)
        return -ENOMEM;
    int rc = submit(s, nv, count, kind);
    if (nv != few)
        kt_free(nv);
    if (rc == NGHTTP2_ERR_NOMEM)
        return -ENOMEM;
    return rc == 0 ? 0 : kt_error_set(-ECONNRESET, "HTTP/2: %s", nghttp2_strerror(rc));
}

int kt__h2_session_trailers(const kt__h2_stream *s, const kt__h2_field *fields, size_t count)
{
    nghttp2_nv few[FIELDS_ON_STACK];
    nghttp2_nv *nv = make_fields(few, fields, count);
    if (!nv)
        return -ENOMEM;
    int rc = nghttp2_submit_trailer(s->h->session, s->id, nv, count);
    if (nv != few)
        kt_free(nv);
    return rc == 0 ? 0 : -ENOMEM;
}
