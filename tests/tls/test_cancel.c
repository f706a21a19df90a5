/* SPDX-License-Identifier: MIT */
/* TLS streams that are cancelled in the middle, or used by others meanwhile. */
#include "tls_pair.h"

KT_FN(writes, a, struct { kt_stream *s; size_t size; })
{
    static char much[1 << 20];
    memset(much, 'x', sizeof much);
    return kt_stream_write(a->s, much, a->size);
}

static void cancel_and_join(kt_task *t)
{
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

/* ---- Writes -------------------------------------------------------------------------------------- */

/* How many bytes there are up to the end, which is in order. */
static size_t drink(kt_stream *s)
{
    char bytes[5000];
    ssize_t n;
    size_t sum = 0;
    while ((n = kt_stream_read(s, bytes, sizeof bytes)) > 0)
        sum += (size_t)n;
    CHECK_OK(n);
    return sum;
}

TEST(a_write_cancelled_in_the_middle_tears_the_stream_but_no_record)
{
    const size_t size = 1 << 20;
    kt_auto(tls_pair) p = usual_pair();
    kt_task *t = spawn(KT_WITH(writes, p.client, size));
    CHECK_OK(kt_sleep(KT_S(1)));
    cancel_and_join(t);
    CHECK_ERR(kt_stream_write(p.client, "x", 1), KT_EINVALIDSTATE);
    say(p.server, "can you hear me");
    hear(p.client, "can you hear me");
    kt_task *closer = spawn(close_task, kt_steal(p.client), 0);
    size_t sum = drink(p.server);
    CHECK_GE(sum, 64 * 1024);
    CHECK_LT(sum, size);
    kt_stream_close(kt_steal(p.server));
    CHECK_OK(kt_task_join(closer));
}

TEST(a_write_cancelled_before_its_first_byte_leaves_the_stream_as_it_was)
{
    kt_auto(tls_pair) p = usual_pair();
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_stream_write(p.client, "never", 5), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    say(p.client, "said");
    hear(p.server, "said");
}

KT_FN(writes_some, a, struct { kt_stream *s; int *number; })
{
    static uint32_t numbers[10000];
    for (;;) {
        for (int i = 0; i < 10000; i++)
            numbers[i] = (uint32_t)(*a->number + i);
        ssize_t n = kt_stream_write_some(a->s, numbers, sizeof numbers);
        if (n < 0)
            return (int)n;
        CHECK_EQ(n % 4, 0);
        *a->number += (int)n / 4;
    }
}

/* Its result wins over a cancellation, and what was taken is in the way of nothing. */
TEST(what_write_some_has_taken_goes_with_the_next_write)
{
    kt_auto(tls_pair) p = usual_pair();
    int number = 0;
    for (int i = 0; i < 3; i++) {
        kt_task *t = spawn(KT_WITH(writes_some, p.client, &number));
        CHECK_OK(kt_sleep(KT_S(1)));
        cancel_and_join(t);
    }
    kt_task *t = spawn(KT_WITH(writes, p.client, 4));
    CHECK_GT(number, 16384);
    for (int i = 0; i < number; i++) {
        uint32_t next;
        CHECK_OK(kt_stream_read_exactly(p.server, &next, sizeof next));
        CHECK_EQ(next, i);
    }
    hear(p.server, "xxxx");
    CHECK_OK(kt_task_join(t));
}

/* ---- Handshakes ---------------------------------------------------------------------------------- */

/* After so many turns of the two ends one of them is cancelled: true if that was in the middle. */
static bool cancelled_after(int passes, bool of_server)
{
    kt_auto(tls_pair) p = plain_pair(100, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_tls_info info;
    char byte;
    kt_task *s = spawn(KT_WITH(start_tls_task, p.server, p.server_config, NULL));
    kt_task *c = spawn(KT_WITH(start_tls_task, p.client, p.client_config, for_localhost()));
    kt_task *t = of_server ? s : c, *other = of_server ? c : s;
    kt_stream **mine = of_server ? &p.server : &p.client;
    for (int i = 0; i < passes; i++)
        CHECK_OK(kt_sleep(0));
    kt_task_cancel(t);
    int rc = kt_task_join(t);
    if (rc == 0) {
        CHECK_OK(kt_task_join(other));
        return false;
    }
    CHECK_ERR(rc, KT_ECANCELED);
    CHECK_ERR(kt_stream_read(*mine, &byte, 1), KT_EINVALIDSTATE);
    CHECK_ERR(kt_stream_write(*mine, "x", 1), KT_EINVALIDSTATE);
    CHECK_ERR(kt_tls_info_get(*mine, &info), KT_EINVALIDSTATE);
    CHECK_ERR(kt_stream_start_tls(*mine, p.client_config, for_localhost()), KT_EINVALIDSTATE);
    kt_stream_close(kt_steal(*mine));
    CHECK_EQ(kt_now(), 0); /* there is nobody to say good-bye to */
    rc = kt_task_join(other);
    CHECK(rc == KT_ETRUNCATED || rc == -EPIPE || rc == 0); /* a client of TLS 1.3 is done first */
    return true;
}

TEST(a_handshake_cancelled_anywhere_leaves_a_stream_to_be_closed)
{
    for (int of_server = 0; of_server < 2; of_server++) {
        int passes = 1;
        while (cancelled_after(passes, of_server))
            passes++;
        CHECK_GT(passes, 10);
    }
}

/* ---- Others meanwhile ---------------------------------------------------------------------------- */

KT_FN(reads, a, struct { kt_stream *s; })
{
    char byte;
    return (int)kt_stream_read(a->s, &byte, 1);
}

TEST(who_reads_or_writes_during_a_handshake_waits_for_it)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_task *t = spawn(KT_WITH(start_tls_task, p.server, p.server_config, NULL));
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task *reader = spawn(KT_WITH(reads, p.server)), *writer = spawn(KT_WITH(writes, p.server, 3));
    CHECK_ERR(kt_stream_start_tls(p.server, p.server_config, NULL), KT_EINVALIDSTATE);
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK(!kt_task_done(reader) && !kt_task_done(writer));
    CHECK_OK(kt_stream_start_tls(p.client, p.client_config, for_localhost()));
    CHECK_OK(kt_task_join(t));
    CHECK_OK(kt_task_join(writer));
    hear(p.client, "xxx");
    say(p.client, "y");
    CHECK_EQ(kt_task_join(reader), 1);
}

TEST(who_waits_for_a_handshake_that_fails_fails_as_well)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_task *t = spawn(KT_WITH(start_tls_task, p.server, p.server_config, NULL));
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task *reader = spawn(KT_WITH(reads, p.server));
    say(p.client, "GET / HTTP/1.1\r\n\r\n");
    CHECK_ERR(kt_task_join(t), KT_ETLS);
    CHECK_ERR(kt_task_join(reader), KT_ETLS);
}

TEST(closing_ends_a_handshake_and_who_waits_for_it)
{
    for (int of_server = 0; of_server < 2; of_server++) {
        kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
        kt_stream **s = of_server ? &p.server : &p.client;
        const kt_tls_config *config = of_server ? p.server_config : p.client_config;
        kt_task *t = spawn(KT_WITH(start_tls_task, *s, config, for_localhost()));
        CHECK_OK(kt_sleep(KT_MS(1)));
        kt_task *reader = spawn(KT_WITH(reads, *s)), *writer = spawn(KT_WITH(writes, *s, 3));
        CHECK_OK(kt_sleep(KT_MS(1)));
        kt_stream_close(kt_steal(*s));
        CHECK_ERR(kt_task_join(t), KT_ECLOSED);
        CHECK_ERR(kt_task_join(reader), KT_ECLOSED);
        CHECK_ERR(kt_task_join(writer), KT_ECLOSED);
    }
}

TEST(one_half_may_be_ended_before_the_handshake_is_over)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_task *t = spawn(KT_WITH(start_tls_task, p.client, p.client_config, for_localhost()));
    char byte;
    CHECK_OK(kt_sleep(KT_MS(1)));
    kt_task *server = spawn(KT_WITH(start_tls_task, p.server, p.server_config, NULL));
    CHECK_OK(kt_stream_shutdown_write(p.client));
    CHECK_OK(kt_task_join(t));
    CHECK_OK(kt_task_join(server));
    CHECK_EQ(kt_stream_read(p.server, &byte, 1), 0);
}

TEST_DIES(starting_tls_under_a_reader, 0, "kt_stream_wrap: task 'reader' is inside the stream")
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_task *t = NULL;
    CHECK_OK(kt_spawn_with(&(kt_spawn_options){.name = "reader"}, KT_WITH(reads, p.client), &t));
    CHECK_OK(kt_sleep(0));
    CHECK_OK(kt_stream_start_tls(p.client, p.client_config, for_localhost()));
    CHECK_OK(kt_task_join(t));
}
