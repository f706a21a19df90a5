/* SPDX-License-Identifier: MIT */
/* What kettle-fetch reads from strangers, and what its user writes to find something in it, under libFuzzer: character
 * sets, sitemaps and feeds, robots.txt, JSON paths, and CSS selectors over a page. The oracles:
 *
 *   - text is UTF-8 whatever came in, and stays as it is when it is read as UTF-8 again;
 *   - a URL of a feed is not empty, and has no blanks around it;
 *   - the ends of lines make no difference to a robots.txt, and a delay is at most a minute;
 *   - json_path_check and json_path_find have one opinion of a path;
 *   - "a, a" selects what "a" does.
 *
 * Input: one byte that says which, then a text; of paths and selectors a zero byte ends it, and the document follows.
 */
#include "charset.h"
#include "feed.h"
#include "json_path.h"
#include "page.h"
#include "robots.h"
#include "selector.h"

#include "words.h"

#include <errno.h>
#include <kettle/utf8.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *rule)
{
    if (holds)
        return;
    fprintf(stderr, "whole: %s\n=\n", rule);
    abort();
}

/* Of its own size, so that a byte read outside is a report. Ends with a zero byte, which does not count. */
static char *copy_of(kt_slice s)
{
    char *copy = malloc(s.size + 1);
    if (!copy)
        abort();
    if (s.size > 0)
        memcpy(copy, s.data, s.size);
    copy[s.size] = '\0';
    return copy;
}

/* ---- Character sets ---------------------------------------------------------------------------- */

static const char *const types[] = {
    "", "text/html; charset=utf-16le", "text/plain; charset=\"windows-1252\"", "text/html; charset=shift_jis",
    "text/plain; charset=utf-8", "text/html; charset=gb18030", "text/plain; charset=iso-8859-15",
    "text/plain; charset=utf-16be"};

static void try_charset(kt_slice input)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT, again = KT_BUFFER_INIT;
    size_t replaced = 0, none = 0;
    kt_slice utf8 = kt_slice_from("text/plain; charset=utf-8");
    if (input.size < 2)
        return;
    kt_slice type = kt_slice_from(types[input.data[0] & 7]);
    if (charset_decode((kt_slice){input.data + 1, input.size - 1}, type, input.data[0] & 8, &text, &replaced) < 0)
        return;
    kt_slice out = kt_buffer_slice(&text);
    require(out.size == 0 || kt_utf8_check(out) == out.size, "text is UTF-8");
    if (out.size < 3 || memcmp(out.data, "\xef\xbb\xbf", 3) == 0)
        return; /* a mark in front is taken away each time */
    require(charset_decode(out, utf8, false, &again, &none) == 0 && none == 0, "UTF-8 can be read");
    require(kt_slice_equal(out, kt_buffer_slice(&again)), "UTF-8 stays as it is");
}

static void try_parameter(kt_slice input)
{
    char *copy = copy_of(input);
    kt_slice whole = {copy, input.size}, value = charset_parameter(whole, "charset");
    bool inside = value.data >= copy && value.data + value.size <= copy + input.size;
    require(!value.data || inside, "a parameter lies in its text");
    free(copy);
}

/* ---- Feeds ------------------------------------------------------------------------------------- */

static int found(enum feed_kind kind, kt_slice url, void *arg)
{
    int *count = arg;
    require(kind == FEED_PAGE || kind == FEED_SITEMAP || kind == FEED_NOTHING, "a URL leads somewhere");
    require((url.size > 0) == (kind != FEED_NOTHING), "a URL is not empty");
    if (url.size > 0)
        require((unsigned char)url.data[0] > ' ' && (unsigned char)url.data[url.size - 1] > ' ', "no blanks around");
    return ++*count == 100 ? KT_ECANCELED : 0;
}

static void try_feed(kt_slice input)
{
    int count = 0;
    int rc = feed_read(input, found, &count);
    require(rc == 0 || rc == -EINVAL || rc == KT_ELIMIT || rc == -ENOMEM || count == 100, "feed_read's errors");
}

/* ---- robots.txt -------------------------------------------------------------------------------- */

static const char *const targets[] = {"/", "/a", "/a/b?c=d", "/robots.txt", "/%7e/*", "/aaaaaaaaaaaaaaaaaaaaab$"};

static void try_robots(kt_slice input)
{
    robots *r = NULL, *with_returns = NULL;
    char *other = malloc(2 * input.size + 1);
    size_t size = 0;
    if (!other)
        abort();
    for (size_t i = 0; i < input.size; i++) {
        if (input.data[i] == '\n')
            other[size++] = '\r';
        other[size++] = input.data[i];
    }
    if (robots_parse(input, "kettle-fetch", &r) < 0 ||
        robots_parse((kt_slice){other, size}, "kettle-fetch", &with_returns) < 0)
        abort();
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        kt_slice target = kt_slice_from(targets[i]);
        require(robots_allow(r, target) == robots_allow(with_returns, target), "ends of lines make no difference");
    }
    require(robots_allow(r, kt_slice_from("/robots.txt")), "robots.txt itself is allowed");
    require(robots_delay(r) >= 0 && robots_delay(r) <= KT_S(60), "a delay is at most a minute");
    require(robots_delay(r) == robots_delay(with_returns), "the delay, too");
    robots_free(r);
    robots_free(with_returns);
    free(other);
}

/* ---- Paths and selectors ----------------------------------------------------------------------- */

static void try_json_path(const char *path, kt_slice document)
{
    json_t *json = json_loadb(document.data, document.size, JSON_DECODE_ANY, NULL), *value = NULL;
    int check = json_path_check(path);
    require(check == 0 || check == -EINVAL, "json_path_check's errors");
    int rc = json ? json_path_find(path, json, &value) : check;
    require((check == 0) == (rc != -EINVAL), "check and find have one opinion");
    require(rc < 0 || !json || value, "a path finds a value, or null");
    json_decref(value);
    json_decref(json);
}

static void try_selector(const char *text, kt_slice html)
{
    page p = {NULL, NULL};
    selector *one = NULL, *two = NULL;
    char twice[2 * SELECTOR_BYTES_MAX + 3];
    int rc = selector_parse(text, &one);
    require(rc == 0 || rc == -EINVAL, "selector_parse's errors");
    if (rc < 0 || page_parse(html, &p) < 0) {
        selector_free(one);
        return;
    }
    snprintf(twice, sizeof twice, "%s, %s", text, text);
    bool both = selector_parse(twice, &two) == 0; /* which may be too long */
    selector_look first = selector_look_begin(), second = first;
    for (const GumboNode *n = page_next(p.root, p.root); n; n = page_next(n, p.root)) {
        bool matches = selector_matches(one, n, &first);
        require(!matches || page_is_element(n), "what is no element is not selected");
        bool again = both && selector_matches(two, n, &second);
        require(!both || matches == again || second.late, "\"a, a\" selects what \"a\" does");
    }
    selector_free(one);
    selector_free(two);
    page_release(&p);
}

/* ---- Which ------------------------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return -1;
    char *copy = copy_of((kt_slice){(const char *)data + 1, size - 1});
    kt_slice input = {copy, size - 1};
    size_t first = strlen(copy), behind = first < input.size ? first + 1 : first;
    kt_slice rest = {copy + behind, input.size - behind};
    switch (data[0] % 6) {
    case 0:
        try_charset(input);
        break;
    case 1:
        try_parameter(input);
        break;
    case 2:
        try_feed(input);
        break;
    case 3:
        try_robots(input);
        break;
    case 4:
        try_json_path(copy, rest);
        break;
    case 5:
        try_selector(copy, rest);
        break;
    }
    free(copy);
    return 0;
}
