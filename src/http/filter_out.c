/* SPDX-License-Identifier: MIT */
/* Compresses answers. */
#include <errno.h>

#include "http/files.h"
#include "http/filter.h"
#include "http/parser_internal.h"

#define BYTES_MIN 1024

/* ---- Is it worth it? --------------------------------------------------------------------------------- */

static bool ends_with(kt_slice s, const char *end)
{
    size_t size = strlen(end);
    return s.size >= size && kt__http_same(s.data + s.size - size, size, end);
}

/* Without its parameters. */
static kt_slice bare_type(kt_slice content_type)
{
    size_t size = 0;
    while (size < content_type.size && !strchr("; \t", content_type.data[size]))
        size++;
    return (kt_slice){content_type.data, size};
}

/* Images, sound and archives are compressed already. */
static bool is_compressible(kt_slice content_type)
{
    static const char *const types[] = {
        "application/json", "application/javascript", "application/xml", "application/wasm", "application/rtf",
        "application/x-ndjson", "application/manifest+json", "application/x-www-form-urlencoded", "image/bmp",
        "image/vnd.microsoft.icon", "font/ttf", "font/otf",
    };
    kt_slice type = bare_type(content_type);
    if (type.size > 5 && kt__http_same(type.data, 5, "text/"))
        return true;
    if (ends_with(type, "+json") || ends_with(type, "+xml"))
        return true;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (kt__http_same(type.data, type.size, types[i]))
            return true;
    return false;
}

/* The value in the line of `fields` that begins at *at, which moves on; false at the end. */
static bool next_line(const kt_buffer *fields, size_t *at, kt_slice *ret_name, kt_slice *ret_value)
{
    if (*at >= fields->size)
        return false;
    const char *line = fields->data + *at;
    const char *end = memmem(line, fields->size - *at, "\r\n", 2);
    size_t size = end ? (size_t)(end - line) : fields->size - *at;
    const char *colon = memchr(line, ':', size);
    size_t name = colon ? (size_t)(colon - line) : 0;
    *ret_name = (kt_slice){line, name};
    *ret_value = (kt_slice){line + name + 2, size - name - 2};
    *at += size + 2;
    return true;
}

static bool forbidden_by_headers(const kt_buffer *fields)
{
    kt_slice name, value, element;
    for (size_t at = 0; next_line(fields, &at, &name, &value);) {
        if (kt__http_same(name.data, name.size, "content-encoding"))
            return true;
        if (!kt__http_same(name.data, name.size, "cache-control"))
            continue;
        while (kt__http_list_next(&value, &element))
            if (kt__http_same(element.data, element.size, "no-transform"))
                return true;
    }
    return false;
}

static bool is_worth_it(const kt_http_exchange *x, const kt__http_answer *a)
{
    return a->status != 204 && a->status != 206 && is_compressible(a->content_type) &&
           !forbidden_by_headers(&x->m->fields);
}

/* NULL: as it is. */
static const char *choose(const kt_http_exchange *x, const kt_http_compress_options *o, kt__coding *ret_coding)
{
    int plain = kt__accept_quality(x, "identity");
    int br = o->no_brotli ? 0 : kt__accept_quality(x, "br"), gzip = o->no_gzip ? 0 : kt__accept_quality(x, "gzip");
    if (br > 0 && br >= plain && br >= gzip) {
        *ret_coding = KT__CODING_BROTLI;
        return "br";
    }
    *ret_coding = KT__CODING_GZIP;
    return gzip > 0 && gzip >= plain ? "gzip" : NULL;
}

/* ---- Heads ------------------------------------------------------------------------------------------- */

/* Data NULL: there is none. */
static kt_slice strong_etag(const kt_buffer *fields)
{
    kt_slice name, value;
    for (size_t at = 0; next_line(fields, &at, &name, &value);)
        if (kt__http_same(name.data, name.size, "etag") && value.size > 0 && value.data[0] == '"')
            return value;
    return (kt_slice){NULL, 0};
}

/* Its bytes are others now (RFC 9110 section 8.8.1). */
static int weaken_etag(kt__http_filter *f, kt_buffer *fields)
{
    kt_slice tag = strong_etag(fields);
    if (!tag.data)
        return 0;
    size_t place = (size_t)(tag.data - fields->data);
    int rc = kt_buffer_reserve(fields, 2);
    if (rc < 0)
        return rc;
    memmove(fields->data + place + 2, fields->data + place, fields->size - place);
    memcpy(fields->data + place, "W/", 2);
    fields->size += 2;
    f->weak_at = place;
    return 0;
}

/* What an answer that failed has put: another try puts it again. */
static void take_headers_back(kt__http_filter *f, kt_http_exchange *x, size_t before)
{
    kt_buffer *fields = &x->m->fields;
    if (x->state != KT__HTTP_NEW)
        return;
    if (f->weak_at > 0) {
        fields->size -= 2;
        memmove(fields->data + f->weak_at, fields->data + f->weak_at + 2, fields->size - f->weak_at);
        f->weak_at = 0;
    }
    if (fields->size > before)
        fields->size = before;
}

/* Once: the handler may have said so itself. */
static int put_vary(kt_http_exchange *x)
{
    kt_slice name, value;
    for (size_t at = 0; next_line(&x->m->fields, &at, &name, &value);)
        if (kt__http_same(name.data, name.size, "vary") && kt__http_list_has(value, "Accept-Encoding"))
            return 0;
    return kt_http_header(x, "Vary", "Accept-Encoding");
}

/* 304 has the Vary and the ETag that 200 would have (RFC 9110 section 15.4.5). Whether that would be compressed cannot
 * be told without its content, but the client may: a tag that it has as a strong one is that of an answer as it was. */
static int put_unmodified(kt_http_exchange *x, kt__http_filter *f)
{
    kt__coding coding;
    if (forbidden_by_headers(&x->m->fields))
        return 0;
    int rc = put_vary(x);
    kt_slice tag = strong_etag(&x->m->fields);
    if (rc < 0 || !tag.data || !choose(x, &f->o, &coding) || kt__none_match_has(x, tag))
        return rc;
    return weaken_etag(f, &x->m->fields);
}

static int put_headers(kt_http_exchange *x, kt__http_filter *f, const char *coding)
{
    int rc = put_vary(x);
    if (rc == 0 && coding)
        rc = kt_http_header(x, "Content-Encoding", coding);
    if (rc == 0 && coding)
        rc = weaken_etag(f, &x->m->fields);
    return rc;
}

static int open_encoder(kt_http_exchange *x, const kt__http_filter *f, kt__coding coding)
{
    int level = coding == KT__CODING_BROTLI ? f->o.brotli_level : f->o.gzip_level;
    kt_buffer_clear(&x->m->coded);
    return x->m->encoder ? 0 : kt__encoder_new(coding, level, 0, &x->m->encoder);
}

static void close_encoder(kt_http_exchange *x)
{
    kt__encoder_free(x->m->encoder);
    x->m->encoder = NULL;
}

/* ---- The protocol's functions ------------------------------------------------------------------------ */

static int respond_coded(kt_http_exchange *x, kt__http_filter *f, kt__http_answer *a, const void *bytes, size_t size,
                         const char *name, kt__coding coding)
{
    kt_buffer *coded = &x->m->coded;
    int rc = open_encoder(x, f, coding);
    if (rc == 0)
        rc = kt__encode(x->m->encoder, (kt_slice){bytes, size}, KT__FLUSH_END, coded);
    close_encoder(x);
    bool smaller = coded->size < size;
    if (rc == 0)
        rc = put_headers(x, f, smaller ? name : NULL);
    if (rc < 0)
        return rc;
    if (!smaller)
        return f->below->respond(x, a, bytes, size);
    a->length = coded->size;
    return f->below->respond(x, a, coded->data, coded->size);
}

static int out_respond(kt_http_exchange *x, kt__http_answer *a, const void *bytes, size_t size)
{
    kt__http_filter *f = (kt__http_filter *)(uintptr_t)x->back;
    kt__coding coding;
    size_t before = x->m->fields.size;
    size_t bytes_min = f->o.bytes_min ? f->o.bytes_min : BYTES_MIN;
    bool unmodified = a->status == 304;
    if (!unmodified && (size < bytes_min || !is_worth_it(x, a)))
        return f->below->respond(x, a, bytes, size);
    const char *name = unmodified ? NULL : choose(x, &f->o, &coding);
    int rc = 0;
    if (name) {
        rc = respond_coded(x, f, a, bytes, size, name, coding);
    } else {
        rc = unmodified ? put_unmodified(x, f) : put_headers(x, f, NULL);
        if (rc == 0)
            rc = f->below->respond(x, a, bytes, size);
    }
    if (rc < 0)
        take_headers_back(f, x, before);
    return rc;
}

static int write_coded(kt_http_exchange *x, const kt__http_filter *f, kt_slice bytes, kt__flush flush)
{
    kt_buffer *coded = &x->m->coded;
    kt_buffer_clear(coded);
    int rc = kt__encode(x->m->encoder, bytes, flush, coded);
    if (rc == 0 && coded->size > 0)
        rc = f->below->write(x, coded->data, coded->size);
    if (rc == 0)
        x->bytes_sent += coded->size;
    return rc;
}

static int out_write(kt_http_exchange *x, const void *bytes, size_t size)
{
    const kt__http_filter *f = (const kt__http_filter *)(const void *)x->back;
    bool collect = f->o.collect && !f->events;
    int rc = write_coded(x, f, (kt_slice){bytes, size}, collect ? KT__FLUSH_NONE : KT__FLUSH_SYNC);
    if (rc == 0)
        x->bytes_sent -= size; /* the caller counts those, but they are not what was sent */
    return rc;
}

static int out_flush(kt_http_exchange *x)
{
    const kt__http_filter *f = (const kt__http_filter *)(const void *)x->back;
    int rc = f->o.collect && !f->events && !x->bodiless ? write_coded(x, f, (kt_slice){NULL, 0}, KT__FLUSH_SYNC) : 0;
    return rc < 0 ? rc : f->below->flush(x);
}

static int out_finish(kt_http_exchange *x)
{
    const kt__http_filter *f = (const kt__http_filter *)(const void *)x->back;
    int rc = x->bodiless ? 0 : write_coded(x, f, (kt_slice){NULL, 0}, KT__FLUSH_END);
    return rc < 0 ? rc : f->below->finish(x);
}

/* From here on what is written passes through the encoder, if there is one. */
static int out_start(kt_http_exchange *x, kt__http_answer *a)
{
    kt__http_filter *f = (kt__http_filter *)(uintptr_t)x->back;
    kt__coding coding;
    size_t before = x->m->fields.size;
    bool unmodified = a->status == 304;
    if (!unmodified && (a->framing != KT__HTTP_HAS_CHUNKS || !is_worth_it(x, a)))
        return f->below->start(x, a);
    const char *name = unmodified ? NULL : choose(x, &f->o, &coding);
    int rc = name ? open_encoder(x, f, coding) : 0;
    if (rc == 0)
        rc = unmodified ? put_unmodified(x, f) : put_headers(x, f, name);
    if (rc == 0)
        rc = f->below->start(x, a);
    if (rc < 0) {
        close_encoder(x);
        take_headers_back(f, x, before);
        return rc;
    }
    if (!name)
        return 0;
    kt_slice type = bare_type(a->content_type);
    f->events = kt__http_same(type.data, type.size, "text/event-stream");
    f->back.write = out_write;
    f->back.flush = out_flush;
    f->back.finish = out_finish;
    return 0;
}

int kt_http_compress(kt_http_exchange *x, const kt_http_compress_options *options)
{
    if (x->state != KT__HTTP_NEW)
        return kt_error_set(KT_EINVALIDSTATE, "the request has been answered already");
    if (options && (options->gzip_level < 0 || options->gzip_level > 9 || options->brotli_level < 0 ||
                    options->brotli_level > 11))
        return kt_error_set(-EINVAL, "no such level of compression");
    kt__http_filter *f = kt__http_filter_of(x);
    if (!f)
        return -ENOMEM;
    f->o = options ? *options : (kt_http_compress_options){.bytes_min = 0};
    f->back.respond = out_respond;
    f->back.start = out_start;
    return 0;
}
