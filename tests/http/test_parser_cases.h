/* SPDX-License-Identifier: MIT */
#ifndef KT__TEST_PARSER_CASES_H
#define KT__TEST_PARSER_CASES_H

/* Tables of input and transcript (see test_parser_replay.h). */

#include "test_parser_replay.h"

/* `input` may hold one "^", which is taken out and marks the byte at which an error is expected; a
 * "^" in `transcript` stands for its offset. */
typedef struct parser_case {
    const char *section; /* of which RFC */
    const char *input;
    size_t input_size;
    const char *transcript;
} parser_case;

#define CASE(section, input, transcript) {section, input, sizeof(input) - 1, transcript}

#define CASES_RUN(setup, cases) cases_run(setup, cases, sizeof(cases) / sizeof((cases)[0]))

/* Replays every case whole, one byte at a time and at every split in two, each time against a guard
 * page, and checks all transcripts. */
void cases_run(const replay_setup *setup, const parser_case *cases, size_t count);

#endif
