/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_FILES_H
#define KT__HTTP_FILES_H

/* What the files share that answer from files.
 *
 *   files.c        the public functions; heads
 *   files_find.c   opens what was asked for
 *   files_send.c   contents, whole and in parts
 *   conditions.c   If-Match and so on, dates; ranges.c: Range, If-Range; accept.c: Accept-Encoding
 *   content_types.c the table of extensions */

#include <kettle/http_files.h>
#include <sys/stat.h>

#include "http/server.h"

/* ---- conditions.c */

#define KT__ETAG_BYTES 64

/* A date of RFC 9110 section 5.6.7, in any of its three forms. 0, or -EINVAL. */
int kt__http_date_parse(kt_slice text, time_t *ret_second);
/* "Sun, 06 Nov 1994 08:49:37 GMT". */
void kt__http_date_text(time_t second, char text[32]);

/* ---- ranges.c */

typedef struct kt__range {
    int64_t first, size;
} kt__range;

#define KT__RANGES_MAX 64

/* The ranges of a Range header's value that a thing of `size` bytes has. How many; 0: none of them can be had (416);
 * -EINVAL: the header is to be ignored, as it is malformed, of another unit, or a burden: more than `max`, or more than
 * two that overlap (RFC 9110 section 14.2). */
int kt__ranges_parse(kt_slice value, int64_t size, unsigned max, kt__range ranges[KT__RANGES_MAX]);

/* Does If-Range (RFC 9110 section 13.1.5), if there is one, let ranges be given? */
bool kt__ranges_wanted(const kt_http_exchange *x, const char *etag, time_t changed);

/* ---- accept.c */

/* How much an Accept-Encoding list wants this coding, in thousandths; 0: not at all. "identity" is wanted (1) unless it
 * is excluded. RFC 9110 section 12.5.3. */
int kt__accept_quality(const kt_http_exchange *x, const char *coding);

/* ---- files_find.c */

enum {
    KT__SMALL_BYTES = 64 * 1024, /* read at once, and sent with the head */
};

typedef struct kt__found {
    int fd;            /* -1: none */
    struct stat st;
    const char *coding; /* "br", "gzip" or NULL */
    bool index;        /* it is the index of the directory that was asked for */
    bool varies;       /* it has siblings, so that the answer depends on Accept-Encoding */
    ssize_t read;      /* so many bytes were read: all of them, or -1 */
    char name[256];    /* the last part of its path, for the content type */
    char small[KT__SMALL_BYTES];
} kt__found;

/* Opens a path as it is (dir AT_FDCWD) or beneath a directory. `want_br` and `want_gzip` say which siblings will do, in
 * thousandths. 0; 1: a directory that needs a slash at its end; or an error. *f is to be closed in every case. */
typedef struct kt__file_query {
    int dir;           /* AT_FDCWD, or what must not be left */
    const char *path;
    const char *index; /* NULL or "": none */
    bool compressed;
    bool slash;        /* the path ended with one */
    int want_br, want_gzip;
    kt__found *found;
} kt__file_query;

int kt__find(kt__file_query *q);

/* ---- files_send.c */

/* Answers with a part of it, or with several. */
int kt__file_send(kt_http_exchange *x, int status, const char *content_type, const kt__found *f, kt__range part);
int kt__file_send_parts(kt_http_exchange *x, const char *content_type, const kt__found *f, const kt__range *parts,
                        size_t count);

/* ---- answer.c */

/* As kt_http_start for an answer whose length is known: exactly so many bytes are written afterwards. */
int kt__http_start_sized(kt_http_exchange *x, int status, const char *content_type, uint64_t size);
/* Sends a part of a file without copying it. Its errors are kt_http_write's, and KT_EINCOMPLETE where the file is
 * shorter; -EOPNOTSUPP where the protocol cannot. */
int kt__http_sendfile(kt_http_exchange *x, int fd, int64_t offset, int64_t size);

#endif
