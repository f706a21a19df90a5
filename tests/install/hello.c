/* SPDX-License-Identifier: MIT */
/* What a stranger's first program may look like: C11 that is C++17 as well. */
#include <kettle/kettle.h>
#include <stdio.h>

static int hello(void *arg)
{
    int rc = kt_sleep(KT_MS(1));
    if (rc == 0)
        printf("hello from %s, Kettle %s\n", (const char *)arg, kt_version());
    return rc;
}

int main(void)
{
    static char name[] = "outside";
    return kt_run(hello, name, 0) < 0;
}
