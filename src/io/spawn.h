/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_SPAWN_H
#define KETTLE_IO_SPAWN_H

/* Starting a program: everything that happens between the clone and the exec. Knows nothing of
 * loops, so it can be called from anywhere. */

#include <kettle/base.h>
#include <sys/types.h>

/* The step at which a start failed. */
typedef enum kt__spawn_step {
    KT__SPAWN_CLONE,
    KT__SPAWN_SESSION,
    KT__SPAWN_GROUP,
    KT__SPAWN_PARENT,
    KT__SPAWN_ANNOUNCE,
    KT__SPAWN_DIRECTORY,
    KT__SPAWN_SEAL,
    KT__SPAWN_DESCRIPTOR,
    KT__SPAWN_LIMIT,
    KT__SPAWN_EXTRA_GROUPS,
    KT__SPAWN_GID,
    KT__SPAWN_UID,
    KT__SPAWN_EXEC,
} kt__spawn_step;

typedef struct kt__spawn_failure {
    kt__spawn_step step;
    int64_t number; /* of the group, user, descriptor or resource that it is about, -1 = none */
} kt__spawn_failure;

/* One descriptor of the child. */
typedef struct kt__spawn_fd {
    int source, target; /* the same number: inherited */
    bool temporary;     /* source is to be closed after the start; for whoever made it */
} kt__spawn_fd;

/* Who the program runs as. */
typedef struct kt__spawn_identity {
    uid_t uid; /* real, effective and saved; -1 = ours, and so below */
    gid_t gid;
    bool sets_groups;
    const gid_t *groups;
    size_t groups_count;
} kt__spawn_identity;

typedef struct kt__spawn_plan {
    const char *path; /* of the program; relative to directory_fd */
    const char *const *argv;
    const char *const *env;
    int directory_fd; /* where it starts, -1 = our directory */
    /* All that reaches it; set in any order, so no source may be the target of another one. */
    const kt__spawn_fd *fds;
    size_t fds_count;
    int announce_fd; /* above 2: gets the pid, an int, before the exec, and -pid if that fails. No target */
    pid_t group;     /* 0: one of its own; > 0: that one; < 0: ours */
    bool session;    /* leads a session, and so a group, of its own */
    bool keep_ignored;                  /* signals that we ignore stay ignored */
    const mode_t *umask;                /* NULL = ours */
    const struct kt_process_limit *limits;
    size_t limits_count;
    const kt__spawn_identity *identity; /* NULL = ours */
} kt__spawn_plan;

/* Moves a fresh descriptor above 2, where the child's 0, 1 and 2 are not; takes the result of what opened
 * it, and passes its failure on as -errno. */
int kt__lift(int fd) KT_CHECKED;

/* Looks a program up in our PATH as execvpe(3) does, and writes its path. A name with a '/' is
 * taken as it is; relative parts of PATH count from directory_fd (-1 = our directory). -ENOENT,
 * -EACCES when only files that may not be executed were found, -ENAMETOOLONG. On failure ret_path
 * holds the last candidate. */
int kt__spawn_find(const char *name, int directory_fd, char *ret_path, size_t path_size) KT_CHECKED;

/* Starts the program. On failure *ret_failure says where, and nothing is left of the child. Blocks
 * the thread until the child has exec'd; what is closed on exec may stay open in it a moment
 * longer, since the kernel lets us go on first. The child dies with the calling thread. */
int kt__spawn(const kt__spawn_plan *plan, pid_t *ret_pid, int *ret_pidfd,
              kt__spawn_failure *ret_failure) KT_CHECKED;

/* For a killed process group whose leader has been reaped: does nothing of it run any more? Asked again and
 * again it says so in any case when KT__GROUP_LINGER_MS are over, for a system call can hang. */
#define KT__GROUP_LINGER_MS 2000
bool kt__group_gone(pid_t group, int waited_ms);

/* Waits for that. Blocks. */
void kt__group_outlast(pid_t group);

#endif
