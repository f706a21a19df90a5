/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_DISK_BACKEND_H
#define KETTLE_DISK_BACKEND_H

/* What libkettle and its test kit share about disks. Programs do not use it: a simulated disk is had by
 * kettle/test_disk.h. */

#include <kettle/base.h>

KT_BEGIN

struct kt__disk;

/* Private: puts another disk beneath the files of the running loop; NULL = the system's again. Files that are
 * open stay with their disk. Returns what was there. On the loop's thread. */
KT_API struct kt__disk *kt__disk_set(struct kt__disk *d);

/* Private: of a pool job, which runs under the simulated driver: it ends `d` of virtual time later than it would.
 * Elsewhere without effect. */
KT_API void kt__job_lasts(kt_time d);

/* Private: how much that is so far; 0 elsewhere. */
KT_API kt_time kt__job_lasted(void);

KT_END

#endif
