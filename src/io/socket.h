/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_SOCKET_H
#define KETTLE_IO_SOCKET_H

/* What those who open sockets share: streams, listeners, datagrams. */

#include <kettle/address.h>

/* kt_resolve with the port as a number. */
int kt__resolve_port(const char *host, uint16_t port, const kt_resolve_options *options,
                     kt_addresses **ret_addresses) KT_CHECKED;

/* Looks up where a socket of a family is to be bound: the host's first address, or any (NULL). */
int kt__resolve_local(const char *host, uint16_t port, int family, int type,
                      kt_address *ret_local) KT_CHECKED;

#endif
