/* SPDX-License-Identifier: MIT */
/* Forms to send: a list of parts, and a reader that goes through it. */
#include <kettle/buffer.h>
#include <kettle/http_form.h>
#include <kettle/path.h>
#include <stdio.h>
#include <sys/random.h>

#include "http/client.h"

#define BOUNDARY_PREFIX "----kettle"
#define BOUNDARY_BYTES (sizeof BOUNDARY_PREFIX + 32)

/* Either bytes, a file, or a source. */
typedef struct part {
    kt_buffer head;   /* boundary and header fields, and a text's value */
    const char *bytes;
    kt_file *file;
    kt_http_form_source source;
    int64_t size;     /* of the content, -1: not known */
} part;

typedef enum stage {
    HEAD,
    CONTENT,
    TAIL,
} stage;

struct kt_http_form {
    char boundary[BOUNDARY_BYTES];
    char content_type[BOUNDARY_BYTES + 32];
    char end[BOUNDARY_BYTES + 8];
    part *parts;
    size_t count, capacity;
    /* Where the reader is; behind the last part comes the end. */
    size_t at;
    stage stage;
    uint64_t done;    /* bytes of this stage */
};

/* ---- Life ------------------------------------------------------------------------------------ */

int kt_http_form_new(kt_http_form **ret_form)
{
    unsigned char random[16];
    char hex[2 * sizeof random + 1];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return kt_error_set(-EIO, "getrandom(2) gave no boundary");
    kt_http_form *f = kt_calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(hex + 2 * i, 3, "%02x", random[i]);
    snprintf(f->boundary, sizeof f->boundary, BOUNDARY_PREFIX "%s", hex);
    snprintf(f->content_type, sizeof f->content_type, "multipart/form-data; boundary=%s", f->boundary);
    snprintf(f->end, sizeof f->end, "--%s--\r\n", f->boundary);
    *ret_form = f;
    return 0;
}

static void part_release(part *p)
{
    kt_buffer_release(&p->head);
    kt_file_cleanup(&p->file);
}

void kt_http_form_free(kt_http_form *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        part_release(&f->parts[i]);
    kt_free(f->parts);
    kt_free(f);
}

/* ---- Parts ----------------------------------------------------------------------------------- */

/* WHATWG HTML, section 4.10.21.8: what would end the quotes or the line. */
static int put_name(kt_buffer *b, const char *name)
{
    int rc = kt_buffer_append(b, "\"", 1);
    for (; *name && rc == 0; name++) {
        bool bad = *name == '"' || *name == '\r' || *name == '\n';
        rc = bad ? kt_buffer_printf(b, "%%%02X", (unsigned char)*name) : kt_buffer_append(b, name, 1);
    }
    return rc < 0 ? rc : kt_buffer_append(b, "\"", 1);
}

/* The same section: CR, LF and CR LF all become CR LF. */
static int put_lines(kt_buffer *b, const char *text)
{
    int rc = 0;
    while (*text && rc == 0) {
        size_t n = strcspn(text, "\r\n");
        rc = kt_buffer_append(b, text, n);
        text += n;
        if (!*text || rc < 0)
            break;
        rc = kt_buffer_append(b, "\r\n", 2);
        text += text[0] == '\r' && text[1] == '\n' ? 2 : 1;
    }
    return rc;
}

/* A field's name is a text, too: its line ends are made the same first. */
static int put_field_name(kt_buffer *b, const char *name)
{
    kt_auto(kt_buffer) lines = KT_BUFFER_INIT;
    int rc = put_lines(&lines, name);
    if (rc == 0)
        rc = kt_buffer_append(&lines, "", 1);
    return rc < 0 ? rc : put_name(b, lines.data);
}

static int begin_part(const kt_http_form *f, const char *name, part *p)
{
    *p = (part){.head = KT_BUFFER_INIT};
    int rc = kt_buffer_printf(&p->head, "--%s\r\nContent-Disposition: form-data; name=", f->boundary);
    return rc < 0 ? rc : put_field_name(&p->head, name);
}

static int begin_file(const kt_http_form *f, const char *name, const char *shown, const kt_http_form_file *file,
                      part *p)
{
    const char *type = file && file->type ? file->type : "application/octet-stream";
    const char *const check[] = {"Content-Type", type, NULL};
    int rc = kt__client_headers_check(check);
    if (rc < 0)
        return rc;
    rc = begin_part(f, name, p);
    if (rc == 0)
        rc = kt_buffer_append_string(&p->head, "; filename=");
    if (rc == 0)
        rc = put_name(&p->head, file && file->name ? file->name : shown);
    return rc < 0 ? rc : kt_buffer_printf(&p->head, "\r\nContent-Type: %s\r\n\r\n", type);
}

/* Takes the part over in any case. */
static int add(kt_http_form *f, part *p, int rc)
{
    if (rc == 0 && f->count == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 8;
        part *parts = kt_realloc(f->parts, capacity * sizeof *parts);
        if (parts) {
            f->parts = parts;
            f->capacity = capacity;
        }
        rc = parts ? 0 : -ENOMEM;
    }
    if (rc == 0)
        f->parts[f->count++] = *p;
    else
        part_release(p);
    return rc;
}

int kt_http_form_add(kt_http_form *f, const char *name, const char *value)
{
    part p;
    int rc = begin_part(f, name, &p);
    if (rc == 0)
        rc = kt_buffer_append(&p.head, "\r\n\r\n", 4);
    if (rc == 0)
        rc = put_lines(&p.head, value);
    return add(f, &p, rc);
}

int kt_http_form_add_bytes(kt_http_form *f, const char *name, const void *bytes, size_t size,
                           const kt_http_form_file *file)
{
    part p = {.head = KT_BUFFER_INIT};
    int rc = begin_file(f, name, "blob", file, &p);
    p.bytes = bytes;
    p.size = (int64_t)size;
    return add(f, &p, rc);
}

int kt_http_form_add_source(kt_http_form *f, const char *name, const kt_http_form_source *source,
                            const kt_http_form_file *file)
{
    part p = {.head = KT_BUFFER_INIT};
    int rc = begin_file(f, name, "blob", file, &p);
    p.source = *source;
    p.size = source->size;
    return add(f, &p, rc);
}

static int measure(part *p)
{
    struct stat st;
    int rc = kt_file_stat(p->file, &st);
    if (rc == 0 && S_ISDIR(st.st_mode))
        rc = kt_error_set(-EISDIR, "%s is a directory", kt_file_name(p->file));
    p->size = rc == 0 ? (int64_t)st.st_size : 0;
    return rc;
}

int kt_http_form_add_file(kt_http_form *f, const char *name, const char *path, const kt_http_form_file *file)
{
    part p = {.head = KT_BUFFER_INIT};
    kt_slice last = kt_path_name(path);
    char *shown = kt_strndup(last.data, last.size);
    int rc = shown ? begin_file(f, name, shown, file, &p) : -ENOMEM;
    kt_free(shown);
    if (rc == 0)
        rc = kt_file_open(path, O_RDONLY, 0, &p.file);
    if (rc == 0)
        rc = measure(&p);
    return add(f, &p, rc);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static ssize_t copy(kt_http_form *f, const char *bytes, size_t have, void *buffer, size_t size)
{
    size_t left = have - (size_t)f->done, n = left < size ? left : size;
    if (n > 0)
        memcpy(buffer, bytes + f->done, n);
    return (ssize_t)n;
}

static int wrong_size(const part *p, uint64_t done)
{
    const char *how = done > (uint64_t)p->size ? "more" : "less";
    return kt_error_set(-EINVAL, "a part of the form has %s than its %lld bytes", how, (long long)p->size);
}

static ssize_t read_content(kt_http_form *f, const part *p, void *buffer, size_t size)
{
    uint64_t left = p->size < 0 ? UINT64_MAX : (uint64_t)p->size - f->done;
    char more;
    ssize_t n;
    if (left == 0 && !p->source.read)
        return 0;
    if (p->source.read && left == 0) { /* what was announced has come: that has to be all */
        n = p->source.read(&more, 1, p->source.arg);
        return n > 0 ? wrong_size(p, f->done + 1) : n;
    }
    size = left < size ? (size_t)left : size;
    if (p->source.read)
        n = p->source.read(buffer, size, p->source.arg);
    else if (p->file)
        n = kt_file_pread(p->file, buffer, size, (int64_t)f->done);
    else
        n = copy(f, p->bytes, (size_t)p->size, buffer, size);
    if (n > 0 && (size_t)n > size)
        return kt_error_set(-EINVAL, "a part of the form gave more than was asked for");
    return n == 0 && p->size >= 0 ? wrong_size(p, f->done) : n;
}

static ssize_t read_stage(kt_http_form *f, void *buffer, size_t size)
{
    if (f->at == f->count)
        return copy(f, f->end, strlen(f->end), buffer, size);
    const part *p = &f->parts[f->at];
    if (f->stage == HEAD)
        return copy(f, p->head.data, p->head.size, buffer, size);
    return f->stage == CONTENT ? read_content(f, p, buffer, size) : copy(f, "\r\n", 2, buffer, size);
}

/* Its body_read. */
static ssize_t read_form(void *buffer, size_t size, void *arg)
{
    kt_http_form *f = arg;
    for (;;) {
        ssize_t n = read_stage(f, buffer, size);
        if (n != 0 || f->at == f->count) {
            f->done += n > 0 ? (uint64_t)n : 0;
            return n;
        }
        f->done = 0;
        f->at += f->stage == TAIL;
        f->stage = f->stage == TAIL ? HEAD : (stage)(f->stage + 1);
    }
}

/* Its body_rewind. */
static int rewind_form(void *arg)
{
    kt_http_form *f = arg;
    int rc = 0;
    for (size_t i = 0; i < f->count && rc >= 0; i++)
        if (f->parts[i].source.read)
            rc = f->parts[i].source.rewind(f->parts[i].source.arg);
    f->at = 0;
    f->stage = HEAD;
    f->done = 0;
    return rc;
}

void kt_http_form_use(kt_http_form *f, kt_http_request *request)
{
    uint64_t size = strlen(f->end);
    bool known = true, twice = true;
    for (size_t i = 0; i < f->count; i++) {
        const part *p = &f->parts[i];
        known = known && p->size >= 0;
        twice = twice && (!p->source.read || p->source.rewind);
        size += p->head.size + (uint64_t)p->size + 2;
    }
    f->at = 0;
    f->stage = HEAD;
    f->done = 0;
    request->content_type = f->content_type;
    request->body_read = read_form;
    request->body_rewind = twice ? rewind_form : NULL;
    request->body_arg = f;
    request->body_size_known = known;
    request->body_size = known ? (size_t)size : 0;
}
