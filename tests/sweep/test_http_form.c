/* SPDX-License-Identifier: MIT */
/* Forms to send. */
#include "sweep.h"

#include <kettle/http_form.h>
#include <kettle/test_disk.h>

static int makes(void *arg)
{
    return SWEPT(kt_http_form_new, (arg));
}

SWEEP(kt_http_form_new, ALLOCATES)
{
    kt_http_form *f = NULL;
    if (sweep_subject(makes, &f) >= 0)
        kt_http_form_free(f);
}

/* As many parts as have been added, and the end, nothing of those that failed. */
static void check_body(kt_http_form *f, size_t size)
{
    kt_http_request q = {.url = "/"};
    char body[4096];
    size_t n = 0;
    ssize_t more;
    kt_http_form_use(f, &q);
    while ((more = q.body_read(body + n, sizeof body - n, q.body_arg)) > 0)
        n += (size_t)more;
    CHECK_EQ(more, 0);
    CHECK_EQ(n, q.body_size);
    CHECK_EQ(n, size + strlen("--") + strlen("----kettle") + 32 + strlen("--\r\n"));
}

#define PART(fields, content) \
    (strlen("--") + strlen("----kettle") + 32 + strlen("\r\n" fields "\r\n\r\n" content "\r\n"))
#define OF_FILE(name) "Content-Disposition: form-data; name=\"a\"; filename=\"" name "\"\r\nContent-Type: text/plain"

static const kt_http_form_file text = {.type = "text/plain"};

static int adds(void *arg)
{
    return SWEPT(kt_http_form_add, (arg, "a", "1"));
}

SWEEP(kt_http_form_add, ALLOCATES)
{
    kt_auto(kt_http_form) *f = NULL;
    sure(kt_http_form_new(&f));
    bool added = sweep_subject(adds, f) >= 0;
    check_body(f, added * PART("Content-Disposition: form-data; name=\"a\"", "1"));
}

static int adds_bytes(void *arg)
{
    return SWEPT(kt_http_form_add_bytes, (arg, "a", "tea", 3, &text));
}

SWEEP(kt_http_form_add_bytes, ALLOCATES)
{
    kt_auto(kt_http_form) *f = NULL;
    sure(kt_http_form_new(&f));
    bool added = sweep_subject(adds_bytes, f) >= 0;
    check_body(f, added * PART(OF_FILE("blob"), "tea"));
}

static ssize_t gives(void *buffer, size_t size, void *arg)
{
    size_t *left = arg, n = *left < size ? *left : size;
    memset(buffer, 'x', n);
    *left -= n;
    return (ssize_t)n;
}

static int adds_source(void *arg)
{
    static size_t left;
    left = 3;
    const kt_http_form_source s = {.read = gives, .arg = &left, .size = 3};
    return SWEPT(kt_http_form_add_source, (arg, "a", &s, &text));
}

SWEEP(kt_http_form_add_source, ALLOCATES)
{
    kt_auto(kt_http_form) *f = NULL;
    sure(kt_http_form_new(&f));
    bool added = sweep_subject(adds_source, f) >= 0;
    check_body(f, added * PART(OF_FILE("blob"), "xxx"));
}

static int adds_file(void *arg)
{
    return SWEPT(kt_http_form_add_file, (arg, "a", "/leaf", &text));
}

SWEEP(kt_http_form_add_file, SUSPENDS | ALLOCATES | SPARES)
{
    kt_test_disk *d = kt_test_disk_open(NULL);
    kt_http_form *f = NULL;
    sure(kt_test_disk_put(d, "/leaf", kt_slice_from("tea")));
    kt_test_disk_use(d);
    sure(kt_http_form_new(&f));
    sweep_begin(adds_file, f);
    bool added = sweep_end() >= 0;
    check_body(f, added * PART(OF_FILE("leaf"), "tea"));
    kt_http_form_free(f);
    CHECK_EQ(kt_test_disk_descriptors(d), 0);
    kt_test_disk_close(d);
}

SWEEP(kt_http_form_use, PLAIN)
{
    kt_auto(kt_http_form) *f = NULL;
    kt_http_request q = {.url = "/"};
    sure(kt_http_form_new(&f));
    SWEPT(kt_http_form_use, (f, &q));
    CHECK_EQ(q.body_size_known, true);
}

static int frees(void *arg)
{
    SWEPT(kt_http_form_free, (arg));
    return 0;
}

SWEEP(kt_http_form_free, SUSPENDS | HOLDS)
{
    kt_test_disk *d = kt_test_disk_open(NULL);
    kt_http_form *f = NULL;
    sure(kt_test_disk_put(d, "/leaf", kt_slice_from("tea")));
    kt_test_disk_use(d);
    sure(kt_http_form_new(&f));
    sure(kt_http_form_add_file(f, "a", "/leaf", NULL));
    (void)!sweep_subject(frees, f);
    CHECK_EQ(kt_test_disk_descriptors(d), 0);
    kt_test_disk_close(d);
}
