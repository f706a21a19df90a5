/* SPDX-License-Identifier: MIT */
/* Selectors and pages. */
#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <kettle/test.h>
#include <page.h>
#include <selector.h>
#include <stdio.h>
#include <string.h>

static const char html[] =
    "<!DOCTYPE html><html><body id=top class='a b'><div class='box'><p id=p1>one</p><p id=p2 class=x>two</p>"
    "<span id=s1><p id=p3>three</p></span></div><ul><li id=l1><li id=l2><li id=l3><li id=l4><li id=l5></ul>"
    "<a id=a1 href='/buy/1' lang=en-GB title='Big Deal'>x</a><a id=a2 href='http://x/y.pdf'>y</a>"
    "<my-thing id=m1></my-thing></body></html>";

/* The ids of all that match, in order: "p1 p2". Or what is wrong with the selector. */
static const char *ids(const char *text)
{
    static char found[1024];
    kt_auto(selector) *s = NULL;
    kt_auto(page) p = {NULL, NULL};
    if (selector_parse(text, &s) < 0)
        return kt_error_detail();
    CHECK_OK(page_parse(kt_slice_from(html), &p));
    size_t size = 0;
    selector_look look = selector_look_begin();
    found[0] = '\0';
    for (const GumboNode *n = p.root; n; n = page_next(n, p.root)) {
        const char *id = selector_matches(s, n, &look) ? page_attribute(n, "id") : NULL;
        if (id)
            size += (size_t)snprintf(found + size, sizeof found - size, "%s%s", size ? " " : "", id);
    }
    return found;
}

TEST(types_classes_and_ids)
{
    CHECK_STR(ids("p"), "p1 p2 p3");
    CHECK_STR(ids("P.x"), "p2");
    CHECK_STR(ids("#p3"), "p3");
    CHECK_STR(ids(".a.b"), "top");
    CHECK_STR(ids(".A"), "");
    CHECK_STR(ids("my-thing"), "m1");
    CHECK_STR(ids("p , #a1,ul>#l2"), "p1 p2 p3 l2 a1");
}

TEST(combinators)
{
    CHECK_STR(ids(".box p"), "p1 p2 p3");
    CHECK_STR(ids(".box>p"), "p1 p2");
    CHECK_STR(ids("div > span p"), "p3");
    CHECK_STR(ids("#p1 + p"), "p2");
    CHECK_STR(ids("#l2 ~ li"), "l3 l4 l5");
    CHECK_STR(ids("html body .box > span > p"), "p3");
    CHECK_STR(ids("ul p"), "");
}

TEST(attributes)
{
    CHECK_STR(ids("a[href]"), "a1 a2");
    CHECK_STR(ids("[href='/buy/1']"), "a1");
    CHECK_STR(ids("[href^=\"/buy\"]"), "a1");
    CHECK_STR(ids("[href$='.pdf']"), "a2");
    CHECK_STR(ids("[href*='/']"), "a1 a2");
    CHECK_STR(ids("[lang|=en]"), "a1");
    CHECK_STR(ids("[title~=Deal]"), "a1");
    CHECK_STR(ids("[title~=deal]"), "");
    CHECK_STR(ids("[title~=deal i]"), "a1");
    CHECK_STR(ids("[href^='']"), "");
}

TEST(pseudo_classes)
{
    CHECK_STR(ids("li:first-child"), "l1");
    CHECK_STR(ids("li:last-child"), "l5");
    CHECK_STR(ids("li:nth-child(odd)"), "l1 l3 l5");
    CHECK_STR(ids("li:nth-child(2n)"), "l2 l4");
    CHECK_STR(ids("li:nth-child(-n + 2)"), "l1 l2");
    CHECK_STR(ids("li:nth-child(3)"), "l3");
    CHECK_STR(ids("li:nth-last-child(2)"), "l4");
    CHECK_STR(ids("li:not(:first-child):not(#l3, #l5)"), "l2 l4");
    CHECK_STR(ids("span > p:only-child"), "p3");
    CHECK_STR(ids("a:first-of-type"), "a1");
    CHECK_STR(ids("li:empty"), "l1 l2 l3 l4 l5");
}

TEST(what_is_no_selector_is_told_with_its_place)
{
    CHECK_STR(ids("a["), "selector: a name is missing at byte 2");
    CHECK_STR(ids("a[b"), "selector: an operator is missing at byte 3");
    CHECK_STR(ids("a[b='c"), "selector: the quote does not end at byte 6");
    CHECK_STR(ids(""), "selector: a name is missing at byte 0");
    CHECK_STR(ids("a >"), "selector: a name is missing at byte 3");
    CHECK_STR(ids("a,"), "selector: a name is missing at byte 2");
    CHECK_STR(ids("a:hover"), "selector: no such pseudo-class before at byte 7");
    CHECK_STR(ids("a:not(:not(b))"), "selector: :not() inside :not() at byte 11");
    CHECK_STR(ids("a:nth-child(x)"), "selector: a number, odd or even is missing at byte 12");
    CHECK_STR(ids("a!"), "selector: something unexpected at byte 1");
}

TEST(a_selector_may_not_be_too_long)
{
    char text[3 * SELECTOR_SIMPLE_MAX + 10];
    selector *s = NULL;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 ? 'a' : ' ';
    text[sizeof text - 1] = '\0';
    CHECK_ERR(selector_parse(text, &s), -EINVAL);
    CHECK(s == NULL);
}

TEST(pages_nest_as_deep_as_they_like)
{
    enum { DEEP = 5000 };
    kt_auto(kt_buffer) b = KT_BUFFER_INIT, text = KT_BUFFER_INIT;
    kt_auto(page) p = {NULL, NULL};
    for (int i = 0; i < DEEP; i++)
        CHECK_OK(kt_buffer_append_string(&b, "<div>"));
    CHECK_OK(kt_buffer_append_string(&b, "<p> the \n end </p>"));
    CHECK_OK(page_parse(kt_buffer_slice(&b), &p));
    CHECK_OK(page_text(p.root, 1000, &text));
    CHECK_STR(kt_buffer_string(&text), "the end");
}

TEST(a_page_without_memory_is_told)
{
    kt_auto(page) p = {NULL, NULL};
    for (unsigned n = 1; n < 100; n++) {
        kt_test_fail_allocation(n);
        int rc = page_parse(kt_slice_from(html), &p);
        kt_test_fail_allocation(0);
        if (rc == 0)
            return;
        CHECK_ERR(rc, -ENOMEM);
        CHECK(p.blocks == NULL);
    }
    CHECK(false);
}

/* A list of so many, with something in each. */
enum { ITEMS = 20000 };

static char *long_list(void)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&text, "<ul>"));
    for (int i = 0; i < ITEMS; i++)
        CHECK_OK(kt_buffer_append_string(&text, "<li><b>x</b><i>y</i></li>"));
    return kt_strndup(text.data, text.size);
}

static size_t matches_of(const char *text, const char *page_text, selector_look *look)
{
    kt_auto(selector) *s = NULL;
    kt_auto(page) p = {NULL, NULL};
    size_t count = 0;
    CHECK_OK(selector_parse(text, &s));
    CHECK_OK(page_parse(kt_slice_from(page_text), &p));
    for (const GumboNode *n = p.root; n; n = page_next(n, p.root))
        count += selector_matches(s, n, look);
    return count;
}

TEST(places_among_siblings_are_known)
{
    static const struct {
        const char *selector;
        size_t count;
    } cases[] = {{"li:nth-child(2n)", ITEMS / 2}, {":nth-last-child(2)", ITEMS + 2}, {"i:only-child", 0},
                 {"li :nth-of-type(1)", 2 * ITEMS}, {"li:last-of-type > b:first-child", 1}};
    char *text = long_list();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        selector_look look = selector_look_begin();
        CHECK_EQ(matches_of(cases[i].selector, text, &look), cases[i].count);
        CHECK_LT(look.turns, 20 * ITEMS);
    }
    kt_free(text);
}

TEST(a_look_that_is_late_finds_nothing_any_more)
{
    char *text = long_list();
    selector_look look = {.deadline = 1};
    CHECK_LT(matches_of("li", text, &look), ITEMS);
    CHECK(look.late);
    kt_free(text);
}
