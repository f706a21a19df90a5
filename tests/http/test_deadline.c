/* SPDX-License-Identifier: MIT */

/* The deadline of a request, and clients that go away. */
#include "h2_client.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

typedef struct doing {
    int rc, begun;
    bool ended;
    bool outlives, extends, begins;
} doing;

static int take_long(kt_http_exchange *x, void *arg)
{
    doing *d = arg;
    d->begun++;
    if (d->outlives)
        kt_http_outlive_client(x);
    if (d->extends)
        kt_http_deadline_set(x, KT_FOREVER);
    if (d->begins)
        CHECK_OK(kt_http_start(x, 200, NULL));
    d->rc = kt_sleep(d->outlives || d->extends ? KT_MS(1600) : KT_S(30));
    d->ended = true;
    return d->rc < 0 ? d->rc : hello(x, NULL);
}

WITH_SERVER(a_request_that_takes_too_long_is_answered_with_503)
{
    const kt_http_options o = {.request_timeout = KT_MS(50)};
    doing d = {0};
    site s;
    peer p;
    heard h = {.size = 0};
    site_open(&s, &o, take_long, &d);
    kt_stream *c = dial(&s);
    say(c, GET);
    CHECK(strstr(hear(c, &h, "too long\n"), "HTTP/1.1 503 Service Unavailable\r\n"));
    CHECK_ERR(d.rc, KT_ETIMEDOUT);
    kt_stream_close(c);
    greet(&p, dial(&s));
    get(&p, 1, "/");
    expect_status(&p, 1, "503");
    leave(&p);
    site_close(&s);
}

WITH_SERVER(an_answer_that_has_begun_is_cut_at_the_deadline)
{
    const kt_http_options o = {.request_timeout = KT_MS(50)};
    doing d = {.begins = true};
    site s;
    heard h = {.size = 0};
    site_open(&s, &o, take_long, &d);
    kt_stream *c = dial(&s);
    say(c, GET);
    hear(c, &h, NULL);
    CHECK(!strstr(h.text, "\r\n0\r\n"));
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(a_handler_may_move_its_deadline)
{
    const kt_http_options o = {.request_timeout = KT_MS(50)};
    doing d = {.extends = true};
    site s;
    site_open(&s, &o, take_long, &d);
    converse(&s, GET_CLOSE, HELLO_CLOSE);
    site_close(&s);
}

static void wait_until(const bool *flag)
{
    for (int i = 0; i < 300 && !*flag; i++)
        CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK(*flag);
}

WITH_SERVER(a_client_that_closes_cancels_its_handler)
{
    doing d = {0};
    site s;
    site_open(&s, NULL, take_long, &d);
    kt_stream *c = dial(&s);
    say(c, GET GET); /* what was pipelined behind does not hide it */
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK(!d.ended);
    kt_stream_close(c);
    wait_until(&d.ended);
    CHECK_ERR(d.rc, KT_ECANCELED);
    site_close(&s);
}

WITH_SERVER(a_client_that_resets_its_stream_or_leaves_cancels_its_handler)
{
    doing d = {0};
    site s;
    peer p;
    site_open(&s, NULL, take_long, &d);
    greet(&p, dial(&s));
    get(&p, 1, "/");
    CHECK_OK(kt_sleep(KT_MS(20))); /* otherwise it would not even begin */
    send_number(&p, RST_STREAM, 1, NGHTTP2_CANCEL);
    wait_until(&d.ended);
    CHECK_ERR(d.rc, KT_ECANCELED);
    d = (doing){0};
    get(&p, 3, "/");
    CHECK_OK(kt_sleep(KT_MS(20)));
    leave(&p);
    wait_until(&d.ended);
    CHECK_ERR(d.rc, KT_ECANCELED);
    site_close(&s);
}

WITH_SERVER(a_handler_may_outlive_its_client)
{
    doing d = {.outlives = true};
    site s;
    peer p;
    site_open(&s, NULL, take_long, &d);
    kt_stream *c = dial(&s);
    say(c, GET);
    CHECK_OK(kt_sleep(KT_MS(20)));
    kt_stream_close(c);
    wait_until(&d.ended);
    CHECK_EQ(d.rc, 0);
    d.ended = false;
    greet(&p, dial(&s));
    get(&p, 1, "/");
    CHECK_OK(kt_sleep(KT_MS(20)));
    leave(&p);
    wait_until(&d.ended);
    CHECK_EQ(d.rc, 0);
    site_close(&s);
}

/* ---- Debug mode -------------------------------------------------------------------------------------------------- */

static char reported[4096];

static void keep_report(const char *message)
{
    size_t size = strlen(reported);
    snprintf(reported + size, sizeof reported - size, "%s\n", message);
}

KT_FN(serves, a, struct { kt_listener *l; doing *d; })
{
    const kt_http_options o = {.grace = -1};
    return kt_http_serve(a->l, &o, take_long, a->d);
}

/* Of each version a client that goes away, one that the stop finds waiting for its answer, and one that rests. */
static int goes_away_and_stops(void *arg)
{
    doing *d = arg;
    kt_task *server;
    site s;
    peer gone, waits, rests;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &s.l));
    CHECK_OK(kt_spawn(KT_WITH(serves, .l = s.l, .d = d), &server));
    kt_stream *old_gone = dial(&s), *old_waits = dial(&s), *old_rests = dial(&s);
    say(old_gone, GET);
    greet(&gone, dial(&s));
    get(&gone, 1, "/");
    while (d->begun < 2)
        CHECK_OK(kt_sleep(KT_MS(1)));
    kt_stream_close(old_gone);
    wait_until(&d->ended);
    d->ended = false;
    leave(&gone);
    wait_until(&d->ended);
    say(old_waits, GET);
    greet(&waits, dial(&s));
    get(&waits, 1, "/");
    greet(&rests, dial(&s));
    while (d->begun < 4)
        CHECK_OK(kt_sleep(KT_MS(1)));
    kt_task_cancel(server);
    CHECK_ERR(kt_task_join(server), KT_ECANCELED);
    kt_stream_close(old_waits);
    kt_stream_close(old_rests);
    leave(&waits);
    leave(&rests);
    kt_listener_close(s.l);
    return 0;
}

TEST_WITH(what_a_server_cancels_is_not_reported_in_debug_mode, KT_TEST_NO_LOOP | KT_TEST_REAL_TIME)
{
    const kt_options debug = {.debug = KT_DEBUG_ON, .slow_step = KT_S(60)};
    doing d = {0};
    reported[0] = '\0';
    kt_log_hook_set(keep_report);
    CHECK_OK(kt_run_with(&debug, goes_away_and_stops, &d, 0));
    kt_log_hook_set(NULL);
    CHECK_STR(reported, "");
}
