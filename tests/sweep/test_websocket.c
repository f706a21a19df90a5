/* SPDX-License-Identifier: MIT */
#include "http_site.h"

#include <kettle/websocket_hub.h>

/* Two ends over a pair in memory; the subject has the near one. */
typedef struct ends {
    kt_websocket *near, *far;
} ends;

enum { ROOM = 1000, LONG = 5000 };

static const char much[LONG];

static ends ends_open(void)
{
    kt_stream *two[2];
    ends e = {NULL, NULL};
    sure(kt_stream_memory_pair(ROOM, two));
    sure(kt_websocket_over(two[0], true, NULL, &e.near));
    sure(kt_websocket_over(two[1], false, NULL, &e.far));
    return e;
}

static int drinks(void *arg)
{
    kt_websocket_message m;
    int rc, count = 0;
    while ((rc = kt_websocket_read(arg, &m)) > 0)
        count++;
    return rc < 0 ? rc : count;
}

static void ends_close(ends *e)
{
    kt_task *other = spawn(drinks, e->far, 0);
    kt_websocket_close(kt_steal(e->near));
    (void)!kt_task_join(other); /* a frame may have been cut */
    kt_websocket_close(kt_steal(e->far));
}

SWEEP(kt_websocket_over, ALLOCATES)
{
    kt_stream *two[2];
    kt_websocket *ws = NULL;
    sure(kt_stream_memory_pair(ROOM, two));
    int rc = SWEPT(kt_websocket_over, (two[0], true, NULL, &ws));
    if (sweep_struck()) {
        CHECK_ERR(rc, -ENOMEM);
        CHECK(!ws);
        rc = kt_websocket_over(two[0], true, NULL, &ws);
    }
    sure(rc);
    kt_stream_close(two[1]);
    kt_websocket_close(ws);
}

SWEEP(kt_websocket_protocol, PLAIN)
{
    ends e = ends_open();
    CHECK_STR(SWEPT(kt_websocket_protocol, (e.near)), "");
    ends_close(&e);
}

SWEEP(kt_websocket_close_code, PLAIN)
{
    ends e = ends_open();
    CHECK_EQ(SWEPT(kt_websocket_close_code, (e.near)), 0);
    ends_close(&e);
}

SWEEP(kt_websocket_close_reason, PLAIN)
{
    ends e = ends_open();
    CHECK_STR(SWEPT(kt_websocket_close_reason, (e.near)), "");
    ends_close(&e);
}

/* ---- Reading ----------------------------------------------------------------------------------- */

static int reads(void *arg)
{
    kt_websocket_message m;
    int rc = SWEPT(kt_websocket_read, (arg, &m));
    CHECK(rc < 0 || kt_slice_is(m.data, "one, two"));
    return rc; /* after -ENOMEM the next read goes on */
}

static int says_two_pieces(void *arg)
{
    kt_websocket *ws = arg;
    sure(kt_websocket_write_part(ws, KT_WEBSOCKET_TEXT, "one, ", 5, false));
    sure(kt_sleep(KT_MS(1)));
    return kt_websocket_write_part(ws, KT_WEBSOCKET_TEXT, "two", 3, true);
}

/* Whatever happens to a read, the message is read whole by the next one. */
SWEEP(kt_websocket_read, SUSPENDS | ALLOCATES | LASTING | TELLS)
{
    ends e = ends_open();
    sweep_begin(reads, e.near);
    settle();
    kt_task *speaker = spawn(says_two_pieces, e.far, 0);
    int rc = sweep_end();
    sure(kt_task_join(speaker));
    if (rc < 0 && kt_is_cancel(rc)) {
        kt_websocket_message m;
        CHECK_EQ(kt_websocket_read(e.near, &m), 1);
        CHECK(kt_slice_is(m.data, "one, two"));
    }
    ends_close(&e);
}

static int reads_part(void *arg)
{
    kt_websocket_message m;
    int rc = SWEPT(kt_websocket_read_part, (arg, &m));
    CHECK(rc < 0 || kt_slice_is(m.data, "one, "));
    return rc;
}

SWEEP(kt_websocket_read_part, SUSPENDS | ALLOCATES | LASTING | TELLS)
{
    ends e = ends_open();
    sweep_begin(reads_part, e.near);
    settle();
    kt_task *speaker = spawn(says_two_pieces, e.far, 0);
    (void)!sweep_end();
    sure(kt_task_join(speaker));
    ends_close(&e);
}

/* ---- Writing ----------------------------------------------------------------------------------- */

/* A write that was cut ends the connection; one that had not begun does not. */
static void sweep_write(kt_fn fn)
{
    ends e = ends_open();
    sweep_begin(fn, e.near);
    settle();
    kt_task *drinker = spawn(drinks, e.far, 0);
    int rc = sweep_end();
    int again = kt_websocket_write(e.near, KT_WEBSOCKET_TEXT, "x", 1);
    CHECK(again == 0 || again == KT_EINVALIDSTATE || again == KT_ECLOSED);
    CHECK(rc < 0 || again != KT_EINVALIDSTATE);
    kt_websocket_close(kt_steal(e.near));
    (void)!kt_task_join(drinker);
    kt_websocket_close(kt_steal(e.far));
}

static int writes(void *arg)
{
    return SWEPT(kt_websocket_write, (arg, KT_WEBSOCKET_BINARY, much, LONG));
}

SWEEP(kt_websocket_write, SUSPENDS | ALLOCATES)
{
    sweep_write(writes);
}

static int writes_part(void *arg)
{
    return SWEPT(kt_websocket_write_part, (arg, KT_WEBSOCKET_BINARY, much, LONG, true));
}

SWEEP(kt_websocket_write_part, SUSPENDS | ALLOCATES)
{
    sweep_write(writes_part);
}

/* Until there is no room for a small frame. */
static int fill(void *arg)
{
    return kt_websocket_write(arg, KT_WEBSOCKET_BINARY, much, ROOM - 10);
}

static void sweep_small(kt_fn fn)
{
    ends e = ends_open();
    sure(fill(e.near));
    sweep_begin(fn, e.near);
    settle();
    kt_task *drinker = spawn(drinks, e.far, 0);
    (void)!sweep_end();
    kt_websocket_close(kt_steal(e.near));
    (void)!kt_task_join(drinker);
    kt_websocket_close(kt_steal(e.far));
}

static int pings(void *arg)
{
    return SWEPT(kt_websocket_ping, (arg, "are you there?", 14));
}

SWEEP(kt_websocket_ping, SUSPENDS)
{
    sweep_small(pings);
}

static int pongs(void *arg)
{
    return SWEPT(kt_websocket_pong, (arg, "I am here", 9));
}

SWEEP(kt_websocket_pong, SUSPENDS)
{
    sweep_small(pongs);
}

/* ---- The end ----------------------------------------------------------------------------------- */

static int shuts(void *arg)
{
    return SWEPT(kt_websocket_shutdown, (arg, 1001, "going home"));
}

SWEEP(kt_websocket_shutdown, SUSPENDS | ALLOCATES | SPARES)
{
    sweep_small(shuts);
}

static int closes(void *arg)
{
    SWEPT(kt_websocket_close, (arg));
    return 0;
}

SWEEP(kt_websocket_close, SUSPENDS | ALLOCATES | HOLDS | SPARES)
{
    ends e = ends_open();
    sweep_begin(closes, kt_steal(e.near));
    settle();
    kt_task *drinker = spawn(drinks, e.far, 0);
    sure(sweep_end());
    (void)!kt_task_join(drinker);
    kt_websocket_close(kt_steal(e.far));
}

/* ---- Beginning --------------------------------------------------------------------------------- */

#define WEBSOCKET_REQUEST \
    "GET /subject HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: a\r\n" \
    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n" \
    "\x88\x80mask" /* a close: time does not jump while a socket is waited for */

static kt_websocket *accepted;

static int accepts(void *arg)
{
    static const char *const protocols[] = {"a", NULL};
    const site *s = arg;
    const kt_websocket_options o = {.protocols = protocols, .close_timeout = KT_MS(1)};
    accepted = NULL;
    int rc = SWEPT(kt_websocket_accept, (s->x, &o, &accepted));
    CHECK_EQ(!accepted, rc < 0);
    return rc;
}

static int leaves(void *arg)
{
    (void)arg;
    kt_websocket_close(kt_steal(accepted));
    return 0;
}

SWEEP(kt_websocket_accept, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.act = accepts, .after = leaves, .busy = true};
    visit(&s, WEBSOCKET_REQUEST, NULL);
    CHECK(s.rc < 0 || heard_once(&s, "\r\nSec-WebSocket-Accept: "));
}

static kt_websocket_hub *hub;

static int has_accepted(void *arg)
{
    const site *s = arg;
    accepted = NULL;
    return kt_websocket_accept(s->x, &(kt_websocket_options){.close_timeout = KT_MS(1)}, &accepted);
}

static int keeps(void *arg)
{
    (void)arg;
    int rc = SWEPT(kt_websocket_hub_keep, (hub, &accepted));
    CHECK_EQ(!accepted, rc == 0);
    return rc;
}

static int leaves_if_it_has_to(void *arg)
{
    (void)arg;
    kt_websocket_close(kt_steal(accepted));
    return 0;
}

SWEEP(kt_websocket_hub_keep, ALLOCATES | REAL)
{
    site s = {.before = has_accepted, .act = keeps, .after = leaves_if_it_has_to};
    sure(kt_websocket_hub_new(NULL, &hub));
    visit(&s, WEBSOCKET_REQUEST, NULL);
    kt_websocket_hub_free(hub);
}

typedef struct caller {
    kt_http_session *web;
    char url[40];
} caller;

static int connects(void *arg)
{
    caller *c = arg;
    kt_websocket *ws = NULL;
    int rc = SWEPT(kt_websocket_connect, (c->web, c->url, NULL, &ws));
    CHECK_EQ(!ws, rc < 0);
    kt_websocket_close(ws);
    return rc;
}

static int greets(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    (void)arg;
    int rc = kt_websocket_accept(x, NULL, &ws);
    return rc < 0 ? rc : kt_websocket_read(ws, &m);
}

static int greets_all(void *arg)
{
    return kt_http_serve(arg, NULL, greets, NULL);
}

static int says_good_bye(kt_websocket *ws, void *arg)
{
    (void)arg;
    int rc = kt_websocket_shutdown(ws, 1000, NULL);
    return rc < 0 ? rc : 7;
}

static int runs(void *arg)
{
    caller *c = arg;
    const kt_websocket_run_options once = {.attempts = 1};
    return SWEPT(kt_websocket_run, (c->web, c->url, &once, says_good_bye, NULL));
}

static void sweep_caller(kt_fn subject)
{
    caller c = {.web = NULL};
    kt_listener *l = NULL;
    sweep_listen(&l);
    kt_task *server = spawn(greets_all, l, 0);
    sure(kt_http_session_open(NULL, &c.web));
    snprintf(c.url, sizeof c.url, "ws://127.0.0.1:%u/", (unsigned)kt_listener_port(l));
    sweep_begin(subject, &c);
    (void)!sweep_end();
    kt_http_session_close(c.web);
    kt_task_cancel(server);
    CHECK_ERR(kt_task_join(server), KT_ECANCELED);
    kt_listener_close(l);
}

/* Unrefused: where the parting could not be said, the peer is waited for, and time does not jump meanwhile. */
SWEEP(kt_websocket_connect, SUSPENDS | ALLOCATES | SPARES | WINS | REAL | UNREFUSED)
{
    sweep_caller(connects);
}

SWEEP(kt_websocket_run, SUSPENDS | ALLOCATES | SPARES | WINS | REAL | UNREFUSED)
{
    sweep_caller(runs);
}
