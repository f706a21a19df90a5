/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <kettle/loop.h>
#include <kettle/memory.h>
#include <kettle/process.h>
#include <kettle/sync.h>
#include <kettle/thread.h>
#include <kettle/timeout.h>

#include "core/eyes.h"
#include "io/proc_scan.h"
#include "io/process_fds.h"
#include "io/process_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct kt_process {
    pid_t pid; /* and its group's number, if it leads one; ours until the child is reaped */
    int pidfd;
    bool leads; /* a group of its own, which is signalled and killed as a whole */
    int announce_fd; /* borrowed; 0 = nobody to tell */
    kt_stream *pipes[3];
    bool closing;
    bool ended; /* then status and usage are valid; the zombie is still there */
    bool lost;  /* somebody else reaped it: pid may name a stranger, and is never signalled again */
    kt_process_status status;
    struct rusage usage;
    unsigned waiting; /* tasks inside await_end; they use pidfd */
    kt_event idle;    /* set when the last of them leaves */
};

/* ---- Starting ---------------------------------------------------------------------------- */

static const char *const step_texts[] = {
    [KT__SPAWN_CLONE] = "no process can be made",
    [KT__SPAWN_SESSION] = "leading a session",
    [KT__SPAWN_GROUP] = "process group",
    [KT__SPAWN_PARENT] = "tying it to its parent",
    [KT__SPAWN_ANNOUNCE] = "announcing it",
    [KT__SPAWN_DIRECTORY] = "entering its directory",
    [KT__SPAWN_SEAL] = "keeping our descriptors from it",
    [KT__SPAWN_DESCRIPTOR] = "setting descriptor",
    [KT__SPAWN_LIMIT] = "setting limit",
    [KT__SPAWN_EXTRA_GROUPS] = "setting its extra groups",
    [KT__SPAWN_GID] = "setting group",
    [KT__SPAWN_UID] = "setting user",
    [KT__SPAWN_EXEC] = "executing it",
};

static int find_program(const kt_process_options *o, int directory_fd, char path[PATH_MAX])
{
    const char *name = o->program ? o->program : o->argv[0];
    int rc = kt__spawn_find(name, directory_fd, path, PATH_MAX);
    if (rc == 0)
        return 0;
    const char *folders = getenv("PATH");
    return kt_error_set(rc, rc == -EACCES ? "%s may not be executed where PATH (%s) has it"
                                          : "no program '%s' in PATH (%s)",
                        name, folders ? folders : "not set");
}

static int explain_start(int rc, const kt__spawn_plan *plan, kt__spawn_failure f)
{
    char number[24] = "";
    int at = plan->directory_fd < 0 ? AT_FDCWD : plan->directory_fd;
    if (f.step == KT__SPAWN_EXEC && rc == -ENOENT && faccessat(at, plan->path, F_OK, 0) == 0)
        return kt_error_set(rc, "%s is there, but not the interpreter it asks for", plan->path);
    if (f.number >= 0)
        snprintf(number, sizeof(number), " %lld", (long long)f.number);
    return kt_error_set(rc, "cannot start %s: %s%s: %s", plan->path, step_texts[f.step], number,
                        kt_strerror(rc));
}

/* On success p has the child and our ends of the pipes. What can fail for want of memory or
 * descriptors comes before the child, so that a child once started is never taken back. */
static int start(kt_process *p, const kt_process_options *o, int directory_fd)
{
    kt_auto(kt__process_fds) fds = KT__PROCESS_FDS_INIT;
    kt_auto(kt__process_identity) who = KT__PROCESS_IDENTITY_INIT;
    char path[PATH_MAX];
    int rc = find_program(o, directory_fd, path);
    if (rc == 0)
        rc = kt__process_identity_find(&who, o);
    if (rc == 0)
        rc = kt__process_fds_open(&fds, o);
    for (int i = 0; rc == 0 && i < 3; i++) {
        if (fds.ours[i] < 0)
            continue;
        rc = kt_stream_from_fd(fds.ours[i], &p->pipes[i]);
        if (rc < 0)
            break;
        fds.ours[i] = -1;
        kt__closed(p->pipes[i], "a stream"); /* debug mode shall name the process, not its parts */
    }
    if (rc < 0)
        return rc;

    const kt__spawn_plan plan = {
        .path = path,
        .argv = o->argv,
        .env = o->env ? o->env : (const char *const *)environ,
        .directory_fd = directory_fd,
        .fds = fds.table,
        .fds_count = fds.count,
        .announce_fd = fds.announce_fd,
        .group = o->process_group,
        .session = o->new_session,
        .keep_ignored = o->keep_ignored,
        .umask = o->umask,
        .limits = o->limits,
        .limits_count = o->limits_count,
        .identity = who.changes ? &who.identity : NULL,
    };
    kt__spawn_failure failure;
    rc = kt__spawn(&plan, &p->pid, &p->pidfd, &failure);
    return rc < 0 ? explain_start(rc, &plan, failure) : 0;
}

static int start_in(kt_process *p, const kt_process_options *o)
{
    if (!o->directory)
        return start(p, o, -1);
    int directory_fd = kt__lift((int)TEMP_FAILURE_RETRY(open(o->directory, O_PATH | O_DIRECTORY | O_CLOEXEC)));
    if (directory_fd < 0)
        return kt_error_set(directory_fd, "cannot start %s in %s: %s", o->argv[0], o->directory,
                            kt_strerror(directory_fd));
    int rc = start(p, o, directory_fd);
    close(directory_fd);
    return rc;
}

static void close_pipes(kt_process *p)
{
    for (int i = 0; i < 3; i++)
        kt_stream_close(kt_steal(p->pipes[i]));
}

static int check_options(const kt_process_options *o)
{
    bool own_group = o->process_group == 0;
    if (!o->argv || !o->argv[0])
        return kt_error_set(-EINVAL, "no program named: argv is empty");
    if (o->announce_fd < 0 || (o->announce_fd > 0 && o->announce_fd <= 2))
        return kt_error_set(-EINVAL, "announce_fd %d is not above 2", o->announce_fd);
    if (o->process_group < KT_PROCESS_GROUP_OURS)
        return kt_error_set(-EINVAL, "there is no process group %d", (int)o->process_group);
    if (o->new_session && !own_group)
        return kt_error_set(-EINVAL, "a session's leader is in no other process group");
    if (o->announce_fd > 0 && !own_group)
        return kt_error_set(-EINVAL, "what is announced is a process group of its own");
    return 0;
}

int kt_process_spawn(const kt_process_options *options, kt_process **ret_process)
{
    int rc = check_options(options);
    if (rc < 0)
        return rc;
    if (!kt_loop_current())
        return KT_ENOTRUNNING;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0)
        return kt_error_set(KT_ENOTSIM, "no processes under the simulated driver: %s",
                            options->argv[0]);
    kt_process *p = kt_calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->announce_fd = options->announce_fd;
    p->leads = options->process_group == 0;
    rc = start_in(p, options);
    if (rc < 0) {
        close_pipes(p);
        kt_free(p);
        return rc;
    }
    kt__opened(p, "a process", KT__SITE, NULL);
    *ret_process = p;
    return 0;
}

/* ---- Looking at it ----------------------------------------------------------------------- */

pid_t kt_process_pid(const kt_process *p)
{
    return p->pid;
}

kt_stream *kt_process_stdin(kt_process *p)
{
    return p->pipes[0];
}

kt_stream *kt_process_stdout(kt_process *p)
{
    return p->pipes[1];
}

kt_stream *kt_process_stderr(kt_process *p)
{
    return p->pipes[2];
}

void kt_process_close_stdin(kt_process *p)
{
    kt_stream_close(kt_steal(p->pipes[0]));
}

/* ---- Waiting ----------------------------------------------------------------------------- */

/* Looks whether the child has ended, and leaves the zombie. `wait` is WNOHANG or 0. 1, 0 if it
 * runs, or -ECHILD. */
static int look(kt_process *p, int wait)
{
    if (p->ended)
        return 1;
    if (p->lost)
        return -ECHILD;
    siginfo_t info;
    memset(&info, 0, sizeof(info)); /* si_pid stays 0 while the child runs */
    /* libc's has no place for the usage */
    while (syscall(SYS_waitid, P_PID, p->pid, &info, WEXITED | WNOWAIT | wait, &p->usage) < 0) {
        if (errno == EINTR)
            continue;
        p->lost = true;
        return kt_error_set(-ECHILD, "child %d was reaped by somebody else, or SIGCHLD is ignored",
                            (int)p->pid);
    }
    if (info.si_pid == 0)
        return 0;
    bool exited = info.si_code == CLD_EXITED;
    p->status.exit_code = exited ? info.si_status : -1;
    p->status.signal = exited ? 0 : info.si_status;
    p->ended = true;
    return 1;
}

/* A descriptor has one waiter; a second one waits on a copy. */
static int wait_readable(kt_process *p)
{
    int rc = kt_fd_wait(p->pidfd, KT_READABLE);
    if (rc != -EEXIST)
        return rc;
    int copy = fcntl(p->pidfd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return -errno;
    rc = kt_fd_wait(copy, KT_READABLE);
    close(copy);
    return rc;
}

static int await_end(kt_process *p)
{
    int rc;
    p->waiting++;
    kt_event_clear(&p->idle);
    while ((rc = look(p, WNOHANG)) == 0) {
        rc = wait_readable(p);
        if (rc < 0)
            break;
    }
    if (--p->waiting == 0)
        kt_event_set(&p->idle);
    return rc < 0 ? rc : 0;
}

int kt_process_wait(kt_process *p, kt_process_status *ret_status)
{
    int rc = await_end(p);
    if (rc == 0 && ret_status)
        *ret_status = p->status;
    return rc;
}

static kt_time time_of(struct timeval t)
{
    return KT_S(t.tv_sec) + KT_US(t.tv_usec);
}

int kt_process_usage_get(kt_process *p, kt_process_usage *ret_usage)
{
    int rc = look(p, WNOHANG);
    if (rc <= 0)
        return rc < 0 ? rc : KT_EINVALIDSTATE;
    *ret_usage = (kt_process_usage){
        .user = time_of(p->usage.ru_utime),
        .system = time_of(p->usage.ru_stime),
        .memory_bytes_max = (uint64_t)p->usage.ru_maxrss * 1024,
        .page_faults = (uint64_t)p->usage.ru_majflt,
        .blocks_read = (uint64_t)p->usage.ru_inblock,
        .blocks_written = (uint64_t)p->usage.ru_oublock,
        .waits = (uint64_t)p->usage.ru_nvcsw,
        .preemptions = (uint64_t)p->usage.ru_nivcsw,
    };
    return 0;
}

/* ---- Ending it --------------------------------------------------------------------------- */

/* The child, which has not been reaped, and all that is in its group. A leader can leave its group for
 * another one; then that has no members, or others only. */
static int send_signal(const kt_process *p, int signal)
{
    if (!p->leads)
        return kill(p->pid, signal) < 0 ? -errno : 0;
    bool left = getpgid(p->pid) != p->pid;
    int rc = kill(-p->pid, signal) < 0 ? -errno : 0;
    if (left)
        rc = kill(p->pid, signal) < 0 ? -errno : 0;
    return rc;
}

int kt_process_signal(kt_process *p, int signal)
{
    return look(p, WNOHANG) < 0 ? -ESRCH : send_signal(p, signal);
}

static bool is_in_group(pid_t group, void *arg)
{
    return group == *(const pid_t *)arg;
}

static int anybody_left(void *arg)
{
    return kt__proc_scan(is_in_group, arg);
}

/* Of a group whose leader is a zombie, which is why kill(2) cannot tell. */
static int await_others(kt_process *p)
{
    kt_time pause = KT_MS(2);
    for (;;) {
        int rc = kt_thread_run(anybody_left, &p->pid, 0);
        if (rc > 0)
            rc = kt_sleep(pause);
        else if (rc == 0)
            return 0;
        if (rc < 0)
            return rc;
        pause = pause < KT_MS(100) ? pause * 2 : pause;
    }
}

/* What is left when the leader has ended is asked once more: a shell that forks while it holds signals back dies of
 * the first one afterwards, and its child has never heard of it. */
static int await_all(kt_process *p)
{
    int rc = await_end(p);
    if (rc < 0 || !p->leads)
        return rc;
    (void)kill(-p->pid, SIGTERM);
    return await_others(p);
}

/* 0: all have ended. 1: the grace is over. */
static int ask_to_end(kt_process *p, kt_time grace)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    if (send_signal(p, SIGTERM) < 0)
        return 1; /* it does not hear of it */
    (void)send_signal(p, SIGCONT);
    kt_timeout_start(&limit, grace);
    int rc = kt_timeout_end(&limit, await_all(p));
    return rc == KT_ETIMEDOUT && kt_timeout_expired(&limit) ? 1 : rc;
}

int kt_process_stop(kt_process *p, kt_time grace, kt_process_status *ret_status)
{
    int rc = look(p, WNOHANG);
    if (rc < 0)
        return rc;
    int asked = grace > 0 ? ask_to_end(p, grace) : 1;
    if (asked != 0 && (rc = send_signal(p, SIGKILL)) < 0)
        return kt_error_set(rc, "child %d cannot be killed: %s", p->pid, kt_strerror(rc));
    kt_cancel_hold();
    rc = await_end(p);
    kt_cancel_unhold();
    if (rc < 0)
        return rc;
    if (ret_status)
        *ret_status = p->status;
    return asked;
}

/* Tells the listener that the number is about to be free. A broken pipe (nobody listens any more)
 * must not end the program: the signal is for this thread and for this write, so it can be taken
 * back. */
static void announce_end(int fd, pid_t pid)
{
    sigset_t broken, before, pending;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    sigpending(&pending);
    int message = -pid;
    ssize_t size;
    do
        size = write(fd, &message, sizeof(message));
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&broken, NULL, &(struct timespec){0, 0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int outlast(void *arg)
{
    kt__group_outlast(*(const pid_t *)arg);
    return 1;
}

/* After the leader is reaped: a group with nobody left, the usual case, costs one system call. */
static void await_group(pid_t group, bool in_task)
{
    if (kill(-group, 0) < 0 && errno == ESRCH)
        return;
    if (!in_task || kt_thread_run(outlast, &group, 0) != 1)
        kt__group_outlast(group);
}

static void end_child(kt_process *p, bool in_task)
{
    if (look(p, WNOHANG) >= 0 && send_signal(p, SIGKILL) < 0)
        close_pipes(p); /* what we may not kill must not wait for us, while we wait for its end */
    if (!in_task || await_end(p) < 0)
        (void)look(p, 0); /* blocks, but not for long after SIGKILL */
    while (in_task && p->waiting > 0 && kt_event_wait(&p->idle) == 0)
        continue;
    if (p->lost)
        return;
    if (p->announce_fd > 0)
        announce_end(p->announce_fd, p->pid);
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (p->leads)
        await_group(p->pid, in_task);
}

void kt_process_close(kt_process *p)
{
    if (!p)
        return;
    bool in_task = kt_task_current() != NULL;
    if (p->closing)
        kt__misuse("kt_process_close: another task closes this process already");
    if (!in_task && p->waiting > 0)
        kt__misuse("kt_process_close: outside a task, while tasks wait for the process");
    p->closing = true;
    kt__closed(p, "a process");
    if (in_task)
        kt_cancel_hold();
    end_child(p, in_task);
    close(p->pidfd);
    close_pipes(p);
    if (in_task)
        kt_cancel_unhold();
    kt_free(p);
}
