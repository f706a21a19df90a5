/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "jobs/reaper.h"

#include "io/proc_scan.h"

#include <kettle/error.h>
#include <kettle/memory.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One bit for each number that a process can have on Linux (PID_MAX_LIMIT): 512 KiB, of which only
 * the pages in use are ever real. Registering cannot fail, and nothing grows. */
#define PIDS_MAX (4 * 1024 * 1024)
#define WORD_BITS 64
#define TABLE_BYTES (PIDS_MAX / 8)

/* How long it insists on processes that SIGKILL does not end. They hang inside the kernel (a dead
 * file server), and no lock would ever be free again. */
#define INSIST_MS_MAX 60000

struct kt__reaper {
    pid_t pid;
    int fd; /* the pipe's write end */
};

/* What the reaper's own process knows. */
typedef struct watch {
    uint64_t *groups; /* a bit each: is this group announced? */
    size_t count;     /* bits that are set */
} watch;

/* ---- The table --------------------------------------------------------------------------- */

static bool watches(const watch *w, pid_t group)
{
    return group > 0 && group < PIDS_MAX && w->groups[group / WORD_BITS] >> group % WORD_BITS & 1;
}

/* A number that is announced again, or taken back twice, changes nothing. */
static void note(watch *w, int message)
{
    bool add = message > 0;
    pid_t group = add ? message : message == INT_MIN ? 0 : -message;
    /* Never 0 or 1: kill(2) would take -0 for our own group and -1 for everybody. */
    if (group <= 1 || group >= PIDS_MAX || watches(w, group) == add)
        return;
    w->groups[group / WORD_BITS] ^= (uint64_t)1 << group % WORD_BITS;
    w->count += add ? 1 : (size_t)-1;
}

/* The first announced group at or after `from`, 0 if there is none. */
static pid_t next_group(const watch *w, pid_t from)
{
    while (from < PIDS_MAX) {
        uint64_t rest = w->groups[from / WORD_BITS] >> from % WORD_BITS;
        if (rest)
            return from + __builtin_ctzll(rest);
        from = (from / WORD_BITS + 1) * WORD_BITS;
    }
    return 0;
}

/* ---- The reaper's life ------------------------------------------------------------------- */

/* Reads announcements until the server is gone. Each was one write(2) of four bytes, which a pipe
 * keeps whole, so a read ends between two. The end of file comes after the last of them: a child
 * that is about to announce itself holds the pipe too, until its exec. */
static void listen_to(int fd, watch *w)
{
    int messages[256];
    for (;;) {
        ssize_t size = read(fd, messages, sizeof(messages));
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return;
        for (size_t i = 0; i < (size_t)size / sizeof(messages[0]); i++)
            note(w, messages[i]);
    }
}

/* Can the number of an announced group have passed to strangers? Not while the server lives: its
 * group is forgotten before the leader's zombie is reaped, and a zombie keeps its number. After the
 * server's death the leader is killed by the kernel, and reaped by somebody else. If nothing else
 * of its group is left then, the number is free, but it would have to come round before the kill
 * below, which is milliseconds later: numbers are given out in a circle of at least 32,768. */
static void kill_groups(watch *w)
{
    for (pid_t group = next_group(w, 2); group; group = next_group(w, group + 1)) {
        if (kill(-group, SIGKILL) < 0 && errno == ESRCH)
            note(w, -group);
    }
}

static bool is_watched(pid_t group, void *arg)
{
    return watches(arg, group);
}

/* Kills until nothing runs. One kill reaches all members at once, and none can escape it by
 * fork(2); it is repeated because a process may enter a group later (setpgid(2)). */
static void end_groups(watch *w)
{
    int pause_ms = 1;
    for (int waited_ms = 0; w->count > 0 && waited_ms < INSIST_MS_MAX; waited_ms += pause_ms) {
        kill_groups(w);
        /* Zombies whose new parent does not reap them keep their group in existence. */
        if (waited_ms > 0 && kt__proc_scan(is_watched, w) == 0)
            return;
        if (waited_ms > 0 && pause_ms < 64)
            pause_ms *= 2;
        nanosleep(&(struct timespec){0, pause_ms * 1000000L}, NULL);
    }
}

/* Closes what is open above 2 but for a and b, before Linux 5.9 or where close_range is
 * forbidden. */
static void close_listed(int a, int b)
{
    DIR *list = opendir("/proc/self/fd");
    if (!list)
        return;
    const struct dirent *entry;
    while ((entry = readdir(list))) {
        long fd = strtol(entry->d_name, NULL, 10);
        if (fd > 2 && fd != a && fd != b && fd != dirfd(list))
            close((int)fd);
    }
    closedir(list);
}

static bool close_between(int low, int high)
{
    return low > high || close_range((unsigned)low, (unsigned)high, 0) == 0;
}

static void close_others(int a, int b)
{
    int low = a < b ? a : b, high = a < b ? b : a;
    if (!close_between(3, low - 1) || !close_between(low + 1, high - 1) ||
        !close_between(high + 1, INT_MAX))
        close_listed(a, b);
}

/* Keeps the two descriptors, and nothing else of the server: not its terminal, its connections, or
 * the other end of the pipe, without whose closing the end of file would never come. */
static void leave_server(int pipe_fd, int lock_fd)
{
    int null_fd = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) {
        if (dup2(null_fd, fd) < 0)
            close(fd);
    }
    close_others(pipe_fd, lock_fd);
    setsid();
    if (chdir("/") < 0)
        return; /* then a mounted directory stays busy, no more */
    prctl(PR_SET_NAME, "kettle-reaper");
}

/* All signals stay blocked: who stops the server's group or its terminal does not mean the
 * reaper. */
KT_NORETURN static void live(int pipe_fd, int lock_fd, watch *w)
{
    leave_server(pipe_fd, lock_fd);
    listen_to(pipe_fd, w);
    end_groups(w);
    _exit(0);
}

/* ---- The server's side ------------------------------------------------------------------- */

/* fork(2) with every signal blocked in the child for good. */
static pid_t fork_deaf(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    int error = errno;
    if (pid != 0)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

/* The descriptors that a start works with: all closed on exec, and above 2. */
typedef struct ends {
    int read, write, lock;
} ends;

static void ends_cleanup(ends *e)
{
    const int fds[] = {e->read, e->write, e->lock};
    for (size_t i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static int above_stdio(int fd, int *ret_above)
{
    int above = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (above < 0)
        return -errno;
    *ret_above = above;
    return 0;
}

static int open_ends(int lock_fd, ends *e)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    int rc = above_stdio(fds[0], &e->read);
    if (rc == 0)
        rc = above_stdio(fds[1], &e->write);
    if (rc == 0)
        rc = above_stdio(lock_fd, &e->lock);
    close(fds[0]);
    close(fds[1]);
    return rc;
}

static int start(int lock_fd, kt__reaper *r)
{
    __attribute__((cleanup(ends_cleanup))) ends e = {-1, -1, -1};
    int rc = open_ends(lock_fd, &e);
    if (rc < 0)
        return rc;
    watch w = {NULL, 0};
    w.groups = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w.groups == MAP_FAILED)
        return -errno;
    r->pid = fork_deaf();
    if (r->pid == 0)
        live(e.read, e.lock, &w);
    rc = r->pid < 0 ? -errno : 0;
    munmap(w.groups, TABLE_BYTES);
    if (rc < 0)
        return rc;
    r->fd = e.write;
    e.write = -1;
    return 0;
}

int kt__reaper_start(int lock_fd, kt__reaper **ret_reaper)
{
    kt__reaper *r = kt_calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    int rc = start(lock_fd, r);
    if (rc < 0) {
        kt_free(r);
        return kt_error_set(rc, "the reaper cannot be started: %s", kt_strerror(rc));
    }
    *ret_reaper = r;
    return 0;
}

int kt__reaper_fd(const kt__reaper *r)
{
    return r->fd;
}

pid_t kt__reaper_pid(const kt__reaper *r)
{
    return r->pid;
}

void kt__reaper_stop(kt__reaper *r)
{
    if (!r)
        return;
    close(r->fd);
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    kt_free(r);
}
