/* SPDX-License-Identifier: MIT */
/* Servers that are stopped at any moment, and begin again on the same port, among crowds of clients: whatever a server
 * has acted upon is answered, whole, and all else can be asked again.
 *
 * KETTLE_TEST_SEEDS says how many worlds there are, and over TLS a tenth of that. */
#include "chaos_client.h"

enum { SEEDS = 150, SEEDS_TLS = 20 };

/* ---- Handlers ---------------------------------------------------------------------------------- */

static int hears_body(kt_http_exchange *x, world *w, unsigned number)
{
    char piece[3000];
    size_t at = 0;
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = kt_http_read(x, piece, 1 + below(&w->random, sizeof piece))) > 0) {
        check_piece(w, number, piece, (size_t)n, at);
        at += (size_t)n;
        rc = rests(&w->random, w->pause_max);
    }
    if (rc == 0 && n == 0)
        CHECK_EQ(at, deed_of(w, number)->body_size);
    return rc < 0 ? rc : (int)n;
}

static int says_in_pieces(kt_http_exchange *x, world *w, unsigned number, int status, size_t size)
{
    char piece[3000], text[16];
    int rc = 0;
    snprintf(text, sizeof text, "%u", number);
    bool trailers = one_in(&w->random, 2);
    if (trailers)
        rc = kt_http_header(x, "X-Trailers", "yes");
    if (rc == 0)
        rc = kt_http_start(x, status, "text/plain");
    if (rc == 0 && trailers)
        rc = kt_http_trailer(x, "X-End", text);
    for (size_t at = 0, n; rc == 0 && at < size; at += n) {
        n = 1 + below(&w->random, sizeof piece);
        n = n < size - at ? n : size - at;
        fill(piece, n, number, at);
        rc = rests(&w->random, w->pause_max);
        if (rc == 0)
            rc = kt_http_write(x, piece, n);
    }
    return rc < 0 ? rc : kt_http_finish(x);
}

static int answers(kt_http_exchange *x, world *w, unsigned number)
{
    size_t size = some_bytes(&w->random, w->answer_max);
    bool whole = kt_http_method_is(x, "HEAD") || kt_http_request_header(x, "X-Whole").data;
    char text[24];
    int status = (int)ONE_OF(&w->random, 200, 200, 200, 404, 503);
    snprintf(text, sizeof text, "%u", number);
    int rc = kt_http_header(x, "X-Number", text);
    snprintf(text, sizeof text, "%zu", kt_http_method_is(x, "HEAD") ? 0 : size);
    if (rc == 0)
        rc = kt_http_header(x, "X-Size", text);
    if (rc < 0 || (size > 0 && !whole && one_in(&w->random, 2)))
        return rc < 0 ? rc : says_in_pieces(x, w, number, status, size);
    char *bytes = kt_alloc(size + 1);
    CHECK(bytes);
    fill(bytes, size, number, 0);
    rc = kt_http_respond(x, status, "text/plain", bytes, size);
    kt_free(bytes);
    return rc;
}

static int acts(kt_http_exchange *x, void *arg)
{
    world *w = arg;
    kt_slice text = kt_http_request_header(x, "X-Number");
    CHECK(text.data != NULL);
    unsigned number = (unsigned)strtoul(text.data, NULL, 10);
    bool early = one_in(&w->random, w->early_in);
    int rc = rests(&w->random, w->pause_max);
    if (rc == 0 && !early)
        rc = hears_body(x, w, number);
    if (rc < 0)
        return rc;
    acts_upon(w, number);
    rc = rests(&w->random, w->pause_max);
    return rc < 0 ? rc : answers(x, w, number);
}

/* ---- Pipelines (RFC 9112 section 9.3.2) -------------------------------------------------------- */

enum { PIPELINE_MAX = 8 };

static unsigned asks_in_a_row(world *w, kt_buffer *b)
{
    unsigned count = 1 + (unsigned)below(&w->random, PIPELINE_MAX);
    for (unsigned i = 0; i < count; i++)
        CHECK_OK(kt_buffer_printf(b, "GET / HTTP/1.1\r\nHost: a\r\nX-Number: %u\r\nX-Whole: yes\r\n%s\r\n", w->asked++,
                                  i + 1 < count ? "" : "Connection: close\r\n"));
    return count;
}

KT_FN(says_in_a_row, a, struct { world *w; kt_stream *s; const kt_buffer *b; })
{
    int rc = 0;
    for (size_t at = 0, n; at < a->b->size && rc == 0; at += n) {
        n = 1 + below(&a->w->random, a->b->size - at);
        rc = kt_stream_write(a->s, a->b->data + at, n);
        if (rc == 0)
            rc = rests(&a->w->random, a->w->pause_max);
    }
    return kt_is_cancel(rc) ? rc : 0; /* the server may have closed */
}

/* Those that have been acted upon are answered in their order, the last of them whole; the others have not been. */
static void check_row(const world *w, unsigned first, unsigned count, const char *text)
{
    unsigned answered = 0, number;
    size_t size = 0;
    for (const char *at = text; (at = strstr(at, "X-Number: ")); answered++) {
        CHECK_LT(answered, count);
        CHECK_EQ(sscanf(at, "X-Number: %u\r\nX-Size: %zu", &number, &size), 2);
        CHECK_EQ(number, first + answered);
        CHECK_EQ(w->deeds[number].acted, 1);
        at += 10;
    }
    for (unsigned i = answered; i < count; i++)
        CHECK_EQ(w->deeds[first + i].acted, 0);
    kt_test_say("%u of %u in a row", answered, count);
    if (answered > 0 && size > 0)
        CHECK(is_filled(text + strlen(text) - size, size, number, 0));
}

static int hear_row(kt_stream *s, kt_buffer *heard_text)
{
    char piece[2000];
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = kt_stream_read(s, piece, sizeof piece)) > 0)
        rc = kt_buffer_append(heard_text, piece, (size_t)n);
    CHECK(n == 0 || n == -ECONNRESET);
    return rc;
}

KT_FN(asks_in_line, a, struct { world *w; })
{
    world *w = a->w;
    kt_auto(kt_stream) *s = NULL;
    kt_auto(kt_buffer) row = KT_BUFFER_INIT, text = KT_BUFFER_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = rests(&w->random, w->pause_max);
    if (rc < 0 || w->asked + PIPELINE_MAX > ASKS_MAX)
        return rc;
    unsigned first = w->asked, count = asks_in_a_row(w, &row);
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(w->listeners[0]), &s));
    CHECK_OK(kt_group_spawn(&g, KT_WITH(says_in_a_row, .w = w, .s = s, .b = &row)));
    CHECK_OK(hear_row(s, &text));
    CHECK_OK(kt_group_join(&g, 0));
    check_row(w, first, count, kt_buffer_string(&text));
    return 0;
}

/* ---- Worlds ------------------------------------------------------------------------------------ */

KT_FN(serves, a, struct { world *w; const kt_http_options *o; kt_listener *l; })
{
    return kt_http_serve(a->l, a->o, acts, a->w);
}

/* One server after the other: each begins when the one before it is told to stop, which has all the time it needs. */
KT_FN(serve_in_turn, a, struct { world *w; kt_http_options o; kt_listener *l; })
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    while (rc == 0) {
        kt_task *t = NULL;
        rc = kt_group_spawn_with(&g, NULL, KT_WITH(serves, .w = a->w, .o = &a->o, .l = a->l), &t);
        if (rc < 0)
            break;
        rc = kt_sleep((kt_time)below(&a->w->random, (size_t)ONE_OF(&a->w->random, KT_MS(1), KT_MS(100), KT_S(5))));
        kt_test_say("stops");
        kt_task_cancel(t);
        kt_task_detach(t);
        if (rc == 0)
            rc = kt_sleep(1); /* it accepts no more */
    }
    return kt_group_join(&g, rc);
}

static int lives(world *w, kt_test_network *n)
{
    (void)n;
    kt_auto(kt_group) servers = KT_GROUP_INIT, lines = KT_GROUP_INIT;
    const kt_http_options o = {.grace = LIMIT,
                               .write_timeout = LIMIT,
                               .body_timeout = LIMIT,
                               .request_timeout = -1,
                               .tls = w->tls[0] ? w->tls[w->h2] : NULL,
                               .requests_max = (uint32_t)w->per_connection,
                               .idle_timeout = (kt_time)ONE_OF(&w->random, 0, KT_MS(10))};
    int rc = 0;
    for (size_t i = 0; i < w->servers && rc == 0; i++)
        rc = kt_group_spawn(&servers, KT_WITH(serve_in_turn, .w = w, .o = o, .l = w->listeners[i]));
    for (size_t i = below(&w->random, 8); i > 0 && rc == 0 && !w->tls[0] && w->answer_max < 5000; i--)
        rc = kt_group_spawn(&lines, KT_WITH(asks_in_line, .w = w));
    if (rc == 0)
        rc = opens_for_customers(w);
    rc = kt_group_join(&lines, rc);
    close_session(w);
    kt_group_cancel(&servers);
    return kt_group_join(&servers, rc);
}

static void draw_world(world *w)
{
    w->h2 = one_in(&w->random, 2);
    w->kind = true;
    w->servers = 1 + below(&w->random, SERVERS_MAX);
    w->pause_max = (kt_time)ONE_OF(&w->random, 0, KT_US(100), KT_MS(5), KT_MS(200));
    w->early_in = (unsigned)ONE_OF(&w->random, 0, 2, 10);
    w->per_connection = ONE_OF(&w->random, 0, 0, 1, 3, 10);
    w->o = draw_session(w);
    w->o.retries.attempts = 1;
}

static play stopping = {draw_world, lives, NULL, 0};

TEST_WITH(no_request_is_lost_when_a_server_stops_and_another_begins, KT_TEST_NO_LOOP)
{
    each_world(worlds(SEEDS), a_world, &stopping);
}

TEST_WITH(nor_is_one_over_tls, KT_TEST_NO_LOOP)
{
    play_over_tls(&stopping, SEEDS_TLS);
}
