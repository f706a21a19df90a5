/* SPDX-License-Identifier: MIT */

/* JSON as Python reads it, terminals, the journal, syslog. */

#include "log_kit.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static kt_logger shop = KT_LOGGER("shop");

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Runs a Python script over a file; skips the test where there is no Python. */
static void check_python(const char *script, const char *path)
{
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        execlp("python3", "python3", "-c", script, path, (char *)NULL);
        _exit(127);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        kt_test_skip("no python3");
    CHECK_EQ(status, 0);
}

static const char reads_back[] =
    "import json, sys, datetime\n"
    "a, b = [json.loads(line) for line in open(sys.argv[1], encoding='utf-8')]\n"
    "assert a.pop('time') and a == {'level': 'INFO', 'name': 'shop',\n"
    "    'message': ''.join(map(chr, range(1, 256))) + '\\u20ac\\U0001f600\\ufffd\\ufffd'}, a\n"
    "at = datetime.datetime.fromisoformat(b.pop('time'))\n"
    "assert abs((datetime.datetime.now(datetime.timezone.utc) - at).total_seconds()) < 600\n"
    "assert b == {'level': 'ERROR', 'name': 'a\"b', 'message': 'bad', 'error': 'KT_ELIMIT',\n"
    "    'reason': 'limit exceeded', 'detail': '7 > 5', 'fields': {'n': -3, 'r': 1e300, 's': 0.1,\n"
    "    't': False, 'u\\n': '\\\\', 'v': None, 'w': None, 'x': ''}}, b\n";

TEST_WITH(python_reads_json_lines_back, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    kt_logger odd = KT_LOGGER("a\"b");
    char all[600];
    size_t size = 0;
    for (unsigned c = 1; c < 256; c++) {
        if (c >= 0x80)
            all[size++] = (char)(0xC0 | c >> 6);
        all[size++] = (char)(c >= 0x80 ? 0x80 | (c & 0x3F) : c);
    }
    all[size] = '\0';
    const kt_log_field fields[] = {kt_log_integer("n", -3),     kt_log_real("r", 1e300),
                                   kt_log_real("s", 0.1),       kt_log_bool("t", false),
                                   kt_log_text("u\n", "\\"),    kt_log_text("v", NULL),
                                   kt_log_real("w", 0.0 / 0.0), kt_log_text("x", "")};
    open_one(&(kt_log_sink){.kind = KT_LOG_FILE, .path = s.file, .form = KT_LOG_JSON});
    kt_log_info(&shop, "%s\xe2\x82\xac\xf0\x9f\x98\x80\xff\xc0", all);
    const kt_log_extra extra = {
        .rc = kt_error_set(KT_ELIMIT, "7 > 5"), .fields = fields, .fields_count = 8};
    kt_log_at(&odd, KT_LOG_ERROR, &extra, "bad");
    kt_log_close();
    kt_logger_release(&odd);
    check_python(reads_back, s.file);
    scratch_remove(&s);
}

static const char reads_task[] =
    "import json, sys\n"
    "line = json.loads(open(sys.argv[1]).read())\n"
    "assert line['time'][-1] == 'Z', line\n"
    "assert line['task'] == 'brew' and line['error'] == 'ENOENT' and 'detail' in line, line\n";

TEST(json_names_the_task_and_its_error)
{
    scratch s = scratch_make();
    open_one(&(kt_log_sink){.kind = KT_LOG_FILE, .path = s.file, .form = KT_LOG_JSON, .utc = true});
    CHECK_OK(kt_task_name_set(kt_task_current(), "brew"));
    kt_log_failure(&shop, kt_error_set(-ENOENT, "tea"), "none");
    kt_log_close();
    check_python(reads_task, s.file);
    scratch_remove(&s);
}

/* ---- Terminals ------------------------------------------------------------------------------- */

/* The two ends of a terminal. */
static void open_terminal(int *ret_master, int *ret_slave)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64];
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
        ptsname_r(master, name, sizeof name) != 0)
        kt_test_skip("no terminals here");
    *ret_slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK_GE(*ret_slave, 0);
    *ret_master = master;
}

/* What the terminal has shown once `last` is among it. */
static const char *shown(int master, const char *last)
{
    static char text[4096];
    size_t size = 0;
    do {
        ssize_t n = read(master, text + size, sizeof text - 1 - size);
        CHECK_GT(n, 0);
        size += (size_t)n;
        text[size] = '\0';
    } while (!strstr(text, last));
    return text;
}

static const char *shown_with(const char *no_color, const char *term, kt_log_colour colour)
{
    int master, slave;
    CHECK_EQ(no_color ? setenv("NO_COLOR", no_color, 1) : unsetenv("NO_COLOR"), 0);
    CHECK_EQ(setenv("TERM", term, 1), 0);
    open_terminal(&master, &slave);
    open_one(&(kt_log_sink){.kind = KT_LOG_DESCRIPTOR, .descriptor = slave, .colour = colour});
    kt_log_error(&shop, "bad");
    kt_log_close();
    const char *text = behind_time(shown(master, "bad\r\n"));
    close(slave);
    close(master);
    return text;
}

TEST_WITH(colours_are_for_terminals_that_want_them, KT_TEST_NO_LOOP)
{
    CHECK_STR(shown_with(NULL, "xterm", KT_LOG_COLOUR_AUTO),
              "shop - \033[31mERROR\033[0m - bad\r\n");
    CHECK_STR(shown_with("", "xterm", KT_LOG_COLOUR_AUTO), "shop - \033[31mERROR\033[0m - bad\r\n");
    CHECK_STR(shown_with("1", "xterm", KT_LOG_COLOUR_AUTO), "shop - ERROR - bad\r\n");
    CHECK_STR(shown_with(NULL, "dumb", KT_LOG_COLOUR_AUTO), "shop - ERROR - bad\r\n");
    CHECK_STR(shown_with(NULL, "xterm", KT_LOG_COLOUR_NEVER), "shop - ERROR - bad\r\n");
    CHECK_STR(shown_with("1", "dumb", KT_LOG_COLOUR_ALWAYS),
              "shop - \033[31mERROR\033[0m - bad\r\n");
}

static void clear_bar(void *arg)
{
    CHECK_EQ(write(*(int *)arg, "<", 1), 1);
}

static void draw_bar(void *arg)
{
    CHECK_EQ(write(*(int *)arg, ">", 1), 1);
}

TEST_WITH(what_is_drawn_is_cleared_before_a_line_and_drawn_again_behind_it, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    int master, slave;
    open_terminal(&master, &slave);
    const kt_log_sink sinks[] = {
        {.kind = KT_LOG_DESCRIPTOR, .descriptor = slave, .colour = KT_LOG_COLOUR_NEVER},
        {.kind = KT_LOG_FILE, .path = s.file},
    };
    kt_log_around(clear_bar, draw_bar, &slave);
    CHECK_OK(kt_log_open(&(kt_log_options){.sinks = sinks, .sinks_count = 2}));
    kt_log_info(&shop, "one");
    CHECK_OK(kt_log_flush(KT_S(60)));
    kt_log_around(NULL, NULL, NULL);
    kt_log_info(&shop, "two");
    kt_log_close();
    const char *text = shown(master, "two\r\n");
    CHECK_EQ(text[0], '<');
    CHECK_MEM(behind_time(text + 1), "shop - INFO - one\r\n>", 20);
    CHECK_STR(behind_time(strchr(text, '>') + 1), "shop - INFO - two\r\n");
    CHECK(!strpbrk(contents(s.file), "<>")); /* it is on no file */
    close(slave);
    close(master);
    scratch_remove(&s);
}

/* ---- Sockets --------------------------------------------------------------------------------- */

static int listen_at(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const struct timeval limit = {.tv_sec = 60};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(bind(fd, (const struct sockaddr *)&name, sizeof name), 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    return fd;
}

static kt_slice datagram(int fd)
{
    static char bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof bytes - 1, 0);
    CHECK_GT(n, 0);
    bytes[n] = '\0';
    return (kt_slice){bytes, (size_t)n};
}

static void open_socket(kt_log_kind kind, const char *path)
{
    const kt_log_sink sink = {.kind = kind, .path = path};
    CHECK_OK(kt_log_open(&(kt_log_options){.sinks = &sink, .sinks_count = 1, .ident = "tea"}));
}

TEST_WITH(syslog_gets_datagrams_as_syslog_3_sends, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    char expected[128];
    int fd = listen_at(s.file);
    open_socket(KT_LOG_SYSLOG, s.file);
    kt_log_warning(&shop, "hot");
    const char *text = datagram(fd).data;
    kt_log_close();
    CHECK_MEM(text, "<12>", 4); /* LOG_USER | LOG_WARNING */
    CHECK(text[7] == ' ' && text[10] == ' ' && text[13] == ':' && text[16] == ':');
    snprintf(expected, sizeof expected, " tea[%d]: shop: hot", (int)getpid());
    CHECK_STR(text + 19, expected);
    close(fd);
    scratch_remove(&s);
}

TEST_WITH(a_syslog_that_starts_over_is_found_again, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    kt_log_counts counts;
    open_socket(KT_LOG_SYSLOG, s.file);
    kt_log_info(&shop, "nobody"); /* there is none yet */
    CHECK_OK(kt_log_flush(KT_S(60)));
    kt_log_counts_get(&counts);
    CHECK_EQ(counts.lost, 1);
    int fd = listen_at(s.file);
    kt_log_info(&shop, "one");
    CHECK(strstr(datagram(fd).data, "one") != NULL);
    CHECK(strstr(datagram(fd).data,
                 "log: 1 line could not be written: No such file or directory (ENOENT)") != NULL);
    close(fd);
    CHECK_EQ(unlink(s.file), 0);
    fd = listen_at(s.file);
    kt_log_info(&shop, "two");
    CHECK(strstr(datagram(fd).data, "two") != NULL);
    kt_log_counts_get(&counts);
    CHECK_EQ(counts.lost, 1);
    kt_log_close();
    close(fd);
    scratch_remove(&s);
}

/* A field of the journal's native protocol in its form with a size. */
static void check_field(kt_slice all, const char *name, const char *value)
{
    char bytes[256];
    size_t size = (size_t)snprintf(bytes, sizeof bytes, "%s\n", name), length = strlen(value);
    for (int i = 0; i < 8; i++)
        bytes[size++] = (char)((uint64_t)length >> (8 * i));
    memcpy(bytes + size, value, length);
    size += length;
    bytes[size++] = '\n';
    CHECK(memmem(all.data, all.size, bytes, size) != NULL);
}

TEST_WITH(the_journal_gets_fields, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    int fd = listen_at(s.file);
    const kt_log_field fields[] = {kt_log_text("peer-ip", "::1"), kt_log_integer("n", 3)};
    open_socket(KT_LOG_JOURNAL, s.file);
    const kt_log_extra extra = {
        .rc = kt_error_set(KT_EPROTOCOL, "byte 3"), .fields = fields, .fields_count = 2};
    kt_log_at(&shop, KT_LOG_CRITICAL, &extra, "odd\nlines");
    kt_slice all = datagram(fd);
    kt_log_close();
    check_field(all, "MESSAGE", "odd\n    lines: peer broke the protocol (KT_EPROTOCOL: byte 3)");
    CHECK(memmem(all.data, all.size, "\nPRIORITY=2\n", 12) != NULL);
    check_field(all, "SYSLOG_IDENTIFIER", "tea");
    check_field(all, "LOGGER", "shop");
    check_field(all, "ERROR", "KT_EPROTOCOL");
    check_field(all, "DETAIL", "byte 3");
    check_field(all, "F_PEER_IP", "::1");
    check_field(all, "F_N", "3");
    close(fd);
    scratch_remove(&s);
}
