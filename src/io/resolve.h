/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_RESOLVE_H
#define KETTLE_IO_RESOLVE_H

/* Between the look-up of names and what a loop keeps of it. */

#include <kettle/address.h>

/* Asks the system. As kt_resolve, with names that have been checked; *ret_final: there is no such name, and that
 * is worth keeping. */
int kt__resolve_ask(const char *host, const char *service, const kt_resolve_options *o, bool *ret_final,
                    kt_addresses **ret_addresses) KT_CHECKED;

/* The same, unless the answer is there from before. */
int kt__resolve_kept(const char *host, const char *service, const kt_resolve_options *o,
                     kt_addresses **ret_addresses) KT_CHECKED;

/* Nobody has answered at a host's addresses: it may have others by now. */
void kt__resolve_forget(const char *host, const kt_resolve_options *o);

/* NULL without memory. */
kt_addresses *kt__addresses_copy(const kt_addresses *a);

#endif
