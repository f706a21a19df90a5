/* SPDX-License-Identifier: MIT */
/* A function that waits, and a loop that runs it. Its result is a status, negative for an error; what
 * it makes goes out through an argument that comes last. */
#include <kettle/kettle.h>
#include <stdio.h>

static int hello(const char **ret_value)
{
    printf("Hello\n");
    int rc = kt_sleep(KT_S(1)); /* other tasks would run meanwhile */
    if (rc < 0)
        return rc;
    printf("World\n");
    *ret_value = "Done";
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    const char *value;
    kt_time start = kt_now();
    int rc = hello(&value);
    if (rc < 0)
        return rc;
    printf("%s\n", value);
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "hello: %s\n", kt_strerror(rc));
    return rc < 0;
}
