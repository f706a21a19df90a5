/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_COOKIES_H
#define KETTLE_COOKIES_H

/* A jar of cookies for a client: what servers set, and what goes back to them (RFC 6265bis). Library: libkettle-net.
 *
 *     kt_auto(kt_cookie_jar) *jar = NULL;
 *     kt_auto(kt_buffer) value = KT_BUFFER_INIT;
 *     int rc = kt_cookie_jar_new(NULL, &jar);
 *     if (rc == 0)
 *         rc = kt_cookie_jar_set(jar, &url, NULL, kt_slice_from("id=7; Path=/; Secure; Max-Age=3600"));
 *     if (rc >= 0)
 *         rc = kt_cookie_jar_header(jar, &url, NULL, &value);    // 1, and "id=7" for the field Cookie
 *
 * A session of http_client.h that is given a jar does this by itself, and several sessions may share one.
 *
 * A cookie is kept for a host alone, or for a domain and what is below it, but never for a public suffix such as
 * "co.uk" or "github.io" (the list is libpsl's). Secure cookies are set and sent by https and wss only. Names that
 * begin with __Secure- and __Host- keep their promises. Limits bound what servers can have kept: see the options.
 *
 * A jar belongs to one loop's thread, or to one thread at a time. Nothing suspends but saving and loading. */

#include <kettle/base.h>
#include <kettle/buffer.h>
#include <kettle/url.h>

KT_BEGIN

typedef struct kt_cookie_jar kt_cookie_jar;

/* All zero means the defaults. */
typedef struct kt_cookie_jar_options {
    size_t cookies_max;            /* 0 = 3000; beyond, those go that were not sent for the longest time */
    size_t cookies_per_domain_max; /* 0 = 180 */
    size_t cookie_bytes_max;       /* of name and value; 0 = 4096; longer ones are not kept */
    kt_time age_max;               /* of a cookie that says for how long it is good; 0 = 400 days */
    kt_time (*clock)(void *arg);   /* the time, since 1970-01-01T00:00:00Z; NULL: clock_gettime(CLOCK_REALTIME) */
    void *clock_arg;
} kt_cookie_jar_options;

/* Makes an empty jar; NULL options mean the defaults. The caller owns *ret_jar. 0 or -ENOMEM. */
KT_API int kt_cookie_jar_new(const kt_cookie_jar_options *options, kt_cookie_jar **ret_jar) KT_CHECKED;

/* Frees it and its cookies; NULL is allowed. */
KT_API void kt_cookie_jar_free(kt_cookie_jar *jar);

static inline void kt_cookie_jar_cleanup(kt_cookie_jar **jar)
{
    kt_cookie_jar_free(*jar);
}

/* ---- Requests and answers -------------------------------------------------------------------- */

/* On whose behalf a request is made, for SameSite. All zero, or NULL in its place: on nobody's but the program's own,
 * and then every cookie is sent and kept. */
typedef struct kt_cookie_request {
    const kt_url *initiator; /* the page that asks for it, or that redirected to it; NULL: none */
    bool navigation;         /* a new page is opened, rather than something for the initiator loaded */
    bool unsafe;             /* the method is not GET, HEAD, OPTIONS or TRACE */
} kt_cookie_request;

/* Keeps what one Set-Cookie field of an answer from `url` says; for a time that is past, forgets that cookie. 1: kept,
 * replaced or forgotten; 0: ignored, as the standard wants it for what is malformed, too long, or not this server's to
 * set; -ENOMEM, and then the jar is as it was. RFC 6265bis sections 5.6 and 5.7. */
KT_API int kt_cookie_jar_set(kt_cookie_jar *jar, const kt_url *url, const kt_cookie_request *request,
                             kt_slice set_cookie) KT_CHECKED;

/* Appends the value of the field Cookie for a request to `url`: "a=1; b=2", longer paths first, then older ones. How
 * many cookies; 0: there is no field to send. -ENOMEM, KT_ELIMIT of the buffer, and then nothing is appended. RFC
 * 6265bis section 5.8. */
KT_API int kt_cookie_jar_header(kt_cookie_jar *jar, const kt_url *url, const kt_cookie_request *request,
                                kt_buffer *out) KT_CHECKED;

/* ---- What is in it --------------------------------------------------------------------------- */

typedef enum kt_cookie_same_site {
    KT_COOKIE_SAME_SITE_UNSET, /* counts as Lax */
    KT_COOKIE_SAME_SITE_NONE,
    KT_COOKIE_SAME_SITE_LAX,
    KT_COOKIE_SAME_SITE_STRICT,
} kt_cookie_same_site;

/* A cookie, to look at: the slices are the jar's until it is changed next. */
typedef struct kt_cookie {
    kt_slice name, value;
    kt_slice domain;  /* without a leading dot */
    kt_slice path;
    kt_time expires;  /* since 1970; 0: at the end of the session */
    bool host_only;   /* not for hosts below the domain */
    bool secure, http_only;
    uint8_t same_site; /* kt_cookie_same_site */
} kt_cookie;

/* The cookies, oldest first, expired ones left out: start with *cursor = 0. True, or false behind the last one; the jar
 * must not be changed in between. */
KT_API bool kt_cookie_jar_next(kt_cookie_jar *jar, size_t *cursor, kt_cookie *ret_cookie);

/* Forgets the cookies of a domain and those below it; NULL: all. */
KT_API void kt_cookie_jar_clear(kt_cookie_jar *jar, const char *domain);

/* Forgets the cookies that have no time of their own: at the end of a session. */
KT_API void kt_cookie_jar_end_session(kt_cookie_jar *jar);

/* ---- Files ----------------------------------------------------------------------------------- */

enum {
    KT_COOKIES_SESSION = 1, /* also those without a time of their own */
};

/* Replaces the file `path` with what is in the jar, all or nothing (kt_file_replace), mode 0600: cookies are keys.
 * The form is Netscape's cookies.txt, as curl and Python's MozillaCookieJar read and write it; what it lacks
 * (SameSite) is in comments of ours. `flags`: of the above. 0; -ENOMEM; the errors of kt_file_replace. Suspends; a
 * cancellation leaves the old file or the new one. In a task. */
KT_API int kt_cookie_jar_save(kt_cookie_jar *jar, const char *path, unsigned flags) KT_CHECKED;

/* Adds the cookies of such a file, in place of those in the jar that have the same name, domain and path. Lines that
 * are no cookie, or are expired or too long, are left out. How many were read; -ENOENT, KT_ELIMIT over 16 MiB, the
 * other errors of kt_file_read_whole, -ENOMEM; the cancellation's code: then the jar is as it was, and after -ENOMEM
 * it may hold a part. Suspends. In a task. */
KT_API int kt_cookie_jar_load(kt_cookie_jar *jar, const char *path) KT_CHECKED;

KT_END

#endif
