/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_SERVER_CHAOS_HANDLERS_H
#define TESTS_HTTP_SERVER_CHAOS_HANDLERS_H

/* What the server's handlers do in the worlds of test_server_chaos.c: whatever http.h allows. */

#include "server_chaos.h"

#include <kettle/http_compress.h>
#include <kettle/http_files.h>

/* ---- Bodies ------------------------------------------------------------------------------------- */

static inline bool may_say(const world *w, const ask *a, int rc)
{
    if (kt_is_cancel(rc) || (rc == KT_ELIMIT && a->wire_size > w->o.body_bytes_max))
        return true;
    if (rc == KT_EINVALIDSTATE)
        return a->expects;
    bool may_end = !w->kind || a->left || a->whole;
    return may_end && (rc == KT_EINCOMPLETE || rc == -ECONNRESET || rc == -EPIPE || rc == -ETIMEDOUT);
}

/* Some of the body, or all: then it is that which was sent. */
static inline int reads(world *w, kt_http_exchange *x, ask *a, size_t enough)
{
    char piece[5000];
    ssize_t n = 1;
    while (n > 0 && a->taken < enough) {
        if (one_in(&w->random, 3) && (n = rests(&w->random, w->pause_max)) < 0)
            break;
        n = kt_http_read(x, piece, 1 + below(&w->random, sizeof piece));
        if (n > 0)
            CHECK(is_filled(piece, (size_t)n, a->number, a->taken));
        a->taken += n > 0 ? (size_t)n : 0;
        CHECK_LE(a->taken, a->body_size);
    }
    if (n == 0)
        CHECK_EQ(a->taken, a->body_size);
    return n < 0 ? (int)n : n == 0;
}

static inline int reads_all(kt_http_exchange *x, ask *a)
{
    kt_slice rest;
    int rc = kt_http_read_all(x, SIZE_MAX, &rest);
    if (rc < 0)
        return rc;
    CHECK_EQ(a->taken + rest.size, a->body_size);
    CHECK(is_filled(rest.data, rest.size, a->number, a->taken));
    a->taken = a->body_size;
    return 1;
}

static inline int takes_body(world *w, kt_http_exchange *x, ask *a)
{
    int rc = 0;
    switch (a->taken < a->body_size ? below(&w->random, 4) : 2 * below(&w->random, 2)) {
    case 0:
        return 0;
    case 1:
        rc = reads(w, x, a, a->taken + below(&w->random, a->body_size - a->taken + 1));
        break;
    case 2:
        rc = reads(w, x, a, SIZE_MAX);
        break;
    default:
        rc = reads_all(x, a);
    }
    if (rc < 0 && !may_say(w, a, rc))
        kt_test_fail("the body of %u: %s (%s)", a->number, kt_error_name(rc), kt_error_detail());
    if (rc == 1 && a->trailer)
        CHECK_EQ(strtoul(kt_http_request_trailer(x, "X-End").data, NULL, 10), a->number);
    a->body_rc = rc < 0 ? rc : 0;
    return rc < 0 ? rc : 0;
}

/* ---- Answers ------------------------------------------------------------------------------------ */

static inline int says(kt_http_exchange *x, const char *name, size_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", value);
    return kt_http_header(x, name, text);
}

static inline int responds(world *w, kt_http_exchange *x, ask *a, const char *type)
{
    size_t size = some_bytes(&w->random, w->answer_max);
    kt_auto(kt_buffer) bytes = KT_BUFFER_INIT;
    a->status = (int)ONE_OF(&w->random, 200, 200, 404, 500, 204, 205);
    CHECK_OK(kt_buffer_reserve(&bytes, size + 1));
    fill(bytes.data, size, a->number, 0);
    CHECK_OK(says(x, "X-Total", size));
    int rc = kt_http_respond(x, a->status, type, bytes.data, size);
    memset(bytes.data, '!', size); /* they are ours again */
    return rc;
}

static inline int writes(world *w, kt_http_exchange *x, ask *a, const char *type)
{
    char piece[9000];
    size_t size = some_bytes(&w->random, w->answer_max), at = 0, n;
    bool trailers = one_in(&w->random, 3);
    CHECK_OK(says(x, "X-Total", size));
    if (trailers)
        CHECK_OK(says(x, "X-Trailers", 1));
    a->cuts = a->may_be_cut = one_in(&w->random, w->cuts_in);
    a->status = 200;
    int rc = kt_http_start(x, a->status, type);
    for (; rc == 0 && at < size; at += n) {
        n = size - at < sizeof piece ? size - at : sizeof piece;
        n = one_in(&w->random, 2) ? n : 1 + below(&w->random, n);
        fill(piece, n, a->number, at);
        rc = kt_http_write(x, piece, n);
        memset(piece, '!', n);
        if (rc == 0 && one_in(&w->random, 4))
            rc = kt_http_flush(x);
        if (rc == 0 && one_in(&w->random, 4))
            rc = rests(&w->random, w->pause_max);
        if (rc == 0 && a->cuts && one_in(&w->random, 4))
            return -EDOM;
    }
    if (rc == 0 && a->cuts)
        return -EDOM;
    if (rc == 0 && trailers) {
        char number[24];
        snprintf(number, sizeof number, "%u", a->number);
        rc = kt_http_trailer(x, "X-End", number);
    }
    return rc == 0 && one_in(&w->random, 2) ? kt_http_finish(x) : rc;
}

/* The answer is the body, as it comes. */
static inline int echoes(world *w, kt_http_exchange *x, ask *a, const char *type)
{
    char piece[3000];
    CHECK_OK(says(x, "X-Total", a->body_size));
    a->status = 200;
    a->may_be_cut = true; /* since the body may be at fault */
    int rc = kt_http_start(x, a->status, type);
    ssize_t n = rc;
    while (n == 0 || (n > 0 && rc == 0)) {
        n = kt_http_read(x, piece, 1 + below(&w->random, sizeof piece));
        if (n <= 0)
            break;
        rc = kt_http_write(x, piece, (size_t)n);
        a->taken += (size_t)n;
        if (rc == 0 && one_in(&w->random, 4))
            rc = rests(&w->random, w->pause_max);
    }
    if (n < 0 && n != KT_EINVALIDSTATE && !may_say(w, a, (int)n))
        kt_test_fail("the body of %u: %s (%s)", a->number, kt_error_name((int)n), kt_error_detail());
    a->cuts = n < 0 || rc < 0;
    return rc < 0 ? rc : n < 0 ? -EDOM : 0;
}

static inline int tells_events(world *w, kt_http_exchange *x, ask *a)
{
    size_t count = below(&w->random, 20);
    CHECK_OK(says(x, "X-Events", count));
    a->events = a->has_time = true;
    a->status = 200;
    int rc = kt_http_events_start(x);
    if (rc < 0)
        a->status = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        char text[40];
        snprintf(text, sizeof text, "%u.%zu", a->number, i);
        rc = kt_http_event(x, "e", NULL, text, strlen(text));
        if (rc == 0)
            rc = rests(&w->random, w->pause_max);
    }
    return rc == KT_ECLOSED ? 0 : rc; /* HEAD */
}

static inline int tells_ticks(world *w, kt_http_exchange *x, ask *a)
{
    CHECK_OK(says(x, "X-Ticks", 1));
    a->events = a->has_time = true;
    a->tick = w->ticks;
    return kt_http_event_source_serve(w->source, x);
}

static inline int sends_file(world *w, kt_http_exchange *x, ask *a)
{
    size_t file = below(&w->random, w->files_count);
    kt_http_file_options o = {.no_ranges = one_in(&w->random, 8)};
    if (one_in(&w->random, 2))
        o.content_type = "text/plain";
    CHECK_OK(says(x, "X-File", file));
    a->has_time = true;
    return kt_http_respond_file(x, w->files[file], &o);
}

static inline int sleeps(world *w, ask *a, kt_http_exchange *x)
{
    a->sleeps = a->fails = true;
    if ((a->has_time = one_in(&w->random, 2)))
        kt_http_deadline_set(x, kt_now() + (kt_time)below(&w->random, KT_S(2)));
    return kt_sleep(KT_S(600));
}

static inline int answers(world *w, kt_http_exchange *x, ask *a)
{
    const char *type = one_in(&w->random, 2) ? "text/plain" : NULL;
    bool file = strchr("GH", *a->method) && one_in(&w->random, 4);
    a->must_close = kt_http_stopping(x);
    CHECK(!a->must_close || w->stopping);
    if (one_in(&w->random, w->sleeps_in))
        return sleeps(w, a, x);
    if (one_in(&w->random, w->fails_in)) {
        a->fails = true;
        return one_in(&w->random, 2) ? 0 : -EDOM;
    }
    char number[24];
    snprintf(number, sizeof number, "%u", a->number);
    CHECK_OK(kt_http_header(x, "X-Number", number));
    if (one_in(&w->random, 2)) {
        kt_http_compress_options o = {.bytes_min = 100, .gzip_level = 1, .collect = one_in(&w->random, 2)};
        CHECK_OK(kt_http_compress(x, &o));
    }
    if (w->source && one_in(&w->random, 4))
        return tells_ticks(w, x, a);
    if (file)
        return sends_file(w, x, a);
    size_t how = below(&w->random, 5);
    if (*a->method == 'P' && a->taken == 0 && one_in(&w->random, 4))
        return echoes(w, x, a, type);
    return how == 0 ? tells_events(w, x, a) : how < 3 ? responds(w, x, a, type) : writes(w, x, a, type);
}

/* ---- Another protocol ----------------------------------------------------------------------------- */

static inline int says_what_it_hears(world *w, kt_stream *s, ask *a)
{
    char piece[3000];
    int rc = 0;
    while (rc == 0 && a->taken < a->body_size) {
        ssize_t n = kt_stream_read(s, piece, 1 + below(&w->random, sizeof piece));
        if (n <= 0)
            return n < 0 ? (int)n : -EPIPE;
        CHECK(is_filled(piece, (size_t)n, a->number, a->taken));
        a->taken += (size_t)n;
        rc = kt_stream_write(s, piece, (size_t)n);
        if (rc == 0 && one_in(&w->random, 4))
            rc = rests(&w->random, w->pause_max);
    }
    return rc;
}

static inline int upgrades(world *w, kt_http_exchange *x, ask *a)
{
    char number[24];
    kt_stream *s = NULL;
    snprintf(number, sizeof number, "%u", a->number);
    int rc = rests(&w->random, w->pause_max);
    if (rc < 0)
        return rc;
    CHECK_OK(kt_http_header(x, "X-Number", number));
    a->status = one_in(&w->random, 4) ? 404 : a->version == 20 ? 200 : 101;
    a->must_close = kt_http_stopping(x);
    CHECK_OK(says(x, "X-Total", a->status == 404 ? 0 : a->body_size));
    if (a->status == 404)
        return kt_http_respond(x, a->status, NULL, "", 0);
    a->has_time = a->may_be_cut = true;
    rc = kt_http_upgrade(x, "echo", &s);
    rc = rc == 0 ? says_what_it_hears(w, s, a) : rc;
    if (rc < 0 && w->kind && !a->left && !kt_is_cancel(rc))
        kt_test_fail("the other protocol of %u fails: %s (%s)", a->number, kt_error_name(rc), kt_error_detail());
    return rc;
}

/* ---- Handlers ----------------------------------------------------------------------------------- */

static inline unsigned number_of(const kt_http_exchange *x)
{
    kt_slice number = kt_http_request_header(x, "X-Number");
    CHECK(number.data != NULL);
    return (unsigned)strtoul(number.data, NULL, 10);
}

static inline ask *ask_of(world *w, const kt_http_exchange *x)
{
    unsigned number = number_of(x);
    CHECK_LT(number, w->asked);
    return &w->asks[number];
}

static inline void check_request(const kt_http_exchange *x, const ask *a)
{
    kt_slice path = kt_http_path(x), host = kt_http_host(x), body = kt_http_request_header(x, "X-Body");
    CHECK(a->sent && !a->denied);
    CHECK(kt_http_method_is(x, a->method));
    CHECK(kt_slice_is(host, "a"));
    CHECK_EQ(strtoul(path.data + 1, NULL, 10), a->number);
    CHECK_EQ(strtoul(body.data, NULL, 10), a->body_size);
    CHECK_STR(kt_http_version(x), a->version == 20 ? "HTTP/2" : a->version == 11 ? "HTTP/1.1" : "HTTP/1.0");
}

KT_FN(works_on, j, struct { world *w; })
{
    j->w->jobs++;
    int rc = kt_sleep((kt_time)below(&j->w->random, KT_S(1)));
    j->w->jobs--;
    return rc;
}

static inline int acts(kt_http_exchange *x, void *arg)
{
    world *w = arg;
    ask *a = ask_of(w, x);
    CHECK_EQ(a->begun++, 0);
    check_request(x, a);
    note(w, "%u is handled: %zu bytes%s", a->number, a->body_size, a->chunked ? " in chunks" : "");
    if (one_in(&w->random, 4))
        kt_http_outlive_client(x);
    const kt_http_decompress_options decompress = {.ratio_max = 100000};
    if (a->upgrade)
        return upgrades(w, x, a);
    int rc = rests(&w->random, w->pause_max);
    if (rc == 0)
        rc = kt_http_decompress(x, &decompress);
    if (rc == 0)
        rc = takes_body(w, x, a);
    if (rc == KT_EINVALIDSTATE)
        rc = 0;
    if (rc == 0 && one_in(&w->random, 6))
        rc = kt_http_background(x, KT_WITH(works_on, .w = w));
    if (rc == 0 && one_in(&w->random, 3))
        rc = rests(&w->random, w->pause_max);
    if (rc == 0)
        rc = answers(w, x, a);
    bool reads_on = rc == 0 && one_in(&w->random, 4);
    if (reads_on)
        rc = takes_body(w, x, a);
    a->may_be_cut |= reads_on && rc < 0;
    check_request(x, a);
    note(w, "the handler of %u returns %s", a->number, kt_error_name(rc));
    return rc == KT_EINVALIDSTATE ? 0 : rc;
}

static inline int handles(kt_http_exchange *x, void *arg)
{
    world *w = arg;
    ask *a = ask_of(w, x);
    kt_time start = kt_now();
    w->running++;
    int rc = kt_http_metrics_handle(w->metrics, x, acts, w);
    w->running--;
    if (!a->has_time)
        CHECK_LE(kt_now() - start, w->o.request_timeout);
    return rc;
}

#endif
