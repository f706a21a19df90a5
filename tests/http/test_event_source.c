/* SPDX-License-Identifier: MIT */
/* Events to many clients. */
#include "serve.h"

#include <kettle/http_events.h>

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

typedef struct news {
    kt_http_event_source *source;
    site s;
    int rc;
} news;

static int serves(kt_http_exchange *x, void *arg)
{
    news *n = arg;
    return n->rc = kt_http_event_source_serve(n->source, x);
}

static void open_news(news *n, const kt_http_event_source_options *o)
{
    static const kt_http_options server = {.grace = -1};
    CHECK_OK(kt_http_event_source_new(o, &n->source));
    site_open(&n->s, &server, serves, n);
}

static kt_stream *join_news(news *n, const char *method, const char *headers)
{
    char text[256];
    size_t before = kt_http_event_source_clients(n->source);
    kt_stream *c = dial(&n->s);
    snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, headers);
    say(c, text);
    while (strcmp(method, "GET") == 0 && kt_http_event_source_clients(n->source) == before)
        CHECK_OK(kt_sleep(KT_MS(1)));
    return c;
}

static void send_text(news *n, const char *text)
{
    CHECK_OK(kt_http_event_source_send(n->source, "t", text, strlen(text)));
}

/* The id of the event with this data. */
static void id_of(const char *answer, const char *text, char id[64])
{
    char data[64];
    snprintf(data, sizeof data, "\ndata: %s\n", text);
    const char *end = strstr(answer, data);
    CHECK(end);
    const char *start = end;
    while (strncmp(start, "id: ", 4) != 0)
        start--;
    snprintf(id, 64, "%.*s", (int)(end - start - 4), start + 4);
}

WITH_SERVER(every_client_gets_every_event)
{
    news n;
    heard h[2] = {{.size = 0}, {.size = 0}};
    open_news(&n, &(kt_http_event_source_options){.retry = KT_S(2)});
    send_text(&n, "before");
    kt_stream *c[] = {join_news(&n, "GET", ""), join_news(&n, "GET", "")};
    send_text(&n, "one");
    send_text(&n, "two\nlines");
    for (int i = 0; i < 2; i++) {
        const char *answer = hear(c[i], &h[i], "data: lines\n\n");
        CHECK(strstr(answer, "retry: 2000\n\n"));
        CHECK(strstr(answer, "event: t\nid: "));
        CHECK(!strstr(answer, "before"));
        kt_stream_close(c[i]);
    }
    kt_http_event_source_free(n.source);
    site_close(&n.s);
}

WITH_SERVER(who_comes_back_goes_on_where_he_was)
{
    news n;
    heard h = {.size = 0}, again = {.size = 0}, stranger = {.size = 0};
    char id[64], header[128];
    open_news(&n, NULL);
    kt_stream *c = join_news(&n, "GET", "");
    send_text(&n, "one");
    id_of(hear(c, &h, "data: one\n\n"), "one", id);
    kt_stream_close(c);
    send_text(&n, "two");
    send_text(&n, "three");
    snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", id);
    c = join_news(&n, "GET", header);
    CHECK(!strstr(hear(c, &again, "data: three\n\n"), "data: one"));
    CHECK(strstr(again.text, "data: two"));
    kt_stream_close(c);
    c = join_news(&n, "GET", "Last-Event-ID: 0123456789abcdef-7\r\n"); /* of another source: all there is */
    CHECK(strstr(hear(c, &stranger, "data: three\n\n"), "data: one"));
    kt_stream_close(c);
    kt_http_event_source_free(n.source);
    site_close(&n.s);
}

WITH_SERVER(the_history_is_bounded_and_who_falls_behind_it_loses_or_leaves)
{
    for (int close_slow = 0; close_slow < 2; close_slow++) {
        news n;
        heard h = {.size = 0};
        open_news(&n, &(kt_http_event_source_options){.history_max = 2, .close_slow = close_slow});
        kt_stream *c = join_news(&n, "GET", "");
        hear(c, &h, "\r\n\r\n"); /* it waits for news now */
        for (int i = 0; i < 5; i++)
            send_text(&n, (const char *[]){"one", "two", "three", "four", "five"}[i]);
        const char *answer = hear(c, &h, close_slow ? NULL : "data: five\n\n");
        CHECK(!strstr(answer, "data: three"));
        CHECK_EQ(strstr(answer, "data: four") != NULL, !close_slow);
        if (close_slow)
            CHECK_ERR(n.rc, KT_ELIMIT);
        kt_stream_close(c);
        kt_http_event_source_free(n.source);
        site_close(&n.s);
    }
}

WITH_SERVER(a_silent_source_sends_heartbeats_and_one_that_is_freed_ends)
{
    news n;
    heard h = {.size = 0}, head = {.size = 0};
    open_news(&n, &(kt_http_event_source_options){.heartbeat = KT_MS(1)});
    kt_stream *c = join_news(&n, "GET", ""), *other = join_news(&n, "HEAD", "Connection: close\r\n");
    hear(c, &h, ": \n\n");
    hear(other, &head, NULL);
    CHECK(!strstr(head.text, ": \n"));
    kt_stream_close(other);
    const char *line_end = "a\nb";
    CHECK_ERR(kt_http_event_source_send(n.source, line_end, NULL, 0), -EINVAL);
    kt_http_event_source_free(n.source);
    hear(c, &h, "0\r\n\r\n");
    CHECK_EQ(n.rc, 0);
    kt_stream_close(c);
    site_close(&n.s);
}
