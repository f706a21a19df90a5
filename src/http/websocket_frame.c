/* SPDX-License-Identifier: MIT */
#include "http/websocket_frame.h"

#include <kettle/utf8.h>

enum {
    RESERVED = 0x70, /* bits of the first byte */
    OPCODE = 0x0f,
    MASKED = 0x80, /* a bit of the second byte */
    SIZE_16 = 126,
    SIZE_64 = 127,
    CODE_NONE = 1005,
    CODE_PROTOCOL = 1002,
    CODE_NOT_UTF8 = 1007,
    CODE_TOO_LONG = 1009,
};

/* ---- Text ----------------------------------------------------------------------------------- */

/* The bounds of the second byte leave out what is overlong, a surrogate, or too large. */
static bool lead(kt__ws_utf8 *u, uint8_t c)
{
    u->need = c < 0xC2 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF5 ? 3 : 0;
    u->low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    u->high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    return u->need > 0;
}

bool kt__ws_utf8_feed(kt__ws_utf8 *u, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        if (u->need == 0) {
            at += kt_utf8_check((kt_slice){bytes + at, size - at});
            if (at < size && !lead(u, (uint8_t)bytes[at++]))
                return false;
            continue;
        }
        uint8_t c = (uint8_t)bytes[at++];
        if (c < u->low || c > u->high)
            return false;
        u->need--;
        u->low = 0x80;
        u->high = 0xBF;
    }
    return true;
}

/* ---- Masks ---------------------------------------------------------------------------------- */

void kt__ws_mask(char *bytes, size_t size, const uint8_t mask[4], uint64_t at)
{
    uint8_t turned[8];
    uint64_t wide, word;
    size_t i = 0;
    for (size_t k = 0; k < sizeof turned; k++)
        turned[k] = mask[(at + k) & 3];
    memcpy(&wide, turned, sizeof wide);
    for (; i + sizeof word <= size; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        word ^= wide;
        memcpy(bytes + i, &word, sizeof word);
    }
    for (; i < size; i++)
        bytes[i] = (char)(bytes[i] ^ turned[i & 7]);
}

/* ---- Reading -------------------------------------------------------------------------------- */

static ssize_t fail(kt__ws_reader *r, int code, const char *reason)
{
    r->close_code = code;
    r->reason = reason;
    return kt_error_set(code == CODE_TOO_LONG ? KT_ELIMIT : KT_EPROTOCOL, "WebSocket: %s", reason);
}

typedef struct head {
    unsigned opcode;
    bool final, compressed;
    uint64_t size;
    uint8_t mask[4];
    size_t bytes; /* of the head; 0: it is not complete */
} head;

static const char *first_byte_fault(const kt__ws_reader *r, uint8_t c)
{
    unsigned opcode = c & OPCODE;
    bool control = opcode >= KT__WS_CLOSE;
    if (opcode > KT__WS_PONG || (opcode > KT__WS_BINARY && !control))
        return "a frame of a kind that nobody has defined";
    if (c & RESERVED & ~KT__WS_COMPRESSED)
        return "a reserved bit is set";
    if (c & KT__WS_COMPRESSED && (!r->extended || control || opcode == KT__WS_CONTINUATION))
        return "a frame says that it is compressed, and may not be";
    if (control && !(c & KT__WS_FINAL))
        return "a control frame is in pieces";
    if (opcode == KT__WS_CONTINUATION && !r->message)
        return "a message goes on that has not begun";
    if (!control && opcode != KT__WS_CONTINUATION && r->message)
        return "a message begins within another";
    return NULL;
}

static const char *second_byte_fault(const kt__ws_reader *r, unsigned opcode, uint8_t c)
{
    if ((c & MASKED) != (r->masked ? MASKED : 0))
        return r->masked ? "a client's frame is not masked" : "a server's frame is masked";
    if (opcode >= KT__WS_CLOSE && (c & ~MASKED) > KT__WS_CONTROL_MAX)
        return "a control frame has more than 125 bytes";
    return NULL;
}

static uint64_t number(const uint8_t *bytes, size_t size)
{
    uint64_t n = 0;
    for (size_t i = 0; i < size; i++)
        n = n << 8 | bytes[i];
    return n;
}

/* Each byte is judged as soon as it is there. NULL, or what is at fault. */
static const char *head_read(const kt__ws_reader *r, const uint8_t *bytes, size_t size, head *h)
{
    h->bytes = 0;
    if (size == 0)
        return NULL;
    const char *fault = first_byte_fault(r, bytes[0]);
    if (fault || size == 1)
        return fault;
    h->opcode = bytes[0] & OPCODE;
    h->final = bytes[0] & KT__WS_FINAL;
    h->compressed = bytes[0] & KT__WS_COMPRESSED;
    fault = second_byte_fault(r, h->opcode, bytes[1]);
    if (fault)
        return fault;
    unsigned said = bytes[1] & ~MASKED;
    size_t wide = said == SIZE_16 ? 2 : said == SIZE_64 ? 8 : 0, masks = r->masked ? 4 : 0;
    if (size < 2 + wide)
        return NULL;
    h->size = wide ? number(bytes + 2, wide) : said;
    if (h->size >> 63)
        return "a frame of more than 2^63 bytes";
    if ((wide == 2 && h->size < SIZE_16) || (wide == 8 && h->size <= UINT16_MAX))
        return "a frame's size is not written in the shortest way";
    if (size < 2 + wide + masks)
        return NULL;
    memcpy(h->mask, bytes + 2 + wide, masks);
    h->bytes = 2 + wide + masks;
    return NULL;
}

bool kt__ws_code_is_valid(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static ssize_t close_read(kt__ws_reader *r, kt_slice payload, kt__ws_event *e)
{
    kt__ws_utf8 utf8 = {0, 0, 0};
    e->code = CODE_NONE;
    if (payload.size == 1)
        return fail(r, CODE_PROTOCOL, "half a close code");
    if (payload.size < 2)
        return 0;
    e->code = (int)number((const uint8_t *)payload.data, 2);
    e->data = (kt_slice){payload.data + 2, payload.size - 2};
    if (!kt__ws_code_is_valid(e->code))
        return fail(r, CODE_PROTOCOL, "a close code that may not be sent");
    if (!kt__ws_utf8_feed(&utf8, e->data.data, e->data.size) || utf8.need > 0)
        return fail(r, CODE_NOT_UTF8, "the reason of a close is not UTF-8");
    return 0;
}

/* The whole frame is needed, so that its payload need not be kept. */
static ssize_t control_read(kt__ws_reader *r, const head *h, char *bytes, size_t size, kt__ws_event *e)
{
    size_t whole = h->bytes + (size_t)h->size;
    if (size < whole)
        return 0;
    char *payload = bytes + h->bytes;
    if (r->masked)
        kt__ws_mask(payload, (size_t)h->size, h->mask, 0);
    *e = (kt__ws_event){.type = (int)h->opcode, .data = {payload, (size_t)h->size}};
    ssize_t rc = h->opcode == KT__WS_CLOSE ? close_read(r, e->data, e) : 0;
    return rc < 0 ? rc : (ssize_t)whole;
}

/* The head alone decides whether a message becomes too long: so it makes no difference how much of the payload is here.
 * 0, or the failure. */
static ssize_t frame_begin(kt__ws_reader *r, const head *h)
{
    if (h->opcode != KT__WS_CONTINUATION) {
        r->message = (uint8_t)h->opcode;
        r->compressed = h->compressed;
        r->utf8 = (kt__ws_utf8){0, 0, 0};
        r->begun = false;
        r->announced = 0;
    }
    r->announced = h->size > UINT64_MAX - r->announced ? UINT64_MAX : r->announced + h->size;
    if (r->plain_max && !r->compressed && r->announced > r->plain_max)
        return fail(r, CODE_TOO_LONG, "a message is too long");
    memcpy(r->mask, h->mask, sizeof r->mask);
    r->final = h->final;
    r->left = h->size;
    r->at = 0;
    r->in_frame = true;
    return 0;
}

/* A piece of the running frame's payload, which may be empty at its end. */
static ssize_t payload_read(kt__ws_reader *r, char *bytes, size_t size, kt__ws_event *e)
{
    size_t piece = size < r->left ? size : (size_t)r->left;
    bool text = r->message == KT__WS_TEXT && !r->compressed;
    if (r->masked)
        kt__ws_mask(bytes, piece, r->mask, r->at);
#ifdef KT_FUZZ_PLANTED_BUG /* the mask begins anew with each piece of a frame */
    r->at = 0;
#else
    r->at += piece;
#endif
    r->left -= piece;
    bool final = r->left == 0 && r->final;
    if (text && (!kt__ws_utf8_feed(&r->utf8, bytes, piece) || (final && r->utf8.need > 0)))
        return fail(r, CODE_NOT_UTF8, "text that is not UTF-8");
    *e = (kt__ws_event){
        .type = r->message,
        .data = {bytes, piece},
        .first = !r->begun,
        .final = final,
        .compressed = r->compressed,
    };
    r->begun = true;
    r->in_frame = r->left > 0;
    if (final)
        r->message = 0;
    return (ssize_t)piece;
}

ssize_t kt__ws_feed(kt__ws_reader *r, char *bytes, size_t size, kt__ws_event *ret_event)
{
    size_t taken = 0;
    *ret_event = (kt__ws_event){.type = 0};
    if (r->close_code)
        return fail(r, r->close_code, r->reason);
    while (!r->in_frame) {
        head h;
        const char *fault = head_read(r, (const uint8_t *)bytes + taken, size - taken, &h);
        if (fault)
            return fail(r, CODE_PROTOCOL, fault);
        if (h.bytes == 0)
            return (ssize_t)taken;
        if (h.opcode >= KT__WS_CLOSE) {
            ssize_t n = control_read(r, &h, bytes + taken, size - taken, ret_event);
            return n < 0 ? n : (ssize_t)taken + n;
        }
        ssize_t begun = frame_begin(r, &h);
        if (begun < 0)
            return begun;
        taken += h.bytes;
        if (r->left == 0 && !r->final)
            r->in_frame = false; /* an empty piece: nothing to tell */
    }
    if (taken == size && r->left > 0)
        return (ssize_t)taken;
    ssize_t n = payload_read(r, bytes + taken, size - taken, ret_event);
    return n < 0 ? n : (ssize_t)taken + n;
}

/* ---- Writing -------------------------------------------------------------------------------- */

size_t kt__ws_head_put(char *out, unsigned first, uint64_t size, const uint8_t *mask)
{
    size_t wide = size < SIZE_16 ? 0 : size <= UINT16_MAX ? 2 : 8, at = 2;
    unsigned said = wide == 0 ? (unsigned)size : wide == 2 ? SIZE_16 : SIZE_64;
    out[0] = (char)first;
    out[1] = (char)(said | (mask ? MASKED : 0));
    for (size_t i = wide; i > 0; i--)
        out[at++] = (char)(size >> (8 * (i - 1)) & 0xff);
    if (mask) {
        memcpy(out + at, mask, 4);
        at += 4;
    }
    return at;
}
