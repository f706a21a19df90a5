/* SPDX-License-Identifier: MIT */
/* Operations on descriptors, as the layers above begin them: what the drivers make of each. */
#include "sure.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/core.h"

typedef struct ends {
    kt__fd ours;
    int theirs; /* without a driver */
} ends;

static void open_ends(ends *e, int type)
{
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
    e->theirs = fds[1];
    sure(kt__fd_open(kt__loop, &e->ours, fds[0]));
}

static void close_ends(ends *e)
{
    kt__fd_close(&e->ours);
    close(e->theirs);
}

static void feed(const ends *e, const char *text)
{
    CHECK_EQ(write(e->theirs, text, strlen(text)), (int64_t)strlen(text));
}

static ssize_t transfer(int kind, kt__fd *fd, struct iovec *pieces, unsigned count)
{
    kt_task *self = kt__loop->current;
    kt__op *op = kt__op_init(self, kind, fd);
    op->pieces = pieces;
    op->count = count;
    return kt__op_run(self);
}

/* Into 16 bytes in two pieces. */
static int reads(void *arg)
{
    char a[8], b[8];
    struct iovec pieces[] = {{a, sizeof a}, {b, sizeof b}};
    return (int)transfer(KT__OP_READ, arg, pieces, 2);
}

/* The same, where it must wait first. */
static int read_later(ends *e, const char *text)
{
    kt_task *t = spawn(reads, &e->ours, 0);
    yield_times(3);
    CHECK(!kt_task_done(t));
    feed(e, text);
    return kt_task_join(t);
}

static void epoll_only(void)
{
    if (kt__loop->driver != &kt__driver_epoll)
        kt_test_skip("for epoll only");
}

static void uring_only(void)
{
    if (kt__loop->driver != &kt__driver_uring)
        kt_test_skip("for io_uring only");
}

/* ---- Pieces ---------------------------------------------------------------------------------- */

TEST_WITH(a_read_fills_all_its_pieces, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    feed(&e, "0123456789");
    CHECK_EQ(reads(&e.ours), 10);
    CHECK_EQ(read_later(&e, "0123456789ab"), 12);
    close_ends(&e);
}

TEST_WITH(a_write_takes_all_its_pieces, KT_TEST_REAL_IO)
{
    ends e;
    char text[16] = "";
    struct iovec pieces[] = {{(char[]){"abc"}, 3}, {(char[]){"defg"}, 4}};
    open_ends(&e, SOCK_STREAM);
    CHECK_EQ(transfer(KT__OP_WRITE, &e.ours, pieces, 2), 7);
    CHECK_EQ(transfer(KT__OP_WRITE, &e.ours, pieces, 1), 3);
    CHECK_EQ(read(e.theirs, text, sizeof text), 10);
    CHECK_STR(text, "abcdefgabc");
    close_ends(&e);
}

/* ---- epoll: a read that came back short has emptied the socket -------------------------------- */

TEST_WITH(after_a_short_read_the_next_waits_for_the_event, KT_TEST_REAL_IO)
{
    ends e;
    epoll_only();
    open_ends(&e, SOCK_STREAM);
    CHECK_EQ(read_later(&e, "abc"), 3);
    CHECK(e.ours.drained);
    CHECK_EQ(read_later(&e, "0123456789"), 10); /* the second piece is room, too */
    CHECK(e.ours.drained);
    CHECK_EQ(read_later(&e, "0123456789abcdef"), 16);
    CHECK(!e.ours.drained);
    close_ends(&e);
}

TEST_WITH(after_a_short_write_a_read_is_tried_at_once, KT_TEST_REAL_IO)
{
    ends e;
    epoll_only();
    open_ends(&e, SOCK_STREAM);
    char *much = kt_calloc(1, 1 << 20);
    CHECK(much != NULL);
    CHECK_EQ(read_later(&e, "0123456789abcdef"), 16);
    feed(&e, "abc");
    CHECK_LT(transfer(KT__OP_WRITE, &e.ours, &(struct iovec){much, 1 << 20}, 1), 1 << 20);
    CHECK(!e.ours.drained);
    CHECK_EQ(reads(&e.ours), 3);
    kt_free(much);
    close_ends(&e);
}

/* No event is to come for what epoll does not know yet, and after the end. */
TEST_WITH(a_first_read_and_the_end_of_file_empty_nothing, KT_TEST_REAL_IO)
{
    ends e;
    epoll_only();
    open_ends(&e, SOCK_STREAM);
    feed(&e, "abc");
    CHECK_EQ(reads(&e.ours), 3);
    CHECK(!e.ours.drained);
    CHECK_EQ(read_later(&e, "0123456789abcdef"), 16);
    CHECK_EQ(shutdown(e.theirs, SHUT_WR), 0);
    CHECK_EQ(reads(&e.ours), 0);
    CHECK(!e.ours.drained);
    CHECK_EQ(reads(&e.ours), 0);
    close_ends(&e);
}

TEST_WITH(what_is_no_socket_is_tried_each_time, KT_TEST_REAL_IO)
{
    int fds[2];
    epoll_only();
    CHECK_EQ(pipe(fds), 0);
    ends e = {.theirs = fds[1]};
    sure(kt__fd_open(kt__loop, &e.ours, fds[0]));
    CHECK_EQ(read_later(&e, "abc"), 3);
    CHECK(!e.ours.drained);
    close_ends(&e);
}

TEST_WITH(an_end_behind_the_bytes_of_one_event_is_read, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    kt_task *t = spawn(reads, &e.ours, 0);
    yield_times(3);
    feed(&e, "abc");
    CHECK_EQ(shutdown(e.theirs, SHUT_WR), 0);
    CHECK_EQ(kt_task_join(t), 3);
    CHECK_EQ(reads(&e.ours), 0);
    close_ends(&e);
}

/* ---- Readiness in both directions ------------------------------------------------------------- */

static void fill(int fd)
{
    char block[4096] = "";
    while (send(fd, block, sizeof block, MSG_DONTWAIT) > 0)
        ;
}

static void drain(int fd)
{
    char block[4096];
    while (recv(fd, block, sizeof block, MSG_DONTWAIT) > 0)
        ;
}

KT_FN(waits_for, a, struct { int fd, events; })
{
    return kt_fd_wait(a->fd, a->events);
}

TEST_WITH(who_waits_for_both_directions_is_told_of_either, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    fill(e.ours.fd);
    kt_task *t = spawn(KT_WITH(waits_for, e.ours.fd, KT_READABLE | KT_WRITABLE));
    yield_times(3);
    CHECK(!kt_task_done(t));
    drain(e.theirs);
    CHECK_EQ(kt_task_join(t), KT_WRITABLE);
    fill(e.ours.fd);
    t = spawn(KT_WITH(waits_for, e.ours.fd, KT_READABLE | KT_WRITABLE));
    yield_times(3);
    feed(&e, "x");
    CHECK_EQ(kt_task_join(t), KT_READABLE);
    close_ends(&e);
}

static int polls(kt__fd *fd, short events)
{
    kt_task *self = kt__loop->current;
    kt__op_init(self, KT__OP_POLL, fd)->events = events;
    return (int)kt__op_run(self);
}

static int polls_for_bytes(void *fd)
{
    return polls(fd, POLLIN);
}

TEST_WITH(a_read_finds_what_another_has_waited_for, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    CHECK_EQ(read_later(&e, "abc"), 3); /* epoll: it is empty now, until an event */
    kt_task *t = spawn(polls_for_bytes, &e.ours, 0);
    yield_times(3);
    CHECK(!kt_task_done(t));
    feed(&e, "0123");
    CHECK_EQ(kt_task_join(t), POLLIN);
    CHECK_EQ(reads(&e.ours), 4);
    close_ends(&e);
}

TEST_WITH(one_may_wait_for_bytes_and_another_for_room, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    kt_task *t = spawn(polls_for_bytes, &e.ours, 0);
    yield_times(3);
    CHECK_EQ(polls(&e.ours, POLLOUT), POLLOUT);
    feed(&e, "x");
    CHECK_EQ(kt_task_join(t), POLLIN);
    close_ends(&e);
}

static int writes_much(void *fd)
{
    static char much[1 << 20];
    int rc;
    while ((rc = (int)transfer(KT__OP_WRITE, fd, &(struct iovec){much, sizeof much}, 1)) > 0)
        ;
    return rc;
}

TEST_DIES(two_readers_of_one_descriptor_are_misuse, KT_TEST_REAL_IO, "reads from it already")
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    kt_task_detach(spawn(reads, &e.ours, 0));
    yield_times(3);
    CHECK_EQ(reads(&e.ours), 0);
}

TEST_DIES(two_writers_of_one_descriptor_are_misuse, KT_TEST_REAL_IO, "writes to it already")
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    kt_task_detach(spawn(writes_much, &e.ours, 0));
    yield_times(200);
    CHECK_EQ(writes_much(&e.ours), 0);
}

/* ---- Turns for the others ---------------------------------------------------------------------- */

static int raises(void *flag)
{
    *(volatile bool *)flag = true;
    return 0;
}

TEST_WITH(the_sixty_fourth_call_that_need_not_wait_lets_others_run, KT_TEST_REAL_IO)
{
    ends e;
    volatile bool ran = false;
    int calls = 0;
    epoll_only(); /* io_uring's all wait */
    open_ends(&e, SOCK_STREAM);
    kt_task *t = spawn(raises, (void *)&ran, 0);
    for (; !ran; calls++)
        CHECK_EQ(transfer(KT__OP_WRITE, &e.ours, &(struct iovec){(char[]){"x"}, 1}, 1), 1);
    CHECK_EQ(calls, 64);
    sure(kt_task_join(t));
    ran = false;
    t = spawn(raises, (void *)&ran, 0);
    for (calls = 0; !ran; calls++)
        sure(kt__op_turn(kt__loop->current));
    CHECK_EQ(calls, 64);
    sure(kt_task_join(t));
    close_ends(&e);
}

TEST_WITH(a_loop_that_is_busy_sees_what_arrives, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    kt_task *t = spawn(reads, &e.ours, 0);
    yield_times(200); /* the kernel has it */
    CHECK(!kt_task_done(t));
    feed(&e, "abc");
    for (int i = 0; i < 1000 && !kt_task_done(t); i++)
        sure(kt_sleep(0));
    CHECK(kt_task_done(t));
    CHECK_EQ(kt_task_join(t), 3);
    close_ends(&e);
}

/* ---- Waiting is sleeping ---------------------------------------------------------------------- */

/* How often this thread went to sleep while the loop slept twenty times. One that asks again and again instead
 * does so never, however much else the machine has to do. */
static long falls_asleep(void)
{
    struct rusage before, after;
    CHECK_EQ(getrusage(RUSAGE_THREAD, &before), 0);
    for (int i = 0; i < 20; i++)
        sure(kt_sleep(KT_MS(2)));
    CHECK_EQ(getrusage(RUSAGE_THREAD, &after), 0);
    return after.ru_nvcsw - before.ru_nvcsw;
}

TEST_WITH(a_loop_that_waits_does_not_spin, KT_TEST_REAL_TIME)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    kt_task *t = spawn(reads, &e.ours, 0);
    yield_times(3);
    CHECK_GE(falls_asleep(), 15);
    feed(&e, "abc");
    CHECK_EQ(kt_task_join(t), 3);
    close_ends(&e);
}

static int sends(void *arg)
{
    kt_task *self = kt__loop->current;
    struct iovec piece = {(char[]){"hello"}, 5};
    kt__op_init(self, KT__OP_SEND, arg)->message = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1};
    return (int)kt__op_run(self);
}

TEST_WITH(nor_does_one_with_a_message_that_finds_no_room, KT_TEST_REAL_TIME)
{
    ends e;
    open_ends(&e, SOCK_DGRAM);
    fill(e.ours.fd);
    kt_task *t = spawn(sends, &e.ours, 0);
    yield_times(3);
    CHECK_GE(falls_asleep(), 15);
    CHECK(!kt_task_done(t));
    drain(e.theirs);
    CHECK_EQ(kt_task_join(t), 5);
    close_ends(&e);
}

/* ---- Cancellation ------------------------------------------------------------------------------ */

TEST_WITH(a_message_that_finds_room_as_it_is_cancelled_is_not_sent, KT_TEST_REAL_IO)
{
    ends e;
    char text[8];
    uring_only(); /* epoll sends it when it looks, which is after the cancellation */
    open_ends(&e, SOCK_DGRAM);
    fill(e.ours.fd);
    kt_task *t = spawn(sends, &e.ours, 0);
    yield_times(200);
    drain(e.theirs);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(recv(e.theirs, text, sizeof text, MSG_DONTWAIT), -1);
    close_ends(&e);
}

TEST_WITH(nor_is_one_that_finds_no_room_as_it_is_cancelled, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_DGRAM);
    fill(e.ours.fd);
    kt_task *t = spawn(sends, &e.ours, 0);
    yield_times(1); /* io_uring's kernel has not seen it */
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    close_ends(&e);
}

static int is_closed_and_goes_on(void *fd)
{
    CHECK_ERR(reads(fd), KT_ECLOSED);
    kt_task_cancel(kt_task_current());
    CHECK_EQ(kt_cancel_catch(), 0); /* no call has returned it */
    return kt_sleep(0);
}

TEST_WITH(who_closes_a_descriptor_asks_nobody_to_stop, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    kt_task *t = spawn(is_closed_and_goes_on, &e.ours, 0), *writer = spawn(writes_much, &e.ours, 0);
    yield_times(200);
    close_ends(&e);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_ERR(kt_task_join(writer), KT_ECLOSED);
}

TEST_WITH(closing_waits_for_a_writer_alone, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    kt_task *writer = spawn(writes_much, &e.ours, 0);
    yield_times(200);
    close_ends(&e);
    CHECK_ERR(kt_task_join(writer), KT_ECLOSED);
}

TEST_WITH(what_happens_to_a_copy_of_a_closed_descriptor_concerns_nobody, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    CHECK_EQ(read_later(&e, "x"), 1);
    int copy = dup(e.ours.fd);
    kt__fd_close(&e.ours);
    memset(&e.ours, 0x5a, sizeof e.ours); /* as though freed, and used anew */
    const kt__fd after = e.ours;
    close(e.theirs);
    yield_times(200);
    CHECK_EQ(memcmp(&e.ours, &after, sizeof after), 0);
    close(copy);
}

static int catches_its_cancellation(void *fd)
{
    CHECK_ERR(reads(fd), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    return kt_sleep(0);
}

TEST_WITH(a_cancelled_operation_can_be_caught, KT_TEST_REAL_IO)
{
    ends e;
    open_ends(&e, SOCK_STREAM);
    kt_task *t = spawn(catches_its_cancellation, &e.ours, 0);
    yield_times(200);
    kt_task_cancel(t);
    CHECK_OK(kt_task_join(t));
    close_ends(&e);
}

/* ---- SIGPIPE -------------------------------------------------------------------------------------- */

static void write_to_nobody(void)
{
    int fds[2];
    sigset_t pending;
    CHECK_EQ(pipe(fds), 0);
    ends e = {.theirs = fds[0]};
    sure(kt__fd_open(kt__loop, &e.ours, fds[1]));
    close(e.theirs);
    CHECK_ERR(transfer(KT__OP_WRITE, &e.ours, &(struct iovec){(char[]){"x"}, 1}, 1), -EPIPE);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(!sigismember(&pending, SIGPIPE));
    kt__fd_close(&e.ours);
}

TEST_WITH(a_broken_pipe_leaves_no_signal_behind, KT_TEST_REAL_IO)
{
    write_to_nobody();
}

TEST_WITH(nor_does_one_wait_for_a_signal_that_is_ignored, KT_TEST_REAL_IO)
{
    signal(SIGPIPE, SIG_IGN);
    write_to_nobody();
    signal(SIGPIPE, SIG_DFL);
}
