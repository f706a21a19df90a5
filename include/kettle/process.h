/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_PROCESS_H
#define KETTLE_PROCESS_H

/* Child processes, without shells unless you name one.
 *
 *     kt_auto(kt_process) *p = NULL;
 *     const char *argv[] = {"sort", "-u", NULL};
 *     kt_process_options o = {.argv = argv, .output = KT_PROCESS_PIPE};
 *     kt_process_status status;
 *     int rc = kt_process_spawn(&o, &p);
 *     if (rc == 0)
 *         rc = kt_process_wait(p, &status);
 *
 * Each child leads a process group of its own, and ends with its owner: leaving the scope kills the
 * group and reaps the child. No descriptor but 0, 1 and 2 reaches it, no signal mask and no
 * handler, nor an ignored signal, unless the options say so. It gets SIGKILL when the thread that
 * spawned it dies (not if it is set-user-ID). A process that leaves the group (setsid(2), as
 * daemons do) is out of reach.
 *
 * Reaping is ours alone: where the program ignores SIGCHLD, or waits for any child itself, how a
 * child ended is lost (-ECHILD). */

#include <kettle/buffer.h>
#include <kettle/stream.h>
#include <sys/types.h>

KT_BEGIN

typedef struct kt_process kt_process;

typedef enum kt_process_io {
    KT_PROCESS_NULL,    /* /dev/null */
    KT_PROCESS_PIPE,    /* a stream: kt_process_stdin, _stdout, _stderr */
    KT_PROCESS_INHERIT, /* ours; reading a terminal stops it (SIGTTIN), as any background job */
    KT_PROCESS_STDOUT,  /* error only: where output goes */
} kt_process_io;

/* A descriptor that reaches the child, as a copy under a number of its own. Like Popen's pass_fds. */
typedef struct kt_process_fd {
    int ours;
    int theirs; /* 0, 1, 2: then input, output or error must be left at zero */
} kt_process_fd;

/* A limit on what the child may use, and on each of what it starts: setrlimit(2), where the resources are. */
typedef struct kt_process_limit {
    int resource;        /* RLIMIT_CPU, RLIMIT_AS, RLIMIT_NOFILE, ... of <sys/resource.h> */
    uint64_t soft, hard; /* RLIM_INFINITY = none */
} kt_process_limit;

#define KT_PROCESS_GROUP_OURS (-1)

/* All zero but argv means the defaults. What it points to is read during the call only. */
typedef struct kt_process_options {
    const char *const *argv; /* argv[0] is looked up in PATH unless it has a '/' */
    const char *const *env;  /* "NAME=value", NULL-ended; NULL = ours */
    const char *directory;   /* NULL = ours; a relative argv[0] or part of PATH counts from it */
    kt_process_io input, output, error;
    int announce_fd; /* > 2: a pipe that hears of the child, see below; must outlive the process */

    const char *program;      /* is started in place of argv[0]. Like Popen's executable */
    const kt_process_fd *fds; /* in any order: a number may be one's source and another's target */
    size_t fds_count;
    int pipe_bytes; /* that each of its pipes holds, see F_SETPIPE_SZ; 0 = the system's default */

    /* Names, or decimal numbers. As with Popen each one stands alone: a program that is to have
     * nothing of ours needs all three. A name is looked up by this thread, which waits if the
     * system asks a server (nsswitch.conf(5)). */
    const char *user, *group;        /* NULL = ours */
    const char *const *extra_groups; /* NULL-ended, {NULL} = none; NULL = ours */
    const mode_t *umask;             /* NULL = ours */

    /* 0 = one of its own, > 0 = that one, KT_PROCESS_GROUP_OURS = ours, for a program that is to
     * have the terminal. In either of these the child alone is signalled and killed, and what it
     * has started is not. */
    pid_t process_group;
    bool new_session;  /* it leads a session of its own, without a terminal, and so a group; setsid(2) */
    bool keep_ignored; /* a signal that we ignore it ignores, too. Like restore_signals=False */

    const kt_process_limit *limits; /* those not named are ours. Raising a hard one takes a privilege */
    size_t limits_count;
    uintptr_t reserved[2];
} kt_process_options;

typedef struct kt_process_status {
    int exit_code; /* 0 to 255, or -1 when a signal ended it */
    int signal;    /* that signal, or 0 */
} kt_process_status;

/* Starts a program. The caller owns *ret_process. -ENOENT, -EACCES, -ENOEXEC (a script without
 * "#!"; no shell is tried), -E2BIG, -EAGAIN, ... when it cannot be started (the detail names
 * program, place and reason: "cannot start /bin/id: setting group 1234: Operation not permitted"),
 * KT_ENOTFOUND for an unknown user or group, -EBADF for a descriptor that is not open, -EINVAL
 * without argv or for options that contradict each other, -EMFILE, -ENOMEM, KT_ENOTSIM,
 * KT_ENOTRUNNING. Does not suspend, but the thread waits for the child's exec, about a millisecond.
 * PATH is ours, not the one in env. A child that becomes another user may be one that we cannot
 * kill: then close waits until it ends.
 *
 * announce_fd is for whoever must kill the child when we cannot: the child writes its pid there, an
 * int, before the program starts, and -pid is written when its group has been killed, before it is
 * reaped, or by the child itself when the program could not be started. So a number that stands
 * announced is never another's. Like asyncio.create_subprocess_exec, posix_spawn(3), execvpe(3). */
KT_API int kt_process_spawn(const kt_process_options *options, kt_process **ret_process) KT_CHECKED;

/* The child's pid, which is its process group's number too, and both until close. */
KT_API pid_t kt_process_pid(const kt_process *p);

/* The pipes that were asked for, NULL otherwise; owned by the process. Closing stdin early is
 * kt_process_close_stdin, which tells the child that no more comes. */
KT_API kt_stream *kt_process_stdin(kt_process *p);
KT_API kt_stream *kt_process_stdout(kt_process *p);
KT_API kt_stream *kt_process_stderr(kt_process *p);
KT_API void kt_process_close_stdin(kt_process *p);

/* Waits for the end of the child itself and stores how it ended, unless ret_status is NULL; may be
 * called again, and by several tasks. The child stays a zombie until close, so that its process
 * group keeps its number. 0; -ECHILD when somebody else reaped it; -ENOMEM, -EMFILE; or the
 * cancellation's code, which leaves the child alone. A program that writes to a pipe which nobody
 * reads never ends: see kt_process_communicate. Suspends until the end. Like Process.wait,
 * waitid(2). */
KT_API int kt_process_wait(kt_process *p, kt_process_status *ret_status) KT_CHECKED;

/* Feeds input to the child's stdin and closes it, collects what comes out of its stdout and stderr,
 * all at once, and waits for its end. Of each output the first output_max bytes are kept, the
 * others read and dropped. Returns the number of bytes dropped (at most INT_MAX): 0 when all was
 * kept.
 *
 * What ret_out and ret_err held is released; either may be NULL, and one without a pipe ends up
 * empty. Input that the child does not read is no error; input without a pipe is -EINVAL. A
 * grandchild that holds a pipe open when the child has ended is given half a second, then the group
 * is killed; one that has left the group, another half second, then its output is no longer waited
 * for.
 *
 * -ENOMEM, -ECHILD, an error of the streams, or the cancellation's code: outputs untouched, what
 * was read is lost, the child left alone, with its stdin closed. To stop a program and see its
 * output, signal it from another task. Suspends. Like Process.communicate. */
KT_API int kt_process_communicate(kt_process *p, kt_slice input, size_t output_max,
                                  kt_buffer *ret_out, kt_buffer *ret_err) KT_CHECKED;

/* Signals the whole process group, if it is the child's own, and the child. 0, also when all of it
 * has ended; -ESRCH when somebody else reaped the child, -EINVAL, -EPERM. Does not suspend. Like
 * kill(2) with a negative pid. */
KT_API int kt_process_signal(kt_process *p, int signal) KT_CHECKED;

/* Stops it in good order: asks all of the group to end (SIGTERM, and SIGCONT for what is stopped; those that
 * are left when the child itself has ended once more, since what it has just forked may not have heard), waits
 * for `grace` at most until all has (0 = not at all), then kills what is left, and waits for the end of the
 * child. Stores how that ended, unless ret_status is NULL. 0 when all of the group had ended by itself; 1 when
 * something had to be killed; -EPERM when it may not be (another user's by now), and goes on; -ECHILD when
 * somebody else reaped the child; -ENOMEM, -EAGAIN without a thread, or the cancellation's code, which cut the
 * grace short: the group is killed and the child has ended all the same. Whoever has the pipes should read
 * them meanwhile. Suspends. Like Process.terminate, then kill. */
KT_API int kt_process_stop(kt_process *p, kt_time grace, kt_process_status *ret_status) KT_CHECKED;

/* What the child, and those of its own children that it has waited for, have used: getrusage(2). */
typedef struct kt_process_usage {
    kt_time user, system;      /* processor time */
    uint64_t memory_bytes_max; /* resident, of the one that had most; not less than we had at its start */
    uint64_t page_faults;      /* with input or output */
    uint64_t blocks_read, blocks_written; /* of 512 bytes, on disks */
    uint64_t waits, preemptions; /* switches to another process: because it waited, because its turn was over */
    uintptr_t reserved[4];
} kt_process_usage;

/* 0; KT_EINVALIDSTATE while the child runs; -ECHILD when somebody else reaped it. Does not suspend. Like
 * os.wait4, resource.getrusage. */
KT_API int kt_process_usage_get(kt_process *p, kt_process_usage *ret_usage) KT_CHECKED;

/* Kills the child and what is left of its group, reaps it, waits up to two seconds until nothing of the
 * group runs, closes the pipes, frees; NULL is allowed. Tasks that wait for the child get its end
 * first. Suspends; a cancellation is held back. Outside a task, also after the loop's end, it blocks,
 * and no task may be using the process. */
KT_API void kt_process_close(kt_process *p);

static inline void kt_process_cleanup(kt_process **p)
{
    kt_process_close(*p);
}

KT_END

#endif
