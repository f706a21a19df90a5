/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <kettle/cookies.h>
#include <kettle/error.h>
#include <kettle/test.h>
#include <kettle/test_disk.h>

#include <stdio.h>

#include "http/cookie_private.h"

#define DAY KT_S(24 * 3600)

static kt_time today = KT_S(1700000000); /* 2023-11-14T22:13:20Z */

static kt_time clock_of(void *arg)
{
    return *(kt_time *)arg;
}

static kt_cookie_jar *jar_new(void)
{
    kt_cookie_jar *jar = NULL;
    CHECK_OK(kt_cookie_jar_new(&(kt_cookie_jar_options){.clock = clock_of, .clock_arg = &today}, &jar));
    return jar;
}

static int set_for(kt_cookie_jar *jar, const char *url, const kt_cookie_request *request, const char *field)
{
    kt_auto(kt_url) u = KT_URL_INIT;
    CHECK_OK(kt_url_parse(url, NULL, &u));
    return kt_cookie_jar_set(jar, &u, request, kt_slice_from(field));
}

static int set(kt_cookie_jar *jar, const char *url, const char *field)
{
    return set_for(jar, url, NULL, field);
}

static void check_sent_for(kt_cookie_jar *jar, const char *url, const kt_cookie_request *request, const char *expected)
{
    kt_auto(kt_url) u = KT_URL_INIT;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_url_parse(url, NULL, &u));
    int rc = kt_cookie_jar_header(jar, &u, request, &out);
    CHECK_STR(kt_buffer_string(&out), expected);
    CHECK_EQ(rc > 0, *expected != '\0');
}

static void check_sent(kt_cookie_jar *jar, const char *url, const char *expected)
{
    check_sent_for(jar, url, NULL, expected);
}

/* ---- What is kept and sent ------------------------------------------------------------------- */

/* Fields set by one answer, with '\n' between, and what is then sent to another URL. */
static const struct {
    const char *from, *fields, *to, *sent;
} cases[] = {
    /* Section 5.6: names and values. */
    {"http://h/", "a=b", "http://h/", "a=b"},
    {"http://h/", " a = b ; Path=/", "http://h/", "a=b"},
    {"http://h/", "a=b=c", "http://h/", "a=b=c"},
    {"http://h/", "a=\"b c\"", "http://h/", "a=\"b c\""},
    {"http://h/", "a=", "http://h/", "a="},
    {"http://h/", "=b", "http://h/", "b"},
    {"http://h/", "b", "http://h/", "b"},
    {"http://h/", "=", "http://h/", ""},
    {"http://h/", "", "http://h/", ""},
    {"http://h/", ";", "http://h/", ""},
    {"http://h/", "; Path=/", "http://h/", ""},
    {"http://h/", "a=b\x01", "http://h/", ""},
    {"http://h/", "a=b; Path=/\x7f", "http://h/", ""},
    {"http://h/", "a=\tb", "http://h/", "a=b"},
    {"http://h/", "a=b\tc", "http://h/", ""},
    {"http://h/", "a=\xc3\xa9", "http://h/", "a=\xc3\xa9"},
    {"http://h/", "a=1\na=2", "http://h/", "a=2"},
    {"http://h/", "a=1\nA=2", "http://h/", "a=1; A=2"},
    {"http://h/", "a=b;Unknown=x;;=;", "http://h/", "a=b"},
    /* Section 5.1.4: paths. */
    {"http://h/x/y", "a=b", "http://h/x/z", "a=b"},
    {"http://h/x/y", "a=b", "http://h/x", "a=b"},
    {"http://h/x/y", "a=b", "http://h/xy", ""},
    {"http://h/x/y", "a=b", "http://h/", ""},
    {"http://h/x", "a=b", "http://h/y", "a=b"},
    {"http://h/x/", "a=b", "http://h/x/y", "a=b"},
    {"http://h/x/y", "a=b; path=/", "http://h/", "a=b"},
    {"http://h/x/y", "a=b; path=z", "http://h/x/", "a=b"},
    {"http://h/x/y", "a=b; path=", "http://h/", ""},
    {"http://h/", "a=b; path=/q", "http://h/q", "a=b"},
    {"http://h/", "a=b; path=/q", "http://h/q/r", "a=b"},
    {"http://h/", "a=b; path=/q", "http://h/qr", ""},
    {"http://h/", "a=b; path=/q/", "http://h/q", ""},
    {"http://h/", "a=b; path=/q; path=/r", "http://h/r", "a=b"},
    {"http://h/", "a=b; path=/q; path=", "http://h/", "a=b"},
    {"http://h/", "a=1; path=/\nb=2; path=/x\nc=3; path=/x/y\nd=4; path=/x", "http://h/x/y", "c=3; b=2; d=4; a=1"},
    /* Section 5.1.3: domains. */
    {"http://www.example.com/", "a=b", "http://www.example.com/", "a=b"},
    {"http://www.example.com/", "a=b", "http://x.www.example.com/", ""},
    {"http://www.example.com/", "a=b", "http://example.com/", ""},
    {"http://www.example.com/", "a=b; Domain=example.com", "http://example.com/", "a=b"},
    {"http://www.example.com/", "a=b; Domain=.Example.COM", "http://x.y.example.com/", "a=b"},
    {"http://www.example.com/", "a=b; Domain=..example.com", "http://www.example.com/", ""},
    {"http://www.example.com/", "a=b; Domain=ample.com", "http://www.example.com/", ""},
    {"http://www.example.com/", "a=b; Domain=example.com", "http://badexample.com/", ""},
    {"http://www.example.com/", "a=b; Domain=x.www.example.com", "http://x.www.example.com/", ""},
    {"http://www.example.com/", "a=b; Domain=example.org", "http://example.org/", ""},
    {"http://www.example.com/", "a=b; Domain=", "http://www.example.com/", "a=b"},
    {"http://www.example.com/", "a=b; Domain=", "http://x.www.example.com/", ""},
    {"http://www.example.com/", "a=b; Domain=com", "http://www.example.com/", ""},
    {"http://www.example.co.uk/", "a=b; Domain=co.uk", "http://www.example.co.uk/", ""},
    {"http://x.github.io/", "a=b; Domain=github.io", "http://y.github.io/", ""},
    {"http://github.io/", "a=b; Domain=github.io", "http://github.io/", "a=b"},
    {"http://github.io/", "a=b; Domain=github.io", "http://y.github.io/", ""},
    {"http://localhost/", "a=b; Domain=localhost", "http://localhost/", "a=b"},
    {"http://localhost/", "a=b; Domain=localhost", "http://x.localhost/", ""},
    {"http://www.example.com/", "a=b; Domain=\xc3\xa9.com", "http://www.example.com/", ""},
    {"http://127.0.0.1/", "a=b; Domain=127.0.0.1", "http://127.0.0.1/", "a=b"},
    {"http://127.0.0.1/", "a=b; Domain=0.0.1", "http://127.0.0.1/", ""},
    {"http://127.0.0.1/", "a=b; Domain=1", "http://127.0.0.1/", ""},
    {"http://[::1]/", "a=b", "http://[::1]/", "a=b"},
    {"http://[::1]/", "a=b; Domain=[::1]", "http://[::1]/", "a=b"},
    {"http://h:81/", "a=b", "http://h:82/", "a=b"},
    {"http://EXAMPLE.com/", "a=b", "http://example.COM/", "a=b"},
    {"http://b\xc3\xbc" "cher.example/", "a=b", "http://xn--bcher-kva.example/", "a=b"},
    /* Secure, and prefixes (section 4.1.3). */
    {"https://h/", "a=b; Secure", "https://h/", "a=b"},
    {"https://h/", "a=b; SECURE=no", "http://h/", ""},
    {"https://h/", "a=b; Secure", "wss://h/", "a=b"},
    {"https://h/", "a=b; Secure", "ws://h/", ""},
    {"http://h/", "a=b; Secure", "https://h/", ""},
    {"https://h/", "a=b", "http://h/", "a=b"},
    {"https://h/", "a=b; HttpOnly", "https://h/", "a=b"},
    {"https://h/", "__Secure-a=b; Secure", "https://h/", "__Secure-a=b"},
    {"https://h/", "__Secure-a=b", "https://h/", ""},
    {"https://h/", "__secure-a=b", "https://h/", ""},
    {"https://h/", "__Host-a=b; Secure; Path=/", "https://h/", "__Host-a=b"},
    {"https://h/", "__Host-a=b; Secure", "https://h/", ""},
    {"https://h/", "__Host-a=b; Path=/", "https://h/", ""},
    {"https://h/", "__Host-a=b; Secure; Path=/x", "https://h/x", ""},
    {"https://a.example.com/", "__Host-a=b; Secure; Path=/; Domain=example.com", "https://a.example.com/", ""},
    {"https://h/", "=__Secure-a=b; Secure", "https://h/", ""},
    {"https://h/", "__Host-a; Secure; Path=/", "https://h/", ""},
    /* Times (section 5.6.1, 5.6.2). */
    {"http://h/", "a=b; Max-Age=1", "http://h/", "a=b"},
    {"http://h/", "a=b; Max-Age=0", "http://h/", ""},
    {"http://h/", "a=b; Max-Age=-1", "http://h/", ""},
    {"http://h/", "a=b; Max-Age=-", "http://h/", "a=b"},
    {"http://h/", "a=b; Max-Age=1x", "http://h/", "a=b"},
    {"http://h/", "a=b; Max-Age=", "http://h/", "a=b"},
    {"http://h/", "a=b; Max-Age=99999999999999999999999999", "http://h/", "a=b"},
    {"http://h/", "a=b; Max-Age=0; Max-Age=1", "http://h/", "a=b"},
    {"http://h/", "a=b; Expires=Wed, 01 Jan 2020 00:00:00 GMT", "http://h/", ""},
    {"http://h/", "a=b; Expires=Wed, 01 Jan 2120 00:00:00 GMT", "http://h/", "a=b"},
    {"http://h/", "a=b; Expires=nonsense", "http://h/", "a=b"},
    {"http://h/", "a=b; Max-Age=10; Expires=Wed, 01 Jan 2020 00:00:00 GMT", "http://h/", "a=b"},
    {"http://h/", "a=b; Expires=Wed, 01 Jan 2120 00:00:00 GMT; Max-Age=0", "http://h/", ""},
    {"http://h/", "a=b\na=; Max-Age=0", "http://h/", ""},
    {"http://h/", "a=b\na=; Max-Age=0; Path=/x", "http://h/", "a=b"},
};

TEST(cookies_are_kept_and_sent_by_the_rules)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kt_auto(kt_cookie_jar) *jar = jar_new();
        kt_auto(kt_url) from = KT_URL_INIT;
        kt_test_say("%s: '%s' to %s", cases[i].from, cases[i].fields, cases[i].to);
        CHECK_OK(kt_url_parse(cases[i].from, NULL, &from));
        for (const char *f = cases[i].fields; f;) {
            const char *end = strchr(f, '\n');
            kt_slice field = {f, end ? (size_t)(end - f) : strlen(f)};
            CHECK_OK(kt_cookie_jar_set(jar, &from, NULL, field));
            f = end ? end + 1 : NULL;
        }
        check_sent(jar, cases[i].to, cases[i].sent);
    }
}

TEST(cookie_dates_are_read_as_loosely_as_the_standard_asks)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: no date */
    } dates[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"6 nov 94 8:49:37", 784111777},
        {"08:49:37 6 November 1994", 784111777},
        {"1994 6 nov 08:49:37", 784111777},
        {"6/Nov/1994 08:49:37", 784111777},
        {"06-nov-1994 08:49:37 +0200", 784111777},
        {"6th Nov 1994 08:49:37", 784111777},
        {"6 Nov 1994x 08:49:37z", 784111777},
        {"1 Jan 70 0:0:0", 0},
        {"1 Jan 69 00:00:00", 3124224000},
        {"1 Jan 1601 00:00:00", -11644473600},
        {"1 Jan 1600 00:00:00", -1},
        {"29 Feb 2023 00:00:00", -1},
        {"29 Feb 2024 00:00:00", 1709164800},
        {"31 Jun 2024 00:00:00", -1},
        {"0 Jan 2024 00:00:00", -1},
        {"32 Jan 2024 00:00:00", -1},
        {"1 Jan 2024 24:00:00", -1},
        {"1 Jan 2024 00:60:00", -1},
        {"1 Jan 2024 00:00:60", -1},
        {"1 Jan 2024 000:00:00", -1},
        {"1 Jan 2024", -1},
        {"Jan 2024 00:00:00", -1},
        {"1 Foo 2024 00:00:00", -1},
        {"1 Jan 12345 00:00:00", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        int64_t seconds = -2;
        bool good = kt__cookie_date(kt_slice_from(dates[i].text), &seconds);
        kt_test_say("%s", dates[i].text);
        if (dates[i].seconds == -1)
            CHECK(!good && seconds == -2);
        else
            CHECK_EQ(seconds, dates[i].seconds);
    }
}

TEST(cookie_expires_by_the_clock_and_never_after_400_days)
{
    kt_auto(kt_cookie_jar) *jar = jar_new();
    CHECK_EQ(set(jar, "http://h/", "a=1; Max-Age=10"), 1);
    CHECK_EQ(set(jar, "http://h/", "b=2; Expires=Wed, 01 Jan 2120 00:00:00 GMT"), 1);
    CHECK_EQ(set(jar, "http://h/", "c=3"), 1);
    today += KT_S(9);
    check_sent(jar, "http://h/", "a=1; b=2; c=3");
    today += KT_S(1);
    check_sent(jar, "http://h/", "b=2; c=3");
    today += 400 * DAY - KT_S(11);
    check_sent(jar, "http://h/", "b=2; c=3");
    today += KT_S(1);
    check_sent(jar, "http://h/", "c=3");
    kt_cookie_jar_end_session(jar);
    check_sent(jar, "http://h/", "");
}

TEST(cookie_that_is_set_again_keeps_its_place)
{
    kt_auto(kt_cookie_jar) *jar = jar_new();
    CHECK_EQ(set(jar, "http://h/", "a=1"), 1);
    CHECK_EQ(set(jar, "http://h/", "b=2"), 1);
    CHECK_EQ(set(jar, "http://h/", "a=3; HttpOnly"), 1);
    check_sent(jar, "http://h/", "a=3; b=2");
}

TEST(cookie_of_a_domain_is_another_than_that_of_its_host)
{
    kt_auto(kt_cookie_jar) *jar = jar_new();
    CHECK_EQ(set(jar, "http://example.com/", "a=host"), 1);
    CHECK_EQ(set(jar, "http://example.com/", "a=domain; Domain=example.com"), 1);
    check_sent(jar, "http://example.com/", "a=host; a=domain");
    check_sent(jar, "http://www.example.com/", "a=domain");
}

TEST(insecure_answer_leaves_secure_cookies_alone)
{
    kt_auto(kt_cookie_jar) *jar = jar_new();
    CHECK_EQ(set(jar, "https://www.example.com/", "a=1; Secure; Domain=example.com"), 1);
    CHECK_EQ(set(jar, "http://www.example.com/", "a=2; Domain=example.com"), 0);
    CHECK_EQ(set(jar, "http://www.example.com/", "a=2; Path=/x"), 0);
    CHECK_EQ(set(jar, "http://example.com/", "a=; Max-Age=0; Domain=example.com"), 0);
    CHECK_EQ(set(jar, "http://www.example.com/", "b=2"), 1);
    CHECK_EQ(set(jar, "https://www.example.com/", "a=3"), 1);
    check_sent(jar, "https://www.example.com/", "a=1; b=2; a=3");
}

TEST(cookie_of_the_same_site_is_withheld_from_others)
{
    kt_auto(kt_cookie_jar) *jar = jar_new();
    kt_auto(kt_url) sibling = KT_URL_INIT, other = KT_URL_INIT, insecure = KT_URL_INIT;
    CHECK_OK(kt_url_parse("https://b.example.com/", NULL, &sibling));
    CHECK_OK(kt_url_parse("https://example.org/", NULL, &other));
    CHECK_OK(kt_url_parse("http://b.example.com/", NULL, &insecure));
    const char *url = "https://a.example.com/";
    CHECK_EQ(set(jar, url, "n=1; SameSite=None; Secure"), 1);
    CHECK_EQ(set(jar, url, "l=2; SameSite=LAX"), 1);
    CHECK_EQ(set(jar, url, "s=3; SameSite=Strict"), 1);
    CHECK_EQ(set(jar, url, "d=4; SameSite=bogus"), 1);
    check_sent_for(jar, url, &(kt_cookie_request){.initiator = &sibling}, "n=1; l=2; s=3; d=4");
    check_sent_for(jar, url, &(kt_cookie_request){.initiator = &other}, "n=1");
    check_sent_for(jar, url, &(kt_cookie_request){.initiator = &insecure}, "n=1");
    check_sent_for(jar, url, &(kt_cookie_request){.initiator = &other, .navigation = true}, "n=1; l=2; d=4");
    check_sent_for(jar, url, &(kt_cookie_request){.initiator = &other, .navigation = true, .unsafe = true}, "n=1");
    CHECK_EQ(set_for(jar, url, &(kt_cookie_request){.initiator = &other}, "x=1"), 0);
    CHECK_EQ(set_for(jar, url, &(kt_cookie_request){.initiator = &other}, "x=1; SameSite=None"), 1);
    CHECK_EQ(set_for(jar, url, &(kt_cookie_request){.initiator = &other, .navigation = true}, "y=1"), 1);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static size_t count(kt_cookie_jar *jar)
{
    kt_cookie c;
    size_t cursor = 0, n = 0;
    while (kt_cookie_jar_next(jar, &cursor, &c))
        n++;
    return n;
}

static int set_number(kt_cookie_jar *jar, const char *url, int i)
{
    char text[40];
    snprintf(text, sizeof text, "c%d=x; Domain=example.com", i);
    return set(jar, url, text);
}

TEST(site_can_have_180_cookies_and_loses_those_not_sent_for_longest)
{
    kt_auto(kt_cookie_jar) *jar = jar_new();
    CHECK_EQ(set(jar, "http://example.org/", "other=1"), 1);
    CHECK_EQ(set(jar, "http://www.example.com/", "used=1; Path=/p"), 1);
    CHECK_EQ(set(jar, "http://www.example.com/", "unused=1; Path=/q"), 1);
    for (int i = 0; i < 178; i++)
        CHECK_EQ(set_number(jar, "http://a.example.com/", i), 1);
    CHECK_EQ(count(jar), 181);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_auto(kt_url) url = KT_URL_INIT;
    CHECK_OK(kt_url_parse("http://www.example.com/p", NULL, &url));
    CHECK_EQ(kt_cookie_jar_header(jar, &url, NULL, &out), 179);
    CHECK_EQ(set_number(jar, "http://b.example.com/", 178), 1);
    CHECK_EQ(count(jar), 181);
    kt_buffer_clear(&out);
    CHECK_EQ(kt_cookie_jar_header(jar, &url, NULL, &out), 180); /* it is "unused" that went */
    check_sent(jar, "http://example.org/", "other=1");
}

TEST(jar_is_bounded_in_all)
{
    kt_auto(kt_cookie_jar) *jar = NULL;
    kt_cookie_jar_options options = {.clock = clock_of, .clock_arg = &today, .cookies_max = 3};
    CHECK_OK(kt_cookie_jar_new(&options, &jar));
    CHECK_EQ(set(jar, "http://a.org/", "a=1"), 1);
    CHECK_EQ(set(jar, "http://b.org/", "b=1; Max-Age=5"), 1);
    CHECK_EQ(set(jar, "http://c.org/", "c=1"), 1);
    check_sent(jar, "http://a.org/", "a=1");
    CHECK_EQ(set(jar, "http://d.org/", "d=1"), 1); /* b goes: not sent for longest */
    check_sent(jar, "http://b.org/", "");
    check_sent(jar, "http://a.org/", "a=1");
    CHECK_EQ(set(jar, "http://e.org/", "e=1; Max-Age=5"), 1); /* c goes */
    check_sent(jar, "http://c.org/", "");
    today += KT_S(5);
    CHECK_EQ(set(jar, "http://f.org/", "f=1"), 1); /* e is over, so nobody else goes */
    check_sent(jar, "http://d.org/", "d=1");
    CHECK_EQ(count(jar), 3);
}

TEST(cookie_beyond_4_kib_is_not_kept)
{
    kt_auto(kt_cookie_jar) *jar = jar_new();
    char text[4100];
    memset(text, 'v', sizeof text);
    memcpy(text, "n=", 2);
    text[4097] = '\0';
    CHECK_EQ(set(jar, "http://h/", text), 1);
    text[4097] = 'v';
    text[4098] = '\0';
    CHECK_EQ(set(jar, "http://g/", text), 0);
}

TEST(cookies_of_a_domain_can_be_forgotten)
{
    kt_auto(kt_cookie_jar) *jar = jar_new();
    CHECK_EQ(set(jar, "http://www.example.com/", "a=1"), 1);
    CHECK_EQ(set(jar, "http://example.com/", "b=1"), 1);
    CHECK_EQ(set(jar, "http://badexample.com/", "c=1"), 1);
    kt_cookie_jar_clear(jar, "example.com");
    CHECK_EQ(count(jar), 1);
    kt_cookie_jar_clear(jar, NULL);
    CHECK_EQ(count(jar), 0);
}

TEST(cookie_header_appends_all_or_nothing)
{
    kt_auto(kt_cookie_jar) *jar = jar_new();
    kt_auto(kt_url) url = KT_URL_INIT;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT_MAX(10);
    CHECK_OK(kt_url_parse("http://h/", NULL, &url));
    CHECK_EQ(set(jar, "http://h/", "a=1"), 1);
    CHECK_EQ(set(jar, "http://h/", "b=2"), 1);
    CHECK_OK(kt_buffer_append_string(&out, "x: "));
    CHECK_ERR(kt_cookie_jar_header(jar, &url, NULL, &out), KT_ELIMIT);
    CHECK_STR(kt_buffer_string(&out), "x: ");
}

/* ---- Files ----------------------------------------------------------------------------------- */

static const char file[] = "# Netscape HTTP Cookie File\n"
                           "www.example.com\tFALSE\t/\tFALSE\t1700003600\ta\t1\n"
                           "#Kettle\tSameSite=Strict\n"
                           "#HttpOnly_.example.com\tTRUE\t/x\tTRUE\t1700000060\tb\t2 3\n"
                           "h\tFALSE\t/\tFALSE\t1700000060\t\tnameless\n";

TEST(cookies_are_saved_as_curl_reads_them)
{
    kt_auto(kt_cookie_jar) *jar = jar_new();
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    kt_test_disk *disk = kt_test_disk_open(NULL);
    kt_test_disk_use(disk);
    today = KT_S(1700000000);
    CHECK_EQ(set(jar, "http://www.example.com/", "a=1; Max-Age=3600"), 1);
    CHECK_EQ(set(jar, "https://www.example.com/", "b=2 3; Max-Age=60; SameSite=Strict; HttpOnly; Secure; Path=/x; "
                                                  "Domain=example.com"), 1);
    CHECK_EQ(set(jar, "http://h/", "session=1"), 1);
    CHECK_EQ(set(jar, "http://h/", "nameless; Max-Age=60"), 1);
    CHECK_OK(kt_cookie_jar_save(jar, "/cookies", 0));
    CHECK_OK(kt_test_disk_get(disk, "/cookies", &found));
    CHECK_STR(kt_buffer_string(&found), file);
    kt_test_disk_close(disk);
}

TEST(saved_cookies_come_back_as_they_were)
{
    kt_auto(kt_cookie_jar) *jar = jar_new(), *other = jar_new();
    kt_auto(kt_buffer) first = KT_BUFFER_INIT, second = KT_BUFFER_INIT;
    kt_test_disk *disk = kt_test_disk_open(NULL);
    kt_test_disk_use(disk);
    today = KT_S(1700000000);
    CHECK_OK(kt_test_disk_put(disk, "/cookies", kt_slice_from(file)));
    CHECK_EQ(kt_cookie_jar_load(jar, "/cookies"), 3);
    CHECK_EQ(set(jar, "http://h/", "session=1; SameSite=None"), 1);
    check_sent(jar, "https://www.example.com/x", "b=2 3; a=1");
    check_sent(jar, "https://example.com/x", "b=2 3");
    CHECK_OK(kt_cookie_jar_save(jar, "/first", KT_COOKIES_SESSION));
    CHECK_EQ(kt_cookie_jar_load(other, "/first"), 4);
    CHECK_OK(kt_cookie_jar_save(other, "/second", KT_COOKIES_SESSION));
    CHECK_OK(kt_test_disk_get(disk, "/first", &first));
    CHECK_OK(kt_test_disk_get(disk, "/second", &second));
    CHECK_STR(kt_buffer_string(&first), kt_buffer_string(&second));
    kt_test_disk_close(disk);
}

TEST(lines_that_are_no_cookie_are_left_out)
{
    static const char text[] = "# comment\n\n\r\nshort\th\n"
                               "h\tFALSE\t/\tFALSE\tnever\ta\t1\n"      /* no number */
                               "h\tFALSE\t/\tFALSE\t1\ta\t1\n"          /* over */
                               "h\tFALSE\tx\tFALSE\t0\ta\t1\n"          /* no path */
                               ".com\tTRUE\t/\tFALSE\t0\ta\t1\n"        /* a public suffix */
                               "h\tFALSE\t/\tFALSE\t0\t\t\n"            /* nothing */
                               "h\tFALSE\t/\tFALSE\t0\ta\t1\t2\n"       /* too many */
                               "h\tFALSE\t/\tFALSE\t0\ta\t1; b=2\n"     /* would be two */
                               "h\tFALSE\t/\tFALSE\t0\ta\t\x01\n"
                               "#Kettle\tSameSite=Sometimes\nh\tFALSE\t/\tFALSE\t0\tgood\t1\r\n"
                               "h\tFALSE\t/\tFALSE\t0\tlast\t2";
    kt_auto(kt_cookie_jar) *jar = jar_new();
    kt_test_disk *disk = kt_test_disk_open(NULL);
    kt_test_disk_use(disk);
    CHECK_OK(kt_test_disk_put(disk, "/cookies", kt_slice_from(text)));
    CHECK_EQ(kt_cookie_jar_load(jar, "/cookies"), 2);
    check_sent(jar, "http://h/", "good=1; last=2");
    CHECK_ERR(kt_cookie_jar_load(jar, "/none"), -ENOENT);
    kt_test_disk_close(disk);
}
