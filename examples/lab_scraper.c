/* SPDX-License-Identifier: MIT */
/* Twelve pages at once, each with a limit of 10 s: the titles of the good ones, and why the others gave none. One page
 * that hangs costs the limit once, and nobody else anything. */
#include "lab_site.h"

#include <kettle/http_client.h>

enum { PAGES = 12 };

typedef struct page {
    char title[64], cause[64];
} page;

static const char *const urls[PAGES] = {
    LAB_GOOD "/page/1", LAB_GOOD "/page/2", LAB_GOOD "/hang",   LAB_GOOD "/page/3", LAB_GOOD "/page/4",
    LAB_RESET,          LAB_GOOD "/page/5", LAB_GOOD "/page/6", LAB_GOOD "/error",  LAB_GOOD "/page/7",
    LAB_GOOD "/page/8", LAB_GOOD "/missing",
};

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

KT_FN(scrape, a, struct {
    kt_http_session *web;
    const char *url;
    page *page;
})
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(10));
    int rc = kt_timeout_end(&limit, get_page(a->web, a->url, a->page));
    if (rc == KT_ETIMEDOUT)
        snprintf(a->page->cause, sizeof a->page->cause, "timed out");
    else if (kt_is_cancel(rc))
        return rc;
    else if (rc < 0)
        snprintf(a->page->cause, sizeof a->page->cause, "%s", kt_strerror(rc));
    return 0; /* its failure is its own */
}

static int scrape_all(page *pages)
{
    kt_auto(kt_http_session) *web = NULL;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = kt_http_session_open(NULL, &web);
    for (int i = 0; rc == 0 && i < PAGES; i++)
        rc = kt_group_spawn(&g, KT_WITH(scrape, web, urls[i], &pages[i]));
    return kt_group_join(&g, rc);
}

static void report(const page *pages, double seconds)
{
    int good = 0;
    for (int i = 0; i < PAGES; i++) {
        good += pages[i].title[0] != '\0';
        printf("%s: %s\n", urls[i], pages[i].title[0] ? pages[i].title : pages[i].cause);
    }
    printf("total %d, successful %d, failed %d, %.1f s\n", PAGES, good, PAGES - good, seconds);
}

static int lab(void *arg)
{
    (void)arg;
    lab_site site = LAB_SITE_INIT;
    page pages[PAGES] = {0};
    int rc = lab_site_open(&site);
    kt_time start = kt_now();
    if (rc == 0)
        rc = scrape_all(pages);
    if (rc == 0)
        report(pages, lab_seconds(start));
    return lab_site_close(&site, rc);
}

int main(void)
{
    int rc = kt_run(lab, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "lab_scraper: %s\n", kt_strerror(rc));
    return rc < 0;
}
