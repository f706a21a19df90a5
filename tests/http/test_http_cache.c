/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <kettle/error.h>
#include <kettle/http_cache.h>
#include <kettle/memory.h>
#include <kettle/test.h>
#include <kettle/test_disk.h>

#include <stdio.h>

#include "http/cache_private.h"

/* Tue, 14 Nov 2023 22:13:20 GMT */
#define START KT_S(1700000000)

static kt_time now;

static kt_time clock_of(void *arg)
{
    (void)arg;
    return now;
}

static kt_http_cache *cache_with(kt_http_cache_options options)
{
    kt_http_cache *cache = NULL;
    options.clock = clock_of;
    now = START;
    CHECK_OK(kt_http_cache_open(&options, &cache));
    return cache;
}

static kt_http_cache *cache_new(void)
{
    return cache_with((kt_http_cache_options){.dir = NULL});
}

/* "Name: value", with '\n' between. */
static size_t split(const char *text, kt_http_field fields[16])
{
    size_t n = 0;
    while (text && *text) {
        const char *colon = strchr(text, ':'), *end = strchrnul(text, '\n');
        fields[n++] = (kt_http_field){{text, (size_t)(colon - text)}, {colon + 2, (size_t)(end - colon) - 2}};
        text = *end ? end + 1 : end;
    }
    return n;
}

typedef struct asked {
    kt_url url;
    kt_http_field fields[16];
    kt_http_cache_request request;
} asked;

static void asked_cleanup(asked *a)
{
    kt_url_release(&a->url);
}

static void ask(asked *a, const char *method, const char *url, const char *fields)
{
    CHECK_OK(kt_url_parse(url, NULL, &a->url));
    a->request = (kt_http_cache_request){method, &a->url, a->fields, split(fields, a->fields)};
}

/* What begin says; the body is kept if it says 1. */
static int answer(kt_http_cache *cache, const char *method, const char *url, const char *with, int status,
                  const char *fields, const char *body)
{
    kt_auto(asked) a = {.url = KT_URL_INIT};
    kt_http_field theirs[16];
    kt_http_cache_store *store = NULL;
    ask(&a, method, url, with);
    kt_http_cache_answer given = {.status = status, .fields = theirs, .field_count = split(fields, theirs)};
    int rc = kt_http_cache_store_begin(cache, &a.request, &given, &store);
    if (rc == 1) {
        CHECK_OK(kt_http_cache_store_append(store, body, strlen(body)));
        CHECK_OK(kt_http_cache_store_commit(store));
    }
    return rc;
}

static int get(kt_http_cache *cache, const char *url, const char *fields, const char *body)
{
    return answer(cache, "GET", url, NULL, 200, fields, body);
}

static int look(kt_http_cache *cache, const char *url, const char *with, kt_http_cache_hit **hit)
{
    kt_auto(asked) a = {.url = KT_URL_INIT};
    ask(&a, "GET", url, with);
    return kt_http_cache_lookup(cache, &a.request, hit);
}

/* The verdict, and the body of the hit. */
static void check_found(kt_http_cache *cache, const char *url, const char *with, int verdict, const char *body)
{
    kt_auto(kt_http_cache_hit) *hit = NULL;
    CHECK_EQ(look(cache, url, with, &hit), verdict);
    CHECK_EQ(hit != NULL, body != NULL);
    if (hit)
        CHECK_SLICE(kt_http_cache_hit_body(hit), body);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

#define U "http://h/a"
#define DATE "Date: Tue, 14 Nov 2023 22:13:20 GMT\n"

enum { MISS = KT_HTTP_CACHE_MISS, FRESH, STALE, STALE_GOOD, ONLY };

/* An answer that comes at once, and a request so many seconds later. */
static const struct {
    const char *answer;
    int after;
    const char *request;
    int verdict;
    const char *section;
} fresh[] = {
    {"Cache-Control: max-age=10", 9, "", FRESH, "4.2"},
    {"Cache-Control: max-age=10", 10, "", STALE, "4.2"},
    {"Cache-Control: MAX-AGE=\"10\"", 9, "", FRESH, "5.2"},
    {"Cache-Control: max-age=10, max-age=5", 6, "ETag: x", STALE, "4.2.1"},
    {"Cache-Control: max-age=10\nCache-Control: max-age=5", 6, "", STALE, "4.2.1"},
    {"Cache-Control: max-age=ten\nETag: \"e\"", 0, "", STALE, "4.2.1"},
    {"Cache-Control: max-age=99999999999999999999", 100000000, "", FRESH, "1.2.2"},
    {"Cache-Control: x=\"a, max-age=0\", max-age=10", 9, "", FRESH, "5.2"},
    {"Cache-Control: max-age=10, s-maxage=1", 9, "", FRESH, "5.2.2.10"},
    {"Cache-Control: s-maxage=10\nETag: \"e\"", 1, "", STALE, "5.2.2.10"},
    {"Cache-Control: private, max-age=10", 9, "", FRESH, "5.2.2.7"},
    {DATE "Expires: Tue, 14 Nov 2023 22:13:30 GMT", 9, "", FRESH, "5.3"},
    {DATE "Expires: Tue, 14 Nov 2023 22:13:30 GMT", 10, "", STALE, "5.3"},
    {DATE "Expires: 0\nETag: \"e\"", 0, "", STALE, "5.3"},
    {DATE "Expires: Tue, 14 Nov 2023 22:13:30 GMT\nCache-Control: max-age=1", 2, "", STALE, "5.3"},
    {DATE "Last-Modified: Tue, 14 Nov 2023 22:11:40 GMT", 9, "", FRESH, "4.2.2"},
    {DATE "Last-Modified: Tue, 14 Nov 2023 22:11:40 GMT", 10, "", STALE, "4.2.2"},
    {DATE "Last-Modified: Tue, 14 Nov 2003 22:11:40 GMT", 24 * 3600 - 1, "", FRESH, "4.2.2"},
    {DATE "Last-Modified: Tue, 14 Nov 2003 22:11:40 GMT", 24 * 3600, "", STALE, "4.2.2"},
    {"ETag: \"e\"", 0, "", STALE, "4.2.2"},
    {"Cache-Control: max-age=10\nAge: 4", 5, "", FRESH, "4.2.3"},
    {"Cache-Control: max-age=10\nAge: 4", 6, "", STALE, "4.2.3"},
    {"Date: Tue, 14 Nov 2023 22:13:15 GMT\nCache-Control: max-age=10", 4, "", FRESH, "4.2.3"},
    {"Date: Tue, 14 Nov 2023 22:13:15 GMT\nCache-Control: max-age=10", 5, "", STALE, "4.2.3"},
    {"Date: Tue, 14 Nov 2023 23:13:20 GMT\nCache-Control: max-age=10", 9, "", FRESH, "4.2.3"},
    {"Cache-Control: no-cache, max-age=10", 0, "", STALE, "5.2.2.4"},
    {"Cache-Control: no-cache=\"set-cookie\", max-age=10", 0, "", STALE, "5.2.2.4"},
    {"Cache-Control: no-store, max-age=10", 0, "", MISS, "5.2.2.5"},
    {"Cache-Control: max-age=10", 1, "Cache-Control: no-cache", STALE, "5.2.1.4"},
    {"Cache-Control: max-age=10", 1, "Pragma: no-cache", STALE, "5.4"},
    {"Cache-Control: max-age=10", 1, "Pragma: no-cache\nCache-Control: max-age=5", FRESH, "5.4"},
    {"Cache-Control: max-age=10", 5, "Cache-Control: max-age=5", FRESH, "5.2.1.1"},
    {"Cache-Control: max-age=10", 6, "Cache-Control: max-age=5", STALE, "5.2.1.1"},
    {"Cache-Control: max-age=10", 4, "Cache-Control: min-fresh=6", FRESH, "5.2.1.3"},
    {"Cache-Control: max-age=10", 5, "Cache-Control: min-fresh=6", STALE, "5.2.1.3"},
    {"Cache-Control: max-age=10", 15, "Cache-Control: max-stale=5", FRESH, "5.2.1.2"},
    {"Cache-Control: max-age=10", 16, "Cache-Control: max-stale=5", STALE, "5.2.1.2"},
    {"Cache-Control: max-age=10", 1000, "Cache-Control: max-stale", FRESH, "5.2.1.2"},
    {"Cache-Control: max-age=10, must-revalidate", 11, "Cache-Control: max-stale", STALE, "5.2.2.2"},
    {"Cache-Control: max-age=10, proxy-revalidate", 11, "Cache-Control: max-stale", FRESH, "5.2.2.8"},
    {"Cache-Control: max-age=10, stale-while-revalidate=5", 15, "", STALE_GOOD, "RFC 5861 3"},
    {"Cache-Control: max-age=10, stale-while-revalidate=5", 16, "", STALE, "RFC 5861 3"},
    {"Cache-Control: max-age=10, stale-while-revalidate=5, must-revalidate", 11, "", STALE, "RFC 5861 3"},
    {"Cache-Control: max-age=10", 9, "Cache-Control: only-if-cached", FRESH, "5.2.1.7"},
    {"Cache-Control: max-age=10", 10, "Cache-Control: only-if-cached", ONLY, "5.2.1.7"},
    {"Cache-Control: no-store", 0, "Cache-Control: only-if-cached", ONLY, "5.2.1.7"},
    {"Cache-Control: max-age=10", 1, "Range: bytes=0-1", MISS, "3.3"},
    {"Cache-Control: max-age=10", 1, "If-None-Match: \"x\"", MISS, "4.3.2"},
};

TEST(freshness_is_as_rfc_9111_has_it)
{
    for (size_t i = 0; i < sizeof fresh / sizeof *fresh; i++) {
        kt_auto(kt_http_cache) *cache = cache_new();
        kt_test_say("%s, after %d s, %s: section %s", fresh[i].answer, fresh[i].after, fresh[i].request,
                    fresh[i].section);
        CHECK_OK(get(cache, U, fresh[i].answer, "body"));
        now += KT_S(fresh[i].after);
        check_found(cache, U, strchr(fresh[i].request, ':') ? fresh[i].request : "", fresh[i].verdict,
                    fresh[i].verdict == MISS || fresh[i].verdict == ONLY ? NULL : "body");
    }
}

/* Is it kept? By a private cache, and by a shared one. */
static const struct {
    const char *method, *request;
    int status;
    const char *answer;
    bool private_keeps, shared_keeps;
    const char *section;
} kept[] = {
    {"GET", "", 200, "Cache-Control: max-age=9", true, true, "3"},
    {"POST", "", 200, "Cache-Control: max-age=9", false, false, "3"},
    {"HEAD", "", 200, "Cache-Control: max-age=9", false, false, "3"},
    {"GET", "", 200, "Content-Type: text/plain", false, false, "3"},
    {"GET", "", 200, "ETag: \"e\"", true, true, "3"},
    {"GET", "", 404, "Cache-Control: max-age=9", true, true, "3"},
    {"GET", "", 404, "ETag: \"e\"", true, true, "3"},
    {"GET", "", 500, "ETag: \"e\"", false, false, "3"},
    {"GET", "", 500, "Cache-Control: max-age=9", true, true, "3"},
    {"GET", "", 302, "ETag: \"e\"", false, false, "3"},
    {"GET", "", 302, "Cache-Control: public\nETag: \"e\"", true, true, "3"},
    {"GET", "", 206, "Cache-Control: max-age=9", false, false, "3.3"},
    {"GET", "", 304, "Cache-Control: max-age=9", false, false, "3"},
    {"GET", "", 100, "Cache-Control: max-age=9", false, false, "3"},
    {"GET", "Range: bytes=0-1", 200, "Cache-Control: max-age=9", false, false, "3.3"},
    {"GET", "Cache-Control: no-store", 200, "Cache-Control: max-age=9", false, false, "5.2.1.5"},
    {"GET", "", 200, "Cache-Control: no-store, max-age=9", false, false, "5.2.2.5"},
    {"GET", "", 200, "Cache-Control: private, max-age=9", true, false, "5.2.2.7"},
    {"GET", "", 200, "Cache-Control: s-maxage=9", false, true, "5.2.2.10"},
    {"GET", "", 200, "Cache-Control: max-age=9\nVary: *", false, false, "4.1"},
    {"GET", "", 200, "Cache-Control: max-age=9\nVary: Accept, *", false, false, "4.1"},
    {"GET", "Authorization: x", 200, "Cache-Control: max-age=9", true, false, "3.5"},
    {"GET", "Authorization: x", 200, "Cache-Control: max-age=9, public", true, true, "3.5"},
    {"GET", "Authorization: x", 200, "Cache-Control: max-age=9, must-revalidate", true, true, "3.5"},
    {"GET", "Authorization: x", 200, "Cache-Control: s-maxage=9\nETag: \"e\"", true, true, "3.5"},
    {"GET", "", 200, "Cache-Control: max-age=0", false, false, "use"},
    {"GET", "", 200, "Cache-Control: max-age=0, stale-if-error=60", true, true, "RFC 5861 4"},
};

TEST(answers_are_kept_as_rfc_9111_has_it)
{
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        kt_auto(kt_http_cache) *mine = cache_new();
        kt_auto(kt_http_cache) *shared = cache_with((kt_http_cache_options){.shared = true});
        kt_test_say("%s %d, %s, %s: section %s", kept[i].method, kept[i].status, kept[i].request, kept[i].answer,
                    kept[i].section);
        CHECK_EQ(answer(mine, kept[i].method, U, kept[i].request, kept[i].status, kept[i].answer, ""),
                 kept[i].private_keeps);
        CHECK_EQ(answer(shared, kept[i].method, U, kept[i].request, kept[i].status, kept[i].answer, ""),
                 kept[i].shared_keeps);
    }
}

/* ---- Variants -------------------------------------------------------------------------------- */

TEST(vary_keeps_answers_apart)
{
    kt_auto(kt_http_cache) *cache = cache_new();
    const char *fields = "Cache-Control: max-age=9\nVary: Accept-Language, accept";
    CHECK_EQ(answer(cache, "GET", U, "Accept-Language: de", 200, fields, "de"), 1);
    CHECK_EQ(answer(cache, "GET", U, "accept-language: en\nAccept: a\nAccept: b", 200, fields, "en"), 1);
    CHECK_EQ(answer(cache, "GET", U, "", 200, fields, "none"), 1);
    check_found(cache, U, "Accept-Language: de\nX: y", FRESH, "de");
    check_found(cache, U, "Accept: a, b\nAccept-Language: en", FRESH, "en");
    check_found(cache, U, "", FRESH, "none");
    check_found(cache, U, "Accept-Language: ", MISS, NULL);
    check_found(cache, U, "Accept-Language: fr", MISS, NULL);
    check_found(cache, U, "Accept-Language: de\nAccept: ", MISS, NULL);
}

TEST(url_has_at_most_eight_variants)
{
    kt_auto(kt_http_cache) *cache = cache_new();
    kt_http_cache_facts facts;
    for (int i = 0; i < 10; i++) {
        char text[30];
        snprintf(text, sizeof text, "Accept: %d", i);
        CHECK_EQ(answer(cache, "GET", U, text, 200, "Cache-Control: max-age=9\nVary: Accept", text), 1);
    }
    check_found(cache, U, "Accept: 1", MISS, NULL);
    check_found(cache, U, "Accept: 9", FRESH, "Accept: 9");
    kt_http_cache_facts_get(cache, &facts);
    CHECK_EQ(facts.answers, 8);
    CHECK_EQ(facts.evicted, 2);
}

TEST(fragment_does_not_count_and_query_does)
{
    kt_auto(kt_http_cache) *cache = cache_new();
    CHECK_EQ(get(cache, "http://h/a?b#c", "Cache-Control: max-age=9", "x"), 1);
    check_found(cache, "http://h/a?b#d", "", FRESH, "x");
    check_found(cache, "http://h/a", "", MISS, NULL);
    check_found(cache, "https://h/a?b", "", MISS, NULL);
}

/* ---- Confirming ------------------------------------------------------------------------------ */

static int confirm(kt_http_cache *cache, kt_http_cache_hit *hit, const char *fields)
{
    kt_auto(asked) a = {.url = KT_URL_INIT};
    kt_http_field theirs[16];
    ask(&a, "GET", U, "");
    kt_http_cache_answer given = {.status = 304, .fields = theirs, .field_count = split(fields, theirs)};
    return kt_http_cache_refresh(cache, &a.request, &given, hit);
}

TEST(stale_hit_asks_with_its_validators_and_is_fresh_after_304)
{
    kt_auto(kt_http_cache) *cache = cache_new();
    kt_auto(kt_http_cache_hit) *hit = NULL;
    kt_http_field conditions[2];
    CHECK_EQ(get(cache, U, "Cache-Control: max-age=9\nETag: \"v1\"\nLast-Modified: Tue, 14 Nov 2023 22:00:00 GMT\n"
                           "Content-Type: text/plain\nX: old\nAge: 3\nConnection: close", "body"), 1);
    now += KT_S(20);
    CHECK_EQ(look(cache, U, "", &hit), STALE);
    CHECK_EQ(kt_http_cache_hit_conditions(hit, conditions), 2);
    CHECK_SLICE(conditions[0].name, "If-None-Match");
    CHECK_SLICE(conditions[0].value, "\"v1\"");
    CHECK_SLICE(conditions[1].name, "If-Modified-Since");
    CHECK_SLICE(conditions[1].value, "Tue, 14 Nov 2023 22:00:00 GMT");
    CHECK_EQ(kt_http_cache_hit_age(hit), 23);
    CHECK_OK(confirm(cache, hit, "ETag: W/\"v1\"\nX: new\nContent-Length: 0\nContent-Type: bad"));
    CHECK_SLICE(kt_http_cache_hit_field(hit, "X"), "new");
    CHECK_SLICE(kt_http_cache_hit_field(hit, "Content-Type"), "text/plain");
    CHECK(!kt_http_cache_hit_field(hit, "Content-Length").data && !kt_http_cache_hit_field(hit, "Connection").data);
    CHECK_SLICE(kt_http_cache_hit_body(hit), "body");
    CHECK_EQ(kt_http_cache_hit_age(hit), 0);
    check_found(cache, U, "", FRESH, "body");
}

TEST(confirmation_of_another_version_is_refused)
{
    kt_auto(kt_http_cache) *cache = cache_new();
    kt_auto(kt_http_cache_hit) *hit = NULL;
    CHECK_EQ(get(cache, U, "Cache-Control: no-cache\nETag: \"v1\"", "body"), 1);
    CHECK_EQ(look(cache, U, "", &hit), STALE);
    CHECK_ERR(confirm(cache, hit, "ETag: \"v2\""), -EINVAL);
    CHECK_SLICE(kt_http_cache_hit_field(hit, "ETag"), "\"v1\"");
}

TEST(stale_answer_serves_errors_only_where_it_is_allowed)
{
    static const struct {
        const char *answer, *request;
        bool serves;
    } cases[] = {
        {"Cache-Control: max-age=1, stale-if-error=30", "", true},
        {"Cache-Control: max-age=1, stale-if-error=29", "", true},
        {"Cache-Control: max-age=1, stale-if-error=28", "", false},
        {"Cache-Control: max-age=1", "", false},
        {"Cache-Control: max-age=1", "Cache-Control: stale-if-error=60", true},
        {"Cache-Control: max-age=1, must-revalidate, stale-if-error=60", "", false},
        {"Cache-Control: max-age=1, stale-if-error=60", "Cache-Control: no-cache", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kt_auto(kt_http_cache) *cache = cache_new();
        kt_auto(kt_http_cache_hit) *hit = NULL;
        kt_auto(asked) a = {.url = KT_URL_INIT};
        CHECK_EQ(get(cache, U, cases[i].answer, "body"), 1);
        now += KT_S(30);
        ask(&a, "GET", U, cases[i].request);
        CHECK_EQ(kt_http_cache_lookup(cache, &a.request, &hit), STALE);
        CHECK_EQ(kt_http_cache_hit_serves_errors(hit, &a.request), cases[i].serves);
    }
}

/* ---- Invalidation, replacing ----------------------------------------------------------------- */

TEST(unsafe_method_outdates_its_url_and_those_it_names)
{
    static const struct {
        const char *method;
        int status;
        const char *fields;
        const char *gone; /* of a, b, c */
    } cases[] = {
        {"POST", 200, "", "a"},
        {"PUT", 301, "", "a"},
        {"DELETE", 404, "", ""},
        {"OPTIONS", 200, "", ""},
        {"HEAD", 200, "", ""},
        {"POST", 201, "Location: /b\nContent-Location: http://h/c", "abc"},
        {"POST", 201, "Location: http://g/b\nContent-Location: ::", "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kt_auto(kt_http_cache) *cache = cache_new();
        for (const char *c = "abc"; *c; c++) {
            char url[] = {'h', 't', 't', 'p', ':', '/', '/', 'h', '/', *c, '\0'};
            CHECK_EQ(get(cache, url, "Cache-Control: max-age=9", ""), 1);
        }
        kt_test_say("%s %d %s", cases[i].method, cases[i].status, cases[i].fields);
        CHECK_EQ(answer(cache, cases[i].method, U, NULL, cases[i].status, cases[i].fields, ""), 0);
        for (const char *c = "abc"; *c; c++) {
            char url[] = {'h', 't', 't', 'p', ':', '/', '/', 'h', '/', *c, '\0'};
            bool gone = strchr(cases[i].gone, *c) != NULL;
            check_found(cache, url, "", gone ? MISS : FRESH, gone ? NULL : "");
        }
    }
}

TEST(newer_answer_replaces_the_older_even_if_it_may_not_be_kept)
{
    kt_auto(kt_http_cache) *cache = cache_new();
    CHECK_EQ(get(cache, U, "Cache-Control: max-age=9", "old"), 1);
    CHECK_EQ(get(cache, U, "Cache-Control: max-age=9", "new"), 1);
    check_found(cache, U, "", FRESH, "new");
    CHECK_EQ(get(cache, U, "Cache-Control: no-store", "secret"), 0);
    check_found(cache, U, "", MISS, NULL);
}

TEST(body_that_was_cut_is_not_kept)
{
    kt_auto(kt_http_cache) *cache = cache_new();
    kt_auto(asked) a = {.url = KT_URL_INIT};
    kt_http_field theirs[16];
    kt_http_cache_store *store = NULL;
    ask(&a, "GET", U, "");
    kt_http_cache_answer given = {.status = 200, .fields = theirs,
                                  .field_count = split("Cache-Control: max-age=9", theirs)};
    CHECK_EQ(kt_http_cache_store_begin(cache, &a.request, &given, &store), 1);
    CHECK_OK(kt_http_cache_store_append(store, "half", 4));
    kt_http_cache_store_abort(store);
    check_found(cache, U, "", MISS, NULL);
}

/* ---- Limits and lives ------------------------------------------------------------------------ */

TEST(cache_is_bounded_and_loses_what_was_not_used_for_longest)
{
    kt_auto(kt_http_cache) *cache = cache_with((kt_http_cache_options){.answers_max = 2});
    CHECK_EQ(get(cache, "http://h/1", "Cache-Control: max-age=9", "1"), 1);
    CHECK_EQ(get(cache, "http://h/2", "Cache-Control: max-age=9", "2"), 1);
    check_found(cache, "http://h/1", "", FRESH, "1");
    CHECK_EQ(get(cache, "http://h/3", "Cache-Control: max-age=9", "3"), 1);
    check_found(cache, "http://h/2", "", MISS, NULL);
    check_found(cache, "http://h/1", "", FRESH, "1");
}

TEST(cache_is_bounded_by_bytes)
{
    kt_auto(kt_http_cache) *cache =
        cache_with((kt_http_cache_options){.bytes_max = 1000, .answer_bytes_max = 500});
    char body[600];
    kt_http_cache_facts facts;
    memset(body, 'b', sizeof body);
    body[300] = '\0';
    for (int i = 0; i < 5; i++) {
        char url[30];
        snprintf(url, sizeof url, "http://h/%d", i);
        CHECK_EQ(get(cache, url, "Cache-Control: max-age=9", body), 1);
    }
    kt_http_cache_facts_get(cache, &facts);
    CHECK_EQ(facts.answers, 2);
    CHECK_LE(facts.bytes, 1000);
    kt_auto(asked) a = {.url = KT_URL_INIT};
    kt_http_field theirs[16];
    kt_auto(kt_http_cache_store) *store = NULL;
    ask(&a, "GET", U, "");
    kt_http_cache_answer given = {.status = 200, .fields = theirs,
                                  .field_count = split("Cache-Control: max-age=9", theirs)};
    CHECK_EQ(kt_http_cache_store_begin(cache, &a.request, &given, &store), 1);
    CHECK_ERR(kt_http_cache_store_append(store, body, 500), KT_ELIMIT);
}

TEST(hit_and_store_outlive_their_cache)
{
    kt_http_cache *cache = cache_new();
    kt_auto(kt_http_cache_hit) *hit = NULL;
    kt_auto(asked) a = {.url = KT_URL_INIT};
    kt_http_field theirs[16];
    kt_http_cache_store *store = NULL;
    CHECK_EQ(get(cache, U, "Cache-Control: max-age=9", "body"), 1);
    CHECK_EQ(look(cache, U, "", &hit), FRESH);
    ask(&a, "GET", U, "");
    kt_http_cache_answer given = {.status = 200, .fields = theirs,
                                  .field_count = split("Cache-Control: max-age=9", theirs)};
    CHECK_EQ(kt_http_cache_store_begin(cache, &a.request, &given, &store), 1);
    kt_http_cache_close(cache);
    CHECK_OK(kt_http_cache_store_append(store, "x", 1));
    CHECK_OK(kt_http_cache_store_commit(store));
    CHECK_SLICE(kt_http_cache_hit_body(hit), "body");
    CHECK_EQ(kt_http_cache_hit_age(hit), 0);
    CHECK_EQ(kt_http_cache_hit_status(hit), 200);
    kt_http_field field;
    CHECK(kt_http_cache_hit_field_at(hit, 0, &field) && !kt_http_cache_hit_field_at(hit, 1, &field));
    CHECK_SLICE(field.name, "Cache-Control");
}

/* ---- In a directory -------------------------------------------------------------------------- */

TEST(directory_keeps_answers_from_one_opening_to_the_next)
{
    kt_test_disk *disk = kt_test_disk_open(NULL);
    kt_test_disk_use(disk);
    kt_http_cache *cache = cache_with((kt_http_cache_options){.dir = "/x/cache"});
    CHECK_EQ(get(cache, U, "Cache-Control: max-age=9\nVary: Accept", "body"), 1);
    CHECK_EQ(get(cache, "http://h/b", "Cache-Control: max-age=9", "other"), 1);
    CHECK_EQ(answer(cache, "POST", "http://h/b", NULL, 200, "", ""), 0);
    kt_http_cache_close(cache);
    cache = cache_with((kt_http_cache_options){.dir = "/x/cache"});
    check_found(cache, U, "", FRESH, "body");
    check_found(cache, U, "Accept: x", MISS, NULL);
    check_found(cache, "http://h/b", "", MISS, NULL);
    CHECK_OK(kt_http_cache_clear(cache));
    check_found(cache, U, "", MISS, NULL);
    kt_http_cache_close(cache);
    kt_auto(kt_buffer) list = KT_BUFFER_INIT;
    CHECK_OK(kt_test_disk_list(disk, &list));
    CHECK_STR(kt_buffer_string(&list), "/x/\n/x/cache/\n");
    kt_test_disk_close(disk);
}

/* The only file there is; with its bytes cut or changed it is none. */
TEST(damaged_file_is_a_miss)
{
    for (int cut = 0; cut < 40; cut++) {
        kt_test_disk *disk = kt_test_disk_open(NULL);
        kt_auto(kt_buffer) list = KT_BUFFER_INIT, bytes = KT_BUFFER_INIT;
        kt_test_disk_use(disk);
        kt_auto(kt_http_cache) *cache = cache_with((kt_http_cache_options){.dir = "/c"});
        CHECK_EQ(get(cache, U, "Cache-Control: max-age=9", "body"), 1);
        CHECK_OK(kt_test_disk_list(disk, &list));
        char *path = strstr((char *)(uintptr_t)kt_buffer_string(&list), "/c/\n") + 4;
        path[strcspn(path, " ")] = '\0';
        CHECK_OK(kt_test_disk_get(disk, path, &bytes));
        size_t at = bytes.size * (size_t)cut / 40;
        bytes.data[at] ^= 1;
        kt_slice damaged = {bytes.data, cut % 2 ? bytes.size : at};
        CHECK_OK(kt_test_disk_put(disk, path, damaged));
        check_found(cache, U, "", MISS, NULL);
        kt_test_disk_close(disk);
    }
}

TEST(crash_at_any_moment_leaves_a_cache_that_works)
{
    for (uint64_t nth = 1; nth < 60; nth++) {
        kt_test_disk *disk = kt_test_disk_open(&(kt_test_disk_options){.seed = nth});
        kt_test_disk_use(disk);
        kt_http_cache *cache = cache_with((kt_http_cache_options){.dir = "/c"});
        CHECK_EQ(get(cache, U, "Cache-Control: max-age=9", "old"), 1);
        kt_test_disk_sync(disk);
        kt_auto(asked) a = {.url = KT_URL_INIT};
        kt_http_field theirs[16];
        kt_http_cache_store *store = NULL;
        ask(&a, "GET", U, "");
        kt_http_cache_answer given = {.status = 200, .fields = theirs,
                                      .field_count = split("Cache-Control: max-age=9", theirs)};
        CHECK_EQ(kt_http_cache_store_begin(cache, &a.request, &given, &store), 1);
        CHECK_OK(kt_http_cache_store_append(store, "new", 3));
        kt_test_disk_crash_at(disk, nth);
        int rc = kt_http_cache_store_commit(store);
        bool crashed = kt_test_disk_crashed(disk);
        CHECK(rc == 0 || crashed);
        kt_http_cache_close(cache);
        kt_test_disk_crash(disk);
        cache = cache_with((kt_http_cache_options){.dir = "/c"});
        kt_auto(kt_http_cache_hit) *hit = NULL;
        int verdict = look(cache, U, "", &hit);
        CHECK(verdict == MISS || kt_slice_is(kt_http_cache_hit_body(hit), "old") ||
              kt_slice_is(kt_http_cache_hit_body(hit), "new"));
        CHECK_EQ(get(cache, U, "Cache-Control: max-age=9", "next"), 1);
        check_found(cache, U, "", FRESH, "next");
        kt_http_cache_close(cache);
        kt_test_disk_close(disk);
        if (!crashed)
            break;
    }
}
