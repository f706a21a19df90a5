/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_JOBS_ENGINE_H
#define KETTLE_JOBS_ENGINE_H

/* The inside of kt_jobs.
 *
 *     http api (api*.c) ---+
 *                          v
 *     workers (worker.c) -> keeper (keeper.c) -> store (store*.c, on a pool thread)
 *          |                   one transaction for all that wait: the group commit
 *          +-> job functions (command.c, sleep.c, the user's)
 *
 * Everything but the store runs on the loop. */

#include <jansson.h>
#include <kettle/jobs.h>
#include <kettle/queue.h>
#include <kettle/sync.h>

#include "jobs/reaper.h"
#include "jobs/store.h"

/* ---- The keeper: one at a time with the store ------------------------------------------------ */

/* A piece of work for the store: `work` runs on a pool thread, inside a transaction that it shares
 * with whatever else waits. It lives where its task waits. */
typedef struct kt__request {
    struct kt__request *next;
    int (*work)(kt__store *store, void *arg);
    void *arg;
    int rc; /* of work, or of the commit */
    char detail[256];
    kt_event done;
} kt__request;

typedef struct kt__keeper {
    kt__store *store;
    kt__request *first, *last; /* waiting */
    kt_event work;
    bool open;   /* takes requests */
    bool broken; /* the store failed for good */
} kt__keeper;

/* Runs work(store, arg) in a transaction and returns its result once that is durable. A failed commit
 * gives KT_ESTORE: then nothing was done. KT_ESHUTDOWN when the keeper is not at work. Cancellations are
 * held back. Suspends. */
int kt__keeper_do(kt__keeper *k, int (*work)(kt__store *store, void *arg), void *arg) KT_CHECKED;

/* The keeper's task. Ends, when cancelled, after the last request. */
int kt__keeper_run(void *keeper);

/* After its task: refuses what a keeper that was cancelled before it began has left. */
void kt__keeper_close(kt__keeper *k);

/* ---- Jobs at work ---------------------------------------------------------------------------- */

struct kt_jobs_args {
    json_t *json;
};

/* One attempt, from claim to completion. */
struct kt_jobs_attempt {
    kt_jobs *jobs;
    const kt_jobs_type *type; /* NULL: nobody here knows the job's type */
    kt__store_job job;
    uint8_t token[KT__STORE_TOKEN_SIZE];
    kt_jobs_args args;
    kt_time started_at; /* nanoseconds of the wall clock */
    kt_buffer label, result;
    kt_task *task;      /* that runs the function */
    bool cancel_asked;
    struct kt_jobs_attempt *next, *prev; /* in kt_jobs.running, newest first */
};

/* Figures of a type that measures. */
typedef struct kt__measure {
    uint64_t succeeded, failed, timed_out, cancelled;
    kt_time total, longest, shortest;
} kt__measure;

struct kt_jobs {
    kt_jobs_options options;
    kt__store *store;
    kt__reaper *reaper;
    kt__keeper keeper;
    kt__measure *measures; /* by type, in the order of options.types */
    size_t types_count;

    bool at_work;           /* kt_jobs_run is on */
    bool stopping;          /* claims nothing new */
    kt_semaphore hints;     /* a permit: a ready job may be there for an idle worker */
    kt_event timetable;     /* the next run_at may have changed */
    kt_jobs_attempt *running;
    size_t running_count;
    kt_event idle;          /* set while running_count is 0 */

    uint64_t version;       /* grows with every change that the page shows */
    kt_event changed;       /* pulsed then */

    struct kt__snapshot *snapshot; /* what the page's events say; api_events.c */
    kt_lock snapshot_lock;         /* held while it is made */
};

const kt_jobs_type *kt__jobs_type_find(const kt_jobs *j, kt_slice name);

/* The wall clock in nanoseconds since 1970. */
kt_time kt__wall_clock(void);

/* Something that the page shows has changed. */
void kt__jobs_touch(kt_jobs *j);

/* `count` jobs have become ready. */
void kt__jobs_hint(kt_jobs *j, size_t count);

void kt__jobs_log(kt_jobs *j, const char *format, ...) KT_PRINTF(2, 3);

/* Deletes jobs that ended longer ago than options.keep; ends when it is cancelled. */
int kt__retention_run(void *jobs);

/* One of `concurrency` workers; ends when the system stops. */
int kt__worker_run(void *jobs);

/* Parses JSON from a stranger: an object or array, at most 64 levels deep, no duplicate keys. 0 and
 * *ret_json, to be json_decref'ed; KT_EVALIDATION with the position in kt_error_detail; -ENOMEM. */
int kt__json_parse(kt_slice text, json_t **ret_json) KT_CHECKED;

/* json_loadb with these flags, for JSON of any depth that is not a stranger's. 0, KT_EVALIDATION, -ENOMEM. */
int kt__json_load(kt_slice text, size_t flags, json_t **ret_json, json_error_t *ret_error) KT_CHECKED;

/* Appends JSON as text. -ENOMEM, also for NULL, which is what jansson's makers return then; the text may have
 * grown by a part. */
int kt__json_dump(const json_t *json, kt_buffer *text) KT_CHECKED;

/* A string of what a program wrote: bytes that are no UTF-8, and NUL, become U+FFFD. NULL: no memory. */
json_t *kt__json_text(kt_slice bytes);

/* ---- For the API ----------------------------------------------------------------------------- */

int kt__engine_get(kt_jobs *j, int64_t id, kt__store_job *ret_job, kt__store_attempts *ret_attempts) KT_CHECKED;
int kt__engine_list(kt_jobs *j, const kt__store_filter *filter, kt__store_list *ret_list) KT_CHECKED;

/* What the page shows of the store; released with the two functions of store.h. */
typedef struct kt__overview {
    int64_t counts[KT__JOB_STATES];
    kt__store_failures failures;
    kt__store_list recent;
} kt__overview;

int kt__engine_overview(kt_jobs *j, size_t failures_max, size_t recent_max, kt__overview *ret_overview) KT_CHECKED;

/* Suspends until `version` is past `seen`. 0 or the cancellation's code. */
int kt__engine_wait_change(kt_jobs *j, uint64_t seen) KT_CHECKED;

/* The label of a job that does not run, from its type and stored arguments; at most 300 bytes. */
int kt__engine_label(kt_jobs *j, const kt__store_job *job, kt_buffer *label) KT_CHECKED;

#endif
