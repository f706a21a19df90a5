/* SPDX-License-Identifier: MIT */
/* What a handler answers. */
#include "http_site.h"

static char much[MUCH];

/* Did the client get all of the answer? Only if nobody was told otherwise. */
static void check_heard(const site *s, const char *word)
{
    if (s->rc >= 0) {
        CHECK_GE(s->size, MUCH);
        CHECK(heard_once(s, word));
    } else {
        CHECK(s->size < MUCH || heard_once(s, "HTTP/1.1 "));
    }
}

/* A cut answer does not look whole. One that succeeded may be cut by a cancellation that shows later. */
static void check_end(const site *s)
{
    bool whole = heard(s, "\r\n0\r\n\r\n");
    CHECK(s->rc < 0 ? !whole : whole || sweep_struck());
}

/* ---- As a whole ------------------------------------------------------------------------------ */

static int sets_header(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_header, (s->x, "X-Sweep", "once"));
}

static int answers(void *arg)
{
    const site *s = arg;
    return kt_http_respond(s->x, 200, NULL, "tea", 3);
}

SWEEP(kt_http_header, ALLOCATES | REAL)
{
    site s = {.act = sets_header, .after = answers};
    visit(&s, HTTP_GET, NULL);
    CHECK(heard_once(&s, "X-Sweep: once\r\n"));
}

static int responds(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_respond, (s->x, 200, "text/plain", much, sizeof much));
}

SWEEP(kt_http_respond, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.act = responds};
    visit(&s, HTTP_GET, NULL);
    check_heard(&s, "HTTP/1.1 200 OK\r\n");
}

SWEEP_AS(kt_http_respond, behind, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.act = responds, .busy = true};
    visit(&s, HTTP_GET, NULL);
    check_heard(&s, "HTTP/1.1 200 OK\r\n");
}

static int serves_assets(void *arg)
{
    const site *s = arg;
    const kt_http_asset a = {"/subject", "text/plain", NULL, much, sizeof much};
    int rc = SWEPT(kt_http_serve_assets, (s->x, &a, 1));
    CHECK(rc != 0);
    return rc;
}

SWEEP(kt_http_serve_assets, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.act = serves_assets};
    visit(&s, HTTP_GET, NULL);
    check_heard(&s, "ETag: ");
}

SWEEP_AS(kt_http_serve_assets, refused, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.act = serves_assets, .busy = true};
    visit(&s, HTTP_REQUEST("DELETE /subject", ""), NULL);
    if (s.rc >= 0)
        CHECK(heard_once(&s, "Allow: ") && heard_once(&s, "HTTP/1.1 405 "));
}

/* ---- In pieces ------------------------------------------------------------------------------- */

static int starts(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_start, (s->x, 200, "text/plain"));
}

SWEEP(kt_http_start, SUSPENDS | ALLOCATES | REAL)
{
    site s = {.act = starts, .busy = true};
    visit(&s, HTTP_GET, NULL);
    check_end(&s);
}

static int has_started(void *arg)
{
    const site *s = arg;
    return kt_http_start(s->x, 200, "text/plain");
}

static int writes(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_write, (s->x, much, sizeof much));
}

SWEEP(kt_http_write, SUSPENDS | REAL | LASTING)
{
    site s = {.before = has_started, .act = writes};
    visit(&s, HTTP_GET, NULL);
    check_heard(&s, "HTTP/1.1 200 OK\r\n");
}

static int flushes(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_flush, (s->x));
}

SWEEP(kt_http_flush, SUSPENDS | REAL | LASTING)
{
    site s = {.before = has_started, .act = flushes, .busy = true};
    visit(&s, HTTP_GET, NULL);
    check_end(&s);
}

static int finishes(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_finish, (s->x));
}

SWEEP(kt_http_finish, SUSPENDS | REAL | LASTING)
{
    site s = {.before = has_started, .act = finishes, .busy = true};
    visit(&s, HTTP_GET, NULL);
    CHECK_EQ(heard(&s, "\r\n0\r\n\r\n"), s.rc >= 0);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static int starts_events(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_events_start, (s->x));
}

SWEEP(kt_http_events_start, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.act = starts_events, .busy = true};
    visit(&s, HTTP_GET, NULL);
    if (s.rc >= 0)
        CHECK(heard_once(&s, "Cache-Control: ") && heard_once(&s, "X-Accel-Buffering: "));
}

static int has_events(void *arg)
{
    const site *s = arg;
    return kt_http_events_start(s->x);
}

static int sends_event(void *arg)
{
    const site *s = arg;
    memset(much, 'x', sizeof much);
    return SWEPT(kt_http_event, (s->x, "sweep", "1", much, sizeof much));
}

SWEEP(kt_http_event, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.before = has_events, .act = sends_event};
    visit(&s, HTTP_GET, NULL);
    check_heard(&s, "event: sweep\nid: 1\ndata: ");
}

static int sends_comment(void *arg)
{
    const site *s = arg;
    memset(much, 'x', sizeof much - 1);
    return SWEPT(kt_http_event_comment, (s->x, much));
}

SWEEP(kt_http_event_comment, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.before = has_events, .act = sends_comment};
    visit(&s, HTTP_GET, NULL);
    check_heard(&s, ": xxx");
}

/* ---- Strangers -------------------------------------------------------------------------------- */

static int guards(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_guard, (s->x, (const char *[]){"a", NULL}));
}

SWEEP(kt_http_guard, PLAIN | REAL)
{
    site s = {.act = guards, .after = answers};
    visit(&s, HTTP_GET, NULL);
    CHECK_EQ(s.rc, 0);
}

static int guards_page(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_guard_page, (s->x));
}

SWEEP(kt_http_guard_page, ALLOCATES | REAL)
{
    site s = {.act = guards_page, .after = answers};
    visit(&s, HTTP_GET, NULL);
    CHECK(heard(&s, "Content-Security-Policy: default-src 'none'"));
}

/* ---- As another protocol ------------------------------------------------------------------------ */

#define HTTP_UPGRADE HTTP_REQUEST("GET /subject", "Connection: upgrade\r\nUpgrade: echo\r\n")

static kt_stream *echoed;

static int asks_protocol(void *arg)
{
    const site *s = arg;
    CHECK_SLICE(SWEPT(kt_http_upgrade_asked, (s->x)), "echo");
    return 0;
}

SWEEP(kt_http_upgrade_asked, PLAIN | REAL)
{
    site s = {.act = asks_protocol, .after = answers};
    visit(&s, HTTP_UPGRADE, NULL);
}

static int upgrades(void *arg)
{
    const site *s = arg;
    echoed = NULL;
    int rc = SWEPT(kt_http_upgrade, (s->x, "echo", &echoed));
    CHECK_EQ(!echoed, rc < 0);
    return rc;
}

static int echoes(void *arg)
{
    const site *s = arg;
    char bytes[8] = "";
    if (s->rc < 0)
        return 0;
    sure(kt_stream_read_exactly(echoed, bytes, 5));
    return kt_stream_write(echoed, bytes, 5);
}

SWEEP(kt_http_upgrade, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.act = upgrades, .after = echoes, .busy = true};
    visit(&s, HTTP_UPGRADE "early", NULL);
    CHECK(s.rc < 0 || heard_once(&s, "\r\n\r\nearly"));
}
