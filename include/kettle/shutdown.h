/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_SHUTDOWN_H
#define KETTLE_SHUTDOWN_H

/* Stopping without breaking off what is under way.
 *
 *     kt_auto(kt_group) calls = KT_GROUP_INIT;
 *     int rc = accept_calls(&calls);               // until SIGINT cancels it
 *     ... accept nothing new ...
 *     return kt_shutdown_drain(&calls, KT_S(10), rc);   // those begun have ten seconds to end
 */

#include <kettle/group.h>

KT_BEGIN

/* Joins a group, giving its children `grace` to end by themselves although the caller is being
 * cancelled (that is caught, as by kt_cancel_catch); children that are still there then are
 * cancelled, and joined. A second cancellation of the caller cuts the grace short. `rc` is how
 * the body ended; a failure that is no cancellation cancels the children at once. Returns, in
 * this order: the body's own failure; the first child's failure; KT_ETIMEDOUT when the grace was
 * too short; the cancellation's code, if the caller was being cancelled or has been meanwhile;
 * rc. By the group's owner. Suspends. */
KT_API int kt_shutdown_drain(kt_group *g, kt_time grace, int rc) KT_CHECKED;

KT_END

#endif
