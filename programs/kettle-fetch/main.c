/* SPDX-License-Identifier: MIT */

/* kettle-fetch: many URLs at once. This file knows the options, and what follows from them. */

#include <errno.h>
#include <kettle/memory.h>
#include <stdarg.h>
#include <stdlib.h>

#include "names.h"
#include "program.h"

#define HERE (KT_SETTING_NO_FILE | KT_SETTING_NO_ENVIRONMENT)

static const char *check_rate(const char *value);
static const char *check_header(const char *value);

static const kt_setting table[] = {
    {KT_SETTING_PATH(options, input), "input", .letter = 'i', .flags = HERE, .meta = "FILE", .group = "Which URLs",
     .help = "read URLs from a file, one a line; - is standard input"},
    {KT_SETTING_TEXT(options, sitemap), "sitemap", .flags = HERE, .meta = "URL",
     .help = "all pages of a sitemap, an index of sitemaps included; may be a file"},
    {KT_SETTING_TEXT(options, feed), "feed", .flags = HERE, .meta = "URL",
     .help = "all entries of an RSS or Atom feed; may be a file"},
    {KT_SETTING_INTEGER(options, crawl, 0, 100), "crawl", .standard = "0", .flags = HERE, .meta = "DEPTH",
     .help = "follow links of the same hosts so deep; asks robots.txt first"},
    {KT_SETTING_BOOL(options, any_host), "any-host", .flags = HERE, .help = "crawl to other hosts, too"},
    {KT_SETTING_BOOL(options, no_robots), "ignore-robots", .flags = HERE,
     .help = "crawl your own site whatever its robots.txt says"},
    {KT_SETTING_BOOL(options, paginate), "paginate", .flags = HERE,
     .help = "go on with the page that Link or rel=next names"},
    {KT_SETTING_TEXT(options, follow), "follow", .flags = HERE, .meta = "SELECTOR",
     .help = "go on with the link that this CSS selector finds"},
    {KT_SETTING_INTEGER(options, urls_max, 1, 100000000), "urls-max", .standard = "100000", .meta = "N",
     .help = "never know more URLs than this"},

    {KT_SETTING_INTEGER(options, limit, 1, WORKERS_MAX), "limit", .letter = 'l', .standard = "50", .meta = "N",
     .group = "How", .help = "requests at once"},
    {KT_SETTING_INTEGER(options, per_host, 1, WORKERS_MAX), "per-host", .standard = "20", .meta = "N",
     .help = "requests at once to one host"},
    {KT_SETTING_BOOL(options, sequential), "sequential", .flags = HERE, .help = "one after the other"},
    {KT_SETTING_BOOL(options, compare), "compare", .flags = HERE,
     .help = "all of it twice, first one after the other, and the speed-up"},
    {KT_SETTING_INTEGER(options, workers, 0, WORKERS_MAX), "workers", .letter = 'w', .standard = "0", .flags = HERE,
     .meta = "N", .help = "workers that take URLs from a queue, with counts for each; 0: as many as the limit"},
    {KT_SETTING_BOOL(options, pipeline), "pipeline", .flags = HERE,
     .help = "fetch, transform and store as three stages, each with its workers (3 unless --workers says)"},
    {KT_SETTING_TEXT(options, rate), "rate", .check = check_rate, .meta = "N/s",
     .help = "requests to one host, as 5/s, 100/m"},
    {KT_SETTING_INTEGER(options, retries, 0, 20), "retries", .letter = 'r', .standard = "0", .meta = "N",
     .help = "try again so often, after a time-out, a lost connection, 408, 429, 502, 503, 504"},
    {KT_SETTING_DURATION(options, retry_wait, 0, KT_S(60)), "retry-wait", .standard = "1s",
     .help = "before the first retry, then twice as long each time"},
    {KT_SETTING_DURATION(options, timeout, KT_MS(1), KT_S(86400)), "timeout", .letter = 't', .standard = "10s",
     .help = "for one attempt at one URL, its body included"},
    {KT_SETTING_DURATION(options, deadline, 0, KT_S(86400 * 7)), "deadline", .standard = "0s",
     .help = "for the whole; 0: none"},
    {KT_SETTING_SIZE(options, size_max, 1, INT64_MAX), "size-max", .standard = "64M",
     .help = "of one body, decompressed"},
    {KT_SETTING_BOOL(options, guard), "guard",
     .help = "the URLs are from strangers: only addresses of the public Internet"},
    {KT_SETTING_LIST(options, headers, 0), "header", .letter = 'H', .flags = KT_SETTING_SECRET, .check = check_header,
     .meta = "'NAME: VALUE'", .help = "send this, too; may be repeated"},
    {KT_SETTING_TEXT(options, user_agent), "user-agent", .standard = "kettle-fetch", .help = "what to call itself"},

    {KT_SETTING_LIST(options, extracts, 0), "extract", .letter = 'x', .flags = HERE, .meta = "WHAT",
     .group = "What for", .help = "title, links, meta, text, json:PATH, css:SELECTOR, css:SELECTOR@ATTRIBUTE, also as "
                                 "name=css:SELECTOR; may be repeated"},
    {KT_SETTING_PATH(options, save), "save", .letter = 's', .flags = HERE, .meta = "FOLDER",
     .help = "keep the bodies there"},
    {KT_SETTING_PATH(options, out), "out", .letter = 'o', .flags = HERE, .meta = "FILE",
     .help = "keep records there: .jsonl, .csv, .json, .sqlite; FOLDER/ for a file each"},
    {KT_SETTING_BOOL(options, resume), "resume", .flags = HERE,
     .help = "go on with an earlier run: what it has done, by --out or else by --save, is not done again"},
    {KT_SETTING_BOOL(options, json), "json", .flags = HERE,
     .help = "print one JSON object a line: each result, then the summary"},
    {KT_SETTING_BOOL(options, quiet), "quiet", .letter = 'q', .flags = HERE, .help = "the summary only"},
    {KT_SETTING_BOOL(options, verbose), "verbose", .letter = 'v', .flags = HERE, .help = "tell of each failed attempt"},
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "kettle-fetch",
    .about = "Fetches many URLs at once, takes out what is wanted, and keeps it.",
    .arguments = "[URL]...",
    .more = "One URL that hangs, lies or never ends costs its own entry and nothing else.\n"
            "Exit status: 0 all went well; 1 not all of it; 2 wrong usage; 130 interrupted.",
    .table = table,
    .environment = "KETTLE_FETCH",
    .file = "/etc/kettle-fetch.conf",
};

static int usage_error(const char *format, ...) KT_PRINTF(1, 2);

static int usage_error(const char *format, ...)
{
    va_list args;
    fputs("kettle-fetch: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nTry 'kettle-fetch --help'.\n", stderr);
    return EXIT_USAGE;
}

/* ---- Values ----------------------------------------------------------------------------------- */

static bool parse_rate(const char *value, unsigned *ret_starts, kt_time *ret_period)
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

static const char *check_rate(const char *value)
{
    unsigned starts;
    kt_time period;
    return parse_rate(value, &starts, &period) ? NULL : "no rate such as 5/s, 100/m, 1000/h";
}

static const char *check_header(const char *value)
{
    const char *colon = strchr(value, ':');
    return colon && colon > value ? NULL : "no header such as 'Accept: text/html'";
}

/* What the options point to, in the engine's words. */
typedef struct plan {
    engine_options e;
    extract *extracts;
    selector *follow;
    char **headers; /* name, value, ..., NULL */
    const options *o;
    char **arguments;
    int status; /* of the exit */
} plan;

static void plan_cleanup(plan *p)
{
    for (size_t i = 0; i < p->e.extracts_count; i++)
        extract_release(&p->extracts[i]);
    kt_free(p->extracts);
    selector_free(p->follow);
    for (size_t i = 0; p->headers && p->headers[i]; i++)
        kt_free(p->headers[i]);
    kt_free(p->headers);
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
            (void)usage_error("--extract %s: %s", list->items[i], kt_error_detail());
            return rc;
        }
        p->e.extracts_count++;
    }
    p->e.extracts = p->extracts;
    return 0;
}

static int plan_headers(plan *p)
{
    const kt_settings_list *list = &p->o->headers;
    p->headers = kt_calloc(2 * list->count + 1, sizeof *p->headers);
    if (!p->headers)
        return -ENOMEM;
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->items[i], *colon = strchr(name, ':'), *value = colon + 1 + strspn(colon + 1, " \t");
        p->headers[2 * i] = kt_strndup(name, (size_t)(colon - name));
        if (p->headers[2 * i])
            p->headers[2 * i + 1] = kt_strndup(value, strlen(value));
        if (!p->headers[2 * i] || !p->headers[2 * i + 1])
            return -ENOMEM;
    }
    p->e.headers = (const char *const *)p->headers;
    return 0;
}

static int plan_make(plan *p)
{
    const options *o = p->o;
    enum records_kind kind;
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
        (void)parse_rate(o->rate, &p->e.rate_starts, &p->e.rate_period); /* was checked */
    int rc = plan_extracts(p);
    if (rc == 0)
        rc = plan_headers(p);
    if (rc == 0 && o->follow && (rc = selector_parse(o->follow, &p->follow)) < 0)
        (void)usage_error("--follow: %s", kt_error_detail());
    p->e.follow = p->follow;
    if (rc == 0 && o->out && (rc = records_kind_of(o->out, &kind)) < 0)
        (void)usage_error("--out %s: %s", o->out, kt_error_detail());
    if (rc == 0 && o->resume && !o->out && !o->save)
        rc = -EINVAL, (void)usage_error("--resume needs the --out or --save of the earlier run");
    if (rc == 0 && o->resume && o->crawl && (!o->out || kind == RECORDS_CSV || kind == RECORDS_FOLDER))
        rc = -EINVAL, (void)usage_error("--resume of a crawl needs --out with .jsonl, .json or .sqlite");
    return rc;
}

/* ---- Runs ------------------------------------------------------------------------------------- */

/* Of an earlier run without records: what is in the folder is done. */
static int forget_saved(const plan *p, urls *u)
{
    kt_auto(kt_path_list) *names = NULL;
    int rc = kt_dir_list(p->o->save, 0, &names);
    json_t *hashes = json_object();
    for (size_t i = 0; rc == 0 && i < names->count; i++) {
        kt_slice hash = name_hash(kt_slice_from(names->paths[i]));
        bool whole = hash.data && names->paths[i][0] != '.';
        if (whole && json_object_setn_new(hashes, hash.data, hash.size, json_true()) < 0)
            rc = -ENOMEM;
    }
    size_t kept = 0;
    for (size_t i = 0; rc == 0 && i < u->count; i++) {
        kt_auto(kt_url) url = KT_URL_INIT;
        char hash[NAME_HASH_BYTES + 1] = "";
        if (kt_url_parse(u->items[i], NULL, &url) == 0) {
            size_t fragment = url.fragment.data ? url.fragment.size + 1 : 0;
            name_hash_of((kt_slice){url.text.data, url.text.size - fragment}, hash);
        }
        if (json_object_get(hashes, hash))
            kt_free(u->items[i]);
        else
            u->items[kept++] = u->items[i];
    }
    u->count = rc == 0 ? kept : u->count;
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
    report_begin(r, p->o, u->count);
    for (size_t i = 0; rc == 0 && i < u->count; i++)
        rc = engine_add(e, u->items[i]);
    if (rc == 0)
        rc = engine_run(e);
    e->figures.elapsed = kt_now() - e->figures.began;
    *ret_elapsed = e->figures.elapsed;
    kt_progress_end(&r->bar);
    if (!r->silent)
        report_end(r, e, sequential);
    if (rc == 0 && e->figures.by_cause[CAUSE_OK] < e->figures.total)
        rc = 1;
    return rc;
}

static int read_inputs(const plan *p, urls *u)
{
    kt_auto(engine) *e = NULL;
    int rc = engine_open(&p->e, &e);
    if (rc == 0)
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
    return closed < 0 && rc >= 0 ? closed : caught < 0 && rc >= 0 ? caught : rc;
}

static int run(void *arg)
{
    plan *p = arg;
    kt_auto(urls) u = {NULL, 0, 0};
    int rc = read_inputs(p, &u);
    if (rc < 0) {
        p->status = EXIT_FAILED;
        return rc;
    }
    if (p->o->save)
        rc = kt_dir_make_all(p->o->save, 0777);
    if (rc == 0 && p->o->resume && !p->o->out)
        rc = forget_saved(p, &u);
    if (rc == 0)
        rc = fetch_all(p, &u);
    if (rc < 0 && !kt_is_cancel(rc))
        complain(NULL, rc);
    p->status = rc == 0 ? EXIT_DONE : EXIT_FAILED;
    return rc;
}

static int run_plan(plan *p)
{
    if (plan_make(p) < 0)
        return EXIT_USAGE;
    int rc = kt_run(run, p, 0);
    return rc == -EINTR ? EXIT_INTERRUPTED : rc < 0 ? EXIT_FAILED : p->status;
}

int main(int argc, char **argv)
{
    options o;
    kt_auto(kt_settings) *s = NULL;
    kt_settings_spec versioned = spec;
    versioned.version = kt_version();
    int rest_count, rc = kt_settings_new(&versioned, &o, NULL, &s);
    if (rc == 0)
        rc = kt_settings_load(s, argc, argv);
    if (rc != 0) {
        fputs(kt_settings_text(s), rc < 0 ? stderr : stdout);
        return rc < 0 ? EXIT_USAGE : EXIT_DONE;
    }
    char **rest = kt_settings_rest(s, &rest_count);
    if (rest_count == 0 && !o.input && !o.sitemap && !o.feed)
        return usage_error("which URLs?");
    json_object_seed(0); /* before threads make objects */
    kt_auto(plan) p = {.o = &o, .arguments = rest};
    int status = run_plan(&p);
    if (fflush(stdout) < 0 || ferror(stdout)) {
        fputs("kettle-fetch: cannot write to standard output\n", stderr);
        status = status ? status : EXIT_FAILED;
    }
    return status;
}
