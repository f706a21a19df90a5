/* SPDX-License-Identifier: MIT */

/* Whole files, one call each. */
#include <kettle/thread.h>

#include "core/core.h"
#include "io/whole.h"

static int make_trip(void *arg)
{
    size_t budget = KT__TRIP_BYTES;
    return kt__whole_step(arg, &budget);
}

static int run(kt__whole *w)
{
    int rc = 0;
    kt__whole_start(w, kt__disk_here(), w->kind == KT__WHOLE_REPLACE ? kt__whole_nonce() : 0);
    while (rc == 0 && !w->over)
        rc = kt_thread_run(make_trip, w, 0);
    if (w->begun && !w->over)
        (void)kt__disk_release(kt__whole_abort, w);
    return rc < 0 ? kt__whole_failed(w, rc) : 0;
}

static int read_all(const char *path, size_t size_max, bool text, kt_buffer *buffer)
{
    kt__whole w = {
        .kind = KT__WHOLE_READ,
        .text = text,
        .path = path,
        .size_max = size_max,
        .buffer = buffer,
    };
    return run(&w);
}

static int write_all(int kind, const char *path, const void *bytes, size_t size,
                     const kt_file_write_options *options)
{
    kt__whole w = {.kind = (uint8_t)kind, .path = path, .bytes = bytes, .size = size};
    if (options)
        w.write = *options;
    return run(&w);
}

int kt_file_read_whole(const char *path, size_t size_max, kt_buffer *buffer)
{
    (void)kt__self("kt_file_read_whole");
    return read_all(path, size_max, false, buffer);
}

int kt_file_read_text(const char *path, size_t size_max, kt_buffer *buffer)
{
    (void)kt__self("kt_file_read_text");
    return read_all(path, size_max, true, buffer);
}

int kt_file_write_whole(const char *path, const void *bytes, size_t size, const kt_file_write_options *options)
{
    (void)kt__self("kt_file_write_whole");
    return write_all(KT__WHOLE_WRITE, path, bytes, size, options);
}

int kt_file_replace(const char *path, const void *bytes, size_t size, const kt_file_write_options *options)
{
    (void)kt__self("kt_file_replace");
    return write_all(KT__WHOLE_REPLACE, path, bytes, size, options);
}
