/* SPDX-License-Identifier: MIT */

/* What a record looks like: a line for people, a JSON object, a datagram for the journal or for syslog.
 * Async-signal-safe: time and numbers are made here, without stdio and the time zone's lock. */

#include <unistd.h>

#include "io/log_private.h"

#define DAY 86400

kt__log_words kt__log_words_of(const kt__log_record *r)
{
    kt__log_words w = {.name = r->words};
    w.task = w.name + r->name_size;
    w.detail = w.task + r->task_size;
    w.message = w.detail + r->detail_size;
    w.fields = w.message + r->message_size;
    return w;
}

/* ---- Time ------------------------------------------------------------------------------------------ */

typedef struct moment {
    int64_t year;
    int month, day, hour, minute, second, nanosecond;
} moment;

/* The civil date of a day since 1970, in years that begin on 1 March (H. Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", civil_from_days). */
static void date_of(int64_t days, moment *m)
{
    days += 719468; /* since 0000-03-01 */
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int of_era = (int)(days - era * 146097);
    int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = of_era - (365 * year + year / 4 - year / 100);
    int month = (5 * of_year + 2) / 153;
    m->day = of_year - (153 * month + 2) / 5 + 1;
    m->month = month < 10 ? month + 3 : month - 9;
    m->year = year + era * 400 + (m->month <= 2);
}

static int64_t floored(int64_t n, int64_t by)
{
    return n / by - (n % by < 0);
}

static moment moment_of(const kt__log_record *r)
{
    moment m;
    int64_t second = floored(r->time, KT_S(1)) + r->utc_offset, days = floored(second, DAY);
    int of_day = (int)(second - days * DAY);
    date_of(days, &m);
    m.hour = of_day / 3600;
    m.minute = of_day / 60 % 60;
    m.second = of_day % 60;
    m.nanosecond = (int)(r->time - floored(r->time, KT_S(1)) * KT_S(1));
    return m;
}

static void add_clock(kt__log_out *o, const moment *m)
{
    kt__log_add_number(o, m->hour, 2);
    kt__log_add_string(o, ":");
    kt__log_add_number(o, m->minute, 2);
    kt__log_add_string(o, ":");
    kt__log_add_number(o, m->second, 2);
}

static void add_date(kt__log_out *o, const moment *m, const char *between)
{
    kt__log_add_number(o, m->year, 4);
    kt__log_add_string(o, "-");
    kt__log_add_number(o, m->month, 2);
    kt__log_add_string(o, "-");
    kt__log_add_number(o, m->day, 2);
    kt__log_add_string(o, between);
    add_clock(o, m);
}

static void add_offset(kt__log_out *o, int32_t seconds)
{
    kt__log_add_string(o, seconds < 0 ? "-" : "+");
    int minutes = (seconds < 0 ? -seconds : seconds) / 60;
    kt__log_add_number(o, minutes / 60, 2);
    kt__log_add_string(o, ":");
    kt__log_add_number(o, minutes % 60, 2);
}

/* ---- What lines and datagrams share --------------------------------------------------------------------- */

/* kt_strerror, without strerror(3), which a signal handler may not call. */
static const char *reason(int rc)
{
    const char *text = rc > -KT__ERROR_BASE ? strerrordesc_np(-rc) : kt_strerror(rc);
    return text ? text : "unknown error";
}

/* message: reason (NAME: detail). */
static void add_message(kt__log_out *o, const kt__log_record *r, const kt__log_words *w)
{
    kt__log_add_safe(o, w->message, r->message_size, true);
    if (r->rc >= 0)
        return;
    kt__log_add_string(o, ": ");
    kt__log_add_string(o, reason(r->rc));
    kt__log_add_string(o, " (");
    kt__log_add_string(o, kt_error_name(r->rc));
    if (r->detail_size) {
        kt__log_add_string(o, ": ");
        kt__log_add_safe(o, w->detail, r->detail_size, true);
    }
    kt__log_add_string(o, ")");
}

typedef struct field {
    const char *name, *value;
    size_t name_size, value_size;
    bool quoted; /* the value is text */
} field;

/* The field at *at, which moves behind it. */
static field field_next(const char **at)
{
    kt__log_field_head head;
    memcpy(&head, *at, sizeof head);
    field f = {.name = *at + sizeof head, .name_size = head.name_size, .value_size = head.value_size};
    f.quoted = head.kind == KT__LOG_TEXT;
    f.value = f.name + f.name_size;
    *at = f.value + f.value_size;
    return f;
}

/* Can it stand behind name= as it is? */
static bool is_plain(const field *f)
{
    for (size_t i = 0; i < f->value_size; i++) {
        unsigned char c = (unsigned char)f->value[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return f->value_size > 0;
}

static void add_fields(kt__log_out *o, const kt__log_record *r, const kt__log_words *w)
{
    const char *at = w->fields;
    for (unsigned i = 0; i < r->fields_count; i++) {
        field f = field_next(&at);
        kt__log_add_string(o, " ");
        kt__log_add_safe(o, f.name, f.name_size, false);
        kt__log_add_string(o, "=");
        if (is_plain(&f))
            kt__log_add(o, f.value, f.value_size);
        else
            kt__log_add_json(o, f.value, f.value_size);
    }
}

/* ---- A line for people ------------------------------------------------------------------------------------ */

static const char *colour_of(int level)
{
    return level >= KT_LOG_CRITICAL  ? "\033[1;31m"
           : level >= KT_LOG_ERROR   ? "\033[31m"
           : level >= KT_LOG_WARNING ? "\033[33m"
           : level >= KT_LOG_INFO    ? "\033[32m"
                                     : "\033[2m";
}

static void add_line(kt__log_out *o, const kt__log_sink *s, const kt__log_record *r)
{
    kt__log_words w = kt__log_words_of(r);
    moment m = moment_of(r);
    add_date(o, &m, " ");
    kt__log_add_string(o, ",");
    kt__log_add_number(o, m.nanosecond / 1000000, 3);
    kt__log_add_string(o, " - ");
    kt__log_add_safe(o, r->name_size ? w.name : "root", r->name_size ? r->name_size : 4, false);
    kt__log_add_string(o, " - ");
    kt__log_add_string(o, s->coloured ? colour_of(r->level) : "");
    kt__log_add_string(o, kt_log_level_name(r->level));
    kt__log_add_string(o, s->coloured ? "\033[0m - " : " - ");
    if (s->options.tasks && r->task_size) {
        kt__log_add_string(o, "[");
        kt__log_add_safe(o, w.task, r->task_size, false);
        kt__log_add_string(o, "] ");
    }
    add_message(o, r, &w);
    add_fields(o, r, &w);
    kt__log_add_string(o, "\n");
}

/* ---- JSON --------------------------------------------------------------------------------------------------- */

static void add_member(kt__log_out *o, const char *name, const char *value, size_t size)
{
    kt__log_add_string(o, ",\"");
    kt__log_add_string(o, name);
    kt__log_add_string(o, "\":");
    kt__log_add_json(o, value, size);
}

static void add_member_string(kt__log_out *o, const char *name, const char *value)
{
    add_member(o, name, value, strlen(value));
}

static void add_json_fields(kt__log_out *o, const kt__log_record *r, const kt__log_words *w)
{
    const char *at = w->fields;
    kt__log_add_string(o, ",\"fields\":{");
    for (unsigned i = 0; i < r->fields_count; i++) {
        field f = field_next(&at);
        kt__log_add_string(o, i ? "," : "");
        kt__log_add_json(o, f.name, f.name_size);
        kt__log_add_string(o, ":");
        if (f.quoted)
            kt__log_add_json(o, f.value, f.value_size);
        else
            kt__log_add(o, f.value, f.value_size);
    }
    kt__log_add_string(o, "}");
}

static void add_json(kt__log_out *o, const kt__log_record *r)
{
    kt__log_words w = kt__log_words_of(r);
    moment m = moment_of(r);
    kt__log_add_string(o, "{\"time\":\"");
    add_date(o, &m, "T");
    kt__log_add_string(o, ".");
    kt__log_add_number(o, m.nanosecond / 1000, 6);
    add_offset(o, r->utc_offset);
    kt__log_add_string(o, "\"");
    add_member_string(o, "level", kt_log_level_name(r->level));
    add_member(o, "name", r->name_size ? w.name : "root", r->name_size ? r->name_size : 4);
    add_member(o, "message", w.message, r->message_size);
    if (r->task_size)
        add_member(o, "task", w.task, r->task_size);
    if (r->rc < 0) {
        add_member_string(o, "error", kt_error_name(r->rc));
        add_member_string(o, "reason", reason(r->rc));
    }
    if (r->detail_size)
        add_member(o, "detail", w.detail, r->detail_size);
    if (r->fields_count)
        add_json_fields(o, r, &w);
    kt__log_add_string(o, "}\n");
}

/* ---- Datagrams ------------------------------------------------------------------------------------------------ */

/* Of syslog(3). */
static int severity_of(int level)
{
    return level >= KT_LOG_CRITICAL  ? 2
           : level >= KT_LOG_ERROR   ? 3
           : level >= KT_LOG_WARNING ? 4
           : level >= KT_LOG_INFO    ? 6
                                     : 7;
}

/* As syslog(3) makes it: <priority>Nov 25 17:14:48 ident[pid]: message, of facility LOG_USER. */
static void add_syslog(kt__log_out *o, const kt__log_sink *s, const kt__log_record *r)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    kt__log_words w = kt__log_words_of(r);
    moment m = moment_of(r);
    kt__log_add_string(o, "<");
    kt__log_add_number(o, 8 + severity_of(r->level), 1);
    kt__log_add_string(o, ">");
    kt__log_add_string(o, months[m.month - 1]);
    kt__log_add_string(o, m.day < 10 ? "  " : " ");
    kt__log_add_number(o, m.day, 1);
    kt__log_add_string(o, " ");
    add_clock(o, &m);
    kt__log_add_string(o, " ");
    kt__log_add_string(o, s->log->ident);
    kt__log_add_string(o, "[");
    kt__log_add_number(o, getpid(), 1);
    kt__log_add_string(o, "]: ");
    if (r->name_size) {
        kt__log_add_safe(o, w.name, r->name_size, false);
        kt__log_add_string(o, ": ");
    }
    add_message(o, r, &w);
    add_fields(o, r, &w);
}

/* The form of a field whose value may have line ends: name, its size in 64 bits, little end first, and the bytes.
 * systemd.io, "Native Journal Protocol". */
static size_t sized_begin(kt__log_out *o, const char *name, size_t name_size, const char *prefix)
{
    kt__log_add_string(o, prefix);
    for (size_t i = 0; i < name_size; i++) { /* a name has A-Z, 0-9 and _ only */
        char c = name[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        else if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            c = '_';
        kt__log_add(o, &c, 1);
    }
    kt__log_add(o, "\n\0\0\0\0\0\0\0\0", 9);
    return o->size;
}

static void sized_end(kt__log_out *o, size_t begin)
{
    uint64_t size = o->size - begin;
    for (int i = 0; i < 8 && begin >= 8; i++)
        o->bytes[begin - 8 + (size_t)i] = (char)(size >> (8 * i));
    kt__log_add_string(o, "\n");
}

static void add_sized(kt__log_out *o, const char *name, const char *value, size_t size)
{
    size_t begin = sized_begin(o, name, strlen(name), "");
    kt__log_add_safe(o, value, size, true);
    sized_end(o, begin);
}

static void add_journal(kt__log_out *o, const kt__log_sink *s, const kt__log_record *r)
{
    kt__log_words w = kt__log_words_of(r);
    size_t begin = sized_begin(o, "MESSAGE", 7, "");
    add_message(o, r, &w);
    sized_end(o, begin);
    kt__log_add_string(o, "PRIORITY=");
    kt__log_add_number(o, severity_of(r->level), 1);
    kt__log_add_string(o, "\n");
    add_sized(o, "SYSLOG_IDENTIFIER", s->log->ident, strlen(s->log->ident));
    add_sized(o, "LOGGER", w.name, r->name_size);
    if (r->task_size)
        add_sized(o, "TASK", w.task, r->task_size);
    if (r->rc < 0)
        add_sized(o, "ERROR", kt_error_name(r->rc), strlen(kt_error_name(r->rc)));
    if (r->detail_size)
        add_sized(o, "DETAIL", w.detail, r->detail_size);
    const char *at = w.fields;
    for (unsigned i = 0; i < r->fields_count; i++) {
        field f = field_next(&at);
        begin = sized_begin(o, f.name, f.name_size < 62 ? f.name_size : 62, "F_");
        kt__log_add_safe(o, f.value, f.value_size, true);
        sized_end(o, begin);
    }
}

void kt__log_line(kt__log_out *o, const kt__log_sink *s, const kt__log_record *r)
{
    if (s->options.kind == KT_LOG_JOURNAL)
        add_journal(o, s, r);
    else if (s->options.kind == KT_LOG_SYSLOG)
        add_syslog(o, s, r);
    else if (s->options.form == KT_LOG_JSON)
        add_json(o, r);
    else
        add_line(o, s, r);
}
