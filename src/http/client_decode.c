/* SPDX-License-Identifier: MIT */
/* Compressed bodies (RFC 9110 section 8.4). */
#include "http/client.h"
#include "http/coding.h"
#include "http/parser_internal.h"

#define INPUT_BYTES ((size_t)16 * 1024)
/* Beyond what text comes to, and below what deflate can do at most (1032): a bomb. */
#define RATIO_MAX 1000

struct kt__client_decoder {
    kt__decoder *decoder;
    kt_slice input; /* read and not decoded, in `bytes` */
    bool begun;
    char bytes[INPUT_BYTES];
};

void kt__client_decoder_free(kt__client_decoder *d)
{
    if (d)
        kt__decoder_free(d->decoder);
    kt_free(d);
}

static int coding_of(kt_slice value)
{
    static const struct {
        const char *name;
        kt__coding coding;
    } known[] = {{"gzip", KT__CODING_GZIP}, {"x-gzip", KT__CODING_GZIP}, {"deflate", KT__CODING_DEFLATE},
                 {"br", KT__CODING_BROTLI}};
    for (size_t i = 0; value.data && i < sizeof known / sizeof known[0]; i++)
        if (kt__http_same(value.data, value.size, known[i].name))
            return (int)known[i].coding;
    return -1;
}

/* A part of a coded body cannot be decoded; what has another coding, or several, is left as it is. */
int kt__client_decoder_begin(kt_http_response *r)
{
    int coding = coding_of(kt_http_response_header(r, "Content-Encoding"));
    if (r->session->o.no_decompression || coding < 0 || r->framing == KT__HTTP_NO_BODY || r->status == 206 ||
        kt__client_switched(r))
        return 0;
    kt__client_decoder *d = kt_alloc(sizeof *d);
    if (!d)
        return -ENOMEM;
    d->input = (kt_slice){d->bytes, 0};
    d->begun = false;
    const kt__decoder_limits limits = {.ratio_max = RATIO_MAX};
    int rc = kt__decoder_new((kt__coding)coding, &limits, &d->decoder);
    if (rc < 0) {
        kt_free(d);
        return rc;
    }
    r->decoder = d;
    r->length = -1;
    return 0;
}

ssize_t kt__client_decode(kt_http_response *r, void *buffer, size_t size)
{
    kt__client_decoder *d = r->decoder;
    for (;;) {
        ssize_t n = d->begun ? kt__decode(d->decoder, &d->input, buffer, size) : 0;
        if (n != 0) {
            r->rc = n < 0 ? (int)n : 0;
            return n < 0 ? kt_error_set((int)n, "the answer's compressed body: %s", kt_strerror((int)n)) : n;
        }
        n = kt__client_read_raw(r, d->bytes, sizeof d->bytes);
        if (n < 0)
            return n;
        if (n == 0 && (!d->begun || kt__decoder_ended(d->decoder)))
            return 0;
        if (n == 0) {
            r->rc = KT_EINCOMPLETE;
            return kt_error_set(KT_EINCOMPLETE, "the answer's compressed body was cut");
        }
        d->begun = true;
        d->input = (kt_slice){d->bytes, (size_t)n};
    }
}
