/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_PROGRAM_H
#define KETTLE_FETCH_PROGRAM_H

/* The program kettle-fetch: its command line.
 *
 *     main.c      options
 *     plan.c      what follows from them, and the runs
 *     inputs.c    URLs: arguments, files, standard input, sitemaps, feeds
 *     report.c    results as they end, the bar, the summary
 *
 * What works is the engine, see engine.h. */

#include <kettle/settings.h>
#include <kettle/terminal.h>
#include <stdio.h>

#include "records.h"

/* Exit statuses, as the manual lists them. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* not all URLs */
    EXIT_USAGE = 2,
    EXIT_INTERRUPTED = 130,
};

typedef struct options {
    const char *input, *sitemap, *feed;
    unsigned limit, per_host, workers, retries, crawl, urls_max;
    bool sequential, compare, pipeline, guard, any_host, no_robots, paginate, resume, json, quiet, verbose;
    kt_time retry_wait, timeout, deadline;
    const char *rate, *follow, *save, *out, *user_agent;
    uint64_t size_max;
    kt_settings_list extracts, headers;
} options;

/* ---- report.c --------------------------------------------------------------------------------- */

typedef struct report {
    const options *o;
    kt_progress bar;
    const size_t *known; /* URLs, so far */
    bool silent; /* the sequential run of --compare */
    int rc;      /* of the first result that could not be told */
} report;

void report_begin(report *r, const options *o, size_t total);
void report_result(const item *it, void *arg);
void report_attempt(const item *it, unsigned number, const char *why, kt_time wait, void *arg);

/* The summary; `sequential` is what --compare has measured, 0 for nothing. 0; -ENOMEM: not all could be told. */
int report_end(report *r, const engine *e, kt_time sequential) KT_CHECKED;

void complain(const char *what, int rc);

/* Says what is wrong with the command line; the exit status for that. */
int usage_error(const char *format, ...) KT_PRINTF(1, 2);

/* ---- inputs.c --------------------------------------------------------------------------------- */

typedef struct given {
    char *text;
    char *why; /* it is no URL; NULL: it may be one */
} given;

typedef struct urls {
    given *items;
    size_t count, capacity;
    size_t named;   /* the first of them, which the user has named himself; the others are of sitemaps and feeds */
    size_t skipped; /* done by an earlier run, and no more among them */
    size_t max;     /* from how many on sitemaps and feeds add none; 0: no limit */
    uint64_t left_out;
    bool failed;    /* a sitemap of an index could not be had, which has been told */
} urls;

int urls_add(urls *u, const char *text, size_t size) KT_CHECKED;
void given_release(given *g);
void urls_release(urls *u);

/* All URLs that arguments and options name, in that order. Sitemaps and feeds are fetched by `e`. Errors were told. */
int inputs_read(const options *o, char **arguments, engine *e, urls *u) KT_CHECKED;

static inline void urls_cleanup(urls *u)
{
    urls_release(u);
}

/* ---- plan.c ----------------------------------------------------------------------------------- */

/* What the options point to, in the engine's words. */
typedef struct plan {
    engine_options e;
    extract *extracts;
    selector *follow;
    char **headers, **secrets; /* name, value, ..., NULL */
    const options *o;
    char **arguments;
    const char *resume_by; /* a folder whose names say what is done; NULL: the records do */
    int status; /* of the exit */
} plan;

/* From `o` and `arguments`. 0; -ENOMEM; another code if they are wrong, which has been told. */
int plan_make(plan *p) KT_CHECKED;
void plan_cleanup(plan *p);

/* "5/s", "100/m", "1000/h" */
bool plan_rate(const char *value, unsigned *ret_starts, kt_time *ret_period);

/* Fetches all that the plan at `arg` says, and sets its exit status. 0 or 1, as the URLs went; below 0 a failure of the
 * whole, which has been told, or a cancellation: what was done by then is kept. Suspends. */
int plan_run(void *arg) KT_CHECKED;

#endif
