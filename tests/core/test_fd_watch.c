/* SPDX-License-Identifier: MIT */
/* Callbacks for descriptors that are ready. */
#include "sure.h"

#include <kettle/callback.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct side {
    int fd;
    int calls;     /* of its function */
    int calls_max; /* then it unwatches itself; 0: never */
    kt_event called;
} side;

static void make_pair(side *a, side *b)
{
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *a = (side){.fd = fds[0], .called = KT_EVENT_INIT};
    *b = (side){.fd = fds[1], .called = KT_EVENT_INIT};
}

static void close_pair(const side *a, const side *b)
{
    close(a->fd);
    close(b->fd);
}

static void feed(const side *s, const char *text)
{
    CHECK_EQ(write(s->fd, text, strlen(text)), (int64_t)strlen(text));
}

static void await_call(side *s)
{
    kt_event_clear(&s->called);
    CHECK_OK(kt_event_wait(&s->called));
}

static void take_byte(void *arg)
{
    side *s = arg;
    char x;
    CHECK_EQ(read(s->fd, &x, 1), 1);
    s->calls++;
    kt_event_set(&s->called);
}

static void just_count(void *arg)
{
    side *s = arg;
    CHECK(!kt_task_current());
    if (++s->calls == s->calls_max) {
        CHECK(kt_fd_unwatch(s->fd, KT_READABLE));
        CHECK(!kt_fd_unwatch(s->fd, KT_READABLE));
    }
    kt_event_set(&s->called);
}

TEST_WITH(it_is_called_until_everything_was_taken, KT_TEST_REAL_IO)
{
    side a, b;
    make_pair(&a, &b);
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, take_byte, &b));
    yield_times(3);
    CHECK_EQ(b.calls, 0);
    feed(&a, "xyz");
    while (b.calls < 3)
        await_call(&b);
    yield_times(200); /* more than a busy loop's passes between two looks at the kernel */
    CHECK_EQ(b.calls, 3);
    feed(&a, "x");
    await_call(&b);
    CHECK_EQ(b.calls, 4);
    CHECK(kt_fd_unwatch(b.fd, KT_READABLE));
    close_pair(&a, &b);
}

TEST_WITH(what_is_left_unread_calls_again, KT_TEST_REAL_IO)
{
    side a, b;
    make_pair(&a, &b);
    b.calls_max = 5;
    feed(&a, "x");
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, just_count, &b));
    while (b.calls < 5)
        await_call(&b);
    yield_times(200);
    CHECK_EQ(b.calls, 5); /* it has unwatched itself */
    close_pair(&a, &b);
}

TEST_WITH(both_directions_of_one_descriptor_are_watched_at_once, KT_TEST_REAL_IO)
{
    side a, b, out;
    make_pair(&a, &b);
    out = (side){.fd = b.fd, .called = KT_EVENT_INIT};
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, take_byte, &b));
    CHECK_OK(kt_fd_watch(b.fd, KT_WRITABLE, just_count, &out));
    await_call(&out);
    CHECK_EQ(b.calls, 0);
    CHECK(kt_fd_unwatch(b.fd, KT_WRITABLE));
    int calls = out.calls;
    feed(&a, "x");
    await_call(&b);
    CHECK_EQ(b.calls, 1);
    CHECK_EQ(out.calls, calls);
    CHECK(kt_fd_unwatch(b.fd, KT_READABLE));
    close_pair(&a, &b);
}

TEST_WITH(the_full_side_is_told_when_there_is_room, KT_TEST_REAL_IO)
{
    side a, b;
    static char block[4096], bytes[4096];
    make_pair(&a, &b);
    while (write(a.fd, block, sizeof block) > 0)
        ;
    CHECK_OK(kt_fd_watch(a.fd, KT_WRITABLE, just_count, &a));
    yield_times(200);
    CHECK_EQ(a.calls, 0);
    while (read(b.fd, bytes, sizeof bytes) > 0)
        ;
    await_call(&a);
    CHECK(kt_fd_unwatch(a.fd, KT_WRITABLE));
    close_pair(&a, &b);
}

TEST_WITH(watching_again_replaces_the_function, KT_TEST_REAL_IO)
{
    side a, b, second = {.called = KT_EVENT_INIT};
    make_pair(&a, &b);
    second.fd = b.fd;
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, just_count, &b));
    yield_times(3); /* it waits in the kernel */
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, take_byte, &second));
    feed(&a, "x");
    await_call(&second);
    CHECK_EQ(second.calls, 1);
    CHECK_EQ(b.calls, 0);
    CHECK(kt_fd_unwatch(b.fd, KT_READABLE));
    close_pair(&a, &b);
}

static void replace_itself(void *arg)
{
    side *s = arg;
    s->calls += 100;
    CHECK_OK(kt_fd_watch(s->fd, KT_READABLE, take_byte, s));
}

TEST_WITH(a_function_may_replace_itself, KT_TEST_REAL_IO)
{
    side a, b;
    make_pair(&a, &b);
    feed(&a, "x");
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, replace_itself, &b));
    await_call(&b);
    CHECK_EQ(b.calls, 101);
    CHECK(kt_fd_unwatch(b.fd, KT_READABLE));
    close_pair(&a, &b);
}

TEST_WITH(it_ends_at_once_even_if_the_call_is_due, KT_TEST_REAL_IO)
{
    side a, b;
    make_pair(&a, &b);
    feed(&a, "x");
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, just_count, &b)); /* ready: due in the next pass */
    CHECK(kt_fd_unwatch(b.fd, KT_READABLE));
    yield_times(200);
    CHECK_EQ(b.calls, 0);
    close_pair(&a, &b);
}

TEST_WITH(watched_anew_while_the_old_watch_is_still_in_the_kernel, KT_TEST_REAL_IO)
{
    side a, b;
    make_pair(&a, &b);
    for (int i = 1; i <= 3; i++) {
        CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, take_byte, &b));
        yield_times(200);
        CHECK(kt_fd_unwatch(b.fd, KT_READABLE));
        CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, take_byte, &b));
        feed(&a, "x");
        await_call(&b);
        CHECK_EQ(b.calls, i);
        CHECK(kt_fd_unwatch(b.fd, KT_READABLE));
    }
    close_pair(&a, &b);
}

TEST_WITH(a_number_that_is_used_again_is_another_descriptor, KT_TEST_REAL_IO)
{
    side a, b, c, d;
    make_pair(&a, &b);
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, take_byte, &b));
    yield_times(200);
    CHECK(kt_fd_unwatch(b.fd, KT_READABLE));
    close_pair(&a, &b);
    make_pair(&c, &d);
    CHECK_EQ(d.fd, b.fd);
    CHECK_OK(kt_fd_watch(d.fd, KT_READABLE, take_byte, &d));
    yield_times(200);
    CHECK_EQ(d.calls, 0);
    feed(&c, "x");
    await_call(&d);
    CHECK_EQ(b.calls, 0);
    CHECK(kt_fd_unwatch(d.fd, KT_READABLE));
    close_pair(&c, &d);
}

static void close_it(void *arg)
{
    side *s = arg;
    s->calls++;
    CHECK(kt_fd_unwatch(s->fd, KT_READABLE));
    close(s->fd);
    kt_event_set(&s->called);
}

TEST_WITH(the_end_of_file_calls_and_the_function_closes, KT_TEST_REAL_IO)
{
    side a, b;
    make_pair(&a, &b);
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, close_it, &b));
    yield_times(3);
    close(a.fd);
    await_call(&b);
    yield_times(200);
    CHECK_EQ(b.calls, 1);
}

static void close_unannounced(void *arg)
{
    side *s = arg;
    s->calls++;
    close(s->fd);
    kt_event_set(&s->called);
}

TEST_WITH(a_descriptor_that_is_closed_in_its_own_function_is_watched_no_more, KT_TEST_REAL_IO)
{
    side a, b;
    make_pair(&a, &b);
    feed(&a, "x");
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, close_unannounced, &b));
    await_call(&b);
    yield_times(200);
    CHECK_EQ(b.calls, 1);
    CHECK(!kt_fd_unwatch(b.fd, KT_READABLE));
    close(a.fd);
}

/* Another descriptor holds the file open, so that epoll tells of it all the same. */
TEST_WITH(one_that_is_closed_while_it_is_waited_for_is_watched_no_more, KT_TEST_REAL_IO)
{
    side a, b;
    make_pair(&a, &b);
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, just_count, &b));
    yield_times(3);
    int other = dup(b.fd);
    CHECK_GE(other, 0);
    CHECK_EQ(close(b.fd), 0);
    feed(&a, "x");
    yield_times(200);
    (void)kt_fd_unwatch(b.fd, KT_READABLE); /* uring has not noticed: it waits for the file, not the number */
    close(other);
    close(a.fd);
}

static int leaves_watches(void *arg)
{
    side *sides = arg;
    make_pair(&sides[0], &sides[1]);
    CHECK_OK(kt_fd_watch(sides[1].fd, KT_READABLE, take_byte, &sides[1]));
    CHECK_OK(kt_fd_watch(sides[1].fd, KT_WRITABLE, just_count, &sides[1])); /* always ready */
    return kt_sleep(0);
}

TEST_WITH(what_is_watched_at_the_end_does_not_keep_the_loop, KT_TEST_NO_LOOP)
{
    side sides[2];
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors");
    CHECK_OK(kt_run(leaves_watches, sides, 0));
    close_pair(&sides[0], &sides[1]);
}

static const kt_context_var name = {"name"};
static const char *seen;

static void look_at_name(void *arg)
{
    seen = kt_context_get(&name, "nobody");
    just_count(arg);
}

TEST_WITH(it_sees_the_values_of_whoever_watches, KT_TEST_REAL_IO)
{
    side a, b;
    make_pair(&a, &b);
    b.calls_max = 1;
    feed(&a, "x");
    CHECK_OK(kt_context_set(&name, "ann"));
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, look_at_name, &b));
    CHECK_OK(kt_context_set(&name, "bob"));
    await_call(&b);
    CHECK_STR(seen, "ann");
    close_pair(&a, &b);
}

TEST_WITH(what_cannot_be_watched_says_so_and_leaves_nothing, KT_TEST_REAL_IO)
{
    side a, b;
    CHECK_ERR(kt_fd_watch(-1, KT_READABLE, just_count, NULL), -EBADF);
    CHECK(!kt_fd_unwatch(-1, KT_READABLE));
    make_pair(&a, &b);
    for (int i = 1; i <= 2; i++) { /* the table, the watch */
        kt_test_fail_allocation(i);
        CHECK_ERR(kt_fd_watch(b.fd, KT_READABLE, just_count, &b), -ENOMEM);
        CHECK(!kt_fd_unwatch(b.fd, KT_READABLE));
    }
    close_pair(&a, &b);
    CHECK_ERR(kt_fd_watch(b.fd, KT_READABLE, just_count, &b), -EBADF);
}

static int waits_for_readable(void *arg)
{
    return kt_fd_wait(((side *)arg)->fd, KT_READABLE);
}

TEST_WITH(beside_a_task_that_waits_there_epoll_refuses, KT_TEST_REAL_IO)
{
    side a, b;
    if (strcmp(kt_loop_driver(kt_loop_current()), "epoll") != 0)
        kt_test_skip("for epoll only");
    make_pair(&a, &b);
    kt_task *t = spawn(waits_for_readable, &b, 0);
    yield_times(3);
    CHECK_ERR(kt_fd_watch(b.fd, KT_READABLE, just_count, &b), -EEXIST);
    CHECK(!kt_fd_unwatch(b.fd, KT_READABLE));
    feed(&a, "x");
    CHECK_EQ(kt_task_join(t), KT_READABLE);
    close_pair(&a, &b);
}

TEST_DIES(two_directions_in_one_call_are_misuse, 0, "one direction at a time")
{
    CHECK_OK(kt_fd_watch(0, KT_READABLE | KT_WRITABLE, just_count, NULL));
}

TEST_DIES(ending_two_directions_in_one_call_is_misuse, 0, "kt_fd_unwatch: one direction at a time")
{
    (void)kt_fd_unwatch(0, KT_READABLE | KT_WRITABLE);
}

TEST(the_simulated_driver_refuses)
{
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("for sim only");
    CHECK_ERR(kt_fd_watch(0, KT_READABLE, just_count, NULL), KT_ENOTSIM);
    CHECK(!kt_fd_unwatch(0, KT_READABLE));
}

/* Descriptor 0, and one that is inherited across exec(3). */
TEST_WITH(a_standard_input_can_be_watched, KT_TEST_REAL_IO)
{
    int fds[2], before = dup(0);
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(dup2(fds[0], 0), 0);
    side out = {.fd = fds[1]}, in = {.fd = 0, .called = KT_EVENT_INIT};
    CHECK_OK(kt_fd_watch(0, KT_READABLE, take_byte, &in));
    feed(&out, "x");
    await_call(&in);
    CHECK_EQ(in.calls, 1);
    CHECK(kt_fd_unwatch(0, KT_READABLE));
    CHECK_EQ(dup2(before, 0), 0);
    close(before);
    close(fds[0]);
    close(fds[1]);
}

TEST_WITH(one_direction_is_watched_on_when_the_other_is_not_any_more, KT_TEST_REAL_IO)
{
    char block[4096] = "";
    side a, b;
    make_pair(&a, &b);
    while (write(b.fd, block, sizeof block) > 0)
        ;
    CHECK_OK(kt_fd_watch(b.fd, KT_READABLE, just_count, &b));
    CHECK_OK(kt_fd_watch(b.fd, KT_WRITABLE, just_count, &b));
    yield_times(200);
    CHECK_EQ(b.calls, 0);
    CHECK(kt_fd_unwatch(b.fd, KT_READABLE));
    while (read(a.fd, block, sizeof block) > 0)
        ;
    kt_event_clear(&b.called);
    CHECK_OK(kt_event_wait(&b.called));
    CHECK_EQ(b.calls, 1);
    CHECK(kt_fd_unwatch(b.fd, KT_WRITABLE));
    close_pair(&a, &b);
}
