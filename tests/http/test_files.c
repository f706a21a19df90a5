/* SPDX-License-Identifier: MIT */
/* Answers from files: conditions, ranges, siblings, folders, and who stays within them. */
#include "serve.h"

#include <kettle/dir.h>
#include <kettle/file.h>
#include <kettle/http_files.h>
#include <kettle/temp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/files.h"
#include "http/server.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME | KT_TEST_REAL_IO)
#define LARGE (300 * 1000)

/* A folder, and a server of it. */
typedef struct shelf {
    kt_temp_dir *dir;
    kt_http_folder *folder;
    site s;
    kt_http_file_options o;
    const char *file; /* not the folder, but this one */
    int rc;           /* of the last answer that failed */
} shelf;

static char large[LARGE];

static const char *path_of(const shelf *h, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", kt_temp_dir_path(h->dir), name);
    return path;
}

static void put(const shelf *h, const char *name, const char *text)
{
    struct timespec times[2] = {{784111777, 0}, {784111777, 0}}; /* Sun, 06 Nov 1994 08:49:37 GMT */
    CHECK_OK(kt_file_write_whole(path_of(h, name), text, strlen(text), NULL));
    CHECK_EQ(utimensat(AT_FDCWD, path_of(h, name), times, 0), 0);
}

static int serves(kt_http_exchange *x, void *arg)
{
    shelf *h = arg;
    if (h->file)
        return h->rc = kt_http_respond_file(x, path_of(h, h->file), &h->o);
    int rc = kt_http_serve_folder(x, h->folder, kt_http_path(x));
    return h->rc = rc != 0 ? rc : kt_http_respond(x, 404, NULL, "none\n", 5);
}

static void open_shelf(shelf *h)
{
    CHECK_OK(kt_temp_dir_make(NULL, "files-", &h->dir));
    put(h, "tea.txt", "0123456789");
    put(h, ".secret", "secret");
    CHECK_OK(kt_dir_make(path_of(h, "sub"), 0, 0));
    put(h, "sub/index.html", "<p>");
    CHECK_OK(kt_http_folder_open(kt_temp_dir_path(h->dir), &h->o, &h->folder));
    site_open(&h->s, NULL, serves, h);
}

static void close_shelf(shelf *h)
{
    site_close(&h->s);
    kt_http_folder_close(h->folder);
    kt_temp_dir_remove(h->dir);
}

/* The answer to one request, in static memory. */
static const char *ask(const shelf *h, const char *line, const char *headers)
{
    static heard answer;
    char text[1024];
    answer = (heard){.size = 0};
    kt_stream *c = dial(&h->s);
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n", line, headers);
    say(c, text);
    hear(c, &answer, NULL);
    kt_stream_close(c);
    return answer.text;
}

#define CHECK_HAS(text, word) \
    do { \
        const char *text_ = (text); \
        if (!strstr(text_, word)) \
            kt_test_fail("no \"%s\" in: %s", word, text_); \
    } while (0)

static const char *etag_in(const char *answer, char tag[64])
{
    const char *found = strstr(answer, "ETag: ");
    CHECK(found);
    size_t size = strcspn(found + 6, "\r");
    memcpy(tag, found + 6, size);
    tag[size] = '\0';
    return tag;
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    CHECK(end);
    return end + 4;
}

/* ---- Whole ------------------------------------------------------------------------------------------- */

WITH_SERVER(a_file_is_answered_with_what_describes_it)
{
    shelf h = {.file = NULL};
    open_shelf(&h);
    const char *answer = ask(&h, "GET /tea.txt", "");
    CHECK_HAS(answer, "HTTP/1.1 200 OK\r\n");
    CHECK_HAS(answer, "Content-Type: text/plain; charset=utf-8\r\n");
    CHECK_HAS(answer, "Content-Length: 10\r\n");
    CHECK_HAS(answer, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    CHECK_HAS(answer, "Cache-Control: no-cache\r\n");
    CHECK_HAS(answer, "X-Content-Type-Options: nosniff\r\n");
    CHECK_HAS(answer, "Accept-Ranges: bytes\r\n");
    CHECK_STR(body_of(answer), "0123456789");
    answer = ask(&h, "HEAD /tea.txt", "");
    CHECK_HAS(answer, "Content-Length: 10\r\n");
    CHECK_STR(body_of(answer), "");
    CHECK_HAS(ask(&h, "POST /tea.txt", "Content-Length: 0\r\n"), "HTTP/1.1 405 ");
    close_shelf(&h);
}

/* Reads an answer of any length; returns the size of its content, which must be that of `large`. */
static void check_large(const shelf *h, const char *headers, size_t first, size_t size)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    char text[512], piece[16384];
    kt_stream *c = dial(&h->s);
    snprintf(text, sizeof text, "GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n", headers);
    say(c, text);
    ssize_t n;
    while ((n = kt_stream_read(c, piece, sizeof piece)) > 0)
        CHECK_OK(kt_buffer_append(&b, piece, (size_t)n));
    CHECK_EQ(n, 0);
    kt_stream_close(c);
    const char *body = memmem(b.data, b.size, "\r\n\r\n", 4);
    CHECK(body);
    CHECK_EQ(b.size - (size_t)(body + 4 - b.data), size);
    CHECK_EQ(memcmp(body + 4, large + first, size), 0);
}

static void put_large(const shelf *h)
{
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 31 ^ i >> 8);
    CHECK_OK(kt_file_write_whole(path_of(h, "large.bin"), large, sizeof large, NULL));
}

WITH_SERVER(a_large_file_arrives_whole_and_in_parts)
{
    shelf h = {.file = NULL};
    open_shelf(&h);
    put_large(&h);
    check_large(&h, "", 0, LARGE);
    check_large(&h, "Range: bytes=100000-299998\r\n", 100000, 199999);
    check_large(&h, "Range: bytes=-1\r\n", LARGE - 1, 1);
    const char *head = ask(&h, "HEAD /large.bin", "");
    CHECK_HAS(head, "Content-Length: 300000\r\n");
    CHECK_HAS(head, "application/octet-stream");
    close_shelf(&h);
}

static int serves_what_sendfile_refuses(kt_http_exchange *x, void *arg)
{
    int fd = kt_stream_fd(x->c->stream);
    CHECK_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND), 0); /* sendfile(2), EINVAL */
    return serves(x, arg);
}

WITH_SERVER(a_large_file_is_copied_where_the_system_cannot_send_it)
{
    shelf h = {.file = NULL};
    open_shelf(&h);
    put_large(&h);
    site_close(&h.s);
    site_open(&h.s, NULL, serves_what_sendfile_refuses, &h);
    check_large(&h, "", 0, LARGE);
    check_large(&h, "Range: bytes=100000-299998\r\n", 100000, 199999);
    CHECK_EQ(h.rc, 1);
    close_shelf(&h);
}

static int cuts(void *arg)
{
    return truncate(arg, 1000) < 0 ? -errno : 0;
}

static int serves_and_cuts(kt_http_exchange *x, void *arg)
{
    shelf *h = arg;
    const kt__found f = {.fd = open(path_of(h, "large.bin"), O_RDONLY)};
    CHECK_OK(kt_thread_run(cuts, (void *)(uintptr_t)path_of(h, "large.bin"), 0));
    h->rc = kt__file_send(x, 200, NULL, &f, (kt__range){0, LARGE});
    close(f.fd);
    return h->rc;
}

/* More than the system takes off a server's hands. */
#define VAST ((off_t)64 * 1024 * 1024)

WITH_SERVER(a_file_may_take_longer_than_a_request)
{
    static char bytes[1024 * 1024];
    const kt_http_options o = {.request_timeout = KT_S(2)};
    shelf h = {.file = "vast"};
    size_t size = 0;
    ssize_t n;
    CHECK_OK(kt_temp_dir_make(NULL, "files-", &h.dir));
    put(&h, "vast", "");
    CHECK_EQ(truncate(path_of(&h, "vast"), VAST), 0);
    site_open(&h.s, &o, serves, &h);
    kt_stream *c = dial(&h.s);
    say(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK_OK(kt_sleep(KT_MS(2500)));
    while ((n = kt_stream_read(c, bytes, sizeof bytes)) > 0)
        size += (size_t)n;
    CHECK_EQ(n, 0);
    CHECK_GT(size, VAST);
    kt_stream_close(c);
    close_shelf(&h);
}

static int serves_and_dawdles(kt_http_exchange *x, void *arg)
{
    int rc = serves(x, arg);
    return rc < 0 ? rc : (((shelf *)arg)->rc = kt_sleep(KT_S(100)));
}

WITH_SERVER(behind_a_file_a_handler_has_the_time_of_a_request)
{
    const kt_http_options o = {.request_timeout = KT_S(1)};
    shelf h = {.file = "large"};
    CHECK_OK(kt_temp_dir_make(NULL, "files-", &h.dir));
    put(&h, "large", "");
    CHECK_EQ(truncate(path_of(&h, "large"), LARGE), 0);
    site_open(&h.s, &o, serves_and_dawdles, &h);
    kt_stream *c = dial(&h.s);
    say(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_OK(kt_stream_read_exactly(c, large, LARGE)); /* and the head's size more is on the way */
    while (h.rc == 0)
        CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK_ERR(h.rc, KT_ETIMEDOUT);
    kt_stream_close(c);
    close_shelf(&h);
}

WITH_SERVER(an_answer_from_a_file_that_is_cut_is_cut_too)
{
    shelf h = {.file = NULL};
    open_shelf(&h);
    put_large(&h);
    site_close(&h.s);
    site_open(&h.s, NULL, serves_and_cuts, &h);
    const char *answer = ask(&h, "GET /large.bin", "");
    CHECK_HAS(answer, "Content-Length: 300000\r\n");
    CHECK_ERR(h.rc, KT_EINCOMPLETE);
    close_shelf(&h);
}

/* ---- Conditions -------------------------------------------------------------------------------------- */

WITH_SERVER(conditions_are_weighed_in_the_order_of_the_standard)
{
    static const struct {
        const char *headers; /* TAG stands for the tag */
        int status;
    } cases[] = {
        /* RFC 9110 section 13.2.2, step by step */
        {"If-Match: TAG\r\n", 200},
        {"If-Match: *\r\n", 200},
        {"If-Match: \"x\", TAG\r\n", 200},
        {"If-Match: \"x\"\r\n", 412},
        {"If-Match: W/TAG\r\n", 412}, /* strong comparison */
        {"If-Match: TAG\r\nIf-Unmodified-Since: Sun, 06 Nov 1983 08:49:37 GMT\r\n", 200}, /* the date is ignored */
        {"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 200},
        {"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 412},
        {"If-Unmodified-Since: yesterday\r\n", 200},
        {"If-None-Match: TAG\r\n", 304},
        {"If-None-Match: W/TAG\r\n", 304}, /* weak comparison */
        {"If-None-Match: \"x\"\r\nIf-None-Match: TAG\r\n", 304},
        {"If-None-Match: \",TAG,\"\r\n", 200}, /* within another tag's quotes */
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"x\"\r\n", 200},
        {"If-None-Match: \"x\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 200},
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304},
        {"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 304},
        {"If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", 304},
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200},
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 CET\r\n", 200}, /* no date: ignored */
        {"If-Match: \"x\"\r\nIf-None-Match: TAG\r\n", 412},
    };
    shelf h = {.file = NULL};
    char tag[64], headers[512];
    open_shelf(&h);
    etag_in(ask(&h, "GET /tea.txt", ""), tag);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *mark = strstr(cases[i].headers, "TAG");
        int before = mark ? (int)(mark - cases[i].headers) : 0;
        if (mark)
            snprintf(headers, sizeof headers, "%.*s%s%s", before, cases[i].headers, tag, mark + 3);
        else
            snprintf(headers, sizeof headers, "%s", cases[i].headers);
        const char *answer = ask(&h, "GET /tea.txt", headers);
        if (atoll(answer + 9) != cases[i].status)
            kt_test_fail("%s gives %.12s", headers, answer);
        if (cases[i].status == 304)
            CHECK_STR(body_of(answer), "");
    }
    close_shelf(&h);
}

/* ---- Ranges ------------------------------------------------------------------------------------------ */

WITH_SERVER(ranges_give_the_bytes_they_name)
{
    static const struct {
        const char *range;
        int status;
        const char *content_range, *body;
    } cases[] = {
        {"bytes=0-3", 206, "bytes 0-3/10", "0123"},
        {"bytes=7-", 206, "bytes 7-9/10", "789"},
        {"bytes=-3", 206, "bytes 7-9/10", "789"},
        {"bytes=-100", 206, "bytes 0-9/10", "0123456789"},
        {"bytes=9-100", 206, "bytes 9-9/10", "9"},
        {"BYTES=0-0", 206, "bytes 0-0/10", "0"},
        {"bytes= 0-0", 206, "bytes 0-0/10", "0"},
        {"bytes=0-0,20-30", 206, "bytes 0-0/10", "0"},
        {"bytes=10-", 416, "bytes */10", NULL},
        {"bytes=-0", 416, "bytes */10", NULL},
        {"bytes=99999999999999999999-", 416, "bytes */10", NULL},
        {"bytes=3-1", 200, NULL, "0123456789"},
        {"bytes=", 200, NULL, "0123456789"},
        {"bytes=-", 200, NULL, "0123456789"},
        {"bytes=a-b", 200, NULL, "0123456789"},
        {"lines=0-3", 200, NULL, "0123456789"},
        {"bytes=0-,0-,0-,0-", 200, NULL, "0123456789"},
        {"bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,0-0,1-1,2-2,3-3,4-4,5-5,6-6", 200, NULL, "0123456789"},
    };
    shelf h = {.file = NULL};
    open_shelf(&h);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char headers[256], expected[80];
        snprintf(headers, sizeof headers, "Range: %s\r\n", cases[i].range);
        const char *answer = ask(&h, "GET /tea.txt", headers);
        if (atoll(answer + 9) != cases[i].status)
            kt_test_fail("%s gives %.12s", cases[i].range, answer);
        snprintf(expected, sizeof expected, "Content-Range: %s\r\n", cases[i].content_range);
        if (cases[i].content_range)
            CHECK_HAS(answer, expected);
        if (cases[i].body)
            CHECK_STR(body_of(answer), cases[i].body);
    }
    close_shelf(&h);
}

WITH_SERVER(several_ranges_come_as_parts)
{
    shelf h = {.file = NULL};
    open_shelf(&h);
    const char *answer = ask(&h, "GET /tea.txt", "Range: bytes=0-1, -2\r\n");
    CHECK_HAS(answer, "HTTP/1.1 206 ");
    CHECK_HAS(answer, "Content-Type: multipart/byteranges; boundary=");
    CHECK_HAS(answer, "Content-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--");
    CHECK_HAS(answer, "Content-Range: bytes 8-9/10\r\n\r\n89\r\n--");
    CHECK_EQ(count_of(answer, "Content-Range"), 2);
    size_t length = strtoul(strstr(answer, "Content-Length: ") + 16, NULL, 10);
    CHECK_EQ(strlen(body_of(answer)), length);
    close_shelf(&h);
}

WITH_SERVER(if_range_gives_the_whole_unless_it_is_the_same_thing)
{
    shelf h = {.file = NULL};
    char tag[64], headers[256];
    open_shelf(&h);
    etag_in(ask(&h, "GET /tea.txt", ""), tag);
    snprintf(headers, sizeof headers, "Range: bytes=0-0\r\nIf-Range: %s\r\n", tag);
    CHECK_HAS(ask(&h, "GET /tea.txt", headers), "HTTP/1.1 206 ");
    snprintf(headers, sizeof headers, "Range: bytes=0-0\r\nIf-Range: W/%s\r\n", tag);
    CHECK_HAS(ask(&h, "GET /tea.txt", headers), "HTTP/1.1 200 ");
    CHECK_HAS(ask(&h, "GET /tea.txt", "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n"), "HTTP/1.1 200 ");
    CHECK_HAS(ask(&h, "GET /tea.txt", "Range: bytes=0-0\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), " 206 ");
    CHECK_HAS(ask(&h, "GET /tea.txt", "Range: bytes=0-0\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n"), " 200 ");
    CHECK_HAS(ask(&h, "HEAD /tea.txt", "Range: bytes=0-0\r\n"), "HTTP/1.1 200 ");
    close_shelf(&h);
}

/* ---- Folders ----------------------------------------------------------------------------------------- */

WITH_SERVER(nothing_outside_a_folder_and_nothing_hidden_is_served)
{
    static const char *const paths[] = {
        "/none", "/../passwd", "/sub/../../etc/passwd", "/%2e%2e/passwd", "/..%2fpasswd", "/sub%2Findex.html",
        "/.secret",
        "/link", "/sub/.", "/tea.txt/", "/pipe",
    };
    shelf h = {.file = NULL};
    open_shelf(&h);
    CHECK_EQ(symlink("/etc/passwd", path_of(&h, "link")), 0);
    CHECK_EQ(mkfifo(path_of(&h, "pipe"), 0600), 0);
    CHECK_EQ(symlink("tea.txt", path_of(&h, "inner")), 0);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "GET %s", paths[i]);
        const char *answer = ask(&h, line, "");
        if (strncmp(answer, "HTTP/1.1 404 ", 13) != 0)
            kt_test_fail("%s gives %s", paths[i], answer);
        CHECK(!strstr(answer, "ETag"));
    }
    CHECK_HAS(ask(&h, "GET /inner", ""), "0123456789");
    close_shelf(&h);
}

WITH_SERVER(a_directory_is_its_index_and_wants_a_slash)
{
    shelf h = {.file = NULL};
    open_shelf(&h);
    CHECK_HAS(ask(&h, "GET /sub/", ""), "Content-Type: text/html; charset=utf-8\r\n");
    CHECK_HAS(ask(&h, "GET /sub?a=%20b", ""), "Location: /sub/?a=%20b\r\n");
    CHECK_HAS(ask(&h, "GET //sub", ""), "Location: /sub/\r\n"); /* not //sub/, which is a host */
    CHECK_HAS(ask(&h, "GET /", ""), "HTTP/1.1 404 ");
    put(&h, "index.html", "home");
    CHECK_HAS(ask(&h, "GET /", ""), "home");
    close_shelf(&h);
}

WITH_SERVER(a_compressed_sibling_goes_to_whoever_takes_it)
{
    shelf h = {.o = {.precompressed = true}};
    open_shelf(&h);
    put(&h, "tea.txt.gz", "GZ");
    const char *answer = ask(&h, "GET /tea.txt", "Accept-Encoding: br, gzip\r\n");
    CHECK_HAS(answer, "Content-Encoding: gzip\r\n");
    CHECK_HAS(answer, "Content-Type: text/plain; charset=utf-8\r\n");
    CHECK_HAS(answer, "Vary: Accept-Encoding\r\n");
    CHECK_STR(body_of(answer), "GZ");
    put(&h, "tea.txt.br", "BR");
    CHECK_STR(body_of(ask(&h, "GET /tea.txt", "Accept-Encoding: gzip, br\r\n")), "BR");
    CHECK_STR(body_of(ask(&h, "GET /tea.txt", "Accept-Encoding: gzip, br;q=0.5\r\n")), "GZ");
    CHECK_STR(body_of(ask(&h, "GET /tea.txt", "Accept-Encoding: gzip;q=0, br;q=0\r\n")), "0123456789");
    CHECK_STR(body_of(ask(&h, "GET /tea.txt", "Accept-Encoding: *\r\n")), "BR");
    answer = ask(&h, "GET /tea.txt", "");
    CHECK_STR(body_of(answer), "0123456789");
    CHECK_HAS(answer, "Vary: Accept-Encoding\r\n");
    put(&h, "tea.txt", "newer"); /* all are of 1994; now the file is not */
    struct timespec now[2] = {{784111778, 0}, {784111778, 0}};
    CHECK_EQ(utimensat(AT_FDCWD, path_of(&h, "tea.txt"), now, 0), 0);
    CHECK_STR(body_of(ask(&h, "GET /tea.txt", "Accept-Encoding: gzip, br\r\n")), "newer");
    close_shelf(&h);
}

/* ---- Looked at once a pass --------------------------------------------------------------------------- */

#define PIPELINED(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

/* Behind its answer the file is another. */
static int serves_and_replaces(kt_http_exchange *x, void *arg)
{
    shelf *h = arg;
    char from[512];
    int rc = kt_http_serve_folder(x, h->folder, kt_http_path(x));
    snprintf(from, sizeof from, "%s", path_of(h, "new.txt"));
    (void)!rename(from, path_of(h, "tea.txt")); /* the first time */
    return rc;
}

WITH_SERVER(requests_that_come_together_get_the_same_file_and_later_ones_the_new_one)
{
    shelf h = {.rc = 0};
    heard answer = {.size = 0};
    open_shelf(&h);
    put(&h, "new.txt", "abcdefghij");
    site replacing;
    site_open(&replacing, NULL, serves_and_replaces, &h);
    kt_stream *c = dial(&replacing);
    say(c, PIPELINED("/tea.txt") PIPELINED("/tea.txt") PIPELINED("/sub/"));
    hear(c, &answer, "<p>");
    const char *first = strstr(answer.text, "0123456789");
    CHECK(first && strstr(first + 1, "0123456789"));
    answer = (heard){.size = 0};
    say(c, PIPELINED("/tea.txt"));
    hear(c, &answer, "abcdefghij");
    kt_stream_close(c);
    site_close(&replacing);
    close_shelf(&h);
}

/* Drops the next answer from the buffer, which must end with this text. */
static void take_answer(kt_stream *c, kt_buffer *b, const char *end)
{
    const char *head_end = NULL;
    size_t size = strlen(end);
    for (;;) {
        CHECK_OK(kt_buffer_reserve(b, 4096));
        head_end = memmem(b->data, b->size, "\r\n\r\n", 4);
        if (head_end && b->size >= (size_t)(head_end - b->data) + size)
            break;
        ssize_t n = kt_stream_read(c, b->data + b->size, b->capacity - b->size);
        CHECK_GT(n, 0);
        b->size += (size_t)n;
    }
    CHECK_MEM(head_end, end, size);
    kt_buffer_consume(b, (size_t)(head_end - b->data) + size);
}

WITH_SERVER(many_files_that_are_asked_for_together_are_not_mistaken_for_each_other)
{
    enum { MANY = 3 * KT__HTTP_SEEN };
    shelf h = {.rc = 0};
    kt_auto(kt_buffer) requests = KT_BUFFER_INIT;
    kt_auto(kt_buffer) answers = KT_BUFFER_INIT;
    open_shelf(&h);
    for (int i = 0; i < MANY; i++) {
        char name[16], text[16];
        snprintf(name, sizeof name, "%d", i);
        snprintf(text, sizeof text, "<%d>", i);
        put(&h, name, text);
        CHECK_OK(kt_buffer_printf(&requests, PIPELINED("/%d") PIPELINED("/%d"), i, i / 2));
    }
    kt_stream *c = dial(&h.s);
    CHECK_OK(kt_stream_write(c, requests.data, requests.size));
    kt_buffer_clear(&requests);
    for (int i = 0; i < 2 * MANY; i++) {
        char text[32];
        snprintf(text, sizeof text, "\r\n\r\n<%d>", i % 2 == 0 ? i / 2 : i / 4);
        take_answer(c, &answers, text);
    }
    kt_stream_close(c);
    close_shelf(&h);
}

WITH_SERVER(a_file_that_is_not_there_leaves_the_answer_to_the_handler)
{
    shelf h = {.file = "none.txt"};
    open_shelf(&h);
    CHECK_HAS(ask(&h, "GET /", ""), "HTTP/1.1 500 ");
    CHECK_ERR(h.rc, -ENOENT);
    h.file = "sub";
    CHECK_HAS(ask(&h, "GET /", ""), "HTTP/1.1 500 ");
    CHECK_ERR(h.rc, -EISDIR);
    h.file = "tea.txt";
    h.o.download = "t\xc3\xa9.txt";
    h.o.cache_control = "max-age=60";
    h.o.content_type = "text/x-tea";
    const char *answer = ask(&h, "GET /", "");
    CHECK_HAS(answer, "Content-Disposition: attachment; filename=\"t__.txt\"; filename*=UTF-8''t%C3%A9.txt\r\n");
    CHECK_HAS(answer, "Cache-Control: max-age=60\r\n");
    CHECK_HAS(answer, "Content-Type: text/x-tea\r\n");
    close_shelf(&h);
}

/* ---- Tables ------------------------------------------------------------------------------------------ */

TEST(a_names_extension_says_its_content_type)
{
    CHECK_STR(kt_http_content_type(kt_slice_from("a/b.HTML")), "text/html; charset=utf-8");
    CHECK_STR(kt_http_content_type(kt_slice_from("x.min.js")), "text/javascript; charset=utf-8");
    CHECK(!kt_http_content_type(kt_slice_from("README")));
    CHECK(!kt_http_content_type(kt_slice_from("a.png/b")));
    CHECK(!kt_http_content_type(kt_slice_from(".png")));
    CHECK(!kt_http_content_type(kt_slice_from("a.unknown")));
}

TEST(dates_are_read_in_all_three_forms)
{
    time_t t = 0;
    CHECK_OK(kt__http_date_parse(kt_slice_from("Sun, 06 Nov 1994 08:49:37 GMT"), &t));
    CHECK_EQ(t, 784111777);
    CHECK_OK(kt__http_date_parse(kt_slice_from("Thu, 29 Feb 2024 00:00:00 GMT"), &t));
    CHECK_EQ(t, 1709164800);
    CHECK_ERR(kt__http_date_parse(kt_slice_from("Sun, 06 Nov 1994 08:49:37"), &t), -EINVAL);
    CHECK_ERR(kt__http_date_parse(kt_slice_from("Sun, 06 Nov 1994 25:49:37 GMT"), &t), -EINVAL);
    CHECK_ERR(kt__http_date_parse(kt_slice_from("Sun, 06 Nuv 1994 08:49:37 GMT"), &t), -EINVAL);
    CHECK_ERR(kt__http_date_parse(kt_slice_from(""), &t), -EINVAL);
}
