/* SPDX-License-Identifier: MIT */

/* The client by the letter of RFC 9113: frames that a server sends in answer to the first request, what the request
 * comes to, and what the connection does. After them the server answers as it should, unless they are all that there
 * is of its answer; so what is to be ignored, or costs another stream, ends in an answer. A second request is always
 * answered: by the same connection if that lives, and by another one if it was at fault. Each trial is run whole and,
 * in the simulated network, in segments of one byte. */
#include "h2_evil.h"
#include "h2_steps.h"

enum { STEPS = 8 };

typedef struct trial {
    const char *section, *what;
    step steps[STEPS]; /* as many as have a type, or bytes */
    const char *answer; /* what the request comes to; NULL: what had come before the end, or KT_EPROTOCOL */
    bool ends;         /* the connection */
    bool whole;        /* the steps are all of the answer */
    bool bare;         /* they are the first that the server says, without SETTINGS before them */
} trial;

static const trial *now;
static int answered; /* requests of the trial */

#define ENDS .ends = true
#define LIVES .ends = false
#define GOOD "200 fine"
#define BROKEN "KT_EPROTOCOL"
#define OK_HEAD HEAD(END_HEADERS, 1, ":status: 200")

/* ---- The server ------------------------------------------------------------------------------ */

/* What fails is that the client has ended the connection. */
static void acts(peer *p, uint32_t id)
{
    int rc = 0;
    bool first = answered++ == 0;
    for (const step *s = now->steps; first && rc == 0 && s < now->steps + STEPS && is_step(s); s++)
        rc = say_step(p, s);
    p->block_size = 0;
    if (rc < 0 || (first && now->whole))
        return;
    put_fields(p, ":status: 200");
    rc = try_frame(p, HEADERS, END_HEADERS, id, p->block, p->block_size);
    p->block_size = 0;
    if (rc == 0)
        (void)!try_frame(p, DATA, END_STREAM, id, "fine", 4);
}

/* ---- The client ------------------------------------------------------------------------------ */

static bool is_right(const char *said)
{
    if (now->answer)
        return strcmp(said, now->answer) == 0;
    return strncmp(said, "200 ", 4) == 0 || strcmp(said, BROKEN) == 0;
}

/* Whether it came out as it should. A connection that has to end and does not hangs the test. */
static bool run_trial(const trial *t, size_t segment_max)
{
    evil e = {.acts = acts, .bare = t->bare, .segment_max = segment_max};
    now = t;
    answered = 0;
    kt_test_say("%s: %s%s", t->section, t->what, segment_max ? ", byte by byte" : "");
    evil_open(&e, (kt_http_session_options){0});
    const char *said = ask(e.web, "/");
    bool right = is_right(said);
    if (!right)
        fprintf(stderr, "%s: %s: it came to %s\n", t->section, t->what, said);
    while (t->ends && e.dropped < 1)
        CHECK_OK(kt_sleep(0));
    bool goes_on = strcmp(ask(e.web, "/"), GOOD) == 0 && e.connections == (t->ends ? 2 : 1);
    if (!goes_on)
        fprintf(stderr, "%s: %s: another request, and %d connections\n", t->section, t->what, e.connections);
    evil_close(&e);
    return right && goes_on;
}

static void run_trials(const trial *trials, size_t count)
{
    size_t wrong = 0;
    for (size_t segment_max = 0; segment_max <= is_simulated(); segment_max++)
        for (size_t i = 0; i < count; i++)
            wrong += !run_trial(&trials[i], segment_max);
    if (wrong > 0)
        kt_test_fail("%zu trials of %zu came out wrong", wrong, count);
}

#define TRIALS(name, ...) \
    TEST(name) \
    { \
        static const trial trials[] = {__VA_ARGS__}; \
        run_trials(trials, sizeof trials / sizeof trials[0]); \
    }

/* ---- Trials ---------------------------------------------------------------------------------- */

TRIALS(a_server_begins_with_its_settings,
    {"3.4", "SETTINGS", {FRAME(SETTINGS, 0, 0, "")}, GOOD, LIVES, .bare = true},
    {"3.4", "an answer before SETTINGS", {OK_HEAD}, BROKEN, ENDS, .bare = true},
    {"3.4", "a PING before SETTINGS", {FRAME(PING, 0, 0, "12345678")}, BROKEN, ENDS, .bare = true},
    {"3.4", "an acknowledgement before SETTINGS", {FRAME(SETTINGS, ACK, 0, "")}, BROKEN, ENDS, .bare = true},
    {"3.4", "an answer of HTTP/1.1", {FRAME(SAY, 0, 0, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")},
     BROKEN, ENDS, .bare = true}, )

TRIALS(frames_have_known_sizes_and_unknown_types_are_ignored,
    {"4.1", "an unknown type", {FRAME(0xfa, 0, 1, "12345678")}, GOOD, LIVES},
    {"4.1", "an unknown type for the connection", {FRAME(0xfa, 0xff, 0, "")}, GOOD, LIVES},
    {"4.1", "unknown flags", {FRAME(PING, 0xfe, 0, "12345678")}, GOOD, LIVES},
    {"4.1", "the reserved bit", {FRAME(PING, 0, 0x80000000, "12345678")}, GOOD, LIVES},
    {"4.2", "DATA of 16384 bytes", {OK_HEAD, ZEROS(DATA, 0, 1, 16384), FRAME(RST_STREAM, 0, 1, "\0\0\0\2")},
     "200 ECONNRESET", LIVES, .whole = true},
    {"4.2", "DATA of 16385 bytes", {OK_HEAD, ZEROS(DATA, 0, 1, 16385)}, NULL, ENDS},
    {"4.2", "HEADERS of 16385 bytes", {ZEROS(HEADERS, 0, 1, 16385)}, BROKEN, ENDS},
    {"4.2", "an unknown type of 16385 bytes", {ZEROS(0xfa, 0, 0, 16385)}, BROKEN, ENDS}, )

TRIALS(field_blocks_can_be_unpacked,
    {"4.3", "an index that is not there", {FRAME(HEADERS, 4, 1, "\x88\xff\x80\x01")}, BROKEN, ENDS},
    {"4.3", "index 0", {FRAME(HEADERS, 4, 1, "\x88\x80")}, BROKEN, ENDS},
    {"4.3", "a name that is cut off", {FRAME(HEADERS, 4, 1, "\x88\0\5ab")}, BROKEN, ENDS},
    {"4.3", "a number without end", {FRAME(HEADERS, 4, 1, "\x88\0\x7f\xff\xff\xff\xff\xff\xff\x7f")}, BROKEN, ENDS},
    {"4.3", "a table larger than ours", {FRAME(HEADERS, 4, 1, "\x3f\xff\xff\x03\x88")}, BROKEN, ENDS},
    {"4.3", "a table of no size", {FRAME(HEADERS, 5, 1, "\x20\x88")}, "200 ", LIVES, .whole = true},
    {"4.3", "a size at the block's end", {FRAME(HEADERS, 4, 1, "\x88\x20")}, BROKEN, ENDS},
    {"4.3", "a wrong Huffman code", {FRAME(HEADERS, 4, 1, "\x88\0\1x\x84\xff\xff\xff\xff")}, BROKEN, ENDS},
    {"4.3", "trailers that cannot be unpacked", {OK_HEAD, FRAME(HEADERS, 5, 1, "\x80")}, NULL, ENDS}, )

TRIALS(streams_are_those_that_were_opened,
    {"5.1", "DATA for an idle stream", {FRAME(DATA, 0, 9, "a")}, BROKEN, ENDS},
    {"5.1", "HEADERS for an idle stream", {HEAD(4, 9, ":status: 200")}, BROKEN, ENDS},
    {"5.1", "RST_STREAM for an idle stream", {FRAME(RST_STREAM, 0, 9, "\0\0\0\2")}, BROKEN, ENDS},
    {"5.1", "WINDOW_UPDATE for an idle stream", {FRAME(WINDOW_UPDATE, 0, 9, "\0\0\0\1")}, BROKEN, ENDS},
    {"5.1", "PRIORITY for an idle stream", {FRAME(PRIORITY, 0, 9, "\0\0\0\0\1")}, GOOD, LIVES},
    {"5.1", "WINDOW_UPDATE after the end", {HEAD(5, 1, ":status: 200"), FRAME(WINDOW_UPDATE, 0, 1, "\0\0\0\1")},
     "200 ", LIVES, .whole = true},
    {"5.1", "RST_STREAM after the end", {HEAD(5, 1, ":status: 200"), FRAME(RST_STREAM, 0, 1, "\0\0\0\0")}, "200 ",
     LIVES, .whole = true},
    {"5.1.1", "HEADERS for a stream of the server's", {HEAD(4, 2, ":status: 200")}, BROKEN, ENDS},
    {"5.1.1", "DATA for a stream of the server's", {FRAME(DATA, 0, 2, "a")}, BROKEN, ENDS},
    {"5.1.1", "WINDOW_UPDATE for a stream of the server's", {FRAME(WINDOW_UPDATE, 0, 2, "\0\0\0\1")}, BROKEN, ENDS},
    {"5.1.1", "RST_STREAM for a stream of the server's", {FRAME(RST_STREAM, 0, 2, "\0\0\0\2")}, BROKEN, ENDS}, )

TRIALS(data_belongs_to_an_answer,
    {"6.1", "for the connection", {FRAME(DATA, 0, 0, "a")}, BROKEN, ENDS},
    {"6.1", "padded", {OK_HEAD, FRAME(DATA, PADDED | END_STREAM, 1, "\2ok\0\0")}, "200 ok", LIVES, .whole = true},
    {"6.1", "nothing but padding", {OK_HEAD, FRAME(DATA, PADDED | END_STREAM, 1, "\2\0\0")}, "200 ", LIVES,
     .whole = true},
    {"6.1", "more padding than bytes", {OK_HEAD, FRAME(DATA, PADDED, 1, "\4ok\0")}, NULL, ENDS},
    {"6.1", "as much padding as bytes", {OK_HEAD, FRAME(DATA, PADDED, 1, "\1")}, NULL, ENDS},
    {"6.1", "no room for the padding's size", {OK_HEAD, FRAME(DATA, PADDED, 1, "")}, NULL, ENDS},
    /* A stream's error, which may be taken for one of the connection (section 5.4.1), as nghttp2 does. */
    {"8.1", "before a head", {FRAME(DATA, 0, 1, "a")}, BROKEN, ENDS},
    {"8.1", "after an interim head", {HEAD(4, 1, ":status: 103"), FRAME(DATA, 1, 1, "a")}, BROKEN, LIVES,
     .whole = true}, )

TRIALS(heads_belong_to_requests,
    {"6.2", "for the connection", {HEAD(4, 0, ":status: 200")}, BROKEN, ENDS},
    {"6.2", "padded", {FRAME(HEADERS, PADDED | WHOLE, 1, "\2\x88\0\0")}, "200 ", LIVES, .whole = true},
    {"6.2", "more padding than bytes", {FRAME(HEADERS, PADDED | WHOLE, 1, "\3\x88\0")}, BROKEN, ENDS},
    {"6.2", "with a priority", {FRAME(HEADERS, WITH_PRIORITY | WHOLE, 1, "\0\0\0\0\1\x88")}, "200 ", LIVES,
     .whole = true},
    {"6.2", "no room for the priority", {FRAME(HEADERS, WITH_PRIORITY | WHOLE, 1, "\0\0\0")}, BROKEN, ENDS},
    {"6.2", "another frame in the block", {HEAD(0, 1, ":status: 200"), FRAME(PING, 0, 0, "12345678")}, BROKEN, ENDS},
    {"6.2", "an unknown frame in the block", {HEAD(0, 1, ":status: 200"), FRAME(0xfa, 0, 1, "")}, BROKEN, ENDS}, )

TRIALS(priorities_of_servers_are_checked_and_ignored,
    {"6.3", "for the stream", {FRAME(PRIORITY, 0, 1, "\0\0\0\0\1")}, GOOD, LIVES},
    {"6.3", "for the connection", {FRAME(PRIORITY, 0, 0, "\0\0\0\0\1")}, BROKEN, ENDS},
    {"6.3", "6 bytes", {FRAME(PRIORITY, 0, 0, "\0\0\0\0\1\0")}, BROKEN, ENDS}, )

TRIALS(resets_end_their_stream_alone,
    {"6.4", "for the connection", {FRAME(RST_STREAM, 0, 0, "\0\0\0\2")}, BROKEN, ENDS},
    {"6.4", "3 bytes", {FRAME(RST_STREAM, 0, 1, "\0\0\2")}, BROKEN, ENDS},
    {"6.4", "5 bytes", {FRAME(RST_STREAM, 0, 1, "\0\0\0\2\0")}, BROKEN, ENDS},
    {"6.4", "INTERNAL_ERROR", {FRAME(RST_STREAM, 0, 1, "\0\0\0\2")}, "ECONNRESET", LIVES, .whole = true},
    {"6.4", "CANCEL", {FRAME(RST_STREAM, 0, 1, "\0\0\0\x8")}, "ECONNRESET", LIVES, .whole = true},
    {"6.4", "PROTOCOL_ERROR", {FRAME(RST_STREAM, 0, 1, "\0\0\0\1")}, BROKEN, LIVES, .whole = true},
    {"6.4", "an unknown error", {FRAME(RST_STREAM, 0, 1, "\xff\xff\xff\xff")}, "ECONNRESET", LIVES, .whole = true},
    {"6.4", "NO_ERROR before the answer", {FRAME(RST_STREAM, 0, 1, "\0\0\0\0")}, "ECONNRESET", LIVES, .whole = true},
    {"6.4", "in the midst of the answer", {OK_HEAD, FRAME(DATA, 0, 1, "a"), FRAME(RST_STREAM, 0, 1, "\0\0\0\2")},
     "200 ECONNRESET", LIVES, .whole = true}, )

TRIALS(settings_have_their_values,
    {"6.5", "none", {FRAME(SETTINGS, 0, 0, "")}, GOOD, LIVES},
    {"6.5", "for a stream", {FRAME(SETTINGS, 0, 1, "")}, BROKEN, ENDS},
    {"6.5", "5 bytes", {FRAME(SETTINGS, 0, 0, "\0\4\0\0\1")}, BROKEN, ENDS},
    {"6.5", "an acknowledgement with bytes", {FRAME(SETTINGS, ACK, 0, "\0\4\0\0\0\1")}, BROKEN, ENDS},
    {"6.5.2", "an unknown one", {FRAME(SETTINGS, 0, 0, "\xff\xff\0\0\0\1")}, GOOD, LIVES},
    {"6.5.2", "ENABLE_PUSH by a server", {FRAME(SETTINGS, 0, 0, "\0\2\0\0\0\1")}, BROKEN, ENDS},
    {"6.5.2", "ENABLE_PUSH of 0", {FRAME(SETTINGS, 0, 0, "\0\2\0\0\0\0")}, GOOD, LIVES},
    {"6.5.2", "INITIAL_WINDOW_SIZE of 2^31", {FRAME(SETTINGS, 0, 0, "\0\4\x80\0\0\0")}, BROKEN, ENDS},
    {"6.5.2", "MAX_FRAME_SIZE of 16383", {FRAME(SETTINGS, 0, 0, "\0\5\0\0\x3f\xff")}, BROKEN, ENDS},
    {"6.5.2", "MAX_FRAME_SIZE of 2^24", {FRAME(SETTINGS, 0, 0, "\0\5\1\0\0\0")}, BROKEN, ENDS},
    {"6.5.2", "MAX_FRAME_SIZE of 2^24 - 1", {FRAME(SETTINGS, 0, 0, "\0\5\0\xff\xff\xff")}, GOOD, LIVES},
    {"6.5.2", "HEADER_TABLE_SIZE of 0", {FRAME(SETTINGS, 0, 0, "\0\1\0\0\0\0")}, GOOD, LIVES}, )

TRIALS(nothing_is_pushed,
    {"6.6", "a promise", {FRAME(PUSH_PROMISE, 4, 1, "\0\0\0\2\x82\x84\x86\x41\1a")}, BROKEN, ENDS},
    {"6.6", "a promise for the connection", {FRAME(PUSH_PROMISE, 4, 0, "\0\0\0\2\x82")}, BROKEN, ENDS},
    {"6.6", "a promise of a stream of ours", {FRAME(PUSH_PROMISE, 4, 1, "\0\0\0\3\x82")}, BROKEN, ENDS}, )

TRIALS(pings_are_taken,
    {"6.7", "one", {FRAME(PING, 0, 0, "12345678")}, GOOD, LIVES},
    {"6.7", "an answer to none", {FRAME(PING, ACK, 0, "12345678")}, GOOD, LIVES},
    {"6.7", "7 bytes", {FRAME(PING, 0, 0, "1234567")}, BROKEN, ENDS},
    {"6.7", "9 bytes", {FRAME(PING, 0, 0, "123456789")}, BROKEN, ENDS},
    {"6.7", "for a stream", {FRAME(PING, 0, 1, "12345678")}, BROKEN, ENDS}, )

TRIALS(a_good_bye_lets_what_is_under_way_end,
    {"6.8", "for later streams", {FRAME(GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0")}, GOOD, ENDS},
    {"6.8", "for this one, too, which is sent again", {FRAME(GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0")}, GOOD, ENDS,
     .whole = true},
    {"6.8", "for a stream", {FRAME(GOAWAY, 0, 1, "\0\0\0\1\0\0\0\0")}, BROKEN, ENDS},
    {"6.8", "7 bytes", {FRAME(GOAWAY, 0, 0, "\0\0\0\1\0\0\0")}, BROKEN, ENDS},
    {"6.8", "with words", {FRAME(GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0so long")}, GOOD, ENDS},
    {"6.8", "a second one that lets more through",
     {FRAME(GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0"), FRAME(GOAWAY, 0, 0, "\0\0\0\3\0\0\0\0")}, BROKEN, ENDS}, )

TRIALS(windows_do_not_overflow,
    {"6.9", "an increment of 0 for the connection", {FRAME(WINDOW_UPDATE, 0, 0, "\0\0\0\0")}, BROKEN, ENDS},
    /* A stream's error, which may be taken for one of the connection (section 5.4.1), as nghttp2 does. */
    {"6.9", "an increment of 0 for the stream", {FRAME(WINDOW_UPDATE, 0, 1, "\0\0\0\0")}, BROKEN, ENDS},
    {"6.9", "3 bytes", {FRAME(WINDOW_UPDATE, 0, 1, "\0\0\1")}, BROKEN, ENDS},
    {"6.9", "5 bytes", {FRAME(WINDOW_UPDATE, 0, 1, "\0\0\0\1\0")}, BROKEN, ENDS},
    {"6.9", "the reserved bit", {FRAME(WINDOW_UPDATE, 0, 1, "\x80\0\0\1")}, GOOD, LIVES},
    {"6.9.1", "the connection's", {FRAME(WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff")}, BROKEN, ENDS},
    {"6.9.1", "the stream's", {FRAME(WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff")}, BROKEN, LIVES, .whole = true},
    {"6.9.2", "the stream's, by SETTINGS",
     {FRAME(WINDOW_UPDATE, 0, 1, "\0\0\0\1"), FRAME(SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff")}, BROKEN, ENDS},
    {"6.9.2", "a stream's that is as wide as can be", {FRAME(SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff")}, GOOD, LIVES}, )

TRIALS(field_blocks_go_on_in_continuations,
    {"6.10", "one", {HEAD(1, 1, ":status: 200"), MORE(4, 1, "a: b")}, "200 ", LIVES, .whole = true},
    {"6.10", "an empty one", {HEAD(1, 1, ":status: 200"), FRAME(CONTINUATION, 4, 1, "")}, "200 ", LIVES, .whole = true},
    {"6.10", "without a block", {MORE(4, 1, "a: b")}, BROKEN, ENDS},
    {"6.10", "after a block's end", {OK_HEAD, MORE(4, 1, "a: b")}, NULL, ENDS},
    {"6.10", "of another stream", {HEAD(0, 1, ":status: 200"), MORE(4, 3, "a: b")}, BROKEN, ENDS},
    {"6.10", "for the connection", {HEAD(0, 1, ":status: 200"), MORE(4, 0, "a: b")}, BROKEN, ENDS},
    {"6.10", "DATA instead", {HEAD(0, 1, ":status: 200"), FRAME(DATA, 1, 1, "a")}, BROKEN, ENDS}, )

/* RFC 9113 section 8.1.1: what is malformed is an error of its stream. */
TRIALS(answers_are_well_formed,
    {"8.1", "interim heads", {HEAD(4, 1, ":status: 100"), HEAD(4, 1, ":status: 103\na: b")}, GOOD, LIVES},
    {"8.1", "an interim head that ends it", {HEAD(5, 1, ":status: 103")}, BROKEN, LIVES, .whole = true},
    {"8.1", "trailers", {OK_HEAD, FRAME(DATA, 0, 1, "ok"), HEAD(5, 1, "a: b")}, "200 ok", LIVES, .whole = true},
    {"8.1", "trailers that do not end it", {OK_HEAD, HEAD(4, 1, "a: b")}, "200 KT_EPROTOCOL", LIVES, .whole = true},
    {"8.1", "trailers with a status", {OK_HEAD, HEAD(5, 1, ":status: 200")}, "200 KT_EPROTOCOL", LIVES, .whole = true},
    {"8.1.1", "more than its length", {HEAD(4, 1, ":status: 200\ncontent-length: 1"), FRAME(DATA, 1, 1, "ok")},
     "200 KT_EPROTOCOL", LIVES, .whole = true},
    {"8.1.1", "less than its length", {HEAD(4, 1, ":status: 200\ncontent-length: 3"), FRAME(DATA, 1, 1, "ok")},
     "200 KT_EPROTOCOL", LIVES, .whole = true},
    {"8.1.1", "two lengths", {HEAD(4, 1, ":status: 200\ncontent-length: 1\ncontent-length: 2")}, BROKEN, LIVES,
     .whole = true},
    {"8.2.1", "a name in capitals", {HEAD(4, 1, ":status: 200\nA: b")}, BROKEN, LIVES, .whole = true},
    {"8.2.1", "a name with a space", {HEAD(4, 1, ":status: 200\na b: c")}, BROKEN, LIVES, .whole = true},
    {"8.2.1", "a value with a line end", {FRAME(HEADERS, 4, 1, "\x88\0\1a\3b\nc")}, BROKEN, LIVES, .whole = true},
    {"8.2.1", "a value with a zero byte", {FRAME(HEADERS, 4, 1, "\x88\0\1a\3b\0c")}, BROKEN, LIVES, .whole = true},
    {"8.2.2", "connection", {HEAD(4, 1, ":status: 200\nconnection: close")}, BROKEN, LIVES, .whole = true},
    {"8.2.2", "transfer-encoding", {HEAD(4, 1, ":status: 200\ntransfer-encoding: chunked")}, BROKEN, LIVES,
     .whole = true},
    {"8.3", "a status behind a field", {HEAD(4, 1, "a: b\n:status: 200")}, BROKEN, LIVES, .whole = true},
    {"8.3", "an unknown pseudo-field", {HEAD(4, 1, ":status: 200\n:colour: green")}, BROKEN, LIVES, .whole = true},
    {"8.3", "a request's pseudo-field", {HEAD(4, 1, ":status: 200\n:path: /")}, BROKEN, LIVES, .whole = true},
    {"8.3.2", "no status", {HEAD(4, 1, "a: b")}, BROKEN, LIVES, .whole = true},
    {"8.3.2", "two", {HEAD(4, 1, ":status: 200\n:status: 200")}, BROKEN, LIVES, .whole = true},
    {"8.3.2", "one of two digits", {HEAD(4, 1, ":status: 20")}, BROKEN, LIVES, .whole = true},
    {"8.3.2", "one of four digits", {HEAD(4, 1, ":status: 2000")}, BROKEN, LIVES, .whole = true},
    {"8.3.2", "a word", {HEAD(4, 1, ":status: abc")}, BROKEN, LIVES, .whole = true},
    {"8.6", "101", {HEAD(4, 1, ":status: 101")}, BROKEN, LIVES, .whole = true},
    {"8.7", "refused, which is sent again", {FRAME(RST_STREAM, 0, 1, "\0\0\0\7")}, GOOD, LIVES, .whole = true}, )
