/* SPDX-License-Identifier: MIT */
/* Heads of requests: start line, targets, header syntax, Host, framing, persistence. */
#include "test_parser_cases.h"

#include <kettle/test.h>

#define HOST "Host: h\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define GET_HOST GET HOST
#define POST "POST / HTTP/1.1\r\n" HOST

static const replay_setup request = {.role = KT__HTTP_REQUEST};

TEST(request_line_is_three_parts_and_two_spaces)
{
    static const parser_case cases[] = {
        CASE("9112 3", "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
             "GET / 1.1 host=h none keep {Host=h} end"),
        CASE("9110 9.1", "M-SEARCH!#$%&'*+.`|~_ / HTTP/1.1\r\n" HOST "\r\n",
             "M-SEARCH!#$%&'*+.`|~_ / 1.1 host=h none keep {Host=h} end"),
        CASE("9110 9.1", "get / HTTP/1.1\r\n" HOST "\r\n",
             "get / 1.1 host=h none keep {Host=h} end"),
        CASE("9112 3", "GET ^ / HTTP/1.1\r\n", "400@^ more than one space in the request line"),
        CASE("9112 3", "GET / ^ HTTP/1.1\r\n", "400@^ bad HTTP version"),
        CASE("9112 3", "GET^\t/ HTTP/1.1\r\n", "400@^ method is not a token before one space"),
        CASE("9112 3", "GET /^\tHTTP/1.1\r\n", "400@^ byte not allowed in a request target"),
        CASE("9112 3", "^ GET / HTTP/1.1\r\n", "400@^ method is not a token before one space"),
        CASE("9112 3", "GET / HTTP/1.1^ \r\n", "400@^ bytes behind the HTTP version"),
        CASE("9112 3", "GET / HTTP/1.1^x\r\n", "400@^ bytes behind the HTTP version"),
        CASE("9112 3", "GET^\r\n", "400@^ method is not a token before one space"),
        CASE("9112 3", "GET /^\r\n", "400@^ request line without a version"),
        CASE("9112 3", "GET ^\r\n", "400@^ request line without a version"),
        CASE("9112 3", "GET / ^\r\n", "400@^ bad HTTP version"),
        CASE("9110 9.1", "G^(T / HTTP/1.1\r\n", "400@^ method is not a token before one space"),
        CASE("9110 9.1", "G^\xc3\x89T / HTTP/1.1\r\n",
             "400@^ method is not a token before one space"),
        CASE("9110 9.1", "GE^\0T / HTTP/1.1\r\n", "400@^ method is not a token before one space"),
        CASE("9110 9.1", "^\x16\x03\x01\x02\0\x01\0\x01",
             "400@^ method is not a token before one space"),
        CASE("9112 2.2", "GET / HTTP/1.1^\n" HOST "\n",
             "400@^ line feed without carriage return"),
        CASE("9112 2.2", "GET /^\n", "400@^ line feed without carriage return"),
        CASE("9112 2.2", "GET^\n", "400@^ line feed without carriage return"),
        CASE("9112 2.2", "GET / HTTP/1.1\r^x\n", "400@^ carriage return without line feed"),
        CASE("9112 2.2", "GET / HTTP/1.1\r^\r\n", "400@^ carriage return without line feed"),
        CASE("9112 2.2", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
             "GET / 1.1 host=h none keep {Host=h} end"),
        CASE("9112 2.2", "\r\n^\r\nGET / HTTP/1.1\r\n",
             "400@^ more than one empty line before the request"),
        CASE("9112 2.2", "^\nGET / HTTP/1.1\r\n", "400@^ line feed without carriage return"),
        CASE("9112 2.2", "\r^GET / HTTP/1.1\r\n", "400@^ carriage return without line feed"),
        CASE("9112 8", "GET / HTTP/1.1\r\n" HOST, "cut"),
        CASE("9112 8", "\r\n", ""),
        CASE("9112 8", "G", "cut"),
    };
    CASES_RUN(&request, cases);
}

TEST(request_version_is_exact)
{
    static const parser_case cases[] = {
        CASE("9112 2.3", "GET / HTTP/1.0\r\n\r\n", "GET / 1.0 host= none close {} end rest=0"),
        CASE("9110 2.5", "GET / HTTP/1.7\r\n" HOST "\r\n",
             "GET / 1.1 host=h none keep {Host=h} end"),
        CASE("9110 15.6.6", "GET / ^HTTP/2.0\r\n", "505@^ HTTP version not supported"),
        CASE("9110 15.6.6", "GET / ^HTTP/0.9\r\n", "505@^ HTTP version not supported"),
        CASE("9113 3.4", "PRI * ^HTTP/2.0\r\n\r\nSM\r\n\r\n", "505@^ HTTP version not supported"),
        CASE("9112 2.3", "GET / ^http/1.1\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HTTP/1^1.1\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HTTP/1.^x\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HTTP/1.1^0\r\n", "400@^ bytes behind the HTTP version"),
        CASE("9112 2.3", "GET / HTTP/1^,1\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HTTP/^+1.1\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HTTP^-1.1\r\n", "400@^ bad HTTP version"),
        CASE("9112 2.3", "GET / HTTP^\n", "400@^ line feed without carriage return"),
    };
    CASES_RUN(&request, cases);
}

TEST(request_target_has_one_of_four_forms)
{
    static const parser_case cases[] = {
        CASE("9112 3.2.1", "GET /a/b%20c;d=1,2:3@4!$&'()*+-._~?q=1&r=/? HTTP/1.1\r\n" HOST "\r\n",
             "GET /a/b%20c;d=1,2:3@4!$&'()*+-._~?q=1&r=/? 1.1 host=h none keep {Host=h} end"),
        CASE("9112 3.2.1", "GET //x HTTP/1.1\r\n" HOST "\r\n",
             "GET //x 1.1 host=h none keep {Host=h} end"),
        CASE("9112 3.2.1", "GET /?ids[]={1|2}`\\ HTTP/1.1\r\n" HOST "\r\n",
             "GET /?ids[]={1|2}`\\ 1.1 host=h none keep {Host=h} end"),
        CASE("9112 3.2.1", "GET /a^[b] HTTP/1.1\r\n",
             "400@^ byte or percent-encoding not allowed in a path"),
        CASE("3986 2.1", "GET /a^%2 HTTP/1.1\r\n",
             "400@^ byte or percent-encoding not allowed in a path"),
        CASE("3986 2.1", "GET /^%g0 HTTP/1.1\r\n",
             "400@^ byte or percent-encoding not allowed in a path"),
        CASE("3986 2.1", "GET /^% HTTP/1.1\r\n",
             "400@^ byte or percent-encoding not allowed in a path"),
        CASE("3986 2.1", "GET /?a=^%zz HTTP/1.1\r\n",
             "400@^ broken percent-encoding in a query"),
        CASE("9112 3.2", "GET /^#top HTTP/1.1\r\n", "400@^ byte not allowed in a request target"),
        CASE("9112 3.2", "GET /^\"a\" HTTP/1.1\r\n", "400@^ byte not allowed in a request target"),
        CASE("9112 3.2", "GET /^<a> HTTP/1.1\r\n", "400@^ byte not allowed in a request target"),
        CASE("9112 3.2", "GET /^\xc3\xa9 HTTP/1.1\r\n",
             "400@^ byte not allowed in a request target"),
        CASE("9112 3.2", "GET /^\0 HTTP/1.1\r\n", "400@^ byte not allowed in a request target"),
        CASE("9112 3.2", "GET /^\x7f HTTP/1.1\r\n", "400@^ byte not allowed in a request target"),
        CASE("9112 3.2.2", "GET http://e.org:81/p?q HTTP/1.1\r\n" HOST "\r\n",
             "GET http://e.org:81/p?q 1.1 host=e.org:81 none keep {Host=h} end"),
        CASE("9112 3.2.2", "GET HTTPS://[::1] HTTP/1.1\r\n" HOST "\r\n",
             "GET HTTPS://[::1] 1.1 host=[::1] none keep {Host=h} end"),
        CASE("9112 3.2.2", "GET http://e?q HTTP/1.1\r\n" HOST "\r\n",
             "GET http://e?q 1.1 host=e none keep {Host=h} end"),
        CASE("9110 4.2.1", "GET http://^/ HTTP/1.1\r\n", "400@^ bad host in the request target"),
        CASE("9110 4.2.4", "GET http://^u:p@h/ HTTP/1.1\r\n",
             "400@^ bad host in the request target"),
        CASE("9112 3.2.2", "GET http://h/^[ HTTP/1.1\r\n",
             "400@^ byte or percent-encoding not allowed in a path"),
        CASE("9112 3.2.2", "GET ^http:/h HTTP/1.1\r\n",
             "400@^ request target in none of the four forms"),
        CASE("9112 3.2.2", "GET ^1http://h/ HTTP/1.1\r\n",
             "400@^ request target in none of the four forms"),
        CASE("9112 3.2.2", "GET ^urn:x HTTP/1.1\r\n",
             "400@^ request target in none of the four forms"),
        CASE("9112 3.2", "GET ^index.html HTTP/1.1\r\n",
             "400@^ request target in none of the four forms"),
        CASE("9112 3.2", "GET ^?q HTTP/1.1\r\n", "400@^ request target in none of the four forms"),
        CASE("9112 3.2.3", "CONNECT h:443 HTTP/1.1\r\n" HOST "\r\n",
             "CONNECT h:443 1.1 host=h:443 none keep {Host=h} end"),
        CASE("9110 9.3.6", "CONNECT ^h HTTP/1.1\r\n", "400@^ CONNECT wants host:port"),
        CASE("9110 9.3.6", "CONNECT ^h: HTTP/1.1\r\n", "400@^ CONNECT wants host:port"),
        CASE("9110 9.3.6", "CONNECT ^h:0 HTTP/1.1\r\n", "400@^ CONNECT wants host:port"),
        CASE("9110 9.3.6", "CONNECT ^h:65536 HTTP/1.1\r\n", "400@^ CONNECT wants host:port"),
        CASE("9112 3.2.3", "CONNECT ^/ HTTP/1.1\r\n", "400@^ CONNECT wants host:port"),
        CASE("9112 3.2.3", "CONNECT ^http://h:1/ HTTP/1.1\r\n", "400@^ CONNECT wants host:port"),
        CASE("9112 3.2.3", "GET ^h:443 HTTP/1.1\r\n",
             "400@^ request target in none of the four forms"),
        CASE("9112 3.2.4", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
             "OPTIONS * 1.1 host=h none keep {Host=h} end"),
        CASE("9112 3.2.4", "GET ^* HTTP/1.1\r\n", "400@^ only OPTIONS may ask for *"),
        CASE("9112 3.2.4", "OPTIONS ^** HTTP/1.1\r\n",
             "400@^ request target in none of the four forms"),
    };
    CASES_RUN(&request, cases);
}

TEST(header_lines_are_name_colon_value)
{
    static const parser_case cases[] = {
        CASE("9112 5", GET_HOST "A:b\r\nC: \t d\t \r\nE:\r\nF: \r\n\r\n",
             "GET / 1.1 host=h none keep {Host=h,A=b,C=d,E=,F=} end"),
        CASE("9110 5.5", GET_HOST "A: b  c\td \xc3\xa9\xff\r\n\r\n",
             "GET / 1.1 host=h none keep {Host=h,A=b  c\td \xc3\xa9\xff} end"),
        CASE("9110 5.5", GET_HOST "A: 0123456789abcdef0123456789ABCDEF\r\n\r\n",
             "GET / 1.1 host=h none keep {Host=h,A=0123456789abcdef0123456789ABCDEF} end"),
        CASE("9112 5.1", GET "Host^ : h\r\n", "400@^ white space before the colon"),
        CASE("9112 5.1", GET "Host^\t: h\r\n", "400@^ white space before the colon"),
        CASE("9112 5.1", GET_HOST "A^ B: c\r\n", "400@^ white space before the colon"),
        CASE("9110 5.1", GET "^: h\r\n", "400@^ empty header name"),
        CASE("9112 5", GET "Host^\r\n", "400@^ header line without a colon"),
        CASE("9112 5", GET "Host^\n", "400@^ line feed without carriage return"),
        CASE("9110 5.1", GET "Ho^(st: h\r\n", "400@^ byte not allowed in a header name"),
        CASE("9110 5.1", GET "Ho^\0st: h\r\n", "400@^ byte not allowed in a header name"),
        CASE("9110 5.1", GET "^\xe9: h\r\n", "400@^ byte not allowed in a header name"),
        CASE("9112 5.2", GET_HOST "A: b\r\n^ c\r\n\r\n", "400@^ folded or indented header line"),
        CASE("9112 5.2", GET_HOST "A: b\r\n^\tc\r\n\r\n", "400@^ folded or indented header line"),
        CASE("9112 5.2", GET_HOST "A: b\r\n^ \r\n\r\n", "400@^ folded or indented header line"),
        CASE("9112 2.2", GET "^ Host: h\r\n\r\n", "400@^ folded or indented header line"),
        CASE("9112 2.2", GET "Host: h^\nA: b\r\n", "400@^ line feed without carriage return"),
        CASE("9112 2.2", GET "Host: h\r^A: b\r\n", "400@^ carriage return without line feed"),
        CASE("9112 2.2", GET "Host: h\r^\r\n", "400@^ carriage return without line feed"),
        CASE("9112 2.2", GET_HOST "^\n", "400@^ line feed without carriage return"),
        CASE("9112 2.2", GET_HOST "\r^x", "400@^ carriage return without line feed"),
        CASE("9110 5.5", GET_HOST "A: b^\0c\r\n", "400@^ control byte in a header value"),
        CASE("9110 5.5", GET_HOST "A: b^\x7f\r\n", "400@^ control byte in a header value"),
        CASE("9110 5.5", GET_HOST "A: b^\x0b\r\n", "400@^ control byte in a header value"),
        CASE("9110 5.5", GET_HOST "A: 0123456789abcdefghijklm^\x1fnopqrstuvwxyz\r\n",
             "400@^ control byte in a header value"),
        CASE("9110 5.5", GET_HOST "A:^\x01\r\n", "400@^ control byte in a header value"),
    };
    CASES_RUN(&request, cases);
}

TEST(http_1_1_wants_one_valid_host)
{
    static const parser_case cases[] = {
        CASE("9110 7.2", GET "hOsT: e.org:8080\r\n\r\n",
             "GET / 1.1 host=e.org:8080 none keep {hOsT=e.org:8080} end"),
        CASE("9110 7.2", GET "Host: [2001:db8::1]:80\r\n\r\n",
             "GET / 1.1 host=[2001:db8::1]:80 none keep {Host=[2001:db8::1]:80} end"),
        CASE("9110 7.2", GET "Host: 127.0.0.1:\r\n\r\n",
             "GET / 1.1 host=127.0.0.1: none keep {Host=127.0.0.1:} end"),
        CASE("9110 7.2", GET "Host: a_b.%41\r\n\r\n",
             "GET / 1.1 host=a_b.%41 none keep {Host=a_b.%41} end"),
        CASE("9112 3.2", GET "\r^\n", "400@^ no Host in an HTTP/1.1 request"),
        CASE("9112 3.2", GET "A: b\r\n\r^\n", "400@^ no Host in an HTTP/1.1 request"),
        CASE("9112 3.2", "GET http://h/ HTTP/1.1\r\n\r^\n", "400@^ no Host in an HTTP/1.1 request"),
        CASE("9112 3.2", GET_HOST "Host: ^h\r\n", "400@^ more than one Host"),
        CASE("9112 3.2", "GET / HTTP/1.0\r\n" HOST "host: ^h\r\n", "400@^ more than one Host"),
        CASE("9110 4.2.1", GET "Host: ^\r\n", "400@^ bad Host"),
        CASE("9112 3.2", GET "Host: ^a b\r\n", "400@^ bad Host"),
        CASE("9112 3.2", GET "Host: ^a,b\x80\r\n", "400@^ bad Host"),
        CASE("9112 3.2", GET "Host: ^a/b\r\n", "400@^ bad Host"),
        CASE("9110 4.2.4", GET "Host: ^u@h\r\n", "400@^ bad Host"),
        CASE("9112 3.2", GET "Host: ^h:80a\r\n", "400@^ bad Host"),
        CASE("9112 3.2", GET "Host: ^h:65536\r\n", "400@^ bad Host"),
        CASE("9112 3.2", GET "Host: ^h:1:2\r\n", "400@^ bad Host"),
        CASE("9112 3.2", GET "Host: ^:80\r\n", "400@^ bad Host"),
        CASE("3986 3.2.2", GET "Host: ^[::1\r\n", "400@^ bad Host"),
        CASE("3986 3.2.2", GET "Host: ^[::g]\r\n", "400@^ bad Host"),
        CASE("3986 3.2.2", GET "Host: ^[::1]a\r\n", "400@^ bad Host"),
        CASE("3986 3.2.2", GET "Host: ^[]\r\n", "400@^ bad Host"),
        CASE("3986 3.2.2", GET "Host: ^[v1.x]\r\n", "400@^ bad Host"),
        CASE("6874 2", GET "Host: ^[fe80::1%25eth0]\r\n", "400@^ bad Host"),
        CASE("3986 3.2.2", GET "Host: ^[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]\r\n",
             "400@^ bad Host"),
        CASE("3986 2.1", GET "Host: ^h%4\r\n", "400@^ bad Host"),
    };
    CASES_RUN(&request, cases);
}

TEST(content_length_is_one_number)
{
    static const parser_case cases[] = {
        CASE("9112 6.3", POST "Content-Length: 5\r\n\r\nhello",
             "POST / 1.1 host=h length=5 keep {Host=h,Content-Length=5} body(hello) end"),
        CASE("9112 6.3", POST "content-length:0\r\n\r\n",
             "POST / 1.1 host=h none keep {Host=h,content-length=0} end"),
        CASE("9110 8.6", POST "Content-Length: 0002\r\n\r\nab",
             "POST / 1.1 host=h length=2 keep {Host=h,Content-Length=0002} body(ab) end"),
        CASE("9112 6.3", POST "Content-Length: 5\r\n\r\nhel",
             "POST / 1.1 host=h length=5 keep {Host=h,Content-Length=5} body(hel) cut"),
        CASE("9110 8.6", POST "Content-Length: 5\r\nContent-Length: ^5\r\n",
             "400@^ more than one Content-Length"),
        CASE("9110 8.6", POST "Content-Length: 5\r\nCONTENT-LENGTH: ^6\r\n",
             "400@^ more than one Content-Length"),
        CASE("9110 8.6", POST "Content-Length: 5^, 5\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", POST "Content-Length: ^+5\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", POST "Content-Length: ^-5\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", POST "Content-Length: 5^ 5\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", POST "Content-Length: 0^x5\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", POST "Content-Length: 5^.0\r\n", "400@^ Content-Length is not a number"),
        CASE("9110 8.6", POST "Content-Length:^\r\n", "400@^ empty Content-Length"),
        CASE("9110 8.6", POST "Content-Length: ^\r\n", "400@^ empty Content-Length"),
        CASE("9110 8.6", POST "Content-Length: 922337203685477580^8\r\n",
             "400@^ Content-Length is too large"),
        CASE("9110 8.6", POST "Content-Length: 1844674407370955161^6\r\n",
             "400@^ Content-Length is too large"),
        CASE("9110 15.5.14", POST "Content-Length: 1048577\r\n\r^\n",
             "413@^ body larger than the limit"),
        CASE("9110 15.5.14", POST "Content-Length: 9223372036854775807\r\n\r^\n",
             "413@^ body larger than the limit"),
        CASE("9112 6.3", GET_HOST "Content-Length: 2\r\n\r\nab",
             "GET / 1.1 host=h length=2 keep {Host=h,Content-Length=2} body(ab) end"),
    };
    CASES_RUN(&request, cases);
}

TEST(transfer_encoding_is_chunked_and_alone)
{
    static const parser_case cases[] = {
        CASE("9112 6.1", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r^\n",
             "400@^ Content-Length beside Transfer-Encoding"),
        CASE("9112 6.1", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r^\n",
             "400@^ Content-Length beside Transfer-Encoding"),
        CASE("9112 6.1", POST "Transfer-Encoding: ^gzip, chunked\r\n",
             "501@^ transfer coding not implemented"),
        CASE("9112 6.3", POST "Transfer-Encoding: ^gzip\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.3", POST "Transfer-Encoding: ^chunked, gzip\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", POST "Transfer-Encoding: ^chunked, gzip, chunked\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", POST "Transfer-Encoding: ^chunked, chunked\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: ^chunked\r\n",
             "400@^ more than one Transfer-Encoding"),
        CASE("9112 6.1", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: ^identity\r\n",
             "400@^ more than one Transfer-Encoding"),
        CASE("9112 6.1", POST "Transfer-Encoding: ^xchunked\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", POST "Transfer-Encoding: ^chunke\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", POST "Transfer-Encoding: ^, chunked\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", POST "Transfer-Encoding: ^chunked;q=1\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", POST "Transfer-Encoding: ^\"chunked\"\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", POST "Transfer-Encoding:^\r\n",
             "400@^ Transfer-Encoding is not one final chunked"),
        CASE("9112 6.1", POST "Transfer-Encoding: ^\x0b" "chunked\r\n",
             "400@^ control byte in a header value"),
        CASE("9112 6.1", "POST / HTTP/1.0\r\nTransfer-Encoding: ^chunked\r\n",
             "400@^ Transfer-Encoding in HTTP/1.0"),
        CASE("9112 5.1", POST "Transfer-Encoding^ : chunked\r\n",
             "400@^ white space before the colon"),
        CASE("9110 9.3.6", "CONNECT h:1 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r^\n",
             "400@^ CONNECT with content"),
        CASE("9110 9.3.6", "CONNECT h:1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r^\n",
             "400@^ CONNECT with content"),
        CASE("9110 9.3.6", "CONNECT h:1 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
             "CONNECT h:1 1.1 host=h:1 none keep {Host=h,Content-Length=0} end"),
    };
    CASES_RUN(&request, cases);
}

TEST(request_says_how_the_connection_goes_on)
{
    static const parser_case cases[] = {
        CASE("9112 9.6", GET_HOST "Connection: close\r\n\r\nrest",
             "GET / 1.1 host=h none close {Host=h,Connection=close} end rest=4"),
        CASE("9110 7.6.1", GET_HOST "Connection: a, ,\tCLOSE , b\r\n\r\n",
             "GET / 1.1 host=h none close {Host=h,Connection=a, ,\tCLOSE , b} end rest=0"),
        CASE("9112 9.3", GET_HOST "Connection: keep-alive, close\r\n\r\n",
             "GET / 1.1 host=h none close {Host=h,Connection=keep-alive, close} end rest=0"),
        CASE("9110 7.6.1", GET_HOST "Connection: closed, xclose\r\n\r\n",
             "GET / 1.1 host=h none keep {Host=h,Connection=closed, xclose} end"),
        CASE("9112 9.3", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
             "GET / 1.0 host= none keep {Connection=Keep-Alive} end"),
        CASE("9112 9.3", "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
             "GET / 1.0 host= none close {Connection=keep-alive,Connection=close} end rest=0"),
        CASE("9110 10.1.1", POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na",
             "POST / 1.1 host=h length=1 keep expect {Host=h,Expect=100-Continue,Content-Length=1} "
             "body(a) end"),
        CASE("9110 10.1.1", POST "Expect: 100-continue\r\n\r\n",
             "POST / 1.1 host=h none keep {Host=h,Expect=100-continue} end"),
        CASE("9110 10.1.1", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
             "POST / 1.0 host= length=1 close {Expect=100-continue,Content-Length=1} body(a) end "
             "rest=0"),
        CASE("9110 7.8", GET_HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\nxy",
             "GET / 1.1 host=h none keep upgrade {Host=h,Connection=upgrade,Upgrade=websocket} end "
             "rest=2"),
        CASE("9110 7.8", GET_HOST "Upgrade: websocket\r\n\r\n",
             "GET / 1.1 host=h none keep {Host=h,Upgrade=websocket} end"),
        CASE("9110 7.8", "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
             "GET / 1.0 host= none close {Connection=upgrade,Upgrade=websocket} end rest=0"),
        CASE("9112 9.3.2", GET_HOST "\r\nPOST /2 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\naGET "
             "/3 HTTP/1.0\r\n\r\n",
             "GET / 1.1 host=h none keep {Host=h} end "
             "POST /2 1.1 host=h length=1 keep {Host=h,Content-Length=1} body(a) end "
             "GET /3 1.0 host= none close {} end rest=0"),
        CASE("9112 2.2", POST "Content-Length: 1\r\n\r\na\r\nGET / HTTP/1.0\r\n\r\n",
             "POST / 1.1 host=h length=1 keep {Host=h,Content-Length=1} body(a) end "
             "GET / 1.0 host= none close {} end rest=0"),
        CASE("9112 6.3", POST "\r\n{\"a\":1}", "POST / 1.1 host=h none keep {Host=h} end "
             "400@0 method is not a token before one space"),
    };
    CASES_RUN(&request, cases);
}
