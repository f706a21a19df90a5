/* SPDX-License-Identifier: MIT */

/* What a handler's answer becomes over HTTP/2. */
#include "client_site.h"

#include "h2_client.h"

typedef struct ends {
    net n;
    site s;
    peer p;
} ends;

static void ends_open(ends *e, const kt_http_options *o, kt_http_handler handler)
{
    e->n = net_open((kt_test_network_options){0});
    site_open(&e->s, o, handler, NULL);
    greet(&e->p, dial(&e->s));
}

static void ends_close(ends *e)
{
    leave(&e->p);
    site_close(&e->s);
    net_cleanup(&e->n);
}

static int with_blanks(kt_http_exchange *x, void *arg)
{
    (void)arg;
    CHECK_OK(kt_http_header(x, "X-One", " \t1 2\t "));
    CHECK_OK(kt_http_header(x, "X-None", " \t"));
    CHECK_OK(kt_http_start(x, 200, " text/plain\t"));
    CHECK_OK(kt_http_trailer(x, "X-Sum", " 42 "));
    return kt_http_write(x, "tea", 3);
}

/* RFC 9113 section 8.2.1: a value with blanks at its ends is malformed. */
TEST(blanks_at_the_ends_of_a_value_are_not_sent)
{
    const kt_http_options o = {.server = "\tkettle test "};
    ends e;
    ends_open(&e, &o, with_blanks);
    get(&e.p, 1, "/");
    expect_status(&e.p, 1, "200");
    CHECK(strstr(e.p.head, "\nserver: kettle test\n") && strstr(e.p.head, "\ncontent-type: text/plain\n"));
    CHECK(strstr(e.p.head, "\nx-one: 1 2\n") && strstr(e.p.head, "\nx-none: \n"));
    expect(&e.p, HEADERS, 1);
    CHECK_STR(e.p.head, "x-sum: 42\n");
    ends_close(&e);
}

/* ---- Extended CONNECT (RFC 8441) ------------------------------------------------------------- */

static int tries; /* each test is a process of its own */

/* /respond, /start, /events answer with success; /404 does so after it has been told that it cannot. */
static int does_not_upgrade(kt_http_exchange *x, void *arg)
{
    kt_slice path = kt_http_path(x);
    int rc;
    CHECK_SLICE(kt_http_upgrade_asked(x), "websocket");
    CHECK_OK(kt_http_header(x, "X-Mine", "yes"));
    if (kt_slice_is(path, "/start"))
        rc = kt_http_start(x, 204, NULL);
    else if (kt_slice_is(path, "/events"))
        rc = kt_http_events_start(x);
    else
        rc = hello(x, arg);
    CHECK_ERR(rc, -EOPNOTSUPP);
    CHECK_ERR(kt_http_write(x, "tea", 3), KT_EINVALIDSTATE);
    tries++;
    if (kt_slice_is(path, "/404"))
        return kt_http_respond(x, 404, NULL, "none", 4);
    return kt_slice_is(path, "/start") ? 0 : rc;
}

TEST(a_success_does_not_tell_an_extended_connect_that_its_protocol_begins)
{
    static const char *const paths[] = {"/respond", "/start", "/events", "/404"};
    ends e;
    ends_open(&e, NULL, does_not_upgrade);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t id = 2 * i + 1;
        request(&e.p, "CONNECT", paths[i]);
        field(&e.p, ":protocol", "websocket");
        send_head(&e.p, id, END_HEADERS);
        expect_status(&e.p, id, i < 3 ? "501" : "404");
        CHECK_EQ(strstr(e.p.head, "x-mine") != NULL, i == 3);
        CHECK_EQ(expect(&e.p, DATA, id)->flags, END_STREAM);
    }
    CHECK_EQ(tries, 4);
    ends_close(&e);
}
