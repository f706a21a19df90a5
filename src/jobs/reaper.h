/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_JOBS_REAPER_H
#define KETTLE_JOBS_REAPER_H

/* A tiny process that outlives the job server by as long as it takes to kill what the server's jobs
 * have left running, and only then lets go of the server's lock.
 *
 * A server that is ended by SIGKILL cannot clean up. The kernel kills the leader of each job for it
 * (PR_SET_PDEATHSIG), but not the leader's own children. The reaper does: it knows every process
 * group from the announcements of kt_process (see announce_fd in kettle/process.h), and learns of
 * the server's end, of whatever kind, from the end of file on the pipe that carries them. It holds
 * a copy of the locked descriptor: flock(2) belongs to the open file, so the lock is free only when
 * both are gone. A new server that has got the lock therefore knows that no job of the old one
 * runs, and may start them again.
 *
 *     kt__reaper *reaper;
 *     int rc = kt__reaper_start(lock_fd, &reaper);      // before the first thread
 *     ...
 *     kt_process_options o = {.argv = argv, .announce_fd = kt__reaper_fd(reaper)};
 *     ...
 *     kt__reaper_stop(reaper);                          // after kt_run
 *
 * A process that the server forks and that neither ends nor calls exec holds the pipe, and so keeps
 * the reaper waiting. Kettle makes none. */

#include <kettle/base.h>

typedef struct kt__reaper kt__reaper;

/* Starts the process. lock_fd stays the caller's. To be called before the program has a second
 * thread: the reaper goes on after fork(2) without an exec. The caller owns *ret_reaper. 0,
 * -ENOMEM, -EMFILE, -EAGAIN, -EBADF. Does not wait. */
int kt__reaper_start(int lock_fd, kt__reaper **ret_reaper) KT_CHECKED;

/* The pipe for announcements: ints, pid to watch the group of that number, -pid to forget it.
 * Above 2, closed on exec; the reaper's until stop. */
int kt__reaper_fd(const kt__reaper *r);

/* Its pid, for people and tests. */
pid_t kt__reaper_pid(const kt__reaper *r);

/* Ends it: closes the pipe and waits until the process has exited, which it does at once when
 * nothing is announced, and after killing what is otherwise. NULL is allowed. Blocks. */
void kt__reaper_stop(kt__reaper *r);

#endif
