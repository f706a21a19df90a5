/* SPDX-License-Identifier: MIT */
/* Set-Cookie under libFuzzer. The oracles: what a jar sends fits into one field (no control byte, and ';' only between
 * cookies); what is set twice is kept once; a cookie that is kept comes back through Set-Cookie as it is; and a plain
 * answer never changes what a secure one has set.
 *
 * Input: Set-Cookie fields, one a line, by turns from the hosts and schemes below. */
#include "http/cookie_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const sites[] = {
    "https://www.example.com/a/b", "http://example.com/", "https://x.github.io/", "http://127.0.0.1/a", "http://com/",
};
#define SITES (sizeof sites / sizeof *sites)

static kt_time clock_of(void *arg)
{
    (void)arg;
    return KT_S(1700000000);
}

static void fail(const char *what, kt_slice text)
{
    fprintf(stderr, "whole: %s: '%.*s'\n", what, (int)text.size, text.data);
    abort();
}

static size_t count(kt_cookie_jar *jar)
{
    kt_cookie c;
    size_t cursor = 0, n = 0;
    while (kt_cookie_jar_next(jar, &cursor, &c))
        n++;
    return n;
}

static void check_sent(kt_cookie_jar *jar, const kt_url *url)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int n = kt_cookie_jar_header(jar, url, NULL, &out), marks = 0;
    for (size_t i = 0; i < out.size; i++) {
        unsigned char c = (unsigned char)out.data[i];
        if (c < ' ' || c == 0x7f)
            fail("a control byte", kt_buffer_slice(&out));
        marks += c == ';';
    }
    if (n < 0 || (n > 0 && marks != n - 1) || (n == 0 && out.size > 0))
        fail("not as many cookies", kt_buffer_slice(&out));
}

/* What a field says is what its canonical form says. */
static void check_parse(kt_slice field)
{
    kt__set_cookie a, b;
    kt_auto(kt_buffer) again = KT_BUFFER_INIT;
    if (!kt__set_cookie_parse(field, 4096, &a))
        return;
    if (kt_buffer_printf(&again, "%.*s=%.*s; path=%.*s%s", (int)a.name.size, a.name.data, (int)a.value.size,
                         a.value.data, (int)a.path.size, a.path.data ? a.path.data : "", a.secure ? ";secure" : "") < 0)
        abort();
    if (!kt__set_cookie_parse(kt_buffer_slice(&again), 4096, &b) || !kt_slice_equal(a.name, b.name) ||
        !kt_slice_equal(a.value, b.value) || !kt_slice_equal(a.path, b.path) || a.secure != b.secure)
        fail("not the same again", field);
}

static void set_one(kt_cookie_jar *jar, const kt_url *url, kt_slice field)
{
    size_t before = count(jar), secure = 0, secure_after = 0, cursor = 0;
    kt_cookie c;
    while (kt_cookie_jar_next(jar, &cursor, &c))
        secure += c.secure;
    int first = kt_cookie_jar_set(jar, url, NULL, field);
    size_t between = count(jar);
    int second = kt_cookie_jar_set(jar, url, NULL, field);
    if (first != second || count(jar) != between || between > before + 1)
        fail("set twice", field);
    for (cursor = 0; kt_cookie_jar_next(jar, &cursor, &c);)
        secure_after += c.secure;
    if (!kt_url_is_secure(url) && secure != secure_after)
        fail("a plain answer has changed what is secure", field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kt_auto(kt_cookie_jar) *jar = NULL;
    kt_cookie_jar_options options = {.clock = clock_of, .cookies_max = 1000000, .cookies_per_domain_max = 1000000};
    char *bytes = malloc(size + 1);
    if (!bytes || kt_cookie_jar_new(&options, &jar) < 0)
        abort();
    memcpy(bytes, data, size);
    size_t i = 0;
    for (char *at = bytes, *end = bytes + size; at < end && i < 64; i++) {
        kt_auto(kt_url) url = KT_URL_INIT;
        char *mark = memchr(at, '\n', (size_t)(end - at));
        kt_slice field = {at, (size_t)((mark ? mark : end) - at)};
        if (kt_url_parse(sites[i % SITES], NULL, &url) < 0)
            abort();
        check_parse(field);
        set_one(jar, &url, field);
        check_sent(jar, &url);
        at = mark ? mark + 1 : end;
    }
    free(bytes);
    return 0;
}
