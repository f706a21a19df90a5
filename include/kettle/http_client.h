/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_CLIENT_H
#define KETTLE_HTTP_CLIENT_H

/* An HTTP client (RFC 9110, RFC 9112, RFC 9113). A session keeps connections, and what its requests share.
 *
 *     kt_auto(kt_http_session) *web = NULL;
 *     kt_auto(kt_http_response) *page = NULL;
 *     kt_slice text;
 *     int rc = kt_http_session_open(NULL, &web);
 *     if (rc == 0)
 *         rc = kt_http_get(web, "https://example.org/", &page);
 *     if (rc == 0)
 *         rc = kt_http_response_read_all(page, 1024 * 1024, &text);
 *
 * A response is there as soon as its head is; its body is read piece by piece, as it comes:
 *
 *     char piece[16 * 1024];
 *     ssize_t n;
 *     while ((n = kt_http_response_read(page, piece, sizeof piece)) > 0)
 *         consume(piece, (size_t)n);              // n < 0: the body is cut, or too slow
 *
 * Any number of tasks may use one session at a time; a response belongs to one task at a time. A status such as 404
 * is an answer, no failure.
 *
 * Every wait has a limit by default, see kt_http_timeouts. One that is over is -ETIMEDOUT, and kt_error_detail says
 * for what; KT_ETIMEDOUT comes from the caller's own timeout scopes only. A request that is cancelled at whatever point
 * leaves nothing behind, and no connection on which a part of it could be taken for something else.
 *
 * Thread rule: everything here is called on the loop's thread, in a task. Strings of options and requests are borrowed
 * during the call that takes them, unless said otherwise. Slices that belong to a response live until it is closed.
 *
 * Like aiohttp.ClientSession, httpx.AsyncClient. */

#include <kettle/stream.h>

KT_BEGIN

typedef struct kt_http_session kt_http_session;
typedef struct kt_http_response kt_http_response;

/* Of others, which need not be included. */
typedef struct kt_tls_config kt_tls_config;   /* tls.h */
typedef struct kt_cookie_jar kt_cookie_jar;   /* cookies.h */
typedef struct kt_http_cache kt_http_cache;   /* http_cache.h */
typedef struct kt_file kt_file;               /* file.h */

/* ---- Options ----------------------------------------------------------------------------------- */

/* How long to wait, and for what. 0 in a request means the session's, in a session the default beside it;
 * KT_FOREVER: no limit. */
typedef struct kt_http_timeouts {
    kt_time pool;       /* 60 s for a connection to be free, where the limits have to be kept */
    kt_time connect;    /* 10 s for the name and the TCP connection, TLS with a proxy and its answer included */
    kt_time tls;        /* 10 s for the handshake */
    kt_time send;       /* 30 s in which the server takes no byte of the request */
    kt_time first_byte; /* 60 s from the request's last byte to the complete head of the answer */
    kt_time between;    /* 30 s between two pieces of the answer's body */
    kt_time total;      /* 5 minutes from kt_http_send to the end of the body: redirects, retries, and what the caller
                         * does between two reads included */
} kt_http_timeouts;

typedef enum kt_http_protocol {
    KT_HTTP_AUTO, /* HTTP/2 where a TLS server offers it (ALPN), otherwise HTTP/1.1. One that offers it with a cipher
                   * suite that is too weak for it (RFC 9113 9.2.2) is KT_EPROTOCOL */
    KT_HTTP_1,    /* HTTP/1.1 only */
    KT_HTTP_2,    /* HTTP/2 only: over plain TCP by prior knowledge (RFC 9113 3.3) */
} kt_http_protocol;

/* Trying again. Only what may be sent twice is (RFC 9110 9.2.2: GET, HEAD, OPTIONS, TRACE, PUT, DELETE), or what has a
 * true `idempotent`, and whose body can be had again; after a connection that failed, and after 408, 429, 502, 503 and
 * 504. Waits grow as those of kt_retry, with full jitter; Retry-After is honoured. */
typedef struct kt_http_retries {
    unsigned attempts;       /* of one request, the first included; 0 = 1: none is repeated */
    kt_time first_wait;      /* 0 = 500 ms */
    kt_time wait_max;        /* 0 = 30 s */
    kt_time retry_after_max; /* a server that asks for more patience gives us its answer instead; 0 = 60 s */
    unsigned budget_percent; /* of the session's requests that may be repeats, in the long run, so that a server in
                              * trouble does not get a multiple of its load; 0 = 20 */
    unsigned budget_first;   /* repeats that are allowed before that counts; 0 = 10 */
} kt_http_retries;

/* One attempt at a request, as hooks see it: redirects and repeats are attempts of their own. */
typedef struct kt_http_attempt {
    const char *method, *url;
    unsigned number;         /* 1 is the first of this request */
    int status;              /* after: of the answer, 0 for none */
    int rc;                  /* after: 0, or why there is no answer */
    kt_time duration;        /* after: from the beginning of the attempt to the head of the answer */
    bool reused;             /* after: on a connection that was there before */
    struct kt__http_call *private_call;
} kt_http_attempt;

/* Adds a header to the attempt, in place of one that has this name; from a `before` hook only. Errors as of a
 * request's headers. Does not suspend. */
KT_API int kt_http_attempt_header(kt_http_attempt *a, const char *name, const char *value) KT_CHECKED;

/* All zero means the defaults, which stand beside each field. Everything is copied but for what is said to be
 * borrowed, which must outlive the session. */
typedef struct kt_http_session_options {
    const char *base_url;            /* what relative URLs of requests are relative to; NULL: they are refused */
    const char *const *headers;      /* of every request: name, value, name, value, ..., NULL; a request's win */
    const char *user_agent;          /* NULL: "kettle/" and the version; "": none */
    kt_http_timeouts timeouts;
    kt_http_protocol version;

    uint32_t connections_max;          /* open at a time; 0 = 100. Who comes later waits in line */
    uint32_t connections_per_host_max; /* of one scheme, host, and port; 0 = 20 */
    kt_time idle_timeout;              /* a connection that nobody used for so long is closed; 0 = 15 s */

    unsigned redirects_max;          /* that one request follows; 0 = 10 */
    bool no_redirects;               /* their answers are returned */
    kt_http_retries retries;

    uint32_t header_bytes_max;       /* of an answer's head; 0 = 64 KiB */
    uint32_t headers_max;            /* 0 = 100 */
    uint64_t body_bytes_max;         /* of an answer, decoded; 0 = no limit */
    bool no_decompression;           /* bodies are as they were sent, and nothing is asked for */

    const kt_tls_config *tls;        /* borrowed; for servers and proxies; NULL: trusts what the system trusts */
    const kt_connect_options *connect; /* NULL: the defaults */
    kt_cookie_jar *cookies;          /* borrowed; NULL: none are kept */
    kt_http_cache *cache;            /* borrowed; NULL: none. Each hop of a GET or HEAD without body is looked up in it;
                                      * what the cache keeps, confirms and forgets, see http_cache.h. Fresh answers take
                                      * no connection, and run no hooks. What may be used stale meanwhile is confirmed
                                      * by a GET with the same headers, in a task of the session, which runs the hooks;
                                      * 16 at a time. A request's own Cache-Control holds: no-store, no-cache,
                                      * only-if-cached (504 where there is nothing). A session with several users needs
                                      * a cache with `shared` */
    const char *user, *password;     /* for the base URL's origin only, or without one for any: see kt_http_request */
    const char *bearer;

    const char *proxy;               /* "http://[user:password@]host:port"; "https://...", with which TLS is spoken by
                                      * `tls`, for its host's name, and what is said to a server of https is TLS within
                                      * that; "socks5://..."; NULL: none. They look names up. User and password are for
                                      * the proxy alone: Digest or Basic (RFC 7616, 7617), once it has asked (407) */
    const char *const *no_proxy;     /* hosts that are reached directly, and then NULL: "example.org" with all below,
                                      * ".example.org" only those, "10.0.0.0/8", "*"; NULL: none */
    bool environment;                /* where `proxy` is NULL: by http_proxy, https_proxy, all_proxy, no_proxy */
    bool guard;                      /* URLs come from strangers: only http and https, and only addresses of the public
                                      * Internet, by whatever name and behind whatever redirect: KT_EGUARD. Not together
                                      * with a proxy, which would look names up for itself (-EINVAL) */

    unsigned rate_starts;            /* attempts to one host, at most so many ... */
    kt_time rate_period;             /* ... in any span as long as this; 0: no limit */

    int (*before)(kt_http_attempt *a, void *arg); /* of each attempt; negative: the request fails with that. May
                                                   * suspend */
    void (*after)(const kt_http_attempt *a, void *arg); /* its head is here, or it has failed. Must not suspend */
    void *hook_arg;
} kt_http_session_options;

/* ---- Sessions ---------------------------------------------------------------------------------- */

/* Makes a session; NULL options mean the defaults. The caller owns *ret_session. Opens no connection. -EINVAL for
 * options that make no sense (the detail says which), -ENOMEM. Does not suspend. */
KT_API int kt_http_session_open(const kt_http_session_options *options, kt_http_session **ret_session) KT_CHECKED;

/* Closes its connections and frees it; NULL is allowed. Requests under way on it, of other tasks, and responses that
 * are still open get KT_ECLOSED; the latter must be closed all the same. Suspends at most to end those, what confirms
 * cached answers, and to part from TLS servers in order; a cancellation is held back. Like ClientSession.close. */
KT_API void kt_http_session_close(kt_http_session *s);

/* What a session does at the moment. */
typedef struct kt_http_session_facts {
    size_t connections;      /* open, or being opened */
    size_t idle;             /* of these: nobody uses them */
    size_t waiting;          /* requests in line for one */
    uint64_t opened, reused; /* connections since the beginning; requests on one that was there */
    uint64_t requests, retries;
    uintptr_t reserved[4];
} kt_http_session_facts;

/* Does not suspend. */
KT_API void kt_http_session_facts_get(const kt_http_session *s, kt_http_session_facts *ret_facts);

/* ---- Requests ---------------------------------------------------------------------------------- */

/* One request. All zero but the URL is a GET. The body is one of: bytes; a function; a file. */
typedef struct kt_http_request {
    const char *method;         /* NULL: GET, or POST with a body */
    const char *url;            /* absolute, or relative to the base URL */
    const char *const *headers; /* name, value, name, value, ..., NULL; an empty value takes a default header out.
                                 * Not Connection, Content-Length, Transfer-Encoding, nor Upgrade; Host is allowed */
    const char *content_type;   /* of the body; NULL: none said */

    const void *body;           /* bytes, sent from where they are until kt_http_send returns */
    size_t body_size;

    /* Gives the next piece of the body: at most `size` bytes; 0 at its end, negative ends the request with that. May
     * suspend. Called by the task that sends. */
    ssize_t (*body_read)(void *buffer, size_t size, void *arg);
    int (*body_rewind)(void *arg); /* back to the beginning, for a redirect or a repeat; NULL: it cannot be had twice */
    void *body_arg;
    bool body_size_known;       /* of a function's body: body_size says it; otherwise it is chunked */

    kt_file *body_file;         /* from its beginning, whole */

    bool expect_continue;       /* waits for the server's leave before it sends the body, at most 1 s (RFC 9110
                                 * 10.1.1): for bodies that might be refused. HTTP/1.1's. A request that is answered
                                 * by 417 before its body has begun is sent once more without, whatever its method */
    bool duplex;                /* kt_http_send returns with the head of an answer below 300 although the body is still
                                 * being sent, and a task goes on with that: for talk both ways at once, where the
                                 * server answers as it reads. What the body comes from is then needed until the answer
                                 * was read to its end, which waits for the sending, or closed, which ends it */
    bool idempotent;            /* may be repeated although its method does not say so */
    bool no_redirects;
    bool no_cookies;            /* neither sent nor kept */
    const char *user, *password; /* Basic, or Digest where the server asks for that (RFC 7617, 7616): at once over TLS,
                                 * otherwise once it has been asked for; those of a URL
                                 * ("https://user:password@host/") otherwise. Never sent on to another scheme, host, or
                                 * port, nor are the headers Authorization and Cookie */
    const char *bearer;         /* a token (RFC 6750) */
    const char *upgrade;        /* the protocol to switch to, such as "websocket": over HTTP/1.1, or by an extended
                                 * CONNECT (RFC 8441) on a connection of HTTP/2 whose server takes them, where there
                                 * is one or `version` is KT_HTTP_2. Without a body */
    kt_http_timeouts timeouts;
} kt_http_request;

/* Sends the request and waits for the head of the answer, following redirects (RFC 9110 15.4: 303, and 301 and 302
 * after POST, become GET). The caller owns *ret_response, and closes it in any case. Nothing of the request is needed
 * afterwards, but see `duplex`.
 *
 * 0 whatever the status. -EINVAL: the request makes no sense (the detail says what); KT_EGUARD; KT_ELIMIT: the answer's
 * head is too long, or there were too many redirects; -ELOOP: they go in a circle; KT_EPROTOCOL: the answer breaks the
 * protocol; KT_EINCOMPLETE: the server closed before its head was complete; -ETIMEDOUT; -EPROTONOSUPPORT: a scheme, or
 * an upgrade over HTTP/2, that cannot be had; -EACCES: a proxy wants other credentials; KT_ECLOSED: the session was
 * closed; what body_read and `before` have returned; the errors of kt_stream_connect, of TLS and of streams; -ENOMEM;
 * the cancellation's code, and then nothing is left of the request. Suspends. Like ClientSession.request. */
KT_API int kt_http_send(kt_http_session *s, const kt_http_request *request,
                        kt_http_response **ret_response) KT_CHECKED;

/* A GET without anything else. */
KT_API int kt_http_get(kt_http_session *s, const char *url, kt_http_response **ret_response) KT_CHECKED;

/* ---- Responses --------------------------------------------------------------------------------- */

/* The status, 200 to 599, or 101 after an upgrade (over HTTP/2 one below 300). */
KT_API int kt_http_response_status(const kt_http_response *r);

/* What the status line says behind it; empty for HTTP/2. */
KT_API kt_slice kt_http_response_reason(const kt_http_response *r);

/* The value of a header, the first of several; names in any case. `data` is NULL if there is none. */
KT_API kt_slice kt_http_response_header(const kt_http_response *r, const char *name);

/* The header number `index` in the order of the answer; false behind the last one. */
KT_API bool kt_http_response_header_at(const kt_http_response *r, size_t index, kt_slice *ret_name,
                                       kt_slice *ret_value);

/* The URL that has answered, after redirects, without its fragment and password; and how many redirects those were. */
KT_API const char *kt_http_response_url(const kt_http_response *r);
KT_API unsigned kt_http_response_redirects(const kt_http_response *r);

/* 10, 11, or 20: the version of HTTP in which it came. */
KT_API int kt_http_response_version(const kt_http_response *r);

/* Who has given the answer. */
typedef enum kt_http_source {
    KT_HTTP_SOURCE_SERVER,    /* the server, all of it */
    KT_HTTP_SOURCE_CACHE,     /* the session's cache, and nobody was asked; its header Age says how old it is */
    KT_HTTP_SOURCE_CONFIRMED, /* the cache, and the server said 304 */
    KT_HTTP_SOURCE_STALE,     /* the cache, although it is stale (RFC 5861): stale-while-revalidate allows it, and a
                               * task of the session confirms it meanwhile; or the server could not be reached or said
                               * 500, 502, 503 or 504, and stale-if-error allows it */
} kt_http_source;

/* Does not suspend. */
KT_API kt_http_source kt_http_response_source(const kt_http_response *r);

/* How many bytes the body will have: 0 for none, -1 where it is not known, as with chunks or a compressed body. */
KT_API int64_t kt_http_response_length(const kt_http_response *r);

/* Reads some of the body: at least one byte and at most size. The number, 0 at the end. Once the end has been read
 * the connection serves others. -EINVAL for size 0; KT_EINCOMPLETE: it was cut; KT_EPROTOCOL: its framing or
 * compression is broken; KT_ELIMIT: body_bytes_max, or a compressed body that grows beyond measure; -ETIMEDOUT;
 * KT_ECLOSED; the stream's errors; these come again at every later read. The cancellation's code, after which
 * nothing is lost, but that a cache may not have kept it. Suspends unless bytes are there. */
KT_API ssize_t kt_http_response_read(kt_http_response *r, void *buffer, size_t size) KT_CHECKED;

/* Reads the rest of the body as a whole. *ret_body is the response's, terminated by a zero byte that is not counted.
 * KT_ELIMIT if it is longer than size_max; -ENOMEM; otherwise as kt_http_response_read, also after a cancellation, and
 * may be followed by another read_all. Suspends. */
KT_API int kt_http_response_read_all(kt_http_response *r, size_t size_max, kt_slice *ret_body) KT_CHECKED;

/* Behind the end of the body: the value of a trailer (RFC 9110 6.5); `data` is NULL if there is none. */
KT_API kt_slice kt_http_response_trailer(const kt_http_response *r, const char *name);

/* After an upgrade (101, over HTTP/2 below 300): the connection, or the stream of HTTP/2, which speaks another protocol
 * from here on, and reads first what has come with the answer. It is the response's and ends with it. KT_EINVALIDSTATE
 * if the answer was another. Does not suspend. */
KT_API int kt_http_response_stream(kt_http_response *r, kt_stream **ret_stream) KT_CHECKED;

/* Frees it; NULL is allowed. What is left of the body and has come already is skipped if it is short, and the
 * connection kept; otherwise the connection ends (under HTTP/2: the stream does). A body that was not read to its end
 * is not kept in the session's cache. Suspends at most to part from a TLS server, or to keep the answer in a cache's
 * directory; a cancellation is held back. */
KT_API void kt_http_response_close(kt_http_response *r);

static inline void kt_http_session_cleanup(kt_http_session **s)
{
    kt_http_session_close(*s);
}

static inline void kt_http_response_cleanup(kt_http_response **r)
{
    kt_http_response_close(*r);
}

KT_END

#endif
