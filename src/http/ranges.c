/* SPDX-License-Identifier: MIT */
/* Parts of a thing (RFC 9110 section 14). */
#include <errno.h>

#include "http/files.h"
#include "http/parser_internal.h"

/* Reads digits off the front; -1 without any. A number too large for a file is as good as the largest. */
static int64_t take_number(kt_slice *s)
{
    int64_t n = 0;
    size_t i = 0;
    for (; i < s->size && kt__is(s->data[i], KT__C_DIGIT); i++)
        n = n > (INT64_MAX - 9) / 10 ? INT64_MAX : n * 10 + (s->data[i] - '0');
    *s = (kt_slice){s->data + i, s->size - i};
    return i == 0 ? -1 : n;
}

/* One of a list: 1, 0 where the thing is too short for it, -EINVAL. */
static int parse_one(kt_slice s, int64_t size, kt__range *r)
{
    int64_t first = take_number(&s);
    if (s.size == 0 || s.data[0] != '-')
        return -EINVAL;
    s = (kt_slice){s.data + 1, s.size - 1};
    int64_t last = take_number(&s);
    if (s.size > 0 || (first < 0 && last < 0) || (first >= 0 && last >= 0 && last < first))
        return -EINVAL;
    if (first < 0) { /* the last bytes */
#ifdef KT_FUZZ_PLANTED_BUG /* more of the last bytes than there are */
        first = size - last;
#else
        first = last < size ? size - last : 0;
#endif
        if (last == 0)
            return 0;
        last = size - 1;
    }
    if (first >= size)
        return 0;
    if (last < 0 || last >= size)
        last = size - 1;
    *r = (kt__range){first, last - first + 1};
    return 1;
}

static int count_overlaps(const kt__range *r, int count)
{
    int n = 0;
    for (int i = 1; i < count; i++)
        for (int j = 0; j < i; j++)
            n += r[i].first < r[j].first + r[j].size && r[j].first < r[i].first + r[i].size;
    return n;
}

int kt__ranges_parse(kt_slice value, int64_t size, unsigned max, kt__range ranges[KT__RANGES_MAX])
{
    static const char unit[] = "bytes=";
    kt_slice element;
    int count = 0;
    unsigned told = 0;
    if (value.size < sizeof unit - 1 || !kt__http_same(value.data, sizeof unit - 1, unit))
        return -EINVAL;
    kt_slice rest = {value.data + sizeof unit - 1, value.size - (sizeof unit - 1)};
    while (kt__http_list_next(&rest, &element)) {
        if (++told > max || told > KT__RANGES_MAX)
            return -EINVAL;
        int rc = parse_one(element, size, &ranges[count]);
        if (rc < 0)
            return rc;
        count += rc;
    }
    if (told == 0 || count_overlaps(ranges, count) > 2)
        return -EINVAL;
    return count;
}
