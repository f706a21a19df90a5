/* SPDX-License-Identifier: MIT */

/* kettle-notes search: the best notes for some words. */

#include <errno.h>

#include "program.h"

typedef struct options {
    filter_options filter;
    unsigned limit;
    kt_buffer query;
} options;

static const kt_setting table[] = {
    FILTER_ROWS(options),
    {KT_SETTING_INTEGER(options, limit, 1, 1000000), "limit", .standard = "20", .meta = "N",
     .help = "at most so many"},
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "kettle-notes search",
    .about = "Finds notes that hold at least one of the words, the best first. A word is found in "
             "any case, and at "
             "the beginning of longer words. Title counts more than tags, tags more than the body.",
    .arguments = "WORD...",
    .table = table,
};

/* The first line of the body that holds a word of the query, as far as it fits. */
static void print_line(const kt_note *n, const char *query)
{
    const char *body = n->body.data, *end = body + n->body.size;
    while (body < end) {
        const char *line_end = memchr(body, '\n', (size_t)(end - body));
        kt_slice line = {body, (size_t)((line_end ? line_end : end) - body)};
        for (const char *word = query; *word; word += strspn(word, " ")) {
            char text[64];
            size_t size = strcspn(word, " ");
            snprintf(text, sizeof text, "%.*s", (int)(size < 63 ? size : 63), word);
            const kt_note only = {.body = line};
            if (size > 0 && kt_note_passes(&only, &(kt_note_filter){.text = text})) {
                size_t width = terminal_width();
                line.size = kt_terminal_fit(line, width < SIZE_MAX ? width - 4 : 100);
                fputs("    ", stdout);
                print_safe(stdout, line, false);
                putchar('\n');
                return;
            }
            word += size;
        }
        body = line_end ? line_end + 1 : end;
    }
}

static void print_hit(kt_notebook *b, const kt_note_hit *h, const char *query)
{
    kt_auto(kt_note) n = KT_NOTE_INIT;
    printf("%s%6.2f%s  %s", dim(), h->score, plain(), bold());
    print_safe(stdout, kt_slice_from(h->title), false);
    printf("%s  ", plain());
    print_safe(stdout, kt_slice_from(h->name), false);
    putchar('\n');
    if (kt_notebook_get(b, h->name, &n) == 0)
        print_line(&n, query);
}

static int print_hits_json(const kt_note_hits *hits)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < hits->count; i++) {
        const kt_note_hit *h = &hits->items[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:f, s:o}", "name", h->name, "title", h->title,
                                        "score", h->score, "changed", json_of_time(h->changed)));
    }
    return print_json(json_pack("{s:I, s:I, s:o}", "found", (json_int_t)hits->found, "unreadable",
                                (json_int_t)hits->unreadable, "hits", list));
}

static int search(kt_notebook *b, void *arg)
{
    options *o = arg;
    kt_auto(kt_note_hits) *hits = NULL;
    kt_note_filter filter;
    int rc = filter_make(&o->filter, &filter);
    if (rc < 0)
        return rc;
    const char *query = kt_buffer_string(&o->query);
    rc = query ? kt_notebook_search(b, query, o->limit, &filter, &hits) : -ENOMEM;
    filter_release(&filter);
    if (rc < 0)
        return rc;
    if (common.json)
        return print_hits_json(hits);
    for (size_t i = 0; i < hits->count; i++)
        print_hit(b, &hits->items[i], query);
    if (hits->found > hits->count)
        printf("%s%zu more; see --limit%s\n", dim(), hits->found - hits->count, plain());
    if (hits->unreadable > 0)
        fprintf(stderr,
                "kettle-notes: %zu notes could not be read; 'kettle-notes stats' names them\n",
                hits->unreadable);
    return hits->unreadable > 0;
}

int command_search(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    options o = {0};
    int count, status = options_load(&spec, &o, argc, argv, &s);
    if (status >= 0)
        return status;
    char **words = kt_settings_rest(s, &count);
    if (count == 0)
        return usage_error(&spec, "search for which words?");
    o.query = (kt_buffer)KT_BUFFER_INIT;
    int rc = 0;
    for (int i = 0; rc == 0 && i < count; i++)
        rc = kt_buffer_printf(&o.query, "%s%s", i > 0 ? " " : "", words[i]);
    status = rc < 0 ? EXIT_FAILED : with_notebook(0, search, &o);
    kt_buffer_release(&o.query);
    return status;
}
