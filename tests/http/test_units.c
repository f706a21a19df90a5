/* SPDX-License-Identifier: MIT */
/* The parts of the server that need no connection. */
#include <kettle/test.h>
#include <stdio.h>
#include <time.h>

#include "http/server.h"

TEST(the_date_is_the_standards_own_example)
{
    kt__http_date d;
    kt__http_date_make(&d, 784111777); /* RFC 9110 section 5.6.7 */
    CHECK_STR(d.line, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    CHECK_EQ(strlen(d.line), KT__HTTP_DATE_BYTES);
}

/* Against the system's calendar: every day from 1970 to 2120, at moving times of day. */
TEST(the_date_agrees_with_the_calendar_on_every_day)
{
    kt__http_date d;
    for (time_t day = 0; day < 150 * 366; day++) {
        time_t second = day * 86400 + day * 7919 % 86400;
        char expected[64];
        struct tm t;
        gmtime_r(&second, &t);
        strftime(expected, sizeof expected, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &t);
        kt__http_date_make(&d, second);
        if (strcmp(d.line, expected) != 0)
            kt_test_fail("%s is not %s", d.line, expected);
    }
    CHECK_EQ(d.second / 86400, 150 * 366 - 1);
}

TEST(numbers_are_written_in_full)
{
    static const uint64_t numbers[] = {0, 9, 10, 255, 4096, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char found[32], expected[32];
        *kt__http_put_decimal(found, numbers[i]) = '\0';
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)numbers[i]);
        CHECK_STR(found, expected);
        *kt__http_put_hex(found, numbers[i]) = '\0';
        snprintf(expected, sizeof expected, "%llx", (unsigned long long)numbers[i]);
        CHECK_STR(found, expected);
    }
}

static void check_unescaped(const char *raw, unsigned how, const char *expected)
{
    char out[64] = "";
    ssize_t n = kt__http_unescape(kt_slice_from(raw), how, out);
    if (!expected) {
        CHECK_LT(n, 0);
        return;
    }
    CHECK_OK(n);
    CHECK_SLICE(((kt_slice){out, (size_t)n}), expected);
}

TEST(percent_escapes_are_decoded_once)
{
    check_unescaped("", 0, "");
    check_unescaped("plain", 0, "plain");
    check_unescaped("%41%62%7e", 0, "Ab~");
    check_unescaped("%2541", 0, "%41");
    check_unescaped("a+b", 0, "a+b");
    check_unescaped("a+b%2b", KT__HTTP_PLUS, "a b+");
    check_unescaped("%2f%2F", 0, "//");
    check_unescaped("%2f%2F", KT__HTTP_KEEP_SLASH, "%2F%2F");
    check_unescaped("%", 0, NULL);
    check_unescaped("%4", 0, NULL);
    check_unescaped("%4g", 0, NULL);
    check_unescaped("%00", 0, NULL);
    check_unescaped("a%", KT__HTTP_PLUS, NULL);
}

TEST(every_status_that_the_library_sends_has_its_words)
{
    static const int used[] = {200, 304, 400, 405, 408, 413, 414, 431, 500, 501, 503, 505};
    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++)
        CHECK_GT(strlen(kt_http_reason(used[i])), 0);
    CHECK_STR(kt_http_reason(404), "Not Found");
    CHECK_STR(kt_http_reason(299), "");
}
