/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_UNDER_VALGRIND_H
#define TESTS_CORE_UNDER_VALGRIND_H

/* Is the test run by Valgrind, which is slow, runs one thread at a time, and ends a sleep that a signal interrupts? */
#ifdef KT_VALGRIND
#include <valgrind/valgrind.h>
#define UNDER_VALGRIND RUNNING_ON_VALGRIND
#else
#define UNDER_VALGRIND 0
#endif

#endif
