/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SWEEP_HTTP_SITE_H
#define TESTS_SWEEP_HTTP_SITE_H

/* An HTTP server with two clients in one loop. The subject is the handler of "/subject", which one of
 * them asks for; the other is the one who must not be harmed. */

#include "sweep.h"

#include <kettle/http.h>

#include "http/server.h"

typedef struct site {
    kt_fn before; /* called with the site in the handler, before the subject; or NULL */
    kt_fn act;    /* the subject, also called with the site */
    kt_fn after;  /* or NULL */
    bool busy;    /* an earlier answer is still being written when the subject begins */

    kt_listener *l;
    kt_task *task;
    kt_http_exchange *x;
    int rc;      /* what the subject returned */
    char text[2048]; /* the beginning of what its client heard */
    size_t size; /* of all that it heard */
} site;

enum { MUCH = 1000 * 1000 }; /* more than the sockets hold while nobody reads */

/* Stands for the flusher that waits for a slow client. */
static inline int site__writes(void *arg)
{
    kt__http_conn *c = *(kt__http_conn **)arg;
    sure(kt_lock_acquire(&c->writing));
    turns(4);
    kt_lock_release(&c->writing);
    return 0;
}

static inline int site__subject(site *s, kt_http_exchange *x)
{
    kt_task *writer = NULL;
    s->x = x;
    if (s->before)
        sure(s->before(s));
    if (s->busy) {
        writer = spawn(site__writes, &x->c, sizeof x->c);
        turns(2);
    }
    s->rc = sweep_subject(s->act, s);
    kt_cancel_hold(); /* what struck the subject is not the others' affair */
    if (writer)
        sure(kt_task_join(writer));
    if (s->after)
        sure(s->after(s));
    kt_cancel_unhold();
    return s->rc;
}

static inline int site__answers(kt_http_exchange *x, void *arg)
{
    if (kt_slice_is(kt_http_path(x), "/subject"))
        return site__subject(arg, x);
    return kt_http_respond(x, 200, "text/plain", "hello\n", 6);
}

static inline int site__serves(void *arg)
{
    site *s = arg;
    return kt_http_serve(s->l, NULL, site__answers, s);
}

static inline void site_open(site *s)
{
    sweep_listen(&s->l);
    s->task = spawn(site__serves, s, 0);
    turns(2);
}

static inline void site_close(site *s)
{
    kt_task_cancel(s->task);
    CHECK_ERR(kt_task_join(s->task), KT_ECANCELED);
    kt_listener_close(s->l);
}

static inline kt_stream *dial(const site *s)
{
    kt_stream *c = NULL;
    sure(kt_stream_connect("127.0.0.1", kt_listener_port(s->l), &c));
    return c;
}

static inline void say(kt_stream *c, const char *text)
{
    sure(kt_stream_write(c, text, strlen(text)));
}

/* Reads to the end, which may be a rude one. */
static inline void hear(site *s, kt_stream *c)
{
    static char bytes[65536];
    ssize_t n;
    while ((n = kt_stream_read(c, bytes, sizeof bytes)) > 0) {
        size_t room = s->size < sizeof s->text - 1 ? sizeof s->text - 1 - s->size : 0;
        memcpy(s->text + s->size * (room > 0), bytes, (size_t)n < room ? (size_t)n : room);
        s->size += (size_t)n;
    }
}

static inline bool heard(const site *s, const char *word)
{
    return strstr(s->text, word);
}

/* No header, and no answer, comes twice. */
static inline bool heard_once(const site *s, const char *word)
{
    const char *first = strstr(s->text, word);
    return first && !strstr(first + 1, word);
}

#define HTTP_REQUEST(line, headers) line " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" headers "\r\n"
#define HTTP_GET HTTP_REQUEST("GET /subject", "")

static inline void check_served(kt_stream *c)
{
    char bytes[512] = "";
    say(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (size_t n = 0; !strstr(bytes, "\r\n\r\nhello\n");) {
        ssize_t more = kt_stream_read(c, bytes + n, sizeof bytes - 1 - n);
        CHECK_GT(more, 0);
        n += (size_t)more;
    }
    CHECK_EQ(strncmp(bytes, "HTTP/1.1 200 ", 13), 0);
}

/* One visit to the subject. `later`, if not NULL, is sent when the subject has begun. The neighbour asks
 * only afterwards, so that the subject does not find memory that was needed before. */
static inline void visit(site *s, const char *request, const char *later)
{
    site_open(s);
    kt_stream *neighbour = dial(s), *client = dial(s);
    say(client, request);
    if (later) {
        turns(8);
        say(client, later);
    }
    hear(s, client);
    kt_stream_close(client);
    CHECK(s->x); /* it had its turn */
    check_served(neighbour);
    kt_stream_close(neighbour);
    site_close(s);
}

#endif
