/* SPDX-License-Identifier: MIT */
/* Downloads to files: what is asked for, what is believed, and what is left after a failure. */
#include "client_site.h"

#include <kettle/http_download.h>
#include <kettle/test_disk.h>

typedef struct shop {
    net n;
    parrot p;
    kt_test_disk *disk;
    kt_http_session *web;
    kt_http_download_result got;
} shop;

static void shop_open(shop *h)
{
    h->n = net_open((kt_test_network_options){0});
    h->disk = kt_test_disk_open(NULL);
    kt_test_disk_use(h->disk);
    parrot_open(&h->p);
    h->web = session_for(h->p.port, (kt_http_session_options){0});
}

static void shop_close(shop *h)
{
    kt_http_session_close(h->web);
    parrot_close(&h->p);
    CHECK_EQ(kt_test_disk_descriptors(h->disk), 0);
    kt_test_disk_close(h->disk);
    net_cleanup(&h->n);
}

/* One attempt a call, unless the test says otherwise. */
static int load_with(shop *h, kt_http_download_options o)
{
    o.attempts = o.attempts ? o.attempts : 1;
    o.first_wait = 1;
    return kt_http_download(h->web, "/tea", "/tea", &o, &h->got);
}

static int load(shop *h)
{
    return load_with(h, (kt_http_download_options){0});
}

static void check_file(shop *h, const char *path, const char *text)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    if (!text) {
        CHECK_ERR(kt_test_disk_get(h->disk, path, &found), -ENOENT);
        return;
    }
    CHECK_OK(kt_test_disk_get(h->disk, path, &found));
    CHECK_SLICE(kt_buffer_slice(&found), text);
}

/* No part, and nothing that speaks of one. */
static void check_clean(shop *h)
{
    check_file(h, "/tea.part", NULL);
    check_file(h, "/tea.part-info", NULL);
}

#define ETAG "ETag: \"v1\"\r\n"
#define WHOLE(fields, length, body) "HTTP/1.1 200 OK\r\n" fields "Content-Length: " #length "\r\n\r\n" body
#define REST(fields, range, length, body) \
    "HTTP/1.1 206 Part\r\n" fields "Content-Range: bytes " range "\r\nContent-Length: " #length "\r\n\r\n" body
#define CUT "~" WHOLE(ETAG, 10, "green")

TEST(a_download_appears_whole_and_leaves_no_part)
{
    shop h = {.p.script = {{WHOLE(ETAG, 9, "green tea")}}};
    shop_open(&h);
    CHECK_OK(kt_test_disk_put(h.disk, "/tea", kt_slice_from("old")));
    CHECK_OK(load(&h));
    check_file(&h, "/tea", "green tea");
    check_clean(&h);
    CHECK_EQ(h.got.bytes, 9);
    CHECK_EQ(h.got.resumed, 0);
    CHECK(strstr(h.p.heard, "Accept-Encoding: identity\r\n"));
    CHECK(!strstr(h.p.heard, "Range"));
    shop_close(&h);
}

TEST(a_cut_body_is_gone_on_with_by_the_next_call)
{
    shop h = {.p.script = {{CUT}, {REST(ETAG, "5-9/10", 5, " tea!")}}};
    shop_open(&h);
    CHECK_ERR(load(&h), KT_EINCOMPLETE);
    check_file(&h, "/tea", NULL);
    check_file(&h, "/tea.part", "green");
    CHECK_OK(load(&h));
    CHECK(strstr(h.p.heard, "Range: bytes=5-\r\nIf-Range: \"v1\"\r\n"));
    check_file(&h, "/tea", "green tea!");
    check_clean(&h);
    CHECK_EQ(h.got.resumed, 5);
    shop_close(&h);
}

TEST(a_cut_body_is_gone_on_with_by_another_attempt)
{
    shop h = {.p.script = {{CUT}, {"!"}, {"~" REST(ETAG, "5-9/10", 5, " te")}, {REST(ETAG, "8-9/10", 2, "a!")}}};
    sim_only();
    shop_open(&h);
    CHECK_OK(load_with(&h, (kt_http_download_options){.attempts = 4}));
    check_file(&h, "/tea", "green tea!");
    CHECK_EQ(h.got.attempts, 4);
    CHECK_EQ(h.got.resumed, 0);
    shop_close(&h);
}

TEST(attempts_come_to_an_end)
{
    shop h = {.p.script = {{CUT}, {"!"}, {"!"}}};
    sim_only();
    shop_open(&h);
    int rc = load_with(&h, (kt_http_download_options){.attempts = 3});
    CHECK(rc == -ECONNRESET || rc == KT_EINCOMPLETE);
    CHECK_EQ(h.p.connections, 3);
    check_file(&h, "/tea.part", "green");
    shop_close(&h);
}

TEST(a_200_begins_anew)
{
    shop h = {.p.script = {{CUT}, {WHOLE("ETag: \"v2\"\r\n", 6, "coffee")}}};
    shop_open(&h);
    CHECK_ERR(load(&h), KT_EINCOMPLETE);
    CHECK_OK(load(&h));
    check_file(&h, "/tea", "coffee");
    CHECK_EQ(h.got.resumed, 0);
    check_clean(&h);
    shop_close(&h);
}

TEST(a_range_of_another_version_is_not_glued_on)
{
    shop h = {.p.script = {{CUT}, {REST("ETag: \"v2\"\r\n", "5-9/10", 5, " gin!"), WHOLE(ETAG, 6, "coffee")}}};
    shop_open(&h);
    CHECK_ERR(load(&h), KT_EINCOMPLETE);
    CHECK_OK(load(&h));
    check_file(&h, "/tea", "coffee");
    shop_close(&h);
}

TEST(a_416_begins_anew)
{
    shop h = {.p.script = {{CUT}, {"HTTP/1.1 416 No\r\nContent-Range: bytes */3\r\nContent-Length: 0\r\n\r\n",
                                   WHOLE(ETAG, 3, "gin")}}};
    shop_open(&h);
    CHECK_ERR(load(&h), KT_EINCOMPLETE);
    CHECK_OK(load(&h));
    check_file(&h, "/tea", "gin");
    shop_close(&h);
}

/* The part stays: it is the answer that is wrong. */
static void check_range_refused(const char *answer)
{
    shop h = {.p.script = {{CUT}, {answer}}};
    shop_open(&h);
    CHECK_ERR(load(&h), KT_EINCOMPLETE);
    CHECK_ERR(load(&h), KT_EPROTOCOL);
    check_file(&h, "/tea", NULL);
    check_file(&h, "/tea.part", "green");
    shop_close(&h);
}

TEST(ranges_that_were_not_asked_for_are_refused)
{
    check_range_refused(REST(ETAG, "4-8/9", 5, "n tea"));
    check_range_refused(REST(ETAG, "6-9/10", 4, "tea!"));
    check_range_refused(REST(ETAG, "5-9/9", 5, " tea!"));
    check_range_refused(REST(ETAG, "9-5/10", 5, " tea!"));
    check_range_refused(REST(ETAG, "5-9/ten", 5, " tea!"));
    check_range_refused(REST(ETAG, "", 5, " tea!"));
    check_range_refused("HTTP/1.1 206 Part\r\nContent-Type: multipart/byteranges; boundary=x\r\n"
                        "Content-Length: 1\r\n\r\nx");
    check_range_refused(REST(ETAG "Content-Encoding: gzip\r\n", "5-9/10", 5, " tea!"));
    check_range_refused(REST(ETAG, "5-7/10", 5, " tea!"));
}

TEST(a_206_that_nobody_asked_for_is_refused)
{
    shop h = {.p.script = {{REST(ETAG, "0-2/3", 3, "tea")}}};
    shop_open(&h);
    CHECK_ERR(load(&h), KT_EPROTOCOL);
    check_clean(&h);
    shop_close(&h);
}

TEST(what_cannot_be_recognised_again_leaves_nothing)
{
    static const char *const answers[] = {
        "~" WHOLE("", 10, "green"),
        "~" WHOLE("ETag: W/\"v1\"\r\n", 10, "green"),
        "~" WHOLE("Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n", 10, "green"),
        "~" WHOLE("Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
                  "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n", 10, "green"),
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        shop h = {.p.script = {{answers[i]}}};
        shop_open(&h);
        CHECK_ERR(load(&h), KT_EINCOMPLETE);
        check_clean(&h);
        shop_close(&h);
    }
}

/* RFC 9110 section 15.3.7.3: nothing says that the second piece would be of the same file. */
TEST(what_cannot_be_recognised_again_is_asked_for_whole_by_the_next_attempt)
{
    static const char *const fields[] = {"", "ETag: W/\"v1\"\r\n"};
    for (size_t i = 0; i < 2; i++) {
        char cut[200];
        snprintf(cut, sizeof cut, "~HTTP/1.1 200 OK\r\n%sContent-Length: 10\r\n\r\ngreen", fields[i]);
        shop h = {.p.script = {{cut}, {WHOLE("", 10, "black tea!")}}};
        shop_open(&h);
        CHECK_OK(load_with(&h, (kt_http_download_options){.attempts = 2}));
        CHECK(!strstr(h.p.heard, "Range"));
        check_file(&h, "/tea", "black tea!");
        CHECK_EQ(h.got.attempts, 2);
        shop_close(&h);
    }
}

TEST(a_range_with_another_date_is_not_glued_on)
{
    shop h = {.p.script = {{"~" WHOLE("Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
                                      "Date: Tue, 14 Nov 2023 22:13:21 GMT\r\n", 10, "green")},
                           {REST("Last-Modified: Tue, 14 Nov 2023 22:13:50 GMT\r\n", "5-9/10", 5, " tea!"),
                            WHOLE("", 10, "black tea!")}}};
    shop_open(&h);
    CHECK_OK(load_with(&h, (kt_http_download_options){.attempts = 2}));
    check_file(&h, "/tea", "black tea!");
    shop_close(&h);
}

TEST(a_last_modified_that_is_old_enough_is_a_validator)
{
    shop h = {.p.script = {{"~" WHOLE("Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
                                      "Date: Tue, 14 Nov 2023 22:13:21 GMT\r\n", 10, "green")},
                           {REST("", "5-9/10", 5, " tea!")}}};
    shop_open(&h);
    CHECK_ERR(load(&h), KT_EINCOMPLETE);
    CHECK_OK(load(&h));
    CHECK(strstr(h.p.heard, "If-Range: Tue, 14 Nov 2023 22:13:20 GMT\r\n"));
    check_file(&h, "/tea", "green tea!");
    shop_close(&h);
}

TEST(a_part_of_another_url_or_one_that_was_spoilt_is_not_used)
{
    static const char *const infos[] = {
        "kettle-download 1\nhttp://other/tea\n\"v1\"\n10\n5\n",
        "kettle-download 1\n",
        "kettle-download 1\nhttp://127.0.0.1/tea\n\"v1\"\n10\nfive\n",
        "",
    };
    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++) {
        shop h = {.p.script = {{WHOLE(ETAG, 3, "gin")}}};
        shop_open(&h);
        CHECK_OK(kt_test_disk_put(h.disk, "/tea.part", kt_slice_from("green")));
        CHECK_OK(kt_test_disk_put(h.disk, "/tea.part-info", kt_slice_from(infos[i])));
        CHECK_OK(load(&h));
        CHECK(!strstr(h.p.heard, "Range: "));
        check_file(&h, "/tea", "gin");
        check_clean(&h);
        shop_close(&h);
    }
}

TEST(a_caller_may_begin_anew_or_leave_nothing)
{
    shop h = {.p.script = {{CUT}, {CUT}, {CUT}}};
    shop_open(&h);
    CHECK_ERR(load(&h), KT_EINCOMPLETE);
    CHECK_ERR(load_with(&h, (kt_http_download_options){.anew = true}), KT_EINCOMPLETE);
    CHECK(!strstr(h.p.heard, "Range: "));
    CHECK_ERR(load_with(&h, (kt_http_download_options){.anew = true, .discard = true}), KT_EINCOMPLETE);
    check_clean(&h);
    shop_close(&h);
}

TEST(statuses_are_errors_with_a_name)
{
    static const struct {
        const char *answer;
        int rc;
    } cases[] = {
        {"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", -ENOENT},
        {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", -EACCES},
        {"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", -EREMOTEIO},
        {"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n", -EREMOTEIO},
        {"HTTP/1.1 204 No\r\n\r\n", -EREMOTEIO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shop h = {.p.script = {{cases[i].answer}}};
        shop_open(&h);
        CHECK_ERR(load_with(&h, (kt_http_download_options){.attempts = 5}), cases[i].rc);
        CHECK(strstr(kt_error_detail(), "/tea answered "));
        CHECK_EQ(h.p.requests, 1);
        check_clean(&h);
        shop_close(&h);
    }
}

TEST(a_busy_server_is_asked_again)
{
    shop h = {.p.script = {{"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
                            WHOLE(ETAG, 3, "tea")}}};
    shop_open(&h);
    CHECK_OK(load_with(&h, (kt_http_download_options){.attempts = 2}));
    CHECK_EQ(h.got.attempts, 2);
    check_file(&h, "/tea", "tea");
    shop_close(&h);
}

TEST(a_download_has_a_limit_whether_it_is_announced_or_not)
{
    static const char *const answers[] = {
        WHOLE(ETAG, 6, "coffee"),
        "~HTTP/1.1 200 OK\r\n" ETAG "\r\ncoffee",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ncoffee\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        shop h = {.p.script = {{answers[i]}}};
        shop_open(&h);
        CHECK_ERR(load_with(&h, (kt_http_download_options){.bytes_max = 5, .attempts = 3}), KT_ELIMIT);
        CHECK_EQ(h.p.requests, 1);
        check_file(&h, "/tea", NULL);
        shop_close(&h);
    }
}

TEST(headers_of_the_callers_go_along_but_not_those_of_the_download)
{
    static const char *const good[] = {"X-Cup", "blue", NULL}, *const bad[] = {"range", "bytes=1-", NULL};
    shop h = {.p.script = {{WHOLE(ETAG, 3, "tea")}}};
    shop_open(&h);
    CHECK_ERR(load_with(&h, (kt_http_download_options){.headers = bad}), -EINVAL);
    CHECK_OK(load_with(&h, (kt_http_download_options){.headers = good}));
    CHECK(strstr(h.p.heard, "X-Cup: blue\r\n"));
    shop_close(&h);
}

/* ---- Progress, company, cancellation --------------------------------------------------------------- */

static int note(const kt_http_download_progress *p, void *arg)
{
    kt_http_download_progress *last = arg;
    CHECK_GE(p->bytes, last->bytes);
    *last = *p;
    return 0;
}

/* Of five bytes. */
static int stop(const kt_http_download_progress *p, void *arg)
{
    (void)arg;
    return p->bytes >= 5 ? -EXDEV : 0;
}

TEST(progress_is_told_and_may_end_it)
{
    kt_http_download_progress last = {.bytes = 0};
    shop h = {.p.script = {{WHOLE(ETAG, 10, "green tea!"), WHOLE(ETAG, 10, "green tea!")}}};
    shop_open(&h);
    CHECK_OK(load_with(&h, (kt_http_download_options){.progress = note, .arg = &last}));
    CHECK_EQ(last.bytes, 10);
    CHECK_EQ(last.total, 10);
    CHECK_EQ(last.attempt, 1);
    CHECK_ERR(load_with(&h, (kt_http_download_options){.progress = stop, .attempts = 3}), -EXDEV);
    check_file(&h, "/tea", "green tea!");
    shop_close(&h);
}

KT_FN(loads, a, struct { shop *h; kt_http_download_progress *p; })
{
    return load_with(a->h, (kt_http_download_options){.progress = note, .arg = a->p});
}

/* Waits until a part has come. */
static kt_task *load_half(shop *h)
{
    static kt_http_download_progress p;
    kt_task *t = NULL;
    p = (kt_http_download_progress){.bytes = 0};
    CHECK_OK(kt_spawn(KT_WITH(loads, .h = h, .p = &p), &t));
    while (p.bytes == 0)
        CHECK_OK(kt_sleep(0));
    return t;
}

TEST(a_cancelled_download_is_gone_on_with)
{
    shop h = {.p.script = {{WHOLE(ETAG, 10, "green")}, {REST(ETAG, "5-9/10", 5, " tea!")}}};
    shop_open(&h);
    kt_task *t = load_half(&h);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    check_file(&h, "/tea", NULL);
    check_file(&h, "/tea.part", "green");
    CHECK_OK(load(&h));
    check_file(&h, "/tea", "green tea!");
    shop_close(&h);
}

TEST(two_downloads_do_not_write_one_part)
{
    shop h = {.p.script = {{WHOLE(ETAG, 10, "green")}, {WHOLE(ETAG, 3, "gin")}}};
    shop_open(&h);
    kt_task *t = load_half(&h);
    CHECK_ERR(load(&h), -EBUSY);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    shop_close(&h);
}

/* ---- Disks ------------------------------------------------------------------------------------------ */

enum { SEA_BYTES = 200 * 1000 };

static char sea[SEA_BYTES];

/* Honours ranges, and has one version. */
static int serves_sea(kt_http_exchange *x, void *arg)
{
    kt_slice range = kt_http_request_header(x, "Range"), of = kt_http_request_header(x, "If-Range");
    size_t from = 0;
    char said[64];
    (void)arg;
    if (range.data && kt_slice_is(of, "\"sea\""))
        from = strtoul(range.data + strlen("bytes="), NULL, 10);
    snprintf(said, sizeof said, "bytes %zu-%d/%d", from, SEA_BYTES - 1, SEA_BYTES);
    int rc = kt_http_header(x, "ETag", "\"sea\"");
    if (rc == 0 && from > 0)
        rc = kt_http_header(x, "Content-Range", said);
    return rc < 0 ? rc : kt_http_respond(x, from ? 206 : 200, "text/plain", sea + from, SEA_BYTES - from);
}

static int stop_at_half(const kt_http_download_progress *p, void *arg)
{
    (void)arg;
    return p->bytes >= SEA_BYTES / 2 ? -EXDEV : 0;
}

/* The power fails at the nth call of the second of three downloads: whatever is left, the third has the truth. */
static bool crash_at(kt_http_session *web, const char *url, uint64_t nth)
{
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    const kt_test_disk_options o = {.seed = nth};
    const kt_http_download_options half = {.progress = stop_at_half};
    kt_auto(kt_test_disk) *d = kt_test_disk_open(&o);
    kt_test_disk_use(d);
    CHECK_ERR(kt_http_download(web, url, "/sea", &half, NULL), -EXDEV);
    kt_test_disk_crash_at(d, nth);
    int rc = kt_http_download(web, url, "/sea", NULL, NULL);
    bool crashed = kt_test_disk_crashed(d);
    if (!crashed)
        CHECK_OK(rc);
    kt_test_disk_crash_at(d, 0);
    kt_test_disk_crash(d);
    CHECK_OK(kt_http_download(web, url, "/sea", NULL, NULL));
    kt_test_disk_crash(d);
    CHECK_OK(kt_test_disk_get(d, "/sea", &found));
    CHECK_EQ(found.size, SEA_BYTES);
    CHECK(memcmp(found.data, sea, SEA_BYTES) == 0);
    return crashed;
}

TEST(a_crash_of_the_system_at_any_moment_costs_no_truth)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    site s;
    char url[64];
    (void)n;
    for (size_t i = 0; i < SEA_BYTES; i++)
        sea[i] = (char)(i * 7 + i / 1000);
    site_open(&s, NULL, serves_sea, NULL);
    kt_http_session *web = session_for(kt_listener_port(s.l), (kt_http_session_options){0});
    snprintf(url, sizeof url, "http://127.0.0.1:%u/sea", kt_listener_port(s.l));
    uint64_t nth = 1;
    while (crash_at(web, url, nth))
        nth++;
    CHECK_GT(nth, 10);
    kt_http_session_close(web);
    site_close(&s);
}

TEST(a_disk_that_fails_is_an_error_and_the_target_stays)
{
    static const kt_test_disk_call calls[] = {KT_TEST_DISK_OPEN, KT_TEST_DISK_LOCK, KT_TEST_DISK_WRITE,
                                              KT_TEST_DISK_SYNC, KT_TEST_DISK_RENAME, KT_TEST_DISK_CHMOD};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        shop h = {.p.script = {{WHOLE("", 9, "green tea")}}};
        shop_open(&h);
        CHECK_OK(kt_test_disk_put(h.disk, "/tea", kt_slice_from("old")));
        kt_test_disk_fail(h.disk, calls[i], 1, -EIO);
        CHECK_ERR(load(&h), -EIO);
        check_file(&h, "/tea", "old");
        if (calls[i] != KT_TEST_DISK_LOCK) /* whose part it is nobody could say */
            check_clean(&h);
        shop_close(&h);
    }
}
