/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <sys/socket.h>

/* Each wait tells once; as long as the bytes are there, the next one tells again. */
static int reads_third_time(void *arg)
{
    const int fd = *(int *)arg;
    char text[10];
    for (int seen = 1; seen <= 3; seen++) {
        int rc = kt_fd_wait(fd, KT_READABLE);
        if (rc < 0)
            return rc;
        say("readable %d", seen);
    }
    ssize_t n = recv(fd, text, sizeof text, 0);
    say("took %.*s", (int)n, text);
    return 0;
}

static int body(void *arg)
{
    int ends[2];
    char text[10];
    kt_task *reader;
    (void)arg;
    sure(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
    sure(kt_spawn_with(&(kt_spawn_options){.eager = true}, reads_third_time, &ends[1], 0, &reader));
    units(1);
    say(kt_task_done(reader) ? "readable" : "nothing so far");
    sure((int)send(ends[0], "xy", 2, 0));
    sure(kt_task_await(reader));
    sure((int)send(ends[0], "z", 1, 0));
    units(1);
    ssize_t n = recv(ends[1], text, sizeof text, 0);
    say("not told, took %.*s", (int)n, text);
    if (sure(kt_fd_wait(ends[0], KT_WRITABLE)) & KT_WRITABLE)
        say("writable");
    close(ends[0]);
    sure(kt_fd_wait(ends[1], KT_READABLE));
    n = recv(ends[1], text, sizeof text, 0);
    say("end of file %s", n == 0 ? "(empty)" : "?");
    say("removed again %s", yes(kt_task_cancel(reader))); /* it waits no more */
    close(ends[1]);
    return kt_task_join(reader);
}

int main(void)
{
    needs_reality("real descriptors");
    return run(body);
}
