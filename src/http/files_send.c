/* SPDX-License-Identifier: MIT */
/* The content of files: whole, a part, or several (multipart/byteranges, RFC 9110 section 14.6). */
#include <errno.h>
#include <inttypes.h>
#include <kettle/memory.h>
#include <kettle/thread.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

#include "http/files.h"

typedef struct piece {
    int fd;
    off_t offset;
    size_t size, done;
    char *bytes;
    int flags; /* of preadv2(2) */
} piece;

static int read_piece(void *arg)
{
    piece *p = arg;
    while (p->done < p->size) {
        struct iovec rest = {p->bytes + p->done, p->size - p->done};
        ssize_t n = preadv2(p->fd, &rest, 1, p->offset + (off_t)p->done, p->flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return KT_EINCOMPLETE;
        p->done += (size_t)n;
    }
    return 0;
}

/* What the system has in memory is copied on the loop, the rest read by the pool. */
static int read_where_it_may_be(piece *p)
{
    p->done = 0;
    p->flags = RWF_NOWAIT;
    int rc = read_piece(p);
    if (rc != -EAGAIN && rc != -EOPNOTSUPP)
        return rc;
    p->flags = 0;
    return kt_thread_run(read_piece, p, 0);
}

static int copy(kt_http_exchange *x, const kt__found *f, kt__range part)
{
    kt_buffer buffer = KT_BUFFER_INIT;
    int rc = kt__http_buffer_take(x->c->server, &buffer);
    piece p = {.fd = f->fd, .offset = part.first, .bytes = buffer.data};
    while (rc == 0 && part.size > 0) {
        p.size = part.size < (int64_t)KT__HTTP_BUFFER_BYTES ? (size_t)part.size : KT__HTTP_BUFFER_BYTES;
        rc = read_where_it_may_be(&p);
        if (rc == 0)
            rc = kt_http_write(x, p.bytes, p.size);
        p.offset += (off_t)p.size;
        part.size -= (int64_t)p.size;
    }
    kt__http_buffer_give(x->c->server, &buffer);
    return rc;
}

/* Between start and finish. */
static int send_part(kt_http_exchange *x, const kt__found *f, kt__range part)
{
    if (f->small)
        return kt_http_write(x, f->small + part.first, (size_t)part.size);
    if (kt_http_method_is(x, "HEAD"))
        return 0;
    int rc = kt__http_sendfile(x, f->fd, part.first, part.size);
    return rc == -EOPNOTSUPP ? copy(x, f, part) : rc;
}

/* While a client takes as much as write_timeout wants it may have all of a file, however long that lasts. What the
 * handler does afterwards has the time of a request again, or what was left of the deadline if that is more. */
static kt_time begin(kt_http_exchange *x)
{
    kt_time deadline = x->limit ? kt_timeout_when(x->limit) : KT_FOREVER;
    kt_http_deadline_set(x, KT_FOREVER);
    return deadline;
}

static int end(kt_http_exchange *x, kt_time deadline, int rc)
{
    if (rc == 0)
        rc = kt_http_finish(x);
    kt_time anew = x->c->server->o.request_timeout;
    anew = anew > 0 ? kt_now() + anew : KT_FOREVER;
    kt_http_deadline_set(x, deadline > anew ? deadline : anew);
    return rc;
}

int kt__file_send(kt_http_exchange *x, int status, const char *content_type, const kt__found *f, kt__range part)
{
    if (f->small)
        return kt_http_respond(x, status, content_type, f->small + part.first, (size_t)part.size);
    int rc = kt__http_start_sized(x, status, content_type, (uint64_t)part.size);
    if (rc < 0)
        return rc;
    kt_time deadline = begin(x);
    return end(x, deadline, send_part(x, f, part));
}

static int put_part_head(kt_buffer *b, const char *boundary, const char *content_type, const kt__found *f, kt__range r)
{
    kt_buffer_clear(b);
    return kt_buffer_printf(b,
                            "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: bytes %" PRId64 "-%" PRId64 "/%" PRId64
                            "\r\n\r\n",
                            boundary, content_type, r.first, r.first + r.size - 1, (int64_t)f->st.st_size);
}

static int send_parts(kt_http_exchange *x, kt_buffer *head, const char *boundary, const char *content_type,
                      const kt__found *f, const kt__range *parts, size_t count)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = put_part_head(head, boundary, content_type, f, parts[i]);
        if (rc == 0)
            rc = kt_http_write(x, head->data, head->size);
        if (rc == 0)
            rc = send_part(x, f, parts[i]);
    }
    return rc;
}

int kt__file_send_parts(kt_http_exchange *x, const char *content_type, const kt__found *f, const kt__range *parts,
                        size_t count)
{
    kt_auto(kt_buffer) head = KT_BUFFER_INIT;
    uint64_t number[2], size = 0;
    char boundary[40], type[80], last[48];
    /* So that no content can hold it but by chance. */
    if (getrandom(number, sizeof number, 0) != (ssize_t)sizeof number)
        return kt_error_set(-EIO, "getrandom(2) gave no boundary");
    snprintf(boundary, sizeof boundary, "%016" PRIx64 "%016" PRIx64, number[0], number[1]);
    snprintf(type, sizeof type, "multipart/byteranges; boundary=%s", boundary);
    int last_size = snprintf(last, sizeof last, "\r\n--%s--\r\n", boundary);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = put_part_head(&head, boundary, content_type, f, parts[i]);
        size += head.size + (uint64_t)parts[i].size;
    }
    if (rc == 0)
        rc = kt__http_start_sized(x, 206, type, size + (uint64_t)last_size);
    if (rc < 0)
        return rc;
    kt_time deadline = begin(x);
    rc = send_parts(x, &head, boundary, content_type, f, parts, count);
    if (rc == 0)
        rc = kt_http_write(x, last, (size_t)last_size);
    return end(x, deadline, rc);
}
