/* SPDX-License-Identifier: MIT */
/* What all connections share takes no more memory for those that there were. */
#include "../growth.h"
#include "tls_pair.h"

typedef struct shop {
    kt_tls_config *client, *server;
    int number;
} shop;

static tls_pair pair_of(const shop *s)
{
    kt_stream *ends[2];
    CHECK_OK(kt_stream_memory_pair(0, ends));
    return (tls_pair){s->client, s->server, ends[0], ends[1]};
}

static void part(const tls_pair *p)
{
    kt_task *t = spawn(close_task, p->server, 0);
    kt_stream_close(p->client);
    CHECK_OK(kt_task_join(t));
}

/* Under another name each time, and with the session of before. */
static void talk(void *arg)
{
    shop *s = arg;
    char name[32];
    snprintf(name, sizeof name, "host%d.example", s->number++);
    const kt_tls_options as_other = {.server_name = name};
    for (int i = 0; i < 3; i++) {
        tls_pair p = pair_of(s);
        shaken r = shake_as(&p, i ? for_localhost() : &as_other, NULL);
        CHECK(i == 0 ? r.client < 0 : r.client == 0 && r.server == 0);
        if (i > 0) {
            say(p.server, "hello");
            hear(p.client, "hello");
        }
        part(&p);
    }
}

/* One that has begun, one that is cut, and one that speaks something else. */
static void fail(void *arg)
{
    shop *s = arg;
    for (int i = 0; i < 3; i++) {
        tls_pair p = pair_of(s);
        kt_task *t = spawn(KT_WITH(start_tls_task, p.server, p.server_config, NULL));
        CHECK_OK(kt_sleep(0));
        if (i == 1)
            say(p.client, "\x16\x03\x01");
        if (i == 2)
            say(p.client, "GET / HTTP/1.1\r\n\r\n");
        if (i == 0)
            kt_task_cancel(t);
        else
            kt_stream_hang_up(p.client, true);
        CHECK_LT(kt_task_join(t), 0);
        part(&p);
    }
}

static void check_with(kt_tls_client_options c, kt_tls_server_options o)
{
    shop s = {client_config(c), server_config(o), 0};
    check_no_growth(30, talk, &s);
    check_no_growth(30, fail, &s);
    kt_tls_config_free(s.client);
    kt_tls_config_free(s.server);
}

TEST(connections_that_have_ended_take_no_memory_of_their_configs)
{
    check_with((kt_tls_client_options){0}, (kt_tls_server_options){0});
}

static void renew(void *arg)
{
    shop *s = arg;
    const kt_tls_certificate certificate = as_certificate(good());
    const kt_tls_client_options c = {.ca_pem = certificate_of(authority()), .no_system_trust = true};
    const kt_tls_server_options o = {.certificates = &certificate, .certificate_count = 1};
    tls_pair p = pair_of(s);
    shake_well(&p);
    CHECK_OK(kt_tls_client_reload(s->client, &c));
    CHECK_OK(kt_tls_server_reload(s->server, &o));
    part(&p); /* which is by the old ones */
}

TEST(configs_that_are_renewed_do_not_keep_the_old)
{
    shop s = {client_config((kt_tls_client_options){0}), server_config((kt_tls_server_options){0}), 0};
    check_no_growth(20, renew, &s);
    kt_tls_config_free(s.client);
    kt_tls_config_free(s.server);
}

static void talk_on(void *arg)
{
    tls_pair *p = arg;
    say(p->client, "tea");
    hear(p->server, "tea");
    say(p->server, "milk");
    hear(p->client, "milk");
}

TEST(words_that_were_said_take_no_memory_of_their_connection)
{
    kt_auto(tls_pair) p = usual_pair();
    check_no_growth(200, talk_on, &p);
}
