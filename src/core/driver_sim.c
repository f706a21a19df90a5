/* SPDX-License-Identifier: MIT */

/* The simulated driver: no outside world at all. Time is the loop's virtual clock, order comes from the
 * seed, and jobs for the pool run on the loop's thread; real descriptors are refused. */

#include <kettle/memory.h>

#include "core/core.h"

static int sim_open(kt_loop *l)
{
    l->simulated = true;
    l->virtual_time = true;
    /* The generator must not start at zero; seed 0 means first in, first out. */
    l->random = l->options.seed ? l->options.seed * UINT64_C(0x9e3779b97f4a7c15) | 1 : 0;
    return 0;
}

static void sim_close(kt_loop *l)
{
    (void)l;
}

static int sim_submit(kt_loop *l, kt__op *op)
{
    (void)l;
    op->result = kt_error_set(KT_ENOTSIM, "descriptor %d", op->fd->fd);
    return 1;
}

static void sim_cancel(kt_loop *l, kt__op *op)
{
    kt__op_done(l, op, -1); /* not reached: nothing is ever in flight */
}

static void sim_forget(kt_loop *l, kt__fd *fd)
{
    (void)l;
    (void)fd;
}

static void sim_wait(kt_loop *l, kt_time deadline)
{
    (void)l;
    (void)deadline;
}

const kt__driver kt__driver_sim = {
    .name = "sim",
    .open = sim_open,
    .close = sim_close,
    .submit = sim_submit,
    .cancel = sim_cancel,
    .forget = sim_forget,
    .wait = sim_wait,
};
