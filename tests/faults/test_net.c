/* SPDX-License-Identifier: MIT */

/* TLS and HTTP. */
#include "faults.h"

#include <kettle/http.h>
#include <kettle/tls.h>

#include "../tls/certificates.h"

/* ---- TLS --------------------------------------------------------------------------------------- */

/* Once, in the process that all runs are forked from. */
__attribute__((constructor)) static void certify(void)
{
    (void)good();
}

static const kt_tls_options hasty = {.server_name = "localhost", .handshake_timeout = KT_MS(500),
                                     .shutdown_timeout = KT_MS(10)};

typedef struct side {
    kt_stream **stream;
    const kt_tls_config *config;
} side;

static int answers(void *arg)
{
    const side *s = arg;
    char bytes[4];
    if (ok(kt_stream_start_tls(*s->stream, s->config, &hasty)) && ok(kt_stream_read_exactly(*s->stream, bytes, 4)))
        ok(kt_stream_write(*s->stream, bytes, 4));
    kt_stream_close(kt_steal(*s->stream)); /* whoever waits for it waits no more */
    return 0;
}

static void hears(kt_stream *s)
{
    char bytes[4];
    if (ok(kt_stream_read_exactly(s, bytes, 4)))
        MUST(memcmp(bytes, "ping", 4) == 0);
}

static void asks(kt_stream *s, const kt_tls_config *config)
{
    if (ok(kt_stream_start_tls(s, config, &hasty)) && ok(kt_stream_write(s, "ping", 4)))
        hears(s);
}

static void receives(kt_stream *s, const kt_tls_config *config)
{
    if (ok(kt_stream_start_tls(s, config, &hasty)))
        hears(s);
}

typedef void client_fn(kt_stream *s, const kt_tls_config *config);

static void talk(kt_stream *both[2], const kt_tls_config *client, const kt_tls_config *server, kt_fn serve,
                 client_fn *ask)
{
    kt_task *t = NULL;
    const side s = {&both[1], server};
    if (!ok(kt_spawn(serve, &s, sizeof s, &t)))
        return;
    ask(both[0], client);
    kt_stream_close(kt_steal(both[0]));
    ok(kt_task_join(t));
}

static void talk_secretly(kt_fn serve, client_fn *ask)
{
    const kt_tls_certificate certificate = {.chain_pem = certificate_of(good()), .key_pem = key_of(good())};
    const kt_tls_client_options of_client = {.no_system_trust = true, .ca_pem = certificate_of(authority())};
    const kt_tls_server_options of_server = {.certificates = &certificate, .certificate_count = 1};
    kt_auto(kt_tls_config) *client = NULL, *server = NULL;
    kt_stream *both[2];
    if (!ok(kt_tls_client_new(&of_client, &client)) || !ok(kt_tls_server_new(&of_server, &server)))
        return;
    if (!ok(kt_stream_pair(both)))
        return;
    talk(both, client, server, serve, ask);
    kt_stream_close(both[0]);
    kt_stream_close(both[1]);
}

static void shakes_hands(void)
{
    talk_secretly(answers, asks);
}

#define LAST "behind all that was said, where nobody reads or writes any more"
#define GONE "the peer has gone, it may have said why: listened for"
#define OF_TLS \
    {"sendmsg", EPIPE, FAILED, GONE}, \
        {"sendmsg", ECONNRESET, FAILED, GONE}, \
        {"completion of a write", EPIPE, FAILED, GONE}, \
        {"completion of a write", ECONNRESET, FAILED, GONE}, \
        {"sendmsg", 0, 0, LAST}, \
        {"readv", 0, 0, LAST}, \
        {"completion of a read", 0, 0, LAST}
static const spared of_tls[] = {
    OF_TLS,
    {NULL, 0, 0, NULL},
};

SCENARIO(tls_over_a_socket, NULL, shakes_hands, of_tls)

/* A file goes into it by way of memory. */
static int sends_file(void *arg)
{
    const side *s = arg;
    kt_file *f = NULL;
    if (ok(kt_stream_start_tls(*s->stream, s->config, &hasty)) && ok(kt_file_open("file", O_RDONLY, 0, &f))) {
        ok(kt_stream_sendfile(*s->stream, kt_file_fd(f), 0, 4, 0));
        ok(kt_file_close(f));
    }
    kt_stream_close(kt_steal(*s->stream));
    return 0;
}

static void file_of_four(void)
{
    put("file", "ping");
}

static void sends_secretly(void)
{
    talk_secretly(sends_file, receives);
}

static const spared of_sending[] = {
    OF_TLS,
    {NULL, 0, 0, NULL},
};

SCENARIO(a_file_over_tls, file_of_four, sends_secretly, of_sending)

/* ---- HTTP -------------------------------------------------------------------------------------- */

static int hello(kt_http_exchange *x, void *arg)
{
    kt_slice body;
    (void)arg;
    int rc = kt_http_read_all(x, 100, &body);
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", body.data, body.size);
}

static void heard(const kt_http_record *record, void *arg)
{
    (void)arg;
    ok(record->rc);
}

static int serves(void *arg)
{
    kt_listener **l = *(kt_listener ***)arg;
    const kt_http_options options = {.log = heard, .grace = KT_MS(10), .idle_timeout = KT_MS(500),
                                     .body_timeout = KT_MS(500), .write_timeout = KT_MS(500)};
    int rc = kt_http_serve(*l, &options, hello, NULL);
    kt_listener_close(kt_steal(*l)); /* whoever waits for it waits no more */
    if (!kt_is_cancel(rc))
        ok(rc);
    return 0;
}

static void requests(uint16_t port)
{
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    const kt_http_call call = {.host = "127.0.0.1", .port = port, .method = "POST", .target = "/", .body = "hello",
                               .body_size = 5};
    if (!ok(kt_http_fetch(&call, &reply)))
        return;
    if (reply.status != 200)
        ok(-EPROTO); /* told by the status */
    else
        MUST(reply.body.size == 5 && memcmp(reply.body.data, "hello", 5) == 0);
}

static void asks_and_serves(void)
{
    kt_auto(kt_listener) *l = NULL;
    kt_listener **place = &l;
    kt_task *server = NULL;
    if (!ok(kt_listen("127.0.0.1", 0, NULL, &l)))
        return;
    uint16_t port = kt_listener_port(l);
    if (!ok(kt_spawn(serves, &place, sizeof place, &server)))
        return;
    requests(port);
    end_task(server);
}

#define ANSWERED "an answer that is there is read all the same"
#define LATER "waited for the next one, or tried again after a while"
#define SILENT "a connection that brings no request is dropped, and nothing logged: the client meets its end"
static const spared of_http[] = {
    {"madvise", 0, FAILED, SILENT},
    {"epoll_ctl", 0, FAILED, SILENT},
    {"readv", 0, FAILED, SILENT},
    {"completion of a read", 0, FAILED, SILENT},
    {"accept4", 0, KT_ETIMEDOUT, "for good: waited for as long as the caller likes"},
    {"completion of an accept", 0, KT_ETIMEDOUT, "for good: waited for as long as the caller likes"},
    {"accept4", 0, 0, LATER},
    {"epoll_ctl", 0, 0, LATER},
    {"completion of an accept", 0, 0, LATER},
    {"setsockopt", 0, 0, "TCP_NODELAY of a peer that may be gone: shows at the first read"},
    {"getpeername", 0, 0, "a client without a name"},
    {"shutdown", 0, 0, LAST},
    {"readv", 0, 0, LAST},
    {"completion of a read", 0, 0, LAST},
    {"completion of a write", EPIPE, 0, ANSWERED},
    {"completion of a write", ECONNRESET, 0, ANSWERED},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_request_and_its_answer, NULL, asks_and_serves, of_http)
