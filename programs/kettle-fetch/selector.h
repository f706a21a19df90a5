/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_SELECTOR_H
#define KETTLE_FETCH_SELECTOR_H

/* CSS selectors over a page that gumbo has parsed.
 *
 *     selector *s = NULL;
 *     int rc = selector_parse("div.price > a[href^='/buy']:not(.old)", &s);
 *     selector_look look = selector_look_begin();
 *     for (node = page_next(root, root); node; node = page_next(node, root))
 *         if (selector_matches(s, node, &look)) ...
 *
 * Of Selectors Level 4: type, *, .class, #id, [attribute] with = ~= |= ^= $= *= and the flag i, :first-child,
 * :last-child, :only-child, :nth-child(an+b), :nth-last-child(an+b), :first-of-type, :last-of-type, :empty, :root,
 * :not() with a list of compound selectors, the combinators blank > + ~, and lists with a comma. No namespaces, no
 * pseudo-elements, no escapes but a backslash before one character. Names of elements and attributes are compared
 * without case, as in HTML.
 *
 * Matching takes time by the size of the page times that of the selector, but for what a stranger may contrive, which
 * ends after SELECTOR_SECONDS_MAX; and no stack by the page's depth. */

#include <gumbo.h>
#include <kettle/base.h>

/* The longest selector, and how many simple ones it may have. */
#define SELECTOR_BYTES_MAX ((size_t)1000)
#define SELECTOR_SIMPLE_MAX 64

/* Of CPU time, for one look through a page. */
#define SELECTOR_SECONDS_MAX 5

typedef struct selector selector;

/* Understands `text`. The caller frees *ret_selector. 0; -EINVAL, and kt_error_detail says at which byte; -ENOMEM. */
int selector_parse(const char *text, selector **ret_selector) KT_CHECKED;
void selector_free(selector *s);

/* One look through a page. */
typedef struct selector_look {
    int64_t deadline;
    unsigned turns;
    bool late;      /* it is over: nothing matches any more */
} selector_look;

selector_look selector_look_begin(void);

/* Is its time over? */
bool selector_look_is_late(selector_look *l);

/* Does it match this node? Never what is no element. */
bool selector_matches(const selector *s, const GumboNode *node, selector_look *l);

static inline void selector_cleanup(selector **s)
{
    selector_free(*s);
}

#endif
