/* SPDX-License-Identifier: MIT */
/* The server among clients that do all that the protocols allow, whenever it suits it least, with handlers that do the
 * same: whatever it is, each request is handled once at most, gets its own answer, whole, or one that is visibly cut;
 * and a stop ends in time, and leaves nobody in doubt.
 *
 * KETTLE_TEST_SEEDS says how many worlds there are; KETTLE_CHAOS_FROM which is the first, and has them told. */
#include "server_chaos_h1.h"
#include "server_chaos_h2.h"

#include <kettle/http_compress.h>
#include <kettle/http_files.h>
#include <kettle/tls.h>
#include <unistd.h>

#include "../tls/certificates.h"

enum { SEEDS = 800, SEEDS_TLS = 80, VISITORS_MAX = 12 };

#define SERVER "10.0.0.1"
#define CLIENTS "10.0.0.2"

/* ---- Bodies ------------------------------------------------------------------------------------- */

static bool may_say(const world *w, const ask *a, int rc)
{
    if (kt_is_cancel(rc) || (rc == KT_ELIMIT && a->body_size > w->o.body_bytes_max))
        return true;
    if (rc == KT_EINVALIDSTATE)
        return a->expects;
    bool may_end = !w->kind || a->left || a->whole;
    return may_end && (rc == KT_EINCOMPLETE || rc == -ECONNRESET || rc == -EPIPE || rc == -ETIMEDOUT);
}

/* Some of the body, or all: then it is that which was sent. */
static int reads(world *w, kt_http_exchange *x, ask *a, size_t enough)
{
    char piece[5000];
    ssize_t n = 1;
    while (n > 0 && a->taken < enough) {
        if (one_in(w, 3) && (n = rests(w)) < 0)
            break;
        n = kt_http_read(x, piece, 1 + below(w, sizeof piece));
        if (n > 0)
            CHECK(is_filled(piece, (size_t)n, a->number, a->taken));
        a->taken += n > 0 ? (size_t)n : 0;
        CHECK_LE(a->taken, a->body_size);
    }
    if (n == 0)
        CHECK_EQ(a->taken, a->body_size);
    return n < 0 ? (int)n : n == 0;
}

static int reads_all(kt_http_exchange *x, ask *a)
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

static int takes_body(world *w, kt_http_exchange *x, ask *a)
{
    int rc = 0;
    switch (a->taken < a->body_size ? below(w, 4) : 2 * below(w, 2)) {
    case 0:
        return 0;
    case 1:
        rc = reads(w, x, a, a->taken + below(w, a->body_size - a->taken + 1));
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

static int says(kt_http_exchange *x, const char *name, size_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", value);
    return kt_http_header(x, name, text);
}

static int responds(world *w, kt_http_exchange *x, ask *a, const char *type)
{
    size_t size = some_bytes(w, w->answer_max);
    kt_auto(kt_buffer) bytes = KT_BUFFER_INIT;
    a->status = (int)ONE_OF(w, 200, 200, 404, 500, 204, 205);
    CHECK_OK(kt_buffer_reserve(&bytes, size + 1));
    fill(bytes.data, size, a->number, 0);
    CHECK_OK(says(x, "X-Total", size));
    int rc = kt_http_respond(x, a->status, type, bytes.data, size);
    memset(bytes.data, '!', size); /* they are ours again */
    return rc;
}

static int writes(world *w, kt_http_exchange *x, ask *a, const char *type)
{
    char piece[9000];
    size_t size = some_bytes(w, w->answer_max), at = 0, n;
    bool trailers = one_in(w, 3);
    CHECK_OK(says(x, "X-Total", size));
    if (trailers)
        CHECK_OK(says(x, "X-Trailers", 1));
    a->cuts = a->may_be_cut = one_in(w, w->cuts_in);
    a->status = 200;
    int rc = kt_http_start(x, a->status, type);
    for (; rc == 0 && at < size; at += n) {
        n = size - at < sizeof piece ? size - at : sizeof piece;
        n = one_in(w, 2) ? n : 1 + below(w, n);
        fill(piece, n, a->number, at);
        rc = kt_http_write(x, piece, n);
        memset(piece, '!', n);
        if (rc == 0 && one_in(w, 4))
            rc = kt_http_flush(x);
        if (rc == 0 && one_in(w, 4))
            rc = rests(w);
        if (rc == 0 && a->cuts && one_in(w, 4))
            return -EDOM;
    }
    if (rc == 0 && a->cuts)
        return -EDOM;
    if (rc == 0 && trailers) {
        char number[24];
        snprintf(number, sizeof number, "%u", a->number);
        rc = kt_http_trailer(x, "X-End", number);
    }
    return rc == 0 && one_in(w, 2) ? kt_http_finish(x) : rc;
}

/* The answer is the body, as it comes. */
static int echoes(world *w, kt_http_exchange *x, ask *a, const char *type)
{
    char piece[3000];
    CHECK_OK(says(x, "X-Total", a->body_size));
    a->status = 200;
    a->may_be_cut = true; /* since the body may be at fault */
    int rc = kt_http_start(x, a->status, type);
    ssize_t n = rc;
    while (n == 0 || (n > 0 && rc == 0)) {
        n = kt_http_read(x, piece, 1 + below(w, sizeof piece));
        if (n <= 0)
            break;
        rc = kt_http_write(x, piece, (size_t)n);
        a->taken += (size_t)n;
        if (rc == 0 && one_in(w, 4))
            rc = rests(w);
    }
    if (n < 0 && n != KT_EINVALIDSTATE && !may_say(w, a, (int)n))
        kt_test_fail("the body of %u: %s (%s)", a->number, kt_error_name((int)n), kt_error_detail());
    a->cuts = n < 0 || rc < 0;
    return rc < 0 ? rc : n < 0 ? -EDOM : 0;
}

static int tells_events(world *w, kt_http_exchange *x, ask *a)
{
    size_t count = below(w, 20);
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
            rc = rests(w);
    }
    return rc == KT_ECLOSED ? 0 : rc; /* HEAD */
}

static int sends_file(world *w, kt_http_exchange *x, ask *a)
{
    size_t file = below(w, w->files_count);
    kt_http_file_options o = {.no_ranges = one_in(w, 8), .content_type = one_in(w, 2) ? "text/plain" : NULL};
    CHECK_OK(says(x, "X-File", file));
    a->has_time = true;
    return kt_http_respond_file(x, w->files[file], &o);
}

static int sleeps(world *w, ask *a, kt_http_exchange *x)
{
    a->sleeps = a->fails = true;
    if ((a->has_time = one_in(w, 2)))
        kt_http_deadline_set(x, kt_now() + (kt_time)below(w, KT_S(2)));
    return kt_sleep(KT_S(600));
}

static int answers(world *w, kt_http_exchange *x, ask *a)
{
    const char *type = one_in(w, 2) ? "text/plain" : NULL;
    bool file = strchr("GH", *a->method) && one_in(w, 4);
    a->must_close = kt_http_stopping(x);
    CHECK(!a->must_close || w->stopping);
    if (one_in(w, w->sleeps_in))
        return sleeps(w, a, x);
    if (one_in(w, w->fails_in)) {
        a->fails = true;
        return one_in(w, 2) ? 0 : -EDOM;
    }
    char number[24];
    snprintf(number, sizeof number, "%u", a->number);
    CHECK_OK(kt_http_header(x, "X-Number", number));
    if (one_in(w, 2)) {
        kt_http_compress_options o = {.bytes_min = 100, .gzip_level = 1, .collect = one_in(w, 2)};
        CHECK_OK(kt_http_compress(x, &o));
    }
    if (file)
        return sends_file(w, x, a);
    size_t how = below(w, 5);
    if (*a->method == 'P' && a->taken == 0 && one_in(w, 4))
        return echoes(w, x, a, type);
    return how == 0 ? tells_events(w, x, a) : how < 3 ? responds(w, x, a, type) : writes(w, x, a, type);
}

/* ---- Handlers ----------------------------------------------------------------------------------- */

static unsigned number_of(const kt_http_exchange *x)
{
    kt_slice number = kt_http_request_header(x, "X-Number");
    CHECK(number.data != NULL);
    return (unsigned)strtoul(number.data, NULL, 10);
}

static ask *ask_of(world *w, const kt_http_exchange *x)
{
    unsigned number = number_of(x);
    CHECK_LT(number, w->asked);
    return &w->asks[number];
}

static void check_request(const kt_http_exchange *x, const ask *a)
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
    int rc = kt_sleep((kt_time)below(j->w, KT_S(1)));
    j->w->jobs--;
    return rc;
}

static int acts(kt_http_exchange *x, void *arg)
{
    world *w = arg;
    ask *a = ask_of(w, x);
    CHECK_EQ(a->begun++, 0);
    check_request(x, a);
    note(w, "%u is handled: %zu bytes%s", a->number, a->body_size, a->chunked ? " in chunks" : "");
    if (one_in(w, 4))
        kt_http_outlive_client(x);
    int rc = rests(w);
    if (rc == 0)
        rc = takes_body(w, x, a);
    if (rc == KT_EINVALIDSTATE)
        rc = 0;
    if (rc == 0 && one_in(w, 6))
        rc = kt_http_background(x, KT_WITH(works_on, .w = w));
    if (rc == 0 && one_in(w, 3))
        rc = rests(w);
    if (rc == 0)
        rc = answers(w, x, a);
    bool reads_on = rc == 0 && one_in(w, 4);
    if (reads_on)
        rc = takes_body(w, x, a);
    a->may_be_cut |= reads_on && rc < 0;
    check_request(x, a);
    note(w, "the handler of %u returns %s", a->number, kt_error_name(rc));
    return rc == KT_EINVALIDSTATE ? 0 : rc;
}

static int handles(kt_http_exchange *x, void *arg)
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

static void tells(const kt_http_record *r, void *arg)
{
    world *w = arg;
    kt_http_metrics_record(w->metrics, r);
    if (!r->exchange) {
        w->refused++;
        note(w, "refused: %s", r->reason);
        CHECK(!w->kind || r->status == 413 || r->status == 0);
        return;
    }
    ask *a = ask_of(w, r->exchange);
    CHECK_EQ(a->logged++, 0);
    CHECK(a->begun || a->body_size > w->o.body_bytes_max);
    a->log_status = r->status;
    a->log_bytes = r->bytes_sent;
    a->log_rc = r->rc;
}

/* ---- What must be so in the end ------------------------------------------------------------------ */

static size_t number_behind(const char *text, const char *name)
{
    size_t sum = 0;
    for (const char *p = text; (p = strstr(p, name)); p += strlen(name)) {
        const char *end = strchr(p + 1, '\n');
        while (end[-1] != ' ')
            end--;
        sum += strtoul(end, NULL, 10);
    }
    return sum;
}

static void check_metrics(const world *w)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    size_t logged = w->refused;
    for (unsigned i = 0; i < w->asked; i++)
        logged += w->asks[i].logged;
    CHECK_OK(kt_http_metrics_write(w->metrics, &text));
    CHECK_OK(kt_buffer_append(&text, "", 1));
    CHECK_EQ(number_behind(text.data, "\nhttp_requests_in_flight "), 0);
    CHECK_EQ(number_behind(text.data, "\nhttp_requests_total{"), logged);
}

static void check_ledger(const world *w)
{
    CHECK_EQ(w->running, 0);
    CHECK_EQ(w->jobs, 0);
    for (unsigned i = 0; i < w->asked; i++) {
        const ask *a = &w->asks[i];
        CHECK(a->begun <= a->logged);
        CHECK(!a->denied || !a->begun);
        bool unknown = !w->kind && a->log_status == 0; /* how much of a write has been sent whose time was over */
        if (!a->logged || !a->whole || unknown)
            continue;
        CHECK_EQ(a->log_status, a->seen_status);
        CHECK_EQ(a->log_bytes, a->seen_bytes);
    }
    check_metrics(w);
}

/* ---- Worlds ------------------------------------------------------------------------------------- */

static int agrees(const world *w, kt_stream *s, bool h2)
{
    const char *const alpn[] = {h2 ? "h2" : "http/1.1", NULL};
    const kt_tls_options o = {.server_name = "localhost", .alpn = alpn, .handshake_timeout = LIMIT};
    int rc = kt_stream_start_tls(s, w->tls, &o);
    if (rc < 0 && w->kind && !w->stopping)
        kt_test_fail("the handshake fails: %s (%s)", kt_error_name(rc), kt_error_detail());
    return rc;
}

KT_FN(visits, a, struct { world *w; })
{
    world *w = a->w;
    kt_auto(kt_stream) *s = NULL;
    kt_test_network_be(w->n, CLIENTS);
    int rc = rests(w);
    if (rc < 0 || w->stopping)
        return rc;
    rc = kt_stream_connect(SERVER, kt_listener_port(w->l), &s);
    if (rc < 0)
        return kt_is_cancel(rc) ? rc : 0;
    bool h2 = one_in(w, w->h2_in);
    if (w->tls && (rc = agrees(w, s, h2)) < 0)
        return kt_is_cancel(rc) ? rc : 0;
    return h2 ? h2_visit(w, s) : h1_visit(w, s);
}

static int serves(void *arg)
{
    world *w = *(world **)arg;
    CHECK_ERR(kt_http_serve(w->l, &w->o, handles, w), KT_ECANCELED);
    w->stopped = true;
    return 0;
}

/* Connections are lost for no reason, or nothing goes through them for a while. */
KT_FN(troubles, a, struct { world *w; })
{
    world *w = a->w;
    bool cuts = one_in(w, 2);
    int rc = 0;
    while (rc == 0) {
        rc = kt_sleep(1 + (kt_time)below(w, KT_S(1)));
        if (rc == 0 && !cuts)
            (void)kt_test_network_reset(w->n, SERVER, CLIENTS);
        if (rc < 0 || !cuts)
            continue;
        kt_test_network_cut(w->n, SERVER, CLIENTS);
        rc = kt_sleep((kt_time)below(w, (size_t)ONE_OF(w, KT_MS(100), KT_S(10))));
        kt_test_network_heal(w->n, SERVER, CLIENTS);
    }
    return rc;
}

static void draw_world(world *w)
{
    w->kind = one_in(w, 2);
    w->h2_in = (unsigned)ONE_OF(w, 0, 1, 2);
    w->slow_in = (unsigned)ONE_OF(w, 0, 2);
    w->late_in = (unsigned)ONE_OF(w, 0, 0, 20);
    w->cuts_in = (unsigned)ONE_OF(w, 0, 5);
    w->fails_in = (unsigned)ONE_OF(w, 0, 10);
    w->frames_max = (unsigned)ONE_OF(w, 0, 10, 50);
    w->resets_in = (unsigned)ONE_OF(w, 0, 1, 3);
    w->visitors = 1 + below(w, VISITORS_MAX);
    w->pause_max = (kt_time)ONE_OF(w, 0, KT_US(100), KT_MS(5), KT_MS(100));
    w->stops_after = one_in(w, 3) ? 0 : 1 + (kt_time)below(w, (size_t)ONE_OF(w, KT_MS(20), KT_S(1), KT_S(4)));
    w->o = (kt_http_options){
        .requests_max = (uint32_t)ONE_OF(w, 0, 0, 1, 3),
        .connections_max = (uint32_t)ONE_OF(w, 0, 0, 3),
        .body_bytes_max = ONE_OF(w, 1000000, 1000000, 1000),
        .grace = KT_S(900),
        .head_timeout = KT_S(300),
        .body_timeout = KT_S(300),
        .idle_timeout = KT_S(300),
        .write_timeout = KT_S(300),
        .tls_timeout = KT_S(300),
        .request_timeout = KT_S(2000),
        .log = tells,
        .log_arg = w,
        .stack_bytes = 96 * 1024,
    };
    if (w->kind)
        return;
    w->leaves_in = (unsigned)ONE_OF(w, 0, 2, 4);
    w->sleeps_in = (unsigned)ONE_OF(w, 0, 8);
    w->o.grace = (kt_time)ONE_OF(w, 0, KT_MS(1), KT_MS(300), KT_S(2));
    w->o.grace = w->o.grace ? w->o.grace : -1;
    w->o.head_timeout = (kt_time)ONE_OF(w, 0, KT_MS(50));
    w->o.body_timeout = (kt_time)ONE_OF(w, 0, KT_MS(50));
    w->o.idle_timeout = (kt_time)ONE_OF(w, 0, KT_MS(50));
    w->o.write_timeout = (kt_time)ONE_OF(w, 0, KT_MS(50));
    w->o.request_timeout = (kt_time)ONE_OF(w, KT_MS(100), KT_S(2));
    w->o.connections_per_address_max = (uint32_t)ONE_OF(w, 0, 0, 3);
}

static void draw_network(world *w)
{
    kt_test_network_options o = {
        .seed = 1 + below(w, 1000000),
        .latency = (kt_time)ONE_OF(w, 0, KT_US(50), KT_MS(2), KT_MS(50)),
        .jitter = (kt_time)ONE_OF(w, 0, 0, KT_US(30), KT_MS(10)),
        .segment_max = ONE_OF(w, 1, 7, 100, 1460, 1460, 16384),
        .window = ONE_OF(w, 100, 5000, 65536, 131072),
    };
    bool narrow = o.segment_max < 1000 || o.window < 1000;
    w->answer_max = narrow ? 400 : ONE_OF(w, 500, 20000, 100000);
    w->request_max = narrow ? 400 : ONE_OF(w, 500, 20000, 100000, 600000);
    w->files_count = narrow ? 2 : FILES;
    w->n = kt_test_network_open(&o);
    kt_test_network_use(w->n);
}

/* The server stops, at once or while clients are at it. */
static int opens_and_stops(world *w)
{
    kt_auto(kt_group) visitors = KT_GROUP_INIT, others = KT_GROUP_INIT;
    kt_task *server = NULL;
    int rc = kt_spawn(serves, &w, sizeof w, &server);
    for (size_t i = 0; rc == 0 && i < w->visitors; i++)
        rc = kt_group_spawn(&visitors, KT_WITH(visits, .w = w));
    if (rc == 0 && !w->kind && one_in(w, 4))
        rc = kt_group_spawn(&others, KT_WITH(troubles, .w = w));
    if (rc == 0)
        rc = w->stops_after > 0 ? kt_sleep(w->stops_after) : kt_group_join(&visitors, 0);
    CHECK_OK(rc);
    w->stopping = true;
    kt_time start = kt_now(), grace = w->o.grace > 0 ? w->o.grace : 0;
    note(w, "the server stops");
    kt_task_cancel(server);
    rc = kt_task_join(server);
    CHECK(rc == 0 || (rc == KT_ECANCELED && w->asked == 0)); /* the latter: it had not begun */
    CHECK_LE(kt_now() - start, grace + KT_MS(600));
    CHECK_EQ(w->running, 0);
    CHECK_EQ(w->jobs, 0);
    kt_listener_close(w->l);
    if (w->stops_after > 0)
        CHECK_OK(kt_group_join(&visitors, 0));
    kt_group_cancel(&others);
    return kt_group_join(&others, 0);
}

static void make_file(char *path, size_t size, const char *folder, int i)
{
    static char bytes[150000];
    snprintf(path, size, "%s/%d", folder, i);
    fill(bytes, file_sizes[i], number_of_file(i), 0);
    FILE *f = fopen(path, "w");
    CHECK(f && fwrite(bytes, 1, file_sizes[i], f) == file_sizes[i] && fclose(f) == 0);
}

KT_FN(lives, a, struct { uint64_t seed; const char (*files)[200]; const kt_tls_config *client, *server; bool says; })
{
    static world w;
    w = (world){.random = a->seed, .says = a->says, .tls = a->client};
    for (int i = 0; i < FILES; i++)
        w.files[i] = a->files[i];
    draw_world(&w);
    w.o.tls = a->server;
    draw_network(&w);
    CHECK_OK(kt_http_metrics_new(&w.metrics));
    kt_test_network_be(w.n, SERVER);
    CHECK_OK(kt_listen(SERVER, 0, NULL, &w.l));
    int rc = opens_and_stops(&w);
    check_ledger(&w);
    kt_http_metrics_free(w.metrics);
    kt_test_network_close(w.n);
    return rc;
}

/* Not twice each: Date is the real one, and HPACK makes it longer or shorter; and keys are others each time. */
static void run_worlds(unsigned seeds, const kt_tls_config *client, const kt_tls_config *server)
{
    char folder[] = "/tmp/kettle-chaos-XXXXXX", files[FILES][200];
    const char *first = getenv("KETTLE_CHAOS_FROM"), *count = getenv("KETTLE_TEST_SEEDS");
    uint64_t last = count ? strtoull(count, NULL, 10) : seeds;
    setenv("KETTLE_DRIVER", "sim", 1);
    CHECK(mkdtemp(folder) != NULL);
    for (int i = 0; i < FILES; i++)
        make_file(files[i], sizeof files[i], folder, i);
    for (uint64_t seed = first ? strtoull(first, NULL, 10) : 1; seed <= last; seed++) {
        const kt_options o = {.driver = KT_DRIVER_SIM, .virtual_time = true, .seed = seed};
        size_t blocks = kt_test_blocks();
        printf("seed %llu\n", (unsigned long long)seed);
        CHECK_OK(kt_run_with(&o, KT_WITH(lives, .seed = seed, .files = (const char(*)[200])files, .client = client,
                                         .server = server, .says = first)));
        CHECK_EQ(kt_test_blocks(), blocks);
    }
    for (int i = 0; i < FILES; i++)
        CHECK_EQ(unlink(files[i]), 0);
    CHECK_EQ(rmdir(folder), 0);
}

TEST_WITH(each_request_is_answered_as_is_promised_whatever_a_legal_client_does, KT_TEST_NO_LOOP)
{
    run_worlds(SEEDS, NULL, NULL);
}

TEST_WITH(so_it_is_over_tls, KT_TEST_NO_LOOP)
{
    const char *const protocols[] = {"h2", "http/1.1", NULL};
    const kt_tls_certificate certificate = {.chain_pem = certificate_of(good()), .key_pem = key_of(good())};
    const kt_tls_server_options server = {.certificates = &certificate, .certificate_count = 1, .alpn = protocols};
    const kt_tls_client_options client = {
        .ca_pem = certificate_of(authority()), .no_system_trust = true, .no_resumption = true};
    kt_auto(kt_tls_config) *of_client = NULL, *of_server = NULL;
    CHECK_OK(kt_tls_client_new(&client, &of_client));
    CHECK_OK(kt_tls_server_new(&server, &of_server));
    run_worlds(SEEDS_TLS, of_client, of_server);
}
