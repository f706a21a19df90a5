/* SPDX-License-Identifier: MIT */

/* Cancellation. Two sources ask a task to stop: requests from outside, counted in `requests`, and the
 * scopes that it has open (timeouts, groups), which fire once. Together they are what asyncio counts.
 *
 * A source is *active* while it makes suspending calls fail; `code` is the sum of all active ones, kept up
 * to date, so that a suspending call looks at one word. kt_cancel_catch makes them inactive. A source
 * is *forwarded* while the task waits for another one that got the request instead.
 *
 * kt_cancel_hold hides the sources that were there before it: those from outside, and the scopes that were
 * opened at a smaller depth of holds. What is opened within a hold is felt there. */

#include <kettle/memory.h>

#include "core/core.h"

#define HOLDS_MAX 64 /* the bits of delivered_outside_holds */
#define OUTSIDE 0 /* the depth of holds at which a request from outside is felt */

static bool is_hidden(const kt_task *t, unsigned depth)
{
    return depth < t->held;
}

static bool is_felt(const kt_task *t, const kt__scope *s)
{
    return s->state == KT__SCOPE_ACTIVE && !is_hidden(t, s->held);
}

/* The outside outranks scopes; of scopes the outermost, whose end is the furthest away, counts. */
static int felt_code(const kt_task *t)
{
    int code = 0;
    for (const kt__scope *s = t->scopes; s; s = s->outer)
        if (is_felt(t, s))
            code = s->code;
    return t->outside && !is_hidden(t, OUTSIDE) ? KT_ECANCELED : code;
}

static void update_code(kt_task *t)
{
    t->code = felt_code(t);
}

/* A wait that a cancellation has ended, or a turn given to others: nothing is left to take back. */
static const kt__wait wait_yield = {.what = "its turn", .raced = kt__raced_plain};

/* The task has become one that is being cancelled: what it waits in is told, unless that is held back. */
static void interrupt(kt_task *t, unsigned depth)
{
    if (is_hidden(t, depth))
        return;
    update_code(t);
    if (t->state == KT__TASK_WAITING)
        t->wait->cancel(t);
    else if (t->state == KT__TASK_READY && t->wait && t->wait->raced && t->wait->raced(t))
        t->wake = t->code;
    if (t->state == KT__TASK_READY && t->wake == t->code) {
        t->delivered = true;
        t->wait = &wait_yield; /* a second request must not take the result back again */
    }
}

/* Passes a request on, if the task waits in something that takes it in its stead. A request that comes
 * back to a task which is passing it on (tasks that wait for each other) stays with it. */
static bool pass_on(kt_task *t, unsigned depth)
{
    if (t->state != KT__TASK_WAITING || !t->wait->forward || is_hidden(t, depth) || t->passing_on)
        return false;
    t->passing_on = true;
    bool taken = t->wait->forward(t);
    t->passing_on = false;
    return taken;
}

/* Words that are on their way to a task arrive, as asyncio's error does. */
static bool under_way(const kt_task *t)
{
    return t->state == KT__TASK_READY && t->wait == &wait_yield && kt_is_cancel(t->wake);
}

/* The request's words, if it has any, replace those of the one before. Without memory for them it has none. */
static void take_words(kt_task *t, const char *words)
{
    if (words == t->cancel_words)
        return; /* others in the chain may still want them */
    kt_free(t->cancel_words);
    t->cancel_words = words && *words ? kt_strndup(words, strlen(words)) : NULL;
}

/* Asks one task, which is not done. */
static void request(kt_task *t, const char *words)
{
    t->requests++;
    if (!under_way(t))
        take_words(t, words);
    if (pass_on(t, OUTSIDE)) {
        t->outside_forwarded = true;
    } else {
        t->outside = true;
        interrupt(t, OUTSIDE);
    }
}

/* The one task that would get t's request in its stead; NULL: t itself, or several. */
static kt_task *next_in_chain(const kt_task *t)
{
    if (t->state != KT__TASK_WAITING || t->wait->forward != kt__forward_to_task || is_hidden(t, OUTSIDE) ||
        t->passing_on)
        return NULL;
    kt_task *next = t->wait_object;
    return next->state == KT__TASK_DONE ? NULL : next;
}

/* Tasks that wait for one another form chains of any length: these are walked, not recursed into, since the
 * caller's stack is small. */
bool kt_task_cancel_with(kt_task *t, const char *words)
{
    kt_task *const first = t;
    size_t passed = 0;
    kt__check_thread(t->loop, "kt_task_cancel");
    if (t->state == KT__TASK_DONE)
        return false;
    for (kt_task *next; (next = next_in_chain(t)); t = next) {
        t->requests++;
        t->outside_forwarded = t->passing_on = true;
        passed++;
    }
    const bool late = under_way(t);
    request(t, words);
    for (t = first; passed > 0; passed--, t = t->wait_object) {
        t->passing_on = false;
        if (!late)
            take_words(t, words);
    }
    return true;
}

bool kt_task_cancel(kt_task *t)
{
    return kt_task_cancel_with(t, NULL);
}

const char *kt_task_cancel_message(const kt_task *t)
{
    return t->cancel_words ? t->cancel_words : "";
}

/* Makes a request from outside inactive, if it is felt. */
static bool take_outside(kt_task *self)
{
    bool felt = self->outside && !is_hidden(self, OUTSIDE);
    self->outside = self->outside && !felt;
    return felt;
}

void kt__forward_active(kt_task *self)
{
    self->outside_forwarded = take_outside(self);
    for (kt__scope *s = self->scopes; s; s = s->outer)
        if (is_felt(self, s))
            s->state = KT__SCOPE_FORWARDED;
    update_code(self);
}

int kt__forwarded_end(kt_task *self, int rc)
{
    bool refused = rc == KT_ECANCELED; /* it did not swallow the request: so it is ours */
    bool any = self->outside_forwarded;
    if (self->outside_forwarded) {
        self->outside_forwarded = false;
        self->outside = self->outside || refused;
    }
    for (kt__scope *s = self->scopes; s; s = s->outer) {
        if (s->state != KT__SCOPE_FORWARDED)
            continue;
        any = true;
        s->state = refused ? KT__SCOPE_ACTIVE : KT__SCOPE_CAUGHT;
    }
    if (!any)
        return rc;
    update_code(self);
    self->delivered = refused || self->delivered;
    return refused && self->code ? self->code : rc;
}

int kt__not_cut_short(kt_task *self, int rc)
{
    if (self->code == 0 || self->delivered)
        return rc;
    self->delivered = true;
    return self->code;
}

int kt__yield(kt_task *self)
{
    kt_loop *l = self->loop;
    self->wait = &wait_yield;
    self->wait_object = NULL;
    self->wake = self->code;
    self->delivered = self->delivered || self->code;
    self->state = KT__TASK_READY;
    kt__ready_push(l, &self->ready);
    return kt__park(self);
}

int kt_cancel_catch(void)
{
    kt_task *self = kt__self("kt_cancel_catch");
    int code = self->code;
    if (!self->delivered)
        return 0; /* what no call has returned is not there to be caught */
    self->delivered = false;
    take_outside(self);
    for (kt__scope *s = self->scopes; s; s = s->outer)
        if (is_felt(self, s))
            s->state = KT__SCOPE_CAUGHT;
    update_code(self);
    return code;
}

void kt_cancel_hold(void)
{
    kt_task *self = kt__self("kt_cancel_hold");
    if (self->held == HOLDS_MAX)
        kt__misuse("kt_cancel_hold: %d are open", HOLDS_MAX);
    self->delivered_outside_holds = self->delivered_outside_holds << 1 | self->delivered;
    self->delivered = false;
    self->held++;
    update_code(self);
}

void kt_cancel_unhold(void)
{
    kt_task *self = kt__self("kt_cancel_unhold");
    if (self->held == 0)
        kt__misuse("kt_cancel_unhold without kt_cancel_hold");
    self->held--;
    update_code(self);
    self->delivered = self->code && (self->delivered || self->delivered_outside_holds & 1);
    self->delivered_outside_holds >>= 1;
}

int kt_task_cancelling(const kt_task *t)
{
    int fired = 0;
    for (const kt__scope *s = t->scopes; s; s = s->outer)
        fired += s->state != KT__SCOPE_QUIET && !s->taken_back;
    return t->requests + fired;
}

/* Where nobody outside has asked, it is the innermost fired scope's request. */
static void take_one_back(kt_task *t)
{
    kt__scope *s = t->scopes;
    while (t->requests == 0 && s && (s->state == KT__SCOPE_QUIET || s->taken_back))
        s = s->outer;
    if (t->requests > 0)
        t->requests--;
    else if (s)
        s->taken_back = true;
}

int kt_task_uncancel(kt_task *t)
{
    take_one_back(t);
    int left = kt_task_cancelling(t);
    if (left == 0 && !t->delivered) {
        t->outside = false;
        for (kt__scope *s = t->scopes; s; s = s->outer)
            if (s->state == KT__SCOPE_ACTIVE)
                s->state = KT__SCOPE_CAUGHT;
        update_code(t);
    }
    return left;
}

void kt__cancel_again(kt_task *self)
{
    kt__scope *s = self->scopes;
    while (s && (s->state == KT__SCOPE_QUIET || s->taken_back))
        s = s->outer;
    if (self->requests > 0)
        self->outside = true;
    else if (s)
        s->state = KT__SCOPE_ACTIVE;
    else
        return;
    self->delivered = false;
    update_code(self);
}

/* ---- Scopes -------------------------------------------------------------------------------- */

void kt__scope_open(kt__scope *s, kt_task *t, int code)
{
    *s = (kt__scope){
        .outer = t->scopes,
        .task = t,
        .code = code,
        .outside_at_start = t->requests,
        .held = (uint8_t)t->held,
    };
    t->scopes = s;
}

void kt__scope_fire(kt__scope *s)
{
    kt_task *t = s->task;
    if (s->state != KT__SCOPE_QUIET)
        return;
    if (!under_way(t))
        take_words(t, NULL);
    if (pass_on(t, s->held)) {
        s->state = KT__SCOPE_FORWARDED;
    } else {
        s->state = KT__SCOPE_ACTIVE;
        interrupt(t, s->held);
    }
}

int kt__scope_close(kt__scope *s, int rc)
{
    kt_task *t = s->task;
    kt__scope **link = &t->scopes;
    while (*link != s)
        link = &(*link)->outer;
    *link = s->outer;
    s->task = NULL;
    if (s->state == KT__SCOPE_QUIET)
        return rc;
    bool pending = felt_code(t) && !t->delivered; /* asked for while the scope's own was handled: comes on top */
    if (kt_is_cancel(rc) && t->requests > s->outside_at_start)
        t->outside = true; /* the body ends by both: the outside one goes on */
    update_code(t);
    t->delivered = t->code && (t->delivered || (kt_is_cancel(rc) && !pending));
    if (!kt_is_cancel(rc))
        return rc;
    return t->code ? t->code : s->code;
}
