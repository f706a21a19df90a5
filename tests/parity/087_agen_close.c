/* SPDX-License-Identifier: MIT */
#include "say.h"

static int produce(void)
{
    for (int i = 0; i < 3; i++) {
        int rc = kt_sleep(0);
        if (rc == 0)
            rc = kt_yield(&i);
        if (rc < 0)
            return rc;
    }
    return 0;
}

KT_FN(numbers, a, struct { const char *name; })
{
    say("%s opens", a->name);
    int rc = produce();
    say("%s cleanup begins", a->name);
    sure(kt_sleep(0));
    say("%s cleanup ends", a->name);
    return rc;
}

static int body(void *arg)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int), h = KT_GENERATOR_INIT(int);
    kt_auto(kt_generator) i = KT_GENERATOR_INIT(int);
    int n;
    (void)arg;
    sure(kt_generator_start(&g, KT_WITH(numbers, "G")));
    if (sure(kt_next(&g, &n)) == 1)
        say("main got %d", n);
    say("main left the loop");
    kt_generator_close(&g);
    say("main closed G");
    kt_generator_close(&g);
    if (kt_next(&g, &n) == 0)
        say("G ended");
    sure(kt_generator_start(&h, KT_WITH(numbers, "H")));
    while (sure(kt_next(&h, &n)) == 1)
        say("main got %d", n);
    say("main end of H");
    sure(kt_generator_start(&i, KT_WITH(numbers, "I")));
    kt_generator_close(&i);
    say("main closed I");
    return 0;
}

int main(void)
{
    return run(body);
}
