/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_PROGRAM_H
#define KETTLE_FETCH_PROGRAM_H

/* The program kettle-fetch: its command line.
 *
 *     main.c      options, and what follows from them
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
    bool silent; /* the sequential run of --compare */
} report;

void report_begin(report *r, const options *o, size_t total);
void report_result(const item *it, void *arg);
void report_attempt(const item *it, unsigned number, const char *why, kt_time wait, void *arg);

/* The summary; `sequential` is what --compare has measured, 0 for nothing. */
void report_end(report *r, const engine *e, kt_time sequential);

void complain(const char *what, int rc);

/* ---- inputs.c --------------------------------------------------------------------------------- */

typedef struct urls {
    char **items;
    size_t count, capacity;
} urls;

int urls_add(urls *u, const char *text, size_t size) KT_CHECKED;
void urls_release(urls *u);

/* All URLs that arguments and options name, in that order. Sitemaps and feeds are fetched by `e`. Errors were told. */
int inputs_read(const options *o, char **arguments, engine *e, urls *u) KT_CHECKED;

static inline void urls_cleanup(urls *u)
{
    urls_release(u);
}

#endif
