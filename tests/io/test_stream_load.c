/* SPDX-License-Identifier: MIT */
#include "stream_pair.h"

#include <sys/resource.h>

enum { MUCH = 64 << 20, BLOCK = 1 << 16, CLIENTS = 500 };

KT_FN(echoes, a, struct { kt_stream *s; })
{
    kt_auto(kt_stream) *s = a->s;
    kt_slice bytes;
    ssize_t n;
    while ((n = kt_stream_fill(s, 0, BLOCK, &bytes)) > 0) {
        int rc = kt_stream_write(s, bytes.data, bytes.size);
        if (rc < 0)
            return rc;
        kt_stream_consume(s, bytes.size);
    }
    return (int)n;
}

static int echo_server(void *arg)
{
    kt_listener *l = arg;
    kt_auto(kt_group) clients = KT_GROUP_INIT;
    int rc;
    for (;;) {
        kt_stream *s;
        rc = kt_listener_accept(l, &s);
        if (rc < 0)
            break;
        rc = kt_group_spawn(&clients, KT_WITH(echoes, s));
        if (rc < 0) {
            kt_stream_close(s);
            break;
        }
    }
    return kt_group_join(&clients, rc);
}

static kt_task *start_echo(kt_listener **ret_listener)
{
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, ret_listener));
    return spawn(echo_server, *ret_listener, 0);
}

static void stop_echo(kt_task *server, kt_listener *l)
{
    kt_listener_close(l);
    CHECK_ERR(kt_task_join(server), KT_ECLOSED);
}

/* The byte at some place of an endless pattern, which does not repeat with the block. */
static char pattern(size_t at)
{
    return (char)((at * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

KT_FN(sends_much, a, struct { kt_stream *s; })
{
    static char block[BLOCK];
    for (size_t at = 0; at < MUCH; at += BLOCK) {
        for (size_t i = 0; i < BLOCK; i++)
            block[i] = pattern(at + i);
        int rc = kt_stream_write(a->s, block, BLOCK);
        if (rc < 0)
            return rc;
    }
    return kt_stream_shutdown_write(a->s);
}

TEST_WITH(sixty_four_mebibytes_come_back_as_they_went, KT_TEST_REAL_TIME)
{
    kt_listener *l;
    kt_task *server = start_echo(&l);
    kt_auto(kt_stream) *s = NULL;
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &s));
    kt_task *sender = spawn(KT_WITH(sends_much, s));
    size_t at = 0, wrong = 0;
    static char block[BLOCK];
    ssize_t n;
    while ((n = kt_stream_read(s, block, BLOCK)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            wrong += block[i] != pattern(at++);
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(at, MUCH);
    CHECK_OK(kt_task_join(sender));
    stop_echo(server, l);
}

KT_FN(chats, a, struct {
    uint16_t port;
    int number;
    int *connected;
    kt_event *all_there;
})
{
    kt_auto(kt_stream) *s = NULL;
    int rc = kt_stream_connect("127.0.0.1", a->port, &s);
    if (rc == 0 && ++*a->connected == CLIENTS)
        kt_event_set(a->all_there);
    if (rc == 0)
        rc = kt_event_wait(a->all_there);
    for (int i = 0; rc == 0 && i < 10; i++) {
        char text[64];
        kt_slice line;
        int size = snprintf(text, sizeof text, "client %d, line %d\n", a->number, i);
        rc = kt_stream_write(s, text, (size_t)size);
        if (rc == 0)
            rc = kt_stream_read_line(s, 100, &line);
        if (rc == 1)
            rc = kt_slice_equal(line, (kt_slice){text, (size_t)size - 1}) ? 0 : -EBADMSG;
    }
    return rc;
}

TEST_WITH(five_hundred_clients_talk_at_once, KT_TEST_REAL_TIME)
{
    struct rlimit files;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 2 * CLIENTS + 50)
        kt_test_skip("only %lu descriptors are allowed", (unsigned long)files.rlim_cur);
    kt_listener *l;
    kt_task *server = start_echo(&l);
    kt_event all_there = KT_EVENT_INIT;
    int connected = 0;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(kt_group_spawn(&g, KT_WITH(chats, kt_listener_port(l), i, &connected, &all_there)));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_EQ(connected, CLIENTS);
    stop_echo(server, l);
}

/* A chatty peer must not keep the others from their turn. */
TEST_WITH(a_stream_that_never_makes_its_reader_wait_lets_others_run, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = pair_open();
    kt_task *echo = spawn(KT_WITH(echoes, kt_steal(p.far)));
    int ticks = 0;
    static char block[4096];
    kt_time start = kt_now();
    while (kt_now() - start < KT_MS(50)) {
        CHECK_OK(kt_stream_write(p.near, block, sizeof block));
        CHECK_OK(kt_stream_read_exactly(p.near, block, sizeof block));
        ticks++;
    }
    CHECK_GT(ticks, 10);
    kt_stream_close(kt_steal(p.near));
    CHECK_OK(kt_task_join(echo));
}
