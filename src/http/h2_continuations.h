/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_H2_CONTINUATIONS_H
#define KT__HTTP_H2_CONTINUATIONS_H

/* nghttp2 counts the CONTINUATIONs of a head, ends the session without a GOAWAY at the ninth, and counts one whenever
 * it is fed within a frame's header: a single one that comes byte by byte is nine to it. So that an honest peer on a
 * bad network is heard, it may count nine for each of the eight that it takes.
 *
 * Not all versions have the count and its option (1.61, and what distributions have mended): found when linked. */
#include <nghttp2/nghttp2.h>

#define KT__H2_CONTINUATIONS_MAX 8u
#define KT__H2_FRAME_HEAD_BYTES 9u

#pragma weak nghttp2_option_set_max_continuations
void nghttp2_option_set_max_continuations(nghttp2_option *option, size_t max);

static inline void kt__h2_continuations_limit(nghttp2_option *option)
{
    if (nghttp2_option_set_max_continuations)
        nghttp2_option_set_max_continuations(option, (size_t)KT__H2_CONTINUATIONS_MAX * KT__H2_FRAME_HEAD_BYTES);
}

#endif
