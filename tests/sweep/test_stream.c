/* SPDX-License-Identifier: MIT */
#include "stream_pair.h"

#include <netinet/in.h>

/* ---- Connecting ------------------------------------------------------------------------------ */

static kt_listener *listener_open(void)
{
    kt_listener *l = NULL;
    sweep_listen(&l);
    return l;
}

static int connects(void *arg)
{
    kt_auto(kt_stream) *s = NULL;
    int rc = SWEPT(kt_stream_connect, ("localhost", kt_listener_port(arg), &s));
    CHECK((rc < 0) == !s);
    return rc;
}

/* The name takes a thread, and the words of an address that refuses take memory that can be spared. */
SWEEP(kt_stream_connect, SUSPENDS | ALLOCATES | SPARES | WINS | REAL)
{
    kt_auto(kt_listener) *l = listener_open();
    kt_auto(kt_stream) *s = NULL;
    sweep_begin(connects, l);
    (void)sweep_end();
    sure(kt_stream_connect("127.0.0.1", kt_listener_port(l), &s));
}

/* Two names, one after the other. */
static int connects_with(void *arg)
{
    const kt_connect_options options = {.local_host = "localhost"};
    kt_auto(kt_stream) *s = NULL;
    int rc = SWEPT(kt_stream_connect_with, ("localhost", kt_listener_port(arg), &options, &s));
    CHECK((rc < 0) == !s);
    return rc;
}

SWEEP(kt_stream_connect_with, SUSPENDS | ALLOCATES | SPARES | WHOLE | WINS | REAL)
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_stream) *s = NULL;
    sure(kt_listen(NULL, 0, NULL, &l));
    sweep_begin(connects_with, l);
    (void)sweep_end();
    sure(kt_stream_connect("127.0.0.1", kt_listener_port(l), &s));
}

static const char *abstract_name(void)
{
    static char name[64];
    snprintf(name, sizeof name, "@kettle-sweep-%d", (int)getpid());
    return name;
}

static int connects_unix(void *arg)
{
    kt_auto(kt_stream) *s = NULL;
    int rc = SWEPT(kt_stream_connect_unix, (arg, &s));
    CHECK((rc < 0) == !s);
    if (!sweep_struck())
        sure(kt_stream_write(s, "x", 1));
    return rc;
}

/* It has to wait since the line of connections is full. */
SWEEP(kt_stream_connect_unix, SUSPENDS | ALLOCATES | WINS | REAL)
{
    const kt_listen_options short_line = {.backlog = 1};
    kt_auto(kt_listener) *l = NULL;
    kt_stream *inside[2], *accepted = NULL, *s = NULL;
    sure(kt_listen_unix(abstract_name(), &short_line, &l));
    for (int i = 0; i < 2; i++) /* the backlog, and one more (unix(7)) */
        sure(kt_stream_connect_unix(abstract_name(), &inside[i]));
    sweep_begin(connects_unix, (void *)(uintptr_t)abstract_name());
    turns(4);
    sure(kt_listener_accept(l, &accepted));
    if (sweep_end() < 0)
        sure(kt_stream_connect_unix(abstract_name(), &s)); /* the place was not taken */
    kt_stream_close(s);
    kt_stream_close(accepted);
    kt_stream_close(inside[0]);
    kt_stream_close(inside[1]);
}

static int makes_pair(void *arg)
{
    kt_stream *ends[2] = {NULL, NULL};
    int rc = SWEPT(kt_stream_pair, (ends));
    (void)arg;
    CHECK((rc < 0) == !ends[0] && (rc < 0) == !ends[1]);
    kt_stream_close(ends[0]);
    kt_stream_close(ends[1]);
    return rc;
}

SWEEP(kt_stream_pair, ALLOCATES | REAL)
{
    (void)sweep_subject(makes_pair, NULL);
}

static int makes_stream(void *arg)
{
    kt_auto(kt_stream) *s = NULL;
    int rc = SWEPT(kt_stream_from_fd, (*(int *)arg, &s));
    CHECK((rc < 0) == !s);
    return rc;
}

SWEEP(kt_stream_from_fd, ALLOCATES | REAL)
{
    int ends[2];
    CHECK_OK(pipe(ends));
    (void)sweep_subject(makes_stream, &ends[0]);
    CHECK_ERR(close(ends[0]), -1); /* the stream's, in the end */
    close(ends[1]);
}

/* ---- Listening ------------------------------------------------------------------------------- */

static int listens(void *arg)
{
    kt_auto(kt_listener) *l = NULL;
    int rc = SWEPT(kt_listen, (arg, 0, NULL, &l));
    CHECK((rc < 0) == !l);
    return rc;
}

SWEEP(kt_listen, SUSPENDS | ALLOCATES | REAL)
{
    sweep_begin(listens, "localhost");
    (void)sweep_end();
}

static int listens_unix(void *arg)
{
    kt_auto(kt_listener) *l = NULL;
    int rc = SWEPT(kt_listen_unix, (arg, NULL, &l));
    CHECK((rc < 0) == !l);
    CHECK_EQ(access(arg, F_OK), rc < 0 ? -1 : 0); /* a failure leaves no file */
    return rc;
}

SWEEP(kt_listen_unix, ALLOCATES | REAL)
{
    char folder[] = "/tmp/kettle-sweep-XXXXXX", path[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/socket", folder);
    (void)sweep_subject(listens_unix, path);
    CHECK_OK(rmdir(folder));
}

static int accepts(void *arg)
{
    kt_auto(kt_stream) *s = NULL;
    int rc = SWEPT(kt_listener_accept, (arg, &s));
    CHECK((rc < 0) == !s);
    return rc;
}

SWEEP(kt_listener_accept, SUSPENDS | ALLOCATES | REAL)
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_stream) *s = NULL;
    kt_stream *clients[2];
    sure(kt_listen_unix(abstract_name(), NULL, &l));
    sweep_begin(accepts, l);
    turns(4);
    for (int i = 0; i < 2; i++) /* two, since one that finds no memory is lost */
        sure(kt_stream_connect_unix(abstract_name(), &clients[i]));
    int rc = sweep_end();
    if (sweep_calm() || kt_is_cancel(rc))
        sure(kt_listener_accept(l, &s));
    kt_stream_close(clients[0]);
    kt_stream_close(clients[1]);
}

SWEEP(kt_listener_port, PLAIN | REAL)
{
    kt_auto(kt_listener) *l = listener_open();
    CHECK_NE(SWEPT(kt_listener_port, (l)), 0);
}

SWEEP(kt_listener_count, PLAIN | REAL)
{
    kt_auto(kt_listener) *l = listener_open();
    CHECK_EQ(SWEPT(kt_listener_count, (l)), 1);
}

SWEEP(kt_listener_address, PLAIN | REAL)
{
    kt_auto(kt_listener) *l = listener_open();
    kt_address a, untouched;
    sure(SWEPT(kt_listener_address, (l, 0, &a)));
    CHECK_EQ(kt_address_port(&a), kt_listener_port(l));
    untouched = a;
    CHECK_ERR(SWEPT(kt_listener_address, (l, 1, &a)), -EINVAL);
    CHECK(kt_address_equal(&a, &untouched));
}

static int closes_listener(void *arg)
{
    SWEPT(kt_listener_close, (arg));
    return 0;
}

static int accepts_too(void *arg)
{
    kt_stream *s = NULL;
    return kt_listener_accept(arg, &s);
}

SWEEP(kt_listener_close, SUSPENDS | HOLDS | REAL)
{
    kt_listener *l = listener_open();
    kt_task *t = spawn(accepts_too, l, 0);
    turns(2);
    sweep_begin(closes_listener, l);
    (void)sweep_end();
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
}

SWEEP(kt_listener_ref, PLAIN | REAL)
{
    kt_listener *l = listener_open();
    SWEPT(kt_listener_ref, (l));
    kt_listener_close(l);
    kt_listener_unref(l);
}

SWEEP(kt_listener_unref, PLAIN | REAL)
{
    kt_listener *l = listener_open();
    kt_listener_ref(l);
    kt_listener_close(l);
    SWEPT(kt_listener_unref, (l));
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int reads(void *arg)
{
    char bytes[8] = "";
    ssize_t n = SWEPT(kt_stream_read, (arg, bytes, sizeof bytes));
    CHECK_STR(bytes, n < 0 ? "" : "tea");
    return (int)n;
}

/* What a cancelled read has not taken is there for the next one. */
SWEEP(kt_stream_read, SUSPENDS | REAL)
{
    pair p = pair_open();
    char bytes[3];
    sweep_begin(reads, p.near);
    turns(4);
    say(&p, "tea");
    if (sweep_end() < 0)
        CHECK_EQ(kt_stream_read(p.near, bytes, 3), 3);
    pair_close(&p);
}

static int reads_exactly(void *arg)
{
    char bytes[8] = "";
    return SWEPT(kt_stream_read_exactly, (arg, bytes, 6));
}

/* Speaks in two parts, so that there are points before the first and in between. */
static void speak(pair *p, const char *first, const char *second)
{
    turns(4);
    say(p, first);
    turns(4);
    say(p, second);
    sure(kt_stream_shutdown_write(p->far));
}

SWEEP(kt_stream_read_exactly, SUSPENDS | ALLOCATES | REAL)
{
    pair p = pair_open();
    sweep_begin(reads_exactly, p.near);
    speak(&p, "tea", "pot");
    if (sweep_end() < 0)
        check_whole(&p, "teapot");
    pair_close(&p);
}

static int reads_until(void *arg)
{
    kt_slice bytes = {NULL, 0};
    int rc = SWEPT(kt_stream_read_until, (arg, kt_slice_from(";"), 100, &bytes));
    CHECK_SLICE(bytes, rc < 0 ? "" : "tea;");
    return rc;
}

SWEEP(kt_stream_read_until, SUSPENDS | ALLOCATES | REAL)
{
    pair p = pair_open();
    sweep_begin(reads_until, p.near);
    speak(&p, "te", "a;");
    if (sweep_end() < 0)
        check_whole(&p, "tea;");
    pair_close(&p);
}

static int reads_until_any(void *arg)
{
    const kt_slice ends[] = {kt_slice_from("."), kt_slice_from(";")};
    kt_slice bytes = {NULL, 0};
    int rc = SWEPT(kt_stream_read_until_any, (arg, ends, 2, 100, &bytes));
    CHECK_SLICE(bytes, rc < 0 ? "" : "tea;");
    CHECK(rc < 0 || rc == 2);
    return rc;
}

SWEEP(kt_stream_read_until_any, SUSPENDS | ALLOCATES | REAL)
{
    pair p = pair_open();
    sweep_begin(reads_until_any, p.near);
    speak(&p, "te", "a;");
    if (sweep_end() < 0)
        check_whole(&p, "tea;");
    pair_close(&p);
}

static int reads_line(void *arg)
{
    kt_slice bytes = {NULL, 0};
    int rc = SWEPT(kt_stream_read_line, (arg, 100, &bytes));
    CHECK_SLICE(bytes, rc < 0 ? "" : "tea");
    return rc;
}

SWEEP(kt_stream_read_line, SUSPENDS | ALLOCATES | REAL)
{
    pair p = pair_open();
    sweep_begin(reads_line, p.near);
    speak(&p, "te", "a\r\n");
    if (sweep_end() < 0)
        check_whole(&p, "tea\r\n");
    pair_close(&p);
}

static int fills(void *arg)
{
    kt_slice bytes = {NULL, 0};
    ssize_t have = 0;
    while (have >= 0 && have < 6)
        have = SWEPT(kt_stream_fill, (arg, (size_t)have, 100, &bytes));
    CHECK(have < 0 || kt_slice_is(bytes, "teapot"));
    return (int)have;
}

SWEEP(kt_stream_fill, SUSPENDS | ALLOCATES | REAL)
{
    pair p = pair_open();
    sweep_begin(fills, p.near);
    speak(&p, "tea", "pot");
    (void)sweep_end();
    check_whole(&p, "teapot"); /* nothing was consumed */
    pair_close(&p);
}

SWEEP(kt_stream_consume, PLAIN | REAL)
{
    pair p = pair_open();
    kt_slice bytes;
    say(&p, "teapot");
    CHECK_EQ(kt_stream_fill(p.near, 0, 100, &bytes), 6);
    SWEPT(kt_stream_consume, (p.near, 3));
    check_whole(&p, "pot");
    pair_close(&p);
}

static int unreads(void *arg)
{
    const pair *p = arg;
    return SWEPT(kt_stream_unread, (p->near, "tea", 3));
}

SWEEP(kt_stream_unread, ALLOCATES | REAL)
{
    pair p = pair_open();
    say(&p, "pot");
    int rc = sweep_subject(unreads, &p);
    check_whole(&p, rc < 0 ? "pot" : "teapot");
    pair_close(&p);
}

SWEEP(kt_stream_buffered, PLAIN | REAL)
{
    pair p = pair_open();
    kt_slice bytes;
    CHECK_SLICE(SWEPT(kt_stream_buffered, (p.near)), "");
    say(&p, "teapot");
    CHECK_EQ(kt_stream_fill(p.near, 0, 100, &bytes), 6);
    kt_stream_consume(p.near, 3);
    CHECK_SLICE(SWEPT(kt_stream_buffered, (p.near)), "pot");
    check_whole(&p, "pot"); /* nothing was taken by looking */
    pair_close(&p);
}

static void sees(void *arg)
{
    ++*(int *)arg;
}

static int calls_seen;

static int watches(void *arg)
{
    return SWEPT(kt_stream_watch, (arg, sees, &calls_seen));
}

SWEEP(kt_stream_watch, ALLOCATES | REAL)
{
    pair p = pair_open();
    char byte;
    calls_seen = 0;
    (void)sweep_subject(watches, p.near);
    say(&p, "t");
    for (int i = 0; i < 100 && calls_seen == 0; i++)
        sure(kt_sleep(0));
    CHECK_EQ(calls_seen, 1);
    CHECK_EQ(kt_stream_read(p.near, &byte, 1), 1);
    pair_close(&p);
}

SWEEP(kt_stream_at_eof, PLAIN | REAL)
{
    pair p = pair_open();
    kt_slice bytes;
    say(&p, "tea");
    sure(kt_stream_shutdown_write(p.far));
    CHECK_EQ(kt_stream_fill(p.near, 0, 100, &bytes), 3);
    CHECK(!SWEPT(kt_stream_at_eof, (p.near)));
    CHECK_EQ(kt_stream_fill(p.near, 3, 100, &bytes), 3);
    CHECK(!SWEPT(kt_stream_at_eof, (p.near))); /* there is something to read first */
    check_whole(&p, "tea");
    CHECK(SWEPT(kt_stream_at_eof, (p.near)));
    pair_close(&p);
}

/* ---- Ending, and facts ------------------------------------------------------------------------ */

static int closes_stream(void *arg)
{
    SWEPT(kt_stream_close, (arg));
    return 0;
}

SWEEP(kt_stream_close, SUSPENDS | HOLDS | REAL)
{
    pair p = pair_open();
    kt_task *t = spawn(drinks, p.near, 0);
    turns(2);
    sweep_begin(closes_stream, p.near);
    (void)sweep_end();
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
    kt_stream_close(p.far);
}

SWEEP(kt_stream_fd, PLAIN | REAL)
{
    pair p = pair_open();
    CHECK_GE(SWEPT(kt_stream_fd, (p.near)), 0);
    pair_close(&p);
}

SWEEP(kt_stream_peer, PLAIN | REAL)
{
    pair p = pair_open();
    struct sockaddr_storage address;
    socklen_t size;
    sure(SWEPT(kt_stream_peer, (p.near, &address, &size)));
    CHECK_EQ(address.ss_family, AF_UNIX);
    pair_close(&p);
}

SWEEP(kt_address_format, PLAIN | NO_LOOP)
{
    const struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(80)};
    char text[64];
    SWEPT(kt_address_format, ((const struct sockaddr *)&a, sizeof a, text, sizeof text));
    CHECK_STR(text, "0.0.0.0:80");
}
