/* SPDX-License-Identifier: MIT */
#include <kettle/test.h>
#include <kettle/utf8.h>

static size_t check(const char *bytes, size_t size)
{
    return kt_utf8_check((kt_slice){bytes, size});
}

/* RFC 3629, section 3, the table: the one way to write a code point. */
static size_t encode(unsigned point, unsigned char *bytes)
{
    if (point < 0x80) {
        bytes[0] = (unsigned char)point;
        return 1;
    }
    size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; point >>= 6)
        bytes[i] = (unsigned char)(0x80 | (point & 0x3F));
    bytes[0] = (unsigned char)((0xF00 >> size & 0xFF & ~(0x80u >> size)) | point);
    return size;
}

TEST_WITH(every_code_point_is_one_sequence_but_surrogates, KT_TEST_NO_LOOP)
{
    for (unsigned point = 0; point < 0x110000; point++) {
        unsigned char bytes[4];
        size_t size = encode(point, bytes);
        bool surrogate = point >= 0xD800 && point < 0xE000;
        if (check((char *)bytes, size) != (surrogate ? 0 : size))
            kt_test_fail("U+%04X", point);
        if (size > 1 && check((char *)bytes, size - 1) != 0)
            kt_test_fail("U+%04X, cut off", point);
    }
    CHECK(true);
}

/* There are as many sequences of each length as there are code points. */
TEST_WITH(nothing_else_is_a_sequence, KT_TEST_NO_LOOP)
{
    unsigned found[4] = {0};
    for (unsigned first = 0x80; first < 0x100; first++)
        for (unsigned rest = 0; rest < 0x1000000; rest += first < 0xE0 ? 0x10000 : first < 0xF0 ? 0x100 : 1) {
            const char bytes[] = {(char)first, (char)(rest >> 16), (char)(rest >> 8), (char)rest};
            size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
            if (size == 4 && (rest & 0xC00000) != 0x800000) {
                rest |= 0x3FFFFF; /* not a second byte: none of these */
                CHECK_EQ(check(bytes, size), 0);
                continue;
            }
            found[size - 1] += check(bytes, size) == size;
        }
    CHECK_EQ(found[1], 0x800 - 0x80);
    CHECK_EQ(found[2], 0x10000 - 0x800 - 0x800);
    CHECK_EQ(found[3], 0x110000 - 0x10000);
}

TEST_WITH(the_first_bad_byte_is_found_at_every_place, KT_TEST_NO_LOOP)
{
    char text[40];
    for (size_t size = 0; size <= sizeof text; size++)
        for (size_t bad = 0; bad <= size; bad++) {
            memset(text, 'x', sizeof text);
            if (bad + 3 <= size)
                memcpy(text + size - 3, "\xe2\x82\xac", 3);
            if (bad < size)
                text[bad] = '\xff';
            CHECK_EQ(check(text, size), bad);
        }
    CHECK_EQ(kt_utf8_check((kt_slice){NULL, 0}), 0);
}
