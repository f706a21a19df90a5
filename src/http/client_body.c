/* SPDX-License-Identifier: MIT */
/* Where a request's body comes from: bytes, a function, or a file. */
#include "http/client.h"

static bool is_bytes(const kt_http_request *q)
{
    return !q->body_read && !q->body_file;
}

int kt__client_body_begin(kt__http_call *c)
{
    const kt_http_request *q = c->request;
    c->has_body = q->body_size > 0 || !is_bytes(q);
    c->body_size = q->body_size;
    if (q->body_read && q->body_file)
        return kt_error_set(-EINVAL, "a body comes either from a function or from a file");
    if (!is_bytes(q) && q->body)
        return kt_error_set(-EINVAL, "a body is either bytes or comes from elsewhere");
    if (is_bytes(q) && q->body_size > 0 && !q->body)
        return kt_error_set(-EINVAL, "a body of %zu bytes that is NULL", q->body_size);
    if (q->body_read && !q->body_size_known)
        c->body_size = KT__HTTP_UNLIMITED;
    if (!q->body_file)
        return 0;
    int64_t size = kt_file_size(q->body_file);
    if (size < 0)
        return (int)size;
    c->body_size = (uint64_t)size;
    return 0;
}

bool kt__client_body_replayable(const kt__http_call *c)
{
    return !c->has_body || !c->body_begun || !c->request->body_read || c->request->body_rewind;
}

int kt__client_body_rewind(kt__http_call *c)
{
    const kt_http_request *q = c->request;
    if (!c->has_body || !c->body_begun)
        return 0;
    if (!kt__client_body_replayable(c))
        return kt_error_set(-ESPIPE, "the body was sent, and cannot be had again");
    c->body_at = 0;
    c->body_begun = false;
    return q->body_read ? q->body_rewind(q->body_arg) : 0;
}

static ssize_t read_bytes(const kt__http_call *c, void *buffer, size_t size)
{
    memcpy(buffer, (const char *)c->request->body + c->body_at, size);
    return (ssize_t)size;
}

static ssize_t checked(const kt__http_call *c, ssize_t n, size_t size)
{
    if (n < 0)
        return n;
    if ((size_t)n > size)
        return kt_error_set(-EINVAL, "body_read gave more than was asked for");
    if (n == 0 && c->body_size != KT__HTTP_UNLIMITED)
        return kt_error_set(-EINVAL, "the body ended %llu bytes before its size",
                            (unsigned long long)(c->body_size - (uint64_t)c->body_at));
    return n;
}

ssize_t kt__client_body_read(kt__http_call *c, void *buffer, size_t size)
{
    const kt_http_request *q = c->request;
    ssize_t n;
    c->body_begun = true;
    if (c->body_size != KT__HTTP_UNLIMITED) {
        uint64_t left = c->body_size - (uint64_t)c->body_at;
        size = left < size ? (size_t)left : size;
    }
    if (size == 0)
        return 0;
    if (q->body_read)
        n = q->body_read(buffer, size, q->body_arg);
    else if (q->body_file)
        n = kt_file_pread(q->body_file, buffer, size, c->body_at);
    else
        n = read_bytes(c, buffer, size);
    n = checked(c, n, size);
    if (n > 0)
        c->body_at += n;
    return n;
}
