/* SPDX-License-Identifier: MIT */
/* Set-Cookie as servers write it, by the rules for user agents (RFC 6265bis section 5.6). */
#include <strings.h>
#include <time.h>

#include "http/cookie_private.h"
#include "http/parser_internal.h"

#define ATTRIBUTE_BYTES_MAX 1024
/* Beyond this every age is capped anyway; so that no sum overflows. */
#define SECONDS_MAX ((int64_t)1 << 40)

static bool is_digit(char c)
{
    return kt__is(c, KT__C_DIGIT);
}

static kt_slice trim(kt_slice s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = (kt_slice){s.data + 1, s.size - 1};
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
        s.size--;
    return s;
}

/* Takes what stands before `mark` off the front, and the mark. False: there is no mark, and all was taken. */
static bool cut(kt_slice *rest, char mark, kt_slice *ret_front)
{
    const char *at = rest->size ? memchr(rest->data, mark, rest->size) : NULL;
    *ret_front = (kt_slice){rest->data, at ? (size_t)(at - rest->data) : rest->size};
    size_t used = ret_front->size + (at != NULL);
    *rest = (kt_slice){rest->data + used, rest->size - used};
    return at != NULL;
}

/* ---- Dates ----------------------------------------------------------------------------------- */

typedef struct date {
    bool has_time, has_day, has_month, has_year;
    int hour, minute, second, day, month, year;
} date;

static bool is_delimiter(char c)
{
    return c == '\t' || (c >= ' ' && c <= '/') || (c >= ';' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

/* Takes `least` to `most` digits; what follows must be none. */
static bool take_number(kt_slice *s, size_t least, size_t most, int *ret)
{
    size_t n = 0;
    int value = 0;
    while (n < s->size && n < most && is_digit(s->data[n]))
        value = value * 10 + (s->data[n++] - '0');
    if (n < least || (n < s->size && is_digit(s->data[n])))
        return false;
    *s = (kt_slice){s->data + n, s->size - n};
    *ret = value;
    return true;
}

static bool take_colon(kt_slice *s)
{
    if (s->size == 0 || s->data[0] != ':')
        return false;
    *s = (kt_slice){s->data + 1, s->size - 1};
    return true;
}

static bool is_time(kt_slice s, date *d)
{
    int hour, minute, second;
    if (!take_number(&s, 1, 2, &hour) || !take_colon(&s) || !take_number(&s, 1, 2, &minute) || !take_colon(&s) ||
        !take_number(&s, 1, 2, &second))
        return false;
    d->hour = hour;
    d->minute = minute;
    d->second = second;
    return true;
}

static bool is_month(kt_slice s, date *d)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int i = 0; s.size >= 3 && i < 12; i++) {
        if (strncasecmp(s.data, names + 3 * i, 3) == 0) {
            d->month = i;
            return true;
        }
    }
    return false;
}

/* Each token is the first thing that is still missing and that it could be. */
static void read_token(kt_slice token, date *d)
{
    kt_slice s = token;
    if (!d->has_time && is_time(token, d))
        d->has_time = true;
    else if (!d->has_day && take_number(&s, 1, 2, &d->day))
        d->has_day = true;
    else if (!d->has_month && is_month(token, d))
        d->has_month = true;
    else if (!d->has_year && take_number(&s, 2, 4, &d->year))
        d->has_year = true;
}

bool kt__cookie_date(kt_slice text, int64_t *ret_seconds)
{
    date d = {.day = 0};
    for (size_t i = 0; i < text.size;) {
        size_t from = i;
        while (i < text.size && !is_delimiter(text.data[i]))
            i++;
        if (i > from)
            read_token((kt_slice){text.data + from, i - from}, &d);
        else
            i++;
    }
    if (!d.has_time || !d.has_day || !d.has_month || !d.has_year)
        return false;
    if (d.year >= 70 && d.year <= 99)
        d.year += 1900;
    else if (d.year <= 69)
        d.year += 2000;
    if (d.day < 1 || d.year < 1601 || d.hour > 23 || d.minute > 59 || d.second > 59)
        return false;
    struct tm tm = {.tm_year = d.year - 1900, .tm_mon = d.month, .tm_mday = d.day,
                    .tm_hour = d.hour, .tm_min = d.minute, .tm_sec = d.second};
    int64_t seconds = timegm(&tm);
    if (tm.tm_mday != d.day) /* there is no 31st of June */
        return false;
    *ret_seconds = seconds;
    return true;
}

/* ---- Attributes ------------------------------------------------------------------------------ */

typedef struct attributes {
    kt__set_cookie *cookie;
    bool has_max_age; /* which outranks Expires, wherever it stands */
} attributes;

static void set_max_age(attributes *a, kt_slice value)
{
    bool minus = value.size > 0 && value.data[0] == '-';
    int64_t seconds = 0;
    if (value.size == minus)
        return;
    for (size_t i = minus; i < value.size; i++) {
        if (!is_digit(value.data[i]))
            return;
        if (seconds < SECONDS_MAX)
            seconds = seconds * 10 + (value.data[i] - '0');
    }
    a->has_max_age = a->cookie->persistent = a->cookie->relative = true;
    a->cookie->seconds = minus ? 0 : seconds < SECONDS_MAX ? seconds : SECONDS_MAX;
}

static void set_expires(attributes *a, kt_slice value)
{
    int64_t seconds;
    if (a->has_max_age || !kt__cookie_date(value, &seconds))
        return;
    a->cookie->persistent = true;
    a->cookie->seconds = seconds;
}

static uint8_t same_site_of(kt_slice value)
{
    if (kt__http_same(value.data, value.size, "strict"))
        return KT_COOKIE_SAME_SITE_STRICT;
    if (kt__http_same(value.data, value.size, "lax"))
        return KT_COOKIE_SAME_SITE_LAX;
    return kt__http_same(value.data, value.size, "none") ? KT_COOKIE_SAME_SITE_NONE : KT_COOKIE_SAME_SITE_UNSET;
}

/* The last one of each name counts. */
static void read_attribute(attributes *a, kt_slice text)
{
    kt__set_cookie *c = a->cookie;
    kt_slice name, value = text;
    (void)cut(&value, '=', &name);
    name = trim(name);
    value = trim(value);
    if (value.size > ATTRIBUTE_BYTES_MAX)
        return;
    if (kt__http_same(name.data, name.size, "expires")) {
        set_expires(a, value);
    } else if (kt__http_same(name.data, name.size, "max-age")) {
        set_max_age(a, value);
    } else if (kt__http_same(name.data, name.size, "domain")) {
        bool dot = value.size > 0 && value.data[0] == '.';
        c->domain = (kt_slice){value.data + dot, value.size - dot};
    } else if (kt__http_same(name.data, name.size, "path")) {
        bool good = value.size > 0 && value.data[0] == '/';
        c->path = good ? value : (kt_slice){NULL, 0};
    } else if (kt__http_same(name.data, name.size, "secure")) {
        c->secure = true;
    } else if (kt__http_same(name.data, name.size, "httponly")) {
        c->http_only = true;
    } else if (kt__http_same(name.data, name.size, "samesite")) {
        c->same_site = same_site_of(value);
    }
}

static bool has_control(kt_slice s)
{
#ifdef KT_FUZZ_PLANTED_BUG
    s.size--; /* one too early */
#endif
    for (size_t i = 0; i < s.size; i++)
        if (((unsigned char)s.data[i] < ' ' && s.data[i] != '\t') || s.data[i] == 0x7f)
            return true;
    return false;
}

bool kt__set_cookie_parse(kt_slice field, size_t bytes_max, kt__set_cookie *ret_cookie)
{
    kt__set_cookie c = {.secure = false};
    attributes a = {&c, false};
    kt_slice rest = field, pair, name, text;
    if (field.size == 0 || has_control(field))
        return false;
    (void)cut(&rest, ';', &pair);
    if (cut(&pair, '=', &name)) {
        c.name = trim(name);
        c.value = trim(pair);
    } else {
        c.name = (kt_slice){name.data, 0};
        c.value = trim(name);
    }
    /* A tab is allowed within; but no file of cookies could hold it. */
    if (c.name.size + c.value.size == 0 || c.name.size + c.value.size > bytes_max ||
        memchr(c.name.data, '\t', c.name.size) || memchr(c.value.data, '\t', c.value.size))
        return false;
    while (rest.size > 0) {
        (void)cut(&rest, ';', &text);
        read_attribute(&a, text);
    }
    *ret_cookie = c;
    return true;
}
