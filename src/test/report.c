/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

/* Of a program with a main of its own, which no runner watches. */
static kt__status alone;
kt__status *kt__test_status = &alone;
bool kt__test_forked;

/* A failure may come on any thread, on a small stack and without memory, so its text has a place of
 * its own. What does not fit is cut. */
static char text[64 * 1024];
static size_t text_size;
static atomic_flag taken = ATOMIC_FLAG_INIT;

/* Present where the compiler counts coverage: _exit would lose the counts. */
extern void __gcov_dump(void) __attribute__((weak));

void kt__test_fail_begin(void)
{
    while (atomic_flag_test_and_set(&taken))
        pause();
    text_size = 0;
}

void kt__test_say_bytes(const void *bytes, size_t size)
{
    size_t room = sizeof text - text_size;
    if (size > room)
        size = room;
    memcpy(text + text_size, bytes, size);
    text_size += size;
}

void kt__test_say_failure(const char *format, ...)
{
    size_t room = sizeof text - text_size;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text + text_size, room, format, args);
    va_end(args);
    if (size > 0 && room > 0)
        text_size += (size_t)size < room ? (size_t)size : room - 1;
}

static void write_all(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(STDERR_FILENO, bytes, size);
        if (n <= 0)
            return;
        bytes += n;
        size -= (size_t)n;
    }
}

void kt__test_fail_flush(void)
{
    write_all(text, text_size);
    text_size = 0;
}

void kt__test_fail_end(void)
{
    kt__test_trace_report();
    kt__test_fail_flush();
    atomic_store(&kt__test_status->verdict, KT__FAILED);
    if (!kt__test_forked)
        abort();
    kt__test_leave(1);
}

void kt__test_leave(int status)
{
    if (__gcov_dump)
        __gcov_dump();
    _exit(status);
}

void *kt__test_own(void *old, size_t size)
{
    void *block = realloc(old, size ? size : 1); /* tidy: realloc: below the counting allocator */
    if (!block) {
        write_all("test kit: out of memory\n", 24);
        abort();
    }
    return block;
}

void kt__test_disown(void *block)
{
    free(block); /* tidy: free: below the counting allocator */
}
