/* SPDX-License-Identifier: MIT */

/* What is told: a line a result as it ends, the bar, the summary. */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <unistd.h>

#include "json_text.h"
#include "program.h"

void complain(const char *what, int rc)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    const char *why = *kt_error_detail() ? kt_error_detail() : kt_strerror(rc);
    int safe = what ? kt_terminal_safe(&text, kt_slice_from(what)) : 0;
    if (safe == 0 && what)
        safe = kt_buffer_append_string(&text, ": ");
    if (safe == 0)
        safe = kt_terminal_safe(&text, kt_slice_from(why));
    if (safe < 0 || kt_terminal_printf(STDERR_FILENO, "kettle-fetch: %.*s\n", (int)text.size, text.data) < 0)
        fputs("kettle-fetch: failed\n", stderr);
}

int usage_error(const char *format, ...)
{
    va_list args;
    fputs("kettle-fetch: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nTry 'kettle-fetch --help'.\n", stderr);
    return EXIT_USAGE;
}

/* A line of output, above the bar. What a stranger wrote is made safe first by the caller. */
static int say(const kt_buffer *line)
{
    if (fflush(stdout) != 0)
        return 0; /* main tells */
    int rc = kt_terminal_write(STDOUT_FILENO, line->data, line->size);
    return rc < 0 ? kt_error_set(rc, "cannot write to standard output: %s", kt_strerror(rc)) : 0;
}

static void format_bytes(uint64_t bytes, char text[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes;
    int unit = 0;
    for (; n >= 1024 && unit < 4; unit++)
        n /= 1024;
    snprintf(text, 32, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

void report_begin(report *r, const options *o, size_t total)
{
    r->o = o;
    r->bar = (kt_progress){.label = "fetch", .total = total};
    if (!o->json)
        kt_progress_start(&r->bar);
}

static int say_json(json_t *value)
{
    kt_auto(kt_buffer) line = KT_BUFFER_INIT;
    int rc = value ? json_text_append(value, JSON_COMPACT, &line) : -ENOMEM;
    if (rc == 0)
        rc = kt_buffer_append(&line, "\n", 1);
    if (rc == 0)
        rc = say(&line);
    json_decref(value);
    return rc;
}

static int append_fields(const item *it, kt_buffer *line)
{
    int rc = 0;
    const char *name;
    json_t *value;
    json_object_foreach(it->fields, name, value) {
        kt_auto(kt_buffer) text = KT_BUFFER_INIT;
        if (rc == 0)
            rc = json_text_append(value, JSON_COMPACT, &text);
        if (rc == 0)
            rc = kt_buffer_append_string(line, "        ");
        if (rc == 0)
            rc = kt_terminal_safe(line, kt_slice_from(name));
        if (rc == 0)
            rc = kt_buffer_append_string(line, ": ");
        if (rc == 0)
            rc = kt_terminal_safe(line, (kt_slice){text.data, text.size});
        if (rc == 0)
            rc = kt_buffer_append_string(line, "\n");
    }
    return rc;
}

/* "200    1.2 KiB   0.05 s  http://..." or "timeout                    http://...: why" */
static int say_result(const item *it)
{
    kt_auto(kt_buffer) line = KT_BUFFER_INIT;
    char bytes[32];
    format_bytes(it->bytes, bytes);
    bool ok = it->cause == CAUSE_OK;
    int rc = it->status ? kt_buffer_printf(&line, "%-9d", it->status)
                        : kt_buffer_printf(&line, "%-9s", cause_name(it->cause));
    if (rc == 0)
        rc = kt_buffer_printf(&line, " %10s %7.2f s  ", bytes, (double)it->took / 1e9);
    if (rc == 0)
        rc = kt_terminal_safe(&line, kt_slice_from(it->url));
    if (rc == 0 && !ok)
        rc = kt_buffer_append_string(&line, ": ");
    if (rc == 0 && !ok)
        rc = kt_terminal_safe(&line, kt_slice_from(it->why ? it->why : cause_words(it->cause)));
    if (rc == 0)
        rc = kt_buffer_append_string(&line, "\n");
    if (rc == 0 && it->fields)
        rc = append_fields(it, &line);
    if (rc == 0)
        rc = say(&line);
    return rc;
}

void report_result(const item *it, void *arg)
{
    report *r = arg;
    if (r->silent)
        return;
    int rc = r->o->json ? say_json(record_of(it)) : r->o->quiet ? 0 : say_result(it);
    r->rc = r->rc < 0 ? r->rc : rc;
    if (!r->bar.running)
        return;
    if (r->known && *r->known > r->bar.total)
        kt_progress_total_set(&r->bar, *r->known); /* a page has led to more */
    kt_progress_add(&r->bar, 1);
}

void report_attempt(const item *it, unsigned number, const char *why, kt_time wait, void *arg)
{
    const report *r = arg;
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    if (r->silent || !r->o->verbose || kt_terminal_safe(&text, kt_slice_from(it->url)) < 0 ||
        kt_buffer_append_string(&text, ": ") < 0 || kt_terminal_safe(&text, kt_slice_from(why)) < 0)
        return;
    char again[48] = "";
    if (wait >= 0)
        snprintf(again, sizeof again, "; again in %g s", (double)wait / 1e9);
    if (kt_terminal_printf(STDERR_FILENO, "Attempt %u failed: %.*s%s\n", number, (int)text.size, text.data, again) < 0)
        return; /* nowhere to say it */
}

/* ---- The summary ------------------------------------------------------------------------------ */

/* NULL if there was no memory for a part of it. */
static json_t *whole(json_t *value, int rc)
{
    if (rc == 0)
        return value;
    json_decref(value);
    return NULL;
}

static json_t *json_of_workers(const engine *e, int stage)
{
    json_t *all = json_array();
    int rc = 0;
    for (unsigned i = 0; i < e->workers_count; i++) {
        const worker_figures *w = &e->workers[stage][i];
        rc |= json_array_append_new(all, json_pack("{s:I, s:I, s:f}", "ok", (json_int_t)w->ok, "failed",
                                                   (json_int_t)w->failed, "busy", (double)w->busy / 1e9));
    }
    return whole(all, rc);
}

static json_t *json_of_stages(const engine *e)
{
    json_t *all = json_array();
    int rc = 0;
    for (int i = 0; i < STAGES; i++) {
        const kt_stage *s = &e->stages[i];
        rc |= json_array_append_new(all, json_pack("{s:s, s:I, s:I, s:f, s:I, s:o}", "name", s->name, "taken",
                                                   (json_int_t)s->taken, "failed", (json_int_t)s->failed, "busy",
                                                   (double)s->busy / 1e9, "waiting_peak",
                                                   (json_int_t)s->waiting_peak, "workers", json_of_workers(e, i)));
    }
    return whole(all, rc);
}

static double ratio(kt_time a, kt_time b)
{
    return b > 0 ? (double)a / (double)b : 1;
}

static int end_json(const engine *e, kt_time sequential)
{
    const figures *f = &e->figures;
    json_t *causes = json_object();
    int rc = 0;
    for (int c = CAUSE_OK + 1; c < CAUSES; c++)
        if (f->by_cause[c] > 0)
            rc |= json_object_set_new(causes, cause_name((enum cause)c), json_integer((json_int_t)f->by_cause[c]));
    json_t *s = json_pack("{s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:i}", "total",
                          (json_int_t)f->total, "ok", (json_int_t)f->by_cause[CAUSE_OK], "failed",
                          (json_int_t)(f->total - f->by_cause[CAUSE_OK]), "causes", whole(causes, rc), "bytes",
                          (json_int_t)f->bytes, "attempts", (json_int_t)f->attempts, "duplicates",
                          (json_int_t)f->duplicates, "skipped", (json_int_t)f->skipped, "left_out",
                          (json_int_t)f->left_out, "seconds", (double)f->elapsed / 1e9, "seconds_alone",
                          (double)f->alone / 1e9, "speedup",
                          ratio(sequential ? sequential : f->alone, f->elapsed), "at_once", (int)f->at_once);
    if (sequential)
        rc |= json_object_set_new(s, "seconds_sequential", json_real((double)sequential / 1e9));
    if (e->o.pipeline)
        rc |= json_object_set_new(s, "stages", json_of_stages(e));
    else
        rc |= json_object_set_new(s, "workers", json_of_workers(e, 0));
    return say_json(json_pack("{s:o}", "summary", whole(s, rc)));
}

static void print_workers(const engine *e, int stage, const char *indent)
{
    for (unsigned i = 0; i < e->workers_count; i++) {
        const worker_figures *w = &e->workers[stage][i];
        printf("%sworker %u: %" PRIu64 " jobs, %" PRIu64 " ok, %" PRIu64 " failed, busy %.2f s\n", indent, i + 1,
               w->ok + w->failed, w->ok, w->failed, (double)w->busy / 1e9);
    }
}

static void print_stages(const engine *e)
{
    for (int i = 0; i < STAGES; i++) {
        const kt_stage *s = &e->stages[i];
        double seconds = (double)e->figures.elapsed / 1e9;
        printf("stage %-9s  %" PRIu64 " taken, %" PRIu64 " failed, %.1f/s, busy %.2f s, at most %zu in line\n", s->name,
               s->taken, s->failed, seconds > 0 ? (double)s->taken / seconds : 0, (double)s->busy / 1e9,
               s->waiting_peak);
        print_workers(e, i, "    ");
    }
}

int report_end(report *r, const engine *e, kt_time sequential)
{
    const figures *f = &e->figures;
    char bytes[32];
    kt_progress_end(&r->bar);
    if (r->o->json)
        return r->rc < 0 ? (void)end_json(e, sequential), r->rc : end_json(e, sequential);
    format_bytes(f->bytes, bytes);
    printf("total %" PRIu64 ", successful %" PRIu64 ", failed %" PRIu64 "\n", f->total, f->by_cause[CAUSE_OK],
           f->total - f->by_cause[CAUSE_OK]);
    for (int c = CAUSE_OK + 1; c < CAUSES; c++)
        if (f->by_cause[c] > 0)
            printf("    %s: %" PRIu64 "\n", cause_words((enum cause)c), f->by_cause[c]);
    if (f->duplicates || f->skipped || f->left_out)
        printf("left out: %" PRIu64 " given twice, %" PRIu64 " done before, %" PRIu64 " over --urls-max\n",
               f->duplicates, f->skipped, f->left_out);
    printf("%s in %.2f s, at most %u at once\n", bytes, (double)f->elapsed / 1e9, f->at_once);
    if (sequential)
        printf("sequential %.2f s, concurrent %.2f s: %.1f times as fast\n", (double)sequential / 1e9,
               (double)f->elapsed / 1e9, ratio(sequential, f->elapsed));
    else if (f->total > 1)
        printf("one after the other: %.2f s; %.1f times as fast\n", (double)f->alone / 1e9,
               ratio(f->alone, f->elapsed));
    if (e->o.pipeline)
        print_stages(e);
    else if (r->o->workers)
        print_workers(e, 0, "");
    return r->rc;
}
