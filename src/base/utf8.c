/* SPDX-License-Identifier: MIT */
#include <kettle/utf8.h>

#define NOT_ASCII UINT64_C(0x8080808080808080)

static size_t skip_ascii(const unsigned char *bytes, size_t at, size_t size)
{
    for (uint64_t word; at + sizeof word <= size; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        if (word & NOT_ASCII)
            break;
    }
    while (at < size && bytes[at] < 0x80)
        at++;
    return at;
}

/* The bytes of the sequence at `s`, of which there are `left`; 0: it is none. The second byte's bounds are those of RFC
 * 3629's grammar, which leave out what is overlong, a surrogate, or too large. */
static size_t sequence(const unsigned char *s, size_t left)
{
    size_t size = s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    if (size == 0 || size > left)
        return 0;
    unsigned char low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if (s[i] < 0x80 || s[i] > 0xBF)
            return 0;
    return size;
}

size_t kt_utf8_check(kt_slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t at = 0, size;
    while ((at = skip_ascii(bytes, at, text.size)) < text.size) {
        size = sequence(bytes + at, text.size - at);
        if (size == 0)
            break;
        at += size;
    }
    return at;
}
