/* SPDX-License-Identifier: MIT */
/* Which content coding a client takes (RFC 9110 sections 12.4.2 and 12.5.3). */
#include "http/files.h"
#include "http/parser_internal.h"

/* A weight in thousandths: "1", "0.5", "0.333"; -1 for what is none. */
static int weight_of(kt_slice s)
{
    if (s.size == 0 || s.size > 5 || (s.data[0] != '0' && s.data[0] != '1'))
        return -1;
    int w = (s.data[0] - '0') * 1000, unit = 100;
    if (s.size > 1 && s.data[1] != '.')
        return -1;
    for (size_t i = 2; i < s.size; i++, unit /= 10) {
        if (!kt__is(s.data[i], KT__C_DIGIT))
            return -1;
        w += (s.data[i] - '0') * unit;
    }
    return w > 1000 ? -1 : w;
}

static kt_slice trim(kt_slice s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = (kt_slice){s.data + 1, s.size - 1};
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
        s.size--;
    return s;
}

/* Cuts "gzip;q=0.5" in two. A weight that is malformed counts as none wanted. */
static kt_slice split(kt_slice element, int *ret_weight)
{
    const char *semicolon = memchr(element.data, ';', element.size);
    *ret_weight = 1000;
    if (!semicolon)
        return element;
    size_t name_size = (size_t)(semicolon - element.data);
    kt_slice q = trim((kt_slice){semicolon + 1, element.size - name_size - 1});
    bool is_weight = q.size > 2 && (q.data[0] | 0x20) == 'q' && q.data[1] == '=';
    *ret_weight = is_weight ? weight_of((kt_slice){q.data + 2, q.size - 2}) : -1;
    if (*ret_weight < 0)
        *ret_weight = 0;
    return trim((kt_slice){element.data, name_size});
}

int kt__accept_quality(const kt_http_exchange *x, const char *coding)
{
    kt_slice name, value, element;
    int named = -1, star = -1, weight;
    for (size_t i = 0; kt_http_request_header_at(x, i, &name, &value); i++) {
        if (!kt__http_same(name.data, name.size, "accept-encoding"))
            continue;
        while (kt__http_list_next(&value, &element)) {
            kt_slice token = split(element, &weight);
            if (kt_slice_is(token, "*"))
                star = weight;
            else if (kt__http_same(token.data, token.size, coding) ||
                     (strcmp(coding, "gzip") == 0 && kt__http_same(token.data, token.size, "x-gzip")))
                named = weight;
        }
    }
    if (named >= 0)
        return named;
    if (star >= 0)
        return star;
    return strcmp(coding, "identity") == 0;
}
