/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_WATCHED_H
#define TESTS_CORE_WATCHED_H

/* Runs in debug mode, and what is reported meanwhile. */

#include "sure.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

/* Reports come from the watching thread too. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* for what follows */
static char logged[32768];
static size_t logged_size;

static inline void keep_message(const char *message)
{
    size_t size = strlen(message);
    pthread_mutex_lock(&mutex);
    if (logged_size + size + 1 < sizeof logged) {
        memcpy(logged + logged_size, message, size);
        logged[logged_size + size] = '\n';
        logged_size += size + 1;
    }
    pthread_mutex_unlock(&mutex);
}

static inline int count_logged(const char *words)
{
    int count = 0;
    pthread_mutex_lock(&mutex);
    for (const char *p = logged; (p = strstr(p, words)); p++)
        count++;
    pthread_mutex_unlock(&mutex);
    return count;
}

static inline bool was_logged(const char *words)
{
    return count_logged(words) > 0;
}

/* The number behind the words' first place; -1: they were not logged. */
static inline double seconds_logged(const char *words)
{
    pthread_mutex_lock(&mutex);
    const char *p = strstr(logged, words);
    double seconds = p ? strtod(p + strlen(words), NULL) : -1;
    pthread_mutex_unlock(&mutex);
    return seconds;
}

/* Runs fn in debug mode and in virtual time, and keeps what is reported, that of the loop's end included. */
static inline int run_watched(kt_fn fn, void *arg)
{
    const kt_options options = {.virtual_time = true, .debug = KT_DEBUG_ON, .slow_step = KT_MS(50)};
    pthread_mutex_lock(&mutex);
    memset(logged, 0, sizeof logged);
    logged_size = 0;
    pthread_mutex_unlock(&mutex);
    kt_log_hook_set(keep_message);
    int rc = kt_run_with(&options, fn, arg, 0);
    kt_log_hook_set(NULL);
    return rc;
}

/* Reports name it, so it must be there. */
static __attribute__((noinline, unused)) kt_task *spawn_named(const char *name, kt_fn fn, void *arg)
{
    const kt_spawn_options options = {.name = name};
    kt_task *t;
    sure(kt_spawn_with(&options, fn, arg, 0, &t));
    return t;
}

static inline double seconds_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
