/* SPDX-License-Identifier: MIT */
/* Frames that several connections are sent. */
#include <kettle/memory.h>

#include "http/websocket_private.h"

enum { WINDOW_MAX = 15, FLUSH_TAIL = 4 };

void kt__ws_frame_unref(kt__ws_frame *f)
{
    if (f && --f->refs == 0)
        kt_free(f);
}

kt__ws_frame *kt__ws_frame_new(unsigned first, kt_slice payload)
{
    kt__ws_frame *f = kt_alloc(sizeof *f + KT__WS_HEAD_MAX + payload.size);
    if (!f)
        return NULL;
    f->refs = 1;
    f->compressed = (first & KT__WS_COMPRESSED) != 0;
    f->control = (first & KT__WS_CLOSE) != 0; /* section 5.5: that bit makes all of them */
    f->closes = (first & 0xf) == KT__WS_CLOSE;
    size_t head = kt__ws_head_put(f->bytes, first, payload.size, NULL);
    if (payload.size > 0)
        memcpy(f->bytes + head, payload.data, payload.size);
    f->size = head + payload.size;
    return f;
}

kt__ws_frame *kt__ws_frame_compressed(kt__encoder **deflater, unsigned first, kt_slice message)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    out.size_max = SIZE_MAX / 2;
    if (!*deflater && kt__encoder_new(KT__CODING_RAW_DEFLATE, 0, WINDOW_MAX, deflater) < 0)
        return NULL;
    if (kt__encode(*deflater, message, KT__FLUSH_SYNC, &out) < 0) {
        kt__encoder_free(kt_steal(*deflater));
        return NULL;
    }
    kt__encoder_forget(*deflater);
    return kt__ws_frame_new(first | KT__WS_COMPRESSED, (kt_slice){out.data, out.size - FLUSH_TAIL});
}

/* No distance in what was compressed from nothing is longer than the message, so it fits every window that holds
 * it. */
bool kt__ws_takes_compressed(const kt_websocket *ws, size_t size)
{
    bool fits = ws->deflate.bits_out == WINDOW_MAX || size <= (size_t)1 << ws->deflate.bits_out;
    return ws->deflate.on && ws->deflate.bits_out > 8 && fits && size >= ws->deflate_from;
}
