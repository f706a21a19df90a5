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
#include <kettle/debug.h>
#include <kettle/group.h>
#include <kettle/loop.h>
#include <kettle/sync.h>
#include <kettle/task.h>
#include <kettle/timeout.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/map.h"
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
    KT__READY_WATCHED,  /* the same in debug mode: its steps are measured */
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

typedef void (*kt__each)(kt_task *t, void *arg);

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

    /* If not NULL, a cancellation is passed on through this instead of ending the wait. False: nobody took it, and
     * the wait is to be ended after all. */
    bool (*forward)(kt_task *t);

    /* If not NULL, calls each(on, arg) for every task that t waits for, here or at its holding of something. All of
     * them must act before the wait ends; where `any` is set, one of them is enough. */
    void (*awaits)(const kt_task *t, kt__each each, void *arg);
    bool any;
} kt__wait;

struct kt_task {
    kt__ready ready; /* first: the entry is the task */
    kt__context context;
    int wake; /* what the suspended call returns; the kernel reads and writes less than 2 GiB at once */
    int rc;   /* the result */
    kt_loop *loop;
    const kt__wait *wait; /* what it waits in; stays set after the wake, until it runs */
    void *wait_object;
    kt__waiter place; /* in a line of waiters; kt_select has further ones */

    uint8_t state;
    bool detached;
    bool unclaimed;         /* done, and in the loop's list of such */
    bool outside;           /* a request from outside makes calls fail */
    bool outside_forwarded; /* one was passed on to what the task waits for */
    bool passing_on;        /* a request is on its way through this task */
    bool told;              /* done, and somebody has read the result */
    bool delivered;         /* a call has returned it */
    uint8_t held;           /* kt_cancel_hold, so many times */
    bool owner_keeps;       /* there is a handle: the group frees it at its join, not before */
    uint64_t delivered_outside_holds; /* what `delivered` was before each of them, the last in bit 0 */
    int requests;           /* from outside, not taken back */
    int code;               /* with which suspending calls fail now; 0 = none */
    kt__scope *scopes;      /* open timeouts and groups, innermost first */

    kt_fn fn;
    void *arg;
    kt__stack *stack;
    size_t stack_bytes;
    const char *name; /* behind arg_copy, or the one below; NULL: made from id */
    char *name_set;   /* that of kt_task_name_set */
    char *detail; /* the last error in words */
    char *cancel_words; /* of the latest request, or NULL */
    uint64_t id, parent; /* of the task that spawned it, 0 = none */
    kt_time born;        /* as of the loop's last look at the clock */
    struct kt__eyes *eyes; /* debug mode's; eyes.h */
    void (*drop)(void *arg); /* of kt_spawn_options */
    struct kt__failures *failures; /* of the group that was joined last */
    kt_task *all_next, *all_prev; /* tasks of the loop that are not done */
    kt__waiters awaiters;
    kt__callbacks callbacks;     /* for its end */
    kt__setting *context_values;
    kt_context *values_in;       /* whose values count instead while it runs in it; or NULL */
    struct kt_coroutine *coroutine; /* that runs in it, innermost */

    /* If not NULL, called one turn of the queue after the end, for whom the task belongs to; from then
     * on the task is theirs to free. */
    void (*on_done)(kt_task *t);
    void *owner;
    kt_task *sibling_next, *sibling_prev;

    union { /* it waits in one way at a time */
        kt__timer timer; /* of kt_sleep; its sequence is the turn of who waits for a task or a future */
        kt__op op;       /* the input or output in flight */
    };
    _Alignas(max_align_t) char arg_copy[]; /* then the name */
};

/* ---- Loops ----------------------------------------------------------------------------- */

typedef struct kt__inbox kt__inbox;
typedef struct kt_thread_pool kt_thread_pool;

/* Something with tasks and memory of its own that is still open when all tasks have ended, so that nobody can close
 * it any more: then a task of the loop's calls `close`, which takes it out of the list. */
typedef struct kt__left_open {
    struct kt__left_open *next, *prev;
    void (*close)(struct kt__left_open *o);
} kt__left_open;

struct kt_loop {
    kt_task *current; /* NULL while the scheduler or a callback runs */
    kt__ready now, next; /* list heads */
    unsigned passes_left; /* before kernel and clock are asked again */
    unsigned io_streak;   /* calls in a row that had no need to wait */
    unsigned looks;       /* simulated: at kernel and clock */
    kt_time polled;       /* when they were asked last */
    kt__context scheduler;
    kt__context nowhere; /* where coroutines that ended are "parked" */
    kt__stack *spare;    /* the stack of a task that just ended, which runs on it still */

    kt__heap timers;
    kt__callbacks never; /* whose time is KT_FOREVER */
    const kt__driver *driver;
    void *driver_state;
    size_t pending; /* operations and jobs that the outside world will end */
    bool attended;  /* a task of another loop waits for it, and may cancel its main task */
    struct kt__fd_watch **watches; /* by descriptor; fd_watch.c */
    size_t watches_size, watches_count;
    bool watches_over;
    bool simulated; /* ask every pass */
    bool virtual_time;
    kt_time virtual_now;
    uint64_t random; /* state of the seeded generator, 0 = first in, first out */

    kt__stacks stacks;
    kt_task *tasks_first, *tasks_last; /* not done, in order of creation */
    kt_task *unclaimed; /* done, and neither joined nor detached so far */
    size_t tasks;
    kt_task *main; /* NULL in a run without one */
    bool stopping; /* the pass at hand is the run's last */
    uint64_t ids;
    char names[4][32]; /* of unnamed tasks, made on demand */
    unsigned names_next;

    void (*on_unhandled)(const kt_unhandled *u, void *arg); /* NULL: the default */
    void *on_unhandled_arg;
    void (*on_spawn)(kt_task *t, void *arg); /* or NULL */
    void *on_spawn_arg;
    kt_task *left_failed; /* by id: failed while the loop was ending */

    kt__inbox *inbox;
    struct kt__beside *besides;  /* loops on other threads that tasks of this one wait for; loops.c */
    kt_thread_pool *pools;       /* open */
    kt_thread_pool *pool;        /* the loop's own; NULL: not made yet */
    kt_thread_pool *pool_chosen; /* which jobs go to instead that name none, or NULL */
    kt__left_open *left_open;
    struct kt__names *names_kept; /* with their addresses; NULL: none. io/resolve_cache.c */
    struct kt__disk *disk; /* what files are on; NULL: the system's. io/disk.h */
    struct kt__network *network; /* simulated; NULL: the system's. io/network.h */
    kt_time *job_lasts;    /* under sim, how long the pool job lasts that runs; NULL: none runs */
    bool ending;           /* other threads' new tasks come too late */
    bool debug;
    struct kt__watch *watch; /* in debug mode; watch.c */
    kt__map opened, sites;   /* debug mode's; eyes.c */
    void (*calling)(void *arg); /* the user's callback that runs, or ran last */
    bool main_signalled; /* a signal asked the main task to stop */
    bool has_signals, watches_faults, blocked_sigpipe;
    struct kt_signal *signal_handlers; /* of the program's own */
    void *alternate_stack; /* of the thread, if the loop gave it one */
    kt_options options;

    struct kt__probe *probe; /* see kt__probe */
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

/* Something of a loop's was touched on a thread that is not the loop's. */
void kt__wrong_thread(const char *what) KT_NORETURN __attribute__((cold));

static inline void kt__check_thread(const kt_loop *l, const char *what)
{
    if (KT_UNLIKELY(l != kt__loop))
        kt__wrong_thread(what);
}

/* From now on a child that is forked in a loop stops with a message where it would go on with that loop. */
void kt__fork_watch(void);

/* Stops in a child that was forked in a loop. */
void kt__check_forked(const char *what);

/* The running task; a call outside any task is misuse of `what`. */
static inline kt_task *kt__self(const char *what)
{
    const kt_loop *l = kt__loop;
    if (KT_UNLIKELY(!l || !l->current))
        kt__no_task(what);
    return l->current;
}

/* Runs the loop until the main task is done, or until it is stopped. */
void kt__loop_run(kt_loop *l);

/* The pass at hand, or else the next one, is the run's last. */
void kt__loop_stop(kt_loop *l);

/* Cancels and runs what is left, ends the pool, lets the last callbacks run, and frees the tasks that nobody joined. */
void kt__loop_finish(kt_loop *l);

/* In and out of the list of what the loop's end closes. */
void kt__left_open_add(kt_loop *l, kt__left_open *o);
void kt__left_open_remove(kt_loop *l, kt__left_open *o);

/* Runs the fresh task t at once, on behalf of the running task, which goes on as soon as t first
 * suspends or ends. */
void kt__run_now(kt_task *self, kt_task *t);

/* ---- Waiting in line (waiters.c) ----------------------------------------------------------- */

/* Puts the running task at the end of the line and suspends it; the first half alone. */
int kt__line_up(kt_task *self, kt__waiters *line, const kt__wait *wait, void *object);
void kt__line_up_begin(kt_task *self, kt__waiters *line, const kt__wait *wait, void *object);
void kt__line_add(kt__waiters *line, kt__waiter *w);
void kt__line_remove(kt__waiter *w);

/* For kt__wait.cancel and .raced: leave the line and wake with the code; and: nothing to undo. */
void kt__cancel_leave(kt_task *t);
bool kt__raced_plain(kt_task *t);

/* The first in the line; NULL if nobody waits. */
static inline kt_task *kt__line_first(const kt__waiters *line)
{
    return line->first ? line->first->task : NULL;
}

/* A place in a line that is not the task's own has its turn: the case of a kt_select (select.c). */
void kt__select_chose(kt__waiter *place, int value);

/* A turn that was given to a task which does not use it goes to the next, if there is still something
 * to be had (queue.c, sync.c). */
struct kt_queue;
void kt__queue_pass_get(struct kt_queue *q);
void kt__queue_pass_put(struct kt_queue *q);
void kt__lock_pass(kt_lock *l);
void kt__semaphore_pass(kt_semaphore *s);

/* And one that the task uses. */
void kt__semaphore_taken(kt_semaphore *s);

/* kt_lock_acquire for a function that the user calls at `site`; and for debug mode alone: there the running task has
 * taken the lock. */
int kt__lock_acquire(kt_lock *l, const void *site);
void kt__lock_taken(const kt_lock *l, const void *site);

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

/* The place in the user's source that calls the function in which this stands. */
#define KT__SITE __builtin_return_address(0)

/* A fresh task, in the ready queue. */
int kt__task_new(kt_loop *l, const void *site, const kt_spawn_options *options, KT__JOB, kt_task **ret_task);

/* Gives a fresh task its stack; false: the task ended instead (cancelled, or no stack). */
bool kt__task_prepare(kt_task *t);

/* The running task ends with rc. */
void kt__task_finish(kt_task *t, int rc);
void kt__task_free(kt_task *t);

/* A group's child, to which there is a handle: the handle is given back (group.c). */
void kt__group_detach(kt_task *t);

/* At the loop's end: tells of those that failed while it was ending; nobody can join these any more. */
void kt__tasks_report_left(kt_loop *l);
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

/* For kt__wait.forward of a wait whose object is a task: the request goes to that. */
bool kt__forward_to_task(kt_task *waiter);

/* The result of a wait that no cancellation can cut short: one that came meanwhile outranks it. */
int kt__not_cut_short(kt_task *self, int rc);

/* A wait that passed a cancellation on has ended with rc: what does the task see? */
int kt__forwarded_end(kt_task *self, int rc);

/* ---- Failures of a group (failures.c) ------------------------------------------------------ */

typedef struct kt__failures kt__failures;

/* Adds task t's failure with code rc, the total-th, to a list, which is made as needed. Without memory it is lost. */
void kt__failures_add(kt__failures **list, const kt_task *t, int rc, size_t total);

/* The list (or NULL) is now that of the running task, for a failure with this code; takes it over. */
void kt__failures_give(kt_task *self, kt__failures *f, int rc);

/* The failure of t is self's from now on. */
void kt__failures_share(kt_task *self, const kt_task *t);
void kt__failures_unref(kt__failures *f);

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

/* A task's values, from its birth (in `context`, or with a copy of what whoever asks sees) to its end. */
void kt__context_begin(kt_task *t, kt_context *context);
void kt__context_end(kt_task *t);

/* Calls fn(arg) outside tasks, with these values. */
void kt__context_call(kt__setting *values, void (*fn)(void *arg), void *arg);

/* The context of whoever asks; not a reference of its own. */
kt__setting *kt__context_here(void);

/* On any thread: a job of the pool may run a loop of its own, whose tasks share what the job sees. */
kt__setting *kt__context_ref(kt__setting *s);
void kt__context_unref(kt__setting *s);

/* The loop ends: nothing is watched any more, and nothing is in flight for a watch. */
void kt__fd_watches_end(kt_loop *l);

/* ---- Timers (timer.c) ---------------------------------------------------------------------- */

extern const kt__wait kt__wait_sleep; /* its deadline is that of the task's timer */

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

/* From a signal handler: the loop whose inbox is in that place, if any, looks at its signals. The loop takes its
 * inbox out of the place before it closes it. */
void kt__inbox_ring_at(_Atomic(kt__inbox *) *place);

/* The descriptor that becomes readable when the loop must look (-1 under sim). */
int kt__inbox_fd(const kt__inbox *inbox);

/* Runs what was posted; true if there was anything. */
bool kt__inbox_drain(kt_loop *l);

/* Announces that the loop is about to sleep; false if there is something to look at first. */
bool kt__inbox_sleep(kt_loop *l);
void kt__inbox_awake(kt_loop *l);

/* At the loop's end: drops the jobs that have not begun; are all others home? Frees the pools. */
void kt__pools_shut(kt_loop *l);
bool kt__pools_idle(const kt_loop *l, uint64_t unused);
void kt__pools_free(kt_loop *l);

/* As kt_thread_pool_run; a cancellation that comes while fn runs calls interrupt(arg), on the loop's thread,
 * more than once if it comes more than once. Such an fn may run for ever, so none waits in the queue for the end of
 * another where no thread can be made: -EAGAIN. */
int kt__pool_run(kt_thread_pool *p, kt_fn fn, void *arg, void (*interrupt)(void *arg));

/* Runs one queued job on this thread (sim); false if there is none. */
bool kt__pool_run_one(kt_loop *l);

/* The loop of a runner that is open. */
kt_loop *kt__runner_loop(kt_runner *r);

/* CPUs that this process may use. */
unsigned kt__cpus(void);

/* ---- Signals and faults (signal.c, overflow.c) ----------------------------------------------- */

void kt__sigpipe_block(kt_loop *l);
void kt__sigpipe_restore(const kt_loop *l);

/* The loop's thread blocks SIGPIPE; one of our own making is taken away. */
void kt__sigpipe_swallow(void);

void kt__signals_take(kt_loop *l);
void kt__signals_give_back(kt_loop *l);
void kt__signals_look(kt_loop *l);

/* Puts back what was there before a kt_signal took it; what a run had taken, and would have given back by now, goes
 * to its default. */
void kt__signal_put_back(int number, const struct sigaction *before);
void kt__signal_handlers_look(kt_loop *l);
void kt__signal_handlers_end(kt_loop *l);
int kt__overflow_watch(kt_loop *l);
void kt__overflow_unwatch(kt_loop *l);

/* Debug mode's last words. */
void kt__debug_end(kt_loop *l);

/* ---- For people (misuse.c, probe.c, dump.c, cycle.c, eyes.h) ----------------------------------- */

/* Stops the program with a message that names the running task and the rule. */
void kt__misuse(const char *format, ...) KT_PRINTF(1, 2) KT_NORETURN;

/* Outside tasks: forgets the words of the thread's last failure. */
void kt__error_forget(void);

/* Nothing can ever run again: prints every task's stack and stops. */
void kt__deadlock(kt_loop *l) KT_NORETURN;

/* Calls fn(arg) on the stack of a parked task, as though its suspended call had called it, so that a
 * backtrace shows where the task is. fn must not suspend. */
void kt__probe(kt_task *t, void (*fn)(void *arg), void *arg);

/* Calls fn(arg) on the thread's own stack, which is large. fn must not suspend. */
void kt__on_scheduler(kt_loop *l, void (*fn)(void *arg), void *arg);

/* Hands the tree of tasks to the log hook. */
void kt__dump_to_log(kt_loop *l);

/* The same of the loop and then of those that its tasks wait for, each on its own thread. */
void kt__loops_dump(kt_loop *l);

/* Calls each(on, arg) for every task that t waits for. */
void kt__awaits(const kt_task *t, kt__each each, void *arg);

/* Looks for a circle of tasks that wait for each other, through t or (NULL) anywhere, and writes the words for it:
 * false if there is none. */
bool kt__cycle_find(kt_loop *l, kt_task *t, char *text, size_t size);

/* A number of the loop's seeded generator (xorshift64*). */
uint64_t kt__random(kt_loop *l);

#endif
