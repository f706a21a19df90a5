/* SPDX-License-Identifier: MIT */
/* URLs under libFuzzer. The oracles: what comes out is canonical (parsed again, it is the same text with the same
 * parts), its parts lie in it in their order, it stands for itself as a reference to any base, and no byte of it is a
 * space, a control byte or above 0x7e.
 *
 * Input: a base, a line end, and the reference; without a line end there is no base. */
#include <kettle/url.h>

#include "words.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const kt_url *u)
{
    fprintf(stderr, "whole: %s: '%s'\n", what, u->text.data);
    abort();
}

static bool same_part(const kt_url *a, kt_slice x, const kt_url *b, kt_slice y)
{
    if (!x.data || !y.data)
        return x.data == y.data;
    return kt_slice_equal(x, y) && x.data - a->text.data == y.data - b->text.data;
}

static void check_same(const kt_url *a, const kt_url *b)
{
    if (!kt_slice_equal(a->text, b->text))
        fail("not canonical", a);
    if (a->port != b->port || !same_part(a, a->scheme, b, b->scheme) || !same_part(a, a->user, b, b->user) ||
        !same_part(a, a->password, b, b->password) || !same_part(a, a->host, b, b->host) ||
        !same_part(a, a->authority, b, b->authority) || !same_part(a, a->path, b, b->path) ||
        !same_part(a, a->query, b, b->query) || !same_part(a, a->fragment, b, b->fragment) ||
        !same_part(a, a->target, b, b->target))
        fail("other parts", a);
}

static void check(const kt_url *u, const kt_url *base)
{
    kt_auto(kt_url) again = KT_URL_INIT, joined = KT_URL_INIT, copy = KT_URL_INIT;
    for (size_t i = 0; i < u->text.size; i++)
        if ((unsigned char)u->text.data[i] <= ' ' || (unsigned char)u->text.data[i] > '~')
            fail("a raw byte", u);
    if (u->text.data[u->text.size] != '\0' || u->host.size == 0 || u->path.size == 0 || u->path.data[0] != '/')
        fail("a part is missing", u);
    if (kt_url_parse_slice(u->text, NULL, &again) < 0 || kt_url_parse_slice(u->text, base, &joined) < 0 ||
        kt_url_copy(u, &copy) < 0)
        fail("refused", u);
    check_same(u, &again);
    check_same(u, &joined);
    check_same(u, &copy);
}

static void check_query(kt_slice query)
{
    kt_auto(kt_buffer) name = KT_BUFFER_INIT, value = KT_BUFFER_INIT;
    size_t before = query.size;
    while (kt_query_next(&query, &name, &value) == 1) {
        if (query.size >= before || name.size + value.size > before - query.size)
            abort();
        before = query.size;
    }
    if (query.size != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kt_auto(kt_url) base = KT_URL_INIT, url = KT_URL_INIT;
    char *bytes = malloc(size + 1); /* exactly, so that one read outside is seen */
    if (!bytes)
        abort();
    memcpy(bytes, data, size);
    char *end = memchr(bytes, '\n', size);
    size_t used = end ? (size_t)(end - bytes) + 1 : 0;
    const kt_url *upon = NULL;
    if (end && kt_url_parse_slice((kt_slice){bytes, used - 1}, NULL, &base) == 0)
        upon = &base;
    if (kt_url_parse_slice((kt_slice){bytes + used, size - used}, upon, &url) == 0) {
        check(&url, upon);
        check_query(url.query);
    }
    free(bytes);
    return 0;
}
