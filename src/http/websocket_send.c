/* SPDX-License-Identifier: MIT */
/* Writing: one frame after the other, whole, under the lock. */
#include <errno.h>
#include <kettle/memory.h>
#include <kettle/stream_backend.h>
#include <kettle/task.h>
#include <kettle/timeout.h>
#include <kettle/utf8.h>
#include <sys/random.h>

#include "http/server.h"
#include "http/websocket_private.h"

#define WRITE_TIMEOUT KT_S(30)

enum {
    MASK_BYTES = 4,
    SMALL = 1024,       /* a client's frame up to this size is masked on the stack, and sent in one write */
    CODE_NONE = 1005,
};

/* ---- Peers that take nothing ----------------------------------------------------------------- */

kt_time kt__ws_write_timeout(const kt_websocket *ws)
{
    if (ws->write_timeout != 0)
        return ws->write_timeout > 0 ? ws->write_timeout : KT_FOREVER;
    return ws->exchange ? ws->exchange->c->server->o.write_timeout : WRITE_TIMEOUT;
}

int kt__ws_write(kt_websocket *ws, const struct iovec *pieces, size_t count)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, kt__ws_write_timeout(ws));
    int rc = kt_timeout_end(&limit, kt_stream_writev(ws->stream, pieces, count));
    if (rc != KT_ETIMEDOUT || !kt_timeout_expired(&limit))
        return rc;
    kt_stream_hang_up(ws->stream, true); /* whoever reads from it learns of it */
    return kt_error_set(-ETIMEDOUT, "WebSocket: " KT__WS_STALLED);
}

int kt__ws_write_on(kt_websocket *ws, kt_slice bytes, size_t *at)
{
    int rc = 0;
    while (rc == 0 && *at < bytes.size) {
        size_t left = bytes.size - *at, size = left < KT__WS_STRETCH ? left : KT__WS_STRETCH;
        rc = kt__ws_write(ws, &(struct iovec){(void *)(uintptr_t)(bytes.data + *at), size}, 1);
        if (rc == 0)
            *at += size;
    }
    return rc;
}

/* ---- Masks ---------------------------------------------------------------------------------- */

/* From the system's CSPRNG (RFC 6455 section 10.3). Nothing is kept that a forked child would repeat. */
static int new_mask(uint8_t mask[MASK_BYTES])
{
    ssize_t n;
    do
        n = getrandom(mask, MASK_BYTES, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n == MASK_BYTES ? 0 : -EIO;
}

static int write_small(kt_websocket *ws, unsigned first, kt_slice payload, const uint8_t *mask)
{
    char frame[KT__WS_HEAD_MAX + SMALL];
    size_t head = kt__ws_head_put(frame, first, payload.size, mask);
    if (payload.size > 0)
        memcpy(frame + head, payload.data, payload.size);
    kt__ws_mask(frame + head, payload.size, mask, 0);
    return kt__ws_write(ws, &(struct iovec){frame, head + payload.size}, 1);
}

/* The caller's bytes stay as they are, so a copy is masked, piece by piece. */
static int write_large(kt_websocket *ws, unsigned first, kt_slice payload, const uint8_t *mask)
{
    size_t room = payload.size < KT__WS_STRETCH ? payload.size : KT__WS_STRETCH;
    char *frame = kt_alloc(KT__WS_HEAD_MAX + room);
    if (!frame)
        return -ENOMEM;
    size_t size = kt__ws_head_put(frame, first, payload.size, mask);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < payload.size;) {
        size_t piece = payload.size - at < room ? payload.size - at : room;
        memcpy(frame + size, payload.data + at, piece);
        kt__ws_mask(frame + size, piece, mask, at);
        rc = kt__ws_write(ws, &(struct iovec){frame, size + piece}, 1);
        if (rc < 0 && at > 0)
            ws->write_rc = rc; /* the frame stays cut */
        at += piece;
        size = 0;
    }
    kt_free(frame);
    return rc;
}

static int write_masked(kt_websocket *ws, unsigned first, kt_slice payload)
{
    uint8_t mask[MASK_BYTES];
    int rc = new_mask(mask);
    if (rc < 0)
        return rc;
    return payload.size <= SMALL ? write_small(ws, first, payload, mask) : write_large(ws, first, payload, mask);
}

static int write_plain(kt_websocket *ws, unsigned first, kt_slice payload)
{
    char head[KT__WS_HEAD_MAX];
    size_t at = payload.size < KT__WS_STRETCH ? payload.size : KT__WS_STRETCH;
    const struct iovec pieces[] = {
        {head, kt__ws_head_put(head, first, payload.size, NULL)},
        {(void *)(uintptr_t)payload.data, at},
    };
    int rc = kt__ws_write(ws, pieces, at > 0 ? 2 : 1);
    if (rc == 0 && (rc = kt__ws_write_on(ws, payload, &at)) < 0)
        ws->write_rc = rc; /* the frame stays cut */
    return rc;
}

/* ---- Frames --------------------------------------------------------------------------------- */

/* The lock is held. A cancelled write has sent nothing, or else the stream takes no more. */
static int write_frame(kt_websocket *ws, unsigned first, kt_slice payload)
{
    int rc = ws->client ? write_masked(ws, first, payload) : write_plain(ws, first, payload);
    if (rc < 0 && !kt_is_cancel(rc) && rc != -ENOMEM)
        ws->write_rc = rc;
    return rc;
}

/* Has a close been sent, or will it be the next thing? */
static bool is_closing(const kt_websocket *ws)
{
    return ws->close_sent || (ws->answers && ws->answers->closes);
}

/* What forbids another frame. */
int kt__ws_check_open(const kt_websocket *ws)
{
    if (ws->write_rc < 0)
        return kt_error_set(kt_is_cancel(ws->write_rc) ? KT_EINVALIDSTATE : ws->write_rc,
                            "an earlier frame of this WebSocket could not be sent");
    if (is_closing(ws))
        return kt_error_set(KT_ECLOSED, "this WebSocket has been closed");
    return 0;
}

int kt__ws_send(kt_websocket *ws, unsigned first, kt_slice payload)
{
    int rc = kt_lock_acquire(&ws->writing);
    if (rc < 0)
        return rc;
    rc = kt__ws_check_open(ws);
    if (rc == 0)
        rc = write_frame(ws, first, payload);
    kt_lock_release(&ws->writing);
    return rc;
}

/* Returns the size. */
static size_t close_put(char payload[KT__WS_CONTROL_MAX], int code, kt_slice reason)
{
    if (code == CODE_NONE)
        return 0;
    payload[0] = (char)(code >> 8);
    payload[1] = (char)(code & 0xff);
    if (reason.size > 0)
        memcpy(payload + 2, reason.data, reason.size);
    return 2 + reason.size;
}

/* The lock is held. */
static int write_close(kt_websocket *ws, int code, kt_slice reason)
{
    char payload[KT__WS_CONTROL_MAX];
    size_t size = close_put(payload, code, reason);
    int rc = write_frame(ws, KT__WS_CLOSE | KT__WS_FINAL, (kt_slice){payload, size});
    if (rc == 0)
        kt__ws_closing(ws);
    return rc;
}

int kt__ws_send_close(kt_websocket *ws, int code, kt_slice reason)
{
    int rc = kt_lock_acquire(&ws->writing);
    if (rc < 0)
        return rc;
    if (!is_closing(ws) && (rc = kt__ws_check_open(ws)) == 0)
        rc = write_close(ws, code, reason);
    kt_lock_release(&ws->writing);
    return rc;
}

void kt__ws_send_last(kt_websocket *ws, int code, kt_slice reason)
{
    char payload[KT__WS_CONTROL_MAX], frame[KT__WS_HEAD_MAX + KT__WS_CONTROL_MAX];
    if (kt__ws_check_open(ws) < 0 || kt_lock_acquire_nowait(&ws->writing) < 0)
        return;
    size_t size = close_put(payload, code, reason);
    size_t head = kt__ws_head_put(frame, KT__WS_CLOSE | KT__WS_FINAL, size, NULL);
    memcpy(frame + head, payload, size);
    (void)!kt_stream_write_nowait(ws->stream, frame, head + size); /* or some of it, or nothing: it is over */
    ws->close_sent = true;
    kt_lock_release(&ws->writing);
}

/* ---- What reading says by itself -------------------------------------------------------------- */

/* The lock is held. */
static int say_pong(kt_websocket *ws, kt__ws_answers *a)
{
    char payload[KT__WS_CONTROL_MAX];
    size_t size = (uint8_t)a->pongs[0]; /* others may come meanwhile */
    memcpy(payload, a->pongs + 1, size);
    a->size -= 1 + size;
    memmove(a->pongs, a->pongs + 1 + size, a->size);
    return write_frame(ws, KT__WS_PONG | KT__WS_FINAL, (kt_slice){payload, size});
}

/* One of them. The lock is held. */
static int say_answer(kt_websocket *ws, kt__ws_answers *a)
{
    if (ws->write_rc < 0 || ws->close_sent)
        return KT_ECLOSED;
    if (a->size > 0)
        return say_pong(ws, a);
    if (a->closes)
        return write_close(ws, a->code, kt_slice_from(a->why));
    a->ping = false;
    return write_frame(ws, KT__WS_PING | KT__WS_FINAL, (kt_slice){NULL, 0});
}

static int answers(void *arg)
{
    kt_websocket *ws = *(kt_websocket **)arg;
    kt__ws_answers *a = ws->answers;
    int rc = kt_lock_acquire(&ws->writing);
    bool locked = rc == 0;
    while (rc == 0 && (a->size > 0 || (a->closes && !ws->close_sent) || a->ping))
        rc = say_answer(ws, a);
    if (locked)
        kt_lock_release(&ws->writing);
    if (a->task)
        kt_task_detach(kt_steal(a->task));
    kt_event_set(&a->over);
    if (!a->awaited)
        kt_free(kt_steal(ws->answers));
    return 0; /* what it has failed at is in the connection */
}

/* What is owed, to be added to; NULL without memory. */
static kt__ws_answers *owed(kt_websocket *ws)
{
    if (!ws->answers && (ws->answers = kt_calloc(1, sizeof *ws->answers)))
        ws->answers->over = (kt_event)KT_EVENT_INIT;
    return ws->answers;
}

/* Has a task say it, within the call as far as nobody need wait. 0; or there is none, and nothing is owed. */
static int say_answers(kt_websocket *ws)
{
    const kt_spawn_options o = {.name = "websocket answers", .eager = true, .stack_now = true};
    kt__ws_answers *a = ws->answers;
    kt_task *t = NULL;
    if (a->task)
        return 0;
    a->awaited = true;
    int rc = kt_spawn_with(&o, answers, &ws, sizeof ws, &t);
    a->awaited = false;
    if (rc == 0 && !kt_event_is_set(&a->over)) {
        a->task = t;
        return 0;
    }
    kt_free(kt_steal(ws->answers));
    if (rc == 0)
        kt_task_detach(t);
    return rc;
}

static void owe_pong(kt__ws_answers *a, kt_slice payload)
{
    if (a->size + 1 + payload.size > sizeof a->pongs)
        a->size = 0;
    a->pongs[a->size++] = (char)payload.size;
    if (payload.size > 0)
        memcpy(a->pongs + a->size, payload.data, payload.size);
    a->size += payload.size;
}

int kt__ws_answer(kt_websocket *ws, unsigned opcode, kt_slice payload)
{
    int rc = kt__ws_check_open(ws);
    if (rc < 0)
        return rc;
    kt__ws_answers *a = owed(ws);
    if (a && opcode == KT__WS_PING)
        a->ping = true;
    else if (a)
        owe_pong(a, payload);
    return a && say_answers(ws) == 0 ? 0 : kt__ws_send(ws, opcode | KT__WS_FINAL, payload);
}

void kt__ws_answer_close(kt_websocket *ws, int code, const char *why)
{
    if (kt__ws_check_open(ws) < 0)
        return;
    kt__ws_answers *a = owed(ws);
    if (a) {
        a->closes = true;
        a->code = code;
        a->why = why;
        if (say_answers(ws) == 0)
            return;
    }
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, ws->close_timeout);
    (void)!kt_timeout_end(&limit, kt__ws_send_close(ws, code, kt_slice_from(why))); /* as far as it goes */
}

int kt__ws_await_close(kt_websocket *ws)
{
    kt__ws_answers *a = ws->answers;
    if (!a || !a->closes)
        return 0;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, ws->close_timeout);
    a->awaited = true;
    int rc = kt_timeout_end(&limit, kt_event_wait(&a->over));
    a->awaited = false;
    bool expired = rc == KT_ETIMEDOUT && kt_timeout_expired(&limit);
    if (kt_event_is_set(&a->over))
        kt_free(kt_steal(ws->answers));
    else if (expired)
        kt_task_cancel(a->task);
    return expired ? 0 : rc;
}

void kt__ws_answers_end(kt_websocket *ws)
{
    if (!ws->answers)
        return;
    ws->answers->awaited = true;
    (void)!kt_task_join(kt_steal(ws->answers->task)); /* 0 */
    kt_free(kt_steal(ws->answers));
}

/* ---- Messages ------------------------------------------------------------------------------- */

/* A window of 256 bytes is more than zlib can keep to, so such a peer gets nothing compressed. */
static bool compresses(const kt_websocket *ws, size_t size)
{
    return ws->deflate.on && ws->deflate.bits_out > 8 && size >= ws->deflate_from;
}

/* What was compressed and not sent is unknown to the peer: what follows must not refer to it. */
static int write_compressed(kt_websocket *ws, unsigned first, kt_slice message)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = kt__ws_compress(ws, message, &out);
    if (rc == 0)
        rc = write_frame(ws, first | KT__WS_COMPRESSED, kt_buffer_slice(&out));
    if (rc < 0 && ws->deflater)
        kt__encoder_forget(ws->deflater);
    return rc;
}

static int check_kind(kt_websocket_kind kind)
{
    if (kind != KT_WEBSOCKET_TEXT && kind != KT_WEBSOCKET_BINARY)
        return kt_error_set(-EINVAL, "a WebSocket message is text or binary, not %d", (int)kind);
    return 0;
}

int kt_websocket_write(kt_websocket *ws, kt_websocket_kind kind, const void *bytes, size_t size)
{
    kt_slice message = {bytes, size};
    int rc = check_kind(kind);
    if (rc < 0)
        return rc;
    if (kind == KT_WEBSOCKET_TEXT && kt_utf8_check(message) < size)
        return kt_error_set(-EINVAL, "not UTF-8 at byte %zu", kt_utf8_check(message));
    rc = kt_lock_acquire(&ws->writing);
    if (rc < 0)
        return rc;
    rc = kt__ws_check_open(ws);
    if (rc == 0 && ws->piece_of)
        rc = kt_error_set(KT_EINVALIDSTATE, "another message is being sent in pieces");
    if (rc == 0 && compresses(ws, size))
        rc = write_compressed(ws, (unsigned)kind | KT__WS_FINAL, message);
    else if (rc == 0)
        rc = write_frame(ws, (unsigned)kind | KT__WS_FINAL, message);
    kt_lock_release(&ws->writing);
    return rc;
}

int kt_websocket_write_part(kt_websocket *ws, kt_websocket_kind kind, const void *bytes, size_t size, bool final)
{
    int rc = check_kind(kind);
    if (rc == 0)
        rc = kt_lock_acquire(&ws->writing);
    if (rc < 0)
        return rc;
    rc = kt__ws_check_open(ws);
    if (rc == 0 && ws->piece_of && ws->piece_of != kind)
        rc = kt_error_set(KT_EINVALIDSTATE, "the pieces of a message are of one kind");
    if (rc == 0) {
        unsigned first = (ws->piece_of ? KT__WS_CONTINUATION : (unsigned)kind) | (final ? KT__WS_FINAL : 0u);
        rc = write_frame(ws, first, (kt_slice){bytes, size});
        if (rc == 0) /* what was not sent is no piece */
            ws->piece_of = final ? 0 : (uint8_t)kind;
    }
    kt_lock_release(&ws->writing);
    if (rc == 0 && final)
        kt__ws_hubs_go_on(ws);
    return rc;
}

static int send_control(kt_websocket *ws, unsigned opcode, const void *bytes, size_t size)
{
    if (size > KT__WS_CONTROL_MAX)
        return kt_error_set(-EINVAL, "a ping or pong of %zu bytes; 125 is the most", size);
    return kt__ws_send(ws, opcode | KT__WS_FINAL, (kt_slice){bytes, size});
}

int kt_websocket_ping(kt_websocket *ws, const void *bytes, size_t size)
{
    return send_control(ws, KT__WS_PING, bytes, size);
}

int kt_websocket_pong(kt_websocket *ws, const void *bytes, size_t size)
{
    return send_control(ws, KT__WS_PONG, bytes, size);
}

int kt_websocket_shutdown(kt_websocket *ws, int code, const char *reason)
{
    kt_slice words = kt_slice_from(reason ? reason : "");
    if (!kt__ws_code_is_valid(code))
        return kt_error_set(-EINVAL, "%d is no close code that may be sent", code);
    if (words.size > KT__WS_REASON_MAX || kt_utf8_check(words) < words.size)
        return kt_error_set(-EINVAL, "the reason of a close is at most 123 bytes of UTF-8");
    return kt__ws_send_close(ws, code, words);
}
