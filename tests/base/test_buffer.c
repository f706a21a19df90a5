/* SPDX-License-Identifier: MIT */
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <stdarg.h>

TEST_WITH(appends_add_up, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append(&b, "te", 2));
    CHECK_OK(kt_buffer_append_string(&b, "a and "));
    CHECK_OK(kt_buffer_printf(&b, "%d %s", 2, "coffees"));
    CHECK_SLICE(kt_buffer_slice(&b), "tea and 2 coffees");
    CHECK_STR(kt_buffer_string(&b), "tea and 2 coffees");
    CHECK_EQ(b.size, 17);
    CHECK_LE(b.size, b.capacity);
}

TEST_WITH(an_empty_buffer_is_an_empty_string_and_slice, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_EQ(kt_buffer_slice(&b).size, 0);
    CHECK_OK(kt_buffer_append(&b, NULL, 0));
    CHECK_OK(kt_buffer_append_string(&b, ""));
    CHECK_OK(kt_buffer_printf(&b, "%s", ""));
    CHECK_EQ(b.size, 0);
    CHECK_STR(kt_buffer_string(&b), "");
    kt_buffer_consume(&b, 5);
    kt_buffer_release(&b);
    kt_buffer_release(&b);
}

TEST_WITH(zeros_are_bytes_like_any_other, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append(&b, "a\0b", 3));
    CHECK_OK(kt_buffer_append(&b, "\0", 1));
    CHECK_EQ(b.size, 4);
    CHECK_MEM(b.data, "a\0b\0", 4);
}

TEST_WITH(many_small_appends_equal_one_large, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) small = KT_BUFFER_INIT, large = KT_BUFFER_INIT;
    static char bytes[100000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 31);
    for (size_t i = 0, n; i < sizeof bytes; i += n) {
        n = 1 + i % 13 < sizeof bytes - i ? 1 + i % 13 : sizeof bytes - i;
        CHECK_OK(kt_buffer_append(&small, bytes + i, n));
    }
    CHECK_OK(kt_buffer_append(&large, bytes, sizeof bytes));
    CHECK_EQ(small.size, large.size);
    CHECK_MEM(small.data, large.data, large.size);
}

/* Every length around what fits, the terminator of printf included. */
TEST_WITH(printf_fits_exactly, KT_TEST_NO_LOOP)
{
    for (int length = 0; length < 300; length++) {
        kt_auto(kt_buffer) b = KT_BUFFER_INIT;
        CHECK_OK(kt_buffer_append_string(&b, "x"));
        CHECK_OK(kt_buffer_printf(&b, "%*s", length, ""));
        CHECK_EQ(b.size, (size_t)length + 1);
        for (int i = 1; i <= length; i++)
            CHECK_EQ(b.data[i], ' ');
    }
}

static int format(kt_buffer *b, const char *text, ...)
{
    va_list args;
    va_start(args, text);
    int rc = kt_buffer_vprintf(b, text, args);
    va_end(args);
    return rc;
}

TEST_WITH(vprintf_reads_its_arguments_twice_if_it_must, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_OK(format(&b, "%s-%d-%.2f-%s", "a", 7, 0.5, "the rest"));
    CHECK_STR(kt_buffer_string(&b), "a-7-0.50-the rest");
}

/* ---- The cap ----------------------------------------------------------------------------- */

TEST_WITH(a_cap_is_kept_and_a_refused_append_changes_nothing, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT_MAX(10);
    CHECK_OK(kt_buffer_append_string(&b, "123456789"));
    CHECK_ERR(kt_buffer_append_string(&b, "ab"), KT_ELIMIT);
    CHECK_ERR(kt_buffer_printf(&b, "%d", 22), KT_ELIMIT);
    CHECK_ERR(kt_buffer_reserve(&b, 2), KT_ELIMIT);
    CHECK_ERR(kt_buffer_reserve(&b, SIZE_MAX), KT_ELIMIT);
    CHECK_SLICE(kt_buffer_slice(&b), "123456789");
    CHECK_OK(kt_buffer_printf(&b, "%d", 0));
    CHECK_STR(kt_buffer_string(&b), "1234567890"); /* the terminator does not count */
    CHECK_ERR(kt_buffer_append(&b, "x", 1), KT_ELIMIT);
}

TEST_WITH(the_cap_survives_a_release, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT_MAX(3);
    CHECK_OK(kt_buffer_append_string(&b, "abc"));
    kt_buffer_release(&b);
    CHECK_ERR(kt_buffer_append_string(&b, "abcd"), KT_ELIMIT);
    CHECK_OK(kt_buffer_append_string(&b, "abc"));
}

TEST_WITH(without_a_cap_a_gibibyte_is_the_limit, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_ERR(kt_buffer_reserve(&b, ((size_t)1 << 30) + 1), KT_ELIMIT);
    CHECK_EQ(b.capacity, 0);
}

TEST_WITH(reserved_room_is_used_without_another_allocation, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_reserve(&b, 1000));
    CHECK_GE(b.capacity, 1000);
    kt_test_fail_allocation(1);
    for (int i = 0; i < 1000; i++)
        CHECK_OK(kt_buffer_append(&b, "x", 1));
    CHECK(!kt_test_allocation_failed());
    kt_test_fail_allocation(0);
}

/* ---- From the front ---------------------------------------------------------------------- */

TEST_WITH(consume_drops_from_the_front, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&b, "0123456789"));
    kt_buffer_consume(&b, 0);
    kt_buffer_consume(&b, 3);
    CHECK_SLICE(kt_buffer_slice(&b), "3456789");
    CHECK_OK(kt_buffer_append_string(&b, "ab"));
    CHECK_SLICE(kt_buffer_slice(&b), "3456789ab");
    kt_buffer_consume(&b, 100);
    CHECK_EQ(b.size, 0);
    CHECK_OK(kt_buffer_append_string(&b, "again"));
    kt_buffer_clear(&b);
    CHECK_EQ(b.size, 0);
    CHECK_GT(b.capacity, 0);
}

/* ---- Without memory ---------------------------------------------------------------------- */

TEST_WITH(without_memory_nothing_changes, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&b, "kept"));
    char large[4096] = "";
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_buffer_append(&b, large, sizeof large), -ENOMEM);
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_buffer_printf(&b, "%4096s", ""), -ENOMEM);
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_buffer_reserve(&b, 4096), -ENOMEM);
    CHECK_STR(kt_buffer_string(&b), "kept");
    kt_buffer_release(&b);
    kt_test_fail_allocation(1);
    CHECK(kt_buffer_string(&b) == NULL);
    CHECK_OK(kt_buffer_append(&b, large, sizeof large));
}
