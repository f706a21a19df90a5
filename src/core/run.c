/* SPDX-License-Identifier: MIT */

/* kt_run: a loop from its birth to its end. */

#include <errno.h>
#include <kettle/memory.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/eyes.h"

kt_loop *kt_loop_current(void)
{
    return kt__loop;
}

const char *kt_loop_driver(const kt_loop *loop)
{
    return loop->driver->name;
}

/* ---- The choice of a driver ---------------------------------------------------------------- */

static int open_driver(kt_loop *l, const kt__driver *driver)
{
    l->driver = driver;
    int rc = kt__inbox_open(l);
    if (rc < 0)
        return rc;
    rc = driver->open(l);
    if (rc < 0)
        kt__inbox_close(l);
    return rc;
}

/* What the user forces must not be replaced by something else in silence. */
static int open_forced(kt_loop *l, const char *name)
{
    const kt__driver *const all[] = {&kt__driver_epoll, &kt__driver_uring, &kt__driver_sim};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i]->name, name) != 0)
            continue;
        int rc = open_driver(l, all[i]);
        return rc < 0 ? kt_error_set(rc, "KETTLE_DRIVER=%s: this machine does not allow it", name) : 0;
    }
    return kt_error_set(-EINVAL, "KETTLE_DRIVER=%s: must be epoll, uring or sim", name);
}

static int choose_driver(kt_loop *l)
{
    const char *forced = getenv("KETTLE_DRIVER");
    if (forced && *forced)
        return open_forced(l, forced);
    switch (l->options.driver) {
    case KT_DRIVER_SIM:
        return open_driver(l, &kt__driver_sim);
    case KT_DRIVER_URING:
        if (open_driver(l, &kt__driver_uring) == 0)
            return 0;
        break; /* forbidden, as in many containers, or too old */
    default:
        break;
    }
    return open_driver(l, &kt__driver_epoll);
}

/* ---- The loop ------------------------------------------------------------------------------ */

/* The thread's own stack, where the scheduler runs. */
static void scheduler_bounds(kt_loop *l)
{
#if KT__ASAN
    pthread_attr_t attributes;
    void *bottom = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &bottom, &size);
        pthread_attr_destroy(&attributes);
    }
    l->scheduler.stack_bottom = bottom;
    l->scheduler.stack_size = size;
#endif
#if KT__TSAN
    l->scheduler.fiber = __tsan_get_current_fiber();
#endif
    (void)l;
}

static bool wants_debug(const kt_options *options)
{
    const char *debug = getenv("KETTLE_DEBUG");
    if (options->debug == KT_DEBUG_INHERIT)
        return debug && strcmp(debug, "1") == 0;
    return options->debug == KT_DEBUG_ON;
}

static int loop_open(kt_loop *l, const kt_options *options)
{
    if (options)
        l->options = *options;
    l->debug = wants_debug(&l->options);
    l->virtual_time = l->options.virtual_time;
    kt__list_init(&l->now);
    kt__list_init(&l->next);
    kt__fork_watch();
    scheduler_bounds(l);
    int rc = choose_driver(l);
    if (rc < 0)
        return rc;
    l->polled = kt__clock_now(l);
    rc = kt__overflow_watch(l);
    if (rc < 0) {
        l->driver->close(l);
        kt__inbox_close(l);
        return rc;
    }
    kt__stacks_open(&l->stacks, l->options.stack_bytes);
    if (l->debug)
        kt__watch_open(l);
    return 0;
}

static void loop_close(kt_loop *l)
{
    kt__watch_close(l);
    kt__overflow_unwatch(l);
    l->driver->close(l);
    kt__inbox_close(l);
    kt__stacks_close(&l->stacks);
}

/* ---- The runner ---------------------------------------------------------------------------- */

struct kt_runner {
    kt_loop loop;
    kt__setting *context; /* as the last main task left it: the next one goes on with it */
};

/* A main task begins with the values that the one before has set; the first one with those of whoever runs the
 * loop, which may be a job on the thread of another loop's pool. */
static int main_new(kt_runner *r, KT__JOB)
{
    kt_loop *l = &r->loop;
    const kt_spawn_options named = {.name = "main", .stack_bytes = l->options.stack_bytes};
    int rc = kt__task_new(l, NULL, &named, fn, arg, size, &l->main);
    if (rc < 0)
        return rc;
    l->main->owner = r; /* nobody else may join it */
    if (r->context) {
        kt__context_unref(l->main->context_values);
        l->main->context_values = kt__context_ref(r->context);
    }
    return 0;
}

/* What the main task says of its end becomes what the thread says. */
static int main_result(kt_runner *r, char *words, size_t size)
{
    kt_loop *l = &r->loop;
    kt_task *main = kt_steal(l->main);
    int rc = main->rc;
    kt__setting *before = r->context;
    r->context = kt__context_ref(main->context_values);
    kt__context_unref(before);
    if (main->state != KT__TASK_DONE) {
        main->owner = NULL;
        kt_task_detach(main);
        snprintf(words, size, "stopped before the main task's end");
        return KT_EINVALIDSTATE;
    }
    snprintf(words, size, "%s", main->detail ? main->detail : "");
    kt__task_free(main);
    return rc == KT_ECANCELED && l->main_signalled ? -EINTR : rc;
}

int kt_runner_open(const kt_options *options, kt_runner **ret_runner)
{
    kt_runner *r = kt_calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    int rc = loop_open(&r->loop, options);
    if (rc < 0) {
        kt_free(r);
        return rc;
    }
    *ret_runner = r;
    return 0;
}

kt_loop *kt__runner_loop(kt_runner *r)
{
    return &r->loop;
}

/* From here to leave() this thread is the loop's. */
static void enter(kt_loop *l, const char *what)
{
    kt__check_forked(what);
    if (kt__loop)
        kt__misuse("%s: a loop runs on this thread already", what);
    kt__loop = l;
    kt__sigpipe_block(l);
}

static void leave(const kt_loop *l)
{
    kt__sigpipe_restore(l);
    kt__loop = NULL;
}

int kt_runner_run(kt_runner *r, KT__JOB)
{
    if (!r)
        return kt_error_set(KT_ENOTRUNNING, "kt_runner_run: the runner has been closed");
    kt_loop *l = &r->loop;
    char words[256] = "";
    enter(l, "kt_runner_run");
    l->main_signalled = false;
    kt__signals_take(l);
    int rc = fn ? main_new(r, fn, arg, size) : 0;
    if (rc == 0)
        kt__loop_run(l);
    if (l->main)
        rc = main_result(r, words, sizeof words);
    else if (rc == 0 && l->main_signalled)
        rc = -EINTR;
    kt__signals_give_back(l);
    leave(l);
    if (rc < 0)
        kt_error_set(rc, "%s", words);
    return rc;
}

void kt_runner_stop(kt_runner *r)
{
    if (kt__loop && kt__loop != &r->loop)
        kt__wrong_thread("kt_runner_stop");
    kt__loop_stop(&r->loop);
}

void kt_runner_close(kt_runner *r)
{
    if (!r)
        return;
    kt_loop *l = &r->loop;
    enter(l, "kt_runner_close");
    kt__loop_finish(l);
    kt__debug_end(l);
    kt__context_unref(r->context);
    leave(l);
    loop_close(l);
    kt_free(r);
}

int kt_run_with(const kt_options *options, KT__JOB)
{
    char words[256];
    kt_runner *r;
    if (kt__loop)
        kt__misuse("kt_run: a loop runs on this thread already");
    if (!fn)
        kt__misuse("kt_run: there is no function to run");
    int rc = kt_runner_open(options, &r);
    if (rc < 0)
        return rc;
    rc = kt_runner_run(r, fn, arg, size);
    snprintf(words, sizeof words, "%s", kt_error_detail());
    kt_runner_close(r);
    return rc < 0 ? kt_error_set(rc, "%s", words) : rc;
}

int kt_run(KT__JOB)
{
    return kt_run_with(NULL, fn, arg, size);
}
