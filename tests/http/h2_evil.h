/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_H2_EVIL_H
#define TESTS_HTTP_H2_EVIL_H

/* Servers of HTTP/2 that say what a test wants, for the tests of the client. */

#include "client_site.h"

#include "h2_client.h"

/* A server of frames. `acts` gets the stream of the first request and writes what it likes; then the server sits there
 * and never speaks again. */
typedef struct evil {
    net n;
    kt_listener *l;
    kt_task *task;
    kt_http_session *web;
    void (*acts)(peer *p, uint32_t id);
    int connections, dropped;
    bool bare;          /* the first connection begins without its SETTINGS */
    size_t segment_max; /* of the simulated network; 0: whole */
} evil;

/* Writes as far as the client lets us. */
static inline void spill(peer *p, const void *bytes, size_t size)
{
    (void)!kt_stream_write(p->c, bytes, size);
}

static inline void put_frame(kt_buffer *b, unsigned type, unsigned flags, uint32_t id, const void *bytes, size_t size)
{
    uint8_t head[9] = {(uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, (uint8_t)type, (uint8_t)flags,
                       (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    CHECK_OK(kt_buffer_append(b, head, sizeof head));
    CHECK_OK(kt_buffer_append(b, bytes, size));
}

static inline bool hears_frame(peer *p)
{
    uint8_t head[9];
    size_t size;
    if (kt_stream_read_exactly(p->c, head, sizeof head) < 0)
        return false;
    size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    p->f.type = head[3];
    p->f.flags = head[4];
    p->f.id = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
    p->f.size = size;
    CHECK_LE(size, sizeof p->f.bytes);
    return kt_stream_read_exactly(p->c, p->f.bytes, size) == 0;
}

KT_FN(serves_evil, a, struct { evil *e; kt_stream *s; })
{
    peer *p = kt_calloc(1, sizeof *p);
    char preface[24];
    CHECK(p);
    p->c = a->s;
    kt_buffer settings = KT_BUFFER_INIT;
    put_frame(&settings, SETTINGS, 0, 0, NULL, 0);
    put_frame(&settings, SETTINGS, ACK, 0, NULL, 0);
    bool there = kt_stream_read_exactly(p->c, preface, sizeof preface) == 0;
    if (!a->e->bare || a->e->connections > 1)
        spill(p, settings.data, settings.size);
    kt_buffer_release(&settings);
    while (there && hears_frame(p)) /* until it is dropped */
        if (p->f.type == HEADERS)
            a->e->acts(p, p->f.id);
    a->e->dropped++;
    kt_stream_close(p->c);
    kt_free(p);
    return 0;
}

KT_FN(accepts_evil, a, struct { evil *e; })
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    while (rc == 0) {
        kt_stream *s = NULL;
        rc = kt_listener_accept(a->e->l, &s);
        a->e->connections += rc == 0;
        if (rc == 0)
            rc = kt_group_spawn(&g, KT_WITH(serves_evil, .e = a->e, .s = s));
    }
    return kt_group_join(&g, rc);
}

static inline void evil_open(evil *e, kt_http_session_options o)
{
    o.version = KT_HTTP_2;
    e->n = net_open((kt_test_network_options){.segment_max = e->segment_max});
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &e->l));
    CHECK_OK(kt_spawn(KT_WITH(accepts_evil, .e = e), &e->task));
    e->web = session_for(kt_listener_port(e->l), o);
}

static inline void evil_close(evil *e)
{
    kt_http_session_close(e->web);
    kt_task_cancel(e->task);
    CHECK_ERR(kt_task_join(e->task), KT_ECANCELED);
    kt_listener_close(e->l);
    net_cleanup(&e->n);
}

#endif
