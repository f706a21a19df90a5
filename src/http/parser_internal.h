/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_PARSER_INTERNAL_H
#define KT__HTTP_PARSER_INTERNAL_H

/* What the parser's own files share: parser.c drives and reads lines, parser_chars.c classifies
 * bytes, parser_target.c checks request targets and hosts, parser_fields.c gives headers their
 * meaning and decides the framing, parser_body.c reads bodies. */

#include "parser.h"

/* Classes of bytes; a byte may be in several. */
enum {
    KT__C_TOKEN = 1,   /* tchar, RFC 9110 section 5.6.2 */
    KT__C_VALUE = 2,   /* field-vchar, SP and HTAB, RFC 9110 section 5.5 */
    KT__C_PATH = 4,    /* pchar and "/", RFC 3986 section 3.3 */
    KT__C_QUERY = 8,   /* see parser_chars.c; holds every byte that any form of target may hold */
    KT__C_REGNAME = 16, /* RFC 3986 section 3.2.2 */
    KT__C_SCHEME = 32, /* RFC 3986 section 3.1, behind the first letter */
    KT__C_HEX = 64,
    KT__C_DIGIT = 128,
};

extern const uint8_t kt__http_class[256];

static inline bool kt__is(char c, unsigned classes)
{
    return (kt__http_class[(unsigned char)c] & classes) != 0;
}

/* The value of a byte of class KT__C_HEX. */
static inline unsigned kt__hex_value(char c)
{
    return kt__is(c, KT__C_DIGIT) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

/* The first position in [at, end) whose byte is not of the class; `end` if there is none. */
uint32_t kt__http_run(const char *data, uint32_t at, uint32_t end, unsigned classes);
/* The same for KT__C_VALUE, 16 bytes at a time where the machine can. */
uint32_t kt__http_run_value(const char *data, uint32_t at, uint32_t end);

/* Compares ASCII without case; `lower` holds no upper-case letter. */
bool kt__http_same(const char *data, size_t size, const char *lower);

/* Without spaces and tabs at both ends (RFC 9110 section 5.6.3, OWS). */
kt_slice kt__http_trim(kt_slice s);

/* The next element of a comma-separated list without surrounding white space; empty elements are
 * skipped (RFC 9110 section 5.6.1.2). False at the end. `*rest` moves on. */
bool kt__http_list_next(kt_slice *rest, kt_slice *ret_element);

/* Parts of a message; which one decides who reads the next byte. */
enum {
    KT__PHASE_START_LINE,
    KT__PHASE_HEADERS,
    KT__PHASE_LENGTH,
    KT__PHASE_UNTIL_CLOSE,
    KT__PHASE_CHUNKS,
    KT__PHASE_TRAILERS,
    KT__PHASE_END,  /* END is due */
    KT__PHASE_DONE, /* END has been delivered */
};

/* States inside a phase. */
enum {
    KT__S_START, /* start line */
    KT__S_START_LF,
    KT__S_METHOD,
    KT__S_TARGET,
    KT__S_VERSION,
    KT__S_AFTER_VERSION,
    KT__S_STATUS,
    KT__S_AFTER_STATUS,
    KT__S_REASON,
    KT__S_LINE_LF,
    KT__S_FIELD, /* headers and trailers */
    KT__S_NAME,
    KT__S_VALUE_START,
    KT__S_VALUE,
    KT__S_VALUE_LF,
    KT__S_FINAL_LF,
    KT__S_CHUNK_SIZE, /* chunks */
    KT__S_CHUNK_EXT,
    KT__S_CHUNK_LF,
    KT__S_CHUNK_DATA,
    KT__S_CHUNK_DATA_CR,
    KT__S_CHUNK_DATA_LF,
};

/* Records the failure at the byte `at` and returns its code, which the status decides. */
int kt__http_fail_at(kt__http_parser *p, uint32_t at, int status, const char *reason);
/* The same at the byte being scanned. */
int kt__http_fail(kt__http_parser *p, int status, const char *reason);

static inline kt_slice kt__http_slice(const char *data, kt__http_span s)
{
    kt_slice slice = {data + s.at, s.size};
    return slice;
}

/* Checks p->target against the form that p->method allows and fills in path, query and host
 * (RFC 9112 section 3.2). 0, or the error. */
int kt__http_target_check(kt__http_parser *p, const char *data);

typedef enum kt__port_rule {
    KT__PORT_OPTIONAL,
    KT__PORT_REQUIRED,
} kt__port_rule;

/* True if `s` is uri-host [":" port] with a host (RFC 9110 sections 4.2.1 and 7.2). */
bool kt__http_host_valid(kt_slice s, kt__port_rule rule);

/* Gives a complete header line its meaning; called for each line of the head in order. The value
 * is at p->mark. 0, or the error. */
int kt__http_field(kt__http_parser *p, kt_slice name, kt_slice value);
/* Refuses fields that may not come in trailers (RFC 9110 section 6.5.1). 0, or the error. */
int kt__http_trailer_field(kt__http_parser *p, kt_slice name);
/* Decides framing and persistence once the head is complete, and sets the next phase. 0, or the
 * error. */
int kt__http_head_decide(kt__http_parser *p);

/* Readers of the three kinds of body. Each returns the bytes consumed, or the error; *ret_body is
 * set if a piece was found. They may set a new phase. */
ssize_t kt__http_body_length(kt__http_parser *p, const char *data, size_t size, kt_slice *ret_body);
ssize_t kt__http_body_until_close(kt__http_parser *p, const char *data, size_t size,
                                  kt_slice *ret_body);
ssize_t kt__http_body_chunks(kt__http_parser *p, const char *data, size_t size,
                             kt_slice *ret_body);

#endif
