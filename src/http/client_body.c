/* SPDX-License-Identifier: MIT */
/* Where a request's body comes from: bytes, a function, or a file. */
#include "http/client.h"

int kt__client_body_begin(kt__client_body *b, const kt_http_request *q)
{
    bool is_bytes = !q->body_read && !q->body_file;
    if (q->body_read && q->body_file)
        return kt_error_set(-EINVAL, "a body comes either from a function or from a file");
    if (!is_bytes && q->body)
        return kt_error_set(-EINVAL, "a body is either bytes or comes from elsewhere");
    if (is_bytes && q->body_size > 0 && !q->body)
        return kt_error_set(-EINVAL, "a body of %zu bytes that is NULL", q->body_size);
    *b = (kt__client_body){.is_there = q->body_size > 0 || !is_bytes,
                           .size = q->body_read && !q->body_size_known ? KT__HTTP_UNLIMITED : q->body_size,
                           .bytes = q->body,
                           .read = q->body_read,
                           .file = q->body_file,
                           .rewind = q->body_rewind,
                           .arg = q->body_arg};
    int64_t size = b->file ? kt_file_size(b->file) : 0;
    if (size < 0)
        return (int)size;
    b->size = b->file ? (uint64_t)size : b->size;
    return 0;
}

bool kt__client_body_replayable(const kt__client_body *b)
{
    return !b->is_there || !b->begun || !b->read || b->rewind;
}

int kt__client_body_rewind(kt__client_body *b)
{
    if (!b->is_there || !b->begun)
        return 0;
    if (!kt__client_body_replayable(b))
        return kt_error_set(-ESPIPE, "the body was sent, and cannot be had again");
    b->at = 0;
    b->begun = false;
    return b->read ? b->rewind(b->arg) : 0;
}

static ssize_t read_bytes(const kt__client_body *b, void *buffer, size_t size)
{
    memcpy(buffer, b->bytes + b->at, size);
    return (ssize_t)size;
}

static ssize_t checked(const kt__client_body *b, ssize_t n, size_t size)
{
    if (n < 0)
        return n;
    if ((size_t)n > size)
        return kt_error_set(-EINVAL, "body_read gave more than was asked for");
    if (n == 0 && b->size != KT__HTTP_UNLIMITED)
        return kt_error_set(-EINVAL, "the body ended %llu bytes before its size",
                            (unsigned long long)(b->size - (uint64_t)b->at));
    return n;
}

ssize_t kt__client_body_read(kt__client_body *b, void *buffer, size_t size)
{
    ssize_t n;
    if (b->size != KT__HTTP_UNLIMITED) {
        uint64_t left = b->size - (uint64_t)b->at;
        size = left < size ? (size_t)left : size;
    }
    if (size == 0)
        return 0;
    b->begun = true;
    if (b->read)
        n = b->read(buffer, size, b->arg);
    else if (b->file)
        n = kt_file_pread(b->file, buffer, size, b->at);
    else
        n = read_bytes(b, buffer, size);
    n = checked(b, n, size);
    if (n > 0)
        b->at += n;
    return n;
}
