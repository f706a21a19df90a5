/* SPDX-License-Identifier: MIT */
#include "faulty_disk.h"

enum { MANY = 500 };

typedef struct names {
    char text[MANY][16];
} names;

static void name_all(names *n)
{
    for (int i = 0; i < MANY; i++)
        snprintf(n->text[i], sizeof n->text[i], "%d.txt", i);
}

static void fill_items(kt_file_write_item *items, const names *n)
{
    for (int i = 0; i < MANY; i++)
        items[i] = (kt_file_write_item){.path = n->text[i], .content = kt_slice_from(n->text[i])};
}

static void check_written(const names *n)
{
    for (int i = 0; i < MANY; i++)
        CHECK_STR(got(n->text[i]), n->text[i]);
}

static void write_and_read_all(const kt_file_batch_options *options)
{
    static names n;
    static kt_file_write_item out[MANY];
    static kt_file_read_item in[MANY];
    IN_SCRATCH;
    name_all(&n);
    fill_items(out, &n);
    CHECK_OK(kt_file_write_batch(out, MANY, options));
    check_written(&n);
    CHECK_EQ(scratch_count(&here), MANY);
    for (int i = 0; i < MANY; i++)
        in[i] = (kt_file_read_item){.path = n.text[i]};
    CHECK_OK(kt_file_read_batch(in, MANY, options));
    for (int i = 0; i < MANY; i++) {
        CHECK_SLICE(kt_buffer_slice(&in[i].content), n.text[i]);
        CHECK_EQ(in[i].rc, 0);
        kt_buffer_release(&in[i].content);
    }
}

TEST(many_files_are_written_and_read)
{
    write_and_read_all(NULL);
}

TEST(many_files_are_replaced_by_one_worker_or_several)
{
    write_and_read_all(&(kt_file_batch_options){.replace = true, .write = {.no_sync = true}});
    write_and_read_all(&(kt_file_batch_options){.replace = true, .workers = 1, .write = {.no_sync = true}});
    write_and_read_all(&(kt_file_batch_options){.workers = 20, .text = true});
}

TEST(times_of_change_are_given_and_told)
{
    IN_SCRATCH;
    kt_file_write_item out[] = {
        {.path = "a", .changed = KT_S(1763692891) + 5},
        {.path = "b"},
        {.path = "c", .changed = -1},
    };
    kt_file_read_item in[] = {{.path = "a"}, {.path = "b"}, {.path = "c"}};
    CHECK_OK(kt_file_write_batch(out, 3, &(kt_file_batch_options){.replace = true, .write.changed = KT_S(7)}));
    CHECK_OK(kt_file_read_batch(in, 3, NULL));
    CHECK_EQ(in[0].changed, KT_S(1763692891) + 5);
    CHECK_EQ(in[1].changed, KT_S(7));
    CHECK_EQ(in[2].changed, -1);
    CHECK_OK(kt_file_replace("a", "x", 1, NULL));
    CHECK_OK(kt_file_read_batch(in, 1, NULL));
    CHECK_GT(in[0].changed, KT_S(1763692891) + 5); /* now */
    for (int i = 0; i < 3; i++)
        kt_buffer_release(&in[i].content);
}

TEST(no_files_are_no_work)
{
    CHECK_OK(kt_file_read_batch(NULL, 0, NULL));
    CHECK_OK(kt_file_write_batch(NULL, 0, NULL));
}

TEST(an_item_that_fails_says_why_and_the_rest_goes_on)
{
    IN_SCRATCH;
    put("a", "one");
    put("b", "caf\xe9\n");
    put("c", "three");
    kt_file_read_item items[] = {{.path = "a"}, {.path = "b"}, {.path = "none"}, {.path = "c", .size_max = 4},
                                 {.path = "."}, {.path = "c"}};
    CHECK_ERR(kt_file_read_batch(items, 6, &(kt_file_batch_options){.text = true}), -EILSEQ);
    CHECK_STR(kt_error_detail(), "b:1: not UTF-8 (byte 3)");
    const int expected[] = {0, -EILSEQ, -ENOENT, KT_ELIMIT, -EISDIR, 0};
    const char *at[] = {NULL, "read", "open", "read", "read", NULL};
    for (int i = 0; i < 6; i++) {
        CHECK_ERR(items[i].rc, expected[i]);
        CHECK_STR(items[i].failed_at, at[i]);
        CHECK_EQ(items[i].content.size, expected[i] == 0 ? strlen(got(items[i].path)) : 0);
        kt_buffer_release(&items[i].content);
    }
    kt_file_write_item out[] = {{.path = "d", .content = {"4", 1}}, {.path = "none/e", .content = {"5", 1}}};
    CHECK_ERR(kt_file_write_batch(out, 2, NULL), -ENOENT);
    CHECK_STR(kt_error_detail(), "open none/e: No such file or directory");
    CHECK_STR(got("d"), "4");
}

TEST(a_batch_of_large_files_goes_in_trips)
{
    enum { COUNT = 3, BYTES = 5 * 1000 * 1000 };
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    char *bytes = kt_alloc(BYTES);
    kt_file_write_item items[COUNT];
    char paths[COUNT][8];
    memset(bytes, 'x', BYTES);
    for (int i = 0; i < COUNT; i++) {
        snprintf(paths[i], sizeof paths[i], "%d", i);
        items[i] = (kt_file_write_item){.path = paths[i], .content = {bytes, BYTES - (size_t)i}};
    }
    CHECK_OK(kt_file_write_batch(items, COUNT, &(kt_file_batch_options){.replace = true}));
    CHECK_EQ(disk->calls[ON_WRITE], 2 * COUNT);
    for (int i = 0; i < COUNT; i++) {
        struct stat st;
        CHECK_EQ(stat(paths[i], &st), 0);
        CHECK_EQ(st.st_size, BYTES - i);
    }
    kt_free(bytes);
}

/* ---- Who is told, and who stops -------------------------------------------------------------- */

typedef struct telling {
    int count;
    bool seen[MANY];
    kt_task *cancels; /* at the first, or NULL */
} telling;

static void note(size_t index, void *arg)
{
    telling *t = arg;
    CHECK(!t->seen[index]);
    t->seen[index] = true;
    if (t->count++ == 0 && t->cancels)
        kt_task_cancel(t->cancels);
}

TEST(everybody_hears_of_each_item_once)
{
    static names n;
    static kt_file_write_item items[MANY];
    static telling t;
    IN_SCRATCH;
    name_all(&n);
    n.text[7][0] = '/'; /* cannot be made */
    n.text[7][1] = '\0';
    fill_items(items, &n);
    CHECK_ERR(kt_file_write_batch(items, MANY, &(kt_file_batch_options){.on_item = note, .arg = &t}), -EISDIR);
    CHECK_EQ(t.count, MANY);
}

static int write_all(void *arg)
{
    static names n;
    static kt_file_write_item items[MANY];
    telling *t = arg;
    name_all(&n);
    fill_items(items, &n);
    t->cancels = kt_task_current();
    int rc = kt_file_write_batch(items, MANY,
                                 &(kt_file_batch_options){.on_item = note, .arg = t, .replace = true, .workers = 3});
    CHECK_ERR(rc, KT_ECANCELED);
    for (int i = 0; i < MANY; i++) {
        CHECK(items[i].rc == 0 || items[i].rc == KT_ECANCELED);
        CHECK_STR(got(items[i].path), items[i].rc == 0 ? items[i].path : NULL);
    }
    return rc;
}

TEST(a_cancelled_batch_says_what_was_not_done)
{
    static telling t;
    IN_SCRATCH;
    kt_task *task = NULL;
    CHECK_OK(kt_spawn(write_all, &t, 0, &task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    int there = scratch_count(&here); /* and no neighbours */
    CHECK_GT(there, 0);
    CHECK_LT(there, MANY);
}

/* ---- Failures of the disk -------------------------------------------------------------------- */

static int replaces_two(void *arg)
{
    (void)arg;
    kt_file_write_item items[] = {{.path = "a", .content = {"1", 1}}, {.path = "b", .content = {"2", 1}}};
    int rc = kt_file_write_batch(items, 2, &(kt_file_batch_options){.replace = true, .workers = 1});
    CHECK_ERR(rc, items[0].rc < 0 ? items[0].rc : items[1].rc);
    return rc;
}

/* A file that is not there is made; a taken name gives way to another; syncing a directory may be impossible; closing
 * one says nothing. */
static bool of_two(fault_kind kind, int nth, int error, int rc)
{
    bool harmless = (kind == ON_STAT && error == ENOENT) || (kind == ON_OPEN && nth % 2 == 0 && error == EEXIST) ||
                    (kind == ON_SYNC && nth % 2 == 0 && error == EINVAL) || (kind == ON_CLOSE && nth % 2 == 0);
    return harmless && rc == 0;
}

TEST(every_failure_in_a_batch_reaches_its_item)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    CHECK_OK(replaces_two(NULL));
    CHECK_GE(faulty_each(disk, replaces_two, NULL, of_two), 20);
    CHECK_EQ(scratch_count(&here), 2);
}

TEST(no_more_files_are_open_than_there_are_workers)
{
    IN_SCRATCH;
    static names n;
    static kt_file_write_item items[MANY];
    kt_auto(faulty) *disk = faulty_install();
    name_all(&n);
    fill_items(items, &n);
    kt_file_batch_options options = {.workers = 3, .replace = true, .write = {.no_sync = true}};
    CHECK_OK(kt_file_write_batch(items, MANY, &options));
    CHECK_LE(disk->open_most, 2 * 3);
    options.replace = false;
    disk->open_most = 0;
    CHECK_OK(kt_file_write_batch(items, MANY, &options));
    CHECK_LE(disk->open_most, 3);
    CHECK_EQ(disk->calls[ON_OPEN], 3 * MANY);
}

TEST(helpers_that_cannot_be_made_are_done_without)
{
    IN_SCRATCH;
    static names n;
    static kt_file_write_item items[MANY];
    name_all(&n);
    fill_items(items, &n);
    CHECK_OK(kt_file_write_batch(items, 1, NULL)); /* the pool is there */
    for (uint64_t nth = 1; nth <= 3; nth++) {
        kt_test_fail_allocation(nth);
        CHECK_OK(kt_file_write_batch(items, MANY, &(kt_file_batch_options){.workers = 4}));
        CHECK(kt_test_allocation_failed());
        kt_test_fail_allocation(0);
    }
    check_written(&n);
}
