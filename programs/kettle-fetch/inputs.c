/* SPDX-License-Identifier: MIT */

/* Where URLs come from. */

#include <errno.h>
#include <kettle/memory.h>

#include "feed.h"
#include "program.h"

enum { LIST_BYTES_MAX = 256 * 1024 * 1024, SITEMAPS_MAX = 1000 };

int urls_add(urls *u, const char *text, size_t size)
{
    if (u->count == u->capacity) {
        size_t capacity = u->capacity ? 2 * u->capacity : 64;
        given *items = kt_realloc(u->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        u->items = items;
        u->capacity = capacity;
    }
    given g = {.text = kt_strndup(text, size)};
    if (!g.text)
        return -ENOMEM;
    u->items[u->count++] = g;
    return 0;
}

void given_release(given *g)
{
    kt_free(g->text);
    kt_free(g->why);
}

void urls_release(urls *u)
{
    for (size_t i = 0; i < u->count; i++)
        given_release(&u->items[i]);
    kt_free(u->items);
    *u = (urls){.items = NULL};
}

static bool is_blank(char c)
{
    return c != '\0' && (unsigned char)c <= ' ';
}

/* What stands before a zero byte may be a URL, which nobody has given: the text is one with U+FFFD in its place. */
static int add_broken(urls *u, kt_slice line, size_t number)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT, why = KT_BUFFER_INIT;
    int rc = kt_buffer_append(&text, line.data, strnlen(line.data, line.size));
    if (rc == 0)
        rc = kt_buffer_append_string(&text, "\xef\xbf\xbd");
    if (rc == 0)
        rc = kt_buffer_printf(&why, "a zero byte in line %zu of the list", number);
    if (rc == 0)
        rc = urls_add(u, text.data, text.size);
    if (rc == 0 && !(u->items[u->count - 1].why = kt_strndup(why.data, why.size)))
        rc = -ENOMEM;
    return rc;
}

/* Blank lines and those that begin with # are no URLs. */
static int add_line(urls *u, kt_slice line, size_t number)
{
    while (line.size > 0 && is_blank(line.data[0]))
        line = (kt_slice){line.data + 1, line.size - 1};
    while (line.size > 0 && is_blank(line.data[line.size - 1]))
        line.size--;
    if (line.size == 0 || line.data[0] == '#')
        return 0;
    return memchr(line.data, '\0', line.size) ? add_broken(u, line, number) : urls_add(u, line.data, line.size);
}

static int add_lines(urls *u, kt_slice text)
{
    int rc = 0;
    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        text = (kt_slice){text.data + 3, text.size - 3};
    for (size_t number = 1; rc == 0 && text.size > 0; number++) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;
        rc = add_line(u, (kt_slice){text.data, size}, number);
        size += end != NULL;
        text = (kt_slice){text.data + size, text.size - size};
    }
    return rc;
}

static int read_file(const char *path, kt_buffer *text)
{
    if (strcmp(path, "-") != 0)
        return kt_file_read_whole(path, LIST_BYTES_MAX, text);
    char piece[16 * 1024];
    kt_auto(kt_stream) *input = NULL;
    int rc = kt_stream_standard(0, &input);
    while (rc == 0) {
        ssize_t n = kt_stream_read(input, piece, sizeof piece);
        if (n <= 0)
            return (int)n;
        rc = kt_buffer_append(text, piece, (size_t)n);
    }
    return rc;
}

/* ---- Sitemaps and feeds ----------------------------------------------------------------------- */

typedef struct reading {
    urls *pages, *maps;
    const char *from; /* the document's URL; NULL: a file */
    kt_slice bytes;
    size_t nowhere; /* entries that have no URL */
    char why[256];
} reading;

static int found(enum feed_kind kind, kt_slice text, void *arg)
{
    reading *r = arg;
    if (kind == FEED_NOTHING) {
        r->nowhere++;
        return 0;
    }
    kt_auto(kt_url) base = KT_URL_INIT, url = KT_URL_INIT;
    int rc = r->from ? kt_url_parse(r->from, NULL, &base) : 0;
    if (rc == 0)
        rc = kt_url_parse_slice(text, r->from ? &base : NULL, &url);
    urls *all = kind == FEED_SITEMAP && rc == 0 ? r->maps : r->pages;
    if (rc == -ENOMEM)
        return rc;
    if (all->max > 0 && all->count >= all->max) {
        all->left_out++;
        return 0;
    }
    return rc < 0 ? urls_add(all, text.data, text.size) /* it will be a result: no URL */
                  : urls_add(all, url.text.data, url.text.size);
}

KT_FN(read_thread, a, struct { reading *r; })
{
    int rc = feed_read(a->r->bytes, found, a->r);
    if (rc < 0)
        snprintf(a->r->why, sizeof a->r->why, "%s", *kt_error_detail() ? kt_error_detail() : kt_strerror(rc));
    return rc;
}

static int read_document(const char *place, engine *e, urls *pages, urls *maps)
{
    kt_auto(kt_buffer) body = KT_BUFFER_INIT_MAX(FEED_BYTES_MAX);
    bool remote = strncasecmp(place, "http://", 7) == 0 || strncasecmp(place, "https://", 8) == 0;
    int status = 200;
    int rc = remote ? fetch_document(e, place, FEED_BYTES_MAX, false, &status, &body) : read_file(place, &body);
    if (rc == 0 && (status < 200 || status > 299))
        rc = kt_error_set(KT_ENOTFOUND, "HTTP %d", status);
    if (rc < 0)
        return rc;
    reading r = {.pages = pages, .maps = maps, .from = remote ? place : NULL, .bytes = kt_buffer_slice(&body)};
    rc = kt_thread_run(KT_WITH(read_thread, .r = &r));
    if (rc == 0 && r.nowhere > 0) /* which is allowed, so that nothing has failed */
        complain(place, kt_error_set(KT_ENOTFOUND, "entries without a URL: %zu", r.nowhere));
    return rc < 0 && *r.why ? kt_error_set(rc, "%s", r.why) : rc;
}

static bool is_before(const urls *u, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(u->items[i].text, u->items[index].text) == 0)
            return true;
    return false;
}

/* An index leads to sitemaps; each is read once, however often it is named. One of many that fails costs its own
 * pages. */
static int read_documents(const char *place, engine *e, urls *pages)
{
    kt_auto(urls) maps = {.max = SITEMAPS_MAX};
    int rc = urls_add(&maps, place, strlen(place));
    if (rc == 0)
        rc = engine_name(e, place);
    for (size_t i = 0; rc == 0 && i < maps.count; i++) {
        if (is_before(&maps, i))
            continue;
        rc = read_document(maps.items[i].text, e, pages, &maps);
        if (rc == 0 || kt_is_cancel(rc))
            continue;
        complain(maps.items[i].text, rc);
        if (i > 0 && rc != -ENOMEM) {
            pages->failed = true;
            rc = 0;
        }
    }
    if (rc == 0 && maps.left_out > 0) {
        complain(place, kt_error_set(KT_ELIMIT, "more than %d sitemaps: %llu are left out", SITEMAPS_MAX,
                                     (unsigned long long)maps.left_out));
        pages->failed = true;
    }
    return rc;
}

static int read_named(const options *o, char **arguments, urls *u)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT_MAX(LIST_BYTES_MAX);
    int rc = 0;
    for (; rc == 0 && *arguments; arguments++)
        rc = urls_add(u, *arguments, strlen(*arguments));
    if (rc == 0 && o->input) {
        rc = read_file(o->input, &text);
        if (rc == 0)
            rc = add_lines(u, kt_buffer_slice(&text));
        if (rc < 0 && !kt_is_cancel(rc))
            complain(o->input, rc);
    }
    u->named = u->count;
    return rc;
}

int inputs_read(const options *o, char **arguments, engine *e, urls *u)
{
    int rc = read_named(o, arguments, u);
    u->max = o->urls_max;
    if (rc == 0 && o->sitemap)
        rc = read_documents(o->sitemap, e, u);
    if (rc == 0 && o->feed)
        rc = read_documents(o->feed, e, u);
    return rc;
}
