/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

/* The server process of a pool: the program started anew, with one thread, that forks workers, kills
 * and reaps them. It holds no line of a worker, so a line ends with its worker. Nothing here
 * belongs to a loop; everything may block. */

#include "io/process_pool_wire.h"
#include "io/spawn.h"

#include <kettle/memory.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* With which the kernel tells the server that the pool's thread has died. Not SIGKILL, for the server
 * has workers to end. */
#define PARENT_DIED SIGTERM

enum {
    STATUS_NOT_A_POOL = 122, /* whoever started us is none */
    STATUS_SETUP = 123,
};

/* How often to look at groups that are on their way out. */
#define LOOK_MS_MIN 1
#define LOOK_MS_MAX 32

typedef struct child {
    struct child *next;
    uint64_t worker;
    pid_t pid; /* once it is reaped only its group's, and never to be signalled again */
    bool reaped;
    int status;
    int64_t reaped_ms;
} child;

typedef struct server {
    int line;
    int signals;
    child *children;
    int look_ms; /* -1: no group is on its way out */
    const char *name;
} server;

/* ---- The end ------------------------------------------------------------------------------- */

/* The whole group: also what the function has started. The zombie keeps the number ours. */
static void kill_child(const child *c)
{
    if (c->reaped)
        return;
    kill(-c->pid, SIGKILL);
    kill(c->pid, SIGKILL);
}

/* The server's own end says that nothing of the pool runs any more. */
KT_NORETURN static void end(const server *s, int status)
{
    for (const child *c = s->children; c; c = c->next)
        kill_child(c);
    for (const child *c = s->children; c; c = c->next) {
        while (!c->reaped && waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        kt__group_outlast(c->pid);
    }
    _exit(status);
}

static void report(const server *s, uint32_t kind, int32_t value, uint64_t worker)
{
    const kt__report r = {kind, value, worker};
    ssize_t n;
    do
        n = send(s->line, &r, sizeof(r), MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n != sizeof(r))
        end(s, 0); /* the pool is gone */
}

/* ---- Workers ------------------------------------------------------------------------------- */

KT_NORETURN static void become_worker(const server *s, pid_t parent, int line)
{
    sigset_t none;
    sigemptyset(&none);
    close(s->line);
    close(s->signals);
    if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(STATUS_SETUP);
    prctl(PR_SET_NAME, s->name);
    sigprocmask(SIG_SETMASK, &none, NULL);
    kt__worker_live(line);
}

static int start(server *s, uint64_t worker, int line)
{
    child *c = kt_alloc(sizeof(*c));
    if (!c)
        return -ENOMEM;
    pid_t self = getpid(), pid = fork();
    if (pid == 0)
        become_worker(s, self, line);
    if (pid < 0) {
        int rc = -errno;
        kt_free(c);
        return rc;
    }
    setpgid(pid, pid); /* whoever of the two comes first: a kill must find the group */
    *c = (child){.next = s->children, .worker = worker, .pid = pid};
    s->children = c;
    return pid;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Has it ended? What is left of its group goes first, while its number is taken. */
static bool try_reap(child *c)
{
    siginfo_t info;
    int rc;
    info.si_pid = 0;
    do
        rc = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT | WNOHANG);
    while (rc < 0 && errno == EINTR);
    if (rc == 0 && info.si_pid == 0)
        return false;
    if (info.si_pid == c->pid)
        kill_child(c);
    while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
        continue;
    c->reaped = true;
    c->reaped_ms = now_ms();
    return true;
}

/* Tells of all that have ended, group and all. A group may take its time (much memory, a file server that
 * hangs), and nobody else waits for it. */
static void reap(server *s)
{
    bool fresh = false, lingers = false;
    for (child **link = &s->children; *link;) {
        child *c = *link;
        if (!c->reaped)
            fresh |= try_reap(c);
        if (!c->reaped || !kt__group_gone(c->pid, (int)(now_ms() - c->reaped_ms))) {
            lingers |= c->reaped;
            link = &c->next;
            continue;
        }
        *link = c->next;
        report(s, KT__REPORT_ENDED, c->status, c->worker);
        kt_free(c);
    }
    if (!lingers)
        s->look_ms = -1;
    else if (fresh)
        s->look_ms = LOOK_MS_MIN;
    else if (s->look_ms < LOOK_MS_MAX)
        s->look_ms *= 2;
}

/* ---- Orders -------------------------------------------------------------------------------- */

/* 1, or 0 when the pool has gone or says what no pool says. */
static int receive(const server *s, kt__order *ret_order, int *ret_line)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec piece = {ret_order, sizeof(*ret_order)};
    struct msghdr m = {
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n;
    do
        n = recvmsg(s->line, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    *ret_line = -1;
    const struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (h && h->cmsg_type == SCM_RIGHTS && h->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_line, CMSG_DATA(h), sizeof(int));
    return n == sizeof(*ret_order);
}

static void obey(server *s)
{
    kt__order o;
    int line;
    if (!receive(s, &o, &line))
        end(s, 0);
    if (o.kind == KT__ORDER_START) {
        /* Without a line (no descriptor was free for it) there is no use in a worker. */
        int rc = line < 0 ? -EMFILE : start(s, o.worker, line);
        report(s, rc < 0 ? KT__REPORT_FAILED : KT__REPORT_STARTED, rc, o.worker);
    }
    if (line >= 0)
        close(line);
    for (const child *c = s->children; o.kind == KT__ORDER_KILL && c; c = c->next)
        if (c->worker == o.worker)
            kill_child(c);
}

/* ---- The server's life --------------------------------------------------------------------- */

/* Is descriptor 0 a socket that our parent has made? Anybody can give a program a name. */
static bool is_from_parent(void)
{
    struct ucred maker;
    socklen_t size = sizeof(maker);
    return getsockopt(0, SOL_SOCKET, SO_PEERCRED, &maker, &size) == 0 && maker.pid == getppid();
}

/* Takes the line from 0 to where no function of the program's finds it by accident, and a program that
 * a function starts does not at all. */
static bool set_descriptors(server *s)
{
    s->line = fcntl(0, F_DUPFD_CLOEXEC, 3);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (s->line < 0 || null_fd < 0 || dup2(null_fd, 0) < 0)
        return false;
    close(null_fd);
    return true;
}

static bool set_signals(server *s)
{
    sigset_t all, ours;
    sigfillset(&all);
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, PARENT_DIED);
    s->signals = -1;
    if (sigprocmask(SIG_SETMASK, &all, NULL) == 0)
        s->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    /* It was SIGKILL until now, so that there is no moment without. */
    return s->signals >= 0 && prctl(PR_SET_PDEATHSIG, PARENT_DIED) == 0;
}

static void look_at_signals(server *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof(info)) == sizeof(info))
        if (info.ssi_signo == PARENT_DIED)
            end(s, 0);
    reap(s);
}

KT_NORETURN static void live(server *s)
{
    report(s, KT__REPORT_READY, KT__POOL_VERSION, 0);
    struct pollfd fds[] = {{s->signals, POLLIN, 0}, {s->line, POLLIN, 0}};
    for (;;) {
        int ready = poll(fds, 2, s->look_ms);
        if (ready < 0 && errno != EINTR)
            end(s, STATUS_SETUP);
        if (ready <= 0 || fds[0].revents)
            look_at_signals(s);
        if (ready <= 0)
            continue;
        if (fds[1].revents)
            obey(s);
    }
}

/* ---- In main ------------------------------------------------------------------------------- */

/* A fact about the program, not the state of a loop: written once, by the first line of main. */
static bool main_has_called;

bool kt__process_pool_ready(void)
{
    return main_has_called;
}

void kt_process_pool_main(int argc, char **argv)
{
    main_has_called = true;
    if (argc != 2 || strcmp(argv[0], KT__POOL_ARGV0) != 0)
        return;
    server s = {.name = argv[1], .look_ms = -1};
    if (!is_from_parent())
        _exit(STATUS_NOT_A_POOL);
    if (!set_descriptors(&s) || !set_signals(&s))
        _exit(STATUS_SETUP);
    prctl(PR_SET_NAME, "kettle-pool");
    live(&s);
}
