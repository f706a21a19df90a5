/* SPDX-License-Identifier: MIT */

/* A line becomes a record, on the thread that logs. */

#include <errno.h>
#include <kettle/task.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "io/log_private.h"

/* Lines as long as this are formatted once, longer ones a second time into the ring; tasks have small stacks. */
#define SHORT_BYTES 512

/* ---- Time --------------------------------------------------------------------------------------------- */

#define QUARTER 900 /* seconds; clocks are only ever put forward and back at the start of one */

/* The offset from UTC and the quarter of an hour for which it was found, in one word; 0: not yet. */
static _Atomic(int64_t) known_offset;

int32_t kt__log_utc_offset(int64_t second, bool may_ask)
{
    int64_t quarter = second / QUARTER, known = atomic_load_explicit(&known_offset, memory_order_relaxed);
    if (!may_ask || (known && known >> 20 == quarter))
        return known ? (int32_t)(known & 0xFFFFF) - (1 << 19) : 0;
    struct tm tm;
    time_t time = (time_t)second;
    int64_t offset = localtime_r(&time, &tm) ? tm.tm_gmtoff : 0;
    atomic_store_explicit(&known_offset, quarter << 20 | (offset + (1 << 19)), memory_order_relaxed);
    return (int32_t)offset;
}

static int64_t wall_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * KT_S(1) + now.tv_nsec;
}

/* ---- Records -------------------------------------------------------------------------------------------- */

static kt_slice word(const char *text)
{
    return (kt_slice){text, strnlen(text, KT__LOG_WORD_MAX)};
}

static char *put(char *at, kt_slice s)
{
    if (s.size)
        memcpy(at, s.data, s.size);
    return at + s.size;
}

/* With room for the terminator that vsnprintf(3) sets behind a message. */
static size_t record_size(const kt__log_record *r)
{
    return 1 + sizeof *r + r->name_size + r->task_size + r->detail_size + r->message_size + r->fields_size;
}

kt__log_record *kt__log_begin(kt__logbook *log, const kt__log_draft *d, uint64_t *ret_end)
{
    size_t size = 1 + sizeof(kt__log_record) + d->name.size + d->task.size + d->detail.size +
                  d->message_size + d->fields_size;
    kt__log_record *r = kt__log_ring_reserve(&log->ring, size, ret_end);
    if (!r) {
        atomic_fetch_add(&log->dropped, 1);
        return NULL;
    }
    r->level = d->level;
    r->time = wall_clock();
    r->utc_offset = kt__log_utc_offset(r->time / KT_S(1), false);
    r->rc = d->rc;
    r->name_size = (uint16_t)d->name.size;
    r->task_size = (uint16_t)d->task.size;
    r->detail_size = (uint16_t)d->detail.size;
    r->message_size = (uint32_t)d->message_size;
    r->fields_size = (uint32_t)d->fields_size;
    r->fields_count = (uint16_t)d->fields_count;
    put(put(put(r->words, d->name), d->task), d->detail);
    return r;
}

void kt__log_commit(kt__logbook *log, kt__log_record *r)
{
    atomic_fetch_add(&log->logged, 1);
    kt__log_ring_commit(r, record_size(r));
    if (atomic_load(&log->sleeping) && atomic_exchange(&log->sleeping, false))
        kt__log_wake(log);
}

/* ---- Fields ------------------------------------------------------------------------------------------------ */

/* A field as it stands in the record; numbers are made text here. */
typedef struct value {
    kt_slice text;
    char number[32];
} value;

/* The shortest of two forms that reads back the same; a point, whatever the locale has. */
static size_t format_real(double real, char *number, size_t size)
{
    int n = snprintf(number, size, "%.15g", real);
    if (strtod(number, NULL) != real)
        n = snprintf(number, size, "%.17g", real);
    for (int i = 0; i < n; i++)
        if (!strchr("0123456789+-e", number[i]))
            number[i] = '.';
    return (size_t)n;
}

static void value_of(const kt_log_field *f, value *v)
{
    v->text = (kt_slice){v->number, 0};
    if (f->kind == KT__LOG_TEXT)
        v->text = f->text ? kt_slice_from(f->text) : (kt_slice){"null", 4};
    else if (f->kind == KT__LOG_BOOL)
        v->text = kt_slice_from(f->integer ? "true" : "false");
    else if (f->kind == KT__LOG_INTEGER)
        v->text.size = (size_t)snprintf(v->number, sizeof v->number, "%lld", (long long)f->integer);
    else if (isfinite(f->real))
        v->text.size = format_real(f->real, v->number, sizeof v->number);
    else
        v->text = (kt_slice){"null", 4}; /* JSON has no other word for it */
}

/* Puts the field at `at` (NULL: only counts) if it fits into `room`, where only text may be cut: its bytes, or 0. */
static size_t put_field(const kt_log_field *f, size_t room, char *at)
{
    value v;
    kt__log_field_head head;
    value_of(f, &v);
    kt_slice name = word(f->name);
    bool text = f->kind == KT__LOG_TEXT && f->text;
    size_t before = sizeof head + name.size;
    if (before + (text ? 0 : v.text.size) > room)
        return 0;
    if (v.text.size > room - before)
        v.text.size = room - before;
    if (at) {
        memset(&head, 0, sizeof head); /* with what lies between its members */
        head.value_size = (uint32_t)v.text.size;
        head.name_size = (uint8_t)name.size;
        head.kind = text ? KT__LOG_TEXT : KT__LOG_INTEGER;
        memcpy(at, &head, sizeof head);
        put(put(at + sizeof head, name), v.text);
    }
    return before + v.text.size;
}

/* Puts the first *count of them, or as many as fit, which *count then is. Returns their bytes. */
static size_t put_fields(const kt_log_extra *extra, size_t *count, size_t bytes_max, char *at)
{
    size_t size = 0;
    for (size_t i = 0; i < *count; i++) {
        size_t more = put_field(&extra->fields[i], bytes_max - size, at ? at + size : NULL);
        if (more == 0)
            *count = i;
        size += more;
    }
    return size;
}

/* ---- Writing -------------------------------------------------------------------------------------------------- */

/* What is known before the message is. */
static kt__log_draft draft_of(const kt_logger *l, int level, const kt_log_extra *extra, size_t bytes_max)
{
    const kt_task *t = kt_task_current();
    kt__log_draft d = {.name = word(l->name), .level = level};
    if (t)
        d.task = word(kt_task_name(t));
    if (!extra)
        return d;
    d.rc = extra->rc;
    if (d.rc < 0)
        d.detail = word(kt_error_detail());
    d.fields_count = extra->fields_count < KT__LOG_FIELDS_MAX ? extra->fields_count : KT__LOG_FIELDS_MAX;
    d.fields_size = put_fields(extra, &d.fields_count, bytes_max, NULL);
    return d;
}

static void write_line(kt__logbook *log, kt__log_draft *d, const kt_log_extra *extra, const char *format,
                       va_list args)
{
    char text[SHORT_BYTES];
    va_list again;
    uint64_t end;
    va_copy(again, args);
    int length = vsnprintf(text, sizeof text, format, args);
    if (length < 0) /* a wide character that the locale has not: the format says more than nothing */
        length = snprintf(text, sizeof text, "%.500s", format);
    d->message_size = (size_t)length < log->message_bytes_max ? (size_t)length : log->message_bytes_max;
    kt__log_record *r = kt__log_begin(log, d, &end);
    if (r) {
        char *message = r->words + d->name.size + d->task.size + d->detail.size;
        if (d->message_size < sizeof text)
            memcpy(message, text, d->message_size);
        else
            vsnprintf(message, d->message_size + 1, format, again);
        put_fields(extra, &d->fields_count, log->message_bytes_max, message + d->message_size);
        kt__log_commit(log, r);
    }
    va_end(again);
}

static void write_args(kt_logger *l, int level, const kt_log_extra *extra, const char *format,
                       va_list args)
{
    kt__logbook *log = kt_log_enabled(l, level) ? kt__log_enter() : NULL;
    if (!log)
        return;
    int error = errno; /* the caller's may be about to be read */
    kt__log_draft d = draft_of(l, level, extra, log->message_bytes_max);
    (void)kt__log_utc_offset(wall_clock() / KT_S(1), true);
    write_line(log, &d, extra, format, args);
    kt__log_leave();
    errno = error;
}

void kt_log_write(kt_logger *l, int level, const kt_log_extra *extra, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_args(l, level, extra, format, args);
    va_end(args);
}

void kt__log_failure(kt_logger *l, int rc, const char *format, ...)
{
    const kt_log_extra extra = {.rc = rc};
    va_list args;
    va_start(args, format);
    write_args(l, KT_LOG_ERROR, &extra, format, args);
    va_end(args);
}
