/* SPDX-License-Identifier: MIT */
/* Reading, and the end of a WebSocket. */
#include <errno.h>
#include <kettle/memory.h>
#include <kettle/stream_backend.h>
#include <kettle/task.h>
#include <kettle/timeout.h>

#include "http/server.h"
#include "http/websocket_private.h"

#define DRAINED_MAX ((size_t)1024 * 1024) /* of what a server sends behind our close */
#define LATE_MAX ((size_t)1024 * 1024)    /* of what has come in time, and is read when the peer's close is overdue */

enum {
    FIRST_BYTES = 512,      /* a first read takes this much, into the task's stack: so an idle connection has no
                             * buffer, and its stack needs one page */
    IN_BYTES = 16 * 1024,
    INFLATE_BYTES = 4096,
    WINDOW_MIN = 9,
    WINDOW_MAX = 15,
    CODE_DONE = 1000,
    CODE_NONE = 1005,
    CODE_CUT = 1006,
    CODE_NOT_UTF8 = 1007,
    CODE_TOO_LONG = 1009,
};

/* After so much silence a connection counts as idle. */
#define REST_AFTER KT_S(1)

#define OR_DEFAULT(field, value) ((field) = (field) ? (field) : (value))

/* ---- Making --------------------------------------------------------------------------------- */

int kt__ws_options_fill(const kt_websocket_options *given, kt_websocket_options *ret)
{
    kt_websocket_options o = given ? *given : (kt_websocket_options){0};
    if (o.deflate_window_bits && (o.deflate_window_bits < WINDOW_MIN || o.deflate_window_bits > WINDOW_MAX))
        return kt_error_set(-EINVAL, "deflate_window_bits is 9 to 15, not %d", o.deflate_window_bits);
    OR_DEFAULT(o.message_bytes_max, (size_t)1024 * 1024);
    OR_DEFAULT(o.deflate_window_bits, WINDOW_MAX);
    OR_DEFAULT(o.deflate_from, 64);
    OR_DEFAULT(o.ping_interval, KT_S(20));
    OR_DEFAULT(o.ping_timeout, KT_S(20));
    OR_DEFAULT(o.close_timeout, KT_S(10));
    *ret = o;
    return 0;
}

kt_websocket *kt__ws_new(kt_stream *s, bool client, const kt_websocket_options *o, const kt__ws_deflate *deflate)
{
    kt_websocket *ws = kt_calloc(1, sizeof *ws);
    if (!ws)
        return NULL;
    ws->stream = s;
    ws->client = client;
    ws->message_bytes_max = o->message_bytes_max;
    ws->ping_interval = o->ping_interval;
    ws->ping_timeout = o->ping_timeout;
    ws->close_timeout = o->close_timeout;
    ws->write_timeout = o->write_timeout;
    ws->deflate_from = o->deflate_from;
    if (deflate)
        ws->deflate = *deflate;
    ws->reader = (kt__ws_reader){.masked = !client, .extended = ws->deflate.on};
    ws->writing = (kt_lock)KT_LOCK_INIT;
    ws->message.size_max = SIZE_MAX / 2;
    ws->read_rc = 1;
    return ws;
}

int kt_websocket_over(kt_stream *s, bool client, const kt_websocket_options *options, kt_websocket **ret_ws)
{
    kt_websocket_options o;
    int rc = kt__ws_options_fill(options, &o);
    if (rc < 0)
        return rc;
    kt_websocket *ws = kt__ws_new(s, client, &o, NULL);
    if (!ws)
        return -ENOMEM;
    ws->owns_stream = true;
    *ret_ws = ws;
    return 0;
}

void kt__ws_free(kt_websocket *ws)
{
    if (ws->parting)
        (void)kt_callback_cancel(&ws->parting->due);
    kt_free(ws->parting);
    kt__encoder_free(ws->deflater);
    kt__decoder_free(ws->inflater);
    kt_buffer_release(&ws->message);
    kt_free(ws->in);
    kt_free(ws->protocol);
    kt_free(ws->reason);
    kt_free(ws);
}

const char *kt_websocket_protocol(const kt_websocket *ws)
{
    return ws->protocol ? ws->protocol : "";
}

int kt_websocket_close_code(const kt_websocket *ws)
{
    return ws->close_code;
}

const char *kt_websocket_close_reason(const kt_websocket *ws)
{
    return ws->reason ? ws->reason : "";
}

/* ---- Failing -------------------------------------------------------------------------------- */

/* Nothing more is read. The peer is told why. */
static int broken(kt_websocket *ws, int rc, int code, const char *why)
{
    ws->read_rc = rc;
    if (code == CODE_CUT)
        OR_DEFAULT(ws->close_code, CODE_CUT);
    else
        kt__ws_answer_close(ws, code, why);
    int told = kt__ws_await_close(ws);
    return told < 0 ? told : kt_error_set(rc, "WebSocket: %s", why);
}

/* ---- The peer's part of the closing handshake ------------------------------------------------ */

static kt_time later(kt_time now, kt_time span)
{
    return span < KT_FOREVER - now ? now + span : KT_FOREVER;
}

/* Whoever waits reads the end. */
static void no_close_came(void *arg)
{
    kt_websocket *ws = arg;
    if (ws->awaited)
        kt_stream_hang_up(ws->stream, false);
}

void kt__ws_closing(kt_websocket *ws)
{
    ws->close_sent = true;
    if (ws->close_code != 0) /* the peer's was first */
        return;
    ws->parting = kt_calloc(1, sizeof *ws->parting);
    if (!ws->parting) { /* nobody could be woken later */
        no_close_came(ws);
        return;
    }
    ws->parting->by = later(kt_now(), ws->close_timeout);
    kt_call_at(&ws->parting->due, ws->parting->by, no_close_came, ws);
}

bool kt__ws_close_is_overdue(const kt_websocket *ws)
{
    return ws->close_sent && (!ws->parting || kt_now() >= ws->parting->by);
}

static int not_closed(kt_websocket *ws)
{
    kt_stream_hang_up(ws->stream, false);
    return broken(ws, KT_EINCOMPLETE, CODE_CUT, "the peer has not answered a close");
}

/* ---- Receiving ------------------------------------------------------------------------------ */

/* Reads, until then at most. The number of bytes, 0 at the end, or the failure; *ret_silent: nothing came in time. */
static ssize_t read_until(kt_websocket *ws, char *bytes, size_t size, kt_time when, bool *ret_silent)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start_at(&limit, when);
    ws->awaited = true;
    ssize_t n = kt_stream_read(ws->stream, bytes, size);
    ws->awaited = false;
    int rc = kt_timeout_end(&limit, n < 0 ? (int)n : 0);
    *ret_silent = rc == KT_ETIMEDOUT && kt_timeout_expired(&limit);
    return n > 0 ? n : rc;
}

/* Until when a peer is waited for that has been silent since then. */
static kt_time patience_ends(const kt_websocket *ws, kt_time since)
{
    if (ws->close_sent)
        return ws->parting ? ws->parting->by : 0;
    if (ws->ping_interval <= 0)
        return KT_FOREVER;
    return later(since, ws->pinged ? ws->ping_timeout : ws->ping_interval);
}

/* Asks a silent peer whether it is there. 0, or what kt_websocket_read returns. */
static int nothing_came(kt_websocket *ws)
{
    /* While a frame waits to be sent the reader must go on reading, for the peer may wait for that. Whether the peer
     * still takes bytes is for the writer to find out. */
    if (ws->close_sent || (!ws->pinged && kt_lock_locked(&ws->writing)))
        return 0;
    if (ws->pinged) /* what could not even be asked takes no close either */
        return broken(ws, -ETIMEDOUT, ws->answers ? CODE_CUT : KT__WS_OUR_FAULT, KT__WS_MUTE);
    ws->pinged = true;
    int rc = kt__ws_answer(ws, KT__WS_PING, (kt_slice){NULL, 0});
    return rc == 0 || kt_is_cancel(rc) ? rc : broken(ws, rc, CODE_CUT, "the connection broke");
}

/* Why no bytes came, where it was not for the time. */
static int ended(kt_websocket *ws, int rc)
{
    if (kt_is_cancel(rc))
        return rc;
    if (kt__ws_close_is_overdue(ws))
        return not_closed(ws);
    if (ws->write_rc == -ETIMEDOUT)
        return broken(ws, -ETIMEDOUT, CODE_CUT, KT__WS_STALLED);
    return rc == 0 ? broken(ws, KT_EINCOMPLETE, CODE_CUT, "the connection ended without a close")
                   : broken(ws, rc, CODE_CUT, "the connection broke");
}

/* What has come before the close was due counts, however late it is read. */
static bool is_in_time(kt_websocket *ws, size_t size)
{
    return ws->parting && (ws->parting->late += size) <= LATE_MAX;
}

/* Waits for bytes, and asks a silent peer whether it is there. At least one, or what kt_websocket_read returns. */
static ssize_t receive(kt_websocket *ws, char *bytes, size_t size)
{
    bool rested = false;
    for (kt_time since = kt_now() - ws->silence, rest = kt_now() + REST_AFTER;;) {
        kt_time until = patience_ends(ws, since);
        bool rests = !rested && until > rest, silent;
        ssize_t n = read_until(ws, bytes, size, rests ? rest : until, &silent);
        bool overdue = kt__ws_close_is_overdue(ws);
        if (n > 0 && (!overdue || is_in_time(ws, (size_t)n))) {
            ws->pinged = false;
            ws->silence = 0;
            return n;
        }
        if (n <= 0 && !silent) {
            ws->silence = kt_now() - since; /* if it was cancelled the next read goes on from there */
            return ended(ws, (int)n);
        }
        if (overdue)
            return not_closed(ws);
        rested = rests;
        if (rests) {
            kt_task_trim();
            continue;
        }
        int rc = nothing_came(ws);
        if (rc < 0)
            return rc;
        ws->silence = 0;
        since = kt_now();
        rest = since + REST_AFTER;
    }
}

/* The first bytes come into the task's stack: an idle connection has no buffer. 1, or as above. */
static int receive_first(kt_websocket *ws)
{
    char bytes[FIRST_BYTES];
    ssize_t n = receive(ws, bytes, sizeof bytes);
    if (n < 0)
        return (int)n;
    ws->in = kt_alloc(IN_BYTES);
    if (!ws->in) {
        if (kt_stream_unread(ws->stream, bytes, (size_t)n) == 0)
            return -ENOMEM;
        return broken(ws, -ENOMEM, KT__WS_OUR_FAULT, "out of memory");
    }
    memcpy(ws->in, bytes, (size_t)n);
    ws->at = 0;
    ws->end = (uint32_t)n;
    return 1;
}

static void release_buffers(kt_websocket *ws)
{
    kt_free(kt_steal(ws->in));
    kt_buffer_release(&ws->message);
}

static int receive_more(kt_websocket *ws)
{
    if (ws->at == ws->end && !ws->in_message)
        release_buffers(ws);
    if (!ws->in)
        return receive_first(ws);
    memmove(ws->in, ws->in + ws->at, ws->end - ws->at); /* what is held back is short */
    ws->end -= ws->at;
    ws->at = 0;
    ssize_t n = receive(ws, ws->in + ws->end, IN_BYTES - ws->end);
    if (n < 0)
        return (int)n;
    ws->end += (uint32_t)n;
    return 1;
}

/* ---- Control frames ------------------------------------------------------------------------- */

/* Answers the peer's close with the same code, if ours was not first. 0: it is over. */
static int closed(kt_websocket *ws, const kt__ws_event *e)
{
    ws->close_code = (uint16_t)e->code;
    ws->reason = e->data.size > 0 ? kt_strndup(e->data.data, e->data.size) : NULL;
    ws->read_rc = 0;
    if (ws->parting)
        (void)kt_callback_cancel(&ws->parting->due);
    kt__ws_answer_close(ws, e->code, "");
    return kt__ws_await_close(ws);
}

/* A ping's answer has its bytes (section 5.5.3). After our close nothing may be sent any more. 1: go on; 0: the peer
 * has closed; or the failure. */
static int control(kt_websocket *ws, const kt__ws_event *e)
{
    if (e->type == KT__WS_CLOSE)
        return closed(ws, e);
    if (e->type == KT__WS_PONG || ws->close_sent)
        return 1;
    int rc = kt__ws_answer(ws, KT__WS_PONG, e->data);
    if (rc == 0 || rc == KT_ECLOSED)
        return 1;
    return kt_is_cancel(rc) ? rc : broken(ws, rc, CODE_CUT, "the connection broke");
}

bool kt__ws_rest(kt_websocket *ws)
{
    if (ws->at < ws->end || ws->in_message || ws->reader.in_frame || ws->reader.message || ws->pending.type != 0)
        return false;
    release_buffers(ws);
    return true;
}

/* The next piece of a message as it came. 1, or what kt_websocket_read returns. */
static int next_piece(kt_websocket *ws, kt__ws_event *e)
{
    if (ws->read_rc <= 0) { /* an earlier read may have been cancelled before the peer was told */
        int told = kt__ws_await_close(ws);
        return told < 0 ? told : ws->read_rc;
    }
    if (ws->pending.type != 0) {
        *e = ws->pending;
        ws->pending.type = 0;
        return 1;
    }
    for (;;) {
        ssize_t n = ws->in ? kt__ws_feed(&ws->reader, ws->in + ws->at, ws->end - ws->at, e) : 0;
        if (n < 0)
            return broken(ws, (int)n, ws->reader.close_code, ws->reader.reason);
        ws->at += (uint32_t)n;
        if (ws->in && e->type != 0 && e->type < KT__WS_CLOSE)
            return 1;
        bool is_control = ws->in && e->type != 0;
        if (!is_control && ws->rounds == 2 && kt__ws_rest(ws))
            return KT__WS_RESTS;
        int rc = is_control ? control(ws, e) : receive_more(ws);
        if (rc <= 0)
            return rc;
        if (!is_control && ws->rounds == 1)
            ws->rounds = 2;
    }
}

/* ---- Pieces --------------------------------------------------------------------------------- */

static void message_begin(kt_websocket *ws, const kt__ws_event *e)
{
    kt_buffer_clear(&ws->message);
    ws->in_message = true;
    ws->message_kind = (uint8_t)e->type;
    ws->message_compressed = e->compressed;
    ws->utf8 = (kt__ws_utf8){0, 0, 0};
    ws->tail_fed = false;
    if (e->compressed && ws->inflater)
        kt__decoder_next(ws->inflater, false);
}

static int inflate_failed(kt_websocket *ws, int rc)
{
    if (rc == -ENOMEM)
        return broken(ws, rc, KT__WS_OUR_FAULT, "out of memory");
    if (rc == KT_ELIMIT)
        return broken(ws, rc, CODE_TOO_LONG, "a message grows beyond measure");
    return broken(ws, KT_EPROTOCOL, CODE_NOT_UTF8, "compressed data that is malformed");
}

/* Decompresses into the end of ws->message, up to `most` bytes in all; what is text must be UTF-8 as far as that.
 * 1: the piece is done; 0: there is more of it. */
static int inflate_some(kt_websocket *ws, uint8_t kind, size_t most)
{
    kt_buffer *b = &ws->message;
    if (kt_buffer_reserve(b, INFLATE_BYTES) < 0)
        return -ENOMEM;
    ssize_t n = kt__ws_decompress(ws, b->data + b->size, b->capacity - b->size);
    if (n < 0)
        return inflate_failed(ws, (int)n);
    size_t fits = most - b->size < (size_t)n ? most - b->size : (size_t)n;
    bool text = kind == KT__WS_TEXT, over = n == 0 && ws->inflating_last;
    if (text && (!kt__ws_utf8_feed(&ws->utf8, b->data + b->size, fits) || (over && ws->utf8.need > 0)))
        return broken(ws, KT_EPROTOCOL, CODE_NOT_UTF8, "text that is not UTF-8");
    if (fits < (size_t)n)
        return broken(ws, KT_ELIMIT, CODE_TOO_LONG, "a message is too long");
    b->size += (size_t)n;
    return n == 0;
}

static void message_end(kt_websocket *ws)
{
    ws->in_message = ws->gathered = false;
    if (ws->message_compressed && ws->inflater)
        kt__decoder_next(ws->inflater, ws->deflate.forget_in);
}

/* Appends the piece to the message. 1, or the failure; with -ENOMEM the rest of the piece waits for another read. */
static int append(kt_websocket *ws, const kt__ws_event *e)
{
    size_t most = ws->message_bytes_max;
    if (!e->compressed) {
        if (e->data.size > most - ws->message.size)
            return broken(ws, KT_ELIMIT, CODE_TOO_LONG, "a message is too long");
        if (kt_buffer_append(&ws->message, e->data.data, e->data.size) == 0)
            return 1;
        ws->pending = *e;
        ws->pending.first = false;
        return -ENOMEM;
    }
    ws->inflating = e->data;
    ws->inflating_last = e->final;
    ws->inflating_more = false; /* what is left of it is in ws->pending */
    int rc;
    do
        rc = inflate_some(ws, (uint8_t)e->type, most);
    while (rc == 0);
    if (rc == -ENOMEM && ws->read_rc > 0) {
        ws->pending = *e;
        ws->pending.first = false;
        ws->pending.data = ws->inflating;
    }
    return rc;
}

int kt__ws_read_once(kt_websocket *ws, kt_websocket_message *ret_message)
{
    kt__ws_event e;
    ws->reader.plain_max = ws->message_bytes_max;
    for (;;) {
        int rc = next_piece(ws, &e);
        if (rc != 1)
            return rc;
        bool alone = e.first && e.final && !e.compressed;
        if (e.first)
            message_begin(ws, &e);
        if (alone && e.data.size > ws->message_bytes_max)
            return broken(ws, KT_ELIMIT, CODE_TOO_LONG, "a message is too long");
        ws->gathered = !alone;
        if (!alone && (rc = append(ws, &e)) < 0)
            return rc;
        if (!e.final)
            continue;
        message_end(ws);
        *ret_message = (kt_websocket_message){
            .kind = (kt_websocket_kind)e.type,
            .data = alone ? e.data : kt_buffer_slice(&ws->message),
            .final = true,
        };
        return 1;
    }
}

int kt_websocket_read(kt_websocket *ws, kt_websocket_message *ret_message)
{
    return kt__ws_read_once(ws, ret_message);
}

/* The next piece of a message; a compressed one waits in ws->inflating. As next_piece. */
static int part_begin(kt_websocket *ws, kt__ws_event *e)
{
    int rc = next_piece(ws, e);
    if (rc <= 0)
        return rc;
    if (e->first)
        message_begin(ws, e);
    ws->inflating = e->compressed ? e->data : (kt_slice){NULL, 0};
    ws->inflating_last = e->compressed && e->final;
    ws->inflating_more = e->compressed;
    return 1;
}

/* What a read had put together when it was cancelled. */
static bool give_gathered(kt_websocket *ws, kt_websocket_message *ret_part)
{
    bool gives = ws->gathered && ws->read_rc > 0 && ws->message.size > 0;
    ws->gathered = false;
    if (gives)
        *ret_part = (kt_websocket_message){
            .kind = (kt_websocket_kind)ws->message_kind, .data = kt_buffer_slice(&ws->message)};
    return gives;
}

int kt_websocket_read_part(kt_websocket *ws, kt_websocket_message *ret_part)
{
    if (give_gathered(ws, ret_part))
        return 1;
    kt__ws_event e = {.type = ws->message_kind, .compressed = true};
    ws->reader.plain_max = 0; /* the limit is one on what is put together */
    for (int rc;;) {
        if (!ws->inflating_more && (rc = part_begin(ws, &e)) <= 0)
            return rc;
        *ret_part = (kt_websocket_message){.kind = (kt_websocket_kind)e.type, .data = e.data, .final = e.final};
        if (e.compressed) {
            kt_buffer_clear(&ws->message);
            rc = inflate_some(ws, (uint8_t)e.type, SIZE_MAX);
            ws->inflating_more = rc == 0 || (rc < 0 && ws->read_rc > 0); /* without memory, it stays where it is */
            if (rc < 0)
                return rc;
            ret_part->data = kt_buffer_slice(&ws->message);
            ret_part->final = rc == 1 && ws->inflating_last;
            if (rc == 1 && !ws->inflating_last)
                continue;
        }
        if (ret_part->final)
            message_end(ws);
        return 1;
    }
}

/* ---- The end -------------------------------------------------------------------------------- */

/* To close with bytes unread is to reset, and a reset may overtake the close that says why (RFC 9112 section 9.6 has
 * the same of HTTP). Who sends more than this learns nothing. */
static void drain(kt_stream *s)
{
    char bytes[512];
    ssize_t n;
    for (size_t left = DRAINED_MAX; left > 0 && (n = kt_stream_read(s, bytes, sizeof bytes)) > 0;)
        left -= left < (size_t)n ? left : (size_t)n;
}

/* The peer's part of the handshake, then, of a server, the end of the connection (section 7.1.1: the server ends
 * it). */
static void await_close(kt_websocket *ws)
{
    kt_websocket_message m;
    int rc;
    while ((rc = kt_websocket_read_part(ws, &m)) > 0)
        ;
    if (ws->client && (rc == 0 || rc == KT_EPROTOCOL || rc == KT_ELIMIT))
        drain(ws->stream);
}

void kt_websocket_close(kt_websocket *ws)
{
    if (!ws)
        return;
    kt_time patience = kt_task_cancelling(kt_task_current()) > 0 ? 0 : ws->close_timeout;
    kt_cancel_hold();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, patience);
    kt__ws_part(ws); /* so that a stop brings it into no other hub */
    kt__ws_leave_hubs(ws);
    kt__ws_answers_end(ws);
    int rc = kt__ws_send_close(ws, CODE_DONE, (kt_slice){NULL, 0});
    if (rc == 0)
        await_close(ws);
    (void)!kt_timeout_end(&limit, 0); /* ended in any case */
    if (ws->response)
        kt_http_response_close(ws->response);
    else if (ws->owns_stream)
        kt_stream_close(ws->stream);
    kt_cancel_unhold();
    kt__ws_free(ws);
}
