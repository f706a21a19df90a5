/* SPDX-License-Identifier: MIT */
/* Bodies: by length, until close, and chunked (RFC 9112 sections 6 and 7). */
#include "parser_internal.h"

/* Where in a chunk extension a byte stands (RFC 9112 section 7.1.1). */
enum {
    X_ELEMENT_END, /* behind the size or a quoted value */
    X_BEFORE_SEMICOLON,
    X_BEFORE_NAME,
    X_NAME,
    X_AFTER_NAME,
    X_BEFORE_VALUE,
    X_VALUE,
    X_QUOTED,
    X_QUOTED_PAIR,
    X_LINE_END,
};

/* A chunk's size in digits: more could only be leading zeros. */
#define KT__CHUNK_DIGITS_MAX 16

ssize_t kt__http_body_length(kt__http_parser *p, const char *data, size_t size, kt_slice *ret_body)
{
    size_t n = size < p->left ? size : (size_t)p->left;
    *ret_body = (kt_slice){data, n};
    p->left -= n;
    if (p->left == 0)
        p->phase = KT__PHASE_END;
    return (ssize_t)n;
}

ssize_t kt__http_body_until_close(kt__http_parser *p, const char *data, size_t size,
                                  kt_slice *ret_body)
{
    uint64_t room = p->limits.body_bytes_max - p->body_bytes;
    size_t n = size < room ? size : (size_t)room;
    if (size > 0 && room == 0)
        return kt__http_fail(p, 413, "body larger than the limit");
    *ret_body = (kt_slice){data, n};
    p->body_bytes += n;
    return (ssize_t)n;
}

/* The state behind byte c of an extension, or -1 if the grammar has no such byte there. White space
 * is allowed around ";" and "=" only, as RFC 9112 demands of recipients; not at the line's end. */
static int ext_next(int x, char c)
{
    bool blank = c == ' ' || c == '\t';
    switch (x) {
    case X_ELEMENT_END:
    case X_NAME:
    case X_VALUE:
        if (x != X_ELEMENT_END && kt__is(c, KT__C_TOKEN))
            return x;
        if (c == '\r')
            return X_LINE_END;
        if (blank)
            return x == X_NAME ? X_AFTER_NAME : X_BEFORE_SEMICOLON;
        if (c == '=' && x == X_NAME)
            return X_BEFORE_VALUE;
        return c == ';' ? X_BEFORE_NAME : -1;
    case X_BEFORE_SEMICOLON:
    case X_AFTER_NAME:
        if (blank)
            return x;
        if (c == '=' && x == X_AFTER_NAME)
            return X_BEFORE_VALUE;
        return c == ';' ? X_BEFORE_NAME : -1;
    case X_BEFORE_NAME:
        if (blank)
            return x;
        return kt__is(c, KT__C_TOKEN) ? X_NAME : -1;
    case X_BEFORE_VALUE:
        if (blank)
            return x;
        if (c == '"')
            return X_QUOTED;
        return kt__is(c, KT__C_TOKEN) ? X_VALUE : -1;
    case X_QUOTED:
        if (c == '"')
            return X_ELEMENT_END;
        if (c == '\\')
            return X_QUOTED_PAIR;
        return kt__is(c, KT__C_VALUE) ? X_QUOTED : -1;
    default:
        return kt__is(c, KT__C_VALUE) ? X_QUOTED : -1;
    }
}

static int ext_byte(kt__http_parser *p, char c)
{
    int next = ext_next(p->index, c);
    if (next < 0)
        return kt__http_fail(p, 400, "bad chunk extension");
    if (next == X_LINE_END) {
        p->state = KT__S_CHUNK_LF;
        return 0;
    }
    /* Many small chunks with long extensions would pass every other limit, so that the sum is
     * limited too (RFC 9112 section 7.1.1). */
    if (++p->chunk_ext > p->limits.chunk_ext_bytes_max ||
        ++p->chunk_ext_total > p->limits.chunk_ext_total_bytes_max)
        return kt__http_fail(p, 413, "chunk extensions larger than the limit");
    p->index = (uint8_t)next;
    return 0;
}

static int size_byte(kt__http_parser *p, char c)
{
    if (kt__is(c, KT__C_HEX)) {
        if (p->index == KT__CHUNK_DIGITS_MAX || p->left > (uint64_t)INT64_MAX >> 4)
            return kt__http_fail(p, 400, "chunk size is too large");
        p->left = p->left << 4 | kt__hex_value(c);
        p->index++;
        return 0;
    }
    if (p->index == 0)
        return kt__http_fail(p, 400, "chunk size is not a hexadecimal number");
    if (p->left > p->limits.body_bytes_max - p->body_bytes)
        return kt__http_fail(p, 413, "body larger than the limit");
    p->body_bytes += p->left;
    p->state = KT__S_CHUNK_EXT;
    p->index = X_ELEMENT_END;
    p->chunk_ext = 0;
    return ext_byte(p, c);
}

/* The line of the size is complete: data follows, or the trailers behind the last chunk. */
static void chunk_begin(kt__http_parser *p)
{
    if (p->left > 0) {
        p->state = KT__S_CHUNK_DATA;
        return;
    }
    p->phase = KT__PHASE_TRAILERS;
    p->state = KT__S_FIELD;
    p->limit_at = p->limits.trailer_bytes_max;
}

static int chunk_byte(kt__http_parser *p, char c)
{
    switch (p->state) {
    case KT__S_CHUNK_SIZE:
        return size_byte(p, c);
    case KT__S_CHUNK_EXT:
        return ext_byte(p, c);
    case KT__S_CHUNK_LF:
        if (c != '\n')
            return kt__http_fail(p, 400, "carriage return without line feed");
        chunk_begin(p);
        return 0;
    case KT__S_CHUNK_DATA_CR:
        if (c != '\r')
            return kt__http_fail(p, 400, "chunk longer than its size");
        p->state = KT__S_CHUNK_DATA_LF;
        return 0;
    default:
        if (c != '\n')
            return kt__http_fail(p, 400, "carriage return without line feed");
        p->state = KT__S_CHUNK_SIZE;
        p->left = 0;
        p->index = 0;
        return 0;
    }
}

/* Framing bytes are consumed as they come; one piece of data ends the call. */
ssize_t kt__http_body_chunks(kt__http_parser *p, const char *data, size_t size,
                             kt_slice *ret_body)
{
    uint32_t consumed;
#ifdef KT_FUZZ_PLANTED_BUG
    /* Planted for fuzz/prove, never in a real build: the digits seen so far live only as long as
     * the call, so that a size split between two calls loses its first half. */
    if (p->state == KT__S_CHUNK_SIZE)
        p->left = 0;
#endif
    while (p->at < size && p->phase == KT__PHASE_CHUNKS) {
        if (p->state == KT__S_CHUNK_DATA) {
            size_t rest = size - p->at;
            size_t n = rest < p->left ? rest : (size_t)p->left;
            *ret_body = (kt_slice){data + p->at, n};
            p->at += (uint32_t)n;
            p->left -= n;
            if (p->left == 0)
                p->state = KT__S_CHUNK_DATA_CR;
            break;
        }
        int rc = chunk_byte(p, data[p->at]);
        if (rc < 0)
            return rc;
        p->at++;
    }
    consumed = p->at;
    p->at = 0;
    return consumed;
}
