/* SPDX-License-Identifier: MIT */

/* Reading the store: jobs, their attempts, lists, failures; and the purge of what is long over. */

#include "jobs/store_private.h"

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>

static const char *const state_names[KT__JOB_STATES] = {"scheduled", "ready", "running",
                                                        "succeeded", "dead",  "cancelled"};
static const char *const outcome_names[] = {"succeeded", "cancelled", "failed", "timed_out",
                                            "crashed"};

const char *kt__job_state_name(kt__job_state state)
{
    return (unsigned)state < KT__JOB_STATES ? state_names[state] : "?";
}

int kt__job_state_parse(kt_slice name, kt__job_state *ret_state)
{
    for (int i = 0; i < KT__JOB_STATES; i++) {
        if (kt_slice_is(name, state_names[i])) {
            *ret_state = (kt__job_state)i;
            return 0;
        }
    }
    return KT_ENOTFOUND;
}

const char *kt__attempt_outcome_name(kt__attempt_outcome outcome)
{
    return (unsigned)outcome <= KT__ATTEMPT_CRASHED ? outcome_names[outcome] : "?";
}

/* Copies a text to *at, with a terminator, and moves *at behind it. Absent texts stay absent. */
static kt_slice copy_text(kt_slice text, char **at)
{
    if (text.data == NULL)
        return text;
    kt_slice copy = {*at, text.size};
    memcpy(*at, text.data, text.size);
    (*at)[text.size] = '\0';
    *at += text.size + 1;
    return copy;
}

/* Columns 2 to 6 of a job's row, in one block. */
static int read_texts(kt__store *s, kt__sql q, kt__store_job *job)
{
    kt_slice texts[5];
    size_t total = 0;
    for (int i = 0; i < 5; i++) {
        texts[i] = kt__store_column_text(s, q, 2 + i);
        total += texts[i].size + 1;
    }
    char *at = kt_alloc(total);
    if (at == NULL)
        return -ENOMEM;
    job->storage = at;
    job->type = copy_text(texts[0], &at);
    job->queue = copy_text(texts[1], &at);
    job->args = copy_text(texts[2], &at);
    job->error = copy_text(texts[3], &at);
    job->result = copy_text(texts[4], &at);
    return 0;
}

int kt__store_job_from_row(kt__store *s, kt__sql q, kt__store_job *ret_job)
{
    kt__store_job job = {
        .id = kt__store_column(s, q, 0),
        .state = (kt__job_state)kt__store_column(s, q, 1),
        .priority = (int)kt__store_column(s, q, 7),
        .attempts = (int)kt__store_column(s, q, 8),
        .attempts_max = (int)kt__store_column(s, q, 9),
        .crashes = (int)kt__store_column(s, q, 10),
        .cancel_requested = kt__store_column(s, q, 11) != 0,
        .jitter = kt__store_column(s, q, 12) != 0,
        .run_at = kt__store_column(s, q, 13),
        .created_at = kt__store_column(s, q, 14),
        .started_at = kt__store_column(s, q, 15),
        .finished_at = kt__store_column(s, q, 16),
        .timeout = kt__store_column(s, q, 17),
        .backoff_factor = sqlite3_column_double(s->statements[q], 18),
        .backoff_max = kt__store_column(s, q, 19),
    };
    int rc = read_texts(s, q, &job);
    if (rc < 0)
        return rc;
    *ret_job = job;
    return 0;
}

void kt__store_job_release(kt__store_job *job)
{
    kt_free(job->storage);
    *job = (kt__store_job){0};
}

int kt__store_get(kt__store *s, int64_t id, kt__store_job *ret_job)
{
    int rc = kt__store_check(s);
    if (rc < 0)
        return rc;
    kt__store_bind_int(s, KT__SQL_JOB, 1, id);
    rc = kt__store_step(s, KT__SQL_JOB);
    if (rc == 0)
        return kt_error_set(KT_ENOTFOUND, "no job has the id %lld", (long long)id);
    if (rc < 0)
        return rc;
    rc = kt__store_job_from_row(s, KT__SQL_JOB, ret_job);
    kt__store_reset(s, KT__SQL_JOB);
    return rc;
}

/* Room for one item more in an array that doubles; `count` items are in use. NULL without memory,
 * and the array is as it was. */
static void *grown(void *items, size_t count, size_t item_size)
{
    bool full = count == 0 || (count >= 8 && (count & (count - 1)) == 0);
    if (!full)
        return items;
    return kt_realloc(items, (count < 8 ? 8 : 2 * count) * item_size);
}

static int attempt_from_row(kt__store *s, kt__sql q, int first, kt__store_attempt *ret_attempt)
{
    kt_slice error = kt__store_column_text(s, q, first + 4);
    char *at = kt_alloc(error.size + 1);
    if (at == NULL)
        return -ENOMEM;
    *ret_attempt = (kt__store_attempt){
        .number = (int)kt__store_column(s, q, first),
        .outcome = (kt__attempt_outcome)kt__store_column(s, q, first + 1),
        .started_at = kt__store_column(s, q, first + 2),
        .finished_at = kt__store_column(s, q, first + 3),
        .storage = at,
    };
    ret_attempt->error = copy_text(error, &at);
    return 0;
}

static int append_attempt(kt__store *s, kt__store_attempts *list)
{
    void *items = grown(list->items, list->count, sizeof(*list->items));
    if (items == NULL)
        return -ENOMEM;
    list->items = items;
    int rc = attempt_from_row(s, KT__SQL_ATTEMPTS, 0, &list->items[list->count]);
    if (rc == 0)
        list->count++;
    return rc;
}

int kt__store_attempts_read(kt__store *s, int64_t id, kt__store_attempts *ret_attempts)
{
    kt__store_attempts list = {NULL, 0};
    int rc = kt__store_check(s);
    if (rc < 0)
        return rc;
    kt__store_bind_int(s, KT__SQL_ATTEMPTS, 1, id);
    while ((rc = kt__store_step(s, KT__SQL_ATTEMPTS)) == 1) {
        rc = append_attempt(s, &list);
        if (rc < 0) {
            kt__store_reset(s, KT__SQL_ATTEMPTS);
            break;
        }
    }
    if (rc < 0)
        kt__store_attempts_release(&list);
    else
        *ret_attempts = list;
    return rc;
}

void kt__store_attempts_release(kt__store_attempts *list)
{
    for (size_t i = 0; i < list->count; i++)
        kt_free(list->items[i].storage);
    kt_free(list->items);
    *list = (kt__store_attempts){NULL, 0};
}

/* The index to walk. By state if that leaves few rows, else by the narrower kind of name; what
 * the index does not settle is compared row by row. */
static kt__sql list_statement(const kt__store *s, const kt__store_filter *f)
{
    bool by_state = f->state >= 0;
    bool by_name = f->type.size > 0 || f->queue.size > 0;
    if (by_state && (!by_name || s->counts[f->state] <= KT__STORE_SCAN_MAX))
        return KT__SQL_LIST_STATE;
    if (!by_name)
        return KT__SQL_LIST;
    return f->type.size > 0 ? KT__SQL_LIST_TYPE : KT__SQL_LIST_QUEUE;
}

static bool row_matches(kt__store *s, kt__sql q, const kt__store_filter *f)
{
    if (f->state >= 0 && kt__store_column(s, q, 1) != f->state)
        return false;
    if (f->type.size > 0 && !kt_slice_equal(kt__store_column_text(s, q, 2), f->type))
        return false;
    return f->queue.size == 0 || kt_slice_equal(kt__store_column_text(s, q, 3), f->queue);
}

static int append_job(kt__store *s, kt__sql q, kt__store_list *list)
{
    void *items = grown(list->items, list->count, sizeof(*list->items));
    if (items == NULL)
        return -ENOMEM;
    list->items = items;
    int rc = kt__store_job_from_row(s, q, &list->items[list->count]);
    if (rc == 0)
        list->count++;
    return rc;
}

/* Walks a bound statement. 0 at the end of the index or with `next` set. */
static int walk(kt__store *s, kt__sql q, const kt__store_filter *f, kt__store_list *list)
{
    int64_t last = 0;
    for (int rows = 0;; rows++) {
        int rc = kt__store_step(s, q);
        if (rc <= 0)
            return rc;
        if (list->count == f->limit || rows == KT__STORE_SCAN_MAX) {
            list->next = last;
            return 0;
        }
        last = kt__store_column(s, q, 0);
        if (row_matches(s, q, f))
            rc = append_job(s, q, list);
        if (rc < 0)
            return rc;
    }
}

int kt__store_list_read(kt__store *s, const kt__store_filter *f, kt__store_list *ret_list)
{
    int rc = kt__store_check(s);
    if (rc < 0)
        return rc;
    if (f->limit < 1 || f->state >= KT__JOB_STATES || f->after < 0)
        return kt_error_set(KT_EVALIDATION, "list: limit, state or after is out of range");
    kt__store_list list = {NULL, 0, 0};
    kt__sql q = list_statement(s, f);
    kt__store_bind_int(s, q, 1, f->after > 0 ? f->after : INT64_MAX);
    if (q == KT__SQL_LIST_STATE)
        kt__store_bind_int(s, q, 2, f->state);
    else if (q != KT__SQL_LIST)
        kt__store_bind_text(s, q, 2, q == KT__SQL_LIST_TYPE ? f->type : f->queue);
    rc = walk(s, q, f, &list);
    kt__store_reset(s, q);
    if (rc < 0)
        kt__store_list_release(&list);
    else
        *ret_list = list;
    return rc;
}

void kt__store_list_release(kt__store_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        kt_free(list->items[i].storage);
    kt_free(list->items);
    *list = (kt__store_list){NULL, 0, 0};
}

static int append_failure(kt__store *s, kt__store_failures *list)
{
    void *items = grown(list->items, list->count, sizeof(*list->items));
    if (items == NULL)
        return -ENOMEM;
    list->items = items;
    kt__store_failure *failure = &list->items[list->count];
    int rc = kt__store_job_from_row(s, KT__SQL_FAILURES, &failure->job);
    if (rc < 0)
        return rc;
    rc = attempt_from_row(s, KT__SQL_FAILURES, 20, &failure->attempt);
    if (rc < 0)
        kt__store_job_release(&failure->job);
    else
        list->count++;
    return rc;
}

int kt__store_failures_read(kt__store *s, size_t limit, kt__store_failures *ret_failures)
{
    kt__store_failures list = {NULL, 0};
    int rc = kt__store_check(s);
    if (rc < 0)
        return rc;
    kt__store_bind_int(s, KT__SQL_FAILURES, 1, (int64_t)limit);
    while ((rc = kt__store_step(s, KT__SQL_FAILURES)) == 1) {
        rc = append_failure(s, &list);
        if (rc < 0) {
            kt__store_reset(s, KT__SQL_FAILURES);
            break;
        }
    }
    if (rc < 0)
        kt__store_failures_release(&list);
    else
        *ret_failures = list;
    return rc;
}

void kt__store_failures_release(kt__store_failures *list)
{
    for (size_t i = 0; i < list->count; i++) {
        kt_free(list->items[i].attempt.storage);
        kt_free(list->items[i].job.storage);
    }
    kt_free(list->items);
    *list = (kt__store_failures){NULL, 0};
}

/* What the walk of the purge looks at. */
typedef struct purge_row {
    int64_t id;
    kt__job_state state;
    kt_time created_at;
    kt_time finished_at;
} purge_row;

/* 1: the next job of the walk; 0: none is left. No statement stays open, since jobs are deleted
 * between. */
static int purge_next(kt__store *s, purge_row *ret)
{
    const kt__sql q = KT__SQL_PURGE_NEXT;
    kt__store_bind_int(s, q, 1, s->purge_after);
    int rc = kt__store_step(s, q);
    if (rc == 1) {
        *ret = (purge_row){kt__store_column(s, q, 0), (kt__job_state)kt__store_column(s, q, 1),
                           kt__store_column(s, q, 2), kt__store_column(s, q, 3)};
        kt__store_reset(s, q);
    }
    return rc;
}

int kt__store_purge(kt__store *s, kt_time before, int limit, bool *ret_more)
{
    int deleted = 0;
    int rc = kt__store_check(s);
    for (int rows = 0; rc == 0 && deleted < limit && rows < KT__STORE_SCAN_MAX; rows++) {
        purge_row row = {0};
        rc = purge_next(s, &row);
        if (rc < 0)
            return rc;
        /* Ids grow with time: behind a job made after `before` none can have finished before it. */
        if (rc == 0 || row.created_at >= before) {
            s->purge_after = 0;
            *ret_more = false;
            return deleted;
        }
        s->purge_after = row.id;
        rc = 0;
        if (!kt__job_state_is_terminal(row.state) || row.finished_at >= before)
            continue;
        kt__store_bind_int(s, KT__SQL_PURGE, 1, row.id);
        rc = kt__store_change_one(s, KT__SQL_PURGE);
        if (rc == 0) {
            s->counts[row.state]--;
            deleted++;
        }
    }
    if (rc < 0)
        return rc;
    *ret_more = true;
    return deleted;
}
