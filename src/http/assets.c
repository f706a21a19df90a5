/* SPDX-License-Identifier: MIT */
/* Files from memory. */
#include <stdio.h>

#include "http/parser_internal.h"
#include "http/server.h"

#define ETAG_BYTES 40

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33; /* MurmurHash3's finaliser */
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

/* A strong validator (RFC 9110 section 8.8.1) need only differ when the bytes do; nobody attacks a
 * server with its own files, so 128 bits of a fast hash will do. */
static void etag_of(const kt_http_asset *a, char *etag)
{
    const char *p = a->bytes;
    uint64_t h[2] = {a->size, ~(uint64_t)a->size};
    for (size_t left = a->size; left > 0;) {
        uint64_t word = 0;
        size_t n = left < sizeof word ? left : sizeof word;
        memcpy(&word, p, n);
        h[0] = mix(h[0] ^ word);
        h[1] = (h[1] ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h[1] ^= h[1] >> 29;
        p += n;
        left -= n;
    }
    snprintf(etag, ETAG_BYTES, "\"%016llx%016llx\"", (unsigned long long)h[0],
             (unsigned long long)mix(h[1]));
}

/* RFC 9110 section 13.1.2: a list of tags or "*", compared weakly. A tag holds no quote, so that it
 * is found as a string with its quotes. */
static bool none_match(const kt_http_exchange *x, const char *etag)
{
    kt_slice wanted;
    kt_slice name;
    size_t size = strlen(etag);
    for (size_t i = 0; kt_http_request_header_at(x, i, &name, &wanted); i++) {
        if (!kt__http_same(name.data, name.size, "if-none-match"))
            continue;
        if (kt_slice_is(wanted, "*") || memmem(wanted.data, wanted.size, etag, size))
            return true;
    }
    return false;
}

static int serve(kt_http_exchange *x, const kt_http_asset *a)
{
    char computed[ETAG_BYTES];
    const char *etag = a->etag;
    if (!etag) {
        etag_of(a, computed);
        etag = computed;
    }
    int rc = kt_http_header(x, "ETag", etag);
    if (rc == 0)
        rc = kt_http_header(x, "Cache-Control", "no-cache");
    if (rc == 0)
        rc = kt_http_header(x, "X-Content-Type-Options", "nosniff");
    if (rc < 0)
        return rc;
    if (none_match(x, etag))
        return kt_http_respond(x, 304, NULL, NULL, 0);
    return kt_http_respond(x, 200, a->content_type, a->bytes, a->size);
}

static int refuse_method(kt_http_exchange *x)
{
    static const char text[] = "405 Method Not Allowed\n";
    int rc = kt_http_header(x, "Allow", "GET, HEAD");
    return rc < 0 ? rc : kt_http_respond(x, 405, "text/plain", text, sizeof text - 1);
}

int kt_http_serve_assets(kt_http_exchange *x, const kt_http_asset *assets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!kt_slice_is(kt_http_path(x), assets[i].path))
            continue;
        bool reads = kt_http_method_is(x, "GET") || kt_http_method_is(x, "HEAD");
        size_t before = x->m->fields.size;
        int rc = reads ? serve(x, &assets[i]) : refuse_method(x);
        if (rc < 0 && x->state == KT__HTTP_NEW) /* another try sets them again */
            x->m->fields.size = before;
        return rc < 0 ? rc : 1;
    }
    return 0;
}
