/* SPDX-License-Identifier: MIT */
/* Drives the phases of a message, and reads its lines. */
#include "parser_internal.h"

/* Keeps every offset inside 32 bits, whatever limits a caller asks for. */
#define KT__SECTION_MAX (UINT32_C(1) << 28)
#define KT__INPUT_MAX ((size_t)1 << 30)

static const char bare_lf[] = "line feed without carriage return";
static const char bare_cr[] = "carriage return without line feed";

int kt__http_fail_at(kt__http_parser *p, uint32_t at, int status, const char *reason)
{
    bool limit = status == 413 || status == 414 || status == 431;
    p->error.rc = limit ? KT_ELIMIT : KT_EPROTOCOL;
    p->error.status = p->role == KT__HTTP_REQUEST ? status : 502;
    p->error.reason = reason;
    p->error.offset = p->offset + at;
    return p->error.rc;
}

int kt__http_fail(kt__http_parser *p, int status, const char *reason)
{
    return kt__http_fail_at(p, p->at, status, reason);
}

/* An unexpected byte: line ends are named, anything else gets `reason`. */
static int fail_byte(kt__http_parser *p, char c, const char *reason)
{
    return kt__http_fail(p, 400, c == '\n' ? bare_lf : reason);
}

/* ---- Start line ------------------------------------------------------------------------------ */

/* RFC 9112 section 2.2: one empty line before a request is skipped, for old clients that sent one
 * behind a body. */
static int step_start(kt__http_parser *p, char c)
{
    if (p->role == KT__HTTP_REQUEST && c == '\r') {
        if (p->skipped_line)
            return kt__http_fail(p, 400, "more than one empty line before the request");
        p->state = KT__S_START_LF;
        p->at++;
        return 0;
    }
    p->mark = p->at;
    p->state = p->role == KT__HTTP_REQUEST ? KT__S_METHOD : KT__S_VERSION;
    return 0;
}

static int step_start_lf(kt__http_parser *p, char c)
{
    if (c != '\n')
        return kt__http_fail(p, 400, bare_cr);
    p->at++;
    p->skipped_line = true;
    p->limit_at = p->at + p->limits.start_line_bytes_max;
    p->state = KT__S_START;
    return 0;
}

/* Takes the run of bytes of one class that began at p->mark; 1 once the byte behind it is there. */
static int take_run(kt__http_parser *p, const char *data, uint32_t end, unsigned class_wanted,
                    kt__http_span *ret_span)
{
    p->at = kt__http_run(data, p->at, end, class_wanted);
    if (p->at == end)
        return 0;
    *ret_span = (kt__http_span){p->mark, p->at - p->mark};
    return 1;
}

static int step_method(kt__http_parser *p, const char *data, uint32_t end)
{
    if (!take_run(p, data, end, KT__C_TOKEN, &p->method))
        return 0;
    if (data[p->at] != ' ' || p->method.size == 0)
        return fail_byte(p, data[p->at], "method is not a token before one space");
    p->mark = ++p->at;
    p->state = KT__S_TARGET;
    return 0;
}

static int step_target(kt__http_parser *p, const char *data, uint32_t end)
{
    if (!take_run(p, data, end, KT__C_QUERY, &p->target))
        return 0;
    if (data[p->at] == '\r')
        return kt__http_fail(p, 400, "request line without a version");
    if (data[p->at] != ' ')
        return fail_byte(p, data[p->at], "byte not allowed in a request target");
    if (p->target.size == 0)
        return kt__http_fail(p, 400, "more than one space in the request line");
    p->mark = ++p->at;
    p->index = 0;
    p->state = KT__S_VERSION;
    return 0;
}

/* HTTP-version is case-sensitive and of fixed form (RFC 9112 section 2.3). */
static int step_version(kt__http_parser *p, char c)
{
    static const char form[] = "HTTP/d.d";
    bool good = form[p->index] == 'd' ? kt__is(c, KT__C_DIGIT) : c == form[p->index];
    if (!good)
        return fail_byte(p, c, "bad HTTP version");
    if (p->index == 5)
        p->major = (uint8_t)(c - '0');
    if (p->index == 7) {
        if (p->major != 1)
            return kt__http_fail_at(p, p->mark, 505, "HTTP version not supported");
        p->head.minor = c == '0' ? 0 : 1;
        p->state = KT__S_AFTER_VERSION;
    }
    p->index++;
    p->at++;
    return 0;
}

static int step_after_version(kt__http_parser *p, char c)
{
    bool request = p->role == KT__HTTP_REQUEST;
    if (c != (request ? '\r' : ' '))
        return fail_byte(p, c, request ? "bytes behind the HTTP version"
                                       : "no space behind the HTTP version");
    p->state = request ? KT__S_LINE_LF : KT__S_STATUS;
    p->index = 0;
    p->at++;
    return 0;
}

/* Three digits; beyond 100 to 599 no class is defined (RFC 9110 section 15). */
static int step_status(kt__http_parser *p, char c)
{
    if (!kt__is(c, KT__C_DIGIT) || (p->index == 0 && (c < '1' || c > '5')))
        return fail_byte(p, c, "bad status code");
    p->head.status = p->head.status * 10 + (c - '0');
    p->at++;
    if (++p->index == 3)
        p->state = KT__S_AFTER_STATUS;
    return 0;
}

/* The space belongs to the grammar even before an empty reason, but many servers forget it, and
 * RFC 9112 section 4 lets a client accept that. */
static int step_after_status(kt__http_parser *p, char c)
{
    if (c != ' ' && c != '\r')
        return fail_byte(p, c, "bad status code");
    p->mark = ++p->at;
    p->state = c == ' ' ? KT__S_REASON : KT__S_LINE_LF;
    return 0;
}

static int step_reason(kt__http_parser *p, const char *data, uint32_t end)
{
    p->at = kt__http_run_value(data, p->at, end);
    if (p->at == end)
        return 0;
    if (data[p->at] != '\r')
        return fail_byte(p, data[p->at], "control byte in the reason phrase");
    p->reason = (kt__http_span){p->mark, p->at - p->mark};
    p->at++;
    p->state = KT__S_LINE_LF;
    return 0;
}

static int step_line_lf(kt__http_parser *p, const char *data)
{
    if (data[p->at] != '\n')
        return kt__http_fail(p, 400, bare_cr);
    if (p->role == KT__HTTP_REQUEST) {
        int rc = kt__http_target_check(p, data);
        if (rc < 0)
            return rc;
    }
    p->at++;
    p->phase = KT__PHASE_HEADERS;
    p->state = KT__S_FIELD;
    p->limit_at = p->at + p->limits.header_bytes_max;
    return 0;
}

/* ---- Header and trailer lines ---------------------------------------------------------------- */

static int step_field(kt__http_parser *p, char c)
{
    if (c == '\r') {
        p->at++;
        p->state = KT__S_FINAL_LF;
        return 0;
    }
    if (c == ' ' || c == '\t')
        return kt__http_fail(p, 400, "folded or indented header line");
    if (c == ':')
        return kt__http_fail(p, 400, "empty header name");
    if (!kt__is(c, KT__C_TOKEN))
        return fail_byte(p, c, "byte not allowed in a header name");
    if (p->header_count == p->header_max)
        return kt__http_fail(p, 431, "more headers than the limit");
    p->mark = p->at;
    p->state = KT__S_NAME;
    return 0;
}

static int step_name(kt__http_parser *p, const char *data, uint32_t end)
{
    if (!take_run(p, data, end, KT__C_TOKEN, &p->name))
        return 0;
    char c = data[p->at];
    if (c == ' ' || c == '\t')
        return kt__http_fail(p, 400, "white space before the colon");
    if (c == '\r')
        return kt__http_fail(p, 400, "header line without a colon");
    if (c != ':')
        return fail_byte(p, c, "byte not allowed in a header name");
    p->at++;
    p->state = KT__S_VALUE_START;
    return 0;
}

static void step_value_start(kt__http_parser *p, const char *data, uint32_t end)
{
    while (p->at < end && (data[p->at] == ' ' || data[p->at] == '\t'))
        p->at++;
    if (p->at == end)
        return;
    p->mark = p->at;
    p->state = KT__S_VALUE;
}

static int step_value(kt__http_parser *p, const char *data, uint32_t end)
{
    p->at = kt__http_run_value(data, p->at, end);
    if (p->at == end)
        return 0;
    if (data[p->at] != '\r')
        return fail_byte(p, data[p->at], "control byte in a header value");
    p->end = p->at++;
    p->state = KT__S_VALUE_LF;
    return 0;
}

/* While the section is incomplete a header holds offsets in place of its pointers: the bytes may
 * still move. headers_point() turns them into pointers. */
static int step_value_lf(kt__http_parser *p, const char *data)
{
    uint32_t end = p->end;
    if (data[p->at] != '\n')
        return kt__http_fail(p, 400, bare_cr);
    while (end > p->mark && (data[end - 1] == ' ' || data[end - 1] == '\t'))
        end--;
    kt_slice value = {data + p->mark, end - p->mark};
    kt_slice name = kt__http_slice(data, p->name);
    int rc = p->phase == KT__PHASE_TRAILERS ? kt__http_trailer_field(p, name)
                                            : kt__http_field(p, name, value);
    if (rc < 0)
        return rc;
    kt__http_header *h = &p->headers[p->header_count++];
    h->name = (kt_slice){(const char *)(uintptr_t)p->name.at, p->name.size};
    h->value = (kt_slice){(const char *)(uintptr_t)p->mark, value.size};
    p->at++;
    p->state = KT__S_FIELD;
    return 0;
}

static void headers_point(kt__http_parser *p, const char *data, uint32_t first)
{
    for (uint32_t i = first; i < p->header_count; i++) {
        kt__http_header *h = &p->headers[i];
        h->name.data = data + (uintptr_t)h->name.data;
        h->value.data = data + (uintptr_t)h->value.data;
    }
}

static int head_complete(kt__http_parser *p, const char *data)
{
    kt__http_head *h = &p->head;
    h->method = kt__http_slice(data, p->method);
    h->target = kt__http_slice(data, p->target);
    h->path = kt__http_slice(data, p->path);
    h->query = kt__http_slice(data, p->query);
    h->host = kt__http_slice(data, p->host);
    h->reason = kt__http_slice(data, p->reason);
    h->headers = p->headers;
    h->header_count = p->header_count;
    int rc = kt__http_head_decide(p);
    if (rc == 0)
        headers_point(p, data, 0);
    return rc;
}

static int step_final_lf(kt__http_parser *p, const char *data)
{
    if (data[p->at] != '\n')
        return kt__http_fail(p, 400, bare_cr);
    if (p->phase == KT__PHASE_TRAILERS) {
        headers_point(p, data, (uint32_t)p->head.header_count);
        p->phase = KT__PHASE_END;
    } else {
        int rc = head_complete(p, data);
        if (rc < 0)
            return rc;
    }
    p->at++;
    return 0;
}

/* ---- Phases ---------------------------------------------------------------------------------- */

static int step(kt__http_parser *p, const char *data, uint32_t end)
{
    char c = data[p->at];
    switch (p->state) {
    case KT__S_START:
        return step_start(p, c);
    case KT__S_START_LF:
        return step_start_lf(p, c);
    case KT__S_METHOD:
        return step_method(p, data, end);
    case KT__S_TARGET:
        return step_target(p, data, end);
    case KT__S_VERSION:
        return step_version(p, c);
    case KT__S_AFTER_VERSION:
        return step_after_version(p, c);
    case KT__S_STATUS:
        return step_status(p, c);
    case KT__S_AFTER_STATUS:
        return step_after_status(p, c);
    case KT__S_REASON:
        return step_reason(p, data, end);
    case KT__S_LINE_LF:
        return step_line_lf(p, data);
    case KT__S_FIELD:
        return step_field(p, c);
    case KT__S_NAME:
        return step_name(p, data, end);
    case KT__S_VALUE_START:
        step_value_start(p, data, end);
        return 0;
    case KT__S_VALUE:
        return step_value(p, data, end);
    case KT__S_VALUE_LF:
        return step_value_lf(p, data);
    default:
        return step_final_lf(p, data);
    }
}

/* RFC 9112 section 3: 501 for a method longer than any that is known, 414 for a long target. */
static int fail_limit(kt__http_parser *p)
{
    if (p->phase != KT__PHASE_START_LINE)
        return kt__http_fail(p, 431, "header section larger than the limit");
    if (p->state == KT__S_METHOD)
        return kt__http_fail(p, 501, "method longer than the limit");
    return kt__http_fail(p, 414, "start line longer than the limit");
}

/* Scans lines until the section (head or trailers) is complete, and then consumes it whole. */
static ssize_t run_lines(kt__http_parser *p, const char *data, size_t size)
{
    uint32_t consumed;
    while (p->phase <= KT__PHASE_HEADERS || p->phase == KT__PHASE_TRAILERS) {
        uint32_t end = size < p->limit_at ? (uint32_t)size : p->limit_at;
        if (p->at == end) {
            if (p->at < size)
                return fail_limit(p);
            return 0;
        }
        int rc = step(p, data, end);
        if (rc < 0)
            return rc;
    }
    consumed = p->at;
    p->at = 0;
    return consumed;
}

static ssize_t run_phase(kt__http_parser *p, const char *data, size_t size, kt_slice *ret_body)
{
    switch (p->phase) {
    case KT__PHASE_LENGTH:
        return kt__http_body_length(p, data, size, ret_body);
    case KT__PHASE_UNTIL_CLOSE:
        return kt__http_body_until_close(p, data, size, ret_body);
    case KT__PHASE_CHUNKS:
        return kt__http_body_chunks(p, data, size, ret_body);
    default:
        return run_lines(p, data, size);
    }
}

static void end_event(kt__http_parser *p, kt__http_event *e)
{
    e->type = KT__HTTP_END;
    e->head = &p->head;
    e->trailers = p->headers + p->head.header_count;
    e->trailer_count = p->header_count - p->head.header_count;
    p->phase = KT__PHASE_DONE;
}

ssize_t kt__http_parser_feed(kt__http_parser *p, const char *data, size_t size,
                             kt__http_event *ret_event)
{
    kt__http_event e = {.type = KT__HTTP_NEED_MORE};
    size_t used = 0;
    if (p->error.rc < 0)
        return p->error.rc;
    if (p->phase == KT__PHASE_DONE)
        return KT_EINVALIDSTATE;
    if (size == 0)
        data = "";
    if (size > KT__INPUT_MAX)
        size = KT__INPUT_MAX;
    while (p->phase != KT__PHASE_END) {
        uint8_t phase = p->phase;
        ssize_t n = run_phase(p, data + used, size - used, &e.body);
        if (n < 0)
            return n;
        used += (size_t)n;
        p->offset += (uint64_t)n;
        if (e.body.size > 0)
            e.type = KT__HTTP_BODY;
        else if (phase <= KT__PHASE_HEADERS && p->phase > KT__PHASE_HEADERS)
            e.type = KT__HTTP_HEAD;
        if (e.type != KT__HTTP_NEED_MORE || p->phase == phase || used == size)
            break;
    }
    if (e.type == KT__HTTP_HEAD)
        e.head = &p->head;
    else if (e.type == KT__HTTP_NEED_MORE && p->phase == KT__PHASE_END)
        end_event(p, &e);
    *ret_event = e;
    return (ssize_t)used;
}

int kt__http_parser_eof(kt__http_parser *p, kt__http_event *ret_event)
{
    kt__http_event e = {.type = KT__HTTP_NEED_MORE};
    if (p->error.rc < 0)
        return p->error.rc;
    if (p->phase == KT__PHASE_UNTIL_CLOSE || p->phase == KT__PHASE_END) {
        end_event(p, &e);
        *ret_event = e;
        return 1;
    }
    return p->phase == KT__PHASE_DONE || kt__http_parser_idle(p) ? 0 : KT_EINCOMPLETE;
}

bool kt__http_parser_idle(const kt__http_parser *p)
{
    return p->phase == KT__PHASE_START_LINE && p->state <= KT__S_START_LF;
}

/* ---- Lifecycle ------------------------------------------------------------------------------- */

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    if (value == 0)
        return otherwise;
    return value < KT__SECTION_MAX ? value : KT__SECTION_MAX;
}

void kt__http_parser_init(kt__http_parser *p, kt__http_role role, kt__http_header *headers,
                          uint32_t header_max, const kt__http_limits *limits)
{
    kt__http_limits l = {0};
    if (limits)
        l = *limits;
    l.start_line_bytes_max = or_default(l.start_line_bytes_max, 8 * 1024);
    l.header_bytes_max = or_default(l.header_bytes_max, 32 * 1024);
    l.body_bytes_max = l.body_bytes_max ? l.body_bytes_max : 1024 * 1024;
    l.chunk_ext_bytes_max = or_default(l.chunk_ext_bytes_max, 256);
    l.chunk_ext_total_bytes_max = or_default(l.chunk_ext_total_bytes_max, 8 * 1024);
    l.trailer_bytes_max = or_default(l.trailer_bytes_max, 8 * 1024);
    memset(p, 0, sizeof(*p));
    p->role = (uint8_t)role;
    p->headers = headers;
    p->header_max = header_max;
    p->limits = l;
    kt__http_parser_reset(p);
}

void kt__http_parser_reset(kt__http_parser *p)
{
    kt__http_header *headers = p->headers;
    uint32_t header_max = p->header_max;
    kt__http_limits limits = p->limits;
    uint8_t role = p->role;
    memset(p, 0, sizeof(*p));
    p->headers = headers;
    p->header_max = header_max;
    p->limits = limits;
    p->role = role;
    p->limit_at = limits.start_line_bytes_max;
}

void kt__http_parser_answers(kt__http_parser *p, kt__http_answer_to to)
{
    p->answer_to = (uint8_t)to;
}
