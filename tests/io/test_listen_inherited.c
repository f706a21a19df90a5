/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Listening on sockets that others have opened. */

static int open_socket(int family, bool listens)
{
    kt_address a = {.size = 0};
    int fd = socket(family, SOCK_STREAM, 0);
    CHECK_GE(fd, 0);
    if (family == AF_INET)
        CHECK_OK(kt_address_parse("127.0.0.1", 0, &a));
    else
        a = (kt_address){.un = {.sun_family = AF_UNIX}, .size = sizeof a.un.sun_family}; /* any name */
    CHECK_EQ(bind(fd, &a.any, a.size), 0);
    if (listens)
        CHECK_EQ(listen(fd, 5), 0);
    return fd;
}

static uint16_t port_of(int fd)
{
    kt_address a = {.size = sizeof a.storage};
    CHECK_EQ(getsockname(fd, &a.any, &a.size), 0);
    return kt_address_port(&a);
}

/* ---- By its descriptor ------------------------------------------------------------------------ */

TEST_WITH(a_socket_that_listens_becomes_a_listener, KT_TEST_REAL_IO)
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_stream) *client = NULL;
    kt_auto(kt_stream) *server = NULL;
    kt_address a;
    int fd = open_socket(AF_INET, true);
    CHECK_OK(kt_listener_from_fd(fd, &l));
    CHECK_EQ(kt_listener_port(l), port_of(fd));
    CHECK_EQ(kt_listener_count(l), 1);
    CHECK_OK(kt_listener_address(l, 0, &a));
    CHECK_EQ(kt_address_port(&a), port_of(fd));
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &client));
    CHECK_OK(kt_listener_accept(l, &server));
    CHECK_OK(kt_stream_write(client, "tea", 3));
    char bytes[3];
    CHECK_OK(kt_stream_read_exactly(server, bytes, 3));
}

TEST_WITH(a_unix_socket_too, KT_TEST_REAL_IO)
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_stream) *client = NULL;
    kt_auto(kt_stream) *server = NULL;
    int fd = open_socket(AF_UNIX, true);
    kt_address a = {.size = sizeof a.storage};
    char path[120];
    CHECK_OK(kt_listener_from_fd(fd, &l));
    CHECK_EQ(kt_listener_port(l), 0);
    CHECK_EQ(getsockname(fd, &a.any, &a.size), 0);
    snprintf(path, sizeof path, "@%.*s", (int)(a.size - 3), a.un.sun_path + 1);
    CHECK_OK(kt_stream_connect_unix(path, &client));
    CHECK_OK(kt_listener_accept(l, &server));
}

TEST_WITH(what_does_not_listen_is_refused_and_stays_the_callers, KT_TEST_REAL_IO)
{
    kt_listener *l = NULL;
    int ends[2], fd = open_socket(AF_INET, false), datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_EQ(pipe(ends), 0);
    CHECK_ERR(kt_listener_from_fd(fd, &l), -EINVAL);
    CHECK_ERR(kt_listener_from_fd(datagrams, &l), -EINVAL);
    CHECK_ERR(kt_listener_from_fd(ends[0], &l), -ENOTSOCK);
    CHECK_ERR(kt_listener_from_fd(-1, &l), -EBADF);
    CHECK(!l);
    CHECK_EQ(close(fd) + close(datagrams) + close(ends[0]) + close(ends[1]), 0);
}

TEST(there_is_none_under_the_simulated_driver)
{
    kt_listener *l = NULL;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("a real driver");
    CHECK_ERR(kt_listener_from_fd(0, &l), KT_ENOTSIM);
}

/* ---- As systemd hands them over ---------------------------------------------------------------- */

enum { SOCKETS = 4 };

/* From 3 on: TCP, one that does not listen, Unix, TCP. */
static void hand_over(const char *count, const char *names)
{
    char pid[24];
    const int fds[SOCKETS] = {open_socket(AF_INET, true), open_socket(AF_INET, false), open_socket(AF_UNIX, true),
                              open_socket(AF_INET, true)};
    int above[SOCKETS];
    for (int i = 0; i < SOCKETS; i++)
        above[i] = fcntl(fds[i], F_DUPFD, 100);
    for (int i = 0; i < SOCKETS; i++)
        CHECK_EQ(dup2(above[i], 3 + i), 3 + i); /* without close-on-exec, as they come */
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    CHECK_EQ(setenv("LISTEN_PID", pid, 1) + setenv("LISTEN_FDS", count, 1), 0);
    CHECK_EQ(names ? setenv("LISTEN_FDNAMES", names, 1) : unsetenv("LISTEN_FDNAMES"), 0);
}

static uint16_t take(const char *name)
{
    kt_listener *l = NULL;
    kt_address a;
    CHECK_OK(kt_listen_activated(name, &l)); /* which is forgotten: the process ends */
    CHECK_OK(kt_listener_address(l, 0, &a));
    return a.any.sa_family == AF_UNIX ? 1 : kt_listener_port(l);
}

static void check_no_more(const char *name)
{
    kt_listener *l = NULL;
    CHECK_ERR(kt_listen_activated(name, &l), KT_ENOTFOUND);
}

/* What a process does with the sockets that it was given; in a loop. */
static int takes_all(void *arg)
{
    (void)arg;
    CHECK_EQ(take(NULL), port_of(3));
    CHECK_EQ(take(NULL), 1);
    CHECK_EQ(take(NULL), port_of(6));
    check_no_more(NULL);
    return 0;
}

static int takes_by_name(void *arg)
{
    (void)arg;
    check_no_more("ht");
    check_no_more("control");  /* does not listen */
    CHECK_EQ(take("http"), port_of(3));
    CHECK_EQ(take("http"), port_of(6)); /* two have that name */
    CHECK_EQ(take("local"), 1);
    check_no_more("http");
    return 0;
}

static int takes_one(void *arg)
{
    (void)arg;
    CHECK_EQ(take(NULL), port_of(3));
    check_no_more(NULL);
    check_no_more("http"); /* nobody has a name */
    return 0;
}

static int finds_none(void *arg)
{
    (void)arg;
    check_no_more(NULL);
    return 0;
}

/* In a process of its own, where the numbers are free. A failed check ends it. */
static void in_a_process(const char *count, const char *names, const char *pid, kt_fn fn)
{
    int status = 1;
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        hand_over(count, names);
        if (pid)
            (void)setenv("LISTEN_PID", pid, 1);
        _exit(kt_run(fn, NULL, 0) < 0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

static void need_descriptors(void)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors");
}

TEST_WITH(each_socket_is_taken_once, KT_TEST_NO_LOOP)
{
    need_descriptors();
    in_a_process("4", NULL, NULL, takes_all);
}

TEST_WITH(sockets_have_names, KT_TEST_NO_LOOP)
{
    need_descriptors();
    in_a_process("4", "http:control:local:http", NULL, takes_by_name);
}

TEST_WITH(others_than_those_that_are_counted_are_left_alone, KT_TEST_NO_LOOP)
{
    need_descriptors();
    in_a_process("1", NULL, NULL, takes_one);
    in_a_process("0", NULL, NULL, finds_none);
    in_a_process("-1", NULL, NULL, finds_none);
    in_a_process("4x", NULL, NULL, finds_none);
    in_a_process("99999999999", NULL, NULL, finds_none);
}

TEST_WITH(what_was_meant_for_another_process_is_left_alone, KT_TEST_NO_LOOP)
{
    need_descriptors();
    in_a_process("4", NULL, "1", finds_none);
    in_a_process("4", NULL, "", finds_none);
}

/* ---- A program that is started that way ---------------------------------------------------------- */

static const char *const starter =
    "import fcntl, os, socket, sys\n"
    "s = socket.create_server(('127.0.0.1', 0))\n"
    "os.dup2(fcntl.fcntl(s, fcntl.F_DUPFD, 10), 3, inheritable=True)\n"
    "pid = os.fork()\n"
    "if pid == 0:\n"
    "    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='tea')\n"
    "    os.execv(sys.argv[1], [sys.argv[1], '--no-fork', 'the_program_that_is_started'])\n"
    "c = socket.create_connection(s.getsockname())\n"
    "c.settimeout(20)\n"
    "assert c.recv(100) == b'tea is ready', 'the greeting'\n"
    "assert os.waitpid(pid, 0)[1] == 0, 'the end'\n";

/* Run by the test below, and by itself only where somebody hands it a socket. */
TEST_WITH(the_program_that_is_started, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_stream) *s = NULL;
    if (!getenv("LISTEN_FDS"))
        kt_test_skip("no socket was handed over");
    CHECK_OK(kt_listen_activated("tea", &l));
    CHECK_OK(kt_listener_accept(l, &s));
    CHECK_OK(kt_stream_write(s, "tea is ready", 12));
}

TEST_WITH(a_program_serves_who_came_before_it_was_started, KT_TEST_REAL_TIME)
{
    kt_auto(kt_process) *p = NULL;
    kt_process_status status;
    char self[4096] = "";
    CHECK_GT(readlink("/proc/self/exe", self, sizeof self - 1), 0);
    const char *const argv[] = {"python3", "-c", starter, self, NULL};
    const kt_process_options o = {.argv = argv, .error = KT_PROCESS_INHERIT};
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_EQ(status.exit_code, 0);
}
