/* SPDX-License-Identifier: MIT */
/* A stranger's first test. */
#include <kettle/kettle.h>
#include <kettle/test.h>

TEST(sleep_takes_its_time)
{
    kt_time start = kt_now();
    CHECK_OK(kt_sleep(KT_S(3)));
    CHECK_EQ(kt_now() - start, KT_S(3));
}
