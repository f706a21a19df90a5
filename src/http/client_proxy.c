/* SPDX-License-Identifier: MIT */
/* Proxies: HTTP's (RFC 9110 section 9.3.6, RFC 9112 section 3.2.2), and SOCKS5 (RFC 1928, 1929). */
#include <kettle/http_auth.h>
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
    if (rc == 0 && !kt_slice_is(p->url.scheme, "http"))
        return kt_error_set(-EINVAL, "a proxy is http:// or socks5://");
    p->is_set = rc == 0;
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

static int decoded(kt_slice text, kt_buffer *out, const char **ret_text)
{
    int rc = kt_percent_decode(text, out);
    if (rc == 0)
        *ret_text = kt_buffer_string(out);
    return rc < 0 ? rc : *ret_text ? 0 : -ENOMEM;
}

/* Appends the credentials of the proxy's URL. */
int kt__client_proxy_auth(const kt__client_proxy *p, kt_buffer *out)
{
    kt_auto(kt_buffer) user = KT_BUFFER_INIT;
    kt_auto(kt_buffer) password = KT_BUFFER_INIT;
    kt_auto(kt_http_auth) *auth = NULL;
    kt_http_auth_options o = {.schemes = KT_HTTP_AUTH_BASIC, .preemptive = true};
    const kt_http_auth_request q = {.method = "CONNECT", .target = p->url.target};
    int rc = decoded(p->url.user, &user, &o.user);
    if (rc == 0)
        rc = decoded(p->url.password, &password, &o.password);
    if (rc == 0)
        rc = kt_http_auth_new(&o, &auth);
    if (rc == 0)
        rc = kt_http_auth_value(auth, &q, out);
    return rc < 0 ? rc : 0;
}

static int put_connect(const kt__client_proxy *p, const char *to, kt_buffer *out)
{
    int rc = kt_buffer_printf(out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", to, to);
    if (rc == 0 && p->url.user.size > 0) {
        rc = kt_buffer_append_string(out, "Proxy-Authorization: ");
        if (rc == 0)
            rc = kt__client_proxy_auth(p, out);
        if (rc == 0)
            rc = kt_buffer_append(out, "\r\n", 2);
    }
    return rc < 0 ? rc : kt_buffer_append(out, "\r\n", 2);
}

/* The status of one answer. Nothing but its head is taken: what follows is the next one, or the other end's. */
static int hear_head(kt_stream *s, kt__http_parser *parser)
{
    kt__http_event e = {.type = KT__HTTP_NEED_MORE};
    kt_slice in = kt_stream_buffered(s);
    kt__http_parser_reset(parser);
    kt__http_parser_answers(parser, KT__HTTP_TO_CONNECT);
    while (e.type != KT__HTTP_HEAD) {
        ssize_t n = kt__http_parser_feed(parser, in.data, in.size, &e);
        if (n < 0)
            return kt_error_set((int)n, "the proxy's answer: %s", parser->error.reason);
        kt_stream_consume(s, (size_t)n);
        size_t have = kt_stream_buffered(s).size;
        ssize_t got = e.type == KT__HTTP_HEAD ? 1 : kt_stream_fill(s, have, ANSWER_BYTES_MAX, &in);
        if (got < 0)
            return (int)got;
        if (e.type != KT__HTTP_HEAD && (size_t)got == have)
            return kt_error_set(KT_EINCOMPLETE, "the proxy closed before its answer");
    }
    return e.head->status;
}

static int judge(int status)
{
    if (status == 101)
        return kt_error_set(KT_EPROTOCOL, "the proxy switched protocols unasked");
    if (status == 407)
        return kt_error_set(-EACCES, "the proxy wants other credentials");
    if (status < 200 || status > 299)
        return kt_error_set(-ECONNREFUSED, "the proxy answered %d", status);
    return 0;
}

/* RFC 9110 section 15.2: interim answers may come before the one that counts. */
static int hear_connect(kt_stream *s)
{
    kt__http_header headers[ANSWER_HEADERS_MAX];
    kt__http_parser parser;
    kt__http_parser_init(&parser, KT__HTTP_RESPONSE, headers, ANSWER_HEADERS_MAX, NULL);
    for (unsigned n = 0; n <= INTERIM_ANSWERS_MAX; n++) {
        int status = hear_head(s, &parser);
        if (status < 0 || status >= 200 || status == 101)
            return status < 0 ? status : judge(status);
    }
    return kt_error_set(KT_ELIMIT, "more than %u interim answers of the proxy", INTERIM_ANSWERS_MAX);
}

static int tunnel(const kt__client_proxy *p, kt_stream *s, const char *host, uint16_t port)
{
    char to[300];
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    snprintf(to, sizeof to, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
    int rc = put_connect(p, to, &out);
    if (rc == 0)
        rc = kt_stream_write(s, out.data, out.size);
    return rc < 0 ? rc : hear_connect(s);
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

/* In the clear a proxy takes the request itself; but not by HTTP/2, which it need not know. */
bool kt__client_proxy_forwards(const kt__http_call *c, const kt__client_proxy *p)
{
    return p && !p->socks && !kt_url_is_secure(&c->url) && !c->request->upgrade &&
           c->session->o.version != KT_HTTP_2;
}

int kt__client_proxy_pass(const kt__http_call *c, const kt__client_proxy *p, kt_stream *s, const char *host)
{
    if (kt__client_proxy_forwards(c, p))
        return 0;
    return p->socks ? socks(p, s, host, c->url.port) : tunnel(p, s, host, c->url.port);
}
