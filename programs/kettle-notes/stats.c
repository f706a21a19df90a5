/* SPDX-License-Identifier: MIT */

/* kettle-notes tags and stats. */

#include <inttypes.h>

#include "program.h"

static const kt_setting no_options[] = {{.name = NULL}};

static const kt_settings_spec tags_spec = {
    .program = "kettle-notes tags",
    .about = "All tags, the most used first.",
    .table = no_options,
};

static const kt_settings_spec stats_spec = {
    .program = "kettle-notes stats",
    .about = "Figures of the notebook; and which notes cannot be read.",
    .table = no_options,
};

/* ---- tags --------------------------------------------------------------------------------- */

static json_t *json_of_counts(const kt_notebook_stats *s)
{
    json_t *tags = json_array();
    for (size_t i = 0; i < s->tags_count; i++)
        json_array_append_new(tags, json_pack("{s:s, s:I}", "tag", s->tags[i].tag, "notes",
                                              (json_int_t)s->tags[i].notes));
    return tags;
}

static int tags(kt_notebook *b, void *arg)
{
    kt_auto(kt_notebook_stats) s = KT_NOTEBOOK_STATS_INIT;
    (void)arg;
    int rc = kt_notebook_stats_get(b, NULL, &s);
    if (rc < 0)
        return rc;
    if (common.json)
        return print_json(json_of_counts(&s));
    for (size_t i = 0; i < s.tags_count; i++) {
        printf("%6zu  ", s.tags[i].notes);
        print_safe(stdout, kt_slice_from(s.tags[i].tag), false);
        putchar('\n');
    }
    return 0;
}

int command_tags(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    int status = options_load(&tags_spec, NULL, argc, argv, &s);
    return status >= 0 ? status : with_notebook(0, tags, NULL);
}

/* ---- stats -------------------------------------------------------------------------------- */

/* Reads all once more, to name those. */
static int name_unreadable(kt_notebook *b)
{
    kt_auto(kt_note_reader) *r = NULL;
    kt_note_entry e;
    int rc = kt_note_reader_open(b, NULL, &r);
    while (rc >= 0 && (rc = kt_note_reader_next(r, &e)) == 1) {
        if (e.rc == 0)
            continue;
        (void)kt_error_set(e.rc, "%s", e.why);
        complain(e.rc);
    }
    return rc < 0 ? rc : 1;
}

static void print_stats(const kt_notebook_stats *s)
{
    printf("Notes       %zu\n", s->notes);
    if (s->unreadable > 0)
        printf("Unreadable  %zu\n", s->unreadable);
    printf("Words       %" PRIu64 "\nBytes       %" PRIu64 "\n", s->words, s->bytes);
    printf("Tags        %zu, and %zu notes without\n", s->tags_count, s->untagged);
    if (s->notes > 0) {
        fputs("Oldest      ", stdout);
        print_time(stdout, s->oldest);
        fputs("\nNewest      ", stdout);
        print_time(stdout, s->newest);
        putchar('\n');
    }
}

static int stats(kt_notebook *b, void *arg)
{
    kt_auto(kt_notebook_stats) s = KT_NOTEBOOK_STATS_INIT;
    (void)arg;
    int rc = kt_notebook_stats_get(b, NULL, &s);
    if (rc == 0 && common.json)
        rc = print_json(json_pack(
            "{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I}", "notes", (json_int_t)s.notes, "unreadable",
            (json_int_t)s.unreadable, "words", (json_int_t)s.words, "bytes", (json_int_t)s.bytes,
            "oldest", json_of_time(s.oldest), "newest", json_of_time(s.newest), "tags",
            json_of_counts(&s), "untagged", (json_int_t)s.untagged));
    else if (rc == 0)
        print_stats(&s);
    return rc < 0 || s.unreadable == 0 ? rc : name_unreadable(b);
}

int command_stats(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    int status = options_load(&stats_spec, NULL, argc, argv, &s);
    return status >= 0 ? status : with_notebook(0, stats, NULL);
}
