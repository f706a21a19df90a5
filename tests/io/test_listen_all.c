/* SPDX-License-Identifier: MIT */
/* Listening on all interfaces. Only this machine's own addresses are connected to. */
#include "stream_pair.h"

static kt_listener *listen_everywhere(const char *host)
{
    kt_listener *l = NULL;
    CHECK_OK(kt_listen(host, 0, NULL, &l));
    CHECK_NE(kt_listener_port(l), 0);
    return l;
}

KT_FN(accepts, a, struct {
    kt_listener *l;
    kt_stream **s;
})
{
    return kt_listener_accept(a->l, a->s);
}

static void talk(kt_listener *l, const char *host)
{
    kt_auto(pair) p = {NULL, NULL};
    char byte;
    kt_task *server = spawn(KT_WITH(accepts, l, &p.far));
    turns(3);
    int rc = kt_stream_connect(host, kt_listener_port(l), &p.near);
    if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
        kt_test_skip("this machine has no %s", host);
    CHECK_OK(rc);
    CHECK_OK(kt_task_join(server));
    say(p.far, "x");
    CHECK_EQ(kt_stream_read(p.near, &byte, 1), 1);
}

TEST_WITH(no_host_is_all_interfaces_of_both_families, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_everywhere(NULL);
    for (int i = 0; i < 3; i++) {
        talk(l, "127.0.0.1");
        talk(l, "::1");
    }
    CHECK_EQ(kt_listener_count(l), 2);
}

TEST_WITH(an_empty_host_is_the_same, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_everywhere("");
    talk(l, "127.0.0.3");
}

TEST_WITH(all_who_wait_on_several_addresses_are_accepted, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_everywhere(NULL);
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    pair pairs[10];
    talk(l, "::1"); /* or skip */
    for (int i = 0; i < 10; i++)
        CHECK_OK(kt_stream_connect(hosts[i % 2], kt_listener_port(l), &pairs[i].near));
    for (int i = 0; i < 10; i++)
        CHECK_OK(kt_listener_accept(l, &pairs[i].far));
    for (int i = 0; i < 10; i++)
        pair_cleanup(&pairs[i]);
}

TEST_WITH(an_accept_on_several_addresses_can_be_closed_and_cancelled, KT_TEST_REAL_TIME)
{
    kt_listener *l = listen_everywhere(NULL);
    kt_stream *s = NULL;
    kt_task *server = spawn(KT_WITH(accepts, l, &s));
    turns(3);
    kt_task_cancel(server);
    CHECK_ERR(kt_task_join(server), KT_ECANCELED);
    talk(l, "127.0.0.1");
    server = spawn(KT_WITH(accepts, l, &s));
    turns(3);
    kt_listener_close(l);
    CHECK_ERR(kt_task_join(server), KT_ECLOSED);
    CHECK(s == NULL);
}

TEST_WITH(connections_are_kept_alive_on_request, KT_TEST_REAL_TIME)
{
    const kt_listen_options options = {.keep_alive = true};
    kt_auto(kt_listener) *l = NULL;
    kt_auto(pair) p = {NULL, NULL};
    int value = 0;
    socklen_t size = sizeof value;
    CHECK_OK(kt_listen("127.0.0.1", 0, &options, &l));
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &p.near));
    CHECK_OK(kt_listener_accept(l, &p.far));
    CHECK_EQ(getsockopt(kt_stream_fd(p.far), SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
    CHECK_EQ(value, 1);
    CHECK_EQ(getsockopt(kt_stream_fd(p.near), SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
    CHECK_EQ(value, 0);
    CHECK_EQ(kt_listener_count(l), 1);
}
