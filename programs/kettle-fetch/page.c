/* SPDX-License-Identifier: MIT */

/* Pages. Gumbo takes its memory from blocks of ours, which are freed at once: its own way to free a tree recurses as
 * deep as the page nests. Where the memory or the time is used up, the only way out of gumbo is a jump: it does not
 * know that an allocation may fail. */

#include "page.h"

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <setjmp.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { BLOCK_BYTES = 64 * 1024, ALLOCATIONS_A_LOOK = 256 };

struct page_block {
    struct page_block *next;
    size_t size, used;
    max_align_t bytes[];
};

typedef struct arena {
    struct page_block *blocks;
    size_t size;
    int64_t deadline; /* of this thread's CPU time */
    unsigned turns;
    int rc;
    jmp_buf out;
} arena;

int64_t page_cpu_now(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) < 0 ? 0 : (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

KT_NORETURN static void give_up(arena *a, int rc)
{
    a->rc = rc;
    longjmp(a->out, 1); /* tidy: longjmp: gumbo has no other way out, and no frame but its own is left */
}

static void *arena_take(void *arg, size_t size)
{
    arena *a = arg;
    size = (size + 15) & ~(size_t)15;
    if (++a->turns % ALLOCATIONS_A_LOOK == 0 && page_cpu_now() > a->deadline)
        give_up(a, kt_error_set(KT_ELIMIT, "HTML that takes longer than %d s to parse", PAGE_SECONDS_MAX));
    if (!a->blocks || a->blocks->size - a->blocks->used < size) {
        size_t block = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        if (block > PAGE_MEMORY_MAX - a->size)
            give_up(a, kt_error_set(KT_ELIMIT, "HTML that takes more than %zu MiB", PAGE_MEMORY_MAX >> 20));
        struct page_block *b = kt_alloc(sizeof *b + block);
        if (!b)
            give_up(a, -ENOMEM);
        *b = (struct page_block){a->blocks, block, 0};
        a->blocks = b;
        a->size += block;
    }
    void *bytes = (char *)a->blocks->bytes + a->blocks->used;
    a->blocks->used += size;
    return bytes;
}

static void arena_keep(void *arg, void *bytes)
{
    (void)arg;
    (void)bytes;
}

/* Where elements stand in the text is nobody's concern here. Its room holds how they are numbered: the start has the
 * number of each, the end how many there are; the line that of all beside it, the column that of its own type. Types
 * that HTML does not know have no numbers of their own. */
static void number_elements(GumboNode *const *nodes, size_t size, unsigned of_type[GUMBO_TAG_LAST + 1])
{
    unsigned count = 0;
    for (size_t i = 0; i < size; i++)
        if (page_is_element(nodes[i])) {
            GumboElement *e = &nodes[i]->v.element;
            e->start_pos.line = ++count;
            e->start_pos.column = ++of_type[e->tag];
        }
    for (size_t i = 0; i < size; i++)
        if (page_is_element(nodes[i])) {
            GumboElement *e = &nodes[i]->v.element;
            e->end_pos.line = count;
            e->end_pos.column = of_type[e->tag];
        }
    for (size_t i = 0; i < size; i++)
        if (page_is_element(nodes[i]))
            of_type[nodes[i]->v.element.tag] = 0;
}

static void number_all(GumboNode *root)
{
    unsigned of_type[GUMBO_TAG_LAST + 1] = {0};
    number_elements(&root, 1, of_type);
    for (const GumboNode *n = root; n; n = page_next(n, root))
        if (page_is_element(n))
            number_elements((GumboNode **)n->v.element.children.data, n->v.element.children.length, of_type);
}

unsigned page_number(const GumboNode *n, bool of_type, unsigned *ret_count)
{
    const GumboElement *e = &n->v.element;
    *ret_count = of_type ? e->end_pos.column : e->end_pos.line;
    return of_type ? e->start_pos.column : e->start_pos.line;
}

int page_parse(kt_slice html, page *ret_page)
{
    if (html.size > PAGE_BYTES_MAX)
        return kt_error_set(KT_ELIMIT, "HTML of more than %zu MiB", PAGE_BYTES_MAX >> 20);
    arena *a = kt_calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    a->deadline = page_cpu_now() + (int64_t)PAGE_SECONDS_MAX * 1000000000;
    GumboOptions options = kGumboDefaultOptions;
    options.allocator = arena_take;
    options.deallocator = arena_keep;
    options.userdata = a;
    options.max_errors = 0;
    if (setjmp(a->out) == 0) { /* tidy: setjmp: see above */
        const GumboOutput *o = gumbo_parse_with_options(&options, html.data ? html.data : "", html.size);
        *ret_page = (page){o->root, a->blocks};
        number_all(o->root);
    }
    int rc = a->rc;
    if (rc < 0)
        page_release(&(page){NULL, a->blocks});
    kt_free(a);
    return rc;
}

void page_release(page *p)
{
    while (p->blocks) {
        struct page_block *b = p->blocks;
        p->blocks = b->next;
        kt_free(b);
    }
    p->root = NULL;
}

static const GumboVector *children(const GumboNode *n)
{
    return n->type == GUMBO_NODE_DOCUMENT ? &n->v.document.children
           : page_is_element(n)           ? &n->v.element.children
                                          : NULL;
}

static const GumboNode *past(const GumboNode *n, const GumboNode *root)
{
    for (; n && n != root; n = n->parent) {
        const GumboVector *all = n->parent ? children(n->parent) : NULL;
        if (all && n->index_within_parent + 1 < all->length)
            return all->data[n->index_within_parent + 1];
    }
    return NULL;
}

const GumboNode *page_next(const GumboNode *n, const GumboNode *root)
{
    const GumboVector *all = children(n);
    return all && all->length > 0 ? all->data[0] : past(n, root);
}

kt_slice page_tag(const GumboNode *n)
{
    if (n->v.element.tag != GUMBO_TAG_UNKNOWN)
        return kt_slice_from(gumbo_normalized_tagname(n->v.element.tag));
    GumboStringPiece tag = n->v.element.original_tag;
    if (!tag.data)
        return kt_slice_from("");
    gumbo_tag_from_original_text(&tag);
    return (kt_slice){tag.data, tag.length};
}

bool page_is(const GumboNode *n, GumboTag tag)
{
    return page_is_element(n) && n->v.element.tag == tag;
}

const char *page_attribute(const GumboNode *n, const char *name)
{
    const GumboVector *all = &n->v.element.attributes;
    for (size_t i = 0; i < all->length; i++) {
        const GumboAttribute *a = all->data[i];
        if (strcasecmp(a->name, name) == 0)
            return a->value;
    }
    return NULL;
}

static int append_words(const char *text, size_t size_max, bool *blank, kt_buffer *out)
{
    static const char blanks[] = " \t\n\r\f\v";
    int rc = 0;
    while (rc == 0 && *text) {
        size_t skipped = strspn(text, blanks), size = strcspn(text + skipped, blanks);
        *blank = *blank || skipped > 0;
        text += skipped;
        if (size == 0)
            break;
        if (out->size + size + 1 > size_max)
            return 1;
        if (*blank && out->size > 0)
            rc = kt_buffer_append(out, " ", 1);
        *blank = false;
        if (rc == 0)
            rc = kt_buffer_append(out, text, size);
        text += size;
    }
    return rc;
}

int page_text(const GumboNode *n, size_t size_max, kt_buffer *out)
{
    const GumboNode *root = n;
    bool blank = false;
    int rc = 0;
    while (n && rc == 0) {
        if (page_is(n, GUMBO_TAG_SCRIPT) || page_is(n, GUMBO_TAG_STYLE)) {
            n = past(n, root);
            continue;
        }
        if (n->type == GUMBO_NODE_TEXT || n->type == GUMBO_NODE_CDATA)
            rc = append_words(n->v.text.text, size_max, &blank, out);
        else if (n->type == GUMBO_NODE_WHITESPACE || page_is(n, GUMBO_TAG_BR))
            blank = true;
        n = page_next(n, root);
    }
    return rc < 0 ? rc : 0;
}
