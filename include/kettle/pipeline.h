/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_PIPELINE_H
#define KETTLE_PIPELINE_H

/* Stages that hand items on to each other, each with workers of its own.
 *
 *     kt_stage stages[] = {
 *         {.name = "fetch", .run = fetch, .item_bytes = sizeof(struct url), .workers = 4},
 *         {.name = "parse", .run = parse, .item_bytes = sizeof(struct page)},
 *     };
 *     kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
 *     int rc = kt_pipeline_start(&p, stages, 2);
 *     for (size_t i = 0; rc == 0 && i < n; i++)
 *         rc = kt_pipeline_put(&p, &urls[i]);         // waits while the first stage is behind
 *     return kt_pipeline_join(&p, rc);                // no more input; waits for the rest
 *
 *     static int fetch(kt_stage *s, void *item, void *arg)
 *     {
 *         ... make a page of the url ...
 *         return kt_stage_emit(s, &page);             // none, one, or many
 *     }
 *
 * Items are copied bytes. In front of each stage is a bounded line; whoever wants to put into a
 * full one waits, so a slow stage slows those before it, and memory stays bounded. With one
 * worker a stage keeps the order of the items, with more it does not.
 *
 * A stage that fails on an item has failed on that item only: it is counted, and the work goes
 * on. The end needs no sentinels: when the input has ended and a stage's last worker has run
 * out, the next stage's input ends. For the tasks of one loop. */

#include <kettle/group.h>
#include <kettle/queue.h>

KT_BEGIN

typedef struct kt_stage kt_stage;

/* Settings first; leave the rest zero. In the caller's storage until the join. */
struct kt_stage {
    const char *name;      /* for people; NULL = "stage" */

    /* Works on one item, which is its own to use up, and to free what it owns, whatever it
     * returns. < 0 is a failure. May suspend. */
    int (*run)(kt_stage *s, void *item, void *arg);

    /* Frees what an item owns that is given up unworked, when the pipeline is cancelled; NULL if
     * that is nothing. Must not suspend. */
    void (*drop)(void *item, void *arg);
    void *arg;             /* of both */
    size_t item_bytes;     /* of what it takes, at least 1 */
    unsigned workers;      /* 0 = 1 */
    unsigned waiting_max;  /* items in line before the stage; 0 = 16 */
    bool fatal;            /* a failure ends the whole pipeline */

    /* Statistics, good until the next start. */
    uint64_t taken;        /* items that its workers began */
    uint64_t emitted;      /* items that it handed on */
    uint64_t failed;
    int first_error;
    kt_time busy;          /* of all workers, without waiting for the next stage */
    size_t waiting_peak;   /* longest line before it */

    /* State. */
    struct kt_pipeline *pipeline;
    kt_queue line;
    unsigned running;      /* workers that have not ended */
    uintptr_t reserved[2];
};

/* In the caller's storage; must not move between start and join. */
typedef struct kt_pipeline {
    kt_stage *stages;      /* NULL unless started */
    size_t count;
    kt_group workers;
    unsigned putting;      /* tasks in kt_pipeline_put */
    kt_event put_over;
    int rc;                /* of the first worker that failed */
    uintptr_t reserved[2];
} kt_pipeline;

#define KT_PIPELINE_INIT {NULL, 0, KT_GROUP_INIT, 0, KT_EVENT_INIT, 0, {0}}

/* Makes the workers of `count` stages, at least 1. The running task owns them, as with a group,
 * and is to join. 0, -ENOMEM: nothing is left then. Starting twice is misuse. Suspends only when
 * it fails. */
KT_API int kt_pipeline_start(kt_pipeline *p, kt_stage *stages, size_t count) KT_CHECKED;

/* Copies one item into the first stage's line, waiting while that is full. By the owner or another
 * task. 0, -ENOMEM, KT_ESHUTDOWN when the input has ended, or the cancellation's code (to the owner
 * KT_ESIBLING when a fatal stage has failed): then the item is still the caller's. Suspends. */
KT_API int kt_pipeline_put(kt_pipeline *p, const void *item) KT_CHECKED;

/* In a stage's run: hands an item to the next stage, as kt_pipeline_put does to the first. In
 * the last stage it is misuse. Suspends. */
KT_API int kt_stage_emit(kt_stage *s, const void *item) KT_CHECKED;

/* Ends the input and waits until everything is worked off. `rc` is how the body ended: < 0
 * cancels the workers instead, and items in line are dropped. Returns the body's own failure
 * (KT_ESHUTDOWN counts only if nothing caused it); that of a fatal stage or of a worker that
 * found no memory; a cancellation; or rc. Failures of other stages are in their statistics. It
 * can be started again. Suspends; a cancellation meanwhile cancels the workers. */
KT_API int kt_pipeline_join(kt_pipeline *p, int rc) KT_CHECKED;

/* Cancels what is left and waits for its end. Suspends; a cancellation is held back. For
 * kt_auto. */
KT_API void kt_pipeline_cleanup(kt_pipeline *p);

KT_END

#endif
