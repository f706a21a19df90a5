/* SPDX-License-Identifier: MIT */
/* The API of notes: the subject is a connection's task in kt_notes_http. */
#include "sweep.h"

#include <kettle/notes.h>
#include <kettle/test_disk.h>

#include "http/server.h"

typedef struct page {
    kt_notes_site site;
    const char *method, *path, *body;
    kt_listener *l;
    kt_http_exchange *x;
    unsigned calls;
    int rc;
    char heard[16384];
    size_t size;
} page;

static int handles(void *arg)
{
    page *p = arg;
    if (p->calls++ > 0 && p->x->state != KT__HTTP_NEW)
        return 0; /* without memory in the middle of an answer: it has been cut, and cannot be made again */
    return SWEPT(kt_notes_http, (p->x, &p->site));
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
    return p->rc;
}

static int serves(void *arg)
{
    page *p = arg;
    return kt_http_serve(p->l, &(kt_http_options){.grace = -1}, answers, p);
}

static void ask(page *p)
{
    kt_stream *c = NULL;
    char request[512];
    ssize_t n;
    sure(kt_stream_connect("127.0.0.1", kt_listener_port(p->l), &c));
    int size = snprintf(request, sizeof request,
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        p->method, p->path, strlen(p->body), p->body);
    sure(kt_stream_write(c, request, (size_t)size));
    while (p->size < sizeof p->heard - 1 &&
           (n = kt_stream_read(c, p->heard + p->size, sizeof p->heard - 1 - p->size)) > 0)
        p->size += (size_t)n;
    kt_stream_close(c);
}

/* One request on a notebook with two notes, on a simulated disk. */
static void visit(const char *method, const char *path, const char *body, const char *expected)
{
    page p = {.method = method, .path = path, .body = body};
    kt_test_disk *d = kt_test_disk_open(&(kt_test_disk_options){.whole = true});
    kt_test_disk_use(d);
    sure(kt_test_disk_put(d, "/n/a.md", kt_slice_from("# Alpha\n\none\n\nTags: x\n")));
    sure(kt_test_disk_put(d, "/n/b.md", kt_slice_from("# Beta\n\ntwo\n\nTags:\n")));
    sure(kt_notebook_open("n", 0, &p.site.book));
    sweep_listen(&p.l);
    kt_task *server = spawn(serves, &p, 0);
    turns(2);
    ask(&p);
    CHECK(p.x); /* it had its turn */
    if (sweep_calm())
        CHECK(strstr(p.heard, expected));
    kt_task_cancel(server);
    CHECK_ERR(kt_task_join(server), KT_ECANCELED);
    kt_listener_close(p.l);
    kt_auto(kt_note) n = KT_NOTE_INIT;
    sure(kt_notebook_get(p.site.book, "b", &n));
    kt_notebook_close(p.site.book);
    kt_test_disk_close(d);
}

#define BY_JOBS (SUSPENDS | ALLOCATES | WHOLE | SPARES | WINS | TELLS | REAL)

SWEEP(kt_notes_http, BY_JOBS)
{
    visit("GET", "/api/notes", "", "\"total\":2");
}

SWEEP_AS(kt_notes_http, search, BY_JOBS)
{
    visit("GET", "/api/notes?q=two", "", "\"name\":\"b\"");
}

SWEEP_AS(kt_notes_http, note, BY_JOBS)
{
    visit("GET", "/api/notes/a", "", "\"body\":\"one\"");
}

SWEEP_AS(kt_notes_http, stats, BY_JOBS)
{
    visit("GET", "/api/stats", "", "\"notes\":2");
}

SWEEP_AS(kt_notes_http, add, BY_JOBS)
{
    visit("POST", "/api/notes", "{\"title\": \"Gamma\"}", "HTTP/1.1 201");
}

SWEEP_AS(kt_notes_http, change, BY_JOBS)
{
    visit("PUT", "/api/notes/a", "{\"body\": \"new\"}", "\"body\":\"new\"");
}

SWEEP_AS(kt_notes_http, remove, BY_JOBS)
{
    visit("DELETE", "/api/notes/a", "{}", "\"removed\":\"a\"");
}

SWEEP_AS(kt_notes_http, stranger, BY_JOBS)
{
    visit("GET", "/api/nothing", "", "HTTP/1.1 404");
}
