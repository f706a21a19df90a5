/* SPDX-License-Identifier: MIT */
/* What reading has to say to the peer by itself, when reads are cut short or something else is being sent: over pairs
 * in memory, against bytes by hand. */
#include "client_site.h"

#include "http/websocket_private.h"

enum { ROOM = 1000, MUCH = 50000 };

typedef struct ends {
    kt_websocket *ws; /* a server's */
    kt_stream *peer;
} ends;

static const char much[MUCH];

static void ends_open(ends *e, const kt_websocket_options *o)
{
    kt_stream *two[2];
    CHECK_OK(kt_stream_memory_pair(ROOM, two));
    CHECK_OK(kt_websocket_over(two[0], false, o, &e->ws));
    e->peer = two[1];
}

static void ends_close(ends *e)
{
    kt_stream_close(e->peer);
    kt_websocket_close(e->ws);
}

static void peer_says(const ends *e, unsigned opcode, const char *payload)
{
    static const uint8_t no_mask[4];
    char bytes[KT__WS_HEAD_MAX + KT__WS_CONTROL_MAX];
    size_t size = strlen(payload);
    size_t head = kt__ws_head_put(bytes, opcode | KT__WS_FINAL, size, no_mask);
    memcpy(bytes + head, payload, size);
    CHECK_OK(kt_stream_write(e->peer, bytes, head + size));
}

static void hears(const ends *e, const char *bytes, size_t size)
{
    char got[100];
    CHECK_LE(size, sizeof got);
    CHECK_OK(kt_stream_read_exactly(e->peer, got, size));
    CHECK_MEM(got, bytes, size);
}

#define HEARS(e, bytes) hears((e), bytes, sizeof(bytes) - 1)

static void hears_much(const ends *e)
{
    static char got[MUCH];
    HEARS(e, "\x82\x7e\xc3\x50");
    CHECK_OK(kt_stream_read_exactly(e->peer, got, MUCH));
}

static int writes_much(void *arg)
{
    return kt_websocket_write(arg, KT_WEBSOCKET_BINARY, much, MUCH);
}

static kt_task *begin_to_write(const ends *e)
{
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(writes_much, e->ws, 0, &t));
    CHECK_OK(kt_sleep(KT_MS(1)));
    return t;
}

static int reads_to_the_end(void *arg)
{
    kt_websocket_message m;
    int rc;
    while ((rc = kt_websocket_read(arg, &m)) > 0)
        ;
    return rc;
}

static int read_for(kt_websocket *ws, kt_time time)
{
    kt_websocket_message m;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, time);
    return kt_timeout_end(&limit, kt_websocket_read(ws, &m));
}

/* ---- Closes ---------------------------------------------------------------------------------- */

/* What a server says when it can say no more than `much`: the read is cancelled meanwhile. Then it reads again, or
 * closes. */
static void reads_and_says(unsigned opcode, const char *payload, int rc, bool closes, const char *said, size_t size)
{
    ends e;
    ends_open(&e, NULL);
    kt_task *t = begin_to_write(&e);
    peer_says(&e, opcode, payload);
    CHECK_ERR(read_for(e.ws, KT_MS(1)), KT_ETIMEDOUT);
    hears_much(&e);
    CHECK_OK(kt_task_join(t));
    if (closes)
        kt_websocket_close(e.ws);
    else
        CHECK_EQ(read_for(e.ws, KT_MS(1)), rc);
    hears(&e, said, size);
    kt_stream_close(e.peer);
    if (!closes)
        kt_websocket_close(e.ws);
}

#define READS_AND_SAYS(opcode, payload, rc, closes, said) \
    reads_and_says((opcode), (payload), (rc), (closes), said, sizeof(said) - 1)

TEST(what_a_cancelled_read_had_to_say_is_said)
{
    for (int closes = 0; closes < 2; closes++) {
        READS_AND_SAYS(KT__WS_CLOSE, "\x0f\xa1", 0, closes, "\x88\x02\x0f\xa1");
        READS_AND_SAYS(KT__WS_PING | KT__WS_COMPRESSED, "", KT_EPROTOCOL, closes, "\x88\x34\x03\xea");
    }
    READS_AND_SAYS(KT__WS_PING, "a", KT_ETIMEDOUT, false, "\x8a\x01" "a");
}

TEST(an_answer_is_whole_when_the_read_is_cancelled_in_it)
{
    ends e;
    kt_task *t = NULL;
    ends_open(&e, NULL);
    for (int i = 0; i < 330; i++) /* fills all but ten bytes */
        CHECK_OK(kt_websocket_write(e.ws, KT_WEBSOCKET_TEXT, "a", 1));
    peer_says(&e, KT__WS_PING, "a longer ping");
    CHECK_ERR(read_for(e.ws, KT_MS(1)), KT_ETIMEDOUT);
    CHECK_OK(kt_spawn(writes_much, e.ws, 0, &t));
    for (int i = 0; i < 330; i++)
        HEARS(&e, "\x81\x01" "a");
    HEARS(&e, "\x8a\x0d" "a longer ping");
    hears_much(&e);
    CHECK_OK(kt_task_join(t));
    ends_close(&e);
}

/* Section 5.5.3. */
TEST(pongs_that_wait_are_few_and_in_order)
{
    ends e;
    char payload[101], heard_last[2 + 100];
    ends_open(&e, NULL);
    kt_task *t = begin_to_write(&e);
    for (int i = 0; i < 15; i++) {
        snprintf(payload, sizeof payload, "%0100d", i);
        peer_says(&e, KT__WS_PING, payload);
        CHECK_ERR(read_for(e.ws, KT_MS(1)), KT_ETIMEDOUT);
    }
    hears_much(&e);
    for (int i = 10; i < 15; i++) { /* the eleventh found no more room */
        snprintf(payload, sizeof payload, "%0100d", i);
        CHECK_OK(kt_stream_read_exactly(e.peer, heard_last, sizeof heard_last));
        CHECK_MEM(heard_last, "\x8a\x64", 2);
        CHECK_MEM(heard_last + 2, payload, 100);
    }
    CHECK_OK(kt_task_join(t));
    CHECK_OK(kt_websocket_write(e.ws, KT_WEBSOCKET_TEXT, "c", 1));
    HEARS(&e, "\x81\x01" "c");
    ends_close(&e);
}

static int pours_and_hears(void *arg)
{
    kt_websocket *ws = arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_websocket_message m;
    CHECK_OK(kt_group_spawn(&g, writes_much, ws, 0));
    CHECK_OK(kt_websocket_ping(ws, NULL, 0));
    CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_EQ(kt_websocket_read(ws, &m), 1);
    CHECK_EQ(m.data.size, MUCH);
    return kt_group_join(&g, 0);
}

/* Each waits for the other to read. */
TEST(two_that_write_and_ping_at_once_do_not_wait_for_each_other)
{
    kt_stream *two[2];
    kt_websocket *a = NULL, *b = NULL;
    kt_task *t = NULL;
    CHECK_OK(kt_stream_memory_pair(ROOM, two));
    CHECK_OK(kt_websocket_over(two[0], false, NULL, &a));
    CHECK_OK(kt_websocket_over(two[1], true, NULL, &b));
    kt_time start = kt_now();
    CHECK_OK(kt_spawn(pours_and_hears, a, 0, &t));
    CHECK_OK(pours_and_hears(b));
    CHECK_OK(kt_task_join(t));
    CHECK_LT(kt_now() - start, KT_S(1));
    CHECK_OK(kt_spawn(reads_to_the_end, a, 0, &t));
    kt_websocket_close(b);
    CHECK_OK(kt_task_join(t));
    kt_websocket_close(a);
}

/* ---- What reading has heard ------------------------------------------------------------------- */

TEST(pieces_after_a_cancelled_read_begin_where_the_message_does)
{
    ends e;
    kt_websocket_message m;
    ends_open(&e, NULL);
    static const char begin[] = "\x01\x82\0\0\0\0on", end[] = "\x80\x81\0\0\0\0" "e";
    CHECK_OK(kt_stream_write(e.peer, begin, sizeof begin - 1));
    CHECK_ERR(read_for(e.ws, KT_MS(1)), KT_ETIMEDOUT);
    CHECK_EQ(kt_websocket_read_part(e.ws, &m), 1);
    CHECK(kt_slice_is(m.data, "on") && !m.final && m.kind == KT_WEBSOCKET_TEXT);
    CHECK_OK(kt_stream_write(e.peer, end, sizeof end - 1));
    CHECK_EQ(kt_websocket_read_part(e.ws, &m), 1);
    CHECK(kt_slice_is(m.data, "e") && m.final);
    ends_close(&e);
}
