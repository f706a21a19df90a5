/* SPDX-License-Identifier: MIT */
/* Broadcast. A member is a connection in a hub: it lives while it has a subscription or something to send. */
#include <errno.h>
#include <kettle/memory.h>
#include <kettle/stream_backend.h>
#include <kettle/task.h>
#include <kettle/utf8.h>
#include <kettle/websocket_hub.h>

#include "http/websocket_private.h"

enum { BUCKETS = 256 };

typedef kt__ws_frame frame;

typedef struct item {
    struct item *next;
    frame *f;
} item;

typedef struct kt__ws_member member;

typedef struct subscription {
    struct topic *topic;
    member *member;
    struct subscription *topic_next, *topic_prev, *member_next;
} subscription;

typedef struct topic {
    struct topic *next;
    subscription *first, *last;
    char name[];
} topic;

struct kt__ws_member {
    kt_websocket_hub *hub;
    kt_websocket *ws;
    member *ws_next, *hub_next, *hub_prev;
    subscription *subscriptions;
    item *first, *last;
    size_t queued;    /* bytes of the queue */
    size_t at;        /* of the first frame, that have been sent */
    bool holds;       /* the connection's lock, for the first frame */
    bool leaving;     /* whoever set it ends the sender, and frees */
    kt_task *sender;  /* while something is queued */
};

struct kt_websocket_hub {
    kt_websocket_hub_options o;
    topic *topics[BUCKETS];
    member *members;
    kt__encoder *deflater; /* forgets after each message */
    kt_lock turn;          /* of publishers that wait */
    kt_event moved;        /* a queue became shorter, or a member left */
    kt__ws_keeping keeping;
};

/* ---- Topics --------------------------------------------------------------------------------- */

static topic **bucket_of(const kt_websocket_hub *hub, const char *name)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return (topic **)(uintptr_t)&hub->topics[h % BUCKETS];
}

static topic *find_topic(const kt_websocket_hub *hub, const char *name)
{
    topic *t = *bucket_of(hub, name);
    while (t && strcmp(t->name, name) != 0)
        t = t->next;
    return t;
}

static topic *need_topic(kt_websocket_hub *hub, const char *name)
{
    topic *t = find_topic(hub, name);
    if (t)
        return t;
    size_t size = strlen(name) + 1;
    t = kt_calloc(1, sizeof *t + size);
    if (!t)
        return NULL;
    memcpy(t->name, name, size);
    topic **bucket = bucket_of(hub, name);
    t->next = *bucket;
    *bucket = t;
    return t;
}

static void release_topic(kt_websocket_hub *hub, topic *t)
{
    if (t->first)
        return;
    topic **at = bucket_of(hub, t->name);
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    kt_free(t);
}

static void unsubscribe(member *m, subscription *s)
{
    subscription **at = &m->subscriptions;
    while (*at != s)
        at = &(*at)->member_next;
    *at = s->member_next;
    *(s->topic_prev ? &s->topic_prev->topic_next : &s->topic->first) = s->topic_next;
    *(s->topic_next ? &s->topic_next->topic_prev : &s->topic->last) = s->topic_prev;
    release_topic(m->hub, s->topic);
    kt_free(s);
}

static subscription *find_subscription(const member *m, const topic *t)
{
    subscription *s = m->subscriptions;
    while (s && s->topic != t)
        s = s->member_next;
    return s;
}

/* ---- Members -------------------------------------------------------------------------------- */

static member *find_member(const kt_websocket_hub *hub, const kt_websocket *ws)
{
    member *m = ws->hubs;
    while (m && m->hub != hub)
        m = m->ws_next;
    return m;
}

static member *need_member(kt_websocket_hub *hub, kt_websocket *ws)
{
    member *m = find_member(hub, ws);
    if (m)
        return m;
    m = kt_calloc(1, sizeof *m);
    if (!m)
        return NULL;
    *m = (member){.hub = hub, .ws = ws, .ws_next = ws->hubs, .hub_next = hub->members};
    if (hub->members)
        hub->members->hub_prev = m;
    hub->members = ws->hubs = m;
    return m;
}

static void pop(member *m, item **at)
{
    item *i = *at, *before = NULL;
    for (item *b = m->first; b != i; b = b->next)
        before = b;
    *at = i->next;
    if (m->last == i)
        m->last = before;
    m->queued -= i->f->size;
    kt__ws_frame_unref(i->f);
    kt_free(i);
    kt_event_set(&m->hub->moved);
}

/* All but the frame that has begun. */
static void empty_queue(member *m)
{
    while (m->first && (!m->holds || m->first->next))
        pop(m, m->holds ? &m->first->next : &m->first);
}

static void stop_receiving(member *m)
{
    while (m->subscriptions)
        unsubscribe(m, m->subscriptions);
    empty_queue(m);
    kt_event_set(&m->hub->moved);
}

static void let_go(member *m)
{
    if (m->holds)
        kt_lock_release(&m->ws->writing);
    m->holds = false;
    m->at = 0;
}

static void member_free(member *m)
{
    if (m->holds && m->at > 0 && m->ws->write_rc == 0)
        m->ws->write_rc = KT_ECANCELED; /* the frame stays cut */
    let_go(m);
    stop_receiving(m);
    member **at = &m->ws->hubs;
    while (*at != m)
        at = &(*at)->ws_next;
    *at = m->ws_next;
    *(m->hub_prev ? &m->hub_prev->hub_next : &m->hub->members) = m->hub_next;
    if (m->hub_next)
        m->hub_next->hub_prev = m->hub_prev;
    kt_free(m);
}

static void release_member(member *m)
{
    if (!m->subscriptions && !m->first && !m->sender && !m->leaving)
        member_free(m);
}

/* Ends the sender, by force or once it has sent what it is sending. */
static void leave(member *m, bool at_once)
{
    m->leaving = true;
    stop_receiving(m);
    if (m->sender && at_once)
        kt_task_cancel(m->sender);
    if (m->sender)
        (void)!kt_task_join(m->sender); /* what it has failed at is in the connection */
    member_free(m);
}

void kt__ws_leave_hubs(kt_websocket *ws)
{
    while (ws->hubs)
        leave(ws->hubs, false);
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* The peer's window now holds what the connection's own compressor has not seen. */
static void frame_sent(member *m, const frame *f)
{
    if (f->compressed && m->ws->deflater)
        kt__encoder_forget(m->ws->deflater);
    if (f->closes)
        kt__ws_closing(m->ws);
    let_go(m);
}

/* 0; 1: pieces of a message are being sent, the last of which starts the sender again. */
static int send_first(member *m)
{
    kt_websocket *ws = m->ws;
    if (!m->holds) {
        int rc = kt_lock_acquire(&ws->writing);
        if (rc < 0)
            return rc;
        m->holds = true;
    }
    if (!m->first || ws->piece_of) {
        let_go(m);
        return ws->piece_of != 0;
    }
    int rc = kt__ws_check_open(ws);
    frame *f = m->first->f;
    if (rc == 0)
        rc = kt__ws_write_on(ws, (kt_slice){f->bytes, f->size}, &m->at);
    if (rc < 0 && ws->write_rc == 0 && (m->at > 0 || !kt_is_cancel(rc)))
        ws->write_rc = rc;
    if (rc < 0)
        return rc;
    frame_sent(m, f);
    pop(m, &m->first);
    return 0;
}

static int sends(void *arg)
{
    member *m = *(member **)arg;
    int rc = 0;
    while (rc == 0 && m->first)
        rc = send_first(m);
    if (m->leaving)
        return rc;
    kt_task_detach(kt_steal(m->sender));
    if (rc < 0)
        member_free(m);
    else
        release_member(m);
    return 0;
}

static int need_sender(member *m)
{
    const kt_spawn_options o = {.name = "websocket sender", .stack_now = true};
    return m->sender || m->leaving ? 0 : kt_spawn_with(&o, sends, &m, sizeof m, &m->sender);
}

void kt__ws_hubs_go_on(kt_websocket *ws)
{
    for (member *m = ws->hubs; m; m = m->ws_next)
        if (m->first)
            (void)!need_sender(m); /* without memory, with the next message */
}

static int enqueue(member *m, frame *f)
{
    item *i = kt_alloc(sizeof *i);
    if (!i)
        return -ENOMEM;
    *i = (item){NULL, f};
    f->refs++;
    *(m->first ? &m->last->next : &m->first) = i;
    m->last = i;
    m->queued += f->size;
    if (f->closes)
        kt_event_set(&m->hub->moved); /* nobody waits for room any more */
    int rc = need_sender(m);
    if (rc < 0 && !m->holds) {
        item **at = &m->first;
        while (*at != i)
            at = &(*at)->next;
        pop(m, at);
    }
    return rc;
}

static bool idle(const member *m)
{
    return !m->first && !m->sender && !m->ws->piece_of && !kt_lock_locked(&m->ws->writing);
}

/* What goes without waiting. 1: all; 0: the rest is to be queued; or the failure. */
static int send_now(member *m, const frame *f)
{
    if (!idle(m) || kt_lock_acquire_nowait(&m->ws->writing) < 0)
        return 0;
    m->holds = true;
    ssize_t n = kt_stream_write_nowait(m->ws->stream, f->bytes, f->size);
    m->at = n > 0 ? (size_t)n : 0;
    if (n < 0)
        m->ws->write_rc = (int)n;
    else if (m->at == f->size)
        frame_sent(m, f);
    if (n <= 0)
        let_go(m);
    return n < 0 ? (int)n : n > 0 && !m->holds;
}

/* Nothing is queued behind a close, so that is the last. */
static bool is_closing(const member *m)
{
    return m->last && m->last->f->closes;
}

static bool is_full(const member *m, size_t size)
{
    size_t most = m->hub->o.queue_bytes_max;
    return m->first && (m->queued >= most || size > most - m->queued);
}

/* The message that has waited longest. Control frames are not messages: who sent them waits for an answer. */
static item **oldest(member *m)
{
    item **at = m->holds ? &m->first->next : &m->first;
    while (*at && (*at)->f->control)
        at = &(*at)->next;
    return at;
}

/* 1: it has room now; 0: it does not get this one; KT_ELIMIT: it is to go. */
static int make_room(member *m, size_t size)
{
    if (m->hub->o.slow == KT_WEBSOCKET_WAIT || !is_full(m, size))
        return 1; /* after a wait a frame's head may go over the limit */
    if (m->hub->o.slow == KT_WEBSOCKET_CUT)
        return KT_ELIMIT;
    if (m->hub->o.slow == KT_WEBSOCKET_DROP_NEWEST)
        return 0;
    for (item **at; is_full(m, size) && *(at = oldest(m)); )
        pop(m, at);
    return 1;
}

/* 1 if it gets the message. */
static int deliver(member *m, frame *f)
{
    int rc = kt__ws_check_open(m->ws);
    if (rc == 0 && is_closing(m))
        return 0;
    if (rc == 0)
        rc = make_room(m, f->size);
    if (rc == 1 && (rc = send_now(m, f)) == 0 && (rc = enqueue(m, f)) == 0)
        return 1;
    if (rc >= 0 || (rc == -ENOMEM && !m->holds))
        return rc > 0;
    if (rc == KT_ELIMIT || rc == -ENOMEM) {
        kt_stream_hang_up(m->ws->stream, true); /* whoever reads from it learns of it */
        m->ws->write_rc = rc;
    }
    stop_receiving(m);
    if (m->sender)
        return 0; /* it fails, and frees */
    member_free(m);
    return 0;
}

int kt__ws_hub_control(kt_websocket_hub *hub, kt_websocket *ws, unsigned opcode, kt_slice payload)
{
    int rc = kt__ws_check_open(ws);
    member *m = rc == 0 ? need_member(hub, ws) : NULL;
    if (m && is_closing(m))
        return opcode == KT__WS_CLOSE ? 0 : KT_ECLOSED;
    frame *f = m ? kt__ws_frame_new(opcode | KT__WS_FINAL, payload) : NULL;
    if (rc == 0 && !f)
        rc = -ENOMEM;
    if (rc == 0 && (rc = send_now(m, f)) == 0)
        rc = enqueue(m, f);
    kt__ws_frame_unref(f);
    if (m && m->holds && !m->sender) { /* it has begun, and nobody can end it */
        kt_stream_hang_up(ws->stream, true);
        ws->write_rc = rc;
        member_free(m);
    } else if (m) {
        release_member(m);
    }
    return rc < 0 ? rc : 0;
}

/* ---- The hub -------------------------------------------------------------------------------- */

kt__ws_keeping *kt__ws_keeping_of(kt_websocket_hub *hub)
{
    return &hub->keeping;
}

const kt_websocket_hub_options *kt__ws_hub_options(const kt_websocket_hub *hub)
{
    return &hub->o;
}

int kt_websocket_hub_new(const kt_websocket_hub_options *options, kt_websocket_hub **ret_hub)
{
    if (options && (unsigned)options->slow > KT_WEBSOCKET_WAIT)
        return kt_error_set(-EINVAL, "a hub's `slow` is none of kt_websocket_slow");
    kt_websocket_hub *hub = kt_calloc(1, sizeof *hub);
    if (!hub)
        return -ENOMEM;
    if (options)
        hub->o = *options;
    if (hub->o.queue_bytes_max == 0)
        hub->o.queue_bytes_max = (size_t)256 * 1024;
    *ret_hub = hub;
    return 0;
}

void kt_websocket_hub_free(kt_websocket_hub *hub)
{
    if (!hub)
        return;
    kt_cancel_hold();
    kt__ws_keeping_end(hub);
    while (hub->members)
        leave(hub->members, true);
    kt_cancel_unhold();
    kt__encoder_free(hub->deflater);
    kt_free(hub);
}

int kt_websocket_hub_subscribe(kt_websocket_hub *hub, kt_websocket *ws, const char *name)
{
    if (ws->client)
        return kt_error_set(-EINVAL, "a hub sends to servers' ends: a client's frames are masked one by one");
    member *m = need_member(hub, ws);
    topic *t = m ? need_topic(hub, name) : NULL;
    if (t && find_subscription(m, t))
        return 0;
    subscription *s = t ? kt_alloc(sizeof *s) : NULL;
    if (s) {
        *s = (subscription){t, m, NULL, t->last, m->subscriptions};
        *(t->last ? &t->last->topic_next : &t->first) = s;
        t->last = m->subscriptions = s;
        return 0;
    }
    if (t)
        release_topic(hub, t);
    if (m)
        release_member(m);
    return -ENOMEM;
}

void kt_websocket_hub_unsubscribe(kt_websocket_hub *hub, kt_websocket *ws, const char *name)
{
    member *m = find_member(hub, ws);
    topic *t = find_topic(hub, name);
    subscription *s = m && t ? find_subscription(m, t) : NULL;
    if (!s)
        return;
    unsubscribe(m, s);
    kt_event_set(&hub->moved);
    release_member(m);
}

size_t kt_websocket_hub_count(const kt_websocket_hub *hub, const char *name)
{
    size_t n = 0;
    for (const member *m = name ? NULL : hub->members; m; m = m->hub_next)
        for (const subscription *s = m->subscriptions; s; s = s->member_next)
            n++;
    const topic *t = name ? find_topic(hub, name) : NULL;
    for (const subscription *s = t ? t->first : NULL; s; s = s->topic_next)
        n++;
    return n;
}

/* ---- Publishing ----------------------------------------------------------------------------- */

static bool all_have_room(const kt_websocket_hub *hub, const char *name, size_t size)
{
    const topic *t = find_topic(hub, name);
    for (const subscription *s = t ? t->first : NULL; s; s = s->topic_next)
        if (kt__ws_check_open(s->member->ws) == 0 && !is_closing(s->member) && is_full(s->member, size))
            return false;
    return true;
}

static int await_room(kt_websocket_hub *hub, const char *name, size_t size)
{
    int rc = 0;
    while (rc == 0 && !all_have_room(hub, name, size)) {
        kt_event_clear(&hub->moved);
        rc = kt_event_wait(&hub->moved);
    }
    return rc;
}

static int deliver_all(kt_websocket_hub *hub, const char *name, unsigned first, kt_slice message)
{
    const topic *t = find_topic(hub, name);
    frame *plain = kt__ws_frame_new(first, message), *compressed = NULL;
    if (!plain)
        return -ENOMEM;
    bool tried = false;
    int n = 0;
    for (subscription *s = t ? t->first : NULL, *next; s; s = next) {
        next = s->topic_next;
        bool takes = kt__ws_takes_compressed(s->member->ws, message.size);
        if (takes && !tried) {
            compressed = kt__ws_frame_compressed(&hub->deflater, first, message);
            tried = true;
        }
        n += deliver(s->member, takes && compressed ? compressed : plain);
    }
    kt__ws_frame_unref(plain);
    kt__ws_frame_unref(compressed);
    return n;
}

int kt_websocket_hub_publish(kt_websocket_hub *hub, const char *name, kt_websocket_kind kind, const void *bytes,
                             size_t size)
{
    kt_slice message = {bytes, size};
    if (kind != KT_WEBSOCKET_TEXT && kind != KT_WEBSOCKET_BINARY)
        return kt_error_set(-EINVAL, "a WebSocket message is text or binary, not %d", (int)kind);
    if (kind == KT_WEBSOCKET_TEXT && kt_utf8_check(message) < size)
        return kt_error_set(-EINVAL, "not UTF-8 at byte %zu", kt_utf8_check(message));
    if (hub->o.slow != KT_WEBSOCKET_WAIT)
        return deliver_all(hub, name, (unsigned)kind | KT__WS_FINAL, message);
    int rc = kt_lock_acquire(&hub->turn);
    if (rc < 0)
        return rc;
    rc = await_room(hub, name, size);
    if (rc == 0)
        rc = deliver_all(hub, name, (unsigned)kind | KT__WS_FINAL, message);
    kt_lock_release(&hub->turn);
    return rc;
}
