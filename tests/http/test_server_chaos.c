/* SPDX-License-Identifier: MIT */
/* The server among clients that do all that the protocols allow, whenever it suits it least, with handlers that do the
 * same: whatever it is, each request is handled once at most, gets its own answer, whole, or one that is visibly cut;
 * and a stop ends in time, and leaves nobody in doubt.
 *
 * KETTLE_TEST_SEEDS says how many worlds there are, and over TLS a tenth of that; with KETTLE_TEST_SEED, which is the
 * first, what happens in them is told. */
#include "server_chaos_h1.h"
#include "server_chaos_h2_hears.h"
#include "server_chaos_handlers.h"

#include <kettle/tls.h>
#include <unistd.h>

#include "../tls/certificates.h"

enum { SEEDS = 600, SEEDS_TLS = 60, VISITORS_MAX = 12 };

#define SERVER "10.0.0.1"
#define CLIENTS "10.0.0.2"

/* ---- The log ---------------------------------------------------------------------------------------- */

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
    CHECK(a->begun || a->wire_size > w->o.body_bytes_max);
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
        if (!a->upgrade)
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
    int rc = rests(&w->random, w->pause_max);
    if (rc < 0 || w->stopping)
        return rc;
    rc = kt_stream_connect(SERVER, kt_listener_port(w->l), &s);
    if (rc < 0)
        return kt_is_cancel(rc) ? rc : 0;
    bool h2 = one_in(&w->random, w->h2_in);
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
    bool cuts = one_in(&w->random, 2);
    int rc = 0;
    while (rc == 0) {
        rc = kt_sleep(1 + (kt_time)below(&w->random, KT_S(1)));
        if (rc == 0 && !cuts)
            (void)kt_test_network_reset(w->n, SERVER, CLIENTS);
        if (rc < 0 || !cuts)
            continue;
        kt_test_network_cut(w->n, SERVER, CLIENTS);
        rc = kt_sleep((kt_time)below(&w->random, (size_t)ONE_OF(&w->random, KT_MS(100), KT_S(10))));
        kt_test_network_heal(w->n, SERVER, CLIENTS);
    }
    return rc;
}

/* Then the source ends, and with it the answers to those who listen. */
static int ticks(void *arg)
{
    world *w = *(world **)arg;
    char text[24];
    int rc = 0;
    for (size_t left = below(&w->random, 40); rc == 0 && left > 0; left--) {
        rc = kt_sleep((kt_time)below(&w->random, KT_MS(50)));
        snprintf(text, sizeof text, "%u", w->ticks + 1);
        if (rc == 0)
            rc = kt_http_event_source_send(w->source, "tick", text, strlen(text));
        w->ticks += rc == 0;
    }
    kt_http_event_source_free(kt_steal(w->source));
    return kt_is_cancel(rc) ? 0 : rc;
}

static void draw_world(world *w)
{
    w->kind = one_in(&w->random, 2);
    w->h2_in = (unsigned)ONE_OF(&w->random, 0, 1, 2);
    w->slow_in = (unsigned)ONE_OF(&w->random, 0, 2);
    w->late_in = (unsigned)ONE_OF(&w->random, 0, 0, 20);
    w->cuts_in = (unsigned)ONE_OF(&w->random, 0, 5);
    w->fails_in = (unsigned)ONE_OF(&w->random, 0, 10);
    w->frames_max = (unsigned)ONE_OF(&w->random, 0, 10, 50);
    w->resets_in = (unsigned)ONE_OF(&w->random, 0, 1, 3);
    w->loses = one_in(&w->random, 2);
    w->visitors = 1 + below(&w->random, VISITORS_MAX);
    w->pause_max = (kt_time)ONE_OF(&w->random, 0, KT_US(100), KT_MS(5), KT_MS(100));
    w->stops_after = 1 + (kt_time)below(&w->random, (size_t)ONE_OF(&w->random, KT_MS(20), KT_S(1), KT_S(4)));
    if (one_in(&w->random, 3))
        w->stops_after = 0;
    w->o = (kt_http_options){
        .requests_max = (uint32_t)ONE_OF(&w->random, 0, 0, 1, 3),
        .connections_max = (uint32_t)ONE_OF(&w->random, 0, 0, 3),
        .body_bytes_max = ONE_OF(&w->random, 1000000, 1000000, 1000),
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
    w->leaves_in = (unsigned)ONE_OF(&w->random, 0, 2, 4);
    w->sleeps_in = (unsigned)ONE_OF(&w->random, 0, 8);
    w->o.grace = (kt_time)ONE_OF(&w->random, 0, KT_MS(1), KT_MS(300), KT_S(2));
    w->o.grace = w->o.grace ? w->o.grace : -1;
    w->o.head_timeout = (kt_time)ONE_OF(&w->random, 0, KT_MS(50));
    w->o.body_timeout = (kt_time)ONE_OF(&w->random, 0, KT_MS(50));
    w->o.idle_timeout = (kt_time)ONE_OF(&w->random, 0, KT_MS(50));
    w->o.write_timeout = (kt_time)ONE_OF(&w->random, 0, KT_MS(50));
    w->o.request_timeout = (kt_time)ONE_OF(&w->random, KT_MS(100), KT_S(2));
    w->o.connections_per_address_max = (uint32_t)ONE_OF(&w->random, 0, 0, 3);
}

static void draw_network(world *w)
{
    kt_test_network_options o = some_network(&w->random);
    bool narrow = o.segment_max < 1000 || o.window < 1000;
    w->answer_max = narrow ? 400 : ONE_OF(&w->random, 500, 20000, 100000);
    w->request_max = narrow ? 400 : ONE_OF(&w->random, 500, 20000, 100000, 600000);
    w->files_count = narrow ? 2 : FILES;
    w->n = kt_test_network_open(&o);
    kt_test_network_use(w->n);
}

/* The server stops, at once or while clients are at it. */
static int opens_and_stops(world *w)
{
    kt_auto(kt_group) visitors = KT_GROUP_INIT, others = KT_GROUP_INIT;
    kt_task *server = NULL;
    const kt_http_event_source_options o = {.history_max = w->loses ? 3 : 0, .heartbeat = KT_MS(20)};
    int rc = kt_spawn(serves, &w, sizeof w, &server);
    if (rc == 0 && one_in(&w->random, 3)) {
        CHECK_OK(kt_http_event_source_new(&o, &w->source));
        rc = kt_group_spawn(&others, ticks, &w, sizeof w);
    }
    for (size_t i = 0; rc == 0 && i < w->visitors; i++)
        rc = kt_group_spawn(&visitors, KT_WITH(visits, .w = w));
    if (rc == 0 && !w->kind && one_in(&w->random, 4))
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

/* What all worlds have; the configs are NULL without TLS. */
typedef struct scene {
    char files[FILES][200];
    const kt_tls_config *client, *server;
} scene;

static int lives(uint64_t seed, void *arg)
{
    static world w;
    const scene *all = arg;
    w = (world){.random = seed, .says = getenv("KETTLE_TEST_SEED"), .tls = all->client};
    for (int i = 0; i < FILES; i++)
        w.files[i] = all->files[i];
    draw_world(&w);
    w.o.tls = all->server;
    draw_network(&w);
    CHECK_OK(kt_http_metrics_new(&w.metrics));
    kt_test_network_be(w.n, SERVER);
    CHECK_OK(kt_listen(SERVER, 0, NULL, &w.l));
    int rc = opens_and_stops(&w);
    check_ledger(&w);
    kt_http_metrics_free(w.metrics);
    for (unsigned i = 0; i < w.asked; i++)
        kt_buffer_release(&w.asks[i].coded);
    kt_test_network_close(w.n);
    return rc;
}

static void run_worlds(uint64_t last, const kt_tls_config *client, const kt_tls_config *server)
{
    char folder[] = "/tmp/kettle-chaos-XXXXXX";
    scene all = {.client = client, .server = server};
    CHECK(mkdtemp(folder) != NULL);
    for (int i = 0; i < FILES; i++)
        make_file(all.files[i], sizeof all.files[i], folder, i);
    each_world(last, lives, &all);
    for (int i = 0; i < FILES; i++)
        CHECK_EQ(unlink(all.files[i]), 0);
    CHECK_EQ(rmdir(folder), 0);
}

TEST_WITH(each_request_is_answered_as_is_promised_whatever_a_legal_client_does, KT_TEST_NO_LOOP)
{
    run_worlds(worlds(SEEDS), NULL, NULL);
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
    run_worlds(worlds(10 * SEEDS_TLS) / 10, of_client, of_server);
}
