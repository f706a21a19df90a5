/* SPDX-License-Identifier: MIT */
/* JSON that holds notes. */
#include <kettle/memory.h>
#include <kettle/test.h>

#include "notes/json.h"

#include "../json_vectors.h"

#define READ kt__note_json_parse
#define DEPTH 16

/* As deep as may be, and one level deeper. */
static kt_slice nested(char open, char close, size_t depth, char *room)
{
    memset(room, open, depth);
    memset(room + depth, close, depth);
    return (kt_slice){room, 2 * depth};
}

TEST(json_is_what_rfc_8259_says)
{
    for (size_t i = 0; i < JSON_VECTORS; i++) {
        const json_vector *v = &json_vectors[i];
        json_t *json = NULL;
        kt_test_say("section %s: %.*s", v->section, (int)v->size, v->text);
        int rc = READ((kt_slice){v->text, v->size}, &json);
        if (v->verdict == JSON_YES)
            CHECK_OK(rc);
        else
            CHECK_ERR(rc, KT_EVALIDATION);
        CHECK_EQ(rc == 0, json != NULL);
        json_decref(json);
    }
}

TEST(json_nests_as_deep_as_is_said_and_no_deeper)
{
    static char room[2 * (DEPTH + 1)];
    json_t *json = NULL;
    CHECK_OK(READ(nested('[', ']', DEPTH, room), &json));
    json_decref(kt_steal(json));
    CHECK_ERR(READ(nested('[', ']', DEPTH + 1, room), &json), KT_EVALIDATION);
    CHECK(strstr(kt_error_detail(), "nested deeper than"));
    CHECK(!json);
}

TEST(a_zero_byte_is_told_with_its_place)
{
    json_t *json = NULL;
    CHECK_ERR(READ((kt_slice){"[1, \0 2]", 8}, &json), KT_EVALIDATION);
    CHECK(strstr(kt_error_detail(), "byte 4"));
}
