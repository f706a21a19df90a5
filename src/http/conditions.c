/* SPDX-License-Identifier: MIT */
/* Conditional requests (RFC 9110 section 13) and the dates in them. */
#include <errno.h>
#include <stdio.h>

#include "http/files.h"
#include "http/parser_internal.h"

/* ---- Dates (RFC 9110 section 5.6.7) ----------------------------------------------------------------- */

/* Days from 1970-01-01: Hinnant's days_from_civil, the inverse of what compose.c does. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int month_of(const char name[4])
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (memcmp(name, months + 3 * i, 3) == 0)
            return i + 1;
    return 0;
}

typedef struct fields {
    int day, year, hour, minute, second;
    char month[4];
} fields;

/* A year of two digits that would lie over 50 years ahead is of the century before. */
static int full_year(int two)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    int this_year = 1970 + (int)(now.tv_sec / 31556952);
    int year = this_year - this_year % 100 + two;
    return year > this_year + 50 ? year - 100 : year;
}

static bool scan(const char *s, fields *f)
{
    int end = 0;
    if (sscanf(s, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &f->day, f->month, &f->year, &f->hour,
               &f->minute, &f->second, &end) == 6 && end > 0 && !s[end])
        return true;
    end = 0;
    if (sscanf(s, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &f->day, f->month, &f->year, &f->hour,
               &f->minute, &f->second, &end) == 6 && end > 0 && !s[end]) {
        f->year = full_year(f->year);
        return true;
    }
    end = 0;
    return sscanf(s, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", f->month, &f->day, &f->hour, &f->minute,
                  &f->second, &f->year, &end) == 6 && end > 0 && !s[end];
}

int kt__http_date_parse(kt_slice text, time_t *ret_second)
{
    char s[48];
    fields f = {.day = 0};
    if (text.size == 0 || text.size >= sizeof s)
        return -EINVAL;
    memcpy(s, text.data, text.size);
    s[text.size] = '\0';
    if (!scan(s, &f))
        return -EINVAL;
    int month = month_of(f.month);
    if (month == 0 || f.day < 1 || f.day > 31 || f.hour < 0 || f.hour > 23 || f.minute < 0 || f.minute > 59 ||
        f.second < 0 || f.second > 60 || f.year < 0)
        return -EINVAL;
    *ret_second = (time_t)(days_of(f.year, month, f.day) * 86400 + f.hour * 3600 + f.minute * 60 + f.second);
    return 0;
}

void kt__http_date_text(time_t second, char text[32])
{
    kt__http_date d;
    kt__http_date_make(&d, second < 0 ? 0 : second);
    memcpy(text, d.line + 6, 29); /* behind "Date: " */
    text[29] = '\0';
}

/* ---- Tags -------------------------------------------------------------------------------------------- */

/* Compares an element of a list with a tag; `strong` lets no weak one be equal (RFC 9110 section 8.8.3.2). */
static bool same_tag(kt_slice element, kt_slice tag, bool strong)
{
    bool weak = false;
    if (element.size > 2 && memcmp(element.data, "W/", 2) == 0) {
        weak = true;
        element = (kt_slice){element.data + 2, element.size - 2};
    }
    if (tag.size > 2 && memcmp(tag.data, "W/", 2) == 0) {
        weak = true;
        tag = (kt_slice){tag.data + 2, tag.size - 2};
    }
    return !(weak && strong) && element.size > 0 && kt_slice_equal(element, tag);
}

/* The next tag of a list; a comma may stand within its quotes, so kt__http_list_next will not do. */
static bool next_tag(kt_slice *rest, kt_slice *ret_tag)
{
    size_t at = 0, end;
    while (at < rest->size && (rest->data[at] == ' ' || rest->data[at] == '\t' || rest->data[at] == ','))
        at++;
    if (at == rest->size)
        return false;
    bool quoted = false;
    for (end = at; end < rest->size && (quoted || rest->data[end] != ','); end++)
        quoted ^= rest->data[end] == '"';
    size_t size = end - at;
    while (size > 0 && (rest->data[at + size - 1] == ' ' || rest->data[at + size - 1] == '\t'))
        size--;
    *ret_tag = (kt_slice){rest->data + at, size};
    *rest = (kt_slice){rest->data + end, rest->size - end};
    return true;
}

/* -1: the request has no such header; 1: one of them has "*" or the tag (data NULL: there is none); 0: not. */
static int matches(const kt_http_exchange *x, const char *lower_name, kt_slice tag, bool exists, bool strong)
{
    kt_slice name, value, element;
    int found = -1;
    for (size_t i = 0; kt_http_request_header_at(x, i, &name, &value); i++) {
        if (!kt__http_same(name.data, name.size, lower_name))
            continue;
        found = 0;
        while (next_tag(&value, &element)) {
            bool same = kt_slice_is(element, "*") ? exists : tag.data && same_tag(element, tag, strong);
            if (same)
                return 1;
        }
    }
    return found;
}

bool kt__none_match_has(const kt_http_exchange *x, kt_slice tag)
{
    return matches(x, "if-none-match", tag, false, true) == 1;
}

/* ---- All of them ------------------------------------------------------------------------------------- */

/* Is the thing unchanged since the date in this header? -1: there is no such date. */
static int unchanged_since(const kt_http_exchange *x, const char *name, time_t changed)
{
    time_t when;
    kt_slice value = kt_http_request_header(x, name);
    if (!value.data || changed == -1 || kt__http_date_parse(value, &when) < 0)
        return -1;
    return changed <= when;
}

int kt_http_conditions(const kt_http_exchange *x, const char *etag, time_t changed)
{
    bool exists = etag || changed != -1;
    bool reads = kt_http_method_is(x, "GET") || kt_http_method_is(x, "HEAD");
    kt_slice tag = etag ? kt_slice_from(etag) : (kt_slice){NULL, 0};
    int match = matches(x, "if-match", tag, exists, true);
    if (match == 0 || (match < 0 && unchanged_since(x, "If-Unmodified-Since", changed) == 0))
        return 412;
    int none = matches(x, "if-none-match", tag, exists, false);
    if (none == 1)
        return reads ? 304 : 412;
    if (none < 0 && reads && unchanged_since(x, "If-Modified-Since", changed) == 1)
        return 304;
    return 0;
}

/* A date will do only as a strong validator: if it is the very one of the thing, which must have rested for a second
 * when it was told (RFC 9110 section 8.8.2.2); who replaces a file twice in a second gets a new tag, not a new date. */
bool kt__ranges_wanted(const kt_http_exchange *x, const char *etag, time_t changed)
{
    kt_slice value = kt_http_request_header(x, "If-Range");
    time_t when;
    if (!value.data)
        return true;
    if (memchr(value.data, '"', value.size))
        return etag && same_tag(value, kt_slice_from(etag), true);
    return kt__http_date_parse(value, &when) == 0 && when == changed;
}
