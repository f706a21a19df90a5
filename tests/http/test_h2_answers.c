/* SPDX-License-Identifier: MIT */

/* What a handler's answer becomes over HTTP/2. */
#include "client_site.h"

#include "h2_client.h"

typedef struct ends {
    net n;
    site s;
    peer p;
} ends;

static void ends_open(ends *e, const kt_http_options *o, kt_http_handler handler)
{
    e->n = net_open((kt_test_network_options){0});
    site_open(&e->s, o, handler, NULL);
    greet(&e->p, dial(&e->s));
}

static void ends_close(ends *e)
{
    leave(&e->p);
    site_close(&e->s);
    net_cleanup(&e->n);
}

static int with_blanks(kt_http_exchange *x, void *arg)
{
    (void)arg;
    CHECK_OK(kt_http_header(x, "X-One", " \t1 2\t "));
    CHECK_OK(kt_http_header(x, "X-None", " \t"));
    CHECK_OK(kt_http_start(x, 200, " text/plain\t"));
    CHECK_OK(kt_http_trailer(x, "X-Sum", " 42 "));
    return kt_http_write(x, "tea", 3);
}

/* RFC 9113 section 8.2.1: a value with blanks at its ends is malformed. */
TEST(blanks_at_the_ends_of_a_value_are_not_sent)
{
    const kt_http_options o = {.server = "\tkettle test "};
    ends e;
    ends_open(&e, &o, with_blanks);
    get(&e.p, 1, "/");
    expect_status(&e.p, 1, "200");
    CHECK(strstr(e.p.head, "\nserver: kettle test\n") && strstr(e.p.head, "\ncontent-type: text/plain\n"));
    CHECK(strstr(e.p.head, "\nx-one: 1 2\n") && strstr(e.p.head, "\nx-none: \n"));
    expect(&e.p, HEADERS, 1);
    CHECK_STR(e.p.head, "x-sum: 42\n");
    ends_close(&e);
}
