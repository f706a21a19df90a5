/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_SOCKET_H
#define KETTLE_IO_SOCKET_H

/* What those who open sockets share: streams, listeners, datagrams. */

#include <kettle/address.h>

/* kt_resolve with the port as a number. */
int kt__resolve_port(const char *host, uint16_t port, const kt_resolve_options *options,
                     kt_addresses **ret_addresses) KT_CHECKED;

#endif
