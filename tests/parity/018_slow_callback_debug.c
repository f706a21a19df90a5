/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <stdatomic.h>

/* Reports come when a step is over, and before that, while it blocks, from a thread of their own: the first are
 * counted. */
static atomic_int reports;

static void count_report(const char *message)
{
    if (strstr(message, "blocked the loop for"))
        atomic_fetch_add(&reports, 1);
}

static void block_ms(void *ms)
{
    usleep((useconds_t)(intptr_t)ms * 1000);
}

static int blocking(void *arg)
{
    block_ms((void *)300);
    (void)arg;
    return 0;
}

static int run_work(void)
{
    kt_callback slow = KT_CALLBACK_INIT, fast = KT_CALLBACK_INIT;
    kt_call_soon(&slow, block_ms, (void *)300);
    kt_call_soon(&fast, block_ms, (void *)0);
    sure(kt_task_join(spawn(blocking, NULL, 0)));
    return kt_sleep(0);
}

static int body(void *arg)
{
    (void)arg;
    kt_log_hook_set(count_report);
    kt_slow_step_set(KT_MS(150));
    for (int on = 1; on >= 0; on--) {
        kt_debug_set(on);
        say("debug %s", yes(kt_debug()));
        sure(run_work());
        say("slow reports %d", atomic_load(&reports));
    }
    kt_log_hook_set(NULL);
    return 0;
}

int main(void)
{
    return run(body);
}
