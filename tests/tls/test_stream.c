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
