/* SPDX-License-Identifier: MIT */
/* permessage-deflate (RFC 7692): a message is what deflate makes of it up to a flush, without the four bytes that every
 * flush ends in. The states are made when they are first needed: 256 KiB to compress and 44 KiB to decompress with the
 * largest window. */
#include <errno.h>

#include "http/websocket_private.h"

/* RFC 7692 section 7.2.1. */
static const char tail[] = {0, 0, '\xff', '\xff'};

/* A peer that sends more than this many bytes out of one is an attacker; deflate cannot do more than 1,032. The limit
 * on messages is what protects memory; this one protects time. */
#define RATIO_MAX 1100

static int need_deflater(kt_websocket *ws)
{
    return ws->deflater ? 0 : kt__encoder_new(KT__CODING_RAW_DEFLATE, 0, ws->deflate.bits_out, &ws->deflater);
}

int kt__ws_compress(kt_websocket *ws, kt_slice message, kt_buffer *out)
{
    int rc = need_deflater(ws);
    if (rc == 0)
        rc = kt__encode(ws->deflater, message, KT__FLUSH_SYNC, out);
    if (rc < 0)
        return rc;
    out->size -= sizeof tail;
    if (ws->deflate.forget_out)
        kt__encoder_forget(ws->deflater);
    return 0;
}

static int need_inflater(kt_websocket *ws)
{
    /* zlib, which most peers use, makes 9 bits of 8 in silence. */
    const kt__decoder_limits limits = {
        .ratio_max = RATIO_MAX,
        .window_bits = ws->deflate.bits_in == 8 ? 9 : ws->deflate.bits_in,
    };
    return ws->inflater ? 0 : kt__decoder_new(KT__CODING_RAW_DEFLATE, &limits, &ws->inflater);
}

ssize_t kt__ws_decompress(kt_websocket *ws, char *bytes, size_t size)
{
    int rc = need_inflater(ws);
    if (rc < 0)
        return rc;
    for (;;) {
        size_t before = ws->inflating.size;
        ssize_t n = kt__decode(ws->inflater, &ws->inflating, bytes, size);
        if (n != 0)
            return n;
        if (ws->inflating.size > 0 && ws->inflating.size == before && !kt__decoder_ended(ws->inflater))
            return kt_error_set(KT_EPROTOCOL, "WebSocket: compressed data that leads nowhere");
        if (ws->inflating.size > 0)
            continue;
        if (!ws->inflating_last || ws->tail_fed)
            return 0;
        ws->inflating = (kt_slice){tail, sizeof tail};
        ws->tail_fed = true;
    }
}
