/* SPDX-License-Identifier: MIT */
/* Responses, as a client reads them. */
#include "test_parser_cases.h"

#include <kettle/test.h>

#define OK "HTTP/1.1 200 OK\r\n"

static const replay_setup response = {.role = KT__HTTP_RESPONSE};

TEST(status_line_is_version_code_and_reason)
{
    static const parser_case cases[] = {
        CASE("9112 4", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
             "200 \"OK\" 1.1 none keep {Content-Length=0} end"),
        CASE("9112 4", "HTTP/1.1 404 Not \xc3\xa9\tFound \r\nContent-Length: 0\r\n\r\n",
             "404 \"Not \xc3\xa9\tFound \" 1.1 none keep {Content-Length=0} end"),
        CASE("9112 4", "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n",
             "599 \"\" 1.1 none keep {Content-Length=0} end"),
        CASE("9112 4", "HTTP/1.1 301\r\nContent-Length: 0\r\n\r\n",
             "301 \"\" 1.1 none keep {Content-Length=0} end"),
        CASE("9112 4", "HTTP/1.1 ^ 200 OK\r\n", "502@^ bad status code"),
        CASE("9112 4", "HTTP/1.1^\t200 OK\r\n", "502@^ no space behind the HTTP version"),
        CASE("9112 4", "HTTP/1.1^\r\n", "502@^ no space behind the HTTP version"),
        CASE("9112 4", "HTTP/1.1 20^ OK\r\n", "502@^ bad status code"),
        CASE("9112 4", "HTTP/1.1 200^0 OK\r\n", "502@^ bad status code"),
        CASE("9112 4", "HTTP/1.1 2^x0 OK\r\n", "502@^ bad status code"),
        CASE("9110 15", "HTTP/1.1 ^099 OK\r\n", "502@^ bad status code"),
        CASE("9110 15", "HTTP/1.1 ^600 OK\r\n", "502@^ bad status code"),
        CASE("9112 4", "HTTP/1.1 200^\tOK\r\n", "502@^ bad status code"),
        CASE("9112 4", "HTTP/1.1 200 O^\0K\r\n", "502@^ control byte in the reason phrase"),
        CASE("9112 2.2", "HTTP/1.1 200 OK^\n\n", "502@^ line feed without carriage return"),
        CASE("9112 2.2", "HTTP/1.1 200^\n\n", "502@^ line feed without carriage return"),
        CASE("9112 2.2", "HTTP/1.1 200 O\r^K\r\n", "502@^ carriage return without line feed"),
        CASE("9112 2.2", "^\r\nHTTP/1.1 200 OK\r\n", "502@^ bad HTTP version"),
        CASE("9112 2.3", "^HTTP/2.0 200 OK\r\n", "502@^ HTTP version not supported"),
        CASE("9112 2.3", "^http/1.1 200 OK\r\n", "502@^ bad HTTP version"),
        CASE("9112 2.3", "^ICY 200 OK\r\n", "502@^ bad HTTP version"),
        CASE("9112 8", "HTTP/1.1 2", "cut"),
        CASE("9112 8", "", ""),
    };
    CASES_RUN(&response, cases);
}

TEST(response_framing_follows_the_rules_in_order)
{
    static const parser_case cases[] = {
        CASE("9112 6.3", OK "Content-Length: 2\r\n\r\nab" OK "Content-Length: 0\r\n\r\n",
             "200 \"OK\" 1.1 length=2 keep {Content-Length=2} body(ab) end "
             "200 \"OK\" 1.1 none keep {Content-Length=0} end"),
        CASE("9112 6.3", OK "\r\nall the rest\r\n",
             "200 \"OK\" 1.1 until-close close {} body(all the rest\r\n) end(eof)"),
        CASE("9112 6.3", OK "\r\n", "200 \"OK\" 1.1 until-close close {} end(eof)"),
        CASE("9112 6.3", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nx",
             "200 \"OK\" 1.0 until-close close {Connection=keep-alive} body(x) end(eof)"),
        CASE("9112 7.1", OK "Transfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\nT: u\r\n\r\n",
             "200 \"OK\" 1.1 chunked keep {Transfer-Encoding=Chunked} body(ab) end{T=u}"),
        CASE("9112 8", OK "Content-Length: 3\r\n\r\nab",
             "200 \"OK\" 1.1 length=3 keep {Content-Length=3} body(ab) cut"),
        CASE("9112 8", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
             "200 \"OK\" 1.1 chunked keep {Transfer-Encoding=chunked} body(ab) cut"),
        CASE("9112 6.1", OK "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r^\n",
             "502@^ Content-Length beside Transfer-Encoding"),
        CASE("9112 6.1", OK "Transfer-Encoding: ^gzip, chunked\r\n",
             "502@^ transfer coding not implemented"),
        CASE("9112 6.3", OK "Transfer-Encoding: ^gzip\r\n",
             "502@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", "HTTP/1.0 200 OK\r\nTransfer-Encoding: ^chunked\r\n",
             "502@^ Transfer-Encoding in HTTP/1.0"),
        CASE("9110 8.6", OK "Content-Length: 2\r\nContent-Length: ^2\r\n",
             "502@^ more than one Content-Length"),
        CASE("9110 8.6", OK "Content-Length: 2^,2\r\n", "502@^ Content-Length is not a number"),
        CASE("9110 15.3.5", "HTTP/1.1 204 No\r\n\r\n" OK "\r\n",
             "204 \"No\" 1.1 none keep {} end 200 \"OK\" 1.1 until-close close {} end(eof)"),
        CASE("9110 8.6", "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n",
             "204 \"No\" 1.1 none keep {Content-Length=0} end"),
        CASE("9110 8.6", "HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r^\n",
             "502@^ content announced where none may follow"),
        CASE("9112 6.1", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r^\n",
             "502@^ content announced where none may follow"),
        CASE("9110 15.4.5", "HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
             "304 \"Same\" 1.1 none keep {Content-Length=5} end 204 \"No\" 1.1 none keep {} end"),
        CASE("9110 15.2", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\na",
             "100 \"Continue\" 1.1 none keep {} end "
             "200 \"OK\" 1.1 length=1 keep {Content-Length=1} body(a) end"),
        CASE("9110 15.2", "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
             "103 \"Hints\" 1.1 none keep {Link=x} end 204 \"No\" 1.1 none keep {} end"),
        CASE("9110 8.6", "HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r^\n",
             "502@^ content announced where none may follow"),
        CASE("9110 15.2.2", "HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc",
             "101 \"Switch\" 1.1 none keep upgrade {Upgrade=x,Connection=upgrade} end rest=3"),
        CASE("9110 15.5.14", OK "Content-Length: 1048577\r\n\r^\n",
             "502@^ body larger than the limit"),
    };
    CASES_RUN(&response, cases);
}

TEST(response_says_how_the_connection_goes_on)
{
    static const parser_case cases[] = {
        CASE("9112 9.3", OK "Content-Length: 0\r\nConnection: Close\r\n\r\nxy",
             "200 \"OK\" 1.1 none close {Content-Length=0,Connection=Close} end rest=2"),
        CASE("9112 9.3", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
             "200 \"OK\" 1.0 none close {Content-Length=0} end rest=0"),
        CASE("9112 9.3", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
             "200 \"OK\" 1.0 none keep {Content-Length=0,Connection=keep-alive} end"),
        CASE("9110 7.2", OK "Host: ,\r\nHost: ,\r\nContent-Length: 0\r\n\r\n",
             "200 \"OK\" 1.1 none keep {Host=,,Host=,,Content-Length=0} end"),
        CASE("9112 5.2", OK "A: b\r\n^ c\r\n", "502@^ folded or indented header line"),
        CASE("9112 5.1", OK "A^ : b\r\n", "502@^ white space before the colon"),
        CASE("9110 5.5", OK "A: ^\0\r\n", "502@^ control byte in a header value"),
    };
    CASES_RUN(&response, cases);
}

TEST(response_to_head_has_no_body)
{
    static const replay_setup to_head = {
        .role = KT__HTTP_RESPONSE, .answer_to = KT__HTTP_TO_HEAD};
    static const parser_case cases[] = {
        CASE("9110 9.3.2", OK "Content-Length: 5\r\n\r\n" OK "\r\n",
             "200 \"OK\" 1.1 none keep {Content-Length=5} end 200 \"OK\" 1.1 none keep {} end"),
        CASE("9110 9.3.2", OK "Transfer-Encoding: chunked\r\n\r\n",
             "200 \"OK\" 1.1 none keep {Transfer-Encoding=chunked} end"),
        CASE("9110 9.3.2", OK "Content-Length: 99999999\r\n\r\n",
             "200 \"OK\" 1.1 none keep {Content-Length=99999999} end"),
    };
    CASES_RUN(&to_head, cases);
}

TEST(successful_response_to_connect_opens_a_tunnel)
{
    static const replay_setup to_connect = {
        .role = KT__HTTP_RESPONSE, .answer_to = KT__HTTP_TO_CONNECT};
    static const parser_case cases[] = {
        CASE("9110 9.3.6", OK "\r\n\x16\x03", "200 \"OK\" 1.1 none keep upgrade {} end rest=2"),
        CASE("9110 9.3.6", OK "Content-Length: 1\r\n\r\n\x16\x03",
             "200 \"OK\" 1.1 none keep upgrade {Content-Length=1} end rest=2"),
        CASE("9110 9.3.6", "HTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\na",
             "403 \"No\" 1.1 length=1 keep {Content-Length=1} body(a) end"),
    };
    CASES_RUN(&to_connect, cases);
}

TEST(body_until_close_keeps_the_limit)
{
    static const kt__http_limits limits = {.body_bytes_max = 4};
    static const replay_setup tight = {.role = KT__HTTP_RESPONSE, .limits = &limits};
    static const parser_case cases[] = {
        CASE("9112 6.3", OK "\r\n1234", "200 \"OK\" 1.1 until-close close {} body(1234) end(eof)"),
        CASE("9112 6.3", OK "\r\n1234^5",
             "200 \"OK\" 1.1 until-close close {} body(1234) 502@^ body larger than the limit"),
    };
    CASES_RUN(&tight, cases);
}
