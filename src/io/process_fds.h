/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_PROCESS_FDS_H
#define KETTLE_IO_PROCESS_FDS_H

/* The descriptors of a program to be started: made or found on our side, with the numbers that they get
 * on the other. */

#include <kettle/process.h>

#include "io/spawn.h"

typedef struct kt__process_fds {
    kt__spawn_fd *table;
    size_t count;
    int ours[3]; /* our ends of pipes, otherwise -1; above 2 */
    int announce_fd;
    bool announce_temporary; /* to be closed after the start */
} kt__process_fds;

#define KT__PROCESS_FDS_INIT {.ours = {-1, -1, -1}}

/* Fills in what the options ask for. -EINVAL with words, -EBADF, -EMFILE, -ENOMEM, -EPERM (more pipe than
 * allowed). Clean up in any case. */
int kt__process_fds_open(kt__process_fds *f, const kt_process_options *o) KT_CHECKED;

/* Closes what is left, of what was made: `ours` and all that is for the child. */
void kt__process_fds_cleanup(kt__process_fds *f);

#endif
