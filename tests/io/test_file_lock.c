/* SPDX-License-Identifier: MIT */
#include "faulty_disk.h"

static kt_file *opened(const char *path)
{
    kt_file *f = NULL;
    CHECK_OK(kt_file_open(path, O_RDWR | O_CREAT, 0666, &f));
    return f;
}

TEST(a_lock_keeps_others_out_until_it_is_given_back)
{
    IN_SCRATCH;
    kt_auto(kt_file) *a = opened("a");
    kt_auto(kt_file) *b = opened("a");
    CHECK_OK(kt_file_lock(a, KT_FILE_EXCLUSIVE));
    CHECK_ERR(kt_file_try_lock(b, KT_FILE_SHARED), -EWOULDBLOCK);
    CHECK_STR(kt_error_detail(), "lock a: Resource temporarily unavailable");
    CHECK_OK(kt_file_lock(a, KT_FILE_SHARED));
    CHECK_OK(kt_file_try_lock(b, KT_FILE_SHARED));
    CHECK_ERR(kt_file_try_lock(b, KT_FILE_EXCLUSIVE), -EWOULDBLOCK);
    CHECK_OK(kt_file_unlock(a));
    CHECK_OK(kt_file_unlock(a));
    CHECK_OK(kt_file_lock(b, KT_FILE_EXCLUSIVE));
    CHECK_ERR(kt_file_try_lock(b, 7), -EINVAL);
}

TEST(who_closes_a_file_gives_its_lock_back)
{
    IN_SCRATCH;
    kt_auto(kt_file) *a = opened("a");
    kt_auto(kt_file) *b = opened("a");
    CHECK_OK(kt_file_lock(a, KT_FILE_EXCLUSIVE));
    CHECK_OK(kt_file_close(kt_steal(a)));
    CHECK_OK(kt_file_try_lock(b, KT_FILE_EXCLUSIVE));
}

static int locks(void *arg)
{
    return kt_file_lock(arg, KT_FILE_EXCLUSIVE);
}

TEST(who_waits_for_a_lock_gets_it)
{
    IN_SCRATCH;
    kt_auto(kt_file) *a = opened("a");
    kt_auto(kt_file) *b = opened("a");
    kt_task *t = NULL;
    CHECK_OK(kt_file_lock(a, KT_FILE_EXCLUSIVE));
    CHECK_OK(kt_spawn(locks, b, 0, &t));
    CHECK_OK(kt_sleep(KT_MS(500)));
    CHECK(!kt_task_done(t));
    CHECK_OK(kt_file_write(a, "mine", 4));
    CHECK_OK(kt_file_unlock(a));
    kt_time before = kt_now();
    CHECK_OK(kt_task_join(t));
    CHECK_LE(kt_now() - before, KT_MS(101));
    CHECK_STR(got("a"), "mine"); /* written before the lock was given back */
    CHECK_ERR(kt_file_try_lock(a, KT_FILE_SHARED), -EWOULDBLOCK);
}

TEST(a_wait_for_a_lock_can_be_cancelled)
{
    IN_SCRATCH;
    kt_auto(kt_file) *a = opened("a");
    kt_auto(kt_file) *b = opened("a");
    CHECK_OK(kt_file_lock(a, KT_FILE_EXCLUSIVE));
    CHECK_ERR(kt_wait_for(KT_S(1), locks, b, 0), KT_ETIMEDOUT);
    CHECK_OK(kt_file_unlock(a));
    CHECK_OK(kt_file_try_lock(a, KT_FILE_EXCLUSIVE));
}

TEST(a_file_is_closed_under_who_waits_for_its_lock)
{
    IN_SCRATCH;
    kt_auto(kt_file) *a = opened("a");
    kt_auto(kt_file) *b = opened("a");
    kt_task *t = NULL;
    CHECK_OK(kt_file_lock(a, KT_FILE_EXCLUSIVE));
    CHECK_OK(kt_spawn(locks, b, 0, &t));
    CHECK_OK(kt_sleep(KT_MS(50)));
    CHECK_OK(kt_file_close(kt_steal(b)));
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
}

/* ---- Several tasks --------------------------------------------------------------------------- */

typedef struct writing {
    kt_file *file;
    char letter;
} writing;

static int writes_much(void *arg)
{
    enum { BYTES = 300 * 1000 };
    const writing *w = arg;
    char *bytes = kt_alloc(BYTES);
    if (!bytes)
        return -ENOMEM;
    memset(bytes, w->letter, BYTES);
    int rc = kt_file_write(w->file, bytes, BYTES);
    kt_free(bytes);
    return rc;
}

TEST(calls_of_several_tasks_take_turns)
{
    IN_SCRATCH;
    kt_auto(faulty) *disk = faulty_install();
    kt_auto(kt_file) *f = opened("a");
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    disk->most = 50 * 1000; /* many trips each */
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        for (char letter = 'a'; letter < 'e'; letter++)
            CHECK_OK(kt_group_spawn(&g, writes_much, &(writing){f, letter}, sizeof(writing)));
        CHECK_OK(kt_group_join(&g, 0));
    }
    CHECK_OK(kt_file_read_whole("a", 0, &b));
    CHECK_EQ(b.size, 4 * 300 * 1000);
    for (size_t i = 1; i < b.size; i++)
        CHECK(b.data[i] == b.data[i - 1] || i % (300 * 1000) == 0);
}

TEST(a_file_is_closed_after_the_calls_that_are_on_it)
{
    IN_SCRATCH;
    kt_file *f = opened("a");
    kt_task *first = NULL, *second = NULL;
    CHECK_OK(kt_spawn(writes_much, &(writing){f, 'a'}, sizeof(writing), &first));
    CHECK_OK(kt_spawn(writes_much, &(writing){f, 'b'}, sizeof(writing), &second));
    CHECK_OK(kt_sleep(0)); /* one writes, one waits for its turn */
    CHECK_OK(kt_file_close(f));
    int rc = kt_task_join(first), other = kt_task_join(second);
    CHECK(rc == 0 || rc == KT_ECLOSED);
    CHECK(other == 0 || other == KT_ECLOSED);
}

static int closes(void *arg)
{
    CHECK_OK(kt_file_close(arg));
    return kt_sleep(0);
}

TEST(a_close_cannot_be_cut_short)
{
    IN_SCRATCH;
    kt_file *f = opened("a");
    kt_task *t = NULL;
    CHECK_OK(kt_file_write(f, "whole", 5));
    CHECK_OK(kt_spawn(closes, f, 0, &t));
    CHECK_OK(kt_sleep(0));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED); /* at the next call */
    CHECK_STR(got("a"), "whole");
}

TEST_DIES(two_closes_are_misuse, 0, "kt_file_close: another task closes a already")
{
    IN_SCRATCH;
    kt_file *f = opened("a");
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(closes, f, 0, &t));
    CHECK_OK(kt_sleep(0));
    CHECK_OK(kt_file_close(f));
}

/* ---- Debug mode ------------------------------------------------------------------------------ */

static char said[1024];

static void listen_to(const char *message)
{
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", message);
}

static kt_file *left_open;

static int forgets(void *arg)
{
    (void)arg;
    kt_debug_set(true);
    int rc = kt_file_open("/dev/null", O_RDONLY, 0, &left_open);
    CHECK_OK(rc);
    return rc;
}

TEST_WITH(debug_mode_tells_of_a_file_that_was_never_closed, KT_TEST_NO_LOOP)
{
    kt_log_hook_set(listen_to);
    CHECK_OK(kt_run(forgets, NULL, 0));
    kt_log_hook_set(NULL);
    CHECK(strstr(said, "a file, made at ") != NULL);
    CHECK(strstr(said, "forgets") != NULL);
    CHECK(strstr(said, "was never closed") != NULL);
    CHECK_OK(kt_file_close(left_open)); /* which is possible even now */
}
