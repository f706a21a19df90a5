/* SPDX-License-Identifier: MIT */
#ifndef TESTS_IO_ERRNOS_H
#define TESTS_IO_ERRNOS_H

/* Every call that a function makes to the disk fails, on the simulated one, with every code of its manual page: the
 * caller gets it, no descriptor is left open, and no temporary file.
 *
 *     sweep(read_whole, NULL);
 */

#include <kettle/kettle.h>
#include <kettle/test.h>
#include <kettle/test_disk.h>

#include <errno.h>

#define TEXT "first line\nsecond line\n"
#define SIZE (sizeof TEXT - 1)

/* ---- The manual pages -------------------------------------------------------------------------- */

#define CODES_MAX 32
#define OF_PATHS EACCES, EFAULT, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EBADF, EINVAL, EIO
#define OF_NAMES OF_PATHS, EBUSY, EDQUOT, EEXIST, EMLINK, ENOSPC, EPERM, EROFS, EXDEV

/* EINTR is begun again beneath. */
static const int codes_of[KT_TEST_DISK_CALLS][CODES_MAX] = {
    [KT_TEST_DISK_OPEN] = {OF_PATHS, EBUSY, EDQUOT, EEXIST, EFBIG, EISDIR, EMFILE, ENFILE, ENODEV, ENOSPC, ENXIO,
                           EOPNOTSUPP, EOVERFLOW, EPERM, EROFS, ETXTBSY, EWOULDBLOCK, EXDEV, E2BIG},
    [KT_TEST_DISK_CLOSE] = {EBADF, EIO, ENOSPC, EDQUOT},
    [KT_TEST_DISK_READ] = {EAGAIN, EBADF, EFAULT, EINVAL, EIO, EISDIR, ENXIO, EOVERFLOW, ESPIPE, EOPNOTSUPP},
    [KT_TEST_DISK_WRITE] = {EAGAIN, EBADF, EDESTADDRREQ, EDQUOT, EFAULT, EFBIG, EINVAL, EIO, ENOSPC, EPERM, EPIPE,
                            ENXIO, EOVERFLOW, ESPIPE, EOPNOTSUPP},
    [KT_TEST_DISK_SEEK] = {EBADF, EINVAL, ENXIO, EOVERFLOW, ESPIPE},
    [KT_TEST_DISK_TRUNCATE] = {EBADF, EFBIG, EINVAL, EIO, EISDIR, EPERM, EROFS, ETXTBSY},
    [KT_TEST_DISK_SYNC] = {EBADF, EIO, ENOSPC, EROFS, EINVAL, EDQUOT},
    [KT_TEST_DISK_STAT] = {OF_PATHS, EOVERFLOW},
    [KT_TEST_DISK_CHMOD] = {OF_PATHS, EPERM, EROFS, ENOTSUP},
    [KT_TEST_DISK_LOCK] = {EBADF, EINVAL, ENOLCK},
    [KT_TEST_DISK_RENAME] = {OF_NAMES, EISDIR, ENOTEMPTY},
    [KT_TEST_DISK_LINK] = {OF_NAMES},
    [KT_TEST_DISK_SYMLINK] = {OF_NAMES},
    [KT_TEST_DISK_READLINK] = {OF_PATHS},
    [KT_TEST_DISK_MKDIR] = {OF_NAMES},
    [KT_TEST_DISK_ENTRIES] = {EBADF, EFAULT, EINVAL, ENOENT, ENOTDIR, EIO},
    [KT_TEST_DISK_STATVFS] = {OF_PATHS, ENOSYS, EOVERFLOW},
    [KT_TEST_DISK_ACCESS] = {OF_PATHS, EPERM, EROFS, ETXTBSY},
    [KT_TEST_DISK_UTIMENS] = {OF_PATHS, EPERM, EROFS, ESRCH},
    [KT_TEST_DISK_CLONE] = {EBADF, EINVAL, EISDIR, EOPNOTSUPP, EPERM, ETXTBSY, EXDEV, ENOSPC, EIO},
    [KT_TEST_DISK_COPY_RANGE] = {EBADF, EFBIG, EINVAL, EIO, EISDIR, ENOMEM, ENOSPC, EOPNOTSUPP, EOVERFLOW, EPERM,
                                 ETXTBSY, EXDEV, ENOSYS, EDQUOT},
    [KT_TEST_DISK_SEND_RANGE] = {EAGAIN, EBADF, EFAULT, EINVAL, EIO, ENOMEM, EOVERFLOW, ESPIPE, ENOSPC, ENOSYS},
    [KT_TEST_DISK_UNLINK] = {OF_PATHS, EBUSY, EISDIR, EPERM, EROFS, ENOTEMPTY},
};

/* ---- The sweep --------------------------------------------------------------------------------- */

static inline kt_test_disk *begin(void)
{
    const kt_test_disk_options options = {.seed = 1, .whole = true};
    kt_test_disk *d = kt_test_disk_open(&options);
    CHECK_OK(kt_test_disk_put(d, "/dir/file", kt_slice_from(TEXT)));
    CHECK_OK(kt_test_disk_put(d, "/dir/other", kt_slice_from("other")));
    kt_test_disk_use(d);
    return d;
}

/* A failure that may be survived, or be taken for something else, as the comment in the header or the sense of the
 * call says. */
typedef struct spared {
    kt_test_disk_call call;
    int code; /* 0: any */
} spared;

static inline bool is_spared(const spared *list, kt_test_disk_call call, int code)
{
    for (; list && list->call; list++) {
        if (list->call == call && (list->code == 0 || list->code == code))
            return true;
    }
    return false;
}

static inline void fail_one(int (*fn)(void), kt_test_disk_call call, uint64_t nth, int code, const spared *list)
{
    kt_auto(kt_buffer) left = KT_BUFFER_INIT;
    kt_test_disk *d = begin();
    kt_test_disk_fail(d, call, nth, -code);
    int rc = fn();
    CHECK(kt_test_disk_failed(d));
    if (rc != -code && !is_spared(list, call, code))
        kt_test_fail("call %d, the %lluth, failed with %s, and the caller got %s", (int)call, (unsigned long long)nth,
                     kt_error_name(-code), kt_error_name(rc));
    CHECK_EQ(kt_test_disk_descriptors(d), 0);
    CHECK_OK(kt_test_disk_list(d, &left));
    if (strstr(kt_buffer_string(&left), ".kettle-"))
        kt_test_fail("call %d, the %lluth, failed with %s, and left %s", (int)call, (unsigned long long)nth,
                     kt_error_name(-code), kt_buffer_string(&left));
    kt_test_disk_close(d);
}

static inline void sweep(int (*fn)(void), const spared *list)
{
    uint64_t counts[KT_TEST_DISK_CALLS], total = 0;
    kt_test_disk *d = begin();
    CHECK_OK(fn());
    for (int call = KT_TEST_DISK_ANY + 1; call < KT_TEST_DISK_CALLS; call++) {
        counts[call] = kt_test_disk_calls(d, (kt_test_disk_call)call);
        CHECK(counts[call] == 0 || codes_of[call][0] != 0);
    }
    kt_test_disk_close(d);
    for (int call = KT_TEST_DISK_ANY + 1; call < KT_TEST_DISK_CALLS; call++) {
        for (uint64_t nth = 1; nth <= counts[call]; nth++) {
            for (int i = 0; i < CODES_MAX && codes_of[call][i]; i++, total++)
                fail_one(fn, (kt_test_disk_call)call, nth, codes_of[call][i], list);
        }
    }
    CHECK_GT(total, 0);
}

#endif
