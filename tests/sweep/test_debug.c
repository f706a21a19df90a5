/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/debug.h>
#include <kettle/select.h>
#include <stdatomic.h>

/* What debug mode does: it tells less without memory, and nobody else notices. */

static int seconds[] = {1000};

/* ---- The switch ---------------------------------------------------------------------------- */

static int switches_on(void *arg)
{
    (void)arg;
    SWEPT(kt_debug_set, (true));
    CHECK(kt_debug());
    return 0;
}

SWEEP(kt_debug_set, ALLOCATES | SPARES)
{
    kt_debug_set(false); /* the environment may have switched it on */
    kt_task *before = spawn(naps, seconds, 0);
    settle();
    (void)sweep_subject(switches_on, NULL);
    kt_task *after = spawn(naps, seconds, 0);
    sure(kt_task_join(before));
    sure(kt_task_join(after));
    SWEPT(kt_debug_set, (false));
    CHECK(!kt_debug());
}

SWEEP(kt_debug, PLAIN)
{
    kt_debug_set(true);
    CHECK(SWEPT(kt_debug, ()));
    kt_debug_set(false);
    CHECK(!SWEPT(kt_debug, ()));
}

/* ---- Reports ------------------------------------------------------------------------------- */

static const char *looked_for;
static atomic_int found;

static void look_for(const char *message)
{
    if (strstr(message, looked_for))
        atomic_fetch_add(&found, 1);
}

/* How many messages with these words come of fn in debug mode, the end of its loop included. */
static int reports(const char *words, kt_fn fn, void *arg)
{
    const kt_options options = {.virtual_time = true, .debug = KT_DEBUG_ON, .slow_step = KT_S(1000)};
    kt_runner *r = NULL;
    if (kt_runner_open(&options, &r) < 0)
        kt_test_skip("this driver is not to be had");
    looked_for = words;
    atomic_store(&found, 0);
    kt_log_hook_set(look_for);
    sure(kt_runner_run(r, fn, arg, 0));
    kt_runner_close(r);
    kt_log_hook_set(NULL);
    return atomic_load(&found);
}

static int opens(void *object)
{
    SWEPT(kt_debug_opened, (object, "a basket"));
    return 0;
}

static int opens_first(void *objects)
{
    (void)sweep_subject(opens, objects);
    kt_debug_opened((char *)objects + 1, "a basket");
    return 0;
}

static int opens_second(void *objects)
{
    kt_debug_opened((char *)objects + 1, "a basket");
    (void)sweep_subject(opens, objects);
    return 0;
}

/* Without memory it is not known, but what others open before and after is. */
SWEEP(kt_debug_opened, ALLOCATES | SPARES | NO_LOOP)
{
    char objects[2];
    int found_first = reports("a basket, made at", opens_first, objects);
    int found_second = reports("a basket, made at", opens_second, objects);
    CHECK_EQ(found_first + found_second, sweep_struck() ? 3 : 4);
}

static int closes_one_of_two(void *object)
{
    kt_debug_opened(object, "a basket");
    kt_debug_opened(object, "a pot");
    SWEPT(kt_debug_closed, (object, "a basket"));
    SWEPT(kt_debug_closed, (object, "a cup"));
    return 0;
}

SWEEP(kt_debug_closed, PLAIN | NO_LOOP)
{
    CHECK_EQ(reports("a pot, made at", closes_one_of_two, "object"), 1);
    CHECK_EQ(reports("a basket, made at", closes_one_of_two, "object"), 0);
}

static int blocks_the_loop(void *limit)
{
    SWEPT(kt_slow_step_set, (*(kt_time *)limit));
    usleep(10000);
    return 0;
}

SWEEP(kt_slow_step_set, PLAIN | NO_LOOP)
{
    CHECK_EQ(reports("blocked the loop for", blocks_the_loop, &(kt_time){KT_MS(1)}), 1);
    CHECK_EQ(reports("blocked the loop for", blocks_the_loop, &(kt_time){KT_S(1000)}), 0);
}

static int formats(void *address)
{
    char text[200] = "?", cut[4] = "???";
    SWEPT(kt_site_format, (address, text, sizeof text));
    SWEPT(kt_site_format, (address, cut, sizeof cut));
    CHECK(strstr(text, "0x"));
    CHECK_EQ(strlen(cut), sizeof cut - 1);
    return 0;
}

#ifdef KT_LIBDW
enum { READS_DEBUG_INFORMATION = ALLOCATES | SPARES };
#else
enum { READS_DEBUG_INFORMATION = PLAIN };
#endif

/* Without memory for the debug information the dynamic symbols must do. */
SWEEP(kt_site_format, READS_DEBUG_INFORMATION)
{
    (void)sweep_subject(formats, __builtin_return_address(0));
}

/* ---- Errors that nobody can receive -------------------------------------------------------- */

static void note_error(const kt_unhandled *u, void *arg)
{
    CHECK_ERR(u->rc, -EIO);
    CHECK_STR(u->detail, "cold");
    ++*(int *)arg;
}

static int fails(void *arg)
{
    (void)arg;
    return kt_error_set(-EIO, "cold");
}

static void forget_failure(void)
{
    kt_task *t = spawn(fails, NULL, 0);
    settle();
    kt_task_detach(t);
}

SWEEP(kt_error_handler_set, PLAIN)
{
    int told = 0;
    kt_debug_set(false);
    SWEPT(kt_error_handler_set, (note_error, &told));
    forget_failure();
    CHECK_EQ(told, 1);
    SWEPT(kt_error_handler_set, (NULL, NULL));
    forget_failure();
    CHECK_EQ(told, 1);
}

static int tells_twice(void *told)
{
    int rc = fails(NULL);
    SWEPT(kt_error_unhandled, (rc, "the pump failed"));
    kt_error_handler_set(note_error, told);
    SWEPT(kt_error_unhandled, (rc, "the pump failed"));
    return 0;
}

SWEEP(kt_error_unhandled, PLAIN | NO_LOOP)
{
    int told = 0;
    CHECK_EQ(reports("the pump failed (task 'main'): EIO: cold", tells_twice, &told), 1);
    CHECK_EQ(told, 1);
}

/* ---- Tasks --------------------------------------------------------------------------------- */

static int awaits(void *arg)
{
    return kt_task_await(arg);
}

static int shields(void *arg)
{
    return kt_shield(arg);
}

static int gathers(void *arg)
{
    kt_task *const tasks[] = {arg};
    return kt_gather_tasks(tasks, 1, NULL);
}

static int waits_for_one(void *arg)
{
    kt_task *tasks[] = {arg};
    int rc = kt_wait(tasks, 1, KT_WAIT_ALL_COMPLETED, KT_FOREVER);
    return rc < 0 ? rc : 0;
}

static int selects(void *arg)
{
    kt_select_case c = kt_select_task(arg);
    return kt_select(&c, 1);
}

static void count_task(kt_task *t, void *arg)
{
    CHECK(!kt_task_done(t));
    ++*(size_t *)arg;
}

SWEEP(kt_task_each_awaiter, PLAIN)
{
    static const kt_fn ways[] = {awaits, shields, gathers, waits_for_one, selects};
    enum { WAYS = sizeof ways / sizeof *ways };
    kt_task *awaiters[WAYS], *t = spawn(naps, seconds, 0);
    size_t seen = 0;
    for (int i = 0; i < WAYS; i++)
        awaiters[i] = spawn(ways[i], t, 0);
    settle();
    CHECK_EQ(SWEPT(kt_task_each_awaiter, (t, count_task, &seen)), WAYS);
    CHECK_EQ(seen, WAYS);
    CHECK_EQ(SWEPT(kt_task_each_awaiter, (t, NULL, NULL)), WAYS);
    CHECK_EQ(SWEPT(kt_task_each_awaiter, (awaiters[0], NULL, NULL)), 0);
    for (int i = 0; i < WAYS; i++)
        sure(kt_task_join(awaiters[i]));
    sure(kt_task_join(t));
}

static int spawns(void *arg)
{
    kt_task *t = NULL;
    int rc = SWEPT(kt_spawn, (naps, arg, 0, &t));
    CHECK((rc < 0) == !t);
    return rc < 0 ? rc : kt_task_join(t);
}

/* Without memory for what debug mode wants to know, the task runs all the same. */
SWEEP_AS(kt_spawn, in_debug_mode, ALLOCATES | SPARES)
{
    kt_debug_set(true);
    (void)sweep_subject(spawns, seconds);
    kt_debug_set(false);
}

SWEEP(kt_task_stats_get, PLAIN)
{
    kt_task_stats stats;
    kt_debug_set(true);
    kt_task *counted = spawn(naps, seconds, 0);
    settle();
    SWEPT(kt_task_stats_get, (counted, &stats));
    CHECK_EQ(stats.steps, 1);
    CHECK_EQ(stats.age, KT_MS(1));
    CHECK_GT(stats.stack_bytes, 0);
    kt_debug_set(false);
    kt_task *unknown = spawn(naps, seconds, 0);
    settle();
    SWEPT(kt_task_stats_get, (unknown, &stats));
    CHECK(stats.steps == 0 && stats.age == 0 && stats.stack_bytes == 0);
    sure(kt_task_join(counted));
    sure(kt_task_join(unknown));
}

static void add_spawned(const kt_spawn_site *s, void *arg)
{
    CHECK(s->address != NULL);
    CHECK_LE(s->ended, s->spawned);
    *(uint64_t *)arg += s->spawned;
}

SWEEP(kt_spawn_site_each, PLAIN)
{
    uint64_t before = 0, spawned = 0;
    kt_debug_set(true);
    kt_spawn_site_each(add_spawned, &before);
    for (int i = 0; i < 3; i++)
        sure(kt_task_join(spawn(nothing, NULL, 0)));
    CHECK_GE(SWEPT(kt_spawn_site_each, (add_spawned, &spawned)), 1);
    CHECK_EQ(spawned - before, 3);
    kt_debug_set(false);
}
