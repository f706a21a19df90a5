/* SPDX-License-Identifier: MIT */

/* Messages to a loop from other threads: a stack that they push with one compare-and-swap, and
 * an eventfd that is rung only if the loop has announced that it sleeps. */

#include <errno.h>
#include <kettle/memory.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/core.h"

struct kt__inbox {
    _Atomic(kt__message *) newest;
    atomic_uint posting; /* threads inside kt__inbox_post: their message may end the loop already */
    atomic_bool asleep;
    int bell; /* eventfd; -1 under sim, where nobody sleeps */
};

/* Signal handlers inside kt__inbox_ring_at, on whatever thread. */
static atomic_uint ringing;

int kt__inbox_open(kt_loop *l)
{
    kt__inbox *inbox = kt_calloc(1, sizeof *inbox);
    if (!inbox)
        return -ENOMEM;
    inbox->bell = -1;
    if (l->driver != &kt__driver_sim) {
        inbox->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (inbox->bell < 0) {
            int rc = -errno;
            kt_free(inbox);
            return rc;
        }
    }
    l->inbox = inbox;
    return 0;
}

/* The messages in the order in which they were posted. */
static kt__message *take_all(kt__inbox *inbox)
{
    kt__message *m = atomic_exchange(&inbox->newest, NULL), *oldest = NULL;
    while (m) {
        kt__message *next = m->next;
        m->next = oldest;
        oldest = m;
        m = next;
    }
    return oldest;
}

void kt__inbox_close(kt_loop *l)
{
    kt__inbox *inbox = l->inbox;
    /* No handler finds this inbox any more, but one that did may not have rung yet. */
    while (atomic_load(&inbox->posting) > 0 || atomic_load(&ringing) > 0)
        sched_yield();
    kt__message *m;
    while ((m = take_all(inbox))) { /* again: a request to stop may have come for one that is just dropped */
        for (kt__message *next; m; m = next) {
            next = m->next;
            m->drop(m);
        }
    }
    if (inbox->bell >= 0)
        close(inbox->bell);
    kt_free(inbox);
}

int kt__inbox_fd(const kt__inbox *inbox)
{
    return inbox->bell;
}

static void ring(const kt__inbox *inbox)
{
    const uint64_t one = 1;
    if (inbox->bell >= 0) {
        ssize_t n = TEMP_FAILURE_RETRY(write(inbox->bell, &one, sizeof one));
        (void)n; /* EAGAIN: it rings already */
    }
}

/* It counts itself before it looks, and who closes an inbox takes it out before he counts: so either this finds
 * nothing, or it is waited for. */
void kt__inbox_ring_at(_Atomic(kt__inbox *) *place)
{
    atomic_fetch_add(&ringing, 1);
    const kt__inbox *inbox = atomic_load(place);
    if (inbox)
        ring(inbox);
    atomic_fetch_sub(&ringing, 1);
}

void kt__inbox_post(kt__inbox *inbox, kt__message *m)
{
    atomic_fetch_add(&inbox->posting, 1);
    m->next = atomic_load(&inbox->newest);
    while (!atomic_compare_exchange_weak(&inbox->newest, &m->next, m))
        ;
    if (atomic_load(&inbox->asleep) && atomic_exchange(&inbox->asleep, false))
        ring(inbox);
    atomic_fetch_sub(&inbox->posting, 1);
}

bool kt__inbox_drain(kt_loop *l)
{
    if (!atomic_load_explicit(&l->inbox->newest, memory_order_relaxed))
        return false;
    for (kt__message *m = take_all(l->inbox), *next; m; m = next) {
        next = m->next;
        m->run(m);
    }
    return true;
}

/* Announce first, look afterwards: a message posted in between is seen here, or rings. */
bool kt__inbox_sleep(kt_loop *l)
{
    atomic_store(&l->inbox->asleep, true);
    if (!atomic_load(&l->inbox->newest))
        return true;
    atomic_store(&l->inbox->asleep, false);
    return false;
}

void kt__inbox_awake(kt_loop *l)
{
    if (atomic_load_explicit(&l->inbox->asleep, memory_order_relaxed))
        atomic_store_explicit(&l->inbox->asleep, false, memory_order_relaxed);
}

/* ---- kt_call_threadsafe -------------------------------------------------------------------- */

typedef struct call {
    kt__message message;
    kt__ready ready;
    kt_loop *loop;
    void (*fn)(void *arg);
    void *arg;
    kt__setting *context;
} call;

static void call_run(kt__ready *r)
{
    call *c = KT__OWNER(r, call, ready);
    void (*fn)(void *arg) = c->fn;
    void *arg = c->arg;
    kt__setting *context = c->context;
    kt_free(c);
    kt__loop->calling = fn;
    kt__context_call(context, fn, arg);
    kt__context_unref(context);
}

static void call_arrived(kt__message *m)
{
    call *c = KT__OWNER(m, call, message);
    c->ready.kind = KT__READY_CALLBACK;
    c->ready.run = call_run;
    kt__ready_push(c->loop, &c->ready);
}

static void call_dropped(kt__message *m)
{
    call *c = KT__OWNER(m, call, message);
    kt__context_unref(c->context);
    kt_free(c);
}

int kt_call_threadsafe(kt_loop *loop, void (*fn)(void *arg), void *arg)
{
    call *c = kt_alloc(sizeof *c);
    if (!c)
        return -ENOMEM;
    *c = (call){.message = {.run = call_arrived, .drop = call_dropped}, .loop = loop, .fn = fn, .arg = arg};
    c->context = kt__context_ref(kt__context_here());
    kt__inbox_post(loop->inbox, &c->message);
    return 0;
}
