/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TLS_CERTIFICATES_H
#define TESTS_TLS_CERTIFICATES_H

/* Certificates for tests, made on the spot, so that no key is kept and no date passes. */

#include <kettle/base.h>

/* What a certificate is to be; zero: a good one. */
typedef struct wanted {
    const char *name;              /* the common name; NULL = "localhost" */
    const char *alternatives;      /* "DNS:a,IP:127.0.0.1"; NULL = "DNS:NAME" */
    const struct made *issuer;     /* NULL: signs itself */
    bool authority;
    bool rsa;                      /* its key; otherwise an elliptic curve's */
    long begins, ends;             /* seconds from now; 0, 0 = an hour ago, in a day */
} wanted;

/* PEM, terminated. */
typedef struct made {
    char certificate[4096], key[4096];
} made;

void make(const wanted *w, made *ret_made);

/* A revocation list of an authority's, in PEM and terminated: it names `revoked` unless that is NULL, and ends in so
 * many seconds. */
typedef struct made_list {
    char pem[4096];
} made_list;

void make_list(const made *issuer, const made *revoked, long ends, made_list *ret_list);

/* The authority of most tests, and a certificate for localhost and 127.0.0.1 that it has signed: made once. */
const made *authority(void);
const made *good(void);

static inline kt_slice certificate_of(const made *m)
{
    return kt_slice_from(m->certificate);
}

static inline kt_slice key_of(const made *m)
{
    return kt_slice_from(m->key);
}

#endif
