/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_AUTH_PRIVATE_H
#define KT__HTTP_AUTH_PRIVATE_H

/* What the files about credentials share: auth.c chooses and writes, auth_challenge.c reads what servers ask for,
 * auth_digest.c computes. */

#include <kettle/http_auth.h>

/* A parameter's value: as it stands, without its quotes. */
typedef struct kt__auth_text {
    kt_slice raw;
    bool quoted; /* then '\\' takes the meaning from the next byte */
} kt__auth_text;

/* One challenge of a field (RFC 9110 section 11.3), with the parameters that somebody here wants; data NULL: not
 * there. */
typedef struct kt__challenge {
    kt_slice scheme;
    kt__auth_text realm, nonce, opaque, algorithm, qop, stale, userhash;
} kt__challenge;

/* Takes the next challenge off the front of a field's value; what cannot be read is skipped. False at the end. */
bool kt__challenge_next(kt_slice *rest, kt__challenge *ret_challenge);

/* The value, without its escapes, in memory of kt_alloc's; NULL without memory. */
char *kt__auth_text_copy(kt__auth_text text) KT_CHECKED;

/* Is it this word, in any case? */
bool kt__auth_text_is(kt__auth_text text, const char *lower);

/* Has a list, such as qop's, this word in it? */
bool kt__auth_text_has(kt__auth_text text, const char *lower);

typedef enum kt__digest_hash { KT__DIGEST_MD5, KT__DIGEST_SHA256, KT__DIGEST_SHA512_256 } kt__digest_hash;
typedef enum kt__digest_qop { KT__DIGEST_NO_QOP, KT__DIGEST_AUTH, KT__DIGEST_AUTH_INT } kt__digest_qop;

/* A Digest challenge that is being answered (RFC 7616 section 3.3). */
typedef struct kt__digest {
    kt__digest_hash hash;
    bool session; /* the algorithm ends in -sess */
    bool userhash;
    kt__digest_qop qop;
    char *realm, *nonce, *opaque; /* opaque: NULL if there is none */
    char *cnonce;
    uint32_t count; /* of answers with this nonce */
} kt__digest;

/* Understands a challenge. 0; -EINVAL for one that cannot be answered; -EIO without randomness; -ENOMEM. `cnonce`: as
 * of the options. */
int kt__digest_take(const kt__challenge *c, const char *cnonce, kt__digest *ret_digest);

void kt__digest_release(kt__digest *d);

/* Appends the credentials, and counts. Errors as kt_http_auth_value. */
int kt__digest_put(kt__digest *d, const char *user, const char *password, const kt_http_auth_request *request,
                   kt_buffer *out);

/* What one request has carried, by which an answer to it is judged, whatever other requests do with the object
 * meanwhile. All zero: nothing yet. */
typedef struct kt__auth_shown {
    unsigned scheme;  /* of its credentials; 0: they were not shown, or not since it was challenged */
    unsigned answers; /* to challenges, in a row */
} kt__auth_shown;

/* As kt_http_auth_challenge and kt_http_auth_value, for one request of several that are under way. */
int kt__auth_challenge(kt_http_auth *auth, kt__auth_shown *shown, const kt_slice *fields, size_t count) KT_CHECKED;
int kt__auth_value(kt_http_auth *auth, kt__auth_shown *shown, const kt_http_auth_request *request,
                   kt_buffer *out) KT_CHECKED;

/* Appends `bytes` in base64. 0, -ENOMEM, KT_ELIMIT. */
int kt__base64_put(kt_slice bytes, kt_buffer *out);

#endif
