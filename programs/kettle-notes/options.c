/* SPDX-License-Identifier: MIT */

/* Values on the command line, and the loop in which a command works. */

#include <errno.h>
#include <stdarg.h>

#include "program.h"

common_options common;
kt_settings *common_settings;

int options_load(const kt_settings_spec *spec, void *values, int argc, char **argv,
                 kt_settings **ret_settings)
{
    kt_settings *s = NULL;
    int rc = kt_settings_new(spec, values, common_settings, &s);
    if (rc == 0)
        rc = kt_settings_load(s, argc, argv);
    if (rc == 0) {
        *ret_settings = s;
        return -1;
    }
    fputs(kt_settings_text(s), rc < 0 ? stderr : stdout);
    kt_settings_free(s);
    return rc < 0 ? EXIT_USAGE : EXIT_DONE;
}

int usage_error(const kt_settings_spec *spec, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s: ", spec->program);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry '%s --help'.\n", spec->program);
    return EXIT_USAGE;
}

/* ---- Which notes -------------------------------------------------------------------------- */

const char *check_time(const char *value)
{
    kt_time wall;
    return kt_note_time_parse(kt_slice_from(value), &wall) < 0
               ? "no time as 2026-11-21 or 2026-11-21T02:41"
               : NULL;
}

int filter_make(const filter_options *o, kt_note_filter *ret_filter)
{
    const char **tags = kt_calloc(o->tags.count + 1, sizeof *tags);
    kt_note_filter f = {.tags = tags, .text = o->text};
    if (!tags)
        return -ENOMEM;
    for (size_t i = 0; i < o->tags.count; i++)
        tags[i] = o->tags.items[i];
    /* Both were checked as the options were read. */
    if ((o->since && kt_note_time_parse(kt_slice_from(o->since), &f.since) < 0) ||
        (o->until && kt_note_time_parse(kt_slice_from(o->until), &f.until) < 0)) {
        kt_free(tags);
        return KT_EVALIDATION;
    }
    *ret_filter = f;
    return 0;
}

void filter_release(kt_note_filter *f)
{
    kt_free((void *)f->tags);
    f->tags = NULL;
}

/* ---- The loop ----------------------------------------------------------------------------- */

typedef struct work {
    bool wants_notebook;
    unsigned flags;
    int (*fn)(kt_notebook *b, void *arg);
    void *arg;
} work;

static int run(void *arg)
{
    const work *w = arg;
    kt_auto(kt_notebook) *b = NULL;
    int rc = w->wants_notebook ? kt_notebook_open(common.notebook, w->flags, &b) : 0;
    if (rc == 0)
        rc = w->fn(b, w->arg);
    if (rc < 0 && !kt_is_cancel(rc))
        complain(rc);
    return rc;
}

static int run_work(work *w)
{
    int rc = kt_run(run, w, 0);
    return rc == -EINTR ? EXIT_INTERRUPTED : rc == 0 ? EXIT_DONE : EXIT_FAILED;
}

int with_notebook(unsigned flags, int (*fn)(kt_notebook *b, void *arg), void *arg)
{
    return run_work(&(work){true, flags, fn, arg});
}

int with_loop(int (*fn)(kt_notebook *b, void *arg), void *arg)
{
    return run_work(&(work){false, 0, fn, arg});
}
