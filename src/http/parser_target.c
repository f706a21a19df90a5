/* SPDX-License-Identifier: MIT */
/* The four forms of a request target (RFC 9112 section 3.2), and hosts. */
#include "parser_internal.h"

#include <arpa/inet.h>

/* The first byte in [at, end) that is not of the class or begins a broken percent-encoding. */
static uint32_t run_encoded(const char *data, uint32_t at, uint32_t end, unsigned class_wanted)
{
    while (at < end && kt__is(data[at], class_wanted)) {
        if (data[at] == '%' && (end - at < 3 || !kt__is(data[at + 1], KT__C_HEX) ||
                                !kt__is(data[at + 2], KT__C_HEX)))
            return at;
        at++;
    }
    return at;
}

/* [path] ["?" query] up to the end of the target. */
static int check_path(kt__http_parser *p, const char *data, uint32_t at)
{
    uint32_t end = p->target.at + p->target.size;
    uint32_t stop = run_encoded(data, at, end, KT__C_PATH);
    p->path = (kt__http_span){at, stop - at};
    if (stop == end)
        return 0;
    if (data[stop] != '?')
        return kt__http_fail_at(p, stop, 400, "byte or percent-encoding not allowed in a path");
    at = stop + 1;
    stop = run_encoded(data, at, end, KT__C_QUERY);
    p->query = (kt__http_span){at, stop - at};
    if (stop < end)
        return kt__http_fail_at(p, stop, 400, "broken percent-encoding in a query");
    return 0;
}

/* "[" IPv6address "]", the size with brackets; 0 if it is none. IPvFuture and zones are refused:
 * no such address can be meant by a request. */
static size_t ip_literal_size(kt_slice s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const char *close = memchr(s.data, ']', s.size);
    if (!close)
        return 0;
    size_t size = (size_t)(close - s.data) - 1;
    if (size >= sizeof(text))
        return 0;
    memcpy(text, s.data + 1, size);
    text[size] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1 ? size + 2 : 0;
}

static bool port_valid(kt_slice digits, kt__port_rule rule)
{
    unsigned port = 0;
    if (digits.size == 0)
        return rule == KT__PORT_OPTIONAL;
    for (size_t i = 0; i < digits.size; i++) {
        if (!kt__is(digits.data[i], KT__C_DIGIT))
            return false;
        port = port * 10 + (unsigned)(digits.data[i] - '0');
        if (port > 65535)
            return false;
    }
    return port > 0 || rule == KT__PORT_OPTIONAL;
}

bool kt__http_host_valid(kt_slice s, kt__port_rule rule)
{
    size_t size;
    if (s.size == 0 || s.size > INT32_MAX)
        return false;
    if (s.data[0] == '[')
        size = ip_literal_size(s);
    else
        size = run_encoded(s.data, 0, (uint32_t)s.size, KT__C_REGNAME);
    if (size == 0)
        return false;
    if (size == s.size)
        return rule == KT__PORT_OPTIONAL;
    if (s.data[size] != ':')
        return false;
    return port_valid((kt_slice){s.data + size + 1, s.size - size - 1}, rule);
}

/* CONNECT's host ":" port; both must be there (RFC 9110 section 9.3.6). */
static int authority_form(kt__http_parser *p, const char *data)
{
    if (!kt__http_host_valid(kt__http_slice(data, p->target), KT__PORT_REQUIRED))
        return kt__http_fail_at(p, p->target.at, 400, "CONNECT wants host:port");
    p->host = p->target;
    p->host_from_target = true;
    return 0;
}

/* scheme "://" host [":" port] path ["?" query]. User information is refused as RFC 9110 section
 * 4.2.4 advises, and so are URIs without an authority: nothing here serves "urn:x". */
static int absolute_form(kt__http_parser *p, const char *data)
{
    uint32_t at = p->target.at;
    uint32_t end = at + p->target.size;
    uint32_t stop = kt__http_run(data, at, end, KT__C_SCHEME);
    if (stop == at || !kt__is(data[at], KT__C_SCHEME) || data[at] < 'A')
        return kt__http_fail_at(p, at, 400, "request target in none of the four forms");
    if (end - stop < 3 || memcmp(data + stop, "://", 3) != 0)
        return kt__http_fail_at(p, at, 400, "request target in none of the four forms");
    at = stop + 3;
    stop = at;
    while (stop < end && data[stop] != '/' && data[stop] != '?')
        stop++;
    p->host = (kt__http_span){at, stop - at};
    p->host_from_target = true;
    if (!kt__http_host_valid(kt__http_slice(data, p->host), KT__PORT_OPTIONAL))
        return kt__http_fail_at(p, at, 400, "bad host in the request target");
    return check_path(p, data, stop);
}

int kt__http_target_check(kt__http_parser *p, const char *data)
{
    kt_slice target = kt__http_slice(data, p->target);
    kt_slice method = kt__http_slice(data, p->method);
    if (kt_slice_is(method, "CONNECT"))
        return authority_form(p, data);
    if (target.data[0] == '/')
        return check_path(p, data, p->target.at);
    if (kt_slice_is(target, "*")) {
        if (!kt_slice_is(method, "OPTIONS"))
            return kt__http_fail_at(p, p->target.at, 400, "only OPTIONS may ask for *");
        p->path = p->target;
        return 0;
    }
    return absolute_form(p, data);
}
