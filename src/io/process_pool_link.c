/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "io/process_pool_link.h"

#include <kettle/callback.h>
#include <kettle/loop.h>
#include <kettle/memory.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/eyes.h"
#include "io/spawn.h"

#ifdef KT_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* A server that has not done by then what it was told is stopped, or hangs. Longer than it waits itself for
 * what is left of a worker's group. */
#define LINGER KT_S(5)

int kt__line_read(kt_stream *line, void *bytes, size_t size)
{
    for (size_t have = 0; have < size;) {
        ssize_t n = kt_stream_read(line, (char *)bytes + have, size - have);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return KT_EINCOMPLETE;
        have += (size_t)n;
    }
    return 0;
}

/* A socket whose one end is a stream of ours. The other is above 2. */
static int open_line(kt_stream **ret_ours, int *ret_theirs)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    int theirs = kt__lift(ends[1]);
    int rc = theirs < 0 ? theirs : kt_stream_from_fd(ends[0], ret_ours);
    if (rc < 0) {
        close(ends[0]);
        if (theirs >= 0)
            close(theirs);
        return rc;
    }
    kt__closed(*ret_ours, "a stream"); /* debug mode shall name the pool, not its parts */
    *ret_theirs = theirs;
    return 0;
}

/* ---- Reports ------------------------------------------------------------------------------- */

static void note_end(kt__worker *w)
{
    kt__worker_hang_up(w); /* a process that has left the group may hold the other end still */
    kt_event_set(&w->end);
}

static bool take_report(kt__server *s, const kt__report *r)
{
    if (r->kind == KT__REPORT_READY) {
        s->version = r->value;
        kt_event_set(&s->ready);
        return true;
    }
    kt__worker *w = s->workers;
    while (w && w->number != r->worker)
        w = w->next;
    if (!w || kt_event_is_set(&w->end))
        return false;
    switch (r->kind) {
    case KT__REPORT_STARTED:
        w->pid = r->value;
        return true;
    case KT__REPORT_FAILED:
        w->error = r->value;
        note_end(w);
        return true;
    case KT__REPORT_ENDED:
        w->status = r->value;
        note_end(w);
        return true;
    default:
        return false;
    }
}

/* The keeper. When it ends, for whatever reason (the loop's end cancels it), nobody would hear of a
 * worker's end any more: so the server ends, too, by losing its line, and nobody waits for it. */
static int hear(void *arg)
{
    kt__server *s = arg;
    kt__report r;
    int rc;
    do
        rc = kt__line_read(s->line, &r, sizeof(r));
    while (rc == 0 && take_report(s, &r));
    s->gone = true;
    shutdown(kt_stream_fd(s->line), SHUT_RDWR);
    for (kt__worker *w = s->workers; w; w = w->next) {
        if (kt_event_is_set(&w->end))
            continue;
        w->lost = true;
        note_end(w);
    }
    kt_event_set(&s->ready);
    return kt_is_cancel(rc) ? rc : 0;
}

/* ---- Orders -------------------------------------------------------------------------------- */

/* Sends an order, with a descriptor if fd >= 0. The keeper may be reading the stream meanwhile, and
 * streams carry no descriptors: hence by hand. An order is much smaller than what a Unix socket
 * takes in one piece, so it is sent whole or not at all. */
static ssize_t send_once(const kt__server *s, const kt__order *o, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec piece = {(void *)(uintptr_t)o, sizeof(*o)};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
    if (fd >= 0) {
        memset(&control, 0, sizeof(control));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
    }
    return sendmsg(kt_stream_fd(s->line), &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A server that is busy reporting has no ear, but for a moment only, since the keeper listens. */
static int send_order(const kt__server *s, uint32_t kind, uint64_t worker, int fd)
{
    const kt__order o = {.kind = kind, .worker = worker};
    while (!s->gone) {
        if (send_once(s, &o, fd) == sizeof(o))
            return 0;
        if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS) {
            int rc = kt_sleep(KT_MS(1));
            if (rc < 0)
                return rc;
        } else if (errno != EINTR) {
            break;
        }
    }
    return kt_error_set(KT_EWORKER, "the pool's server %d has ended", (int)s->pid);
}

/* ---- The last resort ----------------------------------------------------------------------- */

/* By the pidfd, which never names a stranger; Valgrind 3.19 does not know how, and some containers refuse it
 * (-EPERM). */
static void kill_server(void *arg)
{
    const kt__server *s = arg;
    if (s->pidfd < 0) /* it has never been, and 0 would be our own group */
        return;
    if (syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        kill(s->pid, SIGKILL);
}

/* ---- Workers ------------------------------------------------------------------------------- */

int kt__worker_start(kt__server *s, kt__worker **ret_worker)
{
    kt__worker *w = kt_calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    int theirs;
    int rc = open_line(&w->line, &theirs);
    if (rc < 0) {
        kt_free(w);
        return rc;
    }
    w->number = ++s->numbers;
    w->next = s->workers;
    s->workers = w; /* before the order, which may suspend: its report finds it */
    rc = send_order(s, KT__ORDER_START, w->number, theirs);
    close(theirs);
    if (rc < 0) {
        kt_event_set(&w->end); /* it has never been */
        kt__worker_end(s, w);
        return rc;
    }
    *ret_worker = w;
    return 0;
}

static void forget(kt__server *s, const kt__worker *w)
{
    kt__worker **link = &s->workers;
    while (*link != w)
        link = &(*link)->next;
    *link = w->next;
}

void kt__worker_end(kt__server *s, kt__worker *w)
{
    kt_auto(kt_callback) last_resort = KT_CALLBACK_INIT;
    kt_cancel_hold();
    if (!kt_event_is_set(&w->end)) {
        kt_call_later(&last_resort, LINGER, kill_server, s);
        if (send_order(s, KT__ORDER_KILL, w->number, -1) < 0)
            shutdown(kt_stream_fd(s->line), SHUT_RDWR); /* then all of them go */
    }
    int rc = kt_event_wait(&w->end);
    (void)rc; /* held back */
    forget(s, w);
    kt_stream_close(w->line);
    kt_cancel_unhold();
    kt_free(w);
}

void kt__worker_hang_up(const kt__worker *w)
{
    shutdown(kt_stream_fd(w->line), SHUT_RDWR);
}

bool kt__worker_is_idle(const kt__worker *w)
{
    char byte;
    if (kt_event_is_set(&w->end) || kt_stream_buffered(w->line).size > 0)
        return false;
    ssize_t n = recv(kt_stream_fd(w->line), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* ---- The server ---------------------------------------------------------------------------- */

/* This program: the very file, also when another has its name by now. Valgrind runs programs inside its own,
 * which that name then means; but it answers readlink(2) with ours. */
static const char *find_self(char path[PATH_MAX])
{
    const char *self = "/proc/self/exe";
    ssize_t size = RUNNING_ON_VALGRIND ? readlink(self, path, PATH_MAX - 1) : 0;
    if (size <= 0)
        return self;
    path[size] = 0;
    return path;
}

static int spawn(kt__server *s, const char *name, int line)
{
    char path[PATH_MAX];
    const char *const argv[] = {KT__POOL_ARGV0, name, NULL};
    kt__spawn_fd fds[3] = {{.source = line, .target = 0}};
    size_t count = 1;
    for (int fd = 1; fd < 3; fd++) /* one that we have closed is closed there, too */
        if (fcntl(fd, F_GETFD) >= 0)
            fds[count++] = (kt__spawn_fd){.source = fd, .target = fd};
    const kt__spawn_plan plan = {
        .path = find_self(path),
        .argv = argv,
        .env = (const char *const *)environ,
        .directory_fd = -1,
        .fds = fds,
        .fds_count = count,
    };
    kt__spawn_failure failure;
    int rc = kt__spawn(&plan, &s->pid, &s->pidfd, &failure);
    return rc < 0 ? kt_error_set(rc, "the pool's server cannot be started: %s", kt_strerror(rc)) : 0;
}

static int start(kt__server *s, const char *name)
{
    const kt_spawn_options keeper = {.name = "process pool", .stack_now = true};
    int theirs;
    int rc = open_line(&s->line, &theirs);
    if (rc < 0)
        return rc;
    rc = kt_spawn_with(&keeper, hear, s, 0, &s->keeper);
    if (rc == 0)
        rc = spawn(s, name, theirs);
    close(theirs);
    if (rc == 0)
        rc = kt_event_wait(&s->ready);
    if (rc < 0)
        return rc;
    if (s->gone)
        return kt_error_set(KT_EWORKER, "the pool's server %d ended at once: does main begin with "
                                        "kt_process_pool_main?", (int)s->pid);
    if (s->version != KT__POOL_VERSION)
        return kt_error_set(KT_EWORKER, "the pool's server speaks version %d, not %d",
                            (int)s->version, KT__POOL_VERSION);
    return 0;
}

int kt__server_open(const char *name, kt__server **ret_server)
{
    kt__server *s = kt_calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->pidfd = -1;
    int rc = start(s, name);
    if (rc < 0) {
        kt__server_close(s);
        return rc;
    }
    *ret_server = s;
    return 0;
}

/* SIGCHLD may be ignored, or somebody else may have reaped it: then there is nothing to reap. */
static void await_process(kt__server *s)
{
    kt_auto(kt_callback) last_resort = KT_CALLBACK_INIT;
    kt_call_later(&last_resort, LINGER, kill_server, s);
    if (kt_fd_wait(s->pidfd, KT_READABLE) < 0)
        kill_server(s); /* no memory to wait with: so the wait below must be short */
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(s->pidfd);
}

void kt__server_close(kt__server *s)
{
    if (!s)
        return;
    kt_cancel_hold();
    if (s->line && shutdown(kt_stream_fd(s->line), SHUT_RDWR) < 0)
        kill_server(s); /* with it the line ends, too */
    if (s->keeper) {
        int rc = kt_task_join(s->keeper);
        (void)rc; /* it has no failure of its own */
    }
    if (s->pidfd >= 0)
        await_process(s);
    kt_stream_close(s->line);
    kt_cancel_unhold();
    kt_free(s);
}
