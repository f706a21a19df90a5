/* SPDX-License-Identifier: MIT */
/* Between the client and nghttp2. */
#include <nghttp2/nghttp2.h>

#include "http/client_h2.h"
#include "http/h2_continuations.h"
#include "http/parser_internal.h"

/* PING, SETTINGS and the like, and DATA without bytes, between two frames that carry something. */
#define IDLE_FRAMES_MAX 1000u
#define IDLE_BYTES_MAX ((size_t)256 * 1024)
#define ACKS_MAX 1000

/* ---- Memory ---------------------------------------------------------------------------------- */

static void *ng_malloc(size_t size, void *unused)
{
    (void)unused;
    return kt_alloc(size);
}

static void ng_free(void *block, void *unused)
{
    (void)unused;
    kt_free(block);
}

static void *ng_calloc(size_t count, size_t size, void *unused)
{
    (void)unused;
    return kt_calloc(count, size);
}

static void *ng_realloc(void *block, size_t size, void *unused)
{
    (void)unused;
    return kt_realloc(block, size);
}

static int code_of(ssize_t rc)
{
    if (rc == NGHTTP2_ERR_NOMEM || rc == NGHTTP2_ERR_CALLBACK_FAILURE)
        return -ENOMEM;
    if (rc == NGHTTP2_ERR_FLOODED)
        return kt_error_set(KT_ELIMIT, "HTTP/2: too many frames that carry nothing");
    return kt_error_set(KT_EPROTOCOL, "HTTP/2: %s", nghttp2_strerror((int)rc));
}

/* ---- What comes ------------------------------------------------------------------------------ */

static kt__client_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    kt__client_stream *st = stream_of(session, frame->hd.stream_id);
    (void)user;
    if (st && !st->abandoned && !st->has_head) { /* a head, in place of an interim one */
        kt_buffer_clear(&st->text);
        kt_buffer_clear(&st->fields);
        st->status = 0;
    } else if (st) {
        st->trailers = true;
    }
    return 0;
}

static int keep_field(kt__client_stream *st, kt_slice name, kt_slice value)
{
    kt__client_h2_field f = {(uint32_t)st->text.size, (uint32_t)name.size, (uint32_t)(st->text.size + name.size),
                             (uint32_t)value.size};
    int rc = kt_buffer_append(&st->text, name.data, name.size);
    if (rc == 0)
        rc = kt_buffer_append(&st->text, value.data, value.size);
    return rc < 0 ? rc : kt_buffer_append(&st->fields, &f, sizeof f);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    kt__client_h2 *h = user;
    kt__client_stream *st = stream_of(session, frame->hd.stream_id);
    const kt_http_session_options *o = &h->conn->session->o;
    kt_slice n = {(const char *)name, name_size}, v = {(const char *)value, value_size};
    (void)flags;
    if (!st || st->abandoned)
        return 0;
    if (st->text.size - st->head_bytes + name_size + value_size > o->header_bytes_max ||
        st->fields.size / sizeof(kt__client_h2_field) - st->head_fields >= o->headers_max) {
        st->too_long = true;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the stream is reset */
    }
    if (name_size > 0 && n.data[0] == ':') {
        if (kt_slice_is(n, ":status") && value_size == 3)
            st->status = (v.data[0] - '0') * 100 + (v.data[1] - '0') * 10 + (v.data[2] - '0');
        return 0;
    }
    return keep_field(st, n, v) < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* An interim head is none that anybody waits for; a window that grows is worth something as long as we send. */
static bool is_idle(const nghttp2_frame *frame, const kt__client_stream *st)
{
    if (frame->hd.type == NGHTTP2_HEADERS)
        return !st || (!st->has_head && st->status < 200);
    return frame->hd.type != NGHTTP2_DATA || (frame->hd.length == 0 && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM));
}

static void worth_something(kt__client_h2 *h)
{
    h->idle_frames = 0;
    h->idle_bytes = 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    kt__client_h2 *h = user;
    kt__client_stream *st = frame->hd.stream_id ? stream_of(session, frame->hd.stream_id) : NULL;
    if (is_idle(frame, st))
        h->idle_frames++;
    else
        worth_something(h);
    h->flooded = h->flooded || h->idle_frames > IDLE_FRAMES_MAX;
    if (h->flooded)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
        h->settings++;
        for (kt__client_stream *each = h->streams; each; each = each->next)
            kt_event_set(&each->changed);
    }
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        bool warns = frame->goaway.last_stream_id == INT32_MAX; /* RFC 9113 section 6.8: how many, it says later */
        h->going = true;
        h->taken = warns ? 0 : ((uint32_t)frame->goaway.last_stream_id + 1) / 2;
    }
    if (!st || st->abandoned)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !st->has_head && st->status >= 200) {
        st->has_head = true;
        st->head_bytes = st->text.size;
        st->head_fields = st->fields.size / sizeof(kt__client_h2_field);
        h->answered++;
        if (++h->served > h->conn->origin->streams_served)
            h->conn->origin->streams_served = 0;
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM && (frame->hd.type == NGHTTP2_HEADERS ||
                                                      frame->hd.type == NGHTTP2_DATA))
        st->ended = true;
    kt_event_set(&st->changed);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t size, void *user)
{
    kt__client_stream *st = stream_of(session, id);
    kt__client_h2 *h = user;
    (void)flags;
    worth_something(h);
    if (!st || st->abandoned) /* nobody reads it any more */
        return nghttp2_session_consume(session, id, size) == NGHTTP2_ERR_NOMEM ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
    if (kt_buffer_append(&st->in, bytes, size) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    kt_event_set(&st->changed);
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    kt__client_stream *s = stream_of(session, frame->hd.stream_id);
    (void)error;
    (void)user;
    if (s && frame->hd.type == NGHTTP2_WINDOW_UPDATE)
        s->overflowed = true;
    return 0;
}

static int reset_code(const kt__client_stream *st, uint32_t code)
{
    if (st->too_long)
        return kt_error_set(KT_ELIMIT, "the answer's head is too long");
    if (code == NGHTTP2_NO_ERROR)
        return st->ended ? 0 : -ECONNRESET;
    if (code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_FLOW_CONTROL_ERROR || code == NGHTTP2_FRAME_SIZE_ERROR ||
        code == NGHTTP2_COMPRESSION_ERROR)
        return KT_EPROTOCOL;
    return -ECONNRESET;
}

/* What the server may have sent before it hears that the stream is over, which the session does not show. Before it
 * has confirmed our settings it knows of a larger window than the session does. */
static void expect_late(kt__client_h2 *h, int32_t id)
{
    int32_t window = nghttp2_session_get_stream_local_window_size(h->session, id);
    if (window < 0) /* the server does not know the stream */
        return;
    uint32_t confirmed = nghttp2_session_get_local_settings(h->session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
    h->late_bytes += (size_t)window + KT__CLIENT_H2_WINDOW - confirmed;
    if (h->late_bytes > KT__CLIENT_H2_WINDOW_ALL)
        h->late_bytes = KT__CLIENT_H2_WINDOW_ALL;
}

/* A stream that was refused has done nothing (RFC 9113 section 8.7). */
static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    kt__client_stream *st = stream_of(session, id);
    kt__client_h2 *h = user;
    if (code == NGHTTP2_HTTP_1_1_REQUIRED) {
        h->conn->origin->speaks = KT__CLIENT_HTTP_1;
        h->going = true;
    }
    if (!st)
        return 0;
    if (code != NGHTTP2_NO_ERROR && !st->abandoned)
        expect_late(h, id);
    if (st->abandoned) {
        kt__client_stream_free(st);
        return 0;
    }
    if (code == NGHTTP2_REFUSED_STREAM && h->taken > 0)
        h->conn->origin->streams_served = h->taken;
    st->closed = true;
    st->refused = !st->has_head && (code == NGHTTP2_REFUSED_STREAM || code == NGHTTP2_HTTP_1_1_REQUIRED);
    st->rc = reset_code(st, code);
    kt_event_set(&st->changed);
    return 0;
}

/* ---- What goes ------------------------------------------------------------------------------- */

/* nghttp2 resets the streams whose windows overflow with SETTINGS; that is an error of the connection (RFC 9113 section
 * 6.9.2). Theirs alone is what their own WINDOW_UPDATEs do. */
static int on_sending(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    const kt__client_stream *s = stream_of(session, frame->hd.stream_id);
    (void)user;
    if (frame->hd.type != NGHTTP2_RST_STREAM || frame->rst_stream.error_code != NGHTTP2_FLOW_CONTROL_ERROR || !s ||
        s->overflowed)
        return 0;
    return nghttp2_session_terminate_session(session, NGHTTP2_FLOW_CONTROL_ERROR) == 0 ? NGHTTP2_ERR_CANCEL
                                                                                       : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- The session ----------------------------------------------------------------------------- */

static int callbacks_new(nghttp2_session_callbacks **ret_callbacks)
{
    nghttp2_session_callbacks *k;
    if (nghttp2_session_callbacks_new(&k) != 0)
        return -ENOMEM;
    nghttp2_session_callbacks_set_on_begin_headers_callback(k, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(k, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(k, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(k, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(k, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(k, on_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(k, on_sending);
    *ret_callbacks = k;
    return 0;
}

static int options_new(nghttp2_option **ret_option)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0)
        return -ENOMEM;
    nghttp2_option_set_no_auto_window_update(option, 1);
    kt__h2_continuations_limit(option);
    nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
    *ret_option = option;
    return 0;
}

static int greet(kt__client_h2 *h, uint32_t header_bytes_max)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, KT__CLIENT_H2_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, header_bytes_max},
    };
    int rc = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]);
    if (rc == 0)
        rc = nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, KT__CLIENT_H2_WINDOW_ALL);
    return rc < 0 ? code_of(rc) : 0;
}

int kt__client_h2_session_new(kt__client_h2 *h, uint32_t header_bytes_max)
{
    static nghttp2_mem memory = {NULL, ng_malloc, ng_free, ng_calloc, ng_realloc};
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int rc = callbacks_new(&callbacks);
    if (rc == 0)
        rc = options_new(&option);
    if (rc == 0 && nghttp2_session_client_new3(&h->session, callbacks, h, option, &memory) != 0)
        rc = -ENOMEM;
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return rc < 0 ? rc : greet(h, header_bytes_max);
}

void kt__client_h2_session_free(kt__client_h2 *h)
{
    nghttp2_session_del(h->session);
    h->session = NULL;
}

static void count_idle(kt__client_h2 *h, size_t size)
{
    h->idle_bytes += size;
    if (h->idle_bytes <= IDLE_BYTES_MAX)
        return;
    size_t late = h->late_bytes < h->idle_bytes ? h->late_bytes : h->idle_bytes;
    h->late_bytes -= late;
    h->idle_bytes -= late;
}

int kt__client_h2_feed(kt__client_h2 *h, const char *bytes, size_t size)
{
    ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes, size);
    count_idle(h, size);
    if (h->flooded || (n >= 0 && h->idle_bytes > IDLE_BYTES_MAX))
        return code_of(NGHTTP2_ERR_FLOODED);
    return n < 0 ? code_of(n) : 0;
}

int kt__client_h2_compose(kt__client_h2 *h)
{
    while (h->out.size < KT__CLIENT_H2_OUT_BYTES) {
        const uint8_t *bytes;
        ssize_t n = nghttp2_session_mem_send(h->session, &bytes);
        if (n < 0)
            return code_of(n);
        if (n == 0)
            return 0;
        int rc = kt_buffer_append(&h->out, bytes, (size_t)n);
        if (rc < 0)
            return rc;
    }
    return 0;
}

bool kt__client_h2_is_over(const kt__client_h2 *h)
{
    return !nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session);
}

bool kt__client_h2_takes_more(const kt__client_h2 *h)
{
    return nghttp2_session_check_request_allowed(h->session) && !kt__client_h2_is_over(h);
}

/* A server that ends each connection after some requests refuses those behind. So once it has, no more wait for
 * their answers at once than it took last: a crowd is not refused time and again. A connection that answers more shows
 * that this is past. */
bool kt__client_h2_has_room(const kt__client_h2 *h)
{
    uint32_t max = nghttp2_session_get_remote_settings(h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    uint32_t served = h->conn->origin->streams_served;
    bool fits = h->users < max && h->users < KT__CLIENT_H2_STREAMS;
    return fits && (served == 0 || h->users - h->answered < served);
}

/* ---- A stream -------------------------------------------------------------------------------- */

static ssize_t give_body(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t size, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    kt__client_stream *st = source->ptr;
    size_t left = st->out.size - st->out_at;
    size_t n = left < size ? left : size;
    (void)session;
    (void)id;
    if (n > 0)
        worth_something(user);
    if (st->abandoned)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    kt_event_set(&st->changed);
    if (n == 0 && !st->out_ended)
        return NGHTTP2_ERR_DEFERRED;
    if (n > 0)
        memcpy(bytes, st->out.data + st->out_at, n);
    st->out_at += n;
    if (st->out_ended && st->out_at == st->out.size) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        st->end_given = true;
    }
    return (ssize_t)n;
}

static nghttp2_nv pair(kt_slice name, kt_slice value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data, name.size, value.size,
                        NGHTTP2_NV_FLAG_NONE};
}

static int lower(kt__http_call *c, kt_slice *name)
{
    char *copy = kt__client_alloc(c, name->size + 1);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < name->size; i++)
        copy[i] = (char)(name->data[i] >= 'A' && name->data[i] <= 'Z' ? name->data[i] | 0x20 : name->data[i]);
    name->data = copy;
    return 0;
}

/* RFC 9113 section 8.3.1. Host stands in :authority. An upgrade is an extended CONNECT, and of a WebSocket's the key is
 * not used (RFC 8441 sections 4 and 5). */
static int put_head(kt__http_call *c, nghttp2_nv *nv, size_t *ret_count)
{
    const char *upgrade = c->request->upgrade;
    const kt__client_field *host = kt__client_field_find(c, "Host");
    const kt__client_field *key = upgrade ? kt__client_field_find(c, "Sec-WebSocket-Key") : NULL;
    size_t count = 0;
    nv[count++] = pair(kt_slice_from(":method"), kt_slice_from(upgrade ? "CONNECT" : c->method));
    if (upgrade)
        nv[count++] = pair(kt_slice_from(":protocol"), kt_slice_from(upgrade));
    nv[count++] = pair(kt_slice_from(":scheme"), kt_slice_from(kt_url_is_secure(&c->url) ? "https" : "http"));
    nv[count++] = pair(kt_slice_from(":authority"), host ? host->value : c->url.authority);
    nv[count++] = pair(kt_slice_from(":path"), c->url.target);
    for (size_t i = 0; i < c->field_count; i++) {
        kt_slice name = c->fields[i].name;
        if (&c->fields[i] == host || &c->fields[i] == key)
            continue;
        int rc = lower(c, &name);
        if (rc < 0)
            return rc;
        nv[count++] = pair(name, c->fields[i].value);
    }
    *ret_count = count;
    return 0;
}

static int put_length(kt__http_call *c, nghttp2_nv *nv, size_t *count)
{
    char *text = kt__client_alloc(c, 24);
    if (!text)
        return -ENOMEM;
    int n = snprintf(text, 24, "%llu", (unsigned long long)c->body.size);
    nv[(*count)++] = pair(kt_slice_from("content-length"), (kt_slice){text, (size_t)n});
    return 0;
}

int kt__client_h2_submit(kt__client_h2 *h, kt__client_stream *st, kt__http_call *c)
{
    const nghttp2_data_provider body = {{.ptr = st}, give_body};
    nghttp2_nv *nv = kt_calloc(c->field_count + 6, sizeof *nv);
    size_t count = 0;
    if (!nv)
        return -ENOMEM;
    int rc = put_head(c, nv, &count);
    if (rc == 0 && c->body.is_there && c->body.size != KT__HTTP_UNLIMITED)
        rc = put_length(c, nv, &count);
    if (rc == 0) {
        bool sends = c->body.is_there || c->request->upgrade;
        int32_t id = nghttp2_submit_request(h->session, NULL, nv, count, sends ? &body : NULL, st);
        st->id = id;
        rc = id < 0 ? code_of(id) : 0;
    }
    kt_free(nv);
    return rc;
}

/* The library knows a stream from when its head is composed until it is closed. */
bool kt__client_h2_is_unsent(const kt__client_stream *st)
{
    return st->id > 0 && !st->closed && !nghttp2_session_find_stream(st->h2->session, st->id);
}

void kt__client_h2_resume(kt__client_stream *st)
{
    if (!st->closed)
        (void)nghttp2_session_resume_data(st->h2->session, st->id); /* it may not have been deferred */
    kt_event_set(&st->h2->wanted);
}

void kt__client_h2_consumed(kt__client_stream *st, size_t size)
{
    if (nghttp2_session_consume(st->h2->session, st->id, size) == NGHTTP2_ERR_NOMEM)
        return; /* with the next piece */
    kt_event_set(&st->h2->wanted);
}

bool kt__client_h2_extends(const kt__client_conn *conn)
{
    const kt__client_h2 *h = conn->h2;
    return nghttp2_session_get_remote_settings(h->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

void kt__client_h2_reset(kt__client_stream *st)
{
    if (!st->closed) /* without memory it ends with its users, or its connection */
        (void)nghttp2_submit_rst_stream(st->h2->session, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_CANCEL);
    kt_event_set(&st->h2->wanted);
}

void kt__client_h2_cancel(kt__client_stream *st)
{
    nghttp2_session *session = st->h2->session;
    size_t left = st->in.size - st->at;
    if (left > 0)
        (void)nghttp2_session_consume_connection(session, left);
    kt_event_set(&st->h2->wanted);
    if (st->closed || st->id <= 0) {
        kt__client_stream_free(st);
        return;
    }
    st->abandoned = true;
    expect_late(st->h2, st->id); /* from now on the session drops it, though the server may hear of it much later */
    /* Without memory the server goes on in vain, until its window is used up. */
    (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_CANCEL);
}
