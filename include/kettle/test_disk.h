/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TEST_DISK_H
#define KETTLE_TEST_DISK_H

/* A simulated disk for tests: a file system in memory, beneath the files and paths of a loop, that does to a
 * program what real disks do, by a seed and so again and again. In libkettle-test.
 *
 *     TEST(settings_survive_a_crash_while_they_are_saved)
 *     {
 *         kt_auto(kt_buffer) found = KT_BUFFER_INIT;
 *         kt_test_disk *d = kt_test_disk_open(NULL);
 *         CHECK_OK(kt_test_disk_put(d, "/settings", kt_slice_from("old")));
 *         kt_test_disk_use(d);
 *         kt_test_disk_crash_at(d, 3);                // the power fails at the third call
 *         CHECK_ERR(settings_save("new"), -EIO);
 *         kt_test_disk_crash(d);                      // and is back: what had reached the disk is there
 *         CHECK_OK(kt_test_disk_get(d, "/settings", &found));
 *         CHECK(kt_slice_is(kt_buffer_slice(&found), "old"));
 *         kt_test_disk_close(d);
 *     }
 *
 * It has directories, hard and symbolic links, permissions of one user, sparse files, locks, and answers with the
 * codes that Linux answers with. Its paths are its own: "/" is its root, and the current directory too; "/tmp" is
 * there. The umask is 022. /proc is not there, but /proc/self/fd/N names one of its descriptors.
 *
 * Reads, writes and copies are short now and then. What was written is in memory until it is synced, as with a
 * real disk: kt_test_disk_crash loses the rest, or some of it.
 *
 * On any driver; but the seed decides everything only under sim, where one thread makes all calls. Functions here
 * do not suspend, and may be called by any thread, one at a time, unless they say otherwise. Their own memory is
 * not kt_alloc's. */

#include <kettle/buffer.h>

KT_BEGIN

typedef struct kt_test_disk kt_test_disk;

/* All zero are the defaults. */
typedef struct kt_test_disk_options {
    uint64_t seed;     /* 0: the run's of kt_test_seeds, otherwise 1 */
    uint64_t capacity; /* bytes of whole blocks of 4096, a directory takes one; 0 = no end */
    kt_time latency;   /* of each call, in virtual time; under sim alone */
    kt_time jitter;    /* and up to this much more */
    bool whole;        /* reads, writes and copies do all that they can: none is short */
    bool superuser;    /* permissions do not count */
    bool reflinks;     /* files can be cloned, as on XFS and Btrfs */
    uint64_t reserved[4];
} kt_test_disk_options;

/* A new disk, empty but for /tmp; NULL: with the defaults. The test closes it. */
KT_API kt_test_disk *kt_test_disk_open(const kt_test_disk_options *options);

/* Ends it, and puts the system's disk back if it is in use on the running loop. The test fails if a descriptor on
 * it is still open, which is named. NULL is nothing. */
KT_API void kt_test_disk_close(kt_test_disk *d);

/* From now on the files and paths of the running loop are on this disk; NULL: on the system's. Files that are open
 * stay where they are. On the loop's thread. */
KT_API void kt_test_disk_use(kt_test_disk *d);

/* ---- What is on it, past all faults, delays and counts ------------------------------------------ */

/* Makes a file with these bytes, or replaces what is in it, and its missing directories; all synced. 0, or an
 * error as of open(2). */
KT_API int kt_test_disk_put(kt_test_disk *d, const char *path, kt_slice bytes) KT_CHECKED;

/* Appends what is in a file. 0, -ENOENT, -EISDIR or another error as of open(2), -ENOMEM, KT_ELIMIT. */
KT_API int kt_test_disk_get(kt_test_disk *d, const char *path, kt_buffer *into) KT_CHECKED;

/* Appends a line for each thing on the disk but the root and /tmp, in the order of their paths: "/a/" is a
 * directory, "/a/b 5" a file of 5 bytes, "/c -> a/b" a symbolic link. 0, -ENOMEM, KT_ELIMIT. */
KT_API int kt_test_disk_list(kt_test_disk *d, kt_buffer *into) KT_CHECKED;

/* Syncs everything. Like sync(2). */
KT_API void kt_test_disk_sync(kt_test_disk *d);

/* Descriptors that are open on it. */
KT_API size_t kt_test_disk_descriptors(kt_test_disk *d);

/* ---- Faults ------------------------------------------------------------------------------------- */

/* The calls that a program's files and paths come down to. */
typedef enum kt_test_disk_call {
    KT_TEST_DISK_ANY,
    KT_TEST_DISK_OPEN,
    KT_TEST_DISK_CLOSE,
    KT_TEST_DISK_READ,
    KT_TEST_DISK_WRITE,
    KT_TEST_DISK_SEEK,
    KT_TEST_DISK_TRUNCATE,
    KT_TEST_DISK_SYNC,
    KT_TEST_DISK_STAT,
    KT_TEST_DISK_STATVFS,
    KT_TEST_DISK_ACCESS,
    KT_TEST_DISK_CHMOD,
    KT_TEST_DISK_UTIMENS,
    KT_TEST_DISK_LOCK,
    KT_TEST_DISK_RENAME,
    KT_TEST_DISK_LINK,
    KT_TEST_DISK_SYMLINK,
    KT_TEST_DISK_READLINK,
    KT_TEST_DISK_UNLINK,
    KT_TEST_DISK_MKDIR,
    KT_TEST_DISK_ENTRIES,
    KT_TEST_DISK_CLONE,
    KT_TEST_DISK_COPY_RANGE,
    KT_TEST_DISK_SEND_RANGE,
    KT_TEST_DISK_CALLS, /* how many there are */
} kt_test_disk_call;

/* How many calls of this kind were made so far; ANY: of all kinds. */
KT_API uint64_t kt_test_disk_calls(kt_test_disk *d, kt_test_disk_call call);

/* Makes the nth call of this kind from now on (1 = the next) fail with `code`, as -EIO, once, and do nothing; 0
 * switches it off. Each kind has its own. But a close that fails has closed, and a sync that fails has lost: some
 * of what was not synced is on the disk, the rest never will be, and the next sync succeeds, as Linux does it. */
KT_API void kt_test_disk_fail(kt_test_disk *d, kt_test_disk_call call, uint64_t nth, int code);

/* After this many bytes more were written, to the byte, writes and copies fail with `code`, as -ENOSPC, until
 * code 0 ends it. */
KT_API void kt_test_disk_fail_after(kt_test_disk *d, uint64_t bytes, int code);

/* Has one of the failures that were armed happened, since the last one was armed? */
KT_API bool kt_test_disk_failed(kt_test_disk *d);

/* Changes the capacity; it may be less than what is in use. 0 = no end. */
KT_API void kt_test_disk_capacity(kt_test_disk *d, uint64_t bytes);

/* ---- Crashes ------------------------------------------------------------------------------------ */

/* The power fails and comes back. What was synced is there. Of what was not, the seed chooses, for each piece by
 * itself, whether it had reached the disk: each sector of 512 bytes that was written, the size and the attributes
 * of each file, each name that was made, changed or removed in a directory. So a write may be torn, a new file may
 * be empty or full of zeros or of rubbish, or have no name, and of a rename the one half may be there without the
 * other. Sectors and names may also be as they were at some earlier moment since the last sync. What no path leads
 * to any more is gone, and a directory with two names has one of them.
 *
 * Descriptors that were open fail with -EIO from then on, and can be closed. */
KT_API void kt_test_disk_crash(kt_test_disk *d);

/* The power fails at the nth call from now on (1 = the next): that one and all that follow do nothing and fail with
 * -EIO, until kt_test_disk_crash; but closing succeeds. 0 switches it off. */
KT_API void kt_test_disk_crash_at(kt_test_disk *d, uint64_t nth);

/* Did it? False again after kt_test_disk_crash. */
KT_API bool kt_test_disk_crashed(kt_test_disk *d);

static inline void kt_test_disk_cleanup(kt_test_disk **d)
{
    kt_test_disk_close(*d);
}

KT_END

#endif
