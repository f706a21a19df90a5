/* SPDX-License-Identifier: MIT */
/* Every byte at every place of a message, and the classes of cases in which lenient parsers differ: all at every
 * split. */
#include "test_parser_cases.h"

#include <kettle/test.h>
#include <stdio.h>

#define HOST "Host: h\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

static const replay_setup request = {.role = KT__HTTP_REQUEST};
static const replay_setup response = {.role = KT__HTTP_RESPONSE};

/* ---- Every byte ------------------------------------------------------------------------------- */

static bool is_alphanumeric(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_one_of(unsigned char c, const char *set)
{
    return c != 0 && strchr(set, c);
}

/* RFC 9110 section 5.6.2. */
static bool in_token(unsigned char c)
{
    return is_alphanumeric(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

/* A colon ends the name, and what follows is the value. */
static bool in_name(unsigned char c)
{
    return in_token(c) || c == ':';
}

/* RFC 3986 section 3.3, of which "?" begins the query. A "%" is followed by two digits here. */
static bool in_path(unsigned char c)
{
    return is_alphanumeric(c) || is_one_of(c, "-._~!$&'()*+,;=:@/?%");
}

/* RFC 3986 section 3.4, and what browsers send there as it is (see parser_target.c). */
static bool in_query(unsigned char c)
{
    return in_path(c) || is_one_of(c, "[]{}|\\^`");
}

/* RFC 9110 section 5.5, RFC 9112 section 4. */
static bool in_text(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

/* RFC 9112 section 7.1.1: ";a" byte "b". */
static bool in_extension(unsigned char c)
{
    return in_token(c) || c == ';' || c == '=';
}

/* RFC 9110 section 5.6.4: a quote would end it too early, and a backslash quotes what follows. */
static bool in_quotes(unsigned char c)
{
    return in_text(c) && c != '"';
}

static bool is_hexadecimal(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

typedef struct place {
    const char *name;
    const replay_setup *setup;
    const char *before, *behind;
    bool (*allowed)(unsigned char c);
} place;

static const place places[] = {
    {"method", &request, "GE", "T / HTTP/1.1\r\n" HOST "\r\n", in_token},
    {"path", &request, "GET /a", "41b HTTP/1.1\r\n" HOST "\r\n", in_path},
    {"query", &request, "GET /?a", "41b HTTP/1.1\r\n" HOST "\r\n", in_query},
    {"header name", &request, GET "A", "B: c\r\n\r\n", in_name},
    {"header value", &request, GET "A: b", "c\r\n\r\n", in_text},
    {"long header value", &request, GET "A: 0123456789abcdef0123456789abcdef", "0123456789abcdef\r\n\r\n", in_text},
    {"reason", &response, "HTTP/1.1 200 O", "K\r\nContent-Length: 0\r\n\r\n", in_text},
    {"chunk size", &request, CHUNKED "1", "\r\n", is_hexadecimal},
    {"chunk extension", &request, CHUNKED "1;a", "b\r\nx\r\n0\r\n\r\n", in_extension},
    {"quoted extension", &request, CHUNKED "1;a=\"b", "c\"\r\nx\r\n0\r\n\r\n", in_quotes},
    {"trailer name", &request, CHUNKED "0\r\nA", "B: c\r\n\r\n", in_name},
    {"trailer value", &request, CHUNKED "0\r\nA: b", "c\r\n\r\n", in_text},
};

static bool is_refused(const replay_transcript *t)
{
    return strstr(t->text, "400@") || strstr(t->text, "502@");
}

static void check_at_every_split(const replay_setup *plain, const char *input, size_t size, bool allowed)
{
    static replay_transcript whole, cut;
    replay_setup guarded = *plain, *setup = &guarded;
    guarded.place = replay_place_at_guard;
    replay_run(setup, input, size, replay_whole, NULL, &whole);
    CHECK_STR(whole.broken, NULL);
    CHECK_EQ(is_refused(&whole), !allowed);
    for (size_t first = 1; first < size; first++) {
        replay_run(setup, input, size, replay_two, &first, &cut);
        CHECK_STR(cut.broken, NULL);
        CHECK_EQ(cut.size, whole.size);
        CHECK_EQ(memcmp(cut.text, whole.text, whole.size), 0);
    }
    replay_run(setup, input, size, replay_bytes, NULL, &cut);
    CHECK_EQ(cut.size, whole.size);
    CHECK_EQ(memcmp(cut.text, whole.text, whole.size), 0);
}

TEST(each_byte_stands_where_the_grammar_has_it_and_nowhere_else)
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        for (unsigned c = 0; c < 256; c++) {
            char input[300];
            size_t before = strlen(places[i].before), behind = strlen(places[i].behind);
            CHECK_LT(before + behind + 1, sizeof input);
            memcpy(input, places[i].before, before);
            input[before] = (char)c;
            memcpy(input + before + 1, places[i].behind, behind);
            kt_test_say("0x%02x in a %s", c, places[i].name);
            check_at_every_split(places[i].setup, input, before + 1 + behind,
                                 places[i].allowed((unsigned char)c));
        }
}

/* ---- Requests --------------------------------------------------------------------------------- */

#define PLAIN(method) \
    CASE("9110 9", method " / HTTP/1.1\r\n" HOST "\r\n", method " / 1.1 host=h none keep {Host=h} end")

TEST(any_token_is_a_method)
{
    static const parser_case cases[] = {
        PLAIN("GET"), PLAIN("HEAD"), PLAIN("POST"), PLAIN("PUT"), PLAIN("DELETE"), PLAIN("TRACE"), PLAIN("OPTIONS"),
        PLAIN("PATCH"), PLAIN("ACL"), PLAIN("BIND"), PLAIN("CHECKOUT"), PLAIN("COPY"), PLAIN("LINK"), PLAIN("LOCK"),
        PLAIN("MKCALENDAR"), PLAIN("MKCOL"), PLAIN("MOVE"), PLAIN("M-SEARCH"), PLAIN("NOTIFY"), PLAIN("PROPFIND"),
        PLAIN("PURGE"), PLAIN("QUERY"), PLAIN("REPORT"), PLAIN("SEARCH"), PLAIN("SUBSCRIBE"), PLAIN("UNLOCK"),
        PLAIN("PRI"), PLAIN("G"), PLAIN("gEt"), PLAIN("0"), PLAIN("VERSION-CONTROL"),
    };
    CASES_RUN(&request, cases);
}

TEST(versions_are_of_http_1_only)
{
    static const parser_case cases[] = {
        CASE("9110 15.6.6", "GET / ^HTTP/0.0\r\n", "505@^ HTTP version not supported"),
        CASE("9110 15.6.6", "GET / ^HTTP/3.0\r\n", "505@^ HTTP version not supported"),
        CASE("9110 15.6.6", "GET / ^HTTP/9.9\r\n", "505@^ HTTP version not supported"),
        CASE("9112 2.3", "GET / HTTP^S/1.1\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HT^P/1.1\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / ^RTSP/1.1\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / ^ICE/1.0\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HTTP/1.^\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HTTP/1^\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HTTP/^.1\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HTTP/^\xd9\xa1.1\r\n", "400@^ bad HTTP version"),
    };
    CASES_RUN(&request, cases);
}

TEST(an_upgrade_comes_after_the_body)
{
    static const parser_case cases[] = {
        CASE("9110 7.8", GET "Connection: Upgrade\r\nUpgrade: a\r\nContent-Length: 2\r\n\r\nhixy",
             "GET / 1.1 host=h length=2 keep upgrade {Host=h,Connection=Upgrade,Upgrade=a,Content-Length=2} body(hi) "
             "end rest=2"),
        CASE("9110 7.8", GET "Connection: Upgrade\r\nUpgrade: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             "1\r\nx\r\n0\r\n\r\ny",
             "GET / 1.1 host=h chunked keep upgrade {Host=h,Connection=Upgrade,Upgrade=a,Transfer-Encoding=chunked} "
             "body(x) end rest=1"),
        CASE("9110 7.8", GET "Connection: Upgrade\r\n\r\n" GET "\r\n",
             "GET / 1.1 host=h none keep {Host=h,Connection=Upgrade} end GET / 1.1 host=h none keep {Host=h} end"),
        CASE("9110 7.8", GET "Connection: keep-alive, Upgrade\r\nUpgrade: a, b/1\r\n\r\nz",
             "GET / 1.1 host=h none keep upgrade {Host=h,Connection=keep-alive, Upgrade,Upgrade=a, b/1} end rest=1"),
    };
    CASES_RUN(&request, cases);
}

TEST(pipelined_requests_end_where_they_say)
{
    static const parser_case cases[] = {
        CASE("9112 9.3.2", CHUNKED "1;x\r\na\r\n0\r\nT: u\r\n\r\n" GET "\r\n" CHUNKED "0\r\n\r\n",
             "POST / 1.1 host=h chunked keep {Host=h,Transfer-Encoding=chunked} body(a) end{T=u} "
             "GET / 1.1 host=h none keep {Host=h} end "
             "POST / 1.1 host=h chunked keep {Host=h,Transfer-Encoding=chunked} end"),
        CASE("9112 9.3.2", GET "Content-Length: 14\r\n\r\nGET / HTTP/1.1GET /2 HTTP/1.1\r\n" HOST "\r\n",
             "GET / 1.1 host=h length=14 keep {Host=h,Content-Length=14} body(GET / HTTP/1.1) end "
             "GET /2 1.1 host=h none keep {Host=h} end"),
        CASE("9112 9.6", GET "Connection: close\r\n\r\n" GET "\r\n",
             "GET / 1.1 host=h none close {Host=h,Connection=close} end rest=27"),
        CASE("9112 9.3", "GET / HTTP/1.0\r\n\r\n" GET "\r\n", "GET / 1.0 host= none close {} end rest=27"),
        CASE("9112 6.3", GET "Content-Length: 0\r\n\r\n\x01",
             "GET / 1.1 host=h none keep {Host=h,Content-Length=0} end "
             "400@0 method is not a token before one space"),
    };
    CASES_RUN(&request, cases);
}

/* ---- What lenient parsers take ---------------------------------------------------------------- */

TEST(lenient_forms_of_requests_are_refused)
{
    static const parser_case cases[] = {
        CASE("9112 6.1", GET "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r^\n",
             "400@^ Content-Length beside Transfer-Encoding"),
        CASE("9112 6.1", GET "Transfer-Encoding:\tchunked^\x0c\r\n", "400@^ control byte in a header value"),
        CASE("9112 6.1", GET "Transfer-Encoding: ^chunked,\r\n", "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", GET "Transfer-Encoding: ^chunked chunked\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", GET "Transfer-Encoding: ^identity\r\n", "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 5.2", GET "Transfer-Encoding: chunked\r\n^ , gzip\r\n", "400@^ folded or indented header line"),
        CASE("9112 5.2", GET "Content-Length: 5\r\n^\t5\r\n", "400@^ folded or indented header line"),
        CASE("9110 8.6", GET "Content-Length: 5^;a\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", GET "Content-Length: 5^,\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", GET "Content-Length: ^,5\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", GET "Content-Length: ^\"5\"\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", GET "Content-Length: 1^e1\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", GET "Content-Length: 1^_0\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", GET "Content-Length: ^\xef\xbc\x95\r\n", "400@^ Content-Length is not a number"),
        CASE("9112 5.1", GET "Content-Length^ : 5\r\n", "400@^ white space before the colon"),
        CASE("9112 2.2", GET "A: b\r^\r\n\r\n", "400@^ carriage return without line feed"),
        CASE("9112 2.2", GET "A: b\r\n\r^\r", "400@^ carriage return without line feed"),
        CASE("9112 2.2", GET "A: b^\n\r\n", "400@^ line feed without carriage return"),
    };
    CASES_RUN(&request, cases);
}

#define CHUNKED_HEAD "POST / 1.1 host=h chunked keep {Host=h,Transfer-Encoding=chunked} "

TEST(lenient_forms_of_chunks_are_refused)
{
    static const parser_case cases[] = {
        CASE("9112 7.1", CHUNKED "1\r\na\r^\r\n", CHUNKED_HEAD "body(a) 400@^ carriage return without line feed"),
        CASE("9112 7.1", CHUNKED "1\r\na^0\r\n\r\n", CHUNKED_HEAD "body(a) 400@^ chunk longer than its size"),
        CASE("9112 7.1", CHUNKED "0\r\n\r^\r\n", CHUNKED_HEAD "400@^ carriage return without line feed"),
        CASE("9112 7.1", CHUNKED "^g\r\n", CHUNKED_HEAD "400@^ chunk size is not a hexadecimal number"),
        CASE("9112 7.1", CHUNKED "^\"1\"\r\n", CHUNKED_HEAD "400@^ chunk size is not a hexadecimal number"),
        CASE("9112 7.1", CHUNKED "1^g\r\n", CHUNKED_HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1", CHUNKED "1^,1\r\n", CHUNKED_HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1", CHUNKED "1^\0\r\n", CHUNKED_HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1", CHUNKED "1\t^1\r\n", CHUNKED_HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1", CHUNKED "0\r\n0^\r\n\r\n", CHUNKED_HEAD "400@^ header line without a colon"),
    };
    CASES_RUN(&request, cases);
}

TEST(lenient_forms_of_responses_are_refused)
{
    static const parser_case cases[] = {
        CASE("9112 6.1", OK "Transfer-Encoding: ^identity\r\n", "502@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", OK "Transfer-Encoding: ^chunked, chunked\r\n",
             "502@^ Transfer-Encoding is not one final chunked"),
        CASE("9110 8.6", OK "Content-Length: ^-1\r\n", "502@^ Content-Length is not a number"),
        CASE("9110 8.6", OK "Content-Length: 5\r\nContent-Length: ^6\r\n", "502@^ more than one Content-Length"),
        CASE("9112 2.2", OK "A: b^\n\r\n", "502@^ line feed without carriage return"),
        CASE("9112 4", "HTTP/1.1 ^+20 OK\r\n", "502@^ bad status code"),
        CASE("9112 4", "HTTP/1.1 2^.0 OK\r\n", "502@^ bad status code"),
        CASE("9112 4", "HTTP/1.1 200^-OK\r\n", "502@^ bad status code"),
        CASE("9112 4", "^SIP/2.0 200 OK\r\n", "502@^ bad HTTP version"),
        CASE("9110 15.3.5", "HTTP/1.1 204 No\r\nConnection: close\r\n\r\nx",
             "204 \"No\" 1.1 none close {Connection=close} end rest=1"),
        CASE("9110 15.3.6", "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n",
             "205 \"Reset\" 1.1 none keep {Content-Length=0} end"),
        CASE("9110 15.4.5", "HTTP/1.1 304 Same\r\nTransfer-Encoding: chunked\r\n\r\n",
             "304 \"Same\" 1.1 none keep {Transfer-Encoding=chunked} end"),
        CASE("9110 15.2", "HTTP/1.1 102 Still\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
             "102 \"Still\" 1.1 none keep {} end 103 \"Hints\" 1.1 none keep {} end "
             "200 \"OK\" 1.1 none keep {Content-Length=0} end"),
    };
    CASES_RUN(&response, cases);
}
