/* SPDX-License-Identifier: MIT */

/* From options to a run of the engine. */

#include <errno.h>
#include <kettle/memory.h>
#include <stdlib.h>
#include <strings.h>

#include "names.h"
#include "program.h"

bool plan_rate(const char *value, unsigned *ret_starts, kt_time *ret_period)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(value, &end, 10);
    if (errno || end == value || n < 1 || n > 1000000 || *value == '-' || *end != '/' || !end[1] || end[2])
        return false;
    kt_time period = end[1] == 's' ? KT_S(1) : end[1] == 'm' ? KT_S(60) : end[1] == 'h' ? KT_S(3600) : 0;
    *ret_starts = (unsigned)n;
    *ret_period = period;
    return period > 0;
}

static int plan_extracts(plan *p)
{
    const kt_settings_list *list = &p->o->extracts;
    p->extracts = kt_calloc(list->count + 1, sizeof *p->extracts);
    if (!p->extracts)
        return -ENOMEM;
    for (size_t i = 0; i < list->count; i++) {
        int rc = extract_parse(list->items[i], &p->extracts[i]);
        if (rc < 0) {
            if (rc != -ENOMEM)
                (void)usage_error("--extract %s: %s", list->items[i], kt_error_detail());
            return rc;
        }
        p->e.extracts_count++;
    }
    p->e.extracts = p->extracts;
    return 0;
}

/* What says who the user is. */
static bool is_secret(const char *header, size_t name_size)
{
    static const char *const names[] = {"Authorization", "Proxy-Authorization", "Cookie"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == name_size && strncasecmp(header, names[i], name_size) == 0)
            return true;
    return false;
}

/* The headers that are secret, or those that are not: name, value, ..., NULL. */
static int list_headers(const kt_settings_list *list, bool secret, char ***ret_headers)
{
    char **next = *ret_headers = kt_calloc(2 * list->count + 1, sizeof **ret_headers);
    if (!next)
        return -ENOMEM;
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->items[i], *colon = strchr(name, ':'), *value = colon + 1 + strspn(colon + 1, " \t");
        if (is_secret(name, (size_t)(colon - name)) != secret)
            continue;
        if (!(*next++ = kt_strndup(name, (size_t)(colon - name))) || !(*next++ = kt_strndup(value, strlen(value))))
            return -ENOMEM;
    }
    return 0;
}

static void free_headers(char **headers)
{
    for (size_t i = 0; headers && headers[i]; i++)
        kt_free(headers[i]);
    kt_free(headers);
}

static int plan_headers(plan *p)
{
    int rc = list_headers(&p->o->headers, false, &p->headers);
    if (rc == 0)
        rc = list_headers(&p->o->headers, true, &p->secrets);
    p->e.headers = (const char *const *)p->headers;
    p->e.secrets = (const char *const *)p->secrets;
    return rc;
}

void plan_cleanup(plan *p)
{
    for (size_t i = 0; i < p->e.extracts_count; i++)
        extract_release(&p->extracts[i]);
    kt_free(p->extracts);
    selector_free(p->follow);
    free_headers(p->headers);
    free_headers(p->secrets);
}

static size_t name_size(const char *folder)
{
    size_t size = strlen(folder);
    while (size > 1 && folder[size - 1] == '/')
        size--;
    return size;
}

static bool is_same_folder(const char *a, const char *b)
{
    return name_size(a) == name_size(b) && memcmp(a, b, name_size(a)) == 0;
}

/* Options that cannot be meant together; NULL: none. */
static const char *contradiction(const options *o, enum records_kind kind)
{
    bool goes_on = o->crawl || o->paginate || o->follow; /* and a record says where to */
    if (o->sequential && o->pipeline)
        return "--sequential and --pipeline contradict each other: stages work at the same time";
    if (o->out && o->save && is_same_folder(o->out, o->save))
        return "--out and --save are one folder, where a record could replace a body";
    if (o->resume && !o->out && !o->save)
        return "--resume needs the --out or --save of the earlier run";
    if (o->resume && goes_on && (!o->out || kind == RECORDS_CSV || kind == RECORDS_FOLDER))
        return "--resume with --crawl, --paginate or --follow needs --out with .jsonl, .json or .sqlite";
    return NULL;
}

int plan_make(plan *p)
{
    const options *o = p->o;
    enum records_kind kind = RECORDS_JSONL;
    p->e = (engine_options){
        .limit = o->sequential ? 1 : o->limit,
        .per_host = o->per_host,
        .workers = o->sequential ? 1 : o->workers ? o->workers : o->pipeline ? 3 : 0,
        .pipeline = o->pipeline,
        .attempts = o->retries + 1,
        .retry_wait = o->retry_wait,
        .timeout = o->timeout,
        .deadline = o->deadline,
        .size_max = o->size_max,
        .guard = o->guard,
        .crawl = o->crawl,
        .any_host = o->any_host,
        .no_robots = o->no_robots,
        .paginate = o->paginate,
        .urls_max = o->urls_max,
        .user_agent = o->user_agent,
        .save = o->save,
    };
    if (o->rate)
        (void)plan_rate(o->rate, &p->e.rate_starts, &p->e.rate_period); /* was checked */
    int rc = plan_extracts(p);
    if (rc == 0)
        rc = plan_headers(p);
    if (rc == 0 && o->follow && (rc = selector_parse(o->follow, &p->follow)) < 0 && rc != -ENOMEM)
        (void)usage_error("--follow: %s", kt_error_detail());
    p->e.follow = p->follow;
    if (rc == 0 && o->out && (rc = records_kind_of(o->out, &kind)) < 0)
        (void)usage_error("--out %s: %s", o->out, kt_error_detail());
    const char *wrong = rc == 0 ? contradiction(o, kind) : NULL;
    if (wrong)
        rc = -EINVAL, (void)usage_error("%s", wrong);
    p->resume_by = !o->out ? o->save : kind == RECORDS_FOLDER ? o->out : NULL;
    return rc;
}

/* ---- Runs ------------------------------------------------------------------------------------- */

/* The hashes of URLs that the names of the files in a folder have in them. */
static int list_hashes(const char *folder, json_t *hashes)
{
    kt_auto(kt_path_list) *names = NULL;
    int rc = kt_dir_list(folder, 0, &names);
    for (size_t i = 0; rc == 0 && i < names->count; i++) {
        kt_slice hash = name_hash(kt_slice_from(names->paths[i]));
        bool whole = hash.data && names->paths[i][0] != '.';
        if (whole && json_object_setn_new(hashes, hash.data, hash.size, json_true()) < 0)
            rc = -ENOMEM;
    }
    return rc == -ENOENT ? 0 : rc;
}

static int is_kept(const char *text, const json_t *hashes)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    char hash[NAME_HASH_BYTES + 1];
    int rc = kt_url_parse(text, NULL, &url);
    if (rc < 0)
        return rc == -ENOMEM ? rc : 0;
    name_hash_of(frontier_key(&url), hash);
    return json_object_get(hashes, hash) != NULL;
}

/* Of an earlier run without a list of what it has done: what is in the folder is done. */
static int forget_kept(const char *folder, urls *u)
{
    size_t left = 0, named = 0;
    json_t *hashes = json_object();
    int rc = hashes ? list_hashes(folder, hashes) : -ENOMEM;
    for (size_t i = 0; i < u->count; i++) {
        int kept = rc == 0 ? is_kept(u->items[i].text, hashes) : 0;
        rc = kept < 0 ? kept : rc;
        if (kept == 1)
            given_release(&u->items[i]);
        else
            u->items[left++] = u->items[i];
        named = i < u->named ? left : named;
    }
    u->skipped = u->count - left;
    u->count = left;
    u->named = named;
    json_decref(hashes);
    return rc;
}

static int run_once(const plan *p, const engine_options *o, const urls *u, report *r, kt_time sequential,
                    kt_time *ret_elapsed)
{
    kt_auto(engine) *e = NULL;
    int rc = engine_open(o, &e);
    if (rc < 0)
        return rc;
    e->figures.skipped = u->skipped;
    e->figures.left_out = u->left_out;
    r->known = &e->frontier.numbers;
    report_begin(r, p->o, u->count);
    for (size_t i = 0; rc == 0 && i < u->count; i++) {
        const given *g = &u->items[i];
        rc = g->why ? engine_refuse(e, g->text, g->why) : engine_add(e, g->text, i < u->named);
    }
    const char *const places[] = {p->o->sitemap, p->o->feed};
    for (size_t i = 0; rc == 0 && i < 2; i++)
        rc = places[i] ? engine_name(e, places[i]) : 0;
    if (rc == 0)
        rc = engine_run(e);
    *ret_elapsed = e->figures.elapsed;
    kt_progress_end(&r->bar);
    int told = r->silent ? 0 : report_end(r, e, sequential);
    rc = rc < 0 ? rc : told;
    if (rc == 0 && (e->figures.by_cause[CAUSE_OK] < e->figures.total || u->failed))
        rc = 1;
    return rc;
}

static int read_inputs(const plan *p, urls *u)
{
    kt_auto(engine) *e = NULL;
    int rc = engine_open(&p->e, &e);
    if (rc < 0)
        complain(NULL, rc);
    else
        rc = inputs_read(p->o, p->arguments, e, u);
    return rc;
}

static int fetch_all(const plan *p, const urls *u)
{
    engine_options e = p->e;
    report r = {.o = p->o};
    kt_time sequential = 0, elapsed;
    int rc = 0;
    if (p->o->compare) {
        engine_options alone = e;
        report silent = {.o = p->o, .silent = true};
        alone.limit = alone.workers = 1;
        alone.save = NULL;
        alone.on_result = report_result;
        alone.arg = &silent;
        rc = run_once(p, &alone, u, &silent, 0, &sequential);
        if (rc < 0)
            return rc;
    }
    if (p->o->out)
        rc = records_open(p->o->out, p->o->resume, p->extracts, p->e.extracts_count, &e.records);
    if (rc >= 0) {
        e.on_result = report_result;
        e.on_attempt = report_attempt;
        e.arg = &r;
        rc = run_once(p, &e, u, &r, sequential, &elapsed);
    }
    /* Also of an interrupted run: what it has done counts. */
    int caught = kt_cancel_catch();
    int closed = records_close(e.records);
    if (closed < 0 && kt_is_cancel(rc))
        complain(p->o->out, closed);
    return closed < 0 && rc >= 0 ? closed : caught < 0 && rc >= 0 ? caught : rc;
}

int plan_run(void *arg)
{
    plan *p = arg;
    kt_auto(urls) u = {.items = NULL};
    int rc = read_inputs(p, &u);
    if (rc < 0) {
        p->status = EXIT_FAILED;
        return rc;
    }
    if (p->o->save)
        rc = kt_dir_make_all(p->o->save, 0777);
    if (rc == 0 && p->o->resume && p->resume_by)
        rc = forget_kept(p->resume_by, &u);
    if (rc == 0)
        rc = fetch_all(p, &u);
    if (rc < 0 && !kt_is_cancel(rc))
        complain(NULL, rc);
    p->status = rc == 0 ? EXIT_DONE : EXIT_FAILED;
    return rc;
}
