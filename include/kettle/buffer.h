/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_BUFFER_H
#define KETTLE_BUFFER_H

/* A growable run of bytes with a cap, in the caller's storage.
 *
 *     kt_auto(kt_buffer) b = KT_BUFFER_INIT;
 *     int rc = kt_buffer_printf(&b, "%d jobs", n);
 *     if (rc < 0)
 *         return rc;
 *
 * Invariants: `size <= capacity`; data[0..size) are the bytes. An append that fails changes
 * nothing. No function here suspends; any thread, one at a time. */

#include <kettle/base.h>
#include <stdarg.h>

KT_BEGIN

typedef struct kt_buffer {
    char *data;
    size_t size;
    size_t capacity;
    size_t size_max; /* appends beyond fail with KT_ELIMIT; 0 = 1 GiB */
} kt_buffer;

#define KT_BUFFER_INIT {NULL, 0, 0, 0}
#define KT_BUFFER_INIT_MAX(bytes_max) {NULL, 0, 0, (bytes_max)}

/* Frees the bytes; the buffer is empty and usable again, with the same cap. */
KT_API void kt_buffer_release(kt_buffer *b);

/* Makes room for `extra` bytes more. 0, -ENOMEM, or KT_ELIMIT beyond the cap. */
KT_API int kt_buffer_reserve(kt_buffer *b, size_t extra) KT_CHECKED;

/* Appends bytes. 0, -ENOMEM, KT_ELIMIT. */
KT_API int kt_buffer_append(kt_buffer *b, const void *bytes, size_t size) KT_CHECKED;

/* Appends a terminated string, without its terminator. 0, -ENOMEM, KT_ELIMIT. */
KT_API int kt_buffer_append_string(kt_buffer *b, const char *string) KT_CHECKED;

/* Appends as printf(3). 0, -ENOMEM, KT_ELIMIT. */
KT_API int kt_buffer_printf(kt_buffer *b, const char *format, ...) KT_PRINTF(2, 3) KT_CHECKED;
KT_API int kt_buffer_vprintf(kt_buffer *b, const char *format, va_list args) KT_PRINTF(2, 0) KT_CHECKED;

/* Drops the first `size` bytes (at most all) and moves the rest to the front. */
KT_API void kt_buffer_consume(kt_buffer *b, size_t size);

/* Forgets the bytes and keeps the memory. */
static inline void kt_buffer_clear(kt_buffer *b)
{
    b->size = 0;
}

/* The bytes as a slice, valid until the next append or release. */
static inline kt_slice kt_buffer_slice(const kt_buffer *b)
{
    kt_slice s = {b->data, b->size};
    return s;
}

/* The bytes with a terminator behind (not counted), or NULL without memory. Still the buffer's. */
KT_API const char *kt_buffer_string(kt_buffer *b);

static inline void kt_buffer_cleanup(kt_buffer *b)
{
    kt_buffer_release(b);
}

KT_END

#endif
