/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_RACE_H
#define KETTLE_RACE_H

/* Several ways to one end, tried one after the other without waiting for each to fail.
 *
 *     const kt_job mirrors[] = {KT_JOB_OF(KT_WITH(fetch, "a", &file)), KT_JOB_OF(KT_WITH(fetch, "b", &file))};
 *     size_t winner;
 *     int rc = kt_staggered_race(mirrors, 2, KT_MS(250), NULL, &winner);
 */

#include <kettle/group.h>

KT_BEGIN

/* Runs jobs[0], and starts the next one whenever the one started last has failed or `delay` has passed
 * since its start (KT_FOREVER: only after failures). The first that succeeds (>= 0) wins: the others
 * are cancelled and awaited. Arguments are not copied.
 *
 * Returns the winner's result and its index in *ret_winner (NULL is allowed); when all have failed, the
 * failure that came last, its words in kt_error_detail; -EINVAL for n = 0; -ENOMEM, KT_ENOSTACK when a job
 * could not be started; or the cancellation's code, after which no job runs any more. With ret_rcs
 * (NULL is allowed) every job's result is stored by position in every case, KT_ECANCELED for one that
 * did not begin: a loser, too, may have succeeded at the last moment, and the caller undoes what it did.
 * Suspends. Like staggered.staggered_race, RFC 8305, 5. */
KT_API int kt_staggered_race(const kt_job *jobs, size_t n, kt_time delay, int ret_rcs[],
                             size_t *ret_winner) KT_CHECKED;

KT_END

#endif
