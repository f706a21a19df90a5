/* SPDX-License-Identifier: MIT */
/* Proxies: HTTP's (RFC 9110 section 9.3.6, RFC 9112 section 3.2.2), also over TLS, and SOCKS5 (RFC 1928, 1929). */
#include <stdlib.h>

#include "http/client.h"

#define ANSWER_BYTES_MAX ((size_t)16 * 1024)
#define ANSWER_HEADERS_MAX 50
#define INTERIM_ANSWERS_MAX 16u

/* ---- Which ----------------------------------------------------------------------------------- */

/* kt_url knows no socks5, whose URLs look the same. */
static int proxy_set(kt__client_proxy *p, const char *text)
{
    static const char socks[] = "socks5://", socks_h[] = "socks5h://";
    char http[512];
    size_t skipped = strncasecmp(text, socks, sizeof socks - 1) == 0       ? sizeof socks - 1
                     : strncasecmp(text, socks_h, sizeof socks_h - 1) == 0 ? sizeof socks_h - 1
                                                                           : 0;
    p->socks = skipped > 0;
    bool bare = !p->socks && !strstr(text, "://");
    int n = snprintf(http, sizeof http, "%s%s", p->socks || bare ? "http://" : "", text + skipped);
    if (n >= (int)sizeof http)
        return kt_error_set(-EINVAL, "the proxy's URL is too long");
    int rc = kt_url_parse(http, NULL, &p->url);
    if (rc == 0 && !kt_slice_is(p->url.scheme, "http") && !kt_slice_is(p->url.scheme, "https"))
        return kt_error_set(-EINVAL, "a proxy is http://, https:// or socks5://");
    p->is_set = rc == 0;
    if (rc == 0 && !p->socks)
        rc = kt__client_auth_of_url(&p->url, &p->auth);
    if (rc == 0 && p->socks && !strrchr(text + skipped, ':')) /* RFC 1928 section 3 */
        p->url.port = 1080;
    return rc;
}

static const char *environment(const char *name, const char *other)
{
    const char *value = getenv(name);
    if ((!value || !*value) && other)
        value = getenv(other);
    return value && *value ? value : NULL;
}

/* HTTP_PROXY is no such name: a CGI program's client may set it, by a header. */
static int from_environment(kt_http_session *s)
{
    const char *all = environment("all_proxy", "ALL_PROXY");
    const char *found[] = {environment("http_proxy", NULL), environment("https_proxy", "HTTPS_PROXY")};
    int rc = 0;
    for (size_t i = 0; i < 2 && rc == 0; i++)
        if (found[i] || all)
            rc = proxy_set(&s->proxies[i], found[i] ? found[i] : all);
    if (!s->no_proxy_text)
        s->no_proxy_text = environment("no_proxy", "NO_PROXY");
    return rc;
}

int kt__client_proxies_set(kt_http_session *s)
{
    const kt_http_session_options *o = &s->o;
    int rc = 0;
    if (o->guard && (o->proxy || o->environment))
        return kt_error_set(-EINVAL, "a proxy looks names up itself: not together with guard");
    for (size_t i = 0; i < 2 && rc == 0 && o->proxy; i++)
        rc = proxy_set(&s->proxies[i], o->proxy);
    return rc == 0 && !o->proxy && o->environment ? from_environment(s) : rc;
}

void kt__client_proxies_release(kt_http_session *s)
{
    for (size_t i = 0; i < 2; i++) {
        kt_url_release(&s->proxies[i].url);
        kt_http_auth_free(s->proxies[i].auth);
    }
}

static bool in_network(const char *host, const char *network, size_t prefix_at)
{
    char text[64];
    kt_address a, n;
    if (prefix_at >= sizeof text)
        return false;
    memcpy(text, network, prefix_at);
    text[prefix_at] = '\0';
    long bits = strtol(network + prefix_at + 1, NULL, 10);
    if (kt_address_parse(host, 0, &a) < 0 || kt_address_parse(text, 0, &n) < 0 ||
        a.any.sa_family != n.any.sa_family || bits < 0)
        return false;
    bool is_4 = a.any.sa_family == AF_INET;
    const unsigned char *x = is_4 ? (const unsigned char *)&a.in.sin_addr : a.in6.sin6_addr.s6_addr;
    const unsigned char *y = is_4 ? (const unsigned char *)&n.in.sin_addr : n.in6.sin6_addr.s6_addr;
    long max = is_4 ? 32 : 128;
    bits = bits < max ? bits : max;
    for (long i = 0; i < bits; i++)
        if ((x[i / 8] ^ y[i / 8]) & (0x80 >> (i % 8)))
            return false;
    return true;
}

static bool is_direct(const char *host, const char *rule, size_t size)
{
    char text[256];
    if (size == 0 || size >= sizeof text)
        return false;
    memcpy(text, rule, size);
    text[size] = '\0';
    const char *slash = strchr(text, '/');
    if (slash)
        return in_network(host, text, (size_t)(slash - text));
    if (strcmp(text, "*") == 0)
        return true;
    size_t host_size = strlen(host);
    bool below = text[0] == '.';
    if (!below && strcasecmp(host, text) == 0)
        return true;
    size_t n = below ? size : size + 1; /* with the dot in front */
    return host_size > size && host[host_size - n] == '.' && strcasecmp(host + host_size - n + 1, text + below) == 0;
}

const kt__client_proxy *kt__client_proxy_of(const kt__http_call *c, const char *host)
{
    const kt_http_session *s = c->session;
    const kt__client_proxy *p = &s->proxies[kt_url_is_secure(&c->url)];
    if (!p->is_set)
        return NULL;
    for (const char *const *rule = s->o.no_proxy; rule && *rule; rule++)
        if (is_direct(host, *rule, strlen(*rule)))
            return NULL;
    for (const char *at = s->no_proxy_text; at && *at;) {
        size_t n = strcspn(at, ", ");
        if (is_direct(host, at, n))
            return NULL;
        at += n + (at[n] != '\0');
    }
    return p;
}

/* ---- HTTP's ---------------------------------------------------------------------------------- */

/* In the clear a proxy takes the request itself; but not by HTTP/2, which it need not know. */
static bool forwards(const kt__http_call *c, const kt__client_proxy *p)
{
    return !p->socks && !kt_url_is_secure(&c->url) && !c->request->upgrade && c->session->o.version != KT_HTTP_2;
}

int kt__client_proxy_forwarder(const kt__http_call *c, const kt__client_proxy **ret_proxy)
{
    if (!c->session->proxies[kt_url_is_secure(&c->url)].is_set)
        return 0;
    char *host = kt__client_bare_host(&c->url);
    const kt__client_proxy *p = host ? kt__client_proxy_of(c, host) : NULL;
    int rc = host ? 0 : -ENOMEM;
    kt_free(host);
    if (p && forwards(c, p))
        *ret_proxy = p;
    return rc;
}

int kt__client_proxy_target(const kt__http_call *c, kt_buffer *out)
{
    return kt_buffer_printf(out, "http://%.*s%.*s", (int)c->url.authority.size, c->url.authority.data,
                            (int)c->url.target.size, c->url.target.data);
}

static int put_connect(const char *to, kt_slice credentials, kt_buffer *out)
{
    int rc = kt_buffer_printf(out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", to, to);
    if (rc == 0 && credentials.data)
        rc = kt_buffer_printf(out, "Proxy-Authorization: %.*s\r\n", (int)credentials.size, credentials.data);
    return rc < 0 ? rc : kt_buffer_append(out, "\r\n", 2);
}

/* One answer: *ret_size bytes at the front of the buffer are its head, and are still to be consumed. What follows is
 * the next answer, or the other end's. */
static int hear_head(kt_stream *s, kt__http_parser *parser, const kt__http_head **ret_head, size_t *ret_size)
{
    kt__http_event e = {.type = KT__HTTP_NEED_MORE};
    kt_slice in = kt_stream_buffered(s);
    kt__http_parser_reset(parser);
    kt__http_parser_answers(parser, KT__HTTP_TO_CONNECT);
    for (;;) {
        ssize_t n = kt__http_parser_feed(parser, in.data, in.size, &e);
        if (n < 0)
            return kt_error_set((int)n, "the proxy's answer: %s", parser->error.reason);
        if (e.type == KT__HTTP_HEAD) {
            *ret_head = e.head;
            *ret_size = (size_t)n;
            return 0;
        }
        kt_stream_consume(s, (size_t)n);
        size_t have = kt_stream_buffered(s).size;
        ssize_t got = kt_stream_fill(s, have, ANSWER_BYTES_MAX, &in);
        if (got < 0)
            return (int)got;
        if ((size_t)got == have)
            return kt_error_set(KT_EINCOMPLETE, "the proxy closed before its answer");
    }
}

/* 1: it is to be asked again, with an answer to its challenge. 0; or why there is no tunnel. */
static int judge(kt__http_call *c, const kt__client_door *d, const kt__http_head *head)
{
    if (head->status == 101)
        return kt_error_set(KT_EPROTOCOL, "the proxy switched protocols unasked");
    if (head->status == 407) {
        int rc = kt__client_door_challenged(c, d, head->headers, head->header_count, "Proxy-Authenticate");
        return rc != 0 ? rc : kt_error_set(-EACCES, "the proxy wants other credentials");
    }
    if (head->status < 200 || head->status > 299)
        return kt_error_set(-ECONNREFUSED, "the proxy answered %d", head->status);
    return 0;
}

/* RFC 9110 section 15.2: interim answers may come before the one that counts. */
static int hear_connect(kt__http_call *c, const kt__client_door *d, kt_stream *s)
{
    kt__http_header headers[ANSWER_HEADERS_MAX];
    kt__http_parser parser;
    kt__http_parser_init(&parser, KT__HTTP_RESPONSE, headers, ANSWER_HEADERS_MAX, NULL);
    for (unsigned n = 0; n <= INTERIM_ANSWERS_MAX; n++) {
        const kt__http_head *head = NULL;
        size_t size = 0;
        int rc = hear_head(s, &parser, &head, &size);
        if (rc < 0)
            return rc;
        bool counts = head->status >= 200 || head->status == 101;
        rc = counts ? judge(c, d, head) : 0;
        kt_stream_consume(s, size);
        if (counts)
            return rc;
    }
    return kt_error_set(KT_ELIMIT, "more than %u interim answers of the proxy", INTERIM_ANSWERS_MAX);
}

/* 1: once more, on another connection, since this one may be over, or have a body to come. */
static int tunnel(kt__http_call *c, const kt__client_door *d, kt_stream *s)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = kt__client_door_greet(c, d);
    if (rc == 0)
        rc = put_connect(d->request.target.data, d->shown->answer, &out);
    d->shown->answer = (kt_slice){NULL, 0};
    if (rc == 0)
        rc = kt_stream_write(s, out.data, out.size);
    return rc < 0 ? rc : hear_connect(c, d, s);
}

/* ---- SOCKS5 ---------------------------------------------------------------------------------- */

enum { SOCKS_5 = 5, SOCKS_OPEN = 0, SOCKS_PASSWORD = 2, SOCKS_CONNECT = 1, SOCKS_NAME = 3, SOCKS_V4 = 1, SOCKS_V6 = 4 };

static int socks_refused(const char *what)
{
    return kt_error_set(-ECONNREFUSED, "SOCKS5: %s", what);
}

static int socks_password(const kt__client_proxy *p, kt_stream *s)
{
    kt_auto(kt_buffer) user = KT_BUFFER_INIT;
    kt_auto(kt_buffer) password = KT_BUFFER_INIT;
    unsigned char answer[2];
    char text[1 + 1 + 255 + 1 + 255];
    int rc = kt_percent_decode(p->url.user, &user);
    if (rc == 0)
        rc = kt_percent_decode(p->url.password, &password);
    if (rc < 0)
        return rc;
    if (user.size > 255 || password.size > 255)
        return kt_error_set(-EINVAL, "SOCKS5 takes no credentials of more than 255 bytes");
    int n = snprintf(text, sizeof text, "\1%c%.*s%c", (char)user.size, (int)user.size, user.data, (char)password.size);
    memcpy(text + n, password.data ? password.data : "", password.size);
    rc = kt_stream_write(s, text, (size_t)n + password.size);
    if (rc == 0)
        rc = kt_stream_read_exactly(s, answer, sizeof answer);
    return rc == 0 && answer[1] != 0 ? kt_error_set(-EACCES, "the proxy wants other credentials") : rc;
}

static int socks_greet(const kt__client_proxy *p, kt_stream *s)
{
    bool has = p->url.user.size > 0;
    const unsigned char hello[] = {SOCKS_5, has ? 2 : 1, SOCKS_OPEN, SOCKS_PASSWORD};
    unsigned char answer[2];
    int rc = kt_stream_write(s, hello, has ? 4 : 3);
    if (rc == 0)
        rc = kt_stream_read_exactly(s, answer, sizeof answer);
    if (rc < 0)
        return rc;
    if (answer[0] != SOCKS_5)
        return kt_error_set(KT_EPROTOCOL, "that is no SOCKS5 proxy");
    if (answer[1] == SOCKS_PASSWORD && has)
        return socks_password(p, s);
    return answer[1] == SOCKS_OPEN ? 0 : kt_error_set(-EACCES, "the proxy wants credentials");
}

static int socks_ask(kt_stream *s, const char *host, uint16_t port)
{
    unsigned char ask[4 + 1 + 255 + 2] = {SOCKS_5, SOCKS_CONNECT, 0};
    size_t n = 4, size = strlen(host);
    kt_address a;
    int known = kt_address_parse(host, 0, &a);
    if (known == 0 && a.any.sa_family == AF_INET) {
        ask[3] = SOCKS_V4;
        memcpy(ask + n, &a.in.sin_addr, 4);
        n += 4;
    } else if (known == 0) {
        ask[3] = SOCKS_V6;
        memcpy(ask + n, &a.in6.sin6_addr, 16);
        n += 16;
    } else {
        if (size > 255)
            return kt_error_set(-EINVAL, "the host's name is too long for SOCKS5");
        ask[3] = SOCKS_NAME;
        ask[n++] = (unsigned char)size;
        memcpy(ask + n, host, size);
        n += size;
    }
    ask[n++] = (unsigned char)(port >> 8);
    ask[n++] = (unsigned char)port;
    return kt_stream_write(s, ask, n);
}

static int socks_hear(kt_stream *s)
{
    unsigned char head[5], rest[256 + 2];
    int rc = kt_stream_read_exactly(s, head, sizeof head);
    if (rc < 0)
        return rc;
    if (head[0] != SOCKS_5)
        return kt_error_set(KT_EPROTOCOL, "that is no SOCKS5 proxy");
    if (head[1] != 0) {
        static const char *const words[] = {"", "failure", "not allowed", "network unreachable", "host unreachable",
                                            "connection refused", "time over", "command unknown", "address unknown"};
        return socks_refused(head[1] < sizeof words / sizeof words[0] ? words[head[1]] : "refused");
    }
    size_t left = head[3] == SOCKS_V4 ? 3 : head[3] == SOCKS_V6 ? 15 : head[3] == SOCKS_NAME ? head[4] : SIZE_MAX;
    if (left == SIZE_MAX)
        return kt_error_set(KT_EPROTOCOL, "SOCKS5: an address of a kind that is none");
    return kt_stream_read_exactly(s, rest, left + 2);
}

static int socks(const kt__client_proxy *p, kt_stream *s, const char *host, uint16_t port)
{
    int rc = socks_greet(p, s);
    if (rc == 0)
        rc = socks_ask(s, host, port);
    return rc < 0 ? rc : socks_hear(s);
}

/* ---- By way of one --------------------------------------------------------------------------- */

/* TLS with the proxy; that with the server comes within it. */
static int shake(kt_http_session *session, kt_stream *s, const char *host)
{
    static const char *const one[] = {"http/1.1", NULL};
    int rc = kt__client_shake(session, s, host, one);
    return rc == 0 || kt_is_cancel(rc) ? rc : kt_error_set(rc, "the proxy: %s", kt_error_detail());
}

static int dial(const kt__http_call *c, const kt__client_proxy *p, kt_stream **ret_stream)
{
    char *host = kt__client_bare_host(&p->url);
    if (!host)
        return -ENOMEM;
    int rc = kt_stream_connect_with(host, p->url.port, &c->session->connect, ret_stream);
    if (rc == 0 && kt_url_is_secure(&p->url))
        rc = shake(c->session, *ret_stream, host);
    kt_free(host);
    return rc;
}

/* RFC 9110 section 9.3.6; RFC 7616 section 3.4.6. */
static int dial_tunnel(kt__http_call *c, const kt__client_proxy *p, const char *host, kt_stream **ret_stream)
{
    char to[300];
    kt__client_shown shown = {.answer = {NULL, 0}};
    snprintf(to, sizeof to, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, c->url.port);
    const kt__client_door d = {p->auth, &shown, {.method = "CONNECT", .target = kt_slice_from(to), .body = {"", 0}}};
    int rc = 1;
    while (rc == 1) {
        kt__client_part(kt_steal(*ret_stream), KT__CLIENT_DROP);
        rc = dial(c, p, ret_stream);
        if (rc == 0)
            rc = tunnel(c, &d, *ret_stream);
    }
    return rc;
}

int kt__client_proxy_dial(kt__http_call *c, const kt__client_proxy *p, const char *host, kt_stream **ret_stream)
{
    if (!p->socks && !forwards(c, p))
        return dial_tunnel(c, p, host, ret_stream);
    int rc = dial(c, p, ret_stream);
    return rc == 0 && p->socks ? socks(p, *ret_stream, host, c->url.port) : rc;
}
