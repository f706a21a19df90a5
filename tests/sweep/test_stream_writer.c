/* SPDX-License-Identifier: MIT */
#include "stream_pair.h"

/* Buffered writing into a pair in memory. */

typedef struct desk {
    pair p;
    kt_stream_writer w;
} desk;

static desk desk_open(void)
{
    pair p = pair_of(true);
    return (desk){.p = p, .w = {.stream = p.near, .high = 1000}};
}

static void desk_close(desk *d)
{
    kt_stream_writer_cleanup(&d->w);
    pair_close(&d->p);
}

/* The pair is full, and as much as the high mark allows is buffered. */
static void block(desk *d)
{
    static const char much[IN_MEMORY_BYTES + 1001];
    sure(kt_stream_writer_write(&d->w, much, sizeof much));
    settle();
    CHECK_EQ(kt_stream_writer_buffered(&d->w), 1001);
}

/* More than what a buffer that another's words went into has to spare: so it needs memory in any order. */
#define TEA_BYTES 700

static const char tea[TEA_BYTES];

static int writes_tea(void *arg)
{
    return SWEPT(kt_stream_writer_write, (arg, tea, TEA_BYTES));
}

static int writes_pot(void *arg)
{
    return kt_stream_writer_write(arg, "pot!", 4);
}

/* Lets all of it through. */
static kt_task *unblock(desk *d)
{
    kt_task *drinker = spawn(drinks, d->p.far, 0);
    turns(8);
    return drinker;
}

/* How many bytes came. */
static int drunk(desk *d, kt_task *drinker)
{
    sure(kt_stream_writer_flush(&d->w));
    sure(kt_stream_shutdown_write(d->p.near));
    return kt_task_join(drinker);
}

/* First in line, and behind another. */
static void sweep_write(bool behind)
{
    desk d = desk_open();
    block(&d);
    kt_task *before = behind ? spawn(writes_pot, &d.w, 0) : NULL;
    turns(2);
    sweep_begin(writes_tea, &d.w);
    kt_task *after = spawn(writes_pot, &d.w, 0);
    turns(4);
    kt_task *drinker = unblock(&d);
    int rc = sweep_end();
    if (before)
        sure(kt_task_join(before));
    sure(kt_task_join(after));
    CHECK_EQ(drunk(&d, drinker), IN_MEMORY_BYTES + 1001 + (behind ? 8 : 4) + (rc < 0 ? 0 : TEA_BYTES));
    desk_close(&d);
}

SWEEP(kt_stream_writer_write, SUSPENDS | ALLOCATES)
{
    sweep_write(false);
}

SWEEP_AS(kt_stream_writer_write, in_line, SUSPENDS | ALLOCATES)
{
    sweep_write(true);
}

SWEEP_AS(kt_stream_writer_write, first, ALLOCATES)
{
    desk d = desk_open();
    CHECK_OK(sweep_subject(writes_tea, &d.w));
    CHECK_EQ(drunk(&d, unblock(&d)), TEA_BYTES);
    desk_close(&d);
}

static int writes_at_once(void *arg)
{
    return SWEPT(kt_stream_writer_write_nowait, (arg, "tea", 3));
}

SWEEP(kt_stream_writer_write_nowait, ALLOCATES)
{
    desk d = desk_open();
    CHECK_OK(sweep_subject(writes_at_once, &d.w));
    CHECK_EQ(drunk(&d, unblock(&d)), 3);
    desk_close(&d);
}

static int flushes(void *arg)
{
    return SWEPT(kt_stream_writer_flush, (arg));
}

SWEEP(kt_stream_writer_flush, SUSPENDS)
{
    desk d = desk_open();
    block(&d);
    sweep_begin(flushes, &d.w);
    turns(4);
    kt_task *drinker = unblock(&d);
    (void)sweep_end();
    CHECK_EQ(drunk(&d, drinker), IN_MEMORY_BYTES + 1001);
    desk_close(&d);
}

SWEEP(kt_stream_writer_buffered, PLAIN)
{
    desk d = desk_open();
    CHECK_EQ(SWEPT(kt_stream_writer_buffered, (&d.w)), 0);
    block(&d);
    CHECK_EQ(SWEPT(kt_stream_writer_buffered, (&d.w)), 1001);
    desk_close(&d);
}

static int closes(void *arg)
{
    return SWEPT(kt_stream_writer_close, (arg));
}

/* Either all bytes come, or those that were written before it was cancelled; and then the stream takes no more. */
SWEEP(kt_stream_writer_close, SUSPENDS | WINS)
{
    desk d = desk_open();
    block(&d);
    kt_task *waits = spawn(writes_pot, &d.w, 0);
    turns(2);
    sweep_begin(closes, &d.w);
    turns(4);
    kt_task *drinker = unblock(&d);
    int rc = sweep_end();
    CHECK_ERR(kt_task_join(waits), KT_ESHUTDOWN);
    CHECK_ERR(kt_stream_writer_write_nowait(&d.w, "x", 1), KT_ESHUTDOWN);
    int again = kt_stream_write(d.p.near, "x", 1);
    sure(kt_stream_shutdown_write(d.p.near));
    int all = kt_task_join(drinker);
    if (again == 0)
        CHECK_EQ(all, IN_MEMORY_BYTES + 1001 + 1);
    else
        CHECK_ERR(again, KT_EINVALIDSTATE);
    CHECK(rc < 0 || again == 0);
    desk_close(&d);
}

static int cleans_up(void *arg)
{
    SWEPT(kt_stream_writer_cleanup, (arg));
    return 0;
}

SWEEP(kt_stream_writer_cleanup, SUSPENDS | HOLDS)
{
    desk d = desk_open();
    block(&d);
    kt_task *waits = spawn(writes_pot, &d.w, 0);
    turns(2);
    sweep_begin(cleans_up, &d.w);
    (void)sweep_end();
    CHECK_ERR(kt_task_join(waits), KT_ESHUTDOWN);
    CHECK_ERR(kt_stream_write(d.p.near, "x", 1), KT_EINVALIDSTATE);
    desk_close(&d);
}
