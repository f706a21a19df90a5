/* SPDX-License-Identifier: MIT */
/* Compressed content in pieces, there and back, and what is not compressed content. */
#include "http/coding.h"

#include <errno.h>
#include <kettle/test.h>

#define TEXT_BYTES ((size_t)200 * 1000)

static char text[TEXT_BYTES];

/* Words, so that there is something to compress, and something that cannot be. */
static void make_text(void)
{
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        text[i] = i % 50 < 40 ? "kettle boils "[i % 13] : (char)x;
    }
}

static const kt__coding codings[] = {KT__CODING_GZIP, KT__CODING_DEFLATE, KT__CODING_BROTLI};

static void encode_all(kt__coding coding, size_t size, kt_buffer *out)
{
    kt__encoder *e = NULL;
    CHECK_OK(kt__encoder_new(coding, 0, 0, &e));
    for (size_t at = 0; at < size; at += 7001) {
        kt_slice piece = {text + at, size - at < 7001 ? size - at : 7001};
        CHECK_OK(kt__encode(e, piece, KT__FLUSH_NONE, out));
    }
    CHECK_OK(kt__encode(e, (kt_slice){NULL, 0}, KT__FLUSH_END, out));
    kt__encoder_free(e);
}

/* Feeds pieces of `step` bytes; 0 at the end, or the error. */
static int decode_all(kt__decoder *d, kt_slice coded, size_t step, kt_buffer *out)
{
    char bytes[999];
    ssize_t n = 0;
    while (coded.size > 0) {
        kt_slice piece = {coded.data, coded.size < step ? coded.size : step};
        size_t size = piece.size;
        while ((n = kt__decode(d, &piece, bytes, sizeof bytes)) > 0)
            CHECK_OK(kt_buffer_append(out, bytes, (size_t)n));
        if (n < 0)
            return (int)n;
        coded.data += size - piece.size;
        coded.size -= size - piece.size;
        if (piece.size > 0)
            continue;
    }
    return 0;
}

TEST(what_is_encoded_in_pieces_is_decoded_in_any_others)
{
    static const size_t steps[] = {1, 2, 100, 1000 * 1000};
    make_text();
    for (size_t c = 0; c < sizeof codings / sizeof codings[0]; c++) {
        kt_auto(kt_buffer) coded = KT_BUFFER_INIT;
        encode_all(codings[c], TEXT_BYTES, &coded);
        CHECK_LT(coded.size, TEXT_BYTES / 2);
        for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
            kt_auto(kt_buffer) back = KT_BUFFER_INIT;
            kt__decoder *d = NULL;
            CHECK_OK(kt__decoder_new(codings[c], NULL, &d));
            CHECK_OK(decode_all(d, kt_buffer_slice(&coded), steps[s], &back));
            CHECK(kt__decoder_ended(d));
            CHECK(kt_slice_equal(kt_buffer_slice(&back), (kt_slice){text, TEXT_BYTES}));
            kt__decoder_free(d);
        }
    }
}

TEST(content_of_no_bytes_is_content)
{
    for (size_t c = 0; c < sizeof codings / sizeof codings[0]; c++) {
        kt_auto(kt_buffer) coded = KT_BUFFER_INIT, back = KT_BUFFER_INIT;
        kt__decoder *d = NULL;
        encode_all(codings[c], 0, &coded);
        CHECK_OK(kt__decoder_new(codings[c], NULL, &d));
        CHECK_OK(decode_all(d, kt_buffer_slice(&coded), 1, &back));
        CHECK(kt__decoder_ended(d));
        CHECK_EQ(back.size, 0);
        kt__decoder_free(d);
    }
}

TEST(content_that_is_cut_off_has_not_ended)
{
    make_text();
    for (size_t c = 0; c < sizeof codings / sizeof codings[0]; c++) {
        kt_auto(kt_buffer) coded = KT_BUFFER_INIT, back = KT_BUFFER_INIT;
        kt__decoder *d = NULL;
        encode_all(codings[c], 5000, &coded);
        CHECK_OK(kt__decoder_new(codings[c], NULL, &d));
        CHECK_OK(decode_all(d, (kt_slice){coded.data, coded.size - 1}, 64, &back));
        CHECK(!kt__decoder_ended(d));
        kt__decoder_free(d);
    }
}

TEST(what_is_not_compressed_or_goes_on_is_refused)
{
    make_text();
    for (size_t c = 0; c < sizeof codings / sizeof codings[0]; c++) {
        kt_auto(kt_buffer) coded = KT_BUFFER_INIT, back = KT_BUFFER_INIT;
        kt__decoder *d = NULL;
        CHECK_OK(kt__decoder_new(codings[c], NULL, &d));
        CHECK_ERR(decode_all(d, kt_slice_from("\xff<html>this is none</html>"), 64, &back), KT_EPROTOCOL);
        kt__decoder_free(d);
        encode_all(codings[c], 100, &coded);
        CHECK_OK(kt_buffer_append(&coded, "\xffmore", 5));
        CHECK_OK(kt__decoder_new(codings[c], NULL, &d));
        CHECK_ERR(decode_all(d, kt_buffer_slice(&coded), 1, &back), KT_EPROTOCOL);
        kt__decoder_free(d);
    }
}

TEST(members_of_gzip_in_a_row_are_one_content)
{
    kt_auto(kt_buffer) coded = KT_BUFFER_INIT, back = KT_BUFFER_INIT;
    kt__decoder *d = NULL;
    make_text();
    encode_all(KT__CODING_GZIP, 3000, &coded);
    encode_all(KT__CODING_GZIP, 2000, &coded);
    CHECK_OK(kt__decoder_new(KT__CODING_GZIP, NULL, &d));
    CHECK_OK(decode_all(d, kt_buffer_slice(&coded), 3, &back));
    CHECK(kt__decoder_ended(d));
    CHECK_EQ(back.size, 5000);
    CHECK_MEM(back.data + 3000, text, 2000);
    kt__decoder_free(d);
}

/* RFC 9110 section 8.4.1.2: some send deflate without zlib's frame. */
TEST(deflate_may_come_without_its_frame)
{
    kt_auto(kt_buffer) coded = KT_BUFFER_INIT, back = KT_BUFFER_INIT;
    kt__decoder *d = NULL;
    make_text();
    encode_all(KT__CODING_RAW_DEFLATE, 3000, &coded);
    CHECK_OK(kt__decoder_new(KT__CODING_DEFLATE, NULL, &d));
    CHECK_OK(decode_all(d, kt_buffer_slice(&coded), 1, &back));
    CHECK(kt__decoder_ended(d));
    CHECK(kt_slice_equal(kt_buffer_slice(&back), (kt_slice){text, 3000}));
    kt__decoder_free(d);
}

TEST(a_little_that_becomes_much_ends_at_its_limits)
{
    static char zeros[1000 * 1000];
    for (size_t c = 0; c < sizeof codings / sizeof codings[0]; c++) {
        kt_auto(kt_buffer) coded = KT_BUFFER_INIT;
        const kt__decoder_limits limits[] = {{.bytes_max = 100 * 1000}, {.ratio_max = 100}};
        kt__encoder *e = NULL;
        CHECK_OK(kt__encoder_new(codings[c], 0, 0, &e));
        CHECK_OK(kt__encode(e, (kt_slice){zeros, sizeof zeros}, KT__FLUSH_END, &coded));
        kt__encoder_free(e);
        for (int i = 0; i < 2; i++) {
            kt_auto(kt_buffer) back = KT_BUFFER_INIT;
            kt__decoder *d = NULL;
            CHECK_OK(kt__decoder_new(codings[c], &limits[i], &d));
            CHECK_ERR(decode_all(d, kt_buffer_slice(&coded), 10000, &back), KT_ELIMIT);
            CHECK_LE(back.size, 100 * 1000);
            kt__decoder_free(d);
        }
    }
}

TEST(a_flushed_piece_can_be_decoded_at_once)
{
    make_text();
    for (size_t c = 0; c < sizeof codings / sizeof codings[0]; c++) {
        kt_auto(kt_buffer) coded = KT_BUFFER_INIT, back = KT_BUFFER_INIT;
        kt__encoder *e = NULL;
        kt__decoder *d = NULL;
        CHECK_OK(kt__encoder_new(codings[c], 0, 0, &e));
        CHECK_OK(kt__decoder_new(codings[c], NULL, &d));
        for (int i = 0; i < 3; i++) {
            kt_buffer_clear(&coded);
            CHECK_OK(kt__encode(e, (kt_slice){text, 1000}, KT__FLUSH_SYNC, &coded));
            CHECK_OK(decode_all(d, kt_buffer_slice(&coded), 10, &back));
            CHECK_EQ(back.size, (size_t)(1000 * (i + 1)));
        }
        kt__decoder_free(d);
        kt__encoder_free(e);
    }
}

/* RFC 7692 section 7.2.3.4: a block that says it is the last is not, and the next one may refer to it. */
TEST(raw_deflate_goes_on_behind_its_end_with_its_window)
{
    kt_auto(kt_buffer) coded = KT_BUFFER_INIT, back = KT_BUFFER_INIT;
    kt__encoder *e = NULL;
    kt__decoder *d = NULL;
    make_text();
    CHECK_OK(kt__encoder_new(KT__CODING_RAW_DEFLATE, 0, 0, &e));
    CHECK_OK(kt__encode(e, (kt_slice){text, 3000}, KT__FLUSH_SYNC, &coded));
    size_t before = coded.size;
    CHECK_OK(kt__encode(e, (kt_slice){text, 3000}, KT__FLUSH_SYNC, &coded)); /* says: as before */
    CHECK_LT(coded.size - before, 100);
    CHECK_OK(kt__decoder_new(KT__CODING_RAW_DEFLATE, NULL, &d));
    CHECK_OK(decode_all(d, (kt_slice){coded.data, before}, 64, &back));
    CHECK_OK(decode_all(d, (kt_slice){"\x03\x00", 2}, 2, &back)); /* an empty block that is the last */
    CHECK(kt__decoder_ended(d));
    CHECK_OK(decode_all(d, (kt_slice){coded.data + before, coded.size - before}, 64, &back));
    CHECK_EQ(back.size, 6000);
    CHECK_MEM(back.data + 3000, text, 3000);
    kt__decoder_free(d);
    kt__encoder_free(e);
}

static int there_and_back(kt__coding coding)
{
    char bytes[2000];
    kt_auto(kt_buffer) coded = KT_BUFFER_INIT;
    kt__encoder *e = NULL;
    kt__decoder *d = NULL;
    int rc = kt__encoder_new(coding, 0, 0, &e);
    if (rc == 0)
        rc = kt__encode(e, (kt_slice){text, 1000}, KT__FLUSH_END, &coded);
    kt__encoder_free(e);
    if (rc == 0)
        rc = kt__decoder_new(coding, NULL, &d);
    kt_slice input = kt_buffer_slice(&coded);
    if (rc == 0)
        rc = (int)kt__decode(d, &input, bytes, sizeof bytes);
    kt__decoder_free(d);
    return rc;
}

TEST(without_memory_a_coding_says_so_and_leaves_nothing)
{
    make_text();
    for (size_t c = 0; c < sizeof codings / sizeof codings[0]; c++) {
        uint64_t nth = 0;
        do {
            kt_test_fail_allocation(++nth);
            int rc = there_and_back(codings[c]);
            CHECK_EQ(rc, kt_test_allocation_failed() ? -ENOMEM : 1000);
        } while (kt_test_allocation_failed());
        CHECK_GT(nth, 3);
        kt_test_fail_allocation(0);
    }
}

/* The buffer is full just when the content ends, so that the end comes alone. */
TEST(what_stands_behind_an_end_without_output_is_not_lost)
{
    make_text();
    for (size_t c = 0; c < sizeof codings / sizeof codings[0]; c++) {
        kt_auto(kt_buffer) coded = KT_BUFFER_INIT;
        kt__decoder *d = NULL;
        char bytes[500];
        encode_all(codings[c], sizeof bytes, &coded);
        size_t one = coded.size;
        encode_all(codings[c], sizeof bytes, &coded);
        kt_slice all = kt_buffer_slice(&coded);
        CHECK_OK(kt__decoder_new(codings[c], NULL, &d));
        CHECK_EQ(kt__decode(d, &all, bytes, sizeof bytes), (ssize_t)sizeof bytes);
        ssize_t n = kt__decode(d, &all, bytes, sizeof bytes);
        if (codings[c] == KT__CODING_GZIP) {
            CHECK_EQ(n, (ssize_t)sizeof bytes);
            CHECK_EQ(memcmp(bytes, text, sizeof bytes), 0);
        } else {
            CHECK_ERR((int)n, KT_EPROTOCOL);
            CHECK_GE(all.size, one);
        }
        kt__decoder_free(d);
    }
}

/* A stored block of deflate, and then one of a kind that there is not. */
TEST(what_came_before_a_mistake_is_given_first)
{
    static const char coded[] = "\x00\x05\x00\xfa\xff""hello\x07";
    kt_slice all = {coded, sizeof coded - 1};
    kt__decoder *d = NULL;
    char bytes[500];
    CHECK_OK(kt__decoder_new(KT__CODING_RAW_DEFLATE, NULL, &d));
    CHECK_EQ(kt__decode(d, &all, bytes, sizeof bytes), 5);
    CHECK_EQ(all.size, 0);
    CHECK_ERR((int)kt__decode(d, &all, bytes, sizeof bytes), KT_EPROTOCOL);
    kt__decoder_free(d);
}
