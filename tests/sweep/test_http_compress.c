/* SPDX-License-Identifier: MIT */
/* What stands between an exchange and its protocol. */
#include "http_site.h"

#include <kettle/http_compress.h>

static char much[MUCH];

#define ASKED HTTP_REQUEST("GET /subject", "Accept-Encoding: gzip\r\n")

static int answers(void *arg)
{
    const site *s = arg;
    return s->x->state == KT__HTTP_NEW ? kt_http_respond(s->x, 200, "text/plain", much, sizeof much) : 0;
}

static int compresses(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_compress, (s->x, NULL));
}

/* In an arena that is used up, so that there is something to allocate. */
static int uses_arena(void *arg)
{
    const site *s = arg;
    return kt_http_alloc(s->x, KT__HTTP_ARENA_BYTES - 32) ? 0 : -ENOMEM;
}

SWEEP(kt_http_compress, ALLOCATES | REAL)
{
    site s = {.before = uses_arena, .act = compresses, .after = answers};
    visit(&s, ASKED, NULL);
    CHECK(heard_once(&s, "Content-Encoding: gzip\r\n"));
    CHECK_LT(s.size, MUCH / 10);
}

static int compressed(void *arg)
{
    const site *s = arg;
    sure(kt_http_compress(s->x, NULL));
    return kt_http_header(s->x, "ETag", "\"1\"");
}

static int responds(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_respond, (s->x, 200, "text/plain", much, sizeof much));
}

SWEEP_AS(kt_http_respond, compressed, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.before = compressed, .act = responds, .busy = true};
    visit(&s, ASKED, NULL);
    if (s.rc >= 0)
        CHECK(heard_once(&s, "Content-Encoding: gzip\r\n") && heard_once(&s, "ETag: W/\"1\"\r\n"));
}

static int starts(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_start, (s->x, 200, "text/plain"));
}

SWEEP_AS(kt_http_start, compressed, SUSPENDS | ALLOCATES | REAL)
{
    site s = {.before = compressed, .act = starts, .busy = true};
    visit(&s, ASKED, NULL);
    CHECK(s.rc < 0 || sweep_struck() || heard_once(&s, "Content-Encoding: gzip\r\n"));
}

static int decompresses(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_decompress, (s->x, NULL));
}

SWEEP(kt_http_decompress, ALLOCATES | REAL)
{
    site s = {.act = decompresses, .after = answers};
    visit(&s, HTTP_REQUEST("GET /subject", "Content-Encoding: gzip\r\n"), NULL);
    CHECK(heard_once(&s, "HTTP/1.1 200 "));
}
