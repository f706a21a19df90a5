/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_FILES_H
#define KT__HTTP_FILES_H

/* What the files share that answer from files.
 *
 *   files.c        the public functions; heads
 *   files_find.c   opens what was asked for
 *   files_seen.c   what was found in this pass of the loop
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

/* Does If-None-Match list this tag, by strong comparison? */
bool kt__none_match_has(const kt_http_exchange *x, kt_slice tag);

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

/* A path as it is (dir AT_FDCWD) or beneath a directory. `want_br` and `want_gzip` say which siblings will do, in
 * thousandths. */
typedef struct kt__file_query {
    int dir;           /* AT_FDCWD, or what must not be left */
    kt_slice path;
    const char *index; /* NULL or "": none */
    bool compressed;
    bool slash;        /* the path ended with one */
    int want_br, want_gzip;
} kt__file_query;

/* Shared by the answers that it is for. */
typedef struct kt__found {
    unsigned uses;
    kt__file_query query; /* its path lies behind this */
    int fd;               /* -1: none */
    struct stat st;
    const char *coding;   /* "br", "gzip" or NULL */
    char *small;          /* all of its content, or NULL: it is large */
    char name[256];       /* the last part of its path, for the content type */
    char etag[KT__ETAG_BYTES];
    char validators[KT__ETAG_BYTES + 64]; /* the lines of ETag and Last-Modified */
    char path[];
} kt__found;

/* 0, and what the query is for is one's own to release; 1: a directory that needs a slash at its end; or an error. */
int kt__find(kt__http_server *s, const kt__file_query *q, kt__found **ret_found);
void kt__found_release(kt__found *f);

/* ---- files_seen.c: does not suspend. */

/* What answers this query and was found in the running pass, to be released; else NULL. */
kt__found *kt__seen(kt__http_server *s, const kt__file_query *q);
void kt__seen_add(kt__http_server *s, kt__found *f);

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
