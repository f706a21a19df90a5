/* SPDX-License-Identifier: MIT */

/* Looks at frames before the session does (RFC 9113 section 10.5): streams that are opened out of order or
 * passed over, which nghttp2 drops in silence; heads that do not end; frames that make us work and are no requests;
 * resets. */
#include "http/h2.h"

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };

#define END_STREAM 0x1
#define END_HEADERS 0x4
#define PADDED 0x8

#define CONTINUATIONS_MAX 7u /* nghttp2 takes 8, and then says no good-bye */
#define FRAME_BYTES_MAX 16384u /* of SETTINGS_MAX_FRAME_SIZE, which nghttp2 does not check of CONTINUATION */
/* Frames that carry nothing: so many at once, and so many a second. */
#define FRAMES_MAX 1000u
#define FRAMES_PER_SECOND 200u
#define RESETS_MAX 200u
#define RESETS_PER_SECOND 20u

void kt__h2_watch_init(kt__h2_watch *w, uint32_t block_bytes_max, kt__h2_has_stream *has_stream, void *arg, kt_time now)
{
    memset(w, 0, sizeof *w);
    w->block_bytes_max = block_bytes_max;
    w->has_stream = has_stream;
    w->arg = arg;
    w->preface_left = KT__H2_PREFACE_BYTES;
    w->frames = (kt__h2_budget){FRAMES_MAX, FRAMES_MAX, FRAMES_PER_SECOND, now};
    w->resets = (kt__h2_budget){RESETS_MAX, RESETS_MAX, RESETS_PER_SECOND, now};
}

static void refill(kt__h2_budget *b, kt_time now)
{
    kt_time one = KT_S(1) / b->per_second;
    kt_time earned = (now - b->at) / one;
    if (earned <= 0)
        return;
    b->at += earned * one;
    b->left = earned >= b->max - b->left ? b->max : b->left + (uint32_t)earned;
}

static bool spend(kt__h2_budget *b, uint32_t cost)
{
    if (b->left < cost)
        return false;
    b->left -= cost;
    return true;
}

static void give(kt__h2_budget *b, uint32_t tokens)
{
    b->left = b->max - b->left < tokens ? b->max : b->left + tokens;
}

bool kt__h2_watch_reset(kt__h2_watch *w, uint32_t id, uint32_t error, kt_time now)
{
    w->reset_ids[w->reset_count++ % KT__H2_RESET_IDS] = id;
    refill(&w->resets, now);
    return error == KT__H2_NO_ERROR || spend(&w->resets, 1);
}

void kt__h2_watch_sent(kt__h2_watch *w)
{
    give(&w->frames, 2); /* the window of the stream, and that of the connection */
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static int verdict(kt__h2_watch *w, int error, const char *reason)
{
    w->reason = reason;
    return error;
}

static int see_block(kt__h2_watch *w, uint32_t length, unsigned flags)
{
    if (length > w->block_bytes_max - w->block_bytes)
        return verdict(w, KT__H2_ENHANCE_YOUR_CALM, "a request's head is too large");
    w->block_bytes += length;
    w->in_block = true;
    w->block_ends = flags & END_HEADERS;
    return KT__H2_NO_ERROR;
}

static uint32_t *slot(kt__h2_watch *w, uint32_t id)
{
    return &w->ids[id / 2 % KT__H2_IDS];
}

/* A slot that a later stream has taken tells nothing of an earlier one: then the session says. */
static bool is_forgotten(kt__h2_watch *w, uint32_t id)
{
    return *slot(w, id) / 2 > id;
}

static bool was_reset(const kt__h2_watch *w, uint32_t id)
{
    for (size_t i = 0; i < KT__H2_RESET_IDS; i++)
        if (w->reset_ids[i] == id)
            return true;
    return false;
}

/* What the client may still do on a stream. */
enum state { OPEN, ENDED, PASSED_OVER };

/* Of an id not above the last one. A stream that a later one has passed over was never opened, and is closed (RFC 9113
 * section 5.1.1). So is one that is forgotten and not open: which of the two it was can no longer be told. One that we
 * have reset takes what was sent before the client heard of it (section 5.1). */
static enum state state_of(kt__h2_watch *w, uint32_t id)
{
    if (is_forgotten(w, id))
        return was_reset(w, id) || w->has_stream(w->arg, id) ? OPEN : PASSED_OVER;
    if (*slot(w, id) / 2 < id)
        return PASSED_OVER;
    return *slot(w, id) == 2 * id ? OPEN : ENDED;
}

/* An id below the last one is a stream that was opened before, and has not ended on the client's side: its trailers
 * (RFC 9113 section 5.1.1). */
static int see_headers(kt__h2_watch *w, uint32_t length, unsigned flags, uint32_t id)
{
    if (id > w->last_id) {
        w->last_id = id;
        *slot(w, id) = 2 * id;
        give(&w->frames, 2);
    } else {
        enum state state = state_of(w, id);
        if (state == PASSED_OVER)
            return verdict(w, KT__H2_PROTOCOL_ERROR, "a stream was opened out of order");
        if (state == ENDED)
            return verdict(w, KT__H2_STREAM_CLOSED, "headers for a stream that has ended");
    }
    if (flags & END_STREAM && *slot(w, id) == 2 * id)
        *slot(w, id) |= 1;
    w->block_bytes = w->continuations = 0;
    w->block_id = id;
    return see_block(w, length, flags);
}

static int see_costly(kt__h2_watch *w, uint32_t cost)
{
    if (spend(&w->frames, cost))
        return KT__H2_NO_ERROR;
    return verdict(w, KT__H2_ENHANCE_YOUR_CALM, "too many frames that carry nothing");
}

static int see_reset(kt__h2_watch *w, uint32_t id)
{
    if (*slot(w, id) == 2 * id)
        *slot(w, id) |= 1;
    if (spend(&w->resets, 1))
        return KT__H2_NO_ERROR;
    return verdict(w, KT__H2_ENHANCE_YOUR_CALM, "too many streams were reset");
}

static int see_data(kt__h2_watch *w, uint32_t length, unsigned flags, uint32_t id)
{
    if (id <= w->last_id && state_of(w, id) != OPEN) /* above it, they are errors, and the session's affair */
        return verdict(w, KT__H2_STREAM_CLOSED, "data for a stream that is closed");
    if (flags & END_STREAM) {
        if (*slot(w, id) == 2 * id)
            *slot(w, id) |= 1;
        return KT__H2_NO_ERROR;
    }
    w->pads = flags & PADDED;
    return length == 0 ? see_costly(w, 1) : KT__H2_NO_ERROR;
}

/* The payload begins with the length of its padding (RFC 9113 section 6.1): if that is all, it carries nothing. */
static int see_padding(kt__h2_watch *w, uint8_t length)
{
    w->pads = false;
    return length + 1u == w->payload_left ? see_costly(w, 1) : KT__H2_NO_ERROR;
}

static uint32_t id_of(const kt__h2_watch *w)
{
    const uint8_t *b = w->header;
    return ((uint32_t)b[5] << 24 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 8 | b[8]) & 0x7fffffff;
}

/* Is it the session's state that decides of the frame? */
static bool is_for_session(kt__h2_watch *w)
{
    unsigned type = w->header[3];
    uint32_t id = id_of(w);
    return (type == DATA || type == HEADERS) && id % 2 == 1 && is_forgotten(w, id);
}

static int see_frame(kt__h2_watch *w)
{
    const uint8_t *b = w->header;
    uint32_t length = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
    unsigned type = b[3], flags = b[4];
    uint32_t id = id_of(w);
    w->payload_left = length;
    w->pads = false;
    bool is_client_id = id % 2 == 1; /* others are errors, and the session's affair */
    if (w->in_block && (type != CONTINUATION || id != w->block_id)) /* RFC 9113 section 6.10 */
        return verdict(w, KT__H2_PROTOCOL_ERROR, "another frame stands within a request's head");
    switch (type) {
    case DATA:
        return is_client_id ? see_data(w, length, flags, id) : KT__H2_NO_ERROR;
    case HEADERS:
        return is_client_id ? see_headers(w, length, flags, id) : KT__H2_NO_ERROR;
    case CONTINUATION:
        if (length > FRAME_BYTES_MAX)
            return verdict(w, KT__H2_FRAME_SIZE_ERROR, "a frame is too large");
        if (++w->continuations > CONTINUATIONS_MAX)
            return verdict(w, KT__H2_ENHANCE_YOUR_CALM, "a request's head comes in too many frames");
        return see_block(w, length, flags);
    case RST_STREAM:
        return see_reset(w, id);
    case SETTINGS:
        return see_costly(w, 4); /* each is answered, and may change every stream's window */
    default:
        return see_costly(w, 1);
    }
}

/* The payload under way is complete. Does it end a head? */
static bool end_frame(kt__h2_watch *w)
{
    bool ends_head = w->in_block && w->block_ends;
    w->header_size = 0;
    if (ends_head)
        w->in_block = w->block_ends = false;
    return ends_head;
}

size_t kt__h2_watch_see(kt__h2_watch *w, const void *bytes, size_t size, kt_time now, int *ret_verdict)
{
    const uint8_t *p = bytes;
    size_t at = size < w->preface_left ? size : w->preface_left;
    w->preface_left -= (uint32_t)at;
    refill(&w->frames, now);
    refill(&w->resets, now);
    *ret_verdict = KT__H2_NO_ERROR;
    while (at < size) {
        size_t begun = at;
        while (w->header_size < sizeof w->header && at < size)
            w->header[w->header_size++] = p[at++];
        if (at > begun && w->header_size == sizeof w->header) {
            if (begun > 0 && is_for_session(w)) { /* which has to know of the frames before */
                w->header_size = 0;
                return begun;
            }
            *ret_verdict = see_frame(w);
            if (*ret_verdict != KT__H2_NO_ERROR)
                return begun;
        }
#ifdef KT_FUZZ_PLANTED_BUG
        if (at == size && w->header_size == 4)
            w->header_size = 3;
#endif
        size_t n = size - at < w->payload_left ? size - at : w->payload_left;
        if (w->pads && n > 0) {
            *ret_verdict = see_padding(w, p[at]);
            if (*ret_verdict != KT__H2_NO_ERROR)
                return begun;
        }
        at += n;
        w->payload_left -= (uint32_t)n;
        if (w->header_size == sizeof w->header && w->payload_left == 0 && end_frame(w))
            return at;
    }
    return size;
}
