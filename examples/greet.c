/* SPDX-License-Identifier: MIT */
/* A function with arguments and a text as its result. Whoever calls it waits with it: no keyword says
 * so, since any C function may suspend. */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>

static int greet(const char *name, char *ret_text, size_t size)
{
    int rc = kt_sleep(KT_S(1));
    if (rc < 0)
        return rc;
    rc = snprintf(ret_text, size, "Hello, %s!", name);
    return rc < 0 || (size_t)rc >= size ? -EOVERFLOW : 0;
}

static int run(void *arg)
{
    (void)arg;
    char text[64];
    kt_time start = kt_now();
    int rc = greet("Python", text, sizeof text);
    if (rc < 0)
        return rc;
    printf("%s\n", text);
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "greet: %s\n", kt_strerror(rc));
    return rc < 0;
}
