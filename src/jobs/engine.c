/* SPDX-License-Identifier: MIT */

/* The job system: its life, and what the API asks of it. */

#include "jobs/api.h"

#include <errno.h>
#include <kettle/group.h>
#include <kettle/loop.h>
#include <kettle/memory.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PATH_DEFAULT "kettle-jobs.db"
#define CONCURRENCY_DEFAULT 10
#define CONCURRENCY_MAX 10000
#define GRACE_DEFAULT KT_S(10)
#define LOCK_WAIT_DEFAULT KT_S(10)
#define KEEP_DEFAULT KT_S(30 * 86400)
#define LABEL_BYTES_MAX 300
/* Labels are made for each list; larger arguments are not parsed for that. */
#define LABEL_ARGS_MAX (16 << 10)
/* Scheduled jobs that one transaction makes ready. */
#define PROMOTE_MAX 1000
/* A wall clock may be set; so the timetable is looked at now and then. */
#define TIMETABLE_LOOK KT_S(30)

kt_time kt__wall_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail: the clock exists */
    return KT_S(ts.tv_sec) + ts.tv_nsec;
}

void kt__jobs_log(kt_jobs *j, const char *format, ...)
{
    char line[512];
    va_list args;
    if (!j->options.log)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    j->options.log(line, j->options.log_arg);
}

const kt_jobs_type *kt__jobs_type_find(const kt_jobs *j, kt_slice name)
{
    for (size_t i = 0; i < j->types_count; i++)
        if (kt_slice_is(name, j->options.types[i]->name))
            return j->options.types[i];
    return NULL;
}

void kt__jobs_touch(kt_jobs *j)
{
    j->version++;
    kt_event_set(&j->changed);
    kt_event_clear(&j->changed);
}

/* Permits are saved up to one a worker: more would only make them look in vain. */
void kt__jobs_hint(kt_jobs *j, size_t count)
{
    for (; count > 0 && j->hints.value < j->options.concurrency; count--)
        kt_semaphore_release(&j->hints);
}

int kt__engine_wait_change(kt_jobs *j, uint64_t seen)
{
    int rc = 0;
    while (rc == 0 && j->version == seen)
        rc = kt_event_wait(&j->changed);
    return rc;
}

/* ---- Opening and closing ------------------------------------------------------------------- */

static int check_types(kt_jobs *j)
{
    const kt_jobs_type *const *types = j->options.types;
    while (types && types[j->types_count]) {
        const char *name = types[j->types_count]->name;
        if (kt__jobs_type_find(j, kt_slice_from(name)))
            return kt_error_set(KT_EVALIDATION, "two job types are named '%s'", name);
        j->types_count++;
    }
    return j->types_count > 0 ? 0 : kt_error_set(KT_EVALIDATION, "no job types were given");
}

static int set_options(kt_jobs *j, const kt_jobs_options *options)
{
    kt_jobs_options *o = &j->options;
    *o = *options;
    o->path = o->path ? o->path : PATH_DEFAULT;
    o->concurrency = o->concurrency ? o->concurrency : CONCURRENCY_DEFAULT;
    o->grace = o->grace ? o->grace : GRACE_DEFAULT;
    o->keep = o->keep ? o->keep : KEEP_DEFAULT;
    o->lock_wait = o->lock_wait ? o->lock_wait : LOCK_WAIT_DEFAULT;
    o->crashes_max = o->crashes_max ? o->crashes_max : KT__STORE_CRASHES_DEFAULT;
    if (o->concurrency > CONCURRENCY_MAX)
        return kt_error_set(KT_EVALIDATION, "concurrency is at most %d", CONCURRENCY_MAX);
    return check_types(j);
}

/* What the last server left behind. Nothing of it runs any more: we hold the lock. */
static int recover(kt_jobs *j)
{
    kt__store_recovery found;
    int rc = kt__store_begin(j->store);
    if (rc < 0)
        return rc;
    rc = kt__store_recover(j->store, kt__wall_clock(), j->options.crashes_max, &found);
    if (rc < 0) {
        kt__store_rollback(j->store);
        return rc;
    }
    rc = kt__store_commit(j->store);
    if (rc == 0 && found.requeued + found.dead + found.cancelled > 0)
        kt__jobs_log(j,
                     "recovered: %lld jobs were running when the last server ended: %lld ready again, "
                     "%lld dead, %lld cancelled",
                     (long long)(found.requeued + found.dead + found.cancelled),
                     (long long)found.requeued, (long long)found.dead, (long long)found.cancelled);
    return rc;
}

int kt_jobs_open(const kt_jobs_options *options, kt_jobs **ret_jobs)
{
    kt_jobs *j = kt_calloc(1, sizeof *j);
    if (!j)
        return -ENOMEM;
    int rc = set_options(j, options);
    if (rc == 0) {
        j->measures = kt_calloc(j->types_count, sizeof *j->measures);
        rc = j->measures ? 0 : -ENOMEM;
    }
    const kt__store_options store = {
        .path = j->options.path,
        .ageing_step = j->options.ageing_step,
        .lock_wait = j->options.lock_wait,
    };
    if (rc == 0)
        rc = kt__store_open(&store, &j->store);
    if (rc == 0)
        rc = recover(j);
    if (rc == 0)
        rc = kt__reaper_start(kt__store_lock_fd(j->store), &j->reaper);
    if (rc < 0) {
        kt_jobs_close(j);
        return rc;
    }
    j->keeper.store = j->store;
    *ret_jobs = j;
    return 0;
}

void kt_jobs_close(kt_jobs *j)
{
    if (!j)
        return;
    kt__reaper_stop(j->reaper);
    kt__store_close(j->store);
    kt__snapshot_release(j->snapshot);
    kt_free(j->measures);
    kt_free(j);
}

/* ---- At work ------------------------------------------------------------------------------- */

typedef struct promotion {
    int made_ready;
    kt_time next;
} promotion;

static int promote(kt__store *store, void *arg)
{
    promotion *p = arg;
    int n = kt__store_promote(store, kt__wall_clock(), PROMOTE_MAX, &p->next);
    p->made_ready = n > 0 ? n : 0;
    return n < 0 ? n : 0;
}

/* Makes scheduled jobs ready when their time has come. */
static int run_timetable(void *arg)
{
    kt_jobs *j = arg;
    for (;;) {
        promotion p = {.next = KT_FOREVER};
        kt_event_clear(&j->timetable);
        int rc = kt__keeper_do(&j->keeper, promote, &p);
        if (rc == KT_ESHUTDOWN || kt_is_cancel(rc))
            return rc;
        if (rc < 0) {
            kt__jobs_log(j, "store: %s", kt_error_detail());
            p.next = 0;
        }
        if (p.made_ready > 0) {
            kt__jobs_hint(j, (size_t)p.made_ready);
            kt__jobs_touch(j);
        }
        kt_time wait = p.next == KT_FOREVER ? TIMETABLE_LOOK : p.next - kt__wall_clock();
        if (rc < 0)
            wait = KT_S(1);
        wait = wait < TIMETABLE_LOOK ? wait : TIMETABLE_LOOK;
        kt_auto(kt_timeout) until = KT_TIMEOUT_INIT;
        kt_timeout_start(&until, wait);
        rc = kt_timeout_end(&until, kt_event_wait(&j->timetable));
        if (rc < 0 && !(rc == KT_ETIMEDOUT && kt_timeout_expired(&until)))
            return rc;
    }
}

/* Without its guardian a server must not start programs: after a kill -9 they would run on beside the next
 * one's. So it stops when somebody (the kernel without memory, say) has ended that process. */
static int watch_reaper(void *arg)
{
    kt_jobs *j = arg;
    pid_t pid = kt__reaper_pid(j->reaper);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ENOSYS ? 0 : kt_error_set(-errno, "pidfd_open(2) of the guardian process failed");
    int rc = kt_fd_wait(fd, KT_READABLE);
    close(fd);
    if (rc < 0)
        return rc;
    j->stopping = true; /* the jobs that are cancelled now go back to ready */
    return kt_error_set(KT_ECLOSED, "the guardian process %d was ended from outside; start the server again",
                        (int)pid);
}

static int spawn_workers(kt_jobs *j, kt_group *workers)
{
    int rc = kt_group_spawn_with(workers, &(kt_spawn_options){.name = "reaper-watch"}, watch_reaper, j, 0, NULL);
    if (rc == 0)
        rc = kt_group_spawn_with(workers, &(kt_spawn_options){.name = "timetable"}, run_timetable, j, 0, NULL);
    if (rc == 0 && j->options.keep > 0)
        rc = kt_group_spawn_with(workers, &(kt_spawn_options){.name = "retention"}, kt__retention_run, j, 0,
                                 NULL);
    for (unsigned i = 0; i < j->options.concurrency && rc == 0; i++) {
        char name[32];
        snprintf(name, sizeof name, "worker-%u", i + 1);
        rc = kt_group_spawn_with(workers, &(kt_spawn_options){.name = name}, kt__worker_run, j, 0, NULL);
    }
    return rc;
}

/* Lets the jobs at work end, for the grace period or until a second cancellation. */
static void give_grace(kt_jobs *j)
{
    if (j->running_count == 0 || j->options.grace < 0)
        return;
    kt__jobs_log(j, "stopping: %zu jobs run, given %lld s", j->running_count,
                 (long long)(j->options.grace / KT_S(1)));
    kt_auto(kt_timeout) grace = KT_TIMEOUT_INIT;
    kt_timeout_start(&grace, j->options.grace);
    int rc = kt_timeout_end(&grace, kt_event_wait(&j->idle));
    if (rc < 0)
        kt__jobs_log(j, "stopping: %zu jobs go back to ready", j->running_count);
}

int kt_jobs_run(kt_jobs *j)
{
    if (j->at_work)
        return kt_error_set(KT_EINVALIDSTATE, "kt_jobs_run is on already");
    kt_auto(kt_group) keeping = KT_GROUP_INIT;
    kt_auto(kt_group) working = KT_GROUP_INIT;
    j->at_work = j->keeper.open = true;
    j->stopping = false;
    j->hints = (kt_semaphore)KT_SEMAPHORE_INIT(0);
    kt_event_set(&j->idle);
    const kt_spawn_options keeper = {.name = "keeper", .stack_now = true}; /* all the others wait for it */
    int rc = kt_group_spawn_with(&keeping, &keeper, kt__keeper_run, &j->keeper, 0, NULL);
    if (rc == 0)
        rc = spawn_workers(j, &working);
    if (rc == 0) {
        kt_event never = KT_EVENT_INIT;
        rc = kt_event_wait(&never); /* until cancelled, or a worker fails */
    }
    int cause = kt_cancel_catch();
    j->stopping = true;
    give_grace(j);
    kt_cancel_catch();
    rc = kt_group_join(&working, rc); /* the workers give back what they hold */
    j->at_work = false;
    kt_group_cancel(&keeping);
    int kept = kt_group_join(&keeping, KT_ECANCELED);
    kt__keeper_close(&j->keeper);
    if (kept < 0 && !kt_is_cancel(kept))
        rc = kept;
    return rc == 0 || kt_is_cancel(rc) ? (cause ? cause : rc) : rc;
}

/* ---- What the API asks --------------------------------------------------------------------- */

typedef struct get_request {
    int64_t id;
    kt__store_job job;
    kt__store_attempts attempts;
} get_request;

static int get_work(kt__store *store, void *arg)
{
    get_request *g = arg;
    int rc = kt__store_get(store, g->id, &g->job);
    if (rc < 0)
        return rc;
    rc = kt__store_attempts_read(store, g->id, &g->attempts);
    if (rc < 0)
        kt__store_job_release(&g->job);
    return rc;
}

int kt__engine_get(kt_jobs *j, int64_t id, kt__store_job *ret_job, kt__store_attempts *ret_attempts)
{
    get_request g = {.id = id};
    int rc = kt__keeper_do(&j->keeper, get_work, &g);
    if (rc < 0) { /* the read may have succeeded, and the transaction that it shared failed */
        kt__store_job_release(&g.job);
        kt__store_attempts_release(&g.attempts);
        return rc;
    }
    *ret_job = g.job;
    *ret_attempts = g.attempts;
    return 0;
}

typedef struct list_request {
    const kt__store_filter *filter;
    kt__store_list *list;
} list_request;

static int list_work(kt__store *store, void *arg)
{
    list_request *l = arg;
    return kt__store_list_read(store, l->filter, l->list);
}

int kt__engine_list(kt_jobs *j, const kt__store_filter *filter, kt__store_list *ret_list)
{
    kt__store_list list = {NULL, 0, 0};
    list_request l = {filter, &list};
    int rc = kt__keeper_do(&j->keeper, list_work, &l);
    if (rc < 0)
        kt__store_list_release(&list);
    else
        *ret_list = list;
    return rc;
}

typedef struct overview_request {
    size_t failures_max, recent_max;
    kt__overview *overview;
} overview_request;

static int overview_work(kt__store *store, void *arg)
{
    overview_request *o = arg;
    const kt__store_filter newest = {.state = -1, .limit = o->recent_max};
    kt__store_counts(store, o->overview->counts);
    int rc = kt__store_failures_read(store, o->failures_max, &o->overview->failures);
    if (rc < 0)
        return rc;
    rc = kt__store_list_read(store, &newest, &o->overview->recent);
    if (rc < 0)
        kt__store_failures_release(&o->overview->failures);
    return rc;
}

int kt__engine_overview(kt_jobs *j, size_t failures_max, size_t recent_max, kt__overview *ret_overview)
{
    kt__overview overview = {.failures = {NULL, 0}};
    overview_request o = {failures_max, recent_max, &overview};
    int rc = kt__keeper_do(&j->keeper, overview_work, &o);
    if (rc < 0) {
        kt__store_failures_release(&overview.failures);
        kt__store_list_release(&overview.recent);
    } else {
        *ret_overview = overview;
    }
    return rc;
}

int kt__engine_label(kt_jobs *j, const kt__store_job *job, kt_buffer *label)
{
    const kt_jobs_type *type = kt__jobs_type_find(j, job->type);
    kt_jobs_args args = {NULL};
    bool made = type && type->label && job->args.size <= LABEL_ARGS_MAX;
    int rc = made ? kt__json_parse(job->args, &args.json) : KT_EVALIDATION;
    if (rc < 0)
        return rc == -ENOMEM ? rc : kt_buffer_append(label, job->type.data, job->type.size);
    kt_buffer text = KT_BUFFER_INIT_MAX(64 << 10);
    rc = type->label(&args, &text);
    json_decref(args.json);
    size_t size = text.size < LABEL_BYTES_MAX ? text.size : LABEL_BYTES_MAX;
    while (size < text.size && size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--; /* not in the middle of a character */
    if (rc >= 0)
        rc = kt_buffer_append(label, text.data, size);
    kt_buffer_release(&text);
    return rc;
}

/* ---- Cancelling ---------------------------------------------------------------------------- */

typedef struct cancel_request {
    int64_t id;
    kt__job_state state;
} cancel_request;

static int cancel_work(kt__store *store, void *arg)
{
    cancel_request *c = arg;
    return kt__store_cancel(store, c->id, kt__wall_clock(), &c->state);
}

int kt_jobs_cancel(kt_jobs *j, int64_t id)
{
    cancel_request c = {.id = id};
    int rc = kt__keeper_do(&j->keeper, cancel_work, &c);
    if (rc < 0)
        return rc;
    for (kt_jobs_attempt *a = j->running; a && c.state == KT__JOB_RUNNING; a = a->next) {
        if (a->job.id != id)
            continue;
        a->cancel_asked = true;
        if (a->task)
            kt_task_cancel(a->task);
    }
    kt__jobs_touch(j);
    return 0;
}
