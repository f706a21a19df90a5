/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_URL_H
#define KETTLE_URL_H

/* URLs of http, https, ws and wss: taken apart, joined, put together; and which addresses are safe to connect to
 * for a stranger. Library: libkettle-net.
 *
 *     kt_auto(kt_url) page = KT_URL_INIT, next = KT_URL_INIT;
 *     int rc = kt_url_parse("http://Example.ORG/a/b?x=1", NULL, &page);
 *     if (rc == 0)
 *         rc = kt_url_parse("../c#top", &page, &next);       // as a link on that page
 *     if (rc == 0)
 *         puts(next.text.data);                              // http://example.org/c#top
 *
 * A URL is parsed as browsers do it (the WHATWG URL standard, which for these schemes is RFC 3986 and what the
 * web has made of it): tabs and line ends are dropped, '\' counts as '/', "." and ".." segments are resolved (also
 * written as %2e), IPv4 addresses in all their forms (0x7f.1, 017700000001) become four decimal numbers, names are
 * lower case and in ASCII (IDNA: UTS #46, non-transitional), the scheme's own port is dropped, and what may not
 * stand in a part is percent-encoded. What comes out is canonical: parsing it again gives the same text. Bytes that
 * are not UTF-8 are percent-encoded as they are; in a host they are an error.
 *
 * Any other scheme is refused with -EPROTONOSUPPORT: no file:, no data:, no mailto:. An IPv6 zone (fe80::1%eth0) is
 * refused, too, as by browsers.
 *
 * No function here suspends. Any thread, one at a time for each object. */

#include <kettle/base.h>
#include <kettle/buffer.h>
#include <sys/socket.h>

KT_BEGIN

/* A longer URL is refused, before and after it is made canonical. */
#define KT_URL_BYTES_MAX ((size_t)64 * 1024)

/* A URL. All slices point into `text`, which belongs to it, and none is ever changed. A part that is not there has
 * size 0; of query and fragment, data tells "" (data not NULL) from none (NULL). */
typedef struct kt_url {
    kt_slice text;      /* the whole; a terminator follows */
    kt_slice scheme;    /* "http", "https", "ws" or "wss" */
    kt_slice user;      /* percent-encoded, as the next */
    kt_slice password;
    kt_slice host;      /* "example.org", "127.0.0.1", "[::1]"; never empty */
    kt_slice authority; /* the host, and ":port" where it is not the scheme's own: as in the field Host */
    kt_slice path;      /* percent-encoded; begins with '/' */
    kt_slice query;     /* without '?' */
    kt_slice fragment;  /* without '#' */
    kt_slice target;    /* path and, with its '?', query: as in a request's first line (RFC 9112 section 3.2.1) */
    uint16_t port;      /* the one to connect to, whether it was given or is the scheme's own */
    void *reserved[2];
} kt_url;

#define KT_URL_INIT {.port = 0}

/* Understands `text`, which may be relative if there is a `base`. What *ret_url held is not freed: it must be empty.
 * The caller releases it. 0; -EINVAL, -EPROTONOSUPPORT for another scheme: kt_error_detail() names the byte and what is
 * wrong there, without the text itself, which may hold a password; KT_ELIMIT over KT_URL_BYTES_MAX; -ENOMEM. ret_url
 * may not be base. Like urllib.parse.urljoin and yarl.URL; RFC 3986 sections 4 and 5, WHATWG URL section 4.4. */
KT_API int kt_url_parse(const char *text, const kt_url *base, kt_url *ret_url) KT_CHECKED;

/* The same, of bytes that are not terminated: a field's value, a piece of a page. NUL is no end. */
KT_API int kt_url_parse_slice(kt_slice text, const kt_url *base, kt_url *ret_url) KT_CHECKED;

/* A copy of its own. 0 or -ENOMEM. */
KT_API int kt_url_copy(const kt_url *url, kt_url *ret_url) KT_CHECKED;

/* Frees the text; the URL is empty again. An empty one is allowed. */
KT_API void kt_url_release(kt_url *url);

static inline void kt_url_cleanup(kt_url *url)
{
    kt_url_release(url);
}

/* Do both have the same scheme, host and port? Then credentials for one may be shown to the other (RFC 6454). */
KT_API bool kt_url_same_origin(const kt_url *a, const kt_url *b);

/* Is it https or wss? */
static inline bool kt_url_is_secure(const kt_url *url)
{
    return kt_slice_is(url->scheme, "https") || kt_slice_is(url->scheme, "wss");
}

/* ---- Percent-encoding (RFC 3986 section 2.1) ------------------------------------------------- */

/* What is encoded, besides control bytes, the space and all bytes from 0x7f on. */
typedef enum kt_percent_set {
    KT_PERCENT_COMPONENT, /* all but letters, digits and -._~ : safe in any part. Like urllib.parse.quote(safe='') */
    KT_PERCENT_PATH,      /* "#<>?^`{} : a path as it is, with its '/' */
    KT_PERCENT_QUERY,     /* "#<>' */
    KT_PERCENT_FRAGMENT,  /* "<>` */
    KT_PERCENT_USER,      /* as in a path, and /:;=@[\]| : a user's name or password */
    KT_PERCENT_FORM,      /* all but letters, digits and *-._ ; a space becomes '+' */
} kt_percent_set;

/* Appends `bytes` to `out`, encoded. '%' is encoded by COMPONENT and FORM only: the others are for what may be encoded
 * already. 0; -ENOMEM, KT_ELIMIT of the buffer, and then nothing is appended. */
KT_API int kt_percent_encode(kt_slice bytes, kt_percent_set set, kt_buffer *out) KT_CHECKED;

/* Appends what `text` stands for; a '%' without two hexadecimal digits stands for itself. What comes out may be any
 * bytes, NUL and '/' included. 0; -ENOMEM, KT_ELIMIT of the buffer, and then nothing is appended. Like
 * urllib.parse.unquote_to_bytes. */
KT_API int kt_percent_decode(kt_slice text, kt_buffer *out) KT_CHECKED;

/* ---- Queries as names and values (application/x-www-form-urlencoded) --------------------------
 *
 *     kt_auto(kt_buffer) q = KT_BUFFER_INIT;
 *     int rc = kt_buffer_append_string(&q, "?");
 *     if (rc == 0)
 *         rc = kt_query_add(&q, "q", "tea & biscuits");
 *     if (rc == 0)
 *         rc = kt_url_parse_slice(kt_buffer_slice(&q), &page, &search);   // page with the query ?q=tea+%26+biscuits
 */

/* Appends "name=value", encoded, behind a '&' unless the buffer is empty or ends in '?'. 0; -ENOMEM, KT_ELIMIT of the
 * buffer, and then nothing is appended. Like urllib.parse.urlencode. */
KT_API int kt_query_add(kt_buffer *query, const char *name, const char *value) KT_CHECKED;

/* Takes the next pair off *query and writes it into the buffers, decoded, in place of what they held; what has no '='
 * is a name with the value "". *query begins as the query without '?', and is moved on. 1, or 0 at the end; -ENOMEM,
 * KT_ELIMIT of a buffer, and then *query stands where it stood. Like urllib.parse.parse_qsl, blank values kept. */
KT_API int kt_query_next(kt_slice *query, kt_buffer *name, kt_buffer *value) KT_CHECKED;

/* ---- Addresses that strangers may name ------------------------------------------------------ */

/* May a program connect to this address for somebody else, without giving away what is behind its own walls? Only IPv4
 * and IPv6 addresses that the world can reach are: not private, shared (RFC 6598), loopback, link-local, site-local,
 * unique local, multicast, broadcast, unspecified, reserved, for documentation or benchmarks, nor set aside for a
 * protocol. An IPv6 address that carries an IPv4 address is what that one is (mapped, NAT64's 64:ff9b::/96, 6to4);
 * never Teredo, a compatible one (::1.2.3.4), a translator's own prefix (64:ff9b:1::/48). Other families are not. The
 * tables are IANA's special-purpose registries. To be asked about the address that is connected to, after the name was
 * looked up, and again at each redirect: a name can change its mind. Like ipaddress.ip_address(a).is_global,
 * stricter. */
KT_API bool kt_address_is_global(const struct sockaddr *address);

KT_END

#endif
