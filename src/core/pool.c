/* SPDX-License-Identifier: MIT */

/* Thread pools: the loop's own, made when it is first needed, and those that the program opens. Threads are
 * made when a job finds none free, up to the limit, and stay. A job that has ended comes back as a message
 * to the loop. Under sim there are no threads: the loop runs the jobs itself, at moments that the seed
 * decides.
 *
 * A pool belongs to one loop, so only the queue, which the pool's threads share, is under the mutex. */

#include <errno.h>
#include <kettle/simulated.h>
#include <kettle/memory.h>
#include <kettle/thread.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

#include "core/eyes.h"

#define THREADS_LIMIT 32u
#define QUEUE_LIMIT 65536u
#define NAME_BYTES 16 /* of a thread, the end included: see pthread_setname_np(3) */

typedef struct job {
    kt__message message; /* home, once it has ended */
    struct job *next, *prev;
    kt_thread_pool *pool;
    kt_fn fn;
    void *arg;
    kt_task *waiter; /* NULL: abandoned */
    void (*interrupt)(void *arg); /* see kt__pool_run */
    void (*drop)(void *arg);
    bool queued;
    kt__setting *context; /* which the job sees */
    int rc;
    char *detail; /* of a failure, in words */
    kt__timer timer; /* under sim: until it ends */
    _Alignas(max_align_t) char arg_copy[];
} job;

struct kt_thread_pool {
    kt_loop *loop;
    kt_thread_pool *next; /* of the loop's */
    size_t unfinished;    /* jobs that are not home */
    bool shut;            /* takes no more of them */
    kt__waiters closers;  /* who waits until all are home: at most one */
    size_t queue_max;
    char name[NAME_BYTES];

    pthread_mutex_t mutex; /* for what follows */
    pthread_cond_t work;
    job *first, *last; /* not begun */
    size_t queued;             /* from first to last */
    unsigned idle, count, max; /* idle: also those that a signal is on its way to */
    bool ending;
    pthread_t threads[];
};

static void enqueue(kt_thread_pool *p, job *j)
{
    j->next = NULL;
    j->prev = p->last;
    if (p->last)
        p->last->next = j;
    else
        p->first = j;
    p->last = j;
    p->queued++;
    j->queued = true;
}

static void dequeue(kt_thread_pool *p, job *j)
{
    if (j->prev)
        j->prev->next = j->next;
    else
        p->first = j->next;
    if (j->next)
        j->next->prev = j->prev;
    else
        p->last = j->prev;
    p->queued--;
    j->queued = false;
}

/* ---- Threads ------------------------------------------------------------------------------- */

/* Runs a job, on whatever thread. */
static void perform(job *j)
{
    kt__context_outside = j->context;
    kt__error_forget(); /* the words of an earlier job's failure are not this one's */
    j->rc = j->fn(j->arg);
    kt__context_outside = NULL;
    if (j->rc < 0 && j->waiter && *kt_error_detail())
        j->detail = kt_strndup(kt_error_detail(), strlen(kt_error_detail()));
    if (j->drop)
        j->drop(j->arg);
}

static void send_home(job *j)
{
    kt__inbox_post(j->pool->loop->inbox, &j->message);
}

static void *thread_main(void *arg)
{
    kt_thread_pool *p = arg;
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (!p->first && !p->ending) {
            p->idle++;
            pthread_cond_wait(&p->work, &p->mutex);
            p->idle--;
        }
        job *j = p->first;
        if (!j)
            break;
        dequeue(p, j);
        pthread_mutex_unlock(&p->mutex);
        perform(j);
        send_home(j);
        pthread_mutex_lock(&p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* "NAME-2", the name cut if need be, never the number. */
static void name_thread(const kt_thread_pool *p, pthread_t thread, unsigned number)
{
    char digits[NAME_BYTES], text[2 * NAME_BYTES];
    size_t size = (size_t)snprintf(digits, sizeof digits, "-%u", number), room = NAME_BYTES - 1 - size;
    size_t kept = strlen(p->name) < room ? strlen(p->name) : room;
    memcpy(text, p->name, kept);
    memcpy(text + kept, digits, size + 1);
    pthread_setname_np(thread, text);
}

/* Signals are for the threads that the program itself made. */
static int thread_add(kt_thread_pool *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&p->threads[p->count], NULL, thread_main, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return -error;
    name_thread(p, p->threads[p->count], p->count + 1);
    p->count++;
    return 0;
}

unsigned kt__cpus(void)
{
    cpu_set_t cpus;
    return sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
}

static unsigned threads_max(unsigned wanted)
{
    if (wanted > 0)
        return wanted;
    unsigned n = kt__cpus() + 4;
    return n < THREADS_LIMIT ? n : THREADS_LIMIT;
}

/* ---- The pool's life ----------------------------------------------------------------------- */

static int pool_open(kt_loop *l, const kt_thread_pool_options *options, kt_thread_pool **ret_pool)
{
    unsigned max = threads_max(options->threads_max);
    kt_thread_pool *p = kt_calloc(1, sizeof *p + max * sizeof p->threads[0]);
    if (!p)
        return -ENOMEM;
    p->loop = l;
    p->max = max;
    p->queue_max = options->queue_max ? options->queue_max : QUEUE_LIMIT;
    snprintf(p->name, sizeof p->name, "%s", options->name ? options->name : "kettle-pool");
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    p->next = l->pools;
    l->pools = p;
    *ret_pool = p;
    return 0;
}

/* The one that jobs go to which name none; NULL: no memory for it. */
static kt_thread_pool *default_pool(kt_loop *l)
{
    const kt_thread_pool_options options = {.threads_max = l->options.threads_max};
    if (l->pool_chosen)
        return l->pool_chosen;
    if (!l->pool && pool_open(l, &options, &l->pool) < 0)
        return NULL;
    return l->pool;
}

/* All jobs are home, so the threads are idle, or about to be. */
static void pool_free(kt_thread_pool *p)
{
    kt_loop *l = p->loop;
    kt_thread_pool **link = &l->pools;
    pthread_mutex_lock(&p->mutex);
    p->ending = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (unsigned i = 0; i < p->count; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->mutex);
    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    kt_free(p);
}

/* A job is home. */
static void job_ended(job *j)
{
    kt_thread_pool *p = j->pool;
    p->loop->pending--;
    p->unfinished--;
    if (p->unfinished == 0)
        kt__line_wake(&p->closers, 0);
}

/* An abandoned job is over. */
static void job_free(job *j)
{
    job_ended(j);
    kt__context_unref(j->context);
    kt_free(j);
}

/* Under the mutex. A thread whose job is home may not be idle yet, but takes the next one. */
static bool needs_thread(const kt_thread_pool *p)
{
    return p->idle <= p->queued && p->unfinished >= p->count && p->count < p->max;
}

static int submit(kt_thread_pool *p, job *j)
{
    kt_loop *l = p->loop;
    int rc = 0;
    if (l != kt__loop)
        kt__misuse("this thread pool belongs to another loop");
    if (p->shut)
        return kt_error_set(KT_ESHUTDOWN, "the thread pool has been shut down");
    j->pool = p;
    pthread_mutex_lock(&p->mutex);
    if (!j->waiter && p->queued >= p->queue_max)
        rc = KT_EFULL;
    else if (!l->simulated && needs_thread(p))
        rc = thread_add(p);
    if (rc == 0 || (rc != KT_EFULL && p->count > 0 && !j->interrupt)) {
        rc = 0;
        enqueue(p, j);
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->mutex);
    if (rc == KT_EFULL)
        return kt_error_set(rc, "%zu jobs wait for a thread of the pool", p->queue_max);
    if (rc < 0)
        return kt_error_set(rc, "no thread for a job");
    l->pending++;
    p->unfinished++;
    return 0;
}

/* Takes a job back that has not begun. */
static bool take_back(job *j)
{
    kt_thread_pool *p = j->pool;
    pthread_mutex_lock(&p->mutex);
    bool queued = j->queued;
    if (queued)
        dequeue(p, j);
    pthread_mutex_unlock(&p->mutex);
    return queued;
}

static job *first_of(kt_thread_pool *p)
{
    pthread_mutex_lock(&p->mutex);
    job *j = p->first;
    pthread_mutex_unlock(&p->mutex);
    return j;
}

/* Ends the jobs that have not begun, in their order. */
static void drop_unbegun(kt_thread_pool *p)
{
    for (job *j; (j = first_of(p));) {
        if (!take_back(j))
            continue;
        if (j->waiter) {
            kt__wake(j->waiter, KT_ESHUTDOWN);
            job_ended(j);
        } else {
            if (j->drop)
                j->drop(j->arg);
            job_free(j);
        }
    }
}

/* ---- Under sim ----------------------------------------------------------------------------- */

void kt__job_lasts(kt_time d)
{
    if (kt__loop && kt__loop->job_lasts)
        *kt__loop->job_lasts += d;
}

kt_time kt__job_lasted(void)
{
    return kt__loop && kt__loop->job_lasts ? *kt__loop->job_lasts : 0;
}

static void lasted(kt__ready *r)
{
    job *j = KT__OWNER(KT__OWNER(r, kt__timer, ready), job, timer);
    kt__timer_ran(&j->timer);
    j->pool->loop->pending++;
    send_home(j);
}

/* The job is done, but ends later: until then the clock may jump, as it may not while the outside world is at work. */
static void last(kt_loop *l, job *j, kt_time d)
{
    l->pending--;
    kt__timer_start(l, &j->timer, kt__deadline(l->virtual_now, d), lasted);
}

static void perform_here(kt_loop *l, job *j)
{
    kt_time lasts = 0;
    l->job_lasts = &lasts;
    perform(j);
    l->job_lasts = NULL;
    if (lasts > 0)
        last(l, j, lasts);
    else
        send_home(j);
}

bool kt__pool_run_one(kt_loop *l)
{
    for (kt_thread_pool *p = l->pools; p; p = p->next) {
        job *j = first_of(p);
        if (j && take_back(j)) {
            perform_here(l, j);
            return true;
        }
    }
    return false;
}

/* ---- The end of the loop ------------------------------------------------------------------- */

void kt__pools_shut(kt_loop *l)
{
    for (kt_thread_pool *p = l->pools; p; p = p->next)
        drop_unbegun(p);
}

bool kt__pools_idle(const kt_loop *l, uint64_t unused)
{
    const kt_thread_pool *p = l->pools;
    (void)unused;
    while (p && p->unfinished == 0)
        p = p->next;
    return !p;
}

void kt__pools_free(kt_loop *l)
{
    while (l->pools)
        pool_free(l->pools);
    l->pool = l->pool_chosen = NULL;
}

/* ---- Running a job ------------------------------------------------------------------------- */

static void run_cancel(kt_task *t)
{
    job *j = t->wait_object;
    if (take_back(j)) {
        job_ended(j);
        kt__wake(t, t->code);
    } else if (j->interrupt) {
        j->interrupt(j->arg);
    }
}

/* No `raced`: the job has been done, its result wins. */
static const kt__wait wait_thread = {.what = "a pool thread", .cancel = run_cancel};
static const kt__wait wait_loop = {.what = "a loop on another thread", .cancel = run_cancel};

static void run_ended(kt__message *m)
{
    job *j = KT__OWNER(m, job, message);
    if (j->rc < 0) {
        kt_free(j->waiter->detail); /* of an earlier failure */
        j->waiter->detail = j->detail;
    }
    kt__wake(j->waiter, j->rc);
    job_ended(j);
}

int kt__pool_run(kt_thread_pool *p, kt_fn fn, void *arg, void (*interrupt)(void *arg))
{
    kt_task *self = kt__self("kt_thread_pool_run");
    if (self->code)
        return kt__yield(self);
    job j = {
        .message = {.run = run_ended, .drop = run_ended},
        .fn = fn,
        .arg = arg,
        .waiter = self,
        .interrupt = interrupt,
        .context = kt__context_ref(kt__context_here()), /* others may be in the same context, and set values */
    };
    int rc = submit(p, &j);
    if (rc == 0) {
        kt__wait_begin(self, interrupt ? &wait_loop : &wait_thread, &j);
        rc = kt__park(self);
    }
    kt__context_unref(j.context);
    return rc;
}

int kt_thread_pool_run(kt_thread_pool *p, KT__JOB)
{
    (void)size; /* the caller waits, so nothing need be copied */
    return kt__pool_run(p, fn, (void *)(uintptr_t)arg, NULL);
}

int kt_thread_run(KT__JOB)
{
    const kt_task *self = kt__self("kt_thread_run");
    kt_thread_pool *p = default_pool(self->loop);
    if (!p)
        return kt_error_set(-ENOMEM, "no thread for a job");
    return kt_thread_pool_run(p, fn, arg, size);
}

/* ---- Abandoning one ------------------------------------------------------------------------ */

static void abandoned_ended(kt__message *m)
{
    job_free(KT__OWNER(m, job, message));
}

int kt_thread_pool_abandon(kt_thread_pool *p, KT__JOB, void (*drop)(void *arg))
{
    if (size > SIZE_MAX - sizeof(job))
        return -ENOMEM;
    job *j = kt_alloc(sizeof *j + size);
    if (!j)
        return -ENOMEM;
    *j = (job){
        .message = {.run = abandoned_ended, .drop = abandoned_ended},
        .fn = fn,
        .arg = (void *)(uintptr_t)arg,
        .drop = drop,
        .context = kt__context_ref(kt__context_here()),
    };
    if (size > 0)
        j->arg = memcpy(j->arg_copy, arg, size);
    int rc = submit(p, j);
    if (rc < 0) {
        kt__context_unref(j->context);
        kt_free(j);
    }
    return rc;
}

int kt_thread_abandon(KT__JOB, void (*drop)(void *arg))
{
    if (!kt__loop)
        return kt_error_set(KT_ENOTRUNNING, "kt_thread_abandon outside kt_run");
    kt_thread_pool *p = default_pool(kt__loop);
    if (!p)
        return kt_error_set(-ENOMEM, "no thread for a job");
    return kt_thread_pool_abandon(p, fn, arg, size, drop);
}

/* ---- Submitting one ------------------------------------------------------------------------ */

typedef struct submission {
    kt_thread_pool *pool;
    kt_fn fn;
    void *arg;
    bool copied; /* arg is the copy below, which moves with the whole */
    _Alignas(max_align_t) char arg_copy[];
} submission;

static int run_submission(void *arg)
{
    submission *s = arg;
    return kt__pool_run(s->pool, s->fn, s->copied ? s->arg_copy : s->arg, NULL);
}

/* The task is eager, so the job is in the queue when this returns, and a pool that closes later knows it. */
int kt_thread_pool_submit(kt_thread_pool *p, KT__JOB, kt_task **ret_task)
{
    const kt_spawn_options eager = {.eager = true};
    (void)kt__self("kt_thread_pool_submit");
    if (p->shut)
        return kt_error_set(KT_ESHUTDOWN, "the thread pool has been shut down");
    if (size > SIZE_MAX - sizeof(submission))
        return -ENOMEM;
    submission *s = kt_alloc(sizeof *s + size);
    if (!s)
        return -ENOMEM;
    *s = (submission){.pool = p, .fn = fn, .arg = (void *)(uintptr_t)arg, .copied = size > 0};
    if (size > 0)
        memcpy(s->arg_copy, arg, size);
    int rc = kt_spawn_with(&eager, run_submission, s, sizeof *s + size, ret_task);
    kt_free(s);
    return rc;
}

/* ---- Opening and closing ------------------------------------------------------------------- */

int kt_thread_pool_open(const kt_thread_pool_options *options, kt_thread_pool **ret_pool)
{
    const kt_thread_pool_options defaults = {0};
    if (!kt__loop)
        return kt_error_set(KT_ENOTRUNNING, "kt_thread_pool_open outside kt_run");
    int rc = pool_open(kt__loop, options ? options : &defaults, ret_pool);
    if (rc == 0)
        kt__opened(*ret_pool, "a thread pool", KT__SITE, NULL);
    return rc;
}

void kt_thread_pool_shutdown(kt_thread_pool *p, bool immediate)
{
    if (p->loop != kt__loop)
        kt__misuse("kt_thread_pool_shutdown: this pool belongs to another loop");
    p->shut = true;
    if (p->loop->pool_chosen == p)
        p->loop->pool_chosen = NULL;
    if (immediate)
        drop_unbegun(p);
}

static const kt__wait wait_closing = {.what = "the end of a thread pool"};

void kt_thread_pool_close(kt_thread_pool *p)
{
    if (!p)
        return;
    kt_task *self = kt__self("kt_thread_pool_close");
    if (p->closers.first)
        kt__misuse("kt_thread_pool_close: another task closes this pool already");
    kt__closed(p, "a thread pool");
    kt_thread_pool_shutdown(p, false);
    kt_cancel_hold();
    if (p->unfinished > 0)
        (void)kt__line_up(self, &p->closers, &wait_closing, p);
    kt_cancel_unhold();
    pool_free(p);
}

void kt_thread_pool_set_default(kt_thread_pool *p)
{
    kt_loop *l = kt__loop;
    if (!l || (p && p->loop != l))
        kt__misuse("kt_thread_pool_set_default: not on the pool's loop");
    l->pool_chosen = p;
}
