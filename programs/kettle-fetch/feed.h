/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_FEED_H
#define KETTLE_FETCH_FEED_H

/* URLs out of XML: sitemaps and their indexes (sitemaps.org), RSS 2.0 and 1.0, Atom (RFC 4287); plain or in gzip. By
 * libxml2, which neither asks the network nor puts entities in. Blocks: on a thread. */

#include <kettle/buffer.h>

/* After gunzip; what sitemaps.org allows. */
#define FEED_BYTES_MAX ((size_t)50 * 1024 * 1024)
#define FEED_URLS_MAX 50000

/* Where a URL leads to. */
enum feed_kind {
    FEED_PAGE,
    FEED_SITEMAP, /* another sitemap, of an index */
    FEED_NOTHING, /* nowhere: an entry that has no URL; it is empty */
};

/* Calls `found` with each URL as it is written there, which may be relative in feeds; what it returns below 0 ends the
 * reading. An item of RSS without <link> gives its <guid>, unless that is no permalink. 0; -EINVAL, and kt_error_detail
 * says why: it is no XML, or neither of these; KT_ELIMIT; -ENOMEM. What came before the mistake has been found. */
int feed_read(kt_slice bytes, int (*found)(enum feed_kind kind, kt_slice url, void *arg), void *arg) KT_CHECKED;

#endif
