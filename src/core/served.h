/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CORE_SERVED_H
#define KETTLE_CORE_SERVED_H

/* Between channels and kt_select: a case of a channel is served by other threads. */

#include <kettle/channel.h>

#include "core/core.h"

/* What one who waits in a channel is told by whoever serves him. On his own stack. */
typedef struct kt__served {
    kt__message message;
    kt_task *task; /* NULL: a thread */
    void *item;    /* to be filled, or to be sent */
    int rc;
} kt__served;

/* Puts a case's place into a line of the channel; false if it can be had at once instead. */
bool kt__channel_stand(kt_channel *c, kt__waiters *line, kt__waiter *place);

/* Takes whoever it is out of the line; false if he has been served, or was in none. */
bool kt__channel_leave(kt_channel *c, kt__waiter *place);

/* Any thread, under the mutex of the channel in which the case stands: the case wins, if no other has, and will be
 * told. NULL: another has won. */
kt__served *kt__select_claim(kt__waiter *place);

#endif
