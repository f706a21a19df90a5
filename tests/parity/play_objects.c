/* SPDX-License-Identifier: MIT */

/* What the player does with locks, permits, events, queues, futures, callbacks and generators. */

#include "play.h"

static kt_lock locks[2];
static kt_semaphore permits[2] = {KT_SEMAPHORE_INIT(1), KT_SEMAPHORE_INIT(2)};
static kt_event events[2];
static int smaller(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static kt_queue queues[4] = {KT_QUEUE_INIT(int, 1), KT_QUEUE_INIT(int, 0), KT_LIFO_QUEUE_INIT(int, 2),
                             KT_PRIORITY_QUEUE_INIT(int, 2, smaller)};
static kt_condition condition;
static kt_future futures[3];
static kt_barrier barrier = KT_BARRIER_INIT(2);
static const kt_context_var var = {"var"};

/* ---- Time, the task itself, its state ---------------------------------------------------------- */

static int op_sleep(const node *n, env *e)
{
    (void)e;
    return kt_sleep(n->a[0] * U);
}

static int op_fail(const node *n, env *e)
{
    (void)n, (void)e;
    return -EIO;
}

static int op_count(const node *n, env *e)
{
    (void)n;
    say("T%d count %d", e->who, count());
    return 0;
}

static int op_uncancel(const node *n, env *e)
{
    (void)n;
    say("T%d uncancel %d", e->who, kt_task_uncancel(kt_task_current()));
    return 0;
}

void say_state(int who)
{
    char text[512];
    int n = snprintf(text, sizeof text, "T%d state", who);
#define ADD(...) n += snprintf(text + n, sizeof text - (size_t)n, __VA_ARGS__)
    for (int i = 0; i < 2; i++)
        ADD(" l%d%d p%d%d e%d%d q%d%zu/%zu", i, kt_lock_locked(&locks[i]), i, kt_semaphore_locked(&permits[i]),
            i, kt_event_is_set(&events[i]), i, kt_queue_size(&queues[i]), queues[i].unfinished);
    ADD(" c%d b%d%u", kt_condition_locked(&condition), kt_barrier_broken(&barrier),
        kt_barrier_waiting(&barrier));
    for (int i = 0; i < 3; i++)
        ADD(" f%d%d%d", i, kt_future_done(&futures[i]), kt_future_cancelled(&futures[i]));
    for (int i = 0; i < TASKS; i++)
        if (tasks[i])
            ADD(" t%d%d%d%d", i, kt_task_done(tasks[i]), kt_task_cancelled(tasks[i]),
                kt_task_cancelling(tasks[i]));
#undef ADD
    say("%s", text);
}

static int op_state(const node *n, env *e)
{
    (void)n;
    say_state(e->who);
    return 0;
}

/* ---- Locks, permits, events -------------------------------------------------------------------- */

static int op_lock(const node *n, env *e)
{
    (void)e;
    return kt_lock_acquire(&locks[n->a[0]]);
}

static int op_unlock(const node *n, env *e)
{
    (void)e;
    if (kt_lock_locked(&locks[n->a[0]]))
        kt_lock_release(&locks[n->a[0]]);
    return 0;
}

static int op_locked(const node *n, env *e)
{
    int rc = op_lock(n, e);
    if (rc < 0)
        return rc;
    say("T%d in lock %d", e->who, n->a[0]);
    rc = play(n->body, e);
    op_unlock(n, e);
    return rc;
}

static int op_acquire(const node *n, env *e)
{
    (void)e;
    return kt_semaphore_acquire(&permits[n->a[0]]);
}

static int op_release(const node *n, env *e)
{
    (void)e;
    kt_semaphore_release(&permits[n->a[0]]);
    return 0;
}

static int op_permitted(const node *n, env *e)
{
    int rc = op_acquire(n, e);
    if (rc < 0)
        return rc;
    say("T%d in sem %d", e->who, n->a[0]);
    rc = play(n->body, e);
    op_release(n, e);
    return rc;
}

static int op_event_wait(const node *n, env *e)
{
    (void)e;
    return kt_event_wait(&events[n->a[0]]);
}

static int op_event_set(const node *n, env *e)
{
    (void)e;
    kt_event_set(&events[n->a[0]]);
    return 0;
}

static int op_event_clear(const node *n, env *e)
{
    (void)e;
    kt_event_clear(&events[n->a[0]]);
    return 0;
}

static int op_condition(const node *n, env *e)
{
    int rc = kt_condition_acquire(&condition);
    if (rc < 0)
        return rc;
    say("T%d in cond", e->who);
    rc = play(n->body, e);
    kt_condition_release(&condition);
    return rc;
}

static int op_condition_wait(const node *n, env *e)
{
    (void)n, (void)e;
    return kt_condition_wait(&condition);
}

static int op_notify(const node *n, env *e)
{
    (void)e;
    kt_condition_notify(&condition, (size_t)n->a[0]);
    return 0;
}

static int event_is_set(void *e)
{
    return kt_event_is_set(e);
}

static int op_condition_wait_for(const node *n, env *e)
{
    (void)e;
    return kt_condition_wait_for(&condition, event_is_set, &events[n->a[0]]);
}

static int op_barrier(const node *n, env *e)
{
    (void)n;
    int rc = kt_barrier_wait(&barrier);
    if (rc >= 0)
        say("T%d passed %d", e->who, rc);
    return rc;
}

static int op_barrier_reset(const node *n, env *e)
{
    (void)n, (void)e;
    kt_barrier_reset(&barrier);
    return 0;
}

static int op_barrier_abort(const node *n, env *e)
{
    (void)n, (void)e;
    kt_barrier_abort(&barrier);
    return 0;
}

/* ---- Queues and futures ------------------------------------------------------------------------ */

static int op_get(const node *n, env *e)
{
    int item, rc = kt_queue_get(&queues[n->a[0]], &item);
    if (rc >= 0)
        say("T%d got %d", e->who, item);
    return rc;
}

static int op_put(const node *n, env *e)
{
    (void)e;
    return kt_queue_put(&queues[n->a[0]], &n->id);
}

static int op_get_nowait(const node *n, env *e)
{
    int item, rc = kt_queue_get_nowait(&queues[n->a[0]], &item);
    if (rc >= 0)
        say("T%d got %d", e->who, item);
    else
        say("T%d no get%s", e->who, rc == KT_ESHUTDOWN ? " shut" : "");
    return 0;
}

static int op_put_nowait(const node *n, env *e)
{
    int rc = kt_queue_put_nowait(&queues[n->a[0]], &n->id);
    if (rc < 0)
        say("T%d no put%s", e->who, rc == KT_ESHUTDOWN ? " shut" : "");
    return 0;
}

static int op_task_done(const node *n, env *e)
{
    (void)e;
    if (queues[n->a[0]].unfinished > 0)
        kt_queue_task_done(&queues[n->a[0]]);
    return 0;
}

static int op_queue_join(const node *n, env *e)
{
    (void)e;
    return kt_queue_join(&queues[n->a[0]]);
}

static int op_shutdown(const node *n, env *e)
{
    (void)e;
    kt_queue_shutdown(&queues[n->a[0]], n->a[1]);
    return 0;
}

static int op_future(const node *n, env *e)
{
    (void)e;
    return kt_future_await(&futures[n->a[0]], NULL);
}

static int op_settle(const node *n, env *e)
{
    say("T%d set %s", e->who, yes(kt_future_set_result(&futures[n->a[0]], 1) == 0));
    return 0;
}

static int op_settle_error(const node *n, env *e)
{
    say("T%d set %s", e->who, yes(kt_future_set_error(&futures[n->a[0]], -EIO) == 0));
    return 0;
}

static int op_future_cancel(const node *n, env *e)
{
    say("T%d fcancel %s", e->who, yes(kt_future_cancel(&futures[n->a[0]])));
    return 0;
}

/* ---- Callbacks ----------------------------------------------------------------------------------- */

static kt_callback *fresh_callback(void)
{
    static kt_callback all[1000];
    static size_t used;
    if (used == 1000)
        abort();
    all[used] = (kt_callback)KT_CALLBACK_INIT;
    return &all[used++];
}

/* Of those that can be taken back: the last one of each task. */
static kt_callback *latest[TASKS];

static void say_called(void *arg)
{
    say("cb %d", ((const node *)arg)->id);
}

static void cancel_number(void *arg)
{
    int k = *(const int *)arg;
    if (tasks[k])
        say("cb cancel %d %s", k, yes(kt_task_cancel(tasks[k])));
}

static int op_call_soon(const node *n, env *e)
{
    (void)e;
    kt_call_soon(fresh_callback(), say_called, (void *)(uintptr_t)n);
    return 0;
}

static void say_value(void *arg)
{
    say("cb %d sees %d", ((const node *)arg)->id, (int)(intptr_t)kt_context_get(&var, NULL));
}

static int op_value_later(const node *n, env *e)
{
    kt_callback *c = latest[e->who] = fresh_callback();
    if (n->a[0] < 0)
        kt_call_soon(c, say_value, (void *)(uintptr_t)n);
    else
        kt_call_later(c, n->a[0] * U, say_value, (void *)(uintptr_t)n);
    return 0;
}

static int op_take_back(const node *n, env *e)
{
    (void)e;
    if (latest[n->a[0]])
        kt_callback_cancel(latest[n->a[0]]);
    return 0;
}

static int op_set_value(const node *n, env *e)
{
    (void)e;
    return kt_context_set(&var, (void *)(intptr_t)n->id);
}

static int op_say_value(const node *n, env *e)
{
    (void)n;
    say("T%d sees %d", e->who, (int)(intptr_t)kt_context_get(&var, NULL));
    return 0;
}

static int op_cancel_soon(const node *n, env *e)
{
    (void)e;
    kt_call_soon(fresh_callback(), cancel_number, (void *)(uintptr_t)&n->a[0]);
    return 0;
}

static int op_cancel_later(const node *n, env *e)
{
    (void)e;
    kt_call_later(fresh_callback(), n->a[0] * U, cancel_number, (void *)(uintptr_t)&n->a[1]);
    return 0;
}

static int op_future_on_done(const node *n, env *e)
{
    (void)e;
    kt_future_on_done(&futures[n->a[0]], fresh_callback(), say_called, (void *)(uintptr_t)n);
    return 0;
}

static int op_task_on_done(const node *n, env *e)
{
    (void)e;
    if (tasks[n->a[0]] && !in_group[n->a[0]])
        kt_task_on_done(tasks[n->a[0]], fresh_callback(), say_called, (void *)(uintptr_t)n);
    return 0;
}

/* ---- Generators ---------------------------------------------------------------------------------- */

KT_FN(producer, a, struct {
    const node *n;
    int who;
})
{
    env e = {.who = a->who};
    int rc = 0;
    for (int i = 0; i < 3 && rc >= 0; i++)
        if ((rc = play(a->n->body, &e)) >= 0)
            rc = kt_yield(&i);
    say("T%d producer leaves", a->who);
    return rc;
}

/* Takes so many items of a producer, which plays the first list before each, and plays the second one after each. */
static int op_generator(const node *n, env *e)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    int item, rc = 0;
    sure(kt_generator_start(&g, KT_WITH(producer, n, e->who)));
    for (int i = 0; i < n->a[0] && (rc = kt_next(&g, &item)) == 1; i++) {
        say("T%d item %d", e->who, item);
        if ((rc = play(n->handler, e)) < 0)
            break;
    }
    return rc < 0 ? rc : 0;
}

/* ---- By name --------------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    int (*run)(const node *n, env *e);
} operations[] = {
    {"s", op_sleep}, {"er", op_fail}, {"kc", op_count}, {"ku", op_uncancel}, {"st", op_state},
    {"la", op_lock}, {"lr", op_unlock}, {"lk", op_locked}, {"pa", op_acquire}, {"pr", op_release},
    {"sm", op_permitted}, {"ew", op_event_wait}, {"es", op_event_set}, {"ec", op_event_clear},
    {"cd", op_condition}, {"cw", op_condition_wait}, {"cn", op_notify}, {"qg", op_get},
    {"qp", op_put}, {"qG", op_get_nowait}, {"qP", op_put_nowait}, {"qd", op_task_done},
    {"qj", op_queue_join}, {"qx", op_shutdown}, {"fa", op_future}, {"fs", op_settle},
    {"fe", op_settle_error}, {"fc", op_future_cancel}, {"of", op_future_on_done},
    {"od", op_task_on_done}, {"cs", op_call_soon}, {"xs", op_cancel_soon}, {"xl", op_cancel_later},
    {"cp", op_condition_wait_for}, {"bw", op_barrier}, {"br", op_barrier_reset}, {"ba", op_barrier_abort},
    {"vs", op_set_value}, {"vg", op_say_value}, {"vl", op_value_later}, {"vx", op_take_back},
    {"gen", op_generator},
};

int (*object_operation(const char *name))(const node *n, env *e)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strcmp(operations[i].word, name) == 0)
            return operations[i].run;
    return NULL;
}
