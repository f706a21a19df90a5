/* SPDX-License-Identifier: MIT */
#include "say.h"

static void say_outcome(const char *label, int rc)
{
    switch (rc) {
    case KT_ECANCELED:
        say("%s -> raised cancelled", label);
        break;
    case KT_EINVALIDSTATE:
        say("%s -> raised invalid state", label);
        break;
    case 0:
        say("%s -> none", label);
        break;
    default:
        say("%s -> raised bad", label);
    }
}

static void settled_with_a_result(void)
{
    kt_future f = KT_FUTURE_INIT;
    intptr_t result = 0;
    say_outcome("pending result", kt_future_result(&f, &result));
    say_outcome("set 1", kt_future_set_result(&f, 1));
    say_outcome("set 2", kt_future_set_result(&f, 2));
    say_outcome("set error", kt_future_set_error(&f, -EIO));
    say("cancel settled -> %s", yes(kt_future_cancel(&f)));
    sure(kt_future_result(&f, &result));
    say("result -> %d", (int)result);
    say_outcome("error", kt_future_result(&f, NULL));
}

static void settled_with_an_error(void)
{
    kt_future f = KT_FUTURE_INIT;
    intptr_t result;
    say_outcome("set error", kt_future_set_error(&f, -EIO));
    say_outcome("result", kt_future_result(&f, &result));
    say("error -> %s", kt_future_result(&f, NULL) == -EIO ? "bad" : "none");
}

static void cancelled(void)
{
    kt_future f = KT_FUTURE_INIT;
    intptr_t result;
    say("cancel -> %s", yes(kt_future_cancel(&f)));
    say("cancel again -> %s", yes(kt_future_cancel(&f)));
    say_outcome("set after cancel", kt_future_set_result(&f, 3));
    say("done -> %s", yes(kt_future_done(&f)));
    say("cancelled -> %s", yes(kt_future_cancelled(&f)));
    say_outcome("result", kt_future_result(&f, &result));
    say_outcome("error", kt_future_result(&f, NULL));
}

static int body(void *arg)
{
    (void)arg;
    settled_with_a_result();
    settled_with_an_error();
    cancelled();
    return 0;
}

int main(void)
{
    return run(body);
}
