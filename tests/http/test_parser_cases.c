/* SPDX-License-Identifier: MIT */
#include "test_parser_cases.h"

#include <kettle/test.h>
#include <stdio.h>

#define INPUT_MAX 4096

static replay_transcript transcript;
static char input[INPUT_MAX];
static size_t input_size;
static char expected[INPUT_MAX];

/* Takes the mark out of the case's input and puts its offset into the transcript. */
static void load(const parser_case *c)
{
    const char *mark = memchr(c->input, '^', c->input_size);
    const char *hole = strchr(c->transcript, '^');
    size_t before = mark ? (size_t)(mark - c->input) : c->input_size;
    CHECK_LT(c->input_size, INPUT_MAX);
    CHECK_EQ(mark != NULL, hole != NULL);
    memcpy(input, c->input, before);
    input_size = before;
    if (mark) {
        memcpy(input + before, mark + 1, c->input_size - before - 1);
        input_size = c->input_size - 1;
    }
    int prefix = hole ? (int)(hole - c->transcript) : (int)strlen(c->transcript);
    char offset[24] = "";
    if (hole)
        snprintf(offset, sizeof(offset), "%zu", before);
    snprintf(expected, sizeof(expected), "RFC %s, %.*s%s%s", c->section, prefix, c->transcript,
             offset, hole ? hole + 1 : "");
}

static void replay_and_check(const replay_setup *setup, const parser_case *c, replay_cut cut,
                             void *arg)
{
    static char actual[REPLAY_TRANSCRIPT_MAX + 64];
    replay_run(setup, input, input_size, cut, arg, &transcript);
    snprintf(actual, sizeof(actual), "RFC %s, %s", c->section, transcript.text);
    CHECK_STR(transcript.broken, NULL);
    CHECK_STR(actual, expected);
}

void cases_run(const replay_setup *setup, const parser_case *cases, size_t count)
{
    replay_setup guarded = *setup;
    guarded.place = replay_place_at_guard;
    for (size_t i = 0; i < count; i++) {
        load(&cases[i]);
        replay_and_check(&guarded, &cases[i], replay_whole, NULL);
        replay_and_check(&guarded, &cases[i], replay_bytes, NULL);
        for (size_t first = 1; first < input_size; first++)
            replay_and_check(&guarded, &cases[i], replay_two, &first);
    }
}
