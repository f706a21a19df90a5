/* SPDX-License-Identifier: MIT */
#include "stream_pair.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

static kt_listener *listen_tcp(void)
{
    kt_listener *l = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
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

KT_FN(connects, a, struct {
    const char *host;
    uint16_t port;
    kt_stream **s;
})
{
    return kt_stream_connect(a->host, a->port, a->s);
}

/* ---- TCP --------------------------------------------------------------------------------- */

TEST_WITH(a_client_and_a_server_talk_over_tcp, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_tcp();
    kt_auto(pair) p = {NULL, NULL};
    kt_slice line;
    kt_task *server = spawn(KT_WITH(accepts, l, &p.far));
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &p.near));
    CHECK_OK(kt_task_join(server));
    say(p.near, "hello\n");
    CHECK_EQ(kt_stream_read_line(p.far, 100, &line), 1);
    CHECK_SLICE(line, "hello");
}

TEST_WITH(a_stream_knows_its_peer, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_tcp();
    kt_auto(pair) p = {NULL, NULL};
    struct sockaddr_storage peer;
    socklen_t size;
    char text[64], expected[64];
    kt_task *server = spawn(KT_WITH(accepts, l, &p.far));
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &p.near));
    CHECK_OK(kt_task_join(server));
    CHECK_OK(kt_stream_peer(p.near, &peer, &size));
    kt_address_format((struct sockaddr *)&peer, size, text, sizeof text);
    snprintf(expected, sizeof expected, "127.0.0.1:%u", kt_listener_port(l));
    CHECK_STR(text, expected);
    kt_address_format((struct sockaddr *)&peer, size, text, 8);
    CHECK_STR(text, "127.0.0");
}

TEST_WITH(ipv6_addresses_work_and_are_written_in_brackets, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(pair) p = {NULL, NULL};
    struct sockaddr_storage peer;
    socklen_t size;
    char text[64], expected[64];
    int rc = kt_listen("::1", 0, NULL, &l);
    if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
        kt_test_skip("this machine has no IPv6");
    CHECK_OK(rc);
    CHECK_OK(kt_stream_connect("::1", kt_listener_port(l), &p.near));
    CHECK_OK(kt_listener_accept(l, &p.far));
    CHECK_OK(kt_stream_peer(p.near, &peer, &size));
    kt_address_format((struct sockaddr *)&peer, size, text, sizeof text);
    snprintf(expected, sizeof expected, "[::1]:%u", kt_listener_port(l));
    CHECK_STR(text, expected);
}

TEST_WITH(nobody_listening_is_connection_refused, KT_TEST_REAL_TIME)
{
    kt_listener *l = listen_tcp();
    uint16_t port = kt_listener_port(l);
    kt_stream *s = NULL;
    kt_listener_close(l);
    CHECK_ERR(kt_stream_connect("127.0.0.1", port, &s), -ECONNREFUSED);
    CHECK(s == NULL);
    char expected[80];
    snprintf(expected, sizeof expected, "connect to 127.0.0.1:%u: Connection refused", port);
    CHECK_STR(kt_error_detail(), expected);
}

TEST_WITH(a_port_in_use_is_told_with_its_address, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_tcp();
    kt_listener *second = NULL;
    char expected[80];
    CHECK_ERR(kt_listen("127.0.0.1", kt_listener_port(l), NULL, &second), -EADDRINUSE);
    snprintf(expected, sizeof expected, "listen on 127.0.0.1:%u: Address already in use",
             kt_listener_port(l));
    CHECK_STR(kt_error_detail(), expected);
    CHECK(second == NULL);
}

TEST_WITH(listeners_may_share_a_port, KT_TEST_REAL_TIME)
{
    const kt_listen_options shared = {.reuse_port = true};
    kt_auto(kt_listener) *first = NULL;
    kt_auto(kt_listener) *second = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, &shared, &first));
    CHECK_OK(kt_listen("127.0.0.1", kt_listener_port(first), &shared, &second));
    CHECK_EQ(kt_listener_port(first), kt_listener_port(second));
}

/* ---- Names ------------------------------------------------------------------------------- */

TEST_WITH(names_are_looked_up, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_tcp();
    kt_auto(pair) p = {NULL, NULL};
    kt_task *server = spawn(KT_WITH(accepts, l, &p.far));
    CHECK_OK(kt_stream_connect("localhost", kt_listener_port(l), &p.near));
    CHECK_OK(kt_task_join(server));
}

TEST_WITH(a_name_that_cannot_be_resolved_says_why, KT_TEST_REAL_TIME)
{
    kt_stream *s = NULL;
    char many[300];
    CHECK_ERR(kt_stream_connect("no such host", 80, &s), KT_ENAME);
    CHECK(strstr(kt_error_detail(), "no such host: "));
    CHECK_ERR(kt_stream_connect("", 80, &s), KT_ENAME);
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    CHECK_ERR(kt_stream_connect(many, 80, &s), KT_ENAME);
    CHECK(s == NULL);
}

TEST_WITH(a_cancelled_look_up_leaves_at_once_and_leaves_nothing, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_tcp();
    for (int i = 0; i < 10; i++) {
        kt_stream *s = NULL;
        kt_task *t = spawn(KT_WITH(connects, "localhost", kt_listener_port(l), &s));
        for (int j = 0; j < i; j++)
            CHECK_OK(kt_sleep(0));
        kt_task_cancel(t);
        int rc = kt_task_join(t);
        CHECK(rc == KT_ECANCELED || rc == 0);
        kt_stream_close(s);
    }
}

static int starts_a_look_up(void *arg)
{
    kt_stream *s = NULL;
    kt_task *t = spawn(KT_WITH(connects, "localhost", 9, &s));
    int rc = kt_sleep(0);
    (void)arg;
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    return rc;
}

/* The look-up is still under way when the loop ends. */
TEST_WITH(a_look_up_may_outlast_main, KT_TEST_NO_LOOP)
{
    const kt_options real = {.driver = KT_DRIVER_AUTO};
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors, and KETTLE_DRIVER is sim");
    for (int i = 0; i < 20; i++)
        CHECK_OK(kt_run_with(&real, starts_a_look_up, NULL, 0));
}

static int connects_by_name(void *arg)
{
    uint16_t port = *(uint16_t *)arg;
    kt_auto(kt_stream) *s = NULL;
    return kt_stream_connect("localhost", port, &s);
}

TEST_WITH(every_allocation_of_a_connect_may_fail, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_tcp();
    uint16_t port = kt_listener_port(l);
    for (uint64_t nth = 1;; nth++) {
        kt_test_fail_allocation(nth);
        int rc = connects_by_name(&port);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK(rc == 0 || (failed && rc == -ENOMEM));
        if (!failed)
            break;
        CHECK_LT(nth, 100);
    }
}

/* ---- Unix sockets ------------------------------------------------------------------------ */

/* A path of this process. */
static const char *path_of(const char *name)
{
    static char path[108];
    snprintf(path, sizeof path, "/tmp/kettle-test-%d-%s", (int)getpid(), name);
    return path;
}

static void talk_through(const char *path)
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(pair) p = {NULL, NULL};
    char byte;
    CHECK_OK(kt_listen_unix(path, NULL, &l));
    CHECK_EQ(kt_listener_port(l), 0);
    CHECK_OK(kt_stream_connect_unix(path, &p.near));
    CHECK_OK(kt_listener_accept(l, &p.far));
    say(p.far, "x");
    CHECK_EQ(kt_stream_read(p.near, &byte, 1), 1);
}

TEST_WITH(a_unix_socket_is_private_and_its_file_is_removed, KT_TEST_REAL_IO)
{
    const char *path = path_of("talk");
    talk_through(path);
    CHECK_EQ(access(path, F_OK), -1);
    kt_auto(kt_listener) *l = NULL;
    struct stat st;
    CHECK_OK(kt_listen_unix(path, NULL, &l));
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
}

static int greets(void *arg)
{
    kt_auto(kt_stream) *s = NULL;
    int rc = kt_stream_connect_unix(arg, &s);
    return rc < 0 ? rc : kt_stream_write(s, "x", 1);
}

TEST_WITH(a_unix_client_waits_while_the_line_is_full, KT_TEST_REAL_TIME)
{
    const kt_listen_options short_line = {.backlog = 1};
    kt_auto(kt_listener) *l = NULL;
    kt_task *clients[5];
    char name[64];
    snprintf(name, sizeof name, "@kettle-test-line-%d", (int)getpid());
    CHECK_OK(kt_listen_unix(name, &short_line, &l));
    for (int i = 0; i < 5; i++)
        clients[i] = spawn(greets, name, 0);
    CHECK_OK(kt_sleep(KT_MS(20)));
    for (int i = 0; i < 5; i++) {
        kt_auto(kt_stream) *s = NULL;
        char byte;
        CHECK_OK(kt_listener_accept(l, &s));
        CHECK_EQ(kt_stream_read(s, &byte, 1), 1);
    }
    for (int i = 0; i < 5; i++)
        CHECK_OK(kt_task_join(clients[i]));
}

TEST_WITH(a_unix_sockets_mode_can_be_chosen, KT_TEST_REAL_IO)
{
    const kt_listen_options open_to_group = {.unix_mode = 0660};
    kt_auto(kt_listener) *l = NULL;
    struct stat st;
    const char *path = path_of("mode");
    CHECK_OK(kt_listen_unix(path, &open_to_group, &l));
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0660);
}

TEST_WITH(an_abstract_name_needs_no_file, KT_TEST_REAL_IO)
{
    char name[64];
    snprintf(name, sizeof name, "@kettle-test-%d", (int)getpid());
    talk_through(name);
    CHECK_EQ(access(name, F_OK), -1);
}

TEST_WITH(a_dead_servers_file_is_replaced_and_a_living_ones_is_not, KT_TEST_REAL_IO)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = path_of("stale");
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(dead, (struct sockaddr *)&address, sizeof address), 0);
    close(dead);
    kt_auto(kt_listener) *l = NULL;
    kt_listener *second = NULL;
    CHECK_OK(kt_listen_unix(path, NULL, &l));
    CHECK_ERR(kt_listen_unix(path, NULL, &second), -EADDRINUSE);
    CHECK(second == NULL);
    kt_auto(kt_stream) *s = NULL;
    CHECK_OK(kt_stream_connect_unix(path, &s));
}

TEST_WITH(a_file_that_is_no_socket_is_left_alone, KT_TEST_REAL_IO)
{
    kt_listener *l = NULL;
    const char *path = path_of("file");
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK_GE(fd, 0);
    CHECK_EQ(write(fd, "precious", 8), 8);
    close(fd);
    CHECK_ERR(kt_listen_unix(path, NULL, &l), -EADDRINUSE);
    CHECK_EQ(access(path, F_OK), 0);
    CHECK_EQ(unlink(path), 0);
}

TEST_WITH(unix_paths_have_1_to_107_bytes, KT_TEST_REAL_IO)
{
    char path[200] = "/tmp/";
    kt_stream *s = NULL;
    kt_listener *l = NULL;
    memset(path + 5, 'x', 103);
    CHECK_ERR(kt_stream_connect_unix(path, &s), -ENAMETOOLONG);
    CHECK_ERR(kt_listen_unix(path, NULL, &l), -ENAMETOOLONG);
    path[107] = '\0';
    CHECK_ERR(kt_stream_connect_unix(path, &s), -ENOENT);
    CHECK_ERR(kt_stream_connect_unix("", &s), -EINVAL);
    CHECK_ERR(kt_listen_unix("/no/such/folder/s", NULL, &l), -ENOENT);
}

/* ---- Accepting --------------------------------------------------------------------------- */

TEST_WITH(a_close_ends_an_accept, KT_TEST_REAL_TIME)
{
    kt_listener *l = listen_tcp();
    kt_stream *s = NULL;
    kt_task *server = spawn(KT_WITH(accepts, l, &s));
    turns(3);
    kt_listener_close(l);
    CHECK_ERR(kt_task_join(server), KT_ECLOSED);
    CHECK(s == NULL);
}

TEST_WITH(who_refers_to_a_listener_finds_it_closed, KT_TEST_REAL_TIME)
{
    kt_listener *l = listen_tcp();
    kt_stream *s = NULL;
    int port = kt_listener_port(l);
    kt_listener_ref(l);
    kt_listener_ref(l);
    kt_listener_close(l);
    CHECK_ERR(kt_stream_connect("127.0.0.1", (uint16_t)port, &s), -ECONNREFUSED);
    CHECK_ERR(kt_listener_accept(l, &s), KT_ECLOSED);
    kt_listener_unref(l);
    CHECK_ERR(kt_listener_accept(l, &s), KT_ECLOSED);
    kt_listener_unref(l);
}

KT_FN(closes_when_told, a, struct {
    kt_stream *told;
    kt_listener *l;
})
{
    char byte;
    CHECK_EQ(kt_stream_read(a->told, &byte, 1), 1);
    kt_listener_close(a->l);
    return 0;
}

/* Closer and acceptor are woken by the same look at the kernel, the closer first. */
TEST_WITH(a_close_outranks_a_connection_that_has_just_come, KT_TEST_REAL_TIME)
{
    kt_listener *l = listen_tcp();
    kt_auto(pair) tell = pair_open();
    kt_stream *s = NULL;
    kt_address a;
    CHECK_OK(kt_listener_address(l, 0, &a));
    kt_task *closer = spawn(KT_WITH(closes_when_told, tell.near, l));
    kt_task *server = spawn(KT_WITH(accepts, l, &s));
    turns(3);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_EQ(write(kt_stream_fd(tell.far), "x", 1), 1);
    CHECK(connect(client, &a.any, a.size) == 0 || errno == EINPROGRESS);
    CHECK_OK(kt_task_join(closer));
    CHECK_ERR(kt_task_join(server), KT_ECLOSED);
    CHECK(s == NULL);
    close(client);
}

TEST_WITH(a_cancelled_accept_leaves_the_connection_to_the_next, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_tcp();
    kt_auto(pair) p = {NULL, NULL};
    kt_task *server = spawn(KT_WITH(accepts, l, &p.far));
    turns(3);
    kt_task_cancel(server);
    CHECK_ERR(kt_task_join(server), KT_ECANCELED);
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &p.near));
    CHECK_OK(kt_listener_accept(l, &p.far));
}

/* Fills this process's table of descriptors but for `left`; the last one taken, or -1. */
static int take_all_descriptors(int left)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_GE(lowest, 0);
    limit.rlim_cur = (rlim_t)(lowest + 1 + left);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return lowest;
}

static int accepts_without_descriptors(kt_task **ret_server, kt_listener *l, pair *p)
{
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &p->near));
    int taken = take_all_descriptors(0);
    *ret_server = spawn(KT_WITH(accepts, l, &p->far));
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK(!kt_task_done(*ret_server));
    return taken;
}

TEST_WITH(accept_waits_while_no_descriptor_is_free, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = listen_tcp();
    kt_auto(pair) p = {NULL, NULL};
    kt_task *server;
    int taken = accepts_without_descriptors(&server, l, &p);
    close(taken);
    CHECK_OK(kt_task_join(server));
    CHECK(p.far != NULL);
}

TEST_WITH(an_accept_that_waits_for_a_descriptor_can_be_closed_and_cancelled, KT_TEST_REAL_TIME)
{
    kt_listener *l = listen_tcp();
    kt_auto(pair) p = {NULL, NULL};
    kt_task *server;
    int taken = accepts_without_descriptors(&server, l, &p);
    kt_task_cancel(server);
    CHECK_ERR(kt_task_join(server), KT_ECANCELED);
    server = spawn(KT_WITH(accepts, l, &p.far));
    CHECK_OK(kt_sleep(KT_MS(20)));
    kt_listener_close(l);
    CHECK_ERR(kt_task_join(server), KT_ECLOSED);
    close(taken);
}
