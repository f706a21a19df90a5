/* SPDX-License-Identifier: MIT */
/* Challenges under libFuzzer. The oracles: the parser moves on; a name that it gives back is a token; and whatever a
 * server asks for, our answer is one field's value: no control byte, quotes closed.
 *
 * Input: the values of WWW-Authenticate fields, one a line. */
#include "http/auth_private.h"
#include "http/parser_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, kt_slice text)
{
    fprintf(stderr, "whole: %s: '%.*s'\n", what, (int)text.size, text.data);
    abort();
}

static void check_parse(kt_slice field)
{
    kt__challenge c;
    kt_slice rest = field;
    size_t before = rest.size + 1;
    while (kt__challenge_next(&rest, &c)) {
        if (rest.size >= before || rest.data + rest.size != field.data + field.size || c.scheme.size == 0)
            fail("stands still", field);
        for (size_t i = 0; i < c.scheme.size; i++)
            if (!kt__is(c.scheme.data[i], KT__C_TOKEN))
                fail("no token", field);
        before = rest.size;
    }
    if (rest.size > 0)
        fail("stops early", rest);
}

static void check_value(kt_slice value)
{
    bool quoted = false;
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c < ' ' || c == 0x7f)
            fail("a control byte", value);
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
    }
    if (quoted)
        fail("a quote is open", value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kt_http_auth_options options = {.user = "u\"\\", .password = "p", .token = size % 2 ? NULL : "t", .cnonce = "c"};
    kt_http_auth_request request = {.method = "GET", .target = kt_slice_from("/\""), .body = kt_slice_from("b")};
    kt_auto(kt_http_auth) *auth = NULL;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_slice fields[8];
    size_t count = 0;
    char *bytes = malloc(size + 1);
    if (!bytes || kt_http_auth_new(&options, &auth) < 0)
        abort();
    memcpy(bytes, data, size);
    for (char *at = bytes, *end = bytes + size; at < end && count < 8; count++) {
        char *mark = memchr(at, '\n', (size_t)(end - at));
        fields[count] = (kt_slice){at, (size_t)((mark ? mark : end) - at)};
        check_parse(fields[count]);
        at = mark ? mark + 1 : end;
    }
    if (kt_http_auth_challenge(auth, fields, count) < 0 || kt_http_auth_value(auth, &request, &out) < 0)
        abort();
    check_value(kt_buffer_slice(&out));
    free(bytes);
    return 0;
}
