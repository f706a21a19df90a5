/* SPDX-License-Identifier: MIT */

/* Channels. The items lie in a kt_queue, which is used under the mutex and in which nobody waits; who must wait
 * stands in one of two lines. Under the mutex,
 *
 * - those who wait to receive do so while there is no item, those who wait to send while there is no room: so
 *   a call that can have its item or its room overtakes nobody;
 * - whoever is taken out of a line is served at that moment, the item copied, and only told afterwards. A task
 *   is told by a message to its loop, which lies on its stack: so it waits for that, whatever else happens.
 *
 * A call that has let go of the mutex touches the channel no more. */

#include <errno.h>
#include <kettle/channel.h>

#include "core/blocked.h"
#include "core/served.h"

enum way { SEND, RECEIVE };

/* A task that waits; on its stack, its wait_object. */
typedef struct waiting {
    kt__served served;
    kt_channel *channel;
} waiting;

/* A thread that does. */
typedef struct blocked {
    kt__served served;
    kt__waiter place;
    pthread_cond_t over;
} blocked;

static kt__waiters *line_of(kt_channel *c, enum way way)
{
    return way == SEND ? &c->senders : &c->receivers;
}

/* ---- Serving those who wait ---------------------------------------------------------------- */

/* Takes the first who waits out of the line; NULL: nobody does. One in kt_select that has had another of its cases
 * is about to leave. */
static kt__served *take_first(kt__waiters *line)
{
    kt__served *s = NULL;
    for (kt__waiter *w; !s && (w = line->first);) {
        kt__line_remove(w);
        if (!w->task)
            s = &KT__OWNER(w, blocked, place)->served;
        else if (w == &w->task->place)
            s = &((waiting *)w->task->wait_object)->served;
        else
            s = kt__select_claim(w);
    }
    return s;
}

/* He has been served, with rc. Returns him if he is to be told, once the mutex is free; a thread must be told under
 * it, since it may look at any time, and be gone. */
static kt__served *settle(kt__served *s, int rc)
{
    s->rc = rc;
    if (s->task)
        return s;
    pthread_cond_signal(&KT__OWNER(s, blocked, served)->over);
    return NULL;
}

static void tell(kt__served *s)
{
    if (!s)
        return;
    kt_loop *l = s->task->loop;
    if (l == kt__loop)
        s->message.run(&s->message);
    else
        kt__inbox_post(l->inbox, &s->message);
}

/* ---- Without waiting ----------------------------------------------------------------------- */

static int send_now(kt_channel *c, const void *item, kt__served **ret_served)
{
    kt__served *receiver = take_first(&c->receivers);
    if (!receiver)
        return kt_queue_put_nowait(&c->items, item);
    memcpy(receiver->item, item, c->items.item_bytes);
    *ret_served = settle(receiver, 0);
    return 0;
}

static int receive_now(kt_channel *c, void *ret_item, kt__served **ret_served)
{
    int rc = kt_queue_get_nowait(&c->items, ret_item);
    kt__served *sender = rc == 0 ? take_first(&c->senders) : NULL;
    if (sender) /* into the room that has just been made */
        *ret_served = settle(sender, kt_queue_put_nowait(&c->items, sender->item));
    return rc;
}

static int attempt(kt_channel *c, enum way way, void *item, kt__served **ret_served)
{
    return way == SEND ? send_now(c, item, ret_served) : receive_now(c, item, ret_served);
}

static int pass_nowait(kt_channel *c, enum way way, void *item)
{
    kt__served *served = NULL;
    pthread_mutex_lock(&c->mutex);
    int rc = attempt(c, way, item, &served);
    pthread_mutex_unlock(&c->mutex);
    tell(served);
    return rc;
}

int kt_channel_send_nowait(kt_channel *c, const void *item)
{
    return pass_nowait(c, SEND, (void *)(uintptr_t)item);
}

int kt_channel_receive_nowait(kt_channel *c, void *ret_item)
{
    return pass_nowait(c, RECEIVE, ret_item);
}

/* ---- Waiting, in a task -------------------------------------------------------------------- */

static void arrived(kt__message *m)
{
    const kt__served *s = KT__OWNER(m, kt__served, message);
    kt__wake(s->task, s->rc);
}

bool kt__channel_leave(kt_channel *c, kt__waiter *place)
{
    pthread_mutex_lock(&c->mutex);
    bool waits = place->line;
    if (waits)
        kt__line_remove(place);
    pthread_mutex_unlock(&c->mutex);
    return waits;
}

/* One who has been served is told so soon, and the item wins. */
static void wait_cancel(kt_task *t)
{
    const waiting *w = t->wait_object;
    if (kt__channel_leave(w->channel, &t->place))
        kt__wake(t, t->code);
}

/* No `raced`: as above. */
static const kt__wait waits[] = {
    [SEND] = {.what = "channel send", .cancel = wait_cancel},
    [RECEIVE] = {.what = "channel receive", .cancel = wait_cancel},
};

/* The mutex is held; this gives it up. */
static int suspend(kt_task *self, kt_channel *c, enum way way, void *item)
{
    if (self->code) {
        pthread_mutex_unlock(&c->mutex);
        return kt__yield(self);
    }
    waiting w = {
        .served = {.message = {.run = arrived, .drop = arrived}, .task = self, .item = item},
        .channel = c,
    };
    kt__line_up_begin(self, line_of(c, way), &waits[way], &w);
    pthread_mutex_unlock(&c->mutex);
    return kt__park(self); /* w's address is out, so no compiler makes this a tail call */
}

/* ---- Waiting, on a thread ------------------------------------------------------------------ */

/* The mutex is held; this gives it up. */
static int block(kt_channel *c, enum way way, void *item, kt_time limit)
{
    blocked b = {.served = {.item = item, .rc = -ETIMEDOUT}};
    kt_time end = kt__limit_end(limit);
    int error = 0;
    kt__cond_init(&b.over);
    kt__line_add(line_of(c, way), &b.place);
    while (b.place.line && error == 0)
        error = kt__cond_wait(&b.over, &c->mutex, end);
    if (b.place.line)
        kt__line_remove(&b.place);
    pthread_mutex_unlock(&c->mutex);
    pthread_cond_destroy(&b.over);
    return b.served.rc;
}

/* ---- Waiting ------------------------------------------------------------------------------- */

/* `self` is NULL on a thread without a loop. */
static int pass(kt_task *self, kt_channel *c, enum way way, void *item, kt_time limit)
{
    kt__served *served = NULL;
    pthread_mutex_lock(&c->mutex);
    int rc = attempt(c, way, item, &served);
    if (rc == KT_EFULL || rc == KT_EEMPTY)
        return self ? suspend(self, c, way, item) : block(c, way, item, limit);
    pthread_mutex_unlock(&c->mutex);
    tell(served);
    return rc;
}

static kt_task *self_or_thread(const char *what)
{
    if (kt__loop)
        return kt__self(what);
    kt__check_forked(what);
    return NULL;
}

static void check_no_loop(const char *what)
{
    if (kt__loop)
        kt__misuse("%s: would block the loop that runs on this thread", what);
    kt__check_forked(what);
}

int kt_channel_send(kt_channel *c, const void *item)
{
    return pass(self_or_thread("kt_channel_send"), c, SEND, (void *)(uintptr_t)item, KT_FOREVER);
}

int kt_channel_receive(kt_channel *c, void *ret_item)
{
    return pass(self_or_thread("kt_channel_receive"), c, RECEIVE, ret_item, KT_FOREVER);
}

int kt_channel_send_within(kt_channel *c, const void *item, kt_time limit)
{
    check_no_loop("kt_channel_send_within");
    return pass(NULL, c, SEND, (void *)(uintptr_t)item, limit);
}

int kt_channel_receive_within(kt_channel *c, void *ret_item, kt_time limit)
{
    check_no_loop("kt_channel_receive_within");
    return pass(NULL, c, RECEIVE, ret_item, limit);
}

/* ---- For kt_select ------------------------------------------------------------------------- */

bool kt__channel_stand(kt_channel *c, kt__waiters *line, kt__waiter *place)
{
    const kt_queue *q = &c->items;
    pthread_mutex_lock(&c->mutex);
    bool possible = line == &c->receivers ? q->count > 0 : q->max == 0 || q->count < q->max;
    bool stands = !possible && !q->shut;
    if (stands)
        kt__line_add(line, place);
    pthread_mutex_unlock(&c->mutex);
    return stands;
}

/* ---- The whole ----------------------------------------------------------------------------- */

size_t kt_channel_size(kt_channel *c)
{
    pthread_mutex_lock(&c->mutex);
    size_t size = kt_queue_size(&c->items);
    pthread_mutex_unlock(&c->mutex);
    return size;
}

/* Appends those who are to be told to a list. */
static kt__message **turn_away(kt__waiters *line, kt__message **end)
{
    for (kt__served *s; (s = take_first(line));) {
        if (!settle(s, KT_ESHUTDOWN))
            continue;
        *end = &s->message;
        end = &s->message.next;
        *end = NULL;
    }
    return end;
}

void kt_channel_shutdown(kt_channel *c, bool immediate)
{
    kt__message *first = NULL;
    pthread_mutex_lock(&c->mutex);
    kt_queue_shutdown(&c->items, immediate);
    turn_away(&c->senders, turn_away(&c->receivers, &first));
    pthread_mutex_unlock(&c->mutex);
    for (kt__message *m = first, *next; m; m = next) {
        next = m->next; /* who has been told may be gone */
        tell(KT__OWNER(m, kt__served, message));
    }
}

void kt_channel_release(kt_channel *c)
{
    pthread_mutex_lock(&c->mutex); /* after whoever is in it still */
    bool waited_for = c->receivers.first || c->senders.first;
    pthread_mutex_unlock(&c->mutex);
    if (waited_for)
        kt__misuse("kt_channel_release: somebody waits on this channel");
    kt_queue_release(&c->items);
    pthread_mutex_destroy(&c->mutex);
    c->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}
