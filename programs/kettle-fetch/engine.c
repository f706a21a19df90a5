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
        .timeouts = {.total = KT_FOREVER}, /* each attempt has its own, of which waits for the rate are no part */
        .connections_max = o->limit,
        .connections_per_host_max = o->per_host < o->limit ? o->per_host : o->limit,
        .guard = o->guard,
        .environment = !o->guard,
        .before = fetch_before,
        .hook_arg = e,
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
    kt_free(e->given.items);
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

/* ---- Where pages lead to ----------------------------------------------------------------------- */

static int trail_add(trail *t, json_t *found, const char *next, unsigned depth, unsigned page)
{
    next = next && *next ? next : NULL;
    if (!found && !next)
        return 0;
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 8;
        struct led *items = kt_realloc(t->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        t->items = items;
        t->capacity = capacity;
    }
    t->items[t->count++] = (struct led){found, next, depth, page};
    return 0;
}

/* Has an earlier run done all that this one wants of it? A page at the border of a crawl that went less deep, or of
 * what was none, was not looked into, nor was one of what followed no series: it is fetched again, for its links. */
static bool is_done(const engine *e, const kt_url *url, unsigned depth)
{
    const engine_options *o = &e->o;
    kt_slice key = frontier_key(url);
    return o->records && records_has(o->records, key) && (depth >= o->crawl || records_found(o->records, key)) &&
           (!(o->paginate || o->follow) || records_next(o->records, key));
}

/* Done by an earlier run: where it led to is gone to instead, once. */
static int skip(engine *e, trail *t, const kt_url *url, unsigned depth, unsigned page)
{
    kt_slice key = frontier_key(url);
    int rc = frontier_see(&e->frontier, url);
    if (rc <= 0)
        return rc;
    e->figures.skipped++;
    const char *final_url = records_final(e->o.records, key);
    rc = final_url ? engine_arrive(e, key, final_url) : 0;
    if (rc < 0)
        return rc;
    return trail_add(t, depth < e->o.crawl ? records_found(e->o.records, key) : NULL, records_next(e->o.records, key),
                     depth, page);
}

static int visit(engine *e, trail *t, const char *text, unsigned depth, unsigned page, bool anywhere)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    int rc = text ? kt_url_parse(text, NULL, &url) : -EINVAL;
    if (rc < 0 || !(anywhere || e->o.any_host || frontier_is_given(&e->frontier, &url)))
        return rc == -ENOMEM ? rc : 0;
    if (frontier_has_arrived(&e->frontier, &url))
        return 0;
    if (is_done(e, &url, depth))
        return skip(e, t, &url, depth, page);
    rc = frontier_add(&e->frontier, &url, depth, page, &e->figures.left_out);
    return rc < 0 ? rc : 0;
}

static int follow_trail(engine *e, trail *t)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->count; i++) {
        const struct led at = t->items[i]; /* they move */
        size_t index;
        json_t *text;
        if (at.next)
            rc = visit(e, t, at.next, at.depth, at.page + 1, true);
        json_array_foreach(at.found, index, text) {
            if (rc < 0)
                break;
            rc = visit(e, t, json_string_value(text), at.depth + 1, 0, false);
        }
    }
    kt_free(t->items);
    *t = (trail){NULL, 0, 0};
    return rc;
}

int engine_follow(engine *e, json_t *found, const char *next_url, unsigned depth, unsigned page)
{
    trail t = {NULL, 0, 0};
    int rc = trail_add(&t, found, next_url, depth, page);
    return rc == 0 ? follow_trail(e, &t) : rc;
}

static int give(engine *e, const char *text, bool named)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    int rc = kt_url_parse(text, NULL, &url);
    if (rc == 0)
        rc = frontier_give(&e->frontier, &url, named);
    return rc == -ENOMEM ? rc : 0;
}

int engine_give(engine *e, const char *final_url)
{
    return give(e, final_url, false);
}

int engine_name(engine *e, const char *url)
{
    return give(e, url, true);
}

int engine_arrive(engine *e, kt_slice url, const char *final_url)
{
    kt_auto(kt_url) final = KT_URL_INIT;
    if (kt_slice_is(url, final_url))
        return 0;
    int rc = kt_url_parse(final_url, NULL, &final);
    if (rc == 0)
        rc = frontier_arrive(&e->frontier, &final);
    return rc == -ENOMEM ? rc : 0;
}

/* Of a URL that the user has given and an earlier run has done. */
static int add_done(engine *e, const kt_url *url)
{
    const char *final_url = records_final(e->o.records, frontier_key(url));
    int rc = final_url ? engine_give(e, final_url) : 0;
    return rc == 0 ? skip(e, &e->given, url, 0, 0) : rc;
}

static int refuse(engine *e, const char *text, int rc, const char *why)
{
    item it = {.url = (char *)text};
    item_fail(&it, CAUSE_URL, rc, why);
    rc = tell(e, &it);
    kt_free(it.why);
    return rc;
}

int engine_refuse(engine *e, const char *text, const char *why)
{
    return refuse(e, text, -EINVAL, why);
}

int engine_add(engine *e, const char *text, bool named)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    int rc = kt_url_parse(text, NULL, &url);
    if (rc < 0 && rc != -ENOMEM)
        return refuse(e, text, rc, NULL);
    if (rc == 0)
        rc = frontier_give(&e->frontier, &url, named);
    if (rc == 0 && is_done(e, &url, 0))
        return add_done(e, &url);
    if (rc == 0) {
        uint64_t before = e->figures.left_out;
        rc = frontier_add(&e->frontier, &url, 0, 0, &e->figures.left_out);
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
    int rc = follow_trail(e, &e->given);
    if (rc == 0)
        rc = e->o.pipeline ? run_pipeline(e) : run_workers(e);
    if (e->o.deadline > 0) {
        rc = kt_timeout_end(&whole, rc);
        if (rc == KT_ETIMEDOUT && kt_timeout_expired(&whole))
            rc = fail_rest(e);
        e->whole = NULL;
    }
    e->figures.elapsed = kt_now() - e->figures.began;
    return rc;
}
