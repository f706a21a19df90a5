/* SPDX-License-Identifier: MIT */

/* The job type "sleep": waits. For trying things out, and for measuring the system itself. */

#include <math.h>

#include "jobs/engine.h"
#include "jobs/type.h"

#define SECONDS_MAX 86400.0

static int seconds_of(const kt_jobs_args *args, double *ret_seconds, kt_jobs_fault *fault)
{
    double seconds = 0;
    int rc = kt_jobs_arg_number(args, "seconds", &seconds);
    if (rc == 0)
        return kt__type_fault(fault, "seconds", "is missing");
    if (rc < 0 || !(seconds >= 0 && seconds <= SECONDS_MAX))
        return kt__type_fault(fault, "seconds", "must be a number between 0 and %g", SECONDS_MAX);
    *ret_seconds = seconds;
    return 0;
}

static int check(const kt_jobs_args *args, kt_jobs_fault *fault)
{
    static const char *const names[] = {"seconds"};
    double seconds = 0;
    const char *unknown = kt_jobs_arg_unknown(args, names, 1);
    if (unknown)
        return kt__type_fault(fault, unknown, "is no argument of a sleep");
    return seconds_of(args, &seconds, fault);
}

static int label(const kt_jobs_args *args, kt_buffer *text)
{
    kt_jobs_fault fault;
    double seconds = 0;
    int rc = seconds_of(args, &seconds, &fault);
    return rc < 0 ? rc : kt_buffer_printf(text, "sleep %g s", seconds);
}

static int run(kt_jobs_attempt *job)
{
    kt_jobs_fault fault;
    double seconds = 0;
    int rc = seconds_of(kt_jobs_args_of(job), &seconds, &fault);
    if (rc < 0)
        return kt_error_set(rc, "args.%s %s", fault.field, fault.message);
    return seconds > 0 ? kt_sleep((kt_time)(seconds * 1e9)) : 0;
}

const kt_jobs_type kt_jobs_sleep = {
    .name = "sleep",
    .run = run,
    .check = check,
    .label = label,
    .measure = true,
};
