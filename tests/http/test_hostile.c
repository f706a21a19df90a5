/* SPDX-License-Identifier: MIT */

/* Our client and our server with a hostile network between them: an exchange of each protocol is cut, reset or stalled
 * at every byte of either direction; and then every allocation of it fails in turn. Whatever happens ends in time, and
 * the next exchange of the same session is whole. */
#include "client_site.h"

#include <kettle/websocket.h>

#define BODY "the quick brown fox"

/* ---- The server ------------------------------------------------------------------------------ */

static struct {
    int begun, ended;
} served;

static int echoes(kt_http_exchange *x)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_accept(x, NULL, &ws);
    while (rc >= 0 && (rc = kt_websocket_read(ws, &m)) > 0)
        rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size);
    return 0;
}

static int serves(kt_http_exchange *x, void *arg)
{
    kt_slice body;
    (void)arg;
    served.begun++;
    int rc = kt_slice_is(kt_http_path(x), "/chat") ? echoes(x) : kt_http_read_all(x, 1000, &body);
    if (rc == 0 && !kt_slice_is(kt_http_path(x), "/chat"))
        rc = kt_http_respond(x, 200, "text/plain", body.data, body.size);
    served.ended++;
    return rc;
}

/* ---- The network between --------------------------------------------------------------------- */

enum ending { CUT, RESET, STALL, ENDINGS }; /* STALL: in the simulator, where time passes */

/* Lets so many bytes of a direction pass: to the server, and back. All connections but the first are left alone. */
typedef struct relay {
    kt_listener *l;
    kt_task *task;
    uint16_t port, to;
    size_t left[2];
    enum ending ending;
    int connections;
    bool spent;
} relay;

typedef struct wire {
    relay *r;
    kt_stream *ends[2];
    bool spoiled;
} wire;

/* At least one byte may pass, or it is over. */
static void spoil(wire *w)
{
    w->r->spent = true;
    if (w->r->ending == STALL) {
        (void)!kt_sleep(KT_FOREVER);
        return;
    }
    for (int i = 0; i < 2; i++)
        kt_stream_hang_up(w->ends[i], w->r->ending == RESET);
}

KT_FN(passes_on, a, struct { wire *w; int from; })
{
    wire *w = a->w;
    char bytes[512];
    for (;;) {
        size_t *left = &w->r->left[a->from], most = w->spoiled && *left < sizeof bytes ? *left : sizeof bytes;
        if (most == 0) {
            spoil(w);
            return 0;
        }
        ssize_t n = kt_stream_read(w->ends[a->from], bytes, most);
        int rc = n > 0 ? kt_stream_write(w->ends[!a->from], bytes, (size_t)n) : -EPIPE;
        if (rc < 0)
            break;
        *left -= w->spoiled ? (size_t)n : 0;
    }
    kt_stream_hang_up(w->ends[!a->from], false);
    return 0;
}

KT_FN(joins, a, struct { relay *r; kt_stream *s; bool spoiled; })
{
    kt_auto(kt_stream) *near = a->s, *far = NULL;
    int rc = kt_stream_connect("127.0.0.1", a->r->to, &far);
    if (rc < 0)
        return 0;
    wire w = {.r = a->r, .ends = {near, far}, .spoiled = a->spoiled};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    rc = kt_group_spawn(&g, KT_WITH(passes_on, .w = &w, .from = 0));
    if (rc == 0)
        rc = kt_group_spawn(&g, KT_WITH(passes_on, .w = &w, .from = 1));
    return kt_group_join(&g, rc);
}

KT_FN(relays, a, struct { relay *r; })
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    while (rc == 0) {
        kt_stream *s = NULL;
        rc = kt_listener_accept(a->r->l, &s);
        if (rc == 0)
            rc = kt_group_spawn(&g, KT_WITH(joins, .r = a->r, .s = s, .spoiled = a->r->connections++ == 0));
    }
    return kt_group_join(&g, rc);
}

static void relay_open(relay *r, uint16_t to)
{
    r->to = to;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &r->l));
    r->port = kt_listener_port(r->l);
    CHECK_OK(kt_spawn(KT_WITH(relays, .r = r), &r->task));
}

static void relay_close(relay *r)
{
    kt_task_cancel(r->task);
    CHECK_ERR(kt_task_join(r->task), KT_ECANCELED);
    kt_listener_close(r->l);
}

/* ---- Exchanges ------------------------------------------------------------------------------- */

enum protocol { HTTP_1, HTTP_2, WEBSOCKET, PROTOCOLS };

static kt_http_session *session_of(enum protocol p, uint16_t port)
{
    kt_http_session_options o = {
        .version = p == HTTP_2 ? KT_HTTP_2 : 0,
        .timeouts = {.connect = KT_S(5), .send = KT_S(5), .first_byte = KT_S(5), .between = KT_S(5)},
    };
    return session_for(port, o);
}

static int chats(kt_http_session *s)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    const kt_websocket_options o = {.close_timeout = KT_S(5)};
    int rc = kt_websocket_connect(s, "/chat", &o, &ws);
    if (rc == 0)
        rc = kt_websocket_write(ws, KT_WEBSOCKET_TEXT, BODY, sizeof BODY - 1);
    if (rc == 0)
        rc = kt_websocket_read(ws, &m);
    if (rc > 0)
        CHECK_SLICE(m.data, BODY);
    return rc;
}

/* Whether it was whole. An answer that is not the right one fails the test. */
static bool exchange(enum protocol p, kt_http_session *s)
{
    const kt_http_request q = {.method = "PUT", .url = "/", .body = BODY, .body_size = sizeof BODY - 1};
    if (p == WEBSOCKET)
        return chats(s) == 1;
    const char *answer = ask_with(s, &q);
    bool whole = strcmp(answer, "200 " BODY) == 0;
    bool error = strstr(answer, "KT_E") || strstr(answer, " E") || *answer == 'E' || *answer == '5';
    if (!whole && !error)
        kt_test_fail("neither whole nor an error: %s", answer);
    return whole;
}

/* The longest series of waits: to connect, to send, to be answered, for the body; or a ping's, and the close. */
#define LONGEST KT_S(60)

/* False once the exchange is shorter than what may pass. */
static bool spoiled(enum protocol p, enum ending ending, int direction, size_t at)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site s;
    relay r = {.left = {SIZE_MAX, SIZE_MAX}, .ending = ending};
    r.left[direction] = at;
    site_open(&s, NULL, serves, NULL);
    relay_open(&r, kt_listener_port(s.l));
    kt_http_session *web = session_of(p, r.port);
    kt_time start = kt_now();
    bool whole = exchange(p, web);
    CHECK_LE(kt_now() - start, LONGEST);
    bool spent = r.spent;
    if (whole && !exchange(p, web)) /* by the same connection, which was cut meanwhile */
        CHECK(r.spent);
    if (!exchange(p, web))
        kt_test_fail("protocol %d, ending %d, at %zu of direction %d: another one fails", p, ending, at, direction);
    CHECK_LE(kt_now() - start, 3 * LONGEST);
    kt_http_session_close(web);
    relay_close(&r);
    site_close(&s);
    if (n.n)
        CHECK_EQ(kt_test_network_connections(n.n), 0);
    CHECK_EQ(served.begun, served.ended);
    return spent || !whole;
}

static void spoil_everywhere(enum protocol p)
{
    for (int ending = 0; ending < (is_simulated() ? ENDINGS : STALL); ending++)
        for (int direction = 0; direction < 2; direction++) {
            size_t at = 0;
            while (spoiled(p, (enum ending)ending, direction, at))
                at++;
            CHECK_GT(at, 30); /* it was an exchange */
        }
}

TEST(an_exchange_of_http_1_may_break_at_any_byte)
{
    spoil_everywhere(HTTP_1);
}

TEST(an_exchange_of_http_2_may_break_at_any_byte)
{
    spoil_everywhere(HTTP_2);
}

TEST(a_websocket_may_break_at_any_byte)
{
    spoil_everywhere(WEBSOCKET);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static bool without_memory(enum protocol p, uint64_t nth)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site s;
    site_open(&s, NULL, serves, NULL);
    kt_http_session *web = session_of(p, kt_listener_port(s.l));
    CHECK_OK(kt_sleep(0));
    kt_test_fail_allocation(nth);
    bool whole = exchange(p, web);
    bool failed = kt_test_allocation_failed();
    kt_test_fail_allocation(0);
    CHECK(whole || failed);
    if (!exchange(p, web) && !exchange(p, web)) /* the server may have dropped a connection that looked well */
        kt_test_fail("protocol %d: after allocation %llu another exchange fails", p, (unsigned long long)nth);
    kt_http_session_close(web);
    site_close(&s);
    CHECK_EQ(served.begun, served.ended);
    return failed;
}

TEST(every_allocation_of_an_exchange_may_fail)
{
    sim_only();
    for (int p = 0; p < PROTOCOLS; p++)
        for (uint64_t nth = 1; without_memory((enum protocol)p, nth); nth++)
            ;
}

/* A WebSocket over HTTP/2, as bytes: preface, SETTINGS, HEADERS, "Hello", and a close. */
static const char chat_over_2[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                  "\0\0\0\4\0\0\0\0\0"
                                  "\0\0\x43\1\4\0\0\0\1"
                                  "\x02\x07" "CONNECT" "\x86" "\x04\x05/chat" "\x01\x01" "a"
                                  "\0\x09:protocol\x09websocket"
                                  "\0\x15sec-websocket-version\x02" "13"
                                  "\0\0\x0b\0\0\0\0\0\1" "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
                                  "\0\0\x08\0\0\0\0\0\1" "\x88\x82\0\0\0\0\x03\xe8";

/* Says so much of it, as far as it is heard, and leaves. Whether the echo came. */
static bool chat_by_hand(const site *s, size_t size, bool reset)
{
    static char said[4000];
    size_t got = 0;
    ssize_t n = 1;
    kt_stream *c = NULL;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    if (kt_stream_connect("127.0.0.1", kt_listener_port(s->l), &c) < 0)
        return false;
    kt_timeout_start(&limit, KT_S(1));
    int rc = kt_stream_write(c, chat_over_2, size);
    while (rc == 0 && n > 0 && !memmem(said, got, "Hello", 5) && got < sizeof said)
        if ((n = kt_stream_read(c, said + got, sizeof said - got)) > 0)
            got += (size_t)n;
    (void)!kt_timeout_end(&limit, 0); /* of a part there is no echo */
    kt_stream_hang_up(c, reset);
    kt_stream_close(c);
    return memmem(said, got, "Hello", 5) != NULL;
}

TEST(a_websocket_over_http_2_may_break_at_any_byte)
{
    const size_t size = sizeof chat_over_2 - 1, echoed = size - 17;
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site s;
    site_open(&s, NULL, serves, NULL);
    for (int reset = 0; reset < 2; reset++)
        for (size_t at = 0; at <= size; at++)
            CHECK_EQ(chat_by_hand(&s, at, reset), at >= echoed);
    kt_time start = kt_now();
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_EQ(served.begun, served.ended);
    CHECK_EQ(kt_now() - start, KT_S(1));
    site_close(&s);
}

TEST(every_allocation_of_a_websocket_over_http_2_may_fail)
{
    bool failed = true;
    sim_only();
    for (uint64_t nth = 1; failed; nth++) {
        kt_auto(net) n = net_open((kt_test_network_options){0});
        (void)n;
        site s;
        site_open(&s, NULL, serves, NULL);
        CHECK_OK(kt_sleep(0));
        kt_test_fail_allocation(nth);
        bool whole = chat_by_hand(&s, sizeof chat_over_2 - 1, false);
        failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK(whole || failed);
        CHECK(chat_by_hand(&s, sizeof chat_over_2 - 1, false));
        CHECK_OK(kt_sleep(KT_S(1)));
        CHECK_EQ(served.begun, served.ended);
        site_close(&s);
    }
}
