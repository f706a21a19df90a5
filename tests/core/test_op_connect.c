/* SPDX-License-Identifier: MIT */
/* Connecting, and connections that come as their listener is closed, as the layers above do it. */
#include "sure.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/core.h"

/* ---- Connecting ------------------------------------------------------------------------------------ */

typedef struct dialled {
    kt__fd fd;
    struct sockaddr_un address;
} dialled;

static int connects(void *arg)
{
    dialled *d = arg;
    kt_task *self = kt__loop->current;
    kt__op *op = kt__op_init(self, KT__OP_CONNECT, &d->fd);
    op->address = (const struct sockaddr *)&d->address;
    op->address_size = sizeof d->address;
    return (int)kt__op_run(self);
}

static void cancel_connect_after(kt_time wait)
{
    dialled d[3] = {{.fd = {.fd = -1}}};
    if (kt__loop->driver != &kt__driver_uring)
        kt_test_skip("for io_uring only: epoll's answer is KT_EFULL");
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < 3; i++) {
        d[i].address = (struct sockaddr_un){.sun_family = AF_UNIX};
        snprintf(d[i].address.sun_path + 1, 64, "kettle-test-op-%d", (int)getpid());
        sure(kt__fd_open(kt__loop, &d[i].fd, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    }
    CHECK_EQ(bind(listener, (const struct sockaddr *)&d[0].address, sizeof d[0].address), 0);
    CHECK_EQ(listen(listener, 0), 0);
    CHECK_OK(connects(&d[0])); /* the line has one place more than it was told */
    kt_task *t = spawn(connects, &d[1], 0);
    yield_times(200);
    sure(kt_sleep(wait));
    CHECK(!kt_task_done(t));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    for (int i = 0; i < 3; i++)
        kt__fd_close(&d[i].fd);
    close(listener);
}

/* While the kernel tries again and again. */
TEST_WITH(a_connect_that_waits_for_a_place_in_the_line_is_cancelled, KT_TEST_REAL_TIME)
{
    cancel_connect_after(0);
}

/* When one of io_uring's workers waits in connect(2), which is interrupted. */
TEST_WITH(and_so_is_one_that_has_waited_for_long, KT_TEST_REAL_TIME)
{
    cancel_connect_after(KT_MS(50));
}

static int listen_shortly(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_EQ(bind(fd, (const struct sockaddr *)address, size), 0);
    CHECK_EQ(listen(fd, 0), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

TEST_WITH(a_connect_is_under_way_until_it_is_answered, KT_TEST_NO_LOOP)
{
    struct sockaddr_in address;
    kt__fd fds[2] = {{.fd = -1}};
    int listener = listen_shortly(&address);
    for (int i = 0; i < 2; i++) {
        fds[i] = (kt__fd){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
        kt__op op = {.kind = KT__OP_CONNECT, .fd = &fds[i], .address = (const struct sockaddr *)&address,
                     .address_size = sizeof address};
        CHECK_ERR((int)kt__op_attempt(&op), -EAGAIN);
        if (i == 0)
            CHECK_OK((int)kt__op_attempt(&op)); /* a place in the line */
        else
            CHECK_ERR((int)kt__op_attempt(&op), -EAGAIN); /* the system drops what else comes */
    }
    close(fds[0].fd);
    close(fds[1].fd);
    close(listener);
}

TEST_WITH(a_connect_that_is_done_at_once_is_done_whatever_failed_before, KT_TEST_NO_LOOP)
{
    struct sockaddr_in address;
    int listener = listen_shortly(&address);
    kt__fd fd = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    kt__op op = {.kind = KT__OP_CONNECT, .fd = &fd, .address = (const struct sockaddr *)&address,
                 .address_size = sizeof address};
    errno = EAGAIN;
    CHECK_OK((int)kt__op_attempt(&op));
    close(fd.fd);
    close(listener);
}

/* ---- Closing --------------------------------------------------------------------------------------- */

static int accepts(void *fd)
{
    kt_task *self = kt__loop->current;
    kt__op_init(self, KT__OP_ACCEPT, fd);
    return (int)kt__op_run(self);
}

/* Who waits has been woken, and has not run: its operation has its result. */
static void until_woken(const kt_task *t)
{
    for (int i = 0; i < 1000 && t->state != KT__TASK_READY; i++)
        yield_times(1);
    CHECK_EQ(t->state, KT__TASK_READY);
}

/* The number of descriptors that are open below 64. */
static int count_open(void)
{
    int count = 0;
    for (int fd = 0; fd < 64; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void close_as_a_connection_comes(bool as_nought)
{
    char byte;
    struct sockaddr_in address;
    kt__fd listener;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sure(kt__fd_open(kt__loop, &listener, listen_shortly(&address)));
    kt_task *t = spawn(accepts, &listener, 0);
    yield_times(200);
    if (as_nought)
        close(STDIN_FILENO);
    const int open_before = count_open();
    CHECK_EQ(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
    until_woken(t);
    CHECK_EQ(count_open(), open_before + 1);
    kt__fd_close(&listener);
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
    CHECK_EQ(count_open(), open_before - 1);
    CHECK_EQ(recv(client, &byte, 1, 0), 0); /* the end */
    close(client);
}

TEST_WITH(a_connection_that_comes_as_the_listener_is_closed_is_closed_too, KT_TEST_REAL_IO)
{
    close_as_a_connection_comes(false);
}

TEST_WITH(also_where_its_number_is_nought, KT_TEST_REAL_IO)
{
    int kept = dup(STDIN_FILENO);
    CHECK_GE(kept, 0);
    close_as_a_connection_comes(true);
    CHECK_EQ(dup2(kept, STDIN_FILENO), STDIN_FILENO);
    close(kept);
}
