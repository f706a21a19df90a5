/* SPDX-License-Identifier: MIT */
/* Percent-encoding, and queries made of names and values. */
#include "http/url_private.h"

#include "http/parser_internal.h"

#define ALL (KT__U_COMPONENT | KT__U_PATH | KT__U_QUERY | KT__U_FRAGMENT | KT__U_USER | KT__U_FORM)
#define STRICT (KT__U_COMPONENT | KT__U_FORM)

/* WHATWG URL section 1.3: each set holds the ones before it; here every byte names all its sets. */
const uint8_t kt__url_class[256] = {
    [0x00 ... 0x1f] = ALL | KT__U_NO_HOST,
    [' '] = ALL | KT__U_NO_HOST,
    ['!'] = STRICT,
    ['"'] = ALL,
    ['#'] = STRICT | KT__U_QUERY | KT__U_PATH | KT__U_USER | KT__U_NO_HOST,
    ['$'] = STRICT,
    ['%'] = STRICT | KT__U_NO_HOST,
    ['&'] = STRICT,
    ['\''] = STRICT | KT__U_QUERY, /* of http and its kin only */
    ['('] = STRICT,
    [')'] = STRICT,
    ['*'] = KT__U_COMPONENT,
    ['+'] = STRICT,
    [','] = STRICT,
    ['/'] = STRICT | KT__U_USER | KT__U_NO_HOST,
    [':'] = STRICT | KT__U_USER | KT__U_NO_HOST,
    [';'] = STRICT | KT__U_USER,
    ['<'] = ALL | KT__U_NO_HOST,
    ['='] = STRICT | KT__U_USER,
    ['>'] = ALL | KT__U_NO_HOST,
    ['?'] = STRICT | KT__U_PATH | KT__U_USER | KT__U_NO_HOST,
    ['@'] = STRICT | KT__U_USER | KT__U_NO_HOST,
    ['['] = STRICT | KT__U_USER | KT__U_NO_HOST,
    ['\\'] = STRICT | KT__U_USER | KT__U_NO_HOST,
    [']'] = STRICT | KT__U_USER | KT__U_NO_HOST,
    ['^'] = STRICT | KT__U_PATH | KT__U_USER | KT__U_NO_HOST,
    ['`'] = STRICT | KT__U_FRAGMENT | KT__U_PATH | KT__U_USER,
    ['{'] = STRICT | KT__U_PATH | KT__U_USER,
    ['|'] = STRICT | KT__U_USER | KT__U_NO_HOST,
    ['}'] = STRICT | KT__U_PATH | KT__U_USER,
    ['~'] = KT__U_FORM,
    [0x7f] = ALL | KT__U_NO_HOST,
    [0x80 ... 0xff] = ALL,
};

int kt__url_encode(kt_slice bytes, unsigned classes, kt_buffer *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t size = bytes.size;
    for (size_t i = 0; i < bytes.size; i++)
        size += kt__url_is(bytes.data[i], classes) ? 2 : 0;
    int rc = kt_buffer_reserve(out, size);
    if (rc < 0 || size == 0)
        return rc;
    char *to = out->data + out->size;
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (!kt__url_is((char)c, classes)) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    out->size += size;
    return 0;
}

int kt_percent_encode(kt_slice bytes, kt_percent_set set, kt_buffer *out)
{
    static const uint8_t classes[] = {
        [KT_PERCENT_COMPONENT] = KT__U_COMPONENT, [KT_PERCENT_PATH] = KT__U_PATH,
        [KT_PERCENT_QUERY] = KT__U_QUERY,         [KT_PERCENT_FRAGMENT] = KT__U_FRAGMENT,
        [KT_PERCENT_USER] = KT__U_USER,           [KT_PERCENT_FORM] = KT__U_FORM,
    };
    size_t from = out->size;
    int rc = kt__url_encode(bytes, classes[set], out);
    if (rc < 0 || set != KT_PERCENT_FORM)
        return rc;
    /* No byte of the input gives "%20" but a space. */
    size_t to = from;
    for (size_t i = from; i < out->size; i++, to++) {
        bool space = out->data[i] == '%' && memcmp(out->data + i, "%20", 3) == 0;
        out->data[to] = space ? '+' : out->data[i];
        i += space ? 2 : 0;
    }
    out->size = to;
    return 0;
}

/* Appends what a text stands for; with `plus`, '+' stands for a space. */
static int decode(kt_slice text, bool plus, kt_buffer *out)
{
    int rc = kt_buffer_reserve(out, text.size);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '+' && plus)
            c = ' ';
        if (c == '%' && text.size - i > 2 && kt__is(text.data[i + 1], KT__C_HEX) &&
            kt__is(text.data[i + 2], KT__C_HEX)) {
            c = (char)(kt__hex_value(text.data[i + 1]) << 4 | kt__hex_value(text.data[i + 2]));
            i += 2;
        }
        out->data[out->size++] = c;
    }
    return 0;
}

int kt_percent_decode(kt_slice text, kt_buffer *out)
{
    return decode(text, false, out);
}

/* ---- Queries --------------------------------------------------------------------------------- */

int kt_query_add(kt_buffer *query, const char *name, const char *value)
{
    size_t before = query->size;
    bool first = before == 0 || query->data[before - 1] == '?';
    int rc = first ? 0 : kt_buffer_append(query, "&", 1);
    if (rc == 0)
        rc = kt_percent_encode(kt_slice_from(name), KT_PERCENT_FORM, query);
    if (rc == 0)
        rc = kt_buffer_append(query, "=", 1);
    if (rc == 0)
        rc = kt_percent_encode(kt_slice_from(value), KT_PERCENT_FORM, query);
    if (rc < 0)
        query->size = before;
    return rc;
}

/* Cuts what stands before `mark` off the front of *rest, and the mark; all of it where there is none. */
static kt_slice cut(kt_slice *rest, char mark)
{
    const char *at = rest->size ? memchr(rest->data, mark, rest->size) : NULL;
    kt_slice front = {rest->data, at ? (size_t)(at - rest->data) : rest->size};
    size_t used = front.size + (at != NULL);
    *rest = used ? (kt_slice){rest->data + used, rest->size - used} : *rest;
    return front;
}

int kt_query_next(kt_slice *query, kt_buffer *name, kt_buffer *value)
{
    kt_slice rest = *query, pair = {NULL, 0};
    while (rest.size > 0 && pair.size == 0)
        pair = cut(&rest, '&');
    if (pair.size == 0) {
        *query = rest;
        return 0;
    }
    kt_slice left = cut(&pair, '=');
    kt_buffer_clear(name);
    kt_buffer_clear(value);
    int rc = decode(left, true, name);
    if (rc == 0)
        rc = decode(pair, true, value);
    if (rc < 0)
        return rc;
    *query = rest;
    return 1;
}
