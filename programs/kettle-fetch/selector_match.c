/* SPDX-License-Identifier: MIT */

/* Selectors: matching. */

#include <string.h>
#include <strings.h>

#include "page.h"
#include "selector_private.h"

/* ---- Around a node ---------------------------------------------------------------------------- */

static const GumboNode *parent_of(const GumboNode *n)
{
    return n->parent && page_is_element(n->parent) ? n->parent : NULL;
}

static const GumboVector *siblings_of(const GumboNode *n)
{
    if (!n->parent)
        return NULL;
    return n->parent->type == GUMBO_NODE_DOCUMENT ? &n->parent->v.document.children
                                                  : &n->parent->v.element.children;
}

static const GumboNode *before(const GumboNode *n)
{
    const GumboVector *all = siblings_of(n);
    for (size_t i = n->index_within_parent; all && i-- > 0;) {
        const GumboNode *at = all->data[i];
        if (page_is_element(at))
            return at;
    }
    return NULL;
}

enum { BUDGET = 10000, TURNS_A_LOOK = 4096 };

selector_look selector_look_begin(void)
{
    return (selector_look){.deadline = page_cpu_now() + (int64_t)SELECTOR_SECONDS_MAX * 1000000000};
}

bool selector_look_is_late(selector_look *l)
{
    l->late = l->late || page_cpu_now() > l->deadline;
    return l->late;
}

static void take_turns(selector_look *l, unsigned turns)
{
    unsigned before = l->turns;
    l->turns += turns;
    if (before / TURNS_A_LOOK != l->turns / TURNS_A_LOOK)
        (void)selector_look_is_late(l);
}

/* Its number among the elements beside it of its own type, which HTML does not know. */
static int place_of_unknown(const GumboNode *n, bool from_back, selector_look *l)
{
    const GumboVector *all = siblings_of(n);
    int number = 1;
    if (!all)
        return number;
    size_t first = from_back ? n->index_within_parent + 1 : 0;
    size_t last = from_back ? all->length : n->index_within_parent;
    for (size_t i = first; i < last && !l->late; i++) {
        const GumboNode *at = all->data[i];
        number += page_is_element(at) && kt_slice_equal(page_tag(at), page_tag(n));
        take_turns(l, 1);
    }
    return number;
}

/* Its number among the elements beside it, from 1, from the front or the back. */
static int place(const GumboNode *n, bool from_back, bool of_type, selector_look *l)
{
    if (of_type && n->v.element.tag == GUMBO_TAG_UNKNOWN)
        return place_of_unknown(n, from_back, l);
    unsigned count, number = page_number(n, of_type, &count);
    return (int)(from_back ? count - number + 1 : number);
}

/* ---- Simple selectors ------------------------------------------------------------------------- */

static bool equal(const char *a, const char *b, size_t size, bool any_case)
{
    return (any_case ? strncasecmp(a, b, size) : strncmp(a, b, size)) == 0;
}

static bool has_word(const char *text, const char *word, bool any_case)
{
    static const char blanks[] = " \t\n\r\f";
    size_t size = strlen(word);
    while (size > 0 && *(text += strspn(text, blanks))) {
        size_t length = strcspn(text, blanks);
        if (length == size && equal(text, word, size, any_case))
            return true;
        text += length;
    }
    return false;
}

static bool has_part(const char *text, const char *part, bool any_case)
{
    return (any_case ? strcasestr(text, part) : strstr(text, part)) != NULL;
}

static bool attribute_matches(const simple *s, const GumboNode *n)
{
    const char *text = page_attribute(n, s->name);
    if (!text || s->op == OP_THERE)
        return text != NULL;
    size_t size = strlen(s->value), length = strlen(text);
    switch (s->op) {
    case OP_EQUAL:
        return size == length && equal(text, s->value, size, s->any_case);
    case OP_WORD:
        return has_word(text, s->value, s->any_case);
    case OP_DASH:
        return length >= size && equal(text, s->value, size, s->any_case) && (!text[size] || text[size] == '-');
    case OP_BEGIN:
        return size > 0 && length >= size && equal(text, s->value, size, s->any_case);
    case OP_END:
        return size > 0 && length >= size && equal(text + length - size, s->value, size, s->any_case);
    default:
        return size > 0 && has_part(text, s->value, s->any_case);
    }
}

/* Is there an n >= 0 with a*n + b = number? */
static bool nth_matches(const simple *s, int number)
{
    int rest = number - s->b;
    return s->a == 0 ? rest == 0 : rest % s->a == 0 && rest / s->a >= 0;
}

static bool is_empty(const GumboNode *n)
{
    const GumboVector *all = &n->v.element.children;
    for (size_t i = 0; i < all->length; i++)
        if (((const GumboNode *)all->data[i])->type != GUMBO_NODE_COMMENT)
            return false;
    return true;
}

static bool compound_matches(const selector *s, const compound *c, const GumboNode *n, selector_look *l);

static bool simple_matches(const selector *all, const simple *s, const GumboNode *n, selector_look *l)
{
    switch (s->kind) {
    case SIMPLE_ANY:
        return true;
    case SIMPLE_TYPE: {
        kt_slice tag = page_tag(n);
        return strlen(s->name) == tag.size && strncasecmp(s->name, tag.data, tag.size) == 0;
    }
    case SIMPLE_ATTRIBUTE:
        return attribute_matches(s, n);
    case SIMPLE_NTH:
    case SIMPLE_NTH_TYPE:
        return nth_matches(s, place(n, false, s->kind == SIMPLE_NTH_TYPE, l));
    case SIMPLE_NTH_LAST:
    case SIMPLE_NTH_LAST_TYPE:
        return nth_matches(s, place(n, true, s->kind == SIMPLE_NTH_LAST_TYPE, l));
    case SIMPLE_ONLY:
        return place(n, false, false, l) == 1 && place(n, true, false, l) == 1;
    case SIMPLE_EMPTY:
        return is_empty(n);
    case SIMPLE_ROOT:
        return parent_of(n) == NULL;
    case SIMPLE_NOT:
        for (int i = 0; i < s->count; i++)
            if (compound_matches(all, &all->compounds[s->first + i], n, l))
                return false;
        return true;
    }
    return false;
}

static bool compound_matches(const selector *s, const compound *c, const GumboNode *n, selector_look *l)
{
    for (int i = c->simple; i >= 0; i = s->simples[i].next)
        if (!simple_matches(s, &s->simples[i], n, l))
            return false;
    return true;
}

/* ---- Complex selectors ------------------------------------------------------------------------ */

static const GumboNode *left_node(enum left left, const GumboNode *n)
{
    return left == LEFT_ANCESTOR || left == LEFT_PARENT ? parent_of(n) : before(n);
}

/* Backtracks over the combinators that have a choice; the depth of recursion is that of the selector. `budget` keeps a
 * hostile pair of page and selector from taking for ever: what would need more is taken for no match. */
static bool complex_matches(const selector *s, int index, const GumboNode *n, int *budget, selector_look *l)
{
    const compound *c = &s->compounds[index];
    if (--*budget < 0 || l->late || !compound_matches(s, c, n, l))
        return false;
    if (c->left == LEFT_NOTHING)
        return true;
    bool choice = c->left == LEFT_ANCESTOR || c->left == LEFT_BEFORE_ANY;
    for (n = left_node(c->left, n); n; n = choice ? left_node(c->left, n) : NULL)
        if (complex_matches(s, c->left_of, n, budget, l))
            return true;
    return false;
}

bool selector_matches(const selector *s, const GumboNode *node, selector_look *l)
{
    int budget = BUDGET;
    if (!page_is_element(node))
        return false;
    bool matches = false;
    for (int i = 0; i < s->tops_count && !matches; i++)
        matches = complex_matches(s, s->tops[i], node, &budget, l);
    take_turns(l, (unsigned)(BUDGET - budget));
    return matches && !l->late;
}
