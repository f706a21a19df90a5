/* SPDX-License-Identifier: MIT */

/* Exports notes as Markdown, JSON and CSV, and tells how long it took, as JSON: seconds of the clock and of CPU.
 *
 * usage: notes_export FOLDER NOTES IN_FLIGHT */

#include <kettle/kettle.h>
#include <kettle/notes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

typedef struct job {
    const char *folder;
    size_t count;
    kt_notes_options options;
    kt_note *notes;
    kt_notes_summary summary;
} job;

static int make_notes(job *j)
{
    const kt_slice tags[] = {kt_slice_from("test")};
    j->notes = kt_calloc(j->count, sizeof *j->notes);
    int rc = j->notes ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < j->count; i++) {
        char title[32], body[64];
        snprintf(title, sizeof title, "Note %zu", i);
        snprintf(body, sizeof body, "Body for note %zu", i);
        const kt_note n = {.title = kt_slice_from(title),
                           .body = kt_slice_from(body),
                           .tags = tags,
                           .tags_count = 1};
        rc = kt_note_copy(&n, &j->notes[i]);
    }
    return rc;
}

static int run(void *arg)
{
    job *j = arg;
    ssize_t files = kt_notes_export(j->notes, j->count, j->folder, &j->options, &j->summary);
    return files < 0 ? (int)files : 0;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    job j = {.folder = argv[1], .count = strtoul(argv[2], NULL, 10)};
    j.options.in_flight = (unsigned)strtoul(argv[3], NULL, 10);
    if (make_notes(&j) < 0)
        return 1;
    double before = cpu_seconds();
    int rc = kt_run(run, &j, 0);
    if (rc < 0 || j.summary.failed > 0)
        return 1;
    printf("{\"files\": %d, \"seconds\": %.9f, \"cpu\": %.9f}\n", (int)j.summary.files,
           (double)j.summary.duration / 1e9, cpu_seconds() - before);
    for (size_t i = 0; i < j.count; i++)
        kt_note_release(&j.notes[i]);
    kt_free(j.notes);
    return 0;
}
