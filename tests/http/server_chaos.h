/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_SERVER_CHAOS_H
#define TESTS_HTTP_SERVER_CHAOS_H

/* What the clients and the handlers of test_server_chaos.c share: a world, drawn by lot from a seed, and the ledger of
 * what has been asked and done in it. All that a client says is legal, and so is what a handler does. */

#include <errno.h>
#include <kettle/http_events.h>
#include <kettle/http_metrics.h>
#include <kettle/kettle.h>
#include <kettle/stream_backend.h>
#include <kettle/test.h>
#include <kettle/test_network.h>
#include <kettle/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "http/coding.h"
#include "lots.h"

enum { ASKS_MAX = 400, FILES = 4, LINE_BYTES = 1000 };

#define LIMIT KT_S(6000)

/* One request, by its number. */
typedef struct ask {
    unsigned number;
    const char *method;
    int version; /* 10, 11, 20 */
    size_t body_size, wire_size; /* before, and after it is compressed, if it is */
    bool chunked, trailer, expects, waits; /* for 100 */
    bool gzip, conditional;
    bool upgrade;      /* to a protocol in which the server says what it hears, until it has heard all */
    kt_buffer coded;   /* the body, compressed; or empty */
    char range[48];
    /* At the server */
    unsigned begun, logged;
    int status;        /* of the handler's answer; 0: it has none, or not of its own choice */
    bool fails, cuts;  /* it gives no answer; it ends in the middle of one */
    bool may_be_cut;   /* or perhaps */
    bool events;
    unsigned tick;     /* the last one before it began to listen */
    bool sleeps;       /* longer than it may */
    bool has_time;     /* more than other handlers */
    bool must_close;   /* the server stopped before the answer was begun */
    size_t taken;      /* of the body */
    int body_rc;       /* why it could not read more */
    int log_status, log_rc;
    uint64_t log_bytes;
    /* At the client */
    bool sent;         /* some of it */
    bool left;         /* and the client has gone away meanwhile */
    bool denied;       /* it was told that nobody acts upon it */
    bool whole;        /* the answer has come to its end */
    int seen_status;
    size_t seen_bytes;
} ask;

typedef struct world {
    uint64_t random;
    bool kind;          /* nothing happens that costs a request its answer: clients stay, and all have time enough */
    unsigned h2_in, leaves_in, slow_in, late_in, cuts_in, fails_in, sleeps_in, frames_max, resets_in;
    size_t answer_max, request_max, files_count, visitors;
    kt_time pause_max;  /* between two things that somebody does */
    kt_time stops_after; /* 0: when all clients have gone */
    kt_http_options o;
    kt_http_metrics *metrics;
    kt_test_network *n;
    kt_listener *l;
    const kt_tls_config *tls; /* of clients; NULL: plain */
    const char *files[FILES];
    kt_http_event_source *source; /* of ticks, or NULL */
    bool loses;         /* who reads slowly loses some of them */
    unsigned ticks;
    bool stopping, stopped;
    bool says;          /* what happens in it */
    size_t running, jobs, refused;
    ask asks[ASKS_MAX];
    unsigned asked;
} world;

static const size_t file_sizes[FILES] = {0, 1000, 40000, 150000};

#define note(w, ...) ((w)->says ? kt_test_say(__VA_ARGS__) : (void)0)

/* When a client goes away, which it does in the middle of something. */
static inline kt_time draw_leave(world *w)
{
    return (kt_time)below(&w->random, (size_t)ONE_OF(&w->random, KT_US(200), KT_MS(20), KT_S(1)));
}

/* ---- Contents ---------------------------------------------------------------------------------- */

static inline unsigned number_of_file(int file)
{
    return 1000 + (unsigned)file;
}

/* As the server composes it. */
static inline int put_event(char *text, size_t size, unsigned number, size_t event)
{
    return snprintf(text, size, "event: e\ndata: %u.%zu\n\n", number, event);
}

/* ---- Asking ------------------------------------------------------------------------------------ */

static inline void compress_body(ask *a)
{
    kt__encoder *e = NULL;
    kt_auto(kt_buffer) plain = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_reserve(&plain, a->body_size + 1));
    fill(plain.data, a->body_size, a->number, 0);
    CHECK_OK(kt__encoder_new(KT__CODING_GZIP, 1, 15, &e));
    CHECK_OK(kt__encode(e, (kt_slice){plain.data, a->body_size}, KT__FLUSH_END, &a->coded));
    kt__encoder_free(e);
}

/* A part of the body as it is sent. */
static inline void fill_wire(const ask *a, char *bytes, size_t size, size_t at)
{
    if (a->coded.size > 0)
        memcpy(bytes, a->coded.data + at, size);
    else
        fill(bytes, size, a->number, at);
}

/* NULL: enough was asked. */
static inline ask *ask_new(world *w, int version)
{
    static const char *const methods[] = {"GET", "POST", "GET", "POST", "PUT", "HEAD"};
    if (w->asked == ASKS_MAX)
        return NULL;
    ask *a = &w->asks[w->asked];
    *a = (ask){.number = w->asked++, .version = version, .method = methods[below(&w->random, 6)]};
    a->gzip = one_in(&w->random, 3);
    a->conditional = one_in(&w->random, 6);
    if (*a->method == 'P') {
        a->body_size = some_bytes(&w->random, w->request_max);
        a->chunked = version > 10 && one_in(&w->random, 2);
        a->trailer = (a->chunked || version == 20) && one_in(&w->random, 3);
        a->expects = version > 10 && one_in(&w->random, 4);
        a->waits = a->expects && one_in(&w->random, 2);
        if (one_in(&w->random, 6))
            compress_body(a);
        a->wire_size = a->coded.size > 0 ? a->coded.size : a->body_size;
    }
    a->upgrade = version > 10 && one_in(&w->random, 12);
    if (a->upgrade) {
        kt_buffer_release(&a->coded);
        *a = (ask){.number = a->number, .version = version, .upgrade = true};
        a->method = version == 20 ? "CONNECT" : "GET";
        a->body_size = a->wire_size = some_bytes(&w->random, w->request_max);
        return a;
    }
    size_t first = below(&w->random, 3000), last = first + below(&w->random, 3000);
    if (one_in(&w->random, 4))
        snprintf(a->range, sizeof a->range, "bytes=%zu-%zu", first, last);
    else if (one_in(&w->random, 4))
        snprintf(a->range, sizeof a->range, "bytes=-%zu", 1 + first);
    else if (one_in(&w->random, 4))
        snprintf(a->range, sizeof a->range, "bytes=%zu-%zu,%zu-", first, last, last + 5);
    return a;
}

/* Tells all of its fields but those that the version has in its own way. */
static inline void ask_fields(world *w, const ask *a, void (*tell)(void *arg, const char *name, const char *value),
                              void *arg)
{
    char text[24];
    snprintf(text, sizeof text, "%u", a->number);
    tell(arg, "x-number", text);
    snprintf(text, sizeof text, "%zu", a->body_size);
    tell(arg, "x-body", text);
    if (a->coded.size > 0)
        tell(arg, "content-encoding", "gzip");
    if (a->gzip)
        tell(arg, "accept-encoding", "gzip");
    if (a->conditional)
        tell(arg, one_in(&w->random, 2) ? "if-none-match" : "if-match", one_in(&w->random, 2) ? "*" : "\"other\"");
    if (*a->range)
        tell(arg, "range", a->range);
    if (a->expects)
        tell(arg, "expect", "100-continue");
}

/* ---- Answers ------------------------------------------------------------------------------------ */

static inline long number_in(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    CHECK(end > text && n >= 0);
    return n;
}

/* As far as it has come. */
typedef struct answer {
    int status;
    long number, length, file, events, end; /* -1: not said */
    bool ticks;
    size_t total, first, last;
    bool chunked, close, gzip, ranged, trailers;
    char boundary[64];
    kt_buffer content;
} answer;

static inline void answer_begin(answer *s)
{
    kt_buffer_clear(&s->content);
    *s = (answer){.number = -1, .length = -1, .file = -1, .events = -1, .end = -1, .content = s->content};
}

static inline void answer_field(answer *s, const char *name, const char *value)
{
    const char *b = "multipart/byteranges; boundary=";
    if (strcasecmp(name, "x-number") == 0)
        s->number = number_in(value);
    else if (strcasecmp(name, "x-total") == 0)
        s->total = (size_t)number_in(value);
    else if (strcasecmp(name, "x-file") == 0)
        s->file = number_in(value);
    else if (strcasecmp(name, "x-events") == 0)
        s->events = number_in(value);
    else if (strcasecmp(name, "x-ticks") == 0)
        s->ticks = true;
    else if (strcasecmp(name, "x-trailers") == 0)
        s->trailers = true;
    else if (strcasecmp(name, "x-end") == 0)
        s->end = number_in(value);
    else if (strcasecmp(name, "content-length") == 0) {
        CHECK_EQ(s->length, -1);
        s->length = number_in(value);
    } else if (strcasecmp(name, "content-encoding") == 0) {
        CHECK_STR(value, "gzip");
        s->gzip = true;
    } else if (strcasecmp(name, "content-range") == 0)
        s->ranged = sscanf(value, "bytes %zu-%zu/", &s->first, &s->last) == 2;
    else if (strcasecmp(name, "content-type") == 0 && strncmp(value, b, strlen(b)) == 0)
        snprintf(s->boundary, sizeof s->boundary, "--%s", value + strlen(b));
    else if (strcasecmp(name, "connection") == 0)
        s->close = strcasecmp(value, "close") == 0;
    else if (strcasecmp(name, "transfer-encoding") == 0) {
        CHECK_STR(value, "chunked");
        s->chunked = true;
    }
}

static inline bool is_bare(const ask *a, int status)
{
    return strcmp(a->method, "HEAD") == 0 || status == 204 || status == 205 || status == 304;
}

static inline void decompress(const answer *s, bool whole, kt_buffer *out)
{
    kt__decoder *d = NULL;
    kt_slice in = kt_buffer_slice(&s->content);
    ssize_t n;
    CHECK_OK(kt__decoder_new(KT__CODING_GZIP, NULL, &d));
    do {
        CHECK_OK(kt_buffer_reserve(out, 5000));
        n = kt__decode(d, &in, out->data + out->size, out->capacity - out->size);
        CHECK_OK(n);
        out->size += (size_t)n;
    } while (n > 0);
    CHECK_EQ(in.size, 0);
    if (whole)
        CHECK(kt__decoder_ended(d));
    kt__decoder_free(d);
}

static inline void check_events(const ask *a, const answer *s, kt_slice text, bool whole)
{
    char line[64];
    size_t at = 0;
    for (long i = 0; i < s->events && at < text.size; i++) {
        size_t n = (size_t)put_event(line, sizeof line, a->number, (size_t)i);
        size_t rest = text.size - at;
        CHECK(rest >= n || !whole);
        CHECK(memcmp(line, text.data + at, n < rest ? n : rest) == 0);
        at += n < rest ? n : rest;
        CHECK(!whole || i < s->events - 1 || at == text.size);
    }
    CHECK_EQ(at, text.size);
}

/* Those that came while it listened, in order; if whole, to the last. */
static inline void check_ticks(const world *w, const ask *a, kt_slice text, bool whole)
{
    kt_auto(kt_buffer) copy = KT_BUFFER_INIT;
    unsigned last = a->tick;
    CHECK_OK(kt_buffer_append(&copy, text.data, text.size));
    CHECK_OK(kt_buffer_append(&copy, "", 1));
    for (char *p = copy.data; (p = strstr(p, "data: ")) && strstr(p, "\n\n"); p++) {
        unsigned tick = (unsigned)number_in(p + 6);
        CHECK(w->loses ? tick > last : tick == last + 1);
        last = tick;
    }
    CHECK_LE(last, w->ticks);
    if (whole)
        CHECK_EQ(last, w->ticks);
}

/* Several ranges: each part is what it says, and behind them is the end. */
static inline void check_parts(const answer *s, kt_slice text)
{
    const char *p = text.data, *end = text.data + text.size;
    size_t first, last, parts = 0, n = strlen(s->boundary);
    for (;;) {
        CHECK(end - p > (ptrdiff_t)n + 4);
        CHECK(memcmp(p, "\r\n", 2) == 0 && memcmp(p + 2, s->boundary, n) == 0);
        p += 2 + n;
        if (memcmp(p, "--", 2) == 0)
            break;
        const char *range = memmem(p, (size_t)(end - p), "Content-Range: bytes ", 21);
        CHECK(range && sscanf(range + 21, "%zu-%zu/", &first, &last) == 2);
        p = memmem(p, (size_t)(end - p), "\r\n\r\n", 4);
        CHECK(p && (size_t)(end - p) > 4 + last - first + 1);
        CHECK(is_filled(p + 4, last - first + 1, number_of_file((int)s->file), first));
        p += 4 + last - first + 1;
        parts++;
    }
    CHECK_EQ(p + 4, end);
    CHECK_GE(parts, 1);
}

static inline void check_file(const ask *a, const answer *s, kt_slice text, bool whole)
{
    size_t first = s->ranged ? s->first : 0, size = s->ranged ? s->last - s->first + 1 : file_sizes[s->file];
    if (s->status == 412 || s->status == 416) {
        CHECK(s->status == 416 ? *a->range : a->conditional);
        return;
    }
    CHECK_EQ(s->status, s->ranged || *s->boundary ? 206 : 200);
    if (s->status == 206)
        CHECK(*a->range);
    if (*s->boundary) {
        if (whole)
            check_parts(s, text);
        return;
    }
    CHECK_LE(text.size, size);
    CHECK(is_filled(text.data, text.size, number_of_file((int)s->file), first));
    if (whole)
        CHECK_EQ(text.size, size);
}

/* What the library says in a handler's place. */
static inline void check_refusal(const world *w, const ask *a, const answer *s, bool whole)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%d ", s->status);
    if (whole && !is_bare(a, s->status))
        CHECK_EQ(memcmp(s->content.data, text, (size_t)n), 0);
    if (s->status == 413)
        CHECK_GT(a->wire_size, w->o.body_bytes_max);
    else if (s->status == 500)
        CHECK(a->begun == 1 && a->fails);
    else if (s->status == 503)
        CHECK(a->sleeps || a->events || w->stopping || !w->kind);
    else if (s->status == 400 || s->status == 408)
        CHECK(!w->kind);
    else
        kt_test_fail("%u %s was answered with %d", a->number, a->method, s->status);
}

/* Is it what the handler has said, to the end or as far as it goes? */
static inline void check_answer(const world *w, ask *a, const answer *s, bool whole)
{
    note(w, "%u %s by %d: %d, %zu bytes%s", a->number, a->method, a->version, s->status, s->content.size,
         whole ? "" : " and cut");
    a->seen_status = s->status;
    a->seen_bytes = s->content.size;
    a->whole = whole;
    if (whole && s->length >= 0 && !is_bare(a, s->status))
        CHECK_EQ(s->length, s->content.size);
    if (s->number < 0) {
        check_refusal(w, a, s, whole);
        return;
    }
    CHECK_EQ(s->number, a->number);
    CHECK_EQ(a->begun, 1);
    if (a->upgrade && s->content.size < s->total) { /* nothing but that says that it is over */
        CHECK(!whole || !w->kind || w->stopping);
        a->whole = whole = false;
    }
    if (a->status > 0 && s->status != 304)
        CHECK_EQ(s->status, a->status);
    if (is_bare(a, s->status)) {
        CHECK_EQ(s->content.size, 0);
        return;
    }
    if (whole && a->cuts)
        kt_test_fail("the answer to %u was cut and looks whole", a->number);
    kt_auto(kt_buffer) plain = KT_BUFFER_INIT;
    if (s->gzip)
        decompress(s, whole, &plain);
    kt_slice text = kt_buffer_slice(s->gzip ? &plain : &s->content);
    if (s->ticks) {
        check_ticks(w, a, text, whole);
    } else if (s->file >= 0) {
        check_file(a, s, text, whole);
    } else if (s->events >= 0) {
        check_events(a, s, text, whole);
    } else {
        CHECK_LE(text.size, s->total);
        CHECK(is_filled(text.data, text.size, a->number, 0));
        if (whole)
            CHECK_EQ(text.size, s->total);
    }
    if (whole && s->trailers && a->version > 10)
        CHECK_EQ(s->end, a->number);
}

#endif
