/* SPDX-License-Identifier: MIT */

/* Where URLs come from. */

#include <errno.h>
#include <kettle/memory.h>
#include <unistd.h>

#include "feed.h"
#include "program.h"

enum { LIST_BYTES_MAX = 256 * 1024 * 1024, SITEMAPS_MAX = 1000 };

int urls_add(urls *u, const char *text, size_t size)
{
    if (u->count == u->capacity) {
        size_t capacity = u->capacity ? 2 * u->capacity : 64;
        char **items = kt_realloc(u->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        u->items = items;
        u->capacity = capacity;
    }
    if (!(u->items[u->count] = kt_strndup(text, size)))
        return -ENOMEM;
    u->count++;
    return 0;
}

void urls_release(urls *u)
{
    for (size_t i = 0; i < u->count; i++)
        kt_free(u->items[i]);
    kt_free(u->items);
    *u = (urls){NULL, 0, 0, 0};
}

/* One a line; blank lines and those that begin with # are none. */
static int add_lines(urls *u, kt_slice text)
{
    int rc = 0;
    while (rc == 0 && text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size, from = 0, to = size;
        while (from < to && (unsigned char)text.data[from] <= ' ')
            from++;
        while (to > from && (unsigned char)text.data[to - 1] <= ' ')
            to--;
        if (to > from && text.data[from] != '#')
            rc = urls_add(u, text.data + from, to - from);
        size += end != NULL;
        text = (kt_slice){text.data + size, text.size - size};
    }
    return rc;
}

static int read_file(const char *path, kt_buffer *text)
{
    if (strcmp(path, "-") != 0)
        return kt_file_read_whole(path, LIST_BYTES_MAX, text);
    /* Before the first request: nothing else waits. A terminal or a pipe may be standard input. */
    char piece[16 * 1024];
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = read(STDIN_FILENO, piece, sizeof piece)) != 0)
        rc = n > 0 ? kt_buffer_append(text, piece, (size_t)n) : errno == EINTR ? 0 : -errno;
    return rc;
}

/* ---- Sitemaps and feeds ----------------------------------------------------------------------- */

typedef struct reading {
    urls *pages, *maps;
    const char *from; /* the document's URL; NULL: a file */
    kt_slice bytes;
    char why[256];
} reading;

static int found(enum feed_kind kind, kt_slice text, void *arg)
{
    reading *r = arg;
    kt_auto(kt_url) base = KT_URL_INIT, url = KT_URL_INIT;
    int rc = r->from ? kt_url_parse(r->from, NULL, &base) : 0;
    if (rc == 0)
        rc = kt_url_parse_slice(text, r->from ? &base : NULL, &url);
    if (rc < 0 && rc != -ENOMEM)
        return urls_add(r->pages, text.data, text.size); /* it will be a result: no URL */
    return rc < 0 ? rc : urls_add(kind == FEED_SITEMAP ? r->maps : r->pages, url.text.data, url.text.size);
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
    int rc = remote ? fetch_document(e, place, FEED_BYTES_MAX, &status, &body) : read_file(place, &body);
    if (rc == 0 && (status < 200 || status > 299))
        rc = kt_error_set(KT_ENOTFOUND, "HTTP %d", status);
    if (rc < 0)
        return rc;
    reading r = {.pages = pages, .maps = maps, .from = remote ? place : NULL, .bytes = kt_buffer_slice(&body)};
    rc = kt_thread_run(KT_WITH(read_thread, .r = &r));
    return rc < 0 && *r.why ? kt_error_set(rc, "%s", r.why) : rc;
}

/* An index leads to sitemaps; each is read once, however often it is named. */
static int read_documents(const char *place, engine *e, urls *pages)
{
    kt_auto(urls) maps = {NULL, 0, 0, 0};
    int rc = urls_add(&maps, place, strlen(place));
    for (size_t i = 0; rc == 0 && i < maps.count; i++) {
        bool again = false;
        for (size_t j = 0; j < i; j++)
            again = again || strcmp(maps.items[j], maps.items[i]) == 0;
        if (again)
            continue;
        rc = i < SITEMAPS_MAX ? read_document(maps.items[i], e, pages, &maps)
                              : kt_error_set(KT_ELIMIT, "more than %d sitemaps", SITEMAPS_MAX);
        if (rc < 0 && !kt_is_cancel(rc)) {
            complain(maps.items[i], rc);
            if (i > 0 && rc != KT_ELIMIT) /* one of many */
                rc = 0;
        }
    }
    return rc;
}

int inputs_read(const options *o, char **arguments, engine *e, urls *u)
{
    int rc = 0;
    for (; rc == 0 && *arguments; arguments++)
        rc = urls_add(u, *arguments, strlen(*arguments));
    if (rc == 0 && o->input) {
        kt_auto(kt_buffer) text = KT_BUFFER_INIT_MAX(LIST_BYTES_MAX);
        rc = read_file(o->input, &text);
        if (rc == 0)
            rc = add_lines(u, kt_buffer_slice(&text));
        if (rc < 0 && !kt_is_cancel(rc))
            complain(o->input, rc);
    }
    if (rc == 0 && o->sitemap)
        rc = read_documents(o->sitemap, e, u);
    if (rc == 0 && o->feed)
        rc = read_documents(o->feed, e, u);
    return rc;
}
