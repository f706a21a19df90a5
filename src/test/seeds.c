/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

#include <kettle/loop.h>

#include <limits.h>
#include <stdlib.h>

/* What a run has said, and how long it took: the same for every run with one seed. */
typedef struct print {
    uint64_t said;
    kt_time took;
} print;

typedef struct seeded {
    kt_fn fn;
    void *arg;
    print print; /* of the last run */
} seeded;

/* Its name is where a printed call chain ends; see symbols.c. */
static int kt__test_in_seed(void *arg)
{
    seeded *s = arg;
    kt_time start = kt_now();
    int rc = s->fn(s->arg);
    if (rc >= 0)
        kt__test_check_tasks();
    s->print = (print){kt__test_trace_hash(), kt_now() - start};
    return rc;
}

static void run_seed(seeded *s, uint64_t seed)
{
    kt_options options = {0};
    options.driver = KT_DRIVER_SIM;
    options.virtual_time = true;
    options.seed = seed;
    kt__test_trace_clear();
    size_t live = kt_test_blocks();
    int rc = kt_run_with(&options, kt__test_in_seed, s, 0);
    if (rc < 0)
        kt_test_fail("ended with %d (%s): %s", rc, kt_error_name(rc), kt_error_detail());
    if (kt_test_blocks() <= live)
        return;
    kt__test_fail_begin();
    kt__test_say_failure("left memory of kt_alloc:\n");
    kt__test_memory_report();
    kt__test_fail_end();
}

static void run_twice(seeded *s, uint64_t seed)
{
    run_seed(s, seed);
    print first = s->print;
    run_seed(s, seed);
    if (first.said != s->print.said)
        kt_test_fail("said something else the second time");
    if (first.took != s->print.took)
        kt_test_fail("took %lld ns, and %lld the second time", (long long)first.took,
                     (long long)s->print.took);
}

/* KETTLE_TEST_SEEDS overrules the tests. */
static unsigned seeds_wanted(unsigned count)
{
    const char *text = getenv("KETTLE_TEST_SEEDS");
    unsigned long wanted = text ? strtoul(text, NULL, 10) : 0;
    return wanted > 0 && wanted <= UINT_MAX ? (unsigned)wanted : count;
}

void kt_test_seeds(unsigned count, kt_fn fn, void *arg)
{
    seeded s = {.fn = fn, .arg = arg};
    if (kt_loop_current())
        kt_test_fail("kt_test_seeds runs loops of its own; use KT_TEST_NO_LOOP");
    if (count == 0)
        kt_test_fail("kt_test_seeds without a seed shows nothing");
    const char *driver = getenv("KETTLE_DRIVER");
    char *kept = NULL;
    if (driver) {
        size_t size = strlen(driver) + 1;
        kept = memcpy(kt__test_own(NULL, size), driver, size);
    }
    setenv("KETTLE_DRIVER", "sim", 1);
    uint64_t last = seeds_wanted(count);
    for (uint64_t seed = 1; seed <= last; seed++) {
        atomic_store(&kt__test_status->seed, seed);
        atomic_fetch_add(&kt__test_status->checks, 1);
        run_twice(&s, seed);
    }
    atomic_store(&kt__test_status->seed, 0);
    unsetenv("KETTLE_DRIVER");
    if (kept)
        setenv("KETTLE_DRIVER", kept, 1);
    kt__test_disown(kept);
}
