/* SPDX-License-Identifier: MIT */

/* What a crash at any moment, and a disk that fills up, leave of files: on the simulated disk. */
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <kettle/test_disk.h>

#include <errno.h>
#include <stdlib.h>

#define OLD 3000u /* bytes, each in several sectors */
#define NEW 5500u
#define SEEDS 60

enum found { NOTHING, OLD_WHOLE, NEW_WHOLE, ANYTHING_ELSE };

typedef struct replacing {
    kt_test_disk *disk;
    char old[OLD], new[NEW];
    kt_file_write_options options;
    bool is_new; /* there is no old one */
} replacing;

static replacing *begin(uint64_t seed, bool is_new)
{
    static replacing r; /* a test runs in a process of its own */
    const kt_test_disk_options options = {.seed = seed};
    r = (replacing){.disk = kt_test_disk_open(&options), .is_new = is_new};
    memset(r.old, 'o', OLD);
    memset(r.new, 'n', NEW);
    CHECK_OK(kt_test_disk_put(r.disk, "/dir/other", kt_slice_from("other")));
    if (!is_new)
        CHECK_OK(kt_test_disk_put(r.disk, "/dir/file", (kt_slice){r.old, OLD}));
    kt_test_disk_use(r.disk);
    return &r;
}

static enum found look(const replacing *r)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    int rc = kt_test_disk_get(r->disk, "/dir/file", &found);
    if (rc == -ENOENT)
        return NOTHING;
    CHECK_OK(rc);
    if (kt_slice_equal(kt_buffer_slice(&found), (kt_slice){r->old, OLD}))
        return OLD_WHOLE;
    return kt_slice_equal(kt_buffer_slice(&found), (kt_slice){r->new, NEW}) ? NEW_WHOLE : ANYTHING_ELSE;
}

/* The power fails at the nth call to the disk. True: before the replacing had ended. */
static bool crash_at(replacing *r, uint64_t nth, enum found *ret_found)
{
    kt_auto(kt_buffer) other = KT_BUFFER_INIT;
    kt_test_disk_crash_at(r->disk, nth);
    int rc = kt_file_replace("/dir/file", r->new, NEW, &r->options);
    bool crashed = kt_test_disk_crashed(r->disk);
    if (!crashed)
        CHECK_OK(rc);
    CHECK_EQ(kt_test_disk_descriptors(r->disk), 0);
    kt_test_disk_crash(r->disk);
    *ret_found = look(r);
    CHECK_OK(kt_test_disk_get(r->disk, "/dir/other", &other));
    CHECK_SLICE(kt_buffer_slice(&other), "other");
    if (rc == 0 && !r->options.no_sync)
        CHECK_EQ(*ret_found, NEW_WHOLE); /* who was told that it is there finds it */
    return crashed;
}

/* And then the program goes on as if nothing had been. */
static void replace_again(const replacing *r)
{
    CHECK_OK(kt_file_replace("/dir/file", r->new, NEW, NULL));
    CHECK_EQ(look(r), NEW_WHOLE);
    kt_test_disk_crash(r->disk);
    CHECK_EQ(look(r), NEW_WHOLE);
    kt_test_disk_close(r->disk);
}

TEST(a_crash_at_any_step_leaves_the_old_file_or_the_new_one)
{
    unsigned seen[4] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool crashed = true;
        for (uint64_t nth = 1; crashed; nth++) {
            enum found found;
            replacing *r = begin(seed * 1000 + nth, false);
            crashed = crash_at(r, nth, &found);
            CHECK(found == OLD_WHOLE || found == NEW_WHOLE);
            seen[found]++;
            replace_again(r);
        }
    }
    CHECK_GT(seen[OLD_WHOLE], SEEDS);
    CHECK_GT(seen[NEW_WHOLE], SEEDS);
}

TEST(a_crash_at_any_step_of_a_first_write_leaves_nothing_or_the_whole)
{
    unsigned seen[4] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool crashed = true;
        for (uint64_t nth = 1; crashed; nth++) {
            enum found found;
            replacing *r = begin(seed * 1000 + nth, true);
            r->options.exclusive = seed % 2;
            crashed = crash_at(r, nth, &found);
            CHECK(found == NOTHING || found == NEW_WHOLE);
            seen[found]++;
            replace_again(r);
        }
    }
    CHECK_GT(seen[NOTHING], SEEDS);
    CHECK_GT(seen[NEW_WHOLE], SEEDS);
}

TEST(without_syncs_a_crash_may_leave_anything)
{
    unsigned seen[4] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        enum found found;
        replacing *r = begin(seed, false);
        r->options.no_sync = true;
        CHECK(!crash_at(r, 1000, &found));
        seen[found]++;
        replace_again(r);
    }
    CHECK_GT(seen[ANYTHING_ELSE], SEEDS / 10); /* so the tests above could fail */
}

TEST(a_replacing_over_a_replacing_leaves_one_of_the_three)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        char latest[100];
        kt_auto(kt_buffer) left = KT_BUFFER_INIT;
        replacing *r = begin(seed, false);
        memset(latest, 'l', sizeof latest);
        r->options.no_sync = false;
        CHECK_OK(kt_file_replace("/dir/file", r->new, NEW, NULL));
        kt_test_disk_crash_at(r->disk, 1 + seed % 15);
        int rc = kt_file_replace("/dir/file", latest, sizeof latest, NULL);
        kt_test_disk_crash(r->disk);
        CHECK_OK(kt_test_disk_get(r->disk, "/dir/file", &left));
        bool is_latest = kt_slice_equal(kt_buffer_slice(&left), (kt_slice){latest, sizeof latest});
        CHECK(is_latest || look(r) == NEW_WHOLE);
        CHECK(is_latest || rc < 0);
        kt_test_disk_close(r->disk);
    }
}

TEST(a_sync_that_fails_leaves_the_old_file_though_the_next_one_succeeds)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        replacing *r = begin(seed, false);
        kt_test_disk_fail(r->disk, KT_TEST_DISK_SYNC, 1, -EIO);
        CHECK_ERR(kt_file_replace("/dir/file", r->new, NEW, NULL), -EIO);
        kt_test_disk_crash(r->disk);
        CHECK_EQ(look(r), OLD_WHOLE);
        replace_again(r);
    }
}

/* The lists of what is there before and after. */
static void check_unchanged(const replacing *r, const char *before)
{
    kt_auto(kt_buffer) after = KT_BUFFER_INIT;
    CHECK_OK(kt_test_disk_list(r->disk, &after));
    CHECK_STR(kt_buffer_string(&after), before);
    CHECK_EQ(kt_test_disk_descriptors(r->disk), 0);
    CHECK_EQ(look(r), OLD_WHOLE);
}

TEST(a_disk_that_is_full_after_any_byte_keeps_the_old_file)
{
    for (uint64_t bytes = 0; bytes < NEW; bytes += 1 + bytes / 7) {
        kt_auto(kt_buffer) before = KT_BUFFER_INIT;
        replacing *r = begin(bytes, false);
        CHECK_OK(kt_test_disk_list(r->disk, &before));
        kt_test_disk_fail_after(r->disk, bytes, -ENOSPC);
        CHECK_ERR(kt_file_replace("/dir/file", r->new, NEW, NULL), -ENOSPC);
        CHECK(kt_test_disk_failed(r->disk));
        check_unchanged(r, kt_buffer_string(&before));
        kt_test_disk_fail_after(r->disk, 0, 0);
        replace_again(r);
    }
}

TEST(a_disk_of_any_size_takes_the_new_file_or_keeps_the_old_one)
{
    unsigned kept = 0;
    for (uint64_t blocks = 1; blocks < 12; blocks++) {
        kt_auto(kt_buffer) before = KT_BUFFER_INIT;
        replacing *r = begin(blocks, false);
        CHECK_OK(kt_test_disk_list(r->disk, &before));
        kt_test_disk_capacity(r->disk, blocks * 4096);
        int rc = kt_file_replace("/dir/file", r->new, NEW, NULL);
        if (rc < 0) {
            CHECK_ERR(rc, -ENOSPC);
            check_unchanged(r, kt_buffer_string(&before));
        }
        kept += rc < 0;
        kt_test_disk_capacity(r->disk, 0);
        replace_again(r);
    }
    CHECK_GT(kept, 1);
    CHECK_LT(kept, 11);
}

/* ---- Copies ------------------------------------------------------------------------------------ */

TEST(a_crash_at_any_step_of_a_durable_copy_leaves_the_old_file_or_the_copy)
{
    const kt_path_copy_options durable = {.flags = KT_PATH_DURABLE};
    unsigned seen[4] = {0};
    for (uint64_t seed = 1; seed <= SEEDS / 2; seed++) {
        bool crashed = true;
        for (uint64_t nth = 1; crashed; nth++) {
            replacing *r = begin(seed * 1000 + nth, false);
            CHECK_OK(kt_test_disk_put(r->disk, "/source", (kt_slice){r->new, NEW}));
            kt_test_disk_crash_at(r->disk, nth);
            int rc = kt_path_copy("/source", "/dir/file", &durable);
            crashed = kt_test_disk_crashed(r->disk);
            CHECK_EQ(kt_test_disk_descriptors(r->disk), 0);
            kt_test_disk_crash(r->disk);
            enum found found = look(r);
            CHECK(found == OLD_WHOLE || found == NEW_WHOLE);
            CHECK(rc < 0 || found == NEW_WHOLE);
            CHECK(crashed || rc == 0);
            seen[found]++;
            kt_test_disk_close(r->disk);
        }
    }
    CHECK_GT(seen[OLD_WHOLE], SEEDS);
    CHECK_GT(seen[NEW_WHOLE], SEEDS / 2);
}

TEST(a_copy_onto_a_full_disk_leaves_the_old_file)
{
    for (uint64_t bytes = 0; bytes < NEW; bytes += 1 + bytes / 5) {
        kt_auto(kt_buffer) before = KT_BUFFER_INIT;
        replacing *r = begin(bytes, false);
        CHECK_OK(kt_test_disk_put(r->disk, "/source", (kt_slice){r->new, NEW}));
        CHECK_OK(kt_test_disk_list(r->disk, &before));
        kt_test_disk_fail_after(r->disk, bytes, -ENOSPC);
        CHECK_ERR(kt_path_copy("/source", "/dir/file", NULL), -ENOSPC);
        check_unchanged(r, kt_buffer_string(&before));
        kt_test_disk_close(r->disk);
    }
}

/* ---- In virtual time, cancelled -------------------------------------------------------------- */

static bool replaced_within(kt_time d)
{
    const kt_test_disk_options options = {.latency = KT_MS(1), .jitter = KT_MS(2)};
    kt_test_disk *disk = kt_test_disk_open(&options);
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    CHECK_OK(kt_test_disk_put(disk, "/file", kt_slice_from("old")));
    kt_test_disk_use(disk);
    kt_timeout limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, d);
    int rc = kt_timeout_end(&limit, kt_file_replace("/file", "new", 3, NULL));
    CHECK(rc == 0 || rc == KT_ETIMEDOUT);
    CHECK_EQ(kt_test_disk_descriptors(disk), 0);
    CHECK_OK(kt_test_disk_list(disk, &found));
    CHECK_SLICE(kt_buffer_slice(&found), "/file 3\n");
    kt_buffer_clear(&found);
    CHECK_OK(kt_test_disk_get(disk, "/file", &found));
    CHECK_SLICE(kt_buffer_slice(&found), rc == 0 ? "new" : "old");
    kt_test_say("%d at %lld", rc, (long long)kt_now());
    kt_test_disk_close(disk);
    return rc == 0;
}

static int replace_in_time(void *arg)
{
    int *done = arg;
    for (kt_time limit = 0; limit < KT_MS(20); limit += KT_US(700))
        done[replaced_within(limit)]++;
    return 0;
}

TEST_WITH(a_replacing_that_is_cancelled_leaves_one_whole_and_nothing_beside_it, KT_TEST_NO_LOOP)
{
    int done[2] = {0, 0};
    kt_test_seeds(50, replace_in_time, done);
    CHECK_GT(done[false], 50);
    CHECK_GT(done[true], 50);
}
