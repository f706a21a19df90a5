/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <semaphore.h>
#include <time.h>

/* The names of jobs in order, written by one thread at a time. */
typedef struct names {
    char text[16];
    size_t size;
} names;

static names begun, ended;

static void add(names *n, char name)
{
    n->text[n->size++] = ' ';
    n->text[n->size++] = name;
}

static const char *text_of(names *n)
{
    return n->text + 1;
}

KT_FN(job, a, struct {
    char name;
    int units;
})
{
    kt_time d = a->units * U;
    add(&begun, a->name);
    nanosleep(&(struct timespec){.tv_sec = d / KT_S(1), .tv_nsec = d % KT_S(1)}, NULL);
    add(&ended, a->name);
    return a->name;
}

static kt_task *submit(kt_thread_pool *pool, char name, int length)
{
    kt_task *t = NULL;
    sure(kt_thread_pool_submit(pool, KT_WITH(job, name, length), &t));
    return t;
}

static void say_end(char name, kt_task *t)
{
    int rc = kt_task_join(t);
    if (rc < 0)
        say("%c cancelled", name);
    else
        say("%c gave %c", name, rc);
}

static kt_thread_pool *one_thread(void)
{
    kt_thread_pool *pool = NULL;
    sure(kt_thread_pool_open(&(kt_thread_pool_options){.threads_max = 1}, &pool));
    return pool;
}

static void taken_back(void)
{
    kt_auto(kt_thread_pool) *pool = one_thread();
    kt_task *a = submit(pool, 'A', 2), *b = submit(pool, 'B', 0), *c = submit(pool, 'C', 0);
    units(1);
    say("cancel %s", yes(kt_task_cancel(b)));
    say_end('B', b);
    say_end('C', c);
    say_end('A', a);
    say("begun [%s]", text_of(&begun));
}

/* A wait ends at once where a shield stands between it and the job, which must be joined. */
static int shielded(void *job)
{
    return kt_shield(job);
}

static void left_alone(void)
{
    kt_auto(kt_thread_pool) *pool = one_thread();
    kt_task *d = submit(pool, 'D', 4);
    units(1);
    if (kt_wait_for(U, shielded, d, 0) == KT_ETIMEDOUT)
        say("timeout, begun [%s] ended [%s]", text_of(&begun), text_of(&ended));
    say_end('E', submit(pool, 'E', 0));
    say("ended [%s]", text_of(&ended));
    kt_task_detach(d);
}

static void shut_down(void)
{
    kt_auto(kt_thread_pool) *pool = one_thread();
    kt_task *f = submit(pool, 'F', 3), *g = submit(pool, 'G', 0), *h = NULL;
    units(1);
    kt_thread_pool_shutdown(pool, true);
    say_end('G', g);
    if (kt_thread_pool_submit(pool, KT_WITH(job, 'H', 0), &h) == KT_ESHUTDOWN)
        say("H refused");
    say_end('F', f);
    kt_thread_pool_close(kt_steal(pool));
    say("ended [%s]", text_of(&ended));
}

static sem_t gate;

static int waits_at_gate(void *arg)
{
    (void)arg;
    return sem_wait(&gate);
}

static int waiter(void *arg)
{
    int rc = kt_shield(arg);
    if (rc == KT_ECANCELED)
        say("waiter cancelled");
    return rc;
}

static void waiter_cancelled(void)
{
    kt_auto(kt_thread_pool) *pool = one_thread();
    kt_task *at_gate = NULL;
    sem_init(&gate, 0, 0);
    sure(kt_thread_pool_submit(pool, waits_at_gate, NULL, 0, &at_gate));
    kt_task *t = spawn(waiter, at_gate, 0);
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    kt_task_detach(t);
    sem_post(&gate);
    say("main end");
    kt_task_detach(at_gate);
}

static int body(void *arg)
{
    (void)arg;
    taken_back();
    left_alone();
    shut_down();
    waiter_cancelled();
    return 0;
}

int main(void)
{
    needs_reality("a job of the simulated driver runs on the loop's thread and takes no virtual time");
    return run(body);
}
