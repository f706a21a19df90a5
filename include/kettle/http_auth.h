/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_AUTH_H
#define KETTLE_HTTP_AUTH_H

/* Credentials for HTTP: Basic (RFC 7617), Bearer (RFC 6750) and Digest (RFC 7616). Library: libkettle-net.
 *
 *     kt_auto(kt_http_auth) *auth = NULL;
 *     kt_auto(kt_buffer) value = KT_BUFFER_INIT;
 *     int rc = kt_http_auth_new(&(kt_http_auth_options){.user = "me", .password = "s3cret"}, &auth);
 *     ...                                             // a 401 came, with `fields`, its WWW-Authenticate
 *     rc = kt_http_auth_challenge(auth, fields, 1);   // 1: it is worth another try
 *     if (rc == 1)
 *         rc = kt_http_auth_value(auth, &(kt_http_auth_request){.method = "GET", .target = url.target}, &value);
 *     if (rc == 1)
 *         ...                                         // send it again, with Authorization: value
 *
 * An object is for one origin (scheme, host, port), or one proxy: to use it for another gives the secret away. It
 * remembers the challenge, so that later requests need no second trip. A challenge is taken for the answer to the value
 * that was made last: requests that are under way at once need an object each. A session of http_client.h keeps its own
 * apart.
 *
 * No word of an error holds a secret, and memory that held one is cleared before it is freed. Not one function
 * suspends; one thread at a time for each object. */

#include <kettle/base.h>
#include <kettle/buffer.h>

KT_BEGIN

typedef struct kt_http_auth kt_http_auth;

/* Ways to show who one is, from weak to strong. */
enum {
    KT_HTTP_AUTH_BASIC = 1,
    KT_HTTP_AUTH_DIGEST_MD5 = 2,
    KT_HTTP_AUTH_DIGEST_SHA256 = 4,
    KT_HTTP_AUTH_BEARER = 8,
};

/* All strings are copied. */
typedef struct kt_http_auth_options {
    const char *user, *password; /* for Basic and Digest; UTF-8 */
    const char *token;           /* for Bearer */
    unsigned schemes;            /* which of the above are allowed; 0 = all that there are credentials for */
    bool preemptive;             /* Basic is sent before the server has asked: saves a trip, and shows the password
                                  * to servers that would have asked for Digest. A token is always sent at once */
    const char *cnonce;          /* what Digest takes for random, for tests; NULL: 16 random bytes for each challenge */
} kt_http_auth_options;

/* Makes one. The caller owns *ret_auth. 0; -EINVAL: neither user nor token, a ':' in a user for Basic alone, a control
 * byte, a token that is none (RFC 6750 section 2.1); -ENOMEM. */
KT_API int kt_http_auth_new(const kt_http_auth_options *options, kt_http_auth **ret_auth) KT_CHECKED;

/* Clears and frees it; NULL is allowed. */
KT_API void kt_http_auth_free(kt_http_auth *auth);

static inline void kt_http_auth_cleanup(kt_http_auth **auth)
{
    kt_http_auth_free(*auth);
}

/* Reads what a server asks for, the values of all WWW-Authenticate fields of a 401 (or Proxy-Authenticate of a 407),
 * and chooses the strongest scheme that there are credentials for; of equals the first. 1: send the request again. 0:
 * it is of no use: nothing is asked for that we have, or this same challenge was answered already, so the credentials
 * are wrong. A Digest challenge with stale=true is answered with its new nonce; a server may go on saying so, so of
 * challenges in a row three are answered. What is malformed is passed over. -ENOMEM. RFC 9110 section 11.6. */
KT_API int kt_http_auth_challenge(kt_http_auth *auth, const kt_slice *fields, size_t count) KT_CHECKED;

/* One request to put credentials on. */
typedef struct kt_http_auth_request {
    const char *method;  /* as it is sent: "CONNECT" for an upgrade over HTTP/2 (RFC 8441) */
    kt_slice target;     /* as in the request's first line: kt_url.target; "host:port" for CONNECT */
    kt_slice body;       /* where it is known; data NULL: it is not. Only Digest's auth-int needs it, which is taken
                          * only where a server does not offer qop=auth */
} kt_http_auth_request;

/* Appends the value of Authorization (or Proxy-Authorization). 1; 0: none is to be sent, since the server has not asked
 * yet; -EINVAL for a target that does not fit into the field, and for auth-int without the body; -EIO: there is no
 * randomness; -ENOMEM, KT_ELIMIT of the buffer. On failure nothing is appended. Each call counts a Digest nonce on
 * (nc), so a value is for one request. */
KT_API int kt_http_auth_value(kt_http_auth *auth, const kt_http_auth_request *request, kt_buffer *out) KT_CHECKED;

/* Has a challenge been answered, or are credentials sent unasked? Of the schemes above, the one in use; 0: none. */
KT_API unsigned kt_http_auth_scheme(const kt_http_auth *auth);

KT_END

#endif
