/* SPDX-License-Identifier: MIT */

/* Pipelines: a queue before each stage, workers in one group. The end runs down the queues as their
 * shutdown: the last worker of a stage shuts the line of the next. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/pipeline.h>

#include "core/core.h"

#define WAITING_MAX 16

static unsigned workers_of(const kt_stage *s)
{
    return s->workers ? s->workers : 1;
}

/* ---- Handing on ---------------------------------------------------------------------------- */

static int put(kt_stage *s, const void *item)
{
    int rc = kt_queue_put(&s->line, item);
    if (rc == 0 && kt_queue_size(&s->line) > s->waiting_peak)
        s->waiting_peak = kt_queue_size(&s->line);
    return rc;
}

int kt_pipeline_put(kt_pipeline *p, const void *item)
{
    if (!p->stages)
        return KT_ESHUTDOWN;
    p->putting++;
    int rc = put(&p->stages[0], item);
    if (--p->putting == 0)
        kt_event_set(&p->put_over);
    return rc;
}

int kt_stage_emit(kt_stage *s, const void *item)
{
    const kt_pipeline *p = s->pipeline;
    if (!p || s == &p->stages[p->count - 1])
        kt__misuse("kt_stage_emit: there is no stage behind this one");
    kt_time start = kt_now();
    int rc = put(s + 1, item);
    s->busy -= kt_now() - start; /* of the time that run_item adds */
    s->emitted += rc == 0;
    return rc;
}

/* ---- Workers ------------------------------------------------------------------------------- */

/* < 0 if the worker is to end: cancelled, however the item's run has ended, or the failure is fatal. */
static int run_item(kt_stage *s, void *item)
{
    kt_task *self = kt__self("kt_pipeline_start");
    kt_time start = kt_now();
    s->taken++;
    int rc = s->run(s, item, s->arg);
    s->busy += kt_now() - start;
    if (rc >= 0 || (self->code && kt_is_cancel(rc)))
        return self->code;
    if (s->failed++ == 0)
        s->first_error = rc;
    return s->fatal ? rc : self->code;
}

static int run_items(kt_stage *s)
{
    void *item = kt_alloc(s->line.item_bytes);
    if (!item)
        return -ENOMEM;
    int rc = 0, end = 0;
    while (end == 0 && (rc = kt_queue_get(&s->line, item)) == 0)
        end = run_item(s, item);
    kt_free(item);
    return end < 0 ? end : rc == KT_ESHUTDOWN ? 0 : rc;
}

/* Without workers nothing would move any more: whoever puts is told. */
static void shut_all(kt_pipeline *p)
{
    for (size_t i = 0; i < p->count; i++)
        kt_queue_shutdown(&p->stages[i].line, false);
}

static int work(void *arg)
{
    kt_stage *s = arg;
    kt_pipeline *p = s->pipeline;
    int rc = run_items(s);
    if (rc < 0) {
        shut_all(p);
        if (p->rc == 0 && rc != KT_ECANCELED)
            p->rc = rc;
    }
    return rc;
}

/* Also of a worker that was cancelled before it began: nobody takes from its line, or puts into the next, any more. */
static void work_over(void *arg)
{
    kt_stage *s = arg;
    if (--s->running > 0)
        return;
    kt_queue_shutdown(&s->line, false);
    if (s != &s->pipeline->stages[s->pipeline->count - 1])
        kt_queue_shutdown(&s[1].line, false);
}

/* ---- Start and join ------------------------------------------------------------------------ */

static void prepare(kt_pipeline *p, kt_stage *s)
{
    if (!s->run || s->item_bytes == 0)
        kt__misuse("kt_pipeline_start: a stage needs a run function and items of at least 1 byte");
    size_t max = s->waiting_max ? s->waiting_max : WAITING_MAX;
    s->pipeline = p;
    s->line = (kt_queue)KT_QUEUE_INIT(char, max);
    s->line.item_bytes = s->item_bytes;
    s->taken = s->emitted = s->failed = 0;
    s->first_error = 0;
    s->busy = 0;
    s->waiting_peak = 0;
    s->running = workers_of(s);
}

static int spawn_workers(kt_pipeline *p, kt_stage *s)
{
    int rc = 0;
    kt_spawn_options options = {.name = s->name ? s->name : "stage", .drop = work_over};
    for (unsigned i = 0; rc == 0 && i < workers_of(s); i++)
        rc = kt_group_spawn_with(&p->workers, &options, work, s, 0, NULL);
    return rc;
}

int kt_pipeline_start(kt_pipeline *p, kt_stage *stages, size_t count)
{
    if (p->stages)
        kt__misuse("kt_pipeline_start: the pipeline is running");
    if (count == 0)
        kt__misuse("kt_pipeline_start: a pipeline has at least one stage");
    p->stages = stages;
    p->count = count;
    p->rc = 0;
    int rc = 0;
    for (size_t i = 0; i < count; i++)
        prepare(p, &stages[i]);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = spawn_workers(p, &stages[i]);
    return rc < 0 ? kt_pipeline_join(p, rc) : 0;
}

static void drop_line(kt_stage *s)
{
    char *item;
    while (kt_queue_size(&s->line) > 0) {
        item = s->line.items + s->line.head * s->line.item_bytes;
        if (s->drop)
            s->drop(item, s->arg);
        s->line.head = (s->line.head + 1) % s->line.capacity;
        s->line.count--;
    }
    kt_queue_release(&s->line);
    s->pipeline = NULL;
}

/* Other tasks may still be on their way out of kt_pipeline_put; the lines must outlast them. */
static void wait_for_putters(kt_pipeline *p)
{
    kt_cancel_hold();
    while (p->putting > 0) {
        kt_event_clear(&p->put_over);
        int rc = kt_event_wait(&p->put_over);
        (void)rc; /* held back */
    }
    kt_cancel_unhold();
}

/* The workers have ended. */
static void clear(kt_pipeline *p)
{
    shut_all(p);
    wait_for_putters(p);
    for (size_t i = 0; i < p->count; i++)
        drop_line(&p->stages[i]);
    p->stages = NULL;
    p->count = 0;
}

int kt_pipeline_join(kt_pipeline *p, int rc)
{
    if (!p->stages)
        return rc;
    kt_queue_shutdown(&p->stages[0].line, false);
    rc = kt_group_join(&p->workers, rc);
    if (rc == KT_ESHUTDOWN && p->rc < 0)
        rc = p->rc; /* the body was told of the end before the group was */
    clear(p);
    return rc;
}

/* Not by a join: what the scope is left by can still be caught, see kt_group_cleanup. */
void kt_pipeline_cleanup(kt_pipeline *p)
{
    if (!p->stages)
        return;
    kt_queue_shutdown(&p->stages[0].line, false);
    kt_group_cleanup(&p->workers);
    clear(p);
}
