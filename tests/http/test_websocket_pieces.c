/* SPDX-License-Identifier: MIT */
/* What a WebSocket makes of bytes, in whatever pieces they come: the same messages, and the same close code. */
#include <kettle/stream_backend.h>
#include <kettle/test.h>
#include <stdio.h>

#include "http/websocket_private.h"

#define S(text) text, sizeof text - 1

/* Gives its bytes `step` at a time, and keeps the last frame that is written. */
typedef struct source {
    const char *bytes;
    size_t size, at, step;
    char written[300];
    size_t written_size;
} source;

static ssize_t source_read(void *object, void *bytes, size_t size)
{
    source *s = object;
    size = size < s->step ? size : s->step;
    size = size < s->size - s->at ? size : s->size - s->at;
    if (size > 0)
        memcpy(bytes, s->bytes + s->at, size);
    s->at += size;
    return (ssize_t)size;
}

static ssize_t source_writev(void *object, const struct iovec *pieces, size_t count)
{
    source *s = object;
    size_t all = s->written_size = 0;
    for (size_t i = 0; i < count; i++) {
        CHECK_LE(s->written_size + pieces[i].iov_len, sizeof s->written);
        memcpy(s->written + s->written_size, pieces[i].iov_base, pieces[i].iov_len);
        s->written_size += pieces[i].iov_len;
        all += pieces[i].iov_len;
    }
    return (ssize_t)all;
}

static int source_shutdown_write(void *object)
{
    (void)object;
    return 0;
}

static void source_close(void *object)
{
    (void)object;
}

static const kt_stream_backend source_backend = {
    .name = "source",
    .read = source_read,
    .writev = source_writev,
    .shutdown_write = source_shutdown_write,
    .close = source_close,
};

typedef struct pieces_case {
    const char *name;
    const char *bytes;
    size_t size;
    const char *expected; /* messages, and " 1007" if that is the close code with which it ends */
} pieces_case;

/* Whole messages, or their parts put together; of one that fails nothing, for how much is given before depends on the
 * pieces. Then the code of our close frame, where that is the answer to a failure. */
static void run(const pieces_case *c, size_t step, bool parts, char *out, size_t room)
{
    source from = {.bytes = c->bytes, .size = c->size, .step = step};
    kt_websocket_options o;
    kt_stream *s;
    kt_websocket_message m;
    size_t settled = 0, at = 0;
    int rc;
    CHECK_OK(kt__ws_options_fill(&(kt_websocket_options){.message_bytes_max = 20}, &o));
    CHECK_OK(kt_stream_new(&source_backend, &from, &s));
    kt_websocket *ws = kt__ws_new(s, true, &o, &(kt__ws_deflate){.on = true, .bits_out = 15, .bits_in = 15});
    CHECK(ws != NULL);
    ws->owns_stream = true;
    while ((rc = parts ? kt_websocket_read_part(ws, &m) : kt_websocket_read(ws, &m)) > 0) {
        at += (size_t)snprintf(out + at, room - at, "%.*s%s", (int)m.data.size, m.data.size ? m.data.data : "",
                               m.final ? "." : "");
        CHECK_LT(at, room);
        settled = m.final ? at : settled;
    }
    const uint8_t *close = (const uint8_t *)from.written + 6, *mask = close - 4;
    if (rc < 0 && from.written_size >= 8 && from.written[0] == '\x88')
        snprintf(out + settled, room - settled, " %d", (close[0] ^ mask[0]) << 8 | (close[1] ^ mask[1]));
    else
        out[settled] = '\0';
    kt_websocket_close(ws);
}

static void check_all(const pieces_case *cases, size_t count, bool parts)
{
    char got[400];
    for (size_t i = 0; i < count; i++)
        for (size_t step = 1; step <= cases[i].size; step++) {
            kt_test_say("%s, %zu bytes at a time", cases[i].name, step);
            run(&cases[i], step, parts, got, sizeof got);
            CHECK_STR(got, cases[i].expected);
        }
}

#define ALL(cases) cases, sizeof(cases) / sizeof((cases)[0])

/* The limit is 20 bytes. Of two mistakes the first one counts, and a frame is too long from its head on. */
TEST(of_a_limit_and_bad_text_the_first_one_counts_in_any_pieces)
{
    static const pieces_case cases[] = {
        {"as long as allowed", S("\x81\x14""12345678901234567890"), "12345678901234567890."},
        {"too long", S("\x81\x15""123456789012345678901"), " 1009"},
        {"too long, and then no text", S("\x81\x17""123456789012345678901\xff\xff"), " 1009"},
        {"no text, and then too long", S("\x81\x17""\xff""2345678901234567890123"), " 1009"},
        {"no text, and then a piece too long", S("\x01\x02""\xff""2\x80\x13""3456789012345678901"), " 1007"},
        {"a piece too long, and then no text", S("\x01\x02""12\x80\x14""3456789012345678901\xff"), " 1009"},
        {"pings between do not count", S("\x01\x0a""1234567890\x89\x05""hello\x80\x0a""1234567890"),
         "12345678901234567890."},
        {"each message anew", S("\x82\x14""12345678901234567890\x82\x01""x\x82\x15""abcdefghijklmnopqrstu"),
         "12345678901234567890.x. 1009"},
        {"sizes that overflow", S("\x01\x02""12\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), " 1009"},
    };
    check_all(ALL(cases), false);
}

/* In stored blocks of deflate (RFC 1951 section 3.2.4): 00 size ~size bytes. The last byte of a message is the
 * beginning of the empty block that ends it. */
TEST(of_compressed_bytes_the_first_mistake_counts_in_any_pieces)
{
    static const pieces_case cases[] = {
        {"as long as allowed", S("\xc1\x1a\x00\x14\x00\xeb\xff""12345678901234567890\x00"), "12345678901234567890."},
        {"too long, and then no text", S("\xc1\x1c\x00\x16\x00\xe9\xff""12345678901234567890\xe2\xff\x00"), " 1009"},
        {"no text, and then too long", S("\xc1\x1c\x00\x16\x00\xe9\xff""123456789012345678\xff""012\x00"), " 1007"},
        {"too long, and then no deflate", S("\xc1\x1b\x00\x15\x00\xea\xff""123456789012345678901\x07"), " 1009"},
        {"no deflate, and then too long", S("\xc1\x04\x00\x15\x00\x00"), " 1007"},
        {"cut text", S("\xc1\x08\x00\x02\x00\xfd\xff""1\xe2\x00"), " 1007"},
    };
    check_all(ALL(cases), false);
}

/* The limit does not count. What is wrong with a piece is told before anything behind it is looked at. */
TEST(parts_fail_with_the_same_code_in_any_pieces)
{
    static const pieces_case cases[] = {
        {"a long one", S("\x01\x14""12345678901234567890\x80\x05""abcde"), "12345678901234567890abcde."},
        {"compressed in two frames", S("\x41\x05\x00\x02\x00\xfd\xff\x89\x00\x80\x03""hi\x00"), "hi."},
        {"an empty piece", S("\x41\x07\x00\x02\x00\xfd\xff""hi\x00\x00\x80\x01\x00"), "hi."},
        {"no deflate, and then no frame", S("\x41\x08\x00\x02\x00\xfd\xff""hi\x07\x8f\x00"), " 1007"},
        {"no text, and then no frame", S("\x41\x08\x00\x02\x00\xfd\xff""h\xff\x00\x8f\x00"), " 1007"},
    };
    check_all(ALL(cases), true);
}
