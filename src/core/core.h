/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CORE_CORE_H
#define KETTLE_CORE_CORE_H

/* The inside of a loop: what tasks, waiting, timers and drivers share.
 *
 * A loop has two lists of ready entries: `now` is the pass that runs, `next` collects what becomes ready
 * meanwhile. A task that suspends takes the next entry off `now` itself and switches to it, so the
 * scheduler (the code in loop.c, on the thread's own stack) runs only for callbacks and to ask the kernel.
 *
 * Every suspended task is in exactly one wait, described by a `kt__wait`; whoever ends the wait
 * calls kt__wake with what the suspended call is to return. */

#include <kettle/callback.h>
#include <kettle/group.h>
#include <kettle/loop.h>
#include <kettle/sync.h>
#include <kettle/task.h>
#include <kettle/timeout.h>
#include <signal.h>
#include <stdatomic.h>

#include "core/timer_heap.h"
#include "core/driver.h"
#include "core/stack.h"
#include "core/switch.h"

#define KT_LIKELY(x) __builtin_expect(!!(x), 1)
#define KT_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* The structure of which `pointer` is member `member`. */
#define KT__OWNER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* ---- Tasks ----------------------------------------------------------------------------- */

enum kt__ready_kind {
    KT__READY_STARTED,  /* a task that is parked */
    KT__READY_FRESH,    /* a task that has no stack yet */
    KT__READY_INLINE,   /* a small step of the loop's own; runs on whatever stack finds it */
    KT__READY_CALLBACK, /* a user's callback; runs on the scheduler's stack */
};

enum kt__task_state {
    KT__TASK_FRESH,   /* in the ready queue, never run */
    KT__TASK_READY,   /* in the ready queue, parked */
    KT__TASK_RUNNING,
    KT__TASK_WAITING,
    KT__TASK_DONE,
};

/* One value in a context; context.c. */
typedef struct kt__setting kt__setting;

/* A kind of waiting. */
typedef struct kt__wait {
    const char *what; /* for people: "sleep", "queue get" */

    /* A cancellation came while the task waits: end the wait, so that sooner or later kt__wake
     * is called, normally at once with t->code. */
    void (*cancel)(kt_task *t);

    /* A cancellation came after kt__wake but before the task ran. True takes the result back: the
     * call then returns the cancellation's code. NULL: the result wins, and the cancellation
     * shows at the next call. */
    bool (*raced)(kt_task *t);

    /* If not NULL, a cancellation is passed on through this instead of ending the wait. */
    void (*forward)(kt_task *t);
} kt__wait;

struct kt_task {
    kt__ready ready; /* first: the entry is the task */
    kt__context context;
    int wake; /* what the suspended call returns; the kernel reads and writes less than 2 GiB at once */
    kt_loop *loop;
    const kt__wait *wait; /* what it waits in; stays set after the wake, until it runs */
    void *wait_object;
    kt__waiters *wait_list; /* the list that it stands in, or NULL */
    kt_task *wait_next, *wait_prev;

    uint8_t state;
    bool detached;
    bool unclaimed;         /* done, and in the loop's list of such */
    bool outside;           /* a request from outside makes calls fail */
    bool outside_forwarded; /* one was passed on to what the task waits for */
    bool passing_on;        /* a request is on its way through this task */
    bool delivered;         /* a call has returned it */
    unsigned held;          /* destructors at work that hold cancellations back */
    int requests;           /* from outside, not taken back */
    int code;               /* with which suspending calls fail now; 0 = none */
    int rc;                 /* the result */
    kt__scope *scopes;      /* open timeouts and groups, innermost first */

    kt_fn fn;
    void *arg;
    kt__stack *stack;
    size_t stack_bytes;
    char *name;   /* NULL: made from id */
    char *detail; /* the last error in words */
    uint64_t id;
    kt_task *all_next, *all_prev; /* tasks of the loop that are not done */
    kt__waiters awaiters;
    kt__callbacks callbacks;     /* for its end */
    kt__setting *context_values; /* newest first */
    struct kt_coroutine *coroutine; /* that runs in it, innermost */

    /* If not NULL, called one turn of the queue after the end, for whom the task belongs to; from then
     * on the task is theirs to free. */
    void (*on_done)(kt_task *t);
    void *owner;
    bool owner_keeps; /* the group frees it at its join, not before */
    kt_task *sibling_next, *sibling_prev;

    kt__timer timer; /* of kt_sleep */
    kt__op op;       /* the input or output in flight */
    kt__fd poll_fd;  /* of kt_fd_wait */
    _Alignas(max_align_t) char arg_copy[];
};

/* ---- Loops ----------------------------------------------------------------------------- */

typedef struct kt__inbox kt__inbox;
typedef struct kt__pool kt__pool;

struct kt_loop {
    kt_task *current; /* NULL while the scheduler or a callback runs */
    kt__ready now, next; /* list heads */
    unsigned passes_left; /* before kernel and clock are asked again */
    unsigned io_streak;   /* calls in a row that had no need to wait */
    kt_time polled;       /* when they were asked last */
    kt__context scheduler;
    kt__context nowhere; /* where coroutines that ended are "parked" */
    kt__stack *spare;    /* the stack of a task that just ended, which runs on it still */

    kt__heap timers;
    const kt__driver *driver;
    void *driver_state;
    size_t pending; /* operations and jobs that the outside world will end */
    bool simulated; /* ask every pass */
    bool virtual_time;
    kt_time virtual_now;
    uint64_t random; /* state of the seeded generator, 0 = first in, first out */

    kt__stacks stacks;
    kt_task *tasks_first, *tasks_last; /* not done, in order of creation */
    kt_task *unclaimed; /* done, and neither joined nor detached so far */
    size_t tasks;
    kt_task *main;
    bool main_over; /* and the pass that followed its end */
    uint64_t ids;
    char names[4][32]; /* of unnamed tasks, made on demand */
    unsigned names_next;

    kt__inbox *inbox;
    kt__pool *pool;
    bool debug;
    bool main_signalled; /* a signal asked the main task to stop */
    bool has_signals, watches_faults;
    sigset_t signals_before;
    struct kt_signal *signal_handlers; /* of the program's own */
    void *alternate_stack; /* of the thread, if the loop gave it one */
    kt_options options;

    void (*probe)(void *arg); /* see kt__probe */
    void *probe_arg;
    kt__context probe_return;
};

/* The loop of this thread. Only a loop's own thread ever touches the loop, the inbox excepted. */
extern __thread kt_loop *kt__loop;

/* ---- The ready queue (ready.h has the inline half) ----------------------------------------- */

static inline void kt__list_init(kt__ready *head)
{
    head->next = head->prev = head;
}

static inline void kt__list_push(kt__ready *head, kt__ready *r)
{
    r->next = head;
    r->prev = head->prev;
    head->prev->next = r;
    head->prev = r;
}

static inline void kt__list_remove(kt__ready *r)
{
    r->prev->next = r->next;
    r->next->prev = r->prev;
}

/* Puts an entry at the end of the next pass. */
static inline void kt__ready_push(kt_loop *l, kt__ready *r)
{
    kt__list_push(&l->next, r);
}

/* ---- Suspending and waking (sched.c) ------------------------------------------------------- */

/* Suspends the running task, which is in a wait or in the ready queue already, until it is woken.
 * Returns what it was woken with. To be called last, its result not even converted, so that the
 * compiler makes it a jump: return kt__park(self). */
int kt__park(kt_task *self);

/* The running task begins to wait: kt__park must follow. */
static inline void kt__wait_begin(kt_task *self, const kt__wait *wait, void *object)
{
    self->wait = wait;
    self->wait_object = object;
    self->state = KT__TASK_WAITING;
}

/* Ends t's wait: it will run in the next pass, its call returning `value`. */
static inline void kt__wake(kt_task *t, int value)
{
    t->wake = value;
    t->state = KT__TASK_READY;
    kt__ready_push(t->loop, &t->ready);
}

/* Lets others run once, then returns 0, or self->code if the task is being cancelled. What every
 * suspending call does first when self->code is set. */
int kt__yield(kt_task *self);

/* Suspending outside a task is misuse. */
void kt__no_task(const char *what) KT_NORETURN __attribute__((cold));

/* The running task; a call outside any task is misuse of `what`. */
static inline kt_task *kt__self(const char *what)
{
    const kt_loop *l = kt__loop;
    if (KT_UNLIKELY(!l || !l->current))
        kt__no_task(what);
    return l->current;
}

/* Runs the loop until the main task is done. */
void kt__loop_run(kt_loop *l);

/* Cancels and runs what is left, ends the pool, and lets the last callbacks run. */
void kt__loop_finish(kt_loop *l);

/* Runs the fresh task t at once, on behalf of the running task, which goes on as soon as t first
 * suspends or ends. */
void kt__run_now(kt_task *self, kt_task *t);

/* ---- Waiting in line (waiters.c) ----------------------------------------------------------- */

/* Puts the running task at the end of the line and suspends it; the first half alone. */
int kt__line_up(kt_task *self, kt__waiters *line, const kt__wait *wait, void *object);
void kt__line_up_begin(kt_task *self, kt__waiters *line, const kt__wait *wait, void *object);
void kt__line_remove(kt_task *t);

/* For kt__wait.cancel and .raced: leave the line and wake with the code; and: nothing to undo. */
void kt__cancel_leave(kt_task *t);
bool kt__raced_plain(kt_task *t);

/* For .raced: the task had been given its turn, and gives it on when it runs, not before, as asyncio's
 * do. kt__had_turn tells it so, after a kt__line_up that failed. */
bool kt__raced_turn(kt_task *t);

static inline bool kt__had_turn(const kt_task *self)
{
    return !self->wait_object;
}

/* Takes the first out of the line and wakes it; NULL if nobody waits. */
kt_task *kt__line_wake(kt__waiters *line, int value);

/* Where a thing has both waiters and callbacks, each takes a number, in its timer, which does not run
 * meanwhile: so they are served in the order in which they came. */
static inline uint64_t kt__turn(kt_loop *l)
{
    return ++l->timers.sequence;
}

/* ---- Tasks (task.c) ------------------------------------------------------------------------ */

/* A fresh task, in the ready queue. */
int kt__task_new(kt_loop *l, const kt_spawn_options *options, KT__JOB, kt_task **ret_task);

/* Gives a fresh task its stack; false: the task ended instead (cancelled, or no stack). */
bool kt__task_prepare(kt_task *t);

/* The running task ends with rc. */
void kt__task_finish(kt_task *t, int rc);
void kt__task_free(kt_task *t);

/* At the loop's end: nobody can join these any more. */
void kt__tasks_free_unclaimed(kt_loop *l);

/* ---- Cancellation (cancel.c) --------------------------------------------------------------- */

enum kt__scope_state {
    KT__SCOPE_QUIET,
    KT__SCOPE_FORWARDED, /* fired, and passed on to what the task waits for */
    KT__SCOPE_ACTIVE,    /* fired; suspending calls fail */
    KT__SCOPE_CAUGHT,    /* fired, and caught or survived */
};

void kt__scope_open(kt__scope *s, kt_task *t, int code);

/* Makes the scope's task fail. Once. */
void kt__scope_fire(kt__scope *s);

/* Takes the scope off its task. `rc` is how the body ended; see kt_timeout_end. */
int kt__scope_close(kt__scope *s, int rc);

/* What the running task was asked and has not taken back shows at its next call, even if it caught it. */
void kt__cancel_again(kt_task *self);

/* The running task is being cancelled and begins a wait that passes requests on: marks them so. */
void kt__forward_active(kt_task *self);

/* A wait that passed a cancellation on has ended with rc: what does the task see? */
int kt__forwarded_end(kt_task *self, int rc);

/* ---- Callbacks and contexts (callback.c, context.c) ---------------------------------------- */

/* Adds a callback to the list of a thing; takes it out; lets the loop call those that came before turn
 * `before`. */
void kt__callbacks_add(kt__callbacks *list, kt_callback *c, void (*fn)(void *arg), void *arg,
                       const char *what);
void kt__callbacks_remove(kt_callback *c);
void kt__callbacks_due(kt__callbacks *list, uint64_t before);

/* The loop ends: callbacks whose time has not come will not be called. */
void kt__callbacks_end(kt_loop *l);

/* The context of code that runs outside tasks: callbacks, jobs on pool threads. */
extern __thread kt__setting *kt__context_outside;

/* The context of whoever asks; not a reference of its own. */
kt__setting *kt__context_here(void);

/* On any thread: a job of the pool may run a loop of its own, whose tasks share what the job sees. */
kt__setting *kt__context_ref(kt__setting *s);
void kt__context_unref(kt__setting *s);

/* ---- Timers (timer.c) ---------------------------------------------------------------------- */

kt_time kt__clock_now(const kt_loop *l);

/* Calls `run` once, in the pass after the deadline; KT_FOREVER never. The timer is not running. `run`
 * begins with kt__timer_ran. */
void kt__timer_start(kt_loop *l, kt__timer *t, kt_time deadline, void (*run)(kt__ready *r));

/* Lets kernel and clock be asked before the next pass: for a deadline that has passed already. */
static inline void kt__poll_soon(kt_loop *l)
{
    l->passes_left = 0;
}

/* The same in the next pass. */
void kt__timer_start_due(kt_loop *l, kt__timer *t, void (*run)(kt__ready *r));

/* A timer that is not running may be stopped. */
void kt__timer_stop(kt_loop *l, kt__timer *t);
void kt__timer_ran(kt__timer *t);

/* Moves the timers that are due to the ready queue. */
void kt__timers_expire(kt_loop *l, kt_time now);

static inline kt_time kt__deadline(kt_time now, kt_time after)
{
    return after > 0 && now > KT_FOREVER - after ? KT_FOREVER : now + after;
}

/* ---- Other threads (inbox.c, pool.c) ------------------------------------------------------- */

/* A message to the loop: `run` is called on its thread. */
typedef struct kt__message {
    struct kt__message *next;
    void (*run)(struct kt__message *m);
    void (*drop)(struct kt__message *m); /* instead, when the loop has ended */
} kt__message;

int kt__inbox_open(kt_loop *l);
void kt__inbox_close(kt_loop *l);

/* Any thread. */
void kt__inbox_post(kt__inbox *inbox, kt__message *m);

/* From a signal handler: the loop looks at its signals. */
void kt__inbox_ring(kt__inbox *inbox);

/* The descriptor that becomes readable when the loop must look (-1 under sim). */
int kt__inbox_fd(const kt__inbox *inbox);

/* Runs what was posted; true if there was anything. */
bool kt__inbox_drain(kt_loop *l);

/* Announces that the loop is about to sleep; false if there is something to look at first. */
bool kt__inbox_sleep(kt_loop *l);
void kt__inbox_awake(kt_loop *l);

/* Ends the pool's threads, after the jobs that have begun. */
void kt__pool_close(kt_loop *l);

/* Runs one queued job on this thread (sim); false if there is none. */
bool kt__pool_run_one(kt_loop *l);

/* ---- Signals and faults (signal.c, overflow.c) ----------------------------------------------- */

void kt__sigpipe_block(kt_loop *l);
void kt__sigpipe_restore(const kt_loop *l);
void kt__signals_take(kt_loop *l);
void kt__signals_give_back(kt_loop *l);
void kt__signals_look(kt_loop *l);
void kt__signal_handlers_look(kt_loop *l);
void kt__signal_handlers_end(kt_loop *l);
int kt__overflow_watch(kt_loop *l);
void kt__overflow_unwatch(kt_loop *l);

/* ---- For people (dump.c, misuse.c) ----------------------------------------------------------- */

/* Stops the program with a message that names the running task and the rule. */
void kt__misuse(const char *format, ...) KT_PRINTF(1, 2) KT_NORETURN;

/* Nothing can ever run again: prints every task's stack and stops. */
void kt__deadlock(kt_loop *l) KT_NORETURN;

/* Calls fn(arg) on the stack of a parked task, as though its suspended call had called it, so that a
 * backtrace shows where the task is. fn must not suspend. */
void kt__probe(kt_task *t, void (*fn)(void *arg), void *arg);

/* A number of the loop's seeded generator (xorshift64*). */
uint64_t kt__random(kt_loop *l);

#endif
