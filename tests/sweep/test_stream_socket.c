/* SPDX-License-Identifier: MIT */
#include "stream_pair.h"

#include <fcntl.h>

static pair tcp_pair_open(void)
{
    kt_listener *l = NULL;
    pair p;
    sweep_listen(&l);
    sure(kt_stream_connect("127.0.0.1", kt_listener_port(l), &p.near));
    sure(kt_listener_accept(l, &p.far));
    kt_listener_close(l);
    return p;
}

SWEEP(kt_stream_local, PLAIN | REAL)
{
    pair p = pair_open();
    kt_address a = {.size = 0};
    sure(SWEPT(kt_stream_local, (p.near, &a)));
    CHECK_EQ(a.any.sa_family, AF_UNIX);
    pair_close(&p);
}

SWEEP(kt_stream_nodelay_set, PLAIN | REAL)
{
    pair p = tcp_pair_open();
    sure(SWEPT(kt_stream_nodelay_set, (p.near, false)));
    pair_close(&p);
}

SWEEP(kt_stream_keep_alive_set, PLAIN | REAL)
{
    pair p = tcp_pair_open();
    const kt_keep_alive k = {.idle = KT_S(9)};
    sure(SWEPT(kt_stream_keep_alive_set, (p.near, &k)));
    pair_close(&p);
}

/* ---- Descriptors ------------------------------------------------------------------------------ */

typedef struct subject {
    pair p;
    int fd;
    size_t bytes;
} subject;

static int sends(void *arg)
{
    const subject *s = arg;
    static const char much[MUCH];
    return SWEPT(kt_stream_send_fds, (s->p.near, much, s->bytes, &s->fd, 1));
}

/* The socket is full before: so it waits, and a cancellation has sent nothing. */
SWEEP(kt_stream_send_fds, SUSPENDS | REAL)
{
    subject s = {.p = pair_open(), .fd = STDERR_FILENO, .bytes = 1};
    char byte = 'x';
    size_t count = 0;
    while (kt_stream_write_nowait(s.p.near, &byte, 1) == 1)
        count++;
    sweep_begin(sends, &s);
    turns(4);
    for (size_t i = 0; i < count; i++)
        sure(kt_stream_read_exactly(s.p.far, &byte, 1));
    int rc = sweep_end();
    if (rc >= 0) {
        int fd = -1;
        CHECK_EQ(kt_stream_receive_fds(s.p.far, &byte, 1, &fd, 1, &count), 1);
        CHECK_EQ(count, 1);
        close(fd);
    }
    pair_close(&s.p);
}

static int receives(void *arg)
{
    subject *s = arg;
    char byte;
    size_t count = 7;
    ssize_t n = SWEPT(kt_stream_receive_fds, (s->p.near, &byte, 1, &s->fd, 1, &count));
    CHECK_EQ(count, n < 0 ? 7 : 1);
    return (int)n;
}

SWEEP(kt_stream_receive_fds, SUSPENDS | WINS | REAL)
{
    subject s = {.p = pair_open(), .fd = -1};
    const int fd = STDERR_FILENO;
    sweep_begin(receives, &s);
    turns(4);
    sure(kt_stream_send_fds(s.p.far, "x", 1, &fd, 1));
    if (sweep_end() < 0) {
        char byte;
        size_t count;
        CHECK_EQ(kt_stream_receive_fds(s.p.near, &byte, 1, &s.fd, 1, &count), 1); /* nothing was taken */
        CHECK_EQ(count, 1);
    }
    close(s.fd);
    pair_close(&s.p);
}

/* ---- Standard streams ------------------------------------------------------------------------- */

static int opens_standard(void *arg)
{
    kt_stream *s = NULL;
    int rc = SWEPT(kt_stream_standard, (*(int *)arg, &s));
    CHECK((rc < 0) == !s);
    kt_stream_close(s);
    return rc;
}

static void sweep_standard(int fd)
{
    int number = STDIN_FILENO, before = fcntl(number, F_DUPFD_CLOEXEC, 100);
    CHECK_EQ(dup2(fd, number), number);
    close(fd);
    (void)sweep_subject(opens_standard, &number);
    CHECK_EQ(dup2(before, number), number);
    close(before);
}

SWEEP(kt_stream_standard, ALLOCATES | REAL)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    close(ends[1]);
    sweep_standard(ends[0]);
}

SWEEP_AS(kt_stream_standard, file, ALLOCATES | REAL)
{
    sweep_standard(open("/dev/null", O_RDONLY));
}

/* What no driver waits for: a thread reads and writes it. */
static kt_stream *standard_of(int fd, int number, int *ret_before)
{
    kt_stream *s = NULL;
    sure(kt_thread_run(nothing, NULL, 0)); /* makes the pool: a write without memory for that would tear the stream */
    *ret_before = fcntl(number, F_DUPFD_CLOEXEC, 100);
    CHECK_EQ(dup2(fd, number), number);
    close(fd);
    sure(kt_stream_standard(number, &s));
    return s;
}

static void put_back(kt_stream *s, int number, int before)
{
    kt_stream_close(s);
    CHECK_EQ(dup2(before, number), number);
    close(before);
}

static int reads_zeros(void *arg)
{
    char bytes[4] = "tea";
    ssize_t n = SWEPT(kt_stream_read, (arg, bytes, sizeof bytes));
    CHECK_EQ(bytes[0], n < 0 ? 't' : '\0');
    return (int)n;
}

SWEEP_AS(kt_stream_read, file, SUSPENDS | WINS | REAL)
{
    int before;
    kt_stream *s = standard_of(open("/dev/zero", O_RDONLY), STDIN_FILENO, &before);
    (void)sweep_subject(reads_zeros, s);
    put_back(s, STDIN_FILENO, before);
}

static int writes_nowhere(void *arg)
{
    return SWEPT(kt_stream_write, (arg, "tea", 3));
}

SWEEP_AS(kt_stream_write, file, SUSPENDS | WINS | REAL)
{
    int before;
    kt_stream *s = standard_of(open("/dev/null", O_WRONLY), STDIN_FILENO, &before);
    (void)sweep_subject(writes_nowhere, s);
    put_back(s, STDIN_FILENO, before);
}
