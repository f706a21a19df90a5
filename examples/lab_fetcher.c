/* SPDX-License-Identifier: MIT */
/* Five addresses at once, one refused and one that hangs. Each says what it came to as it ends; then all of them in
 * order, as (url, status, length) or (url, error). The exit status is 1 if any failed. */
#include "lab_site.h"

#include <kettle/http_client.h>

enum { URLS = 5 };

static const char *const urls[URLS] = {
    LAB_GOOD "/page/1", LAB_GOOD ":81/", LAB_GOOD "/hang", LAB_GOOD "/page/22", LAB_GOOD "/missing",
};

typedef struct fetched {
    int rc, status;
    size_t length;
} fetched;

typedef struct fetcher {
    kt_http_session *web;
    fetched results[URLS];
    int ended;
} fetcher;

static int get(kt_http_session *web, const char *url, fetched *f)
{
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    int rc = kt_http_get(web, url, &r);
    if (rc == 0)
        rc = kt_http_response_read_all(r, 64 * 1024, &body);
    if (rc == 0)
        *f = (fetched){0, kt_http_response_status(r), body.size};
    return rc;
}

KT_FN(fetch, a, struct {
    fetcher *all;
    int number;
})
{
    fetched *f = &a->all->results[a->number];
    f->rc = get(a->all->web, urls[a->number], f);
    if (kt_is_cancel(f->rc))
        return f->rc;
    printf("[%d/%d] %s: %s\n", ++a->all->ended, URLS, urls[a->number], f->rc < 0 ? kt_strerror(f->rc) : "here");
    return 0;
}

static int fetch_all(fetcher *all)
{
    const kt_http_session_options options = {.timeouts.total = KT_S(5)};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = kt_http_session_open(&options, &all->web);
    for (int i = 0; rc == 0 && i < URLS; i++)
        rc = kt_group_spawn(&g, KT_WITH(fetch, all, i));
    rc = kt_group_join(&g, rc);
    kt_http_session_close(all->web);
    return rc;
}

/* How many failed. */
static int report(const fetcher *all)
{
    int failed = 0;
    for (int i = 0; i < URLS; i++) {
        const fetched *f = &all->results[i];
        failed += f->rc < 0 || f->status >= 400;
        if (f->rc < 0)
            printf("(%s, %s)\n", urls[i], kt_strerror(f->rc));
        else
            printf("(%s, %d, %zu)\n", urls[i], f->status, f->length);
    }
    return failed;
}

static int lab(void *arg)
{
    (void)arg;
    lab_site site = LAB_SITE_INIT;
    fetcher all = {0};
    int rc = lab_site_open(&site);
    if (rc == 0)
        rc = fetch_all(&all);
    if (rc == 0)
        rc = report(&all);
    return lab_site_close(&site, rc);
}

int main(void)
{
    int rc = kt_run(lab, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "lab_fetcher: %s\n", kt_strerror(rc));
    return rc != 0;
}
