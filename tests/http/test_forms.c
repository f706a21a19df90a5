/* SPDX-License-Identifier: MIT */
/* Forms with files and without, and cookies. */
#include "serve.h"

#include <kettle/file.h>
#include <kettle/http_forms.h>
#include <kettle/temp.h>
#include <stdlib.h>

#include "http/multipart.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME | KT_TEST_REAL_IO)

/* ---- The parser -------------------------------------------------------------------------------------- */

/* What a body becomes when it is given in pieces of so many bytes: "[headers]content|", "." for its end, "!" for an
 * error and its number. */
static const char *parse(const char *body, size_t size, size_t piece, size_t header_bytes_max)
{
    static char text[4096];
    kt__multipart m;
    kt__multipart_event e;
    size_t n = 0, at = 0, end = 0;
    CHECK_OK(kt__multipart_init(&m, kt_slice_from("XX"), header_bytes_max));
    for (;;) {
        int rc = kt__multipart_feed(&m, (kt_slice){body + at, end - at}, &e);
        CHECK(rc < 0 || e.consumed <= end - at);
        if (rc < 0)
            return snprintf(text + n, sizeof text - n, "!%d", rc == KT_ELIMIT), text;
        at += e.consumed;
        const char *before = e.type == KT__MULTIPART_PART ? "[" : "";
        const char *after = (const char *[]){"", "]", "", "|", "."}[e.type];
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s%s", before, (int)e.bytes.size,
                              e.bytes.data ? e.bytes.data : "", after);
        if (e.type == KT__MULTIPART_END)
            return text;
        if (e.type != KT__MULTIPART_MORE)
            continue;
        if (end == size)
            return text;
        end = size - end < piece ? size : end + piece;
    }
}

static const struct {
    const char *body, *expected;
} bodies[] = {
    {"--XX\r\nA: 1\r\n\r\none\r\n--XX--\r\n", "[A: 1\r\n]one|."},
    {"--XX\r\n\r\none\r\n--XX\r\n\r\ntwo\r\n--XX--", "[]one|[]two|."},
    {"--XX\r\nA: 1\r\nB: 2\r\n\r\n\r\n--XX--\r\n", "[A: 1\r\nB: 2\r\n]|."},
    {"preamble\r\n--XX\r\n\r\n1\r\n--XX--\r\nepilogue", "[]1|."},
    {"\r\n--XX\r\n\r\n1\r\n--XX--", "[]1|."},
    {"--XX \t\r\n\r\n1\r\n--XX--", "[]1|."},                      /* transport padding, RFC 2046 section 5.1.1 */
    {"--XX\r\n\r\n\r\n-\r\n--X\r\n--\r\n--XX--", "[]\r\n-\r\n--X\r\n--|."}, /* nearly the delimiter */
    {"--XX\r\n\r\na\r\r\n--XX--", "[]a\r|."},
    {"--XX\r\n\r\na\n--XX\n\r\n--XX--", "[]a\n--XX\n|."},          /* LF alone ends no line */
    {"--XX--", "."},
    {"--XX\r\n\r\n1\r\n--XXY\r\n", "[]1|!0"},                     /* goes on otherwise */
    {"--XX\r\n\r\n1\r\n--XX-\r\n", "[]1|!0"},
    {"--XX\n\r\n1\r\n--XX--", "!0"},
    {"--XX\r\n\r\n1", "[]1"},                                     /* cut */
    {"--XX\r\nA: 1", ""},
    {"", ""},
    {"--XX\r\nA: 3456789012345678901234567890123456789012345678\r\n\r\n1\r\n--XX--", "!1"},
    {"p2345678901234567890123456789012345678901\r\n--XX\r\n\r\n1\r\n--XX--", "!1"},
};

TEST(a_multipart_body_is_read_the_same_however_it_is_cut)
{
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        for (size_t piece = 1; piece <= strlen(bodies[i].body) + 1; piece++)
            CHECK_STR(parse(bodies[i].body, strlen(bodies[i].body), piece, 40), bodies[i].expected);
}

TEST(a_boundary_is_what_the_standard_says)
{
    kt__multipart m;
    char long_one[72];
    memset(long_one, 'x', sizeof long_one);
    CHECK_OK(kt__multipart_init(&m, (kt_slice){long_one, 70}, 100));
    CHECK_ERR(kt__multipart_init(&m, (kt_slice){long_one, 71}, 100), -EINVAL);
    CHECK_OK(kt__multipart_init(&m, kt_slice_from("a b'()+_,-./:=?"), 100));
    CHECK_ERR(kt__multipart_init(&m, kt_slice_from(""), 100), -EINVAL);
    CHECK_ERR(kt__multipart_init(&m, kt_slice_from("a "), 100), -EINVAL);
    CHECK_ERR(kt__multipart_init(&m, kt_slice_from("a\r"), 100), -EINVAL);
}

TEST(parameters_of_a_header_are_unquoted)
{
    static const struct {
        const char *value;
        int rc;
        const char *found;
    } cases[] = {
        {"form-data; name=a", 1, "a"},
        {"form-data; NAME=\"a b\"; filename=\"x;name=y\"", 1, "a b"},
        {"form-data; filename=\"x\\\"; name=y\"; name=\"b\\\\\"", 1, "b\\"},
        {"form-data; name=\"C:\\dir\"", 1, "C:\\dir"},
        {"form-data; name=\"\"", 1, ""},
        {"form-data; filename*=UTF-8''x; other=1;", 0, NULL},
        {"form-data", 0, NULL},
        {"form-data; name=a; name=b", -EINVAL, NULL},
        {"form-data; name=\"a", -EINVAL, NULL},
        {"form-data; name=", -EINVAL, NULL},
        {"form-data; name", -EINVAL, NULL},
        {"form-data; name=a b", -EINVAL, NULL},
    };
    char out[256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kt_slice found = {NULL, 0};
        CHECK_EQ(kt__parameter(kt_slice_from(cases[i].value), "name", out, &found), cases[i].rc);
        if (cases[i].rc == 1)
            CHECK_SLICE(found, cases[i].found);
    }
}

TEST(a_clients_file_name_becomes_harmless)
{
    static const struct {
        const char *said, *safe;
    } cases[] = {
        {"tea.txt", "tea.txt"},
        {"../../etc/passwd", "passwd"},
        {"C:\\dir\\a b.txt", "a_b.txt"},
        {"...hidden", "hidden"},
        {"-rf", "rf"},
        {"a\r\n$(x).txt", "a____x_.txt"},
        {"t\xc3\xa9.txt", "t\xc3\xa9.txt"},
        {"a\xff" "b", "a"},
        {"..", "file"},
        {"", "file"},
        {"dir/", "file"},
    };
    char name[KT_HTTP_NAME_BYTES], long_one[300];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_EQ(kt_http_safe_name(kt_slice_from(cases[i].said), name), strlen(cases[i].safe));
        CHECK_STR(name, cases[i].safe);
    }
    for (size_t i = 0; i < sizeof long_one; i++)
        long_one[i] = "\xc3\xa9"[i % 2];
    CHECK_EQ(kt_http_safe_name((kt_slice){long_one, sizeof long_one}, name), 126);
}

/* ---- Reading ----------------------------------------------------------------------------------------- */

typedef struct desk {
    kt_http_multipart_options o;
    char text[4096]; /* what was read */
    int rc;
    const char *save; /* files go here */
} desk;

static void note(desk *d, const char *format, ...) KT_PRINTF(2, 3);
static void note(desk *d, const char *format, ...)
{
    va_list args;
    size_t n = strlen(d->text);
    va_start(args, format);
    vsnprintf(d->text + n, sizeof d->text - n, format, args);
    va_end(args);
}

static int save_part(desk *d, kt_http_multipart *m)
{
    kt_auto(kt_path) path = NULL;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = kt_http_multipart_save(m, d->save, &path);
    if (rc == 0)
        rc = kt_file_read_whole(path, 0, &b);
    if (rc == 0)
        note(d, "saved %zu bytes\n", b.size);
    return rc;
}

static int reads_parts(kt_http_exchange *x, void *arg)
{
    desk *d = arg;
    kt_auto(kt_http_multipart) *m = NULL;
    kt_http_part p;
    int rc = kt_http_multipart_open(x, &d->o, &m);
    while (rc >= 0 && (rc = kt_http_multipart_next(m, &p)) == 1) {
        kt_auto(kt_buffer) b = KT_BUFFER_INIT;
        note(d, "%.*s", (int)p.name.size, p.name.data);
        if (p.filename.data)
            note(d, " (%.*s, %.*s)", (int)p.filename.size, p.filename.data, (int)p.content_type.size,
                 p.content_type.data);
        if (p.filename.data && d->save) {
            note(d, ": ");
            rc = save_part(d, m);
            continue;
        }
        rc = kt_http_multipart_read_all(m, 1000, &b);
        if (rc == 0)
            note(d, ": %.*s\n", (int)b.size, b.data);
    }
    d->rc = rc;
    return rc < 0 ? rc : kt_http_respond(x, 200, NULL, d->text, strlen(d->text));
}

#define PART(headers, content) "--XX\r\nContent-Disposition: form-data; " headers "\r\n\r\n" content "\r\n"

static const char *post(desk *d, const char *type, const char *body, kt_http_handler handler)
{
    static heard answer;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    site s;
    site_open(&s, NULL, handler, d);
    kt_stream *c = dial(&s);
    answer = (heard){.size = 0};
    CHECK_OK(kt_buffer_printf(&b, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: %s\r\n"
                                  "Content-Length: %zu\r\n\r\n%s", type, strlen(body), body));
    CHECK_OK(kt_stream_write(c, b.data, b.size));
    hear(c, &answer, NULL);
    kt_stream_close(c);
    site_close(&s);
    return answer.text;
}

#define FORM "multipart/form-data; boundary=XX"

WITH_SERVER(a_form_with_files_is_read_part_by_part)
{
    desk d = {.rc = 0};
    (void)post(&d, FORM,
               PART("name=\"a\"", "one")
               PART("name=\"f\"; filename=\"t\xc3\xa9.txt\"\r\nContent-Type: text/plain", "two")
               PART("name=\"empty\"", "") "--XX--\r\n", reads_parts);
    CHECK_STR(d.text, "a: one\nf (t\xc3\xa9.txt, text/plain): two\nempty: \n");
}

WITH_SERVER(an_upload_is_saved_under_a_name_of_our_own)
{
    static char body[70000];
    kt_auto(kt_temp_dir) *dir = NULL;
    CHECK_OK(kt_temp_dir_make(NULL, NULL, &dir));
    int n = snprintf(body, sizeof body, "--XX\r\nContent-Disposition: form-data; name=f; filename=\"../evil\"\r\n\r\n");
    memset(body + n, 'x', 60000);
    snprintf(body + n + 60000, 100, "\r\n--XX--\r\n");
    desk d = {.save = kt_temp_dir_path(dir)};
    (void)post(&d, "Multipart/Form-Data; charset=utf-8; boundary=\"XX\"", body, reads_parts);
    CHECK_STR(d.text, "f (../evil, ): saved 60000 bytes\n");
}

WITH_SERVER(a_form_beyond_a_limit_or_malformed_is_refused_with_the_status_that_fits)
{
    static const struct {
        kt_http_multipart_options o;
        const char *type, *body, *status;
    } cases[] = {
        {{0}, "text/plain", "x", " 415 "},
        {{0}, "multipart/form-data", "x", " 400 "},
        {{0}, "multipart/form-data; boundary=\"\"", "x", " 400 "},
        {{0}, "multipart/form-data; boundary=XX; boundary=YY", "x", " 400 "},
        {{0}, FORM, PART("name=a", "1"), " 400 "},                  /* cut */
        {{0}, FORM, "--XX\r\n\r\n1\r\n--XX--", " 400 "},            /* no name */
        {{0}, FORM, PART("filename=a", "1") "--XX--", " 400 "},
        {{0}, FORM, PART("name=\"\xff\"", "1") "--XX--", " 400 "},
        {{0}, FORM, PART("name=a\r\nContent-Disposition: form-data; name=b", "1") "--XX--", " 400 "},
        {{0}, FORM, PART("name=a\r\nContent-Transfer-Encoding: base64", "MQ==") "--XX--", " 400 "},
        {{0}, FORM, PART("name=a\r\n folded", "1") "--XX--", " 400 "},
        {{0}, FORM, "--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--XX--", " 400 "},
        {{.parts_max = 1}, FORM, PART("name=a", "1") PART("name=b", "1") "--XX--", " 413 "},
        {{.part_bytes_max = 2}, FORM, PART("name=a", "123") "--XX--", " 413 "},
        {{.name_bytes_max = 2}, FORM, PART("name=abc", "1") "--XX--", " 413 "},
        {{.header_bytes_max = 30}, FORM, PART("name=a", "1") "--XX--", " 413 "},
        {{.part_bytes_max = 3}, FORM, PART("name=a", "123") "--XX--", " 200 "},
        {{.parts_max = 2}, FORM, PART("name=a", "1") PART("name=b", "1") "--XX--", " 200 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        desk d = {.o = cases[i].o};
        const char *answer = post(&d, cases[i].type, cases[i].body, reads_parts);
        if (strncmp(answer + 8, cases[i].status, 5) != 0)
            kt_test_fail("case %zu (%s): %s", i, cases[i].body, answer);
    }
}

WITH_SERVER(a_form_beyond_a_limit_is_refused_in_words_that_say_which)
{
    static const struct {
        kt_http_multipart_options o;
        const char *body, *words;
    } cases[] = {
        {{.name_bytes_max = 2}, PART("name=abc", "1") "--XX--", "a name in the form is too long"},
        {{.name_bytes_max = 2}, PART("name=a; filename=abc", "1") "--XX--", "a name in the form is too long"},
        {{.header_bytes_max = 30}, PART("name=a", "1") "--XX--", "the headers of a part of the form are too long"},
        {{.header_bytes_max = 5}, "123456\r\n--XX--", "what is in front of the form's first part is too long"},
        {{.parts_max = 1}, PART("name=a", "1") PART("name=b", "1") "--XX--", "too many parts in the form"},
        {{.part_bytes_max = 2}, PART("name=a", "123") "--XX--", "a part of the form is too long"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        desk d = {.o = cases[i].o};
        char expected[120];
        snprintf(expected, sizeof expected, "\r\n\r\n413 Content Too Large: %s\n", cases[i].words);
        const char *answer = post(&d, FORM, cases[i].body, reads_parts);
        if (!strstr(answer, expected))
            kt_test_fail("case %zu (%s): %s", i, cases[i].body, answer);
    }
}

static int skips_parts(kt_http_exchange *x, void *arg)
{
    desk *d = arg;
    kt_auto(kt_http_multipart) *m = NULL;
    kt_http_part p;
    char byte;
    CHECK_OK(kt_http_multipart_open(x, NULL, &m));
    CHECK_ERR(kt_http_multipart_read(m, &byte, 1), KT_EINVALIDSTATE);
    CHECK_EQ(kt_http_multipart_next(m, &p), 1);
    CHECK_EQ(kt_http_multipart_next(m, &p), 1);
    CHECK_SLICE(p.name, "b");
    CHECK_EQ(kt_http_multipart_read(m, &byte, 1), 1);
    CHECK_EQ(byte, '2');
    CHECK_EQ(kt_http_multipart_next(m, &p), 0);
    CHECK_EQ(kt_http_multipart_next(m, &p), 0);
    CHECK_EQ(kt_http_multipart_read(m, &byte, 1), 0);
    d->rc = 7;
    return kt_http_respond(x, 200, NULL, NULL, 0);
}

WITH_SERVER(what_is_not_read_of_a_part_is_skipped)
{
    desk d = {.rc = 0};
    (void)post(&d, FORM, PART("name=a", "111") PART("name=b", "222") "--XX--\r\n", skips_parts);
    CHECK_EQ(d.rc, 7);
}

/* ---- Without files ----------------------------------------------------------------------------------- */

static int reads_form(kt_http_exchange *x, void *arg)
{
    desk *d = arg;
    kt_http_urlencoded form;
    d->rc = kt_http_urlencoded_read(x, 100, &form);
    if (d->rc < 0)
        return d->rc;
    for (size_t i = 0; i < form.count; i++)
        note(d, "%.*s=%.*s;", (int)form.fields[i].name.size, form.fields[i].name.data, (int)form.fields[i].value.size,
             form.fields[i].value.data);
    kt_slice value;
    CHECK(!kt_http_urlencoded_value(&form, "none", &value));
    CHECK(kt_http_urlencoded_value(&form, "a", &value));
    CHECK_SLICE(value, "1");
    return kt_http_respond(x, 200, NULL, NULL, 0);
}

WITH_SERVER(a_form_without_files_is_decoded)
{
    desk d = {.rc = 0};
    (void)post(&d, "application/x-www-form-urlencoded; charset=utf-8", "a=1&&b+c=%26%3D&a=2&d&=e", reads_form);
    CHECK_STR(d.text, "a=1;b c=&=;a=2;d=;=e;");
    CHECK(strstr(post(&d, "text/plain", "a=1", reads_form), " 415 "));
    CHECK(strstr(post(&d, "application/x-www-form-urlencoded", "a=%0", reads_form), " 400 "));
    CHECK(strstr(post(&d, "application/x-www-form-urlencoded", "a=%00", reads_form), " 400 "));
    static char much[200];
    memset(much, 'a', sizeof much - 1);
    CHECK(strstr(post(&d, "application/x-www-form-urlencoded", much, reads_form), " 413 "));
}

/* ---- Cookies ----------------------------------------------------------------------------------------- */

static int bakes(kt_http_exchange *x, void *arg)
{
    desk *d = arg;
    kt_slice v = {NULL, 0};
    CHECK(kt_http_cookie(x, "sid", &v));
    CHECK_SLICE(v, "31d4");
    CHECK(kt_http_cookie(x, "b", &v));
    CHECK_SLICE(v, "x=y");
    CHECK(kt_http_cookie(x, "q", &v));
    CHECK_SLICE(v, "\"1\"");
    CHECK(!kt_http_cookie(x, "SID", &v) && !kt_http_cookie(x, "id", &v) && !kt_http_cookie(x, "none", &v));
    static const struct {
        const char *name, *value;
        kt_http_cookie_options o;
        int rc;
    } cases[] = {
        {"", "1", {0}, -EINVAL},
        {"a b", "1", {0}, -EINVAL},
        {"a=b", "1", {0}, -EINVAL},
        {"a", "1;Path=/", {0}, -EINVAL},
        {"a", "1 2", {0}, -EINVAL},
        {"a", "\"1\"", {0}, -EINVAL},
        {"a", "1\r\nX: 1", {0}, -EINVAL},
        {"a", "\xc3\xa9", {0}, -EINVAL},
        {"a", "1", {.path = "x"}, -EINVAL},
        {"a", "1", {.path = "/;Secure"}, -EINVAL},
        {"a", "1", {.domain = "a;b"}, -EINVAL},
        {"a", "1", {.domain = "."}, -EINVAL},
        {"__Secure-a", "1", {0}, -EINVAL},
        {"__secure-a", "1", {0}, -EINVAL},
        {"__Host-a", "1", {.secure = true}, -EINVAL},
        {"__Host-a", "1", {.secure = true, .path = "/", .domain = "a"}, -EINVAL},
        {"a", "1", {.same_site = KT_HTTP_SAME_SITE_NONE}, -EINVAL},
        {"a", "1", {.partitioned = true}, -EINVAL},
        {"__Host-a", "1", {.secure = true, .path = "/", .partitioned = true}, 0},
        {"b", "", {.max_age = -1, .domain = ".example.org"}, 0},
        {"c", "x=y", {.max_age = KT_S(3600), .http_only = true, .same_site = KT_HTTP_SAME_SITE_STRICT}, 0},
        {"d", "1", {.expires = 784111777, .secure = true, .same_site = KT_HTTP_SAME_SITE_NONE}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (kt_http_cookie_set(x, cases[i].name, cases[i].value, &cases[i].o) != cases[i].rc)
            kt_test_fail("cookie %zu, %s", i, cases[i].name);
    d->rc = 7;
    return kt_http_respond(x, 200, NULL, NULL, 0);
}

WITH_SERVER(cookies_are_read_and_set_as_the_standard_says)
{
    site s;
    desk d = {.rc = 0};
    site_open(&s, NULL, bakes, &d);
    converse(&s,
             "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
             "Cookie: a; sid=31d4;b=x=y\r\nCookie: sid=2;q=\"1\"\r\n\r\n",
             "HTTP/1.1 200 OK\r\nSet-Cookie: __Host-a=1; Path=/; Secure; Partitioned\r\n"
             "Set-Cookie: b=; Domain=.example.org; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n"
             "Set-Cookie: c=x=y; Max-Age=3600; HttpOnly; SameSite=Strict\r\n"
             "Set-Cookie: d=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Secure; SameSite=None\r\n"
             "Content-Length: 0\r\nConnection: close\r\n\r\n");
    site_close(&s);
    CHECK_EQ(d.rc, 7);
}
