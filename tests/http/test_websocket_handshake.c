/* SPDX-License-Identifier: MIT */
/* The opening handshake of a WebSocket at either end, the other one by hand: what it takes and what it refuses. */
#include "client_site.h"

#include <kettle/websocket.h>
#include <openssl/evp.h>

static kt_websocket_options options; /* each test is a process of its own */

static int accepts(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    (void)arg;
    int rc = kt_websocket_accept(x, &options, &ws);
    return rc < 0 ? 0 : kt_websocket_read(ws, &m); /* what was refused has been answered */
}

#define ASK "GET /chat HTTP/1.1\r\nHost: a\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static const char *ask_by_hand(const char *request, const kt_websocket_options *o)
{
    static heard h;
    h = (heard){.size = 0};
    options = o ? *o : (kt_websocket_options){0};
    net n = net_open((kt_test_network_options){0});
    site s;
    site_open(&s, NULL, accepts, NULL);
    kt_stream *c = dial(&s);
    say(c, request);
    hear(c, &h, "\r\n\r\n");
    kt_stream_close(c);
    site_close(&s);
    net_cleanup(&n);
    return h.text;
}

/* The example of RFC 6455 section 1.3. */
TEST(a_proper_request_is_answered_with_101)
{
    CHECK_STR(ask_by_hand(ASK UPGRADE VERSION KEY "\r\n", NULL),
              "HTTP/1.1 101 Switching Protocols\r\n"
              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
              "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
}

TEST(what_is_no_handshake_is_refused)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {ASK "\r\n", 426},
        {ASK "Connection: Upgrade\r\nUpgrade: h2c\r\n" VERSION KEY "\r\n", 426},
        {ASK UPGRADE KEY "\r\n", 426},
        {ASK UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426},
        {ASK UPGRADE KEY VERSION VERSION "\r\n", 426},
        {ASK UPGRADE VERSION "\r\n", 400},
        {ASK UPGRADE VERSION KEY KEY "\r\n", 400},
        {ASK UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n\r\n", 400},
        {ASK UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n\r\n", 400},
        {ASK UPGRADE VERSION "Sec-WebSocket-Key: dGhl!HNhbXBsZSBub25jZQ==\r\n\r\n", 400},
        {"POST /chat HTTP/1.1\r\nHost: a\r\n" UPGRADE VERSION KEY "\r\n", 400},
        {ASK UPGRADE VERSION KEY "Sec-WebSocket-Extensions: ;\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Origin: https://b\r\n\r\n", 403},
        {ASK UPGRADE VERSION KEY "Origin: null\r\n\r\n", 403},
        {ASK UPGRADE VERSION KEY "Origin: https://a.b\r\n\r\n", 403},
        {ASK UPGRADE VERSION KEY "Sec-WebSocket-Extensions: x y\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Sec-WebSocket-Extensions: x;, y\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Sec-WebSocket-Extensions: x; y=\"\"\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Sec-WebSocket-Extensions: x; y=\" z\"\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Sec-WebSocket-Extensions: x; y=\"z, v\"\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Sec-WebSocket-Extensions: x; y=\"z\\\"\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Sec-WebSocket-Extensions: x; y=\"z\\\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Sec-WebSocket-Extensions: x; y=\"z\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Origin: https://a\r\nOrigin: https://b\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Origin: https://a\r\nX: y\r\nOrigin: https://a\r\n\r\n", 400},
        {ASK UPGRADE VERSION KEY "Origin: https://a\r\n\r\n", 101},
        {ASK UPGRADE VERSION KEY "Origin: http://A\r\n\r\n", 101},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char wanted[20];
        snprintf(wanted, sizeof wanted, "HTTP/1.1 %d ", cases[i].status);
        const char *answer = ask_by_hand(cases[i].request, NULL);
        if (strncmp(answer, wanted, strlen(wanted)) != 0)
            kt_test_fail("wanted %d for: %s\ngot: %s", cases[i].status, cases[i].request, answer);
        if (cases[i].status == 426)
            CHECK(strstr(answer, "\r\nSec-WebSocket-Version: 13\r\n"));
    }
}

/* RFC 9110 section 7.8: Upgrade is a list, in the client's order, of which the server may choose. */
TEST(a_websocket_may_be_asked_for_beside_other_protocols)
{
    static const char *const upgrades[] = {
        "Upgrade: h2c, websocket\r\n",
        "Upgrade: websocket, h2c\r\n",
        "Upgrade: h2c\r\nUpgrade: WebSocket\r\n",
        "Upgrade: ,\r\nUpgrade: , foo/2 ,\twebsocket ,\r\n",
    };
    for (size_t i = 0; i < sizeof upgrades / sizeof upgrades[0]; i++) {
        char request[300];
        snprintf(request, sizeof request, ASK "Connection: Upgrade\r\n%s" VERSION KEY "\r\n", upgrades[i]);
        const char *answer = ask_by_hand(request, NULL);
        if (!strstr(answer, " 101 ") || !strstr(answer, "\r\nUpgrade: websocket\r\n"))
            kt_test_fail("got for %s: %s", upgrades[i], answer);
    }
    CHECK(strstr(ask_by_hand(ASK "Connection: Upgrade\r\nUpgrade: h2c, websockets\r\n" VERSION KEY "\r\n", NULL),
                 " 426 "));
}

TEST(origins_can_be_named)
{
    static const char *const one[] = {"https://b", NULL}, *const all[] = {"*", NULL};
    const char *from_b = ASK UPGRADE VERSION KEY "Origin: https://b\r\n\r\n";
    CHECK(strstr(ask_by_hand(from_b, &(kt_websocket_options){.origins = one}), " 101 "));
    CHECK(strstr(ask_by_hand(from_b, &(kt_websocket_options){.origins = all}), " 101 "));
    CHECK(strstr(ask_by_hand(ASK UPGRADE VERSION KEY "Origin: https://a\r\n\r\n",
                             &(kt_websocket_options){.origins = one}), " 403 "));
}

/* RFC 7692 section 7.1: what a server makes of offers. */
TEST(an_offer_of_compression_is_taken_as_far_as_it_can_be)
{
    static const struct {
        const char *offer, *answer; /* "": nothing is said */
    } cases[] = {
        {"permessage-deflate", "permessage-deflate"},
        {"Permessage-DEFLATE", "permessage-deflate"},
        {"x-webkit-deflate-frame, permessage-deflate", "permessage-deflate"},
        {"permessage-deflate; client_max_window_bits", "permessage-deflate"},
        {"permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=\"10\"", "permessage-deflate; server_max_window_bits=10"},
        {"permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"},
        {"permessage-deflate;client_no_context_takeover", "permessage-deflate; client_no_context_takeover"},
        {"permessage-deflate; server_max_window_bits", ""},
        {"permessage-deflate; server_max_window_bits=7", ""},
        {"permessage-deflate; server_max_window_bits=16", ""},
        {"permessage-deflate; server_max_window_bits=010", ""},
        {"permessage-deflate; client_max_window_bits=7", ""},
        {"permessage-deflate; server_no_context_takeover=1", ""},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
        {"permessage-deflate; what", ""},
        {"permessage-deflate; what, permessage-deflate", "permessage-deflate"},
        {"permessage-deflate; server_max_window_bits=9, permessage-deflate",
         "permessage-deflate; server_max_window_bits=9"},
        {"x; y=z", ""},
        {"permessage-deflate; server_max_window_bits=\"1\\0\"", "permessage-deflate; server_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=\"\\9\" , x", "permessage-deflate; server_max_window_bits=9"},
        {"permessage-deflate; server_max_window_bits=\"1\\00\"", ""},
        {"permessage-deflate; server_max_window_bits=\"1000000\"", ""},
        {"x; y=\"a\\bcdefg\", permessage-deflate", "permessage-deflate"},
        /* RFC 9110 section 5.6.1.2: empty elements count for nothing */
        {"permessage-deflate,", "permessage-deflate"},
        {",permessage-deflate", "permessage-deflate"},
        {" , ,\t, permessage-deflate ; client_max_window_bits , ,", "permessage-deflate"},
        {"permessage-deflate, ,foo", "permessage-deflate"},
        {"permessage-deflate\r\nSec-WebSocket-Extensions: ", "permessage-deflate"},
        {"\r\nSec-WebSocket-Extensions: permessage-deflate", "permessage-deflate"},
        {",", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char request[500], wanted[200];
        snprintf(request, sizeof request, ASK UPGRADE VERSION KEY "Sec-WebSocket-Extensions: %s\r\n\r\n",
                 cases[i].offer);
        snprintf(wanted, sizeof wanted, "\r\nSec-WebSocket-Extensions: %s\r\n", cases[i].answer);
        const char *answer = ask_by_hand(request, NULL);
        CHECK(strstr(answer, " 101 "));
        if (cases[i].answer[0] ? !strstr(answer, wanted) : strstr(answer, "Extensions") != NULL)
            kt_test_fail("wanted '%s' for '%s'\ngot: %s", cases[i].answer, cases[i].offer, answer);
    }
}

/* ---- The client ------------------------------------------------------------------------------- */

/* Takes one connection, and answers with a Sec-WebSocket-Accept that fits, between what it was told to say. */
KT_FN(answers, a, struct { kt_listener *l; const char *line, *headers; })
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[24 + sizeof guid], accept[30], answer[600];
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    kt_stream *s = NULL;
    kt_slice head, end = {"\r\n\r\n", 4};
    CHECK_OK(kt_listener_accept(a->l, &s));
    CHECK_EQ(kt_stream_read_until(s, end, 4096, &head), 1);
    const char *key = memmem(head.data, head.size, "Sec-WebSocket-Key: ", 19);
    CHECK(key);
    snprintf(text, sizeof text, "%.24s%s", key + 19, guid);
    CHECK_EQ(EVP_Digest(text, strlen(text), sum, &size, EVP_sha1(), NULL), 1);
    EVP_EncodeBlock((unsigned char *)accept, sum, (int)size);
    snprintf(answer, sizeof answer, "%s\r\n%sSec-WebSocket-Accept: %s\r\n\r\n", a->line, a->headers, accept);
    say(s, answer);
    char close[64];
    (void)!kt_stream_read(s, close, sizeof close);
    kt_stream_close(s);
    return 0;
}

/* What connecting to such a server comes to. */
static int connect_to(const char *line, const char *headers)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    kt_listener *l = NULL;
    kt_task *server;
    kt_websocket *ws = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_spawn(KT_WITH(answers, .l = l, .line = line, .headers = headers), &server));
    kt_http_session *web = session_for(kt_listener_port(l), (kt_http_session_options){0});
    const kt_websocket_options o = {.close_timeout = KT_MS(1)};
    int rc = kt_websocket_connect(web, "/", &o, &ws);
    kt_websocket_close(ws);
    CHECK_OK(kt_task_join(server));
    kt_http_session_close(web);
    kt_listener_close(l);
    return rc;
}

/* RFC 6455 section 4.1, of the server's response. */
TEST(an_answer_counts_only_if_all_of_it_says_websocket)
{
#define SWITCH "HTTP/1.1 101 Switching Protocols"
#define EXTENSIONS "Sec-WebSocket-Extensions: "
    static const struct {
        const char *line, *headers;
        int rc;
    } cases[] = {
        {SWITCH, UPGRADE, 0},
        {SWITCH, "Upgrade: WebSocket\r\nConnection: keep-alive, UPGRADE\r\n", 0},
        {SWITCH, "Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", 0},
        {SWITCH, "Upgrade: websocket\r\n", KT_EPROTOCOL},
        {SWITCH, "Upgrade: websocket\r\nConnection: close\r\n", KT_EPROTOCOL},
        {SWITCH, "Upgrade: websocket\r\nConnection: upgraded\r\n", KT_EPROTOCOL},
        {SWITCH, "Connection: Upgrade\r\n", KT_EPROTOCOL},
        {SWITCH, "Connection: Upgrade\r\nUpgrade: foo\r\n", KT_EPROTOCOL},
        {SWITCH, UPGRADE "Upgrade: foo\r\n", KT_EPROTOCOL},
        {SWITCH, UPGRADE "Upgrade: websocket\r\n", KT_EPROTOCOL},
        {SWITCH, "Connection: Upgrade\r\nUpgrade: websocket, foo\r\n", KT_EPROTOCOL},
        {"HTTP/1.0 101 Switching Protocols", UPGRADE, KT_EPROTOCOL},
        {SWITCH, UPGRADE EXTENSIONS ", permessage-deflate,\r\n", 0},
        {SWITCH, UPGRADE EXTENSIONS "permessage-deflate; server_max_window_bits=\"1\\0\"\r\n", 0},
        {SWITCH, UPGRADE EXTENSIONS ",\r\n", 0},
        {SWITCH, UPGRADE EXTENSIONS "permessage-deflate, permessage-deflate\r\n", KT_EPROTOCOL},
        {SWITCH, UPGRADE EXTENSIONS "permessage-deflate, x\r\n", KT_EPROTOCOL},
        {SWITCH, UPGRADE EXTENSIONS "permessage-deflate x\r\n", KT_EPROTOCOL},
        {SWITCH, UPGRADE EXTENSIONS "permessage-deflate\r\n" EXTENSIONS "\r\n", KT_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int rc = connect_to(cases[i].line, cases[i].headers);
        if (rc != cases[i].rc)
            kt_test_fail("got %s for %s\n%s", kt_error_name(rc), cases[i].line, cases[i].headers);
    }
}
