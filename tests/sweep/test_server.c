/* SPDX-License-Identifier: MIT */
#include "sweep.h"

/* A server, and what its handlers tell of themselves. */
typedef struct house {
    kt_listener *listener; /* until it has a server */
    kt_server *server;
    uint16_t port;
    int begun, ended;
} house;

/* Sends back what it gets; after an 's' it sleeps. */
static int serves_client(kt_stream *s, void *arg)
{
    house *h = arg;
    char byte;
    ssize_t n;
    int rc = 0;
    h->begun++;
    while (rc == 0 && (n = kt_stream_read(s, &byte, 1)) > 0)
        rc = byte == 's' ? kt_sleep(KT_S(30)) : kt_stream_write(s, &byte, 1);
    h->ended++;
    return 0;
}

static void house_found(house *h)
{
    sweep_listen(&h->listener);
    h->port = kt_listener_port(h->listener);
}

static void house_open(house *h)
{
    house_found(h);
    sure(kt_server_start(kt_steal(h->listener), NULL, serves_client, h, &h->server));
}

static void house_close(house *h)
{
    kt_server_free(kt_steal(h->server));
    CHECK_EQ(h->begun, h->ended);
}

static kt_stream *client_of(const house *h)
{
    kt_stream *s = NULL;
    sure(kt_stream_connect("127.0.0.1", h->port, &s));
    return s;
}

static void check_served(kt_stream *s)
{
    char byte = 0;
    sure(kt_stream_write(s, "x", 1));
    CHECK_EQ(kt_stream_read(s, &byte, 1), 1);
    CHECK_EQ(byte, 'x');
}

static kt_stream *served_client_of(const house *h)
{
    kt_stream *s = client_of(h);
    check_served(s);
    return s;
}

static kt_stream *sleeping_client_of(const house *h)
{
    kt_stream *s = served_client_of(h);
    sure(kt_stream_write(s, "s", 1));
    turns(6);
    return s;
}

static void check_ended(kt_stream *s)
{
    char byte;
    CHECK_EQ(kt_stream_read(s, &byte, 1), 0);
}

/* A newcomer is served, or refused. */
static void check_open(const house *h)
{
    kt_stream_close(served_client_of(h));
}

static void check_shut(const house *h)
{
    kt_stream *s = NULL;
    CHECK_ERR(kt_stream_connect("127.0.0.1", h->port, &s), -ECONNREFUSED);
}

/* ---- Starting -------------------------------------------------------------------------------- */

static int starts(void *arg)
{
    house *h = arg;
    int rc = SWEPT(kt_server_start, (h->listener, NULL, serves_client, h, &h->server));
    CHECK((rc < 0) == !h->server);
    if (rc >= 0)
        h->listener = NULL;
    return rc;
}

/* A pause after an accept that failed would last: virtual time stands still while the client reads. What
 * accepting does then is seen at kt_listener_accept. */
SWEEP(kt_server_start, ALLOCATES | REAL | UNREFUSED)
{
    house h = {0};
    house_found(&h);
    sure(sweep_subject(starts, &h));
    check_open(&h);
    house_close(&h);
}

static void take_note(const kt_unhandled *u, void *arg)
{
    CHECK_ERR(u->rc, -ENOMEM);
    ++*(int *)arg;
}

/* One who has waited for it may be let in within the call, or else be dropped. */
SWEEP_AS(kt_server_start, waited_for, ALLOCATES | SPARES | REAL | UNREFUSED)
{
    house h = {0};
    int dropped = 0;
    kt_error_handler_set(take_note, &dropped);
    house_found(&h);
    kt_stream *early = client_of(&h);
    sure(sweep_subject(starts, &h));
    turns(4);
    CHECK_EQ(h.begun + dropped, 1);
    if (dropped) {
        CHECK(sweep_struck());
        sure(kt_sleep(KT_MS(50))); /* so does the server */
    } else {
        check_served(early);
    }
    check_open(&h);
    kt_stream_close(early);
    house_close(&h);
}

/* ---- Stopping -------------------------------------------------------------------------------- */

static int closes(void *arg)
{
    SWEPT(kt_server_close, (arg));
    return 0;
}

SWEEP(kt_server_close, SUSPENDS | HOLDS | REAL)
{
    house h = {0};
    house_open(&h);
    kt_stream *client = served_client_of(&h);
    sweep_begin(closes, h.server);
    (void)sweep_end();
    check_shut(&h);
    check_served(client);
    kt_stream_close(client);
    sure(kt_server_wait_closed(h.server));
    house_close(&h);
}

static int waits_closed(void *arg)
{
    return SWEPT(kt_server_wait_closed, (arg));
}

static int also_waits(void *arg)
{
    return kt_server_wait_closed(arg);
}

SWEEP(kt_server_wait_closed, SUSPENDS | REAL)
{
    house h = {0};
    house_open(&h);
    sweep_begin(waits_closed, h.server);
    kt_task *other = spawn(also_waits, h.server, 0);
    kt_stream *client = served_client_of(&h);
    check_open(&h);
    kt_server_close(h.server);
    turns(4);
    CHECK(!kt_task_done(other)); /* there is a client */
    kt_stream_close(client);
    (void)sweep_end();
    sure(kt_task_join(other));
    house_close(&h);
}

static int serves(void *arg)
{
    return SWEPT(kt_server_serve_forever, (arg));
}

/* Cancelled, it stops the server; otherwise somebody has closed that before. */
SWEEP(kt_server_serve_forever, SUSPENDS | REAL)
{
    house h = {0}, neighbour = {0};
    house_open(&h);
    house_open(&neighbour);
    kt_stream *client = served_client_of(&h), *neighbours = served_client_of(&neighbour);
    kt_task *other = spawn(also_waits, h.server, 0);
    sweep_begin(serves, h.server);
    turns(4);
    if (!sweep_struck()) {
        check_open(&h);
        kt_server_close(h.server);
        kt_server_close_clients(h.server);
    }
    check_ended(client);
    if (sweep_end() < 0)
        CHECK(h.ended == h.begun && !kt_server_is_serving(h.server));
    sure(kt_task_join(other));
    check_shut(&h);
    check_served(neighbours);
    kt_stream_close(client);
    kt_stream_close(neighbours);
    house_close(&h);
    house_close(&neighbour);
}

static int stops(void *arg)
{
    house *h = arg;
    int rc = SWEPT(kt_server_stop, (h->server, KT_S(10)));
    CHECK_EQ(h->ended, h->begun);
    CHECK_EQ(kt_server_connections(h->server), 0);
    return rc;
}

/* One ends within the grace, the other has to be cancelled. */
SWEEP(kt_server_stop, SUSPENDS | WINS | REAL)
{
    house h = {0};
    house_open(&h);
    kt_stream *patient = served_client_of(&h), *sleeping = sleeping_client_of(&h);
    kt_task *other = spawn(also_waits, h.server, 0);
    sweep_begin(stops, &h);
    turns(8);
    if (!sweep_struck())
        check_served(patient);
    kt_stream_close(patient);
    int rc = sweep_end();
    CHECK(rc < 0 || rc == 1);
    check_ended(sleeping);
    sure(kt_task_join(other));
    check_shut(&h);
    kt_stream_close(sleeping);
    house_close(&h);
}

static int frees(void *arg)
{
    SWEPT(kt_server_free, (arg));
    return 0;
}

SWEEP(kt_server_free, SUSPENDS | HOLDS | REAL)
{
    house h = {0}, neighbour = {0};
    house_open(&h);
    house_open(&neighbour);
    kt_stream *idle = served_client_of(&h), *sleeping = sleeping_client_of(&h);
    kt_stream *neighbours = served_client_of(&neighbour);
    sweep_begin(frees, h.server);
    (void)sweep_end();
    CHECK_EQ(h.ended, 2);
    check_ended(idle);
    check_ended(sleeping);
    check_shut(&h);
    check_served(neighbours);
    kt_stream_close(idle);
    kt_stream_close(sleeping);
    kt_stream_close(neighbours);
    house_close(&neighbour);
}

/* ---- Clients --------------------------------------------------------------------------------- */

SWEEP(kt_server_close_clients, PLAIN | REAL)
{
    house h = {0};
    house_open(&h);
    kt_stream *client = served_client_of(&h);
    SWEPT(kt_server_close_clients, (h.server));
    check_ended(client);
    check_open(&h); /* for others */
    kt_stream_close(client);
    house_close(&h);
}

SWEEP(kt_server_abort_clients, PLAIN | REAL)
{
    house h = {0};
    char byte;
    house_open(&h);
    kt_stream *client = served_client_of(&h);
    SWEPT(kt_server_abort_clients, (h.server));
    CHECK_ERR(kt_stream_read(client, &byte, 1), -ECONNRESET);
    check_open(&h);
    kt_stream_close(client);
    house_close(&h);
}

/* ---- Facts ----------------------------------------------------------------------------------- */

SWEEP(kt_server_is_serving, PLAIN | REAL)
{
    house h = {0};
    house_open(&h);
    CHECK(SWEPT(kt_server_is_serving, (h.server)));
    kt_server_close(h.server);
    CHECK(!SWEPT(kt_server_is_serving, (h.server)));
    house_close(&h);
}

SWEEP(kt_server_listener, PLAIN | REAL)
{
    house h = {0};
    house_open(&h);
    CHECK_EQ(kt_listener_port(SWEPT(kt_server_listener, (h.server))), h.port);
    kt_server_close(h.server);
    CHECK(!SWEPT(kt_server_listener, (h.server)));
    house_close(&h);
}

SWEEP(kt_server_connections, PLAIN | REAL)
{
    house h = {0};
    house_open(&h);
    CHECK_EQ(SWEPT(kt_server_connections, (h.server)), 0);
    kt_stream *client = served_client_of(&h);
    CHECK_EQ(SWEPT(kt_server_connections, (h.server)), 1);
    kt_stream_close(client);
    house_close(&h);
}

/* ---- Sockets that others have opened ---------------------------------------------------------- */

static int listening_socket(void)
{
    kt_address a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    sure(kt_address_parse("127.0.0.1", 0, &a));
    CHECK_EQ(bind(fd, &a.any, a.size), 0);
    CHECK_EQ(listen(fd, 5), 0);
    return fd;
}

static int adopts(void *arg)
{
    kt_listener *l = NULL;
    int rc = SWEPT(kt_listener_from_fd, (*(int *)arg, &l));
    CHECK((rc < 0) == !l);
    kt_listener_close(l);
    return rc;
}

/* What its questions to the system fail with says what the descriptor is not. */
SWEEP(kt_listener_from_fd, ALLOCATES | REAL | UNREFUSED)
{
    int fd = listening_socket();
    (void)sweep_subject(adopts, &fd);
}

static int takes_over(void *arg)
{
    (void)arg;
    kt_listener *l = NULL;
    int rc = SWEPT(kt_listen_activated, (NULL, &l));
    CHECK((rc < 0) == !l);
    kt_listener_close(l);
    return rc;
}

/* The kit's own descriptors have the numbers from 3 on: as many are announced as it takes. */
SWEEP(kt_listen_activated, ALLOCATES | REAL | UNREFUSED)
{
    char pid[24], count[24];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    snprintf(count, sizeof count, "%d", listening_socket() - 2);
    CHECK_EQ(setenv("LISTEN_PID", pid, 1) + setenv("LISTEN_FDS", count, 1), 0);
    (void)sweep_subject(takes_over, NULL);
}
