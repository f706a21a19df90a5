/* SPDX-License-Identifier: MIT */
/* Retry-After: seconds, or a date (RFC 9110 sections 10.2.3 and 5.6.7). */
#include <time.h>

#include "http/client.h"
#include "http/files.h"

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

static kt_time as_date(kt_slice value)
{
    time_t when;
    if (kt__http_date_parse(value, &when) < 0)
        return -1;
    int64_t left = (int64_t)when - (int64_t)time(NULL);
    if (left < 0)
        return 0;
    return KT_S(left < SECONDS_MAX ? left : SECONDS_MAX);
}

kt_time kt__client_retry_after(kt_slice value)
{
    if (!value.data)
        return -1;
    kt_time wait = in_seconds(value);
    return wait >= 0 ? wait : as_date(value);
}
