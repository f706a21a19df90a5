/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/url.h>
#include <netinet/in.h>

static int parses(void *arg)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    int rc = SWEPT(kt_url_parse, ("x\t?y", arg, &url));
    CHECK_STR(url.text.data, rc < 0 ? NULL : "http://u@h/a/x?y");
    return rc;
}

SWEEP(kt_url_parse, ALLOCATES | NO_LOOP)
{
    kt_auto(kt_url) base = KT_URL_INIT;
    sure(kt_url_parse("http://u@h/a/b", NULL, &base));
    (void)sweep_subject(parses, &base);
}

static int parses_slice(void *arg)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    int rc = SWEPT(kt_url_parse_slice, (kt_slice_from(arg), NULL, &url));
    CHECK_STR(url.text.data, rc < 0 ? NULL : "http://xn--bcher-kva.example/");
    return rc;
}

SWEEP(kt_url_parse_slice, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(parses_slice, "http://b\xc3\xbc" "cher.example/");
}

SWEEP_AS(kt_url_parse_slice, address, ALLOCATES | NO_LOOP)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    sure(kt_url_parse("http://1/", NULL, &url));
    CHECK_STR(url.text.data, "http://0.0.0.1/");
    (void)sweep_subject(parses_slice, "HTTP://XN--BCHER-KVA.example");
}

static int copies(void *arg)
{
    kt_auto(kt_url) copy = KT_URL_INIT;
    int rc = SWEPT(kt_url_copy, (arg, &copy));
    CHECK_STR(copy.text.data, rc < 0 ? NULL : "http://h/");
    return rc;
}

SWEEP(kt_url_copy, ALLOCATES | NO_LOOP)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    sure(kt_url_parse("http://h", NULL, &url));
    (void)sweep_subject(copies, &url);
}

SWEEP(kt_url_release, PLAIN | NO_LOOP)
{
    kt_url url = KT_URL_INIT;
    sure(kt_url_parse("http://h", NULL, &url));
    SWEPT(kt_url_release, (&url));
    SWEPT(kt_url_release, (&url));
    CHECK(url.text.data == NULL);
}

SWEEP(kt_url_same_origin, PLAIN | NO_LOOP)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    sure(kt_url_parse("http://h", NULL, &url));
    CHECK(SWEPT(kt_url_same_origin, (&url, &url)));
}

static int encodes(void *arg)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = SWEPT(kt_percent_encode, (kt_slice_from(arg), KT_PERCENT_FORM, &out));
    CHECK_EQ(out.size, rc < 0 ? 0 : 5);
    return rc;
}

SWEEP(kt_percent_encode, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(encodes, "a /");
}

static int decodes(void *arg)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = SWEPT(kt_percent_decode, (kt_slice_from(arg), &out));
    CHECK_EQ(out.size, rc < 0 ? 0 : 2);
    return rc;
}

SWEEP(kt_percent_decode, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(decodes, "a%2f");
}

static int adds(void *arg)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = SWEPT(kt_query_add, (&out, "name", arg));
    CHECK_EQ(out.size, rc < 0 ? 0 : 405);
    return rc;
}

SWEEP(kt_query_add, ALLOCATES | NO_LOOP)
{
    char value[401];
    memset(value, 'v', 400);
    value[400] = '\0';
    (void)sweep_subject(adds, value);
}

static int reads(void *arg)
{
    kt_auto(kt_buffer) name = KT_BUFFER_INIT, value = KT_BUFFER_INIT;
    kt_slice rest = kt_slice_from(arg);
    int rc = SWEPT(kt_query_next, (&rest, &name, &value));
    CHECK_SLICE(rest, rc < 0 ? "a=b&c" : "c");
    return rc;
}

SWEEP(kt_query_next, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(reads, "a=b&c");
}

SWEEP(kt_address_is_global, PLAIN | NO_LOOP)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    CHECK(!SWEPT(kt_address_is_global, ((struct sockaddr *)&in)));
}
