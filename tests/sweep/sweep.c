/* SPDX-License-Identifier: MIT */
/* The harness stands between the tasks and the scheduler: the linker puts two functions of the core
 * behind ours (--wrap), so that the library needs no hooks. One is where every task suspends, the
 * other is called between two passes of the loop. */
#include "sweep.h"

#include "calls.h"

#include <limits.h>

#include "core/core.h"
#include "test/kit.h"

enum {
    POINTS_MAX = 400,
    REAL_TIME_TRIES = 50,
    AGAIN_MAX = 8, /* suspensions after the first cancellation that a second one is tried at */
};

typedef enum way {
    CALM,
    AT_ONCE,    /* cancelled in the wait, before anything else happens */
    RACED,      /* cancelled in the pass in which it was woken */
    BY_TIMEOUT,
    BY_SIBLING,
    BEFORE,     /* cancelled before the call */
    AGAIN,      /* cancelled at once, and once more while it cleans up */
    NO_MEMORY,
    REFUSED,    /* one of its system calls fails */
} way;

static const char *const way_names[] = {
    "undisturbed", "cancelled at once", "cancelled as it is woken", "timed out",
    "cancelled by a failing sibling", "cancelled before", "cancelled and cancelled again", "without memory",
    "refused by the system",
};

static struct {
    const sweep_entry *entry;
    way way;
    unsigned nth;   /* AGAIN: 0 = before the call */
    unsigned again; /* AGAIN: at which suspension after that; 0 = in the same moment */
    uint64_t seed;

    /* Of one run. */
    kt_task *subject;   /* that runs in sweep_subject */
    kt_task *caller;    /* of the swept function, while it is in it */
    bool inside;
    int rc;             /* what it returned */
    unsigned calls, points, points_after;
    uint64_t allocations, counted_from;
    bool due, struck, woken;
    bool judged; /* the scenario has a subject */
    bool due_again, struck_again;
    kt_timeout limit;
    kt_event sibling_fails;
    kt_task *task; /* of sweep_begin */
    kt__ready look_again;
    bool looking_again;
} run;

/* On the thread of the scenario. The loops of other threads are none of the harness's business. */
static __thread bool ours;

bool sweep_struck(void)
{
    return run.struck;
}

int sweep_refused(void)
{
    return calls_failed_errno();
}

bool sweep_aims(void)
{
    return run.due && !run.struck;
}

bool sweep_starved(void)
{
    return run.way == NO_MEMORY;
}

/* A port that has connections in TIME_WAIT is not among those that port 0 may come to be, and thousands of runs a
 * minute leave no other; but it can be asked for by name. */
void sweep_listen(kt_listener **ret_listener)
{
    static uint16_t ports[8]; /* for as many as a scenario has at once */
    static unsigned count;
    for (unsigned i = 0; i < count; i++)
        if (kt_listen("127.0.0.1", ports[i], NULL, ret_listener) == 0)
            return;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, ret_listener));
    if (count < sizeof ports / sizeof ports[0])
        ports[count++] = kt_listener_port(*ret_listener);
}

bool sweep_calm(void)
{
    return run.way == CALM;
}

static bool has(unsigned flag)
{
    return run.entry->flags & flag;
}

/* ---- The allocations of the call --------------------------------------------------------- */

static void count_begin(void)
{
    run.counted_from = kt_test_allocations();
    if (run.way == NO_MEMORY && !run.struck && run.nth > run.allocations)
        kt_test_fail_allocation(run.nth - run.allocations);
    calls_begin();
}

static void count_end(void)
{
    calls_end();
    run.allocations += kt_test_allocations() - run.counted_from;
    if (run.way != NO_MEMORY || run.struck)
        return;
    run.struck = kt_test_allocation_failed();
    kt_test_fail_allocation(0);
}

/* ---- The call ---------------------------------------------------------------------------- */

int sweep_enter(const char *symbol)
{
    if (strcmp(symbol, run.entry->symbol) != 0)
        kt_test_fail("SWEPT(%s) in the entry of %s", symbol, run.entry->symbol);
    CHECK(!run.inside);
    run.caller = kt_task_current();
    if (has(SUSPENDS))
        CHECK(run.subject && run.caller == run.subject);
    run.inside = true;
    run.calls++;
    if ((run.way == BEFORE || (run.way == AGAIN && run.nth == 0)) && !run.struck) {
        run.struck = true;
        kt_task_cancel(run.caller);
    }
    count_begin();
    return 0;
}

void sweep_leave(const int *span)
{
    (void)span;
    count_end();
    run.struck = run.struck || (run.way == REFUSED && calls_failed());
    /* Woken between two passes, unseen: the harness is at fault. */
    CHECK(!run.due || run.struck);
    CHECK(!run.due_again || run.struck_again);
    run.inside = false;
}

int __real_kt__park(kt_task *self);
int __wrap_kt__park(kt_task *self);

int __wrap_kt__park(kt_task *self)
{
    if (!ours)
        return __real_kt__park(self);
    self->loop->passes_left = 0; /* so that the loop comes to look, below, after this pass */
    if (!run.inside || self != run.caller)
        return __real_kt__park(self);
    if (run.struck && run.way == AGAIN && ++run.points_after == run.again)
        run.due_again = true;
    if (++run.points == run.nth && run.way < NO_MEMORY)
        run.due = true;
    if (has(WHOLE))
        return __real_kt__park(self);
    count_end();
    int rc = __real_kt__park(self);
    count_begin();
    return rc;
}

/* ---- Between two passes ------------------------------------------------------------------ */

static void strike_again(void)
{
    run.struck_again = true;
    CHECK(kt_task_cancel(run.caller));
}

static void strike(void)
{
    kt_task *t = run.caller;
    run.woken = t->state != KT__TASK_WAITING;
    if (run.way == RACED && !run.woken)
        return;
    run.struck = true;
    if (run.way == BY_TIMEOUT)
        kt__scope_fire(&run.limit.scope); /* what its timer does */
    else if (run.way == BY_SIBLING)
        kt_event_set(&run.sibling_fails);
    else
        CHECK(kt_task_cancel(t));
    if (run.way == AGAIN && run.again == 0)
        strike_again();
}

static void look_again(kt__ready *r)
{
    (void)r;
    run.looking_again = false;
    kt__loop->passes_left = 0;
}

void __real_kt__signal_handlers_look(kt_loop *l);
void __wrap_kt__signal_handlers_look(kt_loop *l);

void __wrap_kt__signal_handlers_look(kt_loop *l)
{
    __real_kt__signal_handlers_look(l);
    if (!ours)
        return;
    if (run.inside && run.due && !run.struck)
        strike();
    if (run.inside && run.due_again && !run.struck_again)
        strike_again();
    if (!run.inside || l->simulated || run.looking_again)
        return;
    run.looking_again = true; /* a pass without tasks that suspend must not be followed by another */
    run.look_again = (kt__ready){.run = look_again, .kind = KT__READY_INLINE};
    kt__ready_push(l, &run.look_again);
}

/* ---- The subject ------------------------------------------------------------------------- */

static void judge_cancelled(int rc, int code)
{
    if (has(TELLS))
        return;
    if (kt_is_cancel(rc)) {
        CHECK_ERR(rc, code);
        CHECK(!has(HOLDS));
        return;
    }
    CHECK_OK(rc);
    bool before = run.way == BEFORE || (run.way == AGAIN && run.nth == 0);
    if (before ? run.points > 0 : (run.way == AT_ONCE || run.way == AGAIN) && !run.woken)
        CHECK(has(HOLDS | WINS)); /* otherwise it must have failed */
    CHECK_ERR(kt_sleep(KT_S(1000)), code); /* not lost */
}

/* Some errors have a code of ours, and the system's in their words. */
static bool tells(int rc, int error)
{
    return rc == -error || (rc == KT_ENOSTACK && error == ENOMEM) ||
           ((rc == KT_ESTORE || rc == KT_EVALIDATION) && strstr(kt_error_detail(), strerror(error)));
}

/* The error is the caller's, or the library knows a way around it. */
static int judge_refused(int rc, kt_fn fn, void *arg)
{
    if (rc >= 0)
        return rc;
    int error = calls_failed_errno();
    if (!tells(rc, error))
        kt_test_fail("%s failed with %s, and the call with %s (%s)", calls_failed_name(),
                     kt_error_name(-error), kt_error_name(rc), kt_error_detail());
    if (has(LASTING))
        return rc;
    rc = fn(arg);
    CHECK_OK(rc);
    return rc;
}

static int judge(int rc, int code, kt_fn fn, void *arg)
{
    bool no_memory = run.way == NO_MEMORY && run.struck;
    run.judged = true;
    if (!run.struck) {
        CHECK_OK(rc);
    } else if (run.way == REFUSED) {
        rc = judge_refused(rc, fn, arg);
    } else if (!no_memory) {
        judge_cancelled(rc, code);
    } else if (rc < 0) {
        CHECK_ERR(rc, -ENOMEM);
        rc = fn(arg);
        CHECK_OK(rc);
    } else {
        CHECK(has(SPARES));
    }
    run.subject = NULL;
    run.rc = rc;
    return rc;
}

static int within_limit(kt_fn fn, void *arg)
{
    kt_timeout_start(&run.limit, KT_FOREVER);
    int rc = judge(fn(arg), KT_ETIMEDOUT, fn, arg);
    int end = kt_timeout_end(&run.limit, rc);
    CHECK_EQ(end, rc);
    return rc;
}

static int fails_when_told(void *arg)
{
    int rc = kt_event_wait(arg);
    return rc < 0 ? rc : -EIO;
}

static int within_group(kt_fn fn, void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, fails_when_told, &run.sibling_fails, 0));
    int rc = judge(fn(arg), KT_ESIBLING, fn, arg);
    if (!run.struck)
        kt_group_cancel(&g);
    int end = kt_group_join(&g, kt_is_cancel(rc) ? rc : 0);
    if (run.struck)
        CHECK_ERR(end, -EIO);
    return rc;
}

int sweep_subject(kt_fn fn, void *arg)
{
    CHECK(!run.subject);
    run.subject = kt_task_current();
    switch (run.way) {
    case BY_TIMEOUT:
        return within_limit(fn, arg);
    case BY_SIBLING:
        return within_group(fn, arg);
    default:
        return judge(fn(arg), KT_ECANCELED, fn, arg);
    }
}

KT_FN(is_subject, a, struct {
    kt_fn fn;
    void *arg;
})
{
    return sweep_subject(a->fn, a->arg);
}

void sweep_begin(kt_fn fn, void *arg)
{
    CHECK(!run.task);
    run.task = spawn(KT_WITH(is_subject, fn, arg));
    sure(kt_sleep(0));
}

int sweep_end(void)
{
    int rc = kt_task_join(kt_steal(run.task));
    CHECK(rc == run.rc || (rc == KT_ECANCELED && run.struck)); /* one that it never learned of */
    return run.rc;
}

/* ---- One run, and all of them ------------------------------------------------------------ */

KT_FN(in_loop, a, struct {
    void (*fn)(void *arg);
    void *arg;
})
{
    sure(kt_task_join(spawn(nothing, NULL, 0))); /* the stacks are there */
    a->fn(a->arg);
    kt__test_check_tasks();
    return 0;
}

static void scenario(void *arg)
{
    (void)arg;
    run.entry->scenario();
}

void sweep_loop(void (*fn)(void *arg), void *arg)
{
    const char *driver = getenv("KETTLE_DRIVER");
    const kt_options options = {
        .driver = driver || has(REAL | REAL_TIME) ? KT_DRIVER_AUTO : KT_DRIVER_SIM,
        .virtual_time = !has(REAL_TIME),
        .seed = run.seed,
    };
    int rc = kt_run_with(&options, KT_WITH(in_loop, fn, arg));
    if (run.way == CALM && driver && strcmp(driver, "uring") == 0 &&
        (rc == -ENOSYS || rc == -EPERM || rc == -EACCES))
        kt_test_skip("this machine forbids io_uring (%s)", kt_error_name(rc));
    sure(rc);
}

static void check_behind(size_t live, const kt__descriptors *files)
{
    kt__descriptors now = {NULL, 0};
    if (has(REAL | REAL_TIME)) {
        kt__test_files_read(&now);
        if (kt__test_files_new(files, &now, false) > 0) {
            kt__test_fail_begin();
            kt__test_say_failure("left descriptors open:\n");
            kt__test_files_new(files, &now, true);
            kt__test_fail_end();
        }
        kt__test_files_release(&now);
    }
    if (kt_test_blocks() > live) {
        kt__test_fail_begin();
        kt__test_say_failure("left memory of kt_alloc:\n");
        kt__test_memory_report();
        kt__test_fail_end();
    }
}

bool sweep_is_caller(const kt_task *t)
{
    return ours && run.inside && t == run.caller;
}

static void run_once(const sweep_entry *e, way w, unsigned nth, unsigned again, uint64_t seed)
{
    kt__descriptors files = {NULL, 0};
    memset(&run, 0, sizeof run);
    ours = true;
    run.entry = e;
    run.way = w;
    run.nth = nth;
    run.again = again;
    run.seed = seed;
    kt__test_trace_clear();
    kt_test_say("%s %s, point %u, seed %llu", e->symbol, way_names[w], nth, (unsigned long long)seed);
    calls_fail(w == REFUSED ? nth : 0, again);
    if (w == AGAIN)
        kt_test_say("the second time at suspension %u of at most %d after it", again, AGAIN_MAX);
    if (has(REAL | REAL_TIME))
        kt__test_files_read(&files);
    size_t live = kt_test_blocks();
    if (has(NO_LOOP))
        e->scenario();
    else
        sweep_loop(scenario, NULL);
    check_behind(live, &files);
    kt__test_files_release(&files);
}

static void check_flags(const sweep_entry *e)
{
    if (run.calls == 0)
        kt_test_fail("the entry of %s never calls SWEPT(%s, ...)", e->symbol, e->symbol);
    if (!has(SUSPENDS) && run.points > 0)
        kt_test_fail("%s has suspended: its entry needs SUSPENDS", e->symbol);
    if (has(SUSPENDS) && run.points == 0)
        kt_test_fail("%s has not suspended: make its scenario let it wait, or drop SUSPENDS", e->symbol);
    if (!has(ALLOCATES) && run.allocations > 0)
        kt_test_fail("%s has allocated: its entry needs ALLOCATES", e->symbol);
    if (has(ALLOCATES) && run.allocations == 0)
        kt_test_fail("%s has not allocated: let its scenario need memory, or drop ALLOCATES", e->symbol);
    CHECK(!run.inside);
}

/* For every cancellation at once, a second one in the same moment and at each suspension that follows. */
static void run_again(const sweep_entry *e, uint64_t seed)
{
    unsigned pairs = 0, furthest = 0, nth = 0;
    do {
        CHECK_LT(nth, POINTS_MAX);
        unsigned again = nth == 0;
        do {
            run_once(e, AGAIN, nth, again, seed);
            pairs += run.struck_again;
            furthest = run.struck_again && again > furthest ? again : furthest;
        } while (run.struck_again && ++again <= AGAIN_MAX);
    } while (run.struck && ++nth);
    printf("%s: cancelled twice in %u ways, up to %u (of at most %d) suspensions later\n", e->symbol, pairs,
           furthest, AGAIN_MAX); /* shown with --no-fork */
}

/* Each of its system calls, with each error in turn. */
static void run_refused(const sweep_entry *e, uint64_t seed)
{
    unsigned ways = 0;
    for (unsigned nth = 1, error = 0;; error++) {
        CHECK_LT(nth, POINTS_MAX);
        run_once(e, REFUSED, nth, error, seed);
        ways += calls_failed();
        if (calls_failed())
            continue;
        if (calls_counted() < nth)
            break;
        nth++;
        error = UINT_MAX; /* that call's list is at its end: the next one's begins */
    }
    printf("%s: refused by the system in %u ways\n", e->symbol, ways);
}

/* In real time, and on a busy machine, what a call waits for may be there before it looks: then it need not wait, and
 * one more run is made. */
static unsigned tries_of(const sweep_entry *e)
{
    return e->flags & REAL_TIME ? REAL_TIME_TRIES : 1;
}

static void run_calm(const sweep_entry *e, uint64_t seed)
{
    unsigned tries = tries_of(e);
    do
        run_once(e, CALM, 0, 0, seed);
    while (has(SUSPENDS) && run.points == 0 && --tries > 0);
    check_flags(e);
}

/* Cancelled this way at each suspension in turn. */
static void run_cancelled(const sweep_entry *e, way w, uint64_t seed)
{
    unsigned nth = 0, tries = tries_of(e);
    do {
        CHECK_LT(nth, POINTS_MAX);
        run_once(e, w, ++nth, 0, seed);
        if (nth == 1 && !run.struck && --tries > 0)
            nth = 0;
    } while (run.struck || nth == 0);
    if (nth < 2)
        kt_test_fail("%s was never %s", e->symbol, way_names[w]);
}

static void run_ways(const sweep_entry *e, uint64_t seed)
{
    run_calm(e, seed);
    if (run.judged && !has(UNREFUSED) && calls_counted() > 0)
        run_refused(e, seed);
    for (way w = AT_ONCE; w <= BY_SIBLING && has(SUSPENDS); w++)
        run_cancelled(e, w, seed);
    if (has(SUSPENDS)) {
        run_once(e, BEFORE, 1, 0, seed);
        run_again(e, seed);
    }
    if (!has(ALLOCATES))
        return;
    unsigned nth = 0;
    do {
        CHECK_LT(nth, POINTS_MAX);
        run_once(e, NO_MEMORY, ++nth, 0, seed);
    } while (run.struck);
    if (nth < 2)
        kt_test_fail("%s never lacked memory", e->symbol);
}

void sweep_run(const sweep_entry *e)
{
    const char *seeds = getenv("KETTLE_SWEEP_SEEDS");
    unsigned long last = seeds ? strtoul(seeds, NULL, 10) : 0;
    for (uint64_t seed = 0; seed <= last; seed++)
        run_ways(e, seed);
}
