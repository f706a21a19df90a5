/* SPDX-License-Identifier: MIT */
/* Tests of the scraper (lab_scraper.h). They replace none of its functions: what they replace is the Internet, by a
 * host of the simulated network that gives canned replies. So the client's own code is run as well, and ten seconds
 * of waiting take none. */
#include "lab_scraper.h"

#include <kettle/http.h>
#include <kettle/test.h>
#include <kettle/test_network.h>

/* ---- Canned replies -------------------------------------------------------------------------- */

#define HOST    "http://10.0.0.2"
#define REFUSED HOST ":81/" /* nobody listens there */

static const struct {
    const char *path;
    kt_time after;
    int status;
    const char *body;
} replies[] = {
    {"/tea", KT_MS(100), 200, "<title>Tea</title>"},
    {"/untitled", KT_MS(100), 200, "<p>no head"},
    {"/missing", KT_MS(100), 404, ""},
    {"/broken", KT_MS(100), 500, ""},
    {"/hangs", KT_S(3600), 200, ""},
};

/* What every test has: the network and its host, which counts. */
typedef struct web {
    kt_test_network *network;
    kt_listener *l;
    kt_task *server;
    int asked, inside, most_inside;
} web;

static int reply(kt_http_exchange *x, void *arg)
{
    web *w = arg;
    size_t i = 0;
    while (!kt_slice_is(kt_http_path(x), replies[i].path))
        i++; /* a path that has no reply is a fault of the test */
    w->asked++;
    w->most_inside = ++w->inside > w->most_inside ? w->inside : w->most_inside;
    int rc = kt_sleep(replies[i].after);
    w->inside--;
    return rc < 0 ? rc : kt_http_respond(x, replies[i].status, "text/html", replies[i].body, strlen(replies[i].body));
}

KT_FN(serve, a, struct { web *w; })
{
    return kt_http_serve(a->w->l, NULL, reply, a->w);
}

static void web_open(web *w)
{
    *w = (web){.network = kt_test_network_open(NULL)};
    kt_test_network_use(w->network);
    CHECK_OK(kt_listen("10.0.0.2", 80, NULL, &w->l));
    CHECK_OK(kt_spawn(KT_WITH(serve, w), &w->server));
}

static void web_cleanup(web *w)
{
    kt_task_cancel(w->server);
    CHECK_ERR(kt_task_join(w->server), KT_ECANCELED);
    kt_listener_close(w->l);
    kt_test_network_close(w->network);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static page scraped(const char *url)
{
    page p = {"", ""};
    CHECK_OK(scrape_all(&url, 1, 1, &p));
    return p;
}

TEST(a_page_gives_its_title)
{
    kt_auto(web) w;
    web_open(&w);
    page p = scraped(HOST "/tea");
    CHECK_STR(p.title, "Tea");
    CHECK_STR(p.cause, "");
    CHECK_EQ(w.asked, 1);
}

TEST(a_page_without_a_title_says_so)
{
    kt_auto(web) w;
    web_open(&w);
    CHECK_STR(scraped(HOST "/untitled").cause, "no title");
}

TEST(a_page_that_hangs_times_out_after_ten_seconds)
{
    kt_auto(web) w;
    web_open(&w);
    kt_time start = kt_now();
    CHECK_STR(scraped(HOST "/hangs").cause, "timed out");
    CHECK_EQ(kt_now() - start, KT_S(10));
}

TEST(a_status_of_an_error_is_the_cause)
{
    kt_auto(web) w;
    web_open(&w);
    CHECK_STR(scraped(HOST "/missing").cause, "HTTP 404");
    CHECK_STR(scraped(HOST "/broken").cause, "HTTP 500");
}

TEST(an_error_of_the_network_is_the_cause)
{
    kt_auto(web) w;
    web_open(&w);
    CHECK_STR(scraped(REFUSED).cause, "Connection refused");
    CHECK_EQ(w.asked, 0);
}

TEST(many_pages_take_the_time_of_one)
{
    static const char *const urls[] = {HOST "/tea",     HOST "/tea", HOST "/missing", HOST "/tea",
                                       HOST "/untitled", REFUSED,     HOST "/tea",     HOST "/broken"};
    kt_auto(web) w;
    web_open(&w);
    page pages[8] = {0};
    int titles = 0;
    kt_time start = kt_now();
    CHECK_OK(scrape_all(urls, 8, 8, pages));
    CHECK_EQ(kt_now() - start, KT_MS(100));
    for (int i = 0; i < 8; i++)
        titles += pages[i].title[0] != '\0';
    CHECK_EQ(titles, 4);
    CHECK_STR(pages[2].cause, "HTTP 404"); /* each in its own place */
    CHECK_EQ(w.most_inside, 7);
}

TEST(no_more_pages_at_once_than_the_semaphore_permits)
{
    static const char *const urls[9] = {HOST "/tea", HOST "/tea", HOST "/tea", HOST "/tea", HOST "/tea",
                                        HOST "/tea", HOST "/tea", HOST "/tea", HOST "/tea"};
    kt_auto(web) w;
    web_open(&w);
    page pages[9] = {0};
    kt_time start = kt_now();
    CHECK_OK(scrape_all(urls, 9, 3, pages));
    CHECK_EQ(w.most_inside, 3);
    CHECK_EQ(kt_now() - start, KT_MS(300));
}

KT_FN(scrapes, a, struct { const char *url; page *p; })
{
    return scrape_all(&a->url, 1, 1, a->p);
}

TEST(a_scraper_that_is_cancelled_leaves_nothing_behind)
{
    kt_auto(web) w;
    web_open(&w);
    page p = {"", ""};
    kt_task *task;
    CHECK_OK(kt_spawn(KT_WITH(scrapes, HOST "/hangs", &p), &task));
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(task);
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    CHECK_STR(p.cause, ""); /* that is not the page's fault */
}
