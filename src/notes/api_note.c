/* SPDX-License-Identifier: MIT */

/* The HTTP API on one note: made, shown, changed, removed. */

#include <errno.h>
#include <stdio.h>

#include "notes/api.h"

/* ---- A note as it was sent ---------------------------------------------------------------- */

typedef struct sent {
    json_t *json;
    kt_note note; /* what it has of a note; without a title, title.data is NULL */
    kt__tags tags;
    bool has_body, has_tags;
    kt_time seen;
} sent;

static void sent_cleanup(sent *s)
{
    json_decref(s->json);
    kt__tags_cleanup(&s->tags);
}

static int check_fields(const json_t *json)
{
    static const char *const known[] = {"title", "body", "tags", "created", "seen"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value)
    {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            is_known = is_known || strcmp(key, known[i]) == 0;
        if (!is_known)
            return kt_error_set(KT_EVALIDATION, "'%.40s' is no field of a note", key);
    }
    return 0;
}

static int read_sent(kt_http_exchange *x, sent *s)
{
    kt_slice body;
    int rc = kt_http_read_all(x, SIZE_MAX, &body);
    if (rc == KT_ELIMIT)
        return kt_error_set(rc, "the request is too large");
    if (rc == 0)
        rc = kt__note_json_parse(body, &s->json);
    if (rc == 0)
        rc = kt__note_of_json(s->json, &s->note, &s->tags);
    if (rc == 0)
        rc = check_fields(s->json);
    const json_t *seen = rc == 0 ? json_object_get(s->json, "seen") : NULL;
    if (seen && !json_is_null(seen))
        rc = json_is_string(seen)
                 ? kt_note_time_parse(kt_slice_from(json_string_value(seen)), &s->seen)
                 : kt_error_set(KT_EVALIDATION, "seen must be a time");
    s->has_body = json_is_string(json_object_get(s->json, "body"));
    s->has_tags = json_is_array(json_object_get(s->json, "tags"));
    return rc;
}

/* ---- Answers ------------------------------------------------------------------------------ */

static int answer_note(kt_http_exchange *x, const kt_notes_site *s, int status, const char *name)
{
    kt_auto(kt_note) n = KT_NOTE_INIT;
    int rc = kt_notebook_get(s->book, name, &n);
    if (rc < 0)
        return kt__notes_failure(x, rc);
    json_t *json = kt__notes_head(name, &n);
    if (json && json_object_set_new(
                    json, "body", json_stringn(n.body.data ? n.body.data : "", n.body.size)) < 0) {
        json_decref(json);
        json = NULL;
    }
    return kt__notes_answer(x, status, json);
}

int kt__notes_add(kt_http_exchange *x, const kt_notes_site *s)
{
    kt_auto(sent) given = {.note = KT_NOTE_INIT};
    char name[KT_NOTE_NAME_BYTES];
    int rc = read_sent(x, &given);
    if (rc == 0)
        rc = kt_notebook_add(s->book, &given.note, name);
    return rc < 0 ? kt__notes_failure(x, rc) : answer_note(x, s, 201, name);
}

/* What was not sent stays as it is. */
static int change(kt_http_exchange *x, const kt_notes_site *s, const char *name)
{
    kt_auto(sent) given = {.note = KT_NOTE_INIT};
    kt_auto(kt_note) old = KT_NOTE_INIT;
    char new_name[KT_NOTE_NAME_BYTES];
    int rc = read_sent(x, &given);
    if (rc == 0)
        rc = kt_notebook_get(s->book, name, &old);
    kt_note n = old; /* without what it owns */
    if (given.note.title.data)
        n.title = given.note.title;
    if (given.has_body)
        n.body = given.note.body;
    if (given.has_tags) {
        n.tags = given.tags.items;
        n.tags_count = given.tags.count;
    }
    n.changed = kt__wall_now();
    if (rc == 0)
        rc = kt__notebook_replace(s->book, name, &n, given.seen, new_name);
    return rc < 0 ? kt__notes_failure(x, rc) : answer_note(x, s, 200, new_name);
}

static int remove_note(kt_http_exchange *x, const kt_notes_site *s, const char *name)
{
    int rc = kt_notebook_remove(s->book, name);
    return rc < 0 ? kt__notes_failure(x, rc)
                  : kt__notes_answer(x, 200, json_pack("{s:s}", "removed", name));
}

int kt__notes_one(kt_http_exchange *x, const kt_notes_site *s, kt_slice text)
{
    char name[KT_NOTE_NAME_BYTES];
    if (text.size == 0 || text.size >= sizeof name || kt__text_check(text) < 0)
        return kt__notes_error(x, 404, "not_found", "no note has such a name");
    snprintf(name, sizeof name, "%.*s", (int)text.size, text.data);
    if (kt_http_method_is(x, "GET") || kt_http_method_is(x, "HEAD"))
        return answer_note(x, s, 200, name);
    if (kt_http_method_is(x, "PUT"))
        return change(x, s, name);
    if (kt_http_method_is(x, "DELETE"))
        return remove_note(x, s, name);
    return kt__notes_not_allowed(x, "GET, HEAD, PUT, DELETE");
}
