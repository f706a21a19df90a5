/* SPDX-License-Identifier: MIT */
/* Who may ask a server that trusts its own machine, and what its pages may load. */
#include <arpa/inet.h>
#include <strings.h>

#include "http/server.h"

/* ---- Hosts ----------------------------------------------------------------------------------- */

/* Without the port, and without the brackets of an IPv6 address. */
static kt_slice host_name(kt_slice host)
{
    if (host.size > 0 && host.data[0] == '[') {
        const char *end = memchr(host.data, ']', host.size);
        return end ? (kt_slice){host.data + 1, (size_t)(end - host.data) - 1} : (kt_slice){NULL, 0};
    }
    const char *colon = host.size > 0 ? memchr(host.data, ':', host.size) : NULL;
    return colon ? (kt_slice){host.data, (size_t)(colon - host.data)} : host;
}

static bool same_name(kt_slice name, const char *other)
{
    return name.size == strlen(other) && strncasecmp(name.data, other, name.size) == 0;
}

/* DNS rebinding makes a stranger's name point at us; so names are believed only if they are
 * ours. An address in the Host header cannot be rebound. */
static bool host_is_ours(kt_slice host, const char *const *hosts)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    kt_slice name = host_name(host);
    if (name.size == 0)
        return false;
    if (same_name(name, "localhost"))
        return true;
    for (const char *const *h = hosts; h && *h; h++)
        if (same_name(name, *h))
            return true;
    if (name.size >= sizeof text)
        return false;
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* ---- Origins --------------------------------------------------------------------------------- */

/* A browser says where a request comes from; other clients say nothing. */
static bool origin_is_ours(const kt_http_exchange *x)
{
    kt_slice origin = kt_http_request_header(x, "Origin");
    kt_slice site = kt_http_request_header(x, "Sec-Fetch-Site");
    kt_slice host = kt_http_host(x);
    if (site.data && !kt_slice_is(site, "same-origin") && !kt_slice_is(site, "none"))
        return false;
    if (!origin.data)
        return true;
    const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t length = strlen(schemes[i]);
        if (origin.size == length + host.size && memcmp(origin.data, schemes[i], length) == 0 &&
            memcmp(origin.data + length, host.data, host.size) == 0)
            return true;
    }
    return false;
}

/* The media type, whatever its parameters. A form cannot send this one without asking first (CORS). */
static bool is_json(const kt_http_exchange *x)
{
    static const char json[] = "application/json";
    kt_slice type = kt_http_request_header(x, "Content-Type");
    size_t size = sizeof json - 1;
    return type.size >= size && strncasecmp(type.data, json, size) == 0 &&
           (type.size == size || type.data[size] == ';' || type.data[size] == ' ');
}

int kt_http_guard(const kt_http_exchange *x, const char *const *hosts)
{
    /* CONNECT is HTTP/2's way to ask for an upgrade, which is a GET of HTTP/1.1 (RFC 8441). */
    bool changes = !kt_http_method_is(x, "GET") && !kt_http_method_is(x, "HEAD") && !kt_http_method_is(x, "CONNECT");
    if (!host_is_ours(kt_http_host(x), hosts))
        return 421;
    if (changes && !origin_is_ours(x))
        return 403;
    return changes && !is_json(x) ? 415 : 0;
}

/* ---- Pages ----------------------------------------------------------------------------------- */

int kt_http_guard_page(kt_http_exchange *x)
{
    int rc =
        kt_http_header(x, "Content-Security-Policy",
                       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                       "connect-src 'self'; form-action 'self'; base-uri 'none'; "
                       "frame-ancestors 'none'");
    if (rc == 0)
        rc = kt_http_header(x, "Referrer-Policy", "no-referrer");
    if (rc == 0)
        rc = kt_http_header(x, "Cross-Origin-Resource-Policy", "same-origin");
    return rc;
}
