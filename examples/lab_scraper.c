/* SPDX-License-Identifier: MIT */
/* Twelve pages at once, each with a limit of 10 s: the titles of the good ones, and why the others gave none. One page
 * that hangs costs the limit once, and nobody else anything. */
#include "lab_scraper.h"
#include "lab_site.h"

enum { PAGES = 12 };

static const char *const urls[PAGES] = {
    LAB_GOOD "/page/1", LAB_GOOD "/page/2", LAB_GOOD "/hang",   LAB_GOOD "/page/3", LAB_GOOD "/page/4",
    LAB_RESET,          LAB_GOOD "/page/5", LAB_GOOD "/page/6", LAB_GOOD "/error",  LAB_GOOD "/page/7",
    LAB_GOOD "/page/8", LAB_GOOD "/missing",
};

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
        rc = scrape_all(urls, PAGES, PAGES, pages);
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
