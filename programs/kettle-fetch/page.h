/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_PAGE_H
#define KETTLE_FETCH_PAGE_H

/* A page of HTML, parsed by gumbo. Whatever a stranger has written, parsing ends: within PAGE_SECONDS_MAX of CPU time
 * and PAGE_MEMORY_MAX, and without deep recursion. Blocks: on a thread. */

#include <gumbo.h>
#include <kettle/buffer.h>

#define PAGE_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define PAGE_MEMORY_MAX ((size_t)256 * 1024 * 1024)
#define PAGE_SECONDS_MAX 5

typedef struct page {
    const GumboNode *root; /* <html> */
    struct page_block *blocks;
} page;

/* Parses HTML in UTF-8, which must outlive the page. The caller releases it. 0; KT_ELIMIT, and kt_error_detail says
 * of what; -ENOMEM. */
int page_parse(kt_slice html, page *ret_page) KT_CHECKED;
void page_release(page *p);

/* The CPU time of this thread, in nanoseconds. */
int64_t page_cpu_now(void);

/* The node after `node` in the order of the text, within `root`; NULL behind the last. */
const GumboNode *page_next(const GumboNode *node, const GumboNode *root);

static inline bool page_is_element(const GumboNode *n)
{
    return n->type == GUMBO_NODE_ELEMENT || n->type == GUMBO_NODE_TEMPLATE;
}

/* The name of an element, also of one that HTML does not know, as it was written. */
kt_slice page_tag(const GumboNode *n);
bool page_is(const GumboNode *n, GumboTag tag);

/* The number of an element among the elements beside it, from 1, or among those of its type, which must be one that
 * HTML knows; and how many those are. */
unsigned page_number(const GumboNode *n, bool of_type, unsigned *ret_count);

/* An attribute's value; NULL if there is none. */
const char *page_attribute(const GumboNode *n, const char *name);

/* Appends the text within a node, blanks in a row as one and none at both ends; not that of scripts and styles. At most
 * size_max bytes. 0, -ENOMEM. */
int page_text(const GumboNode *n, size_t size_max, kt_buffer *out) KT_CHECKED;

static inline void page_cleanup(page *p)
{
    page_release(p);
}

#endif
