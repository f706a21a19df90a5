/* SPDX-License-Identifier: MIT */
/* Forms with files, read as they arrive. */
#include <errno.h>
#include <kettle/file.h>
#include <kettle/memory.h>
#include <kettle/temp.h>
#include <kettle/utf8.h>
#include <unistd.h>

#include "http/multipart.h"
#include "http/parser_internal.h"
#include "http/server.h"

#include <kettle/http_forms.h>

#define WINDOW_BYTES ((size_t)16 * 1024) /* beside the room for headers */
#define PIECE_BYTES ((size_t)16 * 1024)

struct kt_http_multipart {
    kt_http_exchange *x;
    kt_http_multipart_options o;
    kt__multipart parser;
    kt_slice data;      /* of the part, not taken yet; in the window */
    size_t at, end;     /* window[at..end) has not been consumed */
    size_t capacity;
    uint64_t part_size; /* of what has been parsed of the part */
    unsigned parts;
    char *text;         /* name, file's name and content type of the part; behind the window */
    bool in_part, ended;
    int rc;             /* once the body is at fault */
    char window[];
};

static int fault(kt_http_multipart *m, int rc, const char *why)
{
    kt__http_fault(m->x, rc == KT_ELIMIT ? 413 : 400, why);
    return m->rc = rc;
}

/* ---- Beginning --------------------------------------------------------------------------------------- */

static int boundary_of(kt_http_exchange *x, kt_slice *ret_boundary)
{
    kt_slice type = kt_http_request_header(x, "Content-Type"), said = kt__parameter_main(type);
    if (!kt__http_same(said.data, said.size, "multipart/form-data")) {
        kt__http_fault(x, 415, "the body is no multipart/form-data");
        return kt_error_set(KT_EPROTOCOL, "the body is not multipart/form-data");
    }
    char *out = kt_http_alloc(x, 2 * type.size);
    if (!out)
        return -ENOMEM;
    if (kt__parameter(type, "boundary", out, ret_boundary) == 1)
        return 0;
    kt__http_fault(x, 400, "the body's type has no boundary");
    return kt_error_set(KT_EPROTOCOL, "the body's type has no boundary");
}

static int fill_options(kt_http_multipart_options *o, const kt_http_multipart_options *given)
{
    *o = given ? *given : (kt_http_multipart_options){.parts_max = 0};
    if (o->parts_max == 0)
        o->parts_max = 100;
    if (o->header_bytes_max == 0)
        o->header_bytes_max = 4 * 1024;
    if (o->name_bytes_max == 0)
        o->name_bytes_max = 255;
    if (o->header_bytes_max > 64 * 1024)
        return kt_error_set(-EINVAL, "more than 64 KiB of headers");
    return 0;
}

int kt_http_multipart_open(kt_http_exchange *x, const kt_http_multipart_options *options,
                           kt_http_multipart **ret_multipart)
{
    kt_http_multipart_options o;
    kt__multipart parser;
    kt_slice boundary;
    int rc = fill_options(&o, options);
    if (rc == 0)
        rc = boundary_of(x, &boundary);
    if (rc < 0)
        return rc;
    if (kt__multipart_init(&parser, boundary, o.header_bytes_max) < 0) {
        kt__http_fault(x, 400, "the body's boundary is none");
        return KT_EPROTOCOL;
    }
    size_t capacity = o.header_bytes_max + WINDOW_BYTES;
    size_t text_bytes = (size_t)4 * o.header_bytes_max; /* see describe() */
    kt_http_multipart *m = kt_alloc(sizeof *m + capacity + text_bytes);
    if (!m)
        return -ENOMEM;
    *m = (kt_http_multipart){.x = x, .o = o, .parser = parser, .capacity = capacity};
    m->text = m->window + capacity;
    *ret_multipart = m;
    return 0;
}

void kt_http_multipart_free(kt_http_multipart *m)
{
    if (!m)
        return;
    kt_free(m);
}

/* ---- Parts ------------------------------------------------------------------------------------------- */

/* Reads more of the body behind what is in the window. */
static int receive(kt_http_multipart *m)
{
    if (m->at > 0) {
        memmove(m->window, m->window + m->at, m->end - m->at);
        m->end -= m->at;
        m->at = 0;
    }
    ssize_t n = kt_http_read(m->x, m->window + m->end, m->capacity - m->end);
    if (n < 0)
        return (int)n;
    if (n == 0)
        return fault(m, kt_error_set(KT_EINCOMPLETE, "the body ends before its last boundary"), "the form is cut");
    m->end += (size_t)n;
    return 0;
}

/* The next event but MORE. */
static int step(kt_http_multipart *m, kt__multipart_event *e)
{
    for (;;) {
        int rc = m->rc;
        if (rc == 0) {
            rc = kt__multipart_feed(&m->parser, (kt_slice){m->window + m->at, m->end - m->at}, e);
            if (rc < 0)
                return fault(m, rc, rc == KT_ELIMIT ? m->parser.too_long : "the form is malformed");
            m->at += e->consumed;
        }
        if (rc < 0 || e->type != KT__MULTIPART_MORE)
            return rc;
        rc = receive(m);
        if (rc < 0)
            return rc;
    }
}

/* A parameter of the part's Content-Disposition into text at *at: 1, 0 or an error. */
static int take_name(kt_http_multipart *m, kt_slice disposition, const char *which, char *to, kt_slice *ret_name)
{
    int rc = kt__parameter(disposition, which, to, ret_name);
    if (rc < 0)
        return kt_error_set(KT_EPROTOCOL, "a part's Content-Disposition is malformed");
    if (rc == 1 && ret_name->size > m->o.name_bytes_max)
        return kt_error_set(KT_ELIMIT, "a name of more than %u bytes in a form", m->o.name_bytes_max);
    if (rc == 1 && kt_utf8_check(*ret_name) < ret_name->size)
        return kt_error_set(KT_EPROTOCOL, "a name in a form is not UTF-8");
    return rc;
}

/* RFC 7578 section 4.7: nobody sends it, and who decodes what another does not sees another file. */
static int refuse_transfer_encoding(kt_slice lines)
{
    kt_slice coding;
    int rc = kt__multipart_header(lines, "content-transfer-encoding", &coding);
    if (rc == 1 && !kt__http_same(coding.data, coding.size, "binary") &&
        !kt__http_same(coding.data, coding.size, "8bit") && !kt__http_same(coding.data, coding.size, "7bit"))
        return kt_error_set(KT_EPROTOCOL, "a part has a Content-Transfer-Encoding");
    return rc < 0 ? rc : 0;
}

/* Its strings are copied, since the window moves. */
static int describe(kt_http_multipart *m, kt_slice lines, kt_http_part *part)
{
    char *text = m->text;
    kt_slice disposition = {NULL, 0}, type = {NULL, 0}, main;
    *part = (kt_http_part){.name = {NULL, 0}};
    int rc = refuse_transfer_encoding(lines);
    if (rc == 0)
        rc = kt__multipart_header(lines, "content-disposition", &disposition);
    if (rc < 0)
        return rc;
    main = kt__parameter_main(disposition);
    if (rc == 0 || !kt__http_same(main.data, main.size, "form-data"))
        return kt_error_set(KT_EPROTOCOL, "a part is not form-data");
    rc = take_name(m, disposition, "name", text, &part->name);
    if (rc == 0)
        return kt_error_set(KT_EPROTOCOL, "a part has no name");
    text += 2 * disposition.size;
    if (rc == 1)
        rc = take_name(m, disposition, "filename", text, &part->filename);
    text += 2 * disposition.size;
    if (rc >= 0)
        rc = kt__multipart_header(lines, "content-type", &type);
    if (rc == 1) {
        memcpy(text, type.data, type.size);
        part->content_type = (kt_slice){text, type.size};
    }
    return rc < 0 ? rc : 0;
}

static int begin_part(kt_http_multipart *m, kt_slice lines, kt_http_part *ret_part)
{
    if (++m->parts > m->o.parts_max)
        return fault(m, kt_error_set(KT_ELIMIT, "more than %u parts", m->o.parts_max), "too many parts in the form");
    kt_http_part part;
    int rc = describe(m, lines, &part);
    if (rc < 0)
        return fault(m, rc, rc == KT_ELIMIT ? "a name in the form is too long" : "a part of the form is malformed");
    m->in_part = true;
    m->part_size = 0;
    *ret_part = part;
    return 1;
}

/* Goes on within the part: 1 with m->data, 0 at its end. */
static int go_on(kt_http_multipart *m)
{
    kt__multipart_event e;
    int rc = step(m, &e);
    if (rc < 0)
        return rc;
    if (e.type == KT__MULTIPART_DONE) {
        m->in_part = false;
        return 0;
    }
    m->data = e.bytes;
    m->part_size += e.bytes.size;
    if (m->o.part_bytes_max && m->part_size > m->o.part_bytes_max)
        return fault(m, kt_error_set(KT_ELIMIT, "a part is too long"), "a part of the form is too long");
    return 1;
}

int kt_http_multipart_next(kt_http_multipart *m, kt_http_part *ret_part)
{
    kt__multipart_event e;
    int rc = m->rc;
    while (rc >= 0 && m->in_part)
        rc = go_on(m);
    m->data = (kt_slice){NULL, 0};
    if (rc < 0 || m->ended)
        return rc < 0 ? rc : 0;
    rc = step(m, &e);
    if (rc == 0 && e.type == KT__MULTIPART_PART)
        return begin_part(m, e.bytes, ret_part);
    m->ended = rc == 0;
    return rc;
}

/* ---- Contents ---------------------------------------------------------------------------------------- */

ssize_t kt_http_multipart_read(kt_http_multipart *m, void *buffer, size_t size)
{
    if (size == 0)
        return kt_error_set(-EINVAL, "a read of no bytes");
    if (m->rc < 0)
        return m->rc;
    if (m->parts == 0)
        return kt_error_set(KT_EINVALIDSTATE, "no part has been asked for");
    if (m->data.size == 0) {
        int rc = m->in_part ? go_on(m) : 0;
        if (rc <= 0)
            return rc;
    }
    size_t n = m->data.size < size ? m->data.size : size;
    memcpy(buffer, m->data.data, n);
    m->data = (kt_slice){m->data.data + n, m->data.size - n};
    return (ssize_t)n;
}

int kt_http_multipart_read_all(kt_http_multipart *m, size_t size_max, kt_buffer *buffer)
{
    size_t before = buffer->size;
    for (;;) {
        int rc = kt_buffer_reserve(buffer, PIECE_BYTES);
        if (rc < 0)
            return rc;
        ssize_t n = kt_http_multipart_read(m, buffer->data + buffer->size, PIECE_BYTES);
        if (n <= 0)
            return (int)n;
        buffer->size += (size_t)n;
        if (buffer->size - before > size_max)
            return fault(m, kt_error_set(KT_ELIMIT, "a part has more than %zu bytes", size_max),
                         "a part of the form is too long");
    }
}

static int copy(kt_http_multipart *m, kt_file *f)
{
    char *piece = kt_alloc(PIECE_BYTES);
    ssize_t n = piece ? 1 : -ENOMEM;
    while (n > 0) {
        n = kt_http_multipart_read(m, piece, PIECE_BYTES);
        if (n <= 0)
            break;
        int rc = kt_file_write(f, piece, (size_t)n);
        if (rc < 0)
            n = rc;
    }
    kt_free(piece);
    return (int)n;
}

int kt_http_multipart_save(kt_http_multipart *m, const char *dir, kt_path *ret_path)
{
    kt_auto(kt_path) path = NULL;
    kt_file *f = NULL;
    int fd = -1;
    int rc = kt_temp_named(dir, "upload-", &path, &fd);
    if (rc < 0)
        return rc;
    rc = kt_file_adopt(fd, &f);
    if (rc < 0)
        (void)close(fd);
    if (rc == 0)
        rc = copy(m, f);
    int closed = kt_file_close(f);
    rc = rc < 0 ? rc : closed;
    if (rc < 0) {
        kt_cancel_hold();
        int removed = kt_path_remove(path); /* nothing else can be done about it */
        (void)removed;
        kt_cancel_unhold();
        return rc;
    }
    *ret_path = kt_steal(path);
    return 0;
}

/* ---- Names ------------------------------------------------------------------------------------------- */

size_t kt_http_safe_name(kt_slice filename, char ret_name[KT_HTTP_NAME_BYTES])
{
    static const char meant[] = " \"'`$&|;<>(){}[]*?!~#%^=:,\\/";
    size_t n = 0;
    for (size_t i = filename.size; i > 0; i--) {
        if (filename.data[i - 1] != '/' && filename.data[i - 1] != '\\')
            continue;
        filename = (kt_slice){filename.data + i, filename.size - i};
        break;
    }
    size_t valid = kt_utf8_check(filename);
    if (valid < filename.size)
        filename.size = valid;
    for (size_t i = 0; i < filename.size && n < KT_HTTP_NAME_BYTES - 1; i++) {
        char c = filename.data[i];
        bool bad = (c >= 0 && c < ' ') || c == 0x7f || (c > 0 && strchr(meant, c));
        if (n == 0 && (c == '.' || c == '-'))
            continue;
        ret_name[n++] = bad ? '_' : c;
    }
    n = kt_utf8_check((kt_slice){ret_name, n}); /* a character that was cut goes */
    if (n == 0) {
        memcpy(ret_name, "file", 4);
        n = 4;
    }
    ret_name[n] = '\0';
    return n;
}
