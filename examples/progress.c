/* SPDX-License-Identifier: MIT */

/* Cups of tea, three at a time, beneath a progress bar: on a terminal. Elsewhere only the lines are written. */

#include <kettle/kettle.h>
#include <unistd.h>

enum { CUPS = 24, COOKS = 3 };

static int pour(kt_progress *bar, int cup)
{
    int rc = kt_sleep(KT_MS(200 + cup * 37 % 100));
    if (rc < 0)
        return rc;
    kt_progress_add(bar, 1);
    if (cup % 8 != 0)
        return 0;
    return kt_terminal_printf(STDOUT_FILENO, "cup %d has milk\n", cup); /* above the bar */
}

KT_FN(cook, me, struct { kt_progress *bar; int first; })
{
    int rc = 0;
    for (int cup = me->first; cup <= CUPS && rc == 0; cup += COOKS)
        rc = pour(me->bar, cup);
    return rc;
}

static int kitchen(void *arg)
{
    (void)arg;
    kt_auto(kt_progress) bar = {.label = "tea", .total = CUPS, .fd = STDOUT_FILENO};
    kt_auto(kt_group) cooks = KT_GROUP_INIT;
    int rc = 0;
    kt_progress_start(&bar);
    for (int i = 1; i <= COOKS && rc == 0; i++)
        rc = kt_group_spawn(&cooks, KT_WITH(cook, .bar = &bar, .first = i));
    return kt_group_join(&cooks, rc);
} /* whatever happened, the bar has ended its line */

int main(void)
{
    int rc = kt_run(kitchen, NULL, 0);
    if (rc < 0)
        return 1;
    return kt_terminal_printf(STDOUT_FILENO, "%d cups of tea\n", CUPS) < 0;
}
