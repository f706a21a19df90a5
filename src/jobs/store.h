/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_JOBS_STORE_H
#define KETTLE_JOBS_STORE_H

/* The job store: what the job engine knows, in one SQLite file.
 *
 *     kt__store *store;
 *     int rc = kt__store_open(&(kt__store_options){.path = "jobs.db"}, &store);
 *     ...
 *     rc = kt__store_begin(store);
 *     if (rc == 0)
 *         rc = kt__store_submit(store, &job, now, &id);
 *     if (rc == 0)
 *         rc = kt__store_commit(store);    // durable when this returns 0, not before
 *     else
 *         kt__store_rollback(store);
 *
 * Everything here blocks and belongs to one thread at a time: the store's own. Nothing suspends.
 *
 * Transactions. Every operation runs between begin and commit; outside it returns
 * KT_EINVALIDSTATE. A refusal (KT_ENOTFOUND, KT_ECONFLICT, KT_EVALIDATION, KT_ELIMIT, -ENOMEM)
 * changes nothing and the transaction goes on. KT_ESTORE means that SQLite failed: the
 * transaction is lost, everything but kt__store_rollback() returns KT_ESTORE from then on, and
 * kt__store_commit() rolls back. kt_error_detail() names the file, SQLite's message and a remedy.
 *
 * States. submit -> scheduled | ready; scheduled -> ready (promote); ready -> running (claim);
 * running -> succeeded | scheduled | ready | dead | cancelled (complete, release, recover);
 * scheduled, ready -> cancelled (cancel). succeeded, dead and cancelled are terminal: nothing
 * leaves them but the purge. A job is running exactly while its row holds a claim token.
 *
 * Order. The ready job with the smallest due key runs first, equals in order of their ids. The
 * key is fixed when the job is queued: arrival + priority * ageing_step, arrival being the later
 * of the submit and run_at. So a job of priority 5 is overtaken by jobs of priority 1 for four
 * ageing steps and no longer, and the order is one walk along one index, whatever the time. The
 * arrival clock never steps back while the store is open, so that a corrected system clock does
 * not let later jobs overtake.
 *
 * Times are nanoseconds since the Unix epoch, spans are nanoseconds. 0 as a point in time means
 * "has not happened". */

#include <kettle/base.h>

typedef struct kt__store kt__store;

/* The numbers are stored; they never change. */
typedef enum kt__job_state {
    KT__JOB_SCHEDULED = 0,
    KT__JOB_READY = 1,
    KT__JOB_RUNNING = 2,
    KT__JOB_SUCCEEDED = 3,
    KT__JOB_DEAD = 4,
    KT__JOB_CANCELLED = 5,
} kt__job_state;

#define KT__JOB_STATES 6

/* The numbers are stored; they never change. FAILED and above are what an operator calls a
 * failure. */
typedef enum kt__attempt_outcome {
    KT__ATTEMPT_SUCCEEDED = 0,
    KT__ATTEMPT_CANCELLED = 1,
    KT__ATTEMPT_FAILED = 2,
    KT__ATTEMPT_TIMED_OUT = 3,
    KT__ATTEMPT_CRASHED = 4, /* the server ended while it ran; only recover writes it */
} kt__attempt_outcome;

#define KT__STORE_TOKEN_SIZE 16
#define KT__STORE_NAME_MAX 128          /* bytes of a type or a queue */
#define KT__STORE_ARGS_MAX (1 << 20)    /* bytes of a job's arguments */
#define KT__STORE_TEXT_MAX (16 << 20)   /* bytes of an error or a result */
#define KT__STORE_ATTEMPTS_MAX 1000     /* the most attempts a job may ask for */
#define KT__STORE_PRIORITY_MAX 1000     /* priorities run from minus this to this */
#define KT__STORE_CRASHES_DEFAULT 5     /* what to pass to recover unless told otherwise */
#define KT__STORE_SCAN_MAX 20000        /* rows that one list or purge looks at */

typedef struct kt__store_options {
    const char *path;    /* made with mode 0600 if it is not there; its folder must exist */
    kt_time ageing_step; /* how much waiting makes up for one level of priority; 0 = 60 s */
    kt_time lock_wait;   /* how long to wait for the lock's present holder to leave; 0 = not */
} kt__store_options;

/* Opens or makes the store at options->path and migrates it to the newest schema.
 *
 * Holds an exclusive flock(2) on "<path>.lock" until close. The lock file stays behind: removing it
 * would let two openers hold locks on two different files of that name.
 * Running jobs of the last server stay running: call kt__store_recover() before the first claim.
 *
 * 0 and a store to be given to kt__store_close(); -ENOMEM; KT_EVALIDATION for an empty path;
 * KT_ECONFLICT when another process holds the lock; KT_ESTORE when the file is not a store of
 * ours, has a newer schema than this build knows, or cannot be opened. A refused file is left as
 * it was. */
int kt__store_open(const kt__store_options *options, kt__store **ret_store) KT_CHECKED;

/* Rolls back an open transaction, checkpoints and closes. NULL is allowed. */
void kt__store_close(kt__store *store);

/* The descriptor of the lock file, close-on-exec, the store's own. A process that inherits a
 * duplicate holds the lock on after this one has died, which is how a reaper keeps the next server
 * away until it has ended the last one's programs. */
int kt__store_lock_fd(const kt__store *store);

/* Starts a write transaction. 0; KT_EINVALIDSTATE inside one; KT_ESTORE (another program may hold
 * SQLite's lock; it is waited for, 5 s). */
int kt__store_begin(kt__store *store) KT_CHECKED;

/* Makes the transaction durable: synced to the disk when it returns 0. KT_ESTORE: nothing of it
 * happened. KT_EINVALIDSTATE outside a transaction. It has ended in every case. */
int kt__store_commit(kt__store *store) KT_CHECKED;

/* Undoes the transaction; nothing to do outside one. */
void kt__store_rollback(kt__store *store);

typedef struct kt__store_new_job {
    kt_slice type;         /* not empty */
    kt_slice queue;        /* not empty */
    kt_slice args;         /* JSON text, not empty; the store does not look inside */
    int priority;          /* the smallest goes first */
    kt_time run_at;        /* not before this; 0 = now */
    kt_time timeout;       /* of each attempt; 0 = none. Kept for the worker, not acted upon */
    int attempts_max;      /* 1 .. KT__STORE_ATTEMPTS_MAX */
    double backoff_factor; /* waits of 1, f, f^2 ... s; 0 = retry at once; at most 1000 */
    kt_time backoff_max;   /* no wait is longer; 0 = retry at once */
    bool jitter;           /* each wait is drawn from its upper half */
} kt__store_new_job;

#define KT__STORE_NEW_JOB_INIT \
    {.queue = {"default", 7}, .args = {"{}", 2}, .priority = 5, .attempts_max = 3, \
     .backoff_factor = 2, .backoff_max = KT_S(3600)}

/* A job as read. The slices point into `storage`, each with a terminator behind it that is not
 * counted; an absent error or result has data NULL. Release with kt__store_job_release(). */
typedef struct kt__store_job {
    int64_t id;
    kt__job_state state;
    kt_slice type;
    kt_slice queue;
    kt_slice args;
    kt_slice error;  /* of the last attempt that failed, or why the job is dead */
    kt_slice result; /* of the last attempt that left one; lists do not carry it */
    int priority;
    int attempts; /* used up so far: ended ones, but neither crashed nor released */
    int attempts_max;
    int crashes;
    bool cancel_requested;
    bool jitter;
    kt_time run_at;
    kt_time created_at;
    kt_time started_at;  /* of the last attempt */
    kt_time finished_at; /* set in terminal states only */
    kt_time timeout;
    double backoff_factor;
    kt_time backoff_max;
    void *storage;
} kt__store_job;

/* Frees what the job holds; a released or zeroed job is allowed. */
void kt__store_job_release(kt__store_job *job);

/* Adds a job: ready, or scheduled when run_at lies after now. 0 and its id (ids only grow);
 * KT_EVALIDATION naming the field; KT_ELIMIT for a text that is too long; KT_ESTORE. */
int kt__store_submit(kt__store *store, const kt__store_new_job *job, kt_time now,
                     int64_t *ret_id) KT_CHECKED;

/* Makes scheduled jobs whose run_at has come ready, at most `limit` of them. Returns how many;
 * ret_next is the next run_at still waiting (<= now when the limit stopped it), KT_FOREVER if
 * none waits. KT_ESTORE. */
int kt__store_promote(kt__store *store, kt_time now, int limit, kt_time *ret_next) KT_CHECKED;

/* Makes the next ready job running, under the caller's token (random; the right to end it).
 * With n_queues > 0 only jobs of these queues. 1 and the job, to be released; 0 when none is
 * ready; -ENOMEM, KT_ESTORE. */
int kt__store_claim(kt__store *store, const kt_slice *queues, size_t n_queues,
                    const uint8_t token[KT__STORE_TOKEN_SIZE], kt_time now,
                    kt__store_job *ret_job) KT_CHECKED;

typedef struct kt__store_completion {
    int64_t id;
    uint8_t token[KT__STORE_TOKEN_SIZE];
    kt__attempt_outcome outcome; /* not KT__ATTEMPT_CRASHED */
    kt_slice error;              /* kept with the attempt and the job; empty = none */
    kt_slice result;             /* replaces the job's; data NULL = leave it */
    uint64_t random;             /* spreads a backoff with jitter */
} kt__store_completion;

/* Ends an attempt of a running job and writes it to the job's history.
 * succeeded -> the job succeeded, even if its cancellation was asked for meanwhile.
 * cancelled -> cancelled. failed, timed out -> cancelled if that was asked for, else scheduled
 * again after its backoff (ready if that is nothing), else, attempts used up, dead.
 * 0 and the new state; KT_ENOTFOUND; KT_ECONFLICT when the token is not the one of the present
 * claim (a stale worker: nothing changes); KT_EVALIDATION for an outcome of crashed; KT_ELIMIT;
 * KT_ESTORE. */
int kt__store_complete(kt__store *store, const kt__store_completion *done, kt_time now,
                       kt__job_state *ret_state) KT_CHECKED;

/* Gives a claimed job back, its place in the queue and its attempts untouched: ready again, or
 * cancelled if that was asked for. For a server that stops. Errors as kt__store_complete(). */
int kt__store_release(kt__store *store, int64_t id, const uint8_t token[KT__STORE_TOKEN_SIZE],
                      kt_time now, kt__job_state *ret_state) KT_CHECKED;

/* Cancels a job. Scheduled and ready ones are cancelled at once. A running one stays running with
 * cancel_requested set, until its worker, which the caller must stop, completes or releases it;
 * asking twice changes nothing more. 0 and the state; KT_ENOTFOUND; KT_ECONFLICT for a terminal
 * job; KT_ESTORE. */
int kt__store_cancel(kt__store *store, int64_t id, kt_time now,
                     kt__job_state *ret_state) KT_CHECKED;

typedef struct kt__store_recovery {
    int64_t requeued;
    int64_t dead;
    int64_t cancelled;
} kt__store_recovery;

/* What a new server does first: jobs left running by one that died go back to ready, at their
 * old place, with one crash more and no attempt less; to dead at more than crashes_max crashes;
 * to cancelled where that was asked for. 0, KT_ESTORE. */
int kt__store_recover(kt__store *store, kt_time now, int crashes_max,
                      kt__store_recovery *ret_recovery) KT_CHECKED;

/* Reads one job, to be released. 0, KT_ENOTFOUND, -ENOMEM, KT_ESTORE. */
int kt__store_get(kt__store *store, int64_t id, kt__store_job *ret_job) KT_CHECKED;

/* One ended attempt. `number` counts every start from 1, the crashed ones too. */
typedef struct kt__store_attempt {
    int number;
    kt__attempt_outcome outcome;
    kt_time started_at;
    kt_time finished_at;
    kt_slice error; /* data NULL if there was none */
    void *storage;
} kt__store_attempt;

typedef struct kt__store_attempts {
    kt__store_attempt *items;
    size_t count;
} kt__store_attempts;

/* The ended attempts of a job, oldest first; none for an unknown job. To be released. 0, -ENOMEM,
 * KT_ESTORE. */
int kt__store_attempts_read(kt__store *store, int64_t id,
                            kt__store_attempts *ret_attempts) KT_CHECKED;
void kt__store_attempts_release(kt__store_attempts *attempts);

typedef struct kt__store_filter {
    int state;      /* a kt__job_state, or -1 for any */
    kt_slice type;  /* empty = any */
    kt_slice queue; /* empty = any */
    int64_t after;  /* go on behind this id (the `next` of the page before); 0 = from the newest */
    size_t limit;   /* at least 1 */
} kt__store_filter;

typedef struct kt__store_list {
    kt__store_job *items;
    size_t count;
    int64_t next; /* where the next page goes on; 0 at the end */
} kt__store_list;

/* Jobs that match, newest (largest id) first, to be released; their args are cut behind 16,385
 * characters. Looks at KT__STORE_SCAN_MAX rows at
 * most, so that a filter that matches little cannot hold up the store: a page may be short, even
 * empty, and still have a `next`. 0, -ENOMEM, KT_EVALIDATION, KT_ESTORE. */
int kt__store_list_read(kt__store *store, const kt__store_filter *filter,
                        kt__store_list *ret_list) KT_CHECKED;
void kt__store_list_release(kt__store_list *list);

typedef struct kt__store_failure {
    kt__store_job job; /* as it is now, without its result */
    kt__store_attempt attempt;
} kt__store_failure;

typedef struct kt__store_failures {
    kt__store_failure *items;
    size_t count;
} kt__store_failures;

/* The attempts that failed, timed out or crashed last, newest first, to be released. 0, -ENOMEM,
 * KT_ESTORE. */
int kt__store_failures_read(kt__store *store, size_t limit,
                            kt__store_failures *ret_failures) KT_CHECKED;
void kt__store_failures_release(kt__store_failures *failures);

/* Jobs by state, this transaction's changes included. Kept in memory: no query, O(1). */
void kt__store_counts(const kt__store *store, int64_t ret_counts[KT__JOB_STATES]);

/* Deletes terminal jobs that finished before `before`, with their attempts, at most `limit`. Goes
 * on where the last call stopped and looks at a bounded number of rows. Returns how many; ret_more
 * is true while the walk has not come to the end, so that a caller repeats, a transaction each,
 * until it is false. KT_ESTORE. */
int kt__store_purge(kt__store *store, kt_time before, int limit, bool *ret_more) KT_CHECKED;

/* "scheduled", "ready" ...; static. */
const char *kt__job_state_name(kt__job_state state);

/* The state of that name. 0 or KT_ENOTFOUND. */
int kt__job_state_parse(kt_slice name, kt__job_state *ret_state) KT_CHECKED;

/* True for succeeded, dead and cancelled. */
static inline bool kt__job_state_is_terminal(kt__job_state state)
{
    return state >= KT__JOB_SUCCEEDED;
}

/* "succeeded", "timed_out" ...; static. */
const char *kt__attempt_outcome_name(kt__attempt_outcome outcome);

#endif
