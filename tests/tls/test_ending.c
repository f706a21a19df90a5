/* SPDX-License-Identifier: MIT */
/* How TLS streams end: in order, cut off, closed by others, cancelled. */
#include "tls_pair.h"

/* The server is gone without a farewell, as after a cut cable and a FIN that somebody forged. */
static void cut(const tls_pair *p)
{
    CHECK_OK(kt_stream_shutdown_write(inside(p->server)->below));
}

TEST(a_connection_cut_after_bytes_is_truncated)
{
    kt_auto(tls_pair) p = usual_pair();
    char byte;
    say(p.server, "half of it");
    cut(&p);
    hear(p.client, "half of it");
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(kt_stream_read(p.client, &byte, 1), KT_ETRUNCATED);
        CHECK(!kt_stream_at_eof(p.client));
    }
    CHECK_ERR(kt_stream_write(p.client, "x", 1), KT_ETRUNCATED);
}

TEST(a_line_that_was_cut_off_is_no_last_line)
{
    kt_auto(tls_pair) p = usual_pair();
    kt_slice line;
    say(p.server, "pay 10000");
    cut(&p);
    CHECK_ERR(kt_stream_read_line(p.client, 100, &line), KT_ETRUNCATED);
    CHECK_SLICE(kt_stream_buffered(p.client), "pay 10000");
}

/* ---- Limits and cancellations of a close ------------------------------------------------------ */

static void release(tls_pair *p)
{
    kt_stream_close(p->client);
    kt_stream_close(p->server);
    kt_tls_config_free(p->client_config);
    kt_tls_config_free(p->server_config);
}

TEST(a_cancelled_close_says_good_bye_without_waiting)
{
    tls_pair p = usual_pair();
    kt_time start = kt_now();
    char byte;
    say(p.client, "last");
    kt_task_cancel(kt_task_current());
    kt_stream_close(kt_steal(p.client));
    CHECK_OK(kt_cancel_catch()); /* no call has returned it */
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    hear(p.server, "last");
    CHECK_EQ(kt_stream_read(p.server, &byte, 1), 0);
    CHECK_EQ(kt_now(), start);
    release(&p);
}

static int closes_and_sleeps(void *arg)
{
    kt_stream_close(arg);
    CHECK_EQ(kt_now(), KT_S(5));
    CHECK_OK(kt_cancel_catch());
    return kt_sleep(KT_S(1));
}

TEST(a_cancellation_of_a_close_shows_at_the_next_call)
{
    tls_pair p = usual_pair();
    kt_task *t = spawn(closes_and_sleeps, kt_steal(p.client), 0);
    CHECK_OK(kt_sleep(KT_S(5)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_now(), KT_S(5));
    release(&p);
}

TEST(a_deadline_around_a_close_cuts_it_short)
{
    tls_pair p = usual_pair();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(5));
    kt_stream_close(kt_steal(p.client));
    CHECK_EQ(kt_now(), KT_S(5));
    CHECK_ERR(kt_timeout_end(&limit, kt_sleep(KT_S(1))), KT_ETIMEDOUT);
    release(&p);
}

/* Who holds cancellations back holds back the deadlines around him, too; the farewell's limit is none of them. */
TEST(a_close_that_is_not_to_be_cancelled_has_its_limit_all_the_same)
{
    tls_pair p = usual_pair();
    kt_cancel_hold();
    kt_stream_close(kt_steal(p.client));
    kt_cancel_unhold();
    CHECK_EQ(kt_now(), KT_S(30));
    release(&p);
}

/* ---- Closed by another task -------------------------------------------------------------------- */

KT_FN(reads_bytes, a, struct { kt_stream *s; size_t *count; })
{
    char byte;
    ssize_t n;
    while ((n = kt_stream_read(a->s, &byte, 1)) > 0)
        ++*a->count;
    return (int)n;
}

/* A reader that never has to wait lets others run now and then: it is inside all the same. */
TEST(a_close_ends_a_reader_wherever_it_is)
{
    for (int passes = 1; passes < 12; passes++) {
        kt_auto(tls_pair) p = usual_pair();
        static char much[60000];
        size_t count = 0;
        CHECK_OK(kt_stream_write(p.server, much, sizeof much));
        kt_task *t = spawn(KT_WITH(reads_bytes, p.client, &count));
        for (int i = 0; i < passes; i++)
            CHECK_OK(kt_sleep(0));
        kt_task *closer = spawn(close_task, kt_steal(p.server), 0);
        kt_stream_close(kt_steal(p.client));
        CHECK_ERR(kt_task_join(t), KT_ECLOSED);
        CHECK_OK(kt_task_join(closer));
        CHECK_LT(count, sizeof much);
    }
}

KT_FN(writes_for_ever, a, struct { kt_stream *s; })
{
    int rc;
    do {
        rc = kt_stream_write(a->s, "0123456789", 10);
    } while (rc == 0);
    return rc;
}

TEST(a_close_ends_a_writer_wherever_it_is)
{
    for (int passes = 1; passes < 12; passes++) {
        kt_auto(tls_pair) p = usual_pair();
        kt_task *t = spawn(KT_WITH(writes_for_ever, p.client));
        for (int i = 0; i < passes * 3; i++)
            CHECK_OK(kt_sleep(0));
        kt_task *closer = spawn(close_task, kt_steal(p.server), 0);
        kt_stream_close(kt_steal(p.client));
        CHECK_ERR(kt_task_join(t), KT_ECLOSED);
        CHECK_OK(kt_task_join(closer));
    }
}

TEST(a_silent_peer_is_waited_for_thirty_seconds_at_close)
{
    tls_pair p = usual_pair();
    kt_time start = kt_now();
    kt_stream_close(kt_steal(p.client));
    CHECK_EQ(kt_now() - start, KT_S(30));
    release(&p);
}

/* Whatever it says, and however slowly. */
TEST(a_peer_that_goes_on_talking_does_not_prolong_a_close)
{
    tls_pair p = usual_pair();
    kt_task *t = spawn(close_task, kt_steal(p.client), 0);
    while (kt_now() < KT_S(29)) {
        CHECK_OK(kt_sleep(KT_S(1)));
        say(p.server, "and another thing");
    }
    CHECK_OK(kt_task_join(t));
    CHECK_EQ(kt_now(), KT_S(30));
    release(&p);
}

TEST(a_half_closed_stream_still_hears)
{
    kt_auto(tls_pair) p = usual_pair();
    char byte;
    CHECK_OK(kt_stream_shutdown_write(p.client));
    CHECK_EQ(kt_stream_read(p.server, &byte, 1), 0);
    say(p.server, "more");
    hear(p.client, "more");
    CHECK_ERR(kt_stream_write(p.client, "x", 1), -EPIPE);
}
