/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int read_one(void *fd)
{
    char text[10];
    int rc = kt_fd_wait(*(int *)fd, KT_READABLE);
    sure(rc);
    ssize_t n = recv(*(int *)fd, text, sizeof text, 0);
    say("readable %.*s", (int)n, text);
    return 0;
}

static void block(kt_time d)
{
    nanosleep(&(struct timespec){.tv_sec = d / KT_S(1), .tv_nsec = d % KT_S(1)}, NULL);
}

static int body(void *arg)
{
    kt_auto(kt_callback) late = KT_CALLBACK_INIT, early = KT_CALLBACK_INIT, soon = KT_CALLBACK_INIT;
    int ends[2];
    (void)arg;
    sure(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
    /* Eager: it waits for the descriptor from now on, as add_reader does. */
    kt_task *reader;
    sure(kt_spawn_with(&(kt_spawn_options){.eager = true}, read_one, &ends[1], 0, &reader));
    kt_call_later(&late, 2 * U, say_text, "timer late");
    kt_call_later(&early, 1 * U, say_text, "timer early");
    kt_call_soon(&soon, say_text, "queued callback");
    if (send(ends[0], "x", 1, 0) != 1)
        return -errno;
    block(3 * U);
    say("main was blocked");
    units(2);
    say("main end");
    close(ends[0]);
    close(ends[1]);
    return kt_task_join(reader);
}

int main(void)
{
    needs_reality("real descriptors");
    return run(body);
}
