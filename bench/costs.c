/* SPDX-License-Identifier: MIT */

/* What the runtime's own steps cost. One process is one repetition: it prints one line a measure,
 * `name<tab>unit<tab>value`; tools/bench runs several and takes medians.
 *
 * usage: costs cpu|threads|memory [scale]
 *   cpu      in CPU time of the loop's thread, so that a busy machine does not count
 *   threads  in real time; wants two cores
 *   memory   of 100,000 parked tasks
 *   scale    divides the number of rounds; 1 unless said otherwise */

#include <errno.h>
#include <kettle/kettle.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SWITCHES 8000000
#define WARM_ROUNDS 4
#define BATCH 1000
#define PARKED 100000
#define PARKED_FEW 20000 /* where a guard costs a memory map */

static long scale = 1;

static void report(const char *name, const char *unit, double value)
{
    printf("%s\t%s\t%.2f\n", name, unit, value);
}

static kt_time cpu_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return KT_S(ts.tv_sec) + ts.tv_nsec;
}

static void report_each(const char *name, kt_time spent, long count)
{
    report(name, "ns", (double)spent / (double)count);
}

/* ---- Switches ------------------------------------------------------------------------------ */

/* All tasks of a measure run in step, each round being a pass over the ready queue. The clock
 * starts when the first one has warmed up and stops when the last one is through, so that neither
 * spawning nor the first touch of a stack is counted. */
typedef struct race {
    long rounds;
    long tasks, finished;
    kt_time from, until;
} race;

static void race_off(race *r)
{
    if (r->from == 0)
        r->from = cpu_now();
}

static void race_over(race *r)
{
    if (++r->finished == r->tasks)
        r->until = cpu_now();
}

static int switch_at_1(void *arg)
{
    race *r = arg;
    int rc = 0;
    for (long i = -WARM_ROUNDS; i < r->rounds && rc == 0; i++) {
        if (i == 0)
            race_off(r);
        rc = kt_sleep(0);
    }
    race_over(r);
    return rc;
}

static int switch_at_4(void *arg)
{
    race *r = arg;
    int rc = 0;
    for (long i = -WARM_ROUNDS; i < r->rounds && rc == 0; i += 4) {
        if (i == 0)
            race_off(r);
        rc |= kt_sleep(0);
        rc |= kt_sleep(0);
        rc |= kt_sleep(0);
        rc |= kt_sleep(0);
    }
    race_over(r);
    return rc;
}

/* The call sites in turn as above, but each task one site further than the one before. */
static int switch_staggered(void *arg)
{
    race *r = arg;
    long i = -WARM_ROUNDS, end = r->rounds;
    int rc = 0;
    switch (r->finished++ % 4) {
        do {
            if (i == 0)
                race_off(r);
            __attribute__((fallthrough));
        case 0:
            rc |= kt_sleep(0);
            __attribute__((fallthrough));
        case 1:
            rc |= kt_sleep(0);
            __attribute__((fallthrough));
        case 2:
            rc |= kt_sleep(0);
            __attribute__((fallthrough));
        default:
            rc |= kt_sleep(0);
            i += 4;
        } while (i < end && rc == 0);
    }
    if (--r->finished == 0)
        r->until = cpu_now();
    return rc;
}

static int race_run(const char *name, kt_fn fn, long tasks)
{
    race r = {.rounds = SWITCHES / scale / tasks / 4 * 4, .tasks = tasks};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    for (long i = 0; i < tasks && rc == 0; i++)
        rc = kt_group_spawn(&g, fn, &r, 0);
    rc = kt_group_join(&g, rc);
    if (rc == 0)
        report_each(name, r.until - r.from, r.rounds * tasks);
    return rc;
}

static int switches(void)
{
    static const struct {
        const char *name;
        kt_fn fn;
        long tasks;
    } races[] = {
        {"switch, 1 call site, 2 tasks", switch_at_1, 2},
        {"switch, 1 call site, 10 tasks", switch_at_1, 10},
        {"switch, 1 call site, 1000 tasks", switch_at_1, 1000},
        {"switch, 4 call sites, 2 tasks", switch_at_4, 2},
        {"switch, 4 call sites, 10 tasks", switch_at_4, 10},
        {"switch, 4 call sites, 1000 tasks", switch_at_4, 1000},
        {"switch, 4 call sites out of step, 10 tasks", switch_staggered, 10},
        {"switch, 4 call sites out of step, 1000 tasks", switch_staggered, 1000},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof races / sizeof races[0] && rc == 0; i++)
        rc = race_run(races[i].name, races[i].fn, races[i].tasks);
    return rc;
}

/* ---- Spawn, run, join ---------------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int spawn_single(void)
{
    const long rounds = 1000000 / scale;
    kt_time from = cpu_now();
    for (long i = 0; i < rounds; i++) {
        kt_task *t;
        int rc = kt_spawn(nothing, NULL, 0, &t);
        if (rc == 0)
            rc = kt_task_join(t);
        if (rc < 0)
            return rc;
    }
    report_each("spawn + run + join, one", cpu_now() - from, rounds);
    return 0;
}

static int spawn_batches(void)
{
    const long batches = 2000 / scale;
    kt_time from = cpu_now();
    for (long i = 0; i < batches; i++) {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        int rc = 0;
        for (int k = 0; k < BATCH && rc == 0; k++)
            rc = kt_group_spawn(&g, nothing, NULL, 0);
        rc = kt_group_join(&g, rc);
        if (rc < 0)
            return rc;
    }
    report_each("spawn + run + join, groups of 1000", cpu_now() - from, batches * BATCH);
    return 0;
}

/* ---- Timers, locks, queues ----------------------------------------------------------------- */

static int timers_alone(const char *name)
{
    const long rounds = 2000000 / scale;
    int rc = 0;
    kt_time from = cpu_now();
    for (long i = 0; i < rounds && rc == 0; i++) {
        kt_auto(kt_timeout) t = KT_TIMEOUT_INIT;
        kt_timeout_start(&t, KT_S(30));
        rc = kt_timeout_end(&t, 0);
    }
    report_each(name, cpu_now() - from, rounds);
    return rc;
}

static int sleep_long(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_S(3600));
    return kt_is_cancel(rc) ? KT_ECANCELED : rc;
}

/* What every timer begins with. */
static void clock_reads(void)
{
    const long rounds = 2000000 / scale;
    kt_time last = 0;
    kt_time from = cpu_now();
    for (long i = 0; i < rounds; i++)
        last = kt_now();
    if (last > 0)
        report_each("clock read", cpu_now() - from, rounds);
}

static int timers(void)
{
    clock_reads();
    int rc = timers_alone("timer arm + cancel");
    kt_auto(kt_group) sleepers = KT_GROUP_INIT;
    for (int i = 0; i < 10 * BATCH && rc == 0; i++)
        rc = kt_group_spawn(&sleepers, sleep_long, NULL, 0);
    if (rc == 0)
        rc = kt_sleep(KT_MS(1));
    if (rc == 0)
        rc = timers_alone("timer arm + cancel beside 10,000 others");
    kt_group_cancel(&sleepers);
    return kt_group_join(&sleepers, rc);
}

static int locks(void)
{
    const long rounds = 10000000 / scale;
    kt_lock l = KT_LOCK_INIT;
    int rc = 0;
    kt_time from = cpu_now();
    for (long i = 0; i < rounds && rc == 0; i++) {
        rc = kt_lock_acquire(&l);
        if (rc == 0)
            kt_lock_release(&l);
    }
    report_each("lock acquire + release, free", cpu_now() - from, rounds);
    return rc;
}

typedef struct belt {
    kt_queue *q;
    long items;
} belt;

static int produce(void *arg)
{
    const belt *b = arg;
    int rc = 0;
    for (long i = 0; i < b->items && rc == 0; i++)
        rc = kt_queue_put(b->q, &i);
    return rc;
}

static int queues(void)
{
    const long items = 2000000 / scale;
    kt_auto(kt_queue) q = KT_QUEUE_INIT(long, 1);
    belt b = {&q, items};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_time from = cpu_now();
    int rc = kt_group_spawn(&g, produce, &b, 0);
    for (long i = 0, got; i < items && rc == 0; i++) {
        rc = kt_queue_get(&q, &got);
        if (rc == 0 && got != i)
            rc = -EIO;
    }
    report_each("queue put + get, hand-off", cpu_now() - from, items);
    return kt_group_join(&g, rc);
}

static int cpu_main(void *arg)
{
    (void)arg;
    int (*const measures[])(void) = {switches, spawn_single, spawn_batches, timers, locks, queues};
    int rc = 0;
    for (size_t i = 0; i < sizeof measures / sizeof measures[0] && rc == 0; i++)
        rc = measures[i]();
    return rc;
}

/* ---- Other threads ------------------------------------------------------------------------- */

static int thread_trips(void)
{
    const long rounds = 20000 / scale;
    int rc = 0;
    for (int i = 0; i < 100 && rc == 0; i++)
        rc = kt_thread_run(nothing, NULL, 0);
    kt_time from = kt_now();
    for (long i = 0; i < rounds && rc == 0; i++)
        rc = kt_thread_run(nothing, NULL, 0);
    report_each("kt_thread_run, there and back", kt_now() - from, rounds);
    return rc;
}

typedef struct calls {
    kt_loop *loop;
    long count, arrived;
    kt_event all;
} calls;

static void arrive(void *arg)
{
    calls *c = arg;
    if (++c->arrived == c->count)
        kt_event_set(&c->all);
}

static void *caller(void *arg)
{
    calls *c = arg;
    for (long i = 0; i < c->count; i++)
        if (kt_call_threadsafe(c->loop, arrive, c) < 0)
            abort();
    return NULL;
}

static int threadsafe_calls(void)
{
    calls c = {.loop = kt_loop_current(), .count = 1000000 / scale, .all = KT_EVENT_INIT};
    pthread_t thread;
    kt_time from = kt_now();
    int error = pthread_create(&thread, NULL, caller, &c);
    if (error)
        return -error;
    int rc = kt_event_wait(&c.all);
    report_each("kt_call_threadsafe, from one thread", kt_now() - from, c.count);
    pthread_join(thread, NULL);
    return rc;
}

/* ---- Channels, and what they are measured by ----------------------------------------------- */

#define LANE_MAX 1000

/* Two sides pass numbers on: in a task or on a thread, it is the same for a channel. */
typedef struct lane {
    long items;
    kt_channel channel;

    /* The peer: what one writes by hand for two threads. */
    pthread_mutex_t mutex;
    pthread_cond_t filled, emptied;
    size_t head, count;
    long ring[LANE_MAX];
} lane;

static int lane_send(void *arg)
{
    lane *l = arg;
    int rc = 0;
    for (long i = 0; i < l->items && rc == 0; i++)
        rc = kt_channel_send(&l->channel, &i);
    return rc;
}

static int lane_receive(void *arg)
{
    lane *l = arg;
    int rc = 0;
    for (long i = 0, got; i < l->items && rc == 0; i++) {
        rc = kt_channel_receive(&l->channel, &got);
        if (rc == 0 && got != i)
            rc = -EIO;
    }
    return rc;
}

static int plain_send(void *arg)
{
    lane *l = arg;
    for (long i = 0; i < l->items; i++) {
        pthread_mutex_lock(&l->mutex);
        while (l->count == LANE_MAX)
            pthread_cond_wait(&l->emptied, &l->mutex);
        l->ring[(l->head + l->count++) % LANE_MAX] = i;
        pthread_cond_signal(&l->filled);
        pthread_mutex_unlock(&l->mutex);
    }
    return 0;
}

static int plain_receive(void *arg)
{
    lane *l = arg;
    int rc = 0;
    for (long i = 0; i < l->items; i++) {
        pthread_mutex_lock(&l->mutex);
        while (l->count == 0)
            pthread_cond_wait(&l->filled, &l->mutex);
        if (l->ring[l->head] != i)
            rc = -EIO;
        l->head = (l->head + 1) % LANE_MAX;
        l->count--;
        pthread_cond_signal(&l->emptied);
        pthread_mutex_unlock(&l->mutex);
    }
    return rc;
}

static int send_in_loop(void *arg)
{
    return kt_run(lane_send, arg, 0);
}

typedef struct side {
    kt_fn fn;
    lane *lane;
    int rc;
} side;

static void *side_main(void *arg)
{
    side *s = arg;
    s->rc = s->fn(s->lane);
    return NULL;
}

/* `here` is in this task, or, if it must not be, on a thread for which the loop waits. */
static int lane_run(const char *name, kt_fn elsewhere, kt_fn here, bool in_task)
{
    static lane l;
    pthread_t thread;
    l = (lane){.items = 2000000 / scale, .channel = KT_CHANNEL_INIT(long, LANE_MAX),
               .mutex = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER,
               .emptied = PTHREAD_COND_INITIALIZER};
    side other = {.fn = elsewhere, .lane = &l};
    kt_time from = kt_now();
    int error = pthread_create(&thread, NULL, side_main, &other);
    if (error)
        return -error;
    int rc = in_task ? here(&l) : kt_thread_run(here, &l, 0);
    pthread_join(thread, NULL);
    report_each(name, kt_now() - from, l.items);
    kt_channel_release(&l.channel);
    return rc < 0 ? rc : other.rc;
}

static int lanes(void)
{
    int rc = lane_run("channel of 1000, loop to loop", send_in_loop, lane_receive, true);
    if (rc == 0)
        rc = lane_run("channel of 1000, thread to loop", lane_send, lane_receive, true);
    if (rc == 0)
        rc = lane_run("channel of 1000, loop to thread", lane_receive, lane_send, true);
    if (rc == 0)
        rc = lane_run("channel of 1000, thread to thread", lane_send, lane_receive, false);
    if (rc == 0)
        rc = lane_run("mutex and conditions by hand, thread to thread", plain_send, plain_receive, false);
    return rc;
}

static int threads_main(void *arg)
{
    (void)arg;
    int rc = thread_trips();
    if (rc == 0)
        rc = threadsafe_calls();
    return rc < 0 ? rc : lanes();
}

/* ---- Memory -------------------------------------------------------------------------------- */

/* A line of /proc/self/status in bytes, 0 if there is none. */
static double status_bytes(const char *key)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtol(line + strlen(key), NULL, 10);
    if (f)
        fclose(f);
    return (double)kib * 1024;
}

static int park(void *arg)
{
    return kt_event_wait(arg);
}

static int parked(long tasks)
{
    kt_event go = KT_EVENT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    double resident = status_bytes("VmRSS:"), tables = status_bytes("VmPTE:");
    int rc = 0;
    for (long i = 0; i < tasks && rc == 0; i++)
        rc = kt_group_spawn(&g, park, &go, 0);
    if (rc == 0)
        rc = kt_sleep(KT_MS(1));
    if (rc == 0) {
        double n = (double)tasks;
        report("tasks parked", "tasks", n);
        report("parked task, resident", "bytes", (status_bytes("VmRSS:") - resident) / n);
        report("parked task, page tables", "bytes", (status_bytes("VmPTE:") - tables) / n);
    }
    kt_event_set(&go);
    return kt_group_join(&g, rc);
}

static int memory_main(void *arg)
{
    (void)arg;
    int rc = parked(PARKED / scale);
    return rc == KT_ENOSTACK ? parked(PARKED_FEW) : rc;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        kt_fn fn;
    } parts[] = {{"cpu", cpu_main}, {"threads", threads_main}, {"memory", memory_main}};
    if (argc > 2)
        scale = strtol(argv[2], NULL, 10);
    for (size_t i = 0; argc > 1 && scale > 0 && i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(argv[1], parts[i].name) != 0)
            continue;
        int rc = kt_run(parts[i].fn, NULL, 0);
        if (rc < 0)
            fprintf(stderr, "costs %s: %s (%s)\n", argv[1], kt_strerror(rc), kt_error_detail());
        return rc < 0;
    }
    fprintf(stderr, "usage: costs cpu|threads|memory [scale]\n");
    return 2;
}
