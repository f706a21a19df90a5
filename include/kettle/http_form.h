/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_FORM_H
#define KETTLE_HTTP_FORM_H

/* Forms to send: bodies of multipart/form-data (RFC 7578), as browsers make them. Library: libkettle-net.
 *
 *     kt_auto(kt_http_form) *form = NULL;
 *     kt_auto(kt_http_response) *r = NULL;
 *     kt_http_request q = {.url = "https://example.org/upload"};
 *     int rc = kt_http_form_new(&form);
 *     if (rc == 0)
 *         rc = kt_http_form_add(form, "title", "Green tea");
 *     if (rc == 0)
 *         rc = kt_http_form_add_file(form, "picture", "tea.jpg", &(kt_http_form_file){.type = "image/jpeg"});
 *     if (rc == 0) {
 *         kt_http_form_use(form, &q);
 *         rc = kt_http_send(web, &q, &r);
 *     }
 *
 * Files are read as they are sent, never as a whole. The length of the body is known and said, unless a part has none.
 * A body can be had again for redirects and repeats, unless a part cannot.
 *
 * A form is used by one request at a time, and by any number one after the other. Thread rule: as http_client.h. What
 * servers do with such bodies is in http_forms.h. Like aiohttp.FormData, WHATWG's "multipart/form-data encoding
 * algorithm". */

#include <kettle/http_client.h>

KT_BEGIN

typedef struct kt_http_form kt_http_form;

/* A new form without fields, and with a random boundary; the caller owns it. 0; -ENOMEM; -EIO without randomness. Does
 * not suspend. */
KT_API int kt_http_form_new(kt_http_form **ret_form) KT_CHECKED;

/* Frees it and closes its files; NULL is allowed. Not while a request uses it. Suspends at most to close files; a
 * cancellation is held back. */
KT_API void kt_http_form_free(kt_http_form *f);

static inline void kt_http_form_cleanup(kt_http_form **f)
{
    kt_http_form_free(*f);
}

/* Adds a field of text, which is copied; line ends become CR LF, as in browsers. In names '"', CR and LF are written as
 * %22, %0D and %0A. 0, -ENOMEM. Does not suspend. */
KT_API int kt_http_form_add(kt_http_form *f, const char *name, const char *value) KT_CHECKED;

/* What is said about a file. All zero means the defaults. */
typedef struct kt_http_form_file {
    const char *name; /* its name for the server; NULL: of a path the last part, otherwise "blob" */
    const char *type; /* its media type; NULL: application/octet-stream */
} kt_http_form_file;

/* Adds bytes as a file's; they are borrowed until the form is freed. The options may be NULL, their strings are copied.
 * 0; -EINVAL for a type that is no header's value; -ENOMEM. Does not suspend. */
KT_API int kt_http_form_add_bytes(kt_http_form *f, const char *name, const void *bytes, size_t size,
                                  const kt_http_form_file *file) KT_CHECKED;

/* Adds a file, which is opened now, and sent in the length that it has now: a request fails with -EINVAL if it is
 * shorter then. As kt_http_form_add_bytes, and the errors of kt_file_open and kt_file_stat; -EISDIR. Suspends; a
 * cancellation adds nothing. */
KT_API int kt_http_form_add_file(kt_http_form *f, const char *name, const char *path,
                                 const kt_http_form_file *file) KT_CHECKED;

/* Where a part's bytes come from: as of kt_http_request. */
typedef struct kt_http_form_source {
    ssize_t (*read)(void *buffer, size_t size, void *arg); /* 0 at the end; may suspend */
    int (*rewind)(void *arg); /* NULL: the body cannot be had twice */
    void *arg;
    int64_t size;             /* -1: not known, and then the body's length is not said */
} kt_http_form_source;

/* Adds a part whose bytes a function gives, as a file's. A request fails with -EINVAL if they are less or more than the
 * size that was said. As kt_http_form_add_bytes. */
KT_API int kt_http_form_add_source(kt_http_form *f, const char *name, const kt_http_form_source *source,
                                   const kt_http_form_file *file) KT_CHECKED;

/* Makes the form the body of a request: sets content_type, body_read, body_rewind, body_arg and the body's size, for
 * one kt_http_send; borrowed until that returns. Does not suspend. */
KT_API void kt_http_form_use(kt_http_form *f, kt_http_request *request);

KT_END

#endif
