/* SPDX-License-Identifier: MIT */

/* Times on the wall clock as RFC 3339 writes them. */

#include <stdio.h>
#include <time.h>

#include "notes/notes.h"

#define SECOND KT_S(1)

size_t kt_note_time_format(kt_time wall, char ret_text[KT_NOTE_TIME_BYTES])
{
    struct tm tm;
    ret_text[0] = '\0';
    if (wall == 0)
        return 0;
    time_t seconds = (time_t)(wall / SECOND);
    long fraction = (long)(wall % SECOND);
    if (fraction < 0) {
        seconds--;
        fraction += SECOND;
    }
    if (!gmtime_r(&seconds, &tm))
        return 0;
    size_t size = strftime(ret_text, KT_NOTE_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    if (fraction != 0) {
        size += (size_t)snprintf(ret_text + size, KT_NOTE_TIME_BYTES - size, ".%09ld", fraction);
        while (ret_text[size - 1] == '0')
            size--;
    }
    ret_text[size++] = 'Z';
    ret_text[size] = '\0';
    return size;
}

/* ---- Reading ------------------------------------------------------------------------------ */

typedef struct reader {
    const char *at, *end;
} reader;

/* As many digits as said, between min and max. */
static bool take_number(reader *r, int digits, int min, int max, int *ret_n)
{
    int n = 0;
    for (int i = 0; i < digits; i++, r->at++) {
        if (r->at == r->end || *r->at < '0' || *r->at > '9')
            return false;
        n = n * 10 + (*r->at - '0');
    }
    *ret_n = n;
    return n >= min && n <= max;
}

static bool take_char(reader *r, const char *any)
{
    if (r->at == r->end || !strchr(any, *r->at))
        return false;
    r->at++;
    return true;
}

/* Up to nine digits count; further ones are below what a kt_time can hold. */
static bool take_fraction(reader *r, int64_t *ret_ns)
{
    int64_t ns = 0, unit = SECOND / 10;
    const char *start = r->at;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++, unit /= 10)
        ns += (*r->at - '0') * unit;
    *ret_ns = ns;
    return r->at > start;
}

/* Nothing or Z: UTC; else hours and minutes east of it. */
static bool take_zone(reader *r, int *ret_seconds)
{
    int hours, minutes;
    if (r->at == r->end || take_char(r, "Zz"))
        return true;
    int sign = *r->at == '-' ? -1 : 1;
    if (!take_char(r, "+-") || !take_number(r, 2, 0, 23, &hours))
        return false;
    take_char(r, ":");
    if (!take_number(r, 2, 0, 59, &minutes))
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool take_clock(reader *r, struct tm *tm, int64_t *ns, int *zone)
{
    if (r->at == r->end)
        return true;
    if (!take_char(r, "Tt ") || !take_number(r, 2, 0, 23, &tm->tm_hour) || !take_char(r, ":") ||
        !take_number(r, 2, 0, 59, &tm->tm_min))
        return false;
    if (take_char(r, ":")) {
        if (!take_number(r, 2, 0, 60, &tm->tm_sec))
            return false;
        if (take_char(r, ".") && !take_fraction(r, ns))
            return false;
    }
    return take_zone(r, zone);
}

static bool day_exists(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

int kt_note_time_parse(kt_slice text, kt_time *ret_wall)
{
    text = kt__text_trim(text);
    struct tm tm = {.tm_isdst = 0};
    int64_t ns = 0;
    int zone = 0;
    if (text.size == 0) {
        *ret_wall = 0;
        return 0;
    }
    reader r = {text.data, text.data + text.size};
    /* What fits into a kt_time ends in 2262 and begins in 1677. */
    if (!take_number(&r, 4, 1678, 2261, &tm.tm_year) || !take_char(&r, "-") ||
        !take_number(&r, 2, 1, 12, &tm.tm_mon) || !take_char(&r, "-") ||
        !take_number(&r, 2, 1, 31, &tm.tm_mday) || !day_exists(tm.tm_year, tm.tm_mon, tm.tm_mday) ||
        !take_clock(&r, &tm, &ns, &zone) || r.at != r.end)
        return kt_error_set(KT_EVALIDATION, "'%.*s' is no time as 2026-11-21T02:41:31Z",
                            (int)(text.size < 60 ? text.size : 60), text.data);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_wall = KT_S((int64_t)timegm(&tm) - zone) + ns;
    return 0;
}
