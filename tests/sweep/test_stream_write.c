/* SPDX-License-Identifier: MIT */
#include "stream_pair.h"

#include <fcntl.h>
#include <sys/mman.h>

static const char much[MUCH];

/* ---- Writing all of it ----------------------------------------------------------------------- */

/* A cancelled write has ended before its first byte, and then the stream is as it was; or in the middle,
 * and then it takes no more. */
static void sweep_write(pair *p, kt_fn fn, void *arg)
{
    sweep_begin(fn, arg);
    turns(4);
    kt_task *drinker = spawn(drinks, p->far, 0);
    int rc = sweep_end(), again = kt_stream_write(p->near, "x", 1);
    sure(kt_stream_shutdown_write(p->near));
    int drunk = kt_task_join(drinker);
    if (again == 0)
        CHECK_EQ(drunk, rc < 0 ? 1 : MUCH + 1);
    else
        CHECK_ERR(again, KT_EINVALIDSTATE);
    CHECK(rc < 0 || again == 0);
}

static int writes(void *arg)
{
    return SWEPT(kt_stream_write, (arg, much, sizeof much));
}

static void sweep_write_to(bool in_memory)
{
    pair p = pair_of(in_memory);
    sweep_write(&p, writes, p.near);
    pair_close(&p);
}

SWEEP(kt_stream_write, SUSPENDS | REAL | LASTING)
{
    sweep_write_to(false);
}

SWEEP_AS(kt_stream_write, in_memory, SUSPENDS)
{
    sweep_write_to(true);
}

static int writes_pieces(void *arg)
{
    const struct iovec pieces[] = {{(void *)(uintptr_t)much, MUCH / 2}, {(void *)(uintptr_t)much, MUCH / 2}};
    int rc = SWEPT(kt_stream_writev, (arg, pieces, 2));
    CHECK_EQ(pieces[0].iov_len, MUCH / 2);
    return rc;
}

SWEEP(kt_stream_writev, SUSPENDS | REAL | LASTING)
{
    pair p = pair_open();
    sweep_write(&p, writes_pieces, p.near);
    pair_close(&p);
}

/* ---- Writing a part -------------------------------------------------------------------------- */

/* Until there is no room; how many bytes that took. */
static int fill(kt_stream *s)
{
    ssize_t n, sum = 0;
    while ((n = kt_stream_write_nowait(s, much, sizeof much)) > 0)
        sum += n;
    CHECK_EQ(n, 0);
    return (int)sum;
}

static int writes_some(void *arg)
{
    return (int)SWEPT(kt_stream_write_some, (arg, much, sizeof much));
}

/* A cancelled one has written nothing, and more can be written. */
static void sweep_write_some(bool in_memory)
{
    pair p = pair_of(in_memory);
    int before = fill(p.near);
    sweep_begin(writes_some, p.near);
    turns(4);
    kt_task *drinker = spawn(drinks, p.far, 0);
    int rc = sweep_end();
    CHECK(rc != 0);
    bool torn = rc < 0 && sweep_refused();
    CHECK_ERR(kt_stream_write(p.near, "x", 1), torn ? KT_EINVALIDSTATE : 0);
    sure(kt_stream_shutdown_write(p.near));
    CHECK_EQ(kt_task_join(drinker), before + (rc < 0 ? 0 : rc) + !torn);
    pair_close(&p);
}

SWEEP(kt_stream_write_some, SUSPENDS | REAL | LASTING)
{
    sweep_write_some(false);
}

SWEEP_AS(kt_stream_write_some, in_memory, SUSPENDS)
{
    sweep_write_some(true);
}

static void sweep_write_nowait(bool in_memory)
{
    pair p = pair_of(in_memory);
    ssize_t first = SWEPT(kt_stream_write_nowait, (p.near, much, sizeof much));
    CHECK(first > 0 && first < MUCH);
    int rest = fill(p.near);
    CHECK_EQ(SWEPT(kt_stream_write_nowait, (p.near, "x", 1)), 0);
    kt_task *drinker = spawn(drinks, p.far, 0);
    sure(kt_stream_write(p.near, "x", 1));
    sure(kt_stream_shutdown_write(p.near));
    CHECK_EQ(kt_task_join(drinker), first + rest + 1);
    pair_close(&p);
}

SWEEP(kt_stream_write_nowait, PLAIN | REAL)
{
    sweep_write_nowait(false);
}

SWEEP_AS(kt_stream_write_nowait, in_memory, PLAIN)
{
    sweep_write_nowait(true);
}

/* ---- Files ----------------------------------------------------------------------------------- */

typedef struct sending {
    kt_stream *s;
    int file;
} sending;

static int sends_file(void *arg)
{
    const sending *x = arg;
    ssize_t n = SWEPT(kt_stream_sendfile, (x->s, x->file, 0, -1, 0));
    CHECK(n < 0 || n == MUCH);
    return (int)n;
}

static int file_of(size_t size)
{
    int fd = memfd_create("kettle-sweep", MFD_CLOEXEC);
    CHECK_GE(fd, 0);
    CHECK_OK(ftruncate(fd, (off_t)size));
    return fd;
}

/* The file's position, and the mode of the socket, are as they were. */
static void sweep_sendfile(pair *p)
{
    sending x = {.s = p->near, .file = file_of(MUCH)};
    int fd = kt_stream_fd(p->near), mode = fd < 0 ? 0 : fcntl(fd, F_GETFL);
    sweep_write(p, sends_file, &x);
    CHECK_EQ(lseek(x.file, 0, SEEK_CUR), 0);
    CHECK_EQ(fd < 0 ? 0 : fcntl(fd, F_GETFL), mode);
    sure(kt_thread_run(nothing, NULL, 0));
    CHECK_OK(close(x.file));
    pair_close(p);
}

/* The first trip to a thread makes the pool. A job that has begun is waited for, and may have sent the rest. */
SWEEP(kt_stream_sendfile, SUSPENDS | ALLOCATES | WINS | REAL | LASTING)
{
    pair p = pair_open();
    sweep_sendfile(&p);
}

/* What has O_APPEND is refused by sendfile(2). */
SWEEP_AS(kt_stream_sendfile, by_copies, SUSPENDS | ALLOCATES | WINS | REAL | LASTING)
{
    pair p = pair_open();
    int fd = kt_stream_fd(p.near);
    CHECK_OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND));
    sweep_sendfile(&p);
}

SWEEP_AS(kt_stream_sendfile, in_memory, SUSPENDS | ALLOCATES | WINS)
{
    pair p = pair_of(true);
    sweep_sendfile(&p);
}

/* ---- The end --------------------------------------------------------------------------------- */

SWEEP(kt_stream_hang_up, PLAIN | REAL)
{
    pair p = pair_open();
    char byte;
    SWEPT(kt_stream_hang_up, (p.far, false));
    CHECK_EQ(kt_stream_read(p.near, &byte, 1), 0);
    CHECK_EQ(kt_stream_read(p.far, &byte, 1), 0);
    pair_close(&p);
}

SWEEP(kt_stream_shutdown_write, PLAIN | REAL)
{
    pair p = pair_open();
    char byte;
    sure(SWEPT(kt_stream_shutdown_write, (p.far)));
    CHECK_EQ(kt_stream_read(p.near, &byte, 1), 0);
    pair_close(&p);
}
