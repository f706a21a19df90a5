/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <kettle/shutdown.h>

KT_FN(serves, a, struct {
    int call_takes, grace, *ended;
    int rc;
})
{
    kt_auto(kt_group) calls = KT_GROUP_INIT;
    for (int i = 0; i < 3; i++)
        sure(kt_group_spawn(&calls, sleep_seconds, &a->call_takes, sizeof(int)));
    int rc = kt_sleep(KT_S(60));
    rc = kt_shutdown_drain(&calls, KT_S(a->grace), a->rc < 0 ? a->rc : rc);
    *a->ended = (int)(kt_now() / KT_S(1));
    return rc;
}

/* Cancelled at 1 s, and perhaps again. */
static int shut_down(int call_takes, int grace, int rc, int again_at, int *ended)
{
    kt_task *t = spawn(KT_WITH(serves, call_takes, grace, ended, rc));
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    if (again_at) {
        sure(kt_sleep(KT_S(again_at - 1)));
        kt_task_cancel(t);
    }
    return kt_task_join(t);
}

TEST(what_is_under_way_may_end)
{
    int ended = 0;
    CHECK_ERR(shut_down(5, 10, 0, 0, &ended), KT_ECANCELED);
    CHECK_EQ(ended, 5);
}

TEST(what_takes_too_long_is_cancelled)
{
    int ended = 0;
    CHECK_ERR(shut_down(50, 10, 0, 0, &ended), KT_ETIMEDOUT);
    CHECK_EQ(ended, 11);
}

TEST(a_second_request_cuts_the_grace_short)
{
    int ended = 0;
    CHECK_ERR(shut_down(50, 10, 0, 4, &ended), KT_ECANCELED);
    CHECK_EQ(ended, 4);
}

TEST(after_a_failure_there_is_no_grace)
{
    int ended = 0;
    CHECK_ERR(shut_down(50, 10, -EIO, 0, &ended), -EIO);
    CHECK_EQ(ended, 1);
}

TEST(without_a_cancellation_it_is_a_join_with_a_limit)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    CHECK_EQ(kt_shutdown_drain(&g, KT_S(1), 4), 4);
    sure(kt_group_spawn(&g, sleep_seconds, &(int){2}, sizeof(int)));
    CHECK_ERR(kt_shutdown_drain(&g, KT_S(1), 0), KT_ETIMEDOUT);
    CHECK_OK(kt_sleep(0));
}
