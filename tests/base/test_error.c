/* SPDX-License-Identifier: MIT */
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
    int rc;
    const char *name, *text;
} table[] = {
#define ROW(name, number, text) {name, #name, text},
    KT_ERROR_TABLE(ROW)
#undef ROW
};
#define ROWS (sizeof table / sizeof *table)

TEST_WITH(our_codes_have_names_and_texts, KT_TEST_NO_LOOP)
{
    for (size_t i = 0; i < ROWS; i++) {
        CHECK_STR(kt_error_name(table[i].rc), table[i].name);
        CHECK_STR(kt_strerror(table[i].rc), table[i].text);
    }
}

TEST_WITH(our_codes_are_negative_unlike_each_other_and_unlike_the_systems, KT_TEST_NO_LOOP)
{
    for (size_t i = 0; i < ROWS; i++) {
        CHECK_LT(table[i].rc, -4095); /* the kernel's errors end there */
        for (size_t j = 0; j < i; j++)
            CHECK_NE(table[i].rc, table[j].rc);
    }
}

TEST_WITH(the_systems_codes_have_names_and_texts, KT_TEST_NO_LOOP)
{
    CHECK_STR(kt_error_name(-ENOENT), "ENOENT");
    CHECK_STR(kt_strerror(-ENOENT), "No such file or directory");
    CHECK_STR(kt_error_name(-ECONNRESET), "ECONNRESET");
}

TEST_WITH(numbers_that_are_no_code_are_told_so, KT_TEST_NO_LOOP)
{
    CHECK_STR(kt_error_name(0), "success");
    CHECK_STR(kt_error_name(7), "success");
    CHECK_STR(kt_strerror(7), "success");
    CHECK_STR(kt_error_name(-4000), "?");
    CHECK_STR(kt_error_name(-10000), "?");
    CHECK_STR(kt_error_name(-999999), "?");
    CHECK_STR(kt_error_name(INT32_MIN), "?");
    CHECK(kt_strerror(-4000) != NULL);
    CHECK_STR(kt_strerror(INT32_MIN), "unknown error");
}

TEST_WITH(three_codes_are_cancellations, KT_TEST_NO_LOOP)
{
    for (size_t i = 0; i < ROWS; i++) {
        int rc = table[i].rc;
        bool expected = rc == KT_ECANCELED || rc == KT_ETIMEDOUT || rc == KT_ESIBLING;
        CHECK_EQ(kt_is_cancel(rc), expected);
    }
    CHECK(!kt_is_cancel(0));
    CHECK(!kt_is_cancel(-ECANCELED));
    CHECK(!kt_is_cancel(1));
}

/* ---- Words ------------------------------------------------------------------------------- */

static void *sets_words(void *arg)
{
    CHECK_STR(kt_error_detail(), "");
    CHECK_ERR(kt_error_set(-EIO, "%s", (const char *)arg), -EIO);
    CHECK_STR(kt_error_detail(), "theirs");
    return NULL;
}

TEST_WITH(each_thread_has_words_of_its_own, KT_TEST_NO_LOOP)
{
    pthread_t thread;
    CHECK_EQ(kt_error_set(5, "ours"), 5);
    CHECK_EQ(pthread_create(&thread, NULL, sets_words, "theirs"), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_STR(kt_error_detail(), "ours");
}

/* ---- Messages ---------------------------------------------------------------------------- */

static void write_hooked(const char *message)
{
    CHECK_EQ(write(STDERR_FILENO, "hooked: ", 8), 8);
    CHECK_GT(write(STDERR_FILENO, message, strlen(message)), 0);
}

TEST_DIES(messages_go_to_the_hook, KT_TEST_NO_LOOP, "hooked: kettle: misuse in no task")
{
    kt_lock lock = KT_LOCK_INIT;
    kt_log_hook_set(write_hooked);
    kt_lock_release(&lock);
}

TEST_DIES(without_a_hook_they_go_to_standard_error, KT_TEST_NO_LOOP, "kettle: misuse in no task")
{
    kt_lock lock = KT_LOCK_INIT;
    kt_log_hook_set(write_hooked);
    kt_log_hook_set(NULL);
    kt_lock_release(&lock);
}

/* ---- Base -------------------------------------------------------------------------------- */

TEST_WITH(slices_compare_by_their_bytes, KT_TEST_NO_LOOP)
{
    kt_slice empty = {NULL, 0}, tea = kt_slice_from("tea");
    CHECK_EQ(tea.size, 3);
    CHECK(kt_slice_is(tea, "tea"));
    CHECK(!kt_slice_is(tea, "te"));
    CHECK(!kt_slice_is(tea, "teas"));
    CHECK(kt_slice_is(empty, ""));
    CHECK(kt_slice_equal(empty, kt_slice_from("")));
    CHECK(kt_slice_equal((kt_slice){"a\0b", 3}, (kt_slice){"a\0b", 3}));
    CHECK(!kt_slice_equal((kt_slice){"a\0b", 3}, (kt_slice){"a\0c", 3}));
}

TEST_WITH(stealing_leaves_null, KT_TEST_NO_LOOP)
{
    char *word = kt_strndup("tea", 3), *mine = kt_steal(word);
    CHECK(word == NULL);
    CHECK_STR(mine, "tea");
    kt_free(mine);
    kt_free(word);
}

TEST_WITH(time_is_counted_in_nanoseconds, KT_TEST_NO_LOOP)
{
    CHECK_EQ(KT_S(1), KT_MS(1000));
    CHECK_EQ(KT_MS(1), KT_US(1000));
    CHECK_EQ(KT_US(1), KT_NS(1000));
    CHECK_EQ(KT_S(100000), INT64_C(100000000000000));
}

TEST_WITH(the_version_has_three_numbers, KT_TEST_NO_LOOP)
{
    int major, minor, patch;
    CHECK_EQ(sscanf(kt_version(), "%d.%d.%d", &major, &minor, &patch), 3);
}
