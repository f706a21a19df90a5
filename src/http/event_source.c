/* SPDX-License-Identifier: MIT */
/* Events to many clients: one history, and a place in it for each client. */
#include <errno.h>
#include <inttypes.h>
#include <kettle/memory.h>
#include <kettle/timeout.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "http/server.h"

#include <kettle/http_events.h>

#define HISTORY_MAX 256
#define HISTORY_BYTES_MAX ((size_t)1024 * 1024)
#define HEARTBEAT KT_S(15)
#define ID_BYTES 48

/* As it is sent. The history has one reference, and whoever is writing it. */
typedef struct entry {
    unsigned references;
    size_t size;
    char bytes[];
} entry;

/* Entry number n is in history[n % history_max] as long as first <= n < next. */
struct kt_http_event_source {
    kt_http_event_source_options o;
    uint64_t birth;       /* random: tells the ids of this source from those of an earlier one */
    uint64_t first, next;
    size_t bytes;
    size_t clients;
    bool closed;
    kt_event news;        /* set, and cleared at once, for those who wait */
    entry *history[];
};

int kt_http_event_source_new(const kt_http_event_source_options *options, kt_http_event_source **ret_source)
{
    kt_http_event_source_options o = options ? *options : (kt_http_event_source_options){.retry = 0};
    if (o.history_max == 0)
        o.history_max = HISTORY_MAX;
    if (o.history_bytes_max == 0)
        o.history_bytes_max = HISTORY_BYTES_MAX;
    if (o.heartbeat == 0)
        o.heartbeat = HEARTBEAT;
    kt_http_event_source *s = kt_calloc(1, sizeof *s + o.history_max * sizeof s->history[0]);
    if (!s)
        return -ENOMEM;
    s->o = o;
    s->news = (kt_event)KT_EVENT_INIT;
    s->first = s->next = 1;
    if (getrandom(&s->birth, sizeof s->birth, 0) != (ssize_t)sizeof s->birth) {
        kt_free(s);
        return kt_error_set(-EIO, "getrandom(2) gave no number for a source of events");
    }
    *ret_source = s;
    return 0;
}

static void drop(entry *e)
{
    if (--e->references == 0)
        kt_free(e);
}

static void forget_first(kt_http_event_source *s)
{
    entry *e = s->history[s->first++ % s->o.history_max];
    s->bytes -= e->size;
    drop(e);
}

static void release(kt_http_event_source *s)
{
    while (s->first < s->next)
        forget_first(s);
    kt_free(s);
}

static void tell(kt_http_event_source *s)
{
    kt_event_set(&s->news);
    kt_event_clear(&s->news);
}

void kt_http_event_source_free(kt_http_event_source *s)
{
    if (!s)
        return;
    s->closed = true;
    if (s->clients == 0)
        release(s);
    else
        tell(s); /* the last one to leave releases it */
}

size_t kt_http_event_source_clients(const kt_http_event_source *s)
{
    return s->clients;
}

int kt_http_event_source_send(kt_http_event_source *s, const char *event, const void *data, size_t size)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    char id[ID_BYTES];
    snprintf(id, sizeof id, "%016" PRIx64 "-%" PRIu64, s->birth, s->next);
    int rc = kt__http_event_put(&b, event, id, data, size);
    if (rc < 0)
        return rc;
    if (b.size > s->o.history_bytes_max)
        return kt_error_set(KT_ELIMIT, "an event of more bytes than the history has");
    entry *e = kt_alloc(sizeof *e + b.size);
    if (!e)
        return -ENOMEM;
    e->references = 1;
    e->size = b.size;
    memcpy(e->bytes, b.data, b.size);
    while (s->next - s->first >= s->o.history_max || s->bytes + b.size > s->o.history_bytes_max)
        forget_first(s);
    s->history[s->next++ % s->o.history_max] = e;
    s->bytes += e->size;
    tell(s);
    return 0;
}

/* ---- One client -------------------------------------------------------------------------------------- */

/* The number of the event that the client wants first. */
static uint64_t place_of(const kt_http_event_source *s, const kt_http_exchange *x)
{
    kt_slice last = kt_http_request_header(x, "Last-Event-ID");
    char id[ID_BYTES], birth[24];
    if (!last.data)
        return s->o.replay_new ? s->first : s->next;
    if (last.size >= sizeof id)
        return s->first;
    memcpy(id, last.data, last.size);
    id[last.size] = '\0';
    int size = snprintf(birth, sizeof birth, "%016" PRIx64 "-", s->birth);
    if (strncmp(id, birth, (size_t)size) != 0)
        return s->first;
    char *end;
    uint64_t number = strtoull(id + size, &end, 10);
    return *end || number >= s->next ? s->first : number + 1;
}

/* 1: there is news; 0: it is time for a heartbeat. */
static int wait_for_news(kt_http_event_source *s)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    if (s->o.heartbeat > 0)
        kt_timeout_start(&limit, s->o.heartbeat);
    int rc = kt_event_wait(&s->news);
    bool expired = s->o.heartbeat > 0 && kt_timeout_expired(&limit);
    if (s->o.heartbeat > 0)
        rc = kt_timeout_end(&limit, rc);
    if (rc == KT_ETIMEDOUT && expired)
        return 0;
    return rc < 0 ? rc : 1;
}

/* The history goes on while it is written. */
static int write_entry(const kt_http_event_source *s, kt_http_exchange *x, uint64_t number)
{
    entry *e = s->history[number % s->o.history_max];
    e->references++;
    int rc = kt_http_write(x, e->bytes, e->size);
    drop(e);
    return rc;
}

static int stream(kt_http_event_source *s, kt_http_exchange *x, uint64_t at)
{
    int rc = 0;
    while (rc >= 0 && (!s->closed || at < s->next)) {
        if (at < s->first && s->o.close_slow)
            return kt_error_set(KT_ELIMIT, "a client reads events too slowly");
        if (at < s->first)
            at = s->first;
        if (at == s->next) {
            rc = wait_for_news(s);
            if (rc == 0)
                rc = kt_http_event_comment(x, "");
            continue;
        }
        rc = write_entry(s, x, at++);
    }
    return rc < 0 ? rc : 0;
}

int kt_http_event_source_serve(kt_http_event_source *s, kt_http_exchange *x)
{
    char text[48];
    uint64_t at = place_of(s, x); /* before anything suspends: from now on nothing is missed */
    s->clients++;
    int rc = kt_http_events_start(x);
    bool head = rc == 0 && x->bodiless;
    if (rc == 0 && !head && s->o.retry > 0) {
        int n = snprintf(text, sizeof text, "retry: %" PRId64 "\n\n", s->o.retry / KT_MS(1));
        rc = kt_http_write(x, text, (size_t)n);
    }
    if (rc == 0 && !head)
        rc = stream(s, x, at < s->first ? s->first : at);
    if (--s->clients == 0 && s->closed)
        release(s);
    return rc;
}
