/* SPDX-License-Identifier: MIT */
/* Answers from files. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <kettle/file.h>
#include <kettle/memory.h>
#include <stdio.h>
#include <unistd.h>

#include "http/files.h"
#include "http/parser_internal.h"

#define RANGES_DEFAULT 16

/* ---- Heads ------------------------------------------------------------------------------------------- */

static int put_header(kt_http_exchange *x, const char *name, kt_buffer *value)
{
    const char *text = kt_buffer_string(value);
    return text ? kt_http_header(x, name, text) : -ENOMEM;
}

/* RFC 6266, RFC 8187: a name of ASCII as it is; any other also with its bytes escaped. */
static int put_download(kt_http_exchange *x, const char *name)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    bool plain = true;
    int rc = kt_buffer_append_string(&b, "attachment; filename=\"");
    for (const char *p = name; rc == 0 && *p; p++) {
        bool fits = *p >= ' ' && *p < 0x7f && *p != '"' && *p != '\\' && *p != '%';
        plain = plain && fits;
        rc = kt_buffer_append(&b, fits ? p : "_", 1);
    }
    if (rc == 0)
        rc = kt_buffer_append(&b, "\"", 1);
    if (rc == 0 && !plain)
        rc = kt_buffer_append_string(&b, "; filename*=UTF-8''");
    for (const char *p = name; rc == 0 && !plain && *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
        bool fits = letter || kt__is(*p, KT__C_DIGIT) || *p == '.' || *p == '-';
        rc = fits ? kt_buffer_append(&b, p, 1) : kt_buffer_printf(&b, "%%%02X", (unsigned char)*p);
    }
    return rc < 0 ? rc : put_header(x, "Content-Disposition", &b);
}

/* Lines that need no check. */
static int put_lines(kt_http_exchange *x, const char *lines)
{
    return kt_buffer_append_string(&x->m->fields, lines);
}

/* Those that 304 has, too (RFC 9110 section 15.4.5). */
static int put_validators(kt_http_exchange *x, const kt__found *f, const kt_http_file_options *o)
{
    const char *cache = o->cache_control ? o->cache_control : "no-cache";
    int rc = put_lines(x, f->validators);
    if (rc == 0 && *cache)
        rc = kt_http_header(x, "Cache-Control", cache);
    if (rc == 0 && o->precompressed)
        rc = put_lines(x, "Vary: Accept-Encoding\r\n");
    return rc;
}

static int put_about_content(kt_http_exchange *x, const kt__found *f, const kt_http_file_options *o)
{
    int rc = put_lines(x, "X-Content-Type-Options: nosniff\r\n");
    if (rc == 0 && f->coding)
        rc = kt_http_header(x, "Content-Encoding", f->coding);
    if (rc == 0 && !o->no_ranges)
        rc = put_lines(x, "Accept-Ranges: bytes\r\n");
    if (rc == 0 && o->download)
        rc = put_download(x, o->download);
    return rc;
}

static int put_content_range(kt_http_exchange *x, const kt__range *r, int64_t size)
{
    char text[80];
    if (r)
        snprintf(text, sizeof text, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, r->first, r->first + r->size - 1, size);
    else
        snprintf(text, sizeof text, "bytes */%" PRId64, size);
    return kt_http_header(x, "Content-Range", text);
}

/* ---- Answers ----------------------------------------------------------------------------------------- */

static int refuse(kt_http_exchange *x, int status)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%d %s\n", status, kt_http_reason(status));
    return kt_http_respond(x, status, "text/plain", text, (size_t)n);
}

static const char *type_of(const kt__found *f, const kt_http_file_options *o)
{
    const char *type = o->content_type ? o->content_type : kt_http_content_type(kt_slice_from(f->name));
    return type ? type : "application/octet-stream";
}

static int answer_ranges(kt_http_exchange *x, const kt__found *f, const kt_http_file_options *o,
                         const kt__range *ranges, int count)
{
    int rc;
    if (count > 1)
        return kt__file_send_parts(x, type_of(f, o), f, ranges, (size_t)count);
    rc = put_content_range(x, count == 1 ? ranges : NULL, f->st.st_size);
    if (rc < 0)
        return rc;
    return count == 1 ? kt__file_send(x, 206, type_of(f, o), f, ranges[0]) : refuse(x, 416);
}

/* Range is for GET alone (RFC 9110 section 14.2). */
static int answer_content(kt_http_exchange *x, const kt__found *f, const kt_http_file_options *o)
{
    kt__range ranges[KT__RANGES_MAX];
    unsigned max = o->ranges_max ? o->ranges_max : RANGES_DEFAULT;
    kt_slice wanted = kt_http_request_header(x, "Range");
    int count = -EINVAL;
    int rc = put_about_content(x, f, o);
    if (rc < 0)
        return rc;
    if (wanted.data && !o->no_ranges && kt_http_method_is(x, "GET") &&
        kt__ranges_wanted(x, f->etag, f->st.st_mtim.tv_sec))
        count = kt__ranges_parse(wanted, f->st.st_size, max, ranges);
    if (count >= 0)
        return answer_ranges(x, f, o, ranges, count);
    return kt__file_send(x, 200, type_of(f, o), f, (kt__range){0, f->st.st_size});
}

static int answer(kt_http_exchange *x, const kt__found *f, const kt_http_file_options *o)
{
    if (!kt_http_method_is(x, "GET") && !kt_http_method_is(x, "HEAD")) {
        int rc = kt_http_header(x, "Allow", "GET, HEAD");
        return rc < 0 ? rc : refuse(x, 405);
    }
    int rc = put_validators(x, f, o);
    if (rc < 0)
        return rc;
    int status = kt_http_conditions(x, f->etag, f->st.st_mtim.tv_sec);
    if (status == 304)
        return kt_http_respond(x, 304, NULL, NULL, 0);
    return status ? refuse(x, status) : answer_content(x, f, o);
}

/* To the same path with a slash behind, so that the page's relative links are right. Slashes in front are made one: two
 * would begin another site's address. */
static int redirect(kt_http_exchange *x)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    kt_slice path = x->head.path, query = kt_http_query_raw(x);
    while (path.size > 0 && path.data[0] == '/')
        path = (kt_slice){path.data + 1, path.size - 1};
    int rc = kt_buffer_printf(&b, "/%.*s/", (int)path.size, path.data);
    if (rc == 0 && query.size > 0)
        rc = kt_buffer_printf(&b, "?%.*s", (int)query.size, query.data);
    if (rc == 0)
        rc = put_header(x, "Location", &b);
    return rc < 0 ? rc : refuse(x, 301);
}

/* 0: answered. */
static int find_and_answer(kt_http_exchange *x, kt__file_query *q, const kt_http_file_options *o)
{
    size_t before = x->m->fields.size;
    kt__found *f = NULL;
    q->compressed = o->precompressed;
    if (o->precompressed) {
        int plain = kt__accept_quality(x, "identity");
        int br = kt__accept_quality(x, "br"), gzip = kt__accept_quality(x, "gzip");
        q->want_br = br >= plain ? br : 0;
        q->want_gzip = gzip >= plain ? gzip : 0;
    }
    int rc = kt__find(x->c->server, q, &f);
    if (rc == 0)
        rc = answer(x, f, o);
    else if (rc == 1)
        rc = redirect(x);
    if (rc < 0 && x->state == KT__HTTP_NEW) /* another try sets them again */
        x->m->fields.size = before;
    if (f)
        kt__found_release(f);
    return rc;
}

int kt_http_respond_file(kt_http_exchange *x, const char *path, const kt_http_file_options *options)
{
    kt__file_query q = {.dir = AT_FDCWD, .path = kt_slice_from(path)};
    if (x->state != KT__HTTP_NEW)
        return kt_error_set(KT_EINVALIDSTATE, "the request has been answered already");
    int rc = find_and_answer(x, &q, options ? options : &(kt_http_file_options){.index = NULL});
    if (rc < 0 && x->state == KT__HTTP_NEW && !kt_is_cancel(rc))
        return kt_error_set(rc, "send %s: %s", path, kt_strerror(rc));
    return rc;
}

/* ---- Folders ----------------------------------------------------------------------------------------- */

struct kt_http_folder {
    int fd;
    kt_http_file_options o;
};

int kt_http_folder_open(const char *path, const kt_http_file_options *options, kt_http_folder **ret_folder)
{
    kt_auto(kt_file) *dir = NULL;
    int rc = kt_file_open(path, O_RDONLY | O_DIRECTORY, 0, &dir);
    if (rc < 0)
        return rc;
    kt_http_folder *f = kt_alloc(sizeof *f);
    if (!f)
        return -ENOMEM;
    f->o = options ? *options : (kt_http_file_options){.index = NULL};
    if (!f->o.index)
        f->o.index = "index.html";
    f->fd = fcntl(kt_file_fd(dir), F_DUPFD_CLOEXEC, 0);
    if (f->fd < 0) {
        rc = kt_error_set(-errno, "open %s: %s", path, kt_strerror(-errno));
        kt_free(f);
        return rc;
    }
    *ret_folder = f;
    return 0;
}

void kt_http_folder_close(kt_http_folder *f)
{
    if (!f)
        return;
    (void)close(f->fd); /* a directory has nothing to lose */
    kt_free(f);
}

/* May these parts of a path be served at all? The system sees to it that none leads out; this is about names. */
static bool may_serve(const kt_http_folder *f, kt_slice path)
{
    if (path.size > 0 && (memchr(path.data, '\0', path.size) || memmem(path.data, path.size, "%2F", 3)))
        return false;
    for (size_t at = 0; at < path.size;) {
        const char *slash = memchr(path.data + at, '/', path.size - at);
        size_t end = slash ? (size_t)(slash - path.data) : path.size;
        kt_slice part = {path.data + at, end - at};
        bool dots = kt_slice_is(part, ".") || kt_slice_is(part, "..");
        if (dots || (part.size > 0 && part.data[0] == '.' && !f->o.hidden))
            return false;
        at = end + 1;
    }
    return true;
}

static bool is_absence(int rc)
{
    static const int codes[] = {-ENOENT, -ENOTDIR, -EACCES, -EPERM, -ELOOP, -EXDEV, -ENAMETOOLONG, -EISDIR, -ESPIPE,
                                -ENXIO};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (rc == codes[i])
            return true;
    return false;
}

int kt_http_serve_folder(kt_http_exchange *x, kt_http_folder *f, kt_slice path)
{
    if (x->state != KT__HTTP_NEW)
        return kt_error_set(KT_EINVALIDSTATE, "the request has been answered already");
    while (path.size > 0 && path.data[0] == '/')
        path = (kt_slice){path.data + 1, path.size - 1};
    if (!may_serve(f, path))
        return 0;
    kt__file_query q = {
        .dir = f->fd,
        .path = path.size ? path : kt_slice_from("."),
        .index = f->o.index,
        .slash = path.size == 0 || path.data[path.size - 1] == '/',
    };
    int rc = find_and_answer(x, &q, &f->o);
    if (rc < 0 && x->state == KT__HTTP_NEW && is_absence(rc))
        return 0;
    return rc < 0 ? rc : 1;
}
