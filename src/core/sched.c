/* SPDX-License-Identifier: MIT */

/* The scheduler: passes over the ready queue, and the switch from one task to the next. */

#include "core/eyes.h"

#include <kettle/memory.h>

/* A pass is cheap (some ns a task), asking kernel and clock is not (300 ns): so a loop that is busy with
 * itself asks every 64 passes, or when 50 us have gone, looking at the clock every 8th. */
#define PASSES_BETWEEN_POLLS 64u
#define PASSES_BETWEEN_CLOCKS 8u
#define TIME_BETWEEN_POLLS KT_US(50)

__thread kt_loop *kt__loop;

uint64_t kt__random(kt_loop *l)
{
    uint64_t x = l->random; /* Vigna 2016, xorshift64* */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    l->random = x;
    return x * UINT64_C(2685821657736338717);
}

/* Puts the entries of a list into random order, in place: a radix sort by random keys. */
static __attribute__((noinline, cold)) void shuffle(kt_loop *l, kt__ready *list)
{
    for (int bit = 0; bit < 16; bit++) {
        kt__ready halves[2], *r;
        kt__list_init(&halves[0]);
        kt__list_init(&halves[1]);
        while ((r = list->next) != list) {
            kt__list_remove(r);
            kt__list_push(&halves[kt__random(l) >> 63], r);
        }
        for (int i = 0; i < 2; i++) {
            while ((r = halves[i].next) != &halves[i]) {
                kt__list_remove(r);
                kt__list_push(list, r);
            }
        }
    }
}

/* Makes what is ready the next pass; the one before is over. */
static void pass_take(kt_loop *l)
{
    kt__ready *first = l->next.next, *last = l->next.prev;
    if (first == &l->next)
        return;
    /* Word by word: a copy of the whole head loads two words at once, and would wait until the
     * stores of each have left the store buffer. */
    l->now.next = first;
    first->prev = &l->now;
    l->now.prev = last;
    last->next = &l->now;
    kt__list_init(&l->next);
    if (KT_UNLIKELY(l->simulated && l->random))
        shuffle(l, &l->now);
}

/* The pass is over: begins the next one, unless kernel and clock are to be asked first. */
static bool pass_begin(kt_loop *l)
{
    if (l->next.next == &l->next || l->passes_left == 0)
        return false;
    l->passes_left--;
    if (l->passes_left % PASSES_BETWEEN_CLOCKS == 0 && kt__clock_now(l) - l->polled > TIME_BETWEEN_POLLS)
        l->passes_left = 0;
    pass_take(l);
    return true;
}

/* The next task to run, out of the queue and with a stack; NULL when it is the scheduler's turn. */
static kt_task *next_task(kt_loop *l)
{
    for (;;) {
        kt__ready *r = l->now.next;
        if (r == &l->now) {
            if (!pass_begin(l))
                return NULL;
            continue;
        }
        if (r->kind == KT__READY_CALLBACK)
            return NULL;
        kt__list_remove(r);
        if (r->kind == KT__READY_STARTED || r->kind == KT__READY_WATCHED)
            return (kt_task *)(void *)r;
        l->current = NULL; /* what follows is no task's doing */
        if (r->kind == KT__READY_INLINE)
            r->run(r);
        else if (kt__task_prepare((kt_task *)(void *)r))
            return (kt_task *)(void *)r;
    }
}

/* t runs from now on. */
static inline void enter(kt_loop *l, kt_task *t)
{
    l->current = t;
    l->io_streak = 0;
    t->state = KT__TASK_RUNNING;
    t->wait = NULL;
}

/* The same wherever t may be one that debug mode watches. */
static inline void enter_watched(kt_loop *l, kt_task *t)
{
    enter(l, t);
    if (KT_UNLIKELY(l->debug))
        kt__step_begin(l, t);
}

static __attribute__((noinline)) int park_slow(kt_task *self)
{
    kt_loop *l = self->loop;
    if (KT_UNLIKELY(l->debug))
        kt__eyes_parks(self);
    kt_task *t = next_task(l);
    if (!t) {
        l->current = NULL;
        return kt__switch(&self->context, &l->scheduler, 0);
    }
    enter_watched(l, t);
    if (t == self)
        return self->wake;
    return kt__switch(&self->context, &t->context, t->wake);
}

/* The common case by itself: a parked task is next. (It cannot be self, which this pass has run.) */
int kt__park(kt_task *self)
{
    kt_loop *l = self->loop;
    kt__ready *r = l->now.next;
    if (KT_UNLIKELY(r == &l->now || r->kind != KT__READY_STARTED))
        return park_slow(self);
    kt__list_remove(r);
    kt_task *t = (kt_task *)(void *)r;
    enter(l, t);
    return kt__switch(&self->context, &t->context, t->wake);
}

void kt__run_now(kt_task *self, kt_task *t)
{
    kt_loop *l = self->loop;
    kt__list_remove(&t->ready);
    if (!kt__task_prepare(t))
        return;
    self->state = KT__TASK_READY;
    self->wake = 0;
    kt__list_push(l->now.next, &self->ready); /* in front: self goes on as soon as t lets go */
    enter_watched(l, t);
    kt__switch(&self->context, &t->context, t->wake);
}

/* ---- The life of a stack ------------------------------------------------------------------- */

/* Runs tasks on one stack, as long as each is followed by one that has not started yet. */
static void coroutine(kt_task *t)
{
    kt_loop *l = t->loop;
    kt__stack *stack = t->stack;
    kt__switch_arrived();
    do {
        int rc = t->fn(t->arg);
        if (t->drop)
            t->drop(t->arg);
        kt__task_finish(t, rc);
        l->spare = stack; /* for kt__task_prepare */
        t = next_task(l);
        if (t)
            enter_watched(l, t);
    } while (t && t->stack == stack);
    if (l->spare) {
        kt__stack_give(&l->stacks, stack);
        l->spare = NULL;
    }
    if (t)
        kt__switch_last(&l->nowhere, &t->context, t->wake);
    l->current = NULL;
    kt__switch_last(&l->nowhere, &l->scheduler, 0);
    __builtin_unreachable();
}

static int stack_for(kt_loop *l, kt_task *t)
{
    size_t wanted = t->stack_bytes ? t->stack_bytes : l->stacks.standard.usable;
    if (l->spare && kt__stack_usable(l->spare) == wanted) {
        t->stack = l->spare;
        l->spare = NULL;
        return 0;
    }
    return kt__stack_take(&l->stacks, t->stack_bytes, &t->stack);
}

bool kt__task_prepare(kt_task *t)
{
    kt_loop *l = t->loop;
    int rc = t->code;
    if (rc == 0 && !t->stack)
        rc = stack_for(l, t);
    if (rc < 0) {
        if (t->stack)
            kt__stack_give(&l->stacks, kt_steal(t->stack));
        if (rc != t->code) {
            kt_free(t->detail); /* the words of what failed become the task's */
            t->detail = kt_strndup(kt_error_detail(), strlen(kt_error_detail()));
        }
        if (t->drop)
            t->drop(t->arg);
        kt__task_finish(t, rc);
        return false;
    }
    if (KT_UNLIKELY(l->debug))
        kt__eyes_begin(t);
    t->ready.kind = l->debug ? KT__READY_WATCHED : KT__READY_STARTED;
    t->context = (kt__context){
        .sp = t->stack->top,
        .ip = (void *)(uintptr_t)kt__switch_entry,
        .r12 = t,
        .r13 = (void *)(uintptr_t)coroutine,
#if KT__ASAN
        .stack_bottom = t->stack->limit,
        .stack_size = kt__stack_usable(t->stack),
#endif
#if KT__TSAN
        .fiber = t->stack->fiber,
#endif
    };
    return true;
}

/* ---- The scheduler's own turn -------------------------------------------------------------- */

/* The latest moment at which the loop must be awake again. */
static kt_time wake_time(const kt_loop *l)
{
    if (l->next.next != &l->next || l->stopping)
        return 0;
    return l->timers.root ? l->timers.root->deadline : KT_FOREVER;
}

/* Will the outside world wake it, or may it, there being nothing else that could? */
static bool awaits_outside(const kt_loop *l)
{
    return l->pending > 0 || (l->attended && !l->timers.root);
}

/* Nothing is ready in virtual time: the clock jumps, if nothing real is outstanding. */
static void virtual_jump(kt_loop *l)
{
    if (l->next.next != &l->next || kt__inbox_drain(l) || l->stopping)
        return;
    if (l->simulated && kt__pool_run_one(l))
        return;
    if (awaits_outside(l))
        return;
    if (!l->timers.root)
        kt__deadlock(l);
    if (l->timers.root->deadline > l->virtual_now)
        l->virtual_now = l->timers.root->deadline;
}

/* Does a job of the simulated pool end here? With a seed at any moment; without when nothing is ready, which
 * tasks that never wait would put off for ever. */
static bool job_ends(kt_loop *l)
{
    return l->random ? kt__random(l) % 4 == 0 : ++l->looks % PASSES_BETWEEN_POLLS == 0;
}

/* Asks the outside world, in asyncio's order: events first, then the timers that are due. */
static void poll_world(kt_loop *l)
{
    if (KT_UNLIKELY(l->debug))
        kt__step_end(l);
    kt__stacks_trim(&l->stacks);
    if (l->simulated && job_ends(l))
        kt__pool_run_one(l);
    if (l->virtual_time)
        virtual_jump(l);
    kt_time until = wake_time(l);
    if (l->virtual_time)
        until = until > l->virtual_now && awaits_outside(l) ? KT_FOREVER : 0;
    if (KT_UNLIKELY(l->debug && until == KT_FOREVER && !awaits_outside(l) && l->tasks_first && !l->signal_handlers))
        kt__stalled(l);
    if (until > 0 && !kt__inbox_sleep(l))
        until = 0;
    l->driver->wait(l, until);
    kt__inbox_awake(l);
    kt__inbox_drain(l);
    kt__signals_look(l);
    kt__signal_handlers_look(l);
    l->polled = kt__clock_now(l);
    kt__timers_expire(l, l->polled);
    l->passes_left = l->simulated ? 0 : PASSES_BETWEEN_POLLS;
}

static void run_pass(kt_loop *l)
{
    for (;;) {
        kt_task *t = next_task(l);
        if (t) {
            enter_watched(l, t);
            kt__switch(&l->scheduler, &t->context, t->wake);
            continue;
        }
        kt__ready *r = l->now.next;
        if (r == &l->now)
            return;
        kt__list_remove(r); /* a callback, which only the scheduler runs */
        if (KT_UNLIKELY(l->debug))
            kt__step_begin(l, NULL);
        r->run(r);
        if (KT_UNLIKELY(l->debug))
            kt__step_end(l);
    }
}

/* Runs until `done(l, arg)`, which is asked between passes. */
static void run_until(kt_loop *l, bool (*done)(const kt_loop *l, uint64_t arg), uint64_t arg)
{
    for (;;) {
        run_pass(l);
        if (done(l, arg))
            return;
        poll_world(l);
        pass_take(l);
    }
}

static bool stopped(const kt_loop *l, uint64_t unused)
{
    (void)unused;
    return l->stopping;
}

/* Are all tasks up to number `last` done? The list is in order of creation. */
static bool all_done(const kt_loop *l, uint64_t last)
{
    return !l->tasks_first || l->tasks_first->id > last;
}

void kt__loop_stop(kt_loop *l)
{
    l->stopping = true;
    l->passes_left = 0;
}

/* A turn after the main task's end. */
static void main_ended(kt_task *t)
{
    t->on_done = NULL;
    kt__loop_stop(t->loop);
}

/* The main task belongs to nobody any more if it was stopped before its end. */
static void main_leave(kt_task *main)
{
    if (main->on_done && main->state == KT__TASK_DONE)
        kt__list_remove(&main->ready); /* its turn for main_ended */
    main->on_done = NULL;
}

void kt__loop_run(kt_loop *l)
{
    if (l->main)
        l->main->on_done = main_ended;
    if (l->stopping) { /* since before: one pass */
        poll_world(l);
        pass_take(l);
        l->passes_left = 0;
    }
    run_until(l, stopped, 0);
    l->stopping = false;
    if (l->main)
        main_leave(l->main);
}

static bool is_ready(const kt_loop *l)
{
    return l->now.next != &l->now || l->next.next != &l->next;
}

/* The last hops and callbacks, and what other threads have posted. */
static void drain(kt_loop *l)
{
    do {
        while (is_ready(l)) {
            pass_take(l);
            run_pass(l);
        }
    } while (kt__inbox_drain(l));
}

static void cancel_all(kt_loop *l)
{
    while (l->tasks_first) { /* once, unless the clean-up spawns new ones */
        uint64_t last = l->ids;
        for (kt_task *t = l->tasks_first; t; t = t->all_next)
            kt_task_cancel(t);
        run_until(l, all_done, last);
    }
}

/* ---- What nobody has closed ---------------------------------------------------------------- */

void kt__left_open_add(kt_loop *l, kt__left_open *o)
{
    o->prev = NULL;
    o->next = l->left_open;
    if (o->next)
        o->next->prev = o;
    l->left_open = o;
}

void kt__left_open_remove(kt_loop *l, kt__left_open *o)
{
    if (o->prev)
        o->prev->next = o->next;
    else
        l->left_open = o->next;
    if (o->next)
        o->next->prev = o->prev;
}

static int close_left_open(void *arg)
{
    const kt_loop *l = arg;
    while (l->left_open)
        l->left_open->close(l->left_open);
    return 0;
}

/* Without memory for the task they are lost, and with them what they hold. */
static void end_left_open(kt_loop *l)
{
    kt_task *t;
    if (!l->left_open || kt__task_new(l, NULL, NULL, close_left_open, l, 0, &t) < 0)
        return;
    kt_task_detach(t);
    run_until(l, all_done, l->ids);
}

void kt__loop_finish(kt_loop *l)
{
    l->ending = true;
    l->stopping = false;
    do { /* once, unless the last callbacks and the handler of errors spawn tasks or hand jobs to threads */
        cancel_all(l);
        end_left_open(l);
        kt__tasks_report_left(l);
        kt__fd_watches_end(l); /* one that is always ready would never let us end */
        drain(l);
        kt__pools_shut(l);
        run_until(l, kt__pools_idle, 0); /* a job that calls home must not wait in vain */
        kt__pools_free(l);
        drain(l);
        kt__tasks_report_left(l);
        if (!l->tasks_first && !l->pools)
            kt__tasks_free_unclaimed(l);
    } while (l->tasks_first || l->pools || is_ready(l));
    kt__callbacks_end(l);
    kt__signal_handlers_end(l);
}
