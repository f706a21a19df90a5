/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_SELECTOR_H
#define KETTLE_FETCH_SELECTOR_H

/* CSS selectors over a page that gumbo has parsed.
 *
 *     selector *s = NULL;
 *     int rc = selector_parse("div.price > a[href^='/buy']:not(.old)", &s);
 *     for (node = page_next(root, root); node; node = page_next(node, root))
 *         if (selector_matches(s, node)) ...
 *
 * Of Selectors Level 4: type, *, .class, #id, [attribute] with = ~= |= ^= $= *= and the flag i, :first-child,
 * :last-child, :only-child, :nth-child(an+b), :nth-last-child(an+b), :first-of-type, :last-of-type, :empty, :root,
 * :not() with a list of compound selectors, the combinators blank > + ~, and lists with a comma. No namespaces, no
 * pseudo-elements, no escapes but a backslash before one character. Names of elements and attributes are compared
 * without case, as in HTML.
 *
 * Matching takes time by the size of the page times that of the selector, and no stack by the page's depth. */

#include <gumbo.h>
#include <kettle/base.h>

/* The longest selector, and how many simple ones it may have. */
#define SELECTOR_BYTES_MAX ((size_t)1000)
#define SELECTOR_SIMPLE_MAX 64

typedef struct selector selector;

/* Understands `text`. The caller frees *ret_selector. 0; -EINVAL, and kt_error_detail says at which byte; -ENOMEM. */
int selector_parse(const char *text, selector **ret_selector) KT_CHECKED;
void selector_free(selector *s);

/* Does it match this node? Never what is no element. */
bool selector_matches(const selector *s, const GumboNode *node);

static inline void selector_cleanup(selector **s)
{
    selector_free(*s);
}

#endif
