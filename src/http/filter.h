/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_FILTER_H
#define KT__HTTP_FILTER_H

/* What stands between an exchange and its protocol: a table of functions like the protocol's own, some of them replaced
 * by what changes bytes on their way. filter_out.c compresses answers, filter_in.c decompresses requests. */

#include "http/coding.h"
#include "http/server.h"

#include <kettle/http_compress.h>

typedef struct kt__http_filter {
    kt__http_backend back;         /* first: x->back points to it */
    const kt__http_backend *below; /* the protocol's */

    kt_http_compress_options o;
    size_t weak_at;                /* where W/ was put into the answer's fields; 0: nowhere */
    bool events;                   /* each piece is sent whatever `collect` says */

    char *window;                  /* compressed bytes of the request */
    kt_slice input;                /* of which these are left */
    int read_rc;                   /* 1: not at its end; else 0 or an error, for good */
} kt__http_filter;

#define KT__FILTER_WINDOW ((size_t)8 * 1024)

/* The exchange's filter, which is made if there is none; NULL without memory. It lives as long as the exchange. */
kt__http_filter *kt__http_filter_of(kt_http_exchange *x);

#endif
