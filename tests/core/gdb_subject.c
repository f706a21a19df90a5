/* SPDX-License-Identifier: MIT */
/* What test_gdb.py looks at: one task runs, and stops at gdb_stops_here; another is parked. */
#include <kettle/kettle.h>

#include "core/core.h"

void gdb_stops_here(kt_task *parked);

__attribute__((noinline)) void gdb_stops_here(kt_task *parked)
{
    __asm__ volatile("" : : "r"(parked) : "memory");
}

__attribute__((noinline)) static int waits_in_the_middle(kt_time span)
{
    int rc = kt_sleep(span);
    __asm__ volatile("" : "+r"(rc)); /* something to do after the call, so that the frame is there */
    return rc;
}

static int parked_task(void *arg)
{
    int rc = waits_in_the_middle(*(kt_time *)arg);
    __asm__ volatile("" : "+r"(rc));
    return rc;
}

static int main_task(void *arg)
{
    (void)arg;
    kt_task *parked;
    int rc = kt_spawn(parked_task, &(kt_time){KT_MS(50)}, sizeof(kt_time), &parked);
    if (rc < 0)
        return rc;
    rc = kt_sleep(KT_MS(1));
    gdb_stops_here(parked);
    int joined = kt_task_join(parked);
    return rc < 0 ? rc : joined;
}

int main(void)
{
    return kt_run(main_task, NULL, 0) < 0;
}
