/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_SPAWN_H
#define KETTLE_IO_SPAWN_H

/* Starting a program: everything that happens between the clone and the exec. Knows nothing of
 * loops, so it can be called from anywhere. */

#include <kettle/base.h>

/* The step at which a start failed. */
typedef enum kt__spawn_step {
    KT__SPAWN_CLONE,
    KT__SPAWN_GROUP,
    KT__SPAWN_ANNOUNCE,
    KT__SPAWN_DESCRIPTORS,
    KT__SPAWN_DIRECTORY,
    KT__SPAWN_EXEC,
} kt__spawn_step;

typedef struct kt__spawn_plan {
    const char *path; /* of the program; relative to directory_fd */
    const char *const *argv;
    const char *const *env;
    int directory_fd; /* where it starts, -1 = our directory */
    /* What becomes descriptors 0, 1 and 2, each either above 2 or the number itself (inherited).
     * [2] may also be 1: wherever output goes. So no dup2 below overwrites a later one's source. */
    int fds[3];
    int announce_fd; /* above 2: gets the pid, an int, before the exec, and -pid if that fails */
} kt__spawn_plan;

/* Moves a fresh descriptor above 2, where kt__spawn wants it; takes the result of what opened it, and
 * passes its failure on as -errno. */
int kt__lift(int fd) KT_CHECKED;

/* Looks a program up in our PATH as execvpe(3) does, and writes its path. A name with a '/' is
 * taken as it is; relative parts of PATH count from directory_fd (-1 = our directory). -ENOENT,
 * -EACCES when only files that may not be executed were found, -ENAMETOOLONG. On failure ret_path
 * holds the last candidate. */
int kt__spawn_find(const char *name, int directory_fd, char *ret_path, size_t path_size) KT_CHECKED;

/* Starts the program as leader of a process group of its own. On failure *ret_step says where, and
 * nothing is left of the child. Blocks the thread until the child has exec'd; what is closed on
 * exec may stay open in it a moment longer, since the kernel lets us go on first. The child dies
 * with the calling thread. */
int kt__spawn(const kt__spawn_plan *plan, pid_t *ret_pid, int *ret_pidfd, kt__spawn_step *ret_step)
    KT_CHECKED;

/* Waits until nothing of a killed process group runs, whose leader has been reaped. Blocks, at most
 * two seconds. */
void kt__group_outlast(pid_t group);

#endif
