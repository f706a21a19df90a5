/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#define LARGE ((size_t)9 * 1024 * 1024 + 5) /* three trips */

static void check_reads(const char *path, size_t size_max, const char *expected)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_OK(kt_file_read_whole(path, size_max, &b));
    CHECK_SLICE(kt_buffer_slice(&b), expected);
}

TEST(a_whole_file_is_written_and_read)
{
    IN_SCRATCH;
    CHECK_OK(kt_file_write_whole("a", "hello", 5, NULL));
    CHECK_STR(got("a"), "hello");
    check_reads("a", 0, "hello");
    CHECK_OK(kt_file_write_whole("a", "hi", 2, NULL));
    check_reads("a", 2, "hi");
    CHECK_OK(kt_file_write_whole("a", NULL, 0, NULL));
    check_reads("a", 1, "");
    CHECK_EQ(scratch_count(&here), 1);
}

TEST(a_whole_file_is_appended_to_what_the_buffer_has)
{
    IN_SCRATCH;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    put("a", "one");
    CHECK_OK(kt_buffer_append_string(&b, "zero "));
    CHECK_OK(kt_file_read_whole("a", 3, &b));
    CHECK_SLICE(kt_buffer_slice(&b), "zero one");
    CHECK_ERR(kt_file_read_whole("a", 2, &b), KT_ELIMIT);
    CHECK(strstr(kt_error_detail(), "more than 2 bytes") != NULL);
    CHECK_SLICE(kt_buffer_slice(&b), "zero one");
}

TEST(a_buffers_own_cap_holds_for_a_whole_file)
{
    IN_SCRATCH;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT_MAX(5);
    put("five", "12345");
    put("six", "123456");
    CHECK_ERR(kt_file_read_whole("six", 0, &b), KT_ELIMIT);
    CHECK_EQ(b.size, 0);
    CHECK_OK(kt_file_read_whole("five", 0, &b));
    CHECK_SLICE(kt_buffer_slice(&b), "12345");
}

TEST(a_file_without_a_size_is_read_to_its_end)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_OK(kt_file_read_whole("/proc/self/status", 0, &b));
    CHECK_GT(b.size, 100);
    CHECK_EQ(b.data[b.size - 1], '\n');
    size_t size = b.size;
    kt_buffer_clear(&b);
    CHECK_ERR(kt_file_read_whole("/dev/zero", size, &b), KT_ELIMIT);
    CHECK_EQ(b.size, 0);
}

static char *pattern_of(size_t size)
{
    char *bytes = kt_alloc(size);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    return bytes;
}

TEST(a_large_file_goes_in_trips)
{
    IN_SCRATCH;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    char *bytes = pattern_of(LARGE);
    CHECK_OK(kt_file_write_whole("a", bytes, LARGE, NULL));
    CHECK_OK(kt_file_read_whole("a", 0, &b));
    CHECK_EQ(b.size, LARGE);
    CHECK_MEM(b.data, bytes, LARGE);
    CHECK_OK(kt_file_replace("a", bytes + 1, LARGE - 1, NULL));
    kt_buffer_clear(&b);
    CHECK_OK(kt_file_read_whole("a", LARGE - 1, &b));
    CHECK_EQ(b.size, LARGE - 1);
    CHECK_MEM(b.data, bytes + 1, LARGE - 1);
    CHECK_EQ(scratch_count(&here), 1);
    kt_free(bytes);
}

TEST(what_is_no_file_is_not_read)
{
    IN_SCRATCH;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_ERR(kt_file_read_whole("none", 0, &b), -ENOENT);
    CHECK(strncmp(kt_error_detail(), "open none", 9) == 0);
    CHECK(strstr(kt_error_detail(), "none: No such file or directory") != NULL);
    CHECK_ERR(kt_file_read_whole(here.path, 0, &b), -EISDIR);
    CHECK_EQ(mkfifo("fifo", 0600), 0);
    CHECK_ERR(kt_file_read_whole("fifo", 0, &b), -ESPIPE); /* and does not wait for its peer */
    CHECK_ERR(kt_file_write_whole("fifo", "x", 1, NULL), -ENXIO);
}

TEST(text_that_is_not_utf8_is_refused_with_its_place)
{
    IN_SCRATCH;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    put("good", "Gr\xc3\xbc\xc3\x9f" "e\n\xf0\x9f\x8d\xb5\n");
    CHECK_OK(kt_file_read_text("good", 0, &b));
    CHECK_EQ(b.size, 13);
    put("bad", "one\ntwo\nthr\xe9" "e\n");
    CHECK_ERR(kt_file_read_text("bad", 0, &b), -EILSEQ);
    CHECK(strstr(kt_error_detail(), "bad:3: not UTF-8 (byte 11)") != NULL);
    put("cut", "tea \xf0\x9f\x8d");
    CHECK_ERR(kt_file_read_text("cut", 0, &b), -EILSEQ);
    CHECK(strstr(kt_error_detail(), "cut:1: not UTF-8 (byte 4)") != NULL);
    CHECK_EQ(b.size, 13);
    CHECK_OK(kt_file_read_whole("cut", 0, &b));
}

TEST(sequences_across_trips_are_text)
{
    IN_SCRATCH;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    char *bytes = kt_alloc(LARGE);
    CHECK(bytes != NULL);
    bytes[0] = 'x'; /* so that no trip ends between two of them */
    bytes[1] = 'y';
    for (size_t i = 2; i + 3 <= LARGE; i += 3)
        memcpy(bytes + i, "\xe2\x82\xac", 3);
    CHECK_EQ((LARGE - 2) % 3, 0);
    CHECK_OK(kt_file_write_whole("a", bytes, LARGE, NULL));
    CHECK_OK(kt_file_read_text("a", 0, &b));
    CHECK_EQ(b.size, LARGE);
    bytes[LARGE - 3] = 'z';
    CHECK_OK(kt_file_write_whole("a", bytes, LARGE, NULL));
    CHECK_ERR(kt_file_read_text("a", 0, &b), -EILSEQ);
    kt_free(bytes);
}

TEST(a_replaced_file_keeps_its_mode)
{
    IN_SCRATCH;
    mode_t before = umask(027);
    CHECK_OK(kt_file_replace("new", "1", 1, NULL));
    CHECK_EQ(mode_of("new"), 0640);
    CHECK_EQ(chmod("new", 0606), 0);
    CHECK_OK(kt_file_replace("new", "2", 1, NULL));
    CHECK_EQ(mode_of("new"), 0606);
    CHECK_OK(kt_file_replace("new", "3", 1, &(kt_file_write_options){.mode = 0622, .no_sync = true}));
    CHECK_EQ(mode_of("new"), 0622);
    CHECK_STR(got("new"), "3");
    CHECK_OK(kt_file_write_whole("b", "4", 1, &(kt_file_write_options){.mode = 0666}));
    CHECK_EQ(mode_of("b"), 0640);
    CHECK_EQ(scratch_count(&here), 2);
    umask(before);
}

TEST(an_exclusive_write_changes_nothing_that_is_there)
{
    const kt_file_write_options exclusive = {.exclusive = true};
    IN_SCRATCH;
    CHECK_OK(kt_file_replace("a", "1", 1, &exclusive));
    CHECK_ERR(kt_file_replace("a", "2", 1, &exclusive), -EEXIST);
    CHECK_ERR(kt_file_write_whole("a", "3", 1, &exclusive), -EEXIST);
    CHECK_STR(got("a"), "1");
    CHECK_OK(kt_file_write_whole("b", "4", 1, &exclusive));
    CHECK_EQ(scratch_count(&here), 2);
}

TEST(replacing_replaces_the_name)
{
    IN_SCRATCH;
    put("target", "old");
    CHECK_EQ(symlink("target", "link"), 0);
    CHECK_OK(kt_file_replace("link", "new", 3, NULL));
    CHECK_STR(got("target"), "old");
    CHECK_STR(got("link"), "new");
    CHECK_EQ(mkdir("d", 0700), 0);
    CHECK_ERR(kt_file_replace("d", "x", 1, NULL), -EISDIR);
    CHECK_ERR(kt_file_replace("d/", "x", 1, NULL), -EISDIR);
    CHECK_ERR(kt_file_replace("d/.", "x", 1, NULL), -EISDIR);
    CHECK_ERR(kt_file_replace("no/a", "x", 1, NULL), -ENOENT);
    CHECK_ERR(kt_file_replace("", "x", 1, NULL), -ENOENT);
    CHECK_EQ(scratch_count(&here), 3);
}

TEST(a_file_in_another_directory_is_replaced_there)
{
    IN_SCRATCH;
    CHECK_EQ(mkdir("d", 0700), 0);
    CHECK_OK(kt_file_replace("d/a", "1", 1, NULL));
    char path[128];
    snprintf(path, sizeof path, "%s/d//a", here.path);
    CHECK_OK(kt_file_replace(path, "2", 1, NULL));
    CHECK_STR(got("d/a"), "2");
    CHECK_EQ(chdir("d"), 0);
    CHECK_OK(kt_file_replace("../a", "3", 1, NULL));
    CHECK_STR(got("../a"), "3");
    CHECK_OK(kt_file_replace("/proc/self/cwd/b", "4", 1, NULL));
    CHECK_STR(got("b"), "4");
    CHECK_EQ(scratch_count(&here), 2);
}

TEST(names_of_all_lengths_can_be_replaced)
{
    IN_SCRATCH;
    char name[5000];
    memset(name, 'n', sizeof name);
    name[255] = '\0';
    CHECK_OK(kt_file_replace(name, "x", 1, NULL));
    name[255] = 'n';
    name[256] = '\0';
    CHECK_ERR(kt_file_replace(name, "x", 1, NULL), -ENAMETOOLONG);
    name[256] = 'n';
    memcpy(name + sizeof name - 3, "/a", 3);
    CHECK_ERR(kt_file_replace(name, "x", 1, NULL), -ENAMETOOLONG);
    CHECK_EQ(scratch_count(&here), 1);
}
