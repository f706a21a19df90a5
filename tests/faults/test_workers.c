/* SPDX-License-Identifier: MIT */

/* The pool of processes, with its server and workers; the job engine, with its guardian and programs. */
#include "faults.h"

#include "calls.h"
#include "jobs/engine.h"

/* ---- The pool ---------------------------------------------------------------------------------- */

KT_PROCESS_FN(doubles, input, size, ret_output)
{
    int rc = kt_buffer_append(ret_output, input, size);
    return rc < 0 ? rc : kt_buffer_append(ret_output, input, size);
}

static void asks_one(kt_process_pool *p)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    if (ok(kt_process_pool_run(p, doubles, "tea", 3, &out)))
        MUST(out.size == 6 && memcmp(out.data, "teatea", 6) == 0);
}

/* A worker that is at rest serves the second; the third meets a new one. */
static void works(void)
{
    kt_auto(kt_process_pool) *p = NULL;
    const kt_process_pool_options options = {.workers = 1, .jobs_per_worker = 2};
    if (!ok(kt_process_pool_open(&options, &p)))
        return;
    for (int i = 0; i < 3; i++)
        asks_one(p);
}

#define BROKEN "a line that ends without its worker's end"
#define LAST "at the end, where nobody is told any more"
static const spared of_pools[] = {
    OF_PROCESSES,
    {"*", 0, KT_EWORKER, "the server or the worker that meets it ends"},
    {"sendmsg", EPIPE, KT_EPROTOCOL, BROKEN},
    {"sendmsg", ECONNRESET, KT_EPROTOCOL, BROKEN},
    {"readv", ECONNRESET, KT_EPROTOCOL, BROKEN},
    {"completion of a write", EPIPE, KT_EPROTOCOL, BROKEN},
    {"completion of a write", ECONNRESET, KT_EPROTOCOL, BROKEN},
    {"completion of a read", ECONNRESET, KT_EPROTOCOL, BROKEN},
    {"completion of a poll", 0, 0, "the server is ended by a signal"},
    {"prctl", 0, 0, "it has no name of its own"},
    {"setpgid", 0, 0, "the worker and the server both do it"},
    {"waitid", 0, 0, "it is waited for, and killed as far as it is known"},
    {"read of events", 0, 0, "what signals tell is looked for all the same"},
    {"recv", 0, 0, "a worker that cannot be asked whether it is well is replaced"},
    {"recvmsg", EAGAIN, KT_EWORKER, "the server's line waits: it means an end"},
    {"recvmsg", 0, 0, LAST},
    {"completion of a read", 0, 0, LAST},
    {"sendmsg", ENOBUFS, 0, "tried again after a while"},
    {"sendmsg", ENOBUFS, KT_ETIMEDOUT, "for good: for as long as the caller likes"},
    {"sendmsg", 0, 0, LAST},
    {"sendmsg", CALLS_SHORT, KT_EWORKER, "an order has few bytes and a descriptor, which cannot be cut in two"},
    {"shutdown", 0, 0, "the server is ended by a signal"},
    {"poll", 0, 0, LAST},
    {"send", 0, 0, LAST},
    {"readv", 0, 0, LAST},
    {"epoll_ctl", 0, 0, LAST},
    {"fcntl F_GETFL, F_GETFD", EBADF, 0, "standard output is closed there as it is here"},
    {NULL, 0, 0, NULL},
};

SCENARIO(jobs_in_worker_processes, NULL, works, of_pools)

/* ---- The engine -------------------------------------------------------------------------------- */

static const kt_jobs_type *const types[] = {&kt_jobs_command, NULL};

typedef struct shop {
    kt_jobs *j;
    kt_event *ended;
} shop;

static void note(const char *line, void *arg)
{
    if (strstr(line, "attempt 1") && !strstr(line, "starts"))
        kt_event_set(arg);
}

static int serves(void *arg)
{
    int rc = kt_jobs_run(*(kt_jobs **)arg);
    if (!kt_is_cancel(rc))
        ok(rc);
    return 0;
}

/* Of a job that has failed its own record tells why. */
static void look_at(kt_jobs *j, int64_t id)
{
    kt__store_job job;
    kt__store_attempts attempts;
    if (!ok(kt__engine_get(j, id, &job, &attempts)))
        return;
    bool says_why = attempts.count == 1 && attempts.items[0].error.size > 0;
    ok(job.state == KT__JOB_SUCCEEDED ? 0 : says_why ? KT_EWORKER : KT_EPROTOCOL);
    kt__store_job_release(&job);
    kt__store_attempts_release(&attempts);
}

static int submits(void *arg)
{
    const shop *s = arg;
    kt_task *server = NULL;
    const kt_jobs_new n = {
        .type = "command", .args = kt_slice_from("{\"argv\": [\"/bin/echo\", \"tea\"]}"), .attempts = 1};
    int64_t id = 0;
    if (!ok(kt_spawn(serves, &s->j, sizeof s->j, &server)))
        return 0;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(2));
    int rc = kt_sleep(0); /* it takes jobs from here on */
    if (rc == 0)
        rc = kt_jobs_submit(s->j, &n, 1, &id, NULL);
    if (rc == 0)
        rc = kt_event_wait(s->ended);
    if (ok(kt_timeout_end(&limit, rc)))
        look_at(s->j, id);
    end_task(server);
    return 0;
}

static void processes(void)
{
    kt_event ended = KT_EVENT_INIT;
    shop s = {.ended = &ended};
    const kt_jobs_options options = {.path = "jobs.db", .types = types, .concurrency = 1, .keep = -1, .grace = -1,
                                     .log = note, .log_arg = &ended};
    if (!ok(kt_jobs_open(&options, &s.j)))
        return;
    ok(kt_run(submits, &s, sizeof s));
    kt_jobs_close(s.j);
}

#define OF_LOCK "of the lock file, in words"
#define OF_HOLDER "who else wants the store is not told whose it is"
#define OF_GUARDIAN "the guardian goes on with what it has got from the server"
static const spared of_jobs[] = {
    OF_PROCESSES,
    {"*", 0, KT_EWORKER, "the job's record says why"},
    {"getrandom", 0, KT_ETIMEDOUT, "no token, no claim: the log says so, and it is tried again"},
    {"pthread_create", 0, KT_ESTORE, "of the thread that works on the store"},
    {"open64", 0, KT_ESTORE, OF_LOCK},
    {"open64", EEXIST, 0, "then it is opened as it is"},
    {"open64", ENOENT, 0, "no store yet"},
    {"stat64", 0, KT_ESTORE, OF_LOCK},
    {"stat64", ENOENT, 0, "it was removed: made again"},
    {"fstat64", 0, KT_ESTORE, OF_LOCK},
    {"flock", 0, KT_ESTORE, OF_LOCK},
    {"flock", EWOULDBLOCK, KT_ECONFLICT, "another has it"},
    {"ftruncate64", 0, 0, OF_HOLDER},
    {"pwrite64", 0, 0, OF_HOLDER},
    {"read", 0, KT_ECLOSED, "the guardian has ended, without whom the server does not go on"},
    {"write", 0, 0, "the guardian keeps a number that may be another's when the server has died"},
    {"close of a file", 0, 0, "of the lock, or of one that was only looked at"},
    {"open64", 0, 0, OF_GUARDIAN},
    {"chdir", 0, 0, OF_GUARDIAN},
    {"close_range", 0, 0, OF_GUARDIAN},
    {"dup2", 0, 0, OF_GUARDIAN},
    {"prctl", 0, 0, OF_GUARDIAN},
    {"setsid", 0, 0, OF_GUARDIAN},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_job_that_runs_a_program, NULL, processes, of_jobs, .no_loop = true)
