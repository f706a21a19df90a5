/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SWEEP_STREAM_PAIR_H
#define TESTS_SWEEP_STREAM_PAIR_H

/* Two connected streams, of which the subject has the near one. */

#include "sweep.h"

typedef struct pair {
    kt_stream *near, *far;
} pair;

enum { IN_MEMORY_BYTES = 100 * 1000 }; /* of a pair in memory, in each direction */

static inline pair pair_of(bool in_memory)
{
    kt_stream *ends[2] = {NULL, NULL};
    if (in_memory)
        sure(kt_stream_memory_pair(IN_MEMORY_BYTES, ends));
    else
        sure(kt_stream_pair(ends));
    return (pair){ends[0], ends[1]};
}

static inline pair pair_open(void)
{
    return pair_of(false);
}

static inline void pair_close(pair *p)
{
    kt_stream_close(kt_steal(p->near));
    kt_stream_close(kt_steal(p->far));
}

static inline void say(pair *p, const char *text)
{
    sure(kt_stream_write(p->far, text, strlen(text)));
}

static inline void check_whole(pair *p, const char *expected)
{
    char bytes[32] = "";
    sure(kt_stream_read_exactly(p->near, bytes, strlen(expected)));
    CHECK_STR(bytes, expected);
}

enum { MUCH = 700 * 1000 }; /* several times what a socket, or the pair in memory, holds */

/* Reads to the end: how many bytes there were. */
static inline int drinks(void *arg)
{
    kt_stream *s = arg;
    static char bytes[65536];
    ssize_t n, sum = 0;
    while ((n = kt_stream_read(s, bytes, sizeof bytes)) > 0)
        sum += n;
    return n < 0 ? (int)n : (int)sum;
}

#endif
