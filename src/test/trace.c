/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

#include <pthread.h>
#include <stdarg.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *trace; /* lines, each but the first with a '\n' before it */
static size_t trace_size, trace_room, trace_lines;

void kt_test_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        kt_test_fail("kt_test_say: bad format: %s", format);
    pthread_mutex_lock(&lock);
    size_t need = trace_size + (size_t)length + 2;
    if (need > trace_room) {
        trace_room = 2 * need;
        trace = kt__test_own(trace, trace_room);
    }
    if (trace_lines++ > 0)
        trace[trace_size++] = '\n';
    va_start(args, format);
    vsnprintf(trace + trace_size, (size_t)length + 1, format, args);
    va_end(args);
    trace_size += (size_t)length;
    pthread_mutex_unlock(&lock);
}

void kt__test_trace_clear(void)
{
    trace_size = trace_lines = 0;
}

uint64_t kt__test_trace_hash(void)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < trace_size; i++)
        hash = (hash ^ (unsigned char)trace[i]) * UINT64_C(1099511628211);
    return hash;
}

void kt__test_trace_report(void)
{
    /* Whoever fails while another thread speaks goes without. */
    if (pthread_mutex_trylock(&lock) != 0)
        return;
    if (trace_lines > 0) {
        kt__test_say_failure("    the trace so far:\n");
        for (size_t at = 0; at <= trace_size;) {
            const char *line = trace + at, *end = memchr(line, '\n', trace_size - at);
            size_t size = end ? (size_t)(end - line) : trace_size - at;
            kt__test_say_failure("        %.*s\n", (int)size, line);
            at += size + 1;
        }
    }
    pthread_mutex_unlock(&lock);
}

void kt__check_trace(const char *expected, const char *file, int line)
{
    atomic_fetch_add(&kt__test_status->checks, 1);
    kt_slice wanted = kt_slice_from(expected), found = {trace, trace_size};
    if (kt_slice_equal(wanted, found)) {
        kt__test_trace_clear();
        return;
    }
    kt__test_fail_begin();
    kt__test_say_failure("%s:%d: the trace is not as expected\n", file, line);
    kt__test_diff_report(wanted, found);
    kt__test_trace_clear(); /* the difference shows it */
    kt__test_fail_end();
}
