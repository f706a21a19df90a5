/* SPDX-License-Identifier: MIT */
#include "say.h"

static int on_future(void *future)
{
    return kt_future_await(future, NULL);
}

static int sleeper(void *arg)
{
    (void)arg;
    units(4);
    say("C done");
    return 0;
}

static void set_future(void *future)
{
    sure(kt_future_set_result(future, 1));
}

/* The names of those that are done, or are not. */
static const char *names(kt_task *const ts[3], bool done, char text[16])
{
    size_t n = 0;
    for (int i = 0; i < 3; i++)
        if (kt_task_done(ts[i]) == done)
            n += (size_t)snprintf(text + n, 16 - n, "%s%s", n ? " " : "", kt_task_name(ts[i]));
    text[n] = 0;
    return text;
}

static void wait_and_say(kt_task *const ts[3], kt_wait_mode mode)
{
    char done[16], pending[16];
    sure(kt_wait(ts, 3, mode, KT_FOREVER));
    say("done [%s] pending [%s]", names(ts, true, done), names(ts, false, pending));
}

static int body(void *arg)
{
    kt_future future = KT_FUTURE_INIT;
    kt_auto(kt_callback) timer = KT_CALLBACK_INIT;
    (void)arg;
    kt_task *ts[] = {spawn_named("A", on_future, &future, 0), spawn_named("B", on_future, &future, 0),
                     spawn_named("C", sleeper, NULL, 0)};
    kt_call_later(&timer, U, set_future, &future);
    wait_and_say(ts, KT_WAIT_FIRST_COMPLETED);
    wait_and_say(ts, KT_WAIT_ALL_COMPLETED);
    wait_and_say(ts, KT_WAIT_FIRST_COMPLETED);
    for (int i = 0; i < 3; i++)
        sure(kt_task_join(ts[i]));
    return 0;
}

int main(void)
{
    return run(body);
}
