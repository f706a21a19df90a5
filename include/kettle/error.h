/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_ERROR_H
#define KETTLE_ERROR_H

/* Errors are negative ints: a negated errno where the system failed (-ENOENT), and the
 * codes below where Kettle did. The two ranges do not meet. What the number cannot say
 * (which name, which byte, what the peer said) is in kt_error_detail().
 *
 *     int rc = kt_stream_connect("example.org", 80, &s);
 *     if (rc < 0) {
 *         fprintf(stderr, "connect: %s (%s)\n", kt_strerror(rc), kt_error_detail());
 *         return rc;
 *     }
 */

#include <kettle/base.h>

KT_BEGIN

/* name, number, text: the one table from which codes, strings and the manual are made. */
#define KT_ERROR_TABLE(X) \
    X(KT_ECANCELED, 1, "cancelled") \
    X(KT_ETIMEDOUT, 2, "deadline of a timeout scope passed") \
    X(KT_ESIBLING, 3, "another child of the group failed") \
    X(KT_EFULL, 4, "queue is full") \
    X(KT_EEMPTY, 5, "queue is empty") \
    X(KT_ESHUTDOWN, 6, "shut down") \
    X(KT_ENOTRUNNING, 7, "no loop runs on this thread") \
    X(KT_ENOSTACK, 8, "no memory map left for another task's stack") \
    X(KT_ENOTSIM, 9, "real descriptors do not exist under the simulated driver") \
    X(KT_EINCOMPLETE, 10, "end of file inside a unit") \
    X(KT_ELIMIT, 11, "limit exceeded") \
    X(KT_ENAME, 12, "host name cannot be resolved") \
    X(KT_EPROTOCOL, 13, "peer broke the protocol") \
    X(KT_ECLOSED, 14, "closed meanwhile") \
    X(KT_EINVALIDSTATE, 15, "not in a state in which this is possible") \
    X(KT_ENOTFOUND, 16, "not found") \
    X(KT_ECONFLICT, 17, "conflicts with the current state") \
    X(KT_EVALIDATION, 18, "value is not valid") \
    X(KT_ESTORE, 19, "the store failed") \
    X(KT_EEXIT, 20, "program ended with a non-zero status") \
    X(KT_ESIGNAL, 21, "program was ended by a signal") \
    X(KT_EBROKEN, 22, "barrier is broken") \
    X(KT_EWORKER, 23, "worker process died") \
    X(KT_ETLS, 30, "TLS failed") \
    X(KT_ECERTIFICATE, 31, "the peer's certificate is not trusted") \
    X(KT_ETRUNCATED, 32, "connection ended without a farewell: bytes may be missing") \
    X(KT_EGUARD, 33, "address is not of the public Internet")

#define KT__ERROR_BASE 10000
enum {
#define KT__X(name, number, text) name = -(KT__ERROR_BASE + number),
    KT_ERROR_TABLE(KT__X)
#undef KT__X
};

/* True for the three codes with which a cancellation travels: KT_ECANCELED (from outside),
 * KT_ETIMEDOUT (a timeout scope), KT_ESIBLING (a group whose child failed). */
static inline bool kt_is_cancel(int rc)
{
    return rc <= KT_ECANCELED && rc >= KT_ESIBLING;
}

/* The text of any error code, ours or the system's; never NULL. The string is static, or for
 * system codes valid until the thread's next call. Any thread; does not suspend. */
KT_API const char *kt_strerror(int rc);

/* The code's name ("KT_ECANCELED", "ENOENT"), or "?" for a number that is none. Static. Any thread. */
KT_API const char *kt_error_name(int rc);

/* The current task's last failure in words (outside a task: the thread's), "" if nothing was
 * recorded. Valid until the next failure of the same task. Does not suspend. */
KT_API const char *kt_error_detail(void);

/* Records a failure in words and returns rc, so that a function can end with
 * `return kt_error_set(-ENOENT, "no such queue: %s", name)`. Cut at 255 bytes. Does not
 * suspend; never fails (without memory the detail is lost, the code is not). */
KT_API int kt_error_set(int rc, const char *format, ...) KT_PRINTF(2, 3);

/* Called with every message of the library: fatal misuse, stack overflow, and what debug mode
 * reports. `message` has no line end. May run on a signal's alternate stack: only
 * async-signal-safe calls. Default: writes to standard error. */
typedef void (*kt_log_hook)(const char *message);

/* Replaces the hook; NULL restores the default. Call before the first loop starts. */
KT_API void kt_log_hook_set(kt_log_hook hook);

KT_END

#endif
