/* SPDX-License-Identifier: MIT */

/* What is asked for, out of a body. Parsing is done on a thread: pages of strangers may take their time, and the
 * parsers more stack than a task has. */

#include <errno.h>
#include <kettle/memory.h>
#include <strings.h>

#include "charset.h"
#include "engine.h"
#include "json_path.h"
#include "json_text.h"
#include "page.h"

enum { TEXT_MAX = 100 * 1024, FIELD_MAX = 4 * 1024 * 1024, LIST_MAX = 10000, FOUND_MAX = 10000 };

/* ---- What may be asked ------------------------------------------------------------------------ */

int extract_parse(const char *text, extract *ret_extract)
{
    static const char *const plain[] = {"title", "links", "meta", "text"};
    const char *what = text, *equal = strchr(text, '='), *colon = strchr(text, ':');
    extract x = {.kind = EXTRACT_TITLE};
    int rc = -EINVAL;
    if (equal && (!colon || equal < colon) && equal > text) {
        x.name = kt_strndup(text, (size_t)(equal - text));
        what = equal + 1;
    } else {
        x.name = kt_strndup(text, strlen(text));
    }
    if (!x.name)
        return -ENOMEM;
    for (int i = 0; i < 4; i++)
        if (strcmp(what, plain[i]) == 0) {
            x.kind = (enum extract_kind)i;
            rc = 0;
        }
    if (strncmp(what, "json:", 5) == 0) {
        x.kind = EXTRACT_JSON;
        rc = json_path_check(what + 5);
        x.path = rc == 0 ? kt_strndup(what + 5, strlen(what + 5)) : NULL;
        rc = rc == 0 && !x.path ? -ENOMEM : rc;
    } else if (strncmp(what, "css:", 4) == 0) {
        x.kind = EXTRACT_CSS;
        const char *bracket = strrchr(what, ']'), *at = strrchr(bracket ? bracket : what, '@'); /* [href*="@"] */
        size_t size = at ? (size_t)(at - what - 4) : strlen(what + 4);
        char *css = kt_strndup(what + 4, size);
        x.attribute = at ? kt_strndup(at + 1, strlen(at + 1)) : NULL;
        rc = !css || (at && !x.attribute) ? -ENOMEM : selector_parse(css, &x.selector);
        kt_free(css);
    } else if (rc < 0) {
        rc = kt_error_set(-EINVAL, "neither title, links, meta, text, json:PATH nor css:SELECTOR");
    }
    if (rc < 0)
        extract_release(&x);
    else
        *ret_extract = x;
    return rc;
}

void extract_release(extract *x)
{
    kt_free(x->name);
    kt_free(x->path);
    kt_free(x->attribute);
    selector_free(x->selector);
    *x = (extract){.kind = EXTRACT_TITLE};
}

static bool follows(const engine_options *o)
{
    return o->crawl > 0 || o->paginate || o->follow;
}

bool transform_wanted(const engine_options *o)
{
    return o->extracts_count > 0 || follows(o);
}

/* ---- Out of pages ----------------------------------------------------------------------------- */

typedef struct work {
    const engine_options *o;
    item *it;
    page page;
    json_t *document;  /* of JSON */
    kt_url base;       /* for links: the page's own URL, or its <base> */
    char *next;        /* the next page, absolute */
    enum cause cause;
} work;

static json_t *text_of(const GumboNode *n)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    if (page_text(n, TEXT_MAX, &text) < 0)
        return NULL;
    return json_stringn(text.data ? text.data : "", text.size);
}

static const GumboNode *first_of(const page *p, GumboTag tag)
{
    const GumboNode *n = p->root;
    while (n && !(page_is(n, tag) && n->v.element.tag_namespace == GUMBO_NAMESPACE_HTML))
        n = page_next(n, p->root);
    return n;
}

/* Appends a link of the page as an absolute URL, without its fragment, unless it is none of http. */
static int add_link(const work *w, const char *href, json_t *list)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    int rc = kt_url_parse(href, &w->base, &url);
    if (rc < 0)
        return rc == -ENOMEM ? rc : 0;
    kt_slice key = frontier_key(&url);
    json_t *text = json_stringn(key.data, key.size);
    return json_array_append_new(list, text) < 0 ? -ENOMEM : 0;
}

static int links_of(const work *w, size_t most, json_t **ret_list)
{
    json_t *list = json_array();
    int rc = list ? 0 : -ENOMEM;
    for (const GumboNode *n = w->page.root; n && rc == 0; n = page_next(n, w->page.root)) {
        const char *href = page_is(n, GUMBO_TAG_A) || page_is(n, GUMBO_TAG_AREA) ? page_attribute(n, "href") : NULL;
        if (href && json_array_size(list) < most)
            rc = add_link(w, href, list);
    }
    if (rc < 0)
        json_decref(list);
    else
        *ret_list = list;
    return rc;
}

/* {"description": ..., "og:title": ...}: of each name the first. */
static json_t *meta_of(const work *w)
{
    json_t *all = json_object();
    for (const GumboNode *n = w->page.root; all && n; n = page_next(n, w->page.root)) {
        if (!page_is(n, GUMBO_TAG_META))
            continue;
        const char *name = page_attribute(n, "name"), *content = page_attribute(n, "content");
        name = name ? name : page_attribute(n, "property");
        if (name && content && !json_object_get(all, name) &&
            json_object_set_new(all, name, json_string(content)) < 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static int add_match(const extract *x, const GumboNode *n, json_t *list, size_t *size)
{
    const char *value = x->attribute ? page_attribute(n, x->attribute) : NULL;
    if (x->attribute && !value)
        return 0;
    json_t *text = value ? json_string(value) : text_of(n);
    *size += text ? json_string_length(text) : 0;
    return json_array_append_new(list, text) < 0 ? -ENOMEM : 0;
}

static int too_late(work *w)
{
    w->cause = CAUSE_CONTENT;
    return kt_error_set(KT_ELIMIT, "HTML that takes longer than %d s to look through", SELECTOR_SECONDS_MAX);
}

static int css_of(work *w, const extract *x, json_t **ret_list)
{
    selector_look look = selector_look_begin();
    json_t *list = json_array();
    size_t size = 0;
    int rc = list ? 0 : -ENOMEM;
    for (const GumboNode *n = w->page.root; n && rc == 0; n = page_next(n, w->page.root)) {
        if (json_array_size(list) == LIST_MAX || !selector_matches(x->selector, n, &look))
            continue;
        rc = add_match(x, n, list, &size);
        if (rc == 0 && size > FIELD_MAX) {
            w->cause = CAUSE_CONTENT;
            rc = kt_error_set(KT_ELIMIT, "%s: more than %d MiB", x->name, FIELD_MAX >> 20);
        }
        (void)selector_look_is_late(&look); /* texts within each other take time, too */
    }
    if (rc == 0 && look.late)
        rc = too_late(w);
    if (rc < 0)
        json_decref(list);
    else
        *ret_list = list;
    return rc;
}

/* One field. A page that is none, or has none of it, gives null. */
static int field_of(work *w, const extract *x, json_t **ret_value)
{
    int rc = 0;
    json_t *value = NULL;
    const GumboNode *n;
    bool html = w->page.root != NULL;
    if (x->kind == EXTRACT_JSON && w->document)
        rc = json_path_find(x->path, w->document, &value);
    else if (x->kind == EXTRACT_JSON || !html)
        value = json_null();
    else if (x->kind == EXTRACT_LINKS)
        rc = links_of(w, LIST_MAX, &value);
    else if (x->kind == EXTRACT_META)
        value = meta_of(w);
    else if (x->kind == EXTRACT_CSS)
        rc = css_of(w, x, &value);
    else if ((n = first_of(&w->page, x->kind == EXTRACT_TITLE ? GUMBO_TAG_TITLE : GUMBO_TAG_BODY)) != NULL)
        value = text_of(n);
    else
        value = json_null();
    if (rc == 0 && !value)
        rc = -ENOMEM;
    if (rc == 0)
        *ret_value = value;
    return rc;
}

static int fields_of(work *w)
{
    item *it = w->it;
    int rc = (it->fields = json_object()) ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < w->o->extracts_count; i++) {
        json_t *value = NULL;
        rc = field_of(w, &w->o->extracts[i], &value);
        if (rc == 0 && json_object_set_new_nocheck(it->fields, w->o->extracts[i].name, value) < 0)
            rc = -ENOMEM;
    }
    return rc;
}

/* ---- Where it goes on ------------------------------------------------------------------------- */

static bool has_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (; text && *text; text += strcspn(text, " \t\n")) {
        text += strspn(text, " \t\n");
        if (strncasecmp(text, word, size) == 0 && (!text[size] || strchr(" \t\n", text[size])))
            return true;
    }
    return false;
}

static const char *next_of_page(const work *w, selector_look *look)
{
    for (const GumboNode *n = w->page.root; n && !look->late; n = page_next(n, w->page.root)) {
        if (!page_is_element(n) || !page_attribute(n, "href"))
            continue;
        if (w->o->follow && selector_matches(w->o->follow, n, look))
            return page_attribute(n, "href");
        if (w->o->paginate && (page_is(n, GUMBO_TAG_A) || page_is(n, GUMBO_TAG_LINK)) &&
            has_word(page_attribute(n, "rel"), "next"))
            return page_attribute(n, "href");
    }
    return NULL;
}

/* What is no page has none, which is known then. */
static int find_links(work *w)
{
    if (w->page.root)
        return links_of(w, FOUND_MAX, &w->it->found);
    w->it->found = json_array();
    return w->it->found ? 0 : -ENOMEM;
}

/* Where there is none, that is known then. */
static int find_next(work *w)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    selector_look look = selector_look_begin();
    const char *href = w->o->paginate ? w->it->next_link : NULL;
    if (!href && w->page.root)
        href = next_of_page(w, &look);
    if (look.late && !href)
        return too_late(w);
    if (href && kt_url_parse(href, &w->base, &url) == -ENOMEM)
        return -ENOMEM;
    w->next = kt_strndup(url.text.data ? url.text.data : "", url.text.size);
    return w->next ? 0 : -ENOMEM;
}

/* ---- On the thread ---------------------------------------------------------------------------- */

static bool is_type(const item *it, const char *type)
{
    return it->content_type && strncasecmp(it->content_type, type, strlen(type)) == 0;
}

static int set_base(work *w)
{
    int rc = kt_url_parse(w->it->final_url, NULL, &w->base);
    const GumboNode *n = rc == 0 && w->page.root ? first_of(&w->page, GUMBO_TAG_BASE) : NULL;
    const char *href = n ? page_attribute(n, "href") : NULL;
    kt_url base = KT_URL_INIT;
    if (!href)
        return rc;
    rc = kt_url_parse(href, &w->base, &base);
    if (rc == 0) {
        kt_url_release(&w->base);
        w->base = base;
    }
    return rc == -ENOMEM ? rc : 0;
}

static int parse_json(work *w, kt_slice text)
{
    const char *zero = text.size > 0 ? memchr(text.data, '\0', text.size) : NULL;
    if (zero) { /* which jansson reads over where white space may stand */
        w->cause = CAUSE_CONTENT;
        return kt_error_set(KT_EVALIDATION, "JSON: a zero byte at byte %zu", (size_t)(zero - text.data));
    }
    int rc = json_text_parse(text, JSON_DECODE_ANY, BODY_DEPTH_MAX, &w->document);
    if (rc == KT_EVALIDATION) {
        w->cause = CAUSE_CONTENT;
        rc = kt_error_set(rc, "JSON: %s", kt_error_detail());
    }
    return rc;
}

static bool wants_json(const engine_options *o)
{
    for (size_t i = 0; i < o->extracts_count; i++)
        if (o->extracts[i].kind == EXTRACT_JSON)
            return true;
    return false;
}

static int transform_body(work *w)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    item *it = w->it;
    bool html = is_type(it, "text/html") || is_type(it, "application/xhtml") || !it->content_type;
    kt_slice type = kt_slice_from(it->content_type ? it->content_type : "");
    int rc = charset_decode(kt_buffer_slice(&it->body), type, html, &text, &it->replaced);
    if (rc == 0 && wants_json(w->o) && !html)
        rc = parse_json(w, kt_buffer_slice(&text));
    if (rc == 0 && html) {
        rc = page_parse(kt_buffer_slice(&text), &w->page);
        w->cause = rc == KT_ELIMIT ? CAUSE_CONTENT : w->cause;
    }
    if (rc == 0)
        rc = set_base(w);
    if (rc == 0 && w->o->extracts_count > 0)
        rc = fields_of(w);
    if (rc == 0 && w->o->crawl > it->depth)
        rc = find_links(w);
    if (rc == 0 && (w->o->paginate || w->o->follow))
        rc = find_next(w);
    json_decref(w->document);
    page_release(&w->page);
    kt_url_release(&w->base);
    return rc;
}

/* A detail belongs to the thread that set it. */
KT_FN(transform_thread, a, struct { work *w; char *why; size_t size; })
{
    int rc = transform_body(a->w);
    if (rc < 0)
        snprintf(a->why, a->size, "%s", *kt_error_detail() ? kt_error_detail() : kt_strerror(rc));
    return rc;
}

int transform_item(engine *e, item *it)
{
    char why[256] = "";
    work w = {.o = &e->o, .it = it, .cause = CAUSE_OTHER, .base = KT_URL_INIT};
    if (!transform_wanted(&e->o))
        return 0;
    int rc = e->o.crawl > 0 ? engine_arrive(e, kt_slice_from(it->url), it->final_url) : 0;
    if (rc < 0)
        return rc;
    rc = kt_thread_run(KT_WITH(transform_thread, .w = &w, .why = why, .size = sizeof why));
    it->next_url = w.next;
    if (rc < 0 && !kt_is_cancel(rc))
        item_fail(it, w.cause, rc, *why ? why : NULL);
    if (rc == 0 && it->found && it->depth == 0 && it->page == 0)
        rc = engine_give(e, it->final_url);
    return rc == 0 ? engine_follow(e, it->found, it->next_url, it->depth, it->page) : rc;
}
