/* SPDX-License-Identifier: MIT */

/* kettle-fetch: many URLs at once. This file knows the options, and what follows from them. */

#include <errno.h>
#include <kettle/memory.h>
#include <stdarg.h>
#include <stdlib.h>

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
    {KT_SETTING_BOOL(options, sequential), "sequential", .flags = HERE,
     .help = "one after the other; not with --pipeline"},
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

/* ---- Values ----------------------------------------------------------------------------------- */

static const char *check_rate(const char *value)
{
    unsigned starts;
    kt_time period;
    return plan_rate(value, &starts, &period) ? NULL : "no rate such as 5/s, 100/m, 1000/h";
}

static const char *check_header(const char *value)
{
    const char *colon = strchr(value, ':');
    return colon && colon > value ? NULL : "no header such as 'Accept: text/html'";
}

static int run_plan(plan *p)
{
    int rc = plan_make(p);
    if (rc == -ENOMEM)
        complain(NULL, rc);
    if (rc < 0)
        return rc == -ENOMEM ? EXIT_FAILED : EXIT_USAGE;
    rc = kt_run(plan_run, p, 0);
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
        return usage_error("which URLs? (--input - reads them from standard input)");
    json_object_seed(0); /* before threads make objects */
    kt_auto(plan) p = {.o = &o, .arguments = rest};
    int status = run_plan(&p);
    if (fflush(stdout) < 0 || ferror(stdout)) {
        fputs("kettle-fetch: cannot write to standard output\n", stderr);
        status = status ? status : EXIT_FAILED;
    }
    return status;
}
