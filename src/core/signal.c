/* SPDX-License-Identifier: MIT */

/* SIGINT and SIGTERM: the first cancels the main task of one loop, the second ends the process as though
 * nobody had handled it, so that a program whose clean-up hangs can still be stopped. Like
 * asyncio.Runner. SIGQUIT, where that is asked for, prints the tasks. And SIGPIPE, which is blocked on a
 * loop's thread: writing says EPIPE. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "core/core.h"

static const int taken_signals[] = {SIGINT, SIGTERM};
#define TAKEN (sizeof taken_signals / sizeof taken_signals[0])

/* At most one loop of the process has them. */
static atomic_flag in_use = ATOMIC_FLAG_INIT;
static _Atomic(kt__inbox *) ring_at;
static atomic_int seen, last_signal;
static atomic_bool dump_asked;

static void on_signal(int number)
{
    int error = errno;
    if (atomic_fetch_add(&seen, 1) > 0) {
        signal(number, SIG_DFL);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, number);
        raise(number);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    }
    atomic_store(&last_signal, number);
    kt__inbox_ring_at(&ring_at);
    errno = error;
}

/* The program goes on, as with other runtimes: who asks wants to see, not to end. */
static void on_quit(int number)
{
    (void)number;
    int error = errno;
    atomic_store(&dump_asked, true);
    kt__inbox_ring_at(&ring_at);
    errno = error;
}

static bool is_default(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
           action.sa_handler == SIG_DFL;
}

static bool has_handler(int number, void (*handler)(int number))
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
           action.sa_handler == handler;
}

void kt__sigpipe_block(kt_loop *l)
{
    sigset_t pipe, before;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    l->blocked_sigpipe = !sigismember(&before, SIGPIPE);
}

/* That one alone: what else the program has blocked or let through meanwhile is its own affair. */
void kt__sigpipe_restore(const kt_loop *l)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (l->blocked_sigpipe)
        pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
}

static void take(int number, void (*handler)(int number))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (is_default(number))
        sigaction(number, &action, NULL);
}

static void give_back(int number, void (*handler)(int number))
{
    if (has_handler(number, handler))
        signal(number, SIG_DFL);
}

void kt__signals_take(kt_loop *l)
{
    const bool dumps = l->options.dump_on_quit || l->debug;
    if ((l->options.no_signals && !dumps) || l->simulated || atomic_flag_test_and_set(&in_use))
        return;
    l->has_signals = true;
    atomic_store(&seen, 0);
    atomic_store(&last_signal, 0);
    atomic_store(&dump_asked, false);
    atomic_store(&ring_at, l->inbox);
    for (size_t i = 0; i < TAKEN && !l->options.no_signals; i++)
        take(taken_signals[i], on_signal);
    if (dumps)
        take(SIGQUIT, on_quit);
}

void kt__signals_give_back(kt_loop *l)
{
    if (l->has_signals) {
        for (size_t i = 0; i < TAKEN; i++)
            give_back(taken_signals[i], on_signal);
        give_back(SIGQUIT, on_quit);
        atomic_store(&ring_at, NULL);
        atomic_flag_clear(&in_use);
        l->has_signals = false;
    }
}

void kt__signal_put_back(int number, const struct sigaction *before)
{
    sigaction(number, before, NULL);
    if (atomic_load(&ring_at))
        return;
    give_back(number, on_signal);
    give_back(number, on_quit);
}

void kt__signals_look(kt_loop *l)
{
    if (!l->has_signals)
        return;
    if (KT_UNLIKELY(atomic_load_explicit(&dump_asked, memory_order_relaxed))) {
        atomic_store(&dump_asked, false);
        kt__loops_dump(l);
    }
    if (atomic_load_explicit(&last_signal, memory_order_relaxed) == 0)
        return;
    atomic_store(&last_signal, 0);
    l->main_signalled = true;
    if (l->main)
        kt_task_cancel(l->main);
    else
        kt__loop_stop(l);
}
