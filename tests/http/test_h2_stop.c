/* SPDX-License-Identifier: MIT */

/* A server that stops, and its connections of HTTP/2: the two GOAWAYs of RFC 9113 section 6.8. */
#include "client_site.h"

#include "h2_client.h"

#define ANY 0x7fffffffu /* the last stream of a GOAWAY that only warns */

static int wait_for(kt_http_exchange *x, void *arg)
{
    if (kt_slice_is(kt_http_path(x), "/now"))
        return hello(x, NULL);
    int rc = kt_event_wait(arg);
    return rc < 0 ? rc : hello(x, NULL);
}

static void stopped(const site *s)
{
    CHECK_OK(kt_task_join(s->task));
    CHECK_ERR(s->rc, KT_ECANCELED);
    kt_listener_close(s->l);
}

/* Asks, waits until that has arrived, and stops the server, which warns. */
static void ask_and_stop(site *s, peer *p)
{
    greet(p, dial(s));
    get(p, 1, "/later");
    send_frame(p, PING, 0, 0, "arrived?", 8);
    expect(p, PING, 0);
    kt_task_cancel(s->task);
    CHECK_EQ(number_at(expect(p, GOAWAY, 0), 0), ANY);
    CHECK_EQ(number_at(&p->f, 4), NGHTTP2_NO_ERROR);
}

static void expect_last(peer *p, uint32_t id)
{
    CHECK_EQ(number_at(expect(p, GOAWAY, 0), 0), id);
    CHECK_EQ(number_at(&p->f, 4), NGHTTP2_NO_ERROR);
}

/* Between the warning and its answer. */
TEST(requests_on_their_way_to_a_server_that_stops_are_served)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site s;
    peer p;
    kt_event go = KT_EVENT_INIT;
    site_open(&s, NULL, wait_for, &go);
    ask_and_stop(&s, &p);
    get(&p, 3, "/now");
    get(&p, 5, "/later");
    expect(&p, PING, 0);
    send_frame(&p, PING, ACK, 0, p.f.bytes, 8);
    expect_status(&p, 3, "200");
    expect_last(&p, 5);
    get(&p, 7, "/now");
    kt_event_set(&go);
    int answers = 0;
    while (next(&p)) {
        CHECK_NE(p.f.id, 7);
        answers += p.f.type == HEADERS;
    }
    CHECK_EQ(answers, 2);
    leave(&p);
    stopped(&s);
}

TEST(the_good_bye_comes_with_the_last_answer_at_the_latest)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site s;
    peer p;
    kt_event go = KT_EVENT_INIT;
    site_open(&s, NULL, wait_for, &go);
    ask_and_stop(&s, &p);
    kt_event_set(&go);
    expect_status(&p, 1, "200");
    expect_last(&p, 1);
    CHECK(!next(&p));
    leave(&p);
    stopped(&s);
}

TEST(a_client_that_does_not_answer_the_warning_gets_its_good_bye_in_time)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site s;
    peer p;
    kt_event go = KT_EVENT_INIT;
    site_open(&s, NULL, wait_for, &go);
    ask_and_stop(&s, &p);
    kt_time warned = kt_now();
    for (uint32_t id = 3; id < 9; id += 2) { /* what it goes on asking does not put it off */
        CHECK_OK(kt_sleep(KT_MS(200)));
        get(&p, id, "/now");
    }
    expect_last(&p, 7);
    CHECK_GE(kt_now() - warned, KT_MS(950));
    CHECK_LT(kt_now() - warned, KT_MS(1050));
    kt_event_set(&go);
    while (next(&p))
        ;
    leave(&p);
    stopped(&s);
}

TEST(an_idle_connection_gets_one_good_bye_at_once)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site s;
    peer p;
    site_open(&s, NULL, hello, NULL);
    greet(&p, dial(&s));
    get(&p, 1, "/");
    while (!(expect(&p, DATA, 1)->flags & END_STREAM))
        continue;
    kt_time begun = kt_now();
    kt_task_cancel(s.task);
    expect_last(&p, 1);
    CHECK(!next(&p));
    CHECK_LT(kt_now() - begun, KT_MS(500));
    leave(&p);
    stopped(&s);
}

/* Its client may send it again elsewhere: nobody has acted upon it. */
TEST(a_good_bye_does_not_count_a_request_whose_head_is_not_complete)
{
    const kt_http_options o = {.head_timeout = KT_S(3)};
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    for (int stops = 0; stops < 2; stops++) {
        site s;
        peer p;
        site_open(&s, &o, hello, NULL);
        greet(&p, dial(&s));
        get(&p, 1, "/");
        while (!(expect(&p, DATA, 1)->flags & END_STREAM))
            continue;
        request(&p, "GET", "/");
        send_head(&p, 3, END_STREAM);
        CHECK_OK(kt_sleep(KT_S(1)));
        if (stops)
            kt_task_cancel(s.task);
        CHECK_EQ(number_at(expect(&p, GOAWAY, 0), 0), 1);
        CHECK_EQ(number_at(&p.f, 4), stops ? NGHTTP2_NO_ERROR : NGHTTP2_ENHANCE_YOUR_CALM);
        leave(&p);
        kt_task_cancel(s.task);
        stopped(&s);
    }
}

static int requests;

static int answers_with_much(kt_http_exchange *x, void *arg)
{
    static char much[400 * 1024];
    (void)arg;
    requests++;
    return kt_http_respond(x, 200, NULL, much, sizeof much);
}

/* Two requests in one segment. */
static void get_two(peer *p)
{
    uint8_t frames[200];
    size_t size = 0;
    for (uint8_t id = 1; id <= 3; id += 2) {
        request(p, "GET", "/");
        const uint8_t head[] = {0, 0, (uint8_t)p->block_size, HEADERS, END_STREAM | END_HEADERS, 0, 0, 0, id};
        CHECK_LE(size + sizeof head + p->block_size, sizeof frames);
        memcpy(frames + size, head, sizeof head);
        memcpy(frames + size + sizeof head, p->block, p->block_size);
        size += sizeof head + p->block_size;
        p->block_size = 0;
    }
    CHECK_OK(kt_stream_write(p->c, frames, size));
}

TEST(no_request_is_begun_behind_a_good_bye_that_waits_for_room)
{
    static const uint8_t window[] = {0, 4, 0, 16, 0, 0};
    const kt_http_options o = {.requests_max = 1};
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site s;
    peer p;
    site_open(&s, &o, answers_with_much, NULL);
    greet(&p, dial(&s));
    send_frame(&p, SETTINGS, 0, 0, window, sizeof window);
    send_number(&p, WINDOW_UPDATE, 0, 1 << 20);
    CHECK_OK(kt_sleep(KT_MS(10)));
    get_two(&p);
    expect_last(&p, 1);
    while (next(&p))
        CHECK_LE(p.f.id, 1);
    CHECK_EQ(requests, 1);
    leave(&p);
    kt_task_cancel(s.task);
    stopped(&s);
}
