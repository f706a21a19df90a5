/* SPDX-License-Identifier: MIT */

/* kt_signal: signals that the program asks for, delivered as callbacks of the loop. */

#include <kettle/signal.h>

#include <errno.h>
#include <signal.h>

#include "core/core.h"

#define NUMBERS 65

/* What the handler in the kernel's sense may touch. */
static struct {
    _Atomic(kt__inbox *) inbox; /* of the loop that asked; NULL: nobody */
    atomic_bool came;
    struct sigaction before;
} asked[NUMBERS];

static void on_signal(int number)
{
    int error = errno;
    atomic_store(&asked[number].came, true);
    kt__inbox_ring_at(&asked[number].inbox);
    errno = error;
}

static void deliver(kt__ready *r)
{
    kt__timer *timer = KT__OWNER(r, kt__timer, ready);
    kt_signal *s = KT__OWNER(timer, kt_signal, timer);
    kt__timer_ran(timer);
    kt__setting *context = kt__context_ref(s->context); /* it may release the signal */
    kt__loop->calling = s->fn;
    kt__context_call(context, s->fn, s->arg);
    kt__context_unref(context);
}

void kt__signal_handlers_look(kt_loop *l)
{
    for (kt_signal *s = l->signal_handlers; s; s = s->next) {
        if (!atomic_exchange(&asked[s->number].came, false))
            continue;
        /* None waits already: each pass runs all that the look before it has made due. */
        kt__timer_start_due(l, &s->timer, deliver);
        s->timer.ready.kind = KT__READY_CALLBACK;
    }
}

/* As loop.close does: a handler must not ring at a loop that is gone. */
void kt__signal_handlers_end(kt_loop *l)
{
    while (l->signal_handlers)
        kt_signal_release(l->signal_handlers);
}

int kt_signal_handle(kt_signal *s, int number, void (*fn)(void *arg), void *arg)
{
    kt_loop *l = kt__loop;
    kt__inbox *nobody = NULL;
    if (!l)
        kt__misuse("kt_signal_handle outside a loop");
    if (s->loop)
        kt__misuse("kt_signal_handle: this kt_signal is in use already");
    if (l->simulated)
        return kt_error_set(KT_ENOTSIM, "kt_signal_handle");
    if (number <= 0 || number >= NUMBERS)
        return kt_error_set(-EINVAL, "%d is no signal", number);
    if (!atomic_compare_exchange_strong(&asked[number].inbox, &nobody, l->inbox))
        return kt_error_set(-EBUSY, "signal %d has a kt_signal already", number);
    atomic_store(&asked[number].came, false);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, &asked[number].before) < 0) {
        atomic_store(&asked[number].inbox, NULL);
        return kt_error_set(-EINVAL, "signal %d cannot be handled", number);
    }
    *s = (kt_signal){.loop = l, .number = number, .fn = fn, .arg = arg, .next = l->signal_handlers};
    s->context = kt__context_ref(kt__context_here());
    l->signal_handlers = s;
    return 0;
}

void kt_signal_release(kt_signal *s)
{
    kt_loop *l = s->loop;
    if (!l)
        return;
    kt_signal **link = &l->signal_handlers;
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    kt__signal_put_back(s->number, &asked[s->number].before);
    atomic_store(&asked[s->number].inbox, NULL);
    kt__timer_stop(l, &s->timer);
    kt__context_unref(kt_steal(s->context));
    s->loop = NULL;
}
