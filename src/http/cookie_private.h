/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_COOKIE_PRIVATE_H
#define KT__HTTP_COOKIE_PRIVATE_H

/* What the files about cookies share: cookie_parse.c reads Set-Cookie, cookie_jar.c keeps and matches, cookie_file.c
 * saves and loads, public_suffix.c asks libpsl. */

#include <kettle/cookies.h>

/* What a Set-Cookie field says; slices of it. */
typedef struct kt__set_cookie {
    kt_slice name, value;
    kt_slice domain; /* as given, without a leading dot; size 0: none */
    kt_slice path;   /* data NULL: none that counts */
    bool persistent; /* it has a time: */
    bool relative;   /* in seconds from now, otherwise since 1970 */
    int64_t seconds;
    bool secure, http_only;
    uint8_t same_site;
} kt__set_cookie;

/* RFC 6265bis section 5.6. False: the field is to be ignored. `bytes_max`: of name and value. */
bool kt__set_cookie_parse(kt_slice field, size_t bytes_max, kt__set_cookie *ret_cookie);

/* RFC 6265bis section 5.1.1: seconds since 1970. */
bool kt__cookie_date(kt_slice text, int64_t *ret_seconds);

/* A cookie in a jar. */
typedef struct kt__cookie {
    kt_cookie c;       /* its slices are of `bytes`; c.expires is made when it is asked for */
    bool persistent;
    int64_t expires;   /* seconds since 1970 */
    uint64_t used;     /* the jar's count when it was sent last */
    kt_slice site;     /* of its domain: what it counts against */
    char bytes[];
} kt__cookie;

struct kt_cookie_jar {
    kt_cookie_jar_options options;
    kt__cookie **cookies; /* oldest first */
    kt__cookie **found;   /* as much room, for a look-up */
    size_t count, capacity;
    uint64_t uses;
};

/* The jar's clock, in seconds. */
int64_t kt__cookie_jar_now(const kt_cookie_jar *jar);

/* Puts one in, in place of one with the same name, domain and path, and keeps the limits. 0 or -ENOMEM. c.expires of
 * `cookie` does not count: `persistent` and `expires` do. */
int kt__cookie_jar_put(kt_cookie_jar *jar, const kt_cookie *cookie, bool persistent, int64_t expires);

/* Is this domain one under which anybody may have a name ("com", "co.uk")? Lower case, ASCII. */
bool kt__public_suffix(kt_slice domain);

/* The part of a host that somebody has registered ("example.co.uk" of "www.example.co.uk"); the host itself for an
 * address or a public suffix. A slice of host. */
kt_slice kt__site(kt_slice host);

#endif
