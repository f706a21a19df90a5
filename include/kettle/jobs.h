/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_JOBS_H
#define KETTLE_JOBS_H

/* Durable jobs: work that is written down before it is promised, and done whatever happens to the
 * server meanwhile.
 *
 *     KT_JOB(greet, .attempts = 3, .backoff = 2, .timeout = KT_S(30), .log = true)
 *     {
 *         kt_slice name;
 *         int rc = kt_jobs_arg_string(kt_jobs_args_of(job), "name", &name);
 *         if (rc <= 0)
 *             return rc < 0 ? rc : kt_error_set(KT_EVALIDATION, "args.name is missing");
 *         printf("Hello, %.*s!\n", (int)name.size, name.data);
 *         return 0;
 *     }
 *
 *     int main(void)
 *     {
 *         const kt_jobs_type *types[] = {&greet, &kt_jobs_command, NULL};
 *         kt_jobs *jobs;
 *         int rc = kt_jobs_open(&(kt_jobs_options){.path = "jobs.db", .types = types}, &jobs);
 *         if (rc == 0)
 *             rc = kt_run(serve, jobs, 0);      // kt_jobs_run, and kt_http_serve with kt_jobs_http
 *         kt_jobs_close(jobs);
 *         return rc < 0;
 *     }
 *
 * A job that was acknowledged is in the store, on the disk. It ends once in one of the states
 * succeeded, dead, cancelled. An attempt that a crash of the server cut off is made again, and does
 * not count as one of the job's; so a job whose effect must not happen twice says so to itself. A
 * success that was recorded is never run again. */

#include <kettle/http.h>

KT_BEGIN

typedef struct kt_jobs kt_jobs;
/* One attempt at a job, as its function sees it. */
typedef struct kt_jobs_attempt kt_jobs_attempt;
/* A job's arguments: a JSON object. */
typedef struct kt_jobs_args kt_jobs_args;

/* ---- Types ------------------------------------------------------------------------------ */

/* What is wrong with a job's arguments: the field, as "argv" or "argv[2]", and a sentence. */
typedef struct kt_jobs_fault {
    char field[64];
    char message[192];
} kt_jobs_fault;

/* A kind of job. Zero means the default, which stands behind. Lives as long as the kt_jobs. */
typedef struct kt_jobs_type {
    const char *name;
    int (*run)(kt_jobs_attempt *job); /* >= 0: succeeded; kt_error_detail() is kept with a failure */
    int attempts;        /* 3; in all, the first included */
    double backoff;      /* 2: waits of 1, 2, 4 s ... between attempts; 1: always 1 s */
    kt_time backoff_max; /* 1 h */
    bool jitter;         /* draw each wait from its upper half */
    kt_time timeout;     /* of an attempt; none */
    int priority;        /* 5; the smallest goes first; a job may ask for another, 0 too */
    bool log;            /* tell the log hook of each start and end */
    bool measure;        /* keep figures of duration and outcome, see GET /v1/types */
    /* Looks at the arguments before a job is taken in: 0, or KT_EVALIDATION with *fault filled. */
    int (*check)(const kt_jobs_args *args, kt_jobs_fault *fault);
    /* Appends a few words for people, such as the command line; the default is the type's name. */
    int (*label)(const kt_jobs_args *args, kt_buffer *label);
} kt_jobs_type;

/* Declares a type and begins its function, whose parameter is `kt_jobs_attempt *job`:
 * KT_JOB(fetch_page, .attempts = 3, .timeout = KT_S(30)) { ... return 0; }  Then &fetch_page is the type. */
#define KT_JOB(type_name, ...) \
    static int type_name##_run(kt_jobs_attempt *job); \
    static const kt_jobs_type type_name = {.name = #type_name, .run = type_name##_run, __VA_ARGS__}; \
    static int type_name##_run(kt_jobs_attempt *job)

/* "command": {"argv": ["prog", "arg", ...]} runs a program without a shell, {"shell": "..."} runs
 * /bin/sh -c. Optional "directory", and "env", an object of strings added to the server's
 * environment. Exit status 0 is success. The result holds exit_code, signal, and what it wrote,
 * each of stdout and stderr capped at 64 KiB. Its process group is killed at the end, at a timeout, a
 * cancellation, and the server's death. */
KT_API extern const kt_jobs_type kt_jobs_command;

/* "sleep": {"seconds": number} waits that long. */
KT_API extern const kt_jobs_type kt_jobs_sleep;

/* ---- Inside a job ------------------------------------------------------------------------ */

/* The job's id, as submit gave it. Does not suspend. */
KT_API int64_t kt_jobs_id(const kt_jobs_attempt *job);

/* 1 for the first attempt; attempts that a crash cut off are not counted. */
KT_API int kt_jobs_attempt_number(const kt_jobs_attempt *job);

/* The arguments; valid until the job's function returns. */
KT_API const kt_jobs_args *kt_jobs_args_of(const kt_jobs_attempt *job);

/* One argument by name. 1 and the value; 0 if there is none; KT_EVALIDATION if it is of another kind.
 * Slices live as long as the arguments. Do not suspend. */
KT_API int kt_jobs_arg_string(const kt_jobs_args *a, const char *name, kt_slice *ret_value) KT_CHECKED;
KT_API int kt_jobs_arg_integer(const kt_jobs_args *a, const char *name, int64_t *ret_value) KT_CHECKED;
KT_API int kt_jobs_arg_number(const kt_jobs_args *a, const char *name, double *ret_value) KT_CHECKED;
KT_API int kt_jobs_arg_bool(const kt_jobs_args *a, const char *name, bool *ret_value) KT_CHECKED;

/* The number of items of a list of strings, 0 if there is none; KT_EVALIDATION if it is no list or an item is
 * no string (kt_error_detail tells which). */
KT_API ssize_t kt_jobs_arg_strings(const kt_jobs_args *a, const char *name) KT_CHECKED;

/* Item `index` of such a list. */
KT_API kt_slice kt_jobs_arg_strings_at(const kt_jobs_args *a, const char *name, size_t index);

/* Calls fn with every member; stops at and returns its first negative result. A value that is no string
 * has data NULL. */
KT_API int kt_jobs_arg_each(const kt_jobs_args *a, const char *name,
                            int (*fn)(kt_slice key, kt_slice value, void *arg), void *arg) KT_CHECKED;

/* The name of the first argument that is not among the `count` names; NULL if there is none. For check. */
KT_API const char *kt_jobs_arg_unknown(const kt_jobs_args *a, const char *const *names, size_t count);

/* Sets the attempt's result, a JSON text, which is copied and kept with the job; the last call counts.
 * KT_EVALIDATION if it is not JSON, KT_ELIMIT over 1 MiB, -ENOMEM. Does not suspend. */
KT_API int kt_jobs_result_set(kt_jobs_attempt *job, kt_slice json) KT_CHECKED;

/* The descriptor to give kt_process_options.announce_fd, so that a program does not outlive a server
 * that was killed. */
KT_API int kt_jobs_announce_fd(const kt_jobs_attempt *job);

/* ---- The system --------------------------------------------------------------------------- */

/* All zero but types means the defaults. */
typedef struct kt_jobs_options {
    const char *path;                /* "kettle-jobs.db" */
    const kt_jobs_type *const *types; /* NULL-ended */
    unsigned concurrency;            /* 10; jobs that run at the same time */
    kt_time grace;                   /* 10 s; for running jobs when the server stops; negative: none */
    kt_time lock_wait;               /* 10 s; for another server on this store to end */
    kt_time keep;                    /* 30 days; so long jobs stay that have ended; negative: for ever */
    int crashes_max;                 /* 5; a job that was running at more crashes is dead */
    kt_time ageing_step;             /* 60 s; so much waiting makes up for one level of priority */
    void (*log)(const char *line, void *arg); /* starts and ends of jobs, and troubles; NULL: nowhere */
    void *log_arg;
    const kt_http_asset *assets;     /* the page that kt_jobs_http serves beside the API */
    size_t assets_count;
    const char *const *hosts;        /* names besides localhost that requests may be for; NULL-ended */
} kt_jobs_options;

/* Opens or makes the store, waits until nothing of an earlier server on it runs any more, takes stock
 * of the jobs that it left, and starts the process that guards ours. Blocks: call it before kt_run
 * and before the program has a second thread. The caller owns *ret_jobs. KT_ECONFLICT: another
 * server has the store; KT_ESTORE; KT_EVALIDATION: two types of one name, or no type; -ENOMEM;
 * kt_error_detail tells more. */
KT_API int kt_jobs_open(const kt_jobs_options *options, kt_jobs **ret_jobs) KT_CHECKED;

/* Closes the store; after kt_run. NULL is allowed. Blocks. */
KT_API void kt_jobs_close(kt_jobs *j);

/* Works: claims jobs and runs them, until the calling task is cancelled. Then it claims nothing new,
 * gives running jobs the grace period, cancels the rest, which go back to ready with no attempt
 * used, and returns the cancellation's code. A second cancellation ends the grace period. KT_ESTORE
 * when the store failed for good, KT_ECLOSED when the process that guards the jobs' programs was
 * ended from outside: running jobs go back to ready then. One at a time. Suspends. */
KT_API int kt_jobs_run(kt_jobs *j) KT_CHECKED;

/* One job to be. Zero means the type's own. */
typedef struct kt_jobs_new {
    const char *type;
    const char *queue;     /* NULL = "default" */
    kt_slice args;         /* a JSON object; empty = {} */
    const int *priority;   /* -1000 to 1000 */
    kt_time delay;         /* not before this long from now */
    int attempts;          /* at most 1000 */
    const double *backoff; /* factor, 0 to 1000; 0: no wait */
    const kt_time *timeout; /* 0: none */
} kt_jobs_new;

/* Takes jobs in, all or none. Returns 0 once they are on the disk, and their ids in order.
 * KT_EVALIDATION with *ret_fault (may be NULL) filled, its field as "args.argv", or "jobs[3].args.argv" when
 * n > 1; KT_ESHUTDOWN when kt_jobs_run is not at work; KT_ESTORE, -ENOMEM. A cancellation is held back
 * while the store works. Suspends. */
KT_API int kt_jobs_submit(kt_jobs *j, const kt_jobs_new *news, size_t n, int64_t *ret_ids,
                          kt_jobs_fault *ret_fault) KT_CHECKED;

/* Cancels a job: one that waits at once, one that runs by cancelling its function, which
 * kt_jobs_submit's caller may see running for a while yet. 0; KT_ENOTFOUND; KT_ECONFLICT if it has ended;
 * KT_ESHUTDOWN, KT_ESTORE. A cancellation of the caller is held back while the store works. Suspends. */
KT_API int kt_jobs_cancel(kt_jobs *j, int64_t id) KT_CHECKED;

/* A handler for kt_http_serve, whose argument is the kt_jobs: the API under /v1, /healthz, and the page.
 * See docs/kettle-jobs.md. */
KT_API int kt_jobs_http(kt_http_exchange *x, void *jobs);

KT_END

#endif
