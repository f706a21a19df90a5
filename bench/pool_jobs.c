/* SPDX-License-Identifier: MIT */

/* What it costs to run a function in another process: a process pool, measured by its own caller.
 * Prints one line of JSON.
 *
 * usage: pool_jobs SECONDS
 *
 * start_ms   from nothing to the result of the first job
 * p50_us ... one worker, one caller, 64 bytes there and back; mib_us with 1 MiB
 * rate       two workers, 50 callers, 64 bytes
 * cpu_us     of that, user and system time of all processes, a job */

#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define BYTES 64
#define BYTES_LARGE (1 << 20)
#define CALLERS 50
#define WORKERS 2
#define SAMPLES_MAX 1000000

KT_PROCESS_FN(echo, input, size, ret_output)
{
    return kt_buffer_append(ret_output, input, size);
}

static char message[BYTES_LARGE];

static int echo_once(kt_process_pool *p, size_t size, kt_buffer *out)
{
    int rc = kt_process_pool_run(p, echo, message, size, out);
    return rc == 0 && out->size != size ? KT_EPROTOCOL : rc;
}

static int open_pool(unsigned workers, kt_process_pool **ret_pool)
{
    return kt_process_pool_open(&(kt_process_pool_options){.workers = workers}, ret_pool);
}

static int first_job(double *ret_ms)
{
    kt_auto(kt_process_pool) *p = NULL;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_time start = kt_now();
    int rc = open_pool(1, &p);
    if (rc == 0)
        rc = echo_once(p, BYTES, &out);
    *ret_ms = (double)(kt_now() - start) / 1e6;
    return rc;
}

/* ---- One after the other ------------------------------------------------------------------- */

typedef struct trips {
    double *us;
    size_t count;
} trips;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double part(const trips *t, double share)
{
    return t->us[(size_t)((double)(t->count - 1) * share)];
}

static int round_trips(trips *t, size_t size, kt_time span)
{
    kt_auto(kt_process_pool) *p = NULL;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = open_pool(1, &p);
    if (rc == 0)
        rc = echo_once(p, size, &out);
    kt_time end = kt_now() + span, before = kt_now();
    for (t->count = 0; rc == 0 && before < end && t->count < SAMPLES_MAX;) {
        rc = echo_once(p, size, &out);
        kt_time after = kt_now();
        t->us[t->count++] = (double)(after - before) / 1e3;
        before = after;
    }
    qsort(t->us, t->count, sizeof t->us[0], by_value);
    return rc;
}

/* ---- Many at once -------------------------------------------------------------------------- */

typedef struct load {
    kt_process_pool *pool;
    kt_time end;
    long jobs;
} load;

static int call_on(void *arg)
{
    load *l = arg;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = 0;
    while (rc == 0 && kt_now() < l->end) {
        rc = echo_once(l->pool, BYTES, &out);
        l->jobs += rc == 0;
    }
    return rc;
}

static int call_all(load *l)
{
    kt_auto(kt_group) callers = KT_GROUP_INIT;
    int rc = 0;
    for (int i = 0; i < CALLERS && rc == 0; i++)
        rc = kt_group_spawn(&callers, call_on, l, 0);
    return kt_group_join(&callers, rc);
}

static double cpu_us(void)
{
    double us = 0;
    const int who[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (int i = 0; i < 2; i++) {
        struct rusage u;
        getrusage(who[i], &u);
        us += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6;
        us += (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    }
    return us;
}

/* The pool's processes count when they have ended. */
static int throughput(kt_time span, double *ret_rate, double *ret_cpu_us)
{
    load l = {.jobs = 0};
    double cpu = cpu_us();
    int rc = open_pool(WORKERS, &l.pool);
    kt_time start = kt_now();
    l.end = start + span;
    if (rc == 0)
        rc = call_all(&l);
    kt_time spent = kt_now() - start;
    kt_process_pool_close(l.pool);
    *ret_rate = (double)l.jobs / ((double)spent / 1e9);
    *ret_cpu_us = (cpu_us() - cpu) / (double)l.jobs;
    return rc;
}

static int run(void *arg)
{
    kt_time span = KT_S(strtol(arg, NULL, 10)) / 2;
    trips t = {.us = kt_calloc(SAMPLES_MAX, sizeof(double))};
    double start_ms = 0, p50 = 0, p99 = 0, mib = 0, rate = 0, cpu = 0;
    if (!t.us)
        return -ENOMEM;
    int rc = first_job(&start_ms);
    if (rc == 0)
        rc = round_trips(&t, BYTES_LARGE, span);
    if (rc == 0) {
        mib = part(&t, 0.5);
        rc = round_trips(&t, BYTES, span);
    }
    if (rc == 0) {
        p50 = part(&t, 0.5);
        p99 = part(&t, 0.99);
        rc = throughput(span, &rate, &cpu);
    }
    kt_free(t.us);
    if (rc == 0)
        printf("{\"start_ms\": %.3f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"mib_us\": %.2f, \"rate\": %.1f, "
               "\"cpu_us\": %.2f}\n", start_ms, p50, p99, mib, rate, cpu);
    return rc;
}

int main(int argc, char **argv)
{
    kt_process_pool_main(argc, argv);
    if (argc != 2 || strtol(argv[1], NULL, 10) <= 0) {
        fprintf(stderr, "usage: pool_jobs SECONDS\n");
        return 2;
    }
    int rc = kt_run(run, argv[1], 0);
    if (rc < 0)
        fprintf(stderr, "pool_jobs: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
