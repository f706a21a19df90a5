/* SPDX-License-Identifier: MIT */

/* Debug mode's watch over steps: how long each takes, and a thread that looks while one blocks the loop.
 *
 * The loop announces each step by a number (odd while one runs) and the time of its begin. The watching thread looks
 * now and then; when one step has run too long, it sends the loop's thread a signal, whose handler takes the
 * stack; the watching thread then writes it down. So the report is there while the program hangs. */

#include <errno.h>
#include <execinfo.h>
#include <kettle/memory.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef KT_VALGRIND
#include <valgrind/valgrind.h>
#endif

#include "core/eyes.h"
#include "core/symbol.h"

#define LIMIT_DEFAULT KT_MS(100)
#define PAUSE_MIN KT_MS(1)
#define FRAMES_MAX 48
#define FRAMES_OF_HANDLER 2 /* itself, and the kernel's way back */
#define PATIENCE_S 2        /* for the handler: a thread may block signals */
/* At its default it is ignored, so one that comes too late does no harm. */
#define SIGNAL SIGURG

typedef struct kt__watch {
    pthread_t thread, loop_thread;
    bool has_thread, asks;
    bool stalled; /* told of already */

    /* The loop's side. */
    kt_task *task; /* of the step, NULL: a callback */
    kt_time cpu_at_begin;

    /* Shared. */
    atomic_uint_fast64_t step;
    _Atomic(kt_time) began, limit;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stop; /* under the mutex */

    /* The handler writes, posts, and the thread reads. */
    atomic_uint_fast64_t asked;
    sem_t answered;
    char name[96];
    void *frames[FRAMES_MAX];
    atomic_int count; /* of frames; stored after them, so that who has loaded it may read them */
} watch;

static kt_time clock_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return KT_S(t.tv_sec) + t.tv_nsec;
}

/* ---- On the loop's thread --------------------------------------------------------------------- */

static void name_step(const kt_task *t, void (*calling)(void *arg), char *text, size_t size)
{
    if (t && t->name)
        snprintf(text, size, "task '%s'", t->name);
    else if (t)
        snprintf(text, size, "task 'Task-%llu'", (unsigned long long)t->id);
    else
        snprintf(text, size, "a callback (%p)", (void *)(uintptr_t)calling);
}

void kt__step_end(kt_loop *l)
{
    watch *w = l->watch;
    if (!w || atomic_load_explicit(&w->step, memory_order_relaxed) % 2 == 0)
        return;
    kt_time took = clock_of(CLOCK_MONOTONIC) - atomic_load_explicit(&w->began, memory_order_relaxed);
    kt_time cpu = clock_of(CLOCK_THREAD_CPUTIME_ID) - w->cpu_at_begin;
    atomic_fetch_add(&w->step, 1);
    if (w->task && w->task->eyes) {
        w->task->eyes->cpu += cpu;
        if (w->task->eyes->site)
            w->task->eyes->site->sum.cpu += cpu;
    }
    if (took > atomic_load_explicit(&w->limit, memory_order_relaxed)) {
        char name[128];
        name_step(w->task, l->calling, name, sizeof name);
        kt__say("kettle: %s blocked the loop for %.3f s", name, (double)took / 1e9);
    }
}

void kt__step_begin(kt_loop *l, kt_task *t)
{
    watch *w = l->watch;
    if (!w)
        return;
    kt__step_end(l);
    w->task = t;
    if (t && t->eyes) {
        t->eyes->steps++;
        if (t->eyes->site)
            t->eyes->site->sum.steps++;
    }
    w->cpu_at_begin = clock_of(CLOCK_THREAD_CPUTIME_ID);
    atomic_store_explicit(&w->began, clock_of(CLOCK_MONOTONIC), memory_order_relaxed);
    atomic_fetch_add(&w->step, 1);
}

/* The handler has interrupted a system call which the kernel would have gone on with if nobody had handled the signal,
 * such as a sleep. The program must not notice, or a sleep that blocks the loop would be cured by looking at it: so
 * the call is gone on with here, where the kernel still knows how (restart_syscall(2)). What it cannot go on with
 * gives EINTR once more. */
static void go_on_with_call(ucontext_t *context)
{
#if defined(__x86_64__)
#ifdef KT_VALGRIND
    if (RUNNING_ON_VALGRIND)
        return; /* it goes on with calls in a way of its own, which ours would hang in */
#endif
    greg_t *registers = context->uc_mcontext.gregs;
    const unsigned char *next = (const unsigned char *)registers[REG_RIP]; /* tidy: cast: an address */
    if (registers[REG_RAX] != -EINTR || next[-2] != 0x0f || next[-1] != 0x05) /* syscall */
        return;
    long rc = syscall(SYS_restart_syscall);
    registers[REG_RAX] = rc < 0 ? -errno : rc;
#else
    (void)context;
#endif
}

static void on_asked(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    int error = errno;
    kt_loop *l = kt__loop;
    watch *w = l ? l->watch : NULL;
    uint64_t asked = w ? atomic_exchange(&w->asked, 0) : 0;
    if (asked != 0) {
        bool runs = asked == atomic_load(&w->step);
        if (runs)
            name_step(w->task, l->calling, w->name, sizeof w->name);
        atomic_store(&w->count, runs ? backtrace(w->frames, FRAMES_MAX) : 0);
        sem_post(&w->answered);
    }
    go_on_with_call(context);
    errno = error;
}

/* ---- The watching thread ------------------------------------------------------------------------ */

/* True if the handler has taken the stack; no, if the step has ended meanwhile. */
static bool ask(watch *w, uint64_t step)
{
    struct timespec until;
    atomic_store(&w->asked, step);
    if (pthread_kill(w->loop_thread, SIGNAL) != 0)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_S;
    while (sem_clockwait(&w->answered, CLOCK_MONOTONIC, &until) < 0)
        if (errno != EINTR)
            return atomic_exchange(&w->asked, 0) == 0 && sem_trywait(&w->answered) == 0;
    return atomic_load(&w->count) > 0;
}

static void write_frames(const watch *w)
{
    char text[400], line[440];
    struct kt__symbols *symbols = kt__symbols_open();
    for (int i = FRAMES_OF_HANDLER; i < w->count; i++) {
        kt__symbols_describe(symbols, w->frames[i], text, sizeof text);
        snprintf(line, sizeof line, "    #%-2d %s", i - FRAMES_OF_HANDLER, text);
        kt__say("%s", line);
    }
    kt__symbols_close(symbols);
}

static void report(watch *w, uint64_t step, kt_time since)
{
    if (w->asks && ask(w, step)) {
        kt__say("kettle: %s has been blocking the loop for %.3f s, here:", w->name, (double)since / 1e9);
        write_frames(w);
    } else if (atomic_load(&w->step) == step) {
        kt__say("kettle: a step has been blocking the loop for %.3f s; its stack cannot be had", (double)since / 1e9);
    }
}

static void look(watch *w, uint64_t *reported)
{
    uint64_t step = atomic_load(&w->step);
    kt_time since = clock_of(CLOCK_MONOTONIC) - atomic_load(&w->began);
    if (step % 2 == 0 || step == *reported || since <= atomic_load(&w->limit) || atomic_load(&w->step) != step)
        return;
    *reported = step;
    report(w, step, since);
}

static bool sleeps(watch *w)
{
    struct timespec until;
    kt_time pause = atomic_load(&w->limit) / 2;
    clock_gettime(CLOCK_MONOTONIC, &until);
    kt_time when = KT_S(until.tv_sec) + until.tv_nsec + (pause > PAUSE_MIN ? pause : PAUSE_MIN);
    until = (struct timespec){.tv_sec = when / KT_S(1), .tv_nsec = when % KT_S(1)};
    pthread_mutex_lock(&w->mutex);
    while (!w->stop && pthread_cond_timedwait(&w->wake, &w->mutex, &until) == 0)
        ;
    bool go_on = !w->stop;
    pthread_mutex_unlock(&w->mutex);
    return go_on;
}

static void *watching(void *arg)
{
    watch *w = arg;
    uint64_t reported = 0;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_setname_np(pthread_self(), "kettle-watch");
    while (sleeps(w))
        look(w, &reported);
    return NULL;
}

/* ---- Its life ------------------------------------------------------------------------------------ */

static pthread_mutex_t taken_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned taken; /* by how many loops */

/* True if the signal can be had: nobody else uses it, and there is a stack to handle it on, since a task's may be
 * too small. */
static bool take_signal(void)
{
    stack_t alternate;
    struct sigaction before, action = {.sa_sigaction = on_asked, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    void *frame;
    if (sigaltstack(NULL, &alternate) < 0 || (alternate.ss_flags & SS_DISABLE))
        return false;
    backtrace(&frame, 1); /* loads what it needs now, not in a handler */
    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&taken_mutex);
    bool ok = taken > 0 || (sigaction(SIGNAL, NULL, &before) == 0 && before.sa_handler == SIG_DFL &&
                            sigaction(SIGNAL, &action, NULL) == 0);
    taken += ok;
    pthread_mutex_unlock(&taken_mutex);
    return ok;
}

static void give_signal_back(void)
{
    pthread_mutex_lock(&taken_mutex);
    if (--taken == 0)
        signal(SIGNAL, SIG_IGN), signal(SIGNAL, SIG_DFL); /* the first drops one that is on its way */
    pthread_mutex_unlock(&taken_mutex);
}

void kt__watch_open(kt_loop *l)
{
    pthread_condattr_t monotonic;
    watch *w = kt_calloc(1, sizeof *w);
    if (!w)
        return;
    w->limit = l->options.slow_step > 0 ? l->options.slow_step : LIMIT_DEFAULT;
    w->loop_thread = pthread_self();
    pthread_mutex_init(&w->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sem_init(&w->answered, 0, 0);
    l->watch = w;
    w->asks = take_signal();
    w->has_thread = pthread_create(&w->thread, NULL, watching, w) == 0;
    if (!w->has_thread)
        kt__say("kettle: no thread to watch for steps that block: they are reported when they end");
}

void kt__watch_close(kt_loop *l)
{
    watch *w = l->watch;
    if (!w)
        return;
    kt__step_end(l);
    pthread_mutex_lock(&w->mutex);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
    if (w->has_thread)
        pthread_join(w->thread, NULL);
    if (w->asks)
        give_signal_back();
    l->watch = NULL;
    sem_destroy(&w->answered);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->mutex);
    kt_free(w);
}

void kt_slow_step_set(kt_time limit)
{
    if (!kt__loop)
        kt__misuse("kt_slow_step_set outside a loop");
    kt__loop->options.slow_step = limit > 0 ? limit : LIMIT_DEFAULT;
    if (kt__loop->watch)
        atomic_store(&kt__loop->watch->limit, kt__loop->options.slow_step);
}

void kt__stalled(kt_loop *l)
{
    if (!l->watch || l->watch->stalled)
        return;
    l->watch->stalled = true;
    kt__say("kettle: every task waits, and nothing of this loop can wake one; only another thread or a signal can");
    kt__dump_to_log(l);
}
