/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/stream_backend.h>
#include <kettle/tls.h>

#include "../tls/certificates.h"

static kt_tls_client_options client_options(void)
{
    return (kt_tls_client_options){.no_system_trust = true, .ca_pem = certificate_of(authority())};
}

static const kt_tls_server_options *server_options(void)
{
    static kt_tls_certificate certificate;
    static kt_tls_server_options o = {.certificates = &certificate, .certificate_count = 1};
    certificate = (kt_tls_certificate){.chain_pem = certificate_of(good()), .key_pem = key_of(good())};
    return &o;
}

typedef struct ends {
    kt_tls_config *client_config, *server_config;
    kt_stream *client, *server;
} ends;

/* Nobody waits long for a peer that was harmed. */
static const kt_tls_options hasty = {.server_name = "localhost", .handshake_timeout = KT_S(1),
                                     .shutdown_timeout = KT_MS(10)};

static ends ends_open(void)
{
    ends e = {0};
    kt_stream *both[2];
    const kt_tls_client_options o = client_options();
    sure(kt_tls_client_new(&o, &e.client_config));
    sure(kt_tls_server_new(server_options(), &e.server_config));
    sure(kt_stream_memory_pair(0, both));
    e.client = both[0];
    e.server = both[1];
    return e;
}

static void ends_close(ends *e)
{
    kt_stream_close(e->client);
    kt_stream_close(e->server);
    kt_tls_config_free(e->client_config);
    kt_tls_config_free(e->server_config);
}

static int serves(void *arg)
{
    const ends *e = arg;
    return kt_stream_start_tls(e->server, e->server_config, &hasty);
}

static ends ends_shaken(void)
{
    ends e = ends_open();
    kt_task *t = spawn(serves, &e, 0);
    sure(kt_stream_start_tls(e.client, e.client_config, &hasty));
    sure(kt_task_join(t));
    return e;
}

/* What struck the subject is not the other side's affair. */
static int join_untouched(kt_task *t)
{
    kt_cancel_hold();
    int rc = kt_task_join(t);
    kt_cancel_unhold();
    return rc;
}

/* ---- Configs --------------------------------------------------------------------------------- */

static int makes_client(void *arg)
{
    kt_auto(kt_tls_config) *c = NULL;
    const kt_tls_client_options o = client_options();
    int rc = SWEPT(kt_tls_client_new, (&o, &c));
    (void)arg;
    CHECK((rc < 0) == !c);
    return rc;
}

SWEEP(kt_tls_client_new, ALLOCATES)
{
    (void)sweep_subject(makes_client, NULL);
}

static int makes_server(void *arg)
{
    kt_auto(kt_tls_config) *c = NULL;
    int rc = SWEPT(kt_tls_server_new, (server_options(), &c));
    (void)arg;
    CHECK((rc < 0) == !c);
    return rc;
}

SWEEP(kt_tls_server_new, ALLOCATES)
{
    (void)sweep_subject(makes_server, NULL);
}

static int reloads_client(void *arg)
{
    const kt_tls_client_options o = client_options();
    return SWEPT(kt_tls_client_reload, (arg, &o));
}

SWEEP(kt_tls_client_reload, ALLOCATES)
{
    ends e = ends_open();
    (void)sweep_subject(reloads_client, e.client_config);
    ends_close(&e);
}

static int reloads_server(void *arg)
{
    return SWEPT(kt_tls_server_reload, (arg, server_options()));
}

SWEEP(kt_tls_server_reload, ALLOCATES)
{
    ends e = ends_open();
    (void)sweep_subject(reloads_server, e.server_config);
    ends_close(&e);
}

SWEEP(kt_tls_config_free, PLAIN)
{
    kt_tls_config *c = NULL;
    sure(kt_tls_server_new(server_options(), &c));
    SWEPT(kt_tls_config_free, (c));
    CHECK(c != NULL);
}

/* ---- Connections ----------------------------------------------------------------------------- */

static int shakes(void *arg)
{
    kt_stream *both[2];
    ends e = *(ends *)arg;
    sure(kt_stream_memory_pair(0, both));
    e.client = both[0];
    e.server = both[1];
    kt_task *t = spawn(serves, &e, 0);
    int rc = SWEPT(kt_stream_start_tls, (e.client, e.client_config, &hasty));
    kt_stream_close(e.client);
    CHECK(join_untouched(t) < 0 || rc == 0 || sweep_struck());
    kt_stream_close(e.server);
    return rc;
}

/* After a failure a stream is good only to be closed, so each try has one of its own. */
SWEEP(kt_stream_start_tls, SUSPENDS | ALLOCATES | TELLS)
{
    ends e = ends_open();
    sweep_begin(shakes, &e);
    (void)sweep_end();
    ends_close(&e);
}

static int shakes_as_client(void *arg)
{
    const ends *e = arg;
    int rc = kt_stream_start_tls(e->client, e->client_config, &hasty);
    kt_stream_close(e->client);
    return rc;
}

static int shakes_as_server(void *arg)
{
    kt_stream *both[2];
    ends e = *(ends *)arg;
    sure(kt_stream_memory_pair(0, both));
    e.client = both[0];
    e.server = both[1];
    kt_task *t = spawn(shakes_as_client, &e, 0);
    int rc = SWEPT(kt_stream_start_tls, (e.server, e.server_config, &hasty));
    kt_stream_close(e.server);
    CHECK(join_untouched(t) < 0 || rc == 0 || sweep_struck());
    return rc;
}

SWEEP_AS(kt_stream_start_tls, server, SUSPENDS | ALLOCATES | TELLS)
{
    ends e = ends_open();
    sweep_begin(shakes_as_server, &e);
    (void)sweep_end();
    ends_close(&e);
}

static int handles(kt_stream *s, void *arg)
{
    char byte;
    (void)arg;
    ssize_t n = kt_stream_read(s, &byte, 1);
    return n < 0 ? (int)n : 0;
}

static int serves_service(void *arg)
{
    kt_stream *both[2];
    ends e = *(ends *)arg;
    kt_tls_service v = {.config = e.server_config, .options = hasty, .handler = handles};
    sure(kt_stream_memory_pair(0, both));
    e.client = both[0];
    e.server = both[1];
    kt_task *t = spawn(shakes_as_client, &e, 0);
    int rc = SWEPT(kt_tls_serve, (e.server, &v));
    kt_stream_close(e.server);
    (void)!join_untouched(t);
    return rc;
}

/* A handshake that fails without memory is no failure of the server. */
SWEEP(kt_tls_serve, SUSPENDS | ALLOCATES | SPARES | TELLS)
{
    ends e = ends_open();
    sweep_begin(serves_service, &e);
    (void)sweep_end();
    ends_close(&e);
}

typedef struct place {
    kt_tls_config *config;
    uint16_t port;
} place;

static int connects(void *arg)
{
    const place *p = arg;
    kt_auto(kt_stream) *s = NULL;
    int rc = SWEPT(kt_tls_connect, (p->config, "127.0.0.1", p->port, &hasty, &s));
    CHECK((rc < 0) == !s);
    return rc;
}

/* A peer that is there still would wait for bytes whose sending has failed, and virtual time stands still. */
SWEEP(kt_tls_connect, SUSPENDS | ALLOCATES | SPARES | WINS | REAL | UNREFUSED)
{
    ends e = ends_open();
    kt_listener *l = NULL;
    kt_auto(kt_server) *server = NULL;
    kt_tls_service v = {.config = e.server_config, .options = hasty, .handler = handles};
    sweep_listen(&l);
    place p = {e.client_config, kt_listener_port(l)};
    sure(kt_server_start(l, NULL, kt_tls_serve, &v, &server));
    sweep_begin(connects, &p);
    (void)sweep_end();
    sure(kt_server_stop(server, KT_S(5)));
    ends_close(&e);
}

/* ---- What all streams do, over TLS ------------------------------------------------------------ */

static int reads(void *arg)
{
    char bytes[8] = "";
    ssize_t n = SWEPT(kt_stream_read, (arg, bytes, sizeof bytes));
    CHECK_STR(bytes, n < 0 ? "" : "tea");
    return (int)n;
}

static void check_hears(kt_stream *s, const char *expected)
{
    char bytes[8] = "";
    sure(kt_stream_read_exactly(s, bytes, strlen(expected)));
    CHECK_STR(bytes, expected);
}

/* A ticket that there is no memory for is not kept. */
SWEEP_AS(kt_stream_read, tls, SUSPENDS | ALLOCATES | SPARES)
{
    ends e = ends_shaken();
    sweep_begin(reads, e.client);
    settle();
    sure(kt_stream_write(e.server, "tea", 3));
    if (sweep_end() < 0)
        check_hears(e.client, "tea"); /* nothing was taken */
    sure(kt_stream_write(e.client, "pot", 3)); /* the other direction is unharmed */
    check_hears(e.server, "pot");
    ends_close(&e);
}

enum { MUCH = 300 * 1000 }; /* several times what the pair holds */

/* How many bytes came, and then how the stream ended. */
KT_FN(drinks, a, struct {
    kt_stream *s;
    size_t *count;
})
{
    static char bytes[65536];
    ssize_t n;
    while ((n = kt_stream_read(a->s, bytes, sizeof bytes)) > 0)
        *a->count += (size_t)n;
    return (int)n;
}

/* After a failure in the middle a stream is torn, so each try has one of its own. All that was sent can be read. */
static int writes_much(void *arg)
{
    static const char much[MUCH];
    size_t count = 0;
    ends e = ends_shaken();
    (void)arg;
    kt_task *t = spawn(KT_WITH(drinks, e.server, &count));
    int rc = SWEPT(kt_stream_write, (e.client, much, sizeof much));
    kt_cancel_hold();
    kt_stream_close(kt_steal(e.client));
    CHECK_OK(kt_task_join(t)); /* an end in order, even so */
    kt_cancel_unhold();
    CHECK(rc < 0 ? count < sizeof much : count == sizeof much);
    ends_close(&e);
    return rc;
}

SWEEP_AS(kt_stream_write, tls, SUSPENDS | ALLOCATES | SPARES)
{
    sweep_begin(writes_much, NULL);
    (void)sweep_end();
}

static int ends_writing(void *arg)
{
    return SWEPT(kt_stream_shutdown_write, (arg));
}

SWEEP_AS(kt_stream_shutdown_write, tls, ALLOCATES)
{
    ends e = ends_shaken();
    char byte;
    (void)sweep_subject(ends_writing, e.client);
    CHECK_EQ(kt_stream_read(e.server, &byte, 1), 0);
    ends_close(&e);
}

static int closes(void *arg)
{
    SWEPT(kt_stream_close, (arg));
    return 0;
}

/* Whatever happens to who closes, the peer hears the farewell; unless there was no memory to say it. */
SWEEP_AS(kt_stream_close, tls, SUSPENDS | ALLOCATES | HOLDS | SPARES)
{
    ends e = ends_shaken();
    char byte;
    sweep_begin(closes, kt_steal(e.client));
    settle();
    CHECK_EQ(kt_stream_read(e.server, &byte, 1), 0);
    kt_stream_close(kt_steal(e.server));
    sure(sweep_end());
    ends_close(&e);
}

/* ---- Facts ----------------------------------------------------------------------------------- */

SWEEP(kt_tls_info_get, PLAIN)
{
    ends e = ends_shaken();
    kt_tls_info info;
    sure(SWEPT(kt_tls_info_get, (e.client, &info)));
    CHECK_STR(info.version, "TLSv1.3");
    ends_close(&e);
}

static int gets_peer(void *arg)
{
    kt_auto(kt_tls_peer) *p = NULL;
    int rc = SWEPT(kt_tls_peer_get, (arg, &p));
    CHECK((rc < 0) == !p);
    return rc;
}

SWEEP(kt_tls_peer_get, ALLOCATES)
{
    ends e = ends_shaken();
    (void)sweep_subject(gets_peer, e.client);
    ends_close(&e);
}

SWEEP(kt_tls_peer_free, PLAIN)
{
    ends e = ends_shaken();
    kt_tls_peer *p = NULL;
    sure(kt_tls_peer_get(e.client, &p));
    CHECK_STR(p->subject, "CN=localhost");
    SWEPT(kt_tls_peer_free, (p));
    ends_close(&e);
}

/* ---- Back ends in front ---------------------------------------------------------------------- */

static kt_stream *beneath;

static void shell_close(void *object)
{
    (void)object;
    kt_stream_close(beneath);
}

static const kt_stream_backend shell = {.name = "shell", .close = shell_close};

static int wraps(void *arg)
{
    return SWEPT(kt_stream_wrap, (arg, &shell, arg, &beneath));
}

SWEEP(kt_stream_wrap, ALLOCATES)
{
    kt_stream *both[2];
    sure(kt_stream_memory_pair(0, both));
    if (sweep_subject(wraps, both[0]) < 0)
        CHECK(!kt_stream_object(both[0], &shell));
    kt_stream_close(both[0]);
    kt_stream_close(both[1]);
}

static int turns_over(void *arg)
{
    int rc = 0;
    (void)arg;
    for (int i = 0; rc == 0 && i < 1000; i++)
        rc = SWEPT(kt_stream_turn, ());
    return rc;
}

SWEEP(kt_stream_turn, SUSPENDS)
{
    sweep_begin(turns_over, NULL);
    (void)sweep_end();
}
