/* SPDX-License-Identifier: MIT */

/* Text from anywhere, made fit for a terminal or for JSON (RFC 8259). Async-signal-safe. */

#include "io/log_private.h"

void kt__log_add(kt__log_out *o, const char *bytes, size_t size)
{
    if (size > o->capacity - o->size)
        size = o->capacity - o->size;
    memcpy(o->bytes + o->size, bytes, size);
    o->size += size;
}

void kt__log_add_string(kt__log_out *o, const char *string)
{
    kt__log_add(o, string, strlen(string));
}

void kt__log_add_number(kt__log_out *o, int64_t n, int digits_min)
{
    char digits[24];
    size_t i = sizeof digits;
    uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;
    do {
        digits[--i] = (char)('0' + rest % 10);
        rest /= 10;
        digits_min--;
    } while (rest || digits_min > 0);
    if (n < 0)
        digits[--i] = '-';
    kt__log_add(o, digits + i, sizeof digits - i);
}

static void add_hex(kt__log_out *o, const char *prefix, unsigned n, int digits)
{
    kt__log_add_string(o, prefix);
    while (digits-- > 0)
        kt__log_add(o, &"0123456789abcdef"[n >> (4 * digits) & 15], 1);
}

/* The code point at the start of `bytes`, which is not empty, and its size; -1 and 1 where there is no UTF-8 (RFC
 * 3629: nothing overlong, no surrogates). */
static int32_t decode(const char *bytes, size_t size, size_t *ret_size)
{
    const unsigned char *b = (const unsigned char *)bytes;
    *ret_size = 1;
    if (b[0] < 0x80)
        return b[0];
    size_t length = b[0] >= 0xF0 ? 4 : b[0] >= 0xE0 ? 3 : 2;
    if (b[0] < 0xC2 || b[0] > 0xF4 || length > size)
        return -1;
    int32_t point = b[0] & (0x7F >> length);
    for (size_t i = 1; i < length; i++) {
        if ((b[i] & 0xC0) != 0x80)
            return -1;
        point = point << 6 | (b[i] & 0x3F);
    }
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return -1;
    *ret_size = length;
    return point;
}

/* Marks that turn the direction of what is around them: with these a stranger's text could pose as ours. */
static bool turns_text(int32_t point)
{
    return (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

void kt__log_add_safe(kt__log_out *o, const char *bytes, size_t size, bool lines)
{
    for (size_t length; size > 0; bytes += length, size -= length) {
        int32_t point = decode(bytes, size, &length);
        if (point == '\n' && lines)
            kt__log_add_string(o, "\n    ");
        else if (point == '\t' && lines)
            kt__log_add(o, "\t", 1);
        else if (point == '\n')
            kt__log_add_string(o, "\\n");
        else if (point < 0 || turns_text(point))
            kt__log_add_string(o, REPLACEMENT);
        else if (point < 0x20 || (point >= 0x7F && point < 0xA0))
            add_hex(o, "\\x", (unsigned)point, 2);
        else
            kt__log_add(o, bytes, length);
    }
}

void kt__log_add_json(kt__log_out *o, const char *bytes, size_t size)
{
    kt__log_add(o, "\"", 1);
    for (size_t length; size > 0; bytes += length, size -= length) {
        int32_t point = decode(bytes, size, &length);
        if (point == '"' || point == '\\') {
            kt__log_add(o, "\\", 1);
            kt__log_add(o, bytes, 1);
        } else if (point == '\n') {
            kt__log_add_string(o, "\\n");
        } else if (point == '\t') {
            kt__log_add_string(o, "\\t");
        } else if (point < 0) {
            kt__log_add_string(o, REPLACEMENT);
        } else if (point < 0x20 || (point >= 0x7F && point < 0xA0)) {
            add_hex(o, "\\u", (unsigned)point, 4);
        } else {
            kt__log_add(o, bytes, length);
        }
    }
    kt__log_add(o, "\"", 1);
}
