/* SPDX-License-Identifier: MIT */
/* SmartNotes in C: notes into three formats at once, back again, from one folder into another, and found by words. A
 * program that does this links libkettle-notes. */
#include <kettle/kettle.h>
#include <kettle/notes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void tell(const kt_notes_progress *p, void *arg)
{
    (void)arg;
    if (p->rc < 0)
        printf("failed: %s\n", p->why);
    if (p->done == p->total)
        printf("%llu of %llu files are finished\n", (unsigned long long)p->done,
               (unsigned long long)p->total);
}

/* All in flight at once; one that fails does not keep the others. */
static int export_notes(void)
{
    const kt_slice tags[] = {kt_slice_from("python"), kt_slice_from("async")};
    const kt_note notes[] = {
        {.title = kt_slice_from("Python Basics"),
         .body = kt_slice_from("Variables and types."),
         .tags = tags,
         .tags_count = 1},
        {.title = kt_slice_from("Async Intro"),
         .body = kt_slice_from("Coroutines and await."),
         .tags = tags,
         .tags_count = 2},
        {.title = kt_slice_from("Commas, \"quotes\""),
         .body = kt_slice_from("Tags: none of these")},
        {.title = kt_slice_from("Not UTF-8"), .body = kt_slice_from("caf\xe9")},
    };
    kt_notes_summary s;
    const kt_notes_options o = {.progress = tell};
    ssize_t files = kt_notes_export(notes, 4, "out", &o, &s);
    if (files < 0)
        return (int)files;
    printf("%zd files written, %d failed\n", files, (int)s.failed);
    return 0;
}

/* One after the other, in the order of their names; others are read meanwhile. */
static int read_notes(kt_notebook *book)
{
    kt_auto(kt_note_reader) *r = NULL;
    kt_note_entry e;
    int rc = kt_note_reader_open(book, NULL, &r);
    while (rc >= 0 && (rc = kt_note_reader_next(r, &e)) == 1) {
        printf("%s.md: # %.*s,", e.name, (int)e.note.title.size, e.note.title.data);
        for (size_t i = 0; i < e.note.tags_count; i++)
            printf(" %.*s", (int)e.note.tags[i].size, e.note.tags[i].data);
        printf("\n");
    }
    return rc;
}

static int find(kt_notebook *book, const char *words)
{
    kt_auto(kt_note_hits) *hits = NULL;
    int rc = kt_notebook_search(book, words, 0, NULL, &hits);
    for (size_t i = 0; rc == 0 && i < hits->count; i++)
        printf("found: %s\n", hits->items[i].title);
    return rc;
}

static int run(void *arg)
{
    kt_auto(kt_notebook) *book = NULL;
    const char *python[] = {"python", NULL};
    const kt_note_filter filter = {.tags = python};
    const kt_notes_options tagged = {.filter = &filter};
    (void)arg;
    int rc = export_notes();
    if (rc == 0)
        rc = kt_notebook_open("notes", KT_NOTEBOOK_MAKE, &book);
    ssize_t n = rc < 0 ? rc : kt_notes_import("out/csv", book, NULL, NULL);
    if (n >= 0)
        printf("%zd notes came back from CSV\n", n);
    if (n >= 0)
        n = read_notes(book);
    if (n >= 0)
        n = find(book, "coroutines");
    if (n >= 0)
        n = kt_notes_pipeline("notes", "python", &tagged, NULL);
    if (n >= 0)
        printf("Pipeline complete: %zd notes processed\n", n);
    rc = kt_dir_remove_all("out");
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = kt_dir_remove_all(i ? "python" : "notes");
    return n < 0 ? (int)n : rc;
}

int main(void)
{
    char folder[] = "/tmp/kettle-notes-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) < 0)
        return 1;
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "notes: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rmdir(folder) < 0 || rc < 0;
}
