/* SPDX-License-Identifier: MIT */

/* Puts jobs into a beanstalkd or takes them out, on many connections, each waiting for every
 * answer. Protocol: doc/protocol.txt of beanstalkd.
 *
 * usage: beanstalk_client PORT CONNECTIONS put|drain SECONDS
 *
 * put goes on for that long; drain until nothing is left, at most that long. Prints one JSON object
 * with the number of jobs and jobs per second. */

#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY "{\"type\":\"noop\"}"

typedef struct client {
    uint16_t port;
    kt_time end;
    long jobs;
} client;

/* The server's answer, which must begin with `word`: 1, or 0 if it is another. */
static int expect(kt_stream *s, const char *word, kt_slice *ret_line)
{
    int rc = kt_stream_read_line(s, 1024, ret_line);
    if (rc <= 0)
        return rc < 0 ? rc : KT_ECLOSED;
    size_t size = strlen(word);
    return ret_line->size >= size && memcmp(ret_line->data, word, size) == 0;
}

/* Puts one job: 1. */
static int put(kt_stream *s)
{
    char request[64];
    int size = snprintf(request, sizeof request, "put 0 0 60 %zu\r\n%s\r\n", strlen(BODY), BODY);
    int rc = kt_stream_write(s, request, (size_t)size);
    if (rc < 0)
        return rc;
    kt_slice line;
    rc = expect(s, "INSERTED ", &line);
    return rc == 0 ? kt_error_set(KT_EPROTOCOL, "put: %.*s", (int)line.size, line.data) : rc;
}

static int delete(kt_stream *s, unsigned long long id)
{
    char request[64];
    int size = snprintf(request, sizeof request, "delete %llu\r\n", id);
    int rc = kt_stream_write(s, request, (size_t)size);
    if (rc < 0)
        return rc;
    kt_slice line;
    rc = expect(s, "DELETED", &line);
    return rc == 0 ? kt_error_set(KT_EPROTOCOL, "delete: %.*s", (int)line.size, line.data) : rc;
}

/* Takes one job and ends it: 1, or 0 when there is none. */
static int take(kt_stream *s)
{
    static const char request[] = "reserve-with-timeout 0\r\n";
    int rc = kt_stream_write(s, request, sizeof request - 1);
    if (rc < 0)
        return rc;
    kt_slice line;
    rc = expect(s, "RESERVED ", &line);
    if (rc <= 0)
        return rc;
    char numbers[64];
    snprintf(numbers, sizeof numbers, "%.*s", (int)line.size - 9, line.data + 9);
    char *end;
    unsigned long long id = strtoull(numbers, &end, 10);
    char body[256];
    size_t size = strtoul(end, NULL, 10) + 2;
    if (size > sizeof body)
        return kt_error_set(KT_ELIMIT, "job %llu has %zu bytes", id, size);
    rc = kt_stream_read_exactly(s, body, size);
    return rc < 0 ? rc : delete(s, id);
}

static int run_client(client *c, int (*step)(kt_stream *s))
{
    kt_auto(kt_stream) *s = NULL;
    int rc = kt_stream_connect("127.0.0.1", c->port, &s);
    while (rc >= 0 && kt_now() < c->end) {
        rc = step(s);
        if (rc <= 0)
            break;
        c->jobs++;
    }
    return rc;
}

static int put_all(void *arg)
{
    return run_client(*(client **)arg, put);
}

static int take_all(void *arg)
{
    return run_client(*(client **)arg, take);
}

KT_FN(clients, a, struct { client *c; long count; kt_fn fn; })
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    for (long i = 0; i < a->count && rc == 0; i++)
        rc = kt_group_spawn(&g, a->fn, &a->c, sizeof a->c);
    return kt_group_join(&g, rc);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: beanstalk_client PORT CONNECTIONS put|drain SECONDS\n");
        return 2;
    }
    kt_time from = kt_now();
    client c = {.port = (uint16_t)strtoul(argv[1], NULL, 10),
                .end = from + (kt_time)(strtod(argv[4], NULL) * 1e9)};
    int rc = kt_run(KT_WITH(clients, .c = &c, .count = strtol(argv[2], NULL, 10),
                            .fn = strcmp(argv[3], "put") == 0 ? put_all : take_all));
    if (rc < 0) {
        fprintf(stderr, "beanstalk_client: %s (%s)\n", kt_strerror(rc), kt_error_detail());
        return 1;
    }
    printf("{\"jobs\": %ld, \"rate\": %.1f}\n", c.jobs,
           (double)c.jobs / ((double)(kt_now() - from) / 1e9));
    return 0;
}
