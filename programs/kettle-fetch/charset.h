/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_CHARSET_H
#define KETTLE_FETCH_CHARSET_H

/* Text of the web as UTF-8. */

#include <kettle/buffer.h>

/* Appends `bytes` as UTF-8. Their encoding is what a byte order mark says; else the charset of `content_type` ("" for
 * none); else, where `is_html`, that of a <meta> in the first 1024 bytes; else UTF-8. Names are those of the Encoding
 * standard that matter; another one is taken for UTF-8. What is malformed becomes U+FFFD, and is counted. 0; -ENOMEM;
 * KT_ELIMIT of the buffer. Does not suspend, and takes long for megabytes. */
int charset_decode(kt_slice bytes, kt_slice content_type, bool is_html, kt_buffer *out, size_t *ret_replaced)
    KT_CHECKED;

/* The value of a parameter of a Content-Type, without quotes; data NULL if there is none. */
kt_slice charset_parameter(kt_slice content_type, const char *name);

#endif
