/* SPDX-License-Identifier: MIT */
/* Notes, on a simulated disk; and watched, on a real one. */
#include "../io/scratch.h"
#include "sweep.h"

#include <kettle/notes.h>
#include <kettle/test_disk.h>

static kt_test_disk *disk;
static kt_notebook *book;

static const kt_slice tags[] = {{"tea", 3}, {"hot", 3}};
static const kt_note green = {.title = {"Green Tea", 9},
                              .body = {"At 80 degrees.", 14},
                              .tags = tags,
                              .tags_count = 2,
                              .changed = KT_S(1)};

static void disk_put(const char *path, const char *text)
{
    sure(kt_test_disk_put(disk, path, kt_slice_from(text)));
}

static void book_found(void)
{
    disk = kt_test_disk_open(&(kt_test_disk_options){.whole = true});
    kt_test_disk_use(disk);
    disk_put("/n/a.md", "# Alpha\n\none\n\nTags: x, y\n");
    disk_put("/n/b.md", "# Beta\n\ntwo\n\nTags:\n");
    disk_put("/n/c.md", "three\n");
    sure(kt_notebook_open("n", 0, &book));
}

/* Nothing half-written is left, no descriptor; and the notebook goes on. */
static void book_lost(void)
{
    kt_auto(kt_buffer) list = KT_BUFFER_INIT;
    kt_auto(kt_note) n = KT_NOTE_INIT;
    sure(kt_test_disk_list(disk, &list));
    CHECK(!strstr(kt_buffer_string(&list), ".kettle"));
    sure(kt_notebook_get(book, "b", &n));
    kt_notebook_close(kt_steal(book));
    kt_test_disk_close(kt_steal(disk));
}

static bool is_on_disk(const char *path)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    return kt_test_disk_get(disk, path, &text) == 0;
}

/* An entry whose call is made in the subject, on the notebook. */
#define SWEEP_BOOK(symbol, flags, args) \
    static int does_##symbol(void *arg) \
    { \
        (void)arg; \
        return (int)SWEPT(symbol, args); \
    } \
    SWEEP(symbol, (flags)) \
    { \
        book_found(); \
        sweep_begin(does_##symbol, NULL); \
        (void)sweep_end(); \
        book_lost(); \
    }

#define BY_JOBS (SUSPENDS | ALLOCATES | WHOLE | SPARES | WINS)

/* ---- A note ---------------------------------------------------------------------------------- */

static kt_note_format format;
static char slug[KT_NOTE_SLUG_BYTES], time_text[KT_NOTE_TIME_BYTES];
static kt_time wall;

SWEEP(kt_note_check, PLAIN)
{
    sure(SWEPT(kt_note_check, (&green)));
}

SWEEP(kt_note_equal, PLAIN)
{
    CHECK(SWEPT(kt_note_equal, (&green, &green)));
}

SWEEP(kt_note_has_tag, PLAIN)
{
    CHECK(SWEPT(kt_note_has_tag, (&green, "hot")));
}

SWEEP(kt_note_slug, PLAIN)
{
    CHECK_EQ(SWEPT(kt_note_slug, (green.title, slug)), 9);
}

SWEEP(kt_note_format_name, PLAIN)
{
    CHECK_STR(SWEPT(kt_note_format_name, (KT_NOTE_CSV)), "csv");
}

SWEEP(kt_note_format_parse, PLAIN)
{
    sure(SWEPT(kt_note_format_parse, (kt_slice_from("csv"), &format)));
}

SWEEP(kt_note_time_format, PLAIN)
{
    CHECK_EQ(SWEPT(kt_note_time_format, (1, time_text)), 30);
}

SWEEP(kt_note_time_parse, PLAIN)
{
    sure(SWEPT(kt_note_time_parse, (kt_slice_from("2025-11-21"), &wall)));
}

SWEEP(kt_note_passes, PLAIN)
{
    CHECK(SWEPT(kt_note_passes, (&green, &(kt_note_filter){.text = "degrees"})));
}

static int copies(void *arg)
{
    return SWEPT(kt_note_copy, (&green, arg));
}

SWEEP(kt_note_copy, ALLOCATES)
{
    kt_auto(kt_note) n = KT_NOTE_INIT;
    (void)sweep_subject(copies, &n);
    CHECK(kt_note_equal(&n, &green));
}

SWEEP(kt_note_release, PLAIN)
{
    kt_note n = KT_NOTE_INIT;
    sure(kt_note_copy(&green, &n));
    SWEPT(kt_note_release, (&n));
}

static int writes(void *arg)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    return SWEPT(kt_note_write, (&green, *(kt_note_format *)arg, &out));
}

SWEEP(kt_note_write, ALLOCATES)
{
    kt_note_format f = KT_NOTE_MD;
    (void)sweep_subject(writes, &f);
}

SWEEP_AS(kt_note_write, as_csv, ALLOCATES)
{
    kt_note_format f = KT_NOTE_CSV;
    (void)sweep_subject(writes, &f);
}

SWEEP_AS(kt_note_write, as_html, ALLOCATES)
{
    kt_note_format f = KT_NOTE_HTML;
    (void)sweep_subject(writes, &f);
}

typedef struct reading {
    kt_note_format format;
    kt_buffer text;
} reading;

static int reads(void *arg)
{
    const reading *g = arg;
    kt_auto(kt_note) n = KT_NOTE_INIT;
    int rc = SWEPT(kt_note_read, (kt_buffer_slice(&g->text), g->format, &n));
    CHECK((rc < 0) == !n.storage);
    CHECK(rc < 0 || kt_note_equal(&n, &green));
    return rc;
}

static void reads_back(kt_note_format f)
{
    reading g = {f, KT_BUFFER_INIT};
    sure(kt_note_write(&green, f, &g.text));
    (void)sweep_subject(reads, &g);
    kt_buffer_release(&g.text);
}

SWEEP(kt_note_read, ALLOCATES)
{
    reads_back(KT_NOTE_MD);
}

SWEEP_AS(kt_note_read, of_csv, ALLOCATES)
{
    reads_back(KT_NOTE_CSV);
}

SWEEP_AS(kt_note_read, of_html, ALLOCATES)
{
    reads_back(KT_NOTE_HTML);
}

static int counts(kt_note *n, void *arg)
{
    (void)n;
    ++*(int *)arg;
    return 0;
}

static int reads_each(void *arg)
{
    (void)arg;
    int count = 0;
    ssize_t n =
        SWEPT(kt_note_read_each, (kt_slice_from("title\nA\nB\n"), KT_NOTE_CSV, counts, &count));
    CHECK(n < 0 || count == 2);
    return (int)n;
}

SWEEP(kt_note_read_each, ALLOCATES)
{
    (void)sweep_subject(reads_each, NULL);
}

/* ---- A notebook ------------------------------------------------------------------------------ */

static int opens(void *arg)
{
    (void)arg;
    kt_notebook *b = NULL;
    int rc = SWEPT(kt_notebook_open, ("x/y", KT_NOTEBOOK_MAKE, &b));
    CHECK((rc < 0) == !b);
    kt_notebook_close(b);
    return rc;
}

SWEEP(kt_notebook_open, BY_JOBS)
{
    book_found();
    sweep_begin(opens, NULL);
    (void)sweep_end();
    book_lost();
}

SWEEP(kt_notebook_folder, PLAIN)
{
    book_found();
    CHECK_STR(SWEPT(kt_notebook_folder, (book)), "n");
    book_lost();
}

SWEEP(kt_notebook_close, PLAIN)
{
    kt_notebook *b = NULL;
    book_found();
    sure(kt_notebook_open("n", 0, &b));
    SWEPT(kt_notebook_close, (b));
    book_lost();
}

static char name[KT_NOTE_NAME_BYTES];

SWEEP_BOOK(kt_notebook_add, BY_JOBS, (book, &green, name))
SWEEP_BOOK(kt_notebook_put, BY_JOBS, (book, "a", &green, 0))
SWEEP_BOOK(kt_notebook_find, BY_JOBS, (book, "Beta", name))

static int gets_note(void *arg)
{
    (void)arg;
    kt_auto(kt_note) n = KT_NOTE_INIT;
    int rc = SWEPT(kt_notebook_get, (book, "c", &n));
    CHECK((rc < 0) == !n.storage);
    return rc;
}

SWEEP(kt_notebook_get, BY_JOBS)
{
    book_found();
    sweep_begin(gets_note, NULL);
    (void)sweep_end();
    book_lost();
}

static int renames(void *arg)
{
    (void)arg;
    return SWEPT(kt_notebook_rename, (book, "a", kt_slice_from("Gamma"), name));
}

/* There is one note, or for a moment two; never none. A second try finds the old one. */
SWEEP(kt_notebook_rename, BY_JOBS)
{
    book_found();
    sweep_begin(renames, NULL);
    int rc = sweep_end();
    CHECK(is_on_disk("/n/a.md") || is_on_disk("/n/gamma.md"));
    CHECK(rc < 0 || !is_on_disk("/n/a.md"));
    book_lost();
}

static int removes(void *arg)
{
    (void)arg;
    return SWEPT(kt_notebook_remove, (book, "a"));
}

SWEEP(kt_notebook_remove, BY_JOBS)
{
    book_found();
    sweep_begin(removes, NULL);
    int rc = sweep_end();
    CHECK_EQ(rc < 0, is_on_disk("/n/a.md"));
    book_lost();
}

/* ---- All notes ------------------------------------------------------------------------------- */

static kt_note_reader *reader;

static int opens_reader(void *arg)
{
    (void)arg;
    int rc = SWEPT(kt_note_reader_open, (book, NULL, &reader));
    CHECK((rc < 0) == !reader);
    return rc;
}

SWEEP(kt_note_reader_open, BY_JOBS)
{
    book_found();
    sweep_begin(opens_reader, NULL);
    (void)sweep_end();
    kt_note_reader_close(kt_steal(reader));
    book_lost();
}

static int reads_next(void *arg)
{
    kt_note_entry e = {.name = NULL};
    (void)arg;
    return SWEPT(kt_note_reader_next, (reader, &e));
}

/* What a cancellation kept from being read comes at the next call. */
SWEEP(kt_note_reader_next, BY_JOBS)
{
    book_found();
    sure(kt_note_reader_open(book, NULL, &reader));
    sweep_begin(reads_next, NULL);
    int rc = sweep_end();
    kt_note_entry e;
    int left = 0, more;
    while ((more = kt_note_reader_next(reader, &e)) == 1)
        left++;
    sure(more);
    CHECK_EQ(left, rc == 1 ? 2 : 3);
    kt_note_reader_close(kt_steal(reader));
    book_lost();
}

SWEEP(kt_note_reader_total, PLAIN)
{
    book_found();
    sure(kt_note_reader_open(book, NULL, &reader));
    CHECK_EQ(SWEPT(kt_note_reader_total, (reader)), 3);
    kt_note_reader_close(kt_steal(reader));
    book_lost();
}

SWEEP(kt_note_reader_passed, PLAIN)
{
    book_found();
    sure(kt_note_reader_open(book, NULL, &reader));
    CHECK_EQ(SWEPT(kt_note_reader_passed, (reader)), 0);
    kt_note_reader_close(kt_steal(reader));
    book_lost();
}

static int closes_reader(void *arg)
{
    (void)arg;
    SWEPT(kt_note_reader_close, (kt_steal(reader)));
    return 0;
}

/* More names than a batch: others are being looked at, and, as they are folders, without memory. */
SWEEP(kt_note_reader_close, SUSPENDS | HOLDS)
{
    kt_note_entry e;
    book_found();
    for (int i = 0; i < 20; i++) {
        char path[24];
        snprintf(path, sizeof path, "/n/x%02d.md/y", i);
        disk_put(path, "# Note\n");
    }
    sure(kt_note_reader_open(book, NULL, &reader));
    CHECK_EQ(kt_note_reader_next(reader, &e), 1);
    sweep_begin(closes_reader, NULL);
    (void)sweep_end();
    book_lost();
}

/* ---- Many files ------------------------------------------------------------------------------ */

SWEEP_BOOK(kt_notes_export, BY_JOBS, (&green, 1, "out", NULL, NULL))
SWEEP_BOOK(kt_notebook_export, BY_JOBS, (book, "out", NULL, NULL))
SWEEP_BOOK(kt_notes_pipeline, BY_JOBS, ("n", "out", NULL, NULL))

static int imports(void *arg)
{
    (void)arg;
    return (int)SWEPT(kt_notes_import, ("in", book, NULL, NULL));
}

SWEEP(kt_notes_import, BY_JOBS)
{
    book_found();
    disk_put("/in/x.csv", "title,body\nX,x\nBeta,two\n");
    disk_put("/in/y.md", "# Y\n");
    sweep_begin(imports, NULL);
    (void)sweep_end();
    book_lost();
}

/* Ends, because its folder goes. */
static int watches(void *arg)
{
    int rc = SWEPT(kt_notebook_watch, (arg, "out", NULL, NULL, NULL));
    return rc == -ENOENT ? 0 : rc;
}

static int removes_folder(void *arg)
{
    (void)arg;
    int rc = -EAGAIN;
    turns(200);
    kt_cancel_hold();
    while (rc < 0 && rc != -ENOENT)
        rc = kt_dir_remove_all("n"); /* without memory, again */
    kt_cancel_unhold();
    return 0;
}

SWEEP(kt_notebook_watch, SUSPENDS | ALLOCATES | WHOLE | SPARES | WINS | TELLS | REAL)
{
    IN_SCRATCH;
    kt_auto(kt_notebook) *b = NULL;
    sure(kt_notebook_open("n", KT_NOTEBOOK_MAKE, &b));
    put("n/a.md", "# A\n");
    kt_task *end = spawn(removes_folder, NULL, 0);
    sweep_begin(watches, b);
    (void)sweep_end();
    (void)(kt_task_join(end) < 0);
    CHECK(scratch_count(&here) <= 2);
}

/* ---- Search and figures ---------------------------------------------------------------------- */

static int searches(void *arg)
{
    (void)arg;
    kt_note_hits *hits = NULL;
    int rc = SWEPT(kt_notebook_search, (book, "two x", 0, NULL, &hits));
    CHECK((rc < 0) == !hits);
    kt_note_hits_free(hits);
    return rc;
}

SWEEP(kt_notebook_search, BY_JOBS)
{
    book_found();
    sweep_begin(searches, NULL);
    (void)sweep_end();
    book_lost();
}

SWEEP(kt_note_hits_free, PLAIN)
{
    kt_note_hits *hits = NULL;
    book_found();
    sure(kt_notebook_search(book, "two", 0, NULL, &hits));
    SWEPT(kt_note_hits_free, (hits));
    book_lost();
}

static int gets_stats(void *arg)
{
    (void)arg;
    kt_auto(kt_notebook_stats) s = KT_NOTEBOOK_STATS_INIT;
    int rc = SWEPT(kt_notebook_stats_get, (book, NULL, &s));
    CHECK((rc < 0) == !s.storage);
    return rc;
}

SWEEP(kt_notebook_stats_get, BY_JOBS)
{
    book_found();
    sweep_begin(gets_stats, NULL);
    (void)sweep_end();
    book_lost();
}

SWEEP(kt_notebook_stats_release, PLAIN)
{
    kt_notebook_stats s = KT_NOTEBOOK_STATS_INIT;
    book_found();
    sure(kt_notebook_stats_get(book, NULL, &s));
    SWEPT(kt_notebook_stats_release, (&s));
    book_lost();
}
