/* SPDX-License-Identifier: MIT */
#include <kettle/stream_backend.h>

#include "stream_pair.h"

/* Streams in memory, which every driver has, and streams of one's own kind. */

static int makes_memory_pair(void *arg)
{
    kt_stream *ends[2] = {NULL, NULL};
    int rc = SWEPT(kt_stream_memory_pair, (0, ends));
    (void)arg;
    CHECK((rc < 0) == !ends[0] && (rc < 0) == !ends[1]);
    kt_stream_close(ends[0]);
    kt_stream_close(ends[1]);
    return rc;
}

SWEEP(kt_stream_memory_pair, ALLOCATES)
{
    (void)sweep_subject(makes_memory_pair, NULL);
}

/* ---- Reading, and closing --------------------------------------------------------------------- */

static int reads(void *arg)
{
    char bytes[8] = "";
    ssize_t n = SWEPT(kt_stream_read, (arg, bytes, sizeof bytes));
    CHECK_STR(bytes, n < 0 ? "" : "tea");
    return (int)n;
}

SWEEP_AS(kt_stream_read, in_memory, SUSPENDS)
{
    pair p = pair_of(true);
    sweep_begin(reads, p.near);
    settle();
    say(&p, "tea");
    if (sweep_end() < 0)
        check_whole(&p, "tea");
    pair_close(&p);
}

static int closes(void *arg)
{
    SWEPT(kt_stream_close, (arg));
    return 0;
}

static int writes_much(void *arg)
{
    static const char much[MUCH];
    return kt_stream_write(arg, much, sizeof much);
}

/* Two are inside; what they left behind is there for the far end. */
SWEEP_AS(kt_stream_close, in_memory, SUSPENDS | HOLDS)
{
    pair p = pair_of(true);
    kt_task *reader = spawn(drinks, p.near, 0), *writer = spawn(writes_much, p.near, 0);
    settle();
    sweep_begin(closes, p.near);
    (void)sweep_end();
    CHECK_ERR(kt_task_join(reader), KT_ECLOSED);
    CHECK_ERR(kt_task_join(writer), KT_ECLOSED);
    CHECK_ERR(kt_stream_write(p.far, "x", 1), -EPIPE);
    CHECK_EQ(kt_task_join(spawn(drinks, p.far, 0)), IN_MEMORY_BYTES);
    kt_stream_close(p.far);
}

/* ---- By hand --------------------------------------------------------------------------------- */

/* What the reader of an end that is fed sees, who waited before. */
static kt_task *begin_to_drink(const pair *p)
{
    kt_task *t = spawn(drinks, p->near, 0);
    settle();
    return t;
}

SWEEP(kt_stream_feed, PLAIN)
{
    static const char much[IN_MEMORY_BYTES];
    pair p = pair_of(true);
    kt_task *reader = begin_to_drink(&p);
    sure(SWEPT(kt_stream_feed, (p.near, "tea", 3)));
    CHECK_ERR(SWEPT(kt_stream_feed, (p.near, much, sizeof much)), KT_EFULL); /* nothing of it */
    settle();
    sure(SWEPT(kt_stream_feed, (p.near, much, sizeof much)));
    kt_stream_feed_end(p.near);
    CHECK_ERR(kt_stream_feed(p.near, "x", 1), KT_EINVALIDSTATE);
    CHECK_EQ(kt_task_join(reader), 3 + IN_MEMORY_BYTES);
    pair_close(&p);
}

SWEEP(kt_stream_feed_end, PLAIN)
{
    pair p = pair_of(true);
    kt_task *reader = begin_to_drink(&p);
    char bytes[3];
    SWEPT(kt_stream_feed_end, (p.near));
    SWEPT(kt_stream_feed_end, (p.near));
    CHECK_EQ(kt_task_join(reader), 0);
    sure(kt_stream_write(p.near, "pot", 3)); /* the other direction goes on */
    sure(kt_stream_read_exactly(p.far, bytes, 3));
    pair_close(&p);
}

SWEEP(kt_stream_feed_error, PLAIN)
{
    pair p = pair_of(true);
    kt_task *reader = begin_to_drink(&p), *writer = spawn(writes_much, p.near, 0);
    settle();
    SWEPT(kt_stream_feed_error, (p.near, -ECONNRESET));
    SWEPT(kt_stream_feed_error, (p.near, -EIO));
    CHECK_ERR(kt_task_join(reader), -ECONNRESET);
    CHECK_ERR(kt_task_join(writer), -ECONNRESET);
    CHECK_ERR(kt_stream_write(p.far, "x", 1), -EPIPE);
    pair_close(&p);
}

/* ---- Kinds of one's own ---------------------------------------------------------------------- */

typedef struct well {
    int closed, freed;
} well;

/* Gives the letter w without end. */
static ssize_t well_read(void *object, void *bytes, size_t size)
{
    (void)object;
    memset(bytes, 'w', size);
    return (ssize_t)size;
}

static void well_close(void *object)
{
    ((well *)object)->closed++;
}

static void well_free(void *object)
{
    ((well *)object)->freed++;
}

static const kt_stream_backend well_backend = {
    .name = "a well",
    .read = well_read,
    .close = well_close,
    .free = well_free,
};

static int makes_well(void *arg)
{
    const well *w = arg;
    kt_stream *s = NULL;
    int rc = SWEPT(kt_stream_new, (&well_backend, arg, &s));
    CHECK((rc < 0) == !s);
    CHECK(w->closed == 0 && w->freed == 0); /* a failure leaves it to the caller */
    kt_stream_close(s);
    return rc;
}

SWEEP(kt_stream_new, ALLOCATES)
{
    well w = {0, 0};
    CHECK_OK(sweep_subject(makes_well, &w));
    CHECK(w.closed == 1 && w.freed == 1);
}

SWEEP(kt_stream_object, PLAIN)
{
    well w = {0, 0};
    pair p = pair_of(true);
    kt_stream *s = NULL;
    sure(kt_stream_new(&well_backend, &w, &s));
    CHECK(SWEPT(kt_stream_object, (s, &well_backend)) == &w);
    CHECK(!SWEPT(kt_stream_object, (p.near, &well_backend)));
    kt_stream_close(s);
    pair_close(&p);
}
