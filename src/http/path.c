/* SPDX-License-Identifier: MIT */
/* Percent escapes (RFC 3986 section 2.1) in paths and queries. */
#include <errno.h>

#include "http/parser_internal.h"
#include "http/server.h"

/* The byte that the escape at p stands for, -EINVAL for a broken one. NUL is refused, since it would
 * cut the string short for whoever makes a C string of it. */
static int escape_value(const char *p, size_t left)
{
    if (left < 3 || !kt__is(p[1], KT__C_HEX) || !kt__is(p[2], KT__C_HEX))
        return -EINVAL;
    unsigned value = kt__hex_value(p[1]) << 4 | kt__hex_value(p[2]);
    return value ? (int)value : -EINVAL;
}

ssize_t kt__http_unescape(kt_slice raw, unsigned how, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < raw.size; i++) {
        char c = raw.data[i];
        if (c == '+' && how & KT__HTTP_PLUS)
            c = ' ';
        if (c != '%') {
            out[n++] = c;
            continue;
        }
        int value = escape_value(raw.data + i, raw.size - i);
        if (value < 0)
            return value;
        if (value == '/' && how & KT__HTTP_KEEP_SLASH) {
            memcpy(out + n, "%2F", 3);
            n += 3;
        } else {
            out[n++] = (char)value;
        }
        i += 2;
    }
    return (ssize_t)n;
}

int kt__http_path_decode(kt_http_exchange *x)
{
    kt_slice raw = x->head.path;
    if (raw.size == 0) /* RFC 9110 section 4.2.3: an empty path is "/" */
        raw = kt_slice_from("/");
    x->path = raw;
    if (!memchr(raw.data, '%', raw.size))
        return 0;
    char *decoded = kt_http_alloc(x, raw.size);
    if (!decoded) {
        kt__http_fault(x, 503, "out of memory");
        return -ENOMEM;
    }
    ssize_t n = kt__http_unescape(raw, KT__HTTP_KEEP_SLASH, decoded);
    if (n < 0) {
        kt__http_fault(x, 400, "bad percent escape in the path");
        return -EINVAL;
    }
    x->path = (kt_slice){decoded, (size_t)n};
    return 0;
}
