/* SPDX-License-Identifier: MIT */
/* Opens as many pots as it is told. Whatever happens, those that were opened are closed, the last one
 * first; closing takes a while, and no cancellation disturbs it. */

#include <kettle/kettle.h>

#include <errno.h>
#include <stdio.h>

static void close_pot(void *name)
{
    if (kt_sleep(KT_S(1)) == 0) /* cancellations are held back here */
        printf("closed %s\n", (const char *)name);
}

static int open_pot(const char *name)
{
    if (name[0] == '-')
        return kt_error_set(-ENOENT, "there is no pot '%s'", name);
    printf("opened %s\n", name);
    return 0;
}

/* Is told how the cooking ended, and makes good what it can. */
static int use_a_pan(void *arg, int rc)
{
    (void)arg;
    if (rc != -ENOENT)
        return rc;
    printf("%s: a pan will do\n", kt_error_detail());
    return 0;
}

static int cook(const char *const names[], size_t n)
{
    kt_auto(kt_exit_stack) pots = KT_EXIT_STACK_INIT;
    int rc = kt_exit_stack_push_exit(&pots, use_a_pan, NULL);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = open_pot(names[i]);
        if (rc == 0) /* without memory it would be closed here and now */
            rc = kt_exit_stack_push(&pots, close_pot, (void *)(uintptr_t)names[i]);
    }
    if (rc == 0)
        printf("cooking\n");
    return kt_exit_stack_close(&pots, rc);
}

static int kitchen(void *arg)
{
    (void)arg;
    int rc = cook((const char *const[]){"soup", "rice"}, 2);
    if (rc == 0)
        rc = cook((const char *const[]){"tea", "-", "coffee"}, 3);
    return rc;
}

int main(void)
{
    return kt_run(kitchen, NULL, 0) < 0;
}
