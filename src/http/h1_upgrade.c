/* SPDX-License-Identifier: MIT */

/* An HTTP/1.1 connection that goes on with another protocol (RFC 9110 section 7.8). It may last for hours, so the
 * memory of a busy connection is given back; what its handler may still ask about is copied apart before it begins. */
#include <errno.h>
#include <kettle/memory.h>
#include <kettle/stream_backend.h>

#include "http/parser_internal.h"
#include "http/server.h"

/* ---- Keeping --------------------------------------------------------------------------------- */

bool kt__http_may_upgrade(const kt__http_head *head)
{
    /* A server must ignore it from HTTP/1.0; and behind a body nobody could tell whose bytes follow. */
    return head->upgrade && head->minor > 0 && head->framing == KT__HTTP_NO_BODY;
}

kt__http_kept *kt__http_keep(const kt_http_exchange *x)
{
    const kt__http_work *w = x->w;
    size_t count = x->head.header_count, head_bytes = w->body_at - w->head_at;
    kt__http_kept *k = kt_alloc(sizeof *k + count * sizeof k->headers[0] + head_bytes);
    if (!k)
        return NULL;
    memset(&k->arena, 0, sizeof k->arena);
    char *bytes = (char *)(k->headers + count);
    memcpy(bytes, w->in + w->head_at, head_bytes);
    if (count > 0)
        memcpy(k->headers, x->head.headers, count * sizeof k->headers[0]);
    k->x = *x;
    k->x.arena = &k->arena;
    k->x.head.headers = k->headers;
    kt__http_head_move(&k->x.head, k->headers, (uintptr_t)(w->in + w->head_at), head_bytes, bytes);
    return k;
}

void kt__http_kept_free(kt__http_kept *k)
{
    if (!k)
        return;
    kt__http_arena_clear(&k->arena);
    kt_free(k);
}

/* ---- Upgrading ------------------------------------------------------------------------------- */

kt_slice kt__h1_upgrade_asked(const kt_http_exchange *x)
{
    if (!kt__http_may_upgrade(&x->head))
        return (kt_slice){NULL, 0};
    for (size_t i = 0; i < x->head.header_count; i++) {
        const kt__http_header *h = &x->head.headers[i];
        kt_slice list = h->value, protocol;
        if (kt__http_same(h->name.data, h->name.size, "upgrade") && kt__http_list_next(&list, &protocol))
            return protocol;
    }
    return (kt_slice){NULL, 0};
}

static bool asks_for(const kt_http_exchange *x, const char *protocol)
{
    return kt__http_may_upgrade(&x->head) &&
           kt__http_headers_have(x->head.headers, x->head.header_count, "upgrade", protocol);
}

/* Composes the head and gives the stream what was received behind the request. 0, or -ENOMEM and nothing has begun.
 * The lock is held. */
static int prepare(kt_http_exchange *x, const kt__http_answer *a)
{
    kt__http_work *w = x->w;
    size_t before = w->out.size;
    int rc = kt__http_compose(x, a, 0);
    if (rc == 0)
        rc = kt_stream_unread(x->c->stream, w->in + w->at, w->end - w->at);
    if (rc < 0)
        w->out.size = before;
    return rc;
}

/* What an exchange has of buffers once it has no use for any: nothing may be written there. */
static const kt__http_memory no_memory;

static int answer(kt_http_exchange *x, const kt__http_answer *a)
{
    kt__http_conn *c = x->c;
    int rc = kt_lock_acquire(&c->writing);
    if (rc < 0)
        return rc;
    rc = prepare(x, a);
    if (rc == 0) {
        x->state = KT__HTTP_DONE;
        x->status = a->status;
        x->body_done = true;
        rc = kt__http_send(c, NULL, 0);
        x->m = (kt__http_memory *)(uintptr_t)&no_memory;
        x->w = NULL;
        kt__http_work_give(c->server, kt_steal(c->work));
    }
    kt_lock_release(&c->writing);
    return rc;
}

int kt__h1_upgrade(kt_http_exchange *x, const char *protocol, kt_stream **ret_stream)
{
    if (!asks_for(x, protocol))
        return kt_error_set(-EINVAL, "the request does not ask for '%.100s'", protocol);
    const kt__http_answer a = {
        .status = 101,
        .framing = KT__HTTP_EMPTY,
        .keep = true,
        .minor = 1,
        .upgrade = protocol,
    };
    int rc = answer(x, &a);
    if (rc < 0)
        return rc;
    *ret_stream = x->c->stream;
    return 0;
}
