/* SPDX-License-Identifier: MIT */
/* Writes the heads of answers. */
#include <errno.h>

#include "http/server.h"

/* Status line, the fixed headers and their numbers; everything of variable length comes on top. */
#define FIXED_BYTES 256

const char *kt_http_reason(int status)
{
    static const struct {
        short status;
        const char *reason;
    } table[] = {
        /* RFC 9110 section 15, RFC 6585 */
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    if (status == 200)
        return "OK"; /* most are */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].status == status)
            return table[i].reason;
    return "";
}

static char *put(char *p, const char *bytes, size_t size)
{
    memcpy(p, bytes, size);
    return p + size;
}

static char *put_string(char *p, const char *string)
{
    return put(p, string, strlen(string));
}

char *kt__http_put_decimal(char *p, uint64_t n)
{
    char digits[20];
    size_t i = sizeof digits;
    do
        digits[--i] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return put(p, digits + i, sizeof digits - i);
}

char *kt__http_put_hex(char *p, uint64_t n)
{
    char digits[16];
    size_t i = sizeof digits;
    do
        digits[--i] = "0123456789abcdef"[n & 15];
    while ((n >>= 4) > 0);
    return put(p, digits + i, sizeof digits - i);
}

/* ---- Date (RFC 9110 section 5.6.7, IMF-fixdate) ---------------------------------------------- */

static char *put_two(char *p, int n)
{
    *p++ = (char)('0' + n / 10 % 10);
    *p++ = (char)('0' + n % 10);
    return p;
}

/* gmtime_r would take a lock and read the time zone's file; strftime would ask the locale. The
 * calendar of days since 1970 is Hinnant's civil_from_days: years begin in March, so that the leap day
 * is the last of its year, and repeat after 400. */
void kt__http_date_make(kt__http_date *d, time_t second)
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    int64_t days = second / 86400;
    int clock = (int)(second % 86400);
    int64_t from_march = days + 719468; /* since 1 March of the year 0 */
    int day_of_era = (int)(from_march % 146097);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * day_of_year + 2) / 153; /* 0 is March */
    int year = year_of_era + (int)(from_march / 146097) * 400 + (month >= 10);

    char *p = put_string(d->line, "Date: ");
    p = put(p, weekdays + 3 * (days % 7), 3);
    p = put_string(p, ", ");
    p = put_two(p, day_of_year - (153 * month + 2) / 5 + 1);
    *p++ = ' ';
    p = put(p, months + 3 * month, 3);
    *p++ = ' ';
    p = put_two(p, year / 100);
    p = put_two(p, year);
    *p++ = ' ';
    p = put_two(p, clock / 3600);
    *p++ = ':';
    p = put_two(p, clock / 60 % 60);
    *p++ = ':';
    p = put_two(p, clock % 60);
    p = put_string(p, " GMT\r\n");
    *p = '\0';
    d->second = second;
}

const char *kt__http_date_line(kt__http_date *d)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now); /* 5 ns; a tick late at most */
    if (now.tv_sec != d->second)
        kt__http_date_make(d, now.tv_sec);
    return d->line;
}

/* ---- Head ------------------------------------------------------------------------------------ */

static char *put_framing(char *p, const kt__http_answer *a)
{
    if (a->framing == KT__HTTP_HAS_LENGTH) {
        p = put_string(p, "Content-Length: ");
        p = kt__http_put_decimal(p, a->length);
        p = put_string(p, "\r\n");
    } else if (a->framing == KT__HTTP_HAS_CHUNKS) {
        p = put_string(p, "Transfer-Encoding: chunked\r\n");
    }
    /* RFC 9112 section 9.3: HTTP/1.1 persists unless it says close, HTTP/1.0 the other way round. */
    if (a->upgrade) {
        p = put_string(p, "Upgrade: ");
        p = put_string(p, a->upgrade);
        p = put_string(p, "\r\nConnection: Upgrade\r\n");
    } else if (!a->keep)
        p = put_string(p, "Connection: close\r\n");
    else if (a->minor == 0)
        p = put_string(p, "Connection: keep-alive\r\n");
    return p;
}

int kt__http_compose(kt_http_exchange *x, const kt__http_answer *a, size_t extra)
{
    kt__http_work *w = x->w;
    kt__http_server *s = x->c->server;
    const kt_buffer *fields = &x->m->fields;
    const char *reason = kt_http_reason(a->status);
    size_t upgrade_size = a->upgrade ? strlen(a->upgrade) : 0;
    if (extra > SIZE_MAX / 2)
        return -ENOMEM;
    int rc = kt_buffer_reserve(&w->out, FIXED_BYTES + strlen(reason) + a->content_type.size + s->name.size +
                                            upgrade_size + fields->size + extra);
    if (rc < 0)
        return rc == KT_ELIMIT ? -ENOMEM : rc;
    char *p = w->out.data + w->out.size;
    p = put_string(p, "HTTP/1.1 ");
    p = kt__http_put_decimal(p, (uint64_t)a->status);
    *p++ = ' ';
    p = put_string(p, reason);
    p = put_string(p, "\r\n");
    p = put(p, kt__http_date_line(&s->date), KT__HTTP_DATE_BYTES);
    if (s->name.size > 0) {
        p = put_string(p, "Server: ");
        p = put(p, s->name.data, s->name.size);
        p = put_string(p, "\r\n");
    }
    if (a->content_type.size > 0) {
        p = put_string(p, "Content-Type: ");
        p = put(p, a->content_type.data, a->content_type.size);
        p = put_string(p, "\r\n");
    }
    if (fields->size > 0)
        p = put(p, fields->data, fields->size);
    p = put_framing(p, a);
    p = put_string(p, "\r\n");
    w->out.size = (size_t)(p - w->out.data);
    return 0;
}
