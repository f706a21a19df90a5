/* SPDX-License-Identifier: MIT */
/* Chunked bodies, trailers, and the limits. */
#include "test_parser_cases.h"

#include <kettle/test.h>

#define HOST "Host: h\r\n"
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
#define HEAD "POST / 1.1 host=h chunked keep {Host=h,Transfer-Encoding=chunked} "

static const replay_setup request = {.role = KT__HTTP_REQUEST};

TEST(chunks_are_size_data_and_line_ends)
{
    static const parser_case cases[] = {
        CASE("9112 7.1", CHUNKED "5\r\nhello\r\n0\r\n\r\n", HEAD "body(hello) end"),
        CASE("9112 7.1", CHUNKED "0\r\n\r\n", HEAD "end"),
        CASE("9112 7.1", CHUNKED "00a\r\n0123456789\r\nB\r\nabcdefghijk\r\n000\r\n\r\n",
             HEAD "body(0123456789abcdefghijk) end"),
        CASE("9112 7.1", CHUNKED "2\r\n\r\n\r\n0\r\n\r\n", HEAD "body(\r\n) end"),
        CASE("9112 7.1", CHUNKED "1\r\na\r\n0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
             HEAD "body(a) end GET / 1.0 host= none close {} end rest=0"),
        CASE("9112 7.1", CHUNKED "1\r\na\r\n0\r\n", HEAD "body(a) cut"),
        CASE("9112 7.1", CHUNKED "5\r\nhel", HEAD "body(hel) cut"),
        CASE("9112 7.1", CHUNKED "^\r\n", HEAD "400@^ chunk size is not a hexadecimal number"),
        CASE("9112 7.1", CHUNKED "^x\r\n", HEAD "400@^ chunk size is not a hexadecimal number"),
        CASE("9112 7.1", CHUNKED "^-1\r\n", HEAD "400@^ chunk size is not a hexadecimal number"),
        CASE("9112 7.1", CHUNKED "^+1\r\n", HEAD "400@^ chunk size is not a hexadecimal number"),
        CASE("9112 7.1", CHUNKED "^ 1\r\n", HEAD "400@^ chunk size is not a hexadecimal number"),
        CASE("9112 7.1", CHUNKED "^;a\r\n", HEAD "400@^ chunk size is not a hexadecimal number"),
        CASE("9112 7.1", CHUNKED "0^x1\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1", CHUNKED "1^_0\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1", CHUNKED "1 ^\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1", CHUNKED "1^\na\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1", CHUNKED "1\r^a\r\n", HEAD "400@^ carriage return without line feed"),
        CASE("9112 7.1", CHUNKED "1\r\na^\n", HEAD "body(a) 400@^ chunk longer than its size"),
        CASE("9112 7.1", CHUNKED "1\r\na^b\r\n", HEAD "body(a) 400@^ chunk longer than its size"),
        CASE("9112 7.1", CHUNKED "1\r\na\r^0",
             HEAD "body(a) 400@^ carriage return without line feed"),
        CASE("9112 7.1", CHUNKED "3\r\na\r\n^0\r\n\r\n",
             HEAD "body(a\r\n) 400@^ chunk longer than its size"),
        CASE("9112 7.1", CHUNKED "800000000000000^0\r\n", HEAD "400@^ chunk size is too large"),
        CASE("9112 7.1", CHUNKED "fffffffffffffff^f\r\n", HEAD "400@^ chunk size is too large"),
        CASE("9112 7.1", CHUNKED "0000000000000000^0\r\n", HEAD "400@^ chunk size is too large"),
        CASE("9110 15.5.14", CHUNKED "100001^\r\n", HEAD "413@^ body larger than the limit"),
        CASE("9110 15.5.14", CHUNKED "1\r\na\r\n7fffffffffffffff^\r\n",
             HEAD "body(a) 413@^ body larger than the limit"),
    };
    CASES_RUN(&request, cases);
}

TEST(chunk_extensions_follow_the_grammar)
{
    static const parser_case cases[] = {
        CASE("9112 7.1.1", CHUNKED "1;a\r\nx\r\n0;b=c\r\n\r\n", HEAD "body(x) end"),
        CASE("9112 7.1.1", CHUNKED "1;a;b=c;d=\"e\\\"f;g \t\xff\";h\r\nx\r\n0\r\n\r\n",
             HEAD "body(x) end"),
        CASE("9112 7.1.1", CHUNKED "1 \t; a \t= \tb\t;\tc ;d= \"\" ;e\r\nx\r\n0\r\n\r\n",
             HEAD "body(x) end"),
        CASE("9112 7.1.1", CHUNKED "1;^\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;^;a\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;^=a\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a=^\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a=^;b\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a=b^=c\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a=b ^=c\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a ^b\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a ^\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a=b ^\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a=\"b^\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a=\"b\\^\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a=\"b\"^c\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a^\nx\r\n", HEAD "400@^ bad chunk extension"),
        CASE("9112 7.1.1", CHUNKED "1;a\r^x\r\n", HEAD "400@^ carriage return without line feed"),
        CASE("9112 7.1.1", CHUNKED "1;a=^\0\r\n", HEAD "400@^ bad chunk extension"),
    };
    CASES_RUN(&request, cases);
}

TEST(trailers_carry_fields_but_nothing_that_acts)
{
    static const parser_case cases[] = {
        CASE("9112 7.1.2", CHUNKED "1\r\na\r\n0\r\nDigest: x \r\nB:\r\n\r\n",
             HEAD "body(a) end{Digest=x,B=}"),
        CASE("9112 7.1.2", CHUNKED "0\r\nA: b\r\n\r\nGET / HTTP/1.0\r\n\r\n",
             HEAD "end{A=b} GET / 1.0 host= none close {} end rest=0"),
        CASE("9110 6.5.1", CHUNKED "0\r\n^Content-Length: 5\r\n\r\n",
             HEAD "400@^ field not allowed in trailers"),
        CASE("9110 6.5.1", CHUNKED "0\r\n^transfer-encoding: chunked\r\n\r\n",
             HEAD "400@^ field not allowed in trailers"),
        CASE("9110 6.5.1", CHUNKED "0\r\n^HOST: evil\r\n\r\n",
             HEAD "400@^ field not allowed in trailers"),
        CASE("9110 6.5.1", CHUNKED "0\r\nA: b\r\n^Authorization: x\r\n\r\n",
             HEAD "400@^ field not allowed in trailers"),
        CASE("9110 6.5.1", CHUNKED "0\r\n^Cookie: x\r\n\r\n",
             HEAD "400@^ field not allowed in trailers"),
        CASE("9110 6.5.1", CHUNKED "0\r\n^TE: x\r\n\r\n",
             HEAD "400@^ field not allowed in trailers"),
        CASE("9110 6.5.1", CHUNKED "0\r\n^Connection: close\r\n\r\n",
             HEAD "400@^ field not allowed in trailers"),
        CASE("9110 6.5.1", CHUNKED "0\r\n^Proxy-Authentication-Info: x\r\n\r\n",
             HEAD "400@^ field not allowed in trailers"),
        CASE("9112 5.2", CHUNKED "0\r\nA: b\r\n^ c\r\n\r\n",
             HEAD "400@^ folded or indented header line"),
        CASE("9112 5.1", CHUNKED "0\r\nA^ : b\r\n\r\n", HEAD "400@^ white space before the colon"),
        CASE("9112 5", CHUNKED "0\r\n^: b\r\n\r\n", HEAD "400@^ empty header name"),
        CASE("9110 5.5", CHUNKED "0\r\nA: ^\0\r\n\r\n", HEAD "400@^ control byte in a header value"),
        CASE("9112 2.2", CHUNKED "0\r\nA: b^\n\n", HEAD "400@^ line feed without carriage return"),
        CASE("9112 2.2", CHUNKED "0\r\n\r^x", HEAD "400@^ carriage return without line feed"),
        CASE("9112 2.2", CHUNKED "0\r\n^\n", HEAD "400@^ line feed without carriage return"),
    };
    CASES_RUN(&request, cases);
}

/* Each limit is met exactly, then passed by one. */
TEST(limits_are_exact)
{
    static const kt__http_limits limits = {
        .start_line_bytes_max = 20,
        .header_bytes_max = 48,
        .body_bytes_max = 8,
        .chunk_ext_bytes_max = 4,
        .chunk_ext_total_bytes_max = 6,
        .trailer_bytes_max = 12,
    };
    static const replay_setup tight = {
        .role = KT__HTTP_REQUEST, .limits = &limits, .header_max = 3};
    static const parser_case cases[] = {
        CASE("9112 3", "GET /4567 HTTP/1.1\r\n" HOST "\r\n",
             "GET /4567 1.1 host=h none keep {Host=h} end"),
        CASE("9112 3", "\r\nGET /4567 HTTP/1.1\r\n" HOST "\r\n",
             "GET /4567 1.1 host=h none keep {Host=h} end"),
        CASE("9112 3", "GET /45678 HTTP/1.1\r^\n", "414@^ start line longer than the limit"),
        CASE("9112 3", "GET /456789012345678^90 HTTP/1.1\r\n",
             "414@^ start line longer than the limit"),
        CASE("9112 3", "ABCDEFGHIJKLMNOPQRST^UV / HTTP/1.1\r\n",
             "501@^ method longer than the limit"),
        CASE("6585 5", "GET / HTTP/1.1\r\n" HOST "A: 01234567890123456789012345678901\r\n\r\n",
             "GET / 1.1 host=h none keep {Host=h,A=01234567890123456789012345678901} end"),
        CASE("6585 5", "GET / HTTP/1.1\r\n" HOST "A: 012345678901234567890123456789012\r\n\r^\n",
             "431@^ header section larger than the limit"),
        CASE("6585 5", "GET / HTTP/1.1\r\n" HOST "A: 012345678901234567890123456789012345^6",
             "431@^ header section larger than the limit"),
        CASE("6585 5", "GET / HTTP/1.1\r\n" HOST "A:\r\nB:\r\n\r\n",
             "GET / 1.1 host=h none keep {Host=h,A=,B=} end"),
        CASE("6585 5", "GET / HTTP/1.1\r\n" HOST "A:\r\nB:\r\n^C:\r\n\r\n",
             "431@^ more headers than the limit"),
        CASE("9110 15.5.14", "PUT / HTTP/1.1\r\n" HOST "Content-Length: 8\r\n\r\n12345678",
             "PUT / 1.1 host=h length=8 keep {Host=h,Content-Length=8} body(12345678) end"),
        CASE("9110 15.5.14", "PUT / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r^\n",
             "413@^ body larger than the limit"),
        CASE("9112 7.1", CHUNKED "4\r\n1234\r\n4;abc\r\n5678\r\n0;a\r\n\r\n",
             HEAD "body(12345678) end"),
        CASE("9112 7.1", CHUNKED "4\r\n1234\r\n5^\r\n", HEAD "body(1234) 413@^ body larger than the "
             "limit"),
        CASE("9112 7.1.1", CHUNKED "1;abc^d\r\n",
             HEAD "413@^ chunk extensions larger than the limit"),
        CASE("9112 7.1.1", CHUNKED "1;abc\r\nx\r\n1;a^b\r\n",
             HEAD "body(x) 413@^ chunk extensions larger than the limit"),
        CASE("9112 7.1.2", CHUNKED "0\r\nA: 45678\r\n\r\n", HEAD "end{A=45678}"),
        CASE("9112 7.1.2", CHUNKED "0\r\nA: 456789\r\n\r^\n",
             HEAD "431@^ header section larger than the limit"),
        CASE("9112 7.1.2", CHUNKED "0\r\nA:\r\n^B:\r\n\r\n",
             HEAD "431@^ more headers than the limit"),
    };
    CASES_RUN(&tight, cases);
}
