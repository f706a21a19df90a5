/* SPDX-License-Identifier: MIT */
#ifndef TESTS_IO_STREAM_PAIR_H
#define TESTS_IO_STREAM_PAIR_H

/* Two connected streams, and tasks that speak into one of them. */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct pair {
    kt_stream *near, *far;
} pair;

/* What streams of every kind do is shown with sockets, where there are any, and in memory, under every driver. */
#define TEST_STREAMS(name, flags) \
    static void streams_##name(bool in_memory); \
    TEST_WITH(name, flags) \
    { \
        streams_##name(false); \
    } \
    TEST(name##_in_memory) \
    { \
        streams_##name(true); \
    } \
    static void streams_##name(bool in_memory)

static inline pair pair_of(bool in_memory)
{
    kt_stream *ends[2];
    if (in_memory)
        CHECK_OK(kt_stream_memory_pair(256 * 1024, ends));
    else
        CHECK_OK(kt_stream_pair(ends));
    return (pair){ends[0], ends[1]};
}

static inline pair pair_open(void)
{
    return pair_of(false);
}

static inline void pair_cleanup(pair *p)
{
    kt_stream_close(p->near);
    kt_stream_close(p->far);
}

static inline void say(kt_stream *s, const char *text)
{
    CHECK_OK(kt_stream_write(s, text, strlen(text)));
}

static inline kt_task *spawn(KT__JOB)
{
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(fn, arg, size, &t));
    return t;
}

/* Lets the others run, and the kernel be asked, so often. */
static inline void turns(int n)
{
    for (int i = 0; i < n; i++)
        CHECK_OK(kt_sleep(i % 2 ? KT_MS(1) : 0));
}

#endif
