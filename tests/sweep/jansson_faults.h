/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SWEEP_JANSSON_FAULTS_H
#define TESTS_SWEEP_JANSSON_FAULTS_H

#include <jansson.h>

/* From now on jansson's allocations count and fail with those of kt_alloc. */
void jansson_counts(void);

/* Its blocks that have not been given back; those that its user frees without it count for ever. */
size_t jansson_alive(void);

#endif
