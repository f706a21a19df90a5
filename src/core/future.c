/* SPDX-License-Identifier: MIT */

/* Futures. */

#include <kettle/future.h>

#include "core/eyes.h"

enum { PENDING, SETTLED, CANCELLED };

static int settle(kt_future *f, uint8_t state, int rc, intptr_t result)
{
    if (f->state != PENDING)
        return KT_EINVALIDSTATE;
    f->state = state;
    f->rc = rc;
    f->result = result;
    for (kt_task *t; (t = kt__line_first(&f->waiters));) {
        kt__callbacks_due(&f->callbacks, t->timer.sequence);
        kt__line_wake(&f->waiters, rc);
    }
    kt__callbacks_due(&f->callbacks, UINT64_MAX);
    return 0;
}

int kt_future_set_result(kt_future *f, intptr_t result)
{
    return settle(f, SETTLED, 0, result);
}

int kt_future_set_error(kt_future *f, int rc)
{
    if (rc >= 0)
        kt__misuse("kt_future_set_error: %d is no error", rc);
    bool awaited = f->waiters.first || f->callbacks.first;
    int settled = settle(f, SETTLED, rc, 0);
    if (settled == 0 && !awaited)
        kt__opened(f, "a future's error", KT__SITE, NULL);
    return settled;
}

bool kt_future_cancel(kt_future *f)
{
    return settle(f, CANCELLED, KT_ECANCELED, 0) == 0;
}

bool kt_future_done(const kt_future *f)
{
    return f->state != PENDING;
}

bool kt_future_cancelled(const kt_future *f)
{
    return f->state == CANCELLED;
}

int kt_future_result(const kt_future *f, intptr_t *ret_result)
{
    if (f->state == PENDING)
        return KT_EINVALIDSTATE;
    if (f->rc == 0 && ret_result)
        *ret_result = f->result;
    if (f->rc < 0)
        kt__closed(f, "a future's error");
    return f->rc;
}

static bool forward(kt_task *t)
{
    return kt_future_cancel(t->wait_object);
}

static const kt__wait wait_future = {
    .what = "a future",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_plain,
    .forward = forward,
};

int kt_future_await(kt_future *f, intptr_t *ret_result)
{
    kt_task *self = kt__self("kt_future_await");
    if (f->state != PENDING)
        return kt_future_result(f, ret_result);
    if (self->code && self->delivered)
        return kt__yield(self);
    self->timer.sequence = kt__turn(self->loop);
    if (self->code) { /* a request that nobody has seen yet goes to what is awaited, as in asyncio */
        kt__forward_active(self);
        kt__line_up_begin(self, &f->waiters, &wait_future, f);
        kt_future_cancel(f);
    } else {
        kt__line_up_begin(self, &f->waiters, &wait_future, f);
    }
    int rc = kt__forwarded_end(self, kt__park(self));
    return rc < 0 ? rc : kt_future_result(f, ret_result);
}

void kt_future_on_done(kt_future *f, kt_callback *c, void (*fn)(void *arg), void *arg)
{
    if (f->state == PENDING)
        kt__callbacks_add(&f->callbacks, c, fn, arg, "kt_future_on_done");
    else
        kt_call_soon(c, fn, arg);
}
