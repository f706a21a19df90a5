/* SPDX-License-Identifier: MIT */

/* Many whole files. A few workers, the calling task and helpers, each make trips to the pool; on a trip a
 * worker takes the next file of the list when it has done with one, until its budget is used up. So a small file
 * costs its system calls and a part of a trip, and who is slow keeps nobody. */
#include <errno.h>
#include <kettle/group.h>
#include <kettle/thread.h>

#include "core/core.h"
#include "io/whole.h"

#define ENDED_MAX (KT__TRIP_BYTES / KT__TRIP_FILE) /* of a trip */
#define SHARE_MIN 8 /* files for which another worker is worth its while */
#define NOT_DONE 1

typedef struct batch {
    const kt_file_batch_options *options;
    kt_file_read_item *reads; /* or: */
    kt_file_write_item *writes;
    size_t count;
    kt__disk *disk;
    uint64_t nonce;
    _Atomic size_t next;
    int stopped; /* why a helper stopped before the list's end, cancellations aside */
    size_t failed_index; /* of the first in the list that failed */
    kt__whole failed;
} batch;

typedef struct worker {
    batch *batch;
    kt__whole whole;
    size_t index;
    bool busy; /* with the file at the index */
    bool idle; /* there are no more */
    size_t ended[ENDED_MAX], ended_count; /* on the last trip */
    size_t failed_index; /* the first that failed on it; SIZE_MAX = none */
    kt__whole failed;
} worker;

/* ---- Items ----------------------------------------------------------------------------------- */

static void load(const batch *b, size_t i, kt__whole *w)
{
    *w = (kt__whole){.kind = KT__WHOLE_READ, .text = b->options->text, .write = b->options->write};
    if (b->reads) {
        w->path = b->reads[i].path;
        w->buffer = &b->reads[i].content;
        w->size_max = b->reads[i].size_max;
    } else {
        w->kind = b->options->replace ? KT__WHOLE_REPLACE : KT__WHOLE_WRITE;
        w->path = b->writes[i].path;
        w->bytes = b->writes[i].content.data;
        w->size = b->writes[i].content.size;
        if (b->writes[i].changed)
            w->write.changed = b->writes[i].changed;
    }
    kt__whole_start(w, b->disk, b->nonce + i);
}

static int *rc_of(const batch *b, size_t i)
{
    return b->reads ? &b->reads[i].rc : &b->writes[i].rc;
}

static const char **failed_at_of(const batch *b, size_t i)
{
    return b->reads ? &b->reads[i].failed_at : &b->writes[i].failed_at;
}

/* ---- Workers --------------------------------------------------------------------------------- */

static bool take_next(worker *k)
{
    size_t i = atomic_fetch_add_explicit(&k->batch->next, 1, memory_order_relaxed);
    if (i >= k->batch->count)
        return false;
    k->index = i;
    k->busy = true;
    load(k->batch, i, &k->whole);
    return true;
}

static void item_ended(worker *k, int rc)
{
    *rc_of(k->batch, k->index) = rc;
    if (k->batch->reads)
        k->batch->reads[k->index].changed = k->whole.changed;
    *failed_at_of(k->batch, k->index) = rc < 0 ? k->whole.what : NULL;
    k->ended[k->ended_count++] = k->index;
    k->busy = false;
    if (rc < 0 && k->index < k->failed_index) {
        k->failed_index = k->index;
        k->failed = k->whole;
    }
}

/* On a pool thread. */
static int run_trip(void *arg)
{
    worker *k = arg;
    size_t budget = KT__TRIP_BYTES;
    k->ended_count = 0;
    k->failed_index = SIZE_MAX;
    while (budget > 0 && k->ended_count < ENDED_MAX && !k->idle) {
        if (!k->busy && !take_next(k)) {
            k->idle = true;
            break;
        }
        int rc = kt__whole_step(&k->whole, &budget);
        if (k->whole.over) {
            item_ended(k, rc);
            budget -= budget < KT__TRIP_FILE ? budget : KT__TRIP_FILE;
        }
    }
    return 0;
}

static void account(const worker *k)
{
    const kt_file_batch_options *o = k->batch->options;
    if (k->failed_index < k->batch->failed_index) {
        k->batch->failed_index = k->failed_index;
        k->batch->failed = k->failed;
    }
    for (size_t i = 0; i < k->ended_count && o->on_item; i++)
        o->on_item(k->ended[i], o->arg);
}

/* A file that it leaves in the middle is not done. */
static int work(batch *b)
{
    worker k = {.batch = b};
    int rc = 0;
    while (rc == 0 && !k.idle) {
        rc = kt_thread_run(run_trip, &k, 0);
        if (rc == 0)
            account(&k);
    }
    if (k.busy && !k.whole.over)
        (void)kt__disk_release(kt__whole_abort, &k.whole);
    return rc;
}

/* What stops a helper alone does not stop the others. */
static int help(void *arg)
{
    batch *b = arg;
    int rc = work(b);
    if (rc < 0 && !kt_is_cancel(rc))
        b->stopped = rc;
    return kt_is_cancel(rc) ? rc : 0;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static size_t helpers_for(const batch *b)
{
    bool slow = b->writes && b->options->replace && !b->options->write.no_sync;
    size_t workers = b->options->workers, least = slow ? 4 : 2; /* who waits for the disk shares its commits */
    if (workers == 0)
        workers = kt__cpus() < least ? least : kt__cpus();
    size_t useful = slow ? b->count : (b->count + SHARE_MIN - 1) / SHARE_MIN;
    size_t n = workers < useful ? workers : useful;
    return n > 0 ? n - 1 : 0;
}

/* Helpers that cannot be made are done without. */
static int run(batch *b)
{
    kt_auto(kt_group) helpers = KT_GROUP_INIT;
    for (size_t left = helpers_for(b); left > 0; left--)
        if (kt_group_spawn(&helpers, help, b, 0) < 0)
            break;
    return kt_group_join(&helpers, work(b));
}

/* The result of the first in the list that failed. */
static int judge(const batch *b, int rc)
{
    int first = 0;
    for (size_t i = b->count; i-- > 0;) {
        int *item = rc_of(b, i);
        if (*item == NOT_DONE)
            *item = rc < 0 ? rc : b->stopped;
        first = *item < 0 ? *item : first;
    }
    if (rc < 0)
        return rc;
    return b->failed_index < b->count ? kt__whole_failed(&b->failed, first) : first;
}

static int run_all(batch *b)
{
    const kt_file_batch_options defaults = {0};
    if (!b->options)
        b->options = &defaults;
    for (size_t i = 0; i < b->count; i++) {
        *rc_of(b, i) = NOT_DONE;
        *failed_at_of(b, i) = NULL;
    }
    b->disk = kt__disk_here();
    b->nonce = kt__whole_nonce();
    b->failed_index = SIZE_MAX;
    int rc = run(b);
    return judge(b, rc);
}

int kt_file_read_batch(kt_file_read_item *items, size_t count, const kt_file_batch_options *options)
{
    batch b = {.reads = items, .count = count, .options = options};
    (void)kt__self("kt_file_read_batch");
    return run_all(&b);
}

int kt_file_write_batch(kt_file_write_item *items, size_t count, const kt_file_batch_options *options)
{
    batch b = {.writes = items, .count = count, .options = options};
    (void)kt__self("kt_file_write_batch");
    return run_all(&b);
}
