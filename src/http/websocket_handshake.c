/* SPDX-License-Identifier: MIT */
/* The opening handshake at both ends (RFC 6455 sections 4.1 and 4.2). */
#include <errno.h>
#include <kettle/memory.h>
#include <kettle/url.h>
#include <openssl/evp.h>
#include <sys/random.h>

#include "http/client.h"
#include "http/parser_internal.h"
#include "http/server.h"
#include "http/websocket_private.h"

enum {
    KEY_RAW_BYTES = 16,
    SHA1_BYTES = 20,
    PROTOCOLS_BYTES_MAX = 1024,
    EXTENSIONS_BYTES_MAX = 4096,
};

/* Section 1.3. */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* ---- Keys ----------------------------------------------------------------------------------- */

static int accept_of(kt_slice key, char accept[KT__WS_ACCEPT_BYTES + 1])
{
    unsigned char text[KT__WS_KEY_BYTES + sizeof GUID], sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    memcpy(text, key.data, KT__WS_KEY_BYTES);
    memcpy(text + KT__WS_KEY_BYTES, GUID, sizeof GUID - 1);
    if (EVP_Digest(text, KT__WS_KEY_BYTES + sizeof GUID - 1, sum, &size, EVP_sha1(), NULL) != 1)
        return kt_error_set(-ENOMEM, "SHA-1 cannot be computed");
    EVP_EncodeBlock((unsigned char *)accept, sum, SHA1_BYTES);
    return 0;
}

/* 16 bytes in base64. What follows the last whole byte is not looked at by others either. */
static bool is_key(kt_slice key)
{
    unsigned char bytes[KT__WS_KEY_BYTES];
    return key.size == KT__WS_KEY_BYTES && key.data[KT__WS_KEY_BYTES - 1] == '=' &&
           key.data[KT__WS_KEY_BYTES - 2] == '=' && key.data[KT__WS_KEY_BYTES - 3] != '=' &&
           EVP_DecodeBlock(bytes, (const unsigned char *)key.data, KT__WS_KEY_BYTES) == KEY_RAW_BYTES + 2;
}

static int new_key(char key[KT__WS_KEY_BYTES + 1])
{
    unsigned char bytes[KEY_RAW_BYTES];
    ssize_t n;
    do
        n = getrandom(bytes, sizeof bytes, 0);
    while (n < 0 && errno == EINTR);
    if (n != sizeof bytes)
        return n < 0 ? -errno : -EIO;
    EVP_EncodeBlock((unsigned char *)key, bytes, sizeof bytes);
    return 0;
}

/* More than one header of this name. */
static bool repeated(const kt__http_header *headers, size_t count, const char *name)
{
    const kt__http_header *first = kt__http_header_find(headers, count, name);
    return first && kt__http_header_find(first + 1, count - (size_t)(first + 1 - headers), name);
}

/* ---- Server: what is asked ------------------------------------------------------------------ */

static int refuse(kt_http_exchange *x, int status, int rc, const char *why)
{
    int sent = status == 426 ? kt_http_header(x, "Sec-WebSocket-Version", "13") : 0;
    if (sent == 0 && status == 426)
        sent = kt_http_header(x, "Upgrade", "websocket");
    if (sent == 0)
        sent = kt_http_respond(x, status, "text/plain", why, strlen(why));
    return sent < 0 ? sent : kt_error_set(rc, "WebSocket: %s", why);
}

/* All headers of a name as one list (RFC 9110 section 5.3). 0, -ENOMEM, KT_ELIMIT. */
static int joined(const kt_http_exchange *x, const char *name, kt_buffer *out, size_t *ret_count)
{
    kt_slice found, value;
    *ret_count = 0;
    for (size_t i = 0; kt_http_request_header_at(x, i, &found, &value); i++) {
        if (!kt__http_same(found.data, found.size, name))
            continue;
        int rc = out->size > 0 ? kt_buffer_append(out, ",", 1) : 0;
        if (rc == 0)
            rc = kt_buffer_append(out, value.data, value.size);
        if (rc < 0)
            return rc;
        ++*ret_count;
    }
    return 0;
}

/* A page of the host that the request is for: "https://host:port" or "http://host:port". */
static bool is_own(const kt_http_exchange *x, kt_slice origin)
{
    static const char *const schemes[] = {"https://", "http://"};
    kt_slice host = kt_http_host(x);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t size = strlen(schemes[i]);
        if (origin.size == size + host.size && memcmp(origin.data, schemes[i], size) == 0 && host.size > 0 &&
            strncasecmp(origin.data + size, host.data, host.size) == 0)
            return true;
    }
    return false;
}

/* Browsers say from where a page comes, and anything else may say what it likes (section 10.2). */
static bool may_come(const kt_http_exchange *x, const char *const *origins)
{
    kt_slice origin = kt_http_request_header(x, "origin");
    if (!origin.data)
        return true;
    if (!origins)
        return is_own(x, origin);
    for (; *origins; origins++)
        if (strcmp(*origins, "*") == 0 || kt_slice_is(origin, *origins))
            return true;
    return false;
}

/* The first of the server's that the client offers. Names are compared with case. */
static const char *choose(kt_slice offered, const char *const *protocols)
{
    for (; protocols && *protocols; protocols++) {
        kt_slice rest = offered;
        while (rest.size > 0) {
            const char *comma = memchr(rest.data, ',', rest.size);
            kt_slice one = {rest.data, comma ? (size_t)(comma - rest.data) : rest.size};
            size_t gone = one.size + (comma != NULL);
            rest = (kt_slice){rest.data + gone, rest.size - gone};
            while (one.size > 0 && (*one.data == ' ' || *one.data == '\t'))
                one = (kt_slice){one.data + 1, one.size - 1};
            while (one.size > 0 && (one.data[one.size - 1] == ' ' || one.data[one.size - 1] == '\t'))
                one.size--;
            if (kt_slice_is(one, *protocols))
                return *protocols;
        }
    }
    return NULL;
}

/* ---- Server: the answer --------------------------------------------------------------------- */

typedef struct agreed {
    const char *protocol;
    kt__ws_deflate deflate;
    char extension[KT__WS_EXTENSION_BYTES];
    char accept[KT__WS_ACCEPT_BYTES + 1]; /* "" over HTTP/2 (RFC 8441 section 5) */
} agreed;

static int agree(kt_http_exchange *x, const kt_websocket_options *o, agreed *a)
{
    kt_auto(kt_buffer) protocols = KT_BUFFER_INIT_MAX(PROTOCOLS_BYTES_MAX);
    kt_auto(kt_buffer) extensions = KT_BUFFER_INIT_MAX(EXTENSIONS_BYTES_MAX);
    size_t count;
    int rc = joined(x, "sec-websocket-protocol", &protocols, &count);
    if (rc == 0)
        rc = joined(x, "sec-websocket-extensions", &extensions, &count);
    if (rc == KT_ELIMIT)
        return refuse(x, 400, -EPROTO, "too many protocols or extensions are offered");
    if (rc < 0)
        return rc;
    a->protocol = choose(kt_buffer_slice(&protocols), o->protocols);
    if (kt__ws_extension_pick(kt_buffer_slice(&extensions), o, &a->deflate, a->extension) < 0)
        return refuse(x, 400, -EPROTO, "Sec-WebSocket-Extensions is malformed");
    return 0;
}

/* Of several protocols the server takes the one it likes (RFC 9110 section 7.8). */
static bool is_asked(const kt_http_exchange *x)
{
    kt_slice first = kt_http_upgrade_asked(x);
    return first.data && (kt__http_same(first.data, first.size, "websocket") ||
                          kt__http_headers_have(x->head.headers, x->head.header_count, "upgrade", "websocket"));
}

/* Checks the request, answers one that is none, and fills *a. */
static int check(kt_http_exchange *x, const kt_websocket_options *o, agreed *a)
{
    kt_auto(kt_buffer) key = KT_BUFFER_INIT_MAX(PROTOCOLS_BYTES_MAX), version = KT_BUFFER_INIT_MAX(PROTOCOLS_BYTES_MAX);
    size_t keys, versions;
    bool extended = kt_http_method_is(x, "CONNECT");
    if (kt_http_stopping(x))
        return refuse(x, 503, KT_ESHUTDOWN, "the server is stopping");
    if (!is_asked(x))
        return refuse(x, 426, -EPROTO, "this resource speaks WebSocket only");
    if (!extended && !kt_http_method_is(x, "GET"))
        return refuse(x, 400, -EPROTO, "a WebSocket begins with GET");
    int rc = joined(x, "sec-websocket-version", &version, &versions);
    if (rc == 0)
        rc = joined(x, "sec-websocket-key", &key, &keys);
    if (rc < 0 && rc != KT_ELIMIT)
        return rc;
    if (versions != 1 || !kt_slice_is(kt_buffer_slice(&version), "13"))
        return refuse(x, 426, -EPROTO, "this server speaks version 13 of WebSocket");
    if (!extended && (keys != 1 || !is_key(kt_buffer_slice(&key))))
        return refuse(x, 400, -EPROTO, "Sec-WebSocket-Key is not 16 bytes in base64");
    if (repeated(x->head.headers, x->head.header_count, "origin")) /* RFC 6454 section 7.3: whose would count? */
        return refuse(x, 400, -EPROTO, "there is more than one Origin");
    if (!may_come(x, o->origins))
        return refuse(x, 403, -EACCES, "pages of this origin may not connect");
    rc = agree(x, o, a);
    return rc < 0 || extended ? rc : accept_of(kt_buffer_slice(&key), a->accept);
}

static int put_headers(kt_http_exchange *x, const agreed *a)
{
    int rc = a->accept[0] ? kt_http_header(x, "Sec-WebSocket-Accept", a->accept) : 0;
    if (rc == 0 && a->protocol)
        rc = kt_http_header(x, "Sec-WebSocket-Protocol", a->protocol);
    if (rc == 0 && a->deflate.on)
        rc = kt_http_header(x, "Sec-WebSocket-Extensions", a->extension);
    return rc;
}

/* Once more than a part of it is there, all of it can be freed. */
static int make(kt_stream *s, bool client, const kt_websocket_options *o, const kt__ws_deflate *deflate,
                const char *protocol, kt_websocket **ret_ws)
{
    kt_websocket *ws = kt__ws_new(s, client, o, deflate);
    if (!ws)
        return -ENOMEM;
    ws->protocol = protocol ? kt_strndup(protocol, strlen(protocol)) : NULL;
    if (protocol && !ws->protocol) {
        kt__ws_free(ws);
        return -ENOMEM;
    }
    *ret_ws = ws;
    return 0;
}

void kt__ws_part(kt_websocket *ws)
{
    kt_http_exchange *x = kt_steal(ws->exchange);
    if (x)
        x->ws = NULL;
}

int kt_websocket_accept(kt_http_exchange *x, const kt_websocket_options *options, kt_websocket **ret_ws)
{
    agreed a = {.protocol = NULL};
    kt_websocket *ws = NULL;
    kt_websocket_options o;
    int rc = kt__ws_options_fill(options, &o);
    if (rc == 0)
        rc = check(x, &o, &a);
    if (rc == 0)
        rc = make(NULL, false, &o, &a.deflate, a.protocol, &ws);
    size_t before = x->m->fields.size;
    if (rc == 0)
        rc = put_headers(x, &a);
    if (rc == 0)
        rc = kt_http_upgrade(x, "websocket", &ws->stream);
    if (rc < 0) {
        if (x->state == KT__HTTP_NEW) /* another try sets them again */
            x->m->fields.size = before;
        if (ws)
            kt__ws_free(ws);
        return rc;
    }
    ws->exchange = x;
    x->ws = ws;
    *ret_ws = ws;
    return 0;
}

/* ---- Client --------------------------------------------------------------------------------- */

static int refused(const char *why)
{
    return kt_error_set(KT_EPROTOCOL, "WebSocket: the server answered with %s", why);
}

/* Joins the names with commas, and ends them. */
static int offered(const char *const *protocols, kt_buffer *out)
{
    int rc = 0;
    for (const char *const *p = protocols; rc == 0 && p && *p; p++)
        rc = kt_buffer_printf(out, "%s%s", p == protocols ? "" : ", ", *p);
    if (rc == 0)
        rc = kt_buffer_append(out, "", 1);
    return rc == KT_ELIMIT ? kt_error_set(-EINVAL, "the names of the subprotocols are too long") : rc;
}

static bool is_twice(const kt_http_response *r, const char *name)
{
    return repeated(r->headers, r->header_count, name);
}

static int check_protocol(kt_slice chosen, const char *const *protocols, const char **ret_protocol)
{
    *ret_protocol = NULL;
    if (!chosen.data)
        return 0;
    for (; protocols && *protocols; protocols++)
        if (kt_slice_is(chosen, *protocols)) {
            *ret_protocol = *protocols;
            return 0;
        }
    return refused("a subprotocol that was not offered");
}

/* Items 1 to 3 of section 4.1. An HTTP/1.0 server has no 101 to give (RFC 9110 sections 7.8 and 15.2). Over HTTP/2 the
 * status says all, and there is no key (RFC 8441 section 5). */
static int check_switch(const kt_http_response *r)
{
    if (kt_http_response_version(r) == 20 && kt__client_switched(r))
        return 0;
    kt_slice upgrade = kt_http_response_header(r, "upgrade");
    if (kt_http_response_status(r) != 101)
        return kt_error_set(KT_EPROTOCOL, "WebSocket: the server answered with %d", kt_http_response_status(r));
    if (kt_http_response_version(r) < 11)
        return refused("101 in HTTP/1.0");
    if (!upgrade.data || !kt__http_same(upgrade.data, upgrade.size, "websocket") || is_twice(r, "upgrade"))
        return refused("another protocol than WebSocket");
    if (!kt__http_headers_have(r->headers, r->header_count, "connection", "upgrade"))
        return refused("a Connection that does not say Upgrade");
    return 0;
}

/* Section 4.1, "the client MUST validate the server's response". */
static int check_answer(const kt_http_response *r, const char *key, const kt_websocket_options *o, agreed *a)
{
    char expected[KT__WS_ACCEPT_BYTES + 1];
    int rc = check_switch(r);
    if (rc == 0)
        rc = accept_of(kt_slice_from(key), expected);
    if (rc < 0)
        return rc;
    if (kt_http_response_version(r) != 20 &&
        (!kt_slice_is(kt_http_response_header(r, "sec-websocket-accept"), expected) ||
         is_twice(r, "sec-websocket-accept")))
        return refused("a Sec-WebSocket-Accept that does not fit the key");
    if (is_twice(r, "sec-websocket-protocol") || is_twice(r, "sec-websocket-extensions"))
        return refused("two choices in place of one");
    rc = check_protocol(kt_http_response_header(r, "sec-websocket-protocol"), o->protocols, &a->protocol);
    return rc < 0 ? rc : kt__ws_extension_check(kt_http_response_header(r, "sec-websocket-extensions"), o, &a->deflate);
}

static int ask(kt_http_session *s, const char *url, const kt_websocket_options *o, const char *key,
               kt_http_response **ret_response)
{
    char extension[KT__WS_EXTENSION_BYTES];
    kt_auto(kt_buffer) protocols = KT_BUFFER_INIT_MAX(PROTOCOLS_BYTES_MAX);
    int rc = offered(o->protocols, &protocols);
    if (rc < 0)
        return rc;
    kt__ws_extension_offer(o, extension);
    const char *headers[9] = {"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", key};
    size_t n = 4;
    if (protocols.size > 1) {
        headers[n++] = "Sec-WebSocket-Protocol";
        headers[n++] = protocols.data;
    }
    if (*extension) {
        headers[n++] = "Sec-WebSocket-Extensions";
        headers[n++] = extension;
    }
    const kt_http_request request = {.url = url, .headers = headers, .upgrade = "websocket"};
    return kt_http_send(s, &request, ret_response);
}

int kt__ws_connect(kt_http_session *s, const char *url, const kt_websocket_options *options, int *ret_status,
                   kt_websocket **ret_ws)
{
    char key[KT__WS_KEY_BYTES + 1];
    agreed a = {.protocol = NULL};
    kt_websocket_options o;
    kt_auto(kt_http_response) *r = NULL;
    kt_stream *stream = NULL;
    int rc = kt__ws_options_fill(options, &o);
    if (rc == 0)
        rc = new_key(key);
    if (rc == 0)
        rc = ask(s, url, &o, key, &r);
    *ret_status = rc == 0 ? kt_http_response_status(r) : 0;
    if (rc == 0)
        rc = check_answer(r, key, &o, &a);
    if (rc == 0)
        rc = kt_http_response_stream(r, &stream);
    if (rc == 0)
        rc = make(stream, true, &o, &a.deflate, a.protocol, ret_ws);
    if (rc == 0)
        (*ret_ws)->response = kt_steal(r);
    return rc;
}

int kt_websocket_connect(kt_http_session *s, const char *url, const kt_websocket_options *options,
                         kt_websocket **ret_ws)
{
    int status;
    return kt__ws_connect(s, url, options, &status, ret_ws);
}
