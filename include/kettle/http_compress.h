/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_COMPRESS_H
#define KETTLE_HTTP_COMPRESS_H

/* Answers that are compressed as the client likes it, and requests that came compressed. Library: libkettle-net.
 *
 *     static int handler(kt_http_exchange *x, void *arg)
 *     {
 *         int rc = kt_http_compress(x, NULL);             // then answer as always
 *         return rc < 0 ? rc : answer(x, arg);
 *     }
 *
 * Not for pages that hold a secret beside something that a stranger chooses: how well they compress tells of the
 * secret (the attack called BREACH).
 *
 * Thread rule: see http.h. */

#include <kettle/http.h>

KT_BEGIN

/* All zero means the defaults. */
typedef struct kt_http_compress_options {
    size_t bytes_min;  /* smaller whole answers are left as they are; 0 = 1 KiB */
    int gzip_level;    /* 1 to 9; 0 = 6 */
    int brotli_level;  /* 1 to 11; 0 = 4, which costs about what gzip does */
    bool no_brotli;
    bool no_gzip;
    bool collect;      /* what kt_http_write writes waits for more, which compresses better, until kt_http_flush; else
                        * each piece can be read when it arrives */
    uintptr_t reserved[2];
} kt_http_compress_options;

/* The answer that follows is compressed with brotli or gzip, if the client's Accept-Encoding prefers one of them (RFC
 * 9110 section 12.5.3, with its weights, "*" and identity;q=0), and if it is worth it: its content type is one of text
 * or the like; its status is not 206 and its headers have neither Content-Encoding nor Cache-Control: no-transform; if
 * whole, it is large enough and becomes smaller; if in pieces, its length is not known before. A strong ETag becomes a
 * weak one, also with 304 unless the request's If-None-Match has it as a strong one, and Vary: Accept-Encoding is added
 * wherever another client could get it compressed.
 *
 * Before the answer: else KT_EINVALIDSTATE. NULL options mean the defaults. -EINVAL for a level that there is not;
 * -ENOMEM. Does not suspend. kt_http_respond and its kin then may also fail for want of memory where otherwise they
 * would not, and then a handler may still answer otherwise. Like aiohttp's enable_compression. */
KT_API int kt_http_compress(kt_http_exchange *x, const kt_http_compress_options *options) KT_CHECKED;

/* All zero means the defaults. */
typedef struct kt_http_decompress_options {
    uint64_t bytes_max; /* of the body once it is decompressed; 0 = 1 MiB */
    uint32_t ratio_max; /* of that to what was sent, beyond the first 64 KiB; 0 = 100 */
    uintptr_t reserved[2];
} kt_http_decompress_options;

/* The request's body is read as it was before its client compressed it (Content-Encoding: gzip, deflate or br). A body
 * that is not compressed is left alone. NULL options mean the defaults. KT_EPROTOCOL for another coding, or for
 * several: the handler may return that, and the answer is 415. -ENOMEM. KT_EINVALIDSTATE if some of the body has been
 * read. Does not suspend.
 *
 * kt_http_read and its kin then may also give KT_EPROTOCOL for what is malformed (400), and KT_ELIMIT beyond the limits
 * (413). */
KT_API int kt_http_decompress(kt_http_exchange *x, const kt_http_decompress_options *options) KT_CHECKED;

KT_END

#endif
