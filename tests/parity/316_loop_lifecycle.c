/* SPDX-License-Identifier: MIT */
#include "say.h"

static int gives(void *n)
{
    int rc = kt_sleep(0);
    return rc < 0 ? rc : *(int *)n;
}

static int nested(void *arg)
{
    (void)arg;
    return kt_run(gives, &(int){3}, sizeof(int));
}

static int fails(void *arg)
{
    (void)arg;
    return raise_error("boom");
}

static int cancels_itself(void *arg)
{
    (void)arg;
    kt_task_cancel(kt_task_current());
    return kt_sleep(0);
}

static bool has_loop(void)
{
    return kt_loop_current() != NULL;
}

static int inside(void *arg)
{
    (void)arg;
    say("inside %s", yes(has_loop()));
    return 0;
}

int main(void)
{
    const char *said = misuse_of(nested);
    say("outside %s", yes(has_loop()));
    sure(kt_run(inside, NULL, 0));
    say("afterwards %s", yes(has_loop()));
    if (strstr(said, "a loop runs on this thread already"))
        say("nested refused");
    for (int n = 1; n <= 2; n++) {
        int gave = kt_run(gives, &n, sizeof n);
        say("run gave %d", gave);
    }
    int rc = kt_run(fails, NULL, 0);
    if (rc == -EIO)
        say("run raised %s", kt_error_detail());
    rc = kt_run(cancels_itself, NULL, 0);
    if (rc == KT_ECANCELED)
        say("run cancelled");
    return 0;
}
