/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_SIMULATED_H
#define KETTLE_SIMULATED_H

/* What libkettle and its test kit share: the places where a simulated disk and a simulated network are put.
 * Programs do not use it, but kettle/test_disk.h and kettle/test_network.h. All of it is private. */

#include <kettle/base.h>

KT_BEGIN

struct kt__disk;
struct kt__network;

/* Puts another disk beneath the files of the running loop; NULL = the system's again. Files that are open stay with
 * their disk. Returns what was there. On the loop's thread. */
KT_API struct kt__disk *kt__disk_set(struct kt__disk *d);

/* Puts a network beneath the streams of the running loop; NULL = the system's again, which the simulated driver
 * refuses. Streams and listeners that are open stay with theirs. Returns what was there. On the loop's thread. */
KT_API struct kt__network *kt__network_set(struct kt__network *n);

/* Of a pool job, which runs under the simulated driver: it ends `d` of virtual time later than it would.
 * Elsewhere without effect. */
KT_API void kt__job_lasts(kt_time d);

/* How much that is so far; 0 elsewhere. */
KT_API kt_time kt__job_lasted(void);

KT_END

#endif
