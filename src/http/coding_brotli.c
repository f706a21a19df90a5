/* SPDX-License-Identifier: MIT */
/* brotli (RFC 7932), by Google's library. */
#include <brotli/decode.h>
#include <brotli/encode.h>
#include <errno.h>
#include <kettle/memory.h>

#include "http/coding.h"

#define QUALITY 4
#define WINDOW_BITS 18 /* 256 KiB: a page's worth, and not the library's 4 MiB for each answer */

static void *allocate(void *opaque, size_t size)
{
    (void)opaque;
    return kt_alloc(size);
}

static void release(void *opaque, void *bytes)
{
    (void)opaque;
    kt_free(bytes);
}

/* ---- Decoding ------------------------------------------------------------------------------- */

static int decoder_open(kt__coding coding, const kt__decoder_limits *limits, void **ret_state)
{
    (void)coding;
    (void)limits;
    *ret_state = BrotliDecoderCreateInstance(allocate, release, NULL);
    return *ret_state ? 0 : -ENOMEM;
}

/* Errors of memory are those between the first and the last of their names in decode.h. */
static int failure(const BrotliDecoderState *d)
{
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(d);
    if (code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES && code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES)
        return -ENOMEM;
    return kt_error_set(KT_EPROTOCOL, "compressed content: %s", BrotliDecoderErrorString(code));
}

static int decoder_step(void *state, kt_slice *input, void *bytes, size_t *size)
{
    const uint8_t *in = (const uint8_t *)input->data;
    uint8_t *out = bytes;
    size_t room = *size;
    BrotliDecoderResult result = BrotliDecoderDecompressStream(state, &input->size, &in, &room, &out, NULL);
    input->data = (const char *)in;
    *size -= room;
    return result == BROTLI_DECODER_RESULT_ERROR ? failure(state) : result == BROTLI_DECODER_RESULT_SUCCESS;
}

static void decoder_forget(void *state)
{
    (void)state; /* a content is one stream */
}

static void decoder_free(void *state)
{
    BrotliDecoderDestroyInstance(state);
}

const kt__decoder_kind kt__brotli_decoder = {
    .open = decoder_open,
    .step = decoder_step,
    .forget = decoder_forget,
    .free = decoder_free,
};

/* ---- Encoding ------------------------------------------------------------------------------- */

/* Its memory is malloc's: where an allocator given to it fails, this encoder ends the process. */

static int encoder_open(kt__coding coding, int level, unsigned window_bits, void **ret_state)
{
    (void)coding;
    BrotliEncoderState *e = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    if (!e)
        return -ENOMEM;
    if (!BrotliEncoderSetParameter(e, BROTLI_PARAM_QUALITY, level ? (uint32_t)level : QUALITY) ||
        !BrotliEncoderSetParameter(e, BROTLI_PARAM_LGWIN, window_bits ? window_bits : WINDOW_BITS)) {
        BrotliEncoderDestroyInstance(e);
        return -EINVAL;
    }
    *ret_state = e;
    return 0;
}

static int encoder_step(void *state, kt_slice *input, kt__flush flush, void *bytes, size_t *size)
{
    static const BrotliEncoderOperation operations[] = {[KT__FLUSH_NONE] = BROTLI_OPERATION_PROCESS,
                                                        [KT__FLUSH_SYNC] = BROTLI_OPERATION_FLUSH,
                                                        [KT__FLUSH_END] = BROTLI_OPERATION_FINISH};
    const uint8_t *in = (const uint8_t *)input->data;
    uint8_t *out = bytes;
    size_t room = *size;
    if (!BrotliEncoderCompressStream(state, operations[flush], &input->size, &in, &room, &out, NULL))
        return -ENOMEM; /* the one way in which it fails */
    input->data = (const char *)in;
    *size -= room;
    if (flush == KT__FLUSH_END)
        return BrotliEncoderIsFinished(state);
    return input->size == 0 && !BrotliEncoderHasMoreOutput(state);
}

static void encoder_forget(void *state)
{
    (void)state; /* a content is one stream */
}

static void encoder_free(void *state)
{
    BrotliEncoderDestroyInstance(state);
}

const kt__encoder_kind kt__brotli_encoder = {
    .open = encoder_open,
    .step = encoder_step,
    .forget = encoder_forget,
    .free = encoder_free,
};
