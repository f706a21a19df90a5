/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_URL_PRIVATE_H
#define KT__HTTP_URL_PRIVATE_H

/* What the files about URLs share: url.c takes a URL apart, url_host.c makes a host canonical, url_idna.c asks libidn2,
 * url_percent.c encodes. */

#include <kettle/error.h>
#include <kettle/url.h>

/* Sets of bytes, for kt__url_class. */
enum {
    KT__U_COMPONENT = 1, /* encoded by the set of that name */
    KT__U_PATH = 2,
    KT__U_QUERY = 4,
    KT__U_FRAGMENT = 8,
    KT__U_USER = 16,
    KT__U_FORM = 32,
    KT__U_NO_HOST = 64, /* WHATWG URL section 3.1: forbidden domain code points, of ASCII */
};

extern const uint8_t kt__url_class[256];

static inline bool kt__url_is(char c, unsigned classes)
{
    return (kt__url_class[(unsigned char)c] & classes) != 0;
}

/* Appends `bytes`, those of the classes as %XX. 0, -ENOMEM, KT_ELIMIT. */
int kt__url_encode(kt_slice bytes, unsigned classes, kt_buffer *out);

/* Appends a host as it stands in a URL (brackets included) in its canonical form. 0; -EINVAL, and then *ret_why says
 * what is wrong and *ret_at where, counted from the host's first byte; -ENOMEM, KT_ELIMIT. */
int kt__url_host(kt_slice host, kt_buffer *out, const char **ret_why, size_t *ret_at);

/* Is it an IPv4 or bracketed IPv6 address? Of a canonical host. */
bool kt__url_host_is_address(kt_slice host);

/* Appends a name that is UTF-8, or has a label that begins with "xn--", in ASCII (UTS #46, non-transitional).
 * 0; -EINVAL with the reason; -ENOMEM, KT_ELIMIT. */
int kt__idna_to_ascii(kt_slice name, kt_buffer *out, const char **ret_why);

#endif
