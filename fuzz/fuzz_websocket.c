/* SPDX-License-Identifier: MIT */
/* What a WebSocket receives, under libFuzzer: frames, masks, fragments, control frames, permessage-deflate, UTF-8 and
 * the limit on messages, through kt_websocket_read and kt_websocket_read_part. The oracle: the same bytes in other
 * pieces give the same messages, the same frames in answer (and so the same close code), the same result and the
 * same code of the peer's close.
 *
 * The WebSocket is the real one. The stream beneath it is the input, and nothing waits: so the few functions
 * of tasks, time and streams that it calls stand here, and no event loop is needed.
 *
 * Or Sec-WebSocket-Extensions: of whatever is offered, a server picks what a client takes, and both mean the same.
 *
 * Input: one byte of switches, two that seed the cuts, then what the peer sends, or the offer. */
#include "http/websocket_private.h"

#include "words.h"

#include <errno.h>
#include <kettle/task.h>
#include <kettle/timeout.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX ((size_t)16 * 1024)
#define TRANSCRIPT_MAX ((size_t)4 * 1024 * 1024)

enum { CLIENT = 1, DEFLATE = 2, FORGET = 4, SMALL_WINDOW = 8, TIGHT = 16, PARTS = 32, OFFER = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct transcript {
    char text[TRANSCRIPT_MAX + 1];
    size_t size, settled; /* what comes behind `settled` belongs to a message that has not ended */
} transcript;

/* Events apart from answers: where a piece ends, and so whether it comes before a pong, is not promised. */
typedef struct outcome {
    transcript events, answers;
} outcome;

struct kt_stream {
    const uint8_t *bytes;
    size_t size, at;
    uint32_t seed; /* 0: whole; 1: byte by byte */
    bool masked;   /* are the answers */
    transcript *answers;
};

/* A full one takes no more, which cuts all three runs at the same byte. */
static void note(transcript *t, const void *bytes, size_t size)
{
    size = size < TRANSCRIPT_MAX - t->size ? size : TRANSCRIPT_MAX - t->size;
    if (size > 0)
        memcpy(t->text + t->size, bytes, size);
    t->size += size;
}

static void note_text(transcript *t, const char *text)
{
    note(t, text, strlen(text));
}

static void note_number(transcript *t, const char *what, long n)
{
    char text[64];
    snprintf(text, sizeof text, " %s%ld", what, n);
    note_text(t, text);
}

/* ---- What is beneath ------------------------------------------------------------------------ */

ssize_t kt_stream_read(kt_stream *s, void *buffer, size_t size)
{
    size_t most = SIZE_MAX;
    if (s->seed == 1) {
        most = 1;
    } else if (s->seed > 1) {
        s->seed = (s->seed * 1664525u + 1013904223u) | 2;
        most = 1 + ((s->seed >> 16) & ((1u << (s->seed >> 29)) - 1));
    }
    size = size < most ? size : most;
    size = size < s->size - s->at ? size : s->size - s->at;
    if (size > 0)
        memcpy(buffer, s->bytes + s->at, size);
    s->at += size;
    return (ssize_t)size;
}

/* Our frames are control frames here. A client's mask is random, so the payload is written down without. */
int kt_stream_write(kt_stream *s, const void *bytes, size_t size)
{
    char frame[KT__WS_HEAD_MAX + KT__WS_CONTROL_MAX];
    if (!s->masked) {
        note(s->answers, bytes, size);
        return 0;
    }
    if (size < 6 || size > sizeof frame)
        abort();
    memcpy(frame, bytes, size);
    kt__ws_mask(frame + 6, size - 6, (const uint8_t *)frame + 2, 0);
    note(s->answers, frame, 2);
    note(s->answers, frame + 6, size - 6);
    return 0;
}

int kt_stream_writev(kt_stream *s, const struct iovec *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++)
        note(s->answers, pieces[i].iov_base, pieces[i].iov_len);
    return 0;
}

int kt_stream_unread(kt_stream *s, const void *bytes, size_t size)
{
    (void)bytes;
    s->at -= size;
    return 0;
}

void kt_stream_close(kt_stream *s)
{
    (void)s;
}

void kt_http_response_close(kt_http_response *r)
{
    (void)r;
    abort();
}

void kt_task_trim(void)
{
}

kt_task *kt_task_current(void)
{
    return NULL;
}

int kt_task_cancelling(const kt_task *t)
{
    (void)t;
    return 0;
}

void kt_cancel_hold(void)
{
}

void kt_cancel_unhold(void)
{
}

void kt_timeout_start(kt_timeout *t, kt_time after)
{
    (void)t;
    (void)after;
}

int kt_timeout_end(kt_timeout *t, int rc)
{
    (void)t;
    return rc;
}

bool kt_timeout_expired(const kt_timeout *t)
{
    (void)t;
    return false;
}

void kt_timeout_cleanup(kt_timeout *t)
{
    (void)t;
}

/* There is one task, so a lock that is held would be waited for for ever. */
int kt_lock_acquire(kt_lock *l)
{
    if (l->handed_over)
        abort();
    l->handed_over = true;
    return 0;
}

void kt_lock_release(kt_lock *l)
{
    if (!l->handed_over)
        abort();
    l->handed_over = false;
}

bool kt_lock_locked(const kt_lock *l)
{
    return l->handed_over;
}

void kt__ws_leave_hubs(kt_websocket *ws)
{
    (void)ws;
}

void kt__ws_hubs_go_on(kt_websocket *ws)
{
    (void)ws;
}

/* ---- One run -------------------------------------------------------------------------------- */

static kt_websocket *open_by(uint8_t switches, kt_stream *s)
{
    kt_websocket_options o;
    kt__ws_deflate deflate = {
        .on = switches & DEFLATE,
        .forget_in = switches & FORGET,
        .bits_out = 15,
        .bits_in = switches & SMALL_WINDOW ? 9 : 15,
    };
    if (kt__ws_options_fill(&(kt_websocket_options){.message_bytes_max = switches & TIGHT ? 20 : 64 * 1024}, &o) < 0)
        abort();
    kt_websocket *ws = kt__ws_new(s, switches & CLIENT, &o, &deflate);
    if (!ws)
        abort();
    return ws;
}

/* Whole messages, or messages in pieces; those that a failure cuts are left out, for how much of them was given
 * depends on the pieces. */
static void read_all(kt_websocket *ws, bool parts, transcript *t)
{
    kt_websocket_message m;
    bool begun = false;
    int rc;
    while ((rc = parts ? kt_websocket_read_part(ws, &m) : kt_websocket_read(ws, &m)) > 0) {
        if (!begun)
            note_text(t, m.kind == KT_WEBSOCKET_TEXT ? "text(" : "binary(");
        note(t, m.data.data, m.data.size);
        begun = !m.final;
        if (begun)
            continue;
        note_text(t, ") ");
        t->settled = t->size;
    }
    t->size = t->settled;
    int again = kt_websocket_read(ws, &m);
    if (again != rc)
        abort(); /* the end lasts */
    note_number(t, "rc ", rc);
    note_number(t, "code ", kt_websocket_close_code(ws));
    note_text(t, " ");
    note_text(t, kt_websocket_close_reason(ws));
}

static void run(const uint8_t *data, size_t size, uint8_t switches, uint32_t seed, outcome *out)
{
    out->events.size = out->events.settled = out->answers.size = 0;
    kt_stream s = {data, size, 0, seed, switches & CLIENT, &out->answers};
    kt_websocket *ws = open_by(switches, &s);
    read_all(ws, switches & PARTS, &out->events);
    kt_websocket_close(ws);
}

static void show(const char *how, const transcript *t)
{
    fprintf(stderr, "%s: ", how);
    for (size_t i = 0; i < t->size; i++)
        fprintf(stderr, t->text[i] >= ' ' && t->text[i] != '\\' ? "%c" : "\\x%02x", (unsigned char)t->text[i]);
    fprintf(stderr, "\n");
}

static void compare(const char *what, const transcript *whole, const transcript *cut, const char *how)
{
    if (whole->size == cut->size && memcmp(whole->text, cut->text, whole->size) == 0)
        return;
    show("whole", whole);
    fprintf(stderr, "=\n%s differ when cut\n", what);
    show(how, cut);
    abort();
}

static void negotiate(const uint8_t *data, size_t size)
{
    kt_websocket_options o;
    kt__ws_deflate server, client;
    char answer[KT__WS_EXTENSION_BYTES], *copy = malloc(size + (size == 0));
    if (!copy || kt__ws_options_fill(NULL, &o) < 0)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    int rc = kt__ws_extension_pick((kt_slice){copy, size}, &o, &server, answer);
    if (rc == 0 && server.on &&
        (kt__ws_extension_check(kt_slice_from(answer), &o, &client) < 0 || !client.on ||
         server.bits_out != client.bits_in || server.bits_in != client.bits_out ||
         server.forget_out != client.forget_in || server.forget_in != client.forget_out)) {
        fprintf(stderr, "whole: an offer is answered by %s\n=\n", answer);
        abort();
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static outcome whole, cut;
    if (size < 3 || size > INPUT_MAX)
        return -1;
    uint32_t seed = (uint32_t)data[1] << 24 | (uint32_t)data[2] << 8 | 2;
    if (data[0] & OFFER) {
        negotiate(data + 3, size - 3);
        return 0;
    }
    run(data + 3, size - 3, data[0], 0, &whole);
    run(data + 3, size - 3, data[0], 1, &cut);
    compare("events", &whole.events, &cut.events, "bytes");
    compare("answers", &whole.answers, &cut.answers, "bytes");
    run(data + 3, size - 3, data[0], seed, &cut);
    compare("events", &whole.events, &cut.events, "cut");
    compare("answers", &whole.answers, &cut.answers, "cut");
    return 0;
}
