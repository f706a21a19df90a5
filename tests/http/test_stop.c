/* SPDX-License-Identifier: MIT */
/* A server that is cancelled ends in good order, and leaves nothing behind. */

#include "serve.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

static void settle(void)
{
    CHECK_OK(kt_sleep(KT_MS(10)));
}

/* Cancels and joins, and returns how long that took. */
static kt_time timed_close(site *s)
{
    kt_time start = kt_now();
    site_close(s);
    return kt_now() - start;
}

WITH_SERVER(a_server_that_serves_nobody_stops_at_once)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    settle();
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_ERR(s.rc, KT_ECANCELED);
}

WITH_SERVER(idle_connections_are_closed_at_once)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    kt_stream *fresh = dial(&s), *used = dial(&s);
    heard h = {.size = 0};
    say(used, GET);
    hear(used, &h, "hello\n");
    settle();
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_STR(hear(used, &h, NULL), HELLO);
    h = (heard){.size = 0};
    CHECK_STR(hear(fresh, &h, NULL), "");
    kt_stream_close(fresh);
    kt_stream_close(used);
}

typedef struct slow {
    kt_time pause;
    int rc;
    bool was_stopping;
} slow;

static int take_time(kt_http_exchange *x, void *arg)
{
    slow *s = arg;
    s->rc = kt_sleep(s->pause);
    s->was_stopping = kt_http_stopping(x);
    return s->rc < 0 ? s->rc : hello(x, NULL);
}

WITH_SERVER(running_handlers_finish_and_say_that_the_connection_closes)
{
    site s;
    slow how = {.pause = KT_MS(60), .rc = 1};
    site_open(&s, NULL, take_time, &how);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET GET);
    settle();
    CHECK_LT(timed_close(&s), KT_S(4)); /* the client has not closed yet: lingers, then ends */
    CHECK_EQ(how.rc, 0);
    CHECK(how.was_stopping);
    CHECK_STR(hear(c, &h, NULL), HELLO_CLOSE);
    kt_stream_close(c);
}

WITH_SERVER(handlers_that_outlive_the_grace_period_are_cancelled)
{
    site s;
    slow how = {.pause = KT_S(30), .rc = 1};
    kt_http_options o = {.grace = KT_MS(50)};
    site_open(&s, &o, take_time, &how);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET);
    settle();
    kt_time took = timed_close(&s);
    CHECK_GE(took, KT_MS(45));
    CHECK_LT(took, KT_S(5));
    CHECK_ERR(how.rc, KT_ECANCELED);
    CHECK_STR(hear(c, &h, NULL), "");
    kt_stream_close(c);
}

WITH_SERVER(without_grace_handlers_are_cancelled_at_once)
{
    site s;
    slow how = {.pause = KT_S(30), .rc = 1};
    kt_http_options o = {.grace = -1};
    site_open(&s, &o, take_time, &how);
    kt_stream *c = dial(&s);
    say(c, GET);
    settle();
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_ERR(how.rc, KT_ECANCELED);
    kt_stream_close(c);
}

WITH_SERVER(a_second_cancellation_ends_the_grace_period)
{
    site s;
    slow how = {.pause = KT_S(30), .rc = 1};
    kt_http_options o = {.grace = KT_S(30)};
    site_open(&s, &o, take_time, &how);
    kt_stream *c = dial(&s);
    say(c, GET);
    settle();
    kt_task_cancel(s.task);
    settle();
    CHECK_EQ(how.rc, 1);
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_ERR(how.rc, KT_ECANCELED);
    kt_stream_close(c);
}

static int endless_events(kt_http_exchange *x, void *arg)
{
    int *rc = arg;
    *rc = kt_http_events_start(x);
    if (*rc == 0)
        *rc = kt_http_event(x, NULL, NULL, "first", 5);
    if (*rc == 0)
        *rc = kt_sleep(KT_S(60));
    return *rc;
}

WITH_SERVER(streams_of_events_end_at_once)
{
    site s;
    int rc = 1;
    site_open(&s, NULL, endless_events, &rc);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET);
    hear(c, &h, "first\n\n");
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_ERR(rc, KT_ECANCELED);
    hear(c, &h, NULL);
    CHECK(!strstr(h.text, "\r\n0\r\n")); /* cut, so the browser connects again */
    kt_stream_close(c);
}

static int opens_events_late(kt_http_exchange *x, void *arg)
{
    (void)!kt_sleep(KT_MS(50));
    return *(int *)arg = kt_http_events_start(x);
}

WITH_SERVER(no_stream_of_events_begins_while_the_server_stops)
{
    site s;
    int rc = 1;
    site_open(&s, NULL, opens_events_late, &rc);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET);
    settle();
    site_close(&s);
    CHECK_ERR(rc, KT_ESHUTDOWN);
    CHECK_EQ(strncmp(hear(c, &h, NULL), "HTTP/1.1 503 ", 13), 0);
    kt_stream_close(c);
}

WITH_SERVER(a_client_that_takes_no_answer_does_not_hold_up_the_stop)
{
    site s;
    kt_http_options o = {.grace = KT_MS(50)};
    site_open(&s, &o, endless_events, &(int){1});
    kt_stream *c[10]; /* in all states: silent, in a head, in events */
    for (int i = 0; i < 10; i++) {
        c[i] = dial(&s);
        if (i % 3 == 1)
            say(c[i], "GET / HTTP/1.1\r\nHo");
        if (i % 3 == 2)
            say(c[i], GET);
    }
    settle();
    CHECK_LT(timed_close(&s), KT_S(2));
    for (int i = 0; i < 10; i++)
        kt_stream_close(c[i]);
}

WITH_SERVER(connections_accepted_in_the_last_moment_are_ended_too)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    kt_stream *c = dial(&s); /* the server's task has had no turn since */
    CHECK_LT(timed_close(&s), KT_MS(500));
    kt_stream_close(c);
}

WITH_SERVER(a_listener_that_is_closed_ends_the_server)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    settle();
    kt_listener_close(s.l);
    CHECK_OK(kt_task_join(s.task));
    CHECK_ERR(s.rc, KT_ECLOSED);
}

WITH_SERVER(a_listener_that_is_closed_while_no_connection_is_free_ends_the_server)
{
    site s;
    slow how = {.pause = KT_MS(60), .rc = 1};
    kt_http_options o = {.connections_max = 1};
    site_open(&s, &o, take_time, &how);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET_CLOSE);
    settle();
    kt_listener_close(s.l); /* the server waits for its only slot, not in accept */
    CHECK_STR(hear(c, &h, NULL), HELLO_CLOSE);
    kt_stream_close(c);
    CHECK_OK(kt_task_join(s.task));
    CHECK_ERR(s.rc, KT_ECLOSED);
}

static int with_deadline(void *arg)
{
    site *s = *(site **)arg;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(20));
    s->rc = kt_timeout_end(&limit, kt_http_serve(s->l, NULL, hello, NULL));
    return kt_sleep(0); /* the scope is over: nothing is left of it */
}

WITH_SERVER(a_server_in_a_timeout_scope_ends_with_the_scopes_code)
{
    site s = {.rc = 1}, *p = &s;
    kt_task *t;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &s.l));
    CHECK_OK(kt_spawn(with_deadline, &p, sizeof p, &t));
    CHECK_OK(kt_task_join(t));
    CHECK_ERR(s.rc, KT_ETIMEDOUT);
    kt_listener_close(s.l);
}
