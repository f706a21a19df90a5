/* SPDX-License-Identifier: MIT */
/* What a handler asks about its request. */
#include <errno.h>
#include <kettle/memory.h>

#include "http/server.h"

kt_slice kt_http_method(const kt_http_exchange *x)
{
    return x->head.method;
}

bool kt_http_method_is(const kt_http_exchange *x, const char *method)
{
    return kt_slice_is(x->head.method, method);
}

kt_slice kt_http_target(const kt_http_exchange *x)
{
    return x->head.target;
}

kt_slice kt_http_path(const kt_http_exchange *x)
{
    return x->path;
}

kt_slice kt_http_query_raw(const kt_http_exchange *x)
{
    return x->head.query;
}

kt_slice kt_http_host(const kt_http_exchange *x)
{
    return x->head.host;
}

kt_slice kt_http_request_header(const kt_http_exchange *x, const char *name)
{
    const kt__http_header *h = kt__http_header_find(x->head.headers, x->head.header_count, name);
    if (!h)
        return (kt_slice){NULL, 0};
    return h->value;
}

bool kt_http_request_header_at(const kt_http_exchange *x, size_t index, kt_slice *ret_name,
                               kt_slice *ret_value)
{
    if (index >= x->head.header_count)
        return false;
    *ret_name = x->head.headers[index].name;
    *ret_value = x->head.headers[index].value;
    return true;
}

/* ---- Body ------------------------------------------------------------------------------------ */

ssize_t kt_http_read(kt_http_exchange *x, void *buffer, size_t size)
{
    if (size == 0)
        return kt_error_set(-EINVAL, "a read of no bytes");
    return x->back->read(x, buffer, size);
}

int kt__http_too_long(kt_http_exchange *x, size_t size_max)
{
    kt__http_fault(x, 413, "body too large for this resource");
    return kt_error_set(KT_ELIMIT, "request body longer than %zu bytes", size_max);
}

int kt_http_read_all(kt_http_exchange *x, size_t size_max, kt_slice *ret_body)
{
    if (x->head.framing == KT__HTTP_LENGTH && x->head.content_length > size_max)
        return kt__http_too_long(x, size_max);
    return x->back->read_all(x, size_max, ret_body);
}

kt_time kt__http_body_patience(const kt_http_exchange *x)
{
    const kt_http_options *o = &x->c->server->o;
    kt_time earned = (kt_time)(x->body_bytes / o->body_rate_min) * KT_S(1);
    kt_time left = o->body_timeout + earned - x->body_waited;
    return left < o->body_timeout ? left : o->body_timeout;
}

int kt__http_trailer_take(kt__http_memory *m, kt_slice name, kt_slice value)
{
    kt_buffer *b = &m->received;
    if (b->size + name.size + value.size > KT__HTTP_TRAILER_BYTES)
        return 0;
    return kt_buffer_printf(b, "%.*s: %.*s\r\n", (int)name.size, name.data, (int)value.size,
                            value.size > 0 ? value.data : "");
}

kt_slice kt_http_request_trailer(const kt_http_exchange *x, const char *name)
{
    kt_slice rest = kt_buffer_slice(&x->m->received);
    size_t name_size = strlen(name);
    while (rest.size > 0) {
        const char *end = memchr(rest.data, '\n', rest.size);
        size_t size = (size_t)(end - rest.data) + 1;
        if (size >= name_size + 4 && rest.data[name_size] == ':' && strncasecmp(rest.data, name, name_size) == 0)
            return (kt_slice){rest.data + name_size + 2, size - name_size - 4};
        rest = (kt_slice){rest.data + size, rest.size - size};
    }
    return (kt_slice){NULL, 0};
}

/* ---- Another protocol ------------------------------------------------------------------------ */

kt_slice kt_http_upgrade_asked(const kt_http_exchange *x)
{
    return x->back->upgrade_asked(x);
}

int kt_http_upgrade(kt_http_exchange *x, const char *protocol, kt_stream **ret_stream)
{
    if (x->state != KT__HTTP_NEW)
        return kt_error_set(KT_EINVALIDSTATE, "the request has been answered already");
    int rc = x->back->upgrade(x, protocol, ret_stream);
    if (rc == 0) {
        kt_http_deadline_set(x, KT_FOREVER);
        x->outlives = true; /* who reads learns of it */
    }
    return rc;
}

/* ---- Query ----------------------------------------------------------------------------------- */

/* Cuts the part before the first `c` off *rest; all of it if there is none. */
static kt_slice cut_at(kt_slice *rest, char c)
{
    const char *found = rest->size ? memchr(rest->data, c, rest->size) : NULL;
    kt_slice part = {rest->data, found ? (size_t)(found - rest->data) : rest->size};
    size_t gone = part.size + (found != NULL);
    *rest = (kt_slice){gone ? rest->data + gone : rest->data, rest->size - gone};
    return part;
}

int kt_http_query(kt_http_exchange *x, const char *name, kt_slice *ret_value)
{
    kt_slice rest = x->head.query, wanted = kt_slice_from(name);
    char *decoded = NULL; /* one buffer, as large as any part can be */
    while (rest.size > 0) {
        kt_slice value = cut_at(&rest, '&');
        kt_slice key = cut_at(&value, '=');
        if (key.size < wanted.size) /* decoding never makes it longer */
            continue;
        if (!decoded)
            decoded = kt_http_alloc(x, x->head.query.size);
        if (!decoded)
            return -ENOMEM;
        ssize_t n = kt__http_unescape(key, KT__HTTP_PLUS, decoded);
        if (n < 0 || !kt_slice_equal((kt_slice){decoded, (size_t)n}, wanted))
            continue;
        n = kt__http_unescape(value, KT__HTTP_PLUS, decoded);
        if (n < 0)
            return kt_error_set(-EINVAL, "bad percent escape in query parameter '%s'", name);
        *ret_value = (kt_slice){decoded, (size_t)n};
        return 1;
    }
    return 0;
}

/* ---- Surroundings ---------------------------------------------------------------------------- */

int kt__http_peer(const kt_http_exchange *x, const char **ret_peer)
{
    kt__http_conn *c = x->c;
    char text[KT__HTTP_PEER_BYTES] = "";
    struct sockaddr_storage address;
    socklen_t size = c->peer ? 0 : kt__http_address_of(c, &address);
    if (size > 0)
        kt_address_format((const struct sockaddr *)(const void *)&address, size, text, sizeof text);
    if (!c->peer && text[0] && !(c->peer = kt_strndup(text, strlen(text))))
        return -ENOMEM;
    *ret_peer = c->peer ? c->peer : "?";
    return 0;
}

const char *kt_http_peer(kt_http_exchange *x)
{
    const char *peer = NULL;
    return kt__http_peer(x, &peer) < 0 ? "?" : peer;
}

bool kt_http_client_closed(const kt_http_exchange *x)
{
    return x->back->client_closed(x);
}

const char *kt_http_scheme(const kt_http_exchange *x)
{
    return x->c->server->o.tls ? "https" : "http";
}

const char *kt_http_version(const kt_http_exchange *x)
{
    if (x->c->is_h2)
        return "HTTP/2";
    return x->head.minor > 0 ? "HTTP/1.1" : "HTTP/1.0";
}

bool kt_http_stopping(const kt_http_exchange *x)
{
    return x->c->server->stopping;
}

void *kt_http_alloc(kt_http_exchange *x, size_t size)
{
    kt__http_arena *a = x->arena;
    size_t units = size / sizeof(max_align_t) + 1;
    if (units <= a->size - a->used) {
        void *p = a->small + a->used;
        a->used += units;
        return p;
    }
    if (size > SIZE_MAX - sizeof(kt__http_block))
        return NULL;
    kt__http_block *b = kt_alloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->next = a->blocks;
    a->blocks = b;
    return b->bytes;
}
