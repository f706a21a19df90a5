/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <pthread.h>
#include <time.h>

/* A task that another thread asked for: run_coroutine_threadsafe, by kt_call_threadsafe. */
typedef struct submitted {
    kt_fn fn;
    kt_task *task; /* the loop's */
    char words[64]; /* of a failure */
    bool cancel_taken;
    kt_callback done;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over;
    int rc;
} submitted;

static void task_over(void *arg)
{
    submitted *s = arg;
    int rc = kt_task_result(s->task);
    kt_task_detach(s->task);
    pthread_mutex_lock(&s->lock);
    s->rc = rc;
    s->over = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static int perform(void *arg)
{
    submitted *s = arg;
    int rc = s->fn(NULL);
    snprintf(s->words, sizeof s->words, "%s", rc < 0 ? kt_error_detail() : "");
    return rc;
}

static void start(void *arg)
{
    submitted *s = arg;
    s->task = spawn(perform, s, 0);
    kt_task_on_done(s->task, &s->done, task_over, s);
}

static void cancel(void *arg)
{
    submitted *s = arg;
    s->cancel_taken = kt_task_cancel(s->task);
}

static void outcome(submitted *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->over)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void submit(kt_loop *loop, submitted *s, kt_fn fn)
{
    *s = (submitted){.fn = fn, .done = KT_CALLBACK_INIT, .lock = PTHREAD_MUTEX_INITIALIZER,
                     .changed = PTHREAD_COND_INITIALIZER};
    sure(kt_call_threadsafe(loop, start, s));
}

static void pause_units(int n)
{
    kt_time d = n * U;
    nanosleep(&(struct timespec){.tv_sec = d / KT_S(1), .tv_nsec = d % KT_S(1)}, NULL);
}

static int add(void *arg)
{
    (void)arg;
    say("loop runs add");
    sure(kt_sleep(0));
    return 2 + 3;
}

static int fail(void *arg)
{
    (void)arg;
    say("loop runs fail");
    return raise_error("boom");
}

static int sleep_long(void *arg)
{
    (void)arg;
    say("loop runs long");
    int rc = kt_sleep(50 * U);
    if (rc < 0)
        say("long cancelled");
    return rc;
}

typedef struct notes {
    kt_loop *loop;
    submitted add, fail, last;
} notes;

static int worker(void *arg)
{
    notes *n = arg;
    sure(kt_call_threadsafe(n->loop, say_text, "loop got hello"));
    pause_units(1);
    submit(n->loop, &n->add, add);
    outcome(&n->add);
    submit(n->loop, &n->fail, fail);
    outcome(&n->fail);
    submit(n->loop, &n->last, sleep_long);
    pause_units(2);
    sure(kt_call_threadsafe(n->loop, cancel, &n->last));
    outcome(&n->last);
    pause_units(1);
    return 0;
}

static int body(void *arg)
{
    notes n = {.loop = kt_loop_current()};
    (void)arg;
    sure(kt_thread_run(worker, &n, 0));
    say("thread: add gave %d", n.add.rc);
    if (n.fail.rc < 0)
        say("thread: fail raised %s", n.fail.words);
    say("thread: cancel %s", n.last.cancel_taken ? "True" : "False");
    if (n.last.rc == KT_ECANCELED)
        say("thread: long was cancelled");
    return 0;
}

int main(void)
{
    needs_reality("a job of the simulated driver runs on the loop's thread");
    return run(body);
}
