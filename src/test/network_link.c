/* SPDX-License-Identifier: MIT */

/* Connections of the simulated network: segments on their way, and the streams at both ends. */
#include "test/network.h"

#include <errno.h>

#include "test/kit.h"

#define SEGMENT_DEFAULT 1460u
#define WINDOW_DEFAULT ((size_t)64 * 1024)
#define PATIENCE_DEFAULT KT_S(127)

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- Segments ------------------------------------------------------------------------------ */

static void append(kt__segments *list, kt__segment *s)
{
    s->next = NULL;
    *list->last = s;
    list->last = &s->next;
}

static kt__segment *take_first(kt__segments *list)
{
    kt__segment *s = list->first;
    list->first = s->next;
    if (!list->first)
        list->last = &list->first;
    return s;
}

static void drop_all(kt__segments *list)
{
    while (list->first)
        kt__test_disown(take_first(list));
}

/* ---- On the way ---------------------------------------------------------------------------- */

/* The end that a way leads to, and the one that it comes from. */
static kt__end *receiver(const kt__way *w)
{
    return &w->connection->ends[w == &w->connection->ways[0]];
}

static kt__end *sender(const kt__way *w)
{
    return &w->connection->ends[w == &w->connection->ways[1]];
}

static void wake_all(kt__end *e)
{
    kt_event_set(&e->in->readable);
    kt_event_set(&e->out->room);
}

static bool is_cut(const kt__connection *c)
{
    return kt__net_is_cut(c->network, &c->ends[0].address, &c->ends[1].address);
}

static void due(void *arg);

/* Waits for the arrival of the first segment, or, if the hosts are cut off, until the sender has no patience left. */
static void await(kt__way *w)
{
    const kt__segment *s = w->under_way.first;
    kt_time patience = w->connection->network->options.patience;
    (void)kt_callback_cancel(&w->timer);
    if (!s)
        return;
    if (is_cut(w->connection))
        kt_call_at(&w->timer, s->sent + (patience ? patience : PATIENCE_DEFAULT), due, w);
    else
        kt_call_at(&w->timer, s->arrives, due, w);
}

static void send_segment(kt__way *w, enum kt__segment_kind kind, const void *bytes, size_t size)
{
    kt__segment *s = kt__test_own(NULL, sizeof *s + size);
    kt_time now = kt_now(), arrives = now + kt__net_delay(w->connection->network);
    w->last_arrival = arrives > w->last_arrival ? arrives : w->last_arrival;
    *s = (kt__segment){.sent = now, .arrives = w->last_arrival, .kind = kind, .size = size};
    if (size > 0)
        memcpy(s->bytes, bytes, size);
    bool first = !w->under_way.first;
    append(&w->under_way, s);
    w->held += size;
    if (first)
        await(w);
}

/* A receiver that has closed, or was closed for it, knows nothing of the connection. */
static void refuse(kt__way *w)
{
    kt__end *e = receiver(w);
    if (!e->out->refused)
        send_segment(e->out, KT__RST, NULL, 0);
    e->out->refused = true;
}

static void arrive(kt__way *w, kt__segment *s)
{
    kt__end *e = receiver(w);
    if (s->kind == KT__RST && !e->closed)
        kt__net_end_break(e, -ECONNRESET);
    else if (s->kind == KT__FIN && !e->closed)
        w->ended = true;
    else if (s->kind == KT__DATA && !e->closed) {
        append(&w->arrived, s);
        kt_event_set(&w->readable);
        return;
    } else if (s->kind == KT__DATA)
        refuse(w);
    w->held -= s->size;
    kt__test_disown(s);
    wake_all(e);
}

/* The timer's: the first segment is there, or will never be. */
static void due(void *arg)
{
    kt__way *w = arg;
    if (is_cut(w->connection)) {
        kt__net_end_break(sender(w), -ETIMEDOUT);
        return;
    }
    while (w->under_way.first && w->under_way.first->arrives <= kt_now())
        arrive(w, take_first(&w->under_way));
    await(w);
}

void kt__net_connection_moves(kt__connection *c)
{
    for (int i = 0; i < 2; i++) {
        kt__way *w = &c->ways[i];
        kt_time soonest = kt_now() + kt__net_delay(c->network);
        for (kt__segment *s = w->under_way.first; s && !is_cut(c); s = s->next) {
            s->arrives = s->arrives > soonest ? s->arrives : soonest;
            w->last_arrival = s->arrives;
        }
        await(w);
    }
}

/* What it has sent and was not there yet is not sent again. */
void kt__net_end_break(kt__end *e, int error)
{
    if (e->error == 0)
        e->error = error;
    for (kt__segment *s = e->out->under_way.first; s; s = s->next)
        e->out->held -= s->size;
    drop_all(&e->out->under_way);
    (void)kt_callback_cancel(&e->out->timer);
    e->out->fin_sent = true;
    wake_all(e);
}

/* ---- Life ---------------------------------------------------------------------------------- */

kt__connection *kt__net_connection_new(kt_test_network *n, const kt_address *from, const kt_address *to)
{
    kt__connection *c = memset(kt__test_own(NULL, sizeof *c), 0, sizeof *c);
    c->network = n;
    for (int i = 0; i < 2; i++) {
        kt__way *w = &c->ways[i];
        w->connection = c;
        w->under_way.last = &w->under_way.first;
        w->arrived.last = &w->arrived.first;
        w->readable = w->room = (kt_event)KT_EVENT_INIT;
        w->timer = (kt_callback)KT_CALLBACK_INIT;
        c->ends[i] = (kt__end){.connection = c, .in = &c->ways[!i], .out = w, .address = i == 0 ? *from : *to};
    }
    c->next = n->connections;
    if (c->next)
        c->next->prev = c;
    n->connections = c;
    return c;
}

static void connection_free(kt__connection *c)
{
    if (c->next)
        c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->network->connections = c->next;
    for (int i = 0; i < 2; i++) {
        (void)kt_callback_cancel(&c->ways[i].timer);
        drop_all(&c->ways[i].under_way);
        drop_all(&c->ways[i].arrived);
    }
    kt__test_disown(c);
}

/* ---- Streams ------------------------------------------------------------------------------- */

static ssize_t take(kt__way *w, char *bytes, size_t size)
{
    kt__segment *s = w->arrived.first;
    size_t part = smaller(size, s->size - s->at), window = w->connection->network->options.window;
    memcpy(bytes, s->bytes + s->at, part);
    s->at += part;
    w->held -= part;
    if (s->at == s->size)
        kt__test_disown(take_first(&w->arrived));
    if (w->held <= (window ? window : WINDOW_DEFAULT) / 2)
        kt_event_set(&w->room);
    return (ssize_t)part;
}

static ssize_t net_read(void *object, void *bytes, size_t size)
{
    kt__end *e = object;
    int rc = kt_stream_turn();
    while (rc == 0) {
        if (e->closed)
            return e->error ? e->error : KT_ECLOSED;
        if (e->in->arrived.first)
            return take(e->in, bytes, size);
        if (e->error || e->in->ended)
            return e->error;
        kt_event_clear(&e->in->readable);
        rc = kt_event_wait(&e->in->readable);
    }
    return rc;
}

/* Bytes that may be written now, 0 if it is to be waited, or why none ever will. */
static ssize_t room_of(const kt__end *e)
{
    size_t window = e->connection->network->options.window;
    window = window ? window : WINDOW_DEFAULT;
    if (e->error)
        return e->error;
    if (e->closed)
        return KT_ECLOSED;
    if (e->out->fin_sent)
        return -EPIPE;
    return e->out->held < window ? (ssize_t)(window - e->out->held) : 0;
}

/* In segments as long as the network, or its seed, likes them. */
static void send_bytes(kt__way *w, const char *bytes, size_t size)
{
    kt_test_network *n = w->connection->network;
    size_t longest = n->options.segment_max ? n->options.segment_max : SEGMENT_DEFAULT;
    while (size > 0) {
        size_t part = smaller(size, longest);
        if (part > 1 && kt__net_below(n, 4) == 0)
            part = 1 + (size_t)kt__net_below(n, part);
        send_segment(w, KT__DATA, bytes, part);
        bytes += part;
        size -= part;
    }
}

static ssize_t net_writev(void *object, const struct iovec *pieces, size_t count)
{
    kt__end *e = object;
    ssize_t room = 0, written = 0;
    int rc = kt_stream_turn();
    while (rc == 0 && (room = room_of(e)) == 0) {
        kt_event_clear(&e->out->room);
        rc = kt_event_wait(&e->out->room);
    }
    if (rc < 0 || room < 0)
        return rc < 0 ? rc : room;
    for (size_t i = 0; i < count && written < room; i++) {
        size_t part = smaller(pieces[i].iov_len, (size_t)(room - written));
        send_bytes(e->out, pieces[i].iov_base, part);
        written += (ssize_t)part;
    }
    return written;
}

static ssize_t net_write_nowait(void *object, const void *bytes, size_t size)
{
    kt__end *e = object;
    ssize_t room = room_of(e);
    if (room <= 0)
        return room;
    size_t part = smaller(size, (size_t)room);
    send_bytes(e->out, bytes, part);
    return (ssize_t)part;
}

static int net_shutdown_write(void *object)
{
    kt__end *e = object;
    if (!e->out->fin_sent)
        send_segment(e->out, KT__FIN, NULL, 0);
    e->out->fin_sent = true;
    return 0;
}

/* With bytes unread, a reset tells the peer that they are lost: RFC 1122, 4.2.2.13. */
static void end_close(kt__end *e)
{
    if (e->closed)
        return;
    e->closed = true;
    if (e->in->arrived.first && !e->error)
        send_segment(e->out, KT__RST, NULL, 0);
    else if (!e->out->fin_sent)
        send_segment(e->out, KT__FIN, NULL, 0);
    e->out->fin_sent = true;
    drop_all(&e->in->arrived);
    wake_all(e);
}

static void net_close(void *object)
{
    end_close(object);
}

static void net_free(void *object)
{
    kt__end *e = object;
    kt__connection *c = e->connection;
    e->freed = true;
    if (c->ends[0].freed && c->ends[1].freed)
        connection_free(c);
}

void kt__net_end_drop(kt__end *e)
{
    end_close(e);
    net_free(e);
}

static int net_peer(const void *object, struct sockaddr_storage *ret_address, socklen_t *ret_size)
{
    const kt__end *e = object;
    const kt_address *a = &receiver(e->out)->address;
    *ret_address = a->storage;
    *ret_size = a->size;
    return 0;
}

static void net_hang_up(void *object, bool reset)
{
    kt__end *e = object;
    if (e->closed || e->error)
        return;
    if (!reset) {
        net_shutdown_write(e);
        e->in->ended = true;
        wake_all(e);
        return;
    }
    kt__net_end_break(e, -ECONNRESET);
    send_segment(e->out, KT__RST, NULL, 0);
}

const kt_stream_backend kt__net_backend = {
    .name = "simulated",
    .read = net_read,
    .writev = net_writev,
    .write_nowait = net_write_nowait,
    .shutdown_write = net_shutdown_write,
    .close = net_close,
    .free = net_free,
    .peer = net_peer,
    .hang_up = net_hang_up,
};
