/* SPDX-License-Identifier: MIT */

/* Very many at once: connections that are held, programs that come and go. */

#include "stream_pair.h"

#include <kettle/process.h>
#include <kettle/server.h>
#include <sys/resource.h>

enum { CONNECTIONS = 10000, CONNECTING = 500, SPARE = 100, PROGRAMS = 1000, AT_ONCE = 50 };

/* So many connections, both ends in this process, as its limit of descriptors allows. */
static int connections_allowed(void)
{
    const rlim_t needed = 2 * CONNECTIONS + SPARE;
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const struct rlimit more = {.rlim_cur = needed, .rlim_max = limit.rlim_max > needed ? limit.rlim_max : needed};
    if (limit.rlim_cur < needed && setrlimit(RLIMIT_NOFILE, &more) < 0) {
        limit.rlim_cur = limit.rlim_max;
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    }
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    return limit.rlim_cur >= needed ? CONNECTIONS : (int)(limit.rlim_cur - SPARE) / 2;
}

static int echo(kt_stream *s, void *arg)
{
    char bytes[64];
    ssize_t n;
    (void)arg;
    while ((n = kt_stream_read(s, bytes, sizeof bytes)) > 0) {
        int rc = kt_stream_write(s, bytes, (size_t)n);
        if (rc < 0)
            return rc;
    }
    return (int)n;
}

typedef struct crowd {
    uint16_t port;
    int size, there;
    kt_semaphore connecting;
    kt_event all_there;
} crowd;

static int says(kt_stream *s, int number)
{
    char text[32], heard[32];
    int size = snprintf(text, sizeof text, "number %d", number);
    int rc = kt_stream_write(s, text, (size_t)size);
    if (rc == 0)
        rc = kt_stream_read_exactly(s, heard, (size_t)size);
    return rc == 0 && memcmp(text, heard, (size_t)size) != 0 ? -EBADMSG : rc;
}

KT_FN(holds_a_connection, a, struct {
    crowd *c;
    int number;
})
{
    crowd *c = a->c;
    kt_auto(kt_stream) *s = NULL;
    int rc = kt_semaphore_acquire(&c->connecting);
    if (rc < 0)
        return rc;
    rc = kt_stream_connect("127.0.0.1", c->port, &s);
    kt_semaphore_release(&c->connecting);
    if (rc == 0)
        rc = says(s, a->number);
    if (rc == 0 && ++c->there == c->size)
        kt_event_set(&c->all_there);
    if (rc == 0)
        rc = kt_event_wait(&c->all_there);
    return rc == 0 ? says(s, a->number) : rc;
}

TEST_WITH(ten_thousand_connections_are_held_and_all_talk, KT_TEST_REAL_TIME)
{
    kt_listener *l = NULL;
    kt_auto(kt_server) *server = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    crowd c = {.port = kt_listener_port(l), .size = connections_allowed(), .all_there = KT_EVENT_INIT};
    c.connecting = (kt_semaphore)KT_SEMAPHORE_INIT(CONNECTING);
    CHECK_OK(kt_server_start(l, NULL, echo, NULL, &server));
    kt_auto(kt_group) clients = KT_GROUP_INIT;
    for (int i = 0; i < c.size; i++)
        CHECK_OK(kt_group_spawn(&clients, KT_WITH(holds_a_connection, &c, i)));
    CHECK_OK(kt_event_wait(&c.all_there));
    CHECK_EQ(kt_server_connections(server), c.size);
    CHECK_OK(kt_group_join(&clients, 0));
    CHECK_EQ(kt_server_stop(server, KT_S(30)), 0);
}

/* ---- Programs -------------------------------------------------------------------------------- */

KT_FN(runs_a_program, a, struct {
    kt_semaphore *running;
    int number;
    int *ended;
})
{
    char text[16];
    snprintf(text, sizeof text, "%d", a->number);
    const char *const argv[] = {"echo", text, NULL};
    kt_auto(kt_process) *p = NULL;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = kt_semaphore_acquire(a->running);
    if (rc < 0)
        return rc;
    rc = kt_process_spawn(&(kt_process_options){.argv = argv, .output = KT_PROCESS_PIPE}, &p);
    if (rc == 0)
        rc = kt_process_communicate(p, (kt_slice){NULL, 0}, 64, &out, NULL);
    kt_process_close(kt_steal(p));
    kt_semaphore_release(a->running);
    if (rc == 0 && (out.size != strlen(text) + 1 || memcmp(out.data, text, strlen(text)) != 0))
        rc = -EBADMSG;
    *a->ended += rc == 0;
    return rc;
}

TEST_WITH(of_a_thousand_programs_fifty_at_a_time_none_is_lost, KT_TEST_REAL_TIME)
{
    kt_semaphore running = KT_SEMAPHORE_INIT(AT_ONCE);
    int ended = 0;
    kt_auto(kt_group) programs = KT_GROUP_INIT;
    for (int i = 0; i < PROGRAMS; i++)
        CHECK_OK(kt_group_spawn(&programs, KT_WITH(runs_a_program, &running, i, &ended)));
    CHECK_OK(kt_group_join(&programs, 0));
    CHECK_EQ(ended, PROGRAMS);
}
