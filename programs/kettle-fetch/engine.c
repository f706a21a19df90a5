/* SPDX-License-Identifier: MIT */

/* The engine: workers that take URLs until there are none, or a pipeline of three stages. */

#include <errno.h>
#include <kettle/memory.h>

#include "records.h"

int engine_open(const engine_options *o, engine **ret_engine)
{
    engine *e = kt_calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->o = *o;
    e->workers_count = o->workers ? o->workers : o->limit;
    e->permits = (kt_semaphore)KT_SEMAPHORE_INIT(o->limit);
    frontier_init(&e->frontier, o);
    const kt_http_session_options s = {
        .headers = o->headers,
        .user_agent = o->user_agent,
        .timeouts = {.total = o->timeout},
        .connections_max = o->limit,
        .connections_per_host_max = o->per_host < o->limit ? o->per_host : o->limit,
        .guard = o->guard,
        .environment = !o->guard,
        .rate_starts = o->rate_starts,
        .rate_period = o->rate_period,
    };
    int rc = kt_http_session_open(&s, &e->session);
    if (rc < 0) {
        kt_free(e);
        return rc;
    }
    *ret_engine = e;
    return 0;
}

void engine_close(engine *e)
{
    if (!e)
        return;
    kt_http_session_close(e->session);
    frontier_release(&e->frontier);
    kt_free(e);
}

/* ---- Results ---------------------------------------------------------------------------------- */

/* What has been done is kept, also if the run is cancelled just now: a record waits for a disk at most. */
static int tell(engine *e, const item *it)
{
    figures *f = &e->figures;
    f->total++;
    f->by_cause[it->cause]++;
    f->bytes += it->bytes;
    f->attempts += it->attempts;
    f->replaced += it->replaced;
    f->alone += it->took;
    kt_cancel_hold();
    int rc = e->o.records ? records_add(e->o.records, it) : 0;
    kt_cancel_unhold();
    if (e->o.on_result)
        e->o.on_result(it, e->o.arg);
    return rc;
}

int engine_finish(engine *e, item *it)
{
    int rc = tell(e, it);
    frontier_done(&e->frontier, it);
    item_free(it);
    return rc;
}

/* An item whose work was cancelled has no result. */
static void give_up(engine *e, item *it)
{
    if (e->whole && kt_timeout_expired(e->whole)) {
        frontier_return(&e->frontier, it); /* but for the deadline's, which is told at the end */
        return;
    }
    frontier_done(&e->frontier, it);
    item_free(it);
}

static int follow_one(engine *e, const char *text, unsigned depth, unsigned page, bool anywhere);

/* Done by an earlier run: where it led to is gone to instead. */
static int skip(engine *e, const kt_url *url, unsigned depth, unsigned page)
{
    int rc = frontier_see(&e->frontier, url->text);
    e->figures.skipped += rc == 1;
    const char *next = records_next(e->o.records, url->text);
    json_t *found = records_found(e->o.records, url->text);
    if (rc == 1 && next)
        rc = follow_one(e, next, depth, page + 1, true);
    if (rc >= 0 && found && depth < e->o.crawl)
        rc = engine_follow(e, found, NULL, depth + 1, 0);
    return rc < 0 ? rc : 0;
}

static int follow_one(engine *e, const char *text, unsigned depth, unsigned page, bool anywhere)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    int rc = kt_url_parse(text, NULL, &url);
    if (rc == 0 && (anywhere || e->o.any_host || frontier_is_given(&e->frontier, &url))) {
        if (e->o.records && records_has(e->o.records, url.text))
            return skip(e, &url, depth, page);
        rc = frontier_add(&e->frontier, &url, depth, page, false, &e->figures.left_out);
    }
    return rc == -ENOMEM ? rc : 0;
}

int engine_follow(engine *e, json_t *found, const char *next_url, unsigned depth, unsigned page)
{
    size_t index;
    json_t *text;
    int rc = next_url ? follow_one(e, next_url, depth, page, true) : 0;
    json_array_foreach(found, index, text) {
        if (rc < 0)
            break;
        rc = follow_one(e, json_string_value(text), depth, page, false);
    }
    return rc;
}

int engine_add(engine *e, const char *text)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    int rc = kt_url_parse(text, NULL, &url);
    if (rc < 0 && rc != -ENOMEM) {
        item it = {.url = (char *)text};
        item_fail(&it, CAUSE_URL, rc, NULL);
        rc = tell(e, &it);
        kt_free(it.why);
        return rc;
    }
    if (rc == 0 && e->o.records && records_has(e->o.records, url.text)) {
        rc = frontier_give(&e->frontier, &url);
        return rc < 0 ? rc : skip(e, &url, 0, 0);
    }
    if (rc == 0) {
        uint64_t before = e->figures.left_out;
        rc = frontier_add(&e->frontier, &url, 0, 0, true, &e->figures.left_out);
        e->figures.duplicates += rc == 0 && e->figures.left_out == before;
    }
    return rc < 0 ? rc : 0;
}

/* ---- Workers ---------------------------------------------------------------------------------- */

static int work_on(engine *e, item *it)
{
    int rc = fetch_item(e, it);
    if (rc == 0)
        rc = transform_item(e, it);
    if (rc == 0)
        rc = store_item(e, it);
    if (rc < 0 && it->cause == CAUSE_OK && !kt_is_cancel(rc))
        (void)item_fail(it, CAUSE_OTHER, rc, NULL);
    return rc < 0 && it->cause == CAUSE_OK ? rc : 0;
}

KT_FN(worker, a, struct { engine *e; unsigned number; })
{
    engine *e = a->e;
    worker_figures *w = &e->workers[0][a->number];
    item *it;
    int rc;
    while ((rc = frontier_take(&e->frontier, &it)) == 1) {
        kt_time began = kt_now();
        it->worker = a->number;
        rc = work_on(e, it);
        w->busy += kt_now() - began;
        if (rc < 0) {
            give_up(e, it);
            break;
        }
        *(it->cause == CAUSE_OK ? &w->ok : &w->failed) += 1;
        rc = engine_finish(e, it);
        if (rc < 0)
            break;
    }
    return rc;
}

static int run_workers(engine *e)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    /* No more of them than URLs, unless a page may bring new ones. */
    if (!e->o.crawl && !e->o.paginate && !e->o.follow && !e->o.workers && e->frontier.waiting < e->workers_count)
        e->workers_count = (unsigned)e->frontier.waiting;
    for (unsigned i = 0; rc == 0 && i < e->workers_count; i++)
        rc = kt_group_spawn(&g, KT_WITH(worker, .e = e, .number = i));
    return kt_group_join(&g, rc);
}

/* ---- The pipeline ----------------------------------------------------------------------------- */

static worker_figures *figures_of(engine *e, unsigned stage, unsigned *ret_number)
{
    kt_task *me = kt_task_current();
    for (unsigned i = 0; i < e->workers_count; i++) {
        worker_figures *w = &e->workers[stage][i];
        if (!w->task)
            w->task = me;
        if (w->task == me) {
            *ret_number = i;
            return w;
        }
    }
    *ret_number = 0;
    return &e->workers[stage][0];
}

static int run_stage(kt_stage *s, void *item_at, void *arg)
{
    static int (*const works[STAGES])(engine *e, item *it) = {fetch_item, transform_item, store_item};
    engine *e = arg;
    item *it = *(item **)item_at;
    unsigned stage = (unsigned)(s - e->stages), number;
    worker_figures *w = figures_of(e, stage, &number);
    kt_time began = kt_now();
    int rc = works[stage](e, it);
    w->busy += kt_now() - began;
    if (stage == 0)
        it->worker = number;
    if (rc < 0 && it->cause == CAUSE_OK && !kt_is_cancel(rc))
        (void)item_fail(it, CAUSE_OTHER, rc, NULL);
    if (rc < 0 && it->cause == CAUSE_OK) {
        give_up(e, it);
        return rc;
    }
    *(rc == 0 ? &w->ok : &w->failed) += 1;
    if (rc == 0 && stage + 1 < STAGES) {
        rc = kt_stage_emit(s, &it);
        if (rc == 0)
            return 0;
        if (kt_is_cancel(rc) || rc == KT_ESHUTDOWN) {
            give_up(e, it);
            return rc;
        }
        (void)item_fail(it, CAUSE_OTHER, rc, NULL); /* no memory for its place in line */
    }
    int recorded = engine_finish(e, it);
    if (recorded < 0 && e->rc == 0) {
        e->rc = recorded;
        kt_group_cancel(&s->pipeline->workers);
    }
    return rc;
}

static void drop_item(void *item_at, void *arg)
{
    give_up(arg, *(item **)item_at);
}

static int run_pipeline(engine *e)
{
    static const char *const names[STAGES] = {"fetch", "transform", "store"};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    item *it;
    for (int i = 0; i < STAGES; i++)
        e->stages[i] = (kt_stage){.name = names[i], .run = run_stage, .drop = drop_item, .arg = e,
                                  .item_bytes = sizeof(item *), .workers = e->workers_count};
    int rc = kt_pipeline_start(&p, e->stages, STAGES);
    while (rc == 0 && (rc = frontier_take(&e->frontier, &it)) == 1) {
        rc = kt_pipeline_put(&p, &it);
        if (rc < 0)
            give_up(e, it);
    }
    rc = kt_pipeline_join(&p, rc);
    return e->rc < 0 ? e->rc : rc;
}

/* ---- The whole -------------------------------------------------------------------------------- */

/* What the deadline has left over is a result as well. */
static int fail_rest(engine *e)
{
    int rc = 0;
    for (item *it = frontier_rest(&e->frontier); it; it = frontier_rest(&e->frontier)) {
        (void)item_fail(it, CAUSE_DEADLINE, -ETIMEDOUT, "the whole took too long");
        if (rc == 0)
            rc = tell(e, it);
        item_free(it);
    }
    return rc;
}

int engine_run(engine *e)
{
    kt_auto(kt_timeout) whole = KT_TIMEOUT_INIT;
    e->figures.began = kt_now();
    if (e->o.deadline > 0) {
        kt_timeout_start(&whole, e->o.deadline);
        e->whole = &whole;
    }
    int rc = e->o.pipeline ? run_pipeline(e) : run_workers(e);
    if (e->o.deadline > 0) {
        rc = kt_timeout_end(&whole, rc);
        if (rc == KT_ETIMEDOUT && kt_timeout_expired(&whole))
            rc = fail_rest(e);
        e->whole = NULL;
    }
    e->figures.elapsed = kt_now() - e->figures.began;
    return rc;
}
