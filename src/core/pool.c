/* SPDX-License-Identifier: MIT */

/* The loop's thread pool. Threads are made when a job finds none idle, up to the limit, and stay. A job
 * that has ended comes back as a message to the loop. Under sim there are no threads: the loop
 * runs the jobs itself, at moments that the seed decides. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/thread.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>

#include "core/core.h"

#define THREADS_LIMIT 32u

typedef struct job {
    kt__message message; /* home, once it has ended */
    struct job *next, *prev;
    kt_loop *loop;
    kt_fn fn;
    void *arg;
    kt_task *waiter; /* NULL: abandoned */
    void (*drop)(void *arg);
    bool queued;
    kt__setting *context; /* which the job sees */
    int rc;
    char *detail; /* of a failure, in words */
    _Alignas(max_align_t) char arg_copy[];
} job;

struct kt__pool {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    job *first, *last; /* not begun */
    unsigned queued;           /* from first to last */
    unsigned idle, count, max; /* idle: also those that a signal is on its way to */
    bool closing;
    pthread_t threads[];
};

static void enqueue(kt__pool *p, job *j)
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

static void dequeue(kt__pool *p, job *j)
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

/* Runs a job, on whatever thread, and sends it home. */
static void perform(job *j)
{
    kt__context_outside = j->context;
    j->rc = j->fn(j->arg);
    kt__context_outside = NULL;
    if (j->rc < 0 && j->waiter)
        j->detail = kt_strndup(kt_error_detail(), strlen(kt_error_detail()));
    if (j->drop)
        j->drop(j->arg);
    kt__inbox_post(j->loop->inbox, &j->message);
}

static void *thread_main(void *arg)
{
    kt__pool *p = arg;
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (!p->first && !p->closing) {
            p->idle++;
            pthread_cond_wait(&p->work, &p->mutex);
            p->idle--;
        }
        job *j = p->first;
        if (!j || p->closing)
            break;
        dequeue(p, j);
        pthread_mutex_unlock(&p->mutex);
        perform(j);
        pthread_mutex_lock(&p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* Signals are for the threads that the program itself made. */
static int thread_add(kt__pool *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&p->threads[p->count], NULL, thread_main, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return -error;
    pthread_setname_np(p->threads[p->count], "kettle-pool");
    p->count++;
    return 0;
}

static unsigned threads_max(const kt_loop *l)
{
    if (l->options.threads_max > 0)
        return l->options.threads_max;
    cpu_set_t cpus;
    unsigned n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
    return n + 4 < THREADS_LIMIT ? n + 4 : THREADS_LIMIT;
}

static int pool_open(kt_loop *l)
{
    unsigned max = threads_max(l);
    kt__pool *p = kt_calloc(1, sizeof *p + max * sizeof p->threads[0]);
    if (!p)
        return -ENOMEM;
    p->max = max;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    l->pool = p;
    return 0;
}

static int submit(kt_loop *l, job *j)
{
    int rc = l->pool ? 0 : pool_open(l);
    if (rc < 0)
        return rc;
    kt__pool *p = l->pool;
    pthread_mutex_lock(&p->mutex);
    if (!l->simulated && p->idle <= p->queued && p->count < p->max)
        rc = thread_add(p);
    if (rc == 0 || p->count > 0) {
        rc = 0;
        enqueue(p, j);
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->mutex);
    if (rc == 0)
        l->pending++;
    return rc;
}

bool kt__pool_run_one(kt_loop *l)
{
    kt__pool *p = l->pool;
    job *j = p ? p->first : NULL;
    if (!j)
        return false;
    dequeue(p, j);
    perform(j);
    return true;
}

/* An abandoned job is over. */
static void job_free(job *j)
{
    j->loop->pending--;
    kt__context_unref(j->context);
    kt_free(j);
}

static void drop_unbegun(kt_loop *l, job *j)
{
    dequeue(l->pool, j);
    if (j->drop)
        j->drop(j->arg);
    job_free(j);
}

void kt__pool_close(kt_loop *l)
{
    kt__pool *p = l->pool;
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (unsigned i = 0; i < p->count; i++)
        pthread_join(p->threads[i], NULL);
    while (p->first) /* only abandoned ones: no task is left that could wait */
        drop_unbegun(l, p->first);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->mutex);
    kt_free(p);
    l->pool = NULL;
}

/* ---- kt_thread_run ------------------------------------------------------------------------- */

static void run_cancel(kt_task *t)
{
    job *j = t->wait_object;
    kt__pool *p = t->loop->pool;
    pthread_mutex_lock(&p->mutex);
    bool taken_back = j->queued;
    if (taken_back)
        dequeue(p, j);
    pthread_mutex_unlock(&p->mutex);
    if (taken_back) {
        t->loop->pending--;
        kt__wake(t, t->code);
    }
}

/* No `raced`: the job has been done, its result wins. */
static const kt__wait wait_thread = {"a pool thread", run_cancel, NULL, NULL};

static void run_ended(kt__message *m)
{
    job *j = KT__OWNER(m, job, message);
    j->loop->pending--;
    if (j->detail) {
        kt_free(j->waiter->detail);
        j->waiter->detail = j->detail;
    }
    kt__wake(j->waiter, j->rc);
}

int kt_thread_run(KT__JOB)
{
    (void)size; /* the caller waits, so nothing need be copied */
    kt_task *self = kt__self("kt_thread_run");
    if (self->code)
        return kt__yield(self);
    job j = {
        .message = {.run = run_ended, .drop = run_ended},
        .loop = self->loop,
        .fn = fn,
        .arg = (void *)(uintptr_t)arg,
        .waiter = self,
        .context = self->context_values, /* which stays as it is while self waits */
    };
    int rc = submit(self->loop, &j);
    if (rc < 0)
        return kt_error_set(rc, "no thread for a job");
    kt__wait_begin(self, &wait_thread, &j);
    return kt__park(self); /* j's address is out, so no compiler makes this a tail call */
}

/* ---- kt_thread_abandon --------------------------------------------------------------------- */

static void abandoned_ended(kt__message *m)
{
    job_free(KT__OWNER(m, job, message));
}

int kt_thread_abandon(KT__JOB, void (*drop)(void *arg))
{
    kt_loop *l = kt__loop;
    if (!l)
        return kt_error_set(KT_ENOTRUNNING, "kt_thread_abandon outside kt_run");
    if (size > SIZE_MAX - sizeof(job))
        return -ENOMEM;
    job *j = kt_alloc(sizeof *j + size);
    if (!j)
        return -ENOMEM;
    *j = (job){
        .message = {.run = abandoned_ended, .drop = abandoned_ended},
        .loop = l,
        .fn = fn,
        .arg = (void *)(uintptr_t)arg,
        .drop = drop,
        .context = kt__context_ref(kt__context_here()),
    };
    if (size > 0)
        j->arg = memcpy(j->arg_copy, arg, size);
    int rc = submit(l, j);
    if (rc < 0) {
        kt__context_unref(j->context);
        kt_free(j);
        return kt_error_set(rc, "no thread for a job");
    }
    return 0;
}
