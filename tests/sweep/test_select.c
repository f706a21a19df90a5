/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/select.h>

/* One of everything that can be waited for, none of it to be had. The subject waits for all of it at once, and
 * behind it a neighbour for one of the things. */
typedef struct hall {
    kt_queue empty, full;
    kt_event event, task_ends;
    kt_future future;
    kt_task *task;
    kt_lock lock;
    kt_semaphore semaphore;
    int got, put;
} hall;

enum { GET, PUT, EVENT, FUTURE, TASK, LOCK, SEMAPHORE, AFTER, CASES };

static int waits_for(void *event)
{
    return kt_event_wait(event);
}

static void open_hall(hall *h)
{
    *h = (hall){
        .empty = KT_QUEUE_INIT(int, 0),
        .full = KT_QUEUE_INIT(int, 1),
        .event = KT_EVENT_INIT,
        .task_ends = KT_EVENT_INIT,
        .future = KT_FUTURE_INIT,
        .lock = KT_LOCK_INIT,
        .semaphore = KT_SEMAPHORE_INIT(0),
        .put = 2,
    };
    h->task = spawn(waits_for, &h->task_ends, 0);
    sure(kt_queue_put(&h->full, &(int){1}));
    sure(kt_lock_acquire(&h->lock));
}

/* Nobody is left in any line, and nothing but what the neighbour has taken or put is gone or new. */
static void close_hall(hall *h)
{
    CHECK(!h->empty.getters.first && !h->full.putters.first && !h->event.waiters.first);
    CHECK(!h->future.waiters.first && !h->lock.waiters.first && !h->semaphore.waiters.first);
    CHECK_EQ(kt_queue_size(&h->empty), 0);
    CHECK_EQ(kt_queue_size(&h->full), 1);
    CHECK_EQ(h->semaphore.value, 0);
    CHECK(kt_lock_locked(&h->lock));
    kt_lock_release(&h->lock);
    kt_event_set(&h->task_ends);
    sure(kt_task_join(h->task));
    kt_queue_release(&h->empty);
    kt_queue_release(&h->full);
}

static int selects(void *arg)
{
    hall *h = arg;
    kt_select_case cases[CASES] = {
        [GET] = kt_select_get(&h->empty, &h->got),
        [PUT] = kt_select_put(&h->full, &h->put),
        [EVENT] = kt_select_event(&h->event),
        [FUTURE] = kt_select_future(&h->future),
        [TASK] = kt_select_task(h->task),
        [LOCK] = kt_select_lock(&h->lock),
        [SEMAPHORE] = kt_select_semaphore(&h->semaphore),
        [AFTER] = kt_select_after(KT_S(10)),
    };
    int which = SWEPT(kt_select, (cases, CASES));
    CHECK_EQ(h->got, which == GET ? 7 : 0);
    if (which >= 0)
        CHECK_OK(cases[which].rc);
    return which;
}

/* Wants one of the things, and keeps it. */
KT_FN(neighbour, a, struct {
    hall *h;
    int which;
})
{
    hall *h = a->h;
    int item = 3;
    switch (a->which) {
    case GET:
        return kt_queue_get(&h->empty, &item);
    case PUT:
        return kt_queue_put(&h->full, &item);
    case EVENT:
        return kt_event_wait(&h->event);
    case FUTURE:
        return kt_future_await(&h->future, NULL);
    case TASK:
        return kt_shield(h->task);
    case LOCK:
        return kt_lock_acquire(&h->lock);
    case SEMAPHORE:
        return kt_semaphore_acquire(&h->semaphore);
    default:
        return kt_sleep(KT_S(12));
    }
}

/* Gives the thing to the first in line, or to all, as is its way. */
static void grant(hall *h, int which)
{
    int item;
    switch (which) {
    case GET:
        sure(kt_queue_put(&h->empty, &(int){7}));
        break;
    case PUT:
        sure(kt_queue_get(&h->full, &item));
        break;
    case EVENT:
        kt_event_set(&h->event);
        break;
    case FUTURE:
        (void)!kt_future_set_result(&h->future, 0); /* once is enough */
        break;
    case TASK:
        kt_event_set(&h->task_ends);
        break;
    case LOCK:
        kt_lock_release(&h->lock);
        break;
    case SEMAPHORE:
        kt_semaphore_release(&h->semaphore);
        break;
    default:
        sure(kt_sleep(KT_S(10)));
    }
}

/* A turn that the subject was given and did not use is the neighbour's; what it did use comes once more. */
static void sweep_case(int which)
{
    hall h;
    open_hall(&h);
    sweep_begin(selects, &h);
    kt_task *next = spawn(KT_WITH(neighbour, &h, which));
    sure(kt_sleep(KT_S(1)));
    grant(&h, which);
    int rc = sweep_end();
    if (rc >= 0) {
        CHECK_EQ(rc, which);
        grant(&h, which);
    }
    sure(kt_task_join(next));
    close_hall(&h);
}

SWEEP(kt_select, SUSPENDS)
{
    sweep_case(GET);
}

SWEEP_AS(kt_select, put, SUSPENDS)
{
    sweep_case(PUT);
}

SWEEP_AS(kt_select, event, SUSPENDS)
{
    sweep_case(EVENT);
}

SWEEP_AS(kt_select, future, SUSPENDS)
{
    sweep_case(FUTURE);
}

SWEEP_AS(kt_select, task, SUSPENDS)
{
    sweep_case(TASK);
}

SWEEP_AS(kt_select, lock, SUSPENDS)
{
    sweep_case(LOCK);
}

SWEEP_AS(kt_select, semaphore, SUSPENDS)
{
    sweep_case(SEMAPHORE);
}

SWEEP_AS(kt_select, after, SUSPENDS)
{
    sweep_case(AFTER);
}

/* Its turn comes, but the item is gone, so that it waits a second time. */
SWEEP_AS(kt_select, outrun, SUSPENDS)
{
    hall h;
    int item;
    open_hall(&h);
    sweep_begin(selects, &h);
    sure(kt_sleep(KT_S(1)));
    grant(&h, GET);
    sure(kt_queue_get_nowait(&h.empty, &item));
    sure(kt_sleep(KT_S(1)));
    grant(&h, GET);
    if (sweep_end() < 0)
        sure(kt_queue_get_nowait(&h.empty, &item));
    close_hall(&h);
}

/* ---- At once ------------------------------------------------------------------------------- */

static int puts_by_select(void *arg)
{
    kt_select_case c = kt_select_put(arg, &(int){5});
    CHECK_EQ(SWEPT(kt_select, (&c, 1)), 0);
    CHECK_EQ(kt_queue_size(arg), c.rc < 0 ? 0 : 1);
    return c.rc;
}

static void sweep_put(kt_fn puts)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int item = 0;
    (void)sweep_subject(puts, &q);
    sure(kt_queue_get_nowait(&q, &item));
    CHECK_EQ(item, 5);
}

SWEEP_AS(kt_select, put_grows, ALLOCATES)
{
    sweep_put(puts_by_select);
}

static int puts_nowait(void *arg)
{
    kt_select_case c = kt_select_put(arg, &(int){5});
    CHECK_EQ(SWEPT(kt_select_nowait, (&c, 1)), 0);
    CHECK_EQ(kt_queue_size(arg), c.rc < 0 ? 0 : 1);
    return c.rc;
}

SWEEP(kt_select_nowait, ALLOCATES)
{
    sweep_put(puts_nowait);
}

SWEEP_AS(kt_select_nowait, nothing_there, PLAIN)
{
    kt_lock lock = KT_LOCK_INIT;
    kt_event event = KT_EVENT_INIT;
    sure(kt_lock_acquire(&lock));
    kt_select_case cases[] = {kt_select_lock(&lock), kt_select_event(&event), kt_select_after(1)};
    CHECK_ERR(SWEPT(kt_select_nowait, (cases, 3)), -EAGAIN);
    CHECK(!lock.waiters.first && !event.waiters.first);
    kt_lock_release(&lock);
    CHECK_EQ(SWEPT(kt_select_nowait, (cases, 3)), 0);
    CHECK(lock.holder == kt_task_current());
    kt_lock_release(&lock);
}
