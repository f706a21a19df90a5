/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CORE_SYMBOL_H
#define KETTLE_CORE_SYMBOL_H

/* Names of functions, files and lines for addresses in this process. */

#include <kettle/base.h>

/* Reads what the process has loaded; some milliseconds. NULL when libdw is not installed or there is no memory:
 * that is good for all below, and then only dynamic symbols are known. Any thread, on a stack of some size: see
 * kt__on_scheduler. */
struct kt__symbols;
struct kt__symbols *kt__symbols_open(void);
void kt__symbols_close(struct kt__symbols *s);

/* "function+0x2a at file.c:12 (object)", as far as is known, of the call that returns to `address`. */
void kt__symbols_describe(struct kt__symbols *s, const void *address, char *text, size_t size);

#endif
