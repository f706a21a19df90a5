/* SPDX-License-Identifier: MIT */

/* What crashes and failed syncs of the simulated disk leave. */
#include "disk_calls.h"

#define SEEDS 200

TEST(what_was_synced_survives_every_crash)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin_with_seed(seed);
        CHECK_OK(calls->mkdir(calls, AT_FDCWD, "/dir", 0755));
        int fd = open_at("/dir/file", O_RDWR | O_CREAT);
        CHECK_EQ(write_at(fd, "first", 5, 0), 5);
        CHECK_OK(calls->truncate(calls, fd, 3));
        CHECK_OK(calls->sync(calls, fd, true));
        CHECK_OK(sync_path("/dir"));
        CHECK_OK(sync_path("/"));
        CHECK_OK(calls->unlink(calls, AT_FDCWD, "/dir/file", 0));
        int again = open_at("/dir/file", O_RDWR | O_CREAT);
        CHECK_OK(sync_path("/dir"));
        CHECK_OK(calls->close(calls, again));
        CHECK_OK(calls->close(calls, fd));
        kt_test_disk_crash(disk);
        check_list("/dir/\n/dir/file 0\n");
        kt_test_disk_close(disk);
    }
}

TEST(without_a_sync_a_new_file_may_be_whole_or_empty_or_nowhere)
{
    unsigned whole = 0, empty = 0, nowhere = 0, other = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        begin_with_seed(seed);
        int fd = open_at("/file", O_RDWR | O_CREAT);
        CHECK_EQ(write_at(fd, "bytes", 5, 0), 5);
        CHECK_OK(calls->close(calls, fd));
        kt_test_disk_crash(disk);
        int rc = kt_test_disk_get(disk, "/file", &found);
        nowhere += rc == -ENOENT;
        empty += rc == 0 && found.size == 0;
        whole += kt_slice_is(kt_buffer_slice(&found), "bytes");
        other += found.size == 5 && !kt_slice_is(kt_buffer_slice(&found), "bytes");
        kt_test_disk_close(disk);
    }
    CHECK_EQ(whole + empty + nowhere + other, SEEDS);
    CHECK_GT(whole, 10);
    CHECK_GT(empty, 10);
    CHECK_GT(nowhere, 10);
    CHECK_GT(other, 2); /* zeros, or rubbish */
}

TEST(a_write_is_torn_between_sectors_and_not_within)
{
    unsigned torn = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        static char old[8192], new[8192];
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        size_t news = 0;
        begin_with_seed(seed);
        memset(old, 'o', sizeof old);
        memset(new, 'n', sizeof new);
        CHECK_OK(kt_test_disk_put(disk, "/file", (kt_slice){old, sizeof old}));
        int fd = open_at("/file", O_WRONLY);
        CHECK_EQ(write_at(fd, new, sizeof new, 0), sizeof new);
        CHECK_OK(calls->close(calls, fd));
        kt_test_disk_crash(disk);
        CHECK_OK(kt_test_disk_get(disk, "/file", &found));
        CHECK_EQ(found.size, sizeof old);
        for (size_t at = 0; at < sizeof old; at += 512) {
            bool is_new = found.data[at] == 'n';
            news += is_new;
            CHECK_MEM(found.data + at, is_new ? new : old, 512);
        }
        torn += news > 0 && news < sizeof old / 512;
        kt_test_disk_close(disk);
    }
    CHECK_GT(torn, SEEDS / 4);
}

TEST(the_halves_of_a_rename_survive_each_by_itself)
{
    unsigned seen[2][2] = {{0}};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        begin_with_seed(seed);
        CHECK_OK(kt_test_disk_put(disk, "/from", kt_slice_from("it")));
        CHECK_OK(calls->rename(calls, AT_FDCWD, "/from", AT_FDCWD, "/to", 0));
        kt_test_disk_crash(disk);
        seen[kt_test_disk_get(disk, "/from", &found) == 0][kt_test_disk_get(disk, "/to", &found) == 0]++;
        kt_test_disk_close(disk);
    }
    for (int i = 0; i < 4; i++)
        CHECK_GT(seen[i / 2][i % 2], 10);
}

TEST(a_sync_that_fails_has_lost_and_the_next_one_succeeds)
{
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        char byte = 0;
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        begin_with_seed(seed);
        CHECK_OK(kt_test_disk_put(disk, "/file", kt_slice_from("o")));
        int fd = open_at("/file", O_RDWR);
        CHECK_EQ(write_at(fd, "n", 1, 0), 1);
        kt_test_disk_fail(disk, KT_TEST_DISK_SYNC, 1, -EIO);
        CHECK_ERR(calls->sync(calls, fd, false), -EIO);
        CHECK_OK(calls->sync(calls, fd, false));
        CHECK_EQ(read_at(fd, &byte, 1, 0), 1);
        CHECK_EQ(byte, 'n'); /* from memory */
        CHECK_OK(calls->close(calls, fd));
        kt_test_disk_crash(disk);
        CHECK_OK(kt_test_disk_get(disk, "/file", &found));
        lost += kt_slice_is(kt_buffer_slice(&found), "o");
        kt_test_disk_close(disk);
    }
    CHECK_GT(lost, SEEDS / 4);
    CHECK_LT(lost, SEEDS);
}

TEST(after_the_power_failed_nothing_works_until_it_is_back)
{
    char byte;
    begin(NULL);
    CHECK_OK(kt_test_disk_put(disk, "/file", kt_slice_from("x")));
    kt_test_disk_crash_at(disk, 2);
    int fd = open_at("/file", O_RDWR), other = 0;
    CHECK_OK(fd);
    CHECK(!kt_test_disk_crashed(disk));
    CHECK_ERR(calls->unlink(calls, AT_FDCWD, "/file", 0), -EIO);
    CHECK(kt_test_disk_crashed(disk));
    CHECK_ERR(open_at("/file", O_RDWR), -EIO);
    kt_test_disk_crash(disk);
    CHECK_ERR(read_at(fd, &byte, 1, 0), -EIO); /* the machine that had it open is gone */
    CHECK_EQ(kt_test_disk_descriptors(disk), 1);
    other = open_at("/file", O_RDWR);
    CHECK_NE(other, fd);
    CHECK_OK(calls->close(calls, fd));
    CHECK_EQ(read_at(other, &byte, 1, 0), 1);
    CHECK_OK(calls->close(calls, other));
    check_file("/file", "x");
    kt_test_disk_close(disk);
}

TEST(a_directory_that_a_crash_finds_under_two_names_keeps_one)
{
    unsigned moved = 0, kept = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        begin_with_seed(seed);
        CHECK_OK(kt_test_disk_put(disk, "/a/b/file", kt_slice_from("x")));
        CHECK_OK(kt_test_disk_put(disk, "/c/file", kt_slice_from("y")));
        CHECK_OK(calls->rename(calls, AT_FDCWD, "/a/b", AT_FDCWD, "/b", 0));
        CHECK_OK(calls->rename(calls, AT_FDCWD, "/a", AT_FDCWD, "/b/a", 0));
        kt_test_disk_crash(disk);
        CHECK_OK(kt_test_disk_list(disk, &found));
        bool here = strstr(kt_buffer_string(&found), "/b/file 1\n");
        bool there = strstr(kt_buffer_string(&found), "/a/b/\n");
        moved += here && !there;
        kept += there;
        CHECK(strstr(kt_buffer_string(&found), "/c/file 1\n"));
        kt_test_disk_sync(disk);
        kt_test_disk_close(disk);
    }
    CHECK_GT(moved, 0);
    CHECK_GT(kept, 0);
}

/* What each sector of a file says: the number of the write that it is from. */
typedef struct sectors {
    uint32_t synced[40], written[40];
} sectors;

static uint32_t number_at(kt_slice bytes, size_t sector)
{
    uint32_t number;
    memcpy(&number, bytes.data + sector * 512, sizeof number);
    for (size_t at = 0; at < 512; at += sizeof number)
        CHECK_MEM(bytes.data + sector * 512 + at, &number, sizeof number);
    return number;
}

static void write_some(int fd, sectors *model, uint32_t number, uint64_t seed)
{
    static uint32_t bytes[40 * 128];
    size_t first = (size_t)(seed * 31 + number * 7) % 40, count = 1 + number * seed % (40 - first);
    for (size_t i = 0; i < count * 128; i++)
        bytes[i] = number;
    CHECK_EQ(write_at(fd, bytes, count * 512, (int64_t)(first * 512)), count * 512);
    for (size_t i = first; i < first + count; i++)
        model->written[i] = number;
}

TEST(each_sector_is_as_it_was_synced_or_as_it_was_written_since)
{
    unsigned kept = 0, later = 0;
    for (uint64_t seed = 1; seed <= 5 * SEEDS; seed++) {
        static const char zeros[40 * 512];
        kt_auto(kt_buffer) found = KT_BUFFER_INIT;
        sectors model = {{0}, {0}};
        begin_with_seed(seed);
        CHECK_OK(kt_test_disk_put(disk, "/file", (kt_slice){zeros, sizeof zeros}));
        int fd = open_at("/file", O_WRONLY);
        for (uint32_t number = 1; number <= 20; number++) {
            write_some(fd, &model, number, seed);
            if ((seed + number) % 5 == 0) {
                CHECK_OK(calls->sync(calls, fd, number % 2));
                memcpy(model.synced, model.written, sizeof model.synced);
            }
        }
        CHECK_OK(calls->close(calls, fd));
        kt_test_disk_crash(disk);
        CHECK_OK(kt_test_disk_get(disk, "/file", &found));
        CHECK_EQ(found.size, sizeof zeros);
        for (size_t i = 0; i < 40; i++) {
            uint32_t number = number_at(kt_buffer_slice(&found), i);
            CHECK_GE(number, model.synced[i]);
            CHECK_LE(number, model.written[i]);
            kept += number == model.synced[i] && number < model.written[i];
            later += number > model.synced[i];
        }
        kt_test_disk_close(disk);
    }
    CHECK_GT(kept, SEEDS);
    CHECK_GT(later, SEEDS);
}
