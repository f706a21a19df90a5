/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_FILES_H
#define KETTLE_HTTP_FILES_H

/* Answers from files: one, or whichever of a folder the request is for. Library: libkettle-net.
 *
 *     kt_auto(kt_http_folder) *site = NULL;
 *     int rc = kt_http_folder_open("/srv/site", NULL, &site);
 *
 *     static int handler(kt_http_exchange *x, void *arg)          // arg: the folder
 *     {
 *         int rc = kt_http_serve_folder(x, arg, kt_http_path(x)); // 1 answered, 0 no such file
 *         return rc != 0 ? rc : kt_http_respond(x, 404, "text/plain", "not here\n", 9);
 *     }
 *
 * What these do with GET and HEAD, by RFC 9110: ETag (from the file's number, size and time of change) and
 * Last-Modified, the conditions of section 13 in the order of 13.2.2 (304, 412), ranges of section 14 (206, one or
 * several parts, If-Range, 416), and X-Content-Type-Options: nosniff. Other methods get 405 with Allow. Small files
 * leave in one write with the head, large ones of HTTP/1.1 by sendfile(2).
 *
 * Files are looked at on the loop where the system has all it takes in memory, else by one job on the pool; once for
 * all the requests that the loop answers in one pass, so that of a file which is replaced meanwhile the next ones get
 * the new one. They are the system's own, also under the simulated driver. A file that is changed in place while it is
 * sent gives a mixture of both, and one that is cut an answer that is cut: replace files, as kt_file_replace does.
 *
 * Thread rule, and "the answer's errors": see http.h. */

#include <kettle/http.h>
#include <time.h>

KT_BEGIN

/* All zero means the defaults. Strings are borrowed; those of a folder as long as it is open. */
typedef struct kt_http_file_options {
    const char *content_type;  /* NULL: by the name's extension, application/octet-stream where that says nothing */
    const char *cache_control; /* NULL: "no-cache", that is, ask again each time; "": no such header */
    const char *download;      /* the name under which a browser saves it; NULL: it shows it */
    const char *index;         /* of a folder: its directories' page; NULL: "index.html", "": none */
    bool precompressed;        /* sends NAME.br or NAME.gz, where there is one not older than the file, to whoever takes
                                * that coding */
    bool hidden;               /* of a folder: names that begin with a dot are served too */
    bool no_ranges;            /* always the whole file */
    uint32_t ranges_max;       /* of one request, beyond which it gets the whole file; 0 = 16 */
    uintptr_t reserved[2];
} kt_http_file_options;

/* Answers with a file that the program has chosen; NULL options mean the defaults. 0 once it has answered, whatever the
 * status. When the file cannot be had nothing is answered and no header is added: -ENOENT, -EACCES, -EISDIR, -ENOTDIR,
 * -EMFILE, ...; -ESPIPE for what is neither a file nor a directory. -EIO and KT_EINCOMPLETE when it cannot be read to
 * its end: then the answer is cut. Otherwise the answer's errors. Headers set before are kept. The content of more than
 * a few kilobytes has no deadline (request_timeout): a client may have all of it that takes it as fast as write_timeout
 * wants, 64 KiB in 30 s; afterwards the handler has the time of a request again. Suspends. Like aiohttp's
 * FileResponse. */
KT_API int kt_http_respond_file(kt_http_exchange *x, const char *path, const kt_http_file_options *options) KT_CHECKED;

typedef struct kt_http_folder kt_http_folder;

/* Opens a folder to be served; NULL options mean the defaults. The caller owns *ret_folder. -ENOENT, -ENOTDIR, -EACCES,
 * ..., -ENOMEM. Suspends; a cancellation leaves nothing. */
KT_API int kt_http_folder_open(const char *path, const kt_http_file_options *options,
                               kt_http_folder **ret_folder) KT_CHECKED;

/* Closes and frees; NULL is allowed. Nobody may be serving from it: close it after kt_http_serve has returned. Does not
 * suspend. */
KT_API void kt_http_folder_close(kt_http_folder *f);

static inline void kt_http_folder_cleanup(kt_http_folder **f)
{
    kt_http_folder_close(*f);
}

/* Answers with the file that `path` names beneath the folder; leading slashes do not matter, so that kt_http_path(x) or
 * the rest of it will do. A directory's path without a slash at its end is redirected to the one with it (301, which
 * asks for the request's own path to end like `path`), and with it is answered by the index. 1 once it has answered,
 * whatever the status; 0, and nothing is answered nor any header added, where there is no such file that may be
 * served: not found, no right to read, "." and "..", an escaped slash, a hidden name, or a symbolic link that leads
 * out of the folder. Otherwise as kt_http_respond_file. Suspends. Like aiohttp's add_static; openat2(2). */
KT_API int kt_http_serve_folder(kt_http_exchange *x, kt_http_folder *f, kt_slice path) KT_CHECKED;

/* The content type for a name's extension ("text/html; charset=utf-8"), NULL where it says nothing. Static. Any
 * thread. Like mimetypes.guess_type. */
KT_API const char *kt_http_content_type(kt_slice name);

/* For answers that a handler makes itself: what becomes of its conditions (RFC 9110 section 13.2.2), given
 * what an answer with 200 would have: `etag` with its quotes (NULL: none) and when it was changed, in seconds since
 * 1970 (-1: not known). 0: answer; 304 or 412: answer with this status, no content, and the same ETag. NULL and -1
 * together mean a thing that does not exist. Does not suspend. */
KT_API int kt_http_conditions(const kt_http_exchange *x, const char *etag, time_t changed);

KT_END

#endif
