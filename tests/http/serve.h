/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_SERVE_H
#define TESTS_HTTP_SERVE_H

/* A server and raw clients in one loop, for the tests of src/http. Every wait of a client has a
 * deadline, so that a server that does not answer fails the test rather than hangs it. */

#include <errno.h>
#include <kettle/http.h>
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <stdio.h>
#include <time.h>

#define PATIENCE KT_S(10)

typedef struct site {
    kt_listener *l;
    kt_task *task;
    const kt_http_options *o;
    kt_http_handler handler;
    void *arg;
    int rc;
} site;

static inline int site_task(void *arg)
{
    site *s = *(site **)arg;
    s->rc = kt_http_serve(s->l, s->o, s->handler, s->arg);
    return 0;
}

/* Options and argument may be NULL, and must outlive the site. */
static inline void site_open(site *s, const kt_http_options *o, kt_http_handler handler, void *arg)
{
    *s = (site){.o = o, .handler = handler, .arg = arg};
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &s->l));
    CHECK_OK(kt_spawn(site_task, &s, sizeof s, &s->task));
}

static inline void site_close(site *s)
{
    kt_task_cancel(s->task);
    int rc = kt_task_join(s->task);
    CHECK(rc == 0 || rc == KT_ECANCELED); /* the latter: it had not begun */
    if (rc == 0)
        CHECK_ERR(s->rc, KT_ECANCELED);
    kt_listener_close(s->l);
}

static inline kt_stream *dial(const site *s)
{
    kt_stream *c = NULL;
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(s->l), &c));
    return c;
}

static inline void say(kt_stream *c, const char *text)
{
    CHECK_OK(kt_stream_write(c, text, strlen(text)));
}

/* What has been heard on one connection, terminated. */
typedef struct heard {
    char text[16 * 1024];
    size_t size;
    bool ended;
    int rc; /* with which it ended: 0 for the end of file, or a reset */
} heard;

/* Cuts the Date headers out, whose values change. */
static inline void forget_dates(heard *h)
{
    char *date;
    while ((date = strstr(h->text, "Date: ")) && strstr(date, "\r\n")) {
        char *end = strstr(date, "\r\n") + 2;
        memmove(date, end, strlen(end) + 1);
    }
}

/* Reads on until the end of the connection, or until `until` (if not NULL) is heard. */
static inline const char *hear(kt_stream *c, heard *h, const char *until)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, PATIENCE);
    while (!h->ended && !(until && strstr(h->text, until))) {
        CHECK_LT(h->size, sizeof h->text - 1);
        ssize_t n = kt_stream_read(c, h->text + h->size, sizeof h->text - 1 - h->size);
        if (n == KT_ETIMEDOUT)
            kt_test_fail("no more after: %s", h->text);
        h->ended = n <= 0;
        h->rc = n < 0 ? (int)n : 0;
        h->size += n > 0 ? (size_t)n : 0;
        h->text[h->size] = '\0';
    }
    CHECK_EQ(kt_timeout_end(&limit, 0), 0);
    forget_dates(h);
    h->size = strlen(h->text);
    return h->text;
}

/* One connection: sends the text and checks all that comes until the server closes. */
static inline void converse(const site *s, const char *text, const char *expected)
{
    kt_stream *c = dial(s);
    heard h = {.size = 0};
    say(c, text);
    CHECK_STR(hear(c, &h, NULL), expected);
    CHECK_EQ(h.rc, 0);
    kt_stream_close(c);
}

static inline size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
        n++;
    return n;
}

/* "hello\n" to everything. */
static inline int hello(kt_http_exchange *x, void *arg)
{
    (void)arg;
    return kt_http_respond(x, 200, "text/plain", "hello\n", 6);
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_CLOSE "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define HELLO "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"
#define HELLO_CLOSE \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n" \
    "Connection: close\r\n\r\nhello\n"

#endif
