/* SPDX-License-Identifier: MIT */
/* What header fields mean for the end of the message and for the connection. */
#include "parser_internal.h"

/* One field, digits only: no list, no sign, no second field even if equal. RFC 9110 section 8.6
 * would let a recipient merge equal ones; two readers that merge differently are the attack. */
static int content_length(kt__http_parser *p, kt_slice value)
{
    uint64_t length = 0;
    if (p->has_length)
        return kt__http_fail_at(p, p->mark, 400, "more than one Content-Length");
    if (value.size == 0)
        return kt__http_fail_at(p, p->mark, 400, "empty Content-Length");
    for (uint32_t i = 0; i < value.size; i++) {
        if (!kt__is(value.data[i], KT__C_DIGIT))
            return kt__http_fail_at(p, p->mark + i, 400, "Content-Length is not a number");
        unsigned digit = (unsigned)(value.data[i] - '0');
        if (length > ((uint64_t)INT64_MAX - digit) / 10)
            return kt__http_fail_at(p, p->mark + i, 400, "Content-Length is too large");
        length = length * 10 + digit;
    }
    p->has_length = true;
    p->content_length = length;
    return 0;
}

/* Exactly `chunked`. A list that ends in one `chunked` names a coding that is not implemented
 * (RFC 9112 section 6.1: 501); of any other, nobody knows where the body ends (6.3: 400). */
static int transfer_encoding(kt__http_parser *p, kt_slice value)
{
    kt_slice coding;
    int chunked = 0;
    int others = 0;
    bool chunked_last = false;
    if (p->head.minor == 0)
        return kt__http_fail_at(p, p->mark, 400, "Transfer-Encoding in HTTP/1.0");
    if (p->has_chunked)
        return kt__http_fail_at(p, p->mark, 400, "more than one Transfer-Encoding");
    if (kt__http_same(value.data, value.size, "chunked")) {
        p->has_chunked = true;
        return 0;
    }
    while (kt__http_list_next(&value, &coding)) {
        chunked_last = kt__http_same(coding.data, coding.size, "chunked");
        chunked += chunked_last ? 1 : 0;
        others += chunked_last ? 0 : 1;
    }
    if (chunked_last && chunked == 1 && others > 0)
        return kt__http_fail_at(p, p->mark, 501, "transfer coding not implemented");
    return kt__http_fail_at(p, p->mark, 400, "Transfer-Encoding is not one final chunked");
}

/* An empty host is refused: no http URI has one (RFC 9110 section 4.2.1). */
static int host(kt__http_parser *p, kt_slice value)
{
    if (p->role != KT__HTTP_REQUEST)
        return 0;
    if (p->has_host)
        return kt__http_fail_at(p, p->mark, 400, "more than one Host");
    if (!kt__http_host_valid(value, KT__PORT_OPTIONAL))
        return kt__http_fail_at(p, p->mark, 400, "bad Host");
    p->has_host = true;
    if (!p->host_from_target)
        p->host = (kt__http_span){p->mark, (uint32_t)value.size};
    return 0;
}

static void connection(kt__http_parser *p, kt_slice value)
{
    kt_slice option;
    while (kt__http_list_next(&value, &option)) {
        if (kt__http_same(option.data, option.size, "close"))
            p->says_close = true;
        else if (kt__http_same(option.data, option.size, "keep-alive"))
            p->says_keep_alive = true;
        else if (kt__http_same(option.data, option.size, "upgrade"))
            p->says_upgrade = true;
    }
}

int kt__http_field(kt__http_parser *p, kt_slice name, kt_slice value)
{
    switch (name.size) {
    case 4:
        return kt__http_same(name.data, 4, "host") ? host(p, value) : 0;
    case 6:
        if (kt__http_same(name.data, 6, "expect") && kt__http_list_has(value, "100-continue"))
            p->says_expect = true;
        return 0;
    case 7:
        if (kt__http_same(name.data, 7, "upgrade"))
            p->has_upgrade = true;
        return 0;
    case 10:
        if (kt__http_same(name.data, 10, "connection"))
            connection(p, value);
        return 0;
    case 14:
        return kt__http_same(name.data, 14, "content-length") ? content_length(p, value) : 0;
    case 17:
        return kt__http_same(name.data, 17, "transfer-encoding") ? transfer_encoding(p, value) : 0;
    default:
        return 0;
    }
}

int kt__http_trailer_field(kt__http_parser *p, kt_slice name)
{
    /* Framing, routing, request modifiers, authentication, response control and content format:
     * a recipient that merged them into the head would act on them too late (RFC 9110 6.5.1). */
    static const char *const refused[] = {
        "te", "age", "date", "host", "vary", "cookie", "expect", "pragma", "range", "trailer",
        "upgrade", "expires", "if-match", "if-range", "location", "warning", "connection",
        "forwarded", "keep-alive", "set-cookie", "retry-after", "content-type", "max-forwards",
        "authorization", "cache-control", "content-length", "content-range", "if-none-match",
        "content-encoding", "proxy-connection", "www-authenticate", "if-modified-since",
        "transfer-encoding", "proxy-authenticate", "authentication-info", "proxy-authorization",
        "if-unmodified-since", "proxy-authentication-info",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (kt__http_same(name.data, name.size, refused[i]))
            return kt__http_fail_at(p, p->name.at, 400, "field not allowed in trailers");
    }
    return 0;
}

static int set_length(kt__http_parser *p)
{
    if (p->content_length > p->limits.body_bytes_max)
        return kt__http_fail(p, 413, "body larger than the limit");
    p->head.content_length = p->content_length;
    p->left = p->content_length;
    p->body_bytes = p->content_length;
    p->head.framing = p->content_length > 0 ? KT__HTTP_LENGTH : KT__HTTP_NO_BODY;
    return 0;
}

static int decide_request(kt__http_parser *p)
{
    kt__http_head *h = &p->head;
    bool announces = p->has_chunked || (p->has_length && p->content_length > 0);
    /* RFC 9112 section 3.2; HTTP/1.0 knows no Host. */
    if (h->minor > 0 && !p->has_host)
        return kt__http_fail(p, 400, "no Host in an HTTP/1.1 request");
    /* RFC 9110 section 9.3.6: CONNECT has no content, so what follows would be read as tunnel data
     * by some and as content by others. */
    if (announces && kt_slice_is(h->method, "CONNECT"))
        return kt__http_fail(p, 400, "CONNECT with content");
    h->expect_continue = p->says_expect && h->minor > 0 && announces;
    h->upgrade = p->says_upgrade && p->has_upgrade && h->minor > 0;
    if (p->has_chunked)
        h->framing = KT__HTTP_CHUNKED;
    else if (p->has_length)
        return set_length(p);
    return 0;
}

/* RFC 9112 section 6.3, rules 1, 2, 4, 6 and 8. */
static int decide_response(kt__http_parser *p)
{
    kt__http_head *h = &p->head;
    bool interim = h->status < 200;
    bool tunnel = p->answer_to == KT__HTTP_TO_CONNECT && h->status / 100 == 2;
    h->upgrade = h->status == 101 || tunnel;
    /* RFC 9110 sections 8.6 and 15: neither may announce content. */
    if ((interim || h->status == 204) &&
        (p->has_chunked || (p->has_length && p->content_length > 0)))
        return kt__http_fail(p, 400, "content announced where none may follow");
    if (interim || tunnel || h->status == 204 || h->status == 304 ||
        p->answer_to == KT__HTTP_TO_HEAD)
        return 0;
    if (p->has_chunked)
        h->framing = KT__HTTP_CHUNKED;
    else if (p->has_length)
        return set_length(p);
    else
        h->framing = KT__HTTP_UNTIL_CLOSE;
    return 0;
}

int kt__http_head_decide(kt__http_parser *p)
{
    static const uint8_t phases[] = {
        [KT__HTTP_NO_BODY] = KT__PHASE_END,
        [KT__HTTP_LENGTH] = KT__PHASE_LENGTH,
        [KT__HTTP_CHUNKED] = KT__PHASE_CHUNKS,
        [KT__HTTP_UNTIL_CLOSE] = KT__PHASE_UNTIL_CLOSE,
    };
    kt__http_head *h = &p->head;
    int rc;
    /* RFC 9112 section 6.3 rule 3: request smuggling or response splitting. */
    if (p->has_chunked && p->has_length)
        return kt__http_fail(p, 400, "Content-Length beside Transfer-Encoding");
    h->framing = KT__HTTP_NO_BODY;
    rc = p->role == KT__HTTP_REQUEST ? decide_request(p) : decide_response(p);
    if (rc < 0)
        return rc;
    h->keep_alive = !p->says_close && (h->minor > 0 || p->says_keep_alive) &&
                    h->framing != KT__HTTP_UNTIL_CLOSE;
    p->phase = phases[h->framing];
    p->state = KT__S_CHUNK_SIZE;
    p->index = 0;
    return 0;
}
