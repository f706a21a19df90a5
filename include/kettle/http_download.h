/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_DOWNLOAD_H
#define KETTLE_HTTP_DOWNLOAD_H

/* Downloads to files, which go on where they stopped. Library: libkettle-net.
 *
 *     kt_http_download_result got;
 *     int rc = kt_http_download(web, "https://example.org/tea.iso", "tea.iso", NULL, &got);
 *
 * The bytes go to PATH.part, a neighbour of the target; beside it PATH.part-info says of what they are a part: the URL,
 * the answer's validator (a strong ETag, or a Last-Modified that is one), its length, and how many bytes have been
 * forced to the disk, which happens every 16 MiB and at a failure. The next call for that URL and path, also of another
 * process or after a crash, asks for the rest only, on condition that the validator still holds (Range and If-Range,
 * RFC 9110 section 14.2 and 13.1.5). The target appears whole, by a rename, or stays as it was.
 *
 * Thread rule: as http_client.h. */

#include <kettle/http_client.h>
#include <sys/types.h>

KT_BEGIN

/* How far it is. */
typedef struct kt_http_download_progress {
    uint64_t bytes;   /* that are there, those of earlier calls included */
    int64_t total;    /* -1: not known */
    unsigned attempt; /* 1 is the first of this call */
} kt_http_download_progress;

/* All zero means the defaults. */
typedef struct kt_http_download_options {
    const char *const *headers; /* as of a request; not Range, If-Range, nor Accept-Encoding, which is identity */
    uint64_t bytes_max;         /* of the whole; 0 = 16 GiB. The session's body_bytes_max holds for each answer too */
    unsigned attempts;          /* of this call, the first included: after a connection that failed, a body that was
                                 * cut, and 408, 429, 502, 503 and 504; 0 = 10 */
    kt_time first_wait;         /* after the first failure, then twice as long each time, with jitter; 0 = 1 s */
    kt_time wait_max;           /* 0 = 1 minute; a Retry-After up to that is honoured */
    bool anew;                  /* what an earlier call has left is not used */
    bool discard;               /* a failure or cancellation leaves no part */
    bool no_sync;               /* the target is not forced to the disk: a crash of the system may lose it */
    mode_t mode;                /* of the target; 0 = that of the file that is replaced, or of a new one 0666 less the
                                 * umask */
    kt_http_timeouts timeouts;  /* of each attempt; `total` 0 = KT_FOREVER: large files take their time */

    /* Called after each piece of at most 64 KiB, and at the end; a negative result ends the download with that. Must
     * not suspend. */
    int (*progress)(const kt_http_download_progress *p, void *arg);
    void *arg;
} kt_http_download_options;

typedef struct kt_http_download_result {
    uint64_t bytes;    /* the target's size */
    uint64_t resumed;  /* of these had been there when the call began */
    unsigned attempts;
} kt_http_download_result;

/* Downloads a URL, which may be relative to the session's, to a file, by GET. NULL options mean the defaults;
 * ret_result may be NULL. Strings are borrowed during the call.
 *
 * 0: the target is there, whole. -ENOENT: the server said 404 or 410; -EACCES: 401, 403 or 407; -EREMOTEIO: another
 * status but 200 and 206, which the detail names; KT_ELIMIT: longer than bytes_max; KT_EPROTOCOL: a range that was not
 * asked for; KT_EINCOMPLETE: the body was cut in each attempt; -EBUSY: another download has the part; -EINVAL for a
 * header that is not allowed; what `progress` returned; the errors of kt_http_send and kt_http_response_read, of files
 * and renames; -ENOMEM; the cancellation's code.
 *
 * Suspends. After a failure or cancellation the target is as it was. The part stays for the next call if it can be
 * resumed, unless `discard` is set; if not, nothing is left. Keeping it holds the cancellation back until it is on the
 * disk. */
KT_API int kt_http_download(kt_http_session *s, const char *url, const char *path,
                            const kt_http_download_options *options,
                            kt_http_download_result *ret_result) KT_CHECKED;

KT_END

#endif
