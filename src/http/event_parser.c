/* SPDX-License-Identifier: MIT */
/* Lines, fields, events. */
#include "http/event_parser.h"

#include <errno.h>
#include <kettle/error.h>
#include <kettle/utf8.h>
#include <string.h>

#define RETRY_MS_MAX ((int64_t)1000 * 1000 * 1000)

void kt__event_parser_init(kt__event_parser *p, size_t line_bytes_max, size_t event_bytes_max)
{
    *p = (kt__event_parser){.line = KT_BUFFER_INIT, .data = KT_BUFFER_INIT, .type = KT_BUFFER_INIT,
                            .id = KT_BUFFER_INIT, .next_id = KT_BUFFER_INIT,
                            .event_bytes_max = event_bytes_max, .retry_ms = -1};
    p->line.size_max = line_bytes_max;
    p->data.size_max = p->type.size_max = event_bytes_max;
}

void kt__event_parser_release(kt__event_parser *p)
{
    kt_buffer_release(&p->line);
    kt_buffer_release(&p->data);
    kt_buffer_release(&p->type);
    kt_buffer_release(&p->id);
    kt_buffer_release(&p->next_id);
}

static void forget_event(kt__event_parser *p)
{
    kt_buffer_clear(&p->data);
    kt_buffer_clear(&p->type);
    p->told = false;
}

void kt__event_parser_restart(kt__event_parser *p)
{
    forget_event(p);
    kt_buffer_clear(&p->line);
    p->begun = p->after_cr = p->has_id = false;
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* How many of the bytes in front, which begin no good sequence, one U+FFFD stands for: a beginning of one as far as it
 * is good, or one byte (Encoding standard, section 8.1.1; Unicode, table 3-7). */
static size_t bad_size(const unsigned char *b, size_t size)
{
    unsigned low = 0x80, high = 0xBF;
    size_t more = b[0] < 0xC2 || b[0] > 0xF4 ? 0 : b[0] < 0xE0 ? 1 : b[0] < 0xF0 ? 2 : 3;
    low = b[0] == 0xE0 ? 0xA0 : b[0] == 0xF0 ? 0x90 : low;
    high = b[0] == 0xED ? 0x9F : b[0] == 0xF4 ? 0x8F : high;
    size_t n = 1;
    while (n <= more && n < size && b[n] >= low && b[n] <= high) {
        n++;
        low = 0x80;
        high = 0xBF;
    }
    return n;
}

/* Appends text with U+FFFD in place of what is no UTF-8. */
static int put_text(kt_buffer *b, kt_slice text)
{
    int rc = 0;
    while (text.size > 0 && rc == 0) {
        size_t good = kt_utf8_check(text);
        rc = kt_buffer_append(b, text.data, good);
        text = (kt_slice){text.data + good, text.size - good};
        if (rc < 0 || text.size == 0)
            break;
        size_t bad = bad_size((const unsigned char *)text.data, text.size);
        rc = kt_buffer_append(b, "\xEF\xBF\xBD", 3);
        text = (kt_slice){text.data + bad, text.size - bad};
    }
    return rc;
}

/* ---- Fields ---------------------------------------------------------------------------------- */

/* ASCII digits and nothing else; beyond what is of use it grows no more. */
static void take_retry(kt__event_parser *p, kt_slice value)
{
    int64_t ms = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return;
        ms = ms * 10 + (value.data[i] - '0');
        ms = ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX;
    }
    if (value.size > 0)
        p->retry_ms = ms;
}

static int replace(kt_buffer *b, kt_slice value)
{
    kt_buffer_clear(b);
    return put_text(b, value);
}

static int take_field(kt__event_parser *p, kt_slice name, kt_slice value)
{
    if (kt_slice_is(name, "data")) {
        int rc = put_text(&p->data, value);
        return rc < 0 ? rc : kt_buffer_append(&p->data, "\n", 1);
    }
    if (kt_slice_is(name, "event"))
        return replace(&p->type, value);
    if (kt_slice_is(name, "retry"))
        take_retry(p, value);
    if (!kt_slice_is(name, "id") || (value.size > 0 && memchr(value.data, '\0', value.size)))
        return 0;
    int rc = replace(&p->next_id, value);
    p->has_id = p->has_id || rc == 0;
    return rc;
}

/* An empty line. 1: an event is over. An id counts with it, also where there is no data. */
static int dispatch(kt__event_parser *p)
{
    if (p->has_id) {
        kt_buffer old = p->id;
        p->id = p->next_id;
        p->next_id = old;
        p->has_id = false;
    }
    if (p->data.size == 0) {
        kt_buffer_clear(&p->type);
        return 0;
    }
    p->data.size--; /* the last line's end */
    p->told = true;
    return 1;
}

static int take_line(kt__event_parser *p, kt_slice line)
{
    if (!p->begun && line.size >= 3 && memcmp(line.data, "\xEF\xBB\xBF", 3) == 0)
        line = (kt_slice){line.data + 3, line.size - 3};
    p->begun = true;
    if (line.size == 0)
        return dispatch(p);
    const char *colon = memchr(line.data, ':', line.size);
    if (!colon)
        return take_field(p, line, (kt_slice){"", 0});
    kt_slice name = {line.data, (size_t)(colon - line.data)};
    kt_slice value = {colon + 1, line.size - name.size - 1};
    if (value.size > 0 && value.data[0] == ' ')
        value = (kt_slice){value.data + 1, value.size - 1};
    int rc = take_field(p, name, value); /* a comment has an empty name */
    return rc == 0 && p->data.size + p->type.size > p->event_bytes_max ? KT_ELIMIT : rc;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static size_t line_end(kt_slice in)
{
    size_t i = 0;
    while (i < in.size && in.data[i] != '\r' && in.data[i] != '\n')
        i++;
    return i;
}

/* A line is over at CR at once: nobody waits for the LF that may follow. */
static int finish_line(kt__event_parser *p, kt_slice *in, size_t n)
{
    kt_slice rest = {in->data, n};
    int rc = 0;
    p->after_cr = in->data[n] == '\r';
    *in = (kt_slice){in->data + n + 1, in->size - n - 1};
    if (p->line.size == 0 && n <= p->line.size_max)
        return take_line(p, rest);
    rc = kt_buffer_append(&p->line, rest.data, rest.size);
    if (rc == 0)
        rc = take_line(p, kt_buffer_slice(&p->line));
    kt_buffer_clear(&p->line);
    return rc;
}

int kt__event_parser_feed(kt__event_parser *p, kt_slice *in)
{
    if (p->told)
        forget_event(p);
    int rc = 0;
    while (in->size > 0 && rc == 0) {
        if (p->after_cr && in->data[0] == '\n') {
            *in = (kt_slice){in->data + 1, in->size - 1};
            p->after_cr = false;
            continue;
        }
        p->after_cr = false;
        size_t n = line_end(*in);
        if (n < in->size) {
            rc = finish_line(p, in, n);
            continue;
        }
        rc = kt_buffer_append(&p->line, in->data, in->size);
        *in = (kt_slice){in->data + in->size, 0};
    }
    if (rc == KT_ELIMIT)
        return kt_error_set(KT_ELIMIT, "an event stream with a line or an event beyond its limit");
    return rc;
}
