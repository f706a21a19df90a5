/* SPDX-License-Identifier: MIT */

/* Signals as callbacks. */

#include <errno.h>
#include <kettle/callback.h>
#include <kettle/context.h>
#include <kettle/loop.h>
#include <kettle/signal.h>
#include <kettle/test.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void say(void *word)
{
    CHECK(kt_task_current() == NULL);
    kt_test_say("%s", (const char *)word);
}

TEST_WITH(a_signal_is_a_callback_of_the_loop, KT_TEST_REAL_TIME)
{
    kt_auto(kt_signal) usr1 = KT_SIGNAL_INIT;
    CHECK_OK(kt_signal_handle(&usr1, SIGUSR1, say, "usr1"));
    CHECK_OK(kill(getpid(), SIGUSR1));
    kt_test_say("sent");
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_TRACE("sent\nusr1\nusr1");
}

static void say_and_release(void *signal)
{
    kt_test_say("last");
    kt_signal_release(signal);
}

TEST_WITH(it_may_be_released_by_its_callback, KT_TEST_REAL_TIME)
{
    kt_signal usr1 = KT_SIGNAL_INIT;
    CHECK_OK(kt_signal_handle(&usr1, SIGUSR1, say_and_release, &usr1));
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_TRACE("last");
    CHECK(usr1.loop == NULL);
}

static kt_signal *due;
static kt_callback after_look;

static void release_due(void *arg)
{
    (void)arg;
    kt_signal_release(due);
    kt_test_say("released");
}

static void nothing(void *arg)
{
    (void)arg;
}

/* What is ready already comes before what the next look at the world brings. */
static void release_before_the_callback(void *look)
{
    CHECK_OK(kill(getpid(), SIGUSR1));
    kt_call_soon(&after_look, release_due, NULL);
    kt_call_later(look, 0, nothing, NULL);
}

TEST_WITH(one_that_is_released_is_not_called_any_more, KT_TEST_REAL_TIME)
{
    kt_signal usr1 = KT_SIGNAL_INIT;
    kt_callback c = KT_CALLBACK_INIT, look = KT_CALLBACK_INIT;
    due = &usr1;
    CHECK_OK(kt_signal_handle(&usr1, SIGUSR1, say, "usr1"));
    kt_call_later(&c, KT_MS(1), release_before_the_callback, &look);
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_TRACE("released");
}

static int releases(void *signal)
{
    kt_signal_release(signal);
    return 0;
}

static int says_after(void *arg)
{
    (void)arg;
    kt_test_say("after");
    return 0;
}

TEST_WITH(one_that_is_released_long_after_its_call_takes_nobodys_turn, KT_TEST_REAL_TIME)
{
    kt_signal usr1 = KT_SIGNAL_INIT;
    kt_task *first = NULL, *second = NULL;
    CHECK_OK(kt_signal_handle(&usr1, SIGUSR1, say, "usr1"));
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_OK(kt_spawn(releases, &usr1, 0, &first));
    CHECK_OK(kt_spawn(says_after, NULL, 0, &second));
    CHECK_OK(kt_task_join(first));
    CHECK_OK(kt_task_join(second));
    CHECK_TRACE("usr1\nafter");
}

TEST_WITH(the_handler_is_given_back, KT_TEST_REAL_TIME)
{
    struct sigaction before, now; /* under nohup(1) it is SIG_IGN */
    kt_signal hup = KT_SIGNAL_INIT;
    CHECK_OK(sigaction(SIGHUP, NULL, &before));
    CHECK_OK(kt_signal_handle(&hup, SIGHUP, say, "hup"));
    kt_signal_release(&hup);
    kt_signal_release(&hup);
    CHECK_OK(sigaction(SIGHUP, NULL, &now));
    CHECK(now.sa_handler == before.sa_handler);
}

static const kt_context_var name = {"name"};

static void say_name(void *arg)
{
    (void)arg;
    kt_test_say("%s", (const char *)kt_context_get(&name, "nobody"));
}

TEST_WITH(it_sees_the_values_of_whoever_handles_it, KT_TEST_REAL_TIME)
{
    kt_auto(kt_signal) hup = KT_SIGNAL_INIT;
    CHECK_OK(kt_context_set(&name, "ann"));
    CHECK_OK(kt_signal_handle(&hup, SIGHUP, say_name, NULL));
    CHECK_OK(kt_context_set(&name, "bob"));
    CHECK_OK(kill(getpid(), SIGHUP));
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_TRACE("ann");
}

TEST_WITH(a_handler_for_sigint_replaces_the_cancelling, KT_TEST_REAL_TIME)
{
    kt_auto(kt_signal) quit = KT_SIGNAL_INIT;
    CHECK_OK(kt_signal_handle(&quit, SIGINT, say, "asked to stop"));
    CHECK_OK(kill(getpid(), SIGINT));
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_TRACE("asked to stop");
}

TEST_WITH(a_signal_has_one_taker, KT_TEST_REAL_TIME)
{
    kt_auto(kt_signal) first = KT_SIGNAL_INIT, second = KT_SIGNAL_INIT;
    CHECK_OK(kt_signal_handle(&first, SIGUSR2, say, "x"));
    CHECK_ERR(kt_signal_handle(&second, SIGUSR2, say, "x"), -EBUSY);
    CHECK_ERR(kt_signal_handle(&second, SIGKILL, say, "x"), -EINVAL);
    CHECK_STR(kt_error_detail(), "signal 9 cannot be handled");
    for (int i = 0; i < 4; i++) {
        const int none[] = {-1, 0, 65, 4711};
        char words[40];
        CHECK_ERR(kt_signal_handle(&second, none[i], say, "x"), -EINVAL);
        snprintf(words, sizeof words, "%d is no signal", none[i]);
        CHECK_STR(kt_error_detail(), words);
    }
}

TEST(the_simulated_driver_knows_no_signals)
{
    kt_signal s = KT_SIGNAL_INIT;
    bool simulated = strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0;
    CHECK_ERR(kt_signal_handle(&s, SIGUSR1, say, "x"), simulated ? KT_ENOTSIM : 0);
    kt_signal_release(&s);
}

static kt_signal forgotten[2] = {KT_SIGNAL_INIT, KT_SIGNAL_INIT};

static int forgets_its_handlers(void *arg)
{
    (void)arg;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0)
        kt_test_skip("there are no signals");
    CHECK_OK(kt_signal_handle(&forgotten[0], SIGINT, say, "int"));
    CHECK_OK(kt_signal_handle(&forgotten[1], SIGQUIT, say, "quit"));
    return 0;
}

TEST_WITH(what_the_run_had_taken_is_given_back_by_a_handler_that_outlives_it, KT_TEST_NO_LOOP)
{
    struct sigaction now;
    signal(SIGINT, SIG_DFL); /* a shell may ignore it for what it runs in the background */
    signal(SIGQUIT, SIG_DFL);
    CHECK_OK(kt_run_with(&(kt_options){.dump_on_quit = true}, forgets_its_handlers, NULL, 0));
    CHECK_OK(sigaction(SIGINT, NULL, &now));
    CHECK(now.sa_handler == SIG_DFL);
    CHECK_OK(sigaction(SIGQUIT, NULL, &now));
    CHECK(now.sa_handler == SIG_DFL);
}
