/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_CLIENT_H
#define KT__HTTP_CLIENT_H

/* What the client's files share.
 *
 *   client_session.c   sessions and their options
 *   client_send.c      one request: where it leads to
 *   client_try.c       the attempts at one URL
 *   client_compose.c   what an attempt's head says
 *   client_credentials.c, client_decode.c   credentials for servers and proxies, cookies; compressed bodies
 *   client_body.c      where a request's body comes from
 *   client_sender.c    a task that sends it while the answer is heard
 *   client_origins.c   what is known of servers
 *   client_pool.c      which connection an attempt gets
 *   client_connect.c   opens connections
 *   client_proxy.c     by way of proxies
 *   client_h1.c        an attempt over HTTP/1.1
 *   client_response.c  what a caller sees of an answer
 *   client_phase.c     time limits
 *   client_cache.c, client_refresh.c  the session's cache; what of it is confirmed behind its answers
 *
 * A request of a caller is a kt__http_call, which lives in kt_http_send; it makes attempts, each on a connection, until
 * one of them gives a response, which the connection then belongs to. */

#include <errno.h>
#include <kettle/file.h>
#include <kettle/http_cache.h>
#include <kettle/http_client.h>
#include <kettle/memory.h>
#include <kettle/rate.h>
#include <kettle/sync.h>
#include <kettle/timeout.h>
#include <kettle/stream_backend.h>
#include <kettle/tls.h>
#include <kettle/url.h>
#include <stdio.h>

#include "http/auth_private.h"
#include "http/parser.h"

typedef struct kt__http_call kt__http_call;
typedef struct kt__client_conn kt__client_conn;
typedef struct kt__client_origin kt__client_origin;
typedef struct kt__client_field kt__client_field;
typedef struct kt__client_auth kt__client_auth;
typedef struct kt__client_h2 kt__client_h2;

/* What an origin speaks, as far as is known. */
enum {
    KT__CLIENT_UNKNOWN,
    KT__CLIENT_HTTP_1,
    KT__CLIENT_HTTP_2,
};

/* ---- The pool's ------------------------------------------------------------------------------- */

/* A task in line for a connection. */
typedef struct kt__client_waiter {
    struct kt__client_waiter *next;
    uint64_t number;       /* in the order of asking */
    kt__client_conn *conn; /* given; or */
    bool permit;           /* to open one, which is counted already */
    bool opening;          /* and may become one of HTTP/2 */
    bool turned_away;      /* the session is closing */
    bool only_1;           /* does not want HTTP/2 */
    kt_event ready;
} kt__client_waiter;

/* A server: one scheme, host, and port. */
struct kt__client_origin {
    kt__client_origin *next;
    size_t users;          /* calls that hold it */
    size_t open;           /* connections, and permits to open one */
    size_t opening;        /* of these, permits for what may become one of HTTP/2 */
    bool failing;          /* the last that was opened could not be */
    kt__client_conn *idle; /* used last, first; of HTTP/1.1 */
    kt__client_conn *shared; /* of HTTP/2, which takes new streams, or NULL */
    uint8_t speaks;
    uint32_t streams_served; /* by the last connection of HTTP/2, if that refused some; otherwise 0 */
    kt__client_waiter *first, *last;
    kt_rate rate;
    kt_time rate_used;     /* at that time */
    kt__client_auth *auths; /* of users that it has seen, the last one first; a few */
    char host[];           /* as kt_url's text up to the path: "https://example.org:8443" */
};

/* A connection. It is idle, or belongs to one call or response. */
struct kt__client_conn {
    kt_http_session *session;
    kt__client_origin *origin;
    kt__client_conn *next, *prev;           /* in the session's list of all */
    kt__client_conn *idle_next, *idle_prev; /* in its origin's */
    kt_stream *stream;
    kt__client_h2 *h2; /* NULL: HTTP/1.1 */
    bool is_idle;
    bool broken; /* idle, and over */
    bool reused;       /* has carried an exchange before the one at hand */
    bool closed_under; /* the session was closed */
    kt_time idle_since;
    kt__http_parser parser;
    kt__http_header headers[];
};

/* ---- Sessions --------------------------------------------------------------------------------- */

typedef struct kt__client_proxy {
    kt_url url;
    bool is_set, socks;
    kt_http_auth *auth; /* the URL's credentials, for HTTP; NULL: none */
} kt__client_proxy;

struct kt_http_session {
    size_t references; /* the owner's, and one of each call, response, and connection being opened */
    bool closed;
    bool once;         /* a connection is for one request */
    kt_http_session_options o; /* with the defaults; its strings in `strings` */
    kt_url base;
    const char **headers, **no_proxy; /* copies, which `o` points to */
    char **strings;            /* copies, to be freed */
    size_t string_count;
    kt_connect_options connect;
    int (*check)(const kt_address *to, void *arg); /* the caller's, with guard */
    void *check_arg;

    kt__client_proxy proxies[2]; /* for http, for https */
    const char *no_proxy_text;   /* of the environment: names with commas between */

    kt__client_origin *origins;
    size_t origin_count;
    kt__client_conn *conns;
    kt__client_conn *doomed; /* out of all accounts, to be closed */
    size_t open, idle, waiting;
    uint64_t asked; /* numbers of waiters */
    kt_task *keeper; /* closes what is idle too long; NULL: not made yet */
    kt_event keeper_wanted;
    bool keeper_dozes; /* it has no time to wait for */

    kt_lock tls_door;
    kt_tls_config *own_tls;

    struct kt__client_refresh *refreshes; /* under way */
    size_t refresh_count;
    kt_event refreshed; /* set by each that ends */

    uint64_t opened, reused, requests, retries;
    double budget; /* repeats that may still be made */
};

void kt__client_session_unref(kt_http_session *s);
/* The config for https, made at the first use. Suspends. */
int kt__client_tls(kt_http_session *s, const kt_tls_config **ret_config) KT_CHECKED;

/* ---- Time limits ------------------------------------------------------------------------------ */

/* One wait of a call: it ends at its own limit, or at that of the whole. */
typedef struct kt__client_phase {
    kt_timeout limit;
    const char *what;
    kt_time after; /* its own limit */
    bool total;    /* that of the whole comes first */
} kt__client_phase;

void kt__client_phase_begin(kt__client_phase *p, const char *what, kt_time after, kt_time deadline);
/* -ETIMEDOUT, with words. */
int kt__client_too_late(const char *what, kt_time after);
/* The same for the limit of the whole. */
int kt__client_late(const char *what);
/* What it came to: -ETIMEDOUT with words where the limit was over. */
int kt__client_phase_end(kt__client_phase *p, int rc) KT_CHECKED;

/* The session's, where the request has none. */
kt_http_timeouts kt__client_timeouts(const kt_http_timeouts *request, const kt_http_timeouts *session);
kt_time kt__client_deadline(kt_time after);

/* ---- Calls ------------------------------------------------------------------------------------ */

/* A field of an attempt's head; the bytes are the request's, the session's, or `owned`. */
struct kt__client_field {
    kt_slice name, value;
};

/* Memory of a call. */
typedef struct kt__client_block {
    struct kt__client_block *next;
    max_align_t bytes[];
} kt__client_block;

typedef struct kt__client_seen {
    struct kt__client_seen *next;
    const char *method;
    char url[];
} kt__client_seen;

/* What a call has shown to one who asks for credentials. */
typedef struct kt__client_shown {
    kt__auth_shown past;
    kt_slice answer;    /* to a challenge, which the next attempt shows; or nothing */
    kt_slice value;     /* what the attempt at hand shows; or nothing */
    const char *method; /* that the one made last is for */
} kt__client_shown;

/* Where the body of a request comes from, and how much of it has been taken. */
typedef struct kt__client_body {
    bool is_there;
    bool begun;        /* some of it was taken from where it comes */
    uint64_t size;     /* KT__HTTP_UNLIMITED: not known */
    int64_t at;
    const char *bytes; /* of the three, at most one */
    ssize_t (*read)(void *buffer, size_t size, void *arg);
    kt_file *file;
    int (*rewind)(void *arg); /* of `read` */
    void *arg;
} kt__client_body;

/* One kt_http_send. */
struct kt__http_call {
    kt_http_session *session;
    const kt_http_request *request;
    kt_http_timeouts timeouts;
    kt_time deadline;
    const char *method;
    kt_url url;
    kt__client_origin *origin;

    kt__client_body body;

    bool refreshes;      /* asks the server, to confirm what has been answered from the cache */
    bool foreign;        /* a redirect has led to another origin: credentials stay behind */
    unsigned redirects, attempts;
    kt__client_shown to_server; /* at this origin */
    kt__client_shown to_proxy;  /* that takes requests itself */
    bool no_expect;         /* 417 has come: what is at this URL is asked without Expect */
    struct kt__client_seen *seen; /* where the call has been, last first */
    bool reused;         /* the attempt was on a connection that was there before */
    bool fresh;          /* and is not to be: one of HTTP/1.1 has been closed under it */

    kt__client_field *fields; /* of the attempt at hand */
    size_t field_count, field_capacity;
    kt__client_block *blocks;

    kt__client_conn *conn;
    kt_http_response *response;
    kt_http_field conditions[2]; /* of the cache's own, which each attempt says */
    size_t condition_count;
    bool refused;        /* the server has done nothing, and says so: another attempt is safe with any method */
    bool refused_in_vain; /* nor for anybody else on that connection */
};

static inline bool kt__client_is_head(const kt__http_call *c)
{
    return strcmp(c->method, "HEAD") == 0;
}

/* Does an attempt over HTTP/1.1 say Expect: 100-continue? */
static inline bool kt__client_expects(const kt__http_call *c)
{
    return c->body.is_there && c->request->expect_continue && !c->request->upgrade && !c->no_expect;
}

/* ---- client_send.c */

/* As kt_http_send, and says this target as it is, in place of the URL's; NULL: that one. No redirects with it. */
int kt__client_send_to(kt_http_session *s, const kt_http_request *request, const char *target,
                       kt_http_response **ret_response) KT_CHECKED;

/* As kt_http_send, but what the cache has is confirmed although it might be used as it is. */
int kt__client_send_refresh(kt_http_session *s, const kt_http_request *request,
                            kt_http_response **ret_response) KT_CHECKED;

/* ---- client_try.c */

/* Attempts at c->url until one has given c->response, or they are used up. Suspends. */
int kt__client_try(kt__http_call *c) KT_CHECKED;
/* May the request be sent once more, as far as the server is concerned and the body? */
bool kt__client_may_repeat(const kt__http_call *c);
/* Closes c->response, which is not the caller's to see. Suspends, and not for long. */
void kt__client_dismiss(kt__http_call *c);
void kt__client_budget_earn(kt_http_session *s);

/* Could the server not be reached, or has it hung up? */
bool kt__client_is_unreachable(int rc);

/* ---- client_cache.c */

/* Gets c->response from the session's cache, or by kt__client_try. Suspends. */
int kt__client_ask(kt__http_call *c) KT_CHECKED;
/* A piece of the body, as it was sent, and its end: into the cache, if it is to be kept. The latter may suspend; only a
 * cancellation is an error. */
void kt__client_cache_piece(kt_http_response *r, const void *bytes, size_t size);
int kt__client_cache_end(kt_http_response *r) KT_CHECKED;
/* Before the connection is given back, within a cancellation hold. May suspend. */
void kt__client_cache_close(kt_http_response *r);

/* ---- client_refresh.c */

/* Has the call's answer in the cache confirmed by a task. False: it cannot, and the call has to do so itself. */
bool kt__client_refresh(const kt__http_call *c);
/* Ends those tasks, within a cancellation hold. Suspends. */
void kt__client_refreshes_end(kt_http_session *s);

/* ---- client_date.c */

/* What Retry-After says: a span from now on, -1 for nothing that can be understood. */
kt_time kt__client_retry_after(kt_slice value);

/* ---- client_compose.c */

/* Sets c->fields to all that an attempt says, pseudo-headers and framing apart. */
int kt__client_fields_make(kt__http_call *c) KT_CHECKED;
/* Adds a field, copying the value (and the name if `copy_name`), in place of those with that name. -EINVAL, -ENOMEM. */
int kt__client_field_set(kt__http_call *c, const char *name, kt_slice value) KT_CHECKED;
const kt__client_field *kt__client_field_find(const kt__http_call *c, const char *name);
/* Is the list good: tokens, values, and none of the reserved names? -EINVAL with words. */
int kt__client_headers_check(const char *const *headers) KT_CHECKED;
int kt__client_method_check(const char *method) KT_CHECKED;
/* Memory until the end of the call. */
void *kt__client_alloc(kt__http_call *c, size_t size) KT_CHECKED;
/* The head in the form of HTTP/1.1. */
int kt__client_head_put(const kt__http_call *c, kt_buffer *out) KT_CHECKED;

/* ---- client_credentials.c */

/* One who may ask for credentials, for one request: a server, or a proxy. */
typedef struct kt__client_door {
    kt_http_auth *auth; /* NULL: there are none for him */
    kt__client_shown *shown;
    kt_http_auth_request request;
} kt__client_door;

/* Makes d->shown->answer if there is none, and anything to show. 0, or an error of kt_http_auth_value. */
int kt__client_door_greet(kt__http_call *c, const kt__client_door *d) KT_CHECKED;
/* Do fields of this name have a challenge that can be met? 1, with the answer made; 0; or an error. */
int kt__client_door_challenged(kt__http_call *c, const kt__client_door *d, const kt__http_header *fields, size_t count,
                               const char *name) KT_CHECKED;
/* Of a URL's user and password; NULL if it has none. */
int kt__client_auth_of_url(const kt_url *url, kt_http_auth **ret_auth) KT_CHECKED;

/* Add Authorization, Proxy-Authorization and Cookie to the fields, where there are any to send. */
int kt__client_auth_put(kt__http_call *c) KT_CHECKED;
int kt__client_proxy_auth_put(kt__http_call *c) KT_CHECKED;
int kt__client_cookies_put(kt__http_call *c) KT_CHECKED;
/* Makes the first anew where the connection, which the attempt has by now, needs another one. */
int kt__client_auth_fit(kt__http_call *c) KT_CHECKED;
/* Is the answer a challenge that another attempt can meet? 1, 0, or an error of kt_http_auth_value. */
int kt__client_auth_challenged(kt__http_call *c) KT_CHECKED;
/* Keeps the answer's cookies. */
int kt__client_cookies_take(kt__http_call *c) KT_CHECKED;
void kt__client_origin_forget_auths(kt__client_origin *o);

/* ---- client_decode.c */

typedef struct kt__client_decoder kt__client_decoder;

/* Sets r->decoder where the body is compressed. */
int kt__client_decoder_begin(kt_http_response *r) KT_CHECKED;
/* Some of the body, decoded. Suspends. */
ssize_t kt__client_decode(kt_http_response *r, void *buffer, size_t size) KT_CHECKED;
/* NULL is nothing. */
void kt__client_decoder_free(kt__client_decoder *d);

/* ---- client_body.c */

/* Finds out what there is to send. Suspends for files. */
int kt__client_body_begin(kt__client_body *b, const kt_http_request *q) KT_CHECKED;
/* Goes back to the beginning, if that is needed. -ESPIPE: it cannot. */
int kt__client_body_rewind(kt__client_body *b) KT_CHECKED;
bool kt__client_body_replayable(const kt__client_body *b);
/* The next piece; 0 at the end. Checks a known length. Suspends as its source does. */
ssize_t kt__client_body_read(kt__client_body *b, void *buffer, size_t size) KT_CHECKED;

/* ---- client_sender.c */

/* A task that sends the body, of an attempt or (with `duplex`) of the response that this became. */
typedef struct kt__client_sender kt__client_sender;
struct kt__client_sender {
    kt__client_body body;
    kt__client_conn *conn;
    struct kt__client_stream *stream; /* of HTTP/2 */
    kt_time limit, patience, deadline; /* for a piece, and for the answer behind the last; all of it */
    int (*send)(kt__client_sender *s);
    bool heard; /* the head of the answer is there */
    bool ended; /* by us, and so its failure is none */
    int rc;     /* 1: under way */
    kt_task *task;
};

/* Copies what it needs of the call. -ENOMEM, KT_ENOSTACK. */
int kt__client_sender_start(const kt__http_call *c, int (*send)(kt__client_sender *s),
                            kt__client_sender **ret_sender) KT_CHECKED;
/* Waits until all is sent. A cancellation ends the wait alone. */
int kt__client_sender_wait(kt__client_sender *s) KT_CHECKED;
/* Has it failed, and not because nobody listens any more? A server may answer before it has read everything, and then
 * stop reading: its answer counts. */
bool kt__client_sender_failed(const kt__client_sender *s);
/* Ends it, and frees it. What it came to. Suspends until the task has ended, and is not cancelled. */
int kt__client_sender_end(kt__client_sender *s);

/* ---- client_origins.c */

/* Finds or makes the record of c->url's server, and holds it for the call. */
int kt__client_origin_hold(kt__http_call *c) KT_CHECKED;
void kt__client_origin_release(kt__http_call *c);
void kt__client_origins_free(kt_http_session *s);

/* ---- client_pool.c */

/* Gets c->conn, which may take a place in line and a connect. Suspends. */
int kt__client_acquire(kt__http_call *c) KT_CHECKED;
/* Gives a connection back: to be used by the next, or to be closed. Suspends at most as kt_stream_close. */
typedef enum kt__client_fate {
    KT__CLIENT_KEEP,
    KT__CLIENT_DROP,
} kt__client_fate;
void kt__client_release(kt__client_conn *conn, kt__client_fate fate);
/* Closes what is idle of an origin: its server has closed one of them. */
void kt__client_origin_drop_idle(kt__client_origin *o);
/* Closes all that is idle, hangs the others up, and turns away who waits. */
void kt__client_pool_close(kt_http_session *s);

/* Is HTTP/2 out of the question for the call? */
bool kt__client_only_1(const kt__http_call *c);

/* ---- client_proxy.c */

/* Finds the session's proxies. 0, -EINVAL, -ENOMEM. */
int kt__client_proxies_set(kt_http_session *s) KT_CHECKED;
void kt__client_proxies_release(kt_http_session *s);
/* The one that leads to the call's host, or NULL. */
const kt__client_proxy *kt__client_proxy_of(const kt__http_call *c, const char *host);
/* The one that takes the call's request itself, rather than makes a tunnel; or NULL. -ENOMEM. */
int kt__client_proxy_forwarder(const kt__http_call *c, const kt__client_proxy **ret_proxy) KT_CHECKED;
/* Appends what a request to such a one has for its target. */
int kt__client_proxy_target(const kt__http_call *c, kt_buffer *out) KT_CHECKED;
/* Connects to the host, or to a proxy that forwards. *ret_stream may be set on failure, too. Suspends. */
int kt__client_proxy_dial(kt__http_call *c, const kt__client_proxy *p, const char *host,
                          kt_stream **ret_stream) KT_CHECKED;

/* ---- client_connect.c */
/* The host as look-ups want it: an IPv6 address without its brackets. NULL without memory. */
char *kt__client_bare_host(const kt_url *url);

/* Makes a stream to a server, or to a proxy, of that host one of TLS, within the caller's limits. Suspends. */
int kt__client_shake(kt_http_session *s, kt_stream *stream, const char *host, const char *const *alpn) KT_CHECKED;
/* Opens a connection to c's origin. Suspends. */
int kt__client_connect(kt__http_call *c, kt__client_conn **ret_conn) KT_CHECKED;
/* Ends a stream without waiting for its peer. */
void kt__client_part(kt_stream *s, kt__client_fate fate);

/* ---- client_h1.c */

/* Sends the attempt and reads the head of the answer into c->response. *ret_silent: nothing of an answer has come.
 * Suspends. */
int kt__client_h1_exchange(kt__http_call *c, bool *ret_silent) KT_CHECKED;
/* Some of the body, as it was sent. Suspends. */
ssize_t kt__client_h1_read(kt_http_response *r, void *buffer, size_t size) KT_CHECKED;
/* Has the end come with what was read last? Sets r->ended. Does not suspend. */
void kt__client_h1_look(kt_http_response *r);
/* Skips a rest that has come, and gives the connection back. */
void kt__client_h1_end(kt_http_response *r);

/* ---- client_h2.c, client_h2_exchange.c: see client_h2.h */

/* Makes the connection one of HTTP/2. 0 or an error. */
int kt__client_h2_open(kt__client_conn *conn) KT_CHECKED;
void kt__client_h2_close(kt__client_conn *conn);
/* Does it take another stream now? Does it take any, when others have ended? */
bool kt__client_h2_usable(const kt__client_conn *conn);
bool kt__client_h2_alive(const kt__client_conn *conn);
/* Does its server switch to other protocols (RFC 8441), as far as is known? */
bool kt__client_h2_extends(const kt__client_conn *conn);
/* One more, or one less, uses it. How many do. */
unsigned kt__client_h2_users(kt__client_conn *conn, int change);
/* It takes no new streams any more, or more than before. In the pool. Does not suspend. */
void kt__client_h2_changed(kt__client_conn *conn);
int kt__client_h2_exchange(kt__http_call *c, bool *ret_silent) KT_CHECKED;
ssize_t kt__client_h2_read(kt_http_response *r, void *buffer, size_t size) KT_CHECKED;
void kt__client_h2_end(kt_http_response *r);

/* ---- client_response.c */

/* So much is allocated on a server's word about the length of its body. */
#define KT__CLIENT_TRUSTED_BYTES ((size_t)1024 * 1024)

struct kt_http_response {
    kt_http_session *session;
    kt__client_conn *conn; /* NULL: given back */
    struct kt__client_stream *stream; /* of HTTP/2 */
    kt_stream *upgraded;       /* what that has become, or NULL */
    kt__client_sender *sender; /* of what is left of the request's body, or NULL */
    kt_time between, deadline;
    int status, version;
    char *head;            /* what the next three point into */
    kt_slice reason;
    kt__http_header *headers;
    size_t header_count;
    char *url;
    unsigned redirects;

    int64_t length;        /* of the body, -1: not known */
    kt__http_framing framing;
    uint64_t left;         /* of a body with a length */
    kt_slice pending;      /* body bytes that have been parsed and not taken, in the stream's buffer */
    bool keep;             /* the connection may serve others after the end */
    bool ended;            /* of the body, as it was sent */
    kt_http_source source;
    struct kt_http_cache_hit *hit;     /* what the head and `pending` belong to, or NULL */
    struct kt_http_cache_store *store; /* takes the body as it comes, or NULL */
    int rc;                /* why it can be read no further */
    kt__client_decoder *decoder; /* NULL: the body is not compressed */
    uint64_t received, received_max;
    kt_buffer whole;       /* read_all's */
    char *trailer_text;
    kt__http_header *trailers;
    size_t trailer_count;
};

/* Does what has brought it speak another protocol now? */
static inline bool kt__client_switched(const kt_http_response *r)
{
    return r->status == 101 || r->upgraded;
}

/* Some of the body as it was sent; gives the connection back at its end. Suspends. */
ssize_t kt__client_read_raw(kt_http_response *r, void *buffer, size_t size) KT_CHECKED;
/* Gives the connection back where no body follows. */
void kt__client_settle(kt_http_response *r);
/* A URL without user, password, and fragment; NULL without memory. */
char *kt__client_url_shown(const kt_url *url);
/* An empty one for the call. */
int kt__client_response_new(kt__http_call *c, kt_http_response **ret_response) KT_CHECKED;
/* Copies the head, of `size` bytes at `bytes`, which the slices of `head` point into. */
int kt__client_response_head(kt_http_response *r, const kt__http_head *head, const char *bytes, size_t size) KT_CHECKED;
int kt__client_response_trailers(kt_http_response *r, const kt__http_header *trailers, size_t count) KT_CHECKED;

#endif
