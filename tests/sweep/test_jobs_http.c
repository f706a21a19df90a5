/* SPDX-License-Identifier: MIT */
/* The API of the job system: the subject is a connection's task in kt_jobs_http. */
#include "jobs_shop.h"

#include <ctype.h>

#include "http/server.h"

typedef struct page {
    shop shop; /* first */
    const char *method, *path, *body;
    kt_listener *l;
    kt_http_exchange *x;
    unsigned calls;
    bool stopped; /* the server was, since the answer would not end by itself */
    int rc;
    char heard[32768];
    size_t size;
} page;

/* What was answered when nothing was done to it, numbers and times as 0: so that a field left out for want of
 * memory shows. */
static char whole[sizeof((page *)0)->heard];

static int handles(void *arg)
{
    page *p = arg;
    if (p->calls++ > 0 && p->x->state != KT__HTTP_NEW)
        return 0; /* without memory in the middle of an answer: it has been cut, and cannot be made again */
    int rc = SWEPT(kt_jobs_http, (p->x, p->shop.j));
    bool by_stop = kt_is_cancel(rc) && p->stopped && (!sweep_struck() || sweep_starved());
    return by_stop ? 0 : rc;
}

/* Stands for an earlier answer that is still being written: so that every answer has to wait. */
static int writes(void *arg)
{
    kt__http_conn *c = *(kt__http_conn **)arg;
    sure(kt_lock_acquire(&c->writing));
    turns(4);
    kt_lock_release(&c->writing);
    return 0;
}

static int answers(kt_http_exchange *x, void *arg)
{
    page *p = arg;
    p->x = x;
    kt_task *writer = spawn(writes, &x->c, sizeof x->c);
    turns(1);
    p->rc = sweep_subject(handles, p);
    kt_cancel_hold();
    sure(kt_task_join(writer));
    kt_cancel_unhold();
    p->shop.acted = true;
    return p->rc;
}

static int serves(void *arg)
{
    page *p = arg;
    return kt_http_serve(p->l, &(kt_http_options){.grace = -1}, answers, p);
}

/* ---- The client ------------------------------------------------------------------------------ */

static void ask(page *p, kt_stream *c)
{
    char request[512];
    int size = snprintf(request, sizeof request,
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        p->method, p->path, strlen(p->body), p->body);
    sure(kt_stream_write(c, request, (size_t)size));
}

/* Reads until `end` was heard, NULL: to the end of the stream, which may be a rude one. */
static void hear(page *p, kt_stream *c, const char *end)
{
    while (!end || !strstr(p->heard, end)) {
        ssize_t n = kt_stream_read(c, p->heard + p->size, sizeof p->heard - 1 - p->size);
        if (n <= 0)
            break;
        p->size += (size_t)n;
        CHECK_LT(p->size, sizeof p->heard - 1);
    }
}

static bool is_number(int c)
{
    return c && strchr("0123456789.eE+-", c);
}

/* The answer's body, every number one 0. */
static const char *plain(page *p)
{
    char *from = strstr(p->heard, "\r\n\r\n"), *to = from;
    if (!from)
        return "";
    const char *start = from;
    while (*from) {
        *to++ = isdigit((unsigned char)*from) ? '0' : *from;
        bool more = isdigit((unsigned char)*from++);
        while (more && is_number(*from))
            from++;
    }
    *to = '\0';
    return start;
}

static void check_heard(page *p)
{
    const char *text = plain(p);
    if (sweep_calm()) {
        CHECK_GT(strlen(text), 2);
        snprintf(whole, sizeof whole, "%s", text);
    } else if (p->rc >= 0 && p->calls == 1 && *text) { /* what follows a cancellation may be nothing */
        CHECK_STR(text, whole);
    }
}

/* ---- A visit --------------------------------------------------------------------------------- */

/* One job that has ended, one that failed, one that waits for its time. */
static void fill(shop *s)
{
    const kt_jobs_new later = {.type = "sleep", .args = kt_slice_from("{\"seconds\": 0}"), .delay = KT_S(3600)};
    (void)shop_submit(s, "sleep", "{\"seconds\": 0}");
    (void)shop_submit(s, "inside", "{\"argv\": [\"tea\"]}");
    sure(kt_jobs_submit(s->j, &later, 1, s->ids, NULL));
    while (shop_state(s, 2) != KT__JOB_DEAD)
        settle();
    shop_until_idle(s);
}

static void visiting(shop *s)
{
    page *p = (page *)s;
    bool endless = strstr(p->path, "events");
    kt_stream *c = NULL;
    shop_begin(s);
    fill(s);
    sweep_listen(&p->l);
    kt_task *server = spawn(serves, p, 0);
    sure(kt_stream_connect("127.0.0.1", kt_listener_port(p->l), &c));
    ask(p, c);
    while (!p->x || (!s->acted && !endless))
        settle();
    hear(p, c, endless ? "\n\n" : NULL);
    while ((sweep_struck() || sweep_aims()) && !sweep_starved() && !s->acted)
        settle(); /* it ends by itself */
    p->stopped = true;
    kt_task_cancel(server);
    CHECK_ERR(kt_task_join(server), KT_ECANCELED);
    kt_stream_close(c);
    kt_listener_close(p->l);
    CHECK(s->acted);
    check_heard(p);
    shop_end(s);
}

static void visit(const char *method, const char *path, const char *body)
{
    page p = {.shop = {.scenario = visiting}, .method = method, .path = path, .body = body};
    shop_run(&p.shop);
}

enum { HTTP = SUSPENDS | ALLOCATES | SPARES | WHOLE | WINS | SHOP };

SWEEP(kt_jobs_http, HTTP)
{
    visit("GET", "/v1/jobs", "");
}

SWEEP_AS(kt_jobs_http, one, HTTP)
{
    visit("GET", "/v1/jobs/2", "");
}

SWEEP_AS(kt_jobs_http, submit, HTTP)
{
    visit("POST", "/v1/jobs", "[{\"type\": \"sleep\", \"args\": {\"seconds\": 0}, \"priority\": 3}]");
}

SWEEP_AS(kt_jobs_http, cancel, HTTP)
{
    visit("POST", "/v1/jobs/3/cancel", "");
}

SWEEP_AS(kt_jobs_http, types, HTTP)
{
    visit("GET", "/v1/types", "");
}

SWEEP_AS(kt_jobs_http, refused, HTTP)
{
    visit("POST", "/v1/jobs", "{\"type\": \"sleep\", \"args\": {\"seconds\": \"long\"}}");
}

/* It lasts until the scenario cancels it, also after a system call that failed. */
SWEEP_AS(kt_jobs_http, events, HTTP | UNREFUSED)
{
    visit("GET", "/v1/events", "");
}
