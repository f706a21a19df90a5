/* SPDX-License-Identifier: MIT */

/* Select: one task in several lines at once. Each case has a place of its own; whoever serves a line finds
 * there that the place is not the task's own, and comes here, which takes the task out of all the others
 * before it is woken. So at most one turn is ever given to it.
 *
 * A channel's line is served by other threads, which must not touch the lines of this loop: they claim the
 * task for their case and send it a message. A turn in a line of the loop that comes between the claim
 * and the message is one that the task does not use. */

#include <errno.h>
#include <kettle/select.h>
#include <limits.h>

#include "core/served.h"

/* No case can be had: not a code that any of the calls below returns. */
enum { NOT_YET = INT_MIN };

typedef struct selecting {
    kt_task *self;
    kt_select_case *cases;
    size_t n;
    kt_select_case *chosen; /* whose turn came, or NULL */
    bool raced;             /* and a cancellation came before the task ran */
    bool shared;            /* with other threads, by a channel */
    atomic_bool claimed;    /* then: a case has been chosen, or a cancellation */
    kt_select_case *unused; /* whose turn came after that, or NULL */
    kt__served served;      /* by a channel */
    kt_select_case *timed;  /* with the earliest deadline, or NULL */
    kt_time deadline;
    kt__timer timer;
} selecting;

/* ---- One case ------------------------------------------------------------------------------ */

static int unless(int rc, int not_yet)
{
    return rc == not_yet ? NOT_YET : rc;
}

static int look_at_task(const kt_task *t)
{
    if (t->loop != kt__loop)
        kt__misuse("kt_select: a task of another loop cannot be waited for");
    if (t == t->loop->current)
        kt__misuse("kt_select: a task must not wait for itself");
    return t->state == KT__TASK_DONE ? t->rc : NOT_YET;
}

/* Takes the case if that is possible at once. */
static int attempt(const kt_select_case *c)
{
    if (c->kind == KT__SELECT_AFTER)
        return c->when <= 0 ? 0 : NOT_YET;
    if (c->kind == KT__SELECT_AT)
        return c->when <= kt_now() ? 0 : NOT_YET;
    if (!c->object)
        return NOT_YET;
    switch (c->kind) {
    case KT__SELECT_GET:
        return unless(kt_queue_get_nowait(c->object, c->item), KT_EEMPTY);
    case KT__SELECT_PUT:
        return unless(kt_queue_put_nowait(c->object, c->item), KT_EFULL);
    case KT__SELECT_EVENT:
        return kt_event_is_set(c->object) ? 0 : NOT_YET;
    case KT__SELECT_FUTURE:
        return unless(kt_future_result(c->object, NULL), KT_EINVALIDSTATE);
    case KT__SELECT_TASK:
        return look_at_task(c->object);
    case KT__SELECT_LOCK:
        return unless(kt_lock_acquire_nowait(c->object), -EBUSY);
    case KT__SELECT_SEMAPHORE:
        return unless(kt_semaphore_acquire_nowait(c->object), -EBUSY);
    case KT__SELECT_RECEIVE:
        return unless(kt_channel_receive_nowait(c->object, c->item), KT_EEMPTY);
    case KT__SELECT_SEND:
        return unless(kt_channel_send_nowait(c->object, c->item), KT_EFULL);
    default:
        kt__misuse("kt_select: a case must be made by the functions of select.h");
    }
}

static bool in_channel(const kt_select_case *c)
{
    return c->object && (c->kind == KT__SELECT_RECEIVE || c->kind == KT__SELECT_SEND);
}

/* Where one waits for it; NULL for a deadline. */
static kt__waiters *line_of(const kt_select_case *c)
{
    if (!c->object)
        return NULL;
    switch (c->kind) {
    case KT__SELECT_GET:
        return &((kt_queue *)c->object)->getters;
    case KT__SELECT_PUT:
        return &((kt_queue *)c->object)->putters;
    case KT__SELECT_EVENT:
        return &((kt_event *)c->object)->waiters;
    case KT__SELECT_FUTURE:
        return &((kt_future *)c->object)->waiters;
    case KT__SELECT_TASK:
        return &((kt_task *)c->object)->awaiters;
    case KT__SELECT_LOCK:
        return &((kt_lock *)c->object)->waiters;
    case KT__SELECT_RECEIVE:
        return &((kt_channel *)c->object)->receivers;
    case KT__SELECT_SEND:
        return &((kt_channel *)c->object)->senders;
    default:
        return &((kt_semaphore *)c->object)->waiters;
    }
}

/* The turn has come, with `value`, and the task runs. With a queue it is a turn to look only: the item
 * or the room may be gone again. With a channel it has been served, unless the value says to look. */
static int use_turn(const kt_select_case *c, int value)
{
    switch (c->kind) {
    case KT__SELECT_GET:
    case KT__SELECT_PUT:
        return attempt(c);
    case KT__SELECT_LOCK:
        ((kt_lock *)c->object)->handed_over = false;
        return 0;
    case KT__SELECT_SEMAPHORE:
        kt__semaphore_taken(c->object);
        return 0;
    case KT__SELECT_RECEIVE:
    case KT__SELECT_SEND:
        return value == NOT_YET ? attempt(c) : value;
    default:
        return value;
    }
}

/* The turn has come, and the task will not use it. */
static void pass_turn(const kt_select_case *c)
{
    switch (c->kind) {
    case KT__SELECT_GET:
        kt__queue_pass_get(c->object);
        break;
    case KT__SELECT_PUT:
        kt__queue_pass_put(c->object);
        break;
    case KT__SELECT_LOCK:
        kt__lock_pass(c->object);
        break;
    case KT__SELECT_SEMAPHORE:
        kt__semaphore_pass(c->object);
        break;
    default:
        break;
    }
}

/* ---- All of them --------------------------------------------------------------------------- */

static void leave(kt_task *t, selecting *s)
{
    for (size_t i = 0; i < s->n; i++) {
        kt_select_case *c = &s->cases[i];
        if (in_channel(c))
            (void)kt__channel_leave(c->object, &c->place);
        else if (c->place.line)
            kt__line_remove(&c->place);
    }
    kt__timer_stop(t->loop, &s->timer);
}

static bool claim(selecting *s)
{
    return !s->shared || !atomic_exchange(&s->claimed, true);
}

static void chose(kt_task *t, kt_select_case *c, int value)
{
    selecting *s = t->wait_object;
    leave(t, s);
    if (!claim(s)) {
        s->unused = c; /* the only one: it has left the other lines */
        return;
    }
    s->chosen = c;
    kt__wake(t, value);
}

void kt__select_chose(kt__waiter *place, int value)
{
    chose(place->task, KT__OWNER(place, kt_select_case, place), value);
}

/* ---- Served by a channel ------------------------------------------------------------------- */

kt__served *kt__select_claim(kt__waiter *place)
{
    selecting *s = place->task->wait_object;
    kt_select_case *c = KT__OWNER(place, kt_select_case, place);
    if (!claim(s))
        return NULL;
    s->chosen = c;
    s->served.item = c->item;
    return &s->served;
}

static void was_served(kt__message *m)
{
    selecting *s = KT__OWNER(KT__OWNER(m, kt__served, message), selecting, served);
    leave(s->self, s);
    kt__wake(s->self, s->served.rc);
}

/* ---- Waiting ------------------------------------------------------------------------------- */

/* Where a channel has claimed the task, its message is on the way, and its item wins. */
static void select_cancel(kt_task *t)
{
    selecting *s = t->wait_object;
    leave(t, s);
    if (claim(s))
        kt__wake(t, t->code);
}

static bool select_raced(kt_task *t)
{
    selecting *s = t->wait_object;
    if (s->chosen && in_channel(s->chosen) && t->wake != NOT_YET)
        return false;
    s->raced = true; /* the turn is passed on when the task runs, as in every line */
    return true;
}

static void awaits_cases(const kt_task *t, kt__each each, void *arg)
{
    const selecting *s = t->wait_object;
    for (size_t i = 0; i < s->n; i++)
        if (s->cases[i].kind == KT__SELECT_TASK && s->cases[i].place.line)
            each(s->cases[i].object, arg);
}

static const kt__wait wait_select = {
    .what = "the first of several",
    .cancel = select_cancel,
    .raced = select_raced,
    .awaits = awaits_cases,
    .any = true,
};

/* Before it waits, once: finds the first of the cases with the earliest deadline; and is there a channel? */
static void prepare(selecting *s)
{
    s->served = (kt__served){.message = {.run = was_served, .drop = was_served}, .task = s->self};
    s->deadline = KT_FOREVER;
    for (size_t i = 0; i < s->n; i++) {
        kt_select_case *c = &s->cases[i];
        kt_time when = c->when;
        s->shared = s->shared || in_channel(c);
        if (c->kind == KT__SELECT_AFTER)
            when = kt__deadline(kt__clock_now(s->self->loop), when);
        else if (c->kind != KT__SELECT_AT)
            continue;
        if (when < s->deadline) {
            s->deadline = when;
            s->timed = c;
        }
    }
}

static void time_over(kt__ready *r)
{
    kt__timer *timer = KT__OWNER(r, kt__timer, ready);
    selecting *s = KT__OWNER(timer, selecting, timer);
    kt__timer_ran(timer);
    chose(s->self, s->timed, 0);
}

/* False if it can be had by now, by another thread's doing. */
static bool stand(kt_task *self, kt_select_case *c)
{
    kt__waiters *line = line_of(c);
    c->place = (kt__waiter){.task = self};
    if (in_channel(c))
        return kt__channel_stand(c->object, line, &c->place);
    if (line)
        kt__line_add(line, &c->place);
    return true;
}

static int stand_in_lines(kt_task *self, selecting *s)
{
    atomic_store_explicit(&s->claimed, false, memory_order_relaxed);
    self->timer.sequence = kt__turn(self->loop);
    kt__timer_start(self->loop, &s->timer, s->deadline, time_over);
    kt__wait_begin(self, &wait_select, s); /* from the first channel on it may be served */
    for (size_t i = 0; i < s->n; i++) {
        if (stand(self, &s->cases[i]))
            continue;
        chose(self, &s->cases[i], NOT_YET);
        break;
    }
    return kt__park(self);
}

/* Case c it is, for the call at `site`: where debug mode is to look for a lock. */
static int won(const kt_select_case *cases, kt_select_case *c, int rc, const void *site)
{
    c->rc = rc;
    if (c->kind == KT__SELECT_LOCK)
        kt__lock_taken(c->object, site);
    return (int)(c - cases);
}

static int look(kt_select_case *cases, size_t n, const void *site)
{
    for (size_t i = 0; i < n; i++) {
        int rc = attempt(&cases[i]);
        if (rc != NOT_YET)
            return won(cases, &cases[i], rc, site);
    }
    return -EAGAIN;
}

int kt_select_nowait(kt_select_case *cases, size_t n)
{
    return look(cases, n, KT__SITE);
}

int kt_select(kt_select_case *cases, size_t n)
{
    selecting s = {.self = kt__self("kt_select"), .cases = cases, .n = n};
    int which = look(cases, n, KT__SITE);
    for (bool prepared = false; which == -EAGAIN; which = look(cases, n, KT__SITE)) {
        if (s.self->code)
            return kt__yield(s.self);
        if (!prepared)
            prepare(&s);
        prepared = true;
        int value = stand_in_lines(s.self, &s);
        kt_select_case *c = kt_steal(s.chosen), *unused = kt_steal(s.unused);
        if (unused)
            pass_turn(unused);
        if (c && s.raced)
            pass_turn(c);
        if (!c || s.raced)
            return value;
        int rc = use_turn(c, value);
        if (rc == NOT_YET)
            continue; /* somebody was quicker: all cases are looked at again */
        return won(cases, c, rc, KT__SITE);
    }
    return which;
}
