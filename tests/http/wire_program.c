/* SPDX-License-Identifier: MIT */
/* For wire_peers.py: says what we make of bytes on the wire. Reads lines "KIND HEX", and answers each with one line of
 * words, in which bytes are written in hexadecimal, "-" for none:
 *
 *     request, response   HTTP/1.1. head:METHOD:TARGET:MINOR or head:STATUS:REASON:MINOR, name:NAME:VALUE of each
 *                         header, body:BYTES, end, trailer:NAME:VALUE, and last done, cut, rest (the message closes
 *                         the connection), upgrade (another protocol may follow), or error:STATUS:REASON
 *     server, client      WebSocket, as that end. text:BYTES, binary:BYTES of whole messages, pong:BYTES that we
 *                         answered, and last closed:CODE:REASON, cut, or error:CODE
 *     server-deflate, client-deflate   the same with permessage-deflate */
#include <errno.h>
#include <kettle/kettle.h>
#include <kettle/stream_backend.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/parser.h"
#include "http/websocket_private.h"

static void say(const char *word, kt_slice bytes)
{
    printf("%s", word);
    for (size_t i = 0; i < bytes.size; i++)
        printf("%02x", (unsigned char)bytes.data[i]);
    if (bytes.size == 0)
        printf("-");
}

static void say_pair(const char *word, kt_slice name, kt_slice value)
{
    say(word, name);
    say(":", value);
    printf(" ");
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static void say_head(kt__http_role role, const kt__http_head *h)
{
    if (role == KT__HTTP_REQUEST)
        say("head:", h->method);
    else
        printf("head:%d", h->status);
    say(":", role == KT__HTTP_REQUEST ? h->target : h->reason);
    printf(":%d ", h->minor);
    for (size_t i = 0; i < h->header_count; i++)
        say_pair("name:", h->headers[i].name, h->headers[i].value);
}

static void say_end(const kt__http_event *e)
{
    printf("end ");
    for (size_t i = 0; i < e->trailer_count; i++)
        say_pair("trailer:", e->trailers[i].name, e->trailers[i].value);
}

/* Everything up to the end, or to what another protocol would read. */
static void replay_http(kt__http_role role, kt_slice input)
{
    kt__http_header headers[KT__HTTP_HEADERS_DEFAULT];
    kt__http_parser p;
    kt__http_event e;
    kt__http_parser_init(&p, role, headers, KT__HTTP_HEADERS_DEFAULT, NULL);
    for (;;) {
        ssize_t n = kt__http_parser_feed(&p, input.data, input.size, &e);
        if (n < 0) {
            printf("error:%d:%s\n", p.error.status, p.error.reason);
            return;
        }
        input = (kt_slice){input.data + n, input.size - (size_t)n};
        if (e.type == KT__HTTP_NEED_MORE)
            break;
        if (e.type == KT__HTTP_HEAD)
            say_head(role, e.head);
        if (e.type == KT__HTTP_BODY)
            say("body:", e.body), printf(" ");
        if (e.type != KT__HTTP_END)
            continue;
        say_end(&e);
        bool interim = role == KT__HTTP_RESPONSE && e.head->status < 200 && !e.head->upgrade;
        if (!interim && (!e.head->keep_alive || e.head->upgrade)) {
            printf(e.head->upgrade ? "upgrade\n" : "rest\n");
            return;
        }
        kt__http_parser_reset(&p);
    }
    int rc = kt__http_parser_eof(&p, &e);
    if (rc == 1)
        say_end(&e);
    printf(rc < 0 ? "cut\n" : "done\n");
}

/* ---- WebSocket ------------------------------------------------------------------------------- */

/* Gives the input, and remembers our close code. */
typedef struct wire {
    kt_slice input;
    int code;
} wire;

static ssize_t wire_read(void *object, void *bytes, size_t size)
{
    wire *w = object;
    size = size < w->input.size ? size : w->input.size;
    if (size > 0)
        memcpy(bytes, w->input.data, size);
    w->input = (kt_slice){w->input.data + size, w->input.size - size};
    return (ssize_t)size;
}

/* One control frame a call: of a client in one piece and masked, of a server its head and its payload. */
static ssize_t wire_writev(void *object, const struct iovec *pieces, size_t count)
{
    wire *w = object;
    char frame[KT__WS_HEAD_MAX + KT__WS_CONTROL_MAX];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].iov_len > sizeof frame - size)
            abort();
        memcpy(frame + size, pieces[i].iov_base, pieces[i].iov_len);
        size += pieces[i].iov_len;
    }
    bool masked = frame[1] & 0x80;
    size_t head = masked ? 6 : 2;
    if (masked)
        kt__ws_mask(frame + head, size - head, (const uint8_t *)frame + 2, 0);
    const uint8_t *payload = (const uint8_t *)frame + head;
    if ((frame[0] & 15) == KT__WS_PONG)
        say("pong:", (kt_slice){frame + head, size - head}), printf(" ");
    else if ((frame[0] & 15) == KT__WS_CLOSE)
        w->code = size - head < 2 ? 1005 : payload[0] << 8 | payload[1];
    return (ssize_t)size;
}

static int wire_shutdown_write(void *object)
{
    (void)object;
    return 0;
}

static void wire_close(void *object)
{
    (void)object;
}

static const kt_stream_backend wire_backend = {
    .name = "wire",
    .read = wire_read,
    .writev = wire_writev,
    .shutdown_write = wire_shutdown_write,
    .close = wire_close,
};

static int replay_websocket(bool client, bool deflate, kt_slice input)
{
    kt__ws_deflate agreed = {.on = deflate, .bits_out = 15, .bits_in = 15};
    kt_websocket_options o;
    kt_websocket_message m;
    kt_stream *s = NULL;
    wire w = {input, 0};
    int rc = kt__ws_options_fill(NULL, &o);
    if (rc == 0)
        rc = kt_stream_new(&wire_backend, &w, &s);
    if (rc < 0)
        return rc;
    kt_websocket *ws = kt__ws_new(s, client, &o, &agreed);
    if (!ws) {
        kt_stream_close(s);
        return -ENOMEM;
    }
    ws->owns_stream = true;
    while ((rc = kt_websocket_read(ws, &m)) > 0)
        say(m.kind == KT_WEBSOCKET_TEXT ? "text:" : "binary:", m.data), printf(" ");
    if (rc == 0)
        printf("closed:%d", kt_websocket_close_code(ws)), say(":", kt_slice_from(kt_websocket_close_reason(ws)));
    else if (w.code > 0)
        printf("error:%d", w.code);
    else
        printf("cut");
    printf("\n");
    kt_websocket_close(ws);
    return 0;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static kt_slice unhex(char *text)
{
    kt_slice out = {text, 0};
    for (char *to = text; text[0] > ' ' && text[1] > ' '; text += 2, out.size++) {
        char digits[3] = {text[0], text[1], '\0'};
        *to++ = (char)strtol(digits, NULL, 16);
    }
    return out;
}

static int answer(const char *kind, kt_slice input)
{
    if (strcmp(kind, "request") == 0 || strcmp(kind, "response") == 0) {
        replay_http(strcmp(kind, "request") == 0 ? KT__HTTP_REQUEST : KT__HTTP_RESPONSE, input);
        return 0;
    }
    return replay_websocket(strncmp(kind, "client", 6) == 0, strstr(kind, "deflate"), input);
}

static int read_lines(void *arg)
{
    char *line = NULL;
    size_t room = 0;
    int rc = 0;
    (void)arg;
    while (rc == 0 && getline(&line, &room, stdin) > 0) {
        char *space = strchr(line, ' ');
        if (!space)
            break;
        *space = '\0';
        rc = answer(line, unhex(space + 1));
    }
    free(line);
    return rc;
}

int main(void)
{
    int rc = kt_run(read_lines, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "wire_program: %s\n", kt_strerror(rc));
    return rc < 0 || fflush(stdout) != 0;
}
