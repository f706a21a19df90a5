/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_FORMS_H
#define KETTLE_HTTP_FORMS_H

/* Forms that browsers send, with files or without, and cookies. Library: libkettle-net.
 *
 *     kt_http_urlencoded form;                                       // application/x-www-form-urlencoded
 *     kt_slice name;
 *     int rc = kt_http_urlencoded_read(x, 64 * 1024, &form);
 *     if (rc == 0 && kt_http_urlencoded_value(&form, "name", &name))
 *         ...
 *
 *     kt_auto(kt_http_multipart) *m = NULL;                          // multipart/form-data, piece by piece
 *     kt_http_part part;
 *     int rc = kt_http_multipart_open(x, NULL, &m);
 *     while (rc == 0 && (rc = kt_http_multipart_next(m, &part)) == 1) {
 *         kt_auto(kt_path) saved = NULL;
 *         rc = part.filename.data ? kt_http_multipart_save(m, "/srv/uploads", &saved) : keep(m, &part);
 *     }
 *
 * A handler that returns one of the errors below is answered for: 400 for a body that is malformed, 413 for one beyond
 * a limit, 415 for one of another type.
 *
 * Thread rule: see http.h. */

#include <kettle/http.h>
#include <kettle/path.h>
#include <time.h>

KT_BEGIN

/* ---- Without files --------------------------------------------------------------------------- */

typedef struct kt_http_urlencoded_field {
    kt_slice name, value; /* decoded; they hold no NUL */
} kt_http_urlencoded_field;

typedef struct kt_http_urlencoded {
    const kt_http_urlencoded_field *fields; /* in the order of the form */
    size_t count;
} kt_http_urlencoded;

/* Reads a body of application/x-www-form-urlencoded as a whole (URL standard, section 5.1), which then belongs to the
 * exchange. KT_EPROTOCOL: it is of another type, or has a broken escape or %00; KT_ELIMIT: it has more than
 * size_max bytes or 1000 fields; -ENOMEM; otherwise as kt_http_read_all. Suspends. Like aiohttp's request.post. */
KT_API int kt_http_urlencoded_read(kt_http_exchange *x, size_t size_max, kt_http_urlencoded *ret_form) KT_CHECKED;

/* The value of the first field of this name; false if there is none. Does not suspend. */
KT_API bool kt_http_urlencoded_value(const kt_http_urlencoded *form, const char *name, kt_slice *ret_value);

/* ---- With files: multipart/form-data (RFC 7578) ---------------------------------------------- */

/* All zero means the defaults. How much there is in all is limited by the server's body_bytes_max. */
typedef struct kt_http_multipart_options {
    uint32_t parts_max;        /* 0 = 100 */
    uint32_t header_bytes_max; /* of one part; 0 = 4 KiB, at most 64 KiB */
    uint32_t name_bytes_max;   /* of a part's name, and of a file's; 0 = 255 */
    uint64_t part_bytes_max;   /* of one part's content; 0 = what the body may have */
    uintptr_t reserved[2];
} kt_http_multipart_options;

/* One part, until the next one is asked for. */
typedef struct kt_http_part {
    kt_slice name;
    kt_slice filename;     /* as the client says it, and never a path to trust: see kt_http_safe_name. data NULL: it is
                            * no file */
    kt_slice content_type; /* empty: not said, and then it is text/plain */
} kt_http_part;

typedef struct kt_http_multipart kt_http_multipart;

/* Begins to read a body of multipart/form-data. NULL options mean the defaults. The caller owns *ret_multipart and
 * frees it before its handler returns. KT_EPROTOCOL: the body is of another type, or has no boundary; -EINVAL for a
 * limit out of range; -ENOMEM. Does not suspend. Like aiohttp's request.multipart. */
KT_API int kt_http_multipart_open(kt_http_exchange *x, const kt_http_multipart_options *options,
                                  kt_http_multipart **ret_multipart) KT_CHECKED;

/* Frees it; NULL is allowed. What is left of the body is the server's to skip. Does not suspend. */
KT_API void kt_http_multipart_free(kt_http_multipart *m);

static inline void kt_http_multipart_cleanup(kt_http_multipart **m)
{
    kt_http_multipart_free(*m);
}

/* The next part, after skipping what is left of the one before: 1, or 0 behind the last one. KT_EPROTOCOL: malformed, a
 * part without a name, a name that is not UTF-8, a Content-Transfer-Encoding; KT_ELIMIT; KT_EINCOMPLETE: the body
 * ends before its last boundary; -ENOMEM; otherwise as kt_http_read. The first three come again at every later call.
 * A cancellation loses nothing. Suspends. */
KT_API int kt_http_multipart_next(kt_http_multipart *m, kt_http_part *ret_part) KT_CHECKED;

/* Reads some of the part's content: at least one byte, at most `size` (0 is -EINVAL). The number of bytes, 0 at its
 * end. KT_EINVALIDSTATE without a part; otherwise as kt_http_multipart_next. Suspends. */
KT_API ssize_t kt_http_multipart_read(kt_http_multipart *m, void *buffer, size_t size) KT_CHECKED;

/* Reads the rest of the part's content as a whole, behind what is in the buffer. KT_ELIMIT if it is longer than
 * size_max (the handler may return that: 413); -ENOMEM; otherwise as kt_http_multipart_read. On failure and
 * cancellation a part of it may have been appended. Suspends. */
KT_API int kt_http_multipart_read_all(kt_http_multipart *m, size_t size_max, kt_buffer *buffer) KT_CHECKED;

/* Saves the rest of the part's content as a new file in the directory `dir`, as kt_temp_named does: mode 0600, its name
 * "upload-" and 16 random digits, nothing of it the client's. The caller owns *ret_path and the file. Errors as
 * kt_temp_named, kt_file_write and kt_http_multipart_read; then, and after a cancellation, the file is gone. Suspends.
 * */
KT_API int kt_http_multipart_save(kt_http_multipart *m, const char *dir, kt_path *ret_path) KT_CHECKED;

enum {
    KT_HTTP_NAME_BYTES = 128
};

/* Makes a name for a file of what a client calls it: what follows the last slash or backslash, with "_" for control
 * characters, blanks and whatever means something to a shell or a file system, no dot in front, and at most 127 bytes,
 * cut before a character. "file" where nothing is left. Returns its size. Does not suspend; any thread. Like werkzeug's
 * secure_filename. */
KT_API size_t kt_http_safe_name(kt_slice filename, char ret_name[KT_HTTP_NAME_BYTES]);

/* ---- Cookies (RFC 6265bis) ------------------------------------------------------------------- */

/* The value of a cookie that the client sends, exactly so; the first of several. False if there is none. Case matters.
 * Does not suspend. */
KT_API bool kt_http_cookie(const kt_http_exchange *x, const char *name, kt_slice *ret_value);

typedef enum kt_http_same_site {
    KT_HTTP_SAME_SITE_UNSAID, /* browsers take it for Lax */
    KT_HTTP_SAME_SITE_LAX,
    KT_HTTP_SAME_SITE_STRICT,
    KT_HTTP_SAME_SITE_NONE,
} kt_http_same_site;

/* All zero: for this host alone, the path beneath which the request's is, until the browser ends. */
typedef struct kt_http_cookie_options {
    const char *path;    /* "/" for all of the host; NULL: not said */
    const char *domain;  /* this one and all below it, also without the dot; NULL: this host alone */
    kt_time max_age;     /* in whole seconds; negative: the browser forgets it at once; 0: not said */
    time_t expires;      /* in seconds since 1970; 0: not said. max_age goes first */
    bool secure;         /* over TLS alone */
    bool http_only;      /* not for scripts */
    bool partitioned;    /* one for each site that it is embedded in */
    kt_http_same_site same_site;
    uintptr_t reserved[2];
} kt_http_cookie_options;

/* Adds a cookie to the answer; NULL options mean the defaults. -EINVAL, and nothing is set, for what a browser would
 * refuse or misread: a name that is no token, a value with control characters, blanks, quotes, commas, semicolons or
 * backslashes (encode those: kt_percent_encode, base64); a path without a slash in front; a domain that is none; a name
 * with __Secure- or __Host- in front that is not secure, or with the latter one that has a domain or a path other than
 * "/"; SameSite=None or Partitioned without Secure. KT_ELIMIT for name and value of more than 4096 bytes; otherwise as
 * kt_http_header. Does not suspend. Like aiohttp's set_cookie. */
KT_API int kt_http_cookie_set(kt_http_exchange *x, const char *name, const char *value,
                              const kt_http_cookie_options *options) KT_CHECKED;

KT_END

#endif
