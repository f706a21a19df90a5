/* SPDX-License-Identifier: MIT */
/* What a caller sees of an answer. */
#include "http/client.h"

#define PIECE_BYTES ((size_t)4096)

/* ---- Life ------------------------------------------------------------------------------------ */

int kt__client_response_new(kt__http_call *c, kt_http_response **ret_response)
{
    kt_http_response *r = kt_calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->session = c->session;
    r->session->references++;
    r->between = c->timeouts.between;
    r->deadline = c->deadline;
    r->received_max = c->session->o.body_bytes_max ? c->session->o.body_bytes_max : UINT64_MAX;
    r->redirects = c->redirects;
    r->whole = (kt_buffer)KT_BUFFER_INIT_MAX(SIZE_MAX);
    *ret_response = r;
    return 0;
}

static void head_release(kt_http_response *r)
{
    kt_free(r->head);
    kt_free(r->headers);
    r->head = NULL;
    r->headers = NULL;
    r->header_count = 0;
}

/* Gives the connection back. */
static void end(kt_http_response *r)
{
    if (r->sender && kt__client_sender_end(kt_steal(r->sender)) != 0)
        r->keep = false;
    if (r->conn && r->conn->h2)
        kt__client_h2_end(r);
    else
        kt__client_h1_end(r);
}

void kt_http_response_close(kt_http_response *r)
{
    if (!r)
        return;
    kt_cancel_hold();
    kt__client_cache_close(r);
    end(r);
    kt_cancel_unhold();
    head_release(r);
    kt__client_decoder_free(r->decoder);
    kt_buffer_release(&r->whole);
    kt_free(r->trailer_text);
    kt_free(r->trailers);
    kt_free(r->url);
    kt__client_session_unref(r->session);
    kt_free(r);
}

/* ---- The head -------------------------------------------------------------------------------- */

static void move_slice(kt_slice *s, const char *from, char *to)
{
    if (s->data)
        s->data = to + (s->data - from);
}

int kt__client_response_head(kt_http_response *r, const kt__http_head *head, const char *bytes, size_t size)
{
    head_release(r);
    r->status = head->status;
    r->reason = head->reason;
    r->head = kt_strndup(bytes, size);
    r->headers = kt_calloc(head->header_count + 1, sizeof *r->headers);
    if (!r->head || !r->headers)
        return -ENOMEM;
    r->header_count = head->header_count;
    memcpy(r->headers, head->headers, head->header_count * sizeof *r->headers);
    move_slice(&r->reason, bytes, r->head);
    for (size_t i = 0; i < r->header_count; i++) {
        move_slice(&r->headers[i].name, bytes, r->head);
        move_slice(&r->headers[i].value, bytes, r->head);
    }
    return 0;
}

static char *put(char *p, kt_slice *s)
{
    memcpy(p, s->data, s->size);
    s->data = p;
    return p + s->size;
}

int kt__client_response_trailers(kt_http_response *r, const kt__http_header *trailers, size_t count)
{
    size_t size = 1;
    for (size_t i = 0; i < count; i++)
        size += trailers[i].name.size + trailers[i].value.size;
    if (count == 0)
        return 0;
    r->trailer_text = kt_alloc(size);
    r->trailers = kt_calloc(count, sizeof *r->trailers);
    if (!r->trailer_text || !r->trailers) {
        r->trailer_count = 0;
        return -ENOMEM;
    }
    memcpy(r->trailers, trailers, count * sizeof *trailers);
    r->trailer_count = count;
    char *p = r->trailer_text;
    for (size_t i = 0; i < count; i++)
        p = put(put(p, &r->trailers[i].name), &r->trailers[i].value);
    return 0;
}

void kt__client_settle(kt_http_response *r)
{
    if (kt__client_switched(r))
        return;
    if (r->conn->h2)
        r->ended = r->framing == KT__HTTP_NO_BODY;
    else
        kt__client_h1_look(r);
    if (r->ended && !r->sender)
        end(r);
}

char *kt__client_url_shown(const kt_url *url)
{
    size_t size = url->scheme.size + 3 + url->authority.size + url->target.size;
    char *text = kt_alloc(size + 1);
    if (text)
        snprintf(text, size + 1, "%.*s://%.*s%.*s", (int)url->scheme.size, url->scheme.data, (int)url->authority.size,
                 url->authority.data, (int)url->target.size, url->target.data);
    return text;
}

/* ---- Facts ----------------------------------------------------------------------------------- */

int kt_http_response_status(const kt_http_response *r)
{
    return r->status;
}

kt_slice kt_http_response_reason(const kt_http_response *r)
{
    return r->reason;
}

static kt_slice value_of(const kt__http_header *h)
{
    return h ? h->value : (kt_slice){NULL, 0};
}

kt_slice kt_http_response_header(const kt_http_response *r, const char *name)
{
    return value_of(kt__http_header_find(r->headers, r->header_count, name));
}

bool kt_http_response_header_at(const kt_http_response *r, size_t index, kt_slice *ret_name, kt_slice *ret_value)
{
    if (index >= r->header_count)
        return false;
    *ret_name = r->headers[index].name;
    *ret_value = r->headers[index].value;
    return true;
}

kt_slice kt_http_response_trailer(const kt_http_response *r, const char *name)
{
    return value_of(kt__http_header_find(r->trailers, r->trailer_count, name));
}

const char *kt_http_response_url(const kt_http_response *r)
{
    return r->url;
}

unsigned kt_http_response_redirects(const kt_http_response *r)
{
    return r->redirects;
}

int kt_http_response_version(const kt_http_response *r)
{
    return r->version;
}

kt_http_source kt_http_response_source(const kt_http_response *r)
{
    return r->source;
}

int64_t kt_http_response_length(const kt_http_response *r)
{
    return r->length;
}

/* ---- The body -------------------------------------------------------------------------------- */

static int too_long(kt_http_response *r)
{
    r->rc = kt_error_set(KT_ELIMIT, "the answer's body is longer than %llu bytes", (unsigned long long)r->received_max);
    return r->rc;
}

/* What a cache has kept. */
static ssize_t read_kept(kt_http_response *r, void *buffer, size_t size)
{
    size_t n = r->pending.size < size ? r->pending.size : size;
    if (n > 0)
        memcpy(buffer, r->pending.data, n);
    r->pending = (kt_slice){r->pending.data + n, r->pending.size - n};
    return (ssize_t)n;
}

/* The answer may have ended before the request has: its last read waits for that. */
static ssize_t end_both(kt_http_response *r, ssize_t n)
{
    if (n > 0)
        return n;
    kt__client_phase phase;
    kt__client_phase_begin(&phase, "sending the request", KT_FOREVER, r->deadline);
    int rc = kt__client_phase_end(&phase, kt__client_sender_wait(r->sender));
    if (r->sender->rc > 0 && kt_is_cancel(rc))
        return rc; /* the next read waits again */
    bool failed = r->sender->rc > 0 || kt__client_sender_failed(r->sender);
    end(r);
    r->rc = failed ? rc : 0;
    return r->rc;
}

ssize_t kt__client_read_raw(kt_http_response *r, void *buffer, size_t size)
{
    if (!r->conn)
        return r->hit ? read_kept(r, buffer, size) : 0;
    if (kt_now() >= r->deadline) /* a read that need not wait is in no phase */
        return r->rc = kt__client_late("reading the answer");
    ssize_t n = r->conn->h2 ? kt__client_h2_read(r, buffer, size) : kt__client_h1_read(r, buffer, size);
    if (n > 0)
        kt__client_cache_piece(r, buffer, (size_t)n);
    if (n < 0 || !r->ended || r->pending.size > 0)
        return n;
    if (r->sender)
        return end_both(r, n);
    end(r);
    return n;
}

ssize_t kt_http_response_read(kt_http_response *r, void *buffer, size_t size)
{
    if (size == 0)
        return kt_error_set(-EINVAL, "a read of no bytes");
    if (r->rc < 0)
        return r->rc;
    if (kt__client_switched(r))
        return kt_error_set(KT_EINVALIDSTATE, "the connection speaks another protocol");
    ssize_t n = r->decoder ? kt__client_decode(r, buffer, size) : kt__client_read_raw(r, buffer, size);
    if (n > 0)
        r->received += (uint64_t)n;
    if (r->received > r->received_max)
        return too_long(r);
    return n == 0 ? kt__client_cache_end(r) : n;
}

/* Room for what is announced, or for a piece, growing by halves. */
static size_t room_wanted(const kt_http_response *r, size_t size_max)
{
    size_t wanted = r->whole.size / 2 + PIECE_BYTES;
    if (r->length >= 0 && (uint64_t)r->length > r->whole.size)
        wanted = (size_t)r->length - r->whole.size;
    /* A length is a claim: memory is for bytes that come. */
    if (wanted > KT__CLIENT_TRUSTED_BYTES && wanted > r->whole.size + KT__CLIENT_TRUSTED_BYTES)
        wanted = r->whole.size + KT__CLIENT_TRUSTED_BYTES;
    size_t left = size_max - r->whole.size;
    return wanted < left ? wanted : left;
}

int kt_http_response_read_all(kt_http_response *r, size_t size_max, kt_slice *ret_body)
{
    kt_buffer *b = &r->whole;
    if (r->length >= 0 && (uint64_t)r->length > size_max)
        return kt_error_set(KT_ELIMIT, "the answer's body has %lld bytes", (long long)r->length);
    for (;;) {
        char more[1];
        bool full = b->size >= size_max;
        int rc = kt_buffer_reserve(b, (full ? 0 : room_wanted(r, size_max)) + 1); /* a terminator */
        if (rc < 0)
            return rc;
        ssize_t n = full ? kt_http_response_read(r, more, 1)
                         : kt_http_response_read(r, b->data + b->size, b->capacity - 1 - b->size);
        if (n < 0)
            return (int)n;
        if (n > 0 && (full || b->size + (size_t)n > size_max))
            return kt_error_set(KT_ELIMIT, "the answer's body is longer than %zu bytes", size_max);
        if (n == 0)
            break;
        b->size += (size_t)n;
    }
    b->data[b->size] = '\0';
    *ret_body = kt_buffer_slice(b);
    return 0;
}

int kt_http_response_stream(kt_http_response *r, kt_stream **ret_stream)
{
    if (!kt__client_switched(r) || !r->conn)
        return kt_error_set(KT_EINVALIDSTATE, "the answer was %d: the connection still speaks HTTP", r->status);
    *ret_stream = r->upgraded ? r->upgraded : r->conn->stream;
    return 0;
}
