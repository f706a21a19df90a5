/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_RESOLVE_H
#define KETTLE_IO_RESOLVE_H

/* Between the look-up of names and what a loop keeps of it. */

#include <kettle/address.h>
#include <netdb.h>

/* Asks the system. As kt_resolve, with names that have been checked; *ret_final: there is no such name, and that
 * is worth keeping. */
int kt__resolve_ask(const char *host, const char *service, const kt_resolve_options *o, bool *ret_final,
                    kt_addresses **ret_addresses) KT_CHECKED;

/* The same, unless the answer is there from before. */
int kt__resolve_kept(const char *host, const char *service, const kt_resolve_options *o,
                     kt_addresses **ret_addresses) KT_CHECKED;

/* To send to: only families of which the machine has an address. One that was asked for is looked up all the same: of
 * a machine that is on no network glibc says that it has none, and localhost would not be found. */
static inline int kt__resolve_flags(int family)
{
    return family == AF_UNSPEC ? AI_ADDRCONFIG : 0;
}

/* Nobody has answered at a host's addresses: it may have others by now. */
void kt__resolve_forget(const char *host, const kt_resolve_options *o);

/* NULL without memory. */
kt_addresses *kt__addresses_copy(const kt_addresses *a);

#endif
