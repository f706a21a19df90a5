/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_BASE_H
#define KETTLE_BASE_H

/* What every other header uses: visibility and compiler attributes, scope
 * clean-up, time, and slices of bytes.
 *
 *     kt_auto(kt_buffer) out = KT_BUFFER_INIT;    // released on any way out of this scope
 *     kt_time pause = KT_MS(20);
 *     kt_slice name = kt_slice_from("kettle");
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#ifdef __cplusplus
#define KT_BEGIN extern "C" {
#define KT_END }
#else
#define KT_BEGIN
#define KT_END
#endif

/* Exported from a shared library; everything else is hidden. */
#define KT_API __attribute__((visibility("default")))
/* The result must be looked at. */
#define KT_CHECKED __attribute__((warn_unused_result))
#define KT_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define KT_NORETURN __attribute__((noreturn))

/* Declares a variable whose clean-up runs on every way out of its scope: return, break, goto.
 * Clean-ups run in reverse order of declaration, so what children use is declared before their group. */
#define kt_auto(T) __attribute__((cleanup(T##_cleanup))) T

/* Takes the pointer out of variable `p` and leaves NULL there: ownership leaves the scope. */
#define kt_steal(p) \
    __extension__({ \
        __typeof__(p) kt__stolen = (p); \
        (p) = NULL; \
        kt__stolen; \
    })

/* A point or a span of time in nanoseconds. Points count from an arbitrary start (see kt_now). */
typedef int64_t kt_time;

#define KT_NS(n) ((kt_time)(n))
#define KT_US(n) ((kt_time)((n) * INT64_C(1000)))
#define KT_MS(n) ((kt_time)((n) * INT64_C(1000000)))
#define KT_S(n) ((kt_time)((n) * INT64_C(1000000000)))
#define KT_FOREVER INT64_MAX

KT_BEGIN

/* Bytes that somebody else owns; not terminated, may be empty (then `data` may be NULL). */
typedef struct kt_slice {
    const char *data;
    size_t size;
} kt_slice;

/* A slice over a terminated string, without the terminator. */
static inline kt_slice kt_slice_from(const char *string)
{
    kt_slice s = {string, strlen(string)};
    return s;
}

static inline bool kt_slice_equal(kt_slice a, kt_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Compares with a terminated string. */
static inline bool kt_slice_is(kt_slice a, const char *string)
{
    return kt_slice_equal(a, kt_slice_from(string));
}

/* The library's version, "major.minor.patch". Any thread; does not suspend. */
KT_API const char *kt_version(void);

KT_END

#endif
