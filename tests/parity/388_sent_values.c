/* SPDX-License-Identifier: MIT */
#include "say.h"

/* Numbers travel as pointers. */
static void *number(int n)
{
    return (void *)(intptr_t)n;
}

static int average(const char *name)
{
    int total = 0, n = 0, value = 0, rc;
    void *sent;
    while ((rc = kt_coroutine_yield(number(value), &sent)) == 0) {
        sure(kt_sleep(0));
        int got = (int)(intptr_t)sent;
        if (got < 0) {
            say("%s has enough", name);
            return 0;
        }
        total += got;
        value = total / ++n;
    }
    return rc;
}

static int averager(void *name)
{
    int rc = average(name);
    say("%s closing", (const char *)name);
    sure(kt_sleep(0));
    say("%s closed", (const char *)name);
    return rc;
}

static int body(void *arg)
{
    static const int values[] = {10, 20, 60};
    kt_auto(kt_coroutine) *g = NULL, *h = NULL, *i = NULL;
    void *value = NULL;
    (void)arg;
    sure(kt_coroutine_new(averager, "G", 0, &g));
    if (sure(kt_coroutine_resume(g, NULL, &value)) == 1)
        say("first %d", (int)(intptr_t)value);
    for (int k = 0; k < 3; k++)
        if (sure(kt_coroutine_resume(g, number(values[k]), &value)) == 1)
            say("sent %d got %d", values[k], (int)(intptr_t)value);
    kt_coroutine_close(kt_steal(g));
    say("main closed G");
    sure(kt_coroutine_new(averager, "H", 0, &h));
    if (sure(kt_coroutine_resume(h, NULL, &value)) == 1)
        say("first %d", (int)(intptr_t)value);
    if (sure(kt_coroutine_resume(h, number(-1), &value)) == 0)
        say("H ended");
    sure(kt_coroutine_new(averager, "I", 0, &i));
    kt_coroutine_close(kt_steal(i));
    say("main closed I");
    return 0;
}

int main(void)
{
    return run(body);
}
