/* SPDX-License-Identifier: MIT */
#include "http/coding.h"

#include <errno.h>
#include <kettle/memory.h>

#define STEP_BYTES ((size_t)4 * 1024)

struct kt__decoder {
    const kt__decoder_kind *kind;
    void *state;
    kt__decoder_limits limits;
    uint64_t taken, given; /* since the last message */
    bool ended;
};

struct kt__encoder {
    const kt__encoder_kind *kind;
    void *state;
};

/* ---- Decoding ------------------------------------------------------------------------------- */

int kt__decoder_new(kt__coding coding, const kt__decoder_limits *limits, kt__decoder **ret_decoder)
{
    kt__decoder *d = kt_calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->kind = coding == KT__CODING_BROTLI ? &kt__brotli_decoder : &kt__zlib_decoder;
    if (limits)
        d->limits = *limits;
    int rc = d->kind->open(coding, &d->limits, &d->state);
    if (rc < 0) {
        kt_free(d);
        return rc;
    }
    *ret_decoder = d;
    return 0;
}

void kt__decoder_free(kt__decoder *d)
{
    if (!d)
        return;
    d->kind->free(d->state);
    kt_free(d);
}

static int check_limits(const kt__decoder *d)
{
    if (d->limits.bytes_max && d->given > d->limits.bytes_max)
        return kt_error_set(KT_ELIMIT, "more than %llu bytes after decompression",
                            (unsigned long long)d->limits.bytes_max);
    if (d->limits.ratio_max && d->given > KT__CODING_RATIO_FROM && d->given / d->limits.ratio_max > d->taken)
        return kt_error_set(KT_ELIMIT, "compressed more than %u to 1", d->limits.ratio_max);
    return 0;
}

static int step(kt__decoder *d, kt_slice *input, void *bytes, size_t *size)
{
    size_t before = input->size;
    if (d->ended && !(d->kind->another && d->kind->another(d->state)))
        return kt_error_set(KT_EPROTOCOL, "bytes behind the compressed content");
    int rc = d->kind->step(d->state, input, bytes, size);
    if (rc < 0)
        return rc;
    d->ended = rc > 0;
    d->taken += before - input->size;
    d->given += *size;
    return check_limits(d);
}

ssize_t kt__decode(kt__decoder *d, kt_slice *input, void *bytes, size_t size)
{
    size_t given;
    if (d->ended && input->size == 0)
        return 0;
    do {
        given = size;
        int rc = step(d, input, bytes, &given);
        if (rc < 0)
            return rc;
    } while (given == 0 && d->ended && input->size > 0); /* an end without output, and something behind it */
    return (ssize_t)given;
}

bool kt__decoder_ended(const kt__decoder *d)
{
    return d->ended;
}

void kt__decoder_next(kt__decoder *d, bool forget)
{
    d->taken = d->given = 0;
    if (!forget)
        return;
    d->kind->forget(d->state);
    d->ended = false;
}

/* ---- Encoding ------------------------------------------------------------------------------- */

int kt__encoder_new(kt__coding coding, int level, unsigned window_bits, kt__encoder **ret_encoder)
{
    kt__encoder *e = kt_calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->kind = coding == KT__CODING_BROTLI ? &kt__brotli_encoder : &kt__zlib_encoder;
    int rc = e->kind->open(coding, level, window_bits, &e->state);
    if (rc < 0) {
        kt_free(e);
        return rc;
    }
    *ret_encoder = e;
    return 0;
}

void kt__encoder_free(kt__encoder *e)
{
    if (!e)
        return;
    e->kind->free(e->state);
    kt_free(e);
}

int kt__encode(kt__encoder *e, kt_slice input, kt__flush flush, kt_buffer *out)
{
    for (;;) {
        int rc = kt_buffer_reserve(out, STEP_BYTES);
        if (rc < 0)
            return rc;
        size_t room = out->capacity - out->size;
        rc = e->kind->step(e->state, &input, flush, out->data + out->size, &room);
        if (rc < 0)
            return rc;
        out->size += room;
        if (rc > 0)
            return 0;
    }
}

void kt__encoder_forget(kt__encoder *e)
{
    e->kind->forget(e->state);
}
