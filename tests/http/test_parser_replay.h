/* SPDX-License-Identifier: MIT */
#ifndef KT__TEST_PARSER_REPLAY_H
#define KT__TEST_PARSER_REPLAY_H

/* Runs a byte stream through the HTTP parser, cut into given pieces, and writes down what came out.
 * Two cuts of one stream must give the same transcript; the tables of cases and the fuzzer compare
 * them. In a transcript, separated by spaces:
 *
 *     GET /x?a=b 1.1 host=h none keep {Host=h,X=y}    a request's head
 *     200 "OK" 1.1 length=5 close {}                  a response's head
 *     chunked until-close expect upgrade              more words of a head
 *     body(hello)                                     body data, however many pieces it came in
 *     end   end{Trailer=x}   end(eof)                 the end of a message
 *     rest=3                                          bytes behind a message that closes or upgrades
 *     400@17 empty header name                        an error: status, offset, reason
 *     cut                                             the input ends inside a message
 */

#include "http/parser.h"

#define REPLAY_TRANSCRIPT_MAX (192 * 1024)

typedef struct replay_setup {
    kt__http_role role;
    kt__http_answer_to answer_to;
    const kt__http_limits *limits;
    uint32_t header_max; /* 0: the default */
    /* Puts input where the parser may read it and nothing beside it; NULL: nothing is done. The
     * bytes need to stay there until the next call only. */
    const char *(*place)(const char *data, size_t size);
} replay_setup;

typedef struct replay_transcript {
    char text[REPLAY_TRANSCRIPT_MAX + 1]; /* terminated, but may hold zero bytes */
    size_t size;
    const char *broken; /* the first rule of the parser's contract that was broken, or NULL */
} replay_transcript;

/* The size of the next piece, at least 1, when `fed` bytes were given so far. */
typedef size_t (*replay_cut)(size_t fed, void *arg);

/* Feeds the stream in pieces, resetting the parser after each message, until the input ends or an
 * error comes. */
void replay_run(const replay_setup *setup, const char *data, size_t size, replay_cut cut, void *arg,
                replay_transcript *ret_transcript);

/* Cuts: everything at once; one byte at a time; a first piece of *(size_t *)arg bytes. */
size_t replay_whole(size_t fed, void *arg);
size_t replay_bytes(size_t fed, void *arg);
size_t replay_two(size_t fed, void *arg);

/* Copies the input so that it ends at a page that cannot be touched; at most 64 KiB. */
const char *replay_place_at_guard(const char *data, size_t size);

#endif
