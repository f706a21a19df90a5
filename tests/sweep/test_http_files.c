/* SPDX-License-Identifier: MIT */
/* Answers from files. */
#include "http_site.h"

#include <kettle/file.h>
#include <kettle/http_files.h>
#include <kettle/temp.h>

static kt_temp_dir *shelf;
static kt_http_folder *folder;

static const char *path_of(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", kt_temp_dir_path(shelf), name);
    return path;
}

static void open_shelf(const char *name, size_t size)
{
    static char much[MUCH];
    memset(much, 'x', sizeof much);
    shelf = NULL;
    folder = NULL;
    sure(kt_temp_dir_make(NULL, NULL, &shelf));
    sure(kt_file_write_whole(path_of(name), much, size, NULL));
}

static void close_shelf(void)
{
    kt_http_folder_close(folder);
    kt_temp_dir_remove(shelf);
}

static int answers(void *arg)
{
    const site *s = arg;
    return s->x->state == KT__HTTP_NEW ? kt_http_respond(s->x, 200, NULL, "tea", 3) : 0;
}

/* A trip to the pool that has begun is waited for, and may have sent the rest: hence WINS. */

/* ---- One file ---------------------------------------------------------------------------------------- */

static int responds(void *arg)
{
    const site *s = arg;
    const kt_http_file_options o = {.precompressed = true, .download = "a\"b"};
    return SWEPT(kt_http_respond_file, (s->x, path_of("a"), &o));
}

SWEEP(kt_http_respond_file, SUSPENDS | ALLOCATES | WINS | REAL | LASTING)
{
    site s = {.act = responds};
    open_shelf("a", MUCH);
    visit(&s, HTTP_GET, NULL);
    if (s.rc >= 0)
        CHECK(s.size >= MUCH && heard_once(&s, "ETag: ") && heard_once(&s, "HTTP/1.1 200 "));
    close_shelf();
}

SWEEP_AS(kt_http_respond_file, small, SUSPENDS | ALLOCATES | WINS | REAL | LASTING)
{
    site s = {.act = responds, .busy = true};
    open_shelf("a", 100);
    visit(&s, HTTP_GET, NULL);
    if (s.rc >= 0)
        CHECK(heard_once(&s, "ETag: ") && heard_once(&s, "HTTP/1.1 200 "));
    close_shelf();
}

SWEEP_AS(kt_http_respond_file, parts, SUSPENDS | ALLOCATES | WINS | REAL | LASTING)
{
    site s = {.act = responds};
    open_shelf("a", MUCH);
    visit(&s, HTTP_REQUEST("GET /subject", "Range: bytes=0-9,100-900000\r\n"), NULL);
    if (s.rc >= 0)
        CHECK(s.size >= 900000 && heard_once(&s, "HTTP/1.1 206 "));
    close_shelf();
}

/* ---- A folder ---------------------------------------------------------------------------------------- */

static int opens(void *arg)
{
    (void)arg;
    int rc = SWEPT(kt_http_folder_open, (kt_temp_dir_path(shelf), NULL, &folder));
    CHECK_EQ(rc < 0, !folder);
    return rc;
}

SWEEP(kt_http_folder_open, SUSPENDS | ALLOCATES | WINS)
{
    open_shelf("a", 1);
    sweep_begin(opens, NULL);
    (void)sweep_end();
    close_shelf();
}

SWEEP(kt_http_folder_close, PLAIN)
{
    open_shelf("a", 1);
    sure(kt_http_folder_open(kt_temp_dir_path(shelf), NULL, &folder));
    SWEPT(kt_http_folder_close, (folder));
    folder = NULL;
    close_shelf();
}

static int serves(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_serve_folder, (s->x, folder, kt_http_path(s->x)));
}

SWEEP(kt_http_serve_folder, SUSPENDS | ALLOCATES | WINS | REAL | LASTING)
{
    site s = {.act = serves, .after = answers};
    open_shelf("subject", MUCH);
    sure(kt_http_folder_open(kt_temp_dir_path(shelf), NULL, &folder));
    visit(&s, HTTP_GET, NULL);
    if (s.rc > 0)
        CHECK(s.size >= MUCH && heard_once(&s, "ETag: ") && heard_once(&s, "HTTP/1.1 200 "));
    close_shelf();
}

/* ---- Questions --------------------------------------------------------------------------------------- */

static int weighs(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_conditions, (s->x, "\"a\"", 1));
}

SWEEP(kt_http_conditions, PLAIN | REAL)
{
    site s = {.act = weighs, .after = answers};
    visit(&s, HTTP_REQUEST("GET /subject", "If-None-Match: \"b\", W/\"a\"\r\n"), NULL);
    CHECK_EQ(s.rc, 304);
}

SWEEP(kt_http_content_type, PLAIN | NO_LOOP)
{
    CHECK_STR(SWEPT(kt_http_content_type, (kt_slice_from("a.png"))), "image/png");
}
