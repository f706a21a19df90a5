/* SPDX-License-Identifier: MIT */
/* Decompresses requests; and what filters have in common. */
#include <errno.h>

#include "http/filter.h"
#include "http/parser_internal.h"

#define BYTES_MAX ((uint64_t)1024 * 1024)
#define RATIO_MAX 100
#define PIECE ((size_t)4 * 1024)

kt__http_filter *kt__http_filter_of(kt_http_exchange *x)
{
    if (x->m->filter)
        return x->m->filter;
    kt__http_filter *f = kt_http_alloc(x, sizeof *f);
    if (!f)
        return NULL;
    *f = (kt__http_filter){.back = *x->back, .below = x->back, .read_rc = 1};
    x->back = &f->back;
    return x->m->filter = f;
}

static int fault(kt_http_exchange *x, kt__http_filter *f, int rc)
{
    if (rc == KT_ELIMIT)
        kt__http_fault(x, 413, "the body becomes too large when it is decompressed");
    else if (rc == KT_EPROTOCOL || rc == KT_EINCOMPLETE)
        kt__http_fault(x, 400, "the body is not what Content-Encoding says");
    return f->read_rc = rc;
}

static ssize_t in_read(kt_http_exchange *x, void *buffer, size_t size)
{
    kt__http_filter *f = (kt__http_filter *)(uintptr_t)x->back;
    while (f->read_rc == 1) {
        ssize_t n = kt__decode(x->m->decoder, &f->input, buffer, size);
        if (n > 0)
            return n;
        if (n < 0)
            return fault(x, f, (int)n);
        n = f->below->read(x, f->window, KT__FILTER_WINDOW);
        if (n < 0)
            return n;
        if (n == 0 && !kt__decoder_ended(x->m->decoder))
            return fault(x, f, kt_error_set(KT_EINCOMPLETE, "the compressed body is cut"));
        if (n == 0)
            f->read_rc = 0;
        f->input = (kt_slice){f->window, (size_t)n};
    }
    return f->read_rc;
}

static int in_read_all(kt_http_exchange *x, size_t size_max, kt_slice *ret_body)
{
    kt_buffer *b = &x->m->body; /* which keeps what a cancelled call has read */
    for (;;) {
        int rc = kt_buffer_reserve(b, PIECE);
        if (rc < 0)
            return rc == KT_ELIMIT ? -ENOMEM : rc;
        ssize_t n = in_read(x, b->data + b->size, PIECE);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        b->size += (size_t)n;
        if (b->size > size_max)
            return kt__http_too_long(x, size_max);
    }
    *ret_body = kt_buffer_slice(b);
    return 0;
}

static int find_coding(kt_http_exchange *x, kt__coding *ret_coding)
{
    kt_slice said = kt_http_request_header(x, "Content-Encoding");
    if (!said.data || kt__http_same(said.data, said.size, "identity"))
        return 0;
    if (kt__http_same(said.data, said.size, "gzip") || kt__http_same(said.data, said.size, "x-gzip"))
        *ret_coding = KT__CODING_GZIP;
    else if (kt__http_same(said.data, said.size, "deflate"))
        *ret_coding = KT__CODING_DEFLATE;
    else if (kt__http_same(said.data, said.size, "br"))
        *ret_coding = KT__CODING_BROTLI;
    else {
        kt__http_fault(x, 415, "this Content-Encoding is not known here");
        return kt_error_set(KT_EPROTOCOL, "Content-Encoding %.*s is not known", (int)said.size, said.data);
    }
    return 1;
}

int kt_http_decompress(kt_http_exchange *x, const kt_http_decompress_options *options)
{
    kt__coding coding = KT__CODING_GZIP;
    kt__decoder_limits limits = {.bytes_max = BYTES_MAX, .ratio_max = RATIO_MAX};
    if (x->state == KT__HTTP_DONE && x->status == 101)
        return kt_error_set(KT_EINVALIDSTATE, "the connection goes on with another protocol");
    int rc = find_coding(x, &coding);
    if (rc <= 0)
        return rc;
    if (x->m->decoder || x->m->body.size > 0)
        return kt_error_set(KT_EINVALIDSTATE, "the body is being read already");
    if (options && options->bytes_max)
        limits.bytes_max = options->bytes_max;
    if (options && options->ratio_max)
        limits.ratio_max = options->ratio_max;
    kt__http_filter *f = kt__http_filter_of(x);
    if (!f)
        return -ENOMEM;
    if (!f->window)
        f->window = kt_http_alloc(x, KT__FILTER_WINDOW);
    if (!f->window)
        return -ENOMEM;
    rc = kt__decoder_new(coding, &limits, &x->m->decoder);
    if (rc < 0)
        return rc;
    f->back.read = in_read;
    f->back.read_all = in_read_all;
    return 0;
}
