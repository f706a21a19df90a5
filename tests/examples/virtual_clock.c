/* SPDX-License-Identifier: MIT */
/* Linked into an example with --wrap: its loops keep their driver, but run on the virtual clock, so
 * that an example which takes its time on a real driver does not take the test's. */
#include <kettle/task.h>

int __wrap_kt_run(KT__JOB);
int __wrap_kt_run_with(const kt_options *options, KT__JOB);
int __wrap_kt_runner_open(const kt_options *options, kt_runner **ret_runner);
int __real_kt_run_with(const kt_options *options, KT__JOB);
int __real_kt_runner_open(const kt_options *options, kt_runner **ret_runner);

static kt_options with_virtual_clock(const kt_options *options)
{
    kt_options changed = options ? *options : (kt_options){0};
    changed.virtual_time = true;
    return changed;
}

int __wrap_kt_run_with(const kt_options *options, KT__JOB)
{
    const kt_options changed = with_virtual_clock(options);
    return __real_kt_run_with(&changed, fn, arg, size);
}

int __wrap_kt_run(KT__JOB)
{
    return __wrap_kt_run_with(NULL, fn, arg, size);
}

int __wrap_kt_runner_open(const kt_options *options, kt_runner **ret_runner)
{
    const kt_options changed = with_virtual_clock(options);
    return __real_kt_runner_open(&changed, ret_runner);
}
