/* SPDX-License-Identifier: MIT */

/* A child of fork(2) gets a copy of the loop in which it was made, whose descriptors and threads are its parent's:
 * it must not go on with it. pthread_atfork(3) sees to that, so that no hot path need ask for the process's
 * number: in the child the thread has no loop any more, and the loop a driver that stops. (A child that is
 * made by clone or vfork, as kt_process does, execs.) */

#include <pthread.h>

#include "core/core.h"

static __thread kt_loop *loop_inherited;

static KT_NORETURN void inherited(const char *what)
{
    kt__misuse("%s: this process was forked in a loop, which is its parent's: exec or _exit", what);
}

void kt__check_forked(const char *what)
{
    if (loop_inherited)
        inherited(what);
}

static void stop(kt_loop *l, kt_time deadline)
{
    (void)l;
    (void)deadline;
    inherited("the end of what the child ran");
}

static const kt__driver driver_inherited = {.name = "inherited", .wait = stop};

static void in_child(void)
{
    kt_loop *l = kt__loop;
    if (!l)
        return;
    l->driver = &driver_inherited;
    loop_inherited = l;
    kt__loop = NULL;
}

static void watch(void)
{
    (void)pthread_atfork(NULL, NULL, in_child); /* ENOMEM: then a child is not warned */
}

void kt__fork_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch);
}

void kt__wrong_thread(const char *what)
{
    kt__check_forked(what);
    kt__misuse("%s: on a thread that is not the loop's. Use kt_call_threadsafe", what);
}
