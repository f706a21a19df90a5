/* SPDX-License-Identifier: MIT */
/* Forms that a client sends, as the server reads them, and to the byte. */
#include "client_site.h"

#include <kettle/http_form.h>
#include <kettle/http_forms.h>
#include <kettle/test_disk.h>

/* Says what it was sent: "name|filename|type|content" for each part, and the body's Content-Length; "/raw" sends the
 * body back; "/move" sends it somewhere else first. */
static int reads_form(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_buffer) said = KT_BUFFER_INIT;
    kt_auto(kt_http_multipart) *m = NULL;
    kt_http_part part;
    kt_slice body;
    (void)arg;
    if (kt_slice_is(kt_http_path(x), "/raw")) {
        int rc = kt_http_read_all(x, 64 * 1024, &body);
        return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", body.data, body.size);
    }
    if (kt_slice_is(kt_http_path(x), "/move")) {
        int rc = kt_http_header(x, "Location", "/");
        return rc < 0 ? rc : kt_http_respond(x, 307, NULL, NULL, 0);
    }
    int rc = kt_http_multipart_open(x, NULL, &m);
    while (rc == 0 && (rc = kt_http_multipart_next(m, &part)) > 0) {
        rc = kt_buffer_printf(&said, "%.*s|%.*s|%.*s|", (int)part.name.size, part.name.data, (int)part.filename.size,
                              part.filename.data ? part.filename.data : "", (int)part.content_type.size,
                              part.content_type.data);
        if (rc == 0)
            rc = kt_http_multipart_read_all(m, 1024 * 1024, &said);
        if (rc == 0)
            rc = kt_buffer_append_string(&said, "\n");
    }
    kt_slice length = kt_http_request_header(x, "Content-Length");
    if (rc == 0)
        rc = kt_buffer_printf(&said, "%s", length.data ? "with length" : "without length");
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", said.data, said.size);
}

typedef struct house {
    net n;
    site s;
    kt_test_disk *disk;
    kt_http_session *web;
    kt_http_form *form;
} house;

static void house_open(house *h)
{
    h->n = net_open((kt_test_network_options){0});
    h->disk = kt_test_disk_open(NULL);
    kt_test_disk_use(h->disk);
    site_open(&h->s, NULL, reads_form, NULL);
    h->web = session_for(kt_listener_port(h->s.l), (kt_http_session_options){0});
    CHECK_OK(kt_http_form_new(&h->form));
}

static void house_close(house *h)
{
    kt_http_form_free(h->form);
    kt_http_session_close(h->web);
    site_close(&h->s);
    CHECK_EQ(kt_test_disk_descriptors(h->disk), 0);
    kt_test_disk_close(h->disk);
    net_cleanup(&h->n);
}

static const char *send_to(house *h, const char *path)
{
    kt_http_request q = {.url = path};
    kt_http_form_use(h->form, &q);
    return ask_with(h->web, &q);
}

TEST(a_form_arrives_as_it_was_made)
{
    house h;
    house_open(&h);
    CHECK_OK(kt_test_disk_put(h.disk, "/tmp/leaf.txt", kt_slice_from("camellia")));
    CHECK_OK(kt_http_form_add(h.form, "title", "Green tea"));
    CHECK_OK(kt_http_form_add(h.form, "empty", ""));
    CHECK_OK(kt_http_form_add_bytes(h.form, "cup", "a\0b", 3, NULL));
    CHECK_OK(kt_http_form_add_file(h.form, "leaf", "/tmp/leaf.txt", &(kt_http_form_file){.type = "text/plain"}));
    CHECK_OK(kt_http_form_add_file(h.form, "leaf", "/tmp/leaf.txt", &(kt_http_form_file){.name = "../x"}));
    static const char expected[] = "title|||Green tea\nempty|||\ncup|blob|application/octet-stream|a\0b\n"
                                   "leaf|leaf.txt|text/plain|camellia\nleaf|../x|application/octet-stream|camellia\n"
                                   "with length";
    kt_http_request q = {.url = "/"};
    kt_auto(kt_http_response) *r = NULL;
    kt_slice said;
    kt_http_form_use(h.form, &q);
    CHECK_OK(kt_http_send(h.web, &q, &r));
    CHECK_OK(kt_http_response_read_all(r, 1024, &said));
    CHECK_EQ(said.size, sizeof expected - 1);
    CHECK_MEM(said.data, expected, said.size);
    kt_http_response_close(kt_steal(r));
    house_close(&h);
}

TEST(a_form_is_written_to_the_byte_as_browsers_write_it)
{
    house h;
    char boundary[100], expected[1024];
    house_open(&h);
    CHECK_OK(kt_http_form_add(h.form, "a\"b\r\nc\nd", "1\n2\r3\r\n4"));
    const kt_http_form_file file = {.name = "q\"\r\n\\;\xc3\xa4", .type = "a/b"};
    CHECK_OK(kt_http_form_add_bytes(h.form, "f", "x", 1, &file));
    kt_http_request q = {.url = "/raw"};
    kt_http_form_use(h.form, &q);
    CHECK_EQ(strncmp(q.content_type, "multipart/form-data; boundary=", 30), 0);
    snprintf(boundary, sizeof boundary, "%s", q.content_type + 30);
    CHECK_EQ(strlen(boundary), strlen("----kettle") + 32);
    snprintf(expected, sizeof expected,
             "200 --%s\r\nContent-Disposition: form-data; name=\"a%%22b%%0D%%0Ac%%0D%%0Ad\"\r\n\r\n1\r\n2\r\n3\r\n4\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"f\"; filename=\"q%%22%%0D%%0A\\;\xc3\xa4\"\r\n"
             "Content-Type: a/b\r\n\r\nx\r\n--%s--\r\n", boundary, boundary, boundary);
    CHECK_STR(ask_with(h.web, &q), expected);
    house_close(&h);
}

TEST(boundaries_are_random)
{
    kt_auto(kt_http_form) *a = NULL, *b = NULL;
    kt_http_request p = {.url = "/"}, q = {.url = "/"};
    CHECK_OK(kt_http_form_new(&a));
    CHECK_OK(kt_http_form_new(&b));
    kt_http_form_use(a, &p);
    kt_http_form_use(b, &q);
    CHECK(strcmp(p.content_type, q.content_type) != 0);
}

TEST(a_form_without_fields_ends_at_once)
{
    house h;
    house_open(&h);
    CHECK_STR(send_to(&h, "/"), "200 with length");
    house_close(&h);
}

TEST(a_form_can_be_sent_again_also_by_a_redirect)
{
    house h;
    house_open(&h);
    CHECK_OK(kt_http_form_add(h.form, "a", "1"));
    CHECK_STR(send_to(&h, "/"), "200 a|||1\nwith length");
    CHECK_STR(send_to(&h, "/move"), "200 a|||1\nwith length");
    house_close(&h);
}

/* ---- Sources --------------------------------------------------------------------------------------- */

typedef struct tap {
    size_t size, at, largest;
} tap;

static ssize_t drips(void *buffer, size_t size, void *arg)
{
    tap *t = arg;
    size_t left = t->size - t->at, n = left < 7 ? left : 7;
    t->largest = size > t->largest ? size : t->largest;
    n = n < size ? n : size;
    memset(buffer, 'x', n);
    t->at += n;
    return (ssize_t)n;
}

static int refills(void *arg)
{
    ((tap *)arg)->at = 0;
    return 0;
}

TEST(a_source_of_unknown_size_leaves_the_length_unsaid)
{
    house h;
    tap t = {.size = 10};
    house_open(&h);
    const kt_http_form_source s = {.read = drips, .arg = &t, .size = -1};
    CHECK_OK(kt_http_form_add_source(h.form, "s", &s, NULL));
    CHECK_OK(kt_http_form_add(h.form, "a", "1"));
    CHECK_STR(send_to(&h, "/"), "200 s|blob|application/octet-stream|xxxxxxxxxx\na|||1\nwithout length");
    house_close(&h);
}

TEST(a_source_that_cannot_be_rewound_ends_the_way_of_a_redirect)
{
    house h;
    tap t = {.size = 10};
    house_open(&h);
    kt_http_form_source s = {.read = drips, .arg = &t, .size = 10};
    CHECK_OK(kt_http_form_add_source(h.form, "s", &s, NULL));
    CHECK_STR(send_to(&h, "/move"), "307 ");
    kt_http_form_free(h.form);
    s.rewind = refills;
    t.at = 0;
    CHECK_OK(kt_http_form_new(&h.form));
    CHECK_OK(kt_http_form_add_source(h.form, "s", &s, NULL));
    CHECK_STR(send_to(&h, "/move"), "200 s|blob|application/octet-stream|xxxxxxxxxx\nwith length");
    house_close(&h);
}

TEST(a_source_that_lies_about_its_size_fails_the_request)
{
    for (int more = 0; more < 2; more++) {
        house h;
        tap t = {.size = more ? 11 : 9};
        house_open(&h);
        const kt_http_form_source s = {.read = drips, .arg = &t, .size = 10};
        CHECK_OK(kt_http_form_add_source(h.form, "s", &s, NULL));
        CHECK_STR(send_to(&h, "/"), "EINVAL");
        house_close(&h);
    }
}

/* ---- Files ----------------------------------------------------------------------------------------- */

TEST(a_large_file_is_sent_in_pieces)
{
    house h;
    kt_auto(kt_buffer) sea = KT_BUFFER_INIT;
    house_open(&h);
    CHECK_OK(kt_buffer_reserve(&sea, 500 * 1000));
    memset(sea.data, 's', 500 * 1000);
    sea.size = 500 * 1000;
    CHECK_OK(kt_test_disk_put(h.disk, "/sea", kt_buffer_slice(&sea)));
    CHECK_OK(kt_http_form_add_file(h.form, "sea", "/sea", NULL));
    kt_http_request q = {.url = "/"};
    kt_http_form_use(h.form, &q);
    kt_auto(kt_http_response) *r = NULL;
    CHECK_OK(kt_http_send(h.web, &q, &r));
    CHECK_EQ(kt_http_response_length(r), strlen("sea|sea|application/octet-stream|\nwith length") + 500 * 1000);
    kt_http_response_close(kt_steal(r));
    house_close(&h);
}

TEST(a_file_that_is_not_there_or_a_bad_type_adds_nothing)
{
    house h;
    house_open(&h);
    CHECK_ERR(kt_http_form_add_file(h.form, "f", "/none", NULL), -ENOENT);
    CHECK_ERR(kt_http_form_add_file(h.form, "f", "/tmp", NULL), -EISDIR);
    CHECK_ERR(kt_http_form_add_bytes(h.form, "f", "x", 1, &(kt_http_form_file){.type = "a\r\nX: y"}), -EINVAL);
    CHECK_STR(send_to(&h, "/"), "200 with length");
    house_close(&h);
}

TEST(a_file_that_has_been_cut_since_fails_the_request)
{
    house h;
    house_open(&h);
    CHECK_OK(kt_test_disk_put(h.disk, "/leaf", kt_slice_from("camellia")));
    CHECK_OK(kt_http_form_add_file(h.form, "f", "/leaf", NULL));
    CHECK_OK(kt_test_disk_put(h.disk, "/leaf", kt_slice_from("cam")));
    CHECK_STR(send_to(&h, "/"), "EINVAL");
    house_close(&h);
}
