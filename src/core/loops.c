/* SPDX-License-Identifier: MIT */

/* Loops beside the caller's. Such a loop is a job on a pool thread; the task that waits for it passes its
 * cancellations on by a message. */

#include <errno.h>
#include <kettle/context.h>
#include <kettle/group.h>
#include <kettle/loops.h>
#include <kettle/thread.h>
#include <pthread.h>
#include <stdio.h>

#include "core/core.h"

/* ---- One loop ------------------------------------------------------------------------------ */

typedef struct kt__beside {
    struct kt__beside *next; /* of those of the caller's loop */
    kt_options options;
    kt_fn fn;
    const void *arg;
    size_t size;

    pthread_mutex_t mutex; /* for what follows */
    kt_loop *loop;         /* while its inbox takes messages */
    kt__message stop, dump;
    bool stopping, dumping; /* the message is on its way */
    bool cancelled;         /* before the loop was there */
} beside;

static void dropped(kt__message *m)
{
    (void)m;
}

/* On the other loop. Its main task may be over already. */
static void stop_arrived(kt__message *m)
{
    beside *b = KT__OWNER(m, beside, stop);
    pthread_mutex_lock(&b->mutex);
    b->stopping = false;
    pthread_mutex_unlock(&b->mutex);
    if (kt__loop->main)
        (void)kt_task_cancel(kt__loop->main);
}

static void dump_arrived(kt__message *m)
{
    beside *b = KT__OWNER(m, beside, dump);
    pthread_mutex_lock(&b->mutex);
    b->dumping = false;
    pthread_mutex_unlock(&b->mutex);
    kt__loops_dump(kt__loop);
}

/* Under the mutex: the loop is still there. */
static void tell(const beside *b, kt__message *m, bool *under_way)
{
    if (b->loop && !*under_way) {
        *under_way = true;
        kt__inbox_post(b->loop->inbox, m);
    }
}

/* On the caller's loop. */
static void interrupt(void *arg)
{
    beside *b = arg;
    pthread_mutex_lock(&b->mutex);
    b->cancelled = true;
    tell(b, &b->stop, &b->stopping);
    pthread_mutex_unlock(&b->mutex);
}

void kt__loops_dump(kt_loop *l)
{
    kt__dump_to_log(l);
    for (beside *b = l->besides; b; b = b->next) {
        pthread_mutex_lock(&b->mutex);
        tell(b, &b->dump, &b->dumping);
        pthread_mutex_unlock(&b->mutex);
    }
}

/* True: nobody wants the loop any more. */
static bool set_loop(beside *b, kt_loop *l)
{
    pthread_mutex_lock(&b->mutex);
    b->loop = l;
    bool cancelled = b->cancelled;
    pthread_mutex_unlock(&b->mutex);
    return cancelled;
}

/* As kt_run_with, but the loop is known to the caller meanwhile. */
static int run_beside(void *arg)
{
    beside *b = arg;
    char words[256] = "";
    kt_runner *r;
    int rc = kt_runner_open(&b->options, &r);
    if (rc < 0)
        return rc;
    kt__runner_loop(r)->attended = true;
    rc = KT_ECANCELED;
    if (!set_loop(b, kt__runner_loop(r)))
        rc = kt_runner_run(r, b->fn, b->arg, b->size);
    if (rc < 0)
        snprintf(words, sizeof words, "%s", kt_error_detail());
    (void)set_loop(b, NULL);
    kt__runner_loop(r)->attended = false; /* what its other tasks wait for must come from itself */
    kt_runner_close(r);
    return rc < 0 ? kt_error_set(rc, "%s", words) : rc;
}

static void link_to(kt_loop *l, beside *b)
{
    b->next = l->besides;
    l->besides = b;
}

static void unlink_from(kt_loop *l, const beside *b)
{
    beside **link = &l->besides;
    while (*link != b)
        link = &(*link)->next;
    *link = b->next;
}

/* The signals' handlers ring one loop, and it is not this one. */
static int run_on(kt_thread_pool *pool, const kt_options *options, KT__JOB)
{
    kt_task *self = kt__self("kt_loop_run");
    beside b = {
        .options = options ? *options : self->loop->options,
        .fn = fn,
        .arg = arg,
        .size = size,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .stop = {.run = stop_arrived, .drop = dropped},
        .dump = {.run = dump_arrived, .drop = dropped},
    };
    b.options.no_signals = true;
    b.options.dump_on_quit = false;
    link_to(self->loop, &b);
    int rc = kt__pool_run(pool, run_beside, &b, interrupt);
    unlink_from(self->loop, &b);
    pthread_mutex_destroy(&b.mutex);
    if (rc != KT_ECANCELED || !self->code)
        return rc;
    self->delivered = true;
    return self->code;
}

int kt_loop_run(const kt_options *options, KT__JOB)
{
    const kt_task *self = kt__self("kt_loop_run");
    kt_auto(kt_thread_pool) *pool = NULL;
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "a loop beside a simulated one");
    int rc = kt_thread_pool_open(&(kt_thread_pool_options){.name = "kettle-loop", .threads_max = 1}, &pool);
    return rc < 0 ? rc : run_on(pool, options, fn, arg, size);
}

/* ---- A set of them ------------------------------------------------------------------------- */

/* Its value is a number, twice: the index below, the count of loops above. */
static const kt_context_var place = {"loop"};
#define COUNT_SHIFT 16

unsigned kt_loops_index(void)
{
    return (uintptr_t)kt_context_get(&place, NULL) & ((1u << COUNT_SHIFT) - 1);
}

unsigned kt_loops_count(void)
{
    uintptr_t value = (uintptr_t)kt_context_get(&place, NULL);
    return value ? (unsigned)(value >> COUNT_SHIFT) : 1;
}

typedef struct loops {
    unsigned count;
    kt_fn fn;
    const void *arg;
    size_t size;
    kt_thread_pool *pool; /* a thread for each loop but the caller's; NULL: tasks of this one */
    kt_group group;
} loops;

static int run_one_beside(void *arg)
{
    const loops *x = arg;
    return run_on(x->pool, NULL, x->fn, x->arg, x->size);
}

static int spawn_one(loops *x, unsigned index)
{
    char name[24];
    const kt_spawn_options options = {.name = name};
    snprintf(name, sizeof name, "loop %u", index);
    int rc = kt_context_set(&place, (const void *)(((uintptr_t)x->count << COUNT_SHIFT) | index));
    if (rc < 0)
        return rc;
    if (index == 0 || !x->pool)
        return kt_group_spawn_with(&x->group, &options, x->fn, x->arg, x->size, NULL);
    return kt_group_spawn_with(&x->group, &options, run_one_beside, x, 0, NULL);
}

/* In a context of its own. The caller's part may take long to start, so the others come first. */
static int spawn_all(void *arg)
{
    loops *x = arg;
    int rc = 0;
    for (unsigned i = 1; i < x->count && rc == 0; i++)
        rc = spawn_one(x, i);
    return rc == 0 ? spawn_one(x, 0) : rc;
}

static int run_all(loops *x)
{
    kt_context *context;
    int rc = kt_context_copy(&context);
    if (rc < 0)
        return rc;
    rc = kt_context_run(context, spawn_all, x, 0);
    kt_context_free(context);
    return kt_group_join(&x->group, rc);
}

int kt_loops_run(unsigned count, KT__JOB)
{
    const kt_task *self = kt__self("kt_loops_run");
    kt_auto(kt_thread_pool) *pool = NULL;
    loops x = {.count = count ? count : kt__cpus(), .fn = fn, .arg = arg, .size = size, .group = KT_GROUP_INIT};
    if (x.count > KT_LOOPS_MAX)
        return kt_error_set(-EINVAL, "%u loops, at most %d", x.count, KT_LOOPS_MAX);
    if (!self->loop->virtual_time && x.count > 1) {
        const kt_thread_pool_options threads = {.name = "kettle-loop", .threads_max = x.count - 1};
        int rc = kt_thread_pool_open(&threads, &pool);
        if (rc < 0)
            return rc;
    }
    x.pool = pool;
    return run_all(&x);
}
