/* SPDX-License-Identifier: MIT */
/* Forms and cookies. */
#include "http_site.h"

#include <kettle/dir.h>
#include <kettle/http_forms.h>
#include <kettle/temp.h>

#define POST_HEAD(type, length) \
    HTTP_REQUEST("POST /subject", "Content-Type: " type "\r\nContent-Length: " length "\r\n")
#define BODY \
    "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" \
    "--XX\r\nContent-Disposition: form-data; name=b; filename=c\r\n\r\n23\r\n--XX--"
#define HEAD POST_HEAD("multipart/form-data; boundary=XX", "121")
_Static_assert(sizeof BODY - 1 == 121, "the length that HEAD says");

static kt_http_multipart *form;

static int answers(void *arg)
{
    const site *s = arg;
    kt_http_multipart_free(form);
    form = NULL;
    return kt_http_respond(s->x, 200, NULL, "tea", 3);
}

static int opens(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_multipart_open, (s->x, NULL, &form));
}

SWEEP(kt_http_multipart_open, ALLOCATES | REAL)
{
    site s = {.act = opens, .after = answers};
    visit(&s, HEAD BODY, NULL);
    CHECK(heard_once(&s, "tea"));
}

static int frees(void *arg)
{
    const site *s = arg;
    sure(kt_http_multipart_open(s->x, NULL, &form));
    SWEPT(kt_http_multipart_free, (form));
    form = NULL;
    return 0;
}

SWEEP(kt_http_multipart_free, PLAIN | REAL)
{
    site s = {.act = frees, .after = answers};
    visit(&s, HEAD BODY, NULL);
}

static int has_form(void *arg)
{
    const site *s = arg;
    return kt_http_multipart_open(s->x, NULL, &form);
}

static int has_part(void *arg)
{
    const site *s = arg;
    kt_http_part p;
    sure(kt_http_multipart_open(s->x, NULL, &form));
    CHECK_EQ(kt_http_multipart_next(form, &p), 1);
    return 0;
}

static int asks_part(void *arg)
{
    (void)arg;
    kt_http_part p;
    int rc = SWEPT(kt_http_multipart_next, (form, &p));
    if (rc >= 0)
        CHECK_SLICE(p.name, "a");
    return rc;
}

/* A cancellation has lost nothing. */
static int asks_again(void *arg)
{
    const site *s = arg;
    kt_http_part p;
    if (s->rc < 0) {
        CHECK_EQ(kt_http_multipart_next(form, &p), 1);
        CHECK_SLICE(p.name, "a");
    }
    return answers(arg);
}

SWEEP(kt_http_multipart_next, SUSPENDS | REAL | UNREFUSED)
{
    site s = {.before = has_form, .act = asks_part, .after = asks_again};
    visit(&s, HEAD, BODY);
    CHECK(heard_once(&s, "tea"));
}

static int reads(void *arg)
{
    (void)arg;
    char bytes[8];
    ssize_t n = SWEPT(kt_http_multipart_read, (form, bytes, sizeof bytes));
    if (n >= 0)
        CHECK(n == 1 && bytes[0] == '1');
    return (int)n;
}

static int reads_again(void *arg)
{
    const site *s = arg;
    char bytes[8];
    if (s->rc < 0)
        CHECK_EQ(kt_http_multipart_read(form, bytes, sizeof bytes), 1);
    return answers(arg);
}

#define FIRST "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n"
#define REST (&(BODY)[sizeof FIRST - 1])

SWEEP(kt_http_multipart_read, SUSPENDS | REAL | UNREFUSED)
{
    site s = {.before = has_part, .act = reads, .after = reads_again};
    visit(&s, HEAD FIRST, REST);
    CHECK(heard_once(&s, "tea"));
}

static int reads_all(void *arg)
{
    (void)arg;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = SWEPT(kt_http_multipart_read_all, (form, 100, &b));
    if (rc >= 0)
        CHECK_SLICE(kt_buffer_slice(&b), "1");
    return rc;
}

SWEEP(kt_http_multipart_read_all, SUSPENDS | ALLOCATES | REAL | UNREFUSED)
{
    site s = {.before = has_part, .act = reads_all, .after = answers};
    visit(&s, HEAD FIRST, REST);
    CHECK(heard_once(&s, "tea"));
}

static kt_temp_dir *shelf;

static int saves(void *arg)
{
    (void)arg;
    kt_auto(kt_path) path = NULL;
    int rc = SWEPT(kt_http_multipart_save, (form, kt_temp_dir_path(shelf), &path));
    CHECK_EQ(rc < 0, !path);
    return rc;
}

/* UNREFUSED, as clearing away would be refused, too. */
SWEEP(kt_http_multipart_save, SUSPENDS | ALLOCATES | SPARES | REAL | WINS | UNREFUSED)
{
    site s = {.before = has_part, .act = saves, .after = answers};
    kt_path_list *names = NULL;
    shelf = NULL;
    sure(kt_temp_dir_make(NULL, NULL, &shelf));
    visit(&s, HEAD FIRST, REST);
    sure(kt_dir_list(kt_temp_dir_path(shelf), 0, &names));
    CHECK_LE(names->count, s.rc >= 0 ? 2 : sweep_struck());
    kt_path_list_free(names);
    kt_temp_dir_remove(shelf);
}

/* ---- Without files ----------------------------------------------------------------------------------- */

static int reads_form(void *arg)
{
    const site *s = arg;
    kt_http_urlencoded f;
    int rc = SWEPT(kt_http_urlencoded_read, (s->x, 10 * 1000, &f));
    if (rc >= 0)
        CHECK_EQ(f.count, 2);
    return rc;
}

SWEEP(kt_http_urlencoded_read, SUSPENDS | ALLOCATES | SPARES | REAL | UNREFUSED)
{
    site s = {.act = reads_form, .after = answers};
    visit(&s, POST_HEAD("application/x-www-form-urlencoded", "7"), "a=1&b=2");
    CHECK(heard_once(&s, "tea"));
}

SWEEP(kt_http_urlencoded_value, PLAIN | NO_LOOP)
{
    const kt_http_urlencoded_field field = {kt_slice_from("a"), kt_slice_from("1")};
    const kt_http_urlencoded f = {&field, 1};
    kt_slice value;
    CHECK(SWEPT(kt_http_urlencoded_value, (&f, "a", &value)));
    CHECK_SLICE(value, "1");
}

SWEEP(kt_http_safe_name, PLAIN | NO_LOOP)
{
    char name[KT_HTTP_NAME_BYTES];
    CHECK_EQ(SWEPT(kt_http_safe_name, (kt_slice_from("../a b"), name)), 3);
    CHECK_STR(name, "a_b");
}

/* ---- Cookies ----------------------------------------------------------------------------------------- */

static int tastes(void *arg)
{
    const site *s = arg;
    kt_slice value;
    CHECK(SWEPT(kt_http_cookie, (s->x, "b", &value)));
    CHECK_SLICE(value, "2");
    return 0;
}

SWEEP(kt_http_cookie, PLAIN | REAL)
{
    site s = {.act = tastes, .after = answers};
    visit(&s, HTTP_REQUEST("GET /subject", "Cookie: a=1; b=2\r\n"), NULL);
}

static int bakes(void *arg)
{
    const site *s = arg;
    const kt_http_cookie_options o = {.path = "/", .max_age = KT_S(1)};
    return SWEPT(kt_http_cookie_set, (s->x, "a", "1", &o));
}

SWEEP(kt_http_cookie_set, ALLOCATES | REAL)
{
    site s = {.act = bakes, .after = answers};
    visit(&s, HTTP_GET, NULL);
    CHECK(heard_once(&s, "Set-Cookie: a=1; Path=/; Max-Age=1\r\n"));
}
