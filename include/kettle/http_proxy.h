/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_PROXY_H
#define KETTLE_HTTP_PROXY_H

/* Who the client is behind proxies, and what a request is called from one server to the next. Library: libkettle-net.
 *
 *     static const char *const ours[] = {"127.0.0.1", "10.0.0.0/8", "fd00::/8", NULL};
 *     kt_auto(kt_http_proxies) *proxies = NULL;
 *     int rc = kt_http_proxies_new(ours, KT_HTTP_X_FORWARDED, &proxies);
 *
 *     kt_http_client client;                               // in a handler
 *     int rc = kt_http_client_of(x, proxies, &client);     // client.address, client.scheme, client.host
 *
 * Anybody can send these headers, so they are believed only of peers that are named, and only as far back as the named
 * ones reach: the client is the one whom the outermost of them has seen.
 *
 * Thread rule: see http.h. The proxies do not change once made, and may be shared by loops. */

#include <kettle/http.h>

KT_BEGIN

/* Which headers the proxies set. One of the two: a proxy that sets one passes on what a stranger says in the other. */
typedef enum kt_http_forwarding {
    KT_HTTP_X_FORWARDED, /* X-Forwarded-For, -Proto, -Host */
    KT_HTTP_FORWARDED,   /* Forwarded (RFC 7239) */
} kt_http_forwarding;

typedef struct kt_http_proxies kt_http_proxies;

/* The proxies that are believed: addresses and networks ("10.0.0.0/8", "fd00::/8"), NULL-ended, and "unix" for peers on
 * Unix sockets. The caller owns *ret_proxies. -EINVAL for what is no network, with a detail; -ENOMEM. Does not
 * suspend. */
KT_API int kt_http_proxies_new(const char *const *networks, kt_http_forwarding forwarding,
                               kt_http_proxies **ret_proxies) KT_CHECKED;

/* Frees it; NULL is allowed. */
KT_API void kt_http_proxies_free(kt_http_proxies *proxies);

static inline void kt_http_proxies_cleanup(kt_http_proxies **proxies)
{
    kt_http_proxies_free(*proxies);
}

/* What the outermost proxy has seen; without any it is what this server sees. */
typedef struct kt_http_client {
    const char *address; /* without the port: "192.0.2.1", "2001:db8::1", "unix:/path"; "unknown": a proxy hides it */
    const char *scheme;  /* "http" or "https" */
    kt_slice host;       /* as kt_http_host; checked, but still chosen by the client */
    unsigned proxies;    /* that were believed */
} kt_http_client;

/* Finds it out; NULL proxies: none is believed. What is in *ret_client belongs to the exchange. A malformed entry ends
 * the search as a proxy that hides its client would. 0, -ENOMEM. Does not suspend. Like uvicorn's proxy headers. */
KT_API int kt_http_client_of(kt_http_exchange *x, const kt_http_proxies *proxies,
                             kt_http_client *ret_client) KT_CHECKED;

/* A name for the request, which is also set as the answer's X-Request-Id: the request's own X-Request-Id if one of the
 * proxies sent it and it is 1 to 128 letters, digits and "-._=+/:@", else 32 random digits. *ret_id belongs to the
 * exchange. Once a request. -EIO without random numbers; -ENOMEM; otherwise as kt_http_header. Does not suspend. */
KT_API int kt_http_request_id(kt_http_exchange *x, const kt_http_proxies *proxies, const char **ret_id) KT_CHECKED;

KT_END

#endif
