/* SPDX-License-Identifier: MIT */
/* A generator makes one item at a time and may wait between them; its consumer loops over kt_next as
 * Python's does with `async for`. */
#include <kettle/kettle.h>
#include <stdio.h>

typedef struct label {
    char text[16];
} label;

KT_FN(count_up, a, struct {
    const char *name;
    int n;
})
{
    for (int i = 0; i < a->n; i++) {
        label item;
        int rc = kt_sleep(KT_MS(100));
        if (rc < 0)
            return rc;
        snprintf(item.text, sizeof item.text, "%s-%d", a->name, i);
        rc = kt_yield(&item);
        if (rc < 0)
            return rc; /* the consumer has left */
    }
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    label item;
    const char *before = "[";
    kt_time start = kt_now();
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(label);
    int rc = kt_generator_start(&g, KT_WITH(count_up, "X", 3));
    while (rc >= 0 && (rc = kt_next(&g, &item)) == 1) {
        printf("%s'%s'", before, item.text);
        before = ", ";
    }
    if (rc < 0)
        return rc;
    printf("]\n");
    printf("(%.1f s)\n", (double)(kt_now() - start) / KT_S(1));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "count_up: %s\n", kt_strerror(rc));
    return rc < 0;
}
