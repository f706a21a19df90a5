/* SPDX-License-Identifier: MIT */
/* One attempt over HTTP/1.1 (RFC 9112): the head and the body go out, the answer's head comes in; later its body. */
#include "http/client.h"
#include "http/parser_internal.h"

/* A body of bytes up to this size leaves together with its head, and nobody listens meanwhile: no server can answer
 * so early that this would block. */
#define INLINE_BYTES ((size_t)64 * 1024)
#define PIECE_BYTES ((size_t)64 * 1024)
/* Bytes that a parser may hold back within a body: a trailer section, or a chunk's line. */
#define BODY_BYTES_BUFFERED ((size_t)64 * 1024)
/* From here on it pays to receive straight into the reader's memory. */
#define DIRECT_BYTES 4096
/* Of a body that nobody wants, so much is skipped for the sake of the connection. */
#define SKIP_BYTES ((uint64_t)64 * 1024)
/* "reasonable", RFC 9110 section 10.1.1. */
#define CONTINUE_WAIT KT_S(1)

/* One attempt. */
typedef struct exchange {
    kt__http_call *c;
    kt__client_conn *conn;
    kt_http_response *r;
    kt_buffer head;
    bool heard;      /* something of an answer has come */
    bool has_head;   /* of the final answer */
    bool may_go_on;  /* 100 has come */
    int sent;        /* how the sending went */
} exchange;

static void exchange_cleanup(exchange *x)
{
    kt_buffer_release(&x->head);
}

/* ---- Sending --------------------------------------------------------------------------------- */

static int write_pieces(const kt__client_sender *s, struct iovec *pieces, size_t count)
{
    kt__client_phase phase;
    kt__client_phase_begin(&phase, "sending the request", s->limit, s->deadline);
    return kt__client_phase_end(&phase, kt_stream_writev(s->conn->stream, pieces, count));
}

static int send_piece(const kt__client_sender *s, char *bytes, size_t size)
{
    char line[32];
    bool chunked = s->body.size == KT__HTTP_UNLIMITED;
    int n = snprintf(line, sizeof line, "%zx\r\n", size);
    struct iovec pieces[] = {{line, (size_t)n}, {bytes, size}, {line + n - 2, 2}};
    return chunked ? write_pieces(s, pieces, 3) : write_pieces(s, &pieces[1], 1);
}

/* Bytes are sent from where they lie. */
static int send_bytes(kt__client_sender *s)
{
    kt__client_body *b = &s->body;
    int rc = 0;
    b->begun = true;
    while (rc == 0 && (uint64_t)b->at < b->size) {
        uint64_t left = b->size - (uint64_t)b->at;
        size_t n = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        struct iovec piece = {(char *)(uintptr_t)b->bytes + b->at, n};
        rc = write_pieces(s, &piece, 1);
        b->at += (int64_t)n;
    }
    return rc;
}

static int send_pieces(kt__client_sender *s)
{
    char *buffer = kt_alloc(PIECE_BYTES), end[] = "0\r\n\r\n";
    ssize_t n = buffer ? 1 : -ENOMEM;
    while (n > 0) {
        n = kt__client_body_read(&s->body, buffer, PIECE_BYTES);
        int rc = n > 0 ? send_piece(s, buffer, (size_t)n) : 0;
        n = rc < 0 ? rc : n;
    }
    kt_free(buffer);
    struct iovec last = {end, sizeof end - 1};
    return n == 0 && s->body.size == KT__HTTP_UNLIMITED ? write_pieces(s, &last, 1) : (int)n;
}

/* A server may answer before it has read everything, and then stop reading: its answer counts. */
static bool is_deaf(int rc)
{
    return rc == -EPIPE || rc == -ECONNRESET;
}

/* From when all is sent the answer's time runs; who hears it ends this. After a failure there is nothing to hear. */
static int send_body(kt__client_sender *s)
{
    int rc = s->rc = s->body.bytes ? send_bytes(s) : send_pieces(s);
    if (!s->heard && (rc == 0 || is_deaf(rc))) {
        int slept = kt_sleep(s->patience);
        if (slept < 0)
            return slept;
        rc = s->rc = kt__client_too_late("waiting for the answer", s->patience);
    }
    if (kt__client_sender_failed(s))
        kt_stream_hang_up(s->conn->stream, true);
    return rc;
}

static int send_head(exchange *x, bool with_body)
{
    kt__http_call *c = x->c;
    const kt__client_sender s = {.conn = x->conn, .limit = c->timeouts.send, .deadline = c->deadline};
    struct iovec pieces[] = {{x->head.data, x->head.size}, {(void *)(uintptr_t)c->body.bytes, 0}};
    if (with_body) {
        pieces[1].iov_len = (size_t)c->body.size;
        c->body.begun = true;
    }
    return write_pieces(&s, pieces, with_body ? 2 : 1);
}

/* ---- The answer's head ----------------------------------------------------------------------- */

static void await_answer(const exchange *x)
{
    kt__http_parser_answers(&x->conn->parser, kt__client_is_head(x->c) ? KT__HTTP_TO_HEAD : KT__HTTP_TO_OTHER);
}

static int protocol_error(const kt__client_conn *conn, int rc)
{
    const kt__http_error *e = &conn->parser.error;
    return kt_error_set(rc, "answer: %s at byte %llu", e->reason, (unsigned long long)e->offset);
}

static int take_head(exchange *x, const kt__http_event *e, const char *bytes, size_t size)
{
    const kt__http_head *head = e->head;
    if (head->status == 101 && !x->c->request->upgrade)
        return kt_error_set(KT_EPROTOCOL, "the server switched protocols unasked");
    if (head->status < 200 && head->status != 101) {
        x->may_go_on = x->may_go_on || head->status == 100;
        return 0;
    }
    x->has_head = true;
    x->r->version = head->minor ? 11 : 10;
    x->r->framing = head->framing;
    x->r->left = head->content_length;
    x->r->length = head->framing == KT__HTTP_LENGTH ? (int64_t)head->content_length
                                                    : -(head->framing != KT__HTTP_NO_BODY);
    x->r->keep = head->keep_alive && head->status != 101;
    return kt__client_response_head(x->r, head, bytes, size);
}

/* One event out of what has been received. 1, 0 if more is needed, or an error. */
static int step(exchange *x)
{
    kt__client_conn *conn = x->conn;
    kt_slice in = kt_stream_buffered(conn->stream);
    kt__http_event e;
    ssize_t n = kt__http_parser_feed(&conn->parser, in.data, in.size, &e);
    if (n < 0)
        return protocol_error(conn, (int)n);
    int rc = e.type == KT__HTTP_HEAD ? take_head(x, &e, in.data, (size_t)n) : 0;
    kt_stream_consume(conn->stream, (size_t)n);
    if (rc < 0 || e.type == KT__HTTP_NEED_MORE)
        return rc;
    if (e.type == KT__HTTP_END) { /* RFC 9110 section 15.2: an interim answer */
        kt__http_parser_reset(&conn->parser);
        await_answer(x);
    }
    return 1;
}

/* Fills the stream's buffer further, whatever is left in it. */
static int receive(kt_stream *s, size_t size_max)
{
    kt_slice bytes;
    size_t have = kt_stream_buffered(s).size;
    ssize_t n = kt_stream_fill(s, have, size_max, &bytes);
    return n < 0 ? (int)n : (size_t)n > have;
}

static int no_answer(const exchange *x, int rc)
{
    if (x->conn->closed_under)
        return kt_error_set(KT_ECLOSED, "the session was closed");
    if (rc == 0)
        return kt_error_set(KT_EINCOMPLETE, "the server closed before its answer");
    return rc;
}

/* Until the final head is there, or (if `until_leave`) an interim one that lets the body go. */
static int hear(exchange *x, bool until_leave)
{
    size_t size_max = x->c->session->o.header_bytes_max + (size_t)32 * 1024;
    for (;;) {
        int rc = step(x);
        if (rc < 0 || x->has_head || (until_leave && x->may_go_on))
            return rc < 0 ? rc : 0;
        if (rc > 0)
            continue;
        rc = receive(x->conn->stream, size_max);
        if (rc <= 0)
            return no_answer(x, rc);
        x->heard = true;
    }
}

static int hear_in_time(exchange *x)
{
    kt__client_phase phase;
    kt__client_phase_begin(&phase, "waiting for the answer", x->c->timeouts.first_byte, x->c->deadline);
    return kt__client_phase_end(&phase, hear(x, false));
}

/* ---- An attempt ------------------------------------------------------------------------------ */

/* RFC 9110 section 10.1.1: the body goes when the server says so, or says nothing. */
static int hear_leave(exchange *x)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, CONTINUE_WAIT);
    int rc = kt_timeout_end(&limit, hear(x, true));
    return rc == KT_ETIMEDOUT && kt_timeout_expired(&limit) ? 0 : rc;
}

/* Hears the answer while a task sends the body: who is refused early need not send it all. */
static int send_and_hear(exchange *x)
{
    kt__client_sender *s = NULL;
    kt__client_phase phase;
    int rc = kt__client_sender_start(x->c, send_body, &s);
    if (rc < 0)
        return rc;
    kt__client_phase_begin(&phase, "waiting for the answer", KT_FOREVER, x->c->deadline);
    rc = kt__client_phase_end(&phase, hear(x, false));
    s->heard = rc == 0;
    bool goes_on = rc == 0 && s->rc > 0 && x->r->status < 300;
    if (goes_on && x->c->request->duplex) {
        x->r->sender = s;
        return 0;
    }
    if (goes_on)
        rc = kt__client_sender_wait(s);
    if (is_deaf(rc) && x->has_head)
        rc = 0;
    bool failed = kt__client_sender_failed(s);
    x->c->body = s->body;
    x->sent = kt__client_sender_end(s);
    return failed && !kt_is_cancel(rc) ? x->sent : rc;
}

static int converse(exchange *x)
{
    kt__http_call *c = x->c;
    bool asks = kt__client_expects(c);
    bool whole = c->body.bytes && c->body.is_there && c->body.size <= INLINE_BYTES && !asks;
    int rc = x->sent = send_head(x, whole);
    if (rc < 0 && !is_deaf(rc))
        return rc;
    if (rc < 0) /* whatever it still reads has an end */
        (void)!kt_stream_shutdown_write(x->conn->stream);
    if (rc == 0 && asks) {
        rc = hear_leave(x);
        if (rc < 0)
            return rc;
        if (x->has_head) { /* it does not want the body, which it might take for the next request's head */
            x->r->keep = false;
            return 0;
        }
    }
    if (c->body.is_there && !whole && rc == 0)
        return send_and_hear(x);
    return hear_in_time(x);
}

int kt__client_h1_exchange(kt__http_call *c, bool *ret_silent)
{
    __attribute__((cleanup(exchange_cleanup))) exchange x = {.c = c, .conn = c->conn, .r = c->response};
    int rc = kt__client_head_put(c, &x.head);
    if (rc < 0)
        return rc;
    kt__http_parser_reset(&x.conn->parser);
    await_answer(&x);
    rc = converse(&x);
    *ret_silent = !x.heard;
    if (x.sent != 0)
        x.r->keep = false;
    /* What could not be sent explains best why there is no answer. */
    if (rc < 0 && x.sent < 0 && !x.heard && !kt_is_cancel(rc) && !kt_is_cancel(x.sent))
        return x.sent;
    return rc;
}

/* ---- The body -------------------------------------------------------------------------------- */

static int broken(kt_http_response *r, int rc)
{
    if (!kt_is_cancel(rc) && rc != -ENOMEM)
        r->rc = rc;
    return rc;
}

static int cut_off(kt_http_response *r, int rc)
{
    if (r->conn->closed_under)
        return broken(r, kt_error_set(KT_ECLOSED, "the session was closed"));
    if (rc < 0)
        return broken(r, rc);
    kt__http_event e;
    rc = kt__http_parser_eof(&r->conn->parser, &e);
    if (rc <= 0)
        return broken(r, kt_error_set(KT_EINCOMPLETE, "the server closed before the end of its answer"));
    r->ended = true;
    return 0;
}

/* A piece of a body with a length, into the reader's memory; the parser only looks on. */
static ssize_t receive_direct(kt_http_response *r, void *buffer, size_t size)
{
    kt__http_event e;
    ssize_t n = kt_stream_read(r->conn->stream, buffer, size < r->left ? size : (size_t)r->left);
    if (n <= 0)
        return cut_off(r, (int)n);
    if (kt__http_parser_feed(&r->conn->parser, buffer, (size_t)n, &e) != n)
        return broken(r, kt_error_set(KT_EPROTOCOL, "bad framing"));
    r->left -= (uint64_t)n;
    return n;
}

/* Parses what has been received: sets r->pending or r->ended. 1; 0 if there is nothing more to it; or a failure. */
static int parse(kt_http_response *r)
{
    kt__client_conn *conn = r->conn;
    kt_slice in = kt_stream_buffered(conn->stream);
    kt__http_event e;
    ssize_t n = kt__http_parser_feed(&conn->parser, in.data, in.size, &e);
    if (n < 0)
        return broken(r, protocol_error(conn, (int)n));
    r->ended = e.type == KT__HTTP_END;
    int rc = r->ended ? kt__client_response_trailers(r, e.trailers, e.trailer_count) : 0;
    kt_stream_consume(conn->stream, (size_t)n);
    if (rc < 0)
        return rc; /* the body is whole, and the trailers are lost */
    if (e.type == KT__HTTP_BODY) {
        r->pending = e.body;
        r->left -= r->framing == KT__HTTP_LENGTH ? e.body.size : 0;
    }
    return e.type != KT__HTTP_NEED_MORE;
}

/* Goes on: as parse(), or stores bytes in `buffer` and says how many. 0, or a failure. */
static ssize_t advance(kt_http_response *r, void *buffer, size_t size)
{
    kt_stream *s = r->conn->stream;
    int rc = parse(r);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    bool pays = size >= DIRECT_BYTES || size >= r->left;
    if (r->framing == KT__HTTP_LENGTH && pays && kt_stream_buffered(s).size == 0)
        return receive_direct(r, buffer, size);
    rc = receive(s, BODY_BYTES_BUFFERED);
    return rc <= 0 ? cut_off(r, rc) : 0;
}

static ssize_t read_on(kt_http_response *r, void *buffer, size_t size)
{
    while (r->pending.size == 0) {
        if (r->ended)
            return 0;
        ssize_t n = advance(r, buffer, size);
        if (n != 0)
            return n;
    }
    size_t n = r->pending.size < size ? r->pending.size : size;
    memcpy(buffer, r->pending.data, n);
    r->pending.data += n;
    r->pending.size -= n;
    return (ssize_t)n;
}

ssize_t kt__client_h1_read(kt_http_response *r, void *buffer, size_t size)
{
    kt__client_phase phase;
    kt__client_phase_begin(&phase, "reading the answer", r->between, r->deadline);
    ssize_t n = read_on(r, buffer, size);
    int rc = kt__client_phase_end(&phase, n < 0 ? (int)n : 0);
    if (rc < 0 && !kt_is_cancel(rc) && r->sender && kt__client_sender_failed(r->sender))
        rc = r->sender->rc;
    if (rc < 0)
        return broken(r, rc);
    if (rc == 0)
        kt__client_h1_look(r);
    return rc < 0 ? rc : n;
}

/* Has the last byte come, it ends here and now, so that the connection need not wait for another read. */
void kt__client_h1_look(kt_http_response *r)
{
    if (r->pending.size == 0 && !r->ended && r->rc == 0)
        (void)!parse(r); /* a failure is kept */
}

/* Only what has been received already, so that nobody waits. */
static void skip(kt_http_response *r)
{
    uint64_t skipped = 0;
    int rc = 1;
    while (!r->ended && rc > 0 && skipped <= SKIP_BYTES) {
        skipped += r->pending.size;
        rc = parse(r);
    }
}

void kt__client_h1_end(kt_http_response *r)
{
    kt__client_conn *conn = r->conn;
    if (!conn)
        return;
    if (r->rc == 0 && r->keep)
        skip(r);
    r->conn = NULL;
    r->pending.size = 0;
    kt__client_release(conn, r->ended && r->rc == 0 && r->keep ? KT__CLIENT_KEEP : KT__CLIENT_DROP);
}
