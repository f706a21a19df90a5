/* SPDX-License-Identifier: MIT */
/* The scraper: many pages at once, but no more than `at_once`, each with a limit of 10 s; of each its title, or why
 * there is none. lab_scraper.c runs it, lab_tests.c tests it. */
#ifndef LAB_SCRAPER_H
#define LAB_SCRAPER_H

#include <kettle/http_client.h>
#include <kettle/kettle.h>
#include <stdio.h>

typedef struct page {
    char title[64], cause[64];
} page;

static void take_title(kt_slice html, page *p)
{
    const char *begin = memmem(html.data, html.size, "<title>", 7);
    const char *end = begin ? strstr(begin, "</title>") : NULL; /* the body ends in a zero byte */
    if (end)
        snprintf(p->title, sizeof p->title, "%.*s", (int)(end - begin - 7), begin + 7);
    else
        snprintf(p->cause, sizeof p->cause, "no title");
}

static int get_page(kt_http_session *web, const char *url, page *p)
{
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    int rc = kt_http_get(web, url, &r);
    if (rc == 0)
        rc = kt_http_response_read_all(r, 64 * 1024, &body);
    if (rc == 0 && kt_http_response_status(r) >= 400)
        snprintf(p->cause, sizeof p->cause, "HTTP %d", kt_http_response_status(r));
    else if (rc == 0)
        take_title(body, p);
    return rc;
}

static int get_page_in_turn(kt_semaphore *permits, kt_http_session *web, const char *url, page *p)
{
    int rc = kt_semaphore_acquire(permits);
    if (rc < 0)
        return rc;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(10)); /* of the request, not of the wait for its turn */
    rc = kt_timeout_end(&limit, get_page(web, url, p));
    kt_semaphore_release(permits);
    return rc;
}

KT_FN(scrape, a, struct {
    kt_http_session *web;
    kt_semaphore *permits;
    const char *url;
    page *page;
})
{
    int rc = get_page_in_turn(a->permits, a->web, a->url, a->page);
    if (rc == KT_ETIMEDOUT)
        snprintf(a->page->cause, sizeof a->page->cause, "timed out");
    else if (kt_is_cancel(rc))
        return rc;
    else if (rc < 0)
        snprintf(a->page->cause, sizeof a->page->cause, "%s", kt_strerror(rc));
    return 0; /* its failure is its own */
}

static int scrape_all(const char *const *urls, int count, unsigned at_once, page *pages)
{
    kt_auto(kt_http_session) *web = NULL;
    kt_semaphore permits = KT_SEMAPHORE_INIT(at_once);
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = kt_http_session_open(NULL, &web);
    for (int i = 0; rc == 0 && i < count; i++)
        rc = kt_group_spawn(&g, KT_WITH(scrape, web, &permits, urls[i], &pages[i]));
    return kt_group_join(&g, rc);
}

#endif
