/* SPDX-License-Identifier: MIT */
/* TLS streams, once hands are shaken. */
#include "tls_pair.h"

TEST(two_ends_shake_hands_and_talk)
{
    kt_auto(tls_pair) p = usual_pair();
    kt_tls_info info;
    say(p.client, "hello, server");
    hear(p.server, "hello, server");
    say(p.server, "hello, client");
    hear(p.client, "hello, client");
    CHECK_OK(kt_tls_info_get(p.client, &info));
    CHECK_STR(info.version, "TLSv1.3");
}

KT_FN(writes, a, struct { kt_stream *s; size_t size; })
{
    static char much[1 << 20];
    memset(much, 'x', sizeof much);
    return kt_stream_write(a->s, much, a->size);
}

KT_FN(drinks, a, struct { kt_stream *s; })
{
    char bytes[5000];
    ssize_t n, sum = 0;
    while ((n = kt_stream_read(a->s, bytes, sizeof bytes)) > 0)
        sum += n;
    return n < 0 ? (int)n : (int)sum;
}

KT_FN(reads_exactly, a, struct {
    kt_stream *s;
    char *bytes;
    size_t size;
})
{
    return kt_stream_read_exactly(a->s, a->bytes, a->size);
}

/* Far more than fits below: with readers on both sides nobody may wait for the other. */
TEST(both_ends_write_and_read_at_once)
{
    kt_auto(tls_pair) p = usual_pair();
    const size_t size = 1 << 20;
    kt_task *w1 = spawn(KT_WITH(writes, p.client, size)), *w2 = spawn(KT_WITH(writes, p.server, size));
    kt_task *r1 = spawn(KT_WITH(drinks, p.client)), *r2 = spawn(KT_WITH(drinks, p.server));
    CHECK_OK(kt_task_join(w1));
    CHECK_OK(kt_task_join(w2));
    CHECK_OK(kt_stream_shutdown_write(p.client));
    CHECK_EQ(kt_task_join(r2), size);
    CHECK_OK(kt_stream_shutdown_write(p.server));
    CHECK_EQ(kt_task_join(r1), size);
}

/* Small pieces share a record, large ones are cut; none is lost or turned round. */
TEST(pieces_of_all_sizes_arrive_in_order)
{
    static const size_t sizes[] = {1, 0, 2047, 1, 2048, 2049, 3, 16384, 16385, 70000, 5, 7, 0, 11};
    enum { PIECES = sizeof sizes / sizeof *sizes };
    kt_auto(tls_pair) p = tls_pair_open((kt_tls_client_options){0}, (kt_tls_server_options){0});
    static char apart[PIECES][70000], sent[200000], heard[200000];
    struct iovec pieces[PIECES];
    size_t size = 0;
    for (int i = 0; i < PIECES; size += sizes[i], i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            apart[i][j] = (char)(i ^ j ^ j >> 8);
        memcpy(sent + size, apart[i], sizes[i]);
        pieces[i] = (struct iovec){apart[i], sizes[i]};
    }
    kt_task *t = spawn(KT_WITH(reads_exactly, p.server, heard, size));
    CHECK_OK(kt_stream_writev(p.client, pieces, PIECES));
    CHECK_OK(kt_task_join(t));
    CHECK_MEM(heard, sent, size);
}

TEST(a_file_is_sent_encrypted)
{
    kt_auto(tls_pair) p = usual_pair();
    static char sent[100000], heard[100000];
    FILE *f = tmpfile();
    memset(sent, 'f', sizeof sent);
    CHECK(f && fwrite(sent, 1, sizeof sent, f) == sizeof sent && fflush(f) == 0);
    kt_task *t = spawn(KT_WITH(reads_exactly, p.server, heard, sizeof heard));
    CHECK_ERR(kt_stream_sendfile(p.client, fileno(f), 0, -1, KT_SENDFILE_NO_FALLBACK), -EOPNOTSUPP);
    CHECK_EQ(kt_stream_sendfile(p.client, fileno(f), 0, -1, 0), sizeof sent);
    CHECK_OK(kt_task_join(t));
    CHECK_MEM(heard, sent, sizeof sent);
    CHECK_EQ(fclose(f), 0);
}

TEST(what_is_written_through_a_buffer_arrives_in_order)
{
    kt_auto(tls_pair) p = usual_pair();
    kt_auto(kt_stream_writer) w = {.stream = p.client, .high = 1000};
    static char sent[300000], heard[300000];
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i ^ i >> 8);
    kt_task *t = spawn(KT_WITH(reads_exactly, p.server, heard, sizeof heard));
    for (size_t i = 0; i < sizeof sent; i += 300)
        CHECK_OK(kt_stream_writer_write(&w, sent + i, 300));
    CHECK_OK(kt_stream_writer_close(&w));
    CHECK_OK(kt_task_join(t));
    CHECK_MEM(heard, sent, sizeof sent);
}

/* Records that are encrypted go with the farewell; what is behind them is dropped, and not left out unseen. */
TEST(a_buffer_that_is_dropped_ends_the_writing)
{
    kt_auto(tls_pair) p = usual_pair();
    static const char much[1 << 20];
    kt_stream_writer w = KT_STREAM_WRITER_INIT(p.client);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(kt_stream_writer_write_nowait(&w, much, 60000));
        CHECK_OK(kt_sleep(KT_MS(1)));
    }
    CHECK_OK(kt_stream_writer_write_nowait(&w, much, 1));
    kt_stream_writer_cleanup(&w);
    CHECK_ERR(kt_stream_write(p.client, "x", 1), KT_EINVALIDSTATE);
}
