/* SPDX-License-Identifier: MIT */
#ifndef TESTS_IO_PROCESS_POOL_KIT_H
#define TESTS_IO_PROCESS_POOL_KIT_H

/* What the tests of process pools share: functions for workers, and looks at processes. */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/proc_scan.h"

/* Who runs the job, and who has made it. */
typedef struct family {
    pid_t worker, server;
} family;

KT_PROCESS_FN(tell_family, input, size, ret_output)
{
    const family f = {getpid(), getppid()};
    (void)input;
    (void)size;
    return kt_buffer_append(ret_output, &f, sizeof(f));
}

KT_PROCESS_FN(echo, input, size, ret_output)
{
    return kt_buffer_append(ret_output, input, size);
}

/* Writes its family to the descriptor that is its only input, a path of /proc, and goes on for ever. */
KT_PROCESS_FN(run_for_ever, input, size, ret_output)
{
    const family f = {getpid(), getppid()};
    int fd = size > 0 ? open(input, O_WRONLY | O_CLOEXEC) : -1;
    if (size > 0 && write(fd, &f, sizeof(f)) != sizeof(f))
        return -EIO;
    (void)ret_output;
    for (;;)
        pause();
}

static inline family family_of(kt_process_pool *p)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    family f;
    CHECK_OK(kt_process_pool_run(p, tell_family, NULL, 0, &out));
    CHECK_EQ(out.size, sizeof(f));
    memcpy(&f, out.data, sizeof(f));
    return f;
}

static inline kt_process_pool *open_pool(unsigned workers)
{
    kt_process_pool *p = NULL;
    CHECK_OK(kt_process_pool_open(&(kt_process_pool_options){.workers = workers}, &p));
    return p;
}

/* Neither gone nor a zombie that its new parent has not reaped yet. */
static inline bool runs(pid_t pid)
{
    char name[16];
    pid_t group;
    bool runs = false;
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(name, sizeof(name), "%d", (int)pid);
    bool there = kt__proc_read(proc, name, &group, &runs);
    close(proc);
    return there && runs;
}

/* What the kernel ends by itself takes a moment. */
static inline bool ends_soon(pid_t pid)
{
    for (int i = 0; i < 2000 && runs(pid); i++)
        usleep(1000);
    return !runs(pid);
}

static inline void check_no_children(void)
{
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
}

/* A pipe through which a function tells of itself, by a path that every process can open. */
typedef struct teller {
    int ends[2];
    char path[64];
} teller;

static inline teller teller_open(void)
{
    teller t = {{-1, -1}, ""};
    CHECK_OK(pipe2(t.ends, O_CLOEXEC | O_NONBLOCK));
    snprintf(t.path, sizeof(t.path), "/proc/%d/fd/%d", (int)getpid(), t.ends[1]);
    return t;
}

static inline void teller_close(teller *t)
{
    close(t->ends[0]);
    close(t->ends[1]);
}

/* Starts a program that outlives it, tells of both, and waits. */
KT_PROCESS_FN(have_child, input, size, ret_output)
{
    family f = {getpid(), 0};
    (void)size;
    (void)ret_output;
    f.server = fork();
    if (f.server == 0)
        for (;;)
            pause();
    int fd = open(input, O_WRONLY | O_CLOEXEC);
    if (write(fd, &f, sizeof(f)) != sizeof(f))
        return -EIO;
    for (;;)
        pause();
}

/* A job that tells when it has begun, in a task. */
KT_FN(run_told, a, struct { kt_process_pool *pool; kt_process_fn fn; teller *teller; })
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = kt_buffer_append_string(&out, "before");
    if (rc < 0)
        return rc;
    rc = kt_process_pool_run(a->pool, a->fn, a->teller->path, sizeof(a->teller->path), &out);
    CHECK_SLICE(kt_buffer_slice(&out), "before");
    return rc;
}

static inline family await_teller(teller *t)
{
    family f;
    ssize_t n;
    while ((n = read(t->ends[0], &f, sizeof(f))) < 0 && errno == EAGAIN)
        CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_EQ(n, sizeof(f));
    return f;
}

#endif
