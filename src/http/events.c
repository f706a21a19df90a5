/* SPDX-License-Identifier: MIT */
/* Server-Sent Events (HTML standard, section 9.2). */
#include <errno.h>

#include "http/server.h"

int kt_http_events_start(kt_http_exchange *x)
{
    if (x->c->server->stopping) {
        kt__http_fault(x, 503, "the server is stopping");
        return kt_error_set(KT_ESHUTDOWN, "the server is stopping");
    }
    size_t before = x->m->fields.size;
    int rc = kt_http_header(x, "Cache-Control", "no-cache");
    if (rc == 0) /* nginx would collect the events otherwise */
        rc = kt_http_header(x, "X-Accel-Buffering", "no");
    if (rc == 0)
        rc = kt_http_start(x, 200, "text/event-stream");
    if (rc < 0) {
        if (x->state == KT__HTTP_NEW) /* another try sets them again */
            x->m->fields.size = before;
        return rc;
    }
    x->is_events = true;
    kt_http_deadline_set(x, KT_FOREVER);
    x->c->events = !x->c->is_h2; /* where the connection is the exchange's alone, which ends them */
    return kt_http_flush(x);
}

static bool is_line(const char *s)
{
    return !s || !s[strcspn(s, "\r\n")];
}

/* Appends "name: value\n". */
static int put_field(kt_buffer *b, const char *name, const void *value, size_t size)
{
    int rc = kt_buffer_append_string(b, name);
    if (rc == 0)
        rc = kt_buffer_append(b, ": ", 2);
    if (rc == 0)
        rc = kt_buffer_append(b, value, size);
    return rc < 0 ? rc : kt_buffer_append(b, "\n", 1);
}

/* Each line gets a field of its own; CR LF, CR and LF all end a line, as the client reads it. */
static int put_data(kt_buffer *b, const char *data, size_t size)
{
    size_t start = 0;
    int rc;
    do {
        size_t end = start;
        while (end < size && data[end] != '\r' && data[end] != '\n')
            end++;
        rc = put_field(b, "data", size ? data + start : "", end - start);
        if (end == size)
            break;
        start = end + 1 + (data[end] == '\r' && end + 1 < size && data[end + 1] == '\n');
    } while (rc == 0);
    return rc;
}

int kt__http_event_put(kt_buffer *b, const char *event, const char *id, const void *data, size_t size)
{
    int rc = 0;
    if (!is_line(event) || !is_line(id))
        return kt_error_set(-EINVAL, "line end in an event's type or id");
    if (event)
        rc = put_field(b, "event", event, strlen(event));
    if (rc == 0 && id)
        rc = put_field(b, "id", id, strlen(id));
    if (rc == 0)
        rc = put_data(b, data, size);
    return rc < 0 ? rc : kt_buffer_append(b, "\n", 1);
}

static int check_events(const kt_http_exchange *x)
{
    if (!x->is_events || x->state != KT__HTTP_STARTED)
        return kt_error_set(KT_EINVALIDSTATE, "no stream of events is open");
    if (x->bodiless) /* HEAD: the loop that sends events must end */
        return KT_ECLOSED;
    return 0;
}

int kt_http_event(kt_http_exchange *x, const char *event, const char *id, const void *data,
                  size_t size)
{
    int rc = check_events(x);
    if (rc < 0)
        return rc;
    kt_buffer *b = &x->m->event;
    kt_buffer_clear(b);
    rc = kt__http_event_put(b, event, id, data, size);
    return rc < 0 ? rc : kt_http_write(x, b->data, b->size);
}

int kt_http_event_comment(kt_http_exchange *x, const char *text)
{
    int rc = check_events(x);
    if (rc < 0)
        return rc;
    if (!is_line(text))
        return kt_error_set(-EINVAL, "line end in a comment");
    kt_buffer *b = &x->m->event;
    kt_buffer_clear(b);
    rc = put_field(b, "", text, strlen(text));
    if (rc == 0)
        rc = kt_buffer_append(b, "\n", 1);
    return rc < 0 ? rc : kt_http_write(x, b->data, b->size);
}
