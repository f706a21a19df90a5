/* SPDX-License-Identifier: MIT */

/* Circuit breaker. No timer: an open one becomes half-open when somebody looks. */

#include <errno.h>
#include <kettle/breaker.h>

#include "core/core.h"

#define FAILURES_MAX 5
#define OPEN_FOR KT_S(30)

/* A ticket is a generation; ints stay positive when it wraps. */
#define TICKET_MASK 0x7fffffffu

static unsigned or_default(unsigned setting, unsigned otherwise)
{
    return setting ? setting : otherwise;
}

/* With the state everything counted in it begins anew. */
static void change(kt_breaker *b, kt_breaker_state state)
{
    b->state = (uint8_t)state;
    b->row = b->trials = 0;
    b->generation = (b->generation + 1) & TICKET_MASK;
}

static void open_up(kt_breaker *b)
{
    change(b, KT_BREAKER_OPEN);
    b->openings++;
    b->half_open_at = kt__deadline(kt_now(), b->open_for > 0 ? b->open_for : OPEN_FOR);
}

kt_breaker_state kt_breaker_state_now(const kt_breaker *b)
{
    if (b->state == KT_BREAKER_OPEN && kt_now() >= b->half_open_at)
        return KT_BREAKER_HALF_OPEN;
    return (kt_breaker_state)b->state;
}

static int refuse(kt_breaker *b)
{
    b->refused++;
    if (b->state == KT_BREAKER_HALF_OPEN)
        return kt_error_set(-EAGAIN, "circuit breaker is half-open, and a trial under way");
    return kt_error_set(-EAGAIN, "circuit breaker is open for another %lld ms",
                        (long long)((b->half_open_at - kt_now()) / KT_MS(1)));
}

int kt_breaker_enter(kt_breaker *b)
{
    kt_breaker_state state = kt_breaker_state_now(b);
    if (state != (kt_breaker_state)b->state)
        change(b, state);
    if (state == KT_BREAKER_OPEN)
        return refuse(b);
    if (state == KT_BREAKER_HALF_OPEN) {
        if (b->trials >= or_default(b->trials_max, 1))
            return refuse(b);
        b->trials++;
    }
    b->calls++;
    return (int)b->generation;
}

static bool is_failure(const kt_breaker *b, int rc)
{
    return b->failed ? b->failed(rc, b->arg) : rc < 0;
}

static void count_trial(kt_breaker *b, bool failure)
{
    if (failure)
        open_up(b);
    else if (++b->row >= or_default(b->successes_min, 1))
        change(b, KT_BREAKER_CLOSED);
}

static void count_call(kt_breaker *b, bool failure)
{
    b->row = failure ? b->row + 1 : 0;
    if (b->row >= or_default(b->failures_max, FAILURES_MAX))
        open_up(b);
}

void kt_breaker_leave(kt_breaker *b, int ticket, int rc)
{
    bool counts = rc != KT_ECANCELED && rc != KT_ESIBLING;
    bool failure = counts && is_failure(b, rc);
    b->failures += failure;
    if ((unsigned)ticket != b->generation)
        return;
    if (b->state == KT_BREAKER_HALF_OPEN) {
        if (b->trials == 0)
            kt__misuse("kt_breaker_leave: called more often than kt_breaker_enter");
        b->trials--;
    }
    if (!counts)
        return;
    if (b->state == KT_BREAKER_HALF_OPEN)
        count_trial(b, failure);
    else
        count_call(b, failure);
}

int kt_breaker_run(kt_breaker *b, KT__JOB)
{
    (void)size; /* the caller waits, so nothing need be copied */
    int ticket = kt_breaker_enter(b);
    if (ticket < 0)
        return ticket;
    int rc = fn((void *)(uintptr_t)arg);
    kt_breaker_leave(b, ticket, rc);
    return rc;
}

void kt_breaker_reset(kt_breaker *b)
{
    change(b, KT_BREAKER_CLOSED);
}
