/* SPDX-License-Identifier: MIT */
/* Records in files: what an earlier run has left, whole or cut, and what becomes of it. */
#include <kettle/dir.h>
#include <kettle/kettle.h>
#include <kettle/memory.h>
#include <kettle/temp.h>
#include <kettle/test.h>
#include <records.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_text.h"

enum { PAGES = 3 };

static kt_slice page(int n)
{
    static char text[PAGES + 1][32];
    snprintf(text[n], sizeof text[n], "http://a.example/%d", n);
    return kt_slice_from(text[n]);
}

static void add(records *r, int n, enum cause cause)
{
    const item it = {.url = (char *)page(n).data, .cause = cause, .status = 200};
    CHECK_OK(records_add(r, &it));
}

static void read_file(const char *path, kt_buffer *text)
{
    kt_buffer_clear(text);
    CHECK_OK(kt_file_read_whole(path, 0, text));
}

static void write_file(const char *path, const char *bytes, size_t size)
{
    CHECK_OK(kt_file_write_whole(path, bytes, size, NULL));
}

/* It is a list, of so many. */
static void check_list(const char *path, size_t count)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    json_t *list = NULL;
    read_file(path, &text);
    CHECK_OK(json_text_parse(kt_buffer_slice(&text), 0, RECORD_DEPTH_MAX, &list));
    CHECK(json_is_array(list));
    CHECK_EQ(json_array_size(list), count);
    json_decref(list);
}

static void write_list(const char *path, int count)
{
    records *r = NULL;
    CHECK_OK(records_open(path, false, NULL, 0, &r));
    check_list(path, 0);
    for (int i = 0; i < count; i++) {
        add(r, i, CAUSE_OK);
        check_list(path, (size_t)i + 1); /* already */
    }
    CHECK_OK(records_close(r));
    check_list(path, (size_t)count);
}

/* How many of the pages are known to be done, from the first on; another one is done, and the list is one. */
static int resume_list(const char *path)
{
    records *r = NULL;
    int known = 0;
    CHECK_OK(records_open(path, true, NULL, 0, &r));
    while (known < PAGES && records_has(r, page(known)))
        known++;
    for (int i = known; i < PAGES; i++)
        CHECK(!records_has(r, page(i)));
    check_list(path, (size_t)known);
    add(r, PAGES, CAUSE_OK);
    CHECK_OK(records_close(r));
    check_list(path, (size_t)known + 1);
    return known;
}

typedef struct place {
    kt_temp_dir *folder;
    char path[300];
} place;

static void place_open(place *p, const char *name)
{
    CHECK_OK(kt_temp_dir_make(NULL, "records-", &p->folder));
    snprintf(p->path, sizeof p->path, "%s/%s", kt_temp_dir_path(p->folder), name);
}

static int lines_of(const char *bytes, size_t size)
{
    int lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    return lines;
}

TEST(a_list_that_was_cut_anywhere_goes_on_with_its_whole_records)
{
    kt_auto(kt_buffer) whole = KT_BUFFER_INIT;
    place p;
    place_open(&p, "r.json");
    write_list(p.path, PAGES);
    read_file(p.path, &whole);
    for (size_t size = 2; size <= whole.size; size++) {
        int lines = lines_of(whole.data, size) - 1; /* that with the bracket is none of a record */
        write_file(p.path, whole.data, size);
        CHECK_EQ(resume_list(p.path), lines < PAGES ? lines : PAGES);
    }
    kt_temp_dir_remove(p.folder);
}

/* A record takes the place of the bracket: its first bytes may be there, and behind them what was. */
TEST(a_list_that_a_crash_has_left_in_the_middle_of_a_record_goes_on)
{
    kt_auto(kt_buffer) before = KT_BUFFER_INIT, after = KT_BUFFER_INIT;
    place p;
    place_open(&p, "r.json");
    for (int count = 0; count < PAGES; count++) {
        write_list(p.path, count);
        read_file(p.path, &before);
        write_list(p.path, count + 1);
        read_file(p.path, &after);
        for (size_t n = before.size - 2; n <= after.size; n++) {
            char bytes[2048];
            size_t size = n > before.size ? n : before.size;
            CHECK_LE(size, sizeof bytes);
            memcpy(bytes, before.data, before.size);
            memcpy(bytes, after.data, n);
            write_file(p.path, bytes, size);
            CHECK_EQ(resume_list(p.path), n >= after.size - 2 ? count + 1 : count);
        }
    }
    kt_temp_dir_remove(p.folder);
}

TEST(a_list_that_others_have_written_anew_goes_on)
{
    static const char pretty[] = "[\n  {\n    \"url\": \"http://a.example/0\",\n    \"ok\": true\n  },\n"
                                 "  {\"url\": \"http://a.example/1\", \"ok\": false}\n]";
    place p;
    place_open(&p, "r.json");
    write_file(p.path, pretty, sizeof pretty - 1);
    CHECK_EQ(resume_list(p.path), 1);
    write_file(p.path, " []", 3);
    CHECK_EQ(resume_list(p.path), 0);
    write_file(p.path, "", 0);
    CHECK_EQ(resume_list(p.path), 0);
    kt_temp_dir_remove(p.folder);
}

TEST(what_is_no_list_of_records_is_left_alone)
{
    static const char *const texts[] = {
        "mine",
        "{\"url\": \"http://a.example/0\"}",
        "[1]",
        "[{\"ok\": true}]",
        "[\nmine",
        "[\n\n",
        "[\n,mine\n]\n",
        "[\n,\n,\n",
        "[\n  {\n    \"url\": \"http://a.example/0\",",
        "[\n {\"ok\":true}\n,{\"ur",
        "[\n {\"url\":\"u\",\"ok\":true}\nmine",
        "[\n {\"url\":\"u\",\"ok\":true}\n\n,{",
        "\n[\n {\"url\":\"u\",\"ok\":true}\n",
    };
    kt_auto(kt_buffer) left = KT_BUFFER_INIT;
    place p;
    place_open(&p, "r.json");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        records *r = NULL;
        kt_test_say("text %zu", i);
        write_file(p.path, texts[i], strlen(texts[i]));
        CHECK_ERR(records_open(p.path, true, NULL, 0, &r), KT_EVALIDATION);
        CHECK(strstr(kt_error_detail(), "/r.json holds"));
        read_file(p.path, &left);
        CHECK_SLICE(kt_buffer_slice(&left), texts[i]);
    }
    kt_temp_dir_remove(p.folder);
}

TEST(without_resume_a_list_begins_anew)
{
    place p;
    place_open(&p, "r.json");
    write_file(p.path, "mine", 4);
    write_list(p.path, 1);
    write_list(p.path, 0);
    kt_temp_dir_remove(p.folder);
}

KT_FN(adds, a, struct { records *r; int n; })
{
    add(a->r, a->n, CAUSE_OK);
    return 0;
}

TEST(records_that_come_at_once_stand_one_behind_the_other)
{
    place p;
    records *r = NULL;
    place_open(&p, "r.json");
    CHECK_OK(records_open(p.path, false, NULL, 0, &r));
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        for (int i = 0; i < 20; i++)
            CHECK_OK(kt_group_spawn(&g, KT_WITH(adds, .r = r, .n = i % PAGES)));
        CHECK_OK(kt_group_join(&g, 0));
    }
    CHECK_OK(records_close(r));
    check_list(p.path, 20);
    kt_temp_dir_remove(p.folder);
}

/* The lines of a file that have this in them. */
static int count_lines(const char *path, const char *what)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int count = 0;
    read_file(path, &text);
    char *rest = (char *)kt_buffer_string(&text);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        count += strstr(line, what) != NULL;
    return count;
}

static void add_again(const char *path, bool killed)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    records *r = NULL;
    CHECK_OK(records_open(path, true, NULL, 0, &r));
    add(r, 0, CAUSE_OK);
    add(r, 1, CAUSE_LOST); /* what is known of it is better */
    add(r, PAGES, CAUSE_LOST);
    read_file(path, &text);
    CHECK_OK(records_close(r));
    if (killed)
        write_file(path, text.data, text.size);
}

TEST(what_is_done_again_has_one_record_in_the_end)
{
    static const char *const names[] = {"r.json", "r.jsonl"};
    for (int i = 0; i < 4; i++) {
        place p;
        records *r = NULL;
        bool killed = i % 2;
        place_open(&p, names[i / 2]);
        CHECK_OK(records_open(p.path, false, NULL, 0, &r));
        for (int n = 0; n < 2; n++)
            add(r, n, CAUSE_OK);
        CHECK_OK(records_close(r));
        add_again(p.path, killed);
        CHECK_EQ(count_lines(p.path, page(0).data), killed ? 2 : 1);
        CHECK_EQ(count_lines(p.path, "lost"), 1); /* not that of the second page */
        CHECK_OK(records_open(p.path, true, NULL, 0, &r));
        CHECK(records_has(r, page(0)) && records_has(r, page(1)) && !records_has(r, page(PAGES)));
        CHECK_EQ(count_lines(p.path, page(0).data), 1);
        CHECK_EQ(count_lines(p.path, page(1).data), 1);
        CHECK_EQ(count_lines(p.path, "lost"), 0);
        CHECK_OK(records_close(r));
        if (i < 2)
            check_list(p.path, 2);
        kt_temp_dir_remove(p.folder);
    }
}

static void add_field(records *r, int n, const char *text)
{
    json_t *fields = json_pack("{s:s}", "text", text);
    const item it = {.url = (char *)page(n).data, .cause = CAUSE_OK, .status = 200, .fields = fields};
    CHECK_OK(records_add(r, &it));
    json_decref(fields);
}

TEST(rows_of_csv_that_were_cut_anywhere_go_on_with_those_that_are_whole)
{
    static extract names[] = {{.name = (char *)"text"}};
    kt_auto(kt_buffer) whole = KT_BUFFER_INIT, kept = KT_BUFFER_INIT;
    size_t ends[PAGES + 1];
    place p;
    records *r = NULL;
    place_open(&p, "r.csv");
    CHECK_OK(records_open(p.path, false, names, 1, &r));
    for (int n = 0; n <= PAGES; n++) {
        read_file(p.path, &whole);
        ends[n] = whole.size;
        if (n < PAGES)
            add_field(r, n, "lines\nand \"quotes\"\r\n, and \n\n");
    }
    CHECK_OK(records_close(r));
    for (size_t size = ends[0]; size <= whole.size; size++) {
        size_t known = 0;
        write_file(p.path, whole.data, size);
        CHECK_OK(records_open(p.path, true, names, 1, &r));
        while (known < PAGES && records_has(r, page((int)known)))
            known++;
        read_file(p.path, &kept);
        CHECK_EQ(kept.size, ends[known]);
        CHECK(memcmp(kept.data, whole.data, kept.size) == 0);
        CHECK(known == PAGES || size < ends[known + 1]);
        CHECK_OK(records_close(r));
    }
    write_file(p.path, whole.data, ends[0] - 2);
    CHECK_ERR(records_open(p.path, true, names, 1, &r), KT_EVALIDATION);
    kt_temp_dir_remove(p.folder);
}

TEST(a_resumed_file_keeps_its_mode_and_leaves_no_neighbour)
{
    kt_path_list *found = NULL;
    struct stat st;
    place p;
    place_open(&p, "r.json");
    write_list(p.path, PAGES);
    CHECK_OK(kt_path_chmod(p.path, 0640));
    CHECK_EQ(resume_list(p.path), PAGES);
    CHECK_OK(kt_path_stat(p.path, &st));
    CHECK_EQ(st.st_mode & 07777, 0640);
    CHECK_OK(kt_dir_list(kt_temp_dir_path(p.folder), 0, &found));
    CHECK_EQ(found->count, 1);
    kt_path_list_free(found);
    kt_temp_dir_remove(p.folder);
}

/* ---- Memory ----------------------------------------------------------------------------------- */

enum { BLOCK_MAX = 2 << 20, FIELD_BYTES = 100 << 10, FIELDS = 50 };

static void *alloc_a_little(size_t size)
{
    return size > BLOCK_MAX ? NULL : malloc(size); /* tidy: malloc: this is an allocator */
}

static void *realloc_a_little(void *block, size_t size)
{
    return size > BLOCK_MAX ? NULL : realloc(block, size); /* tidy: realloc: this is an allocator */
}

static void give_back(void *block)
{
    free(block); /* tidy: free: this is an allocator */
}

static int resume_large(void *arg)
{
    static char text[FIELD_BYTES];
    static extract names[] = {{.name = (char *)"text"}};
    place p;
    records *r = NULL;
    struct stat before, after;
    place_open(&p, arg);
    memset(text, 'x', sizeof text - 1);
    CHECK_OK(records_open(p.path, false, names, 1, &r));
    for (int i = 0; i < FIELDS; i++)
        add_field(r, 0, text);
    add_field(r, 1, "y");
    CHECK_OK(records_close(r));
    CHECK_OK(kt_path_stat(p.path, &before));
    CHECK_GT(before.st_size, 2 * BLOCK_MAX);
    CHECK_OK(records_open(p.path, true, names, 1, &r));
    CHECK(records_has(r, page(0)) && records_has(r, page(1)));
    CHECK_OK(kt_path_stat(p.path, &after));
    CHECK_LT(after.st_size, before.st_size / FIELDS * 2); /* one of each URL */
    CHECK_OK(records_close(r));
    kt_temp_dir_remove(p.folder);
    return 0;
}

TEST_WITH(a_file_that_is_resumed_need_not_fit_into_memory, KT_TEST_NO_LOOP)
{
    static const char *const names[] = {"r.jsonl", "r.csv", "r.json"};
    const kt_allocator little = {alloc_a_little, realloc_a_little, give_back};
    kt_allocator_set(&little);
    for (size_t i = 0; i < 3; i++)
        CHECK_OK(kt_run(resume_large, (void *)(uintptr_t)names[i], 0));
    kt_allocator_set(NULL);
}
