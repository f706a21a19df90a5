/* SPDX-License-Identifier: MIT */
/* Answers that are compressed, and requests that came so. */
#include "serve.h"

#include <kettle/http_compress.h>
#include <stdlib.h>

#include "http/coding.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)
#define MUCH 5000

static char text[MUCH + 1];

typedef struct plan {
    kt_http_compress_options o;
    kt_http_decompress_options in;
    const char *type, *etag, *header, *header_value;
    const char *has; /* the client's tag */
    int status;
    size_t size;
    bool pieces, events;
    int rc;
} plan;

static int answers(kt_http_exchange *x, void *arg)
{
    plan *p = arg;
    CHECK_OK(kt_http_compress(x, &p->o));
    if (p->etag)
        CHECK_OK(kt_http_header(x, "ETag", p->etag));
    if (p->header)
        CHECK_OK(kt_http_header(x, p->header, p->header_value));
    if (p->events) {
        CHECK_OK(kt_http_events_start(x));
        return kt_http_event(x, NULL, NULL, text, 100);
    }
    if (p->pieces && p->status)
        return kt_http_start(x, p->status, p->type);
    if (!p->pieces)
        return kt_http_respond(x, p->status ? p->status : 200, p->type, text, p->size);
    CHECK_OK(kt_http_start(x, 200, p->type));
    for (size_t i = 0; i < p->size; i += 1000)
        CHECK_OK(kt_http_write(x, text + i, 1000));
    return 0;
}

static void open_plan(site *s, plan *p)
{
    for (size_t i = 0; i < MUCH; i++)
        text[i] = "to be or not to be "[i % 19];
    if (!p->type)
        p->type = "text/plain; charset=utf-8";
    if (!p->size)
        p->size = MUCH;
    site_open(s, NULL, answers, p);
}

/* The answer to one request, of one run of this plan; its size in *ret_size. */
static const char *ask(plan *p, const char *method, const char *accept, size_t *ret_size)
{
    static heard h;
    char request[512];
    site s;
    size_t n = 0;
    open_plan(&s, p);
    kt_stream *c = dial(&s);
    snprintf(request, sizeof request, "%s / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s%s%s%s%s%s\r\n", method,
             *accept ? "Accept-Encoding: " : "", accept, *accept ? "\r\n" : "", p->has ? "If-None-Match: " : "",
             p->has ? p->has : "", p->has ? "\r\n" : "");
    say(c, request);
    memset(&h, 0, sizeof h);
    ssize_t got;
    while ((got = kt_stream_read(c, h.text + n, sizeof h.text - 1 - n)) > 0)
        n += (size_t)got;
    kt_stream_close(c);
    site_close(&s);
    *ret_size = n;
    return h.text;
}

/* Takes chunks apart in place. */
static size_t join_chunks(char *body)
{
    size_t n = 0;
    for (char *p = body;;) {
        size_t size = strtoul(p, &p, 16);
        if (size == 0)
            return n;
        memmove(body + n, p + 2, size);
        n += size;
        p += 2 + size + 2;
    }
}

static void check_decodes(const char *answer, size_t size, kt__coding coding, size_t expected)
{
    static char plain[2 * MUCH];
    kt__decoder *d = NULL;
    char *body = strstr((char *)(uintptr_t)answer, "\r\n\r\n") + 4;
    kt_slice in = {body, size - (size_t)(body - answer)};
    size_t n = 0;
    ssize_t got;
    if (strstr(answer, "chunked"))
        in.size = join_chunks(body);
    CHECK_OK(kt__decoder_new(coding, NULL, &d));
    while ((got = kt__decode(d, &in, plain + n, sizeof plain - n)) > 0)
        n += (size_t)got;
    CHECK_EQ(got, 0);
    CHECK(kt__decoder_ended(d));
    kt__decoder_free(d);
    CHECK_EQ(n, expected);
    CHECK_EQ(memcmp(plain, text, n), 0);
}

WITH_SERVER(an_answer_is_compressed_as_the_client_prefers)
{
    static const struct {
        const char *accept, *coding;
    } cases[] = {
        {"gzip", "gzip"},
        {"br", "br"},
        {"gzip, deflate, br, zstd", "br"}, /* browsers */
        {"br;q=0.5, gzip;q=0.8", "gzip"},
        {"x-gzip", "gzip"},
        {"GZIP", "gzip"},
        {"*", "br"},
        {"*;q=0.5, br;q=0", "gzip"},
        {"identity;q=0, gzip;q=0.1", "gzip"},
        {"gzip;q=0", NULL},
        {"*;q=0", NULL},
        {"identity, gzip;q=0.5", NULL},
        {"gzip;q=2", NULL},
        {"gzip;level=9", NULL},
        {"deflate", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        plan p = {.pieces = i % 2};
        size_t size;
        char header[64];
        const char *coding = cases[i / 2].coding, *answer = ask(&p, "GET", cases[i / 2].accept, &size);
        snprintf(header, sizeof header, "Content-Encoding: %s\r\n", coding ? coding : "");
        if (!strstr(answer, coding ? header : "to be or not to be") || (!coding && strstr(answer, "Content-Encoding")))
            kt_test_fail("%s gives %.300s", cases[i / 2].accept, answer);
        CHECK(strstr(answer, "Vary: Accept-Encoding\r\n"));
        if (coding)
            check_decodes(answer, size, *coding == 'b' ? KT__CODING_BROTLI : KT__CODING_GZIP, MUCH);
    }
}

WITH_SERVER(what_would_not_gain_is_left_as_it_is)
{
    plan plans[] = {
        {.size = 1000},
        {.type = "image/png"},
        {.header = "Content-Encoding", .header_value = "x"},
        {.header = "Cache-Control", .header_value = "private, no-transform"},
        {.status = 206},
        {.type = "image/png", .pieces = true},
    };
    size_t size;
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        const char *answer = ask(&plans[i], "GET", "gzip", &size);
        CHECK(!strstr(answer, "Content-Encoding: gzip"));
        CHECK(strstr(answer, "to be or not to be"));
    }
    plan p = {.size = 1000, .o = {.bytes_min = 100}};
    CHECK(strstr(ask(&p, "GET", "gzip", &size), "Content-Encoding: gzip"));
    plan no_brotli = {.o = {.no_brotli = true}};
    CHECK(strstr(ask(&no_brotli, "GET", "gzip, br", &size), "Content-Encoding: gzip"));
}

WITH_SERVER(a_strong_tag_becomes_weak_and_head_says_what_get_would)
{
    plan p = {.etag = "\"v1\""}, weak = {.etag = "W/\"v1\""};
    size_t size, length = 0;
    const char *answer = ask(&p, "GET", "gzip", &size);
    CHECK(strstr(answer, "ETag: W/\"v1\"\r\n"));
    length = strtoul(strstr(answer, "Content-Length: ") + 16, NULL, 10);
    CHECK_LT(length, 500);
    answer = ask(&p, "HEAD", "gzip", &size);
    CHECK(strstr(answer, "Content-Encoding: gzip\r\n"));
    CHECK_EQ(strtoul(strstr(answer, "Content-Length: ") + 16, NULL, 10), length);
    CHECK_STR(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    CHECK(strstr(ask(&weak, "GET", "gzip", &size), "ETag: W/\"v1\"\r\n"));
    CHECK(strstr(ask(&p, "GET", "", &size), "ETag: \"v1\"\r\n"));
}

/* RFC 9110 section 15.4.5. */
WITH_SERVER(a_304_has_the_tag_and_the_vary_of_its_200)
{
    static const struct {
        const char *accept, *has, *etag;
    } cases[] = {
        {"gzip", "W/\"v1\"", "ETag: W/\"v1\"\r\n"},
        {"gzip", "*", "ETag: W/\"v1\"\r\n"},
        {"gzip", NULL, "ETag: W/\"v1\"\r\n"},
        {"gzip", "\"v0\", \"v1\"", "ETag: \"v1\"\r\n"}, /* of an answer that was not worth it */
        {"", "\"v1\"", "ETag: \"v1\"\r\n"},
        {"", "W/\"v1\"", "ETag: \"v1\"\r\n"},
    };
    size_t size;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        plan p = {.etag = "\"v1\"", .status = 304, .has = cases[i / 2].has, .pieces = i % 2};
        const char *answer = ask(&p, "GET", cases[i / 2].accept, &size);
        CHECK(strstr(answer, "HTTP/1.1 304 "));
        if (!strstr(answer, cases[i / 2].etag))
            kt_test_fail("%s of %s gives %.300s", p.has ? p.has : "-", cases[i / 2].accept, answer);
        CHECK(strstr(answer, "Vary: Accept-Encoding\r\n"));
        CHECK(!strstr(answer, "Content-Encoding"));
    }
    plan kept = {.etag = "\"v1\"", .status = 304, .header = "Cache-Control", .header_value = "no-transform"};
    CHECK(strstr(ask(&kept, "GET", "gzip", &size), "ETag: \"v1\"\r\n"));
}

WITH_SERVER(vary_names_a_header_once)
{
    plan p = {.header = "Vary", .header_value = "Cookie, accept-encoding"};
    plan other = {.header = "Vary", .header_value = "Cookie"};
    size_t size;
    CHECK_EQ(count_of(ask(&p, "GET", "gzip", &size), "Vary: "), 1);
    CHECK_EQ(count_of(ask(&other, "GET", "gzip", &size), "Vary: "), 2);
}

static int writes_and_waits(kt_http_exchange *x, void *arg)
{
    const kt_http_compress_options o = {.collect = *(bool *)arg};
    CHECK_OK(kt_http_compress(x, &o));
    CHECK_OK(kt_http_start(x, 200, "text/plain"));
    CHECK_OK(kt_http_write(x, text, 100));
    if (o.collect)
        CHECK_OK(kt_http_flush(x));
    return kt_sleep(KT_S(60)); /* what was written is with the client nevertheless */
}

/* How much can be decoded of an answer that goes on. */
static size_t decode_so_far(const char *answer, const char *end)
{
    char plain[200];
    size_t got = 0;
    kt__decoder *d = NULL;
    CHECK_OK(kt__decoder_new(KT__CODING_GZIP, NULL, &d));
    const char *p = strstr(answer, "\r\n\r\n");
    for (p = p ? p + 4 : end; p < end;) {
        char *chunk;
        size_t size = strtoul(p, &chunk, 16);
        if (chunk + 2 + size > end)
            break;
        kt_slice in = {chunk + 2, size};
        ssize_t n;
        while ((n = kt__decode(d, &in, plain + got, sizeof plain - got)) > 0)
            got += (size_t)n;
        CHECK_EQ(n, 0);
        p = chunk + 2 + size + 2;
    }
    kt__decoder_free(d);
    return got;
}

WITH_SERVER(a_piece_can_be_read_when_it_arrives)
{
    for (int collect = 0; collect < 2; collect++) {
        site s;
        bool arg = collect;
        kt_http_options o = {.grace = -1};
        char answer[4096] = "";
        size_t n = 0;
        memset(text, 'x', MUCH);
        site_open(&s, &o, writes_and_waits, &arg);
        kt_stream *c = dial(&s);
        say(c, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_timeout_start(&limit, PATIENCE);
        while (decode_so_far(answer, answer + n) < 100) {
            ssize_t more = kt_stream_read(c, answer + n, sizeof answer - 1 - n);
            CHECK_GT(more, 0);
            n += (size_t)more;
        }
        CHECK_OK(kt_timeout_end(&limit, 0));
        kt_stream_close(c);
        site_close(&s);
    }
}

WITH_SERVER(events_are_compressed_too)
{
    plan p = {.events = true, .o = {.collect = true}};
    size_t size;
    const char *answer = ask(&p, "GET", "gzip", &size);
    CHECK(strstr(answer, "Content-Encoding: gzip\r\n"));
    CHECK(!strstr(answer, "data: "));
}

/* ---- Requests ---------------------------------------------------------------------------------------- */

static int mirrors(kt_http_exchange *x, void *arg)
{
    plan *p = arg;
    kt_slice body;
    int rc = kt_http_decompress(x, &p->in);
    if (rc == 0)
        rc = kt_http_read_all(x, p->size, &body);
    p->rc = rc;
    return rc < 0 ? rc : kt_http_respond(x, 200, NULL, body.data, body.size);
}

static const char *post(plan *p, const char *coding, kt_slice body)
{
    static heard h;
    char head[256];
    site s;
    site_open(&s, NULL, mirrors, p);
    kt_stream *c = dial(&s);
    h = (heard){.size = 0};
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Encoding: %s\r\n"
                                "Content-Length: %zu\r\n\r\n", coding, body.size);
    say(c, head);
    CHECK_OK(kt_stream_write(c, body.data, body.size));
    hear(c, &h, NULL);
    kt_stream_close(c);
    site_close(&s);
    return h.text;
}

static void encode(kt__coding coding, kt_slice bytes, kt_buffer *out)
{
    kt__encoder *e = NULL;
    CHECK_OK(kt__encoder_new(coding, 0, 0, &e));
    CHECK_OK(kt__encode(e, bytes, KT__FLUSH_END, out));
    kt__encoder_free(e);
}

WITH_SERVER(a_compressed_request_is_read_as_it_was)
{
    static const struct {
        const char *name;
        kt__coding coding;
    } codings[] = {{"gzip", KT__CODING_GZIP}, {"deflate", KT__CODING_DEFLATE}, {"br", KT__CODING_BROTLI}};
    memset(text, 'x', MUCH);
    for (size_t i = 0; i < 3; i++) {
        kt_auto(kt_buffer) b = KT_BUFFER_INIT;
        plan p = {.size = MUCH};
        encode(codings[i].coding, (kt_slice){text, MUCH}, &b);
        const char *answer = post(&p, codings[i].name, kt_buffer_slice(&b));
        CHECK_STR(strstr(answer, "\r\n\r\n") + 4, text);
        CHECK(strstr(post(&p, codings[i].name, (kt_slice){b.data, b.size - 1}), " 400 "));
        CHECK_ERR(p.rc, KT_EINCOMPLETE);
        CHECK_OK(kt_buffer_append(&b, "more", 4));
        CHECK(strstr(post(&p, codings[i].name, kt_buffer_slice(&b)), " 400 "));
        CHECK_ERR(p.rc, KT_EPROTOCOL);
    }
    plan p = {.size = MUCH};
    CHECK_STR(strstr(post(&p, "identity", kt_slice_from("plain")), "\r\n\r\n") + 4, "plain");
    CHECK(strstr(post(&p, "zstd", kt_slice_from("plain")), " 415 "));
    CHECK(strstr(post(&p, "gzip, gzip", kt_slice_from("plain")), " 415 "));
    CHECK(strstr(post(&p, "gzip", kt_slice_from("plain")), " 400 "));
}

WITH_SERVER(a_little_that_becomes_much_is_refused)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT, much = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_reserve(&much, 2 << 20));
    memset(much.data, 0, 2 << 20);
    encode(KT__CODING_GZIP, (kt_slice){much.data, 2 << 20}, &b);
    plan size = {.size = SIZE_MAX, .in = {.ratio_max = 10000}};
    plan ratio = {.size = SIZE_MAX, .in = {.bytes_max = 1 << 30}};
    plan handler = {.size = 1000};
    CHECK(strstr(post(&size, "gzip", kt_buffer_slice(&b)), " 413 "));
    CHECK_ERR(size.rc, KT_ELIMIT);
    CHECK(strstr(post(&ratio, "gzip", kt_buffer_slice(&b)), " 413 "));
    CHECK_ERR(ratio.rc, KT_ELIMIT);
    CHECK(strstr(post(&handler, "gzip", kt_buffer_slice(&b)), " 413 "));
}
