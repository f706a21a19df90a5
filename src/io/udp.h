/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_UDP_H
#define KETTLE_IO_UDP_H

/* What udp.c (datagrams) and udp_open.c (sockets and their options) share. */

#include <kettle/sync.h>
#include <kettle/udp.h>

#include "core/driver.h"

/* `turn` is held by the sender that waits for room. A close waits for all that are suspended in a send:
 * they are counted in `senders`. */
struct kt_udp {
    kt__fd fd;
    kt_lock turn;
    unsigned senders;
    unsigned sent;       /* to let others run now and then */
    int error;           /* that came behind a batch's first datagram; < 0, or 0 */
};

#endif
