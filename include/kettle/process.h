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
 * handler, nor an ignored signal. It gets SIGKILL when the thread that spawned it dies (not if it
 * is set-user-ID). A process that leaves the group (setsid(2), as daemons do) is out of reach.
 *
 * Reaping is ours alone: where the program ignores SIGCHLD, or waits for any child itself, how a
 * child ended is lost (-ECHILD). */

#include <kettle/buffer.h>
#include <kettle/stream.h>

KT_BEGIN

typedef struct kt_process kt_process;

typedef enum kt_process_io {
    KT_PROCESS_NULL,    /* /dev/null */
    KT_PROCESS_PIPE,    /* a stream: kt_process_stdin, _stdout, _stderr */
    KT_PROCESS_INHERIT, /* ours; reading a terminal stops it (SIGTTIN), as any background job */
    KT_PROCESS_STDOUT,  /* error only: where output goes */
} kt_process_io;

/* All zero but argv means the defaults. The strings are read during the call only. */
typedef struct kt_process_options {
    const char *const *argv; /* argv[0] is looked up in PATH unless it has a '/' */
    const char *const *env;  /* "NAME=value", NULL-ended; NULL = ours */
    const char *directory;   /* NULL = ours; a relative argv[0] or part of PATH counts from it */
    kt_process_io input, output, error;
    int announce_fd; /* > 2: a pipe that hears of the child, see below; must outlive the process */
} kt_process_options;

typedef struct kt_process_status {
    int exit_code; /* 0 to 255, or -1 when a signal ended it */
    int signal;    /* that signal, or 0 */
} kt_process_status;

/* Starts a program. The caller owns *ret_process. -ENOENT, -EACCES, -ENOEXEC (a script without
 * "#!"; no shell is tried), -E2BIG, -EAGAIN, ... when it cannot be started (the detail names
 * program and reason), -EINVAL without argv, -EMFILE, -ENOMEM, KT_ENOTSIM, KT_ENOTRUNNING. Does not
 * suspend, but the thread waits for the child's exec, about a millisecond. PATH is ours, not the
 * one in env.
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

/* Signals the whole process group. 0, also when all of it has ended; -ESRCH when somebody else
 * reaped the child, -EINVAL, -EPERM. Does not suspend. Like kill(2) with a negative pid. */
KT_API int kt_process_signal(kt_process *p, int signal) KT_CHECKED;

/* Kills what is left of the group, reaps the child, waits up to two seconds until nothing of the
 * group runs, closes the pipes, frees; NULL is allowed. Tasks that wait for the child get its end
 * first. Suspends; a cancellation is held back. Outside a task it blocks. */
KT_API void kt_process_close(kt_process *p);

static inline void kt_process_cleanup(kt_process **p)
{
    kt_process_close(*p);
}

KT_END

#endif
