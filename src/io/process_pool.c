/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

/* Process pool: jobs, and who runs them. The line of callers, the workers at rest and their ages are
 * those of a resource pool, whose resources are workers. */

#include <kettle/process_pool.h>

#include <kettle/loop.h>
#include <kettle/memory.h>
#include <kettle/pool.h>

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>

#include "core/eyes.h"
#include "core/wait_until.h"
#include "io/process_pool_link.h"

#define WORKERS_MAX 1024
#define WAITING_MAX 65536
#define BYTES_MAX ((size_t)64 << 20)

/* Failures in a row that cost no time, and the pauses after further ones. */
#define FAILURES_FREE 3
#define PAUSE_MIN KT_MS(10)
#define PAUSE_MAX KT_S(1)

/* A line that ends is a worker that dies: its status comes soon. */
#define GRACE KT_S(1)

/* What one read takes of an answer, beyond that into the output's own memory. */
#define HEAD_MAX 4096

struct kt_process_pool {
    kt_loop *loop;
    kt__left_open open;
    kt__server *server;
    kt_resource_pool workers;
    unsigned waiting_max;
    size_t input_bytes_max, output_bytes_max;
    unsigned jobs_per_worker;
    const kt__process_function *prepare;
    kt_slice prepare_input;

    bool closing;
    kt_event closed; /* set with it */
    unsigned deaths; /* in a row */
    kt_time last_death;

    unsigned unprepared;  /* workers in a row */
    kt_time next_prepare; /* not before, if there are too many of them */
    int prepare_error;    /* of the last one */
    char prepare_words[KT__POOL_DETAIL_MAX + 1];
};

typedef struct job {
    const kt__process_function *function;
    kt_slice input;
    size_t output_max;
    kt_buffer *output; /* empty */
} job;

/* ---- One job and one worker ---------------------------------------------------------------- */

static int send_job(kt__worker *w, const job *j)
{
    const char *name = j->function->name;
    kt__request q = {
        .magic = KT__REQUEST_MAGIC,
        .name_size = (uint32_t)strlen(name),
        .serial = ++w->serial,
        .input_size = j->input.size,
        .output_max = j->output_max,
    };
    const struct iovec pieces[] = {
        {&q, sizeof(q)},
        {(void *)(uintptr_t)name, q.name_size},
        {(void *)(uintptr_t)j->input.data, j->input.size},
    };
    return kt_stream_writev(w->line, pieces, 3);
}

static bool is_sound(const kt__answer *a, const kt__worker *w, const job *j)
{
    return a->magic == KT__ANSWER_MAGIC && a->serial == w->serial &&
           a->output_size <= (a->rc < 0 ? 0 : j->output_max) &&
           a->detail_size <= (a->rc < 0 ? KT__POOL_DETAIL_MAX : 0);
}

static int read_output(kt__worker *w, const kt__answer *a, kt_buffer *output)
{
    if (a->output_size == 0)
        return 0;
    int rc = kt_buffer_reserve(output, a->output_size);
    if (rc == 0)
        rc = kt__line_read(w->line, output->data, a->output_size);
    if (rc == 0)
        output->size = a->output_size;
    return rc;
}

/* The head of an answer, and in the same breath what else of it is there: the whole, if it is small. */
static int read_head(kt__worker *w, kt__answer *ret_answer)
{
    kt_slice bytes = kt_stream_buffered(w->line);
    while (bytes.size < sizeof(*ret_answer)) {
        size_t have = bytes.size;
        ssize_t n = kt_stream_fill(w->line, have, HEAD_MAX, &bytes);
        if (n < 0)
            return (int)n;
        if ((size_t)n == have)
            return KT_EINCOMPLETE;
    }
    memcpy(ret_answer, bytes.data, sizeof(*ret_answer));
    kt_stream_consume(w->line, sizeof(*ret_answer));
    return 0;
}

/* Sends the job and reads its answer. 0 with the function's own result in *ret_result (and its words
 * recorded), and the worker is free for the next job. Otherwise it is in an unknown state. */
static int exchange(kt__worker *w, const job *j, int *ret_result)
{
    kt__answer a;
    char detail[KT__POOL_DETAIL_MAX + 1];
    int rc = send_job(w, j);
    if (rc == 0)
        rc = read_head(w, &a);
    if (rc == 0 && !is_sound(&a, w, j))
        return kt_error_set(KT_EPROTOCOL, "worker %d wrote to its line while it ran '%s', and was "
                                          "killed", (int)w->pid, j->function->name);
    if (rc == 0)
        rc = kt__line_read(w->line, detail, a.detail_size);
    if (rc == 0)
        rc = read_output(w, &a, j->output);
    if (rc < 0)
        return rc;
    detail[a.detail_size] = 0;
    *ret_result = a.rc < 0 ? kt_error_set(a.rc, "%s", detail) : a.rc;
    return 0;
}

static int explain_death(const kt__worker *w, const char *name)
{
    int pid = (int)w->pid, status = w->status;
    if (WIFSIGNALED(status)) {
        const char *signal = sigabbrev_np(WTERMSIG(status));
        return kt_error_set(KT_EWORKER, "worker %d was killed by SIG%s while it ran '%s'", pid,
                            signal ? signal : "?", name);
    }
    return kt_error_set(KT_EWORKER, "worker %d exited with status %d while it ran '%s'", pid,
                        WEXITSTATUS(status), name);
}

/* Why an exchange failed with rc. */
static int explain(kt_process_pool *p, kt__worker *w, const char *name, int rc)
{
    bool line_ended = rc == KT_EINCOMPLETE || rc == -EPIPE || rc == -ECONNRESET;
    if (p->closing)
        return kt_error_set(KT_ESHUTDOWN, "the pool was closed while '%s' ran", name);
    if (!line_ended)
        return rc;
    int ended = kt__event_wait_until(&w->end, kt_now() + GRACE);
    if (ended < 0)
        return ended;
    if (p->closing)
        return kt_error_set(KT_ESHUTDOWN, "the pool was closed while '%s' ran", name);
    if (ended == 0)
        return kt_error_set(KT_EPROTOCOL, "worker %d closed its line while it ran '%s', and was "
                                          "killed", (int)w->pid, name);
    if (w->error < 0)
        return kt_error_set(w->error, "no worker process can be made: %s", kt_strerror(w->error));
    if (w->lost)
        return kt_error_set(KT_EWORKER, "the pool's server %d died, and worker %d with it, while it "
                                        "ran '%s'", (int)p->server->pid, (int)w->pid, name);
    return explain_death(w, name);
}

/* As exchange, with the reasons of a failure in words. */
static int run_in(kt_process_pool *p, kt__worker *w, const job *j, int *ret_result)
{
    if (p->closing)
        return KT_ESHUTDOWN; /* this worker was made too late for close to hang up on it */
    int rc = exchange(w, j, ret_result);
    if (rc < 0)
        return explain(p, w, j->function->name, rc);
    return 0;
}

/* ---- Workers as resources ------------------------------------------------------------------ */

static kt_time pause_after(unsigned failures)
{
    kt_time pause = PAUSE_MIN;
    if (failures <= FAILURES_FREE)
        return 0;
    for (unsigned n = FAILURES_FREE + 1; n < failures && pause < PAUSE_MAX; n++)
        pause *= 2;
    return pause < PAUSE_MAX ? pause : PAUSE_MAX;
}

/* When workers that die one after the other may be replaced. The callers wait: a job that kills is no
 * reason to turn others away. */
static kt_time next_start(const kt_process_pool *p)
{
    return p->deaths <= FAILURES_FREE ? 0 : p->last_death + pause_after(p->deaths);
}

static int back_off(kt_process_pool *p)
{
    int rc = 0;
    kt_time when;
    while (rc == 0 && !p->closing && (when = next_start(p)) > kt_now())
        rc = kt__event_wait_until(&p->closed, when);
    return p->closing ? KT_ESHUTDOWN : rc < 0 ? rc : 0;
}

static void note_job(kt_process_pool *p, int rc)
{
    if (rc == 0)
        p->deaths = 0;
    if (rc != KT_EWORKER)
        return;
    p->deaths++;
    p->last_death = kt_now();
}

/* A prepare that fails and fails would cost a process for each job, in vain: between two attempts the
 * callers hear of the last one. */
static int may_prepare(const kt_process_pool *p)
{
    if (!p->prepare || p->unprepared <= FAILURES_FREE || kt_now() >= p->next_prepare)
        return 0;
    return kt_error_set(p->prepare_error, "the pool is broken: '%s' failed %u times in a row: %s",
                        p->prepare->name, p->unprepared, p->prepare_words);
}

static void note_prepare(kt_process_pool *p, int rc)
{
    p->unprepared = rc < 0 ? p->unprepared + 1 : 0;
    p->next_prepare = kt_now() + pause_after(p->unprepared);
    p->prepare_error = rc;
    snprintf(p->prepare_words, sizeof(p->prepare_words), "%s", rc < 0 ? kt_error_detail() : "");
}

/* One at a time tries again after too many failures, or one a second, if it takes longer. */
static int prepare(kt_process_pool *p, kt__worker *w)
{
    kt_auto(kt_buffer) output = KT_BUFFER_INIT;
    const job j = {p->prepare, p->prepare_input, p->output_bytes_max, &output};
    int result = 0;
    p->next_prepare = kt_now() + PAUSE_MAX;
    int rc = run_in(p, w, &j, &result);
    if (rc < 0 && rc != KT_EWORKER && rc != KT_EPROTOCOL) {
        p->next_prepare = 0; /* it has not failed, but was cancelled, or never ran */
        return rc;
    }
    if (rc == 0 && result < 0)
        rc = result;
    note_prepare(p, rc);
    return rc;
}

static int create_worker(void **ret_resource, void *arg)
{
    kt_process_pool *p = arg;
    kt__worker *w;
    int rc = back_off(p);
    if (rc == 0)
        rc = may_prepare(p);
    if (rc == 0)
        rc = kt__worker_start(p->server, &w);
    if (rc < 0)
        return rc;
    if (p->prepare)
        rc = prepare(p, w);
    if (rc < 0) {
        kt__worker_end(p->server, w);
        return rc;
    }
    *ret_resource = w;
    return 0;
}

static void destroy_worker(void *resource, void *arg)
{
    const kt_process_pool *p = arg;
    kt__worker_end(p->server, resource);
}

static int check_worker(void *resource, void *arg)
{
    (void)arg;
    return kt__worker_is_idle(resource) ? 0 : KT_EWORKER;
}

/* ---- Open and close ------------------------------------------------------------------------ */

static size_t input_bytes_max(const kt_process_pool_options *o)
{
    return o->input_bytes_max ? o->input_bytes_max : BYTES_MAX;
}

static int check_options(const kt_process_pool_options *o)
{
    if (!kt__process_pool_ready())
        kt__misuse("kt_process_pool_open: main must begin with kt_process_pool_main");
    if (o->prepare && !kt__process_function_by_address(o->prepare))
        kt__misuse("kt_process_pool_open: prepare is not a KT_PROCESS_FN");
    if (o->workers > WORKERS_MAX)
        return kt_error_set(-EINVAL, "%u workers, %d are allowed", o->workers, WORKERS_MAX);
    if (o->input_bytes_max > KT__POOL_BYTES_MAX || o->output_bytes_max > KT__POOL_BYTES_MAX)
        return kt_error_set(-EINVAL, "over %zu bytes of input or output", KT__POOL_BYTES_MAX);
    if (o->prepare_size > input_bytes_max(o))
        return kt_error_set(-EINVAL, "%zu bytes of input for prepare, %zu are allowed",
                            o->prepare_size, input_bytes_max(o));
    if (!kt_loop_current())
        return KT_ENOTRUNNING;
    if (kt_loop_current()->simulated)
        return kt_error_set(KT_ENOTSIM, "no processes under the simulated driver");
    return 0;
}

static int open_parts(kt_process_pool *p, const char *name)
{
    int rc = kt__server_open(name, &p->server);
    if (rc < 0)
        return rc;
    rc = kt_resource_pool_open(&p->workers);
    if (rc < 0)
        kt__server_close(p->server);
    else
        kt__closed(&p->workers, "a resource pool"); /* debug mode shall name the whole, not its parts */
    return rc;
}

/* Workers that run a job are told by hanging up on them: their callers find the line ended, and discard
 * them, which is what kills them. Those without a job do not mind. */
static void end_pool(kt_process_pool *p)
{
    kt_cancel_hold();
    p->closing = true;
    kt_event_set(&p->closed);
    for (const kt__worker *w = p->server->workers; w; w = w->next)
        kt__worker_hang_up(w);
    kt_resource_pool_cleanup(&p->workers);
    kt__server_close(p->server);
    kt_cancel_unhold();
    kt__left_open_remove(p->loop, &p->open);
    kt_free(p);
}

void kt_process_pool_close(kt_process_pool *p)
{
    if (!p)
        return;
    (void)kt__self("kt_process_pool_close");
    kt__check_thread(p->loop, "a process pool");
    if (p->closing)
        kt__misuse("kt_process_pool_close: another task closes this pool already");
    kt__closed(p, "a process pool");
    end_pool(p);
}

/* Without a word to debug mode, which is to report it. */
static void close_left_open(kt__left_open *o)
{
    end_pool(KT__OWNER(o, kt_process_pool, open));
}

int kt_process_pool_open(const kt_process_pool_options *options, kt_process_pool **ret_pool)
{
    const kt_process_pool_options none = {0}, *o = options ? options : &none;
    int rc = check_options(o);
    if (rc < 0)
        return rc;
    kt_process_pool *p = kt_calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->loop = kt__loop;
    p->waiting_max = o->waiting_max ? o->waiting_max : WAITING_MAX;
    p->input_bytes_max = input_bytes_max(o);
    p->output_bytes_max = o->output_bytes_max ? o->output_bytes_max : BYTES_MAX;
    p->jobs_per_worker = o->jobs_per_worker;
    p->prepare = o->prepare ? kt__process_function_by_address(o->prepare) : NULL;
    p->prepare_input = (kt_slice){o->prepare_input, o->prepare_size};
    p->workers.max = o->workers ? o->workers : kt__cpus();
    p->workers.idle_max = o->idle_max;
    p->workers.create = create_worker;
    p->workers.destroy = destroy_worker;
    p->workers.check = check_worker;
    p->workers.arg = p;
    rc = open_parts(p, o->name ? o->name : "pool");
    if (rc < 0) {
        kt_free(p);
        return rc;
    }
    p->open.close = close_left_open;
    kt__left_open_add(p->loop, &p->open);
    kt__opened(p, "a process pool", KT__SITE, NULL);
    *ret_pool = p;
    return 0;
}

/* ---- Run ----------------------------------------------------------------------------------- */

static int admit(const kt_process_pool *p, const kt__process_function *f, size_t size)
{
    if (!f)
        kt__misuse("kt_process_pool_run: the function is not a KT_PROCESS_FN");
    if (p->closing)
        return KT_ESHUTDOWN;
    if (p->server->gone)
        return kt_error_set(KT_EWORKER, "the pool's server %d has died", (int)p->server->pid);
    if (size > p->input_bytes_max)
        return kt_error_set(KT_ELIMIT, "%zu bytes of input for '%s', %zu are allowed", size, f->name,
                            p->input_bytes_max);
    if (p->workers.waiting >= p->waiting_max)
        return kt_error_set(KT_EFULL, "%u callers wait for a worker already", p->workers.waiting);
    return 0;
}

static size_t output_max(const kt_process_pool *p, const kt_buffer *wanted)
{
    size_t max = wanted ? wanted->size_max : 0;
    return max > 0 && max < p->output_bytes_max ? max : p->output_bytes_max;
}

/* Gives the worker back, or ends it if it is worn or in an unknown state. Nothing of the pool may be
 * touched afterwards: it may be gone. */
static void leave(const kt_process_pool *p, kt_lease *lease, int rc)
{
    kt__worker *w = lease->resource;
    w->jobs++;
    bool worn = p->jobs_per_worker > 0 && w->jobs >= p->jobs_per_worker;
    if (rc < 0 || worn)
        kt_lease_discard(lease);
    else
        kt_lease_release(lease);
}

/* The output in place of what was there, under the limit that was there. */
static void hand_over(kt_buffer *output, kt_buffer *ret_output)
{
    output->size_max = ret_output->size_max;
    kt_buffer_release(ret_output);
    *ret_output = *output;
    *output = (kt_buffer)KT_BUFFER_INIT;
}

int kt_process_pool_run(kt_process_pool *p, kt_process_fn fn, const void *input, size_t size,
                        kt_buffer *ret_output)
{
    (void)kt__self("kt_process_pool_run");
    kt__check_thread(p->loop, "a process pool");
    kt_auto(kt_buffer) output = KT_BUFFER_INIT;
    kt_lease lease = KT_LEASE_INIT;
    const kt__process_function *f = kt__process_function_by_address(fn);
    int rc = admit(p, f, size);
    if (rc == 0)
        rc = kt_resource_pool_acquire(&p->workers, &lease);
    if (rc < 0)
        return rc;
    const job j = {f, {input, size}, output_max(p, ret_output), &output};
    int result = 0;
    rc = run_in(p, lease.resource, &j, &result);
    note_job(p, rc);
    leave(p, &lease, rc);
    if (rc < 0 || result < 0)
        return rc < 0 ? rc : result;
    if (ret_output)
        hand_over(&output, ret_output);
    return result;
}
