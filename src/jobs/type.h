/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_JOBS_TYPE_H
#define KETTLE_JOBS_TYPE_H

/* What the built-in job types share. */

#include <kettle/jobs.h>

/* Fills a fault in and returns KT_EVALIDATION. */
int kt__type_fault(kt_jobs_fault *fault, const char *field, const char *format, ...) KT_PRINTF(3, 4);

#endif
