/* SPDX-License-Identifier: MIT */
/* Sessions, requests, and answers over HTTP/1.1. */
#include "client_site.h"

static int mirror(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_slice body, m = kt_http_method(x), t = kt_http_target(x);
    char line[256];
    int rc = kt_http_read_all(x, 1024 * 1024, &body);
    if (rc < 0)
        return rc;
    kt_slice type = kt_http_request_header(x, "Content-Type");
    kt_slice thing = kt_http_request_header(x, "X-Thing");
    snprintf(line, sizeof line, "%.*s %.*s <%.*s> <%.*s>", (int)m.size, m.data, (int)t.size, t.data,
             (int)type.size, type.data, (int)thing.size, thing.data);
    rc = kt_http_header(x, "X-Line", line);
    return rc < 0 ? rc : kt_http_respond(x, 203, "text/x", body.data, body.size);
}

typedef struct house {
    net n;
    site s;
    kt_http_session *web;
} house;

static void house_open(house *h, kt_http_handler handler, kt_http_session_options o)
{
    h->n = net_open((kt_test_network_options){0});
    site_open(&h->s, NULL, handler, NULL);
    h->web = session_for(kt_listener_port(h->s.l), o);
}

static void house_close(house *h)
{
    kt_http_session_close(h->web);
    site_close(&h->s);
    net_cleanup(&h->n);
}

TEST(a_get_is_three_lines)
{
    house h;
    house_open(&h, hello, (kt_http_session_options){0});
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_get(h.web, "/", &r));
    CHECK_OK(kt_http_response_read_all(r, 1024, &body));
    CHECK_SLICE(body, "hello\n");
    CHECK_EQ(kt_http_response_status(r), 200);
    CHECK_SLICE(kt_http_response_reason(r), "OK");
    CHECK_SLICE(kt_http_response_header(r, "content-TYPE"), "text/plain");
    CHECK(!kt_http_response_header(r, "X-None").data);
    CHECK_EQ(kt_http_response_version(r), 11);
    CHECK_EQ(kt_http_response_length(r), 6);
    kt_http_response_close(kt_steal(r));
    house_close(&h);
}

TEST(a_request_says_what_it_is_told)
{
    house h;
    house_open(&h, mirror, (kt_http_session_options){0});
    static const char *const headers[] = {"X-Thing", "7", NULL};
    kt_http_request q = {.url = "/a?b#c", .body = "brown fox", .body_size = 9, .content_type = "text/plain",
                         .headers = headers};
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_send(h.web, &q, &r));
    CHECK_OK(kt_http_response_read_all(r, 1024, &body));
    CHECK_SLICE(body, "brown fox");
    CHECK_SLICE(kt_http_response_header(r, "X-Line"), "POST /a?b <text/plain> <7>");
    house_close(&h);
}

TEST(connections_are_used_again)
{
    house h;
    house_open(&h, hello, (kt_http_session_options){0});
    for (int i = 0; i < 5; i++)
        CHECK_STR(ask(h.web, "/"), "200 hello\n");
    kt_http_session_facts f = facts_of(h.web);
    CHECK_EQ(f.opened, 1);
    CHECK_EQ(f.reused, 4);
    CHECK_EQ(f.idle, 1);
    house_close(&h);
}
