/* SPDX-License-Identifier: MIT */
/* Retry-After: seconds, or a date (RFC 9110 sections 10.2.3 and 5.6.7). */
#include <time.h>

#include "http/client.h"

#define SECONDS_MAX INT64_C(1000000000)

static kt_time in_seconds(kt_slice value)
{
    int64_t n = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return -1;
        n = n * 10 + (value.data[i] - '0');
        n = n < SECONDS_MAX ? n : SECONDS_MAX;
    }
    return value.size > 0 ? KT_S(n) : -1;
}

/* All three forms, of which two are obsolete. A two-digit year is the one that is at most 50 years ahead; %y thinks so,
 * too, for as long as this century lasts. */
static kt_time as_date(kt_slice value)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"};
    char text[64];
    if (value.size >= sizeof text)
        return -1;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm tm = {.tm_sec = 0};
        const char *end = strptime(text, forms[i], &tm);
        if (!end || *end)
            continue;
        int64_t left = (int64_t)timegm(&tm) - (int64_t)time(NULL);
        if (left < 0)
            return 0;
        return KT_S(left < SECONDS_MAX ? left : SECONDS_MAX);
    }
    return -1;
}

kt_time kt__client_retry_after(kt_slice value)
{
    if (!value.data)
        return -1;
    kt_time wait = in_seconds(value);
    return wait >= 0 ? wait : as_date(value);
}
