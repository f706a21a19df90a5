/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *text_of(const kt_address *a)
{
    static char text[64];
    kt_address_format(&a->any, a->size, text, sizeof text);
    return text;
}

static kt_address parsed(const char *host, uint16_t port)
{
    kt_address a;
    CHECK_OK(kt_address_parse(host, port, &a));
    return a;
}

/* ---- Addresses --------------------------------------------------------------------------- */

TEST_WITH(numeric_addresses_are_understood, KT_TEST_NO_LOOP)
{
    kt_address a = parsed("127.0.0.1", 80);
    CHECK_STR(text_of(&a), "127.0.0.1:80");
    CHECK_EQ(kt_address_port(&a), 80);
    a = parsed("::1", 65535);
    CHECK_STR(text_of(&a), "[::1]:65535");
    CHECK_EQ(kt_address_port(&a), 65535);
}

TEST_WITH(a_zone_is_an_interface_or_a_number, KT_TEST_NO_LOOP)
{
    kt_address a = parsed("fe80::1%7", 1);
    CHECK_EQ(a.in6.sin6_scope_id, 7);
    CHECK_STR(text_of(&a), "[fe80::1%7]:1");
    a = parsed("fe80::1%lo", 1);
    CHECK_EQ(a.in6.sin6_scope_id, 1);
    CHECK_ERR(kt_address_parse("fe80::1%no-such", 1, &a), -EINVAL);
    CHECK_ERR(kt_address_parse("fe80::1%", 1, &a), -EINVAL);
}

TEST_WITH(what_is_no_address_is_refused_and_leaves_the_output, KT_TEST_NO_LOOP)
{
    static const char *const bad[] = {"", "localhost", "1.2.3", "1.2.3.4.5", ":::", "[::1]", "::1 "};
    kt_address a = parsed("127.0.0.1", 80);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_ERR(kt_address_parse(bad[i], 1, &a), -EINVAL);
    char many[200];
    memset(many, '1', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    CHECK_ERR(kt_address_parse(many, 1, &a), -EINVAL);
    CHECK_STR(text_of(&a), "127.0.0.1:80");
}

TEST_WITH(addresses_are_equal_by_what_they_mean, KT_TEST_NO_LOOP)
{
    kt_address a = parsed("127.0.0.1", 80), b = a, u, v;
    memset(b.in.sin_zero, 1, sizeof b.in.sin_zero);
    CHECK(kt_address_equal(&a, &b));
    b = parsed("127.0.0.1", 81);
    CHECK(!kt_address_equal(&a, &b));
    a = parsed("::1", 80);
    b = parsed("::2", 80);
    CHECK(!kt_address_equal(&a, &b));
    CHECK_OK(kt_address_unix("@a", &u));
    CHECK_OK(kt_address_unix("@ab", &v));
    CHECK(!kt_address_equal(&u, &v));
    CHECK_OK(kt_address_unix("@a", &v));
    CHECK(kt_address_equal(&u, &v));
    CHECK_EQ(kt_address_port(&u), 0);
    CHECK_STR(text_of(&u), "unix:@a");
}

/* ---- Names to addresses ------------------------------------------------------------------ */

TEST(numbers_need_no_look_up_under_any_driver)
{
    kt_auto(kt_addresses) *found = NULL;
    CHECK_OK(kt_resolve("::1", "443", NULL, &found));
    CHECK_EQ(found->count, 1);
    CHECK_STR(text_of(&found->items[0]), "[::1]:443");
    CHECK(found->canonical_name == NULL);
    kt_addresses_free(kt_steal(found));
    CHECK_OK(kt_resolve("127.0.0.1", NULL, NULL, &found));
    CHECK_STR(text_of(&found->items[0]), "127.0.0.1:0");
}

TEST(names_do_not_exist_under_the_simulated_driver)
{
    kt_addresses *found = NULL;
    const char *driver = kt_loop_driver(kt_loop_current());
    if (strcmp(driver, "sim") != 0)
        kt_test_skip("a real driver");
    CHECK_ERR(kt_resolve("localhost", "1", NULL, &found), KT_ENOTSIM);
    CHECK(found == NULL);
}

TEST_WITH(a_host_in_the_hosts_file_is_found, KT_TEST_REAL_TIME)
{
    kt_auto(kt_addresses) *found = NULL;
    const kt_resolve_options v4 = {.family = AF_INET};
    CHECK_OK(kt_resolve("localhost", "http", &v4, &found));
    /* Once, not for each type of socket; glibc has "::1 localhost" of the hosts file as another 127.0.0.1. */
    CHECK_LE(found->count, 2);
    CHECK_STR(text_of(&found->items[found->count - 1]), "127.0.0.1:80");
    CHECK_STR(text_of(&found->items[0]), "127.0.0.1:80");
}

TEST_WITH(no_host_is_this_machine_or_all_its_interfaces, KT_TEST_REAL_TIME)
{
    kt_auto(kt_addresses) *found = NULL;
    const kt_resolve_options here = {.family = AF_INET};
    const kt_resolve_options all = {.family = AF_INET, .flags = AI_PASSIVE, .type = SOCK_DGRAM};
    CHECK_OK(kt_resolve(NULL, "7", &here, &found));
    CHECK_STR(text_of(&found->items[0]), "127.0.0.1:7");
    kt_addresses_free(kt_steal(found));
    CHECK_OK(kt_resolve(NULL, "7", &all, &found));
    CHECK_STR(text_of(&found->items[0]), "0.0.0.0:7");
}

TEST_WITH(the_canonical_name_comes_on_request, KT_TEST_REAL_TIME)
{
    kt_auto(kt_addresses) *found = NULL;
    const kt_resolve_options named = {.flags = AI_CANONNAME};
    CHECK_OK(kt_resolve("127.0.0.1", "1", &named, &found));
    CHECK_STR(found->canonical_name, "127.0.0.1");
}

TEST_WITH(what_cannot_be_resolved_says_why, KT_TEST_REAL_TIME)
{
    kt_addresses *found = NULL;
    const kt_resolve_options odd = {.family = 12345};
    const kt_resolve_options v6 = {.family = AF_INET6};
    CHECK_ERR(kt_resolve("no such host", NULL, NULL, &found), KT_ENAME);
    CHECK(strstr(kt_error_detail(), "no such host: "));
    CHECK_ERR(kt_resolve("127.0.0.1", "no-such-service", NULL, &found), KT_ENAME);
    CHECK_ERR(kt_resolve("127.0.0.1", "65536", NULL, &found), KT_ENAME);
    CHECK_ERR(kt_resolve("127.0.0.1", "", NULL, &found), KT_ENAME);
    CHECK_ERR(kt_resolve("", "1", NULL, &found), KT_ENAME);
    CHECK_ERR(kt_resolve("127.0.0.1", "1", &v6, &found), KT_ENAME);
    CHECK_ERR(kt_resolve(NULL, NULL, NULL, &found), -EINVAL);
    CHECK_ERR(kt_resolve("localhost", "1", &odd, &found), -EINVAL);
    CHECK(found == NULL);
}

/* ---- Addresses to names ------------------------------------------------------------------ */

TEST_WITH(an_address_has_a_name, KT_TEST_REAL_TIME)
{
    kt_host_name name;
    kt_address a = parsed("127.0.0.1", 80);
    CHECK_OK(kt_resolve_name(&a, 0, &name));
    CHECK_STR(name.host, "localhost");
    CHECK_STR(name.service, "http");
}

TEST(an_address_as_a_number_needs_no_look_up)
{
    kt_host_name name;
    kt_address a = parsed("::1", 80);
    CHECK_OK(kt_resolve_name(&a, NI_NUMERICHOST | NI_NUMERICSERV, &name));
    CHECK_STR(name.host, "::1");
    CHECK_STR(name.service, "80");
}

TEST_WITH(a_name_that_must_be_and_is_not_is_an_error, KT_TEST_REAL_TIME)
{
    kt_host_name name = {.host = "untouched"};
    kt_address a = {.size = sizeof a.un};
    a.any.sa_family = 12345;
    CHECK_ERR(kt_resolve_name(&a, 0, &name), -EINVAL);
    CHECK_ERR(kt_resolve_name(&a, NI_NUMERICHOST | NI_NUMERICSERV, &name), -EINVAL);
    CHECK_STR(name.host, "untouched");
}

/* ---- Cancellation and memory ------------------------------------------------------------- */

static int resolves(void *arg)
{
    kt_auto(kt_addresses) *found = NULL;
    (void)arg;
    return kt_resolve("localhost", "1", NULL, &found);
}

static int names(void *arg)
{
    kt_host_name name;
    kt_address a = parsed("127.0.0.1", 80);
    (void)arg;
    return kt_resolve_name(&a, 0, &name);
}

TEST_WITH(a_cancelled_look_up_leaves_at_once, KT_TEST_REAL_TIME)
{
    const kt_fn both[] = {resolves, names};
    for (int i = 0; i < 20; i++) {
        kt_task *t = NULL;
        CHECK_OK(kt_spawn(both[i % 2], NULL, 0, &t));
        for (int j = 0; j < i / 2; j++)
            CHECK_OK(kt_sleep(0));
        kt_task_cancel(t);
        int rc = kt_task_join(t);
        CHECK(rc == KT_ECANCELED || rc == 0);
    }
}

static int starts_look_ups(void *arg)
{
    const kt_fn both[] = {resolves, names};
    (void)arg;
    for (int i = 0; i < 2; i++) {
        kt_task *t = NULL;
        CHECK_OK(kt_spawn(both[i], NULL, 0, &t));
        CHECK_OK(kt_sleep(0));
        kt_task_cancel(t);
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    }
    return 0;
}

/* ---- On no network --------------------------------------------------------------------------- */

static void leave_the_network(void)
{
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        kt_test_skip("there cannot be a network of its own here");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(ioctl(fd, SIOCSIFFLAGS, &loopback), 0);
    CHECK_EQ(close(fd), 0);
}

static int connects_to_localhost(void *arg)
{
    const kt_connect_options by_ipv4 = {.family = AF_INET};
    const kt_udp_options datagrams = {.family = AF_INET};
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_stream) *any = NULL, *one = NULL;
    kt_auto(kt_udp) *u = NULL;
    (void)arg;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_stream_connect("localhost", kt_listener_port(l), &any));
    CHECK_OK(kt_stream_connect_with("localhost", kt_listener_port(l), &by_ipv4, &one));
    CHECK_OK(kt_udp_connect("localhost", 9, &datagrams, &u));
    return 0;
}

TEST_WITH(localhost_is_found_on_a_machine_without_a_network, KT_TEST_NO_LOOP)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors, and KETTLE_DRIVER is sim");
    leave_the_network();
    CHECK_OK(kt_run(connects_to_localhost, NULL, 0));
}

TEST_WITH(a_look_up_may_outlast_the_loop, KT_TEST_NO_LOOP)
{
    const kt_options real = {.driver = KT_DRIVER_AUTO};
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors, and KETTLE_DRIVER is sim");
    for (int i = 0; i < 20; i++)
        CHECK_OK(kt_run_with(&real, starts_look_ups, NULL, 0));
}

TEST_WITH(every_allocation_of_a_look_up_may_fail, KT_TEST_REAL_TIME)
{
    const kt_fn both[] = {resolves, names};
    for (int i = 0; i < 2; i++) {
        for (uint64_t nth = 1;; nth++) {
            kt_test_fail_allocation(nth);
            int rc = both[i](NULL);
            bool failed = kt_test_allocation_failed();
            kt_test_fail_allocation(0);
            CHECK(rc == 0 || (failed && rc == -ENOMEM));
            if (!failed)
                break;
            CHECK_LT(nth, 100);
        }
    }
}
