/* SPDX-License-Identifier: MIT */
/* What a handler answers. */
#include <errno.h>

#include "http/files.h"
#include "http/parser_internal.h"
#include "http/server.h"

static bool is_value(const char *s)
{
    for (; *s; s++)
        if (!kt__is(*s, KT__C_VALUE))
            return false;
    return true;
}

static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if (!kt__is(*s, KT__C_TOKEN))
            return false;
    return true;
}

/* These decide where a message ends, or are the library's own business. */
static bool is_reserved(const char *name, size_t size)
{
    static const char *const reserved[] = {"connection", "content-length", "date", "host",
                                           "transfer-encoding"};
    if (!strchr("CcDdHhTt", *name))
        return false;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (kt__http_same(name, size, reserved[i]))
            return true;
    return false;
}

int kt__http_header_put(kt_buffer *b, const char *name, const char *value)
{
    size_t name_size = strlen(name);
    kt_slice trimmed = kt__http_trim(kt_slice_from(value));
    if (!is_token(name) || is_reserved(name, name_size))
        return kt_error_set(-EINVAL, "header '%.100s' cannot be set", name);
    if (!is_value(value))
        return kt_error_set(-EINVAL, "control character in header '%.100s'", name);
    int rc = kt_buffer_reserve(b, name_size + trimmed.size + 4);
    if (rc < 0)
        return rc;
    char *p = b->data + b->size;
    memcpy(p, name, name_size);
    p += name_size;
    memcpy(p, ": ", 2);
    p += 2;
    memcpy(p, trimmed.data, trimmed.size);
    p += trimmed.size;
    memcpy(p, "\r\n", 2);
    b->size += name_size + trimmed.size + 4;
    return 0;
}

int kt_http_header(kt_http_exchange *x, const char *name, const char *value)
{
    if (x->state != KT__HTTP_NEW)
        return kt_error_set(KT_EINVALIDSTATE, "header '%.100s' behind the head", name);
    return kt__http_header_put(&x->m->fields, name, value);
}

/* ---- Beginning ------------------------------------------------------------------------------- */

static int check_begin(const kt_http_exchange *x, int status, const char *content_type)
{
    if (x->state != KT__HTTP_NEW)
        return kt_error_set(KT_EINVALIDSTATE, "the request has been answered already");
    if (status < 200 || status > 599)
        return kt_error_set(-EINVAL, "status %d is not between 200 and 599", status);
    if (content_type && !is_value(content_type))
        return kt_error_set(-EINVAL, "control character in the content type");
    return 0;
}

static kt_slice type_from(const char *content_type)
{
    return kt__http_trim(kt_slice_from(content_type ? content_type : ""));
}

/* What of an answer depends on its request, and on its status. */
static void decide(kt_http_exchange *x, kt__http_answer *a)
{
    bool no_content = a->status == 204 || a->status == 205 || a->status == 304;
    x->bodiless = no_content || kt_slice_is(x->head.method, "HEAD");
    if (!no_content)
        return;
    a->content_type = (kt_slice){NULL, 0};
    /* RFC 9110 sections 15.3.5, 15.4.5; behind 205 a client expects content unless it is told (RFC 9112 section 6.3) */
    a->framing = a->status == 205 ? KT__HTTP_HAS_LENGTH : KT__HTTP_EMPTY;
    a->length = 0;
}

int kt_http_respond(kt_http_exchange *x, int status, const char *content_type, const void *bytes,
                    size_t size)
{
    int rc = check_begin(x, status, content_type);
    if (rc < 0)
        return rc;
    kt__http_answer a = {
        .status = status,
        .content_type = type_from(content_type),
        .framing = KT__HTTP_HAS_LENGTH,
        .length = size,
    };
    decide(x, &a);
    return x->back->respond(x, &a, bytes, size);
}

/* ---- In pieces ------------------------------------------------------------------------------- */

int kt_http_start(kt_http_exchange *x, int status, const char *content_type)
{
    int rc = check_begin(x, status, content_type);
    if (rc < 0)
        return rc;
    kt__http_answer a = {
        .status = status,
        .content_type = type_from(content_type),
        .framing = KT__HTTP_HAS_CHUNKS,
    };
    decide(x, &a);
    return x->back->start(x, &a);
}

int kt__http_start_sized(kt_http_exchange *x, int status, const char *content_type, uint64_t size)
{
    int rc = check_begin(x, status, content_type);
    if (rc < 0)
        return rc;
    kt__http_answer a = {
        .status = status,
        .content_type = type_from(content_type),
        .framing = KT__HTTP_HAS_LENGTH,
        .length = size,
    };
    decide(x, &a);
    rc = x->back->start(x, &a);
    x->sized = rc == 0 && !x->bodiless;
    x->owed = size;
    return rc;
}

static int check_started(const kt_http_exchange *x)
{
    if (x->state != KT__HTTP_STARTED)
        return kt_error_set(KT_EINVALIDSTATE, "no answer is being written");
    return 0;
}

static void account(kt_http_exchange *x, size_t size)
{
    x->bytes_sent += size;
    if (x->sized)
        x->owed -= size;
}

int kt_http_write(kt_http_exchange *x, const void *bytes, size_t size)
{
    int rc = check_started(x);
    if (rc < 0 || size == 0 || x->bodiless) /* a chunk of size 0 would end the body */
        return rc;
    if (x->sized && size > x->owed)
        return kt_error_set(-EINVAL, "more than the %llu bytes that are left", (unsigned long long)x->owed);
    rc = x->back->write(x, bytes, size);
    if (rc == 0)
        account(x, size);
    return rc;
}

int kt__http_sendfile(kt_http_exchange *x, int fd, int64_t offset, int64_t size)
{
    int rc = check_started(x);
    if (rc < 0 || size == 0 || x->bodiless)
        return rc;
    if (!x->back->sendfile || !x->sized || (uint64_t)size > x->owed)
        return -EOPNOTSUPP;
    rc = x->back->sendfile(x, fd, offset, size);
    if (rc == 0)
        account(x, (size_t)size);
    return rc;
}

int kt_http_trailer(kt_http_exchange *x, const char *name, const char *value)
{
    int rc = check_started(x);
    return rc < 0 ? rc : kt__http_header_put(&x->m->trailers, name, value);
}

int kt_http_flush(kt_http_exchange *x)
{
    return x->back->flush(x);
}

int kt_http_finish(kt_http_exchange *x)
{
    int rc = check_started(x);
    if (rc < 0)
        return rc;
    if (x->sized && x->owed > 0) /* it stays begun, and so is cut when the handler ends */
        return kt_error_set(KT_EINCOMPLETE, "%llu bytes of the answer are missing", (unsigned long long)x->owed);
    return x->back->finish(x);
}
