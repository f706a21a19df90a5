/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_PARSER_H
#define KT__HTTP_PARSER_H

/* A strict, incremental HTTP/1.1 parser (RFC 9110, RFC 9112) for both roles: bytes in, events out.
 * It does no I/O, allocates nothing and keeps no pointer into the input between two calls.
 *
 *     kt__http_header headers[KT__HTTP_HEADERS_DEFAULT];
 *     kt__http_parser p;
 *     kt__http_parser_init(&p, KT__HTTP_REQUEST, headers, KT__HTTP_HEADERS_DEFAULT, NULL);
 *     for (;;) {
 *         kt__http_event e;
 *         ssize_t n = kt__http_parser_feed(&p, buffer.data + start, buffer.size - start, &e);
 *         if (n < 0)
 *             return answer(p.error.status, p.error.reason);
 *         start += (size_t)n;                       // these bytes are done with
 *         if (e.type == KT__HTTP_NEED_MORE)
 *             read_more_behind_the_rest(&buffer);   // may move or compact the buffer
 *         else if (e.type == KT__HTTP_HEAD)
 *             begin(e.head);
 *         else if (e.type == KT__HTTP_BODY)
 *             take(e.body);
 *         else if (e.type == KT__HTTP_END)
 *             answer_it(), kt__http_parser_reset(&p);
 *     }
 *
 * The contract of feed():
 *   - The caller passes every byte it has that no earlier call consumed, contiguous and in order.
 *     An incomplete head (or trailer section) is not consumed: it is passed again, longer, and the
 *     parser goes on where it stopped. No byte is scanned twice, so that feeding a head one byte at
 *     a time costs linear time. What is held back this way never exceeds
 *     2 + start_line_bytes_max + header_bytes_max bytes; past that the call fails.
 *   - Between two calls the bytes may move (realloc, memmove): the parser keeps offsets.
 *   - Slices of an event point into the `data` of the call that returned it, and live as long as
 *     the caller leaves those bytes where they are.
 *   - Any split of a stream into calls gives the same events, except that body data comes in other
 *     pieces, and the same error at the same offset.
 *
 * Everything that could make two readers disagree about where a message ends is refused, also where
 * the RFC would allow a recipient to repair it: bare CR or LF, obs-fold, Content-Length beside
 * Transfer-Encoding, repeated or listed Content-Length, any transfer coding but one `chunked`.
 */

#include <kettle/base.h>
#include <kettle/error.h>

KT_BEGIN

/* What is read: a server reads requests, a client responses. */
typedef enum kt__http_role {
    KT__HTTP_REQUEST,
    KT__HTTP_RESPONSE,
} kt__http_role;

/* What a response answers; it decides whether a body follows (RFC 9112 section 6.3). */
typedef enum kt__http_answer_to {
    KT__HTTP_TO_OTHER,
    KT__HTTP_TO_HEAD,
    KT__HTTP_TO_CONNECT,
} kt__http_answer_to;

/* How the end of the body is found (RFC 9112 section 6.3). */
typedef enum kt__http_framing {
    KT__HTTP_NO_BODY,     /* no bytes follow the head */
    KT__HTTP_LENGTH,      /* content_length bytes, at least one */
    KT__HTTP_CHUNKED,     /* chunks, then trailers */
    KT__HTTP_UNTIL_CLOSE, /* responses only: to the end of the connection */
} kt__http_framing;

typedef enum kt__http_event_type {
    KT__HTTP_NEED_MORE, /* all that can be said about the input has been said */
    KT__HTTP_HEAD,      /* start line and headers are complete */
    KT__HTTP_BODY,      /* a piece of the body, never empty */
    KT__HTTP_END,       /* the message is complete */
} kt__http_event_type;

/* The name as it was sent (compare without case); the value without surrounding white space, which
 * may hold bytes above 0x7f but no control byte other than HTAB. */
typedef struct kt__http_header {
    kt_slice name;
    kt_slice value;
} kt__http_header;

/* Zero in a field means its default, which stands beside it. The number of headers (those of head
 * and trailers together) is limited by the array given to init. */
typedef struct kt__http_limits {
    uint32_t start_line_bytes_max;      /* 8 KiB, line end included: 414 */
    uint32_t header_bytes_max;          /* 32 KiB, empty line included: 431 */
    uint64_t body_bytes_max;            /* 1 MiB of content; KT__HTTP_UNLIMITED for none: 413 */
    uint32_t chunk_ext_bytes_max;       /* 256 bytes behind the size on one chunk's line: 413 */
    uint32_t chunk_ext_total_bytes_max; /* 8 KiB of them in one message: 413 */
    uint32_t trailer_bytes_max;         /* 8 KiB, the final empty line included: 431 */
} kt__http_limits;

#define KT__HTTP_UNLIMITED UINT64_MAX
#define KT__HTTP_HEADERS_DEFAULT 100

/* A complete head. For requests `method` to `host` are set, for responses `status` and `reason`. */
typedef struct kt__http_head {
    kt_slice method;
    kt_slice target; /* as sent, in one of the four forms of RFC 9112 section 3.2 */
    kt_slice path;   /* raw, never decoded; "*" for OPTIONS *, may be empty */
    kt_slice query;  /* raw, behind the "?" */
    kt_slice host;   /* "host[:port]": the target's in absolute and authority form, else Host's */
    kt_slice reason;
    const kt__http_header *headers;
    size_t header_count;
    uint64_t content_length; /* with KT__HTTP_LENGTH */
    kt__http_framing framing;
    int status;
    int minor; /* 1 for HTTP/1.1; versions 1.2 to 1.9 count as 1.1 (RFC 9110 section 2.5) */
    bool keep_alive;         /* the connection may carry another message (RFC 9112 section 9.3) */
    bool expect_continue;    /* the peer waits for 100 before it sends the body that is announced */
    bool upgrade; /* request: asks for Upgrade; response: what follows END is another protocol's */
} kt__http_head;

/* `head` is set with HEAD and END and lives in the parser until reset; `body` with BODY; the
 * trailers, which lie behind the headers in the same array, with END. */
typedef struct kt__http_event {
    kt__http_event_type type;
    const kt__http_head *head;
    kt_slice body;
    const kt__http_header *trailers;
    size_t trailer_count;
} kt__http_event;

/* Why feed() failed. */
typedef struct kt__http_error {
    int rc;             /* KT_EPROTOCOL, or KT_ELIMIT where a limit was passed; 0 for none */
    int status;         /* to answer with: 400 413 414 431 501 505; always 502 for responses */
    const char *reason; /* static text */
    uint64_t offset;    /* of the offending byte, from the first byte of the message */
} kt__http_error;

/* Private to the parser: a piece of the head before it is complete. */
typedef struct kt__http_span {
    uint32_t at;
    uint32_t size;
} kt__http_span;

/* In the caller's storage. Read `error` after a failure; leave the rest to the functions below.
 * Invariant: offsets (`at`, `mark`, `end`, the spans) count from the first byte that no call has
 * consumed, and `offset` says where in the message that byte lies. */
typedef struct kt__http_parser {
    kt__http_error error;
    kt__http_head head;
    kt__http_header *headers;
    uint32_t header_max;
    uint32_t header_count; /* of the head, then head and trailers */
    kt__http_limits limits;
    uint64_t offset;
    uint64_t body_bytes;     /* content announced by Content-Length or chunk sizes, or received */
    uint64_t left;           /* of the body or of the current chunk */
    uint64_t content_length; /* valid if has_length */
    uint32_t at;             /* the next byte to scan */
    uint32_t limit_at;       /* where the current section's limit strikes */
    uint32_t mark;           /* where the element being scanned began */
    uint32_t end;            /* where a field value ended */
    uint32_t chunk_ext;      /* extension bytes on this chunk's line */
    uint32_t chunk_ext_total;
    kt__http_span name, method, target, path, query, host, reason;
    uint8_t role, answer_to, phase, state, index, major;
    bool skipped_line; /* the one empty line before a request has been seen */
    bool host_from_target;
    bool has_host, has_length, has_chunked;
    bool says_close, says_keep_alive, says_upgrade, has_upgrade, says_expect;
} kt__http_parser;

/* Prepares a parser for one connection. `headers` is borrowed until the last use of the parser, and
 * its length `header_max` is the limit on headers. `limits` is copied; NULL means the defaults.
 * Cannot fail; does not suspend; a parser belongs to one thread at a time. */
void kt__http_parser_init(kt__http_parser *p, kt__http_role role, kt__http_header *headers,
                          uint32_t header_max, const kt__http_limits *limits);

/* Makes the parser ready for the next message of the connection: after END, or to drop everything.
 * Forgets kt__http_parser_answers() and the error; keeps role, limits and header array. Input that
 * was not consumed stays the caller's, to be fed again. Does not suspend. */
void kt__http_parser_reset(kt__http_parser *p);

/* Says, before the first byte of a response, what it answers. Needed after HEAD and CONNECT, and
 * again after each interim (1xx) response's reset. Does not suspend. */
void kt__http_parser_answers(kt__http_parser *p, kt__http_answer_to to);

/* Consumes input up to the next event, which is stored in *ret_event. `data` is all input that has
 * not been consumed, as the contract above says; it may be empty. A message gives HEAD, then BODY
 * any number of times, then END, after which the parser wants a reset.
 * Returns the number of bytes consumed, to be dropped from the front of the input, which may be 0
 * with any event but HEAD and BODY. Call again until it says NEED_MORE. On failure:
 * KT_EPROTOCOL (the peer broke the protocol) or KT_ELIMIT (a limit was passed), with the details in
 * p->error; every later call fails likewise. KT_EINVALIDSTATE: fed after END without a reset.
 * Does not suspend. Source: RFC 9112 sections 2 to 9. */
KT_CHECKED ssize_t kt__http_parser_feed(kt__http_parser *p, const char *data, size_t size,
                                        kt__http_event *ret_event);

/* Tells the parser that the connection has ended, once feed() has said NEED_MORE.
 * Returns 1 and END in *ret_event if that ends the message (a body until close); 0 between two
 * messages, which is a clean end; KT_EINCOMPLETE if a message is cut off, and after an error that
 * error. Does not suspend. Source: RFC 9112 section 8. */
KT_CHECKED int kt__http_parser_eof(kt__http_parser *p, kt__http_event *ret_event);

/* True as long as no message has begun since init or reset; the empty line that may precede a
 * request does not count. A connection in this state may be closed without an answer. Does not
 * suspend. */
bool kt__http_parser_idle(const kt__http_parser *p);

/* The first of `count` headers whose name is `name` in any case, or NULL. Does not suspend. */
const kt__http_header *kt__http_header_find(const kt__http_header *headers, size_t count,
                                            const char *name);

/* True if `value`, a comma-separated list, holds `token` in any case (RFC 9110 section 5.6.1). */
bool kt__http_list_has(kt_slice value, const char *token);

/* The same of all headers of that name, which are one list (RFC 9110 section 5.3). */
bool kt__http_headers_have(const kt__http_header *headers, size_t count, const char *name, const char *token);

KT_END

#endif
