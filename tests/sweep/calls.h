/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SWEEP_CALLS_H
#define TESTS_SWEEP_CALLS_H

/* Calls of the system that fail. The linker puts those that the library makes behind ours (--wrap), which
 * count, and let one of them fail with an error that its manual page lists. What the kernel does for
 * io_uring is out of reach. */

#include <stdbool.h>

struct kt_task;

/* Between the two, calls on this thread count. */
void calls_begin(void);
void calls_end(void);

/* The Nth call from now on fails with the error of that index in its list; 0: none. Forgets what was counted. */
void calls_fail(unsigned nth, unsigned error);

/* How many calls were counted; has one failed, which, and with what errno? */
unsigned calls_counted(void);
bool calls_failed(void);
const char *calls_failed_name(void);
int calls_failed_errno(void);

/* The harness's: does this task wait in the swept call? Then what a driver does for it counts, too. */
bool sweep_is_caller(const struct kt_task *t);

#endif
