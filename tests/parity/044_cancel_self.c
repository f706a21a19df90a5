/* SPDX-License-Identifier: MIT */
#include "say.h"

static int a_body(void *arg)
{
    kt_future done = KT_FUTURE_INIT;
    intptr_t result = 0;
    (void)arg;
    sure(kt_future_set_result(&done, 1));
    kt_task_cancel(kt_task_current());
    say("A continues");
    sure(kt_future_await(&done, &result));
    say("A done future %d", (int)result);
    int rc = kt_sleep(0);
    say(rc < 0 ? "A cancelled at sleep" : "A not reached");
    return rc;
}

static int b_body(void *arg)
{
    (void)arg;
    kt_task_cancel(kt_task_current());
    say("B returns");
    return 1;
}

static int c_body(void *arg)
{
    (void)arg;
    kt_task_cancel(kt_task_current());
    say("C fails");
    return raise_error("boom");
}

static int body(void *arg)
{
    const kt_fn bodies[] = {a_body, b_body, c_body};
    (void)arg;
    for (int i = 0; i < 3; i++) {
        kt_task *t = spawn(bodies[i], NULL, 0);
        int rc = kt_task_await(t);
        if (rc == KT_ECANCELED)
            say("main caught cancelled from %c", 'A' + i);
        else if (rc < 0)
            say("main caught %s", kt_error_detail());
        else
            say("main got %d", rc);
        say("%c cancelled %s", 'A' + i, yes(kt_task_cancelled(t)));
        kt_task_detach(t);
    }
    return 0;
}

int main(void)
{
    return run(body);
}
