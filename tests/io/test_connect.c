/* SPDX-License-Identifier: MIT */
/* Connecting by names with several addresses: the C library's look-up is replaced by one that knows what
 * the test wants it to. */
#include "stream_pair.h"

#include <netdb.h>

/* ---- The name "many" --------------------------------------------------------------------- */

#define MANY 4

static kt_address answers[MANY];
static struct addrinfo infos[MANY];
static size_t answer_count;

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_answer)
{
    struct addrinfo **link = ret_answer;
    (void)service;
    if (!host || strcmp(host, "many") != 0)
        return EAI_NONAME;
    *ret_answer = NULL;
    for (size_t i = 0; i < answer_count; i++) {
        if (hints->ai_family && hints->ai_family != answers[i].any.sa_family)
            continue;
        infos[i] = (struct addrinfo){.ai_addr = &answers[i].any, .ai_addrlen = answers[i].size};
        *link = &infos[i];
        link = &infos[i].ai_next;
    }
    return *ret_answer ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *answer)
{
    (void)answer;
}

static void answer_with(const char *host, uint16_t port)
{
    CHECK_OK(kt_address_parse(host, port, &answers[answer_count++]));
}

/* ---- Ends -------------------------------------------------------------------------------- */

static kt_listener *listener(const char *host)
{
    kt_listener *l = NULL;
    int rc = kt_listen(host, 0, NULL, &l);
    if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
        kt_test_skip("this machine has no IPv6");
    CHECK_OK(rc);
    return l;
}

/* A port where nobody listens. */
static uint16_t deaf_port(const char *host)
{
    kt_listener *l = listener(host);
    uint16_t port = kt_listener_port(l);
    kt_listener_close(l);
    return port;
}

/* A port that does not even refuse: its backlog is full, and the system drops what else comes. */
typedef struct mute {
    int listening, queued[4];
    uint16_t port;
} mute;

static mute mute_open(void)
{
    mute m;
    kt_address a;
    CHECK_OK(kt_address_parse("127.0.0.1", 0, &a));
    m.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(m.listening, &a.any, a.size), 0);
    CHECK_EQ(listen(m.listening, 0), 0);
    CHECK_EQ(getsockname(m.listening, &a.any, &a.size), 0);
    m.port = kt_address_port(&a);
    for (int i = 0; i < 4; i++) {
        m.queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(m.queued[i], &a.any, a.size);
    }
    return m;
}

static void mute_cleanup(mute *m)
{
    for (int i = 0; i < 4; i++)
        close(m->queued[i]);
    close(m->listening);
}

static uint16_t port_of_peer(const kt_stream *s)
{
    kt_address a;
    CHECK_OK(kt_stream_peer(s, &a.storage, &a.size));
    return kt_address_port(&a);
}

/* ---- Several addresses ------------------------------------------------------------------- */

TEST_WITH(an_address_that_refuses_is_followed_by_the_next_at_once, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listener("127.0.0.1");
    kt_auto(kt_stream) *s = NULL;
    const kt_connect_options only_failures = {.attempt_delay = KT_FOREVER};
    answer_with("127.0.0.1", deaf_port("127.0.0.1"));
    answer_with("127.0.0.1", kt_listener_port(l));
    CHECK_OK(kt_stream_connect_with("many", 1, &only_failures, &s));
    CHECK_EQ(port_of_peer(s), kt_listener_port(l));
}

TEST_WITH(an_address_that_says_nothing_is_not_waited_for, KT_TEST_REAL_TIME)
{
    kt_auto(mute) m = mute_open();
    kt_auto(kt_listener) *l = listener("127.0.0.1");
    kt_auto(kt_stream) *s = NULL;
    answer_with("127.0.0.1", m.port);
    answer_with("127.0.0.1", kt_listener_port(l));
    kt_time start = kt_now();
    CHECK_OK(kt_stream_connect("many", 1, &s));
    CHECK_GE(kt_now() - start, KT_MS(250));
    CHECK_EQ(port_of_peer(s), kt_listener_port(l));
}

TEST_WITH(the_delay_can_be_chosen, KT_TEST_REAL_TIME)
{
    kt_auto(mute) m = mute_open();
    kt_auto(kt_listener) *l = listener("127.0.0.1");
    kt_auto(kt_stream) *s = NULL;
    const kt_connect_options quick = {.attempt_delay = KT_MS(5)};
    answer_with("127.0.0.1", m.port);
    answer_with("127.0.0.1", m.port);
    answer_with("127.0.0.1", kt_listener_port(l));
    kt_time start = kt_now();
    CHECK_OK(kt_stream_connect_with("many", 1, &quick, &s));
    CHECK_GE(kt_now() - start, KT_MS(10));
    CHECK_LT(kt_now() - start, KT_MS(250));
}

TEST_WITH(the_first_that_answers_is_taken_and_the_others_are_closed, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listener("127.0.0.1");
    const kt_connect_options together = {.attempt_delay = -1};
    char byte;
    for (int i = 0; i < MANY; i++)
        answer_with("127.0.0.1", kt_listener_port(l));
    for (int i = 0; i < 20; i++) {
        kt_auto(pair) p = {NULL, NULL};
        CHECK_OK(kt_stream_connect_with("many", 1, &together, &p.near));
        say(p.near, "x");
        for (int n = 0; n == 0;) { /* past those that were closed */
            kt_stream_close(kt_steal(p.far));
            CHECK_OK(kt_listener_accept(l, &p.far));
            n = (int)kt_stream_read(p.far, &byte, 1);
            CHECK(n >= 0 || n == -ECONNRESET);
            n = n < 0 ? 0 : n;
        }
        CHECK_EQ(byte, 'x');
    }
}

TEST_WITH(the_families_take_turns, KT_TEST_REAL_TIME)
{
    kt_stream *s = NULL;
    char expected[80];
    uint16_t first = deaf_port("::1"), second = deaf_port("::1"), third = deaf_port("127.0.0.1");
    answer_with("::1", first);
    answer_with("::1", second);
    answer_with("127.0.0.1", third);
    CHECK_ERR(kt_stream_connect("many", 1, &s), -ECONNREFUSED); /* first, third, second */
    snprintf(expected, sizeof expected, "connect to [::1]:%u: Connection refused", second);
    CHECK_STR(kt_error_detail(), expected);
    CHECK(s == NULL);
}

TEST_WITH(a_family_can_be_chosen, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listener("127.0.0.1");
    kt_auto(kt_listener) *l6 = listener("::1");
    kt_auto(kt_stream) *s = NULL;
    const kt_connect_options v6 = {.family = AF_INET6};
    const kt_connect_options local = {.family = AF_UNIX};
    answer_with("127.0.0.1", kt_listener_port(l));
    answer_with("::1", kt_listener_port(l6));
    CHECK_OK(kt_stream_connect_with("many", 1, &v6, &s));
    CHECK_EQ(port_of_peer(s), kt_listener_port(l6));
    CHECK_ERR(kt_stream_connect_with("many", 1, &local, &s), KT_ENAME);
}

static int not_v6(const kt_address *to, void *arg)
{
    ++*(int *)arg;
    return to->any.sa_family == AF_INET6 ? -EACCES : 0;
}

TEST_WITH(addresses_can_be_refused_before_they_are_tried, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listener("127.0.0.1");
    kt_auto(kt_listener) *l6 = listener("::1");
    kt_auto(kt_stream) *s = NULL;
    int asked = 0;
    const kt_connect_options o = {.check = not_v6, .check_arg = &asked};
    CHECK_ERR(kt_stream_connect_with("::1", kt_listener_port(l6), &o, &s), -EACCES);
    answer_with("::1", kt_listener_port(l6));
    answer_with("127.0.0.1", kt_listener_port(l));
    CHECK_OK(kt_stream_connect_with("many", 1, &o, &s));
    CHECK_EQ(port_of_peer(s), kt_listener_port(l));
    CHECK_EQ(asked, 3);
}

/* ---- From where -------------------------------------------------------------------------- */

TEST_WITH(a_local_address_can_be_chosen, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listener("127.0.0.1");
    kt_auto(pair) p = {NULL, NULL};
    kt_address from;
    const kt_connect_options from_2 = {.local_host = "127.0.0.2"};
    CHECK_OK(kt_stream_connect_with("127.0.0.1", kt_listener_port(l), &from_2, &p.near));
    CHECK_OK(kt_listener_accept(l, &p.far));
    CHECK_OK(kt_stream_peer(p.far, &from.storage, &from.size));
    CHECK_EQ(ntohl(from.in.sin_addr.s_addr), 0x7f000002);
}

TEST_WITH(a_local_address_that_is_not_ours_is_told, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listener("127.0.0.1");
    kt_stream *s = NULL;
    const kt_connect_options from_far = {.local_host = "198.51.100.1"};
    const kt_connect_options other_family = {.local_host = "::1"};
    CHECK_ERR(kt_stream_connect_with("127.0.0.1", kt_listener_port(l), &from_far, &s), -EADDRNOTAVAIL);
    CHECK_STR(kt_error_detail(), "bind to 198.51.100.1:0: Cannot assign requested address");
    CHECK_ERR(kt_stream_connect_with("127.0.0.1", kt_listener_port(l), &other_family, &s), KT_ENAME);
}

/* ---- Cancellation and memory ------------------------------------------------------------- */

static int connects(void *arg)
{
    kt_auto(kt_stream) *s = NULL;
    const kt_connect_options quick = {.attempt_delay = KT_MS(1)};
    (void)arg;
    return kt_stream_connect_with("many", 1, &quick, &s);
}

TEST_WITH(a_cancelled_connect_leaves_nothing_open, KT_TEST_REAL_TIME)
{
    kt_auto(mute) m = mute_open();
    for (int i = 0; i < MANY; i++)
        answer_with("127.0.0.1", m.port);
    CHECK_ERR(kt_wait_for(KT_MS(20), connects, NULL, 0), KT_ETIMEDOUT);
    for (int i = 0; i < 8; i++) {
        kt_task *t = spawn(connects, NULL, 0);
        turns(i);
        kt_task_cancel(t);
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    }
}

TEST_WITH(every_allocation_of_a_connect_to_many_may_fail, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listener("127.0.0.1");
    answer_with("127.0.0.1", deaf_port("127.0.0.1"));
    answer_with("127.0.0.1", kt_listener_port(l));
    for (uint64_t nth = 1;; nth++) {
        kt_test_fail_allocation(nth);
        int rc = connects(NULL);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK(rc == 0 || (failed && rc == -ENOMEM));
        if (!failed)
            break;
        CHECK_LT(nth, 100);
    }
}

/* ---- Listening on all of them ------------------------------------------------------------ */

/* Connects to the host and accepts; the near end's peer is the far end's own address. */
static void talk(kt_listener *l, const char *host)
{
    kt_auto(pair) p = {NULL, NULL};
    char byte;
    CHECK_OK(kt_stream_connect(host, kt_listener_port(l), &p.near));
    CHECK_OK(kt_listener_accept(l, &p.far));
    say(p.far, "x");
    CHECK_EQ(kt_stream_read(p.near, &byte, 1), 1);
    say(p.near, "y");
    CHECK_EQ(kt_stream_read(p.far, &byte, 1), 1);
}

TEST_WITH(a_listener_has_every_address_of_its_name_once, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = NULL;
    kt_address a;
    char text[64], expected[64];
    answer_with("127.0.0.1", 0);
    answer_with("198.51.100.1", 0); /* not ours */
    answer_with("127.0.0.2", 0);
    answer_with("127.0.0.1", 0);
    CHECK_OK(kt_listen("many", 0, NULL, &l));
    CHECK_EQ(kt_listener_count(l), 2);
    for (int i = 0; i < 3; i++) {
        talk(l, "127.0.0.1");
        talk(l, "127.0.0.2");
    }
    CHECK_OK(kt_listener_address(l, 1, &a));
    kt_address_format(&a.any, a.size, text, sizeof text);
    snprintf(expected, sizeof expected, "127.0.0.2:%u", kt_listener_port(l));
    CHECK_STR(text, expected);
    CHECK_ERR(kt_listener_address(l, 2, &a), -EINVAL);
}

TEST_WITH(a_name_without_an_address_of_ours_cannot_be_listened_on, KT_TEST_REAL_TIME)
{
    kt_listener *l = NULL;
    answer_with("198.51.100.1", 0);
    answer_with("198.51.100.2", 0);
    CHECK_ERR(kt_listen("many", 0, NULL, &l), -EADDRNOTAVAIL);
    CHECK(l == NULL);
}

TEST_WITH(one_address_in_use_is_enough_to_fail, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *first = listener("127.0.0.2");
    kt_listener *l = NULL;
    char expected[80];
    answer_with("127.0.0.1", kt_listener_port(first));
    answer_with("127.0.0.2", kt_listener_port(first));
    CHECK_ERR(kt_listen("many", 1, NULL, &l), -EADDRINUSE);
    snprintf(expected, sizeof expected, "listen on 127.0.0.2:%u: Address already in use",
             kt_listener_port(first));
    CHECK_STR(kt_error_detail(), expected);
}

TEST_WITH(every_allocation_of_a_listen_on_many_may_fail, KT_TEST_REAL_TIME)
{
    answer_with("127.0.0.1", 0);
    answer_with("127.0.0.2", 0);
    for (uint64_t nth = 1;; nth++) {
        kt_auto(kt_listener) *l = NULL;
        kt_test_fail_allocation(nth);
        int rc = kt_listen("many", 0, NULL, &l);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK(rc == 0 || (failed && rc == -ENOMEM));
        if (!failed)
            break;
        CHECK_LT(nth, 100);
    }
}
