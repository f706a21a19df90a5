/* SPDX-License-Identifier: MIT */
/* A chain of generators: one reads notes, one lets those with a tag through. A consumer that leaves
 * early closes the chain, from its end to its beginning, and each clean-up runs once. */
#include <kettle/kettle.h>
#include <stdio.h>

typedef struct note {
    const char *title, *tags;
} note;

static const note notes[] = {
    {"Async Intro", "python, async"},
    {"Shopping", "home"},
    {"CLI Tools", "python, cli"},
    {"Python Basics", "python"},
};

static int read_notes(void *arg)
{
    (void)arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof notes / sizeof notes[0]; i++) {
        rc = kt_sleep(KT_MS(100)); /* a slow disk */
        if (rc == 0)
            rc = kt_yield(&notes[i]);
    }
    printf("  reader cleans up: %s\n", rc < 0 ? kt_strerror(rc) : "at the end");
    return rc;
}

KT_FN(filter_by_tag, a, struct { const char *tag; })
{
    note n;
    kt_auto(kt_generator) source = KT_GENERATOR_INIT(note); /* closed with this one */
    int rc = kt_generator_start(&source, read_notes, NULL, 0);
    while (rc >= 0 && (rc = kt_next(&source, &n)) == 1)
        if (strstr(n.tags, a->tag))
            rc = kt_yield(&n);
    printf("  filter cleans up: %s\n", rc < 0 ? kt_strerror(rc) : "at the end");
    return rc;
}

static int print_notes(const char *tag, int most)
{
    note n;
    kt_auto(kt_generator) chosen = KT_GENERATOR_INIT(note);
    int count = 0, rc = kt_generator_start(&chosen, KT_WITH(filter_by_tag, tag));
    while (rc >= 0 && count < most && (rc = kt_next(&chosen, &n)) == 1) {
        printf("%s\n", n.title);
        count++;
    }
    return rc < 0 ? rc : 0; /* breaking out early closes both */
}

static int run(void *arg)
{
    (void)arg;
    int rc = print_notes("python", 10);
    if (rc < 0)
        return rc;
    printf("only one:\n");
    return print_notes("python", 1);
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "filter_by_tag: %s\n", kt_strerror(rc));
    return rc < 0;
}
