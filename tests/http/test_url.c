/* SPDX-License-Identifier: MIT */
/* What kt_url_parse makes of which text is in url_cases.txt; here are its objects, errors and limits. */
#include <arpa/inet.h>
#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <kettle/test.h>
#include <kettle/url.h>
#include <netinet/in.h>
#include <sys/un.h>

/* ---- URLs ------------------------------------------------------------------------------------ */

TEST(url_is_taken_apart)
{
    kt_auto(kt_url) u = KT_URL_INIT;
    CHECK_OK(kt_url_parse("HTTPS://me:s%20cret@Example.ORG:8443/a/../b?x=1#top", NULL, &u));
    CHECK_STR(u.text.data, "https://me:s%20cret@example.org:8443/b?x=1#top");
    CHECK_EQ(u.text.size, strlen(u.text.data));
    CHECK_SLICE(u.scheme, "https");
    CHECK_SLICE(u.user, "me");
    CHECK_SLICE(u.password, "s%20cret");
    CHECK_SLICE(u.host, "example.org");
    CHECK_SLICE(u.authority, "example.org:8443");
    CHECK_SLICE(u.path, "/b");
    CHECK_SLICE(u.query, "x=1");
    CHECK_SLICE(u.fragment, "top");
    CHECK_SLICE(u.target, "/b?x=1");
    CHECK_EQ(u.port, 8443);
}

TEST(url_without_a_part_tells_none_from_empty)
{
    kt_auto(kt_url) bare = KT_URL_INIT, empty = KT_URL_INIT;
    CHECK_OK(kt_url_parse("http://h:80", NULL, &bare));
    CHECK_OK(kt_url_parse("http://h/?#", NULL, &empty));
    CHECK(!bare.query.data && !bare.fragment.data);
    CHECK(empty.query.data && empty.fragment.data);
    CHECK_EQ(empty.query.size + empty.fragment.size, 0);
    CHECK_SLICE(bare.target, "/");
    CHECK_SLICE(empty.target, "/?");
    CHECK_SLICE(bare.authority, "h");
    CHECK_EQ(bare.port, 80);
}

TEST(url_reference_takes_over_the_parts_of_its_base)
{
    kt_auto(kt_url) base = KT_URL_INIT, path = KT_URL_INIT, fragment = KT_URL_INIT;
    CHECK_OK(kt_url_parse("ws://u:p@h:9/a/b?q#f", NULL, &base));
    CHECK_OK(kt_url_parse("c", &base, &path));
    CHECK_STR(path.text.data, "ws://u:p@h:9/a/c");
    CHECK_SLICE(path.user, "u");
    CHECK_SLICE(path.password, "p");
    CHECK_SLICE(path.host, "h");
    CHECK_EQ(path.port, 9);
    CHECK_OK(kt_url_parse("#g", &base, &fragment));
    CHECK_STR(fragment.text.data, "ws://u:p@h:9/a/b?q#g");
    CHECK_SLICE(fragment.target, "/a/b?q");
    CHECK_SLICE(fragment.query, "q");
}

TEST(url_error_names_the_byte_and_not_the_text)
{
    kt_url u = {.port = 7};
    static const struct {
        const char *text, *detail;
    } cases[] = {
        {"a/b", "URL, byte 0: no scheme, and no base to which it could be relative"},
        {" \thttp://u:p@h:8x/", "URL, byte 16: the port is no number"},
        {"http://h:65536/", "URL, byte 9: the port is above 65535"},
        {"ht\ntp://us er@/", "URL, byte 14: no host"},
        {"http://a b/", "URL, byte 8: a byte that no host may have"},
        {"http://1.2.3.256/", "URL, byte 7: the host ends in a number but is no IPv4 address"},
        {"http://[fe80::1%25eth0]/", "URL, byte 7: an IPv6 zone has no place in a URL"},
        {"http://[::1/", "URL, byte 7: the bracket is not closed"},
        {"http://\xff/", "URL, byte 7: the host is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_ERR(kt_url_parse(cases[i].text, NULL, &u), -EINVAL);
        CHECK_STR(kt_error_detail(), cases[i].detail);
    }
    CHECK_ERR(kt_url_parse(" mailto:me@h", NULL, &u), -EPROTONOSUPPORT);
    CHECK_STR(kt_error_detail(), "URL, byte 1: the scheme is not http, https, ws or wss");
    CHECK_EQ(u.port, 7);
}

/* A URL of `size` bytes that end in `last`, which the caller frees. */
static char *long_url(size_t size, const char *last)
{
    char *text = kt_alloc(size + 1);
    CHECK(text != NULL);
    memset(text, 'a', size);
    memcpy(text, "http://h/", 9);
    memcpy(text + size - strlen(last), last, strlen(last) + 1);
    return text;
}

TEST(url_is_limited_before_and_after)
{
    kt_auto(kt_url) fits = KT_URL_INIT, not = KT_URL_INIT;
    char *most = long_url(KT_URL_BYTES_MAX, ""), *over = long_url(KT_URL_BYTES_MAX + 1, "");
    char *grows = long_url(KT_URL_BYTES_MAX - 1, " x");
    CHECK_OK(kt_url_parse(most, NULL, &fits));
    CHECK_EQ(fits.text.size, KT_URL_BYTES_MAX);
    CHECK_ERR(kt_url_parse(over, NULL, &not), KT_ELIMIT);
    CHECK_ERR(kt_url_parse(grows, NULL, &not), KT_ELIMIT);
    CHECK_ERR(kt_url_parse("?", &fits, &not), KT_ELIMIT);
    kt_free(most);
    kt_free(over);
    kt_free(grows);
}

TEST(url_copy_outlives_its_original)
{
    kt_url u = KT_URL_INIT;
    kt_auto(kt_url) copy = KT_URL_INIT, nothing = KT_URL_INIT;
    CHECK_OK(kt_url_parse("http://u@h:1/p?q", NULL, &u));
    CHECK_OK(kt_url_copy(&u, &copy));
    kt_url_release(&u);
    CHECK(u.text.data == NULL);
    CHECK_STR(copy.text.data, "http://u@h:1/p?q");
    CHECK_SLICE(copy.query, "q");
    CHECK(copy.fragment.data == NULL);
    CHECK_OK(kt_url_copy(&u, &nothing));
    CHECK(nothing.text.data == NULL);
}

TEST(url_origin_is_scheme_host_and_port)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"http://h/a", "http://H:80/b?c", true},    {"http://h/", "https://h/", false},
        {"http://h/", "http://h:81/", false},       {"http://h/", "http://g/", false},
        {"http://u:p@h/", "http://h/", true},       {"http://127.1/", "http://0x7f000001/", true},
        {"http://h:443/", "https://h:443/", false}, {"ws://h/", "http://h/", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kt_auto(kt_url) a = KT_URL_INIT, b = KT_URL_INIT;
        CHECK_OK(kt_url_parse(cases[i].a, NULL, &a));
        CHECK_OK(kt_url_parse(cases[i].b, NULL, &b));
        CHECK_EQ(kt_url_same_origin(&a, &b), cases[i].same);
        CHECK_EQ(kt_url_is_secure(&b), b.scheme.data[b.scheme.size - 1] == 's' && b.scheme.size > 2);
    }
}

/* ---- Percent-encoding ------------------------------------------------------------------------ */

TEST(percent_encoding_depends_on_the_part)
{
    static const char all[] = "az09-._~!$&'()*+,/:;=?@[\\]^`{|}#%\" <>\x7f\xc3\xa9";
    static const struct {
        kt_percent_set set;
        const char *expected;
    } cases[] = {
        {KT_PERCENT_COMPONENT, "az09-._~%21%24%26%27%28%29%2A%2B%2C%2F%3A%3B%3D%3F%40%5B%5C%5D%5E%60%7B%7C%7D"
                               "%23%25%22%20%3C%3E%7F%C3%A9"},
        {KT_PERCENT_PATH, "az09-._~!$&'()*+,/:;=%3F@[\\]%5E%60%7B|%7D%23%%22%20%3C%3E%7F%C3%A9"},
        {KT_PERCENT_QUERY, "az09-._~!$&%27()*+,/:;=?@[\\]^`{|}%23%%22%20%3C%3E%7F%C3%A9"},
        {KT_PERCENT_FRAGMENT, "az09-._~!$&'()*+,/:;=?@[\\]^%60{|}#%%22%20%3C%3E%7F%C3%A9"},
        {KT_PERCENT_USER, "az09-._~!$&'()*+,%2F%3A%3B%3D%3F%40%5B%5C%5D%5E%60%7B%7C%7D%23%%22%20%3C%3E%7F%C3%A9"},
        {KT_PERCENT_FORM, "az09-._%7E%21%24%26%27%28%29*%2B%2C%2F%3A%3B%3D%3F%40%5B%5C%5D%5E%60%7B%7C%7D"
                          "%23%25%22+%3C%3E%7F%C3%A9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kt_auto(kt_buffer) out = KT_BUFFER_INIT;
        CHECK_OK(kt_percent_encode(kt_slice_from(all), cases[i].set, &out));
        CHECK_STR(kt_buffer_string(&out), cases[i].expected);
    }
}

TEST(percent_decoding_leaves_what_is_no_escape)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_percent_decode(kt_slice_from("%41%c3%A9%2f%%2%zz+%4"), &out));
    CHECK_STR(kt_buffer_string(&out), "A\xc3\xa9/%%2%zz+%4");
    kt_buffer_clear(&out);
    CHECK_OK(kt_percent_decode(kt_slice_from("a%00b"), &out));
    CHECK_MEM(out.data, "a\0b", 3);
}

TEST(percent_functions_append_nothing_when_they_fail)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT_MAX(6);
    CHECK_OK(kt_buffer_append_string(&out, "abc"));
    CHECK_ERR(kt_percent_encode(kt_slice_from("x/"), KT_PERCENT_COMPONENT, &out), KT_ELIMIT);
    CHECK_ERR(kt_percent_decode(kt_slice_from("defg"), &out), KT_ELIMIT);
    CHECK_ERR(kt_query_add(&out, "a", "b"), KT_ELIMIT);
    CHECK_STR(kt_buffer_string(&out), "abc");
}

/* ---- Queries --------------------------------------------------------------------------------- */

TEST(query_reads_back_what_was_added)
{
    static const char *const pairs[][2] = {{"q", "tea & biscuits"}, {"a=b", "1+1=2?"}, {"", ""}, {"\xc3\xa9", "%41"}};
    kt_auto(kt_buffer) query = KT_BUFFER_INIT, name = KT_BUFFER_INIT, value = KT_BUFFER_INIT;
    for (size_t i = 0; i < 4; i++)
        CHECK_OK(kt_query_add(&query, pairs[i][0], pairs[i][1]));
    CHECK_STR(kt_buffer_string(&query), "q=tea+%26+biscuits&a%3Db=1%2B1%3D2%3F&=&%C3%A9=%2541");
    kt_slice rest = kt_buffer_slice(&query);
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(kt_query_next(&rest, &name, &value), 1);
        CHECK_STR(kt_buffer_string(&name), pairs[i][0]);
        CHECK_STR(kt_buffer_string(&value), pairs[i][1]);
    }
    CHECK_EQ(kt_query_next(&rest, &name, &value), 0);
}

TEST(query_skips_nothing_between_marks_and_keeps_names_alone)
{
    kt_auto(kt_buffer) name = KT_BUFFER_INIT, value = KT_BUFFER_INIT;
    kt_slice rest = kt_slice_from("&&a&=b&c=d=e&&");
    static const char *const expected[][2] = {{"a", ""}, {"", "b"}, {"c", "d=e"}};
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(kt_query_next(&rest, &name, &value), 1);
        CHECK_STR(kt_buffer_string(&name), expected[i][0]);
        CHECK_STR(kt_buffer_string(&value), expected[i][1]);
    }
    CHECK_EQ(kt_query_next(&rest, &name, &value), 0);
    CHECK_EQ(kt_query_next(&rest, &name, &value), 0);
}

TEST(query_stands_still_when_a_pair_is_too_long)
{
    kt_auto(kt_buffer) name = KT_BUFFER_INIT, value = KT_BUFFER_INIT_MAX(2);
    kt_slice rest = kt_slice_from("a=bcd&e=f");
    CHECK_ERR(kt_query_next(&rest, &name, &value), KT_ELIMIT);
    CHECK_SLICE(rest, "a=bcd&e=f");
}

TEST(query_begins_a_reference)
{
    kt_auto(kt_buffer) q = KT_BUFFER_INIT;
    kt_auto(kt_url) page = KT_URL_INIT, search = KT_URL_INIT;
    CHECK_OK(kt_url_parse("http://h/find?old", NULL, &page));
    CHECK_OK(kt_buffer_append_string(&q, "?"));
    CHECK_OK(kt_query_add(&q, "q", "a&b"));
    CHECK_OK(kt_query_add(&q, "n", "2"));
    CHECK_OK(kt_url_parse_slice(kt_buffer_slice(&q), &page, &search));
    CHECK_STR(search.text.data, "http://h/find?q=a%26b&n=2");
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static bool is_global(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return kt_address_is_global((struct sockaddr *)&in);
    CHECK_EQ(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return kt_address_is_global((struct sockaddr *)&in6);
}

TEST(addresses_that_the_world_reaches_are_global)
{
    static const char *const good[] = {
        "1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
        "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
        "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "2000::",
        "2001:200::", "2001:4860:4860::8888", "2001:db7::1", "2001:db9::", "2606:4700::1111", "2a00::1", "3ffe::1",
        "3fff:1000::", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!is_global(good[i]))
            kt_test_fail("%s is refused", good[i]);
    CHECK(is_global("8.8.4.4"));
}

TEST(addresses_behind_a_wall_are_not_global)
{
    static const char *const bad[] = {
        "0.0.0.0", "0.1.2.3", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255",
        "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255", "172.16.0.0",
        "172.31.255.255", "192.0.0.0", "192.0.0.170", "192.0.2.0", "192.0.2.255", "192.88.99.1", "192.168.0.0",
        "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0",
        "203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255", "::", "::1", "::8.8.8.8",
        "::ffff:0.0.0.0", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:0:0:0:1:808:808", "64:ff9b:1::808:808", "100::", "100::1",
        "1fff::1", "2001::", "2001::1", "2001:0:808:808::", "2001:1::1", "2001:2::", "2001:10::", "2001:20::",
        "2001:1ff:ffff::", "2001:db8::", "2001:db8:ffff::1", "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::",
        "3fff::", "3fff:fff::1", "4000::", "5f00::1", "fc00::", "fd00::1", "fdff::", "fe80::", "fe80::1", "febf::1",
        "fec0::1", "feff::1", "ff00::", "ff02::1", "ffff::",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (is_global(bad[i]))
            kt_test_fail("%s is let through", bad[i]);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    CHECK(!kt_address_is_global((struct sockaddr *)&un));
}
