/* SPDX-License-Identifier: MIT */

/* The HTTP API: lists, single notes, figures. */

#include <errno.h>
#include <kettle/memory.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "notes/api.h"

#define LIST_LIMIT_DEFAULT 200
#define LIST_LIMIT_MAX 10000
#define QUERY_MAX 1024

/* ---- Answers ------------------------------------------------------------------------------ */

int kt__notes_answer(kt_http_exchange *x, int status, json_t *json)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt__json_append(json, JSON_COMPACT, &text);
    json_decref(json);
    if (rc == 0)
        rc = kt_http_header(x, "Cache-Control", "no-store");
    return rc < 0 ? rc : kt_http_respond(x, status, "application/json", text.data, text.size);
}

/* Names of files may be any bytes, and messages are cut. */
static json_t *mended(const char *text)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = kt__text_mend(&out, kt_slice_from(text));
    return rc < 0 ? NULL : json_stringn(out.data ? out.data : "", out.size);
}

int kt__notes_error(kt_http_exchange *x, int status, const char *code, const char *format, ...)
{
    char message[384];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return kt__notes_answer(
        x, status, json_pack("{s:{s:s, s:o}}", "error", "code", code, "message", mended(message)));
}

int kt__notes_failure(kt_http_exchange *x, int rc)
{
    const char *detail = *kt_error_detail() ? kt_error_detail() : kt_strerror(rc);
    switch (rc) {
    case KT_ENOTFOUND:
        return kt__notes_error(x, 404, "not_found", "%s", detail);
    case KT_ECONFLICT:
        return kt__notes_error(x, 409, "conflict", "%s", detail);
    case KT_EVALIDATION:
        return kt__notes_error(x, 422, "validation", "%s", detail);
    case KT_ELIMIT:
        return kt__notes_error(x, 413, "too_large", "%s", detail);
    case -ENOSPC:
    case -EDQUOT:
        return kt__notes_error(x, 507, "full", "%s", detail);
    case -EACCES:
    case -EROFS:
    case -EPERM:
        return kt__notes_error(x, 403, "forbidden", "%s", detail);
    default:
        return rc; /* the server makes 500 of it, or closes for a client that is gone */
    }
}

int kt__notes_not_allowed(kt_http_exchange *x, const char *allow)
{
    int rc = kt_http_header(x, "Allow", allow);
    return rc < 0 ? rc : kt__notes_error(x, 405, "method", "allowed here: %s", allow);
}

static bool reads(const kt_http_exchange *x)
{
    return kt_http_method_is(x, "GET") || kt_http_method_is(x, "HEAD");
}

/* ---- Queries ------------------------------------------------------------------------------ */

/* What a list is asked for; its texts belong to the exchange. */
typedef struct list_query {
    const char *tags[2];
    kt_note_filter filter;
    const char *words;
    size_t limit;
} list_query;

/* A parameter as a string of the exchange's; "" if it is not there. */
static int parameter(kt_http_exchange *x, const char *name, const char **ret_text)
{
    kt_slice value = {NULL, 0};
    int rc = kt_http_query(x, name, &value);
    if (rc < 0)
        return rc;
    if (value.size > QUERY_MAX || kt__text_check(value) < 0)
        return KT_EVALIDATION;
    char *text = kt_http_alloc(x, value.size + 1);
    if (!text)
        return -ENOMEM;
    if (value.size > 0)
        memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    *ret_text = text;
    return 0;
}

static int read_query(kt_http_exchange *x, list_query *q)
{
    const char *text = "", *since = "", *until = "", *limit = "";
    *q = (list_query){.tags = {"", NULL}, .limit = LIST_LIMIT_DEFAULT};
    int rc = parameter(x, "tag", &q->tags[0]);
    if (rc == 0)
        rc = parameter(x, "text", &text);
    if (rc == 0)
        rc = parameter(x, "q", &q->words);
    if (rc == 0)
        rc = parameter(x, "since", &since);
    if (rc == 0)
        rc = parameter(x, "until", &until);
    if (rc == 0)
        rc = parameter(x, "limit", &limit);
    if (rc == 0)
        rc = kt_note_time_parse(kt_slice_from(since), &q->filter.since);
    if (rc == 0)
        rc = kt_note_time_parse(kt_slice_from(until), &q->filter.until);
    if (rc < 0)
        return rc;
    q->filter.tags = *q->tags[0] ? q->tags : NULL;
    q->filter.text = *text ? text : NULL;
    if (*limit) {
        char *end;
        long n = strtol(limit, &end, 10);
        if (*end || n < 1 || n > LIST_LIMIT_MAX)
            return kt_error_set(KT_EVALIDATION, "limit must be a whole number between 1 and %d",
                                LIST_LIMIT_MAX);
        q->limit = (size_t)n;
    }
    return 0;
}

/* ---- Lists -------------------------------------------------------------------------------- */

json_t *kt__notes_head(const char *name, const kt_note *n)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", name, "title",
                     json_stringn(n->title.data ? n->title.data : "", n->title.size), "tags",
                     kt__note_json_tags(n), "created", kt__note_json_time(n->created), "changed",
                     kt__note_json_time(n->changed));
}

/* The latest notes so far, in a heap whose first is the oldest of them: so a list of a few out
 * of many takes the memory of a few. */
typedef struct latest {
    struct item {
        kt_time changed;
        json_t *json;
    } * items;
    size_t count, capacity;
    size_t total;
    json_t *unreadable;
} latest;

static void latest_cleanup(latest *l)
{
    for (size_t i = 0; i < l->count; i++)
        json_decref(l->items[i].json);
    kt_free(l->items);
    json_decref(l->unreadable);
}

static void swap(struct item *a, struct item *b)
{
    struct item was = *a;
    *a = *b;
    *b = was;
}

static void sink(latest *l, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < l->count; child++)
            least = l->items[child].changed < l->items[least].changed ? child : least;
        if (least == i)
            return;
        swap(&l->items[i], &l->items[least]);
        i = least;
    }
}

static int latest_add(latest *l, const char *name, const kt_note *n)
{
    l->total++;
    if (l->count == l->capacity && n->changed <= l->items[0].changed)
        return 0;
    json_t *json = kt__notes_head(name, n);
    if (!json)
        return -ENOMEM;
    if (l->count == l->capacity) {
        json_decref(l->items[0].json);
        l->items[0] = (struct item){n->changed, json};
        sink(l, 0);
        return 0;
    }
    size_t i = l->count++;
    l->items[i] = (struct item){n->changed, json};
    for (; i > 0 && l->items[i].changed < l->items[(i - 1) / 2].changed; i = (i - 1) / 2)
        swap(&l->items[i], &l->items[(i - 1) / 2]);
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->changed != y->changed)
        return x->changed > y->changed ? -1 : 1;
    return strcmp(json_string_value(json_object_get(x->json, "name")),
                  json_string_value(json_object_get(y->json, "name")));
}

static json_t *latest_json(latest *l)
{
    json_t *list = json_array();
    if (l->count > 0)
        qsort(l->items, l->count, sizeof l->items[0], compare);
    for (size_t i = 0; list && i < l->count; i++)
        if (json_array_append(list, l->items[i].json) < 0) {
            json_decref(list);
            list = NULL;
        }
    return json_pack("{s:o, s:I, s:O}", "notes", list, "total", (json_int_t)l->total, "unreadable",
                     l->unreadable);
}

static int collect(const kt_notes_site *s, const list_query *q, latest *l)
{
    kt_auto(kt_note_reader) *r = NULL;
    kt_note_entry e;
    int rc = kt_note_reader_open(s->book, &q->filter, &r);
    while (rc >= 0 && (rc = kt_note_reader_next(r, &e)) == 1) {
        if (e.rc == 0)
            rc = latest_add(l, e.name, &e.note);
        else if (json_array_append_new(l->unreadable,
                                       json_pack("{s:o, s:o}", "name", mended(e.name), "error", mended(e.why))) < 0)
            rc = -ENOMEM;
    }
    return rc;
}

static int list_notes(kt_http_exchange *x, const kt_notes_site *s, const list_query *q)
{
    kt_auto(latest) l = {.capacity = q->limit, .unreadable = json_array()};
    l.items = kt_calloc(q->limit, sizeof *l.items);
    if (!l.items || !l.unreadable)
        return -ENOMEM;
    int rc = collect(s, q, &l);
    return rc < 0 ? kt__notes_failure(x, rc) : kt__notes_answer(x, 200, latest_json(&l));
}

static int search_notes(kt_http_exchange *x, const kt_notes_site *s, const list_query *q)
{
    kt_auto(kt_note_hits) *hits = NULL;
    int rc = kt_notebook_search(s->book, q->words, q->limit, &q->filter, &hits);
    if (rc < 0)
        return kt__notes_failure(x, rc);
    json_t *list = json_array();
    for (size_t i = 0; list && i < hits->count; i++) {
        const kt_note_hit *h = &hits->items[i];
        kt_auto(kt_note) n = KT_NOTE_INIT;
        if (kt_notebook_get(s->book, h->name, &n) < 0)
            continue; /* gone since */
        json_t *head = kt__notes_head(h->name, &n);
        if (!head || json_object_set_new(head, "score", json_real(h->score)) < 0) {
            json_decref(head);
            json_decref(list);
            return -ENOMEM;
        }
        if (json_array_append_new(list, head) < 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return kt__notes_answer(x, 200,
                            json_pack("{s:o, s:I, s:[]}", "notes", list, "total",
                                      (json_int_t)hits->found, "unreadable"));
}

static int lists(kt_http_exchange *x, const kt_notes_site *s)
{
    list_query q;
    int rc = read_query(x, &q);
    if (rc == -EINVAL)
        return kt__notes_error(x, 400, "query", "the query holds a broken escape");
    if (rc < 0)
        return kt__notes_failure(x, rc);
    return *q.words ? search_notes(x, s, &q) : list_notes(x, s, &q);
}

/* ---- Figures ------------------------------------------------------------------------------ */

static json_t *tags_json(const kt_notebook_stats *s)
{
    json_t *tags = json_array();
    for (size_t i = 0; tags && i < s->tags_count; i++)
        if (json_array_append_new(tags, json_pack("{s:s, s:I}", "tag", s->tags[i].tag, "notes",
                                                  (json_int_t)s->tags[i].notes)) < 0) {
            json_decref(tags);
            tags = NULL;
        }
    return tags;
}

static int stats(kt_http_exchange *x, const kt_notes_site *site)
{
    kt_auto(kt_notebook_stats) s = KT_NOTEBOOK_STATS_INIT;
    int rc = kt_notebook_stats_get(site->book, NULL, &s);
    if (rc < 0)
        return kt__notes_failure(x, rc);
    return kt__notes_answer(x, 200,
                            json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "notes",
                                      (json_int_t)s.notes, "unreadable", (json_int_t)s.unreadable,
                                      "untagged", (json_int_t)s.untagged, "words",
                                      (json_int_t)s.words, "bytes", (json_int_t)s.bytes, "oldest",
                                      kt__note_json_time(s.oldest), "newest",
                                      kt__note_json_time(s.newest), "tags", tags_json(&s)));
}

/* ---- Routes ------------------------------------------------------------------------------- */

/* 0: go on; 1: refused and answered; < 0 as kt_http_respond. */
static int refuse_strangers(kt_http_exchange *x, const kt_notes_site *s)
{
    int rc, status = kt_http_guard(x, s->hosts);
    kt_slice host = kt_http_host(x);
    if (status == 0)
        return 0;
    if (status == 421)
        rc = kt__notes_error(x, status, "host",
                             "this server does not answer for '%.*s'; name it with --allow-host",
                             (int)(host.size < 128 ? host.size : 128), host.data ? host.data : "");
    else if (status == 403)
        rc = kt__notes_error(x, status, "origin", "requests from other sites' pages are refused");
    else
        rc = kt__notes_error(x, status, "content_type", "send Content-Type: application/json");
    return rc < 0 ? rc : 1;
}

static int route(kt_http_exchange *x, const kt_notes_site *s, kt_slice path)
{
    static const char one[] = "/api/notes/";
    if (kt_slice_is(path, "/api/notes")) {
        if (kt_http_method_is(x, "POST"))
            return kt__notes_add(x, s);
        return reads(x) ? lists(x, s) : kt__notes_not_allowed(x, "GET, HEAD, POST");
    }
    if (kt__text_begins(path, one))
        return kt__notes_one(x, s,
                             (kt_slice){path.data + sizeof one - 1, path.size - (sizeof one - 1)});
    if (kt_slice_is(path, "/api/stats"))
        return reads(x) ? stats(x, s) : kt__notes_not_allowed(x, "GET, HEAD");
    if (kt_slice_is(path, "/healthz"))
        return reads(x) ? kt__notes_answer(x, 200, json_pack("{s:s}", "status", "ok"))
                        : kt__notes_not_allowed(x, "GET, HEAD");
    return kt__notes_error(x, 404, "not_found", "no such path");
}

int kt_notes_http(kt_http_exchange *x, void *site)
{
    const kt_notes_site *s = site;
    int rc = refuse_strangers(x, s);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = kt_http_guard_page(x);
    if (rc == 0)
        rc = kt_http_serve_assets(x, s->assets, s->assets_count);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    return route(x, s, kt_http_path(x));
}
