/* SPDX-License-Identifier: MIT */
#include "parser_internal.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* In tokens and in every part of a URI. */
#define KT__COMMON (KT__C_TOKEN | KT__C_VALUE | KT__C_PATH | KT__C_QUERY | KT__C_REGNAME)
#define KT__ALNUM (KT__COMMON | KT__C_SCHEME)
/* In every part of a URI, but not in tokens. */
#define KT__URI (KT__C_VALUE | KT__C_PATH | KT__C_QUERY | KT__C_REGNAME)
#define KT__PATH (KT__C_VALUE | KT__C_PATH | KT__C_QUERY)

/* A query may also hold [ ] { } | ^ ` and backslash, which RFC 3986 wants encoded: browsers send
 * them raw (WHATWG URL, "query percent-encode set"), and no reader can take one for a delimiter of
 * the request line. "?ids[]=1" would fail otherwise. */
const uint8_t kt__http_class[256] = {
    ['\t'] = KT__C_VALUE,
    [' '] = KT__C_VALUE,
    ['!'] = KT__COMMON,
    ['"'] = KT__C_VALUE,
    ['#'] = KT__C_TOKEN | KT__C_VALUE,
    ['$'] = KT__COMMON,
    ['%'] = KT__COMMON,
    ['&'] = KT__COMMON,
    ['\''] = KT__COMMON,
    ['('] = KT__URI,
    [')'] = KT__URI,
    ['*'] = KT__COMMON,
    ['+'] = KT__COMMON | KT__C_SCHEME,
    [','] = KT__URI,
    ['-'] = KT__COMMON | KT__C_SCHEME,
    ['.'] = KT__COMMON | KT__C_SCHEME,
    ['/'] = KT__PATH,
    ['0' ... '9'] = KT__ALNUM | KT__C_HEX | KT__C_DIGIT,
    [':'] = KT__PATH,
    [';'] = KT__URI,
    ['<'] = KT__C_VALUE,
    ['='] = KT__URI,
    ['>'] = KT__C_VALUE,
    ['?'] = KT__C_VALUE | KT__C_QUERY,
    ['@'] = KT__PATH,
    ['A' ... 'F'] = KT__ALNUM | KT__C_HEX,
    ['G' ... 'Z'] = KT__ALNUM,
    ['['] = KT__C_VALUE | KT__C_QUERY,
    ['\\'] = KT__C_VALUE | KT__C_QUERY,
    [']'] = KT__C_VALUE | KT__C_QUERY,
    ['^'] = KT__C_TOKEN | KT__C_VALUE | KT__C_QUERY,
    ['_'] = KT__COMMON,
    ['`'] = KT__C_TOKEN | KT__C_VALUE | KT__C_QUERY,
    ['a' ... 'f'] = KT__ALNUM | KT__C_HEX,
    ['g' ... 'z'] = KT__ALNUM,
    ['{'] = KT__C_VALUE | KT__C_QUERY,
    ['|'] = KT__C_TOKEN | KT__C_VALUE | KT__C_QUERY,
    ['}'] = KT__C_VALUE | KT__C_QUERY,
    ['~'] = KT__COMMON,
    [0x80 ... 0xff] = KT__C_VALUE,
};

uint32_t kt__http_run(const char *data, uint32_t at, uint32_t end, unsigned classes)
{
    while (at < end && kt__is(data[at], classes))
        at++;
    return at;
}

uint32_t kt__http_run_value(const char *data, uint32_t at, uint32_t end)
{
#ifdef __SSE2__
    const __m128i space = _mm_set1_epi8(' ');
    const __m128i tab = _mm_set1_epi8('\t');
    const __m128i del = _mm_set1_epi8(0x7f);
    while (end - at >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(data + at));
        __m128i printable = _mm_cmpeq_epi8(_mm_max_epu8(v, space), v);
        __m128i good = _mm_andnot_si128(_mm_cmpeq_epi8(v, del),
                                        _mm_or_si128(printable, _mm_cmpeq_epi8(v, tab)));
        unsigned bad = 0xffffu ^ (unsigned)_mm_movemask_epi8(good);
        if (bad != 0)
            return at + (uint32_t)__builtin_ctz(bad);
        at += 16;
    }
#endif
    return kt__http_run(data, at, end, KT__C_VALUE);
}

bool kt__http_same(const char *data, size_t size, const char *lower)
{
    for (size_t i = 0; i < size; i++) {
        char c = data[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        if (lower[i] == '\0' || c != lower[i])
            return false;
    }
    return lower[size] == '\0';
}

kt_slice kt__http_trim(kt_slice s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.size--;
    }
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
        s.size--;
    return s;
}

bool kt__http_list_next(kt_slice *rest, kt_slice *ret_element)
{
    while (rest->size > 0) {
        const char *comma = memchr(rest->data, ',', rest->size);
        size_t size = comma ? (size_t)(comma - rest->data) : rest->size;
        kt_slice element = kt__http_trim((kt_slice){rest->data, size});
        size_t used = comma ? size + 1 : size;
        rest->data += used;
        rest->size -= used;
        if (element.size > 0) {
            *ret_element = element;
            return true;
        }
    }
    return false;
}

static bool same_any_case(kt_slice s, const char *name, size_t size)
{
    if (s.size != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        unsigned char a = (unsigned char)s.data[i];
        unsigned char b = (unsigned char)name[i];
        unsigned char differ = a ^ b;
        if (differ != 0 && (differ != 0x20 || (a | 0x20) < 'a' || (a | 0x20) > 'z'))
            return false;
    }
    return true;
}

const kt__http_header *kt__http_header_find(const kt__http_header *headers, size_t count,
                                            const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < count; i++) {
        if (same_any_case(headers[i].name, name, size))
            return &headers[i];
    }
    return NULL;
}

bool kt__http_list_has(kt_slice value, const char *token)
{
    size_t size = strlen(token);
    kt_slice element;
    while (kt__http_list_next(&value, &element)) {
        if (same_any_case(element, token, size))
            return true;
    }
    return false;
}

bool kt__http_headers_have(const kt__http_header *headers, size_t count, const char *name, const char *token)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < count; i++) {
        if (same_any_case(headers[i].name, name, size) && kt__http_list_has(headers[i].value, token))
            return true;
    }
    return false;
}
